"""sin and cos as straight-line vector code, right for arguments of any size.

Answers for the reduction by multiples of π/2 and the polynomials after it. Not for: other
functions; ``functions`` says what is promised of all.
"""

from __future__ import annotations

from typing import NamedTuple

from limpide.engines.native.arithmetic import (
    any_lane,
    fast_two_sum,
    integers,
    polynomial,
    same,
    scaled,
    two_product,
    two_sum,
)
from limpide.engines.native.writer import F64, I64, Type, Value, Writer, constant, index

TWO_OVER_PI = float.fromhex("0x1.45f306dc9c883p-1")
MAGIC = 1.5 * 2.0**52

# π/2 in two and in three parts; products of the first ones with n are exact up to n = 2**25 and
# 2**15, which is where the limits below come from.
TWO_PARTS = (float.fromhex("0x1.921fb54p+0"), float.fromhex("0x1.10b4611a62633p-30"))
THREE_PARTS = (
    float.fromhex("0x1.921fb54440p+0"),
    float.fromhex("0x1.68c234c4c0p-39"),
    float.fromhex("0x1.98a2e03707345p-77"),
)
HALF_PI = (float.fromhex("0x1.921fb54442d18p+0"), float.fromhex("0x1.1a62633145c07p-54"))
LIMITS = {"f32": 5.0e7, "f64": 5.1e4}

# On |r| ≤ π/4, z = r², minimax (Remez): float64 (sin r − r) / r³ and (cos r − 1 + z/2) / z²,
# errors 2**-58 and 2**-64; for float32, worked in float64, the same sine and (cos r − 1) / z,
# errors 2**-37 and 2**-34.
SINE = (
    -0.16666666666666632,
    0.008333333333322472,
    -0.0001984126982983567,
    2.7557313697325576e-06,
    -2.505075848487689e-08,
    1.589679591686255e-10,
)
COSINE = (
    0.0416666666666666,
    -0.0013888888888874459,
    2.4801587289655192e-05,
    -2.755731439473776e-07,
    2.0875728247355447e-09,
    -1.1359872717697472e-11,
)
SHORT_SINE = (
    1.0,
    -0.16666666641527006,
    0.00833332937321185,
    -0.00019839330357769282,
    2.7182658697441943e-06,
)
SHORT_COSINE = (
    1.0,
    -0.4999999972401125,
    0.04166662318474516,
    -0.001388675886661077,
    2.4389948870607144e-05,
)

# 2/π in words of 64 bits, after a word of zeros, so that no place is before the table.
WORDS = (
    0,
    0xA2F9836E4E441529,
    0xFC2757D1F534DDC0,
    0xDB6295993C439041,
    0xFE5163ABDEBBC561,
    0xB7246E3A424DD2E0,
    0x06492EEA09D1921C,
    0xFE1DEB1CB129A73E,
    0xE88235F52EBB4484,
    0xE99C7026B45F7E41,
    0x3991D639835339F4,
    0x9C845F8BBDF9283B,
    0x1FF897FFDE05980F,
    0xEF2F118B5A0A6D1F,
    0x6D367ECF27CB09B7,
    0x4F463F669E5FEA2D,
    0x7527BAC7EBE5F17B,
    0x3D0739F78A5292EA,
    0x6BFB5FB11F8D5D08,
    0x56033046FC7B6BAB,
    0xF0CFBC209AF4361D,
)


class Angle(NamedTuple):
    """x = n π/2 + r + low with |r| ≤ π/4: n modulo 4 in the low bits of ``quarters``."""

    quarters: Value
    r: Value
    low: Value


def sin(w: Writer, x: Value) -> Value:
    """Give the sine of x radians."""
    y = _single(w, x, 0) if x.type.element == "f32" else _double(w, x, 0)
    # The reduction loses the sign of a zero.
    return w.select(w.compare("oeq", x, same(x, 0.0)), x, y)


def cos(w: Writer, x: Value) -> Value:
    """Give the cosine of x radians."""
    return _single(w, x, 1) if x.type.element == "f32" else _double(w, x, 1)


