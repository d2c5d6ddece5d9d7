"""Writes LLVM functions as text: typed values, instructions, loops.

Answers for well-formed text in SSA form, vectors included. Not for: what is computed (the other
files of this room), or compiling (``jit``).
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import NamedTuple

from limpide.engines.native.target import Target

_ELEMENTS = {"f32": "float", "f64": "double", "ptr": "ptr"}
_BITS = {"f32": 32, "f64": 64, "i1": 1, "i8": 8, "i16": 16, "i32": 32, "i64": 64, "ptr": 64}


class Type(NamedTuple):
    """A scalar (``lanes`` is 1) or a vector of floats, integers or truth values."""

    element: str
    lanes: int = 1

    def __str__(self) -> str:
        return _type_text(self)

    @property
    def bits(self) -> int:
        """How wide an element is."""
        return _BITS[self.element]

    @property
    def is_float(self) -> bool:
        return self.element in ("f32", "f64")

    def of(self, element: str) -> Type:
        """Give the type with as many lanes of another element."""
        return Type(element, self.lanes)

    @property
    def same_bits(self) -> Type:
        """The integers of the same width: i32 for f32, i64 for f64."""
        return Type(f"i{self.bits}", self.lanes)


@cache
def _type_text(of: Type) -> str:
    element = _ELEMENTS.get(of.element, of.element)
    return element if of.lanes == 1 else f"<{of.lanes} x {element}>"


@cache
def _intrinsic_suffix(of: Type) -> str:
    return of.element if of.lanes == 1 else f"v{of.lanes}{of.element}"


class Value(NamedTuple):
    """Something computed or known: how instructions name it, and its type."""

    name: str
    type: Type

    def __str__(self) -> str:
        return f"{_type_text(self.type)} {self.name}"


I1, I32, I64 = Type("i1"), Type("i32"), Type("i64")
F32, F64, PTR = Type("f32"), Type("f64"), Type("ptr")


@cache
def _number_text(element: str, bits: int) -> str:
    """Write a number given by the bits of its float64, or as an integer."""
    if element in ("f32", "f64"):
        return f"0x{bits:016X}"
    if element == "i1":
        return "true" if bits else "false"
    return str(bits)


def constant(of: Type, number: float | int | bool) -> Value:
    """Give a number as an operand, in every lane; a float32 is rounded here."""
    if of.is_float:
        number = float(number)
        if of.element == "f32":
            try:
                number = struct.unpack("<f", struct.pack("<f", number))[0]
            except OverflowError:  # struct refuses what rounds to infinity
                number = float("inf") if number > 0 else -float("inf")
        text = _number_text(of.element, struct.unpack("<Q", struct.pack("<d", number))[0])
    else:
        text = _number_text(of.element, int(number))
    if of.lanes == 1:
        return Value(text, of)
    return Value(f"splat ({_type_text(Type(of.element))} {text})", of)


def index(number: int) -> Value:
    """Give a place or a count, i64."""
    return Value(str(number), I64)


class Loop:
    """A loop being written: its index, and what is carried from trip to trip."""

    def __init__(self, index: Value, carried: list[Value]) -> None:
        self.index = index
        self.carried = carried  # on entry of a trip
        self.next = carried  # to be set by the body
        self.results: list[Value] = carried  # after the loop


class Writer:
    """One function being written.

    Parameters
    ----------
    target
        The processor, for what it can do.
    name
        Without ``@``.
    arguments
        (type, name) each.
    """

    def __init__(
        self, target: Target, name: str, arguments: Sequence[tuple[Type, str]], attributes: str = ""
    ) -> None:
        self.target = target
        self.name = name
        self.arguments = [Value(f"%{n}", t) for t, n in arguments]
        self.attributes = attributes
        self.declared: dict[str, str] = {}  # intrinsics and callees -> declaration
        self.tables: dict[str, str] = {}  # constant arrays and small functions -> definition
        self.result: Value | None = None  # what the function gives
        self._lines: list[str] = []
        self._head: list[str] = []
        self._count = 0
        self._block = "entry"

    # The whole --------------------------------------------------------------------------------

    def text(self, linkage: str = "internal", name: str | None = None) -> str:
        """Give the function's definition."""
        arguments = ", ".join(map(str, self.arguments))
        gives, end = "void", "  ret void"
        if self.result is not None:
            gives, end = str(self.result.type), f"  ret {self.result}"
        what = f"{gives} @{name or self.name}({arguments}) nounwind {self.attributes}"
        head = f"define {linkage} {what} {{"
        return "\n".join([head, "entry:", *self._head, *self._lines, end, "}"])

    @property
    def size(self) -> int:
        """How many instructions have been written."""
        return len(self._lines)

    def _new(self) -> str:
        self._count += 1
        return f"%v{self._count}"

    def emit(self, of: Type, text: str) -> Value:
        """Write an instruction that gives a value."""
        name = self._new()
        self._lines.append(f"  {name} = {text}")
        return Value(name, of)

    def _begin(self, block: str) -> None:
        self._lines.append(f"{block}:")
        self._block = block

    # Arithmetic -------------------------------------------------------------------------------

    def binary(self, operation: str, a: Value, b: Value) -> Value:
        """Write ``operation`` (``fadd``, ``mul nsw``, ``xor``, …) on two values of one type."""
        return self.emit(a.type, f"{operation} {a}, {b.name}")

    def fadd(self, a: Value, b: Value) -> Value:
        return self.binary("fadd", a, b)

    def fsub(self, a: Value, b: Value) -> Value:
        return self.binary("fsub", a, b)

    def fmul(self, a: Value, b: Value) -> Value:
        return self.binary("fmul", a, b)

    def fdiv(self, a: Value, b: Value) -> Value:
        return self.binary("fdiv", a, b)

    def fneg(self, a: Value) -> Value:
        return self.emit(a.type, f"fneg {a}")

    def fma(self, a: Value, b: Value, c: Value) -> Value:
        """Give a · b + c, rounded once where the processor can, else twice."""
        if not self.target.has_fma:
            return self.fadd(self.fmul(a, b), c)
        return self.intrinsic("fma", a, b, c)

    def add(self, a: Value, b: Value) -> Value:
        return self.binary("add", a, b)

    def sub(self, a: Value, b: Value) -> Value:
        return self.binary("sub", a, b)

    def mul(self, a: Value, b: Value) -> Value:
        return self.binary("mul", a, b)

    def intrinsic(self, name: str, *values: Value, of: Type | None = None) -> Value:
        """Write a call of LLVM's intrinsic of one type: ``sqrt``, ``fabs``, ``floor``, …"""
        result = of or values[0].type
        full = f"llvm.{name}.{_intrinsic_suffix(result)}"
        types = ", ".join(str(v.type) for v in values)
        self.declared[full] = f"declare {result} @{full}({types})"
        return self.emit(result, f"call {result} @{full}({', '.join(map(str, values))})")

    def compare(self, condition: str, a: Value, b: Value) -> Value:
        """Compare floats (``olt``, ``une``, …) or integers (``slt``, ``eq``, …)."""
        word = "fcmp" if a.type.is_float else "icmp"
        return self.emit(a.type.of("i1"), f"{word} {condition} {a}, {b.name}")

    def select(self, condition: Value, a: Value, b: Value) -> Value:
        return self.emit(a.type, f"select {condition}, {a}, {b}")

    def convert(self, operation: str, value: Value, element: str) -> Value:
        """Write ``fpext``, ``fptrunc``, ``sitofp``, ``zext``, … to another element."""
        of = value.type.of(element)
        return self.emit(of, f"{operation} {value} to {of}")

    def bitcast(self, value: Value, element: str) -> Value:
        """Take the bits for those of another element of the same width."""
        return self.convert("bitcast", value, element)

    # Lanes ------------------------------------------------------------------------------------

    def splat(self, value: Value, lanes: int) -> Value:
        """Give a scalar in every lane."""
        if lanes == 1:
            return value
        of = Type(value.type.element, lanes)
        if not value.name.startswith("%"):
            return Value(f"splat ({value})", of)
        one = self.emit(of, f"insertelement {of} poison, {value}, i64 0")
        zeros = f"<{lanes} x i32> zeroinitializer"
        return self.emit(of, f"shufflevector {one}, {of} poison, {zeros}")

    def extract(self, vector: Value, lane: int) -> Value:
        if vector.type.lanes == 1:
            return vector
        return self.emit(Type(vector.type.element), f"extractelement {vector}, i64 {lane}")

    def shuffle(self, a: Value, b: Value | None, lanes: Sequence[int]) -> Value:
        """Give the lanes named (those of ``b`` count on from those of ``a``)."""
        second = Value("poison", a.type) if b is None else b
        of = Type(a.type.element, len(lanes))
        mask = ", ".join(f"i32 {lane}" for lane in lanes)
        return self.emit(of, f"shufflevector {a}, {second}, <{len(lanes)} x i32> <{mask}>")

    def lane_numbers(self, of: Type) -> Value:
        """Give 0, 1, 2, … in the lanes of an integer type."""
        if of.lanes == 1:
            return constant(of, 0)
        numbers = ", ".join(f"{_type_text(Type(of.element))} {i}" for i in range(of.lanes))
        return Value(f"<{numbers}>", of)

    # Memory -----------------------------------------------------------------------------------

    def at(self, pointer: Value, place: Value | int, element: str) -> Value:
        """Give the address ``place`` elements further."""
        if isinstance(place, int):
            place = index(place)
        if place.name == "0":
            return pointer
        text = f"getelementptr inbounds {_type_text(Type(element))}, {pointer}, {place}"
        return self.emit(PTR, text)

    def load(self, of: Type, pointer: Value, mask: Value | None = None) -> Value:
        """Load; lanes that a mask leaves out are not touched and read as 0."""
        align = max(1, of.bits // 8)
        if mask is None:
            return self.emit(of, f"load {of}, {pointer}, align {align}")
        name = f"llvm.masked.load.{_intrinsic_suffix(of)}.p0"
        self.declared[name] = f"declare {of} @{name}(ptr, {mask.type}, {of})"
        arguments = f"ptr align {align} {pointer.name}, {mask}, {of} zeroinitializer"
        return self.emit(of, f"call {of} @{name}({arguments})")

    def store(self, value: Value, pointer: Value, mask: Value | None = None) -> None:
        """Store; lanes that a mask leaves out are not touched."""
        of = value.type
        align = max(1, of.bits // 8)
        if mask is None:
            self._lines.append(f"  store {value}, {pointer}, align {align}")
            return
        name = f"llvm.masked.store.{_intrinsic_suffix(of)}.p0"
        self.declared[name] = f"declare void @{name}({of}, ptr, {mask.type})"
        target = f"ptr align {align} {pointer.name}"
        self._lines.append(f"  call void @{name}({value}, {target}, {mask})")

    def load_apart(
        self, of: Type, pointer: Value, places: Value, mask: Value | None = None
    ) -> Value:
        """Load each lane from its own place, counted in elements from the pointer."""
        element = Type(of.element)
        if of.lanes == 1:
            return self.load(of, self.at(pointer, places, of.element))
        pointers = Type("ptr", of.lanes)
        text = f"getelementptr {element}, {pointer}, {places}"
        addresses = self.emit(pointers, text)
        name = f"llvm.masked.gather.{_intrinsic_suffix(of)}.v{of.lanes}p0"
        every = mask or constant(Type("i1", of.lanes), True)
        self.declared[name] = f"declare {of} @{name}({pointers}, {every.type}, {of})"
        align = max(1, of.bits // 8)
        lanes = str(addresses).replace("> ", f"> align {align} ", 1)
        return self.emit(of, f"call {of} @{name}({lanes}, {every}, {of} zeroinitializer)")

    def first(self, lanes: int, count: int | Value) -> Value:
        """Give the mask of the first ``count`` lanes."""
        if isinstance(count, Value):
            of = Type("i64", lanes)
            return self.compare("ult", self.lane_numbers(of), self.splat(count, lanes))
        if lanes == 1:
            return constant(I1, count > 0)
        bits = ", ".join("i1 true" if i < count else "i1 false" for i in range(lanes))
        return Value(f"<{bits}>", Type("i1", lanes))

    def prefetch(self, pointer: Value, offset: int) -> None:
        """Ask for the cache line ``offset`` bytes further, to be read soon."""
        place = self.emit(PTR, f"getelementptr i8, {pointer}, i64 {offset}")
        self.declared["llvm.prefetch.p0"] = "declare void @llvm.prefetch.p0(ptr, i32, i32, i32)"
        self._lines.append(f"  call void @llvm.prefetch.p0({place}, i32 0, i32 3, i32 1)")

    def local(self, of: Type, count: int) -> Value:
        """Reserve memory of this call."""
        name = self._new()
        self._head.append(f"  {name} = alloca [{count} x {of}], align 64")
        return Value(name, PTR)

    def table(self, of: Type, numbers: Sequence[float]) -> Value:
        """Give the address of a constant array of scalars."""
        values = ", ".join(str(constant(of, number)) for number in numbers)
        body = f"[{len(numbers)} x {of}] [{values}]"
        name = f"@table.{hashlib.sha256(body.encode()).hexdigest()[:16]}"
        self.tables[name] = f"{name} = internal unnamed_addr constant {body}, align 64"
        return Value(name, PTR)

    # Control ----------------------------------------------------------------------------------

    def call(self, function: str, arguments: Sequence[Value]) -> None:
        """Call another function of the module."""
        self._lines.append(f"  call void @{function}({', '.join(map(str, arguments))})")

    def apart(
        self,
        name: str,
        of: Type,
        values: Sequence[Value],
        body: Callable[..., Value],
    ) -> Value:
        """Call a function that gives a value; ``body`` writes it when it is first wanted."""
        if name not in self.tables:
            arguments = [(v.type, f"x{i}") for i, v in enumerate(values)]
            inner = Writer(self.target, name, arguments)
            inner.result = body(inner, *inner.arguments)
            self.declared |= inner.declared
            self.tables |= inner.tables
            self.tables[name] = inner.text()
        return self.emit(of, f"call {of} @{name}({', '.join(map(str, values))})")

    def line(self, text: str) -> None:
        """Write an instruction that gives nothing."""
        self._lines.append(f"  {text}")

    @contextmanager
    def loop(
        self,
        start: int | Value,
        stop: int | Value,
        step: int = 1,
        carried: Sequence[Value] = (),
        guarded: bool | None = None,
    ) -> Iterator[Loop]:
        """Write a loop over ``start, start + step, …`` below ``stop``.

        The body finds ``loop.index`` and ``loop.carried`` and sets ``loop.next``; after the loop
        ``loop.results`` holds what was carried last. Bounds known to be one trip make no loop;
        bounds known only at run time are tested first, unless ``guarded`` is False.
        """
        known = isinstance(start, int) and isinstance(stop, int)
        if known and start >= stop:  # type: ignore[operator]
            raise AssertionError("a loop without trips is not to be written")
        if known and start + step >= stop:  # type: ignore[operator]
            one = Loop(index(start), list(carried))  # type: ignore[arg-type]
            yield one
            one.results = list(one.next)
            return
        first = index(start) if isinstance(start, int) else start
        last = index(stop) if isinstance(stop, int) else stop
        guard = not known if guarded is None else guarded
        label = self._count = self._count + 1
        body, after = f"loop{label}", f"after{label}"
        before = self._block
        if guard:
            some = self.compare("slt", first, last)
            self._lines.append(f"  br {some}, label %{body}, label %{after}")
        else:
            self._lines.append(f"  br label %{body}")
        self._begin(body)
        place = self._new()
        names = [self._new() for _ in carried]
        at = len(self._lines)
        state = Loop(
            Value(place, I64), [Value(n, v.type) for n, v in zip(names, carried, strict=True)]
        )
        state.next = list(state.carried)
        yield state
        following = self.emit(I64, f"add nuw nsw i64 {place}, {step}")
        more = self.compare("slt", following, last)
        self._lines.append(f"  br {more}, label %{body}, label %{after}")
        end = self._block
        phis = [f"  {place} = phi i64 [ {first.name}, %{before} ], [ {following.name}, %{end} ]"]
        for name, value, new in zip(names, carried, state.next, strict=True):
            phis.append(
                f"  {name} = phi {value.type} [ {value.name}, %{before} ], [ {new.name}, %{end} ]"
            )
        self._lines[at:at] = phis
        self._begin(after)
        if guard and carried:
            results = []
            for value, new in zip(carried, state.next, strict=True):
                text = f"phi {value.type} [ {value.name}, %{before} ], [ {new.name}, %{end} ]"
                results.append(self.emit(value.type, text))
            state.results = results
        else:
            state.results = list(state.next)

    @contextmanager
    def when(self, condition: Value) -> Iterator[None]:
        """Write what happens only where a condition holds."""
        label = self._count = self._count + 1
        self._lines.append(f"  br {condition}, label %then{label}, label %done{label}")
        self._begin(f"then{label}")
        yield
        self._lines.append(f"  br label %done{label}")
        self._begin(f"done{label}")


def module_text(target: Target, functions: Sequence[str], writers: Sequence[Writer]) -> str:
    """Put functions together with the intrinsics and tables that they name."""
    declared: dict[str, str] = {}
    tables: dict[str, str] = {}
    for writer in writers:
        declared |= writer.declared
        tables |= writer.tables
    head = [f'target datalayout = "{target.layout}"', f'target triple = "{target.triple}"']
    return "\n".join([*head, *tables.values(), *functions, *declared.values(), ""])
