"""What a report says of the table: each column's values, and one row as an example.

Answers for short words about any kind of column, however many there are. Not for: what a column
does to predictions (``limpide.effects``).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import polars as pl

from limpide.reporting.markup import Html, join, shortened, shortened_inside, table, tag
from limpide.reporting.words import percent
from limpide.tables.features import Column, plain
from limpide.wording import counted

MOST_LISTED = 60
_NAME = 48


def columns_table(model: Any, frame: pl.DataFrame | None) -> list[Html]:
    """Give a table of the columns: kind, missing cells, values, and what is done to each."""
    columns: Sequence[Column] = model.preprocessing.columns
    listed = columns if len(columns) <= MOST_LISTED else columns[: MOST_LISTED - 10]
    head = ["Column", "Kind", "Missing", *(["Values"] if frame is not None else []), "What is done"]
    rows = []
    for column in listed:
        values = [values_of(frame[column.name])] if frame is not None else []
        done: str = column.treatment
        if not column.parts:
            done = join([tag("b", "left out"), ": ", shortened(done, 120)])
        name = shortened_inside(column.name, _NAME)
        rows.append([name, column.kind, f"{column.missing:,}", *values, done])
    parts = [table("The columns, and what is done to each", head, rows, numeric=[2], class_="wide")]
    if len(columns) > len(listed):
        parts.append(_rest(columns[len(listed) :]))
    return parts


def _rest(columns: Sequence[Column]) -> Html:
    """Say how many columns are not listed, by what is done to them."""
    keys = sorted((c.treatment if c.parts else "left out", c.kind) for c in columns)
    groups = [(key, len(list(group))) for key, group in itertools.groupby(keys)]
    groups.sort(key=lambda group: -group[1])
    entries = [
        tag("li", f"{counted(count, 'column')} ({kind}): {shortened(done, 120)}")
        for (done, kind), count in groups[:8]
    ]
    more = len(columns) - sum(count for _, count in groups[:8])
    if more:
        entries.append(tag("li", f"{counted(more, 'other column')}"))
    return join([tag("p", f"And {len(columns):,} more:"), tag("ul", *entries, class_="notes")])


def values_of(cells: pl.Series) -> str:
    """Say which values a column holds.

    >>> values_of(pl.Series([1, 2, 10])), values_of(pl.Series(["a", "b", "a"]))
    ('1 to 10, median 2', "2 kinds, most often 'a' (66.7\\xa0%)")
    """
    known = plain(cells).drop_nulls()
    if not len(known):
        return "none"
    if known.dtype == pl.Boolean:
        return f"true in {percent(float(known.cast(pl.Float64).to_numpy().mean()))}"
    if known.dtype == pl.String:
        counts = known.value_counts(sort=True, name="rows")
        counts = counts.sort("rows", counts.columns[0], descending=[True, False])
        first, often = str(counts.to_series(0)[0]), int(counts["rows"][0])
        kinds = "always" if len(counts) == 1 else f"{len(counts):,} kinds, most often"
        return f"{kinds} {shortened(first, 30)!r} ({percent(often / len(known))})"
    if known.dtype.is_numeric():
        numbers = known.cast(pl.Float64).to_numpy()
        low, high = float(numbers.min()), float(numbers.max())
        if low == high:
            return f"always {short(low)}"
        middle = float(known.cast(pl.Float64).quantile(0.5, "nearest") or 0.0)
        return f"{short(low)} to {short(high)}, median {short(middle)}"
    ranked = known.sort()
    return f"{_time(ranked[0])} to {_time(ranked[-1])}"


def short(value: float) -> str:
    """Give a number with at most four digits after the first, and none that says nothing.

    >>> short(0.46), short(-1234567.0), short(3)
    ('0.46', '−1,234,567', '3')
    """
    large = 1e4 <= abs(value) < 1e9
    return (f"{value:,.0f}" if large else f"{value:.4g}").replace("-", "−")


def _time(value: Any) -> str:
    text = value.isoformat(sep=" ") if hasattr(value, "hour") and hasattr(value, "year") else ""
    return (text or str(value)).removesuffix(" 00:00:00")[:19]


def example_row(model: Any, frame: pl.DataFrame, most: int = 8) -> str | None:
    """Give a row of usual values as a Python dict, if the model has few columns.

    Values are the median and the most frequent one: no row of the table is shown.
    """
    if len(model.features) > most:
        return None
    entries = []
    for name in model.features:
        value = _usual(frame[name])
        if value is None:
            return None
        entries.append(f"{name!r}: {value!r}")
    text = "{" + ", ".join(entries) + "}"
    return text if len(text) <= 400 else None


def _usual(cells: pl.Series) -> Any:
    known = plain(cells).drop_nulls()
    if not len(known) or known.dtype == pl.Duration:
        return None
    if known.dtype in (pl.Boolean, pl.String):
        return known.mode().sort()[0]
    ranked = known.sort()
    middle = ranked[len(ranked) // 2]
    if known.dtype.is_float():
        return float(f"{middle:.4g}")
    return middle if known.dtype.is_integer() else str(middle)
