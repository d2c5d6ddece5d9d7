"""How a text table is written: its delimiter and its header, found in the first rows or given.

Answers for asking where the answer is not clear. Not for: the structure below the header
(``scan``), nor for the decimal sign, which is found in the cells (``cells``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from limpide.errors import ArgumentError, DataError
from limpide.tables.decoding import count_lines
from limpide.tables.scan import FIELD_LIMIT, RECORD_LIMIT, cell_pattern, count_cells

SAMPLE = 1 << 20
ROWS = 200
MOST_COLUMNS = 1_000_000

# In the order that decides between equals: a comma may be a decimal sign, the others never are.
DELIMITERS = (";", "\t", "|", ",")

_NUMBER = re.compile(r"[+-]?(\d+[.,]?\d*|[.,]\d+)([eE][+-]?\d+)?")
_SEP = re.compile(rb"\Asep=([^\w\s\"]|\t)(?=[\r\n]|\Z)", re.IGNORECASE)
_PLAIN_NAME = re.compile(r"[\w.\-]+")


@dataclass(frozen=True)
class Dialect:
    """The delimiter and the names of the header; ``header_line`` is its line in the file."""

    delimiter: str
    header: list[str]
    header_line: int
    recognised: bool


def shown(delimiter: str) -> str:
    """Give the delimiter as messages write it.

    >>> shown(";")
    "';'"
    """
    return r"'\t' (tab)" if delimiter == "\t" else repr(delimiter)


def given_delimiter(delimiter: object) -> str:
    r"""Check a delimiter that the user gave; ``tab`` and ``\t`` are names of the tab.

    Raises
    ------
    ArgumentError
        It is not one character that can stand between cells.
    """
    if delimiter in ("tab", "\\t"):
        return "\t"
    if (
        not isinstance(delimiter, str)
        or len(delimiter) != 1
        or not delimiter.isascii()
        or delimiter.isalnum()
        or delimiter in '"\r\n\0'
    ):
        raise ArgumentError(
            "delimiter must be one ASCII character that is no letter, digit, quote or line end, "
            f"such as ',' ';' '|' or 'tab'; received {delimiter!r}."
        )
    return delimiter


def given_decimal(decimal: object) -> str:
    """Check a decimal sign that the user gave.

    Raises
    ------
    ArgumentError
        It is neither ``.`` nor ``,``.
    """
    if decimal not in (".", ","):
        raise ArgumentError(f"decimal must be '.' or ','; received {decimal!r}.")
    return str(decimal)


def sep_line(chunk: bytes) -> str | None:
    """Give the delimiter of a first line such as ``sep=;``, which spreadsheets write and obey.

    >>> sep_line(b"sep=;")
    ';'
    """
    found = _SEP.match(chunk)
    return found[1].decode() if found else None


def without_sep_line(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Make that line a blank one, so that line numbers stay."""
    for index, chunk in enumerate(chunks):
        yield _SEP.sub(b"", chunk) if index == 0 else chunk


def find_dialect(chunks: Iterable[bytes], delimiter: str | None, source: str) -> Dialect:
    """Read the header, with the delimiter given or the one that fits the first rows best.

    Raises
    ------
    DataError
        The file is empty or blank, the header cannot be used, or no delimiter fits.
    """
    sample, line = _sample(chunks, source)
    found = _best_delimiter(sample[:SAMPLE])
    if delimiter is None:
        chosen = found or ","
        header = _header(sample, chosen, line, source)
        if found is None and not _is_one_name(header[0], sample):
            raise DataError(
                f"{source} has one column named {header[0]!r}: which delimiter? "
                "Give delimiter='…' (--delimiter)."
            )
    else:
        chosen = delimiter
        header = _header(sample, chosen, line, source)
        if len(header) == 1 and found not in (None, chosen):
            raise DataError(
                f"{source} has one column named {header[0]!r} with delimiter {shown(chosen)}. "
                f"Give delimiter={found!r} (--delimiter), which fits its first rows."
            )
    _check_header(header, line, source)
    return Dialect(chosen, header, line, recognised=delimiter is None)


