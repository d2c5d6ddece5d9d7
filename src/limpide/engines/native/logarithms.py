"""log, log1p and softplus as straight-line vector code.

Answers for all that rests on log(1 + f) for a small f, and for the reduction to it. Not for: powers
(``powers``); ``functions`` says what is promised of all.
"""

from __future__ import annotations

from typing import NamedTuple

from limpide.engines.native.arithmetic import (
    at_most,
    fast_two_sum,
    float_bits,
    format_of,
    integers,
    polynomial,
    same,
    scaled,
    two_product,
    two_sum,
)
from limpide.engines.native.exponentials import constants_of, halves_of_power, reduce, small
from limpide.engines.native.writer import Value, Writer

HALF_ROOT = 0.7071067811865476

# (log(1 + f) − f + f²/2) / f³ in float32 on [√½ − 1, √2 − 1], minimax (Remez), error 2**-27 of f.
SHORT = (
    0.33333316445350647,
    -0.25000816583633423,
    0.20002302527427673,
    -0.16624349355697632,
    0.14180691540241241,
    -0.1313042938709259,
    0.12885913252830505,
    -0.07860081642866135,
)

# (2 atanh(s) − 2s) / s³ in z = s² in float64, s = f / (2 + f), minimax (Remez), error 2**-58 of s.
LONG = (
    0.6666666666666736,
    0.3999999999940113,
    0.28571428745688765,
    0.22222198206965824,
    0.18183584699791322,
    0.15313496802655482,
    0.1480180026043863,
)


class Parts(NamedTuple):
    """x = 2ᵉ (1 + f) with √½ ≤ 1 + f < √2: e plus the bias in the bits, and f, exact."""

    lifted: Value
    f: Value


def split(w: Writer, x: Value) -> Parts:
    """Take a positive number that is neither denormal nor infinite apart."""
    of, element = format_of(x), x.type.element
    root = float_bits(element, HALF_ROOT)
    bits = w.bitcast(x, x.type.same_bits.element)
    bits = w.add(bits, integers(x, float_bits(element, 1.0) - root))
    lifted = w.binary("lshr", bits, integers(x, of.mantissa))
    fraction = w.binary("and", bits, integers(x, (1 << of.mantissa) - 1))
    m = w.bitcast(w.add(fraction, integers(x, root)), element)
    return Parts(lifted, w.fsub(m, same(x, 1.0)))


def exponent(w: Writer, x: Value, lifted: Value, more: Value | None = None) -> Value:
    """Give e as a float, less ``more``: its bits are those of a number above 2**mantissa."""
    of = format_of(x)
    bits = w.binary("or", lifted, integers(x, float_bits(x.type.element, of.whole)))
    shift = same(x, of.whole + of.bias) if more is None else more
    return w.fsub(w.bitcast(bits, x.type.element), shift)


def tail(w: Writer, f: Value, extra: Value) -> Value:
    """Give log(1 + f) − f + extra.

    Source: in float64 log(1 + f) = f − f²/2 + s (f²/2 + R(s²)), Ng (1993, FreeBSD's e_log.c).
    """
    square = w.fmul(f, f)
    half = w.fmul(square, same(f, 0.5))
    if f.type.element == "f32":
        _, lost = two_product(w, f, f)
        rest = w.fma(w.fmul(square, f), polynomial(w, f, SHORT), scaled(w, lost, -0.5, extra))
        return w.fsub(rest, half)
    s = w.fdiv(f, w.fadd(f, same(f, 2.0)))
    z = w.fmul(s, s)
    bracket = w.fma(z, polynomial(w, z, LONG), half)
    return w.fma(s, bracket, w.fsub(extra, half))


def joined(w: Writer, e: Value, f: Value, rest: Value) -> Value:
    """Give e ln 2 + f + rest, where rest holds e · ln2_low."""
    high = w.fmul(e, same(f, constants_of(f).ln2_high))
    u, lost = fast_two_sum(w, high, f)
    return w.fadd(u, w.fadd(lost, rest))


