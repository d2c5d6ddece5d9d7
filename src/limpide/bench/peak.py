"""The processor's floating-point peak, measured: independent multiply-adds on its widest vectors.

Answers for the figure that shares of the peak refer to. Not for: anything that memory limits.
"""

from __future__ import annotations

import ctypes
import threading
import time

import llvmlite.binding as llvm
import numpy as np

from limpide.engines.native.target import Target, host
from limpide.engines.native.writer import F32, F64, I64, PTR, Type, Writer, module_text

_OPERANDS = 4  # registers that accumulators do not get
_LATENCY_HIDDEN = 24  # accumulators beyond this gain nothing: two units of four cycles, and room
_TRIPS = 20_000  # of a first, short call


class Peak:
    """Measures the peak of some threads.

    Parameters
    ----------
    dtype
        ``"float32"`` or ``"float64"``.
    threads
        How many run at once.

    Examples
    --------
    >>> Peak("float32", 1).measure(0.001) > 0
    True
    """

    def __init__(self, dtype: str, threads: int) -> None:
        self._target = host()
        element = F32 if dtype == "float32" else F64
        lanes = self._target.lanes(element.bits // 8)
        count = min(_LATENCY_HIDDEN, self._target.registers - _OPERANDS)
        self._flops = 2 * lanes * count  # of a trip
        self._zeros = [np.zeros(lanes * count, dtype) for _ in range(threads)]
        text = _kernel(self._target, Type(element.element, lanes), count)
        self._run = self._compiled(text)
        self._trips = _TRIPS

    def _compiled(self, text: str) -> ctypes._CFunctionType:
        target = self._target
        module = llvm.parse_assembly(text)
        module.verify()
        machine = llvm.Target.from_triple(target.triple).create_target_machine(
            target.cpu, target.features, 2, jit=True
        )
        self._engine = llvm.create_mcjit_compiler(module, machine)  # keeps the code alive
        self._engine.finalize_object()
        address = self._engine.get_function_address("peak")
        return ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(address)

    def measure(self, seconds: float) -> float:
        """Give the floating-point operations a second of all threads, over about ``seconds``."""
        taken = self._once(self._trips)
        while taken < seconds / 2:
            self._trips = int(self._trips * min(10.0, max(2.0, seconds / taken)))
            taken = self._once(self._trips)
        return self._trips * self._flops * len(self._zeros) / taken

    def _once(self, trips: int) -> float:
        """Give the seconds that all threads take together for the trips."""
        barrier = threading.Barrier(len(self._zeros) + 1)

        def work(zeros: np.ndarray) -> None:
            barrier.wait()
            self._run(zeros.ctypes.data, trips)  # without the lock of the interpreter

        threads = [threading.Thread(target=work, args=(zeros,)) for zeros in self._zeros]
        for thread in threads:
            thread.start()
        barrier.wait()
        began = time.perf_counter()
        for thread in threads:
            thread.join()
        return time.perf_counter() - began


def _kernel(target: Target, vector: Type, count: int) -> str:
    """Give the text of ``peak(p, trips)``: a · b + c into each accumulator, ``trips`` times."""
    writer = Writer(target, "peak", [(PTR, "p"), (I64, "trips")])
    pointer, trips = writer.arguments
    places = [writer.at(pointer, i * vector.lanes, vector.element) for i in range(count)]
    sums = [writer.load(vector, place) for place in places]
    a, b = writer.load(vector, places[0]), writer.load(vector, places[1])
    with writer.loop(0, trips, carried=sums) as loop:
        loop.next = [writer.fma(a, b, c) for c in loop.carried]
    for place, value in zip(places, loop.results, strict=True):
        writer.store(value, place)
    return module_text(target, [writer.text("dso_local")], [writer])
