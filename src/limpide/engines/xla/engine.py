"""The engine: a graph, a graph over rows and a loop as compiled JAX functions.

Answers for replaying nodes under ``jax.jit``, for running loops with their rows and their carry on
the device, and for float64 without a global setting. Not for: single ops
(``limpide.engines.xla.lowering``).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from limpide.engines.xla.lowering import LOWERINGS
from limpide.engines.xla.many import ManyRows, ManyRun
from limpide.ir import CONSTANT, Array, Graph, Loop

_LEAST_STEPS = 64  # places for the losses of a call, doubled until they suffice


def replay(graph: Graph, inputs: Sequence[Any]) -> list[Any]:
    """Apply a graph's nodes to JAX arrays."""
    values = {id(node): array for node, array in zip(graph.inputs, inputs, strict=True)}
    for node in graph.nodes:
        if node.op is CONSTANT:
            values[id(node)] = jnp.asarray(node.value)
        else:
            arguments = [values[id(n)] for n in node.inputs]
            values[id(node)] = LOWERINGS[node.op.name](*arguments, **node.params)
    return [values[id(node)] for node in graph.outputs]


def _exact() -> Any:
    """Let 64-bit numbers be 64 bits wide, in here alone."""
    return jax.enable_x64(True)


class XlaEngine:
    """Runs graphs and loops through XLA."""

    name = "xla"

    def compile(self, graph: Graph) -> Callable[[list[Array]], list[Array]]:
        """Compile a graph, when it is first run."""
        compiled = jax.jit(lambda arrays: replay(graph, arrays))

        def run(arrays: list[Array]) -> list[Array]:
            with _exact():
                _check(graph, arrays)
                return [np.array(output) for output in compiled(list(arrays))]

        return run

    def compile_rows(
        self, graph: Graph, n_held: int
    ) -> Callable[[Sequence[Array], Sequence[Array], Sequence[Array]], None]:
        """Compile a graph over a batch of rows; rows of any number go through in one call."""
        batch = graph.inputs[n_held].spec.shape[0]

        def over(held: list[Any], starts: Any, rows: list[Any]) -> list[Any]:
            def one(start: Any) -> list[Any]:
                parts = [lax.dynamic_slice_in_dim(a, start, batch) for a in rows]
                return replay(graph, [*held, *parts])

            found: list[Any] = lax.map(one, starts)
            return found

        compiled = jax.jit(over)
        single = jax.jit(lambda arrays: replay(graph, arrays))

        def run(
            held: Sequence[Array], row_arrays: Sequence[Array], outputs: Sequence[Array]
        ) -> None:
            n = len(row_arrays[0])
            with _exact():
                if n == batch:
                    found = single([*held, *row_arrays])
                    for array, output in zip(outputs, found, strict=True):
                        array[...] = output
                    return
                starts = np.array([*range(0, n - batch, batch), n - batch])
                found = compiled(list(held), starts, list(row_arrays))
                for array, output in zip(outputs, found, strict=True):
                    whole = np.asarray(output)
                    flat = whole[:-1].reshape(-1, *whole.shape[2:])
                    array[: len(flat)] = flat
                    array[n - batch :] = whole[-1]

        return run

    def compile_loop(self, loop: Loop) -> LoopRun:
        """Compile a loop, when it is first run."""
        return LoopRun(loop)

    def compile_many(self, loop: Loop) -> ManyRun:
        """Compile a loop for many networks, when it is first run."""
        return ManyRun(loop, replay, _exact)

    def compile_many_rows(self, graph: Graph, n_held: int) -> ManyRows:
        """Compile a graph over a batch of rows for many networks, when it is first run."""
        return ManyRows(graph, n_held, replay, _exact)


def _check(graph: Graph, arrays: Sequence[Array]) -> None:
    """Refuse arrays of another dtype or shape, which JAX would compile anew for."""
    for node, array in zip(graph.inputs, arrays, strict=True):
        if array.dtype != node.spec.numpy_dtype or array.shape != node.spec.shape:
            raise TypeError(
                f"{node.name} is {node.spec} in this graph; received {array.dtype} "
                f"{list(array.shape)}."
            )


