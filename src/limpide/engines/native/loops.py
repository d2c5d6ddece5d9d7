"""A loop around steps as a module: all epochs, batches and threads of a run.

Answers for ``loop``. Not for: what threads share (``schedule``), or the processor's own business
(``control``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import groupby

from limpide.engines.native import arena, control, jit
from limpide.engines.native.kernels import Builder, Caller
from limpide.engines.native.module import (
    Module,
    Piece,
    constants_of,
    constants_read,
    lifetimes,
    piece_of,
    slots_of,
)
from limpide.engines.native.moves import STATUS_WORDS
from limpide.engines.native.places import BYTES, Buffer, View
from limpide.engines.native.plan import Kernel, Plan, Planner
from limpide.engines.native.schedule import (
    Schedule,
    Turn,
    best_schedule,
    grain,
    schedule_like,
)
from limpide.engines.native.target import Target
from limpide.engines.native.writer import I64, PTR, Type, Value, Writer, index
from limpide.ir import Graph, Loop, Node

TINY_BYTES = 2048
TINY_CYCLES = 400.0
"""Up to so many bytes and estimated cycles, a step's numbers are held in registers."""

THREADS_FROM = 12_000.0
"""Estimated cycles of a step from which on threads share it: below, moving lines costs more."""


@dataclass
class _Step:
    """One traced step of a loop, planned."""

    graph: Graph
    plan: Plan
    outputs: list[View]  # where the caller wants what is observed
    order: Schedule
    batch: int
    n_kept: int
    first_number: int  # of its nodes, where a kernel reports one

    @property
    def turns(self) -> list[Turn]:
        return self.order.turns

    @property
    def rows(self) -> list[tuple[int, Node, View]]:
        """The inputs that are batches of rows to be brought together, with their numbers."""
        views = self.plan.views
        nodes = enumerate(self.graph.inputs[self.n_kept :])
        found = [(i, n, views[id(n)].essential()) for i, n in nodes]
        return [row for row in found if row[2].buffer.home == "arena"]

    @property
    def cost(self) -> float:
        """Cycles of one step on one core, roughly."""
        return sum(turn.cost for turn in self.turns)


def _plan_step(
    loop: Loop, graph: Graph, target: Target, first_number: int, like: _Step | None = None
) -> _Step:
    kept = loop.n_carry + loop.n_held
    rows = graph.inputs[kept:]
    homes = ["kept"] * kept + ["rows" if _can_stay(graph, n) else "arena" for n in rows]
    planner = Planner(graph, target.lanes(4), homes, loop.n_carry)
    plan = planner.plan()
    buffers = [plan.views[id(n)].buffer for n in rows]
    gathered = [b for b in buffers if b.home == "arena"]
    if like is None:
        order = best_schedule(plan, target.lanes(4), gathered)
    else:
        order = schedule_like(like.order, plan, target.lanes(4), gathered)
    batch = graph.inputs[kept].spec.shape[0] if rows else 1
    outputs = planner.outputs[loop.n_carry :]
    return _Step(graph, plan, outputs, order, batch, kept, first_number)


def _can_stay(graph: Graph, rows: Node) -> bool:
    """Whether a batch of rows is only multiplied from the left, which needs no copy of it."""
    if rows.spec.rank != 2 or rows.spec.shape[0] == 1 or rows.spec.shape[1] < _WIDE:
        return False
    same = {id(rows)}
    for node in graph.nodes:
        if not same.intersection(map(id, node.inputs)):
            continue
        if node.op.name == "transpose" and node.inputs[0] is rows:
            same.add(id(node))
        elif node.op.name != "matmul" or id(node.inputs[1]) in same:
            return False
    return not same.intersection(map(id, graph.outputs))


_WIDE = 8  # numbers in a row from which on it stays where it is


def _place(steps: Sequence[_Step], n_kept: int, together: bool) -> tuple[int, list[Buffer]]:
    """Give every buffer its bytes: what is kept at the same ones in each step."""
    end = 0
    for step in steps:
        homes = [step.plan.views[id(n)].buffer for n in step.graph.inputs[:n_kept]]
        end = arena.place_kept(homes, 0)
    constants: list[Buffer] = []
    for step in steps:
        own = constants_of(step.graph, step.plan)
        end = arena.place_kept(own, end)
        constants += own
    start = end
    for step in steps:
        passing = lifetimes(step.plan, step.turns, together)
        for _, _, view in step.rows:  # filled before all kernels
            view.buffer.first = 0
            view.buffer.last = max(view.buffer.last, 0)
            if view.buffer not in passing:
                passing.append(view.buffer)
        end = max(end, arena.place_passing(passing, start))
    return end, constants


