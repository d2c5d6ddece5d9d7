"""Dates and times in text cells: ISO 8601, days first where that is sure; others are only said.

Answers for one column of text. Not for: what a network makes of a date.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import polars as pl

_ISO = re.compile(
    r"\d{4}-\d{2}-\d{2}(?:(?P<between>[T ])\d{2}:\d{2}(?P<seconds>:\d{2}(?:\.\d{1,9})?)?"
    r"(?P<zone>Z|[+-]\d{2}:?\d{2})?)?"
)
_OTHER = re.compile(
    r"(\d{1,2}[./-]\d{1,2}[./-](\d{4}|\d{2})|\d{4}[./]\d{1,2}[./]\d{1,2})"
    r"([ T]\d{1,2}:\d{2}(:\d{2})?)?"
)
_DAY_FIRST = re.compile(r"(\d{1,2})([./-])(\d{1,2})[./-](\d{4})( (\d{1,2}:\d{2})(:\d{2})?)?")
_TIME = re.compile(r"\d{1,2}:\d{2}(?P<seconds>:\d{2}(?:\.\d{1,9})?)?")


@dataclass(frozen=True)
class Dates:
    """A column read as dates: its values (null where a cell is none) and how they are written."""

    values: pl.Series
    pattern: str

    def note(self, name: str) -> str:
        """Say how a column was read."""
        kind = "times" if self.values.dtype == pl.Time else "dates"
        return f"column {name!r} read as {kind} ({self.pattern})"


def read_dates(cells: pl.Series) -> Dates | None:
    """Read a column of stripped text as dates or times if its first cell is one.

    ISO 8601, times of day, and dates whose day stands first: with dots by custom, with / and -
    where some first field is over 12 and no second one is.

    >>> read_dates(pl.Series(["2020-02-29", None, "2021-12-31"])).values.dtype
    Date
    """
    first = cells.drop_nulls().head(1)
    found = _ISO.fullmatch(first[0]) if len(first) else None
    if found is None:
        return None if not len(first) else _read_day_first(cells, first[0]) or _read_times(cells)
    if not found["between"]:
        values = cells.str.to_date("%Y-%m-%d", strict=False)
        return Dates(values, "YYYY-MM-DD")
    seconds, zone = found["seconds"] is not None, found["zone"] is not None
    template = f"%Y-%m-%d{found['between']}%H:%M" + (":%S%.f" if seconds else "")
    template += "%#z" if zone else ""
    text = cells.str.replace("Z$", "+00:00") if zone else cells
    values = text.str.to_datetime(template, time_unit="us", strict=False)
    pattern = f"YYYY-MM-DD{found['between']}HH:MM" + (":SS" if seconds else "")
    return Dates(values, pattern + (" with its zone" if zone else ""))


def _read_day_first(cells: pl.Series, first: str) -> Dates | None:
    found = _DAY_FIRST.fullmatch(first)
    if found is None:
        return None
    sign, timed = found[2], found[5] is not None
    time = r" (\d{1,2}):(\d{2})(:\d{2})?" if timed else ""
    mark = re.escape(sign)
    form = rf"^(\d{{1,2}}){mark}(\d{{1,2}}){mark}(\d{{4}}){time}$"
    fields = [cells.str.extract(form, group).str.zfill(2) for group in range(1, 6 if timed else 4)]
    over = [bool((field.cast(pl.Int64, strict=False) > 12).any()) for field in fields[:2]]
    if sign != "." and (not over[0] or over[1]):
        return None
    pattern = f"DD{sign}MM{sign}YYYY"
    text = fields[2] + "-" + fields[1] + "-" + fields[0]
    if not timed:
        return Dates(text.str.to_date("%Y-%m-%d", strict=False), f"{pattern}, the day first")
    seconds = cells.str.extract(form, 6).fill_null(":00")
    text = text + "T" + fields[3] + ":" + fields[4] + seconds
    values = text.str.to_datetime("%Y-%m-%dT%H:%M:%S", time_unit="us", strict=False)
    return Dates(values, f"{pattern} HH:MM{':SS' if found[7] else ''}, the day first")


def _read_times(cells: pl.Series) -> Dates | None:
    """Read times of day, where every cell is one: 25:10 is a duration, and could be in minutes."""
    found = _TIME.fullmatch(cells.drop_nulls()[0])
    if found is None:
        return None
    form = r"^(\d{1,2})(:\d{2})(:\d{2}(?:\.\d{1,9})?)?$"
    seconds = pl.select(
        pl.when(cells.str.contains(form)).then(cells.str.extract(form, 3).fill_null(":00"))
    ).to_series()
    text = cells.str.extract(form, 1).str.zfill(2) + cells.str.extract(form, 2) + seconds
    values = text.str.to_time("%H:%M:%S%.f", strict=False)
    if values.null_count() > cells.null_count():
        return None
    return Dates(values, "HH:MM:SS" if found["seconds"] else "HH:MM")


def note_on_dates(name: str, cells: pl.Series) -> list[str]:
    """Say that a column of text looks like dates whose day and month could be mistaken.

    >>> note_on_dates("day", pl.Series(["03/04/2020"]))[0][:42]
    "column 'day' looks like dates ('03/04/2020"
    """
    first = cells.drop_nulls().head(1)
    if not len(first) or not _OTHER.fullmatch(first[0]):
        return []
    return [
        f"column {name!r} looks like dates ({first[0]!r}) but is read as text: write dates as "
        "YYYY-MM-DD"
    ]
