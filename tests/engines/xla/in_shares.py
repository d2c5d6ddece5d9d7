"""One of several processes that have a share of a table each: ``in_shares.py PLACE N I MODE DIR``.

Answers for what test_shares.py looks at. Not for: judging it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

import limpide as lp
from limpide.engines.xla.loop_run import OnDevices
from limpide.losses import resolve_loss
from limpide.stored_rows import StoredRows
from limpide.tables import parts

PLACE, SIZE, NUMBER, MODE, FOLDER = *sys.argv[1:5], Path(sys.argv[5])
COUNTS, BATCH, EPOCHS = [103, 86], 8, 8  # 104 steps, of 16 rows and of 14


class Kill(lp.Callback):
    """Ends one of the processes, at once, in the middle of a run."""

    def epoch_end(self, run: lp.Run) -> None:
        if f"kill{NUMBER}" == MODE and run.epoch == 2:
            os.kill(os.getpid(), signal.SIGKILL)


def network() -> dict[str, Any]:
    """Train on rows of which each process has its own; give the batches, and what came of them."""
    number, taken = int(NUMBER), []
    run = OnDevices.run

    def noted(self: Any, held: Any, rows: Any, order: Any) -> Any:
        taken.append([array[order] for array in rows])
        return run(self, held, rows, order)

    OnDevices.run = noted  # type: ignore[method-assign]
    rng = np.random.default_rng(number)
    X = rng.normal(size=(COUNTS[number], 5)).astype(np.float32)
    y = (X[:, :1] * X[:, 1:2] > 0).astype(np.float32)
    rows = [X, y, rng.uniform(0.5, 2, len(X)).astype(np.float32)]
    stored = StoredRows(COUNTS, rows, BATCH, 28 * 40, seed=0, number=number)
    stored.add(rows)
    stored.complete([np.ones((1, *a.shape[1:]), np.float32) for a in rows], "rows")
    net = lp.Network([5, lp.Dense(8, "tanh"), lp.Dense(1, "sigmoid")], seed=0)
    history = net.fit_stored(
        stored,
        loss=resolve_loss(None, net.output_activation),
        optimizer=lp.Adam(0.01),
        epochs=EPOCHS,
        engine="xla",
    )
    steps = stored.rows_of_steps(0, 0)
    assert history.steps == EPOCHS * len(steps)
    found = {name: array.copy() for name, array in net.params.items()}
    found |= {"loss": np.array(history.loss), "batch_size": np.array(history.batch_size)}
    for place, name in enumerate(("X", "y", "w")):  # in batches, the short one filled with zeros
        batches = []
        for call in taken:
            for epoch in call[place]:
                whole = np.zeros((-(-len(epoch) // BATCH) * BATCH, *epoch.shape[1:]), np.float32)
                whole[: len(epoch)] = epoch
                batches.append(whole.reshape(-1, BATCH, *epoch.shape[1:]))
        found[f"batches {name}"] = np.concatenate(batches)[: history.steps]
    return found


def table() -> dict[str, Any]:
    """Train on a folder, and give the model, and which rows were read."""
    read: list[list[Any]] = []
    rows = parts.parquet_rows

    def noted(file: Path, source: str, start: int, count: int) -> pl.DataFrame:
        read.append([file.name, start, count])
        return rows(file, source, start, count)

    parts.parquet_rows = noted
    name = "other.checkpoint" if MODE == "diverge" else "run.checkpoint"
    checkpoint = lp.Checkpoint(
        FOLDER / name, seconds=0, resume=MODE == "resume", overwrite=MODE != "resume"
    )
    model = lp.train(
        FOLDER / ("damaged" if MODE == "damaged" else "table"),
        "kind",
        epochs=5,
        learning_rate=1e20 if MODE == "diverge" else None,
        batch_size=33,
        n_ensemble=2,
        hidden=[8],
        engine="xla",
        callbacks=[Kill()],
        checkpoint=checkpoint,
        memory="2 MB",
    )
    said = {
        "read": read,
        "classes": None if model.classes is None else model.classes.tolist(),
        "notes": model.notes,
        "figures": model.figures,
        "rows": [model.facts.rows, model.facts.held_out],
        "categories": [
            list(part.categories) for column in model.preprocessing.columns for part in column.parts
        ],
    }
    (FOLDER / f"{MODE}-{NUMBER}.json").write_text(json.dumps(said))
    model.report(FOLDER / f"{MODE}-{NUMBER}.html")
    params = {**model.params, **model.network.state}
    return params | {"loss": np.array([model.history.loss, model.history.validation_loss])}


def main() -> None:
    with lp.processes(PLACE, int(SIZE), int(NUMBER), timeout=120):
        if MODE == "many":
            lp.fit_many(lp.Network([1, 1]), [[0.0], [1.0]], [0.0, 1.0], range(2))
        found = network() if MODE == "network" else table()
    np.savez(FOLDER / f"{MODE}-{NUMBER}.npz", **found)


if __name__ == "__main__":
    main()
