"""What an experiment gives: figures, and the same as text, JSON and a picture.

Answers for laying out words and tables, and for JSON in full precision. Not for: what is said,
which each experiment knows, nor for drawing (``charts``).
"""

from __future__ import annotations

import json
import shutil
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, ClassVar

import numpy as np

from limpide.languages import Words, decimal_sign, words_in

_NARROWEST, _WIDEST = 30, 100
_GAP = "  "


@dataclass(frozen=True)
class Table:
    """Rows of words below a head; the first column is what a row is called."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]

    def lines(self, width: int) -> list[str]:
        """Lay the table out; where it is too wide, each row becomes a list."""
        every = [self.head, *self.rows]
        sizes = [max(len(row[i]) for row in every) for i in range(len(self.head))]
        if sum(sizes) + len(_GAP) * (len(sizes) - 1) > width:
            return self._lists()
        return [
            _GAP.join(
                cell.rjust(size) if i else cell.ljust(size)
                for i, (cell, size) in enumerate(zip(row, sizes, strict=True))
            ).rstrip()
            for row in every
        ]

    def _lists(self) -> list[str]:
        lines = []
        for first, *cells in self.rows:
            lines.append(first)
            lines += [
                f"{_GAP}{h}: {c}" if h else f"{_GAP}{c}"
                for h, c in zip(self.head[1:], cells, strict=True)
                if c
            ]
        return lines


class Experiment:
    """What an experiment found.

    Its figures are attributes; ``print`` says in words what was done, what is seen and why, and in
    a notebook it shows its picture.
    """

    name: ClassVar[str]

    def told(self, words: Words) -> tuple[str, list[str | Table]]:
        """Give the title, and paragraphs and tables below it."""
        raise NotImplementedError

    def drawn(self, words: Words) -> str:
        """Give the picture as SVG."""
        raise NotImplementedError

    def figures(self) -> dict[str, Any]:
        """Give all figures by name."""
        return dict(vars(self))

    def to_text(self, language: str | None = None, width: int | None = None) -> str:
        """Give the experiment in words.

        Parameters
        ----------
        language
            ``"en"``, ``"fr"`` or ``"uk"``; None is the system's.
        width
            Characters a line; None: the terminal's, at most 100.
        """
        if width is None:
            width = min(shutil.get_terminal_size((80, 24)).columns, _WIDEST)
        width = max(width, _NARROWEST)
        title, parts = self.told(words_in(language))
        blocks = ["\n".join([title, "─" * min(len(title), width)])]
        for part in parts:
            lines = part.lines(width) if isinstance(part, Table) else textwrap.wrap(part, width)
            blocks.append("\n".join(lines))
        return "\n\n".join(blocks)

    def to_json(self) -> str:
        """Give all figures in full precision as JSON; what is not finite is null."""
        content = {"experiment": self.name, **self.figures()}
        return json.dumps(_plain(content), indent=1, ensure_ascii=False, allow_nan=False)

    def to_svg(self, language: str | None = None) -> str:
        """Give the picture as SVG, in a language; None is the system's."""
        return self.drawn(words_in(language))

    @property
    def svg(self) -> str:
        """The picture as SVG, in the system's language."""
        return self.to_svg()

    def _repr_svg_(self) -> str:
        return self.svg

    def __str__(self) -> str:
        return self.to_text()


def _plain(value: Any) -> Any:
    """Give a value as JSON can hold it."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, (np.ndarray, np.generic)):
        return _plain(value.tolist())
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


def percent(words: Words, share: float) -> str:
    """Give a share in per cent; only a whole one is 100 %, and only none is 0 %.

    >>> print(percent(words_in("fr"), 0.8671), percent(words_in("en"), 0.99999))
    86,7 % 99.9 %
    """
    if share in (0, 1):
        return f"{100 * share:.0f} %"
    written = f"{min(max(100 * share, 0.1), 99.9):.1f}"
    return f"{written.replace('.', decimal_sign(words.language))} %"
