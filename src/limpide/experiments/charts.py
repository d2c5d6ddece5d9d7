"""The pictures of experiments: lines, points, histograms and heights over two axes, as SVG.

Answers for one look, on light and dark ground, with text that a screen reader can tell. Not for:
what is drawn, which each experiment knows.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from limpide.ir import Array
from limpide.languages import Words
from limpide.reporting.markup import Html, join, number, tag
from limpide.reporting.scales import Scale, log_ticks, ticks

WIDTH, HEIGHT = 640, 380
LEFT, TOP, BOTTOM = 64, 46, 46
LETTER = 7.6  # the mean width of a bold letter in a wide face (DejaVu Sans)
_LOOKS = 6
_GROUNDS = 9  # shades of a picture of heights

# Okabe and Ito's colours (2008), darker on light ground and lighter on dark; every line has a dash
# pattern too, so that colours alone tell nothing.
_STYLE = """
.lpx{--paper:#fff;--ink:#16191d;--soft:#535a63;--grid:#e6e9ed;--c0:#00639c;--c1:#b04a00;
--c2:#00734f;--c3:#9c3f78;--c4:#3d5a80;--c5:#6b5b00;
font-family:system-ui,-apple-system,"Segoe UI",Roboto,Arial,"Noto Sans",sans-serif}
@media(prefers-color-scheme:dark){.lpx{--paper:#14171b;--ink:#eceff3;--soft:#a9b1bb;
--grid:#2a3037;--c0:#6bb8ee;--c1:#ff9c55;--c2:#4fd0a4;--c3:#e79bc8;--c4:#a5b9ef;--c5:#e3cc57}}
.lpx text{font-size:13px;fill:var(--ink)}.lpx .h{font-size:15px;font-weight:600}
.lpx .k{font-size:12px;fill:var(--soft)}.lpx .e{font-weight:600;font-size:12px}
.lpx .paper{fill:var(--paper)}.lpx .g{stroke:var(--grid)}.lpx .x{stroke:var(--soft)}
.lpx .aid{stroke:var(--soft);stroke-dasharray:2 3}
.lpx .halo{paint-order:stroke;stroke:var(--paper);stroke-width:3px;stroke-linejoin:round}
.lpx .s{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}
.lpx .s0{stroke:var(--c0)}.lpx .s1{stroke:var(--c1);stroke-dasharray:6 4}
.lpx .s2{stroke:var(--c2);stroke-dasharray:1.5 4}.lpx .s3{stroke:var(--c3);stroke-dasharray:9 3 2 3}
.lpx .s4{stroke:var(--c4);stroke-dasharray:12 4}.lpx .s5{stroke:var(--c5);stroke-dasharray:4 2 1 2}
.lpx .e0{fill:var(--c0)}.lpx .e1{fill:var(--c1)}.lpx .e2{fill:var(--c2)}.lpx .e3{fill:var(--c3)}
.lpx .e4{fill:var(--c4)}.lpx .e5{fill:var(--c5)}
.lpx .bar{fill:var(--c0)}.lpx .ground{fill:var(--c0)}
.lpx .open{fill:var(--paper);stroke-width:2;stroke-dasharray:none}
.lpx .spot{fill:var(--ink);stroke:var(--paper);stroke-width:2}
.lpx .way{fill:none;stroke:var(--ink);stroke-width:2;stroke-linejoin:round}
""".strip().replace("\n", "")


@dataclass(frozen=True)
class Line:
    """A line of a picture: what it is called, its points, and which of six looks it has."""

    label: str
    x: Array
    y: Array
    look: int = 0


def picture(title: str, told: str, parts: Sequence[object], height: float = HEIGHT) -> str:
    """Give a whole SVG with its title above and a description for those who cannot see it."""
    inside = join([tag("rect", width=WIDTH, height=height, class_="paper"),
                   text(16, 24, title, "h"), *parts])  # fmt: skip
    key = f"lpx{zlib.crc32((title + told + inside).encode()):08x}"
    return (
        f'<svg class="lpx" role="img" aria-labelledby="{key}t {key}d" width="{WIDTH}" '
        f'height="{number(height)}" viewBox="0 0 {WIDTH} {number(height)}" '
        'style="max-width:100%;height:auto" xmlns="http://www.w3.org/2000/svg">'
        + tag("title", title, id=f"{key}t")
        + tag("desc", told, id=f"{key}d")
        + f"<style>{_STYLE}</style>{inside}</svg>"
    )


def text(x: float, y: float, words: str, kind: str = "", anchor: str | None = None) -> Html:
    """Give a text in a picture."""
    return tag("text", words, x=x, y=y, class_=kind or None, text_anchor=anchor)


@dataclass(frozen=True)
class Plane:
    """Two axes with their numbers, in the words of a language."""

    words: Words
    across: Scale
    up: Scale

    def axes(self, x_label: str, y_label: str) -> Html:
        """Draw a line at each round number, and say what the axes are."""
        parts = []
        left, right = number(self.across.start), number(self.across.end)
        low, high = number(self.up.start), number(self.up.end)
        for value in _round(self.up):
            y = self.up.place(value)
            parts.append(tag("path", d=f"M{left} {number(y)}H{right}", class_="g"))
            parts.append(text(self.across.start - 7, y + 4, self.words.number(value), "k", "end"))
        for value in _round(self.across):
            x = self.across.place(value)
            parts.append(tag("path", d=f"M{number(x)} {low}V{high}", class_="g"))
            parts.append(text(x, self.up.start + 17, self.words.number(value), "k", "middle"))
        parts.append(tag("path", d=f"M{left} {low}H{right}M{left} {low}V{high}", class_="x"))
        parts.append(text(self.across.end, self.up.start + 35, x_label, "k", "end"))
        parts.append(text(16, self.up.end - 9, y_label, "k"))
        return join(parts)

    def line(self, x: Array, y: Array, kind: str) -> Html:
        """Draw a line through all points that are finite."""
        good = np.isfinite(x) & np.isfinite(y)
        spots = [
            f"{number(self.across.place(a))} {number(self.up.place(b))}"
            for a, b in zip(x[good].tolist(), y[good].tolist(), strict=True)
        ]
        kept = [s for i, s in enumerate(spots) if i == 0 or s != spots[i - 1]]
        return tag("path", d="M" + "L".join(kept), class_=kind) if kept else Html("")

    def dots(self, x: Array, y: Array, kind: str, radius: float = 3.5) -> Html:
        """Draw a circle at each point."""
        return join(
            tag("circle", cx=self.across.place(a), cy=self.up.place(b), r=radius, class_=kind)
            for a, b in zip(x.tolist(), y.tolist(), strict=True)
        )

    def heights(self, values: Array, limits: Sequence[float]) -> Html:
        """Shade a grid of heights, f[rows from the bottom, columns], by the limits between."""
        rows, columns = values.shape
        steps_x = np.linspace(self.across.start, self.across.end, columns + 1)
        steps_y = np.linspace(self.up.start, self.up.end, rows + 1)
        shades = np.searchsorted(np.asarray(limits), values)
        runs: list[list[str]] = [[] for _ in range(len(limits) + 1)]
        for row in range(rows):
            cuts = np.flatnonzero(np.diff(shades[row])) + 1
            for a, b in zip([0, *cuts], [*cuts, columns], strict=True):
                left, right = number(steps_x[a]), number(steps_x[b])
                top, bottom = number(steps_y[row + 1]), number(steps_y[row])
                runs[shades[row, a]].append(f"M{left} {top}H{right}V{bottom}H{left}z")
        return join(
            tag("path", d="".join(run), class_="ground", fill_opacity=_shade(i, len(runs)),
                shape_rendering="crispEdges")
            for i, run in enumerate(runs) if run
        )  # fmt: skip


def _shade(place: int, count: int) -> str:
    return f"{0.04 + 0.86 * place / max(count - 1, 1):.2f}"


def shades(words: Words, limits: Sequence[float], x: float, top: float, label: str) -> Html:
    """Draw what the shades of heights mean, the highest on top."""
    count, step = len(limits) + 1, 24.0
    told = _told_apart(words, limits)
    parts = [text(x, top - 9, label, "k")]
    for i in range(count):
        y = top + step * (count - 1 - i)
        parts.append(tag("rect", x=x, y=y, width=18, height=step, class_="ground",
                         fill_opacity=_shade(i, count)))  # fmt: skip
        if i < len(limits):
            parts.append(text(x + 24, y + 4, told[i], "k"))
    return join(parts)


def _told_apart(words: Words, values: Sequence[float]) -> list[str]:
    """Write numbers with three digits, or as many more as it takes to tell them apart."""
    for digits in range(3, 17):
        told = [words.number(value, digits) for value in values]
        if len(set(told)) == len(set(values)):
            break
    return told


def lines(
    words: Words,
    title: str,
    told: str,
    series: Sequence[Line],
    x_label: str,
    y_label: str,
    y_range: tuple[float, float] | None = None,
    log: bool = False,
) -> str:
    """Draw lines over two axes, each with its name at its end."""
    every = np.concatenate([line.y for line in series])
    every = every[np.isfinite(every)]
    low, high = y_range or (float(every.min()), float(every.max()))
    if not log:
        low, high = min(low, 0.0), high + 0.05 * (high - low)
    if not high > low:
        high = low + 1
    most = max(len(line.label) for line in series) * LETTER
    across = Scale(float(min(line.x[0] for line in series)),
                   float(max(line.x[-1] for line in series)), LEFT, WIDTH - most - 24)  # fmt: skip
    up = Scale(low, high, HEIGHT - BOTTOM, TOP + 20, log)
    plane = Plane(words, across, up)
    parts = [plane.axes(x_label, y_label)]
    parts += [plane.line(each.x, each.y, f"s s{each.look % _LOOKS}") for each in series]
    parts.append(_labels(series, plane))
    return picture(title, told, parts)


def _labels(series: Sequence[Line], plane: Plane) -> Html:
    """Write each name where its line ends, apart from each other."""
    lasts = [int(np.flatnonzero(np.isfinite(line.y))[-1]) for line in series]
    ends = [
        (plane.up.place(float(line.y[last])), plane.across.place(float(line.x[last])))
        for line, last in zip(series, lasts, strict=True)
    ]
    places, before = {}, plane.up.end - 20
    for i in sorted(range(len(series)), key=lambda i: ends[i][0]):
        before = max(ends[i][0], before + 15)
        places[i] = before
    over = max(before - plane.up.start, 0.0)
    parts = []
    for i, line in enumerate(series):
        y, x, kind = places[i] - over, plane.across.end + 16, line.look % _LOOKS
        parts.append(tag("path", d=f"M{number(ends[i][1])} {number(ends[i][0])}L{number(x - 3)} "
                         f"{number(y)}", class_=f"s s{kind}", stroke_opacity=0.35))  # fmt: skip
        parts.append(text(x, y + 4, line.label, f"e e{kind}"))
        if lasts[i] + 1 < len(line.y):  # it leaves the picture
            parts.append(text(ends[i][1], ends[i][0] + 5, "×", f"h e{kind}", "middle"))
    return join(parts)


def bars(
    words: Words, plane: Plane, counts: Array, edges: Array, base: float, height: float
) -> Html:
    """Draw counts between edges as bars on a base line, each a share of all of ``height``."""
    parts, whole = [], max(int(counts.sum()), 1)
    for left, right, count in zip(edges[:-1], edges[1:], counts, strict=True):
        if count:
            a, b = plane.across.place(float(left)), plane.across.place(float(right))
            tall = max(height * count / whole, 1.0)
            parts.append(tag("rect", x=a, y=base - tall, width=max(b - a - 0.5, 0.5), height=tall,
                             class_="bar"))  # fmt: skip
    start, end = number(plane.across.start), number(plane.across.end)
    parts.append(tag("path", d=f"M{start} {number(base)}H{end}", class_="x"))
    return join(parts)


def _round(scale: Scale) -> list[float]:
    return log_ticks(scale.low, scale.high) if scale.log else ticks(scale.low, scale.high)


def levels(values: Array) -> list[float]:
    """Give limits between shades, each shade over about as much of the picture as any other."""
    if not values.size:
        return []
    shares = np.linspace(0, 1, _GROUNDS + 1)[1:-1]
    return sorted(set(np.quantile(values, shares).tolist()))
