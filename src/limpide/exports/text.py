"""Python text: identifiers, literals, docstrings, and arrays of numbers in neatly wrapped blocks.

Answers for text that means what it should whatever a name holds: quotes and line ends of a table
stay inside of literals. Not for: what is written with them.
"""

from __future__ import annotations

import base64
import builtins
import keyword
import re
import textwrap
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from limpide.ir import Array

_NARROW = 3  # numbers in a row; so short rows stand beside each other

WIDTH = 96
"""Columns of a line in a written file, where lines can be broken."""


def identifier(name: str) -> str:
    """Give a name that Python takes, as near as can be.

    >>> identifier("hidden1.weights"), identifier("2 x"), identifier("class"), identifier("ﬁt")
    ('hidden1_weights', 'x2_x', 'class_', 'fit')
    """
    plain = unicodedata.normalize("NFKC", name)
    plain = re.sub(r"\W+", "_", plain).strip("_") or "value"
    if not plain.isidentifier():
        plain = f"x{plain}" if f"x{plain}".isidentifier() else "value"
    return f"{plain}_" if keyword.iskeyword(plain) or plain in _RESERVED else plain


_RESERVED = frozenset(dir(builtins))


class Names:
    """Identifiers of one file, each given once."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)

    def new(self, wanted: str) -> str:
        """Give an identifier like the wanted name; one that is taken gets a number."""
        name = unique = identifier(wanted)
        count = 2
        while unique in self._taken:
            unique, count = f"{name}_{count}", count + 1
        self._taken.add(unique)
        return unique


def literal(value: object) -> str:
    """Give text, numbers, None and lists of them as Python writes them, all characters safe.

    >>> print(literal('a"b' + chr(10)), literal(float("inf")), literal(("x", 1)))
    'a"b\\n' float('inf') ('x', 1)
    """
    if isinstance(value, bool) or value is None:
        return repr(value)
    if isinstance(value, str):
        return repr(value)
    if isinstance(value, (int, np.integer)):
        return repr(int(value))
    if isinstance(value, (float, np.floating)):
        number = float(value)
        return repr(number) if np.isfinite(number) else f"float({repr(number)!r})"
    if isinstance(value, tuple):
        inner = ", ".join(map(literal, value))
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if isinstance(value, list):
        return f"[{', '.join(map(literal, value))}]"
    raise AssertionError(f"no literal for {type(value).__name__}")


def number(value: Any) -> str:
    """Give the fewest digits that give a number of its dtype back.

    >>> number(np.float32(0.1)), number(np.float64(1 / 3)), number(np.int64(3))
    ('0.1', '0.3333333333333333', '3')
    """
    scalar = np.asarray(value)[()]
    if scalar.dtype.kind == "f":
        if not np.isfinite(scalar):
            return literal(float(scalar))
        return _digits(scalar)
    return repr(bool(scalar)) if scalar.dtype.kind == "b" else str(int(scalar))


def _digits(scalar: Any) -> str:
    """Give a finite number so that reading it as float64, then rounding, gives it back."""
    text = _plain_power(str(scalar))
    return text if type(scalar)(float(text)) == scalar else repr(float(scalar))


def _plain_power(text: str) -> str:
    return re.sub(r"e([+-])0*(\d)", lambda found: f"e{found[1].strip('+')}{found[2]}", text)


def docstring(paragraphs: Sequence[str]) -> list[str]:
    """Give the lines of a docstring; a paragraph that begins with a blank is kept as it is.

    >>> print(chr(10).join(docstring(['Say "hi".'])))
    \"\"\"Say "hi".\"\"\"
    """
    lines: list[str] = []
    for paragraph in paragraphs:
        kept = paragraph.startswith(" ")
        parts = paragraph.split("\n") if kept else textwrap.wrap(_printable(paragraph), WIDTH)
        lines += ["", *(_safe(_printable(part)) for part in parts)]
    lines = lines[1:]
    lines[0] = f'"""{lines[0]}'
    # A quote at the very end would join the closing ones.
    if len(lines) == 1 and len(lines[0]) <= WIDTH - 3 and not lines[0].endswith('"'):
        return [f'{lines[0]}"""']
    return [*lines, '"""']


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _safe(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')


def comment(text: str) -> str:
    """Give text as one comment of one line."""
    clean = _printable(text)
    return "# " + (clean if len(clean) <= WIDTH else clean[: WIDTH - 1] + "…")


def wrapped(items: Iterable[str], indent: int, opening: str, closing: str) -> list[str]:
    """Give items between brackets, on one line where they fit.

    >>> wrapped(["1", "2"], 0, "x = [", "]")
    ['x = [1, 2]']
    """
    texts = list(items)
    space = " " * indent
    line = f"{space}{opening}{', '.join(texts)}{closing}"
    if len(line) <= WIDTH and "\n" not in line:
        return [line]
    return [f"{space}{opening}", *_filled(texts, indent + 4), f"{space}{closing}"]


def _filled(texts: Sequence[str], indent: int) -> Iterator[str]:
    space = " " * indent
    line = space
    for text in texts:
        if len(line) + len(text) + 1 > WIDTH and line != space:
            yield line.rstrip()
            line = space
        line += f"{text}, "
    if line != space:
        yield line.rstrip()


def nested(array: Array, indent: int = 0, opening: str = "", closing: str = ",") -> list[str]:
    """Give an array as nested lists of numbers, a row after the other.

    >>> nested(np.array([[1.0, 0.5], [0.0, 2.0]], np.float32), 0, "w = ", "")
    ['w = [[1.0, 0.5], [0.0, 2.0]]']
    """
    if array.ndim == 0:
        return [f"{' ' * indent}{opening}{number(array)}{closing}"]
    if array.ndim == 1:
        return wrapped(_numbers(array), indent, f"{opening}[", f"]{closing}")
    space = " " * indent
    if array.ndim == 2 and array.shape[1] <= _NARROW:
        return wrapped(map(_one_line, array), indent, f"{opening}[", f"]{closing}")
    if array.size <= WIDTH:
        line = f"{space}{opening}{_one_line(array)}{closing}"
        if len(line) <= WIDTH:
            return [line]
    rows = [line for row in array for line in nested(row, indent + 4)]
    return [f"{space}{opening}[", *rows, f"{space}]{closing}"]


def _one_line(array: Array) -> str:
    if array.ndim == 1:
        return f"[{', '.join(_numbers(array))}]"
    return f"[{', '.join(_one_line(row) for row in array)}]"


def _numbers(array: Array) -> list[str]:
    if array.dtype.kind != "f":
        return [literal(value) for value in array.tolist()]
    if array.dtype == np.float64 or not np.isfinite(array).all():
        return [number(value) for value in array]
    texts = list(map(str, array))  # of float32: the fewest digits
    with np.errstate(over="ignore"):
        back = np.array(texts, np.float64).astype(np.float32)
    if not np.array_equal(back, array):
        return [number(value) for value in array]
    return [_plain_power(text) if "e" in text else text for text in texts]


def spaced(array: Array) -> list[str]:
    """Give the numbers of an array, row by row, as lines of text with blanks between."""
    lines: list[str] = []
    for text in _numbers(array.reshape(-1)):
        if lines and len(lines[-1]) + len(text) < WIDTH:
            lines[-1] += f" {text}"
        else:
            lines.append(text)
    return lines


def packed(array: Array, indent: int = 0) -> list[str]:
    """Give the bytes of an array, little-endian and row by row, as lines of base64."""
    data = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
    text = base64.b64encode(data).decode("ascii")
    return [" " * indent + text[i : i + 92] for i in range(0, len(text), 92)]
