"""Calibration: one number that makes a network's probabilities as sure as they should be.

Answers for finding a temperature on rows that the network did not learn from, and for building it
into the last layer. Not for: measuring calibration (``limpide.metrics``).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from limpide.ir import Array
from limpide.network import Network

_REACH = 1.4  # natural logarithm of the largest temperature, about 4
_FINE = 1e-3
_GOLDEN = (math.sqrt(5) - 1) / 2


def temperature(z: Array, y: Array, weights: Array | None = None) -> float:
    """Give the T, from 1/4 to 4, for which the log loss of z / T is least.

    Parameters
    ----------
    z
        Sums before the last activation: f64[n, classes], or f64[n, 1] for two classes.
    y
        Class numbers, [n].
    weights
        A weight a row, or None.

    Source: Guo, Pleiss, Sun, Weinberger, arXiv 1706.04599. On a network that early stopping has
    chosen: Berta, Holzmüller, Jordan, Bach, arXiv 2501.19195.

    Examples
    --------
    >>> z = np.array([[4.0], [4.0], [4.0], [-4.0]])
    >>> round(temperature(z, np.array([1, 1, 0, 0])), 1)
    3.6
    """
    if z.shape[1] == 1:
        sign = np.where(y.reshape(-1) > 0, 1.0, -1.0)
        margins = sign * z[:, 0]

        def losses(factor: float) -> Array:
            return np.asarray(np.logaddexp(0, -margins * factor))
    else:
        own = z[np.arange(len(z)), y.astype(np.int64)]
        apart = z - own[:, None]

        def losses(factor: float) -> Array:
            scaled = apart * factor
            most = scaled.max(axis=1)
            return np.asarray(most + np.log(np.exp(scaled - most[:, None]).sum(axis=1)))

    def mean(log: float) -> float:
        return float(np.average(losses(math.exp(-log)), weights=weights))

    return math.exp(_lowest(mean, -_REACH, _REACH))


def _lowest(function: Callable[[float], float], low: float, high: float) -> float:
    """Give where a function with one valley is lowest, by golden sections."""
    a, b = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_a, at_b = function(a), function(b)
    while high - low > _FINE:
        if at_a <= at_b:
            high, b, at_b = b, a, at_a
            a = high - _GOLDEN * (high - low)
            at_a = function(a)
        else:
            low, a, at_a = a, b, at_b
            b = low + _GOLDEN * (high - low)
            at_b = function(b)
    return (low + high) / 2


def build_in(network: Network, value: float) -> None:
    """Divide what the last layer gives by a temperature: its weights and its bias."""
    for name in ("weights", "bias"):
        network.params[f"output.{name}"][...] /= value
