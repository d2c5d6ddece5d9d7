"""Comparisons, choices and conversions between dtypes, one row each.

Answers for equal, less, where, cast and the like, element by element. Not for: arithmetic and
functions (``elementwise``).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from limpide.conversion import check_range, is_plain, plain_array
from limpide.errors import ArgumentError, DtypeError
from limpide.ir import FLOATS, Spec, dtype_name, where_raised
from limpide.ops.build import (
    primitive,
    same_dtypes,
    same_shapes,
    spec_bool,
    spec_comparison,
    to_one_shape,
    together,
)
from limpide.tensor import Tensor, apply, current_tracing, current_value, present, unify

EQUAL = primitive(
    "equal",
    spec_comparison("equal"),
    np.equal,
    (None, None),
    "whether {0} equals {1}",
    "{0} == {1}",
    kind="elementwise",
)
LESS = primitive(
    "less",
    spec_comparison("less"),
    np.less,
    (None, None),
    "whether {0} is less than {1}",
    "{0} < {1}",
    kind="elementwise",
)
LESS_EQUAL = primitive(
    "less_equal",
    spec_comparison("less_equal"),
    np.less_equal,
    (None, None),
    "whether {0} is at most {1}",
    "{0} <= {1}",
    kind="elementwise",
)
LOGICAL_AND = primitive(
    "logical_and",
    spec_bool("logical_and"),
    np.logical_and,
    (None, None),
    "whether both {0} and {1}",
    "{0} and {1}",
    kind="elementwise",
)
LOGICAL_OR = primitive(
    "logical_or",
    spec_bool("logical_or"),
    np.logical_or,
    (None, None),
    "whether {0} or {1}",
    "{0} or {1}",
    kind="elementwise",
)
LOGICAL_NOT = primitive(
    "logical_not",
    spec_bool("logical_not"),
    np.logical_not,
    (None,),
    "whether not {0}",
    "not {0}",
    kind="elementwise",
)


def _where_spec(condition: Spec, a: Spec, b: Spec) -> Spec:
    same_shapes("where", (condition, a, b))
    same_dtypes("where", (a, b))
    if condition.dtype != "bool":
        raise DtypeError(f"where needs a bool condition, got {condition}{where_raised()}.")
    return a


def _where_numpy(condition: Any, a: Any, b: Any, out: Any = None) -> Any:
    if out is None:
        return np.where(condition, a, b)
    if out is a:
        np.copyto(out, b, where=np.logical_not(condition))
    else:
        if out is not b:
            np.copyto(out, b)
        np.copyto(out, a, where=condition)
    return out


WHERE = primitive(
    "where",
    _where_spec,
    _where_numpy,
    (
        None,
        lambda g, y, condition, a, b: where(condition, g, 0),
        lambda g, y, condition, a, b: where(condition, 0, g),
    ),
    "{1} where {0}, else {2}",
    "where({0}, {1}, {2})",
    kind="elementwise",
)


def _cast_spec(x: Spec, dtype: str) -> Spec:
    return Spec(x.shape, dtype)


def _cast_numpy(x: Any, dtype: str, out: Any = None) -> Any:
    if out is None:
        return x.astype(Spec((), dtype).numpy_dtype)
    np.copyto(out, x, casting="unsafe")
    return out


def _cast_rule(g: Tensor, y: Tensor, x: Tensor, dtype: str) -> Tensor | None:
    if x.spec.dtype in FLOATS and dtype in FLOATS:
        return cast(g, x.spec.dtype)
    return None


CAST = primitive(
    "cast", _cast_spec, _cast_numpy, (_cast_rule,), "{0} as {dtype}", "cast({0}, {dtype})"
)


def _shift_spec(x: Spec, places: int) -> Spec:
    if x.dtype != "u32":
        raise DtypeError(f"shift_right needs u32, got {x}{where_raised()}.")
    return x


def _shift_numpy(x: Any, places: int, out: Any = None) -> Any:
    return np.right_shift(x, np.uint32(places), out=out)


SHIFT_RIGHT = primitive(
    "shift_right",
    _shift_spec,
    _shift_numpy,
    (None,),
    "the bits of {0} moved right by {places} places",
    "{0} >> {places}",
    kind="elementwise",
)


def _identity_numpy(x: Any) -> Any:
    return x


STOP_GRADIENT = primitive(
    "stop_gradient",
    lambda x: x,
    _identity_numpy,
    (None,),
    "{0}, taken as a constant",
    "stop_gradient({0})",
    kind="view",
)


def equal(a: Any, b: Any) -> Tensor:
    """Compare, element by element."""
    return apply(EQUAL, *together("equal", [a, b]))


def not_equal(a: Any, b: Any) -> Tensor:
    """Compare, element by element; NaN differs from itself."""
    return logical_not(equal(a, b))


def less(a: Any, b: Any) -> Tensor:
    """Compare, element by element: a < b."""
    return apply(LESS, *together("less", [a, b]))


def less_equal(a: Any, b: Any) -> Tensor:
    """Compare, element by element: a ≤ b."""
    return apply(LESS_EQUAL, *together("less_equal", [a, b]))


def logical_and(a: Any, b: Any) -> Tensor:
    """Say where both are true."""
    return apply(LOGICAL_AND, *together("logical_and", [a, b]))


def logical_or(a: Any, b: Any) -> Tensor:
    """Say where one or both are true."""
    return apply(LOGICAL_OR, *together("logical_or", [a, b]))


def logical_not(x: Any) -> Tensor:
    """Say where it is false."""
    return apply(LOGICAL_NOT, *unify([x]))


def where(condition: Any, a: Any, b: Any) -> Tensor:
    """Take ``a`` where the condition holds, else ``b``; all three broadcast."""
    (condition,) = unify([condition], dtype="bool")
    return apply(WHERE, *to_one_shape("where", [condition, *unify([a, b])]))


def cast(x: Any, dtype: object) -> Tensor:
    """Convert to another dtype; floats to integers cut off the fraction.

    Raises
    ------
    DtypeError
        Where an integer dtype cannot hold a number. In a compiled function numbers are not looked
        at: what becomes of NaN and of numbers outside of the range is undefined there.
    """
    name = dtype_name(dtype)
    # Numbers and lists keep their digits: they are not float32 on the way.
    tensor = x if isinstance(x, Tensor) else Tensor(plain_array(x) if is_plain(x) else x)
    if tensor.spec.dtype == name and not tensor.weak:
        return current_value(tensor)
    if current_tracing() is None:
        check_range(present(tensor)._array, name)
    return apply(CAST, tensor, dtype=name)


def shift_right(x: Any, places: int) -> Tensor:
    """Move the bits of ``u32`` numbers to the right, which divides by 2 to the power ``places``."""
    if not 0 <= places < 32:
        raise ArgumentError(f"places must be 0 to 31; received {places!r}.")
    return apply(SHIFT_RIGHT, *unify([x]), places=int(places))


def stop_gradient(x: Any) -> Tensor:
    """Give the same numbers as a constant: no gradient flows through."""
    return apply(STOP_GRADIENT, *unify([x]))
