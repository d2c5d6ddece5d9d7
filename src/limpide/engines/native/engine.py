"""The native engine: what ``engines.get("native")`` gives.

Answers for running compiled graphs and loops on NumPy arrays. Not for: what the code is
(``program``), or compiling (``jit``).
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import partial
from typing import Any, NoReturn

import numpy as np

from limpide.engines.native import program, store
from limpide.engines.native.moves import STATUS_WORDS
from limpide.engines.native.program import Module, Slot
from limpide.engines.native.target import host
from limpide.engines.native.threads import POOL, most, yield_address
from limpide.errors import ArgumentError, ArgumentTypeError
from limpide.ir import CONSTANT, Array, Graph, Loop, Node

_DTYPES = {
    "f32": np.dtype(np.float32),
    "f64": np.dtype(np.float64),
    "i32": np.dtype(np.uint32),
    "i64": np.dtype(np.int64),
    "i8": np.dtype(np.bool_),
}


def _memory(nbytes: int) -> Array:
    """Give zeros that begin at a multiple of 64 bytes."""
    raw = np.zeros(nbytes + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + nbytes]


def _address(array: Array) -> int:
    address: int = array.__array_interface__["data"][0]
    return address


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


def _plain(array: Array) -> Array:
    """Give an array that lies row by row, aligned, as machine code reads it."""
    if array.flags.c_contiguous and array.flags.aligned:
        return array
    return np.ascontiguousarray(array).copy() if not array.flags.aligned else array.copy("C")


class _Place:
    """A kept value in the arena, as an array of the caller's shape."""

    def __init__(self, arena: Array, slot: Slot, node: Node) -> None:
        size = int(np.prod(slot.extents, dtype=np.int64))
        dtype = node.spec.numpy_dtype
        flat = arena[slot.offset : slot.offset + size * dtype.itemsize].view(dtype)
        essential = tuple(n for n in node.spec.shape if n != 1)
        whole = flat.reshape(slot.extents)
        self.array = whole[(..., *(slice(0, n) for n in essential))]
        self.shape = node.spec.shape
        self.essential = essential

    def put(self, array: Array) -> None:
        np.copyto(self.array, array.reshape(self.essential), casting="no")

    def take(self, array: Array) -> None:
        array[...] = self.array.reshape(self.shape)


def _raise_index(nodes: Sequence[Node], status: Array) -> NoReturn:
    """Say which index was out of range; the words are those of the reference engine."""
    node = nodes[int(status[0]) - 1]
    axis = node.params["axis"]
    size = node.inputs[0].spec.shape[axis] if node.op.name == "gather" else node.params["size"]
    allowed = f"from 0 to {size - 1}" if size else "none, since the axis is empty"
    raise ArgumentError(
        f"{node.op.name} received an index out of range for axis {axis} of size {size}: "
        f"{int(status[1])}; allowed are {allowed}. Negative indices do not count from the end: "
        "add the size to them."
    )


class _Arenas:
    """Memory for runs: one block for each run at a time, kept for the next."""

    def __init__(self, module: Module, constants: Sequence[Array]) -> None:
        self.module, self.constants = module, constants
        self.free: list[Array] = []

    def take(self) -> Array:
        try:
            return self.free.pop()
        except IndexError:
            arena = _memory(max(self.module.arena_bytes, 1))
            for slot, array in zip(self.module.constants, self.constants, strict=True):
                _fill(arena, slot, array)
            return arena

    def give_back(self, arena: Array) -> None:
        self.free.append(arena)


def _fill(arena: Array, slot: Slot, array: Array) -> None:
    size = int(np.prod(slot.extents, dtype=np.int64))
    essential = tuple(n for n in array.shape if n != 1)
    flat = arena[slot.offset : slot.offset + size * array.itemsize].view(array.dtype)
    whole = flat.reshape(slot.extents)
    whole[(..., *(slice(0, n) for n in essential))] = array.reshape(essential)


