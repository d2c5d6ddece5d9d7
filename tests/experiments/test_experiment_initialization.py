"""Why small random weights: neurons that start equal are equal to the bit for ever."""

from __future__ import annotations

import numpy as np
import pytest

import limpide as lp
from tolerances import tolerance


@pytest.fixture(scope="module")
def result() -> lp.experiments.InitializationResult:
    return lp.experiments.initialization()


@pytest.mark.parametrize("start", ["zeros", "0.5"])
def test_neurons_that_start_equal_stay_equal_to_the_bit(start):
    result = lp.experiments.initialization(epochs=20, engine="native")
    assert result.engine == "native"
    assert result.starts[start].difference.tolist() == [0.0] * 21
    assert result.starts[start].symmetric


def test_an_engine_that_rounds_neurons_apart_is_told_so():
    # NumPy's matrix product need not add a matrix's columns in one order.
    result = lp.experiments.initialization(epochs=20, engine="reference")
    assert result.starts["zeros"].difference.tolist() == [0.0] * 21
    own = result.starts["0.5"]
    assert own.difference[0] == 0
    assert own.difference.max() < tolerance("training_weights")
    said = "rounding sets them apart" in result.to_text("en", 2_000)
    assert said != own.symmetric


def test_a_network_trained_apart_shows_the_same():
    rule, points = lp.uniform(0.5, 0.5), lp.datasets.circle(200)
    layers = [2, lp.Dense(6, "tanh", weights=rule), lp.Dense(1, "sigmoid", weights=rule)]
    net = lp.Network(layers, dtype="float64", seed=0)
    history = net.fit(
        points.X / 5, points.y, optimizer=lp.SGD(0.5), epochs=200, batch_size=20, progress=False
    )
    for name in ("hidden1.weights", "hidden1.bias"):
        assert (net.params[name] == net.params[name][..., :1]).all(), name
    assert (net.params["output.weights"] == net.params["output.weights"][0]).all()
    own = lp.experiments.initialization().starts["0.5"]
    assert own.losses.tolist() == history.loss
    assert own.moved > 0.1


def test_from_zeros_nothing_but_the_output_bias_learns(result):
    zeros = result.starts["zeros"]
    assert zeros.moved == 0
    assert zeros.accuracy == 0.5
    assert zeros.loss >= np.log(2)  # no answer that is the same for all rows costs less


def test_small_random_weights_learn_and_large_ones_are_saturated(result):
    small, large = result.starts["normal(0.5)"], result.starts["normal(20)"]
    assert result.best == "normal(0.5)"
    assert not small.symmetric
    assert small.accuracy == 1
    assert small.saturated == 0
    net = lp.Network([2, lp.Dense(6, "tanh", weights=lp.normal(20)), 1], dtype="f8", seed=0)
    values = np.tanh(lp.datasets.circle(200).X / 5 @ net.params["hidden1.weights"])
    assert large.saturated == (np.abs(values) > 0.99).mean() > 0.5


def test_the_text_claims_only_what_is_so(result):
    text = result.to_text("en", 2_000)
    assert "never broken from zeros; 0.5:" in text
    assert "From zeros the hidden neurons' weights did not move" in text
    assert "From normal(20) 76.2" in text
    random = lp.experiments.initialization(starts={"small": lp.normal(0.5)}, epochs=5)
    assert "never broken" not in random.to_text("en")
    assert "did not move" not in random.to_text("en")
    one = lp.experiments.initialization(hidden=1, epochs=5)  # one neuron is equal to itself
    assert "never broken" not in one.to_text("en")


def test_saturated_neurons_that_do_not_move_are_not_said_to_have_weights_of_zero():
    text = lp.experiments.initialization(starts={"huge": lp.normal(1e30)}).to_text("en")
    assert "did not move" not in text
    assert "beyond ±0.99" in text
