"""Random training loops, for engines to be held beside each other.

Answers for loops that are a function of a seed and a dtype alone. Not for: what is asked of them
(the tests of each engine), nor single programs (``programs``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

import limpide as lp
from agreement import graph_of
from limpide import ops
from limpide.ir import Graph, Loop

Array = npt.NDArray[Any]
Generator = np.random.Generator
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
