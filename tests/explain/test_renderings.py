"""Derivations as LaTeX through a real TeX, and as HTML in a real Chromium, where installed.

CI installs Chromium; without it, and without TeX, these tests skip.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import limpide as lp
from pages import Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
TEX = shutil.which("pdflatex")
LANGUAGES = ("en", "fr", "uk")


def derivations() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    plain = lp.Network([2, 2, 1], activation="sigmoid", output="sigmoid", seed=0)
    norm = lp.Network(
        [2, lp.Dense(3, "gelu"), lp.Dropout(0.5), lp.BatchNorm(), 3], output="softmax", seed=0
    )
    wide = lp.Network([57, 64, 1], output="sigmoid", seed=0)
    codes = lp.Network([1, lp.Embedding(3, 2), lp.Dense(2, "relu"), lp.LayerNorm(), 1], seed=0)
    X = rng.normal(size=(3, 2))
    table = {"a_b %": [0.5, 1.5, 2.5, None] * 60, "<c>": ["#1", "{x}"] * 120, "y": ["n", "y"] * 120}
    model = lp.train(table, "y", epochs=1, progress=False)
    infinite = lp.Network([2, 2, 1], dtype="float64", seed=0)
    infinite.params["hidden1.weights"][...] = np.inf
    return {
        "table": model.explain(table, 0, optimizer=lp.SGD(0.1)),
        "plain": plain.explain([-2, -1], 1, loss="mse", optimizer=lp.SGD(0.1)),
        "norm": norm.explain(X, [1, 2, 0], optimizer=lp.AdamW(0.1), training=True),
        "wide": wide.explain(rng.normal(size=57), 1),
        "codes": codes.explain([[1], [2]], [0.5, 1], optimizer=lp.SGD(0.1, momentum=0.9)),
        "layer": plain.explain(X, [1, 0, 1]).layer("hidden1"),  # names of rows in its titles
        "infinite": infinite.explain([1, 2], 1),
    }


@pytest.mark.skipif(TEX is None, reason="pdflatex is not installed")
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", ["plain", "norm", "wide", "codes", "layer", "infinite", "table"])
def test_latex_compiles(name: str, language: str, tmp_path: Path) -> None:
    source = derivations()[name].to_latex(language=language)
    (tmp_path / "told.tex").write_text(source, encoding="utf-8")
    command = [str(TEX), "-interaction=nonstopmode", "-halt-on-error", "told.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True)
    log = done.stdout.decode("utf-8", "replace")
    if "Unknown option" in log or "File `babel" in log or ("T2A" in log and done.returncode):
        pytest.skip(f"this TeX has no support for {language}")
    assert done.returncode == 0, log[-3000:]
    assert "Missing character" not in (tmp_path / "told.log").read_text(errors="replace")
    assert (tmp_path / "told.pdf").stat().st_size > 10_000


@pytest.mark.parametrize("name", ["plain", "norm", "wide", "codes", "table"])
def test_the_page_asks_for_nothing_and_its_links_lead_somewhere(name: str) -> None:
    text = derivations()[name].to_html(language="fr")
    page = Page(text)
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))
    links = [a["href"] for a in page.find("a")]
    assert links
    assert {str(link)[1:] for link in links} <= set(ids)
    assert not {"script", "img", "link", "iframe"} & {tag for tag, _ in page.tags}
    assert "http" not in text
    assert page.find("html") == [{"lang": "fr"}]


def test_a_part_of_a_page_and_of_a_document() -> None:
    told = derivations()["plain"]["w1"]
    assert told._repr_html_().startswith('<div class="limpide-explain"')
    assert "documentclass" not in told.to_latex(document=False)
    assert r"\frac{\partial L}{\partial w_{1}}" in told.to_latex(document=False)


def test_what_a_name_could_smuggle_in_is_escaped() -> None:
    def evil(y: Any, prediction: Any) -> Any:
        return (y - prediction) ** 2

    evil.__name__ = "<script>&%$_{}"
    net = lp.Network([1, 1], seed=0)
    told = net.explain([1.0], 0.0, loss=evil)
    assert "<script>" not in told.to_html(language="en")
    assert r"\%\$\_\{\}" in told.to_latex(language="en")


LOOK = """
<script>
addEventListener('load', () => {
  const root = document.documentElement;
  const wide = [...document.querySelectorAll('p, h1, h2, .formulas')]
    .filter(e => e.getBoundingClientRect().right > root.clientWidth + 1).length;
  const maths = [...document.querySelectorAll('math')].map(m => m.getBoundingClientRect());
  const fraction = document.querySelector('mfrac');
  const kids = [...fraction.children].map(c => c.getBoundingClientRect());
  const link = document.querySelector('.formulas a');
  link.click();
  document.body.insertAdjacentHTML('beforeend', '<pre>FO' + 'UND' + JSON.stringify({
    wide, count: maths.length, flat: maths.filter(b => b.height < 5 || b.width < 3).length,
    stacked: kids[0].bottom <= kids[1].top + 1, hash: decodeURIComponent(location.hash),
    target: document.querySelectorAll(':target').length,
  }) + 'END</pre>');
});
</script>"""


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
@pytest.mark.parametrize("width", [400, 1000])
@pytest.mark.parametrize("name", ["plain", "norm", "wide", "codes", "table"])
def test_a_browser_draws_every_formula(name: str, width: int, tmp_path: Path) -> None:
    page = derivations()[name].to_html(language="uk").replace("</body>", LOOK + "</body>")
    (tmp_path / "told.html").write_text(page, encoding="utf-8")
    command = [
        str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
        "--disable-background-networking", f"--user-data-dir={tmp_path / 'profile'}",
        f"--window-size={width},900", "--virtual-time-budget=2000", "--dump-dom",
        (tmp_path / "told.html").as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = re.search(r"<pre>FOUND(.*?)END</pre>", done.stdout, re.DOTALL)
    assert found, done.stderr[-2000:]
    seen = json.loads(found[1])
    assert seen["wide"] == 0
    assert seen["count"] > 5
    assert seen["flat"] == 0
    assert seen["stacked"]  # MathML is drawn as mathematics, not as a line of text
    assert seen["hash"].startswith("#")
    assert seen["target"] == 1
