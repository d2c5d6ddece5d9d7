"""Cells: a graph read number by number.

Answers for which numbers a number is made of, which numbers are made of it, and for all values,
with those that were only moved (reshaped, gathered, chosen) traced back to where they were
computed. Not for: derivatives (``factors``), names (``naming``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from limpide.engines.reference import evaluate
from limpide.explain.derivations.expressions import Expression, Number, Symbol, call, plus, times
from limpide.ir import CONSTANT, FLOATS, Array, Graph, Node

Ids = npt.NDArray[np.int64]

_MOVING = frozenset(
    {"reshape", "transpose", "slice", "broadcast", "stop_gradient", "gather", "concatenate"}
    | {"pad", "where", "cast"}
)
_NOWHERE = -1


class Cell(NamedTuple):
    """One number of a graph: which node, and which of its elements, counted row by row."""

    node: int
    place: int


class Named(Protocol):
    """What knows the symbols of cells."""

    def get(self, cell: Cell, /) -> Expression | None: ...


class Cells:
    """The numbers of a graph that was run.

    Parameters
    ----------
    graph
        Any graph.
    inputs
        Its inputs, in order.
    of
        The node whose derivatives are looked at: of other numbers only those that it depends on
        count as uses.
    """

    def __init__(self, graph: Graph, inputs: Sequence[Array], of: Node) -> None:
        self.graph = graph
        self.nodes: tuple[Node, ...] = (*graph.inputs, *graph.nodes)
        self._index = {id(node): i for i, node in enumerate(self.nodes)}
        found = evaluate(graph, inputs)
        self.arrays = [found[id(node)] for node in self.nodes]
        self.of = self.index(of)
        self._inputs = [[self._index[id(n)] for n in node.inputs] for node in self.nodes]
        self._consumers: list[list[tuple[int, int]]] = [[] for _ in self.nodes]
        for i, inputs_of in enumerate(self._inputs):
            for position, source in enumerate(inputs_of):
                self._consumers[source].append((i, position))
        self._sources: dict[int, Ids] = {}
        self._groups: dict[int, Ids] = {}
        self.variable = self._find_variable()
        self.live = self.reached_from(self.of)
        # Of any output: what is told, whether or not the end depends on it.
        ends = [self.reached_from(self.index(node), stops=False) for node in graph.outputs]
        self.shown = [np.logical_or.reduce(each) for each in zip(*ends, strict=True)]

    def index(self, node: Node) -> int:
        """Give the place of a node among inputs and nodes."""
        return self._index[id(node)]

    def value(self, cell: Cell) -> float:
        return float(self.arrays[cell.node].reshape(-1)[cell.place])

    def _find_variable(self) -> list[bool]:
        """Tell which nodes depend on an input of floats: the others are constants."""
        found: list[bool] = []
        for node, inputs in zip(self.nodes, self._inputs, strict=True):
            is_float = node.spec.dtype in FLOATS
            of_input = node.op is not CONSTANT and not inputs and node.name != ""
            found.append(is_float and (of_input or any(found[i] for i in inputs)))
        return found

    # Which numbers a number is made of ------------------------------------------------------

    def moves(self, node: int) -> bool:
        """Say whether a node only moves numbers, or chooses among them."""
        return self.nodes[node].op.name in _MOVING

    def sources(self, node: int) -> Ids:
        """Give for each element of a moving node where it comes from, or −1.

        As ``place · inputs + position``: which element of which input.
        """
        if node not in self._sources:
            self._sources[node] = self._find_sources(node)
        return self._sources[node]

    def _find_sources(self, node: int) -> Ids:
        op, inputs, params = self.nodes[node].op, self._inputs[node], self.nodes[node].params
        count = len(inputs)

        def ids(position: int) -> Ids:
            shape = self.arrays[inputs[position]].shape
            return np.arange(int(np.prod(shape))).reshape(shape) * count + position

        if op.name == "where":
            found = np.where(self.arrays[inputs[0]], ids(1), ids(2))
        elif op.name == "gather":
            found = op.numpy(ids(0), self.arrays[inputs[1]], **params)
        elif op.name == "pad":
            found = op.numpy(ids(0) + 1, **params) - 1
        elif op.name == "cast":
            found = ids(0)
        else:
            found = op.numpy(*(ids(i) for i in range(count)), **params)
        return np.asarray(found, np.int64).reshape(-1)

    def settled(self, cell: Cell, stops: bool = False) -> Cell | None:
        """Follow a number back to where it was computed; None for a zero that pads.

        ``stops``: not past a ``stop_gradient``, which gives None too.
        """
        while self.moves(cell.node) and self.variable[cell.node]:
            if stops and self.nodes[cell.node].op.name == "stop_gradient":
                return None
            code = int(self.sources(cell.node)[cell.place])
            if code == _NOWHERE:
                return None
            inputs = self._inputs[cell.node]
            place, position = divmod(code, len(inputs))
            cell = Cell(inputs[position], place)
        return cell

    def _group(self, node: int) -> Ids:
        """Give for each element of a reduced input which element of the result it goes into."""
        if node not in self._groups:
            op, inputs = self.nodes[node].op, self._inputs[node]
            out, params = self.arrays[node], self.nodes[node].params
            places = np.arange(out.size).reshape(out.shape)
            if op.name == "scatter_add":
                target = np.arange(out.size).reshape(out.shape)
                found = np.take(target, self.arrays[inputs[0]], axis=params["axis"])
            else:
                shape = self.arrays[inputs[0]].shape
                kept = [1 if i in params["axis"] else n for i, n in enumerate(shape)]
                found = np.broadcast_to(places.reshape(kept), shape)
            self._groups[node] = np.asarray(found, np.int64).reshape(-1)
        return self._groups[node]

    def pairs(self, cell: Cell) -> list[tuple[Cell, Cell]]:
        """Give the numbers that an element of a matrix product multiplies."""
        inner = self.arrays[self._inputs[cell.node][0]].shape[-1]
        return [self._pair(cell, k) for k in range(inner)]

    def _pair(self, cell: Cell, k: int) -> tuple[Cell, Cell]:
        a, b = self._inputs[cell.node]
        rows, inner = self.arrays[a].shape[-2:]
        columns = self.arrays[b].shape[-1]
        lead, rest = divmod(cell.place, rows * columns)
        i, j = divmod(rest, columns)
        return (
            Cell(a, lead * rows * inner + i * inner + k),
            Cell(b, lead * inner * columns + k * columns + j),
        )

    def _pair_at(self, cell: Cell, by: Cell, position: int) -> list[tuple[Cell, Cell]]:
        """Give the pair of a matrix product that has a number on a side, if there is one."""
        _, b = self._inputs[cell.node]
        inner, columns = self.arrays[b].shape[-2:]
        k = by.place % inner if position == 0 else by.place // columns % inner
        pair = self._pair(cell, k)
        return [pair] if pair[position] == by else []

    def pairs_of(self, cell: Cell, by: Cell) -> list[tuple[tuple[Cell, Cell], int]]:
        """Give those pairs of a matrix product that a number stands in, and on which side."""
        found = []
        for position, source in enumerate(self._inputs[cell.node]):
            if self.moves(source):  # it may stand in several places
                found += [(pair, position) for pair in self.pairs(cell)]
            elif source == by.node:
                found += [(pair, position) for pair in self._pair_at(cell, by, position)]
        return [
            (pair, position)
            for pair, position in found
            if self.settled(pair[position], stops=True) == by
        ]

    def arguments(self, cell: Cell) -> list[Cell]:
        """Give the numbers that a computed number is made of, as they stand before it."""
        op, inputs = self.nodes[cell.node].op, self._inputs[cell.node]
        if op.name == "matmul":
            return [side for pair in self.pairs(cell) for side in pair]
        if op.name in ("sum", "max", "scatter_add"):
            members = np.flatnonzero(self._group(cell.node) == cell.place)
            return [Cell(inputs[-1], int(m)) for m in members]
        return [Cell(i, cell.place) for i in inputs]

    # Which numbers are made of a number -----------------------------------------------------

    def uses(self, cell: Cell, shown: bool = False) -> list[Cell]:
        """Give the computed numbers that a number goes into and that the end depends on.

        ``shown``: those that any output depends on, past a ``stop_gradient`` too.
        """
        counted = self.shown if shown else self.live
        found: dict[Cell, None] = {}
        waiting = [cell]
        while waiting:
            one = waiting.pop()
            for consumer, position in self._consumers[one.node]:
                if not self.variable[consumer]:
                    continue
                for place in self._reached(consumer, position, one.place):
                    if not counted[consumer][place]:
                        continue
                    step = Cell(consumer, int(place))
                    if not self.moves(consumer):
                        found.setdefault(step)
                    elif shown or self.nodes[consumer].op.name != "stop_gradient":
                        waiting.append(step)
        return sorted(found)

    def _reached(self, node: int, position: int, place: int) -> list[int]:
        op, inputs = self.nodes[node].op, self._inputs[node]
        if self.moves(node):
            sources: Ids = self.sources(node)
            return list(np.flatnonzero(sources == place * len(inputs) + position))
        if op.name in ("sum", "max", "scatter_add"):
            return [int(self._group(node)[place])] if position == len(inputs) - 1 else []
        if op.name == "matmul":
            rows, inner = self.arrays[inputs[0]].shape[-2:]
            columns = self.arrays[inputs[1]].shape[-1]
            if position == 0:
                start = place // inner * columns
                return list(range(start, start + columns))
            lead, rest = divmod(place, inner * columns)
            start = lead * rows * columns + rest % columns
            return list(range(start, start + rows * columns, columns))
        return [place]

    def reached_from(
        self, end: int, place: int | None = None, stops: bool = True
    ) -> list[npt.NDArray[np.bool_]]:
        """Tell for every number whether a node (or one element of it) depends on it.

        ``stops``: not past a ``stop_gradient``.
        """
        live = [np.zeros(array.size, bool) for array in self.arrays]
        if place is None:
            live[end][:] = True
        else:
            live[end][place] = True
        for i in range(end, -1, -1):
            halted = stops and self.nodes[i].op.name == "stop_gradient"
            if self._inputs[i] and not halted and live[i].any():
                self._pass_back(i, live)
        return live

    def _pass_back(self, i: int, live: list[npt.NDArray[np.bool_]]) -> None:
        op, inputs, own = self.nodes[i].op, self._inputs[i], live[i]
        if self.moves(i) and self.nodes[i].spec.dtype in FLOATS and self.variable[i]:
            codes = self.sources(i)[own]
            places, positions = np.divmod(codes[codes >= 0], len(inputs))
            for position, source in enumerate(inputs):
                live[source][places[positions == position]] = True
        elif op.name in ("sum", "max", "scatter_add"):
            live[inputs[-1]] |= own[self._group(i)]
        elif op.name == "matmul":
            shape = self.arrays[i].shape
            wanted = own.reshape(shape)
            for source, lost, kept in ((inputs[0], -1, True), (inputs[1], -2, False)):
                into = live[source].reshape(self.arrays[source].shape)
                needed = np.asarray(wanted.any(axis=lost))
                into |= needed[..., :, None] if kept else needed[..., None, :]
        elif op.kind == "elementwise":
            for source in inputs:
                live[source] |= own

    # Formulas ---------------------------------------------------------------------------------

    def written(self, cell: Cell, names: Named) -> Expression:
        """Give the formula of a number in terms of named ones; its own name is not used."""
        return self._formula(cell, names, top=True)

    def _formula(self, cell: Cell, names: Named, top: bool) -> Expression:
        settled = self.settled(cell)
        if settled is None:
            return Number(0.0)
        own = None if top and settled == cell else names.get(settled)
        if own is not None:
            return own
        if not self.variable[settled.node] or not self._inputs[settled.node]:
            return Number(self.value(settled))
        op = self.nodes[settled.node].op
        if op.name == "matmul":
            return plus(
                times(ordered([self._formula(a, names, False), self._formula(b, names, False)]))
                for a, b in self.pairs(settled)
            )
        arguments = [self._formula(a, names, False) for a in self.arguments(settled)]
        if op.name in ("sum", "scatter_add"):
            return plus(arguments)
        if op.name == "max":
            return call("maximum", arguments)
        if op.kind != "elementwise":
            return Number(self.value(settled))
        return call(op.name, arguments)


def ordered(factors: Sequence[Expression]) -> list[Expression]:
    """Put weights in front of what they weigh, as in w1·x1."""
    return sorted(factors, key=lambda f: not (isinstance(f, Symbol) and f.parameter))
