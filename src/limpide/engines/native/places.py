"""Where values lie: buffers, and views of them by offset and strides.

Answers for which memory a node's elements are in. Not for: when memory may be used again
(``arena``), or loads and stores (``maps``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

from limpide.ir import Node

ELEMENTS = {"f32": "f32", "f64": "f64", "i32": "i32", "i64": "i64", "u32": "i32", "bool": "i8"}
BYTES = {"f32": 4, "f64": 8, "i32": 4, "i64": 8, "i8": 1}


@dataclass(eq=False)
class Buffer:
    """Memory for one value.

    Attributes
    ----------
    home
        ``"arena"``: ours, padded, of this step alone; ``"kept"``: ours, padded, from step to step;
        ``"given"``: the caller's array, row by row without gaps; its number is ``place``;
        ``"rows"``: rows of the caller's array that an order names.
    extents
        How many elements each axis takes in memory, gaps included; the last axis is contiguous.
    """

    element: str
    extents: tuple[int, ...]
    home: str
    place: int = -1
    offset: int = -1  # bytes from the start of the arena
    first: int = field(default=1 << 60)  # the first and last kernel that use it
    last: int = -1

    @property
    def nbytes(self) -> int:
        return math.prod(self.extents) * BYTES[self.element]

    @property
    def is_ours(self) -> bool:
        """Whether reading, and for a result writing, past the end of a row is harmless."""
        return self.home in ("arena", "kept")


@dataclass(frozen=True)
class View:
    """Elements of a buffer: those of an index are at ``offset + Σ index · stride``."""

    buffer: Buffer
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int = 0

    @property
    def element(self) -> str:
        return self.buffer.element

    def essential(self) -> View:
        """Leave out the axes of length 1."""
        return self._essential

    @cached_property
    def _essential(self) -> View:
        kept = [(n, s) for n, s in zip(self.shape, self.strides, strict=True) if n != 1]
        shape, strides = tuple(n for n, _ in kept), tuple(s for _, s in kept)
        return View(self.buffer, shape, strides, self.offset)


def essential(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Give a shape without its axes of length 1: what loops run over."""
    return tuple(n for n in shape if n != 1)


def strides_of(extents: tuple[int, ...]) -> tuple[int, ...]:
    """Give the strides of memory that is filled row by row."""
    result, step = [], 1
    for n in reversed(extents):
        result.append(step)
        step *= n
    return tuple(reversed(result))


def whole(buffer: Buffer, shape: tuple[int, ...]) -> View:
    """Give the view of all that a buffer holds, for a shape with axes of length 1."""
    steps = iter(strides_of(buffer.extents))
    strides = tuple(next(steps) if n != 1 else 0 for n in shape)
    return View(buffer, shape, strides)


def reshaped(view: View, shape: tuple[int, ...]) -> View | None:
    """Give the same elements in row order in another shape, or None where strides cannot say it."""
    old = [(n, s) for n, s in zip(view.shape, view.strides, strict=True) if n != 1]
    new = list(shape)
    strides = [0] * len(new)
    if 0 in new:  # no element, and so any strides
        return View(view.buffer, shape, tuple(strides), view.offset)
    i = j = 0
    while i < len(old):
        first_i, first_j = i, j
        have = old[i][0]
        i += 1
        want = 1
        while want != have:
            if want < have:
                if j == len(new):
                    return None
                want *= new[j]
                j += 1
            else:
                have *= old[i][0]
                i += 1
        group = old[first_i:i]
        for (_, s0), (n1, s1) in pairwise(group):
            if s0 != n1 * s1:
                return None
        step = group[-1][1]
        for axis in reversed(range(first_j, j)):
            strides[axis] = step if new[axis] != 1 else 0
            step *= new[axis]
    return View(view.buffer, shape, tuple(strides), view.offset)


def view_of(node: Node, source: View) -> View | None:
    """Give the view that a node of kind ``view`` is of its input's, or None: it takes a copy."""
    name, params = node.op.name, node.params
    if name == "stop_gradient":
        return source
    if name == "reshape":
        return reshaped(source, node.spec.shape)
    if name == "transpose":
        strides = tuple(source.strides[axis] for axis in params["order"])
        return View(source.buffer, node.spec.shape, strides, source.offset)
    if name == "slice":
        pairs = list(zip(source.strides, params["start"], params["step"], strict=True))
        offset = source.offset + sum(s * a for s, a, _ in pairs)
        return View(source.buffer, node.spec.shape, tuple(s * b for s, _, b in pairs), offset)
    if name == "broadcast":
        extra = len(node.spec.shape) - len(source.shape)
        same = zip(source.shape, source.strides, node.spec.shape[extra:], strict=True)
        strides = (0,) * extra + tuple(s if n == m else 0 for n, s, m in same)
        return View(source.buffer, node.spec.shape, strides, source.offset)
    raise AssertionError(f"{name} is no view")


def keeps_order(node: Node) -> bool:
    """Say whether a view holds its input's elements in the same order: only axes of 1 differ."""
    before, after = node.inputs[0].spec.shape, node.spec.shape
    if essential(before) != essential(after):
        return False
    if node.op.name == "transpose":
        moved = [axis for axis in node.params["order"] if before[axis] != 1]
        return moved == sorted(moved)
    return True
