"""Text columns of tables in memory, read by the rules that hold for text files.

Answers for the same missing markers and the same dates, whether a table comes as a path or as a
data frame. Not for: text files themselves (``cells``); text that is all numbers stays text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

import polars as pl

from limpide.tables.cells import MISSING, markers_note
from limpide.tables.columns import plain
from limpide.tables.dates import note_on_dates, read_dates
from limpide.tables.written import read_written


def read_texts(frame: pl.DataFrame, text: Collection[str]) -> tuple[pl.DataFrame, list[str]]:
    """Read the text columns of a frame; those named in ``text`` lose their missing markers only.

    >>> frame, notes = read_texts(pl.DataFrame({"x": ["1", "?"], "d": ["2020-02-29", None]}), ())
    >>> frame.rows(), notes[0]
    ([(1, datetime.date(2020, 2, 29)), (None, None)], '? (1) read as missing: 1 cell in 1 column')
    """
    missing: Counter[str] = Counter()
    touched, notes, columns = 0, [], []
    for column in frame:
        if column.dtype == pl.String:
            cells, words, said = read_text(plain(column), column.name, column.name in text)
            missing.update(words)
            touched += bool(words)
            notes += said
            columns.append(cells.alias(column.name))
        else:
            columns.append(column)
    return pl.DataFrame(columns), [*markers_note(missing, touched), *notes]


def read_text(
    cells: pl.Series, name: str, as_text: bool
) -> tuple[pl.Series, Counter[str], list[str]]:
    """Read one column; give it, which cells were read as missing, and notes.

    >>> read_text(pl.Series("cell", ["5 kg", "7 kg"]), "x", False)[2]
    ["column 'x': read as numbers, the sign 'kg' left off"]
    """
    stripped = cells.str.strip_chars()
    gone = stripped.is_in(MISSING).fill_null(False)
    words = Counter(stripped.filter(gone).to_list())
    kept = pl.select(pl.when(~gone).then(stripped)).to_series()
    if as_text:
        return kept, words, []
    if kept.null_count() == len(kept):
        return kept.cast(pl.Float64), words, []
    dates = read_dates(kept)
    if dates is not None and dates.values.null_count() == kept.null_count():
        return dates.values, words, [dates.note(name)]
    found = read_written(kept, ".")
    # text that is plain digits in every cell was meant as text
    if found is None or found.odd or not (words or found.missing or found.unit or found.spaced):
        return kept, words, note_on_dates(name, kept)
    words.update(found.missing)
    said = found.notes(name) or [f"column {name!r}: text read as numbers"]
    return found.values, words, said
