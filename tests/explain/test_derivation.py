"""Derivations of known networks: golden numbers, golden text in three languages, names, faults."""

from __future__ import annotations

import copy
import json
import pickle
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import limpide as lp
from limpide.explain.derivations.cells import Cells
from limpide.explain.derivations.digits import by_hand
from read_formulas import check, equations, worked_out
from tolerances import tolerance

GOLDEN = Path(__file__).parent / "golden"
LANGUAGES = ("en", "fr", "uk")


def people() -> Any:
    net = lp.Network([2, 2, 1], activation="sigmoid", output="sigmoid", dtype="float64", seed=0)
    net.params |= {name: 1.0 if "weights" in name else 0.0 for name in net.params}
    return net.explain([-2, -1], 1, loss="mse", optimizer=lp.SGD(0.1))


def half_squares(y: Any, prediction: Any) -> Any:
    return lp.sum(0.5 * lp.square(y - prediction), axis=-1)


def mazur_network() -> lp.Network:
    net = lp.Network([2, 2, 2], activation="sigmoid", output="sigmoid", dtype="float64", seed=0)
    for i, weight in enumerate((0.15, 0.20, 0.25, 0.30, 0.40, 0.45, 0.50, 0.55), 1):
        net.set(f"w{i}", weight)
    for i, bias in enumerate((0.35, 0.35, 0.60, 0.60), 1):
        net.set(f"b{i}", bias)
    return net


def mazur() -> Any:
    frozen = ("hidden1.bias", "output.bias")
    return mazur_network().explain(
        [0.05, 0.10], [0.01, 0.99], loss=half_squares, optimizer=lp.SGD(0.5), freeze=frozen
    )


def factors(told: Any) -> dict[str, float]:
    return {f"∂{e.left.of}/∂{e.left.by}": e.value for e in told.entry.factors}


def test_the_people_example_has_the_course_s_three_factors() -> None:
    found = people()
    golden = tolerance("golden")
    assert found.output == pytest.approx(0.5236951740839997, abs=golden)
    assert found["h1"].value == pytest.approx(0.04742587317756678, abs=golden)
    assert factors(found["w1"]) == pytest.approx(
        {
            "∂L/∂ŷ": -0.9526096518320006,
            "∂ŷ/∂h1": 0.24943853872512894,
            "∂h1/∂w1": -0.09035331946182427,
        },
        abs=golden,
    )
    assert found.gradients["w1"] == pytest.approx(0.02146953526581111, abs=golden)
    text = found["w1"].to_text(language="en", width=100)
    assert "∂L/∂w1 = ∂L/∂ŷ · ∂ŷ/∂h1 · ∂h1/∂w1" in text
    # The course multiplied factors that it had cut off: both are shown, and why.
    assert "cut off after 3 digits, −0.952·0.249·(−0.0903) = 0.0214" in text
    assert "with all digits it is 0.0215" in " ".join(text.split())


def test_mazur_step_by_step() -> None:
    found = mazur()
    golden = tolerance("golden")
    assert found.loss == pytest.approx(0.2983711087600027, abs=golden)
    assert found.gradients["w5"] == pytest.approx(0.08216704056423077, abs=golden)
    assert found.gradients["w1"] == pytest.approx(0.0004385677344743465, abs=golden)
    assert found["w5"].updated == pytest.approx(0.35891647971788465, abs=golden)
    assert found["w1"].updated == pytest.approx(0.1497807161327628, abs=golden)
    assert found["b1"].updated is None
    # w1 reaches the loss by both outputs: the sum over the two ways is told.
    assert "∂L/∂h1 = ∂L/∂ŷ1 · ∂ŷ1/∂h1 + ∂L/∂ŷ2 · ∂ŷ2/∂h1" in str(found["w1"].to_text(language="en"))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("example", [people, mazur], ids=["people", "mazur"])
def test_golden_text(example: Any, language: str) -> None:
    text = example().to_text(language=language, width=88) + "\n"
    path = GOLDEN / f"{example.__name__}.{language}.txt"
    assert text == path.read_text(encoding="utf-8")
    told = list(equations(text))
    assert len(told) > 30
    for printed in told:
        check(printed, 6)


