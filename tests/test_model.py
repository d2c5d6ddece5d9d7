"""Models: tables in, labels and figures out; files that come back the same."""

from __future__ import annotations

import copy
import pickle
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest

import limpide as lp
from limpide import storage
from limpide.metrics import regression_figures
from limpide.recipe import split_rows


@pytest.fixture(scope="module")
def mixed() -> pl.DataFrame:
    """Numbers, text, dates and gaps; the label depends on size and city."""
    random = np.random.default_rng(0)
    n = 240
    size = random.normal(170, 10, n)
    city = random.choice(["Kyiv", "Lviv", "Paris"], n)
    label = np.where((size > 170) ^ (city == "Paris"), "yes", "no")
    sizes = [None if i % 12 == 0 else float(v) for i, v in enumerate(size)]
    cities = [None if i % 30 == 7 else str(v) for i, v in enumerate(city)]
    days = pl.date_range(pl.date(2024, 1, 1), pl.date(2024, 8, 27), eager=True)
    shops = [f"shop{i % 15}" for i in range(n)]
    return pl.DataFrame({"size": sizes, "city": cities, "day": days, "shop": shops, "label": label})


@pytest.fixture(scope="module")
def model(mixed: pl.DataFrame) -> lp.Model:
    return lp.train(mixed, "label", epochs=60)


def test_a_model_learns_from_numbers_text_and_gaps(model):
    assert model.task == "binary"
    assert model.classes.tolist() == ["no", "yes"]
    assert model.features == ["size", "city", "day", "shop"]
    assert model.facts.rows == 192
    assert model.facts.held_out == 48
    assert model.figures["accuracy"] > 0.75  # chance is one half
    assert model.figures["loss"] == pytest.approx(model.figures["log_loss"], rel=1e-5)
    assert len(model.history.validation_loss) == 60


def test_a_saved_model_predicts_the_same_bits(mixed, model, tmp_path):
    model.save(tmp_path / "m.safetensors")
    again = lp.load(tmp_path / "m.safetensors")
    assert isinstance(again, lp.Model)
    assert np.array_equal(again.predict_proba(mixed), model.predict_proba(mixed))
    assert again.predict(mixed).tolist() == model.predict(mixed).tolist()
    assert again.summary() == model.summary()
    assert (again.figures, again.notes) == (model.figures, model.notes)
    assert again.history.loss == model.history.loss
    again.save(tmp_path / "n.safetensors")
    assert (tmp_path / "n.safetensors").read_bytes() == (tmp_path / "m.safetensors").read_bytes()


def test_load_gives_a_network_for_a_network(tmp_path):
    lp.Network([2, 1], seed=0).save(tmp_path / "net.safetensors")
    assert isinstance(lp.load(tmp_path / "net.safetensors"), lp.Network)


def test_a_file_that_says_something_else_is_refused(model, tmp_path):
    path = tmp_path / "m.safetensors"
    model.save(path)
    stored = storage.read(path)
    storage.write(path, stored.tensors, stored.metadata | {"kind": "forest"})
    with pytest.raises(lp.ModelFileError, match=r"metadata.kind must be one of model, network"):
        lp.load(path)
    table = storage.unpack_json(stored.tensors["table"], "table")
    for place, value, message in [
        ("task", "multiclass", "its network has"),
        ("kind", "boolean", r"target.classes\[0\] must be true or false"),
        ("classes", ["no", "no"], "target.classes must be distinct"),
        ("scale", 0, "target.scale must be from"),
    ]:
        wrong = copy.deepcopy(table)
        wrong["target"][place] = value
        if place == "task":
            wrong["target"]["classes"] = ["a", "b", "c"]
            wrong["facts"]["figures"] = {}
        tensors = stored.tensors | {"table": storage.pack_json(wrong)}
        storage.write(path, tensors, stored.metadata)
        with pytest.raises(lp.ModelFileError, match=message):
            lp.load(path)


def test_copies_predict_the_same_bits(mixed, model):
    expected = model.predict_proba(mixed)
    for again in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert np.array_equal(again.predict_proba(mixed), expected)


