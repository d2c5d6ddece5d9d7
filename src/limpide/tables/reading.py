"""``read_table``: any file or object that holds a table, to a ``Table``.

Answers for telling kinds of data apart and for the two passes over a text file (structure first,
then cells). Not for: preprocessing.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from limpide.errors import ArgumentError, DataError, FileError
from limpide.tables.cells import TypedColumns
from limpide.tables.columns import tidy
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
from limpide.tables.files import kind_of, read_binary, readable_path
from limpide.tables.frames import from_memory
from limpide.tables.scan import Block, Scan
from limpide.tables.table import LineMap, Table, plural
from limpide.tables.texts import read_texts

WIDE = 1000


def read_table(
    data: Any,
    *,
    delimiter: str | None = None,
    decimal: str | None = None,
    encoding: str | None = None,
    text: Collection[str] = (),
) -> Table:
    """Read a table from a file or from memory, check it, and say what was found.

    Parameters
    ----------
    data : path or table
        A CSV, TSV, Parquet or Arrow file (told apart by content, then suffix), or a data frame of
        any library, a dict of columns, a two-dimensional or structured NumPy array.
    delimiter : str, optional
        What stands between the cells of a text file; found in its first rows unless given.
    decimal : {".", ","}, optional
        The decimal sign in a text file; found in its first rows unless given.
    encoding : str, optional
        The encoding of a text file, UTF-8 unless given.
    text : collection of str
        Columns to keep as text, whatever they hold; a predictor passes the names
        that were text in training. Names that the table lacks are no error here.

    Returns
    -------
    Table
        With no column renamed and no row left out; an unnamed index column is dropped.

    Raises
    ------
    FileError
        The file is missing, a folder, a device, or may not be read.
    DataError
        The content is no whole table: the message names line, column, value and a remedy.
    ArgumentError
        ``delimiter``, ``decimal`` or ``encoding`` cannot be used, or the data is not text.

    Notes
    -----
    A column of a text file holds numbers if every cell does that is not missing. It is text if
    cells that are no numbers begin within the first 1,000 rows and are more than one in twenty;
    fewer or later ones are errors. Whole numbers with leading zeros make their column text.
    ISO 8601 dates are read as dates. Missing are empty cells and those of ``cells.MISSING``, among
    numbers also those of ``written.NO_NUMBER``. Numbers may all have one unit, and spaces between
    thousands. In a table that is in memory, text columns have the same missing cells and dates;
    text becomes numbers where markers of missing cells, units or spaces made it text.
    Blanks around cells are dropped. Comments are not known: a line that begins with # is a row.

    Examples
    --------
    >>> import numpy as np
    >>> read_table(np.eye(2)).columns
    ['x0', 'x1']
    """
    options = {"delimiter": delimiter, "decimal": decimal, "encoding": encoding}
    if not isinstance(data, (str, bytes, os.PathLike)):
        _refuse(options, "a table in memory")
        return _whole(*from_memory(data), frozenset(text))
    file, source = readable_path(data)  # type: ignore[arg-type]
    try:
        kind = kind_of(file, source)
        if kind == "text":
            return _read_text(
                file,
                source,
                None if delimiter is None else given_delimiter(delimiter),
                None if decimal is None else given_decimal(decimal),
                encoding,
                frozenset(text),
            )
        _refuse(options, "a Parquet or Arrow file")
        frame = read_binary(file, kind, source)
    except FileError:
        raise
    except OSError as fault:
        raise FileError(
            f"{source} cannot be read: {fault.strerror or fault}. Check the disk."
        ) from fault
    return _whole(
        pl.DataFrame([tidy(column, source) for column in frame]), source, [], frozenset(text)
    )


def _refuse(options: dict[str, str | None], what: str) -> None:
    for name, value in options.items():
        if value is not None:
            raise ArgumentError(
                f"{name}={value!r} is for text tables such as CSV, but the data is {what}. "
                "Leave it out."
            )


def _whole(frame: pl.DataFrame, source: str, notes: list[str], text: frozenset[str]) -> Table:
    """Refuse a table without columns or rows, and say what is missing."""
    if frame.width == 0:
        raise DataError(f"{source} has no columns. Give a table with columns and rows.")
    if frame.height == 0:
        raise DataError(f"{source} has columns but no rows (0 rows). Give a table with rows.")
    frame, found = read_texts(frame, text)
    notes = [*notes, *found]
    counts = [n for n in frame.null_count().row(0) if n]
    if counts:
        notes = [
            *notes,
            f"missing: {plural(sum(counts), 'cell')} in {plural(len(counts), 'column')}",
        ]
    return Table(frame, source, notes)


def _read_text(
    file: Path,
    source: str,
    delimiter: str | None,
    decimal: str | None,
    encoding: str | None,
    text: frozenset[str],
) -> Table:
    notes = _encoding_notes(file, encoding)
    first = next(utf8_chunks(file, encoding, source), b"")
    sep = sep_line(first)
    notes += mojibake_note(first, encoding)

    def chunks() -> Iterator[bytes]:
        return without_sep_line(utf8_chunks(file, encoding, source))

    if sep is not None:
        notes.append(f"the first line 'sep={sep}' {'obeyed' if delimiter is None else 'skipped'}")
        delimiter = delimiter or given_delimiter(sep)
    dialect = find_dialect(chunks(), delimiter, source)
    scan = Scan(source, dialect.delimiter, dialect.header)

    def blocks() -> Iterator[Block]:
        return scan.blocks(chunks())

    lines, n_rows = _structure(blocks(), source)
    as_text = dict.fromkeys(text, "asked")
    sign = decimal
    while True:
        columns: TypedColumns | None = None
        for block in _joined(blocks(), len(dialect.header)):
            cells = _parsed(block, dialect)
            if columns is None:
                if decimal is not None:
                    check_decimal(cells, dialect.header, decimal, source)
                sign = sign or _decimal(block, cells, dialect, source)
                columns = TypedColumns(dialect.header, n_rows, sign, decimal is not None, as_text)
            columns.add(cells)
        if columns is None or sign is None:
            raise DataError(f"{source} changed while it was read. Read it again.")
        again = columns.to_read_again()
        if not again:
            break
        as_text |= again
    series, found = columns.finish(source, lines)
    notes += _dialect_notes(dialect, sign, decimal is None)
    if blank_lines := scan.blank_lines - (sep is not None):
        notes.append(f"{plural(blank_lines, 'blank line')} skipped")
    frame = pl.DataFrame(_without_index(series, source, dialect.header_line, notes))
    return Table(frame, source, notes + found, lines)


def _structure(blocks: Iterator[Block], source: str) -> tuple[LineMap, int]:
    """Check the whole file before any of it is kept; give the lines and number of its rows."""
    lines, n_rows = LineMap(), 0
    for block in blocks:
        offsets = block.lines - np.arange(n_rows, n_rows + len(block.lines))
        changes = np.flatnonzero(np.diff(offsets)) + 1
        for at in (0, *changes.tolist()):
            lines.add(n_rows + at, int(offsets[at]))
        n_rows += len(block.lines)
    if n_rows == 0:
        raise DataError(f"{source} has a header but no rows (0 rows). Add rows below the header.")
    return lines, n_rows


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


def _dialect_notes(dialect: Dialect, sign: str, sign_recognised: bool) -> list[str]:
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
