"""Does the cost of training grow with rows, epochs and work, and no faster?

    python benchmarks/linearity.py [--most 10000000]

Prints seconds a row and epoch from a thousand rows to ten million, seconds an epoch from one epoch
to a thousand, and the share of the peak from narrow networks to wide ones. Where cost is linear the
first two stay level (what a call costs by itself shows at the start). Rows past the processor's
caches cost what memory does: they are gathered in random order.
Answers for growth. Not for: comparisons (``native_engine.py``).
"""

from __future__ import annotations

import argparse
import statistics

import numpy as np
from measure import machine, seconds

import limpide as lp
from limpide.bench.peak import Peak
from limpide.bench.workloads import Workload

K, BATCH, SAMPLES = 16, 32, 5


def rows_of(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Give X [n, 16] and a column of 0 and 1."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, K), dtype=np.float32)
    return X, (X[:, :1] > rng.standard_normal((n, 1), dtype=np.float32)).astype(np.float32)


def fit_seconds(
    net: lp.Network, X: np.ndarray, y: np.ndarray, epochs: int, engine: str | None
) -> list[float]:
    """Give the seconds of several fits, after one that compiles."""

    def run() -> None:
        settings = {"batch_size": BATCH, "engine": engine, "progress": False}
        net.fit(X, y, epochs=epochs, optimizer=lp.SGD(0.01), **settings)

    run()
    return [seconds(run) for _ in range(SAMPLES if len(X) * epochs < 3_000_000 else 2)]


def show(what: str, times: list[float], units: float, unit: str) -> None:
    """Print the median and range of a time divided by what was done in it."""
    low, middle, high = (f(times) / units * 1e9 for f in (min, statistics.median, max))
    print(f"  {what:>16}: {middle:10.2f} ns {unit} ({low:.2f} to {high:.2f})", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most", type=int, default=10**7, help="rows")
    parser.add_argument("--engine")
    options = parser.parse_args()
    print(machine())
    print("rows, one epoch of 16-32-1:")
    n = 1_000
    while n <= options.most:
        net = lp.Network([K, 32, 1], output="sigmoid", seed=0)
        show(f"{n:,}", fit_seconds(net, *rows_of(n), 1, options.engine), n, "a row")
        n *= 10
    print("epochs of 10,000 rows, 16-32-1:")
    X, y = rows_of(10_000)
    net = lp.Network([K, 32, 1], output="sigmoid", seed=0)
    for epochs in (1, 10, 100, 1_000):
        if epochs * len(X) <= options.most:
            times = fit_seconds(net, X, y, epochs, options.engine)
            show(f"{epochs:,}", times, epochs * len(X), "a row and epoch")
    print("width of both hidden layers, 10,000 rows, batch 32:")
    peak = Peak("float32", 2)
    for width in (8, 16, 32, 64, 128, 256, 512, 1024):
        work = Workload((K, width, width, 1), BATCH, rows=10_000)
        times = fit_seconds(work.network(), X, y, 1, options.engine)
        show(f"{width:,}", times, work.flops / 1e6, "a million operations")
        share = work.flops / statistics.median(times) / peak.measure(0.1)
        print(f"{'':>18} {100 * share:.1f} % of the peak")


if __name__ == "__main__":
    main()
