"""Each illness: a network that has it, one that has not, and the remedy with the finding gone."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import limpide as lp
from limpide.explain import Diagnosis
from limpide.explain.doctor.wording import KINDS

RNG = np.random.default_rng(7)
X = RNG.normal(size=(400, 5))
Y = (X[:, 0] * X[:, 1] + 0.3 * RNG.normal(size=400) > 0) * 1.0
LINE = X @ [1.0, -2.0, 0.5, 0.0, 1.0] + 0.3 * RNG.normal(size=400)
RARE = (X[:, 0] + X[:, 1] + 0.5 * RNG.normal(size=400) > 2.8) * 1.0
TESTED = set(KINDS)


def kinds(diagnosis: Diagnosis) -> list[str]:
    return [finding.kind for finding in diagnosis.findings]


def binary(layers: list[Any], **settings: Any) -> lp.Network:
    return lp.Network(layers, output="sigmoid", seed=0, **settings)


def loss_after(net: lp.Network, y: Any = Y, rows: Any = X, **settings: Any) -> float:
    try:
        return float(net.fit(rows, y, **settings).loss[-1])
    except lp.DivergenceError:
        return math.inf


def test_dead_neurons() -> None:
    low = lp.uniform(-30, -29)
    sick = binary([5, lp.Dense(8, "relu", bias=low), 1])
    (finding,) = sick.doctor(X, Y).findings
    assert (finding.kind, finding.severity) == ("dead_neurons", "serious")
    assert finding.where == {"layer": "hidden1", "neurons": [f"h{i}" for i in range(1, 9)]}
    z = X @ sick.params["hidden1.weights"].astype(float) + sick.params["hidden1.bias"]
    assert finding.figures["largest_sum"] == pytest.approx(z.max(), rel=1e-5)
    assert finding.figures["share_of_rows"] == 1.0
    assert binary([5, 8, 1]).doctor(X, Y).healthy
    remedied = binary([5, lp.Dense(8, "leaky_relu"), 1])
    assert remedied.doctor(X, Y).healthy
    assert loss_after(remedied, epochs=100) < 0.8 * loss_after(sick, epochs=100)


def test_dead_neurons_are_named_through_the_layers() -> None:
    net = binary([5, 4, 4, 1])
    net.params["hidden2.bias"][[1, 3]] = -100
    (finding,) = net.doctor(X, Y).findings
    assert finding.where == {"layer": "hidden2", "neurons": ["h6", "h8"]}


def test_a_few_dead_neurons_are_ordinary() -> None:
    net = binary([5, 16, 1])
    net.params["hidden1.bias"][:3] = -100
    assert net.doctor(X, Y).healthy
    net.params["hidden1.bias"][:4] = -100
    (finding,) = net.doctor(X, Y).findings
    assert (finding.severity, finding.where["neurons"]) == ("warning", ["h1", "h2", "h3", "h4"])


def test_a_leaky_neuron_is_not_dead_and_an_elu_only_where_its_slope_is_zero() -> None:
    for activation, bias, dead in (("leaky_relu", -50, 0), ("elu", -5, 0), ("elu", -2000, 1)):
        net = binary([5, lp.Dense(4, activation), 1])
        net.params["hidden1.bias"][:] = bias
        assert kinds(net.doctor(X, Y)) == ["dead_neurons"] * dead


@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
def test_saturated_neurons(activation: str) -> None:
    sick = binary([5, lp.Dense(8, activation, weights=lp.normal(60)), 1])
    (finding,) = sick.doctor(X, Y).findings
    assert finding.kind == "saturated_neurons"
    assert set(finding.where["neurons"]) <= {f"h{i}" for i in range(1, 9)}
    assert finding.figures["share_of_rows"] > 0.9
    remedied = binary([5, lp.Dense(8, activation), 1])
    assert remedied.doctor(X, Y).healthy
    settings: dict[str, Any] = {"epochs": 60, "optimizer": lp.Adam(0.03)}
    assert loss_after(remedied, **settings) < 0.7 * loss_after(sick, **settings)


def test_units_that_are_flat_because_they_are_sure_and_right_are_no_illness() -> None:
    net = lp.Network([1, lp.Dense(4, "tanh"), lp.Dense(1, "sigmoid")], seed=0)
    x, y = np.array([[-1.0], [1.0]] * 20), np.array([0.0, 1.0] * 20)
    net.params["hidden1.weights"][:] = [20, 21, 22, 23]
    net.params["output.weights"][:] = 3
    assert net.doctor(x, y).healthy
    assert kinds(net.doctor(x, 1 - y)) == ["saturated_neurons"]


def test_saturated_output() -> None:
    sick = lp.Network([5, 8, lp.Dense(1, "sigmoid", bias=lp.uniform(15, 16))], seed=0)
    finding = sick.doctor(X, Y, loss="mse").of("saturated_output")[0]
    assert finding.where["neurons"] == ["o1"]
    wrong = np.abs(sick.predict(X)[:, 0] - Y) > 0.5
    assert finding.figures["rows"] == wrong.sum()
    assert finding.figures["share_of_outputs"] == wrong.mean()
    assert sick.doctor(X, Y, loss="bce").healthy
    settings: dict[str, Any] = {"epochs": 20, "optimizer": lp.SGD(0.5)}
    stuck = loss_after(sick, loss="mse", **settings)
    assert stuck > 0.4
    loss_after(sick, loss="bce", **settings)
    assert sick.evaluate(X, Y, loss="mse")["loss"] < 0.7 * stuck
    assert sick.doctor(X, Y, loss="mse").healthy


def test_saturated_output_of_softmax() -> None:
    codes = np.digitize(LINE, [-1.0, 1.0])
    net = lp.Network([5, 8, 3], output="softmax", seed=0)
    assert net.doctor(X, np.eye(3)[codes], loss="mse").healthy
    net.params["output.bias"][0] = 60
    (finding,) = net.doctor(X, np.eye(3)[codes], loss="mse").of("saturated_output")
    assert finding.figures["rows"] == (codes != 0).sum()
    assert finding.code == 'net.fit(X, y, loss="cross_entropy")'
    assert net.doctor(X, codes).of("saturated_output") == ()


def test_large_weights() -> None:
    sick, target = lp.Network([5, 8, 1], seed=0), LINE * 1e4
    with pytest.raises(lp.DivergenceError):
        sick.fit(X, target, optimizer=lp.SGD(0.1))
    (finding,) = sick.doctor(X, target).of("large_weights")
    assert finding.severity == "serious"
    assert finding.figures["loss"] == pytest.approx(sick.evaluate(X, target)["loss"], rel=1e-3)
    assert finding.figures["loss"] > 10 * target.var()
    layer = finding.where["layer"]
    assert finding.figures["largest_weight"] == np.abs(sick.params[f"{layer}.weights"]).max()
    remedied = lp.Network([5, 8, 1], seed=0)
    assert remedied.doctor(X, LINE).healthy
    assert loss_after(remedied, LINE, optimizer=lp.SGD(0.01), epochs=20) < 1
    assert remedied.doctor(X, LINE).healthy
    # A line through small inputs has large weights, and is right.
    line = lp.Network([5, 1], dtype="float64", seed=0)
    line.params["output.weights"][:, 0] = [1e4, -2e4, 5e3, 0, 1e4]
    assert line.doctor(X * 1e-4, LINE).healthy


def test_the_code_of_remedies_runs_as_it_stands() -> None:
    rows = np.c_[X * [1, 1, 1, 1, 2000], np.full(400, 3.0)]
    scope: dict[str, Any] = {"np": np, "X": rows}
    exec(binary([6, 8, 1]).doctor(rows, Y).of("unscaled_inputs")[0].code, scope)
    assert np.isfinite(scope["X"]).all()
    assert binary([6, 8, 1]).doctor(scope["X"], Y).of("unscaled_inputs") == ()
    y = np.c_[LINE, -LINE]
    y[7, 1] = np.inf
    scope = {"np": np, "X": X, "y": y}
    exec(lp.Network([5, 8, 2], seed=0).doctor(X, y).of("unsound_data")[0].code, scope)
    assert scope["X"].shape == (399, 5)
    assert np.isfinite(scope["y"]).all()


def test_vanishing_gradients() -> None:
    deep: list[Any] = [5, *[16] * 10, 1]
    rate = lp.SGD(0.1)
    sick = binary(deep, activation="sigmoid")
    (finding,) = sick.doctor(X, Y, optimizer=rate).findings
    assert (finding.kind, finding.where["layer"]) == ("vanishing_gradients", "hidden1")
    sizes = finding.figures["gradient_by_layer"]
    assert list(sizes) == [*(f"hidden{i}" for i in range(1, 11)), "output"]
    assert finding.figures["ratio"] == sizes["hidden1"] / sizes["output"] < 1e-3
    moved = finding.figures["update_to_weight_by_layer"]
    assert moved["hidden1"] < 1e-3 * moved["output"]
    # Adam divides by the gradient's size, so that all layers learn.
    assert sick.doctor(X, Y, optimizer=lp.Adam()).of("vanishing_gradients") == ()
    remedied = binary(deep, activation="relu")
    assert remedied.doctor(X, Y, optimizer=rate).healthy
    settings: dict[str, Any] = {"epochs": 60, "optimizer": rate}
    assert loss_after(remedied, **settings) < 0.8 * loss_after(sick, **settings)


def test_exploding_gradients() -> None:
    large = [lp.Dense(16, "linear", weights=lp.normal(2.0)) for _ in range(8)]
    sick = lp.Network([5, *large, 1], seed=0)
    (finding,) = sick.doctor(X, LINE).findings
    assert (finding.kind, finding.where["layer"]) == ("exploding_gradients", "hidden1")
    sizes = finding.figures["gradient_by_layer"]
    assert finding.figures["ratio"] == sizes["hidden1"] / sizes["output"] > 1e3
    remedied = lp.Network([5, *[lp.Dense(16, "linear")] * 8, 1], seed=0)
    assert remedied.doctor(X, LINE).healthy
    settings: dict[str, Any] = {"epochs": 20, "optimizer": lp.SGD(0.01)}
    assert loss_after(remedied, LINE, **settings) < 1
    assert loss_after(sick, LINE, **settings) > 100


@pytest.mark.parametrize("optimizer", [lp.SGD, lp.Adam, lp.RMSProp])
def test_rate_too_high(optimizer: Any) -> None:
    net = lp.Network([5, 8, 1], seed=0)
    (finding,) = net.doctor(X, LINE, optimizer=optimizer(30.0)).findings
    assert (finding.kind, finding.severity) == ("rate_too_high", "serious")
    assert finding.figures["rate"] == 30
    assert not finding.figures["loss_after"] < finding.figures["loss_before"]
    better = finding.figures["better_rate"]
    assert finding.code == f"net.fit(X, y, optimizer=lp.{optimizer.__name__}({better!r}))"
    assert net.doctor(X, LINE, optimizer=optimizer(better)).healthy
    sick = lp.Network([5, 8, 1], seed=0)
    worse = loss_after(sick, LINE, epochs=5, optimizer=optimizer(30.0))
    assert loss_after(net, LINE, epochs=5, optimizer=optimizer(better)) < 0.5 * worse


def test_of_the_lower_rates_the_one_that_learns_best_is_named() -> None:
    (finding,) = binary([5, 16, 1]).doctor(X, Y, optimizer=lp.SGD(30.0)).of("rate_too_high")
    tried = finding.figures["tried"]
    assert len(tried) > 1
    assert finding.figures["loss_at_better_rate"] == min(tried.values())
    assert tried[finding.figures["better_rate"]] == min(tried.values())


def test_the_code_of_a_rate_keeps_the_optimizers_other_settings() -> None:
    rate = lp.SGD(30.0, momentum=0.5)
    (finding,) = lp.Network([5, 8, 1], seed=0).doctor(X, LINE, optimizer=rate).findings
    better = finding.figures["better_rate"]
    assert finding.code == f"net.fit(X, y, optimizer=lp.SGD({better!r}, momentum=0.5))"


@pytest.mark.parametrize("rate", [1e-8, lp.Cosine(1e-8)])
def test_rate_too_low(rate: Any) -> None:
    net = lp.Network([5, 8, 1], seed=0)
    (finding,) = net.doctor(X, LINE, optimizer=lp.SGD(rate)).findings
    assert (finding.kind, finding.severity) == ("rate_too_low", "warning")
    better = finding.figures["better_rate"]
    assert net.doctor(X, LINE, optimizer=lp.SGD(better)).healthy
    slow = loss_after(lp.Network([5, 8, 1], seed=0), LINE, epochs=5, optimizer=lp.SGD(rate))
    assert loss_after(net, LINE, epochs=5, optimizer=lp.SGD(better)) < 0.5 * slow


def test_without_an_optimizer_no_rate_is_judged_and_else_that_of_the_last_fit() -> None:
    net = lp.Network([5, 8, 1], seed=0)
    assert net.doctor(X, LINE).healthy
    net.fit(X, LINE, optimizer=lp.SGD(1e-8), epochs=1)
    assert kinds(net.doctor(X, LINE)) == ["rate_too_low"]


@pytest.mark.parametrize("activation", ["tanh", "relu", "sigmoid"])
@pytest.mark.parametrize("rule", [lp.zeros, lp.uniform(0.3, 0.3)])
def test_symmetric_neurons(activation: str, rule: lp.Initializer) -> None:
    dense = [lp.Dense(4, activation, weights=rule), lp.Dense(1, "sigmoid", weights=rule)]
    sick = lp.Network([5, *dense], seed=0)
    (finding,) = sick.doctor(X, Y).findings
    assert (finding.kind, finding.severity) == ("symmetric_neurons", "serious")
    assert finding.where == {"layer": "hidden1", "neurons": ["h1", "h2", "h3", "h4"]}
    assert finding.figures["groups"] == [["h1", "h2", "h3", "h4"]]
    settings: dict[str, Any] = {"epochs": 60, "optimizer": lp.Adam(0.02)}
    stuck = loss_after(sick, **settings)
    weights = sick.params["hidden1.weights"]
    np.testing.assert_allclose(weights, np.repeat(weights[:, :1], 4, axis=1), atol=1e-4)
    remedied = binary([5, lp.Dense(4, activation), 1])
    assert remedied.doctor(X, Y).healthy
    assert loss_after(remedied, **settings) < 0.9 * stuck


def test_two_twins_among_others_are_named_and_a_zero_output_layer_is_no_symmetry() -> None:
    net = binary([5, lp.Dense(5, "tanh"), 1])
    for name, axis in (("hidden1.weights", 1), ("output.weights", 0)):
        own = np.moveaxis(net.params[name], axis, 0)
        own[3] = own[1]
    (finding,) = net.doctor(X, Y).findings
    assert finding.figures["groups"] == [["h2", "h4"]]
    assert binary([5, 5, lp.Dense(1, "sigmoid", weights=lp.zeros)]).doctor(X, Y).healthy


def test_beside_a_neuron_that_has_flown_off_the_others_are_no_twins() -> None:
    net = binary([5, lp.Dense(5, "relu"), 1])
    net.params["hidden1.weights"][:, 2] *= 1e10
    net.params["hidden1.bias"][[0, 1, 3, 4]] = -1000  # none gets a gradient
    assert net.doctor(X, Y).of("symmetric_neurons") == ()
    net.params["hidden1.weights"][:, 4] = net.params["hidden1.weights"][:, 0]
    net.params["output.weights"][4] = net.params["output.weights"][0]
    (finding,) = net.doctor(X, Y).of("symmetric_neurons")
    assert finding.figures["groups"] == [["h1", "h5"]]


def test_unscaled_inputs() -> None:
    rows = X * [1, 1, 1, 1, 2000]
    net = binary([5, 8, 1])
    (finding,) = net.doctor(rows, Y).findings
    assert (finding.kind, finding.where) == ("unscaled_inputs", {"columns": ["x5"]})
    sizes = np.sqrt((rows.astype("f") ** 2).mean(axis=0))
    assert finding.figures["largest"] == pytest.approx(sizes[4])
    assert finding.figures["ratio"] == pytest.approx(sizes[4] / sizes.min())
    scaled = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    assert net.doctor(scaled, Y).healthy
    settings: dict[str, Any] = {"epochs": 30, "optimizer": lp.SGD(0.1)}
    assert loss_after(binary([5, 8, 1]), rows=scaled, **settings) < 0.9 * loss_after(
        binary([5, 8, 1]), rows=rows, **settings
    )
    assert kinds(net.doctor(X * 1000, Y)) == ["unscaled_inputs"]  # alike, and all too large
    assert kinds(net.doctor(X * [1, 1, 1, 1, 1e-4], Y)) == ["unscaled_inputs"]
    inside = binary([5, lp.LayerNorm(), 8, 1])
    assert inside.doctor(rows, Y).of("unscaled_inputs") == ()


def test_class_imbalance() -> None:
    assert 2 < RARE.sum() < 40
    sick = binary([5, 8, 1])
    sick.fit(X, RARE, epochs=25)
    (finding,) = sick.doctor(X, RARE).findings
    assert (finding.kind, finding.where) == ("class_imbalance", {"classes": [1]})
    assert finding.figures["counts"] == {0: 400 - RARE.sum(), 1: RARE.sum()}
    found = (sick.predict(X)[RARE == 1, 0] > 0.5).mean()
    assert finding.figures["found"] == {1: found}
    remedied = binary([5, 8, 1])
    remedied.fit(X, RARE, epochs=20, class_weight="balanced", optimizer=lp.Adam(0.01))
    assert remedied.doctor(X, RARE).healthy
    assert (remedied.predict(X)[RARE == 1, 0] > 0.5).mean() > found + 0.4


def test_class_imbalance_of_several_classes() -> None:
    y = np.digitize(X[:, 0], [-0.2, 2.2])
    net = lp.Network([5, 8, 3], output="softmax", seed=0)
    net.fit(X, y, epochs=3)
    (finding,) = net.doctor(X, y).findings
    assert finding.where == {"classes": [2]}


def test_constant_columns() -> None:
    rows = np.c_[X, np.full(400, 3.0), np.zeros(400)]
    (finding,) = binary([7, 8, 1]).doctor(rows, Y).findings
    assert (finding.kind, finding.where) == ("constant_columns", {"columns": ["x6", "x7"]})
    assert finding.figures["values"] == {"x6": 3.0, "x7": 0.0}
    assert finding.code == "X = np.delete(X, [5, 6], axis=1)"
    assert binary([5, 8, 1]).doctor(np.delete(rows, [5, 6], axis=1), Y).healthy


def test_columns_of_zeros_are_ordinary_among_pixels() -> None:
    rows = np.where(RNG.random((400, 6)) < 0.7, 0, 0.5 + 0.3 * RNG.random((400, 6)))
    rows[:, 2] = 0
    assert binary([6, 8, 1], activation="tanh").doctor(rows, Y).healthy
    rows[:, 2] = 1
    assert kinds(binary([6, 8, 1], activation="tanh").doctor(rows, Y)) == ["constant_columns"]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_duplicate_columns(dtype: str) -> None:
    rows = np.c_[X, X[:, 1], 2.54 * X[:, 3] + 7]
    (finding,) = binary([7, 8, 1], dtype=dtype, activation="tanh").doctor(rows, Y).findings
    assert (finding.kind, finding.where) == ("duplicate_columns", {"columns": ["x6", "x7"]})
    assert finding.figures["groups"] == [["x2", "x6"], ["x4", "x7"]]
    near = np.c_[X, X[:, 1] + 1e-3 * X[:, 2], -X[:, 3]]
    assert binary([7, 8, 1], dtype=dtype, activation="tanh").doctor(near, Y).healthy
    assert (
        binary([5, 8, 1], dtype=dtype, activation="tanh")
        .doctor(np.delete(rows, [5, 6], axis=1), Y)
        .healthy
    )


def test_leaking_columns() -> None:
    rows = np.c_[X, Y + 0.05 * RNG.normal(size=400)]
    (finding,) = binary([6, 8, 1]).doctor(rows, Y).findings
    assert (finding.kind, finding.where) == ("leaking_columns", {"columns": ["x6"]})
    assert finding.figures["auc"] == {"x6": 1.0}
    assert binary([5, 8, 1]).doctor(np.delete(rows, [5], axis=1), Y).healthy
    honest = np.c_[X, Y + 0.4 * RNG.normal(size=400)]
    assert binary([6, 8, 1]).doctor(honest, Y).healthy
    few = binary([6, 8, 1]).doctor(rows[:20], Y[:20])
    assert few.of("leaking_columns") == ()  # a handful of rows proves nothing


def test_leaking_columns_of_classes_and_of_numbers() -> None:
    codes = np.digitize(LINE, [-1.0, 1.0])
    net = lp.Network([6, 8, 3], output="softmax", seed=0)
    order = np.array([2.0, 0.0, 5.0])[codes] + 0.1 * RNG.random(400)
    (finding,) = net.doctor(np.c_[X, order], codes).findings
    assert finding.figures == {"order": {"x6": 1.0}}
    assert net.doctor(np.c_[X, LINE + RNG.normal(size=400)], codes).healthy
    numbers = lp.Network([6, 8, 1], seed=0)
    (finding,) = numbers.doctor(np.c_[X, 3 * LINE - 1], LINE).findings
    assert finding.figures["r2"]["x6"] == pytest.approx(1)
    assert numbers.doctor(np.c_[X, LINE + 0.1 * RNG.normal(size=400)], LINE).healthy


def test_row_numbers() -> None:
    numbers = RNG.permutation(400) / 1.0 + 17
    net = binary([6, 8, 1])
    found = net.doctor(np.c_[X, numbers], Y)
    assert found.of("row_numbers")[0].where == {"columns": ["x6"]}
    counts = np.c_[X, RNG.integers(0, 90, 400)]
    assert net.doctor(counts, Y).of("row_numbers") == ()


def test_unsound_data() -> None:
    rows, y = X.copy(), Y.copy()
    rows[5, 2], rows[9, 1], y[3] = np.nan, np.inf, np.nan
    net = binary([5, 8, 1])
    found = net.doctor(rows, y)
    assert kinds(found) == ["unsound_data", "unsound_data"]
    of_x, of_y = found.findings
    assert of_x.where == {"columns": ["x2", "x3"]}
    assert (of_x.figures["first_row"], of_x.figures["first_column"]) == (5, "x3")
    assert (of_y.figures["first_row"], of_y.figures["count"]) == (3, 1)
    assert (found.rows, found.of_rows) == (397, 400)
    scope: dict[str, Any] = {"np": np, "X": rows, "y": y}
    exec(of_x.code, scope)
    assert net.doctor(scope["X"], scope["y"]).healthy


def test_where_a_network_takes_missing_numbers_they_are_no_finding() -> None:
    from limpide.table_layers import Standardize

    rows = X.copy()
    rows[5, 2] = np.nan
    net = binary([5, Standardize(name="scale"), 8, 1])
    assert net.doctor(rows, Y).healthy


def test_not_finite() -> None:
    net = binary([5, 8, 1])
    net.set("w18", np.float32(0.25))
    assert net.doctor(X, Y).healthy
    net.params["hidden1.weights"][2, 3] = np.nan
    (finding,) = net.doctor(X, Y).findings
    assert (finding.kind, finding.where["parameters"]) == ("not_finite", ["w18"])
    assert finding.figures["op"] == "input"
    assert binary([5, 8, 1]).doctor(X, Y).healthy


def test_each_kind_has_a_test_here() -> None:
    tests = {name.removeprefix("test_") for name in globals()}
    assert tests >= TESTED