def test_the_same_seed_gives_the_same_bits_another_another(mixed):
    one, two = (lp.train(mixed, "label", epochs=2, seed=5) for _ in range(2))
    other = lp.train(mixed, "label", epochs=2, seed=6)
    assert np.array_equal(one.predict_proba(mixed), two.predict_proba(mixed))
    assert not np.array_equal(one.predict_proba(mixed), other.predict_proba(mixed))


@pytest.mark.parametrize("form", ["pandas", "dict", "arrow", "lazy", "csv"])
def test_every_form_of_a_table_gives_the_same_bits(mixed, model, form, tmp_path):
    expected = model.predict_proba(mixed)
    if form == "csv":
        mixed.write_csv(tmp_path / "t.csv")
        data = str(tmp_path / "t.csv")
    else:
        data = {
            "pandas": lambda: pd.DataFrame(mixed.to_dict(as_series=False)),
            "dict": lambda: mixed.to_dict(as_series=False),
            "arrow": mixed.to_arrow,
            "lazy": mixed.lazy,
        }[form]()
    assert np.array_equal(model.predict_proba(data), expected)
    trained = lp.train(data, "label", epochs=2)
    assert np.array_equal(
        trained.predict_proba(mixed), lp.train(mixed, "label", epochs=2).predict_proba(mixed)
    )


def test_an_array_s_columns_are_numbered():
    random = np.random.default_rng(0)
    X = random.normal(size=(60, 3))
    data = np.column_stack([X, X[:, 0] > 0])
    model = lp.train(data, 3, epochs=100)
    assert (model.target, model.features) == ("x3", ["x0", "x1", "x2"])
    assert model.classes.tolist() == [0.0, 1.0]
    assert np.mean(model.predict(X) == data[:, 3]) > 0.9
    with pytest.raises(lp.DataError, match="Target column '9' is not in the table"):
        lp.train(data, 9)


def test_one_row_is_a_dict(mixed, model):
    row = mixed.drop("label").row(1, named=True)
    assert model.predict(row).tolist() == model.predict(mixed[1]).tolist()
    assert model.predict_proba(row).shape == (1, 2)


def test_a_row_s_prediction_does_not_depend_on_the_rows_beside_it(mixed, model):
    expected = model.predict_proba(mixed)
    for start, stop in ((0, 1), (3, 8), (100, 240)):
        assert np.array_equal(model.predict_proba(mixed[start:stop]), expected[start:stop])
    many = pl.concat([mixed] * 3)
    assert np.array_equal(model.predict_proba(many), np.tile(expected, (3, 1)))


def test_columns_in_another_order_give_the_same_bits(mixed, model):
    turned = mixed.select(reversed(mixed.columns))
    assert np.array_equal(model.predict_proba(turned), model.predict_proba(mixed))


def test_columns_and_categories_that_are_new_are_said(mixed, model):
    row = mixed.head(2).with_columns(city=pl.lit("Odesa"), note=pl.lit("x"))
    with pytest.warns(lp.LimpideWarning) as seen:
        model.predict(row)
    assert [str(w.message) for w in seen] == [
        "polars DataFrame: column 'city': 2 of 2 cells hold categories that the model does not "
        "know ('Odesa'); they are taken as other",
        "polars DataFrame: 1 column that the model does not use: 'note'",
    ]
    assert seen[0].filename == __file__


def test_an_unseen_category_takes_the_mean_of_the_seen():
    codes = np.arange(720) % 120
    table = {"city": [f"c{code}" for code in codes], "label": np.where(codes % 3, "yes", "no")}
    model = lp.train(table, "label", validation=0, epochs=2)
    table = model.params["columns.embedding1.table"]
    assert table.shape == (121, 11)
    assert np.all(table[0] >= table[1:].min(axis=0))
    assert np.all(table[0] <= table[1:].max(axis=0))


