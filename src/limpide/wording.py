"""Numbers, counts and commands as people read and type them.

Answers for one way of writing, in the terminal and on pages. Not for: what is said, nor for colours
(``limpide.reports``, ``limpide.reporting``).
"""

from __future__ import annotations

import math
import shlex

_NO_BREAK = "\u00a0\u202f"


def number(value: float) -> str:
    """Give a number with four significant digits, as people write it.

    >>> number(0.123456), number(1234567.8), number(1e-9), number(2)
    ('0.1235', '1,234,568', '1e-09', '2')
    """
    size = abs(value)
    if value == int(value) if math.isfinite(value) and size < 1e6 else False:
        return f"{int(value):,}"
    if not 1e-4 <= size < 1e9:
        return f"{value:.4g}"
    return f"{value:,.{max(0, 3 - math.floor(math.log10(size)))}f}"


def counted(n: int, noun: str) -> str:
    """Give a number of things.

    >>> counted(1, "row"), counted(1200, "row")
    ('1 row', '1,200 rows')
    """
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def printable(text: object) -> str:
    """Give a text that is safe to show: what a terminal might obey, or not show, is escaped.

    The spaces that do not break are left: French stands before its colons with them.

    >>> printable("caf\\u00e9\\x1b[2J")
    'café\\\\x1b[2J'
    """
    return "".join(
        c
        if c.isprintable() or c in _NO_BREAK
        else c.encode("unicode_escape", "surrogatepass").decode("ascii")
        for c in str(text)
    )


def command(*words: str) -> str:
    """Give a command as it has to be typed, quoted where the shell asks for it.

    >>> command("limpide", "verify", "my model.safetensors")
    "limpide verify 'my model.safetensors'"
    """
    return printable(shlex.join(words))


def percent(share: float) -> str:
    """Give a share in per cent; only a whole one is 100 %.

    >>> percent(0.8671), percent(0.99999), percent(1)
    ('86.7 %', '99.9 %', '100 %')
    """
    if share in (0, 1):
        return f"{100 * share:.0f} %"
    return f"{min(max(100 * share, 0.1), 99.9):.1f} %"
