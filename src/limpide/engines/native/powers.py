"""power as straight-line vector code.

Answers for aᵇ as IEEE 754 defines pow. Not for: other functions; ``functions`` says what is
promised of all.
"""

from __future__ import annotations

from limpide.engines.native.arithmetic import (
    at_least,
    at_most,
    fast_two_sum,
    format_of,
    polynomial,
    remaining,
    same,
    scaled,
    squared,
    two_product,
)
from limpide.engines.native.exponentials import (
    constants_of,
    halves_of_power,
    power_of_two,
    reduce,
)
from limpide.engines.native.logarithms import exponent, split
from limpide.engines.native.writer import Value, Writer

LN2 = 0.6931471805599453

# Worked in float64 for float32, minimax (Remez): (2 atanh(s) − 2s) / s³ in z = s², error 2**-36 of
# s, and (eʳ − 1) / r on |r| ≤ ln 2 / 2, error 2**-34.
SHORT_LOG = (0.6666666563709664, 0.40000337329897906, 0.28537156360190336, 0.235853145068741)
SHORT_EXP = (
    0.9999999999735022,
    0.5000000079317427,
    0.16666666955820572,
    0.04166626626171386,
    0.008333253633099148,
    0.0013946274540963177,
    0.0001992225317213469,
)

# For float64, minimax (Remez): (2 atanh(s) − 2s − 2s³/3) / s⁵ in z = s², error 2**-65 of s.
LOG = (
    0.4000000000000229,
    0.28571428570082813,
    0.22222222523057586,
    0.1818178408113827,
    0.1538677100665602,
    0.13256488431275495,
    0.13199479306936052,
)
TWO_THIRDS = (float.fromhex("0x1.5555555555555p-1"), float.fromhex("0x1.5555555555555p-55"))


def power(w: Writer, a: Value, b: Value) -> Value:
    """Give aᵇ as IEEE 754's pow: negative bases for whole exponents, 1 for a = 1 or b = 0."""
    size = w.intrinsic("fabs", a)
    y = _single(w, size, b) if a.type.element == "f32" else _double(w, size, b)
    one, zero, infinity = same(a, 1.0), same(a, 0.0), same(a, float("inf"))
    whole = _is_whole(w, b)
    half = _is_whole(w, w.fmul(b, same(b, 0.5)))
    odd = w.binary("xor", w.binary("and", whole, half), whole)
    y = w.select(w.compare("oeq", size, one), one, y)
    y = w.intrinsic("copysign", y, w.select(odd, a, one))
    inside = w.binary("and", w.compare("olt", a, zero), w.compare("olt", size, infinity))
    undefined = w.binary("and", inside, w.binary("xor", whole, _true(whole)))
    undefined = w.binary("or", undefined, w.compare("uno", a, b))
    y = w.select(undefined, same(a, float("nan")), y)
    trivial = w.binary("or", w.compare("oeq", a, one), w.compare("oeq", b, zero))
    return w.select(trivial, one, y)


def _true(like: Value) -> Value:
    return same(like, True)


def _is_whole(w: Writer, b: Value) -> Value:
    """Say where b is a whole number; from 2**mantissa on every number is."""
    whole = same(b, format_of(b).whole)
    size = w.intrinsic("fabs", b)
    rounded = w.fsub(w.fadd(size, whole), whole)
    return w.binary("or", w.compare("oeq", rounded, size), w.compare("oge", size, whole))


def _ends(w: Writer, size: Value, log: Value) -> Value:
    """Give log |a| where a is 0 or infinite, else as it is."""
    infinity = same(size, float("inf"))
    log = w.select(w.compare("oeq", size, infinity), infinity, log)
    return w.select(w.compare("oeq", size, same(size, 0.0)), same(size, -float("inf")), log)


