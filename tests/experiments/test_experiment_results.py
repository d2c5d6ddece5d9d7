"""Every experiment as text, JSON and picture, in three languages; the page on them runs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

import limpide as lp
from limpide.explain.diagrams.svg import BOLD, text_width

PAGE = Path(__file__).resolve().parents[2] / "docs" / "experiments.md"
SVG = "{http://www.w3.org/2000/svg}"
NAMES = ("bias", "initialization", "learning_rates", "loss_landscape", "xor")


@pytest.fixture(scope="module")
def results() -> dict[str, lp.experiments.Experiment]:
    small = {
        "bias": {"epochs": 50},
        "initialization": {"epochs": 10},
        "learning_rates": {"rates": [0.01, 1.0, 1e9]},
        "loss_landscape": {"points": 11},
        "xor": {"seeds": 40, "epochs": 300},
    }
    return {name: getattr(lp.experiments, name)(**small[name]) for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("language", ["en", "fr", "uk"])
@pytest.mark.parametrize("width", [34, 72, 300])
def test_text_keeps_to_its_width_and_holds_the_engine(results, name, language, width):
    text = results[name].to_text(language, width)
    assert "native" in text
    assert "{" not in text
    long = [line for line in text.splitlines() if len(line) > max(width, 34)]
    assert all(" " not in line.strip() or line == text.splitlines()[0] for line in long), long
    decimals = re.findall(r"\d[.]\d", re.sub(r"\w+\([^)]*\)|^0[.]5", "", text, flags=re.MULTILINE))
    others = re.findall(r"\d,\d(?!\d\d)", text)  # thousands are no decimals
    if language == "en":
        assert decimals
        assert not others
    else:
        assert others


@pytest.mark.parametrize("name", NAMES)
def test_json_has_every_figure_in_full(results, name):
    found = json.loads(results[name].to_json())
    assert found["experiment"] == name
    assert set(found) > set(vars(results[name]))
    assert found["engine"] == "native"


def test_json_gives_arrays_back_to_the_bit(results):
    found = json.loads(results["xor"].to_json())
    losses = results["xor"].starts["glorot"].losses
    assert np.array(found["starts"]["glorot"]["losses"]).tobytes() == losses.tobytes()
    heights = np.array(json.loads(results["loss_landscape"].to_json())["losses"])
    assert heights.tobytes() == results["loss_landscape"].losses.tobytes()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("language", ["en", "fr", "uk"])
def test_pictures_are_whole_described_and_by_themselves(results, name, language):
    text = results[name].to_svg(language)
    root = ET.fromstring(text)
    assert root.tag == f"{SVG}svg"
    assert root.get("role") == "img"
    title, described = root[0], root[1]
    assert (title.tag, described.tag) == (f"{SVG}title", f"{SVG}desc")
    assert root.get("aria-labelledby") == f"{title.get('id')} {described.get('id')}"
    assert len(described.text) > 40
    assert "prefers-color-scheme:dark" in text
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    assert "url(" not in text
    box = [float(v) for v in root.get("viewBox").split()]
    for element in root.iter():
        for key, end in (("x", 2), ("y", 3), ("cx", 2), ("cy", 3)):
            if element.get(key) is not None:
                assert 0 <= float(element.get(key)) <= box[end], (name, key, element.attrib)
        assert not {"nan", "inf"} & set(re.findall("[a-z]+", element.get("d", "").lower()))


@pytest.mark.parametrize("name", NAMES)
def test_names_at_the_ends_of_lines_are_not_cut(results, name):
    root = ET.fromstring(results[name].to_svg("en"))
    for text in root.iter(f"{SVG}text"):
        if text.get("class", "").startswith("e ") and text.get("text-anchor") is None:
            assert float(text.get("x")) + BOLD * text_width(text.text) <= 640, text.text


def test_pictures_on_one_page_have_ids_of_their_own(results):
    ids = re.findall(r' id="(\w+)"', "".join(r.to_svg("en") for r in results.values()))
    assert len(ids) == len(set(ids)) == 2 * len(NAMES)


def test_print_and_notebooks_show_them(results, monkeypatch):
    monkeypatch.setenv("LANGUAGE", "uk")
    for result in results.values():
        assert str(result) == result.to_text("uk", 80)
        assert result._repr_svg_() == result.svg == result.to_svg("uk")


def test_languages_differ_and_english_is_the_code_s_own(results):
    texts = {language: results["bias"].to_text(language) for language in ("en", "fr", "uk")}
    assert texts["en"].startswith("Why a neuron has a bias\n")
    assert texts["fr"].startswith("Pourquoi un neurone a un biais\n")
    assert texts["uk"].startswith("Навіщо нейронові зсув\n")


def test_training_loads_no_experiment():
    code = (
        "import sys, limpide as lp; lp.Network([2, 1]).fit([[0, 1]], [1], epochs=1);"
        "print(any(m.startswith('limpide.experiments') for m in sys.modules));"
        "lp.experiments; print('limpide.experiments' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


def test_the_page_runs_and_its_figures_are_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LANGUAGE", "en")
    names = {"lp": lp}
    text = PAGE.read_text(encoding="utf-8")
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(compile(block, "experiments.md", "exec"), names)
    assert (tmp_path / "landscape.svg").read_text(encoding="utf-8").startswith("<svg")
    assert names["shares"]["uniform(0, 1)"] > names["shares"]["normal(1)"]