def _sample(chunks: Iterable[bytes], source: str) -> tuple[bytes, int]:
    """Give the first bytes, from the header on and holding the whole of it, and its line."""
    data = b""
    for chunk in chunks:
        data += chunk
        start = _header_start(data)
        ended = start is not None and _first_end(data[start:]) < len(data) - start
        if ended or len(data) > RECORD_LIMIT:
            break
    start = _header_start(data)
    if start is None:
        what = "holds only blank lines" if data else "is empty (0 bytes of text)"
        raise DataError(f"{source} {what}. Give a table with a header line and rows.")
    sample = data[start:]
    return sample[: max(SAMPLE, _first_end(sample) + 1)], 1 + count_lines(data[:start])


def _header_start(data: bytes) -> int | None:
    """Give where the first line that is not blank begins; its own indent belongs to it."""
    text = data.lstrip(b" \t\r\n")
    if not text:
        return None
    blank = data[: len(data) - len(text)]
    return max(blank.rfind(b"\n"), blank.rfind(b"\r")) + 1


def _first_end(sample: bytes) -> int:
    ends = [at for at in (sample.find(b"\n"), sample.find(b"\r")) if at >= 0]
    return min(ends, default=len(sample))


def _best_delimiter(sample: bytes) -> str | None:
    """Give the delimiter that splits the most rows like the header, or None if none splits it."""
    best, best_fit = None, (0.0, 1)
    for delimiter in DELIMITERS:
        counts = count_cells(sample if sample.endswith(b"\n") else sample + b"\n", delimiter)
        counts = counts[: ROWS + 1]
        if len(counts) == 0 or counts[0] < 2:
            continue
        below = counts[1:-1] if len(counts) > 2 else counts[1:]  # the last may be cut off
        fit = (float((below == counts[0]).mean()) if len(below) else 1.0, int(counts[0]))
        if best is None or fit > best_fit:
            best, best_fit = delimiter, fit
    return best


def _is_one_name(name: str, sample: bytes) -> bool:
    return bool(_PLAIN_NAME.fullmatch(name)) or sample.startswith(b'"')


def _header(sample: bytes, delimiter: str, line: int, source: str) -> list[str]:
    cell = cell_pattern(delimiter)
    names: list[str] = []
    at = 0
    while True:
        found = cell.match(sample, at)
        if found is None:
            raise DataError(
                f"{source}, line {line}, column {len(names) + 1}: the quote that opens here, in "
                "the header, is never closed or does not end its cell. Close it at the end of "
                "the name, or double it where it is part of the name."
            )
        at = found.end()
        quoted, plain = found.groups()
        name = plain if quoted is None else quoted.replace(b'""', b'"')
        if len(name) > FIELD_LIMIT:
            raise DataError(
                f"{source}, line {line}, column {len(names) + 1}: a cell is longer than 1 MiB, "
                "the most that limpide reads. Check that the file is a table, and its delimiter."
            )
        names.append(name.decode().strip())
        if sample[at : at + 1] != delimiter.encode():
            return names
        at += 1
        if len(names) >= MOST_COLUMNS:
            raise DataError(
                f"{source}, line {line}: the header has more than {MOST_COLUMNS:,} fields. "
                "Check that the file has line ends and one row a line."
            )


def _check_header(header: list[str], line: int, source: str) -> None:
    numbers = [name for name in header if _NUMBER.fullmatch(name)]
    decimals = [name for name in numbers if not name.lstrip("+-").isdigit()]
    named = [name for name in header if name]
    if numbers and (len(numbers) == len(named) or 2 * len(decimals) >= len(header)):
        raise DataError(
            f"{source}, line {line}: the first row looks like data (it holds the number "
            f"{numbers[0]!r}). Add a header line that names the columns above it."
        )
    first: dict[str, int] = {}
    for index, name in enumerate(header):
        if not name:
            # an unnamed first column may be the index that a data frame wrote: see reading
            if index or len(header) == 1:
                raise DataError(
                    f"{source}, line {line}: field {index + 1} of the header is empty. "
                    "Give that column a name, or remove it."
                )
        elif name in first:
            raise DataError(
                f"{source}, line {line}: column name {name!r} stands twice in the header, in "
                f"fields {first[name] + 1} and {index + 1}. Rename one of them (or add a header "
                "line if this row is data)."
            )
        first.setdefault(name, index)
