"""Expressions: a formula over named numbers, kept as a tree, with the value of every part.

Answers for building formulas that stay short (1·x is x, x + x is 2·x) and for their values. Not
for: where formulas come from (``cells``), or how they are written.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from limpide.ir import OPS


def added(terms: Sequence[float]) -> float:
    """Add numbers, rounding once; what is not finite adds as in arrays."""
    if all(map(math.isfinite, terms)):
        try:
            return math.fsum(terms)
        except OverflowError:  # on the way or in the end: arrays have ∞ there
            pass
    with np.errstate(all="ignore"):
        return float(np.sum(terms))


def quotient(above: float, below: float) -> float:
    """Divide, by 0 as arrays do."""
    if below != 0:
        return above / below
    with np.errstate(all="ignore"):
        return float(np.divide(above, below))


def applied(op: str, values: Sequence[float]) -> float:
    """Apply an op to numbers, by its NumPy meaning; max and min take any number of them."""
    arrays = [np.array(value, np.float64) for value in values]
    with np.errstate(all="ignore"):
        if len(arrays) != 2 and op in ("maximum", "minimum"):
            return float(getattr(np, op).reduce(arrays))
        return float(OPS[op].compute(*arrays))


@dataclass(frozen=True, eq=True)
class Expression:
    """A formula; ``value`` is what it comes to."""

    @property
    def value(self) -> float:
        raise NotImplementedError

    def parts(self) -> tuple[Expression, ...]:
        """Give the formulas it is made of."""
        return ()


@dataclass(frozen=True, eq=True)
class Number(Expression):
    """A number that has no name."""

    number: float

    @property
    def value(self) -> float:
        return self.number


@dataclass(frozen=True, eq=True)
class Symbol(Expression):
    """A named number: ``w1``, ``h1``; ``link`` is the entry where it was worked out."""

    name: str
    number: float
    link: str = ""
    parameter: bool = False

    @property
    def value(self) -> float:
        return self.number


@dataclass(frozen=True, eq=True)
class Derivative(Expression):
    """The derivative of one named number by another: ``∂L/∂w1``."""

    of: str
    by: str
    number: float
    link: str = ""

    @property
    def value(self) -> float:
        return self.number


@dataclass(frozen=True, eq=True)
class Rest(Expression):
    """So many terms of a sum that are not written one by one, and what they come to."""

    count: int
    number: float

    @property
    def value(self) -> float:
        return self.number


@dataclass(frozen=True, eq=True)
class Sum(Expression):
    terms: tuple[Expression, ...]

    @cached_property
    def _value(self) -> float:
        return added([t.value for t in self.terms])

    @property
    def value(self) -> float:
        return self._value

    def parts(self) -> tuple[Expression, ...]:
        return self.terms


@dataclass(frozen=True, eq=True)
class Product(Expression):
    """A whole or other number, 1 where there is none, times factors."""

    coefficient: float
    factors: tuple[Expression, ...]

    @cached_property
    def _value(self) -> float:
        return math.prod([self.coefficient, *(f.value for f in self.factors)])

    @property
    def value(self) -> float:
        return self._value

    def parts(self) -> tuple[Expression, ...]:
        return self.factors


@dataclass(frozen=True, eq=True)
class Quotient(Expression):
    above: Expression
    below: Expression

    @cached_property
    def _value(self) -> float:
        return quotient(self.above.value, self.below.value)

    @property
    def value(self) -> float:
        return self._value

    def parts(self) -> tuple[Expression, ...]:
        return (self.above, self.below)


@dataclass(frozen=True, eq=True)
class Call(Expression):
    """One of limpide's ops on numbers, such as ``sigmoid(z)``."""

    op: str
    arguments: tuple[Expression, ...]

    @cached_property
    def _value(self) -> float:
        return applied(self.op, [a.value for a in self.arguments])

    @property
    def value(self) -> float:
        return self._value

    def parts(self) -> tuple[Expression, ...]:
        return self.arguments


@dataclass(frozen=True, eq=True)
class Slope(Expression):
    """The slope of a function with a kink, which side of it the argument is on: ``relu′(z)``."""

    op: str
    argument: Expression
    number: float

    @property
    def value(self) -> float:
        return self.number

    def parts(self) -> tuple[Expression, ...]:
        return (self.argument,)


