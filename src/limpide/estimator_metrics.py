"""Metrics of an estimator after each epoch: names, scorers and plain functions of (y, prediction).

Answers for which way a metric gets better, and what it is given. Not for: the figures themselves
(``limpide.metrics``), or finding scikit-learn's scorers by name, which the estimator does.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from limpide.callbacks import Metric
from limpide.errors import ArgumentError, ArgumentTypeError, nearest
from limpide.ir import Array
from limpide.metrics.figures import CLASSIFICATION, REGRESSION, Figure, bound
from limpide.model import Model

# scikit-learn's rule for the names of its metrics: functions that end so give less for better.
_LOWER = ("loss", "error", "deviance")
# Names that everybody knows, of functions that users write.
_LOWER_NAMES = frozenset({"mae", "mape", "mse", "rmse", "rmsle", "brier"})
# Its functions of probabilities; all others take what predict gives.
_OF_PROBABILITIES = frozenset({"log_loss", "d2_log_loss_score", "top_k_accuracy_score"})
_OF_ONE_PROBABILITY = frozenset(
    {"roc_auc_score", "average_precision_score", "brier_score_loss", "d2_brier_score"}
)


@dataclass(frozen=True)
class Scorers:
    """Scorers by name, ``(estimator, X, y)`` → a figure of which more is better."""

    get: Callable[[str], Any]
    names: tuple[str, ...]


@dataclass(frozen=True)
class Prepared:
    """Rows of a network's matrix, which an estimator's methods take in the place of X."""

    matrix: Array

    @property
    def shape(self) -> tuple[int, ...]:
        return self.matrix.shape

    def __len__(self) -> int:
        return len(self.matrix)


@dataclass(frozen=True)
class Held:
    """Rows that metrics are taken on: the matrix, y as it was given, as encoded, and weights."""

    rows: Prepared
    y: Array
    encoded: Array
    weights: Array | None


@dataclass(frozen=True)
class _Watched:
    name: str
    is_better: str
    measure: Callable[[Any, Held], float]


def as_metrics(metric: Any, task: str, scorers: Scorers, probe: Any, held: Held) -> list[Metric]:
    """Give the metrics that a user asked for.

    Parameters
    ----------
    metric
        None, one or a list of: a name, a scorer ``(estimator, X, y)``, or a function
        ``(y, prediction)``; or a dict of a name for each of them.
    scorers
        What scikit-learn knows by name.
    probe
        The estimator under way.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        For a name that nobody knows, and for what can be none.
    """
    if metric is None:
        return []
    if isinstance(metric, Mapping):
        found = [
            _watched(value, task, scorers, name if isinstance(name, str) else str(name))
            for name, value in metric.items()
        ]
    else:
        items = metric if isinstance(metric, (list, tuple)) else [metric]
        found = [_watched(item, task, scorers, None) for item in items]
    names = [each.name for each in found]
    for name in names:
        if names.count(name) > 1 or name in ("loss", "validation_loss"):
            raise ArgumentError(
                f"metric holds the name {name!r}, which is taken. Give other names in a dict: "
                "metric={'one': f, 'two': g}."
            )
    return [_metric(each, probe, held) for each in found]


def _metric(watched: _Watched, probe: Any, held: Held) -> Metric:
    return Metric(watched.name, lambda run: watched.measure(probe, held), watched.is_better)


def _watched(item: Any, task: str, scorers: Scorers, name: str | None) -> _Watched:
    own = _own(task)
    if isinstance(item, str):
        if item in own:
            return _of_own(item, task, name or item)
        if item not in scorers.names:
            hint = nearest(item, [*own, *scorers.names])
            some = f"one of {', '.join(own)}, or " if own else ""
            raise ArgumentError(
                f"metric must be {some}a name among scikit-learn's scorers, a scorer, or a "
                f"function of (y, prediction); received {item!r}.{hint}"
            )
        return _Watched(name or item, "higher", _of_scorer(scorers.get(item)))
    if not callable(item) or isinstance(item, type):
        raise ArgumentTypeError(
            "metric must be a name, a scorer or a function of (y, prediction), or a list or dict "
            f"of them; received {item!r}."
        )
    for known, figure in own.items():
        if item is figure.two or item is figure.more:
            return _of_own(known, task, name or item.__name__)
    if hasattr(item, "_score_func"):
        called = getattr(item._score_func, "__name__", "scorer")
        return _Watched(name or called, "higher", _of_scorer(item))
    called = _called(item)
    if not _takes_two(item):
        raise ArgumentTypeError(
            f"metric {called!r} must take (y, prediction), two arguments. Change its first line."
        )
    if _needed(item) >= 3:
        return _Watched(name or called, "higher", _of_scorer(item))
    is_better = "lower" if _is_lower(called) or _is_lower(name or "") else "higher"
    return _Watched(name or called, is_better, _of_function(item, called, task))


def _own(task: str) -> dict[str, Figure]:
    """Give limpide's own figures for a task; there are none for several labels at once."""
    return {"regression": REGRESSION, "multilabel": {}}.get(task, CLASSIFICATION)


def _of_own(figure: str, task: str, name: str) -> _Watched:
    is_better = "higher" if _own(task)[figure].higher else "lower"
    return _Watched(name, is_better, _of_figure(figure, task))


def _called(function: Any) -> str:
    """Give a function's name, also of one some of whose arguments are given already."""
    while isinstance(function, functools.partial):
        function = function.func
    return str(getattr(function, "__name__", type(function).__name__))


def _is_lower(name: str) -> bool:
    name = name.lower()
    return name in _LOWER_NAMES or (name.endswith(_LOWER) and not name.startswith("neg"))


def _needed(function: Callable[..., Any]) -> int:
    """Give how many arguments a function must have."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # one written in C may not say
        return 2
    plain = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(p.kind in plain and p.default is p.empty for p in parameters)


def _takes_two(function: Callable[..., Any]) -> bool:
    """Whether a function can be called with two arguments, or needs more: then it is a scorer."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return True
    try:
        signature.bind(None, None)
    except TypeError:
        return _needed(function) >= 3
    return True


def _of_scorer(scorer: Any) -> Callable[[Any, Held], float]:
    def measure(probe: Any, held: Held) -> float:
        accepts = getattr(scorer, "_accept_sample_weight", None)
        if held.weights is None or accepts is None or not accepts():
            return float(scorer(probe, held.rows, held.y))
        return float(scorer(probe, held.rows, held.y, sample_weight=held.weights))

    return measure


def _of_function(
    function: Callable[..., Any], name: str, task: str
) -> Callable[[Any, Held], float]:
    def measure(probe: Any, held: Held) -> float:
        if name in _OF_PROBABILITIES:
            given = probe.predict_proba(held.rows)
        elif name in _OF_ONE_PROBABILITY:
            given = probe.predict_proba(held.rows)
            given = given[:, 1] if task == "binary" else given
        else:
            given = probe.predict(held.rows)
        found = function(held.y, given)
        if np.ndim(found) != 0 or isinstance(found, (str, bytes)) or found is None:
            raise ArgumentTypeError(
                f"metric {name!r} must give one number; it gave {found!r:.60}. Return a float."
            )
        return float(found)

    return measure


def _of_figure(name: str, task: str) -> Callable[[Any, Held], float]:
    def measure(probe: Any, held: Held) -> float:
        model: Model = probe.model_
        z = model.sums_of_matrix(held.rows.matrix)
        function, form = (
            (REGRESSION[name].two, model.decided(z))
            if task == "regression"
            else bound(name, model.probabilities(z))
        )
        found = function(held.encoded, form, held.weights)
        return math.nan if found is None else float(found)

    return measure
