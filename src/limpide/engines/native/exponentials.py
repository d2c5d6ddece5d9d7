"""exp, expm1, tanh and sigmoid as straight-line vector code.

Answers for all that rests on e**r for a small r, and for the reduction to it. Not for: logarithms,
sines, powers (their own files); ``functions`` says what is promised of all.
"""

from __future__ import annotations

from typing import NamedTuple

from limpide.engines.native.arithmetic import (
    at_least,
    at_most,
    fast_two_sum,
    format_of,
    integers,
    polynomial,
    remaining,
    same,
    scaled,
    squared,
    two_product,
)
from limpide.engines.native.writer import Value, Writer

LOG2_E = 1.4426950408889634


class Constants(NamedTuple):
    """What belongs to a format.

    Attributes
    ----------
    ln2_high, ln2_low
        ln 2 = high + low, the high part so short that its product with any exponent is exact; the
        low part is positive, which keeps the sign of zero.
    lowest, highest
        From here on exp gives 0 and infinity.
    square, cubic
        Coefficients of (eʳ − 1 − r) / r² and of (eʳ − 1 − r − r²/2) / r³ on |r| ≤ ln 2 / 2, lowest
        first: minimax (Remez), the first for an absolute error of e**r (2**-27.7 and 2**-56.5),
        the second for one relative to r (2**-30.1 and 2**-60.2 after rounding).
    flat
        From here on tanh, sigmoid and softplus have reached what they tend to.
    """

    ln2_high: float
    ln2_low: float
    lowest: float
    highest: float
    square: tuple[float, ...]
    cubic: tuple[float, ...]
    flat: float


CONSTANTS = {
    "f32": Constants(
        float.fromhex("0x1.62e4p-1"),
        float.fromhex("0x1.7f7d1cp-20"),
        -104.0,
        89.0,
        (0.5, 0.166665181517601, 0.04166620597243309, 0.008368917740881443, 0.0013950541615486145),
        (
            0.1666666716337204,
            0.041666481643915176,
            0.008333281613886356,
            0.001393335172906518,
            0.00019909745606128126,
        ),
        20.0,
    ),
    "f64": Constants(
        float.fromhex("0x1.62e42feep-1"),
        float.fromhex("0x1.a39ef35793c76p-33"),
        -746.0,
        710.0,
        (
            0.5000000000000013,
            0.166666666666667,
            0.04166666666651499,
            0.008333333333307257,
            0.0013888888947141665,
            0.00019841269917292588,
            2.480148979976973e-05,
            2.7557216359561625e-06,
            2.763133530662085e-07,
            2.5117850098168646e-08,
        ),
        (
            0.16666666666666677,
            0.04166666666666669,
            0.008333333333321674,
            0.0013888888888870018,
            0.0001984126988605592,
            2.4801587356453986e-05,
            2.7557244250865555e-06,
            2.7557245229040956e-07,
            2.5109030740503268e-08,
            2.092387977433148e-09,
        ),
        40.0,
    ),
}


class Reduced(NamedTuple):
    """x = n ln 2 + r with |r| ≤ ln 2 / 2: the bits of n (see ``reduce``), n, and r."""

    bits: Value
    n: Value
    r: Value


def constants_of(x: Value) -> Constants:
    """Give the constants for a value's elements."""
    return CONSTANTS[x.type.element]


def reduce(w: Writer, x: Value, lift: int, sign: float = 1.0) -> Reduced:
    """Give n = ± round(x / ln 2), as a float and in bits, and what remains of x.

    Adding 1.5 · 2**mantissa rounds to a whole number and leaves it in the low bits, to which
    ``lift`` is added. With ``sign`` −1 both n and its bits are negated, r is not.
    """
    of, c = format_of(x), constants_of(x)
    magic = 1.5 * of.whole + lift
    shifted = scaled(w, x, sign * LOG2_E, magic)
    n = w.fsub(shifted, same(x, magic))
    r = scaled(w, n, -sign * c.ln2_high, x)
    bits = w.bitcast(shifted, x.type.same_bits.element)
    return Reduced(bits, n, r)


def power_of_two(w: Writer, x: Value, bits: Value) -> Value:
    """Give 2**n from bits lifted by the bias; n must be the exponent of a number not denormal."""
    shifted = w.binary("shl", bits, integers(x, format_of(x).mantissa))
    return w.bitcast(shifted, x.type.element)


def halves_of_power(w: Writer, x: Value, bits: Value) -> tuple[Value, Value]:
    """Give two factors that make 2**n, from bits lifted by twice the bias.

    Applied one after the other they reach denormal results, rounded once, and infinity.
    """
    of = format_of(x)
    mask = integers(x, -(1 << of.mantissa))
    half = w.binary("shl", bits, integers(x, of.mantissa - 1))
    first = w.binary("and", half, mask)
    both = w.binary("shl", bits, integers(x, of.mantissa))
    second = w.sub(both, first)
    return w.bitcast(first, x.type.element), w.bitcast(second, x.type.element)


def alternated(coefficients: tuple[float, ...]) -> tuple[float, ...]:
    """Give the coefficients of p(−x)."""
    return tuple(-c if i % 2 else c for i, c in enumerate(coefficients))


def remainder(w: Writer, part: Reduced, sign: float = 1.0) -> tuple[Value, Value, Value]:
    """Give r with ln2_low · n taken off, r², and what both lost as a part of r + r²/2.

    ``sign`` is that of ``reduce``.
    """
    c = constants_of(part.r)
    r = scaled(w, part.n, -sign * c.ln2_low, part.r)
    lost = scaled(w, part.n, -sign * c.ln2_low, w.fsub(part.r, r))
    square, square_lost = two_product(w, r, r)
    return r, square, scaled(w, square_lost, 0.5, lost)


