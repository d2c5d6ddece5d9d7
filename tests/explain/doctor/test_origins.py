"""The first bad number: where it is, and the chain of what it was made from."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import limpide as lp
from limpide.explain import Finding

RNG = np.random.default_rng(1)
X = RNG.normal(size=(20, 2))
Y = X[:, 0]


def bad(net: lp.Network, rows: Any, y: Any = Y, **settings: Any) -> Finding:
    (finding,) = net.doctor(rows, y, **settings).of("not_finite")
    return finding


def by_hand() -> tuple[lp.Network, Any]:
    """Give exp(w7 · x2) with w7 = 310, x2 = 4 in row 11: z_h4 = 1240, whose exp is too large."""
    net = lp.Network([2, lp.Dense(4, lp.exp), 1], dtype="float64", seed=0)
    for name in net.params:
        net.params[name][...] = 0.5 if name == "output.weights" else 0
    net.set("w8", 310)
    rows = np.full((20, 2), 0.001)
    rows[11, 1] = 4
    return net, rows


def test_the_chain_of_an_overflow_by_hand() -> None:
    net, rows = by_hand()
    found = bad(net, rows)
    assert found.where == {
        "layer": "hidden1",
        "neurons": ["h4"],
        "parameters": ["b4", "w8"],
        "rows": [11],
    }
    first, sums, product = found.figures["chain"]
    assert (first["op"], first["name"], first["value"]) == ("exp", "h4", np.inf)
    assert first["terms"] == [{"name": "z_h4", "value": 1240.0}]
    assert (sums["op"], sums["name"], sums["value"]) == ("add", "z_h4", 1240.0)
    assert product["terms"] == [{"name": "x2", "value": 4.0}, {"name": "w8", "value": 310.0}]
    said = found.seen("en")
    assert "h4 = exp(1240 (z_h4)) = ∞ ← z_h4 = 1240 + 0 (b4) = 1240 ← " in said
    assert "4 (x2) · 310 (w8)" in said
    assert said.endswith("It is in row 11.")


def test_its_remedy_and_its_twin() -> None:
    net, rows = by_hand()
    assert net.doctor(rows / 100, Y).of("not_finite") == ()
    net.set("w8", 0.31)
    assert net.doctor(rows, Y).of("not_finite") == ()


def test_json_holds_infinity_as_text() -> None:
    net, rows = by_hand()
    found = json.loads(net.doctor(rows, Y).to_json())
    (finding,) = [f for f in found["findings"] if f["kind"] == "not_finite"]
    assert finding["figures"]["value"] == "inf"
    assert finding["figures"]["chain"][2]["terms"][1] == {"name": "w8", "value": 310.0}


@pytest.mark.parametrize("place", [(0, 1), (1, 0)])
def test_a_bad_weight_is_named(place: tuple[int, int]) -> None:
    net = lp.Network([2, 3, 2, 1], activation="tanh", seed=0)
    net.params["hidden2.weights"][place] = np.inf
    name = net.scalars.name("hidden2.weights", place)
    found = bad(net, X)
    assert found.where["parameters"][0] == name
    assert found.figures["op"] == "input"
    assert found.figures["value"] == np.inf


def test_a_division_by_zero_in_a_loss_of_ones_own() -> None:
    def relative(y: lp.Tensor, prediction: lp.Tensor) -> lp.Tensor:
        return lp.abs((y - prediction) / y)

    y = np.arange(1.0, 21.0)
    y[7] = 0
    net = lp.Network([2, 3, 1], activation="tanh", seed=0)
    found = bad(net, X, y, loss=relative)
    link = found.figures["chain"][0]
    assert link["op"] == "divide"
    assert link["terms"][1] == {"name": "y", "value": 0.0}
    assert net.doctor(X, y + 1, loss=relative).of("not_finite") == ()


def test_a_sound_loss_with_a_gradient_that_is_not() -> None:
    def root(y: lp.Tensor, prediction: lp.Tensor) -> lp.Tensor:
        return lp.sqrt(lp.square(y - prediction))

    net = lp.Network([2, 1], dtype="float64", seed=0)
    for name in net.params:
        net.params[name][...] = 0
    found = bad(net, X, np.zeros(20), loss=root)
    assert found.figures["loss"] == 0  # √0 is 0, and its slope there is not finite
    assert not np.isfinite(found.figures["value"])


@pytest.mark.parametrize("layer", [lp.BatchNorm(), lp.LayerNorm(), lp.Embedding(4, 3)])
def test_the_way_back_goes_through_every_layer(layer: lp.Layer) -> None:
    net = lp.Network([2, layer, lp.Dense(3, "softplus"), 2], output="softmax", seed=0)
    name = next(iter(net.params))
    net.params[name].reshape(-1)[-1] = np.nan
    found = bad(net, np.full((20, 2), 3.0) + X / 9, (Y > 0).astype(int))
    assert found.where["parameters"] == [[*net.scalars][net.params[name].size - 1]]
