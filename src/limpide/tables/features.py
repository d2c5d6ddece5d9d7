"""One column of a table as columns of a network's matrix: what is kept of it, and how.

Answers for ``Column`` and ``Part`` and for turning cells into numbers and codes. Not for:
deciding what to do with a column (``fitting``), nor for scaling, which layers do.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import polars.selectors as cs
from numpy.typing import NDArray

from limpide.errors import DataError
from limpide.tables.columns import plain as plain
from limpide.tables.dates import read_dates
from limpide.tables.table import Table
from limpide.tables.written import read_written

Floats = NDArray[np.float64]

# A float32 holds about 3.4e38; what lies beyond is as far out as can be said, and no infinity.
LARGEST = 3e38
_DAY_US = 86_400_000_000.0


@dataclass(frozen=True)
class Part:
    """One column of the matrix.

    Attributes
    ----------
    of
        ``"value"``, ``"month"``, ``"weekday"``, ``"hour"``: a number. ``"code"``: a category.
    origin, unit
        The matrix holds (value − origin) / unit, worked out in float64: 0 and 1 but where float32
        could not tell the values apart, or not hold them. ``unit`` is a power of two.
    categories
        Code i + 1 is the category at place i; 0 is any other.
    rare
        Those that training saw in too few rows to tell them apart: code 0, too.
    missing
        A missing cell has a code of its own, the last.
    """

    of: str
    origin: float = 0.0
    unit: float = 1.0
    categories: tuple[str, ...] = ()
    rare: tuple[str, ...] = ()
    missing: bool = False

    @property
    def codes(self) -> int:
        """How many codes there are, 0 not counted."""
        return len(self.categories) + self.missing


@dataclass(frozen=True)
class Column:
    """What is done to one column of the table.

    Attributes
    ----------
    name, kind
        ``kind`` is number, boolean, text, date, datetime, time or duration.
    missing
        How many training rows had no value.
    treatment
        In words, for the summary.
    parts
        Its columns of the matrix; none where it is left out.
    """

    name: str
    kind: str
    missing: int
    treatment: str
    parts: tuple[Part, ...] = ()

    @property
    def is_text(self) -> bool:
        """Whether its cells are read as text."""
        return self.kind == "text"


def gaps(count: int, rows: int) -> str:
    """Say how many cells are missing.

    >>> gaps(1, 3)
    '1 of 3 cells is missing'
    """
    return f"{count} of {rows} cells {'is' if count == 1 else 'are'} missing"


def new_gaps(name: str, count: int, rows: int) -> str:
    """Say that numbers are missing in a column where none was in training."""
    return (
        f"column {name!r}: {gaps(count, rows)}, "
        "and none was in training; they are taken as the middle of the column"
    )


def left_out(columns: Sequence[Column]) -> list[str]:
    """Say which columns are left out, and why."""
    return [f"column {c.name!r} is left out: {c.treatment}" for c in columns if not c.parts]


def kind_of(dtype: pl.DataType) -> str:
    """Name the kind of a table's column.

    >>> kind_of(pl.Int8()), kind_of(pl.Datetime())
    ('number', 'datetime')
    """
    names = {pl.Boolean: "boolean", pl.String: "text", pl.Date: "date", pl.Time: "time"}
    for known, kind in names.items():
        if dtype == known:
            return kind
    if dtype.is_numeric():
        return "number"
    return "datetime" if isinstance(dtype, pl.Datetime) else "duration"


def number_parts(kind: str) -> tuple[str, ...]:
    """Give what is taken of a column of this kind, each a number."""
    return {
        "date": ("value", "month", "weekday"),
        "datetime": ("value", "month", "weekday", "hour"),
    }.get(kind, ("value",))


def part_values(cells: pl.Series, of: str) -> Floats:
    """Give one part of each cell as f64[n], NaN for a missing one.

    Dates and durations are days (since 1970-01-01), times hours; weekdays go from 1 (Monday).

    >>> import datetime
    >>> part_values(pl.Series([datetime.date(1970, 1, 3), None]), "value").tolist()
    [2.0, nan]
    """
    cells = plain(cells)
    dtype = cells.dtype
    if of == "month":
        cells = cells.dt.month()
    elif of == "weekday":
        cells = cells.dt.weekday()
    elif of == "hour":
        cells = cells.dt.time().cast(pl.Int64) / 3.6e12
    elif isinstance(dtype, pl.Datetime):
        cells = cells.dt.epoch("us") / _DAY_US
    elif isinstance(dtype, pl.Duration):
        cells = cells.dt.total_microseconds() / _DAY_US
    elif dtype == pl.Time:
        cells = cells.cast(pl.Int64) / 3.6e12
    elif dtype == pl.Date:
        cells = cells.cast(pl.Int32)
    return np.asarray(cells.cast(pl.Float64).fill_null(float("nan")).to_numpy(), np.float64)


def moved(values: Floats, part: Part) -> Floats:
    """Give (values − origin) / unit within what float32 can hold."""
    if part.origin == 0 and part.unit == 1 and not _beyond(values):
        return values
    with np.errstate(over="ignore", invalid="ignore"):
        return np.clip((values - part.origin) / part.unit, -LARGEST, LARGEST)


def _beyond(values: Floats) -> bool:
    with np.errstate(invalid="ignore"):
        return bool((np.abs(values) > LARGEST).any())


def part_codes(cells: pl.Series, part: Part) -> NDArray[np.int32]:
    """Give the code of each cell, 0 for a category that the part does not have."""
    cells = plain(cells)
    codes = cells.replace_strict(
        list(part.categories), range(1, len(part.categories) + 1), default=0, return_dtype=pl.Int32
    )
    last = part.codes if part.missing else 0
    return np.asarray(pl.select(pl.when(cells.is_null()).then(last).otherwise(codes)).to_series())


def as_kind(cells: pl.Series, column: Column, table: Table) -> pl.Series:
    """Give cells in the kind that the column had in training, where that is exact.

    Raises
    ------
    DataError
        They are of another kind: names the column, the row, the value.
    """
    cells, kind = plain(cells), kind_of(cells.dtype)
    if kind == column.kind or cells.null_count() == len(cells):
        return cells.cast(pl.String) if column.is_text else cells
    if column.is_text:
        return _as_category(cells, column, table)
    if {kind, column.kind} <= {"number", "boolean"} or {kind, column.kind} == {"date", "datetime"}:
        return cells
    if kind == "text" and column.kind == "boolean":
        words = cells.str.to_lowercase()
        found = words.replace_strict(["true", "false"], [1, 0], default=None)
    elif kind == "text" and column.kind == "number":
        found = _as_numbers(cells)
    elif kind == "text" and column.kind in ("date", "datetime", "time"):
        dates = read_dates(cells)
        found = cells.clear(len(cells)) if dates is None else dates.values
    else:
        found = cells.clear(len(cells))
    wrong = (found.is_null() & cells.is_not_null()).arg_true()
    if len(wrong):
        row = int(wrong[0])
        raise DataError(
            f"{table.source}, column {column.name!r} held {_PLURALS[column.kind]} in training; "
            f"{len(wrong)} of its cells now do not, the first {cells[row]!r:.80} in "
            f"{table.place(row)}. {_REMEDIES.get(column.kind, 'Correct the column.')}"
        )
    return found


_REMEDIES = dict.fromkeys(
    ("date", "datetime"), "Write dates as YYYY-MM-DD, so that day and month cannot be mistaken."
)


def _as_numbers(cells: pl.Series) -> pl.Series:
    """Read text as numbers, as a text file's column would be; 1,234 could be either, and is not."""
    points = read_written(cells, ".")
    if points is not None and not points.odd:
        return points.values
    commas = None
    if not cells.str.contains(r"\d,\d{3}(\D|$)").any():
        commas = read_written(cells, ",")
    best = max((w for w in (points, commas) if w is not None), key=lambda w: w.n, default=None)
    return cells.cast(pl.Float64, strict=False) if best is None else best.values


