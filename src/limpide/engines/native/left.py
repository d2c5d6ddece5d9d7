"""The left matrix of a product: by its strides, or by rows that an order names.

Answers for the addresses of its rows and columns, and for asking for them ahead. Not for: what is
multiplied (``products``, ``tiles``).
"""

from __future__ import annotations

from collections.abc import Callable

from limpide.engines.native.writer import I64, Type, Value, Writer, index

_LINE = 64  # bytes of a cache line
_EXPECTED = 512  # bytes of a row that are asked for; what follows is fetched by itself
_AHEAD = 12  # how many k ahead lines are asked for


class Left:
    """Where the left matrix is.

    ``named`` is the axis, 0 for m and 1 for k, along which row i is row ``order[i]``.
    """

    def __init__(
        self, w: Writer, element: str, pointer: Value, steps: tuple[int, int], order: Value | None
    ) -> None:
        self.w, self.element, self.pointer = w, element, pointer
        self.steps, self.order = steps, order
        self.named = -1 if order is None else (0 if steps[0] > steps[1] else 1)

    def after(self, k: Value) -> Left:
        """Give the part of it that begins at a number k."""
        w, step = self.w, self.steps[1]
        pointer, order = self.pointer, self.order
        if self.named == 1:
            assert order is not None
            order = w.at(order, k, "i64")
        else:
            pointer = w.at(pointer, w.mul(k, index(step)), self.element)
        return Left(w, self.element, pointer, self.steps, order)

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
