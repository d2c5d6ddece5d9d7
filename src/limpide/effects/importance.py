"""Permutation importance: how much worse predictions get when one column is shuffled.

Answers for the figure of each column of the table, all that was made of it together. Not for:
causes, nor for columns that tell the same, which share their importance or hide each other's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from limpide import plots
from limpide.errors import ArgumentError, ArgumentTypeError, DataError
from limpide.ir import Array
from limpide.metrics.figures import CLASSIFICATION, REGRESSION, bound
from limpide.rng import check_seed

_ROWS_AT_ONCE = 4_096  # so many rows are predicted at once, or those of one shuffle
_MOST_SHOWN = 40


@dataclass(frozen=True)
class Importance:
    """How much each column matters to a model, the most important first.

    Attributes
    ----------
    columns
        The names of the table's columns.
    mean, std
        How much worse the metric gets on average when the column is shuffled, and the standard
        deviation over the repeats. 0 or below: the model does as well without what it says.
    metric, baseline
        The metric's name, and its value before anything is shuffled.
    rows, repeats
        On how many rows, and how often.
    """

    columns: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    metric: str
    baseline: float
    rows: int
    repeats: int

    def plot(self, axes: Any = None, language: str | None = None) -> Any:
        """Draw a bar a column with matplotlib and give its axes; see `limpide.plots.importance`."""
        return plots.importance(self, axes, language)

    def to_json(self) -> dict[str, Any]:
        """Give it as plain values."""
        return asdict(self)

    def __str__(self) -> str:
        shown = [name if name.isprintable() else repr(name)[1:-1] for name in self.columns]
        shown = [name if len(name) <= 40 else f"{name[:39]}…" for name in shown[:_MOST_SHOWN]]
        width = max([len("column"), *map(len, shown)])
        lines = [f"{'column':<{width}}  {self.metric} worse by (± std)"]
        for name, mean, std in zip(shown, self.mean, self.std, strict=False):
            lines.append(f"{name:<{width}}  {mean:>10.4g} ± {std:.2g}")
        if len(self.columns) > _MOST_SHOWN:
            lines.append(f"… and {len(self.columns) - _MOST_SHOWN} more columns")
        lines.append(
            f"{self.metric} {self.baseline:.4g} on {self.rows:,} rows, "
            f"each column shuffled {self.repeats} times"
        )
        return "\n".join(lines)


def permutation_importance(
    predict: Callable[[Array], Array],
    X: Array,
    y: Array,
    places: Mapping[str, Sequence[int]],
    metric: Any = None,
    repeats: int = 5,
    seed: int = 0,
    greater_is_better: bool = True,
) -> Importance:
    """Shuffle each column of a table in turn and see how much worse the predictions get.

    Parameters
    ----------
    predict
        From the matrix to probabilities f64[n, k] or numbers f64[n].
    X, y
        The matrix and the answers: class numbers or numbers.
    places
        For each column of the table, its columns of the matrix; they are shuffled alike.
    metric, repeats, seed, greater_is_better
        As for ``Model.permutation_importance``.

    Source
    ------
    Breiman, "Random forests", Machine Learning 45 (2001); Fisher, Rudin, Dominici, "All models are
    wrong, but many are useful", JMLR 20 (2019).
    """
    repeats = _check_repeats(repeats)
    random = np.random.Generator(np.random.Philox(check_seed(seed)))
    before = predict(X)
    name, score, higher = _metric(metric, before, greater_is_better)
    baseline = score(y, before)
    jobs = [columns for columns in places.values() for _ in range(repeats)]
    drops = np.empty(len(jobs))
    at_once = max(1, _ROWS_AT_ONCE // len(X))
    for start in range(0, len(jobs), at_once):
        part = jobs[start : start + at_once]
        work = np.tile(X, (len(part), 1))
        for i, columns in enumerate(part):
            rows = slice(i * len(X), (i + 1) * len(X))
            work[rows, columns] = X[random.permutation(len(X))][:, columns]
        found = np.split(predict(work), len(part))
        drops[start : start + len(part)] = [score(y, one) - baseline for one in found]
    worse = (-drops if higher else drops).reshape(len(places), repeats)
    # over a power of two, lest the squares of a target of 1e200 overflow
    exponent = int(np.frexp(np.abs(worse).max(initial=0.0))[1])
    small = np.ldexp(worse, -exponent)
    means, stds = np.ldexp(small.mean(axis=1), exponent), np.ldexp(small.std(axis=1), exponent)
    order = np.argsort(-means, kind="stable")
    names = list(places)
    return Importance(
        tuple(names[i] for i in order),
        tuple(means[order].tolist()),
        tuple(stds[order].tolist()),
        name,
        baseline,
        len(X),
        repeats,
    )


def _check_repeats(repeats: Any) -> int:
    if isinstance(repeats, bool | np.bool_) or not isinstance(repeats, int | np.integer):
        raise ArgumentTypeError(f"repeats must be a whole number; received {repeats!r}. Use 5.")
    if not 1 <= repeats <= 10_000:
        raise ArgumentError(f"repeats must be from 1 to 10,000; received {repeats}. Use 5.")
    return int(repeats)


def _metric(
    metric: Any, prediction: Array, greater: bool
) -> tuple[str, Callable[[Array, Array], float], bool]:
    """Give a metric's name, the metric of a prediction as the model gives it, and its direction."""
    known = CLASSIFICATION if prediction.ndim == 2 else REGRESSION
    if metric is None:
        metric = "log_loss" if prediction.ndim == 2 else "rmse"
    for name, figure in known.items():
        if metric is figure.two or metric is figure.more:
            metric = name
    if not isinstance(metric, str) and not callable(metric):
        raise ArgumentTypeError(
            f"metric must be a name ({', '.join(known)}) or a function of (y, prediction); "
            f"received {metric!r}."
        )
    name = metric if isinstance(metric, str) else str(getattr(metric, "__name__", "metric"))
    higher = greater
    if isinstance(metric, str):
        bound(name, prediction)
        higher = known[name].higher

    def score(y: Array, predicted: Array) -> float:
        if isinstance(metric, str):
            function, form = bound(name, predicted)
            found = function(y, form)
        else:
            found = metric(y, predicted)
        if found is None or np.ndim(found) != 0 or not np.isfinite(found):
            raise DataError(
                f"{name} is {found!r} on these rows, which cannot be compared. Give rows of every "
                "class, or another metric."
            )
        return float(found)

    return name, score, higher
