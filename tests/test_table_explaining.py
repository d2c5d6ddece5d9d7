"""What a table's model tells of itself: rows and columns by name, true to what it predicts."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import limpide as lp
from limpide.errors import ArgumentError, ArgumentTypeError, DataError
from limpide.explain.derivations.digits import by_hand, cut
from read_formulas import check, equations

BAKERY = Path(__file__).resolve().parents[1] / "examples" / "data" / "bakery.csv"
LISTED = re.compile(r"^  [xy]\d* = \S+  .*$", re.MULTILINE)


@pytest.fixture(scope="module")
def model() -> lp.Model:
    return lp.train(str(BAKERY), "sold_out", epochs=2, progress=False)


@pytest.fixture(scope="module")
def flats() -> tuple[lp.Model, dict[str, Any]]:
    rng = np.random.default_rng(0)
    area = rng.uniform(20, 200, 300)
    days = np.datetime64("2024-01-01") + rng.integers(0, 700, 300)
    table = {"area": area, "sold_on": days, "price": 1500 * area + rng.normal(0, 900, 300)}
    return lp.train(table, "price", epochs=2, progress=False), table


@pytest.fixture(scope="module")
def kinds() -> tuple[lp.Model, dict[str, Any]]:
    rng = np.random.default_rng(1)
    codes = np.arange(240) % 3
    table = {
        "length": rng.normal(codes * 2, 1),
        "width": rng.normal(3 - codes, 1),
        "kind": np.array(["oak", "ash", "elm"])[codes],
    }
    return lp.train(table, "kind", epochs=2, progress=False), table


def told(derivation: Any, language: str = "en") -> str:
    return str(derivation.to_text(language=language, width=100))


def on_one_line(text: str) -> str:
    return " ".join(text.split())


# explain ------------------------------------------------------------------------------------------


def test_the_legend_says_which_column_each_input_is_and_what_stands_there(model: lp.Model) -> None:
    text = told(model.explain(str(BAKERY), 0))
    assert "Row 1 of " in text
    assert "bakery.csv' (line 2)." in text
    assert re.search(r"x1 = NaN +temperature_c: missing$", text, re.MULTILINE)
    assert re.search(r"x2 = 1.5 +price_eur +∂L/∂x2 = \S+$", text, re.MULTILINE)
    assert re.search(r"x5 = 6 +pastry: rye loaf$", text, re.MULTILINE)
    assert re.search(r"y = 1 +sold_out: yes$", text, re.MULTILINE)
    assert "y is 1 for yes and 0 for no. ŷ is the probability of yes." in text


@pytest.mark.parametrize("row", [0, 7])
def test_what_it_says_is_what_the_model_predicts(model: lp.Model, row: int) -> None:
    frame = pl.read_csv(BAKERY)
    found = model.explain(frame, row)
    (chances,) = model.predict_proba(frame[[row]])
    answer = model.predict(frame[[row]])[0]
    assert found.output == pytest.approx(chances[1], rel=1e-5)
    text = told(found)
    said = re.search(r"The network answers (\w+), with a probability of ([\d.]+)\.", text)
    assert said is not None
    assert said[1] == answer
    assert float(said[2]) == pytest.approx(chances.max(), rel=1e-5)


@pytest.mark.parametrize("language", ["en", "fr", "uk"])
def test_formulas_of_an_ensemble_come_out_again(model: lp.Model, language: str) -> None:
    found = model.explain(str(BAKERY), 3)
    names = ["x2", "z_m2", "z_h9", "h300", "hidden1.weights[0, 3]", "output.bias[1, 0]"]
    for one in (found, found.numbers(names), found.layer("output")):
        text = LISTED.sub("", told(one, language))
        seen = [printed for printed in equations(text) if check(printed, 6) is None]
        assert len(seen) > 5


def test_derivatives_by_columns_are_those_of_differences(
    flats: tuple[lp.Model, dict[str, Any]],
) -> None:
    model, table = flats
    found = model.explain(table, 4)
    X = model.matrix(model._read(table))[4:5].astype(np.float64)
    exact = lp.Network([X.shape[1], *model.network.layers], dtype="float64")
    exact.params |= {name: a.astype(np.float64) for name, a in model.network.params.items()}
    for name, array in model.network.state.items():
        exact.state[name] = array.astype(np.float64)
    y = found["y"].value
    one = np.eye(1, X.shape[1]) * 1e-4
    losses = [(float(exact.predict(moved)[0, 0]) - y) ** 2 for moved in (X + one, X - one)]
    assert found["x1"].derivative == pytest.approx((losses[0] - losses[1]) / 2e-4, rel=1e-5)


def test_a_regression_is_told_in_the_tables_unit(flats: tuple[lp.Model, dict[str, Any]]) -> None:
    model, table = flats
    text = told(model.explain(table, 4))
    first, last = re.findall(r"^  (?:y|price) = .* = (\S+)$", text, re.MULTILINE)[:2]
    (predicted,) = model.predict({name: column[4:5] for name, column in table.items()})
    assert float(first) == pytest.approx(
        (table["price"][4] - model.labels.centre) / model.labels.scale, rel=1e-5
    )
    assert float(last) == pytest.approx(predicted, rel=1e-5)
    assert re.search(r"x3 = \d+ +sold_on \(month\): 202\d-", text)


def test_classes_are_named(kinds: tuple[lp.Model, dict[str, Any]]) -> None:
    model, table = kinds
    text = on_one_line(told(model.explain(table, 0)))
    assert "y = 2 kind: oak" in text
    assert "probabilities of the classes: ŷ1: ash, ŷ2: elm, ŷ3: oak." in text
    columns = told(model.explain(table, 0, loss="mse"))
    assert [f"y{i + 1} = {int(i == 2)} " in columns for i in range(3)] == [True] * 3
    assert "y is the number" not in columns


def test_numbers_of_the_first_layer_say_which_column_they_are(model: lp.Model) -> None:
    found = model.explain(str(BAKERY), 0)
    texts = [told(found[f"a{i + 1}"]) for i in range(model.network.placed[0].outputs)]
    for said in (
        "a1 is temperature_c, scaled.",
        "a45 is 1 where temperature_c is missing.",
        "says how far baked has come through stretch 1 of",
        "is 1 where pastry is rye loaf.",
        "is 1 where weather is missing.",
    ):
        assert sum(said in text for text in texts) == 1
    category = next(i + 1 for i, text in enumerate(texts) if "pastry is rye loaf." in text)
    weight = told(found[f"hidden1.weights[{category - 1}, 0]"])
    assert f"a{category} is 1 where pastry is rye loaf." in weight


def test_an_embedded_column_says_so() -> None:
    rng = np.random.default_rng(0)
    town = np.array([f"t{i:03d}" for i in range(150)])[np.arange(900) % 150]
    table = {"town": town, "x": rng.normal(size=900), "y": rng.integers(0, 2, 900)}
    model = lp.train(table, "y", epochs=1, progress=False)
    found = model.explain(table, 0)
    size = model.network.placed[0].outputs
    text = on_one_line(told(found[f"hidden1.weights[{size - 1}, 0]"]))
    assert re.search(r"the weight from columns\.embedding1\.table\[\d+, \d+\] to h1", text)
    assert "numbers that stand for a category, town: t000." in text
    other = on_one_line(told(found["columns.embedding1.table[0, 0]"]))
    assert "numbers that stand for a category, town: another category." in other


def test_of_many_columns_those_with_the_largest_share_are_listed() -> None:
    rng = np.random.default_rng(0)
    table = {f"c{i}": rng.normal(size=250) for i in range(25)}
    table["y"] = (table["c3"] > 0).astype(int)
    model = lp.train(table, "y", epochs=2, progress=False)
    found = model.explain(table, 1)
    text = told(found)
    listed = re.findall(r"^  (x\d+) = ", text, re.MULTILINE)
    shares = {f"x{i}": abs(found[f"x{i}"].value * found[f"x{i}"].derivative) for i in range(1, 26)}
    assert set(listed) == set(sorted(shares, key=lambda name: -shares[name])[:12])
    assert "13 more inputs are left out." in text
    assert "x20 is the column c19." in told(found["x20"])


def test_names_and_cells_that_a_page_or_a_terminal_might_obey() -> None:
    table = {"a\x1b[2J<b>&": ["<i>\x07"] * 30 + ["_%$"] * 30, "y": [0.5, 1.5, 2.5] * 20}
    model = lp.train(table, "y", epochs=1, progress=False)
    found = model.explain(table, 0)
    assert "\x1b" not in found.to_text()
    assert "&lt;i&gt;" in found.to_html()
    assert "<i>" not in found.to_html()
    assert r"a\textbackslash{}x1b[2J" in found.to_latex()


@pytest.mark.parametrize(
    ("row", "error", "said"),
    [
        (600, ArgumentError, "row is 600, and .* has 600 rows, counted from 0. Give a row from"),
        (-1, ArgumentError, "row is -1"),
        (True, ArgumentTypeError, "row is a whole number, counted from 0; received True"),
        (1.5, ArgumentTypeError, "received 1.5"),
    ],
)
def test_rows_that_there_are_not(
    model: lp.Model, row: Any, error: type[Exception], said: str
) -> None:
    for ask in (model.explain, model.diagram):
        with pytest.raises(error, match=said):
            ask(str(BAKERY), row)


def test_a_row_without_its_target(model: lp.Model) -> None:
    frame = pl.read_csv(BAKERY).with_columns(
        sold_out=pl.when(pl.int_range(pl.len()) == 2).then(None).otherwise(pl.col("sold_out"))
    )
    with pytest.raises(DataError, match=r"the cell in index 2 is missing. Choose a row whose"):
        model.explain(frame, 2)
    with pytest.raises(DataError, match=r"Target column 'sold_out' is not in .* Add it:"):
        model.explain(frame.drop("sold_out"), 2)
    assert "Loss" not in model.diagram(frame.drop("sold_out"), 2, language="en").svg


# doctor, gradcheck, diagram -----------------------------------------------------------------------


def test_the_doctor_names_columns_and_gives_the_command_that_drops_them() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 300)
    table = {"x": rng.normal(size=300), "the answer": y + 0.0, "y": np.array(["no", "yes"])[y]}
    model = lp.train(table, "y", epochs=2, progress=False)
    (finding,) = model.doctor(table).of("leaking_columns")
    assert finding.where == {"columns": ["the answer"]}
    assert finding.code == "limpide train DATA --target y --drop 'the answer'"
    assert "the answer (AUC 1)" in finding.seen("en")
    less = {name: column for name, column in table.items() if name != "the answer"}
    cured = lp.train(less, "y", epochs=2, progress=False)
    assert cured.doctor(less).of("leaking_columns") == ()


def test_the_doctor_names_classes() -> None:
    rng = np.random.default_rng(0)
    table = {"x": rng.normal(size=600), "y": np.where(np.arange(600) % 30, "usual", "odd")}
    model = lp.train(table, "y", epochs=1, progress=False)
    (finding,) = model.doctor(table).of("class_imbalance")
    assert finding.where == {"classes": ["odd"]}
    assert finding.seen("en").startswith("Class odd has 20 rows")
    assert finding.code == 'lp.train(data, "y", class_weight="balanced")'


def test_missing_numbers_are_no_corners(model: lp.Model) -> None:
    found = model.gradcheck(str(BAKERY))
    assert found
    assert found.kinks == ()
    assert all(np.isfinite(scalar.numeric) for scalar in found.scalars)


@pytest.mark.parametrize("width", [40, 80])
def test_a_gradient_check_fits_into_its_width(model: lp.Model, width: int) -> None:
    for language in ("en", "fr", "uk"):
        lines = model.gradcheck(str(BAKERY)).to_text(language, width).splitlines()
        assert max(map(len, lines)) <= width


def test_a_diagram_says_below_which_column_its_inputs_are(model: lp.Model) -> None:
    assert "x1: temperature_c<" in model.diagram().svg
    svg = model.diagram(str(BAKERY), 0, gradients=True, language="fr").svg
    assert "x1: temperature_c\u00a0: manquant<" in svg
    with pytest.raises(ArgumentError, match="captions has 2 texts, and the network 9 inputs"):
        model.network.diagram(captions=["a", "b"])


def test_a_model_explains_itself_after_being_saved(model: lp.Model, tmp_path: Path) -> None:
    model.save(tmp_path / "m.safetensors")
    loaded = lp.load(tmp_path / "m.safetensors")
    assert isinstance(loaded, lp.Model)
    for language in ("en", "uk"):
        texts = [
            one.explain(str(BAKERY), 5, optimizer=lp.SGD(0.1)).to_text(language=language)
            for one in (model, loaded)
        ]
        assert texts[0] == texts[1]


def test_json_is_whole(model: lp.Model) -> None:
    found = model.explain(str(BAKERY), 0)
    record = json.loads(found.numbers(["x2", "z_m1"]).to_json())
    assert [entry["name"] for entry in record["entries"]] == ["x2", "z_m1"]
    assert record["entries"][0]["derivative"] == found["x2"].derivative


# by hand ------------------------------------------------------------------------------------------


def test_products_by_hand_are_worked_out_in_decimals() -> None:
    assert cut(0.172, 3) == 0.172
    assert cut(-0.1729613, 3) == -0.172
    assert by_hand([-0.1729613, 1.0], -0.1729613, 3) is None
    found = by_hand([-0.9526097, 0.2494385, -0.09035332], 0.0214695, 3)
    assert found is not None
    assert (found.product, found.cut) == (0.0214, True)
