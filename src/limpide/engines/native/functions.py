"""The vector functions of the native engine, and what is promised of them.

Answers for the names: each takes a writer and a float value of any number of lanes and gives one.
Not for: how they are worked (the files by subject).

Each writes straight-line code of its own, lane by lane, without calls: a lane's bits do not depend
on how many lanes there are. The error is at most 1 ulp (sigmoid 1.5) over the whole range, denormal
arguments and results included where the processor does not flush them; without fused multiply-add
the bits differ, and erf may reach 1.25 ulp. NaN gives NaN; signs of zero are kept. Only sin and cos
hold a branch, for vectors with an argument beyond 51,000 (float32: 5·10⁷).

>>> from limpide.engines.native.target import host
>>> from limpide.engines.native.writer import Type, Writer
>>> of = Type("f64", 4)
>>> w = Writer(host(), "example", [(of, "x")])
>>> str(exp(w, *w.arguments).type)
'<4 x double>'
"""

from __future__ import annotations

from limpide.engines.native.error_function import erf
from limpide.engines.native.exponentials import exp, expm1, sigmoid, tanh
from limpide.engines.native.logarithms import log, log1p, softplus
from limpide.engines.native.powers import power
from limpide.engines.native.trigonometry import cos, sin

__all__ = [
    "cos",
    "erf",
    "exp",
    "expm1",
    "log",
    "log1p",
    "power",
    "sigmoid",
    "sin",
    "softplus",
    "tanh",
]
