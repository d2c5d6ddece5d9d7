"""Classifier and Regressor: any X, any y, weights, validation, metrics, losses, parts, copies."""

from __future__ import annotations

import copy
import functools
import pickle
import re
import runpy

import cloudpickle
import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from scipy import sparse
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_digits, load_iris, make_classification
from sklearn.exceptions import DataConversionWarning
from sklearn.metrics import (
    accuracy_score,
    brier_score_loss,
    f1_score,
    log_loss,
    make_scorer,
    roc_auc_score,
    zero_one_loss,
)
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_sample_weight

import limpide as lp
from breaking_off import breaks_off
from limpide.cli import main

IRIS, SPECIES = load_iris(return_X_y=True)
MANY, SIDES = make_classification(600, 12, n_informative=6, random_state=0)


def classifier(**settings) -> lp.Classifier:
    return lp.Classifier(**{"random_state": 0, "epochs": 25, **settings})


def regressor(**settings) -> lp.Regressor:
    return lp.Regressor(**{"random_state": 0, **settings})


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    random = np.random.default_rng(0)
    n = 260
    return pd.DataFrame(
        {
            "size": np.where(np.arange(n) % 7 == 0, np.nan, random.normal(size=n)),
            "kind": pd.Categorical(random.choice(["x", "y", "z"], n)),
            "open": random.random(n) > 0.5,
            "day": pd.date_range("2020-01-01", periods=n),
        }
    )


@pytest.fixture(scope="module")
def answer(frame) -> np.ndarray:
    return np.where((frame["size"].fillna(0) > 0) ^ (frame["kind"] == "x"), "yes", "no")


# What comes in -----------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["polars", "arrow", "dict", "capsule", "turned"])
def test_every_frame_gives_the_same_bits(frame, answer, form):
    class Capsule:
        """A frame of which nothing is known but Arrow's PyCapsule."""

        def __arrow_c_stream__(self, requested_schema=None):
            return pl.from_pandas(frame).__arrow_c_stream__(requested_schema)

    given = {
        "polars": lambda: pl.from_pandas(frame),
        "arrow": lambda: pytest.importorskip("pyarrow").Table.from_pandas(frame),
        "dict": lambda: {name: frame[name] for name in frame},
        "capsule": Capsule,
        "turned": lambda: frame[frame.columns[::-1]],
    }[form]()
    first = classifier().fit(frame, answer)
    assert first.score(frame, answer) > 0.9
    assert first.feature_names_in_.tolist() == ["size", "kind", "open", "day"]
    expected = first.predict_proba(frame)
    np.testing.assert_array_equal(first.predict_proba(given), expected)
    if form != "turned":
        again = classifier().fit(given, pl.Series(answer))
        np.testing.assert_array_equal(again.predict_proba(frame), expected)


@pytest.mark.parametrize("n", [150, 600])
@pytest.mark.parametrize("holes", [False, True])
def test_every_array_gives_the_same_bits(n, holes):
    X = (MANY[:n] * 64).round() / 64
    if holes:
        X[::5, 2] = np.nan
    X[:, 3] = 7.0  # constant: left out
    y = SIDES[:n]
    expected = classifier(epochs=5).fit(X, y).predict_proba(X)
    wide = np.zeros((n, 24))
    wide[:, ::2] = X
    readonly = X.copy()
    readonly.flags.writeable = False
    buffer = np.zeros(X.nbytes + 1, np.uint8)
    crooked = buffer[1:].view(np.float64).reshape(X.shape)
    crooked[:] = X
    forms = {
        "strided": wide[:, ::2],
        "fortran": np.asfortranarray(X),
        "read-only": readonly,
        "big-endian": X.astype(">f8"),
        "float32": X.astype(np.float32),
        "misaligned": crooked,
        "objects": X.astype(object),
        "list": X.tolist(),
        "sparse": sparse.csr_array(X),
        "masked": np.ma.masked_invalid(X),
        "frame": pd.DataFrame(X),
    }
    for name, form in forms.items():
        fitted = classifier(epochs=5).fit(form, y)
        np.testing.assert_array_equal(fitted.predict_proba(X), expected, name)
        np.testing.assert_array_equal(fitted.predict_proba(form), expected, name)


