"""The NumPy meanings that NumPy lacks, or gets wrong at the extremes.

Answers for sigmoid, softplus, erf, the tree sum, padding, gather and scatter-add on plain arrays.
Not for: specs, derivatives, words (those stand beside each primitive), nor any other engine.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from limpide.errors import ArgumentError, ArgumentTypeError, ShapeError

Array = npt.NDArray[Any]

# exp(80) is finite in float32, and beyond 80 both sigmoid = 1 and softplus = x are exact after
# rounding, in float64 too (exp(-80) < 2**-115). One cap therefore serves both precisions.
# Arrays without axes cost a ufunc half as much as Python's numbers: nothing has to be converted.
_CAP: dict[int, Array] = {4: np.array(80.0, np.float32), 8: np.array(80.0, np.float64)}
_ONE: dict[int, Array] = {4: np.array(1.0, np.float32), 8: np.array(1.0, np.float64)}


def sigmoid(x: Array, out: Array | None = None) -> Array:
    """Give 1 / (1 + exp(-x)), element by element, without overflow.

    Computed as e / (1 + e) with e = exp(min(x, 80)): the quotient keeps its relative accuracy down
    to denormal results, and the error of ``exp`` cancels where the result is near 1.

    Parameters
    ----------
    x
        f32[...] or f64[...], any strides.
    out
        Where to write, of the shape and dtype of ``x``; may be ``x`` itself.

    Examples
    --------
    >>> sigmoid(np.array([-1000.0, 0.0, 1000.0]))
    array([0. , 0.5, 1. ])
    """
    if out is None:
        out = np.empty_like(x)
    np.minimum(x, _CAP[x.itemsize], out=out)
    np.exp(out, out)
    below = np.empty_like(out)
    np.add(out, _ONE[x.itemsize], below)
    np.divide(out, below, out)
    return out


def softplus(x: Array, out: Array | None = None) -> Array:
    """Give log(1 + exp(x)), element by element, without overflow.

    Computed as max(log1p(exp(min(x, 80))), x): mathematically softplus is never below x, and
    equals it after rounding from 80 on.

    Parameters
    ----------
    x
        f32[...] or f64[...], any strides.
    out
        Where to write, of the shape and dtype of ``x``; may be ``x`` itself.

    Examples
    --------
    >>> softplus(np.array([-1000.0, 1000.0]))
    array([   0., 1000.])
    """
    if out is None:
        out = np.empty_like(x)
    work = np.empty_like(out)
    np.minimum(x, _CAP[x.itemsize], out=work)
    np.exp(work, work)
    np.log1p(work, work)
    np.maximum(work, x, out=out)
    return out


# erf: tabulated Taylor expansions. The nearest grid point g = k / 256 is found by adding a number
# so large that rounding leaves k in the low bits; then erf(g + d) = T + d (c1 + d (c2 + ...)).
_ERF_LIMIT = 6.0  # erf(6) = 1 - 2e-17, which rounds to 1
_ERF_STEPS = 256
_ERF_LAST = int(_ERF_LIMIT) * _ERF_STEPS
_ERF_MAGIC = 1.5 * 2.0**52 + _ERF_LAST
_ERF_MASK = 4095
_ERF_BLOCK = 8192  # elements at a time: their table rows stay in the second-level cache
_ERF_BITS = 120
_TWO_OVER_ROOT_PI = "1.12837916709551257389615890312154517168810125865799771368817144"


@functools.cache
def _erf_table() -> npt.NDArray[np.float64]:
    """Give f64[3073, 7], a row for each k from -1536 to 1536: g, T, c1 - 1, c2, c3, c4, c5.

    Computed once a process in integers of 120 fractional bits, hence the same bits on every
    machine. With f = erf', the Taylor coefficients b of f at g obey
    (n + 1) b[n+1] = -2 g b[n] - 2 b[n-1] (from f' = -2 g f), which steps both erf and f to the
    next grid point. c1 - 1 instead of c1, because d + d (c1 - 1) rounds less where it matters.
    """
    one = 1 << _ERF_BITS
    digits = _TWO_OVER_ROOT_PI.replace(".", "")
    slope = int(digits) * one // 10 ** (len(digits) - 1)
    value = 0
    rows = []
    for k in range(_ERF_LAST + 1):
        b = [slope, -2 * k * slope // _ERF_STEPS]
        for n in range(1, 14):
            b.append((-2 * k * b[n] // _ERF_STEPS - 2 * b[n - 1]) // (n + 1))
        c = [b[n] / (n + 1) / one for n in range(5)]
        c[0] = (slope - one) / one
        rows.append([k / _ERF_STEPS, value / one, *c])
        value += sum((b[n] >> 8 * (n + 1)) // (n + 1) for n in range(15))
        slope = sum(b[n] >> 8 * n for n in range(15))
    right = np.array(rows)
    right[0, 1] = -0.0  # erf(-0) is -0: adding -0 keeps the sign of either zero
    left = right[:0:-1] * np.array([-1.0, -1.0, 1.0, -1.0, 1.0, -1.0, 1.0])
    return np.concatenate([left, right])


def erf(x: Array, out: Array | None = None) -> Array:
    """Give the error function 2/sqrt(pi) times the integral of exp(-t**2) from 0 to x.

    From a table of Taylor expansions at multiples of 1/256, worked in float64: the terms left out
    are below 2**-57 of the result in float64, 2**-38 in float32.

    Parameters
    ----------
    x
        f32[...] or f64[...], any strides.
    out
        Where to write, of the shape and dtype of ``x``; may be ``x`` itself.

    Source
    ------
    Recurrence of the derivatives: Abramowitz & Stegun (1964), 7.1.19. The way through a table
    and a short polynomial: Tang (1989), "Table-driven implementation of the exponential function".

    Examples
    --------
    >>> erf(np.array([-np.inf, -0.0, 0.5]))
    array([-1.        , -0.        ,  0.52049988])
    """
    if out is None:
        out = np.empty_like(x)
    if x.size <= _ERF_BLOCK:
        _erf_block(x, out)
        return out
    result = out if out.flags.c_contiguous else np.empty(out.shape, out.dtype)
    source, target = x.reshape(-1), result.reshape(-1)
    for start in range(0, x.size, _ERF_BLOCK):
        _erf_block(source[start : start + _ERF_BLOCK], target[start : start + _ERF_BLOCK])
    if result is not out:
        np.copyto(out, result)
    return out


def _erf_block(x: Array, out: Array) -> None:
    d = np.array(x, np.float64)
    np.minimum(d, _ERF_LIMIT, out=d)
    np.maximum(d, -_ERF_LIMIT, out=d)
    work = np.empty_like(d)
    np.multiply(d, float(_ERF_STEPS), out=work)
    np.add(work, _ERF_MAGIC, out=work)
    index = work.view(np.int64)
    np.bitwise_and(index, _ERF_MASK, out=index)
    # A NaN gives some row ("clip" keeps it inside the table) and stays NaN through d.
    rows = _erf_table().take(index, axis=0, mode="clip")
    np.subtract(d, rows[..., 0], out=d)
    highest = 6 if x.dtype == np.float64 else 4
    np.multiply(rows[..., highest], d, out=work)
    for column in range(highest - 1, 1, -1):
        np.add(work, rows[..., column], out=work)
        np.multiply(work, d, out=work)
    np.add(work, d, out=work)
    np.add(work, rows[..., 1], out=out)


# Up to this many terms one plain reduction stays within 1e-6 of the true sum in float32; from
# about 1,000 on the tree is the faster one, too.
_ONE_CALL = 64


def tree_sum(x: Array, axis: tuple[int, ...], out: Array | None = None) -> Array:
    """Give the sum over ``axis`` by a fixed tree, so that long sums stay accurate.

    ``np.add.reduce`` adds pairwise along the last axis only; along another it adds row after row,
    and 10**7 times 0.1 in float32 is 9 % off. The tree here depends on the shape and
    ``axis`` alone: a strided or transposed array gives the same bits as its plain copy. Sums of at
    most 64 terms are one ``np.add.reduce``.

    Integers add in their own dtype and wrap around (i32 past 2**31 - 1); bool counts as i64.

    Parameters
    ----------
    x
        An array of any dtype and shape.
    axis
        The axes to sum over; they disappear.
    out
        Where to write, of the result's shape and dtype; must not overlap ``x``.

    Source
    ------
    Higham (1993), "The accuracy of floating point summation".

    Examples
    --------
    >>> np.round(tree_sum(np.full((2**20, 2), 0.1, np.float32), (0,)) / 2**20, 7)
    array([0.1, 0.1], dtype=float32)
    """
    if not x.flags.c_contiguous:
        x = np.ascontiguousarray(x)
    length = 1
    for a in axis:
        length *= x.shape[a]
    if not axis and x.dtype.kind != "b":  # np.add.reduce would make 0 of -0
        np.copyto(out := np.empty_like(x) if out is None else out, x)
        return out
    if length <= _ONE_CALL or x.dtype.kind != "f":
        dtype = np.int64 if x.dtype == np.bool_ else x.dtype
        return np.asarray(np.add.reduce(x, axis=axis, dtype=dtype, out=out))
    axes = sorted({a % x.ndim for a in axis})
    result = x
    while axes:
        first = axes.pop()
        last = first + 1
        while axes and axes[-1] == first - 1:
            first = axes.pop()
        result = _sum_group(result, first, last)
    if out is None:
        return result
    np.copyto(out, result)
    return out


def _sum_group(x: Array, first: int, last: int) -> Array:
    """Sum over the neighbouring axes ``first`` to ``last - 1`` of a C-contiguous array."""
    outer, inner = math.prod(x.shape[:first]), math.prod(x.shape[last:])
    rows = math.prod(x.shape[first:last])
    shape = x.shape[:first] + x.shape[last:]
    x = x.reshape(outer, rows, inner)
    if inner == 1:
        return np.asarray(np.add.reduce(x.reshape(outer, rows), axis=1)).reshape(shape)
    while rows > _ONE_CALL:
        fan = 16 if rows >= 16 * 15 else 8
        few = rows // fan
        folded = np.add.reduce(x[:, : fan * few].reshape(outer, fan, few, inner), axis=1)
        rest = rows - fan * few  # at most few, by the choice of fan
        if rest:
            folded[:, :rest] += x[:, fan * few :]
        x, rows = folded, few
    # Turned, so that the rows that remain are added pairwise too.
    turned = np.ascontiguousarray(x.transpose(0, 2, 1))
    return np.asarray(np.add.reduce(turned, axis=2)).reshape(shape)


def pad_zeros(
    x: Array,
    low: Sequence[int],
    high: Sequence[int],
    interior: Sequence[int],
    out: Array | None = None,
) -> Array:
    """Give ``x`` with zeros before, after and between its elements along each axis.

    Parameters
    ----------
    x
        An array of any dtype and shape.
    low, high, interior
        For each axis: zeros before the first, after the last, between two neighbours. At least 0.
    out
        Where to write, of the result's shape and dtype; must not overlap ``x``.

    Examples
    --------
    >>> pad_zeros(np.array([1, 2]), (1,), (0,), (2,))
    array([0, 1, 0, 0, 2])
    """
    if min((*low, *high, *interior), default=0) < 0:
        raise ArgumentError(
            f"pad_zeros needs low, high and interior of at least 0, received {tuple(low)}, "
            f"{tuple(high)}, {tuple(interior)}. To remove elements, slice."
        )
    spans = [max(0, n + (n - 1) * gap) for n, gap in zip(x.shape, interior, strict=True)]
    if out is None:
        sizes = [a + span + b for a, span, b in zip(low, spans, high, strict=True)]
        out = np.zeros(sizes, x.dtype)
    else:
        out.fill(0)
    places = zip(low, spans, interior, strict=True)
    out[tuple(slice(a, a + span, gap + 1) for a, span, gap in places)] = x
    return out


def gather(x: Array, indices: Array, axis: int, out: Array | None = None) -> Array:
    """Give the entries of ``x`` at ``indices`` along ``axis``, as ``np.take`` does.

    Negative indices are refused: they would mean one thing here and another on other engines.

    Parameters
    ----------
    x
        An array of any dtype, at least 1-D.
    indices
        i32[...] or i64[...], from 0 to ``x.shape[axis] - 1``; their axes replace ``axis``.
    axis
        From 0 to ``x.ndim - 1``.
    out
        Where to write, of the result's shape and dtype; must not overlap ``x``.

    Raises
    ------
    ArgumentError
        If an index is out of range.

    Examples
    --------
    >>> gather(np.array([[1, 2, 3], [4, 5, 6]]), np.array([2, 0]), 1)
    array([[3, 1],
           [6, 4]])
    """
    _check_indices("gather", indices, axis, x.shape[axis])
    if x.flags.c_contiguous:
        # "clip" (nothing is left to clip): "raise" would write to a copy of out first.
        return x.take(indices, axis=axis, out=out, mode="clip")
    # take would copy the whole of x first; indexing reads only what it needs.
    result = x[(slice(None),) * axis + (indices,)]
    if out is None:
        return result
    np.copyto(out, result)
    return out


def scatter_add(
    indices: Array, updates: Array, axis: int, size: int, out: Array | None = None
) -> Array:
    """Give zeros with each update added at its index along ``axis``: the transpose of gather.

    Updates of one index are added in their order, so that the bits are the same every time.

    Parameters
    ----------
    indices
        i32[...] or i64[...] of shape ``s``, from 0 to ``size - 1``; repeated indices add up.
    updates
        An array whose axes from ``axis`` on begin with ``s``; those are replaced by one of
        ``size``. Integers wrap around.
    axis
        Where the new axis stands.
    size
        Its length.
    out
        Where to write, of the result's shape and dtype; must not overlap ``updates``.

    Raises
    ------
    ArgumentError
        If an index is out of range.
    ShapeError
        If the shape of ``updates`` does not hold that of ``indices`` at ``axis``.

    Examples
    --------
    >>> scatter_add(np.array([0, 2, 2]), np.array([1.0, 10.0, 5.0]), 0, 4)
    array([ 1.,  0., 15.,  0.])
    """
    last = axis + indices.ndim
    if updates.shape[axis:last] != indices.shape:
        raise ShapeError(
            f"scatter_add needs updates whose axes {axis} to {last - 1} have the shape "
            f"{indices.shape} of the indices, received updates of shape {updates.shape}. "
            f"Reshape the updates."
        )
    _check_indices("scatter_add", indices, axis, size)
    lead, tail = updates.shape[:axis], updates.shape[last:]
    shape = (*lead, size, *tail)
    usable = out is not None and out.flags.c_contiguous
    result = out if out is not None and usable else np.empty(shape, updates.dtype)
    result.fill(0)
    outer, inner = math.prod(lead), math.prod(tail)
    # One flat index an element: np.add.at is 4 to 8 times as fast on 1-D arrays as on rows.
    flat = indices.reshape(-1)
    if inner != 1:
        flat = (flat[:, None].astype(np.int64) * inner + np.arange(inner)).reshape(-1)
    if outer != 1:
        flat = (np.arange(outer)[:, None] * (size * inner) + flat).reshape(-1)
    np.add.at(result.reshape(-1), flat, updates.reshape(-1))
    if out is None or usable:
        return result
    np.copyto(out, result)
    return out


def _check_indices(name: str, indices: Array, axis: int, size: int) -> None:
    """Refuse indices outside 0 .. size - 1, by one maximum: a negative one is huge unsigned."""
    if indices.dtype != np.int64 and indices.dtype != np.int32:
        raise ArgumentTypeError(
            f"{name} needs indices of dtype i32 or i64, received {indices.dtype}. Cast them."
        )
    if not indices.size:
        return
    unsigned = indices.view(np.uint32 if indices.dtype == np.int32 else np.uint64)
    if np.maximum.reduce(unsigned, axis=None) < size:
        return
    wrong = np.flatnonzero((indices < 0) | (indices >= size))
    allowed = f"from 0 to {size - 1}" if size else "none, since the axis is empty"
    raise ArgumentError(
        f"{name} received {wrong.size} of {indices.size} indices out of range for axis {axis} of "
        f"size {size}, the first {int(indices.reshape(-1)[wrong[0]])} at position {wrong[0]}; "
        f"allowed are {allowed}. Negative indices do not count from the end: add the size to them."
    )
