"""special.py against mpmath and against plain loops, at the extremes and on every layout."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import mpmath
import numpy as np
import numpy.typing as npt
import pytest

from limpide.errors import ArgumentError, ArgumentTypeError, ShapeError
from limpide.ops import special
from tolerances import assert_ulp, tolerance

Array = npt.NDArray[Any]
FUNCTIONS: dict[str, Callable[..., Array]] = {
    "sigmoid": special.sigmoid,
    "softplus": special.softplus,
    "erf": special.erf,
}
TRUTH: dict[str, Callable[[Any], Any]] = {
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "softplus": lambda x: mpmath.log1p(mpmath.exp(x)),
    "erf": mpmath.erf,
}
EXTREMES = [-np.inf, -1000.0, -0.0, 0.0, 1000.0, np.inf, np.nan]
LIMITS = {
    "sigmoid": [0.0, 0.0, 0.5, 0.5, 1.0, 1.0, np.nan],
    "softplus": [0.0, 0.0, np.log(2.0), np.log(2.0), 1000.0, np.inf, np.nan],
    "erf": [-1.0, -1.0, -0.0, 0.0, 1.0, 1.0, np.nan],
}
DTYPES = [np.float32, np.float64]

functions = pytest.mark.parametrize("name", FUNCTIONS)
dtypes = pytest.mark.parametrize("dtype", DTYPES)


def points(dtype: type) -> Array:
    """Points where a formula could break: near 0, between grid points, in the tails, denormal."""
    draw = np.random.default_rng(5)
    tiny, lowest = np.finfo(dtype).smallest_subnormal, -103.0 if dtype == np.float32 else -744.0
    size = np.exp(draw.uniform(np.log(float(np.finfo(dtype).tiny)), np.log(100.0), 150))
    x = np.concatenate(
        [
            draw.uniform(-8, 8, 300),
            draw.uniform(-0.02, 0.02, 150),
            (np.arange(-10, 10) + 0.5) / 256,
            draw.uniform(lowest, 0, 100),
            size,
            -size,
            [tiny, -tiny, 79.9, 80.0, 80.1, 88.8, -88.8, lowest, 5.9, 6.0, 1.0, -1.0],
        ]
    )
    return x.astype(dtype)


@functions
@dtypes
def test_true_values(name: str, dtype: type) -> None:
    x = points(dtype)
    with mpmath.workprec(200):
        true = [float(TRUTH[name](mpmath.mpf(v))) for v in x.tolist()]
    assert_ulp(FUNCTIONS[name](x), np.array(true).astype(dtype), name)


@functions
@dtypes
def test_extremes_are_exact_and_silent(name: str, dtype: type) -> None:
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        y = FUNCTIONS[name](np.array(EXTREMES, dtype))
        largest = np.finfo(dtype).max
        ends = FUNCTIONS[name](np.array([-largest, largest], dtype))
    expected = np.array(LIMITS[name], dtype)
    if name == "softplus":
        assert_ulp(y, expected, name)
        assert ends.tolist() == [0.0, largest]
    else:
        np.testing.assert_array_equal(y, expected, strict=True)
        assert ends.tolist() == [expected[1], 1.0]
    assert np.signbit(y[2]) == (name == "erf")


def layouts(x: Array) -> Iterator[Array]:
    """Yield the 2-D array again: Fortran order, strided, reversed, transposed, read-only."""
    yield np.asfortranarray(x)
    wide = np.zeros((2 * x.shape[0], 3 * x.shape[1]), x.dtype)
    wide[::2, ::3] = x
    yield wide[::2, ::3]
    yield x[::-1, ::-1].copy()[::-1, ::-1]
    yield x.T.copy().T
    frozen = x.copy()
    frozen.flags.writeable = False
    yield frozen


@functions
@dtypes
def test_layout_out_and_alias_give_the_same_bits(name: str, dtype: type) -> None:
    f = FUNCTIONS[name]
    x = np.random.default_rng(1).normal(0, 4, (130, 70)).astype(dtype)  # two blocks of erf
    expected = f(x)
    assert expected.dtype == dtype
    assert expected.shape == x.shape
    for other in layouts(x):
        np.testing.assert_array_equal(f(other), expected, strict=True)
        np.testing.assert_array_equal(other, x)
        out = np.full_like(other, 7)
        assert f(other, out=out) is out
        np.testing.assert_array_equal(out, expected)
        if other.flags.writeable:
            same = other[:]  # another object over the same memory
            f(other, out=same)
            np.testing.assert_array_equal(other, expected)


@functions
@dtypes
def test_no_axes_no_elements_and_broadcast(name: str, dtype: type) -> None:
    f = FUNCTIONS[name]
    y = f(np.array(0.25, dtype))
    assert isinstance(y, np.ndarray)
    assert y.shape == ()
    assert y == f(np.array([0.25], dtype))[0]
    assert f(np.zeros((0, 3), dtype)).shape == (0, 3)
    wide = f(np.broadcast_to(np.array(0.25, dtype), (3, 4)))
    np.testing.assert_array_equal(wide, np.full((3, 4), y), strict=True)


@dtypes
def test_erf_is_odd_to_the_bit(dtype: type) -> None:
    x = points(dtype)
    np.testing.assert_array_equal(special.erf(-x), -special.erf(x))


def test_a_nan_stays_where_it_is() -> None:
    # The bits of a NaN pick some row of erf's table, whatever its payload and sign.
    payloads = np.array([0x7FF8000000000000, -1, 0x7FF8000000000FFF], np.int64)
    x = np.concatenate([payloads.view(np.float64), [1.0]])
    for f in FUNCTIONS.values():
        assert np.isnan(f(x)).tolist() == [True, True, True, False]


def test_the_table_of_erf_is_rounded_correctly() -> None:
    rows = special._erf_table()
    assert rows.shape == (3073, 7)
    with mpmath.workprec(200):
        for g, value, slope, curve, *_ in rows[::97].tolist():
            first = 2 / mpmath.sqrt(mpmath.pi) * mpmath.exp(-(mpmath.mpf(g) ** 2))
            assert value == float(mpmath.erf(mpmath.mpf(g)))
            assert slope == float(first - 1)
            assert curve == float(-g * first)


# --- sums -------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(2**22,), (2**22, 1), (2**20 + 17, 3), (3, 2**19 - 5, 2)])
def test_a_long_mean_in_float32(shape: tuple[int, ...]) -> None:
    check_long_mean(shape, int(np.argmax(shape)))


@pytest.mark.long
@pytest.mark.parametrize("shape", [(10**8,), (10**8, 1), (10**7, 10), (10, 10**7), (2, 10**7, 5)])
def test_a_very_long_mean_in_float32(shape: tuple[int, ...]) -> None:
    check_long_mean(shape, int(np.argmax(shape)))


def check_long_mean(shape: tuple[int, ...], axis: int) -> None:
    total = special.tree_sum(np.full(shape, 0.1, np.float32), (axis,))
    assert total.dtype == np.float32
    mean = total.astype(np.float64) / shape[axis]
    assert np.abs(mean / 0.1 - 1).max() < tolerance("long_sum_float32")


@pytest.mark.parametrize("n", [*range(1, 131, 3), 200, 239, 240, 255, 256, 1000, 1024, 4099])
def test_equal_terms_of_any_number_in_float32(n: int) -> None:
    for term in np.random.default_rng(n).uniform(0.1, 1, 4).astype(np.float32):
        total = special.tree_sum(np.full((n, 3), term), (0,))
        error = np.abs(total.astype(np.float64) / n / float(term) - 1).max()
        assert error < tolerance("long_sum_float32")


@pytest.mark.parametrize(
    "shape",
    [(5,), (64, 3), (65, 3), (71, 2), (127, 1), (239, 4), (240, 4), (2, 255, 3), (70, 3, 80, 2)],
)
def test_every_element_counts_once_over_every_choice_of_axes(shape: tuple[int, ...]) -> None:
    # Whole numbers below 2**24 add exactly in float32, in any order.
    x = np.random.default_rng(3).integers(-50, 50, shape).astype(np.float32)
    for count in range(len(shape) + 1):
        for axes in itertools.combinations(range(len(shape)), count):
            expected = np.asarray(x.astype(np.int64).sum(axis=axes)).astype(np.float32)
            y = special.tree_sum(x, axes)
            assert isinstance(y, np.ndarray)
            np.testing.assert_array_equal(y, expected, strict=True)
            out = np.full_like(expected, 9)
            assert special.tree_sum(x, axes, out) is out
            np.testing.assert_array_equal(out, expected)
            backwards = tuple(a - len(shape) for a in reversed(axes))
            np.testing.assert_array_equal(special.tree_sum(x, backwards), expected)


@dtypes
@pytest.mark.parametrize("shape", [(32, 64), (300, 40), (5000, 7), (40, 3000)])
def test_the_layout_does_not_change_the_bits_of_a_sum(dtype: type, shape: tuple[int, int]) -> None:
    x = np.random.default_rng(4).normal(size=shape).astype(dtype)
    for axes in ((0,), (1,), (0, 1)):
        expected = special.tree_sum(x, axes)
        for other in layouts(x):
            np.testing.assert_array_equal(special.tree_sum(other, axes), expected, strict=True)


def test_a_short_sum_is_numpys() -> None:
    x = np.random.default_rng(6).normal(size=(64, 33)).astype(np.float32)
    np.testing.assert_array_equal(special.tree_sum(x, (0,)), np.add.reduce(x, axis=0), strict=True)


def test_integers_wrap_in_their_own_dtype_and_bool_counts() -> None:
    x = np.full(3, 2**30, np.int32)
    np.testing.assert_array_equal(
        special.tree_sum(x, (0,)), np.array(3 * 2**30 - 2**32, np.int32), strict=True
    )
    u = np.full((1000, 2), 2**31, np.uint32)
    np.testing.assert_array_equal(special.tree_sum(u, (0,)), np.zeros(2, np.uint32), strict=True)
    np.testing.assert_array_equal(
        special.tree_sum(np.ones(500, bool), (0,)), np.array(500, np.int64), strict=True
    )


def test_sums_of_nothing_and_of_what_is_not_finite() -> None:
    empty = np.zeros((0, 3), np.float32)
    np.testing.assert_array_equal(special.tree_sum(empty, (0,)), np.zeros(3, np.float32))
    assert special.tree_sum(empty, (1,)).shape == (0,)
    assert special.tree_sum(np.zeros((500, 0)), (0,)).shape == (0,)
    x = np.zeros((1000, 3))
    x[777, 0], x[3, 1] = np.nan, -np.inf
    np.testing.assert_array_equal(special.tree_sum(x, (0,)), [np.nan, -np.inf, 0.0])


# --- padding, gather, scatter-add -------------------------------------------------------------


def padded_by_a_loop(x: Array, low: Any, high: Any, interior: Any) -> Array:
    rows = list(zip(x.shape, low, high, interior, strict=True))
    places = [[a + i * (gap + 1) for i in range(n)] for n, a, _, gap in rows]
    sizes = [a + max(0, n + (n - 1) * gap) + b for n, a, b, gap in rows]
    y = np.zeros(sizes, x.dtype)
    for index in np.ndindex(x.shape):
        y[tuple(row[i] for row, i in zip(places, index, strict=True))] = x[index]
    return y


@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.bool_])
@pytest.mark.parametrize("shape", [(), (3,), (0,), (1, 4), (2, 0, 3)])
def test_pad_zeros(shape: tuple[int, ...], dtype: type) -> None:
    x = np.ones(shape, dtype)
    for low, high, interior in itertools.product((0, 2), (0, 1), (0, 3)):
        sides = [(amount,) * len(shape) for amount in (low, high, interior)]
        expected = padded_by_a_loop(x, *sides)
        np.testing.assert_array_equal(special.pad_zeros(x, *sides), expected, strict=True)
        out = np.ones(expected.shape, dtype)
        assert special.pad_zeros(x, *sides, out=out) is out
        np.testing.assert_array_equal(out, expected)


def test_pad_zeros_refuses_to_remove() -> None:
    with pytest.raises(ArgumentError, match=r"at least 0, received \(-1,\).*To remove.*slice"):
        special.pad_zeros(np.ones(3), (-1,), (0,), (0,))


@pytest.mark.parametrize("index_dtype", [np.int32, np.int64])
@pytest.mark.parametrize("index_shape", [(), (0,), (7,), (2, 3)])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_gather_and_scatter_add(axis: int, index_shape: tuple[int, ...], index_dtype: type) -> None:
    draw = np.random.default_rng(8)
    x = draw.normal(size=(4, 5, 6))
    size = x.shape[axis]
    indices = draw.integers(0, size, index_shape).astype(index_dtype)
    taken = np.take(x, indices, axis=axis)
    np.testing.assert_array_equal(special.gather(x, indices, axis), taken, strict=True)
    turned = np.asfortranarray(x)
    np.testing.assert_array_equal(special.gather(turned, indices, axis), taken, strict=True)
    for source in (x, turned):
        out = np.full_like(taken, np.nan)
        assert special.gather(source, indices, axis, out) is out
        np.testing.assert_array_equal(out, taken)

    updates = draw.normal(size=taken.shape)
    expected = np.zeros(x.shape)
    into = np.moveaxis(expected, axis, 0)
    rows = np.moveaxis(updates.reshape(*x.shape[:axis], -1, *x.shape[axis + 1 :]), axis, 0)
    for i, row in zip(indices.reshape(-1).tolist(), rows, strict=True):
        into[i] += row
    y = special.scatter_add(indices, updates, axis, size)
    np.testing.assert_array_equal(y, expected, strict=True)
    for out in (np.ones(x.shape), np.ones(x.shape, order="F")):
        assert special.scatter_add(indices, updates, axis, size, out) is out
        np.testing.assert_array_equal(out, expected)
    strided = np.asfortranarray(updates)
    np.testing.assert_array_equal(special.scatter_add(indices, strided, axis, size), expected)


def test_scatter_add_keeps_the_dtype_and_wraps() -> None:
    twice = np.array([1, 1])
    y = special.scatter_add(twice, np.array([2**31 - 1, 1], np.int32), 0, 3)
    np.testing.assert_array_equal(y, np.array([0, -(2**31), 0], np.int32), strict=True)
    z = special.scatter_add(twice, np.array([1, 2**-24], np.float32), 0, 2)
    np.testing.assert_array_equal(z, np.array([0, 1], np.float32), strict=True)


def test_strided_indices() -> None:
    indices = np.arange(12, dtype=np.int32).reshape(3, 4).T[::2]
    x = np.arange(12.0) ** 2
    np.testing.assert_array_equal(special.gather(x, indices, 0), indices.astype(float) ** 2)
    y = special.scatter_add(indices, indices.astype(float), 0, 12)
    np.testing.assert_array_equal(y, np.arange(12.0) * np.isin(np.arange(12), indices))


@pytest.mark.parametrize("wrong", [-1, 3, 2**31 - 1, -(2**31)])
@pytest.mark.parametrize("index_dtype", [np.int32, np.int64])
def test_an_index_out_of_range_is_named(wrong: int, index_dtype: type) -> None:
    indices = np.array([[0, 2], [wrong, 1]], index_dtype)
    where = rf"1 of 4 indices out of range for axis 0 of size 3, the first {wrong} at position 2"
    with pytest.raises(ArgumentError, match=rf"gather received {where}; allowed are from 0 to 2"):
        special.gather(np.zeros(3), indices, 0)
    with pytest.raises(ArgumentError, match=rf"scatter_add received {where}.*add the size"):
        special.scatter_add(indices, np.zeros((2, 2)), 0, 3)


def test_other_wrong_arguments_of_gather_and_scatter_add() -> None:
    with pytest.raises(ArgumentError, match="allowed are none, since the axis is empty"):
        special.gather(np.zeros((0, 2)), np.array([0]), 0)
    with pytest.raises(ArgumentTypeError, match="dtype i32 or i64, received float64"):
        special.gather(np.zeros(3), np.array([0.0]), 0)
    with pytest.raises(ShapeError, match=r"axes 1 to 1 have the shape \(3,\).*shape \(2, 4\)"):
        special.scatter_add(np.zeros(3, int), np.zeros((2, 4)), 1, 5)
