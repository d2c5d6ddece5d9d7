"""Scalar names: w1, b1, … for the parameters of Dense layers, as a course writes them.

Answers for the numbering neuron by neuron through the layers. Not for: values.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping

from limpide.errors import ArgumentError, nearest

Index = tuple[int, ...]


class Scalars:
    """The scalar names of a network's parameters.

    Weights of Dense layers are w1, w2, … neuron by neuron: for 2-2-1, w1 and w2 lead to the
    first hidden neuron, w3 and w4 to the second, w5 and w6 to the output; biases are b1, b2, b3.
    Other parameters are named by place: ``hidden2.scale[3]``.

    Parameters
    ----------
    shapes
        Parameter name → shape, in the network's order.
    dense
        The names of the Dense layers.
    """

    def __init__(self, shapes: Mapping[str, tuple[int, ...]], dense: Collection[str]) -> None:
        self._shapes = dict(shapes)
        self._starts: dict[str, tuple[str, int]] = {}
        counts = {"w": 1, "b": 1}
        for name, shape in shapes.items():
            layer, _, kind = name.rpartition(".")
            if layer in dense:
                letter = "w" if kind == "weights" else "b"
                self._starts[name] = (letter, counts[letter])
                counts[letter] += math.prod(shape)

    def __iter__(self) -> Iterator[str]:
        for name, shape in self._shapes.items():
            for flat in range(math.prod(shape)):
                yield self._named(name, shape, flat)

    def of_layer(self, layer: str) -> Iterator[str]:
        """Give the scalar names of one layer's parameters."""
        for name, shape in self._shapes.items():
            if name.rpartition(".")[0] == layer:
                for flat in range(math.prod(shape)):
                    yield self._named(name, shape, flat)

    def _named(self, name: str, shape: tuple[int, ...], flat: int) -> str:
        if name in self._starts:
            letter, start = self._starts[name]
            return f"{letter}{start + flat}"
        index = []
        for n in reversed(shape):
            flat, i = divmod(flat, n)
            index.append(i)
        return f"{name}[{', '.join(map(str, reversed(index)))}]"

    def name(self, parameter: str, index: Index) -> str:
        """Give the scalar name of one element of a parameter."""
        shape = self._shapes[parameter]
        if parameter in self._starts:
            letter, start = self._starts[parameter]
            # Neuron by neuron: the inputs of one neuron have neighbouring numbers.
            flat = index[1] * shape[0] + index[0] if len(shape) == 2 else index[0]
            return f"{letter}{start + flat}"
        return f"{parameter}[{', '.join(map(str, index))}]"

    def locate(self, name: str) -> tuple[str, Index]:
        """Give the parameter and the index of a scalar name.

        Raises
        ------
        ArgumentError
            For a name that does not exist; the message says which do.
        """
        found = re.fullmatch(r"([wb])(\d+)", str(name))
        if found:
            letter, number = found[1], int(found[2])
            for parameter, (own, start) in self._starts.items():
                shape = self._shapes[parameter]
                if own == letter and start <= number < start + math.prod(shape):
                    flat = number - start
                    if len(shape) == 1:
                        return parameter, (flat,)
                    return parameter, (flat % shape[0], flat // shape[0])
        placed = re.fullmatch(r"(.+)\[([\d, ]+)\]", str(name))
        if placed and placed[1] in self._shapes:
            shape = self._shapes[placed[1]]
            index = tuple(int(i) for i in placed[2].split(","))
            if len(index) == len(shape) and all(i < n for i, n in zip(index, shape, strict=True)):
                return placed[1], index
        if name in self._shapes:
            first = self.name(name, (0,) * len(self._shapes[name]))
            raise ArgumentError(
                f"{name!r} is {math.prod(self._shapes[name])} numbers, and one is asked for. Name "
                f"it, as in {first!r}."
            )
        raise ArgumentError(f"No parameter is named {name!r}; there are {self._summary(name)}")

    def _summary(self, name: str) -> str:
        parts = []
        for letter in "wb":
            ends = [
                s + math.prod(self._shapes[p]) - 1
                for p, (o, s) in self._starts.items()
                if o == letter
            ]
            if ends:
                parts.append(f"{letter}1 to {letter}{max(ends)}")
        others = [p for p in self._shapes if p not in self._starts]
        parts += [f"{p}[{', '.join('0' * len(self._shapes[p]))}] …" for p in others]
        return f"{', '.join(parts)}.{nearest(name, self._shapes)}"
