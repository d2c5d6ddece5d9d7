"""Memory: an estimate before allocating, and an error with the size instead of a crash.

Answers for how much memory this process may use, and for refusing what is beyond it. Not for:
measuring what is used.
"""

from __future__ import annotations

import math
import mmap
import os
import re
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from limpide.errors import ArgumentError, ArgumentTypeError, MemoryLimitError

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
            f"{what} needs about {size_text(needed)} of memory, and there is "
            f"{size_text(there)}. {remedy}"
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
        f"{what} needs about {size_text(needed)} of memory, and the system gives no more. {remedy}"
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


def size_text(count: float) -> str:
    """Say how many bytes there are.

    >>> size_text(3 * 2**30), size_text(5e6)
    ('3 GiB', '5 MiB')
    """
    return f"{count / 2**30:,.0f} GiB" if count >= 2**30 else f"{count / 2**20:,.0f} MiB"


def check_memory(memory: Any) -> float:
    """Give the bytes that a table may take: None is half of what there is.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        It is neither a number of bytes nor a text such as "2 GB", or too small to be meant.

    Examples
    --------
    >>> check_memory("1.5 GB"), check_memory(2**30)
    (1500000000.0, 1073741824.0)
    """
    if memory is None:
        there = present()
        return math.inf if there is None else there / 2
    if isinstance(memory, (bool, np.bool_)) or not isinstance(memory, (str, int, float, np.number)):
        raise ArgumentTypeError(f"memory must be bytes or text; received {memory!r}. {_AS}")
    found = re.fullmatch(r"([0-9.]+) ?([KMGT]?)(i?)B?", str(memory).strip(), re.IGNORECASE)
    try:
        if found is None:
            raise ValueError
        base = 1024 if found[3] else 1000
        size = float(found[1]) * float(base ** " KMGT".index(found[2].upper() or " "))
    except ValueError:
        raise ArgumentError(f"memory={memory!r} is no size. {_AS}") from None
    if not size >= _LEAST:
        raise ArgumentError(f"memory={memory!r} is less than 1 MB, which holds no table. {_AS}")
    return size


_LEAST = 1e6
_AS = 'Write it as "2 GB" or "500 MB", or as a number of bytes.'
