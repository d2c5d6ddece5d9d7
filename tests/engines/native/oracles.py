"""The true values that the native functions are held against, beyond their own precision.

Answers for values by NumPy in float64 or extended precision, by mpmath, and for errors in fractions
of an ulp. Not for: what error is allowed (``tolerances``).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import mpmath
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

NAMES = (
    "exp",
    "expm1",
    "log",
    "log1p",
    "tanh",
    "sigmoid",
    "softplus",
    "erf",
    "sin",
    "cos",
    "power",
)

HAS_EXTENDED = np.finfo(np.longdouble).nmant >= 63
_MANTISSA = {"float32": (23, -126, 128), "float64": (52, -1022, 1024)}


@cache
def _erf_table() -> tuple[Array, int]:
    """Taylor coefficients of erf at k/8, k = 0, …, 64, in extended precision."""
    with mpmath.workprec(120):
        rows = []
        for k in range(65):
            c = mpmath.mpf(k) / 8
            a = [mpmath.erf(c), 2 / mpmath.sqrt(mpmath.pi) * mpmath.exp(-c * c)]
            for n in range(22):
                a.append((-2 * c * (n + 1) * a[n + 1] - 2 * n * a[n]) / ((n + 2) * (n + 1)))
            rows.append([np.longdouble(mpmath.nstr(v, 30)) for v in a])
    return np.array(rows, np.longdouble).T.copy(), len(rows) - 1


def _erf(x: Array) -> Array:
    """Give erf to about 62 bits where x is extended; sums its Taylor series at the nearest k/8."""
    table, last = _erf_table()
    a = np.minimum(np.abs(x), 8)
    k = np.where(np.isnan(a), 0, np.rint(a * 8)).astype(np.int64).clip(0, last)
    h = a - k.astype(x.dtype) / 8
    y = table[-1][k].astype(x.dtype)
    for row in table[-2::-1]:
        y = y * h + row[k].astype(x.dtype)
    return np.copysign(y, x)


def _sigmoid(x: Array) -> Array:
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


def _softplus(x: Array) -> Array:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


_ARRAYS: dict[str, Callable[..., Array]] = {
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "tanh": np.tanh,
    "sigmoid": _sigmoid,
    "softplus": _softplus,
    "erf": _erf,
    "sin": np.sin,
    "cos": np.cos,
    "power": np.power,
}


def true_values(name: str, *arguments: Array) -> Array:
    """Give values in the next wider precision: float64 for float32, extended for float64."""
    wider = np.float64 if arguments[0].dtype == np.float32 else np.longdouble
    with np.errstate(all="ignore"):
        return _ARRAYS[name](*(a.astype(wider) for a in arguments)).astype(wider)


def _mp_sigmoid(x: Any) -> Any:
    return 1 / (1 + mpmath.exp(-x))


def _mp_softplus(x: Any) -> Any:
    # exp(-800) is 10**-348: beyond what log1p leaves of it.
    return x if x > 800 else mpmath.log1p(mpmath.exp(x))


def by_mpmath(name: str, *arguments: Array) -> list[Any]:
    """Give values of finite arguments to 40 digits, however large the argument of a sine."""
    functions: dict[str, Callable[..., Any]] = {
        "sigmoid": _mp_sigmoid,
        "softplus": _mp_softplus,
        "power": mpmath.power,
    }
    function = functions.get(name) or getattr(mpmath, name)
    with mpmath.workprec(1300 if name in ("sin", "cos") else 140):
        return [
            function(*map(mpmath.mpf, row))
            for row in zip(*(a.tolist() for a in arguments), strict=True)
        ]


def mpmath_errors(actual: Array, true: list[Any]) -> Array:
    """Give errors in ulps of the true values, which are mpmath's."""
    mantissa, lowest, _ = _MANTISSA[actual.dtype.name]
    errors = []
    with mpmath.workprec(140):
        for value, t in zip(actual.tolist(), true, strict=True):
            exponent = max(int(mpmath.frexp(t)[1]) - 1, lowest) if t else lowest
            errors.append(float(mpmath.ldexp(abs(mpmath.mpf(value) - t), mantissa - exponent)))
    return np.array(errors)


def errors_in_ulps(actual: Array, true: Array) -> Array:
    """Give |actual − true| in ulps of the true value, in fractions.

    Infinity counts as the power of two after the largest number, two NaN as equal, a NaN and a
    number as infinitely far apart; below the smallest normal number the ulp stays what it is there.
    """
    mantissa, lowest, beyond = _MANTISSA[actual.dtype.name]
    end = np.ldexp(true.dtype.type(1), beyond)
    with np.errstate(all="ignore"):
        exponent = np.maximum(np.frexp(true)[1] - 1, lowest)
        exponent = np.minimum(exponent, beyond - 1)
        a, t = np.clip(actual.astype(true.dtype), -end, end), np.clip(true, -end, end)
        error = np.ldexp(np.abs(a - t), mantissa - exponent)
    nan_a, nan_t = np.isnan(actual), np.isnan(true)
    error = np.where(np.equal(true, 0), np.ldexp(np.abs(a), mantissa - lowest), error)
    return np.where(nan_a & nan_t, 0.0, np.where(nan_a | nan_t, np.inf, error)).astype(np.float64)
