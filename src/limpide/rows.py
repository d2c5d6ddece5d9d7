"""Rows to learn from: arrays with a row each, the share held out, how many rows a step takes.

Answers for ``Data``, its split by a seed, and the mean of its rows' losses. Not for: what may be
given as X and y (``limpide.arrays``), or the order in which rows come (``limpide.row_orders``).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from limpide.errors import ArgumentError, ArgumentTypeError, DataError, LimpideWarning
from limpide.ir import Array


@dataclass
class Data:
    """Rows to learn from: X f[n, k], y by row, weights f[n] or None; ``rows`` selects some."""

    X: Array
    y: Array
    weights: Array | None = None
    rows: Array | None = None

    @property
    def n_rows(self) -> int:
        return len(self.X) if self.rows is None else len(self.rows)

    def taken(self) -> Data:
        """Give the selected rows as arrays of their own."""
        if self.rows is None:
            return self
        weights = None if self.weights is None else self.weights[self.rows]
        return Data(self.X[self.rows], self.y[self.rows], weights)

    def arrays(self) -> list[Array]:
        return [a for a in (self.X, self.y, self.weights) if a is not None]


def split(data: Data, share: Any, seed: int) -> tuple[Data, Data]:
    """Give the rows to train on and the share that is held out, drawn by the seed."""
    if isinstance(share, (bool, np.bool_)) or not isinstance(share, (int, float, np.number)):
        raise ArgumentTypeError(
            "validation must be a pair (Xv, yv) or a share between 0 and 1; received "
            f"{type(share).__name__}."
        )
    if not 0 < share < 1:
        raise ArgumentError(f"validation is a share between 0 and 1; received {share!r}. Try 0.2.")
    n = data.n_rows
    if n < 2:
        raise DataError("validation=share needs at least 2 rows to split; there is 1.")
    held = min(max(round(share * n), 1), n - 1)
    order = np.random.Generator(np.random.Philox(seed)).permutation(n)
    parts = [np.sort(order[held:]), np.sort(order[:held])]
    for rows, what in zip(parts, ("left to train on", "held out"), strict=True):
        if data.weights is not None and not data.weights[rows].any():
            raise DataError(
                f"sample_weight is 0 in all rows {what}; take another seed, or another validation."
            )
    first, second = (Data(data.X, data.y, data.weights, rows) for rows in parts)
    return first, second


def mean_loss(losses: Array, weights: Array | None) -> float:
    """Give the mean of rows' losses, f[n], weighted where there are weights."""
    if weights is None:
        return float(losses.mean(dtype=np.float64))
    wide = weights.astype(np.float64)
    return float(losses @ wide / (wide.sum() or 1.0))


def rows_a_step(batch_size: int | None, n_rows: int) -> int:
    """Give the batch size: 32 for None, and at most all rows."""
    if batch_size is not None and batch_size > n_rows:
        warnings.warn(
            f"batch_size is {batch_size}, and there are {n_rows} rows: each step takes them all. "
            f"Pass batch_size={n_rows} to say so.",
            LimpideWarning,
            stacklevel=5,
        )
    return min(batch_size or 32, n_rows)