def _single(w: Writer, x: Value, ahead: int) -> Value:
    """Work a float32 sine (cosine if ``ahead`` is 1) in float64: one rounding that counts."""
    wide = w.convert("fpext", x, "f64")
    shifted = scaled(w, wide, TWO_OVER_PI, MAGIC)
    minus = w.fsub(same(wide, MAGIC), shifted)
    r = scaled(w, minus, TWO_PARTS[1], scaled(w, minus, TWO_PARTS[0], wide))
    angle = Angle(w.bitcast(shifted, "i64"), r, same(wide, 0.0))
    quarters, r, _ = _or_large(w, wide, LIMITS["f32"], angle)
    z = w.fmul(r, r)
    sine = w.fmul(r, polynomial(w, z, SHORT_SINE))
    y = _by_quarter(w, quarters, ahead, sine, polynomial(w, z, SHORT_COSINE))
    return w.convert("fptrunc", y, "f32")


def _double(w: Writer, x: Value, ahead: int) -> Value:
    """Work a float64 sine or cosine: Cody and Waite (1980) in three parts, r kept in two.

    Source of the two kernels: Ng (1993, FreeBSD's k_sin.c and k_cos.c).
    """
    shifted = scaled(w, x, TWO_OVER_PI, MAGIC)
    minus = w.fsub(same(x, MAGIC), shifted)
    first = scaled(w, minus, THREE_PARTS[0], x)
    part = w.fmul(minus, same(x, THREE_PARTS[1]))
    second, lost = fast_two_sum(w, first, part)
    r, low = fast_two_sum(w, second, scaled(w, minus, THREE_PARTS[2], lost))
    angle = Angle(w.bitcast(shifted, "i64"), r, low)
    quarters, r, low = _or_large(w, x, LIMITS["f64"], angle)
    z = w.fmul(r, r)
    half = w.fmul(z, same(z, -0.5))
    sine = w.fma(w.fmul(z, r), polynomial(w, z, SINE), w.fma(half, low, low))
    one = same(x, 1.0)
    top, lost = fast_two_sum(w, one, half)
    correction = w.fsub(lost, w.fmul(r, low))
    cosine = w.fma(w.fmul(z, z), polynomial(w, z, COSINE), correction)
    return _by_quarter(w, quarters, ahead, w.fadd(r, sine), w.fadd(top, cosine))


def _by_quarter(w: Writer, quarters: Value, ahead: int, sine: Value, cosine: Value) -> Value:
    """Choose the sine or cosine of r and its sign, ``ahead`` quarters further."""
    if ahead:
        quarters = w.add(quarters, integers(quarters, ahead))
    odd = w.compare("ne", w.binary("and", quarters, integers(quarters, 1)), integers(quarters, 0))
    bits = w.bitcast(w.select(odd, cosine, sine), "i64")
    sign = w.binary("shl", w.binary("lshr", quarters, integers(quarters, 1)), integers(bits, 63))
    return w.bitcast(w.binary("xor", bits, sign), "f64")


def _or_large(w: Writer, x: Value, limit: float, angle: Angle) -> Angle:
    """Give the angle as it is where |x| is below the limit, else as Payne and Hanek reduce it.

    The rest of the function has no branch; this one, over the whole vector, is for lanes that a
    network hardly ever has. It is written as a loop of one trip or none, whose results merge.
    """
    large = w.compare("oge", w.intrinsic("fabs", x), same(x, limit))
    some = w.emit(I64, f"zext {any_lane(w, large)} to i64")
    with w.loop(0, some, carried=angle) as rare:
        found = _each_lane(w, x)
        chosen = [w.select(large, a, b) for a, b in zip(found, rare.carried, strict=True)]
        rare.next = chosen
    return Angle(*rare.results)


