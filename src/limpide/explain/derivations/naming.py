"""Naming: what each number of a network is called, as a course calls it.

Answers for x1, w1, b1, h1, z_h1, ŷ, y, L, the row that a number belongs to, and for finding a
number by its name. Not for: formulas (``cells``), sentences.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from limpide.errors import ArgumentError, nearest
from limpide.explain.derivations.cells import Cell, Cells
from limpide.explain.derivations.expressions import Expression, Symbol
from limpide.explain.derivations.subject import Stage, Subject
from limpide.explain.neurons import NeuronNames
from limpide.ir import FLOATS, Node
from limpide.layers import Placed
from limpide.scalars import Scalars

_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_LOOKED_AT = 4096  # elements of a node that are asked whether they are used more than once


@dataclass(frozen=True)
class Family:
    """The numbers of one node, named alike: h1, h2, …

    ``kind`` is input, target, parameter, state, sum, member, value, output, between, row loss or
    loss.
    """

    kind: str
    letter: str
    node: int
    shape: tuple[int, ...]
    axis: int | None  # along which rows lie; None where its numbers belong to no row
    start: int = 1
    layer: str = ""
    alone: bool = False  # the only one has no number: ŷ, y, L

    @property
    def rows(self) -> int:
        return 0 if self.axis is None else self.shape[self.axis]

    @property
    def count(self) -> int:
        """How many names a row has."""
        return math.prod(self.shape) // (self.rows or 1)

    def split(self, place: int) -> tuple[int, int]:
        """Give the row of an element, and which of its row's numbers it is."""
        if self.axis is None:
            return 0, place
        inner = math.prod(self.shape[self.axis + 1 :])
        outer, rest = divmod(place, inner * self.rows)
        row, within = divmod(rest, inner)
        return row, outer * inner + within

    def place(self, row: int, i: int) -> int:
        """Give the element of a row's number: what ``split`` took apart."""
        if self.axis is None:
            return i
        inner = math.prod(self.shape[self.axis + 1 :])
        outer, within = divmod(i, inner)
        return (outer * self.rows + row) * inner + within

    def places(self, rows: int) -> list[int]:
        """Give the elements of at most so many rows, in their order."""
        told = range(min(max(self.rows, 1), rows))
        return sorted(self.place(row, i) for row in told for i in range(self.count))

    def text(self, place: int) -> str:
        row, i = self.split(place)
        number = "" if self.alone else str(self.start + i)
        return f"{self.letter}{number}{row_mark(row) if self.rows > 1 else ''}"


def row_mark(row: int) -> str:
    """Give how a name says its row, counted from 1.

    >>> row_mark(0), row_mark(11)
    ('⁽¹⁾', '⁽¹²⁾')
    """
    return f"⁽{str(row + 1).translate(_SUPERSCRIPTS)}⁾"


def unmarked(name: str) -> str:
    """Give a name without its row.

    >>> unmarked("h1⁽²⁾")
    'h1'
    """
    return name.partition("⁽")[0]


