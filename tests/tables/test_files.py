"""Parquet and Arrow files: told by content, damage named, dtypes brought to those of a Table."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from limpide.errors import ArgumentError, DataError, DtypeError
from limpide.tables import read_table

FRAME = pl.DataFrame({"x": [1.5, float("nan"), 2.0], "n": [1, None, 3], "s": ["a", "b", None]})
EXPECTED = {"x": [1.5, None, 2.0], "n": [1, None, 3], "s": ["a", "b", None]}


def write(frame: pl.DataFrame, path: Path, kind: str) -> None:
    if kind == "parquet":
        frame.write_parquet(path)
    elif kind == "arrow":
        frame.write_ipc(path)
    else:
        frame.write_ipc_stream(path)


@pytest.mark.parametrize("kind", ["parquet", "arrow", "stream"])
@pytest.mark.parametrize("name", ["t.parquet", "t.csv", "t", "[t]*.arrow"])
def test_the_content_tells_the_kind(tmp_path: Path, kind: str, name: str) -> None:
    write(FRAME, tmp_path / name, kind)
    table = read_table(tmp_path / name)
    assert table.frame.to_dict(as_series=False) == EXPECTED
    assert table.notes == ["missing: 3 cells in 3 columns"]
    assert table.row_line(0) is None


@pytest.mark.parametrize("kind", ["parquet", "arrow", "stream"])
def test_cut_off_anywhere(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "t.parquet"
    write(FRAME, path, kind)
    whole = path.read_bytes()
    for size in range(0, len(whole) - 8, 37):
        path.write_bytes(whole[:size])
        with pytest.raises(DataError, match=r"cut off|damaged|is empty|named like|no rows"):
            read_table(path)


def test_wrong_magic(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    path.write_bytes(b"a,b\n1,2\n")
    with pytest.raises(DataError, match=r"named like a Parquet file but begins with b'a,b.*PAR1"):
        read_table(path)
    path = tmp_path / "t.feather"
    path.write_bytes(b"a,b\n1,2\n")
    with pytest.raises(DataError, match="named like an Arrow file"):
        read_table(path)
    path.write_bytes(b"FEA1....")
    with pytest.raises(DataError, match="a Feather file of version 1"):
        read_table(path)


def test_magic_without_a_file_behind_it(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    path.write_bytes(b"PAR1" + b"\1" * 20 + b"PAR1")
    with pytest.raises(DataError, match="is damaged or cut off: a Parquet file that is not whole"):
        read_table(path)
    path.write_bytes(b"PAR1" + b"\1" * 20)
    with pytest.raises(DataError, match="is cut off: a Parquet file ends with b'PAR1'"):
        read_table(path)


def test_nested_columns_are_named(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pl.DataFrame({"x": [1], "tags": [["a", "b"]]}).write_parquet(path)
    with pytest.raises(
        DtypeError, match=r"column 'tags' is nested \(List\(String\)\). Drop it, or"
    ):
        read_table(path)
    pl.DataFrame({"x": [1], "place": [{"lat": 1.0}]}).write_parquet(path)
    with pytest.raises(DtypeError, match=r"column 'place' is nested \(Struct"):
        read_table(path)
    pl.DataFrame({"x": [1], "raw": [b"ab"]}).write_parquet(path)
    with pytest.raises(DtypeError, match="column 'raw' has dtype Binary"):
        read_table(path)


def test_dtypes(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    frame = pl.DataFrame(
        {
            "decimal": pl.Series(["1.50", None]).cast(pl.Decimal(10, 2)),
            "nothing": pl.Series([None, None]),
            "category": pl.Series(["u", "v"], dtype=pl.Categorical),
            "choice": pl.Series(["u", "v"], dtype=pl.Enum(["u", "v"])),
            "flag": [True, None],
            "f32": pl.Series([1.5, float("nan")], dtype=pl.Float32),
            "u8": pl.Series([1, 2], dtype=pl.UInt8),
            "day": pl.Series([0, 1], dtype=pl.Date),
        }
    )
    frame.write_parquet(path)
    read = read_table(path).frame
    assert read.schema == {
        "decimal": pl.Float64,
        "nothing": pl.Float64,
        "category": pl.String,
        "choice": pl.String,
        "flag": pl.Boolean,
        "f32": pl.Float32,
        "u8": pl.UInt8,
        "day": pl.Date,
    }
    assert read["decimal"].to_list() == [1.5, None]
    assert read["f32"].to_list() == [1.5, None]
    assert read["category"].to_list() == ["u", "v"]


def test_options_of_text_tables_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    FRAME.write_parquet(path)
    with pytest.raises(ArgumentError, match="delimiter=',' is for text tables such as CSV"):
        read_table(path, delimiter=",")


def test_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    FRAME.head(0).write_parquet(path)
    with pytest.raises(DataError, match="has columns but no rows"):
        read_table(path)
