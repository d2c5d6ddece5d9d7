"""Naming: what each number of a network is called, as a course calls it.

Answers for x1, w1, b1, h1, z_h1, ŷ, y, L, the row that a number belongs to, and for finding a
number by its name. Not for: formulas (``limpide.explain.cells``), sentences.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from limpide.errors import ArgumentError, nearest
from limpide.explain.cells import Cell, Cells
from limpide.explain.expressions import Expression, Symbol
from limpide.explain.subject import Stage, Subject
from limpide.ir import FLOATS
from limpide.scalars import Scalars

_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_LOOKED_AT = 4096  # elements of a node that are asked whether they are used more than once


@dataclass(frozen=True)
class Family:
    """The numbers of one node, named alike: h1, h2, …

    ``kind`` is input, target, parameter, state, sum, value, output, between, row loss or loss.
    """

    kind: str
    letter: str
    node: int
    count: int  # names a row
    rows: int  # 0 where its numbers belong to no row
    start: int = 1
    layer: str = ""
    alone: bool = False  # the only one has no number: ŷ, y, L

    def text(self, place: int) -> str:
        row, i = divmod(place, self.count) if self.rows else (0, place)
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
        self._moved: dict[Cell, str] = {}
        self._parameters = {cells.index(subject.input(n)): n for n in subject.params}
        self._states = {cells.index(subject.input(n)): n for n in subject.state}
        self._stations: dict[Cell, bool] = {}
        self._name_ends()
        self._name_layers()
        self._name_between()

    def _add(self, family: Family) -> None:
        self.families.append(family)
        if self.cells.moves(family.node) and self.cells.variable[family.node]:
            size = self.cells.arrays[family.node].size
            for place in range(size):
                cell = self.cells.settled(Cell(family.node, place))
                if cell is not None and self.cells.variable[cell.node]:
                    self._moved.setdefault(cell, family.text(place))
        else:
            self._by_node.setdefault(family.node, family)

    def _name_ends(self) -> None:
        x, y = (self.cells.index(self.subject.input(n)) for n in ("X", "y"))
        width = self.cells.arrays[x].shape[1]
        self._add(Family("input", "x", x, width, self.rows))
        targets = math.prod(self.cells.arrays[y].shape[1:])
        self._add(Family("target", "y", y, targets, self.rows, alone=targets == 1))
        loss = self.cells.index(self.subject.loss)
        self._add(Family("loss", "L", loss, 1, 0, alone=True))
        if self.rows > 1:
            losses = self.cells.index(self.subject.losses)
            self._add(Family("row loss", "L", losses, 1, self.rows, alone=True))

    def _name_layers(self) -> None:
        counted = {"h": 1, "a": 1}
        for i, stage in enumerate(self.subject.stages):
            last = i == len(self.subject.stages) - 1
            count = math.prod(stage.output.spec.shape[1:])
            letter = "h" if hasattr(stage.layer, "function") else "a"
            start, kind, alone = counted[letter], "value", False
            if last:
                letter, start, kind, alone = "ŷ", 1, "output", count == 1
            else:
                counted[letter] += count
            if stage.sums is not None:
                self._name_sums(stage, "z_o" if last else f"z_{letter}", start)
            node = self.cells.index(stage.output)
            family = Family(kind, letter, node, count, self.rows, start, stage.name, alone)
            self._add(family)

    def _name_sums(self, stage: Stage, letter: str, start: int) -> None:
        assert stage.sums is not None
        count = math.prod(stage.sums.spec.shape[1:])
        node = self.cells.index(stage.sums)
        self._add(Family("sum", letter, node, count, self.rows, start, stage.name))

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
            shape = node.spec.shape
            rows = self.rows if shape and shape[0] == self.rows else 0
            count = math.prod(shape) // (rows or 1)
            self._add(Family("between", "u", i, count, rows, start, node.layer))
            start += count

    # Cells → symbols --------------------------------------------------------------------------

    def get(self, cell: Cell) -> Expression | None:
        """Give the symbol of a number, or None for one without a name."""
        name = self._parameters.get(cell.node)
        value = self.cells.value(cell)
        if name is not None:
            text = self.scalars.name(name, self._index(cell))
            return Symbol(text, value, text, parameter=True)
        if cell in self._moved:
            return Symbol(self._moved[cell], value, self._moved[cell])
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

    # Names → cells ----------------------------------------------------------------------------

    def find(self, name: str) -> Cell:
        """Give the number of a name, of the first row where it says none.

        Raises
        ------
        ArgumentError
            For a name that there is not; the message says which there are.
        """
        wanted = re.sub(r"^o(\d+)", r"ŷ\1", str(name))
        if wanted.startswith("ŷ1") and self._family("ŷ").alone:
            wanted = wanted.replace("ŷ1", "ŷ", 1)
        for family in self.families:
            found = re.fullmatch(rf"{re.escape(family.letter)}(\d*)(?:⁽([⁰¹²³⁴⁵⁶⁷⁸⁹]+)⁾)?", wanted)
            if found is None or bool(found[1]) == family.alone:
                continue
            i = 0 if family.alone else int(found[1]) - family.start
            row = int(found[2].translate(_DIGITS)) - 1 if found[2] else 0
            if (family.kind == "row loss") != (found[2] is not None) and family.letter == "L":
                continue
            if 0 <= i < family.count and 0 <= row < max(family.rows, 1):
                return Cell(family.node, row * family.count + i)
        parameter, index = self._locate(wanted, name)
        node = self.cells.index(self.subject.input(parameter))
        shape = self.cells.arrays[node].shape
        return Cell(node, int(np.ravel_multi_index(index, shape)))

    def _locate(self, wanted: str, name: str) -> tuple[str, tuple[int, ...]]:
        try:
            return self.scalars.locate(wanted)
        except ArgumentError as error:
            others = ", ".join(self._said())
            known = [f.text(0) for f in self.families]
            raise ArgumentError(f"{error} Values: {others}.{nearest(name, known)}") from None

    def _said(self) -> Iterator[str]:
        for family in self.families:
            last = family.text(family.count - 1)
            first = family.text(0)
            yield first if family.count == 1 else f"{first} to {last}"

    def _family(self, letter: str) -> Family:
        return next(family for family in self.families if family.letter == letter)

    def of_kind(self, kind: str, last: bool = False) -> list[str]:
        """Give the names of a kind in the first row; ``last``: of the last layer alone."""
        end = self.subject.stages[-1].name
        return [
            family.text(place)
            for family in self.families
            if family.kind == kind and (not last or family.layer == end)
            for place in range(family.count)
        ]

    def of_layer(self, layer: str) -> list[Family]:
        """Give the families of a layer's sums and values."""
        return [family for family in self.families if family.layer == layer]


_DIGITS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