_CALL = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
_LOOP = ctypes.CFUNCTYPE(
    None, *([ctypes.c_void_p] * 5), *([ctypes.c_int64] * 4), *([ctypes.c_void_p] * 2)
)


class NativeEngine:
    """Runs graphs as machine code for this processor."""

    name = "native"

    def compile(self, graph: Graph) -> Any:
        """Compile a graph; runs of one program may go side by side."""
        target = host()
        key = store.graph_key(graph, target)
        found = store.obtain(key, target, "call", lambda: program.build_graph(graph, target))
        module, call = found.module, _CALL(found.code.address("call"))
        arenas = _Arenas(module, [graph.nodes[i].value for i in module.places[0]])
        specs = [node.spec for node in graph.outputs]

        def run(arrays: list[Array]) -> list[Array]:
            _check(arrays, graph.inputs)
            inputs = [_plain(array) for array in arrays]
            outputs = [np.empty(s.shape, s.numpy_dtype) for s in specs]
            table = np.array([_address(a) for a in (*inputs, *outputs)], np.uint64)
            status = np.zeros(STATUS_WORDS, np.int64)
            arena = arenas.take()
            call(_address(arena), _address(table), _address(status))
            arenas.give_back(arena)
            if status[0]:
                _raise_index(graph.nodes, status)
            return outputs

        run.program = found  # type: ignore[attr-defined]  # lives as long as what calls it
        return run

    def compile_loop(self, loop: Loop) -> Any:
        """Compile a loop around its steps."""
        target = host()
        key = store.loop_key(loop, target)
        found = store.obtain(key, target, "loop", lambda: program.build_loop(loop, target))
        module, call = found.module, _LOOP(found.code.address("loop"))
        graphs = [g for g in (loop.step, loop.tail) if g is not None]
        values = [g.nodes[i].value for g, at in zip(graphs, module.places, strict=True) for i in at]
        arenas = _Arenas(module, values)
        numbered = [node for graph in graphs for node in graph.nodes]
        kept = loop.step.inputs[: loop.n_carry + loop.n_held]
        row_nodes = loop.step.inputs[len(kept) :]
        seen = [node.spec for node in loop.step.outputs[loop.n_carry :]]
        batch = loop.step.inputs[len(kept)].spec.shape[0] if loop.n_rows else 1

        def run(
            carry: list[Array],
            held: list[Array],
            row_arrays: list[Array],
            order: Array | None,
            trips: int,
        ) -> list[Array]:
            _check([*carry, *held], kept)
            _check(row_arrays, row_nodes, first_axis=1)
            arena = arenas.take()
            homes = [_Place(arena, slot, n) for slot, n in zip(module.kept, kept, strict=True)]
            for home, array in zip(homes, [*carry, *held], strict=True):
                home.put(array)
            rows = [_plain(array) for array in row_arrays]
            n = trips if order is None else len(order)
            steps = n if order is None else -(-n // batch)
            observed = [np.empty((steps, *s.shape), s.numpy_dtype) for s in seen]
            tables = [np.array([_address(a) for a in t], np.uint64) for t in (rows, observed)]
            places = np.zeros(0, np.int64) if order is None else _plain(np.asarray(order, np.int64))
            status = np.zeros(STATUS_WORDS, np.int64)
            barrier = _memory(64)
            threads_used = min(most(), 64) if module.together else 1
            where = [arena, tables[0], places, tables[1], status]
            addresses = [_address(a) for a in where]

            def share(thread: int) -> None:
                end = (_address(barrier), yield_address())
                call(*addresses, 1, n, thread, threads_used, *end)

            POOL.run([partial(share, thread) for thread in range(threads_used)])
            if not status[0]:  # else what is carried stays as it was
                for home, array in zip(homes, carry, strict=False):
                    home.take(array)
            arenas.give_back(arena)
            if status[0]:
                _raise_index(numbered, status)
            return observed

        run.program = found  # type: ignore[attr-defined]
        return run
