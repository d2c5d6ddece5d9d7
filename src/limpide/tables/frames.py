"""Tables that are in memory already: data frames of any library, dicts of columns, NumPy arrays.

Answers for exact conversion without importing those libraries. Not for: single columns
(``columns``), nor for files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import polars as pl
from numpy.typing import NDArray

from limpide.errors import ArgumentTypeError, DataError, DtypeError, ShapeError
from limpide.tables.columns import equal_lengths, from_array, from_objects, tidy


def from_memory(data: Any) -> tuple[pl.DataFrame, str, list[str]]:
    """Give the frame, what messages call it, and notes, for any table in memory.

    Raises
    ------
    ArgumentTypeError
        It is no table.
    DataError, DtypeError, ShapeError
        Its shape, names or values cannot be those of a table.
    """
    data = nw.to_native(data, pass_through=True)
    kind = type(data)
    home = kind.__module__.split(".")[0]
    source = kind.__name__ if home == "builtins" else f"{home} {kind.__name__}"
    if isinstance(data, pl.LazyFrame):
        data = _collected(data)
    if isinstance(data, pl.DataFrame):
        return pl.DataFrame([tidy(column, source) for column in data]), source, []
    if isinstance(data, Mapping):
        return _from_mapping(data), "dict of columns", []
    if isinstance(data, np.ndarray):
        return _from_array(data), "NumPy array", []
    if nw.dependencies.is_pandas_like_dataframe(data):
        return _from_pandas(data, source)
    if nw.dependencies.is_into_series(data):
        raise ShapeError(f"a table has columns; received one column, a {source}. Give a frame.")
    if hasattr(data, "__arrow_c_stream__") or hasattr(data, "__arrow_c_array__"):
        return _from_arrow(data, source), source, []
    if nw.dependencies.is_into_dataframe(data) or _is_lazy(data):
        lazy = nw.from_native(data)
        frame = lazy.collect("polars") if isinstance(lazy, nw.LazyFrame) else lazy
        return _from_arrow(frame.to_polars(), source), source, []
    if hasattr(data, "__array__") and not isinstance(data, (str, bytes)):
        return _from_array(np.asarray(data)), source, []
    raise ArgumentTypeError(
        "a table must be a path, a data frame, a dict of columns or a NumPy array of two "
        f"dimensions; received {source}. Convert it first, for example with pandas.DataFrame."
    )


def _is_lazy(data: Any) -> bool:
    return isinstance(nw.from_native(data, pass_through=True), nw.LazyFrame)


def _named(names: Iterable[Any], source: str) -> tuple[list[str], list[str]]:
    """Give the columns' names as text, and a note if some were not."""
    given = list(names)
    texts = [str(name) for name in given]
    first: dict[str, int] = {}
    for index, text in enumerate(texts):
        if text in first:
            raise DataError(
                f"{source}: column name {text!r} stands twice, at positions {first[text] + 1} and "
                f"{index + 1}. Rename one of them."
            )
        first[text] = index
    odd = [name for name in given if not isinstance(name, str)]
    notes = [f"column names such as {odd[0]!r} are taken as text"] if odd else []
    return texts, notes


def _collected(data: pl.LazyFrame) -> pl.DataFrame:
    try:
        return data.collect()
    except pl.exceptions.PolarsError as fault:
        told = (str(fault).strip() or type(fault).__name__).splitlines()[0][:200]
        raise DataError(
            f"polars LazyFrame cannot be computed: {told}. Correct the query, or collect it first."
        ) from None


def _from_arrow(data: Any, source: str) -> pl.DataFrame:
    if hasattr(data, "column_names"):
        _named(data.column_names, source)
    try:
        frame = pl.DataFrame(data)
    except pl.exceptions.DuplicateError as fault:
        raise DataError(f"{source}: {fault}. Rename one of the columns.") from None
    except (pl.exceptions.PolarsError, TypeError, ValueError) as fault:
        raise DataError(
            f"{source} cannot be read as a table: {fault}. Drop or convert that column."
        ) from None
    return pl.DataFrame([tidy(column, source) for column in frame])


def _from_mapping(data: Mapping[Any, Any]) -> pl.DataFrame:
    source = "dict of columns"
    names, _ = _named(data, source)
    columns = [
        to_column(name, values, source) for name, values in zip(names, data.values(), strict=True)
    ]
    equal_lengths(((column.name, len(column)) for column in columns), source)
    return pl.DataFrame(columns)


