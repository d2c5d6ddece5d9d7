"""Columns to a CSV file that a spreadsheet can open without running anything.

Answers for full precision, quoting, neutralised cells and whole files. Not for: what the columns
are, nor for refusing to overwrite, which is the command line's business.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import polars as pl

from limpide.errors import ArgumentError, ArgumentTypeError, FileError
from limpide.tables.columns import equal_lengths, plain
from limpide.tables.frames import to_column

# A spreadsheet takes a cell that begins with one of these for a formula (OWASP, "CSV Injection").
_FORMULA = r"^[=+\-@\t\r]"
_ROWS = 65_536


class _TextFile(Protocol):
    def write(self, text: str, /) -> object: ...


def write_csv(path_or_file: str | os.PathLike[str] | _TextFile, columns: Mapping[str, Any]) -> None:
    r"""Write columns as CSV: UTF-8, LF line ends, every float with all its digits.

    Text that begins with ``= + - @``, tab or CR gets an apostrophe in front, names of columns
    too; numbers are never touched. A missing value is an empty cell. A file at a path is replaced
    in one step when all is written, or left as it was.

    Parameters
    ----------
    path_or_file : path or text file
        Where to write; a file object gets ``write`` calls with text.
    columns : mapping of str to array-like
        Lists, arrays or polars columns of one length.

    Raises
    ------
    ArgumentError
        There are no columns.
    DataError
        Columns differ in length, or hold values that are neither number, text nor time.
    FileError
        The file cannot be written.

    Examples
    --------
    >>> import io
    >>> out = io.StringIO()
    >>> write_csv(out, {"prediction": ["=A1", "b"], "p": [0.1, -2.0]})
    >>> out.getvalue()
    "prediction,p\n'=A1,0.1\nb,-2.0\n"
    """
    frame = _frame(columns)
    if isinstance(path_or_file, (str, os.PathLike)):
        _write_path(Path(path_or_file), frame)
    elif hasattr(path_or_file, "write"):
        _write_text(path_or_file, frame)
    else:
        raise ArgumentTypeError(
            f"write_csv needs a path or an open text file; received {type(path_or_file).__name__}."
        )


def _frame(columns: Mapping[str, Any]) -> pl.DataFrame:
    if not columns:
        raise ArgumentError("write_csv needs at least one column; received none.")
    series = [_column(str(name), values) for name, values in columns.items()]
    equal_lengths(((column.name, len(column)) for column in series), "the columns to write")
    series = [column.alias(_neutral_name(column.name)) for column in series]
    if len({column.name for column in series}) < len(series):
        raise ArgumentError("two columns to write have one name. Rename one of them.")
    if len(series) == 1:
        # an empty line would be read as no row at all; text that is empty is written as ""
        name, cells = series[0].name, plain(series[0])
        if cells.null_count():
            series = [cells.cast(pl.String).fill_null("").alias(name)]
    return pl.DataFrame(series)


def _column(name: str, values: Any) -> pl.Series:
    column = to_column(name, values, "the columns to write")
    if column.dtype == pl.String:
        column = plain(column)
        danger = column.str.contains(_FORMULA).fill_null(False)
        column = pl.select(pl.when(danger).then("'" + column).otherwise(column)).to_series()
    return column.alias(name)


def _neutral_name(name: str) -> str:
    return "'" + name if name.startswith(("=", "+", "-", "@", "\t", "\r")) else name


def _write_text(file: _TextFile, frame: pl.DataFrame) -> None:
    for start in range(0, max(1, frame.height), _ROWS):
        part = frame.slice(start, _ROWS)
        file.write(part.write_csv(include_header=start == 0, line_terminator="\n"))


def _write_path(path: Path, frame: pl.DataFrame) -> None:
    try:
        if path.exists() and not path.is_file():
            with path.open("w", encoding="utf-8", newline="") as file:
                _write_text(file, frame)
            return
        _write_whole(path, frame)
    except OSError as fault:
        raise FileError(
            f"{str(path)!r} cannot be written: {fault.strerror or fault}. "
            "Give another path or make room."
        ) from None


def _write_whole(path: Path, frame: pl.DataFrame) -> None:
    """Write beside the path and rename, so that a failure leaves what was there."""
    target = path.resolve()
    mode = target.stat().st_mode & 0o777 if target.exists() else None
    name = target.with_name(f".{target.name[:100]}.{secrets.token_hex(8)}.part")
    try:
        with name.open("x", encoding="utf-8", newline="") as file:
            _write_text(file, frame)
            file.flush()
            os.fsync(file.fileno())
        if mode is not None:
            name.chmod(mode)
        os.replace(name, target)
    except BaseException:
        name.unlink(missing_ok=True)
        raise
