"""Tables in memory: every frame gives the same columns, or an error that names the column."""

from __future__ import annotations

import datetime
import decimal
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import polars as pl
import pytest

from limpide.errors import ArgumentError, ArgumentTypeError, DataError, DtypeError, ShapeError
from limpide.tables import read_table

PLAIN = {"n": [1, 2], "x": [0.5, None], "s": ["a", None], "b": [True, False]}


def values(data: Any) -> dict[str, list[Any]]:
    return read_table(data).frame.to_dict(as_series=False)


def one(values: Any) -> pl.Series:
    """Read one column of pandas."""
    return read_table(pd.DataFrame({"c": values})).frame["c"]


def test_every_kind_of_frame_gives_the_same_table() -> None:
    pandas = pd.DataFrame({"n": [1, 2], "x": [0.5, np.nan], "s": ["a", None], "b": [True, False]})
    frames = [
        PLAIN,
        pl.DataFrame(PLAIN),
        pl.LazyFrame(PLAIN),
        pandas,
        nw.from_native(pandas),
        nw.from_native(pl.LazyFrame(PLAIN)),
        pandas.convert_dtypes(),
        {
            "n": np.array([1, 2]),
            "x": pd.Series([0.5, None]),
            "s": pl.Series(["a", None]),
            "b": (True, False),
        },
    ]
    for frame in frames:
        assert values(frame) == PLAIN
    assert read_table(pandas).source == "pandas DataFrame"
    assert read_table(pandas).notes == ["missing: 2 cells in 2 columns"]


def test_arrow() -> None:
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    table = pa.table(PLAIN)
    for frame in (table, table.to_batches()[0], table.to_reader()):
        assert values(frame) == PLAIN
    coded = pa.table({"s": pa.array(["a", "b"]).dictionary_encode()})
    assert read_table(coded).frame["s"].dtype == pl.String
    with pytest.raises(DtypeError, match="column 'l' is nested"):
        read_table(pa.table({"l": [[1]]}))
    twice = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    with pytest.raises(DataError, match="column name 'a' stands twice, at positions 1 and 2"):
        read_table(twice)
    backed = pd.DataFrame({"n": pd.array([1, None], dtype="int64[pyarrow]")})
    assert values(backed) == {"n": [1, None]}


# pandas --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "dtype", "expected"),
    [
        (pd.array([1, None], dtype="Int64"), pl.Int64, [1, None]),
        (pd.array([2**63, None], dtype="UInt64"), pl.UInt64, [2**63, None]),
        (pd.array([1.5, None], dtype="Float32"), pl.Float32, [1.5, None]),
        (pd.array([True, None], dtype="boolean"), pl.Boolean, [True, None]),
        (pd.array(["a", None], dtype="string"), pl.String, ["a", None]),
        (pd.Series(["a", np.nan], dtype=object), pl.String, ["a", None]),
        (pd.Categorical(["a", None]), pl.String, ["a", None]),
        (pd.Categorical([3, None]), pl.String, ["3", None]),
        (pd.arrays.SparseArray([0.0, 1.0]), pl.Float64, [0.0, 1.0]),
        (pd.Series([1, 2.5, None], dtype=object), pl.Float64, [1.0, 2.5, None]),
        (pd.Series([1, None], dtype=object), pl.Int64, [1, None]),
        (pd.Series([None, None], dtype=object), pl.Float64, [None, None]),
        (pd.Series([decimal.Decimal("1.5"), None], dtype=object), pl.Float64, [1.5, None]),
        (
            pd.Series([datetime.date(2020, 1, 2), None], dtype=object),
            pl.Date,
            [datetime.date(2020, 1, 2), None],
        ),
        (
            pd.to_datetime(["2020-01-02", None]),
            pl.Datetime("us"),
            [datetime.datetime(2020, 1, 2), None],
        ),
        (pd.to_timedelta(["1D", None]), pl.Duration("us"), [datetime.timedelta(days=1), None]),
    ],
)
def test_pandas_columns(column: Any, dtype: pl.DataType, expected: list[Any]) -> None:
    found = one(column)
    if found.dtype.is_temporal() and found.dtype != pl.Date:  # pandas decides on the unit
        found = found.cast(dtype)
    assert found.dtype == dtype
    assert found.to_list() == expected


ZONED = pd.Series(pd.to_datetime(["2020-01-01T00:00", None])).dt.tz_localize("Europe/Kyiv")


