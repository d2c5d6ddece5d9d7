"""A reader of printed derivations: it knows the text alone, and works every formula out again.

Answers for what a careful student would do with pencil and calculator. Not for: limpide, of which
it uses nothing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

FUNCTIONS: dict[str, Callable[..., float]] = {
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)) if x > -700 else math.exp(x),
    "tanh": math.tanh,
    "exp": math.exp,
    "expm1": math.expm1,
    "log": lambda x: -math.inf if x == 0 else math.log(x),
    "log1p": math.log1p,
    "softplus": lambda x: max(x, 0.0) + math.log1p(math.exp(-abs(x))),
    "relu": lambda x: max(x, 0.0),
    "erf": math.erf,
    "sin": math.sin,
    "cos": math.cos,
    "floor": math.floor,
    "sign": lambda x: math.copysign(1, x) if x else 0.0,
    "max": max,
    "min": min,
    "√": math.sqrt,
}
_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:[.,]\d+)?(?:e−?\d+)?|∞|NaN)|(?P<name>√|[a-z]\w*)|(?P<mark>[-−+·/()|^²;,]))"
)


class Printed(NamedTuple):
    """One printed equation: what is worked out, the ways on, and the value."""

    left: str
    stages: list[str]

    @property
    def value(self) -> float:
        return number(self.stages[-1])


def number(text: str) -> float:
    """Read one number."""
    plain = text.replace("−", "-").replace(",", ".").replace("∞", "inf").replace("NaN", "nan")
    return float(plain)


def digits(text: str) -> int:
    """Count the significant digits of a printed number."""
    front = text.lstrip("−").partition("e")[0]
    return len(re.sub(r"[.,]", "", front).lstrip("0")) or 1


def equations(text: str) -> Iterator[Printed]:
    """Give the equations of a printed derivation; long ones go on in indented lines."""
    joined: list[str] = []
    for line in text.splitlines():
        if line.startswith("   "):
            joined[-1] += " " + line.strip()
        else:
            joined.append(line)
    for line in joined:
        if line.startswith("  ") and re.search(" [=←] ", line):
            left, rest = re.split(" [=←] ", line.strip(), maxsplit=1)
            yield Printed(left, rest.split(" = "))


def has_names(formula: str) -> bool:
    """Say whether a formula holds more than numbers and functions."""
    words = re.findall(r"[^\W\d][\w′]*|∂|⟨", re.sub(r"\de−?\d", "0", formula))
    return any(word not in FUNCTIONS and word != "NaN" for word in words)


def worked_out(formula: str) -> tuple[float, float]:
    """Work out a formula of numbers: its value, and the largest number met on the way."""
    reader = _Reader(formula)
    value = reader.sum()
    assert reader.at == len(reader.tokens), (formula, reader.tokens[reader.at :])
    return value, reader.largest


class _Reader:
    def __init__(self, formula: str) -> None:
        self.tokens = []
        place = 0
        while place < len(formula.rstrip()):
            found = _TOKEN.match(formula, place)
            assert found, (formula, formula[place:])
            self.tokens.append(found[found.lastgroup or 0])
            place = found.end()
        self.at, self.largest = 0, 0.0

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self, wanted: str = "") -> str:
        token = self.peek()
        assert not wanted or token == wanted, (wanted, self.tokens)
        self.at += 1
        return token

    def seen(self, value: float) -> float:
        if math.isfinite(value):
            self.largest = max(self.largest, abs(value))
        return value

    def sum(self) -> float:
        value = self.product()
        while self.peek() in ("+", "−"):
            sign = 1 if self.take() == "+" else -1
            value += sign * self.product()
        return self.seen(value)

    def product(self) -> float:
        sign = 1.0
        while self.peek() == "−":
            self.take()
            sign = -sign
        value = self.power()
        while self.peek() in ("·", "/"):
            times = self.take() == "·"
            factor = self.power()
            value = value * factor if times else value / factor
        return self.seen(sign * value)

    def power(self) -> float:
        value = self.atom()
        while self.peek() in ("²", "^"):
            value = value**2 if self.take() == "²" else value ** self.atom()
        return self.seen(value)

    def atom(self) -> float:
        token = self.take()
        if token == "(":
            value = self.sum()
            self.take(")")
            return value
        if token == "|":
            value = abs(self.sum())
            self.take("|")
            return value
        if token in FUNCTIONS:
            self.take("(")
            arguments = [self.sum()]
            while self.peek() in (",", ";"):
                self.take()
                arguments.append(self.sum())
            self.take(")")
            return FUNCTIONS[token](*arguments)
        return number(token)


def check(printed: Printed, digits_shown: int) -> None:
    """Assert that every stage of numbers gives the printed value, to the digits printed."""
    for stage in printed.stages[:-1]:
        if has_names(stage):
            continue
        value, largest = worked_out(stage)
        shown = float(f"{value:.{digits_shown - 1}e}")
        close = abs(value - printed.value) <= 1e-12 * max(largest, 1e-300)
        assert shown == printed.value or close, (printed, value)
