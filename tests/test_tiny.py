"""The whole library in small: read this file first. Each test is one idea of limpide."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import limpide as lp
from tolerances import tolerance

# Four people: weight - 135 lb, height - 66 in; 1 is a woman.
X = np.array([[-2.0, -1.0], [25.0, 6.0], [17.0, 4.0], [-15.0, -6.0]])
y = np.array([1.0, 0.0, 0.0, 1.0])


def test_a_neuron_is_a_weighted_sum_and_a_squash() -> None:
    neuron = lp.Neuron(weights=[0, 1], bias=4)
    assert neuron.activate([2, 3]) == pytest.approx(1 / (1 + np.exp(-7)), abs=tolerance("golden"))


def test_a_network_is_layers_of_neurons_whose_numbers_have_names() -> None:
    net = lp.Network([2, 2, 1], activation="sigmoid", output="sigmoid", dtype="float64", seed=0)
    assert list(net.params) == ["hidden1.weights", "hidden1.bias", "output.weights", "output.bias"]
    for i in (1, 3, 5):
        net.set(f"w{i}", 0)
        net.set(f"w{i + 1}", 1)
    hidden = 1 / (1 + np.exp(-3.0))  # both hidden neurons see 0 * 2 + 1 * 3
    assert net.predict([2, 3]) == pytest.approx(1 / (1 + np.exp(-hidden)), abs=tolerance("golden"))


def test_a_tape_knows_the_slope_of_what_it_saw() -> None:
    w = lp.Variable(3.0)
    with lp.GradientTape() as tape:
        loss = lp.square(w * 2 - 10)
    assert float(tape.gradient(loss, w)) == 2 * (3 * 2 - 10) * 2


def test_a_function_is_traced_once_into_a_graph_that_can_be_read() -> None:
    w = lp.Variable(0.0, name="w")

    @lp.function
    def step(target):
        with lp.GradientTape() as tape:
            loss = lp.square(w - target)
        w.assign_sub(0.25 * tape.gradient(loss, w))
        return loss

    assert "w" in str(step.graph(8.0))
    assert [float(step(8.0)) for _ in range(3)] == [64.0, 16.0, 4.0]  # a call a step
    assert step.repeat(2, 8.0).numpy().tolist() == [1.0, 0.25]  # the loop in the engine


def test_fit_lowers_the_loss_and_says_how_it_went() -> None:
    net = lp.Network([2, 2, 1], activation="sigmoid", output="sigmoid", seed=1)
    history = net.fit(X, y, loss="mse", optimizer=lp.SGD(0.1), epochs=500, batch_size=1)
    assert len(history.loss) == 500
    assert history.loss[-1] < 0.05 < history.loss[0]
    assert net.predict([-7, -3]) > 0.8 > 0.2 > net.predict([20, 2])
    assert net.evaluate(X, y, loss="bce")["accuracy"] == 1.0


def test_one_step_of_fit_is_the_gradient_times_the_rate() -> None:
    net = lp.Network([2, 3, 1], dtype="float64", seed=0)
    with lp.GradientTape() as tape:
        loss = lp.mse(y[:, None], net(X))
    slopes = tape.gradient(loss, net.variables)
    expected = [v - 0.01 * g for v, g in zip(net.variables, slopes, strict=True)]
    net.fit(X, y, optimizer=lp.SGD(0.01), epochs=1, batch_size=4)
    for array, wanted in zip(net.params.values(), expected, strict=True):
        np.testing.assert_allclose(array, wanted, rtol=tolerance("golden"))


def test_a_saved_network_gives_the_same_bits(tmp_path: Path) -> None:
    net = lp.Network([2, lp.Dense(4), lp.BatchNorm(), 1], output="sigmoid", seed=2)
    net.fit(X, y, epochs=3)
    net.save(tmp_path / "people.safetensors")
    same = lp.load(tmp_path / "people.safetensors")
    assert same.predict(X).tobytes() == net.predict(X).tobytes()


def test_an_error_names_what_was_wrong_and_what_to_do() -> None:
    with pytest.raises(lp.ShapeError, match=r"built for 3 features, X has 2"):
        lp.Network([3, 1]).predict(X)
    with pytest.raises(lp.ArgumentError, match="Did you mean 'sigmoid'"):
        lp.Network([2, 1], output="sigmod")
