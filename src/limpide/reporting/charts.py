"""The charts of a report as inline SVG: lines, points, bars, histograms.

Answers for pictures that a phone shows and a screen reader can tell: text stays text, colours come
from the page (light, dark, print), and no line is told by its colour alone. Not for: what the
numbers mean, which the words around say.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from limpide.languages import Words
from limpide.reporting.markup import Html, join, number, shortened, shortened_inside, tag
from limpide.reporting.scales import ENGLISH, FAR, Scale, log_ticks, padded, tick_texts, ticks

WIDTH = 340  # of every picture, in its own units: a phone shows it at nearly that many pixels
_HEIGHT = 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 12, 28, 40
_LETTER = 6.4  # the mean width of a letter at the size of the page's charts
_MOST_POINTS = 1500
MOST_BARS = 15  # of a chart
_LOOKS = 6  # of lines, that the page has


@dataclass(frozen=True)
class Series:
    """A line of a chart: its name, its points, whether they are marked, and its look.

    ``look`` is one of six: a colour with a dash pattern; a class keeps it through a report.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    marked: bool = False
    look: int = 0


@dataclass(frozen=True)
class Axis:
    """An axis: what it says, from where to where, and how its numbers are written, in words."""

    label: str
    low: float
    high: float
    percent: bool = False
    log: bool = False
    texts: Sequence[tuple[float, str]] = field(default=())
    words: Words = ENGLISH


def picture(name: str, title: str, told: str, *parts: object, height: float = _HEIGHT) -> Html:
    """Give an SVG picture with its title and description."""
    return Html(
        f'<svg role="img" aria-labelledby="{name}-t {name}-d" '
        f'viewBox="0 0 {WIDTH} {number(height)}" xmlns="http://www.w3.org/2000/svg">'
        + tag("title", title, id=f"{name}-t")
        + tag("desc", told, id=f"{name}-d")
        + join(parts)
        + "</svg>"
    )


def text(x: float, y: float, words: object, kind: str = "", anchor: str | None = None) -> Html:
    """Give a text in a picture."""
    return tag("text", words, x=x, y=y, class_=kind or None, text_anchor=anchor)


def figure(drawn: Html, title: str, *below: object) -> Html:
    """Give a picture with its heading and what stands below it."""
    return tag("figure", tag("figcaption", title), drawn, *below)


def lines(
    name: str,
    title: str,
    told: str,
    series: Sequence[Series],
    x: Axis,
    y: Axis,
    *,
    diagonal: str = "",
    level: tuple[float, str] | None = None,
    mark: tuple[float, float] | None = None,
) -> Html:
    """Draw lines over two axes, each with its name at its end or in a list below.

    Parameters
    ----------
    name
        Of the picture in the page.
    diagonal
        What a line from corner to corner is called; none without it.
    level
        A height, and what a line there is called.
    mark
        A point that gets a circle.
    """
    direct = 1 < len(series) <= 2 and all(len(each.name) <= 10 for each in series)
    right = _RIGHT + (10 * _LETTER if direct else 0)
    across = Scale(x.low, x.high, _LEFT, WIDTH - right, x.log)
    up = Scale(y.low, y.high, _HEIGHT - _BOTTOM, _TOP, y.log)
    parts: list[Html] = [_axes(across, up, x, y)]
    if diagonal:
        low, high = max(x.low, y.low), min(x.high, y.high)
        parts.append(_path([(low, low), (high, high)], across, up, "aid"))
        middle = low / 2 + high / 2
        parts.append(text(across.place(middle) + 8, up.place(middle) + 14, diagonal, "q"))
    if level is not None:
        parts.append(_path([(x.low, level[0]), (x.high, level[0])], across, up, "aid"))
        below = up.place(level[0]) < _TOP + 16
        place = up.place(level[0]) + (14 if below else -5)
        parts.append(text(_LEFT + 6, place, level[1], "q"))
    parts += [_one_line(each, across, up) for each in series]
    if direct:
        parts.append(_end_names(series, up, WIDTH - right + 5))
    if mark is not None:
        parts.append(_marked(mark, across, up))
    drawn = picture(name, title, told, *parts)
    below_it = [] if direct or len(series) < 2 else [legend(series)]
    return figure(drawn, title, *below_it)


