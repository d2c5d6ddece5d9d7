"""Dates and times in text cells: ISO 8601 is read, anything else that looks like a date is said.

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
_OTHER = re.compile(r"\d{1,2}[./-]\d{1,2}[./-](\d{4}|\d{2})|\d{4}[./]\d{1,2}[./]\d{1,2}")


@dataclass(frozen=True)
class Dates:
    """A column read as dates: its values (null where a cell is none) and how they are written."""

    values: pl.Series
    pattern: str


def read_dates(cells: pl.Series) -> Dates | None:
    """Read a column of stripped text as dates if its first cell is one (ISO 8601).

    >>> read_dates(pl.Series(["2020-02-29", None, "2021-12-31"])).values.dtype
    Date
    """
    first = cells.drop_nulls().head(1)
    found = _ISO.fullmatch(first[0]) if len(first) else None
    if found is None:
        return None
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


def looks_like_dates(cells: pl.Series) -> str | None:
    """Give the first cell if it looks like a date whose day and month could be mistaken.

    >>> looks_like_dates(pl.Series(["03/04/2020"]))
    '03/04/2020'
    """
    first = cells.drop_nulls().head(1)
    if len(first) and _OTHER.fullmatch(first[0]):
        return str(first[0])
    return None
