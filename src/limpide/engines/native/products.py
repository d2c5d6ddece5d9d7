"""Matrix products in machine code, with the element-wise nodes after them in the same loops.

Answers for kernels of kind ``product``: which operand lies along the vectors, how many rows and
vectors a block of registers holds. Not for: other sums (``reductions``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from limpide.engines.native.elements import COSTLY
from limpide.engines.native.maps import Body, Place, Point, write_map
from limpide.engines.native.operands import Matrices, matrices
from limpide.engines.native.places import View
from limpide.engines.native.reductions import across
from limpide.engines.native.writer import I64, Type, Value, Writer, constant, index
from limpide.ir import Node

_INLINE = 96  # at most so many element-wise ops are written after one block of sums
_CHAINS = 4
_LINE = 64  # bytes of a cache line
_EXPECTED = 512  # bytes of a row that are asked for; what follows is fetched by itself
_AHEAD = 12  # how many k ahead lines are asked for
_DEEP = 512  # longer sums are added in stretches …
_STRETCH = 256  # … of about so many numbers
_TALL = 256  # rows whose sums wait between two stretches
_NEAR = 1 << 18  # bytes of a right matrix that a core's own cache keeps
_FAR = 1 << 20  # bytes of results that it does not


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


class _Left:
    """Where the left matrix is: by its strides, or by rows that an order names.

    ``named`` is the axis, 0 for m and 1 for k, along which row i is row ``order[i]``.
    """

    def __init__(
        self, w: Writer, element: str, pointer: Value, steps: tuple[int, int], order: Value | None
    ) -> None:
        self.w, self.element, self.pointer, self.steps, self.order = (
            w,
            element,
            pointer,
            steps,
            order,
        )
        self.named = -1 if order is None else (0 if steps[0] > steps[1] else 1)

    def after(self, k: Value) -> _Left:
        """Give the part of it that begins at a number k."""
        w, step = self.w, self.steps[1]
        pointer, order = self.pointer, self.order
        if self.named == 1:
            assert order is not None
            order = w.at(order, k, "i64")
        else:
            pointer = w.at(pointer, w.mul(k, index(step)), self.element)
        return _Left(w, self.element, pointer, self.steps, order)

    def _line(self, place: Value, step: int) -> Value:
        """Give the address of a named row."""
        w, order = self.w, self.order
        assert order is not None
        number = w.load(I64, w.at(order, place, "i64"))
        return w.at(self.pointer, w.mul(number, index(step)), self.element)

    def row(self, m: Value) -> Value:
        """Give the address of a row, whose numbers lie one after another."""
        if self.named == 0:
            return self._line(m, self.steps[0])
        return self.w.at(self.pointer, self.w.mul(m, index(self.steps[0])), self.element)

    def column(self, k: Value) -> Value:
        """Give the address of a column, whose numbers lie one after another."""
        if self.named == 1:
            return self._line(k, self.steps[1])
        return self.w.at(self.pointer, self.w.mul(k, index(self.steps[1])), self.element)

    def expect(self, m: Value, count: int, stop: Value, nbytes: int) -> None:
        """Ask for the beginnings of some named rows, which come from anywhere in memory."""
        w = self.w
        for r in range(count):
            place = w.intrinsic("smin", w.add(m, index(r)), w.sub(stop, index(1)))
            first = self.row(place)
            for start in range(0, min(nbytes + _LINE - 1, _EXPECTED), _LINE):
                w.prefetch(first, min(start, nbytes - 1))

    def rows(self, m: Value, count: int) -> Callable[[Value], list[Value]]:
        """Give, for some rows, what gives their addresses at a number k."""
        w, (step_m, step_k) = self.w, self.steps
        if self.named == 0:
            firsts = [self.row(w.add(m, index(r)) if r else m) for r in range(count)]
            return lambda k: [w.at(f, w.mul(k, index(step_k)), self.element) for f in firsts]
        start = w.mul(m, index(step_m))
        first = self.pointer if self.named == 1 else w.at(self.pointer, start, self.element)

        def at(k: Value) -> list[Value]:
            if self.named == 1:
                line = w.at(self._line(k, step_k), start, self.element)
            else:
                line = w.at(first, w.mul(k, index(step_k)), self.element)
                if step_m == 1 and step_k > 1:  # a turned matrix: each k is on another line
                    w.prefetch(line, _AHEAD * step_k * Type(self.element).bits // 8)
            return [w.at(line, r * step_m, self.element) for r in range(count)]

        return at


class _Product:
    """The loops of one product."""

    def __init__(self, body: Body, root: Node, given: Matrices, inner: Value) -> None:
        self.body, self.root, self.given, self.inner = body, root, given, inner
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
        a = _Left(w, self.element, start, given.a_strides, order)
        b = self._start(given.b, [s for _, _, s in given.batch], places)
        (step_m, step_k), (b_step_k, _) = given.a_strides, given.b_strides
        if given.n != 1 and given.m != 1 and self.body.columns:
            self._write_columns(places, a, b, low, high)
        elif given.n != 1 and given.m != 1:
            self._write_tiles(places, a, b, low, high)
        elif given.n != 1:
            lines = _Left(w, self.element, b, (1, b_step_k), None)
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

    def _finish(self, point: Point, total: Value) -> None:
        """Write the element-wise nodes and the stores for sums that are done."""
        values = self.body.compute(point, {id(self.root): total})
        self.body.store(point, values)

    @property
    def _masked(self) -> bool:
        """Whether the end of a row has to be minded in what is read and written after sums."""
        views = [*self.body.reads(), *(v for _, v in self.body.kernel.stores)]
        return any(not v.buffer.is_ours for v in views)

    def _is_long(self, count: int) -> bool:
        """Whether what follows ``count`` sums is too much to be written once for each."""
        nodes = self.body.kernel.nodes
        return count > 1 and (
            any(n.op.name in COSTLY for n in nodes) or len(nodes) * count > _INLINE
        )

    # Many rows and columns: blocks of registers -----------------------------------------------

    def _write_tiles(
        self, places: list[Place], a: _Left, b: Value, low: Value, high: Value
    ) -> None:
        if self._streams:
            self._write_rows_of_tiles(places, a, b, low, high)
            return
        for column, width, rest in self._column_blocks():
            self._write_column_block(places, a, b, low, high, column, width, rest)

    def _write_rows_of_tiles(
        self, places: list[Place], a: _Left, b: Value, low: Value, high: Value
    ) -> None:
        """Write a few rows at a time over all columns: results are too many for the caches, and
        so are read and written in the order of memory.
        """
        widest = max(width for width, _ in self._widths())
        rows = _rows(self.w.target.registers, widest, self.given.m)
        for size, start, stop in self._row_blocks(low, high, rows):
            with self.w.loop(start, stop, size) as loop:
                row = Place(loop.index)
                for column, width, rest in self._column_blocks():
                    self._write_tile(places, a, b, row, size, column, width, rest)

    def _column_blocks(self) -> Iterator[tuple[Place, int, int]]:
        """Run through the columns: where a block starts, its vectors, what is left of the last."""
        first = 0
        for width, count in self._widths():
            last_block = (first + count * width) * self.lanes >= self.given.n
            partial = last_block and self.given.n % self.lanes != 0 and self._minds_the_end
            whole = count - 1 if partial else count
            if whole:
                stop = (first + whole * width) * self.lanes
                with self.w.loop(first * self.lanes, stop, width * self.lanes) as loop:
                    yield Place(loop.index), width, 0
            if partial:
                start = Place(None, (first + whole * width) * self.lanes)
                yield start, width, self.given.n % self.lanes
            first += count * width

    def _widths(self) -> list[tuple[int, int]]:
        """Give how many vectors blocks of columns have, and how many blocks: nearly equal ones."""
        vectors = -(-self.given.n // self.lanes)
        deep = self.given.k > _DEEP
        blocks = -(-vectors // _widest_block(self.w.target.registers, deep))
        few, more = vectors // blocks, vectors % blocks
        return [(w, n) for w, n in ((few + 1, more), (few, blocks - more)) if w and n]

    def _write_columns(
        self, places: list[Place], a: _Left, b: Value, low: Value, high: Value
    ) -> None:
        """Write all rows of the columns from ``low`` to ``high``, two vectors at a time."""
        w, pair = self.w, 2 * self.lanes
        parts = [(2, low, high)]
        if -(-self.given.n // self.lanes) % 2:  # the last one has no other beside it
            middle = w.add(low, w.binary("and", w.sub(high, low), index(-pair)))
            parts = [(2, low, middle), (1, middle, high)]
        for width, start, stop in parts:
            with w.loop(start, stop, width * self.lanes) as loop:
                column = Place(loop.index)
                rows = (index(0), self.body.rows)
                self._write_column_block(places, a, b, *rows, column, width, 0)

    @property
    def _streams(self) -> bool:
        """Whether what is read and written after the sums outgrows a core's caches."""
        right = self.given.k * self.given.n * self.scalar.bits // 8
        return self.given.k <= _DEEP and right <= _NEAR and self._results >= _FAR

    @property
    def _results(self) -> int:
        """How many bytes are read and written after the sums, a number for each."""
        views = [*self.body.reads(), *(v for _, v in self.body.kernel.stores)]
        far = {id(v.buffer): v.buffer.nbytes for v in views if len(v.shape) > 1 and all(v.strides)}
        return sum(far.values())

    @property
    def _minds_the_end(self) -> bool:
        return self._masked or not self.given.b.buffer.is_ours

    def _write_column_block(
        self,
        places: list[Place],
        a: _Left,
        b: Value,
        low: Value,
        high: Value,
        column: Place,
        width: int,
        rest: int,
    ) -> None:
        """Write all rows of a few vectors of columns."""
        w = self.w
        rows = _rows(self.w.target.registers, width, self.given.m)
        if self.given.k > _DEEP:
            b = w.at(b, column.value(w), self.element)
            self._write_deep_block(places, a, b, low, high, column, width, rest)
            return
        for size, start, stop in self._row_blocks(low, high, rows):
            with w.loop(start, stop, size) as loop:
                row, last = Place(loop.index), high if size > 1 else None
                self._write_tile(places, a, b, row, size, column, width, rest, last)

    def _write_tile(
        self,
        places: list[Place],
        a: _Left,
        b: Value,
        row: Place,
        rows: int,
        column: Place,
        width: int,
        rest: int,
        last: Value | None = None,
    ) -> None:
        """Write the sums of a block of registers, and what follows them."""
        b = self.w.at(b, column.value(self.w), self.element)
        zeros = [constant(self.vector, 0)] * (rows * width)
        bounds = (index(0), self.inner)
        sums = self._write_sums(a, b, row, rows, width, rest, bounds, zeros, last=last)
        self._finish_tile(places, sums, row, rows, column, width, rest)

    def _row_blocks(self, low: Value, high: Value, rows: int) -> list[tuple[int, Value, Value]]:
        """Give whole blocks of rows, then what is left row by row: (size, first, last)."""
        w = self.w
        if rows == 1:
            return [(1, low, high)]
        blocks = w.binary("sdiv", w.sub(high, low), index(rows))
        middle = w.add(low, w.mul(blocks, index(rows)))
        return [(rows, low, middle), (1, middle, high)]

    def _write_sums(
        self,
        a: _Left,
        b: Value,
        row: Place,
        rows: int,
        width: int,
        rest: int,
        bounds: tuple[Value, Value],
        sums: Sequence[Value],
        pitch: int | None = None,
        last: Value | None = None,
    ) -> list[Value]:
        """Add the products of some rows and a few vectors of columns to sums in registers.

        ``pitch`` is how far apart the rows of b are, where they are a copy; ``last`` is where the
        rows end, of which the next ones are asked for ahead.
        """
        w, lanes = self.w, self.lanes
        apart = self.given.b_strides[0] if pitch is None else pitch
        addresses = a.rows(row.value(w), rows)
        if a.named == 0 and last is not None and width > 1:
            nbytes = self.given.k * self.scalar.bits // 8
            a.expect(w.add(row.value(w), index(rows)), rows, last, nbytes)
        masks: list[Value | None] = [None] * width
        if rest:
            masks[-1] = w.first(lanes, rest)
        with w.loop(*bounds, carried=sums) as loop:
            b_row = w.at(b, w.mul(loop.index, index(apart)), self.element)
            factors = addresses(loop.index)
            right = [
                w.load(self.vector, w.at(b_row, v * lanes, self.element), masks[v])
                for v in range(width)
            ]
            following: list[Value] = []
            for r in range(rows):
                left = w.splat(w.load(self.scalar, factors[r]), lanes)
                own = loop.carried[r * width : (r + 1) * width]
                following += [w.fma(left, x, total) for x, total in zip(right, own, strict=True)]
            loop.next = following
        return list(loop.results)

    def _finish_tile(
        self,
        places: list[Place],
        sums: Sequence[Value],
        row: Place,
        rows: int,
        column: Place,
        width: int,
        rest: int,
    ) -> None:
        """Write what follows the sums of a block: once for each register, or in a loop."""
        w, lanes = self.w, self.lanes
        self.body.forget()
        if self._is_long(rows * width):
            memory = w.local(self.vector, rows * width)
            for i, value in enumerate(sums):
                w.store(value, w.at(memory, i * lanes, self.element))
            self._finish_rows(places, memory, row.value(w), index(rows), column, width, rest)
            return
        mask = w.first(lanes, rest) if rest else None
        for r in range(rows):
            for v in range(width):
                at = [Place(row.base, row.plus + r), Place(column.base, column.plus + v * lanes)]
                point = Point([*places, *at], mask if v == width - 1 else None)
                self._finish(point, sums[r * width + v])
        self.body.forget()

    def _finish_rows(
        self,
        places: list[Place],
        memory: Value,
        first: Value,
        rows: Value,
        column: Place,
        width: int,
        rest: int,
    ) -> None:
        """Run through sums that were put down, a vector at a time."""
        w, lanes = self.w, self.lanes
        full = width - 1 if rest else width
        with w.loop(index(0), rows) as down:
            at_row = Place(w.add(first, down.index))
            line = w.at(memory, w.mul(down.index, index(width * lanes)), self.element)
            if full:
                with w.loop(0, full) as along:
                    start = w.mul(along.index, index(lanes))
                    total = w.load(self.vector, w.at(line, start, self.element))
                    self.body.forget()
                    at_column = Place(w.add(column.value(w), start))
                    self._finish(Point([*places, at_row, at_column]), total)
            if rest:
                self.body.forget()
                total = w.load(self.vector, w.at(line, full * lanes, self.element))
                at_column = Place(column.base, column.plus + full * lanes)
                point = Point([*places, at_row, at_column], w.first(lanes, rest))
                self._finish(point, total)
        self.body.forget()

    def _write_deep_block(
        self,
        places: list[Place],
        a: _Left,
        b: Value,
        low: Value,
        high: Value,
        column: Place,
        width: int,
        rest: int,
    ) -> None:
        """Write long sums in stretches, so that what they read stays in the nearest caches.

        The sums of a few dozen rows are put down between two stretches; each is still one chain
        in the order of k.
        """
        w, lanes = self.w, self.lanes
        rows = _rows(w.target.registers, width, self.given.m)
        memory = w.local(self.vector, _TALL * width)
        packed = w.local(self.vector, _STRETCH * width)
        count = -(-self.given.k // _STRETCH)
        stretch = -(-self.given.k // count)
        with w.loop(low, high, _TALL) as tall:
            stop = w.intrinsic("smin", w.add(tall.index, index(_TALL)), high)
            with w.loop(index(0), self.inner, stretch) as deep:
                end = w.intrinsic("smin", w.add(deep.index, index(stretch)), self.inner)
                begun = w.compare("ne", deep.index, index(0))
                self._pack(b, packed, deep.index, end, width, rest)
                line = a.after(deep.index)
                bounds = (index(0), w.sub(end, deep.index))
                for size, start, last in self._row_blocks(tall.index, stop, rows):
                    with w.loop(start, last, size) as loop:
                        place = w.mul(w.sub(loop.index, tall.index), index(width * lanes))
                        home = w.at(memory, place, self.element)
                        sums = []
                        for i in range(size * width):
                            value = w.load(self.vector, w.at(home, i * lanes, self.element))
                            sums.append(w.select(begun, value, constant(self.vector, 0)))
                        row, pitch = Place(loop.index), width * lanes
                        sums = self._write_sums(
                            line, packed, row, size, width, 0, bounds, sums, pitch
                        )
                        for i, value in enumerate(sums):
                            w.store(value, w.at(home, i * lanes, self.element))
            length = w.sub(stop, tall.index)
            self._finish_rows(places, memory, tall.index, length, column, width, rest)

    def _pack(
        self, b: Value, packed: Value, start: Value, stop: Value, width: int, rest: int
    ) -> None:
        """Copy a stretch of a few columns of b to memory without gaps."""
        w, lanes = self.w, self.lanes
        with w.loop(start, stop) as loop:
            row = w.at(b, w.mul(loop.index, index(self.given.b_strides[0])), self.element)
            place = w.mul(w.sub(loop.index, start), index(width * lanes))
            home = w.at(packed, place, self.element)
            for v in range(width):
                mask = w.first(lanes, rest) if rest and v == width - 1 else None
                value = w.load(self.vector, w.at(row, v * lanes, self.element), mask)
                w.store(value, w.at(home, v * lanes, self.element))

    # One row, or one column of memory that lies along it --------------------------------------

    def _write_line(
        self,
        places: list[Place],
        factors: tuple[Value, int],
        lines: _Left,
        ours: bool,
        low: Value,
        high: Value,
    ) -> None:
        """Give Σ over k of factor k times column k of the lines: vectors lie along them."""
        w, lanes = self.w, self.lanes
        masked = (self._masked or not ours) and lanes > 1
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
        lines: _Left,
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
        if self._is_long(count):
            memory = w.local(self.vector, count)
            for v, total in enumerate(loop.results):
                w.store(total, w.at(memory, v * lanes, self.element))
            with w.loop(0, count * lanes, lanes) as along:
                self.body.forget()
                total = w.load(self.vector, w.at(memory, along.index, self.element))
                self._finish(Point([*places, Place(w.add(at.value(w), along.index))]), total)
        else:
            for v, total in enumerate(loop.results):
                point = Point([*places, Place(at.base, at.plus + v * lanes)], mask)
                self._finish(point, total)
        self.body.forget()

    # One column: both operands lie along the sum ----------------------------------------------

    def _write_dots(self, places: list[Place], a: _Left, b: Value, low: Value, high: Value) -> None:
        """Give the product of each row with one vector; the rows' results lie along the lanes."""
        if self.given.m == 1:
            self._finish(Point(places), self._dot(a.row(index(0)), b))
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
            if lanes > 1 and self._masked:
                mask = w.first(lanes, w.sub(stop, loop.index))
            total = w.load(self.vector, memory)
            self._finish(Point([*places, Place(loop.index)], mask), total)
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


def _widest_block(registers: int, deep: bool) -> int:
    """Give how many vectors of columns a block has: sums for as many rows must fit beside them."""
    if registers < 32:
        return 2
    return 3 if deep else 4


def _rows(registers: int, width: int, m: int) -> int:
    """Give how many rows a block has: registers hold rows · width sums, a row of b, a factor.

    Sixteen sums are enough to keep two multipliers busy, and blocks that divide sixteen leave no
    row over where threads part a batch.
    """
    rows = {1: 8, 2: 8, 3: 8, 4: 4}[width] if registers >= 32 else {1: 8, 2: 6}[width]
    return min(rows, max(m, 1))
