"""What fit means: losses, row order, batches, weights, freezing, validation, interruption."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import threading
import warnings
from typing import Any

import numpy as np
import pytest

import limpide as lp
from limpide import engines, row_orders, tracing, training
from limpide.layers import forward
from limpide.rng import row_order
from limpide.rows import Data, split
from tolerances import tolerance

Arrays = dict[str, np.ndarray[Any, Any]]
CLOSE = tolerance("golden")


def table(rows: int = 50, features: int = 3, seed: int = 0) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, features))
    return X, np.tanh(X @ rng.normal(size=(features, 1))) + 0.1 * rng.normal(size=(rows, 1))


def network(**settings: Any) -> lp.Network:
    return lp.Network([3, 4, 1], **{"activation": "tanh", "dtype": "float64", "seed": 0} | settings)


def copies(net: lp.Network) -> Arrays:
    return {name: array.copy() for name, array in (net.params | net.state).items()}


def same_bits(a: Arrays, b: Arrays) -> bool:
    return list(a) == list(b) and all(a[n].tobytes() == b[n].tobytes() for n in a)


def by_hand(net: lp.Network, X: Any, y: Any, batches: list[Any], rate: float) -> list[float]:
    """Run SGD through tapes and give the loss of each step."""
    losses = []
    for rows in batches:
        with lp.GradientTape() as tape:
            loss = lp.mse(y[rows], net(X[rows]))
        for variable, slope in zip(net.variables, tape.gradient(loss, net.variables), strict=True):
            variable.assign_sub(rate * slope)
        losses.append(float(loss))
    return losses


def cut(order: Any, batch: int) -> list[Any]:
    return [order[i : i + batch] for i in range(0, len(order), batch)]


# Loss, order, batches ---------------------------------------------------------------------------


@pytest.mark.parametrize("shuffle", [True, False])
def test_fit_is_the_tape_step_after_step(shuffle: bool) -> None:
    X, y = table()
    ours, hand = network(), network()
    settings = {"optimizer": lp.SGD(0.1), "epochs": 3, "batch_size": 16, "shuffle": shuffle}
    history = ours.fit(X, y, seed=7, **settings)
    expected = []
    for epoch in range(3):
        order = row_order(7, epoch, 50) if shuffle else np.arange(50)
        losses = by_hand(hand, X, y, cut(order, 16), 0.1)
        # 16, 16, 16 and the short last batch of 2, each weighted by its rows
        expected.append(sum(a * n for a, n in zip(losses, (16, 16, 16, 2), strict=True)) / 50)
    np.testing.assert_allclose(history.loss, expected, rtol=CLOSE)
    assert history.steps == 12
    for name, array in ours.params.items():
        np.testing.assert_allclose(array, hand.params[name], rtol=0, atol=CLOSE)


def test_the_order_of_rows_is_a_function_of_seed_and_epoch() -> None:
    X, y = table()
    runs = []
    for seed in (1, 1, 2):
        net = network()
        net.fit(X, y, epochs=2, seed=seed)
        runs.append(copies(net))
    assert same_bits(runs[0], runs[1])
    assert not same_bits(runs[0], runs[2])


def test_defaults_of_fit() -> None:
    X, y = table(100)
    ours, said = network(output="sigmoid"), network(output="sigmoid")
    y = (y > 0) * 1.0
    first = ours.fit(X, y)
    settings: dict[str, Any] = {"epochs": 20, "batch_size": 32, "shuffle": True, "seed": 0}
    second = said.fit(X, y, loss="bce", optimizer=lp.Adam(1e-3), **settings)
    assert first.loss == second.loss
    assert same_bits(copies(ours), copies(said))
    assert (first.epochs, first.batch_size, first.steps) == (20, 32, 80)


@pytest.mark.parametrize(
    ("output", "loss"), [("sigmoid", "bce"), ("softmax", "cross_entropy"), ("linear", "mse")]
)
def test_the_default_loss_goes_by_the_output(output: str, loss: str) -> None:
    X, y = table()
    y = np.c_[y > 0, y <= 0] * 1.0
    net = lp.Network([3, 2], output=output, dtype="float64", seed=0)
    assert net.evaluate(X, y)["loss"] == net.evaluate(X, y, loss=loss)["loss"]


def test_a_loss_is_the_mean_over_all_elements() -> None:
    X, _ = table()
    net = lp.Network([3, 2], dtype="float64", seed=0)
    y = np.arange(100.0).reshape(50, 2)
    errors = (y - net.predict(X)) ** 2
    assert net.evaluate(X, y)["loss"] == pytest.approx(errors.mean(), rel=CLOSE)
    weights = np.arange(50.0)
    expected = (errors.mean(axis=1) * weights).sum() / weights.sum()
    figures = net.evaluate(X, y, sample_weight=weights)
    assert figures["loss"] == pytest.approx(expected, rel=CLOSE)
    assert net.fit(X, y, sample_weight=weights, batch_size=50, epochs=1).loss == [
        pytest.approx(expected, rel=CLOSE)
    ]


def test_cross_entropy_is_the_mean_over_rows() -> None:
    X, _ = table()
    net = lp.Network([3, 4], output="softmax", dtype="float64", seed=0)
    codes = np.arange(50) % 4
    chosen = net.predict(X)[np.arange(50), codes]
    for y in (codes, codes[:, None], codes.astype(float), np.eye(4)[codes]):
        assert net.evaluate(X, y)["loss"] == pytest.approx(-np.log(chosen).mean(), rel=CLOSE)
    assert net.evaluate(X, codes)["accuracy"] == (net.predict(X).argmax(axis=1) == codes).mean()


def test_a_large_table_is_evaluated_in_blocks_to_one_mean() -> None:
    X, y = table(2500)
    net = network()
    weights = np.arange(2500.0)
    errors = ((y - net.predict(X)) ** 2)[:, 0]
    assert net.evaluate(X, y)["loss"] == pytest.approx(errors.mean(), rel=CLOSE)
    assert net.evaluate(X, y, sample_weight=weights)["loss"] == pytest.approx(
        np.average(errors, weights=weights), rel=CLOSE
    )


def test_a_second_fit_goes_on_with_fresh_optimizer_state() -> None:
    X, y = table()
    twice, apart = network(), network()
    for seed in (1, 2):
        twice.fit(X, y, epochs=2, seed=seed)
    apart.fit(X, y, epochs=2, seed=1)
    fresh = network(seed=9)
    for name, array in apart.params.items():
        fresh.params[name] = array
    fresh.fit(X, y, epochs=2, seed=2)
    assert same_bits(copies(twice), copies(fresh))
    once = network()
    once.fit(X, y, epochs=4, seed=1)
    assert not same_bits(copies(once), copies(twice))


def test_parameters_keep_their_identity() -> None:
    X, y = table()
    net = lp.Network([3, 4, lp.BatchNorm(), 1], seed=0)
    before = {name: id(array) for name, array in (net.params | net.state).items()}
    variables = net.variables
    net.fit(X, y, validation=0.2, callbacks=lp.EarlyStopping(2))
    net.params["output.bias"] = 1
    assert {name: id(array) for name, array in (net.params | net.state).items()} == before
    assert all(a is b for a, b in zip(variables, net.variables, strict=True))
    assert float(net.variables[-1][0]) == 1


# Freezing, validation, weights ------------------------------------------------------------------


def test_frozen_parameters_stay_and_the_others_move() -> None:
    X, y = table()
    net = network()
    before = copies(net)
    net.fit(X, y, epochs=1, freeze=("hidden1.bias", "output.weights"))
    moved = {name for name, array in net.params.items() if not np.array_equal(array, before[name])}
    assert moved == {"hidden1.weights", "output.bias"}
    # Frozen ones are inputs of the compiled loop: new numbers in them are seen.
    net.params["output.weights"] = 0
    assert net.fit(X, y, epochs=1, freeze=("hidden1.bias", "output.weights")).loss[0] > 0
    assert not net.params["output.weights"].any()


def test_validation_is_measured_after_the_epoch() -> None:
    X, y = table()
    Xv, yv = table(20, seed=5)
    net, seen = network(), []

    def note(run: lp.Run) -> None:
        seen.append(run.network.evaluate(Xv, yv)["loss"])

    history = net.fit(X, y, validation=(Xv, yv), epochs=3, callbacks=note)
    assert history.validation_loss == seen
    plain = network()
    plain.fit(X, y, epochs=3)
    assert same_bits(copies(net), copies(plain))


def test_a_share_is_held_out_by_the_seed() -> None:
    X, y = table()
    histories = [network().fit(X, y, validation=0.2, seed=s) for s in (1, 1, 2)]
    assert histories[0].validation_loss == histories[1].validation_loss
    assert histories[0].validation_loss != histories[2].validation_loss
    assert histories[0].steps == 20 * 2  # 40 rows in batches of 32
    # The rows that are held out, and only those, leave the weights as they are.
    held = split(Data(X, y), 0.2, 1)[1].rows
    settings: dict[str, Any] = {"validation": 0.2, "epochs": 1, "seed": 1, "batch_size": 40}
    plain, still = network(), []
    plain.fit(X, y, **settings)
    for row in range(50):
        changed = X.copy()
        changed[row] += 1
        net = network()
        net.fit(changed, y, **settings)
        if same_bits(copies(net), copies(plain)):
            still.append(row)
    assert still == list(held)  # type: ignore[arg-type]
    assert len(still) == 10


def test_weights_are_repeated_rows() -> None:
    X, y = table(20)
    counts = np.arange(20) % 4
    weighted, repeated = network(), network()
    settings: dict[str, Any] = {"optimizer": lp.SGD(0.1), "epochs": 20, "shuffle": False}
    first = weighted.fit(X, y, sample_weight=counts, batch_size=20, **settings)
    rows = np.repeat(np.arange(20), counts)
    second = repeated.fit(X[rows], y[rows], batch_size=len(rows), **settings)
    np.testing.assert_allclose(first.loss, second.loss, rtol=CLOSE)
    for name, array in weighted.params.items():
        np.testing.assert_allclose(array, repeated.params[name], rtol=0, atol=CLOSE)


def test_a_batch_of_zero_weights_changes_nothing() -> None:
    X, y = table(8)
    weights = np.r_[np.zeros(4), np.ones(4)]
    net, later = network(), network()
    settings: dict[str, Any] = {
        "optimizer": lp.SGD(0.1),
        "epochs": 1,
        "shuffle": False,
        "batch_size": 4,
    }
    history = net.fit(X, y, sample_weight=weights, **settings)
    half = later.fit(X[4:], y[4:], sample_weight=np.ones(4), **settings)
    assert same_bits(copies(net), copies(later))
    assert history.loss == [half.loss[0] / 2]


def test_class_weights_are_row_weights() -> None:
    X, y = table(40)
    y = (y[:, 0] > 0.5) * 1
    assert 0 < y.sum() < 20
    by_class, by_row, balanced, equal = (network(output="sigmoid") for _ in range(4))
    by_class.fit(X, y, class_weight={1: 3, 0: 0.5})
    by_row.fit(X, y, sample_weight=np.where(y == 1, 3, 0.5))
    assert same_bits(copies(by_class), copies(by_row))
    balanced.fit(X, y, class_weight="balanced")
    ones = y.sum()
    equal.fit(X, y, class_weight={0: 40 / (2 * (40 - ones)), 1: 40 / (2 * ones)})
    assert same_bits(copies(balanced), copies(equal))


def test_class_weights_multiply_sample_weights_and_leave_validation_alone() -> None:
    X, y = table(40)
    y = (y[:, 0] > 0.2) * 1
    weights = np.arange(1.0, 41)
    one, other = (network(output="sigmoid") for _ in range(2))
    one.fit(X, y, class_weight={1: 2}, sample_weight=weights)
    other.fit(X, y, sample_weight=weights * np.where(y == 1, 2, 1))
    assert same_bits(copies(one), copies(other))
    seen = []
    net = network(output="sigmoid")
    rows = split(Data(X, y), 0.25, 0)[1].rows

    def note(run: lp.Run) -> None:
        seen.append(run.network.evaluate(X[rows], y[rows])["loss"])

    history = net.fit(X, y, class_weight={1: 50}, validation=0.25, epochs=2, callbacks=note)
    np.testing.assert_allclose(history.validation_loss, seen, rtol=CLOSE)


def test_class_weights_for_softmax() -> None:
    X, _ = table(30)
    codes = np.arange(30) % 3
    nets = [lp.Network([3, 3], output="softmax", dtype="float64", seed=0) for _ in range(3)]
    nets[0].fit(X, codes, class_weight={2: 5.0})
    nets[1].fit(X, np.eye(3)[codes], class_weight={2: 5.0})
    nets[2].fit(X, codes, sample_weight=np.where(codes == 2, 5.0, 1.0))
    assert same_bits(copies(nets[0]), copies(nets[2]))
    for name, array in nets[0].params.items():
        np.testing.assert_allclose(array, nets[1].params[name], rtol=0, atol=CLOSE)


def test_dropout_in_a_fit_draws_by_seed_and_step() -> None:
    X, y = table(8)
    net = lp.Network([3, lp.Dense(6, "tanh"), lp.Dropout(0.5), 1], dtype="float64", seed=0)
    settings: dict[str, Any] = {"epochs": 4, "batch_size": 8, "shuffle": False}
    losses = net.fit(X, y, optimizer=lp.SGD(1e-300), seed=5, **settings).loss
    params = {name: lp.Tensor(array) for name, array in net.params.items()}
    for step in range(4):
        bits = tuple(lp.Tensor(n, dtype="uint32") for n in (5, step))
        output, _, _ = forward(net.placed, params, {}, lp.Tensor(X), bits)
        assert losses[step] == pytest.approx(float(lp.mse(y, output)), rel=CLOSE)
    assert len(set(losses)) == 4


def test_class_numbers_and_one_hot_rows_are_the_same_targets() -> None:
    X, _ = table(30)
    codes = np.arange(30) % 3
    nets = [lp.Network([3, 3], output="softmax", dtype="float64", seed=0) for _ in range(2)]
    for first, second in ((codes, np.eye(3)[codes]), (np.eye(3)[codes], codes)):
        losses = [net.fit(X, y).loss for net, y in zip(nets, (first, second), strict=True)]
        np.testing.assert_allclose(*losses, rtol=CLOSE)


def test_accuracy() -> None:
    net = lp.Network([1, 1], output="sigmoid", dtype="float64", seed=0)
    net.params["output.weights"], net.params["output.bias"] = 1, 0
    rows, y = [[-2.0], [-0.1], [0.1], [3.0]], [0, 1, 1, 0]
    assert net.evaluate(rows, y)["accuracy"] == 0.5
    assert net.evaluate(rows, y, sample_weight=[1, 2, 3, 4])["accuracy"] == 0.4
    wide = lp.Network([1, 3], output="softmax", dtype="float64", seed=0)
    wide.params["output.weights"] = [[1, 0, -1]]
    wide.params["output.bias"] = 0
    assert wide.evaluate([[2.0], [-2.0], [2.0]], [0, 2, 1])["accuracy"] == 2 / 3
    figures = wide.evaluate([[2.0], [-2.0]], np.eye(3)[[0, 1]], sample_weight=[3, 1])
    assert figures["accuracy"] == 0.75
    assert list(network().evaluate(*table())) == ["loss"]


# Slices -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_no_result_depends_on_where_slices_end(monkeypatch: pytest.MonkeyPatch, dtype: str) -> None:
    X, y = table(101)
    results = []
    for length in (1, 7, 1000):
        monkeypatch.setattr(
            training,
            "slices",
            lambda total, *_, length=length: (
                (i, min(i + length, total)) for i in range(0, total, length)
            ),
        )
        layers = [3, lp.Dense(8), lp.BatchNorm(), lp.Dropout(0.3), lp.LayerNorm(), 1]
        net = lp.Network(layers, dtype=dtype, seed=0)
        history = net.fit(X, y, batch_size=5, epochs=3, validation=0.1)
        results.append((copies(net), history.loss, history.validation_loss))
    for arrays, losses, validation in results[1:]:
        assert same_bits(arrays, results[0][0])
        assert losses == results[0][1]
        assert validation == results[0][2]


def pieces(monkeypatch: pytest.MonkeyPatch, length: int) -> None:
    """Let slices have so many steps, wherever epochs end."""
    monkeypatch.setattr(
        training,
        "slices",
        lambda total, *_: ((i, min(i + length, total)) for i in range(0, total, length)),
    )


def runs_of(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """Note the shape of the order in each entry into the loop."""
    shapes: list[tuple[int, ...]] = []
    original = training.Trainer._run_steps

    def noting(self: training.Trainer, rows: Any, order: Any) -> Any:
        shapes.append(order.shape)
        return original(self, rows, order)

    monkeypatch.setattr(training.Trainer, "_run_steps", noting)
    return shapes


@pytest.mark.parametrize("engine", ["reference", "native"])
@pytest.mark.parametrize("shuffle", [True, False])
def test_slices_over_several_epochs_change_nothing(
    monkeypatch: pytest.MonkeyPatch, engine: str, shuffle: bool
) -> None:
    X, y = table(11)
    results = []
    shapes = runs_of(monkeypatch)
    for length in (1, 4, 5, 1000):  # an epoch has 3 steps
        pieces(monkeypatch, length)
        shapes.clear()
        net = lp.Network([3, lp.Dense(4), lp.BatchNorm(), lp.Dropout(0.3), 1], seed=0)
        history = net.fit(X, y, batch_size=4, epochs=7, shuffle=shuffle, engine=engine)
        assert (history.steps, history.epochs) == (21, 7)
        results.append((copies(net), history.loss, list(shapes)))
    for arrays, losses, _ in results[1:]:
        assert same_bits(arrays, results[0][0])
        assert losses == results[0][1]
    assert results[0][2] == [(1, 4), (1, 4), (1, 3)] * 7
    assert results[1][2][:3] == [(1, 11), (1, 4), (1, 7)]
    assert results[3][2] == [(7, 11)]


def test_slices_end_with_epochs_only_where_something_watches_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Ended(lp.Callback):
        def end(self, run: lp.Run) -> None:
            self.epochs = run.history.epochs

    X, y = table(8)
    pieces(monkeypatch, 1000)
    shapes = runs_of(monkeypatch)
    ended = Ended()
    network().fit(X, y, epochs=5, callbacks=ended)
    assert ended.epochs == 5
    assert shapes == [(5, 8)]
    ended.epoch_end = lambda run: None  # type: ignore[method-assign]
    watched: list[dict[str, Any]] = [
        {"callbacks": ended}, {"validation": (X, y)}, {"callbacks": lp.EarlyStopping(9, "loss")}
    ]  # fmt: skip
    for settings in watched:
        shapes.clear()
        network().fit(X, y, epochs=5, **settings)
        assert shapes == [(1, 8)] * 5


def test_a_block_of_orders_ends_a_slice(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = table(8)
    one, other = network(), network()
    one.fit(X, y, epochs=10)
    pieces(monkeypatch, 1000)
    monkeypatch.setattr(row_orders, "BLOCK_ROWS", 30)  # three epochs
    shapes = runs_of(monkeypatch)
    other.fit(X, y, epochs=10)
    assert shapes == [(3, 8), (3, 8), (3, 8), (1, 8)]
    assert same_bits(copies(one), copies(other))


def test_the_pace_grows_by_64_to_a_fifth_of_a_second() -> None:
    pace, sizes = tracing.Pace(), []
    for _ in range(5):
        sizes.append(pace.size)
        pace.note(pace.size, pace.size * 1e-3)
    assert sizes == [1, 64, 200, 200, 200]
    pace.note(3, 3e-6)  # a short slice cannot say that a longer one fits
    assert pace.size == 200
    pace.note(200, 20.0)
    assert pace.size == 2
    pace.note(2, 20.0)
    assert pace.size == 1


# What is compiled -------------------------------------------------------------------------------


def test_new_rates_epochs_and_seeds_compile_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = []
    engine = type(engines.get(None))
    original = engine.compile_loop

    def counting(self: Any, loop: Any) -> Any:
        compiled.append(loop)
        return original(self, loop)

    monkeypatch.setattr(engine, "compile_loop", counting)
    X, y = table()
    net = network()
    for rate in (0.1, 0.01):
        for decay in (0.0, 0.1):
            optimizer = lp.AdamW(lp.Cosine(rate, warmup=0.1), beta1=0.8, weight_decay=decay)
            net.fit(X, y, optimizer=optimizer, epochs=int(1 + 10 * decay), seed=int(rate * 100))
    assert len(compiled) == 1
    net.fit(X, y, optimizer=lp.AdamW(lp.Linear(0.1)))
    net.fit(X, y, optimizer=lp.SGD(0.1))
    net.fit(X, y, optimizer=lp.SGD(0.1, momentum=0.9))
    net.fit(X, y, optimizer=lp.SGD(0.1, momentum=0.5))
    assert len(compiled) == 4


def test_new_rates_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = table()
    results = []
    for rate in (0.1, 0.01):
        shared, alone = network(), network()
        shared.fit(X, y, optimizer=lp.SGD(0.5), epochs=1)
        for name, array in alone.params.items():
            shared.params[name] = array
        shared.fit(X, y, optimizer=lp.SGD(rate), epochs=1)
        alone.fit(X, y, optimizer=lp.SGD(rate), epochs=1)
        assert same_bits(copies(shared), copies(alone))
        results.append(copies(alone))
    assert not same_bits(*results)


# Divergence -------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("length", [1, 4, 1000])
@pytest.mark.parametrize("bad", [1, 6, 11])  # in the first slice, a later one, the short batch
def test_divergence_restores_the_last_finite_weights(
    monkeypatch: pytest.MonkeyPatch, dtype: str, length: int, bad: int
) -> None:
    monkeypatch.setattr(
        training,
        "slices",
        lambda total, *_: ((i, min(i + length, total)) for i in range(0, total, length)),
    )
    X, y = table(43)
    y[4 * (bad - 1)] = 1e25 if dtype == "float32" else 1e200  # its square is infinite
    settings: dict[str, Any] = {"batch_size": 4, "epochs": 1, "shuffle": False}
    net = network(dtype=dtype)
    message = rf"The loss is inf at step {bad} \(epoch 1\), .* y reaches 1e\+(25|200); scale them"
    with pytest.raises(lp.DivergenceError, match=message) as caught:
        net.fit(X, y, **settings)
    assert (caught.value.step, caught.value.loss) == (bad, np.inf)
    assert caught.value.history.loss == []
    good = network(dtype=dtype)
    if bad > 1:
        good.fit(X[: 4 * (bad - 1)], y[: 4 * (bad - 1)], **settings)
    assert same_bits(copies(net), copies(good))


@pytest.mark.parametrize("engine", ["reference", "native"])
@pytest.mark.parametrize("part", [0.0, 0.5, 1e9])
@pytest.mark.parametrize("long_step", [0.0, 0.02])
def test_divergence_is_the_same_wherever_slices_end(
    monkeypatch: pytest.MonkeyPatch, engine: str, part: float, long_step: float
) -> None:
    monkeypatch.setattr(training, "_PART_SECONDS", part)
    monkeypatch.setattr(training, "_LONG_STEP", long_step)
    X, y = table(11)
    seen = []
    for length in (1, 2, 5, 1000):  # an epoch has 3 steps
        pieces(monkeypatch, length)
        net = network()
        with pytest.raises(lp.DivergenceError, match=r"at step \d+ \(epoch \d+\)") as caught:
            net.fit(
                X * 10, y, optimizer=lp.SGD(4.0), batch_size=4, epochs=4000, engine=engine,
                loss="mse", freeze=["hidden1.weights"],
            )  # fmt: skip
        error = caught.value
        assert error.history is not None
        step = error.step
        assert error.history.steps == step
        assert error.history.epochs == (step - 1) // 3
        assert f"(epoch {(step - 1) // 3 + 1})" in str(error)
        seen.append((step, str(error), error.history.loss, copies(net)))
    assert seen[0][0] > 6
    for step, text, losses, arrays in seen[1:]:
        assert (step, text, losses) == seen[0][:3]
        assert same_bits(arrays, seen[0][3])


@pytest.mark.parametrize("part", [0.0, 1e9])
def test_weights_that_no_loss_shows_are_found_to_the_step(
    monkeypatch: pytest.MonkeyPatch, part: float
) -> None:
    monkeypatch.setattr(training, "_PART_SECONDS", part)
    # The running variance overflows; in training the batch's own is used.
    X = np.ones((12, 1), np.float32)
    X[::2] = -1
    X[6] = 1e19
    seen = []
    for length in (1, 2, 1000):
        pieces(monkeypatch, length)
        net = lp.Network([1, lp.BatchNorm(), 1], seed=0)
        with pytest.raises(lp.DivergenceError) as caught:
            net.fit(X * 10, X > 0, batch_size=2, epochs=3, shuffle=False, loss="mse")
        seen.append((caught.value.step, str(caught.value), copies(net)))
        assert all(np.isfinite(array).all() for array in (net.params | net.state).values())
    assert seen[0][0] == 4
    assert [s[:2] for s in seen[1:]] == [seen[0][:2]] * 2
    assert all(same_bits(s[2], seen[0][2]) for s in seen[1:])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_rate_too_high_leaves_finite_weights(dtype: str) -> None:
    X, y = table()
    net = lp.Network([3, 8, 1], dtype=dtype, seed=0)
    with pytest.raises(lp.DivergenceError, match="Lower the rate: learning_rate is 1000, try 100"):
        net.fit(X * 100, y, optimizer=lp.SGD(1000), epochs=50, batch_size=10)
    assert all(np.isfinite(array).all() for array in net.params.values())


@pytest.mark.parametrize("epochs", [1, 2, 3, 50])
@pytest.mark.parametrize(
    ("factor_X", "factor_y"), [(1e300, 1), (1e-300, 1), (1, 1e200), (1e150, 1)]
)
@pytest.mark.parametrize("optimizer", [lp.SGD(0.1), lp.Adam()])
def test_never_a_network_with_an_infinite_loss(
    epochs: int, factor_X: float, factor_y: float, optimizer: Any
) -> None:
    X, y = table(40)
    X, y = X * factor_X, y * factor_y
    net = network(activation="relu")
    for loss in ("mse", "mae"):
        try:
            net.fit(X, y, loss=loss, optimizer=optimizer, epochs=epochs)
        except lp.DivergenceError:
            continue
        assert np.isfinite(net.evaluate(X, y)["loss"])


@pytest.mark.parametrize("long_step", [0.0, 1e9])  # judged by some rows, by all
def test_the_last_update_is_judged_too(monkeypatch: pytest.MonkeyPatch, long_step: float) -> None:
    monkeypatch.setattr(training, "_LONG_STEP", long_step)
    X, y = table(40)
    net = lp.Network([3, 1], dtype="float64", seed=0)
    before = copies(net)
    with pytest.raises(lp.DivergenceError, match=r"the loss became inf at step 1 \(epoch 1\)"):
        net.fit(X * 1e60, y, optimizer=lp.SGD(0.1), epochs=1, batch_size=40)
    assert same_bits(copies(net), before)


@pytest.mark.parametrize("long_step", [0.0, 0.02])
@pytest.mark.parametrize("part", [0.0, 1e9])
@pytest.mark.parametrize("length", [1, 4, 1000])
def test_what_the_optimizer_keeps_is_looked_at_too(
    monkeypatch: pytest.MonkeyPatch, length: int, part: float, long_step: float
) -> None:
    monkeypatch.setattr(training, "_LONG_STEP", long_step)
    monkeypatch.setattr(training, "_PART_SECONDS", part)
    pieces(monkeypatch, length)
    X, y = np.zeros((30, 3)), np.zeros(30)
    X[16], y[16] = 1e3, 1e18  # the gradient's square overflows; what it divides stays finite
    net = lp.Network([3, 1], seed=0)
    with pytest.raises(lp.DivergenceError) as caught:
        net.fit(X, y, optimizer=lp.Adam(1e-3), batch_size=2, epochs=2, shuffle=False)
    assert caught.value.step == 9
    assert caught.value.history.loss == []


def test_judging_by_some_rows_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = table(40)
    nets = []
    for long_step in (0.0, 1e9):
        monkeypatch.setattr(training, "_LONG_STEP", long_step)
        net = lp.Network([3, lp.Dense(5), lp.BatchNorm(), lp.Dropout(0.3), 1], seed=0)
        net.fit(X, y, epochs=3, batch_size=16, sample_weight=np.arange(40), freeze="output.bias")
        nets.append(copies(net))
    assert same_bits(*nets)


@pytest.mark.parametrize("length", [1, 3, 1000])
@pytest.mark.parametrize("batch_size", [10, 40])
@pytest.mark.parametrize("rate", [1e3, 1e20, 1e160])
def test_the_restored_weights_have_a_finite_loss(
    monkeypatch: pytest.MonkeyPatch, length: int, batch_size: int, rate: float
) -> None:
    monkeypatch.setattr(
        training,
        "slices",
        lambda total, *_: ((i, min(i + length, total)) for i in range(0, total, length)),
    )
    X, y = table(40)
    net = lp.Network([3, 8, 1], dtype="float64", seed=0)
    with pytest.raises(lp.DivergenceError, match="Lower the rate") as caught:
        net.fit(X * 100, y, optimizer=lp.SGD(rate), epochs=200, batch_size=batch_size)
    error = caught.value
    assert not np.isfinite(error.loss)
    assert error.step >= 1
    if batch_size == 40:
        assert np.isfinite(net.evaluate(X * 100, y)["loss"])
    assert all(np.isfinite(array).all() for array in net.params.values())


def test_a_poisson_loss_that_is_infinite_at_once_says_why() -> None:
    net = lp.Network([1, 1], dtype="float64", seed=0)
    net.params["output.weights"] = 1
    with pytest.raises(
        lp.DivergenceError, match=r"step 1 .*before any update.*X reaches 1000 .*po"
    ):
        net.fit([[1000.0]], [1], loss="poisson")
    assert net.get("w1") == 1


def test_a_loss_of_ones_own_that_is_nan_is_looked_for_there() -> None:
    def root(y: Any, prediction: Any) -> Any:
        return lp.sqrt(lp.log(y))

    X, y = table(8)
    with pytest.raises(lp.DivergenceError, match=r"is nan at step 1 .* log\(0\), 0/0 or the root"):
        network().fit(X, np.zeros_like(y), loss=root, epochs=1)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_refused_by_name(value: float) -> None:
    X, y = table(8)
    net = network()
    net.params["output.bias"][0] = value
    word = "NaN" if np.isnan(value) else "inf"
    with pytest.raises(lp.DataError, match=rf"^output.bias holds {word} at \[0\]; set it or build"):
        net.fit(X, y)


def test_what_a_callback_changes_is_kept_when_steps_are_undone() -> None:
    X, y = table(8)
    y[:] = 0
    net = network(output="linear")

    def change(run: lp.Run) -> None:
        if run.epoch == 2:
            run.params["output.bias"][:] = 1e200  # its square is infinite, in the next step

    with pytest.raises(lp.DivergenceError, match=r"at step 4 \(epoch 4\)"):
        net.fit(X, y, epochs=9, loss="mse", callbacks=change, optimizer=lp.SGD(1e-3))
    good = network(output="linear")
    good.fit(X, y, epochs=2, loss="mse", optimizer=lp.SGD(1e-3))
    assert same_bits(copies(net), copies(good))


def test_a_callback_that_breaks_the_weights_is_named() -> None:
    X, y = table(8)
    net, good = network(), network()

    def breaks(run: lp.Run) -> None:
        if run.epoch == 1:
            run.params["output.bias"][0] = np.nan

    with pytest.raises(lp.DataError, match=r"A callback changed .*output.bias holds NaN at \[0\]"):
        net.fit(X, y, epochs=3, callbacks=breaks)
    good.fit(X, y, epochs=2)
    assert same_bits(copies(net), copies(good))


def test_a_diverged_network_can_be_fitted_again() -> None:
    X, y = table()
    net, fresh = network(), network()
    with pytest.raises(lp.DivergenceError):
        net.fit(X * 1e3, y, optimizer=lp.SGD(1e9), epochs=100)
    for name, array in fresh.params.items():
        net.params[name] = array
    first = net.fit(X, y, optimizer=lp.SGD(0.1), epochs=2)
    assert first.loss == fresh.fit(X, y, optimizer=lp.SGD(0.1), epochs=2).loss


# Ctrl-C -----------------------------------------------------------------------------------------


def test_ctrl_c_ends_the_run_after_the_step() -> None:
    X, y = table()
    net = network()

    def interrupt(run: lp.Run) -> None:
        if run.epoch == 2:
            signal.raise_signal(signal.SIGINT)

    history = net.fit(X, y, epochs=100, callbacks=interrupt)
    assert history.interrupted
    assert history.epochs == 3
    plain = network()
    assert not plain.fit(X, y, epochs=3).interrupted
    assert same_bits(copies(net), copies(plain))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_within_an_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    def pieces(total: int, *_: object) -> Any:
        for i in range(0, total, 5):
            if i == 10:
                signal.raise_signal(signal.SIGINT)
            yield i, min(i + 5, total)

    monkeypatch.setattr(training, "slices", pieces)
    X, y = table(100)
    net, ended = network(), []

    class Ended(lp.Callback):
        def end(self, run: lp.Run) -> None:
            ended.append(run.history.interrupted)

    history = net.fit(X, y, batch_size=2, shuffle=False, callbacks=Ended())
    assert (history.interrupted, history.epochs, history.steps) == (True, 0, 15)
    assert ended == [True]
    plain = network()
    monkeypatch.undo()
    plain.fit(X[:30], y[:30], batch_size=2, shuffle=False, epochs=1)
    assert same_bits(copies(net), copies(plain))


def test_a_second_ctrl_c_acts_at_once() -> None:
    X, y = table()
    net = network()

    def interrupt(run: lp.Run) -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("not reached")

    with pytest.raises(KeyboardInterrupt):
        net.fit(X, y, callbacks=interrupt)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert all(np.isfinite(array).all() for array in net.params.values())


def test_sigterm_is_like_one_ctrl_c() -> None:
    X, y = table()
    history = network().fit(X, y, callbacks=lambda run: signal.raise_signal(signal.SIGTERM))
    assert history.interrupted
    assert history.epochs == 1
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_programs_own_handler_is_left_alone() -> None:
    X, y = table()
    calls = []
    before = signal.signal(signal.SIGINT, lambda *_: calls.append(1))
    try:
        history = network().fit(
            X, y, epochs=3, callbacks=lambda run: signal.raise_signal(signal.SIGINT)
        )
    finally:
        signal.signal(signal.SIGINT, before)
    assert calls == [1, 1, 1]
    assert not history.interrupted
    assert history.epochs == 3


def test_fit_in_another_thread_touches_no_handler() -> None:
    X, y = table()
    found = []
    worker = threading.Thread(target=lambda: found.append(network().fit(X, y, epochs=2).epochs))
    worker.start()
    worker.join()
    assert found == [2]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_sigint_sent_to_a_process() -> None:
    program = textwrap.dedent("""
        import numpy as np, limpide as lp
        X = np.random.default_rng(0).normal(size=(4000, 20))
        net = lp.Network([20, 64, 1], seed=0)
        first = lambda run: print("running", flush=True) if run.epoch == 0 else None
        history = net.fit(X, X[:, 0], epochs=100_000, callbacks=first)
        finite = all(np.isfinite(a).all() for a in net.params.values())
        print(history.interrupted, finite, history.epochs > 0, flush=True)
    """)
    child = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "running\n"
    child.send_signal(signal.SIGINT)
    out, errors = child.communicate()
    assert (out, errors, child.returncode) == ("True True True\n", "", 0)


# Batch sizes ------------------------------------------------------------------------------------


def test_more_rows_a_batch_than_there_are() -> None:
    X, y = table(10)
    large, whole = network(), network()
    with pytest.warns(lp.LimpideWarning, match=r"batch_size is 64, and there are 10 rows") as seen:
        large.fit(X, y, batch_size=64)
    assert seen[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        whole.fit(X, y, batch_size=10)
        network().fit(X, y)  # the default says nothing
    assert same_bits(copies(large), copies(whole))
