"""The worked examples of the courses: numbers computed independently of limpide."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import limpide as lp
from tolerances import tolerance

Floats = np.ndarray[Any, np.dtype[np.float64]]

PEOPLE = [([-2.0, -1.0], 1.0), ([25.0, 6.0], 0.0), ([17.0, 4.0], 0.0), ([-15.0, -6.0], 1.0)]


def golden(number: float) -> Any:
    return pytest.approx(number, rel=tolerance("golden"), abs=0)


def course_network(weight: float | None = None, weights: list[float] | None = None) -> lp.Network:
    net = lp.Network([2, 2, 1], activation="sigmoid", output="sigmoid", dtype="float64", seed=5)
    for i in range(6):
        if weights is not None or weight is not None:
            net.set(f"w{i + 1}", weights[i] if weights else weight)
    return net


# One neuron, one network ------------------------------------------------------------------------


def test_a_neuron_with_weights_0_1_and_bias_4() -> None:
    assert lp.Neuron([0, 1], 4).activate([2, 3]) == golden(0.9990889488055994)


def test_a_network_whose_neurons_all_have_weights_0_1() -> None:
    net = course_network(weights=[0, 1, 0, 1, 0, 1])
    assert net.feedforward([2, 3]) == golden(0.7216325609518421)


def test_the_mean_squared_error_of_four_people() -> None:
    assert float(lp.mse([1, 0, 0, 1], [0, 0, 0, 0])) == 0.5


def test_one_backward_pass_by_hand() -> None:
    net = course_network(1.0)
    W1, b1, W2, b2 = net.variables
    x = np.array([[-2.0, -1.0]])
    with lp.GradientTape() as tape:
        hidden = lp.sigmoid(x @ W1 + b1)
        output = lp.sigmoid(hidden @ W2 + b2)
        y = lp.sum(output)
        loss = lp.mean(lp.square(1 - output))
        h1 = hidden[0, 0]
    assert [float(h) for h in hidden[0]] == [golden(0.04742587317756678)] * 2
    assert float(y) == golden(0.5236951740839997)
    assert float(tape.gradient(h1, W1)[0, 0]) == golden(-0.09035331946182427)
    assert float(tape.gradient(loss, W1)[0, 0]) == golden(0.02146953526581111)


def test_the_local_factors_between_two_values() -> None:
    net = course_network(1.0)
    W1, b1, W2, b2 = (lp.Tensor(v) for v in net.variables)
    x = np.array([[-2.0, -1.0]])
    hidden = lp.sigmoid(x @ W1 + b1)
    slope = lp.grad(lambda h: lp.sum(lp.sigmoid(h @ W2 + b2)))(hidden)
    assert float(slope[0, 0]) == golden(0.24943853872512894)
    output = lp.sigmoid(hidden @ W2 + b2)
    slope = lp.grad(lambda o: lp.mean(lp.square(1 - o)))(output)
    assert float(slope[0, 0]) == golden(-0.9526096518320006)


# The four people --------------------------------------------------------------------------------


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


class ScalarNetwork:
    """2-2-1 and its backward pass, number by number, as the course writes them."""

    def __init__(self, w: list[float], b: list[float]) -> None:
        self.w, self.b = list(w), list(b)

    def forward(self, x: list[float]) -> tuple[float, float, float]:
        w, b = self.w, self.b
        h1 = sigmoid(w[0] * x[0] + w[1] * x[1] + b[0])
        h2 = sigmoid(w[2] * x[0] + w[3] * x[1] + b[1])
        return h1, h2, sigmoid(w[4] * h1 + w[5] * h2 + b[2])

    def step(self, x: list[float], y: float, rate: float) -> None:
        h1, h2, o1 = self.forward(x)
        d_o1 = -2 * (y - o1) * o1 * (1 - o1)
        d_h1 = d_o1 * self.w[4] * h1 * (1 - h1)
        d_h2 = d_o1 * self.w[5] * h2 * (1 - h2)
        slopes = [d_h1 * x[0], d_h1 * x[1], d_h2 * x[0], d_h2 * x[1], d_o1 * h1, d_o1 * h2]
        self.w = [w - rate * d for w, d in zip(self.w, slopes, strict=True)]
        self.b = [b - rate * d for b, d in zip(self.b, [d_h1, d_h2, d_o1], strict=True)]

    def loss(self) -> float:
        return sum((y - self.forward(x)[2]) ** 2 for x, y in PEOPLE) / len(PEOPLE)


def test_people_equal_a_scalar_program_for_1000_epochs() -> None:
    net = lp.Network([2, 2, 1], activation="sigmoid", output="sigmoid", dtype="float64", seed=3)
    names = [f"w{i}" for i in range(1, 7)], [f"b{i}" for i in range(1, 4)]
    plain = ScalarNetwork(*([net.get(n) for n in part] for part in names))
    X, y = [x for x, _ in PEOPLE], [t for _, t in PEOPLE]
    reported: list[float] = []

    def report(run: lp.Run) -> None:
        if run.epoch % 10 == 0:
            reported.append(run.network.evaluate(X, y, loss="mse")["loss"])

    settings: dict[str, Any] = {"loss": "mse", "optimizer": lp.SGD(0.1), "batch_size": 1}
    history = net.fit(X, y, epochs=1000, shuffle=False, callbacks=report, **settings)

    expected = []
    for epoch in range(1000):
        for x, t in PEOPLE:
            plain.step(x, t, 0.1)
        if epoch % 10 == 0:
            expected.append(plain.loss())
    allowed = tolerance("training_weights")
    for part, values in zip(names, (plain.w, plain.b), strict=True):
        np.testing.assert_allclose([net.get(n) for n in part], values, rtol=0, atol=allowed)
    np.testing.assert_allclose(reported, expected, rtol=0, atol=allowed)
    assert len(history.loss) == 1000
    assert 0.95 < net.predict([-7, -3]) < 0.97
    assert net.predict([20, 2]) == pytest.approx(0.04, abs=0.01)


def test_the_other_course_equals_its_numpy_program() -> None:
    X = np.array([[0, 0, 1], [0, 1, 1], [1, 0, 1], [1, 1, 1]], float)
    y = np.array([[0], [1], [1], [0]], float)
    layers = [
        3,
        lp.Dense(4, "sigmoid", weights=lp.uniform(0, 1), bias=None),
        lp.Dense(1, "sigmoid", weights=lp.uniform(0, 1), bias=None),
    ]
    net = lp.Network(layers, dtype="float64", seed=1)
    W1, W2 = (net.params[n].copy() for n in ("hidden1.weights", "output.weights"))
    assert all(((w >= 0) & (w < 1)).all() for w in (W1, W2))
    # The course adds the slope of Σ (y − ŷ)²; the mean of 4 elements has a quarter of it.
    net.fit(X, y, loss="mse", optimizer=lp.SGD(4.0), epochs=1500, batch_size=4, shuffle=False)

    def squash(x: Floats) -> Floats:
        return 1 / (1 + np.exp(-x))

    for _ in range(1500):
        hidden = squash(X @ W1)
        output = squash(hidden @ W2)
        d_output = 2 * (y - output) * output * (1 - output)
        d_hidden = d_output @ W2.T * hidden * (1 - hidden)
        W1 += X.T @ d_hidden
        W2 += hidden.T @ d_output
    for name, weights in (("hidden1.weights", W1), ("output.weights", W2)):
        np.testing.assert_allclose(
            net.params[name], weights, rtol=0, atol=tolerance("training_weights")
        )
    assert ((net.predict(X) > 0.5) == (y > 0.5)).all()


def test_first_values_of_each_course() -> None:
    neurons = [lp.Neuron(2, seed=seed) for seed in range(200)]
    drawn = np.array([[*n.weights, n.bias] for n in neurons])
    assert drawn.min() < -0.95
    assert drawn.max() > 0.95
    assert ((drawn >= -1) & (drawn < 1)).all()
    xor = lp.Network(
        [2, lp.Dense(2, "sigmoid", weights=lp.normal), lp.Dense(1, "sigmoid", weights=lp.normal)]
    )
    assert not xor.params["hidden1.bias"].any()
    assert not xor.params["output.bias"].any()


# Mazur, "A step by step backpropagation example" (2015) -----------------------------------------

INPUTS, TARGETS = [[0.05, 0.10]], [[0.01, 0.99]]
BIASES = ("hidden1.bias", "output.bias")


def mazur() -> lp.Network:
    net = lp.Network([2, 2, 2], activation="sigmoid", output="sigmoid", dtype="float64", seed=0)
    for i, w in enumerate([0.15, 0.20, 0.25, 0.30, 0.40, 0.45, 0.50, 0.55], 1):
        net.set(f"w{i}", w)
    net.params["hidden1.bias"] = 0.35
    net.params["output.bias"] = 0.60
    return net


def mazur_fit(net: lp.Network, steps: int, freeze: tuple[str, ...] = ()) -> float:
    net.fit(
        INPUTS,
        TARGETS,
        loss="mse",
        optimizer=lp.SGD(0.5),
        epochs=steps,
        batch_size=1,
        freeze=freeze,
    )
    return float(net.evaluate(INPUTS, TARGETS)["loss"])


def test_mazur_gradients() -> None:
    net = mazur()
    assert net.evaluate(INPUTS, TARGETS, loss="mse")["loss"] == golden(0.2983711087600027)
    with lp.GradientTape() as tape:
        loss = lp.mse(TARGETS, net(INPUTS))
    slopes = dict(zip(net.params, tape.gradient(loss, net.variables), strict=True))
    assert float(slopes["output.weights"][0, 0]) == golden(0.08216704056423077)
    assert float(slopes["hidden1.weights"][0, 0]) == golden(0.0004385677344743465)


def test_mazur_one_step_with_fixed_biases() -> None:
    net = mazur()
    assert mazur_fit(net, 1, BIASES) == golden(0.29102777369359933)
    assert net.get("w5") == golden(0.35891647971788465)
    assert net.get("w1") == golden(0.1497807161327628)
    assert net.params["hidden1.bias"].tolist() == [0.35, 0.35]


def test_mazur_one_step_with_trained_biases() -> None:
    assert mazur_fit(mazur(), 1) == golden(0.28047144679143016)


def test_mazur_10000_steps() -> None:
    assert mazur_fit(mazur(), 10_000, BIASES) == pytest.approx(
        3.510187782978859e-05, rel=0, abs=tolerance("golden")
    )


# Order matters ----------------------------------------------------------------------------------


def test_a_value_used_twice() -> None:
    x = lp.Variable(2.0, dtype="float64")
    with lp.GradientTape() as tape:
        u = x * x
        w = u * (u + 3)
    assert float(tape.gradient(w, x)) == 44
