"""benchmarks/accelerator.py: what it trains, how it judges, that it runs where there is no GPU."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from limpide.bench import Comparison
from limpide.bench.peers import ACCELERATED
from limpide.bench.runner import Figures

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "accelerator.py"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(SCRIPT.parent)
    spec = importlib.util.spec_from_file_location("accelerator", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_trains_whole_batches_in_both_precisions(script: ModuleType) -> None:
    large, quick = (script.works(is_quick, script.PRECISIONS) for is_quick in (False, True))
    assert [work.label for work in large] == [
        "784-2048-2048-10, 4,096, SGD",
        "28-300-300-300-300-1, 8,192, SGD",
        "784-2048-2048-10, 4,096, SGD, bfloat16",
        "28-300-300-300-300-1, 8,192, SGD, bfloat16",
    ]
    assert {work.device for work in large} == {"gpu"}
    assert {work.device for work in quick} == {"cpu"}
    for work in large:
        assert all(not peer.lacks(work) for peer in ACCELERATED.values())


@pytest.mark.parametrize(
    ("micros", "verdict"), [(4.0, "(PyTorch): 2, met"), (1.0, "(PyTorch): 0.5, MISSED")]
)
def test_it_judges_by_the_best_peer(script: ModuleType, micros: float, verdict: str) -> None:
    work = script.works(True, ["float32"])[0]  # 256 rows in 4 steps
    slow = Figures("jax", "one", micros=[9.0] * 3, ours=[2.0] * 3)
    best = Figures("torch", "two", micros=[micros] * 3, ours=[2.0] * 3)
    lost = Figures("torch-graphs", skipped="CUDA graphs need a GPU")
    found = Comparison(work, 0.0, 0, micros=[2.0] * 3, peers=[slow, best, lost])
    told = script.lines(found)
    assert "32,000,000" in told[1]  # 64 samples in 2 µs
    assert f"{64e6 / micros:,.0f}" in told[3]
    assert told[4].endswith("–  CUDA graphs need a GPU")
    assert verdict in told[5]
    assert script.lines(Comparison(work, 0.0, 0, [2.0], peers=[lost]))[-1].endswith(
        "no peer was measured"
    )


def test_what_is_missing_is_said(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, words in (("torch", "PyTorch is not installed"), ("jax", "JAX is not installed")):
        monkeypatch.setattr(ACCELERATED[name], "PACKAGE", "a_package_that_nobody_has")
        assert script.obstacle("gpu").startswith(words)
        assert script.obstacle("cpu").startswith(words)


def test_it_runs_on_processors() -> None:
    for library in ("jax", "torch"):
        pytest.importorskip(library)
    words = ["--quick", "--precision", "float32", "--only", "28-30-30-1", "--peer", "jax"]
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "28-30-30-1, 128, SGD: samples a second" in done.stdout
    assert "at least 1 × the best (JAX): " in done.stdout
    assert "TensorFloat-32 off" in done.stdout
