"""From a table's columns to one matrix: what is decided, and what another table must have."""

from __future__ import annotations

import datetime as dt
import json

import numpy as np
import pandas as pd
import polars as pl
import pytest

from limpide.errors import DataError, ModelFileError
from limpide.tables import Table, read_table
from limpide.tables.features import check_finite, part_values
from limpide.tables.fitting import Numbers, fit_columns, seen_in
from limpide.tables.preprocessing import Preprocessing


def fit(data: object, scaling: str = "robust") -> tuple[Preprocessing, Numbers, list[str]]:
    table = read_table(data)
    seen = [seen_in(table, name) for name in table.columns]
    columns, numbers = fit_columns(seen, table.source, scaling)
    found = Preprocessing(tuple(columns))
    return found, numbers, found.left_out


def treatment(data: object, name: str = "x") -> str:
    return next(c.treatment for c in fit(data)[0].columns if c.name == name)


def test_numbers_come_first_then_codes_in_the_table_s_order():
    data = {"city": ["a", "b", "a", "b"], "x": [1, None, 3, 4], "ok": [True, False, None, True]}
    found, _, _ = fit(data)
    X, notes = found.matrix(read_table(data))
    assert X.dtype == np.float32
    expected = [[1, 1, 1], [np.nan, 0, 2], [3, np.nan, 1], [4, 1, 2]]
    assert np.array_equal(X, np.array(expected, np.float32), equal_nan=True)
    assert (found.features, notes) == (["city", "x", "ok"], [])


def test_the_scale_is_the_distance_of_the_quartiles():
    _, numbers, _ = fit({"x": [0.0, 1, 2, 3, 100]})
    assert (numbers.centre, numbers.factor) == ([2.0], [1 / 2])
    _, numbers, _ = fit({"x": [0.0, 1, 2, 3, 100]}, "standard")
    assert numbers.centre[0] == pytest.approx(21.2, rel=1e-12)
    assert numbers.factor[0] == pytest.approx(1 / np.std([0, 1, 2, 3, 100]), rel=1e-12)


def test_where_quartiles_meet_half_the_range_is_the_scale():
    _, numbers, _ = fit({"x": [5.0, 5, 5, 5, 5, 5, 5, 9]})
    assert (numbers.centre, numbers.factor) == ([5.0], [1 / 2])


def test_a_value_that_stands_out_gets_an_indicator_and_the_scale_is_that_of_the_others():
    values = [0.0] * 60 + [float(v) for v in range(10, 51)]
    found, numbers, _ = fit({"x": values})
    assert numbers.spike == [0.0]
    assert (numbers.centre, numbers.factor) == ([0.0], [1 / 20])
    assert found.columns[0].treatment.endswith(", extra input: is it 0?")


@pytest.mark.parametrize("values", [[0, 1] * 30, [0] * 12 + [1, 2, 3], list(range(100))])
def test_no_indicator_where_no_value_stands_out(values):
    assert fit({"x": values})[1].spike == [None]


def test_a_large_offset_is_taken_away_before_float32():
    values = [1e9 + i for i in range(5)]
    found, numbers, _ = fit({"x": values})
    X, _ = found.matrix(read_table({"x": values}))
    assert X[:, 0].tolist() == [-2, -1, 0, 1, 2]
    assert (numbers.centre, numbers.factor) == ([0.0], [0.5])


@pytest.mark.parametrize("size", [1e300, 1e-300, 1.7e308, 5e-324])
def test_any_size_fits(size):
    values = np.arange(-4, 5) * (size / 4) if size > 1 else np.arange(9) * size
    found, numbers, _ = fit({"x": values})
    X, _ = found.matrix(read_table({"x": values}))
    scaled = (X[:, 0].astype(np.float64) - numbers.centre[0]) * numbers.factor[0]
    expected = np.arange(-4, 5) / 4 if np.isfinite(scaled).all() else None
    np.testing.assert_allclose(scaled, expected, rtol=1e-6, atol=1e-6)


