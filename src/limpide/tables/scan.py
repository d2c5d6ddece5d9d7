"""Our own scan of a text table's bytes: where rows and cells end, and what is wrong with them.

Answers for the structure (every row has as many cells as the header, quotes close, no cell is
endless), in bounded memory. Not for: what cells mean (``cells``), nor for encodings (``decoding``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from limpide.errors import DataError
from limpide.tables.decoding import count_lines
from limpide.tables.table import plural

FIELD_LIMIT = 1 << 20
RECORD_LIMIT = 16 << 20

_LF, _CR, _QUOTE = 10, 13, 34


@dataclass(frozen=True)
class Block:
    """Whole rows, checked, in tidy form: LF ends, no blank lines, quotes only around whole cells.

    Attributes
    ----------
    data : bytes
        The rows, each with its line end.
    lines : i64[n]
        The line of the file where each row begins.
    """

    data: bytes
    lines: NDArray[np.int64]


@dataclass
class Scan:
    """The scan of one text table; iterating ``blocks`` fills the counts.

    Attributes
    ----------
    source : str
        What messages call the file.
    delimiter : str
        One ASCII character.
    header : list of str
        The names in the first row, which is not part of the blocks.
    blank_lines : int
        Blank lines skipped so far.
    """

    source: str
    delimiter: str
    header: list[str]
    blank_lines: int = field(default=0, init=False)

    def blocks(self, chunks: Iterable[bytes]) -> Iterator[Block]:
        """Yield the rows below the header, checked.

        Raises
        ------
        DataError
            A row is too long or too short, a quote is not closed, a cell is over 1 MiB.
        """
        rest, line, below_header = b"", 1, False
        self.blank_lines = 0
        for chunk, final in _with_last(chunks):
            part = self._split(rest + chunk, line, final)
            rest, line = part.rest, part.rest_line
            part = self._checked(part)  # first the whole rows, then what follows them
            if part.fault is not None:
                raise part.fault
            self._check_sizes(part)
            if final and rest:
                raise self._open_quote(part, "is never closed")
            if len(part.lines) and not below_header:
                below_header = True
                part = part.below(1)
            if len(part.lines):
                yield Block(part.data, part.lines)

    def _split(self, data: bytes, line: int, final: bool) -> _Part:
        if final and data and not data.endswith((b"\n", b"\r")):
            data += b"\n"
        if b'"' not in data:
            return _split_plain(data, self.delimiter, line)
        return _split_quoted(data, self.delimiter, line) or self._split_exactly(data, line)

    def _check_sizes(self, part: _Part) -> None:
        long = np.flatnonzero(part.cells > FIELD_LIMIT)
        if len(long):
            row = int(np.searchsorted(np.cumsum(part.n_cells), long[0], side="right"))
            column = int(long[0] - part.n_cells[:row].sum())
            raise self._long_cell(int(part.lines[row]), column)
        if part.rest_cell > FIELD_LIMIT:
            if part.rest_quoted:
                raise self._open_quote(part, "is not closed within 1 MiB")
            raise self._long_cell(part.rest_line, part.rest_column)
        if len(part.rest) > RECORD_LIMIT:
            raise DataError(
                f"{self.source}, line {part.rest_line}: a row is longer than 16 MiB. "
                "Check that it is a table with one row a line."
            )

    def _long_cell(self, line: int, column: int) -> DataError:
        return DataError(
            f"{self.source}, line {line}, {self._column(column)}: a cell is longer than 1 MiB, "
            "the most that limpide reads. Check that the file is a table, and its delimiter."
        )

    def _open_quote(self, part: _Part, what: str) -> DataError:
        return DataError(
            f"{self.source}, line {part.rest_cell_line}, {self._column(part.rest_column)}: the "
            f"quote that opens here {what}. Close it, or double it where it is part of the text."
        )

    def _column(self, index: int) -> str:
        name = f" {self.header[index]!r}" if index < len(self.header) else ""
        return f"column {index + 1}{name}"

    def _checked(self, part: _Part) -> _Part:
        """Leave out blank lines and refuse rows of another length than the header's."""
        expected = len(self.header)
        blank = (part.n_cells == 1) & (part.first_cells == 0)
        wrong = (part.n_cells != expected) & ~blank
        if (wrong & (part.n_cells == 1)).any():
            blank |= wrong & (part.n_cells == 1) & part.all_blanks()
            wrong &= ~blank
        if wrong.any():
            raise self._wrong_length(part, int(np.argmax(wrong)))
        if not blank.any():
            return part
        self.blank_lines += int(blank.sum())
        return part.without(blank)

    def _wrong_length(self, part: _Part, row: int) -> DataError:
        line, found, expected = int(part.lines[row]), int(part.n_cells[row]), len(self.header)
        last = line + count_lines(part.row(row)) - 1
        if last > line:
            lines = f"lines {line} to {last} (a quoted cell runs over them)"
        else:
            lines = f"line {line}"
        if found > expected:
            do = f"Quote cells that contain {self.delimiter!r}, or remove the extra cells"
        else:
            do = "Add the missing cells (an empty cell is a missing value)"
        return DataError(
            f"{self.source}, {lines}: expected {plural(expected, 'field')} like the header, "
            f"found {found}. {do}."
        )

    def _split_exactly(self, data: bytes, line: int) -> _Part:
        """Split where quotes stand inside cells or blanks around them: tidied first."""
        tidy, tail, after = _tidied(data, self.delimiter)
        part = _split_quoted(tidy, self.delimiter, line)
        if part is None:
            raise AssertionError("tidied rows must be tidy")
        if after is not None:
            text = data[after:].lstrip(b" \t")[:20].splitlines()[0].decode("utf-8", "ignore")
            last = line + count_lines(data[:after])
            part.fault = DataError(
                f"{self.source}, line {part.rest_cell_line}, {self._column(part.rest_column)}: "
                f"the quote that opens here is followed, after it closes, by the text {text!r} "
                f"in line {last}. Close the quote at the end of its cell, or double it where it "
                "is part of the text."
            )
        unfinished = data[tail:]
        part.rest += unfinished
        part.rest_cell = len(unfinished)
        part.rest_quoted = unfinished.lstrip(b" \t").startswith(b'"')
        return part


