"""Digits: how many a formula needs, so that whoever works it out again gets what is printed.

Answers for the digits of a printed product or sum, and for what rounding by hand would have done.
Not for: the decimal sign (``limpide.languages``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_DOWN, Decimal
from typing import Any

from limpide.explain.derivations.expressions import (
    Call,
    Derivative,
    Expression,
    Number,
    Product,
    Quotient,
    Rest,
    Slope,
    Sum,
    Symbol,
)

MOST = 17  # digits give every float64 back
_EDGE = 1e-13  # relative: what adding in another order may change
BY_HAND = 3  # digits that are carried along on paper


def rounded(value: float, digits: int) -> float:
    """Give a number with so many significant digits.

    >>> rounded(0.02146953526581111, 3)
    0.0215
    """
    if digits >= MOST or not math.isfinite(value):
        return value
    return float(f"{value:.{digits - 1}e}")


def cut(value: float, digits: int) -> float:
    """Give a number with what follows so many significant digits left away.

    >>> cut(-0.9526096518320006, 3), cut(0.172, 3)
    (-0.952, 0.172)
    """
    if value == 0 or not math.isfinite(value):
        return value
    exact = Decimal(repr(float(value)))  # 0.172, not the 0.17199… that stands for it
    return float(exact.quantize(Decimal((0, (1,), exact.adjusted() + 1 - digits)), ROUND_DOWN))


def with_digits(expression: Expression, digits: int) -> Expression:
    """Give a formula whose numbers are rounded, as a reader sees it."""
    if isinstance(expression, (Number, Symbol, Derivative, Rest, Slope)):
        return replace(expression, number=rounded(expression.number, digits))
    changed: dict[str, Any] = {}
    if isinstance(expression, Sum):
        changed["terms"] = tuple(with_digits(t, digits) for t in expression.terms)
    elif isinstance(expression, Product):
        changed["coefficient"] = rounded(expression.coefficient, digits)
        changed["factors"] = tuple(with_digits(f, digits) for f in expression.factors)
    elif isinstance(expression, Quotient):
        changed["above"] = with_digits(expression.above, digits)
        changed["below"] = with_digits(expression.below, digits)
    elif isinstance(expression, Call):
        changed["arguments"] = tuple(with_digits(a, digits) for a in expression.arguments)
    return replace(expression, **changed)


def digits_for(expression: Expression, value: float, shown: int) -> int:
    """Give how many digits the numbers of a formula need, for its value to come out as shown.

    Not at the very edge either, where it is the order of adding that decides how to round.
    """
    wanted = rounded(value, shown)
    for digits in range(shown, MOST):
        found = with_digits(expression, digits).value
        if all(rounded(found * (1 + edge), shown) == wanted for edge in (-_EDGE, _EDGE)):
            return digits
    return MOST


@dataclass(frozen=True)
class ByHand:
    """A product worked out with few digits: ``cut`` where the rest was left away, not rounded."""

    factors: tuple[float, ...]
    product: float
    exact: float
    digits: int
    cut: bool


def by_hand(factors: Sequence[float], value: float, digits: int = BY_HAND) -> ByHand | None:
    """Give the product of rounded factors, where it differs in the last digit; else None."""
    # With 1 and 0 nobody goes wrong.
    counting = [f for f in factors if f not in (-1, 0, 1)]
    if len(counting) < 2 or not all(math.isfinite(v) for v in (*factors, value)):
        return None
    exact = rounded(value, digits)
    for how in (rounded, cut):
        shorter = tuple(how(f, digits) for f in factors)
        product = how(float(math.prod(Decimal(repr(f)) for f in shorter)), digits)
        if product != exact:
            return ByHand(shorter, product, exact, digits, how is cut)
    return None
