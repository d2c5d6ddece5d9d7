"""A table's preprocessing as plain Python without any import, the same in every written file.

Answers for the functions that turn a row, a dict, into the network's numbers. Not for: what is
done to which column (``limpide.tables``), nor for ONNX (``graph_columns``).
"""

from __future__ import annotations

from collections.abc import Iterator

from limpide.exports.text import Names, literal, wrapped
from limpide.tables.cells import MISSING
from limpide.tables.features import Column, Part
from limpide.tables.preprocessing import Preprocessing
from limpide.tables.written import NO_NUMBER

RESERVED = (
    *("COLUMNS", "MISSING", "NO_NUMBER", "NUMBERS", "DAY", "as_rows", "calendar", "category"),
    *("cell", "clock", "date", "day_number", "duration", "encode", "is_column", "moment", "moved"),
    *("number", "time_of_day", "truth", "without_zone", "NAN"),
)
"""Names that these functions take in a file."""

_MANY = 4  # so many plain numbers one after the other are read by one line

_ROWS = '''def as_rows(rows):
    """Give dicts, one a row, from dicts or lists, one dict, a dict of columns or a data frame."""
    if isinstance(rows, dict) and not any(is_column(cells) for cells in rows.values()):
        return [rows]
    if not isinstance(rows, dict) and not hasattr(rows, "columns"):
        return [
            row if hasattr(row, "keys") else dict(zip(COLUMNS, row, strict=True)) for row in rows
        ]
    lost = [name for name in COLUMNS if name not in rows]
    if lost:
        raise ValueError(f"the table lacks the column {lost[0]!r}")
    cells = zip(*(list(rows[name]) for name in COLUMNS), strict=True)
    return [dict(zip(COLUMNS, row, strict=True)) for row in cells]


def is_column(cells):
    """Say whether this is a column and no single value."""
    return hasattr(cells, "__len__") and not isinstance(cells, (str, bytes))


def cell(row, name):
    """Give a cell of a row, None where it is missing."""
    if name not in row:
        raise ValueError(f"a row lacks the column {name!r}")
    value = row[name]
    if str(value).strip() in MISSING:
        return None
    return value.strip() if isinstance(value, str) else value


def moved(value, origin, unit):
    """Give (value - origin) / unit, within what 32 bits can hold."""
    return min(max((value - origin) / unit, -3e38), 3e38)
'''
_NUMBER = '''def number(row, name, origin=0.0, unit=1.0):
    """Give a number, NAN where it is missing."""
    value = cell(row, name)
    if value is None or str(value).lower() in NO_NUMBER:
        return NAN
    try:
        value = float(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"column {name!r}: {value!r} is no number") from None
    if abs(value) == float("inf"):
        raise ValueError(f"column {name!r}: {value!r} is not finite")
    return moved(value, origin, unit)
'''
_TRUTH = '''def truth(row, name, origin=0.0, unit=1.0):
    """Give 1 for true, 0 for false, NAN where it is missing."""
    value = cell(row, name)
    if value is None:
        return NAN
    words = {"true": 1.0, "false": 0.0}
    try:
        found = words[value.lower()] if isinstance(value, str) else float(value)
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"column {name!r}: {value!r} is neither true nor false") from None
    return moved(found, origin, unit)
'''
_DATE = '''def date(row, name, part, origin=0.0, unit=1.0):
    """Give one part of a date: its value in days since 1970, month, weekday or hour."""
    value = cell(row, name)
    if value is None:
        return NAN
    time = moment(name, str(value))
    found = {
        "value": time / DAY,
        "month": calendar(time // DAY)[1],
        "weekday": (time // DAY + 3) % 7 + 1,
        "hour": time % DAY / 3.6e9,
    }[part]
    return moved(found, origin, unit)


def moment(name, text):
    """Give YYYY-MM-DD, perhaps with HH:MM:SS and a zone, as microseconds since 1970."""
    try:
        day, _, time = text.replace("T", " ").partition(" ")
        year, month, mday = map(int, day.split("-"))
        days = day_number(year, month, mday)
        if calendar(days) != (year, month, mday):
            raise ValueError
        time, zone = without_zone(time)
        return days * DAY + (clock(time) if time else 0) - zone
    except ValueError:
        raise ValueError(f"column {name!r}: {text!r} is no date such as 2024-12-31") from None


def without_zone(time):
    """Give a time without its zone, and the zone in microseconds."""
    time = time.removesuffix("Z")
    for sign in "+-":
        time, found, zone = time.partition(sign)
        if found:
            digits = zone.replace(":", "")
            minutes = 60 * int(digits[:2]) + int(digits[2:4] or 0)
            return time, (minutes if sign == "+" else -minutes) * 60_000_000
    return time, 0


def day_number(year, month, mday):
    """Give the days since 1970-01-01; years are counted from March, so that leap days end them."""
    year, month = (year, month - 3) if month > 2 else (year - 1, month + 9)
    leaps = year // 4 - year // 100 + year // 400
    return 365 * year + leaps + (153 * month + 2) // 5 + mday - 719469


def calendar(days):
    """Give year, month and day of the month of a number of days since 1970-01-01."""
    days += 719468
    era, day = days // 146097, days % 146097
    year = (day - day // 1460 + day // 36524 - day // 146096) // 365
    day -= 365 * year + year // 4 - year // 100
    month = (5 * day + 2) // 153
    mday = day - (153 * month + 2) // 5 + 1
    year += 400 * era
    return (year, month + 3, mday) if month < 10 else (year + 1, month - 9, mday)
'''
_CLOCK = '''def clock(text):
    """Give HH:MM, HH:MM:SS or HH:MM:SS.ffffff as microseconds since midnight."""
    hours, minutes, seconds = (text.split(":") + ["0"])[:3]
    whole, _, fraction = seconds.partition(".")
    hours, minutes, whole = int(hours), int(minutes), int(whole)
    if not (0 <= hours < 24 and 0 <= minutes < 60 and 0 <= whole < 60):
        raise ValueError
    return ((hours * 60 + minutes) * 60 + whole) * 1_000_000 + int((fraction + "000000")[:6])
'''
_TIME = '''def time_of_day(row, name, origin=0.0, unit=1.0):
    """Give a time of day in hours, NAN where it is missing."""
    value = cell(row, name)
    if value is None:
        return NAN
    try:
        return moved(clock(str(value)) / 3.6e9, origin, unit)
    except ValueError:
        raise ValueError(f"column {name!r}: {value!r} is no time such as 23:59") from None
'''
_DURATION = '''def duration(row, name, origin=0.0, unit=1.0):
    """Give a timedelta in days, NAN where it is missing."""
    value = cell(row, name)
    if value is None:
        return NAN
    value = value.tolist() if hasattr(value, "tolist") else value
    if not hasattr(value, "microseconds"):
        raise ValueError(f"column {name!r}: {value!r} is no datetime.timedelta")
    seconds = value.days * 86400 + value.seconds
    return moved((seconds * 1_000_000 + value.microseconds) / DAY, origin, unit)
'''
_CATEGORY = '''def category(row, name, codes, missing):
    """Give the code of a category, 0 for one that was not in training."""
    value = cell(row, name)
    if value is None:
        return missing
    text = str(value)
    if hasattr(value, "is_integer") and value.is_integer():
        text = str(int(value))
    elif not isinstance(value, str) and text in ("True", "False"):
        text = next((known for known in codes if known.lower() == text.lower()), text)
    return codes.get(text, 0)
'''

