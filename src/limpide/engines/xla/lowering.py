"""Lowering: what each primitive is in JAX, a row an op.

Answers for one op on arrays inside of a traced JAX function. Not for: graphs, loops or devices.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from limpide.ir import NUMPY_DTYPES
from limpide.rng import THREEFRY_PARITY, THREEFRY_ROTATIONS

Lowering = Callable[..., Any]


def _broadcast(x: Any, shape: tuple[int, ...]) -> Any:
    return jnp.broadcast_to(x, shape)


def _cast(x: Any, dtype: str) -> Any:
    return lax.convert_element_type(x, NUMPY_DTYPES[dtype])


def _shift_right(x: Any, places: int) -> Any:
    return lax.shift_right_logical(x, np.uint32(places))


def _slice(x: Any, start: Any, stop: Any, step: Any) -> Any:
    return lax.slice(x, start, stop, step)


def _pad(x: Any, low: Any, high: Any, interior: Any) -> Any:
    sides = list(zip(low, high, interior, strict=True))
    if x.dtype == np.bool_:
        return lax.pad(x.astype(np.int8), np.int8(0), sides).astype(np.bool_)
    return lax.pad(x, np.zeros((), x.dtype), sides)


def _concatenate(*xs: Any, axis: int) -> Any:
    return jnp.concatenate(xs, axis=axis)


def _gather(x: Any, indices: Any, axis: int) -> Any:
    return jnp.take(x, indices, axis=axis, mode="clip")


def _scatter_add(indices: Any, updates: Any, axis: int, size: int) -> Any:
    lead, tail = updates.shape[:axis], updates.shape[axis + indices.ndim :]
    flat = indices.reshape(-1)
    rows = updates.reshape(*lead, flat.size, *tail)
    zeros = jnp.zeros((*lead, size, *tail), updates.dtype)
    return zeros.at[(slice(None),) * axis + (flat,)].add(rows, mode="drop")


def _iota(shape: tuple[int, ...], axis: int, dtype: str) -> Any:
    return lax.broadcasted_iota(NUMPY_DTYPES[dtype], shape, axis)


def _sum(x: Any, axis: tuple[int, ...]) -> Any:
    return jnp.sum(x, axis=axis, dtype=x.dtype)


def _max(x: Any, axis: tuple[int, ...]) -> Any:
    return jnp.max(x, axis=axis)


def _matmul(a: Any, b: Any) -> Any:
    # Not the 10 bits of TensorFloat-32, which is what a GPU would take for float32.
    return jnp.matmul(a, b, precision=lax.Precision.HIGHEST)


def _softplus(x: Any) -> Any:
    return jnp.logaddexp(x, np.zeros((), x.dtype))


def _relu(x: Any) -> Any:
    return jnp.maximum(x, np.zeros((), x.dtype))


def _threefry(k0: Any, k1: Any, x0: Any, x1: Any) -> tuple[Any, Any]:
    """Give the words of Threefry-2x32, 20 rounds, as ``limpide.rng`` has them."""
    keys = (k0, k1, k0 ^ k1 ^ np.uint32(THREEFRY_PARITY))
    x0, x1 = x0 + keys[0], x1 + keys[1]
    for i in range(5):
        for rotation in THREEFRY_ROTATIONS[i % 2]:
            x0 = x0 + x1
            turned = (x1 << np.uint32(rotation)) | (x1 >> np.uint32(32 - rotation))
            x1 = turned ^ x0
        x0 = x0 + keys[(i + 1) % 3]
        x1 = x1 + keys[(i + 2) % 3] + np.uint32(i + 1)
    return x0, x1


def _random_bits(seed: Any, step: Any, stream: int, shape: tuple[int, ...]) -> Any:
    n = math.prod(shape)
    pairs = (n + 1) // 2
    first = jnp.broadcast_to(step, (pairs,))
    second = lax.iota(np.uint32, pairs)
    words = _threefry(seed, jnp.asarray(stream, np.uint32), first, second)
    return jnp.concatenate(words)[:n].reshape(shape)


LOWERINGS: dict[str, Lowering] = {
    "abs": jnp.abs,
    "add": lax.add,
    "broadcast": _broadcast,
    "cast": _cast,
    "concatenate": _concatenate,
    "cos": jnp.cos,
    "divide": lax.div,
    "equal": lax.eq,
    "erf": jax.scipy.special.erf,
    "exp": jnp.exp,
    "expm1": jnp.expm1,
    "floor": jnp.floor,
    "gather": _gather,
    "iota": _iota,
    "less": lax.lt,
    "less_equal": lax.le,
    "log": jnp.log,
    "log1p": jnp.log1p,
    "logical_and": jnp.logical_and,
    "logical_not": jnp.logical_not,
    "logical_or": jnp.logical_or,
    "matmul": _matmul,
    "max": _max,
    "maximum": jnp.maximum,
    "minimum": jnp.minimum,
    "multiply": lax.mul,
    "negative": lax.neg,
    "pad": _pad,
    "power": jnp.power,
    "random_bits": _random_bits,
    "relu": _relu,
    "reshape": lambda x, shape: jnp.reshape(x, shape),
    "scatter_add": _scatter_add,
    "shift_right": _shift_right,
    "sigmoid": jax.nn.sigmoid,
    "sign": jnp.sign,
    "sin": jnp.sin,
    "slice": _slice,
    "softplus": _softplus,
    "sqrt": jnp.sqrt,
    "stop_gradient": lambda x: x,
    "subtract": lax.sub,
    "sum": _sum,
    "tanh": jnp.tanh,
    "transpose": lambda x, order: jnp.transpose(x, order),
    "where": jnp.where,
}


def _matmul_in_bfloat16(a: Any, b: Any) -> Any:
    if a.dtype != np.float32:
        return _matmul(a, b)
    a, b = a.astype(jnp.bfloat16), b.astype(jnp.bfloat16)
    return jnp.matmul(a, b, preferred_element_type=np.float32)


COMPUTE_DTYPES: dict[str | None, dict[str, Lowering]] = {
    None: {},
    "bfloat16": {"matmul": _matmul_in_bfloat16},
}
"""What is lowered otherwise where less precise products will do."""


def lowerings(compute_dtype: str | None) -> dict[str, Lowering]:
    """Give what each op is in JAX, its products of float32 in ``compute_dtype``."""
    return LOWERINGS | COMPUTE_DTYPES[compute_dtype]
