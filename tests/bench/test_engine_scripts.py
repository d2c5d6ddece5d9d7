"""benchmarks/xla_engine.py: how it judges."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import Any

import pytest

from limpide.bench import TABLE, Comparison
from limpide.bench.runner import Figures

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def script(name: str) -> dict[str, Any]:
    return runpy.run_path(str(BENCHMARKS / name))


@pytest.mark.parametrize(("theirs", "verdict"), [(0.96, "met"), (0.94, "MISSED")])
def test_the_scan_is_asked_for_its_time_over_ours(theirs: float, verdict: str) -> None:
    jax = Figures("jax", "unrolled", micros=[2 * theirs] * 3, ours=[2.0] * 3)
    cells = script("xla_engine.py")["row"](Comparison(TABLE[2], 0, 0, [2.0] * 3, peers=[jax]))
    assert cells[0] == "57-64-1, 32, SGD"
    assert cells[3:] == [f"{theirs:g} ({theirs:g} to {theirs:g})", verdict, "unrolled"]


def test_without_the_scan_nothing_is_judged() -> None:
    jax = Figures("jax", skipped="not installed")
    cells = script("xla_engine.py")["row"](Comparison(TABLE[2], 0, 0, [2.0], peers=[jax]))
    assert cells[2:] == ["–", "–", "not measured", "not installed"]


@pytest.mark.parametrize("name", ["xla_engine.py", "accelerator.py"])
def test_each_says_how_it_is_run(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    with pytest.raises(SystemExit) as ended:
        script(name)["main"]()
    assert ended.value.code == 0
    assert "--pairs" in capsys.readouterr().out
