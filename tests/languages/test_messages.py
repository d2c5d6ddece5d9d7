"""What learning prints, in every language: words, plural forms, decimal commas, and no English."""

from __future__ import annotations

import json
import re
import shutil
import warnings
from collections import Counter
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console

import limpide as lp
from limpide import program, retelling, terminal
from limpide.cli import limpide_command
from limpide.languages import LANGUAGES, words_in
from limpide.retelling import retold, retold_of
from limpide.stopping import Stop

BAKERY = Path(__file__).parents[2] / "examples" / "data" / "bakery.csv"
OTHERS = [language for language in LANGUAGES if language != "en"]
ENGLISH = {
    *("the", "of", "and", "with", "is", "are", "to", "rows", "row", "cells", "read", "missing"),
    *("columns", "column", "scaled", "loss", "epoch", "saved", "next", "measured", "held"),
    *("classes", "kind", "layer", "parameters", "network", "number", "bytes", "whole", "always"),
}
ENGLISH_IN = {"fr": ENGLISH - {"classes"}, "uk": ENGLISH}


def english(text: str, language: str) -> set[str]:
    """Give the English words that are left in a text, in no name of a file or an option."""
    prose = re.sub(r"limpide \w+ .*|'[^']*'|\S*[._/=]\S*|--[\w-]+", "", text)
    return {word.lower() for word in re.findall(r"[A-Za-z]+", prose)} & ENGLISH_IN[language]


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(BAKERY, "bakery.csv")


