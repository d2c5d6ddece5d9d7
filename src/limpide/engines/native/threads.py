"""Threads that run compiled loops beside the caller, and how many of them there may be.

Answers for the pool and its limits. Not for: what is shared between threads (``schedule``).
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from limpide.errors import ArgumentError, ArgumentTypeError

_limit = threading.local()


def available() -> int:
    """Give how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def check_threads(threads: object) -> int:
    """Give a number of threads, or refuse what is none."""
    if isinstance(threads, bool) or not isinstance(threads, int):
        raise ArgumentTypeError(f"threads must be a whole number; received {threads!r}.")
    if threads < 1:
        raise ArgumentError(f"threads must be at least 1; received {threads}.")
    return threads


def most() -> int:
    """Give how many threads a run may use now."""
    wanted = getattr(_limit, "threads", None)
    return available() if wanted is None else wanted


@contextmanager
def limit_threads(threads: int) -> Iterator[None]:
    """Let what this thread starts inside use at most so many threads; results do not change.

    Raises
    ------
    ArgumentError
        For a number below 1.

    Examples
    --------
    >>> from limpide.engines.native.threads import limit_threads, most
    >>> with limit_threads(1):
    ...     most()
    1
    """
    number = check_threads(threads)
    before = getattr(_limit, "threads", None)
    _limit.threads = number
    try:
        yield
    finally:
        _limit.threads = before


class _Worker:
    """A thread that sleeps until it is given something to run."""

    def __init__(self) -> None:
        self._wake, self._done = threading.Lock(), threading.Lock()  # held: nothing to do
        self._wake.acquire()
        self._done.acquire()
        self._task: Callable[[], object] | None = None
        threading.Thread(target=self._live, daemon=True, name="limpide").start()

    def _live(self) -> None:
        while True:
            self._wake.acquire()
            assert self._task is not None
            try:
                self._task()
            finally:
                self._task = None
                self._done.release()

    def start(self, task: Callable[[], object]) -> None:
        self._task = task
        self._wake.release()

    def wait(self) -> bool:
        return self._done.acquire()


class Pool:
    """Workers that are lent to one run at a time and kept for the next."""

    def __init__(self) -> None:
        self._idle: list[_Worker] = []
        self._lock = threading.Lock()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        """A forked child has none of its parent's threads."""
        self._idle = []
        self._lock = threading.Lock()

    def run(self, tasks: list[Callable[[], object]]) -> None:
        """Run tasks at the same time, the first one in this thread."""
        with self._lock:
            workers = [self._idle.pop() for _ in tasks[1:] if self._idle]
        workers += [_Worker() for _ in range(len(tasks) - 1 - len(workers))]
        for worker, task in zip(workers, tasks[1:], strict=True):
            worker.start(task)
        interrupted: BaseException | None = None
        try:
            tasks[0]()
        except BaseException as error:
            interrupted = error
        for worker in workers:
            done = False
            while not done:
                try:
                    done = worker.wait()
                except BaseException as error:  # Ctrl-C: memory is in use until workers are done
                    interrupted = error
        with self._lock:
            self._idle += workers
        if interrupted is not None:
            raise interrupted


POOL = Pool()


def yield_address() -> int:
    """Give the address of the system's function that lets another thread run, or 0."""
    try:
        return ctypes.cast(ctypes.CDLL(None).sched_yield, ctypes.c_void_p).value or 0
    except (AttributeError, OSError, TypeError):  # not POSIX
        return 0
