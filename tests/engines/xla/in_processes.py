"""One of several processes that train together: ``python in_processes.py PLACE N I MODE FOLDER``.

Answers for what test_hosts.py looks at. Not for: judging it.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import numpy as np

import limpide as lp

ROWS, BATCH, EPOCHS = 203, 15, 8  # 104 steps, of 15 rows and of 8: neither is even on 2 devices
PLACE, SIZE, NUMBER, MODE, FOLDER = *sys.argv[1:5], Path(sys.argv[5])


class Kill(lp.Callback):
    """Ends one of the processes, at once, in the middle of a run."""

    def epoch_end(self, run: lp.Run) -> None:
        if f"kill{NUMBER}" == MODE and run.epoch == 5:
            os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    rng = np.random.default_rng(int(NUMBER) if MODE == "other" else 0)
    X = rng.normal(size=(ROWS, 5)).astype(np.float32)
    y = X[:, 0] * X[:, 1] > 0
    layers = [5, lp.Dense(8, "tanh"), lp.Dropout(0.2), lp.BatchNorm(), lp.Dense(1, "sigmoid")]
    told = () if PLACE == "detected" else (PLACE, int(SIZE), int(NUMBER))
    with lp.processes(*told, timeout=120) as team:
        net = lp.Network(layers, seed=0)
        if MODE == "error" and team.number:
            raise lp.DataError("row 3 of this process is bad")
        checkpoint = lp.Checkpoint(
            FOLDER / "run.checkpoint",
            seconds=0,
            resume=MODE == "resume",
            overwrite=MODE != "resume",
        )
        history = net.fit(
            X,
            y,
            epochs=EPOCHS,
            batch_size=BATCH,
            sample_weight=rng.uniform(0.5, 2, ROWS),
            validation=0.1,
            engine="native" if MODE == "native" else "xla",
            callbacks=[Kill()],
            checkpoint=checkpoint,
        )
    found = {**net.params, **net.state, "loss": np.array([history.loss, history.validation_loss])}
    np.savez(FOLDER / f"{MODE}-{SIZE}-{NUMBER}.npz", **found)
    if MODE == "again" and team.size > 1:
        net.fit(X, y, engine="xla")


if __name__ == "__main__":
    main()