def test_beyond_float32_is_as_far_out_as_can_be():
    found, _, _ = fit({"x": [1.0, 2, 3, 4]})
    X, _ = found.matrix(read_table({"x": [1e300, -1e300]}))
    assert X[:, 0].tolist() == [np.float32(3e38), np.float32(-3e38)]


def test_dates_are_days_months_and_weekdays():
    days = [dt.date(2024, 2, 29), None, dt.date(1969, 12, 31)]
    assert np.array_equal(
        part_values(pl.Series(days), "value"), [19782, np.nan, -1], equal_nan=True
    )
    assert part_values(pl.Series(days[:1]), "month").tolist() == [2]
    assert part_values(pl.Series(days[:1]), "weekday").tolist() == [4]
    moment = pl.Series([dt.datetime(1970, 1, 2, 6, 30)])
    assert part_values(moment, "value").tolist() == [1 + 6.5 / 24]
    assert part_values(moment, "hour").tolist() == [6.5]
    assert part_values(pl.Series([dt.time(12, 30)]), "value").tolist() == [12.5]
    assert part_values(pl.Series([dt.timedelta(hours=36)]), "value").tolist() == [1.5]


def test_what_says_nothing_is_left_out_and_said():
    data = {
        "x": [1, 2, 3, 4],
        "same": [7, 7, 7, 7],
        "none": [None] * 4,
        "who": ["Ann", "Bob", "Cyd", "Dan"],
    }
    found, _, notes = fit(data)
    assert found.features == ["x"]
    assert notes == [
        "column 'same' is left out: constant, '7' in every row",
        "column 'none' is left out: every cell is missing",
        "column 'who' is left out: 4 different texts in 4 rows, as identifiers or free text are",
    ]


def test_a_constant_with_gaps_says_where_the_gaps_are():
    found, numbers, _ = fit({"x": [7.0, None, 7, None]})
    assert (found.features, numbers.missing) == (["x"], [True])


def test_a_table_of_nothing_is_refused():
    with pytest.raises(DataError, match=r"dict of columns has no column to learn from \(column 's"):
        fit({"same": [1, 1]})


def test_few_categories_are_one_hot_more_are_embedded_rare_ones_are_other():
    few = {"x": ["a", "b", None] * 5}
    assert treatment(few) == "2 categories, one-hot, missing as its own"
    many = {"x": [f"c{i % 20}" for i in range(100)] + ["once", "twice", "twice"]}
    assert treatment(many) == (
        "20 categories, one-hot; 2 categories with fewer than 3 rows are taken as one"
    )
    most = {"x": [f"c{i % 120}" for i in range(600)]}
    assert treatment(most) == "120 categories, embedded in 11"
    pairs = {"x": [f"c{i // 2}" for i in range(60)], "n": list(range(60))}
    assert treatment(pairs) == "none of its 30 texts stands in 3 rows"


def test_unseen_and_missing_categories_are_other_and_counted():
    found, _, _ = fit({"x": ["a", "b", "a", "b"]})
    X, notes = found.matrix(read_table({"x": ["b", "new", None, "new", "odd"]}))
    assert X[:, 0].tolist() == [2, 0, 0, 0, 0]
    assert notes == [
        "column 'x': 3 of 5 cells hold categories that the model does not know ('new', 'odd'); "
        "they are taken as other",
        "column 'x': 1 of 5 cells is missing, and none was in training; they are taken as other",
    ]


def test_what_was_rare_in_training_is_told_from_what_is_unknown():
    found, _, _ = fit({"x": [f"c{i % 20}" for i in range(100)] + ["once", "twice", "twice"]})
    X, notes = found.matrix(read_table({"x": ["c0", "once", "new", "twice"]}))
    assert X[:, 0].tolist() == [1, 0, 0, 0]
    assert notes == [
        "column 'x': 1 of 4 cells hold categories that the model does not know ('new'); "
        "they are taken as other",
        "column 'x': 2 of 4 cells hold categories that were rare in training ('once', 'twice'); "
        "they are taken as other",
    ]


