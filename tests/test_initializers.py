"""Initialisers: their statistics, their seeds, and the two ways to call them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import limpide as lp
from limpide.errors import ArgumentError, ArgumentTypeError
from tolerances import tolerance

N = 300
DTYPES = ["float32", "float64"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_uniform(dtype: str) -> None:
    drawn = lp.uniform(-2, 3)((N, N), seed=1, dtype=dtype).numpy()
    assert drawn.dtype == dtype
    assert drawn.min() >= -2
    assert drawn.max() < 3
    sigma = 5 / np.sqrt(12)
    assert abs(drawn.mean() - 0.5) < 5 * sigma / N
    counts, _ = np.histogram(drawn, 20, (-2, 3))
    assert ((counts - N * N / 20) ** 2 / (N * N / 20)).sum() < 60  # chi-squared, 19 degrees
    unit = lp.uniform((N, N), seed=1, dtype=dtype).numpy()
    assert 0 <= unit.min() < 0.001 < 0.999 < unit.max() < 1


@pytest.mark.parametrize("dtype", DTYPES)
def test_normal(dtype: str) -> None:
    drawn = lp.normal((N, N), seed=1, dtype=dtype).numpy()
    assert drawn.dtype == dtype
    assert abs(drawn.mean()) < 5 / N
    assert abs(drawn.std() - 1) < 5 / (np.sqrt(2) * N)
    assert abs((drawn**3).mean()) < 5 * np.sqrt(15) / N
    assert abs((drawn**4).mean() - 3) < 5 * np.sqrt(96) / N
    assert abs((np.abs(drawn) < 1).mean() - 0.6827) < 5 * 0.4654 / N
    np.testing.assert_array_equal(
        lp.normal(0.1)((3, 4), seed=1, dtype=dtype).numpy(),
        lp.normal((3, 4), seed=1, dtype=dtype).numpy() * np.array(0.1, dtype),
    )


@pytest.mark.parametrize(
    ("rule", "spread"),
    [
        (lp.glorot, np.sqrt(2 / (200 + 600))),
        (lp.he, np.sqrt(2 / 200)),
        (lp.lecun, np.sqrt(1 / 200)),
    ],
)
def test_rules_by_fan(rule: Any, spread: float) -> None:
    drawn = rule((200, 600), seed=0).numpy()
    assert drawn.std() == pytest.approx(spread, rel=0.01)
    assert abs(drawn.mean()) < 5 * spread / np.sqrt(drawn.size)
    if rule is lp.glorot:
        assert np.abs(drawn).max() <= np.sqrt(6 / 800)


def test_zeros() -> None:
    assert lp.zeros(2).numpy().tolist() == [0, 0]
    assert lp.zeros((2, 3), dtype="float64").numpy().tolist() == [[0, 0, 0]] * 2
    assert lp.zeros(2, dtype="float64").dtype == np.float64
    assert lp.zeros(()).shape == ()
    assert lp.zeros([1, 2], dtype="int32").dtype == np.int32


@pytest.mark.parametrize("rule", [lp.uniform, lp.normal, lp.glorot, lp.he, lp.lecun])
def test_seeds(rule: Any) -> None:
    a, b, c = (rule((5, 5), seed=s).numpy() for s in (0, 0, 1))
    np.testing.assert_array_equal(a, b)
    assert not (a == c).any()
    assert not (rule((5, 5)).numpy() == rule((5, 5)).numpy()).any()
    assert rule((2, 0), seed=0).shape == (2, 0)


def test_parameters_of_a_network_are_drawn_apart() -> None:
    net = lp.Network([4, 4, 4, 4], dtype="float64", seed=0)
    weights = [net.params[n] for n in ("hidden1.weights", "hidden2.weights")]
    assert not (weights[0] == weights[1]).any()
    same = lp.Network([4, 4, 4, 4], dtype="float64", seed=0)
    assert all(
        (a == b).all() for a, b in zip(net.params.values(), same.params.values(), strict=True)
    )
    fresh = [lp.Network([4, 4], seed=None) for _ in range(2)]
    assert not (fresh[0].params["output.weights"] == fresh[1].params["output.weights"]).any()


def test_the_rules_of_a_layer() -> None:
    dense = lp.Dense(300, weights=lp.uniform(0, 1), bias=lp.normal(0.1))
    net = lp.Network([200, dense], dtype="float64", seed=0)
    weights, bias = net.params.values()
    assert 0 <= weights.min() < 0.01 < 0.99 < weights.max() < 1
    assert 0.08 < bias.std() < 0.12
    assert lp.uniform(1, 1)((3,), seed=0).numpy() == pytest.approx([1] * 3, abs=tolerance("golden"))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: lp.normal(), lp.ArgumentError, "Give a shape, such as"),
        (lambda: lp.normal((2, -1)), lp.ArgumentError, "whole numbers of at least 0; received"),
        (lambda: lp.normal((2, 1.5)), lp.ArgumentError, r"received \(2, 1\.5\)"),
        (lambda: lp.normal((2, True)), lp.ArgumentError, "received"),
        (lambda: lp.normal((2, "a")), lp.ArgumentError, "received"),
        (lambda: lp.normal((2,), (3,)), lp.ArgumentError, "Give the shape as one tuple"),
        (lambda: lp.normal(-1), lp.ArgumentError, "std >= 0; received -1"),
        (lambda: lp.normal(1, 2), lp.ArgumentError, "normal takes one number, std"),
        (lambda: lp.normal(2, seed=0), lp.ArgumentError, r"a shape is a tuple: \(2,\)"),
        (lambda: lp.normal(float("nan")), lp.ArgumentError, "must be finite"),
        (lambda: lp.uniform("a", 1), lp.ArgumentTypeError, "must be a number; received 'a'"),
        (lambda: lp.uniform(-1), lp.ArgumentError, "uniform takes low and high"),
        (lambda: lp.uniform(1, -1), lp.ArgumentError, "low <= high"),
        (lambda: lp.glorot(2), lp.ArgumentError, r"lp.glorot takes a shape as a tuple"),
        (lambda: lp.zeros(), lp.ArgumentError, "zeros takes one shape"),
        (lambda: lp.zeros("a"), lp.ArgumentTypeError, "A shape is a whole number or a tuple"),
        (lambda: lp.zeros(-1), lp.ArgumentError, "at least 0; received -1"),
        (lambda: lp.zeros(True), lp.ArgumentError, "received True"),
        (lambda: lp.normal((2,), seed=-1), lp.ArgumentError, "seed must be at least 0"),
        (lambda: lp.normal((2,), seed=0.5), lp.ArgumentTypeError, "seed must be an integer"),
        (lambda: lp.normal((2,), dtype="int32"), lp.ArgumentError, "float32 or float64"),
        (lambda: lp.normal((2,), dtype="flaot32"), lp.DtypeError, "Did you mean 'float32'"),
        (lambda: lp.normal((2,), sead=0), lp.ArgumentTypeError, "Did you mean 'seed'"),
        (lambda: lp.normal((10**9, 10**9)), lp.MemoryLimitError, r"\[1000000000, 1000000000\]"),
        (lambda: lp.zeros((10**9, 10**9)), lp.MemoryLimitError, "GiB of memory, and there is"),
    ],
)
def test_wrong_calls(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_settings_go_by_name_too() -> None:
    assert lp.uniform(low=-1, high=1) == lp.uniform(-1, 1) == lp.uniform(-1, high=1)
    assert lp.uniform(low=-1) == lp.uniform(-1, 1)
    assert lp.normal(std=0.1) == lp.normal(0.1)
    np.testing.assert_array_equal(
        lp.normal((3,), std=0.5, seed=0), lp.normal(0.5)((3,), seed=0).numpy()
    )
    with pytest.raises(ArgumentTypeError, match=r"lp.normal has no argument 'st'. Did you mean"):
        lp.normal(st=1)
    with pytest.raises(ArgumentTypeError, match=r"lp.glorot has no argument 'std'"):
        lp.glorot(std=1)
    with pytest.raises(ArgumentTypeError, match=r"lp.zeros has no argument 'std'"):
        lp.zeros(2, std=1)
    with pytest.raises(ArgumentError, match=r"takes one number, std, or .* received 1.0, std=2.0"):
        lp.normal(1, std=2)
    with pytest.raises(ArgumentError, match="std >= 0"):
        lp.normal(std=-1)
    with pytest.raises(ArgumentTypeError, match="std must be a number"):
        lp.normal(std="large")


def test_a_rule_where_numbers_are_needed_is_answered_with_a_shape() -> None:
    assert lp.normal(2).std == 2.0
    for use in (lp.Variable, lp.Tensor, lambda rule: lp.Tensor([1.0]) + rule):
        with pytest.raises(ArgumentTypeError, match=r"Normal\(std=2.0\).*lp.normal\(\(2,\)\)"):
            use(lp.normal(2))