def test_a_batch_is_the_mean_over_its_rows() -> None:
    data = lp.datasets.people()
    net = lp.Network([2, 2, 1], activation="tanh", output="sigmoid", dtype="float64", seed=3)
    found = net.explain(data.X, data.y, loss="mse")
    alone = [
        net.explain(x, y, loss="mse").gradients["w3"] for x, y in zip(data.X, data.y, strict=True)
    ]
    assert found.gradients["w3"] == pytest.approx(np.mean(alone), abs=tolerance("golden"))
    assert [found.row(i).gradients["w3"] for i in range(4)] == pytest.approx(alone)
    text = found["w3"].to_text(language="en", width=120)
    assert "∂L/∂w3 = (∂L⁽¹⁾/∂w3 + ∂L⁽²⁾/∂w3 + ∂L⁽³⁾/∂w3 + ∂L⁽⁴⁾/∂w3) / 4" in text


def test_weights_of_rows_are_told() -> None:
    net = lp.Network([1, 1], dtype="float64", seed=0)
    found = net.explain([[1.0], [2.0]], [0.0, 1.0], sample_weight=[3.0, 1.0])
    assert "∂L/∂L⁽¹⁾ · ∂L⁽¹⁾/∂w1 + ∂L/∂L⁽²⁾ · ∂L⁽²⁾/∂w1" in found["w1"].to_text(
        language="en", width=120
    )
    rows = [net.explain([x], y).gradients["w1"] for x, y in ((1.0, 0.0), (2.0, 1.0))]
    assert found.gradients["w1"] == pytest.approx((3 * rows[0] + rows[1]) / 4)


def test_many_rows_are_told_by_the_first_and_the_rest() -> None:
    rng = np.random.default_rng(0)
    net = lp.Network([2, 1], dtype="float64", seed=0)
    text = net.explain(rng.normal(size=(50, 2)), rng.normal(size=50))["w1"].to_text(
        language="en", width=300
    )
    assert "⟨43 more terms⟩) / 50" in text
    for printed in equations(text):
        check(printed, 6)


def test_a_loss_worked_out_from_the_sum_is_also_shown_unfused() -> None:
    net = lp.Network([2, 1], output="sigmoid", dtype="float64", seed=0)
    text = net.explain([0.3, -0.7], 1).to_text(language="en", width=100)
    assert "L = softplus(z_o1) − y·z_o1" in text
    assert "∂L/∂z_o1 = ∂L/∂ŷ · ∂ŷ/∂z_o1" in text
    assert "Both ways give the same loss and the same derivatives." in text
    net.params |= {"output.bias": 50.0}
    text = net.explain([0.3, -0.7], 0).to_text(language="en", width=100)
    assert "the way by the output has lost digits" in text


def test_a_dead_relu_shows_its_slope() -> None:
    net = lp.Network([1, 2, 1], dtype="float64", seed=0)
    net.params |= {"hidden1.weights": [[1.0, -1.0]], "output.weights": [[1.0], [1.0]]}
    found = net.explain([2.0], 1.0)
    assert "∂h1/∂w1 = relu′(z_h1)·x1 = 1·2 = 2" in found["w1"].to_text(language="en", width=100)
    assert "∂h2/∂w2 = relu′(z_h2)·x1 = 0·2 = 0" in found["w2"].to_text(language="en", width=100)


def test_a_large_network_is_told_in_little() -> None:
    net = lp.Network([57, 64, 1], output="sigmoid", seed=0)
    found = net.explain(np.linspace(-1, 1, 57), 1)
    assert len(found.to_text(language="en", width=80)) < 8_000
    assert len(found.to_json()) < 20_000
    largest = found.largest(3)
    sizes = sorted(map(abs, dict(found.gradients).values()), reverse=True)
    assert [abs(told.derivative) for told in largest] == pytest.approx(sizes[:3])
    assert "the weight from x3 to h22" in found["w1200"].to_text(language="en")
    assert len(found.layer("hidden1").to_text(language="en")) < 3_000
    assert found.layer("hidden1")["w1200"].value == net.get("w1200")
    assert found.layer("output").derivatives("weights").shape == (64, 1)


