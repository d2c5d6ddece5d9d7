"""Entries: what is told of one number, and how a derivation was asked for.

Answers for equations, entries, the setting, and numbers by scalar name. Not for: working them out
(``facts``), or wording (``telling``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from limpide.explain.derivations.expressions import Expression
from limpide.explain.derivations.updates import Moment
from limpide.ir import Array
from limpide.optimizers import Optimizer
from limpide.scalars import Scalars

if TYPE_CHECKING:  # which are told in these terms, or made of them
    from limpide.explain.derivations.facts import Facts
    from limpide.explain.derivations.legend import Legend


@dataclass(frozen=True)
class Equation:
    """A named number, or a derivative, the formula for it, and what it comes to."""

    left: Expression
    right: Expression
    value: float
    relation: str = "="


@dataclass(frozen=True)
class Entry:
    """What is told of one number.

    Attributes
    ----------
    name, kind
        Its name, and what it is: parameter, value, sum, output, loss, …
    value, derivative
        Its value, and that of the loss by it.
    worked_out
        How it comes about; empty for what is given.
    chain
        The derivative of the loss by it, as a product or a sum of products.
    factors
        How each factor of the chain comes about.
    update
        What the optimizer makes of it; None for what is not trained.
    """

    name: str
    kind: str
    value: float
    derivative: float
    layer: str = ""
    source: str = ""
    target: str = ""
    worked_out: tuple[Equation, ...] = ()
    chain: tuple[Equation, ...] = ()
    factors: tuple[Equation, ...] = ()
    update: tuple[Equation, ...] = ()
    frozen: bool = False


@dataclass(frozen=True)
class Setting:
    """How the derivation was asked for, to be told."""

    loss: str
    optimizer: Optimizer
    training: bool
    frozen: frozenset[str] = frozenset()
    decays: Mapping[str, Array] = field(default_factory=dict)
    dtype: str = "float64"
    moment: Moment = field(default_factory=Moment)
    legend: Legend | None = None  # where the row is a table's


class Source(Protocol):
    """What facts are worked out from."""

    def facts(self) -> Facts: ...

    def alone(self, row: int, /) -> Facts: ...

    def with_legend(self, legend: Legend, /) -> Source: ...


class ByName(Mapping[str, float]):
    """A number for every parameter, by scalar name: values, or derivatives of the loss."""

    def __init__(self, scalars: Scalars, arrays: Mapping[str, Array]) -> None:
        self._scalars, self._arrays = scalars, arrays

    def __getitem__(self, name: str) -> float:
        parameter, index = self._scalars.locate(name)
        return float(self._arrays[parameter][index])

    def __iter__(self) -> Iterator[str]:
        return iter(self._scalars)

    def __len__(self) -> int:
        return sum(a.size for a in self._arrays.values())

    def array(self, parameter: str) -> Array:
        """Give those of all numbers of a parameter, such as ``"hidden1.weights"``."""
        return self._arrays[parameter].copy()