class Names:
    """Cell → symbol, and name → cell.

    Parameters
    ----------
    subject, cells
        What is explained, number by number.
    scalars
        The scalar names of the parameters.
    """

    def __init__(self, subject: Subject, cells: Cells, scalars: Scalars) -> None:
        self.subject, self.cells, self.scalars = subject, cells, scalars
        self.rows = int(cells.arrays[cells.index(subject.input("X"))].shape[0])
        self.families: list[Family] = []
        self._by_node: dict[int, Family] = {}
        self._moved: dict[Cell, tuple[str, int | None]] = {}
        self._parameters = {cells.index(subject.input(n)): n for n in subject.params}
        self._states = {cells.index(subject.input(n)): n for n in subject.state}
        self._stations: dict[Cell, bool] = {}
        self._axes = row_axes(cells, cells.index(subject.input("X")))
        self._axes[cells.index(subject.input("y"))] = 0
        self._name_ends()
        self._name_layers()
        self._name_between()

    def _add(self, family: Family) -> None:
        self.families.append(family)
        if self.cells.moves(family.node) and self.cells.variable[family.node]:
            size = self.cells.arrays[family.node].size
            for place in range(size):
                row = None if family.axis is None else family.split(place)[0]
                cell = self.told_at(Cell(family.node, place))
                self._moved.setdefault(cell, (family.text(place), row))
        else:
            self._by_node.setdefault(family.node, family)

    def _is_fact(self, cell: Cell) -> bool:
        """Say whether a constant says something of a row, as the 1 of a category does."""
        return cell.node in self._axes and self.cells.value(cell) != 0

    def _name_ends(self) -> None:
        x, y = (self.cells.index(self.subject.input(n)) for n in ("X", "y"))
        self._family("input", "x", x)
        targets = math.prod(self.cells.arrays[y].shape[1:])
        self._family("target", "y", y, alone=targets == 1)
        self._family("loss", "L", self.cells.index(self.subject.loss), alone=True)
        losses = self.cells.index(self.subject.losses)
        answers = self.cells.arrays[losses].size
        if answers > 1:  # of rows, or of the members of an ensemble on them
            self._family("row loss", "L", losses, alone=answers == self.rows)

    def _family(
        self,
        kind: str,
        letter: str,
        node: int,
        start: int = 1,
        layer: str = "",
        alone: bool = False,
    ) -> Family:
        shape = self.cells.arrays[node].shape
        family = Family(kind, letter, node, shape, self._axes.get(node), start, layer, alone)
        self._add(family)
        return family

    def _name_layers(self) -> None:
        stages = self.subject.stages
        sizes = [math.prod(stage.output.spec.shape[1:]) for stage in stages]
        self.neurons = NeuronNames(
            [Placed(s.name, s.layer, 0, size) for s, size in zip(stages, sizes, strict=True)]
        )
        for i, (stage, count) in enumerate(zip(stages, sizes, strict=True)):
            last = i == len(stages) - 1
            letter, start = self.neurons.start(stage.name)
            kind, alone = "value", False
            if last:
                letter, kind, alone = "ŷ", "output", count == 1
            if stage.apart is not None:
                self._family("member", "z_m", self.cells.index(stage.apart), 1, stage.name)
            if stage.sums is not None:
                self._name_sums(stage, "z_o" if last else f"z_{letter}", start)
            node = self.cells.index(stage.output)
            self._family(kind, letter, node, start, stage.name, alone)

    def _name_sums(self, stage: Stage, letter: str, start: int) -> None:
        assert stage.sums is not None
        self._family("sum", letter, self.cells.index(stage.sums), start, stage.name)

    def _name_between(self) -> None:
        """Name what is computed between and used more than once: u1, u2, …"""
        start = 1
        for i in range(len(self.cells.graph.inputs), len(self.cells.nodes)):
            node, live = self.cells.nodes[i], self.cells.shown[i]
            plain = self.cells.variable[i] and not self.cells.moves(i) and live.any()
            if not plain or i in self._by_node or node.spec.dtype not in FLOATS:
                continue
            places = np.flatnonzero(live)[:_LOOKED_AT].tolist()
            if not any(
                Cell(i, p) not in self._moved and len(self.cells.uses(Cell(i, p), shown=True)) > 1
                for p in places
            ):
                continue
            start += self._family("between", "u", i, start, node.layer).count

    # Cells → symbols --------------------------------------------------------------------------

    def get(self, cell: Cell) -> Expression | None:
        """Give the symbol of a number, or None for one without a name."""
        name = self._parameters.get(cell.node)
        value = self.cells.value(cell)
        if name is not None:
            text = self.scalars.name(name, self._index(cell))
            return Symbol(text, value, text, parameter=True)
        if cell in self._moved:
            text, _ = self._moved[cell]
            return Symbol(text, value, text)
        family = self._by_node.get(cell.node)
        if family is not None:
            text = family.text(cell.place)
            return Symbol(text, value, text)
        if cell.node in self._states:
            place = ", ".join(map(str, self._index(cell)))
            return Symbol(f"{self._states[cell.node]}[{place}]", value)
        return None

    def _index(self, cell: Cell) -> tuple[int, ...]:
        shape = self.cells.arrays[cell.node].shape
        return tuple(int(i) for i in np.unravel_index(cell.place, shape))

    def row_of(self, cell: Cell) -> int | None:
        """Give the row that a named number belongs to, or None."""
        if cell.node in self._parameters:  # an embedding's number, looked up in several rows
            return None
        if cell in self._moved:
            return self._moved[cell][1]
        family = self._by_node.get(cell.node)
        if family is None or family.axis is None:
            return None
        return family.split(cell.place)[0]

    def __contains__(self, cell: object) -> bool:
        return isinstance(cell, Cell) and self.get(cell) is not None

    def __getitem__(self, cell: Cell) -> Expression:
        found = self.get(cell)
        if found is None:
            raise KeyError(cell)
        return found

    def is_station(self, cell: Cell) -> bool:
        """Say whether chains stop at a number: at values, but not at a sum that one value takes."""
        if cell not in self._stations:
            family = self._by_node.get(cell.node)
            known = cell in self._moved or family is not None
            if family is not None and family.kind == "sum":
                known = len(self.cells.uses(cell)) > 1 or self._ends_in_loss(cell)
            self._stations[cell] = known
        return self._stations[cell]

    def _ends_in_loss(self, cell: Cell) -> bool:
        """Say whether a sum goes straight into the loss, past its activation."""
        return all(self.cells.nodes[use.node].layer == "loss" for use in self.cells.uses(cell))

    def told_at(self, cell: Cell) -> Cell:
        """Give where a number was computed; what was set there, as a dropped 0, is its own."""
        settled = self.cells.settled(cell)
        if settled is None or not (self.cells.variable[settled.node] or self._is_fact(settled)):
            return cell
        return settled

    # Names → cells ----------------------------------------------------------------------------

    def find(self, name: str) -> Cell:
        """Give the number of a name, of the first row where it says none.

        Raises
        ------
        ArgumentError
            For a name that there is not; the message says which there are.
        """
        wanted = re.sub(r"^o(\d+)", r"ŷ\1", str(name))
        for family in self.families:
            found = re.fullmatch(rf"{re.escape(family.letter)}(\d*)(?:⁽([⁰¹²³⁴⁵⁶⁷⁸⁹]+)⁾)?", wanted)
            if found is None:
                continue
            only = family.alone and family.kind in ("target", "output")
            number = "" if only and found[1] == "1" else found[1]  # y1, o1 where there is one
            if bool(number) == family.alone:
                continue
            i = 0 if family.alone else int(number) - family.start
            row = int(found[2].translate(_DIGITS)) - 1 if found[2] else 0
            if (family.kind == "row loss") != (found[2] is not None) and family.letter == "L":
                continue
            if 0 <= i < family.count and 0 <= row < max(family.rows, 1):
                cell = Cell(family.node, family.place(row, i))
                return self.told_at(cell)
        parameter, index = self._locate(str(name))
        node = self.cells.index(self.subject.input(parameter))
        shape = self.cells.arrays[node].shape
        return Cell(node, int(np.ravel_multi_index(index, shape)))

    def _locate(self, name: str) -> tuple[str, tuple[int, ...]]:
        try:
            return self.scalars.locate(name)
        except ArgumentError as error:
            others = ", ".join(self._said())
            known = [f.text(0) for f in self.families]
            raise ArgumentError(f"{error} Values: {others}.{nearest(name, known)}") from None

    def _said(self) -> Iterator[str]:
        for family in self.families:
            first, last = (family.text(family.place(0, i)) for i in (0, family.count - 1))
            yield first if family.count == 1 else f"{first} to {last}"

    def of_kind(self, kind: str, last: bool = False) -> list[str]:
        """Give the names of a kind in the first row; ``last``: of the last layer alone."""
        end = self.subject.stages[-1].name
        return [
            family.text(family.place(0, i))
            for family in self.families
            if family.kind == kind and (not last or family.layer == end)
            for i in range(family.count)
        ]

    def of_layer(self, layer: str) -> list[Family]:
        """Give the families of a layer's sums and values."""
        return [family for family in self.families if family.layer == layer]