def test_one_number_of_a_wide_network_writes_few_formulas(monkeypatch: Any) -> None:
    written = []
    plain = Cells._formula
    monkeypatch.setattr(Cells, "_formula", lambda *a, **k: written.append(1) or plain(*a, **k))
    net = lp.Network([3, 90, 90, 2], activation="relu", output="softmax", dtype="float64", seed=0)
    found = net.explain([0.5, -1.0, 2.0], 1)
    assert found["w1"].derivative == found.gradients["w1"]
    assert len(written) < 1000  # not the 90·90 terms of the sums that h1 goes into
    layer = json.loads(found.layer("hidden2").to_json())
    assert len(layer["entries"]) == 60
    sizes = [abs(entry["derivative"]) for entry in layer["entries"]]
    assert sizes == sorted(sizes, reverse=True)


def test_a_layer_holds_its_own_numbers_alone() -> None:
    net = lp.Network([2, 2, lp.Dropout(0.5), 1], dtype="float64", seed=0)
    found = net.explain([1.0, 2.0], 0.5)
    assert len(found.layer("hidden1")) == len(found.layer("hidden1").names)
    assert found.layer("hidden1")["w3"].name == "w3"
    assert found.layer("dropout2")["a1"].value == found["h1"].value
    assert found.layer("output")["o1"].value == found.output
    for name in ("w5", "x1", "ŷ"):
        with pytest.raises(lp.ArgumentError, match=f"hidden1 has no '{name}'; it has z_h1"):
            found.layer("hidden1")[name]
    with pytest.raises(lp.ArgumentError, match="part must be one of bias, weights"):
        found.layer("hidden1").derivatives("weight")
    with pytest.raises(lp.ArgumentError, match="dropout2 has no parameters"):
        found.layer("dropout2").derivatives("weights")


@pytest.mark.parametrize("members", [1, 4])
@pytest.mark.parametrize("target", ["binary", "multiclass", "regression"])
def test_a_table_s_network_is_told_as_any_other(target: str, members: int) -> None:
    rng = np.random.default_rng(0)
    n = 300
    table = {
        "size": rng.exponential(size=n),
        "kind": rng.choice(["x", "y", "z"], n),
        "age": np.where(rng.random(n) < 0.1, np.nan, rng.normal(size=n)),
    }
    y = {
        "binary": np.where(table["size"] > 1, "yes", "no"),
        "multiclass": rng.choice(["p", "q", "r"], n),
        "regression": 3 * table["size"] + 1,
    }[target]
    model = lp.train({**table, "y": y}, "y", epochs=1, seed=0, n_ensemble=members)
    assert model.network.members == members
    data = model.history.recording.data
    for training in (False, True):
        found = model.network.explain(data.X[0], data.y[0], training=training)
        names = [told.name for told in found.largest(2)]
        texts = [found.to_text(language="en", width=120)]
        for printed in equations("\n".join(texts + [str(found[name]) for name in names])):
            check(printed, 6)


def test_a_neuron_explains_itself() -> None:
    neuron = lp.Neuron([0, 1], 4)
    found = neuron.explain([2, 3], 1, loss="mse")
    assert found.output == neuron.activate([2, 3])
    assert "z_o1 = w1·x1 + w2·x2 + b1 = 0·2 + 1·3 + 4 = 7" in found.to_text(
        language="en", width=100
    )


def test_what_was_last_fitted_is_explained() -> None:
    data = lp.datasets.people()
    net = lp.Network([2, 1], output="sigmoid", dtype="float64", seed=0)
    net.fit(data.X, data.y, loss="mse", optimizer=lp.Adam(0.05), epochs=1)
    found = net.explain(data.X[0], data.y[0])
    assert "Loss mse, optimizer Adam, 1 row." in found.to_text(language="en", width=100)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("w99", "No parameter is named 'w99'"),
        ("h7", "h1 to h2"),
        ("hidden1.weights", r"is 4 numbers, and one is asked for. Name it, as in 'w1'"),
        ("o2", "named 'o2'"),
        ("L1", "named 'L1'"),
        ("", "No parameter is named ''"),
    ],
)
def test_a_name_that_there_is_not(name: str, message: str) -> None:
    with pytest.raises(lp.ArgumentError, match=message):
        people()[name]


