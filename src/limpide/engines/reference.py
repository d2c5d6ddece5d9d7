"""The reference engine: each op's NumPy meaning, in the order of the graph.

Answers for the definition of every result: other engines are tested against it. It plans once
(every buffer and view is made ahead) and then runs one call an op. Not for: speed beyond NumPy's.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

from limpide.engines.one_by_one import ManyInTurn, many_rows
from limpide.ir import CONSTANT, Array, Graph, Loop, Node

Call = Callable[[], object]


def evaluate(graph: Graph, inputs: Sequence[Array]) -> dict[int, Array]:
    """Run a graph and keep the value of every node: ``id(node) -> array``.

    This is the plain meaning, one op after another; the planned programs below give the same
    bits.
    """
    values = {id(node): array for node, array in zip(graph.inputs, inputs, strict=True)}
    with np.errstate(all="ignore"):
        for node in graph.nodes:
            if node.op is CONSTANT:
                values[id(node)] = node.value
            else:
                arguments = [values[id(n)] for n in node.inputs]
                values[id(node)] = node.op.compute(*arguments, **node.params)
    return values


class Program:
    """A graph with all its memory laid out: ``calls`` run it, one call an op.

    Parameters
    ----------
    graph
        What to run.
    inputs
        The arrays that hold the inputs; the caller fills them before each run.
    carry
        For a loop: output i is written back to input i, for i below this number.
    """

    def __init__(self, graph: Graph, inputs: Sequence[Array], carry: int = 0) -> None:
        self.calls: list[Call] = []
        self._arrays: dict[int, Array] = {}
        self._roots: dict[int, int] = {}  # node -> the node that owns its memory
        self._whole: dict[int, Array] = {}  # owner -> its memory, as bytes
        self._free: dict[int, list[Array]] = {}
        self._fixed: set[int] = set()  # owners whose memory is never given to others
        for node, array in zip(graph.inputs, inputs, strict=True):
            self._arrays[id(node)] = array
            self._roots[id(node)] = id(node)
            self._fixed.add(id(node))
        self._plan(graph, _targets(graph, carry))
        self.outputs = [self._arrays[id(node)] for node in graph.outputs]
        self._write_back(graph, carry)

    def _plan(self, graph: Graph, targets: Mapping[int, Node]) -> None:
        last_use = self._last_uses(graph)
        for place, node in enumerate(graph.nodes):
            arguments = [self._arrays[id(n)] for n in node.inputs]
            if node.op is CONSTANT:
                self._own(node, node.value)
            elif node.op.kind == "view":
                self._view(node, arguments[0])
            elif not node.inputs:
                self._own(node, node.op.numpy(**node.params))  # computed once, here
            else:
                out = self._in_place(node, place, targets, last_use)
                if out is None:
                    out = self._allocate(node)
                self._arrays[id(node)] = out
                self.calls.append(partial(node.op.numpy, *arguments, out=out, **node.params))
            for owner in {self._roots[id(n)] for n in (*node.inputs, node)}:
                if last_use[owner] <= place and owner not in self._fixed:
                    memory = self._whole[owner]
                    self._free.setdefault(memory.nbytes, []).append(memory)
                    self._fixed.add(owner)

    def _own(self, node: Node, array: Array) -> None:
        self._arrays[id(node)] = array
        self._roots[id(node)] = id(node)
        self._fixed.add(id(node))

    def _view(self, node: Node, source: Array) -> None:
        view = node.op.numpy(source, **node.params)
        if np.may_share_memory(view, source) or view.size == 0:
            self._arrays[id(node)] = view
            self._roots[id(node)] = self._roots[id(node.inputs[0])]
        else:  # a reshape of a turned array: NumPy had to copy
            out = self._allocate(node)
            self._arrays[id(node)] = out
            self.calls.append(partial(np.copyto, out.reshape(source.shape), source))

    def _allocate(self, node: Node) -> Array:
        nbytes = max(node.spec.nbytes, 1)
        spare = self._free.get(nbytes)
        memory = spare.pop() if spare else np.empty(nbytes, np.uint8)
        self._roots[id(node)] = id(node)
        self._whole[id(node)] = memory
        return memory[: node.spec.nbytes].view(node.spec.numpy_dtype).reshape(node.spec.shape)

    def _last_uses(self, graph: Graph) -> dict[int, int]:
        """Give, for each owner of memory, the last place at which it is read, or infinity."""
        owner: dict[int, int] = {id(n): id(n) for n in graph.inputs}
        last: dict[int, int] = dict.fromkeys(owner, -1)
        for place, node in enumerate(graph.nodes):
            # A view that turns out to need a copy only makes this later than it need be.
            view = node.op.kind == "view"
            owner[id(node)] = owner[id(node.inputs[0])] if view else id(node)
            last.setdefault(owner[id(node)], place)
            for n in node.inputs:
                last[owner[id(n)]] = place
            if view:
                last[id(node)] = len(graph.nodes)
        for node in graph.outputs:
            last[owner[id(node)]] = len(graph.nodes)
        return last

    def _in_place(
        self, node: Node, place: int, targets: Mapping[int, Node], last_use: dict[int, int]
    ) -> Array | None:
        """Give an input's memory to write to, where its numbers are not needed any more."""
        if node.op.kind != "elementwise" or node.op.name == "where":
            return None
        carried = targets.get(id(node))
        candidates = [carried] if carried is not None else list(node.inputs)
        for n in candidates:
            owner = self._roots[id(n)]
            array = self._arrays[id(n)]
            allowed = carried is not None or owner not in self._fixed
            if not allowed or last_use[owner] > place or array.dtype != node.spec.numpy_dtype:
                continue
            # carray: writeable too, which a broadcast that repeats nothing is not
            if not array.flags.carray or array.shape != node.spec.shape:
                continue
            if carried is None and array.nbytes != self._whole[owner].nbytes:
                continue
            if not all(self._same_or_apart(array, other, owner) for other in node.inputs):
                continue
            self._roots[id(node)] = owner
            last_use[owner] = last_use[id(node)]  # the memory now lives as long as the result
            return array
        return None

    def _same_or_apart(self, array: Array, other: Node, owner: int) -> bool:
        if self._roots[id(other)] != owner:
            return True
        theirs = self._arrays[id(other)]
        return (
            theirs.strides == array.strides
            and theirs.shape == array.shape
            and theirs.__array_interface__["data"][0] == array.__array_interface__["data"][0]
        )

    def _write_back(self, graph: Graph, carry: int) -> None:
        """Copy what was not computed in place to its input; through a buffer where they cross."""
        homes = {id(node) for node in graph.inputs[:carry]}
        late: list[Call] = []
        overwritten: set[int] = set()
        for node, output in zip(graph.inputs[:carry], graph.outputs, strict=False):
            source, target = self._arrays[id(output)], self._arrays[id(node)]
            if source is target:
                continue
            if self._roots[id(output)] in homes:
                source = self._saved(source)
            late.append(partial(np.copyto, target, source))
            overwritten.add(id(node))
        for i, output in enumerate(graph.outputs[carry:], carry):
            # What is observed may be a view of the value that the step began with.
            if self._roots[id(output)] in overwritten:
                self.outputs[i] = self._saved(self.outputs[i])
        self.calls += late

    def _saved(self, source: Array) -> Array:
        buffer = np.empty_like(source)
        self.calls.append(partial(np.copyto, buffer, source))
        return buffer