def test_every_category_with_three_rows_is_kept():
    x = pl.Series("x", [f"c{i % 5000}" for i in range(15_000)] + [f"r{i}" for i in range(3781)])
    column = fit(pl.DataFrame([x]))[0].columns[0]
    assert len(column.parts[0].categories) == 5000
    assert column.treatment == (
        "5,000 categories, embedded in 16; 3,781 categories with fewer than 3 rows are taken as one"
    )
    many = pl.Series("x", [f"c{i % 11_000:05}" for i in range(44_000)])
    column = fit(pl.DataFrame([many]))[0].columns[0]
    assert len(column.parts[0].categories) == 10_000
    assert column.treatment.endswith("; 1,000 categories that are rarer are taken as one")


def test_a_missing_category_seen_in_training_has_its_own_code():
    found, _, _ = fit({"x": ["a", None, "b", "a"]})
    X, notes = found.matrix(read_table({"x": [None, "b", "c"]}))
    assert X[:, 0].tolist() == [3, 2, 0]
    assert len(notes) == 1


def test_missing_numbers_that_training_did_not_have_are_counted():
    found, _, _ = fit({"x": [1, 2, 3]})
    assert found.matrix(read_table({"x": [None, 2.5, None]}))[1] == [
        "column 'x': 2 of 3 cells are missing, and none was in training; they are taken as the "
        "middle of the column"
    ]


def test_columns_are_found_by_name_in_any_order():
    data = {"a": [1, 2, 3], "b": [4.0, 5, 9]}
    found, _, _ = fit(data)
    turned = read_table({"b": data["b"], "more": ["?"] * 3, "a": data["a"]})
    assert np.array_equal(found.matrix(turned)[0], found.matrix(read_table(data))[0])


def test_lost_columns_are_named_with_the_nearest():
    found, _, _ = fit({"height": [1, 2], "weight": [4, 5], "age": [7, 9]})
    with pytest.raises(
        DataError,
        match=r"lacks 1 of the 3 columns .*'height' \(did you mean 'heigth'\?\)\. Rename it",
    ):
        found.matrix(read_table({"heigth": [1], "weight": [2], "age": [3]}))
    with pytest.raises(DataError, match=r"lacks 2 of the 3 columns .*'weight', 'age'.*Rename them"):
        found.matrix(read_table({"height": [1]}))
    with pytest.raises(DataError, match=r"named columns \('height', .* NumPy array has no names"):
        found.matrix(read_table(np.ones((2, 3))))


@pytest.mark.parametrize("scale", [1, 1e30])
def test_infinities_are_counted_and_the_first_is_placed(scale):
    table = read_table({"a": [1.0, 2, 3], "b": [scale, np.inf, -np.inf], "c": [np.inf, 0, 1]})
    message = "holds 3 infinite values, the first inf in index 1, column 'b'"
    with pytest.raises(DataError, match=message):
        check_finite(table, table.columns)
    found, _, _ = fit({"a": [1, 2], "b": [1, 2], "c": [1, 2]})
    with pytest.raises(DataError, match=message):
        found.matrix(table)


