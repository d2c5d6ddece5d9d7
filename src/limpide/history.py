"""History: what a training run leaves to look at.

Answers for the figures of each epoch. Not for: taking them (``limpide.training``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from limpide.errors import ArgumentError, choice_error
from limpide.ir import Array


@dataclass
class History:
    """The figures of a run, one an epoch.

    Attributes
    ----------
    loss
        The row-weighted mean of the epoch's step losses.
    validation_loss
        The loss on the validation rows after the epoch; empty without validation.
    metrics
        Name → one figure an epoch, for each metric that was asked for.
    steps, seconds
        How many steps were taken, and in how long (compiling apart).
    batch_size
        Rows a step.
    interrupted
        True where Ctrl-C or SIGTERM ended the run early.
    stopped
        Why a callback ended the run early, or an empty text.
    best_epoch
        The epoch (from 0) whose weights were restored, or None.
    engine
        The engine that ran it.
    """

    loss: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    metrics: dict[str, list[float]] = field(default_factory=dict)
    steps: int = 0
    seconds: float = 0.0
    batch_size: int = 0
    interrupted: bool = False
    stopped: str = ""
    best_epoch: int | None = None
    engine: str = ""

    def __post_init__(self) -> None:
        self.recording: Any = None  # what the run began with, while it is in memory

    @property
    def epochs(self) -> int:
        """How many epochs were finished."""
        return len(self.loss)

    @property
    def steps_per_second(self) -> float:
        return self.steps / self.seconds if self.seconds > 0 else 0.0

    def plot(self, axes: Any = None, metric: str | None = None, language: str | None = None) -> Any:
        """Draw the losses, or a metric, and give matplotlib's axes; see `limpide.plots.history`.

        Raises
        ------
        MissingExtraError
            Where matplotlib is not installed.
        ArgumentError
            No epoch was finished, or there is no such metric.
        """
        from limpide import plots  # an optional extra: training loads none of it

        return plots.history(self, axes, metric, language)

    def replay(self, step: int) -> Any:
        """Go through the run again up to a step, and tell it: what ``Network.explain_step`` tells.

        The run is repeated from where it began, on the arrays that it was given, by the engine
        that it ran on: the same rows in the same order, the same dropout, what the optimizer
        remembered. Callbacks are not called again; a run that one of them changed comes out
        differently.

        Parameters
        ----------
        step
            Counted from 1 over all epochs, as errors count it.

        Returns
        -------
        limpide.explain.Step

        Raises
        ------
        ArgumentError
            For a step that there was not, one before a checkpoint that was resumed, or a history
            that was loaded from a file.

        Examples
        --------
        >>> import limpide as lp
        >>> X, y = lp.datasets.people()
        >>> net = lp.Network([2, 1], output="sigmoid", dtype="float64", seed=0)
        >>> history = net.fit(X, y, epochs=3, batch_size=2)
        >>> step = history.replay(6)
        >>> bool(abs(step.after["w1"] - net.get("w1")) < 1e-12)
        True
        """
        return _recorded(self).step(step, self.steps)

    def values(self, name: str, each: str = "epoch") -> Array:
        """Give a parameter by its scalar name before the run and after each epoch (or step).

        The run is repeated for it; see ``replay``.

        >>> import limpide as lp
        >>> X, y = lp.datasets.people()
        >>> net = lp.Network([2, 1], output="sigmoid", dtype="float64", seed=0)
        >>> net.fit(X, y, epochs=3).values("w1").shape
        (4,)
        """
        if each not in ("epoch", "step"):
            raise choice_error("each", each, ("epoch", "step"))
        found: Array = _recorded(self).values(name, self.steps, each == "step")
        return found

    def __getstate__(self) -> dict[str, Any]:
        # What a run began with holds its rows: those are not ours to copy or to write.
        return {**self.__dict__, "recording": None}

    def __repr__(self) -> str:
        last = f", loss {self.loss[-1]:.6g}" if self.loss else ""
        ended = ", interrupted" if self.interrupted else ""
        return f"<History: {self.epochs} epochs, {self.steps} steps{last}{ended}>"


def _recorded(history: History) -> Any:
    """Give what a run began with, or say why it is not there."""
    if history.recording is None:
        raise ArgumentError(
            "There is nothing to replay: this history was loaded or copied, or its rows are a "
            "large table's; what a run began with is then not kept. Fit again, with the same seed."
        )
    return history.recording
