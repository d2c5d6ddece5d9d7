"""The subject: a network's loss on a few rows, traced so that every layer's output can be named.

Answers for the graph that is explained, worked out in float64, with the place of every layer's
sums and outputs in it. Not for: reading it (``cells``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from limpide.activations import Activation, linear
from limpide.ir import Array, Graph, Node, Spec, layer_scope, spec_of
from limpide.layers import Layer, Placed
from limpide.losses import Loss, row_means, weighted_mean
from limpide.members import MemberDense, MemberInput, MemberOutput
from limpide.ops import RandomSource
from limpide.steps import repeated, repeated_weights
from limpide.tensor import Tensor, Tracing, tracing_into


@dataclass(frozen=True)
class Stage:
    """One layer in the graph: the node of its output, and of its weighted sum where it has one.

    ``apart``: of an ensemble's last layer the node of its members' own sums.
    """

    name: str
    layer: Layer
    output: Node
    sums: Node | None = None
    apart: Node | None = None


@dataclass(frozen=True)
class Subject:
    """What is explained.

    Attributes
    ----------
    graph
        Inputs: parameters, state, X, y and perhaps weights; outputs: the prediction, the loss of
        each row, and the loss.
    inputs
        Its inputs, float64 (y may be class numbers).
    stages
        The layers, in order.
    unfused
        The same, with the loss worked out from the prediction, where the loss that trains goes
        by the last layer's sum instead; else None.
    """

    graph: Graph
    inputs: list[Array]
    stages: list[Stage]
    params: tuple[str, ...]
    state: tuple[str, ...]
    unfused: Subject | None = field(default=None)

    @property
    def prediction(self) -> Node:
        return self.graph.outputs[0]

    @property
    def losses(self) -> Node:
        return self.graph.outputs[1]

    @property
    def loss(self) -> Node:
        return self.graph.outputs[2]

    def input(self, name: str) -> Node:
        """Give an input of the graph by its name."""
        return next(node for node in self.graph.inputs if node.name == name)


def trace_subject(
    placed: Sequence[Placed],
    loss: Loss,
    params: Mapping[str, Array],
    state: Mapping[str, Array],
    rows: Sequence[Array],
    training: tuple[int, int] | None = None,
) -> Subject:
    """Trace the forward pass and the loss of a network on rows X, y and perhaps weights.

    ``training`` is (seed, step) of a training step, whose dropout and batch statistics are then
    taken; None is prediction.
    """
    exact = [np.asarray(a, np.float64) for a in (*params.values(), *state.values())]
    data = [a.astype(np.float64) if a.dtype.kind == "f" else a for a in rows]
    arguments = (placed, loss, params, state, data, training)
    graph, stages, fused = _trace(*arguments, fused=True)
    unfused = None
    if fused:
        other, others, _ = _trace(*arguments, fused=False)
        unfused = Subject(other, [*exact, *data], others, tuple(params), tuple(state))
    return Subject(graph, [*exact, *data], stages, tuple(params), tuple(state), unfused)


def _trace(
    placed: Sequence[Placed],
    loss: Loss,
    params: Mapping[str, Array],
    state: Mapping[str, Array],
    rows: Sequence[Array],
    training: tuple[int, int] | None,
    fused: bool,
) -> tuple[Graph, list[Stage], bool]:
    tracing = Tracing("explained")
    values: dict[str, Tensor] = {
        n: tracing.argument(Spec(a.shape, "f64"), n) for n, a in (*params.items(), *state.items())
    }
    names = ("X", "y", "sample_weight")
    batch = [tracing.argument(spec_of(a), n) for a, n in zip(rows, names, strict=False)]
    stages: list[Stage] = []
    with tracing_into(tracing):
        x: Tensor = batch[0]
        z: Tensor = batch[0]
        activation: Activation = linear
        for i, (name, layer, _, _) in enumerate(placed):
            with layer_scope(name):
                before, z, activation = x, x, linear
                own = {k[len(name) + 1 :]: v for k, v in values.items() if k.startswith(f"{name}.")}
                last = i == len(placed) - 1 or hasattr(layer, "weighted_sum")
                # In training the members of an ensemble answer each for itself.
                apart = training is not None and i == len(placed) - 1
                summed = layer.last_sum(own, x, apart) if last else None
                if summed is not None:
                    z, activation = summed
                    x = activation(z)
                    sums = tracing.lift(z).node if activation is not linear else None
                    each = _own_sums(layer, own, before, tracing)
                    stages.append(Stage(name, layer, tracing.lift(x).node, sums, each))
                    continue
                context = None
                if training is not None:
                    seed, step = (Tensor(v, dtype="uint32") for v in training)
                    context = RandomSource(seed, step, i)
                sums = _own_sums(layer, own, x, tracing)
                x, _ = layer.forward(own, own, x, context)
                stages.append(Stage(name, layer, tracing.lift(x).node, sums))
                z = x
        with layer_scope("loss"):
            answers = z.shape[0] // batch[0].shape[0]
            y = repeated(batch[1], answers)
            elements = loss.of_sum(y, z, activation) if fused else loss.elements(y, x)
            losses = row_means(elements)
            weights = repeated_weights(batch[2], answers) if len(batch) > 2 else None
            total = weighted_mean(losses, weights)
        outputs = [tracing.lift(value).node for value in (x, losses, total)]
    graph = tracing.trace.finish(outputs, ["prediction", "losses", "loss"])
    return graph, stages, fused and not _goes_through(outputs[2], outputs[0])


def _own_sums(
    layer: Layer, params: Mapping[str, Tensor], x: Tensor, tracing: Tracing
) -> Node | None:
    """Give the node of the sums of an ensemble's members: the trace merges it with forward's."""
    if not isinstance(layer, (MemberInput, MemberDense)):
        return None
    if layer.function is linear and not isinstance(layer, MemberOutput):
        return None  # its outputs are its sums
    return tracing.lift(layer.sums(params, x)).node


def _goes_through(end: Node, node: Node) -> bool:
    waiting, seen = [end], {id(end)}
    while waiting:
        one = waiting.pop()
        if one is node:
            return True
        for source in one.inputs:
            if id(source) not in seen:
                seen.add(id(source))
                waiting.append(source)
    return False
