"""The report: what it says, that it stands alone, and that no data can become markup."""

from __future__ import annotations

import copy
import pickle
import re
import sys

import numpy as np
import polars as pl
import pytest

import limpide as lp
from limpide.reporting.markup import clean
from limpide.reporting.style import STYLE
from pages import EVIL, check, every_kind, evil, mixed


@pytest.fixture(scope="module")
def model() -> lp.Model:
    return lp.train(mixed(), "label", epochs=60)


def written(model: lp.Model, tmp_path, *args, **keywords) -> str:
    path = tmp_path / "report.html"
    model.report(path, *args, **keywords)
    return path.read_text(encoding="utf-8")


def test_a_report_says_what_was_learned_and_how_good_it_is(model, tmp_path):
    text = written(model, tmp_path, model_file="my model.safetensors")
    page = check(text)
    accuracy = f"{100 * model.figures['accuracy']:.1f} %"
    assert "learned to tell label ( no or yes ) from 4 columns" in page.text
    assert "On 48 rows that it did not see while learning, it answers" in page.text
    assert f"{accuracy} right" in page.text
    assert re.search(
        r"\(\d\d\.\d % to \d\d\.\d %\); always answering (yes|no) , the most", page.text
    )
    assert "times fewer mistakes than that" in page.text
    for part in ("How good it is", "What it goes by", "The data", "The network", "How it was trai"):
        assert part in page.text
    for name in ("size", "city", "day", "ready"):
        assert name in page.text
    assert "3 categories, one-hot, missing as its own" in page.text
    assert "Confusion matrix" in page.text
    assert "ROC of yes: AUC" in page.text
    assert "limpide predict 'my model.safetensors' data.csv" in page.text
    assert "model = lp.load('my model.safetensors')" in page.text
    assert f"limpide {lp.__version__}" in page.text
    assert len(text) < 100_000
    assert text == written(model, tmp_path, model_file="my model.safetensors")


def test_the_intervals_are_those_of_evaluate(model, tmp_path):
    found = model._study.figures
    data = model._study.table
    again = model.evaluate(data, intervals=True)
    for name, each in found.items():
        assert each.estimate == again[name]
        if each.low is not None:
            assert again["intervals"][name] == [each.low, each.high]
    assert "calibration_error" not in again["intervals"]
    narrow = model.evaluate(data, intervals=0.5)["intervals"]["auc"]
    wide = again["intervals"]["auc"]
    assert wide[0] < narrow[0] < again["auc"] < narrow[1] < wide[1]
    with pytest.raises(lp.ArgumentTypeError, match="intervals must be True or a level"):
        model.evaluate(data, intervals="yes")
    with pytest.raises(lp.ArgumentError, match="level must be between 0 and 1"):
        model.evaluate(data, intervals=95.0)


def test_no_data_become_markup(tmp_path):
    model = lp.train(evil(), "</title>", epochs=2)
    text = written(model, tmp_path)
    page = check(text)
    assert "<script" not in text
    assert "</title>" in page.text
    assert clean(EVIL)[:20] in page.text
    assert "\x00" not in text
    assert "\u202e" not in text
    assert "--><svg onload=1>" in page.text
    assert text.count("<style>") == text.count("</style>") == 1


def test_a_regression_and_one_that_learned_nothing(tmp_path):
    random = np.random.default_rng(0)
    x = random.normal(size=200)
    model = lp.train({"x": x, "y": 3 * x + random.normal(0, 0.1, 200)}, "y", epochs=60)
    page = check(written(model, tmp_path))
    assert "its answers are off by" in page.text
    assert re.search(r"It explains (nearly all|99\.\d %)", page.text)
    assert "Errors beside the answers" in page.text
    guess = lp.train({"x": x, "y": random.integers(0, 2, 200)}, "y", epochs=2)
    page = check(written(guess, tmp_path))
    assert re.search("no better than guessing|may be chance", page.text)
    flat = lp.train({"x": x, "y": np.full(200, 3.5)}, "y", task="regression", epochs=1)
    page = check(written(flat, tmp_path))
    assert "All of these rows have one value" in page.text


def test_many_classes_and_many_columns_are_summed_up(tmp_path):
    random = np.random.default_rng(0)
    n, k = 600, 60
    labels = np.concatenate([np.arange(k), random.integers(0, k, n - k)])
    data = {f"column {i}": random.normal(size=n) for i in range(300)}
    data["label"] = [f"class {label} with quite a long name to show" for label in labels]
    model = lp.train(data, "label", epochs=1)
    text = written(model, tmp_path)
    page = check(text)
    assert len(text.encode()) < 300_000
    assert "And 250 more:" in page.text
    assert "The most frequent mistakes among 60 classes" in page.text
    assert "The 20 with the lowest F1 of 60" in page.text
    assert "(the first 15 of 300)" in page.text


@pytest.mark.parametrize("rows", [2, 4, 19, 25])
def test_tiny_tables_have_a_report(rows, tmp_path):
    data = {"x": [float(i) for i in range(rows)], "y": [i % 2 for i in range(rows)]}
    model = lp.train(data, "y", epochs=2)
    page = check(written(model, tmp_path))
    flattered = "they flatter" in page.text or "figures flatter it" in page.text
    assert flattered == (rows < 20)


