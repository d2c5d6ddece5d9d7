"""Examining: what ails a network, and whether its derivatives are right.

Answers for handing layers, arrays and rows to the room ``limpide.explain``, which is loaded when
first asked. Not for: any explanation, which stands there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import limpide
from limpide import engines
from limpide.arrays import as_matrix, as_numbers, as_targets
from limpide.conversion import check_finite_scalar
from limpide.drawing import Drawing
from limpide.errors import ArgumentError, DataError
from limpide.ir import NUMPY_DTYPES, Array
from limpide.keywords import known_keywords
from limpide.losses import resolve_loss
from limpide.optimizers import Optimizer, resolve_optimizer
from limpide.rng import check_seed

if TYPE_CHECKING:  # loaded when something is explained: limpide.explain
    from limpide.explain import Case, Diagnosis, GradientCheck


class Examining(Drawing):
    """What a ``Network`` tells of itself."""

    @known_keywords
    def doctor(
        self,
        X: Any,
        y: Any,
        *,
        loss: Any = None,
        optimizer: str | Optimizer | None = None,
        language: str | None = None,
    ) -> Diagnosis:
        """Look for what ails the network, its data and its learning rate; nothing is changed.

        Parameters
        ----------
        X, y
            As ``fit`` takes them; numbers that are not finite are a finding here, no error.
        loss
            Default: the last fit's, else the one that belongs to the output.
        optimizer
            Whose rate is judged by trying it on copies. Default: the last fit's; a network that
            was never fitted has no rate to judge.
        language
            ``"en"``, ``"fr"`` or ``"uk"``: in which the result is printed; None: the system's.

        Returns
        -------
        Diagnosis
            Its ``findings``; printing it reads them. docs/doctor.md lists all of them.

        Raises
        ------
        ShapeError, DtypeError, DataError
            Where X or y do not fit the network.

        Examples
        --------
        >>> import limpide as lp
        >>> X, y = lp.datasets.people()
        >>> net = lp.Network([2, *(lp.Dense(n, "tanh", weights=lp.zeros) for n in (2, 1))])
        >>> [finding.kind for finding in net.doctor(X, y).findings]
        ['symmetric_neurons']
        """
        return limpide.explain.examine(self.case(X, y, loss, optimizer), language)

    @known_keywords
    def gradcheck(
        self,
        X: Any,
        y: Any,
        *,
        loss: Any = None,
        tolerance: float = 1e-6,
        engine: str | None = None,
        language: str | None = None,
        seed: int = 0,
    ) -> GradientCheck:
        """Compare the gradient of the loss with central differences, for every parameter.

        In float64, whatever the network's dtype: by the reference engine and by the one that
        ``fit`` would use. Of more than 512 parameters a sample is compared, drawn with ``seed``,
        some of each array. Dropout lets all through.

        Parameters
        ----------
        X, y
            As ``fit`` takes them; of many rows, the first 64.
        loss
            Default: the last fit's, else the one that belongs to the output.
        tolerance
            The difference allowed, as a share of the largest derivative of the same array.
        engine
            None is the one that ``fit`` takes.
        language
            In which the result is printed; None: the system's.

        Returns
        -------
        GradientCheck
            True where all agree; printing it shows the worst offenders by name.

        Examples
        --------
        >>> import limpide as lp
        >>> X, y = lp.datasets.people()
        >>> bool(lp.Network([2, 2, 1], activation="tanh", seed=0).gradcheck(X, y))
        True
        """
        if check_finite_scalar(tolerance, "tolerance") <= 0:
            raise ArgumentError(f"tolerance must be a positive number; received {tolerance!r}.")
        used, seed = engines.get(engine).name, check_seed(seed)
        case = self.case(X, y, loss)
        if not (np.isfinite(case.y).all() and (self._takes_missing or np.isfinite(case.X).all())):
            raise DataError(
                "gradcheck needs numbers that are finite in X and y. net.doctor(X, y) says where "
                "they are not."
            )
        return limpide.explain.check_gradients(case, tolerance, used, seed, language)

    def case(
        self, X: Any, y: Any, loss: Any = None, optimizer: str | Optimizer | None = None
    ) -> Case:
        """Give what is examined; a number that is not finite passes, to be found there."""
        resolved = resolve_loss(loss or self._last_loss, self.output_activation)
        chosen = self._last_optimizer if optimizer is None else resolve_optimizer(optimizer)
        matrix = self._rows_as_they_are(X)
        targets = as_numbers(y, "y")
        whole = np.isfinite(matrix).all(axis=1)
        sound = np.isfinite(targets) if targets.dtype.kind == "f" else np.ones(targets.shape, bool)
        if not sound.all():
            targets = np.where(sound, targets, 0)
        checked = as_targets(targets, len(matrix), self.n_outputs, resolved, self._dtype)
        if not sound.all():
            checked = checked.astype(self.dtype)
            checked[~sound.reshape(len(matrix), -1).all(axis=1)] = np.nan
        if whole.all():
            matrix = as_matrix(matrix, self.n_inputs, self._dtype)
        return limpide.explain.Case(
            self.placed, self.params, self.state, matrix, checked, resolved, chosen
        )

    def _rows_as_they_are(self, X: Any) -> Array:
        array = as_numbers(X, "X")
        if array.ndim != 2 or array.shape[1] != self.n_inputs or not len(array):
            # The refusal, in the words of fit.
            return as_matrix(np.zeros(array.shape), self.n_inputs, self._dtype)
        return np.ascontiguousarray(array, NUMPY_DTYPES[self._dtype])
