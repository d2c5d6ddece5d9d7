"""Written text: blocks as plain text for a terminal of any width.

Answers for lines, indents and where long formulas break. Not for: what is said
(``telling``).
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator

from limpide.explain.derivations.blocks import (
    Block,
    Formulas,
    Heading,
    Listing,
    Paragraph,
    Table,
    place_of,
)
from limpide.explain.derivations.digits import digits_for
from limpide.explain.derivations.entries import Equation
from limpide.explain.derivations.notation import Notation
from limpide.languages import Words

_BREAKS = re.compile(r"(?<=[^ (]) (?=[+−·/] )")  # before an operator that has room around it


def as_text(blocks: Iterable[Block], words: Words, digits: int, width: int) -> str:
    """Write blocks as lines of at most ``width`` columns, but for a single longer number."""
    lines: list[str] = []
    for block in blocks:
        if isinstance(block, Heading):
            if lines:
                lines.append("")
            lines += [block.text, ("═" if block.level == 1 else "─") * len(block.text)]
        elif isinstance(block, Paragraph):
            lines += textwrap.wrap(_sentence(block, words), width, break_long_words=False)
        elif isinstance(block, Table):
            lines += _table_lines(block, width)
        elif isinstance(block, Formulas):
            for equation in block.equations:
                lines += equation_lines(equation, words, digits, width)
        elif isinstance(block, Listing):
            lines += _listed(block, words, digits, width)
    return "\n".join(lines)


def _listed(block: Listing, words: Words, digits: int, width: int) -> list[str]:
    """Write a list in columns; what a number is, is cut where the line ends."""
    notation = Notation(words, digits)
    cells = [
        [value_of(given, notation), told, "" if other is None else value_of(other, notation)]
        for given, told, other in block.lines
    ]
    first, last = (max(len(row[i]) for row in cells) for i in (0, 2))
    room = max(width - first - last - 6, 12)
    middle = min(max(len(row[1]) for row in cells), room)
    return [
        f"  {given:<{first}}  {shortened_text(told, middle):<{middle}}  {other}".rstrip()
        for given, told, other in cells
    ]


def value_of(equation: Equation, notation: Notation) -> str:
    """Write what a number is called and what it is."""
    return f"{notation.symbols(equation.left)} = {notation.number(equation.value)}"


def shortened_text(text: str, most: int) -> str:
    """Give a text in so many characters.

    >>> shortened_text("minutes_since_oven", 8)
    'minutes…'
    """
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _sentence(block: Paragraph, words: Words) -> str:
    notation = Notation(words, block.digits)
    return "".join(
        notation.symbols(block.formulas[place_of(c)]) if place_of(c) >= 0 else c for c in block.text
    )


def _table_lines(block: Table, width: int) -> list[str]:
    """Write a table, or where it is too wide its rows one below the other."""
    lines = list(_columns(block))
    if max(map(len, lines)) <= width:
        return lines
    lines = []
    label = max(map(len, block.head[1:]))
    for name, *others in block.rows:
        lines.append(f"  {name}")
        for head, cell in zip(block.head[1:], others, strict=True):
            lines.append(f"    {head.ljust(label)}  {cell}")
    return lines


def _columns(block: Table) -> Iterator[str]:
    cells = [block.head, *block.rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(block.head))]
    for row in cells:
        first, *others = (
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join(["", first, *others]).rstrip()


def stages(equation: Equation, words: Words, digits: int) -> tuple[str, list[str]]:
    """Give what is worked out, and how: with names, with numbers, the value, each once."""
    needed = digits_for(equation.right, equation.value, digits)
    wide = Notation(words, needed)
    value = words.number(equation.value, digits)
    found = [wide.symbols(equation.right)]
    numbers = wide.numbers(equation.right)
    for text in (numbers, value):
        if text != found[-1]:
            found.append(text)
    # A single number needs no more digits than its value.
    if len(found) > 1 and found[-2] == words.number(equation.value, needed):
        del found[-2]
    return Notation(words, digits).symbols(equation.left), found


def equation_lines(equation: Equation, words: Words, digits: int, width: int) -> list[str]:
    """Write one equation on one line, or its stages one below the other."""
    left, parts = stages(equation, words, digits)
    one = f"  {left} {equation.relation} {' = '.join(parts)}"
    if len(one) <= width:
        return [one]
    indent = len(left) + 2
    lines: list[str] = []
    for i, part in enumerate(parts):
        lead = f"  {left} {equation.relation} " if not i else f"{' ' * (indent + 1)}= "
        rest = " " * (indent + 5)
        if len(rest) > width // 2:
            rest = " " * 8
        lines += list(_broken(lead + part, rest, width))
    return lines


def _broken(text: str, indent: str, width: int) -> Iterator[str]:
    """Break a long formula before its operators."""
    while len(text) > width:
        places = [m.start() for m in _BREAKS.finditer(text) if len(indent) < m.start() <= width]
        if not places:
            later = [m.start() for m in _BREAKS.finditer(text) if m.start() > width]
            if not later:
                break
            places = [later[0]]
        yield text[: places[-1]]
        text = indent + text[places[-1] + 1 :]
    yield text
