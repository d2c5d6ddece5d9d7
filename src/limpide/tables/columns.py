"""One column from anything like an array: NumPy, pandas or plain Python values to a polars Series.

Answers for exact conversion, or a refusal that names the column and the values. Not for: whole
frames (``frames``).
"""

from __future__ import annotations

import datetime
import decimal
import numbers
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from limpide.errors import DataError, DtypeError

_TIMES = (datetime.datetime, datetime.date, datetime.time, datetime.timedelta)


def plain(cells: pl.Series) -> pl.Series:
    """Give cells under a neutral name: polars takes names such as ``^x$`` for patterns.

    Most methods of a Series look it up by its name, and would not find it.
    """
    return cells.alias("cell")


def apart(cells: pl.Series) -> pl.Series:
    """Give cells that are taken from a large column by themselves: text holds on to all of it.

    >>> apart(pl.Series("t", ["a", None])).to_list()
    ['a', None]
    """
    if cells.dtype != pl.String:
        return cells
    return pl.Series(cells.name, cells.to_list(), dtype=pl.String)


def tidy(values: pl.Series, source: str) -> pl.Series:
    """Bring a polars column to the dtypes of a ``Table``: NaN to null, categories to text, UTC.

    >>> tidy(pl.Series("x", [1.0, float("nan")]), "a frame").to_list()
    [1.0, None]

    Raises
    ------
    DtypeError
        The column is nested, binary or of another kind that is no number, text or time.
    """
    dtype = values.dtype
    if dtype.is_float():
        values = values.cast(pl.Float32) if dtype not in (pl.Float32, pl.Float64) else values
        if not plain(values).is_nan().any():
            return values
        return plain(values).fill_nan(None).alias(values.name)
    if dtype == pl.Decimal or dtype == pl.Null:
        return values.cast(pl.Float64)
    if dtype in (pl.Categorical, pl.Enum):
        return values.cast(pl.String)
    if dtype.is_integer():
        return _at_most_64_bits(values, source)
    if isinstance(dtype, pl.Datetime) and dtype.time_zone not in (None, "UTC"):
        # The hour on the clock hangs on the zone: files and data frames must give the same.
        return plain(values).dt.convert_time_zone("UTC").alias(values.name)
    if dtype == pl.Boolean or dtype == pl.String or dtype.is_temporal():
        return values
    if dtype.is_nested():
        raise DtypeError(
            f"{source}, column {values.name!r} is nested ({_short(dtype)}). "
            "Drop it, or flatten it into columns of numbers or text."
        )
    raise DtypeError(
        f"{source}, column {values.name!r} has dtype {_short(dtype)}, which is neither number, "
        "text nor time. Drop it or convert it."
    )


def _short(dtype: pl.DataType) -> str:
    text = str(dtype)
    return text if len(text) <= 80 else text[:77] + "..."


def _at_most_64_bits(values: pl.Series, source: str) -> pl.Series:
    if values.dtype.is_signed_integer() and values.dtype != pl.Int128:
        return values
    if values.dtype in (pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64):
        return values
    try:
        return values.cast(pl.Int64)
    except pl.exceptions.InvalidOperationError:
        raise DtypeError(
            f"{source}, column {values.name!r}: whole numbers beyond 64 bits are not read "
            "exactly. Convert the column to floating-point numbers."
        ) from None


def from_array(name: str, values: NDArray[Any], source: str) -> pl.Series:
    """Turn a one-dimensional NumPy array into a column.

    Masked values and NaT become null; big-endian, strided and read-only arrays are copied.

    Raises
    ------
    DtypeError
        The dtype is complex, bytes, or of another kind that is no number, text or time.
    """
    mask = np.ma.getmaskarray(values) if isinstance(values, np.ma.MaskedArray) else None
    plain = np.asarray(values)
    kind = plain.dtype.kind
    if kind == "O":
        items = plain.tolist()
        if mask is not None:
            items = [None if gone else item for item, gone in zip(items, mask, strict=True)]
        return tidy(from_objects(name, items, source), source)
    if kind == "f":
        plain = _at_most_double(name, plain, source)
    elif kind in "Mm":
        plain = _known_unit(plain)
    elif kind not in "biuU":
        raise DtypeError(
            f"{source}, column {name!r} has dtype {plain.dtype}, which is neither number, text "
            "nor time. Drop it or convert it."
        )
    native = np.ascontiguousarray(plain.astype(plain.dtype.newbyteorder("="), copy=False))
    column = pl.Series(name, native.tolist() if kind == "U" else native)
    if mask is not None and mask.any():
        column = pl.select(pl.when(pl.Series(~mask)).then(column)).to_series().alias(name)
    return tidy(column, source)


def _at_most_double(name: str, values: NDArray[Any], source: str) -> NDArray[Any]:
    if values.dtype.itemsize == 2:
        return values.astype(np.float32)
    if values.dtype.itemsize <= 8:
        return values
    with np.errstate(over="ignore"):
        double = values.astype(np.float64)
    inexact = (double != values) & ~np.isnan(values)
    if inexact.any():
        row = int(np.flatnonzero(inexact)[0])
        raise DtypeError(
            f"{source}, column {name!r}: index {row} ({values[row]!r}) does not fit a 64-bit "
            "floating-point number exactly. Convert the column with astype('float64')."
        )
    return double


