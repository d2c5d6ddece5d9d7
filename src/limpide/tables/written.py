"""Numbers as people write them: with a unit, with spaces between thousands, with a dash for none.

Answers for a column whose cells are not all plain numbers: whether they are numbers after all, and
what was left off. Not for: plain numbers, and for what to do with the cells that are none
(``cells``).
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from dataclasses import dataclass

import polars as pl

#: Further cells that mean a missing value where the others are numbers; compared in lower case.
NO_NUMBER = (
    *("-", "–", "—", ".", "n/a", "n.a.", "n.a", "na", "н/д", "#n/a", "#div/0!", "#value!"),
    *("#ref!", "#name?", "#num!", "#null!", "nan", "none", "null", "<na>"),
)

_SPACE = "[ \u00a0\u2009\u202f]"
_SYMBOL = "[€$£¥₴₽₹₩₺₪฿₫₱¢%‰°]"
#: What may stand before and after a number. One letter alone, as in 12A, is more often a code.
BEFORE = rf"(?:({_SYMBOL}){_SPACE}?)?"
AFTER = rf"(?:{_SPACE}?({_SYMBOL}[A-Za-z]?|[^\W\d_]{{2,6}}\.?)|{_SPACE}([^\W\d_]\.?))?"
_LEADING_ZERO = r"^[+-]?0\d"


@functools.cache
def _pattern(decimal: str) -> str:
    """Give the form of a cell: sign, unit, number, unit; polars and ``re`` take it alike."""
    sign = re.escape(decimal)
    digits = rf"(?:[0-9]{{1,3}}(?:{_SPACE}[0-9]{{3}})+|[0-9]+)"
    number = rf"(?:{digits}(?:{sign}[0-9]*)?|{sign}[0-9]+)(?:[eE][+-]?[0-9]+)?"
    return rf"^([+-]?){BEFORE}([+-]?{number}){AFTER}$"


def written_form(cell: str, decimal: str) -> str:
    """Say how a stripped cell is written: ``"unit"``, ``"spaces"``, or empty if in no such form.

    >>> written_form("12 €", "."), written_form("1 234", "."), written_form("abc", ".")
    ('unit', 'spaces', '')
    """
    found = re.fullmatch(_pattern(decimal), cell)
    if found is None:
        return ""
    return (
        "unit" if found[2] or found[4] or found[5] else "spaces" if re.search(_SPACE, cell) else ""
    )


def without_unit(cell: str) -> str:
    """Leave off a unit that is a symbol or follows a number.

    >>> without_unit("$1,234.5"), without_unit("12,5 €"), without_unit("kg")
    ('1,234.5', '12,5', 'kg')
    """
    found = re.fullmatch(rf"([+-]?){BEFORE}([+-]?[0-9.,].*?){AFTER}", cell)
    return cell if found is None else found[1] + found[3]


@dataclass(frozen=True)
class Written:
    """A column of text read as numbers.

    Attributes
    ----------
    values : Int64 or Float64
        Null where a cell is missing or odd.
    odd : list of int
        The rows that hold something else.
    unit : str
        What the numbers have in common, or nothing.
    missing : dict of str to int
        The cells that mean a missing value only among numbers.
    units : dict of str to int
        How many readable cells have which unit.
    spaced : int
        How many numbers have spaces between their thousands.
    """

    values: pl.Series
    odd: list[int]
    unit: str
    missing: dict[str, int]
    units: dict[str, int]
    spaced: int

    @property
    def is_symbol(self) -> bool:
        """Whether the unit, if any, cannot be but a unit; letters may be anything."""
        return re.fullmatch(f"({_SYMBOL}[A-Za-z]?)?", self.unit) is not None

    @property
    def n(self) -> int:
        """How many cells are numbers."""
        return len(self.values) - self.values.null_count()

    def notes(self, name: str) -> list[str]:
        """Say what was left off, one sentence each."""
        said = []
        if self.unit:
            kept = ", and 12% is 12" if self.unit == "%" else ""
            said.append(f"the sign {self.unit!r} left off{kept}")
        if self.spaced:
            said.append("spaces between thousands left off")
        return [f"column {name!r}: read as numbers, {' and '.join(said)}"] if said else []


def missing_marks(cells: pl.Series) -> pl.Series:
    """Say which cells mean a missing value among numbers."""
    return cells.str.to_lowercase().is_in(NO_NUMBER).fill_null(False)


def read_written(cells: pl.Series, decimal: str) -> Written | None:
    """Read a column of stripped text as numbers, if at least half of its cells are numbers.

    The unit is the one that most have; numbers with another or with none do not count.

    >>> read_written(pl.Series(["1 234,5 €", "-", "7 €"]), ",").values.to_list()
    [1234.5, None, 7.0]
    """
    marks = missing_marks(cells)
    known = cells.is_not_null() & ~marks
    n_known = int(known.sum())
    pattern = _pattern(decimal)
    if not n_known or 2 * int(cells.filter(known).str.contains(pattern).sum()) < n_known:
        return None
    parts = pl.DataFrame({"cell": cells}).select(
        pl.col("cell").str.extract(pattern, group).fill_null("").alias(name)
        for group, name in enumerate(("sign", "before", "number", "after", "letter"), 1)
    )
    after = parts["after"] + parts["letter"]
    units = parts["before"] + after
    both = (parts["before"] != "") & (after != "")
    texts = parts["number"].str.replace_all(_SPACE, "")
    texts = (parts["sign"] + texts.str.replace(decimal, ".", literal=True)).alias("number")
    fits = known & (parts["number"] != "") & ~both & ~texts.str.contains(r"^[+-]{2}")
    counts = Counter(units.filter(fits).to_list())
    if not counts:
        return None
    unit = counts.most_common(1)[0][0]
    fits &= units == unit
    if texts.filter(fits).str.contains(_LEADING_ZERO).any():
        return None  # codes, such as 007
    values = _numbers(texts, fits)
    odd = (known & values.is_null()).arg_true().to_list()
    there = values.is_not_null()
    return Written(
        values,
        odd,
        unit,
        dict(Counter(cells.filter(marks).to_list())),
        dict(counts),
        int((parts["number"].str.contains(_SPACE) & there).sum()),
    )


def _numbers(texts: pl.Series, fits: pl.Series) -> pl.Series:
    """Give whole numbers where all are, else finite floating-point numbers."""
    kept = pl.select(pl.when(fits).then(texts)).to_series()
    whole = kept.cast(pl.Int64, strict=False)
    if whole.null_count() == kept.null_count():
        return whole
    floats = kept.cast(pl.Float64, strict=False)
    return pl.select(pl.when(floats.is_finite()).then(floats)).to_series()
