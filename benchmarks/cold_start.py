"""From a cold process to a trained 57-64-1: 20 epochs on Spambase, asked: under 0.8 s in all.

    python benchmarks/cold_start.py [TABLE.csv]

Without a table the rows are synthetic, as many and as wide. Prints the seconds of whole processes
with an empty cache of compiled code and with a filled one, and what the parts of a process take.
Answers for what a user waits for. Not for: long trainings (``native_engine.py``).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure import machine

PROCESSES = 7
TRAINING = """
import json, sys, time
began = time.perf_counter()
import numpy as np
numpy_seconds = time.perf_counter() - began
import limpide as lp
table, engine = json.loads(sys.argv[1])
if table:
    rows = np.loadtxt(table, delimiter=",", skiprows=1, dtype=np.float32)
    X, y = np.ascontiguousarray(rows[:, :-1]), rows[:, -1].copy()
    X = (X - X.mean(axis=0)) / X.std(axis=0)
else:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((4601, 57), dtype=np.float32)
    y = (X[:, 0] + X[:, 1] + rng.gumbel(size=4601) > 0).astype(np.float32)
ready = time.perf_counter()
net = lp.Network([57, 64, 1], output="sigmoid", seed=0)
history = net.fit(X, y, epochs=20, batch_size=32, engine=engine, progress=False)
done = time.perf_counter()
print(json.dumps({
    "import numpy": numpy_seconds,
    "import limpide, rows": ready - began - numpy_seconds,
    "fit": done - ready,
    "of it in the loop": history.seconds,
    "loss": history.loss[-1],
}))
"""


def processes(table: str | None, engine: str | None, cache: str, count: int) -> tuple[list, list]:
    """Give the seconds of each process, from its start to its end, and the parts it says."""
    environment = {**os.environ, "LIMPIDE_CACHE": cache}
    command = [sys.executable, "-c", TRAINING, json.dumps([table, engine])]
    whole, parts = [], []
    for _ in range(count):
        began = time.perf_counter()
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
        whole.append(time.perf_counter() - began)
        parts.append(json.loads(done.stdout))
    return whole, parts


def show(title: str, whole: list[float], parts: list[dict[str, float]]) -> None:
    """Print the median with its range, then the parts."""
    median = statistics.median(whole)
    print(f"{title}: {median:.2f} s ({min(whole):.2f} to {max(whole):.2f}, {len(whole)} processes)")
    for name in parts[0]:
        print(f"    {name}: {statistics.median(part[name] for part in parts):.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table", nargs="?", help="Spambase as CSV, the target last")
    parser.add_argument("--engine")
    parser.add_argument("--processes", type=int, default=PROCESSES)
    options = parser.parse_args()
    table = str(Path(options.table).resolve()) if options.table else None
    print(machine(), "" if table else "(synthetic rows)")
    cold: tuple[list, list] = ([], [])
    for _ in range(options.processes):
        with tempfile.TemporaryDirectory() as cache:
            whole, parts = processes(table, options.engine, cache, 1)
        cold[0].extend(whole)
        cold[1].extend(parts)
    show("empty cache", *cold)
    with tempfile.TemporaryDirectory() as cache:
        processes(table, options.engine, cache, 1)
        show("filled cache", *processes(table, options.engine, cache, options.processes))
    print("asked: under 0.8 s in all")


if __name__ == "__main__":
    main()
