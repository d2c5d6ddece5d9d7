"""Curves, average precision, Brier, calibration and quantiles: scikit-learn, or the definition."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as peer

from limpide import errors, metrics
from tolerances import tolerance

CLOSE = tolerance("figure_float64")


def two_classes(seed: int, ties: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(3, 200))
    y = np.concatenate([[0, 1], rng.integers(0, 2, n)])
    p = rng.uniform(size=n + 2)
    weights = rng.exponential(size=n + 2) * rng.integers(0, 2, n + 2)
    weights[:2] = 1
    return y, np.round(p * 4) / 4 if ties else p, weights


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_two_classes_agree(seed, ties, weighted):
    y, p, w = two_classes(seed, ties)
    w = w if weighted else None
    theirs = peer.average_precision_score(y, p, sample_weight=w)
    assert metrics.average_precision(y, p, w) == pytest.approx(theirs, rel=CLOSE)
    assert metrics.brier(y, p, w) == pytest.approx(
        peer.brier_score_loss(y, p, sample_weight=w), rel=CLOSE
    )
    kept = slice(None) if w is None else w > 0  # scikit-learn leaves out rows without weight
    mass = None if w is None else w[kept]
    ours = metrics.roc_curve(y[kept], p[kept], mass)
    theirs = peer.roc_curve(y[kept], p[kept], sample_weight=mass, drop_intermediate=False)
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other, rtol=CLOSE, atol=CLOSE)
    ours = metrics.precision_recall_curve(y[kept], p[kept], mass)
    theirs = peer.precision_recall_curve(y[kept], p[kept], sample_weight=mass)
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other, rtol=CLOSE, atol=CLOSE)


@pytest.mark.parametrize("weighted", [False, True])
def test_more_classes_agree(weighted):
    rng = np.random.default_rng(1)
    y, p = rng.integers(0, 4, 300), rng.dirichlet(np.ones(4), 300)
    w = rng.exponential(size=300) if weighted else None
    hot = np.eye(4)[y]
    for average in ("macro", "weighted"):
        theirs = peer.average_precision_score(hot, p, average=average, sample_weight=w)
        ours = metrics.average_precision_ovr(y, p, w, average=average)
        assert ours == pytest.approx(theirs, rel=CLOSE)
        theirs = peer.roc_auc_score(y, p, multi_class="ovr", average=average, sample_weight=w)
        assert metrics.auc_ovr(y, p, w, average=average) == pytest.approx(theirs, rel=CLOSE)
    assert metrics.brier(y, p, w) == pytest.approx(
        peer.brier_score_loss(y, p, sample_weight=w), rel=CLOSE
    )


def test_what_has_no_curve_has_none():
    assert metrics.average_precision([0, 0], [0.1, 0.2]) is None
    assert metrics.average_precision([1, 1], [0.1, 0.2]) == 1.0
    assert metrics.average_precision_ovr([0, 0], [[0.6, 0.4]] * 2) == 1.0  # of class 0 alone
    with pytest.raises(errors.DataError, match=r"only class 1 .by weight.; a ROC curve compares"):
        metrics.roc_curve([1, 1, 0], [0.1, 0.2, 0.3], [1, 1, 0])
    with pytest.raises(errors.DataError, match="no row of class 1"):
        metrics.precision_recall_curve([0, 0], [0.1, 0.2])
    with pytest.raises(errors.ArgumentError, match="average must be one of macro, weighted"):
        metrics.auc_ovr([0, 1], [[0.6, 0.4]] * 2, average="micro")


def by_hand(y: np.ndarray, p: np.ndarray, bins: int) -> float:
    """Give the calibration error by its definition, for rows without ties."""
    order = np.argsort(p)
    error = 0.0
    for part in np.array_split(order, bins):
        error += len(part) / len(p) * abs(p[part].mean() - y[part].mean())
    return error


def test_calibration_error_is_its_definition():
    rng = np.random.default_rng(0)
    y, p = rng.integers(0, 2, 600), rng.uniform(size=600)
    ours = metrics.calibration_error(y, p)
    assert ours == pytest.approx(by_hand(y, p, 15), rel=CLOSE)
    assert metrics.calibration_error(y, p, bins=1) == pytest.approx(
        abs(p.mean() - y.mean()), rel=CLOSE
    )
    table = rng.dirichlet(np.ones(3), 600)
    labels = rng.integers(0, 3, 600)
    right = (table.argmax(axis=1) == labels).astype(float)
    ours = metrics.calibration_error(labels, table, bins=10)
    assert ours == pytest.approx(by_hand(right, table.max(axis=1), 10), rel=CLOSE)


def test_equal_probabilities_stay_together():
    y, p = np.array([0, 1, 0, 1, 1, 1]), np.array([0.5, 0.5, 0.5, 0.5, 0.9, 0.9])
    expected = 4 / 6 * abs(0.5 - 0.5) + 2 / 6 * abs(0.9 - 1)
    for order in ([0, 1, 2, 3, 4, 5], [5, 3, 1, 0, 2, 4]):
        found = metrics.calibration_error(y[order], p[order], bins=6)
        assert found == pytest.approx(expected, rel=CLOSE)
    curve = metrics.calibration_curve(y, p, bins=6)
    assert curve.predicted.tolist() == pytest.approx([0.5, 0.9], rel=CLOSE)
    assert curve.observed.tolist() == pytest.approx([0.5, 1], rel=CLOSE)
    assert curve.weight.tolist() == pytest.approx([4 / 6, 2 / 6], rel=CLOSE)


def test_integer_weights_count_as_repeated_rows():
    rng = np.random.default_rng(5)
    y, p = rng.integers(0, 2, 80), np.round(rng.uniform(size=80), 1)
    w = rng.integers(0, 4, 80)
    for name in ("calibration_error", "brier", "average_precision", "median_absolute_error"):
        function = getattr(metrics, name)
        long = function(np.repeat(y, w), np.repeat(p, w))
        assert function(y, p, w) == pytest.approx(long, rel=CLOSE), name
    long = metrics.error_quantiles(np.repeat(y, w), np.repeat(p, w))
    assert metrics.error_quantiles(y, p, w) == pytest.approx(long, rel=CLOSE)


@pytest.mark.parametrize("n", [1, 2, 7, 100])
def test_medians_and_quantiles_agree(n):
    rng = np.random.default_rng(n)
    y, guess, w = rng.normal(size=n), rng.normal(size=n), rng.integers(1, 5, n)
    ours = metrics.median_absolute_error(y, guess)
    assert ours == pytest.approx(peer.median_absolute_error(y, guess), rel=CLOSE)
    theirs = peer.median_absolute_error(y, guess, sample_weight=w)
    assert metrics.median_absolute_error(y, guess, w) == pytest.approx(theirs, rel=CLOSE)
    levels = (0, 0.05, 0.25, 0.5, 0.9, 1)
    theirs = np.quantile(guess - y, levels, method="averaged_inverted_cdf")
    ours = metrics.error_quantiles(y, guess, quantiles=levels)
    assert list(ours) == list(levels)
    np.testing.assert_allclose(list(ours.values()), theirs, rtol=CLOSE)


def test_huge_errors_stay_finite():
    y = np.array([1e300, -1e300, 1e300])
    assert metrics.median_absolute_error(y, y / 2) == 5e299
    assert metrics.error_quantiles(y, y / 2, quantiles=[0.5]) == {0.5: -5e299}


def test_refused_arguments():
    cases = [
        (lambda: metrics.calibration_error([0, 1], [0.1, 0.2], bins=0), errors.ArgumentError,
         "bins must be from 1 to 10,000; received 0"),
        (lambda: metrics.calibration_error([0, 1], [0.1, 0.2], bins=2.5), errors.ArgumentTypeError,
         "bins must be a whole number"),
        (lambda: metrics.brier([0, 2], [0.1, 0.2]), errors.DataError, r"y\[1\] is 2: expected"),
        (lambda: metrics.brier([0, 1], [0.1, 1.2]), errors.DataError, "outside 0 to 1"),
        (lambda: metrics.error_quantiles([1.0], [1.0], quantiles=[50]), errors.ArgumentError,
         r"quantiles must be shares from 0 to 1; received \[50\]"),
        (lambda: metrics.error_quantiles(np.ones((2, 2)), np.ones((2, 2))), errors.ShapeError,
         "takes one target; y has 2 columns"),
        (lambda: metrics.roc_curve([0, 1], [0.1]), errors.ShapeError, "y has 2 rows, score has 1"),
    ]  # fmt: skip
    for call, kind, words in cases:
        with pytest.raises(kind, match=words):
            call()
