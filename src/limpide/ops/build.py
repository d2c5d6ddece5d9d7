"""What the rows of primitives share: spec rules, broadcasting of operands, registration.

Answers for how a function on tensors becomes primitives. Not for: any op's meaning.
"""

from __future__ import annotations

import copyreg
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from limpide.errors import DtypeError
from limpide.ir import CONSTANT, FLOATS, INPUT, OPS, Array, Op, Spec, shape_error, where_raised
from limpide.tensor import Tensor, apply, current_value, unify

Rule = Callable[..., Any] | None


def primitive(
    name: str,
    spec: Callable[..., Spec],
    numpy: Callable[..., Array],
    derivative: tuple[Rule, ...] | Callable[..., Any],
    words: str,
    symbol: str,
    kind: str = "other",
) -> Op:
    """Make one row: an Op that is known by its name."""
    assert name not in OPS, name
    OPS[name] = Op(name, spec, numpy, derivative, words, symbol, kind)
    return OPS[name]


def op_named(name: str) -> Op:
    """Give a primitive by its name, as pickled graphs hold it."""
    return {"input": INPUT, "constant": CONSTANT}.get(name) or OPS[name]


# Here and not in Op: unpickling loads this room, and with it the table of ops.
copyreg.pickle(Op, lambda op: (op_named, (op.name,)))


def same_shapes(name: str, specs: tuple[Spec, ...]) -> None:
    if any(s.shape != specs[0].shape for s in specs):
        raise shape_error(f"{name} needs equal shapes, got {' and '.join(map(str, specs))}")


def same_dtypes(name: str, specs: tuple[Spec, ...]) -> None:
    if any(s.dtype != specs[0].dtype for s in specs):
        received = " and ".join(map(str, specs))
        raise DtypeError(
            f"{name} needs one dtype, got {received}{where_raised()}; "
            "use lp.cast(x, 'float64') on one of them."
        )


def spec_float(name: str) -> Callable[..., Spec]:
    """Floats of one shape and dtype → the same."""

    def rule(*specs: Spec) -> Spec:
        same_shapes(name, specs)
        same_dtypes(name, specs)
        for spec in specs:
            if spec.dtype not in FLOATS:
                raise DtypeError(
                    f"{name} needs floats, got {spec}{where_raised()}; "
                    "convert it with lp.cast(x, 'float32')."
                )
        return specs[0]

    return rule


def spec_number(name: str) -> Callable[..., Spec]:
    """Floats or integers of one shape and dtype → the same."""

    def rule(*specs: Spec) -> Spec:
        same_shapes(name, specs)
        same_dtypes(name, specs)
        if specs[0].dtype == "bool":
            raise DtypeError(
                f"{name} needs numbers, got {specs[0]}{where_raised()}; "
                "convert it with lp.cast(x, 'float32')."
            )
        return specs[0]

    return rule


def spec_comparison(name: str) -> Callable[..., Spec]:
    """Two values of one shape and dtype → bool."""

    def rule(*specs: Spec) -> Spec:
        same_shapes(name, specs)
        same_dtypes(name, specs)
        return Spec(specs[0].shape, "bool")

    return rule


def spec_bool(name: str) -> Callable[..., Spec]:
    """Bools of one shape → bool."""

    def rule(*specs: Spec) -> Spec:
        same_shapes(name, specs)
        for spec in specs:
            if spec.dtype != "bool":
                raise DtypeError(f"{name} needs bool, got {spec}{where_raised()}.")
        return specs[0]

    return rule


def _broadcast_numpy(x: Array, shape: tuple[int, ...]) -> Array:
    return np.broadcast_to(x, shape)


def _broadcast_spec(x: Spec, shape: tuple[int, ...]) -> Spec:
    try:
        fits = np.broadcast_shapes(x.shape, shape) == tuple(shape)
    except ValueError:
        fits = False
    if not fits:
        raise shape_error(f"{x} cannot be broadcast to {Spec(tuple(shape), x.dtype)}")
    return Spec(tuple(shape), x.dtype)


def _broadcast_rule(g: Tensor, y: Tensor, x: Tensor, shape: tuple[int, ...]) -> Tensor:
    extra = g.ndim - x.ndim
    stretched = [extra + i for i, n in enumerate(x.shape) if n == 1 and g.shape[extra + i] != 1]
    axes = (*range(extra), *stretched)
    summed = apply(OPS["sum"], g, axis=axes) if axes else g
    return summed if summed.shape == x.shape else apply(OPS["reshape"], summed, shape=x.shape)


BROADCAST = primitive(
    "broadcast",
    _broadcast_spec,
    _broadcast_numpy,
    (_broadcast_rule,),
    "{0} repeated to the shape {shape}",
    "broadcast({0})",
    kind="view",
)


def broadcast_to(x: Any, shape: int | Sequence[int]) -> Tensor:
    """Repeat along new leading axes and along axes of length 1, as NumPy does; no copy is made.

    Raises
    ------
    ShapeError
        Where the shape does not fit.
    """
    (tensor,) = unify([x])
    wanted = (int(shape),) if isinstance(shape, (int, np.integer)) else tuple(map(int, shape))
    if tensor.shape == wanted:
        return current_value(tensor)
    return apply(BROADCAST, tensor, shape=wanted)


def to_one_shape(name: str, tensors: list[Tensor]) -> list[Tensor]:
    """Broadcast operands to one shape, where they fit."""
    if all(t.shape == tensors[0].shape for t in tensors):
        return tensors
    try:
        shape = np.broadcast_shapes(*(t.shape for t in tensors))
    except ValueError:
        received = " and ".join(str(t.spec) for t in tensors)
        raise shape_error(f"{name} needs shapes that broadcast, got {received}") from None
    return [broadcast_to(t, shape) for t in tensors]


def together(name: str, values: list[Any]) -> list[Tensor]:
    """Make operands of one dtype and one shape: conversion and broadcasting are inserted here."""
    return to_one_shape(name, unify(values))
