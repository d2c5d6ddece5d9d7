"""Rates: a trial of the optimizer on copies of the weights, at its rate and at others.

Answers for whether a rate is too high or too low, by measuring. Not for: curves of a finished run
(``runs``), which say when to measure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace

import numpy as np

from limpide import engines
from limpide.explain.doctor.case import SEED, Case, constant_loss
from limpide.explain.doctor.findings import Finding
from limpide.explain.doctor.thresholds import limit
from limpide.ir import Array, spec_of
from limpide.optimizers import Optimizer
from limpide.schedules import Schedule
from limpide.steps import StepPlan, build_loop, trace_losses

STEPS = 20
MANY_STEPS = 100  # for a run that diverged
BATCH = 32
_LOWEST = 10  # powers of ten that a rate which is too high is lowered by, at most
_HIGHER = tuple(10.0**power for power in range(1, 7))


@dataclass
class Trial:
    """Steps from one set of weights, tried at several rates; nothing of the case is changed."""

    case: Case
    optimizer: Optimizer

    def __post_init__(self) -> None:
        case = self.case
        plan = StepPlan(case.placed, case.loss, self.optimizer, frozenset(), False)
        batch = min(BATCH, len(case.X))
        # As many rows as whole batches: a short last one would have to be traced too.
        self._rows = len(case.X) // batch * batch
        reference = engines.get("reference")
        rows = [case.X, case.y]
        self._steps = reference.compile_loop(
            build_loop(plan, case.params, case.state, rows, self._rows, batch)
        )
        graph = trace_losses(
            case.placed,
            case.loss,
            case.params,
            case.state,
            [spec_of(case.X), spec_of(case.y)],
        )
        self._losses = reference.compile(graph)
        self._batch = batch

    def loss(self, arrays: list[Array]) -> float:
        """Give the loss of some parameters and state on the rows, outside of training."""
        with np.errstate(all="ignore"):
            losses = self._losses([*arrays, self.case.X, self.case.y])[0]
            return float(losses.mean(dtype=np.float64))

    def after(self, rate: float, steps: int = STEPS) -> list[Array]:
        """Give parameters and state after some steps at a rate."""
        case = self.case
        own = [np.zeros_like(a) for a in case.params.values() for _ in self.optimizer.slots()]
        carry = [a.copy() for a in (*case.params.values(), *case.state.values())]
        carried = [*carry, *own, np.zeros((), np.uint32)]
        scalars = {**self.optimizer.scalars(), "learning_rate": rate}
        numbers = [1e6, *scalars.values()]  # a run so long that no schedule has moved yet
        held: list[Array] = [np.array(SEED, np.uint32)]
        held += [np.array(number, np.float64) for number in numbers]
        order = self._order(steps)
        with np.errstate(all="ignore"):
            self._steps(carried, held, [case.X, case.y], order, 0)
        return carried[: len(carry)]

    def _order(self, steps: int) -> Array:
        """Give the rows of the steps, i64[1, steps · batch]: epochs in an order of the seed."""
        generator = np.random.default_rng(SEED)
        n = steps * self._batch
        epochs = [generator.permutation(len(self.case.X)) for _ in range(-(-n // self._rows))]
        return np.concatenate([e[: self._rows] for e in epochs])[:n].reshape(1, n)

    def loss_after(self, rate: float, steps: int = STEPS) -> float:
        """Give the loss after some steps at a rate."""
        return self.loss(self.after(rate, steps))

    def loss_before(self) -> float:
        """Give the loss of the weights that each trial begins with."""
        case = self.case
        return self.loss([*case.params.values(), *case.state.values()])


def first_rate(optimizer: Optimizer) -> float:
    """Give an optimizer's rate, a schedule's highest."""
    rate = optimizer.learning_rate
    return float(rate.learning_rate if isinstance(rate, Schedule) else rate)  # type: ignore[attr-defined]


def plain(optimizer: Optimizer) -> Optimizer:
    """Give the optimizer with a number for its rate, which a trial can change."""
    return replace(optimizer, learning_rate=first_rate(optimizer))


def first_update(case: Case) -> dict[str, float]:
    """Give, for each parameter, the size of the first step as a share of its own size."""
    assert case.optimizer is not None
    trial = Trial(case, plain(case.optimizer))
    after = trial.after(first_rate(case.optimizer), steps=1)
    found = {}
    for (name, before), new in zip(case.params.items(), after, strict=False):
        size = float(np.linalg.norm(before.astype(np.float64)))
        moved = float(np.linalg.norm(new.astype(np.float64) - before))
        found[name] = moved / size if size else math.nan
    return found


def examine_rate(case: Case) -> list[Finding]:
    """Take steps at the optimizer's rate, and at others where these bring the loss nowhere."""
    if case.optimizer is None:
        return []
    trial, rate = Trial(case, plain(case.optimizer)), first_rate(case.optimizer)
    before = trial.loss_before()
    constant = constant_loss(case)
    scale = max(before, constant) if math.isfinite(constant) else before
    after = trial.loss_after(rate)
    figures = _figures(case.optimizer, STEPS, before, after)
    if not after <= before + limit("loss rises") * scale:
        return _too_high(trial, figures, rate, before)
    learned = math.isfinite(constant) and before < limit("still wrong") * constant
    if learned or before - after > limit("loss stands") * abs(before):
        return []
    return _too_low(trial, figures, rate, before)


