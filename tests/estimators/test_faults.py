"""Wrong arguments, arrays and labels: each is named, with what to do; nothing fitted changes."""

from __future__ import annotations

import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from sklearn.exceptions import NotFittedError

import limpide as lp

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(60, 3))
Y = np.arange(60) % 2


def at(array: np.ndarray, place: object, value: object) -> np.ndarray:
    changed = array.copy()
    changed[place] = value
    return changed


ARRAYS = [
    (at(X, (4, 1), np.inf), lp.DataError, r"X holds 1 infinite value, the first inf in index 4, c"),
    (sparse.csr_array(at(X, (4, 1), -np.inf)), lp.DataError, "the first -inf in index 4, column"),
    (X[:, 0], lp.ShapeError, r"two axes, rows and features; received 1 axes, .*Reshape your data"),
    (X[None], lp.ShapeError, r"received 3 axes, shape \[1, 60, 3\]"),
    (sparse.coo_array(X[:, 0]), lp.ShapeError, r"X is sparse and has shape \(60,\)"),
    (X[:0], lp.DataError, r"X has 0 sample\(s\)"),
    (X[:, :0], lp.DataError, r"X has 0 feature\(s\) \(shape=\(60, 0\)\) while a minimum of 1"),
    (sparse.csr_array((60, 0)), lp.DataError, r"X has 0 feature\(s\)"),
    (X[:1], lp.DataError, "X has 1 sample"),
    (X + 1j, lp.DataError, "Complex data not supported: X holds complex numbers"),
    (X.astype(object) + 1j, lp.DataError, r"Complex data not supported: X holds .* in row 0, col"),
    (sparse.csr_array(X + 1j), lp.DataError, "Complex data not supported: X is sparse"),
    (X.astype("S"), lp.DtypeError, r"column 'x0' has dtype \|S32, which is neither number"),
    (None, lp.ArgumentTypeError, "X must be rows of features: .*; received None"),
    ("table.csv", lp.ArgumentTypeError, r"received text. Read a file first, or use lp.train"),
    ([[1, 2], [3]], lp.ShapeError, "X is a list whose rows differ in length"),
    (
        [[{}, 1]] * 60,
        lp.DtypeError,
        "X holds a dict in row 0, column 0; each cell of this argument",
    ),
    ((row for row in X), lp.ArgumentTypeError, "a table must be .*; received generator"),
    (pd.Series(X[:, 0]), lp.ShapeError, "received one column, a pandas Series"),
    (pd.DataFrame(X, columns=list("aab")), lp.DataError, "column name 'a' stands twice"),
    (np.ones((60, 2)), lp.DataError, "X has no column to learn from .* constant, '1.0' in every"),
    (X[:-1], lp.ShapeError, "X has 59 rows and y has 60; both need one entry a row"),
    (
        sparse.csr_array((np.ones(60), (np.arange(60), np.arange(60))), shape=(60, 10**9)),
        lp.MemoryLimitError,
        "X of 1,000,000,000 columns needs about .*Keep fewer columns",
    ),
]


@pytest.mark.parametrize(("given", "error", "message"), ARRAYS, ids=lambda v: str(v)[:30])
def test_an_x_that_cannot_be_used(given, error, message):
    with pytest.raises(error, match=message) as seen:
        lp.Classifier().fit(given, Y[: 1 if message == "X has 1 sample" else 60][: _rows(given)])
    assert isinstance(seen.value, (ValueError, TypeError))


def _rows(given: object) -> int:
    return 0 if getattr(given, "shape", (1,))[0] == 0 else 60


LABELS = [
    (None, lp.DataError, "requires y to be passed, but the target y is None"),
    (np.zeros(60), lp.DataError, "y has one class, 0.0, in all 60 rows"),
    (
        Y * 0.5,
        lp.DataError,
        r"continuous. y holds 0.5 in row 1, which is no class: it looks like r",
    ),
    (["a", 1] * 30, lp.DataError, r"y mixes text \('a' in row 0\) and numbers \(1 in row 1\)"),
    (np.array(["a", 1] * 30, object), lp.DataError, "y mixes text .* and numbers"),
    (
        np.array(["a", None, "b"] * 20, object),
        lp.DataError,
        r"y is missing .* in 20 rows, the f.* 1",
    ),
    (at(Y.astype(float), 7, np.nan), lp.DataError, "y is missing .* in 1 row, the first row 7"),
    (at(Y.astype(float), 7, np.inf), lp.DataError, "y holds 1 infinite value, the first in row 7"),
    (np.full(60, "2020-01-01", "M8[D]"), lp.DataError, "Unknown label type: y holds dates"),
    (np.array([b"a", b"b"] * 30), lp.DataError, "Unknown label type: y holds .*S1"),
    (np.array([{}, 1] * 30, object), lp.DataError, "Unknown label type: y holds a dict in row 0"),
    (Y + 1j, lp.DataError, "Complex data not supported: y holds complex numbers"),
    (np.c_[Y, Y + 1], lp.DataError, r"y has 2 columns and holds 2 in row 1, column 1; several lab"),
    (np.array(["a", "b"] * 60).reshape(60, 2), lp.DataError, "y has 2 columns and holds 'a' in"),
    (X[None], lp.ShapeError, "y should be a 1d array, .* received an array of 3 axes"),
    (3, lp.ShapeError, "y should be a 1d array, .* received a single value"),
    ([[1], [1, 2]] * 30, lp.ShapeError, "y is a list whose rows differ in length"),
    (np.ma.masked_equal(Y, 1), lp.DataError, "y is a masked array with masked rows"),
    (pl.Series([1, None] * 30), lp.DataError, "y is missing .* in 30 rows, the first row 1"),
    (np.array([2**70, 1] * 30, object), lp.DataError, "y holds whole numbers beyond 64 bits"),
    (np.array([2**63, 1] * 30, np.uint64), lp.DataError, "which is beyond 64 bits"),
]


