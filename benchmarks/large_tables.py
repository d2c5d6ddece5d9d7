"""Learning from disk beside learning from memory: rows a second, and the memory that it takes.

Run: python benchmarks/large_tables.py [--rows 2000000] [--pairs 5] [--folder FOLDER]
Makes a Parquet file and a CSV file of 40 numbers, a category and a class. Each case runs in a
process of its own, in turn with the other; the rate is that of the steps, waiting included.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import polars as pl
from measure import machine

import limpide as lp

NUMBERS = 40
BLOCK = 100_000


def made(folder: Path, rows: int) -> list[Path]:
    """Write the table in both kinds, block by block."""
    parts = folder / "parts"
    parts.mkdir()
    text = folder / "table.csv"
    for i, first in enumerate(range(0, rows, BLOCK)):
        random = np.random.default_rng(i)
        n = min(BLOCK, rows - first)
        X = random.standard_normal((n, NUMBERS)).astype(np.float32)
        columns = {f"x{j}": X[:, j] for j in range(NUMBERS)}
        town = random.integers(0, 50, n)
        score = X[:, :5].sum(axis=1) + (town % 5 - 2) + random.standard_normal(n)
        words = np.array([f"town {k}" for k in range(50)])[town]
        frame = pl.DataFrame({**columns, "town": words, "y": (score > 0).astype(np.int8)})
        frame.write_parquet(parts / f"{i:05d}.parquet")
        with text.open("ab") as file:
            frame.write_csv(file, include_header=i == 0, float_precision=4)
    return [parts, text]


def resident() -> dict[str, int]:
    """Give what of this process is in memory, in MiB: its own, and pages of files."""
    lines = Path("/proc/self/status").read_text().splitlines()
    fields = dict(line.split(":", 1) for line in lines if line.startswith("Rss"))
    return {name: int(fields[name].split()[0]) // 1024 for name in ("RssAnon", "RssFile")}


def case(path: str, memory: str, epochs: int) -> None:
    """Train, and print the rate, the seconds and the largest memory as JSON."""
    peak, ended = [0], threading.Event()

    def watch() -> None:
        while not ended.wait(0.02):
            peak[0] = max(peak[0], resident()["RssAnon"])

    watching = threading.Thread(target=watch)
    watching.start()
    began = time.perf_counter()
    model = lp.train(path, "y", memory=memory, epochs=epochs, progress=False)
    seconds = time.perf_counter() - began
    ended.set()
    watching.join()
    history = model.history
    rate = history.epochs * model.facts.rows / history.seconds
    assert model.figures is not None
    found = {"rate": rate, "seconds": seconds, "peak": peak[0], "auc": model.figures["auc"]}
    print(json.dumps(found))


def run(path: Path, memory: str, epochs: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--case", str(path), memory, str(epochs)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found: dict[str, float] = json.loads(output)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--memory", default="256 MB")
    parser.add_argument("--folder", help="where the tables are made; else a temporary one")
    parser.add_argument("--case", nargs=3)
    options = parser.parse_args()
    if options.case:
        path, memory, epochs = options.case
        case(path, memory, int(epochs))
        return
    print(machine(), flush=True)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for path in made(Path(folder), options.rows):
            sizes = (options.memory, "1 TB")
            turns = [[run(path, s, options.epochs) for s in sizes] for _ in range(options.pairs)]
            pairs = [(disk, whole) for disk, whole in turns]
            ratios = sorted(disk["rate"] / whole["rate"] for disk, whole in pairs)
            disk, whole = pairs[-1]
            print(
                f"{path.name}: {options.rows:,} rows; rate from disk over rate from memory "
                f"{np.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f}); "
                f"peak {max(p['peak'] for p, _ in pairs):,.0f} MiB beside {whole['peak']:,.0f}; "
                f"in all {disk['seconds']:.0f} s beside {whole['seconds']:.0f}; "
                f"AUC {disk['auc']:.4f} beside {whole['auc']:.4f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
