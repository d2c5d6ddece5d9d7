"""Figures of a regression: root mean squared and mean absolute error, R², quantiles.

Answers for the number and for its edge cases (constant targets, weights, huge values).
Not for: undoing any scaling; prediction and target come in the unit of the target.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from limpide.errors import ArgumentError, ShapeError
from limpide.metrics.inputs import Floats, check_same_length, read_matrix, relative_weights


def rmse(y: ArrayLike, prediction: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
    """Give the root of the mean squared error, in the unit of ``y``.

    Parameters
    ----------
    y, prediction : f64[n] or f64[n, k]
        With k targets: the mean over targets of each one's figure, as scikit-learn does.
    sample_weight : f64[n], optional

    Raises
    ------
    ShapeError, DataError, DtypeError

    Examples
    --------
    >>> rmse([0.0, 0.0], [3.0, 4.0]) == 12.5**0.5
    True
    """
    truth, guess, weights, exponent = regression_inputs(y, prediction, sample_weight)
    roots = np.sqrt(column_means((truth - guess) ** 2, weights))
    return float(np.ldexp(roots.mean(), exponent))


def mae(y: ArrayLike, prediction: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
    """Give the mean absolute error, in the unit of ``y``; arguments as for `rmse`.

    Raises
    ------
    ShapeError, DataError, DtypeError

    Examples
    --------
    >>> mae([0.0, 0.0], [3.0, 4.0], sample_weight=[3, 1])
    3.25
    """
    truth, guess, weights, exponent = regression_inputs(y, prediction, sample_weight)
    return float(np.ldexp(column_means(np.abs(truth - guess), weights).mean(), exponent))


def r2(y: ArrayLike, prediction: ArrayLike, sample_weight: ArrayLike | None = None) -> float | None:
    """Give the share of the variance of ``y`` that the prediction explains (R²).

    1 is perfect, 0 is as good as always answering the mean; it can be negative. Arguments as for
    `rmse`.

    Returns
    -------
    float or None
        A constant ``y`` has no variance: 1 if every prediction is exact, else 0 (scikit-learn's
        rule). None for a single row, where scikit-learn warns and returns NaN.

    Raises
    ------
    ShapeError, DataError, DtypeError

    Examples
    --------
    >>> r2([1.0, 2.0, 3.0], [1.0, 2.0, 4.0])
    0.5
    >>> r2([2.0, 2.0], [2.0, 2.5])
    0.0
    """
    truth, guess, weights, _ = regression_inputs(y, prediction, sample_weight)
    if len(truth) < 2:
        return None
    errors = column_means((truth - guess) ** 2, weights)
    spread = column_means((truth - column_means(truth, weights)) ** 2, weights)
    counted = truth if weights is None else truth[weights > 0]
    # The mean of equal numbers may be one rounding off; their spread is exactly zero all the same.
    constant = counted.max(axis=0) == counted.min(axis=0)
    ratio = np.divide(errors, spread, out=np.ones_like(errors), where=~constant & (spread > 0))
    flat = np.where(errors == 0, 1.0, 0.0)
    return float(np.where(constant | (spread == 0), flat, 1 - ratio).mean())


def median_absolute_error(
    y: ArrayLike, prediction: ArrayLike, sample_weight: ArrayLike | None = None
) -> float:
    """Give the median of the absolute errors, in the unit of ``y``; arguments as for `rmse`.

    Half of the errors (by weight) are smaller. Where the half falls between two errors, their
    mean, as scikit-learn does.

    Raises
    ------
    ShapeError, DataError, DtypeError

    Examples
    --------
    >>> median_absolute_error([0.0, 0.0, 0.0], [1.0, -2.0, 90.0])
    2.0
    """
    truth, guess, weights, exponent = regression_inputs(y, prediction, sample_weight)
    weight = np.ones(len(truth)) if weights is None else weights
    errors = np.abs(truth - guess)
    order = np.argsort(errors, axis=0, kind="stable")
    middles = [
        weighted_quantiles(errors[place, k], weight[place], np.array([0.5]))[0]
        for k, place in enumerate(order.T)
    ]
    return float(np.ldexp(np.mean(middles), exponent))


def error_quantiles(
    y: ArrayLike,
    prediction: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    quantiles: Sequence[float] = (0.05, 0.25, 0.5, 0.75, 0.95),
) -> dict[float, float]:
    """Give quantiles of the errors prediction − y of one target, in the unit of ``y``.

    Between the first and the last of them lies the share of the errors that their difference
    says: 90 % between 0.05 and 0.95. Where a quantile falls between two errors it is their mean
    (NumPy's ``"averaged_inverted_cdf"``), so that weights count as repeated rows.

    Raises
    ------
    ShapeError, DataError, DtypeError, ArgumentError

    Examples
    --------
    >>> error_quantiles([0.0, 0.0, 0.0, 0.0], [1.0, 2.0, 3.0, 4.0], quantiles=(0.5, 1))
    {0.5: 2.5, 1.0: 4.0}
    """
    truth, guess, weights, exponent = regression_inputs(y, prediction, sample_weight)
    if truth.shape[1] != 1:
        raise ShapeError(
            f"error_quantiles takes one target; y has {truth.shape[1]} columns. Give one of them."
        )
    levels = np.array([float(q) for q in quantiles])
    if not ((levels >= 0) & (levels <= 1)).all() or not len(levels):
        raise ArgumentError(
            f"quantiles must be shares from 0 to 1; received {quantiles!r}. Use (0.05, 0.5, 0.95)."
        )
    errors = (guess - truth)[:, 0]
    order = np.argsort(errors, kind="stable")
    weight = np.ones(len(errors)) if weights is None else weights[order]
    found = np.ldexp(weighted_quantiles(errors[order], weight, levels), exponent)
    return dict(zip(levels.tolist(), found.tolist(), strict=True))


# What other modules share -------------------------------------------------------------------------


def weighted_quantiles(ranked: Floats, weight: Floats, levels: Floats) -> Floats:
    """Give quantiles of values that rise, the weight of each beside it."""
    ranked, weight = ranked[weight > 0], weight[weight > 0]
    upto = np.cumsum(weight)
    wanted = levels * upto[-1]
    last = len(ranked) - 1
    lower = np.minimum(np.searchsorted(upto, wanted, side="left"), last)
    upper = np.minimum(np.searchsorted(upto, wanted, side="right"), last)
    return np.asarray((ranked[lower] + ranked[upper]) / 2)


def regression_inputs(
    y: ArrayLike, prediction: ArrayLike, sample_weight: ArrayLike | None
) -> tuple[Floats, Floats, Floats | None, int]:
    """Give both as (n, k), divided by a power of two so that no square overflows (y × 1e200)."""
    truth, guess = read_matrix("y", y), read_matrix("prediction", prediction)
    check_same_length("y", truth, "prediction", guess)
    if truth.shape != guess.shape:
        raise ShapeError(
            f"y has {truth.shape[1]} columns, prediction has {guess.shape[1]}. "
            "Give one prediction for each target."
        )
    largest = max(np.abs(truth).max(), np.abs(guess).max())
    exponent = int(np.frexp(largest)[1])
    weights = relative_weights(sample_weight, len(truth))
    return np.ldexp(truth, -exponent), np.ldexp(guess, -exponent), weights, exponent


def column_means(values: Floats, weights: Floats | None) -> Floats:
    if weights is None:
        return np.asarray(values.mean(axis=0))
    return np.asarray((values * weights[:, None]).sum(axis=0) / weights.sum())
