"""Ctrl-C and SIGTERM while something is learned: once to finish well, twice to leave at once.

Answers for the handlers, and for sharing them between a program and the runs that it starts.
Not for: what a run does when it is asked to stop (``limpide.training``).
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Stop:
    """A handler whose first signal sets ``asked``; a second one raises KeyboardInterrupt.

    Parameters
    ----------
    gentle
        False: the first signal raises already. A program sets it to True once there is something
        to save.

    Examples
    --------
    >>> stop = Stop()
    >>> stop(2, None)
    >>> stop.asked
    True
    """

    def __init__(self, gentle: bool = True) -> None:
        self.asked = False  # no Event: a handler could wait for the lock that it interrupted
        self.gentle = gentle

    def __call__(self, number: int, frame: Any) -> None:
        if not self.gentle or self.asked:
            raise KeyboardInterrupt
        self.asked = True


@contextmanager
def catching(stop: Stop | None = None) -> Iterator[Stop]:
    """Let Ctrl-C and SIGTERM call ``stop`` for a while.

    Without one, a ``Stop`` that handles signals already is shared, so that a run inside a program
    that saves what was learned hears the same signals. Any other program's own handler is left
    alone, and so is everything outside the main thread, which cannot have handlers.
    """
    numbers = (signal.SIGINT, signal.SIGTERM)
    if stop is None:
        standing = [h for h in map(signal.getsignal, numbers) if isinstance(h, Stop)]
        if standing:
            yield standing[0]
            return
        stop = Stop()
    changed: dict[signal.Signals, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for number in numbers:
            if signal.getsignal(number) in (signal.default_int_handler, signal.SIG_DFL):
                changed[number] = signal.signal(number, stop)
    try:
        yield stop
    finally:
        for number, old in changed.items():
            signal.signal(number, old)
