"""What checkpoints add to a run.

    python benchmarks/checkpoints.py [FOLDER]

For networks from 12 thousand to 36 million numbers (weights and what Adam keeps of them): the size
of the file, the time of the data's checksums at the start, the time of one write into FOLDER (else
the folder for temporary files), with the judging of the last step before it, beside an epoch's, and
the share of a run that the writes of every 30 seconds take. Answers for what a user pays. Not for:
the disk, whose speed it is for the most part.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from typing import Any

import numpy as np
from measure import machine, seconds

import limpide as lp
from limpide import identity, training

# layers, rows, rows a step
NETWORKS = (
    ([57, 64, 1], 4_600, 32),
    ([784, 128, 10], 10_000, 128),
    ([784, 2048, 2048, 10], 4_096, 1024),
    ([1000, 3000, 3000, 10], 2_048, 1024),
)
EPOCHS = 9
INTERVAL, SHARE = 30.0, 20.0  # as in limpide.checkpoints


def main() -> None:
    """Print a line a network."""
    keep, writes = training.Trainer._keep, []

    def timed(self: Any, **given: bool) -> None:
        began = time.perf_counter()
        keep(self, **given)
        writes.append(time.perf_counter() - began)

    training.Trainer._keep = timed  # type: ignore[method-assign]
    print(machine())
    print(
        f"{'network':<20}{'file':>11}{'checksums':>12}{'a write':>20}{'an epoch':>11}{'in 30 s':>9}"
    )
    for layers, rows, batch in NETWORKS:
        random = np.random.default_rng(0)
        X = random.normal(size=(rows, layers[0])).astype(np.float32)
        y = random.normal(size=(rows, layers[-1])).astype(np.float32)
        with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as folder:
            kept = lp.Checkpoint(os.path.join(folder, "run"), every=1)
            writes.clear()
            net = lp.Network(layers, seed=0)
            history = net.fit(X, y, batch_size=batch, epochs=EPOCHS, checkpoint=kept)
            size = os.path.getsize(kept.path)
        checksums = seconds(lambda X=X: identity.array_text(X))
        del writes[-2]  # after the last epoch the end writes
        write = statistics.median(writes)
        spread = f"({1e3 * min(writes):.0f} to {1e3 * max(writes):.0f})"
        print(
            f"{'-'.join(map(str, layers)):<20}{size / 2**20:>7.1f} MiB{1e3 * checksums:>9.1f} ms"
            f"{1e3 * write:>6.0f} {spread:>10} ms{1e3 * history.seconds / EPOCHS:>8.0f} ms"
            f"{write / max(INTERVAL, SHARE * write):>9.2%}"
        )


if __name__ == "__main__":
    main()
