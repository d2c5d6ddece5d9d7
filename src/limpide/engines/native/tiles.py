"""Products of many rows and columns: blocks of sums that stay in registers.

Answers for how many rows and vectors a block has, in which order blocks are taken, and for long
sums in stretches. Not for: one row, one column, or what a product is (``products``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from limpide.engines.native.elements import COSTLY
from limpide.engines.native.left import Left
from limpide.engines.native.maps import Body, Place, Point
from limpide.engines.native.operands import Matrices
from limpide.engines.native.places import View
from limpide.engines.native.writer import Type, Value, Writer, constant, index
from limpide.ir import Node

_INLINE = 96  # at most so many element-wise ops are written after one block of sums
_DEEP = 512  # longer sums are added in stretches …
_STRETCH = 256  # … of about so many numbers
_TALL = 256  # rows whose sums wait between two stretches
_NEAR = 1 << 18  # bytes of a right matrix that a core's own cache keeps
_FAR = 1 << 20  # bytes of results that it does not …
_LATER, _LINE = 2, 64  # … of which the rows so far ahead are asked for, by lines of so many bytes


@dataclass(frozen=True)
class Columns:
    """Some vectors of columns: where they start, how many, and how much the last one holds.

    ``rest`` is 0 where that one is whole, or where what lies behind it may be touched.
    """

    start: Place
    width: int
    rest: int = 0


class Epilogue:
    """What follows the sums of a product: its element-wise nodes and stores."""

    def __init__(self, body: Body, root: Node) -> None:
        self.body, self.root = body, root

    def write(self, point: Point, total: Value) -> None:
        """Write them for sums that are done."""
        values = self.body.compute(point, {id(self.root): total})
        self.body.store(point, values)

    @property
    def is_masked(self) -> bool:
        """Whether the end of a row has to be minded in what is read and written."""
        views = [*self.body.reads(), *(v for _, v in self.body.kernel.stores)]
        return any(not v.buffer.is_ours for v in views)

    def is_long(self, count: int) -> bool:
        """Whether it is too much to be written once for each of ``count`` sums."""
        nodes = self.body.kernel.nodes
        return count > 1 and (
            any(n.op.name in COSTLY for n in nodes) or len(nodes) * count > _INLINE
        )

    @property
    def nbytes(self) -> int:
        """How many bytes are read and written, a number for each sum."""
        return sum(view.buffer.nbytes for view in self._views())

    def _views(self) -> list[View]:
        """Give what is read and written, a number for each sum, of each buffer one."""
        views = [*self.body.reads(), *(v for _, v in self.body.kernel.stores)]
        return list(
            {id(v.buffer): v for v in views if len(v.shape) > 1 and all(v.strides)}.values()
        )

    def expect(self, point: Point, nbytes: int) -> None:
        """Ask for so many bytes of each from a point on."""
        w = self.body.w
        for view in self._views():
            first = self.body.address(view, point)
            for start in range(0, nbytes, _LINE):
                w.prefetch(first, start)


class Tiles:
    """The loops of one product ``[m, k] @ [k, n]``, m and n above 1.

    Parameters
    ----------
    places
        Where the leading axes are.
    a, b
        The left matrix, and the address of the right one.
    inner
        How many numbers each sum has.
    """

    def __init__(
        self,
        end: Epilogue,
        given: Matrices,
        places: Sequence[Place],
        a: Left,
        b: Value,
        inner: Value,
    ) -> None:
        self.end, self.body, self.given = end, end.body, given
        self.places, self.a, self.b, self.inner = places, a, b, inner
        self.w: Writer = self.body.w
        self.lanes, self.element = self.body.lanes, given.a.element
        self.scalar, self.vector = Type(self.element), Type(self.element, self.lanes)

    # The order of blocks ----------------------------------------------------------------------

    def write(self, low: Value, high: Value) -> None:
        """Write the rows from ``low`` to ``high``."""
        if self._streams:
            self._write_across(low, high)
            return
        for columns in self._columns():
            self._write_down(low, high, columns)

    def write_columns(self, low: Value, high: Value) -> None:
        """Write all rows of the columns from ``low`` to ``high``, two vectors at a time."""
        w, pair = self.w, 2 * self.lanes
        parts = [(2, low, high)]
        if -(-self.given.n // self.lanes) % 2:  # the last one has no other beside it
            middle = w.add(low, w.binary("and", w.sub(high, low), index(-pair)))
            parts = [(2, low, middle), (1, middle, high)]
        for width, start, stop in parts:
            with w.loop(start, stop, width * self.lanes) as loop:
                self._write_down(index(0), self.body.rows, Columns(Place(loop.index), width))

    @property
    def _streams(self) -> bool:
        """Whether what is read and written after the sums outgrows a core's caches."""
        right = self.given.k * self.given.n * self.scalar.bits // 8
        return self.given.k <= _DEEP and right <= _NEAR and self.end.nbytes >= _FAR

    def _write_across(self, low: Value, high: Value) -> None:
        """Write a few rows at a time over all columns: results in the order of memory."""
        rows = self._rows(max(width for width, _ in self._widths()))
        for size, start, stop in self._row_blocks(low, high, rows):
            with self.w.loop(start, stop, size) as loop:
                for columns in self._columns():
                    self._write_tile(Place(loop.index), size, columns)

    def _write_down(self, low: Value, high: Value, columns: Columns) -> None:
        """Write all rows of a few vectors of columns."""
        if self.given.k > _DEEP:
            self._write_deep(low, high, columns)
            return
        for size, start, stop in self._row_blocks(low, high, self._rows(columns.width)):
            with self.w.loop(start, stop, size) as loop:
                last = high if size > 1 else None
                self._write_tile(Place(loop.index), size, columns, last)

    def _columns(self) -> Iterator[Columns]:
        """Run through the columns, in a loop for all blocks that are alike."""
        n, lanes, first = self.given.n, self.lanes, 0
        minds_the_end = self.end.is_masked or not self.given.b.buffer.is_ours
        for width, count in self._widths():
            last_block = (first + count * width) * lanes >= n
            partial = last_block and n % lanes != 0 and minds_the_end
            whole = count - 1 if partial else count
            if whole:
                stop = (first + whole * width) * lanes
                with self.w.loop(first * lanes, stop, width * lanes) as loop:
                    yield Columns(Place(loop.index), width)
            if partial:
                yield Columns(Place(None, (first + whole * width) * lanes), width, n % lanes)
            first += count * width

    def _widths(self) -> list[tuple[int, int]]:
        """Give how many vectors blocks of columns have, and how many blocks: nearly equal ones."""
        vectors = -(-self.given.n // self.lanes)
        blocks = -(-vectors // self._widest)
        few, more = vectors // blocks, vectors % blocks
        return [(w, n) for w, n in ((few + 1, more), (few, blocks - more)) if w and n]

    @property
    def _widest(self) -> int:
        """How many vectors a block has at most: sums for as many rows must fit beside them."""
        if self.w.target.registers < 32:
            return 2
        return 3 if self.given.k > _DEEP else 4

    def _rows(self, width: int) -> int:
        """Give how many rows a block has: registers hold rows · width sums, a row of b, a factor.

        Sixteen sums are enough to keep two multipliers busy, and blocks that divide sixteen leave
        no row over where threads part a batch; packed ones have more, to read less.
        """
        many = self.w.target.registers >= 32
        rows = {1: 8, 2: 8, 3: 8, 4: 4}[width] if many else {1: 8, 2: 6}[width]
        return min(rows, max(self.given.m, 1))

    def _row_blocks(self, low: Value, high: Value, rows: int) -> list[tuple[int, Value, Value]]:
        """Give whole blocks of rows, then what is left row by row: (size, first, last)."""
        w = self.w
        if rows == 1:
            return [(1, low, high)]
        blocks = w.binary("sdiv", w.sub(high, low), index(rows))
        middle = w.add(low, w.mul(blocks, index(rows)))
        return [(rows, low, middle), (1, middle, high)]

    # One block --------------------------------------------------------------------------------

    def _write_tile(
        self, row: Place, rows: int, columns: Columns, last: Value | None = None
    ) -> None:
        """Write the sums of a block, and what follows them.

        ``last`` is where the rows end, of which the next ones are asked for ahead.
        """
        w = self.w
        b = w.at(self.b, columns.start.value(w), self.element)
        if self.a.named == 0 and last is not None and columns.width > 1:
            nbytes = self.given.k * self.scalar.bits // 8
            self.a.expect(w.add(row.value(w), index(rows)), rows, last, nbytes)
        zeros = [constant(self.vector, 0)] * (rows * columns.width)
        pitch = self.given.b_strides[0]
        sums = self._write_sums(self.a, b, pitch, row, columns, (index(0), self.inner), zeros)
        self._finish_tile(sums, row, rows, columns)

    def _write_sums(
        self,
        a: Left,
        b: Value,
        pitch: int,
        row: Place,
        columns: Columns,
        bounds: tuple[Value, Value],
        sums: Sequence[Value],
    ) -> list[Value]:
        """Add the products of some rows and vectors of columns to sums in registers.

        ``pitch`` is how far apart the rows of b are.
        """
        w, lanes, width = self.w, self.lanes, columns.width
        rows = len(sums) // width
        addresses = a.rows(row.value(w), rows)
        masks: list[Value | None] = [None] * width
        if columns.rest:
            masks[-1] = w.first(lanes, columns.rest)
        with w.loop(*bounds, carried=sums) as loop:
            b_row = w.at(b, w.mul(loop.index, index(pitch)), self.element)
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

    def _finish_tile(self, sums: Sequence[Value], row: Place, rows: int, columns: Columns) -> None:
        """Write what follows the sums of a block: once for each register, or in a loop."""
        w, lanes, width, start = self.w, self.lanes, columns.width, columns.start
        self.body.forget()
        if self.end.is_long(rows * width):
            memory = w.local(self.vector, rows * width)
            for i, value in enumerate(sums):
                w.store(value, w.at(memory, i * lanes, self.element))
            self._finish_rows(memory, row.value(w), index(rows), columns)
            return
        mask = w.first(lanes, columns.rest) if columns.rest else None
        for r in range(rows):
            for v in range(width):
                at = [Place(row.base, row.plus + r), Place(start.base, start.plus + v * lanes)]
                point = Point([*self.places, *at], mask if v == width - 1 else None)
                self.end.write(point, sums[r * width + v])
        self.body.forget()

    def _finish_rows(self, memory: Value, first: Value, rows: Value, columns: Columns) -> None:
        """Run through sums that were put down, a vector at a time."""
        w, lanes, width, start = self.w, self.lanes, columns.width, columns.start
        full = width - 1 if columns.rest else width
        with w.loop(index(0), rows) as down:
            at_row = Place(w.add(first, down.index))
            if self.end.nbytes >= _FAR:
                later = Place(at_row.base, _LATER)
                nbytes = width * lanes * self.vector.bits // 8
                self.end.expect(Point([*self.places, later, start]), nbytes)
            line = w.at(memory, w.mul(down.index, index(width * lanes)), self.element)
            if full:
                with w.loop(0, full) as along:
                    place = w.mul(along.index, index(lanes))
                    total = w.load(self.vector, w.at(line, place, self.element))
                    self.body.forget()
                    at_column = Place(w.add(start.value(w), place))
                    self.end.write(Point([*self.places, at_row, at_column]), total)
            if columns.rest:
                self.body.forget()
                total = w.load(self.vector, w.at(line, full * lanes, self.element))
                at_column = Place(start.base, start.plus + full * lanes)
                mask = w.first(lanes, columns.rest)
                self.end.write(Point([*self.places, at_row, at_column], mask), total)
        self.body.forget()

    # Long sums --------------------------------------------------------------------------------

    def _write_deep(self, low: Value, high: Value, columns: Columns) -> None:
        """Write long sums in stretches, so that what they read stays in the nearest caches.

        The sums of many rows are put down between two stretches; each is still one chain in the
        order of k.
        """
        w, width = self.w, columns.width
        memory = w.local(self.vector, _TALL * width)
        packed = w.local(self.vector, _STRETCH * width)
        b = w.at(self.b, columns.start.value(w), self.element)
        count = -(-self.given.k // _STRETCH)
        stretch = -(-self.given.k // count)
        with w.loop(low, high, _TALL) as tall:
            stop = w.intrinsic("smin", w.add(tall.index, index(_TALL)), high)
            with w.loop(index(0), self.inner, stretch) as deep:
                end = w.intrinsic("smin", w.add(deep.index, index(stretch)), self.inner)
                self._pack(b, packed, deep.index, end, columns)
                self._add_stretch(packed, memory, deep.index, end, (tall.index, stop), columns)
            self._finish_rows(memory, tall.index, w.sub(stop, tall.index), columns)

    def _add_stretch(
        self,
        packed: Value,
        memory: Value,
        start: Value,
        end: Value,
        rows: tuple[Value, Value],
        columns: Columns,
    ) -> None:
        """Add the products of a stretch to the sums of some rows, which lie in memory."""
        w, lanes, width = self.w, self.lanes, columns.width
        begun = w.compare("ne", start, index(0))
        whole = Columns(columns.start, width)  # a copy has no end to mind
        line, bounds = self.a.after(start), (index(0), w.sub(end, start))
        for size, first, last in self._row_blocks(*rows, self._rows(width)):
            with w.loop(first, last, size) as loop:
                place = w.mul(w.sub(loop.index, rows[0]), index(width * lanes))
                home = w.at(memory, place, self.element)
                sums = []
                for i in range(size * width):
                    value = w.load(self.vector, w.at(home, i * lanes, self.element))
                    sums.append(w.select(begun, value, constant(self.vector, 0)))
                row, pitch = Place(loop.index), width * lanes
                sums = self._write_sums(line, packed, pitch, row, whole, bounds, sums)
                for i, value in enumerate(sums):
                    w.store(value, w.at(home, i * lanes, self.element))

    def _pack(self, b: Value, packed: Value, start: Value, stop: Value, columns: Columns) -> None:
        """Copy a stretch of a few columns of b to memory without gaps."""
        w, lanes, width, rest = self.w, self.lanes, columns.width, columns.rest
        with w.loop(start, stop) as loop:
            row = w.at(b, w.mul(loop.index, index(self.given.b_strides[0])), self.element)
            place = w.mul(w.sub(loop.index, start), index(width * lanes))
            home = w.at(packed, place, self.element)
            for v in range(width):
                mask = w.first(lanes, rest) if rest and v == width - 1 else None
                value = w.load(self.vector, w.at(row, v * lanes, self.element), mask)
                w.store(value, w.at(home, v * lanes, self.element))
