"""A loop as compiled programs of XLA's: many steps a call, its rows and its carry on the devices.

Answers for laying out rows and their order, for running steps in calls of one size, and for what
is carried. Not for: ops (``lowering``), which devices (``devices``), nor for keeping programs
(``kept``).
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax._src import xla_bridge
from jax.sharding import PartitionSpec

from limpide.engines.native.shuffling import FastRowOrder
from limpide.engines.xla.devices import BATCH, Grid, zeros
from limpide.engines.xla.kept import Program, graph_words, obtain
from limpide.engines.xla.lowering import Lowering
from limpide.errors import ArgumentError
from limpide.ir import CONSTANT, Array, Graph, Loop, Node

_PLACES = 1 << 19  # of rows in a call: 2 MiB of numbers, which are filled for few steps too
_MOST_STEPS = 1 << 16  # a call, however small a batch is
# The rows of a step that has no more than so many bytes are gathered along with those of others, so
# many bytes at once: they stay in the cache.
_GATHERED = {"cpu": (1 << 16, 1 << 21)}
_GATHERED_ELSEWHERE = (1 << 20, 1 << 26)
_SMALL = 3e6  # operations of the largest product for which no other threads are woken
_ALONE: dict[str, Any] = {
    "xla_cpu_multi_thread_eigen": False,
    "xla_disable_hlo_passes": "cpu-parallel-task-assigner",  # which shares out sums and the like
}
_GUESS = {"cpu": (5e10, 3e-7)}  # operations a second, and seconds an op beside
_GUESS_ELSEWHERE = (1e13, 3e-6)
_SLICE = 0.5  # seconds
_LONG_STEP, _LONG_SLICE = 0.1, 1.0  # seconds, the first guessed
_KEPT = 4  # programs of a loop, for other numbers of rows


def replay(graph: Graph, inputs: Sequence[Any], lowerings: Mapping[str, Lowering]) -> list[Any]:
    """Apply a graph's nodes to JAX arrays."""
    values = {id(node): array for node, array in zip(graph.inputs, inputs, strict=True)}
    for node in graph.nodes:
        if node.op is CONSTANT:
            values[id(node)] = jnp.asarray(node.value)
        else:
            arguments = [values[id(n)] for n in node.inputs]
            values[id(node)] = lowerings[node.op.name](*arguments, **node.params)
    return [values[id(node)] for node in graph.outputs]


_forked = threading.Event()


def _note_fork() -> None:
    if getattr(xla_bridge, "backends_are_initialized", lambda: True)():
        _forked.set()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_fork)


def _check_no_fork() -> None:
    """Refuse what would wait for ever: JAX's threads are not there in a child of a fork."""
    if _forked.is_set():
        raise ArgumentError(
            "engine 'xla' was used in the process that this one was forked from, and JAX does not "
            'work in it. Start processes with multiprocessing.get_context("spawn"), or take '
            "engine='native'."
        )


@contextmanager
def exact() -> Iterator[None]:
    """Let 64-bit numbers be 64 bits wide, and programs be compiled and fed, in here alone."""
    _check_no_fork()
    with jax.enable_x64(True), jax.disable_jit(False), jax.transfer_guard("allow"):
        yield


class _Call(NamedTuple):
    """Steps that one call takes.

    Attributes
    ----------
    order
        i64[epochs, n]: their rows.
    epochs, full, tail
        How often, how many whole batches, and whether a short one behind them.
    whole
        Whether these are whole epochs, all of that length.
    """

    order: Array
    epochs: int
    full: int
    tail: bool
    whole: bool = False

    @property
    def steps(self) -> int:
        return self.epochs * (self.full + self.tail)


