"""Many networks in one program: the step of a loop under ``jax.vmap``, over a leading axis.

Answers for what ``XlaEngine.compile_many`` and ``compile_many_rows`` give: how many networks go
through at once, how many steps a call, and the rows that come next, drawn while the device works.
Not for: single ops, or the loop of one network (``limpide.engines.xla.engine``).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from limpide.engines.native.shuffling import FastRowOrder
from limpide.ir import Array, Graph, Loop
from limpide.threads import most

if TYPE_CHECKING:  # they stand in the package's first file, which looks engines up
    from limpide.engines import Turns, Watch

Replay = Callable[[Graph, Sequence[Any]], list[Any]]
"""Applies a graph's nodes to JAX arrays."""

Exact = Callable[[], Any]
"""Lets 64-bit numbers be 64 bits wide inside a ``with``."""

# What the nodes of a step may take for all networks of a call: beyond it a processor gains nothing,
# and an accelerator has less left for rows.
_STEP_BYTES = {"cpu": 1 << 26, "other": 1 << 31}
_ORDER_BYTES = 1 << 26  # of the rows of a call
_SECONDS = 0.2  # of a call, about: Ctrl-C is heard in between


def at_once(graph: Graph, n: int) -> int:
    """Give how many of n networks go through a graph together, a power of two."""
    kind = "cpu" if jax.default_backend() == "cpu" else "other"
    each = sum(node.spec.nbytes for node in graph.nodes)
    fit = max(1, _STEP_BYTES[kind] // max(each, 1))
    return min(_room(n), 1 << (fit.bit_length() - 1))


def _room(n: int) -> int:
    """Give the least power of two that is enough: so few shapes, so few compilations."""
    return 1 << max(n - 1, 0).bit_length()


def _padded(array: Array, size: int) -> Array:
    """Give an array with its last entry repeated: what comes of it is not used."""
    missing = size - len(array)
    return np.concatenate([array, np.repeat(array[-1:], missing, axis=0)]) if missing else array


class ManyRun:
    """A loop for many networks; calling it is what ``Engine.compile_many`` promises.

    Attributes
    ----------
    row_order
        What draws the orders of rows.
    compile_seconds
        How long XLA has taken to compile, over all calls.
    """

    row_order = FastRowOrder

    def __init__(self, loop: Loop, replay: Replay, exact: Exact) -> None:
        self.loop, self._replay, self._exact = loop, replay, exact
        first = loop.step.inputs[loop.n_carry + loop.n_held]
        self.batch = first.spec.shape[0]
        self.rest = 0 if loop.tail is None else loop.tail.inputs[-1].spec.shape[0]
        self.compile_seconds = 0.0
        self._programs: dict[tuple[int, ...], Any] = {}

    def __call__(
        self,
        carries: list[Array],
        helds: list[Array],
        row_arrays: list[Array],
        turns: Turns,
        epochs: int,
        at_most: int,
        watch: Watch,
    ) -> None:
        n = len(carries[0])
        size = at_once(self.loop.step, n)
        with self._exact(), ThreadPoolExecutor(most()) as pool:
            rows = [jnp.asarray(array) for array in row_arrays]
            for first in range(0, n, size):
                if watch.over():
                    return
                networks = range(first, min(first + size, n))
                part = _Part(self, networks, size, turns, epochs, at_most, pool)
                part.train(carries, helds, rows, watch)

    def program(self, arguments: Sequence[Any]) -> Any:
        """Give the program for arrays of these shapes, compiled now if need be."""
        carry, _, rows, order, *_ = arguments
        key = (len(carry[0]), *order.shape, *(len(array) for array in rows))
        if key not in self._programs:
            began = time.perf_counter()
            lowered = jax.jit(self._run, donate_argnums=(0,)).lower(*arguments)
            self._programs[key] = lowered.compile()
            self.compile_seconds += time.perf_counter() - began
        return self._programs[key]

    def _run(
        self, carry: list[Any], held: list[Any], rows: list[Any], order: Any, own: Any, counts: Any
    ) -> tuple[list[Any], Any]:
        """Take ``counts`` = (epochs, whole steps of each, and 1 where a short one follows)."""
        loop = self.loop
        dtype = loop.step.outputs[loop.n_carry].spec.numpy_dtype
        seen = jnp.zeros((order.shape[1], len(carry[0])), dtype)

        def step(graph: Graph, size: int, at: Any, state: Any) -> Any:
            def one(carried: list[Any], kept: list[Any], chosen: Any) -> list[Any]:
                batch = [jnp.take(array, chosen, axis=0, mode="clip") for array in rows]
                return self._replay(graph, [*carried, *kept, *batch])

            carried, losses = state
            chosen = lax.dynamic_index_in_dim(order, at, 1, keepdims=False)[own, :size]
            outputs = jax.vmap(one)(carried, held, chosen)
            losses = lax.dynamic_update_index_in_dim(losses, outputs[loop.n_carry], at, 0)
            return outputs[: loop.n_carry], losses

        def epoch(number: Any, state: Any) -> Any:
            first = number * (counts[1] + counts[2])
            last = first + counts[1]
            state = lax.fori_loop(
                first, last, lambda at, now: step(loop.step, self.batch, at, now), state
            )
            tail = loop.tail
            if tail is None:
                return state
            return lax.fori_loop(
                last, last + counts[2], lambda at, now: step(tail, self.rest, at, now), state
            )

        return lax.fori_loop(0, counts[0], epoch, (carry, seen))  # type: ignore[no-any-return]


class _Part:
    """Networks that go through their epochs together."""

    def __init__(
        self,
        run: ManyRun,
        networks: range,
        size: int,
        turns: Turns,
        epochs: int,
        at_most: int,
        pool: ThreadPoolExecutor,
    ) -> None:
        self._run, self._networks, self._size, self._turns = run, networks, size, turns
        self._epochs, self._pool = epochs, pool
        n, batch = turns.n_rows, run.batch
        self._an_epoch, self._full = -(-n // batch), n // batch
        found: dict[int, int] = {}  # key of an order -> one network that has it
        for i in networks:
            found.setdefault(turns.key(i), i)
        self._drawn = list(found.values())
        place = {key: i for i, key in enumerate(found)}
        self._own = _padded(np.array([place[turns.key(i)] for i in networks], np.int32), size)
        self._orders = _room(len(found))
        fit = _ORDER_BYTES // (4 * self._orders * batch * self._an_epoch)
        self._at_once = max(1, min(at_most, epochs, fit))  # epochs whose rows are drawn together
        self._steps = self._an_epoch * self._at_once  # of a call, learned from how long they take

    def train(
        self, carries: list[Array], helds: list[Array], rows: list[Any], watch: Watch
    ) -> None:
        here = slice(self._networks.start, self._networks.stop)
        n = len(self._networks)
        carry = [jnp.array(_padded(a[here], self._size)) for a in carries]
        held = [jnp.asarray(_padded(a[here], self._size)) for a in helds]
        coming = self._draw(0)
        for epoch in range(0, self._epochs, self._at_once):
            order = coming.result()
            if epoch + self._at_once < self._epochs:
                coming = self._draw(epoch + self._at_once)
            k = order.shape[1] // self._an_epoch
            losses, done = [], 0
            for first, counts in self._cut(k):
                part = order[:, first : first + _steps(counts)]
                carry, seen = self._call(carry, held, rows, part, counts)
                losses.append(seen[:, :n])
                done += len(seen)
                if watch.over():
                    break
            for array, result in zip(carries, carry, strict=True):
                array[here] = np.asarray(result)[:n]
            if done < k * self._an_epoch:
                return
            told = np.concatenate(losses).reshape(k, self._an_epoch, n)
            if not watch.note(here.start, here.stop, epoch, told.transpose(2, 0, 1)):
                return

    def _cut(self, epochs: int) -> Iterator[tuple[int, tuple[int, int, int]]]:
        """Cut epochs into calls: whole ones, or steps of one; the first step and the counts."""
        an_epoch, tail, step = self._an_epoch, self._an_epoch - self._full, 0
        while step < epochs * an_epoch:
            epoch, at = divmod(step, an_epoch)
            if at == 0 and self._steps >= an_epoch:
                counts = (min(epochs - epoch, self._steps // an_epoch), self._full, tail)
            else:
                end = min(at + self._steps, an_epoch)
                counts = (1, min(end, self._full) - at, int(end > self._full))
            yield step, counts
            step += _steps(counts)

    def _call(
        self,
        carry: list[Any],
        held: list[Any],
        rows: list[Any],
        order: Array,
        counts: tuple[int, int, int],
    ) -> tuple[list[Any], Array]:
        steps = order.shape[1]
        filled = np.zeros((self._orders, _room(steps), self._run.batch), np.int32)
        filled[: len(order), :steps] = order
        arguments = (carry, held, rows, filled, self._own, np.array(counts, np.int32))
        program = self._run.program(arguments)
        began = time.perf_counter()
        carry, seen = program(*arguments)
        losses = np.asarray(seen)[:steps]
        seconds = (time.perf_counter() - began) / steps
        self._steps = max(1, min(int(_SECONDS / seconds), self._at_once * self._an_epoch))
        if self._steps >= self._an_epoch:
            self._steps -= self._steps % self._an_epoch
        return carry, losses

    def _draw(self, epoch: int) -> _Drawn:
        """Begin to draw the rows of the next epochs."""
        k, turns, batch = min(self._at_once, self._epochs - epoch), self._turns, self._run.batch
        whole = np.zeros((len(self._drawn), k, self._an_epoch * batch), np.int32)

        def one(place: int, network: int) -> None:
            order = np.empty((k, turns.n_rows), np.int64)
            turns.draw(network, epoch, order)
            whole[place, :, : turns.n_rows] = order

        jobs = [self._pool.submit(one, i, network) for i, network in enumerate(self._drawn)]
        return _Drawn(whole.reshape(len(whole), -1, batch), jobs)


class _Drawn:
    """Rows that are being drawn: i32[orders, steps, batch]."""

    def __init__(self, order: Array, jobs: Sequence[Future[None]]) -> None:
        self._order, self._jobs = order, jobs

    def result(self) -> Array:
        for job in self._jobs:
            job.result()
        return self._order


def _steps(counts: tuple[int, int, int]) -> int:
    epochs, full, tail = counts
    return epochs * (full + tail)


def compile_many_rows(
    graph: Graph, n_held: int, replay: Replay, exact: Exact
) -> Callable[[Sequence[Array], Sequence[Array], Sequence[Array]], None]:
    """Compile a graph over a batch of rows for many networks, when it is first run."""
    batch = graph.inputs[n_held].spec.shape[0]

    def over(held: list[Any], starts: Any, rows: list[Any]) -> list[Any]:
        def one(start: Any) -> list[Any]:
            parts = [lax.dynamic_slice_in_dim(a, start, batch) for a in rows]
            judged: list[Any] = jax.vmap(lambda kept: replay(graph, [*kept, *parts]))(held)
            return judged

        found: list[Any] = lax.map(one, starts)
        return found

    compiled = jax.jit(over)

    def run(held: Sequence[Array], row_arrays: Sequence[Array], outputs: Sequence[Array]) -> None:
        n, many = len(row_arrays[0]), len(outputs[0])
        size = at_once(graph, many)
        starts = np.array([*range(0, n - batch, batch), n - batch], np.int32)
        with exact():
            rows = [jnp.asarray(array) for array in row_arrays]
            for first in range(0, many, size):
                here = slice(first, min(first + size, many))
                kept = [_padded(a[here], size) for a in held]
                for array, found in zip(outputs, compiled(kept, starts, rows), strict=True):
                    # [batches, networks, rows, …]: those of a network one after another
                    whole = np.asarray(found)[:, : here.stop - first].swapaxes(0, 1)
                    flat = whole[:, :-1].reshape(len(whole), -1, *whole.shape[3:])
                    array[here, : flat.shape[1]] = flat
                    array[here, n - batch :] = whole[:, -1]

    return run