@pytest.mark.parametrize(("given", "error", "message"), LABELS, ids=lambda v: str(v)[:30])
def test_a_y_that_cannot_be_used(given, error, message):
    with pytest.raises(error, match=message):
        lp.Classifier().fit(X, given)


def test_a_million_classes_are_refused_at_once():
    with pytest.raises(lp.MemoryLimitError, match=r"y has 1,000,000 classes .* at most 5,000"):
        lp.Classifier().fit(np.arange(1e6)[:, None], np.arange(10**6))


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (["a"] * 60, lp.DtypeError, "y holds text, such as 'a'; a regression needs numbers"),
        (at(X[:, 0], 3, np.nan), lp.DataError, "y is missing .* in 1 row, the first row 3"),
        (at(X[:, 0], 3, -np.inf), lp.DataError, "y holds 1 infinite value, the first in row 3"),
    ],
)
def test_a_number_to_predict_that_is_none(given, error, message):
    with pytest.raises(error, match=message):
        lp.Regressor().fit(X, given)


SETTINGS = [
    ({"hidden": 0}, lp.ArgumentError, "hidden must be at least 1; received 0"),
    ({"hidden": [-1]}, lp.ArgumentError, r"hidden\[0\] must be at least 1"),
    ({"hidden": [np.nan]}, lp.ArgumentTypeError, r"hidden\[0\] must be a whole number"),
    ({"hidden": True}, lp.ArgumentTypeError, "hidden must be a whole number; received True"),
    ({"hidden": "64"}, lp.ArgumentTypeError, r"a list of sizes, such as \[64, 64\]; received '64'"),
    ({"hidden": [10**9, 10**9]}, lp.MemoryLimitError, "Choose smaller layers"),
    ({"learning_rate": -1}, lp.ArgumentError, "learning_rate must be above 0; received -1"),
    ({"learning_rate": 0}, lp.ArgumentError, "learning_rate must be above 0"),
    ({"learning_rate": np.nan}, lp.ArgumentError, "learning_rate must be finite"),
    ({"learning_rate": np.inf}, lp.ArgumentError, "learning_rate must be finite"),
    ({"learning_rate": "fast"}, lp.ArgumentTypeError, "learning_rate must be a number"),
    ({"weight_decay": -1}, lp.ArgumentError, "weight_decay must be at least 0; received -1"),
    ({"dropout": 1}, lp.ArgumentError, "dropout is a share from 0 to below 1; received 1"),
    ({"epochs": 0}, lp.ArgumentError, "epochs must be at least 1"),
    ({"epochs": 1.5}, lp.ArgumentTypeError, "epochs must be a whole number"),
    ({"batch_size": 0}, lp.ArgumentError, "batch_size must be at least 1"),
    ({"random_state": -1}, lp.ArgumentError, "random_state must be at least 0 and below"),
    ({"random_state": "a"}, lp.ArgumentTypeError, "random_state must be a whole number, None or"),
    ({"preset": "strng"}, lp.ArgumentError, "preset must be one of .*received 'strng'"),
    ({"n_ensemble": 0}, lp.ArgumentError, "n_ensemble must be .*received 0"),
    ({"activation": "rel"}, lp.ArgumentError, "received 'rel'. Did you mean 'relu'"),
    ({"loss": "mes"}, lp.ArgumentError, "received 'mes'. Did you mean 'mse'"),
    ({"loss": "bce"}, None, ""),
    ({"loss": lambda y, p: lp.mean(y - p)}, lp.ShapeError, "leave out lp.mean and lp.sum"),
    ({"loss": lambda y, p: 3.0}, lp.ArgumentTypeError, "must give a tensor; it gave float"),
    ({"metric": "acuracy"}, lp.ArgumentError, "received 'acuracy'. Did you mean 'accuracy'"),
    ({"metric": 3}, lp.ArgumentTypeError, "metric must be a name, a scorer or a function"),
    ({"metric": lambda y, p: y}, lp.ArgumentTypeError, "metric '<lambda>' must give one number"),
    ({"metric": ["auc", "auc"]}, lp.ArgumentError, "metric holds the name 'auc', which is taken"),
    ({"early_stopping": "yes"}, lp.ArgumentError, "early_stopping must be True, False, 'best'"),
    ({"early_stopping": 0}, lp.ArgumentError, "early_stopping waits for at least 1 epoch"),
    ({"early_stopping": 1.5}, lp.ArgumentTypeError, "early_stopping must be .*received 1.5"),
    ({"class_weight": "balance"}, lp.ArgumentError, "class_weight must be 'balanced' or a dict"),
    (
        {"class_weight": {5: 1}},
        lp.ArgumentError,
        "class_weight names 5; the classes of 'y' are 0, 1",
    ),
    ({"class_weight": {0: -1}}, lp.ArgumentError, r"class_weight\[0\] must be at least 0"),
    ({"class_weight": [1, 2]}, lp.ArgumentError, r"class_weight must be .*received \[1, 2\]"),
    ({"engine": "natve"}, lp.ArgumentError, "received 'natve'. Did you mean 'native'"),
    ({"verbose": "no"}, lp.ArgumentTypeError, "verbose must be True or False; received 'no'"),
    ({"callbacks": 3}, lp.ArgumentTypeError, "callbacks must hold functions"),
]


