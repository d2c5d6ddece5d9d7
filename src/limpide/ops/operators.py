"""Operators: what ``+``, ``@``, ``[…]`` and the others do, by the rules of arrays among arguments.

Answers for the operators of ``Tensor``, which it finds in ``OPERATORS``. Not for: the functions
themselves; they stand in the other files of this room.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np

from limpide.conversion import as_array, is_plain, plain_array
from limpide.ir import dtype_name
from limpide.tensor import Tensor, as_tensor, weakened, weakness


def operator(name: str, function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Make an operator of a function: among arguments of a trace it does what arrays would do."""

    def apply_to(*operands: Any) -> Tensor:
        for operand in operands:
            if operand is None or isinstance(operand, (str, bytes, dict, set)):
                return cast("Tensor", NotImplemented)
        if any(isinstance(v, Tensor) and not v.weak for v in operands):
            return function(*operands)
        weak = {weakness(v) for v in operands}
        dtype = _promoted(name, operands)
        # A number stays one: ``x ** 2`` is a product, as it is between arrays.
        result = function(*(v if is_plain(v) else as_tensor(v, dtype) for v in operands))
        return weakened(result, "array" if "array" in weak else "number")

    return apply_to


def moving(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Make an operator that moves numbers: the result of an argument stays one."""

    def apply_to(x: Tensor, *settings: Any) -> Tensor:
        result = function(x, *settings)
        return weakened(result, x.weak) if x.weak else result

    return apply_to


def _promoted(name: str, operands: tuple[Any, ...]) -> str:
    parts: list[Any] = []
    for value in operands:
        dtype = value.dtype if isinstance(value, Tensor) else as_array(value).dtype
        if weakness(value) == "array":
            parts.append(dtype)
        else:
            kind = dtype.kind if isinstance(value, Tensor) else plain_array(value).dtype.kind
            parts.append({"f": 0.0, "b": False}.get(kind, 0))
    dtype = np.result_type(*parts)
    if dtype.kind in "iub" and name in ("divide", "power"):
        dtype = np.dtype(np.float64)
    return dtype_name(dtype)
