"""Bootstrap intervals: the quick way is the slow one, they cover, and what they refuse."""

from __future__ import annotations

import functools
import math

import numpy as np
import pytest

from limpide import errors, metrics
from limpide.metrics.figures import CLASSIFICATION, REGRESSION, bound, figure_intervals
from limpide.metrics.weighted import prepare
from tolerances import tolerance

CLOSE = tolerance("figure_float64")


def cases() -> list[tuple[str, object, np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(3)
    y, p = rng.integers(0, 2, 40), np.round(rng.uniform(size=40), 1)
    labels, table = rng.integers(0, 3, 40), rng.dirichlet(np.ones(3), 40)
    truth, guess = rng.normal(5, 2, 40), rng.normal(5, 2, 40)
    found = [("accuracy", metrics.accuracy, labels, rng.integers(0, 4, 40))]
    scores = ("auc", "average_precision", "log_loss", "brier", "calibration_error")
    found += [(name, getattr(metrics, name), y, p) for name in scores]
    found += [("auc, no ties", metrics.auc, y, rng.uniform(size=40))]
    more = ("auc_ovr", "average_precision_ovr", "log_loss", "brier", "calibration_error")
    found += [(f"{name}, 3", getattr(metrics, name), labels, table) for name in more]
    weighted = functools.partial(metrics.auc_ovr, average="weighted")
    found += [("auc_ovr, weighted", weighted, labels, table)]
    numbers = ("rmse", "mae", "r2", "median_absolute_error")
    found += [(name, getattr(metrics, name), truth, guess) for name in numbers]
    pair = np.stack([truth, guess], axis=1)
    found += [(f"{n}, 2", getattr(metrics, n), pair, pair[::-1]) for n in ("rmse", "mae", "r2")]
    found += [("balanced", metrics.balanced_accuracy, labels, rng.integers(0, 4, 40))]
    for name in ("precision", "recall", "f1"):
        function = getattr(metrics, name)
        for average in ("macro", "weighted"):
            part = functools.partial(function, average=average)
            found.append((f"{name} {average}", part, labels, rng.integers(0, 4, 40)))
        binary = functools.partial(function, average="binary")
        found.append((f"{name} binary", binary, y, (p > 0.4).astype(int)))
    return found


@pytest.mark.parametrize(
    ("name", "metric", "y", "prediction"), cases(), ids=[case[0] for case in cases()]
)
def test_all_weightings_at_once_are_each_by_itself(name, metric, y, prediction):
    rng = np.random.default_rng(7)
    weights = rng.integers(0, 4, (30, len(y))) * rng.choice([1.0, 0.3], len(y))
    order, figure = prepare(metric, y, prediction)
    quick = figure(weights if order is None else weights[:, order])
    for found, each in zip(quick, weights, strict=True):
        slow = metric(y, prediction, sample_weight=each)
        assert math.isclose(
            found,
            np.nan if slow is None else slow,
            rel_tol=tolerance("many_weightings"),
            abs_tol=CLOSE,
        )


def test_undefined_draws_are_left_out():
    found = metrics.bootstrap(metrics.auc, [0, 0, 0, 1], [0.1, 0.4, 0.3, 0.2], n=500)
    assert 100 < found.replicates < 500  # class 1 is drawn in 1 − (3/4)⁴ = 68 % of the draws
    assert 0 <= found.low < found.estimate < found.high <= 1
    nothing = metrics.bootstrap(metrics.auc, [1, 1], [0.1, 0.4])
    assert (nothing.estimate, nothing.low, nothing.replicates) == (None, None, 0)
    assert str(nothing) == "undefined"


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    rng = np.random.default_rng(0)
    hits = 0
    for trial in range(200):
        y = rng.uniform(size=300) < 0.7
        found = metrics.bootstrap(
            metrics.accuracy, y * 1, np.ones(300), n=200, seed=trial, level=0.9
        )
        hits += found.low <= 0.7 <= found.high
    assert 0.84 * 200 <= hits <= 0.96 * 200  # 0.9 ± 3 standard deviations of 200 trials


def test_the_seed_decides_and_a_function_of_ones_own_is_resampled():
    rng = np.random.default_rng(2)
    y = rng.normal(size=200)
    one, again, other = (
        metrics.bootstrap(metrics.mae, y, np.zeros(200), seed=seed) for seed in (1, 1, 2)
    )
    assert one == again != other
    own = metrics.bootstrap(lambda t, p: float(np.abs(t - p).mean()), y, np.zeros(200), seed=1)
    weighing = metrics.bootstrap(
        lambda t, p, sample_weight=None: metrics.mae(t, p, sample_weight), y, np.zeros(200), seed=1
    )
    for found in (own, weighing):
        assert found.estimate == one.estimate
        room = tolerance("two_bootstraps") * (one.high - one.low)
        assert abs(found.low - one.low) < room
        assert abs(found.high - one.high) < room


def test_weights_travel_with_their_rows():
    y, p = np.array([0, 1, 0, 1] * 10), np.array([0, 1, 1, 0] * 10)
    none = metrics.bootstrap(metrics.accuracy, y, p, sample_weight=[1, 1, 0, 0] * 10)
    assert (none.estimate, none.low, none.high) == (1, 1, 1)
    shifted = metrics.bootstrap(metrics.accuracy, y, p, sample_weight=[3, 3, 1, 1] * 10)
    assert shifted.estimate == 0.75
    assert shifted.low < 0.75 < shifted.high


def test_every_figure_of_a_task_has_an_interval():
    rng = np.random.default_rng(0)
    for k in (2, 3):
        y, p = rng.integers(0, k, 90), rng.dirichlet(np.ones(k), 90)
        figures = metrics.classification_figures(y, p)
        found = figure_intervals(y, p, n=50)
        assert set(found) == set(CLASSIFICATION) - {"calibration_error"}
        assert all(found[name].estimate == figures[name] for name in found)
        assert list(figures) == [*CLASSIFICATION, "confusion"]
    y = rng.normal(size=50)
    found = figure_intervals(y, y + 1, n=50)
    assert list(found) == list(REGRESSION) == list(metrics.regression_figures(y, y + 1))
    with pytest.raises(errors.ArgumentError, match=r"metric must be one of .*Did you mean 'rmse'"):
        bound("rmes", y)


def test_an_interval_prints_and_goes_into_json():
    found = metrics.Interval(0.5, 0.25, 0.75, 0.95, 1000)
    assert str(found) == "0.5 (0.25 to 0.75, 95%)"
    assert found.to_json() == {
        "estimate": 0.5, "low": 0.25, "high": 0.75, "level": 0.95, "replicates": 1000
    }  # fmt: skip


def test_refused_arguments():
    run = functools.partial(metrics.bootstrap, metrics.accuracy, [0, 1], [0, 1])
    each = functools.partial(metrics.recall, average=None)
    held = functools.partial(metrics.accuracy, sample_weight=[1, 2])
    calls = [
        (lambda: run(n=0), errors.ArgumentError, "n must be from 1"),
        (lambda: run(n=2.5), errors.ArgumentTypeError, "n must be a whole number"),
        (lambda: run(level=95), errors.ArgumentError, "level must be between 0 and 1; received 95"),
        (lambda: run(level="95"), errors.ArgumentTypeError, "level must be a number"),
        (lambda: run(seed=-1), errors.ArgumentError, "seed"),
        (lambda: run(sead=1), errors.ArgumentTypeError, "Did you mean 'seed'"),
        (lambda: metrics.bootstrap(metrics.mae, [1, 2], [1]), errors.ShapeError, "y has 2 rows"),
        (
            lambda: metrics.bootstrap(each, [0, 1], [0, 1]),
            errors.ShapeError,
            "must give one number",
        ),
        (lambda: metrics.bootstrap(held, [0, 1], [0, 1]), errors.ArgumentError, "to bootstrap"),
    ]
    for call, kind, words in calls:
        with pytest.raises(kind, match=words):
            call()
