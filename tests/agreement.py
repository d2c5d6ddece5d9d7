"""What tests of the native engine share: graphs, agreement with the plain meaning, random loops.

Answers for how two engines are compared, and what of a difference rounding alone explains. Not
for: what is asked of the engine (the tests beside).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

import limpide as lp
from limpide.engines import Engine
from limpide.engines.reference import evaluate
from limpide.ir import CONSTANT, Graph
from limpide.tensor import Tensor
from tolerances import tolerance

Array = npt.NDArray[Any]
Generator = np.random.Generator

LOOSE = frozenset(
    [
        *("cos", "erf", "exp", "expm1", "log", "log1p", "matmul", "power", "sigmoid"),
        *("sin", "softplus", "sum", "tanh"),
    ]
)
"""Ops whose last bits engines may choose; all others are rounded correctly, or exact."""
_NO_SIGN = frozenset({"matmul", "max", "maximum", "minimum", "sum"})  # of a zero that they give
_ROUNDS = 8
_ULPS = 4  # NumPy's exp is within 2.5 in float32, ours within 1
_AMPLE = 16.0  # a handful of random roundings does not find the largest effect


def allowed_for(dtype: Any) -> float:
    """Give the table's tolerance between engines for a dtype."""
    return tolerance(f"engine_{np.dtype(dtype).name}")


def graph_of(python: Callable[..., Any], *arrays: Any) -> Graph:
    """Trace a function of tensors."""
    return lp.function(python).graph(*(Tensor(np.asarray(a)) for a in arrays))


def assert_close(actual: Array, expected: Array, spread: Array | None = None) -> None:
    """Compare by the table, relative to the largest number; ``spread`` is allowed beside it."""
    assert (actual.shape, actual.dtype) == (expected.shape, expected.dtype)
    wrong = _wrong(actual, expected, spread)
    assert not wrong.any(), f"{actual[wrong][:5]} instead of {expected[wrong][:5]}"


def _wrong(actual: Array, expected: Array, spread: Array | None = None) -> Array:
    if expected.dtype.kind != "f":
        apart = actual != expected
        return apart if spread is None else apart & (spread == 0)
    size = np.abs(expected[np.isfinite(expected)]).max(initial=0.0)
    allowed = np.full(expected.shape, allowed_for(expected.dtype) * float(size))
    if spread is not None:
        allowed = allowed + _AMPLE * spread
    same = (actual == expected) | (np.isnan(actual) & np.isnan(expected))
    with np.errstate(all="ignore"):
        gap = np.abs(actual.astype(np.float64) - expected.astype(np.float64))
    return np.asarray(~(same | (gap <= allowed) | np.isposinf(allowed)))


def moved(graph: Graph, arrays: Sequence[Array], generator: Generator) -> list[Array]:
    """Give a graph's outputs with each result that engines may round their own way moved a little.

    What is not determined by the ops' meanings shows in it: numbers that cancel, jumps (a floor,
    a comparison), quotients by a zero whose sign NumPy leaves open.
    Source: Vignes (1993), "A stochastic arithmetic for reliable scientific computation".
    """

    def shaken(x: Array, ulps: int) -> Array:
        if x.dtype.kind != "f":
            return x
        parts = generator.integers(-ulps, ulps + 1, x.shape) * np.finfo(x.dtype).eps
        return (x * (1 + parts)).astype(x.dtype)

    values = {id(n): a for n, a in zip(graph.inputs, arrays, strict=True)}
    with np.errstate(all="ignore"):
        for node in graph.nodes:
            name = node.op.name
            if node.op is CONSTANT:
                values[id(node)] = node.value
                continue
            given = [values[id(n)] for n in node.inputs]
            if name in ("sum", "matmul"):
                given = [shaken(a, 1) for a in given]
            y = node.op.compute(*given, **node.params)
            if name in LOOSE:
                y = shaken(y, _ULPS)
            if name in _NO_SIGN and y.dtype.kind == "f":
                y = np.where((y == 0) & (generator.random(y.shape) < 0.5), -y, y).astype(y.dtype)
            values[id(node)] = y
    return [np.asarray(values[id(n)]) for n in graph.outputs]


def spreads(graph: Graph, arrays: Sequence[Array], expected: Sequence[Array]) -> list[Array]:
    """Give how far roundings move each element of the outputs; infinity where anything goes."""
    generator = np.random.default_rng(1993)
    found = [np.zeros(a.shape) for a in expected]
    for _ in range(_ROUNDS):
        for spread, a, b in zip(found, moved(graph, arrays, generator), expected, strict=True):
            with np.errstate(all="ignore"):
                gap = np.abs(a.astype(np.float64) - b.astype(np.float64))
            gap = np.where((a == b) | ((a != a) & (b != b)), 0.0, np.where(gap == gap, gap, np.inf))
            np.maximum(spread, gap, out=spread)
    return found


def agrees_but_for_rounding(engine: Engine, graph: Graph, arrays: Sequence[Array]) -> bool:
    """Fail for a difference that rounding does not explain; True where the table's alone holds."""
    values = evaluate(graph, [a.copy() for a in arrays])
    expected = [np.asarray(values[id(n)]) for n in graph.outputs]
    actual = engine.compile(graph)([a.copy() for a in arrays])
    for a, b in zip(actual, expected, strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
    if not any(_wrong(a, b).any() for a, b in zip(actual, expected, strict=True)):
        return True
    for a, b, s in zip(actual, expected, spreads(graph, arrays, expected), strict=True):
        assert_close(a, b, s)
    return False
