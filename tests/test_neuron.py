"""Neuron: the two ways to make one, its numbers, its output, its training."""

from __future__ import annotations

import copy
import math
import pickle
from typing import Any

import numpy as np
import pytest

import limpide as lp
from tolerances import tolerance

CLOSE = tolerance("golden")


def test_weights_given_in_every_way() -> None:
    ways = [
        lp.Neuron([0, 1], 4),
        lp.Neuron(weights=[0, 1], bias=4),
        lp.Neuron(np.array([0, 1]), 4.0),
        lp.Neuron(weights=(0.0, 1.0), bias=4),
        lp.Neuron(lp.Tensor([0.0, 1.0]), 4),
        lp.Neuron(2, 4, weights=[0, 1]),
    ]
    for neuron in ways:
        assert neuron.activate([2, 3]) == pytest.approx(0.9990889488055994, rel=CLOSE)
        assert repr(neuron) == "Neuron([0, 1], 4)"
        assert type(neuron.bias) is float
        assert neuron.weights.dtype == np.float64
    assert lp.Neuron([1, 2]).bias == 0


def test_first_values_go_by_the_seed() -> None:
    a, b, c = lp.Neuron(3, seed=0), lp.Neuron(3, seed=0), lp.Neuron(3, seed=1)
    assert a.weights.tolist() == b.weights.tolist() != c.weights.tolist()
    assert a.bias == b.bias != c.bias
    assert lp.Neuron(3).weights.tolist() != lp.Neuron(3).weights.tolist()


def test_activation() -> None:
    x = [2.0, -3.0]
    for activation, f in (
        (lp.relu, lambda z: max(z, 0)),
        ("tanh", math.tanh),
        ("linear", lambda z: z),
        ("sigmoid", lambda z: 1 / (1 + math.exp(-z))),
    ):
        neuron = lp.Neuron([0.5, 0.25], 1, activation=activation)
        assert neuron.activate(x) == pytest.approx(f(0.5 * 2 - 0.25 * 3 + 1), rel=CLOSE)


def test_one_row_is_a_float_and_a_batch_an_array() -> None:
    neuron = lp.Neuron([1, 2], 0.5)
    one = neuron.activate([1, 1])
    assert type(one) is float
    batch = neuron.feedforward([[1, 1], [0, 0]])
    assert batch.shape == (2,)
    assert batch[0] == pytest.approx(one, rel=CLOSE)


def test_numbers_can_be_set() -> None:
    neuron = lp.Neuron(2, seed=0)
    neuron.weights[0] = 7
    neuron.bias = -1
    assert neuron.weights[0] == 7
    neuron.weights = [1, 2]
    assert repr(neuron) == "Neuron([1, 2], -1)"
    with pytest.raises(lp.ShapeError, match=r"weights has shape \[2\]; received \[3\]"):
        neuron.weights = [1, 2, 3]
    with pytest.raises(lp.DataError, match="weights must be finite"):
        neuron.weights = [1, float("nan")]
    with pytest.raises(lp.ArgumentError, match="bias must be finite; received inf"):
        neuron.bias = float("inf")
    with pytest.raises(lp.ArgumentTypeError, match="bias must be a number; received 'a'"):
        neuron.bias = "a"  # type: ignore[assignment]
    assert repr(neuron) == "Neuron([1, 2], -1)"


def test_a_neuron_learns_as_the_network_n_1() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 2))
    y = (X[:, 0] > X[:, 1]) * 1.0
    neuron = lp.Neuron(2, seed=0)
    net = lp.Network([2, 1], output="sigmoid", dtype="float64", seed=1)
    net.params["output.weights"][:, 0] = neuron.weights
    net.params["output.bias"] = neuron.bias
    first = neuron.fit(X, y, epochs=200, optimizer=lp.SGD(0.1))
    second = net.fit(X, y, epochs=200, optimizer=lp.SGD(0.1))
    assert first.loss == second.loss
    assert neuron.weights.tolist() == net.params["output.weights"][:, 0].tolist()
    assert ((neuron.activate(X) > 0.5) == (y > 0.5)).mean() > 0.95


def test_copies() -> None:
    neuron = lp.Neuron(3, seed=0)
    for other in (copy.deepcopy(neuron), pickle.loads(pickle.dumps(neuron))):
        assert other.activate([1, 2, 3]) == neuron.activate([1, 2, 3])
        other.bias = 9
        assert neuron.bias != 9


@pytest.mark.parametrize(
    ("args", "settings", "error", "message"),
    [
        ((), {}, lp.ArgumentError, r"Give the number of inputs or the weights: Neuron\(2\)"),
        ((0,), {}, lp.ArgumentError, "inputs must be at least 1; received 0"),
        ((-2,), {}, lp.ArgumentError, "inputs must be at least 1; received -2"),
        ((2.5,), {}, lp.ArgumentTypeError, "inputs must be a whole number; received 2.5"),
        ((True,), {}, lp.ArgumentTypeError, "inputs must be a whole number; received True"),
        (("ab",), {}, lp.ArgumentTypeError, "inputs must be a whole number; received 'ab'"),
        (([],), {}, lp.ShapeError, r"weights must be a list of numbers; received \[\]"),
        (([[1, 2]],), {}, lp.ShapeError, r"weights must be a list of numbers"),
        (([[1, 2], [3]],), {}, lp.ShapeError, "weights is a list whose rows differ in length"),
        ((["a"],), {}, lp.DtypeError, "weights holds text"),
        (([1, float("nan")],), {}, lp.DataError, "weights must be finite"),
        (([1, 2], "x"), {}, lp.ArgumentTypeError, "bias must be a number; received 'x'"),
        (([1, 2], float("nan")), {}, lp.ArgumentError, "bias must be finite; received nan"),
        (([1, 2],), {"weights": [1]}, lp.ArgumentError, "Give the weights once"),
        ((3,), {"weights": [1, 2]}, lp.ShapeError, "inputs is 3, but there are 2 weights"),
        ((2, 1), {}, lp.ArgumentError, "bias goes with weights"),
        ((2,), {"activation": "sigmod"}, lp.ArgumentError, "Did you mean 'sigmoid'"),
        ((2,), {"weigths": [1, 2]}, lp.ArgumentTypeError, "Did you mean 'weights'"),
        ((2,), {"seed": -1}, lp.ArgumentError, "seed must be at least 0"),
        ((10**13,), {}, lp.MemoryLimitError, "parameters needs about"),
    ],
    ids=lambda v: str(v)[:30],
)
def test_wrong_neurons(args: Any, settings: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        lp.Neuron(*args, **settings)


def test_wrong_rows_and_settings() -> None:
    neuron = lp.Neuron([1, 2])
    with pytest.raises(lp.ShapeError, match="built for 2 features, X has 3"):
        neuron.activate([[1, 2, 3]])
    with pytest.raises(lp.ArgumentTypeError, match=r"fit has no argument 'epoch'. .*'ep"):
        neuron.fit([[1, 2]], [1], epoch=3)