def test_a_failed_call_leaves_the_model_as_it_was(mixed, model):
    before = {n: a.copy() for n, a in model.params.items()}
    expected, summary = model.predict_proba(mixed), model.summary()
    with pytest.raises(lp.DataError, match=r"lacks 1 of the 4 columns .*'city'"):
        model.predict(mixed.drop("city"))
    with pytest.raises(lp.DataError, match=r"'city' \(did you mean 'citi'\?\)"):
        model.predict(mixed.rename({"city": "citi"}))
    with pytest.raises(lp.DataError, match="Target column 'label' is not in the table"):
        model.evaluate(mixed.drop("label"))
    with pytest.raises(lp.DataError, match=r"the first 'maybe' in index 0; it knows no, yes"):
        model.evaluate(mixed.with_columns(label=pl.lit("maybe")))
    assert all(np.array_equal(before[n], a) for n, a in model.params.items())
    assert np.array_equal(model.predict_proba(mixed), expected)
    assert model.summary() == summary


def test_evaluate_gives_figures_and_leaves_out_rows_without_a_target(mixed, model):
    figures = model.evaluate(mixed)
    assert list(figures)[:4] == ["loss", "accuracy", "auc", "log_loss"]
    assert list(figures)[-1] == "confusion"
    hits = model.predict(mixed) == np.array(mixed["label"].to_list())
    assert figures["accuracy"] == hits.mean()
    more = pl.concat([mixed, mixed.head(3).with_columns(label=pl.lit(None, pl.String))])
    assert model.evaluate(more) == figures
    with pytest.raises(lp.DataError, match="target column 'label': every cell is missing"):
        model.evaluate(mixed.with_columns(label=pl.lit(None, pl.String)))


def test_the_summary_says_what_was_done():
    table = {
        "x": [float(i % 9) for i in range(30)],
        "word": ["a", "b", None] * 10,
        "same": [1] * 30,
        "y": ["p", "q"] * 15,
    }
    text = lp.train(table, "y", epochs=3).summary()
    assert text.startswith(
        "dict of columns: binary of 'y' (text, 2 different)\n"
        "classes: p, q\n"
        "rows: 24 trained on, 6 held out\n"
        "\n"
        "column  kind    missing  treatment\n"
        "x       number        0  scaled by median and quartiles\n"
    )
    assert "same    number        0  left out: constant, '1' in every row\n" in text
    assert "2 categories, one-hot, missing as its own" in text
    assert "3 epochs, batches of 16 rows, rate 0.003, seed 0" in text
    assert "figures on the rows held out:\n  accuracy  " in text
    assert "loss " not in text.replace("log_loss ", "")
    assert text.count("'1' in every row") == 1


def test_the_summary_of_one_row_a_step_and_of_a_regression():
    text = lp.train({"x": [1.0, 2, 4], "y": [1.5, 2, 3]}, "y", epochs=1, batch_size=1).summary()
    assert "; 1 epoch, batches of 1 row, " in text
    data = {"x": [float(i) for i in range(40)], "y": [i / 2 for i in range(40)]}
    text = lp.train(data, "y", epochs=1).summary()
    assert "figures on the rows held out:\n  rmse " in text
    assert "  loss " not in text


def test_names_in_the_summary_obey_nobody():
    data = {"x": [1.0, 2, 3, 4], "\u202ey": ["\x1b[2J", "b" * 300] * 2}
    text = lp.train(data, "\u202ey", epochs=1).summary()
    assert all(line.isprintable() for line in text.splitlines())
    assert "classes: \ufffd[2J, " + "b" * 39 + "…\n" in text


def test_labels_stay_in_their_own_type():
    x = [float(i) for i in range(10)]
    for labels, kind in ((["a", "b"], "U"), ([True, False], "b"), ([4, 7], "i"), ([0.0, 1.0], "f")):
        found = lp.train({"x": x, "y": labels * 5}, "y", epochs=1).predict({"x": x})
        assert found.dtype.kind == kind
        assert set(found.tolist()) <= set(labels)


def test_regression_is_told_in_the_target_s_unit():
    random = np.random.default_rng(0)
    X = random.normal(size=(400, 3))
    y = 1000 * X[:, 0] + random.normal(size=400)
    data = {"a": X[:, 0], "b": X[:, 1], "c": X[:, 2]}
    model = lp.train(data | {"y": y}, "y")
    assert model.task == "regression"
    assert model.classes is None
    assert model.figures["r2"] > 0.99
    assert regression_figures(y, model.predict(data))["r2"] > 0.99
    with pytest.raises(lp.ArgumentTypeError, match="this model's task is regression"):
        model.predict_proba(data)


