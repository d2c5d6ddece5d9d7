"""Metrics against scikit-learn on random and degenerate inputs, and every refusal's words."""

from __future__ import annotations

import doctest
import json
import math
import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics as peer
from hypothesis import given
from hypothesis import strategies as st

import limpide as lp
from limpide import errors, metrics
from limpide.metrics import classification, regression

# Both sides add the same float64 terms in another order: a few ulps of a sum of hundreds.
AGREE = 1e-12


def same(ours: float | None, theirs: float) -> bool:
    return ours is not None and math.isclose(ours, theirs, rel_tol=AGREE, abs_tol=AGREE)


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("module", [classification, regression])
def test_docstring_examples(module):
    result = doctest.testmod(module)
    assert (result.failed, result.attempted > 0) == (0, True)


def test_the_package_offers_it_lazily():
    assert lp.metrics is metrics


# --- agreement with scikit-learn ---------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_binary_figures_agree(seed, ties, weighted):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 400))
    y = np.concatenate([[0, 1], rng.integers(0, 2, n)])
    p = rng.uniform(size=n + 2)
    if ties:
        p = np.round(p * 4) / 4  # zeros and ones too: both clipped in the log loss
    w = rng.exponential(size=n + 2) * rng.integers(0, 2, n + 2) + 0.0 if weighted else None
    if w is not None:
        w[:2] = 1.0
    assert same(metrics.auc(y, p, w), peer.roc_auc_score(y, p, sample_weight=w))
    assert same(metrics.log_loss(y, p, w), peer.log_loss(y, p, sample_weight=w))
    assert same(
        metrics.accuracy(y, p > 0.5, w), peer.accuracy_score(y, (p > 0.5) * 1, sample_weight=w)
    )
    ours = metrics.confusion_matrix(y, p > 0.5, 2, w)
    np.testing.assert_allclose(
        ours, peer.confusion_matrix(y, p > 0.5, sample_weight=w), rtol=AGREE, atol=0
    )


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_multiclass_figures_agree(seed, weighted):
    rng = np.random.default_rng(seed)
    k = int(rng.integers(3, 7))
    y = np.concatenate([np.arange(k), rng.integers(0, k, 200)])
    p = softmax(np.round(rng.normal(size=(len(y), k)) * 2))
    w = rng.exponential(size=len(y)) if weighted else None
    figures = metrics.classification_figures(y, p, w)
    guess = p.argmax(axis=1)
    assert same(
        figures["auc"],
        peer.roc_auc_score(y, p, multi_class="ovr", average="macro", sample_weight=w),
    )
    assert same(figures["log_loss"], peer.log_loss(y, p, sample_weight=w))
    assert same(figures["accuracy"], peer.accuracy_score(y, guess, sample_weight=w))
    np.testing.assert_allclose(
        figures["confusion"], peer.confusion_matrix(y, guess, sample_weight=w), rtol=AGREE, atol=0
    )


@pytest.mark.parametrize("shape", [(2,), (150,), (150, 3)])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("scale", [1.0, 1e-200, 1e100])
def test_regression_figures_agree(shape, weighted, scale):
    rng = np.random.default_rng(len(shape) + shape[0])
    y = rng.normal(3.0, 2.0, shape)
    guess = y + rng.normal(0.0, 0.7, shape)
    w = rng.exponential(size=shape[0]) if weighted else None
    # Scaled before, the figures scale with it (scikit-learn's own squares would overflow).
    ours = metrics.regression_figures(y * scale, guess * scale, w)
    assert same(ours["rmse"] / scale, peer.root_mean_squared_error(y, guess, sample_weight=w))
    assert same(ours["mae"] / scale, peer.mean_absolute_error(y, guess, sample_weight=w))
    assert same(ours["r2"], peer.r2_score(y, guess, sample_weight=w))


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(-3, 3), st.integers(0, 3)), min_size=1))
def test_auc_is_the_share_of_ordered_pairs(rows):
    """Against the definition itself, pair by pair: exact, since all numbers are small integers."""
    y, score, weight = (np.array(column) for column in zip(*rows, strict=True))
    if weight.sum() == 0:
        with pytest.raises(errors.DataError, match="sample_weight is 0 in every row"):
            metrics.auc(y, score, weight)
        return
    won = total = 0.0
    for up, s, w in rows:
        for down, t, v in rows:
            if up == 1 and down == 0:
                won += w * v * (1.0 if s > t else 0.5 if s == t else 0.0)
                total += w * v
    ours = metrics.auc(y, score, weight)
    assert ours is None if total == 0 else same(ours, won / total)


