"""The examples of the documentation's pages run as they stand there, in a folder with the files."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import limpide as lp

ROOT = Path(__file__).resolve().parents[1]


def run(page: str, names: dict[str, Any]) -> dict[str, Any]:
    """Run the Python of a page, block after block, in the current folder."""
    text = (ROOT / page).read_text(encoding="utf-8")
    names |= {"lp": lp}
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(compile(block, page, "exec"), names)
    return names


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the tables that the pages speak of, where the program runs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "examples").mkdir()
    shutil.copytree(ROOT / "examples" / "data", tmp_path / "examples" / "data")
    shutil.copy(ROOT / "examples" / "data" / "bakery.csv", tmp_path)
    random = np.random.default_rng(0)
    for name, rows in (("people.csv", 120), ("other-people.csv", 60)):
        sex = random.integers(0, 2, rows)
        frame = {"weight": random.normal(60 + 15 * sex, 8), "height": random.normal(165, 9, rows)}
        pl.DataFrame({**frame, "sex": np.array(["F", "M"])[sex]}).write_csv(tmp_path / name)
    return tmp_path


def test_the_readme(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = run("README.md", {})
    assert names["net"].predict([-7, -3]) == pytest.approx(0.95, abs=0.02)
    assert names["net"].predict([20, 2]) == pytest.approx(0.04, abs=0.02)
    assert (folder / "bakery.html").exists()
    assert "temperature_c" in capsys.readouterr().out


def test_the_doctor(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = run("docs/doctor.md", {})
    assert names["found"].of("symmetric_neurons")
    assert names["diagnosis"].of("not_finite")
    assert "the same weights, in and out" in capsys.readouterr().out
    assert names["right"]


def test_figures(folder: Path) -> None:
    pytest.importorskip("matplotlib")
    foretold = {"probabilities": np.linspace(0, 1, 40), "predicted": [0, 1, 1, 1] * 10}
    names = run("docs/figures.md", {"y": [0, 1] * 20, **foretold})
    assert names["importance"].columns[0] == "weight"
    assert {"people.html", "others.html"} <= {path.name for path in folder.iterdir()}


def test_explain(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("docs/explain.md", {})
    page = (ROOT / "docs" / "explain.md").read_text(encoding="utf-8")
    shown = re.search(r"says:\n\n```\n(.*?)```", page, re.DOTALL)
    assert shown is not None
    assert shown[1] in capsys.readouterr().out


def test_checkpoints(folder: Path) -> None:
    people = lp.datasets.people()
    net = lp.Network([2, 2, 1], output="sigmoid", seed=1)
    names = run("docs/checkpoints.md", {"net": net, "X": people.X, "y": people.y})
    assert names["checkpoint"].resumed_at == 500  # the run was finished: nothing was left to do
    assert sorted(path.name for path in folder.glob("people.*")) == [
        "people.csv",
        "people.safetensors",
    ]


def test_exports(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for library in ("onnx", "onnxruntime"):
        pytest.importorskip(library)
    monkeypatch.delitem(sys.modules, "bakery", raising=False)
    names = run("docs/exports.md", {})
    expected = names["model"].predict_proba("bakery.csv")
    assert names["label"].tolist() == list(names["predict"](names["rows"]))
    np.testing.assert_allclose(names["probabilities"], expected, atol=1e-6)
    np.testing.assert_allclose(names["predict_proba"](names["rows"]), expected, atol=1e-6)
    assert "price_eur tensor(float)" in capsys.readouterr().out
    sys.modules.pop("bakery")


def test_the_exported_layer_that_is_shown(folder: Path) -> None:
    model = lp.train("bakery.csv", target="sold_out", n_ensemble=1, hidden=[16], epochs=1)
    model.export("single.py", to="numpy")
    shown = re.search(r"`hidden=\[16\]`\):\n\n```\n(.*?)```", _exports(), re.DOTALL)
    assert shown is not None
    written = Path("single.py").read_text(encoding="utf-8")
    for line in shown[1].splitlines():
        assert line in written


def _exports() -> str:
    return (ROOT / "docs" / "exports.md").read_text(encoding="utf-8")


def test_diagrams(folder: Path) -> None:
    run("docs/diagrams.md", {})
    assert (folder / "network.svg").read_text(encoding="utf-8").count("∂L/∂w") == 2 * 6


def test_fit_many(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = run("docs/fit_many.md", {})
    assert names["many"].shape == (100, 3)
    assert "300 networks 2-2-1 (100 × 3)" in capsys.readouterr().out
    assert (folder / "best.safetensors").exists()
    assert names["best"].loss == names["last"].min()


def test_sweeps(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for library in ("sklearn", "distributed"):
        pytest.importorskip(library)
    search = run("docs/sweeps.md", {"__name__": "__main__"})["search"]  # as a file that is run
    assert search.best_score_ > 0.95
    assert f"{search.best_params_} {search.best_score_}" in capsys.readouterr().out


def test_the_xla_engine(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("jax")
    run("docs/xla.md", {})
    assert "xla (2000, 1)" in capsys.readouterr().out
