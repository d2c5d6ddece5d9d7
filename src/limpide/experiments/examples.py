"""The rows that experiments learn where none are given.

Answers for small sets made by formula, and for taking a user's own. Not for: named data sets
(``limpide.datasets``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from limpide.arrays import as_numbers
from limpide.datasets import circle
from limpide.errors import ArgumentError
from limpide.ir import Array


def rows_or(X: Any, y: Any, example: Callable[[], tuple[Array, Array]]) -> tuple[Array, Array]:
    """Give a user's rows in float64, or those of an example where there are none."""
    if X is None and y is None:
        return example()
    if X is None or y is None:
        missing, given = ("X", "y") if X is None else ("y", "X")
        raise ArgumentError(f"{missing} is missing: give both X and y, or leave {given} out too.")
    return as_numbers(X, "X").astype(np.float64), as_numbers(y, "y").astype(np.float64)


def clouds(seed: int) -> tuple[Array, Array]:
    """Give two clouds around (1, 1) and (3, 3), one behind the other as seen from (0, 0)."""
    rng = np.random.default_rng(seed)
    y = np.repeat([0.0, 1.0], 50)
    return rng.normal(0, 0.35, (100, 2)) + np.where(y == 0, 1.0, 3.0)[:, None], y


def small_circle() -> tuple[Array, Array]:
    """Give 200 points, of which those within half of the radius are one class."""
    points = circle(200)
    return points.X / 5, points.y


def plane(seed: int) -> tuple[Array, Array]:
    """Give 100 rows of y = 2·x1 − x2 + 1 and a little noise; x1 reaches twice as far as x2."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, (100, 2)) * [2.0, 1.0]
    return X, 2 * X[:, 0] - X[:, 1] + 1 + rng.normal(0, 0.1, 100)
