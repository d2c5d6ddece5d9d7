"""Writing CSV: digits, quoting, cells that a spreadsheet would run, whole files."""

from __future__ import annotations

import errno
import io
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from limpide.errors import ArgumentError, ArgumentTypeError, DataError, FileError
from limpide.tables import read_table, write_csv


def written(columns: Any) -> str:
    out = io.StringIO()
    write_csv(out, columns)
    return out.getvalue()


def test_formulas_in_text_are_neutralised_and_numbers_are_not() -> None:
    text = ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "safe", "a=b", None]
    numbers = [-1.0, 2.5, -3.0, 0.0, 1.0, 1.0, -0.5, 1e-300, -2.0]
    assert written({"label": text, "p": numbers}) == (
        "label,p\n'=1+1,-1.0\n'+1,2.5\n'-1,-3.0\n'@x,0.0\n'\tx,1.0\n\"'\rx\",1.0\n"
        "safe,-0.5\na=b,1e-300\n,-2.0\n"
    )
    assert written({"n": np.array([-1, 2])}) == "n\n-1\n2\n"
    assert written({"=cmd()": ["x"]}) == "'=cmd()\nx\n"
    assert written({"c": pl.Series(["=a"], dtype=pl.Categorical)}) == "c\n'=a\n"


def test_quoting_and_line_ends() -> None:
    assert written({"a": ['x,"y"', "l1\nl2"], "b": [1, None]}) == ('a,b\n"x,""y""",1\n"l1\nl2",\n')
    assert written({"a": ["x", None, ""]}) == 'a\nx\n""\n""\n'
    assert written({"n": [1, None]}) == 'n\n1\n""\n'


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20),
    st.data(),
)
def test_floats_keep_every_bit(tmp_path: Path, numbers: list[float], data: st.DataObject) -> None:
    path = tmp_path / "out.csv"
    singles = [
        float(np.float32(data.draw(st.floats(width=32, allow_nan=False, allow_infinity=False))))
        for _ in numbers
    ]
    write_csv(
        path,
        {"d": np.array(numbers), "s": np.array(singles, np.float32), "w": ["w"] * len(numbers)},
    )
    back = read_table(path).frame
    assert [float(number).hex() for number in back["d"]] == [number.hex() for number in numbers]
    assert back["s"].cast(pl.Float64).cast(pl.Float32).to_list() == singles


def test_values_that_are_not_finite() -> None:
    assert written({"x": [math.inf, -math.inf, 1.0]}) == "x\ninf\n-inf\n1.0\n"
    assert written({"x": [math.nan, 1.0], "i": [1, 2]}) == "x,i\n,1\n1.0,2\n"


def test_many_rows_in_parts(tmp_path: Path) -> None:
    n = 150_000
    write_csv(tmp_path / "out.csv", {"n": np.arange(n), "w": ["x"] * n})
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert lines == ["n,w", *(f"{i},x" for i in range(n))]


def test_what_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="at least one column"):
        write_csv(tmp_path / "out.csv", {})
    with pytest.raises(DataError, match="column 'a' has 2 rows but column 'b' has 1"):
        write_csv(tmp_path / "out.csv", {"a": [1, 2], "b": [1]})
    with pytest.raises(ArgumentTypeError, match="needs a path or an open text file; received int"):
        write_csv(3, {"a": [1]})  # type: ignore[arg-type]
    with pytest.raises(FileError, match=r"nowhere/out.csv' cannot be written: No such file"):
        write_csv(tmp_path / "nowhere" / "out.csv", {"a": [1]})
    with pytest.raises(FileError, match="cannot be written: Is a directory"):
        write_csv(tmp_path, {"a": [1]})
    with pytest.raises(FileError, match="'/dev/full' cannot be written: No space left on device"):
        write_csv("/dev/full", {"a": [1]})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_failed_write_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = tmp_path / "out.csv"
    path.write_text("old")

    def fail(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(FileError, match="No space left on device"):
        write_csv(path, {"a": [1]})
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.csv"]


def test_a_file_that_exists_is_replaced_with_its_rights(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_text("old")
    path.chmod(0o640)
    (tmp_path / "link.csv").symlink_to(path)
    write_csv(tmp_path / "link.csv", {"a": [1]})
    assert path.read_text() == "a\n1\n"
    assert path.stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "link.csv").is_symlink()
