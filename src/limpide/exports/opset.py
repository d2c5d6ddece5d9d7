"""A program as ONNX operators: a row an op.

Answers for nodes and initialisers, as plain Python until the file is made. Not for: a table's
columns (``opset_columns``), nor for the file (``opset_file``), which alone needs onnx.

Source: the ONNX operator specification, opset 19.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from limpide.errors import ArgumentError
from limpide.exports.array_code import layer_results, value_name
from limpide.exports.values import Program, Rows, Shape, Size, Value, broadcast_shape
from limpide.ir import NUMPY_DTYPES, Array

_SAME: dict[str, str] = {
    "abs": "Abs",
    "add": "Add",
    "cos": "Cos",
    "divide": "Div",
    "equal": "Equal",
    "exp": "Exp",
    "floor": "Floor",
    "less": "Less",
    "less_equal": "LessOrEqual",
    "log": "Log",
    "logical_and": "And",
    "logical_not": "Not",
    "logical_or": "Or",
    "maximum": "Max",
    "minimum": "Min",
    "multiply": "Mul",
    "negative": "Neg",
    "power": "Pow",
    "sigmoid": "Sigmoid",
    "sign": "Sign",
    "sin": "Sin",
    "sqrt": "Sqrt",
    "subtract": "Sub",
    "tanh": "Tanh",
    "where": "Where",
}
_REDUCTIONS = {"sum": "ReduceSum", "max": "ReduceMax", "mean": "ReduceMean"}

IDIOMS_WRITTEN = frozenset({"log_softmax", "mean", "silu", "softmax", "sum"})


class Operator(NamedTuple):
    """One node of an ONNX graph."""

    kind: str
    inputs: tuple[str, ...]
    output: str
    attributes: dict[str, Any]
    domain: str = ""


class Operators:
    """Nodes in running order and the arrays that they name, each name given once."""

    def __init__(self, taken: Sequence[str] = ()) -> None:
        self.nodes: list[Operator] = []
        self.arrays: dict[str, Array] = {}
        self._taken = set(taken)
        self._known: dict[Any, str] = {}

    def name(self, wanted: str) -> str:
        """Give a name that is not taken yet."""
        unique, count = wanted, 2
        while unique in self._taken:
            unique, count = f"{wanted}_{count}", count + 1
        self._taken.add(unique)
        return unique

    def release(self, names: Sequence[str]) -> None:
        """Let names be given that were kept back."""
        self._taken.difference_update(names)

    def add(
        self, kind: str, *inputs: str, name: str = "", domain: str = "", **attributes: Any
    ) -> str:
        """Add a node and give the name of its output."""
        output = self.name(name or kind.lower())
        self.nodes.append(Operator(kind, inputs, output, attributes, domain))
        return output

    def constant(self, array: Any, dtype: Any = None, name: str = "") -> str:
        """Give the name of an array; equal ones without names are one."""
        held = np.ascontiguousarray(array, dtype).reshape(np.shape(array))
        key = (held.dtype.str, held.shape, held.tobytes())
        if name or key not in self._known:
            self._known[key] = self.name(name or "constant")
            self.arrays[self._known[key]] = held
        return self._known[key]


class _Read(NamedTuple):
    """The output of a node, and the shape that it has so far: broadcasting may be to come."""

    name: str
    shape: Shape


class ProgramOperators:
    """Writes a program's nodes; ``result`` is the name of its output."""

    def __init__(self, program: Program, operators: Operators, rows: str) -> None:
        self._to = operators
        self._rows = rows
        self._titles = layer_results(program)
        self._known: dict[int, _Read] = {id(program.rows): _Read(rows, program.rows.shape)}
        for array in program.arrays:
            name = operators.constant(array.numbers, name=array.name)
            self._known[id(array)] = _Read(name, array.shape)
        for value in program.values:
            self._known[id(value)] = self._write(value)
        self.result = self._whole(program.output)

    def _write(self, value: Value) -> _Read:
        scalar = value.scalar()
        if scalar is not None:
            return _Read(self._to.constant(scalar), ())
        if value.op == "broadcast":
            return self._known[id(value.inputs[0])]
        special = _SPECIAL.get(value.op)
        if special is not None:
            return _Read(special(self, value, self._name(value)), value.shape)
        reads = [self._known[id(item)] for item in value.inputs]
        shape = broadcast_shape(read.shape for read in reads)
        names = [read.name for read in reads]
        composed = _COMPOSED.get(value.op)
        if composed is not None:
            kind = NUMPY_DTYPES[value.dtype]
            return _Read(composed(self._to, names, kind, self._name(value)), shape)
        return _Read(self._to.add(_SAME[value.op], *names, name=self._name(value)), shape)

    def _name(self, value: Value) -> str:
        return self._titles.get(id(value), value_name(value))

    def _whole(self, value: Value) -> str:
        """Give a value in its whole shape, repeated where it has to be."""
        read = self._known[id(value)]
        if read.shape == value.shape:
            return read.name
        return self._to.add("Expand", read.name, self._shape(value.shape), name="repeated")

    def _shape(self, shape: Shape) -> str:
        """Give the name of i64[rank], worked out from the number of rows."""
        if not any(isinstance(size, Rows) for size in shape):
            return self._to.constant(shape, np.int64)
        parts = [self._size(size) for size in shape]
        return self._to.add("Concat", *parts, axis=0, name="shape")

    def _size(self, size: Size) -> str:
        if not isinstance(size, Rows):
            return self._to.constant([size], np.int64)
        count = self._to.add("Shape", self._rows, start=0, end=1, name="n")
        if size.times == 1:
            return count
        return self._to.add("Mul", count, self._to.constant([size.times], np.int64), name="n")

    def _matmul(self, value: Value, name: str) -> str:
        names = []
        for item in value.inputs:
            read = self._known[id(item)]
            fits = read.shape[-2:] == item.shape[-2:]
            names.append(read.name if fits else self._whole(item))
        product = self._to.add("MatMul", *names, name=name)
        leads = [self._known[id(item)].shape[:-2] for item in value.inputs]
        if broadcast_shape(leads) == value.shape[:-2]:
            return product
        return self._to.add("Expand", product, self._shape(value.shape), name=name)

    def _reduce(self, value: Value, name: str) -> str:
        x = self._whole(value.inputs[0])
        if not value.params["axis"]:
            return x
        axes = self._to.constant(value.params["axis"], np.int64)
        kept = int(value.params.get("keepdims", False))
        return self._to.add(_REDUCTIONS[value.op], x, axes, keepdims=kept, name=name)

    def _along(self, value: Value, name: str) -> str:
        kind = {"softmax": "Softmax", "log_softmax": "LogSoftmax"}[value.op]
        x = self._whole(value.inputs[0])
        return self._to.add(kind, x, axis=value.params["axis"], name=name)

    def _reshape(self, value: Value, name: str) -> str:
        shape = [-1 if isinstance(size, Rows) else size for size in value.shape]
        x = self._whole(value.inputs[0])
        return self._to.add("Reshape", x, self._to.constant(shape, np.int64), name=name)

    def _transpose(self, value: Value, name: str) -> str:
        order = list(value.params["order"])
        return self._to.add("Transpose", self._whole(value.inputs[0]), perm=order, name=name)

    def _slice(self, value: Value, name: str) -> str:
        shape = value.inputs[0].shape
        cuts = zip(value.params["start"], value.params["stop"], value.params["step"], strict=True)
        wanted = [
            (axis, start, stop, step)
            for axis, (start, stop, step) in enumerate(cuts)
            if (start, stop, step) != (0, shape[axis], 1)
        ]
        x = self._whole(value.inputs[0])
        if not wanted:
            return x
        axes, starts, stops, steps = (
            self._to.constant(column, np.int64) for column in zip(*wanted, strict=True)
        )
        return self._to.add("Slice", x, starts, stops, axes, steps, name=name)

    def _pad(self, value: Value, name: str) -> str:
        if any(value.params["interior"]):
            raise ArgumentError(
                f"Layer {value.layer!r} puts zeros between elements (pad with interior), which "
                "no export has a word for. Pad at the ends alone."
            )
        pads = self._to.constant([*value.params["low"], *value.params["high"]], np.int64)
        return self._to.add("Pad", self._whole(value.inputs[0]), pads, name=name)

    def _concatenate(self, value: Value, name: str) -> str:
        parts = [self._whole(item) for item in value.inputs]
        return self._to.add("Concat", *parts, axis=value.params["axis"], name=name)

    def _gather(self, value: Value, name: str) -> str:
        x, indices = (self._whole(item) for item in value.inputs)
        return self._to.add("Gather", x, indices, axis=value.params["axis"], name=name)

    def _constant(self, value: Value, name: str) -> str:
        return self._to.constant(value.numbers)

    def _iota(self, value: Value, name: str) -> str:
        axis = value.params["axis"]
        size = value.shape[axis]
        assert isinstance(size, int)
        places = np.arange(size, dtype=NUMPY_DTYPES[value.dtype])
        column = self._to.constant(places.reshape(size, *[1] * (value.rank - 1 - axis)))
        return self._to.add("Expand", column, self._shape(value.shape), name=name)

    def _cast(self, value: Value, name: str) -> str:
        x = self._whole(value.inputs[0])
        return self._to.add("Cast", x, to=NUMPY_DTYPES[value.dtype], name=name)