@given(st.integers(1, 10), st.integers(2, 5), st.integers(0, 2**32 - 1))
def test_integer_weights_count_as_repeated_rows(n, k, seed):
    rng = np.random.default_rng(seed)
    y, p = rng.integers(0, k, n), softmax(rng.normal(size=(n, k)))
    w = rng.integers(0, 4, n)
    w[0] += 1
    long = metrics.classification_figures(np.repeat(y, w), np.repeat(p, w, axis=0))
    ours = metrics.classification_figures(y, p, w)
    assert ours["confusion"] == long["confusion"]
    assert (ours["auc"] is None) == (long["auc"] is None)
    for name in ("accuracy", "log_loss", "auc"):
        assert ours[name] is None or same(ours[name], long[name])


# --- degenerate inputs -------------------------------------------------------------------------


def test_one_class_has_no_auc_but_the_rest_is_json():
    figures = metrics.classification_figures([0, 0, 0], [0.25, 0.5, 0.75])
    assert figures["auc"] is None
    assert figures["accuracy"] == 2 / 3
    assert figures["confusion"] == [[2, 1], [0, 0]]
    assert json.loads(json.dumps(figures, allow_nan=False)) == figures


def test_a_class_without_weight_is_as_absent():
    assert metrics.auc([0, 1, 1], [0.1, 0.2, 0.3], [1, 0, 0]) is None
    scores = [[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4]]
    assert metrics.auc_ovr([0, 1, 2], scores, [1, 1, 0]) == 1.0
    assert metrics.auc_ovr([0, 1, 1], scores) == metrics.auc_ovr([0, 1, 1], scores, [2, 2, 2])
    assert metrics.auc_ovr([1, 1, 1], scores) is None


def test_all_scores_equal_is_one_half_and_infinite_scores_rank():
    assert metrics.auc([0, 1, 0, 1], [7, 7, 7, 7]) == 0.5
    assert metrics.auc([0, 0, 1, 1], [-np.inf, 0.0, 1.0, np.inf]) == 1.0
    assert metrics.auc([1, 0], [-np.inf, np.inf]) == 0.0


def test_log_loss_is_clipped_by_the_dtype_it_came_in():
    for dtype in (np.float32, np.float64):
        p = np.array([0.0], dtype)
        assert metrics.log_loss([1], p) == -np.log(float(np.finfo(dtype).eps))
    assert metrics.log_loss([1], [0.0]) == peer.log_loss([1], [0.0], labels=[0, 1])
    assert metrics.log_loss([0], [0]) == peer.log_loss([0], [0.0], labels=[0, 1])  # integers


def test_a_binary_column_of_two_and_of_one_are_the_same():
    y, p = [0, 1, 1, 0], np.array([0.2, 0.9, 0.4, 0.5])
    one = metrics.classification_figures(y, p)
    assert one == metrics.classification_figures(y, p[:, None])
    assert one == metrics.classification_figures(y, np.stack([1 - p, p], axis=1))
    assert one["confusion"] == [[2, 0], [1, 1]]  # one half is not more than one half


@pytest.mark.parametrize("y", [[0.1, 0.1, 0.1], [3.0, 3.0], [0.0, 0.0], [1e300, 1e300]])
def test_r2_of_a_constant_target(y):
    y = np.array(y)
    assert metrics.r2(y, y) == 1.0
    worse = y.copy()
    worse[0] += 1 + abs(y[0])
    assert metrics.r2(y, worse) == 0.0
    assert metrics.r2(y, worse, np.arange(len(y)) + 1.0) == 0.0
    if y[0] == 3.0:
        assert peer.r2_score(y, y) == 1.0
        assert peer.r2_score(y, worse) == 0.0


def test_r2_of_one_row_is_none_and_of_one_weighted_row_is_the_rule_for_constants():
    assert metrics.r2([1.0], [2.0]) is None
    assert metrics.r2([1.0, 5.0], [2.0, 5.0], [1, 0]) == 0.0
    assert metrics.r2([1.0, 5.0], [1.0, 7.0], [1, 0]) == 1.0


