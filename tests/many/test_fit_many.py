"""Networks trained together are what each would be alone: to the bit, but on xla."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import limpide as lp
from limpide import engines, network, rng
from limpide.engines.native import many as native_many
from limpide.many import watching
from limpide.members import MemberInput, MemberOutput
from tolerances import tolerance

RATES = [0.1, 0.02]
SEEDS = [3, 0, 7]
GRID = np.array(SEEDS)[:, None]
RANDOM = np.random.default_rng(0)
X = RANDOM.standard_normal((75, 6))
LINE = X[:, :2] @ [1.0, -2.0] + 0.1 * RANDOM.standard_normal(75)
CLASSES = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0.5)
SIDES = (LINE > 0).astype(float)


def case(layers: list[Any], y: Any, **settings: Any) -> tuple[Any, Any, dict[str, Any]]:
    dtype = settings.pop("dtype", "float32")
    return (lambda seed: lp.Network(layers, dtype=dtype, seed=seed)), y, settings


RELU = lp.Dense(5, lp.relu)
CASES = {
    "dropout": case([6, RELU, lp.Dropout(0.3), lp.Dense(1, lp.sigmoid)], SIDES, batch_size=32),
    "batch norm": case([6, RELU, lp.BatchNorm(), 1], LINE, batch_size=20, epochs=4),
    "no short batch": case([6, RELU, 1], LINE, batch_size=25),
    "one row a step": case([6, 1], LINE, batch_size=1, epochs=2),
    "a schedule": case([6, RELU, 1], LINE, optimizer=lp.Adam(lp.Cosine(0.5, warmup=0.1))),
    "float64": case(
        [6, lp.Dense(4, lp.tanh), 1],
        LINE,
        dtype="float64",
        optimizer=lp.SGD(momentum=0.9, nesterov=True),
    ),
    "classes": case([6, RELU, lp.Dense(3, lp.softmax)], CLASSES, class_weight="balanced"),
    "weights": case(
        [6, RELU, 1], LINE, sample_weight=np.arange(75.0), optimizer="rmsprop", loss="huber"
    ),
    "frozen": case([6, RELU, 1], LINE, freeze=("hidden1.weights", "output.bias")),
    "in order": case([6, RELU, 1], LINE, shuffle=False, batch_size=30),
    "validation": case([6, RELU, 1], LINE, validation=(X[:20], LINE[:20])),
    "weighed validation": case([6, RELU, 1], LINE, validation=(X[:20], LINE[:20], np.arange(20.0))),
    "a share": case(
        [6, RELU, lp.Dropout(0.1), 1], LINE, validation=0.3, sample_weight=X[:, 0] ** 2
    ),
    "an ensemble": case(
        [6, MemberInput(3, 4, lp.relu), MemberOutput(3, 1, lp.sigmoid)],
        SIDES,
        optimizer=lp.AdamW(weight_decay=0.1),
    ),
}


def settings_of(given: dict[str, Any]) -> dict[str, Any]:
    return {"epochs": 3, "batch_size": 16, **given}


def together(name: str, engine: str, **more: Any) -> lp.ManyNetworks:
    make, y, given = CASES[name]
    return lp.fit_many(make(5), X, y, GRID, RATES, engine=engine, **settings_of(given) | more)


def alone(name: str, engine: str, seed: int, rate: float) -> tuple[lp.Network, lp.History]:
    make, y, given = CASES[name]
    net, asked = make(seed), settings_of(given)
    optimizer = asked.pop("optimizer", lp.Adam())
    if optimizer == "rmsprop":
        optimizer = lp.RMSProp()
    own = optimizer.learning_rate
    changed = lp.Cosine(rate, warmup=own.warmup) if isinstance(own, lp.Cosine) else rate
    kept = {**vars(optimizer), "learning_rate": changed}
    history = net.fit(X, y, seed=seed, optimizer=type(optimizer)(**kept), engine=engine, **asked)
    return net, history


def each(check: Callable[[int, int, int, float], None]) -> None:
    for i, seed in enumerate(SEEDS):
        for j, rate in enumerate(RATES):
            check(i, j, seed, rate)


@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize("name", CASES)
def test_each_has_the_bits_of_the_one_trained_alone(name: str, engine: str) -> None:
    many = together(name, engine)
    assert many.shape == (3, 2)

    def check(i: int, j: int, seed: int, rate: float) -> None:
        net, history = alone(name, engine, seed, rate)
        for key, array in (net.params | net.state).items():
            np.testing.assert_array_equal((many.params | many.state)[key][i, j], array)
        assert many.loss[i, j].tolist() == history.loss
        assert many.validation_loss[i, j].tolist() == history.validation_loss
        kept = many.history((i, j))
        assert (kept.loss, kept.steps) == (history.loss, history.steps)
        np.testing.assert_array_equal(many[i, j].predict(X), net.predict(X))

    each(check)


@pytest.mark.parametrize("name", CASES)
def test_xla_comes_to_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("jax")
    many_on_xla = pytest.importorskip("limpide.engines.xla.many")
    wide = CASES[name][0](0).dtype == np.float64
    near = tolerance("engine_float64_steps" if wide else "fit_float32")
    # A few networks at once, and a few steps a call: no result depends on it.
    monkeypatch.setattr(many_on_xla, "at_once", lambda graph, n: 4)
    monkeypatch.setattr(many_on_xla, "_SECONDS", 1e-9)
    many, same = together(name, "xla"), together(name, "native")
    for key, array in (many.params | many.state).items():
        np.testing.assert_allclose(array, (same.params | same.state)[key], rtol=near, atol=near)
    np.testing.assert_allclose(many.loss, same.loss, rtol=near, atol=near)
    np.testing.assert_allclose(many.validation_loss, same.validation_loss, rtol=near, atol=near)


@pytest.mark.parametrize("init", [lp.glorot, lp.he, lp.normal(0.3), lp.uniform(-1, 2), lp.zeros])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_all_begin_with_the_weights_of_their_seed(init: Any, dtype: str) -> None:
    layers = [6, lp.Dense(40, lp.relu, weights=init), lp.Dense(2, bias=None)]
    rate, settings = 1e-30, {"optimizer": lp.SGD(), "epochs": 1}  # which moves no weight
    seeds = [2**32 - 1, 5, 5, 0]
    for engine in ("native", "reference"):
        net = lp.Network(layers, dtype=dtype, seed=1)
        many = lp.fit_many(net, X, X[:, :2], seeds, rate, engine=engine, **settings)
        for i, seed in enumerate(seeds):
            for key, array in lp.Network(layers, dtype=dtype, seed=seed).params.items():
                if dtype == "float64" or not key.endswith("bias"):
                    np.testing.assert_allclose(many.params[key][i], array, rtol=0, atol=1e-28)


def test_the_network_that_gives_the_layers_stays_as_it_is() -> None:
    net = lp.Network([6, 4, 1], seed=3)
    net.params["hidden1.weights"][0, 0] = 7
    before = {name: array.copy() for name, array in net.params.items()}
    many = lp.fit_many(net, X, LINE, [3], epochs=2)
    for name, array in net.params.items():
        np.testing.assert_array_equal(array, before[name])
    fresh = lp.Network([6, 4, 1], seed=3)  # not from the weights that it had
    fresh.fit(X, LINE, seed=3, epochs=2)
    np.testing.assert_array_equal(many[0].params["output.bias"], fresh.params["output.bias"])


def test_the_rate_of_the_optimizer_holds_where_none_is_given() -> None:
    net = lp.Network([6, 4, 1])
    many = lp.fit_many(net, X, LINE, range(2), optimizer=lp.SGD(0.03), epochs=2)
    same = lp.fit_many(net, X, LINE, range(2), 0.03, optimizer=lp.SGD(0.5), epochs=2)
    np.testing.assert_array_equal(many.loss, same.loss)
    np.testing.assert_array_equal(many.learning_rates, [0.03, 0.03])


def test_no_result_depends_on_threads() -> None:
    net = lp.Network([6, lp.Dense(9, lp.relu), lp.Dropout(0.2), 1])
    runs = [
        lp.fit_many(net, X, LINE, range(23), 0.01, epochs=3, threads=n, validation=0.2)
        for n in (1, 2, 5)
    ]
    for other in runs[1:]:
        np.testing.assert_array_equal(other.loss, runs[0].loss)
        np.testing.assert_array_equal(other.validation_loss, runs[0].validation_loss)
        for name, array in other.params.items():
            np.testing.assert_array_equal(array, runs[0].params[name])


def test_no_result_depends_on_the_parts_in_which_networks_and_steps_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = together("dropout", "native")
    monkeypatch.setattr("limpide.many.fitting._PART_BYTES", 1)
    monkeypatch.setattr(native_many, "_CYCLES", 1.0)  # a call a step
    pieces = together("dropout", "native")
    np.testing.assert_array_equal(pieces.loss, whole.loss)
    for name, array in pieces.params.items():
        np.testing.assert_array_equal(array, whole.params[name])


def test_nothing_is_traced_anew_for_other_seeds_rates_and_epochs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    traced = []
    build = network.build_loop
    monkeypatch.setattr(network, "build_loop", lambda *args: traced.append(args) or build(*args))
    net = lp.Network([6, 4, 1])
    lp.fit_many(net, X, LINE, range(3), 0.1, epochs=2)
    lp.fit_many(net, X, LINE, range(5, 12), [[0.2], [0.1]], epochs=5)
    assert len(traced) == 1


def test_xla_compiles_nothing_anew_for_other_seeds_rates_and_epochs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    many = pytest.importorskip("limpide.engines.xla.many")
    # How many epochs a call takes is learnt from the time they take, and decides about shapes.
    monkeypatch.setattr(many._Part, "_learn", lambda *_: None)
    net = lp.Network([6, 4, 1])
    settings: dict[str, Any] = {"engine": "xla", "batch_size": 16}
    lp.fit_many(net, X, LINE, range(3), 0.1, epochs=12, **settings)
    (loop,) = (made for key, made in net._compiled.items() if key[0] == "fit many")
    before = engines.compile_seconds(loop)
    assert before > 0
    lp.fit_many(net, X, LINE, range(5, 8), 0.2, epochs=10, **settings)
    assert engines.compile_seconds(loop) == before


# Divergence ---------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["native", "reference", "xla"])
@pytest.mark.parametrize("validation", [None, 0.2, (X[:9], LINE[:9])])
def test_one_that_diverges_stops_no_other(engine: str, validation: Any) -> None:
    if engine == "xla":
        pytest.importorskip("jax")
    rates, settings = [0.01, 1e4, 0.02], {"epochs": 30, "validation": validation}
    net = lp.Network([6, lp.Dense(4, lp.tanh), 1])
    many = lp.fit_many(net, X, LINE, 2, rates, engine=engine, optimizer=lp.SGD(), **settings)
    assert many.diverged.tolist() == [False, True, False]
    wild = lp.Network([6, lp.Dense(4, lp.tanh), 1], seed=2)
    with pytest.raises(lp.DivergenceError) as raised:
        wild.fit(X, LINE, seed=2, engine=engine, optimizer=lp.SGD(1e4), **settings)
    for name, array in wild.params.items():
        np.testing.assert_array_equal(many.params[name][1], array)
    history: Any = raised.value.history
    done = len(history.loss)
    assert 0 < done < 30
    assert many.loss[1, :done].tolist() == history.loss
    assert np.isnan(many.loss[1, done:]).all()
    assert many.epochs.tolist() == [30, done, 30]
    if validation is not None:
        told = many.validation_loss[1]
        assert told[: len(history.validation_loss)].tolist() == history.validation_loss
        assert np.isnan(told[done:]).all()
    assert np.isfinite(many.loss[[0, 2]]).all()
    assert many.best.index in (0, 2)
    assert "1 diverged" in str(many)


def test_divergence_at_the_last_step_is_seen() -> None:
    net = lp.Network([6, 1], dtype="float64")
    settings: dict[str, Any] = {"epochs": 1, "batch_size": 75, "optimizer": lp.SGD(1e200)}
    many = lp.fit_many(net, X, LINE, [0], **settings)
    single = lp.Network([6, 1], dtype="float64", seed=0)
    with pytest.raises(lp.DivergenceError):
        single.fit(X, LINE, seed=0, **settings)
    assert many.diverged.all()
    np.testing.assert_array_equal(many[0].params["output.weights"], single.params["output.weights"])


def test_where_all_diverge_none_is_the_best() -> None:
    net = lp.Network([6, 4, 1])
    many = lp.fit_many(net, X, LINE, range(2), 1e9, optimizer=lp.SGD(), epochs=9)
    assert many.diverged.all()
    with pytest.raises(lp.ArgumentError, match="lower learning_rates"):
        assert many.best
    assert "Best" not in str(many)


# Ctrl-C -------------------------------------------------------------------------------------


def interrupting(monkeypatch: pytest.MonkeyPatch, network: int, epoch: int) -> None:
    """Let Ctrl-C come as the rows of an epoch are drawn for a network."""
    draw = watching.Orders.draw

    def drawing(self: Any, one: int, first: int, out: Any) -> None:
        draw(self, one, first, out)
        if one == network and first == epoch:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(watching.Orders, "draw", drawing)


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_after_ctrl_c_those_that_were_done_are_whole(
    engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = lp.Network([6, 4, 1])
    settings: dict[str, Any] = {"epochs": 4, "engine": engine, "threads": 1}
    settings["validation"] = (X[:9], LINE[:9])  # an epoch at a time
    whole = lp.fit_many(net, X, LINE, range(5), 0.01, **settings)
    interrupting(monkeypatch, network=2, epoch=1)
    many = lp.fit_many(net, X, LINE, range(5), 0.01, **settings)
    assert many.interrupted
    assert many.epochs.tolist() == [4, 4, 2, 0, 0]
    np.testing.assert_array_equal(many.loss[:2], whole.loss[:2])
    np.testing.assert_array_equal(many.loss[2, :2], whole.loss[2, :2])
    assert np.isnan(many.loss[2, 2:]).all()
    assert np.isnan(many.loss[3:]).all()
    for name, array in many.params.items():
        np.testing.assert_array_equal(array[:2], whole.params[name][:2])
        np.testing.assert_array_equal(array[4], lp.Network([6, 4, 1], seed=4).params[name])
    assert many.best.index in (0, 1)
    assert many.history(2).interrupted
    assert not many.history(1).interrupted
    assert "Interrupted: 2 had finished" in str(many)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_in_a_long_epoch_ends_it_at_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native_many, "_CYCLES", 1.0)  # a call a step
    interrupting(monkeypatch, network=1, epoch=0)
    net = lp.Network([6, 4, 1])
    many = lp.fit_many(net, X, LINE, range(3), 0.1, batch_size=5, epochs=2, threads=1)
    assert many.epochs.tolist() == [2, 0, 0]
    untouched = lp.Network([6, 4, 1], seed=2).params["output.weights"]
    step = lp.Network([6, 4, 1], seed=1)
    first = step.params["output.weights"].copy()
    rows = rng.row_order(1, 0, 75)[:5]
    step.fit(X[rows], LINE[rows], shuffle=False, batch_size=5, epochs=1, optimizer=lp.Adam(0.1))
    assert (first != step.params["output.weights"]).all()
    np.testing.assert_array_equal(many.params["output.weights"][1], step.params["output.weights"])
    np.testing.assert_array_equal(many.params["output.weights"][2], untouched)


def test_ctrl_c_on_xla(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("jax")
    many_on_xla = pytest.importorskip("limpide.engines.xla.many")
    monkeypatch.setattr(many_on_xla, "at_once", lambda graph, n: 2)
    note = watching.Part.note

    def noting(self: Any, first: int, *rest: Any) -> bool:
        if first == 2:
            signal.raise_signal(signal.SIGINT)
        return note(self, first, *rest)

    monkeypatch.setattr(watching.Part, "note", noting)
    net = lp.Network([6, 4, 1])
    many = lp.fit_many(
        net, X, LINE, range(6), 0.01, engine="xla", epochs=3, validation=(X[:9], LINE[:9])
    )
    assert many.interrupted
    assert many.epochs.tolist() == [3, 3, 1, 1, 0, 0]


def test_a_fault_in_a_thread_is_raised_and_leaves_the_threads_usable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    net = lp.Network([6, 4, 1])
    with monkeypatch.context() as patch:

        def failing(self: Any, one: int, first: int, out: Any) -> None:
            raise MemoryError("planted")

        patch.setattr(watching.Orders, "draw", failing)
        with pytest.raises(MemoryError, match="planted"):
            lp.fit_many(net, X, LINE, range(9), 0.01, threads=3)
    many = lp.fit_many(net, X, LINE, range(9), 0.01, epochs=1, threads=3)
    assert np.isfinite(many.loss).all()