def to_column(name: str, values: Any, source: str) -> pl.Series:
    """Turn one column of any kind (Series, array, list) into a tidy polars column.

    Raises
    ------
    ArgumentTypeError
        It is no column but a single value.
    ShapeError
        It has another number of dimensions than one.
    """
    values = nw.to_native(values, pass_through=True)
    if isinstance(values, pl.Series):
        return tidy(values.alias(name), source)
    if nw.dependencies.is_pandas_like_series(values):
        return _pandas_column(name, values, source)
    if hasattr(values, "__arrow_c_stream__") or hasattr(values, "__arrow_c_array__"):
        return tidy(pl.Series(name, values), source)
    if not isinstance(values, np.ndarray) and hasattr(values, "__array__"):
        values = np.asarray(values)
    if isinstance(values, np.ndarray):
        if values.ndim != 1:
            raise ShapeError(
                f"{source}, column {name!r} has shape {values.shape}. Give one value a row."
            )
        return from_array(name, values, source)
    if isinstance(values, (str, bytes)) or not isinstance(values, (Sequence, range)):
        raise ArgumentTypeError(
            f"{source}, column {name!r} must be a list or an array of one value a row; received "
            f"{type(values).__name__}."
        )
    return tidy(from_objects(name, values, source), source)


def _from_array(data: NDArray[Any]) -> pl.DataFrame:
    source = "NumPy array"
    if data.dtype.names is not None:
        if data.ndim != 1:
            raise ShapeError(
                f"a structured array must have one dimension, one record a row; received shape "
                f"{data.shape}. Pass array.ravel()."
            )
        return pl.DataFrame([from_array(name, data[name], source) for name in data.dtype.names])
    if data.ndim != 2:
        hint = " Pass array.reshape(-1, 1) for one column." if data.ndim == 1 else ""
        raise ShapeError(
            f"a table must have two dimensions, rows and columns; received shape {data.shape}."
            f"{hint or ' Reshape it to (rows, columns).'}"
        )
    return pl.DataFrame(
        [from_array(f"x{index}", data[:, index], source) for index in range(data.shape[1])]
    )


def _from_pandas(data: Any, source: str) -> tuple[pl.DataFrame, str, list[str]]:
    names, notes = _named(data.columns, source)
    index = data.index
    plain = type(index).__name__ == "RangeIndex" and index.start == 0 and index.step == 1
    if not plain and len(index):
        notes.append(f"the index ({type(index).__name__}) is ignored: call reset_index() to use it")
    columns = [
        _pandas_column(name, data.iloc[:, place], source) for place, name in enumerate(names)
    ]
    return pl.DataFrame(columns), source, notes


def _pandas_column(name: str, values: Any, source: str) -> pl.Series:
    """Convert by what pandas itself offers; polars would ask for pyarrow."""
    dtype = values.dtype
    if isinstance(dtype, np.dtype):
        return from_array(name, values.to_numpy(), source)
    kind = type(dtype).__name__
    if kind == "CategoricalDtype":
        names = [str(category) for category in values.cat.categories]
        codes = values.cat.codes.to_numpy()
        return pl.Series(name, [names[code] if code >= 0 else None for code in codes], pl.String)
    if kind == "SparseDtype":
        return _pandas_column(name, values.sparse.to_dense(), source)
    if kind == "DatetimeTZDtype":
        moments = values.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy()
        return from_array("cell", moments, source).dt.replace_time_zone("UTC").alias(name)
    if kind == "ArrowDtype":
        return tidy(pl.Series(name, values.array.__arrow_array__()), source)
    missing = values.isna().to_numpy()
    if getattr(dtype, "kind", "") in ("b", "i", "u", "f") and hasattr(dtype, "numpy_dtype"):
        filled = values.to_numpy(dtype=dtype.numpy_dtype, na_value=dtype.numpy_dtype.type(0))
        return from_array(name, np.ma.MaskedArray(filled, missing), source)
    if kind == "StringDtype":
        items = values.to_numpy(dtype=object)
        return from_array(name, np.ma.MaskedArray(items, missing), source)
    raise DtypeError(
        f"{source}, column {name!r} has dtype {dtype}, which is neither number, text nor time. "
        "Drop it or convert it."
    )
