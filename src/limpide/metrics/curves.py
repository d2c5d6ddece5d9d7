"""Curves of a two-class score over its thresholds, and the average precision under one of them.

Answers for the points of the curves, with scikit-learn's conventions for ties and ends.
Not for: the area under the ROC curve (``classification``) or drawing (``limpide.plots``).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from limpide.errors import DataError
from limpide.metrics.inputs import (
    Floats,
    check_same_length,
    mean_over_classes,
    read_codes,
    read_column,
    read_score_table,
    relative_weights,
)


class RocCurve(NamedTuple):
    """Points of a ROC curve, from (0, 0) to (1, 1); each ``f64[m]``."""

    false_positive_rate: Floats
    true_positive_rate: Floats
    thresholds: Floats


class PrecisionRecallCurve(NamedTuple):
    """Points of a precision-recall curve; ``f64[m + 1]``, and the m thresholds."""

    precision: Floats
    recall: Floats
    thresholds: Floats


def roc_curve(y: ArrayLike, score: ArrayLike, sample_weight: ArrayLike | None = None) -> RocCurve:
    """Give the true and false positive rates at every threshold of a two-class score.

    Arguments as for `auc`. Points go from the highest threshold down, the first being infinity
    (nothing is answered as class 1). One point a distinct score: scikit-learn's
    ``roc_curve(drop_intermediate=False)``.

    Raises
    ------
    ShapeError, DataError, DtypeError
        Also where only one class has weight: there is no curve.

    Examples
    --------
    >>> curve = roc_curve([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    >>> curve.true_positive_rate.tolist()
    [0.0, 0.5, 0.5, 1.0, 1.0]
    """
    ups, downs, thresholds = _steps(y, score, sample_weight)
    if ups[-1] == 0 or downs[-1] == 0:
        raise DataError(
            f"y holds only class {int(ups[-1] > 0)} (by weight); a ROC curve compares two. "
            "Give rows of both classes."
        )
    start = np.zeros(1)
    return RocCurve(
        np.concatenate([start, downs / downs[-1]]),
        np.concatenate([start, ups / ups[-1]]),
        np.concatenate([[np.inf], thresholds]),
    )


def precision_recall_curve(
    y: ArrayLike, score: ArrayLike, sample_weight: ArrayLike | None = None
) -> PrecisionRecallCurve:
    """Give precision and recall at every threshold of a two-class score, thresholds rising.

    Arguments as for `auc`. The last point, without a threshold, is precision 1 and recall 0, as
    in scikit-learn.

    Raises
    ------
    ShapeError, DataError, DtypeError
        Also where class 1 has no weight: there is no recall.

    Examples
    --------
    >>> curve = precision_recall_curve([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    >>> curve.recall.tolist()
    [1.0, 1.0, 0.5, 0.5, 0.0]
    """
    ups, downs, thresholds = _steps(y, score, sample_weight)
    if ups[-1] == 0:
        raise DataError(
            "y holds no row of class 1 (by weight), whose precision and recall are asked for. "
            "Give rows of both classes."
        )
    there = ups + downs
    precision = np.divide(ups, there, out=np.zeros_like(ups), where=there > 0)
    return PrecisionRecallCurve(
        np.concatenate([precision[::-1], [1.0]]),
        np.concatenate([(ups / ups[-1])[::-1], [0.0]]),
        thresholds[::-1],
    )


def average_precision(
    y: ArrayLike, score: ArrayLike, sample_weight: ArrayLike | None = None
) -> float | None:
    """Give Σ (Rᵢ − Rᵢ₋₁)·Pᵢ over the thresholds: the precision, averaged over the rows of class 1.

    Guessing gives the share of class 1. No straight lines are drawn between points, which would
    flatter (Davis and Goadrich 2006); scikit-learn's definition. Arguments as for `auc`.

    Returns
    -------
    float or None
        None where class 1 has no weight (scikit-learn warns and returns 0).

    Raises
    ------
    ShapeError, DataError, DtypeError

    Source
    ------
    Davis and Goadrich, "The relationship between precision-recall and ROC curves", ICML 2006.

    Examples
    --------
    >>> round(average_precision([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]), 4)
    0.8333
    """
    ups, downs, _ = _steps(y, score, sample_weight)
    found = float(precision_sum(np.diff(ups, prepend=0.0), ups, downs))
    return None if np.isnan(found) else found


def average_precision_ovr(
    y: ArrayLike,
    scores: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    average: str = "macro",
) -> float | None:
    """Give the mean, over classes, of each one's average precision against the rest.

    Arguments, classes without weight and ``average`` as for `auc_ovr`.

    Raises
    ------
    ShapeError, DataError, DtypeError, ArgumentError

    Examples
    --------
    >>> average_precision_ovr([0, 1, 2], [[0.8, 0.1, 0.1], [0.2, 0.5, 0.3], [0.1, 0.2, 0.7]])
    1.0
    """
    table, codes = read_score_table(y, scores)
    figures = [
        average_precision(codes == k, table[:, k], sample_weight) for k in range(table.shape[1])
    ]
    return mean_over_classes(figures, codes, sample_weight, average)


def precision_sum(steps: Floats, ups: Floats, downs: Floats) -> Floats:
    """Give the average precision from the rise and the running sums of both classes; NaN for none.

    Thresholds fall along the last axis.
    """
    there = ups + downs
    shares = np.divide(ups, there, out=np.zeros_like(ups), where=there > 0)
    total = ups[..., -1]
    found = np.einsum("...i,...i->...", steps, shares)
    return np.asarray(np.divide(found, total, out=np.full_like(total, np.nan), where=total > 0))


def _steps(
    y: ArrayLike, score: ArrayLike, sample_weight: ArrayLike | None
) -> tuple[Floats, Floats, Floats]:
    """Give the weight of classes 1 and 0 at or above each distinct score, from the highest down."""
    values = read_column("score", score, infinite=True)
    codes = read_codes("y", y, 2, "the curves compare two classes")
    check_same_length("y", codes, "score", values)
    weights = relative_weights(sample_weight, len(codes))
    order, ends = falling(values)
    weight = np.ones(len(codes)) if weights is None else weights[order]
    positive = codes[order] == 1
    ups = np.cumsum(np.where(positive, weight, 0.0))[ends]
    downs = np.cumsum(np.where(positive, 0.0, weight))[ends]
    return ups, downs, values[order][ends]


def falling(score: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give the order of falling scores, and the last place of each group of equal ones."""
    order = np.argsort(-score, kind="stable")
    ranked = score[order]
    return order, np.flatnonzero(np.concatenate((ranked[1:] != ranked[:-1], [True])))
