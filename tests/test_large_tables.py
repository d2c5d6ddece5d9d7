"""Learning from tables that are read in parts: as good as in memory, told, bounded in memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import limpide as lp
from breaking_off import breaks_off
from limpide.errors import ArgumentError, DataError, MemoryLimitError
from limpide.tables import decoding
from limpide.tables.reading import open_table

N = 12_000
SMALL: dict[str, Any] = {"memory": "1 MB", "epochs": 3, "progress": False}


def frame(n: int = N) -> pl.DataFrame:
    """Numbers, categories and gaps; a class and a number that they tell; sorted by the class."""
    r = np.random.default_rng(0)
    x, z = r.standard_normal(n), r.standard_normal(n)
    town = r.integers(0, 200, n)
    score = 2 * x - z + np.where(town % 3 == 0, 1.5, -0.5)
    words = np.array([f"town {i}" for i in range(200)], dtype=object)[town]
    kind = np.where(score < -1, "low", np.where(score < 1, "middle", "high"))
    gap = r.random(n) < 0.1
    table = pl.DataFrame(
        {
            "x": [None if g else v for g, v in zip(gap, x.tolist(), strict=True)],
            "z": z,
            "town": words.tolist(),
            "day": pl.date_range(
                pl.date(2000, 1, 1), interval="1d", eager=True, end=pl.date(2032, 11, 7)
            ).head(n),
            "yes": (score > 0).astype(int),
            "kind": kind.tolist(),
            "amount": 1000 + 250 * score,
        }
    )
    return table.sort("yes")


@pytest.fixture(scope="module")
def parquet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("large") / "t.parquet"
    frame().write_parquet(path, row_group_size=5_000)
    return path


@pytest.fixture(scope="module")
def csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("large") / "t.csv"
    frame().write_csv(path)
    return path


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "CHUNK", 50_000)


def features(path: Path, target: str) -> Any:
    """Give the parts of a table with one of its targets alone."""
    others = {"yes", "kind", "amount"} - {target}
    parts: Any = open_table(path, 1e5)
    return parts.without(others)


@pytest.mark.parametrize("target", ["yes", "kind", "amount"])
@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_it_learns_as_well_as_in_memory(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str, target: str
) -> None:
    path = request.getfixturevalue(kind)
    others = [name for name in ("yes", "kind", "amount") if name != target]
    whole = lp.train(frame().drop(others), target, epochs=3)
    model = lp.train(features(path, target), target, **SMALL)
    assert model.task == whole.task
    figure = "r2" if target == "amount" else "accuracy"
    assert model.figures is not None
    assert whole.figures is not None
    assert model.figures[figure] > whole.figures[figure] - 0.03
    assert model.preprocessing.features == whole.preprocessing.features
    told = [n for n in model.notes if n.startswith("learned from disk")]
    assert len(told) == 1
    assert model.facts.rows + model.facts.held_out == N
    model.report(tmp_path / "r.html")  # rows are kept for it


def test_the_same_seed_gives_the_same_model(parquet: Path) -> None:
    one, same, other = (
        lp.train(features(parquet, "yes"), "yes", seed=s, **SMALL) for s in (1, 1, 2)
    )
    for name, array in one.params.items():
        np.testing.assert_array_equal(array, same.params[name])
    assert any((array != other.params[name]).any() for name, array in one.params.items())


def test_one_network_is_watched_by_the_rows_held_out(parquet: Path) -> None:
    model = lp.train(features(parquet, "yes"), "yes", n_ensemble=1, **SMALL)
    assert len(model.history.validation_loss) == 3
    assert model.figures is not None
    assert model.history.validation_loss[-1] == pytest.approx(model.figures["loss"])
    assert model.facts.rows + model.facts.held_out == N  # all others are learned from


def test_most_rows_may_be_held_out(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    frame().select("x", "z", "yes").write_parquet(path)
    parts: Any = open_table(path, 1e5)
    model = lp.train(parts, "yes", validation=0.95, **(SMALL | {"memory": "64 MB"}))
    assert model.facts.rows > 0.04 * N


def test_a_target_that_never_changes_is_told(tmp_path: Path) -> None:
    frame().with_columns(y=pl.lit(1.5)).write_parquet(tmp_path / "t.parquet")
    model = lp.train(tmp_path / "t.parquet", "y", **SMALL)
    assert "target 'y' is 1.5 in every row: it is all there is to predict" in model.notes


def test_without_rows_held_out(parquet: Path, tmp_path: Path) -> None:
    model = lp.train(features(parquet, "yes"), "yes", validation=0, **SMALL)
    assert model.figures is None
    assert model.facts.held_out == 0
    model.report(tmp_path / "r.html")


def test_rows_without_a_target_are_left_out(tmp_path: Path) -> None:
    table = frame().select("x", "z", "yes")
    gone = pl.Series("yes", [None if i % 7 == 0 else v for i, v in enumerate(table["yes"])])
    table.with_columns(gone).write_parquet(tmp_path / "t.parquet")
    model = lp.train(tmp_path / "t.parquet", "yes", validation=0, **(SMALL | {"memory": 10**6}))
    assert f"{-(-N // 7)} rows without a target ('yes') are left out" in model.notes
    assert "missing:" in " ".join(model.notes)


def test_weights_of_rows_and_classes_count(parquet: Path) -> None:
    weights = np.where(np.arange(N) < N // 2, 1.0, 30.0)  # sorted by the class
    plain = lp.train(features(parquet, "yes"), "yes", **SMALL)
    heavy = lp.train(features(parquet, "yes"), "yes", sample_weight=weights, **SMALL)
    classes = lp.train(features(parquet, "yes"), "yes", class_weight={1: 30.0}, **SMALL)
    table = frame().drop("kind", "amount")
    shares = [m.predict_proba(table)[:, 1].mean() for m in (plain, heavy, classes)]
    assert shares[1] > shares[0] + 0.05
    assert shares[2] > shares[0] + 0.05
    balanced = lp.train(
        features(parquet, "yes"), "yes", sample_weight=weights, class_weight="balanced", **SMALL
    )
    assert balanced.predict_proba(table)[:, 1].mean() < shares[1] - 0.05


def test_a_category_that_was_never_seen_has_the_mean_of_the_others(parquet: Path) -> None:
    model = lp.train(features(parquet, "yes"), "yes", **SMALL)
    (table,) = (a for name, a in model.params.items() if name.endswith(".table"))
    assert np.abs(table[1:]).max() > 10 * np.abs(table[0]).max()


@pytest.mark.parametrize("at", [30, 150])
def test_an_interrupted_run_goes_on_bit_for_bit(
    parquet: Path, tmp_path: Path, at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = lp.train(features(parquet, "yes"), "yes", **SMALL)
    path = tmp_path / "run"

    with monkeypatch.context() as patch:
        breaks_off(patch, at)
        first = lp.train(features(parquet, "yes"), "yes", checkpoint=path, **SMALL)
    assert first.history.interrupted
    found = lp.train(
        features(parquet, "yes"), "yes", checkpoint=lp.Checkpoint(path, resume=True), **SMALL
    )
    assert found.history.loss == expected.history.loss
    for name, array in found.params.items():
        np.testing.assert_array_equal(array, expected.params[name])


def test_what_cannot_be_learned_is_refused(parquet: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"Target column 'yse' .* Did you mean 'yes'\?"):
        lp.train(parquet, "yse", memory="1 MB")
    with pytest.raises(ArgumentError, match=r"memory='lots' is no size\. Write it as \"2 GB\""):
        lp.train(parquet, "yes", memory="lots")
    with pytest.raises(ArgumentError, match="memory=1000 is less than 1 MB"):
        lp.train(parquet, "yes", memory=1000)
    table = frame().select("x", "z").with_columns(pl.Series("name", [f"n{i}" for i in range(N)]))
    table.write_parquet(tmp_path / "t.parquet")
    with pytest.raises(MemoryLimitError, match=r"'name' has 12,000 classes in 12,000 rows"):
        lp.train(tmp_path / "t.parquet", "name", memory="1 MB")
    infinite = frame().select("x", "yes").with_columns(pl.lit(1.0).alias("w"))
    infinite[9_000, "w"] = np.inf
    infinite.write_parquet(tmp_path / "t.parquet")
    with pytest.raises(DataError, match=r"1 infinite value, the first inf in index 9000, column"):
        lp.train(tmp_path / "t.parquet", "yes", memory=10**6 // 4 * 4)


def test_the_command_line(parquet: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "limpide", "train", str(parquet), "--target", "yes"]
    options = ["--memory", "1MB", "--epochs", "2", "--drop", "kind", "--drop", "amount", "--json"]
    result = subprocess.run(
        [*command, *options], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert "would take about 1 MiB of memory: it is learned from disk" in result.stderr
    assert '"model": "t.safetensors"' in result.stdout
    assert (tmp_path / "t.safetensors").exists()


_MEASURED = """
import sys, threading, time
import limpide as lp

