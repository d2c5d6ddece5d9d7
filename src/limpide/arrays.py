"""What a network accepts as X, y and weights: checked once, converted once, never written to.

Answers for messages that name the row, the column and the remedy. Not for: tables with text or
missing values (``limpide.tables``).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from limpide.conversion import check_finite_scalar
from limpide.errors import (
    ArgumentError,
    ArgumentTypeError,
    DataError,
    DtypeError,
    MemoryLimitError,
    ShapeError,
)
from limpide.ir import NUMPY_DTYPES, Array
from limpide.losses import BCE, CrossEntropy, Loss, Poisson, check_shares, class_numbers
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


_FEW = 4096  # numbers


def as_rows(X: Any, n_features: int, dtype: str, *, missing: bool = False) -> tuple[Array, bool]:
    """Give X as ``as_matrix`` does, and whether it was a single row (one axis)."""
    # A few rows as they should be are taken in a microsecond.
    if type(X) is np.ndarray and 0 < X.size <= _FEW and _is_ready(X, NUMPY_DTYPES[dtype]):
        shape = X.shape
        if shape == (n_features,):
            return X[None], True
        if len(shape) == 2 and shape[1] == n_features:
            return X, False
    array = as_numbers(X, "X")
    single = is_one_row(array.shape, n_features)
    rows = array[None] if single else array
    return as_matrix(rows, n_features, dtype, missing=missing), single


def _is_ready(X: Array, dtype: np.dtype[Any]) -> bool:
    """Say whether rows can be taken as they are; doubtful ones are looked at again."""
    flags = X.flags
    if X.dtype != dtype or not (flags.c_contiguous and flags.aligned):
        return False
    return math.isfinite(np.vdot(X, X))  # may overflow: that is doubtful


def is_one_row(shape: tuple[int, ...], n_features: int) -> bool:
    """Say whether a shape is that of one row; refuse a row of another length."""
    if len(shape) != 1 or n_features == 1 != shape[0]:  # several numbers may be meant as rows
        return False
    if shape[0] != n_features:
        raise ShapeError(
            f"X is one row of {shape[0]} numbers; the network takes {n_features}. Give a row of "
            f"{n_features}, or rows [n, {n_features}]."
        )
    return True


def as_matrix(
    X: Any, n_features: int, dtype: str, *, name: str = "X", missing: bool = False
) -> Array:
    """Give X as C-contiguous ``dtype[n, n_features]``, itself where it already is.

    ``missing`` lets NaN pass, for a network whose first layer knows what to do with it.

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
    if array.dtype.kind in "iu":
        _check_whole(array, dtype, name)
    return _cast_finite(array, dtype, name, missing)


def _check_whole(array: Array, dtype: str, name: str) -> None:
    """Refuse whole numbers that the floats of a network would round."""
    target = NUMPY_DTYPES[dtype]
    limit = 2 ** (np.finfo(target).nmant + 1)
    if array.size == 0 or max(int(array.max()), -int(array.min())) <= limit:
        return
    size = np.abs(array).astype(np.uint64)
    lowest = np.maximum(size & (~size + np.uint64(1)), np.uint64(1))
    lost = size // lowest > limit  # its odd part has more digits than the float
    if lost.any():
        row, column = np.argwhere(lost)[0].tolist()
        remedy = (
            "Build the network with dtype='float64'."
            if dtype == "f32"
            else f"Make it smaller, or take what is near: {name}.astype('float64')."
        )
        raise DataError(
            f"{name} holds {array[row, column]} in row {row}, column {column}, a whole number "
            f"that {target} would round. {remedy}"
        )


_REMEDY = "Remove or fill them; lp.train(data, target=...) treats missing values itself."