_HELPERS = {
    "number": (_NUMBER,),
    "boolean": (_TRUTH,),
    "date": (_DATE, _CLOCK),
    "datetime": (_DATE, _CLOCK),
    "time": (_TIME, _CLOCK),
    "duration": (_DURATION,),
    "text": (_CATEGORY,),
}
_CALLS = {
    "number": "number",
    "boolean": "truth",
    "date": "date",
    "datetime": "date",
    "time": "time_of_day",
    "duration": "duration",
}


def cell_functions(preprocessing: Preprocessing, names: Names) -> tuple[list[str], list[str]]:
    """Give the functions that read rows, ``encode`` first, and the constants that they use.

    Both are blocks of source, to stand apart by two empty lines.
    """
    constants = [
        "\n".join(wrapped(map(literal, preprocessing.features), 0, "COLUMNS = [", "]")),
        "\n".join(wrapped(map(literal, (*MISSING, "NaT")), 0, "MISSING = {", "}")),
    ]
    lines: list[str] = []
    for run, alike in _runs(preprocessing):
        if alike and len(run) >= _MANY:
            listed = wrapped((literal(c.name) for c, _ in run), 0, "NUMBERS = [", "]")
            constants.append("\n".join(listed))
            lines.append("        *[number(row, name) for name in NUMBERS],")
            continue
        for column, part in run:
            lines.append(_call(column, part, names, constants))
    head = ["def encode(row):", '    """Give the numbers of a row, a dict, for the network."""']
    encode = "\n".join([*head, "    return [", *lines, "    ]", ""])
    kinds = dict.fromkeys(column.kind for column in preprocessing.used)
    helpers = dict.fromkeys(text for kind in kinds for text in _HELPERS[kind])
    if _NUMBER in helpers:
        constants.append("\n".join(wrapped(map(literal, NO_NUMBER), 0, "NO_NUMBER = {", "}")))
    if kinds.keys() - {"text"}:
        constants.append('NAN = float("nan")')
    if {"date", "datetime", "duration"} & kinds.keys():
        constants.append("DAY = 86_400_000_000  # microseconds")
    return [encode, _ROWS, *helpers], constants


def _runs(preprocessing: Preprocessing) -> Iterator[tuple[list[tuple[Column, Part]], bool]]:
    """Give the parts in the matrix's order, and whether they are the run of plain numbers."""
    parts = [*preprocessing.numbers, *preprocessing.codes]
    plain = [
        column.kind == "number" and (part.origin, part.unit) == (0.0, 1.0) for column, part in parts
    ]
    best, start = (0, 0), 0
    for i in range(len(parts) + 1):
        if i == len(parts) or not plain[i]:
            best = max(best, (start, i), key=lambda span: span[1] - span[0])
            start = i + 1
    yield parts[: best[0]], False
    yield parts[best[0] : best[1]], True
    yield parts[best[1] :], False


def _call(column: Column, part: Part, names: Names, constants: list[str]) -> str:
    name = literal(column.name)
    if part.of == "code":
        codes = names.new(f"{column.name}_codes")
        pairs = (f"{literal(each)}: {code}" for code, each in enumerate(part.categories, 1))
        constants.append("\n".join(wrapped(pairs, 0, f"{codes} = {{", "}")))
        missing = part.codes if part.missing else 0
        return f"        category(row, {name}, {codes}, missing={missing}),"
    settings = [name]
    if column.kind in ("date", "datetime"):
        settings.append(literal(part.of))
    if (part.origin, part.unit) != (0.0, 1.0):
        settings += [f"origin={literal(part.origin)}", f"unit={literal(part.unit)}"]
    return f"        {_CALLS[column.kind]}(row, {', '.join(settings)}),"
