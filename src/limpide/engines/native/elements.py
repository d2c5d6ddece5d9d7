"""What each element-wise op is in machine code: one row an op.

Answers for the lowering of ops on registers of any number of lanes. Not for: where the numbers
come from and go to (``maps``, ``products``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from limpide.engines.native import functions
from limpide.engines.native.writer import Type, Value, Writer, constant
from limpide.ir import Node, uniform_value

REGISTERS = {"f32": "f32", "f64": "f64", "i32": "i32", "i64": "i64", "u32": "i32", "bool": "i1"}

Lowering = Callable[[Writer, Node, Sequence[Value]], Value]


def _is_float(node: Node) -> bool:
    return node.inputs[0].spec.dtype in ("f32", "f64")


def _arithmetic(on_floats: str, on_integers: str) -> Lowering:
    def lower(w: Writer, node: Node, x: Sequence[Value]) -> Value:
        return w.binary(on_floats if _is_float(node) else on_integers, x[0], x[1])

    return lower


def _comparison(on_floats: str, signed: str, unsigned: str) -> Lowering:
    def lower(w: Writer, node: Node, x: Sequence[Value]) -> Value:
        dtype = node.inputs[0].spec.dtype
        if dtype in ("f32", "f64"):
            return w.compare(on_floats, x[0], x[1])
        return w.compare(unsigned if dtype in ("u32", "bool") else signed, x[0], x[1])

    return lower


def _function(function: Callable[..., Value]) -> Lowering:
    def lower(w: Writer, node: Node, x: Sequence[Value]) -> Value:
        return function(w, *x)

    return lower


def _power(w: Writer, node: Node, x: Sequence[Value]) -> Value:
    """Raise to a power: of single numbers by a function that is written once a kernel."""
    of = x[0].type
    if of.lanes > 1:
        return functions.power(w, *x)

    def body(inner: Writer, a: Value, b: Value) -> Value:
        return functions.power(inner, a, b)

    return w.apart(f"power.{of.element}", of, x, body)


def _intrinsic(name: str) -> Lowering:
    def lower(w: Writer, node: Node, x: Sequence[Value]) -> Value:
        return w.intrinsic(name, x[0])

    return lower


def _negative(w: Writer, node: Node, x: Sequence[Value]) -> Value:
    if _is_float(node):
        return w.fneg(x[0])
    return w.sub(constant(x[0].type, 0), x[0])


def _extreme(on_floats: str, signed: str, unsigned: str) -> Lowering:
    def lower(w: Writer, node: Node, x: Sequence[Value]) -> Value:
        dtype = node.inputs[0].spec.dtype
        if dtype in ("f32", "f64"):
            return w.intrinsic(on_floats, x[0], x[1])
        return w.intrinsic(unsigned if dtype == "u32" else signed, x[0], x[1])

    return lower


def _relu(w: Writer, node: Node, x: Sequence[Value]) -> Value:
    zero = constant(x[0].type, 0)
    if _is_float(node):  # "or unordered": NaN stays; and -0 becomes 0
        return w.select(w.compare("ugt", x[0], zero), x[0], zero)
    if node.spec.dtype == "u32":
        return x[0]
    return w.intrinsic("smax", x[0], zero)


def _abs(w: Writer, node: Node, x: Sequence[Value]) -> Value:
    if _is_float(node):
        return w.intrinsic("fabs", x[0])
    if node.spec.dtype == "u32":
        return x[0]
    return w.intrinsic("smax", x[0], w.sub(constant(x[0].type, 0), x[0]))


def _sign(w: Writer, node: Node, x: Sequence[Value]) -> Value:
    (value,) = x
    zero, one = constant(value.type, 0), constant(value.type, 1)
    if _is_float(node):
        low = w.select(w.compare("olt", value, zero), constant(value.type, -1), zero)
        high = w.select(w.compare("ogt", value, zero), one, low)
        return w.select(w.compare("uno", value, value), value, high)
    if node.spec.dtype == "u32":
        return w.select(w.compare("ne", value, zero), one, zero)
    low = w.select(w.compare("slt", value, zero), constant(value.type, -1), zero)
    return w.select(w.compare("sgt", value, zero), one, low)


def _where(w: Writer, node: Node, x: Sequence[Value]) -> Value:
    return w.select(x[0], x[1], x[2])


def _not(w: Writer, node: Node, x: Sequence[Value]) -> Value:
    return w.binary("xor", x[0], constant(x[0].type, True))


def _both(operation: str) -> Lowering:
    def lower(w: Writer, node: Node, x: Sequence[Value]) -> Value:
        return w.binary(operation, x[0], x[1])

    return lower


def _shift_right(w: Writer, node: Node, x: Sequence[Value]) -> Value:
    places = node.params["places"]
    if places >= 32:
        return constant(x[0].type, 0)
    return w.binary("lshr", x[0], constant(x[0].type, places))


def _cast(w: Writer, node: Node, x: Sequence[Value]) -> Value:
    source, target = node.inputs[0].spec.dtype, node.spec.dtype
    return converted(w, x[0], source, target)


def converted(w: Writer, value: Value, source: str, target: str) -> Value:
    """Give numbers of one dtype in another, as NumPy's ``astype`` does."""
    element = REGISTERS[target]
    from_float, to_float = source in ("f32", "f64"), target in ("f32", "f64")
    if source == target:
        return value
    if target == "bool":
        zero = constant(value.type, 0)
        return w.compare("une" if from_float else "ne", value, zero)
    if from_float and to_float:
        return w.convert("fpext" if target == "f64" else "fptrunc", value, element)
    if from_float:
        return _truncated(w, value, target)
    if to_float:
        unsigned = source in ("bool", "u32")
        return w.convert("uitofp" if unsigned else "sitofp", value, element)
    if value.type.element == element:
        return value
    if value.type.bits > value.type.of(element).bits:
        return w.convert("trunc", value, element)
    return w.convert("zext" if source in ("bool", "u32") else "sext", value, element)


