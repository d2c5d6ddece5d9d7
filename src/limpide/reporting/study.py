"""What a report looks at: rows whose answers are known, and what the model says of them.

Answers for the figures of those rows, worked out once. Not for: words or pictures.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from limpide.ir import Array
from limpide.metrics.figures import CLASSIFICATION, REGRESSION, always, bound, figure_intervals
from limpide.metrics.resampling import Interval
from limpide.tables import Table

_DRAWN = 10_000_000  # numbers drawn for an interval, at most: a second or two for all figures
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
        """Every figure of the task with its interval, where it has one."""
        assert self.y is not None
        assert self.prediction is not None
        # a curve a class: many classes take as many times as long
        each = self.rows * (
            1 if self.prediction.ndim == 1 else max(self.prediction.shape[1] / 2, 1)
        )
        draws = min(max(int(_DRAWN / each), _FEWEST_DRAWS), _MOST_DRAWS)
        found = figure_intervals(self.y, self.prediction, self.weights, n=draws)
        names = CLASSIFICATION if self.prediction.ndim == 2 else REGRESSION
        for name in names:
            if name not in found:
                metric, form = bound(name, self.prediction)
                estimate = metric(self.y, form, self.weights)
                found[name] = Interval(estimate, None, None, 0.95, 0)
        return {name: found[name] for name in names}

    @cached_property
    def guessing(self) -> dict[str, float | None]:
        """The figures of always answering the same: the most frequent class, or the mean."""
        assert self.prediction is not None
        classes = self.prediction.shape[1] if self.prediction.ndim == 2 else None
        answer = always(self.y, classes, self.weights)[1]
        found: dict[str, Any] = {}
        for name in CLASSIFICATION if classes else REGRESSION:
            metric, form = bound(name, answer)
            found[name] = metric(self.y, form, self.weights)
        return found

    @cached_property
    def usual(self) -> float:
        """What always answering the same would answer: a class number, or the mean."""
        assert self.prediction is not None
        classes = self.prediction.shape[1] if self.prediction.ndim == 2 else None
        return always(self.y, classes, self.weights)[0]
