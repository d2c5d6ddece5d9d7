"""Sums, maxima and matrix products: the primitives that bring many numbers into one.

Answers for reductions over axes and products with leading batch axes. Not for: means and
norms, which are composites.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from limpide.errors import ArgumentError, DtypeError
from limpide.ir import FLOATS, Array, Op, Spec, shape_error, where_raised
from limpide.ops import special
from limpide.ops.build import broadcast_to, primitive
from limpide.ops.choices import cast, equal, where
from limpide.ops.elementwise import divide
from limpide.ops.shaping import check_axis, reshape, transpose
from limpide.tensor import Tensor, apply, unify

Axis = int | list[int] | tuple[int, ...] | None


def _reduced(x: Spec, axis: tuple[int, ...]) -> Spec:
    return Spec(tuple(n for i, n in enumerate(x.shape) if i not in axis), x.dtype)


def _sum_spec(x: Spec, axis: tuple[int, ...]) -> Spec:
    if x.dtype == "bool":
        raise DtypeError(f"sum needs numbers, got {x}{where_raised()}; use lp.cast(x, 'float32').")
    return _reduced(x, axis)


def kept(x: Tensor, axis: tuple[int, ...]) -> tuple[int, ...]:
    """Give the shape of ``x`` with the reduced axes kept as 1."""
    return tuple(1 if i in axis else n for i, n in enumerate(x.shape))


def _spread(g: Tensor, x: Tensor, axis: tuple[int, ...]) -> Tensor:
    return broadcast_to(reshape(g, kept(x, axis)), x.shape)


SUM = primitive(
    "sum",
    _sum_spec,
    special.tree_sum,
    (lambda g, y, x, axis: _spread(g, x, axis),),
    "the sum of {0}",
    "sum({0}, axis={axis})",
)


def _max_spec(x: Spec, axis: tuple[int, ...]) -> Spec:
    if any(x.shape[i] == 0 for i in axis):
        raise shape_error(f"max of no elements: {x} over axis {list(axis)}")
    if x.dtype == "bool":
        raise DtypeError(f"max needs numbers, got {x}{where_raised()}.")
    return _reduced(x, axis)


def _max_numpy(x: Array, axis: tuple[int, ...], out: Array | None = None) -> Array:
    # Which of 0 and -0 is found depends on how x lies in memory.
    x = x if x.flags.c_contiguous else np.ascontiguousarray(x)
    result: Array = np.maximum.reduce(x, axis=axis, out=out)
    return result


def _max_rule(g: Tensor, y: Tensor, x: Tensor, axis: tuple[int, ...]) -> Tensor:
    # Elements that tie share the gradient equally, as in PyTorch's amax and in JAX.
    chosen = equal(x, _spread(y, x, axis))
    count = apply(SUM, cast(chosen, x.spec.dtype), axis=axis)
    return where(chosen, _spread(divide(g, count), x, axis), 0)


MAX = primitive(
    "max",
    _max_spec,
    _max_numpy,
    (_max_rule,),
    "the largest of {0}",
    "max({0}, axis={axis})",
)


def _matmul_spec(a: Spec, b: Spec) -> Spec:
    if a.dtype not in FLOATS or b.dtype != a.dtype:
        raise DtypeError(
            f"matmul needs floats of one dtype, got {a} @ {b}{where_raised()}; "
            "use lp.cast(x, 'float32') where they are none."
        )
    fits = a.rank >= 2 and a.rank == b.rank and a.shape[-1] == b.shape[-2]
    if not fits or a.shape[:-2] != b.shape[:-2]:
        raise shape_error(f"matmul needs (n, k) @ (k, m), got {a} @ {b}")
    return Spec((*a.shape[:-1], b.shape[-1]), a.dtype)


MATMUL: Op = primitive(
    "matmul",
    _matmul_spec,
    np.matmul,
    (
        lambda g, y, a, b: apply(MATMUL, g, _turned(b)),
        lambda g, y, a, b: apply(MATMUL, _turned(a), g),
    ),
    "the matrix product of {0} and {1}",
    "{0} @ {1}",
)


def _turned(x: Tensor) -> Tensor:
    return transpose(x, (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


def normal_axes(axis: Axis, rank: int) -> tuple[int, ...]:
    """Give the axes to reduce in order; None means all."""
    if axis is None:
        return tuple(range(rank))
    axes = [check_axis(a, rank) for a in (axis if isinstance(axis, (list, tuple)) else [axis])]
    if len(set(axes)) < len(axes):
        raise ArgumentError(f"axis names an axis twice: {axis}.")
    return tuple(sorted(axes))


def sum(x: Any, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Add up along axes (default: all). Long float32 sums are added in a fixed tree.

    A tree of partial sums keeps the error small: Higham, "The accuracy of floating point
    summation", SIAM J. Sci. Comput. 14 (1993).
    """
    (x,) = unify([x])
    axes = normal_axes(axis, x.ndim)
    y = apply(SUM, x, axis=axes)
    return reshape(y, kept(x, axes)) if keepdims else y


def max(x: Any, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Take the largest along axes (default: all); NaN where any is NaN; ties share a gradient."""
    (x,) = unify([x])
    axes = normal_axes(axis, x.ndim)
    y = apply(MAX, x, axis=axes)
    return reshape(y, kept(x, axes)) if keepdims else y


def matmul(a: Any, b: Any) -> Tensor:
    """Multiply matrices ``(..., n, k) @ (..., k, m)``; leading axes broadcast.

    A vector stands for one row on the left and for one column on the right, as in NumPy.

    Raises
    ------
    ShapeError
        Where the inner lengths differ or an operand is a scalar.
    """
    a, b = unify([a, b])
    if a.ndim == 0 or b.ndim == 0:
        raise shape_error(f"matmul needs (n, k) @ (k, m), got {a.spec} @ {b.spec}; use * instead")
    row, column = a.ndim == 1, b.ndim == 1
    left = reshape(a, (1, *a.shape)) if row else a
    right = reshape(b, (*b.shape, 1)) if column else b
    if left.ndim == 2 and right.ndim == 2:
        y = apply(MATMUL, left, right)
    else:
        y = _batched(left, right)
    shape = list(y.shape)
    if column:
        del shape[-1]
    if row:
        del shape[-1 if column else -2]
    return reshape(y, shape) if row or column else y


def _batched(a: Tensor, b: Tensor) -> Tensor:
    if a.shape[-1] != b.shape[-2]:
        raise shape_error(f"matmul needs (n, k) @ (k, m), got {a.spec} @ {b.spec}")
    if b.ndim == 2:  # one matrix for all: a single product of taller rows
        y = apply(MATMUL, reshape(a, (math.prod(a.shape[:-1]), a.shape[-1])), b)
        return reshape(y, (*a.shape[:-1], b.shape[-1]))
    try:
        lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    except ValueError:
        raise shape_error(f"matmul cannot broadcast {a.spec} @ {b.spec}") from None
    left = broadcast_to(a, (*lead, *a.shape[-2:]))
    return apply(MATMUL, left, broadcast_to(b, (*lead, *b.shape[-2:])))
