"""A graph as a module: once, or over the batches of many rows.

Answers for ``call`` and ``rows``. Not for: loops around steps (``loops``), or compiling (``jit``).
"""

from __future__ import annotations

from limpide.engines.native import arena
from limpide.engines.native.kernels import Builder, Caller
from limpide.engines.native.module import (
    Module,
    Piece,
    constants_of,
    constants_read,
    lifetimes,
    piece_of,
    slots_of,
)
from limpide.engines.native.places import Buffer
from limpide.engines.native.plan import Planner
from limpide.engines.native.schedule import schedule
from limpide.engines.native.target import Target
from limpide.engines.native.writer import I64, PTR, Value, Writer, index
from limpide.ir import Graph


def build_graph(graph: Graph, target: Target) -> Module:
    """Write the module of a graph: ``call(arena, table of inputs and outputs, status)``."""
    planned = _PlannedGraph(graph, target)
    w = Writer(target, "call", [(PTR, "arena"), (PTR, "table"), (PTR, "status")])
    memory, table, status = w.arguments
    planned.call(w, memory, status, {id(b): _from(w, table, b) for b in planned.given})
    return planned.module(w)


def build_rows(graph: Graph, n_held: int, target: Target) -> Module:
    """Write the module of a graph over a batch of rows: ``rows(arena, table, status, low, high)``.

    ``table`` as for a graph; the inputs behind the first ``n_held``, and all outputs, are the
    first batches of many that lie one after another; those from ``low`` to ``high`` are run.
    """
    planned = _PlannedGraph(graph, target)
    names = [(PTR, "arena"), (PTR, "table"), (PTR, "status"), (I64, "low"), (I64, "high")]
    w = Writer(target, "rows", names)
    memory, table, status, low, high = w.arguments
    given = {id(b): _from(w, table, b) for b in planned.given}
    with w.loop(low, high) as trips:
        for buffer in planned.given:
            if buffer.place >= n_held:
                start = w.mul(trips.index, index(buffer.nbytes))
                given[id(buffer)] = w.at(given[id(buffer)], start, "i8")
        planned.call(w, memory, status, given)
    return planned.module(w)


def _from(w: Writer, table: Value, buffer: Buffer) -> Value:
    return w.load(PTR, w.at(table, buffer.place, "ptr"))


class _PlannedGraph:
    """A graph whose kernels and memory are settled; writes their calls."""

    def __init__(self, graph: Graph, target: Target) -> None:
        self.graph, self.builder = graph, Builder(target)
        lanes = target.lanes(4)
        self.plan = Planner(graph, lanes, ["given"] * len(graph.inputs)).plan()
        self.turns = schedule(self.plan, lanes)
        self.constants = constants_of(graph, self.plan)
        end = arena.place_kept(self.constants, 0)
        passing = lifetimes(self.plan, self.turns, together=False)
        self.end = arena.place_passing(passing, end)
        self.given = [b for b in self.plan.buffers if b.home == "given"]
        self.pieces: list[Piece] = []

    def call(self, w: Writer, memory: Value, status: Value, given: dict[int, Value]) -> None:
        numbers = {id(n): i for i, n in enumerate(self.graph.nodes)}
        caller = Caller(self.builder, w, memory, status, given)
        for turn in self.turns:
            number = numbers.get(id(turn.kernel.root), 0)
            name = caller.call(turn, self.plan, number, index(0), index(turn.length))
            self.pieces.append(piece_of(turn, name))

    def module(self, w: Writer) -> Module:
        text = self.builder.module(w)
        cost = sum(turn.cost for turn in self.turns)
        places = [constants_read(self.graph, self.plan)]
        return Module(
            text, self.end, [], slots_of(self.constants), places, cost=cost, pieces=self.pieces
        )
