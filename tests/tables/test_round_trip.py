"""Any table that Python's csv writes reads back; no result depends on where chunks end."""

from __future__ import annotations

import csv
import datetime
import io
import re
import string
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from limpide.errors import LimpideError
from limpide.tables import read_table
from limpide.tables.scan import Scan
from limpide.tables.writing import write_csv

TEXT = string.ascii_letters + "é'\"\";,|\t\n .#=?'5ї漢😀\u00a0"

floats = st.floats(allow_nan=False, allow_infinity=False)
missing = st.sampled_from(["", "NA", "null", "NaN", "?", " "])


@st.composite
def columns(draw: st.DrawFn, n_rows: int, decimal: str) -> tuple[list[str], list[Any]]:
    """Give a column's cells as written, and its values as they should be read."""
    kind = draw(st.sampled_from(["float", "integer", "text"]))
    cells, values = [], []
    for row in range(n_rows):
        if row and draw(st.booleans()) and draw(st.booleans()):
            cells.append(draw(missing))
            values.append(None)
            continue
        value: Any
        if kind == "float":
            value = draw(floats)
            cell = repr(value).replace(".", decimal)
        elif kind == "integer":
            value = draw(st.integers(-(2**63) + 1, 2**63 - 1))
            cell = str(value)
        else:
            cell = "w" + draw(st.text(TEXT, max_size=8))
            value = cell.strip()
        cells.append(cell)
        values.append(value)
    return cells, values


@st.composite
def tables(draw: st.DrawFn) -> tuple[str, dict[str, Any], list[list[Any]]]:
    """Give a CSV, the options to read it with, and the values of its columns."""
    delimiter = draw(st.sampled_from([",", ";", "\t", "|"]))
    decimal = draw(st.sampled_from([".", ","]))
    n_rows = draw(st.integers(1, 6))
    n_columns = draw(st.integers(1, 4))
    found = [draw(columns(n_rows, decimal)) for _ in range(n_columns)]
    out = io.StringIO(newline="")
    # csv leaves an LF unquoted where lines end with CR alone
    end, quoting = draw(
        st.sampled_from(
            [(end, csv.QUOTE_ALL) for end in ("\n", "\r\n", "\r")]
            + [(end, csv.QUOTE_MINIMAL) for end in ("\n", "\r\n")]
        )
    )
    writer = csv.writer(out, delimiter=delimiter, quoting=quoting, lineterminator=end)
    writer.writerow([f"c{index}" for index in range(n_columns)])
    writer.writerows(zip(*(cells for cells, _ in found), strict=True))
    return (
        out.getvalue(),
        {"delimiter": delimiter, "decimal": decimal},
        [values for _, values in found],
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
@given(table=tables(), chunk=st.integers(1, 40))
def test_what_csv_writes_is_read(
    table: tuple[str, dict[str, Any], list[list[Any]]],
    chunk: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    content, options, expected = table
    path = tmp_path / "table.csv"
    path.write_bytes(content.encode())
    for size in (chunk, 2 << 20):
        monkeypatch.setattr("limpide.tables.decoding.CHUNK", size)
        frame = read_table(path, **options).frame
        assert [column.to_list() for column in frame] == expected


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
@given(
    body=st.lists(
        st.sampled_from(
            ['"', '""', ",", "\n", "\r", "\r\n", " ", "x", "1", "2.5", "1,2\n", '"a",3\n', "NA"]
        ),
        max_size=25,
    ),
    chunk=st.integers(1, 12),
)
def test_no_result_depends_on_where_chunks_end(
    body: list[str], chunk: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(("a,b\n" + "".join(body)).encode())

    def outcome(size: int) -> Any:
        monkeypatch.setattr("limpide.tables.decoding.CHUNK", size)
        try:
            table = read_table(path, delimiter=",", decimal=".")
        except LimpideError as error:
            # a message shows of the text that follows a quote what the chunk holds
            return re.sub(r"by the text .* in line", "by the text … in line", str(error))
        lines = [table.row_line(row) for row in range(table.n_rows)]
        return table.frame.to_dict(as_series=False), table.frame.dtypes, lines

    assert outcome(chunk) == outcome(1 << 20)


def reference(content: str) -> list[list[str]] | None:
    """Read rows of two cells with Python's csv module, no blank ones; None if ill-formed."""
    try:
        rows = list(csv.reader(io.StringIO(content, newline=""), strict=True))
    except csv.Error:
        return None
    rows = [row for row in rows if row]
    return rows if all(len(row) == 2 for row in rows) else None


@settings(max_examples=300)
@given(
    st.lists(
        st.sampled_from(['"', '""', ",", "\n", "\r\n", "x", "1", '"a"', '"b,c"', "1,2\n", "x\n"]),
        max_size=20,
    )
)
def test_scan_agrees_with_pythons_csv(body: list[str]) -> None:
    content = "a,b\n" + "".join(body)
    expected = reference(content)
    scan = Scan("'t.csv'", ",", ["a", "b"])
    try:
        blocks = list(scan.blocks([content.encode()]))
    except LimpideError:
        assert expected is None
        return
    assert expected is not None
    tidy = b"".join(block.data for block in blocks).decode()
    assert list(csv.reader(io.StringIO(tidy, newline=""), strict=True)) == expected[1:]


def test_many_blocks_give_one_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bits = np.random.default_rng(0)
    frame = pl.DataFrame(
        {
            "small": bits.integers(-100, 100, 500),
            "growing": np.arange(500) ** 3,
            "float": bits.normal(size=500),
            "late": [*range(400), *[0.5] * 100],
            "text": [f"word {number}" for number in bits.integers(0, 9, 500)],
        },
        strict=False,
    )
    path = tmp_path / "table.csv"
    frame.write_csv(path)
    monkeypatch.setattr("limpide.tables.decoding.CHUNK", 1000)
    table = read_table(path)
    assert table.frame.to_dict(as_series=False) == frame.to_dict(as_series=False)
    assert table.frame.dtypes == [pl.Int8, pl.Int32, pl.Float64, pl.Float64, pl.String]
    assert [table.row_line(row) for row in (0, 250, 499)] == [2, 252, 501]


@pytest.mark.parametrize("name", ["^x$", "^.*$", "*"])
def test_names_that_polars_takes_for_patterns(tmp_path: Path, name: str) -> None:
    path = tmp_path / "table.csv"
    cells: dict[str, list[Any]] = {
        "number": [1.5, None, 3.0],
        "whole": [1, None, 3],
        "word": ["=a", None, "c"],
        "day": [datetime.date(2020, 1, 2), None, datetime.date(2021, 1, 2)],
    }
    for values in cells.values():
        frame = read_table({name: values, "i": [1, 2, 3]}).frame
        assert frame[name].to_list() == values
        for columns in ({name: values, "i": [1, 2, 3]}, {name: values}):
            write_csv(path, columns)
            read = read_table(path, delimiter=",").frame[name].to_list()
            assert read == ["'=a" if value == "=a" else value for value in values]
    path.write_text(f"{name},b\n1,2\nx,3\n-9,NA\ny,4\n1.5,5\n")
    assert read_table(path).frame[name].to_list() == ["1", "x", "-9", "y", "1.5"]
