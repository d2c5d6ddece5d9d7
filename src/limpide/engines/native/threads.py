"""Threads that run compiled loops beside the caller.

Answers for the pool. Not for: how many there may be (``limpide.threads``), or what they share
(``schedule``).
"""

from __future__ import annotations

import ctypes
import math
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from operator import call

MOST_THREADS = 64


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

    def give(self, task: Callable[[], object] | None) -> None:
        """Say what to run when it is woken."""
        self._task = task

    @property
    def wake(self) -> Callable[[], object]:
        return self._wake.release

    def wait(self) -> bool:
        return self._done.acquire()


class Pool:
    """Workers that are lent to one run at a time and kept for the next."""

    def __init__(self) -> None:
        self._forget()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        """A forked child has none of its parent's threads."""
        self._idle: deque[_Worker] = deque()

    @contextmanager
    def lend(self, threads: int) -> Iterator[Team]:
        """Lend a team of so many threads, or of fewer where the system starts no more."""
        workers: list[_Worker] = []
        try:
            with suppress(IndexError):
                while len(workers) < threads - 1:
                    workers.append(self._idle.pop())
            with suppress(RuntimeError):  # "can't start new thread"
                while len(workers) < threads - 1:
                    workers.append(_Worker())
            yield Team(workers)
        finally:
            self._idle.extend(workers)


class Team:
    """The calling thread and some workers.

    Attributes
    ----------
    size
        How many threads it has.
    """

    def __init__(self, workers: Sequence[_Worker]) -> None:
        self._workers, self.size = workers, len(workers) + 1

    def run(self, tasks: Sequence[Callable[[], object]]) -> None:
        """Run as many tasks as there are threads, at the same time."""
        first, *others = tasks
        for worker, task in zip(self._workers, others, strict=True):
            worker.give(task)
        interrupted: BaseException | None = None
        begin = [*(worker.wake for worker in self._workers), first]
        try:
            # One call, so that Ctrl-C cannot come between: threads that meet wait for all others.
            deque(map(call, begin), maxlen=0)
        except BaseException as error:
            interrupted = error
        for worker in self._workers:
            done = False
            while not done:
                try:
                    done = worker.wait()
                except BaseException as error:  # Ctrl-C: memory is in use until workers are done
                    interrupted = error
        if interrupted is not None:
            raise interrupted


POOL = Pool()


class Pace:
    """How many threads serve a program best just now, by the time of its steps.

    Where other programs keep the processors busy, threads that meet after every step wait for each
    other's turns, and one alone is faster. Both are compared again now and then, briefly.
    Steps that outlast such turns are always shared.

    Parameters
    ----------
    cycles
        Of a step, roughly.
    """

    def __init__(self, cycles: float) -> None:
        self._is_long = cycles >= _LONG
        self._best = 0  # threads that were fastest when last compared; 0 before
        self._seconds: dict[int, float] = {}  # threads -> a step, lately
        self._trials: list[int] = []  # threads that are to be tried next
        self._found: dict[int, float] = {}  # threads -> a step, in these trials
        self._compared = 0.0  # when
        self._first = 0.0  # seconds of one of the first steps

    def choose(self, most: int, left: int) -> tuple[int, int]:
        """Give how many threads to use, and for how many of the steps that are left."""
        if most == 1 or self._is_long:
            return most, left
        if not self._first:
            return 1, min(left, _FEW_STEPS)  # how long a trial has to be
        a_step = min(self._seconds.values(), default=self._first)
        if left * a_step < _SHORT:
            return 1, left
        if self._trials and max(self._trials) > most:
            self._trials = []  # fewer are allowed now
        if not self._trials and self._is_time(most, a_step):
            # Twice each, of which the faster counts: threads and caches are cold in the first.
            self._trials, self._found = [most, most, 1, 1], {}
        if self._trials:
            return self._trials[0], min(left, max(1, int(_TRIAL / a_step)))
        return self._best, left

    def _is_time(self, most: int, a_step: float) -> bool:
        """Whether to compare now: at first, now and then, and where the best has become slow."""
        if not self._best or self._best not in (most, 1):
            return True
        since = time.perf_counter() - self._compared
        other = self._seconds[1 if self._best == most else most]
        slower = max(other / a_step, 1.0)
        if self._seconds[self._best] > _FAVOUR * other and since > _AGAIN / 5:
            return True
        lost = 2 * _TRIAL * (slower - 1)
        return since > max(_AGAIN * slower, lost / _LOST)

    def note(self, threads: int, steps: int, seconds: float) -> None:
        """Remember how long some steps took; a few only say what to expect."""
        each = seconds / steps
        if not self._first:
            self._first = each
        if seconds < _SHORT / 2:
            return
        if not self._trials or self._trials[0] != threads:
            self._seconds[threads] = each
            return
        del self._trials[0]
        self._found[threads] = min(each, self._found.get(threads, math.inf))
        if not self._trials:
            self._seconds = self._found
            many = max(self._found)
            self._best = many if self._found[many] <= _FAVOUR * self._found[1] else 1
            self._compared = time.perf_counter()


_SHORT = 0.001  # seconds for which it does not pay to wake a thread
_LONG = 1e7  # cycles of a step: a few milliseconds, for which systems let a program run
_LOST = 0.01  # share of the time that trials of what is slower may cost
_AGAIN = 0.5  # seconds after which numbers are compared again; later, the slower the other was
_TRIAL = 0.006  # seconds of a trial, about
_FAVOUR = 1.1  # a trial's first part is slow with many threads: some have to be woken
_FEW_STEPS = 16


def yield_address() -> int:
    """Give the address of the system's function that lets another thread run, or 0."""
    try:
        return ctypes.cast(ctypes.CDLL(None).sched_yield, ctypes.c_void_p).value or 0
    except (AttributeError, OSError, TypeError):  # not POSIX
        return 0
