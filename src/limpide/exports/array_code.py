"""A program as expressions on arrays, in the words of NumPy, PyTorch or Keras.

Answers for the lines between a function's head and its ``return``. Not for: the words of each
library (``array_words``), nor the files around the lines (``array_files``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from limpide.errors import ArgumentError
from limpide.exports.array_words import Words
from limpide.exports.text import Names, number
from limpide.exports.values import (
    Program,
    Rows,
    Shape,
    Size,
    Value,
    broadcast_shape,
)
from limpide.ir import Array

ATOM, UNARY, PRODUCT, SUM, COMPARISON = 9, 6, 5, 4, 2

_INFIX = {
    "add": ("+", SUM),
    "subtract": ("-", SUM),
    "multiply": ("*", PRODUCT),
    "divide": ("/", PRODUCT),
    "matmul": ("@", PRODUCT),
    "equal": ("==", COMPARISON),
    "not_equal": ("!=", COMPARISON),
    "less": ("<", COMPARISON),
    "less_equal": ("<=", COMPARISON),
}
_REDUCTIONS = frozenset({"sum", "max", "mean", "logsumexp"})
_LONGEST = 76  # letters of an expression; what is longer gets a line for one of its parts
_SHORT_LIST = 12  # so many indices stand where they are used

# What a value is called that needs a name of its own, after its layer.
_NOUNS = {
    "add": "sum",
    "subtract": "difference",
    "multiply": "product",
    "divide": "ratio",
    "matmul": "product",
    "concatenate": "joined",
    "where": "chosen",
    "gather": "taken",
    "slice": "part",
    "reshape": "reshaped",
    "transpose": "turned",
    "cast": "converted",
    "exp": "powers",
    "sqrt": "root",
    "less": "below",
    "less_equal": "at_most",
    "equal": "same",
    "not_equal": "different",
    "max": "largest",
    "maximum": "at_least",
    "minimum": "limited",
    "clip": "clipped",
    "negative": "minus",
    "iota": "places",
    "pad": "padded",
    "broadcast": "repeated",
}


class Code(NamedTuple):
    """An expression: its text, how tightly it binds, and the shape that it has so far.

    The shape may lack what broadcasting adds: ``hidden1_bias`` is added as it is.
    """

    text: str
    level: int
    shape: Shape


class ArrayCode:
    """Writes the body of a function of ``x``.

    Attributes
    ----------
    lines
        The statements, not indented.
    result
        The expression of the output.
    helpers
        Which functions they call that have to be written too.
    constants
        Arrays that they name besides the network's own.
    """

    def __init__(self, program: Program, words: Words, names: Names) -> None:
        self.lines: list[str] = []
        self.helpers: set[str] = set()
        self.constants: dict[str, Array] = {}
        self.array_names: dict[str, str] = {}
        self._words, self._names = words, names
        self._users = program.users()
        self._codes: dict[int, Code] = {}
        self._uses = _uses(program)
        self._titles = layer_results(program)
        self._rows = names.new("x")
        self._codes[id(program.rows)] = Code(self._rows, ATOM, program.rows.shape)
        for array in program.arrays:
            name = names.new(array.name)
            self.array_names[array.name] = name
            self._codes[id(array)] = Code(words.own(name), ATOM, array.shape)
        for value in program.values:
            if value.op != "broadcast":
                self._write(value)
        self.result = self._exact(program.output).text

    # One value --------------------------------------------------------------------------------

    def _write(self, value: Value) -> None:
        code = self._scalar(value) or self._expression(value)
        if code.level == ATOM and code.text.isidentifier():
            self._codes[id(value)] = code
            return
        shared = self._uses[id(value)] > 1 and not _is_short(code)
        named = id(value) in self._titles or shared or "\n" in code.text
        self._codes[id(value)] = self._named(value, code) if named else code

    def _named(self, value: Value, code: Code) -> Code:
        """Give a line to a value, and its name as its expression from now on."""
        name = self._names.new(self._titles.get(id(value), value_name(value)))
        self.lines += f"{name} = {code.text}".split("\n")
        return Code(name, ATOM, code.shape)

    def _code(self, value: Value) -> Code:
        """Give the expression of a value; what is only repeated is written as it is."""
        return self._codes[id(_origin(value))]

    def _scalar(self, value: Value) -> Code | None:
        scalar = value.scalar()
        if scalar is None:
            return None
        text = number(scalar)
        return Code(text, UNARY if text.startswith("-") else ATOM, ())

    def _expression(self, value: Value) -> Code:
        code = self._composed(value)
        while len(code.text) > _LONGEST and "\n" not in code.text:
            longest = max(map(_origin, value.inputs), key=lambda item: len(self._code(item).text))
            before = self._code(longest)
            if before.text.isidentifier() or len(before.text) < 16:
                break
            self._codes[id(longest)] = self._named(longest, before)
            code = self._composed(value)
        return code

    def _composed(self, value: Value) -> Code:
        special = _SPECIAL.get(value.op)
        if special is not None:
            return special(self, value)
        if value.op in _REDUCTIONS:
            return self._reduction(value, bool(value.params.get("keepdims", False)))
        codes = self._together(value)
        shape = broadcast_shape(code.shape for code in codes)
        if value.op == "matmul":
            shape = (*broadcast_shape(c.shape[:-2] for c in codes), *value.shape[-2:])
        if value.op in _INFIX:
            return self._infix(value.op, codes, shape)
        text = self._words.call(value, [code.text for code in codes], self.helpers)
        return Code(text, ATOM, shape)

    def _infix(self, op: str, codes: Sequence[Code], shape: Shape) -> Code:
        sign, level = _INFIX[op]
        left, right = codes
        # Comparisons do not chain, and sums are not regrouped: their roundings would differ.
        a = left.text if left.level >= level and level != COMPARISON else within(left, level + 1)
        return Code(f"{a} {sign} {within(right, level + 1)}", level, shape)

    def _together(self, value: Value) -> list[Code]:
        """Give the operands of an element-wise op, one of them at least with a dtype."""
        codes = [self._code(item) for item in value.inputs]
        if value.op == "matmul":
            return [self._whole_matrix(item) for item in value.inputs]
        known = [item.scalar() is not None for item in value.inputs]
        first = 1 if value.op == "where" else 0
        if all(known[first:]):
            item = value.inputs[first]
            codes[first] = Code(self._words.scalar(codes[first].text, item.dtype), ATOM, ())
        return codes

    def _whole_matrix(self, value: Value) -> Code:
        code = self._code(value)
        return code if code.shape[-2:] == value.shape[-2:] else self._exact(value)

    # Shapes -----------------------------------------------------------------------------------

    def _exact(self, value: Value) -> Code:
        """Give an expression that has the whole shape of a value, repeated where it has to be."""
        code = self._code(value)
        if code.shape == value.shape:
            return code
        if value.scalar() is not None:
            code = Code(self._words.scalar(code.text, value.dtype), ATOM, ())
        shape = self._shape_text(value.shape)
        return Code(self._words.broadcast(code.text, shape), ATOM, value.shape)

    def _shape_text(self, shape: Shape) -> str:
        sizes = [self._size_text(size) for size in shape]
        return f"({sizes[0]},)" if len(sizes) == 1 else f"({', '.join(sizes)})"

    def _size_text(self, size: Size) -> str:
        if isinstance(size, Rows):
            count = self._words.count(self._rows)
            return count if size.times == 1 else f"{size.times} * {count}"
        return str(size)

    def _reduction(self, value: Value, keepdims: bool) -> Code:
        inner = self._exact(value.inputs[0])
        axes, rank = value.params["axis"], value.inputs[0].rank
        if not axes:
            return inner
        texts = [str(axis - rank if axis == rank - 1 else axis) for axis in axes]
        axis = texts[0] if len(texts) == 1 else f"({', '.join(texts)})"
        self.helpers.update(self._words.needs(value.op))
        text = self._words.reduce(value, inner.text, axis, keepdims)
        kept = tuple(1 if i in axes else n for i, n in enumerate(value.inputs[0].shape))
        return Code(text, ATOM, kept if keepdims else tuple(value.shape))

    def _reshape(self, value: Value) -> Code:
        (item,) = value.inputs
        if item.op in ("sum", "max") and self._uses[id(item)] == 1:
            axes = item.params["axis"]
            kept = tuple(1 if i in axes else n for i, n in enumerate(item.inputs[0].shape))
            if kept == value.shape and not self._code(item).text.isidentifier():
                return self._reduction(item, keepdims=True)
        sizes = ["-1" if isinstance(size, Rows) else str(size) for size in value.shape]
        shape = f"({sizes[0]},)" if len(sizes) == 1 else f"({', '.join(sizes)})"
        return Code(self._words.reshape(self._exact(item).text, shape), ATOM, value.shape)

    def _slice(self, value: Value) -> Code:
        (item,) = value.inputs
        cuts = []
        for n, a, b, s in zip(
            item.shape,
            value.params["start"],
            value.params["stop"],
            value.params["step"],
            strict=True,
        ):
            start, stop = ("" if a == 0 else str(a)), ("" if b == n else str(b))
            cuts.append(f"{start}:{stop}" + (f":{s}" if s != 1 else ""))
        while cuts and cuts[-1] == ":":
            cuts.pop()
        text = self._bracketed(self._exact(item))
        return Code(f"{text}[{', '.join(cuts)}]" if cuts else text, ATOM, value.shape)

    def _bracketed(self, code: Code) -> str:
        return within(code, ATOM)

    def _gather(self, value: Value) -> Code:
        x, indices = value.inputs
        axis = value.params["axis"]
        text = self._words.take(
            self._bracketed(self._exact(x)), self._exact(indices).text, axis, x.rank
        )
        return Code(text, ATOM, value.shape)

    def _concatenate(self, value: Value) -> Code:
        parts = [self._exact(item).text for item in value.inputs]
        axis = str(_from_end(value.params["axis"], value.rank))
        text = self._words.concatenate(parts, axis)
        if len(text) > _LONGEST:
            lined = ["\n    " + part for part in parts]
            text = self._words.concatenate(lined, axis, ",", "\n")
        return Code(text, ATOM, value.shape)

    def _constant(self, value: Value) -> Code:
        array = value.numbers
        if array.dtype.kind == "i" and array.ndim == 1 and 0 < array.size <= _SHORT_LIST:
            users = self._users.get(id(value), [])
            if all(user.op == "gather" and user.inputs[0] is not value for user in users):
                return Code(str(array.tolist()), ATOM, value.shape)
        name = self._names.new(constant_name(value, self._users.get(id(value), [])))
        self.constants[name] = array
        return Code(self._words.constant(name), ATOM, value.shape)

    def _iota(self, value: Value) -> Code:
        axis = value.params["axis"]
        size = value.shape[axis]
        assert isinstance(size, int)
        text = self._words.arange(size, value.dtype)
        after = value.rank - 1 - axis
        if after:
            shape = f"({', '.join([str(size), *['1'] * after])})"
            text = self._words.reshape(text, shape)
        return Code(text, ATOM, (size, *[1] * after))

    def _where(self, value: Value) -> Code:
        condition = value.inputs[0]
        missing = condition.op == "equal" and condition.inputs[0] is condition.inputs[1]
        codes = self._together(value)
        shape = broadcast_shape(code.shape for code in codes)
        texts = [code.text for code in codes]
        if missing and codes[0].level == COMPARISON:  # x == x is true but where x is missing
            inner = self._code(condition.inputs[0]).text
            texts = [self._words.isnan(inner), texts[2], texts[1]]
        return Code(self._words.where(texts), ATOM, shape)

    def _not_equal(self, value: Value) -> Code:
        a, b = (self._code(item) for item in value.inputs)
        if value.inputs[0] is value.inputs[1]:
            return Code(self._words.isnan(a.text), ATOM, a.shape)
        return self._infix("not_equal", self._together(value), broadcast_shape((a.shape, b.shape)))

    def _negative(self, value: Value) -> Code:
        code = self._code(value.inputs[0])
        return Code(f"-{within(code, UNARY + 1)}", UNARY, code.shape)

    def _power(self, value: Value) -> Code:
        a, b = self._together(value)
        text = f"{within(a, ATOM)} ** {within(b, ATOM)}"
        return Code(text, UNARY, broadcast_shape((a.shape, b.shape)))

    def _cast(self, value: Value) -> Code:
        code = self._code(value.inputs[0])
        return Code(self._words.cast(within(code, ATOM), value.dtype), ATOM, code.shape)

    def _transpose(self, value: Value) -> Code:
        order = self._shape_text(value.params["order"])
        return Code(
            self._words.transpose(self._exact(value.inputs[0]).text, order), ATOM, value.shape
        )

    def _pad(self, value: Value) -> Code:
        if any(value.params["interior"]):
            raise ArgumentError(
                f"Layer {value.layer!r} puts zeros between elements (pad with interior), which "
                "exported source has no word for. Use to='onnx', or pad at the ends alone."
            )
        pairs = list(zip(value.params["low"], value.params["high"], strict=True))
        return Code(self._words.pad(self._exact(value.inputs[0]).text, pairs), ATOM, value.shape)


_SPECIAL: dict[str, Callable[[ArrayCode, Value], Code]] = {
    "cast": ArrayCode._cast,
    "concatenate": ArrayCode._concatenate,
    "constant": ArrayCode._constant,
    "gather": ArrayCode._gather,
    "iota": ArrayCode._iota,
    "negative": ArrayCode._negative,
    "not_equal": ArrayCode._not_equal,
    "pad": ArrayCode._pad,
    "power": ArrayCode._power,
    "reshape": ArrayCode._reshape,
    "slice": ArrayCode._slice,
    "transpose": ArrayCode._transpose,
    "where": ArrayCode._where,
}
STRUCTURAL = frozenset({*_SPECIAL, *_INFIX, *_REDUCTIONS, "broadcast", "stop_gradient"})
"""The ops that are written here; all others are words of a library."""


def within(code: Code, level: int) -> str:
    """Give an expression that binds at least so tightly."""
    return code.text if code.level >= level else f"({code.text})"


def value_name(value: Value) -> str:
    """Give what a value is called after its layer and its op."""
    noun = _NOUNS.get(value.op, value.op)
    return f"{value.layer}_{noun}" if value.layer else noun


def constant_name(value: Value, users: Sequence[Value]) -> str:
    """Give what an array of a layer's own is called, by what it is taken for."""
    places = any(user.op == "gather" and user.inputs[0] is not value for user in users)
    noun = "places" if places else "values"
    return f"{value.layer}_{noun}" if value.layer else noun