def examine_divergence(case: Case) -> list[Finding]:
    """Look for a rate that brings the loss down from where a run began that diverged.

    Whatever the rate does in the steps tried here, in the run it was too high.
    """
    assert case.optimizer is not None
    trial, rate = Trial(case, plain(case.optimizer)), first_rate(case.optimizer)
    before = trial.loss_before()
    if not math.isfinite(before):  # no rate has had a part in it
        return []
    after = trial.loss_after(rate, MANY_STEPS)
    return _too_high(
        trial, _figures(case.optimizer, MANY_STEPS, before, after), rate, before, MANY_STEPS
    )


def _figures(optimizer: Optimizer, steps: int, before: float, after: float) -> dict[str, object]:
    figures = {"rate": first_rate(optimizer), "loss_before": before, "loss_after": after}
    settings = {
        field.name: value
        for field in fields(optimizer)
        for value in [getattr(optimizer, field.name)]
        if field.name != "learning_rate" and value != field.default
    }
    name = type(optimizer).__name__
    return {"optimizer": name, "settings": settings, "steps": steps, **figures}


def _too_high(
    trial: Trial, figures: dict[str, object], rate: float, before: float, steps: int = STEPS
) -> list[Finding]:
    tried: dict[float, float] = {}
    best, least = math.nan, before
    for power in range(1, _LOWEST + 1):
        lower = _tidy(rate / 10.0**power)
        tried[lower] = loss = trial.loss_after(lower, steps)
        if loss < least:
            best, least = lower, loss
        elif least < before:  # the one before was right, and lower ones are only slower
            break
    if not least < before:
        return []  # no rate brings it down: that is another illness
    figures |= {"tried": tried, "better_rate": best, "loss_at_better_rate": least}
    return [Finding("rate_too_high", "serious", {}, figures)]


def _too_low(trial: Trial, figures: dict[str, object], rate: float, before: float) -> list[Finding]:
    tried = {_tidy(rate * factor): 0.0 for factor in _HIGHER}
    for higher in tried:
        tried[higher] = trial.loss_after(higher)
    best = min(tried, key=lambda r: tried[r] if math.isfinite(tried[r]) else math.inf)
    if not before - tried[best] > limit("faster by") * abs(before):
        return []
    figures |= {"tried": tried, "better_rate": best, "loss_at_better_rate": tried[best]}
    return [Finding("rate_too_low", "warning", {}, figures)]


def _tidy(rate: float) -> float:
    """Give the rate without the digits that multiplying by ten has left: 0.1, not 0.1000…01."""
    return float(f"{rate:.12g}")
