"""What can be done to tensors: the primitives, one row each, and composites made of them.

Answers for the names; rows stand in ``elementwise``, ``shaping``, ``reductions``,
``randomness`` and ``build`` (broadcast). Not for: running graphs (``limpide.engines``).
"""

from __future__ import annotations

from types import FunctionType

from limpide.ir import OPS
from limpide.keywords import known_keywords
from limpide.ops.build import broadcast_to
from limpide.ops.choices import (
    cast,
    equal,
    less,
    less_equal,
    logical_and,
    logical_not,
    logical_or,
    not_equal,
    shift_right,
    stop_gradient,
    where,
)
from limpide.ops.composites import (
    argmax,
    log_softmax,
    logsumexp,
    mean,
    min,
    one_hot,
    ones_like,
    softmax,
    variance,
    zeros_like,
)
from limpide.ops.elementwise import (
    abs,
    add,
    cos,
    divide,
    erf,
    exp,
    expm1,
    floor,
    log,
    log1p,
    maximum,
    minimum,
    multiply,
    negative,
    power,
    relu,
    sigmoid,
    sign,
    sin,
    softplus,
    sqrt,
    square,
    subtract,
    tanh,
)
from limpide.ops.operators import moving, operator
from limpide.ops.randomness import RandomSource, random_bits, random_normal, random_uniform
from limpide.ops.reductions import matmul, max, sum
from limpide.ops.shaping import (
    concatenate,
    gather,
    index,
    iota,
    pad,
    reshape,
    scatter_add,
    stack,
    transpose,
)
from limpide.tensor import OPERATORS

OPERATORS.update(
    abs=operator("abs", abs),
    add=operator("add", add),
    cast=cast,
    divide=operator("divide", divide),
    equal=operator("equal", equal),
    index=moving(index),
    less=operator("less", less),
    less_equal=operator("less_equal", less_equal),
    matmul=operator("matmul", matmul),
    multiply=operator("multiply", multiply),
    negative=operator("negative", negative),
    not_equal=operator("not_equal", not_equal),
    power=operator("power", power),
    subtract=operator("subtract", subtract),
    transpose=moving(transpose),
)

__all__ = [
    "OPS",
    "RandomSource",
    "abs",
    "add",
    "argmax",
    "broadcast_to",
    "cast",
    "concatenate",
    "cos",
    "divide",
    "equal",
    "erf",
    "exp",
    "expm1",
    "floor",
    "gather",
    "index",
    "iota",
    "less",
    "less_equal",
    "log",
    "log1p",
    "log_softmax",
    "logical_and",
    "logical_not",
    "logical_or",
    "logsumexp",
    "matmul",
    "max",
    "maximum",
    "mean",
    "min",
    "minimum",
    "multiply",
    "negative",
    "not_equal",
    "one_hot",
    "ones_like",
    "pad",
    "power",
    "random_bits",
    "random_normal",
    "random_uniform",
    "relu",
    "reshape",
    "scatter_add",
    "shift_right",
    "sigmoid",
    "sign",
    "sin",
    "softmax",
    "softplus",
    "sqrt",
    "square",
    "stack",
    "stop_gradient",
    "subtract",
    "sum",
    "tanh",
    "transpose",
    "variance",
    "where",
    "zeros_like",
]

# Operators and the other files of this room keep the plain functions: those cost nothing more.
for _name in __all__:
    if isinstance(_function := globals()[_name], FunctionType):
        globals()[_name] = known_keywords(_function)
        globals()[_name].__module__ = __name__  # where pickle finds it again