def test_the_numbers_of_a_frame_and_of_an_array_are_one():
    names = [f"n{i}" for i in range(12)]
    named = classifier(epochs=5).fit(pl.DataFrame(MANY, schema=names), SIDES)
    plain = classifier(epochs=5).fit(MANY, SIDES)
    for one, other in zip(
        named.network_.tensors().values(), plain.network_.tensors().values(), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_names_that_one_side_lacks_are_said():
    named = pd.DataFrame(IRIS, columns=list("abcd"))
    plain, with_names = (classifier(epochs=2).fit(X, SPECIES) for X in (IRIS, named))
    expected = plain.predict_proba(IRIS)
    with pytest.warns(lp.LimpideWarning, match="has feature names, but Classifier was fitted with"):
        np.testing.assert_array_equal(plain.predict_proba(named), expected)
    with pytest.warns(lp.LimpideWarning, match="X does not have valid feature names, but Class"):
        np.testing.assert_array_equal(with_names.predict_proba(IRIS), expected)
    assert not hasattr(plain, "feature_names_in_")
    numbered = classifier(epochs=2).fit(pd.DataFrame(IRIS), SPECIES)
    assert not hasattr(numbered, "feature_names_in_")
    np.testing.assert_array_equal(numbered.predict_proba(IRIS), expected)
    like_numbers = pd.DataFrame(IRIS, columns=["x0", "x1", "x2", "x3"])
    named = classifier(epochs=2).fit(like_numbers, SPECIES)
    assert named.feature_names_in_.tolist() == ["x0", "x1", "x2", "x3"]
    np.testing.assert_array_equal(named.predict_proba(like_numbers.iloc[:, ::-1]), expected)
    record = like_numbers.to_records(index=False)
    np.testing.assert_array_equal(named.predict_proba(record), expected)


def test_labels_keep_their_dtype(frame):
    for labels in (
        np.array(["a", "b", "c"], object),
        np.array(["a", "b", "c"]),
        np.array([3, 5, 9], np.int8),
        np.array([-1.0, 0.0, 1.0], np.float32),
    ):
        y = labels[SPECIES]
        fitted = classifier().fit(IRIS, y)
        assert fitted.classes_.dtype == y.dtype
        assert fitted.predict(IRIS).dtype == y.dtype
        assert set(fitted.predict(IRIS)) <= set(labels)
    yes = classifier().fit(IRIS, SPECIES == 1)
    assert yes.predict(IRIS).dtype == bool
    for y in (pd.Series(SPECIES, dtype="Int64"), pl.Series(SPECIES), pd.Categorical(SPECIES)):
        assert classifier().fit(IRIS, y).classes_.tolist() == [0, 1, 2]


def test_a_column_of_y_is_a_row_with_a_warning():
    with pytest.warns(DataConversionWarning, match="A column-vector y was passed when a 1d array"):
        fitted = classifier().fit(IRIS, SPECIES[:, None])
    assert fitted.predict(IRIS).shape == (150,)
    assert regressor(epochs=2).fit(IRIS, IRIS[:, :1]).predict(IRIS).shape == (150, 1)


def test_several_labels_and_several_numbers(tmp_path):
    y = np.c_[IRIS[:, 0] > 5.8, IRIS[:, 2] > 4].astype(np.int8)
    for given in (y, sparse.csr_array(y), pd.DataFrame(y), y.tolist()):
        many = classifier(epochs=200).fit(IRIS, given)
        assert many.score(IRIS, y) > 0.9
        assert many.predict_proba(IRIS).shape == (150, 2)
        assert many.classes_.tolist() == [0, 1]
    numbers = IRIS[:, 2:] * [1, 1000]
    two = regressor().fit(IRIS[:, :2], numbers)
    assert two.predict(IRIS[:, :2]).shape == (150, 2)
    assert two.score(IRIS[:, :2], numbers) > 0.8
    for fitted, X in ((many, IRIS), (two, IRIS[:, :2])):
        fitted.model_.save(tmp_path / "m.safetensors")
        again = lp.load(tmp_path / "m.safetensors")
        np.testing.assert_array_equal(again.predict(X), fitted.predict(X))
        with pytest.raises(lp.ArgumentTypeError, match="This is for one target, and the model"):
            again.evaluate(X)
        with pytest.raises(lp.ArgumentTypeError, match="This is for one target, and the model"):
            again.plot("roc", X)


def test_a_regression_of_any_size():
    random = np.random.default_rng(0)
    X = random.normal(size=(900, 3))
    y = 1000 * X[:, 0] + random.normal(size=900)
    assert regressor().fit(X[:600], y[:600]).score(X[600:], y[600:]) >= 0.99
    few = [regressor().fit(X[:150], y[:150] * s).predict(X[600:]) / s for s in (1, 2.0**90)]
    np.testing.assert_allclose(*few, rtol=1e-9)


def test_a_saved_estimator_predicts_on_the_command_line(tmp_path, capsysbinary):
    table = pl.DataFrame(IRIS[:3], schema=["x0", "x1", "x2", "x3"])
    table.write_csv(tmp_path / "t.csv")
    y = np.c_[IRIS[:, 0] > 5.8, IRIS[:, 2] > 4]
    for fitted, names in (
        (classifier().fit(IRIS, SPECIES), "prediction,probability_0,probability_1,probability_2"),
        (classifier().fit(IRIS, y), "prediction_1,prediction_2,probability_1,probability_2"),
        (regressor().fit(IRIS, IRIS[:, 2:]), "prediction_1,prediction_2"),
    ):
        fitted.model_.save(tmp_path / "m.safetensors")
        with pytest.raises(SystemExit, match="0"):
            main(["predict", str(tmp_path / "m.safetensors"), str(tmp_path / "t.csv")])
        header, *rows = capsysbinary.readouterr().out.decode().split()
        assert header == names
        written = np.array([row.split(",") for row in rows], float)
        found = fitted.predict(IRIS[:3]).reshape(3, -1)
        np.testing.assert_array_equal(written[:, : found.shape[1]], found)


@pytest.mark.parametrize("kind", [classifier, regressor])
def test_its_model_is_exported_and_reported(kind, frame, answer, tmp_path):
    table, y = frame.drop(columns="day").head(120), answer[:120]
    numbers = np.arange(120.0) * 1000
    fitted = kind(epochs=20).fit(table, y if kind is classifier else numbers)
    fitted.model_.export(tmp_path / "m.py", to="numpy")
    exported = runpy.run_path(str(tmp_path / "m.py"))
    rows = [{n: None if v != v else v for n, v in row.items()} for row in table.to_dict("records")]
    name = "predict_proba" if kind is classifier else "predict"
    found = np.asarray(exported[name](rows))
    np.testing.assert_allclose(found, getattr(fitted, name)(table), rtol=1e-6)
    fitted.model_.report(tmp_path / "m.html", table.assign(y=y if kind is classifier else numbers))
    assert "<h1" in (tmp_path / "m.html").read_text(encoding="utf-8")
    two = kind(epochs=1).fit(IRIS, IRIS[:, :2] > 5 if kind is classifier else IRIS[:, :2])
    with pytest.raises(lp.ArgumentTypeError, match="This is for one target, and the model has 2"):
        two.model_.report(tmp_path / "n.html")


# Weights -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [classifier, regressor])
@pytest.mark.parametrize("balanced", [False, True])
def test_a_weight_is_a_repetition_of_a_mixed_table(frame, answer, kind, balanced):
    if kind is regressor and balanced:
        pytest.skip("a regression has no classes")
    random = np.random.default_rng(3)
    weights = random.integers(0, 4, 90)
    X, y = frame.head(90), answer[:90] if kind is classifier else np.arange(90.0)
    settings = {"class_weight": "balanced"} if balanced else {}
    places = np.repeat(np.arange(90), weights)
    weighted = kind(**settings).fit(X, y, sample_weight=weights)
    repeated = kind(**settings).fit(X.iloc[places].reset_index(drop=True), y[places])
    method = "decision_function" if kind is classifier else "predict"
    one, other = (getattr(fitted, method)(X) for fitted in (weighted, repeated))
    np.testing.assert_allclose(one, other, rtol=1e-7, atol=1e-9)


def test_only_the_ratios_of_weights_that_are_no_counts_matter():
    weights = np.random.default_rng(0).random(150)
    one, other = (classifier().fit(IRIS, SPECIES, w) for w in (weights, weights * 2.0**-20))
    np.testing.assert_allclose(one.predict_proba(IRIS), other.predict_proba(IRIS), rtol=1e-9)
    plain = classifier().fit(IRIS, SPECIES)
    assert np.abs(plain.predict_proba(IRIS) - one.predict_proba(IRIS)).max() > 1e-3


@pytest.mark.parametrize("exponent", [-1060, -140, 40, 120, 1020])
def test_weights_may_be_of_any_size(exponent):
    weights = np.random.default_rng(0).integers(1, 5, len(MANY)) * 1.0
    one, other = (
        classifier(epochs=3).fit(MANY[:400], SIDES[:400], w[:400], MANY[400:], SIDES[400:], w[400:])
        for w in (weights, np.ldexp(weights, exponent))
    )
    np.testing.assert_allclose(one.predict_proba(MANY), other.predict_proba(MANY), atol=1e-5)
    np.testing.assert_allclose(
        one.history_.validation_loss, other.history_.validation_loss, rtol=1e-5
    )


def test_weights_of_many_rows_are_heard():
    heavy = np.where(SIDES == 1, 20.0, 1.0)
    plain, weighted = (classifier().fit(MANY, SIDES, w) for w in (None, heavy))
    balanced = classifier(class_weight={0: 1, 1: 20}).fit(MANY, SIDES)
    shares = [fitted.predict(MANY).mean() for fitted in (plain, weighted, balanced)]
    assert shares[0] < min(shares[1:])


def test_several_labels_are_balanced():
    y = np.c_[IRIS[:, 0] > 5.8, IRIS[:, 2] > 6]
    expected = compute_sample_weight("balanced", y)
    balanced = classifier(class_weight="balanced", epochs=1, n_ensemble=1).fit(IRIS, y)
    plain = classifier(epochs=1, n_ensemble=1).fit(IRIS, y)
    losses = [fitted.history_.loss[0] for fitted in (balanced, plain)]
    first = classifier(epochs=1, learning_rate=1e-300, n_ensemble=1).fit(IRIS, y)
    each = -(np.where(y, *[f(first) for f in (_log, _log_not)])).mean(axis=1)
    np.testing.assert_allclose(
        losses, [np.average(each, weights=expected), each.mean()], rtol=1e-12
    )


def _log(fitted):
    return np.log(fitted.predict_proba(IRIS))


def _log_not(fitted):
    return np.log1p(-fitted.predict_proba(IRIS))


# Validation, metrics, losses ----------------------------------------------------------------------


def test_metrics_of_every_kind_are_curves():
    def hits(y, prediction):
        return float(np.mean(y == prediction))

    metrics = ["auc", "neg_log_loss", make_scorer(f1_score), accuracy_score, log_loss, hits]
    fitted = classifier(metric=[*metrics, roc_auc_score], epochs=6).fit(
        MANY[:400], SIDES[:400], X_val=MANY[400:], y_val=SIDES[400:]
    )
    curves = fitted.history_.metrics
    probabilities = fitted.predict_proba(MANY[400:])
    expected = {
        "auc": roc_auc_score(SIDES[400:], probabilities[:, 1]),
        "neg_log_loss": -log_loss(SIDES[400:], probabilities),
        "f1_score": f1_score(SIDES[400:], fitted.predict(MANY[400:])),
        "accuracy_score": fitted.score(MANY[400:], SIDES[400:]),
        "log_loss": log_loss(SIDES[400:], probabilities),
        "hits": fitted.score(MANY[400:], SIDES[400:]),
        "roc_auc_score": roc_auc_score(SIDES[400:], probabilities[:, 1]),
    }
    assert list(curves) == list(expected)
    for name, figure in expected.items():
        assert len(curves[name]) == 6
        assert curves[name][-1] == pytest.approx(figure, rel=1e-12), name
    assert len(fitted.history_.validation_loss) == 6
    numbers = regressor(metric=["rmse", "r2", "mae"], epochs=3).fit(IRIS[:, :3], IRIS[:, 3])
    expected = numbers.score(IRIS[:, :3], IRIS[:, 3])
    assert numbers.history_.metrics["r2"][-1] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("metric", "best"),
    [
        ("accuracy", np.argmax),
        ("log_loss", np.argmin),
        ("brier", np.argmin),
        (lp.metrics.brier, np.argmin),
        (lp.metrics.auc, np.argmax),
        ({"f": f1_score}, np.argmax),
        ({"my_loss": lambda y, found: np.mean(y != found)}, np.argmin),
        (functools.partial(zero_one_loss, normalize=False), np.argmin),
        ({"neg_loss": lambda y, found: np.mean(y == found)}, np.argmax),
    ],
)
def test_the_best_epoch_by_any_metric_is_kept(metric, best):
    fitted = classifier(metric=metric, early_stopping="best", epochs=15).fit(
        MANY[:400], SIDES[:400], X_val=MANY[400:], y_val=SIDES[400:]
    )
    (curve,) = fitted.history_.metrics.values()
    assert fitted.n_iter_ == len(curve) == 15
    assert fitted.history_.best_epoch == best(curve)
    scores = {
        "log_loss": log_loss,
        "brier": brier_score_loss,
        lp.metrics.brier: brier_score_loss,
        lp.metrics.auc: roc_auc_score,
    }
    if metric == "accuracy":
        assert fitted.score(MANY[400:], SIDES[400:]) == max(curve)
    elif not isinstance(metric, dict) and metric in scores:
        score = scores[metric](SIDES[400:], fitted.predict_proba(MANY[400:])[:, 1])
        assert score == pytest.approx(curve[best(curve)], rel=1e-12)


