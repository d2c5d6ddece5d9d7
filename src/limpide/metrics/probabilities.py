"""Figures of probabilities beside log loss: the Brier score and the calibration error.

Answers for the number, its bins and its edge cases. Not for: making probabilities honest, which
is a model's own work, or drawing (``limpide.plots``).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from limpide.errors import ArgumentError, ArgumentTypeError
from limpide.metrics.inputs import (
    Codes,
    Floats,
    check_same_length,
    mean_over_rows,
    read_codes,
    read_probabilities,
    relative_weights,
)

BINS = 15
"""How many bins the calibration error has, as in Guo et al. (2017)."""


class CalibrationCurve(NamedTuple):
    """What was foretold and what came true in each bin that holds rows; each ``f64[bins]``.

    ``weight`` is the share of the rows (by weight) in the bin; the shares sum to 1.
    """

    predicted: Floats
    observed: Floats
    weight: Floats


def brier(y: ArrayLike, probabilities: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
    """Give the mean squared error of the probabilities: 0 is perfect.

    Two classes: the mean of (p₁ − y)², from 0 to 1. More: the mean over rows of Σₖ (pₖ − [y = k])²,
    from 0 to 2, Brier's own form. Both are scikit-learn's ``brier_score_loss``. Arguments as for
    `log_loss`.

    Raises
    ------
    ShapeError, DataError, DtypeError

    Source
    ------
    Brier, "Verification of forecasts expressed in terms of probability", Monthly Weather Review
    78 (1950).

    Examples
    --------
    >>> brier([1, 0], [0.75, 0.5])
    0.15625
    """
    table, codes = _read(y, probabilities)
    return mean_over_rows(brier_rows(table, codes), relative_weights(sample_weight, len(codes)))


def calibration_error(
    y: ArrayLike,
    probabilities: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    bins: int = BINS,
) -> float:
    """Give the expected calibration error: how far, on average, probabilities are from the truth.

    Rows are sorted by probability into ``bins`` of equal weight (equal mass); the error is
    Σ_b w_b·\\|mean probability − share that came true\\|, with w_b the share of the rows in bin b.
    Two classes: the probability of class 1 and how often it was class 1. More: the highest
    probability of each row and how often its class was right. 0 is perfect; with few rows the
    figure is above 0 even for perfect probabilities, by about √(bins / rows) · 0.4 at worst.

    Equal probabilities stay in one bin, so that the order of the rows has no say and a weight of
    2 counts as the row twice; hence bins may be fewer. (scikit-learn has no such figure.)

    Parameters
    ----------
    y, probabilities, sample_weight
        As for `log_loss`.
    bins
        How many, at most.

    Raises
    ------
    ShapeError, DataError, DtypeError, ArgumentError, ArgumentTypeError

    Source
    ------
    Guo, Pleiss, Sun, Weinberger, "On calibration of modern neural networks", ICML 2017, with bins
    of equal mass: Nguyen and O'Connor, "Posterior calibration and exploratory analysis for natural
    language processing models", EMNLP 2015.

    Examples
    --------
    >>> round(calibration_error([0, 0, 0, 1], [0.1, 0.1, 0.9, 0.9]), 3)
    0.25
    """
    curve = calibration_curve(y, probabilities, sample_weight, bins=bins)
    return float((np.abs(curve.predicted - curve.observed) * curve.weight).sum())


def calibration_curve(
    y: ArrayLike,
    probabilities: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    bins: int = 10,
) -> CalibrationCurve:
    """Give the mean probability and the share that came true in bins of equal weight.

    What is compared, and how bins are made, is told at `calibration_error`. Bins without rows are
    left out.

    Raises
    ------
    ShapeError, DataError, DtypeError, ArgumentError, ArgumentTypeError

    Examples
    --------
    >>> calibration_curve([0, 0, 0, 1], [0.25, 0.25, 0.75, 0.75], bins=2).observed.tolist()
    [0.0, 0.5]
    """
    chance, came, order, ends = calibration_rows(y, probabilities, bins)
    given = relative_weights(sample_weight, len(order))
    weights = np.ones(len(order)) if given is None else given[order]
    chance, came = chance[order], came[order]
    places, total = bins_of(np.cumsum(weights)[ends], bins)
    each = np.repeat(places, np.diff(ends, prepend=-1))
    mass, foretold, true = (
        np.bincount(each, weights=part, minlength=bins)
        for part in (weights, weights * chance, weights * came)
    )
    some = mass > 0
    return CalibrationCurve(
        foretold[some] / mass[some], true[some] / mass[some], mass[some] / float(total)
    )


# What other modules share -------------------------------------------------------------------------


def brier_rows(table: Floats, codes: Codes) -> Floats:
    """Give each row's part of the Brier score."""
    if table.shape[1] == 2:
        return np.asarray((table[:, 1] - codes) ** 2)
    missed = table.copy()
    missed[np.arange(len(codes)), codes] -= 1
    return np.asarray((missed**2).sum(axis=1))


def calibration_rows(
    y: ArrayLike, probabilities: ArrayLike, bins: int
) -> tuple[Floats, Floats, NDArray[np.int64], NDArray[np.int64]]:
    """Give each row's probability, and 1 where it came true; their order, and the ends of ties."""
    if isinstance(bins, bool | np.bool_) or not isinstance(bins, int | np.integer):
        raise ArgumentTypeError(f"bins must be a whole number; received {bins!r}. Use {BINS}.")
    if not 1 <= bins <= 10_000:
        raise ArgumentError(f"bins must be from 1 to 10,000; received {bins}. Use {BINS}.")
    table, codes = _read(y, probabilities)
    if table.shape[1] == 2:
        chance, came = table[:, 1], (codes == 1).astype(np.float64)
    else:
        chance, came = table.max(axis=1), (table.argmax(axis=1) == codes).astype(np.float64)
    order = np.argsort(chance, kind="stable")
    ranked = chance[order]
    return chance, came, order, np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))


def bins_of(upto: Floats, bins: int) -> tuple[NDArray[np.int64], Floats]:
    """Give the bin of each group of equal probabilities: that of the middle of its weight.

    ``upto`` is the running sum of weight after each group, over the last axis.
    """
    total = upto[..., -1]
    before = np.concatenate([np.zeros_like(upto[..., :1]), upto[..., :-1]], axis=-1)
    middle = (before + upto) / 2
    places = np.floor(middle * (bins / np.expand_dims(total, -1))).astype(np.int64)
    return np.minimum(places, bins - 1), total


def _read(y: ArrayLike, probabilities: ArrayLike) -> tuple[Floats, Codes]:
    table = read_probabilities(probabilities)
    codes = read_codes("y", y, table.shape[1], "probabilities has one column a class")
    check_same_length("y", codes, "probabilities", table)
    return table, codes
