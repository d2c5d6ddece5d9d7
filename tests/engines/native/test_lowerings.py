"""Every op on the native engine: there is a lowering, and it gives the plain meaning."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from natively import NATIVE, assert_agrees, graph_of_op

from agreement import graph_of
from limpide import ops
from limpide.engines.native import elements, moves, plan
from limpide.engines.reference import evaluate
from limpide.ir import OPS, Loop

sys.path.insert(0, str(Path(__file__).parents[2] / "ops"))  # the samples of tests/ops
from samples import SAMPLES

Array = npt.NDArray[Any]
FLOATS = ["float32", "float64"]
INTEGERS = ["int32", "int64", "uint32"]
LENGTHS = [1, 2, 3, 5, 7, 15, 16, 17, 31, 33, 63, 65, 100]
UNARY = [ops.negative, ops.abs, ops.exp, ops.tanh, ops.sqrt, ops.floor, ops.relu, ops.erf]
NO_SIGN = {"maximum", "minimum"}  # of a zero: NumPy's choice among 0 and -0 is its processor's


def test_every_op_has_a_lowering_and_no_lowering_is_left_over() -> None:
    views = {name for name, op in OPS.items() if op.kind == "view"}
    moved = set(moves.MOVES) - {"copy"}
    lowered = [set(plan.ELEMENTWISE), set(plan.REDUCTIONS), moved, views, {"matmul"}]
    assert set.union(*lowered) == set(OPS)
    assert sum(map(len, lowered)) == len(OPS)  # none has two
    assert {*elements.LOWERINGS, "iota"} == plan.ELEMENTWISE
    assert set(elements.LOWERINGS) >= elements.COSTLY


def test_an_op_without_a_lowering_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(OPS, "new", OPS["exp"])
    with pytest.raises(AssertionError):
        test_every_op_has_a_lowering_and_no_lowering_is_left_over()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", SAMPLES)
def test_every_sample_has_its_plain_meaning(name: str, dtype: type) -> None:
    for sample in SAMPLES[name]:
        inputs = sample.cast(dtype).inputs
        graph = graph_of_op(name, inputs, sample.params)
        assert_agrees(graph, inputs)
        if OPS[name].kind == "elementwise" and name not in NO_SIGN:
            expected = evaluate(graph, inputs)[id(graph.outputs[0])]
            (actual,) = NATIVE.compile(graph)(list(inputs))
            zeros = expected == 0
            np.testing.assert_array_equal(np.signbit(actual[zeros]), np.signbit(expected[zeros]))


@pytest.mark.parametrize("name", SAMPLES)
def test_every_sample_in_a_loop_has_the_bits_of_a_single_graph(name: str) -> None:
    """The largest sample, held by a loop: its memory has gaps where the caller's has none."""
    sample = max(SAMPLES[name], key=lambda s: sum(a.size for a in s.inputs))
    step = graph_of_op(name, sample.inputs, sample.params)
    run = NATIVE.compile_loop(Loop(step, None, 0, len(sample.inputs)))
    (seen,) = run([], list(sample.inputs), [], None, 2)
    expected = NATIVE.compile(step)(list(sample.inputs))[0]
    for one in seen:
        np.testing.assert_array_equal(one, expected, strict=True)


# Numbers of every dtype, shapes of every kind ---------------------------------------------------


def filled(generator: np.random.Generator, shape: tuple[int, ...], dtype: str) -> Array:
    if np.dtype(dtype).kind == "f":
        return np.asarray(generator.normal(size=shape), dtype)
    lowest = 0 if dtype == "uint32" else -50
    return np.asarray(generator.integers(lowest, 50, shape), dtype)


