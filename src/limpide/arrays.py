"""What a network accepts as X, y and weights: checked once, converted once, never written to.

Answers for messages that name the row, the column and the remedy. Not for: tables with text or
missing values (``limpide.tables``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from limpide.errors import ArgumentError, ArgumentTypeError, DataError, DtypeError, ShapeError
from limpide.ir import NUMPY_DTYPES, Array
from limpide.losses import BCE, CrossEntropy, Loss, Poisson
from limpide.tensor import Tensor


def as_numbers(value: Any, name: str) -> Array:
    """Give an array of real numbers in any dtype of numbers, or refuse by name."""
    if isinstance(value, Tensor):
        return value.numpy()
    if isinstance(value, np.ma.MaskedArray):
        if np.ma.is_masked(value):
            raise DataError(
                f"{name} is a masked array with masked entries; fill them first: {name}.filled(0)."
            )
        value = value.data
    if hasattr(value, "toarray"):
        raise DtypeError(f"{name} is sparse; a Network takes dense rows: pass {name}.toarray().")
    try:
        array = np.asarray(value)
    except ValueError:
        raise ShapeError(f"{name} is a list whose rows differ in length.") from None
    if array.dtype.kind == "O":
        return _from_objects(array, name)
    if array.dtype.kind not in "biuf":
        raise DtypeError(
            f"{name} holds {_kind(array)}; a Network takes numbers. For text and dates in a "
            "table use lp.train(data, target=...)."
        )
    return array


def _kind(array: Array) -> str:
    names = {"c": "complex numbers", "M": "dates", "m": "time spans", "U": "text", "S": "bytes"}
    return names.get(array.dtype.kind, f"dtype {array.dtype}")


def _from_objects(array: Array, name: str) -> Array:
    for place, item in np.ndenumerate(array):
        if not isinstance(item, (bool, int, float, np.number, np.bool_)) or np.iscomplexobj(item):
            raise DtypeError(
                f"{name} is an object array and holds {item!r} of type {type(item).__name__} at "
                f"{list(place)}; a Network takes numbers. For text in a table use lp.train."
            )
    return array.astype(np.float64)


def as_matrix(X: Any, n_features: int, dtype: str, *, name: str = "X", rows: str = "") -> Array:
    """Give X as C-contiguous ``dtype[n, n_features]``, itself where it already is.

    Raises
    ------
    ShapeError, DtypeError, DataError
        For another width or number of axes, for what is no number, for NaN and infinities.
    """
    array = as_numbers(X, name)
    if array.ndim != 2:
        hint = f"{name}.reshape(-1, 1)" if n_features == 1 else f"{name}.reshape(1, -1) for one row"
        raise ShapeError(
            f"{name} must have 2 axes, rows and features; received shape {list(array.shape)}. "
            f"Use {hint}."
        )
    if array.shape[1] != n_features:
        raise ShapeError(
            f"The network was built for {n_features} features, {name} has {array.shape[1]}. "
            f"Build it with Network([{array.shape[1]}, ...]) or choose the right columns."
        )
    if array.shape[0] == 0:
        raise DataError(f"{name} has 0 rows; at least 1 is needed.")
    return _cast_finite(array, dtype, name)


def _cast_finite(array: Array, dtype: str, name: str) -> Array:
    with np.errstate(over="ignore"):
        result = np.ascontiguousarray(array, dtype=NUMPY_DTYPES[dtype])
    # A sum of finite numbers can overflow; only then is each number looked at.
    with np.errstate(over="ignore", invalid="ignore"):
        doubtful = not np.isfinite(result.sum(dtype=np.float64))
    if doubtful and not (finite := np.isfinite(result)).all():
        first = np.unravel_index(int(np.argmin(finite)), array.shape)
        where = f"row {first[0]}" + (f", column {first[1]}" if len(first) > 1 else "")
        original = array[first]
        count = int((~finite).sum())
        if np.isfinite(original):
            raise DataError(
                f"{name} holds {count} numbers too large for float32, the first {original:g} at "
                f"{where}. Scale the column, or build the network with dtype='float64'."
            )
        raise DataError(
            f"{name} holds {count} values that are not finite, the first {original} at {where}. "
            "Remove or fill them; lp.train(data, target=...) treats missing values itself."
        )
    return result


def one_row(x: Any, n_features: int) -> bool:
    """Say whether x is a single row: one axis of the right length."""
    return np.ndim(x) == 1 and len(x) == n_features


def as_targets(y: Any, n_rows: int, outputs: int, loss: Loss, dtype: str) -> Array:
    """Give y as ``dtype[n, outputs]``, or for class numbers ``i64[n]``; y is never broadcast.

    Raises
    ------
    ShapeError
        For another number of rows or columns.
    DataError
        For values that the loss cannot use.
    """
    array = as_numbers(y, "y")
    if array.ndim == 0 or len(array) != n_rows:
        received = "a single number" if array.ndim == 0 else f"{len(array)} rows"
        raise ShapeError(f"X has {n_rows} rows and y {received}; both need one entry a row.")
    if isinstance(loss, CrossEntropy):
        return _class_targets(array, outputs, dtype)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2 or array.shape[1] != outputs:
        raise ShapeError(
            f"y has shape {list(array.shape)}, the network gives [{n_rows}, {outputs}]; "
            "y is never broadcast. Reshape y, or change the last layer."
        )
    result = _cast_finite(array, dtype, "y")
    if isinstance(loss, BCE) and (result.min() < 0 or result.max() > 1):
        bad = result.min() if result.min() < 0 else result.max()
        raise DataError(f"Loss 'bce' needs y between 0 and 1; received {bad:g}. Use loss='mse'.")
    if isinstance(loss, Poisson) and result.min() < 0:
        raise DataError(f"Loss 'poisson' needs counts of at least 0; received {result.min():g}.")
    return result


def _class_targets(array: Array, outputs: int, dtype: str) -> Array:
    if array.ndim == 2 and array.shape[1] == 1 and outputs > 1:
        array = array[:, 0]
    if array.ndim == 1:
        numbers = _cast_finite(array, "f64", "y")
        whole = numbers.astype(np.int64)
        wrong = np.flatnonzero((whole != numbers) | (whole < 0) | (whole >= outputs))
        if len(wrong):
            row = int(wrong[0])
            raise DataError(
                f"y holds {numbers[row]:g} in row {row}; class numbers go from 0 to "
                f"{outputs - 1}, one for each output of the network."
            )
        return whole
    if array.ndim != 2 or array.shape[1] != outputs:
        raise ShapeError(
            f"y has shape {list(array.shape)}; the network has {outputs} classes, so y is class "
            f"numbers [n] or one column a class [n, {outputs}]."
        )
    result = _cast_finite(array, dtype, "y")
    sums = result.sum(axis=1)
    wrong = np.flatnonzero((np.abs(sums - 1) > 1e-3) | (result.min(axis=1) < 0))
    if len(wrong):
        row = int(wrong[0])
        raise DataError(f"Row {row} of y must hold probabilities that sum to 1; {sums[row]:g}.")
    return result


def as_weights(sample_weight: Any, n_rows: int, dtype: str) -> Array | None:
    """Give weights as ``dtype[n]``, or None; refuse negative ones and all zeros."""
    if sample_weight is None:
        return None
    array = as_numbers(sample_weight, "sample_weight")
    if array.shape != (n_rows,):
        raise ShapeError(
            f"sample_weight has shape {list(array.shape)}; X has {n_rows} rows, so [{n_rows}]."
        )
    result = _cast_finite(array, dtype, "sample_weight")
    if result.min() < 0:
        row = int(result.argmin())
        raise DataError(f"sample_weight is {result[row]:g} in row {row}; it must be at least 0.")
    if not result.any():
        raise DataError("sample_weight is 0 in all rows; at least one must be above 0.")
    return result


def with_class_weight(class_weight: Any, y: Array, weights: Array | None, dtype: str) -> Any:
    """Multiply row weights by the weight of the row's class.

    ``class_weight`` is a dict class number → weight, or ``"balanced"``: n / (classes · count).
    """
    if class_weight is None:
        return weights
    codes = _codes(y)
    if isinstance(class_weight, str):
        if class_weight != "balanced":
            raise ArgumentError(
                f"class_weight must be 'balanced' or a dict; received {class_weight!r}."
            )
        classes, counts = np.unique(codes, return_counts=True)
        table = dict(zip(classes.tolist(), len(codes) / (len(classes) * counts), strict=True))
    elif isinstance(class_weight, Mapping):
        table = dict(class_weight)
    else:
        raise ArgumentTypeError(
            f"class_weight must be 'balanced' or a dict; received {class_weight!r}."
        )
    known = set(np.unique(codes).tolist())
    for name in table:
        if name not in known:
            raise ArgumentError(f"class_weight names class {name!r}; y holds {sorted(known)}.")
    factor = np.array([table.get(code, 1.0) for code in codes.tolist()], NUMPY_DTYPES[dtype])
    return as_weights(factor if weights is None else factor * weights, len(codes), dtype)


def _codes(y: Array) -> Array:
    if y.ndim == 1:
        return y
    if y.shape[1] > 1:
        return np.asarray(y.argmax(axis=1))
    codes = y[:, 0].astype(np.int64)
    if not np.array_equal(codes, y[:, 0]):
        raise DataError("class_weight needs classes; y holds numbers that are not whole.")
    return codes
