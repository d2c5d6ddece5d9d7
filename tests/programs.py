"""Random small programs over tensors: the same ops eager, traced, planned and in a loop.

Answers for programs that are a function of a seed and of shapes alone. Not for: what is asked of
them (``test_tracing``, ``engines/test_reference``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

import limpide as lp
from limpide import ops
from limpide.tensor import Tensor

Array = npt.NDArray[Any]
Generator = np.random.Generator
SHAPES: list[tuple[int, ...]] = [(), (1,), (3,), (2, 3), (3, 2), (3, 1), (1, 3), (2, 2, 3), (0, 3)]
_CONSTANTS = [0.0, -0.0, 1.0, 2.0, -1.5, 0.1]
_UNARY = [
    *(ops.negative, ops.abs, ops.exp, ops.tanh, ops.sigmoid, ops.softplus, ops.erf, ops.relu),
    *(ops.sin, ops.cos, ops.square, ops.sign, ops.floor, ops.expm1, ops.stop_gradient),
    *(ops.zeros_like, ops.ones_like),
]
_BINARY = [ops.add, ops.subtract, ops.multiply, ops.maximum, ops.minimum, ops.divide]
_REDUCTIONS = [ops.sum, ops.mean, ops.max, ops.min, ops.logsumexp, ops.variance]


def numbers(generator: Generator, shape: tuple[int, ...], dtype: str) -> Array:
    """Give numbers with a few zeros of either sign among them."""
    x = generator.normal(size=shape)
    zeros = np.where(generator.random(shape) < 0.5, 0.0, -0.0)
    return np.where(generator.random(shape) < 0.1, zeros, x).astype(dtype)


def inputs(seed: int, dtype: str) -> list[Array]:
    generator = np.random.default_rng(seed)
    count = int(generator.integers(1, 4))
    shapes = [SHAPES[int(generator.integers(len(SHAPES)))] for _ in range(count)]
    return [numbers(generator, shape, dtype) for shape in shapes]


def _pick(generator: Generator, items: list[Any]) -> Any:
    return items[int(generator.integers(len(items)))]


def _binary(generator: Generator, pool: list[Tensor]) -> Tensor:
    a, b = _pick(generator, pool), _pick(generator, pool)
    try:
        np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        b = _pick(generator, _CONSTANTS)
    function = _pick(generator, _BINARY)
    result: Tensor = function(a, b) if generator.random() < 0.5 else function(b, a)
    return result


def _with_constant(generator: Generator, pool: list[Tensor]) -> Tensor:
    result: Tensor = _pick(generator, _BINARY)(_pick(generator, pool), _pick(generator, _CONSTANTS))
    return result


def _reduction(generator: Generator, pool: list[Tensor]) -> Tensor:
    x = _pick(generator, pool)
    if x.size == 0:
        return ops.sum(x)
    axes = tuple(i for i in range(x.ndim) if generator.random() < 0.6)
    keep = bool(generator.random() < 0.5)
    result: Tensor = _pick(generator, _REDUCTIONS)(x, axes, keepdims=keep)
    return result


def _movement(generator: Generator, pool: list[Tensor]) -> Tensor:
    x = _pick(generator, pool)
    kind = int(generator.integers(8))
    if kind == 0:
        return ops.transpose(x, [int(i) for i in generator.permutation(x.ndim)])
    if kind == 1:
        return ops.reshape(ops.transpose(x), (-1,) if x.size else (x.size,))
    if kind == 2:
        starts = [int(generator.integers(0, 2)) for _ in x.shape]
        steps = [int(generator.integers(1, 3)) for _ in x.shape]
        return x[tuple(slice(a, None, s) for a, s in zip(starts, steps, strict=True))]
    if kind == 3:
        low, high, gaps = ([int(n) for n in generator.integers(0, 2, x.ndim)] for _ in range(3))
        return ops.pad(x, low, high, gaps)
    if kind == 4:
        same = [t for t in pool if t.shape == x.shape]
        return ops.stack([x, _pick(generator, same)], int(generator.integers(0, x.ndim + 1)))
    if kind == 5 and x.ndim and x.shape[0]:
        return ops.gather(x, generator.integers(0, x.shape[0], 2))
    if kind == 6:
        return ops.broadcast_to(x, (2, *x.shape)) if x.ndim < 3 else x
    if kind == 7 and x.ndim:
        return ops.concatenate([x, x, ops.negative(x)], x.ndim - 1)
    return x


def _product(generator: Generator, pool: list[Tensor]) -> Tensor:
    a = _pick(generator, pool)
    if a.ndim < 2:
        return ops.square(a)
    fits = [t for t in pool if t.ndim == 2 and t.shape[0] == a.shape[-1]]
    b = _pick(generator, fits) if fits else ops.transpose(a)
    return a @ b if b.ndim == 2 else a * 0.5


def _choice(generator: Generator, pool: list[Tensor]) -> Tensor:
    x = _pick(generator, pool)
    condition = _pick(generator, [ops.less(x, 0.3), ops.equal(x, x), ops.less_equal(0, x)])
    if generator.random() < 0.3:
        condition = ops.logical_and(ops.logical_not(condition), ops.less(x, 1))
    if generator.random() < 0.2:
        return ops.cast(condition, x.dtype)
    return ops.where(condition, x, _pick(generator, _CONSTANTS))


_KINDS: list[Callable[[Generator, list[Tensor]], Tensor]] = [
    lambda generator, pool: _pick(generator, _UNARY)(_pick(generator, pool)),
    _binary,
    _binary,
    _with_constant,
    _reduction,
    _movement,
    _movement,
    _product,
    _choice,
]


def grow(generator: Generator, pool: list[Tensor], count: int) -> None:
    """Add results of random ops to the pool; what is chosen depends on shapes alone."""
    for _ in range(count):
        result = _pick(generator, _KINDS)(generator, pool)
        if result.size <= 200 and result.ndim <= 4:
            pool.append(result)


def program(seed: int, count: int = 12) -> Callable[..., tuple[Tensor, ...]]:
    """Give a function of tensors with a few results, some of them shared or returned twice."""

    def run(*values: Tensor) -> tuple[Tensor, ...]:
        generator = np.random.default_rng(seed + 1)
        pool = [lp.stop_gradient(v) if generator.random() < 0.2 else v for v in values]
        grow(generator, pool, count)
        return tuple(_pick(generator, pool) for _ in range(3))

    return run


def loss(seed: int, count: int = 8) -> Callable[..., Tensor]:
    """Give a function of tensors with one number as its result."""

    def run(*values: Tensor) -> Tensor:
        generator = np.random.default_rng(seed + 2)
        pool = list(values)
        grow(generator, pool, count)
        total = ops.sum(pool[0] * 0)
        for tensor in pool[-4:]:
            total = total + ops.sum(ops.tanh(tensor))
        return total

    return run


def assert_same_bits(actual: Any, expected: Any) -> None:
    """Compare arrays or tensors: numbers, NaNs and the signs of zeros."""
    a, b = np.asarray(actual), np.asarray(expected)
    np.testing.assert_array_equal(a, b, strict=True)
    if a.dtype.kind == "f":
        known = ~np.isnan(a)
        np.testing.assert_array_equal(np.signbit(a[known]), np.signbit(b[known]))
