"""What a network of two inputs says everywhere: the boundary between classes, or a map of levels.

Answers for ``Network.boundary``. Not for: axes and points (``plane``), or a
neuron's line by its weights (``neuron_line``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from limpide.errors import ArgumentError, DataError, ShapeError
from limpide.explain.diagrams.diagram import N_LEVELS, Diagram, framed
from limpide.explain.diagrams.levels import Point, regions_above
from limpide.explain.diagrams.plane import (
    HEIGHT,
    LEFT,
    SIDE,
    TOP,
    Plane,
    Points,
    axes,
    check_rows,
    check_two,
    class_style,
    legend,
    mark,
    plane_of,
)
from limpide.explain.diagrams.svg import Svg, place, tag
from limpide.ir import Array
from limpide.languages import Words, words_in

_GRID = 97  # values to a side: the lines between them are straight
Values = Callable[[Array], Array]
"""Gives the network's output f[n, outputs] for rows f64[n, 2]."""


@dataclass(frozen=True)
class _Map:
    """What is drawn in the plane, and what its legend says."""

    parts: list[Svg]
    entries: list[tuple[Svg, str]]
    told: str


def boundary_diagram(
    values: Values,
    n_inputs: int,
    output: str,
    X: Array | None = None,
    y: Array | None = None,
    *,
    language: str | None = None,
    theme: str = "auto",
) -> Diagram:
    """Draw the plane of two inputs as a network sees it.

    Parameters
    ----------
    values
        The network as a function of rows.
    output
        The name of its last activation: sigmoid and softmax tell classes.
    X, y
        Data f64[n, 2] and their targets: numbers, class numbers, or one column a class.

    Raises
    ------
    ShapeError
        For a network that has not two inputs; where X and y differ in length.
    ArgumentError
        For several outputs that are no classes.
    DataError
        For targets that are none of the network's classes.
    """
    check_two(n_inputs, "A boundary")
    words = words_in(language)
    plane = plane_of(X)
    with np.errstate(all="ignore"):
        outputs = np.asarray(values(plane.grid(_GRID)), dtype=np.float64)
    targets = None if y is None else _targets(y, X)
    drawn, points = _mapped(outputs, output, X, targets, words)
    notes = [] if points is None else [points.note(words)]
    if np.isnan(outputs).any():
        notes.append(words.say("In places the output is NaN."))
    beside, width = legend(drawn.entries, notes)
    over = [] if points is None else [points.drawn(plane)]
    return framed(
        "boundary",
        (width, HEIGHT),
        words.say("What the network says of x1 and x2"),
        " ".join([drawn.told, *notes]),
        [*drawn.parts, *over, axes(plane, words), beside],
        theme=theme,
        language=words.language,
        data_low=f"{plane.low[0]!r} {plane.low[1]!r}",
        data_high=f"{plane.high[0]!r} {plane.high[1]!r}",
    )


def _mapped(
    outputs: Array, output: str, X: Array | None, targets: Array | None, words: Words
) -> tuple[_Map, Points | None]:
    """Draw what goes with the last activation: classes, how sure of yes, or levels."""
    if outputs.shape[1] == 1:
        draw = _two_classes if output == "sigmoid" else _level_map
        return draw(outputs[:, 0], X, targets, words)
    if output not in ("softmax", "sigmoid"):
        raise ArgumentError(
            f"The network gives {outputs.shape[1]} numbers that are no classes, and a map "
            "shows one. Use a network with 1 output, or output='softmax'."
        )
    return _classes(outputs, X, targets, words)


def _targets(y: Array, X: Array | None) -> Array:
    if X is None:
        raise ArgumentError("y holds the targets of rows, and there is no X. Give X too.")
    columns = y[:, None] if y.ndim == 1 else y
    check_rows(X, len(columns), "y")
    if not np.isfinite(columns).all():
        row = int(np.argmin(np.isfinite(columns).all(axis=1)))
        raise DataError(
            f"y is not finite in row {row}, so that there is no colour for it. Leave the row out."
        )
    return columns


def path_of(lines: Sequence[Sequence[Point]]) -> str:
    """Give lines on the grid as a path in the picture."""
    scale = SIDE / (_GRID - 1)
    return "".join(
        "M" + "L".join(f"{place(LEFT + c * scale)} {place(TOP + r * scale)}" for c, r in line) + "z"
        for line in lines
    )


def _edge(lines: Sequence[Sequence[Point]]) -> str:
    """Give what of the closed lines is a boundary, not the edge of the plane."""
    scale, last, runs = SIDE / (_GRID - 1), _GRID - 1, []
    for line in lines:
        pen = False
        for a, b in zip(line, [*line[1:], line[0]], strict=True):
            along = any(a[i] == b[i] and a[i] in (0, last) for i in (0, 1))
            if along:
                pen = False
                continue
            if not pen:
                runs.append(f"M{place(LEFT + a[0] * scale)} {place(TOP + a[1] * scale)}")
            runs.append(f"L{place(LEFT + b[0] * scale)} {place(TOP + b[1] * scale)}")
            pen = True
    return "".join(runs)


def _ground(style: str) -> Svg:
    return tag("rect", x=LEFT, y=TOP, width=SIDE, height=SIDE, class_=style)


def _sample(style: str) -> Svg:
    return tag("rect", x=0, y=-7, width=26, height=13, class_=f"{style} axis")