_SPECIAL: dict[str, Callable[[ProgramOperators, Value, str], str]] = {
    "cast": ProgramOperators._cast,
    "concatenate": ProgramOperators._concatenate,
    "constant": ProgramOperators._constant,
    "gather": ProgramOperators._gather,
    "iota": ProgramOperators._iota,
    "log_softmax": ProgramOperators._along,
    "matmul": ProgramOperators._matmul,
    "max": ProgramOperators._reduce,
    "mean": ProgramOperators._reduce,
    "pad": ProgramOperators._pad,
    "reshape": ProgramOperators._reshape,
    "slice": ProgramOperators._slice,
    "softmax": ProgramOperators._along,
    "sum": ProgramOperators._reduce,
    "transpose": ProgramOperators._transpose,
}


def _relu(to: Operators, names: Sequence[str], kind: Any, name: str) -> str:
    if kind.kind == "f":
        return to.add("Relu", *names, name=name)
    return to.add("Max", names[0], to.constant(0, kind), name=name)


def _expm1(to: Operators, names: Sequence[str], kind: Any, name: str) -> str:
    """Give tanh(x/2) (exp(x) + 1), which is exp(x) - 1 and accurate near 0."""
    half = to.add("Tanh", to.add("Mul", names[0], to.constant(0.5, kind)))
    above = to.add("Add", to.add("Exp", names[0]), to.constant(1, kind))
    return to.add("Mul", half, above, name=name)


