"""A table on disk, some rows at a time: Parquet files, folders of them, text files of any size.

Answers for parts whose columns are of one kind throughout, in bounded memory, as often as they are
wanted. Not for: what is found in them (``survey``), nor for whole tables (``reading``).
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl

from limpide.errors import DataError
from limpide.tables.cells import markers_note
from limpide.tables.columns import plain, tidy
from limpide.tables.files import parquet_columns, parquet_count, parquet_rows
from limpide.tables.table import Table
from limpide.tables.text_file import TextFile
from limpide.tables.texts import read_text

_JUDGES = 1000  # first cells of a column of text, which judge with each part what it is
_LOOKS, _LOOK = 16, 100  # how often some rows are measured, and how many
_LOOK_FOR_JUDGES = 10_000  # rows
_LEAST_ROWS = 1000  # of a part: fewer cost more than they save
_A_NUMBER = 8  # bytes


_KINDS: dict[Any, str] = {pl.Boolean: "true or false", pl.Date: "dates", pl.Time: "times"}


class ReadAgain(Exception):
    """A column proved to be text after some parts: it is so from the beginning."""


class Parts(ABC):
    """A table on disk that can be read more than once, some rows at a time.

    Attributes
    ----------
    source
        What messages call it.
    columns
        The names of the columns, in order.
    n_rows
        How many rows there are.
    size
        About how many bytes the whole table would take in memory.
    first
        Which of the table's rows is the first that is read.
    """

    first = 0

    def __init__(self, source: str, files: Sequence[Path]) -> None:
        self.source = source
        self._stamps = {file: _stamp(file) for file in files}
        self._dropped: frozenset[str] = frozenset()
        self._as_text: set[str] = set()  # whatever they hold
        self._dtypes: dict[str, pl.DataType] = {}  # of the parts before

    @property
    @abstractmethod
    def n_rows(self) -> int: ...

    @property
    @abstractmethod
    def size(self) -> int: ...

    @property
    @abstractmethod
    def _names(self) -> list[str]: ...

    @property
    def columns(self) -> list[str]:
        return [name for name in self._names if name not in self._dropped]

    def without(self, names: Collection[str]) -> Self:
        """Leave some columns out."""
        parts = copy.copy(self)
        parts._dropped, parts._as_text, parts._dtypes = frozenset(names), set(), {}
        return parts

    #: Whether ``notes`` say of every cell that is missing how it was written.
    tells_gaps = False

    @property
    @abstractmethod
    def notes(self) -> list[str]:
        """What was recognised, skipped or read as missing, once all is read."""

    @abstractmethod
    def _read(self, rows: int) -> Iterator[Table]:
        """Yield about so many rows at a time."""

    def tables(self, size: int) -> Iterator[Table]:
        """Yield the table in parts of about ``size`` bytes, one after the other.

        Raises
        ------
        DataError
            As ``read_table``.
        ReadAgain
            A column is of another kind than in the parts before: begin anew, it is text.
        """
        self._check_unchanged()
        rows = max(size * self.n_rows // max(self.size, 1), _LEAST_ROWS)
        for table in self._read(rows):
            kept = [self._alike(c) for c in table.frame if c.name not in self._dropped]
            yield replace(table, frame=pl.DataFrame(kept))
        self._check_unchanged()

    def _check_unchanged(self) -> None:
        for file, stamp in self._stamps.items():
            if _stamp(file) != stamp:
                raise DataError(
                    f"{str(file)!r} was changed while it was read. Begin again, and let nobody "
                    "write to it."
                )

    def _alike(self, column: pl.Series) -> pl.Series:
        """Give a column of a part in the kind that it had in the parts before."""
        name, known = column.name, self._dtypes.get(column.name)
        if plain(column).null_count() == len(column):
            missing = pl.repeat(None, len(column), dtype=known or column.dtype, eager=True)
            return missing.alias(name)
        if known is None or _kind(known) == _kind(column.dtype):
            self._dtypes[name] = column.dtype
            if column.dtype == pl.String:
                self._as_text.add(name)
            return column
        if name in self._as_text:
            raise _of_two_kinds(self.source, name, known, column.dtype)
        self._as_text.add(name)
        self._dtypes.clear()
        raise ReadAgain


def _stamp(file: Path) -> tuple[int, ...] | None:
    """Give what tells whether a file was written to; None where it is gone."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _kind(dtype: pl.DataType) -> str:
    if dtype == pl.String:
        return "text"
    if isinstance(dtype, pl.Datetime):  # in whatever unit
        return "datetimes" + (f" in {dtype.time_zone}" if dtype.time_zone else "")
    return "numbers" if dtype.is_numeric() else _KINDS.get(dtype.base_type(), str(dtype))


def _of_two_kinds(source: str, name: str, one: pl.DataType, other: pl.DataType) -> DataError:
    return DataError(
        f"{source}, column {name!r} holds {_kind(one)} in some rows and {_kind(other)} in others. "
        "Write it in one way in all of them."
    )


