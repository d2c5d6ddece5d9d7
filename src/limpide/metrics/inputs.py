"""What a metric accepts: arrays of numbers, codes, labels, probabilities, weights.

Answers for exact conversion and for errors that name the argument and the first bad index.
Not for: any figure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limpide.errors import (
    ArgumentError,
    ArgumentTypeError,
    DataError,
    DtypeError,
    MemoryLimitError,
    ShapeError,
    choice_error,
)

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

_LARGEST_CONFUSION = 5_000  # classes; the matrix is then 200 MB of int64


def _raw(name: str, value: object) -> NDArray[Any]:
    """Give ``value`` as an array of at least one row, or an error that names it."""
    if isinstance(value, np.ma.MaskedArray) and np.ma.getmaskarray(value).any():
        where = int(np.flatnonzero(np.ma.getmaskarray(value))[0])
        raise DataError(f"{name} is masked at index {where}. Drop or fill the masked entries.")
    if hasattr(value, "toarray") and not isinstance(value, np.ndarray):
        raise DtypeError(f"{name} is a sparse matrix; expected an array. Use {name}.toarray().")
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise DataError(f"{name} has rows of different lengths; expected an array.") from error
    if array.ndim == 0:
        raise ShapeError(f"{name} must have one value a row; received {array.item()!r}.")
    if array.size == 0:
        raise DataError(f"{name} is empty (shape {array.shape}). Give at least one row.")
    return array


def read_numbers(name: str, value: object, *, infinite: bool = False) -> Floats:
    """Convert to float64, exactly or with an error that names the first value at fault."""
    array = _raw(name, value)
    if array.dtype.kind not in "biufO":
        first = array.flat[0]
        raise DtypeError(f"{name} must hold numbers; received {array.dtype}, {first!r} first.")
    try:
        with np.errstate(over="ignore"):  # a longdouble may not fit; it is then refused as infinite
            numbers = np.asarray(array, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise DtypeError(f"{name} must hold numbers; {error}.") from error
    if array.dtype.kind in "iu" and array.dtype.itemsize == 8:
        refuse(name, numbers, np.abs(numbers) > 2.0**53, "larger than 2**53, not exact as float64")
    refuse(name, numbers, np.isnan(numbers), "NaN (missing). Drop those rows or fill them")
    if not infinite:
        refuse(name, numbers, np.isinf(numbers), "infinite. Drop those rows")
    return numbers


def refuse(name: str, array: Floats, bad: NDArray[np.bool_], why: str) -> None:
    if bad.any():
        where = np.unravel_index(int(np.argmax(bad)), bad.shape)
        place = ", ".join(str(int(i)) for i in where)
        value = array[where]
        raise DataError(f"{name}[{place}] is {value:g}: {why}; {int(bad.sum())} such in {name}.")


def read_column(name: str, value: object, *, infinite: bool = False) -> Floats:
    numbers = read_numbers(name, value, infinite=infinite)
    if numbers.ndim == 2 and numbers.shape[1] == 1:
        return numbers[:, 0]
    if numbers.ndim != 1:
        raise ShapeError(f"{name} must be one column, shape (n,); received {numbers.shape}.")
    return numbers


def read_matrix(name: str, value: object) -> Floats:
    numbers = read_numbers(name, value)
    if numbers.ndim > 2:
        raise ShapeError(f"{name} must have shape (n,) or (n, k); received {numbers.shape}.")
    return numbers.reshape(len(numbers), -1)


def read_codes(name: str, value: object, n_classes: int, reason: str) -> Codes:
    column = read_column(name, value)
    bad = (column != np.floor(column)) | (column < 0) | (column >= n_classes)
    refuse(name, column, bad, f"expected class codes 0 to {n_classes - 1} ({reason})")
    return column.astype(np.int64)


def read_labels(name: str, value: object) -> NDArray[Any]:
    array = _raw(name, value)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise ShapeError(f"{name} must be one column, shape (n,); received {array.shape}.")
    if array.dtype.kind == "O":
        _check_label_kinds(name, list(array))
    elif array.dtype.kind in "US" and isinstance(value, list | tuple):
        _check_label_kinds(name, value)
    if array.dtype.kind == "S":
        raise DtypeError(f"{name} holds bytes, {array[0]!r} first. Decode them to text.")
    if array.dtype.kind == "f":
        refuse(name, array, np.isnan(array), "NaN (missing). Drop those rows or fill them")
    return array


def read_label_pair(y: object, predicted: object) -> tuple[NDArray[Any], NDArray[Any]]:
    """Give true and predicted labels of one length and kind."""
    truth, guess = read_labels("y", y), read_labels("predicted", predicted)
    check_same_length("y", truth, "predicted", guess)
    if is_text(truth) != is_text(guess):
        kinds = {True: "text", False: "numbers"}
        raise DataError(
            f"y holds {kinds[is_text(truth)]} (y[0] is {truth[0]!r}) but predicted holds "
            f"{kinds[is_text(guess)]} (predicted[0] is {guess[0]!r}). "
            "Give both as class names or both as class codes."
        )
    return truth, guess


def _check_label_kinds(name: str, values: Sequence[Any]) -> None:
    """Refuse a list where NumPy would quietly turn numbers into text, or hide a missing label."""
    flat = [value[0] if isinstance(value, list | tuple) else value for value in values]
    texts = [isinstance(value, str | bytes) for value in flat]
    for index, value in enumerate(flat):
        if value is None or (isinstance(value, float) and value != value):
            raise DataError(f"{name}[{index}] is {value!r}: missing. Drop those rows or fill them.")
    if any(texts) and not all(texts):
        text, number = texts.index(True), texts.index(False)
        raise DataError(
            f"{name} mixes text and numbers: {name}[{text}] is {flat[text]!r}, "
            f"{name}[{number}] is {flat[number]!r}. Use one kind of label."
        )


def is_text(array: NDArray[Any]) -> bool:
    return array.dtype.kind in "US" or isinstance(array.flat[0], str | bytes)


def read_probabilities(value: object) -> Floats:
    """Give f64[n, k], k ≥ 2; a single column p becomes (1 − p, p)."""
    table = read_numbers("probabilities", value)
    if table.ndim > 2:
        raise ShapeError(f"probabilities must have shape (n,) or (n, k); received {table.shape}.")
    outside = (table < 0) | (table > 1)
    refuse("probabilities", table, outside, "outside 0 to 1. Apply sigmoid or softmax to logits")
    if table.ndim == 1 or table.shape[1] == 1:
        column = table.reshape(-1)
        return np.stack([1 - column, column], axis=1)
    sums = table.sum(axis=1)
    bad = np.abs(sums - 1) > 1e-3  # far above rounding, far below a forgotten softmax
    if bad.any():
        row = int(np.argmax(bad))
        raise DataError(
            f"probabilities: row {row} sums to {sums[row]:.6g}, expected 1; "
            f"{int(bad.sum())} such rows. Apply softmax, or divide each row by its sum."
        )
    return table


def read_score_table(y: object, scores: object) -> tuple[Floats, Codes]:
    """Give scores f64[n, k] with a column a class, k ≥ 2, and the class of each row."""
    table = read_numbers("scores", scores, infinite=True)
    if table.ndim != 2 or table.shape[1] < 2:
        raise ShapeError(
            f"scores must have one column for each of two or more classes (n, k); received shape "
            f"{table.shape}. For a single column of scores use the figure of two classes."
        )
    codes = read_codes("y", y, table.shape[1], "scores has one column a class")
    check_same_length("y", codes, "scores", table)
    return table, codes


def mean_over_classes(
    figures: Sequence[float | None], codes: Codes, sample_weight: object | None, average: str
) -> float | None:
    """Give the mean of the figures of the classes that have one, alike or by their weight."""
    if average not in ("macro", "weighted"):
        raise choice_error("average", average, ("macro", "weighted"))
    known = [k for k, figure in enumerate(figures) if figure is not None]
    if not known:
        return None
    values = [figure for figure in figures if figure is not None]
    if average == "macro":
        return sum(values) / len(values)
    there = np.bincount(codes, relative_weights(sample_weight, len(codes)), len(figures))[known]
    return float(np.average(values, weights=there)) if there.any() else None


def mean_over_rows(values: Floats, weights: Floats | None) -> float:
    if weights is None:
        return float(values.mean())
    return float((values * weights).sum() / weights.sum())


def relative_weights(value: object | None, length: int) -> Floats | None:
    """Give weights over a power of two (so exactly), lest a sum overflow; None stays None."""
    if value is None:
        return None
    weights = read_weights(value, length)
    return np.asarray(np.ldexp(weights, -int(np.frexp(weights.max())[1])))


def read_weights(value: object, length: int) -> Floats:
    weights = read_column("sample_weight", value)
    if len(weights) != length:
        raise ShapeError(f"sample_weight has {len(weights)} rows, y has {length}. Give one a row.")
    refuse("sample_weight", weights, weights < 0, "negative; weights must be 0 or more")
    if not weights.any():
        raise DataError("sample_weight is 0 in every row. Give some row a positive weight.")
    return weights


def read_class_count(value: object) -> int:
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer):
        raise ArgumentTypeError(f"n_classes must be a whole number; received {value!r}.")
    if value < 1:
        raise ArgumentError(f"n_classes must be 1 or more; received {value!r}.")
    if value > _LARGEST_CONFUSION:
        raise MemoryLimitError(
            f"a confusion matrix of {value:,} classes needs {8 * int(value) ** 2 / 1e9:,.1f} GB; "
            f"at most {_LARGEST_CONFUSION:,} classes are counted. Group rare classes first."
        )
    return int(value)


def check_same_length(name: str, left: NDArray[Any], other: str, right: NDArray[Any]) -> None:
    if len(left) != len(right):
        raise ShapeError(
            f"{name} has {len(left)} rows, {other} has {len(right)}. Give both the same rows."
        )
