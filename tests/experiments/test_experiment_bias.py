"""Why a bias: without one the output at 0 is 0.5 and the line passes through the origin."""

from __future__ import annotations

import math

import numpy as np
import pytest

import limpide as lp
from limpide.errors import DataError
from tolerances import tolerance


@pytest.fixture(scope="module")
def result() -> lp.experiments.BiasResult:
    return lp.experiments.bias()


def test_without_a_bias_the_output_at_zero_is_one_half_to_the_bit(result):
    assert result.without_bias.at_zero == 0.5
    assert result.without_bias.bias is None
    b = result.with_bias.bias
    assert result.with_bias.at_zero == pytest.approx(
        1 / (1 + math.exp(-b)), rel=tolerance("figure_float64")
    )
    assert result.with_bias.at_zero < 0.01


def test_both_neurons_are_what_gradient_descent_by_hand_makes_of_the_same_weights(result):
    start = lp.Network([2, lp.Dense(1, "sigmoid", weights=lp.uniform(-1, 1))], dtype="f8", seed=0)
    for run, has_bias in ((result.with_bias, True), (result.without_bias, False)):
        w, b = start.params["output.weights"][:, 0].copy(), 0.0
        for _ in range(result.epochs):
            error = 1 / (1 + np.exp(-(result.X @ w + b))) - result.y
            w -= result.learning_rate * error @ result.X / len(result.y)
            b -= result.learning_rate * error.mean() * has_bias
        assert run.weights == pytest.approx(w, abs=tolerance("training_weights"))
        assert (run.bias or 0.0) == pytest.approx(b, abs=tolerance("training_weights"))


def test_no_line_through_the_origin_parts_the_clouds_and_one_beside_it_does(result):
    angles = np.linspace(0, 2 * np.pi, 3_601)
    sides = result.X @ np.stack([np.cos(angles), np.sin(angles)]) > 0
    best = (sides == (result.y > 0.5)[:, None]).mean(axis=0).max()
    assert result.without_bias.accuracy <= best < 0.7
    assert result.with_bias.accuracy == 1
    w, b = result.with_bias.weights, result.with_bias.bias
    assert result.distance == pytest.approx(
        abs(b) / math.hypot(*w), rel=tolerance("figure_float64")
    )


def test_the_text_says_what_was_found(result):
    text = result.to_text("en", 2_000)
    assert "ŷ = sigmoid(0) = 0.5;" in text
    assert "On these rows it serves" in text
    assert "100\N{NO-BREAK SPACE}% of the rows are right" in text


def test_rows_that_need_no_bias_are_told_so():
    half = np.random.default_rng(0).normal([1.0, 0.5, 0.0], 1, (40, 3))
    result = lp.experiments.bias(np.vstack([half, -half]), [1] * 40 + [0] * 40, epochs=200)
    assert abs(result.with_bias.bias) < tolerance("figure_float64")
    assert "it hardly matters" in result.to_text("en")
    assert "origin" not in result.to_text("en")  # with three inputs there is no line
    assert result.svg.count("<path") > 4


def test_other_classes_are_refused():
    with pytest.raises(DataError, match=r"the classes 0 and 1 of each row; received 2 in y"):
        lp.experiments.bias([[0.0], [1.0]], [0, 2])
