"""Digits: how many a formula needs, so that whoever works it out again gets what is printed.

Answers for the digits of a printed product or sum, and for what rounding by hand would have done.
Not for: the decimal sign (``limpide.languages``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, Context, Decimal

from limpide.explain.derivations.expressions import (
    Call,
    Expression,
    Product,
    Quotient,
    Sum,
    added,
    applied,
    quotient,
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
    return _cut(_written(value), digits)


def _written(value: float) -> Decimal:
    """Give a number as it is written: 0.3, not the float next to it."""
    return Decimal(repr(float(value)))


def _cut(value: Decimal, digits: int) -> float:
    return float(Context(prec=digits, rounding=ROUND_DOWN).plus(value))


def seen_value(expression: Expression, digits: int) -> float:
    """Give what a formula comes to for a reader, who sees its numbers rounded."""
    if isinstance(expression, Sum):
        return added([seen_value(t, digits) for t in expression.terms])
    if isinstance(expression, Product):
        factors = [seen_value(f, digits) for f in expression.factors]
        return math.prod([rounded(expression.coefficient, digits), *factors])
    if isinstance(expression, Quotient):
        return quotient(seen_value(expression.above, digits), seen_value(expression.below, digits))
    if isinstance(expression, Call):
        return applied(expression.op, [seen_value(a, digits) for a in expression.arguments])
    return rounded(expression.value, digits)


def digits_for(expression: Expression, value: float, shown: int) -> int:
    """Give how many digits the numbers of a formula need, for its value to come out as shown.

    Not at the very edge either, where it is the order of adding that decides how to round.
    """
    wanted = rounded(value, shown)
    for digits in range(shown, MOST):
        found = seen_value(expression, digits)
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


def by_hand(factors: Sequence[float], value: float, digits: int) -> ByHand | None:
    """Give the product of rounded factors, where it differs in the last digit; else None."""
    # With 1 and 0 nobody goes wrong.
    counting = [f for f in factors if f not in (-1, 0, 1)]
    if len(counting) < 2 or not all(math.isfinite(v) for v in (*factors, value)):
        return None
    exact = rounded(value, digits)
    for how in (rounded, cut):
        shorter = tuple(how(f, digits) for f in factors)
        product = math.prod(map(_written, shorter), start=Decimal(1))
        found = _cut(product, digits) if how is cut else rounded(float(product), digits)
        if found != exact and shorter != tuple(factors):
            return ByHand(shorter, found, exact, digits, how is cut)
    return None
