"""The native engine: what ``engines.get("native")`` gives.

Answers for running compiled graphs and loops on NumPy arrays. Not for: what the code is
(``graphs``, ``loops``), or compiling (``jit``).
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from limpide.engines.native import control, graphs, loops, store
from limpide.engines.native.blocks import Block, Blocks
from limpide.engines.native.checks import check_arrays, constant_arrays, raise_index
from limpide.engines.native.jit import Code, make_object
from limpide.engines.native.loop_run import LoopRun
from limpide.engines.native.many import ManyRun
from limpide.engines.native.report import Compiled, Share, shares
from limpide.engines.native.target import host
from limpide.engines.native.threads import MOST_THREADS, POOL, Team
from limpide.engines.one_by_one import many_rows
from limpide.ir import Array, Graph, Loop
from limpide.threads import most

_CYCLES_A_THREAD = 200_000.0
"""Rows are shared when each thread gets so many estimated cycles: waking one takes about 30 µs."""

_CALL = ctypes.CFUNCTYPE(None, *([ctypes.c_void_p] * 3))
_ROWS = ctypes.CFUNCTYPE(None, *([ctypes.c_void_p] * 3), *([ctypes.c_int64] * 2))


class NativeEngine:
    """Runs graphs as machine code for this processor."""

    name = "native"
    block = 256

    def compile(self, graph: Graph) -> Any:
        """Compile a graph; runs of one program may go side by side."""
        target = host()
        key = store.graph_key(graph, target)
        found = store.obtain(key, target, "call", lambda: graphs.build_graph(graph, target))
        module, call = found.module, _CALL(found.code.address("call"))
        n = len(graph.inputs) + len(graph.outputs)
        blocks = Blocks(module, constant_arrays(module, [graph]), n)
        specs = [(node.spec.shape, node.spec.numpy_dtype) for node in graph.outputs]

        def run(arrays: list[Array]) -> list[Array]:
            check_arrays(arrays, graph.inputs)
            outputs = [np.empty(shape, dtype) for shape, dtype in specs]
            block = blocks.take()
            alive = block.point([], [*arrays, *outputs])
            call(*block.given)
            del alive
            if block.status[0]:
                raise_index(graph.nodes, block.status)
            blocks.give_back(block)
            return outputs

        run.program = found  # type: ignore[attr-defined]  # lives as long as what calls it
        build = partial(graphs.build_graph, graph, target)
        run.compiled = partial(Compiled, "a graph", build, target)  # type: ignore[attr-defined]
        return run

    def compile_rows(self, graph: Graph, n_held: int) -> Any:
        """Compile a graph over a batch of rows; threads take batches of their own."""
        target = host()
        key = store.rows_key(graph, n_held, target)
        build = partial(graphs.build_rows, graph, n_held, target)
        found = store.obtain(key, target, "rows", build)
        module, call = found.module, _ROWS(found.code.address("rows"))
        n = len(graph.inputs) + len(graph.outputs)
        blocks = Blocks(module, constant_arrays(module, [graph]), n)
        batch = graph.inputs[n_held].spec.shape[0]
        enough = max(1, int(_CYCLES_A_THREAD / max(module.cost, 1.0)))  # batches for a thread

        def several(arrays: list[Array], held: Sequence[Array], trips: int, team: Team) -> None:
            threads = team.size
            taken = [blocks.take() for _ in range(threads)]
            alive = [block.point(held, arrays) for block in taken]
            ends = [trips * i // threads for i in range(threads + 1)]

            def share(i: int) -> None:
                block = taken[i]
                call(*block.given, ends[i], ends[i + 1])

            team.run([partial(share, i) for i in range(threads)])
            del alive
            for block in taken:
                give_back(block)

        def one(arrays: list[Array], held: Sequence[Array], trips: int) -> None:
            block = blocks.take()
            alive = block.point(held, arrays)
            call(*block.given, 0, trips)
            del alive
            give_back(block)

        def give_back(block: Block) -> None:
            if block.status[0]:
                raise_index(graph.nodes, block.status)
            blocks.give_back(block)

        def run(
            held: Sequence[Array], row_arrays: Sequence[Array], outputs: Sequence[Array]
        ) -> None:
            arrays = [*row_arrays, *outputs]
            n = len(arrays[0])
            if n == batch:
                one(arrays, held, 1)
                return
            trips = n // batch
            threads = min(trips // enough, MOST_THREADS) if trips > enough else 1
            if threads > 1:
                threads = min(threads, most())
            if threads > 1:
                with POOL.lend(threads) as team:
                    several(arrays, held, trips, team)
            else:
                one(arrays, held, trips)
            if trips * batch < n:
                one([a[n - batch :] for a in arrays], held, 1)

        run.program = found  # type: ignore[attr-defined]
        title = "one row" if batch == 1 else f"rows, {batch} at a time"
        run.compiled = partial(Compiled, title, build, target)  # type: ignore[attr-defined]
        return run

    def compile_loop(self, loop: Loop) -> LoopRun:
        """Compile a loop around its steps."""
        target = host()
        build = partial(loops.build_loop, loop, target)
        found = store.obtain(store.loop_key(loop, target), target, "loop", build)
        run = LoopRun(loop, found, partial(Compiled, _title(loop), build, target))
        run.made_for = f"{target.cpu} with vectors of {8 * target.vector_bytes} bits"
        return run

    def compile_many(self, loop: Loop) -> ManyRun:
        """Compile a loop that threads run side by side, each for networks of its own."""
        return ManyRun(self.compile_loop(loop))

    def compile_many_rows(self, graph: Graph, n_held: int) -> Any:
        """Compile a graph over a batch of rows, for one network after another."""
        return many_rows(self.compile_rows(graph, n_held))

    def profile(
        self, loop: Loop, carry: list[Array], held: list[Array], rows: list[Array], order: Array
    ) -> list[Share]:
        """Run a loop on one thread and count the cycles of each of its kernels.

        The arrays are as for ``compile_loop``, ``order`` i64[epochs, n]; ``carry`` stays as it is.
        """
        target = host()
        module = loops.build_loop(loop, target, timed=True)
        code = Code(make_object(module.text, target), target, ["loop"])
        compiled = partial(Compiled, _title(loop), lambda: module, target)
        run = LoopRun(loop, store.Program(code, module), compiled)
        return shares(module.pieces, run.ticks(carry, held, rows, order))

    def ticks(self, seconds: float) -> float:
        """Give how many ticks of the clock that ``profile`` counts there are in a microsecond."""
        target = host()
        code = Code(make_object(control.clock_text(target), target), target, ["clock"])
        clock = ctypes.CFUNCTYPE(ctypes.c_int64)(code.address("clock"))
        before, began = clock(), time.perf_counter()
        while time.perf_counter() - began < seconds:
            pass
        ticks = float(clock() - before)
        return ticks / (time.perf_counter() - began) / 1e6


def _title(loop: Loop) -> str:
    if not loop.n_rows:
        return "a step"
    first = loop.n_carry + loop.n_held
    sizes = [g.inputs[first].spec.shape[0] for g in (loop.step, loop.tail) if g is not None]
    words = "a step of one row" if sizes[0] == 1 else f"a step of {sizes[0]:,} rows"
    return f"{words} (the last of an epoch has {sizes[1]:,})" if len(sizes) > 1 else words
