"""Numbers, counts and commands as people read and type them.

Answers for one way of writing, in the terminal and on pages. Not for: what is said, nor for colours
(``limpide.reports``, ``limpide.reporting``).
"""

from __future__ import annotations

import math
import shlex
from datetime import timedelta

from limpide.languages import Words, decimal_sign

NO_BREAK = "\u00a0\u202f"


def number(value: float, language: str = "en") -> str:
    """Give a number with four significant digits, as people write it.

    >>> number(0.123456), number(1234567.8), number(1e-9), number(2)
    ('0.1235', '1,234,568', '1e-09', '2')
    >>> number(0.123456, "fr"), number(1234567.8, "uk")
    ('0,1235', '1\\u202f234\\u202f568')
    """
    size = abs(value)
    if value == int(value) if math.isfinite(value) and size < 1e6 else False:
        return in_language(f"{int(value):,}", language)
    if not 1e-4 <= size < 1e9:
        return in_language(f"{value:.4g}", language)
    return in_language(f"{value:,.{max(0, 3 - math.floor(math.log10(size)))}f}", language)


def in_language(written: str, language: str) -> str:
    """Give a number that is written as in English with another language's signs.

    >>> in_language("1,234.5", "fr"), in_language("12,345.6", "fr")
    ('1234,5', '12\u202f345,6')
    """
    if language == "en":
        return written
    first, _, rest = written.lstrip("-−").partition(",")
    apart = "" if len(first) == 1 and "," not in rest else "\u202f"  # from 10,000 on
    return written.replace(",", apart).replace(".", decimal_sign(language))


def counted(n: int, noun: str) -> str:
    """Give a number of things.

    >>> counted(1, "row"), counted(1200, "row")
    ('1 row', '1,200 rows')
    """
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def duration(length: timedelta, words: Words) -> str:
    """Give a length of time.

    >>> length = timedelta(days=2, hours=3)
    >>> duration(length, Words("en")), duration(length, Words("fr"))
    ('2 days, 3:00:00', '2 jours, 3:00:00')
    """
    if not length.days or words.language == "en":
        return str(length)
    rest = str(length).rpartition(", ")[2]
    return words.plural("{n} day, {rest}", "{n} days, {rest}", length.days, rest=rest)


def printable(text: object) -> str:
    """Give a text that is safe to show: what a terminal might obey, or not show, is escaped.

    The spaces that do not break are left: French stands before its colons with them.

    >>> printable("caf\\u00e9\\x1b[2J")
    'café\\\\x1b[2J'
    """
    return "".join(
        c
        if c.isprintable() or c in NO_BREAK
        else c.encode("unicode_escape", "surrogatepass").decode("ascii")
        for c in str(text)
    )


def command(*words: str) -> str:
    """Give a command as it has to be typed, quoted where the shell asks for it.

    >>> command("limpide", "verify", "my model.safetensors")
    "limpide verify 'my model.safetensors'"
    """
    return printable(shlex.join(words))


def percent(share: float, language: str = "en") -> str:
    """Give a share in per cent; only a whole one is 100 %.

    >>> percent(0.8671), percent(0.99999), percent(1)
    ('86.7 %', '99.9 %', '100 %')
    """
    if share in (0, 1):
        return per_cent(f"{100 * share:.0f}", language)
    return per_cent(f"{min(max(100 * share, 0.1), 99.9):.1f}", language)


def per_cent(written: str, language: str = "en") -> str:
    """Give a number that is written as in English with a language's sign of per cent.

    >>> per_cent("12.5"), per_cent("12.5", "fr")
    ('12.5 %', '12,5\u202f%')
    """
    apart = {"fr": "\u202f", "uk": "\u00a0"}.get(language, " ")
    return f"{in_language(written, language)}{apart}%"
