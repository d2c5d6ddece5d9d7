"""The plane of two inputs: axes with ticks, points of data, a legend beside it.

Answers for what the pictures of boundaries and of a neuron's line share. Not for: regions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from limpide.errors import DataError, ShapeError
from limpide.explain.diagrams.diagram import N_CLASSES
from limpide.explain.diagrams.svg import LINE, Svg, join, place, tag, text, text_width
from limpide.ir import Array
from limpide.languages import Words

SIDE = 384.0  # of the plane, in units of the picture
LEFT, TOP = 66.0, 20.0
_BOTTOM = 48.0
_MOST_POINTS = 500
_DEFAULT = (-6.0, 6.0)  # where no data are given: the playground's
_ROOM = 0.08  # beyond the data, of their range


@dataclass(frozen=True)
class Plane:
    """The range of two inputs on a square."""

    low: tuple[float, float]
    high: tuple[float, float]

    def at(self, x1: float, x2: float) -> tuple[float, float]:
        """Give where a point stands in the picture."""
        across = (x1 - self.low[0]) / (self.high[0] - self.low[0])
        up = (x2 - self.low[1]) / (self.high[1] - self.low[1])
        return LEFT + SIDE * across, TOP + SIDE * (1 - up)

    def grid(self, count: int) -> Array:
        """Give the inputs at the places of a grid, row by row from the top: f64[count², 2]."""
        ones = np.linspace(self.low[0], self.high[0], count)
        twos = np.linspace(self.high[1], self.low[1], count)
        first, second = np.meshgrid(ones, twos)
        return np.stack([first.ravel(), second.ravel()], axis=1)


def plane_of(X: Array | None) -> Plane:
    """Give a plane that holds all data with some room about them."""
    if X is None:
        return Plane((_DEFAULT[0],) * 2, (_DEFAULT[1],) * 2)
    ends = [_padded(float(X[:, i].min()), float(X[:, i].max())) for i in (0, 1)]
    return Plane((ends[0][0], ends[1][0]), (ends[0][1], ends[1][1]))


def _padded(low: float, high: float) -> tuple[float, float]:
    size = max(abs(low), abs(high))
    if size > 1e150:
        raise DataError(
            f"X holds {size:g}, which is too large to be drawn. Scale it, or leave that row out."
        )
    room = max((high - low) * _ROOM, size * 1e-6, 1e-150) if high > low else max(size * 0.1, 0.5)
    return low - room, high + room


def check_two(n_inputs: int, what: str) -> None:
    """Refuse a network that is no function of the plane."""
    if n_inputs != 2:
        raise ShapeError(
            f"{what} is drawn in the plane of 2 inputs; the network takes {n_inputs}. Use "
            "net.diagram() to see it, or train one on 2 columns."
        )


def tick_values(low: float, high: float, count: int = 8) -> list[float]:
    """Give round numbers from low to high: steps of 1, 2 or 5.

    >>> tick_values(-1, 1)
    [-1.0, -0.5, 0.0, 0.5, 1.0]
    """
    rough = (high - low) / count
    power = math.floor(math.log10(rough))
    step = next(m for m in (1, 2, 5, 10) if m * 10.0**power >= rough * 0.99) * 10.0**power
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return list(dict.fromkeys(float(f"{k * step:.12g}") for k in range(first, last + 1)))


def axes(plane: Plane, words: Words) -> Svg:
    """Draw the frame of the plane, ticks, and the names of both inputs."""
    bottom, right = TOP + SIDE, LEFT + SIDE
    found = [tag("rect", x=LEFT, y=TOP, width=SIDE, height=SIDE, fill="none", class_="axis")]
    for value in tick_values(plane.low[0], plane.high[0]):
        x = plane.at(value, plane.low[1])[0]
        found.append(tag("path", d=f"M{place(x)} {place(bottom)}v5", class_="axis"))
        found.append(text(x, bottom + 18, words.number(value, 6), "small"))
    for value in tick_values(plane.low[1], plane.high[1]):
        y = plane.at(plane.low[0], value)[1]
        found.append(tag("path", d=f"M{place(LEFT)} {place(y)}h-5", class_="axis"))
        found.append(text(LEFT - 8, y + 4, words.number(value, 6), "small end"))
    found.append(text((LEFT + right) / 2, bottom + 38, "x1", "name"))
    found.append(text(16, TOP + SIDE / 2, "x2", "name"))
    return tag("g", *found, class_="axes")


@dataclass(frozen=True)
class Points:
    """Data in the plane: rows, and of each its class or level."""

    X: Array
    styles: Array  # i[n]: which class of the picture's style
    kind: str  # "c" for classes, "l" for levels

    def drawn(self, plane: Plane) -> Svg:
        """Draw the points; of more than 500 every k-th."""
        found = []
        every = max(1, -(-len(self.X) // _MOST_POINTS))
        X, styles = self.X[::every], self.styles[::every]
        for style in np.unique(styles).tolist():
            rows = X[styles == style]
            shape = style if self.kind == "c" else 0
            runs = "".join(mark(*plane.at(a, b), shape) for a, b in rows.tolist())
            class_ = f"{self.kind}{style}" + ("" if self.kind == "c" else " axis")
            found.append(tag("path", d=runs, class_=class_, data_class=style))
        return tag("g", *found, class_="points", data_count=len(self.X), data_drawn=len(X))

    def note(self, words: Words) -> str:
        """Say how many points there are, and how many are drawn."""
        drawn = len(self.X[:: max(1, -(-len(self.X) // _MOST_POINTS))])
        said = words.plural("{n} row", "{n} rows", len(self.X))
        if drawn < len(self.X):
            said += f", {words.plural('{n} drawn', '{n} drawn', drawn)}"
        return said


def mark(x: float, y: float, shape: int, size: float = 4.0) -> str:
    """Give the outline of a point: a shape of its own for each of the first four classes."""
    if shape % 4 == 1:
        return f"M{place(x - size)} {place(y - size)}h{2 * size:g}v{2 * size:g}h-{2 * size:g}z"
    if shape % 4 == 2:
        return f"M{place(x)} {place(y - 5)}l5 9h-10z"
    if shape % 4 == 3:
        return f"M{place(x)} {place(y - 5)}l5 5l-5 5l-5-5z"
    return f"M{place(x - size)} {place(y)}a4 4 0 1 0 8 0a4 4 0 1 0-8 0z"


def check_rows(X: Array, n: int, name: str) -> None:
    """Refuse targets of another number than rows."""
    if n != len(X):
        raise ShapeError(f"X has {len(X)} rows and {name} {n}; both need one entry a row.")


def class_style(number: int) -> int:
    """Give the style of a class; of very many the last ones look alike."""
    return min(number, N_CLASSES - 1)


def legend(entries: Sequence[tuple[Svg, str]], notes: Sequence[str]) -> tuple[Svg, float]:
    """Put samples with their words beside the plane; gives the picture's width too."""
    x, y, found, wide = LEFT + SIDE + 24, TOP + 12, [], 0.0
    for sample, said in entries:
        if sample:
            found.append(tag("g", sample, transform=f"translate({place(x)} {place(y - 4)})"))
        found.append(text(x + 34, y, said, "start"))
        wide = max(wide, text_width(said) + 34)
        y += LINE * 1.5
    y += LINE * 0.5
    for note in notes:
        found.append(text(x, y, note, "soft start"))
        wide = max(wide, text_width(note))
        y += LINE * 1.2
    return tag("g", join(found), class_="legend"), x + wide + 20


HEIGHT = TOP + SIDE + _BOTTOM
