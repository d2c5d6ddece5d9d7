"""The cells of a text table as typed columns, block by block.

Answers for the rule that makes a column numbers, text or dates, for missing cells, and for naming
the cell that breaks the rule. Not for: the bytes (``scan``), nor for dates themselves (``dates``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import polars as pl

from limpide.errors import DataError
from limpide.tables.columns import plain
from limpide.tables.dates import note_on_dates, read_dates
from limpide.tables.decimals import reason, to_points
from limpide.tables.filling import Filling
from limpide.tables.table import LineMap, place, plural
from limpide.tables.written import missing_marks, read_written, written_form

#: Cells that mean a missing value, after blanks around them are dropped; in text columns too.
MISSING = (
    *("", "NA", "N/A", "n/a", "#N/A", "<NA>", "null", "NULL"),
    *("NaN", "nan", "NAN", "-nan", "None", "?"),
)

ALL_MISSING = "every cell is missing"
EARLY_ROWS = 1000
FEW = 20

_LEADING_ZERO = r"^\s*[+-]?0\d"
_BEYOND_64_BITS = r"^\s*[+-]?\d{19,}\s*$"


def is_text(n_odd: int, n_cells: int, first_row: int) -> bool:
    """Say whether a column that is not all numbers is text, or numbers with a few faulty cells.

    It is text if a cell that is no number stands among the first 1,000 rows, and such cells are
    more than one, and more than one in twenty. A column of fewer than five cells is text as soon
    as one of them is. Otherwise the odd cells are errors.

    >>> is_text(1, 100, 7), is_text(40, 100, 7), is_text(10_000, 30_000, 20_000)
    (False, True, False)
    """
    if n_odd == n_cells:
        return True
    return first_row < EARLY_ROWS and (n_cells < 5 or n_odd > max(1, n_cells // FEW))


@dataclass
class _Odd:
    """The cells of a number column that are no numbers: how many, why, and the first of them."""

    n: int = 0
    row: int = 0
    text: str = ""
    reason: str = ""
    has_text: bool = False
    has_spaces: bool = False


@dataclass
class _Column:
    """One column as far as it has been read. ``kind`` is int, float or text."""

    name: str
    kind: str = "int"
    why_text: str = ""
    texts: list[pl.Series] = field(default_factory=list)
    numbers: Filling | None = None
    n_cells: int = 0
    marks: Counter[str] = field(default_factory=Counter)  # as NO_NUMBER, if it is numbers
    odd: _Odd = field(default_factory=_Odd)
    zero: tuple[int, str] | None = None
    rounded: bool = False

    @property
    def n_known(self) -> int:
        """How many cells say something, if it is a column of numbers."""
        return self.n_cells - self.marks.total()

    def joined(self) -> pl.Series:
        """Give the whole column under a neutral name, and let go of its pieces."""
        if self.kind == "text":
            whole = plain(pl.concat(self.texts, rechunk=True))
            self.texts = []
            return whole
        if self.numbers is None:
            raise AssertionError("a column of numbers has its place from the first block on")
        return self.numbers.finished()


class TypedColumns:
    """Columns that grow by blocks of text cells.

    Parameters
    ----------
    names : list of str
        The columns' names.
    n_rows : int
        How many rows there will be in all.
    decimal : str
        The decimal sign of numbers.
    decimal_given : bool
        The user said it, so that numbers with the other sign are ordinary text.
    as_text : mapping of str to str
        Columns to read as text, and why: ``"asked"``, ``"zeros"`` or ``"mixed"``.
    """

    def __init__(
        self,
        names: list[str],
        n_rows: int,
        decimal: str,
        decimal_given: bool,
        as_text: Mapping[str, str],
    ) -> None:
        self._total_rows = n_rows
        self.decimal = decimal
        self.decimal_given = decimal_given
        self.n_rows = 0
        self.missing: Counter[str] = Counter()
        self.missing_columns: set[str] = set()
        self._columns = [
            _Column(name, "text" if name in as_text else "int", as_text.get(name, ""))
            for name in names
        ]

    def add(self, cells: pl.DataFrame) -> None:
        """Add rows whose cells are all text, in the order of the names; their own do not count."""
        by_kind: dict[str, list[int]] = {"int": [], "float": [], "text": []}
        for index, column in enumerate(self._columns):
            by_kind[column.kind].append(index)
        names, empty = cells.columns, cells.null_count().row(0)
        tried = self._add_integers(cells, names, by_kind["int"], empty)
        for index in self._add_floats(cells, names, by_kind["float"] + tried, empty):
            self._add_carefully(self._columns[index], cells[names[index]])
        for index in by_kind["text"]:
            self._add_text(self._columns[index], cells[names[index]])
        self.n_rows += cells.height

    def _add_integers(
        self,
        cells: pl.DataFrame,
        every: list[str],
        indices: list[int],
        empty: tuple[int, ...],
    ) -> list[int]:
        """Add columns whose cells are all integers or empty; give the others."""
        names = [every[index] for index in indices]
        if not names:
            return []
        cast = cells.select(pl.col(names).cast(pl.Int64, strict=False))
        nulls = cast.null_count().row(0)
        lows = cast.select(pl.all().min()).row(0)
        highs = cast.select(pl.all().max()).row(0)
        zeros = cells.select(pl.col(names).str.contains(_LEADING_ZERO).any()).row(0)
        rest = []
        for at, (name, index, zero) in enumerate(zip(names, indices, zeros, strict=True)):
            column = self._columns[index]
            if zero and column.zero is None:
                hit = cells[name].str.contains(_LEADING_ZERO).fill_null(False).arg_true()[0]
                column.zero = (self.n_rows + hit, cells[name][hit].strip())
            low, high = lows[at], highs[at]
            if nulls[at] == empty[index] and Filling.holds(low):
                self._keep(column, cast[name], empty[index], None if low is None else (low, high))
            else:
                rest.append(index)
        return rest

    def _add_floats(
        self,
        cells: pl.DataFrame,
        every: list[str],
        indices: list[int],
        empty: tuple[int, ...],
    ) -> list[int]:
        """Add columns whose cells are all finite numbers or empty; give the others."""
        names = [every[index] for index in indices]
        if not names:
            return []
        cast = cells.select(to_points(pl.col(names), self.decimal).cast(pl.Float64, strict=False))
        nulls = cast.null_count().row(0)
        finite = cast.select(pl.all().is_finite().all()).row(0)
        # which columns stop being integers here, and had some beyond 64 bits
        turned = [name for name, i in zip(names, indices, strict=True) if self._is_int(i)]
        long = cells.select(pl.col(turned).str.contains(_BEYOND_64_BITS).any()) if turned else None
        rounded = dict(zip(turned, long.row(0), strict=True)) if long is not None else {}
        rest = []
        for name, index, k, good in zip(names, indices, nulls, finite, strict=True):
            column = self._columns[index]
            if k > empty[index] or not good:
                rest.append(index)
                continue
            column.kind = "float"
            column.rounded |= bool(rounded.get(name))
            self._keep(column, cast[name], k)
        return rest

    def _is_int(self, index: int) -> bool:
        return self._columns[index].kind == "int"

    def _keep(
        self,
        column: _Column,
        values: pl.Series,
        n_empty: int,
        extremes: tuple[int, int] | None = None,
    ) -> None:
        self._fill(column, values, extremes)
        column.n_cells += len(values) - n_empty
        self._count_missing(column, {"": n_empty})

    def _fill(
        self, column: _Column, values: pl.Series, extremes: tuple[int, int] | None = None
    ) -> None:
        if column.numbers is None:
            column.numbers = Filling(self._total_rows)
        column.numbers.put(self.n_rows, values, extremes)

    def _count_missing(self, column: _Column, counts: Mapping[str, int]) -> None:
        for word, n in counts.items():
            if n:
                self.missing[word] += n
                self.missing_columns.add(column.name)

    def _without_missing(self, column: _Column, cells: pl.Series) -> pl.Series:
        """Strip the cells, make those that mean a missing value null, and count both."""
        stripped = cells.str.strip_chars()
        gone = stripped.is_in(MISSING)
        words = Counter(stripped.filter(gone.fill_null(False)).to_list())
        words[""] += cells.null_count()
        self._count_missing(column, words)
        kept = pl.select(pl.when(~gone).then(stripped)).to_series().rename(cells.name)
        column.n_cells += len(kept) - kept.null_count()
        return kept

    def _add_text(self, column: _Column, cells: pl.Series) -> None:
        column.texts.append(self._without_missing(column, cells))

    def _add_carefully(self, column: _Column, cells: pl.Series) -> None:
        """Add a block where some cell is no plain number, cell by cell where it must be."""
        kept = self._without_missing(column, cells)
        floats = self._floats(kept)
        marks = missing_marks(kept)
        column.marks.update(kept.filter(marks).to_list())
        odd = (kept.is_not_null() & ~marks & ~floats.is_finite().fill_null(False)).arg_true()
        if len(odd):
            self._note_odd(column.odd, odd, kept.gather(odd))
            good = pl.select(pl.when(floats.is_finite()).then(floats)).to_series()
        else:
            good = floats
        if column.numbers is None and self._verdict(column) == "text":
            column.kind = "text"
            column.texts.append(kept)
            return
        integers = kept.cast(pl.Int64, strict=False)
        whole = integers.null_count() == good.null_count() and Filling.holds(integers.min())  # type: ignore[arg-type]
        if column.kind == "int" and whole:
            self._fill(column, integers)
            return
        if column.kind == "int":
            column.kind = "float"
            column.rounded |= bool(kept.str.contains(_BEYOND_64_BITS).any())
        self._fill(column, good)

    def _note_odd(self, odd: _Odd, rows: pl.Series, texts: pl.Series) -> None:
        if not odd.n:
            odd.row, odd.text = self.n_rows + rows[0], texts[0]
            odd.reason = self._reason(odd.text)
        odd.n += len(rows)
        # stops at the first cell that is plain text: a column of words is not read word by word
        for text in texts:
            if odd.has_text:
                break
            why = self._reason(text)
            odd.has_text = why in ("text", "unit")
            odd.has_spaces |= why == "spaces"

    def _floats(self, cells: pl.Series) -> pl.Series:
        points = to_points(pl.nth(0), self.decimal)
        return cells.to_frame().select(points.cast(pl.Float64, strict=False)).to_series()

    def _reason(self, text: str) -> str:
        word = text.lstrip("+-").lower()
        if word in ("inf", "infinity"):
            return "infinite"
        if form := written_form(text, self.decimal):
            return form
        why = reason(text, self.decimal)
        if why == "text" and word[:1].isdigit() and self._overflows(text):
            return "overflow"
        return "text" if why == "decimal" and self.decimal_given else why

    def _overflows(self, text: str) -> bool:
        try:
            return abs(float(text.replace(self.decimal, "."))) == float("inf")
        except ValueError:
            return False

    def _verdict(self, column: _Column) -> str:
        """Say what a number column with odd cells is: text, or an error to raise."""
        if column.odd.has_spaces:
            return "text"  # as the whole column it may be numbers after all
        if not column.odd.has_text:
            return "error"
        return "text" if is_text(column.odd.n, column.n_known, column.odd.row) else "error"

    def to_read_again(self) -> dict[str, str]:
        """Name the columns that proved to be text after their first block, and why."""
        again = {}
        for column in self._columns:
            if column.kind == "int" and column.zero:
                again[column.name] = "zeros"
            elif column.kind != "text" and (
                (column.odd.n and self._verdict(column) == "text")
                or (column.marks and not column.n_known)
            ):
                again[column.name] = "mixed"
        return again

    def finish(self, source: str, lines: LineMap) -> tuple[list[pl.Series], list[str]]:
        """Give the columns, and notes on them; ``markers`` is complete only then.

        Raises
        ------
        DataError
            A column of numbers, or of dates, holds a cell that is none.
        """
        columns: list[pl.Series] = []
        notes: list[str] = []
        for column in self._columns:
            if column.kind == "text":
                values = self._finished_text(column, source, lines, notes)
            else:
                if column.odd.n:
                    raise self._fault(column.name, column.odd, column.n_known, source, lines)
                self._count_missing(column, column.marks)
                if column.rounded:
                    notes.append(_ROUNDED.format(column.name))
                values = column.joined()
                if column.rounded and len(values) > 1 and values.n_unique() == 1:
                    notes[-1] += (
                        ", which makes them all equal: subtract their least value, or put a "
                        "letter before them if they are names"
                    )
            if values.null_count() == len(values):
                notes.append(f"column {column.name!r}: {ALL_MISSING}")
                values = values if column.why_text == "asked" else values.cast(pl.Float64)
            columns.append(values.alias(column.name))
        return columns, notes

    def markers(self) -> list[str]:
        """Say which cells were read as missing."""
        return markers_note(self.missing, len(self.missing_columns))

    def _finished_text(
        self, column: _Column, source: str, lines: LineMap, notes: list[str]
    ) -> pl.Series:
        cells = column.joined()
        if column.why_text == "asked":
            return cells
        if column.why_text == "zeros":
            zero = cells.str.contains(_LEADING_ZERO).fill_null(False)
            notes.append(
                f"column {column.name!r} is kept as text: leading zeros in "
                f"{plural(int(zero.sum()), 'cell')}, such as {cells.filter(zero)[0]!r}"
            )
            return cells
        if not column.zero:
            numbers = self._as_numbers(column, cells, source, lines, notes)
            if numbers is not None:
                return numbers
        dates = read_dates(cells)
        if dates is None:
            notes += note_on_dates(column.name, cells)
            return cells
        odd = (cells.is_not_null() & dates.values.is_null()).arg_true()
        if not len(odd):
            notes.append(dates.note(column.name))
            return dates.values
        if is_text(len(odd), column.n_cells, odd[0]):
            notes += note_on_dates(column.name, cells)
            return cells
        found = _Odd(len(odd), row=odd[0], text=cells[odd[0]], reason="date")
        raise self._fault(column.name, found, column.n_cells, source, lines)

    def _as_numbers(
        self, column: _Column, cells: pl.Series, source: str, lines: LineMap, notes: list[str]
    ) -> pl.Series | None:
        """Give numbers if the whole of a text column is numbers; refuse it if all but a few are."""
        found = read_written(cells, self.decimal)
        if found is None:
            notes += self._other_sign(column.name, cells)
            return None
        column.marks = Counter(found.missing)
        if not found.odd:
            self._count_missing(column, column.marks)
            notes += found.notes(column.name)
            if found.values.dtype.is_float() and cells.str.contains(_BEYOND_64_BITS).any():
                notes.append(_ROUNDED.format(column.name))
            column.numbers = Filling(len(cells))
            column.numbers.put(0, found.values)
            return column.numbers.finished()
        odd, first = _Odd(), found.odd[0]
        self._note_odd(odd, pl.Series(found.odd), cells.gather(found.odd))
        odd.row = first
        otherwise = not odd.has_text and not odd.has_spaces  # such as 1,234 €
        if found.is_symbol and (otherwise or not is_text(odd.n, column.n_known, first)):
            if found.unit and read_written(cells[first : first + 1], self.decimal):
                odd.reason = "unit"
            raise self._fault(column.name, odd, column.n_known, source, lines)
        if 2 * found.n >= column.n_known:
            unit = f" with {found.unit!r}" if found.unit else ""
            notes.append(
                f"column {column.name!r} is text: {found.n} of {column.n_known} cells are numbers"
                f"{unit}, {odd.n} {'is' if odd.n == 1 else 'are'} not, the first {odd.text!r:.60} "
                f"in {place(first, lines)}"
            )
        else:
            units = _listed(f"{u or 'none'} ({n})" for u, n in sorted(found.units.items())[:10])
            notes.append(
                f"column {column.name!r} is text: it looks like numbers with several units, {units}"
            )
        return None

    def _other_sign(self, name: str, cells: pl.Series) -> list[str]:
        """Say that a column would be numbers with the decimal sign that was not given."""
        other = "," if self.decimal == "." else "."
        found = read_written(cells, other) if self.decimal_given else None
        if found is None or found.odd:
            return []
        return [f"column {name!r} is text: it looks like numbers with the decimal sign {other!r}"]

    def _fault(self, name: str, odd: _Odd, n_cells: int, source: str, lines: LineMap) -> DataError:
        text = odd.text if len(odd.text) <= 60 else odd.text[:57] + "..."
        where = f"{source}, column {name!r}, {place(odd.row, lines)}: {text!r}"
        what, do = _FAULTS.get(odd.reason, _FAULTS["text"])
        others = f"; {n_cells - odd.n} of {n_cells} cells are" if odd.n > 1 else ""
        if odd.reason in ("text", "date"):
            what += others or f"; the other {n_cells - 1} cells are"
        if odd.reason == "decimal":
            do = do.format(other="," if self.decimal == "." else ".")
        return DataError(f"{where} {what}. {do}")


_ROUNDED = "column {!r}: whole numbers beyond 64 bits are rounded to floating-point numbers"
_AS_TEXT = "if the column is meant as text, pass text=[name] to read_table"
_FAULTS = {
    "text": (
        "is not a number",
        f"Correct it, or leave it empty for a missing value ({_AS_TEXT}).",
    ),
    "date": (
        "is not a date like the first cell of the column",
        f"Correct it, or leave it empty for a missing value ({_AS_TEXT}).",
    ),
    "unit": (
        "is not written with the unit (or none) of the rest of the column",
        f"Write all cells with the same unit, or none ({_AS_TEXT}).",
    ),
    "infinite": ("is not a finite number", "Leave the cell empty for a missing value."),
    "overflow": (
        "is too large for a 64-bit floating-point number (at most 1.8e308)",
        "Rescale the column, or leave the cell empty for a missing value.",
    ),
    "thousands": (
        "is written with thousands separators",
        "Write the number without them, such as 1234.5.",
    ),
    "decimal": (
        "is a number with another decimal sign than the rest of the table",
        "Write all numbers with one sign, or give decimal='{other}' (--decimal {other}).",
    ),
}


def markers_note(missing: Counter[str], n_columns: int) -> list[str]:
    """Say which cells were read as missing, and how many in how many columns."""
    if not missing:
        return []
    words = [f"{word or 'empty'} ({k})" for word, k in sorted(missing.items())]
    return [
        f"{_listed(words)} read as missing: {plural(missing.total(), 'cell')} in "
        f"{plural(n_columns, 'column')}"
    ]


def _listed(words: Iterable[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last
