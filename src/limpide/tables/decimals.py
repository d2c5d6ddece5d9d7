"""Which sign stands before the decimals of a text table's numbers, and cells that use another.

Answers for ``1,5`` against ``1.5``, and for thousands separators, which are refused by name.
Not for: turning cells into numbers (``cells``).
"""

from __future__ import annotations

import re

import polars as pl

from limpide.errors import DataError
from limpide.tables.written import AFTER, BEFORE, without_unit

_EXPONENT = r"([eE][+-]?\d+)?"


def _cell(number: str) -> str:
    """Give the pattern of a cell that holds a number, perhaps with a sign and a unit."""
    return rf"^\s*[+-]?{BEFORE}[+-]?{number}{AFTER}\s*$"


_COMMA = _cell(rf"(\d*,\d+|\d+,){_EXPONENT}")
_POINT = _cell(rf"(\d*\.\d+|\d+\.){_EXPONENT}")
_COMMA_GROUPS = _cell(r"[1-9]\d{0,2}(,\d{3})+")
_POINT_GROUPS = _cell(r"[1-9]\d{0,2}(\.\d{3})+")
_COMMA_AFTER_GROUPS = _cell(r"\d{1,3}([. \u00a0\u2009\u202f']\d{3})+,\d+")
_POINT_AFTER_GROUPS = _cell(r"\d{1,3}([, \u00a0\u2009\u202f']\d{3})+\.\d+")
_WHOLE = _cell(r"(\d{1,3}([ \u00a0\u2009\u202f]\d{3})+|\d+)")

_THOUSANDS = re.compile(
    r"[+-]?\d{1,3}(([,.'\u00a0\u202f]\d{3})+([.,]\d+)?|( \d{3})+[.,]\d+)", re.ASCII
)
_OTHER_SIGN = {".": re.compile(_COMMA, re.ASCII), ",": re.compile(_POINT, re.ASCII)}


def find_decimal(cells: pl.DataFrame, header: list[str], delimiter: str, source: str) -> str:
    """Give the decimal sign of a table from some of its rows, columns of text named 0, 1, ...

    Only columns count where at least half the cells are numbers under either sign. Where every
    comma could also be a thousands separator (``1,234``), it is a decimal sign only in a table
    delimited by semicolons, the form that spreadsheets write where the comma is decimal.

    >>> find_decimal(pl.DataFrame({"0": ["1,5", "2"]}), ["x"], ";", "'a.csv'")
    ','

    Raises
    ------
    DataError
        Some columns use the one sign, some the other.
    """
    commas = _with_sign(cells, [_COMMA, _COMMA_AFTER_GROUPS])
    if not commas:
        return "."
    points = _with_sign(cells, [_POINT, _POINT_AFTER_GROUPS])
    sure = _first(cells, commas, [_COMMA, _COMMA_AFTER_GROUPS], _COMMA_GROUPS)
    if sure is None:
        return "," if delimiter == ";" and not points else "."
    other = _first(cells, points, [_POINT, _POINT_AFTER_GROUPS], _POINT_GROUPS)
    if other is None:
        return ","
    first, second = header[int(sure[0])], header[int(other[0])]
    raise DataError(
        f"{source}: column {first!r} has {sure[1]!r} but column {second!r} has {other[1]!r}: "
        "which is the decimal sign? Give decimal=',' or decimal='.' (--decimal)."
    )


def check_decimal(cells: pl.DataFrame, header: list[str], decimal: str, source: str) -> None:
    """Check the decimal sign that was given against some rows, as ``find_decimal`` sees them.

    Raises
    ------
    DataError
        No column has numbers with this sign, and one has numbers with the other.
    """
    commas, points = [_COMMA, _COMMA_AFTER_GROUPS], [_POINT, _POINT_AFTER_GROUPS]
    own, others, groups = (
        (commas, points, _POINT_GROUPS) if decimal == "," else (points, commas, _COMMA_GROUPS)
    )
    if _with_sign(cells, own):
        return
    found = _first(cells, _with_sign(cells, others), others, groups)
    if found is not None:
        other = "." if decimal == "," else ","
        raise DataError(
            f"{source}, column {header[int(found[0])]!r}: {found[1]!r} is no number with decimal="
            f"{decimal!r}, and no column has one. Give decimal={other!r} (--decimal {other})."
        )


def _with_sign(cells: pl.DataFrame, patterns: list[str]) -> list[str]:
    """Name the columns where a pattern matches and at least half the cells are numbers."""
    anything = [_COMMA, _POINT, _COMMA_AFTER_GROUPS, _POINT_AFTER_GROUPS, _COMMA_GROUPS, _WHOLE]
    matched = cells.select(pl.all().str.contains("|".join(patterns)).any()).row(0)
    names = [name for name, any_ in zip(cells.columns, matched, strict=True) if any_]
    if not names:
        return []
    some = cells.select(names)
    numbers = some.select(pl.all().str.contains("|".join(anything)).sum()).row(0)
    filled = some.select(pl.all().count()).row(0)
    return [name for name, k, n in zip(names, numbers, filled, strict=True) if 2 * k >= n]


def _first(
    cells: pl.DataFrame, names: list[str], patterns: list[str], unless: str
) -> tuple[str, str] | None:
    """Give the first column and cell that match one of the patterns, and not ``unless``."""
    for name in names:
        column = cells[name]
        hit = column.str.contains("|".join(patterns)) & ~column.str.contains(unless)
        found = column.filter(hit.fill_null(False))
        if len(found):
            return name, found[0].strip()
    return None


def to_points(cells: pl.Expr, decimal: str) -> pl.Expr:
    """Write cells with a decimal comma as with a point; a point becomes something unreadable."""
    if decimal == ".":
        return cells
    return cells.str.replace_all(".", "x", literal=True).str.replace_all(",", ".", literal=True)


def reason(cell: str, decimal: str) -> str:
    """Say what keeps a stripped cell from being a number: a word for ``cells`` to choose by.

    >>> reason("1,234.5", "."), reason("1,5", "."), reason("abc", ".")
    ('thousands', 'decimal', 'text')
    """
    grouped = _THOUSANDS.fullmatch(without_unit(cell)) is not None
    if _OTHER_SIGN[decimal].fullmatch(cell) and not grouped:
        return "decimal"
    return "thousands" if grouped else "text"
