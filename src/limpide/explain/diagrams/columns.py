"""A network as columns: which neurons are drawn of each layer, their names, and what they say.

Answers for layers of every kind, and for leaving out what cannot be read. Not for: where anything
stands (``places``), nor drawing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from limpide.activations import activation_name
from limpide.explain.diagrams.rounding import (
    MOST,
    Digits,
    agreeing_digits,
    as_read,
    plain_digits,
    whole_digits,
)
from limpide.explain.diagrams.svg import exact, shortened, text_width
from limpide.explain.diagrams.values import Parts, Values
from limpide.explain.neurons import NeuronNames
from limpide.ir import Array
from limpide.languages import Words
from limpide.layers import Dense, Placed
from limpide.table_layers import Columns

MOST_NEURONS = 8  # of a layer that are all drawn; of a larger one the first four and the last two
_FIRST, _LAST = 4, 2
MOST_WEIGHTS = 64  # between two layers that are all named
MOST_COLUMNS = 10  # of more layers the first six and the last three are drawn
_CAPTION = 190.0  # the widest line below a column
_PARTS_TOLD = 6  # of a layer of parts


@dataclass
class Node:
    """A neuron, an input, or a number that a layer gives: what it is and what stands in it."""

    name: str
    index: int
    lines: list[str]
    told: str
    bias: str | None = None  # its scalar's name, of a Dense neuron that has one
    data: dict[str, str] = field(default_factory=dict)
    x: float = 0.0
    y: float = 0.0


@dataclass
class Column:
    """A layer as it is drawn.

    ``kind`` is "inputs", "dense", "features" (a number for each that goes in) or "box" (any other
    layer: its words, and behind it what it gives). ``shown`` holds the nodes, None for the dots.
    """

    kind: str
    layer: str
    size: int
    shown: list[Node | None]
    words: list[str]  # below the column
    inside: list[str] = field(default_factory=list)  # of a box
    placed: Placed | None = None
    x: float = 0.0
    radius: float = 0.0
    half: float = 0.0  # of the width of what stands in it

    @property
    def nodes(self) -> list[Node]:
        return [node for node in self.shown if node is not None]

    @property
    def whole(self) -> bool:
        return len(self.nodes) == self.size


def kind_of(p: Placed) -> str:
    """Say how a layer is drawn."""
    if isinstance(p.layer, Dense):
        return "dense"
    arrays = [spec.shape for spec in p.layer.parameters(p.inputs).values()]
    arrays += [value.shape for value in p.layer.state(p.inputs).values()]
    alike = all(shape == (p.inputs,) for shape in arrays)
    single = p.outputs == p.inputs and alike and not isinstance(p.layer, Columns)
    return "features" if single else "box"


def is_readable(parts: Parts) -> bool:
    """Say whether all numbers of a network of Dense layers are drawn."""
    placed = parts.placed
    small = all(max(p.inputs, p.outputs) <= MOST_NEURONS for p in placed)
    dense = all(isinstance(p.layer, Dense) for p in placed)
    return small and dense and len(placed) < MOST_COLUMNS


def shown_places(size: int) -> list[int | None]:
    """Give which of a layer's numbers are drawn, None for the dots between.

    >>> shown_places(3), shown_places(128)
    ([0, 1, 2], [0, 1, 2, 3, None, 126, 127])
    """
    if size <= MOST_NEURONS:
        return list(range(size))
    return [*range(_FIRST), None, *range(size - _LAST, size)]


class Writer:
    """Writes a network's numbers in the reader's language, each with its digits."""

    def __init__(self, words: Words, digits: Digits) -> None:
        self.words, self.digits = words, digits

    def weight(self, value: float) -> str:
        """Write a weight or an input."""
        return self.words.number(value, whole_digits(value, self.digits.weights))

    def product(self, a: float, b: float) -> str:
        """Write the product of two of them as they are written."""
        first, second = (as_read(value, self.digits.weights) for value in (a, b))
        with np.errstate(all="ignore"):
            return self.value(float(np.float64(first) * second), MOST)

    def value(self, value: float, digits: int = 4) -> str:
        if digits < 0:
            return self.words.number(round(float(value), -digits), 17)
        return self.words.number(value, digits)

    def sum(self, layer: str, index: int, seen: Values) -> str:
        return self.value(seen.sums[layer][index], int(self.digits.sums[layer][index]))

    def output(self, layer: str, index: int, seen: Values) -> str:
        return self.value(seen.outputs[layer][index], int(self.digits.outputs[layer][index]))


def writer_for(parts: Parts, seen: Values | None, words: Words) -> Writer:
    """Give what writes the numbers, so that a reader who sees them all gets the output shown."""
    readable = is_readable(parts)
    if seen is not None and readable:
        return Writer(words, agreeing_digits(parts, seen))
    return Writer(words, plain_digits(5 if readable else 4, seen))


def columns_of(parts: Parts, seen: Values | None, writer: Writer) -> list[Column]:
    """Give the columns of a network that are drawn, all of them."""
    naming = NeuronNames(parts.placed)
    columns = [_inputs(parts.placed[0].inputs, seen, writer, naming)]
    columns += [_layer(p, parts, seen, writer, naming) for p in parts.placed]
    return columns


def _inputs(size: int, seen: Values | None, writer: Writer, naming: NeuronNames) -> Column:
    words = writer.words
    shown: list[Node | None] = []
    for i in shown_places(size):
        if i is None:
            shown.append(None)
            continue
        name, data = naming.name("", i), {}
        line = name
        if seen is not None:
            data["value"] = exact(seen.x[i])
            line = f"{name} = {writer.weight(float(seen.x[i]))}"
        shown.append(Node(name, i, [line], words.say("The input {name}", name=line), data=data))
    below = [words.say("inputs"), words.whole(size)]
    return Column("inputs", "", size, shown, below)


def _layer(
    p: Placed, parts: Parts, seen: Values | None, writer: Writer, naming: NeuronNames
) -> Column:
    kind = kind_of(p)
    shown = [
        None if i is None else _node(p, i, kind, parts, seen, writer, naming)
        for i in shown_places(p.outputs)
    ]
    counted = (
        writer.words.plural("{n} neuron", "{n} neurons", p.outputs)
        if kind == "dense"
        else writer.words.plural("{n} value", "{n} values", p.outputs)
    )
    if isinstance(p.layer, Dense):
        said = activation_name(p.layer.function)
        if p.layer.bias is None:
            said += f", {writer.words.say('no bias')}"
        below = [p.name, counted, said]
    else:
        below = [p.name, counted] if kind == "box" else [p.name, p.layer.describe(), counted]
    inside = _inside(p, parts, writer) if kind == "box" else []
    below = [shortened(line, _CAPTION) for line in below]
    return Column(kind, p.name, p.outputs, shown, below, inside, p)


def _node(
    p: Placed,
    i: int,
    kind: str,
    parts: Parts,
    seen: Values | None,
    writer: Writer,
    naming: NeuronNames,
) -> Node:
    name, data, lines = naming.name(p.name, i), {"layer": p.name}, []
    bias = None
    if isinstance(p.layer, Dense):
        data["activation"] = activation_name(p.layer.function)
        lines.append(name)
        if f"{p.name}.bias" in parts.params:
            bias = parts.scalars.name(f"{p.name}.bias", (i,))
            data["bias"] = exact(parts.params[f"{p.name}.bias"][i])
        if seen is not None:
            data["sum"] = exact(seen.sums[p.name][i])
            lines.append(f"z = {writer.sum(p.name, i, seen)}")
    if kind == "features":
        for key, value in _own(p, parts).items():
            lines.append(f"{key} = {writer.weight(float(value[i]))}")
            data[key.replace("_", "-")] = exact(value[i])
    if seen is not None:
        data["value"] = exact(seen.outputs[p.name][i])
        called = naming.value(p.name, i, p.outputs)
        written = writer.output(p.name, i, seen)
        unnamed = called == f"{p.name}[{i}]"  # too long a name to be written into a circle
        result = written if unnamed else f"{called} = {written}"
        if lines[:1] == [called]:
            lines[0] = result
        else:
            lines.append(f"= {result}" if unnamed and kind == "features" else result)
    if not lines:
        lines = [name if p.name == naming.last else str(i + 1)]
    told = ", ".join([name, p.name, data.get("activation", p.layer.describe()), *lines])
    return Node(name, i, lines, told, bias, data)


def _own(p: Placed, parts: Parts) -> dict[str, Array]:
    """Give a layer's parameters and state by their own names."""
    start = f"{p.name}."
    every = {**parts.params, **parts.state}
    return {n[len(start) :]: a for n, a in every.items() if n.startswith(start)}


def _inside(p: Placed, parts: Parts, writer: Writer) -> list[str]:
    """Say what a layer is that is drawn as a box: its kind, its parts, its arrays."""
    words = writer.words
    lines = [p.layer.describe()]
    if isinstance(p.layer, Columns):
        lines = [type(p.layer).__name__]
        for places, layer in p.layer.parts[:_PARTS_TOLD]:
            lines.append(f"{layer.name}: {layer.describe()}")
            lines.append(words.plural("of {n} column", "of {n} columns", len(places)))
        rest = len(p.layer.parts) - _PARTS_TOLD
        if rest > 0:
            lines.append(words.plural("and {n} more part", "and {n} more parts", rest))
    else:
        for key, array in _own(p, parts).items():
            shape = " × ".join(words.whole(n) for n in array.shape)
            lines.append(f"{key}: {shape}")
    n = sum(a.size for name, a in parts.params.items() if name.startswith(f"{p.name}."))
    if n:
        lines.append(words.plural("{n} parameter", "{n} parameters", n))
    return lines


def widest(lines: Sequence[str]) -> float:
    """Give how wide the widest of some lines is."""
    return max((text_width(line) for line in lines), default=0.0)
