"""Programs of XLA's on disk: loaded by the next process, and compiled anew where of no use."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import limpide as lp

pytest.importorskip("jax", reason="JAX is not installed: pip install 'limpide[xla]'")

# Trains in a process of its own, and says how many programs of ours were compiled.
PROGRAM = """
import sys, numpy as np, limpide as lp
from limpide.engines.xla import kept
compiled, real = [], kept._store
kept._store = lambda *given: (compiled.append(1), real(*given))
net = lp.Network([3, 5, 1], seed=0)
if sys.argv[1] == "one":
    net.fit(np.eye(3), np.arange(3.0), engine="xla", epochs=3, batch_size=2)
else:
    found = lp.fit_many(net, np.eye(3), np.arange(3.0), [1, 2], 0.1, engine="xla", epochs=1)
    found.predict(np.eye(3))
    net = found[1]
print(len(compiled), float(net.params["hidden1.weights"].sum()))
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LIMPIDE_CACHE", str(tmp_path))
    return tmp_path / "compiled"


def run(what: str = "one") -> tuple[int, float]:
    line = [sys.executable, "-c", PROGRAM, what]
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    count, total = done.stdout.split()
    return int(count), float(total)


def test_the_next_process_loads_it_or_compiles_where_it_is_damaged(folder: Path) -> None:
    first = run()
    assert first[0] == 1
    assert run() == (0, first[1])
    (entry,) = folder.iterdir()
    entry.write_bytes(entry.read_bytes()[:-1] + b"\0")
    assert run() == first
    assert run() == (0, first[1])


def test_programs_for_many_networks_are_kept_too(folder: Path) -> None:
    first = run("many")
    assert first[0] > 0
    assert run("many") == (0, first[1])


def test_without_a_folder_nothing_is_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMPIDE_CACHE", "")
    assert run()[0] == 1
    assert not folder.exists()


def test_networks_alike_share_a_program(monkeypatch: pytest.MonkeyPatch) -> None:
    from limpide.engines.xla import kept

    made: list[Any] = []
    real = kept._store
    monkeypatch.setattr(kept, "_store", lambda *given: (made.append(1), real(*given)))
    nets = [lp.Network([3, 6, 1], seed=seed, dtype="float64") for seed in range(3)]
    monkeypatch.setenv("LIMPIDE_CACHE", "")
    for net in nets:
        net.fit(np.eye(3), np.arange(3.0), engine="xla", epochs=3, batch_size=2)
    assert len(made) == 1


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self")
def test_memory_levels_off_over_hundreds_of_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMPIDE_CACHE", "")
    X = np.random.default_rng(0).normal(size=(50, 4))

    def megabytes_after(shapes: range) -> float:
        for n in shapes:
            net = lp.Network([4, 2 + n % 50, 1], seed=0)
            net.fit(X, X[:, 0], epochs=1, batch_size=2 + n // 50, engine="xla")
            net.predict(X, engine="xla")
        gc.collect()
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6

    halfway = megabytes_after(range(150))
    assert megabytes_after(range(150, 300)) - halfway < 60  # JAX and XLA with one are 400
