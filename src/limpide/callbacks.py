"""Callbacks: what runs between epochs, and early stopping.

Answers for looking at a run and ending it. Not for: anything inside a step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from limpide.conversion import check_finite_scalar
from limpide.errors import ArgumentError, ArgumentTypeError, CheckpointError, choice_error
from limpide.history import History
from limpide.ir import Array
from limpide.keywords import known_keywords


@dataclass
class Run:
    """A training run, as a callback sees it after each epoch.

    Attributes
    ----------
    network
        What is trained; its parameters are those after the epoch.
    history
        The figures so far; ``history.loss[-1]`` is this epoch's.
    epochs
        How many epochs were asked for.
    params, state
        The arrays themselves, by name.
    has_validation
        Whether ``history.validation_loss`` gets a figure each epoch.
    resumed
        How many epochs another process had finished of a run that goes on from its checkpoint;
        their figures are in ``history`` once all callbacks have begun.
    directions
        Figures that are taken each epoch → whether ``"lower"`` or ``"higher"`` is better.
    plan, data
        What a step is made of, and the rows that are learned from.
    """

    network: Any
    history: History
    epochs: int
    params: dict[str, Array]
    state: dict[str, Array]
    has_validation: bool = False
    resumed: int = 0
    directions: dict[str, str] = field(
        default_factory=lambda: {"loss": "lower", "validation_loss": "lower"}
    )
    plan: Any = None
    data: Any = None

    @property
    def epoch(self) -> int:
        """This epoch, from 0."""
        return self.history.epochs - 1

    def stop(self, why: str = "a callback asked for it") -> None:
        """End the run after this epoch."""
        if not isinstance(why, str) or not why:
            raise ArgumentTypeError(f"stop says why, as in run.stop('enough'); received {why!r}.")
        self.history.stopped = why


@dataclass(frozen=True)
class BadStep:
    """A step whose loss, or whose new weights, are not finite, as it began.

    Attributes
    ----------
    step
        Counted from 1 over all epochs.
    epoch
        Counted from 1.
    loss
        The loss of the step; infinite too where it is a weight that is not finite.
    rows
        The numbers of its rows, i64[n].
    inputs
        Copies of what the step's graph takes, in its order (``limpide.steps.trace_step``).
    """

    step: int
    epoch: int
    loss: float
    rows: Array
    inputs: list[Array]


class Callback:
    """What is called during a run; a plain function is taken as ``epoch_end``.

    One that carries something from epoch to epoch has ``state`` and ``restore`` too, so that a run
    with a checkpoint can be gone on with.
    """

    def begin(self, run: Run) -> None:
        """Called before the first epoch."""

    def epoch_end(self, run: Run) -> None:
        """Called after each epoch."""

    def end(self, run: Run) -> None:
        """Called when the run is over, also after Ctrl-C."""

    def diverged(self, run: Run, step: BadStep) -> None:
        """Called instead of ``end`` where the run diverged, before the error is raised."""

    def state(self) -> Mapping[str, Any]:
        """Give what a run that goes on must know: what JSON holds, arrays, dicts and lists of both.

        It is written at once; the arrays need not be copies.
        """
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take what ``state`` gave in the run that was broken off; called after ``begin``."""


class _Plain(Callback):
    def __init__(self, function: Callable[[Run], object]) -> None:
        self._function = function

    def epoch_end(self, run: Run) -> None:
        self._function(run)


@dataclass(frozen=True)
class Metric:
    """A figure that is taken after each epoch, and which way it gets better.

    Parameters
    ----------
    name
        Under which ``history.metrics`` keeps it.
    measure
        A function of the ``Run`` that gives the figure.
    is_better
        ``"lower"`` or ``"higher"``.
    """

    name: str
    measure: Callable[[Run], float]
    is_better: str = "lower"

    def __post_init__(self) -> None:
        if self.is_better not in ("lower", "higher"):
            raise choice_error("is_better", self.is_better, ("lower", "higher"))