def test_early_stopping_holds_rows_out_and_stops():
    fitted = classifier(early_stopping=2, epochs=200, learning_rate=0.02).fit(MANY, SIDES)
    assert fitted.n_iter_ < 200
    assert fitted.model_.facts.rows == 540
    assert fitted.history_.best_epoch == np.argmin(fitted.history_.validation_loss)
    again = classifier(early_stopping=2, epochs=200, learning_rate=0.02).fit(MANY, SIDES)
    assert again.history_.loss == fitted.history_.loss
    stop = lp.EarlyStopping(3, "auc")
    other = classifier(early_stopping=stop, metric="auc").fit(MANY, SIDES)
    assert other.history_.best_epoch == np.argmax(other.history_.metrics["auc"])
    assert vars(stop) == vars(lp.EarlyStopping(3, "auc"))


def test_of_few_rows_none_is_held_out():
    with pytest.warns(lp.LimpideWarning, match=r"of 150 rows \(up to 200\) none is held out"):
        fitted = classifier(early_stopping=True).fit(IRIS, SPECIES)
    assert fitted.history_.validation_loss == []
    assert fitted.network_.dtype == np.float64
    assert fitted.history_.batch_size == 150


def test_weights_of_validation_rows_are_heard():
    held = {"X_val": MANY[400:], "y_val": SIDES[400:]}
    weights = np.arange(200.0)
    plain = classifier(epochs=2).fit(MANY[:400], SIDES[:400], **held)
    fitted = classifier(epochs=2, metric="log_loss").fit(
        MANY[:400], SIDES[:400], sample_weight_val=weights, **held
    )
    assert plain.history_.loss == fitted.history_.loss
    assert plain.history_.validation_loss != fitted.history_.validation_loss
    told = fitted.history_.metrics["log_loss"][-1]
    assert fitted.history_.validation_loss[-1] == pytest.approx(told, rel=1e-5)


