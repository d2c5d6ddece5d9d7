"""What a program computes, as text: the same for graphs that compute the same.

Answers for the graph's part of a cached program's key. Not for: what else decides about compiled
code (each engine's own), nor for files (``cache``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from limpide.ir import CONSTANT, Graph, Node


def graph_lines(graph: Graph, constant: Callable[[Node], str]) -> Iterator[str]:
    """Give a graph line by line, whatever its values are called.

    Parameters
    ----------
    constant
        What a constant's value is told as.
    """
    number = {id(n): i for i, n in enumerate([*graph.inputs, *graph.nodes])}
    for node in graph.inputs:
        yield str(node.spec)
    for node in graph.nodes:
        if node.op is CONSTANT:
            yield f"constant {node.spec} {constant(node)}"
            continue
        inputs = " ".join(str(number[id(n)]) for n in node.inputs)
        yield f"{node.op.name} {node.spec} {inputs} {sorted(node.params.items())}"
    yield "return " + " ".join(str(number[id(n)]) for n in graph.outputs)