def _one_line(each: Series, across: Scale, up: Scale) -> Html:
    look = each.look % _LOOKS
    points = list(zip(each.x, each.y, strict=True))
    drawn = _path(points, across, up, f"s s{look}")
    if not each.marked and len(points) > 1:
        return drawn
    spots = "".join(f"M{number(across.place(a))} {number(up.place(b))}h0" for a, b in points)
    return join([drawn, tag("path", d=spots, class_=f"dot s{look}")])


def _end_names(series: Sequence[Series], up: Scale, x: float) -> Html:
    """Write names at the ends of lines, apart from each other."""
    heights = [up.place(each.y[-1]) for each in series]
    order = sorted(range(len(series)), key=heights.__getitem__)
    places, before = {}, -math.inf
    for i in order:
        before = max(heights[i], before + 15, _TOP + 5)
        places[i] = before
    over = before - (_HEIGHT - _BOTTOM)
    if over > 0:
        places = {i: place - over for i, place in places.items()}
    return join(
        text(x, places[i] + 4, each.name, f"e e{each.look % _LOOKS}")
        for i, each in enumerate(series)
    )


def _marked(mark: tuple[float, float], across: Scale, up: Scale) -> Html:
    return tag("circle", cx=across.place(mark[0]), cy=up.place(mark[1]), r=4, class_="spot")


def legend(series: Sequence[Series]) -> Html:
    """Give a list of lines' names, each with the look of its line."""
    entries = [
        tag("li", tag("span", class_=f"swatch w{each.look % _LOOKS}", aria_hidden="true"), " ",
            each.name)
        for each in series
    ]  # fmt: skip
    return tag("ul", *entries, class_="legend")


def _path(points: Sequence[tuple[float, float]], across: Scale, up: Scale, kind: str) -> Html:
    spots = [f"{number(across.place(a))} {number(up.place(b))}" for a, b in points]
    kept = [s for i, s in enumerate(spots) if i == 0 or s != spots[i - 1]]
    return tag("path", d="M" + "L".join(kept), class_=kind)


def _axes(across: Scale, up: Scale, x: Axis, y: Axis) -> Html:
    parts: list[Html] = []
    bottom = _HEIGHT - _BOTTOM
    rises = log_ticks(y.low, y.high) if y.log else ticks(y.low, y.high)
    for value, written in zip(rises, tick_texts(rises, y.percent, y.words), strict=True):
        height = up.place(value)
        parts.append(tag("path", d=f"M{_LEFT} {number(height)}H{number(across.end)}", class_="g"))
        parts.append(text(_LEFT - 5, height + 4, written, "k", "end"))
    parts.append(tag("path", d=f"M{_LEFT} {bottom}H{number(across.end)}", class_="x"))
    steps = list(x.texts) or _named(ticks(x.low, x.high, 4), x)
    ends = [_LEFT - 30.0, -math.inf]
    for value, written in steps:
        place = across.place(value)
        half = len(written) * _LETTER / 2
        if place - half < ends[-1] + 6:  # no two numbers may touch
            continue
        ends.append(place + half)
        beyond = place + half > WIDTH
        parts.append(text(WIDTH if beyond else place, bottom + 15, written, "k",
                          "end" if beyond else "middle"))  # fmt: skip
    parts.append(text(across.end, bottom + 33, shortened_inside(x.label, 46), "a", "end"))
    parts.append(text(0, 12, shortened(y.label, 50), "a"))
    return join(parts)


def _named(values: Sequence[float], axis: Axis) -> list[tuple[float, str]]:
    return list(zip(values, tick_texts(values, axis.percent, axis.words), strict=True))