def _each_lane(w: Writer, x: Value) -> Angle:
    """Reduce every lane of a vector, one after the other, through memory."""
    lanes = x.type.lanes
    if lanes == 1:
        return _payne_hanek(w, x)
    source = w.local(F64, lanes)
    places = [w.local(of, lanes) for of in (I64, F64, F64)]
    w.store(x, source)
    with w.loop(0, lanes) as lane:
        one = _payne_hanek(w, w.load(F64, w.at(source, lane.index, "f64")))
        for value, place in zip(one, places, strict=True):
            w.store(value, w.at(place, lane.index, value.type.element))
    types = (x.type.of("i64"), x.type, x.type)
    return Angle(*(w.load(of, place) for of, place in zip(types, places, strict=True)))


def _payne_hanek(w: Writer, x: Value) -> Angle:
    """Reduce one float64 number with just those bits of 2/π that matter to it.

    x = m 2ˢ with a whole m; 192 bits of 2/π from the place of weight 2²⁻ˢ on are multiplied by m,
    modulo 4 quarters, in integers; the fraction keeps 128 bits, of which cancellation can eat 62.
    Below 2**-10 the place is not in the table and the result is of no use.

    Source: Payne and Hanek (1983).
    """
    bits = w.bitcast(x, "i64")
    field = w.binary("and", w.binary("lshr", bits, index(52)), index(0x7FF))
    mantissa = w.binary("or", w.binary("and", bits, index(2**52 - 1)), index(2**52))
    place = w.sub(field, index(1013))
    place = w.select(w.compare("slt", place, index(0)), index(0), place)
    table = w.at(w.table(I64, WORDS), w.binary("lshr", place, index(6)), "i64")
    shift = w.binary("and", place, index(63))
    words = [w.load(I64, w.at(table, i, "i64")) for i in range(4)]
    a, b, c = (w.intrinsic("fshl", words[i], words[i + 1], shift) for i in range(3))
    wide = w.convert("zext", mantissa, "i128")
    word = constant(Type("i128"), 64)
    low = w.mul(wide, w.convert("zext", c, "i128"))
    low = w.add(w.mul(wide, w.convert("zext", b, "i128")), w.binary("lshr", low, word))
    top = w.add(w.mul(mantissa, a), w.convert("trunc", w.binary("lshr", low, word), "i64"))
    bottom = w.convert("trunc", low, "i64")
    quarters = w.binary("lshr", w.add(top, index(2**61)), index(62))
    r, low_r = _to_radians(
        w,
        w.intrinsic("fshl", top, bottom, index(2)),
        w.binary("shl", bottom, index(2)),
    )
    negative = w.compare("slt", bits, index(0))
    finite = w.compare("olt", w.intrinsic("fabs", x), constant(F64, float("inf")))
    r = w.select(finite, r, constant(F64, float("nan")))
    return Angle(
        w.select(negative, w.sub(index(0), quarters), quarters),
        w.select(negative, w.fneg(r), r),
        w.select(negative, w.fneg(low_r), low_r),
    )


def _to_radians(w: Writer, high: Value, low: Value) -> tuple[Value, Value]:
    """Give π/2 · f in two parts for a signed fraction f of 128 bits in two words."""
    mask, half = index(2**32 - 1), index(32)
    pieces = (
        w.binary("ashr", high, half),
        w.binary("and", high, mask),
        w.binary("lshr", low, half),
        w.binary("and", low, mask),
    )
    a, b, c, d = (_piece(w, piece, -32 * (i + 1)) for i, piece in enumerate(pieces))
    upper, upper_lost = fast_two_sum(w, a, b)
    lower, lower_lost = two_sum(w, c, d)
    f, lost = two_sum(w, upper, lower)
    f, lost = fast_two_sum(w, f, w.fadd(lost, w.fadd(upper_lost, lower_lost)))
    r, r_lost = two_product(w, f, same(f, HALF_PI[0]))
    rest = scaled(w, lost, HALF_PI[0], r_lost)
    return fast_two_sum(w, r, scaled(w, f, HALF_PI[1], rest))


def _piece(w: Writer, whole: Value, exponent: int) -> Value:
    """Give whole · 2**exponent, for whole numbers of 32 bits and a sign."""
    return w.fmul(w.convert("sitofp", whole, "f64"), constant(F64, 2.0**exponent))
