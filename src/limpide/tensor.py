"""Tensor and Variable, and ``apply``: one op on tensors, computed now or recorded in a trace.

Answers for values: conversion from numbers, lists and arrays, the dtype rule, operators.
Not for: what ops mean (``limpide.ops``), gradients (``limpide.tape``), compiling.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np

from limpide.conversion import as_array, cast_array, convert, floats_meet, is_plain, plain_array
from limpide.errors import (
    ArgumentError,
    ArgumentTypeError,
    DtypeError,
    MemoryLimitError,
    ShapeError,
    TraceError,
)
from limpide.ir import FLOATS, OPS, Array, Node, Op, Spec, Trace, dtype_name, spec_of
from limpide.keywords import known_keywords
from limpide.memory import check_fits

OPERATORS: dict[str, Callable[..., Tensor]] = {}
"""What ``+``, ``@`` and the others call; ``limpide.ops`` fills it."""

_SMALL = 2**24  # elements; less than this always fits

_UFUNC_NAMES = {"absolute": "abs", "true_divide": "divide", "float_power": "power"}


@known_keywords
class Tensor:
    """An array of numbers that ops take and give; it cannot be changed.

    Parameters
    ----------
    value
        A number, a nested list (both become float32) or an array (keeps its dtype).
    dtype
        ``"float32"``, ``"float64"``, ``"int32"``, ``"int64"``, ``"uint32"`` or ``"bool"``.

    Examples
    --------
    >>> import limpide as lp
    >>> x = lp.Tensor([[1, 2], [3, 4]])
    >>> print(x @ x)
    [[ 7. 10.]
     [15. 22.]]
    """

    __slots__ = ("__weakref__", "_array", "spec", "weak")
    spec: Spec
    # "", or for an argument of a function "number" or "array": it takes the dtype of the tensor
    # that it meets, as the number or the array would.
    weak: str
    _array: Array

    def __init__(self, value: object, dtype: object = None) -> None:
        array = _array_of(value, dtype)
        self.weak = ""
        self._array = np.array(array, order="C")  # a copy: nobody else can change it
        self.spec = spec_of(self._array)

    @classmethod
    def _wrap(cls, array: Array) -> Tensor:
        """Make a tensor around an array that nobody else will change."""
        tensor = Tensor.__new__(Tensor)
        tensor._array = array
        tensor.spec = spec_of(array)
        tensor.weak = ""
        return tensor

    @property
    def shape(self) -> tuple[int, ...]:
        return self.spec.shape

    @property
    def ndim(self) -> int:
        return self.spec.rank

    @property
    def size(self) -> int:
        return self.spec.size

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.spec.numpy_dtype

    def numpy(self) -> Array:
        """Give the numbers as an array of your own."""
        return self._array.copy()

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **settings: Any) -> Any:
        """Take over from NumPy: ``ndarray @ variable`` as an array would lose the gradient."""
        name = _UFUNC_NAMES.get(ufunc.__name__, ufunc.__name__)
        if method == "__call__" and not settings and name in OPERATORS:
            return OPERATORS[name](*inputs)
        if method == "__call__" and not settings and ufunc.__name__ in ("greater", "greater_equal"):
            return OPERATORS[ufunc.__name__.replace("greater", "less")](*reversed(inputs))
        raise ArgumentTypeError(
            f"np.{ufunc.__name__} is for arrays and met a tensor ({self.spec}). Use lp.{name} if "
            f"there is one, or np.asarray(tensor) for its numbers, outside of traced functions."
        )

    def __array__(self, dtype: object = None, copy: bool | None = None) -> Array:
        if copy is False:
            raise ArgumentError(
                "A tensor gives its numbers as a copy only, since it cannot be changed: leave "
                "copy=False out."
            )
        array = self.numpy()
        return array if dtype is None else array.astype(dtype)  # type: ignore[call-overload]

    def item(self) -> float | int | bool:
        """Give the only number of a tensor of one element."""
        array = self.numpy()
        if array.size != 1:
            raise ShapeError(f"Only a tensor of one element is a number; this one is {self.spec}.")
        number: float | int | bool = array.reshape(()).item()
        return number

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self.spec.dtype in FLOATS:
            raise ArgumentTypeError(f"An index must be a whole number; received {self.spec}.")
        return int(self.item())

    def __bool__(self) -> bool:
        return bool(self.item())

    def __len__(self) -> int:
        if not self.shape:
            raise ArgumentTypeError("A scalar tensor has no length.")
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def __str__(self) -> str:
        return str(self.numpy())

    def __repr__(self) -> str:
        start = f"{type(self).__name__}("
        numbers = np.array2string(self.numpy(), separator=", ", threshold=20, prefix=start)
        return f"{start}{numbers}, {self.spec})"

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else str(self)

    def __copy__(self) -> Tensor:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        return self

    __hash__ = object.__hash__

    @property
    def T(self) -> Tensor:
        return OPERATORS["transpose"](self)

    def __getitem__(self, key: object) -> Tensor:
        return OPERATORS["index"](self, key)

    def __neg__(self) -> Tensor:
        return OPERATORS["negative"](self)

    def __abs__(self) -> Tensor:
        return OPERATORS["abs"](self)

    def __add__(self, other: object) -> Tensor:
        return OPERATORS["add"](self, other)

    def __radd__(self, other: object) -> Tensor:
        return OPERATORS["add"](other, self)

    def __sub__(self, other: object) -> Tensor:
        return OPERATORS["subtract"](self, other)

    def __rsub__(self, other: object) -> Tensor:
        return OPERATORS["subtract"](other, self)

    def __mul__(self, other: object) -> Tensor:
        return OPERATORS["multiply"](self, other)

    def __rmul__(self, other: object) -> Tensor:
        return OPERATORS["multiply"](other, self)

    def __truediv__(self, other: object) -> Tensor:
        return OPERATORS["divide"](self, other)

    def __rtruediv__(self, other: object) -> Tensor:
        return OPERATORS["divide"](other, self)

    def __pow__(self, other: object) -> Tensor:
        return OPERATORS["power"](self, other)

    def __rpow__(self, other: object) -> Tensor:
        return OPERATORS["power"](other, self)

    def __matmul__(self, other: object) -> Tensor:
        return OPERATORS["matmul"](self, other)

    def __rmatmul__(self, other: object) -> Tensor:
        return OPERATORS["matmul"](other, self)

    def __eq__(self, other: object) -> Tensor:  # type: ignore[override]
        return OPERATORS["equal"](self, other)

    def __ne__(self, other: object) -> Tensor:  # type: ignore[override]
        return OPERATORS["not_equal"](self, other)

    def __lt__(self, other: object) -> Tensor:
        return OPERATORS["less"](self, other)

    def __le__(self, other: object) -> Tensor:
        return OPERATORS["less_equal"](self, other)

    def __gt__(self, other: object) -> Tensor:
        return OPERATORS["less"](other, self)

    def __ge__(self, other: object) -> Tensor:
        return OPERATORS["less_equal"](other, self)


def _array_of(value: object, dtype: object) -> Array:
    refuse_tensors_in_list(value)
    if dtype is None:
        return as_array(value)
    # Straight from Python's numbers: going through float32 would lose digits of a float64.
    array = plain_array(value) if is_plain(value) else as_array(value)
    return convert(array, dtype_name(dtype))


def refuse_tensors_in_list(value: object) -> None:
    """Raise for a list that holds tensors: as an array of numbers it would lose the gradient."""
    if not isinstance(value, (list, tuple)):
        return
    for item in value:
        if isinstance(item, Tensor):
            raise ArgumentTypeError(
                "A list that holds tensors was given where one tensor is needed; join them "
                "first: lp.stack(list)."
            )
        refuse_tensors_in_list(item)


class Traced(Tensor):
    """A value of which only the Spec is known while a function is traced into a graph."""

    __slots__ = ("node", "tracing")

    def __init__(self, node: Node, tracing: Tracing, weak: str = "") -> None:
        self.node = node
        self.tracing = tracing
        self.spec = node.spec
        self.weak = weak

    def numpy(self) -> Array:
        raise TraceError(
            f"The number of a traced value ({self.spec}) was needed, as in `if x > 0:`, float(x) "
            "or x.numpy(); while a function is traced only its shape is known. Use lp.where for "
            "choices, or take the line out of the traced function."
        )

    def __str__(self) -> str:
        return repr(self)

    def __repr__(self) -> str:
        return f"<traced {self.spec}>"


@known_keywords
class Variable(Tensor):
    """A tensor that can be assigned to, such as a weight.

    Parameters
    ----------
    value
        The first value; an array keeps its dtype, numbers and lists become float32.
    name
        What the printed graph calls it.
    dtype
        As for ``Tensor``.

    Examples
    --------
    >>> import limpide as lp
    >>> w = lp.Variable([1.0, 2.0])
    >>> w.assign_sub(0.5 * w)
    >>> print(w)
    [0.5 1. ]
    """

    __slots__ = ("name",)

    def __init__(self, value: object, name: str = "", dtype: object = None) -> None:
        refuse_in_trace("Variable")
        super().__init__(value, dtype)
        self.name = name

    @classmethod
    def sharing(cls, array: Array, name: str = "") -> Variable:
        """Make a variable that reads and writes the given array itself."""
        variable = cls.__new__(cls)
        variable._array = array
        variable.spec = spec_of(array)
        variable.weak = ""
        variable.name = name
        return variable

    def __deepcopy__(self, memo: dict[int, Any]) -> Variable:
        return Variable(self._array, self.name)

    def __copy__(self) -> Variable:
        return Variable(self._array, self.name)

    def assign(self, value: object) -> None:
        """Set a new value of the same shape and dtype; in a trace, an output of the graph."""
        (tensor,) = unify([value], dtype=self.spec.dtype)
        if tensor.spec != self.spec:
            raise ShapeError(
                f"Variable {self.name!r} is {self.spec}; it cannot be assigned {tensor.spec}."
            )
        tracing = current_tracing()
        if tracing is not None:
            tracing.assign(self, tensor)
        else:
            self._array[...] = present(tensor)._array

    def assign_add(self, value: object) -> None:
        """Add to the value."""
        self.assign(self + value)

    def assign_sub(self, value: object) -> None:
        """Subtract from the value, as gradient descent does."""
        self.assign(self - value)

    def numpy(self) -> Array:
        tracing = current_tracing()
        if tracing is not None:
            return tracing.read(self).numpy()
        return self._array.copy()


class Recorder(Protocol):
    """What a tape offers to ``apply``: it sees each op with its inputs and its output."""

    def record(
        self,
        op: Op,
        params: dict[str, Any],
        given: tuple[Tensor, ...],
        values: tuple[Tensor, ...],
        output: Tensor,
    ) -> None: ...


class Tracing:
    """A trace in the making: its nodes, and the variables it has read and assigned."""

    def __init__(self, name: str) -> None:
        self.trace = Trace(name)
        self.variables: dict[int, tuple[Variable, Node]] = {}
        self.names: dict[int, str] = {}
        self._current: dict[int, Traced] = {}
        self._constants: dict[int, tuple[Tensor, Node]] = {}

    def argument(self, spec: Spec, name: str, weak: str = "") -> Traced:
        return Traced(self.trace.input(spec, name), self, weak)

    def read(self, variable: Variable) -> Traced:
        """Give the present value of a variable: a graph input, or what was assigned last."""
        key = id(variable._array)  # two variables that share an array are one
        if key not in self._current:
            name = variable.name or self.names.get(id(variable), "variable")
            node = self.trace.input(variable.spec, name)
            self.variables[key] = (variable, node)
            self._current[key] = Traced(node, self)
        return self._current[key]

    def assign(self, variable: Variable, value: Tensor) -> None:
        self.read(variable)
        self._current[id(variable._array)] = Traced(self.lift(value).node, self)

    def assigned(self) -> list[tuple[Variable, Node, Node]]:
        """Give each assigned variable with its input node and the node of its new value."""
        return [
            (variable, node, self._current[key].node)
            for key, (variable, node) in self.variables.items()
            if self._current[key].node is not node
        ]

    def lift(self, value: Tensor) -> Traced:
        if isinstance(value, Traced):
            if value.tracing is not self:
                raise TraceError(
                    f"A traced value ({value.spec}) of another function was used; traced values "
                    "live only while their function is traced. Return it instead of keeping it."
                )
            return value
        if isinstance(value, Variable):
            return self.read(value)
        if id(value) not in self._constants:
            self._constants[id(value)] = (value, self.trace.constant(value._array.copy()))
        return Traced(self._constants[id(value)][1], self)


class _Local(threading.local):
    def __init__(self) -> None:
        self.tracings: list[Tracing] = []
        self.tapes: list[Recorder] = []


_local = _Local()


def current_tracing() -> Tracing | None:
    """Give the trace being recorded in this thread, or None."""
    return _local.tracings[-1] if _local.tracings else None


def refuse_in_trace(what: str) -> None:
    """Raise while a function is traced: what it makes there would be made once."""
    if current_tracing() is not None:
        raise TraceError(
            f"A {what} was made while a function is traced: it would be made once, not at "
            "each call. Make it outside of the function."
        )


def watching() -> bool:
    """Say whether a tape records in this thread."""
    return bool(_local.tapes)


@contextmanager
def tracing_into(tracing: Tracing) -> Iterator[None]:
    """Record ops into a trace; tapes outside of it do not see them."""
    tapes, _local.tapes = _local.tapes, []
    _local.tracings.append(tracing)
    try:
        yield
    finally:
        _local.tracings.pop()
        _local.tapes = tapes


def push_tape(tape: Recorder) -> None:
    """Let a tape see the ops that follow in this thread."""
    _local.tapes.append(tape)


def pop_tape(tape: Recorder) -> None:
    """Stop showing ops to a tape."""
    _local.tapes.remove(tape)


def apply(op: Op, *given: Tensor, **params: Any) -> Tensor:
    """Apply a primitive: compute it, or record it where an input is traced; tapes see it."""
    tracing = current_tracing()
    if tracing is not None:
        values: tuple[Tensor, ...] = tuple(tracing.lift(t) for t in given)
        node = tracing.trace.record(op, [v.node for v in values], params)  # type: ignore[attr-defined]
        _check_fits(op, node.spec)
        output: Tensor = Traced(node, tracing)
    else:
        values = tuple(_snapshot(t) if type(t) is not Tensor else t for t in given)
        spec = op.spec(*(t.spec for t in values), **params)
        _check_fits(op, spec)
        try:
            with np.errstate(all="ignore"):
                output = Tensor._wrap(op.compute(*(t._array for t in values), **params))
        except MemoryError:
            raise MemoryLimitError(
                f"The result of {op.name}, {spec}, and what it takes to compute it did not fit in "
                "memory. Choose smaller shapes."
            ) from None
    for tape in _local.tapes:
        tape.record(op, params, given, values, output)
    return output


def _check_fits(op: Op, spec: Spec) -> None:
    # Views take no memory, and what is small needs no look at how much there is.
    if op.kind != "view" and spec.size > _SMALL:
        what = f"The result of {op.name}, {spec},"
        check_fits(spec.nbytes, what, "Choose smaller shapes.")


def present(tensor: Tensor) -> Tensor:
    """Give a tensor that holds numbers, or raise for one that was kept from a trace."""
    if isinstance(tensor, Traced):
        raise TraceError(
            f"A traced value ({tensor.spec}) was used after its function had been traced; "
            "return it from the function instead of keeping it."
        )
    return tensor


def current_value(tensor: Tensor) -> Tensor:
    """Give a tensor that stays as it is, where a variable may be assigned later."""
    if not isinstance(tensor, Variable):
        return tensor
    return apply(OPS["reshape"], tensor, shape=tensor.shape)


def _snapshot(tensor: Tensor) -> Tensor:
    # A copy, because an assignment may come before the tape's gradient is asked for.
    return Tensor._wrap(present(tensor)._array.copy())


def unify(values: list[Any], dtype: str | None = None) -> list[Tensor]:
    """Make tensors of one dtype: tensors must agree, everything else takes their dtype.

    Without any tensor, an array keeps its dtype, numbers and lists become float32.

    Raises
    ------
    DtypeError
        Where two tensors differ in dtype; limpide never promotes.
    """
    for value in values:
        if isinstance(value, Tensor) and not value.weak:
            dtype = dtype or value.spec.dtype
            if value.spec.dtype != dtype:
                names = sorted({dtype, value.spec.dtype})
                raise DtypeError(
                    f"Two tensors of different dtype met: {names[0]} and {names[1]}. limpide "
                    "never converts by itself; use lp.cast(x, 'float64') on one of them."
                )
    if dtype is None:
        dtype = _landing_dtype(values)
    return [as_tensor(value, dtype) for value in values]


def _landing_dtype(values: list[Any]) -> str:
    arrays = [_dtype_of(v) for v in values if weakness(v) == "array"]
    if arrays:
        return dtype_name(np.result_type(*arrays))
    kinds = {_dtype_of(v) for v in values}
    return "bool" if kinds == {np.dtype(bool)} else "f32"


def _dtype_of(value: Any) -> np.dtype[Any]:
    return value.dtype if isinstance(value, Tensor) else as_array(value).dtype


def weakness(value: object) -> str:
    """Give ``""`` for a tensor, else ``"array"`` for what has a dtype, or ``"number"``."""
    if isinstance(value, Tensor):
        return value.weak
    return "number" if is_plain(value) else "array"


def as_tensor(value: Any, dtype: str) -> Tensor:
    if isinstance(value, Tensor):
        if value.spec.dtype == dtype and not value.weak:
            return value
        if value.spec.dtype in FLOATS and dtype not in FLOATS:
            raise floats_meet(repr(value), dtype)
        return OPERATORS["cast"](value, dtype)
    if is_plain(value):
        refuse_tensors_in_list(value)
        return Tensor._wrap(cast_array(plain_array(value), dtype, repr(value)[:60]))
    array = cast_array(as_array(value), dtype)
    # Row by row: the last bits of a matrix product depend on how its operands lie in memory.
    copy = True if array is value else None
    return Tensor._wrap(np.array(array, order="C", copy=copy))


def weakened(fresh: Tensor, weak: str) -> Tensor:
    """Mark a result that nobody else holds yet. The object stays: tapes know it by identity."""
    fresh.weak = weak
    return fresh


def settle(tensor: Tensor) -> Tensor:
    """Give a tensor that has met no other the dtype that it lands on."""
    return unify([tensor])[0] if tensor.weak else tensor