@pytest.mark.parametrize("loss", ["bce", "cross_entropy", lp.bce, lp.cross_entropy])
def test_cross_entropy_has_two_names_whatever_the_classes(loss):
    several = np.c_[IRIS[:, 0] > 5.8, IRIS[:, 2] > 6]
    for y in (SPECIES, SPECIES == 0, several):
        plain, named = (classifier(epochs=2, loss=each).fit(IRIS, y) for each in (None, loss))
        assert named.history_.loss == plain.history_.loss
        parts = classifier(epochs=2, loss=loss).partial_fit(IRIS, y, classes=np.unique(y))
        parts.partial_fit(IRIS, y)
        assert len(parts.history_.loss) == 2


def test_losses_and_schedules_of_ones_own():
    def focal(y, prediction):
        return -lp.square(1 - prediction) * y * lp.log(prediction + 1e-7)

    def pinball(y, prediction):
        d = y - prediction
        return lp.maximum(0.9 * d, -0.1 * d)

    assert classifier(loss=focal, epochs=200).fit(IRIS, SPECIES).score(IRIS, SPECIES) > 0.9
    assert classifier(loss="mse", epochs=200).fit(IRIS, SPECIES).score(IRIS, SPECIES) > 0.9
    high = regressor(loss=pinball, learning_rate=lp.Linear(0.01)).fit(IRIS[:, :2], IRIS[:, 3])
    assert 0.8 < (high.predict(IRIS[:, :2]) >= IRIS[:, 3]).mean() < 0.98
    with pytest.warns(lp.LimpideWarning, match="A model file cannot name FunctionLoss"):
        high.network_.config()


