"""A graph or a loop as one module: kernels, each written once, and the function that runs them.

Answers for what is called with which memory. Not for: the inside of kernels (``maps``,
``reductions``, ``products``, ``moves``), or compiling (``jit``).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from itertools import groupby

from limpide.engines.native import arena
from limpide.engines.native.elements import immediate
from limpide.engines.native.maps import Body, lanes_for, write_map
from limpide.engines.native.moves import STATUS_WORDS, Mover
from limpide.engines.native.operands import matrices
from limpide.engines.native.places import BYTES, Buffer, View
from limpide.engines.native.plan import Kernel, Plan, Planner, buffers_of
from limpide.engines.native.products import write_product
from limpide.engines.native.reductions import write_reduction
from limpide.engines.native.schedule import (
    Schedule,
    Turn,
    best_schedule,
    can_share,
    grain,
    schedule,
    schedule_like,
)
from limpide.engines.native.target import Target
from limpide.engines.native.writer import I64, PTR, Type, Value, Writer, index, module_text
from limpide.ir import CONSTANT, Graph, Loop, Node

_NAME = "a.kernel"


@dataclass
class Slot:
    """Where a kept value lies in the arena."""

    offset: int
    element: str
    extents: tuple[int, ...]


@dataclass(frozen=True)
class Piece:
    """A kernel as it is told of.

    Attributes
    ----------
    kind
        As in ``Kernel``, or ``"rows"`` for bringing a batch together.
    ops, layers
        The names of its ops in running order, and of the layers that asked for them.
    shape, inner
        What its loops run over, and how many numbers each of its sums has.
    shared
        Whether threads share it.
    """

    kind: str
    ops: str
    layers: str
    shape: tuple[int, ...]
    inner: int
    shared: bool


def _piece(turn: Turn) -> Piece:
    kernel = turn.kernel
    first = [kernel.root] if kernel.kind == "product" and kernel.root is not None else []
    last = [] if first or kernel.root is None else [kernel.root]
    nodes = [*first, *kernel.nodes, *last]
    ops = ", ".join(n.op.name for n in nodes) or kernel.kind
    layers = ", ".join(dict.fromkeys(n.layer for n in nodes if n.layer))
    return Piece(kernel.kind, ops, layers, kernel.shape, turn.inner, turn.shared)


@dataclass
class Module:
    """Text to compile, and what is needed to run it.

    ``kept`` holds the place of each carried and held input; ``constants`` the places of arrays
    that the graphs know, and ``places`` which nodes of each graph these are; ``together``, whether
    threads can share a step; ``tiny``, whether everything is to be held in registers; ``cost``, the
    cycles of a graph on one core, roughly; ``pieces`` tells of the kernels.
    """

    text: str
    arena_bytes: int
    kept: list[Slot] = field(default_factory=list)
    constants: list[Slot] = field(default_factory=list)
    places: list[list[int]] = field(default_factory=list)
    together: bool = False
    tiny: bool = False
    cost: float = 0.0
    pieces: list[Piece] = field(default_factory=list)


class Builder:
    """Writes kernels once each and collects the module."""

    def __init__(self, target: Target, tiny: bool = False) -> None:
        self.target = target
        self.tiny, self.attributes = tiny, "alwaysinline" if tiny else ""
        self.known: dict[Hashable, str] = {}  # what a kernel computes where -> name
        self.functions: dict[str, str] = {}  # definition without a name -> name
        self.writers: list[Writer] = []
        self.texts: list[str] = []

    def in_arena(self, buffer: Buffer) -> bool:
        """Whether a kernel is told of a buffer by its offset, which is less code for the caller."""
        return buffer.is_ours and not self.tiny

    def kernel(self, turn: Turn, plan: Plan, number: int) -> tuple[str, list[Buffer]]:
        """Write a kernel, unless an equal one is known; gives its name and its buffers."""
        kernel = turn.kernel
        buffers = _buffers(kernel, plan)
        key = _signature(turn, plan, buffers)
        if key not in self.known:
            self.known[key] = self._write(turn, plan, number, buffers)
        return self.known[key], buffers

    def _write(self, turn: Turn, plan: Plan, number: int, buffers: list[Buffer]) -> str:
        kernel = turn.kernel
        named = [b for b in buffers if b.home == "rows"]
        given = [b for b in buffers if not self.in_arena(b)]
        names = [(PTR, f"p{i}") for i in range(len(given) + len(named))]
        rest = [(I64, "low"), (I64, "high"), (PTR, "status"), (PTR, "arena")]
        rest += [(I64, "count"), (I64, "rows")] if self.tiny else [(PTR, "places")]
        w = Writer(self.target, _NAME, [*names, *rest], self.attributes)
        low, high, status, memory, *last = w.arguments[len(names) :]
        pointers = dict(zip(map(id, given), w.arguments, strict=False))
        if not self.tiny:
            numbers = _numbers(w, last[0])
            last = [next(numbers), next(numbers)]
            pointers |= {
                id(b): w.at(memory, next(numbers), "i8") for b in buffers if id(b) not in pointers
            }
        count, rows = last
        orders = {id(b): v for b, v in zip(named, w.arguments[len(given) :], strict=False)}
        if kernel.kind in ("map", "reduce", "product"):
            body = self._body(w, kernel, plan, pointers, orders)
            body.columns, body.rows = turn.columns, rows
            if kernel.kind == "map":
                write_map(body, low, high)
            elif kernel.kind == "reduce":
                write_reduction(body, low, high, count)
            else:
                write_product(body, low, high, count)
        else:
            bounds = (low, high) if can_share(kernel) else None
            Mover(w, kernel, plan.views, pointers, status, number, bounds).write()
        return self._known(w)

    def rows(self, kernel: Kernel, plan: Plan, shape: tuple[int, ...]) -> str:
        """Write the kernel that brings a batch of rows together."""
        names = [(PTR, "target"), (PTR, "source"), (PTR, "order"), (I64, "low"), (I64, "high")]
        w = Writer(self.target, _NAME, names, self.attributes)
        target, source, order, low, high = w.arguments
        pointers = {id(kernel.stores[0][1].buffer): target}
        mover = Mover(w, kernel, plan.views, pointers, target, 0)
        mover.rows(source, order, shape, low, high)
        return self._known(w)

    def _known(self, w: Writer) -> str:
        text = w.text()
        name = self.functions.get(text)
        if name is None:
            name = f"kernel{len(self.functions)}"
            self.functions[text] = name
            self.writers.append(w)
            self.texts.append(w.text(name=name))
        return name

    def _body(
        self,
        w: Writer,
        kernel: Kernel,
        plan: Plan,
        pointers: dict[int, Value],
        orders: dict[int, Value],
    ) -> Body:
        lanes = self._lanes(kernel, plan)
        return Body(w, kernel, plan.views, plan.origins, pointers, lanes, orders)

    def _lanes(self, kernel: Kernel, plan: Plan) -> int:
        if not kernel.shape:
            return 1
        if kernel.kind == "product" and kernel.root is not None:
            given = matrices(*(plan.views[id(n)] for n in kernel.root.inputs))
            if given.m == 1 and given.n == 1:
                return 1  # sums along the lanes: one number at a time
        return lanes_for(kernel, self.target.vector_bytes, kernel.shape[-1])

    def module(self, main: Writer, extra: Sequence[str] = ()) -> str:
        """Give the text of all kernels and of the function that calls them."""
        texts = [*self.texts, *extra, main.text("dso_local")]
        return module_text(self.target, texts, [*self.writers, main])


def _buffers(kernel: Kernel, plan: Plan) -> list[Buffer]:
    """Give the buffers that a kernel touches, in an order that equal kernels share."""
    found: dict[int, Buffer] = {}
    for node in kernel.members:
        for source in node.inputs:
            view = plan.views[id(source)]
            if any(
                n is not None and plan.views[i].buffer is view.buffer
                for i, n in kernel.reads.items()
            ):
                found[id(view.buffer)] = view.buffer
    for buffer in buffers_of(kernel, plan.views):
        found[id(buffer)] = buffer
    return list(found.values())


def _signature(turn: Turn, plan: Plan, buffers: Sequence[Buffer]) -> Hashable:
    """Give what the text of a kernel depends on; kernels alike need to be written once only."""
    kernel = turn.kernel
    if kernel.kind not in ("map", "reduce", "product"):
        return id(kernel)  # its text names a node
    places = {id(b): i for i, b in enumerate(buffers)}
    own = {id(n): i for i, n in enumerate(kernel.members)}

    def lies(view: View) -> Hashable:
        buffer = view.buffer
        kind = (places[id(buffer)], buffer.element, buffer.home, buffer.extents)
        return kind, view.shape, view.strides, view.offset

    def read(node: Node, by: Node) -> Hashable:
        place = own.get(id(plan.origins[id(node)]))
        if place is not None:
            return place, node.spec
        number = immediate(node)
        if number is not None and by.op.name != "matmul":
            return number.tobytes(), node.spec
        return lies(plan.views[id(node)])

    nodes = tuple(
        (n.op.name, n.spec, repr(n.params), tuple(read(source, n) for source in n.inputs))
        for n in kernel.members
    )
    stores = tuple((own[id(n)], lies(view)) for n, view in kernel.stores)
    return kernel.kind, kernel.shape, turn.columns, nodes, stores


class _Caller:
    """Writes the calls of a plan's kernels into a function."""

    def __init__(
        self,
        builder: Builder,
        w: Writer,
        memory: Value,
        status: Value,
        given: dict[int, Value],
        order: Value | None = None,
    ) -> None:
        self.builder, self.w, self.memory, self.status = builder, w, memory, status
        self.order = order or memory  # where rows are named
        self.given = given  # buffer -> its address, where that is not in the arena

    def address(self, buffer: Buffer) -> Value:
        if id(buffer) in self.given:
            return self.given[id(buffer)]
        return self.w.at(self.memory, buffer.offset, "i8")

    def call(self, turn: Turn, plan: Plan, number: int, low: Value, high: Value) -> None:
        """Write the call of one kernel for the rows from ``low`` to ``high``."""
        name, buffers = self.builder.kernel(turn, plan, number)
        in_arena = self.builder.in_arena
        where = [self.address(b) for b in buffers if not in_arena(b)]
        where += [self.order for b in buffers if b.home == "rows"]
        numbers = [turn.inner, turn.kernel.shape[0] if turn.kernel.shape else 1]
        if self.builder.tiny:
            last = [index(n) for n in numbers]
        else:
            last = [self.w.table(I64, [*numbers, *(b.offset for b in buffers if in_arena(b))])]
        self.w.call(name, [*where, low, high, self.status, self.memory, *last])


