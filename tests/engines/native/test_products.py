"""Matrix products of every kind: sizes around those of vectors, turned operands, leading axes."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from natively import NATIVE, assert_agrees

from agreement import graph_of
from limpide import ops
from limpide.engines.native import engine
from limpide.engines.native.target import host

Array = npt.NDArray[Any]
SIZES = [0, 1, 2, 5, 16, 17, 33, 130]
dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])


def numbers(shape: tuple[int, ...], dtype: str) -> Array:
    seed = sum((i + 2) * 31**i * n for i, n in enumerate(shape))
    return np.asarray(np.random.default_rng(seed).normal(size=shape), dtype)


def together(sizes: list[tuple[int, int, int]], dtype: str) -> None:
    """Compile the products of many sizes as one graph: each operand as it is, and turned."""
    arrays = []
    for m, k, n in sizes:
        arrays += [numbers((m, k), dtype), numbers((k, n), dtype)]
        arrays += [numbers((k, m), dtype), numbers((n, k), dtype)]

    def every(*x: Any) -> Any:
        found = []
        for a, b, at, bt in zip(x[::4], x[1::4], x[2::4], x[3::4], strict=True):
            pairs = itertools.product((a, ops.transpose(at)), (b, ops.transpose(bt)))
            found += [left @ right for left, right in pairs]
        return tuple(found)

    assert_agrees(graph_of(every, *arrays), arrays)


@dtypes
@pytest.mark.parametrize("k", [1, 2, 17, 33])
def test_sizes_around_those_of_vectors(k: int, dtype: str) -> None:
    together([(m, k, n) for m in (1, 2, 17) for n in (1, 5, 33)], dtype)


@dtypes
def test_no_rows_no_columns_and_empty_sums(dtype: str) -> None:
    sizes = [(0, 3, 2), (3, 0, 2), (2, 3, 0), (1, 0, 1), (0, 0, 0), (1, 0, 33), (33, 0, 1)]
    together(sizes, dtype)


@dtypes
@pytest.mark.parametrize(
    ("m", "k", "n"),
    [
        (531, 700, 50),  # sums in three stretches, more rows than wait between two of them
        (70, 1025, 37),
        (403, 40, 701),  # results that outgrow the caches, three rows left over
        (130, 9, 3001),
    ],
)
def test_long_sums_and_many_results(m: int, k: int, n: int, dtype: str) -> None:
    together([(m, k, n)], dtype)


@dtypes
@pytest.mark.parametrize(("vector_bytes", "registers"), [(32, 16), (16, 32), (16, 16)])
def test_narrower_vectors(
    vector_bytes: int, registers: int, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernels of AVX2, NEON and SSE2, as far as this processor runs them."""
    if host().vector_bytes < vector_bytes:
        pytest.skip("this processor's vectors are narrower")
    narrow = replace(host(), vector_bytes=vector_bytes, registers=registers)
    monkeypatch.setattr(engine, "host", lambda: narrow)
    monkeypatch.setenv("LIMPIDE_CACHE", "")
    sizes = [(m, k, n) for m in (1, 2, 17) for k in (1, 17) for n in (1, 5, 33)]
    together([*sizes, (19, 600, 21), (403, 40, 701)], dtype)


@pytest.mark.long
@dtypes
@pytest.mark.parametrize("k", SIZES)
@pytest.mark.parametrize("m", SIZES)
def test_all_sizes(m: int, k: int, dtype: str) -> None:
    together([(m, k, n) for n in SIZES], dtype)


@pytest.mark.long
@dtypes
@pytest.mark.parametrize("k", [1, 7, 130, 300, 1000])
@pytest.mark.parametrize("m", [1, 3, 100, 257])
def test_large_sizes(m: int, k: int, dtype: str) -> None:
    together([(m, k, n) for n in (1, 10, 300, 513)], dtype)


def _turned(x: Any) -> Any:
    return ops.transpose(x, [*range(x.ndim - 2), x.ndim - 1, x.ndim - 2])


@dtypes
def test_leading_axes(dtype: str) -> None:
    shapes = [((3, 5, 4), (3, 4, 6)), ((2, 1, 17, 3), (2, 1, 3, 18)), ((0, 2, 3), (0, 3, 2))]
    shapes += [((4, 1, 5), (4, 5, 1)), ((4, 7, 5), (4, 5, 1)), ((2, 3, 1, 5), (2, 3, 5, 33))]
    arrays = [numbers(shape, dtype) for pair in shapes for shape in pair]

    def every(*x: Any) -> Any:
        found = []
        for a, b in zip(x[::2], x[1::2], strict=True):
            found += [a @ b, _turned(b) @ _turned(a)]
        a, b = x[0], x[1]
        found.append(ops.broadcast_to(a[:1], (3, 5, 4)) @ b)
        found.append(a @ ops.broadcast_to(b[1], (3, 4, 6)))
        found.append(a[::2] @ b[1:])
        return tuple(found)

    assert_agrees(graph_of(every, *arrays), arrays)


@dtypes
def test_operands_cut_and_repeated(dtype: str) -> None:
    a, b = numbers((20, 34), dtype), numbers((34, 19), dtype)

    def every(a: Any, b: Any) -> Any:
        return (
            a[1::2, 3:20] @ b[3:20, ::2],
            a[:, ::2] @ b[::2],
            ops.transpose(b)[:, 1:] @ ops.transpose(a)[1:, 2:9],
            ops.broadcast_to(a[:1], (5, 34)) @ b,
            a @ ops.broadcast_to(b[:, :1], (34, 3)),
            a[:1] @ b[:, 1:2],
            a[:, 1:2] @ b[:1],
            a @ a.T,
            (a @ b) @ (a @ b).T,
        )

    assert_agrees(graph_of(every, a, b), [a, b])


@dtypes
def test_what_follows_a_product_is_done_with_it(dtype: str) -> None:
    a, b, bias = numbers((37, 19), dtype), numbers((19, 35), dtype), numbers((35,), dtype)

    def every(a: Any, b: Any, bias: Any) -> Any:
        z = a @ b + bias
        y = ops.sigmoid(z) * ops.tanh(z)
        line = a[:1] @ b * bias
        column = ops.relu(a @ ops.reshape(bias[:19], (-1, 1)) - 0.5)
        ladder = ops.exp(-ops.square(a @ b)) + ops.cast(ops.iota((37, 35), 1), a.dtype)
        return y, z, line, column, ops.sum(y, 0), ladder

    assert_agrees(graph_of(every, a, b, bias), [a, b, bias])


def test_numbers_that_are_not_finite_stay_in_their_row_and_column() -> None:
    a, b = numbers((18, 35), "float64"), numbers((35, 34), "float64")
    a[3, 4], b[7, 33] = np.nan, np.inf
    (y,) = NATIVE.compile(graph_of(lambda a, b: a @ b, a, b))([a, b])
    expected = np.zeros(y.shape, bool)
    expected[3], expected[:, 33] = True, True
    np.testing.assert_array_equal(~np.isfinite(y), expected)
