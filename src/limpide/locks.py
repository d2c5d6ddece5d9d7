"""Locks that a forked child finds open.

Answers for locks held while something is compiled, which takes long enough for a fork to fall into
it. Not for: what is compiled meanwhile (LLVM has a lock of its own, which a fork waits for).
"""

from __future__ import annotations

import os
import threading
from types import TracebackType
from weakref import WeakSet


class Lock:
    """A lock that its thread may take again; in a forked child, whose other threads are gone, a
    new one.

    Examples
    --------
    >>> lock = Lock()
    >>> with lock, lock:
    ...     print("taken twice")
    taken twice
    """

    def __init__(self) -> None:
        self._renew()
        _LOCKS.add(self)

    def _renew(self) -> None:
        self._lock = threading.RLock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lock.release()


_LOCKS: WeakSet[Lock] = WeakSet()


def _renew_all() -> None:
    for lock in list(_LOCKS):
        lock._renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)