def without_address(value):
    """Name a case the same in each process."""
    return str(value).partition(" at 0x")[0][:40]


@pytest.mark.parametrize(("settings", "error", "message"), SETTINGS, ids=without_address)
def test_a_setting_that_cannot_be_used(settings, error, message):
    fitted = lp.Classifier(random_state=0, epochs=2).fit(X, Y)
    before, names = fitted.predict_proba(X), set(vars(fitted))
    fitted.set_params(**settings)
    if error is None:
        fitted.fit(X, Y)
        return
    with pytest.raises(error, match=message):
        fitted.fit(X, Y)
    np.testing.assert_array_equal(fitted.predict_proba(X), before)
    assert set(vars(fitted)) == names


def test_keywords_that_are_none():
    with pytest.raises(lp.ArgumentTypeError, match=r"Classifier has no argument 'hiden'"):
        lp.Classifier(hiden=3)
    with pytest.raises(
        lp.ArgumentTypeError, match=r"Regressor.fit has no argument 'sample_weigths'"
    ):
        lp.Regressor().fit(X, Y, sample_weigths=1)


def test_settings_that_are_clamped_or_apart():
    with pytest.warns(lp.LimpideWarning, match="batch_size is 1000, and there are 60 rows") as seen:
        lp.Classifier(batch_size=1000, epochs=2).fit(X, Y)
    assert len(seen) == 1
    with pytest.raises(lp.ArgumentError, match="loss='poisson' needs counts, and a regression's"):
        lp.Regressor(loss="poisson").fit(X, Y)
    with pytest.raises(lp.ArgumentError, match="one of huber, mae, mse; received 'bce'"):
        lp.Regressor(loss="bce").fit(X, Y)
    with pytest.raises(lp.ArgumentError, match="one of bce, cross_entropy, huber, mae, mse; rec"):
        lp.Classifier(loss="poisson").fit(X, Y)
    with pytest.raises(lp.ArgumentError, match="class_weight of several labels a row is 'balanc"):
        lp.Classifier(class_weight={0: 1}).fit(X, np.c_[Y, 1 - Y])
    many, sides = np.tile(X, (5, 1)), np.tile(Y, 5)
    with pytest.raises(lp.ArgumentError, match="from 0 to below 1; received 2"):
        lp.Classifier(early_stopping=True, validation_fraction=2).fit(many, sides)


WEIGHTS = [
    (-np.ones(60), lp.DataError, "sample_weight is -1 in row 0; it must be at least 0"),
    (np.zeros(60), lp.DataError, "sample_weight is zero in all rows"),
    (np.full(60, np.nan), lp.DataError, "sample_weight holds 60 values that are not finite"),
    ([1], lp.ShapeError, r"sample_weight has shape \[1\]; X has 60 rows"),
    (["a"] * 60, lp.DtypeError, "sample_weight holds text"),
    (Y, lp.DataError, "y has one class, 1, in all 30 rows"),
]