@pytest.mark.parametrize("target", ["classes", "numbers"])
def test_columns_of_every_kind_have_a_report_and_effects(target, tmp_path):
    data = every_kind()
    labels = ["a", "", "x" * 300] * 20 if target == "classes" else data["huge"] * 1e-100
    data = data.with_columns(y=pl.Series(labels))
    model = lp.train(data, "y", epochs=1)
    page = check(written(model, tmp_path))
    assert "0001-01-01 to 9999-12-31" in page.text
    importance = model.permutation_importance(data, repeats=1)
    assert len(importance.columns) == len(model.features) == 8
    assert np.isfinite([*importance.mean, *importance.std]).all()
    for name in model.features:
        found = model.partial_dependence(data, name)
        assert np.isfinite(found.mean).all()
        assert len(found.grid) == len(found.labels)


def test_a_model_without_usable_columns_has_a_report(tmp_path):
    model = lp.train({"c": [1] * 30, "x": [1.0, 2, 3] * 10, "y": [0, 1, 0] * 10}, "y", epochs=1)
    page = check(written(model, tmp_path))
    assert "left out : constant" in page.text


def test_a_loaded_model_reports_what_its_file_says_or_on_other_rows(model, tmp_path):
    model.save(tmp_path / "m.safetensors")
    loaded = lp.load(tmp_path / "m.safetensors")
    page = check(written(loaded, tmp_path))
    assert "On 48 rows held out from training, it answered" in page.text
    assert "What it goes by" not in page.text  # there are no rows to try it on
    assert "Confusion matrix" in page.text
    page = check(written(loaded, tmp_path, mixed(100)))
    assert "the 100 rows that were given to measure it" in page.text
    assert "What it goes by" in page.text


def test_an_interrupted_training_is_said(tmp_path):
    model = lp.train(mixed(60), "label", epochs=3)
    model.history.interrupted = True
    model.facts.recipe["epochs"] = 9
    page = check(written(model, tmp_path))
    assert "Training was interrupted after 3 of 9 epochs." in page.text


def test_matplotlib_is_not_needed(model, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    check(written(model, tmp_path))


def test_copies_and_files_hold_no_data(model, tmp_path):
    assert model._study is not None
    for again in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert again._study is None
        assert "measured after training" in check(written(again, tmp_path)).text.lower()


def test_a_given_table_may_miss_columns_that_were_left_out(tmp_path):
    data = {"c": [1] * 40, "x": [1.0, 2, 3, 4] * 10, "y": [0, 1, 0, 1] * 10}
    model = lp.train(data, "y", epochs=1)
    check(written(model, tmp_path, {"x": data["x"], "y": data["y"]}))


def test_weights_count_in_the_figures(tmp_path):
    data = mixed(200)
    model = lp.train(data, "label", epochs=3, sample_weight=np.linspace(0, 2, 200))
    page = check(written(model, tmp_path))
    assert f"{100 * model.figures['accuracy']:.1f} %" in page.text


def test_where_a_report_cannot_be_written_nothing_changes(model, tmp_path):
    path = tmp_path / "report.html"
    path.write_text("mine")
    with pytest.raises(lp.FileError, match=r"report\.html"):
        model.report(path, overwrite=False)
    assert path.read_text() == "mine"
    with pytest.raises(lp.FileError):
        model.report(tmp_path / "nowhere" / "report.html")
    with pytest.raises(lp.DataError, match="Target column 'label'"):
        model.report(path, mixed().drop("label"))
    with pytest.raises(lp.ArgumentTypeError, match="has no argument 'modelfile'"):
        model.report(path, modelfile="x")
    assert path.read_text() == "mine"
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]


def luminance(colour: str) -> float:
    """Give the relative luminance of #rgb or #rrggbb, as WCAG 2 defines it."""
    digits = colour[1:] if len(colour) == 7 else "".join(2 * c for c in colour[1:])
    channels = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_text_stands_out_in_both_themes_and_on_paper():
    themes = re.findall(r":root\{([^}]*)\}", STYLE)
    assert len(themes) == 3
    for theme in themes:
        colours = dict(re.findall(r"--(\w+):(#\w+)", theme))
        for text in ("ink", "soft", "c0", "c1"):
            for ground in ("paper", "card"):
                light, dark = sorted(map(luminance, (colours[text], colours[ground])))[::-1]
                assert (light + 0.05) / (dark + 0.05) >= 4.5, (text, ground, theme[:40])
        for line in ("c2", "c3", "c4", "c5", "bar", "edge"):
            light, dark = sorted(map(luminance, (colours[line], colours["paper"])))[::-1]
            assert (light + 0.05) / (dark + 0.05) >= 3 or line == "edge", (line, theme[:40])


def test_a_report_is_of_the_rows_that_were_held_out(model):
    study = model._study
    figures = {name: each.estimate for name, each in study.figures.items()}
    kept = {name: value for name, value in model.figures.items() if name in figures}
    assert figures == kept
    assert study.rows == study.table.n_rows == model.facts.held_out
    assert isinstance(study.table.frame, pl.DataFrame)


def test_epochs_are_whole_numbers_on_the_axis(tmp_path):
    for epochs in (1, 2, 3, 30):
        text = written(lp.train(mixed(), "label", epochs=epochs), tmp_path, overwrite=True)
        chart = re.search(r"<svg[^>]*losses-t.*?</svg>", text, re.DOTALL)
        labels = re.findall(r'text-anchor="middle"[^>]*>([^<]*)<', chart[0])
        assert labels
        assert all(label.isdigit() for label in labels), labels
