"""Composites: functions made of primitives alone, so they need no derivative of their own.

Answers for means, softmax and the like. Not for: activations (``limpide.activations``), losses.
"""

from __future__ import annotations

from typing import Any

from limpide.errors import DtypeError
from limpide.ir import FLOATS, dtype_name
from limpide.ops.build import broadcast_to
from limpide.ops.choices import cast, equal, logical_or, not_equal, stop_gradient, where
from limpide.ops.elementwise import exp, log, negative
from limpide.ops.reductions import Axis, normal_axes
from limpide.ops.reductions import max as largest
from limpide.ops.reductions import sum as total
from limpide.ops.shaping import check_axis, iota, reshape
from limpide.tensor import Tensor, unify


def mean(x: Any, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Take the mean along axes (default: all)."""
    (x,) = unify([x])
    axes = normal_axes(axis, x.ndim)
    count = 1
    for a in axes:
        count *= x.shape[a]
    if x.spec.dtype not in FLOATS:
        raise DtypeError(f"mean needs floats, got {x.spec}; use lp.cast(x, 'float32').")
    return total(x, axis=axes, keepdims=keepdims) / count


def variance(x: Any, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Take the mean squared distance from the mean (divided by n, not n − 1)."""
    (x,) = unify([x])
    centred = x - mean(x, axis, keepdims=True)
    return mean(centred * centred, axis, keepdims)


def min(x: Any, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Take the smallest along axes (default: all)."""
    (x,) = unify([x])
    if x.spec.dtype in FLOATS:
        return negative(largest(negative(x), axis, keepdims))
    # The negative of the least integer is itself, and that of an unsigned one wraps around.
    last = 2**32 - 1 if x.spec.dtype == "u32" else -1
    return last - largest(last - x, axis, keepdims)


def logsumexp(x: Any, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Compute log Σ eˣ along axes without overflow; −inf where all are −inf."""
    (x,) = unify([x])
    axes = normal_axes(axis, x.ndim)
    top = stop_gradient(largest(x, axes, keepdims=True))
    # An infinite maximum would give inf − inf = NaN.
    shift = where(equal(top - top, 0), top, 0)
    y = log(total(exp(x - shift), axes, keepdims=True)) + shift
    return y if keepdims else reshape(y, [n for i, n in enumerate(x.shape) if i not in axes])


def softmax(x: Any, axis: int = -1) -> Tensor:
    """Turn scores into positive numbers that sum to 1 along an axis, without overflow."""
    (x,) = unify([x])
    powers: Tensor = exp(x - stop_gradient(largest(x, axis, keepdims=True)))
    return powers / total(powers, axis, keepdims=True)


def log_softmax(x: Any, axis: int = -1) -> Tensor:
    """Take the logarithm of softmax without losing small probabilities."""
    tensor = unify([x])[0]
    return tensor - logsumexp(tensor, axis, keepdims=True)


def argmax(x: Any, axis: int = -1) -> Tensor:
    """Give the index (i64) of the largest element along an axis; the first where several tie."""
    (x,) = unify([x])
    axis = check_axis(axis, x.ndim)
    places = iota(x.shape, axis)
    at_top = equal(x, broadcast_to(largest(x, axis, keepdims=True), x.shape))
    if x.spec.dtype in FLOATS:  # NaN counts as the largest, as in NumPy
        at_top = logical_or(at_top, not_equal(x, x))
    return min(where(at_top, places, x.shape[axis]), axis)


def one_hot(indices: Any, n_classes: int, dtype: object = "float32") -> Tensor:
    """Give rows with a 1 at each index, 0 elsewhere; all 0 for an index outside 0 … n − 1."""
    codes = cast(indices, "i64") if isinstance(indices, Tensor) else unify([indices], "i64")[0]
    shape = (*codes.shape, int(n_classes))
    hit = equal(iota(shape, len(shape) - 1), reshape(codes, (*codes.shape, 1)))
    return cast(hit, dtype_name(dtype))


def zeros_like(x: Any) -> Tensor:
    """Give zeros with the shape and dtype of ``x``."""
    (x,) = unify([x])
    return broadcast_to(Tensor(0, dtype=x.spec.dtype), x.shape)


def ones_like(x: Any) -> Tensor:
    """Give ones with the shape and dtype of ``x``."""
    (x,) = unify([x])
    return broadcast_to(Tensor(1, dtype=x.spec.dtype), x.shape)