def _cast_finite(
    array: Array, dtype: str, name: str, missing: bool = False, remedy: str = _REMEDY
) -> Array:
    with np.errstate(over="ignore"):
        try:
            # Aligned too: NumPy would copy a misaligned table whole for every batch.
            result = np.require(array, NUMPY_DTYPES[dtype], ["C", "A"])
        except MemoryError:
            long = NUMPY_DTYPES[dtype]
            raise MemoryLimitError(
                f"{name} as {long} needs {array.size * long.itemsize / 2**30:,.1f} GiB, more than "
                f"there is. Use fewer rows, or pass a C-contiguous array of {long}, which is not "
                "copied."
            ) from None
    # A sum of finite numbers can overflow; only then is each number looked at.
    with np.errstate(over="ignore", invalid="ignore"):
        doubtful = not np.isfinite(np.add.reduce(result, axis=None))
    if doubtful and not (finite := np.isfinite(result) | (missing & np.isnan(result))).all():
        first = np.unravel_index(int(np.argmin(finite)), array.shape)
        where = f"row {first[0]}" + (f", column {first[1]}" if len(first) > 1 else "")
        original = array[first]
        count = int((~finite).sum())
        if np.isfinite(original):
            wider = ", or build the network with dtype='float64'" if dtype == "f32" else ""
            raise DataError(
                f"{name} holds {count} numbers too large for {result.dtype}, the first "
                f"{original!s} at {where}. Scale the column{wider}."
            )
        raise DataError(
            f"{name} holds {count} values that are not finite, the first {original} at {where}. "
            f"{remedy}"
        )
    return result


def as_targets(
    y: Any,
    n_rows: int,
    outputs: int,
    loss: Loss,
    dtype: str,
    *,
    rows_of: str = "X",
    name: str = "y",
) -> Array:
    """Give y as ``dtype[n, outputs]``, or for class numbers ``i64[n]``; y is never broadcast.

    Raises
    ------
    ShapeError
        For another number of rows or columns.
    DataError
        For values that the loss cannot use.
    """
    array = as_numbers(y, name)
    if array.ndim == 0 or len(array) != n_rows:
        received = "is a single number" if array.ndim == 0 else f"has {len(array)} rows"
        raise ShapeError(
            f"{rows_of} has {n_rows} rows and {name} {received}; both need one entry a row."
        )
    if isinstance(loss, CrossEntropy):
        return _class_targets(array, outputs, dtype, name)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2 or array.shape[1] != outputs:
        raise ShapeError(
            f"{name} has shape {list(array.shape)}, the network gives [{n_rows}, {outputs}]; "
            f"{name} is never broadcast. Reshape it, or change the last layer."
        )
    result = _cast_finite(array, dtype, name)
    if isinstance(loss, BCE) and (result.min() < 0 or result.max() > 1):
        row = int(np.argmax((result < 0).any(axis=1) | (result > 1).any(axis=1)))
        bad = next(v for v in result[row].tolist() if not 0 <= v <= 1)
        raise DataError(
            f"Loss 'bce' needs {name} between 0 and 1; received {bad:g} in row {row}. "
            "Use loss='mse', or number the two classes 0 and 1."
        )
    if isinstance(loss, Poisson) and result.min() < 0:
        row = int(np.argmax((result < 0).any(axis=1)))
        raise DataError(
            f"Loss 'poisson' needs counts of at least 0 in {name}; received "
            f"{result[row][result[row] < 0][0]:g} in row {row}. Use loss='mse'."
        )
    return result


def _class_targets(array: Array, outputs: int, dtype: str, name: str) -> Array:
    if array.ndim == 2 and array.shape[1] == 1 and outputs > 1:
        array = array[:, 0]
    if array.ndim == 1:
        return class_numbers(_cast_finite(array, "f64", name), outputs, name)
    if array.ndim != 2 or array.shape[1] != outputs:
        raise ShapeError(
            f"{name} has shape {list(array.shape)}; the network has {outputs} classes, so it is "
            f"class numbers [n] or one column a class [n, {outputs}]."
        )
    result = _cast_finite(array, dtype, name)
    check_shares(result, name)
    return result


_PLAIN_EXPONENT = 30  # weights up to about 1e9 or 1e-9 are taken as they are


