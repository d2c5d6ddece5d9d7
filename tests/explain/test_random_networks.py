"""Any network, any loss: what is printed is what the engine computes, and comes out again."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import limpide as lp
from limpide.activations import ACTIVATIONS
from read_formulas import check, equations, number, worked_out
from tolerances import tolerance

HIDDEN = sorted(set(ACTIVATIONS) - {"softmax"})
ENDS = [
    ("linear", "mse"),
    ("linear", "mae"),
    ("linear", "huber"),
    ("linear", "poisson"),
    ("softplus", "poisson"),
    ("sigmoid", "bce"),
    ("sigmoid", "mse"),
    ("softmax", "cross_entropy"),
    ("softmax", "mse"),
    ("tanh", "mse"),
    ("elu", "huber"),
]
OPTIMIZERS = [
    lp.SGD(0.1),
    lp.SGD(0.1, momentum=0.9),
    lp.SGD(0.1, momentum=0.9, nesterov=True),
    lp.RMSProp(0.01),
    lp.Adagrad(0.01),
    lp.Adam(0.01),
    lp.AdamW(0.01, weight_decay=0.1),
    lp.SGD(lp.Cosine(0.1)),
]


@st.composite
def cases(draw: Any) -> dict[str, Any]:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    activation, loss = draw(st.sampled_from(ENDS))
    inputs, outputs = draw(st.integers(1, 3)), draw(st.integers(2, 3))
    if activation != "softmax":
        outputs = draw(st.integers(1, 2))
    layers: list[Any] = [inputs]
    codes = draw(st.booleans()) and draw(st.booleans())
    if codes:
        layers.append(lp.Embedding(3, 2))
    for _ in range(draw(st.integers(0, 2))):
        neurons = draw(st.integers(1, 3))
        bias = draw(st.sampled_from([lp.zeros, None]))
        layers.append(lp.Dense(neurons, draw(st.sampled_from(HIDDEN)), bias=bias))
        extra = draw(st.sampled_from([None, None, None, lp.LayerNorm(), lp.BatchNorm(), "drop"]))
        if extra is not None:
            layers.append(lp.Dropout(0.4) if extra == "drop" else extra)
    layers.append(outputs)
    net = lp.Network(layers, output=activation, dtype="float64", seed=1)
    net.params |= {k: rng.normal(size=v.shape) for k, v in net.params.items()}
    rows = draw(st.integers(1, 3))
    X = rng.integers(0, 3, (rows, inputs)) if codes else rng.normal(size=(rows, inputs))
    if loss == "cross_entropy":
        y: Any = rng.integers(0, outputs, rows)
    elif loss in ("bce", "poisson"):
        y = rng.integers(0, 2, (rows, outputs)).astype(float)
    else:
        y = rng.normal(size=(rows, outputs))
    return {
        "net": net,
        "X": X.astype(float),
        "y": y,
        "loss": loss,
        "optimizer": draw(st.sampled_from(OPTIMIZERS)),
        "training": draw(st.booleans()),
        "language": draw(st.sampled_from(["en", "fr", "uk"])),
        "width": draw(st.sampled_from([40, 80, 120])),
    }


def derivation(case: dict[str, Any]) -> Any:
    keys = ("loss", "optimizer", "training")
    return case["net"].explain(case["X"], case["y"], **{k: case[k] for k in keys})


MANY = settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)


@MANY
@given(cases())
def test_derivatives_are_those_of_the_engine_and_of_differences(case: dict[str, Any]) -> None:
    net, X, y, loss = (case[k] for k in ("net", "X", "y", "loss"))
    found = derivation(case)
    gradients = dict(found.gradients)
    scale = max(map(abs, gradients.values()))
    before = {k: v.copy() for k, v in net.params.items()}
    state = {k: v.copy() for k, v in net.state.items()}
    plain = not any(isinstance(layer, (lp.Dropout, lp.BatchNorm)) for layer in net.layers)
    if case["training"] or plain:
        rows = {"epochs": 1, "batch_size": len(X), "shuffle": False, "engine": "reference"}
        net.fit(X, y, loss=loss, optimizer=lp.SGD(1.0), **rows)
        for name in gradients:
            parameter, index = net.scalars.locate(name)
            engine = before[parameter][index] - net.params[parameter][index]
            allowed = tolerance("explained_derivative") * max(1, scale)
            assert abs(gradients[name] - engine) <= allowed, name
        net.params |= before
        for name, array in state.items():
            net.state[name] = array
    if not case["training"]:
        for name in list(gradients)[:6]:
            value, step = net.get(name), 1e-5
            sides = []
            for moved in (value + step, value - step):
                net.set(name, moved)
                sides.append(net.evaluate(X, y, loss=loss)["loss"])
            net.set(name, value)
            difference = (sides[0] - sides[1]) / (2 * step)
            allowed = tolerance("explained_difference") * max(1, scale)
            assert abs(gradients[name] - difference) <= allowed, name


@MANY
@given(cases())
def test_every_formula_printed_or_in_the_json_gives_its_value(case: dict[str, Any]) -> None:
    found = derivation(case)
    text = found.to_text(language=case["language"], width=case["width"])
    told = list(equations(text))
    assert len(told) > len(found.gradients)
    for printed in told:
        check(printed, 6)
    entries = json.loads(found.to_json())["entries"]
    assert [e["name"] for e in entries] == list(found.gradients)
    for entry in entries:
        assert entry["derivative"] == found.gradients[entry["name"]]
        parts = ("worked_out", "chain", "factors", "update")
        for equation in (e for part in parts for e in entry.get(part, [])):
            value, largest = worked_out(equation["numbers"])
            allowed = tolerance("explained_derivative") * max(largest, 1)
            assert abs(value - equation["value"]) <= allowed, equation
        told_of = entry.get("chain", [{"value": 0.0}])  # a row of a table that nobody looked up
        assert told_of[0]["value"] == entry["derivative"]


@MANY
@given(cases())
def test_the_update_told_is_the_step_that_fit_takes(case: dict[str, Any]) -> None:
    net, X, y, loss = (case[k] for k in ("net", "X", "y", "loss"))
    case["training"] = True
    found = derivation(case)
    told = {name: found[name].updated for name in found.gradients}
    rows = {"epochs": 1, "batch_size": len(X), "shuffle": False, "engine": "reference"}
    net.fit(X, y, loss=loss, optimizer=case["optimizer"], **rows)
    for name, value in told.items():
        assert value == pytest.approx(net.get(name), abs=tolerance("explained_derivative"), rel=0)


def test_the_reader_reads_numbers_of_any_language() -> None:
    assert number("−0,5") == -0.5
    assert number("1.5e−7") == 1.5e-7
    assert worked_out("2·(1 − 0,25) + max(1; 3)")[0] == 4.5
