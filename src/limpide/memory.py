"""Memory: an estimate before allocating, and an error with the size instead of a crash.

Answers for how much memory this process may use, and for refusing what is beyond it. Not for:
measuring what is used.
"""

from __future__ import annotations

import math
import mmap
import os
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from limpide.errors import MemoryLimitError

_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


@cache
def present() -> int | None:
    """Give the bytes that this process may use: the machine's, or its container's limit."""
    found = []
    if hasattr(os, "sysconf"):  # Windows has none
        found.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for path in _LIMITS:
        try:
            text = Path(path).read_text().strip()
        except OSError:
            continue
        if text.isdigit():
            found.append(int(text))
    return min(found, default=None)


def check_fits(needed: float, what: str, remedy: str) -> None:
    """Refuse what needs more bytes than there are.

    Raises
    ------
    MemoryLimitError
        Says what, how much it needs, how much there is, and the remedy.
    """
    there = present()
    if there is not None and needed > there:
        raise MemoryLimitError(
            f"{what} needs about {_size(needed)} of memory, and there is {_size(there)}. {remedy}"
        )


def check_room(needed: int, what: str, remedy: str) -> None:
    """Refuse what needs more bytes than the system gives now; nothing is kept.

    For code that ends the process when memory is short.

    Raises
    ------
    MemoryLimitError
        Says what, how much it needs, and the remedy.
    """
    try:
        mmap.mmap(-1, needed).close()
    except (OSError, MemoryError):
        raise short_of_memory(needed, what, remedy) from None


def short_of_memory(needed: float, what: str, remedy: str) -> MemoryLimitError:
    """Give the error for bytes that the system has refused."""
    return MemoryLimitError(
        f"{what} needs about {_size(needed)} of memory, and the system gives no more. {remedy}"
    )


def check_parameters(shapes: Iterable[Sequence[int]], itemsize: int) -> None:
    """Refuse a network whose parameters could not be trained."""
    count = sum(math.prod(shape) for shape in shapes)
    # A weight, its gradient and two slots; three of them copied for the first, the last and the
    # last but one slice of a run, and again in the engine.
    needed = 16 * count * itemsize
    check_fits(needed, f"Training {count:,} parameters", "Choose smaller layers.")


def check_step(rows: int, widths: int, itemsize: int) -> None:
    """Refuse a training step of too many rows, for layers of these widths together."""
    # Sums, activations, and the gradients of both.
    needed = 4 * rows * widths * itemsize
    check_fits(needed, f"A step of {rows:,} rows", "Choose a smaller batch_size.")


def _size(count: float) -> str:
    return f"{count / 2**30:,.0f} GiB" if count >= 2**30 else f"{count / 2**20:,.0f} MiB"
