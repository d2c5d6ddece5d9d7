"""Matrix products in machine code, with the element-wise nodes after them in the same loops.

Answers for kernels of kind ``product``: leading axes, one row, one column, sums of one number. Not
for: many rows and columns (``tiles``), or other sums (``reductions``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from limpide.engines.native.left import Left
from limpide.engines.native.maps import Body, Place, Point, write_map
from limpide.engines.native.operands import Matrices, matrices
from limpide.engines.native.places import View
from limpide.engines.native.reductions import across
from limpide.engines.native.tiles import Epilogue, Tiles
from limpide.engines.native.writer import Type, Value, Writer, constant, index
from limpide.ir import Node

_CHAINS = 4


def write_product(body: Body, low: Value, high: Value, inner: Value) -> None:
    """Write a product.

    ``low`` and ``high`` bound the first axis of the result; ``inner`` is how many numbers are
    added for each of its elements.
    """
    root = body.kernel.root
    assert root is not None
    given = matrices(*(body.views[id(n)] for n in root.inputs))
    if 0 in body.kernel.shape:
        return
    if given.k == 1 and given.m > 1 and given.n > 1 and not given.batch and not body.orders:
        write_map(_Outer.of(body, given), low, high)
        return
    body.hold(0, [])
    _Product(body, root, given, inner).write_batch([], low, high)


class _Outer(Body):
    """A body for sums of one product each: element by element, like what follows them."""

    factors: tuple[View, View]

    @classmethod
    def of(cls, body: Body, given: Matrices) -> _Outer:
        outer = cls(body.w, body.kernel, body.views, body.origins, body.pointers, body.lanes)
        outer.columns, outer.rows = body.columns, body.rows
        shape = (given.m, given.n)
        outer.factors = (
            View(given.a.buffer, shape, (given.a_strides[0], 0), given.a.offset),
            View(given.b.buffer, shape, (0, given.b_strides[1]), given.b.offset),
        )
        return outer

    def reads(self) -> list[View]:
        return [*super().reads(), *self.factors]

    def compute(self, point: Point, given: Mapping[int, Value] | None = None) -> dict[int, Value]:
        assert self.kernel.root is not None
        a, b = (self.load(view, point) for view in self.factors)
        total = self.w.fma(a, b, constant(a.type, 0))
        return super().compute(point, {id(self.kernel.root): total})


class _Product:
    """The loops of one product."""

    def __init__(self, body: Body, root: Node, given: Matrices, inner: Value) -> None:
        self.body, self.given, self.inner = body, given, inner
        self.end = Epilogue(body, root)
        self.w = body.w
        self.lanes = body.lanes
        element = given.a.element
        self.element = element
        self.scalar = Type(element)
        self.vector = Type(element, body.lanes)

    # Leading axes -----------------------------------------------------------------------------

    def write_batch(self, places: list[Place], low: Value, high: Value) -> None:
        given, w = self.given, self.w
        depth = len(places)
        if depth < len(given.batch):
            stop = high if depth == 0 else index(given.batch[depth][0])
            start = low if depth == 0 else index(0)
            with w.loop(start, stop) as loop:
                self.write_batch([*places, Place(loop.index)], low, high)
            return
        if given.batch:
            low, high = index(0), index(given.m if given.m > 1 else given.n)
        start = self._start(given.a, [s for _, s, _ in given.batch], places)
        order = self.body.orders.get(id(given.a.buffer))
        a = Left(w, self.element, start, given.a_strides, order)
        b = self._start(given.b, [s for _, _, s in given.batch], places)
        (step_m, step_k), (b_step_k, _) = given.a_strides, given.b_strides
        if given.n != 1 and given.m != 1:
            tiles = Tiles(self.end, given, places, a, b, self.inner)
            write = tiles.write_columns if self.body.columns else tiles.write
            write(low, high)
        elif given.n != 1:
            lines = Left(w, self.element, b, (1, b_step_k), None)
            self._write_line(places, (start, step_k), lines, given.b.buffer.is_ours, low, high)
        elif given.m > 1 and step_m == 1:
            self._write_line(places, (b, b_step_k), a, given.a.buffer.is_ours, low, high)
        else:
            self._write_dots(places, a, b, low, high)

    def _start(self, view: View, strides: Sequence[int], places: Sequence[Place]) -> Value:
        w = self.w
        pointer = w.at(self.body.pointers[id(view.buffer)], view.offset, self.element)
        for place, stride in zip(places, strides, strict=True):
            if stride and place.base is not None:
                pointer = w.at(pointer, w.mul(place.base, index(stride)), self.element)
        return pointer

    # One row, or one column of memory that lies along it --------------------------------------

    def _write_line(
        self,
        places: list[Place],
        factors: tuple[Value, int],
        lines: Left,
        ours: bool,
        low: Value,
        high: Value,
    ) -> None:
        """Give Σ over k of factor k times column k of the lines: vectors lie along them."""
        w, lanes = self.w, self.lanes
        masked = (self.end.is_masked or not ours) and lanes > 1
        wide = 8 * lanes
        length = w.sub(high, low)
        middle = w.add(low, w.binary("and", length, index(-wide)))
        stop = w.add(low, w.binary("and", length, index(-lanes))) if masked else high
        for count, start, end in ((8, low, middle), (1, middle, stop)):
            with w.loop(start, end, count * lanes) as loop:
                self._write_line_block(places, factors, lines, Place(loop.index), count, None)
        if masked:
            rest = w.sub(high, stop)
            with w.when(w.compare("sgt", rest, index(0))):
                mask = w.first(lanes, rest)
                self._write_line_block(places, factors, lines, Place(stop), 1, mask)
        self.body.forget()

    def _write_line_block(
        self,
        places: list[Place],
        factors: tuple[Value, int],
        lines: Left,
        at: Place,
        count: int,
        mask: Value | None,
    ) -> None:
        w, lanes = self.w, self.lanes
        factor, factor_step = factors
        zero = constant(self.vector, 0)
        with w.loop(index(0), self.inner, carried=[zero] * count) as loop:
            place = w.mul(loop.index, index(factor_step))
            left = w.splat(w.load(self.scalar, w.at(factor, place, self.element)), lanes)
            row = w.at(lines.column(loop.index), at.value(w), self.element)
            loop.next = [
                w.fma(left, w.load(self.vector, w.at(row, v * lanes, self.element), mask), carried)
                for v, carried in enumerate(loop.carried)
            ]
        self.body.forget()
        if self.end.is_long(count):
            memory = w.local(self.vector, count)
            for v, total in enumerate(loop.results):
                w.store(total, w.at(memory, v * lanes, self.element))
            with w.loop(0, count * lanes, lanes) as along:
                self.body.forget()
                total = w.load(self.vector, w.at(memory, along.index, self.element))
                self.end.write(Point([*places, Place(w.add(at.value(w), along.index))]), total)
        else:
            for v, total in enumerate(loop.results):
                point = Point([*places, Place(at.base, at.plus + v * lanes)], mask)
                self.end.write(point, total)
        self.body.forget()

    # One column: both operands lie along the sum ----------------------------------------------

    def _write_dots(self, places: list[Place], a: Left, b: Value, low: Value, high: Value) -> None:
        """Give the product of each row with one vector; the rows' results lie along the lanes."""
        if self.given.m == 1:
            self.end.write(Point(places), self._dot(a.row(index(0)), b))
            return
        w, lanes = self.w, self.lanes
        memory = w.local(self.vector, 1)
        with w.loop(low, high, lanes) as loop:
            stop = w.intrinsic("smin", w.add(loop.index, index(lanes)), high)
            with w.loop(loop.index, stop) as rows:
                row = a.row(rows.index)
                place = w.sub(rows.index, loop.index)
                w.store(self._dot(row, b), w.at(memory, place, self.element))
            self.body.forget()
            mask = None
            if lanes > 1 and self.end.is_masked:
                mask = w.first(lanes, w.sub(stop, loop.index))
            total = w.load(self.vector, memory)
            self.end.write(Point([*places, Place(loop.index)], mask), total)
        self.body.forget()

    def _dot(self, a: Value, b: Value) -> Value:
        """Give the product of two lines, in a few sums side by side."""
        w = self.w
        lanes = w.target.lanes(self.scalar.bits // 8)
        while lanes > 1 and lanes // 2 >= self.given.k:
            lanes //= 2
        vector = Type(self.element, lanes)
        zero = constant(vector, 0)
        total, done = zero, index(0)

        def step(place: Value, carried: Value, mask: Value | None) -> Value:
            left = w.load(vector, w.at(a, place, self.element), mask)
            right = w.load(vector, w.at(b, place, self.element), mask)
            return w.fma(left, right, carried)

        if self.given.k >= _CHAINS * lanes:
            jump = lanes * _CHAINS
            done = w.binary("and", self.inner, index(-jump))
            with w.loop(index(0), done, jump, carried=[zero] * _CHAINS) as loop:
                places = [w.add(loop.index, index(c * lanes)) for c in range(_CHAINS)]
                pairs = zip(places, loop.carried, strict=True)
                loop.next = [step(place, carried, None) for place, carried in pairs]
            total = _together(w, list(loop.results))
        with w.loop(done, self.inner, lanes, carried=[total]) as loop:
            mask = w.first(lanes, w.sub(self.inner, loop.index)) if lanes > 1 else None
            loop.next = [step(loop.index, loop.carried[0], mask)]
        return across(w, loop.results[0], Writer.fadd)


def _together(w: Writer, values: list[Value]) -> Value:
    while len(values) > 1:
        pairs = zip(values[::2], values[1::2], strict=True)
        values = [w.fadd(a, b) for a, b in pairs]
    return values[0]
