"""Figures of a regression: root mean squared error, mean absolute error, R².

Answers for the number and for its edge cases (constant targets, weights, huge values).
Not for: undoing any scaling; prediction and target come in the unit of the target.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from limpide.errors import ShapeError
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
    truth, guess, weights, exponent = _regression(y, prediction, sample_weight)
    roots = np.sqrt(_column_means((truth - guess) ** 2, weights))
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
    truth, guess, weights, exponent = _regression(y, prediction, sample_weight)
    return float(np.ldexp(_column_means(np.abs(truth - guess), weights).mean(), exponent))


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
    truth, guess, weights, _ = _regression(y, prediction, sample_weight)
    if len(truth) < 2:
        return None
    errors = _column_means((truth - guess) ** 2, weights)
    spread = _column_means((truth - _column_means(truth, weights)) ** 2, weights)
    counted = truth if weights is None else truth[weights > 0]
    # The mean of equal numbers may be one rounding off; their spread is exactly zero all the same.
    constant = counted.max(axis=0) == counted.min(axis=0)
    ratio = np.divide(errors, spread, out=np.ones_like(errors), where=~constant & (spread > 0))
    flat = np.where(errors == 0, 1.0, 0.0)
    return float(np.where(constant | (spread == 0), flat, 1 - ratio).mean())


def regression_figures(
    y: ArrayLike, prediction: ArrayLike, sample_weight: ArrayLike | None = None
) -> dict[str, float | None]:
    """Give ``rmse``, ``mae`` and ``r2`` in one dict, ready for JSON; arguments as for `rmse`.

    Raises
    ------
    ShapeError, DataError, DtypeError

    Examples
    --------
    >>> regression_figures([1.0, 2.0, 3.0], [1.0, 2.0, 6.0])["mae"]
    1.0
    """
    return {
        "rmse": rmse(y, prediction, sample_weight),
        "mae": mae(y, prediction, sample_weight),
        "r2": r2(y, prediction, sample_weight),
    }


def _regression(
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


def _column_means(values: Floats, weights: Floats | None) -> Floats:
    if weights is None:
        return np.asarray(values.mean(axis=0))
    return np.asarray((values * weights[:, None]).sum(axis=0) / weights.sum())
