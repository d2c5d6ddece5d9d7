"""Step: one training step told: before, gradients, after, and the loss on both sides of it.

Answers for what ``net.explain_step`` and ``history.replay`` give. Not for: a derivative's way
(``derivation``), or running a training again (``limpide.replaying``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from limpide.explain.derivations.blocks import Block
from limpide.explain.derivations.derivation import Derivation, Explained, Told
from limpide.explain.derivations.entries import ByName
from limpide.explain.derivations.facts import Facts
from limpide.explain.derivations.records import number, whole_record
from limpide.explain.derivations.telling import Telling
from limpide.ir import Array

_ALL_TOLD = 60  # parameters; of more those are told that the step changes most


class Step(Told):
    """One training step.

    Attributes
    ----------
    number, epoch
        The step's place in its run, counted from 1; 0 for one that belongs to none.
    rows
        The numbers of its rows in that run's X, i64[n]; None for a step of its own.
    before, gradients, after
        Scalar name → the parameter before it, ∂L/∂(the parameter), and the parameter after it.
    loss_before, loss_after
        The loss on its rows, with the same dropout, before and after.
    derivation
        The way of each of these numbers; ``step["w1"]`` is ``step.derivation["w1"]``.
    """

    def __init__(
        self, facts: Facts, number: int = 0, epoch: int = 0, rows: Array | None = None
    ) -> None:
        self.facts, self.number, self.epoch, self.rows = facts, number, epoch, rows
        self.derivation = Derivation(facts, facts.rows == 1)

    @property
    def before(self) -> ByName:
        return self.facts.parameters

    @property
    def gradients(self) -> ByName:
        return self.facts.gradients

    @property
    def after(self) -> ByName:
        return self.facts.updated_parameters

    @property
    def loss_before(self) -> float:
        return self.derivation.loss

    @property
    def loss_after(self) -> float:
        return self.facts.loss_after

    def __getitem__(self, name: str) -> Explained:
        return self.derivation[name]

    def _names(self) -> list[str]:
        if len(self.before) <= _ALL_TOLD:
            return list(self.before)
        return self.facts.most_changed(10)

    def blocks(self, telling: Telling) -> Sequence[Block]:
        rows = None if self.rows is None else [int(row) for row in self.rows]
        return list(telling.step(self._names(), self.number, self.epoch, rows))

    def record(self) -> dict[str, Any]:
        names = self._names()
        found: dict[str, Any] = {}
        if self.number:
            found = {"step": self.number, "epoch": self.epoch}
        if self.rows is not None:
            found["row_numbers"] = [int(row) for row in self.rows]
        found |= {
            "loss_before": number(self.loss_before),
            "loss_after": number(self.loss_after),
            "parameters": {
                name: {
                    "before": number(self.before[name]),
                    "gradient": number(self.gradients[name]),
                    "after": number(self.after[name]),
                }
                for name in names
            },
        }
        return found | {"derivation": whole_record(self.facts, names, False)}

    def __repr__(self) -> str:
        return f"<Step: loss {self.loss_before:.6g} → {self.loss_after:.6g}>"
