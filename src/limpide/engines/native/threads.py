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
    other's turns, and one alone is faster. What is slower is tried again now and then, briefly.
    Steps that outlast such turns are always shared.

    Parameters
    ----------
    cycles
        Of a step, roughly.
    """

    def __init__(self, cycles: float) -> None:
        self._is_long = cycles >= _LONG
        self._seconds: dict[int, float] = {}  # threads -> a step, lately
        self._tried: dict[int, float] = {}  # threads -> when
        self._trials: dict[int, int] = {}  # threads -> how often

    def choose(self, most: int, left: int) -> tuple[int, int]:
        """Give how many threads to use, and for how many of the steps that are left."""
        if most == 1 or self._is_long:
            return most, left
        known = self._seconds
        if not known:
            return 1, min(left, _FEW_STEPS)  # how long a trial has to be
        fastest = min(known.values())
        if left * fastest < _SHORT:
            return 1, left
        trial = max(1, int(_TRIAL / fastest))
        for threads in (most, 1):
            if self._trials.get(threads, 0) < _TRIALS:
                return threads, min(left, trial)
        best = most if known[most] <= _FAVOUR * known[1] else 1
        other = 1 if best == most else most
        since = time.perf_counter() - self._tried[other]
        lost = trial * (known[other] - known[best])
        if since > max(_AGAIN * known[other] / known[best], lost / _LOST):
            return other, min(left, trial)
        return best, left

    def note(self, threads: int, steps: int, seconds: float) -> None:
        """Remember how long some steps took; a few only say what to expect."""
        if seconds >= _SHORT / 2:
            trials = self._trials[threads] = self._trials.get(threads, 0) + 1
            before = self._seconds.get(threads, math.inf) if trials <= _TRIALS else math.inf
            self._seconds[threads] = min(before, seconds / steps)
            self._tried[threads] = time.perf_counter()
        elif not self._seconds:
            self._seconds[_COLD] = seconds / steps


_SHORT = 0.001  # seconds for which it does not pay to wake a thread
_LONG = 1e7  # cycles of a step: a few milliseconds, for which systems let a program run
_LOST = 0.01  # share of the time that trials of what is slower may cost
_AGAIN = 0.5  # seconds after which what was slower is tried again; later, the slower it was
_TRIAL = 0.006  # seconds of a trial, about
_FAVOUR = 1.1  # a trial's first part is slow with many threads: some have to be woken
_TRIALS = 2  # at first, of which the faster counts: threads and caches are cold in the first
_FEW_STEPS = 16
_COLD = 0  # stands for the number of threads of the first steps


def yield_address() -> int:
    """Give the address of the system's function that lets another thread run, or 0."""
    try:
        return ctypes.cast(ctypes.CDLL(None).sched_yield, ctypes.c_void_p).value or 0
    except (AttributeError, OSError, TypeError):  # not POSIX
        return 0
