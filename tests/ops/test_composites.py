"""Composites and functions on tensors against NumPy, at the extremes, and by gradcheck."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import limpide as lp
from limpide import ops
from limpide.ops import erf, relu, sigmoid, softmax, softplus
from tolerances import tolerance

AXES: list[Any] = [None, 0, 1, -1, (0, 2), (-1, 0), ()]
X = np.random.default_rng(11).normal(size=(2, 3, 4))


def np_logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return np.log(np.sum(np.exp(x), axis=axis, keepdims=keepdims))


REDUCTIONS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "sum": (lp.sum, np.sum),
    "mean": (lp.mean, np.mean),
    "variance": (lp.variance, np.var),
    "max": (lp.max, np.max),
    "min": (lp.min, np.min),
    "logsumexp": (lp.logsumexp, np_logsumexp),
}


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("keepdims", [False, True])
def test_reductions_are_those_of_numpy(name: str, axis: Any, keepdims: bool) -> None:
    ours, theirs = REDUCTIONS[name]
    expected = theirs(X, axis=axis, keepdims=keepdims)
    actual = ours(X, axis, keepdims).numpy()
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance("engine_float64"))
    single = ours(X.astype("f4"), axis, keepdims).numpy()
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, expected, rtol=0, atol=tolerance("float32_beside_float64"))


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("axis", [None, 1, (0, 2)])
def test_reductions_have_gradients(name: str, axis: Any) -> None:
    weights = np.random.default_rng(12).normal(size=REDUCTIONS[name][1](X, axis=axis).shape)
    report = lp.gradcheck(
        lambda x: lp.sum(weights * REDUCTIONS[name][0](x, axis)),
        X,
        tolerance=tolerance("first_derivative"),
    )
    assert report, str(report)


@pytest.mark.parametrize("function", [softmax, lp.log_softmax])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_softmax(function: Any, axis: int) -> None:
    powers = np.exp(X) / np.exp(X).sum(axis, keepdims=True)
    expected = powers if function is softmax else np.log(powers)
    actual = function(X, axis)
    np.testing.assert_allclose(actual.numpy(), expected, rtol=0, atol=tolerance("engine_float64"))
    weights = np.random.default_rng(13).normal(size=X.shape)
    report = lp.gradcheck(lambda x: lp.sum(weights * function(x, axis)), X)
    assert report, str(report)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64", "uint32"])
def test_argmax_and_min_of_every_dtype(dtype: str) -> None:
    generator = np.random.default_rng(14)
    x = generator.integers(0, 4, (5, 6)).astype(dtype)  # many ties: the first counts
    if dtype != "uint32":
        x = x - x.dtype.type(2)
    for axis in (0, 1, -1):
        np.testing.assert_array_equal(lp.argmax(x, axis).numpy(), np.argmax(x, axis))
        np.testing.assert_array_equal(lp.min(x, axis).numpy(), np.min(x, axis), strict=True)
        np.testing.assert_array_equal(lp.max(x, axis).numpy(), np.max(x, axis), strict=True)


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint32"])
def test_min_at_the_ends_of_integers(dtype: str) -> None:
    info = np.iinfo(dtype)
    for values in ([info.min, 0, info.max], [info.max, info.max], [info.min], [0, 5]):
        x = np.array(values, dtype)
        assert int(lp.min(x)) == min(values)
        assert int(lp.max(x)) == max(values)


def test_argmax_of_nan_is_its_place() -> None:
    x = np.array([[1.0, np.nan, np.nan], [np.inf, 2.0, 3.0], [-np.inf, -np.inf, -np.inf]])
    np.testing.assert_array_equal(lp.argmax(x, 1).numpy(), np.argmax(x, 1))


def test_one_hot() -> None:
    expected = np.eye(3, dtype="f4")[[2, 0]]
    for indices in ([2, 0], np.array([2, 0]), np.array([2, 0], "u1"), lp.Tensor(np.array([2, 0]))):
        np.testing.assert_array_equal(lp.one_hot(indices, 3).numpy(), expected, strict=True)
    assert lp.one_hot([[1]], 2, dtype="float64").shape == (1, 1, 2)
    assert not lp.one_hot([-1, 3], 3).numpy().any()
    with pytest.raises(lp.DtypeError, match="holds floats"):
        lp.one_hot(np.array([0.5]), 3)


def test_likes() -> None:
    for value in (lp.Tensor([[1.0]]), np.zeros((2, 0)), [1, 2], 3, np.array([1, 2])):
        like = lp.add(value, 0)
        for function, filler in ((lp.zeros_like, 0), (lp.ones_like, 1)):
            result = function(value)
            assert result.spec == like.spec
            assert (result.numpy() == filler).all()


def test_means_of_wrong_things() -> None:
    with pytest.raises(lp.DtypeError, match=r"mean needs floats, got i64\[2\]"):
        lp.mean(np.array([1, 2]))
    with pytest.raises(lp.ArgumentError, match="axis 2 does not exist in a tensor of 2 axes"):
        lp.sum(np.ones((2, 2)), 2)
    for wrong in (1.0, True, "0", [None]):
        with pytest.raises(lp.ArgumentTypeError, match="axis must be a whole number"):
            lp.sum(np.ones((2, 2)), wrong)
    with pytest.raises(lp.ArgumentError, match=r"axis names an axis twice: \(0, -2\)"):
        lp.sum(np.ones((2, 2)), (0, -2))
    with pytest.raises(lp.ShapeError, match=r"max of no elements: f64\[0,2\] over axis \[0\]"):
        lp.max(np.ones((0, 2)), 0)
    assert np.isnan(float(lp.mean(np.ones(0))))


# FAULTS, "Numbers" -----------------------------------------------------------------------------

both = pytest.mark.parametrize("dtype", ["float32", "float64"])


@both
def test_extremes(dtype: str) -> None:
    x = np.array([1000.0, -1000.0], dtype)
    assert sigmoid(x).numpy().tolist() == [1.0, 0.0]
    assert softplus(x).numpy().tolist() == [1000.0, 0.0]
    huge = np.array([1e38, 1e38, -1e38], dtype)
    assert softmax(huge).numpy().tolist() == [0.5, 0.5, 0.0]
    assert float(lp.log_softmax(huge)[2]) == -2 * float(huge[0])
    nothing = np.array([-np.inf, -np.inf], dtype)
    assert float(lp.logsumexp(nothing)) == -np.inf
    assert float(lp.logsumexp(np.array([-np.inf, 0.0], dtype))) == 0.0
    assert float(lp.logsumexp(np.array([np.inf, 0.0], dtype))) == np.inf
    assert np.isnan(float(lp.logsumexp(np.array([np.nan, 0.0], dtype))))
    assert float(lp.logsumexp(x)) == 1000.0


@both
def test_nan_is_seen(dtype: str) -> None:
    nan = np.array([np.nan, 1.0], dtype)
    assert np.isnan(relu(nan).numpy()).tolist() == [True, False]
    for x, y in ((nan, 1.0), (1.0, nan)):
        assert np.isnan(lp.maximum(x, y).numpy()).tolist() == [True, False]
        assert np.isnan(lp.minimum(x, y).numpy()).tolist() == [True, False]
    assert np.isnan(float(lp.max(nan)))
    assert np.isnan(float(lp.min(nan)))
    assert (lp.Tensor(nan) == lp.Tensor(nan)).numpy().tolist() == [False, True]


def test_denormals_are_kept() -> None:
    assert float(lp.exp(np.float32(-100))) == np.float32(np.exp(-100.0)) == np.float32(3.8e-44)
    np.testing.assert_allclose(
        float(lp.log(np.float32(1e-40))),
        np.log(np.float64(np.float32(1e-40))),
        rtol=tolerance("float32_beside_float64"),
    )
    assert float(lp.Tensor(5e-324, dtype="float64") * 1) == 5e-324


def test_a_long_mean_in_float32() -> None:
    n = 10**7
    mean = lp.mean(lp.broadcast_to(np.float32(0.1), (n,)))
    allowed = tolerance("long_sum_float32")
    np.testing.assert_allclose(float(mean), np.float64(np.float32(0.1)), rtol=allowed)
    column = lp.mean(np.full((10**6, 3), 0.1, np.float32), axis=0)
    np.testing.assert_allclose(column.numpy(), np.float64(np.float32(0.1)), rtol=allowed)


@pytest.mark.long
def test_the_mean_of_a_hundred_million_in_float32() -> None:
    mean = lp.mean(np.full(10**8, 0.1, np.float32))
    np.testing.assert_allclose(
        float(mean), np.float64(np.float32(0.1)), rtol=tolerance("long_sum_float32")
    )


@both
def test_gradients_at_the_extremes_are_finite(dtype: str) -> None:
    x = np.array([1000.0, -1000.0, 0.0, 80.0, -80.0], dtype)
    for function in (sigmoid, softplus, ops.tanh, erf, softmax, lp.log_softmax, lp.logsumexp):
        slope = lp.grad(lambda x, f=function: lp.sum(f(x)))(x)
        assert np.isfinite(slope.numpy()).all()
        curve = lp.grad(lambda x, f=function: lp.sum(lp.grad(lambda z: lp.sum(f(z)))(x)))(x)
        assert np.isfinite(curve.numpy()).all()


def test_no_warning_reaches_the_user() -> None:
    # Warnings are errors in the tests: each of these would raise.
    with np.errstate(all="warn"):
        assert np.isnan(float(lp.log(-1.0)))
        assert float(lp.divide(1.0, 0.0)) == np.inf
        assert float(lp.exp(1000.0)) == np.inf
        f = lp.function(lambda x: lp.log(x) / 0.0)
        assert np.isnan(float(f(-1.0)))
        assert np.isnan(lp.grad(lambda x: lp.sqrt(x))(-1.0).numpy())


# Random numbers --------------------------------------------------------------------------------


def seeds() -> tuple[lp.Tensor, lp.Tensor]:
    return lp.Tensor(5, dtype="uint32"), lp.Tensor(9, dtype="uint32")


@pytest.mark.parametrize("dtype", ["f32", "f64"])
def test_uniform_and_normal(dtype: str) -> None:
    seed, step = seeds()
    u = ops.random_uniform(ops.RandomSource(seed, step, 2), (200, 100), dtype).numpy()
    z = ops.random_normal(ops.RandomSource(seed, step, 2), (200, 100), dtype).numpy()
    assert u.shape == z.shape == (200, 100)
    assert u.dtype == z.dtype == {"f32": np.float32, "f64": np.float64}[dtype]
    assert (u >= 0).all()
    assert (u < 1).all()
    # Six standard errors: the seed is fixed, so this is no matter of luck.
    n = u.size
    assert abs(u.mean() - 0.5) < 6 * np.sqrt(1 / 12 / n)
    assert abs(z.mean()) < 6 / np.sqrt(n)
    assert abs(z.var() - 1) < 6 * np.sqrt(2 / n)
    counts = np.histogram(u, 20, (0, 1))[0]
    assert ((counts - n / 20) ** 2 / (n / 20)).sum() < 60  # chi square of 19 degrees of freedom
    assert np.isfinite(z).all()


def test_random_shapes_and_streams() -> None:
    seed, step = seeds()
    draws = [ops.random_bits(seed, step, stream=s, shape=(4,)).numpy() for s in range(3)]
    later = ops.random_bits(seed, step + 1, stream=0, shape=(4,)).numpy()
    assert len({tuple(d.tolist()) for d in [*draws, later]}) == 4
    for shape in [(), (0,), (3, 1)]:
        assert ops.random_normal(ops.RandomSource(seed, step), shape, "f32").shape == shape
    with pytest.raises(lp.DtypeError, match=r"needs a seed and a step u32\[\], got f32\[\]"):
        ops.random_bits(lp.Tensor(1.0), step, stream=0, shape=())
