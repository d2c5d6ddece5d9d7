"""Arithmetic and functions, one row each: spec rule, NumPy meaning, derivative, words.

Answers for what is done element by element to numbers. Not for: comparisons and choices
(``choices``), shapes and sums.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from limpide.ops import special
from limpide.ops.build import (
    primitive,
    spec_float,
    spec_number,
    together,
)
from limpide.ops.choices import equal, less, where
from limpide.tensor import Tensor, apply, current_value, unify

# Arithmetic -----------------------------------------------------------------------------------

ADD = primitive(
    "add",
    spec_number("add"),
    np.add,
    (lambda g, y, a, b: g, lambda g, y, a, b: g),
    "the sum of {0} and {1}",
    "{0} + {1}",
    kind="elementwise",
)
SUBTRACT = primitive(
    "subtract",
    spec_number("subtract"),
    np.subtract,
    (lambda g, y, a, b: g, lambda g, y, a, b: -g),
    "{0} less {1}",
    "{0} - {1}",
    kind="elementwise",
)
MULTIPLY = primitive(
    "multiply",
    spec_number("multiply"),
    np.multiply,
    (lambda g, y, a, b: g * b, lambda g, y, a, b: g * a),
    "{0} times {1}",
    "{0} * {1}",
    kind="elementwise",
)
DIVIDE = primitive(
    "divide",
    spec_float("divide"),
    np.divide,
    (lambda g, y, a, b: g / b, lambda g, y, a, b: -(g * y) / b),
    "{0} divided by {1}",
    "{0} / {1}",
    kind="elementwise",
)
NEGATIVE = primitive(
    "negative",
    spec_number("negative"),
    np.negative,
    (lambda g, y, x: -g,),
    "minus {0}",
    "-{0}",
    kind="elementwise",
)


def _power_base(g: Tensor, y: Tensor, a: Tensor, b: Tensor) -> Tensor:
    # b = 0 first: 0 · 0⁻¹ would be NaN where the derivative is 0. It is taken out of the exponent
    # too, since a second gradient would multiply the infinity that was not chosen by 0.
    flat = equal(b, 0)
    return where(flat, 0, g * b * power(a, where(flat, 1, b) - 1))


def _power_exponent(g: Tensor, y: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return where(less(0, a), g * y * log(where(less(0, a), a, 1)), 0)


POWER = primitive(
    "power",
    spec_float("power"),
    np.power,
    (_power_base, _power_exponent),
    "{0} to the power {1}",
    "{0} ** {1}",
    kind="elementwise",
)


def _larger(g: Tensor, a: Tensor, b: Tensor) -> Tensor:
    # At a tie each side gets half, as in PyTorch and JAX.
    return where(less(b, a), g, where(equal(a, b), g * 0.5, 0))


MAXIMUM = primitive(
    "maximum",
    spec_number("maximum"),
    np.maximum,
    (lambda g, y, a, b: _larger(g, a, b), lambda g, y, a, b: _larger(g, b, a)),
    "the larger of {0} and {1}",
    "max({0}, {1})",
    kind="elementwise",
)
MINIMUM = primitive(
    "minimum",
    spec_number("minimum"),
    np.minimum,
    (lambda g, y, a, b: _larger(g, -a, -b), lambda g, y, a, b: _larger(g, -b, -a)),
    "the smaller of {0} and {1}",
    "min({0}, {1})",
    kind="elementwise",
)

# Functions ------------------------------------------------------------------------------------

ABS = primitive(
    "abs",
    spec_number("abs"),
    np.abs,
    (lambda g, y, x: g * sign(x),),
    "the absolute value of {0}",
    "|{0}|",
    kind="elementwise",
)
SIGN = primitive(
    "sign",
    spec_number("sign"),
    np.sign,
    (None,),
    "the sign of {0}",
    "sign({0})",
    kind="elementwise",
)
FLOOR = primitive(
    "floor",
    spec_float("floor"),
    np.floor,
    (None,),
    "{0} rounded down",
    "floor({0})",
    kind="elementwise",
)
EXP = primitive(
    "exp",
    spec_float("exp"),
    np.exp,
    (lambda g, y, x: g * y,),
    "e to the power {0}",
    "exp({0})",
    kind="elementwise",
)
EXPM1 = primitive(
    "expm1",
    spec_float("expm1"),
    np.expm1,
    (lambda g, y, x: g * (y + 1),),
    "e to the power {0}, less 1",
    "expm1({0})",
    kind="elementwise",
)
LOG = primitive(
    "log",
    spec_float("log"),
    np.log,
    (lambda g, y, x: g / x,),
    "the natural logarithm of {0}",
    "log({0})",
    kind="elementwise",
)
LOG1P = primitive(
    "log1p",
    spec_float("log1p"),
    np.log1p,
    (lambda g, y, x: g / (x + 1),),
    "the natural logarithm of 1 + {0}",
    "log1p({0})",
    kind="elementwise",
)
SQRT = primitive(
    "sqrt",
    spec_float("sqrt"),
    np.sqrt,
    (lambda g, y, x: g * 0.5 / y,),
    "the square root of {0}",
    "sqrt({0})",
    kind="elementwise",
)
SIN = primitive(
    "sin",
    spec_float("sin"),
    np.sin,
    (lambda g, y, x: g * cos(x),),
    "the sine of {0}",
    "sin({0})",
    kind="elementwise",
)
COS = primitive(
    "cos",
    spec_float("cos"),
    np.cos,
    (lambda g, y, x: -(g * sin(x)),),
    "the cosine of {0}",
    "cos({0})",
    kind="elementwise",
)
TANH = primitive(
    "tanh",
    spec_float("tanh"),
    np.tanh,
    (lambda g, y, x: g * (1 - y * y),),
    "the hyperbolic tangent of {0}",
    "tanh({0})",
    kind="elementwise",
)
SIGMOID = primitive(
    "sigmoid",
    spec_float("sigmoid"),
    special.sigmoid,
    (lambda g, y, x: g * (y * (1 - y)),),
    "the sigmoid of {0}",
    "sigmoid({0})",
    kind="elementwise",
)
SOFTPLUS = primitive(
    "softplus",
    spec_float("softplus"),
    special.softplus,
    (lambda g, y, x: g * sigmoid(x),),
    "log(1 + e to the power {0})",
    "softplus({0})",
    kind="elementwise",
)
ERF = primitive(
    "erf",
    spec_float("erf"),
    special.erf,
    (lambda g, y, x: g * (2 / math.sqrt(math.pi) * exp(-(x * x))),),
    "the error function of {0}",
    "erf({0})",
    kind="elementwise",
)


def _relu_numpy(x: Any, out: Any = None) -> Any:
    return np.maximum(x, 0, out=out)


RELU = primitive(
    "relu",
    spec_number("relu"),
    _relu_numpy,
    (lambda g, y, x: where(less(0, y), g, 0),),  # 0 at 0, as PyTorch has it
    "{0} where it is positive, else 0",
    "relu({0})",
    kind="elementwise",
)

# Functions on tensors -------------------------------------------------------------------------


def add(a: Any, b: Any) -> Tensor:
    """Add, element by element; operands broadcast."""
    return apply(ADD, *together("add", [a, b]))


def subtract(a: Any, b: Any) -> Tensor:
    """Subtract, element by element; operands broadcast."""
    return apply(SUBTRACT, *together("subtract", [a, b]))


def multiply(a: Any, b: Any) -> Tensor:
    """Multiply, element by element; operands broadcast."""
    return apply(MULTIPLY, *together("multiply", [a, b]))


def divide(a: Any, b: Any) -> Tensor:
    """Divide, element by element; operands broadcast."""
    return apply(DIVIDE, *together("divide", [a, b]))


def power(a: Any, b: Any) -> Tensor:
    """Raise ``a`` to the power ``b``; the powers 2 and 0.5 become a product and a root."""
    if isinstance(b, (int, float)) and not isinstance(b, bool):
        if b == 2:
            return square(a)
        if b == 0.5:
            return sqrt(a)
        if b == 1:
            return current_value(unify([a])[0])
    return apply(POWER, *together("power", [a, b]))


def square(x: Any) -> Tensor:
    """Multiply each element by itself."""
    (x,) = unify([x])
    return apply(MULTIPLY, x, x)


def maximum(a: Any, b: Any) -> Tensor:
    """Take the larger element; NaN where either is NaN; at a tie each gets half the gradient."""
    return apply(MAXIMUM, *together("maximum", [a, b]))


def minimum(a: Any, b: Any) -> Tensor:
    """Take the smaller element; NaN where either is NaN; at a tie each gets half the gradient."""
    return apply(MINIMUM, *together("minimum", [a, b]))


def negative(x: Any) -> Tensor:
    """Change the sign."""
    return apply(NEGATIVE, *unify([x]))


def abs(x: Any) -> Tensor:
    """Take the absolute value; its derivative at 0 is 0."""
    return apply(ABS, *unify([x]))


def sign(x: Any) -> Tensor:
    """Give −1, 0 or 1."""
    return apply(SIGN, *unify([x]))


def floor(x: Any) -> Tensor:
    """Round down; the derivative is 0."""
    return apply(FLOOR, *unify([x]))


def exp(x: Any) -> Tensor:
    """Raise e to the power of each element."""
    return apply(EXP, *unify([x]))


def expm1(x: Any) -> Tensor:
    """Compute eˣ − 1, exact for small x."""
    return apply(EXPM1, *unify([x]))


def log(x: Any) -> Tensor:
    """Take the natural logarithm; −inf at 0, NaN below."""
    return apply(LOG, *unify([x]))


def log1p(x: Any) -> Tensor:
    """Compute log(1 + x), exact for small x."""
    return apply(LOG1P, *unify([x]))


def sqrt(x: Any) -> Tensor:
    """Take the square root; NaN below 0."""
    return apply(SQRT, *unify([x]))


def sin(x: Any) -> Tensor:
    """Take the sine of radians."""
    return apply(SIN, *unify([x]))


def cos(x: Any) -> Tensor:
    """Take the cosine of radians."""
    return apply(COS, *unify([x]))


def tanh(x: Any) -> Tensor:
    """Take the hyperbolic tangent: from −1 to 1."""
    return apply(TANH, *unify([x]))


def sigmoid(x: Any) -> Tensor:
    """Compute 1 / (1 + e⁻ˣ): from 0 to 1, without overflow."""
    return apply(SIGMOID, *unify([x]))


def softplus(x: Any) -> Tensor:
    """Compute log(1 + eˣ), without overflow."""
    return apply(SOFTPLUS, *unify([x]))


def erf(x: Any) -> Tensor:
    """Compute the error function, 2/√π ∫₀ˣ e⁻ᵗ² dt."""
    return apply(ERF, *unify([x]))


def relu(x: Any) -> Tensor:
    """Keep what is positive, else 0; NaN stays NaN; the derivative at 0 is 0."""
    return apply(RELU, *unify([x]))
