"""History: what a training run leaves to look at.

Answers for the figures of each epoch. Not for: taking them (``limpide.training``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


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

    def __repr__(self) -> str:
        last = f", loss {self.loss[-1]:.6g}" if self.loss else ""
        ended = ", interrupted" if self.interrupted else ""
        return f"<History: {self.epochs} epochs, {self.steps} steps{last}{ended}>"
