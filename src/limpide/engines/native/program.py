"""A graph or a loop as one module: kernels, each written once, and the function that runs them.

Answers for what is called with which memory. Not for: the inside of kernels (``maps``,
``reductions``, ``products``, ``moves``), or compiling (``jit``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from limpide.engines.native import arena
from limpide.engines.native.maps import Body, lanes_for, write_map
from limpide.engines.native.moves import Mover
from limpide.engines.native.operands import matrices
from limpide.engines.native.places import Buffer, View
from limpide.engines.native.plan import Kernel, Plan, Planner, buffers_of
from limpide.engines.native.products import write_product
from limpide.engines.native.reductions import write_reduction
from limpide.engines.native.target import Target
from limpide.engines.native.writer import I64, PTR, Value, Writer, index, module_text
from limpide.ir import CONSTANT, Graph, Loop

_NAME = "a.kernel"


@dataclass
class Slot:
    """Where a kept value lies in the arena."""

    offset: int
    element: str
    extents: tuple[int, ...]


@dataclass
class Module:
    """Text to compile, and what is needed to run it.

    ``kept`` holds the place of each carried and held input; ``constants`` the places of arrays
    that the graph knows, in order.
    """

    text: str
    arena_bytes: int
    kept: list[Slot] = field(default_factory=list)
    constants: list[Slot] = field(default_factory=list)


class Builder:
    """Writes kernels once each and collects the module."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.functions: dict[str, str] = {}  # definition without a name -> name
        self.writers: list[Writer] = []
        self.texts: list[str] = []

    def kernel(self, kernel: Kernel, plan: Plan, number: int) -> tuple[str, list[Buffer]]:
        """Write a kernel, unless an equal one is known; gives its name and what it is called with."""
        buffers = _buffers(kernel, plan)
        names = [(PTR, f"p{i}") for i in range(len(buffers))]
        rest = [(I64, "low"), (I64, "high"), (I64, "count"), (PTR, "status")]
        w = Writer(self.target, _NAME, [*names, *rest])
        pointers = {id(b): v for b, v in zip(buffers, w.arguments, strict=False)}
        low, high, count, status = w.arguments[len(buffers) :]
        if kernel.kind in ("map", "reduce", "product"):
            self._write(w, kernel, plan, pointers, low, high, count)
        else:
            Mover(w, kernel, plan.views, pointers, status, number).write()
        return self._known(w), buffers

    def rows(self, kernel: Kernel, plan: Plan, shape: tuple[int, ...]) -> str:
        """Write the kernel that brings a batch of rows together."""
        names = [(PTR, "target"), (PTR, "source"), (PTR, "order"), (I64, "low"), (I64, "high")]
        w = Writer(self.target, _NAME, names)
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

    def _write(
        self,
        w: Writer,
        kernel: Kernel,
        plan: Plan,
        pointers: dict[int, Value],
        low: Value,
        high: Value,
        count: Value,
    ) -> None:
        lanes = self._lanes(kernel, plan)
        body = Body(w, kernel, plan.views, plan.origins, pointers, lanes)
        if kernel.kind == "map":
            write_map(body, low, high)
        elif kernel.kind == "reduce":
            write_reduction(body, low, high, count)
        else:
            write_product(body, low, high, count)

    def _lanes(self, kernel: Kernel, plan: Plan) -> int:
        if not kernel.shape:
            return 1
        if kernel.kind == "product" and kernel.root is not None:
            given = matrices(*(plan.views[id(n)] for n in kernel.root.inputs))
            if given.m == 1 and given.n == 1:
                return 1  # sums along the lanes: one number at a time
        return lanes_for(kernel, self.target.vector_bytes, kernel.shape[-1])

    def module(self, main: Writer) -> str:
        """Give the text of all kernels and of the function that calls them."""
        texts = [*self.texts, main.text("dso_local")]
        return module_text(self.target, texts, [*self.writers, main])


def _buffers(kernel: Kernel, plan: Plan) -> list[Buffer]:
    """Give the buffers that a kernel touches, in an order that equal kernels share."""
    found: dict[int, Buffer] = {}
    for node in kernel.members:
        for source in node.inputs:
            view = plan.views[id(source)]
            if any(n is not None and plan.views[i].buffer is view.buffer for i, n in kernel.reads.items()):
                found[id(view.buffer)] = view.buffer
    for buffer in buffers_of(kernel, plan.views, plan.origins):
        found[id(buffer)] = buffer
    return list(found.values())