def as_weights(
    sample_weight: Any, n_rows: int, dtype: str, *, name: str = "sample_weight", rows_of: str = "X"
) -> Array | None:
    """Give weights as ``dtype[n]``, or None; refuse negative ones and all zeros.

    Only their ratios count: where the largest is far from 1 all are multiplied by one power of
    two, so that neither they nor their sums leave what ``dtype`` can hold.
    """
    if sample_weight is None:
        return None
    array = as_numbers(sample_weight, name)
    if array.shape != (n_rows,):
        raise ShapeError(
            f"{name} has shape {list(array.shape)}; {rows_of} has {n_rows} rows, so [{n_rows}]."
        )
    result = _cast_finite(array, "f64", name, remedy="Give each row a number of at least 0.")
    if result.min() < 0:
        row = int(result.argmin())
        raise DataError(f"{name} is {result[row]:g} in row {row}; it must be at least 0.")
    if not result.any():
        raise DataError(f"{name} is zero in all rows; at least one must be above 0.")
    exponent = int(np.frexp(result.max())[1])
    if abs(exponent) > _PLAIN_EXPONENT:
        result = np.ldexp(result, -exponent)
    return result.astype(NUMPY_DTYPES[dtype], copy=False)


def with_class_weight(
    class_weight: Any, y: Array, weights: Array | None, dtype: str, rows: Array | None = None
) -> Array | None:
    """Multiply row weights by the weight of the row's class.

    Parameters
    ----------
    class_weight
        A dict class number → weight, or ``"balanced"``: n / (classes · count), where a row
        counts as often as it weighs.
    rows
        Those that are trained on, which are counted; None is all.
    """
    if class_weight is None:
        return weights
    codes = _codes(y)
    chosen = slice(None) if rows is None else rows
    classes, places = np.unique(codes[chosen], return_inverse=True)
    counts = np.bincount(places, None if weights is None else weights[chosen])
    table = dict.fromkeys(classes.tolist(), 1.0)
    if isinstance(class_weight, Mapping):
        for key, weight in class_weight.items():
            if key not in table:
                raise ArgumentError(f"class_weight names class {key!r}; y holds {_few(table)}.")
            table[key] = check_finite_scalar(weight, f"class_weight[{key!r}]")
            if table[key] < 0:
                raise ArgumentError(
                    f"class_weight[{key!r}] must be at least 0; received {weight!r}."
                )
    elif class_weight == "balanced":
        # A class whose rows all weigh nothing has no share, and needs none.
        shares = counts.sum() / (len(classes) * np.where(counts > 0, counts, 1))
        table = dict(zip(classes.tolist(), shares.tolist(), strict=True))
    else:
        kind = ArgumentError if isinstance(class_weight, str) else ArgumentTypeError
        raise kind(f"class_weight must be 'balanced' or a dict; received {class_weight!r}.")
    factor = np.array([table.get(code, 1.0) for code in codes.tolist()], NUMPY_DTYPES[dtype])
    result: Array = factor if weights is None else factor * weights
    if not (result if rows is None else result[rows]).any():
        raise DataError("class_weight gives every row the weight 0; let one class have more.")
    return result


def _few(items: Iterable[Any]) -> str:
    listed = [str(i) for i in items]
    return ", ".join(listed[:10]) + (f" and {len(listed) - 10} more" if len(listed) > 10 else "")


def _codes(y: Array) -> Array:
    if y.ndim == 1:
        return y
    if y.shape[1] > 1:
        codes = y.argmax(axis=1)
        if (y.max(axis=1) != 1).any() or (np.count_nonzero(y, axis=1) != 1).any():
            raise DataError(
                "class_weight needs one class a row; y has several columns that are not one-hot. "
                "Use sample_weight."
            )
        return np.asarray(codes)
    codes = y[:, 0].astype(np.int64)
    if not np.array_equal(codes, y[:, 0]):
        raise DataError(
            "class_weight needs classes; y holds numbers that are not whole. Use sample_weight."
        )
    return codes
