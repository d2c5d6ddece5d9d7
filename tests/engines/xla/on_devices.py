"""Trains on simulated devices, in a process of its own: ``python on_devices.py OUT.npz``.

Answers for the numbers that test_devices.py looks at. Not for: judging them.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

import limpide as lp

WAYS: dict[str, dict[str, Any]] = {
    "native": {"engine": "native"},
    "one": {"engine": "xla"},
    "two": {"engine": "xla", "devices": 2},
    "all": {"engine": "xla", "devices": "all"},
    "some": {"engine": "xla", "devices": [1, 3]},
    "bfloat16": {"engine": "xla", "compute_dtype": "bfloat16"},
    "both": {"engine": "xla", "devices": 4, "compute_dtype": "bfloat16"},
}
ROWS, BATCH, EPOCHS = 203, 15, 8  # 14 steps an epoch, of 15 rows and of 8: not even on 4 devices


def trained(**settings: Any) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(ROWS, 5)).astype(np.float32)
    y = X[:, 0] * X[:, 1] > 0
    layers = [5, lp.Dense(8, "tanh"), lp.Dropout(0.2), lp.BatchNorm(), lp.Dense(1, "sigmoid")]
    net = lp.Network(layers, seed=0)
    weights = rng.uniform(0.5, 2, ROWS)
    history = net.fit(
        X, y, epochs=EPOCHS, batch_size=BATCH, sample_weight=weights, validation=0.1, **settings
    )
    return net, history


if __name__ == "__main__":
    found = {}
    for name, way in WAYS.items():
        net, history = trained(**way)
        arrays = {**net.params, **net.state}
        found |= {f"{name} {key}": array for key, array in arrays.items()}
        found[f"{name} loss"] = np.array([history.loss, history.validation_loss])
    np.savez(sys.argv[1], **found)