def _known_unit(values: NDArray[Any]) -> NDArray[Any]:
    """Give dates and durations in a unit that polars has: days, ms, µs or ns."""
    unit = np.datetime_data(values.dtype)[0]
    if unit in ("ms", "us", "ns") or (unit == "D" and values.dtype.kind == "M"):
        return values
    if values.dtype.kind == "M" and unit in ("Y", "M", "W"):
        return values.astype("datetime64[D]")
    return values.astype(f"{values.dtype.kind}8[ms]")


def from_objects(name: str, items: Sequence[Any], source: str) -> pl.Series:
    """Turn Python values of one kind into a column; None, NaN and the like are missing.

    >>> from_objects("x", [1, None, 2.5], "a list").to_list()
    [1.0, None, 2.5]

    Raises
    ------
    DataError
        Two kinds of values are mixed, such as text and numbers: both named.
    DtypeError
        The values are of a kind that is no number, text or time.
    """
    values = [None if is_missing(item) else item for item in items]
    seen: dict[str, tuple[int, Any]] = {}
    for row, value in enumerate(values):
        if value is not None:
            seen.setdefault(_kind(value), (row, value))
    for wider, narrower in (("number", "whole number"), ("datetime", "date")):
        if wider in seen:
            seen[wider] = min(seen[wider], seen.pop(narrower, seen[wider]), key=lambda at: at[0])
    kinds = set(seen)
    if len(kinds) > 1:
        told = [
            f"{type(value).__name__} (index {row}: {_shown(value)})"
            for row, value in sorted(seen.values(), key=lambda at: at[0])[:2]
        ]
        raise DataError(
            f"{source}, column {name!r} mixes {told[0]} and {told[1]}. "
            "Make it all numbers or all text."
        )
    if not kinds:
        return pl.Series(name, [None] * len(values), pl.Float64)
    (kind,) = kinds
    if kind == "other":
        row, value = seen[kind]
        raise DtypeError(
            f"{source}, column {name!r}, index {row}: a value of type {type(value).__name__} is "
            "neither number, text nor time. Drop the column or convert it."
        )
    return _column_of(name, kind, values, source)


def _column_of(name: str, kind: str, values: list[Any], source: str) -> pl.Series:
    if kind == "text":
        return pl.Series(name, [None if v is None else str(v) for v in values], pl.String)
    if kind == "boolean":
        return pl.Series(name, [None if v is None else bool(v) for v in values], pl.Boolean)
    if kind == "whole number":
        whole = [None if v is None else int(v) for v in values]
        try:
            return pl.Series(name, whole, pl.Int64)
        except (OverflowError, TypeError, pl.exceptions.PolarsError):
            row = next(
                i for i, v in enumerate(whole) if v is not None and not -(2**63) <= v < 2**63
            )
            raise DataError(
                f"{source}, column {name!r}, index {row}: {_shown(whole[row])} is beyond 64 "
                "bits. Convert the column to floating-point numbers."
            ) from None
    if kind == "number":
        return pl.Series(name, [None if v is None else float(v) for v in values], pl.Float64)
    if kind == "datetime":
        return _moments(name, values, source)
    return pl.Series(name, values)


def _moments(name: str, values: list[Any], source: str) -> pl.Series:
    """Give dates and times as a column; with zones, in UTC, for each cell may have its own."""
    plain = [v.to_pydatetime() if hasattr(v, "to_pydatetime") else v for v in values]
    midnight = datetime.time()
    plain = [
        v
        if v is None or isinstance(v, datetime.datetime)
        else datetime.datetime.combine(v, midnight)
        for v in plain
    ]
    zoned = {v.tzinfo is not None: row for row, v in reversed([*enumerate(plain)]) if v is not None}
    if len(zoned) > 1:
        raise DataError(
            f"{source}, column {name!r} mixes times with a zone (index {zoned[True]}: "
            f"{plain[zoned[True]]}) and without one (index {zoned[False]}: "
            f"{plain[zoned[False]]}). Give all of them a zone, or none."
        )
    if True not in zoned:
        return pl.Series(name, plain, pl.Datetime("us"))
    utc = [None if v is None else v.astimezone(datetime.UTC) for v in plain]
    return pl.Series(name, utc, pl.Datetime("us", "UTC"))


def is_missing(item: Any) -> bool:
    """Say whether a Python value stands for a missing one: None, NaN, NA, NaT."""
    if item is None:
        return True
    if isinstance(item, (float, np.floating, decimal.Decimal)):
        return bool(item != item)
    # pandas' NA and NaT, without importing pandas; NumPy's NaT
    if type(item).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(item, (np.datetime64, np.timedelta64)) and bool(np.isnat(item))


def _kind(value: Any) -> str:
    if isinstance(value, str):
        return "text"
    if isinstance(value, (bool, np.bool_)):
        return "boolean"
    if isinstance(value, numbers.Integral):
        return "whole number"
    if isinstance(value, (numbers.Real, decimal.Decimal)):
        return "number"
    for kind in _TIMES:
        if isinstance(value, kind):
            return kind.__name__
    return "other"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."


def equal_lengths(columns: Iterable[tuple[str, int]], source: str) -> None:
    """Check that columns are of one length.

    Raises
    ------
    DataError
        Two are not: both named.
    """
    first: tuple[str, int] | None = None
    for name, length in columns:
        if first is None:
            first = (name, length)
        elif length != first[1]:
            raise DataError(
                f"{source}: column {first[0]!r} has {first[1]} rows but column {name!r} has "
                f"{length}. Give columns of one length."
            )