def _counts(kernel: Kernel, plan: Plan) -> tuple[int, int]:
    """Give how long the result's first axis is, and how many numbers a sum has."""
    shape = kernel.shape
    if kernel.kind == "reduce" and kernel.root is not None:
        result = [n for n in kernel.root.spec.shape if n != 1]
        return (result[0] if result else 1), (shape[0] if shape else 1)
    if kernel.kind == "product" and kernel.root is not None:
        inner = kernel.root.inputs[0].spec.shape[-1]
        return (shape[0] if shape else 1), inner
    return (shape[0] if shape else 1), 0


class _Caller:
    """Writes the calls of a plan's kernels into a function."""

    def __init__(
        self, builder: Builder, w: Writer, memory: Value, status: Value, given: dict[int, Value]
    ) -> None:
        self.builder, self.w, self.memory, self.status = builder, w, memory, status
        self.given = given  # buffer -> address of the caller's array

    def address(self, buffer: Buffer) -> Value:
        if buffer.home == "given":
            return self.given[id(buffer)]
        return self.w.at(self.memory, buffer.offset, "i8")

    def run(self, plan: Plan, numbers: dict[int, int]) -> None:
        for kernel in plan.kernels:
            number = numbers.get(id(kernel.root), 0)
            name, buffers = self.builder.kernel(kernel, plan, number)
            length, inner = _counts(kernel, plan)
            pointers = [self.address(b) for b in buffers]
            bounds = [index(0), index(length), index(inner)]
            self.w.call(name, [*pointers, *bounds, self.status])


def _lifetimes(plan: Plan) -> list[Buffer]:
    """Note when each passing buffer is used; gives those that are."""
    for place, kernel in enumerate(plan.kernels):
        for buffer in buffers_of(kernel, plan.views, plan.origins):
            buffer.first = min(buffer.first, place)
            buffer.last = max(buffer.last, place)
    return [b for b in plan.buffers if b.home == "arena" and b.last >= 0]


def _slots(buffers: Sequence[Buffer]) -> list[Slot]:
    return [Slot(b.offset, b.element, b.extents) for b in buffers]


def _constants(graph: Graph, plan: Plan) -> list[Buffer]:
    """Give the buffers of the constants whose memory is read; others get none."""
    used = {id(b) for k in plan.kernels for b in buffers_of(k, plan.views, plan.origins)}
    found = (plan.views[id(n)].buffer for n in graph.nodes if n.op is CONSTANT)
    return [b for b in found if id(b) in used]


def constants_read(graph: Graph, plan: Plan) -> list[int]:
    """Give the places among the graph's nodes of the constants that have memory."""
    used = {id(b) for k in plan.kernels for b in buffers_of(k, plan.views, plan.origins)}
    return [
        i
        for i, n in enumerate(graph.nodes)
        if n.op is CONSTANT and id(plan.views[id(n)].buffer) in used
    ]


def build_graph(graph: Graph, target: Target) -> tuple[Module, list[int]]:
    """Write the module of a graph: ``call(arena, table of inputs and outputs, status)``."""
    planner = Planner(graph, target.lanes(4), ["given"] * len(graph.inputs))
    plan = planner.plan()
    constants = _constants(graph, plan)
    end = arena.place_kept(constants, 0)
    end = arena.place_passing(_lifetimes(plan), end)
    builder = Builder(target)
    w = Writer(target, "call", [(PTR, "arena"), (PTR, "table"), (PTR, "status")])
    memory, table, status = w.arguments
    given = {
        id(b): w.load(PTR, w.at(table, b.place, "ptr")) for b in plan.buffers if b.home == "given"
    }
    numbers = {id(n): i for i, n in enumerate(graph.nodes)}
    _Caller(builder, w, memory, status, given).run(plan, numbers)
    module = Module(builder.module(w), end, [], _slots(constants))
    return module, constants_read(graph, plan)


@dataclass
class _Step:
    """One traced step of a loop with its plan."""

    graph: Graph
    plan: Plan
    planner: Planner
    batch: int