def _single(w: Writer, size: Value, b: Value) -> Value:
    """Give |a|ᵇ for float32, worked in float64."""
    x, b = w.convert("fpext", size, "f64"), w.convert("fpext", b, "f64")
    lifted, f = split(w, x)
    e = exponent(w, x, lifted)
    s = w.fdiv(f, w.fadd(f, same(f, 2.0)))
    z = w.fmul(s, s)
    log = w.fma(s, w.fma(z, polynomial(w, z, SHORT_LOG), same(s, 2.0)), scaled(w, e, LN2, 0.0))
    p = w.fmul(b, _ends(w, x, log))
    p = at_least(w, at_most(w, p, 120.0), -120.0)
    part = reduce(w, p, format_of(p).bias)
    r = scaled(w, part.n, -constants_of(p).ln2_low, part.r)
    scale = power_of_two(w, p, part.bits)
    y = w.fma(w.fmul(r, polynomial(w, r, SHORT_EXP)), scale, scale)
    return w.convert("fptrunc", y, "f32")


def _double(w: Writer, size: Value, b: Value) -> Value:
    """Give |a|ᵇ for float64: the logarithm to 2**-66, times b, in two parts, then e to that."""
    high, low = _two_part_log(w, size)
    high = _ends(w, size, high)
    p, lost = two_product(w, b, high)
    lost = w.fma(b, low, lost)
    beyond = w.compare("olt", w.intrinsic("fabs", p), same(p, 800.0))
    lost = w.select(beyond, lost, same(p, 0.0))
    p = at_least(w, at_most(w, p, 800.0), -800.0)
    part = reduce(w, p, 2 * format_of(p).bias)
    c = constants_of(p)
    r, low = fast_two_sum(w, part.r, scaled(w, part.n, -c.ln2_low, lost))
    rest = squared(w, r, w.fmul(r, r), c.square, low)
    u, lost = fast_two_sum(w, same(r, 1.0), r)
    y = w.fadd(u, w.fadd(lost, rest))
    first, second = halves_of_power(w, p, part.bits)
    return w.fmul(w.fmul(y, first), second)


def _two_part_log(w: Writer, x: Value) -> tuple[Value, Value]:
    """Give log x, x positive and finite, as high + low.

    With s = f / (2 + f) in two parts it is e ln 2 + 2s + s³ (2/3 + z T(z)), z = s²; all but T is
    kept in two parts.
    """
    of, c = format_of(x), constants_of(x)
    tiny = w.compare("olt", x, same(x, of.smallest))
    lifted, f = split(w, w.select(tiny, w.fmul(x, same(x, 2.0**54)), x))
    shift = of.whole + of.bias
    e = exponent(w, x, lifted, w.select(tiny, same(x, shift + 54), same(x, shift)))
    below, below_low = fast_two_sum(w, same(f, 2.0), f)
    inverse = w.fdiv(same(f, 1.0), below)
    s = w.fmul(f, inverse)
    rest = w.fsub(remaining(w, f, s, below), w.fmul(s, below_low))
    s_low = w.fmul(rest, inverse)
    z, z_low = two_product(w, s, s)
    z_low = w.fma(w.fadd(s, s), s_low, z_low)
    u, u_low = fast_two_sum(w, same(z, TWO_THIRDS[0]), w.fmul(z, polynomial(w, z, LOG)))
    u_low = w.fadd(u_low, same(z, TWO_THIRDS[1]))
    v, v_low = two_product(w, z, u)
    v_low = w.fadd(v_low, w.fma(z, u_low, w.fmul(z_low, u)))
    t, t_low = two_product(w, s, v)
    t_low = w.fadd(t_low, w.fma(s, v_low, w.fmul(s_low, v)))
    high, lost = fast_two_sum(w, w.fmul(e, same(e, c.ln2_high)), w.fadd(s, s))
    high, lost2 = fast_two_sum(w, high, t)
    small = w.fadd(w.fadd(s_low, s_low), scaled(w, e, c.ln2_low, t_low))
    return fast_two_sum(w, high, w.fadd(w.fadd(lost, lost2), small))
