"""Indexing, joining, shapes and products of tensors against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import limpide as lp
from tolerances import tolerance

X = np.arange(24.0).reshape(2, 3, 4)

SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)


def positive_steps(key: Any) -> bool:
    parts = key if isinstance(key, tuple) else (key,)
    return all(not isinstance(p, slice) or p.step is None or p.step > 0 for p in parts)


@settings(max_examples=150)
@given(st.data())
def test_basic_indexing_is_that_of_numpy(data: st.DataObject) -> None:
    shape = data.draw(SHAPES)
    key = data.draw(
        hnp.basic_indices(shape, allow_newaxis=True, allow_ellipsis=True).filter(positive_steps)
    )
    x = np.arange(float(np.prod(shape))).reshape(shape)
    expected = np.asarray(x[key])
    np.testing.assert_array_equal(lp.Tensor(x)[key].numpy(), expected, strict=True)
    traced = lp.function(lambda t: t[key])(lp.Tensor(x))
    np.testing.assert_array_equal(traced.numpy(), expected, strict=True)
    if x.size:
        slope = lp.grad(lambda t: lp.sum(t[key] * 2.0))(x)
        hit = np.zeros_like(x)
        hit[key] += 2.0
        np.testing.assert_array_equal(slope.numpy(), hit)


@pytest.mark.parametrize(
    "key",
    [
        [1, 0, 1],
        np.array([[0, 1], [1, 1]]),
        np.array([1, 0], "i4"),
        [-1, 0],
        (slice(None), [2, -3]),
        (slice(None), slice(0, 2), np.array([3, 3, 0])),
        (..., [1]),
        (slice(1), [0]),
        [],
        (slice(None), np.array(1)),
    ],
)
def test_one_array_of_indices(key: Any) -> None:
    expected = (
        X[tuple(np.array(k, int) if isinstance(k, list) else k for k in key)]
        if isinstance(key, tuple)
        else X[np.array(key, int)]
    )
    np.testing.assert_array_equal(lp.Tensor(X)[key].numpy(), expected, strict=True)
    np.testing.assert_array_equal(lp.function(lambda t: t[key])(X).numpy(), expected, strict=True)


def test_a_tensor_as_index() -> None:
    rows = lp.Tensor(np.array([1, 0, 1]))
    np.testing.assert_array_equal(lp.Tensor(X)[rows].numpy(), X[[1, 0, 1]])
    np.testing.assert_array_equal(lp.Tensor(X)[:, rows].numpy(), X[:, [1, 0, 1]])
    one = lp.Tensor(np.array(1))
    np.testing.assert_array_equal(lp.Tensor(X)[one].numpy(), X[1])
    traced = lp.function(lambda x, i: x[i])
    np.testing.assert_array_equal(traced(X, np.array([1, 1])).numpy(), X[[1, 1]])
    np.testing.assert_array_equal(traced(X, 1).numpy(), X[1])


def test_numpy_integers_are_whole_numbers() -> None:
    np.testing.assert_array_equal(lp.Tensor(X)[np.int64(1), 2].numpy(), X[1, 2])
    with pytest.raises(lp.ArgumentTypeError, match=r"beside slices only; use lp\.gather"):
        lp.Tensor(X)[np.int64(1), [0, 2]]


@pytest.mark.parametrize(
    ("key", "error", "message"),
    [
        (2, lp.ArgumentError, "index 2 does not exist in an axis of length 2"),
        (-3, lp.ArgumentError, "index -3 does not exist"),
        ([0, 2], lp.ArgumentError, "out of range for axis 0 of size 2"),
        ([-3], lp.ArgumentError, "out of range"),
        ((0, 0, 0, 0), lp.ShapeError, r"4 indices are too many for f64\[2,3,4\]"),
        (slice(None, None, -1), lp.ArgumentError, "needs a positive step"),
        ((..., ...), lp.ArgumentError, "can hold '...' once"),
        (([0], [1]), lp.ArgumentTypeError, "one array of indices at a time"),
        ((None, [1]), lp.ArgumentTypeError, "beside slices only"),
        (1.5, lp.DtypeError, "whole numbers; received dtype float64"),
        (True, lp.DtypeError, "whole numbers; received dtype bool"),
        (X > 3, lp.DtypeError, "whole numbers; received dtype bool"),
        ("a", lp.DtypeError, "whole numbers; received dtype <U1"),
    ],
)
def test_indices_that_do_not_fit_are_named(key: Any, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        lp.Tensor(X)[key]


def test_an_index_out_of_range_is_an_error_when_it_runs() -> None:
    f = lp.function(lambda x, i: lp.gather(x, i))
    assert float(f(np.ones(3), np.array(2))) == 1.0
    for wrong in (3, -1):
        with pytest.raises(lp.ArgumentError, match="out of range for axis 0 of size 3"):
            f(np.ones(3), np.array(wrong))


@settings(max_examples=100)
@given(SHAPES, st.data())
def test_reshape_transpose_broadcast(shape: tuple[int, ...], data: st.DataObject) -> None:
    x = np.arange(float(np.prod(shape))).reshape(shape)
    order = data.draw(st.permutations(range(len(shape))))
    turned = lp.transpose(x, order)
    np.testing.assert_array_equal(turned.numpy(), x.transpose(order), strict=True)
    flat = lp.reshape(turned, (x.size,))
    np.testing.assert_array_equal(flat.numpy(), x.transpose(order).reshape(x.size), strict=True)
    if x.size:
        np.testing.assert_array_equal(lp.reshape(turned, -1).numpy(), flat.numpy(), strict=True)
    wide = tuple(3 if n == 1 else n for n in shape)
    np.testing.assert_array_equal(
        lp.broadcast_to(x, (2, *wide)).numpy(), np.broadcast_to(x, (2, *wide)), strict=True
    )


def test_shapes_that_do_not_fit() -> None:
    with pytest.raises(lp.ShapeError, match=r"f64\[2,3,4\] has 24 elements and cannot take"):
        lp.reshape(X, (5, 5))
    for wrong in [(-1, 5), (-1, 0)]:
        with pytest.raises(lp.ShapeError, match=r"f64\[2,3,4\] cannot take the shape"):
            lp.reshape(X, wrong)
    for wrong in [(-1, -1), (-2, -12), (-24,)]:
        with pytest.raises(lp.ShapeError, match="one -1 at most"):
            lp.reshape(X, wrong)
    with pytest.raises(lp.ShapeError, match=r"f64\[2,3,4\] cannot be broadcast to f64\[2,3\]"):
        lp.broadcast_to(X, (2, 3))
    with pytest.raises(lp.ShapeError, match="cannot be broadcast"):
        lp.broadcast_to(X, (-1,))
    with pytest.raises(lp.ShapeError, match="transpose needs each axis of"):
        lp.transpose(X, (0, 0, 1))
    assert lp.broadcast_to(1.0, 3).shape == (3,)
    assert lp.reshape([[]], (0, 7)).shape == (0, 7)


@pytest.mark.parametrize(
    ("low", "high", "interior"), [((-1,), (0,), (0,)), ((1,), (1, 2), (0,)), ((1,), (0,), (-1,))]
)
def test_pads_that_do_not_fit(low: Any, high: Any, interior: Any) -> None:
    with pytest.raises(lp.ShapeError, match="pad needs counts of at least 0 for each axis"):
        lp.pad(np.ones(3), low, high, interior)


def test_joining() -> None:
    a, b = np.ones((2, 1)), np.zeros((2, 3))
    for axis in (1, -1):
        joined = lp.concatenate([a, lp.Tensor(b)], axis)
        np.testing.assert_array_equal(joined.numpy(), np.concatenate([a, b], axis), strict=True)
    for axis in (0, 1, 2, -1):
        expected = np.stack([b, b + 1], axis)
        np.testing.assert_array_equal(lp.stack([b, b + 1], axis).numpy(), expected, strict=True)
    assert lp.stack([1.0, 2.0]).shape == (2,)
    with pytest.raises(
        lp.ShapeError, match=r"along axis 0 needs shapes that agree, got f64\[2,1\]"
    ):
        lp.concatenate([a, b], 0)
    with pytest.raises(lp.ShapeError, match="needs shapes that agree"):
        lp.stack([a, b])
    for function in (lp.concatenate, lp.stack):
        with pytest.raises(lp.ArgumentError, match="at least one tensor; received none"):
            function([])
    with pytest.raises(lp.ArgumentError, match="axis 0 does not exist in a tensor of 0 axes"):
        lp.concatenate([1.0])


def test_gather_and_scatter_add_are_transposes() -> None:
    indices = np.array([[2, 0], [2, 2]])
    for axis in (0, 1, -1):
        x = np.random.default_rng(1).normal(size=(3, 4, 3))
        taken = lp.gather(x, indices, axis)
        np.testing.assert_array_equal(taken.numpy(), np.take(x, indices, axis), strict=True)
        y = np.random.default_rng(2).normal(size=taken.shape)
        back = lp.scatter_add(indices, y, axis % 3, x.shape[axis])
        left, right = (taken.numpy() * y).sum(), (back.numpy() * x).sum()
        np.testing.assert_allclose(left, right, rtol=tolerance("engine_float64"))
    with pytest.raises(lp.ArgumentError, match="axis 3 does not exist"):
        lp.scatter_add(np.array([0]), np.ones((1, 2, 2)), 3, 1)


def test_iota() -> None:
    assert lp.iota((3,)).numpy().tolist() == [0, 1, 2]
    assert lp.iota((2, 3), 1, "float32").numpy().tolist() == [[0, 1, 2], [0, 1, 2]]
    assert lp.iota((2, 3), -2).numpy().tolist() == [[0, 0, 0], [1, 1, 1]]


MATRICES = [
    ((2, 3), (3, 4)),
    ((3,), (3, 4)),
    ((2, 3), (3,)),
    ((3,), (3,)),
    ((5, 2, 3), (3, 4)),
    ((5, 2, 3), (3,)),
    ((2, 3), (5, 3, 4)),
    ((3,), (5, 3, 4)),
    ((5, 1, 2, 3), (6, 3, 4)),
    ((5, 2, 3), (5, 3, 1)),
    ((0, 3), (3, 2)),
    ((2, 0), (0, 3)),
    ((2, 3, 0), (0, 4)),
    ((0, 2, 3), (3, 4)),
    ((1, 1), (1, 1)),
]


@pytest.mark.parametrize(("left", "right"), MATRICES)
def test_products_are_those_of_numpy(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    generator = np.random.default_rng(3)
    a, b = generator.normal(size=left), generator.normal(size=right)
    expected = np.asarray(a @ b)
    actual = (lp.Tensor(a) @ b).numpy()
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance("engine_float64"))
    weights = generator.normal(size=expected.shape)
    report = lp.gradcheck(lambda a, b: lp.sum(weights * (a @ b)), a, b)
    assert report, str(report)


@pytest.mark.parametrize(
    ("left", "right"), [((2, 3), (2, 3)), ((3,), (2,)), ((5, 2, 3), (4, 3, 2)), ((2, 3), ())]
)
def test_products_that_do_not_fit(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    with pytest.raises(lp.ShapeError, match=r"matmul (needs \(n, k\) @ \(k, m\)|cannot broadcast)"):
        lp.matmul(np.ones(left), np.ones(right))


def test_shapes_that_do_not_broadcast() -> None:
    with pytest.raises(
        lp.ShapeError, match=r"add needs shapes that broadcast, got f64\[2\] and f64"
    ):
        lp.Tensor(np.ones(2)) + np.ones(3)


@pytest.mark.parametrize(
    ("given", "dtype"),
    [
        (np.array([1.0, np.nan]), "int32"),
        (np.array(np.inf), "int64"),
        (np.array(2.0**63), "int64"),
        (np.array(2**40), "int32"),
        (np.array(-1.0), "uint32"),
        (np.array(-1, np.int32), "uint32"),
        (np.float32(2**31), "int32"),
    ],
)
def test_an_eager_cast_refuses_what_the_integers_cannot_hold(given: Any, dtype: str) -> None:
    with pytest.raises(lp.DtypeError, match=f"which {dtype} cannot hold"):
        lp.cast(given, dtype)


def test_an_eager_cast_keeps_the_ends_of_the_range() -> None:
    assert lp.cast(np.array([-(2.0**63), 2.0**62]), "int64").numpy().tolist() == [-(2**63), 2**62]
    assert lp.cast(np.array([-0.9, 2.0**32 - 0.5]), "uint32").numpy().tolist() == [0, 2**32 - 1]
    assert lp.cast(np.array([2**31 - 1, -(2**31)]), "int32").numpy().tolist()[1] == -(2**31)