def build_loop(loop: Loop, target: Target, timed: bool = False) -> Module:
    """Write the module of a loop.

    ``loop(arena, rows, order, observed, status, epochs, n, thread, threads, barrier, yield)``:
    tables of the addresses of row arrays and of observed outputs; ``n`` rows an epoch, or steps
    where there are no row arrays; where threads meet, and the system's function to let others run.
    ``timed``: behind the words of ``status``, the clock's ticks of each piece are added up.
    """
    steps = [_plan_step(loop, loop.step, target, 0)]
    if loop.tail is not None:
        steps.append(_plan_step(loop, loop.tail, target, len(loop.step.nodes), steps[0]))
    kept = loop.n_carry + loop.n_held
    together = steps[0].cost >= THREADS_FROM and steps[0].order.pays
    end, constants = _place(steps, kept, together)
    slots = slots_of([steps[0].plan.views[id(n)].buffer for n in loop.step.inputs[:kept]])
    memory = sum(b.nbytes for step in steps for b in step.plan.buffers if b.offset >= 0)
    tiny = memory <= TINY_BYTES and steps[0].cost <= TINY_CYCLES and jit.promotes()
    if timed:
        together = tiny = False
    writer = _LoopWriter(loop, steps, target, together, tiny, timed)
    text, pieces = writer.text(), writer.pieces
    places = [constants_read(s.graph, s.plan) for s in steps]
    return Module(
        text, end, slots, slots_of(constants), places, together, tiny, steps[0].cost, pieces
    )