def _truncated(w: Writer, value: Value, target: str) -> Value:
    """Cut the fraction off; what does not fit becomes the nearest integer, NaN becomes 0."""
    of = value.type.of(REGISTERS[target])
    word = "fptoui.sat" if target == "u32" else "fptosi.sat"
    suffixes = [t.element if t.lanes == 1 else f"v{t.lanes}{t.element}" for t in (of, value.type)]
    name = f"llvm.{word}.{'.'.join(suffixes)}"
    w.declared[name] = f"declare {of} @{name}({value.type})"
    return w.emit(of, f"call {of} @{name}({value})")


LOWERINGS: dict[str, Lowering] = {
    "abs": _abs,
    "add": _arithmetic("fadd", "add"),
    "cast": _cast,
    "cos": _function(functions.cos),
    "divide": _both("fdiv"),
    "equal": _comparison("oeq", "eq", "eq"),
    "erf": _function(functions.erf),
    "exp": _function(functions.exp),
    "expm1": _function(functions.expm1),
    "floor": _intrinsic("floor"),
    "less": _comparison("olt", "slt", "ult"),
    "less_equal": _comparison("ole", "sle", "ule"),
    "log": _function(functions.log),
    "log1p": _function(functions.log1p),
    "logical_and": _both("and"),
    "logical_not": _not,
    "logical_or": _both("or"),
    "maximum": _extreme("maximum", "smax", "umax"),
    "minimum": _extreme("minimum", "smin", "umin"),
    "multiply": _arithmetic("fmul", "mul"),
    "negative": _negative,
    "power": _power,
    "relu": _relu,
    "shift_right": _shift_right,
    "sigmoid": _function(functions.sigmoid),
    "sign": _sign,
    "sin": _function(functions.sin),
    "softplus": _function(functions.softplus),
    "sqrt": _intrinsic("sqrt"),
    "subtract": _arithmetic("fsub", "sub"),
    "tanh": _function(functions.tanh),
    "where": _where,
}
"""Op → what it is on registers; ``iota`` is made where indices are known (``maps``)."""

COSTLY = frozenset(
    ["cos", "erf", "exp", "expm1", "log", "log1p", "power", "sigmoid", "sin", "softplus", "tanh"]
)
"""Ops of dozens of instructions: written once, in a loop, not once a register."""


def lower(w: Writer, node: Node, inputs: Sequence[Value]) -> Value:
    """Write one element-wise op."""
    return LOWERINGS[node.op.name](w, node, inputs)


def register_type(node: Node, lanes: int) -> Type:
    """Give the type in which a node's elements are held."""
    return Type(REGISTERS[node.spec.dtype], lanes)


_PLAIN = frozenset({-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0})


def immediate(node: Node) -> Any:
    """Give the number that fills a node where it is written into the code, else None.

    Other known floats are read from memory: what differs in them alone, such as a step and that
    for its short last batch, has the same kernels.
    """
    number = uniform_value(node)
    if number is None or node.spec.dtype not in ("f32", "f64"):
        return number
    return number if float(number) in _PLAIN else None


def uniform(of: Type, number: Any) -> Value:
    """Give a number that is known when traced."""
    return constant(of, bool(number) if of.element == "i1" else number.item())