def _classes(
    outputs: Array, X: Array | None, targets: Array | None, words: Words
) -> tuple[_Map, Points | None]:
    """Draw regions by the largest output."""
    count = outputs.shape[1]
    grid = outputs.reshape(_GRID, _GRID, count)
    parts, entries = [], []
    numbers = None
    if targets is not None:
        numbers = _class_numbers(targets, count)
    for k in range(count):
        others = np.delete(grid, k, axis=2).max(axis=2)
        lines = regions_above(grid[:, :, k] - others)
        style = class_style(k)
        parts.append(
            tag("path", d=path_of(lines), class_=f"region r{style}", fill_rule="evenodd",
                data_class=k)
        )  # fmt: skip
        parts.append(tag("path", d=_edge(lines), class_="axis thin"))
        sample = _sample(f"r{style}")
        if numbers is not None:
            sample += tag("path", d=mark(13, 0, style), class_=f"c{style}")
        entries.append((sample, words.say("class {number}", number=words.whole(k))))
    told = words.plural(
        "{n} region by the largest output, lines between them.",
        "{n} regions by the largest output, lines between them.",
        count,
    )
    return _Map(parts, entries, told), _points(X, numbers)


def _class_numbers(targets: Array, count: int) -> Array:
    """Give each row's class; a target that is none of the network's classes is refused."""
    if targets.shape[1] == count > 1:
        return np.asarray(targets.argmax(axis=1))
    numbers = targets[:, 0]
    if targets.shape[1] > 1:
        raise ShapeError(
            f"y has {targets.shape[1]} columns and the network {count} classes. Give one column a "
            "class, or class numbers."
        )
    known = (numbers >= 0) & (numbers < count) & (numbers == np.floor(numbers))
    if not known.all():
        row = int(np.argmin(known))
        raise DataError(
            f"y holds {numbers[row]:g} in row {row}; class numbers go from 0 to {count - 1}, one "
            "for each output of the network."
        )
    return numbers


def _points(X: Array | None, numbers: Array | None) -> Points | None:
    if X is None:
        return None
    classes = np.zeros(len(X), int) if numbers is None else numbers.astype(int)
    return Points(X, np.vectorize(class_style, otypes=[int])(classes), "c")


def _two_classes(
    outputs: Array, X: Array | None, targets: Array | None, words: Words
) -> tuple[_Map, Points | None]:
    """Draw how sure a sigmoid is of yes, and the line where it is 0.5."""
    grid = outputs.reshape(_GRID, _GRID)
    parts = _bands(grid, np.linspace(0, 1, N_LEVELS + 1))
    parts.append(tag("path", d=_edge(regions_above(grid, 0.5)), class_="axis thick boundary"))
    entries = _band_entries(np.linspace(0, 1, N_LEVELS + 1), words)
    entries.append((tag("path", d="M0 0h26", class_="axis thick"), f"ŷ = {words.number(0.5)}"))
    numbers = None if targets is None else (targets[:, 0] > 0.5).astype(int)
    styles = None if numbers is None else 1 - numbers  # yes is blue, as high levels are
    if numbers is not None:
        entries += [
            (tag("path", d=mark(13, 0, 0), class_="c0"), "y = 1"),
            (tag("path", d=mark(13, 0, 1), class_="c1"), "y = 0"),
        ]
    told = words.say("The output ŷ by colour, and the line where it is one half.")
    return _Map(parts, entries, told), _points(X, styles)


def _level_map(
    outputs: Array, X: Array | None, targets: Array | None, words: Words
) -> tuple[_Map, Points | None]:
    """Draw the levels of one number; the data have the colours of their targets."""
    finite = outputs[np.isfinite(outputs)]
    if finite.size == 0:
        finite = np.zeros(1)
    every = [finite] if targets is None else [finite, targets[:, 0]]
    low, high = (float(f(list(map(f, every)))) for f in (np.min, np.max))
    if not high - low > 1e-9 * max(abs(low), abs(high)):
        low, high = low - 0.5, high + 0.5
    if low < 0 < high:  # the colour that is none stands for 0
        high = max(-low, high)
        low = -high
    ends = low + (high - low) * np.linspace(0, 1, N_LEVELS + 1)
    parts = _bands(outputs.reshape(_GRID, _GRID), ends)
    points = None
    if X is not None and targets is not None:
        styles = np.clip(np.searchsorted(ends, targets[:, 0], "right") - 1, 0, N_LEVELS - 1)
        points = Points(X, styles, "l")
    elif X is not None:
        points = _points(X, None)
    told = words.say(
        "The output ŷ by colour, from {low} to {high}.",
        low=words.number(low, 4),
        high=words.number(high, 4),
    )
    return _Map(parts, _band_entries(ends, words), told), points


def _bands(grid: Array, ends: Array) -> list[Svg]:
    """Draw each level over the ones below it, so that no seams show."""
    parts = [_ground("l0")]
    for i, level in enumerate(ends[1:-1].tolist(), 1):
        lines = regions_above(grid, level)
        if lines:
            parts.append(
                tag("path", d=path_of(lines), class_=f"region l{i}", fill_rule="evenodd",
                    data_level=repr(level))
            )  # fmt: skip
    return parts


def _band_entries(ends: Array, words: Words) -> list[tuple[Svg, str]]:
    """Give the legend of levels, high ones first."""
    numbers = [words.number(value, 3) for value in ends.tolist()]
    return [
        (_sample(f"l{i}"), words.say("{low} to {high}", low=numbers[i], high=numbers[i + 1]))
        for i in reversed(range(len(ends) - 1))
    ]


def plane_and_points(X: Array, y: Array | None) -> tuple[Plane, Points]:
    """Give the plane of data of two classes, and its points: yes where y is above one half."""
    targets = None if y is None else _targets(y, X)
    styles = np.zeros(len(X), int) if targets is None else (targets[:, 0] <= 0.5).astype(int)
    return plane_of(X), Points(X, styles, "c")
