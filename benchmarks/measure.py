"""Fair comparison of two programs on a noisy machine: alternate them, then median and spread.

Answers for the figures that benchmarks print. Not for: what is measured.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from limpide.bench.table import machine

__all__ = ["describe", "machine", "ratios", "seconds"]


def seconds(run: Callable[[], object]) -> float:
    """Time one call."""
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def ratios(ours: Callable[[], object], theirs: Callable[[], object], pairs: int = 9) -> list[float]:
    """Give ours / theirs for alternated pairs, the order of the two swapped each time."""
    found = []
    for pair in range(pairs):
        if pair % 2:
            a = seconds(ours)
            b = seconds(theirs)
        else:
            b = seconds(theirs)
            a = seconds(ours)
        found.append(a / b)
    return found


def describe(values: list[float]) -> str:
    """Give the median and the range."""
    return f"{statistics.median(values):.3f} ({min(values):.3f} to {max(values):.3f})"
