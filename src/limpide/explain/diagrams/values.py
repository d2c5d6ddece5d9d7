"""Values: what happens in a network for one row, from the traced graph on the reference engine.

Answers for the sums, outputs, loss and gradients that pictures show. Not for: how they are
rounded (``rounding``) or drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from limpide import engines
from limpide.gradient import gradient
from limpide.ir import Array, Graph, spec_of
from limpide.layers import Dense, Placed, forward
from limpide.losses import Loss, row_means
from limpide.ops import mean
from limpide.scalars import Scalars
from limpide.tensor import Tensor, Tracing, tracing_into

Arrays = Mapping[str, Array]


@dataclass(frozen=True)
class Parts:
    """What is handed in of a network: its layers, its arrays by name, its scalars' names."""

    placed: Sequence[Placed]
    params: Arrays
    state: Arrays
    scalars: Scalars


@dataclass(frozen=True)
class Question:
    """One row, and what is asked of it.

    ``x`` is f[1, inputs], ``y`` the target as the loss takes it, or None.
    """

    x: Array
    y: Array | None = None
    loss: Loss | None = None
    gradients: bool = False


@dataclass(frozen=True)
class Values:
    """What a row gives: a row a layer, the loss, and the gradient of each parameter."""

    x: Array
    sums: Mapping[str, Array]  # of Dense layers, before the activation
    outputs: Mapping[str, Array]
    loss: float | None
    gradients: Arrays


class Run:
    """A network's graph for one row, compiled once for arrays of one dtype."""

    def __init__(self, parts: Parts, asked: Question) -> None:
        self._parts, self._asked = parts, asked
        graph = _trace(parts, asked)
        self._names = graph.output_names
        self._run = engines.get("reference").compile(graph)

    def __call__(self, params: Arrays, state: Arrays, x: Array) -> Values:
        """Give the values for arrays of the same shapes and dtypes."""
        given = [*params.values(), *state.values(), x]
        if self._asked.y is not None:
            given.append(self._asked.y)
        with np.errstate(all="ignore"):  # weights may hold NaN: that is to be seen
            results = self._run([np.ascontiguousarray(array) for array in given])
        found = dict(zip(self._names, results, strict=True))
        n_params = len(params)
        slopes = results[len(results) - n_params :] if self._asked.gradients else []
        placed = self._parts.placed
        return Values(
            x[0],
            {p.name: found[f"{p.name} sum"][0] for p in placed if isinstance(p.layer, Dense)},
            {p.name: found[f"{p.name} output"][0] for p in placed},
            float(found["loss"]) if "loss" in found else None,
            dict(zip(params, slopes, strict=False)),
        )


def values_of(parts: Parts, asked: Question) -> Values:
    """Give what happens in a network for one row."""
    return Run(parts, asked)(parts.params, parts.state, asked.x)


def _trace(parts: Parts, asked: Question) -> Graph:
    """Trace each layer's sum and output, and the loss, with the gradients that are asked for."""
    tracing = Tracing("values")
    params: dict[str, Tensor] = {
        n: tracing.argument(spec_of(a), n) for n, a in parts.params.items()
    }
    state: dict[str, Tensor] = {n: tracing.argument(spec_of(a), n) for n, a in parts.state.items()}
    x = tracing.argument(spec_of(asked.x), "X")
    y = None if asked.y is None else tracing.argument(spec_of(asked.y), "y")
    found: dict[str, Tensor] = {}
    with tracing_into(tracing):
        for i, p in enumerate(parts.placed):
            # The layers up to this one again: the trace merges what is equal.
            z, activation, _ = forward(parts.placed[: i + 1], params, state, x)
            if isinstance(p.layer, Dense):
                found[f"{p.name} sum"] = z
            found[f"{p.name} output"] = activation(z)
            if i == len(parts.placed) - 1 and y is not None and asked.loss is not None:
                found["loss"] = mean(row_means(asked.loss.of_sum(y, z, activation)))
        nodes = [tracing.lift(value).node for value in found.values()]
    graph = tracing.trace.finish(nodes, list(found))
    if not asked.gradients:
        return graph
    return gradient(graph, of=list(found).index("loss"), with_respect_to=list(parts.params))
