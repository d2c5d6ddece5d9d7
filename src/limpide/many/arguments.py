"""What ``fit_many`` takes as seeds and learning rates, and how they make a grid.

Answers for checking and pairing them. Not for: the other arguments, which are those of ``fit``.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import numpy as np

from limpide.errors import ArgumentError, ArgumentTypeError
from limpide.ir import Array
from limpide.optimizers import Optimizer
from limpide.schedules import Schedule

_RATE = "learning_rate"


@dataclass
class Grid:
    """The runs of many networks, in the order of the grid's last axis first.

    Attributes
    ----------
    shape
        Of the grid.
    seeds, rates
        i64[n] and f64[n]: of each network.
    optimizers, which
        The different ones, and the number of each network's: i64[n].
    """

    shape: tuple[int, ...]
    seeds: Array
    rates: Array
    optimizers: list[Optimizer]
    which: Array

    @property
    def size(self) -> int:
        return len(self.seeds)

    def optimizer(self, network: int) -> Optimizer:
        """Give a network's optimizer."""
        return self.optimizers[int(self.which[network])]


def grid_of(
    seeds: Any,
    learning_rates: Any,
    optimizer: Optimizer,
    check: Callable[[int], object] = int,
) -> Grid:
    """Pair seeds and rates as NumPy broadcasts them.

    ``check`` is told how many networks these are before there is room for any.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        Something is no seed, or no rate, or their shapes do not fit.

    Examples
    --------
    >>> from limpide.optimizers import SGD
    >>> grid_of(np.arange(3)[:, None], [0.1, 0.01], SGD()).shape
    (3, 2)
    """
    with suppress(TypeError):  # no sequence
        check(_length(seeds))
    numbers = _seeds(seeds)
    if learning_rates is None:
        rates = np.array(optimizer.scalars().get(_RATE, np.nan))
    else:
        rates = _rates(learning_rates)
    try:
        shape = np.broadcast_shapes(numbers.shape, rates.shape)
    except ValueError:
        raise ArgumentError(
            f"seeds has shape {list(numbers.shape)} and learning_rates {list(rates.shape)}, which "
            "do not pair up one by one. For every pair write seeds=np.array(seeds)[:, None]."
        ) from None
    check(math.prod(shape))
    seeds_of, rates_of = (np.broadcast_to(a, shape).reshape(-1) for a in (numbers, rates))
    if learning_rates is None:
        return Grid(shape, seeds_of, rates_of, [optimizer], np.zeros(len(seeds_of), np.int64))
    different, which = np.unique(rates_of, return_inverse=True)
    optimizers = [_at_rate(optimizer, float(rate)) for rate in different]
    return Grid(shape, seeds_of, rates_of, optimizers, which.reshape(-1))


def _length(values: Any) -> int:
    try:
        return len(values)
    except OverflowError:  # of a range
        return sys.maxsize


def _seeds(seeds: Any) -> Array:
    remedy = "Give them from 0 to 4294967295, such as seeds=range(100)."
    try:
        found = np.asarray(seeds)
    except ValueError:  # lists of different lengths
        found = np.asarray(None)
    if not found.size:
        raise ArgumentError(f"seeds is empty: there is no network to train. {remedy}")
    if found.dtype.kind == "O" and all(type(seed) is int for seed in found.flat):
        raise ArgumentError(f"{found.flat[0]} in seeds is out of range. {remedy}")
    if found.dtype.kind not in "iu":
        raise ArgumentTypeError(f"seeds must be whole numbers; received {_shown(seeds)}. {remedy}")
    wrong = (found < 0) | (found >= 2**32)
    if wrong.any():
        raise ArgumentError(f"{int(found[wrong][0])} in seeds is out of range. {remedy}")
    return found.astype(np.int64)


def _rates(rates: Any) -> Array:
    remedy = "Give numbers above 0, such as learning_rates=[0.1, 0.01]."
    try:
        found = np.asarray(rates)
    except ValueError:
        found = np.asarray(None)
    if not found.size:
        raise ArgumentError(f"learning_rates is empty: there is no network to train. {remedy}")
    if found.dtype.kind not in "fiu":
        raise ArgumentTypeError(
            f"learning_rates must be numbers; received {_shown(rates)}. {remedy}"
        )
    found = found.astype(np.float64)
    wrong = ~((found > 0) & np.isfinite(found))
    if wrong.any():
        number = float(found[wrong][0])
        raise ArgumentError(f"{number} in learning_rates is no rate to train at. {remedy}")
    return found


def _shown(value: Any) -> str:
    text = repr(value)
    return f"{text if len(text) <= 60 else text[:57] + '…'} of type {type(value).__name__}"


def _at_rate(optimizer: Optimizer, rate: float) -> Optimizer:
    """Give the same optimizer with another rate; a schedule's is the number that it scales."""
    own = optimizer.learning_rate
    if not isinstance(own, Schedule):
        return replace(optimizer, learning_rate=rate)
    if not is_dataclass(own) or _RATE not in {f.name for f in fields(own)}:
        raise ArgumentError(
            f"learning_rates sets the {_RATE} of a schedule, and {type(own).__name__} has none. "
            "Leave learning_rates out, or give the schedule such a field."
        )
    changed: dict[str, Any] = {_RATE: rate}
    return replace(optimizer, learning_rate=replace(own, **changed))