def test_a_loss_may_be_an_object_of_ones_own():
    class Fourth(lp.Loss):
        """The fourth power of the error."""

        def elements(self, y, prediction):
            return lp.square(lp.square(y - prediction))

    fitted = regressor(loss=Fourth()).fit(IRIS[:, :3], IRIS[:, 3])
    assert fitted.score(IRIS[:, :3], IRIS[:, 3]) > 0.9


def test_callbacks_see_each_epoch():
    seen = []
    classifier(callbacks=[lambda run: seen.append(run.history.loss[-1])], epochs=4).fit(
        IRIS, SPECIES
    )
    assert len(seen) == 4


# Parts --------------------------------------------------------------------------------------------


def test_part_by_part():
    X, y = load_digits(return_X_y=True)
    fitted = classifier()
    for _ in range(3):
        for first in range(0, 1500, 150):
            part = slice(first, first + 150)
            fitted.partial_fit(X[part], y[part], classes=np.arange(10))
    assert fitted.n_iter_ == len(fitted.history_.loss) == 30
    assert fitted.score(X[1500:], y[1500:]) > 0.75
    before = fitted.model_.preprocessing
    fitted.partial_fit(X[:20], np.zeros(20, int))
    assert fitted.model_.preprocessing is before
    numbers = regressor()
    for _ in range(40):
        numbers.partial_fit(IRIS[:, :3], 1000 * IRIS[:, 3])
    assert numbers.score(IRIS[:, :3], 1000 * IRIS[:, 3]) > 0.9