def test_a_file_s_line_is_named(tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n1,x\n2,y\n,x\n")
    (tmp_path / "u.csv").write_text("a,b\n1,x\nword,x\nother,y\nlast,y\n")
    columns, _ = fit_columns([seen_in(read_table(tmp_path / "t.csv"), "a")], "t.csv", "robust")
    with pytest.raises(
        DataError, match=r"'a' held numbers in training; 3 of .* 'word' in row 2 \(line 3\)"
    ):
        Preprocessing(tuple(columns)).matrix(read_table(tmp_path / "u.csv"))


def test_kinds_are_changed_where_that_is_exact():
    data = {"n": [1, 2, 3], "b": [True, False, True], "c": ["1", "2", "1"]}
    found, _, _ = fit(data)
    same = {"n": ["1", "2.0", "3"], "b": ["True", "false", "TRUE"], "c": [1.0, 2.0, 1.0]}
    X, notes = found.matrix(read_table(same))
    assert np.array_equal(X, found.matrix(read_table(data))[0])
    assert notes == []
    with pytest.raises(
        DataError, match="'b' held true or false in training; 1 of its cells now do"
    ):
        found.matrix(read_table(same | {"b": ["True", "no", "False"]}))
    with pytest.raises(DataError, match="'n' held numbers in training; 2 of its cells now do not"):
        found.matrix(read_table(same | {"n": [dt.date(2024, 1, 1), None, dt.date(2024, 1, 2)]}))


def test_a_model_file_s_columns_come_back_the_same():
    found, _, _ = fit(
        {"x": [1, None, 3], "c": ["a", "a", "b"], "d": [dt.date(2024, i, 1) for i in (1, 5, 7)]}
    )
    entries = json.loads(json.dumps(found.config()))
    assert Preprocessing.from_config(entries) == found
    entries[1]["kind"] = "os.system"
    with pytest.raises(ModelFileError, match=r"table.columns\[1\].kind must be one of"):
        Preprocessing.from_config(entries)


def test_a_predicting_table_is_not_changed():
    frame = pl.DataFrame({"x": [1.0, None, 3.0], "c": ["a", "b", "a"]})
    found, _, _ = fit(frame)
    before = frame.clone()
    found.matrix(Table(frame, "a frame"))
    assert frame.equals(before)


def test_a_file_and_its_data_frame_give_one_matrix(tmp_path):
    path = tmp_path / "table.csv"
    rows = "".join(
        f"{i % 7 or 'NA'},0{i % 3},2020-01-{i % 28 + 1:02},{'True' if i % 2 else 'False'},"
        f"{'?' if i % 5 == 0 else i / 2},{i % 4} €\n"
        for i in range(60)
    )
    path.write_text("n,code,day,flag,q,price\n" + rows)
    found, _, _ = fit(path)
    X, _ = found.matrix(read_table(path, text=found.text))
    for text in (["code"], []):
        frame = pd.read_csv(path, dtype=dict.fromkeys(text, str))
        if not text:
            frame["code"] = [f"0{code}" for code in frame["code"]]
        same, notes = found.matrix(read_table(frame, text=found.text))
        assert np.array_equal(X, same, equal_nan=True)
        assert notes == []
    one = {"n": [1], "code": ["01"], "day": ["2020-01-02"], "flag": [True], "q": ["0,5"]}
    row, _ = found.matrix(read_table({**one, "price": ["1 €"]}, text=found.text))
    assert np.array_equal(row[0], X[1])
    with pytest.raises(DataError, match=r"'price' held numbers .* the first '1,234 €' in index 0"):
        found.matrix(read_table({**one, "price": ["1,234 €"]}, text=found.text))


def test_numbers_for_a_column_that_was_text():
    found, _, _ = fit({"zip": ["7", "12", "x"] * 20, "code": ["007", "012", "x"] * 20})
    good, _ = found.matrix(read_table({"zip": [12, None], "code": ["012", None]}))
    text, _ = found.matrix(read_table({"zip": ["12", None], "code": ["012", None]}))
    assert np.array_equal(good, text)
    with pytest.raises(
        DataError,
        match=r"'code' held text in training such as '007'; now it holds numbers, and 7 in index 0 "
        r"is none of its categories. Give the column as text \(in pandas, read it with dtype=str",
    ):
        found.matrix(read_table({"zip": ["7"], "code": [7]}))


def test_a_number_that_is_no_category_where_all_are_numbers_is_counted_as_unseen():
    found, _, _ = fit({"ward": ["10", "20", "-3"] * 20, "x": list(range(60))})
    ward, notes = found.matrix(read_table({"ward": [10, 99], "x": [1, 1]}))
    text, told = found.matrix(read_table({"ward": ["10", "99"], "x": [1, 1]}))
    assert np.array_equal(ward, text)
    assert (
        notes
        == told
        == [
            "column 'ward': 1 of 2 cells hold categories that the model does not know ('99'); "
            "they are taken as other"
        ]
    )
