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
from limpide import engines, ops
from limpide.check import check_engines
from limpide.engines.reference import evaluate
from limpide.ir import CONSTANT, OPS, Graph, Loop, Trace, spec_of
from limpide.tensor import Tensor
from tolerances import tolerance

Array = npt.NDArray[Any]
Generator = np.random.Generator
NATIVE = engines.get("native")
REFERENCE = engines.get("reference")

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


def graph_of_op(name: str, arrays: Sequence[Array], params: dict[str, Any]) -> Graph:
    """Give the graph of one op applied to inputs."""
    trace = Trace(name)
    inputs = [trace.input(spec_of(a), f"x{i}") for i, a in enumerate(arrays)]
    return trace.finish([trace.record(OPS[name], inputs, params)], ["y"])


def assert_agrees(graph: Graph, arrays: Sequence[Array]) -> None:
    """Fail unless the native engine gives a graph's plain meaning, to the table's tolerance."""
    narrow = any(n.spec.dtype == "f32" for n in (*graph.inputs, *graph.nodes))
    allowed = allowed_for(np.float32 if narrow else np.float64)
    report = check_engines(graph, arrays, engine="native", tolerance=allowed)
    assert report, f"{report}\n{graph}"


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


def agrees_but_for_rounding(graph: Graph, arrays: Sequence[Array]) -> bool:
    """Fail for a difference that rounding does not explain; True where the table's alone holds."""
    values = evaluate(graph, [a.copy() for a in arrays])
    expected = [np.asarray(values[id(n)]) for n in graph.outputs]
    actual = NATIVE.compile(graph)([a.copy() for a in arrays])
    for a, b in zip(actual, expected, strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
    if not any(_wrong(a, b).any() for a, b in zip(actual, expected, strict=True)):
        return True
    for a, b, s in zip(actual, expected, spreads(graph, arrays, expected), strict=True):
        assert_close(a, b, s)
    return False


# Random loops ----------------------------------------------------------------------------------

BATCHES = (1, 2, 5, 16, 17, 33, 48, 64, 100)
WIDTHS = (1, 2, 3, 7, 16, 17, 33, 40)


class RandomLoop:
    """A random training loop: weights, a batch of rows, products, reductions, moves, updates.

    All that is chosen depends on the seed alone. Numbers stay small: every result that goes on is
    squashed, so that engines differ by rounding only.
    """

    def __init__(self, seed: int, dtype: str) -> None:
        self.seed, self.dtype = seed, dtype
        g = np.random.default_rng(seed)
        self.batch = self._pick(g, BATCHES)
        self.widths = [self._pick(g, WIDTHS) for _ in range(3)]
        self.n = int(self.batch * g.integers(1, 4) + (g.integers(0, self.batch)))
        a, b, c = self.widths
        shapes = [(a, b), (b,), (b, c), (c,), (), (self.batch, c), (a, b)]
        self.carry = [self._numbers(g, shape) for shape in shapes]
        self.held = [self._numbers(g, ()), self._numbers(g, (b, b)), np.array(seed % 99, np.uint32)]
        self.rows = [self._numbers(g, (self.n, a)), self._numbers(g, (self.n,))]
        self.order = g.permutation(self.n).astype(np.int64)
        if g.random() < 0.3:
            self.order = self.order[: max(1, self.n // self.batch) * self.batch]

    def _numbers(self, g: Generator, shape: tuple[int, ...]) -> Array:
        return np.asarray(g.normal(size=shape) * 0.5, self.dtype)

    @staticmethod
    def _pick(g: Generator, items: Sequence[Any]) -> Any:
        return items[int(g.integers(len(items)))]

    def step(self, *values: Any) -> tuple[Any, ...]:
        """The step: what is carried, then what is observed."""
        g = np.random.default_rng(self.seed + 1)
        w1, b1, w2, b2, total, memory, slot, rate, square, seed, x, y = values
        pool = [x @ w1 + b1, ops.tanh(x @ slot), ops.reshape(y, (-1, 1)) * b1]
        for _ in range(int(g.integers(1, 5))):
            pool.append(self._next(g, pool, b1, square, seed))
        z = self._pick(g, pool)
        out = ops.tanh(z @ w2 + b2)
        error = out - ops.reshape(y, (-1, 1)) if g.random() < 0.7 else out * rate
        back = (error @ ops.transpose(w2)) * (1 - ops.square(ops.tanh(z)))
        new_w2 = w2 - 0.05 * ops.tanh(ops.transpose(z) @ error)
        new_slot = 0.9 * slot + 0.1 * ops.tanh(ops.transpose(x) @ back)
        new_w1 = self._pick(g, [w1 - 0.1 * new_slot, slot, w1 * 0.5 + 0.5 * slot, w1])
        new_b1 = b1 - 0.1 * ops.tanh(ops.sum(back, 0))
        new_b2 = self._pick(g, [b2, ops.tanh(ops.max(error, 0)), b2 * 0.5 + ops.mean(out, 0)])
        kept, choice = memory * 0.5, int(g.integers(4))
        if x.shape[0] == memory.shape[0]:  # not in the step for the short last batch
            kinds = [kept, out, ops.tanh(memory + error), ops.concatenate([out[1:], out[:1]])]
            kept = kinds[choice]
        seen = [ops.mean(ops.square(error)), new_b1, total, new_w1 if g.random() < 0.3 else b2]
        if g.random() < 0.5:
            seen.append(ops.transpose(w2))
        carried = [new_w1, new_b1, new_w2, new_b2, ops.tanh(total + seen[0]), kept, new_slot]
        if g.random() < 0.2:
            carried[0], carried[6] = carried[6], carried[0]
        return (*carried, *seen)

    def _next(self, g: Generator, pool: list[Any], b1: Any, square: Any, seed: Any) -> Any:
        z = self._pick(g, pool)
        kinds: list[Callable[[], Any]] = [
            lambda: ops.tanh(z @ square),
            lambda: ops.relu(z) + self._pick(g, pool) * 0.5,
            lambda: ops.softmax(z, 1) if z.shape[1] else z,
            lambda: z - ops.mean(z, 1, keepdims=True),
            lambda: z * ops.sigmoid(b1),
            lambda: ops.tanh(z - ops.max(z, 0, keepdims=True)),
            lambda: ops.concatenate([z[1:], z[:1]]),
            lambda: ops.gather(z, ops.iota((z.shape[0],), dtype="int64")),
            lambda: ops.transpose(ops.tanh(ops.transpose(z))),
            lambda: ops.where(ops.less(z, ops.sum(z) * 0.01), z * 0.5, ops.sin(z)),
            lambda: ops.reshape(ops.tanh(ops.reshape(z, (-1,))), z.shape),
            lambda: ops.tanh(ops.transpose(z) @ z @ square)[:1] + z,
            lambda: ops.where(ops.less(self._bits(seed, z.shape), 2**15), z, z * 0.5),
        ]
        return self._pick(g, kinds)()

    @staticmethod
    def _bits(seed: Any, shape: tuple[int, ...]) -> Any:
        step = lp.Tensor(1, dtype="uint32")
        return ops.shift_right(ops.random_bits(seed, step, stream=3, shape=shape), 16)

    def loop(self) -> Loop:
        """Trace the loop."""
        rest = len(self.order) % self.batch
        kept = [*self.carry, *self.held]

        def traced(size: int) -> Graph:
            return graph_of(self.step, *kept, *(a[:size] for a in self.rows))

        tail = traced(rest) if rest else None
        return Loop(traced(self.batch), tail, len(self.carry), len(self.held))

    def run(self, compiled: Any, epochs: int = 2) -> list[Array]:
        """Give what is carried and observed after some epochs."""
        carry = [a.copy() for a in self.carry]
        orders = np.stack([np.roll(self.order, i) for i in range(epochs)])
        return [*carry, *compiled(carry, self.held, self.rows, orders, 0)]
