"""A table's columns as inputs of an ONNX graph.

Answers for which input a column is, and for the nodes from there to the network's matrix. Not for:
the network (``opset``), nor for labels (``opset_ends``).

=================  =====================================================================
column             input, [n, 1]
=================  =====================================================================
number             float, NaN where missing; as text (string) where float32 is too coarse;
                   double for a float64 network
true or false      float: 1, 0, NaN where missing
text               string, empty where missing
date, with time    int64: microseconds since 1970 (UTC), −2⁶³ where missing (NumPy's NaT)
time, duration     int64: microseconds, −2⁶³ where missing
=================  =====================================================================
"""

from __future__ import annotations

from typing import Any

import numpy as np

from limpide.exports.opset import Operators
from limpide.exports.opset_ends import Port
from limpide.tables.cells import MISSING
from limpide.tables.features import Column, Part
from limpide.tables.preprocessing import Preprocessing

DAY = 86_400_000_000
NOT_A_TIME = -(2**63)
_MOST = 3e38
_ML = "ai.onnx.ml"


def is_text(column: Column, dtype: np.dtype[Any]) -> bool:
    """Say whether a column comes in as text: categories, and numbers too fine for float32."""
    if column.kind != "number" or dtype == np.float64:
        return column.is_text
    return any((part.origin, part.unit) != (0.0, 1.0) for part in column.parts)


def column_ports(preprocessing: Preprocessing, dtype: np.dtype[Any]) -> list[Port]:
    """Give an input for each column, in the table's order, for a network of some dtype."""
    ports = []
    for column in preprocessing.used:
        number = column.kind in ("number", "boolean")
        kind = np.dtype("U") if is_text(column, dtype) else dtype if number else np.dtype("i8")
        ports.append(Port(column.name, kind, ("n", 1)))
    return ports


def matrix(preprocessing: Preprocessing, dtype: np.dtype[Any], to: Operators) -> str:
    """Add the nodes from the columns to the network's matrix, dtype[n, width]; give its name."""
    parts = [_number(column, part, dtype, to) for column, part in preprocessing.numbers]
    parts += [_code(column, part, dtype, to) for column, part in preprocessing.codes]
    return to.add("Concat", *parts, axis=1, name="x")


def _code(column: Column, part: Part, dtype: np.dtype[Any], to: Operators) -> str:
    keys = [*part.categories]
    codes = [float(code) for code in range(1, len(keys) + 1)]
    if part.missing:
        keys += MISSING
        codes += [float(part.codes)] * len(MISSING)
    found = to.add(
        "LabelEncoder",
        column.name,
        domain=_ML,
        keys_strings=keys,
        values_floats=codes,
        default_float=0.0,
        name=f"{column.name}_code",
    )
    return found if dtype == np.float32 else to.add("Cast", found, to=dtype)


def _number(column: Column, part: Part, dtype: np.dtype[Any], to: Operators) -> str:
    if is_text(column, dtype):
        return _moved(_read_number(column, to), part, column, dtype, to)
    if column.kind in ("number", "boolean"):
        if (part.origin, part.unit) == (0.0, 1.0):
            return column.name
        double = to.add("Cast", column.name, to=np.dtype("f8"))
        return _moved(double, part, column, dtype, to)
    if part.of != "value":
        return _moved(_calendar(column, part.of, to), part, column, dtype, to)
    unit = 3_600_000_000 if column.kind == "time" else DAY
    return _moved(_timed(column, column.name, unit, to), part, column, dtype, to)


def _read_number(column: Column, to: Operators) -> str:
    """Read numbers from text as float64; what means a missing value is NaN."""
    text = column.name
    missing = to.add(
        "LabelEncoder",
        text,
        domain=_ML,
        keys_strings=list(MISSING),
        values_int64s=[1] * len(MISSING),
        default_int64=0,
    )
    gone = to.add("Cast", missing, to=np.dtype("?"))
    shown = to.add("Where", gone, to.constant(np.array("nan")), text)
    return to.add("Cast", shown, to=np.dtype("f8"), name=f"{text}_number")


def _moved(values: str, part: Part, column: Column, dtype: np.dtype[Any], to: Operators) -> str:
    """Give (values − origin) / unit within what float32 holds, worked out in float64."""
    double = np.dtype("f8")
    if part.origin != 0:
        values = to.add("Sub", values, to.constant(part.origin, double))
    if part.unit != 1:
        values = to.add("Div", values, to.constant(part.unit, double))
    # A missing value is none of these: Where keeps it, other operators may not.
    for kind, most in (("Greater", _MOST), ("Less", -_MOST)):
        end = to.constant(most, double)
        values = to.add("Where", to.add(kind, values, end), end, values)
    return to.add("Cast", values, to=dtype, name=f"{column.name}_{part.of}")


def _timed(column: Column, whole: str, unit: int, to: Operators) -> str:
    """Give microseconds in another unit as float64, NaN where they are missing."""
    double = np.dtype("f8")
    found = to.add("Div", to.add("Cast", whole, to=double), to.constant(float(unit), double))
    return _known(column, found, to)


def _known(column: Column, values: str, to: Operators) -> str:
    gone = to.add("Equal", column.name, to.constant(NOT_A_TIME, np.int64))
    return to.add("Where", gone, to.constant(np.nan, np.float64), values)


def _calendar(column: Column, of: str, to: Operators) -> str:
    """Give month, weekday or hour of microseconds since 1970, as float64.

    Source: Hinnant, "chrono-compatible low-level date algorithms" (2013): years begin in March.
    """

    def whole(number: int) -> str:
        return to.constant(number, np.int64)

    rest = to.add("Mod", column.name, whole(DAY))
    if of == "hour":
        return _timed(column, rest, 3_600_000_000, to)
    days = to.add("Div", to.add("Sub", column.name, rest), whole(DAY))
    if of == "weekday":
        place = to.add("Mod", to.add("Add", days, whole(3)), whole(7))
        found = to.add("Add", place, whole(1))
    else:
        found = _month(days, to)
    return _known(column, to.add("Cast", found, to=np.dtype("f8")), to)


def _month(days: str, to: Operators) -> str:
    def whole(number: int) -> str:
        return to.constant(number, np.int64)

    def divided(name: str, number: int) -> str:
        return to.add("Div", name, whole(number))

    day = to.add("Mod", to.add("Add", days, whole(719468)), whole(146097))
    leap = to.add("Sub", day, divided(day, 1460))
    leap = to.add("Add", leap, divided(day, 36524))
    leap = to.add("Sub", leap, divided(day, 146096))
    year = divided(leap, 365)
    before = to.add("Mul", year, whole(365))
    before = to.add("Add", before, divided(year, 4))
    before = to.add("Sub", before, divided(year, 100))
    inside = to.add("Sub", day, before)
    march = divided(to.add("Add", to.add("Mul", inside, whole(5)), whole(2)), 153)
    # March is 0: months from 10 on belong to the year after
    turned = to.add("Mod", to.add("Add", march, whole(2)), whole(12))
    return to.add("Add", turned, whole(1))
