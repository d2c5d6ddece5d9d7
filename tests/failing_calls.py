"""A disk that fails: system calls of which the n-th raises, once or from then on."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest


class Faults:
    """Makes the n-th of the watched system calls fail, once or from then on for good."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, calls: list[str]) -> None:
        self.count = 0
        self.failed: list[str] = []
        self.at = 0
        self.for_good = False
        self.errno = 0
        for name in calls:
            monkeypatch.setattr(os, name, self.wrap(name, getattr(os, name)))

    def plan(self, at: int, for_good: bool, number: int) -> None:
        self.count, self.failed = 0, []
        self.at, self.for_good, self.errno = at, for_good, number

    def wrap(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*args: Any, **kwargs: Any) -> Any:
            self.count += 1
            if self.at and (self.count == self.at or (self.for_good and self.count > self.at)):
                self.failed.append(name)
                if name == "close":  # as on Linux, a close that fails has closed
                    call(*args, **kwargs)
                raise OSError(self.errno, os.strerror(self.errno))
            return call(*args, **kwargs)

        return watched
