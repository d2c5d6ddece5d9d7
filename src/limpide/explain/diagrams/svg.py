"""Elements of SVG as text, and how wide a text is.

Answers for markup that no name or number can break. Not for: what is drawn, nor its colours
(``diagram``).
"""

from __future__ import annotations

import html
import math
import unicodedata
from collections.abc import Iterable
from typing import Any

SIZE = 12.0  # of letters, in units of the picture, unless another is said
LINE = 14.0  # from one line of text to the next

BOLD = 1.1  # how much wider bold letters are

_NARROW = frozenset(" .,:;'|!ijlIftr()[]·/\u00a0\u202f")
_WIDE = frozenset("mwMW%@")
_SIGNS = frozenset("−=+→≥≤≈×∂Σ…")


class Svg(str):
    """Text that is SVG already; any other text is escaped when it is put into an element."""

    __slots__ = ()

    def __add__(self, other: str) -> Svg:
        return Svg(super().__add__(escaped(other)))


def escaped(value: object) -> Svg:
    """Give text as SVG; what XML cannot hold, and what turns the direction of text, is a "�".

    >>> escaped("<lambda>\\x00")
    '&lt;lambda&gt;�'
    """
    if isinstance(value, Svg):
        return value
    return Svg(html.escape("".join("�" if _is_bad(c) else c for c in str(value))))


def _is_bad(c: str) -> bool:
    return c not in "\n\t" and unicodedata.category(c) in ("Cc", "Cs", "Cn", "Co", "Cf")


def join(parts: Iterable[object]) -> Svg:
    """Put parts one after the other."""
    return Svg("".join(escaped(part) for part in parts))


def tag(name: str, *children: object, **attributes: Any) -> Svg:
    """Give an element; ``class_`` and ``data_from`` are written ``class`` and ``data-from``.

    Attributes that are None are left out; floats are coordinates.

    >>> tag("text", "a < b", x=1.25, class_="label")
    '<text x="1.2" class="label">a &lt; b</text>'
    """
    words = [name]
    for key, value in attributes.items():
        if value is None:
            continue
        shown = key.rstrip("_").replace("_", "-")
        words.append(f'{shown}="{escaped(place(value) if isinstance(value, float) else value)}"')
    inside = join(children)
    head = " ".join(words)
    return Svg(f"<{head}>{inside}</{name}>" if inside else f"<{head}/>")


def place(value: float) -> str:
    """Give a coordinate with one decimal at most.

    >>> place(1.04), place(12.0), place(-0.01)
    ('1', '12', '0')
    """
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


def exact(value: float) -> str:
    """Give a number for a program to read: Python's and JavaScript's shortest exact text.

    >>> exact(0.1), exact(float("nan")), exact(-float("inf"))
    ('0.1', 'NaN', '-Infinity')
    """
    number = float(value)
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    return repr(number)


def text_width(text: str, size: float = SIZE) -> float:
    """Give about how wide a text is, rather too much than too little."""
    return size * sum(map(_letter_width, text))


def _letter_width(c: str) -> float:
    """Give a letter's share of the size in a wide face (DejaVu Sans), as many systems have."""
    if c in _NARROW:
        return 0.4
    if c in _WIDE:
        return 1.0
    if unicodedata.east_asian_width(c) in "WF":
        return 1.05
    if c in _SIGNS:
        return 0.84
    return 0.76 if c.isupper() else 0.64


def text(x: float, y: float, words: object, class_: str | None = None, **attributes: Any) -> Svg:
    """Give one line of text, ``y`` its foot."""
    return tag("text", words, x=x, y=y, class_=class_, **attributes)


def text_lines(
    x: float, middle: float, lines: Iterable[object], class_: str | None, first: str | None = None
) -> Svg:
    """Give lines of text about a middle height, each an element; ``first`` is the first's class."""
    given = list(lines)
    top = middle - LINE * (len(given) - 1) / 2 + SIZE * 0.36
    return join(
        text(x, top + LINE * i, line, first if first and i == 0 else class_)
        for i, line in enumerate(given)
    )


def wrapped(words: str, most: float, size: float = SIZE) -> list[str]:
    """Break a text into lines no wider than ``most``, where there are spaces.

    >>> wrapped("Columns: numbers, categories", 120)
    ['Columns:', 'numbers,', 'categories']
    """
    lines: list[str] = []
    for word in words.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(longer, size) <= most:
            lines[-1] = longer
        else:
            lines.append(shortened(word, most, size))
    return lines


def shortened(words: str, most: float, size: float = SIZE) -> str:
    """Cut a text that is wider than ``most``."""
    if text_width(words, size) <= most:
        return words
    cut = words
    while cut and text_width(cut + "…", size) > most:
        cut = cut[:-1]
    return cut + "…"
