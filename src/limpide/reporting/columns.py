"""What a report says of the table: each column's values, and one row as an example.

Answers for short words about any kind of column, however many there are. Not for: what a column
does to predictions (``limpide.effects``).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import polars as pl

from limpide.languages import Words
from limpide.reporting.markup import Html, filled, join, shortened, shortened_inside, table, tag
from limpide.reporting.telling import percent
from limpide.retelling import kind_told, retold
from limpide.tables.features import Column, plain
from limpide.wording import duration, in_language

MOST_LISTED = 60
_NAME = 48


def columns_table(model: Any, frame: pl.DataFrame | None, words: Words) -> list[Html]:
    """Give a table of the columns: kind, missing cells, values, and what is done to each."""
    columns: Sequence[Column] = model.preprocessing.columns
    listed = columns if len(columns) <= MOST_LISTED else columns[: MOST_LISTED - 10]
    say, rows = words.say, []
    seen = [] if frame is None else [say("Values")]
    head = [say("Column"), say("Kind"), say("Missing"), *seen, say("What is done")]
    for column in listed:
        values = [values_of(frame[column.name], words)] if frame is not None else []
        done = retold(column.treatment, words)
        if not column.parts:
            left_out = tag("b", say("left out"))
            done = filled(say("{left_out}: {why}"), left_out=left_out, why=shortened(done, 120))
        kind, missing = kind_told(column.kind, words), words.whole(column.missing)
        rows.append([shortened_inside(column.name, _NAME), kind, missing, *values, done])
    caption = say("The columns, and what is done to each")
    parts = [table(caption, head, rows, numeric=[2], class_="wide")]
    if len(columns) > len(listed):
        parts.append(_rest(columns[len(listed) :], words))
    return parts


def _rest(columns: Sequence[Column], words: Words) -> Html:
    """Say how many columns are not listed, by what is done to them."""
    left_out, plural = words.say("left out"), words.plural
    keys = sorted((retold(c.treatment, words) if c.parts else left_out, c.kind) for c in columns)
    groups = [(key, len(list(group))) for key, group in itertools.groupby(keys)]
    groups.sort(key=lambda group: -group[1])
    entries = [
        tag("li", plural("{n} column ({kind}): {done}", "{n} columns ({kind}): {done}", count,
                         kind=kind_told(kind, words), done=shortened(done, 120)))
        for (done, kind), count in groups[:8]
    ]  # fmt: skip
    more = len(columns) - sum(count for _, count in groups[:8])
    if more:
        entries.append(tag("li", plural("{n} other column", "{n} other columns", more)))
    told = plural("And {n} more:", "And {n} more:", len(columns))
    return join([tag("p", told), tag("ul", *entries, class_="notes")])


def values_of(cells: pl.Series, words: Words) -> str:
    """Say which values a column holds.

    >>> english = Words("en")
    >>> values_of(pl.Series([1, 2, 10]), english), values_of(pl.Series(["a", "b", "a"]), english)
    ('1 to 10, median 2', "2 kinds, most often 'a' (66.7\\xa0%)")
    """
    known, say = plain(cells).drop_nulls(), words.say
    if not len(known):
        return say("none")
    if known.dtype == pl.Boolean:
        share = float(known.cast(pl.Float64).to_numpy().mean())
        return say("true in {share}", share=percent(share, words))
    if known.dtype == pl.String:
        return _texts(known, words)
    if known.dtype.is_numeric():
        numbers = known.cast(pl.Float64)
        low, high = float(numbers.to_numpy().min()), float(numbers.to_numpy().max())
        middle = float(numbers.quantile(0.5, "nearest") or 0.0)
        if low == high:
            return say("always {value}", value=short(low, words))
        ends = {"low": short(low, words), "high": short(high, words)}
        return say("{low} to {high}, median {middle}", middle=short(middle, words), **ends)
    ranked = known.sort()
    return say("{low} to {high}", low=_time(ranked[0], words), high=_time(ranked[-1], words))


def _texts(known: pl.Series, words: Words) -> str:
    counts = known.value_counts(sort=True, name="rows")
    counts = counts.sort("rows", counts.columns[0], descending=[True, False])
    first, often = str(counts.to_series(0)[0]), int(counts["rows"][0])
    text, share = repr(shortened(first, 30)), percent(often / len(known), words)
    if len(counts) == 1:
        return words.say("always {text} ({share})", text=text, share=share)
    return words.plural(
        "{n} kind, most often {text} ({share})",
        "{n} kinds, most often {text} ({share})",
        len(counts),
        text=text,
        share=share,
    )


def short(value: float, words: Words) -> str:
    """Give a number with at most four digits after the first, and none that says nothing.

    >>> [short(value, Words("en")) for value in (0.46, -1234567.0, 3)]
    ['0.46', '−1,234,567', '3']
    """
    large = 1e4 <= abs(value) < 1e9
    written = f"{value:,.0f}" if large else f"{value:.4g}"
    return in_language(written, words.language).replace("-", "−")


def _time(value: Any, words: Words) -> str:
    if isinstance(value, timedelta):
        return duration(value, words)[:19]
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