def outside(w: Writer, x: Value, y: Value, pole: float) -> Value:
    """Give y above the pole, −inf at it, NaN below and for NaN, x where it is infinite."""
    bottom = same(x, pole)
    infinite, nothing = same(x, -float("inf")), same(x, float("nan"))
    y = w.select(w.compare("olt", x, same(x, float("inf"))), y, x)
    below = w.select(w.compare("oeq", x, bottom), infinite, nothing)
    return w.select(w.compare("ogt", x, bottom), y, below)


def log(w: Writer, x: Value) -> Value:
    """Give the natural logarithm."""
    of, c = format_of(x), constants_of(x)
    tiny = w.compare("olt", x, same(x, of.smallest))
    places = of.mantissa + 2
    lifted, f = split(w, w.select(tiny, w.fmul(x, same(x, 2.0**places)), x))
    shift = of.whole + of.bias
    e = exponent(w, x, lifted, w.select(tiny, same(x, shift + places), same(x, shift)))
    rest = tail(w, f, w.fmul(e, same(x, c.ln2_low)))
    return outside(w, x, joined(w, e, f, rest), 0.0)


def log1p(w: Writer, x: Value) -> Value:
    """Give log(1 + x), relatively exact near 0.

    u = 1 + x is taken apart, and what its rounding lost, g, enters as g / (1 + f), with a quadratic
    for the quotient, whose error of 5 % is 5 % of half an ulp.
    """
    of, c = format_of(x), constants_of(x)
    one = same(x, 1.0)
    positive = w.compare("ogt", x, one)
    larger, smaller = w.select(positive, x, one), w.select(positive, one, x)
    u, lost = fast_two_sum(w, larger, smaller)
    lifted, f = split(w, u)
    e = exponent(w, x, lifted)
    # 2 · 2**-e: the double keeps it finite and not denormal for every e.
    opposite = w.sub(integers(x, 2 * of.bias + 1), lifted)
    twice = w.bitcast(
        w.binary("shl", opposite, integers(x, of.mantissa)),
        x.type.element,
    )
    share = polynomial(w, f, (0.5, -0.5, 0.425))
    extra = w.fma(w.fmul(lost, twice), share, w.fmul(e, same(x, c.ln2_low)))
    y = joined(w, e, f, tail(w, f, extra))
    return w.intrinsic("copysign", outside(w, x, y, -1.0), x)


def softplus(w: Writer, x: Value) -> Value:
    """Give log(1 + e**x) as max(x, 0) + log1p(e**-|x|).

    e**-|x| is kept in two parts: where it is small the result is it, to the last bit. As it is at
    most 1, 1 + f is 1 more than it, or half of that.
    """
    of, c = format_of(x), constants_of(x)
    zero, one = same(x, 0.0), same(x, 1.0)
    y = at_most(w, w.intrinsic("fabs", x), -c.lowest)
    part = reduce(w, w.fneg(y), 2 * of.bias)
    s, s_low = small(w, part)
    first, second = halves_of_power(w, x, part.bits)
    p, p_lost = fast_two_sum(w, one, s)
    power = w.fmul(w.fmul(p, first), second)
    power_low = w.fmul(w.fmul(w.fadd(p_lost, s_low), first), second)
    upper = w.compare("oge", power, same(x, 2.0 * HALF_ROOT - 1.0))
    scale = w.select(upper, same(x, 0.5), one)
    f, f_lost = fast_two_sum(w, w.fsub(scale, one), w.fmul(power, scale))
    share = polynomial(w, f, (1.0, -1.0, 0.85))
    log_low = w.select(upper, same(x, c.ln2_low), zero)
    extra = w.fma(w.fma(power_low, scale, f_lost), share, log_low)
    g, g_lost = fast_two_sum(w, w.select(upper, same(x, c.ln2_high), zero), f)
    h, h_lost = two_sum(w, w.select(w.compare("ogt", x, zero), x, zero), g)
    y = w.fadd(h, w.fadd(h_lost, w.fadd(g_lost, tail(w, f, extra))))
    return w.select(w.compare("ogt", x, same(x, c.flat)), x, y)
