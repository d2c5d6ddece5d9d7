"""Figures of a classifier: accuracy, area under the ROC curve, log loss, confusion matrix.

Answers for the number and for its edge cases (ties, one class, weights, clipping).
Not for: thresholds, class names or printing; classes come as codes 0, 1, 2, …
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from limpide.metrics.inputs import (
    Floats,
    check_same_length,
    mean_over_classes,
    mean_over_rows,
    read_class_count,
    read_codes,
    read_column,
    read_label_pair,
    read_probabilities,
    read_score_table,
    read_weights,
    relative_weights,
)


def accuracy(y: ArrayLike, predicted: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
    """Give the share of rows where ``predicted`` equals ``y``.

    Parameters
    ----------
    y, predicted : labels of any one kind, ``[n]``
        Numbers or text, but both of the same.
    sample_weight : f64[n], optional
        The share is Σ w·hit / Σ w.

    Raises
    ------
    ShapeError, DataError, DtypeError
        Lengths differ, there are no rows, a label is missing, or text meets numbers.

    Examples
    --------
    >>> accuracy(["spam", "ham", "ham"], ["spam", "ham", "spam"], sample_weight=[2, 1, 1])
    0.75
    """
    truth, guess = read_label_pair(y, predicted)
    hits = np.asarray(truth == guess, dtype=np.float64)
    return mean_over_rows(hits, relative_weights(sample_weight, len(truth)))


def auc(y: ArrayLike, score: ArrayLike, sample_weight: ArrayLike | None = None) -> float | None:
    """Give the area under the ROC curve of a two-class score.

    It is the probability that a row of class 1, drawn by weight, scores higher than a row of
    class 0; equal scores count one half (the Mann-Whitney form of the area).

    Parameters
    ----------
    y : codes 0 and 1, ``[n]``
    score : f64[n]
        Higher means more likely class 1: a probability, a logit, any number. ±inf is allowed.
    sample_weight : f64[n], optional

    Returns
    -------
    float or None
        None where only one class has weight: there is no pair to compare, and NaN would be no
        JSON. (scikit-learn warns and returns NaN.)

    Raises
    ------
    ShapeError, DataError, DtypeError

    Source
    ------
    Hanley and McNeil, "The meaning and use of the area under a receiver operating
    characteristic (ROC) curve", Radiology 143 (1982).

    Examples
    --------
    >>> auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.75
    >>> auc([1, 1], [0.2, 0.9]) is None
    True
    """
    values = read_column("score", score, infinite=True)
    codes = read_codes("y", y, 2, "auc compares two classes; use auc_ovr for more")
    check_same_length("y", codes, "score", values)
    return _area(codes == 1, values, relative_weights(sample_weight, len(codes)))


def auc_ovr(
    y: ArrayLike,
    scores: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    average: str = "macro",
) -> float | None:
    """Give the mean, over classes, of the area under each class-against-the-rest ROC curve.

    A class that has no weight in ``y`` has no curve and is left out of the mean (scikit-learn
    gives NaN or refuses).

    Parameters
    ----------
    y : codes 0 … k−1, ``[n]``
    scores : f64[n, k]
        One column a class.
    sample_weight : f64[n], optional
    average
        ``"macro"``: every class counts the same; ``"weighted"``: by its weight in ``y``.

    Returns
    -------
    float or None
        None where fewer than two classes have weight.

    Raises
    ------
    ShapeError, DataError, DtypeError, ArgumentError

    Examples
    --------
    >>> auc_ovr([0, 1, 2], [[0.8, 0.1, 0.1], [0.2, 0.5, 0.3], [0.1, 0.2, 0.7]])
    1.0
    """
    table, codes = read_score_table(y, scores)
    weights = relative_weights(sample_weight, len(codes))
    areas = [_area(codes == k, table[:, k], weights) for k in range(table.shape[1])]
    return mean_over_classes(areas, codes, sample_weight, average)


def log_loss(
    y: ArrayLike, probabilities: ArrayLike, sample_weight: ArrayLike | None = None
) -> float:
    """Give the mean of −ln(probability of the true class): cross-entropy, in nats.

    Parameters
    ----------
    y : codes 0 … k−1, ``[n]``
    probabilities : f64[n] or f64[n, k]
        One column: the probability of class 1. Several: one a class, each row summing to 1.
    sample_weight : f64[n], optional
        The mean is Σ w·ℓ / Σ w.

    Returns
    -------
    float
        Always finite: probabilities are clipped to [ε, 1 − ε], where ε is the spacing of the
        dtype they came in (2⁻⁵² for float64, 2⁻²³ for float32), as scikit-learn ≥ 1.5 does. A
        certain and wrong float64 prediction costs 36.04.

    Raises
    ------
    ShapeError, DataError, DtypeError
        Also for probabilities outside [0, 1] and for rows that do not sum to 1 (within 10⁻³).

    Examples
    --------
    >>> round(log_loss([1, 0], [0.9, 0.2]), 6)
    0.164252
    >>> log_loss([0], [[1.0, 0.0, 0.0]])
    2.220446049250313e-16
    """
    losses = log_losses(y, probabilities)
    return mean_over_rows(losses, relative_weights(sample_weight, len(losses)))


def log_losses(y: ArrayLike, probabilities: ArrayLike) -> Floats:
    """Give the log loss of each row."""
    table = read_probabilities(probabilities)
    codes = read_codes("y", y, table.shape[1], "probabilities has one column a class")
    check_same_length("y", codes, "probabilities", table)
    kind = getattr(probabilities, "dtype", None)
    floating = isinstance(kind, np.dtype) and kind.kind == "f" and kind.itemsize < 8
    epsilon = float(np.finfo(kind if floating else np.float64).eps)
    chosen = np.clip(table[np.arange(len(codes)), codes], epsilon, 1 - epsilon)
    return np.asarray(-np.log(chosen))


def confusion_matrix(
    y: ArrayLike,
    predicted: ArrayLike,
    n_classes: int,
    sample_weight: ArrayLike | None = None,
) -> NDArray[Any]:
    """Count the rows of each true class (matrix rows) and predicted class (matrix columns).

    Parameters
    ----------
    y, predicted : codes 0 … n_classes−1, ``[n]``
    n_classes : int
        Classes that do not occur keep their row and column of zeros.
    sample_weight : f64[n], optional

    Returns
    -------
    i64[n_classes, n_classes]
        Sums of weights, f64, where ``sample_weight`` is given.

    Raises
    ------
    ArgumentError, ArgumentTypeError, MemoryLimitError, ShapeError, DataError, DtypeError

    Examples
    --------
    >>> confusion_matrix([0, 0, 1, 1], [0, 1, 1, 1], 2).tolist()
    [[1, 1], [0, 2]]
    """
    size = read_class_count(n_classes)
    truth = read_codes("y", y, size, f"n_classes={size}")
    guess = read_codes("predicted", predicted, size, f"n_classes={size}")
    check_same_length("y", truth, "predicted", guess)
    cells = truth * size + guess
    if sample_weight is None:
        return np.bincount(cells, minlength=size * size).reshape(size, size)
    weights = read_weights(sample_weight, len(truth))
    return np.bincount(cells, weights=weights, minlength=size * size).reshape(size, size)


def _area(positive: NDArray[np.bool_], score: Floats, weights: Floats | None) -> float | None:
    order = np.argsort(score, kind="stable")
    ranked = score[order]
    starts = np.flatnonzero(np.concatenate(([True], ranked[1:] != ranked[:-1])))
    weight = np.ones(len(score)) if weights is None else weights[order]
    ups = np.add.reduceat(np.where(positive[order], weight, 0.0), starts)
    downs = np.add.reduceat(np.where(positive[order], 0.0, weight), starts)
    pairs = ups.sum() * downs.sum()
    if pairs == 0:
        return None
    below = np.cumsum(downs) - downs
    return min(1.0, float((ups * (below + downs / 2)).sum() / pairs))  # rounding may pass 1
