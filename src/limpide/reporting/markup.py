"""HTML as values: tags around text that is always escaped.

Answers for what a page may hold, whatever the data say. Not for: how it looks (``style``).
"""

from __future__ import annotations

import html
import unicodedata
import zlib
from collections.abc import Iterable
from typing import Any

# Marks that change the direction of the text after them: a name could hide what it says.
_DIRECTION = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_MANY = 24  # rows; the box of a longer table scrolls up and down too
_VOID = frozenset({"meta", "br", "hr", "col"})


class Html(str):
    """Text that is HTML already; any other text is escaped when it is put into a tag."""

    __slots__ = ()


def clean(value: object) -> str:
    """Give text without what no page can hold: control characters, halves of surrogate pairs.

    >>> clean("a\\x00b\\u202ec")
    'a�b�c'
    """
    return "".join("�" if _is_bad(c) else c for c in str(value))


def _is_bad(c: str) -> bool:
    if c in "\n\t":
        return False
    return c in _DIRECTION or unicodedata.category(c) in ("Cc", "Cs", "Cn")


def escaped(value: object) -> Html:
    """Give text as HTML.

    >>> escaped("<script>")
    '&lt;script&gt;'
    """
    return value if isinstance(value, Html) else Html(html.escape(clean(value)))


def join(parts: Iterable[object], between: str = "") -> Html:
    """Put parts one after the other."""
    return Html(between.join(escaped(part) for part in parts))


def filled(sentence: str, **values: object) -> Html:
    """Put values, HTML or text, in a sentence's places.

    >>> filled("{a} < {b}", a=tag("b", 1), b="&")
    '<b>1</b> &lt; &amp;'
    """
    return Html(escaped(sentence).format(**{name: escaped(v) for name, v in values.items()}))


def tag(name: str, *children: object, **attributes: Any) -> Html:
    """Give an element; ``class_`` and ``aria_label`` are written ``class`` and ``aria-label``.

    Attributes that are None or False are left out.

    >>> tag("p", "a < b", class_="note")
    '<p class="note">a &lt; b</p>'
    """
    words = [name]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        shown = key.rstrip("_").replace("_", "-")
        words.append(f'{shown}="{escaped(number(value) if _is_number(value) else value)}"')
    head = f"<{' '.join(words)}>"
    return Html(head) if name in _VOID else Html(f"{head}{join(children)}</{name}>")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def number(value: float) -> str:
    """Give a coordinate with one decimal at most.

    >>> number(1.04), number(12.25), number(-0.01)
    ('1', '12.2', '0')
    """
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


def shortened(value: object, most: int) -> str:
    """Give text of at most so many characters, wide ones counting twice.

    >>> shortened("abcdef", 4), shortened("ab", 4)
    ('abc…', 'ab')
    """
    text = clean(value) or "''"
    widths = [1 + (unicodedata.east_asian_width(c) in "WF") for c in text]
    if sum(widths) <= most:
        return text
    total = 0
    for place, width in enumerate(widths):
        total += width
        if total > most - 1:
            return text[:place] + "…"
    return text


def shortened_inside(value: object, most: int) -> str:
    """Give text of at most so many characters that keeps its end: names often differ there.

    >>> shortened_inside("mean of feature 17", 9)
    'mean…e 17'
    """
    text = clean(value) or "''"
    if shortened(text, most) == text:
        return text
    tail = shortened(text[::-1], (most + 1) // 2)[:-1][::-1]
    head = shortened(text, most - len(tail))
    return head + tail


def table(
    caption: str,
    head: Iterable[object],
    rows: Iterable[Iterable[object]],
    *,
    numeric: Iterable[int] = (),
    class_: str | None = None,
) -> Html:
    """Give a table in a box of its own that scrolls; the first cell of a row is its header.

    Parameters
    ----------
    caption
        What it shows; also the name of its box.
    numeric
        The places of the columns that are aligned at the right.
    """
    right = set(numeric)
    cells = [
        tag("th", cell, scope="col", class_="n" if i in right else None)
        for i, cell in enumerate(head)
    ]
    lines = [_line(row, right) for row in rows]
    key = f"t{zlib.crc32(caption.encode()):08x}"  # the caption stays while the table scrolls
    body = tag(
        "table", tag("thead", tag("tr", *cells)), tag("tbody", *lines), class_=class_,
        aria_labelledby=key,
    )  # fmt: skip
    tall = " tall" if len(lines) > _MANY else ""
    box = tag("div", body, class_="scroll" + tall, role="region", aria_labelledby=key, tabindex="0")
    return tag("div", tag("p", caption, class_="caption", id=key), box, class_="table")


def _line(row: Iterable[object], right: set[int]) -> Html:
    cells = []
    for i, cell in enumerate(row):
        kind = "n" if i in right else None
        if i == 0:
            cells.append(tag("th", cell, scope="row", class_=kind))
        elif isinstance(cell, Html) and cell.startswith("<td"):
            cells.append(cell)
        else:
            cells.append(tag("td", cell, class_=kind))
    return tag("tr", *cells)
