"""A progress bar for training: on a terminal, for what takes longer than a second.

Answers for the bar of ``fit`` and ``fit_many``. Not for: the command line's live display
(``limpide.terminal``).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from limpide.history import History
from limpide.languages import Words, words_in
from limpide.wording import in_language

_TICK_SECONDS = 0.1


class Bar:
    """Shows epochs (or networks), loss and time left once a run has lasted a second."""

    def __init__(self, total: int, delay: float, networks: bool = False) -> None:
        self._total = total
        self._words = words_in()
        self._unit = self._words.say("network") if networks else self._words.say("epoch")
        self._next = time.perf_counter() + delay  # when there is something new to show
        self._display: Any = None
        self._task: Any = None

    def tick(self, history: History, loss: float) -> None:
        """Note that a slice of steps is done, with the mean loss of its last ones."""
        now = time.perf_counter()
        if now < self._next:
            return
        self._next = now + _TICK_SECONDS
        words = self._words
        text = words.say("loss {loss}", loss=_written(loss, words))
        if history.validation_loss:
            held = _written(history.validation_loss[-1], words)
            text += f", {words.say('validation {loss}', loss=held)}"
        self._show(text, history.epochs)

    def count(self, done: int) -> None:
        """Note how many networks are trained."""
        now = time.perf_counter()
        if now >= self._next:
            self._next = now + _TICK_SECONDS
            self._show("", done)

    def _show(self, text: str, done: int) -> None:
        if self._display is None:
            from rich import console, progress

            self._display = progress.Progress(
                progress.TextColumn(self._unit + " {task.completed}/{task.total}"),
                progress.BarColumn(),
                progress.TextColumn("{task.description}"),
                progress.TimeRemainingColumn(),
                console=console.Console(stderr=True),
                transient=True,
            )
            self._display.start()
            self._task = self._display.add_task(text, total=self._total)
        self._display.update(self._task, completed=done, description=text)

    def close(self) -> None:
        """Take the bar away."""
        if self._display is not None:
            self._display.stop()


def _written(loss: float, words: Words) -> str:
    return in_language(f"{loss:.4g}", words.language)


@contextmanager
def progress_bar(wanted: bool | None, total: int, networks: bool = False) -> Iterator[Bar | None]:
    """Give a bar where one is wanted; None means on a terminal, after a second."""
    if wanted is False or (wanted is None and not sys.stderr.isatty()):
        yield None
        return
    bar = Bar(total, 0.0 if wanted else 1.0, networks)
    try:
        yield bar
    finally:
        bar.close()