def _with_last(chunks: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Yield each chunk, and whether it is the last one."""
    held: bytes | None = None
    for chunk in chunks:
        if held is not None:
            yield held, False
        held = chunk
    yield held or b"", True


@dataclass
class _Part:
    """The whole rows at the start of some bytes, and the unfinished row after them.

    ``ends`` are the positions of the line ends in ``data``; ``n_cells`` the cells in each row,
    ``first_cells`` the length of each row's first cell, ``cells`` the length of every cell.
    """

    data: bytes
    ends: NDArray[np.intp]
    n_cells: NDArray[np.intp]
    first_cells: NDArray[np.intp]
    cells: NDArray[np.intp]
    lines: NDArray[np.int64]
    rest: bytes
    rest_line: int
    rest_cell: int = 0
    rest_column: int = 0
    rest_cell_line: int = 0
    rest_quoted: bool = False
    fault: DataError | None = None

    def row(self, row: int) -> bytes:
        start = self.ends[row - 1] + 1 if row else 0
        return self.data[start : self.ends[row] + 1]

    def all_blanks(self) -> NDArray[np.bool_]:
        """Say of each row whether it holds spaces and tabs only."""
        codes = np.frombuffer(self.data, np.uint8)
        marks = np.cumsum((codes != ord(" ")) & (codes != ord("\t")))[self.ends]
        blank: NDArray[np.bool_] = np.diff(marks, prepend=0) == 1  # nothing but the line end
        return blank

    def below(self, rows: int) -> _Part:
        """Leave out the first rows. Only what a block needs is kept right."""
        self.data = self.data[self.ends[rows - 1] + 1 :]
        self.lines = self.lines[rows:]
        return self

    def without(self, rows: NDArray[np.bool_]) -> _Part:
        """Leave out the rows that are marked."""
        sizes = np.diff(self.ends, prepend=-1)
        kept = np.repeat(~rows, sizes)
        self.data = np.frombuffer(self.data, np.uint8)[kept].tobytes()
        self.ends = np.cumsum(sizes[~rows]) - 1
        self.cells = self.cells[np.repeat(~rows, self.n_cells)]
        self.n_cells, self.first_cells = self.n_cells[~rows], self.first_cells[~rows]
        self.lines = self.lines[~rows]
        return self


def _part(
    data: bytes,
    stops: NDArray[np.intp],
    is_end: NDArray[np.bool_],
    line: int,
    lines: NDArray[np.int64] | None,
) -> _Part:
    """Build the part from the positions where cells stop, outside quotes."""
    last = np.flatnonzero(is_end)
    ends = stops[last]
    cut = int(ends[-1]) + 1 if len(ends) else 0
    cells = np.diff(stops, prepend=-1) - 1
    n_cells = np.diff(last, prepend=-1)
    rest = data[cut:]
    done = len(last) and int(last[-1]) + 1
    rest_start = int(stops[-1]) + 1 if len(stops) else 0
    if lines is None:
        lines = np.arange(line, line + len(ends) + 1)
    return _Part(
        data=data[:cut],
        ends=ends,
        n_cells=n_cells,
        first_cells=cells[:done][last - n_cells + 1],
        cells=cells[:done],
        lines=lines[:-1],
        rest=rest,
        rest_line=int(lines[-1]),
        rest_cell=len(data) - rest_start,
        rest_column=len(stops) - done,
        rest_cell_line=int(lines[-1]) + count_lines(data[cut:rest_start]),
        rest_quoted=data[rest_start : rest_start + 1] == b'"',
    )


def _split_plain(data: bytes, delimiter: str, line: int) -> _Part:
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    codes = np.frombuffer(data, np.uint8)
    stops = np.flatnonzero((codes == ord(delimiter)) | (codes == _LF))
    return _part(data, stops, codes[stops] == _LF, line, None)


def _split_quoted(data: bytes, delimiter: str, line: int) -> _Part | None:
    """Split where every quote opens at the start of a cell and closes at its end; else None."""
    codes = np.frombuffer(data, np.uint8)
    quotes = codes == _QUOTE
    if not _is_tidy(codes, np.flatnonzero(quotes), ord(delimiter)):
        return None
    # True from a quote that opens to the byte before the one that closes it
    inside = np.bitwise_xor.accumulate(quotes.view(np.uint8)).view(np.bool_)
    ends = codes == _LF
    line_ends = ends
    if b"\r" in data:
        alone = codes == _CR
        alone[:-1] &= ~ends[1:]
        paired = (codes == _CR) & ~alone
        line_ends = ends | alone
        if (alone & ~inside).any() or (paired & ~inside).any():
            codes = codes.copy()
            codes[alone & ~inside] = _LF
            kept = ~(paired & ~inside)
            codes, inside, line_ends = codes[kept], inside[kept], line_ends[kept]
            data = codes.tobytes()
            ends = codes == _LF
    stops = np.flatnonzero(((codes == ord(delimiter)) | ends) & ~inside)
    is_end = codes[stops] == _LF
    starts = np.concatenate(([0], stops[is_end] + 1))
    lines = np.searchsorted(np.flatnonzero(line_ends), starts).astype(np.int64) + line
    return _part(data, stops, is_end, line, lines)


def _is_tidy(codes: NDArray[np.uint8], quotes: NDArray[np.intp], delimiter: int) -> bool:
    """Say whether quotes, paired off in turn, stand only at the edges of cells.

    A doubled quote inside a quoted cell reads as one that closes and one that opens beside it.
    Where this holds, pairing off gives what reading cell by cell would (RFC 4180, 2005).
    """
    edge = np.zeros(256, np.bool_)
    edge[[delimiter, _LF, _CR, _QUOTE]] = True
    opening, closing = quotes[::2], quotes[1::2]
    before = opening[opening > 0] - 1
    after = closing[closing < len(codes) - 1] + 1
    return bool(edge[codes[before]].all() and edge[codes[after]].all())


def _tidied(data: bytes, delimiter: str) -> tuple[bytes, int, int | None]:
    """Write untidy cells in tidy form, and leave all else, line ends too, as it is.

    A quote opens a cell only at its start (blanks around the quotes are dropped); elsewhere it is
    text, as in Python's own csv module.

    Returns
    -------
    tuple
        The finished cells; where the last, unfinished one begins in ``data``; and, if its quote
        closes before other text, where that text begins.
    """
    run, cell = _tidy_run(delimiter), cell_pattern(delimiter)
    pieces = []
    at = 0
    while True:
        found = run.match(data, at)
        end = found.end() if found else at
        pieces.append(data[at:end])
        at = end
        found = cell.match(data, at)
        if found is None or found.end() == len(data):
            break
        pieces.append(_tidy_cell(found))
        at = found.end()
        pieces.append(data[at : at + 1])
        at += 1
    closed = _CLOSED.match(data, at) if found is None else None
    after = closed.end() if closed and closed.end() < len(data) else None
    return b"".join(pieces), at, after


def _tidy_cell(found: re.Match[bytes]) -> bytes:
    quoted, plain = found.groups()
    if quoted is not None:
        return b'"' + bytes(quoted) + b'"'
    return b'"' + plain.replace(b'"', b'""') + b'"' if b'"' in plain else bytes(plain)


_CLOSED = re.compile(rb'[ \t]*"(?:[^"]++|"")*+"')


def _tidy_run(delimiter: str) -> re.Pattern[bytes]:
    """Give the pattern of any number of tidy cells, each with what ends it."""
    mark = re.escape(delimiter.encode())
    return re.compile(rb'(?:(?:"(?:[^"]++|"")*+"|[^"%b\r\n]*+)[%b\r\n])*+' % (mark, mark))


def cell_pattern(delimiter: str) -> re.Pattern[bytes]:
    """Give the pattern of one cell: group 1 is a quoted cell's inside, group 2 a plain cell."""
    mark = re.escape(delimiter.encode())
    blank = {"\t": rb"[ ]", " ": rb"[\t]"}.get(delimiter, rb"[ \t]")
    return re.compile(
        rb'(?:%b*+"((?:[^"]++|"")*+)"%b*+(?=%b|[\r\n]|\Z))|(?!%b*+")([^%b\r\n]*+)'
        % (blank, blank, mark, blank, mark)
    )


def count_cells(data: bytes, delimiter: str) -> NDArray[np.intp]:
    """Count the cells of each whole row that is not blank; quotes that make no sense are ignored.

    >>> count_cells(b'a;b\\n1;"2;3"\\n', ";")
    array([2, 2])
    """
    part = _split_quoted(data, delimiter, 1) or _split_plain(data, delimiter, 1)
    return part.n_cells[(part.n_cells > 1) | (part.first_cells > 0)]
