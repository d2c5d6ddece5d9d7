"""Notation: how a formula is written, with its names or with its numbers.

Answers for the order of operations, parentheses, signs and squares, and for plain text. Not for:
LaTeX and MathML (``latex``, ``html_math``), or how many digits
(``digits``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

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
from limpide.languages import Words

_SUM, _PRODUCT, _POWER, _ATOM = range(4)


class Notation:
    """Plain text, and what other ways of writing have in common with it.

    Parameters
    ----------
    words
        The language, which decides the decimal sign.
    digits
        Significant digits of numbers.
    """

    minus: ClassVar[str] = "−"
    dot: ClassVar[str] = "·"
    spaced_dot: ClassVar[str] = " · "
    plus: ClassVar[str] = " + "
    less: ClassVar[str] = " − "

    def __init__(self, words: Words, digits: int) -> None:
        self.words, self.digits = words, digits

    def symbols(self, expression: Expression) -> str:
        """Write a formula with its names."""
        return self._write(expression, False, _SUM)

    def numbers(self, expression: Expression) -> str:
        """Write a formula with numbers in place of its names."""
        return self._write(expression, True, _SUM)

    # What is written differently elsewhere ----------------------------------------------------

    def number(self, value: float) -> str:
        return self.words.number(value, self.digits)

    def name(self, text: str) -> str:
        return text

    def derivative(self, of: str, by: str) -> str:
        return f"∂{of}/∂{by}"

    def rest(self, count: int) -> str:
        return self.words.plural("⟨{n} more term⟩", "⟨{n} more terms⟩", count)

    def parenthesized(self, text: str) -> str:
        return f"({text})"

    def square(self, base: str) -> str:
        return f"{base}²"

    def quotient(self, above: Expression, below: Expression, numbers: bool) -> str:
        over = self._write(above, numbers, _PRODUCT)
        return f"{over} / {self._write(below, numbers, _POWER)}"

    quotient_binds: ClassVar[int] = _PRODUCT

    def call(self, op: str, arguments: Sequence[str]) -> str:
        if op == "abs":
            return f"|{arguments[0]}|"
        if op == "power":
            base, exponent = (a if a.isalnum() or _is_number(a) else f"({a})" for a in arguments)
            return f"{base}^{exponent}"
        between = ", " if self.words.language == "en" else "; "
        return f"{FUNCTIONS.get(op, op)}({between.join(arguments)})"

    def slope(self, op: str, argument: str) -> str:
        return f"{op}′({argument})"

    # What is the same everywhere --------------------------------------------------------------

    def _write(self, e: Expression, numbers: bool, level: int, first: bool = True) -> str:
        text, binds = self._bound(e, numbers, first)
        if binds < level or (text.startswith(self.minus) and not first):
            return self.parenthesized(text)
        return text

    def _bound(self, e: Expression, numbers: bool, first: bool) -> tuple[str, int]:
        """Give a formula as text, and how tightly its parts hold together."""
        if isinstance(e, Number):
            return self.number(e.number), self._number_binds(e.number)
        if isinstance(e, (Symbol, Derivative)):
            if numbers:
                return self.number(e.value), self._number_binds(e.value)
            if isinstance(e, Symbol):
                return self.name(e.name), _ATOM
            return self.derivative(e.of, e.by), _ATOM
        if isinstance(e, Rest):
            if numbers:
                return self.number(e.number), self._number_binds(e.number)
            return self.rest(e.count), _ATOM
        if isinstance(e, Slope):
            if numbers:
                return self.number(e.number), _ATOM
            return self.slope(e.op, self._write(e.argument, False, _SUM)), _ATOM
        if isinstance(e, Sum):
            return self._sum(e, numbers), _SUM
        if isinstance(e, Product):
            return self._product(e, numbers, first), _PRODUCT
        if isinstance(e, Quotient):
            return self.quotient(e.above, e.below, numbers), self.quotient_binds
        assert isinstance(e, Call)
        arguments = [self._write(a, numbers, _SUM) for a in e.arguments]
        return self.call(e.op, arguments), _ATOM

    def _number_binds(self, value: float) -> int:
        return _ATOM

    def _sum(self, e: Sum, numbers: bool) -> str:
        parts: list[str] = []
        for i, term in enumerate(e.terms):
            if isinstance(term, Product) and term.coefficient < 0 and i:
                positive = Product(-term.coefficient, term.factors)
                parts += [self.less, self._write(positive, numbers, _PRODUCT, first=False)]
            elif isinstance(term, Number) and term.number < 0 and i:
                parts += [self.less, self.number(-term.number)]
            else:
                between = self.plus if i else ""
                parts += [between, self._write(term, numbers, _PRODUCT, first=i == 0)]
        return "".join(parts)

    def _product(self, e: Product, numbers: bool, leads: bool) -> str:
        if len(e.factors) == 1 and e.coefficient == 1:
            return self._write(e.factors[0], numbers, _PRODUCT, leads)
        sign = self.minus if e.coefficient < 0 else ""
        size = abs(e.coefficient)
        spaced = any(isinstance(f, Derivative) for f in e.factors)
        written = [] if size == 1 else [self.number(size)]
        i = 0
        while i < len(e.factors):
            factor = e.factors[i]
            twice = i + 1 < len(e.factors) and e.factors[i + 1] == factor
            first = leads and not written and not sign
            if twice and not isinstance(factor, (Call, Number)):
                base = self._write(factor, numbers, _POWER, first=False)
                if isinstance(factor, Derivative) and not numbers:
                    base = self.parenthesized(base)
                written.append(self.square(base))
                i += 1
            else:
                alone = len(e.factors) == 1 and size == 1
                bound = isinstance(factor, Sum) or (isinstance(factor, Quotient) and not alone)
                level = _POWER if bound else _PRODUCT
                written.append(self._write(factor, numbers, level, first=first))
            i += 1
        return sign + (self.spaced_dot if spaced else self.dot).join(written)


def _is_number(text: str) -> bool:
    return all(c.isdigit() or c in ".," for c in text)


FUNCTIONS = {"sqrt": "√", "maximum": "max", "minimum": "min"}
"""Ops whose names in a formula are others."""
