"""Optimizers: the update of one parameter, written in ops.

Answers for SGD, RMSProp, Adagrad, Adam, AdamW, with PyTorch's definitions and defaults. Not for:
holding arrays; slots live in the training loop's carry.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from limpide.conversion import check_finite_scalar
from limpide.errors import ArgumentError, ArgumentTypeError, choice_error
from limpide.keywords import known_keywords
from limpide.ops import cast, power, sqrt
from limpide.schedules import Schedule, check_rate
from limpide.tensor import Tensor

Slots = dict[str, Tensor]


@dataclass(frozen=True)
class Optimizer:
    """How a gradient changes a parameter.

    ``learning_rate`` is a number or a ``Schedule``. All other numbers are inputs of the graph,
    so that new ones compile nothing; which slots exist is part of the graph.
    """

    learning_rate: float | Schedule
    structural: ClassVar[tuple[str, ...]] = ("learning_rate",)

    def __post_init__(self) -> None:
        if not isinstance(self.learning_rate, Schedule):
            check_rate(self.learning_rate)
        for field in fields(self):
            if field.name not in self.structural:
                self._check(field.name, check_finite_scalar(getattr(self, field.name), field.name))

    def _check(self, name: str, value: float) -> None:
        if name in ("momentum", "beta1", "beta2", "alpha") and not 0 <= value < 1:
            raise ArgumentError(f"{name} must be at least 0 and below 1; received {value:g}.")
        if name in ("epsilon", "weight_decay") and value < 0:
            raise ArgumentError(f"{name} must be at least 0; received {value:g}.")

    def slots(self) -> tuple[str, ...]:
        """Give the names of what is remembered for each parameter; each starts as zeros."""
        return ()

    def scalars(self) -> dict[str, float]:
        """Give all numbers that the graph takes as inputs, by name."""
        rate = self.learning_rate
        first = rate.scalars() if isinstance(rate, Schedule) else {"learning_rate": float(rate)}
        own = {f.name: getattr(self, f.name) for f in fields(self)}
        return first | {n: float(v) for n, v in own.items() if n not in self.structural}

    def signature(self) -> tuple[Any, ...]:
        """Give what the graph depends on besides the scalars."""
        rate = self.learning_rate
        schedule = type(rate) if isinstance(rate, Schedule) else None
        flags = [getattr(self, n) for n in self.structural if n != "learning_rate"]
        return (type(self), schedule, self.slots(), *flags)

    def rate(self, step: Tensor, total: Tensor, scalars: Mapping[str, Tensor]) -> Tensor:
        """Give the rate of a step, f64[]."""
        if isinstance(self.learning_rate, Schedule):
            return self.learning_rate.rate(step, total, scalars)
        return scalars["learning_rate"]

    def update(
        self,
        parameter: Tensor,
        gradient: Tensor,
        slots: Slots,
        rate: Tensor,
        step: Tensor,
        scalars: Mapping[str, Tensor],
    ) -> tuple[Tensor, Slots]:
        """Give the new parameter and slots.

        Parameters
        ----------
        parameter, gradient
            Of one shape and dtype.
        slots
            What ``slots()`` names, of the same shape and dtype.
        rate, step, scalars
            f64[]: rate and scalars, and the step counted from 1.
        """
        raise NotImplementedError(
            f"{type(self).__name__} needs a method "
            "update(parameter, gradient, slots, rate, step, scalars)."
        )


def _like(scalar: Tensor, parameter: Tensor) -> Tensor:
    """Bring a scalar worked out in float64 to the dtype of a parameter."""
    return cast(scalar, parameter.spec.dtype)


@known_keywords
@dataclass(frozen=True)
class SGD(Optimizer):
    """Gradient descent: w ← w − rate · v, with v = gradient, or momentum · v + gradient.

    With ``nesterov``, w ← w − rate · (gradient + momentum · v). As in PyTorch the rate multiplies
    v when it is used (Sutskever et al. 2013 fold it into v). Source: Robbins, Monro (1951).
    """

    learning_rate: float | Schedule = 0.001
    momentum: float = 0.0
    nesterov: bool = False
    structural = ("learning_rate", "nesterov")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.nesterov, bool):
            raise ArgumentTypeError(f"nesterov must be True or False; received {self.nesterov!r}.")
        if self.nesterov and self.momentum == 0:
            raise ArgumentError("nesterov needs a momentum above 0, such as momentum=0.9.")

    def slots(self) -> tuple[str, ...]:
        return ("velocity",) if self.momentum else ()

    def update(
        self,
        parameter: Tensor,
        gradient: Tensor,
        slots: Slots,
        rate: Tensor,
        step: Tensor,
        scalars: Mapping[str, Tensor],
    ) -> tuple[Tensor, Slots]:
        rate = _like(rate, parameter)
        if not slots:
            return parameter - rate * gradient, {}
        momentum = _like(scalars["momentum"], parameter)
        velocity = momentum * slots["velocity"] + gradient
        way = gradient + momentum * velocity if self.nesterov else velocity
        return parameter - rate * way, {"velocity": velocity}


def _scaled_step(
    parameter: Tensor,
    gradient: Tensor,
    square: Tensor,
    rate: Tensor,
    scalars: Mapping[str, Tensor],
) -> Tensor:
    """Give w − rate · g / (√s + ε)."""
    scale = sqrt(square) + _like(scalars["epsilon"], parameter)
    return parameter - _like(rate, parameter) * (gradient / scale)


@known_keywords
@dataclass(frozen=True)
class RMSProp(Optimizer):
    """w ← w − rate · g / (√s + ε), with s = α s + (1 − α) g².

    ε stands outside the root, as in PyTorch (TensorFlow has it inside). Source: Hinton,
    Coursera lecture 6e (2012).
    """

    learning_rate: float | Schedule = 0.01
    alpha: float = 0.99
    epsilon: float = 1e-8

    def slots(self) -> tuple[str, ...]:
        return ("square",)

    def update(
        self,
        parameter: Tensor,
        gradient: Tensor,
        slots: Slots,
        rate: Tensor,
        step: Tensor,
        scalars: Mapping[str, Tensor],
    ) -> tuple[Tensor, Slots]:
        alpha = _like(scalars["alpha"], parameter)
        rest = _like(1 - scalars["alpha"], parameter)
        square = alpha * slots["square"] + rest * (gradient * gradient)
        return _scaled_step(parameter, gradient, square, rate, scalars), {"square": square}


@known_keywords
@dataclass(frozen=True)
class Adagrad(Optimizer):
    """w ← w − rate · g / (√s + ε), with s the sum of all g². Source: Duchi et al. (2011)."""

    learning_rate: float | Schedule = 0.01
    epsilon: float = 1e-10

    def slots(self) -> tuple[str, ...]:
        return ("square",)

    def update(
        self,
        parameter: Tensor,
        gradient: Tensor,
        slots: Slots,
        rate: Tensor,
        step: Tensor,
        scalars: Mapping[str, Tensor],
    ) -> tuple[Tensor, Slots]:
        square = slots["square"] + gradient * gradient
        return _scaled_step(parameter, gradient, square, rate, scalars), {"square": square}


@known_keywords
@dataclass(frozen=True)
class Adam(Optimizer):
    """w ← w − rate · m̂ / (√v̂ + ε), with running means m of g and v of g², corrected for their
    start at 0: m̂ = m / (1 − β₁ᵗ), v̂ = v / (1 − β₂ᵗ).

    The corrections are worked out in float64. Source: Kingma, Ba, arXiv 1412.6980; ε outside
    the corrected root, as in PyTorch.
    """

    learning_rate: float | Schedule = 0.001
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    def slots(self) -> tuple[str, ...]:
        return ("mean", "square")

    def update(
        self,
        parameter: Tensor,
        gradient: Tensor,
        slots: Slots,
        rate: Tensor,
        step: Tensor,
        scalars: Mapping[str, Tensor],
    ) -> tuple[Tensor, Slots]:
        beta1, beta2 = scalars["beta1"], scalars["beta2"]
        mean = _like(beta1, parameter) * slots["mean"] + _like(1 - beta1, parameter) * gradient
        square = _like(beta2, parameter) * slots["square"] + _like(1 - beta2, parameter) * (
            gradient * gradient
        )
        # Both parts of the fraction times √(1 − β₂ᵗ): one division an element instead of two.
        correction = sqrt(1 - power(beta2, step))
        size = _like(rate * correction / (1 - power(beta1, step)), parameter)
        scale = sqrt(square) + _like(scalars["epsilon"] * correction, parameter)
        return parameter - size * (mean / scale), {"mean": mean, "square": square}


@known_keywords
@dataclass(frozen=True)
class AdamW(Adam):
    """Adam, and each step also takes rate · ``weight_decay`` of every parameter away.

    Biases decay too, as in PyTorch. Source: Loshchilov, Hutter, arXiv 1711.05101.
    ``member_decay``: what ``weight_decay`` is multiplied by in each member of an ensemble.
    """

    weight_decay: float = 0.01
    member_decay: tuple[float, ...] = ()
    structural = ("learning_rate", "member_decay")

    def update(
        self,
        parameter: Tensor,
        gradient: Tensor,
        slots: Slots,
        rate: Tensor,
        step: Tensor,
        scalars: Mapping[str, Tensor],
    ) -> tuple[Tensor, Slots]:
        shrunk = parameter * _like(1 - rate * scalars["weight_decay"], parameter)
        return super().update(shrunk, gradient, slots, rate, step, scalars)


OPTIMIZERS: dict[str, Callable[[], Optimizer]] = {
    "sgd": SGD,
    "rmsprop": RMSProp,
    "adagrad": Adagrad,
    "adam": Adam,
    "adamw": AdamW,
}


def resolve_optimizer(optimizer: str | Optimizer | None) -> Optimizer:
    """Give the optimizer for a name, with its defaults; None is ``Adam(0.001)``."""
    if optimizer is None:
        return Adam()
    if isinstance(optimizer, str):
        if optimizer not in OPTIMIZERS:
            raise choice_error("optimizer", optimizer, OPTIMIZERS)
        return OPTIMIZERS[optimizer]()
    if not isinstance(optimizer, Optimizer):
        raise ArgumentTypeError(
            "optimizer must be an optimizer such as lp.SGD(0.1), or a name; "
            f"received {optimizer!r}."
        )
    return optimizer
