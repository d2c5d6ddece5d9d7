"""erf as straight-line vector code.

Answers for the error function. Not for: other functions; ``functions`` says what is promised.
"""

from __future__ import annotations

from limpide.engines.native.arithmetic import at_most, format_of, polynomial, same, scaled
from limpide.engines.native.exponentials import constants_of, power_of_two, reduce
from limpide.engines.native.writer import Value, Writer

# Below ``MIDDLE``: erf(x)/x − 1 in x². From there to ``END``, where erf rounds to 1: log(1 − erf(x)) + x² in x.
# Both minimax (Remez), lowest first, the second with weight 1 − erf; errors after rounding 2**-28
# and 2**-27 in float32, 2**-56 and 2**-55 in float64.
MIDDLE = 0.9
END = {"f32": 3.93, "f64": 5.93}
NEAR = {
    "f32": (
        0.12837916612625122,
        -0.3761262893676758,
        0.11283624172210693,
        -0.026855560019612312,
        0.005191753152757883,
        -0.0008039752719923854,
        7.943101081764325e-05,
    ),
    "f64": (
        0.1283791670955126,
        -0.3761263890318411,
        0.11283791670972039,
        -0.02686617064826059,
        0.005223977655078335,
        -0.0008548328652386035,
        0.00012055388230167136,
        -1.492683015193927e-05,
        1.6477638282456967e-06,
        -1.6479736061621033e-07,
        1.5098515716427795e-08,
        -1.0825597677059623e-09,
    ),
}
FAR = {
    "f32": (
        0.00017055180796887726,
        -1.1294951438903809,
        0.36661335825920105,
        -0.10823661834001541,
        0.025091495364904404,
        -0.0041605266742408276,
        0.00043230291339568794,
        -2.0909546947223134e-05,
    ),
    "f64": (
        -7.106909676392216e-08,
        -1.128378412423872,
        0.3633765470461972,
        -0.10276174445036906,
        0.019107076387964304,
        0.00023799476157771804,
        -0.001721366862793968,
        0.0005995272336406929,
        -1.6038101168210295e-05,
        -8.621087012752654e-05,
        5.199893649802572e-05,
        -1.8949548892784022e-05,
        5.00052194410691e-06,
        -9.957595586693181e-07,
        1.4956914060697673e-07,
        -1.6512720241131245e-08,
        1.2675265159525437e-09,
        -6.048976030508571e-11,
        1.3517413410819643e-12,
    ),
}


def erf(w: Writer, x: Value) -> Value:
    """Give the error function: x + x Q(x²) below 0.9, 1 − exp(G(|x|) − x²) above.

    x² is exact in two parts (where there is no fused product, in one); the second form is summed
    as (1 − 2ⁿ) − 2ⁿ s, s = eʳ − 1, rounded once.
    """
    element = x.type.element
    a = at_most(w, w.intrinsic("fabs", x), END[element])
    near = w.fma(a, polynomial(w, w.fmul(a, a), NEAR[element]), a)
    square = w.fmul(a, a)
    g = polynomial(w, a, FAR[element])
    part = reduce(w, w.fsub(g, square), format_of(x).bias)
    c = constants_of(x)
    r = w.fsub(scaled(w, part.n, -c.ln2_high, w.fneg(square)), w.fma(a, a, w.fneg(square)))
    r = w.fadd(r, scaled(w, part.n, -c.ln2_low, g))
    s = w.fma(w.fmul(r, r), polynomial(w, r, c.square), r)
    one = same(x, 1.0)
    scale = power_of_two(w, x, part.bits)
    far = w.fma(w.fneg(scale), s, w.fsub(one, scale))
    return w.intrinsic("copysign", w.select(w.compare("olt", a, same(x, MIDDLE)), near, far), x)
