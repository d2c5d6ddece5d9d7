"""Two processes learn from a share of a folder each: as one does that is given the same batches."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from test_hosts import run_all

import limpide as lp
from limpide.tables.parts import ParquetParts
from tolerances import tolerance

pytest.importorskip("jax", reason="JAX is not installed: pip install 'limpide[xla]'")

PROGRAM = Path(__file__).parent / "in_shares.py"
N, CUTS = 611, [0, 100, 101, 350, 600, 611]
HALF = N // 2


def run(mode: str, folder: Path) -> list[tuple[int, str]]:
    return run_all(PROGRAM, 2, mode, folder)


def arrays(folder: Path, mode: str, number: int = 0) -> dict[str, Any]:
    return dict(np.load(folder / f"{mode}-{number}.npz"))


def said(folder: Path, mode: str, number: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / f"{mode}-{number}.json").read_text())
    return found


def frame() -> pl.DataFrame:
    """A class and a category that stand in the last rows alone, and gaps in the target."""
    r = np.random.default_rng(0)
    x = r.standard_normal((N, 2))
    late = np.arange(N) > HALF + 30
    kind = np.where(x[:, 0] > 0, "up", "down")
    kind = np.where(late & (x[:, 1] > 1), "new", kind)
    return pl.DataFrame(
        {
            "a": x[:, 0],
            "b": x[:, 1],
            "town": np.where(late & (r.random(N) < 0.3), "far", r.choice(["p", "q"], N)),
            "kind": [None if i % 41 == 0 else k for i, k in enumerate(kind.tolist())],
        }
    )


def written(folder: Path, table: pl.DataFrame, cuts: list[int]) -> Path:
    folder.mkdir()
    for number, (start, stop) in enumerate(pairwise(cuts)):
        table[start:stop].write_parquet(folder / f"{number}.parquet")
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where both processes of a run over a folder have left what they came to."""
    found = tmp_path_factory.mktemp("shares")
    written(found / "table", frame(), CUTS)
    for status, told in run("table", found):
        assert status == 0, told
    return found


def test_a_share_gives_what_one_process_comes_to_with_the_same_batches(tmp_path: Path) -> None:
    for status, told in run("network", tmp_path):
        assert status == 0, told
    first, second = (arrays(tmp_path, "network", number) for number in (0, 1))
    batches = [
        np.concatenate([each[f"batches {name}"] for each in (first, second)], axis=1)
        for name in ("X", "y", "w")
    ]
    X, y, w = (array.reshape(-1, *array.shape[2:]) for array in batches)
    net = lp.Network([5, lp.Dense(8, "tanh"), lp.Dense(1, "sigmoid")], seed=0)
    net.fit(
        X,
        y,
        sample_weight=w,
        optimizer=lp.Adam(0.01),
        epochs=1,
        batch_size=batches[0].shape[1],
        shuffle=False,
        engine="xla",
    )
    for name, array in net.params.items():
        allowed = tolerance("devices_float32")
        np.testing.assert_allclose(first[name], array, rtol=0, atol=allowed, err_msg=name)
    for name in (*net.params, "loss"):
        np.testing.assert_array_equal(second[name], first[name], err_msg=name)
    assert first["batch_size"] == 16
    assert len(batches[0]) == 104


def test_each_process_reads_its_share_alone(folder: Path) -> None:
    for number, (low, high) in enumerate([(0, HALF), (HALF, N)]):
        rows: set[int] = set()
        for file, start, count in said(folder, "table", number)["read"]:
            begin = CUTS[int(file.removesuffix(".parquet"))] + start
            assert low <= begin < begin + count <= high
            rows |= set(range(begin, begin + count))
        assert rows == set(range(low, high))


