"""Neurons: what each output of each layer is called, the same in derivations, diagrams, findings.

Answers for h1, h2, … through the hidden layers of neurons, a1, a2, … through the other layers, and
o1, o2, … at the end. Not for: parameters (``limpide.scalars``) or any number's value.
"""

from __future__ import annotations

from collections.abc import Sequence

from limpide.layers import Placed


class NeuronNames:
    """The names of a network's neurons and of what other layers give.

    >>> from limpide.layers import Dense, Dropout, place
    >>> names = NeuronNames(place([Dense(2), Dropout(0.5), Dense(3), Dense(1)], 4))
    >>> names.name("", 3), names.name("hidden1", 1), names.name("hidden2", 0)
    ('x4', 'h2', 'h3')
    >>> names.name("dropout2", 0), names.name("output", 0), names.value("output", 0, 1)
    ('a1', 'o1', 'ŷ')
    """

    def __init__(self, placed: Sequence[Placed]) -> None:
        self._starts: dict[str, tuple[str, int]] = {"": ("x", 1)}
        counted = {"h": 1, "a": 1}
        for p in placed[:-1]:
            letter = "h" if hasattr(p.layer, "function") else "a"
            self._starts[p.name] = (letter, counted[letter])
            counted[letter] += p.outputs
        self.last = placed[-1].name
        self._starts[self.last] = ("o", 1)

    def start(self, layer: str) -> tuple[str, int]:
        """Give the letter of a layer's outputs, and the number of the first."""
        return self._starts[layer]

    def name(self, layer: str, index: int) -> str:
        """Give the name of an output of a layer; the inputs' layer is named ""."""
        letter, first = self._starts[layer]
        return f"{letter}{first + index}"

    def value(self, layer: str, index: int, size: int) -> str:
        """Give what its value is called: ŷ for the output of o1."""
        if layer == self.last:
            return "ŷ" if size == 1 else f"ŷ{index + 1}"
        return self.name(layer, index)

    def of_layers(self, placed: Sequence[Placed]) -> dict[str, list[str]]:
        """Give all names by layer."""
        return {p.name: [self.name(p.name, i) for i in range(p.outputs)] for p in placed}
