"""Updates: what an optimizer makes of a gradient, as formulas with the names of its numbers.

Answers for one step of any optimizer, on one parameter as a formula and on all as arrays. Not for:
whole training runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from limpide.explain.derivations.expressions import Expression, Symbol
from limpide.explain.derivations.factors import interpreted
from limpide.ir import Array, Graph, Spec
from limpide.optimizers import Optimizer
from limpide.tensor import Tensor, Tracing, tracing_into

RATE = "η"
_SYMBOLS = {
    "learning_rate": RATE,
    "momentum": "μ",
    "alpha": "α",
    "beta1": "β1",
    "beta2": "β2",
    "epsilon": "ε",
    "weight_decay": "λ",
}
_OTHERS = frozenset(_SYMBOLS) - {"learning_rate"}
_SLOTS = {"velocity": "v", "square": "s", "mean": "m"}
_F64 = Spec((), "f64")


@dataclass(frozen=True)
class Update:
    """The formulas of one step: what the optimizer remembers, then the new parameter."""

    remembered: tuple[tuple[Symbol, Expression], ...]
    new: Expression


@dataclass(frozen=True)
class Moment:
    """When in a run a step is taken, and what the optimizer remembers by then.

    Attributes
    ----------
    step
        How many steps were taken before.
    total
        Of how many steps the run has, for schedules.
    slots
        ``"hidden1.weights.velocity"`` → array; zeros where there is none.
    """

    step: int = 0
    total: int = 1
    slots: Mapping[str, Array] = field(default_factory=dict)


class Updates:
    """An optimizer's step, traced once on plain numbers.

    Parameters
    ----------
    optimizer
        Any optimizer.
    moment
        When it is taken.
    """

    def __init__(self, optimizer: Optimizer, moment: Moment) -> None:
        self.optimizer, self.moment = optimizer, moment
        scalars = optimizer.scalars()
        self._numbers = {n: _tensor(v) for n, v in scalars.items()}
        rate = optimizer.rate(_tensor(moment.step), _tensor(moment.total), self._numbers)
        self.rate = float(rate)
        self._scalars = {n: Symbol(_SYMBOLS.get(n, n), v) for n, v in scalars.items()}
        self._graph = self._traced(list(scalars))

    @property
    def numbers(self) -> list[tuple[str, float]]:
        """The rate of this step, and the optimizer's other numbers, by their symbols."""
        unused = () if self.optimizer.slots() else ("momentum",)
        others = [
            (symbol.name, symbol.number)
            for name, symbol in self._scalars.items()
            if name in _OTHERS and name not in unused
        ]
        return [(RATE, self.rate), *others]

    def _traced(self, names: list[str]) -> Graph:
        tracing = Tracing("update")
        parameter, gradient, rate = (tracing.argument(_F64, n) for n in ("p", "g", "rate"))
        slots = {n: tracing.argument(_F64, f"old {n}") for n in self.optimizer.slots()}
        scalars: dict[str, Tensor] = {n: tracing.argument(_F64, n) for n in names}
        with tracing_into(tracing):
            step = _tensor(self.moment.step + 1)
            new, remembered = self.optimizer.update(
                parameter, gradient, dict(slots), rate, step, scalars
            )
            outputs = [tracing.lift(v).node for v in (*(remembered[n] for n in slots), new)]
        return tracing.trace.finish(outputs, [*slots, "new"])

    def of(
        self,
        parameter: Expression,
        gradient: Expression,
        slots: Mapping[str, float],
        factors: Mapping[str, float],
    ) -> Update:
        """Give the step of one parameter.

        ``slots`` are what the optimizer remembers of it, ``factors`` multiply the optimizer's own
        numbers.
        """
        names = self.optimizer.slots()
        before = [Symbol(f"{_SLOTS.get(n, n)}0", slots.get(n, 0.0)) for n in names]
        scalars = [
            replace(s, number=s.number * factors.get(n, 1.0)) for n, s in self._scalars.items()
        ]
        rate = Symbol(RATE, self.rate)
        remembered: list[tuple[Symbol, Expression]] = []

        def keep(slot: str, formula: Expression) -> Symbol:
            symbol = Symbol(f"{_SLOTS.get(slot, slot)}1", formula.value)
            remembered.append((symbol, formula))
            return symbol

        inputs = [parameter, gradient, rate, *before, *scalars]
        named = {slot: partial(keep, slot) for slot in names}
        new = interpreted(self._graph, inputs, named)[-1]
        return Update(tuple(remembered), new)

    def array(self, name: str, parameter: Array, gradient: Array, decay: Array | None) -> Array:
        """Give a whole parameter after the step, float64; ``decay`` multiplies weight_decay."""
        slots = {
            slot: Tensor(self.moment.slots.get(f"{name}.{slot}", np.zeros_like(gradient)))
            for slot in self.optimizer.slots()
        }
        numbers = dict(self._numbers)
        if decay is not None:
            numbers["weight_decay"] = numbers["weight_decay"] * Tensor(decay)
        new, _ = self.optimizer.update(
            Tensor(parameter),
            Tensor(gradient),
            {n: Tensor(np.asarray(t.numpy(), np.float64)) for n, t in slots.items()},
            _tensor(self.rate),
            _tensor(self.moment.step + 1),
            numbers,
        )
        return new.numpy()


def _tensor(value: float) -> Tensor:
    return Tensor(float(value), dtype="float64")
