"""A sample row for every primitive: inputs to try it on, and its meaning written again in NumPy.

Answers for what the generic tests ask of every op; an op without a row here fails them. Not for:
the questions themselves (``test_primitives``, ``test_derivatives``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
SHAPES: list[tuple[int, ...]] = [(), (1,), (5,), (2, 3), (3, 1, 2), (0,), (2, 0, 3)]


@dataclass(frozen=True)
class Sample:
    """Inputs (floats in float64) and parameters; ``smooth``: differences give the derivative."""

    inputs: tuple[Array, ...]
    params: dict[str, Any] = field(default_factory=dict)
    smooth: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "inputs", tuple(map(np.asarray, self.inputs)))

    def cast(self, dtype: type) -> Sample:
        """Give the same sample with its floats in another dtype."""
        arrays = tuple(a.astype(dtype) if a.dtype.kind == "f" else a for a in self.inputs)
        return Sample(arrays, self.params, self.smooth)


_rng = np.random.default_rng(1986)


def _values(shape: tuple[int, ...], low: float = -2.0, high: float = 2.0) -> Array:
    """Give numbers of which none is within 0.05 of 0, where functions have kinks or poles."""
    x = _rng.uniform(low, high, shape)
    return np.where(np.abs(x) < 0.05, x + 0.1, x)


def _apart(x: Array) -> Array:
    """Give numbers that differ from ``x`` everywhere, by 0.1 or more."""
    return x + _rng.choice([-1.0, 1.0], x.shape) * _rng.uniform(0.1, 1.0, x.shape)


def _unary(low: float = -2.0, high: float = 2.0, *special: float) -> list[Sample]:
    samples = [Sample((_values(shape, low, high),)) for shape in SHAPES]
    return samples + ([Sample((np.array(special),), smooth=False)] if special else [])


def _binary(*special: tuple[list[float], list[float]], low: float = -2.0) -> list[Sample]:
    samples = []
    for shape in SHAPES:
        a = _values(shape, low)
        samples.append(Sample((a, np.where(np.abs(b := _apart(a)) < 0.05, b + 0.2, b))))
    for left, right in special:
        samples.append(Sample((np.array(left), np.array(right)), smooth=False))
    return samples


def _integers(count: int, low: int = -5) -> Iterator[Sample]:
    for dtype in (np.int32, np.int64):
        yield Sample(tuple(_rng.integers(low, 5, (2, 3)).astype(dtype) for _ in range(count)))
    yield Sample(tuple(_rng.integers(0, 9, 4).astype(np.uint32) for _ in range(count)))


def _bools(count: int) -> list[Sample]:
    return [Sample(tuple(_rng.random(s) < 0.5 for _ in range(count))) for s in SHAPES]


def _f(*shape: int) -> Array:
    return _values(shape)


def _i(*values: int) -> Array:
    return np.array(values, np.int64)


def _where_samples() -> list[Sample]:
    samples = [Sample((_rng.random(s) < 0.5, _values(s), _values(s))) for s in SHAPES]
    whole = (_i(1, 2, 3), _i(4, 5, 6))
    return [*samples, Sample((np.array([True, False, True]), *whole))]


def _zeros_of_either_sign(*shape: int) -> Array:
    return np.where(_rng.random(shape) < 0.3, -1.0, np.copysign(0.0, _values(shape)))


_TIES = ([1.0, -0.0, 2.0, np.nan, 1.0, np.inf], [1.0, 0.0, -2.0, 1.0, np.nan, np.inf])
_EXTREMES = (0.0, -0.0, 1e-40, -1000.0, 1000.0, np.inf, -np.inf, np.nan)

SAMPLES: dict[str, list[Sample]] = {
    "add": [*_binary(_TIES), *_integers(2)],
    "subtract": [*_binary(_TIES), *_integers(2)],
    "multiply": [*_binary(_TIES), *_integers(2)],
    "divide": _binary(_TIES, ([0.0, 1.0, -1.0], [0.0, 0.0, 0.0])),
    "negative": [*_unary(-2, 2, *_EXTREMES), *_integers(1)],
    "power": [
        *_binary(low=0.2),
        Sample((_f(4) - 3.0, np.array([2.0, 3.0, -1.0, 0.0])), smooth=False),
        Sample((np.array([0.0, 0.0, 0.0, -8.0]), np.array([0.0, 1.0, 2.5, 1 / 3])), smooth=False),
    ],
    "maximum": [*_binary(_TIES), *_integers(2)],
    "minimum": [*_binary(_TIES), *_integers(2)],
    "abs": [*_unary(-2, 2, *_EXTREMES), *_integers(1)],
    "sign": [*_unary(-2, 2, *_EXTREMES), *_integers(1)],
    "floor": [Sample((np.floor(_values(s, -4, 4)) + 0.4,)) for s in SHAPES]
    + [Sample((np.array([-1.0, 2.0, -0.0, 1e30, np.nan]),), smooth=False)],
    "exp": _unary(-2, 2, *_EXTREMES),
    "expm1": _unary(-2, 2, *_EXTREMES),
    "log": _unary(0.1, 3, *_EXTREMES),
    "log1p": _unary(-0.9, 3, *_EXTREMES, -1.0),
    "sqrt": _unary(0.1, 3, *_EXTREMES),
    "sin": _unary(-4, 4, *_EXTREMES),
    "cos": _unary(-4, 4, *_EXTREMES),
    "tanh": _unary(-2, 2, *_EXTREMES),
    "sigmoid": _unary(-4, 4, *_EXTREMES),
    "softplus": _unary(-4, 4, *_EXTREMES),
    "erf": _unary(-2, 2, *_EXTREMES),
    "relu": [*_unary(-2, 2, *_EXTREMES), *_integers(1)],
    "equal": [*_binary(_TIES), *_integers(2), *_bools(2)],
    "less": [*_binary(_TIES), *_integers(2)],
    "less_equal": [*_binary(_TIES), *_integers(2)],
    "logical_and": _bools(2),
    "logical_or": _bools(2),
    "logical_not": _bools(1),
    "where": _where_samples(),
    "cast": [
        Sample((_f(2, 3),), {"dtype": "f32"}, smooth=False),
        Sample((_f(2, 3),), {"dtype": "f64"}),
        Sample((_f(),), {"dtype": "f64"}),
        Sample((_f(2, 3),), {"dtype": "i32"}, smooth=False),
        Sample((_f(4) * 10,), {"dtype": "i64"}, smooth=False),
        Sample((_f(0, 3),), {"dtype": "bool"}, smooth=False),
        Sample((np.array([0.0, -0.0, 2.0, np.nan]),), {"dtype": "bool"}, smooth=False),
        Sample((_i(-1, 0, 7),), {"dtype": "f32"}),
        Sample((_i(-1, 0, 7),), {"dtype": "u32"}),
        Sample((np.array([True, False]),), {"dtype": "f64"}),
    ],
    "shift_right": [
        Sample((np.array([[1, 255], [2**32 - 1, 0]], np.uint32),), {"places": 5}),
        Sample((np.array(2**31, np.uint32),), {"places": 0}),
        Sample((np.array([2**31], np.uint32),), {"places": 31}),
    ],
    "stop_gradient": [Sample((_f(2, 3),), smooth=False), Sample((_i(1, 2),))],
    "broadcast": [
        Sample((_f(),), {"shape": (2, 3)}),
        Sample((_f(3),), {"shape": (2, 3)}),
        Sample((_f(2, 1),), {"shape": (2, 3)}),
        Sample((_f(1, 3, 1),), {"shape": (4, 2, 3, 2)}),
        Sample((_f(1),), {"shape": (1, 1)}),
        Sample((_f(1, 2),), {"shape": (0, 2)}),
        Sample((np.array([True]),), {"shape": (3,)}),
    ],
    "reshape": [
        Sample((_f(2, 3),), {"shape": (3, 2)}),
        Sample((_f(2, 3),), {"shape": (1, 6, 1)}),
        Sample((_f(1, 1),), {"shape": ()}),
        Sample((_f(),), {"shape": (1,)}),
        Sample((_f(2, 0),), {"shape": (0, 5)}),
    ],
    "transpose": [
        Sample((_f(2, 3),), {"order": (1, 0)}),
        Sample((_f(2, 3, 4),), {"order": (2, 0, 1)}),
        Sample((_f(2, 1, 3, 2),), {"order": (3, 1, 0, 2)}),
        Sample((_f(),), {"order": ()}),
        Sample((_f(0, 3),), {"order": (1, 0)}),
    ],
    "slice": [
        Sample((_f(5),), {"start": (1,), "stop": (4,), "step": (1,)}),
        Sample((_f(6),), {"start": (0,), "stop": (6,), "step": (4,)}),
        Sample((_f(4, 5),), {"start": (1, 0), "stop": (3, 5), "step": (1, 3)}),
        Sample((_f(4, 5),), {"start": (2, 1), "stop": (2, 3), "step": (1, 1)}),
        Sample((_f(),), {"start": (), "stop": (), "step": ()}),
        Sample((_i(1, 2, 3),), {"start": (0,), "stop": (3,), "step": (2,)}),
    ],
    "pad": [
        Sample((_f(3),), {"low": (1,), "high": (2,), "interior": (0,)}),
        Sample((_f(2, 3),), {"low": (0, 2), "high": (1, 0), "interior": (2, 1)}),
        Sample((_f(0, 2),), {"low": (1, 0), "high": (2, 0), "interior": (3, 0)}),
        Sample((_f(),), {"low": (), "high": (), "interior": ()}),
        Sample((np.array([True, True]),), {"low": (1,), "high": (0,), "interior": (1,)}),
    ],
    "concatenate": [
        Sample((_f(3),), {"axis": 0}),
        Sample((_f(2, 3), _f(0, 3), _f(1, 3)), {"axis": 0}),
        Sample((_f(2, 1), _f(2, 3)), {"axis": 1}),
        Sample((_i(1, 2), _i(3)), {"axis": 0}),
    ],
    "gather": [
        Sample((_f(5), _i(4, 0, 0, 2)), {"axis": 0}),
        Sample((_f(4, 3), np.array([[0, 3], [1, 1]], np.int32)), {"axis": 0}),
        Sample((_f(2, 4, 3), _i(3, 1)), {"axis": 1}),
        Sample((_f(2, 3), np.array(1)), {"axis": 1}),
        Sample((_f(2, 3), np.zeros((0,), np.int64)), {"axis": 1}),
        Sample((_i(7, 8, 9), _i(2, 2)), {"axis": 0}),
    ],
    "scatter_add": [
        Sample((_i(4, 0, 0, 2), _f(4)), {"axis": 0, "size": 5}),
        Sample((np.array([[0, 3], [1, 1]], np.int32), _f(2, 2, 3)), {"axis": 0, "size": 4}),
        Sample((_i(3, 1), _f(2, 2, 3)), {"axis": 1, "size": 4}),
        Sample((np.array(1), _f(2)), {"axis": 1, "size": 3}),
        Sample((np.zeros((0,), np.int64), _f(0, 2)), {"axis": 0, "size": 3}),
        Sample((_i(1, 1), _i(7, 8)), {"axis": 0, "size": 2}),
    ],
    "iota": [
        Sample((), {"shape": (3,), "axis": 0, "dtype": "i64"}),
        Sample((), {"shape": (2, 4, 1), "axis": 1, "dtype": "f32"}),
        Sample((), {"shape": (0, 3), "axis": 1, "dtype": "u32"}),
    ],
    "sum": [
        Sample((_f(2, 3),), {"axis": (0, 1)}),
        Sample((_f(2, 3),), {"axis": (1,)}),
        Sample((_f(2, 3, 4),), {"axis": (0, 2)}),
        Sample((_f(2, 3),), {"axis": ()}),
        Sample((np.array([[-0.0, 0.0], [-0.0, -0.0]]),), {"axis": (1,)}),
        Sample((_f(),), {"axis": ()}),
        Sample((_f(0, 3),), {"axis": (0,)}),
        Sample((_f(1, 2),), {"axis": (0,)}),
        Sample((_f(17, 9, 2),), {"axis": (0, 1)}),
        Sample((_i(1, 2, 3),), {"axis": (0,)}),
    ],
    "max": [
        *(
            Sample((_zeros_of_either_sign(130, 130),), {"axis": axis}, smooth=False)
            for axis in ((0,), (1,), (0, 1))
        ),
        Sample((_rng.permutation(6.0 * np.arange(6)).reshape(2, 3),), {"axis": (0, 1)}),
        Sample((_rng.permutation(1.0 * np.arange(6)).reshape(2, 3),), {"axis": (1,)}),
        Sample((_rng.permutation(1.0 * np.arange(24)).reshape(2, 3, 4),), {"axis": (0, 2)}),
        Sample((_f(1, 2),), {"axis": (0,)}),
        Sample((_f(),), {"axis": ()}),
        Sample((_f(3, 0),), {"axis": (0,)}),
        Sample((np.array([[1.0, 1.0], [2.0, np.nan]]),), {"axis": (1,)}, smooth=False),
        Sample((_i(-3, -2, -9),), {"axis": (0,)}),
    ],
    "matmul": [
        Sample((_f(2, 3), _f(3, 4))),
        Sample((_f(1, 1), _f(1, 1))),
        Sample((_f(2, 0), _f(0, 3))),
        Sample((_f(3, 2, 2), _f(3, 2, 1))),
        Sample((_f(2, 1, 2, 3), _f(2, 1, 3, 2))),
        Sample((_f(0, 2, 3), _f(0, 3, 1))),
        Sample((_f(33, 17), _f(17, 9))),
    ],
    "random_bits": [
        Sample((np.array(7, np.uint32), np.array(3, np.uint32)), {"stream": 1, "shape": shape})
        for shape in [(), (1,), (5,), (2, 4), (0, 2)]
    ],
}


def _pad(x: Array, low: Any, high: Any, interior: Any) -> Array:
    for axis in range(x.ndim):
        gaps = [i for i in range(1, x.shape[axis]) for _ in range(interior[axis])]
        x = np.insert(x, gaps, 0, axis=axis)
    return np.pad(x, list(zip(low, high, strict=True))) if x.ndim else x


def _scatter(indices: Array, updates: Array, axis: int, size: int) -> Array:
    rows = np.moveaxis(updates, range(axis, axis + indices.ndim), range(indices.ndim))
    result = np.zeros((size, *rows.shape[indices.ndim :]), updates.dtype)
    for place in np.ndindex(indices.shape):
        result[indices[place]] += rows[place]
    return np.moveaxis(result, 0, axis)


def _iota(shape: tuple[int, ...], axis: int, dtype: str) -> Array:
    return np.indices(shape)[axis].astype(DTYPES[dtype])


def _bits(seed: Array, step: Array, stream: int, shape: tuple[int, ...]) -> Array:
    """Threefry-2x32 in 20 rounds (Salmon et al. 2011), one counter at a time."""
    n = math.prod(shape)
    keys = [int(seed), stream]
    keys.append(keys[0] ^ keys[1] ^ 0x1BD11BDA)
    words = []
    for j in range((n + 1) // 2):
        a, b = int(step) + keys[0], j + keys[1]
        for i in range(20):
            turn = (13, 15, 26, 6, 17, 29, 16, 24)[i % 8]
            a = (a + b) % 2**32
            b = ((b << turn) | (b >> (32 - turn))) % 2**32 ^ a
            if i % 4 == 3:
                k = i // 4 + 1
                a, b = (a + keys[k % 3]) % 2**32, (b + keys[(k + 1) % 3] + k) % 2**32
        words.append((a, b))
    flat = [a for a, _ in words] + [b for _, b in words]
    return np.array(flat[:n], np.uint32).reshape(shape)


DTYPES = {"f32": "f4", "f64": "f8", "i32": "i4", "i64": "i8", "u32": "u4", "bool": "?"}

# The meaning of each op once more, by another way than the one in its row where there is one.
MEANINGS: dict[str, Callable[..., Any]] = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / b,
    "negative": lambda x: -x,
    "power": lambda a, b: a**b,
    "maximum": lambda a, b: np.where(np.isnan(a) | (a > b), a, b),
    "minimum": lambda a, b: np.where(np.isnan(a) | (a < b), a, b),
    "abs": lambda x: np.where(x < 0, -x, x),
    "sign": lambda x: np.where(np.isnan(x), x, (x > 0) * 1 - (x < 0) * 1),
    "floor": lambda x: -np.ceil(-x),
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "sqrt": np.sqrt,
    "sin": np.sin,
    "cos": np.cos,
    "tanh": np.tanh,
    "sigmoid": lambda x: np.where(x < 0, np.exp(x), 1) / (1 + np.exp(-np.abs(x))),
    "softplus": lambda x: np.logaddexp(x, x.dtype.type(0)),
    "erf": np.vectorize(math.erf, otypes="d"),
    "relu": lambda x: np.where(x <= 0, 0, x),
    "equal": lambda a, b: a == b,
    "less": lambda a, b: a < b,
    "less_equal": lambda a, b: a <= b,
    "logical_and": lambda a, b: a & b,
    "logical_or": lambda a, b: a | b,
    "logical_not": lambda x: ~x,
    "where": lambda c, a, b: np.where(c, a, b),
    "cast": lambda x, dtype: x.astype(DTYPES[dtype]),
    "shift_right": lambda x, places: x // np.uint32(2**places),
    "stop_gradient": lambda x: x,
    "broadcast": lambda x, shape: x + np.zeros(shape, x.dtype),
    "reshape": lambda x, shape: np.array(list(x.flat), x.dtype).reshape(shape),
    "transpose": lambda x, order: np.moveaxis(x, order, range(x.ndim)),
    "slice": lambda x, start, stop, step: x[tuple(map(slice, start, stop, step))],
    "pad": _pad,
    "concatenate": lambda *xs, axis: np.concatenate(xs, axis),
    "gather": lambda x, indices, axis: np.take(x, indices, axis),
    "scatter_add": _scatter,
    "iota": _iota,
    "sum": lambda x, axis: np.sum(x, axis, dtype=x.dtype),
    "max": lambda x, axis: np.amax(x, axis),
    "matmul": lambda a, b: np.einsum("...ij,...jk->...ik", a, b),
    "random_bits": _bits,
}
