"""The connections between two columns: lines by weight, with names and numbers.

Answers for what leads from each layer to the next. Not for: neurons.
"""

from __future__ import annotations

import math

import numpy as np

from limpide.explain.diagrams.columns import MOST_WEIGHTS, Column, Node, Writer, widest
from limpide.explain.diagrams.places import Box, Wire, label_places
from limpide.explain.diagrams.svg import BOLD, LINE, Svg, exact, place, tag, text_lines
from limpide.explain.diagrams.values import Arrays, Parts
from limpide.ir import Array
from limpide.layers import Dense

_THIN, _THICK = 1.0, 4.5
_STRONGEST = 6  # weights that are named where not all are
_LEAST_GAP = 70.0
_FLATTER = 0.45  # of the rise of the steepest line
_WIDER = 1.2  # each time that texts meet
_TRIES = 9


class Weights:
    """The weights and biases of a network's Dense layers, as they are written and drawn."""

    def __init__(self, parts: Parts, gradients: Arrays, writer: Writer) -> None:
        self._parts, self.writer = parts, writer
        self._gradients = gradients
        dense = [p.name for p in parts.placed if isinstance(p.layer, Dense)]
        every = [parts.params[f"{name}.weights"] for name in dense]
        every += [parts.params[n] for n in (f"{name}.bias" for name in dense) if n in parts.params]
        finite = [np.abs(a[np.isfinite(a)]) for a in every]
        self._largest = max((float(a.max()) for a in finite if a.size), default=0.0)
        self.count = sum(parts.params[f"{name}.weights"].size for name in dense)

    def array(self, column: Column) -> Array | None:
        """Give the weights that lead to a column, (inputs, neurons)."""
        if column.kind != "dense":
            return None
        return self._parts.params[f"{column.layer}.weights"]

    def name(self, column: Column, i: int, j: int) -> str:
        return self._parts.scalars.name(f"{column.layer}.weights", (i, j))

    def lines(self, column: Column, i: int, j: int) -> list[str]:
        """Give what stands on a connection: its weight, and the gradient where it is known."""
        name, value = self.name(column, i, j), float(self._weights(column)[i, j])
        lines = [f"{name} = {self.writer.weight(value)}"]
        slope = self.gradient(f"{column.layer}.weights", (i, j))
        if slope is not None:
            lines.append(f"∂L/∂{name} = {self.writer.value(slope)}")
        return lines

    def _weights(self, column: Column) -> Array:
        return self._parts.params[f"{column.layer}.weights"]

    def gradient(self, parameter: str, index: tuple[int, ...]) -> float | None:
        found = self._gradients.get(parameter)
        return None if found is None else float(found[index])

    def thickness(self, value: float) -> float:
        """Give how thick the line of a weight is."""
        if math.isnan(value) or self._largest == 0:
            return _THIN
        return _THIN + (_THICK - _THIN) * min(abs(value) / self._largest, 1.0)

    def _bias_lines(self, column: Column, node: Node) -> list[str]:
        parameter = f"{column.layer}.bias"
        value = float(self._parts.params[parameter][node.index])
        lines = [f"{node.bias} = {self.writer.weight(value)}"]
        slope = self.gradient(parameter, (node.index,))
        if slope is not None:
            lines.append(f"∂L/∂{node.bias} = {self.writer.value(slope)}")
        return lines

    def bias_width(self, column: Column, node: Node) -> float:
        """Give how wide the bias above a neuron is."""
        return widest(self._bias_lines(column, node)) + 12

    def bias_box(self, column: Column, node: Node) -> Box:
        """Give where the bias of a neuron stands."""
        lines = self._bias_lines(column, node)
        half = len(lines) * LINE / 2 + 3
        return Box(node.x, node.y - column.radius - 9 - half, widest(lines) / 2 + 6, half)

    def bias(self, column: Column, node: Node) -> Svg:
        """Draw a bias: a small node of its own above its neuron."""
        parameter = f"{column.layer}.bias"
        value = float(self._parts.params[parameter][node.index])
        box, lines = self.bias_box(column, node), self._bias_lines(column, node)
        slope = self.gradient(parameter, (node.index,))
        style = style_of(value)
        stem = tag(
            "path", d=f"M{place(node.x)} {place(box.y)}V{place(node.y - column.radius)}",
            class_=style, stroke_width=place(self.thickness(value)),
        )  # fmt: skip
        shape = tag(
            "rect", x=box.x - box.half_width, y=box.y - box.half_height, rx=9.0,
            width=2 * box.half_width, height=2 * box.half_height, class_="pill",
        )  # fmt: skip
        return tag(
            "g", stem, shape, text_lines(box.x, box.y, lines, style), class_="bias",
            data_name=node.bias, data_to=node.name, data_bias=exact(value),
            data_gradient=None if slope is None else exact(slope),
        )  # fmt: skip


