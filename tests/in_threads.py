"""A team whose processes are threads of one process: what they tell each other, without JAX."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from limpide.engines.team import Team

T = TypeVar("T")


class Threads(Team):
    """One of some threads."""

    def __init__(self, number: int, told: list[bytes], meet: threading.Barrier) -> None:
        self.number, self.size, self._told, self._meet = number, len(told), told, meet

    def gathered(self, what: str, data: bytes) -> list[bytes]:
        self._told[self.number] = data
        self._meet.wait()
        found = list(self._told)
        self._meet.wait()
        return found


def together(size: int, run: Callable[[Team], T]) -> list[T]:
    """Run a function in so many threads, and give what each came to; or raise the first error."""
    told, meet = [b""] * size, threading.Barrier(size, timeout=60)

    def one(number: int) -> T:
        try:
            return run(Threads(number, told, meet))
        except BaseException:
            meet.abort()
            raise

    with ThreadPoolExecutor(size) as pool:
        begun = [pool.submit(one, number) for number in range(size)]
    errors = [each.exception() for each in begun]
    mine = [e for e in errors if e and not isinstance(e, threading.BrokenBarrierError)]
    if mine:
        raise mine[0]
    return [each.result() for each in begun]