@pytest.mark.parametrize("output", ["linear", "sigmoid", "softmax"])
def test_the_bias_of_an_output_is_that_of_its_neuron(output: str) -> None:
    net = lp.Network([1, 2, 2], output=output, dtype="float64", seed=0)
    text = net.explain([1.0], [0.0, 1.0]).to_text(language="en", width=100)
    assert re.findall(r"(b\d), the bias of (\w+)", text) == [
        ("b1", "h1"),
        ("b2", "h2"),
        ("b3", "o1"),
        ("b4", "o2"),
    ]


@pytest.mark.parametrize("rows", [1, 2])
def test_a_derivation_is_of_the_numbers_that_it_was_asked_about(rows: int) -> None:
    net = lp.Network([2, 2, 1], activation="sigmoid", output="sigmoid", dtype="float64", seed=0)
    X, y = np.array([[1.0, 2.0], [0.5, -1.0]])[:rows], np.array([1.0, 0.0])[:rows]
    at_once, later = net.explain(X, y), net.explain(X, y)
    wanted = [at_once.to_text(), at_once.row(rows - 1).to_text(), at_once.to_json()]
    for array in (*net.params.values(), X, y):
        array[...] = 0.75
    assert [later.to_text(), later.row(rows - 1).to_text(), later.to_json()] == wanted


@pytest.mark.parametrize(
    "again", [copy.copy, copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))]
)
def test_what_was_told_can_be_copied_and_pickled(again: Any) -> None:
    net = lp.Network([2, 2, 1], activation="sigmoid", output="sigmoid", dtype="float64", seed=0)
    X, y = [[1.0, 2.0], [0.5, -1.0]], [1.0, 0.0]
    found = net.explain(X, y, optimizer=lp.Adam(0.1))
    alone, step = found.row(1), net.explain_step(X, y)
    for told in (found, alone, found["w1"], found.layer("output"), step):
        copied = again(told)
        assert copied.to_text() == told.to_text()
        assert copied.to_json() == told.to_json()
    assert again(alone)["h1"].value == alone["h1"].value == found["h1⁽²⁾"].value


@pytest.mark.parametrize("weight", [np.nan, np.inf, 1e308])
@pytest.mark.parametrize("activation", ["sigmoid", "relu"])
def test_numbers_that_are_not_finite_are_told_without_a_warning(
    weight: float, activation: str
) -> None:
    net = lp.Network([2, 2, 2], activation=activation, output="softmax", dtype="float64", seed=0)
    for array in net.params.values():
        array[...] = weight
    found = net.explain([1.0, 2.0], 1)
    assert "NaN" in found.to_text(language="en")
    assert json.loads(found.to_json())["loss"]["value"] == "nan"


def test_names_of_outputs_and_rows() -> None:
    assert people()["o1"].name == people()["ŷ1"].name == people()["ŷ"].name == "ŷ"
    assert people()["y1"].name == people()["y"].name == "y"
    net = lp.Network([1, 2], dtype="float64", seed=0)
    found = net.explain([[1.0], [2.0]], [[0.0, 1.0], [1.0, 0.0]])
    assert found["o2⁽²⁾"].value == pytest.approx(net.predict([[2.0]])[0, 1])
    assert found["ŷ1"].name == "ŷ1⁽¹⁾"


def test_a_thousand_rows_are_no_megabyte() -> None:
    X = np.linspace(-1, 1, 2000).reshape(1000, 2)
    found = lp.Network([2, 2, 1], dtype="float64", seed=0).explain(X, X[:, 0])
    text = found.to_text(language="en", width=100)
    assert "The first 8 of 1,000 rows:" in text
    assert "z_h1⁽⁸⁾ = " in text
    assert "z_h1⁽⁹⁾" not in text
    assert len(text) < 50_000
    assert len(found.to_json()) < 200_000
    for printed in equations(text):
        check(printed, 6)


@pytest.mark.parametrize("index", [-1, 1, "a", 0.5, True])
def test_a_row_that_there_is_not(index: Any) -> None:
    with pytest.raises(lp.ArgumentError, match="row is a whole number from 0 to 0"):
        people().row(index)