class LoopRun:
    """A loop that was compiled: ``run(carry, held, row_arrays, order, trips)``."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        rows = loop.step.inputs[loop.n_carry + loop.n_held :]
        self.batch = rows[0].spec.shape[0] if rows else 1
        self.rest = 0 if loop.tail is None else loop.tail.inputs[-1].spec.shape[0]
        self._compiled = jax.jit(self._run, static_argnums=(5, 6), donate_argnums=(0,))
        self._lock = threading.Lock()
        self._rows: list[Array] = []  # as they were given
        self._on_device: list[Any] = []

    def __call__(
        self,
        carry: list[Array],
        held: list[Array],
        row_arrays: list[Array],
        order: Array | None,
        trips: int,
    ) -> list[Array]:
        epochs, full, rest = 1, trips, 0
        if order is not None:
            epochs, (full, rest) = len(order), divmod(order.shape[1], self.batch)
        steps = epochs * (full + (rest > 0))
        with self._lock, _exact():
            rows = self._placed(row_arrays)
            room = _LEAST_STEPS
            while room < steps:
                room *= 2
            filled = self._filled(order, room, full + (rest > 0))
            given = [jnp.array(array) for array in carry]
            counts = np.array([epochs, full], np.int32)
            new, seen = self._compiled(given, list(held), rows, filled, counts, room, rest)
            for array, result in zip(carry, new, strict=True):
                array[...] = result
            return [np.asarray(each)[:steps] for each in seen]

    def _placed(self, row_arrays: list[Array]) -> list[Any]:
        """Give the rows on the device; the same arrays are brought there once."""
        same = len(row_arrays) == len(self._rows) and all(
            a is b for a, b in zip(row_arrays, self._rows, strict=True)
        )
        if not same:
            self._on_device = [jnp.asarray(array) for array in row_arrays]
            self._rows = list(row_arrays)
        return self._on_device

    def _filled(self, order: Array | None, room: int, an_epoch: int) -> Any:
        """Give the rows of each step, i32[room, batch]: so few shapes, so few compilations."""
        found = np.zeros((room, self.batch), np.int32)
        if order is None:
            return found
        places = found[: len(order) * an_epoch].reshape(len(order), an_epoch, self.batch)
        flat = places.reshape(len(order), an_epoch * self.batch)
        flat[:, : order.shape[1]] = order
        return found

    def _run(
        self,
        carry: list[Any],
        held: list[Any],
        rows: list[Any],
        order: Any,
        counts: Any,
        room: int,
        rest: int,
    ) -> tuple[list[Any], list[Any]]:
        loop = self.loop
        observed = loop.step.outputs[loop.n_carry :]
        seen = [jnp.zeros((room, *n.spec.shape), n.spec.numpy_dtype) for n in observed]

        def step(graph: Graph, size: int, at: Any, state: Any) -> Any:
            carried, kept = state
            chosen = lax.dynamic_index_in_dim(order, at, keepdims=False)[:size]
            batch = [jnp.take(array, chosen, axis=0, mode="clip") for array in rows]
            outputs = replay(graph, [*carried, *held, *batch])
            kept = [
                lax.dynamic_update_index_in_dim(whole, value, at, 0)
                for whole, value in zip(kept, outputs[loop.n_carry :], strict=True)
            ]
            return outputs[: loop.n_carry], kept

        whole = partial(step, loop.step, self.batch)
        if not rest:
            return lax.fori_loop(0, counts[0] * counts[1], whole, (carry, seen))  # type: ignore[no-any-return]
        tail = loop.tail
        assert tail is not None

        def epoch(number: Any, state: Any) -> Any:
            first = number * (counts[1] + 1)
            state = lax.fori_loop(first, first + counts[1], whole, state)
            return step(tail, rest, first + counts[1], state)

        return lax.fori_loop(0, counts[0], epoch, (carry, seen))  # type: ignore[no-any-return]