class ParquetParts(Parts):
    """Parquet files of the same columns, or ``within`` them some rows.

    Raises
    ------
    DataError
        One is damaged, or lacks a column that another has.
    """

    def __init__(self, files: list[Path], source: str) -> None:
        super().__init__(source, files)
        self._files = [(file, repr(str(file))) for file in files]
        self._counts = [parquet_count(file, name) for file, name in self._files]
        self._all = self._common_columns()
        self._judges: dict[str, pl.Series] = {}
        self._of_judges: dict[str, Counter[str]] = {}  # what of these means a missing value
        self._missing, self._gaps = Counter[str](), set[str]()
        self.stop = self.n_rows

    def within(self, first: int, stop: int) -> Self:
        """Give the same table, of which only the rows from ``first`` to before ``stop`` are read.

        ``n_rows`` and ``columns`` stay those of the whole; ``size`` is judged by these rows.
        """
        parts = copy.copy(self)
        parts.first, parts.stop = first, stop
        parts.__dict__.pop("size", None)
        parts._as_text, parts._dtypes = set(self._as_text), dict(self._dtypes)
        parts._judges, parts._of_judges = dict(self._judges), dict(self._of_judges)
        return parts

    @property
    def counts(self) -> list[int]:
        """How many rows each file has."""
        return list(self._counts)

    @property
    def n_rows(self) -> int:
        return sum(self._counts)

    @property
    def _names(self) -> list[str]:
        return self._all

    @cached_property
    def size(self) -> int:
        sizes, rows = 0, 0
        for file in range(len(self._files)):
            for place, count in self._looks(file):
                some = parquet_rows(*self._files[file], place, count)
                some = pl.DataFrame([tidy(column, self.source) for column in some])
                sizes, rows = sizes + int(some.estimated_size()), rows + some.height
        return sizes * self.n_rows // max(rows, 1)

    def _looks(self, file: int) -> Iterator[tuple[int, int]]:
        """Give where in a file rows are measured, and how many: at even distances over all rows."""
        start, stop = self._rows_of(file)
        begin = sum(self._counts[:file]) - self.first  # of the file, among the rows that are read
        step = max((self.stop - self.first) // _LOOKS, 1)
        for place in range(start + -(begin + start + step // 2) % step, stop, step):
            yield place, min(_LOOK, stop - place)

    def _rows_of(self, file: int) -> tuple[int, int]:
        """Give which rows of a file are read: the first, and the one behind the last."""
        begin, count = sum(self._counts[:file]), self._counts[file]
        return min(max(self.first - begin, 0), count), min(max(self.stop - begin, 0), count)

    def _common_columns(self) -> list[str]:
        """Give the columns of the first file, which all others must have."""
        (first, name), *others = self._files
        columns = parquet_columns(first, name)
        for file, other in others:
            theirs = parquet_columns(file, other)
            odd = [c for c in columns if c not in theirs] + [c for c in theirs if c not in columns]
            if odd:
                there, lacking = (name, other) if odd[0] in columns else (other, name)
                raise DataError(
                    f"{self.source}: the file {lacking} lacks the column {odd[0]!r} that {there} "
                    "has. Give files of the same columns."
                )
        return columns

    def frames(self, rows: int | None = None) -> Iterator[tuple[pl.DataFrame, str, int]]:
        """Yield some rows of a file at a time, or each file whole, its name and their place."""
        for number, (file, source) in enumerate(self._files):
            first, stop = self._rows_of(number)
            step = max(stop - first, 1) if rows is None else rows
            for start in range(first, stop, step):
                frame = parquet_rows(file, source, start, min(step, stop - start))
                yield pl.DataFrame([tidy(frame[n], source) for n in self._all]), source, start

    @property
    def notes(self) -> list[str]:
        return markers_note(self._missing, len(self._gaps))

    # Shares of one table, each read by another process, which must read it alike ---------------

    def judges(self) -> pl.DataFrame:
        """Give the first cells of each column of text, as far as the first parts have some.

        One row a column: its ``number`` and ``cells``.
        """
        rows = max(min(_LOOK_FOR_JUDGES, self.stop - self.first), 1)
        found: dict[int, pl.Series] = {}
        for frame, _, _ in self.frames(rows):
            for number, column in enumerate(frame):
                if column.dtype == pl.String and column.name not in self._dropped:
                    found[number] = plain(column).drop_nulls().head(_JUDGES)
            break
        found = {number: cells for number, cells in found.items() if len(cells)}
        cells = [series.to_list() for series in found.values()]
        return pl.DataFrame(
            {"number": list(found), "cells": cells},
            schema={"number": pl.Int64(), "cells": pl.List(pl.String)},
        )

    def judge_by(self, judges: Sequence[pl.DataFrame]) -> None:
        """Take the first cells of each column that a share has some of, in their order."""
        for number, cells in pl.concat(judges).iter_rows():
            name = self._all[number]
            if name not in self._judges:
                self._judges[name] = pl.Series(name, cells, dtype=pl.String)
                self._of_judges[name] = read_text(plain(self._judges[name]), name, False)[1]

    def dtypes(self) -> pl.DataFrame:
        """Give the dtypes of the columns that have had a cell, as those of an empty frame.

        The names are the columns' numbers.
        """
        numbers = {name: str(number) for number, name in enumerate(self._all)}
        return pl.DataFrame(schema={numbers[name]: d for name, d in self._dtypes.items()})

    def settle(self, shares: Sequence[pl.DataFrame], settled: set[str]) -> bool:
        """Compare the ``dtypes`` of all shares; tell whether they are of one kind each.

        Those that are not are to be read as text, and are added to ``settled``.

        Raises
        ------
        DataError
            One is in ``settled`` already.
        """
        known: dict[str, pl.DataType] = {}
        odd: set[str] = set()
        for frame in shares:
            for number, dtype in frame.schema.items():
                name = self._all[int(number)]
                if _kind(known.setdefault(name, dtype)) == _kind(dtype):
                    continue
                if name in settled:
                    raise _of_two_kinds(self.source, name, known[name], dtype)
                odd.add(name)
        settled |= odd
        self._as_text |= odd
        self._dtypes = {} if odd else known
        return not odd

    def marks(self) -> tuple[dict[str, int], list[str]]:
        """Give which cells were read as missing, and in which columns."""
        return dict(self._missing), sorted(self._gaps)

    def take_marks(self, shares: Sequence[tuple[dict[str, int], list[str]]]) -> None:
        """Let ``notes`` tell of all shares; of ``marks``."""
        self._missing, self._gaps = Counter(), set()
        for missing, gaps in shares:
            self._missing += Counter(missing)
            self._gaps |= set(gaps)

    def whole(self) -> pl.DataFrame:
        """Read all files; what their text means is not looked at."""
        known: dict[str, pl.DataType] = {}
        frames = []
        for frame, _, _ in self.frames():
            columns = []
            for column in frame:
                name, dtype = column.name, column.dtype
                if plain(column).null_count() == len(column):
                    dtype = pl.Null()
                elif _kind(known.setdefault(name, dtype)) != _kind(dtype):
                    raise _of_two_kinds(self.source, name, known[name], dtype)
                columns.append(column.cast(dtype))
            frames.append(pl.DataFrame(columns))
        if not frames:
            return pl.DataFrame(schema=dict.fromkeys(self._all, pl.Float64))
        joined = pl.concat(frames, how="vertical_relaxed")
        return pl.DataFrame([tidy(column, self.source) for column in joined])

    def _read(self, rows: int) -> Iterator[Table]:
        self._missing, self._gaps = Counter(), set()
        for frame, source, start in self.frames(rows):
            notes: list[str] = []
            typed = pl.DataFrame([self._typed(column, notes) for column in frame])
            yield Table(typed, source, notes, origin=np.arange(start, start + typed.height))

    def _typed(self, column: pl.Series, notes: list[str]) -> pl.Series:
        """Read a column of text by the rules for whole tables, its first cells beside it."""
        name = column.name
        if column.dtype != pl.String:
            return column
        first = self._judges.get(name, column.clear())
        both = plain(pl.concat([first, column]))
        cells, words, said = read_text(both, name, name in self._as_text)
        notes += said
        words = words - self._of_judges.get(name, Counter())
        self._missing += words
        self._gaps |= {name} if words else set()
        if name not in self._judges and plain(column).null_count() < len(column):
            self._judges[name] = plain(column).drop_nulls().head(_JUDGES).alias(name)
            self._of_judges[name] = read_text(plain(self._judges[name]), name, False)[1]
        return cells.slice(len(first)).alias(name)


class TextParts(Parts):
    """A text file."""

    tells_gaps = True

    def __init__(self, file: TextFile) -> None:
        super().__init__(file.source, [file.file])
        self._file = file

    @property
    def _names(self) -> list[str]:
        return [name for name in self._file.dialect.header if name]

    @cached_property
    def n_rows(self) -> int:
        return self._file.check()[1]

    @cached_property
    def size(self) -> int:
        whole = self._file.file.stat().st_size
        with self._file.file.open("rb") as opened:
            head = opened.read(1 << 20)
        rows = whole * max(head.count(b"\n"), 1) / max(len(head), 1)
        return max(whole, int(rows * len(self._file.dialect.header) * _A_NUMBER))

    @property
    def notes(self) -> list[str]:
        markers = markers_note(self._file.missing, len(self._file.missing_columns))
        return [*self._file.said(), *markers]

    def _read(self, rows: int) -> Iterator[Table]:
        count = 0
        for table in self._file.parts(rows, self._as_text):
            count += table.n_rows
            yield table
        if count != self.n_rows:
            raise DataError(f"{self.source} changed while it was read. Read it again.")
