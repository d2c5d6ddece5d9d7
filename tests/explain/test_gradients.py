"""net.gradcheck: every derivative against central differences, worst offenders by name."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import limpide as lp
from limpide.engines.reference import ReferenceEngine
from limpide.errors import ArgumentError, DataError
from limpide.ops.elementwise import MULTIPLY, RELU, TANH
from limpide.ops.reductions import MATMUL

RNG = np.random.default_rng(2)
X = RNG.normal(size=(30, 3))
LINE = X @ [1.0, -2.0, 0.5]
Y = (LINE > 0) * 1.0


def network(activation: Any = "tanh", **settings: Any) -> lp.Network:
    return lp.Network(
        [3, 4, 1], **{"output": "sigmoid", "activation": activation, "seed": 0, **settings}
    )


@pytest.mark.parametrize("activation", ["tanh", "relu", "sigmoid", "elu", "gelu", "mish"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_parameter_is_right(activation: str, dtype: str) -> None:
    net = network(activation, dtype=dtype)
    found = net.gradcheck(X, Y)
    assert found, str(found)
    assert [s.name for s in found.scalars] == list(net.scalars)
    assert not found.kinks
    assert (found.rows, found.engine, found.of_parameters) == (30, "native", 21)


@pytest.mark.parametrize("loss", ["mse", "mae", "huber", "poisson"])
def test_losses(loss: str) -> None:
    net = network(output="linear")
    assert net.gradcheck(X, np.abs(LINE), loss=loss)


@pytest.mark.parametrize(
    "layers",
    [
        [3, 4, lp.BatchNorm(), lp.Dropout(0.5), 3],
        [3, lp.LayerNorm(), 4, 3],
        [3, lp.Embedding(4, 2), 3],
    ],
)
def test_layers_with_softmax(layers: list[Any]) -> None:
    net = lp.Network(layers, activation="tanh", output="softmax", seed=0)
    found = net.gradcheck(np.abs(X), RNG.integers(0, 3, 30))
    assert found, str(found)
    assert len(found.scalars) == net.n_parameters


def test_numeric_is_independent_of_the_rules() -> None:
    net = network(dtype="float64")
    found = {s.name: s for s in net.gradcheck(X, Y).scalars}
    for name in ("w5", "b2"):
        value, step = net.get(name), 1e-5
        ends = []
        for moved in (value + step, value - step):
            net.set(name, moved)
            ends.append(net.evaluate(X, Y, loss="bce")["loss"])
        net.set(name, value)
        assert found[name].numeric == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-6)


@pytest.mark.parametrize(
    ("op", "rule", "activation"),
    [
        (TANH, (lambda g, y, x: g * (1 - y),), "tanh"),
        (RELU, (lambda g, y, x: lp.where(lp.less(0, y), g * 1.001, 0),), "relu"),
        (MULTIPLY, (lambda g, y, a, b: g * b, lambda g, y, a, b: g * a * 1.01), "gelu"),
        (MATMUL, (lambda g, y, a, b: None, MATMUL.derivative[1]), "tanh"),  # type: ignore[index]
    ],
)
def test_a_planted_wrong_derivative_is_caught(
    op: Any, rule: Any, activation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = network(activation)
    assert net.gradcheck(X, Y)
    monkeypatch.setattr(op, "derivative", rule)
    found = net.gradcheck(X, Y)
    assert not found
    worst = found.worst
    assert worst is found.failures[0]
    assert worst.name in str(found)
    assert worst.reference == pytest.approx(worst.engine) != pytest.approx(worst.numeric)


def test_an_engine_that_computes_something_else_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    made = ReferenceEngine.compile

    class Wrong(ReferenceEngine):
        name = "native"

        def compile(self, graph: Any) -> Any:
            run = made(self, graph)
            return lambda arrays: [output * 1.0001 for output in run(arrays)]

    from limpide import engines

    monkeypatch.setitem(engines._ENGINES, "native", Wrong())
    found = network().gradcheck(X, Y)
    assert not found
    assert found.worst.reference == pytest.approx(found.worst.numeric, rel=1e-6)
    assert found.worst.engine == pytest.approx(found.worst.reference * 1.0001)


def test_kinks_do_not_cry_wolf() -> None:
    net = network("relu", dtype="float64")
    rows = np.r_[X, [[0, 0, 0]]]  # with biases 0 every sum of the last row is exactly 0
    found = net.gradcheck(rows, np.r_[Y, 1])
    assert found, str(found)
    assert {s.name for s in found.kinks} == {"b1", "b2", "b3", "b4"}
    assert all(np.isnan(s.numeric) and s.reference == pytest.approx(s.engine) for s in found.kinks)
    assert "4 parameters stand at a corner" in found.to_text("en")


def test_a_wrong_derivative_is_caught_beside_kinks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RELU, "derivative", (lambda g, y, x: lp.where(lp.less(0, y), g * 1.01, 0),))
    rows = np.r_[X, [[0, 0, 0]]]
    found = network("relu").gradcheck(rows, np.r_[Y, 1])
    assert not found
    assert not any(s.at_kink for s in found.failures)


@pytest.mark.parametrize("size", [1e2, 1e4, 1e5])
def test_large_inputs_do_not_cry_wolf(size: float, monkeypatch: pytest.MonkeyPatch) -> None:
    net = lp.Network([3, 8, 1], activation="tanh", output="sigmoid", seed=0)
    found = net.gradcheck(X * size, Y)
    assert found, str(found)
    monkeypatch.setattr(TANH, "derivative", (lambda g, y, x: g * (1 - y),))
    assert not net.gradcheck(X * size, Y)


def test_of_a_large_network_a_sample_by_the_seed() -> None:
    net = lp.Network([3, 200, 4, 1], activation="tanh", seed=0)
    first, again, other = (net.gradcheck(X, LINE, seed=seed) for seed in (0, 0, 1))
    names = [s.name for s in first.scalars]
    assert first
    assert names == [s.name for s in again.scalars] != [s.name for s in other.scalars]
    assert 400 < len(names) < 600 < first.of_parameters
    parts = {net.scalars.locate(name)[0] for name in names}
    assert parts == set(net.params)
    assert "drawn from 1,609 parameters" in first.to_text("en")


def test_of_many_rows_the_first() -> None:
    rows = RNG.normal(size=(200, 3))
    assert network().gradcheck(rows, rows[:, 0] > 0).rows == 64


def test_what_it_says_in_three_languages_and_json() -> None:
    found = network().gradcheck(X, Y, language="fr")
    assert str(found).startswith("21 dérivées sont justes\xa0:")
    assert "21 derivatives are right:" in found.to_text("en")
    assert "21 похідна правильна" in found.to_text("uk")
    told = json.loads(found.to_json())
    assert (told["passed"], told["compared"], told["engine"]) == (True, 21, "native")
    assert told["scalars"][0]["reference"] == found.scalars[0].reference


def test_what_it_refuses() -> None:
    rows = X.copy()
    rows[3, 1] = np.nan
    with pytest.raises(DataError, match="finite in X and y"):
        network().gradcheck(rows, Y)
    broken = network()
    broken.params["hidden1.weights"][0, 0] = np.nan
    with pytest.raises(DataError, match=r"that of these rows is nan\. net\.doctor"):
        broken.gradcheck(X, Y)
    with pytest.raises(ArgumentError, match="engine must be one of"):
        network().gradcheck(X, Y, engine="fast")
    with pytest.raises(ArgumentError, match="tolerance must be a positive number"):
        network().gradcheck(X, Y, tolerance=-1)
