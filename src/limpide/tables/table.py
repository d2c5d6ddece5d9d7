"""What reading a table gives: its columns, where they came from, and what was found on the way.

Answers for ``Table``, the line of a row in its file, and the error for a column that is not there.
Not for: reading (``reading``), nor for turning columns into a network's numbers.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from limpide.errors import ArgumentError, DataError, nearest


@dataclass
class LineMap:
    """The line of each row in its file, kept as the few rows where the distance changes.

    >>> lines = LineMap()
    >>> lines.add(0, 2)
    >>> lines.add(10, 3)
    >>> lines[9], lines[10]
    (11, 13)
    """

    rows: list[int] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)

    def add(self, row: int, offset: int) -> None:
        """Say that from ``row`` on, a row stands ``offset`` lines below its own number."""
        if not self.offsets or self.offsets[-1] != offset:
            self.rows.append(row)
            self.offsets.append(offset)

    def __getitem__(self, row: int) -> int:
        return row + self.offsets[bisect.bisect_right(self.rows, row) - 1]

    def number(self, row: int) -> int:
        """Give the number of a row in its file, from 0."""
        return row


@dataclass
class ListedLines(LineMap):
    """The line of each of some rows of a file, and their number in it.

    >>> lines = ListedLines(lines=np.array([2, 70]), numbers=np.array([0, 60]))
    >>> lines[1], lines.number(1)
    (70, 60)
    """

    lines: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    numbers: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))

    def __getitem__(self, row: int) -> int:
        return int(self.lines[row])

    def number(self, row: int) -> int:
        return int(self.numbers[row])

    def behind(self, others: ListedLines) -> ListedLines:
        """Give these lines behind others."""
        return ListedLines(
            lines=np.concatenate([others.lines, self.lines]),
            numbers=np.concatenate([others.numbers, self.numbers]),
        )


def plural(n: int, noun: str) -> str:
    """Give ``"1 cell"`` or ``"2 cells"``.

    >>> plural(1, "row"), plural(0, "row")
    ('1 row', '0 rows')
    """
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def place(row: int, lines: LineMap | None) -> str:
    """Say where a row, counted from 0, stands, in the way in which people count.

    Rows of a text file go from 1, and their line is given; tables in memory have an index from 0.

    >>> place(1, None)
    'index 1'
    """
    return f"index {row}" if lines is None else f"row {lines.number(row) + 1} (line {lines[row]})"


@dataclass(frozen=True)
class Table:
    """A table in memory whose columns are numbers, booleans, text or times, and nothing else.

    Missing cells are null, also in columns of floating-point numbers (never NaN). Integers of a
    text file have the smallest signed dtype that holds the column.

    Attributes
    ----------
    frame : polars.DataFrame
        Columns of Float32, Float64, Int*, UInt*, Boolean, String, Date, Datetime, Time, Duration.
    source : str
        What messages call the table: its path in quotes, or the kind of object it came from.
    notes : list of str
        What was recognised, skipped or changed, one sentence each.
    lines, origin
        Where rows stand in the file, and which rows of a larger table these are.

    Examples
    --------
    >>> from limpide.tables import read_table
    >>> table = read_table({"height": [1.7, None], "sex": ["F", "M"]})
    >>> table.n_rows, table.columns
    (2, ['height', 'sex'])
    """

    frame: pl.DataFrame
    source: str
    notes: list[str] = field(default_factory=list)
    lines: LineMap | None = field(default=None, repr=False)
    origin: NDArray[np.int64] | None = field(default=None, repr=False)

    def take(self, rows: NDArray[np.int64]) -> Table:
        """Give some of the rows, by number; messages still say where they stood in the whole.

        >>> from limpide.tables import read_table
        >>> read_table({"x": [1, 2, 3]}).take(np.array([2])).place(0)
        'index 2'
        """
        origin = rows if self.origin is None else self.origin[rows]
        return replace(self, frame=self.frame[rows], notes=[], origin=origin)

    @property
    def n_rows(self) -> int:
        """The number of rows, the header not counted."""
        return self.frame.height

    @property
    def columns(self) -> list[str]:
        """The names of the columns, in order."""
        return self.frame.columns

    def row_line(self, row: int) -> int | None:
        """Give the line of the file where a row (counted from 0) begins; None if not a text file.

        Raises
        ------
        ArgumentError
            The table has no such row.
        """
        if not 0 <= row < self.n_rows:
            raise ArgumentError(
                f"row must be from 0 to {self.n_rows - 1} for {self.source}; received {row!r}."
            )
        return None if self.lines is None else self.lines[self._in_whole(row)]

    def _in_whole(self, row: int) -> int:
        return row if self.origin is None else int(self.origin[row])

    def place(self, row: int) -> str:
        """Give ``row 4 (line 5)``, or ``index 3`` where the table is no text file."""
        return place(self._in_whole(row), self.lines)


def missing_column(name: str, columns: Iterable[str], what: str = "Column") -> DataError:
    """Build the error for a column that is not in a table: the nearest name, and all of them.

    >>> print(missing_column("spma", ["make", "spam"], "Target column"))
    Target column 'spma' is not in the table. Did you mean 'spam'? Its 2 columns: 'make', 'spam'.
    """
    names = [str(column) for column in columns]
    listed = ", ".join(repr(column) for column in names[:20])
    if len(names) > 20:
        listed += f", … and {len(names) - 20} more"
    return DataError(
        f"{what} {name!r} is not in the table.{nearest(name, names)} "
        f"Its {plural(len(names), 'column')}: {listed}."
    )