def largest():
    lines = open("/proc/self/status").read().splitlines()
    return int(next(line for line in lines if line.startswith("RssAnon")).split()[1]) * 1024

peak, ended = [0], threading.Event()
def watch():
    while not ended.wait(0.01):
        peak[0] = max(peak[0], largest())

lp.train({"a": [1.0, 2.0] * 200, "y": [0, 1] * 200}, "y", epochs=1)  # code is in memory now
before = largest()
thread = threading.Thread(target=watch)
thread.start()
lp.train(sys.argv[1], "y", memory="64 MB", epochs=1, hidden=[8], n_ensemble=2, validation=0.02)
ended.set()
thread.join()
print(peak[0] - before)
"""


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_memory_stays_bounded_whatever_the_table(tmp_path: Path, kind: str) -> None:
    grown = []
    for rows in (200_000, 1_600_000):
        r = np.random.default_rng(0)
        columns = {f"x{i}": r.standard_normal(rows).astype(np.float32) for i in range(20)}
        table = pl.DataFrame({**columns, "y": r.integers(0, 2, rows)})
        path = tmp_path / f"{rows}.{kind}"
        if kind == "csv":
            table.write_csv(path, float_precision=4)
        else:
            table.write_parquet(path)
        output = subprocess.run(
            [sys.executable, "-c", _MEASURED, str(path)], capture_output=True, text=True, check=True
        )
        grown.append(int(output.stdout))
    assert grown[1] < grown[0] + 64e6  # eight times the rows, 134 MB more of numbers


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_memory_stays_bounded_with_long_texts(tmp_path: Path) -> None:
    rows = 200_000
    texts = {f"t{i}": [f"{i + 7919 * j:020d}" * 10 for j in range(rows)] for i in range(4)}
    few = ["a"] * 1_000 + [f"{i % 50:010d}" * 100 for i in range(rows - 1_000)]
    table = pl.DataFrame({**texts, "few": few, "y": [0, 1] * (rows // 2)})
    assert table.estimated_size() > 350e6
    table.write_parquet(tmp_path / "t.parquet", row_group_size=20_000)
    command = [sys.executable, "-c", _MEASURED, str(tmp_path / "t.parquet")]
    output = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(output.stdout) < 200e6
