"""Fits on the engines beside the reference: every layer, activation, loss and optimizer.

With -m long on xla too, where JAX is installed.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import limpide as lp
from limpide.activations import ACTIVATIONS
from limpide.losses import LOSSES
from limpide.table_layers import Columns, Equals, Missing, OneHot, RobustScale, Standardize
from tolerances import tolerance, ulp_distance

Array = npt.NDArray[Any]
FIRST_LOSS_ULPS = 4  # of a mean of some dozen rows, in another order
both_precisions = pytest.mark.parametrize("dtype", ["float64", "float32"])
compared = "native"  # the engine that is held beside the reference


@pytest.fixture(autouse=True, params=["native", pytest.param("xla", marks=pytest.mark.long)])
def _on(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "xla":
        pytest.importorskip("jax", reason="JAX is not installed: pip install 'limpide[xla]'")
    monkeypatch.setattr(sys.modules[__name__], "compared", request.param)


def table(n: int, features: int, seed: int = 7) -> Array:
    return np.random.default_rng(seed).normal(size=(n, features))


def fit_both(
    layers: list[Any],
    X: Array,
    y: Array,
    *,
    dtype: str = "float64",
    output: str = "linear",
    epochs: int = 3,
    **settings: Any,
) -> list[tuple[lp.Network, lp.History]]:
    """Give the network and its history, fitted on the reference engine and on the compared one."""
    found = []
    for engine in ("reference", compared):
        net = lp.Network(list(layers), output=output, dtype=dtype, seed=0)
        history = net.fit(X, y, epochs=epochs, engine=engine, **settings)
        assert history.engine == engine
        found.append((net, history))
    return found


def assert_fits_alike(layers: list[Any], X: Array, y: Array, **settings: Any) -> None:
    """Compare losses, weights and state after a few steps, by the table."""
    (plain, expected), (net, history) = fit_both(layers, X, y, **settings)
    dtype = np.dtype(settings.get("dtype", "float64"))
    allowed = tolerance("engine_float64_steps" if dtype == np.float64 else "fit_float32")
    np.testing.assert_allclose(history.loss, expected.loss, rtol=allowed, atol=allowed)
    for own, others in ((net.params, plain.params), (net.state, plain.state)):
        for name, array in own.items():
            np.testing.assert_allclose(
                array, others[name], rtol=allowed, atol=allowed, err_msg=name
            )


def assert_first_step_alike(layers: list[Any], X: Array, y: Array, **settings: Any) -> None:
    """One step on all rows: its loss is that of the first weights."""
    settings |= {"batch_size": len(X), "epochs": 1}
    (_, expected), (_, history) = fit_both(layers, X, y, **settings)
    distance = ulp_distance(np.array(history.loss), np.array(expected.loss))
    assert distance.max() <= FIRST_LOSS_ULPS


# Activations, losses, layers --------------------------------------------------------------------


@both_precisions
@pytest.mark.parametrize("name", [n for n in ACTIVATIONS if n != "softmax"])
def test_every_activation(name: str, dtype: str) -> None:
    X = table(21, 3)
    layers = [3, lp.Dense(9, activation=name), lp.Dense(5, activation=name), 1]
    assert_fits_alike(layers, X, X[:, 0], dtype=dtype, optimizer=lp.SGD(0.05), batch_size=8)
    if dtype == "float64":
        assert_first_step_alike(layers, X, X[:, 0])


def _targets(loss: str, X: Array) -> tuple[Array, str, int]:
    """Give targets for a loss, and the output that it judges."""
    if loss == "bce":
        return (X[:, 0] > 0).astype(float), "sigmoid", 1
    if loss == "cross_entropy":
        return (X[:, 0] > 0).astype(int) + (X[:, 1] > 0), "softmax", 3
    if loss == "poisson":
        return np.floor(np.abs(X[:, 0]) * 3), "linear", 1
    return X[:, 0] * 2, "linear", 1


@both_precisions
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", LOSSES)
def test_every_loss(name: str, weighted: bool, dtype: str) -> None:
    X = table(37, 4)
    y, output, width = _targets(name, X)
    weights = np.random.default_rng(1).random(37) if weighted else None
    settings: dict[str, Any] = {"loss": name, "output": output, "sample_weight": weights}
    layers = [4, lp.Dense(8, activation="tanh"), width]
    assert_fits_alike(layers, X, y, dtype=dtype, batch_size=8, **settings)
    if dtype == "float64":
        assert_first_step_alike(layers, X, y, **settings)


LAYERS: dict[str, list[Any]] = {
    "dropout": [4, 17, lp.Dropout(0.3), 8, lp.Dropout(0.5), 1],
    "layer norm": [4, lp.LayerNorm(), 9, lp.LayerNorm(), 1],
    "batch norm": [4, 8, lp.BatchNorm(), 5, lp.BatchNorm(), 1],
    "embedding": [4, lp.Embedding(5, 3), 6, 1],
    "no bias": [4, lp.Dense(6, bias=None), lp.Dense(1, bias=None)],
    "scales": [4, Standardize(), RobustScale(), 5, 1],
    "marks": [4, Equals(), 5, 1],
    "missing": [4, Missing(), 5, 1],
    "one-hot": [4, OneHot((2, 3, 4, 2)), 6, 1],
    "columns": [
        4,
        Columns((((0, 2), Standardize(name="a")), ((1, 3), OneHot((3, 3), name="b")))),
        6,
        1,
    ],
    "one neuron": [4, 1],
    "deep": [4, 3, 17, 2, 33, 1, 5, 1],
}


@both_precisions
@pytest.mark.parametrize("name", LAYERS)
def test_every_layer(name: str, dtype: str) -> None:
    X = table(26, 4)
    if name in ("embedding", "one-hot", "marks", "columns"):
        X = np.abs(np.floor(X * 2))
    y = np.sin(table(26, 1)[:, 0])
    assert_fits_alike(LAYERS[name], X, y, dtype=dtype, optimizer=lp.SGD(0.02), batch_size=8)


# Optimizers, batches, frozen weights ------------------------------------------------------------

OPTIMIZERS = [
    lp.SGD(0.05),
    lp.SGD(0.05, momentum=0.9),
    lp.SGD(0.05, momentum=0.9, nesterov=True),
    lp.RMSProp(0.01),
    lp.Adagrad(0.05),
    lp.Adam(0.01),
    lp.AdamW(0.01, weight_decay=0.1),
    lp.SGD(lp.StepDecay(0.1, every=4, factor=0.5)),
    lp.SGD(lp.ExponentialDecay(0.1)),
    lp.Adam(lp.Cosine(0.01, warmup=0.2)),
    lp.SGD(lp.Linear(0.05), momentum=0.5),
]


@both_precisions
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_every_optimizer_and_schedule(optimizer: Any, dtype: str) -> None:
    X = table(21, 5)
    layers = [5, lp.Dense(7, activation="tanh"), 1]
    assert_fits_alike(layers, X, X[:, 0], dtype=dtype, optimizer=optimizer, batch_size=8)


@pytest.mark.filterwarnings("ignore:batch_size is")
@both_precisions
@pytest.mark.parametrize(
    ("batch_size", "features"), [(1, 1), (1, 6), (5, 6), (32, 1), (32, 6), (70, 6), (100, 1)]
)
def test_batches_of_any_size_and_one_feature(batch_size: int, features: int, dtype: str) -> None:
    X = table(70, features)
    layers = [features, lp.Dense(4, activation="tanh"), 2]
    y = np.stack([X[:, 0], -X[:, -1]], 1)
    assert_fits_alike(layers, X, y, dtype=dtype, optimizer=lp.SGD(0.02), batch_size=batch_size)


@both_precisions
def test_frozen_parameters_class_weights_and_validation(dtype: str) -> None:
    X = table(50, 3)
    y = (X[:, 0] > 0.5).astype(int)
    layers = [3, lp.Dense(6, activation="relu"), 2]
    settings: dict[str, Any] = {"output": "softmax", "batch_size": 16, "dtype": dtype}
    frozen = ["hidden1.weights", "output.bias"]
    assert_fits_alike(
        layers, X, y, freeze=frozen, class_weight="balanced", validation=0.2, **settings
    )
    (plain, _), (net, _) = fit_both(layers, X, y, freeze=frozen, **settings)
    fresh = lp.Network(list(layers), output="softmax", dtype=dtype, seed=0)
    for name in frozen:
        np.testing.assert_array_equal(net.params[name], fresh.params[name])
    assert not np.array_equal(net.params["output.weights"], fresh.params["output.weights"])
    assert set(plain.params) == set(net.params)


def test_a_thousand_steps_in_float64() -> None:
    X = table(100, 4)
    layers = [4, lp.Dense(16, activation="tanh"), lp.Dense(8, activation="sigmoid"), 1]
    settings: dict[str, Any] = {"optimizer": lp.SGD(0.1), "batch_size": 10, "epochs": 100}
    (plain, expected), (net, history) = fit_both(layers, X, np.sin(X[:, 0]), **settings)
    assert history.steps == 1000
    allowed = tolerance("engine_float64_steps")
    np.testing.assert_allclose(history.loss, expected.loss, rtol=allowed)
    for name, array in net.params.items():
        np.testing.assert_allclose(array, plain.params[name], rtol=0, atol=allowed)


def test_predictions_and_figures_are_those_of_the_reference(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    X = table(40, 3)
    y = (X[:, 0] > 0).astype(float)
    net = lp.Network([3, 8, 1], output="sigmoid", dtype="float64", seed=0)
    monkeypatch.setenv("LIMPIDE_ENGINE", compared)
    net.fit(X, y, epochs=2)
    found = net.predict(X), net.evaluate(X, y)
    monkeypatch.setenv("LIMPIDE_ENGINE", "reference")
    twin = lp.Network([3, 8, 1], output="sigmoid", dtype="float64", seed=0)
    for name, array in net.params.items():
        twin.params[name] = array
    allowed = tolerance("engine_float64")
    np.testing.assert_allclose(found[0], twin.predict(X), rtol=allowed)
    figures = twin.evaluate(X, y)
    assert found[1]["accuracy"] == figures["accuracy"]
    np.testing.assert_allclose(found[1]["loss"], figures["loss"], rtol=allowed)