def small(w: Writer, part: Reduced, sign: float = 1.0) -> tuple[Value, Value]:
    """Give eʳ − 1 in two parts, ``sign`` being that of ``reduce``."""
    r, square, low = remainder(w, part, sign)
    rest = squared(w, r, square, (0.5, *constants_of(r).cubic), low)
    return fast_two_sum(w, r, rest)


def exp(w: Writer, x: Value) -> Value:
    """Give e**x.

    Source: Tang (1989), without his table: x = n ln 2 + r, 1 + r + r² p(r), scaled by 2**n.
    """
    of, c = format_of(x), constants_of(x)
    x = at_least(w, at_most(w, x, c.highest), c.lowest)
    part = reduce(w, x, 2 * of.bias)
    r = scaled(w, part.n, -c.ln2_low, part.r)
    first, second = halves_of_power(w, x, part.bits)
    u, lost = fast_two_sum(w, same(x, 1.0), r)
    rest = squared(w, r, w.fmul(r, r), c.square, lost)
    return w.fmul(w.fma(rest, first, w.fmul(u, first)), second)


def expm1(w: Writer, x: Value) -> Value:
    """Give e**x − 1, relatively exact near 0.

    2ⁿ eʳ − 1 is summed as (2ⁿ − 1) + 2ⁿ r + 2ⁿ r²/2, what these sums lose, and the rest. Beyond
    2**1023.5 (float32: 2**127.5) half of it is computed, so that 2ⁿ is finite.
    """
    of, c = format_of(x), constants_of(x)
    y = at_least(w, at_most(w, x, c.highest), -c.flat)
    part = reduce(w, y, of.bias)
    r, square, low = remainder(w, part)
    rest = w.fma(w.fmul(r, square), polynomial(w, r, c.cubic), low)
    high = w.compare("ogt", part.n, same(x, of.bias))
    bits = w.select(high, w.sub(part.bits, integers(x, 1)), part.bits)
    scale = power_of_two(w, x, bits)
    less, less_lost = fast_two_sum(w, scale, same(x, -1.0))
    u, lost = fast_two_sum(w, less, w.fmul(scale, r))
    lost = w.fadd(lost, less_lost)
    u, more_lost = fast_two_sum(w, u, w.fmul(scale, w.fmul(square, same(x, 0.5))))
    y = w.fadd(u, w.fma(scale, rest, w.fadd(lost, more_lost)))
    return w.intrinsic("copysign", w.select(high, w.fadd(y, y), y), x)


def tanh(w: Writer, x: Value) -> Value:
    """Give the hyperbolic tangent.

    With 2|x| = n ln 2 + r, s = eʳ − 1 and c = 2⁻ⁿ it is (1 − c + s) / (1 + c + s): both are kept in
    two parts, divided, and the quotient corrected once by what remains.
    """
    of, c = format_of(x), constants_of(x)
    y = w.intrinsic("fabs", x)
    y = at_most(w, w.fadd(y, y), 2.0 * c.flat)
    part = reduce(w, y, of.bias, -1.0)
    s, low = small(w, part, -1.0)
    scale = power_of_two(w, x, part.bits)
    one = same(x, 1.0)
    below, below_low = _sum_of_three(w, one, scale, s, low)
    above, above_low = _sum_of_three(w, one, w.fneg(scale), s, low)
    inverse = w.fdiv(one, below)
    quotient = w.fmul(above, inverse)
    rest = w.fma(w.fneg(quotient), below_low, above_low)
    rest = w.fadd(remaining(w, above, quotient, below), rest)
    return w.intrinsic("copysign", w.fma(rest, inverse, quotient), x)


def _sum_of_three(w: Writer, a: Value, b: Value, c: Value, low: Value) -> tuple[Value, Value]:
    """Give a + b + c in two parts, with ``low`` added to the second, for |a + b| ≥ |c|."""
    first, lost = fast_two_sum(w, a, b)
    second, lost_again = fast_two_sum(w, first, c)
    return second, w.fadd(lost_again, w.fadd(lost, low))


def sigmoid(w: Writer, x: Value) -> Value:
    """Give 1 / (1 + e**-x), relatively exact down to denormal results.

    With x = n ln 2 + r, s = e⁻ʳ − 1 and c = 2ⁿ it is c / (1 + c + s); what the sum loses is put
    right to first order after the division, and c is applied in two factors.
    """
    of, c = format_of(x), constants_of(x)
    y = at_least(w, at_most(w, x, c.flat), c.lowest)
    part = reduce(w, y, 2 * of.bias)
    r = scaled(w, part.n, -c.ln2_low, part.r)
    rest = squared(w, r, w.fmul(r, r), alternated(c.square), same(x, 0.0))
    first, second = halves_of_power(w, x, part.bits)
    one = same(x, 1.0)
    below, lost = fast_two_sum(w, one, w.fmul(first, second))
    for term in (w.fneg(r), rest):
        below, more = fast_two_sum(w, below, term)
        lost = w.fadd(lost, more)
    inverse = w.fdiv(one, below)
    scaled_inverse = w.fmul(inverse, first)
    y = w.fma(w.fneg(w.fmul(inverse, lost)), scaled_inverse, scaled_inverse)
    return w.fmul(y, second)
