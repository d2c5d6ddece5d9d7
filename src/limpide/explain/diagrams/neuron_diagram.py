"""One neuron as a picture: inputs, weights, products, the sum with the bias, the activation.

Answers for ``Neuron.diagram``. Not for: networks (``network_diagram``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from limpide.activations import activation_name
from limpide.explain.diagrams.columns import Writer, shown_places, writer_for
from limpide.explain.diagrams.connections import style_of
from limpide.explain.diagrams.diagram import Diagram, check_theme, framed
from limpide.explain.diagrams.svg import (
    BOLD,
    LINE,
    Svg,
    exact,
    place,
    tag,
    text,
    text_lines,
    text_width,
)
from limpide.explain.diagrams.values import Parts, Question, Values, values_of
from limpide.languages import words_in
from limpide.layers import Dense

_MARGIN, _PITCH = 22.0, 54.0
_SHORT, _ARM = 46.0, 64.0
_FLAT = 0.4  # of the height: how far the sum stands away, so that lines pass below the bias


@dataclass(frozen=True)
class _Row:
    """One input with its weight: what is written, and the numbers themselves."""

    index: int
    input: str
    weight: str
    product: str
    w: float
    x: float | None


def neuron_diagram(
    parts: Parts,
    asked: Question | None = None,
    *,
    language: str | None = None,
    theme: str = "auto",
) -> Diagram:
    """Draw a neuron: each input times its weight, their sum with the bias, the activation.

    Parameters
    ----------
    parts
        The network [n, 1] that the neuron is.
    asked
        A row of inputs, whose products and sum are written out.
    """
    check_theme(theme)
    words = words_in(language)
    seen = None if asked is None else values_of(parts, asked)
    writer = writer_for(parts, seen, words)
    (placed,) = parts.placed
    assert isinstance(placed.layer, Dense)
    rows = [
        None if i is None else _row(parts, placed.name, i, seen, writer)
        for i in shown_places(placed.inputs)
    ]
    drawn, size = _draw(rows, parts, seen, writer, activation_name(placed.layer.function))
    told = [words.say("Each input times its weight, then the sum with the bias, then {name}.",
                      name=activation_name(placed.layer.function))]  # fmt: skip
    if seen is not None:
        told.append(f"z = {writer.sum(placed.name, 0, seen)}; "
                    f"ŷ = {writer.output(placed.name, 0, seen)}.")  # fmt: skip
    return framed(
        "neuron",
        size,
        words.plural("A neuron with {n} input", "A neuron with {n} inputs", placed.inputs),
        " ".join(told),
        drawn,
        theme=theme,
        language=words.language,
    )


def _row(parts: Parts, layer: str, i: int, seen: Values | None, writer: Writer) -> _Row:
    w = float(parts.params[f"{layer}.weights"][i, 0])
    weight, name = writer.weight(w), f"w{i + 1}"
    if seen is None:
        return _Row(i, f"x{i + 1}", f"{name} = {weight}", f"{name}·x{i + 1}", w, None)
    x = float(seen.x[i])
    product = writer.product(w, x)
    written = writer.weight(x)
    factor = f"({written})" if written.startswith("−") else written
    return _Row(i, f"x{i + 1} = {written}", f"{name} = {weight}",
                f"{name}·x{i + 1} = {weight} · {factor} = {product}", w, x)  # fmt: skip


class _Places:
    """Where everything stands, from left to right."""

    def __init__(self, rows: list[_Row | None], sums: str, ends: str, activation: str) -> None:
        shown = [row for row in rows if row is not None]
        self.radius = max(17.0, *(text_width(row.input) * BOLD / 2 + 6 for row in shown))
        self.wide = max(text_width(row.product) for row in shown) + 20
        between = max(text_width(row.weight) for row in shown) + 40
        self.pitch = max(_PITCH, 2 * self.radius + 10)
        height = max(self.pitch * len(rows), 170.0)
        self.middle = _MARGIN + height / 2 + 10
        self.top = self.middle - self.pitch * (len(rows) - 1) / 2
        self.x_input = _MARGIN + self.radius
        self.x_product = self.x_input + self.radius + between + self.wide / 2
        self.sum = max(text_width(sums) / 2 + 8, 26.0)
        self.x_sum = self.x_product + self.wide / 2 + max(_ARM, height * _FLAT) + self.sum
        self.half = text_width(activation) * BOLD / 2 + 14
        self.x_function = self.x_sum + self.sum + _SHORT + self.half
        self.end = max(text_width(ends) * BOLD / 2 + 12, 22.0)
        self.x_end = self.x_function + self.half + _SHORT + self.end
        finite = [abs(row.w) for row in shown if np.isfinite(row.w)]
        self.largest = max(finite, default=0.0)
        self.size = (self.x_end + self.end + _MARGIN, self.middle + height / 2 + _MARGIN)


def _draw(
    rows: list[_Row | None], parts: Parts, seen: Values | None, writer: Writer, activation: str
) -> tuple[list[Svg], tuple[float, float]]:
    """Draw the neuron; gives the size of the picture too."""
    layer = parts.placed[0].name
    sums = "z" if seen is None else f"z = {writer.sum(layer, 0, seen)}"
    ends = "ŷ" if seen is None else f"ŷ = {writer.output(layer, 0, seen)}"
    at = _Places(rows, sums, ends, activation)
    found: list[Svg] = []
    for i, row in enumerate(rows):
        y = at.top + at.pitch * i
        if row is not None:
            found.append(_term(row, at, y))
            continue
        hidden = parts.placed[0].inputs - len(rows) + 1
        found += [tag("circle", cx=at.x_input, cy=y + d, r=2.2, class_="dot") for d in (-9, 0, 9)]
        more = writer.words.plural("{n} more input", "{n} more inputs", hidden)
        found.append(text(at.x_input + at.radius + 10, y + 4, more, "soft start"))
    found.append(_arrow(at.x_sum + at.sum, at.x_function - at.half, at.middle))
    found.append(_arrow(at.x_function + at.half, at.x_end - at.end, at.middle))
    found += _bias(parts, layer, writer, at.x_sum, at.middle - at.sum)
    return [*found, *_ending(at, sums, ends, activation, seen, layer)], at.size


def _ending(
    at: _Places, sums: str, ends: str, activation: str, seen: Values | None, layer: str
) -> list[Svg]:
    """Draw the sum, the activation and the output."""
    z = None if seen is None else exact(seen.sums[layer][0])
    value = None if seen is None else exact(seen.outputs[layer][0])
    ring = tag("circle", cx=at.x_sum, cy=at.middle, r=at.sum, class_="node")
    box = tag("rect", x=at.x_function - at.half, y=at.middle - 16, width=2 * at.half, height=32.0,
              rx=6.0, class_="node")  # fmt: skip
    pill = tag("rect", x=at.x_end - at.end, y=at.middle - 19, width=2 * at.end, height=38.0,
               rx=19.0, class_="node")  # fmt: skip
    said = text_lines(at.x_sum, at.middle, ["Σ", sums], None, "name")
    named = text_lines(at.x_function, at.middle, [activation], "name")
    given = text_lines(at.x_end, at.middle, [ends], "name")
    return [
        tag("g", ring, said, class_="sum", data_sum=z),
        tag("g", box, named, class_="activation", data_activation=activation),
        tag("g", pill, given, class_="output", data_value=value),
    ]


def _term(row: _Row, at: _Places, y: float) -> Svg:
    """Draw an input, its weight on the way, and their product."""
    style = style_of(row.w)
    share = abs(row.w) / at.largest if at.largest and np.isfinite(row.w) else 0.0
    start, end = at.x_input + at.radius, at.x_product - at.wide / 2
    label, size = (start + end) / 2, text_width(row.weight) / 2 + 3
    leaves = f"M{place(at.x_product + at.wide / 2)} {place(y)}"
    return tag(
        "g",
        tag("path", d=f"{leaves}L{place(at.x_sum)} {place(at.middle)}", class_="plain thin"),
        tag("path", d=f"M{place(start)} {place(y)}H{place(end)}", class_=f"edge {style}",
            stroke_width=place(1 + 3.5 * share), data_name=f"w{row.index + 1}",
            data_from=f"x{row.index + 1}", data_weight=exact(row.w)),
        tag("rect", x=label - size, y=y - LINE / 2 - 2, width=2 * size, height=LINE + 4,
            class_="veil"),
        text_lines(label, y, [row.weight], style),
        tag("circle", cx=at.x_input, cy=y, r=at.radius, class_="node"),
        text_lines(at.x_input, y, [row.input], "name"),
        tag("rect", x=at.x_product - at.wide / 2, y=y - 14, width=at.wide, height=28.0, rx=6.0,
            class_="node"),
        text_lines(at.x_product, y, [row.product], None),
        class_="term",
        data_name=f"x{row.index + 1}",
        data_value=None if row.x is None else exact(row.x),
    )  # fmt: skip


def _arrow(start: float, end: float, y: float) -> Svg:
    head = f"M{place(end)} {place(y)}l-9-4.5v9z"
    line = tag("path", d=f"M{place(start)} {place(y)}H{place(end - 6)}", class_="plain thick")
    return line + tag("path", d=head, class_="plain dot")


def _bias(parts: Parts, layer: str, writer: Writer, x: float, foot: float) -> list[Svg]:
    """Draw the bias as a small node above the sum."""
    array = parts.params.get(f"{layer}.bias")
    if array is None:
        return []
    value = float(array[0])
    line, style = f"b1 = {writer.weight(value)}", style_of(value)
    half, y = text_width(line) / 2 + 7, foot - 24
    return [
        tag("g", tag("path", d=f"M{place(x)} {place(y)}V{place(foot)}", class_=f"{style} thick"),
            tag("rect", x=x - half, y=y - 11, width=2 * half, height=22.0, rx=9.0, class_="pill"),
            text_lines(x, y, [line], style), class_="bias", data_name="b1", data_bias=exact(value))
    ]  # fmt: skip