ONE, ZERO = Number(1.0), Number(0.0)


def plus(terms: Iterable[Expression]) -> Expression:
    """Add: nested sums become one, zeros are left out, equal terms are counted."""
    given = list(terms)
    flat: list[Expression] = []
    for term in given:  # a sum that comes once is opened
        opened = isinstance(term, Sum) and given.count(term) == 1
        flat.extend(term.terms if opened and isinstance(term, Sum) else [term])
    counted: dict[Expression, float] = {}
    for term in flat:
        coefficient, rest = _split(term)
        key = ONE if rest is None else rest
        counted[key] = counted.get(key, 0.0) + coefficient
    found = [times([Number(c), e]) for e, c in counted.items() if c != 0]
    if len(found) == 1:
        return found[0]
    return Sum(tuple(found)) if found else ZERO


def _split(term: Expression) -> tuple[float, Expression | None]:
    """Give the number in front of a term, and the term without it; None for a plain number."""
    if isinstance(term, Number):
        return term.number, None
    if isinstance(term, Product):
        rest = term.factors
        return term.coefficient, rest[0] if len(rest) == 1 else Product(1.0, rest)
    return 1.0, term


def times(factors: Iterable[Expression]) -> Expression:
    """Multiply: nested products become one, plain numbers one number in front, fractions one."""
    coefficient = 1.0
    flat: list[Expression] = []
    below: list[Expression] = []
    waiting = list(factors)[::-1]
    while waiting:
        factor = waiting.pop()
        if isinstance(factor, Product):
            coefficient *= factor.coefficient
            waiting.extend(factor.factors[::-1])
        elif isinstance(factor, Quotient):
            below.append(factor.below)
            waiting.append(factor.above)
        elif isinstance(factor, Number):
            coefficient *= factor.number
        else:
            flat.append(factor)
    if coefficient == 0 and all(math.isfinite(f.value) for f in (*flat, *below)):
        return ZERO
    if not below:
        return _product(coefficient, flat)
    found = divided(_product(abs(coefficient), flat), times(below))
    return found if coefficient > 0 else _product(-1.0, [found])


def _product(coefficient: float, factors: Sequence[Expression]) -> Expression:
    if not factors:
        return Number(coefficient)
    if len(factors) == 1 and coefficient == 1:
        return factors[0]
    return Product(coefficient, tuple(factors))


def minus(term: Expression) -> Expression:
    return times([Number(-1.0), term])


def divided(above: Expression, below: Expression) -> Expression:
    """Divide; a minus comes in front, 1/3 stays a fraction."""
    if isinstance(below, Number) and below.number == 1:
        return above
    if isinstance(above, Number) and isinstance(below, Number):
        found = Quotient(above, below).value
        plain = below.number != 0 and float(f"{found:.6g}") == found  # 1/4 is 0.25, 1/3 stays
        if plain or not (above.number.is_integer() and below.number.is_integer()):
            return Number(found)
        sign = math.copysign(1, above.number) * math.copysign(1, below.number)
        fraction = Quotient(Number(abs(above.number)), Number(abs(below.number)))
        return fraction if sign > 0 else _product(-1.0, [fraction])
    if above == ZERO and below.value != 0:
        return ZERO
    if isinstance(above, Product) and above.coefficient < 0:
        positive = _product(-above.coefficient, above.factors)
        return _product(-1.0, [Quotient(positive, below)])
    return Quotient(above, below)


def call(op: str, arguments: Sequence[Expression]) -> Expression:
    """Apply an op to numbers, by the name that the table of ops knows it by."""
    if op != "divide" and all(isinstance(a, Number) for a in arguments):
        return Number(Call(op, tuple(arguments)).value)
    make = _WRITTEN_OUT.get(op)
    return Call(op, tuple(arguments)) if make is None else make(*arguments)


_WRITTEN_OUT: dict[str, Callable[..., Expression]] = {
    "add": lambda a, b: plus([a, b]),
    "subtract": lambda a, b: plus([a, minus(b)]),
    "multiply": lambda a, b: times([a, b]),
    "divide": divided,
    "negative": minus,
    "power": lambda a, b: a if b == ONE else Call("power", (a, b)),
}
