"""Explaining: what a network shows of itself, and the rows that it takes with their targets.

Answers for the methods that face ``limpide.explain``, which is loaded when one is first used. Not
for: what an explanation says, or learning (``limpide.network``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import limpide
from limpide.arrays import as_matrix, as_numbers, as_targets, as_weights, is_one_row
from limpide.errors import ArgumentError, ArgumentTypeError, nearest
from limpide.examining import Examining
from limpide.keywords import known_keywords
from limpide.layers import check_flag
from limpide.losses import Loss, resolve_loss
from limpide.optimizers import SGD, Optimizer, resolve_optimizer
from limpide.rng import check_seed
from limpide.rows import Data

if TYPE_CHECKING:  # loaded when something is explained: limpide.explain
    from limpide.explain import Asked, Derivation, Step

_COURSE_RATE = 0.1


class Explaining(Examining):
    """What a ``Network`` shows of itself."""

    @known_keywords
    def explain(
        self,
        x: Any,
        y: Any,
        *,
        loss: Any = None,
        optimizer: str | Optimizer | None = None,
        sample_weight: Any = None,
        freeze: Sequence[str] = (),
        training: bool = False,
        seed: int = 0,
    ) -> Derivation:
        """Give every number and every derivative on a few rows, each told as on paper.

        Parameters
        ----------
        x, y
            One row and its target, or rows [n, inputs] and their targets, as ``fit`` takes them.
        loss, optimizer
            As ``fit`` takes them; None is the last fit's, else the loss that goes with the output,
            and ``lp.SGD(0.1)``. The update told is the optimizer's first.
        sample_weight
            A weight a row.
        freeze
            Names of parameters that a step leaves as they are.
        training
            Work it out as in the first training step: with dropout by ``seed``, and the statistics
            of these rows in batch norm. Otherwise as in prediction.
        seed
            Of dropout; see ``training``.

        Raises
        ------
        ShapeError, DtypeError, DataError
            Where x or y do not fit; see ``fit``.

        Examples
        --------
        >>> import limpide as lp
        >>> net = lp.Network([2, 1], output="sigmoid", dtype="float64", seed=0)
        >>> d = net.explain([2, 3], 1)
        >>> sorted(d.gradients)
        ['b1', 'w1', 'w2']
        """
        check_flag(training, "training")
        single = is_one_row(as_numbers(x, "X").shape, self.n_inputs)
        asked = self._asked(x, y, loss, optimizer, sample_weight, freeze, seed)
        if not training:
            asked = replace(asked, seed=None)
        derivation: Derivation = limpide.explain.Derivation(asked.facts(), single)
        return derivation

    @known_keywords
    def explain_step(
        self,
        X: Any,
        y: Any,
        optimizer: str | Optimizer | None = None,
        *,
        loss: Any = None,
        sample_weight: Any = None,
        freeze: Sequence[str] = (),
        seed: int = 0,
    ) -> Step:
        """Tell one training step on rows X, y: before, gradients, after, the loss on both sides.

        The network stays as it is. Dropout and batch statistics are those of a first step; the
        arguments are those of ``explain``.

        Examples
        --------
        >>> import limpide as lp
        >>> net = lp.Network([2, 1], output="sigmoid", dtype="float64", seed=0)
        >>> step = net.explain_step([[2, 3], [-1, 0]], [1, 0], lp.SGD(0.5))
        >>> step.loss_after < step.loss_before
        True
        >>> step.after["w1"] == step["w1"].updated
        True
        """
        asked = self._asked(X, y, loss, optimizer, sample_weight, freeze, seed)
        step: Step = limpide.explain.Step(asked.facts())
        return step

    def _asked(
        self,
        x: Any,
        y: Any,
        loss: Any,
        optimizer: str | Optimizer | None,
        sample_weight: Any,
        freeze: Sequence[str],
        seed: int,
    ) -> Asked:
        """Give what is asked of some rows, in a training step."""
        resolved = resolve_loss(loss or self._last_loss, self.output_activation)
        X = as_numbers(x, "X")
        single = is_one_row(X.shape, self.n_inputs)
        targets = as_numbers(y, "y")[None] if single else y
        data = self._data(X[None] if single else X, targets, resolved, sample_weight)
        asked: Asked = limpide.explain.Asked(
            placed=self.placed,
            scalars=self.scalars,
            params=self.params,
            state=self.state,
            rows=data.arrays(),
            loss=resolved,
            optimizer=resolve_optimizer(optimizer or self._last_optimizer or SGD(_COURSE_RATE)),
            frozen=self._frozen(freeze) if freeze else frozenset(),
            seed=check_seed(seed),
            dtype=self.dtype.name,
        )
        return asked

    def _frozen(self, freeze: Sequence[str]) -> frozenset[str]:
        names = [freeze] if isinstance(freeze, str) else freeze
        if not isinstance(names, (list, tuple, set, frozenset)):
            raise ArgumentTypeError(f"freeze must be a list of names; received {freeze!r}.")
        if not self.params:
            raise ArgumentError(
                "The network has no parameters, so there is nothing to train. Add a layer that "
                "learns, such as lp.Dense(1)."
            )
        for name in names:
            if not isinstance(name, str) or name not in self.params:
                raise ArgumentError(
                    f"freeze names {name!r}, which is no parameter; there are "
                    f"{', '.join(self.params)}.{nearest(name, self.params)}"
                )
        if len(set(names)) == len(self.params):
            raise ArgumentError("freeze names all parameters; leave at least one to train.")
        return frozenset(names)

    def _data(
        self, X: Any, y: Any, loss: Loss, sample_weight: Any = None, prefix: str = ""
    ) -> Data:
        matrix = as_matrix(
            X, self.n_inputs, self._dtype, name=f"{prefix}X", missing=self._takes_missing
        )
        targets = as_targets(
            y,
            len(matrix),
            self.n_outputs,
            loss,
            self._dtype,
            rows_of=f"{prefix}X",
            name=f"{prefix}y",
        )
        return Data(matrix, targets, as_weights(sample_weight, len(matrix), self._dtype))