def _targets(graph: Graph, carry: int) -> dict[int, Node]:
    """Give the carried input into which each node's result may go straight away."""
    targets: dict[int, Node] = {}
    twice: set[int] = set()
    for node, output in zip(graph.inputs[:carry], graph.outputs[:carry], strict=True):
        if id(output) in targets:
            twice.add(id(output))
        targets[id(output)] = node
    return {key: node for key, node in targets.items() if key not in twice}


def _buffers(nodes: Sequence[Node]) -> list[Array]:
    return [np.empty(node.spec.shape, node.spec.numpy_dtype) for node in nodes]


class ReferenceEngine:
    """Runs graphs by their NumPy meaning."""

    name = "reference"
    block = 256

    def compile(self, graph: Graph) -> Callable[[list[Array]], list[Array]]:
        """Plan a graph; runs of one program take turns between threads."""
        inputs = _buffers(graph.inputs)
        program = Program(graph, inputs)
        lock = threading.Lock()

        def run(arrays: list[Array]) -> list[Array]:
            with lock, np.errstate(all="ignore"):
                for buffer, array in zip(inputs, arrays, strict=True):
                    np.copyto(buffer, array, casting="no")
                for call in program.calls:
                    call()
                return [output.copy() for output in program.outputs]

        return run

    def compile_rows(
        self, graph: Graph, n_held: int
    ) -> Callable[[Sequence[Array], Sequence[Array], Sequence[Array]], None]:
        """Plan a graph over a batch of rows; runs take turns between threads."""
        inputs = _buffers(graph.inputs)
        program = Program(graph, inputs)
        batch = len(inputs[n_held])
        lock = threading.Lock()

        def run(
            held: Sequence[Array], row_arrays: Sequence[Array], outputs: Sequence[Array]
        ) -> None:
            n = len(row_arrays[0])
            with lock, np.errstate(all="ignore"):
                for buffer, array in zip(inputs, held, strict=False):
                    np.copyto(buffer, array, casting="no")
                for start in (*range(0, n - batch, batch), n - batch):
                    rows = slice(start, start + batch)
                    for buffer, array in zip(inputs[n_held:], row_arrays, strict=True):
                        np.copyto(buffer, array[rows], casting="no")
                    for call in program.calls:
                        call()
                    for array, output in zip(outputs, program.outputs, strict=True):
                        array[rows] = output

        return run

    def compile_loop(self, loop: Loop) -> Callable[..., list[Array]]:
        """Plan the step, and the step for the short last batch on the same carried memory."""
        kept = loop.n_carry + loop.n_held
        shared = _buffers(loop.step.inputs[:kept])
        steps = [_Step(loop, graph, shared) for graph in (loop.step, loop.tail) if graph]
        lock = threading.Lock()

        def run(
            carry: list[Array],
            held: list[Array],
            row_arrays: list[Array],
            order: Array | None,
            trips: int,
        ) -> list[Array]:
            with lock, np.errstate(all="ignore"):
                for buffer, array in zip(shared, [*carry, *held], strict=True):
                    np.copyto(buffer, array, casting="no")
                batch = steps[0].batch
                epochs: Sequence[Array | None] = [None] if order is None else list(order)
                full = trips if order is None else order.shape[1] // batch
                rest = 0 if order is None else order.shape[1] - full * batch
                an_epoch = full + (rest > 0)
                observed = steps[0].space(len(epochs) * an_epoch)
                for i, rows in enumerate(epochs):
                    first = i * an_epoch
                    steps[0].run(row_arrays, rows, 0, first, full, observed)
                    if rest:
                        steps[1].run(row_arrays, rows, full * batch, first + full, 1, observed)
                for buffer, array in zip(shared, carry, strict=False):
                    np.copyto(array, buffer)
                return observed

        return run

    def compile_many(self, loop: Loop) -> ManyInTurn:
        """Plan a loop that networks take in turn."""
        return ManyInTurn(loop, self.compile_loop(loop))

    def compile_many_rows(
        self, graph: Graph, n_held: int
    ) -> Callable[[Sequence[Array], Sequence[Array], Sequence[Array]], None]:
        """Plan a graph over a batch of rows, for one network after another."""
        return many_rows(self.compile_rows(graph, n_held))


class _Step:
    """One traced step with its buffers."""

    def __init__(self, loop: Loop, graph: Graph, shared: list[Array]) -> None:
        self.rows = _buffers(graph.inputs[len(shared) :])
        self.program = Program(graph, [*shared, *self.rows], loop.n_carry)
        self.seen = self.program.outputs[loop.n_carry :]
        self.batch = len(self.rows[0]) if self.rows else 1

    def space(self, trips: int) -> list[Array]:
        return [np.empty((trips, *array.shape), array.dtype) for array in self.seen]

    def run(
        self,
        row_arrays: list[Array],
        order: Array | None,
        first_row: int,
        first: int,
        trips: int,
        observed: list[Array],
    ) -> None:
        calls, seen = self.program.calls, self.seen
        pairs = list(zip(row_arrays, self.rows, strict=True))
        start = first_row
        for trip in range(first, first + trips):
            if order is not None:
                rows = order[start : start + self.batch]
                start += self.batch
                for array, buffer in pairs:
                    # "clip" writes straight to the buffer; the order holds rows that exist.
                    array.take(rows, 0, buffer, "clip")
            for call in calls:
                call()
            for array, whole in zip(seen, observed, strict=True):
                whole[trip] = array