def test_regression_figures_stay_finite_for_huge_values():
    y = np.array([1.0, -1.0, 0.5]) * 1e300
    figures = metrics.regression_figures(y, -y)
    assert all(np.isfinite(value) for value in figures.values())
    assert same(figures["rmse"] / 1e300, math.sqrt((4 + 4 + 1) / 3))
    perfect = {"rmse": 0, "mae": 0, "r2": 1, "median_absolute_error": 0}
    assert metrics.regression_figures([0.0, 0.0], [0.0, 0.0]) == perfect


def test_huge_weights_do_not_overflow():
    y, p = [0, 1, 1], [0.25, 0.5, 0.75]
    small = metrics.classification_figures(y, p, [1, 2, 3])
    huge = metrics.classification_figures(y, p, np.array([1, 2, 3]) * 2.0**1021)
    assert [huge[k] for k in list(huge)[:3]] == [small[k] for k in list(huge)[:3]]


@pytest.mark.parametrize(
    "convert",
    [list, tuple, pd.Series, lambda a: a.astype(">f8"), lambda a: a[:, None],
     lambda a: np.repeat(a, 3)[::3], lambda a: a.astype(object), lambda a: a.astype(np.float16)],
)  # fmt: skip
def test_any_layout_gives_the_same_figures(convert):
    y, p = np.array([0.0, 1, 1, 0, 1]), np.array([0.25, 0.5, 0.75, 0.5, 0.125])
    assert metrics.auc(convert(y), convert(p)) == metrics.auc(y, p)
    assert metrics.rmse(convert(y), convert(p)) == metrics.rmse(y, p)
    assert metrics.accuracy(convert(y), convert(p)) == metrics.accuracy(y, p)


def test_inputs_are_not_written_to():
    arrays = [np.array([0, 1, 1.0]), np.array([0.25, 0.5, 0.75]), np.array([1.0, 2, 3])]
    for array in arrays:
        array.flags.writeable = False
    assert metrics.classification_figures(*arrays)["auc"] == 1.0
    assert metrics.regression_figures(*arrays)["r2"] is not None


def test_accuracy_takes_labels_of_any_one_kind():
    assert metrics.accuracy(["a", "b"], pd.Series(["a", "c"])) == 0.5
    assert metrics.accuracy(np.array(["a", "b"], object), ["a", "b"]) == 1.0
    assert metrics.accuracy([True, False], [1, 1]) == 0.5


# --- refusals ----------------------------------------------------------------------------------

PAIRS = {
    "accuracy": ("y", "predicted"),
    "auc": ("y", "score"),
    "log_loss": ("y", "probabilities"),
    "rmse": ("y", "prediction"),
    "mae": ("y", "prediction"),
    "r2": ("y", "prediction"),
}


@pytest.mark.parametrize("metric", PAIRS)
def test_refused_pairs(metric):
    function, (first, second) = getattr(metrics, metric), PAIRS[metric]
    with pytest.raises(errors.ShapeError, match=f"{first} has 3 rows, {second} has 2"):
        function([0, 1, 1], [0.5, 0.5])
    with pytest.raises(errors.DataError, match=f"{second} is empty"):
        function([0, 1], [])
    with pytest.raises(errors.DataError, match=f"{first} is empty"):
        function([], [0.5])
    with pytest.raises(errors.DataError, match=rf"{second}\[1\] is nan: NaN .*; 2 such in"):
        function([0, 1, 1], [0.5, np.nan, np.nan])
    with pytest.raises(errors.DataError, match=rf"{first}\[2\] is (nan|None): "):
        function(np.array([0, 1, None], dtype=object), [0.5, 0.5, 0.5])
    with pytest.raises(errors.ShapeError, match=f"{second} must have one value a row"):
        function([0], 0.5)
    with pytest.raises(errors.DataError, match=f"{second} is masked at index 1"):
        function([0, 1], np.ma.masked_array([0.1, 0.2], [False, True]))
    with pytest.raises(errors.ShapeError, match="sample_weight has 1 rows, y has 2"):
        function([0, 1], [0.0, 1.0], [1.0])
    with pytest.raises(errors.DataError, match=r"sample_weight\[1\] is -1: negative"):
        function([0, 1], [0.0, 1.0], [1.0, -1.0])
    with pytest.raises(errors.DataError, match=r"sample_weight\[0\] is inf"):
        function([0, 1], [0.0, 1.0], [np.inf, 1.0])
    with pytest.raises(errors.DataError, match="sample_weight is 0 in every row"):
        function([0, 1], [0.0, 1.0], [0.0, 0.0])