@pytest.mark.parametrize(("given", "error", "message"), WEIGHTS, ids=lambda v: str(v)[:20])
def test_weights_that_cannot_be_used(given, error, message):
    with pytest.raises(error, match=message):
        lp.Classifier().fit(X, Y, sample_weight=given)


VALIDATION = [
    ({"y_val": Y}, lp.ArgumentError, "X_val is missing: X_val and y_val are passed together"),
    ({"X_val": X}, lp.ArgumentError, "y_val is missing"),
    (
        {"X_val": X[:, :2], "y_val": Y},
        lp.DataError,
        "X_val has 2 features, but Classifier is expec",
    ),
    ({"X_val": X, "y_val": Y[:3]}, lp.ShapeError, "X_val has 60 rows and y_val has 3"),
    ({"X_val": X[:2], "y_val": [0, 5]}, lp.DataError, "y_val: 1 row holds .* the first 5 in row 1"),
    (
        {"X_val": X[:2], "y_val": ["a", "b"]},
        lp.DataError,
        "y_val holds text, .* classes are number",
    ),
    (
        {"X_val": X, "y_val": Y, "sample_weight_val": -np.ones(60)},
        lp.DataError,
        "sample_weight_val is -1 in row 0",
    ),
]


@pytest.mark.parametrize(("given", "error", "message"), VALIDATION, ids=lambda v: str(v)[:20])
def test_validation_rows_that_cannot_be_used(given, error, message):
    with pytest.raises(error, match=message):
        lp.Classifier(epochs=2).fit(X, Y, **given)


PREDICT = [
    (X[:, :2], lp.DataError, "X has 2 features, but Classifier is expecting 3 features as input"),
    (sparse.csr_array(X[:, :2]), lp.DataError, "X has 2 features, but Classifier is expecting 3"),
    (X[0], lp.ShapeError, "Reshape your data"),
    (at(X, (2, 2), np.inf), lp.DataError, "the first inf in index 2, column 'x2'"),
    (
        [["a", "b", "c"]],
        lp.DataError,
        "column 'x0' held numbers in training; 1 of its cells now do",
    ),
]


@pytest.mark.parametrize(("given", "error", "message"), PREDICT, ids=lambda v: str(v)[:20])
def test_rows_that_cannot_be_predicted(given, error, message):
    with pytest.raises(error, match=message):
        lp.Classifier(epochs=2, random_state=0).fit(X, Y).predict(given)


def test_columns_that_went_away_or_came():
    frame = pd.DataFrame(X, columns=list("abc"))
    fitted = lp.Classifier(epochs=2, random_state=0).fit(frame, Y)
    with pytest.raises(
        lp.DataError, match=r"lacks 1 of the 3 columns .*: 'c' \(did you mean 'cc'\?\)\. "
    ):
        fitted.predict(frame.rename(columns={"c": "cc"}))
    with pytest.warns(lp.LimpideWarning, match="1 column that the model does not use: 'more'"):
        fitted.predict(frame.assign(more=1.0))


def test_without_scikit_learn_it_is_said_how_to_get_it():
    code = (
        "import sys; sys.modules['sklearn'] = None; import limpide as lp\n"
        "try: lp.Classifier\n"
        "except lp.MissingExtraError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == (
        "lp.Classifier and lp.Regressor need scikit-learn: pip install 'limpide[sklearn]'\n"
    )


def test_nothing_is_predicted_before_fit():
    for method in ("predict", "predict_proba", "decision_function", "score"):
        with pytest.raises(NotFittedError, match="This Classifier is not fitted yet") as seen:
            getattr(lp.Classifier(), method)(*([X, Y] if method == "score" else [X]))
        assert isinstance(seen.value, lp.LimpideError)
    for name in ("network_", "n_iter_"):
        assert not hasattr(lp.Classifier(), name)
        with pytest.raises(NotFittedError, match="This Regressor is not fitted yet"):
            getattr(lp.Regressor(), name)


@pytest.mark.parametrize("setting", ["metric", "loss"])
def test_functions_of_y_alone_are_refused(setting):
    model = lp.Classifier(epochs=1, **{setting: lambda y: y})
    with pytest.raises(lp.ArgumentTypeError, match=r"'<lambda>' must take \(y, prediction\)"):
        model.fit(X, Y)


@pytest.mark.parametrize("size", [1e-300, 1e300])
def test_numbers_of_any_size_give_no_infinite_loss(size):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted = lp.Regressor(epochs=5, random_state=0).fit(X * size, X[:, 0] * 1e200)
    assert np.isfinite(fitted.history_.loss).all()
    assert np.isfinite(fitted.predict(X * size)).all()


def test_a_number_that_never_changes():
    fitted = lp.Regressor(random_state=0).fit(X, np.full(60, 7.0))
    np.testing.assert_allclose(fitted.predict(X), 7.0, rtol=1e-3)