@pytest.mark.parametrize("power", [-300, -200, 200, 300])
def test_no_size_makes_the_loss_infinite(power, tmp_path):
    x = np.arange(40.0)
    data = {"x": x * 10.0**power, "y": (x - 20) * 10.0**power}
    model = lp.train(data, "y", task="regression", epochs=200)
    assert np.isfinite(model.history.loss).all()
    assert np.isfinite(model.figures["loss"])
    assert model.figures["r2"] > 0.9
    model.save(tmp_path / "m.safetensors")
    assert np.array_equal(lp.load(tmp_path / "m.safetensors").predict(data), model.predict(data))


@pytest.mark.parametrize("n", [2, 5, 20])
def test_small_tables_work(n):
    data = {"x": [float(i) for i in range(n)], "y": [2 * i >= n for i in range(n)]}
    model = lp.train(data, "y")
    assert model.predict(data).tolist() == data["y"]
    assert (model.figures is None) == (n < 20)
    if n < 20:
        assert model.notes[-1] == f"no rows are held out, since there are only {n}"


def test_xor_is_learned():
    data = {"a": [0, 0, 1, 1], "b": [0, 1, 0, 1], "y": [0, 1, 1, 0]}
    assert lp.train(data, "y").predict(data).tolist() == [0, 1, 1, 0]


def test_rows_are_held_out_by_class():
    codes = np.array([0] * 60 + [1] * 30 + [2])
    train, held, _ = split_rows(np.arange(91), codes, 0.2, 0)
    assert np.bincount(codes[held], minlength=3).tolist() == [12, 6, 0]
    assert sorted([*train, *held]) == list(range(91))
    other = split_rows(np.arange(91), codes, 0.2, 1)[1]
    assert held.tolist() != other.tolist()
    assert len(split_rows(np.arange(91), None, 0.2, 0)[1]) == 18
    assert split_rows(np.arange(91), codes, 0.0, 0)[1].size == 0


def test_a_class_with_one_row_is_trained_on():
    data = {"x": [float(i) for i in range(41)], "y": ["a", "b"] * 20 + ["c"]}
    model = lp.train(data, "y", epochs=1)
    assert model.classes.tolist() == ["a", "b", "c"]
    assert np.array(model.figures["confusion"]).sum(axis=1).tolist() == [4, 4, 0]
    assert "class 'c' has 1 row, which is trained on; none is held out" in model.notes


def test_rows_without_a_target_are_left_out_and_said():
    data = {"x": [1.0, 2, 3, 4], "y": ["a", None, "b", "a"]}
    model = lp.train(data, "y", epochs=1)
    assert model.facts.rows == 3
    assert "1 row without a target ('y') is left out" in model.notes
    with pytest.raises(lp.DataError, match="target column 'y': every cell is missing"):
        lp.train({"x": [1, 2], "y": [None, None]}, "y")


def test_weights_of_rows_and_classes_move_the_prediction():
    data = {"x": [0.0, 1] * 20, "y": ["a", "b", "b", "a"] * 10}
    even = lp.train(data, "y", validation=None).predict_proba({"x": 0.0})[0, 1]
    weighted = lp.train(data, "y", validation=None, class_weight={"b": 9})
    heavy = np.where(np.array(data["y"]) == "b", 9.0, 1.0)
    by_row = lp.train(data, "y", validation=None, sample_weight=heavy)
    assert abs(even - 0.5) < 0.1
    assert weighted.predict_proba({"x": 0.0})[0, 1] > 0.75
    assert np.array_equal(by_row.params["output.weights"], weighted.params["output.weights"])
    with pytest.raises(lp.ShapeError, match=r"sample_weight has shape \[3\]; X has 40 rows"):
        lp.train(data, "y", sample_weight=[1, 1, 1])


