"""Reading a diagnosis: text, JSON and HTML, in three languages, and the page that lists it all."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import limpide as lp
from limpide.explain import Diagnosis
from limpide.explain.doctor.thresholds import THRESHOLDS
from limpide.explain.doctor.wording import KINDS
from limpide.languages import LANGUAGES
from pages import Page

RNG = np.random.default_rng(11)
X = RNG.normal(size=(300, 4))
Y = (X[:, 0] * X[:, 1] > 0) * 1.0
DOCS = Path(__file__).resolve().parents[3] / "docs" / "doctor.md"


def many() -> Diagnosis:
    """Give a diagnosis with many findings."""
    rows = np.c_[X, np.ones(300), X[:, 1], X[:, 2] * 3000]
    zeros = [lp.Dense(4, "tanh", weights=lp.zeros), lp.Dense(1, "sigmoid", weights=lp.zeros)]
    net = lp.Network([7, *zeros], seed=0)
    return net.doctor(rows, Y, optimizer=lp.SGD(1e-9), language="en")


def test_the_gravest_comes_first_and_printing_reads_all() -> None:
    found = many()
    assert [f.severity for f in found] == ["serious", "warning", "note", "note"]
    assert len(found) == 4
    said = str(found)
    assert said.startswith("4 findings (looked at 300 rows).")
    for finding in found:
        assert finding.title("en") in said
        assert finding.code in said


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("width", [50, 88])
def test_text_fits_its_width(language: str, width: int) -> None:
    found = many()
    lines = found.to_text(language, width).splitlines()
    codes = {f"      {f.code}" for f in found}
    assert max(len(line) for line in lines if line not in codes) <= width


@pytest.mark.parametrize(
    ("language", "head"),
    [
        ("en", "1 finding (looked at 300 rows)."),
        ("fr", "1 constat (300 lignes examinées)."),
        ("uk", "1 знахідка (переглянуто 300 рядків)."),
    ],
)
def test_languages_and_their_numbers(language: str, head: str) -> None:
    net = lp.Network([4, 8, 1], output="sigmoid", seed=0)
    found = net.doctor(X * [1, 1, 1, 1e4], Y, language=language)
    assert found.to_text().startswith(head)
    sign = "." if language == "en" else ","
    assert re.search(rf"\b[01]{re.escape(sign)}\d+", found.findings[0].seen(language))
    assert found.head("en") == "1 finding (looked at 300 rows)."


def test_a_sample_says_so() -> None:
    rows = RNG.normal(size=(5000, 4))
    net = lp.Network([4, 8, 1], output="sigmoid", seed=0)
    found = net.doctor(rows, rows[:, 0] + rows[:, 1] > 0)
    assert (found.rows, found.of_rows, found.seed) == (2048, 5000, 0)
    assert found.to_text("en") == (
        "No illness found (looked at 2,048 rows of 5,000, drawn with seed 0)."
    )


def test_json_holds_all_figures_in_full_precision() -> None:
    found = many()
    told = json.loads(found.to_json())
    assert (told["healthy"], told["rows"], told["of_rows"]) == (False, 300, 300)
    for one, finding in zip(told["findings"], found, strict=True):
        assert one["kind"] == finding.kind
        assert one["seen"] == finding.seen("en")
        assert set(one["figures"]) == set(finding.figures)
    (scales,) = found.of("unscaled_inputs")
    (one,) = [f for f in told["findings"] if f["kind"] == "unscaled_inputs"]
    assert one["figures"]["largest"] == scales.figures["largest"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_html_is_whole_and_says_what_the_text_says(language: str) -> None:
    found = many()
    html = found.to_html(language)
    page = Page(html)
    assert page.tags[0] == ("div", {"class": "limpide-doctor", "lang": language})
    words = " ".join("".join(page.words).split())
    for finding in found:
        for said in (finding.title(language), finding.seen(language), finding.remedy(language)):
            assert " ".join(said.split()) in words
    assert "http" not in html
    assert found._repr_html_() == found.to_html()


def test_the_page_has_each_kind_and_each_threshold_with_its_reason() -> None:
    page = DOCS.read_text(encoding="utf-8")
    for kind in KINDS:
        assert f"`{kind}`" in page
    for name, (value, reason) in THRESHOLDS.items():
        assert f"| {name} | {value:g} | {reason} |" in page, name


def test_each_kind_has_words_in_every_language() -> None:
    net = lp.Network([4, 8, 1], output="sigmoid", seed=0)
    rows: Any = np.c_[X[:, :3], np.arange(300)]
    finding = net.doctor(rows, Y).of("row_numbers")[0]
    for language in LANGUAGES:
        parts = [finding.title(language), finding.seen(language), finding.why(language)]
        assert all(parts)
    assert finding.remedy("fr") == "Retirer la colonne."
