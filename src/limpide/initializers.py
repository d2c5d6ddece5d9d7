"""Initialisers: where weights start, drawn by counter-based ops, the same on every engine.

Answers for ``uniform``, ``normal``, ``zeros``, ``glorot``, ``he``, ``lecun``. Not for: which
layer uses which (``limpide.layers``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar

import numpy as np

from limpide.conversion import check_finite_scalar
from limpide.errors import ArgumentError, ArgumentTypeError, nearest
from limpide.generator import Generator, check_shape, fixed_source
from limpide.ir import FLOATS, Spec, dtype_name
from limpide.ops import RandomSource, broadcast_to, random_normal, random_uniform
from limpide.tensor import Tensor


@dataclass(frozen=True)
class Initializer:
    """A rule for the first values of a parameter.

    Called with a shape, which is a tuple, it draws: ``lp.normal((2, 2), seed=0, dtype="float64")``.
    Called with its own settings, it gives another rule: ``lp.normal(0.1)``, ``lp.normal(std=0.1)``,
    ``lp.uniform(-1, 1)``. Both in one: ``lp.normal((2, 2), std=0.1)``.

    With a seed it draws the same numbers each time. Without, it draws new ones each time, also
    in each call and each step of a compiled function.
    """

    _takes: ClassVar[str] = "a shape as a tuple, such as (2, 2)"

    def draw(self, source: RandomSource, shape: tuple[int, ...], dtype: str) -> Tensor:
        """Draw a tensor, a function of source, shape and dtype (``"f32"``, ``"f64"``)."""
        raise NotImplementedError

    def settings(self, values: tuple[float, ...], named: dict[str, float]) -> Initializer:
        """Give the rule with other settings."""
        own = [field.name for field in fields(self)]
        given = dict(zip(own, values, strict=False)) | named
        # Values by place come together: one alone might be meant as a shape.
        if values and (len(values) + len(named) > len(own) or len(given) < len(own)):
            received = [*map(str, values), *(f"{k}={v}" for k, v in named.items())]
            raise ArgumentError(
                f"{self._called()} takes {self._takes}; received {', '.join(received)}."
            )
        return replace(self, **given)

    @classmethod
    def _called(cls) -> str:
        return f"lp.{cls.__name__.lower()}"

    def _checked(self, named: dict[str, Any]) -> dict[str, float]:
        own = [field.name for field in fields(self)]
        for keyword in named:
            if keyword not in own:
                hint = nearest(keyword, [*own, "seed", "dtype"])
                raise ArgumentTypeError(f"{self._called()} has no argument {keyword!r}.{hint}")
        return {name: check_finite_scalar(value, name) for name, value in named.items()}

    def __call__(
        self, *args: Any, seed: int | None = None, dtype: object = "float32", **settings: Any
    ) -> Any:
        named = self._checked(settings)
        if not args and not named:
            raise ArgumentError("Give a shape, such as (2, 2), or the settings of the rule.")
        if not args or not isinstance(args[0], (tuple, list)):
            if seed is not None:
                size = repr(args[0]) if args else "2"
                raise ArgumentError(
                    f"seed goes with a shape, and a shape is a tuple: ({size},); received {args!r}."
                )
            values = tuple(check_finite_scalar(a, "an argument") for a in args)
            return self.settings(values, named)
        if named:
            return replace(self, **named)(*args, seed=seed, dtype=dtype)
        if len(args) > 1:
            raise ArgumentError(f"Give the shape as one tuple; received {args!r}.")
        name = dtype_name(dtype)
        if name not in FLOATS:
            raise ArgumentError(f"dtype must be float32 or float64; received {dtype!r}.")
        shape = check_shape(args[0])
        return self.draw(_fresh.source() if seed is None else fixed_source(seed), shape, name)


@dataclass(frozen=True)
class Uniform(Initializer):
    """Numbers uniform in [low, high)."""

    _takes: ClassVar[str] = "low and high, or one shape"
    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        if not self.low <= self.high:
            raise ArgumentError(f"uniform needs low <= high; received {self.low}, {self.high}.")

    def draw(self, source: RandomSource, shape: tuple[int, ...], dtype: str) -> Tensor:
        u = random_uniform(source, shape, dtype)
        return u * (self.high - self.low) + self.low


@dataclass(frozen=True)
class Normal(Initializer):
    """Normal numbers with mean 0 and the given standard deviation."""

    _takes: ClassVar[str] = "one number, std, or one shape"
    std: float = 1.0

    def __post_init__(self) -> None:
        if self.std < 0:
            raise ArgumentError(f"normal needs std >= 0; received {self.std}.")

    def draw(self, source: RandomSource, shape: tuple[int, ...], dtype: str) -> Tensor:
        z = random_normal(source, shape, dtype)
        return z * self.std


@dataclass(frozen=True)
class Zeros(Initializer):
    """Zeros."""

    def draw(self, source: RandomSource, shape: tuple[int, ...], dtype: str) -> Tensor:
        return broadcast_to(Tensor(0, dtype=dtype), shape)

    def __call__(
        self, *args: Any, seed: int | None = None, dtype: object = "float32", **settings: Any
    ) -> Any:
        self._checked(settings)
        if len(args) != 1:
            raise ArgumentError(f"zeros takes one shape, such as 2 or (2, 2); received {args!r}.")
        shape = check_shape(args[0], bytes_each=16)  # the tensor is a copy
        return Tensor(np.zeros(shape, Spec((), dtype_name(dtype)).numpy_dtype))


def _fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """Give (inputs, outputs) of a weight of shape (inputs, neurons)."""
    if len(shape) < 2:
        return max(math.prod(shape), 1), max(math.prod(shape), 1)
    return max(shape[-2], 1), max(shape[-1], 1)


@dataclass(frozen=True)
class Glorot(Initializer):
    """Uniform in ±√(6 / (inputs + neurons)). Source: Glorot, Bengio (2010), equation 16."""

    def draw(self, source: RandomSource, shape: tuple[int, ...], dtype: str) -> Tensor:
        limit = math.sqrt(6 / sum(_fans(shape)))
        return Uniform(-limit, limit).draw(source, shape, dtype)


@dataclass(frozen=True)
class He(Initializer):
    """Normal with standard deviation √(2 / inputs), for relu. Source: He et al. (2015)."""

    def draw(self, source: RandomSource, shape: tuple[int, ...], dtype: str) -> Tensor:
        return Normal(math.sqrt(2 / _fans(shape)[0])).draw(source, shape, dtype)


@dataclass(frozen=True)
class Lecun(Initializer):
    """Normal with standard deviation √(1 / inputs), for selu. Source: LeCun et al. (1998)."""

    def draw(self, source: RandomSource, shape: tuple[int, ...], dtype: str) -> Tensor:
        return Normal(math.sqrt(1 / _fans(shape)[0])).draw(source, shape, dtype)


_fresh = Generator.shared()

uniform = Uniform()
normal = Normal()
zeros = Zeros()
glorot = Glorot()
he = He()
lecun = Lecun()
