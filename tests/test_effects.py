"""Permutation importance and partial dependence: right by definition and by column."""

from __future__ import annotations

import datetime
import json

import numpy as np
import polars as pl
import pytest

import limpide as lp
from limpide.effects import permutation_importance
from tolerances import tolerance

CLOSE = tolerance("figure_float64")


@pytest.fixture(scope="module")
def table() -> pl.DataFrame:
    """Everything hangs on size and city; the day and the noise say nothing."""
    random = np.random.default_rng(0)
    n = 300
    size, city = random.normal(50, 10, n), random.choice(["Kyiv", "Lviv", "Paris"], n)
    days = pl.date_range(pl.date(2024, 1, 1), pl.date(2024, 10, 26), eager=True)
    price = size * 3 + np.where(city == "Paris", 100, 0) + random.normal(0, 1, n)
    gaps = [None if i % 10 == 0 else float(v) for i, v in enumerate(size)]
    columns = {"size": gaps, "city": city, "day": days, "noise": random.normal(size=n)}
    return pl.DataFrame({**columns, "price": price})


@pytest.fixture(scope="module")
def model(table: pl.DataFrame) -> lp.Model:
    return lp.train(table, "price", epochs=60)


@pytest.fixture(scope="module")
def classifier(table: pl.DataFrame) -> lp.Model:
    return lp.train(table.drop("price"), "city", epochs=10)


def test_a_linear_model_has_the_importance_that_mathematics_gives():
    # For y = 3a + b, shuffling a column of variance v and weight w costs 2 w² v of squared error.
    random = np.random.default_rng(0)
    X = random.normal(size=(4000, 3))
    y = 3 * X[:, 0] + X[:, 1]
    found = permutation_importance(
        lambda Z: 3 * Z[:, 0] + Z[:, 1], X, y, {"a": [0], "b": [1], "c": [2]},
        metric=lambda t, p: float(((t - p) ** 2).mean()), repeats=20, greater_is_better=False,
    )  # fmt: skip
    assert found.columns == ("a", "b", "c")
    expected = 2 * np.array([9, 1]) * X[:, :2].var(axis=0)
    share = np.array(found.mean[:2]) / expected
    assert np.abs(share - 1).max() < tolerance("shuffled_share")
    assert (found.mean[2], found.std[2], found.baseline) == (0, 0, 0)


def test_the_columns_that_matter_come_first(table, model):
    found = model.permutation_importance(table)
    assert set(found.columns[:2]) == {"size", "city"}
    assert sorted(found.columns) == sorted(model.features)
    assert found.mean[1] > 10 * max(found.mean[2], found.mean[3])
    assert found.metric == "rmse"
    assert found.baseline == pytest.approx(model.evaluate(table)["rmse"], rel=CLOSE)
    assert (found.rows, found.repeats) == (300, 5)
    assert found == model.permutation_importance(table, seed=0)
    assert found != model.permutation_importance(table, seed=1)


def test_metrics_by_name_by_function_and_of_ones_own(table, classifier):
    data = table.drop("price")
    by_name = classifier.permutation_importance(data, "auc")
    assert by_name == classifier.permutation_importance(data, lp.metrics.auc_ovr)
    assert classifier.permutation_importance(data).metric == "log_loss"
    own = classifier.permutation_importance(
        data, lambda y, p: float((p.argmax(axis=1) == y).mean())
    )
    assert own.mean == classifier.permutation_importance(data, "accuracy").mean
    assert own.metric == "<lambda>"


def test_an_importance_prints_and_goes_into_json(table, model):
    found = model.permutation_importance(table, repeats=2)
    lines = str(found).splitlines()
    assert lines[0].split() == ["column", "rmse", "worse", "by", "(±", "std)"]
    assert lines[1].split()[0] == found.columns[0]
    assert "on 300 rows, each column shuffled 2 times" in lines[-1]
    assert json.loads(json.dumps(found.to_json()))["columns"] == list(found.columns)


def test_partial_dependence_is_the_mean_prediction_by_hand(table, model):
    found = model.partial_dependence(table, "size", grid=[40, 60.5])
    for value, (mean,) in zip(found.grid, found.mean, strict=True):
        every = model.predict(table.drop("price").with_columns(size=pl.lit(float(value))))
        assert mean == pytest.approx(every.mean(), rel=CLOSE)
    assert found.grid == (40, 60.5)
    assert found.mean[1][0] - found.mean[0][0] == pytest.approx(
        20.5 * 3, rel=tolerance("learned_slope")
    )
    assert (found.outputs, found.rows, found.kind) == (("price",), 300, "number")