def ran(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[str, str]:
    capsys.readouterr()
    assert program.run(limpide_command, words) == 0
    return capsys.readouterr()


TRAIN = ("train", "bakery.csv", "--target", "sold_out", "--epochs", "2", "--drop", "day")


@pytest.mark.parametrize("language", OTHERS)
def test_commands_speak_it(capsys: pytest.CaptureFixture[str], language: str) -> None:
    model = "bakery.safetensors"
    said = [*ran(capsys, *TRAIN, "--out", model, "--language", language)]
    for words in (
        ("evaluate", model, "bakery.csv", "--intervals"),
        ("verify", model),
        ("data",),
        ("data", "xor_table", "--out", "xor.csv"),
        ("export", model, "--out", "model.py", "--to", "python"),
        ("predict", model, "bakery.csv", "--out", "answers.csv"),
    ):
        said += ran(capsys, "--language", language, *words)
    assert english("\n".join(said), language) == set()


def test_training_in_french(capsys: pytest.CaptureFixture[str]) -> None:
    out, err = ran(capsys, *TRAIN, "--language", "fr")
    lines = [line.replace("\u00a0", " ").replace("\u202f", " ") for line in out.split("\n")]
    assert lines[0] == (
        "'bakery.csv' : classification binaire de « sold_out » (texte, 2 valeurs différentes)"
    )
    assert "lignes : 480 pour l'apprentissage, 120 mises de côté" in lines
    assert "Mesuré sur les 120 lignes mises de côté :" in lines
    assert any(re.fullmatch(r"  exactitude  \d\d,\d %  \d+ justes sur 120 ; .*", x) for x in lines)
    assert lines[-3] == "Enregistré dans bakery.safetensors"
    assert re.match(r"époque 1/2\u00a0: perte \d,\d{4}, validation \d,\d{4}\n", err)


def test_training_in_ukrainian(capsys: pytest.CaptureFixture[str]) -> None:
    out, err = ran(capsys, *TRAIN, "--language", "uk")
    lines = out.split("\n")
    assert lines[0] == (
        "'bakery.csv': двокласова класифікація, ціль «sold_out» (текст, різних значень: 2)"
    )
    assert any(re.fullmatch(r"pastry +текст +0  6 категорій, one-hot-кодування", x) for x in lines)
    assert any(re.search(r"4 категорії, one-hot-кодування, відсутні — окремо", x) for x in lines)
    assert "Виміряно на 120 відкладених рядках:" in lines
    assert any(re.match(r"  точність     \d\d,\d\u00a0%  правильно \d+ з 120; ", x) for x in lines)
    assert "епоха 1/2: втрата 0," in err


def test_json_and_csv_are_the_same_in_every_language(capsys: pytest.CaptureFixture[str]) -> None:
    for language in LANGUAGES:
        out, _ = ran(capsys, *TRAIN, "--json", "--out", f"{language}.st", "--language", language)
        said = {k: v for k, v in json.loads(out).items() if "second" not in k and k != "model"}
        table, _ = ran(capsys, "predict", "en.st", "bakery.csv", "--language", language)
        if language == "en":
            expected = said, table
        assert (said, table) == expected


def test_a_model_and_a_network_are_printed_in_the_systems_language(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    net = lp.Network([2, 64, 300, 1], activation="relu")
    monkeypatch.setenv("LANGUAGE", "uk")
    lines = str(net).split("\n")
    assert lines[0].split() == ["шар", "вид", "входи", "виходи", "параметри"]
    assert lines[-1] == "19\u202f993 параметри, float32"
    model = lp.train("bakery.csv", "sold_out", epochs=1, progress=False)
    assert str(model) == model.summary(language="uk")
    assert "показники на відкладених рядках:" in str(model)
    assert "figures on the rows held out:" in model.summary(language="en")
    with pytest.raises(lp.ArgumentError, match="Did you mean 'fr'"):
        model.summary(language="frr")


def _awkward() -> pl.DataFrame:
    """Give a table that has something of every kind that is said of columns."""
    n = 120
    return pl.DataFrame(
        {
            "constant": ["same"] * n,
            "gone": pl.Series([None] * n, dtype=pl.String),
            "id": [f"customer {i}" for i in range(n)],
            "pairs": [f"k{i // 3}" for i in range(n)],
            "kinds": ["abcdefghij"[i % 10] if i % 30 else f"rare {i}" for i in range(n)],
            "when": [f"2020-{i % 12 + 1:02}-{i % 28 + 1:02}" for i in range(n)],
            "price": [f"{i % 17} kg" if i % 9 else "" for i in range(n)],
            "spiky": [float(i) if i % 2 else 0.0 for i in range(n)],
            "code": [f"{i % 6:03}" for i in range(n)],
            "odd": [f"0{i % 9}/0{i % 8 + 1}/2020" for i in range(n)],
            "y": [None if i == 5 else i % 3 for i in range(n)],
        }
    )


@pytest.mark.parametrize("language", OTHERS)
@pytest.mark.parametrize("task", ["auto", "regression"])
@pytest.mark.filterwarnings("ignore::limpide.LimpideWarning")
def test_nothing_that_is_said_of_columns_is_left_in_english(language: str, task: str) -> None:
    table = _awkward()
    table.write_csv("awkward.csv")
    for given in ("awkward.csv", table):
        for preset in ("default", "strong"):
            model = lp.train(given, "y", task=task, preset=preset, epochs=1, progress=False)
            words = words_in(language)
            told = [column.treatment for column in model.preprocessing.columns]
            for sentence in [*told, *model.notes, model.labels.why]:
                assert english(retold(sentence, words), language) == set(), sentence
            assert english(model.summary(language=language), language) == set()


def _odd_files() -> dict[str, str]:
    """Give text tables whose reading leaves a note each, by what is odd of them."""
    rows = [f"{i % 7};{'Aa'[i % 2]} {i % 3};{'ab'[i % 2]}" for i in range(60)]
    kinds = [f"{i},{i % 5} {'€' if i % 3 else 'kg'},{'xy'[i % 2]}" for i in range(60)]
    mixed = [f"{i},{i if i % 3 else 'unknown'},{'xy'[i % 2]}" for i in range(60)]
    huge = [f"{2**70 + i},{i % 9},{'xy'[i % 2]}" for i in range(60)]
    return {
        "delimiter": "\ufeffx;b;y\n" + "\n".join(rows),
        "comma": "x;y\n" + "\n".join(f"{i % 7},5;{i % 2}" for i in range(60)),
        "sep": "sep=;\nx;b;y\n\n" + "\n".join(rows),
        "index": ",b,y\n" + "\n".join(kinds),
        "not a number": "x,b,y\n" + "\n".join(mixed),
        "beyond": "x,b,y\n" + "\n".join(huge),
        "alike": "x,y\n" + "\n".join(f"{i % 7},{['no', 'No', 'N o'][i % 3]}" for i in range(60)),
        "single": "x,y\n" + "\n".join(f"{i},class {i}" for i in range(30)),
        "few": "x,y\n1,a\n2,b\n3,a",
    }


@pytest.mark.parametrize("language", OTHERS)
@pytest.mark.filterwarnings("ignore::limpide.LimpideWarning")
def test_notes_on_odd_files_are_retold(language: str) -> None:
    said, words = {}, words_in(language)
    for what, text in _odd_files().items():
        Path("odd.csv").write_text(text, encoding="utf-8")
        model = lp.train("odd.csv", "y", epochs=1, progress=False)
        said[what] = [*model.notes, *[column.treatment for column in model.preprocessing.columns]]
        for sentence in said[what]:
            assert retold(sentence, words) != sentence, sentence
            assert english(retold(sentence, words), language) - {"unknown"} == set(), sentence
    assert all(len(notes) > 1 for notes in said.values())


@pytest.mark.parametrize("language", OTHERS)
def test_warnings_of_predictions_and_runs_are_retold(language: str) -> None:
    a = ["u", "v", "w", None] * 15
    b = ["rare" if i == 3 else "uvw"[i % 3] for i in range(60)]
    table = {"a": a, "b": b, "c": ["u", "v", "w"] * 20, "y": ["p", "q"] * 30}
    model = lp.train(table, "y", epochs=1, progress=False)
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        model.predict({"a": ["z", "u"], "b": ["rare", "u"], "c": [None, "u"], "d": [1, 2]})
        model.predict({"a": ["z"], "b": ["u"], "c": ["u"]})
        lp.train(table, "y", epochs=1, batch_size=5000, progress=False)
    words = words_in(language)
    sentences = {str(warning.message) for warning in found}
    assert len(sentences) >= 5
    for sentence in sentences:
        assert retold_of(sentence, words) != sentence
        assert english(retold_of(sentence, words), language) == set(), sentence


def test_what_is_retold_keeps_its_values() -> None:
    french, ukrainian = words_in("fr"), words_in("uk")
    text = "'t.csv': column 'a: b': 1 of 1,234 cells is missing, and none was in training; "
    text += "they are taken as the middle of the column"
    assert retold_of(text, french).startswith(
        "'t.csv': colonne 'a: b'\u00a0: 1 cellule sur 1234 manque,"
    )
    assert retold("21 categories, one-hot", ukrainian) == "21 категорія, one-hot-кодування"
    assert retold("target 'y' is 2.5 in every row: it is all there is to predict", french) == (
        "la cible 'y' vaut 2,5 à chaque ligne\u00a0: il n'y a rien d'autre à prédire"
    )
    unknown = "a sentence {of} another version"
    assert retold(unknown, french) == unknown
    assert retold("as asked", words_in("en")) == "as asked"


def test_a_sentence_is_kept_once_and_recognised_as_itself() -> None:
    forms = [form for each in retelling._SENTENCES for form in retelling._each(each)]
    assert [form for form, count in Counter(forms).items() if count > 1] == []
    for sentences, patterns in retelling._recognised():
        for form, pattern in zip(retelling._each(sentences), patterns, strict=True):
            values = {"n": "3", "count": "4", "all": "5", "number": "2.5", "told": "as asked"}
            filled = form.format_map(_Filled(values))
            assert pattern.fullmatch(filled), form
            assert retold(filled, words_in("fr")) != filled


class _Filled(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "'x'"


@pytest.mark.parametrize("language", OTHERS)
def test_the_live_view_fits_and_speaks_it(language: str) -> None:
    history = lp.History(loss=[0.7, 0.05], validation_loss=[0.71, 0.06])
    stop = Stop()
    with open("screen.txt", "w", encoding="utf-8") as file:
        screen = Console(file=file, width=80, height=30, force_terminal=True)
        picture = terminal.Picture(screen, stop, words_in(language), unicode=True)
        reading = _drawn(screen, picture)
        picture.begin(lp.Run(None, history, 20, {}, {}, resumed=0))
        shown = _drawn(screen, picture)
        stop.asked = True
        stopping = _drawn(screen, picture)
        picture.close()
    for text in (reading, shown, stopping):
        assert english(text, language) == set()
        assert max(map(len, text.split("\n"))) <= 80
    assert "0,05000" in shown
    assert "Ctrl-C" in stopping


def _drawn(screen: Console, picture: terminal.Picture) -> str:
    return "\n".join(
        "".join(part.text for part in line)
        for line in screen.render_lines(picture.draw(), pad=False)
    )
