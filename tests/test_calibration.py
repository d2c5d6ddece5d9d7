"""A temperature: the best one is found, and is built into a network's last layer."""

from __future__ import annotations

import math

import numpy as np
import pytest

import limpide as lp
from limpide.calibration import build_in, temperature
from limpide.members import MemberOutput


def drawn(classes: int, sure: float, n: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    """Give sums that are so many times as sure as they should be, and classes drawn by them."""
    random = np.random.default_rng(5)
    z = random.standard_normal((n, classes)) * 2
    if classes == 1:
        y = (random.random(n) < 1 / (1 + np.exp(-z[:, 0]))).astype(float)
    else:
        y = (z + random.gumbel(size=z.shape)).argmax(axis=1)
    return z * sure, y


def log_loss(z: np.ndarray, y: np.ndarray, t: float, weights: np.ndarray | None = None) -> float:
    z = np.hstack([np.zeros_like(z), z]) / t if z.shape[1] == 1 else z / t
    z = z - z.max(axis=1, keepdims=True)
    own = z[np.arange(len(z)), y.astype(int)] - np.log(np.exp(z).sum(axis=1))
    return float(-np.average(own, weights=weights))


@pytest.mark.parametrize("classes", [1, 3])
@pytest.mark.parametrize("sure", [0.5, 1.0, 2.5])
def test_no_other_temperature_is_better(classes: int, sure: float) -> None:
    z, y = drawn(classes, sure)
    found = temperature(z, y)
    assert abs(math.log(found / sure)) < 0.1
    best = log_loss(z, y, found)
    assert all(best < log_loss(z, y, found * other) for other in (0.9, 0.98, 1.02, 1.1))


def test_weights_count_as_repetitions() -> None:
    z, y = drawn(1, 2, 300)
    weights = np.random.default_rng(0).integers(1, 4, len(z))
    repeated = np.repeat(np.arange(len(z)), weights)
    assert temperature(z, y, weights) == pytest.approx(temperature(z[repeated], y[repeated]))


def test_sums_that_are_always_right_stay_within_reach() -> None:
    z = np.array([[800.0], [-800.0]])
    found = temperature(z, np.array([1.0, 0.0]))
    assert 1 / 4.1 < found < 4.1


@pytest.mark.parametrize("members", [1, 3])
def test_it_divides_the_sums(members: int) -> None:
    last = lp.Dense(2, "softmax") if members == 1 else MemberOutput(members, 2, "softmax")
    net = lp.Network([4, lp.Dense(6, "relu"), last], dtype="float64", seed=0)
    X = np.random.default_rng(0).standard_normal((5, 4))
    before = net.sums(X) if members == 1 else net.member_sums(X)
    build_in(net, 2.0)
    after = net.sums(X) if members == 1 else net.member_sums(X)
    np.testing.assert_array_equal(after, before / 2)
