"""Memory of training 1,000,801 parameters on a million rows: no copy of the data beyond one.

Run: python benchmarks/memory.py [--rows 1000000]
Each case runs in a process of its own; printed are the data's size, and by how much the largest
resident size grew from before ``fit`` to its end.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys

import numpy as np
from measure import machine, seconds

import limpide as lp

FEATURES = 100
LAYERS = [FEATURES, 1000, 899, 1]


def case(dtype: str, rows: int) -> None:
    """Train one epoch on rows of one dtype and print what it took."""
    rng = np.random.default_rng(0)
    X = np.empty((rows, FEATURES), dtype)
    for start in range(0, rows, 10_000):
        X[start : start + 10_000] = rng.random((min(10_000, rows - start), FEATURES), np.float32)
    y = (X[:, 0] > X[:, 1]).astype(np.float32)
    net = lp.Network(LAYERS, output="sigmoid", seed=0)
    net.fit(X[:2048], y[:2048], epochs=1, batch_size=1024)  # code and buffers are in memory now
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    took = seconds(lambda: net.fit(X, y, epochs=1, batch_size=1024))
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(
        f"{dtype}: {net.n_parameters:,} parameters, {rows:,} rows, "
        f"data {X.nbytes / 2**20:.0f} MiB; fit added {grown:.0f} MiB in {took:.0f} s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--case", choices=["float32", "float64"])
    options = parser.parse_args()
    if options.case:
        case(options.case, options.rows)
        return
    print(machine(), flush=True)
    for dtype in ("float32", "float64"):  # as it is; and to be converted, which is the one copy
        command = [sys.executable, __file__, "--case", dtype, "--rows", str(options.rows)]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