class LoopRun:
    """A loop that was compiled: ``run(carry, held, row_arrays, order, trips)``.

    Parameters
    ----------
    loop
        What is run.
    grid
        Where.
    lowerings
        What each op is in JAX.
    dialect
        What tells these lowerings from others.
    shares
        Whether the row arrays and orders that this process gives are its share, as long as that
        of every other: to each batch, each process gives as many of its own rows. Else all
        processes give the same, and each batch is spread over the devices.
    """

    row_order = FastRowOrder

    def __init__(
        self,
        loop: Loop,
        grid: Grid,
        lowerings: Mapping[str, Lowering],
        dialect: str,
        shares: bool = False,
    ) -> None:
        self.loop, self.grid, self._shares = loop, grid, shares
        self._lowerings, self._dialect = lowerings, dialect
        self._row_specs = [n.spec for n in loop.step.inputs[loop.n_carry + loop.n_held :]]
        whole = self._row_specs[0].shape[0] if self._row_specs else 1
        short = 0 if loop.tail is None else loop.tail.inputs[-1].spec.shape[0]
        self._parts = grid.processes if shares else 1
        if whole % self._parts or short % self._parts:
            raise ArgumentError(
                f"batches of {whole} and {short} rows cannot be shared out among {self._parts} "
                f"processes. Take a batch_size that {self._parts} divides."
            )
        self._batch, self._rest = whole // self._parts, short // self._parts  # this process's
        wide = len(grid.devices) // self._parts
        self._places = -(-self._batch // wide) * wide  # of a step: as many on each device
        self.most = max(1, min(_MOST_STEPS, _PLACES // self._places))  # steps a call
        self._programs: dict[Any, Program] = {}
        self._whole = 0  # batches of the last whole epoch
        self._lock = threading.Lock()

    def __call__(
        self,
        carry: list[Array],
        held: list[Array],
        row_arrays: list[Array],
        order: Array | None,
        trips: int,
    ) -> list[Array]:
        with exact():
            carried = self.carried(carry)
            seen = carried.take(held, row_arrays, order, trips)
            for array, result in zip(carry, carried.read(), strict=True):
                array[...] = result
        return seen

    def carried(self, arrays: Sequence[Array]) -> OnDevices:
        """Bring to the devices what the loop carries, so that it stays there between calls."""
        with exact():
            return OnDevices(self, [self.grid.put(np.array(array)) for array in arrays])

    @cached_property
    def first_steps(self) -> int:
        """About 0.1 s of steps, by a guess that is rather too long than too short a time."""
        return max(1, int(0.1 / self._guessed))

    @property
    def least_slice_seconds(self) -> float:
        """Between slices the devices rest; and long steps work in much memory, anew each time."""
        return _LONG_SLICE if self._guessed > _LONG_STEP else _SLICE

    @cached_property
    def _guessed(self) -> float:
        """Seconds a step, guessed."""
        rate, each = _GUESS.get(self.grid.devices[0].platform, _GUESS_ELSEWHERE)
        nodes = self.loop.step.nodes
        return sum(_work(node) for node in nodes) / rate + len(nodes) * each

    @property
    def made_for(self) -> str:
        """What the code is made for: others may round differently."""
        device = self.grid.devices[0].device_kind
        wide = len(self.grid.devices)
        precise = "" if self._dialect == "None" else f", {self._dialect}"
        return f"{device}{f' × {wide}' if wide > 1 else ''}{precise}"

    # Running ------------------------------------------------------------------------------------

    def calls(self, order: Array | None, n_rows: int, trips: int) -> Iterator[_Call]:
        """Cut steps into calls that take no more than ``most``; there are ``n_rows`` rows."""
        if order is None:
            for first in range(0, trips, self.most):
                yield _Call(np.empty((0, 0), np.int64), 1, min(self.most, trips - first), False)
            return
        full, rest = divmod(order.shape[1], self._batch)
        an_epoch = full + (rest > 0)
        if not rest:  # epochs are one long row of batches
            flat = order.reshape(1, -1)
            for first in range(0, len(order) * full, self.most):
                count = min(self.most, len(order) * full - first)
                part = flat[:, first * self._batch : (first + count) * self._batch]
                yield _Call(part, 1, count, False)
        elif an_epoch <= self.most:
            epochs = self.most // an_epoch
            whole = full > 0 and (len(order) > 1 or order.shape[1] == n_rows)
            for first in range(0, len(order), epochs):
                part = order[first : first + epochs]
                yield _Call(part, len(part), full, True, whole)
        else:
            for row in order:
                for first in range(0, an_epoch, self.most):
                    last = min(first + self.most, an_epoch)
                    tail = last == an_epoch
                    part = row[None, first * self._batch : last * self._batch]
                    yield _Call(part, 1, last - first - tail, tail)

    def advance(
        self, carry: list[Any], held: list[Array], rows: list[Any], call: _Call
    ) -> tuple[list[Any], list[Any]]:
        """Take the steps of a call on rows that were placed; what was carried is used up."""
        with self._lock:
            counts = np.array([call.epochs, call.full, call.tail], np.int32)
            arguments = (carry, held, rows, self._filled(call), counts)
            self._whole = call.full if call.whole else self._whole
            # A short batch alone, as at the end of a run, needs no program of its own.
            known = call.whole or (call.tail and not call.full)
            program = self._program(tuple(len(a) for a in rows), self._whole if known else 0)
        new, seen = program(*arguments)
        return new, seen

    def placed(self, rows: list[Array]) -> list[Any]:
        """Bring rows to the devices."""
        put = self.grid.put_share if self._shares else self.grid.put
        if self.grid.devices[0].platform == "cpu":
            rows = [_copied_once(array) for array in rows]
        return [put(array, self._row_axes) for array in rows]

    def _filled(self, call: _Call) -> Any:
        """Give the rows of each step, i32[most, places]."""
        found = zeros((self.most, self._places), np.int32)
        an_epoch = call.full + call.tail
        for i, row in enumerate(call.order):
            steps = found[i * an_epoch : (i + 1) * an_epoch, : self._batch]
            whole = call.full * self._batch
            steps[: call.full] = row[:whole].reshape(-1, self._batch)
            if call.tail:
                steps[-1, : self._rest] = row[whole:]
        put = self.grid.put_share if self._shares else self.grid.put
        return put(found, (None, BATCH))

    def nothing(self) -> list[Array]:
        """Give what no steps let see."""
        seen = [node.spec for node in self.loop.step.outputs[self.loop.n_carry :]]
        return [np.empty((0, *s.shape), s.numpy_dtype) for s in seen]

    # Compiling ----------------------------------------------------------------------------------

    def _program(self, lengths: tuple[int, ...], whole: int) -> Program:
        key = lengths, whole
        if key not in self._programs:
            if len(self._programs) >= _KEPT:
                self._programs.clear()
            self._programs[key] = self._obtain(lengths, whole)
        return self._programs[key]

    def _obtain(self, lengths: Sequence[int], whole_batches: int) -> Program:
        grid, step = self.grid, self.loop.step
        kept = self.loop.n_carry + self.loop.n_held
        whole, of_rows = grid.spread(), grid.spread(*self._row_axes)

        def like(shape: tuple[int, ...], dtype: Any, sharding: Any) -> jax.ShapeDtypeStruct:
            return jax.ShapeDtypeStruct(shape, dtype, sharding=sharding)

        specs = [n.spec for n in step.inputs]
        carry, held = (
            [like(s.shape, s.numpy_dtype, whole) for s in part]
            for part in (specs[: self.loop.n_carry], specs[self.loop.n_carry : kept])
        )
        rows = [
            like((n, *s.shape[1:]), s.numpy_dtype, of_rows)
            for n, s in zip(lengths, specs[kept:], strict=True)
        ]
        places = self.most, self._parts * self._places
        order = like(places, np.int32, grid.spread(None, BATCH))
        arguments = (carry, held, rows, order, like((3,), np.int32, whole))
        results = ([0] * len(carry), [0] * len(step.outputs[self.loop.n_carry :]))

        def make() -> Any:
            run = partial(self._run, whole=whole_batches)
            return jax.jit(run, donate_argnums=(0,), out_shardings=whole)

        words = [*self._words(), str(whole_batches)]
        options = _ALONE if self._is_small else {}
        return obtain(words, grid.devices, arguments, results, make, options)

    def _words(self) -> list[str]:
        words = [f"loop {self._dialect} {self.loop.n_carry} {self.loop.n_held} {self._block}"]
        words.append(f"grid {len(self.grid.devices)} {self.grid.processes} {self._shares}")
        for graph in (self.loop.step, self.loop.tail):
            words += ["step", *(graph_words(graph) if graph is not None else [])]
        return words

    @property
    def _row_axes(self) -> tuple[str, ...]:
        return ("process",) if self._shares else ()

    @cached_property
    def _is_small(self) -> bool:
        """Whether a step is too little work to be shared out among a processor's threads."""
        products = [_work(node) for node in self.loop.step.nodes if node.op.name == "matmul"]
        return self.grid.devices[0].platform == "cpu" and max(products, default=0.0) < _SMALL

    @cached_property
    def _block(self) -> int:
        """How many steps' rows are gathered at once, by all threads: it costs beside its bytes."""
        if self._is_small:
            return 1
        width = sum(s.numpy_dtype.itemsize * math.prod(s.shape) for s in self._row_specs)
        most, room = _GATHERED.get(self.grid.devices[0].platform, _GATHERED_ELSEWHERE)
        return 1 if width > most else max(1, min(self.most, room // max(width, 1)))

    def _run(
        self,
        carry: list[Any],
        held: list[Any],
        rows: list[Any],
        order: Any,
        counts: Any,
        whole: int,
    ) -> tuple[list[Any], list[Any]]:
        """Take the steps of a call; ``whole`` is how many batches an epoch has, if it is known."""
        observed = self.loop.step.outputs[self.loop.n_carry :]
        seen = [jnp.zeros((self.most, *n.spec.shape), n.spec.numpy_dtype) for n in observed]
        batches = partial(self._batches, held, rows, order)
        short = partial(self._short, held, rows, order)
        epochs, full, tail = counts[0], counts[1], counts[2]

        def known(number: Any, state: Any) -> Any:
            first = number * (full + 1)
            state = lax.fori_loop(
                0, jnp.minimum(full, 1), lambda _, now: batches(first, whole, now), state
            )
            return short(first + full, state)

        def other(number: Any, state: Any) -> Any:
            first = number * (full + tail)
            state = batches(first, full, state)
            if self.loop.tail is not None:
                state = lax.fori_loop(first + full, first + full + tail, short, state)
            return state

        found: tuple[list[Any], list[Any]] = lax.fori_loop(
            0, epochs, known if whole else other, (carry, seen)
        )
        return found

    def _batches(
        self, held: list[Any], rows: list[Any], order: Any, first: Any, count: Any, state: Any
    ) -> Any:
        """Take ``count`` steps of whole batches, some at a time.

        Loops whose number of turns is known to the compiler are up to a quarter faster: they are
        made where ``count`` is a number, and for all but the last turns elsewhere.
        """
        size = _cut(count, self._block) if isinstance(count, int) else self._block

        def some(start: Any, turns: Any, state: Any) -> Any:
            at = jnp.minimum(start, self.most - size)
            found = self._gathered(rows, _part(order, at, size))

            def one(i: Any, state: Any) -> Any:
                place = start - at + i
                batch = [_part(a, place, 1)[0] for a in found]
                return self._step(held, self.loop.step, self._batch, start + i, batch, state)

            return _turns(turns, one, state)

        def block(number: Any, state: Any) -> Any:
            return some(first + number * size, size, state)

        if size == 1:
            known = isinstance(count, int)
            ours, before = (_part(order, first, count), 0) if known else (order, first)

            def one_step(i: Any, state: Any) -> Any:
                found = self._gathered(rows, _part(ours, before + i, 1))
                batch = [a[0] for a in found]
                return self._step(held, self.loop.step, self._batch, first + i, batch, state)

            return _turns(count, one_step, state)
        blocks = count // size
        if isinstance(count, int):
            return block(0, state) if blocks == 1 else _turns(blocks, block, state)
        if self.loop.tail is None:
            state = _turns(blocks, block, state)
            return some(first + blocks * size, count - blocks * size, state)

        def part(number: Any, state: Any) -> Any:
            return some(first + number * size, jnp.minimum(size, count - number * size), state)

        return _turns((count + size - 1) // size, part, state)

    def _short(self, held: list[Any], rows: list[Any], order: Any, at: Any, state: Any) -> Any:
        """Take the step of the short batch."""
        assert self.loop.tail is not None
        found = self._gathered(rows, _part(order, at, 1))
        return self._step(held, self.loop.tail, self._rest, at, [a[0] for a in found], state)

    def _step(
        self, held: list[Any], graph: Graph, size: int, at: Any, batch: list[Any], state: Any
    ) -> Any:
        carried, kept = state
        n = self.loop.n_carry
        batch = [self._without_spare(array, size) for array in batch]
        outputs = replay(graph, [*carried, *held, *batch], self._lowerings)
        kept = [
            lax.dynamic_update_index_in_dim(whole, value, at, 0, allow_negative_indices=False)
            for whole, value in zip(kept, outputs[n:], strict=True)
        ]
        return outputs[:n], kept

    def _without_spare(self, array: Any, size: int) -> Any:
        """Leave out the places that only make the devices' parts alike; ``size`` is a process's."""
        if size == self._places:
            return array
        apart = array.reshape(self._parts, self._places, *array.shape[1:])[:, :size]
        return apart.reshape(self._parts * size, *array.shape[1:])

    def _gathered(self, rows: list[Any], chosen: Any) -> list[Any]:
        """Give the rows of some steps, f[steps, places, …], each device's where it works."""

        def local(chosen: Any, *rows: Any) -> list[Any]:
            return [jnp.take(array, chosen, axis=0, mode="clip") for array in rows]

        if self.grid.is_single:
            return local(chosen, *rows)
        spread = PartitionSpec(None, BATCH)
        specs = (spread, *(PartitionSpec(*self._row_axes) for _ in rows))
        gather: Callable[..., list[Any]] = jax.shard_map(
            local, mesh=self.grid.mesh, in_specs=specs, out_specs=[spread] * len(rows)
        )
        return gather(chosen, *rows)


def _part(array: Any, first: Any, size: int) -> Any:
    """Give ``size`` places of the first axis, which are there."""
    return lax.dynamic_slice_in_dim(array, first, size, allow_negative_indices=False)


def _turns(count: Any, body: Callable[[Any, Any], Any], state: Any) -> Any:
    """Go round so often; ``lax.fori_loop`` would count in 64 bits here."""
    count = np.int32(count) if isinstance(count, int) else count

    def turn(now: Any) -> Any:
        number, state = now
        return number + np.int32(1), body(number, state)

    return lax.while_loop(lambda now: now[0] < count, turn, (np.int32(0), state))[1]


def _copied_once(array: Array) -> Array:
    found = zeros(array.shape, array.dtype)
    found[...] = array
    return found


def _work(node: Node) -> float:
    """Give about how many operations a node takes."""
    if node.op.name != "matmul":
        return float(node.spec.size)
    return 2.0 * node.spec.size * node.inputs[0].spec.shape[-1]


def _cut(count: int, most: int) -> int:
    """Give the largest size, at most ``most``, of which ``count`` is a multiple.

    >>> _cut(143, 143), _cut(143, 50), _cut(17, 8)
    (143, 13, 1)
    """
    return next(size for size in range(min(count, most), 0, -1) if count % size == 0)


class OnDevices:
    """What a loop carries, on its devices: see ``limpide.engines.carry.Carry``."""

    def __init__(self, run: LoopRun, arrays: list[Any]) -> None:
        self._run, self._arrays = run, arrays
        self._given: list[Array] = []  # rows as they were given, and on the devices
        self._rows: list[Any] = []

    def run(self, held: list[Array], rows: list[Array], order: Array) -> list[Array]:
        return self.take(held, rows, order, 0)

    def take(
        self, held: list[Array], rows: list[Array], order: Array | None, trips: int
    ) -> list[Array]:
        """Take steps, as ``Engine.compile_loop`` says; what they let see is an array each."""
        found: list[tuple[int, list[Any]]] = []
        with exact():
            placed = self._placed(rows)
            for call in self._run.calls(order, len(rows[0]) if rows else 0, trips):
                self._arrays, seen = self._run.advance(self._arrays, held, placed, call)
                found.append((call.steps, seen))
            parts = [[np.asarray(a)[:n] for a in seen] for n, seen in found]
        return [np.concatenate(each) for each in zip(self._run.nothing(), *parts, strict=True)]

    def _placed(self, rows: list[Array]) -> list[Any]:
        """Give the rows on the devices; while a run lasts the same arrays are brought there once.

        Another run brings them again: their numbers may have changed meanwhile.
        """
        same = len(rows) == len(self._given) and all(
            a is b for a, b in zip(rows, self._given, strict=True)
        )
        if not same:
            self._rows = []  # the room of the old ones is free for these
            self._rows, self._given = self._run.placed(rows), list(rows)
        return self._rows

    def copy(self) -> OnDevices:
        with exact():
            return OnDevices(self._run, _copied(self._arrays))

    def restore(self, other: OnDevices) -> None:
        with exact():
            self._arrays = _copied(other._arrays)

    def is_finite(self, first: int | None = None) -> bool:
        with exact():
            return bool(_all_finite(self._arrays[:first]))

    def read(self, first: int | None = None) -> list[Array]:
        # Of a copy: what NumPy looks at would stay behind when the loop uses it up.
        with exact():
            return [np.asarray(array) for array in _copied(self._arrays[:first])]

    def write(self, arrays: Sequence[Array]) -> None:
        with exact():
            self._arrays[: len(arrays)] = [self._run.grid.put(np.array(a)) for a in arrays]


def _copy(arrays: list[Any]) -> list[Any]:
    return [jnp.copy(array) for array in arrays]


def _finite(arrays: list[Any]) -> Any:
    floats = [a for a in arrays if jnp.issubdtype(a.dtype, jnp.floating)]
    return jnp.all(jnp.array([jnp.isfinite(a).all() for a in floats]))


_copied: Callable[[list[Any]], list[Any]] = jax.jit(_copy)
_all_finite: Callable[[list[Any]], Any] = jax.jit(_finite)
