"""Kernels that move numbers: copies, gathers, scatters, padding, joining; and random bits.

Answers for ops that neither compute element by element nor add up. Not for: views, which need no
code (``places``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from limpide.engines.native.places import Buffer, View, strides_of, view_of
from limpide.engines.native.plan import Kernel
from limpide.engines.native.writer import I1, I32, I64, Type, Value, Writer, constant, index
from limpide.ir import Node, uniform_value

STATUS_WORDS = 2
"""What a kernel reports: 1 + the number of the node whose index was out of range, and the index."""


class Mover:
    """Writes one kernel that moves numbers.

    ``pointers`` holds, for each buffer, the argument with its address; ``status`` is where a
    kernel notes an index out of range; ``bounds`` are those of the first axis
    of a copy.
    """

    def __init__(
        self,
        w: Writer,
        kernel: Kernel,
        views: Mapping[int, View],
        pointers: Mapping[int, Value],
        status: Value,
        number: int,
        bounds: tuple[Value, Value] | None = None,
    ) -> None:
        self.w, self.kernel, self.views, self.pointers = w, kernel, views, pointers
        self.status, self.number = status, number
        self.bounds = bounds  # of the first axis of a copy: threads share it
        self.target = kernel.stores[0][1]

    # Shared -----------------------------------------------------------------------------------

    def _address(self, view: View, places: Sequence[Value]) -> Value:
        w = self.w
        pointer = w.at(self.pointers[id(view.buffer)], view.offset, view.element)
        for place, stride in zip(places, view.strides, strict=True):
            if stride and place.name != "0":
                step = w.mul(place, index(stride)) if stride != 1 else place
                pointer = w.at(pointer, step, view.element)
        return pointer

    def _over(
        self,
        shape: Sequence[int],
        body: Callable[[list[Value]], None],
        bounds: tuple[Value, Value] | None = None,
    ) -> None:
        """Write loops over a shape around a body that gets an index an axis."""

        def loops(places: list[Value]) -> None:
            if len(places) == len(shape):
                body(places)
                return
            start, stop = index(0), index(shape[len(places)])
            if bounds is not None and not places:
                start, stop = bounds
            with self.w.loop(start, stop) as loop:
                loops([*places, loop.index])

        if all(shape):
            loops([])

    def _lanes(self, element: str, length: int) -> int:
        lanes = self.w.target.lanes(Type(element).bits // 8)
        while lanes > 1 and lanes // 2 >= length:
            lanes //= 2
        return lanes

    def _along(self, length: int, lanes: int, body: Callable[[Value, Value | None], None]) -> None:
        """Write a loop of whole vectors, then a masked rest; the body gets place and mask."""
        full = length // lanes * lanes
        if full:
            with self.w.loop(0, full, lanes) as loop:
                body(loop.index, None)
        if full < length:
            body(index(full), self.w.first(lanes, length - full))

    # Copies -----------------------------------------------------------------------------------

    def copy(self, source: View, target: View) -> None:
        """Write a copy from one view to another of the same shape."""
        if not source.shape:
            value = self.w.load(Type(source.element), self._address(source, []))
            self.w.store(value, self._address(target, []))
            return
        length = source.shape[-1]
        step, into = source.strides[-1], target.strides[-1]
        lanes = self._lanes(source.element, length) if into == 1 or length == 1 else 1
        of = Type(source.element, lanes)

        def line(places: list[Value]) -> None:
            w = self.w
            first = self._address(source, [*places, index(0)])
            second = self._address(target, [*places, index(0)])

            def part(at: Value, mask: Value | None) -> None:
                start = w.at(first, w.mul(at, index(step)), of.element)
                if step == 1 or lanes == 1:
                    value = w.load(of, start, mask)
                elif step == 0:
                    value = w.splat(w.load(Type(of.element), start), lanes)
                else:
                    numbers = Type("i64", lanes)
                    apart = w.mul(w.lane_numbers(numbers), constant(numbers, step))
                    value = w.load_apart(of, start, apart, mask)
                w.store(value, w.at(second, w.mul(at, index(into)), of.element), mask)

            self._along(length, lanes, part)

        self._over(source.shape[:-1], line)

    def _copy_matrix(self, source: View, target: View) -> None:
        """Write the copy that a kernel is: of a matrix, only the rows it is called for."""
        if self._shared is None or len(source.shape) != 2 or 0 in source.shape:
            self.copy(source, target)
            return
        w, (low, high) = self.w, self._shared
        lanes = min(8, w.target.lanes(Type(source.element).bits // 8))  # more is much more code
        turned = source.strides[0] == 1 and target.strides[1] == 1 and lanes > 1
        if not turned or min(source.shape) < lanes:
            self._copy_rows(source, target, low, high, 0)
            return
        columns = source.shape[1] // lanes * lanes
        whole = w.add(low, w.binary("and", w.sub(high, low), index(-lanes)))
        with w.loop(low, whole, lanes) as down, w.loop(0, columns, lanes) as along:
            self._turn_block(source, target, down.index, along.index, lanes)
        if columns < source.shape[1]:
            self._copy_rows(source, target, low, whole, columns)
        self._copy_rows(source, target, whole, high, 0)

    def _copy_rows(self, source: View, target: View, low: Value, high: Value, first: int) -> None:
        """Copy some rows, from a column on, one by one."""
        w = self.w
        with w.loop(low, high) as loop:
            start = self._address(source, [loop.index, index(first)])
            place = self._address(target, [loop.index, index(first)])
            tail = (source.shape[1] - first,)
            self._copy_raw(source, start, target, place, tail)

    def _copy_raw(
        self, source: View, start: Value, target: View, place: Value, shape: tuple[int, ...]
    ) -> None:
        """Copy from one address to another by the last strides of two views."""
        rank = len(shape)
        from_view = View(_part(source), shape, source.strides[len(source.strides) - rank :])
        to_view = View(_part(target), shape, target.strides[len(target.strides) - rank :])
        pointers = {id(from_view.buffer): start, id(to_view.buffer): place}
        inner = Mover(self.w, self.kernel, self.views, pointers, self.status, self.number)
        inner.copy(from_view.essential(), to_view.essential())

    def _turn_block(
        self, source: View, target: View, row: Value, column: Value, lanes: int
    ) -> None:
        """Turn a square of as many rows as there are lanes, by halves, quarters, …"""
        w, of = self.w, Type(source.element, lanes)
        start = self._address(source, [row, column])
        step = source.strides[1]
        lines = [w.load(of, w.at(start, i * step, of.element)) for i in range(lanes)]
        half = lanes // 2
        while half:
            low = [i if not i & half else lanes + i - half for i in range(lanes)]
            high = [i + half if not i & half else lanes + i for i in range(lanes)]
            for i in range(lanes):
                if not i & half:
                    a, b = lines[i], lines[i | half]
                    lines[i], lines[i | half] = w.shuffle(a, b, low), w.shuffle(a, b, high)
            half //= 2
        place = self._address(target, [row, column])
        for i, line in enumerate(lines):
            w.store(line, w.at(place, i * target.strides[0], of.element))

    def _fill_zeros(self, target: View) -> None:
        w = self.w
        zero = constant(Type(target.element), 0)

        def each(places: list[Value]) -> None:
            w.store(zero, self._address(target, places))

        if not target.shape:
            each([])
            return
        lanes = self._lanes(target.element, target.shape[-1])

        def line(places: list[Value]) -> None:
            start = self._address(target, [*places, index(0)])

            def part(at: Value, mask: Value | None) -> None:
                value = constant(Type(target.element, lanes), 0)
                w.store(value, w.at(start, at, target.element), mask)

            self._along(target.shape[-1], lanes, part)

        self._over(target.shape[:-1], line)

    # Ops --------------------------------------------------------------------------------------

    def write(self) -> None:
        """Write the kernel's op."""
        kernel = self.kernel
        if kernel.source is not None:
            self._copy_matrix(kernel.source, self.target)
            return
        assert kernel.root is not None
        MOVES[kernel.kind](self, kernel.root)

    @property
    def _shared(self) -> tuple[Value, Value] | None:
        """The rows to copy, where there is an axis around that of the vectors."""
        return self.bounds if len(self.kernel.shape) > 1 else None

    def _full_target(self, node: Node) -> View:
        """Give the view of the result with its axes of length 1."""
        steps = iter(self.target.strides)
        strides = tuple(next(steps) if n != 1 else 0 for n in node.spec.shape)
        return View(self.target.buffer, node.spec.shape, strides, self.target.offset)

    def _reshape(self, node: Node) -> None:
        """Copy in row order to another shape: through flat indices, where no view can say it."""
        source, target = self.views[id(node.inputs[0])], self._full_target(node).essential()
        w, flat = self.w, strides_of(source.shape)

        def each(places: list[Value]) -> None:
            number = index(0)
            for place, step in zip(places, strides_of(target.shape), strict=True):
                number = w.add(number, w.mul(place, index(step)))
            old = []
            for n, step in zip(source.shape, flat, strict=True):
                old.append(w.binary("urem", w.binary("udiv", number, index(step)), index(n)))
            value = w.load(Type(source.element), self._address(source, old))
            w.store(value, self._address(target, places))

        self._over(target.shape, each, self._shared)

    def _copy_view(self, node: Node) -> None:
        view = view_of(node, self.views[id(node.inputs[0])])
        if view is None:
            self._reshape(node)
        else:
            self._copy_matrix(view.essential(), self.target)

    def _concatenate(self, node: Node) -> None:
        target, start = self._full_target(node), 0
        axis = node.params["axis"]
        for part in node.inputs:
            shape = part.spec.shape
            into = View(target.buffer, shape, target.strides, target.offset + start)
            start += shape[axis] * target.strides[axis]
            if 0 not in shape:
                self.copy(self.views[id(part)].essential(), into.essential())

    def _pad(self, node: Node) -> None:
        target = self._full_target(node)
        (x,) = node.inputs
        if 0 not in target.shape:
            self._fill_zeros(target.essential())
        if 0 in x.spec.shape:
            return
        low, gaps = node.params["low"], node.params["interior"]
        offset = target.offset + sum(a * s for a, s in zip(low, target.strides, strict=True))
        strides = tuple(s * (g + 1) for s, g in zip(target.strides, gaps, strict=True))
        into = View(target.buffer, x.spec.shape, strides, offset)
        self.copy(self.views[id(x)].essential(), into.essential())

    def _checked(self, view: View, places: Sequence[Value], size: int) -> Value:
        """Load an index; one out of range is noted, and 0 taken instead."""
        w = self.w
        value = w.load(Type(view.element), self._address(view, places))
        if view.element != "i64":
            value = w.convert("sext", value, "i64")
        fits = w.compare("ult", value, index(size))
        with w.when(w.binary("xor", fits, constant(I1, True))):
            first = w.compare("eq", w.load(I64, self.status), index(0))
            with w.when(first):  # the first one is told of
                w.store(index(self.number + 1), self.status)
                w.store(value, w.at(self.status, 1, "i64"))
        return w.select(fits, value, index(0))

    def _gather(self, node: Node) -> None:
        x, indices = node.inputs
        axis, size = node.params["axis"], x.spec.shape[node.params["axis"]]
        target, source = self._full_target(node), self.views[id(x)]
        rank = indices.spec.rank
        outer = node.spec.shape[: axis + rank]

        def each(places: list[Value]) -> None:
            at = self._checked(self.views[id(indices)], places[axis:], size)
            self._copy_tail(source, [*places[:axis], at], target, places)

        if size and 0 not in node.spec.shape:
            self._over(outer, each)
        else:
            self._check_all(indices, size)

    def _check_all(self, indices: Node, size: int) -> None:
        """Look at indices by which nothing is moved: they are refused all the same."""
        view = self.views[id(indices)]

        def each(places: list[Value]) -> None:
            self._checked(view, places, size)

        self._over(indices.spec.shape, each)

    def _copy_tail(
        self, source: View, read: list[Value], target: View, written: list[Value]
    ) -> None:
        """Copy all that lies at some leading indices."""
        tail = target.shape[len(written) :]
        zeros = [index(0)] * len(tail)
        first = self._address(source, [*read, *zeros])
        second = self._address(target, [*written, *zeros])
        self._copy_raw(source, first, target, second, tail)

    def _scatter_add(self, node: Node) -> None:
        indices, updates = node.inputs
        axis, size = node.params["axis"], node.params["size"]
        target, source = self._full_target(node), self.views[id(updates)]
        if 0 not in target.shape:
            self._fill_zeros(target.essential())
        if 0 in target.shape or 0 in updates.spec.shape:
            self._check_all(indices, size)
            return
        lead, rank = axis, indices.spec.rank
        floats = node.spec.dtype in ("f32", "f64")
        w = self.w
        tail = updates.spec.shape[lead + rank :]

        def each(places: list[Value]) -> None:
            at = self._checked(self.views[id(indices)], places[lead:], size)

            def one(rest: list[Value]) -> None:
                element = Type(target.element)
                added = w.load(element, self._address(source, [*places, *rest]))
                home = self._address(target, [*places[:lead], at, *rest])
                before = w.load(element, home)
                after = w.fadd(before, added) if floats else w.add(before, added)
                w.store(after, home)

            self._over(tail, one)

        self._over(updates.spec.shape[: lead + rank], each)

    def _random_bits(self, node: Node) -> None:
        """Threefry-2x32 of (seed, stream) and (step, j): see ``limpide.rng``."""
        w, target = self.w, self._full_target(node).essential()
        seed, step = (self._word(n) for n in node.inputs)
        total = node.spec.size
        if not total:
            return
        pairs = (total + 1) // 2
        stream = constant(I32, node.params["stream"])
        if len(target.shape) <= 1 or target.strides[-2] == target.shape[-1]:
            self._bits_in_line(target, seed, stream, step, pairs, total)
            return
        lanes = self._lanes("i32", target.shape[-1])
        of = Type("i32", lanes)
        strides = strides_of(target.shape)

        def line(places: list[Value]) -> None:
            number = index(0)
            for place, stride in zip(places, strides, strict=False):
                number = w.add(number, w.mul(place, index(stride)))
            start = self._address(target, [*places, index(0)])

            def part(at: Value, mask: Value | None) -> None:
                first = w.splat(w.convert("trunc", w.add(number, at), "i32"), lanes)
                each = w.add(first, w.lane_numbers(of))
                half = constant(of, pairs)
                second = w.compare("uge", each, half)
                counter = w.select(second, w.sub(each, half), each)
                words = threefry(w, seed, stream, w.splat(step, lanes), counter)
                value = w.select(second, words[1], words[0])
                w.store(value, w.at(start, at, "i32"), mask)

            self._along(target.shape[-1], lanes, part)

        self._over(target.shape[:-1], line)

    def _bits_in_line(
        self, target: View, seed: Value, stream: Value, step: Value, pairs: int, total: int
    ) -> None:
        w = self.w
        start = w.at(self.pointers[id(target.buffer)], target.offset, "i32")
        lanes = self._lanes("i32", pairs)
        of = Type("i32", lanes)

        def part(at: Value, mask: Value | None) -> None:
            number = w.splat(w.convert("trunc", at, "i32"), lanes)
            counter = w.add(number, w.lane_numbers(of)) if lanes > 1 else number
            words = threefry(w, seed, stream, w.splat(step, lanes), counter)
            w.store(words[0], w.at(start, at, "i32"), mask)
            place = w.at(start, w.add(at, index(pairs)), "i32")
            count = w.sub(index(total - pairs), at)
            w.store(words[1], place, w.first(lanes, w.intrinsic("smax", count, index(0))))

        if lanes == 1:
            with w.loop(0, pairs) as loop:
                words = threefry(w, seed, stream, step, w.convert("trunc", loop.index, "i32"))
                w.store(words[0], w.at(start, loop.index, "i32"))
                place = w.add(loop.index, index(pairs))
                with w.when(w.compare("slt", place, index(total))):
                    w.store(words[1], w.at(start, place, "i32"))
            return
        self._along(pairs, lanes, part)

    def _word(self, node: Node) -> Value:
        number = uniform_value(node)
        if number is not None:
            return constant(I32, int(number))
        return self.w.load(I32, self._address(self.views[id(node)], [index(0)] * node.spec.rank))

    # A batch of rows --------------------------------------------------------------------------

    def rows(
        self, source: Value, order: Value, shape: tuple[int, ...], low: Value, high: Value
    ) -> None:
        """Bring rows of the caller's array together: row i of the target is row ``order[i]``."""
        w, target = self.w, self.target
        size = math.prod(shape[1:])
        inner = tuple(n for n in shape[1:] if n != 1)
        array = View(_part(target), inner, strides_of(inner))
        pitch = target.strides[0] if shape[0] != 1 else 0
        home = self.pointers[id(target.buffer)]
        with w.loop(low, high) as loop:
            row = w.load(I64, w.at(order, loop.index, "i64"))
            start = w.at(source, w.mul(row, index(size)), target.element)
            place = w.at(home, w.mul(loop.index, index(pitch)), target.element)
            self._copy_raw(array, start, target, place, inner)


