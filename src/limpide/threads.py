"""How many threads a run may use: processors, what schedulers say, the user's limit.

Answers for ``limit_threads`` and for what there is. Not for: threads themselves, which engines
have.
"""

from __future__ import annotations

import operator
import os
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import limpide
from limpide.errors import ArgumentError, ArgumentTypeError

_limit = threading.local()
_TOLD = limpide._THREADS_TOLD
_QUOTA = "/sys/fs/cgroup/cpu.max"
_OLD_QUOTA = ("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "/sys/fs/cgroup/cpu/cpu.cfs_period_us")


def available() -> int:
    """Give how many processors this process may use.

    By its affinity, its container's quota, and OMP_NUM_THREADS, which is how those that start many
    processes on one machine (joblib, Dask, scripts of clusters) say what each of them may take.
    """
    if hasattr(os, "sched_getaffinity"):
        there = len(os.sched_getaffinity(0))
    else:
        there = os.cpu_count() or 1
    limits = [there, _told(), _quota()]
    return max(1, int(min(n for n in limits if n is not None)))


def _told() -> int | None:
    """Give the number in OMP_NUM_THREADS: the first of a list, None for what is none.

    Source: OpenMP 5.2, section 21.1.2.
    """
    first = _TOLD.partition(",")[0].strip()
    return int(first) if first.isdecimal() and int(first) > 0 else None


@cache
def _quota() -> float | None:
    """Give how many processors a Linux container may keep busy (cgroups 2, then 1)."""
    try:
        words = Path(_QUOTA).read_text().split()
    except OSError:
        try:
            words = [Path(path).read_text().strip() for path in _OLD_QUOTA]
        except OSError:
            return None
    if len(words) == 2 and all(word.isdigit() and int(word) > 0 for word in words):
        return int(words[0]) / int(words[1])
    return None  # "max", or −1: no quota


def check_threads(threads: Any) -> int:
    """Give a number of threads, or refuse what is none."""
    remedy = "Give a whole number such as 2, or None for as many as there are processors."
    try:
        if isinstance(threads, bool):
            raise TypeError
        number = operator.index(threads)
    except TypeError:
        raise ArgumentTypeError(
            f"threads must be a whole number or None; received {threads!r}. {remedy}"
        ) from None
    if number < 1:
        raise ArgumentError(f"threads must be at least 1; received {number}. {remedy}")
    return number


def most() -> int:
    """Give how many threads a run that this thread starts may use now."""
    wanted: int | None = getattr(_limit, "threads", None)
    return available() if wanted is None else wanted


def limit_threads(threads: int | None) -> AbstractContextManager[None]:
    """Let what this thread starts inside use at most so many threads; no result depends on it.

    Without a limit there are as many as processors that this process may use, or as
    OMP_NUM_THREADS says, where that is fewer. Limits nest: the smallest holds. None sets no limit.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        For what is no whole number, and for one below 1.

    Examples
    --------
    >>> import limpide as lp
    >>> net = lp.Network([2, 1], seed=0)
    >>> with lp.limit_threads(1):
    ...     y = net.predict([[0.0, 1.0]])
    """
    return _limited(None if threads is None else check_threads(threads))


@contextmanager
def _limited(threads: int | None) -> Iterator[None]:
    before: int | None = getattr(_limit, "threads", None)
    given = [n for n in (before, threads) if n is not None]
    _limit.threads = min(given, default=None)
    try:
        yield
    finally:
        _limit.threads = before