def _numbers(w: Writer, table: Value) -> Iterator[Value]:
    """Give the numbers of a table one after another."""
    place = 0
    while True:
        yield w.load(I64, w.at(table, place, "i64"))
        place += 1


def _lifetimes(plan: Plan, turns: Sequence[Turn], together: bool) -> list[Buffer]:
    """Note when each passing buffer is used, by turns or by phases; gives those that are."""
    for place, turn in enumerate(turns):
        when = turn.phase if together else place
        for buffer in buffers_of(turn.kernel, plan.views):
            buffer.first = min(buffer.first, when)
            buffer.last = max(buffer.last, when)
    return [b for b in plan.buffers if b.home == "arena" and b.last >= 0]


def _slots(buffers: Sequence[Buffer]) -> list[Slot]:
    return [Slot(b.offset, b.element, b.extents) for b in buffers]


def _constants(graph: Graph, plan: Plan) -> list[Buffer]:
    """Give the buffers of the constants whose memory is read; others get none."""
    return [plan.views[id(graph.nodes[i])].buffer for i in constants_read(graph, plan)]


def constants_read(graph: Graph, plan: Plan) -> list[int]:
    """Give the places among the graph's nodes of the constants that have memory."""
    used = {id(b) for k in plan.kernels for b in buffers_of(k, plan.views)}
    return [
        i
        for i, n in enumerate(graph.nodes)
        if n.op is CONSTANT and id(plan.views[id(n)].buffer) in used
    ]


