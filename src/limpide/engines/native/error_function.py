"""erf as straight-line vector code.

Answers for the error function. Not for: other functions; ``functions`` says what is promised.
"""

from __future__ import annotations

from limpide.engines.native.arithmetic import (
    at_most,
    format_of,
    polynomial,
    same,
    scaled,
    two_product,
)
from limpide.engines.native.exponentials import constants_of, power_of_two, reduce
from limpide.engines.native.writer import Value, Writer

# Below ``MIDDLE``: erf(x)/x − 1 in x². From there to ``END``, where erf rounds to 1:
# log(1 − erf(x)) + x² in x. Both near-minimax, the second with weight 1 − erf, lowest first; each
# coefficient was rounded before the rest were fitted anew. Errors 2**-29 and 2**-34 in float32,
# 2**-56 and 2**-59 in float64.
MIDDLE = 0.9375
END = {"f32": 3.93, "f64": 5.93}
NEAR = {
    "f32": (
        0.12837916612625122,
        -0.37612631916999817,
        0.11283674091100693,
        -0.026858337223529816,
        0.005198557861149311,
        -0.0008115767850540578,
        8.259755122708157e-05,
    ),
    "f64": (
        0.1283791670955126,
        -0.376126389031839,
        0.1128379167096015,
        -0.02686617064593343,
        0.005223977632605706,
        -0.0008548327418238873,
        0.00012055347154931749,
        -1.4925990654180596e-05,
        1.6467598388537332e-06,
        -1.642385548373865e-07,
        1.5184172697589532e-08,
        -1.353582872520433e-09,
        9.882430684078132e-11,
    ),
}
FAR = {
    "f32": (
        0.00018256249313708395,
        -1.129553198814392,
        0.36673128604888916,
        -0.10836713761091232,
        0.025176409631967545,
        -0.004192982334643602,
        0.00043904781341552734,
        -2.1497238776646554e-05,
    ),
    "f64": (
        -1.0610835672049568e-07,
        -1.1283780550726041,
        0.36337485040964657,
        -0.10275676280304202,
        0.019096941629754813,
        0.0002531626929355051,
        -0.0017386710390227397,
        0.0006149118234210196,
        -2.684277596035408e-05,
        -8.017241523641046e-05,
        4.930720959809763e-05,
        -1.7994821324819568e-05,
        4.733080855644649e-06,
        -9.373948764412836e-07,
        1.3986406865874662e-07,
        -1.5326172112013063e-08,
        1.16707834766476e-09,
        -5.52350425837155e-11,
        1.2238874710562316e-12,
    ),
}


def erf(w: Writer, x: Value) -> Value:
    """Give the error function: x + x Q(x²) below 15/16, 1 − exp(G(|x|) − x²) above.

    x² is kept in two parts; the second form is summed as (1 − 2ⁿ) − 2ⁿ s, s = eʳ − 1, rounded
    once.
    """
    element = x.type.element
    a = at_most(w, w.intrinsic("fabs", x), END[element])
    square, lost = two_product(w, a, a)
    near = w.fma(a, _linear_last(w, square, NEAR[element]), a)
    g = _linear_last(w, a, FAR[element])
    part = reduce(w, w.fsub(g, square), format_of(x).bias)
    c = constants_of(x)
    r = w.fadd(scaled(w, part.n, -c.ln2_high, w.fneg(square)), g)
    r = w.fsub(r, scaled(w, part.n, c.ln2_low, lost))
    s = w.fma(w.fmul(r, r), polynomial(w, r, c.square), r)
    one = same(x, 1.0)
    scale = power_of_two(w, x, part.bits)
    far = w.fma(w.fneg(scale), s, w.fsub(one, scale))
    return w.intrinsic("copysign", w.select(w.compare("olt", a, same(x, MIDDLE)), near, far), x)


def _linear_last(w: Writer, x: Value, coefficients: tuple[float, ...]) -> Value:
    """Evaluate a polynomial whose linear term is the largest and against the rest in sign.

    Added last, it leaves only the rounding of the sum.
    """
    lowest, linear, *higher = coefficients
    rest = w.fma(w.fmul(x, x), polynomial(w, x, higher), same(x, lowest))
    return scaled(w, x, linear, rest)
