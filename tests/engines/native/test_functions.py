"""The vector functions of the native engine: errors, special values, the same bits at any width."""

from __future__ import annotations

import ctypes
import dataclasses
import re
from functools import cache
from typing import Any

import llvmlite.binding as llvm
import numpy as np
import numpy.typing as npt
import pytest
from oracles import (
    HAS_EXTENDED,
    NAMES,
    by_mpmath,
    errors_in_ulps,
    mpmath_errors,
    true_values,
)

from limpide.engines.native import functions
from limpide.engines.native.target import Target, host
from limpide.engines.native.writer import I64, PTR, Type, Writer, module_text
from tolerances import ULPS

Array = npt.NDArray[Any]
ELEMENTS = {"float32": "f32", "float64": "f64"}
UNARY = NAMES[:-1]
INF, NAN = float("inf"), float("nan")

# What else these functions may call: each of these is a few instructions in the same place.
INLINE = re.compile(r"llvm\.(fma|fabs|copysign|fshl)\.")

needs_extended = pytest.mark.skipif(
    not HAS_EXTENDED, reason="long double is no wider than float64 here"
)


class Kernel:
    """A function over arrays, compiled; its lanes must divide the arrays' size."""

    def __init__(self, name: str, dtype: str, lanes: int, fused: bool) -> None:
        target = dataclasses.replace(host(), has_fma=host().has_fma and fused)
        element = ELEMENTS[dtype]
        w = Writer(target, "kernel", [(PTR, "a"), (PTR, "b"), (PTR, "y"), (I64, "size")])
        a, b, y, size = w.arguments
        of = Type(element, lanes)
        with w.loop(0, size, lanes) as each:
            values = [w.load(of, w.at(a, each.index, element))]
            if name == "power":
                values.append(w.load(of, w.at(b, each.index, element)))
            w.store(getattr(functions, name)(w, *values), w.at(y, each.index, element))
        self.text = module_text(target, [w.text("dso_local")], [w])
        module = llvm.parse_assembly(self.text)
        module.verify()
        machine = llvm.Target.from_triple(target.triple).create_target_machine(
            target.cpu, target.features, 2, jit=True
        )
        self.assembly = machine.emit_assembly(module)
        self._engine = llvm.create_mcjit_compiler(module, machine)
        self._engine.finalize_object()
        arguments = [ctypes.c_void_p] * 3 + [ctypes.c_int64]
        address = self._engine.get_function_address("kernel")
        self._run = ctypes.CFUNCTYPE(None, *arguments)(address)
        self.lanes, self.dtype = lanes, np.dtype(dtype)

    def __call__(self, *arguments: Array) -> Array:
        size = arguments[0].size
        padded = -(-size // self.lanes) * self.lanes
        given = []
        for x in arguments:
            assert x.dtype == self.dtype
            whole = np.ones(padded, x.dtype)
            whole[:size] = x
            given.append(whole)
        y = np.empty(padded, self.dtype)
        self._run(given[0].ctypes.data, given[-1].ctypes.data, y.ctypes.data, padded)
        return y[:size]


@cache
def kernel(name: str, dtype: str, lanes: int = 0, fused: bool = True) -> Kernel:
    """Compile a function once; ``lanes`` 0 is the processor's vector width."""
    return Kernel(name, dtype, lanes or host().lanes(np.dtype(dtype).itemsize), fused)


def assert_within(key: str, dtype: str, errors: Array, *arguments: Array) -> None:
    """Fail where the largest error is beyond the table's; says for which argument."""
    allowed = ULPS[f"native {key}", dtype][0]
    worst = int(np.argmax(errors))
    at = ", ".join(repr(x[worst]) for x in arguments)
    assert errors[worst] <= allowed, f"{key} of {at}: {errors[worst]:.4f} ulp, allowed {allowed}"


# Where a function does something: the rest of the range is the bit patterns'.
INTERVALS = {
    "exp": (-746.0, 710.0),
    "expm1": (-50.0, 710.0),
    "log": (0.0, 20.0),
    "log1p": (-1.0, 20.0),
    "tanh": (-20.0, 20.0),
    "sigmoid": (-746.0, 40.0),
    "softplus": (-746.0, 50.0),
    "erf": (-6.0, 6.0),
    "sin": (-60000.0, 60000.0),
    "cos": (-60000.0, 60000.0),
}


def points(name: str, dtype: str, count: int, seed: int = 0) -> tuple[Array, ...]:
    """Draw arguments: any bits, the interval of interest, around 0 and 1, multiples of π/2."""
    rng = np.random.default_rng(seed)
    if name == "power":
        return _power_points(rng, dtype, count)
    whole = {"float32": np.int32, "float64": np.int64}[dtype]
    bits = rng.integers(np.iinfo(whole).min, np.iinfo(whole).max, count // 4, whole, True)
    low, high = INTERVALS[name]
    parts = [
        bits.view(dtype),
        rng.uniform(low, high, count // 4),
        rng.uniform(-1.5, 1.5, count // 4),
    ]
    rest = count - 3 * (count // 4)
    if name in ("sin", "cos"):
        parts.append(np.round(rng.uniform(0, 40000, rest)) * (np.pi / 2))
    else:
        parts.append(np.exp2(rng.uniform(-60, 9, rest)) * rng.choice([-1.0, 1.0], rest))
    return (np.concatenate([p.astype(dtype) for p in parts]),)


def _power_points(rng: np.random.Generator, dtype: str, count: int) -> tuple[Array, ...]:
    a = np.exp2(rng.uniform(-126, 127, count)).astype(dtype)
    near = count // 3
    a[:near] = rng.uniform(0.5, 2, near)
    end = {"float32": 89.0, "float64": 745.0}[dtype]
    with np.errstate(divide="ignore"):
        reach = end / np.abs(np.log(a.astype(np.float64)))
    b = (rng.uniform(-1.02, 1.02, count) * np.minimum(reach, 1e30)).astype(dtype)
    b[::3] = np.round(b[::3])
    a[::3] *= rng.choice([-1.0, 1.0], len(a[::3])).astype(dtype)
    return a, b


def float32_errors(name: str, step: int) -> None:
    """Hold a function against float64 over every ``step``-th float32 bit pattern."""
    run, chunk = kernel(name, "float32"), 1 << 20
    for start in range(0, 2**32, step * chunk):
        patterns = np.arange(start, min(start + step * chunk, 2**32), step, np.uint64)
        x = patterns.astype(np.uint32).view(np.float32)
        assert_within(name, "float32", errors_in_ulps(run(x), true_values(name, x)), x)


@pytest.mark.parametrize("name", UNARY)
def test_error_over_every_9973rd_float32(name: str) -> None:
    float32_errors(name, 9973)


@pytest.mark.long
@pytest.mark.parametrize("name", UNARY)
def test_error_over_every_97th_float32(name: str) -> None:
    float32_errors(name, 97)


@pytest.mark.parametrize(
    "count", [20_000, pytest.param(1_000_000, marks=pytest.mark.long)], ids=["some", "million"]
)
@pytest.mark.parametrize("name", NAMES)
@needs_extended
def test_error_in_float64_beside_extended_precision(name: str, count: int) -> None:
    x = points(name, "float64", count)
    errors = errors_in_ulps(kernel(name, "float64")(*x), true_values(name, *x))
    # An oracle of 64 bits is itself off by up to 2**-10 ulp.
    assert_within(name, "float64", errors, *x)


@pytest.mark.parametrize(
    "count", [400, pytest.param(20_000, marks=pytest.mark.long)], ids=["some", "many"]
)
@pytest.mark.parametrize("name", NAMES)
def test_error_in_float64_beside_mpmath(name: str, count: int) -> None:
    x = points(name, "float64", count, seed=1)
    y = kernel(name, "float64")(*x)
    kept = np.isfinite(y)
    for argument in x:
        kept &= np.isfinite(argument)
    x = tuple(argument[kept] for argument in x)
    assert kept.sum() > count // 4
    assert_within(name, "float64", mpmath_errors(y[kept], by_mpmath(name, *x)), *x)


@pytest.mark.parametrize("count", [100_000, pytest.param(5_000_000, marks=pytest.mark.long)])
def test_error_of_power_in_float32(count: int) -> None:
    a, b = points("power", "float32", count)
    errors = errors_in_ulps(kernel("power", "float32")(a, b), true_values("power", a, b))
    assert_within("power", "float32", errors, a, b)


@pytest.mark.parametrize("dtype", ELEMENTS)
@pytest.mark.parametrize("name", NAMES)
@needs_extended
def test_error_without_fused_products(name: str, dtype: str) -> None:
    x = points(name, dtype, 20_000)
    run = kernel(name, dtype, fused=False)
    assert "llvm.fma" not in run.text
    errors = errors_in_ulps(run(*x), true_values(name, *x))
    assert_within("erf without fma" if name == "erf" else name, dtype, errors, *x)


@pytest.mark.parametrize("dtype", ELEMENTS)
@pytest.mark.parametrize("name", NAMES)
def test_bits_do_not_depend_on_the_number_of_lanes(name: str, dtype: str) -> None:
    x = points(name, dtype, 4096)
    expected = kernel(name, dtype, 1)(*x)
    assert np.isfinite(expected).sum() > 1000
    for lanes in (2, 4, 8, 16):
        y = kernel(name, dtype, lanes)(*x)
        equal = (y == expected) & (np.signbit(y) == np.signbit(expected))
        assert (equal | (np.isnan(y) & np.isnan(expected))).all()


@pytest.mark.parametrize("lanes", [1, 16])
@pytest.mark.parametrize("dtype", ELEMENTS)
@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_called_and_nothing_is_assumed(name: str, dtype: str, lanes: int) -> None:
    run = kernel(name, dtype, lanes)
    for called in re.findall(r"call \S+(?: x \S+>)? @(\S+)\(", run.text):
        assert INLINE.match(called) or called.startswith("llvm.vector"), called
    assert not re.search(r"\b(fast|nnan|ninf|nsz|arcp|contract|afn|reassoc)\b", run.text)
    assert not re.search(r"^\s+(call|bl|jmpq?\s+\*)\w*\s", run.assembly, re.MULTILINE)


@pytest.mark.parametrize("dtype", ELEMENTS)
@pytest.mark.parametrize(
    ("triple", "cpu", "fused"),
    [
        ("x86_64-unknown-linux-gnu", "x86-64", False),
        ("x86_64-unknown-linux-gnu", "haswell", True),
        ("aarch64-unknown-linux-gnu", "generic", True),
    ],
)
def test_nothing_is_called_on_other_processors(
    triple: str, cpu: str, fused: bool, dtype: str
) -> None:
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    try:
        processor = llvm.Target.from_triple(triple)
    except RuntimeError:
        pytest.skip(f"this LLVM was built without {triple}")
    machine = processor.create_target_machine(cpu, "", 2)
    target = Target(triple, cpu, "", str(machine.target_data), 16, 16, fused)
    of = Type(ELEMENTS[dtype], 8)
    for name in NAMES:
        w = Writer(target, "kernel", [(PTR, "a"), (PTR, "y")])
        values = [w.load(of, w.arguments[0])] * (2 if name == "power" else 1)
        w.store(getattr(functions, name)(w, *values), w.arguments[1])
        module = llvm.parse_assembly(module_text(target, [w.text("dso_local")], [w]))
        module.verify()
        assembly = machine.emit_assembly(module)
        assert not re.search(r"^\s+(callq?|bl|blr)\s", assembly, re.MULTILINE), name


def _tiny(dtype: str) -> float:
    return float(np.finfo(dtype).smallest_subnormal)


ODD = [(0.0, 0.0), (-0.0, -0.0), (NAN, NAN)]

# (argument, result) to the bit, sign of zero included; "tiny" is the smallest denormal number.
EXACT: dict[str, list[tuple[float | str, float | str]]] = {
    "exp": [
        (0.0, 1.0),
        (-0.0, 1.0),
        (INF, INF),
        (-INF, 0.0),
        (NAN, NAN),
        (1000.0, INF),
        (-1000.0, 0.0),
        ("tiny", 1.0),
        (-1e30, 0.0),
        (1e30, INF),
    ],
    "expm1": [
        *ODD,
        (INF, INF),
        (-INF, -1.0),
        ("tiny", "tiny"),
        ("-tiny", "-tiny"),
        (1000.0, INF),
        (-1000.0, -1.0),
    ],
    "log": [
        (1.0, 0.0),
        (0.0, -INF),
        (-0.0, -INF),
        (INF, INF),
        (-INF, NAN),
        (-1.0, NAN),
        ("-tiny", NAN),
        (NAN, NAN),
    ],
    "log1p": [
        *ODD,
        (-1.0, -INF),
        (INF, INF),
        (-INF, NAN),
        (-1.5, NAN),
        ("tiny", "tiny"),
        ("-tiny", "-tiny"),
    ],
    "tanh": [
        *ODD,
        (INF, 1.0),
        (-INF, -1.0),
        (1000.0, 1.0),
        (-1000.0, -1.0),
        (20.0, 1.0),
        ("tiny", "tiny"),
        ("-tiny", "-tiny"),
    ],
    "sigmoid": [
        (0.0, 0.5),
        (-0.0, 0.5),
        (1000.0, 1.0),
        (-1000.0, 0.0),
        (INF, 1.0),
        (-INF, 0.0),
        (NAN, NAN),
        ("tiny", 0.5),
    ],
    "softplus": [
        (1000.0, 1000.0),
        (-1000.0, 0.0),
        (1e30, 1e30),
        (INF, INF),
        (-INF, 0.0),
        (NAN, NAN),
    ],
    "erf": [
        *ODD,
        (INF, 1.0),
        (-INF, -1.0),
        (1000.0, 1.0),
        (-7.0, -1.0),
        ("tiny", "tiny"),
        ("-tiny", "-tiny"),
    ],
    "sin": [*ODD, (INF, NAN), (-INF, NAN), ("tiny", "tiny"), ("-tiny", "-tiny")],
    "cos": [(0.0, 1.0), (-0.0, 1.0), (INF, NAN), (-INF, NAN), (NAN, NAN), ("tiny", 1.0)],
}


def assert_same(actual: Array, expected: Array, *arguments: Array) -> None:
    """Fail unless values and signs of zero are the same, or both are NaN."""
    for i, (y, e) in enumerate(zip(actual.tolist(), expected.tolist(), strict=True)):
        same = (y == e and np.signbit(y) == np.signbit(e)) or (y != y and e != e)
        assert same, f"of {[x.tolist()[i] for x in arguments]}: got {y}, expected {e}"


@pytest.mark.parametrize("lanes", [1, 0])
@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("dtype", ELEMENTS)
@pytest.mark.parametrize("name", UNARY)
def test_exact_values(name: str, dtype: str, fused: bool, lanes: int) -> None:
    signs = {"tiny": _tiny(dtype), "-tiny": -_tiny(dtype)}
    rows = [[signs.get(v, v) if isinstance(v, str) else v for v in row] for row in EXACT[name]]
    x, expected = np.array(rows, dtype).T.copy()
    assert_same(kernel(name, dtype, lanes, fused)(x), expected, x)


SPECIAL = [0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 2.0**23 + 1, 2.0**53 - 1, 2.0**60, 1e30, INF]


@pytest.mark.parametrize("lanes", [1, 0])
@pytest.mark.parametrize("dtype", ELEMENTS)
def test_power_at_every_pair_of_special_values(dtype: str, lanes: int) -> None:
    values = np.array([*SPECIAL, *(-v for v in SPECIAL), NAN, _tiny(dtype), -_tiny(dtype)], dtype)
    a, b = (g.ravel() for g in np.meshgrid(values, values))
    with np.errstate(all="ignore"):
        expected = np.power(a, b)
    y = kernel("power", dtype, lanes)(a, b)
    # Powers of 1.5, 3 and 1e30 are rounded; NumPy's own may be off by an ulp.
    odd_base = np.isin(np.abs(a), np.array([1.5, 3.0, 1e30, 2.0**23 + 1, 2.0**53 - 1], dtype))
    ends = ~np.isfinite(expected) | (expected == 0) | (np.abs(expected) == 1)
    exact = ends | ~odd_base
    assert exact.sum() > 500
    assert_same(y[exact], expected[exact], a[exact], b[exact])
    errors = errors_in_ulps(y[~exact], true_values("power", a[~exact], b[~exact]))
    assert (errors <= ULPS["native power", dtype][0]).all()


def test_power_of_one_and_to_the_zero_ignores_nan() -> None:
    run = kernel("power", "float64")
    a = np.array([1.0, NAN, NAN, 1.0, -1.0, -1.0, INF, -INF, -INF, -0.0, -0.0, -8.0])
    b = np.array([NAN, 0.0, -0.0, INF, INF, -INF, 0.0, 3.0, -3.0, 3.0, -3.0, 1 / 3])
    expected = np.array([1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, -INF, -0.0, -0.0, -INF, NAN])
    assert_same(run(a, b), expected, a, b)


def test_numbers_that_others_get_wrong() -> None:
    f = np.float32
    assert kernel("exp", "float32")(np.array([-100], f))[0] == f(3.8e-44)
    assert kernel("log", "float32")(np.array([1e-40], f))[0] == f(np.log(np.float64(f(1e-40))))
    # The second is the float64 number that lies nearest to a multiple of π/2.
    x = np.array([1e22, 6381956970095103 * 2.0**797])
    for name in ("sin", "cos"):
        y = kernel(name, "float64")(x)
        assert_within(name, "float64", mpmath_errors(y, by_mpmath(name, x)), x)


@pytest.mark.parametrize("dtype", ELEMENTS)
@pytest.mark.parametrize("name", ["sin", "cos"])
@needs_extended
def test_one_large_argument_leaves_the_other_lanes_alone(name: str, dtype: str) -> None:
    run = kernel(name, dtype)
    x = np.linspace(-3, 3, run.lanes * run.lanes).astype(dtype)
    alone = run(x)
    large = x.copy()
    large[:: run.lanes + 1] = np.array(1e30, dtype)
    y = run(large)
    kept = large == x
    assert (y[kept] == alone[kept]).all()
    errors = errors_in_ulps(y, true_values(name, large))
    assert_within(name, dtype, errors, large)


def test_errors_are_counted_from_the_true_value() -> None:
    one = np.array([1.0, 1.0, np.inf, np.nan, 1.0, 0.0, 1e-45], np.float32)
    true = np.array([1 + 2.0**-24, 1 - 2.0**-24, 2.0**128 - 2.0**103, np.nan, np.nan, 0.0, 0.0])
    found = errors_in_ulps(one, true)
    assert found.tolist() == [0.5, 1.0, 0.5, 0.0, np.inf, 0.0, 1.0]


def test_every_function_is_tested() -> None:
    assert sorted(functions.__all__) == sorted(NAMES)
