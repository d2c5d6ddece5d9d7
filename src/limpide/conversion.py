"""From what a user holds (numbers, lists, arrays) to arrays in the dtypes of graphs.

Answers for converting exactly, or refusing by name. Not for: tensors (``limpide.tensor``), and
what a network or a table accepts.
"""

from __future__ import annotations

import numpy as np

from limpide.errors import ArgumentError, ArgumentTypeError, DtypeError, ShapeError
from limpide.ir import FLOATS, NUMPY_DTYPES, Array

# Narrower dtypes than graphs have, each to one that holds all of its values exactly.
_WIDER = {"b": "i4", "h": "i4", "B": "i4", "H": "i4", "e": "f4", "p": "i8", "q": "i8", "l": "i8"}


def as_array(value: object, what: str = "value") -> Array:
    """Convert numbers, lists and arrays to an array in a dtype of limpide, exactly.

    Numbers and lists become float32 (bool stays bool), an array keeps its dtype; int8, int16,
    uint8, uint16 become int32, uint64 becomes int64 where it fits, float16 becomes float32, other
    byte orders become native.

    Raises
    ------
    DtypeError
        For text, objects, complex numbers, dates, masked or sparse arrays, and numbers that are
        too large for float32.
    ShapeError
        For a list whose rows differ in length.
    """
    if is_plain(value):
        array = plain_array(value, what)
        return array if array.dtype.kind == "b" else convert(array, "f32", what)
    if isinstance(value, np.ma.MaskedArray):
        raise DtypeError(f"{what} is a masked array; fill it first, e.g. {what}.filled(0).")
    if hasattr(value, "toarray"):
        raise DtypeError(f"{what} is sparse; make it dense first with .toarray().")
    if callable(value) and not hasattr(value, "__array__"):
        raise ArgumentTypeError(
            f"{what} is {value!r}, which gives numbers only when it is called; a rule such as "
            "lp.normal takes a shape as a tuple: lp.normal((2,))."
        )
    try:
        array = np.asarray(value)
    except RuntimeError as error:  # PyTorch's, for a tensor with a gradient
        raise ArgumentTypeError(
            f"{what}, a {type(value).__name__}, gives no array: {error} Detach it first, e.g. "
            f"{what}.detach()."
        ) from None
    return _known_dtype(array, what)


def is_plain(value: object) -> bool:
    """Say whether a value is one of Python's own numbers, lists and tuples: it has no dtype."""
    # np.float64 is a subclass of float, and yet it has a dtype.
    return isinstance(value, (bool, int, float, list, tuple)) and not isinstance(value, np.generic)


def plain_array(value: object, what: str = "value") -> Array:
    """Give a number or a nested list as an array of bool, int64 or float64."""
    try:
        array = np.asarray(value)
    except ValueError:
        raise ShapeError(
            f"{what} is a list whose rows differ in length; make them equally long."
        ) from None
    return _known_dtype(array, what)


def _known_dtype(array: Array, what: str) -> Array:
    dtype = array.dtype
    if not dtype.isnative:
        array = array.astype(dtype.newbyteorder("="))
        dtype = array.dtype
    if dtype in NUMPY_DTYPES.values():
        return array
    if dtype.char in _WIDER:
        return array.astype(_WIDER[dtype.char])
    if dtype.kind == "u" and (array.size == 0 or int(array.max()) < 2**63):
        return array.astype(np.int64)
    raise DtypeError(
        f"{what} has dtype {dtype}, which limpide cannot convert exactly; "
        "convert it yourself to float32, float64, int32, int64, uint32 or bool."
    )


def convert(array: Array, dtype: str, what: str = "value") -> Array:
    """Convert to a dtype that was asked for by name: floats are rounded, others stay exact.

    Raises
    ------
    DtypeError
        Where a number is beyond the range of a float, or is not one of the integers (or bools)
        of the new dtype.
    """
    target = NUMPY_DTYPES[dtype]
    if array.dtype == target:
        return array
    with np.errstate(all="ignore"):
        result = array.astype(target)
    if dtype in FLOATS:
        lost = np.isinf(result) & np.isfinite(array) if np.isinf(result).any() else None
    else:
        lost = result != array
    if lost is not None and lost.any():
        number = array[lost].reshape(-1)[0]
        raise DtypeError(
            f"{what} holds {number}, which {target.name} cannot hold; use a wider dtype, "
            "such as float64."
        )
    return result


def check_range(array: Array, dtype: str, what: str = "value") -> None:
    """Refuse numbers that an integer dtype cannot hold, once their fraction is cut off.

    Raises
    ------
    DtypeError
        Naming the first such number.
    """
    target = NUMPY_DTYPES[dtype]
    if target.kind not in "iu" or np.can_cast(array.dtype, target):
        return
    least, most = np.iinfo(target).min, np.iinfo(target).max
    if array.dtype.kind == "f":
        whole = np.trunc(array)
        lost = ~((whole >= float(least)) & (whole < float(most) + 1))  # true for NaN
    else:
        lost = (array < least) | (array > most)
    if lost.any():
        raise DtypeError(
            f"{what} holds {array[lost].reshape(-1)[0]}, which {target.name} cannot hold; use a "
            "wider dtype, or lp.where to replace it."
        )


def cast_array(array: Array, dtype: str, what: str = "value") -> Array:
    """Convert an array that meets a tensor to its dtype; floats never become integers so.

    Raises
    ------
    DtypeError
        For floats that meet integers, and as ``convert`` does.
    """
    if dtype not in FLOATS and array.dtype.kind == "f":
        raise floats_meet(what, dtype)
    return convert(array, dtype, what)


def floats_meet(what: str, dtype: str) -> DtypeError:
    """Build the error for floats beside a tensor of integers or bools."""
    return DtypeError(
        f"{what} holds floats and meets a tensor of {dtype}; "
        "cast the tensor instead: lp.cast(tensor, 'float32')."
    )


def check_finite_scalar(value: object, name: str) -> float:
    """Give a finite float, or raise naming the argument; bool and text are refused."""
    if isinstance(value, (bool, str, bytes)) or not hasattr(value, "__float__"):
        raise ArgumentTypeError(f"{name} must be a number; received {value!r}.")
    try:
        number = float(value)
    except OverflowError:
        number = np.inf
    except TypeError:  # an array of several
        raise ArgumentTypeError(f"{name} must be one number; received {value!r}.") from None
    if not np.isfinite(number):
        raise ArgumentError(f"{name} must be finite; received {number}.")
    return number
