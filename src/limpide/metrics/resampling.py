"""How sure a figure is: bootstrap intervals over the rows that it was measured on.

Answers for ``bootstrap`` and ``Interval``. Not for: the figures, nor for what another training
of the model would give, which no interval over rows can tell.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from limpide.errors import ArgumentError, ArgumentTypeError, ShapeError
from limpide.keywords import known_keywords
from limpide.metrics.inputs import Floats, read_weights
from limpide.metrics.weighted import Prepared, prepare
from limpide.rng import check_seed

_BLOCK = 1 << 19  # weights held at a time: 4 MB, which stay near the processor


@dataclass(frozen=True)
class Interval:
    """A figure, and the range in which it would fall for other rows of the same kind.

    Attributes
    ----------
    estimate
        The figure on the rows themselves; None where it is undefined.
    low, high
        The ends of the interval; None where no resample has the figure.
    level
        How often such an interval holds the true figure, about: 0.95.
    replicates
        On how many resamples the figure is defined.
    """

    estimate: float | None
    low: float | None
    high: float | None
    level: float
    replicates: int

    def to_json(self) -> dict[str, Any]:
        """Give it as plain values."""
        return asdict(self)

    def __str__(self) -> str:
        if self.estimate is None:
            return "undefined"
        if self.low is None or self.high is None:
            return f"{self.estimate:.4g}"
        return f"{self.estimate:.4g} ({self.low:.4g} to {self.high:.4g}, {self.level:.0%})"


@known_keywords
def bootstrap(
    metric: Callable[..., Any],
    y: ArrayLike,
    prediction: ArrayLike,
    n: int = 1000,
    seed: int = 0,
    level: float = 0.95,
    sample_weight: ArrayLike | None = None,
) -> Interval:
    """Give a figure with its percentile bootstrap interval over rows.

    The rows are drawn n times with replacement, as many as there are, each with its weight, and
    the interval holds the middle ``level`` of the n figures. It says how much the figure hangs on
    the rows it was measured on; not how much it would change with another training. Of a figure
    that is perfect on every row it is one point, however few rows there are. For the calibration
    error it lies too high, since drawing twice adds noise that looks like bad calibration.

    Parameters
    ----------
    metric
        ``metric(y, prediction)`` gives a number, or None where it is undefined. The figures of
        ``limpide.metrics``, also with arguments bound by ``functools.partial``, are worked out
        for all draws at once: 1,000 draws of 10,000 rows take a fraction of a second. Any other
        is called n times, with ``sample_weight`` (how often each row was drawn) where it takes
        that, else on the rows drawn.
    y, prediction
        What ``metric`` takes, a row each.
    n
        How many draws.
    seed
        Of the draws: the same seed, the same interval.
    level
        Between 0 and 1.
    sample_weight : f64[n], optional

    Raises
    ------
    ArgumentError, ArgumentTypeError
        For n, seed or level out of range.
    ShapeError, DataError, DtypeError
        As the metric's.

    Source
    ------
    Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13.

    Examples
    --------
    >>> from limpide import metrics
    >>> y, answers = [0, 1] * 50, [0, 1, 1, 1] * 25
    >>> found = metrics.bootstrap(metrics.accuracy, y, answers)
    >>> found.estimate, found.low < 0.75 < found.high
    (0.75, True)
    """
    _check(n, level)
    if "sample_weight" in getattr(metric, "keywords", {}):
        raise ArgumentError(
            "metric has sample_weight bound to it, and weights have to be drawn with their rows. "
            "Give sample_weight to bootstrap instead."
        )
    random = np.random.Generator(np.random.Philox(check_seed(seed)))
    estimate = _called(metric, y, prediction, sample_weight)
    rows = len(y)  # type: ignore[arg-type]
    weights = None if sample_weight is None else read_weights(sample_weight, rows)
    ready = prepare(metric, y, prediction)
    if ready is None:
        values = _one_by_one(metric, y, prediction, weights, rows, n, random)
    else:
        values = _all_at_once(ready, weights, rows, n, random)
    known = values[~np.isnan(values)]
    if estimate is None or not len(known):
        return Interval(estimate, None, None, float(level), len(known))
    tail = (1 - level) / 2
    low, high = np.quantile(known, [tail, 1 - tail]).tolist()
    return Interval(estimate, low, high, float(level), len(known))


def _check(n: Any, level: Any) -> None:
    if isinstance(n, bool | np.bool_) or not isinstance(n, int | np.integer):
        raise ArgumentTypeError(f"n must be a whole number of draws; received {n!r}. Use 1000.")
    if not 1 <= n <= 10_000_000:
        raise ArgumentError(f"n must be from 1 to 10,000,000 draws; received {n}. Use 1000.")
    if isinstance(level, bool | np.bool_) or not isinstance(level, int | float | np.number):
        raise ArgumentTypeError(f"level must be a number; received {level!r}. Use 0.95.")
    if not 0 < level < 1:
        raise ArgumentError(f"level must be between 0 and 1; received {level}. Use 0.95.")


def _called(
    metric: Callable[..., Any], y: ArrayLike, prediction: ArrayLike, weight: ArrayLike | None
) -> float | None:
    found = metric(y, prediction) if weight is None else metric(y, prediction, sample_weight=weight)
    if found is None:
        return None
    if np.ndim(found) != 0:
        raise ShapeError(
            f"metric must give one number; it gave an array of shape {np.shape(found)}. "
            "Ask it for an average, or for one class."
        )
    return float(found)


def _all_at_once(
    ready: Prepared, weights: Floats | None, rows: int, n: int, random: np.random.Generator
) -> Floats:
    """Draw rows as counts of them, block by block; the order of the rows has no say in a draw."""
    order, figure = ready
    if weights is not None:
        weights = np.ldexp(weights, -int(np.frexp(weights.max())[1]))
        weights = weights if order is None else weights[order]
    block = min(max(_BLOCK // rows, 1), n)
    offsets = (np.arange(block) * rows)[:, None]
    values = np.empty(n)
    for start in range(0, n, block):
        size = min(block, n - start)
        drawn = random.integers(0, rows, (size, rows)) + offsets[:size]
        counts = np.bincount(drawn.ravel(), minlength=size * rows).reshape(size, rows)
        mass = counts.astype(np.float64) if weights is None else counts * weights
        with np.errstate(invalid="ignore"):  # a draw of rows without any weight: undefined
            values[start : start + size] = figure(mass)
    return values


def _one_by_one(
    metric: Callable[..., Any],
    y: ArrayLike,
    prediction: ArrayLike,
    weights: Floats | None,
    rows: int,
    n: int,
    random: np.random.Generator,
) -> Floats:
    weighing = weights is not None or "sample_weight" in inspect.signature(metric).parameters
    truth, guess = np.asarray(y), np.asarray(prediction)
    values = np.empty(n)
    for i in range(n):
        drawn = random.integers(0, rows, rows)
        if not weighing:
            found = metric(truth[drawn], guess[drawn])
        else:
            mass = np.bincount(drawn, minlength=rows) * (1.0 if weights is None else weights)
            found = metric(truth, guess, sample_weight=mass) if mass.any() else None
        values[i] = np.nan if found is None else found
    return values
