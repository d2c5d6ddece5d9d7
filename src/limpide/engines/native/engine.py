"""The native engine: what ``engines.get("native")`` gives.

Answers for running compiled graphs and loops on NumPy arrays. Not for: what the code is
(``graphs``, ``loops``), or compiling (``jit``).
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Sequence
from functools import partial
from typing import Any, NoReturn

import numpy as np

from limpide.engines.native import control, graphs, loops, store
from limpide.engines.native.blocks import Block, Blocks, address, plain
from limpide.engines.native.jit import Code, make_object
from limpide.engines.native.module import Module
from limpide.engines.native.moves import STATUS_WORDS
from limpide.engines.native.report import Compiled, Share, shares
from limpide.engines.native.shuffling import FastRowOrder
from limpide.engines.native.target import host
from limpide.engines.native.threads import POOL, Pace, yield_address
from limpide.errors import ArgumentError, ArgumentTypeError
from limpide.ir import Array, Graph, Loop, Node
from limpide.threads import most

_MOST_THREADS = 64
_CYCLES_A_THREAD = 200_000.0
"""Rows are shared when each thread gets so many estimated cycles: waking one takes about 30 µs."""

_CALL = ctypes.CFUNCTYPE(None, *([ctypes.c_void_p] * 3))
_ROWS = ctypes.CFUNCTYPE(None, *([ctypes.c_void_p] * 3), *([ctypes.c_int64] * 2))
_LOOP = ctypes.CFUNCTYPE(
    None, *([ctypes.c_void_p] * 5), *([ctypes.c_int64] * 4), *([ctypes.c_void_p] * 2)
)


def _check(given: Sequence[Array], nodes: Sequence[Node], first_axis: int = 0) -> None:
    """Refuse arrays that machine code would read wrongly; ``first_axis`` is where to compare."""
    if len(given) != len(nodes):
        raise ArgumentError(f"{len(nodes)} arrays are needed here; received {len(given)}.")
    for array, node in zip(given, nodes, strict=True):
        spec = node.spec
        if array.shape[first_axis:] != spec.shape[first_axis:] or array.dtype != spec.numpy_dtype:
            raise ArgumentTypeError(
                f"{node.name or node.op.name} is {spec}; received an array of dtype "
                f"{array.dtype} and shape {list(array.shape)}. Cast and reshape it first."
            )


def _raise_index(nodes: Sequence[Node], status: Array) -> NoReturn:
    """Say which index was out of range; the words are those of the reference engine."""
    number, found = int(status[0]), int(status[1])
    status[:] = 0
    node = nodes[number - 1]
    axis = node.params["axis"]
    size = node.inputs[0].spec.shape[axis] if node.op.name == "gather" else node.params["size"]
    allowed = f"from 0 to {size - 1}" if size else "none, since the axis is empty"
    raise ArgumentError(
        f"{node.op.name} received an index out of range for axis {axis} of size {size}: "
        f"{found}; allowed are {allowed}. Negative indices do not count from the end: "
        "add the size to them."
    )


def _constants(module: Module, graphs: Sequence[Graph]) -> list[Array]:
    """Give the arrays that a program finds in its memory, in the order of their places."""
    pairs = zip(graphs, module.places, strict=True)
    return [graph.nodes[i].value for graph, places in pairs for i in places]


class _Working(list[Array]):
    """What a loop carries, in a block of its own."""

    def __init__(self, blocks: Blocks, carry: Sequence[Array]) -> None:
        self.blocks, self.block = blocks, blocks.take()
        super().__init__(self.block.homes[: len(carry)])
        for home, array in zip(self, carry, strict=True):
            np.copyto(home, array, casting="no")

    def __del__(self) -> None:
        self.blocks.give_back(self.block)


class _Whole:
    """The steps of a run, to be taken in parts: whole epochs, or whole batches of one epoch."""

    def __init__(self, epochs: int, n: int, batch: int) -> None:
        self.epochs, self.n, self.batch = epochs, n, batch
        self.an_epoch = -(-n // batch)

    def part(self, done: int, wanted: int) -> tuple[int, int, int, int]:
        """Give a part of about ``wanted`` steps: its first place, epochs, places each, steps."""
        epoch, step = divmod(done, self.an_epoch)
        place = epoch * self.n + step * self.batch
        if step == 0 and (wanted >= self.an_epoch or self.epochs > 1):
            epochs = min(max(1, wanted // self.an_epoch), self.epochs - epoch)
            return place, epochs, self.n, epochs * self.an_epoch
        left = self.an_epoch - step
        if wanted < left:
            return place, 1, wanted * self.batch, wanted
        return place, 1, self.n - step * self.batch, left


class NativeEngine:
    """Runs graphs as machine code for this processor."""

    name = "native"

    def compile(self, graph: Graph) -> Any:
        """Compile a graph; runs of one program may go side by side."""
        target = host()
        key = store.graph_key(graph, target)
        found = store.obtain(key, target, "call", lambda: graphs.build_graph(graph, target))
        module, call = found.module, _CALL(found.code.address("call"))
        n = len(graph.inputs) + len(graph.outputs)
        blocks = Blocks(module, _constants(module, [graph]), n)
        specs = [(node.spec.shape, node.spec.numpy_dtype) for node in graph.outputs]

        def run(arrays: list[Array]) -> list[Array]:
            _check(arrays, graph.inputs)
            outputs = [np.empty(shape, dtype) for shape, dtype in specs]
            block = blocks.take()
            alive = block.point([], [*arrays, *outputs])
            call(*block.given)
            del alive
            if block.status[0]:
                _raise_index(graph.nodes, block.status)
            blocks.give_back(block)
            return outputs

        run.program = found  # type: ignore[attr-defined]  # lives as long as what calls it
        build = partial(graphs.build_graph, graph, target)
        run.compiled = partial(Compiled, build, target)  # type: ignore[attr-defined]
        return run

    def compile_rows(self, graph: Graph, n_held: int) -> Any:
        """Compile a graph over a batch of rows; threads take batches of their own."""
        target = host()
        key = store.rows_key(graph, n_held, target)
        build = partial(graphs.build_rows, graph, n_held, target)
        found = store.obtain(key, target, "rows", build)
        module, call = found.module, _ROWS(found.code.address("rows"))
        n = len(graph.inputs) + len(graph.outputs)
        blocks = Blocks(module, _constants(module, [graph]), n)
        batch = graph.inputs[n_held].spec.shape[0]
        enough = max(1, int(_CYCLES_A_THREAD / max(module.cost, 1.0)))  # batches for a thread

        def several(arrays: list[Array], held: Sequence[Array], trips: int, threads: int) -> None:
            taken = [blocks.take() for _ in range(threads)]
            alive = [block.point(held, arrays) for block in taken]
            ends = [trips * i // threads for i in range(threads + 1)]

            def share(i: int) -> None:
                block = taken[i]
                call(*block.given, ends[i], ends[i + 1])

            POOL.run([partial(share, i) for i in range(threads)])
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
                _raise_index(graph.nodes, block.status)
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
            threads = min(trips // enough, _MOST_THREADS) if trips > enough else 1
            if threads > 1:
                threads = min(threads, most())
            if threads > 1:
                several(arrays, held, trips, threads)
            else:
                one(arrays, held, trips)
            if trips * batch < n:
                one([a[n - batch :] for a in arrays], held, 1)

        run.program = found  # type: ignore[attr-defined]
        run.compiled = partial(Compiled, build, target)  # type: ignore[attr-defined]
        return run

    def compile_loop(self, loop: Loop) -> Any:
        """Compile a loop around its steps."""
        target = host()
        key = store.loop_key(loop, target)
        found = store.obtain(key, target, "loop", lambda: loops.build_loop(loop, target))
        module, call = found.module, _LOOP(found.code.address("loop"))
        graphs = [g for g in (loop.step, loop.tail) if g is not None]
        kept = [n.spec for n in loop.step.inputs[: loop.n_carry + loop.n_held]]
        seen = [n.spec for n in loop.step.outputs[loop.n_carry :]]
        n_rows, n_carry = loop.n_rows, loop.n_carry
        numbered = [node for graph in graphs for node in graph.nodes]
        row_nodes = loop.step.inputs[len(kept) :]
        batch = loop.step.inputs[len(kept)].spec.shape[0] if n_rows else 1
        shapes = [(spec.shape, spec.numpy_dtype) for spec in kept]
        blocks = Blocks(module, _constants(module, graphs), n_rows + len(seen), shapes)

        sizes = np.array([spec.nbytes for spec in seen], np.uint64)
        pace = Pace(module.cost)

        def threads_now() -> int:
            return min(most(), _MOST_THREADS) if module.together else 1

        def run(
            carry: list[Array],
            held: list[Array],
            row_arrays: list[Array],
            order: Array | None,
            trips: int,
        ) -> list[Array]:
            _check(row_arrays, row_nodes, first_axis=1)
            epochs, n, steps, at_order = 1, trips, trips, 0
            if order is not None:
                order = plain(np.asarray(order, np.int64))
                epochs, n = order.shape
                steps, at_order = epochs * -(-n // batch), address(order)
            observed = [np.empty((steps, *s.shape), s.numpy_dtype) for s in seen]
            lent = carry.block if isinstance(carry, _Working) and carry.blocks is blocks else None
            block = lent or blocks.take()
            alive = block.point([], [*row_arrays, *observed])
            homes = block.homes
            given = [*carry, *held]
            for i in range(n_carry if lent else 0, len(given)):
                np.copyto(homes[i], given[i], casting="no")
            at_seen = block.at_table + 8 * n_rows
            begin = (block.at_arena, block.at_table)
            whole = _Whole(epochs, n, batch if n_rows else 1)
            done = 0
            while done < steps:
                threads, wanted = pace.choose(threads_now(), steps - done)
                place, some_epochs, some_rows, taken = whole.part(done, wanted)
                before = (*begin, at_order + 8 * place, at_seen, block.at_status)
                counts = (some_epochs, some_rows)
                began = time.perf_counter()
                if threads == 1:
                    call(*before, *counts, 0, 1, block.at_barrier, 0)
                else:
                    block.barrier[0] = 0
                    end = (threads, block.at_barrier, yield_address())
                    POOL.run([partial(call, *before, *counts, i, *end) for i in range(threads)])
                pace.note(threads, taken, time.perf_counter() - began)
                done += taken
                block.table[n_rows:] += sizes * np.uint64(taken)
            del alive
            if block.status[0]:
                _raise_index(numbered, block.status)
            if not lent:
                for i in range(n_carry):
                    np.copyto(carry[i], homes[i])
                blocks.give_back(block)
            return observed

        run.program = found  # type: ignore[attr-defined]
        run.threads = threads_now  # type: ignore[attr-defined]
        run.working = partial(_Working, blocks)  # type: ignore[attr-defined]
        run.row_order = FastRowOrder  # type: ignore[attr-defined]
        build = partial(loops.build_loop, loop, target)
        run.compiled = partial(Compiled, build, target)  # type: ignore[attr-defined]
        return run

    def profile(
        self, loop: Loop, carry: list[Array], held: list[Array], rows: list[Array], order: Array
    ) -> list[Share]:
        """Run a loop on one thread and count the cycles of each of its kernels.

        The arrays are as for ``compile_loop``, ``order`` i64[epochs, n]; ``carry`` stays as it is.
        """
        target = host()
        module = loops.build_loop(loop, target, timed=True)
        code = Code(make_object(module.text, target), target, ["loop"])
        graphs = [g for g in (loop.step, loop.tail) if g is not None]
        kept = [(n.spec.shape, n.spec.numpy_dtype) for n in loop.step.inputs[: len(module.kept)]]
        seen = [n.spec for n in loop.step.outputs[loop.n_carry :]]
        epochs, n = order.shape
        batch = loop.step.inputs[len(kept)].spec.shape[0]
        steps = epochs * -(-n // batch)
        block = Blocks(module, _constants(module, graphs), loop.n_rows + len(seen), kept).take()
        observed = [np.empty((steps, *s.shape), s.numpy_dtype) for s in seen]
        alive = block.point([], [*rows, *observed])
        for home, array in zip(block.homes, [*carry, *held], strict=True):
            np.copyto(home, array, casting="no")
        words = np.zeros(STATUS_WORDS + len(module.pieces), np.int64)
        order = plain(order)
        tables = (block.at_table, address(order), block.at_table + 8 * loop.n_rows)
        ends = (epochs, n, 0, 1, block.at_barrier, 0)
        _LOOP(code.address("loop"))(block.at_arena, *tables, address(words), *ends)
        del alive
        whole = epochs * (n // batch)
        return shares(module.pieces, (words[STATUS_WORDS:] / whole).tolist())

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
