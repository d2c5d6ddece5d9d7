"""What the vector functions are made of: exact sums and products, polynomials, bits of floats.

Answers for short straight-line pieces that work lane by lane. Not for: any function (``functions``
names them), nor memory and loops (``writer``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from limpide.engines.native.writer import Type, Value, Writer, constant


class Format(NamedTuple):
    """An IEEE 754 format, as its bits are taken apart.

    Attributes
    ----------
    mantissa
        How many bits the fraction has.
    bias
        What is added to an exponent.
    whole
        2**mantissa: from here on floats are whole numbers.
    smallest
        The smallest number that is not denormal.
    """

    mantissa: int
    bias: int
    whole: float
    smallest: float


FORMATS = {
    "f32": Format(23, 127, 2.0**23, 2.0**-126),
    "f64": Format(52, 1023, 2.0**52, 2.0**-1022),
}


def format_of(x: Value) -> Format:
    """Give the format of a value's elements."""
    return FORMATS[x.type.element]


def same(x: Value, number: float) -> Value:
    """Give a number in the type of ``x``."""
    return constant(x.type, number)


def scaled(w: Writer, a: Value, factor: float, b: Value | float) -> Value:
    """Give a · factor + b with a known factor."""
    return w.fma(a, same(a, factor), b if isinstance(b, Value) else same(a, b))


def at_most(w: Writer, x: Value, limit: float) -> Value:
    """Give min(x, limit); a NaN stays one."""
    bound = same(x, limit)
    return w.select(w.compare("ogt", x, bound), bound, x)


def at_least(w: Writer, x: Value, limit: float) -> Value:
    """Give max(x, limit); a NaN stays one."""
    bound = same(x, limit)
    return w.select(w.compare("olt", x, bound), bound, x)


def polynomial(w: Writer, x: Value, coefficients: Sequence[float]) -> Value:
    """Give Σ coefficients[i] · x**i by Estrin's scheme: a chain of log₂ n steps, not n.

    Source: Estrin (1960). The lowest coefficient must outweigh the rest for the error to stay
    that of Horner's scheme.
    """
    terms = [same(x, c) for c in coefficients]
    power = x
    while len(terms) > 1:
        pairs = zip(terms[::2], terms[1::2], strict=False)
        odd = terms[-1:] if len(terms) % 2 else []
        terms = [w.fma(high, power, low) for low, high in pairs] + odd
        if len(terms) > 1:
            power = w.fmul(power, power)
    return terms[0]


def squared(
    w: Writer, x: Value, square: Value, coefficients: Sequence[float], plus: Value
) -> Value:
    """Give x² · Σ coefficients[i] · x**i + plus, a step sooner than ``polynomial`` would.

    The highest 2**k coefficients make one polynomial, the one to three before them another.
    """
    high = 4 if len(coefficients) < 8 else 8
    low = len(coefficients) - high
    cube = w.fmul(square, x)
    place = {1: cube, 2: w.fmul(square, square), 3: w.fmul(cube, square)}[low]
    start = w.fma(square, polynomial(w, x, coefficients[:low]), plus)
    return w.fma(place, polynomial(w, x, coefficients[low:]), start)


def fast_two_sum(w: Writer, a: Value, b: Value) -> tuple[Value, Value]:
    """Give a + b rounded, and exactly what was lost, where |a| ≥ |b| or a = 0.

    Source: Dekker (1971).
    """
    total = w.fadd(a, b)
    return total, w.fadd(w.fsub(a, total), b)


def two_sum(w: Writer, a: Value, b: Value) -> tuple[Value, Value]:
    """Give a + b rounded, and exactly what was lost. Source: Knuth (1969)."""
    total = w.fadd(a, b)
    part = w.fsub(total, a)
    return total, w.fadd(w.fsub(a, w.fsub(total, part)), w.fsub(b, part))


def two_product(w: Writer, a: Value, b: Value) -> tuple[Value, Value]:
    """Give a · b rounded, and exactly what was lost.

    Where there is no fused product both are split into halves (Veltkamp; Dekker 1971), which needs
    |a| and |b| below 2**996 (float32: 2**115).
    """
    product = w.fmul(a, b)
    if w.target.has_fma:
        return product, w.fma(a, b, w.fneg(product))
    (ah, al), (bh, bl) = _halves(w, a), _halves(w, b)
    low = w.fsub(w.fmul(ah, bh), product)
    low = w.fadd(w.fadd(low, w.fmul(ah, bl)), w.fmul(al, bh))
    return product, w.fadd(low, w.fmul(al, bl))


def remaining(w: Writer, c: Value, a: Value, b: Value) -> Value:
    """Give c − a · b, exactly where a · b agrees with c to the last few bits."""
    if w.target.has_fma:
        return w.fma(w.fneg(a), b, c)
    product, lost = two_product(w, a, b)
    return w.fsub(w.fsub(c, product), lost)


def _halves(w: Writer, a: Value) -> tuple[Value, Value]:
    wide = w.fmul(a, same(a, 2.0 ** ((format_of(a).mantissa + 2) // 2) + 1.0))
    high = w.fsub(wide, w.fsub(wide, a))
    return high, w.fsub(a, high)


def integers(x: Value, number: int) -> Value:
    """Give a number in the integers of the width of ``x``, signed as LLVM prints them."""
    return constant(x.type if not x.type.is_float else x.type.same_bits, number)


def float_bits(element: str, number: float) -> int:
    """Give the bits of a float as an integer: ``float_bits("f64", 1.0)`` is 0x3FF0000000000000."""
    text = constant(Type("f64"), number).name
    wide = int(text, 16)
    if element == "f64":
        return wide
    sign, exponent, fraction = wide >> 63, (wide >> 52) & 0x7FF, wide & (2**52 - 1)
    return sign << 31 | (exponent - 1023 + 127) << 23 | fraction >> 29


def any_lane(w: Writer, truth: Value) -> Value:
    """Say whether something holds in at least one lane, as one i1."""
    if truth.type.lanes == 1:
        return truth
    whole = Type(f"i{truth.type.lanes}")
    bits = w.emit(whole, f"bitcast {truth} to {whole}")
    return w.compare("ne", bits, constant(whole, 0))
