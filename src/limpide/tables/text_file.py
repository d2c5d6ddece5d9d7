"""A text table on disk: its dialect, its structure, and its cells block by block.

Answers for the passes over a text file: structure first, then cells, whole or some rows at a time.
Not for: what a cell means (``cells``), nor for bytes (``scan``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from limpide.errors import DataError
from limpide.tables.cells import EARLY_ROWS, TypedColumns
from limpide.tables.decimals import check_decimal, find_decimal
from limpide.tables.decoding import byte_order_mark, codec_name, mojibake_note, utf8_chunks
from limpide.tables.dialect import (
    Dialect,
    find_dialect,
    given_decimal,
    given_delimiter,
    sep_line,
    shown,
    without_sep_line,
)
from limpide.tables.scan import Block, Scan
from limpide.tables.table import LineMap, ListedLines, Table, plural

WIDE = 1000


class TextFile:
    """A text table whose dialect is known; nothing of its rows is kept.

    Parameters
    ----------
    file, source
        Where it lies, and what messages call it.
    delimiter, decimal, encoding
        As in ``read_table``; None is found out.

    Raises
    ------
    ArgumentError, DataError
        An option cannot be used, or the header is no header.
    """

    def __init__(
        self,
        file: Path,
        source: str,
        delimiter: str | None = None,
        decimal: str | None = None,
        encoding: str | None = None,
    ) -> None:
        self.file, self.source = file, source
        given = None if delimiter is None else given_delimiter(delimiter)
        self._given_sign = None if decimal is None else given_decimal(decimal)
        self._encoding = encoding
        self.notes = _encoding_notes(file, encoding)
        first = next(utf8_chunks(file, encoding, source), b"")
        sep = sep_line(first)
        self.notes += mojibake_note(first, encoding)
        if sep is not None:
            obeyed = "obeyed" if given is None else "skipped"
            self.notes.append(f"the first line 'sep={sep}' {obeyed}")
            given = given or given_delimiter(sep)
        self._has_sep_line = sep is not None
        self.dialect = find_dialect(self._chunks(), given, source)
        self._scan = Scan(source, self.dialect.delimiter, self.dialect.header)
        self._sign = self._given_sign
        #: Of the parts that were read: cells that mean a missing value, and which columns have any.
        self.missing: Counter[str] = Counter()
        self.missing_columns: set[str] = set()

    def _chunks(self) -> Iterator[bytes]:
        return without_sep_line(utf8_chunks(self.file, self._encoding, self.source))

    def check(self) -> tuple[LineMap, int]:
        """Check the whole file before any of it is kept; give the lines and number of its rows.

        Raises
        ------
        DataError
            A row is too long or too short, a quote is not closed, there is no row.
        """
        lines, n_rows = LineMap(), 0
        for block in self._scan.blocks(self._chunks()):
            for at, offset in _offsets(block.lines, n_rows):
                lines.add(n_rows + at, offset)
            n_rows += len(block.lines)
        if n_rows == 0:
            raise DataError(
                f"{self.source} has a header but no rows (0 rows). Add rows below the header."
            )
        return lines, n_rows

    def cells(self) -> Iterator[tuple[pl.DataFrame, NDArray[np.int64]]]:
        """Yield rows of cells, all text, and the line of each.

        Raises
        ------
        DataError
            As ``check``, or numbers have another decimal sign than was given.
        """
        is_first = True
        for block in _joined(self._scan.blocks(self._chunks()), len(self.dialect.header)):
            cells = _parsed(block, self.dialect)
            if is_first and self._given_sign is not None:
                check_decimal(cells, self.dialect.header, self._given_sign, self.source)
            elif is_first:
                self._sign = _decimal(block, cells, self.dialect, self.source)
            is_first = False
            yield cells, block.lines

    def columns(self, n_rows: int, as_text: dict[str, str]) -> TypedColumns:
        """Give columns for some of the cells; once the first of these are read."""
        if self._sign is None:
            raise DataError(f"{self.source} changed while it was read. Read it again.")
        given = self._given_sign is not None
        return TypedColumns(self.dialect.header, n_rows, self._sign, given, as_text)

    def read(self, text: frozenset[str]) -> Table:
        """Read it all."""
        lines, n_rows = self.check()
        as_text = dict.fromkeys(text, "asked")
        while True:
            columns: TypedColumns | None = None
            for cells, _ in self.cells():
                columns = columns or self.columns(n_rows, as_text)
                columns.add(cells)
            if columns is None:
                raise DataError(f"{self.source} changed while it was read. Read it again.")
            again = columns.to_read_again()
            if not again:
                break
            as_text |= again
        frame, found = self.typed(columns, lines)
        return Table(frame, self.source, [*self.said(), *columns.markers(), *found], lines)

    def typed(self, columns: TypedColumns, lines: LineMap) -> tuple[pl.DataFrame, list[str]]:
        """Give columns that are full as a frame without an index, and notes."""
        series, notes = columns.finish(self.source, lines)
        more: list[str] = []
        kept = _without_index(series, self.source, self.dialect.header_line, more)
        return pl.DataFrame(kept), [*more, *notes]

    def said(self) -> list[str]:
        """Say what was recognised and skipped, once the file is read."""
        notes = self.notes + _dialect_notes(self.dialect, self._sign, self._given_sign is None)
        if blank_lines := self._scan.blank_lines - self._has_sep_line:
            notes.append(f"{plural(blank_lines, 'blank line')} skipped")
        return notes

    def parts(self, rows: int, as_text: set[str]) -> Iterator[Table]:
        """Yield some rows at a time.

        The first rows of the file judge with each part, since they decide what a column is.

        Parameters
        ----------
        rows
            About how many rows a part has; the first has at least as many as decide.
        as_text
            Columns to read as text; more may be added between two parts.
        """
        first: pl.DataFrame | None = None
        judges, of_judges = ListedLines(), Counter[str]()
        self.missing, self.missing_columns = Counter(), set()
        for cells, lines, begin in self._gathered(max(rows, EARLY_ROWS)):
            where = ListedLines(lines=lines, numbers=np.arange(begin, begin + len(lines)))
            columns = self._filled(first, cells, as_text)
            self.missing += columns.missing - of_judges
            self.missing_columns |= columns.missing_columns
            frame, notes = self.typed(columns, where.behind(judges))
            yield Table(frame.slice(len(judges.lines)), self.source, notes, where)
            if first is None:
                first = cells.head(EARLY_ROWS)
                judges = ListedLines(lines=lines[:EARLY_ROWS], numbers=where.numbers[:EARLY_ROWS])
                of_judges = self._filled(None, first, as_text).missing

    def _filled(
        self, first: pl.DataFrame | None, cells: pl.DataFrame, as_text: set[str]
    ) -> TypedColumns:
        names = dict.fromkeys(as_text, "asked")
        while True:
            columns = self.columns(cells.height + (0 if first is None else first.height), names)
            if first is not None:
                columns.add(first)
            columns.add(cells)
            again = columns.to_read_again()
            if not again:
                return columns
            names |= again

    def _gathered(self, rows: int) -> Iterator[tuple[pl.DataFrame, NDArray[np.int64], int]]:
        """Join blocks to parts of at least so many rows; the number of the first row of each."""
        held: list[tuple[pl.DataFrame, NDArray[np.int64]]] = []
        begin = 0
        for each in self.cells():
            held.append(each)
            height = sum(cells.height for cells, _ in held)
            if height >= rows:
                yield _stacked(held), np.concatenate([lines for _, lines in held]), begin
                held, begin = [], begin + height
        if held:
            yield _stacked(held), np.concatenate([lines for _, lines in held]), begin


def _stacked(held: list[tuple[pl.DataFrame, NDArray[np.int64]]]) -> pl.DataFrame:
    return held[0][0] if len(held) == 1 else pl.concat([cells for cells, _ in held])


def _offsets(lines: NDArray[np.int64], first: int) -> Iterator[tuple[int, int]]:
    """Yield where the distance between a row and its line changes, and what it is from there."""
    offsets = lines - np.arange(first, first + len(lines))
    changes = np.flatnonzero(np.diff(offsets)) + 1
    for at in (0, *changes.tolist()):
        yield at, int(offsets[at])


def _joined(blocks: Iterator[Block], n_columns: int) -> Iterator[Block]:
    """Join blocks of very wide tables: each block costs polars a fixed time a column."""
    least = min(512 * n_columns, 16 << 20) if n_columns > WIDE else 0
    held: list[Block] = []
    size = 0
    for block in blocks:
        held.append(block)
        size += len(block.data)
        if size >= least:
            yield _one(held)
            held, size = [], 0
    if held:
        yield _one(held)


def _one(blocks: list[Block]) -> Block:
    if len(blocks) == 1:
        return blocks[0]
    data = b"".join(block.data for block in blocks)
    return Block(data, np.concatenate([block.lines for block in blocks]))


def _parsed(block: Block, dialect: Dialect) -> pl.DataFrame:
    """Let polars cut a checked block into cells, all text, in columns named 0, 1, and so on."""
    names = [str(index) for index in range(len(dialect.header))]
    cells = pl.read_csv(
        block.data,
        has_header=False,
        separator=dialect.delimiter,
        schema=dict.fromkeys(names, pl.String),
        infer_schema=False,
    )
    if cells.height != len(block.lines):
        raise AssertionError(f"polars found {cells.height} rows, the scan {len(block.lines)}")
    return cells


def _decimal(block: Block, cells: pl.DataFrame, dialect: Dialect, source: str) -> str:
    if dialect.delimiter == "," and b'"' not in block.data:
        return "."  # no cell can hold a comma
    return find_decimal(cells, dialect.header, dialect.delimiter, source)


def _encoding_notes(file: Path, encoding: str | None) -> list[str]:
    if encoding is not None:
        codec_name(encoding)
        return []
    with file.open("rb") as opened:
        mark, name = byte_order_mark(opened.read(4))
    return ["UTF-8 byte-order mark skipped"] if mark and name == "utf-8" else []


def _dialect_notes(dialect: Dialect, sign: str | None, sign_recognised: bool) -> list[str]:
    found = []
    if dialect.recognised and len(dialect.header) > 1 and dialect.delimiter != ",":
        found.append(f"delimiter {shown(dialect.delimiter)}")
    if sign_recognised and sign == ",":
        found.append("decimal comma")
    return [f"{' and '.join(found)} recognised"] if found else []


def _without_index(
    columns: list[pl.Series], source: str, line: int, notes: list[str]
) -> list[pl.Series]:
    """Drop an unnamed first column of distinct whole numbers, the index of a data frame."""
    first = columns[0]
    if first.name:
        return columns
    if first.dtype.is_integer() and not first.null_count() and first.n_unique() == len(first):
        notes.append("unnamed first column of running numbers (an index) dropped")
        return columns[1:]
    raise DataError(
        f"{source}, line {line}: field 1 of the header is empty. Give that column a name, or "
        "remove it."
    )
