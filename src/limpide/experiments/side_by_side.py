"""Thousands of small networks trained side by side: each weight is an array, one number a network.

Answers for starting them from their seeds, training and judging them in one compiled loop. Not
for: what is made of it (``xor_starts``), nor for networks that answer together
(``limpide.members``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from limpide import engines
from limpide.arrays import as_matrix, as_targets
from limpide.ir import Array, Graph, Loop, Spec
from limpide.layers import Dense, Placed
from limpide.losses import resolve_loss
from limpide.network import Network
from limpide.ops import broadcast_to
from limpide.ops import sum as total
from limpide.starting import first_weights
from limpide.tape import GradientTape
from limpide.tensor import Tensor, Tracing, tracing_into
from limpide.tracing import slices

Weights = Mapping[str, Tensor]


class SideBySide:
    """Copies of one small network of Dense layers, each with weights of its own.

    A step is traced neuron by neuron: every value is ``f[copies]``, so that whole vectors of
    networks take it at once, and the engine keeps what lies between in registers.

    Parameters
    ----------
    network
        Its layers, all of them Dense, are those of each copy.
    X, y
        The rows that all learn from.
    engine
        None is the fastest installed.

    Attributes
    ----------
    weights
        Scalar name (w1, …, b1, …) → one number for each copy.
    """

    def __init__(
        self, network: Network, copies: int, X: Array, y: Array, engine: str | None
    ) -> None:
        self._network, self._copies = network, copies
        self._dtype = Spec((), "f64" if network.dtype == np.float64 else "f32")
        self._loss = resolve_loss("mse", network.output_activation)
        self._X = as_matrix(X, network.n_inputs, self._dtype.dtype)
        self._y = as_targets(y, len(self._X), network.n_outputs, self._loss, self._dtype.dtype)
        self._engine = engines.get(engine)
        self._judge = self._engine.compile(self._trace_losses())
        self._loops: dict[int, engines.RunLoop] = {}
        self.weights: dict[str, Array] = {}

    def start(self, seeds: Array) -> None:
        """Give each copy the first weights that ``Network(…, seed=s)`` has for its seed."""
        network, dtype = self._network, self._dtype.dtype
        arrays: dict[str, Any] = first_weights(network.placed, dtype, seeds, self._engine.name)
        self.weights = {}
        for name in self._network.scalars:
            parameter, index = self._network.scalars.locate(name)
            self.weights[name] = np.ascontiguousarray(arrays[parameter][:, *index])

    def train(self, epochs: int, learning_rate: float, batch_size: int) -> None:
        """Train all copies by gradient descent, the rows in their order."""
        if batch_size not in self._loops:
            step = self._trace_step(batch_size)
            loop = Loop(step, None, len(self.weights), 1)
            self._loops[batch_size] = self._engine.compile_loop(loop)
        run = self._loops[batch_size]
        carry = engines.working(run, list(self.weights.values()))
        rate = np.array(learning_rate, self._network.dtype)
        for first, last in slices(epochs):
            run(carry, [rate], [], None, last - first)
        for own, trained in zip(self.weights.values(), carry, strict=True):
            np.copyto(own, trained)

    def losses(self) -> Array:
        """Give the loss of each copy over all rows, f[copies]."""
        return self._judge(list(self.weights.values()))[0]

    # Traces -----------------------------------------------------------------------------------

    def _inputs(self, tracing: Tracing) -> dict[str, Tensor]:
        spec = Spec((self._copies,), self._dtype.dtype)
        return {name: tracing.argument(spec, name) for name in self._network.scalars}

    def _trace_step(self, batch_size: int) -> Graph:
        """Trace an epoch: a step for each batch of rows, one after the other."""
        tracing = Tracing("epoch")
        weights = self._inputs(tracing)
        rate = tracing.argument(self._dtype, "learning_rate")
        with tracing_into(tracing):
            for rows in self._batches(batch_size):
                with GradientTape() as tape:
                    for weight in weights.values():
                        tape.watch(weight)
                    # No network's loss hangs on another's weights: the sum has all gradients.
                    loss = total(self._mean_loss(weights, rows))
                gradients = tape.gradient(loss, list(weights.values()))
                weights = {
                    name: weight - rate * gradient
                    for (name, weight), gradient in zip(weights.items(), gradients, strict=True)
                }
            nodes = [tracing.lift(weight).node for weight in weights.values()]
        return tracing.trace.finish(nodes, list(weights))

    def _trace_losses(self) -> Graph:
        tracing = Tracing("losses")
        weights = self._inputs(tracing)
        with tracing_into(tracing):
            losses = self._mean_loss(weights, range(len(self._X)))
            node = tracing.lift(losses).node
        return tracing.trace.finish([node], ["losses"])

    def _batches(self, batch_size: int) -> Iterator[range]:
        n = len(self._X)
        return (range(i, min(i + batch_size, n)) for i in range(0, n, batch_size))

    def _mean_loss(self, weights: Weights, rows: Sequence[int]) -> Tensor:
        """Give each network's loss on some rows, f[copies]."""
        losses = []
        for row in rows:
            for z, target in zip(self._sums(weights, row), self._y[row], strict=True):
                wanted = broadcast_to(Tensor(target), (self._copies,))
                losses.append(self._loss.of_sum(wanted, z, self._network.output_activation))
        return _added(losses) * (1 / len(losses))

    def _sums(self, weights: Weights, row: int) -> list[Tensor]:
        """Give the sums of the last layer's neurons for one row."""
        values: list[Tensor | float] = [float(x) for x in self._X[row]]
        *hidden, last = self._network.placed
        for each in hidden:
            assert isinstance(each.layer, Dense)
            values = [each.layer.function(z) for z in self._layer(weights, each, values)]
        return self._layer(weights, last, values)

    def _layer(
        self, weights: Weights, placed: Placed, values: Sequence[Tensor | float]
    ) -> list[Tensor]:
        named, sums = self._network.scalars, []
        for neuron in range(placed.outputs):
            terms = [
                weights[named.name(f"{placed.name}.weights", (i, neuron))] * value
                for i, value in enumerate(values)
            ]
            if f"{placed.name}.bias" in self._network.params:
                terms.append(weights[named.name(f"{placed.name}.bias", (neuron,))])
            sums.append(_added(terms))
        return sums


def _added(terms: Sequence[Tensor]) -> Tensor:
    """Add one after another."""
    whole = terms[0]
    for term in terms[1:]:
        whole = whole + term
    return whole