def test_grids_are_made_of_quantiles_categories_and_dates(table, model):
    sizes = model.partial_dependence(table, "size").grid
    assert sizes[-1] is None  # training saw missing sizes
    assert list(sizes[:-1]) == sorted(sizes[:-1])
    assert 10 < len(sizes) <= 21
    known = table["size"].drop_nulls()
    assert known.min() < sizes[0] < sizes[-2] < known.max()
    cities = model.partial_dependence(table, "city")
    assert sorted(cities.grid) == ["Kyiv", "Lviv", "Paris"]
    assert (
        cities.mean[cities.grid.index("Paris")][0] > cities.mean[0][0] or cities.grid[0] == "Paris"
    )
    days = model.partial_dependence(table, "day")
    assert all(isinstance(day, datetime.date) for day in days.grid)
    assert days.to_json()["grid"][0] == days.grid[0].isoformat()
    iso = model.partial_dependence(table, "day", grid=["2024-03-01", "2024-04-01"])
    same = [datetime.date(2024, 3, 1), datetime.date(2024, 4, 1)]
    assert iso.mean == model.partial_dependence(table, "day", grid=same).mean


def test_a_class_has_a_column_each_and_two_have_one(table, classifier):
    found = classifier.partial_dependence(table.drop("price"), "size", grid=[50])
    assert found.outputs == ("Kyiv", "Lviv", "Paris")
    assert sum(found.mean[0]) == pytest.approx(1, rel=CLOSE)
    text = str(found).splitlines()
    assert text[0].split() == ["size", "Kyiv", "Lviv", "Paris"]
    assert text[-1] == "mean over 300 rows"


def test_many_rows_are_thinned_and_the_data_stay_as_they_were(model, table):
    many = pl.concat([table] * 10)
    before = many.clone()
    assert model.partial_dependence(many, "noise").rows == 1000
    assert many.equals(before)


def test_names_that_polars_takes_for_patterns():
    data = {"^x$": [0.0, 1, 2, 3] * 6, "*": [1.0, 1, 2, 2] * 6, "^y$": ["a", "b", "b", "b"] * 6}
    model = lp.train(data, "^y$", epochs=2)
    assert set(model.permutation_importance(data, repeats=1).columns) == {"^x$", "*"}
    assert model.partial_dependence(data, "*").grid == (1, 2)


def test_refused_arguments(table, model, classifier):
    data = table.drop("price")
    one = data.filter(pl.col("city") == "Paris")
    cases = [
        (lambda: model.permutation_importance(table, "rmes"), lp.ArgumentError,
         "metric must be one of .*Did you mean 'rmse'"),
        (lambda: model.permutation_importance(table, 3), lp.ArgumentTypeError, "metric must be"),
        (lambda: model.permutation_importance(table, repeats=0), lp.ArgumentError, "received 0"),
        (lambda: model.permutation_importance(table, repeats=1.5), lp.ArgumentTypeError, "whole"),
        (lambda: model.permutation_importance(table, seed=-1), lp.ArgumentError, "seed"),
        (lambda: model.permutation_importance(table, repeat=1), lp.ArgumentTypeError,
         "Did you mean 'repeats'"),
        (lambda: model.permutation_importance(data), lp.DataError, "Target column 'price'"),
        (lambda: classifier.permutation_importance(one, "auc"), lp.DataError,
         "auc is None on these rows"),
        (lambda: model.partial_dependence(table, "sise"), lp.DataError,
         "Feature 'sise' is not .*Did you mean 'size'"),
        (lambda: model.partial_dependence(table, "size", grid=[]), lp.ArgumentError, "grid is emp"),
        (lambda: model.partial_dependence(table, "size", grid=5), lp.ArgumentTypeError, "a list"),
        (lambda: model.partial_dependence(table, "size", grid=[1, "a"]), lp.DataError,
         "grid, column .* mixes int"),
        (lambda: model.partial_dependence(table, "size", grid=["a"]), lp.DataError,
         "column 'size' held numbers in training"),
        (lambda: model.plot("roc", table), lp.ArgumentError, "kind must be one of residuals"),
    ]  # fmt: skip
    for call, kind, words in cases:
        with pytest.raises(kind, match=words):
            call()
    with pytest.warns(lp.LimpideWarning, match="grid: column 'city': 1 of 1 cell .*Oslo"):
        model.partial_dependence(table, "city", grid=["Oslo"])
