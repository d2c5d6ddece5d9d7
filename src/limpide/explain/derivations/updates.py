"""Updates: what an optimizer makes of a gradient, as formulas with the names of its numbers.

Answers for the first step of any optimizer on one parameter. Not for: whole training runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

from limpide.explain.derivations.expressions import Expression, Symbol
from limpide.explain.derivations.factors import interpreted
from limpide.ir import Graph, Spec
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
_SLOTS = {"velocity": "v", "square": "s", "mean": "m"}
_F64 = Spec((), "f64")


@dataclass(frozen=True)
class Update:
    """The formulas of one step: what the optimizer remembers, then the new parameter."""

    remembered: tuple[tuple[Symbol, Expression], ...]
    new: Expression


class Updates:
    """An optimizer's first step, traced once on plain numbers.

    Parameters
    ----------
    optimizer
        Any optimizer.
    total
        Of how many steps the run has, for schedules.
    """

    def __init__(self, optimizer: Optimizer, total: int = 1) -> None:
        self.optimizer = optimizer
        scalars = optimizer.scalars()
        rate = optimizer.rate(
            Tensor(0.0, dtype="float64"),
            Tensor(float(total), dtype="float64"),
            {name: Tensor(value, dtype="float64") for name, value in scalars.items()},
        )
        self.rate = float(rate)
        self._scalars = {n: Symbol(_SYMBOLS.get(n, n), v) for n, v in scalars.items()}
        self._graph = self._traced(list(scalars))

    def _traced(self, names: list[str]) -> Graph:
        tracing = Tracing("update")
        parameter, gradient, rate = (tracing.argument(_F64, n) for n in ("p", "g", "rate"))
        slots = {n: tracing.argument(_F64, f"old {n}") for n in self.optimizer.slots()}
        scalars: dict[str, Tensor] = {n: tracing.argument(_F64, n) for n in names}
        with tracing_into(tracing):
            step = Tensor(1.0, dtype="float64")
            new, remembered = self.optimizer.update(
                parameter, gradient, dict(slots), rate, step, scalars
            )
            outputs = [tracing.lift(v).node for v in (*(remembered[n] for n in slots), new)]
        return tracing.trace.finish(outputs, [*slots, "new"])

    def of(
        self, parameter: Expression, gradient: Expression, factors: Mapping[str, float]
    ) -> Update:
        """Give the step of one parameter; ``factors`` multiply the optimizer's own numbers."""
        slots = self.optimizer.slots()
        before = [Symbol(f"{_SLOTS.get(n, n)}0", 0.0) for n in slots]
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
        named = {slot: partial(keep, slot) for slot in slots}
        new = interpreted(self._graph, inputs, named)[-1]
        return Update(tuple(remembered), new)
