"""Sums and maxima in machine code, with the element-wise nodes before them in the same loops.

Answers for kernels of kind ``reduce``: the order in which numbers are added depends on shapes and
the vector width alone. Not for: sums inside of products (``products``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from limpide.engines.native import elements
from limpide.engines.native.elements import COSTLY
from limpide.engines.native.maps import Body, Place, Point
from limpide.engines.native.writer import Type, Value, Writer, constant, index
from limpide.ir import Node

_CHAINS = 4  # sums that grow side by side: additions wait for each other otherwise
_BLOCK = 128  # trips after which a sum is put away into a wider one


@dataclass
class _Fold:
    """How two numbers become one."""

    node: Node
    combine: Callable[[Writer, Value, Value], Value]
    neutral: float | int

    @property
    def wide(self) -> bool:
        """Whether partial sums are kept in float64."""
        return self.node.op.name == "sum" and self.node.spec.dtype == "f32"

    def start(self, of: Type) -> Value:
        return constant(of, self.neutral)


def _fold_of(node: Node) -> _Fold:
    dtype = node.inputs[0].spec.dtype
    floats = dtype in ("f32", "f64")
    if node.op.name == "sum":
        return _Fold(node, lambda w, a, b: w.fadd(a, b) if floats else w.add(a, b), 0)
    if floats:
        return _Fold(node, lambda w, a, b: w.intrinsic("maximum", a, b), -float("inf"))
    if dtype == "u32":
        return _Fold(node, lambda w, a, b: w.intrinsic("umax", a, b), 0)
    lowest = -(2 ** (31 if dtype == "i32" else 63))
    return _Fold(node, lambda w, a, b: w.intrinsic("smax", a, b), lowest)


def reduced_axes(root: Node) -> tuple[int, ...]:
    """Give which axes of the input, those of length 1 left out, a reduction runs over."""
    shape = root.inputs[0].spec.shape
    return tuple(
        sum(n != 1 for n in shape[:axis])
        for axis in sorted(root.params["axis"])
        if shape[axis] != 1
    )


def write_reduction(body: Body, low: Value, high: Value, first: Value) -> None:
    """Write a reduction.

    ``low`` and ``high`` bound the first axis of the result; ``first`` is the length of the first
    axis of the input.
    """
    root = body.kernel.root
    assert root is not None
    axes = reduced_axes(root)
    body.hold(0, [])
    if not axes:
        _write_nothing_reduced(body, root, low, high)
        return
    shape: list[Value] = [first, *(index(n) for n in body.kernel.shape[1:])]
    kept = [axis for axis in range(body.rank) if axis not in axes]
    reducer = _Reducer(body, root, _fold_of(root), list(axes), shape)
    places: list[Place] = [Place(None)] * body.rank
    reducer.write_kept(kept, places, low, high)


def _write_nothing_reduced(body: Body, root: Node, low: Value, high: Value) -> None:
    """A sum over axes of length 1: each element is its own sum."""
    w = body.w
    scalar = Body(w, body.kernel, body.views, body.origins, body.pointers, 1)

    def at(places: list[Place]) -> None:
        scalar.forget()
        point = Point(places)
        values = scalar.compute(point)
        values[id(root)] = scalar.value(root.inputs[0], point, values)
        scalar.store(point, values)

    def loops(places: list[Place]) -> None:
        depth = len(places)
        if depth == body.rank:
            at(places)
            return
        start, stop = (low, high) if depth == 0 else (index(0), index(body.kernel.shape[depth]))
        with w.loop(start, stop) as loop:
            loops([*places, Place(loop.index)])

    loops([])


class _Reducer:
    """The loops of one reduction."""

    def __init__(
        self, body: Body, root: Node, fold: _Fold, axes: list[int], shape: list[Value]
    ) -> None:
        self.body, self.root, self.fold, self.axes, self.shape = body, root, fold, axes, shape
        self.w = body.w
        self.costly = any(n.op.name in COSTLY for n in body.kernel.nodes)
        self.across = body.rank - 1 in axes  # whether lanes are added together
        self.masked = any(not v.buffer.is_ours for v in body.reads())
        self.stores_masked = any(not v.buffer.is_ours for _, v in body.kernel.stores)

    def write_kept(self, kept: list[int], places: list[Place], low: Value, high: Value) -> None:
        """Write loops over the axes that stay, around the loops that add."""
        self._kept_loops(kept, 0, places, low, high)

    def _kept_loops(
        self, kept: list[int], at: int, places: list[Place], low: Value, high: Value
    ) -> None:
        w, body = self.w, self.body
        if at == len(kept):
            self._write_result(kept, places, None)
            return
        axis = kept[at]
        start, stop = (low, high) if at == 0 else (index(0), self.shape[axis])
        if axis == body.rank - 1:
            self._kept_line(kept, places, start, stop)
            return
        with w.loop(start, stop) as loop:
            inner = list(places)
            inner[axis] = Place(loop.index)
            self._kept_loops(kept, at + 1, inner, low, high)

    def _kept_line(self, kept: list[int], places: list[Place], start: Value, stop: Value) -> None:
        """Lanes side by side, each with a sum of its own."""
        w, lanes = self.w, self.body.lanes
        masked = (self.masked or self.stores_masked) and lanes > 1
        full = stop
        if masked:
            length = w.sub(stop, start)
            full = w.add(start, w.binary("and", length, index(-lanes)))
        with w.loop(start, full, lanes) as loop:
            inner = [*places[:-1], Place(loop.index)]
            self._write_result(kept, inner, None)
        if masked:
            rest = w.sub(stop, full)
            with w.when(w.compare("sgt", rest, index(0))):
                self._write_result(kept, [*places[:-1], Place(full)], w.first(lanes, rest))

    def _write_result(self, kept: list[int], places: list[Place], mask: Value | None) -> None:
        body = self.body
        body.forget()
        lanes = 1 if self.across else body.lanes
        total = self._over(self.axes, places, mask)
        if self.across:
            total = across(self.w, total, self.fold.combine)
        body.forget()
        point = Point([places[axis] for axis in kept], mask)
        writer = Body(self.w, body.kernel, body.views, body.origins, body.pointers, lanes)
        writer.store(point, {id(self.root): total})

    # The loops that add -----------------------------------------------------------------------

    def _type(self) -> Type:
        return elements.register_type(self.root, self.body.lanes)

    def _over(self, axes: Sequence[int], places: list[Place], mask: Value | None) -> Value:
        """Give the sum over the axes that are left, lane by lane."""
        w = self.w
        axis = axes[0]
        if len(axes) == 1:
            if axis == self.body.rank - 1:
                return self._along_lanes(axis, places)
            return self._blocks(axis, self.shape[axis], 1, places, mask)
        start = self.fold.start(self._type())
        with w.loop(index(0), self.shape[axis], carried=[start]) as loop:
            inner = list(places)
            inner[axis] = Place(loop.index)
            part = self._over(axes[1:], inner, mask)
            loop.next = [self.fold.combine(w, loop.carried[0], part)]
        return loop.results[0]

    def _along_lanes(self, axis: int, places: list[Place]) -> Value:
        """Add vectors along the last axis, then what is left of it."""
        w, lanes, stop = self.w, self.body.lanes, self.shape[axis]
        if lanes == 1:
            return self._blocks(axis, stop, 1, places, None)
        if self.costly and self.body.kernel.shape[axis] <= _BLOCK * lanes:
            return self._masked_lanes(axis, stop, places)
        full = w.binary("and", stop, index(-lanes))
        total = self._blocks(axis, full, lanes, places, None)
        rest = w.sub(stop, full)
        # One trip or none: what lies beyond the end is replaced by what changes nothing.
        end = w.select(w.compare("sgt", rest, index(0)), w.add(full, index(1)), full)
        with w.loop(full, end, carried=[total]) as loop:
            mask = w.first(lanes, rest)
            value = self._value([*places[:-1], Place(loop.index)], mask)
            value = w.select(mask, value, self.fold.start(value.type))
            loop.next = [self.fold.combine(w, loop.carried[0], value)]
        return loop.results[0]

    def _masked_lanes(self, axis: int, stop: Value, places: list[Place]) -> Value:
        """Add vectors along the last axis, all masked: ops of much code are written once."""
        w, lanes = self.w, self.body.lanes
        nothing = self.fold.start(self._type())
        with w.loop(index(0), stop, lanes, carried=[nothing]) as loop:
            self.body.forget()
            mask = w.first(lanes, w.sub(stop, loop.index))
            value = self._value([*places[:-1], Place(loop.index)], mask)
            value = w.select(mask, value, nothing)
            loop.next = [self.fold.combine(w, loop.carried[0], value)]
        self.body.forget()
        return loop.results[0]

    def _blocks(
        self, axis: int, stop: Value, step: int, places: list[Place], mask: Value | None
    ) -> Value:
        """Add along one axis; long float32 sums are put away into float64 every so often."""
        w = self.w
        span = _BLOCK * step
        if not self.fold.wide or self.body.kernel.shape[axis] <= 4 * span:
            return self._chains(axis, index(0), stop, step, places, mask)
        start = constant(self._type().of("f64"), 0)
        with w.loop(index(0), stop, span, carried=[start]) as loop:
            end = w.intrinsic("smin", w.add(loop.index, index(span)), stop)
            part = self._chains(axis, loop.index, end, step, places, mask)
            loop.next = [w.fadd(loop.carried[0], w.convert("fpext", part, "f64"))]
        return w.convert("fptrunc", loop.results[0], "f32")

    def _chains(
        self,
        axis: int,
        start: Value,
        stop: Value,
        step: int,
        places: list[Place],
        mask: Value | None,
    ) -> Value:
        """Add along one axis in four sums side by side, and the rest in one."""
        w = self.w
        nothing = self.fold.start(self._type())
        short = self.body.kernel.shape[axis] < _CHAINS * step
        if short or self.costly:
            return self._chain(axis, start, stop, step, places, mask, nothing)
        jump = _CHAINS * step
        # Whole rounds of four: lengths are multiples of the step.
        span = w.binary("and", w.sub(stop, start), index(-jump))
        full = w.add(start, span)
        with w.loop(start, full, jump, carried=[nothing] * _CHAINS) as loop:
            self.body.forget()
            following = []
            for i, carried in enumerate(loop.carried):
                inner = list(places)
                inner[axis] = Place(loop.index, i * step)
                following.append(self.fold.combine(w, carried, self._value(inner, mask)))
            loop.next = following
        a, b, c, d = loop.results
        fold = self.fold.combine
        total = fold(w, fold(w, a, b), fold(w, c, d))
        return self._chain(axis, full, stop, step, places, mask, total)

    def _chain(
        self,
        axis: int,
        start: Value,
        stop: Value,
        step: int,
        places: list[Place],
        mask: Value | None,
        total: Value,
    ) -> Value:
        w = self.w
        with w.loop(start, stop, step, carried=[total]) as loop:
            self.body.forget()
            inner = list(places)
            inner[axis] = Place(loop.index)
            loop.next = [self.fold.combine(w, loop.carried[0], self._value(inner, mask))]
        self.body.forget()
        return loop.results[0]

    def _value(self, places: list[Place], mask: Value | None) -> Value:
        point = Point(places, mask)
        values = self.body.compute(point)
        return self.body.value(self.root.inputs[0], point, values)


def across(w: Writer, vector: Value, combine: Callable[[Writer, Value, Value], Value]) -> Value:
    """Bring the lanes of a vector into one number: halves upon halves."""
    lanes = vector.type.lanes
    while lanes > 2:
        lanes //= 2
        low = w.shuffle(vector, None, list(range(lanes)))
        high = w.shuffle(vector, None, list(range(lanes, 2 * lanes)))
        vector = combine(w, low, high)
    if lanes == 2:
        vector = combine(w, w.extract(vector, 0), w.extract(vector, 1))
    return vector