def row_axes(cells: Cells, x: int) -> dict[int, int]:
    """Give for each node along which axis the rows of X lie; others belong to no row."""
    axes = {x: 0}
    for i, node in enumerate(cells.nodes):
        for source in map(cells.index, node.inputs):
            axis = axes.get(source)
            if axis is not None and i not in axes:
                found = _row_axis(node, axis, source, cells)
                if found is not None:
                    axes[i] = found
    return axes


def _row_axis(node: Node, axis: int, source: int, cells: Cells) -> int | None:
    """Follow the axis of rows through one op."""
    name, params = node.op.name, node.params
    before = cells.nodes[source].spec.shape
    if name in ("sum", "max"):
        gone = params["axis"]
        return None if axis in gone else axis - sum(a < axis for a in gone)
    if name == "transpose":
        return int(params["order"].index(axis))
    if name == "broadcast":
        return axis + len(node.spec.shape) - len(before)
    if name == "reshape":
        ahead = math.prod(before[:axis])
        for place, size in enumerate(node.spec.shape):
            if math.prod(node.spec.shape[:place]) == ahead and size == before[axis]:
                return place
        return None
    if name == "matmul":
        left = cells.index(node.inputs[0]) == source
        return axis if left and axis != len(before) - 1 else None
    if name == "gather":
        if cells.index(node.inputs[1]) == source:
            return axis
        return axis if axis < params["axis"] else None  # columns of the same rows
    return axis if len(node.spec.shape) == len(before) else None


_DIGITS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