class _LoopWriter:
    """Writes the function that runs all steps of a loop."""

    def __init__(
        self,
        loop: Loop,
        steps: Sequence[_Step],
        target: Target,
        together: bool,
        tiny: bool,
        timed: bool,
    ) -> None:
        self.loop, self.steps, self.together, self.tiny = loop, steps, together, tiny
        self.timed = timed
        self.builder = Builder(target, tiny)
        self.pieces: list[Piece] = []  # of a whole step
        names = [(PTR, "arena"), (PTR, "rows"), (PTR, "order"), (PTR, "observed")]
        names += [(PTR, "status"), (I64, "epochs"), (I64, "n"), (I64, "thread"), (I64, "threads")]
        w = self.w = Writer(target, "loop", [*names, (PTR, "barrier"), (PTR, "yield")])
        self.memory, rows, self.order, observed, self.status = w.arguments[:5]
        self.epochs, self.n, self.thread, self.threads, self.barrier, self.let = w.arguments[5:]
        self.sources = [w.load(PTR, w.at(rows, i, "ptr")) for i in range(loop.n_rows)]
        seen = len(loop.step.outputs) - loop.n_carry
        self.targets = [w.load(PTR, w.at(observed, i, "ptr")) for i in range(seen)]
        self.bounds: dict[tuple[int, int], tuple[Value, Value]] = {}

    def text(self) -> str:
        w, loop, steps = self.w, self.loop, self.steps
        if self.together:
            self.is_first = w.compare("eq", self.thread, index(0))
            self.met = w.local(I64, 1)
            w.store(index(0), self.met)
            for step in steps:
                self._part(step)
        saved = control.flush_denormals(w)
        self.local = self._hold() if self.tiny else {}
        batch = index(steps[0].batch)
        full = w.binary("sdiv", self.n, batch) if loop.n_rows else self.n
        an_epoch = full
        if len(steps) > 1:  # a slice may end before the short last batch
            rest = w.compare("sgt", self.n, w.mul(full, batch))
            an_epoch = w.add(full, w.convert("zext", rest, "i64"))
        with w.loop(index(0), self.epochs) as epoch:
            first_row = w.mul(epoch.index, self.n)
            first_trip = w.mul(epoch.index, an_epoch)
            with w.loop(index(0), full) as trips:
                row = w.add(first_row, w.mul(trips.index, batch))
                self._step(steps[0], w.add(first_trip, trips.index), row)
            if len(steps) > 1:
                with w.when(rest):
                    row = w.add(first_row, w.mul(full, batch))
                    self._step(steps[1], w.add(first_trip, full), row)
        if self.tiny:
            self._give_back()
        control.restore(w, saved)
        extra = []
        if self.together:
            extra = [control.meeting(w)]
        return self.builder.module(w, extra)

    def _hold(self) -> dict[int, Value]:
        """Take all memory of tiny steps into local arrays, which become registers."""
        w, held = self.w, {}
        n_kept = self.loop.n_carry + self.loop.n_held
        shared: dict[int, Value] = {}  # by offset: steps share what is kept
        for step in self.steps:
            kept = {id(step.plan.views[id(n)].buffer) for n in step.graph.inputs[:n_kept]}
            for buffer in step.plan.buffers:
                if buffer.home == "given" or buffer.offset < 0:
                    continue
                if id(buffer) in kept and buffer.offset in shared:
                    held[id(buffer)] = shared[buffer.offset]
                    continue
                local = w.local(Type("i8"), max(1, buffer.nbytes + 64))
                held[id(buffer)] = local
                if buffer.home == "kept":
                    shared[buffer.offset] = local
                    self._copy(buffer, w.at(self.memory, buffer.offset, "i8"), local)
        return held

    def _give_back(self) -> None:
        w, (step, *_) = self.w, self.steps
        for node in step.graph.inputs[: self.loop.n_carry]:
            buffer = step.plan.views[id(node)].buffer
            home = w.at(self.memory, buffer.offset, "i8")
            self._copy(buffer, self.local[id(buffer)], home)

    def _copy(self, buffer: Buffer, source: Value, target: Value) -> None:
        """Copy a buffer in pieces as kernels read it."""
        w = self.w
        last = buffer.extents[-1] if buffer.extents else 1
        lanes = min(last, w.target.vector_bytes // BYTES[buffer.element])
        of = Type(buffer.element, max(1, lanes))
        for start in range(0, buffer.nbytes, of.lanes * of.bits // 8):
            w.store(w.load(of, w.at(source, start, "i8")), w.at(target, start, "i8"))

    def _part(self, step: _Step) -> None:
        """Work out, once, which rows of each length are this thread's."""
        w = self.w
        lengths = {t.length for t in step.turns if t.shared}
        lengths |= {view.shape[0] for _, _, view in step.rows if view.shape}
        for length in sorted(lengths):
            size = grain(step.turns, length)
            if (length, size) in self.bounds:
                continue
            units = index(-(-length // size))
            ends = []
            for which in (self.thread, w.add(self.thread, index(1))):
                share = w.binary("sdiv", w.mul(units, which), self.threads)
                ends.append(w.intrinsic("smin", w.mul(share, index(size)), index(length)))
            self.bounds[length, size] = (ends[0], ends[1])

    def _bounds(self, step: _Step, length: int) -> tuple[Value, Value]:
        if not self.together:
            return index(0), index(length)
        return self.bounds[length, grain(step.turns, length)]

    def _wait(self) -> None:
        self.w.call("meet", [self.met, self.threads, self.barrier, self.let])

    def _step(self, step: _Step, trip: Value, first_row: Value) -> None:
        w = self.w
        given: dict[int, Value] = dict(self.local)
        for i, view in enumerate(step.outputs):
            place = w.mul(trip, index(view.buffer.nbytes))
            given[id(view.buffer)] = w.at(self.targets[i], place, "i8")
        order = w.at(self.order, first_row, "i64")
        for node, source in zip(step.graph.inputs[step.n_kept :], self.sources, strict=True):
            buffer = step.plan.views[id(node)].buffer
            if buffer.home == "rows":
                given[id(buffer)] = source
        caller = Caller(self.builder, w, self.memory, self.status, given, order)
        for i, (number, node, view) in enumerate(step.rows):
            with self._time(step, i):
                name = self._gather(step, caller, node, view, self.sources[number], order)
            if step is self.steps[0]:
                shape, shared = view.shape, self.together and not step.order.columns
                self.pieces.append(Piece("rows", "rows", node.name, shape, 0, shared, name))
        numbers = {id(n): i for i, n in enumerate(step.graph.nodes, step.first_number)}
        numbered = list(enumerate(step.turns, len(step.rows)))
        for _, group in groupby(numbered, lambda pair: (pair[1].phase, pair[1].shared)):
            turns = list(group)
            first = turns[0][1]
            if first.waits and self.together:
                self._wait()
            alone = self.together and not first.shared
            with w.when(self.is_first) if alone else nullcontext():
                for i, turn in turns:
                    number = numbers.get(id(turn.kernel.root), 0)
                    low, high = self._bounds(step, turn.length) if turn.shared else _all(turn)
                    with self._time(step, i):
                        name = caller.call(turn, step.plan, number, low, high)
                    if step is self.steps[0]:
                        self.pieces.append(piece_of(turn, name))
        if self.together:
            self._wait()

    @contextmanager
    def _time(self, step: _Step, place: int) -> Iterator[None]:
        """Add the clock's ticks of what is written inside to the piece's word."""
        if not self.timed or step is not self.steps[0]:
            yield
            return
        w, before = self.w, self._clock()
        yield
        home = w.at(self.status, STATUS_WORDS + place, "i64")
        spent = w.sub(self._clock(), before)
        w.store(w.add(w.load(I64, home), spent), home)

    def _clock(self) -> Value:
        name = control.clock_name(self.w.target)
        self.w.declared[name] = f"declare i64 @{name}()"
        return self.w.emit(I64, f"call i64 @{name}()")

    def _gather(
        self, step: _Step, caller: Caller, node: Node, view: View, source: Value, order: Value
    ) -> str:
        kernel = Kernel("rows", view.shape)
        kernel.stores.append((node, view))
        name = self.builder.rows(kernel, step.plan, node.spec.shape)
        length = node.spec.shape[0]
        where = [caller.address(view.buffer), source, order]
        if self.together and (length == 1 or step.order.columns):
            with self.w.when(self.is_first):
                self.w.call(name, [*where, index(0), index(length)])
            return name
        low, high = self._bounds(step, length) if length > 1 else (index(0), index(1))
        self.w.call(name, [*where, low, high])
        return name


def _all(turn: Turn) -> tuple[Value, Value]:
    return index(0), index(turn.length)
