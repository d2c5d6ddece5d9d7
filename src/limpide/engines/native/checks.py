"""Arrays that compiled code is given: refused where it would read them wrongly.

Answers for the check before a run and the error after one. Not for: what users may pass
(``limpide.arrays``, ``limpide.conversion``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from limpide.engines.native.module import Module
from limpide.errors import ArgumentError, ArgumentTypeError
from limpide.ir import Array, Graph, Node


def check_arrays(given: Sequence[Array], nodes: Sequence[Node], first_axis: int = 0) -> None:
    """Refuse arrays that machine code would read wrongly; ``first_axis`` is where to compare."""
    if len(given) != len(nodes):
        raise ArgumentError(f"{len(nodes)} arrays are needed here; received {len(given)}.")
    for array, node in zip(given, nodes, strict=True):
        spec = node.spec
        if array.shape[first_axis:] != spec.shape[first_axis:] or array.dtype != spec.numpy_dtype:
            raise ArgumentTypeError(
                f"{node.name or node.op.name} is {spec}; received an array of dtype "
                f"{array.dtype} and shape {list(array.shape)}. Cast and reshape it first."
            )


def raise_index(nodes: Sequence[Node], status: Array) -> NoReturn:
    """Say which index was out of range, the first that was met; the reference engine counts all."""
    number, found = int(status[0]), int(status[1])
    status[:] = 0
    node = nodes[number - 1]
    axis = node.params["axis"]
    size = node.inputs[0].spec.shape[axis] if node.op.name == "gather" else node.params["size"]
    allowed = f"from 0 to {size - 1}" if size else "none, since the axis is empty"
    raise ArgumentError(
        f"{node.op.name} received an index out of range for axis {axis} of size {size}: "
        f"{found}; allowed are {allowed}. Negative indices do not count from the end: "
        "add the size to them."
    )


def constant_arrays(module: Module, graphs: Sequence[Graph]) -> list[Array]:
    """Give the arrays that a program finds in its memory, in the order of their places."""
    pairs = zip(graphs, module.places, strict=True)
    return [graph.nodes[i].value for graph, places in pairs for i in places]
