"""Inputs and outputs of ONNX graphs, and the nodes from a network's output to labels.

Answers for ``label``, ``probabilities`` and ``prediction``. Not for: a table's columns
(``opset_columns``).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from limpide.exports.about import Ending
from limpide.exports.opset import Operators
from limpide.ir import Array


class Port(NamedTuple):
    """An input or an output: its name, dtype and sizes (text: a free one)."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[str | int, ...]


def ends(ending: Ending, sums: str, width: int, to: Operators) -> list[Port]:
    """Add the nodes from the network's sums to what a model gives; give the outputs."""
    z = to.add("Cast", sums, to=np.dtype("f8"))
    if ending.task == "regression":
        scaled = to.add("Mul", z, to.constant(ending.scale, np.float64))
        found = to.add("Add", scaled, to.constant(ending.centre, np.float64))
        several = np.ndim(ending.scale) > 0
        shape = to.constant([-1, width] if several else [-1], np.int64)
        given = to.add("Reshape", found, shape, name="prediction")
        return [Port(given, np.dtype("f8"), ("n", width) if several else ("n",))]
    if ending.task == "multilabel":
        return _labels_apart(z, width, to)
    if ending.task == "binary":  # the sigmoid of a sum is the softmax of 0 and the sum
        zero = to.add("Mul", z, to.constant(0.0, np.float64))
        z = to.add("Concat", zero, z, axis=1)
    chances = to.add("Softmax", z, axis=1)
    place = to.add("ArgMax", chances, axis=1, keepdims=0)
    label = to.add("Gather", to.constant(_labels(ending)), place, axis=0, name="label")
    given = to.add("Cast", chances, to=np.dtype("f4"), name="probabilities")
    return [
        Port(label, _labels(ending).dtype, ("n",)),
        Port(given, np.dtype("f4"), ("n", len(ending.labels))),
    ]


def _labels_apart(z: str, width: int, to: Operators) -> list[Port]:
    """Give labels of 0 and 1, each by itself."""
    sure = to.add("Greater", z, to.constant(0, np.float64))
    label = to.add("Cast", sure, to=np.dtype("i8"), name="label")
    chances = to.add("Cast", to.add("Sigmoid", z), to=np.dtype("f4"), name="probabilities")
    return [Port(label, np.dtype("i8"), ("n", width)), Port(chances, np.dtype("f4"), ("n", width))]


def _labels(ending: Ending) -> Array:
    assert ending.classes is not None
    return np.asarray(ending.classes)


def network_ends(
    activation: str, output: str, width: int, dtype: np.dtype[Any], to: Operators
) -> list[Port]:
    """Give the outputs of a bare network: a label and probabilities, or a prediction."""
    if activation not in ("sigmoid", "softmax"):
        given = to.add("Identity", output, name="prediction")
        return [Port(given, dtype, ("n", width))]
    given = to.add("Identity", output, name="probabilities")
    shape: tuple[str | int, ...] = ("n",)
    if activation == "softmax":
        label = to.add("ArgMax", given, axis=1, keepdims=0, name="label")
    else:
        sure = to.add("Greater", given, to.constant(0.5, dtype))
        if width == 1:
            sure = to.add("Reshape", sure, to.constant([-1], np.int64))
        else:
            shape = ("n", width)
        label = to.add("Cast", sure, to=np.dtype("i8"), name="label")
    return [Port(label, np.dtype("i8"), shape), Port(given, dtype, ("n", width))]
