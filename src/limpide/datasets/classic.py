"""The classic two-dimensional data sets of the neural-network playground, drawn by seed.

Answers for their distributions: circle, xor, gauss, spiral (classes), plane, gaussians (numbers).
Not for: drawing them, splitting them, or scaling.

Source: Smilkov, Carter et al., "Direct-Manipulation Visualization of Deep Networks" (2017).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from limpide.datasets.dataset import Dataset, Floats
from limpide.errors import ArgumentError, ArgumentTypeError, MemoryLimitError

_RADIUS = 5.0  # of the two-class pictures; the regressions use a square of half-width 6
_HALF_WIDTH = 6.0
_PADDING = 0.3
_MOST_POINTS = 2_000_000  # about 0.1 GB at the peak
_MOST_NOISE = 50


def circle(n_samples: int = 500, noise: float = 0, seed: int = 0) -> Dataset:
    """Give a disc (class 1) inside a ring (class 0).

    Half of the points have radius U(0, 2.5), half U(3.5, 5), angle U(0, 2π). The class is 1
    where the point, moved by U(−5, 5)·noise/100 on each axis, is closer than 2.5 to the centre:
    noise moves the label, not the point.

    Parameters
    ----------
    n_samples : int
        2 to 2,000,000; of an odd number the extra one is inside. Rows come in random order.
    noise : float
        0 to 50, in per cent.
    seed : int
        0 or more; the same seed gives the same rows.

    Returns
    -------
    Dataset
        X f64[n_samples, 2], y f64[n_samples] of 0 and 1, binary.

    Raises
    ------
    ArgumentError, ArgumentTypeError, MemoryLimitError

    Examples
    --------
    >>> X, y = circle(200, seed=1)
    >>> bool(np.all((np.hypot(*X.T) < 2.5) == (y == 1)))
    True
    """
    total, share, rng = _arguments(n_samples, noise, seed)
    inner = (total + 1) // 2
    radius = np.concatenate(
        [
            rng.uniform(0, 0.5 * _RADIUS, inner),
            rng.uniform(0.7 * _RADIUS, _RADIUS, total - inner),
        ]
    )
    angle = rng.uniform(0, 2 * math.pi, total)
    X = np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=1)
    moved = X + rng.uniform(-_RADIUS, _RADIUS, X.shape) * share
    return _shuffled(X, np.hypot(*moved.T) < 0.5 * _RADIUS, "binary", rng)


def xor(n_samples: int = 500, noise: float = 0, seed: int = 0) -> Dataset:
    """Give four squares: class 1 where the two coordinates have the same sign.

    Both coordinates are U(−5, 5), pushed 0.3 away from the axes. The class is read off the
    coordinates moved by U(−5, 5)·noise/100: noise moves the label, not the point. Arguments and
    errors as for `circle`; for the four-row table see `xor_table`.

    Returns
    -------
    Dataset
        X f64[n_samples, 2], y f64[n_samples] of 0 and 1, binary.

    Raises
    ------
    ArgumentError, ArgumentTypeError, MemoryLimitError

    Examples
    --------
    >>> X, y = xor(200, seed=1)
    >>> bool(np.all((X[:, 0] * X[:, 1] > 0) == (y == 1)))
    True
    """
    total, share, rng = _arguments(n_samples, noise, seed)
    X = rng.uniform(-_RADIUS, _RADIUS, (total, 2))
    X += np.where(X > 0, _PADDING, -_PADDING)
    moved = X + rng.uniform(-_RADIUS, _RADIUS, X.shape) * share
    return _shuffled(X, moved[:, 0] * moved[:, 1] >= 0, "binary", rng)


def gauss(n_samples: int = 500, noise: float = 0, seed: int = 0) -> Dataset:
    """Give two clouds: class 1 around (2, 2), class 0 around (−2, −2).

    Each coordinate is normal, with a variance that goes from 0.5 to 4 as noise goes from 0 to 50:
    here noise moves the point. Arguments and errors as for `circle`.

    Returns
    -------
    Dataset
        X f64[n_samples, 2], y f64[n_samples] of 0 and 1, binary.

    Raises
    ------
    ArgumentError, ArgumentTypeError, MemoryLimitError

    Examples
    --------
    >>> X, y = gauss(2000)
    >>> X[y == 1].mean(axis=0).round().tolist()
    [2.0, 2.0]
    """
    total, share, rng = _arguments(n_samples, noise, seed)
    variance = 0.5 + 3.5 * (share / 0.5)
    label = np.arange(total) < (total + 1) // 2
    centre = np.where(label, 2.0, -2.0)[:, None]
    X = centre + rng.normal(0.0, math.sqrt(variance), (total, 2))
    return _shuffled(X, label, "binary", rng)


def spiral(n_samples: int = 500, noise: float = 0, seed: int = 0) -> Dataset:
    """Give two interwoven spirals, one a class.

    Point i of an arm of N has radius r = 5i/N and angle t = 3.5πi/N, plus π on the arm of class
    0; x = r sin t, y = r cos t, each moved by U(−1, 1)·noise/100. Arguments and errors as for
    `circle`; of an odd number of points the arm of class 1 has one more.

    Returns
    -------
    Dataset
        X f64[n_samples, 2], y f64[n_samples] of 0 and 1, binary.

    Raises
    ------
    ArgumentError, ArgumentTypeError, MemoryLimitError

    Examples
    --------
    >>> X, y = spiral(500)
    >>> round(float(np.hypot(*X.T).max()), 6)
    4.98
    """
    total, share, rng = _arguments(n_samples, noise, seed)
    first = (total + 1) // 2
    arms = []
    for length, turn in ((first, 0.0), (total - first, math.pi)):
        step = np.arange(length) / length
        radius, angle = 5 * step, 3.5 * math.pi * step + turn
        arms.append(np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=1))
    X = np.concatenate(arms)
    X += rng.uniform(-1, 1, X.shape) * share
    return _shuffled(X, np.arange(total) < first, "binary", rng)


def plane(n_samples: int = 1200, noise: float = 0, seed: int = 0) -> Dataset:
    """Give a tilted plane to predict: y = (x₁ + x₂) / 10 on the square U(−6, 6)².

    The target is read at the point moved by U(−6, 6)·noise/100: noise moves the target, not the
    point. Arguments and errors as for `circle`.

    Returns
    -------
    Dataset
        X f64[n_samples, 2], y f64[n_samples], regression.

    Raises
    ------
    ArgumentError, ArgumentTypeError, MemoryLimitError

    Examples
    --------
    >>> X, y = plane()
    >>> bool(np.all(y == (X[:, 0] + X[:, 1]) / 10))
    True
    """
    X, moved, rng = _square(n_samples, noise, seed)
    return _shuffled(X, (moved[:, 0] + moved[:, 1]) / 10, "regression", rng)


def gaussians(n_samples: int = 1200, noise: float = 0, seed: int = 0) -> Dataset:
    """Give six bumps to predict, up and down by turns, on the square U(−6, 6)².

    The centres are x₁ ∈ {−4, 0, 4}, x₂ = ±2.5, with signs + − + above and − + − below. A bump is
    sign · max(0, 1 − d/2) at distance d; where two meet, the one largest in absolute value counts.
    The target is read at the point moved by U(−6, 6)·noise/100. Arguments and errors as for
    `circle`.

    Returns
    -------
    Dataset
        X f64[n_samples, 2], y f64[n_samples] in [−1, 1], regression.

    Raises
    ------
    ArgumentError, ArgumentTypeError, MemoryLimitError

    Examples
    --------
    >>> X, y = gaussians()
    >>> bool(y.min() < -0.8 and y.max() > 0.8)
    True
    """
    X, moved, rng = _square(n_samples, noise, seed)
    y = np.zeros(len(X))
    for first in (-4.0, 0.0, 4.0):
        for second in (2.5, -2.5):
            sign = 1.0 if (first == 0) == (second < 0) else -1.0
            distance = np.hypot(moved[:, 0] - first, moved[:, 1] - second)
            bump = sign * np.maximum(0.0, 1 - distance / 2)
            y = np.where(np.abs(bump) > np.abs(y), bump, y)
    return _shuffled(X, y, "regression", rng)


def _square(n_samples: int, noise: float, seed: int) -> tuple[Floats, Floats, np.random.Generator]:
    """Give points of the square, and where their targets are read."""
    total, share, rng = _arguments(n_samples, noise, seed)
    X = rng.uniform(-_HALF_WIDTH, _HALF_WIDTH, (total, 2))
    return X, X + rng.uniform(-_HALF_WIDTH, _HALF_WIDTH, X.shape) * share, rng


def _shuffled(X: Floats, y: np.ndarray[Any, Any], task: str, rng: np.random.Generator) -> Dataset:
    """Give the rows in random order, since a validation share is often cut off the end."""
    order = rng.permutation(len(X))
    return Dataset(X[order], y[order].astype(np.float64), task)


def _arguments(n_samples: int, noise: float, seed: int) -> tuple[int, float, np.random.Generator]:
    total = _whole("n_samples", n_samples, 2)
    if total > _MOST_POINTS:
        raise MemoryLimitError(
            f"n_samples={total} would need about {total * 56 / 1e9:,.1f} GB; "
            f"at most {_MOST_POINTS:,} points are drawn. Ask for fewer."
        )
    if isinstance(noise, bool | np.bool_) or not isinstance(
        noise, int | float | np.integer | np.floating
    ):
        raise ArgumentTypeError(f"noise must be a number; received {noise!r}.")
    if not 0 <= noise <= _MOST_NOISE:  # NaN fails it too
        raise ArgumentError(f"noise must be 0 to {_MOST_NOISE} (per cent); received {noise!r}.")
    return total, float(noise) / 100, np.random.default_rng(_whole("seed", seed, 0))


def _whole(name: str, value: object, least: int) -> int:
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer):
        raise ArgumentTypeError(f"{name} must be a whole number; received {value!r}.")
    if value < least:
        raise ArgumentError(f"{name} must be {least} or more; received {value!r}.")
    return int(value)
