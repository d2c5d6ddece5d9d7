"""The vector functions of the native engine beside NumPy and torch: rates and largest errors.

Run: python benchmarks/vector_maths.py
Prints elements per ns for each function and dtype on one thread, arrays of 16,384 numbers in the
level-2 cache, the peers called with an array to write to; the median of alternated pairs, theirs
over ours, with the range; the largest error over a sample, in ulps of the true value (float64 in
extended precision, whose functions NumPy takes from the C library); and how long one scalar value
takes when the next waits for it. torch is left out where it is not installed.
"""

from __future__ import annotations

import argparse
import ctypes
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from measure import describe, machine, ratios, seconds

from limpide.engines.native import functions
from limpide.engines.native.target import host
from limpide.engines.native.writer import I64, PTR, Type, Value, Writer, constant, module_text

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "engines" / "native"))

from oracles import NAMES, errors_in_ulps, true_values

try:
    import torch
except ImportError:
    torch = None

Array = np.ndarray[Any, Any]
SIZE, CALLS, CHAIN = 16384, 40, 100_000
ELEMENTS = {"float32": "f32", "float64": "f64"}


class Compiled:
    """A function over an array, or one value fed back into it CHAIN times."""

    def __init__(self, name: str, dtype: str, chained: bool = False) -> None:
        target, element = host(), ELEMENTS[dtype]
        w = Writer(target, "kernel", [(PTR, "a"), (PTR, "b"), (PTR, "y"), (I64, "size")])
        a, b, y, size = w.arguments
        write: Callable[..., Value] = getattr(functions, name)
        if chained:
            of = Type(element)
            with w.loop(0, size, carried=[constant(of, 0.3)]) as each:
                each.next = [write(w, each.carried[0])]
            w.store(each.results[0], y)
        else:
            of = Type(element, target.lanes(np.dtype(dtype).itemsize))
            with w.loop(0, size, of.lanes) as each:
                sources = (a, b) if name == "power" else (a,)
                values = [w.load(of, w.at(s, each.index, element)) for s in sources]
                w.store(write(w, *values), w.at(y, each.index, element))
        module = llvm.parse_assembly(module_text(target, [w.text("dso_local")], [w]))
        module.verify()
        processor = llvm.Target.from_triple(target.triple)
        made = processor.create_target_machine(target.cpu, target.features, 2, jit=True)
        self._engine = llvm.create_mcjit_compiler(module, made)
        self._engine.finalize_object()
        arguments = [ctypes.c_void_p] * 3 + [ctypes.c_int64]
        self._run = ctypes.CFUNCTYPE(None, *arguments)(self._engine.get_function_address("kernel"))

    def over(self, x: list[Array], y: Array) -> Callable[[], None]:
        """Give a call with addresses fixed; the arrays must outlive it."""
        first, last, out = x[0].ctypes.data, x[-1].ctypes.data, y.ctypes.data
        return lambda: self._run(first, last, out, y.size)

    def chain(self) -> float:
        """Time one value of a chain, in ns."""
        y = np.zeros(1)
        best = float("inf")
        for _ in range(5):
            began = time.perf_counter()
            self._run(0, 0, y.ctypes.data, CHAIN)
            best = min(best, time.perf_counter() - began)
        return best / CHAIN * 1e9


def arguments(name: str, dtype: str, size: int) -> list[Array]:
    """Draw what the function is mostly given: a few units around 0, or above 0."""
    rng = np.random.default_rng(0)
    if name == "power":
        return [aligned(rng.uniform(0.1, 4, size), dtype), aligned(rng.uniform(-3, 3, size), dtype)]
    x = rng.normal(scale=2.0, size=size)
    if name == "log":
        x = np.abs(x)
    if name == "log1p":
        x = np.where(x < -0.99, -x, x)
    return [aligned(x, dtype)]


def aligned(x: Array, dtype: str) -> Array:
    """Copy to memory that starts a cache line, as all programs prefer it."""
    itemsize = np.dtype(dtype).itemsize
    room = np.empty(x.size + 64 // itemsize, dtype)
    start = -room.ctypes.data % 64 // itemsize
    room[start : start + x.size] = x
    return room[start : start + x.size]


def _sigmoid(x: Array, out: Array) -> None:
    np.negative(x, out)
    np.exp(out, out)
    out += 1
    np.reciprocal(out, out)


def _softplus(x: Array, out: Array) -> None:
    np.logaddexp(x, x.dtype.type(0), out)


def peers(name: str) -> dict[str, Callable[..., Any]]:
    """Give the peers' functions of arrays and of an array to write to."""
    special = {"sigmoid": _sigmoid, "softplus": _softplus, "erf": None}
    found: dict[str, Callable[..., Any]] = {}
    in_numpy = special[name] if name in special else getattr(np, name)
    if in_numpy is not None:
        found["NumPy"] = in_numpy
    if torch is not None:
        in_torch = getattr(torch, "pow" if name == "power" else name, None)
        if in_torch is None:  # softplus takes no array to write to
            in_torch = lambda x, out: torch.nn.functional.softplus(x)  # noqa: E731
        found["torch"] = lambda *x, f=in_torch: f(*x[:-1], out=x[-1])
    return found


def compare(name: str, dtype: str, pairs: int) -> None:
    """Print a line for each peer."""
    sample = arguments(name, dtype, 1 << 18)
    true = true_values(name, *sample)
    run = Compiled(name, dtype)
    y = aligned(np.zeros(sample[0].size), dtype)
    run.over(sample, y)()
    error = errors_in_ulps(y, true).max()
    x, out = arguments(name, dtype, SIZE), aligned(np.zeros(SIZE), dtype)
    once = run.over(x, out)

    def ours() -> None:
        for _ in range(CALLS):
            once()

    ours()
    rate = CALLS * SIZE / min(seconds(ours) for _ in range(pairs)) / 1e9
    chain = f"{Compiled(name, dtype, True).chain():.1f} ns" if name != "power" else "–"
    print(f"{name:9} {dtype}  limpide  {rate:5.2f}/ns  {error:5.2f} ulp  one after another {chain}")
    for peer, function in peers(name).items():
        wrap = torch.from_numpy if peer == "torch" else np.asarray
        whole, small = [wrap(a) for a in (*sample, y)], [wrap(a) for a in (*x, out)]
        result = function(*whole)
        if peer == "torch":
            y[:] = result.numpy()
        error = errors_in_ulps(y, true).max()

        def theirs(function: Callable[..., Any] = function, given: list[Any] = small) -> None:
            for _ in range(CALLS):
                function(*given)

        theirs()
        rate = CALLS * SIZE / min(seconds(theirs) for _ in range(pairs)) / 1e9
        found = [1 / ratio for ratio in ratios(ours, theirs, pairs)]
        print(
            f"{'':9} {dtype}  {peer:7}  {rate:5.2f}/ns  {error:5.2f} ulp  "
            f"time over limpide's {describe(found)}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--only", nargs="*", default=list(NAMES))
    options = parser.parse_args()
    if torch is not None:
        torch.set_num_threads(1)
    print(machine())
    with np.errstate(all="ignore"):
        for name in options.only:
            for dtype in ELEMENTS:
                compare(name, dtype, options.pairs)


if __name__ == "__main__":
    main()