def test_options_out_of_range_are_named():
    data = {"x": [1.0, 2, 3, 4], "y": ["a", "b", "b", "a"]}
    for options, message in [
        ({"validation": 1.5}, "validation is the share of rows held out, from 0 to below 1"),
        ({"validation": float("nan")}, "validation must be finite"),
        ({"scaling": "robst"}, "scaling must be one of robust, standard.*Did you mean 'robust'"),
        ({"task": "classes"}, "task must be one of auto, binary, multiclass, regression"),
        ({"hidden": 0}, "hidden must be at least 1; received 0"),
        ({"hidden": [8, -1]}, r"hidden\[1\] must be at least 1"),
        ({"epochs": 0}, "epochs must be at least 1"),
        ({"batch_size": -3}, "batch_size must be at least 1"),
        ({"learning_rate": 0}, "learning_rate must be above 0"),
        ({"seed": -1}, "seed"),
        ({"delimiter": ";"}, "delimiter=';' is for text tables"),
    ]:
        with pytest.raises(lp.ArgumentError, match=message):
            lp.train(data, "y", **options)
    for options, message in [
        ({"hidden": "64"}, "hidden must be a size or a list of sizes"),
        ({"epochs": 1.5}, "epochs must be a whole number"),
    ]:
        with pytest.raises(lp.ArgumentTypeError, match=message):
            lp.train(data, "y", **options)
    with pytest.raises(lp.MemoryLimitError, match=r"parameters needs about .* GiB"):
        lp.train(data, "y", hidden=10**9)
    with pytest.raises(lp.DataError, match=r"Target column 'z' .*Its 2 columns: 'x', 'y'"):
        lp.train(data, "z")


def test_standard_scaling_and_no_hidden_layer_make_a_linear_regression():
    x = np.linspace(-1, 1, 50)
    model = lp.train({"x": x, "y": 3 * x + 1}, "y", scaling="standard", hidden=[])
    assert [p.name for p in model.network.placed] == ["columns", "output"]
    assert np.abs(model.predict({"x": [0.0, 5.0]}) - [1, 16]).max() < 0.5


def test_any_name_of_a_column_is_only_a_name(tmp_path):
    names = ["^x$", "*", "count"]
    x = [float(i) for i in range(40)]
    data = dict.fromkeys(names, x) | {"a\nb": ["u", "v"] * 20, "cell": [True, False] * 20}
    data |= {"^y$": ["p", "q"] * 20}
    model = lp.train(data, "^y$")
    assert model.features == ["^x$", "*", "count", "a\nb", "cell"]
    assert model.predict(data).tolist() == data["^y$"]
    assert model.evaluate(data)["accuracy"] == 1
    model.save(tmp_path / "m.safetensors")
    assert lp.load(tmp_path / "m.safetensors").features == model.features
    assert lp.train(data | {"^y$": x}, "^y$", epochs=1).task == "regression"


def test_columns_that_are_treated_alike_share_a_line():
    data = {f"f{i}": [float(i), 2, 3, -i] for i in range(250)}
    data |= {"n": [1, None, 2, 3], "y": [0, 1, 0, 1]}
    lines = lp.train(data, "y", epochs=1).summary().splitlines()
    assert "f0 … f249 (250)  number        0  scaled by median and quartiles" in lines
    assert lines[6].startswith(
        "n                number        1  scaled by median and quartiles, ex"
    )
    mixed = {f"f{i}": [float(i), 2, 3, -i] if i % 2 else list("abab") for i in range(100)}
    text = lp.train(mixed | {"y": [0, 1, 0, 1]}, "y", epochs=1).summary()
    assert "\nf39  " in text
    assert "\nf40  " not in text
    assert "… and 60 more columns\n" in text


def test_a_table_is_not_changed_by_training(mixed):
    before = mixed.clone()
    lp.train(mixed, "label", epochs=1)
    assert mixed.equals(before)


def test_predicting_with_the_target_there_is_silent(mixed, model):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.predict(mixed)
    assert repr(model).startswith("<Model binary of 'label' from 4 columns:")
    assert str(model) == model.summary()


