"""Element-wise nodes in machine code: loads, ops, stores at one point, and the loops around them.

Answers for kernels of kind ``map`` and for what products and reductions do at a point. Not for:
what an op is (``elements``), or which nodes belong together (``plan``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from limpide.engines.native import elements
from limpide.engines.native.places import View
from limpide.engines.native.plan import Kernel, widest
from limpide.engines.native.writer import Type, Value, Writer, constant, index
from limpide.ir import Node


@dataclass(frozen=True)
class Place:
    """An index along one axis: something computed, and a number added to it."""

    base: Value | None
    plus: int = 0

    def value(self, w: Writer) -> Value:
        """Give the index itself."""
        if self.base is None:
            return index(self.plus)
        return w.add(self.base, index(self.plus)) if self.plus else self.base


@dataclass
class Point:
    """Where in the loops: an index an axis; the lanes lie along the last axis."""

    places: list[Place]
    mask: Value | None = None  # of the lanes that exist


@dataclass
class Body:
    """What a kernel does at a point.

    Attributes
    ----------
    lanes
        How many elements a point is.
    pointers
        Buffer → the argument that holds its address.
    orders
        Buffer of rows that stay where the caller has them → the numbers of these rows.
    columns, rows
        Whether the bounds of the loops are those of the last axis, and how long the first is then.
    views
        Node → its elements in memory.
    """

    w: Writer
    kernel: Kernel
    views: Mapping[int, View]
    origins: Mapping[int, Node]
    pointers: Mapping[int, Value]
    lanes: int
    orders: Mapping[int, Value] = field(default_factory=dict)
    columns: bool = False
    rows: Value = field(default_factory=lambda: index(0))
    _held: dict[View, Value] = field(default_factory=dict)
    _known: dict[object, Value] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.members = {id(n) for n in self.kernel.members}
        self.rank = len(self.kernel.shape)

    # What is read -----------------------------------------------------------------------------

    def operand(self, source: Node) -> View | None:
        """Give the view that a source is read by, or None where it is computed here or known."""
        if id(self.origins[id(source)]) in self.members or elements.immediate(source) is not None:
            return None
        return self.views[id(source)].essential()

    def reads(self) -> list[View]:
        """Give the views that element-wise nodes read."""
        found: dict[View, None] = {}
        for node in self.kernel.nodes:
            for source in node.inputs:
                view = self.operand(source)
                if view is not None:
                    found[view] = None
        root = self.kernel.root
        if self.kernel.kind == "reduce" and root is not None:
            view = self.operand(root.inputs[0])
            if view is not None:
                found[view] = None
        return list(found)

    def forget(self) -> None:
        """Drop what is known in the block that ends."""
        self._known.clear()

    def hold(self, depth: int, places: Sequence[Place]) -> None:
        """Load ahead of the inner loops what depends on the ``depth`` outer axes alone."""
        self.forget()
        for view in self.reads():
            moving = [axis for axis, s in enumerate(view.strides) if s]
            if (moving[-1] + 1 if moving else 0) == depth and depth < max(self.rank, 1):
                point = Point([*places, *[Place(None)] * (self.rank - len(places))])
                self._held.pop(view, None)
                self._held[view] = self._splat(view, point)

    def address(self, view: View, point: Point) -> Value:
        """Give the address of a view's element at a point's first lane."""
        w, plus = self.w, view.offset
        parts: list[tuple[str, int]] = []
        values: dict[str, Value] = {}
        for place, stride in zip(point.places, view.strides, strict=True):
            plus += place.plus * stride
            if place.base is not None and stride:
                parts.append((place.base.name, stride))
                values[place.base.name] = place.base
        key = (id(view.buffer), tuple(parts))
        pointer = self._known.get(key)
        if pointer is None:
            pointer = self.pointers[id(view.buffer)]
            for name, stride in parts:
                step = values[name] if stride == 1 else w.mul(values[name], index(stride))
                pointer = w.at(pointer, step, view.element)
            self._known[key] = pointer
        return w.at(pointer, plus, view.element)

    def _splat(self, view: View, point: Point) -> Value:
        w = self.w
        scalar = w.load(Type(view.element), self.address(view, point))
        if view.element == "i8":
            scalar = w.convert("trunc", scalar, "i1")
        return w.splat(scalar, self.lanes)

    def load(self, view: View, point: Point) -> Value:
        """Load the lanes of a view at a point."""
        if view in self._held:
            return self._held[view]
        moving = zip(point.places, view.strides, strict=True)
        name = "" if point.mask is None or not view.strides[-1] else point.mask.name
        key = (view, tuple((p.base and p.base.name, p.plus) for p, s in moving if s), name)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = self._load(view, point)
        return known

    def _load(self, view: View, point: Point) -> Value:
        w = self.w
        stride = view.strides[-1] if view.strides else 0
        if stride == 0 or self.lanes == 1:
            return self._splat(view, point)
        of = Type(view.element, self.lanes)
        mask = None if view.buffer.is_ours else point.mask
        address = self.address(view, point)
        if stride == 1:
            value = w.load(of, address, mask)
        else:
            lanes = Type("i64", self.lanes)
            places = w.mul(w.lane_numbers(lanes), constant(lanes, stride))
            value = w.load_apart(of, address, places, point.mask)
        if view.element == "i8":
            value = w.compare("ne", value, constant(of, 0))
        return value

    # What is computed -------------------------------------------------------------------------

    def compute(self, point: Point, given: Mapping[int, Value] | None = None) -> dict[int, Value]:
        """Write the element-wise nodes at a point; gives their values by node."""
        values: dict[int, Value] = dict(given or {})
        for node in self.kernel.nodes:
            if node.op.name == "iota":
                values[id(node)] = self._iota(node, point)
                continue
            inputs = [self.value(source, point, values) for source in node.inputs]
            values[id(node)] = elements.lower(self.w, node, inputs)
        return values

    def value(self, source: Node, point: Point, values: Mapping[int, Value]) -> Value:
        """Give what a source holds at a point."""
        known = values.get(id(self.origins[id(source)]))
        if known is not None:
            return known
        number = elements.immediate(source)
        if number is not None:
            return elements.uniform(elements.register_type(source, self.lanes), number)
        view = self.views[id(source)].essential()
        return self.load(view, point)

    def _iota(self, node: Node, point: Point) -> Value:
        w, axis = self.w, node.params["axis"]
        of = elements.register_type(node, self.lanes)
        if node.spec.shape[axis] == 1:
            return constant(of, 0)
        essential_axis = sum(n != 1 for n in node.spec.shape[:axis])
        start = w.splat(point.places[essential_axis].value(w), self.lanes)
        if essential_axis == self.rank - 1 and self.lanes > 1:
            start = w.add(start, w.lane_numbers(Type("i64", self.lanes)))
        return elements.converted(w, start, "i64", node.spec.dtype)

    def store(self, point: Point, values: Mapping[int, Value]) -> None:
        """Write the results of a point to memory."""
        w = self.w
        for node, view in self.kernel.stores:
            value = values[id(node)]
            if value.type.element == "i1":
                value = w.convert("zext", value, "i8")
            mask = None if view.buffer.is_ours else point.mask
            w.store(value, self.address(view, point), mask)


def lanes_for(kernel: Kernel, vector_bytes: int, last: int) -> int:
    """Give how many lanes suit a kernel: whole vectors of its widest numbers, or fewer."""
    nodes = [*kernel.members, *(s for n in kernel.members for s in n.inputs)]
    lanes = max(1, vector_bytes // widest(nodes))
    while lanes > 1 and lanes // 2 >= last:
        lanes //= 2
    return lanes


def write_map(body: Body, low: Value, high: Value) -> None:
    """Write the loops of a map over the rows from ``low`` to ``high`` of its first axis."""
    pitch = None if body.columns else _flat_pitch(body)
    if body.rank == 0:
        body.hold(0, [])
        point = Point([])
        body.store(point, body.compute(point))
    elif body.rank == 1:
        write_line(body, low, high)
    elif pitch is not None:
        _write_flat(body, low, high, pitch)
    else:
        body.hold(0, [])
        _write_rows(body, [], low, high)


def write_line(body: Body, low: Value, high: Value) -> None:
    """Write a loop along one axis, vectors first, then a masked rest."""
    w, lanes = body.w, body.lanes
    body.hold(0, [])
    masked = any(not v.buffer.is_ours for v in _all_views(body))
    stop = high
    if masked and lanes > 1:
        length = w.sub(high, low)
        stop = w.add(low, w.binary("and", length, index(-lanes)))
    with w.loop(low, stop, lanes) as loop:
        body.forget()
        point = Point([Place(loop.index)])
        body.store(point, body.compute(point))
    if masked and lanes > 1:
        rest = w.sub(high, stop)
        with w.when(w.compare("sgt", rest, index(0))):
            body.forget()
            point = Point([Place(stop)], w.first(lanes, rest))
            body.store(point, body.compute(point))
    body.forget()


def _all_views(body: Body) -> list[View]:
    return [*body.reads(), *(view for _, view in body.kernel.stores)]


def _flat_pitch(body: Body) -> int | None:
    """Give the distance of rows where all memory can be run through in one line, or None."""
    if body.rank < 2 or any(n.op.name == "iota" for n in body.kernel.nodes):
        return None
    pitches: set[tuple[int, ...]] = set()
    ours = True
    for view in _all_views(body):
        if any(view.strides):
            pitches.add(view.strides)
            ours = ours and view.buffer.is_ours
    if len(pitches) != 1:
        return None
    (strides,) = pitches
    shape = body.kernel.shape
    if strides[-1] != 1 or any(
        strides[i] != strides[i + 1] * shape[i + 1] for i in range(len(shape) - 2)
    ):
        return None
    return strides[0] if strides[-2] == shape[-1] or (ours and strides[-2] > shape[-1]) else None


def _write_flat(body: Body, low: Value, high: Value, pitch: int) -> None:
    w = body.w
    flat = FlatBody(w, body.kernel, body.views, body.origins, body.pointers, body.lanes)
    write_line(flat, w.mul(low, index(pitch)), w.mul(high, index(pitch)))


class FlatBody(Body):
    """A body whose axes are one: memory without gaps, or with gaps that are run through too."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.rank = 1

    def _flat(self, view: View) -> View:
        strides = (1,) if any(view.strides) else (0,)
        return View(view.buffer, view.shape[:1], strides, view.offset)

    def reads(self) -> list[View]:
        return [self._flat(view) for view in super().reads()]

    def load(self, view: View, point: Point) -> Value:
        return super().load(self._flat(view), point)

    def address(self, view: View, point: Point) -> Value:
        return super().address(view if len(view.strides) == 1 else self._flat(view), point)


def _write_rows(body: Body, places: list[Place], low: Value, high: Value) -> None:
    w, depth = body.w, len(places)
    if depth < body.rank - 1:
        stop = high if depth == 0 else index(body.kernel.shape[depth])
        start = low if depth == 0 else index(0)
        if body.columns:
            start, stop = index(0), body.rows
        with w.loop(start, stop) as loop:
            inner = [*places, Place(loop.index)]
            body.hold(depth + 1, inner)
            _write_rows(body, inner, low, high)
        return
    last, lanes = body.kernel.shape[-1], body.lanes
    if body.columns:
        with w.loop(low, high, lanes) as loop:
            body.forget()
            point = Point([*places, Place(loop.index)])
            body.store(point, body.compute(point))
        body.forget()
        return
    masked = any(not v.buffer.is_ours for v in _all_views(body))
    full = last // lanes * lanes if masked else last
    if full:
        with w.loop(0, full, lanes) as loop:
            body.forget()
            point = Point([*places, Place(loop.index)])
            body.store(point, body.compute(point))
    if full < last:
        body.forget()
        point = Point([*places, Place(None, full)], w.first(lanes, last - full))
        body.store(point, body.compute(point))
    body.forget()
