"""The figures that a model is told by: which there are, and what each takes.

Answers for the table of them, and for all of a task's at once, with intervals. Not for: working
one out (``classification`` and its neighbours), or printing.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from limpide.errors import choice_error
from limpide.metrics.classification import accuracy, auc, auc_ovr, confusion_matrix, log_loss
from limpide.metrics.curves import average_precision, average_precision_ovr
from limpide.metrics.decisions import balanced_accuracy, f1
from limpide.metrics.inputs import Floats, read_probabilities
from limpide.metrics.probabilities import brier, calibration_error
from limpide.metrics.regression import mae, median_absolute_error, r2, rmse
from limpide.metrics.resampling import Interval, bootstrap


@dataclass(frozen=True)
class Figure:
    """What there is to know of a figure.

    Attributes
    ----------
    higher
        Whether more is better.
    kind
        ``"share"`` (0 to 1, shown in per cent), ``"number"``, or ``"unit"``: of the target.
    takes
        ``"labels"`` (the most probable class), ``"scores"`` (of class 1, or of each class),
        ``"probabilities"``, ``"numbers"``.
    two, more
        The function for two classes (or numbers), and for more.
    """

    higher: bool
    kind: str
    takes: str
    two: Callable[..., Any]
    more: Callable[..., Any]


def _figure(
    kind: str,
    takes: str,
    two: Callable[..., Any],
    more: Callable[..., Any] | None = None,
    higher: bool = False,
) -> Figure:
    return Figure(higher, kind, takes, two, more or two)


CLASSIFICATION: dict[str, Figure] = {
    "accuracy": _figure("share", "labels", accuracy, higher=True),
    "auc": _figure("number", "scores", auc, auc_ovr, higher=True),
    "log_loss": _figure("number", "probabilities", log_loss),
    "balanced_accuracy": _figure("share", "labels", balanced_accuracy, higher=True),
    "f1_macro": _figure("number", "labels", functools.partial(f1, average="macro"), higher=True),
    "average_precision": _figure(
        "number", "scores", average_precision, average_precision_ovr, higher=True
    ),
    "brier": _figure("number", "probabilities", brier),
    "calibration_error": _figure("number", "probabilities", calibration_error),
}
REGRESSION: dict[str, Figure] = {
    "rmse": _figure("unit", "numbers", rmse),
    "mae": _figure("unit", "numbers", mae),
    "r2": _figure("number", "numbers", r2, higher=True),
    "median_absolute_error": _figure("unit", "numbers", median_absolute_error),
}


#: Figures without an interval: drawing rows twice looks like bad calibration.
UNSURE = ("calibration_error",)


def bound(name: str, prediction: Floats) -> tuple[Callable[..., Any], Any]:
    """Give a figure's function, and the form of the prediction that it takes.

    Parameters
    ----------
    name
        Of ``CLASSIFICATION`` or ``REGRESSION``.
    prediction : f64[n, k] probabilities, or f64[n] numbers
    """
    known = CLASSIFICATION if prediction.ndim == 2 else REGRESSION
    if name not in known:
        raise choice_error("metric", name, known)
    figure = known[name]
    if figure.takes == "numbers" or figure.takes == "probabilities":
        return figure.two, prediction
    if figure.takes == "labels":
        return figure.two, prediction.argmax(axis=1)
    two = prediction.shape[1] == 2
    return (figure.two, prediction[:, 1]) if two else (figure.more, prediction)


def classification_figures(
    y_codes: ArrayLike, probabilities: ArrayLike, sample_weight: ArrayLike | None = None
) -> dict[str, Any]:
    """Give the figures of a classifier on some rows, ready for JSON.

    Parameters
    ----------
    y_codes : codes 0 … k−1, ``[n]``
    probabilities : f64[n] or f64[n, k]
        As for `log_loss`. The predicted class is the most probable, the first of equals, so that
        in a binary model class 1 needs more than one half.
    sample_weight : f64[n], optional

    Returns
    -------
    dict
        ``accuracy``, ``auc`` (binary, or one-vs-rest macro; None where only one class is there),
        ``log_loss``, ``balanced_accuracy``, ``f1_macro``, ``average_precision`` (as ``auc``),
        ``brier``, ``calibration_error``, and ``confusion`` (nested lists, rows are the true
        classes).

    Raises
    ------
    ShapeError, DataError, DtypeError

    Examples
    --------
    >>> figures = classification_figures([0, 1, 1], [0.25, 0.5, 0.75])
    >>> figures["auc"], figures["confusion"]
    (1.0, [[1, 0], [1, 1]])
    """
    # the log loss clips by the dtype that the probabilities came in
    figures: dict[str, Any] = dict.fromkeys(CLASSIFICATION)
    table = read_probabilities(probabilities)
    for name in CLASSIFICATION:
        metric, form = bound(name, table)
        form = probabilities if name == "log_loss" else form
        figures[name] = metric(y_codes, form, sample_weight)
    predicted = table.argmax(axis=1)
    confusion = confusion_matrix(y_codes, predicted, table.shape[1], sample_weight)
    return {**figures, "confusion": confusion.tolist()}


def regression_figures(
    y: ArrayLike, prediction: ArrayLike, sample_weight: ArrayLike | None = None
) -> dict[str, float | None]:
    """Give ``rmse``, ``mae``, ``r2`` and ``median_absolute_error``; arguments as for `rmse`.

    Raises
    ------
    ShapeError, DataError, DtypeError

    Examples
    --------
    >>> regression_figures([1.0, 2.0, 3.0], [1.0, 2.0, 6.0])["mae"]
    1.0
    """
    return {name: each.two(y, prediction, sample_weight) for name, each in REGRESSION.items()}


def figure_intervals(
    y: Any,
    prediction: Floats,
    sample_weight: Any = None,
    *,
    n: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, Interval]:
    """Give every figure of a task with its bootstrap interval, but for the calibration error.

    Drawing rows twice looks like bad calibration: its percentile interval lies too high.

    Parameters
    ----------
    y, prediction
        Codes and f64[n, k] probabilities, or numbers and f64[n].
    sample_weight, n, seed, level
        As for `bootstrap`.

    Examples
    --------
    >>> found = figure_intervals(np.arange(9.0), np.arange(9.0) + 1)
    >>> found["mae"].estimate, found["mae"].low, found["mae"].high
    (1.0, 1.0, 1.0)
    """
    names = CLASSIFICATION if prediction.ndim == 2 else REGRESSION
    found = {}
    for name in names:
        if name in UNSURE:
            continue
        metric, form = bound(name, prediction)
        found[name] = bootstrap(metric, y, form, n, seed, level, sample_weight)
    return found


def always(y: Any, classes: int | None, sample_weight: Any = None) -> tuple[float, Floats]:
    """Give what always answering the same would be: that answer, and its prediction for each row.

    The most frequent class, with the classes' shares as its probabilities; or the mean.

    >>> always(np.array([0, 1, 1]), 2)[0]
    1.0
    """
    if classes is None:
        mean = float(np.average(y, weights=sample_weight))
        return mean, np.full(len(y), mean)
    counts = np.bincount(y, sample_weight, classes)
    return float(counts.argmax()), np.tile(counts / counts.sum(), (len(y), 1))