def _part(view: View) -> Buffer:
    """Give what stands for a part of a view's buffer: an address and what lies there."""
    return Buffer(view.element, (), "given")


def threefry(
    w: Writer, key0: Value, key1: Value, counter0: Value, counter1: Value
) -> tuple[Value, Value]:
    """Give two words of random bits a lane: Threefry-2x32 with 20 rounds.

    Source: Salmon, Moraes, Dror & Shaw (2011), "Parallel random numbers: as easy as 1, 2, 3".
    """
    lanes = counter1.type.lanes
    parity = constant(I32, 0x1BD11BDA)
    third = w.binary("xor", w.binary("xor", key0, key1), parity)
    keys = [w.splat(key, lanes) for key in (key0, key1, third)]
    x0, x1 = w.add(counter0, keys[0]), w.add(counter1, keys[1])
    rotations = ((13, 15, 26, 6), (17, 29, 16, 24))
    for group in range(5):
        for places in rotations[group % 2]:
            x0 = w.add(x0, x1)
            left = w.binary("shl", x1, constant(x1.type, places))
            right = w.binary("lshr", x1, constant(x1.type, 32 - places))
            x1 = w.binary("xor", w.binary("or", left, right), x0)
        x0 = w.add(x0, keys[(group + 1) % 3])
        x1 = w.add(w.add(x1, keys[(group + 2) % 3]), constant(x1.type, group + 1))
    return x0, x1


MOVES: dict[str, Callable[[Mover, Node], None]] = {
    "concatenate": Mover._concatenate,
    "copy": Mover._copy_view,
    "gather": Mover._gather,
    "pad": Mover._pad,
    "random_bits": Mover._random_bits,
    "scatter_add": Mover._scatter_add,
}
"""Op → how it is written; ``copy`` is a view that takes a copy."""
