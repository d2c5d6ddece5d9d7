"""Asked: what a derivation is made of, as networks and recorded runs hand it in.

Answers for turning layers, arrays and rows into facts. Not for: checking rows, which those do who
ask.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from limpide.explain.derivations.entries import Setting
from limpide.explain.derivations.facts import Facts
from limpide.explain.derivations.legend import Legend
from limpide.explain.derivations.subject import trace_subject
from limpide.explain.derivations.updates import Moment
from limpide.ir import Array
from limpide.layers import Placed
from limpide.losses import Loss
from limpide.optimizers import Optimizer
from limpide.scalars import Scalars
from limpide.steps import member_decays


@dataclass(frozen=True)
class Asked:
    """Rows, and the network and the step that they are asked about.

    Attributes
    ----------
    placed, scalars, params, state
        The network: its layers, the names of its numbers, its arrays.
    rows
        X, y and perhaps weights, as the network takes them.
    loss, optimizer, frozen
        What a step is made of.
    seed
        Of the dropout of a training step; None is prediction.
    moment
        When in a run the step is taken.
    dtype
        What the network computes in.
    legend
        What inputs and target stand for, where the row is a table's.
    """

    placed: tuple[Placed, ...]
    scalars: Scalars
    params: Mapping[str, Array]
    state: Mapping[str, Array]
    rows: Sequence[Array]
    loss: Loss
    optimizer: Optimizer
    frozen: frozenset[str] = frozenset()
    seed: int | None = None
    moment: Moment = field(default_factory=Moment)
    dtype: str = "float64"
    legend: Legend | None = None

    def with_legend(self, legend: Legend) -> Asked:
        """Give the same with what its inputs and its target stand for."""
        return replace(self, legend=legend)

    def facts(self) -> Facts:
        """Give all that can be told, of the arrays as they are now: much is worked out later."""
        kept = replace(
            self,
            params={name: np.array(a, np.float64) for name, a in self.params.items()},
            state={name: np.array(a, np.float64) for name, a in self.state.items()},
            rows=[np.array(a) for a in self.rows],
        )
        return kept._facts()

    def alone(self, row: int) -> Facts:
        """Give what can be told of one row alone."""
        return replace(self, rows=[array[row : row + 1] for array in self.rows])._facts()

    def _facts(self) -> Facts:
        training = None if self.seed is None else (self.seed, self.moment.step)
        subject = trace_subject(
            self.placed, self.loss, self.params, self.state, self.rows, training
        )
        setting = Setting(
            loss=loss_words(self.loss),
            optimizer=self.optimizer,
            training=training is not None,
            frozen=self.frozen,
            decays=member_decays(self.optimizer, self.placed),
            dtype=self.dtype,
            moment=self.moment,
            legend=self.legend,
        )
        return Facts(subject, self.scalars, setting, self)


def loss_words(loss: Loss) -> str:
    """Give the name of a loss; for a function of the user's own, its Python name."""
    own = getattr(loss, "function", loss)
    return loss.name or str(getattr(own, "__name__", type(loss).__name__))
