"""Schedules: the rate of each step beside a plain formula, alone and inside a fit."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import limpide as lp
from limpide.schedules import Schedule
from tolerances import tolerance

CLOSE = tolerance("golden")


def cosine(rate: float, final: float, warmup: float) -> Callable[[int, int], float]:
    def of(step: int, total: int) -> float:
        if warmup and (step + 1) / (warmup * total) < 1 and step / total <= warmup:
            return rate * (step + 1) / (warmup * total)
        share = max(step / total - warmup, 0) / (1 - warmup)
        return rate * (final + (1 - final) * (1 + math.cos(math.pi * share)) / 2)

    return of


SCHEDULES: list[tuple[lp.Schedule, Callable[[int, int], float]]] = [
    (lp.StepDecay(0.1, every=10), lambda s, n: 0.1 * 0.5 ** (s // 10)),
    (lp.StepDecay(0.2, every=7, factor=0.1), lambda s, n: 0.2 * 0.1 ** (s // 7)),
    (lp.ExponentialDecay(0.1), lambda s, n: 0.1 * 0.01 ** (s / n)),
    (lp.Linear(0.1), lambda s, n: 0.1 * (1 - s / n)),
    (lp.Linear(0.1, final_fraction=0.3), lambda s, n: 0.1 * (1 - 0.7 * s / n)),
    (lp.Cosine(0.1), cosine(0.1, 0, 0)),
    (lp.Cosine(0.1, final_fraction=0.2, warmup=0.25), cosine(0.1, 0.2, 0.25)),
    (lp.Cosine(0.1, warmup=0.8), cosine(0.1, 0, 0.8)),
]


def rate(schedule: Schedule, step: int, total: int) -> float:
    scalars = {n: lp.Tensor(v, dtype="float64") for n, v in schedule.scalars().items()}
    numbers = (lp.Tensor(float(n), dtype="float64") for n in (step, total))
    return float(schedule.rate(*numbers, scalars))


def name(value: object) -> str:
    return str(value)[:60] if isinstance(value, Schedule) else ""


@pytest.mark.parametrize(("schedule", "formula"), SCHEDULES, ids=name)
def test_each_rate_is_the_formula(schedule: Schedule, formula: Any) -> None:
    ours = [rate(schedule, step, 60) for step in range(60)]
    expected = [formula(step, 60) for step in range(60)]
    np.testing.assert_allclose(ours, expected, rtol=1e3 * CLOSE)
    assert min(ours) >= 0


@pytest.mark.parametrize(("schedule", "formula"), SCHEDULES, ids=name)
def test_a_fit_uses_it(schedule: Schedule, formula: Any) -> None:
    # ŷ = b, y = 0: the slope is 2 b, so each step multiplies b by 1 − 2 · rate.
    net = lp.Network([1, 1], dtype="float64", seed=0)
    net.set("b1", 1.0)
    net.fit(np.zeros((12, 1)), np.zeros(12), optimizer=lp.SGD(schedule), epochs=5, batch_size=1)
    expected = math.prod(1 - 2 * formula(step, 60) for step in range(60))
    assert net.get("b1") == pytest.approx(expected, rel=1e3 * CLOSE)


def test_the_end_of_a_warm_up_is_the_rate() -> None:
    rates = [rate(lp.Cosine(1.0, warmup=0.6), step, 100) for step in range(100)]
    assert rates[:60] == pytest.approx([(s + 1) / 60 for s in range(60)], rel=1e3 * CLOSE)
    assert rates[60:] == sorted(rates[60:], reverse=True)


@pytest.mark.parametrize("optimizer", [lp.SGD, lp.RMSProp, lp.Adagrad, lp.Adam, lp.AdamW])
def test_any_optimizer_takes_a_schedule(optimizer: Any) -> None:
    X = np.random.default_rng(0).normal(size=(20, 2))
    nets = [lp.Network([2, 1], dtype="float64", seed=0) for _ in range(2)]
    constant = lp.StepDecay(0.01, every=1e9)
    nets[0].fit(X, X[:, 0], optimizer=optimizer(constant))
    nets[1].fit(X, X[:, 0], optimizer=optimizer(0.01))
    for name, array in nets[0].params.items():
        np.testing.assert_array_equal(array, nets[1].params[name])


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: lp.Cosine(0), lp.ArgumentError, "learning_rate must be above 0; received 0"),
        (lambda: lp.Linear(-1), lp.ArgumentError, "learning_rate must be above 0; received -1"),
        (lambda: lp.Linear(float("nan")), lp.ArgumentError, "learning_rate must be finite"),
        (lambda: lp.Linear("x"), lp.ArgumentTypeError, "learning_rate must be a number"),
        (lambda: lp.StepDecay(0.1, every=0), lp.ArgumentError, "every must be above 0"),
        (lambda: lp.StepDecay(0.1, factor=-1), lp.ArgumentError, "factor must be at least 0"),
        (lambda: lp.Cosine(0.1, warmup=1), lp.ArgumentError, "warmup is a share .* below 1"),
        (lambda: lp.Cosine(0.1, warmup=-1), lp.ArgumentError, "warmup must be at least 0"),
        (lambda: lp.Cosine(0.1, warm_up=0.1), lp.ArgumentTypeError, "Did you mean 'warmup'"),
    ],
)
def test_wrong_schedules(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()
