"""A network as a picture: a column of circles a layer, with its size below.

Answers for networks from 2-2-1 to thousands of neurons, and for any number of layers. Not for:
every weight and value by name, which explanations show.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from limpide.ir import Array
from limpide.languages import Words
from limpide.reporting.charts import WIDTH, picture, text
from limpide.reporting.markup import Html, join, number, shortened, tag

_MOST_CIRCLES = 8  # of a layer that are drawn; of a larger one the first five and the last two
_MOST_COLUMNS = 6
_TALL, _TOP = 190, 14  # of the circles, at most, and above them
_WEIGHED = 40  # connections that are drawn by their weights


@dataclass(frozen=True)
class Stage:
    """A column of the picture: how many values, and what they are."""

    size: int
    words: str
    weights: Array | None = None  # from the stage before, (inputs, outputs)
    members: int = 1  # of an ensemble, whose values lie side by side
    apart: bool = False  # each member sees its own values of the stage before, no others

    def count(self, words: Words) -> str:
        """Say how many values, by members.

        >>> english = Words("en")
        >>> Stage(256, "relu", members=4).count(english), Stage(1000, "inputs").count(english)
        ('4 × 64', '1,000')
        """
        if self.members == 1:
            return words.whole(self.size)
        return f"{self.members} × {words.whole(self.size // self.members)}"


def stages_of(network: Any, inputs: str) -> list[Stage]:
    """Give the input and each layer that has a matrix of its own, the last one in any case."""
    found = [Stage(network.n_inputs, inputs)]
    last = len(network.placed) - 1
    for i, (name, layer, n_inputs, n_outputs) in enumerate(network.placed):
        shapes = [spec.shape for spec in layer.parameters(n_inputs).values()]
        dense = any(len(shape) > 1 for shape in shapes)
        if i < last and ((n_outputs == found[-1].size and not dense) or _is_table(name)):
            continue
        weights = network.params.get(f"{name}.weights")
        fits = weights is not None and weights.shape == (found[-1].size, n_outputs)
        activation = getattr(layer, "activation", None)
        words = str(getattr(activation, "__name__", activation) or type(layer).__name__)
        members = getattr(layer, "members", 1) if i < last else 1
        apart = members > 1 and any(len(shape) > 2 for shape in shapes)
        found.append(Stage(n_outputs, words, weights if fits else None, members, apart))
    return found


def _is_table(name: str) -> bool:
    return name == "columns"


def draw(network: Any, outputs: str, words: Words) -> tuple[Html, str]:
    """Draw a network, and say how to read it; ``outputs`` is what comes out of it."""
    stages = stages_of(network, words.say("inputs"))
    told = _told(stages, outputs, words)
    left_out = len(stages) - _MOST_COLUMNS
    if left_out > 0:
        stages = [*stages[: _MOST_COLUMNS - 2], *stages[-2:]]
    weighed = _by_weights(stages)
    note = _note(network, weighed, words)
    gap = (WIDTH - 90) / max(len(stages) - 1, 1)
    tall = min(_TALL, 44 * (min(max(stage.size for stage in stages), _MOST_CIRCLES) - 1) + 16)
    columns = [(45 + i * gap, _places(stage.size, tall)) for i, stage in enumerate(stages)]
    parts: list[Html] = []
    for i in range(1, len(stages)):
        broken = left_out > 0 and i == len(stages) - 2
        size = stages[i - 1].size
        parts.append(_lines(columns[i - 1], columns[i], size, stages[i], weighed, broken, tall))
    for (x, places), stage in zip(columns, stages, strict=True):
        parts.append(_circles(x, places))
        parts.append(text(x, tall + _TOP + 20, stage.count(words), "v", "middle"))
        most = max(6, int(gap / 6.4)) if len(stages) > 2 else 20
        parts.append(text(x, tall + _TOP + 36, shortened(stage.words, most), "q", "middle"))
    title, height = words.say("The network, layer by layer"), tall + _TOP + 44
    return picture("network", title, f"{told} {note}", *parts, height=height), note


def _told(stages: Sequence[Stage], outputs: str, words: Words) -> str:
    """Say what a picture of these stages shows."""
    sizes = [f"{stage.count(words)} {stage.words}" for stage in stages]
    left_out = len(stages) - _MOST_COLUMNS
    said = [
        words.plural(
            "{n} column of circles, left to right: {sizes}.",
            "{n} columns of circles, left to right: {sizes}.",
            len(stages),
            sizes=words.say(", then ").join(sizes),
        ),
        words.say("Each circle is a value; lines lead to the next layer. It gives {outputs}.",
                  outputs=outputs),
    ]  # fmt: skip
    if left_out > 0:
        said.append(
            words.plural(
                "{n} layer between is not drawn.", "{n} layers between are not drawn.", left_out
            )
        )
    return " ".join(said)


def _note(network: Any, weighed: bool, words: Words) -> str:
    if network.members > 1:
        return words.plural(
            "{n} network lies side by side: they share the inputs, and the answer is the mean of "
            "theirs.",
            "{n} networks lie side by side: they share the inputs, and the answer is the mean of "
            "theirs.",
            network.members,
        )
    return words.say("Thick lines are large weights, dashed ones negative.") if weighed else ""


def _by_weights(stages: Sequence[Stage]) -> bool:
    """Whether every connection is there to be seen, and so few that each can tell its weight."""
    count = sum(a.size * b.size for a, b in itertools.pairwise(stages))
    whole = all(stage.size <= _MOST_CIRCLES for stage in stages)
    known = all(stage.weights is not None for stage in stages[1:])
    return whole and known and count <= _WEIGHED


def _places(size: int, tall: float) -> list[tuple[int, float]]:
    """Give the circles that are drawn of a layer: which neuron, and its height."""
    shown = list(range(size)) if size <= _MOST_CIRCLES else [*range(5), size - 2, size - 1]
    rows = len(shown) + (size > _MOST_CIRCLES)
    gap = min((tall - 14) / max(rows - 1, 1), 44)
    start = _TOP + tall / 2 - gap * (rows - 1) / 2
    return [
        (neuron, start + gap * (row + (size > _MOST_CIRCLES and row > 4)))
        for row, neuron in enumerate(shown)
    ]


def _circles(x: float, places: Sequence[tuple[int, float]]) -> Html:
    parts = [tag("circle", cx=x, cy=y, r=7, class_="neuron") for _, y in places]
    if len(places) == 7 and places[-1][0] > 6:  # some are left out: three dots stand for them
        middle = (places[4][1] + places[5][1]) / 2
        parts += [tag("circle", cx=x, cy=middle + d, r=1.6, class_="dots") for d in (-6, 0, 6)]
    return join(parts)


Column = tuple[float, Sequence[tuple[int, float]]]


def _lines(
    before: Column,
    after: Column,
    size: int,
    stage: Stage,
    weighed: bool,
    broken: bool,
    tall: float,
) -> Html:
    """Draw what leads to a stage from the one before it, of ``size`` values."""
    (x0, starts), (x1, ends) = before, after
    if broken:
        return text((x0 + x1) / 2, _TOP + tall / 2 + 6, "⋯", "gap", "middle")
    largest = float(np.abs(stage.weights).max()) if stage.weights is not None else 0.0
    if not weighed or largest == 0:
        runs = "".join(
            f"M{number(x0 + 7)} {number(a)}L{number(x1 - 7)} {number(b)}"
            for i, a in starts
            for j, b in ends
            if not stage.apart or i * stage.members // size == j * stage.members // stage.size
        )
        return tag("path", d=runs, class_="edge", stroke_width="0.7")
    assert stage.weights is not None
    parts = []
    for i, a in starts:
        for j, b in ends:
            weight = float(stage.weights[i, j])
            run = f"M{number(x0 + 7)} {number(a)}L{number(x1 - 7)} {number(b)}"
            width = number(0.6 + 3.4 * abs(weight) / largest)
            kind = "edge minus" if weight < 0 else "edge plus"
            parts.append(tag("path", d=run, class_=kind, stroke_width=width))
    return join(parts)