def test_a_part_after_a_fit_goes_on():
    fitted = classifier().fit(IRIS, SPECIES)
    before = fitted.predict_proba(IRIS)
    fitted.partial_fit(IRIS, SPECIES)
    assert fitted.n_iter_ == 26
    change = np.abs(fitted.predict_proba(IRIS) - before).max()
    assert 0 < change < 0.1


def test_parts_that_do_not_fit_change_nothing():
    fitted = classifier().partial_fit(IRIS, SPECIES, classes=[0, 1, 2])
    before = fitted.predict_proba(IRIS)
    with pytest.raises(lp.DataError, match="y: 1 row holds a class that the model does not know"):
        fitted.partial_fit(IRIS[:2], [0, 7])
    with pytest.raises(lp.DataError, match="X has 3 features, but Classifier is expecting 4"):
        fitted.partial_fit(IRIS[:, :3], SPECIES)
    with pytest.raises(lp.ArgumentError, match=r"classes is not what it was .*\[0, 1, 2\]"):
        fitted.partial_fit(IRIS, SPECIES, classes=[0, 1])
    with pytest.raises(lp.ArgumentError, match="partial_fit needs classes in the first call"):
        classifier().partial_fit(IRIS, SPECIES)
    np.testing.assert_array_equal(fitted.predict_proba(IRIS), before)


# One row ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [100, 400])
@pytest.mark.parametrize("target", ["binary", "classes", "numbers"])
def test_one_row_has_the_bits_of_many(n, target):
    X = MANY[:n].copy()
    X[:, 4] = 1e6 + X[:, 4]  # moved before float32 would round it
    X[:, 5] = 3.0  # left out
    y = {"binary": SIDES[:n], "classes": np.arange(n) % 3, "numbers": X[:, 0]}[target]
    fitted = (regressor if target == "numbers" else classifier)(epochs=3).fit(X, y)
    give = fitted.predict if target == "numbers" else fitted.predict_proba
    frames = give(X.astype(object))  # goes through a data frame
    np.testing.assert_array_equal(give(X), frames)
    for first, last in ((0, 1), (1, 4), (2, 19), (3, n)):
        assert fitted.model_.sums_of_few(X[first:last]) is not None
        np.testing.assert_array_equal(give(X[first:last]), frames[first:last])
        np.testing.assert_array_equal(give(np.asfortranarray(X[first:last])), frames[first:last])
    gaps = X[:3].copy()
    gaps[[0, 2], [1, 0]] = np.nan
    assert fitted.model_.sums_of_few(gaps) is None  # there were none in training: that is said
    single = X[:1].astype(np.float32)
    np.testing.assert_array_equal(give(single), give(single.astype(object)))


