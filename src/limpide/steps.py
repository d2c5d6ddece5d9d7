"""A training step as one graph, and the Loop around it.

Answers for tracing forward, loss, gradient and update. Not for: running (``limpide.training``),
networks or engines.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from limpide.ir import Array, Graph, Loop, Spec, layer_scope, spec_of
from limpide.layers import Placed, forward
from limpide.losses import Loss, row_means, weighted_mean
from limpide.ops import broadcast_to, cast, reshape
from limpide.optimizers import AdamW, Optimizer
from limpide.tape import GradientTape
from limpide.tensor import Tensor, Traced, Tracing, tracing_into

STEP = "step"


@dataclass(frozen=True)
class StepPlan:
    """What a training step is made of; equal plans share one compiled loop."""

    placed: tuple[Placed, ...]
    loss: Loss
    optimizer: Optimizer
    frozen: frozenset[str]
    weighted: bool

    def key(self) -> tuple[Any, ...]:
        """Give what the traced step depends on (rates and seeds are inputs of the graph)."""
        return (self.loss, self.optimizer.signature(), self.frozen, self.weighted)


def trace_step(
    plan: StepPlan, params: Mapping[str, Array], state: Mapping[str, Array], rows: Sequence[Spec]
) -> Graph:
    """Trace one training step into a graph.

    Inputs: trained parameters, state, slots, step counter (carried); frozen parameters, seed,
    total steps, the optimizer's numbers (held); one batch of X, y and weights. Outputs: what is
    carried, then the loss.
    """
    tracing = Tracing("step")
    trained = [name for name in params if name not in plan.frozen]
    inputs = _step_inputs(plan, params, state, tracing, trained)
    batch = [
        tracing.argument(s, n) for s, n in zip(rows, ("X", "y", "sample_weight"), strict=False)
    ]
    with tracing_into(tracing):
        values = inputs.params | inputs.frozen
        tape = GradientTape()
        with tape:
            for name in trained:
                tape.watch(inputs.params[name])
            z, activation, new_state = forward(
                plan.placed, values, inputs.state, batch[0], (inputs.seed, inputs.step), apart=True
            )
            answers = z.shape[0] // batch[0].shape[0]
            elements = plan.loss.of_sum(repeated(batch[1], answers), z, activation)
            weights = repeated_weights(batch[2], answers) if plan.weighted else None
            loss = weighted_mean(elements, weights)
        gradients = tape.gradient(loss, [inputs.params[n] for n in trained])
        new_params, new_slots = _update(plan, inputs, trained, gradients)
        outputs = {**new_params, **new_state, **new_slots, STEP: inputs.step + 1, "loss": loss}
        nodes = [tracing.lift(value).node for value in outputs.values()]
    return tracing.trace.finish(nodes, list(outputs))


def repeated(rows: Tensor, times: int) -> Tensor:
    """Give each row so many times, one after another: a member's answers each have their own."""
    if times == 1:
        return rows
    n, rest = rows.shape[0], rows.shape[1:]
    apart = broadcast_to(reshape(rows, (n, 1, *rest)), (n, times, *rest))
    return reshape(apart, (n * times, *rest))


def repeated_weights(weights: Tensor, times: int) -> Tensor:
    """Give the weights of a row's answers: one for all, or one each."""
    if weights.ndim == 1:
        return repeated(weights, times)
    return reshape(weights, (weights.shape[0] * times,))


@dataclass
class _Inputs:
    params: dict[str, Tensor]
    state: dict[str, Tensor]
    slots: dict[str, dict[str, Tensor]]
    step: Traced
    frozen: dict[str, Tensor]
    seed: Traced
    total: Traced
    scalars: dict[str, Tensor]