@pytest.mark.parametrize("metric", [name for name in PAIRS if name != "accuracy"])
@pytest.mark.parametrize(
    "values", [["a", "b"], [1j, 0j], np.array(["2020-01-01", "2020-01-02"], "datetime64[D]")]
)
def test_what_is_no_number_is_refused_by_name(metric, values):
    with pytest.raises(errors.DtypeError, match=f"{PAIRS[metric][1]} must hold numbers"):
        getattr(metrics, metric)([0, 1], values)


def test_refused_arguments():
    cases = [
        (lambda: metrics.auc([0, 2], [0, 1]), errors.DataError,
         r"y\[1\] is 2: expected class codes 0 to 1 .*use auc_ovr"),
        (lambda: metrics.auc([0, 0.5], [0, 1]), errors.DataError, r"y\[1\] is 0.5: expected class"),
        (lambda: metrics.auc([0, 1], [[1, 2], [3, 4]]), errors.ShapeError, "score must be one col"),
        (lambda: metrics.auc_ovr([0, 1], [0.1, 0.2]), errors.ShapeError, "For a single column"),
        (lambda: metrics.log_loss([0, 1], [0.5, 1.5]), errors.DataError,
         r"probabilities\[1\] is 1.5: outside 0 to 1. Apply sigmoid or softmax"),
        (lambda: metrics.log_loss([0, 3], [[0.5, 0.5]] * 2), errors.DataError,
         r"y\[1\] is 3: expected class codes 0 to 1"),
        (lambda: metrics.log_loss([0, 1], [[0.5, 0.5], [0.5, 0.25]]), errors.DataError,
         "row 1 sums to 0.75, expected 1; 1 such rows"),
        (lambda: metrics.log_loss([0], np.ones((1, 1, 1))), errors.ShapeError, r"\(n,\) or \(n, k"),
        (lambda: metrics.confusion_matrix([0, -1], [0, 1], 2), errors.DataError, r"y\[1\] is -1"),
        (lambda: metrics.confusion_matrix([0], [5], 2), errors.DataError, r"predicted\[0\] is 5"),
        (lambda: metrics.confusion_matrix([0], [0], 0), errors.ArgumentError, "received 0"),
        (lambda: metrics.confusion_matrix([0], [0], 2.0), errors.ArgumentTypeError, "whole number"),
        (lambda: metrics.confusion_matrix([0], [0], True), errors.ArgumentTypeError, "whole"),
        (lambda: metrics.confusion_matrix([0], [0], 10**6), errors.MemoryLimitError,
         r"1,000,000 classes needs 8,000.0 GB"),
        (lambda: metrics.accuracy(["a", "b"], [0, 1]), errors.DataError,
         r"y holds text \(y\[0\] is .*'a'.*\) but predicted holds numbers"),
        (lambda: metrics.accuracy(["a", 1], ["a", "b"]), errors.DataError,
         r"y mixes text and numbers: y\[0\] is 'a', y\[1\] is 1"),
        (lambda: metrics.accuracy(["a"], [b"a"]), errors.DtypeError, "predicted holds bytes"),
        (lambda: metrics.accuracy([[1, 2]], [1]), errors.ShapeError, "y must be one column"),
        (lambda: metrics.rmse(np.ones((2, 3)), np.ones((2, 2))), errors.ShapeError,
         "y has 3 columns, prediction has 2"),
        (lambda: metrics.rmse([1, 2], [1, np.inf]), errors.DataError, r"prediction\[1\] is inf"),
        (lambda: metrics.rmse([[1, 2], [3, np.nan]], np.ones((2, 2))), errors.DataError,
         r"y\[1, 1\] is nan"),
        (lambda: metrics.rmse([[1, 2], [3]], [1, 2]), errors.DataError, "different lengths"),
        (lambda: metrics.rmse([2**60], [1]), errors.DataError, "not exact as float64"),
        (lambda: metrics.rmse([10**400], [1]), errors.DtypeError, "y must hold numbers"),
        (lambda: metrics.rmse(np.ones((1, 1, 1)), [1]), errors.ShapeError, "y must have shape"),
    ]  # fmt: skip
    for call, kind, words in cases:
        with warnings.catch_warnings(), pytest.raises(kind, match=words):
            call()


def test_sparse_input_is_refused_with_the_remedy():
    sparse = pytest.importorskip("scipy.sparse")
    with pytest.raises(errors.DtypeError, match=r"score is a sparse matrix.*score\.toarray\(\)"):
        metrics.auc([0, 1], sparse.csr_matrix([[0.0], [1.0]]))
