"""What checkpoints add to a run: each write, the checksums at the start, with and without.

Prints for networks from 4 thousand to 40 million numbers (weights and what Adam keeps): the file's
size, the time of one write at an epoch's end (the judging of the last step included), the share of
a run that writes every 30 seconds take, and the share that a write after every epoch takes.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time

import numpy as np
from measure import machine

import limpide as lp
from limpide import checkpoints, identity

SIZES = {
    "57-64-1": (lambda: [57, 64, 1], 4600, 32),
    "784-128-10": (lambda: [784, 128, 10], 10_000, 128),
    "784-2048-2048-10": (lambda: [784, 2048, 2048, 10], 4096, 1024),
    "1000-3000-3000-10": (lambda: [1000, 3000, 3000, 10], 2048, 1024),
}
EPOCHS, PAIRS = 5, 5


def run(layers: list[int], X: np.ndarray, y: np.ndarray, batch: int, kept: object) -> float:
    net = lp.Network(layers, seed=0)
    settings = {"batch_size": batch, "epochs": EPOCHS, "progress": False, "checkpoint": kept}
    began = time.perf_counter()
    net.fit(X, y, **settings)
    return time.perf_counter() - began


def main() -> None:
    print(machine())
    writes: list[float] = []
    keep = checkpoints.Keeper.write

    def timed(self: checkpoints.Keeper, *given: object) -> None:
        began = time.perf_counter()
        keep(self, *given)
        writes.append(time.perf_counter() - began)

    checkpoints.Keeper.write = timed
    print(f"{'network':<20}{'file':>10}{'checksums':>12}{'a write':>10}{'in 30 s':>9}{'each':>14}")
    for name, (layers, rows, batch) in SIZES.items():
        random = np.random.default_rng(0)
        X = random.normal(size=(rows, layers()[0])).astype(np.float32)
        y = random.normal(size=(rows, layers()[-1])).astype(np.float32)
        with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as folder:
            path = os.path.join(folder, "run")
            run(layers(), X, y, batch, None)  # compiled
            writes.clear()
            ratios = []
            for _ in range(PAIRS):
                plain = run(layers(), X, y, batch, None)
                kept = lp.Checkpoint(path, every=1, overwrite=True)
                ratios.append(run(layers(), X, y, batch, kept) / plain - 1)
            began = time.perf_counter()
            identity.array_text(X)
            checksum = time.perf_counter() - began
            write, size = statistics.median(writes), os.path.getsize(path)
        print(
            f"{name:<20}{size / 2**20:>6.1f} MiB{1e3 * checksum:>9.1f} ms{1e3 * write:>7.0f} ms"
            f"{write / max(30, 20 * write):>9.2%}"
            f"{statistics.median(ratios):>8.0%} ({min(ratios):.0%} to {max(ratios):.0%})"
        )


if __name__ == "__main__":
    main()
