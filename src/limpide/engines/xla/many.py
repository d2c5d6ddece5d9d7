"""Many networks in one program: the step of a loop under ``jax.vmap``, over a leading axis.

Answers for what ``XlaEngine.compile_many`` and ``compile_many_rows`` give: how many networks go
through at once, how many steps a call, and the rows that come next, drawn while the device works.
Not for: single ops, or the loop of one network (``limpide.engines.xla.engine``).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from limpide.engines.native.shuffling import FastRowOrder
from limpide.engines.xla.kept import Program, graph_words, obtain
from limpide.engines.xla.loop_run import exact, replay
from limpide.engines.xla.lowering import LOWERINGS, Lowering
from limpide.ir import Array, Graph, Loop
from limpide.threads import most

if TYPE_CHECKING:  # they stand in the package's first file, which looks engines up
    from limpide.engines import Turns, Watch

# What the nodes of a step may take for all networks of a call: beyond it a processor gains nothing,
# and an accelerator has less left for rows.
_STEP_BYTES = {"cpu": 1 << 26, "other": 1 << 31}
_ORDER_BYTES = 1 << 26  # of the rows of a call
_SECONDS = 0.2  # of a call, about: Ctrl-C is heard in between
_LONGER = 5  # times as long an epoch may take before it is cut


def at_once(graph: Graph, n: int) -> int:
    """Give how many of n networks go through a graph together, a power of two."""
    kind = "cpu" if jax.default_backend() == "cpu" else "other"
    each = sum(node.spec.nbytes for node in graph.nodes)
    fit = max(1, _STEP_BYTES[kind] // max(each, 1))
    return min(_room(n), _below(fit))


def _room(n: int) -> int:
    """Give the least power of two that is enough: so few shapes, so few compilations."""
    return 1 << max(n - 1, 0).bit_length()


def _obtained(
    words: Sequence[str], arguments: Sequence[Any], results: Any, make: Callable[[], Any]
) -> Program:
    """Give a program for arrays like these, on the device that JAX takes for them."""
    specs = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype), tuple(arguments))
    return obtain(words, jax.devices()[:1], specs, results, make, {})


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
        How long compiling has taken, or loading what was compiled before, over all calls.
    """

    row_order = FastRowOrder

    def __init__(self, loop: Loop, table: Mapping[str, Lowering], dialect: str) -> None:
        self.loop, self._table, self._dialect = loop, table, dialect
        first = loop.step.inputs[loop.n_carry + loop.n_held]
        self.batch = first.spec.shape[0]
        self.rest = 0 if loop.tail is None else loop.tail.inputs[-1].spec.shape[0]
        self.compile_seconds = 0.0
        self._programs: dict[tuple[int, ...], Program] = {}

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
        with exact(), ThreadPoolExecutor(most()) as pool:
            rows = [jnp.asarray(array) for array in row_arrays]
            for first in range(0, n, size):
                if watch.over():
                    return
                networks = range(first, min(first + size, n))
                part = _Part(self, networks, size, turns, epochs, at_most, pool)
                part.train(carries, helds, rows, watch)

    def program(self, arguments: Sequence[Any]) -> Program:
        """Give the program for arrays of these shapes, compiled now if need be."""
        carry, _, rows, order, *_ = arguments
        key = (len(carry[0]), *order.shape, *(len(array) for array in rows))
        if key not in self._programs:
            began = time.perf_counter()
            words = [f"many {self._dialect} {self.loop.n_carry} {self.loop.n_held}"]
            for graph in (self.loop.step, self.loop.tail):
                words += ["step", *(graph_words(graph) if graph is not None else [])]
            results, make = ([0] * len(carry), 0), partial(jax.jit, self._run, donate_argnums=(0,))
            self._programs[key] = _obtained(words, arguments, results, make)
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
                return replay(graph, [*carried, *kept, *batch], self._table)

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
        an_order = 4 * self._orders * batch * self._an_epoch
        self._most = max(1, min(at_most, epochs, _ORDER_BYTES // an_order))
        self._at_once = 1  # epochs of a call; more where they are short
        self._steps = 0  # of a call, where an epoch is too long for one

    def train(
        self, carries: list[Array], helds: list[Array], rows: list[Any], watch: Watch
    ) -> None:
        here = slice(self._networks.start, self._networks.stop)
        n = len(self._networks)
        carry = [jnp.array(_padded(a[here], self._size)) for a in carries]
        held = [jnp.asarray(_padded(a[here], self._size)) for a in helds]
        epoch, coming = 0, self._draw(0)
        while epoch < self._epochs:
            drawn, k = coming, coming.epochs
            if epoch + k < self._epochs:
                coming = self._draw(epoch + k)
            losses, done = [], 0
            for order, counts in self._calls(drawn):
                carry, seen = self._call(carry, held, rows, order, counts)
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
            epoch += k

    def _calls(self, drawn: _Drawn) -> Iterator[tuple[Any, tuple[int, int, int]]]:
        """Cut what is drawn into calls, the rows and the counts of each: one, or some steps."""
        an_epoch, tail, size = self._an_epoch, self._an_epoch - self._full, self._steps
        if not size:
            yield drawn.placed(), (drawn.epochs, self._full, tail)
            return
        whole = drawn.order()
        for epoch in range(drawn.epochs):
            for at in range(0, an_epoch, size):
                end, first = min(at + size, an_epoch), epoch * an_epoch
                order = np.zeros((len(whole), size, whole.shape[2]), np.int32)
                order[:, : end - at] = whole[:, first + at : first + end]
                yield order, (1, min(end, self._full) - at, int(end > self._full))

    def _call(
        self,
        carry: list[Any],
        held: list[Any],
        rows: list[Any],
        order: Any,
        counts: tuple[int, int, int],
    ) -> tuple[list[Any], Array]:
        arguments = (carry, held, rows, order, self._own, np.array(counts, np.int32))
        program = self._run.program(arguments)
        began, steps = time.perf_counter(), counts[0] * (counts[1] + counts[2])
        carry, seen = program(*arguments)
        losses = np.asarray(seen)[:steps]
        self._learn((time.perf_counter() - began) / steps)
        return carry, losses

    def _learn(self, seconds: float) -> None:
        """Choose how much a call does, by what a step took: powers of two, few shapes."""
        fit = int(_SECONDS / seconds)  # steps
        self._at_once = _below(min(fit // self._an_epoch, self._most))
        self._steps = _below(fit) if fit < self._an_epoch / _LONGER else 0

    def _draw(self, epoch: int) -> _Drawn:
        """Begin to draw the rows of the next epochs."""
        k, turns, batch = min(self._at_once, self._epochs - epoch), self._turns, self._run.batch
        steps = k * self._an_epoch
        whole = np.zeros((self._orders, _room(steps), batch), np.int32)

        def one(place: int, network: int) -> None:
            order = np.empty((k, turns.n_rows), np.int64)
            turns.draw(network, epoch, order)
            flat = whole[place, :steps].reshape(k, self._an_epoch * batch)
            flat[:, : turns.n_rows] = order

        jobs = [self._pool.submit(one, i, network) for i, network in enumerate(self._drawn)]
        return _Drawn(whole, k, jobs, self._pool)


class _Drawn:
    """Rows that are being drawn and brought to the device: i32[orders, steps, batch].

    Attributes
    ----------
    epochs
        How many epochs they are of.
    """

    def __init__(
        self, order: Array, epochs: int, jobs: Sequence[Future[None]], pool: ThreadPoolExecutor
    ) -> None:
        self._order, self._jobs, self.epochs = order, jobs, epochs
        self._placed = pool.submit(self._place)  # the last of the jobs

    def order(self) -> Array:
        """Give them once all are drawn."""
        for job in self._jobs:
            job.result()
        return self._order

    def _place(self) -> Any:
        with exact():  # which is a thread's own
            return jnp.asarray(self.order())

    def placed(self) -> Any:
        """Give them on the device."""
        return self._placed.result()


def _below(n: int) -> int:
    """Give the largest power of two that is no more, at least 1."""
    return 1 << (max(n, 1).bit_length() - 1)


class ManyRows:
    """A graph over rows for many networks; calling it is what ``Engine.compile_many_rows`` says.

    Attributes
    ----------
    compile_seconds
        How long compiling has taken, or loading what was compiled before, over all calls.
    """

    def __init__(self, graph: Graph, n_held: int) -> None:
        self._graph = graph
        self._batch = graph.inputs[n_held].spec.shape[0]
        self.compile_seconds = 0.0
        self._programs: dict[tuple[int, ...], Program] = {}

    def __call__(
        self, held: Sequence[Array], row_arrays: Sequence[Array], outputs: Sequence[Array]
    ) -> None:
        n, batch, many = len(row_arrays[0]), self._batch, len(outputs[0])
        size = at_once(self._graph, many)
        starts = np.array([*range(0, n - batch, batch), n - batch], np.int32)
        with exact():
            rows = [jnp.asarray(array) for array in row_arrays]
            for first in range(0, many, size):
                here = slice(first, min(first + size, many))
                given = ([jnp.asarray(_padded(a[here], size)) for a in held], starts, rows)
                for array, found in zip(outputs, self._program(given)(*given), strict=True):
                    # [batches, networks, rows, …]: those of a network one after another
                    whole = np.asarray(found)[:, : here.stop - first].swapaxes(0, 1)
                    flat = whole[:, :-1].reshape(len(whole), -1, *whole.shape[3:])
                    array[here, : flat.shape[1]] = flat
                    array[here, n - batch :] = whole[:, -1]

    def _program(self, given: tuple[list[Any], Array, list[Any]]) -> Program:
        held, starts, rows = given
        key = (len(held[0]), len(starts), len(rows[0]))
        if key not in self._programs:
            began = time.perf_counter()
            words = [f"rows of many {len(held)}", *graph_words(self._graph)]
            results, make = [0] * len(self._graph.outputs), partial(jax.jit, self._run)
            self._programs[key] = _obtained(words, given, results, make)
            self.compile_seconds += time.perf_counter() - began
        return self._programs[key]

    def _run(self, held: list[Any], starts: Any, rows: list[Any]) -> list[Any]:
        def one(start: Any) -> list[Any]:
            parts = [lax.dynamic_slice_in_dim(a, start, self._batch) for a in rows]
            judged: list[Any] = jax.vmap(self._over(parts))(held)
            return judged

        found: list[Any] = lax.map(one, starts)
        return found

    def _over(self, parts: list[Any]) -> Callable[[list[Any]], list[Any]]:
        return lambda kept: replay(self._graph, [*kept, *parts], LOWERINGS)
