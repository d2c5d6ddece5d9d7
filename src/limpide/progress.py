"""A progress bar for training: on a terminal, for what takes longer than a second.

Answers for the bar of ``fit``. Not for: the command line's live display (``limpide.cli``).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from limpide.callbacks import Callback, Run


class Bar(Callback):
    """Shows epochs, loss and time left once a run has lasted a second."""

    def __init__(self, epochs: int, delay: float) -> None:
        self._epochs = epochs
        self._delay = delay
        self._began = time.perf_counter()
        self._done = 0
        self._display: Any = None
        self._task: Any = None

    def tick(self, step: int, loss: float) -> None:
        """Note that a slice of steps is done, with its mean loss."""
        if time.perf_counter() - self._began >= self._delay:
            self._show(f"loss {loss:.4g}")

    def epoch_end(self, run: Run) -> None:
        self._done = run.epoch + 1
        text = f"loss {run.history.loss[-1]:.4g}"
        if run.history.validation_loss:
            text += f", validation {run.history.validation_loss[-1]:.4g}"
        if self._display is not None:
            self._show(text)

    def _show(self, text: str) -> None:
        if self._display is None:
            from rich import console, progress

            self._display = progress.Progress(
                progress.TextColumn("epoch {task.completed}/{task.total}"),
                progress.BarColumn(),
                progress.TextColumn("{task.description}"),
                progress.TimeRemainingColumn(),
                console=console.Console(stderr=True),
                transient=True,
            )
            self._display.start()
            self._task = self._display.add_task(text, total=self._epochs)
        self._display.update(self._task, completed=self._done, description=text)

    def close(self) -> None:
        """Take the bar away."""
        if self._display is not None:
            self._display.stop()


@contextmanager
def progress_bar(wanted: bool | None, epochs: int) -> Iterator[Bar | None]:
    """Give a bar where one is wanted; None means on a terminal, after a second."""
    if wanted is False or (wanted is None and not sys.stderr.isatty()):
        yield None
        return
    bar = Bar(epochs, 0.0 if wanted else 1.0)
    try:
        yield bar
    finally:
        bar.close()
