"""The xla engine beside the reference: the loss of a first step to 4 ulp, 100 steps to 1e-9."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import limpide as lp
from tolerances import assert_ulp, tolerance

pytest.importorskip("jax", reason="JAX is not installed: pip install 'limpide[xla]'")

ROWS = 403  # 13 steps of 32 rows an epoch, the last one short
NETWORKS: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "tanh": ([9, lp.Dense(16, "tanh"), lp.Dense(7, "tanh"), 1], {"output": "linear"}),
    "sigmoid": ([9, 12, 1], {"activation": "sigmoid", "output": "sigmoid"}),
    "relu": ([9, 33, 17, 1], {"output": "sigmoid"}),
    "classes": ([9, lp.Dense(20, "gelu"), 4], {"output": "softmax"}),
    "normed": ([9, lp.Dense(16, "silu"), lp.LayerNorm(), lp.BatchNorm(), 1], {"output": "linear"}),
    "dropout": ([9, lp.Dense(24, "elu"), lp.Dropout(0.3), 1], {"output": "sigmoid"}),
}
OPTIMIZERS = {
    "sgd": lp.SGD(0.05, momentum=0.9, nesterov=True),
    "adam": lp.Adam(0.003),
    "rmsprop": lp.RMSProp(0.001),
}


def rows(output: str) -> tuple[Any, Any]:
    X = np.random.default_rng(2).normal(size=(ROWS, 9))
    told = X[:, 0] - X[:, 1] * X[:, 2]
    if output == "softmax":
        return X, np.digitize(told, [-1, 0, 1])
    return X, told if output == "linear" else (told > 0).astype(float)


def trained(engine: str, name: str, optimizer: Any, batch: int, epochs: int) -> tuple[Any, Any]:
    layers, settings = NETWORKS[name]
    net = lp.Network(layers, dtype="float64", seed=4, **settings)
    X, y = rows(settings["output"])
    history = net.fit(
        X, y, optimizer=optimizer, batch_size=batch, epochs=epochs, engine=engine, seed=1
    )
    return net, history


@pytest.mark.parametrize("name", NETWORKS)
def test_the_loss_of_a_first_step(name: str) -> None:
    """All rows in one step, so that the epoch's loss is that of the first weights."""
    plain, found = (
        trained(engine, name, lp.SGD(0.1), ROWS, 1)[1].loss for engine in ("reference", "xla")
    )
    assert_ulp(np.array(found), np.array(plain), "loss of a first step on xla")


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", NETWORKS)
def test_a_hundred_steps(name: str, optimizer: str) -> None:
    (plain, first), (net, history) = (
        trained(engine, name, OPTIMIZERS[optimizer], 32, 8) for engine in ("reference", "xla")
    )
    assert history.steps == 104
    allowed = tolerance("engine_float64_steps")
    np.testing.assert_allclose(history.loss, first.loss, rtol=allowed, atol=0)
    for key, array in (*plain.params.items(), *plain.state.items()):
        found = net.params[key] if key in net.params else net.state[key]
        np.testing.assert_allclose(found, array, rtol=0, atol=allowed)
