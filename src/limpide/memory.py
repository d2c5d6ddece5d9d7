"""Memory: an estimate before allocating, and an error with the size instead of a crash.

Answers for how much memory this process may use, and for refusing what is beyond it. Not for:
measuring what is used.
"""

from __future__ import annotations

import os
from pathlib import Path

from limpide.errors import MemoryLimitError

_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


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


def _size(count: float) -> str:
    return f"{count / 2**30:,.0f} GiB" if count >= 2**30 else f"{count / 2**20:,.0f} MiB"
