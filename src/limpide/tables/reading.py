"""``read_table``: any file or object that holds a table, to a ``Table``.

Answers for telling kinds of data apart, and for options that fit them. Not for: text files
(``text_file``), tables that are read some rows at a time (``parts``), nor for preprocessing.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

import polars as pl

from limpide.errors import ArgumentError, DataError, FileError
from limpide.tables.columns import tidy
from limpide.tables.files import kind_of, parquet_folder, read_binary, readable_path
from limpide.tables.frames import from_memory
from limpide.tables.parts import ParquetParts, Parts, TextParts
from limpide.tables.table import Table, plural
from limpide.tables.text_file import TextFile
from limpide.tables.texts import read_texts

_GROWN = 8  # a digit and a comma may become a number of 8 bytes, and more than that is rare
_TIMES = 3  # the memory of a table that learning from it takes


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
        A CSV, TSV, Parquet or Arrow file (told apart by content, then suffix), a folder of Parquet
        files, a data frame of any library, a dict of columns, a two-dimensional or structured NumPy
        array.
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
        The file is missing, a device, a folder without Parquet files, or may not be read.
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
    if os.path.isdir(data):
        _refuse(options, "a folder of Parquet files")
        folder, source = Path(os.fsdecode(data)), repr(os.fsdecode(data))
        frame = ParquetParts(parquet_folder(folder, source), source).whole()
        return _whole(frame, source, [], frozenset(text))
    file, source = readable_path(data)  # type: ignore[arg-type]
    try:
        kind = kind_of(file, source)
        if kind == "text":
            return TextFile(file, source, delimiter, decimal, encoding).read(frozenset(text))
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


def open_table(
    data: Any,
    memory: float,
    *,
    delimiter: str | None = None,
    decimal: str | None = None,
    encoding: str | None = None,
    always: bool = False,
) -> Table | Parts:
    """Read a table, or give its parts where learning from it would take more than ``memory``.

    Parameters
    ----------
    data, delimiter, decimal, encoding
        As in ``read_table``.
    memory
        Bytes.
    always
        Give the parts of Parquet files however small they are.

    Raises
    ------
    FileError, DataError, ArgumentError
        As ``read_table``.
    """
    options = {"delimiter": delimiter, "decimal": decimal, "encoding": encoding}
    if isinstance(data, (str, bytes, os.PathLike)):
        parts = _parts(Path(os.fsdecode(data)), options, memory)
        if always and isinstance(parts, ParquetParts):
            return parts
        if parts is not None and _TIMES * parts.size > memory:
            return parts
    return read_table(data, delimiter=delimiter, decimal=decimal, encoding=encoding)


def _parts(path: Path, options: dict[str, str | None], memory: float) -> Parts | None:
    """Give the parts of what can be read in parts and may be large."""
    if path.is_dir():
        _refuse(options, "a folder of Parquet files")
        source = repr(str(path))
        return ParquetParts(parquet_folder(path, source), source)
    file, source = readable_path(path)
    kind = kind_of(file, source)
    if kind == "text" and _TIMES * _GROWN * file.stat().st_size > memory:
        return TextParts(TextFile(file, source, **options))
    if kind == "parquet":
        _refuse(options, "a Parquet or Arrow file")
        return ParquetParts([file], source)
    return None


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
