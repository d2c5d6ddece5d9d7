"""A network as a picture: neurons in columns, every weight and bias by name and number.

Answers for ``Network.diagram``. Not for: which neurons are drawn (``columns``),
how they are spread (``places``).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from limpide.explain.diagrams.columns import (
    MOST_COLUMNS,
    Column,
    Node,
    Writer,
    columns_of,
    widest,
    writer_for,
)
from limpide.explain.diagrams.connections import Gap, Weights, caption_width, connect
from limpide.explain.diagrams.diagram import Diagram, check_theme, framed
from limpide.explain.diagrams.places import Box
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
from limpide.losses import CrossEntropy

_MARGIN, _BETWEEN = 22.0, 26.0  # around the picture; between a neuron and the next
_PILL = 20.0  # the height of a bias, of one line
_CAPTION = 62.0  # of the words below columns
_LEAST_RADIUS = 19.0
_TARGETS_TOLD = 8


def network_diagram(
    parts: Parts,
    asked: Question | None = None,
    *,
    captions: tuple[str, ...] = (),
    language: str | None = None,
    theme: str = "auto",
) -> Diagram:
    """Draw a network, with the numbers of one row where one is asked for.

    Parameters
    ----------
    parts
        The network's layers and arrays.
    asked
        A row, and with a target the loss and the gradients.
    captions
        What each input is.

    Raises
    ------
    ArgumentError
        For a language or a theme that there is not.
    """
    check_theme(theme)
    words = words_in(language)
    seen = None if asked is None else values_of(parts, asked)
    writer = writer_for(parts, seen, words)
    drawing = _Drawing(parts, asked, seen, writer, captions)
    return framed(
        "network",
        drawing.size,
        words.say("The network {sizes}", sizes=_sizes(parts)),
        drawing.told(),
        drawing.parts(),
        theme=theme,
        language=words.language,
        data_layers=_sizes(parts),
    )


def _sizes(parts: Parts) -> str:
    return "-".join(str(n) for n in [parts.placed[0].inputs, *(p.outputs for p in parts.placed)])


class _Drawing:
    """A network that has been laid out, from left to right."""

    def __init__(
        self,
        parts: Parts,
        asked: Question | None,
        seen: Values | None,
        writer: Writer,
        captions: tuple[str, ...],
    ) -> None:
        self._parts, self._asked, self._seen, self._writer = parts, asked, seen, writer
        self._captions = captions
        every = columns_of(parts, seen, writer)
        self._all = every
        self.left_out = 0
        self._columns = every
        if len(every) > MOST_COLUMNS:
            self._columns = [*every[:6], *every[-3:]]
            self.left_out = len(every) - 9
        self._gradients = seen is not None and bool(seen.gradients)
        self._weights = Weights(parts, {} if seen is None else seen.gradients, writer)
        for column in self._columns:
            _measure(column, self._weights)
        self._spread_rows()
        self._gaps: list[Gap] = []
        self._spread_columns()
        self._notes = self._below()
        width = self._width()
        self._entries = self._legend_entries(width)
        rows = len(self._notes) + (self._entries[-1][0] + 1 if self._entries else 0)
        self.size = (width, self._foot + _CAPTION + LINE * 1.3 * rows)

    # Layout -----------------------------------------------------------------------------------

    def _spread_rows(self) -> None:
        """Give each node its height: all columns have the same distances and one middle."""
        radius = max(c.radius for c in self._columns)
        biased = any(node.bias for c in self._columns for node in c.nodes)
        pill = (_PILL + (LINE if self._gradients else 0) + 10) if biased else 0
        pitch = 2 * radius + pill + _BETWEEN
        rows = max(len(c.shown) for c in self._columns)
        inside = max((len(c.inside) * LINE + 30 for c in self._columns), default=0)
        tall = max(rows * pitch, inside)
        self._tall = tall
        self._middle = _MARGIN + tall / 2 + pill / 2
        for column in self._columns:
            top = self._middle - pitch * (len(column.shown) - 1) / 2
            for row, node in enumerate(column.shown):
                if node is not None:
                    node.y = top + row * pitch
        self._pitch, self._foot = pitch, self._middle + tall / 2 - pill / 2 + 4

    def _spread_columns(self) -> None:
        """Put columns side by side, as far apart as the texts between them need."""
        first = self._columns[0]
        first.x = _MARGIN + max(first.half, caption_width(first) / 2)
        _box_nodes(first)
        for before, column in itertools.pairwise(self._columns):
            broken = self.left_out > 0 and column is self._columns[-3]
            gap = connect(before, column, self._weights, broken)
            self._gaps.append(gap)
            column.x = before.x + before.half + gap.width + column.half
            _box_nodes(column)
            gap.settle()

    def _width(self) -> float:
        last = self._columns[-1]
        end = last.x + max(last.half, caption_width(last) / 2) + _MARGIN
        if self._seen is not None and self._seen.loss is not None:
            end += 40 + widest(self._loss_lines()) + 24
        notes = max((text_width(n) for n in self._notes), default=0.0) + 2 * _MARGIN
        return max(end, notes, 260.0)

    # Drawing ----------------------------------------------------------------------------------

    def parts(self) -> list[Svg]:
        """Give all that is drawn: what lies under the rest first."""
        drawn = [gap.lines() for gap in self._gaps]
        drawn.append(self._loss_wires())
        drawn += [gap.texts() for gap in self._gaps]
        drawn += [self._column(column) for column in self._columns]
        drawn += [self._loss(), self._caption(), self._legend()]
        return drawn

    def _column(self, column: Column) -> Svg:
        found = []
        if column.kind == "box":
            found.append(_layer_box(column, self._middle, self._tall))
        for node in column.nodes:
            data = {f"data_{key}".replace("-", "_"): value for key, value in node.data.items()}
            label = text_lines(
                node.x, node.y, node.lines, None, None if column.kind == "features" else "name"
            )
            shape = (
                tag(
                    "rect", x=node.x - column.radius, y=node.y - _half_height(column),
                    width=2 * column.radius, height=2 * _half_height(column), rx=6.0, class_="node",
                )
                if column.kind == "features"
                else tag("circle", cx=node.x, cy=node.y, r=column.radius, class_="node")
            )  # fmt: skip
            pill = self._weights.bias(column, node) if node.bias else Svg("")
            kind = {"inputs": "input", "dense": "neuron"}.get(column.kind, "value")
            found.append(
                tag("g", tag("title", node.told), pill, shape, label, class_=kind,
                    data_name=node.name, data_index=node.index + 1, **data)
            )  # fmt: skip
        if not column.whole:
            x = column.nodes[0].x
            row = column.shown.index(None)
            y = (column.nodes[row - 1].y + column.nodes[row].y) / 2
            hidden = column.size - len(column.nodes)
            found += [tag("circle", cx=x, cy=y + d, r=2.2, class_="dot") for d in (-22, -13, -4)]
            more = self._writer.words.plural("{n} more", "{n} more", hidden)
            found.append(text(x, y + 16, more, "soft small"))
        return tag("g", *found, class_="layer", data_layer=column.layer or "inputs",
                   data_kind=column.kind, data_size=column.size)  # fmt: skip

    def _caption(self) -> Svg:
        found = []
        for column in self._columns:
            x = column.x
            for i, line in enumerate(column.words):
                style = "head" if i == 0 else "soft"
                found.append(text(x, self._foot + 14 + LINE * i, line, style))
        return tag("g", *found, class_="captions")

    def _loss_lines(self) -> list[str]:
        """Give what stands in the box of the loss."""
        assert self._asked is not None
        assert self._asked.loss is not None
        assert self._asked.y is not None
        assert self._seen is not None
        words, y = self._writer.words, self._asked.y[0]
        lines = [words.say("Loss {name}", name=self._asked.loss.name)]
        if isinstance(self._asked.loss, CrossEntropy) and np.ndim(y) == 0:
            lines.append(words.say("y = class {number}", number=words.whole(int(y))))
        else:
            named = [(f"y{i + 1}" if len(y) > 1 else "y", float(v)) for i, v in enumerate(y)]
            lines += [f"{name} = {words.number(v, 5)}" for name, v in named[:_TARGETS_TOLD]]
            if len(named) > _TARGETS_TOLD:
                lines.append("…")
        assert self._seen.loss is not None
        lines.append(f"L = {words.number(self._seen.loss, 5)}")
        return lines

    def _loss_box(self) -> Box:
        last, lines = self._columns[-1], self._loss_lines()
        half = widest(lines) / 2 + 12
        return Box(last.x + last.half + 40 + half, self._middle, half, len(lines) * LINE / 2 + 10)

    def _loss_wires(self) -> Svg:
        if self._seen is None or self._seen.loss is None:
            return Svg("")
        box, last = self._loss_box(), self._columns[-1]
        runs = "".join(f"M{node.x:.0f} {node.y:.0f}L{box.x:.0f} {box.y:.0f}" for node in last.nodes)
        return tag("path", d=runs, class_="plain thin")

    def _loss(self) -> Svg:
        if self._seen is None or self._seen.loss is None:
            return Svg("")
        assert self._asked is not None
        assert self._asked.loss is not None
        box, lines = self._loss_box(), self._loss_lines()
        shape = tag(
            "rect", x=box.x - box.half_width, y=box.y - box.half_height, rx=6.0,
            width=2 * box.half_width, height=2 * box.half_height, class_="node",
        )  # fmt: skip
        said = text_lines(box.x, box.y, lines, None, "name")
        return tag(
            "g", tag("title", lines[-1]), shape, said, class_="loss",
            data_loss=self._asked.loss.name, data_value=exact(self._seen.loss),
        )  # fmt: skip

    # Words ------------------------------------------------------------------------------------

    def _below(self) -> list[str]:
        """Give the lines of the legend that say what is not drawn."""
        words = self._writer.words
        lines = []
        if self._captions:
            drawn_inputs = [node for node in self._all[0].shown if node is not None]
            lines += [f"{node.name}: {self._captions[node.index]}" for node in drawn_inputs]
        if self.left_out:
            lines.append(
                words.plural(
                    "{n} layer in the middle is not drawn.",
                    "{n} layers in the middle are not drawn.",
                    self.left_out,
                )
            )
        drawn = sum(gap.drawn for gap in self._gaps)
        hidden = self._weights.count - drawn
        if hidden and self._weights.count:
            lines.append(
                words.say(
                    "Weights drawn: {drawn}; not drawn: {hidden}.",
                    drawn=words.whole(drawn),
                    hidden=words.whole(hidden),
                )
            )
        return lines

    def _legend_entries(self, width: float) -> list[tuple[int, float, str, str]]:
        """Give the looks of lines with their words: in which row of the legend, and where."""
        if not self._weights.count:
            return []
        words = self._writer.words
        entries = [
            ("positive", words.say("positive weight")),
            ("negative", words.say("negative weight, dashed")),
            ("", words.say("the thicker, the larger")),
        ]
        found, row, x = [], 0, _MARGIN
        for style, said in entries:
            wide = (40 if style else 0) + text_width(said)
            if x + wide > width - 4 and x > _MARGIN:
                row, x = row + 1, _MARGIN
            found.append((row, x, style, said))
            x += wide + 18
        return found

    def _legend(self) -> Svg:
        y = self._foot + _CAPTION + 2
        found = []
        for note in self._notes:
            found.append(text(_MARGIN, y, note, "soft start"))
            y += LINE * 1.3
        for row, x, style, said in self._entries:
            at = y + LINE * 1.3 * row
            if style:
                run = f"M{place(x)} {place(at - 4)}h34"
                found.append(tag("path", d=run, class_=f"{style} thick"))
            found.append(text(x + (40 if style else 0), at, said, "soft start"))
        return tag("g", *found, class_="legend")

    def told(self) -> str:
        """Describe the picture in words."""
        words, said = self._writer.words, []
        said.append(words.say("Columns of circles from left to right, one for each layer:"))
        told = [", ".join(column.words) for column in self._all[:MOST_COLUMNS]]
        said.append("; ".join(told) + ("." if len(self._all) <= MOST_COLUMNS else "; …."))
        if self._weights.count:
            said.append(
                words.say(
                    "Lines are weights: thicker for larger ones, dashed for negative ones. "
                    "Each bias stands above its neuron."
                )
            )
        if self._seen is not None:
            said.append(self._answer(self._seen))
        if self._seen is not None and self._seen.loss is not None:
            said.append(words.say("The loss is {number}.", number=words.number(self._seen.loss, 5)))
        return " ".join([*said, *self._notes])

    def _answer(self, seen: Values) -> str:
        column = self._columns[-1]
        nodes = [node.lines[-1] for node in column.nodes]
        return self._writer.words.say("For this row: {values}.", values=_listed(nodes, column))


def _listed(items: Sequence[str], column: Column) -> str:
    return "; ".join(items) + ("" if column.whole else "; …")


def node_width(node: Node) -> float:
    """Give how wide the text in a node is: its first line is bold."""
    return max(widest(node.lines), text_width(node.lines[0]) * BOLD)


def _half_height(column: Column) -> float:
    return max(len(node.lines) for node in column.nodes) * LINE / 2 + 6


def _measure(column: Column, weights: Weights) -> None:
    """Set how large a column's nodes are, and how wide all that stands in it."""
    wide = max(node_width(node) for node in column.nodes)
    if column.kind == "features":
        column.radius = wide / 2 + 10
    else:
        most = max(len(node.lines) for node in column.nodes)
        # The corners of the text lie within the circle.
        tall = (most - 1) * LINE / 2 + 5
        column.radius = max(_LEAST_RADIUS, float(np.hypot(wide / 2, tall)) + 4)
    pills = [weights.bias_width(column, node) for node in column.nodes if node.bias]
    column.half = max(column.radius, *(p / 2 for p in pills), 0)
    if column.kind == "box":
        column.half = column.radius + widest(column.inside) * BOLD / 2 + 12


def _box_nodes(column: Column) -> None:
    """Put a column's nodes in its middle, or behind the box that it is."""
    behind = column.half - column.radius if column.kind == "box" else 0.0
    for node in column.nodes:
        node.x = column.x + behind


def _layer_box(column: Column, middle: float, tall: float) -> Svg:
    half = column.half - column.radius
    heights = [node.y for node in column.nodes]
    reach = max(
        (max(heights) - min(heights)) / 2 + column.radius, len(column.inside) * LINE / 2 + 12
    )
    reach = min(reach, tall / 2 + 20)
    shape = tag("rect", x=column.x - column.half, y=middle - reach, width=2 * half,
                height=2 * reach, rx=8.0, class_="node")  # fmt: skip
    return shape + text_lines(column.x - column.radius, middle, column.inside, "soft", "name")
