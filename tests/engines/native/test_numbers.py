"""FAULTS.md, "Numbers", on compiled programs: extremes, NaN, infinities, denormals, long sums."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from natively import NATIVE

from agreement import graph_of
from limpide import activations, losses, ops
from limpide.ir import Loop
from tolerances import tolerance, ulp_distance

dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])
NAN, INF = float("nan"), float("inf")


def compiled(python: Any, *values: Any, dtype: str = "float64") -> list[Any]:
    """Run a function on numbers, each in a line of 19 so that vectors and their rest are used."""
    arrays = [np.full(19, v, dtype) for v in values]
    results = NATIVE.compile(graph_of(python, *arrays))(arrays)
    for result in results:
        np.testing.assert_array_equal(result, np.broadcast_to(result[:1], result.shape))
    return [result[0] for result in results]


@dtypes
def test_functions_at_their_ends(dtype: str) -> None:
    def every(x: Any) -> Any:
        return ops.sigmoid(x), ops.softplus(x), ops.tanh(x), ops.relu(x)

    assert compiled(every, 1000.0, dtype=dtype) == [1.0, 1000.0, 1.0, 1000.0]
    assert compiled(every, -1000.0, dtype=dtype) == [0.0, 0.0, -1.0, 0.0]
    assert compiled(every, INF, dtype=dtype) == [1.0, INF, 1.0, INF]
    assert compiled(every, -INF, dtype=dtype) == [0.0, 0.0, -1.0, 0.0]
    assert np.isnan(compiled(every, NAN, dtype=dtype)).all()


@dtypes
def test_cross_entropy_from_logits_at_the_ends(dtype: str) -> None:
    z = np.array([[1000.0], [1000.0], [-1000.0], [-1000.0]], dtype)
    y = np.array([[1.0], [0.0], [0.0], [1.0]], dtype)
    graph = graph_of(lambda z, y: losses.bce.of_sum(y, z, activations.sigmoid), z, y)
    (result,) = NATIVE.compile(graph)([z, y])
    assert result.reshape(-1).tolist() == [0.0, 1000.0, 0.0, 1000.0]


@dtypes
def test_softmax_and_logsumexp_of_extremes(dtype: str) -> None:
    x = np.array([[1e38, 1e38], [-1e38, 1e38], [0.0, -INF], [1000.0, 999.0]], dtype)
    graph = graph_of(lambda x: (ops.softmax(x, 1), ops.logsumexp(x, 1)), x)
    share, total = NATIVE.compile(graph)([x])
    assert share[:3].tolist() == [[0.5, 0.5], [0.0, 1.0], [1.0, 0.0]]
    assert total[1:3].tolist() == [np.dtype(dtype).type(1e38), 0.0]
    low = np.full((3, 5), -INF, dtype)
    (total,) = NATIVE.compile(graph_of(lambda x: ops.logsumexp(x, 1), low))([low])
    assert total.tolist() == [-INF] * 3


def test_single_graphs_keep_denormal_numbers() -> None:
    (small,) = compiled(lambda x: (ops.exp(x),), -100.0, dtype="float32")
    assert small == np.float32(3.783506e-44)
    (logarithm,) = compiled(lambda x: (ops.log(x),), 1e-40, dtype="float32")
    expected = np.float32(np.log(np.float64(np.float32(1e-40))))
    assert ulp_distance(np.float32(logarithm), expected) <= 1
    assert f"{logarithm:.1f}" == "-92.1"
    assert compiled(lambda x: (x * 0.5,), 1e-323) == [5e-324]
    assert compiled(lambda x: (x, x > 0), 5e-324) == [5e-324, True]


def test_loops_take_denormal_numbers_for_zero() -> None:
    tiny, small = np.full(19, 1e-40, np.float32), np.full(19, 1e-30, np.float32)

    def step(x: Any, y: Any) -> Any:
        return y * 1e-10, x + 0, x * 2.0, y * y, x * 1e20

    run = NATIVE.compile_loop(Loop(graph_of(step, tiny, small), None, 1, 1))
    carry = [tiny.copy()]
    seen = run(carry, [small], [], None, 1)
    assert carry[0].tolist() == [0.0] * 19
    assert (seen[1] == 0).all()
    assert (seen[2] == 0).all()
    assert (seen[3] == 0).all()  # operands too: the result alone would be 1e-20


@dtypes
def test_nan_goes_through_maxima_and_relu_and_not_through_where(dtype: str) -> None:
    def every(x: Any, y: Any) -> Any:
        most = ops.maximum(x, y), ops.maximum(y, x)
        return *most, ops.minimum(x, y), ops.minimum(y, x), ops.relu(x)

    assert np.isnan(compiled(every, NAN, 1.0, dtype=dtype)).all()
    chosen = compiled(lambda x, y: (ops.where(ops.equal(x, x), x, y),), NAN, 2.0, dtype=dtype)
    assert chosen == [2.0]
    told = compiled(lambda x, y: (x < y, x <= y, ops.equal(x, y), x > y), NAN, 1.0, dtype=dtype)
    assert told == [False] * 4


@dtypes
@pytest.mark.parametrize("place", [0, 15, 40, 66])
def test_nan_goes_through_reductions_wherever_it_is(place: int, dtype: str) -> None:
    plain = np.arange(67, dtype=dtype)
    x = plain.copy()
    x[place] = NAN
    arrays = [x, np.stack([x, plain]), np.stack([x, x * 0], 1)]

    def every(x: Any, rows: Any, columns: Any) -> Any:
        return ops.max(x), ops.sum(x), ops.max(rows, 1), ops.max(columns, 0), ops.max(rows, 0)

    run = NATIVE.compile(graph_of(every, *arrays))
    most, total, first, second, both = run(arrays)
    assert np.isnan([most, total, first[0], second[0], second[1], both[place]]).all()
    assert first[1] == 66
    assert np.isnan(both).sum() == 1
    x[place] = -INF
    most, total, *_ = run([x, *arrays[1:]])
    assert (most, total) == ((65.0 if place == 66 else 66.0), -INF)


@dtypes
def test_the_largest_of_infinities(dtype: str) -> None:
    low = np.full(33, -INF, dtype)
    graph = graph_of(lambda x: (ops.max(x), ops.max(x * 0.5), ops.sum(x)), low)
    assert [float(a) for a in NATIVE.compile(graph)([low])] == [-INF] * 3


def test_the_mean_of_many_numbers() -> None:
    n = 10**8
    graph = graph_of(lambda c: ops.mean(ops.broadcast_to(c, (n,))), np.float32(0.1))
    (result,) = NATIVE.compile(graph)([np.array(0.1, np.float32)])
    assert abs(float(result) / 0.1 - 1) <= tolerance("long_sum_float32")


def test_long_float32_sums_along_every_axis() -> None:
    x = np.full((300_000, 3), 0.1, np.float32)
    arrays = [x, np.ascontiguousarray(x.T), x.reshape(-1)]

    def every(x: Any, turned: Any, line: Any) -> Any:
        return ops.mean(x, 0), ops.mean(turned, 1), ops.mean(line), ops.mean(x * x, 0)

    results = NATIVE.compile(graph_of(every, *arrays))(arrays)
    for result, expected in zip(results, (0.1, 0.1, 0.1, 0.01), strict=True):
        np.testing.assert_allclose(result, expected, rtol=tolerance("long_sum_float32"))


@dtypes
def test_division_by_zero(dtype: str) -> None:
    result = compiled(lambda x, y: (x / y, -x / y, y / y, x / -y), 1.0, 0.0, dtype=dtype)
    assert [result[0], result[1], result[3]] == [INF, -INF, -INF]
    assert np.isnan(result[2])


@dtypes
def test_the_signs_of_zeros(dtype: str) -> None:
    def every(x: Any) -> Any:
        kept = (-x, x * 2.0, ops.sin(x), ops.tanh(x), ops.expm1(x), ops.sqrt(x), ops.erf(x))
        kept = (*kept, ops.log1p(x), x / 3.0, ops.floor(x), ops.abs(x), ops.relu(x))
        return tuple(1.0 / y for y in kept)

    assert compiled(every, -0.0, dtype=dtype) == [INF] + [-INF] * 9 + [INF, INF]
    assert compiled(every, 0.0, dtype=dtype) == [-INF] + [INF] * 11
