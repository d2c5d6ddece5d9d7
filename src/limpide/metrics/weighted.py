"""A figure under very many weightings of the same rows at once: what makes the bootstrap fast.

Answers for ``prepare``: everything that does not hang on the weights (sorting, losses of rows) is
done once. Not for: drawing the weightings (``resampling``) or saying what a figure means.

Each function here gives the order in which it wants the rows' weights, and a function from such
weights, f64[b, n], to the figure of each, f64[b], NaN where it is undefined. A test holds each of
them to the figure itself.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from limpide.metrics import decisions
from limpide.metrics.classification import accuracy, auc, auc_ovr, log_loss, log_losses
from limpide.metrics.curves import average_precision, average_precision_ovr, falling, precision_sum
from limpide.metrics.decisions import balanced_accuracy, f1, precision, recall
from limpide.metrics.inputs import (
    Codes,
    Floats,
    read_codes,
    read_column,
    read_label_pair,
    read_probabilities,
    read_score_table,
)
from limpide.metrics.probabilities import (
    BINS,
    bins_of,
    brier,
    brier_rows,
    calibration_error,
    calibration_rows,
)
from limpide.metrics.regression import mae, median_absolute_error, r2, regression_inputs, rmse

Order = NDArray[np.int64] | None
Prepared = tuple[Order, Callable[[Floats], Floats]]


def prepare(metric: Callable[..., Any], y: ArrayLike, prediction: ArrayLike) -> Prepared | None:
    """Give a figure of limpide, or a ``functools.partial`` of one, ready for weightings.

    None for any other function.
    """
    keywords: dict[str, Any] = {}
    if isinstance(metric, functools.partial) and not metric.args:
        keywords, metric = metric.keywords, metric.func
    for known, made in _PREPARED.items():
        if known is metric:
            return made(y, prediction, **keywords)
    return None


def _accuracy(y: ArrayLike, predicted: ArrayLike) -> Prepared:
    truth, guess = read_label_pair(y, predicted)
    return _mean_of(np.asarray(truth == guess, np.float64))


def _log_loss(y: ArrayLike, probabilities: ArrayLike) -> Prepared:
    return _mean_of(log_losses(y, probabilities))


def _brier(y: ArrayLike, probabilities: ArrayLike) -> Prepared:
    table = read_probabilities(probabilities)
    return _mean_of(brier_rows(table, read_codes("y", y, table.shape[1], "a column a class")))


def _mean_of(values: Floats) -> Prepared:
    return None, lambda weights: (weights @ values) / weights.sum(axis=1)


# Scores -------------------------------------------------------------------------------------------


def _two_classes(y: ArrayLike, score: ArrayLike, of: Callable[..., Floats]) -> Prepared:
    values = read_column("score", score, infinite=True)
    positive = read_codes("y", y, 2, "two classes") == 1
    order, ends = falling(values)
    return order, functools.partial(_over_thresholds, positive[order], ends, of)


def _over_thresholds(
    positive: NDArray[np.bool_], ends: NDArray[np.int64], of: Callable[..., Floats], weights: Floats
) -> Floats:
    """Sum the weights of both classes down the thresholds, and give the figure of the sums."""
    whole = len(ends) == len(positive)  # no ties
    starts = np.concatenate([[0], ends[:-1] + 1])
    ups = weights * positive
    downs = weights - ups
    if not whole:
        ups = np.add.reduceat(ups, starts, axis=1)
        downs = np.add.reduceat(downs, starts, axis=1)
    return of(ups, downs)


def _area(ups: Floats, downs: Floats) -> Floats:
    above = np.cumsum(ups, axis=1)
    pairs = above[:, -1] * downs.sum(axis=1)
    above -= ups / 2
    found = np.einsum("ij,ij->i", above, downs)
    some = pairs > 0
    return np.asarray(np.divide(found, pairs, out=np.full_like(pairs, np.nan), where=some))


def _precision(ups: Floats, downs: Floats) -> Floats:
    return precision_sum(ups, np.cumsum(ups, axis=1), np.cumsum(downs, axis=1))


def _classes(
    y: ArrayLike, scores: ArrayLike, of: Callable[..., Floats], average: str = "macro"
) -> Prepared:
    """Give the mean over classes of a figure of each against the rest."""
    table, codes = read_score_table(y, scores)
    there = (codes[:, None] == np.arange(table.shape[1])).astype(np.float64)
    parts = [_two_classes(there[:, k], table[:, k], of) for k in range(table.shape[1])]

    def figure(weights: Floats) -> Floats:
        each = np.stack([of_k(weights[:, order]) for order, of_k in parts], axis=1)
        known = ~np.isnan(each)
        mass = weights @ there if average == "weighted" else np.ones_like(each)
        mass = np.where(known, mass, 0)
        total = mass.sum(axis=1)
        found = np.einsum("ij,ij->i", np.where(known, each, 0), mass)
        some = total > 0
        return np.asarray(np.divide(found, total, out=np.full_like(total, np.nan), where=some))

    return None, figure


# Decisions ----------------------------------------------------------------------------------------


def _balanced(y: ArrayLike, predicted: ArrayLike) -> Prepared:
    truth, guess, names = decisions.coded(y, predicted, None)
    counted = _counter(truth, guess, len(names))
    return None, lambda weights: np.asarray(decisions.balanced(counted(weights)))


def _decision(
    y: ArrayLike,
    predicted: ArrayLike,
    kind: str,
    average: str | None = "macro",
    positive: Any = None,
    classes: ArrayLike | None = None,
) -> Prepared | None:
    if average is None:
        return None
    if average == "binary" and positive is None and classes is None:
        classes = decisions.zero_and_one(y, predicted)
    truth, guess, names = decisions.coded(y, predicted, classes)
    place = decisions.read_average(average, positive, names)
    counted = _counter(truth, guess, len(names))
    return None, lambda weights: np.asarray(
        decisions.averaged(kind, counted(weights), average, place)
    )


def _counter(truth: Codes, guess: Codes, k: int) -> Callable[[Floats], decisions.Counts]:
    """Give the weight of each class's rows for many weightings."""
    hit = truth == guess

    def counted(weights: Floats) -> decisions.Counts:
        right = _summed(weights[:, hit], truth[hit], k)
        return decisions.Counts(right, _summed(weights, guess, k), _summed(weights, truth, k))

    return counted


