"""benchmarks/xla_engine.py and engines_crossover.py: what they train, and how they judge."""

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


def test_engines_that_differ_by_little_are_even() -> None:
    names = script("engines_crossover.py")
    for xla, winner in ((8.2, "native"), (4.1, "even"), (3.9, "even"), (2.0, "xla")):
        times = {"native": [4.0, 4.0, 4.0], "xla": [xla, xla, xla]}
        cell = names["Cell"](32, 16, 1, times, {"native": 0.1, "xla": 2.0})
        assert cell.winner == winner
        assert len(cell.cells()) == len(names["HEAD"])
        assert cell.cells()[5].startswith(f"{xla / 4:.3g} ")


def test_the_grid_has_epochs_of_about_one_length() -> None:
    names = script("engines_crossover.py")
    least, most = names["workload"](32, 16, 1), names["workload"](4096, 2048, 4)
    assert (least.label, most.label) == (
        "64-16-1, 32, Adam",
        "64-2048-2048-2048-2048-1, 4,096, Adam",
    )
    assert (least.steps, most.steps) == (256, 1)
    assert least.rows % least.batch == most.rows % most.batch == 0


def test_a_shape_is_timed_on_both_engines_in_turn() -> None:
    pytest.importorskip("jax")
    names = script("engines_crossover.py")
    cell = names["measured"](8, 4, 1, 2, 0.01)
    assert [len(cell.micros[name]) for name in ("native", "xla")] == [2, 2]
    assert min(cell.ratios) > 0
    assert set(cell.first) == {"native", "xla"}


@pytest.mark.parametrize("name", ["xla_engine.py", "engines_crossover.py", "accelerator.py"])
def test_each_says_how_it_is_run(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    with pytest.raises(SystemExit) as ended:
        script(name)["main"]()
    assert ended.value.code == 0
    assert "--pairs" in capsys.readouterr().out
