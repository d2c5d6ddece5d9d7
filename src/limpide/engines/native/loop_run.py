"""Running a compiled loop on arrays: its memory, its threads, slice by slice.

Answers for what ``NativeEngine.compile_loop`` gives. Not for: the code of a loop (``loops``), or
how many threads serve best (``threads``).
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from limpide.engines.native.blocks import Block, Blocks, address, plain
from limpide.engines.native.checks import check_arrays, constant_arrays, raise_index
from limpide.engines.native.moves import STATUS_WORDS
from limpide.engines.native.report import Compiled
from limpide.engines.native.shuffling import FastRowOrder
from limpide.engines.native.store import Program
from limpide.engines.native.threads import MOST_THREADS, POOL, Pace, Team, yield_address
from limpide.ir import Array, Loop
from limpide.threads import most

_LOOP = ctypes.CFUNCTYPE(
    None, *([ctypes.c_void_p] * 5), *([ctypes.c_int64] * 4), *([ctypes.c_void_p] * 2)
)


class LoopRun:
    """A compiled loop; calling it is what ``Engine.compile_loop`` promises.

    Attributes
    ----------
    program
        The machine code, which lives as long as this.
    compiled
        Gives what there is to read of it.
    row_order
        What draws the orders of rows.
    batch
        Rows a step.
    cost
        Cycles of a step, roughly.
    seen_dtype
        Of the first observed output.
    made_for
        The processor that the code is made for.
    """

    row_order = FastRowOrder
    made_for = ""

    def __init__(self, loop: Loop, program: Program, compiled: Callable[[], Compiled]) -> None:
        self.program, self.compiled = program, compiled
        module = program.module
        self._call = _LOOP(program.code.address("loop"))
        graphs = [g for g in (loop.step, loop.tail) if g is not None]
        n_kept = loop.n_carry + loop.n_held
        kept = [n.spec for n in loop.step.inputs[:n_kept]]
        self._n_carry, self._n_rows = loop.n_carry, loop.n_rows
        self.cost = module.cost
        self._seen = [n.spec for n in loop.step.outputs[loop.n_carry :]]
        self.seen_dtype = self._seen[0].numpy_dtype if self._seen else np.dtype(np.float32)
        self._sizes = np.array([spec.nbytes for spec in self._seen], np.uint64)
        self._numbered = [node for graph in graphs for node in graph.nodes]
        self._row_nodes = loop.step.inputs[n_kept:]
        self.batch = self._row_nodes[0].spec.shape[0] if loop.n_rows else 1
        shapes = [(spec.shape, spec.numpy_dtype) for spec in kept]
        n_addresses = loop.n_rows + len(self._seen)
        constants = constant_arrays(module, graphs)
        self._blocks = Blocks(module, constants, n_addresses, shapes)
        self._pace = Pace(module.cost)

    def threads(self) -> int:
        """Give how many threads there may be now."""
        return min(most(), MOST_THREADS) if self.program.module.together else 1

    def working(self, carry: Sequence[Array]) -> Working:
        """Give the same numbers in memory that a run changes without copying them."""
        return Working(self._blocks, carry)

    def __call__(
        self,
        carry: list[Array],
        held: list[Array],
        row_arrays: list[Array],
        order: Array | None,
        trips: int,
    ) -> list[Array]:
        check_arrays(row_arrays, self._row_nodes, first_axis=1)
        epochs, n, at_order = 1, trips, 0
        if order is not None:
            order = plain(np.asarray(order, np.int64))
            (epochs, n), at_order = order.shape, address(order)
        whole = _Whole(epochs, n, self.batch)
        observed = [np.empty((whole.steps, *s.shape), s.numpy_dtype) for s in self._seen]
        is_ours = isinstance(carry, Working) and carry.blocks is self._blocks
        block = carry.block if isinstance(carry, Working) and is_ours else self._blocks.take()
        alive = block.point([], [*row_arrays, *observed])
        given = [*carry, *held]
        for i in range(self._n_carry if is_ours else 0, len(given)):
            np.copyto(block.homes[i], given[i], casting="no")
        self._run(block, whole, at_order)
        del alive
        if block.status[0]:
            raise_index(self._numbered, block.status)
        if not is_ours:
            for array, home in zip(carry, block.homes, strict=False):
                np.copyto(array, home)
            self._blocks.give_back(block)
        return observed

    def alone(self, row_arrays: Sequence[Array]) -> Alone:
        """Give what one thread runs the loop with, over these rows, in memory of its own."""
        check_arrays(row_arrays, self._row_nodes, first_axis=1)
        return Alone(self, row_arrays)

    def _run(self, block: Block, whole: _Whole, at_order: int) -> None:
        """Run all steps, in parts for which the number of threads is chosen."""
        with POOL.lend(self.threads()) as team:
            self._run_together(block, whole, at_order, team)

    def _run_together(self, block: Block, whole: _Whole, at_order: int, team: Team) -> None:
        call, pace, done = self._call, self._pace, 0
        seen = block.table[self._n_rows :]
        begin = (block.at_arena, block.at_table)
        at_seen = block.at_table + 8 * self._n_rows
        while done < whole.steps:
            threads, wanted = pace.choose(team.size, whole.steps - done)
            place, epochs, n, taken = whole.part(done, wanted)
            before = (*begin, at_order + 8 * place, at_seen, block.at_status, epochs, n)
            began = time.perf_counter()
            if threads == 1:
                call(*before, 0, 1, block.at_barrier, 0)
            else:
                block.barrier[0] = 0
                end = (threads, block.at_barrier, yield_address())
                team.run([partial(call, *before, i, *end) for i in range(threads)])
            pace.note(threads, taken, time.perf_counter() - began)
            done += taken
            seen += self._sizes * np.uint64(taken)

    def ticks(
        self, carry: list[Array], held: list[Array], rows: list[Array], order: Array
    ) -> list[float]:
        """Run a loop that counts; gives the clock's ticks of each of its pieces, a whole step."""
        working = self.working(carry)
        self(working, held, rows, order, 0)
        words = working.block.status[STATUS_WORDS:]
        whole_steps = len(order) * (order.shape[1] // self.batch)
        return [float(ticks) for ticks in words / whole_steps]


class Alone:
    """A loop over rows that observes one number a step, run by one thread at a time.

    Attributes
    ----------
    homes
        The places of what the loop carries and holds, filled and read by who runs it.
    """

    def __init__(self, run: LoopRun, row_arrays: Sequence[Array]) -> None:
        self._run, self._block = run, run._blocks.take()
        self.homes = self._block.homes
        self._alive = self._block.point([], row_arrays)
        self._at_seen = self._block.at_table + 8 * run._n_rows

    def steps(self, order: Array, losses: Array) -> None:
        """Take the steps of ``order``, i64[epochs, n] without gaps, and note their losses."""
        run, block = self._run, self._block
        block.table[run._n_rows] = address(losses)
        begin = (block.at_arena, block.at_table, address(order), self._at_seen, block.at_status)
        run._call(*begin, *order.shape, 0, 1, block.at_barrier, 0)
        if block.status[0]:
            raise_index(run._numbered, block.status)

    def close(self) -> None:
        """Let others have the memory."""
        self._run._blocks.give_back(self._block)


class Working(list[Array]):
    """What a loop carries, in a block that is its own for as long as this list lives."""

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
        self.steps = epochs * self.an_epoch

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