@pytest.mark.parametrize("k", [0, -1, 2.5, "a"])
def test_how_many_of_the_largest(k: Any) -> None:
    with pytest.raises(lp.ArgumentError, match="k is a whole number of at least 1"):
        people().largest(k)


@pytest.mark.parametrize("language", LANGUAGES)
def test_narrow_lines_leave_numbers_whole(language: str) -> None:
    text = people()["w1"].to_text(language=language, width=20)
    point = "." if language == "en" else ","
    assert f"−0{point}952·0{point}249·(−0{point}0903)" in text


def test_rows_that_are_not_apart_cannot_be_told_alone() -> None:
    net = lp.Network([2, 2, lp.BatchNorm(), 1], dtype="float64", seed=0)
    X, y = [[1.0, 2.0], [0.5, -1.0], [2.0, 0.0]], [0.0, 1.0, 0.5]
    found = net.explain(X, y, training=True)
    with pytest.raises(lp.ArgumentError, match="takes the statistics of all"):
        found.row(0)
    assert net.explain(X, y).row(1).output == pytest.approx(net.predict([0.5, -1.0]))
    with pytest.raises(lp.ArgumentError, match="received row 3"):
        found.row(3)


def test_rows_that_meet_in_the_middle_of_a_batch_are_not_apart() -> None:
    class Meeting(lp.Layer):
        def forward(self, params: Any, state: Any, x: Any, training: Any) -> Any:
            return lp.concatenate([x[:1], x[1:2] + x[2:3], x[2:]], axis=0), {}

    net = lp.Network([2, 2, Meeting(), 1], "tanh", dtype="float64", seed=0)
    found = net.explain(np.eye(4)[:, :2], np.ones(4))
    with pytest.raises(lp.ArgumentError, match="not apart"):
        found.row(1)
    assert "Row by row" not in found["w1"].to_text(language="en")


def test_dropout_is_that_of_the_first_training_step() -> None:
    net = lp.Network([4, 8, lp.Dropout(0.5), 1], dtype="float64", seed=0)
    X, y = np.eye(4), np.arange(4.0)
    dropped = [net.explain(X, y, training=True, seed=seed) for seed in (0, 0, 1)]
    assert dict(dropped[0].gradients) == dict(dropped[1].gradients)
    assert dict(dropped[0].gradients) != dict(dropped[2].gradients)
    with pytest.raises(lp.ArgumentError, match="drawn in one"):
        dropped[0].row(0)


@pytest.mark.parametrize("rows", [1, 3])
def test_every_value_has_a_name_also_where_dropout_set_it(rows: int) -> None:
    net = lp.Network([2, 8, lp.Dropout(0.5), 2], "tanh", dtype="float64", seed=0)
    found = net.explain(np.eye(3)[:rows, :2], np.ones((rows, 2)), training=True)
    layer = found.layer("dropout2")
    assert {layer[name].value == 0 for name in layer.names} == {True, False}
    for name in layer.names:
        told = layer[name]
        assert (told.name, told.to_text(language="en").split(",")[0]) in {
            (name, name),
            (name.replace("a", "h"), name.replace("a", "h")),
        }
        mark = "⁽¹⁾" if rows > 1 else ""
        onward = sum(
            found[f"ŷ{o}{mark}"].derivative * net.params["output.weights"][int(name[1]) - 1, o - 1]
            for o in (1, 2)
        )
        assert told.derivative == pytest.approx(onward)
        assert bool(told.entry.chain) == (told.value != 0)
        for printed in equations(told.to_text(language="en", width=100)):
            check(printed, 6)


def test_a_value_that_the_loss_does_not_go_by_says_so() -> None:
    net = lp.Network([2, 8, lp.Dropout(0.5), 2], "tanh", dtype="float64", seed=0)
    found = net.explain([1.0, 2.0], [1.0, 1.0], training=True)
    dropped = [i for i in range(1, 9) if found[f"a{i}"].value == 0]
    said = "The loss does not depend on it here: its derivative is 0."
    assert dropped
    assert all(said in found[f"h{i}"].to_text(language="en") for i in dropped)