@pytest.mark.parametrize("dtype", [*FLOATS, *INTEGERS])
def test_lengths_around_those_of_vectors(dtype: str) -> None:
    generator = np.random.default_rng(3)
    x = [filled(generator, (n,), dtype) for n in LENGTHS]
    y = [filled(generator, (3, n), dtype) for n in LENGTHS]

    def every(*values: Any) -> Any:
        found = []
        for line, plane in zip(values[: len(x)], values[len(x) :], strict=True):
            found += [line * 2 + line, plane - line, ops.maximum(plane, 1)]
            found += [ops.where(line < 3, line, 0), ops.sum(plane, 0), ops.sum(plane, 1)]
            found.append(ops.max(line))
        return tuple(found)

    assert_agrees(graph_of(every, *x, *y), [*x, *y])


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(
    "shape", [(), (1,), (0,), (1, 1), (3, 1, 5), (2, 0, 3), (1, 17), (17, 1), (2, 3, 4, 5)]
)
def test_ranks_and_axes_of_length_one_and_none(shape: tuple[int, ...], dtype: str) -> None:
    x = filled(np.random.default_rng(4), shape, dtype)

    def every(x: Any) -> Any:
        turned = ops.transpose(x)
        found = [f(x) for f in UNARY[:3]] + [f(turned) for f in UNARY[3:]]
        found += [turned + 1, ops.reshape(turned, (-1,) if x.size else (0,)) * 2]
        found += [ops.sum(x, axis) for axis in range(x.ndim)]
        found += [ops.broadcast_to(x, (2, *x.shape)) + 1 if x.ndim < 4 else x]
        return (*found, ops.sum(ops.abs(x)))

    assert_agrees(graph_of(every, x), [x])


@pytest.mark.parametrize("dtype", FLOATS)
def test_operands_turned_cut_and_repeated(dtype: str) -> None:
    generator = np.random.default_rng(5)
    x, y = filled(generator, (9, 34), dtype), filled(generator, (34, 9), dtype)
    row, column = filled(generator, (34,), dtype), filled(generator, (9, 1), dtype)

    def every(x: Any, y: Any, row: Any, column: Any) -> Any:
        return (
            x + ops.transpose(y),
            x[:, ::3] * row[::3],
            x[2:7:2, 1:] - column[2:7:2],
            ops.transpose(x)[:, ::2] * ops.reshape(row, (-1, 1)),
            ops.exp(ops.transpose(x)) @ column,
            ops.sum(ops.transpose(x) * y, 1),
            ops.transpose(ops.reshape(x, (3, 3, 34)), (1, 2, 0)) * 2,
            ops.reshape(ops.transpose(x), (17, 18)) + 1,
            ops.max(x[::2, ::2] * ops.transpose(y)[::2, ::2], 0),
        )

    assert_agrees(graph_of(every, x, y, row, column), [x, y, row, column])


def test_integers_wrap() -> None:
    for dtype in INTEGERS:
        info = np.iinfo(dtype)
        x = np.array([info.max, info.min, info.max // 2 + 1, 1, 0, 7] * 5, dtype)
        graph = graph_of(lambda x: (x + x, x - 1, x * x, -x, x * 3 + x, ops.abs(x), ops.sum(x)), x)
        assert_agrees(graph, [x])


def _casts(values: Array, names: list[str]) -> None:
    graph = graph_of(lambda x: tuple(ops.cast(x, name) for name in names), values)
    assert_agrees(graph, [values])


def test_casts_between_all_dtypes() -> None:
    x = np.array([0.0, -0.0, 1.0, 2.75, 3.5, 100.0, 77.9] * 3)
    for source in ("float32", "float64", "int32", "int64", "uint32", "bool"):
        _casts(x.astype(source), ["f32", "f64", "i32", "i64", "u32", "bool"])
    for source in ("float32", "float64", "int32", "int64"):
        _casts(-x.astype(source), ["f32", "f64", "i32", "i64", "bool"])
    _casts(np.array([-1, 0, 2**40 + 5, -(2**63)]), ["u32", "i32", "f32", "f64", "bool"])
    _casts(np.array([2**32 - 1, 2**31, 0], np.uint32), ["i32", "i64", "f32", "f64", "bool"])
