"""Where the texts of connections stand: on their lines, beside each other, clear of circles.

Answers for no text hiding another. Not for: which texts there are, nor drawing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from limpide.ir import Array

_STEPS = 49  # places that are tried along a line
_ROUNDS = 6
_APART = 5.0  # between texts


@dataclass(frozen=True)
class Wire:
    """A line between two nodes, and how wide and tall the text on it is."""

    start: tuple[float, float]
    end: tuple[float, float]
    width: float
    height: float


@dataclass(frozen=True)
class Box:
    """A rectangle by its middle and half its sizes."""

    x: float
    y: float
    half_width: float
    half_height: float

    def meets(self, other: Box) -> bool:
        """Say whether two rectangles have a point in common.

        >>> Box(0, 0, 5, 5).meets(Box(9, 0, 5, 5)), Box(0, 0, 5, 5).meets(Box(11, 0, 5, 5))
        (True, False)
        """
        across = abs(self.x - other.x) < self.half_width + other.half_width
        return across and abs(self.y - other.y) < self.half_height + other.half_height


def label_places(
    wires: Sequence[Wire], left: float, right: float, taken: Sequence[Box]
) -> tuple[list[Box], int]:
    """Find a place on each line for its text, between two heights of x.

    Each text is moved along its line, again and again, to where it meets the fewest others, then
    to where the fewest other lines pass under it, then near the line's start. From the same lines
    comes the same picture.

    Returns
    -------
    The texts' boxes, and how many pairs of things still meet.
    """
    if not wires:
        return [], 0
    starts = np.array([w.start for w in wires])
    ends = np.array([w.end for w in wires])
    halves = np.array([[w.width, w.height] for w in wires]) / 2 + _APART / 2
    choices = [_choices(w, left, right) for w in wires]
    fixed = np.array([[b.x, b.y, b.half_width, b.half_height] for b in taken]).reshape(-1, 4)
    crossed = [_crossings(i, choices[i], halves[i], starts, ends) for i in range(len(wires))]
    blocked = [_meeting(c, halves[i], fixed[:, :2], fixed[:, 2:]) for i, c in enumerate(choices)]
    near = np.linspace(0, 0.4, _STEPS)
    at = np.array([c[_first_choice(i, len(wires))] for i, c in enumerate(choices)])
    for _ in range(_ROUNDS):
        before = at.copy()
        for i, own in enumerate(choices):
            others = np.arange(len(wires)) != i
            met = _meeting(own, halves[i], at[others], halves[others])
            cost = 1000 * (met + blocked[i]) + 2 * crossed[i] + near
            at[i] = own[int(np.argmin(cost))]
        if np.array_equal(before, at):
            break
    boxes = [Box(*at[i], *(halves[i] - _APART / 2)) for i in range(len(wires))]
    pairs = sum(a.meets(b) for i, a in enumerate(boxes) for b in [*boxes[:i], *taken])
    return boxes, pairs


def _choices(wire: Wire, left: float, right: float) -> Array:
    """Give the places along a line at which its text stands between left and right."""
    (x0, y0), (x1, y1) = wire.start, wire.end
    xs = np.linspace(left + wire.width / 2, max(right - wire.width / 2, left), _STEPS)
    return np.stack([xs, y0 + (y1 - y0) * (xs - x0) / (x1 - x0)], axis=1)


def _first_choice(i: int, count: int) -> int:
    """Give where the search begins: spread out, so that it does not begin in a heap."""
    return (i * 7) % _STEPS if count > 1 else 0


def _meeting(places: Array, half: Array, others: Array, halves: Array) -> Array:
    """Give for each place how many other boxes a box there meets."""
    apart = np.abs(places[:, None] - others[None])
    return np.asarray((apart < half + halves[None]).all(axis=2).sum(axis=1))


def _crossings(i: int, places: Array, half: Array, starts: Array, ends: Array) -> Array:
    """Give for each place how many other lines pass under a text there, near its middle more."""
    count = np.zeros(len(places))
    for j in range(len(starts)):
        if j == i:
            continue
        slope = (ends[j, 1] - starts[j, 1]) / (ends[j, 0] - starts[j, 0])
        height = starts[j, 1] + slope * (places[:, 0] - starts[j, 0])
        reach = half[1] + abs(slope) * half[0]  # of a box that the line touches
        count += np.clip(1 - np.abs(height - places[:, 1]) / reach, 0, 1)
    return count
