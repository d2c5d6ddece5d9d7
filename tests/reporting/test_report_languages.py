"""The report in French and Ukrainian: no English is left, numbers and plural forms are theirs."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import limpide as lp
from limpide.languages import LANGUAGES, words_in
from limpide.metrics.figures import CLASSIFICATION, REGRESSION
from limpide.reporting import figures
from pages import Page, check, every_kind, mixed

OTHERS = [language for language in LANGUAGES if language != "en"]
BAKERY = Path(__file__).resolve().parents[2] / "examples" / "data" / "bakery.csv"
# Words of English that no name in these tables has, and that neither other language writes so.
ENGLISH = {"the", "of", "and", "with", "are", "is", "what", "not", "from", "to", "each", "rows"}
ENGLISH |= {"row", "missing", "loss", "epoch", "learned", "mean", "always", "most", "right", "left"}
_NAMES = {"limpide", "Python, NumPy", "AUC", "MAE", "RMSE", "R²", "F1", "dropout", "native"}
_NAMES |= {"robust", "date", "Dropout", "1 min 40 s"}


def many_classes() -> lp.Model:
    random = np.random.default_rng(0)
    data: dict[str, Any] = {f"c{i}": random.normal(size=150) for i in range(70)}
    data["target"] = [f"k{i % 25}" for i in range(150)]
    return lp.train(data, "target", epochs=1, progress=False)


def regression() -> lp.Model:
    x = np.random.default_rng(0).normal(size=200)
    noise = np.random.default_rng(1).normal(0, 200, 200)
    return lp.train({"x": x, "y": 90_000 * x + noise}, "y", epochs=60, progress=False)


def loaded(tmp_path: Path) -> lp.Model:
    lp.train(mixed(), "label", epochs=3, progress=False).save(tmp_path / "m.safetensors")
    return lp.load(tmp_path / "m.safetensors")


def interrupted() -> lp.Model:
    model = lp.train(mixed(120), "label", epochs=3, hidden=[4] * 7, progress=False)
    model.history.interrupted, model.history.seconds = True, 100.0
    model.history.stopped = "validation_loss has not fallen for 2 epochs"
    model.facts.recipe["epochs"] = 9
    return model


MODELS = {
    "a file": lambda _: lp.train(str(BAKERY), "sold_out", epochs=40, progress=False),
    "strong": lambda _: lp.train(mixed(400), "label", preset="strong", epochs=2, progress=False),
    "weights": lambda _: lp.train(
        mixed(200), "label", epochs=3, sample_weight=np.linspace(0, 2, 200), progress=False
    ),
    "many classes": lambda _: many_classes(),
    "regression": lambda _: regression(),
    "loaded": loaded,
    "interrupted": lambda _: interrupted(),
    "few rows": lambda _: lp.train({"x": [1.0, 2] * 4, "y": [0, 1] * 4}, "y", epochs=2),
    "one value": lambda _: lp.train(
        {"x": [1.0, 2] * 30, "y": [3.5] * 60}, "y", task="regression", epochs=1, progress=False
    ),
    "every kind": lambda _: lp.train(
        every_kind().with_columns(y=np.resize(["a", "b", "c"], 60)), "y", epochs=1, progress=False
    ),
}


def written(model: lp.Model, folder: Path, language: str) -> str:
    model.report(folder / "report.html", language=language)
    return (folder / "report.html").read_text(encoding="utf-8")


def said(page: Page) -> set[str]:
    """Give all that a page says: its text, and what it calls its parts."""
    labels = {attributes.get("aria-label") or "" for _, attributes in page.tags}
    return {
        " ".join(text.split()) for text in [*page.words, *labels] if re.search("[a-z]{2}", text)
    }


def names_of(model: lp.Model) -> set[str]:
    """Give what a report says in any language: names of columns, classes, layers and values."""
    columns = [column.name for column in model.preprocessing.columns]
    placed = [(place.name, place.layer.describe()) for place in model.network.placed]
    layers = {word for pair in placed for word in pair}
    activations = {layer.rpartition(", ")[2] for layer in layers}
    labels = [] if model.classes is None else map(str, model.classes.tolist())
    cells = model._study.table.frame if model._study is not None else None
    values = set() if cells is None else {str(cell) for row in cells.rows() for cell in row}
    target = {model.target, ", ".join(model.features), BAKERY.name}
    return {*_NAMES, *columns, *layers, *activations, *labels, *values, *target}


@pytest.mark.filterwarnings("ignore::limpide.LimpideWarning")
@pytest.mark.parametrize("which", MODELS)
def test_no_english_is_left(which: str, tmp_path: Path) -> None:
    model = MODELS[which](tmp_path)
    english = said(check(written(model, tmp_path, "en")))
    assert len(english) > 60
    names = names_of(model)
    for language in OTHERS:
        page = check(written(model, tmp_path, language), language)
        same = {text for text in said(page) & english if "limpide predict" not in text} - names
        assert {text for text in same if "…" not in text} == set()
        prose = " ".join(sorted(said(page) - names))
        prose = re.sub(r"limpide \w+ \S*|model\.\S+|'[^']*'|\S*[=(_]\S*", "", prose)
        assert set(re.findall(r"\b[a-z]+\b", prose)) & ENGLISH == set()


@pytest.mark.parametrize("language", OTHERS)
def test_numbers_have_a_decimal_comma(language: str, tmp_path: Path) -> None:
    for model in (MODELS["a file"](tmp_path), regression()):
        page = check(written(model, tmp_path, language), language)
        allowed = {f"Dropout({rate})" for rate in (0.05, 0.1, 0.2)} | {lp.__version__}
        shown = [word for word in said_numbers(page) if not any(a in word for a in allowed)]
        points = [word for word in shown if re.search(r"\d\.\d", word)]
        assert [p for p in points if not re.fullmatch(r"\d+\.\d+\.\d+, \d+\.\d+\.\d+", p)] == []
        assert any(re.search(r"\d,\d\d", word) for word in shown)
        ticks = [word for word in shown if re.fullmatch(r"\d+\s%", word)]
        assert len(ticks) > 10 or model.classes is None
        if model.classes is None:
            assert any("100\u202f000" in word for word in shown)


def said_numbers(page: Page) -> list[str]:
    words = [word.strip() for word in page.words]
    return [w for w in words if re.search(r"\d", w) and "limpide" not in w and "<" not in w]


def test_sentences_in_french_and_ukrainian(tmp_path: Path) -> None:
    model = lp.train(mixed(), "label", epochs=60, progress=False)
    share = f"{100 * model.figures['accuracy']:.1f}".replace(".", ",")
    french = check(written(model, tmp_path, "fr"), "fr").text
    assert "a appris à reconnaître label ( no ou yes ) à partir de 4 colonnes" in french
    assert "Sur 48 lignes qu'il n'a pas vues en apprenant, il donne" in french
    assert f"{share} % de bonnes réponses" in french
    ukrainian = check(written(model, tmp_path, "uk"), "uk").text
    assert "навчилася визначати label ( no або yes ) за 4 стовпцями" in ukrainian
    assert "На 48 рядках, яких вона не бачила під час навчання, вона дає" in ukrainian
    assert f"{share} % правильних відповідей" in ukrainian


def test_none_is_the_systems_language(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = lp.train(mixed(60), "label", epochs=1, progress=False)
    monkeypatch.setenv("LANGUAGE", "uk")
    model.report(tmp_path / "r.html")
    assert '<html lang="uk">' in (tmp_path / "r.html").read_text(encoding="utf-8")
    with pytest.raises(lp.ArgumentError, match="Did you mean 'fr'"):
        model.report(tmp_path / "other.html", language="frr")
    assert not (tmp_path / "other.html").exists()


def test_names_cannot_become_places_of_a_sentence(tmp_path: Path) -> None:
    table = {"{n}": [1.0, 2.0] * 30, "{target}": ["{usual}", "{0}"] * 30}
    model = lp.train(table, "{target}", epochs=1, progress=False)
    for language in LANGUAGES:
        text = check(written(model, tmp_path, language), language).text
        assert "{target}" in text
        assert "{usual}" in text
        assert html.escape("{0}") in text


def test_every_figure_has_a_name_and_a_meaning() -> None:
    words = words_in("fr")
    for name in (*CLASSIFICATION, *REGRESSION):
        assert figures.title(name, words)
        assert figures.meaning(name, words) != figures.meaning(name, words_in("en"))
