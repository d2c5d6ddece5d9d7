"""A program as plain Python: loops over lists, one row at a time.

Answers for the lines between a function's head and its ``return``. Not for: the functions that
they call (``loop_helpers``), nor the file around them (``loop_file``).

Every value is an expression of its indices; one that is used again, or many times in a loop, is a
list with a name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from limpide.errors import ArgumentError
from limpide.exports.array_code import Code as Shaped
from limpide.exports.array_code import constant_name, layer_results, value_name, within
from limpide.exports.loop_indices import plus, regrouped, times
from limpide.exports.signs import is_positive
from limpide.exports.text import Names, literal, number
from limpide.exports.values import Program, Value, at_one_row
from limpide.ir import Array

ATOM, UNARY, PRODUCT, SUM, COMPARISON, NOT, AND, OR, CHOICE = 9, 6, 5, 4, 3, 2, 1, 1, 0

_INFIX = {
    "add": ("+", SUM),
    "subtract": ("-", SUM),
    "multiply": ("*", PRODUCT),
    "equal": ("==", COMPARISON),
    "not_equal": ("!=", COMPARISON),
    "less": ("<", COMPARISON),
    "less_equal": ("<=", COMPARISON),
}
_CALLS = {
    **{name: name for name in ("abs", "cos", "elu", "erf", "exp", "expm1", "floor", "gelu")},
    **{name: name for name in ("leaky_relu", "log", "log1p", "mish", "relu", "selu", "sigmoid")},
    **{name: name for name in ("sign", "silu", "sin", "softplus", "sqrt", "tanh", "power")},
    "maximum": "max",
    "minimum": "min",
}
_BUILT_IN = frozenset({"abs", "max", "min"})
_MOVING = frozenset({"broadcast", "reshape", "transpose", "slice", "gather"})
_WHOLE = frozenset({"concatenate", "softmax", "log_softmax"})  # lists as a whole
_LONGEST = 84
_SHORTEST = 16  # letters of an expression that is worth a name
_DEEPEST = 12  # ops in one expression


class Code(NamedTuple):
    """An expression, how tightly it binds, and how many ops it is made of."""

    text: str
    level: int
    depth: int = 0


class _Held(NamedTuple):
    """A value with a name: lists in lists along some of its axes, in this order."""

    name: str
    axes: tuple[int, ...]


Indices = Sequence[str]


class LoopCode:
    """Writes the body of a function of ``x``, the list of a row's numbers.

    Attributes
    ----------
    lines
        The statements, not indented.
    result
        The expression of the output, a list.
    helpers
        Which functions they call.
    constants
        Arrays that they name besides the network's own.
    """

    def __init__(self, program: Program, names: Names) -> None:
        self.lines: list[str] = []
        self.helpers: set[str] = set()
        self.constants: dict[str, Array] = {}
        self.array_names: dict[str, str] = {}
        self._names = names
        self._held: dict[int, _Held] = {}
        self._shapes: dict[int, tuple[int, ...]] = {}
        self._titles = layer_results(program)
        self._uses = _uses(program)
        self._users = program.users()
        self._letters = 0
        self._depths: dict[int, int] = {}
        for value in (program.rows, *program.arrays, *program.values):
            self._shapes[id(value)] = at_one_row(value.shape)
            self._depths[id(value)] = 0
        self._held[id(program.rows)] = _Held(names.new("x"), (1,))
        for array in program.arrays:
            name = self.array_names[array.name] = names.new(array.name)
            self._held[id(array)] = _Held(name, tuple(range(array.rank)))
        for value in program.values:
            self._settle(value)
        self.result = self._output(program.output)

    # Which values have names ------------------------------------------------------------------

    def _settle(self, value: Value) -> None:
        """Give a value a name where its expression would be worked out again and again."""
        if value.scalar() is not None:
            return
        if value.op == "constant":
            name = self._names.new(constant_name(value, self._users.get(id(value), [])))
            self.constants[name] = value.numbers
            self._held[id(value)] = _Held(name, tuple(range(value.rank)))
            return
        for item in self._repeated(value):
            self._hold(item)
        depth = 1 + max((self._depths[id(item)] for item in value.inputs), default=0)
        shared = self._uses[id(value)] > 1 and value.op not in ("broadcast", "reshape")
        if value.op in _WHOLE or id(value) in self._titles or shared or depth > _DEEPEST:
            self._hold(value)
        self._depths[id(value)] = 0 if self._is_cheap(value) else depth

    def _repeated(self, value: Value) -> Sequence[Value]:
        """Give the inputs that are read more than once for one result, or at any place."""
        if value.op == "broadcast":
            (item,) = value.inputs
            grows = np.prod(self._shapes[id(value)]) > np.prod(self._shapes[id(item)])
            return [item] if grows else []
        return value.inputs if value.op in ("matmul", "gather") else []

    def _hold(self, value: Value) -> None:
        """Write the line that makes a list (or a number) of a value, unless there is one."""
        if self._is_cheap(value):
            return
        if self._only_moves(value):
            self._hold(value.inputs[0])
            return
        before, self._letters = self._letters, 0
        if value.op in ("softmax", "log_softmax"):
            self._hold_softmax(value)
        elif value.op == "concatenate":
            self._hold_joined(value)
        else:
            self._hold_elements(value)
        self._letters = before

    def _is_cheap(self, value: Value) -> bool:
        """Say whether a value has a name, or is found in one that has by its indices alone."""
        while value.op in _MOVING and id(value) not in self._held:
            if value.op == "gather" and not self._is_cheap(value.inputs[1]):
                return False
            value = value.inputs[0]
        return id(value) in self._held or value.scalar() is not None or value.op == "iota"

    def _only_ones(self, value: Value) -> bool:
        """Say whether a reshape adds or drops axes of length 1 alone."""
        old, new = (self._shapes[id(item)] for item in (value.inputs[0], value))
        return [n for n in old if n != 1] == [n for n in new if n != 1]

    def _hold_elements(self, value: Value) -> None:
        axes = self._loop_axes(value)
        indices = self._fresh(value, axes)
        own = self._letters
        code = self._at(value, indices)
        while len(code.text) > _LONGEST:
            part = self._longest_part(value)
            if part is None:
                break
            self._hold(part)
            self._letters = own
            code = self._at(value, indices)
        self._write(value, axes, code.text, [indices[axis] for axis in axes])

    def _longest_part(self, value: Value) -> Value | None:
        """Give the part of an expression that had better have a name: the longest that fits."""
        best: tuple[int, Value | None] = (_SHORTEST, None)
        waiting = list(value.inputs)
        while waiting:
            item = waiting.pop()
            if self._is_cheap(item):
                continue
            waiting += item.inputs
            length = len(self._at(item, ["i"] * item.rank).text)
            if best[0] < length <= _LONGEST and not self._only_moves(item):
                best = (length, item)
        return best[1]

    def _only_moves(self, value: Value) -> bool:
        return value.op == "broadcast" or (value.op == "reshape" and self._only_ones(value))

    def _write(self, value: Value, axes: Sequence[int], text: str, letters: Sequence[str]) -> None:
        name = self._names.new(self._titles.get(id(value), value_name(value)))
        shape = self._shapes[id(value)]
        loops = [f"for {i} in range({shape[a]})" for i, a in zip(letters, axes, strict=True)]
        for loop in reversed(loops):
            text = f"[{text} {loop}]"
        line = f"{name} = {text}"
        if len(line) > 88 and loops:
            inner = text[1 : -len(loops[0]) - 2]
            self.lines += [f"{name} = [", f"    {inner}", f"    {loops[0]}", "]"]
        else:
            self.lines.append(line)
        self._held[id(value)] = _Held(name, tuple(axes))

    def _loop_axes(self, value: Value) -> tuple[int, ...]:
        return tuple(axis for axis, n in enumerate(self._shapes[id(value)]) if n != 1)

    def _fresh(self, value: Value, axes: Sequence[int]) -> list[str]:
        return [self._letter() if axis in axes else "0" for axis in range(value.rank)]

    def _letter(self) -> str:
        """Give the name of one more index."""
        letters = "ijkpqr"
        place = self._letters
        self._letters += 1
        turn = place // len(letters)
        return letters[place % len(letters)] + (str(turn + 1) if turn else "")

    def _output(self, value: Value) -> str:
        self._hold(value)
        held = self._held.get(id(value))
        if held is not None and held.axes == (1,):
            return held.name
        inner = self._at(value, ["0", "0"]).text
        width = self._shapes[id(value)][1]
        if width == 1:
            return f"[{inner}]"
        index = self._letter()
        return f"[{self._at(value, ['0', index]).text} for {index} in range({width})]"

    # Values that are lists as a whole ---------------------------------------------------------

    def _hold_softmax(self, value: Value) -> None:
        axis = value.params["axis"]
        others, indices = self._other_axes(value, axis)
        inner = self._listed_briefly(value.inputs[0], indices, axis)
        self.helpers.add(value.op)
        self._write_listed(value, others, axis, [f"{value.op}({inner})"], indices)

    def _hold_joined(self, value: Value) -> None:
        axis = value.params["axis"]
        others, indices = self._other_axes(value, axis)
        parts = [self._listed_briefly(item, indices, axis) for item in value.inputs]
        self._write_listed(value, others, axis, parts, indices)

    def _other_axes(self, value: Value, axis: int) -> tuple[tuple[int, ...], list[str]]:
        others = tuple(a for a in self._loop_axes(value) if a != axis)
        return others, self._fresh(value, others)

    def _write_listed(
        self, value: Value, others: tuple[int, ...], axis: int, parts: list[str], indices: Indices
    ) -> None:
        """Write a line whose innermost lists, along ``axis``, are sums of lists."""
        text = " + ".join(parts)
        single = self._shapes[id(value)][axis] == 1
        if single:
            text = f"({text})[0]"
        if len(text) > _LONGEST and not others and not single:
            name = self._names.new(self._titles.get(id(value), value_name(value)))
            rest = (f"    + {part}" for part in parts[1:])
            self.lines += [f"{name} = (", f"    {parts[0]}", *rest, ")"]
        else:
            self._write(value, others, text, [indices[a] for a in others])
            name = self._held[id(value)].name
        self._held[id(value)] = _Held(name, others if single else (*others, axis))

    def _listed_briefly(self, value: Value, indices: Indices, axis: int) -> str:
        """Give the list of a value along one axis, by its name where it would be long."""
        own = self._letters
        text = self._listed(value, indices, axis)
        if len(text) > _LONGEST:
            self._hold(value)
            self._letters = own
            text = self._listed(value, indices, axis)
        self._letters = own
        return text

    def _listed(self, value: Value, indices: Indices, axis: int) -> str:
        """Give the list of a value along one axis, the other indices given."""
        held = self._held.get(id(value))
        shape = self._shapes[id(value)]
        if held is not None and held.axes and held.axes[-1] == axis:
            return held.name + "".join(f"[{indices[a]}]" for a in held.axes[:-1])
        own = ["0" if n == 1 else index for n, index in zip(shape, indices, strict=True)]
        if shape[axis] == 1:
            own[axis] = "0"
            return f"[{self._at(value, own).text}]"
        own[axis] = letter = self._letter()
        return f"[{self._at(value, own).text} for {letter} in range({shape[axis]})]"

    # One element ------------------------------------------------------------------------------

    def _at(self, value: Value, indices: Indices) -> Code:
        """Give the expression of one element of a value."""
        scalar = value.scalar()
        if scalar is not None:
            text = _number(scalar)
            return Code(text, UNARY if text.startswith("-") else ATOM)
        held = self._held.get(id(value))
        if held is not None:
            return Code(held.name + "".join(f"[{indices[a]}]" for a in held.axes), ATOM)
        special = _SPECIAL.get(value.op)
        if special is not None:
            return special(self, value, indices)
        parts = [self._at(item, indices) for item in value.inputs]
        depth = 1 + sum(part.depth for part in parts)
        if value.op in _INFIX:
            sign, level = _INFIX[value.op]
            left = within(_shaped(parts[0]), level if level != COMPARISON else level + 1)
            return Code(f"{left} {sign} {within(_shaped(parts[1]), level + 1)}", level, depth)
        return self._call(_CALLS[value.op], parts, depth)

    def _call(self, name: str, parts: Sequence[Code], depth: int) -> Code:
        if name not in _BUILT_IN:
            self.helpers.add(name)
        return Code(f"{name}({', '.join(part.text for part in parts)})", ATOM, depth)

    def _broadcast(self, value: Value, indices: Indices) -> Code:
        (item,) = value.inputs
        shape = self._shapes[id(item)]
        own = indices[len(indices) - len(shape) :]
        return self._at(item, ["0" if n == 1 else i for n, i in zip(shape, own, strict=True)])

    def _reshape(self, value: Value, indices: Indices) -> Code:
        (item,) = value.inputs
        old, new = self._shapes[id(item)], self._shapes[id(value)]
        if self._only_ones(value):
            kept = iter([i for n, i in zip(new, indices, strict=True) if n != 1])
            return self._at(item, ["0" if n == 1 else next(kept) for n in old])
        return self._at(item, regrouped(indices, new, old))

    def _transpose(self, value: Value, indices: Indices) -> Code:
        own = [""] * len(indices)
        for index, axis in zip(indices, value.params["order"], strict=True):
            own[axis] = index
        return self._at(value.inputs[0], own)

    def _slice(self, value: Value, indices: Indices) -> Code:
        starts, steps = at_one_row(value.params["start"]), value.params["step"]
        own = [
            plus(times(index, step), str(start))
            for index, start, step in zip(indices, starts, steps, strict=True)
        ]
        return self._at(value.inputs[0], own)

    def _gather(self, value: Value, indices: Indices) -> Code:
        x, places = value.inputs
        axis = value.params["axis"]
        rank = places.rank
        place = self._at(places, indices[axis : axis + rank])
        own = [*indices[:axis], place.text, *indices[axis + rank :]]
        code = self._at(x, own)
        return Code(code.text, code.level, code.depth + place.depth)

    def _pad(self, value: Value, indices: Indices) -> Code:
        if any(value.params["interior"]):
            raise ArgumentError(
                f"Layer {value.layer!r} puts zeros between elements (pad with interior), which "
                "exported source has no word for. Use to='onnx', or pad at the ends alone."
            )
        shape = self._shapes[id(value.inputs[0])]
        own, inside = list(indices), []
        for axis, (low, high) in enumerate(
            zip(value.params["low"], value.params["high"], strict=True)
        ):
            if low or high:
                inside.append(f"{low} <= {indices[axis]} < {low + shape[axis]}")
                own[axis] = plus(indices[axis], str(-low))
        code = self._at(value.inputs[0], own)
        return Code(f"{code.text} if {' and '.join(inside)} else 0", CHOICE, code.depth + 1)

    def _iota(self, value: Value, indices: Indices) -> Code:
        index = indices[value.params["axis"]]
        return Code(index, ATOM if index.isalnum() else SUM)

    def _matmul(self, value: Value, indices: Indices) -> Code:
        a, b = value.inputs
        count = self._shapes[id(a)][-1]
        inner = "0" if count == 1 else self._letter()
        left = self._at(a, [*indices[:-1], inner])
        right = self._at(b, [*indices[:-2], inner, indices[-1]])
        text = f"{within(_shaped(left), PRODUCT)} * {within(_shaped(right), UNARY)}"
        if count == 1:
            return Code(text, PRODUCT, 1)
        return Code(f"sum({text} for {inner} in range({count}))", ATOM, 2)

    def _reduction(self, value: Value, indices: Indices) -> Code:
        (item,) = value.inputs
        shape, axes = self._shapes[id(item)], value.params["axis"]
        outer = list(indices)
        if value.params.get("keepdims"):
            outer = [index for axis, index in enumerate(indices) if axis not in axes]
        rest = iter(outer)
        own, loops, count = [], [], 1
        for axis, n in enumerate(shape):
            if axis not in axes:
                own.append(next(rest))
                continue
            own.append("0" if n == 1 else self._letter())
            count *= n
            if n != 1:
                loops.append(f" for {own[-1]} in range({n})")
        inner = self._at(item, own)
        if not loops:
            return inner
        text = f"{inner.text}{''.join(loops)}"
        if value.op == "logsumexp":
            self.helpers.add("logsumexp")
            return Code(f"logsumexp([{text}])", ATOM, inner.depth + 2)
        name = "max" if value.op == "max" else "sum"
        if value.op == "mean":
            return Code(f"sum({text}) / {count}", PRODUCT, inner.depth + 2)
        return Code(f"{name}({text})", ATOM, inner.depth + 2)

    def _where(self, value: Value, indices: Indices) -> Code:
        condition, a, b = (self._at(item, indices) for item in value.inputs)
        depth = 1 + condition.depth + a.depth + b.depth
        text = (
            f"{within(_shaped(a), OR)} if {within(_shaped(condition), OR)} "
            f"else {within(_shaped(b), OR)}"
        )
        return Code(text, CHOICE, depth)

    def _clip(self, value: Value, indices: Indices) -> Code:
        x, least, most = (self._at(item, indices) for item in value.inputs)
        text = f"min(max({x.text}, {least.text}), {most.text})"
        return Code(text, ATOM, x.depth + 2)

    def _divide(self, value: Value, indices: Indices) -> Code:
        a, b = (self._at(item, indices) for item in value.inputs)
        depth = 1 + a.depth + b.depth
        if is_positive(value.inputs[1]):
            text = f"{within(_shaped(a), PRODUCT)} / {within(_shaped(b), UNARY)}"
            return Code(text, PRODUCT, depth)
        return self._call("divide", [a, b], depth)

    def _negative(self, value: Value, indices: Indices) -> Code:
        inner = self._at(value.inputs[0], indices)
        return Code(f"-{within(_shaped(inner), UNARY + 1)}", UNARY, inner.depth + 1)

    def _logical(self, value: Value, indices: Indices) -> Code:
        parts = [self._at(item, indices) for item in value.inputs]
        depth = 1 + sum(part.depth for part in parts)
        if value.op == "logical_not":
            return Code(f"not {within(_shaped(parts[0]), NOT)}", NOT, depth)
        word = value.op.removeprefix("logical_")
        texts = [within(_shaped(part), NOT) for part in parts]
        return Code(f"{texts[0]} {word} {texts[1]}", AND, depth)

    def _cast(self, value: Value, indices: Indices) -> Code:
        (item,) = value.inputs
        inner = self._at(item, indices)
        if value.dtype == "bool":
            return Code(f"{within(_shaped(inner), SUM)} != 0", COMPARISON, inner.depth + 1)
        if item.dtype == "bool" and value.dtype in ("f32", "f64"):
            text = f"1.0 if {within(_shaped(inner), OR)} else 0.0"
            return Code(text, CHOICE, inner.depth + 1)
        if value.dtype in ("i32", "i64", "u32"):
            return Code(f"int({inner.text})", ATOM, inner.depth + 1)
        if (item.dtype, value.dtype) == ("f64", "f32"):
            return self._call("float32", [inner], inner.depth + 1)
        return inner


_SPECIAL: dict[str, Callable[[LoopCode, Value, Indices], Code]] = {
    "broadcast": LoopCode._broadcast,
    "cast": LoopCode._cast,
    "clip": LoopCode._clip,
    "divide": LoopCode._divide,
    "gather": LoopCode._gather,
    "iota": LoopCode._iota,
    "logical_and": LoopCode._logical,
    "logical_not": LoopCode._logical,
    "logical_or": LoopCode._logical,
    "logsumexp": LoopCode._reduction,
    "matmul": LoopCode._matmul,
    "max": LoopCode._reduction,
    "mean": LoopCode._reduction,
    "negative": LoopCode._negative,
    "pad": LoopCode._pad,
    "reshape": LoopCode._reshape,
    "slice": LoopCode._slice,
    "sum": LoopCode._reduction,
    "transpose": LoopCode._transpose,
    "where": LoopCode._where,
}
WRITTEN = frozenset({*_SPECIAL, *_INFIX, *_CALLS, *_WHOLE, "constant", "stop_gradient"})
"""The ops that are written here."""


def _shaped(code: Code) -> Shaped:
    return Shaped(code.text, code.level, ())


def _number(scalar: Array) -> str:
    """Give a number; of a float32 one the fewest digits, which differ from it by half a bit."""
    return number(scalar) if scalar.dtype == np.float32 else literal(scalar.item())


def _uses(program: Program) -> dict[int, int]:
    """Count how often each value is read where views are read through, ``id(value) -> n``."""
    counts = dict.fromkeys(map(id, [program.rows, *program.arrays, *program.values]), 0)
    through = ("broadcast", "reshape")
    for value in reversed(program.values):
        times = counts[id(value)] if value.op in through else 1
        for item in value.inputs:
            counts[id(item)] += times
    counts[id(program.output)] += 1
    return counts
