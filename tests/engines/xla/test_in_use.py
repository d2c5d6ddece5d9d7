"""A run on xla as people have it: broken off, gone on with, retold, in threads, as an ensemble.

Skips where JAX is not installed.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import limpide as lp
from breaking_off import breaks_off
from tolerances import tolerance

jax = pytest.importorskip("jax", reason="JAX is not installed: pip install 'limpide[xla]'")

RNG = np.random.default_rng(8)
X = RNG.normal(size=(61, 3))
Y = np.tanh(X[:, 0] - X[:, 1] * X[:, 2])
SETTINGS: dict[str, Any] = {"batch_size": 8, "optimizer": lp.Adam(0.01), "seed": 3}


def network(seed: int = 0) -> lp.Network:
    layers = [3, lp.Dense(5, "tanh"), lp.BatchNorm(), lp.Dropout(0.2), 1]
    return lp.Network(layers, dtype="float64", seed=seed)


def numbers(net: lp.Network) -> dict[str, Any]:
    return {name: array.copy() for name, array in (net.params | net.state).items()}


def assert_same(one: lp.Network, other: lp.Network, allowed: float = 0.0) -> None:
    expected = numbers(other)
    for name, array in numbers(one).items():
        np.testing.assert_allclose(array, expected[name], rtol=0, atol=allowed, err_msg=name)


@pytest.mark.parametrize("step", [1, 8, 19])
def test_a_run_that_was_broken_off_goes_on(
    step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, parts = network(), network()
    whole.fit(X, Y, epochs=4, engine="xla", **SETTINGS)
    with monkeypatch.context() as patch:
        breaks_off(patch, step)
        kept = lp.Checkpoint(tmp_path / "run")
        history = parts.fit(X, Y, epochs=4, engine="xla", checkpoint=kept, **SETTINGS)
    assert history.interrupted
    assert history.steps == step
    again = network(seed=9)
    kept = lp.Checkpoint(tmp_path / "run", resume=True)
    history = again.fit(X, Y, epochs=4, engine="xla", checkpoint=kept, **SETTINGS)
    assert kept.resumed_at == step
    assert_same(again, whole)


def test_a_run_begun_on_another_engine_is_not_gone_on_with_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        breaks_off(patch, 11)
        kept = lp.Checkpoint(tmp_path / "run")
        network().fit(X, Y, epochs=4, engine="native", checkpoint=kept, **SETTINGS)
    kept = lp.Checkpoint(tmp_path / "run", resume=True)
    with pytest.raises(lp.CheckpointError, match="another run: engine was native, is xla"):
        network().fit(X, Y, epochs=4, engine="xla", checkpoint=kept, **SETTINGS)


def test_its_steps_are_told_as_they_were() -> None:
    net, plain = network(), network()
    history = net.fit(X, Y, epochs=3, engine="xla", **SETTINGS)
    other = plain.fit(X, Y, epochs=3, engine="reference", **SETTINGS)
    allowed = tolerance("engine_float64_steps")
    step, expected = history.replay(17), other.replay(17)
    assert step.loss_before == pytest.approx(expected.loss_before, abs=allowed, rel=0)
    assert step.loss_after == pytest.approx(expected.loss_after, abs=allowed, rel=0)
    for name in ("w1", "w15", "b1"):
        assert step.after[name] == pytest.approx(expected.after[name], abs=allowed, rel=0)
    np.testing.assert_allclose(
        history.values("w1"), other.values("w1"), rtol=0, atol=tolerance("engine_float64_steps")
    )
    assert_same(net, plain, allowed)  # telling it has not changed anything


def test_its_divergence_is_that_of_the_reference() -> None:
    found = []
    for engine in ("reference", "xla"):
        net = network()
        with pytest.raises(lp.DivergenceError) as info:
            net.fit(X, Y, epochs=50, engine=engine, batch_size=8, optimizer=lp.SGD(1e4))
        found.append((info.value.step, net))
    assert found[0][0] == found[1][0]
    assert all(np.isfinite(a).all() for a in numbers(found[1][1]).values())


def test_threads_train_at_once() -> None:
    def trained(seed: int) -> lp.Network:
        net = network(seed)
        net.fit(X, Y, epochs=3, engine="xla", **SETTINGS)
        return net

    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(trained, [0, 1, 2] * 2))
    for seed, net in enumerate(found):
        assert_same(net, trained(seed % 3))


def test_rows_leave_the_device_with_the_run() -> None:
    """Without Python's garbage collector, which knows nothing of a device's memory."""
    gc.collect()
    gc.disable()
    try:
        network().fit(X, Y, epochs=2, engine="xla", **SETTINGS)
        assert X.shape not in [array.shape for array in jax.live_arrays()]
    finally:
        gc.enable()


FORKING = """
import os, sys
import limpide as lp
def trained(engine):
    return lp.Network([2, 1]).fit([[0, 1], [1, 0]], [0, 1], epochs=1, engine=engine).engine
trained("xla")
child = os.fork()
if not child:
    try:
        trained("xla")
    except lp.ArgumentError as error:
        print(error)
        print(trained("native"), flush=True)
    os._exit(0)
os.waitpid(child, 0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_is_told_what_works_there() -> None:
    line = [sys.executable, "-W", "ignore", "-c", FORKING]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    said, engine = done.stdout.splitlines()
    assert 'multiprocessing.get_context("spawn")' in said
    assert engine == "native"


def table() -> dict[str, Any]:
    a, b = RNG.normal(size=(2, 400))
    colours = np.array(["red", "green", "blue"])[RNG.integers(0, 3, 400)]
    a[::17] = np.nan
    return {"a": a, "b": b, "colour": colours, "y": np.where(b > 0, "yes", "no")}


def test_an_ensemble_for_a_table_learns_what_it_learns_natively() -> None:
    frame = table()
    native, model = (
        lp.train(frame, "y", epochs=3, seed=2, engine=engine) for engine in ("native", "xla")
    )
    assert (model.history.engine, model.network.members) == ("xla", native.network.members)
    found, expected = (m.predict_proba(frame) for m in (model, native))
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance("fit_float32"))


WITHOUT = """
import sys
sys.modules["jax"] = None
import limpide as lp
from limpide import cli, program
print(lp.Network([2, 1]).fit([[0, 1], [1, 0]], [0, 1], epochs=1).engine)
try:
    lp.Network([2, 1]).fit([[0, 1], [1, 0]], [0, 1], epochs=1, engine="xla")
except lp.MissingExtraError as error:
    print(error)
try:
    with lp.processes("127.0.0.1:1", 2, 0): pass
except lp.MissingExtraError as error:
    print(error)
sys.exit(program.run(cli.limpide_command, sys.argv[1:]))
"""


def test_without_jax_it_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,y\n1,2\n2,3\n3,4\n")
    words = ["train", tmp_path / "t.csv", "--target", "y", "--engine", "xla"]
    line = [sys.executable, "-c", WITHOUT, *words]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    first, *said = done.stdout.splitlines()
    assert first == "native"
    assert len(said) == 2
    for text in (*said, done.stderr):
        assert "pip install 'limpide[xla]'" in text
    assert done.returncode != 0
    assert done.stderr.count("\n") == 1