def _step_inputs(
    plan: StepPlan,
    params: Mapping[str, Array],
    state: Mapping[str, Array],
    tracing: Tracing,
    trained: list[str],
) -> _Inputs:
    scalar = Spec((), "f64")
    return _Inputs(
        params={n: tracing.argument(spec_of(params[n]), n) for n in trained},
        state={n: tracing.argument(spec_of(a), n) for n, a in state.items()},
        slots={
            n: {
                slot: tracing.argument(spec_of(params[n]), f"{n}.{slot}")
                for slot in plan.optimizer.slots()
            }
            for n in trained
        },
        step=tracing.argument(Spec((), "u32"), STEP),
        frozen={n: tracing.argument(spec_of(params[n]), n) for n in params if n in plan.frozen},
        seed=tracing.argument(Spec((), "u32"), "seed"),
        total=tracing.argument(scalar, "total_steps"),
        scalars={n: tracing.argument(scalar, n) for n in plan.optimizer.scalars()},
    )


def _update(
    plan: StepPlan, inputs: _Inputs, trained: list[str], gradients: Sequence[Tensor]
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    optimizer = plan.optimizer
    before = cast(inputs.step, "float64")
    rate = optimizer.rate(before, inputs.total, inputs.scalars)
    params: dict[str, Tensor] = {}
    slots: dict[str, Tensor] = {}
    factors = {n: Tensor(a) for n, a in member_decays(optimizer, plan.placed).items()}
    for name, gradient in zip(trained, gradients, strict=True):
        scalars = inputs.scalars
        if name in factors:
            scalars = {**scalars, "weight_decay": scalars["weight_decay"] * factors[name]}
        with layer_scope(name.rpartition(".")[0]):
            params[name], new = optimizer.update(
                inputs.params[name], gradient, inputs.slots[name], rate, before + 1, scalars
            )
        slots |= {f"{name}.{slot}": new[slot] for slot in optimizer.slots()}
    return params, slots


def member_decays(optimizer: Optimizer, placed: Sequence[Placed]) -> dict[str, Array]:
    """Give what the decay of parameters is multiplied by, where members of an ensemble differ."""
    if not isinstance(optimizer, AdamW) or not optimizer.member_decay:
        return {}
    values = np.array(optimizer.member_decay)
    return {
        f"{name}.{key}": array
        for name, layer, _, _ in placed
        for key, array in layer.by_member(values).items()
    }


def trace_losses(
    placed: Sequence[Placed],
    loss: Loss,
    params: Mapping[str, Array],
    state: Mapping[str, Array],
    rows: Sequence[Spec],
    apart: bool = False,
) -> Graph:
    """Trace the loss of each row of a batch outside of training: inputs params, state, X, y.

    ``apart``: of each member of an ensemble, f[n, members].
    """
    tracing = Tracing("losses")
    values: dict[str, Tensor] = {n: tracing.argument(spec_of(a), n) for n, a in params.items()}
    kept: dict[str, Tensor] = {n: tracing.argument(spec_of(a), n) for n, a in state.items()}
    x, y = (tracing.argument(s, n) for s, n in zip(rows, ("X", "y"), strict=True))
    with tracing_into(tracing):
        z, activation, _ = forward(placed, values, kept, x, apart=apart)
        answers = z.shape[0] // x.shape[0]
        losses = row_means(loss.of_sum(repeated(y, answers), z, activation))
        if apart:
            losses = reshape(losses, (x.shape[0], answers))
        node = tracing.lift(losses).node
    return tracing.trace.finish([node], ["losses"])


def build_loop(
    plan: StepPlan,
    params: Mapping[str, Array],
    state: Mapping[str, Array],
    rows: Sequence[Array],
    n_rows: int,
    batch_size: int,
) -> Loop:
    """Trace the step for whole batches and, where rows remain, for the short last one.

    ``rows`` are the row arrays, X and y and perhaps weights, of which ``n_rows`` are trained on.
    """

    def step(size: int) -> Graph:
        specs = [Spec((size, *a.shape[1:]), spec_of(a).dtype) for a in rows]
        return trace_step(plan, params, state, specs)

    rest = n_rows % batch_size
    trained = sum(name not in plan.frozen for name in params)
    carried = trained * (1 + len(plan.optimizer.slots())) + len(state) + 1
    held = len(plan.frozen) + 2 + len(plan.optimizer.scalars())
    return Loop(step(batch_size), step(rest) if rest else None, carried, held)
