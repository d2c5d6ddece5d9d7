"""Reverse mode: gradients as ops. Graph → Graph, and the sweep that tapes use.

Answers for the chain rule over a list of applied ops. Not for: any op's derivative, which
stands in its row; nor for watching eager code (``limpide.tape``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any, NamedTuple

from limpide.errors import ArgumentError, ShapeError
from limpide.ir import CONSTANT, FLOATS, Graph, Node, Op, layer_scope, node_names, uniform_value
from limpide.ops import zeros_like
from limpide.tensor import Tensor, Traced, Tracing, tracing_into


class Applied(NamedTuple):
    """One op that was applied: the names (keys) of its inputs and output, and their values."""

    op: Op
    params: Mapping[str, Any]
    input_keys: tuple[int, ...]
    inputs: tuple[Tensor, ...]
    output_key: int
    output: Tensor


def backward(
    applied: Sequence[Applied], seeds: Mapping[int, Tensor], sources: Iterable[int]
) -> dict[int, Tensor]:
    """Sweep from the end to the start and give the gradient for every key on the way.

    Parameters
    ----------
    applied
        Ops in the order in which they ran; the list is the schedule, so no recursion is needed.
    seeds
        For the keys to differentiate, the gradient to start with.
    sources
        The keys with respect to which gradients are wanted; nothing else is computed.

    Returns
    -------
    dict
        Key → gradient, in ops: an eager tensor, or nodes of the trace being recorded. A key
        that the seeds do not depend on is absent.
    """
    depends = set(sources)
    for entry in applied:
        if not depends.isdisjoint(entry.input_keys):
            depends.add(entry.output_key)
    gradients = dict(seeds)
    for entry in reversed(applied):
        g = gradients.get(entry.output_key)
        if g is None:
            continue
        # What is traced for a derivative belongs to the layer whose derivative it is.
        layer = entry.output.node.layer if isinstance(entry.output, Traced) else ""
        with layer_scope(layer) if layer else nullcontext():
            for index, key in enumerate(entry.input_keys):
                if key in depends:
                    _pull_back(entry, index, g, gradients)
    return gradients


def _pull_back(entry: Applied, index: int, g: Tensor, gradients: dict[int, Tensor]) -> None:
    """Add what one op's derivative gives to the gradient of one of its inputs."""
    rule = entry.op.rule(index)
    part = None if rule is None else rule(g, entry.output, *entry.inputs, **entry.params)
    if part is None:
        return
    assert part.spec == entry.inputs[index].spec, (entry.op.name, index, part.spec)
    key = entry.input_keys[index]
    before = gradients.get(key)
    gradients[key] = part if before is None else before + part


def seed_gradient(target: Tensor) -> Tensor:
    """Give the gradient that a scalar starts with: 1.

    Raises
    ------
    ShapeError
        For a target that is no scalar, or does not hold floats.
    """
    if target.shape != () or target.spec.dtype not in FLOATS:
        raise ShapeError(
            f"A gradient is that of one number, such as a loss; received {target.spec}. "
            "Take lp.mean or lp.sum of it first."
        )
    return Tensor(1, dtype=target.spec.dtype)


def gradient(
    graph: Graph,
    of: int = 0,
    with_respect_to: Sequence[str] | None = None,
    *,
    all_nodes: bool = False,
) -> Graph:
    """Give the graph that also computes the gradient of one scalar output.

    Parameters
    ----------
    graph
        Any graph.
    of
        Which of its outputs to differentiate.
    with_respect_to
        Names of inputs; default: every input that holds floats.
    all_nodes
        Also give the gradient for every node of floats, as explanations need it; these outputs
        are called ``d <output> / d %3``, where ``%3`` is what the printed graph calls the node.
        Constants, and numbers broadcast, are left out.

    Returns
    -------
    Graph
        The same inputs; the outputs of ``graph``, then the gradients.
    """
    floats = [node.name for node in graph.inputs if node.spec.dtype in FLOATS]
    names = floats if with_respect_to is None else list(with_respect_to)
    for name in names:
        if name not in floats:
            raise ArgumentError(f"with_respect_to: no input of floats is named {name!r}: {floats}.")
    tracing = Tracing(f"gradient of {graph.name}")
    values, applied = replay(graph, tracing)
    target = values[id(graph.outputs[of])]
    wanted = [node for name in names for node in graph.inputs if node.name == name]
    if all_nodes:
        wanted += [n for n in graph.nodes if n.spec.dtype in FLOATS and not _is_constant(n)]
    with tracing_into(tracing):
        seeds = {id(graph.outputs[of]): seed_gradient(target)}
        found = backward(applied, seeds, [id(node) for node in wanted])
        results = [
            tracing.lift(found[id(n)] if id(n) in found else zeros_like(values[id(n)])).node
            for n in wanted
        ]
    label, said = graph.output_names[of], node_names(graph)
    outputs = [values[id(node)].node for node in graph.outputs]
    return tracing.trace.finish(
        [*outputs, *results],
        [*graph.output_names, *(f"d {label} / d {said[id(n)]}" for n in wanted)],
    )


def replay(graph: Graph, tracing: Tracing) -> tuple[dict[int, Traced], list[Applied]]:
    """Record a graph's nodes into another trace; gives each node's value there, and the ops."""
    values: dict[int, Traced] = {
        id(node): tracing.argument(node.spec, node.name) for node in graph.inputs
    }
    applied: list[Applied] = []
    for node in graph.nodes:
        with layer_scope(node.layer):
            values[id(node)] = _replayed(node, values, tracing)
        inputs = tuple(values[id(n)] for n in node.inputs)
        keys = tuple(map(id, node.inputs))
        applied.append(Applied(node.op, node.params, keys, inputs, id(node), values[id(node)]))
    return values, applied


def _is_constant(node: Node) -> bool:
    return node.op is CONSTANT or uniform_value(node) is not None


def _replayed(node: Node, values: Mapping[int, Traced], tracing: Tracing) -> Traced:
    if node.op is CONSTANT:
        return Traced(tracing.trace.constant(node.value), tracing)
    inputs = [values[id(n)].node for n in node.inputs]
    return Traced(tracing.trace.record(node.op, inputs, node.params), tracing)
