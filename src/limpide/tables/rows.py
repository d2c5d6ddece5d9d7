"""X by itself: rows of features in any form, as a ``Table`` or as plain numbers.

Answers for arrays, lists, sparse matrices and data frames, and for refusals that say what to do.
Not for: tables with their target (``reading``), nor for y (``labels``).
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
from numpy.typing import NDArray

from limpide.errors import (
    ArgumentTypeError,
    DataError,
    DtypeError,
    LimpideWarning,
    ShapeError,
)
from limpide.memory import check_fits
from limpide.tables.numeric import KINDS, Numeric
from limpide.tables.reading import read_table
from limpide.tables.table import Table

Rows = Table | Numeric

_A_COLUMN = 1000  # bytes that it takes to remember a column


def read_rows(X: Any, *, name: str = "X", text: Collection[str] = ()) -> tuple[Rows, bool]:
    """Read rows of features, and say whether their columns have names.

    Numbers stay an array or sparse, all else becomes a ``Table``. Columns without names are called
    x0, x1, …

    Parameters
    ----------
    X
        A NumPy array, a list of rows, a sparse matrix, or a data frame of any library.
    name
        What messages call it.
    text
        The columns to be read as text.

    Raises
    ------
    DataError, DtypeError, ShapeError, ArgumentTypeError
        For what is no table of rows and columns.

    Examples
    --------
    >>> rows, is_named = read_rows([[1.0, 2.0], [3.0, None]])
    >>> rows.columns, is_named
    (['x0', 'x1'], False)
    """
    if isinstance(X, (str, bytes)) or X is None:
        raise ArgumentTypeError(
            f"{name} must be rows of features: an array, a data frame or a sparse matrix; received "
            f"{'None' if X is None else 'text'}. Read a file first, or use lp.train(path, target)."
        )
    if hasattr(X, "tocsr"):
        return _sparse(X, name), False
    if isinstance(X, (list, tuple)):
        X = _from_list(X, name)
    elif not _is_frame(X) and hasattr(X, "__array__"):
        X = _as_array(X, name)
    if not isinstance(X, np.ndarray):
        table = read_table(X, text=text)
        is_named = not nw.dependencies.is_pandas_like_dataframe(X) or _has_text(X.columns)
        frame = table.frame
        if not is_named:  # numbers are no names, as in scikit-learn
            frame = frame.rename(dict(zip(frame.columns, numbered(frame.width), strict=True)))
        return replace(table, frame=frame, source=f"{name} ({table.source})"), is_named
    is_named = X.dtype.names is not None
    if not is_named:
        _check_shape(X, name)
        _check_kind(X, name)
        if X.dtype.kind in KINDS and X.dtype.itemsize <= 8 and type(X) is np.ndarray:
            return Numeric(_native(X), numbered(X.shape[1]), name), False
    return replace(read_table(X, text=text), source=name), is_named


def numbered(count: int) -> list[str]:
    """Give names to columns that have none: x0, x1, …"""
    return [f"x{i}" for i in range(count)]


def matched(rows: Rows, is_named: bool, names: Sequence[str], was_named: bool, owner: str) -> Rows:
    """Give rows whose columns go by the names of training, or refuse them.

    Columns without names are taken in their order, and so are named ones where training had none;
    both with a warning, as scikit-learn does. All others are found by name.

    Parameters
    ----------
    is_named
        Whether the rows have names for their columns, and not just numbers.
    names
        The columns of training, in order.
    was_named
        Whether those are names.
    owner
        The class of the estimator.
    """
    if is_named and was_named:
        return rows  # what is missing is named where the matrix is made
    given = rows.columns
    if len(given) != len(names):
        raise DataError(
            f"{rows.source} has {len(given)} features, but {owner} is expecting {len(names)} "
            "features as input. Give the columns of training, in their order."
        )
    if is_named != was_named:
        told = f"{rows.source} has feature names, but {owner} was fitted without"
        if was_named:
            told = f"{rows.source} does not have valid feature names, but {owner} was fitted with"
        warnings.warn(
            f"{told} feature names: its columns are taken in their order.",
            LimpideWarning,
            stacklevel=6,
        )
    if given == list(names):
        return rows
    if isinstance(rows, Numeric):
        return replace(rows, names=list(names))
    return replace(rows, frame=rows.frame.rename(dict(zip(given, names, strict=True))))


def check_dense(rows: Numeric, itemsize: int) -> None:
    """Refuse a sparse matrix whose dense rows would not fit in memory.

    Columns that are empty throughout are never made dense.
    """
    if rows.is_sparse:
        n, d = rows.values.shape
        used = len(np.unique(rows.values.indices))
        check_fits(
            1.5 * n * used * itemsize + _A_COLUMN * d,
            f"Training on {rows.source} of {n:,} rows and {d:,} columns, sparse here and dense in "
            "the network,",
            "Keep fewer columns, such as TfidfVectorizer(max_features=2000).",
        )


def _is_frame(X: Any) -> bool:
    return any(hasattr(type(X), name) for name in ("__arrow_c_stream__", "columns", "keys"))


def _has_text(names: Any) -> bool:
    return any(isinstance(name, str) for name in names)


def _as_array(X: Any, name: str) -> NDArray[Any]:
    if isinstance(X, np.ndarray):
        return X if type(X) in (np.ndarray, np.ma.MaskedArray) else np.asarray(X)
    return np.asarray(X)


def _native(X: NDArray[Any]) -> NDArray[Any]:
    return X if X.dtype.isnative else X.astype(X.dtype.newbyteorder("="))


def _from_list(X: Sequence[Any], name: str) -> NDArray[Any]:
    try:
        array = np.asarray(X)
    except ValueError:
        raise ShapeError(
            f"{name} is a list whose rows differ in length. Give rows of one length."
        ) from None
    if array.dtype.kind in "US" and array.ndim == 2:
        return np.array(X, dtype=object)  # NumPy has made text of the numbers, too
    return array


def _check_shape(X: NDArray[Any], name: str) -> None:
    if X.ndim != 2:
        told = "a single value" if X.ndim == 0 else f"{X.ndim} axes, shape {list(X.shape)}"
        raise ShapeError(
            f"{name} must have two axes, rows and features; received {told}. Reshape your data "
            f"either using {name}.reshape(-1, 1) if it has a single feature or "
            f"{name}.reshape(1, -1) if it is a single row."
        )
    if X.shape[1] == 0:
        raise DataError(
            f"{name} has 0 feature(s) (shape={X.shape}) while a minimum of 1 is required. Give it "
            "a column."
        )
    if X.shape[0] == 0:
        raise DataError(
            f"{name} has 0 sample(s) (shape={X.shape}) while a minimum of 1 is required. Give it "
            "rows."
        )


def _check_kind(X: NDArray[Any], name: str) -> None:
    if X.dtype.kind == "c":
        raise DataError(
            f"Complex data not supported: {name} holds complex numbers. Pass their real and "
            "imaginary parts as columns."
        )
    if X.dtype.kind != "O":
        return
    for place, item in np.ndenumerate(X):
        if isinstance(item, (complex, np.complexfloating)):
            raise DataError(
                f"Complex data not supported: {name} holds {item!r} in row {place[0]}, column "
                f"{place[1]}. Pass real numbers."
            )
        if isinstance(item, (dict, list, tuple, set, np.ndarray)):
            raise DtypeError(
                f"{name} holds a {type(item).__name__} in row {place[0]}, column {place[1]}; each "
                "cell of this argument must be a string, a number, true or false, or a time. "
                "Flatten it into columns."
            )


def _sparse(X: Any, name: str) -> Numeric:
    if len(X.shape) != 2:
        raise ShapeError(
            f"{name} is sparse and has shape {tuple(X.shape)}; it must have two axes, rows and "
            f"features. Reshape your data either using {name}.reshape(-1, 1) or "
            f"{name}.reshape(1, -1)."
        )
    values = X.tocsr()
    kind = values.dtype.kind
    if kind == "c":
        raise DataError(
            f"Complex data not supported: {name} is sparse and holds complex numbers. Pass real "
            "numbers."
        )
    if kind not in "biuf" or values.dtype.itemsize > 8:
        raise DtypeError(
            f"{name} is sparse and holds {values.dtype}; numbers are needed. Convert it with "
            f"{name}.astype('float64')."
        )
    if kind == "b":
        values = values.astype(np.int8)
    n, d = values.shape
    if n == 0 or d == 0:
        lost = "feature" if d == 0 else "sample"
        raise DataError(
            f"{name} has 0 {lost}(s) (shape={(n, d)}) while a minimum of 1 is required. Give it "
            "rows and columns."
        )
    check_fits(_A_COLUMN * d, f"{name} of {d:,} columns", "Keep fewer columns.")
    return Numeric(values, numbered(d), name)
