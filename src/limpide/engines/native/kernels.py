"""Kernels as functions of a module, each written once, and the calls of them.

Answers for what a kernel is told of, and for kernels that are alike. Not for: the inside of
kernels (``maps``, ``reductions``, ``products``, ``moves``), or who calls them (``graphs``,
``loops``).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

from limpide.engines.native.elements import immediate
from limpide.engines.native.maps import Body, lanes_for, write_map
from limpide.engines.native.module import piece_of
from limpide.engines.native.moves import Mover
from limpide.engines.native.operands import matrices
from limpide.engines.native.places import Buffer, View
from limpide.engines.native.plan import Kernel, Plan, buffers_of
from limpide.engines.native.products import write_product
from limpide.engines.native.reductions import write_reduction
from limpide.engines.native.schedule import Turn, can_share
from limpide.engines.native.target import Target
from limpide.engines.native.writer import I64, PTR, Value, Writer, index, module_text
from limpide.ir import Node

_NAME = "a.kernel"


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
        return self._known(w, piece_of(turn).ops)

    def rows(self, kernel: Kernel, plan: Plan, shape: tuple[int, ...]) -> str:
        """Write the kernel that brings a batch of rows together."""
        names = [(PTR, "target"), (PTR, "source"), (PTR, "order"), (I64, "low"), (I64, "high")]
        w = Writer(self.target, _NAME, names, self.attributes)
        target, source, order, low, high = w.arguments
        pointers = {id(kernel.stores[0][1].buffer): target}
        mover = Mover(w, kernel, plan.views, pointers, target, 0)
        mover.rows(source, order, shape, low, high)
        return self._known(w, "rows of a batch brought together")

    def _known(self, w: Writer, comment: str) -> str:
        text = w.text()
        name = self.functions.get(text)
        if name is None:
            name = f"kernel{len(self.functions)}"
            self.functions[text] = name
            self.writers.append(w)
            self.texts.append(f"; {comment}\n{w.text(name=name)}")
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


class Caller:
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

    def call(self, turn: Turn, plan: Plan, number: int, low: Value, high: Value) -> str:
        """Write the call of one kernel for the rows from ``low`` to ``high``; gives its name."""
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
        return name


def _numbers(w: Writer, table: Value) -> Iterator[Value]:
    """Give the numbers of a table one after another."""
    place = 0
    while True:
        yield w.load(I64, w.at(table, place, "i64"))
        place += 1