@pytest.mark.long
def test_spambase_in_five_folds_with_no_option_but_the_target(spambase_path):
    from sklearn.model_selection import StratifiedKFold

    table = pl.read_csv(spambase_path, infer_schema_length=None)
    y = table["spam"].to_numpy()
    figures = []
    for train, test in StratifiedKFold(5, shuffle=True, random_state=0).split(np.zeros(len(y)), y):
        figures.append(lp.train(table[train], "spam").evaluate(table[test]))
    mean = {name: np.mean([f[name] for f in figures]) for name in ("accuracy", "auc", "log_loss")}
    assert mean["accuracy"] >= 0.945
    assert mean["auc"] >= 0.983
    assert mean["log_loss"] <= 0.175


def test_a_number_is_not_cut_to_a_class():
    data = {"x": [0.0, 1, 2, 3], "y": [0, 1, 0, 1]}
    model = lp.train(data, "y", epochs=1)
    with pytest.raises(lp.DataError, match=r"the first 0.9 in index 1; .* looks like regression"):
        model.evaluate({"x": [0.0, 1], "y": [1.0, 0.9]})


def test_wrong_keywords_are_answered_with_the_nearest():
    data = {"x": [0.0, 1, 2, 3], "y": [0, 1, 0, 1]}
    with pytest.raises(
        lp.ArgumentTypeError, match=r"train has no argument 'epoch'\. Did you mean 'epochs'"
    ):
        lp.train(data, "y", epoch=1)
    with pytest.raises(
        lp.ArgumentTypeError, match=r"train: missing .* 'target'. It takes data, ta"
    ):
        lp.train(data)
    model = lp.train(data, "y", epochs=1)
    for call, name in (
        (model.predict, "predict"),
        (model.predict_proba, "predict_proba"),
        (model.evaluate, "evaluate"),
        (model.save, "save"),
        (model.summary, "summary"),
    ):
        with pytest.raises(lp.ArgumentTypeError, match=rf"Model.{name} has no argument 'oops'"):
            call(oops=1)


@pytest.mark.parametrize("target", [None, np.zeros(4), [0, 1, 0, 1], 1.5])
def test_a_target_is_the_name_of_a_column(target):
    with pytest.raises(lp.ArgumentTypeError, match="target is the name of a column") as caught:
        lp.train(np.zeros((4, 2)), target)
    assert len(str(caught.value)) < 200


def test_validation_is_a_share():
    data = {"x": [0.0, 1], "y": [0, 1]}
    with pytest.raises(lp.ArgumentTypeError, match=r"such as 0.2; received a tuple. Measure on"):
        lp.train(data, "y", validation=(pl.DataFrame(data), pl.DataFrame(data)))


def test_a_batch_of_more_rows_than_there_are_is_said():
    data = {"x": [0.0, 1, 2, 3], "y": [0, 1, 0, 1]}
    with pytest.warns(lp.LimpideWarning, match="batch_size is 99, and there are 4 rows") as seen:
        model = lp.train(data, "y", epochs=1, batch_size=99)
    assert model.facts.recipe["batch_size"] == 4
    assert [w.filename for w in seen] == [__file__]


def test_notes_tell_what_was_assumed_of_the_target():
    x = [float(i) for i in range(20)]
    digits = lp.train({"x": x, "y": list(range(10)) * 2}, "y", epochs=1)
    assert "10 different whole numbers: taken as classes; task='regression'" in digits.summary()
    spelt = lp.train({"x": x, "y": ["ham", "Ham"] * 10}, "y", epochs=1)
    assert spelt.notes[0].startswith("classes 'Ham' and 'ham' of 'y' differ only in case")
    same = lp.train({"x": x, "y": [0.5] * 20}, "y", epochs=1)
    assert same.notes == ["target 'y' is 0.5 in every row: it is all there is to predict"]


def test_left_out_columns_are_notes_and_a_line_of_the_summary():
    model = lp.train({"x": [1.0, 2, 3], "c": [1, 1, 1], "y": [0, 1, 0]}, "y", epochs=1)
    assert "column 'c' is left out: constant, '1' in every row" in model.notes
    assert model.summary().count("left out") == 1


