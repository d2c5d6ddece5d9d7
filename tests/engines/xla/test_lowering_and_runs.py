"""The xla engine agrees with the reference, op by op, step by step, and touches no global setting.

Skips where JAX is not installed.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import limpide as lp
from limpide import engines
from limpide.check import check_engines
from limpide.ir import OPS, Loop, Trace, spec_of
from tolerances import tolerance

jax = pytest.importorskip("jax", reason="JAX is not installed: pip install 'limpide[xla]'")
lowering = pytest.importorskip("limpide.engines.xla.lowering")
sys.path.insert(0, str(Path(__file__).parents[2] / "ops"))
SAMPLES = import_module("samples").SAMPLES  # those of tests/ops

OPTIMIZERS = [lp.SGD(0.1, momentum=0.9), lp.Adam(lp.Cosine(0.01)), lp.AdamW(0.01)]


def test_every_op_is_lowered_and_no_lowering_is_left_over() -> None:
    assert set(lowering.LOWERINGS) == set(OPS)


def flushed(array: Any) -> Any:
    """Give an array without denormal numbers, which XLA takes for 0 on processors."""
    if array.dtype.kind != "f":
        return array
    return np.where(np.abs(array) < np.finfo(array.dtype).tiny, array.dtype.type(0), array)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", SAMPLES)
def test_every_sample_has_its_plain_meaning(name: str, dtype: type) -> None:
    for sample in SAMPLES[name]:
        inputs = [flushed(a) for a in sample.cast(dtype).inputs]
        trace = Trace(name)
        nodes = [trace.input(spec_of(a), f"x{i}") for i, a in enumerate(inputs)]
        graph = trace.finish([trace.record(OPS[name], nodes, sample.params)], ["y"])
        allowed = tolerance(f"engine_{np.dtype(dtype).name}")
        report = check_engines(graph, inputs, engine="xla", tolerance=allowed)
        assert report, f"{report}\n{graph}"


def fitted(engine: str, optimizer: Any, dtype: str, epochs: int = 4) -> tuple[Any, Any]:
    rng = np.random.default_rng(5)
    X = rng.normal(size=(103, 4))
    y = (X[:, 0] * X[:, 1] > 0).astype(float)
    layers = [4, lp.Dense(6, "gelu"), lp.Dropout(0.2), lp.BatchNorm(), lp.Dense(5, "tanh"), 1]
    net = lp.Network(layers, output="sigmoid", dtype=dtype, seed=3)
    weights = np.linspace(0.5, 2, len(X))
    settings = {"epochs": epochs, "batch_size": 10, "sample_weight": weights, "engine": engine}
    history = net.fit(X, y, optimizer=optimizer, validation=0.2, **settings)
    return net, history


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
def test_a_run_ends_with_the_same_weights(optimizer: Any) -> None:
    runs = [fitted(engine, optimizer, "float64") for engine in ("reference", "xla")]
    (plain, first), (net, history) = runs
    assert history.engine == "xla"
    allowed = tolerance("engine_float64_steps")
    np.testing.assert_allclose(history.loss, first.loss, rtol=0, atol=allowed)
    np.testing.assert_allclose(history.validation_loss, first.validation_loss, rtol=0, atol=allowed)
    for name, array in (*plain.params.items(), *plain.state.items()):
        other = net.params[name] if name in net.params else net.state[name]
        np.testing.assert_allclose(other, array, rtol=0, atol=allowed)


def test_in_float32_too() -> None:
    plain, net = (fitted(e, lp.SGD(0.05), "float32")[0] for e in ("reference", "xla"))
    for name, array in plain.params.items():
        assert net.params[name].dtype == np.float32
        np.testing.assert_allclose(net.params[name], array, rtol=0, atol=tolerance("fit_float32"))


def test_a_compiled_function_and_its_repetition(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMPIDE_ENGINE", "xla")
    w = lp.Variable([[0.3], [-0.2]], dtype="float64")

    @lp.function
    def step(x: Any, y: Any) -> Any:
        with lp.GradientTape() as tape:
            loss = lp.mean(lp.square(y - lp.sigmoid(x @ w)))
        w.assign_sub(0.5 * tape.gradient(loss, w))
        return loss

    x, y = np.eye(2), np.array([[1.0], [0.0]])
    first = float(step(x, y))
    losses = np.asarray(step.repeat(100, x, y))
    assert losses.shape == (100,)
    assert losses[-1] < losses[0] < first


def test_nothing_of_jax_is_set_for_others() -> None:
    fitted("xla", lp.SGD(0.1), "float64", epochs=1)
    assert not jax.config.jax_enable_x64
    assert jax.numpy.ones(3).dtype == np.float32


def test_prediction_of_any_number_of_rows() -> None:
    net = lp.Network([3, 4, 2], dtype="float64", seed=0)
    X = np.random.default_rng(0).normal(size=(70, 3))
    expected = net.predict(X)
    for n in (1, 3, 16, 17, 64, 70):
        graph = net.graph(min(n, 16))
        run = engines.get("xla").compile_rows(graph, 4)
        found = np.empty((n, 2))
        run(list(net.params.values()), [X[:n]], [found])
        np.testing.assert_allclose(found, expected[:n], rtol=0, atol=tolerance("engine_float64"))


@pytest.mark.parametrize("n", [1, 100, 5000])
def test_a_network_predicts(n: int) -> None:
    net = lp.Network([3, 4, 2], dtype="float64", seed=0)
    X = np.random.default_rng(0).normal(size=(n, 3))
    found = net.predict(X, engine="xla")
    np.testing.assert_allclose(found, net.predict(X), rtol=0, atol=tolerance("engine_float64"))


def test_an_estimator_and_a_table() -> None:
    pytest.importorskip("sklearn")
    rng = np.random.default_rng(3)
    X = rng.normal(size=(500, 3))
    y = np.where(X[:, 0] + X[:, 1] > 0, "yes", "no")
    fitted = [
        lp.Classifier(epochs=3, random_state=0, engine=engine).fit(X, y).predict_proba(X)
        for engine in ("native", "xla")
    ]
    np.testing.assert_allclose(*fitted, rtol=0, atol=tolerance("fit_float32"))
    table = {"a": X[:, 0], "b": X[:, 1], "y": y}
    model = lp.train(table, "y", epochs=2, engine="xla", devices=1)
    assert model.history.engine == "xla"
    assert model.predict(table)[0] in ("yes", "no")


def test_rows_that_change_between_runs_are_seen() -> None:
    X, y = np.eye(4), np.arange(4.0)
    net, other = (lp.Network([4, 1], dtype="float64", seed=0) for _ in range(2))
    net.fit(X, y, engine="xla", epochs=1)
    X[:] = X[::-1].copy()
    for name, array in net.params.items():
        other.params[name][...] = array
    net.fit(X, y, engine="xla", epochs=3)
    other.fit(X, y, engine="reference", epochs=3)
    for name, array in other.params.items():
        found, allowed = net.params[name], tolerance("engine_float64")
        np.testing.assert_allclose(found, array, rtol=0, atol=allowed)


@pytest.mark.parametrize("name", ["jax_disable_jit", "jax_transfer_guard"])
def test_what_a_user_has_set_of_jax_does_not_matter(name: str) -> None:
    before = getattr(jax.config, name)
    jax.config.update(name, "disallow" if name == "jax_transfer_guard" else True)
    try:
        net, _ = fitted("xla", lp.SGD(0.05), "float32", epochs=2)
        assert net.predict(np.ones((3, 4)), engine="xla").shape == (3, 1)
    finally:
        jax.config.update(name, before)


@pytest.mark.parametrize(("width", "seconds"), [(8, 0.5), (2048, 1.0)])
def test_slices_last_longer_than_usual(width: int, seconds: float) -> None:
    x, w = (lp.Tensor(np.zeros((width, width), np.float32)) for _ in range(2))
    graph = lp.function(lambda w, x: w + x @ w).graph(w, x)
    run = engines.get("xla").compile_loop(Loop(graph, None, 1, 0))
    assert engines.slice_seconds(run, 0.2) == seconds