_PLAIN_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?")


def _as_category(cells: pl.Series, column: Column, table: Table) -> pl.Series:
    """Give what is no text as a column's categories are written, where that is one way only."""
    known = [c for part in column.parts for c in part.categories]
    if cells.dtype == pl.Boolean:
        words = {name.lower(): name for name in known}
        return as_text(cells).replace(words)
    texts = as_text(cells)
    if not cells.dtype.is_numeric():
        return texts
    strange = (texts.is_not_null() & ~texts.is_in(known)).arg_true()
    # Where all categories are written as numbers are here, another one is merely not known.
    if len(strange) and not all(map(_PLAIN_NUMBER.fullmatch, known)):
        row = int(strange[0])
        some = f" such as {known[0]!r:.40}" if known else ""
        raise DataError(
            f"{table.source}, column {column.name!r} held text in training{some}; now it holds "
            f"numbers, and {texts[row]} in {table.place(row)} is none of its categories. Give the "
            "column as text (in pandas, read it with dtype=str)."
        )
    return texts


_PLURALS = {
    "number": "numbers",
    "boolean": "true or false",
    "date": "dates",
    "datetime": "dates with times",
    "time": "times",
    "duration": "durations",
}


def as_text(cells: pl.Series) -> pl.Series:
    """Give cells as text; whole numbers are written without a point.

    >>> as_text(pl.Series([1.0, 2.0, None])).to_list()
    ['1', '2', None]
    """
    if cells.dtype.is_float() and bool((cells.round() == cells).all()):
        whole = cells.cast(pl.Int64, strict=False)
        if whole.null_count() == cells.null_count():
            cells = whole
    return cells.cast(pl.String)


def check_finite(table: Table, columns: Sequence[str]) -> None:
    """Refuse infinities in some columns of a table.

    Raises
    ------
    DataError
        Says how many there are, and the row and column of the first.
    """
    count, first = 0, ""
    floats = table.frame.select(cs.float())
    if not floats.width or not any(floats.select(pl.all().is_infinite().any()).row(0)):
        return
    for name in columns:
        cells = plain(table.frame[name])
        if not cells.dtype.is_float():
            continue
        bad: Any = cells.is_infinite().fill_null(False)
        if not bad.any():
            continue
        row = int(bad.arg_true()[0])
        first = first or f"the first {cells[row]} in {table.place(row)}, column {name!r}"
        count += int(bad.sum())
    if count:
        raise DataError(
            f"{table.source} holds {count} infinite {'value' if count == 1 else 'values'}, "
            f"{first}. Replace them by numbers, or leave the cells empty."
        )
