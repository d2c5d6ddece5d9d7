"""What a report looks at: rows whose answers are known, and what the model says of them.

Answers for the figures of those rows, worked out once. Not for: words or pictures.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import numpy as np

from limpide.ir import Array
from limpide.metrics.figures import CLASSIFICATION, REGRESSION, UNSURE, Figure, always, bound
from limpide.metrics.resampling import Interval, bootstrap
from limpide.tables import Table

_DRAWN = 20_000_000  # numbers drawn for an interval, at most: about a second each
_MOST_DRAWS, _FEWEST_DRAWS = 1000, 100


@dataclass
class Study:
    """Rows that a model is looked at with.

    Attributes
    ----------
    table
        The rows, with the target; of many, some.
    y, prediction, weights
        Of all of them: class numbers and f64[n, classes], or numbers and f64[n]; None where they
        have not been worked out.
    how
        ``"held out"`` (training did not see them), ``"trained on"``, or ``"given"``.
    """

    table: Table
    y: Array | None
    prediction: Array | None
    weights: Array | None
    how: str

    @property
    def rows(self) -> int:
        """How many rows the figures are of."""
        return self.table.n_rows if self.y is None else len(self.y)

    @cached_property
    def figures(self) -> dict[str, Interval]:
        """Every figure of the task with its interval, where it has one that takes no minutes."""
        assert self.prediction is not None
        return {name: self._figure(name) for name in self._known}

    @property
    def _known(self) -> dict[str, Figure]:
        assert self.prediction is not None
        return CLASSIFICATION if self.prediction.ndim == 2 else REGRESSION

    def _figure(self, name: str) -> Interval:
        metric, form = bound(name, cast("Array", self.prediction))
        each = self.rows
        if np.ndim(form) == 2 and self._known[name].takes == "scores":
            each *= form.shape[1] // 2 + 1  # a curve a class
        draws = min(_DRAWN // each, _MOST_DRAWS)
        if draws < _FEWEST_DRAWS or name in UNSURE:
            return Interval(metric(self.y, form, self.weights), None, None, 0.95, 0)
        return bootstrap(metric, cast("Array", self.y), form, draws, sample_weight=self.weights)

    @cached_property
    def guessing(self) -> dict[str, float | None]:
        """The figures of always answering the same: the most frequent class, or the mean."""
        assert self.prediction is not None
        classes = self.prediction.shape[1] if self.prediction.ndim == 2 else None
        answer = always(self.y, classes, self.weights)[1]
        found: dict[str, Any] = {}
        for name in self._known:
            metric, form = bound(name, answer)
            found[name] = metric(self.y, form, self.weights)
        return found

    @cached_property
    def usual(self) -> float:
        """What always answering the same would answer: a class number, or the mean."""
        assert self.prediction is not None
        classes = self.prediction.shape[1] if self.prediction.ndim == 2 else None
        return always(self.y, classes, self.weights)[0]