def _plan_step(loop: Loop, graph: Graph, target: Target) -> _Step:
    kept = loop.n_carry + loop.n_held
    rows = len(graph.inputs) - kept
    homes = ["kept"] * kept + ["arena"] * rows
    planner = Planner(graph, target.lanes(4), homes, loop.n_carry)
    for i, view in enumerate(planner.outputs[: loop.n_carry]):
        assert view.buffer.place == len(graph.inputs) + i
    batch = graph.inputs[kept].spec.shape[0] if rows else 1
    return _Step(graph, planner.plan(), planner, batch)


def build_loop(loop: Loop, target: Target) -> tuple[Module, list[list[int]]]:
    """Write the module of a loop.

    ``loop(arena, rows, order, observed, status, epochs, n)``: tables of the addresses of row
    arrays and of observed outputs; ``n`` rows an epoch, or steps where there are no row arrays.
    """
    steps = [_plan_step(loop, g, target) for g in (loop.step, loop.tail) if g is not None]
    kept = loop.n_carry + loop.n_held
    end = 0
    for step in steps:
        homes = [step.plan.views[id(n)].buffer for n in step.graph.inputs[:kept]]
        after = arena.place_kept(homes, 0)
        end = max(end, after)
    slots = _slots([steps[0].plan.views[id(n)].buffer for n in loop.step.inputs[:kept]])
    constants: list[Buffer] = []
    for step in steps:
        own = _constants(step.graph, step.plan)
        end = arena.place_kept(own, end)
        constants += own
    start = end
    for step in steps:
        passing = _lifetimes(step.plan)
        for node in step.graph.inputs[kept:]:
            buffer = step.plan.views[id(node)].buffer
            buffer.first = -1
            buffer.last = max(buffer.last, 0)
            if buffer not in passing:
                passing.append(buffer)
        end = max(end, arena.place_passing(passing, start))
    text = _loop_text(loop, steps, target)
    places = [constants_read(s.graph, s.plan) for s in steps]
    return Module(text, end, slots, _slots(constants)), places


def _loop_text(loop: Loop, steps: Sequence[_Step], target: Target) -> str:
    builder = Builder(target)
    names = [(PTR, "arena"), (PTR, "rows"), (PTR, "order"), (PTR, "observed"), (PTR, "status")]
    w = Writer(target, "loop", [*names, (I64, "epochs"), (I64, "n")])
    memory, rows, order, observed, status, epochs, n = w.arguments
    saved = _flush_denormals(w)
    kept = loop.n_carry + loop.n_held
    sources = [w.load(PTR, w.at(rows, i, "ptr")) for i in range(loop.n_rows)]
    seen = len(loop.step.outputs) - loop.n_carry
    targets = [w.load(PTR, w.at(observed, i, "ptr")) for i in range(seen)]
    batch = index(steps[0].batch)
    full = w.binary("sdiv", n, batch) if loop.n_rows else n
    an_epoch = w.add(full, index(1)) if len(steps) > 1 else full

    def step(which: _Step, trip: Value, first: Value | None) -> None:
        given: dict[int, Value] = {}
        for i, view in enumerate(which.planner.outputs[loop.n_carry :]):
            size = view.buffer.nbytes
            given[id(view.buffer)] = w.at(targets[i], w.mul(trip, index(size)), "i8")
        caller = _Caller(builder, w, memory, status, given)
        for node, source in zip(which.graph.inputs[kept:], sources, strict=True):
            view = which.plan.views[id(node)]
            gather = Kernel("rows", view.essential().shape)
            gather.stores.append((node, view.essential()))
            name = builder.rows(gather, which.plan, node.spec.shape)
            assert first is not None
            place = w.at(order, first, "i64")
            w.call(
                name,
                [caller.address(view.buffer), source, place, index(0), index(which.batch)],
            )
        numbers = {id(node): i for i, node in enumerate(which.graph.nodes)}
        caller.run(which.plan, numbers)

    with w.loop(index(0), epochs) as epoch:
        first_row = w.mul(epoch.index, n)
        first_trip = w.mul(epoch.index, an_epoch)
        with w.loop(index(0), full) as trips:
            row = w.add(first_row, w.mul(trips.index, batch)) if loop.n_rows else None
            step(steps[0], w.add(first_trip, trips.index), row)
        if len(steps) > 1:
            row = w.add(first_row, w.mul(full, batch))
            step(steps[1], w.add(first_trip, full), row)
    _restore(w, saved)
    return builder.module(w)


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


__all__ = ["Module", "Slot", "View", "build_graph", "build_loop"]