def test_one_row_with_gaps_has_the_bits_of_many():
    X = MANY[:300].copy()
    X[np.random.default_rng(0).random(X.shape) < 0.2] = np.nan
    X[:, 3], X[:, 7] = 3.0, MANY[:300, 7]  # left out; never missing
    fitted = classifier(epochs=3).fit(X, SIDES[:300])
    frames = fitted.predict_proba(X.astype(object))
    for first, last in ((0, 1), (1, 4), (2, 300)):
        assert fitted.model_.sums_of_few(X[first:last]) is not None
        np.testing.assert_array_equal(fitted.predict_proba(X[first:last]), frames[first:last])
    odd = X[:1].copy()
    odd[0, 7] = np.nan
    assert fitted.model_.sums_of_few(odd) is None
    odd[0, 7] = 1e80
    assert fitted.model_.sums_of_few(odd) is None


def test_what_is_no_plain_row_takes_the_other_way():
    fitted = classifier(epochs=2).fit(IRIS, SPECIES)
    model = fitted.model_
    for wrong in (
        IRIS[0],
        IRIS[:1, :3],
        IRIS[:1].astype(int),
        IRIS[:1].astype(">f8"),
        IRIS[:0],
        np.full((1, 4), np.nan),
        np.full((1, 4), 1e80),
        IRIS[:1].tolist(),
    ):
        assert model.sums_of_few(wrong) is None
    assert np.isfinite(fitted.predict_proba(np.full((1, 4), 1e300))).all()
    with pytest.warns(lp.LimpideWarning, match="column 'x0': 1 of 1 cells is missing"):
        fitted.predict(np.array([[np.nan, 1, 2, 3]]))


def test_rare_probabilities_stay_apart_from_0():
    fitted = classifier(epochs=2).fit(IRIS, SPECIES == 0)
    model = fitted.model_
    z = np.array([[-300.0], [0.0], [300.0], [1e9]])
    given = model.probabilities(z)
    np.testing.assert_allclose(given[:2, 1], [np.exp(-300), 0.5], rtol=1e-14)
    np.testing.assert_allclose(given[2, 0], np.exp(-300), rtol=1e-14)
    assert given[3, 0] > 0
    logs = fitted.predict_log_proba(IRIS)
    np.testing.assert_allclose(logs, np.log(fitted.predict_proba(IRIS)), rtol=1e-12)


# With scikit-learn --------------------------------------------------------------------------------


def test_a_grid_in_two_processes():
    grid = GridSearchCV(classifier(epochs=40), {"hidden": [(4,), (16,)]}, cv=2, n_jobs=2)
    grid.fit(IRIS, SPECIES)
    alone = clone(grid.best_estimator_).fit(IRIS, SPECIES)
    np.testing.assert_array_equal(grid.predict_proba(IRIS), alone.predict_proba(IRIS))


def test_in_pipelines_and_calibrated():
    pipeline = make_pipeline(StandardScaler(), classifier(epochs=60))
    assert cross_val_score(pipeline, IRIS, SPECIES, cv=3).mean() > 0.9
    named = make_pipeline(StandardScaler().set_output(transform="pandas"), classifier(epochs=2))
    named.fit(pd.DataFrame(IRIS, columns=list("abcd")), SPECIES)
    assert named[-1].feature_names_in_.tolist() == list("abcd")
    calibrated = CalibratedClassifierCV(classifier(epochs=60), cv=2)
    assert calibrated.fit(IRIS, SPECIES).score(IRIS, SPECIES) > 0.9