def test_a_matrix_of_many_classes_is_not_kept(tmp_path):
    data = {"x": [float(i % 51) for i in range(204)], "y": [f"c{i % 51}" for i in range(204)]}
    model = lp.train(data, "y", epochs=1)
    assert list(model.figures) == list(model.evaluate(data))
    assert list(model.figures)[:4] == ["loss", "accuracy", "auc", "log_loss"]
    assert "confusion" not in model.figures
    model.save(tmp_path / "m.safetensors")
    assert lp.load(tmp_path / "m.safetensors").figures == model.figures


def test_a_saved_model_remembers_how_its_training_ended(tmp_path):
    data = {"x": [0.0, 1, 2, 3], "y": [0, 1, 0, 1]}
    model = lp.train(data, "y", epochs=1)
    for best in (None, 3):
        history = model.history
        history.interrupted, history.stopped, history.best_epoch = True, "no better", best
        model.save(tmp_path / "m.safetensors")
        assert lp.load(tmp_path / "m.safetensors").history == history


@pytest.mark.parametrize("labels", [["a", "b"], ["a", "b", "c"]])
def test_small_probabilities_are_kept(labels, tmp_path):
    data = {"x": [float(i) for i in range(12)], "y": labels * (12 // len(labels))}
    model = lp.train(data, "y", epochs=1)
    model.params["output.weights"][:] = 0
    model.params["output.bias"][-1] = 50
    found = model.predict_proba(data)
    assert found[0, 0] == pytest.approx(np.exp(-50), rel=1e-6)
    assert model.evaluate({"x": [0.0], "y": ["a"]})["log_loss"] == pytest.approx(50, rel=0.5)
    model.save(tmp_path / "m.safetensors")
    assert np.array_equal(lp.load(tmp_path / "m.safetensors").predict_proba(data), found)


def test_a_matrix_of_just_the_features_and_one_row_of_it(tmp_path):
    random = np.random.default_rng(0)
    A = random.normal(size=(60, 3))
    A[:, 1] = A[:, 0] > 0
    model = lp.train(A, 1, epochs=3)
    model.save(tmp_path / "m.safetensors")
    expected, likely = model.predict(A), model.predict_proba(A)
    for same in (model, lp.load(tmp_path / "m.safetensors")):
        assert np.array_equal(same.predict(A[:, [0, 2]]), expected)
        assert same.predict(A[0]) == same.predict(A[0, [0, 2]]) == expected[0]
        assert np.array_equal(same.predict_proba(A[5]), likely[5])
    for wrong, count in ((A[:, :1], 1), (A[0, :1], 1), (np.zeros((2, 7)), 7)):
        with pytest.raises(
            lp.DataError, match=f"trained on 2 columns of an array; this one has {count}. Give tho"
        ):
            model.predict(wrong)
    with pytest.raises(lp.DataError, match="Target column 'x1' is not in the table"):
        model.evaluate(A[:, [0, 2]])
    named = lp.train({"a": A[:, 0], "y": A[:, 1]}, "y", epochs=1)
    with pytest.raises(lp.DataError, match="model was trained on named columns"):
        named.predict(A)


@pytest.mark.parametrize("name", ["spiral", "gaussians"])
def test_winding_pictures_of_two_columns_are_learned_with_no_option(name):
    X, y = getattr(lp.datasets, name)(500, seed=3)
    model = lp.train({"a": X[:, 0], "b": X[:, 1], "y": y}, "y")
    assert model.figures["accuracy" if name == "spiral" else "r2"] > 0.85


def test_a_linear_law_is_found_in_few_rows_and_in_skewed_columns():
    random = np.random.default_rng(0)
    for X in (random.normal(size=(100, 5)), random.exponential(size=(400, 3))):
        data = {f"x{i}": column for i, column in enumerate(X.T)}
        data["y"] = 1000 * X[:, 0] + random.normal(size=len(X))
        assert lp.train(data, "y").figures["r2"] > 0.99


def test_a_wrong_target_is_named_where_it_stands_though_rows_without_one_are_left_out(tmp_path):
    lines = ["x,y", *(f"{i},{'' if i % 3 == 0 else i}" for i in range(30)), "30,0.5"]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    with pytest.raises(lp.DataError, match=r"row 31 \(line 32\)"):
        lp.train(tmp_path / "t.csv", "y", task="multiclass")
