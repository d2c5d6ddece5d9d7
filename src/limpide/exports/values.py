"""What an export is written from: a network's graph in which the number of rows is left free.

Answers for ``Rows``, ``Value`` and ``Program``. Not for: making them from graphs (``free_rows``),
nor for writing files.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from limpide.ir import Array


@dataclass(frozen=True)
class Rows:
    """A size that is the number of rows, or a multiple of it.

    >>> str(Rows()), str(Rows(3))
    ('n', '3n')
    """

    times: int = 1

    def __str__(self) -> str:
        return "n" if self.times == 1 else f"{self.times}n"


Size = int | Rows
Shape = tuple[Size, ...]


@dataclass(eq=False)
class Value:
    """One value of a program: an op on earlier values, an input, an array or a constant.

    Attributes
    ----------
    op
        The name of a primitive, or of an idiom such as ``softmax``; ``input``, ``array``,
        ``constant``.
    params
        As the graph has them, with ``Rows`` for sizes that depend on the number of rows.
    shape, dtype
        ``Rows`` at most once in the shape.
    layer, name
        Which layer asked for it; for an input or an array its name.
    array
        The numbers of an array or a constant.
    trained
        Whether an array is a parameter, and no statistic.
    """

    op: str
    inputs: tuple[Value, ...]
    params: Mapping[str, Any]
    shape: Shape
    dtype: str
    layer: str = ""
    name: str = ""
    array: Array | None = None
    trained: bool = False

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def row_axis(self) -> int | None:
        """The axis that goes over the rows, None where the value is the same for all of them."""
        for axis, size in enumerate(self.shape):
            if isinstance(size, Rows):
                return axis
        return None

    @property
    def numbers(self) -> Array:
        """The numbers of an array or a constant."""
        assert self.array is not None, self.op
        return self.array

    def scalar(self) -> Array | None:
        """Give the number that fills a value known now (``2``, or 2 repeated), or None."""
        value = self.inputs[0] if self.op == "broadcast" else self
        if value.op == "constant" and value.numbers.size == 1:
            return value.numbers.reshape(())
        return None


@dataclass(eq=False)
class Program:
    """Values in running order: the rows come in as ``rows``, and ``output`` goes out.

    Attributes
    ----------
    arrays
        Parameters and statistics that the output needs, in the network's order.
    values
        All others but ``rows``, each after its inputs.
    """

    rows: Value
    arrays: list[Value]
    values: list[Value]
    output: Value

    def users(self) -> dict[int, list[Value]]:
        """Give those values that take each value, ``id(value) -> [...]``."""
        found: dict[int, list[Value]] = {}
        for value in self.values:
            for item in value.inputs:
                found.setdefault(id(item), []).append(value)
        return found

    def count(self) -> int:
        """Give how many numbers the arrays hold."""
        return sum(array.numbers.size for array in self.arrays)


def plain_size(shape: Iterable[Size]) -> int:
    """Give the product of sizes for one row, n = 1.

    >>> plain_size((Rows(2), 3))
    6
    """
    return math.prod(at_one_row(shape))


def at_one_row(shape: Iterable[Size]) -> tuple[int, ...]:
    """Give a shape for one row, n = 1."""
    return tuple(size.times if isinstance(size, Rows) else size for size in shape)


def broadcast_shape(shapes: Iterable[Shape]) -> Shape:
    """Give the shape that operands have together, by NumPy's rules.

    >>> tuple(map(str, broadcast_shape([(Rows(), 1), (4,)])))
    ('n', '4')
    """
    found: list[Size] = []
    for shape in shapes:
        found = [*[1] * (len(shape) - len(found)), *found]
        offset = len(found) - len(shape)
        for axis, size in enumerate(shape):
            if size != 1:
                found[offset + axis] = size
    return tuple(found)


def unique_names(wanted: Iterable[str], taken: Iterable[str]) -> Iterator[str]:
    """Give each name, with a number where it is taken.

    >>> list(unique_names(["x", "y", "x"], {"y"}))
    ['x', 'y_2', 'x_2']
    """
    seen = Counter(taken)
    for name in wanted:
        unique, count = name, 2
        while seen[unique]:
            unique, count = f"{name}_{count}", count + 1
        seen[unique] += 1
        yield unique