def _summed(weights: Floats, place: NDArray[np.int64], count: int) -> Floats:
    """Sum weights, f64[b, n], by the place of each row: f64[b, count]."""
    flat = (np.arange(len(weights))[:, None] * count + place).ravel()
    summed: Floats = np.bincount(flat, weights.ravel(), len(weights) * count)  # type: ignore[assignment]
    return summed.reshape(len(weights), count)


# Calibration and regression -----------------------------------------------------------------------


def _calibration(y: ArrayLike, probabilities: ArrayLike, bins: int = BINS) -> Prepared:
    chance, came, order, ends = calibration_rows(y, probabilities, bins)
    starts = np.concatenate([[0], ends[:-1] + 1])
    gap = chance[order] - came[order]

    def figure(weights: Floats) -> Floats:
        mass = np.add.reduceat(weights, starts, axis=1)
        gaps = np.add.reduceat(weights * gap, starts, axis=1)
        places, total = bins_of(np.cumsum(mass, axis=1), bins)
        flat = np.arange(len(weights))[:, None] * bins + places
        summed = np.bincount(flat.ravel(), gaps.ravel(), len(weights) * bins)
        found = np.abs(summed.reshape(len(weights), bins)).sum(axis=1)
        return np.asarray(found / total)

    return order, figure


def _mae(y: ArrayLike, prediction: ArrayLike) -> Prepared:
    truth, guess, _, exponent = regression_inputs(y, prediction, None)
    return _mean_of(np.ldexp(np.abs(truth - guess).mean(axis=1), exponent))


def _rmse(y: ArrayLike, prediction: ArrayLike) -> Prepared:
    truth, guess, _, exponent = regression_inputs(y, prediction, None)
    squares = (truth - guess) ** 2

    def figure(weights: Floats) -> Floats:
        means = (weights @ squares) / weights.sum(axis=1)[:, None]
        return np.asarray(np.ldexp(np.sqrt(means).mean(axis=1), exponent))

    return None, figure


def _r2(y: ArrayLike, prediction: ArrayLike) -> Prepared:
    truth, guess, _, _ = regression_inputs(y, prediction, None)
    squares = (truth - guess) ** 2
    moved = truth - truth.mean(axis=0)  # so that the square of the mean takes few digits away

    def figure(weights: Floats) -> Floats:
        total = weights.sum(axis=1)[:, None]
        errors, mean = (weights @ squares) / total, (weights @ moved) / total
        spread = (weights @ moved**2) / total - mean**2
        # A resample of equal values has no spread; what rounding leaves of it is none.
        some = spread > 1e-14 * (moved**2).max(axis=0, initial=0.0)
        ratio = np.divide(errors, spread, out=np.ones_like(errors), where=some)
        flat = np.where(errors == 0, 1.0, 0.0)
        return np.asarray(np.where(some, 1 - ratio, flat).mean(axis=1))

    return None, figure


def _median(y: ArrayLike, prediction: ArrayLike) -> Prepared | None:
    truth, guess, _, exponent = regression_inputs(y, prediction, None)
    if truth.shape[1] != 1:
        return None
    errors = np.ldexp(np.abs(truth - guess)[:, 0], exponent)
    order = np.argsort(errors, kind="stable")
    ranked = errors[order]

    def figure(weights: Floats) -> Floats:
        upto = np.cumsum(weights, axis=1)
        half = upto[:, -1:] / 2
        # The first rows at or beyond half of the weight, and beyond it: their mean is the median.
        lower, upper = (upto >= half).argmax(axis=1), (upto > half).argmax(axis=1)
        return np.asarray(ranked[lower] / 2 + ranked[upper] / 2)

    return order, figure


_PREPARED: dict[Callable[..., Any], Callable[..., Prepared | None]] = {
    accuracy: _accuracy,
    auc: functools.partial(_two_classes, of=_area),
    auc_ovr: functools.partial(_classes, of=_area),
    average_precision: functools.partial(_two_classes, of=_precision),
    average_precision_ovr: functools.partial(_classes, of=_precision),
    balanced_accuracy: _balanced,
    brier: _brier,
    calibration_error: _calibration,
    f1: functools.partial(_decision, kind="f1"),
    log_loss: _log_loss,
    mae: _mae,
    median_absolute_error: _median,
    precision: functools.partial(_decision, kind="precision"),
    r2: _r2,
    recall: functools.partial(_decision, kind="recall"),
    rmse: _rmse,
}
