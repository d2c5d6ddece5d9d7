"""A neuron of two inputs in their plane: its line, and the side on which it says yes.

Answers for ``Neuron.line``. Not for: networks: their boundaries bend
(``boundary``).
"""

from __future__ import annotations

import math

import numpy as np

from limpide.explain.diagrams.boundary import plane_and_points
from limpide.explain.diagrams.diagram import Diagram, framed
from limpide.explain.diagrams.plane import (
    HEIGHT,
    LEFT,
    SIDE,
    TOP,
    Plane,
    axes,
    check_two,
    legend,
    mark,
)
from limpide.explain.diagrams.svg import Svg, exact, place, tag, text, text_width
from limpide.ir import Array
from limpide.languages import Words, words_in
from limpide.languages.numerals import MINUS

_DIGITS = 4
_ARROW = 34.0


def line_diagram(
    weights: Array,
    bias: float,
    activation: str,
    X: Array,
    y: Array | None = None,
    *,
    language: str | None = None,
    theme: str = "auto",
) -> Diagram:
    """Draw the line w1·x1 + w2·x2 + b = 0 of a neuron among data.

    Parameters
    ----------
    weights, bias
        Of the neuron, which has two inputs.
    activation
        Its name: at the line a sigmoid gives one half.
    X, y
        Data f64[n, 2] and targets; a row is of the class of yes where y is above one half.

    Raises
    ------
    ShapeError
        For a neuron that has not two inputs; where X and y differ in length.
    """
    check_two(len(weights), "A neuron's line")
    words = words_in(language)
    plane, points = plane_and_points(X, y)
    w1, w2 = float(weights[0]), float(weights[1])
    corners = _corners(plane)
    # In shares of the weights' size, so that no product of large numbers overflows.
    size = max(abs(w1), abs(w2), abs(bias))
    parts = [_side(corners, plane, (w1, w2, bias), size)]
    ends = _ends(corners, (w1, w2, bias), size)
    if ends is not None:
        parts += _line(ends, plane, w1, w2, words)
    equation = _equation(w1, w2, bias, words)
    told = _told(ends is not None, (w1, w2, bias), activation, words)
    notes = ["z = w1·x1 + w2·x2 + b", equation, *told, points.note(words)]
    beside, width = legend(_entries(ends is not None, y is not None), notes)
    return framed(
        "line",
        (width, HEIGHT),
        words.say("The line of a neuron"),
        " ".join([f"{equation}.", *told, points.note(words)]),
        [*parts, points.drawn(plane), axes(plane, words), beside],
        theme=theme,
        language=words.language,
        data_w1=exact(w1),
        data_w2=exact(w2),
        data_b=exact(bias),
    )


def _entries(has_line: bool, has_targets: bool) -> list[tuple[Svg, str]]:
    found = [(tag("rect", x=0, y=-7, width=26, height=13, class_="r0 axis"), "z > 0")]
    if has_line:
        found.append((tag("path", d="M0 0h26", class_="axis thick"), "z = 0"))
    if has_targets:
        found += [
            (tag("path", d=mark(13, 0, 0), class_="c0"), "y = 1"),
            (tag("path", d=mark(13, 0, 1), class_="c1"), "y = 0"),
        ]
    return found


def _corners(plane: Plane) -> list[tuple[float, float]]:
    (a, b), (c, d) = plane.low, plane.high
    return [(a, b), (c, b), (c, d), (a, d)]


Three = tuple[float, float, float]


def _sums(corners: list[tuple[float, float]], line: Three, size: float) -> list[float]:
    if not math.isfinite(size) or size == 0:
        return [math.nan if not math.isfinite(size) else 0.0] * len(corners)
    w1, w2, b = (value / size for value in line)
    return [w1 * x1 + w2 * x2 + b for x1, x2 in corners]


def _clipped(
    corners: list[tuple[float, float]], sums: list[float]
) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """Give the corners of the side of yes, and where the line enters and leaves the plane."""
    inside, ends = [], []
    for i, (x1, x2) in enumerate(corners):
        j = (i + 1) % len(corners)
        if sums[i] > 0:
            inside.append((x1, x2))
        if (sums[i] > 0) != (sums[j] > 0):
            share = sums[i] / (sums[i] - sums[j])
            meets = (x1 + share * (corners[j][0] - x1), x2 + share * (corners[j][1] - x2))
            inside.append(meets)
            ends.append(meets)
    return inside, ends