def points(
    name: str,
    title: str,
    told: str,
    x_values: Sequence[float],
    y_values: Sequence[float],
    x: Axis,
    y: Axis,
    *,
    diagonal: bool = False,
    level: float | None = None,
    above: str = "",
    below: str = "",
) -> Html:
    """Draw points over two axes; of more than 1,500 every k-th.

    Parameters
    ----------
    diagonal, level
        Whether there is a line where both are equal; the height of a level line.
    above, below
        What the upper and the lower corner at the right are called.
    """
    across = Scale(x.low, x.high, _LEFT, WIDTH - _RIGHT)
    up = Scale(y.low, y.high, _HEIGHT - _BOTTOM, _TOP)
    step = -(-len(x_values) // _MOST_POINTS)
    spots = "".join(
        f"M{number(across.place(a))} {number(up.place(b))}h0"
        for a, b in zip(x_values[::step], y_values[::step], strict=True)
    )
    parts = [_axes(across, up, x, y)]
    if level is not None:
        parts.append(_path([(x.low, level), (x.high, level)], across, up, "aid"))
    if diagonal:
        low, high = max(x.low, y.low), min(x.high, y.high)
        parts.append(_path([(low, low), (high, high)], across, up, "aid"))
    faint = f"{min(0.9, max(0.3, 12 / len(x_values[::step]) ** 0.5)):.2f}"
    parts.append(tag("path", d=spots, class_="cloud", stroke_opacity=faint))
    right = WIDTH - _RIGHT - 2
    parts += [text(right, _TOP + 11, above, "q", "end")] if above else []
    parts += [text(right, up.start - 6, below, "q", "end")] if below else []
    return figure(picture(name, title, told, *parts), title)


def bars(
    name: str,
    title: str,
    told: str,
    names: Sequence[object],
    values: Sequence[float],
    words: Sequence[str],
    spread: Sequence[float] | None = None,
    low: float | None = None,
) -> Html:
    """Draw a bar for each name, with the value written beside it.

    Parameters
    ----------
    words
        What stands beside each bar.
    spread
        A line of so much to both sides of the end of each bar.
    low
        Where bars begin; None: at 0.
    """
    given = [0.0] * len(values) if spread is None else list(spread)
    far = [value + extra for value, extra in zip(values, given, strict=True)]
    near = [value - extra for value, extra in zip(values, given, strict=True) if value < 0]
    least, most = max(min([0.0, *near]), -FAR), min(max([0.0, *far]), FAR)
    if low is not None:
        least = low
    if most == least:
        most = least + 1
    row, left = 23, min(132.0, 14 + max(len(shortened_inside(n, 17)) for n in names) * 6.9)
    right = 10 + max(len(word) for word in words) * _LETTER
    across = Scale(least, most, left, WIDTH - right)
    zero = across.place(max(least, 0.0) if low is None else least)
    parts = []
    for i, (each, value) in enumerate(zip(names, values, strict=True)):
        top, end = 4 + i * row, across.place(value)
        wide = max(abs(end - zero), 0.8)
        parts.append(text(left - 6, top + 14, shortened_inside(each, 17), "k", "end"))
        parts.append(
            tag("rect", x=min(zero, end), y=top + 3, width=wide, height=row - 9, class_="b")
        )
        if given[i]:
            a, b = across.place(value - given[i]), across.place(value + given[i])
            middle = number(top + row / 2 - 1.5)
            parts.append(tag("path", d=f"M{number(a)} {middle}H{number(b)}", class_="w"))
        beside = max(end, zero, across.place(value + given[i])) + 5
        parts.append(text(beside, top + 14, words[i], "v"))
    parts.append(tag("path", d=f"M{number(zero)} 2V{4 + row * len(names)}", class_="x"))
    return figure(picture(name, title, told, *parts, height=8 + row * len(names)), title)


def histogram(
    name: str,
    title: str,
    told: str,
    edges: Sequence[float],
    counts: Sequence[int],
    label: str,
    words: Words = ENGLISH,
) -> Html:
    """Draw counts of rows between edges as bars that touch."""
    x = Axis(label, edges[0], edges[-1], words=words)
    y = Axis(words.say("rows"), 0, max(*counts, 1), words=words)
    across = Scale(x.low, x.high, _LEFT, WIDTH - _RIGHT)
    up = Scale(y.low, y.high, _HEIGHT - _BOTTOM, _TOP)
    parts = [_axes(across, up, x, y)]
    for left, right, count in zip(edges, edges[1:], counts, strict=False):
        a, b, height = across.place(left), across.place(right), up.place(count)
        parts.append(
            tag("rect", x=a + 0.5, y=height, width=max(b - a - 1, 0.5),
                height=up.start - height, class_="b")
        )  # fmt: skip
    return figure(picture(name, title, told, *parts), title)


def told_apart(series: Sequence[Series], classes: int) -> list[Series]:
    """Give lines looks of their own; of few classes each keeps its look in every picture."""
    if classes <= _LOOKS:
        return list(series)
    return [replace(each, look=i) for i, each in enumerate(series)]


def with_note(drawn: Html, note: str) -> Html:
    """Give a figure with a note below it."""
    return tag("div", drawn, tag("p", note, class_="soft"))


def range_of(*lists: Sequence[float], share: float = 0.05) -> tuple[float, float]:
    """Give the range of several lists of numbers, a little wider."""
    every = [value for values in lists for value in values]
    return padded(min(every), max(every), share)
