"""What the rate does: the limit that theory gives is where the runs begin to diverge."""

from __future__ import annotations

import json

import numpy as np
import pytest

import limpide as lp
from limpide.errors import ArgumentError, ArgumentTypeError, DivergenceError
from tolerances import tolerance


def rows() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(5)
    X = random.normal(0, [1.0, 3.0], (60, 2))
    return X, X @ [1.0, -2.0] + random.normal(0, 0.1, 60)


def limit(X: np.ndarray) -> float:
    columns = np.column_stack([X, np.ones(len(X))])
    return len(X) / np.linalg.norm(columns, 2) ** 2  # 2 / λ: λ = 2/n times the square


def test_a_linear_neuron_diverges_just_above_the_limit_and_not_just_below():
    X, y = rows()
    rates = [0.97 * limit(X), 1.03 * limit(X)]
    result = lp.experiments.learning_rates(X, y, rates, steps=400)
    assert result.limit == pytest.approx(limit(X), rel=tolerance("figure_float64"))
    below, above = result.runs
    assert below.diverged_at is None
    assert above.diverged_at is not None
    assert result.best is below
    assert "Here every rate above it diverged, and none below it." in result.to_text("en", 2_000)


def test_the_sentence_on_the_limit_is_left_out_where_the_runs_do_not_show_it():
    X, y = rows()
    result = lp.experiments.learning_rates(X, y, [0.1, 1.0001 * limit(X)], steps=3)
    assert result.runs[1].diverged_at is None
    assert "Here every rate" not in result.to_text("en", 2_000)


def test_the_losses_are_those_of_gradient_descent_by_hand():
    X, y = rows()
    rate = 1.2 * limit(X)
    (run,) = lp.experiments.learning_rates(X, y, [rate], steps=30, seed=3).runs
    net = lp.Network([2, 1], dtype="float64", seed=3)
    w, b, losses = net.params["output.weights"][:, 0].copy(), 0.0, []
    for _ in range(30):
        error = X @ w + b - y
        losses.append((error**2).mean())
        w -= rate * 2 * error @ X / len(y)
        b -= rate * 2 * error.mean()
    assert run.losses == pytest.approx(losses, rel=tolerance("engine_float64_steps"))
    above = np.flatnonzero(np.array(losses) > 100 * losses[0])
    assert run.diverged_at == above[0] + 1
    assert np.isnan(run.loss)


def test_losses_that_overflow_are_gaps():
    result = lp.experiments.learning_rates(rates=[1e6, 0.1], steps=60)
    best, lost = result.runs
    assert (best.rate, lost.rate) == (0.1, 1e6)
    assert lost.diverged_at == 2
    assert np.isnan(lost.losses[-1])
    assert np.isfinite(lost.losses[:20]).all()
    found = json.loads(result.to_json())
    assert found["runs"][1]["losses"][-1] is None
    assert found["best"] == 0.1
    assert "NaN" not in result.svg


def test_where_all_diverge_there_is_no_best():
    result = lp.experiments.learning_rates(rates=[2.0, 3.0])
    assert result.best is None
    assert "The best" not in result.to_text("en")
    assert "diverged at step" in result.to_text("en")
    assert result.svg


def test_hidden_neurons_have_no_limit_that_is_known():
    result = lp.experiments.learning_rates(rates=[1e-4, 0.1], hidden=3, steps=20)
    assert result.limit is None
    assert result.runs[1].loss < result.runs[0].loss
    text = result.to_text("en", 2_000)
    assert "A network with 3 hidden neurons (tanh)" in text
    assert "0.0001 gained less than half" in text
    assert "2 / λ" not in text


def test_rows_that_no_rate_can_learn_are_the_network_s_own_error():
    with pytest.raises(DivergenceError, match="before any update"):
        lp.experiments.learning_rates([[1.0], [2.0]], [1e200, -1e200])


def test_no_rates_are_refused():
    with pytest.raises(ArgumentTypeError, match=r"rates is a list of numbers; received 0\.1"):
        lp.experiments.learning_rates(rates=0.1)
    with pytest.raises(ArgumentError, match="y is missing: give both X and y, or leave X out too"):
        lp.experiments.learning_rates([[1.0]])
    with pytest.raises(ArgumentError, match="rates is empty; give at least one"):
        lp.experiments.learning_rates(rates=[])


def test_rows_with_nothing_to_learn_are_refused():
    with pytest.raises(lp.DataError, match="nothing to be learned"):
        lp.experiments.learning_rates(np.zeros((5, 2)), np.zeros(5))
