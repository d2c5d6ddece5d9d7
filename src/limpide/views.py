"""What can be seen of a model: intervals, importance, partial dependence, plots, the report.

Answers for ``Views``, the part of ``Model`` that looks at it, and for the rows that training
leaves to be looked at. Not for: predicting (``limpide.model``), nor for the pictures themselves.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from limpide import effects, plots, reporting
from limpide.errors import ArgumentTypeError, DataError, LimpideWarning, choice_error
from limpide.ir import Array
from limpide.keywords import known_keywords
from limpide.languages import words_in
from limpide.metrics.figures import figure_intervals
from limpide.model_facts import Facts
from limpide.network import Network
from limpide.reporting.study import Study
from limpide.tables import Table, missing_column
from limpide.tables.preprocessing import Preprocessing
from limpide.tables.targets import Target

_MOST_ROWS = 10_000  # of a table that a model keeps after its training, to be looked at
_MOST_NUMBERS = 5_000_000  # of the predictions that it keeps: 40 MB
_ROWS_DEPENDENCE = 1_000

PLOTS = ("calibration", "confusion", "precision_recall", "residuals", "roc")


@dataclass(frozen=True)
class Rows:
    """Rows of a table whose answers are known: what they hold, and as the network sees it."""

    table: Table
    X: Array
    y: Array


class Views:
    """Looking at a model; ``Model`` is one of these."""

    preprocessing: Preprocessing
    network: Network
    facts: Facts
    _target: Target
    _study: Study | None = None
    _read: Callable[..., Table]
    matrix: Callable[[Table], Array]
    probabilities: Callable[[Array], Array]
    decided: Callable[[Array], Array]
    sums_of_matrix: Callable[[Array], Array]

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the rows to look at: a copy or a pickle holds no data."""
        return {name: value for name, value in self.__dict__.items() if name != "_study"}

    # What others build on ---------------------------------------------------------------------

    def predicted(self, X: Array) -> Array:
        """Give probabilities f64[n, classes], or for regression f64[n] in the target's unit.

        ``X`` is rows of the matrix.
        """
        z = self.sums_of_matrix(X)
        return self.decided(z) if self._target.classes is None else self.probabilities(z)

    def _check_one_target(self) -> None:
        """Refuse a model of several targets, where figures and pictures are of one."""
        if self._target.outputs > 1:
            raise ArgumentTypeError(
                f"This is for one target, and the model has {self._target.outputs}. Use predict, "
                "and lp.metrics for each of them."
            )

    def _rows_of(self, data: Any) -> Rows:
        """Read the rows of a table whose target is known.

        Raises
        ------
        DataError
            There is no target, or it is missing in every row.
        """
        self._check_one_target()
        table = self._read(data, target=True)
        name = self._target.name
        if name not in table.columns:
            raise missing_column(name, table.columns, "Target column")
        y, there = self._target.encode(table)
        if not there.any():
            raise DataError(
                f"{table.source}, target column {name!r}: every cell is missing. "
                "Give rows whose target is known."
            )
        X = self.matrix(table)
        if there.all():
            return Rows(table, X, y)
        return Rows(table.take(np.flatnonzero(there)), X[there], y[there])

    def keep(
        self,
        table: Table,
        rows: Array,
        y: Array | None,
        prediction: Array | None,
        weights: Array | None,
        how: str,
    ) -> None:
        """Keep some rows of training with what is predicted for them, for the report."""
        width = 1 if prediction is None or prediction.ndim == 1 else prediction.shape[1]
        most = slice(max(1, _MOST_NUMBERS // width))
        self._study = Study(
            table.take(rows[spread(len(rows), _MOST_ROWS)]),
            None if y is None else y[most],
            None if prediction is None else prediction[most],
            None if weights is None else weights[most],
            how,
        )

    def _intervals(
        self, rows: Rows, weights: Array | None, intervals: bool | float
    ) -> dict[str, Any]:
        """Give [low, high] of each figure, for ``evaluate``."""
        if isinstance(intervals, (bool, np.bool_)):
            level = 0.95
        elif isinstance(intervals, (float, np.floating)):
            level = float(intervals)
        else:
            raise ArgumentTypeError(
                f"intervals must be True or a level such as 0.95; received {intervals!r}."
            )
        found = figure_intervals(rows.y, self.predicted(rows.X), weights, level=level)
        return {
            name: None if each.low is None else [each.low, each.high]
            for name, each in found.items()
        }

    # What users call --------------------------------------------------------------------------

    @known_keywords
    def permutation_importance(
        self,
        data: Any,
        metric: Any = None,
        repeats: int = 5,
        seed: int = 0,
        greater_is_better: bool = True,
    ) -> effects.Importance:
        """Give how much worse predictions get when a column is shuffled, for each column.

        All that is made of a column (a date's month and weekday, say) is shuffled together.

        Parameters
        ----------
        data
            A table with the target, best of rows that were not trained on.
        metric
            A name (``"log_loss"``, ``"accuracy"``, ``"auc"``, …, ``"rmse"``, ``"mae"``, ``"r2"``),
            that function of ``limpide.metrics``, or a function of (y, prediction): class numbers
            and probabilities f64[n, classes], or numbers. None: the log loss, or the RMSE.
        repeats
            How often each column is shuffled.
        seed
            Of the shuffling.
        greater_is_better
            Of a function of your own.

        Returns
        -------
        limpide.effects.Importance
            Prints as a table; has ``.plot()`` and ``.to_json()``.

        Raises
        ------
        DataError, ArgumentError, ArgumentTypeError

        Examples
        --------
        >>> import limpide as lp
        >>> table = {"a": [0.0, 1.0] * 8, "b": [1.0, 2, 3, 4] * 4, "y": ["no", "yes"] * 8}
        >>> model = lp.train(table, "y", epochs=40)
        >>> model.permutation_importance(table).columns[0]
        'a'
        """
        rows = self._rows_of(data)
        places = effects.dependence.matrix_places(self.preprocessing)
        return effects.permutation_importance(
            self.predicted, rows.X, rows.y, places, metric, repeats, seed, greater_is_better
        )

    @known_keywords
    def partial_dependence(
        self, data: Any, column: str, grid: Any = None
    ) -> effects.PartialDependence:
        """Give the mean prediction when a column is set to each of some values, in all rows.

        Parameters
        ----------
        data
            A table; the target may be missing. Of more than 1,000 rows every k-th is taken.
        column
            One of ``features``.
        grid
            The values to try: numbers, categories, dates (or ISO text). None: at most 20, quantiles
            of numbers and times and the most frequent categories, and a missing value where
            training had some.

        Returns
        -------
        limpide.effects.PartialDependence
            Prints as a table; has ``.plot()`` and ``.to_json()``.

        Raises
        ------
        DataError, ArgumentError, ArgumentTypeError

        Warns
        -----
        LimpideWarning
            For categories of the grid that the model does not know.

        Examples
        --------
        >>> import limpide as lp
        >>> table = {"a": [0.0, 1.0] * 8, "y": ["no", "yes"] * 8}
        >>> model = lp.train(table, "y", epochs=40)
        >>> found = model.partial_dependence(table, "a")
        >>> found.grid, found.outputs, found.mean[0][0] < 0.5 < found.mean[1][0]
        ((0.0, 1.0), ("P('yes')",), True)
        """
        self._check_one_target()
        used = {one.name: one for one in self.preprocessing.used}
        if column not in used:
            raise missing_column(str(column), used, "Feature")
        table = self._read(data)
        table = table.take(spread(table.n_rows, _ROWS_DEPENDENCE))
        found, notes = effects.partial_dependence(
            self._outputs, self.preprocessing, table, self.matrix(table), used[column],
            self._output_names(), grid,
        )  # fmt: skip
        for note in notes:
            warnings.warn(f"grid: {note}", LimpideWarning, stacklevel=3)
        return found

    def _outputs(self, X: Array) -> Array:
        """Give f64[n, outputs]: of two classes the second one's probability alone."""
        found = self.predicted(X)
        if found.ndim == 1:
            return found[:, None]
        two = self._target.classes is not None and found.shape[1] == 2
        return found[:, 1:] if two else found

    def _output_names(self) -> list[str]:
        if self._target.classes is None:
            return [self._target.name]
        labels = self._target.classes.tolist()
        return [f"P({labels[1]!r})"] if len(labels) == 2 else [str(label) for label in labels]

    @known_keywords
    def plot(self, kind: str, data: Any, axes: Any = None, language: str | None = None) -> Any:
        """Draw a picture of the predictions for a table that has the target.

        Parameters
        ----------
        kind
            ``"roc"``, ``"precision_recall"``, ``"confusion"``, ``"calibration"`` for classes;
            ``"residuals"`` for numbers.
        data
            A table with the target, best of rows that were not trained on.
        axes
            matplotlib's axes to draw on; None: a new figure's.
        language
            Of the words: "en", "fr" or "uk"; None is the system's.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        ArgumentError, DataError, MissingExtraError
        """
        self._check_one_target()
        classes = self._target.classes
        known = ("residuals",) if classes is None else tuple(k for k in PLOTS if k != "residuals")
        if kind not in known:
            raise choice_error("kind", kind, known)
        rows = self._rows_of(data)
        found = self.predicted(rows.X)
        if classes is None:
            return plots.residuals(rows.y, found, axes, self._target.name, language)
        if kind == "calibration":
            return plots.calibration(rows.y, found, axes, language=language)
        draw = {
            "roc": plots.roc,
            "precision_recall": plots.precision_recall,
            "confusion": plots.confusion,
        }[kind]
        return draw(rows.y, found, classes.tolist(), axes, language=language)

    @known_keywords
    def report(
        self,
        path: str | os.PathLike[str],
        data: Any = None,
        *,
        model_file: str | os.PathLike[str] | None = None,
        overwrite: bool = True,
        language: str | None = None,
    ) -> None:
        """Write what was learned as one HTML file that needs no network and no script.

        Parameters
        ----------
        path
            Where to write; an existing file is replaced in one step.
        data
            A table with the target to measure the model on. None: the rows that training held
            out, where this is the model that trained; for a loaded one what its file says.
        model_file
            Where the model is saved, for the commands that use it.
        overwrite
            False: an existing file is left as it is, with a FileError.
        language
            "en", "fr" or "uk"; None is the system's.

        Raises
        ------
        ArgumentError, DataError, FileError
        """
        words = words_in(language)
        self._check_one_target()
        study = self._study
        if data is not None:
            rows = self._rows_of(data)
            study = Study(
                rows.table.take(spread(len(rows.y), _MOST_ROWS)),
                rows.y,
                self.predicted(rows.X),
                None,
                "given",
            )
        reporting.write(self, study, path, model_file, overwrite, words)


def spread(n: int, most: int) -> Array:
    """Give the numbers of at most so many rows, evenly spread over all.

    >>> spread(5, 10).tolist(), spread(100, 3).tolist()
    ([0, 1, 2, 3, 4], [0, 50, 99])
    """
    return np.arange(n) if n <= most else np.round(np.linspace(0, n - 1, most)).astype(np.int64)