def _origin(value: Value) -> Value:
    """Give what is repeated in the end."""
    while value.op == "broadcast":
        value = value.inputs[0]
    return value


def _is_short(code: Code) -> bool:
    """Say whether an expression may be written twice: a number, a column."""
    return len(code.text) <= 12 and code.level == ATOM and "(" not in code.text


def _from_end(axis: int, rank: int) -> int:
    return -1 if axis == rank - 1 else axis


def _uses(program: Program) -> dict[int, int]:
    """Count how often each value is written where broadcasts and the like are written as nothing.

    ``id(value) -> n``.
    """
    counts = dict.fromkeys(map(id, [program.rows, *program.arrays, *program.values]), 0)
    for value in reversed(program.values):
        times = counts[id(value)] if value.op == "broadcast" else 1
        for item in value.inputs:
            counts[id(item)] += times
    counts[id(program.output)] += 1
    return counts


def layer_results(program: Program) -> dict[int, str]:
    """Give the names of those values that are the result of a layer, ``id(value) -> layer``.

    It is the last value of the layer that another layer takes, or that goes out.
    """
    last: dict[str, Value] = {}
    users = program.users()
    for value in program.values:
        leaves = value is program.output or any(
            user.layer != value.layer for user in users.get(id(value), [])
        )
        if value.layer and leaves and value.op not in ("broadcast", "constant"):
            last[value.layer] = value
    return {id(value): layer for layer, value in last.items()}