def build_graph(graph: Graph, target: Target) -> Module:
    """Write the module of a graph: ``call(arena, table of inputs and outputs, status)``."""
    planned = _PlannedGraph(graph, target)
    w = Writer(target, "call", [(PTR, "arena"), (PTR, "table"), (PTR, "status")])
    memory, table, status = w.arguments
    planned.call(w, memory, status, {id(b): _from(w, table, b) for b in planned.given})
    return planned.module(w)


def build_rows(graph: Graph, n_held: int, target: Target) -> Module:
    """Write the module of a graph over a batch of rows: ``rows(arena, table, status, low, high)``.

    ``table`` as for a graph; the inputs behind the first ``n_held``, and all outputs, are the
    first batches of many that lie one after another; those from ``low`` to ``high`` are run.
    """
    planned = _PlannedGraph(graph, target)
    names = [(PTR, "arena"), (PTR, "table"), (PTR, "status"), (I64, "low"), (I64, "high")]
    w = Writer(target, "rows", names)
    memory, table, status, low, high = w.arguments
    given = {id(b): _from(w, table, b) for b in planned.given}
    with w.loop(low, high) as trips:
        for buffer in planned.given:
            if buffer.place >= n_held:
                start = w.mul(trips.index, index(buffer.nbytes))
                given[id(buffer)] = w.at(given[id(buffer)], start, "i8")
        planned.call(w, memory, status, given)
    return planned.module(w)