def _silu(to: Operators, names: Sequence[str], kind: Any, name: str) -> str:
    """Give x / (1 + exp(-x)): onnxruntime's Sigmoid is 0 below -18 already."""
    power = to.add("Exp", to.add("Neg", names[0]))
    return to.add("Div", names[0], to.add("Add", power, to.constant(1, kind)), name=name)


def _log1p(to: Operators, names: Sequence[str], kind: Any, name: str) -> str:
    """Give log(u) x / (u - 1) for u = 1 + x, and x where u is 1 (Kahan)."""
    (x,), one = names, to.constant(1, kind)
    above = to.add("Add", x, one)
    ratio = to.add("Div", x, to.add("Sub", above, one))
    found = to.add("Mul", to.add("Log", above), ratio)
    return to.add("Where", to.add("Equal", above, one), x, found, name=name)


def _softplus(to: Operators, names: Sequence[str], kind: Any, name: str) -> str:
    """Give max(x, 0) + log1p(exp(-|x|)); onnxruntime knows Softplus in float32 alone."""
    if kind == np.float32:
        return to.add("Softplus", *names, name=name)
    power = to.add("Exp", to.add("Neg", to.add("Abs", names[0])))
    rest = _log1p(to, [power], kind, "log1p")
    return to.add("Add", to.add("Relu", names[0]), rest, name=name)


# Cody, "Rational Chebyshev approximations for the error function", Math. Comp. 23 (1969): numerator
# and denominator by falling powers, up to 0.46875 in x² and beyond in |x|.
_NEAR = (
    (
        *(1.85777706184603153e-1, 3.16112374387056560, 1.13864154151050156e2),
        *(3.77485237685302021e2, 3.20937758913846947e3),
    ),
    (
        1.0,
        2.36012909523441209e1,
        2.44024637934444173e2,
        1.28261652607737228e3,
        2.84423683343917062e3,
    ),
)
_FAR = (
    (
        *(
            2.15311535474403846e-8,
            5.64188496988670089e-1,
            8.88314979438837594,
            6.61191906371416295e1,
        ),
        *(2.98635138197400131e2, 8.81952221241769090e2, 1.71204761263407058e3),
        *(2.05107837782607147e3, 1.23033935479799725e3),
    ),
    (
        *(1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2),
        *(1.62138957456669019e3, 3.29079923573345963e3, 4.36261909014324716e3),
        *(3.43936767414372164e3, 1.23033935480374942e3),
    ),
)


def _erf(to: Operators, names: Sequence[str], kind: Any, name: str) -> str:
    """Give the error function; onnxruntime knows Erf in float32 alone."""
    if kind == np.float32:
        return to.add("Erf", *names, name=name)
    (x,) = names
    size = to.add("Min", to.add("Abs", x), to.constant(6, kind))  # erf(6) rounds to 1
    near = to.add("Mul", x, _ratio(to, to.add("Mul", x, x), _NEAR, kind))
    power = to.add("Exp", to.add("Neg", to.add("Mul", size, size)))
    rest = to.add("Mul", power, _ratio(to, size, _FAR, kind))
    far = to.add("Mul", to.add("Sign", x), to.add("Sub", to.constant(1, kind), rest))
    is_near = to.add("LessOrEqual", size, to.constant(0.46875, kind))
    return to.add("Where", is_near, near, far, name=name)


def _ratio(to: Operators, x: str, polynomials: Any, kind: Any) -> str:
    """Give the ratio of two polynomials, by Horner's rule."""
    values = []
    for first, *rest in polynomials:
        value = to.constant(first, kind)
        for coefficient in rest:
            value = to.add("Add", to.add("Mul", value, x), to.constant(coefficient, kind))
        values.append(value)
    return to.add("Div", *values)


_COMPOSED: dict[str, Callable[[Operators, Sequence[str], Any, str], str]] = {
    "erf": _erf,
    "expm1": _expm1,
    "softplus": _softplus,
    "log1p": _log1p,
    "relu": _relu,
    "silu": _silu,
}
WRITTEN = frozenset({*_SAME, *_SPECIAL, *_COMPOSED, "broadcast", "stop_gradient"})
"""The ops that are written here."""