class Measuring(Callback):
    """Take figures after each epoch; other callbacks find them in ``history.metrics``.

    >>> import limpide as lp
    >>> size = lp.Metric("size", lambda run: float(abs(run.params["output.weights"]).max()))
    >>> net = lp.Network([1, 1], seed=0)
    >>> history = net.fit([[0.0], [1.0]], [0.0, 1.0], callbacks=lp.Measuring(size), epochs=3)
    >>> len(history.metrics["size"])
    3
    """

    def __init__(self, *metrics: Metric) -> None:
        for metric in metrics:
            if not isinstance(metric, Metric):
                raise ArgumentTypeError(
                    f"Measuring takes lp.Metric(name, measure) objects; received {metric!r}."
                )
        self.metrics = metrics

    def begin(self, run: Run) -> None:
        run.directions |= {metric.name: metric.is_better for metric in self.metrics}
        self._curves: dict[str, list[float]] = {metric.name: [] for metric in self.metrics}

    def epoch_end(self, run: Run) -> None:
        for metric in self.metrics:
            self._curves[metric.name].append(float(metric.measure(run)))
        run.history.metrics |= self._curves

    def state(self) -> Mapping[str, Any]:
        """Give the curves so far."""
        return {name: np.array(curve) for name, curve in self._curves.items()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take the curves of the run that was broken off."""
        self._curves = {name: state[name].tolist() for name in self._curves}


class EarlyStopping(Callback):
    """End the run when a figure no longer gets better, and restore the best weights.

    Parameters
    ----------
    patience
        How many epochs without a new best are waited for; None: all epochs are run, and the best
        of them is kept.
    monitor
        ``"validation_loss"``, ``"loss"``, or the name of a metric that a callback before this one
        takes (``lp.Measuring``), which also says whether higher or lower is better.
    minimum_change
        What counts as a new best.
    restore_best
        Put back the weights and running statistics of the best epoch.
    """

    @known_keywords
    def __init__(
        self,
        patience: int | None = 10,
        monitor: str = "validation_loss",
        minimum_change: float = 0.0,
        restore_best: bool = True,
    ) -> None:
        if patience is not None:
            if isinstance(patience, bool) or not isinstance(patience, int):
                raise ArgumentTypeError(f"patience must be a whole number; received {patience!r}.")
            if patience < 1:
                raise ArgumentError(f"patience must be at least 1; received {patience}.")
        if not isinstance(monitor, str):
            raise ArgumentTypeError(
                f"monitor is the name of a figure, such as 'validation_loss'; received {monitor!r}."
            )
        self.patience = patience
        self.monitor = monitor
        self.minimum_change = check_finite_scalar(minimum_change, "minimum_change")
        if self.minimum_change < 0:
            raise ArgumentError(f"minimum_change must be at least 0; received {minimum_change!r}.")
        if not isinstance(restore_best, bool):
            raise ArgumentTypeError(
                f"restore_best must be True or False; received {restore_best!r}."
            )
        self.restore_best = restore_best

    def begin(self, run: Run) -> None:
        if self.monitor not in run.directions:
            raise choice_error("monitor", self.monitor, run.directions)
        if self.monitor == "validation_loss" and not run.has_validation:
            raise ArgumentError(
                "EarlyStopping watches validation_loss, and there is none: "
                "pass validation=0.2 or validation=(Xv, yv) to fit."
            )
        self._sign = 1.0 if run.directions[self.monitor] == "lower" else -1.0
        self._best = math.inf
        self._best_epoch: int | None = None
        self._saved: dict[str, Array] = {}
        self._shapes = {name: array.shape for name, array in (run.params | run.state).items()}

    def epoch_end(self, run: Run) -> None:
        history = run.history
        figures = history.metrics.get(self.monitor) or getattr(history, self.monitor)
        figure = self._sign * figures[-1]
        if figure < self._best - self.minimum_change:
            self._best, self._best_epoch = figure, run.epoch
            self._saved = {k: v.copy() for k, v in (run.params | run.state).items()}
        elif (
            self.patience is not None
            and self._best_epoch is not None
            and run.epoch - self._best_epoch >= self.patience
        ):
            way = "fallen" if self._sign > 0 else "risen"
            run.stop(f"{self.monitor} has not {way} for {self.patience} epochs")

    def state(self) -> Mapping[str, Any]:
        """Give the best epoch so far, its figure and its weights, and how it is chosen."""
        return {
            "chosen_by": self._chosen_by(),
            "best": self._best,
            "best_epoch": self._best_epoch,
            "saved": self._saved,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take the best epoch of the run that was broken off.

        Raises
        ------
        CheckpointError
            Where that run chose it in another way: names what was and what is.
        """
        for name, is_now in self._chosen_by().items():
            was = state["chosen_by"][name]
            if was != is_now:
                raise CheckpointError(
                    f"EarlyStopping: {name} was {was}, is {is_now}. Give the run the same again."
                )
        self._best, self._best_epoch = float(state["best"]), state["best_epoch"]
        self._saved = dict(state["saved"])
        shapes = {name: array.shape for name, array in self._saved.items()}
        if self._best_epoch is not None and shapes != self._shapes:
            raise CheckpointError(
                "EarlyStopping: the checkpoint's best weights are those of another network."
            )

    def _chosen_by(self) -> dict[str, Any]:
        names = ("patience", "monitor", "minimum_change", "restore_best")
        return {name: getattr(self, name) for name in names}

    def end(self, run: Run) -> None:
        if self.restore_best and self._best_epoch is not None:
            run.history.best_epoch = self._best_epoch
            for name, array in (run.params | run.state).items():
                array[...] = self._saved[name]


def as_callbacks(callbacks: Any) -> list[Callback]:
    """Give a list of callbacks from None, one, or several; functions are wrapped."""
    if callbacks is None:
        return []
    items = callbacks if isinstance(callbacks, (list, tuple)) else [callbacks]
    for item in items:
        if isinstance(item, type) or not (callable(item) or isinstance(item, Callback)):
            raise ArgumentTypeError(
                f"callbacks must hold functions or objects such as "
                f"lp.EarlyStopping(); received {item!r}."
            )
    return [item if isinstance(item, Callback) else _Plain(item) for item in items]
