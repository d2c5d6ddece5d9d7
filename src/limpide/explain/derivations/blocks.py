"""Blocks: what a derivation is told in: headings, sentences, equations, lists.

Answers for what every way of writing has to know. Not for: what is said (``telling``), or how it
is written (``written_text``, ``latex``, ``html_math``).
"""

from __future__ import annotations

from dataclasses import dataclass

from limpide.explain.derivations.entries import Equation
from limpide.explain.derivations.expressions import Expression

_PLACE = 0xE000  # private characters stand for formulas within a sentence


@dataclass(frozen=True)
class Heading:
    """A title; ``anchor`` is what links lead to."""

    text: str
    level: int = 1
    anchor: str = ""


@dataclass(frozen=True)
class Paragraph:
    """A sentence; a private character in it stands for the formula of that number."""

    text: str
    formulas: tuple[Expression, ...] = ()
    digits: int = 6


@dataclass(frozen=True)
class Formulas:
    """Equations, one below the other."""

    equations: tuple[Equation, ...]


@dataclass(frozen=True)
class Listing:
    """Numbers one below the other, what each is, and perhaps what goes with it."""

    lines: tuple[tuple[Equation, str, Equation | None], ...]


@dataclass(frozen=True)
class Table:
    """Rows of cells under a head; the first column is text, the others are numbers."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


Block = Heading | Paragraph | Formulas | Listing | Table


def inline(number: int) -> str:
    """Give the character that stands for a formula of a paragraph."""
    return chr(_PLACE + number)


def place_of(character: str) -> int:
    """Give the number of the formula that a character stands for, negative for none."""
    return ord(character) - _PLACE if _PLACE <= ord(character) < _PLACE + 64 else -1