def test_both_ways_are_said_to_agree_where_they_do() -> None:
    net = lp.Network([1, 1], output="sigmoid", dtype="float64", seed=0)
    for weight, agrees in ((1.0, True), (50.0, False)):
        net.set("w1", weight)
        text = " ".join(net.explain([1.0], 0).to_text(language="en").split())
        assert ("Both ways give the same loss and the same derivatives." in text) == agrees
        assert ("has lost digits" in text) != agrees
        assert "it is the same:" not in text


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (([1, 2, 3], 1), lp.ShapeError),
        (([1, 2], [1, 2]), lp.ShapeError),
        (([1, float("nan")], 1), lp.DataError),
        ((["a", "b"], 1), lp.DtypeError),
    ],
)
def test_rows_that_do_not_fit(arguments: Any, error: Any) -> None:
    net = lp.Network([2, 1], seed=0)
    with pytest.raises(error):
        net.explain(*arguments)


@pytest.mark.parametrize("settings", [{"digits": 1}, {"digits": 18}, {"width": 3}])
def test_settings_out_of_range(settings: Any) -> None:
    with pytest.raises(lp.ArgumentError, match="received"):
        people().to_text(**settings)


def test_an_unknown_language_names_those_there_are() -> None:
    with pytest.raises(lp.ArgumentError, match="en"):
        people().to_text(language="de")


def test_rounding_by_hand() -> None:
    found = by_hand(
        [-0.9526096518320006, 0.24943853872512894, -0.09035331946182427], 0.02146953526, 3
    )
    assert found is not None
    assert (found.product, found.exact, found.cut) == (0.0214, 0.0215, True)
    assert by_hand([0.5, 0.25], 0.125, 3) is None


@pytest.mark.parametrize(
    ("factors", "value"),
    [
        ((0.965138, 1.0), 0.965138),  # 0.965·1 is 0.965, though the float of it is a bit less
        ((0.3, 0.7), 0.21),
        ((0.3, 1.0), 0.3),
        ((0.247, 0.5), 0.1235),  # nothing is lost: no remark, however a half is rounded
    ],
)
def test_what_is_right_by_hand_is_not_found_fault_with(factors: Any, value: float) -> None:
    assert by_hand(factors, value, 3) is None


def test_work_by_hand_takes_no_more_digits_than_are_shown_and_squares_nothing() -> None:
    net = lp.Network([2, 3, lp.BatchNorm(), 1], dtype="float64", seed=0)
    text = net.explain([1, 2], 1)["w1"].to_text(language="en", width=100, digits=2)
    assert re.findall("By hand, .*?(\\d+) digits", text) in ([], ["2"])
    text = net.explain([1, 2], 1)["w1"].to_text(language="en", width=100)
    assert "·1·1 = " in text
    assert "1²" not in text


@pytest.mark.parametrize("width", [20, 40, 60])
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_step_fits_its_width(width: int, language: str) -> None:
    net = lp.Network([2, 2, 1], "tanh", dtype="float64", seed=0)
    text = net.explain_step([[1.0, 2.0]], [1.0]).to_text(language=language, width=width)
    told = [line for line in text.splitlines() if line.startswith(" ")]
    assert max(map(len, told)) <= max(width, 31)  # a label and its number stay together
    assert "w1" in text


def test_what_is_said_of_work_by_hand_is_true() -> None:
    net = lp.Network([3, 2], output="softmax", dtype="float64", seed=0)
    text = " ".join(net.explain([1, 2, 3], 1).to_text(language="en", width=100).split())
    told = re.findall(
        r"By hand, with factors \w+( off after|) ?t?o? ?3 digits, (.+?) = (\S+);", text
    )
    assert told
    for _, formula, product in told:
        exact = Decimal(1)
        for factor in re.findall(r"[\d.]+", formula):
            exact *= Decimal(factor)
        shown = Decimal(product.replace("−", "-"))
        unit = Decimal(1).scaleb(exact.adjusted() - 2)
        assert abs(abs(shown) - exact) < unit, (formula, product)


def test_the_reader_finds_a_wrong_number() -> None:
    text = people()["w1"].to_text(language="en", width=100)
    assert worked_out("−0.5 · 0.25 · (−0.5)")[0] == 0.0625
    wrong = next(equations(text.replace("0.0214695", "0.0214696")))
    with pytest.raises(AssertionError):
        check(wrong, 6)