def _side(corners: list[tuple[float, float]], plane: Plane, line: Three, size: float) -> Svg:
    """Colour the side where z is above 0."""
    inside, _ = _clipped(corners, _sums(corners, line, size))
    ground = tag("rect", x=LEFT, y=TOP, width=SIDE, height=SIDE, class_="band")
    if not inside:
        return ground
    runs = "L".join(f"{place(a)} {place(b)}" for a, b in (plane.at(*p) for p in inside))
    return ground + tag("path", d=f"M{runs}z", class_="region r0")


def _ends(
    corners: list[tuple[float, float]], line: Three, size: float
) -> list[tuple[float, float]] | None:
    _, ends = _clipped(corners, _sums(corners, line, size))
    return ends if len(ends) == 2 else None


def _line(
    ends: list[tuple[float, float]], plane: Plane, w1: float, w2: float, words: Words
) -> list[Svg]:
    """Draw the line, and an arrow that points to the side of yes."""
    (ax, ay), (bx, by) = (plane.at(*end) for end in ends)
    run = tag(
        "path", d=f"M{place(ax)} {place(ay)}L{place(bx)} {place(by)}", class_="axis thick boundary"
    )
    length = math.hypot(bx - ax, by - ay)
    if length < 1:
        return [run]
    across, down = (by - ay) / length, (ax - bx) / length  # at right angles to the line
    up = (w1 / max(abs(w1), abs(w2)), w2 / max(abs(w1), abs(w2)))
    # Where z grows: w1 by the plane's width, w2 by its height, which goes down in the picture.
    rises = up[0] / _scale(plane, 0) * across - up[1] / _scale(plane, 1) * down
    sign = 1.0 if rises > 0 else -1.0
    x, y = (ax + bx) / 2, (ay + by) / 2
    tip = (x + sign * across * _ARROW, y + sign * down * _ARROW)
    said = words.say("yes: z > 0")
    half = text_width(said) / 2
    tx = min(max(tip[0] + sign * across * (half + 6), LEFT + half + 4), LEFT + SIDE - half - 4)
    ty = min(max(tip[1] + sign * down * 14, TOP + 14), TOP + SIDE - 6)
    head = "".join(
        f"L{place(tip[0] - sign * (across * 9 + side * down * 5))} "
        f"{place(tip[1] - sign * (down * 9 - side * across * 5))}"
        for side in (1, -1)
    )
    return [
        run,
        tag(
            "path", d=f"M{place(x)} {place(y)}L{place(tip[0])} {place(tip[1])}", class_="axis thin"
        ),
        tag("path", d=f"M{place(tip[0])} {place(tip[1])}{head}z", class_="arrow"),
        text(tx, ty + 4, said, "name"),
    ]


def _scale(plane: Plane, i: int) -> float:
    return SIDE / (plane.high[i] - plane.low[i])


def _equation(w1: float, w2: float, bias: float, words: Words) -> str:
    """Write the line's equation with numbers."""

    def more(value: float, name: str) -> str:
        sign = MINUS if np.signbit(value) and value != 0 else "+"
        return f" {sign} {words.number(abs(value), _DIGITS)}{name}"

    return f"{words.number(w1, _DIGITS)}·x1{more(w2, '·x2')}{more(bias, '')} = 0"


def _told(crosses: bool, line: Three, activation: str, words: Words) -> list[str]:
    """Say what the line means, or why there is none."""
    if not all(map(math.isfinite, line)):
        return [words.say("A weight or the bias is not finite: there is no line.")]
    if line[:2] == (0, 0):
        return [words.say("Both weights are 0: there is no line.")]
    if not crosses:
        return [words.say("The line does not pass through these data.")]
    if activation == "sigmoid":
        half = words.number(0.5)
        return [words.say("Yes (ŷ > {half}) on the coloured side.", half=half)]
    return [words.say("z is above 0 on the coloured side.")]
