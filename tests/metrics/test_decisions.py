"""Precision, recall, F1 and balanced accuracy against scikit-learn, and what they refuse."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import sklearn.metrics as peer

from limpide import errors, metrics
from tolerances import tolerance

CLOSE = tolerance("figure_float64")
PEERS = {
    "precision": peer.precision_score,
    "recall": peer.recall_score,
    "f1": peer.f1_score,
}


def rows(seed: int, kinds: int = 4) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give truth, answers and weights in which some class is missing on either side."""
    rng = np.random.default_rng(seed)
    y, answers = rng.integers(0, kinds, 60), rng.integers(1, kinds + 1, 60)
    return y, answers, rng.exponential(size=60) * rng.integers(0, 3, 60)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("average", ["macro", "weighted", None])
@pytest.mark.parametrize("name", PEERS)
@pytest.mark.parametrize("seed", range(4))
def test_averages_agree(name, average, weighted, seed):
    y, answers, w = rows(seed)
    weights = w if weighted else None
    theirs = PEERS[name](y, answers, average=average, sample_weight=weights, zero_division=0)
    ours = getattr(metrics, name)(y, answers, weights, average=average)
    np.testing.assert_allclose(ours, theirs, rtol=CLOSE, atol=0)


@pytest.mark.parametrize("name", PEERS)
@pytest.mark.parametrize(
    ("y", "answers"),
    [([0, 1, 1, 0], [0, 1, 0, 0]), ([0, 0], [0, 0]), ([1, 1], [0, 0]), ([True, False], [True] * 2)],
)
def test_the_figure_of_class_1_agrees(name, y, answers):
    theirs = PEERS[name](y, answers, zero_division=0)
    assert getattr(metrics, name)(y, answers, average="binary") == theirs


def test_a_label_can_be_asked_for_and_classes_can_be_given():
    y, answers = ["b", "a", "b", "c"], ["b", "b", "a", "c"]
    found = metrics.recall(y, answers, average="binary", positive="b")
    assert found == peer.recall_score(y, answers, labels=["b"], average=None)[0] == 0.5
    order = ["c", "b", "a", "never"]
    theirs = peer.precision_score(y, answers, labels=order, average=None, zero_division=0)
    assert metrics.precision(y, answers, average=None, classes=order).tolist() == theirs.tolist()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
def test_balanced_accuracy_agrees(seed, weighted):
    y, answers, w = rows(seed)
    weights = w if weighted else None
    theirs = peer.balanced_accuracy_score(y, answers, sample_weight=weights)
    assert metrics.balanced_accuracy(y, answers, weights) == pytest.approx(theirs, rel=CLOSE)


def test_every_class_in_a_table():
    y, answers = ["b", "a", "b", "b"], ["b", "b", "a", "b"]
    theirs = peer.classification_report(y, answers, output_dict=True)
    for row in metrics.per_class(y, answers):
        each = theirs[row["class"]]
        assert row["precision"] == each["precision"]
        assert row["f1"] == pytest.approx(each["f1-score"], rel=CLOSE)
        assert (row["recall"], row["rows"]) == (each["recall"], each["support"])
    assert metrics.per_class(y, answers, [1, 2, 3, 4])[1]["rows"] == 8


@pytest.mark.parametrize("name", [*PEERS, "balanced_accuracy"])
def test_integer_weights_count_as_repeated_rows(name):
    y, answers, _ = rows(9)
    weights = np.arange(60) % 4
    function = getattr(metrics, name)
    long = function(np.repeat(y, weights), np.repeat(answers, weights))
    kept = weights > 0
    assert function(y[kept], answers[kept], weights[kept]) == pytest.approx(long, rel=CLOSE)


def test_refused_arguments():
    f1 = functools.partial(metrics.f1, [0, 1, 2], [0, 1, 2])
    cases = [
        (lambda: f1(average="makro"), errors.ArgumentError, "one of .*macro.*Did you mean 'macro'"),
        (lambda: f1(average="binary"), errors.ArgumentError, "there are 3. Name one with positive"),
        (lambda: f1(average="binary", positive=7), errors.ArgumentError, "positive=7 is none of"),
        (lambda: f1(classes=[0, 1]), errors.ArgumentError, r"y\[2\] is .*2.*none of classes"),
        (lambda: f1(classes=[0, 1, 2, 1]), errors.ArgumentError, "names .*1.* twice"),
        (lambda: metrics.recall(["a"], [1]), errors.DataError, "y holds text"),
        (
            lambda: metrics.precision([1, 2], [1]),
            errors.ShapeError,
            "y has 2 rows, predicted has 1",
        ),
        (lambda: metrics.balanced_accuracy([], []), errors.DataError, "y is empty"),
    ]
    for call, kind, words in cases:
        with pytest.raises(kind, match=words):
            call()