@pytest.mark.parametrize("library", ["pandas", "polars", "arrow"])
def test_zones_become_utc(library: str) -> None:
    polars = pl.Series("c", ZONED.dt.tz_localize(None).to_numpy()).dt.replace_time_zone(
        "Europe/Kyiv"
    )
    frames = {
        "pandas": pd.DataFrame({"c": ZONED}),
        "polars": pl.DataFrame(polars),
        "arrow": pl.DataFrame(polars).to_arrow(),
    }
    found = read_table(frames[library]).frame["c"]
    assert found.dtype.time_zone == "UTC"
    assert found[0].hour == 22
    assert found[1] is None


def test_times_as_objects() -> None:
    day, time = datetime.date(2020, 1, 2), datetime.datetime(2020, 1, 2, 3)
    assert one(pd.Series([day, None, time], dtype=object)).to_list() == [
        *(datetime.datetime(2020, 1, 2), None, time),
    ]
    zones = [datetime.timezone(datetime.timedelta(hours=h)) for h in (2, -5)]
    found = one(pd.Series([time.replace(tzinfo=zone) for zone in zones] + [None], dtype=object))
    assert found.dtype == pl.Datetime("us", "UTC")
    assert found.dt.hour().to_list() == [1, 8, None]


@pytest.mark.parametrize(
    ("column", "error", "message"),
    [
        (
            pd.Series([1, 2.5, "3"], dtype=object),
            DataError,
            r"column 'c' mixes int \(index 0: 1\) and str \(index 2: '3'\)",
        ),
        (
            pd.Series(
                [datetime.datetime(2020, 1, 1), datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)],
                dtype=object,
            ),
            DataError,
            r"mixes times with a zone \(index 1: .*\) and without one \(index 0: 2020-01-01 00",
        ),
        (
            pd.Series([1, None, "x"], dtype=object),
            DataError,
            r"column 'c' mixes int \(index 0: 1\) and str \(index 2: 'x'\)",
        ),
        (
            pd.Series([True, 2], dtype=object),
            DataError,
            r"mixes bool \(index 0: True\) and int \(index 1: 2\)",
        ),
        (pd.Series([None, [1]], dtype=object), DtypeError, "'c', index 1: a value of type list"),
        (pd.Series([2**70, 1], dtype=object), DataError, "'c', index 0: 118.* is beyond 64 bits"),
        (pd.Series([1j, 2j]), DtypeError, "column 'c' has dtype complex128, which is neither"),
        (pd.period_range("2020", periods=2), DtypeError, "column 'c' has dtype period"),
        (pd.Series([b"a", b"b"], dtype=object), DtypeError, "a value of type bytes"),
    ],
)
def test_pandas_columns_that_are_refused(column: Any, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        one(column)


def test_pandas_index_and_names() -> None:
    named = read_table(pd.DataFrame({"a": [1, 2]}, index=["r", "s"]))
    assert named.notes == ["the index (Index) is ignored: call reset_index() to use it"]
    assert named.columns == ["a"]
    assert read_table(pd.DataFrame({"a": [1, 2, 3]})[1:]).notes != []
    numbered = read_table(pd.DataFrame([[1, 2]]))
    assert numbered.columns == ["0", "1"]
    assert numbered.notes == ["column names such as 0 are taken as text"]
    for names in (["a", "a"], ["1", 1]):
        with pytest.raises(DataError, match=r"stands twice, at positions 1 and 2. Rename one"):
            read_table(pd.DataFrame([[1, 2]], columns=names))


def test_a_frame_is_never_written_to() -> None:
    frame = pd.DataFrame({"x": [1.0, np.nan], "s": ["a", None]})
    before = frame.copy(deep=True)
    read_table(frame)
    pd.testing.assert_frame_equal(frame, before)
    array = np.array([[1.0, np.nan]])
    array.flags.writeable = False
    assert values(array) == {"x0": [1.0], "x1": [None]}


# NumPy ---------------------------------------------------------------------------------------


def test_numpy() -> None:
    grid = np.arange(6.0).reshape(2, 3)
    expected = {"x0": [0.0, 3.0], "x1": [1.0, 4.0], "x2": [2.0, 5.0]}
    for same in (grid, np.asfortranarray(grid), grid.astype(">f8"), grid.astype(np.longdouble)):
        assert values(same) == expected
    assert values(grid[::-1, ::2]) == {"x0": [3.0, 0.0], "x1": [5.0, 2.0]}
    assert read_table(grid.astype(np.float16)).frame.dtypes == [pl.Float32] * 3
    assert read_table(grid.astype(np.uint16)).frame.dtypes == [pl.UInt16] * 3
    masked = np.ma.array([[1, 2]], mask=[[False, True]])
    assert values(masked) == {"x0": [1], "x1": [None]}
    mixed = np.array([[1, "a"], [2, None]], dtype=object)
    assert values(mixed) == {"x0": [1, 2], "x1": ["a", None]}
    records = np.array([(1, 2.5, "a")], dtype=[("n", "i4"), ("x", "f8"), ("s", "U3")])
    assert values(records) == {"n": [1], "x": [2.5], "s": ["a"]}
    days = np.array([["2020-01-02", "NaT"]], dtype="M8[D]")
    assert values(days) == {"x0": [datetime.date(2020, 1, 2)], "x1": [None]}


@pytest.mark.parametrize(
    ("array", "error", "message"),
    [
        (np.arange(3), ShapeError, r"received shape \(3,\). Pass array.reshape\(-1, 1\)"),
        (np.ones((1, 1, 1)), ShapeError, r"received shape \(1, 1, 1\). Reshape it"),
        (np.array([[1j]]), DtypeError, "column 'x0' has dtype complex128"),
        (np.array([[b"a"]]), DtypeError, r"column 'x0' has dtype \|S1"),
        (np.ones((0, 3)), DataError, r"has columns but no rows \(0 rows\)"),
        (np.ones((3, 0)), DataError, "has no columns"),
        (
            np.array([[1 / np.longdouble(3)]]),
            DtypeError,
            "column 'x0': index 0 .* does not fit a 64-bit",
        ),
    ],
)
def test_numpy_that_is_refused(array: Any, error: type, message: str) -> None:
    if "64-bit" in message and np.finfo(np.longdouble).nmant == 52:
        pytest.skip("long double is double on this platform")
    with pytest.raises(error, match=message):
        read_table(array)


# Anything else -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (None, ArgumentTypeError, "a table must be a path, a data frame.* received NoneType"),
        ([[1, 2]], ArgumentTypeError, "received list"),
        (pd.Series([1]), ShapeError, "received one column, a pandas Series"),
        (pl.Series([1]), ShapeError, "received one column, a polars Series"),
        ({}, DataError, "dict of columns has no columns"),
        ({"a": [1, 2], "b": [1]}, DataError, "column 'a' has 2 rows but column 'b' has 1"),
        ({"a": 1}, ArgumentTypeError, "column 'a' must be a list or an array.* received int"),
        ({"a": "xy"}, ArgumentTypeError, "column 'a' must be a list or an array.* received str"),
        ({"a": np.ones((2, 2))}, ShapeError, r"column 'a' has shape \(2, 2\)"),
        ({"a": [1, "x"]}, DataError, r"mixes int \(index 0: 1\) and str \(index 1: 'x'\)"),
        (pl.DataFrame({"a": [[1]]}), DtypeError, r"column 'a' is nested \(List\(Int64\)\)"),
        (pl.DataFrame({"a": [object()]}), DtypeError, "column 'a' has dtype Object"),
        (pl.DataFrame({"a": []}), DataError, "has columns but no rows"),
        (pd.DataFrame(), DataError, "pandas DataFrame has no columns"),
    ],
)
def test_what_is_no_table(data: Any, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        read_table(data)


def test_options_of_text_tables_are_refused() -> None:
    with pytest.raises(ArgumentError, match="decimal=',' is for text tables such as CSV"):
        read_table({"a": [1]}, decimal=",")


def test_text_in_a_frame_is_read_as_in_a_file() -> None:
    cells = {
        "n": ["1", "?", "2.5"],
        "d": ["2020-01-31", "NA", "2021-01-31"],
        "s": [" a", "None", "b"],
        "digits": ["1", "2", "3"],
        "price": ["1 200 €", "3.5 €", "4 €"],
        "gone": ["NA", "", "?"],
    }
    expected = {
        "n": [1, None, 2.5],
        "d": [datetime.date(2020, 1, 31), None, datetime.date(2021, 1, 31)],
        "s": ["a", None, "b"],
        "digits": ["1", "2", "3"],
        "price": [1200.0, 3.5, 4.0],
        "gone": [None, None, None],
    }
    for frame in (cells, pl.DataFrame(cells), pd.DataFrame(cells), pd.DataFrame(cells, dtype="O")):
        assert values(frame) == expected
    assert read_table(cells).notes == [
        "empty (1), ? (2), NA (2) and None (1) read as missing: 6 cells in 4 columns",
        "column 'n': text read as numbers",
        "column 'd' read as dates (YYYY-MM-DD)",
        "column 'price': read as numbers, the sign '€' left off and spaces between thousands "
        "left off",
        "missing: 6 cells in 4 columns",
    ]
    kept = read_table(cells, text=["n", "d"]).frame
    assert kept["n"].to_list() == ["1", None, "2.5"]
    assert kept["d"].to_list() == ["2020-01-31", None, "2021-01-31"]


def test_a_query_that_fails() -> None:
    with pytest.raises(DataError, match=r"LazyFrame cannot be computed: .*Correct the query"):
        read_table(pl.LazyFrame({"x": ["a"]}).select(pl.col("nothing")))
