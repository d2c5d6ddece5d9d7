"""Chains: how the way from the first bad number to its causes is written.

Answers for one line of formulas and numbers. Not for: finding the way (``origins``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from limpide.languages import Words
from limpide.languages.numerals import MINUS

_DIGITS = 4


def told_chain(chain: Sequence[Mapping[str, Any]], words: Words) -> str:
    """Give the chain as ``exp(z_h2) = ∞ ← z_h2 = 1240 = … 310 (w7) · 4 (x2)``."""
    return " ← ".join(_link(link, words) for link in chain) + "."


def _link(link: Mapping[str, Any], words: Words) -> str:
    value = words.number(link["value"], _DIGITS)
    formula = _formula(link, words)
    parts = [link["name"], formula, value] if link["name"] else [formula, value]
    return " = ".join(part for part in parts if part)


def _formula(link: Mapping[str, Any], words: Words) -> str:
    if not link["terms"]:
        return ""
    shown = [_term(term, words) for term in link["terms"]]
    if link["op"] in ("matmul", "sum"):
        whole = " · ".join(shown)
        return words.say("the sum of {terms} and others", terms=whole)
    symbol: str = link["symbol"].replace(" * ", " · ").replace("-", MINUS)
    return symbol.format(*shown)


def _term(term: Mapping[str, Any], words: Words) -> str:
    value = words.number(term["value"], _DIGITS)
    return f"{value} ({term['name']})" if term["name"] else value
