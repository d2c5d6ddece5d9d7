"""Schedules: the learning rate as a function of the step, written in ops.

Answers for what may stand in for a rate. Not for: the update (``limpide.optimizers``). A
schedule's numbers are inputs of the graph, so that other numbers compile nothing new.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields

from limpide.conversion import check_finite_scalar
from limpide.errors import ArgumentError
from limpide.keywords import known_keywords
from limpide.ops import cos, floor, maximum, minimum, power
from limpide.tensor import Tensor

Scalars = Mapping[str, Tensor]


def check_rate(value: object, name: str = "learning_rate") -> float:
    """Give a rate that is positive and finite, or raise naming it."""
    rate = check_finite_scalar(value, name)
    if rate <= 0:
        raise ArgumentError(f"{name} must be above 0; received {rate:g}. Try 0.001.")
    return rate


@dataclass(frozen=True)
class Schedule:
    """A learning rate that changes with the step.

    Every field is a number that ``rate`` receives again as a tensor ``f64[]``.
    """

    def __post_init__(self) -> None:
        for field in fields(self):
            value = check_finite_scalar(getattr(self, field.name), field.name)
            positive = field.name in ("learning_rate", "every")
            if value < 0 or (value == 0 and positive):
                bound = "above 0" if positive else "at least 0"
                raise ArgumentError(f"{field.name} must be {bound}; received {value:g}.")

    def scalars(self) -> dict[str, float]:
        """Give the numbers of the schedule, by name."""
        return {field.name: float(getattr(self, field.name)) for field in fields(self)}

    def rate(self, step: Tensor, total: Tensor, scalars: Scalars) -> Tensor:
        """Give the rate, f64[], for a step (f64[], from 0) of ``total`` steps (f64[])."""
        raise NotImplementedError(
            f"{type(self).__name__} needs a method rate(step, total, scalars)."
        )


@known_keywords
@dataclass(frozen=True)
class StepDecay(Schedule):
    """Multiply the rate by ``factor`` after each ``every`` steps."""

    learning_rate: float
    every: float = 1000
    factor: float = 0.5

    def rate(self, step: Tensor, total: Tensor, scalars: Scalars) -> Tensor:
        times = floor(step / scalars["every"])
        return scalars["learning_rate"] * power(scalars["factor"], times)


@known_keywords
@dataclass(frozen=True)
class ExponentialDecay(Schedule):
    """Let the rate fall smoothly to ``final_fraction`` of itself at the end of the run."""

    learning_rate: float
    final_fraction: float = 0.01

    def rate(self, step: Tensor, total: Tensor, scalars: Scalars) -> Tensor:
        return scalars["learning_rate"] * power(scalars["final_fraction"], step / total)


@known_keywords
@dataclass(frozen=True)
class Cosine(Schedule):
    """Let the rate fall to ``final_fraction`` of itself along half a cosine, after a warm-up.

    ``warmup`` is the share of all steps in which the rate first rises from 0 in a line.
    Source: Loshchilov, Hutter, "SGDR", arXiv 1608.03983.
    """

    learning_rate: float
    final_fraction: float = 0.0
    warmup: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.warmup >= 1:
            raise ArgumentError(f"warmup is a share of the steps, below 1; received {self.warmup}.")

    def rate(self, step: Tensor, total: Tensor, scalars: Scalars) -> Tensor:
        done = step / total
        rise = minimum((step + 1) / (scalars["warmup"] * total + 1e-9), 1)
        share = maximum((done - scalars["warmup"]) / (1 - scalars["warmup"]), 0)
        wave = (cos(share * math.pi) + 1) * 0.5
        final = scalars["final_fraction"]
        past = final + (1 - final) * wave
        return scalars["learning_rate"] * minimum(rise, past)


@known_keywords
@dataclass(frozen=True)
class Linear(Schedule):
    """Let the rate fall in a line to ``final_fraction`` of itself at the end of the run."""

    learning_rate: float
    final_fraction: float = 0.0

    def rate(self, step: Tensor, total: Tensor, scalars: Scalars) -> Tensor:
        fall = (1 - scalars["final_fraction"]) * (step / total)
        return scalars["learning_rate"] * (1 - fall)