def caption_width(column: Column) -> float:
    """Give how wide the words below a column are: the first line is bold."""
    return max(widest(column.words), widest(column.words[:1]) * BOLD)


def style_of(value: float) -> str:
    """Give the class of a number's line: its sign, told by dashes too."""
    if math.isnan(value) or value == 0:
        return "unknown"
    return "negative" if value < 0 else "positive"


class Gap:
    """All that leads from one column to the next."""

    def __init__(
        self, before: Column, column: Column, weights: Weights, edges: list[tuple[Node, Node]],
        named: list[tuple[Node, Node]], plain: bool, broken: bool,
    ) -> None:  # fmt: skip
        self._before, self._column, self._weights = before, column, weights
        self._edges, self._named, self._plain, self._broken = edges, named, plain, broken
        self._texts = {id_of(e): weights.lines(column, e[0].index, e[1].index) for e in named}
        self._boxes: list[Box] = []
        self.drawn = 0 if plain else len(edges)
        self.width = max(self._first_width(), self._for_captions())

    def _first_width(self) -> float:
        if self._plain:
            return 90.0
        steep = max(abs(a.y - b.y) for a, b in self._edges) * _FLATTER
        if not self._named:
            return max(150.0, steep)
        wide = max(widest(lines) for lines in self._texts.values())
        slots = min(len(self._before.nodes), len(self._column.nodes))
        return max(_LEAST_GAP, steep, wide * (1.5 if slots == 1 else 2.3) + 40)

    def _for_captions(self) -> float:
        """Give how wide the words below both columns want the gap between them."""
        before, column = self._before, self._column
        return (caption_width(before) + caption_width(column)) / 2 + 14 - before.half - column.half

    def settle(self) -> None:
        """Find places for the texts, moving the column away where there is no room for them."""
        for _ in range(_TRIES):
            self._boxes, meeting = self._placed()
            if not meeting or not self._named:
                break
            step = self.width * (_WIDER - 1)
            self.width += step
            self._column.x += step
            for node in self._column.nodes:
                node.x += step

    def _placed(self) -> tuple[list[Box], int]:
        before, column = self._before, self._column
        left = max(node.x for node in before.nodes) + before.radius + 8
        right = min(node.x for node in column.nodes) - column.radius - 10
        wires = []
        for edge in self._named:
            lines = self._texts[id_of(edge)]
            start, end = (edge[0].x, edge[0].y), (edge[1].x, edge[1].y)
            wires.append(Wire(start, end, widest(lines), len(lines) * LINE))
        taken = [self._weights.bias_box(c, n) for c in (before, column) for n in c.nodes if n.bias]
        return label_places(wires, left, right, taken)

    def lines(self) -> Svg:
        """Draw the lines, strong ones on top."""
        if self._broken:
            return Svg("")
        if self._plain:
            return self._plain_lines()
        order = sorted(self._edges, key=lambda e: self._strength(e))
        return tag("g", *(self._line(edge) for edge in order), class_="weights")

    def _strength(self, edge: tuple[Node, Node]) -> float:
        array = self._weights.array(self._column)
        assert array is not None
        value = abs(float(array[edge[0].index, edge[1].index]))
        return -1.0 if math.isnan(value) else value

    def _line(self, edge: tuple[Node, Node]) -> Svg:
        source, target = edge
        array = self._weights.array(self._column)
        assert array is not None
        index = (source.index, target.index)
        value, name = float(array[index]), self._weights.name(self._column, *index)
        slope = self._weights.gradient(f"{self._column.layer}.weights", index)
        words, writer = self._weights.writer.words, self._weights.writer
        told = words.say(
            "The weight {name} from {source} to {target}: {number}",
            name=name,
            source=source.name,
            target=target.name,
            number=writer.weight(value),
        )
        if slope is not None:
            told += f"; ∂L/∂{name} = {writer.value(slope)}"
        return tag(
            "path", tag("title", told), d=_run(source, target), class_=f"edge {style_of(value)}",
            stroke_width=place(self._weights.thickness(value)), data_name=name,
            data_from=source.name, data_to=target.name, data_weight=exact(value),
            data_gradient=None if slope is None else exact(slope),
        )  # fmt: skip

    def _plain_lines(self) -> Svg:
        column = self._column
        if column.kind == "features":
            at = {node.index: node for node in column.nodes}
            pairs = [(n, at[n.index]) for n in self._before.nodes if n.index in at]
            runs = "".join(_run(source, target) for source, target in pairs)
        else:
            left = column.x - column.half + 4
            runs = "".join(
                f"M{place(n.x)} {place(n.y)}L{place(left)} {place(_inside(n.y, column))}"
                for n in self._before.nodes
            )
        return tag("path", d=runs, class_="plain thin")

    def texts(self) -> Svg:
        """Draw names and numbers, over all lines."""
        if self._broken:
            middle = (self._before.x + self._before.half + self._column.x - self._column.half) / 2
            y = sum(n.y for n in self._column.nodes) / len(self._column.nodes)
            return text_lines(middle, y, ["⋯"], "name")
        found = []
        for edge, box in zip(self._named, self._boxes, strict=True):
            array = self._weights.array(self._column)
            assert array is not None
            style = style_of(float(array[edge[0].index, edge[1].index]))
            veil = tag(
                "rect", x=box.x - box.half_width, y=box.y - box.half_height,
                width=2 * box.half_width, height=2 * box.half_height, class_="veil",
            )  # fmt: skip
            found.append(veil + text_lines(box.x, box.y, self._texts[id_of(edge)], style))
        return tag("g", *found, class_="numbers") if found else Svg("")


def _inside(y: float, column: Column) -> float:
    """Give where a line from a height meets a box: not beyond its first and last number."""
    heights = [node.y for node in column.nodes]
    return min(max(y, min(heights)), max(heights))


def id_of(edge: tuple[Node, Node]) -> tuple[str, str]:
    return edge[0].name, edge[1].name


def _run(source: Node, target: Node) -> str:
    return f"M{place(source.x)} {place(source.y)}L{place(target.x)} {place(target.y)}"


def connect(before: Column, column: Column, weights: Weights, broken: bool = False) -> Gap:
    """Say which connections are drawn between two columns, and which of them are named."""
    array = None if broken else weights.array(column)
    if array is None:
        return Gap(before, column, weights, [], [], True, broken)
    edges = [(a, b) for b in column.nodes for a in before.nodes]
    if before.whole and column.whole and len(edges) <= MOST_WEIGHTS:
        return Gap(before, column, weights, edges, edges, False, False)
    by_size = sorted(edges, key=lambda e: -_size(float(array[e[0].index, e[1].index])))
    return Gap(before, column, weights, edges, by_size[:_STRONGEST], False, False)


def _size(value: float) -> float:
    return math.inf if math.isnan(value) else abs(value)  # what is not a number is to be seen