def test_metadata_are_routed():
    weights = np.where(SPECIES == 0, 0.0, 1.0)
    with sklearn.config_context(enable_metadata_routing=True):
        heard = (
            classifier().set_fit_request(sample_weight=True).set_score_request(sample_weight=False)
        )
        found = cross_validate(
            heard, IRIS, SPECIES, params={"sample_weight": weights}, cv=3, return_estimator=True
        )
        assert all(e.classes_.tolist() == [1, 2] for e in found["estimator"])
        last = classifier(epochs=3).set_fit_request(X_val=True, y_val=True)
        pipeline = Pipeline([("scale", StandardScaler()), ("net", last)], transform_input=["X_val"])
        pipeline.fit(IRIS[::2], SPECIES[::2], X_val=IRIS[1::2], y_val=SPECIES[1::2])
    assert len(pipeline[-1].history_.validation_loss) == 3


def test_copies_predict_the_same_bits(tmp_path):
    fitted = classifier(metric="accuracy", callbacks=[lambda run: None]).fit(IRIS, SPECIES)
    expected = fitted.predict_proba(IRIS)
    assert b"compiled" not in cloudpickle.dumps(fitted)
    copies = [copy.deepcopy(fitted), pickle.loads(cloudpickle.dumps(fitted))]
    fitted.callbacks = None
    joblib.dump(fitted, tmp_path / "e.joblib")
    copies += [joblib.load(tmp_path / "e.joblib"), pickle.loads(pickle.dumps(fitted))]
    for again in copies:
        np.testing.assert_array_equal(again.predict_proba(IRIS), expected)
    assert clone(fitted).get_params() == fitted.get_params()


def test_a_memory_mapped_copy_goes_on(tmp_path):
    joblib.dump(classifier().fit(IRIS, SPECIES), tmp_path / "e.joblib")
    mapped = joblib.load(tmp_path / "e.joblib", mmap_mode="r")
    mapped.partial_fit(IRIS, SPECIES)
    assert mapped.n_iter_ == 26


def test_its_html_tells_of_the_network(frame, answer):
    strange = frame.rename(columns={"kind": "<script>alert(1)</script>"})
    assert "Network of" not in classifier()._repr_html_()
    shown = classifier(early_stopping=True, epochs=5).fit(strange, answer)._repr_html_()
    assert "<script>alert(1)" not in shown
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in shown
    for text in ("Network of", "Loss by epoch", "validation from", "one-hot", "parameters, float3"):
        assert text in shown


@pytest.mark.parametrize("language", ["fr", "uk"])
def test_its_html_is_in_the_systems_language(frame, answer, language, monkeypatch):
    fitted = classifier(early_stopping=True, epochs=5).fit(frame, answer)
    both = []
    for each in ("en", language):
        monkeypatch.setenv("LANGUAGE", each)
        section = fitted._repr_html_().partition('<section class="limpide-fitted"')[2]
        told = section.partition("</style>")[2]
        both.append({text.strip() for text in re.findall(">([^<>]+)<", told)})
    names = {"one-hot", "validation", "date", *frame.columns}
    for place in fitted.model_.network.placed:
        names |= {place.name, place.layer.describe()}
    assert len(both[0]) > 20
    assert {text for text in both[0] & both[1] if re.search("[a-z]{3}", text)} - names == set()
    assert f'lang="{language}"' in section
    assert not [text for text in both[1] if re.search(r"(?<!Dropout\(0)\.\d", text)]


@pytest.mark.parametrize("random_state", [0, None])
def test_a_fit_that_is_broken_off_goes_on_bit_for_bit(tmp_path, monkeypatch, random_state):
    settings = {"random_state": random_state, "epochs": 4}
    with monkeypatch.context() as patch:
        breaks_off(patch, 11)
        first = lp.Classifier(checkpoint=tmp_path / "run", **settings).fit(MANY, SIDES)
    assert first.history_.interrupted
    again = lp.Checkpoint(tmp_path / "run", resume=True)
    found = lp.Classifier(checkpoint=again, **settings).fit(MANY, SIDES)
    seed = found.model_.facts.recipe["seed"]
    assert seed == first.model_.facts.recipe["seed"]
    whole = lp.Classifier(random_state=0, epochs=4).fit(MANY, SIDES)
    if random_state == 0:
        np.testing.assert_array_equal(found.predict_proba(MANY), whole.predict_proba(MANY))
    assert found.history_.epochs == 4
    with pytest.raises(lp.CheckpointError, match="is of another run"):
        lp.Classifier(checkpoint=again, **settings).fit(MANY[:-1], SIDES[:-1])
    clone(found)