def _from(w: Writer, table: Value, buffer: Buffer) -> Value:
    return w.load(PTR, w.at(table, buffer.place, "ptr"))


class _PlannedGraph:
    """A graph whose kernels and memory are settled; writes their calls."""

    def __init__(self, graph: Graph, target: Target) -> None:
        self.graph, self.builder = graph, Builder(target)
        lanes = target.lanes(4)
        self.plan = Planner(graph, lanes, ["given"] * len(graph.inputs)).plan()
        self.turns = schedule(self.plan, lanes)
        self.constants = _constants(graph, self.plan)
        end = arena.place_kept(self.constants, 0)
        passing = _lifetimes(self.plan, self.turns, together=False)
        self.end = arena.place_passing(passing, end)
        self.given = [b for b in self.plan.buffers if b.home == "given"]

    def call(self, w: Writer, memory: Value, status: Value, given: dict[int, Value]) -> None:
        numbers = {id(n): i for i, n in enumerate(self.graph.nodes)}
        caller = _Caller(self.builder, w, memory, status, given)
        for turn in self.turns:
            number = numbers.get(id(turn.kernel.root), 0)
            caller.call(turn, self.plan, number, index(0), index(turn.length))

    def module(self, w: Writer) -> Module:
        text = self.builder.module(w)
        cost = sum(turn.cost for turn in self.turns)
        places = [constants_read(self.graph, self.plan)]
        pieces = [_piece(turn) for turn in self.turns]
        return Module(text, self.end, [], _slots(self.constants), places, cost=cost, pieces=pieces)


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
        own = _constants(step.graph, step.plan)
        end = arena.place_kept(own, end)
        constants += own
    start = end
    for step in steps:
        passing = _lifetimes(step.plan, step.turns, together)
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
    slots = _slots([steps[0].plan.views[id(n)].buffer for n in loop.step.inputs[:kept]])
    memory = sum(b.nbytes for step in steps for b in step.plan.buffers if b.offset >= 0)
    tiny = memory <= TINY_BYTES and steps[0].cost <= TINY_CYCLES
    if timed:
        together = tiny = False
    text = _LoopWriter(loop, steps, target, together, tiny, timed).text()
    places = [constants_read(s.graph, s.plan) for s in steps]
    gathers = [Piece("rows", "rows", n.name, v.shape, 0, together) for _, n, v in steps[0].rows]
    pieces = [*gathers, *map(_piece, steps[0].turns)]
    return Module(
        text, end, slots, _slots(constants), places, together, tiny, steps[0].cost, pieces
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
        saved = _flush_denormals(w)
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
        _restore(w, saved)
        extra = []
        if self.together:
            extra = [_BARRIER.replace("PAUSE", _pause(w))]
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
        caller = _Caller(self.builder, w, self.memory, self.status, given, order)
        for i, (number, node, view) in enumerate(step.rows):
            with self._time(step, i):
                self._gather(step, caller, node, view, self.sources[number], order)
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
                        caller.call(turn, step.plan, number, low, high)
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
        name = _clock_name(self.w.target)
        self.w.declared[name] = f"declare i64 @{name}()"
        return self.w.emit(I64, f"call i64 @{name}()")

    def _gather(
        self, step: _Step, caller: _Caller, node: Node, view: View, source: Value, order: Value
    ) -> None:
        kernel = Kernel("rows", view.shape)
        kernel.stores.append((node, view))
        name = self.builder.rows(kernel, step.plan, node.spec.shape)
        length = node.spec.shape[0]
        where = [caller.address(view.buffer), source, order]
        if self.together and (length == 1 or step.order.columns):
            with self.w.when(self.is_first):
                self.w.call(name, [*where, index(0), index(length)])
            return
        low, high = self._bounds(step, length) if length > 1 else (index(0), index(1))
        self.w.call(name, [*where, low, high])


def _clock_name(target: Target) -> str:
    on_x86 = target.triple.startswith("x86_64")
    return "llvm.readcyclecounter" if on_x86 else "llvm.readsteadycounter"


def clock_text(target: Target) -> str:
    """Give a module whose function ``clock`` reads the clock that timed loops count by."""
    name = _clock_name(target)
    body = f"  %now = call i64 @{name}()\n  ret i64 %now"
    function = f"define i64 @clock() {{\n{body}\n}}\ndeclare i64 @{name}()"
    return module_text(target, [function], [])


def _all(turn: Turn) -> tuple[Value, Value]:
    return index(0), index(turn.length)


TINY_BYTES = 2048
TINY_CYCLES = 400.0
"""Up to so many bytes and estimated cycles, a step's numbers are held in registers."""

THREADS_FROM = 12_000.0
"""Estimated cycles of a step from which on threads share it: below, moving lines costs more."""

_BARRIER = """define internal void @meet(ptr %met, i64 %threads, ptr %barrier, ptr %yield) {
entry:
  %alone = icmp sle i64 %threads, 1
  br i1 %alone, label %end, label %come
come:
  %before = load i64, ptr %met, align 8
  %target = add i64 %before, %threads
  store i64 %target, ptr %met, align 8
  %old = atomicrmw add ptr %barrier, i64 1 acq_rel, align 8
  %can = icmp ne ptr %yield, null
  br label %look
look:
  %tries = phi i64 [ 0, %come ], [ %more, %spin ], [ 0, %rest ]
  %here = load atomic i64, ptr %barrier acquire, align 8
  %done = icmp sge i64 %here, %target
  br i1 %done, label %end, label %wait
wait:
  %many = icmp sgt i64 %tries, 2000
  %give = and i1 %many, %can
  br i1 %give, label %rest, label %spin
spin:
  %more = add i64 %tries, 1
  PAUSE
  br label %look
rest:
  %ignored = call i32 %yield()
  br label %look
end:
  ret void
}"""


def _pause(w: Writer) -> str:
    """Give the instruction that tells the processor that a thread waits."""
    if w.target.triple.startswith("x86_64"):
        w.declared["llvm.x86.sse2.pause"] = "declare void @llvm.x86.sse2.pause()"
        return "call void @llvm.x86.sse2.pause()"
    return "fence acquire"


_FLUSH_BITS = 0x8040  # of MXCSR: results that are denormal, and operands, become 0
_FLUSH_ARM = 1 << 24  # of FPCR


def _flush_denormals(w: Writer) -> Value | None:
    """Have denormal numbers taken for 0, which are slow; gives the word to put back."""
    if w.target.triple.startswith(("x86_64", "i386", "i686")):
        memory = w.local(I64, 2)
        w.declared["llvm.x86.sse.stmxcsr"] = "declare void @llvm.x86.sse.stmxcsr(ptr)"
        w.declared["llvm.x86.sse.ldmxcsr"] = "declare void @llvm.x86.sse.ldmxcsr(ptr)"
        w.line(f"call void @llvm.x86.sse.stmxcsr({memory})")
        i32 = I64._replace(element="i32")
        before = w.load(i32, memory)
        changed = w.at(memory, 8, "i8")
        w.store(w.binary("or", before, index(_FLUSH_BITS)._replace(type=i32)), changed)
        w.line(f"call void @llvm.x86.sse.ldmxcsr({changed})")
        return memory
    if w.target.triple.startswith(("aarch64", "arm64")):
        w.declared["llvm.aarch64.get.fpcr"] = "declare i64 @llvm.aarch64.get.fpcr()"
        w.declared["llvm.aarch64.set.fpcr"] = "declare void @llvm.aarch64.set.fpcr(i64)"
        before = w.emit(I64, "call i64 @llvm.aarch64.get.fpcr()")
        changed = w.binary("or", before, index(_FLUSH_ARM))
        w.line(f"call void @llvm.aarch64.set.fpcr({changed})")
        return before
    return None


def _restore(w: Writer, saved: Value | None) -> None:
    if saved is None:
        return
    if saved.type == PTR:
        w.line(f"call void @llvm.x86.sse.ldmxcsr({saved})")
    else:
        w.line(f"call void @llvm.aarch64.set.fpcr({saved})")