def test_all_processes_end_with_the_same_model(folder: Path) -> None:
    first, second = (arrays(folder, "table", number) for number in (0, 1))
    for name, array in first.items():
        np.testing.assert_array_equal(second[name], array, err_msg=name)
    words, others = said(folder, "table", 0), said(folder, "table", 1)
    for name in ("classes", "notes", "figures", "rows", "categories"):
        assert words[name] == others[name]
    assert words["classes"] == ["down", "new", "up"]
    assert words["categories"][2] == ["far", "p", "q"]
    assert "a step takes 34 rows instead of 33: as many of each of 2 processes" in words["notes"]
    pages = [(folder / f"table-{number}.html").read_bytes() for number in (0, 1)]
    assert pages[0].count(b"<svg") == pages[1].count(b"<svg")


def test_the_same_rows_are_held_out_as_in_one_process(folder: Path) -> None:
    parts = ParquetParts(sorted((folder / "table").iterdir()), "'table'")
    one = lp.train(parts, "kind", epochs=1, hidden=[8], n_ensemble=2, memory="2 MB")
    found = said(folder, "table")
    assert found["rows"] == [one.facts.rows, one.facts.held_out]
    assert one.figures is not None
    sums = [np.sum(f["confusion"], axis=1).tolist() for f in (one.figures, found["figures"])]
    assert sums[0] == sums[1]  # of each class
    assert len(arrays(folder, "table")["loss"][1]) == 5


def test_a_run_that_lost_a_process_goes_on_bit_for_bit(folder: Path) -> None:
    ended = run("kill1", folder)
    assert ended[1][0] == -9
    assert ended[0][0] == 1
    assert re.search(r"process 1 of 2 was lost: .* keeps the run up to step \d+", ended[0][1])
    for status, told in run("resume", folder):
        assert status == 0, told
    whole = arrays(folder, "table")
    for name, array in arrays(folder, "resume").items():
        np.testing.assert_array_equal(array, whole[name], err_msg=name)
    assert said(folder, "resume")["figures"] == said(folder, "table")["figures"]


def test_a_damaged_file_of_one_share_is_told_by_both(tmp_path: Path) -> None:
    file = written(tmp_path / "damaged", frame(), CUTS) / "3.parquet"
    content = bytearray(file.read_bytes())
    content[4:2000] = bytes(1996)
    file.write_bytes(content)
    (first, told), (second, traced) = run("damaged", tmp_path)
    assert (first, second) == (1, 1)
    assert re.fullmatch(r"limpide: process 1 of 2 ended with an error: .*3\.parquet.*\n", told)
    assert "3.parquet' is damaged or cut off" in traced


def test_what_diverges_is_told_and_put_back_in_both(folder: Path) -> None:
    messages = []
    for status, told in run("diverge", folder):
        assert status == 1
        messages.append(re.search(r"DivergenceError: (.*) at step (\d+) ", told))
    assert messages[0] is not None
    assert messages[1] is not None
    assert messages[0].groups() == messages[1].groups()


def test_fit_many_is_refused(tmp_path: Path) -> None:
    for status, told in run("many", tmp_path):
        assert status == 1
        assert "fit_many trains in one process, and 2 are together here. Leave lp.proc" in told


def test_the_command_learns_spambase_as_one_process_does(
    tmp_path: Path, spambase_path: Path
) -> None:
    table = pl.read_csv(spambase_path, infer_schema_length=None)
    table = table.sample(fraction=1, shuffle=True, seed=0)
    folder = written(tmp_path / "spambase", table, [0, 300, 1500, 1501, 3000, table.height])
    words = [sys.executable, "-m", "limpide", "train", folder, "--target", "spam", "--json"]
    words += ["--engine", "xla", "--epochs", "3", "--hidden", "32"]
    found = []
    for more in (["--memory", "1MB"], ["--processes", "2"]):
        command = [*words, *more, "--out", tmp_path / f"{len(found)}.safetensors"]
        ended = subprocess.run(command, capture_output=True, check=False)
        assert ended.returncode == 0, ended.stderr
        found.append(json.loads(ended.stdout))
    one, two = found
    assert (one["rows"], one["held_out"]) == (two["rows"], two["held_out"])
    for figure in ("log_loss", "accuracy"):
        assert abs(one["validation"][figure] - two["validation"][figure]) < 0.02, figure
    assert "read in shares: each of 2 processes has its own rows, on its disk" in two["notes"]
