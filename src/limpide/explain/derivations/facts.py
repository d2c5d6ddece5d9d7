"""Facts: every number of a network on a few rows, and every derivative, as formulas.

Answers for what an entry holds: how a number is worked out, the chain rule from the loss to it,
each factor, and the update. Not for: how it is told (``telling``), or numbers
that the reference engine has not computed.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from limpide.engines.reference import evaluate
from limpide.explain.derivations.cells import Cell, Cells
from limpide.explain.derivations.entries import ByName, Entry, Equation, Setting, Source
from limpide.explain.derivations.expressions import (
    ZERO,
    Derivative,
    Expression,
    Number,
    Product,
    Quotient,
    Rest,
    Sum,
    Symbol,
    plus,
)
from limpide.explain.derivations.factors import Factors
from limpide.explain.derivations.naming import Names, row_mark, unmarked
from limpide.explain.derivations.subject import Subject
from limpide.explain.derivations.updates import Update, Updates
from limpide.gradient import gradient
from limpide.ir import FLOATS, Array, uniform_value
from limpide.layers import BatchNorm, Dropout
from limpide.scalars import Scalars

if TYPE_CHECKING:  # which is told in these terms
    from limpide.explain.derivations.legend import Legend

_TERMS = 8  # of a sum over ways or rows that are written one by one
_WRITTEN = 30  # terms of a weighted sum that are all written
_ASKED = 16  # rows, spread over a batch, that are asked whether they are apart
ROWS_TOLD = 8  # of a batch, in the forward pass
_EQUATIONS = 14  # of one entry, before it refers to others


class Facts:
    """The numbers of a derivation: values, derivatives, names, formulas, worked out when asked.

    Parameters
    ----------
    subject
        What is explained.
    scalars
        The scalar names of the parameters.
    setting
        How it was asked for.
    source
        What gives them again, and those of one row alone.
    """

    def __init__(
        self,
        subject: Subject,
        scalars: Scalars,
        setting: Setting,
        source: Source | None = None,
    ) -> None:
        self.subject, self.scalars, self.setting, self._source = subject, scalars, setting, source
        self.cells = Cells(subject.graph, subject.inputs, subject.loss)
        self.names = Names(subject, self.cells, scalars)
        self.factors = Factors(self.cells, self.names)
        self.updates = Updates(setting.optimizer, setting.moment)
        self._rows_alone: dict[int, Facts] = {}
        self._steps: dict[Cell, dict[Cell, Expression]] = {}
        self._derivatives = self._differentiated()
        self.end = Cell(self.cells.of, 0)

    def _differentiated(self) -> dict[int, Array]:
        graph = self.subject.graph
        found = gradient(graph, of=2, all_nodes=True)
        values = evaluate(found, self.subject.inputs)
        floats = [n for n in graph.inputs if n.spec.dtype in FLOATS]
        wanted = floats + [
            n for n in graph.nodes if n.spec.dtype in FLOATS and uniform_value(n) is None
        ]
        wanted = [n for n in wanted if n.op.name != "constant"]
        results = found.outputs[len(graph.outputs) :]
        return {self.cells.index(n): values[id(r)] for n, r in zip(wanted, results, strict=True)}

    def __reduce__(self) -> tuple[Callable[[], Facts], tuple[()]]:
        # Copied and pickled as what it was worked out from: nodes are known by their identity.
        assert self._source is not None
        return self._source.facts, ()

    def with_legend(self, legend: Legend) -> Facts:
        """Give the same with what its inputs and its target stand for."""
        assert self._source is not None
        return self._source.with_legend(legend).facts()

    @property
    def rows(self) -> int:
        return self.names.rows

    @cached_property
    def rows_apart(self) -> bool:
        """Whether the loss of a row depends on that row alone: not so in batch norm's training."""
        if self.rows == 1:
            return True
        losses = self.cells.index(self.subject.losses)
        if self.cells.arrays[losses].size != self.rows:  # members answer apart
            return False
        for row in sorted(set(np.linspace(0, self.rows - 1, _ASKED).astype(int).tolist())):
            live = self.cells.reached_from(losses, row)
            for family in self.names.families:
                if family.axis is not None and family.kind != "row loss":
                    places = np.flatnonzero(live[family.node])
                    if any(family.split(int(place))[0] != row for place in places):
                        return False
        return True

    @cached_property
    def unfused(self) -> Facts | None:
        """The same with the loss worked out from the output, where it is not."""
        subject = self.subject.unfused
        return None if subject is None else Facts(subject, self.scalars, self.setting)

    @property
    def draws_together(self) -> bool:
        """Whether the rows' dropout was drawn in one: a row alone would be given another."""
        layers = [stage.layer for stage in self.subject.stages]
        return self.setting.training and any(isinstance(layer, Dropout) for layer in layers)

    def alone(self, row: int) -> Facts:
        """Give the facts of one row alone."""
        if row not in self._rows_alone:
            assert self._source is not None
            self._rows_alone[row] = self._source.alone(row)
        return self._rows_alone[row]

    @property
    def sizes(self) -> str:
        """The network's sizes, as 2-2-1."""
        x = self.cells.arrays[self.cells.index(self.subject.input("X"))]
        widths = [stage.output.spec.shape[1] for stage in self.subject.stages]
        return "-".join(map(str, (x.shape[1], *widths)))

    @property
    def differs_in_training(self) -> bool:
        """Whether a layer does something else in training."""
        kinds = (BatchNorm, Dropout)
        return any(isinstance(stage.layer, kinds) for stage in self.subject.stages)

    # Numbers ----------------------------------------------------------------------------------

    def derivative(self, cell: Cell) -> float:
        """Give the derivative of the loss by a number."""
        found = self._derivatives.get(cell.node)
        return 0.0 if found is None else float(found.reshape(-1)[cell.place])

    @cached_property
    def gradients(self) -> ByName:
        arrays = {
            n: self._derivatives[self.cells.index(self.subject.input(n))]
            for n in self.subject.params
        }
        return ByName(self.scalars, arrays)

    @cached_property
    def parameters(self) -> ByName:
        """The parameters' values."""
        subject = self.subject
        return ByName(self.scalars, dict(zip(subject.params, subject.inputs, strict=False)))

    @cached_property
    def updated_parameters(self) -> ByName:
        """The parameters after the step."""
        arrays = {}
        for name in self.subject.params:
            before, gradient = self.parameters.array(name), self.gradients.array(name)
            frozen = name in self.setting.frozen
            decay = self.setting.decays.get(name)
            arrays[name] = before if frozen else self.updates.array(name, before, gradient, decay)
        return ByName(self.scalars, arrays)

    @cached_property
    def loss_after(self) -> float:
        """The loss on the same rows, with the same dropout, after the step."""
        subject = self.subject
        after = [self.updated_parameters.array(name) for name in subject.params]
        inputs = [*after, *subject.inputs[len(after) :]]
        return float(evaluate(subject.graph, inputs)[id(subject.loss)])

    def symbol(self, cell: Cell) -> Expression:
        return self.names[cell]

    def text(self, cell: Cell) -> str:
        """Give the name of a number."""
        found = self.names[cell]
        assert isinstance(found, Symbol)
        return found.name

    def by(self, cell: Cell, row: int | None = None) -> Derivative:
        """Give ∂L/∂(a number), with its value; with ``row`` that of the loss of one row."""
        name = self.text(cell)
        if row is None:
            return Derivative("L", name, self.derivative(cell), name)
        return Derivative(f"L{row_mark(row)}", name, self._of_row_loss(cell, row), name)

    def _of_row_loss(self, cell: Cell, row: int) -> float:
        """Give the derivative of a row's loss: rows are apart, so it is a share of that of L."""
        share = self.derivative(self._row_loss(row))
        if cell == self._row_loss(row):
            return 1.0
        if share != 0 and self.names.row_of(cell) == row:
            return self.derivative(cell) / share
        steps = self.steps(cell, row)
        return sum(self._of_row_loss(end, row) * formula.value for end, formula in steps.items())

    def _row_loss(self, row: int) -> Cell:
        return Cell(self.cells.index(self.subject.losses), row)

    def steps(self, cell: Cell, row: int | None = None) -> dict[Cell, Expression]:
        """Give the named numbers that are made of a number, and the derivative of each by it.

        ``row``: those of one row alone.
        """
        if cell not in self._steps:
            found = self.factors.steps(cell, _Stations(self.names))
            moving = {end: f for end, f in found.items() if f != ZERO or not self._finite(end)}
            self._steps[cell] = moving or found
        found = self._steps[cell]
        if row is None:
            return found
        return {end: f for end, f in found.items() if self.names.row_of(end) in (row, None)}

    def _finite(self, cell: Cell) -> bool:
        return bool(np.isfinite(self.derivative(cell)))

    # Equations --------------------------------------------------------------------------------

    def worked_out(self, cell: Cell) -> Equation | None:
        """Give how a number comes about, or None for what is given."""
        settled = self.cells.settled(cell)
        if settled is None or not self.cells.variable[settled.node]:
            return None
        right = self.cells.written(settled, self.names)
        left = self.names[settled]
        if isinstance(right, Number) and right.number == left.value:
            return None
        if isinstance(right, Sum) and len(right.terms) > _WRITTEN:
            right = Sum(tuple(shortened(right.terms, _TERMS)))
        return Equation(left, right, self.cells.value(settled))

    def chain(self, cell: Cell, row: int | None = None) -> tuple[Equation, list[Equation]]:
        """Give the derivative of the loss by a number as products, and each factor's equation.

        ``row``: of the loss of one row, where rows are apart.
        """
        goal = self.end if row is None else self._row_loss(row)
        steps, left = self.steps(cell, row), self.by(cell, row)
        if len(steps) == 1 and next(iter(steps)) != goal:
            factors, equations = self._line(cell, row, goal)
            return Equation(left, Product(1.0, tuple(factors)), left.value), equations
        if goal in steps and len(steps) == 1:
            return Equation(left, steps[goal], left.value), []
        ways: list[Expression] = []
        equations = []
        for end, formula in steps.items():
            local = self._local(end, cell, formula)
            ways.append(local if end == goal else Product(1.0, (self.by(end, row), local)))
            equations.append(Equation(local, formula, formula.value))
        if not ways:
            return Equation(left, Number(0.0), left.value), []
        kept = shortened(ways)
        told = {id(p) for way in kept for p in (way, *way.parts())}
        equations = [e for e in equations if id(e.left) in told]
        return Equation(left, Sum(tuple(kept)), left.value), equations

    def _line(
        self, cell: Cell, row: int | None, goal: Cell
    ) -> tuple[list[Expression], list[Equation]]:
        """Follow a number to the loss, or to where it is used more than once."""
        factors: list[Expression] = []
        equations: list[Equation] = []
        steps = self.steps(cell, row)
        while len(steps) == 1:
            ((end, formula),) = steps.items()
            local = self._local(end, cell, formula)
            factors.insert(0, local)
            equations.insert(0, Equation(local, formula, formula.value))
            if end == goal:
                return factors, equations
            cell, steps = end, self.steps(end, row)
        factors.insert(0, self.by(cell, row))
        inner, more = self.chain(cell, row)
        return factors, [inner, *more, *equations]

    def _local(self, end: Cell, by: Cell, formula: Expression) -> Derivative:
        of = self.text(end)
        return Derivative(of, self.text(by), formula.value, of)

    def forward(self, ends_only: bool = False) -> Iterator[list[Equation]]:
        """Give for each layer, and then for the loss, how its numbers come about.

        Of a batch those of the first rows. ``ends_only``: for the loss alone.
        """
        told: set[str] = set()
        ends = [*([] if ends_only else (stage.name for stage in self.subject.stages)), "loss"]
        for layer in ends:
            equations = []
            families = self.names.of_layer(layer)
            if layer == "loss":
                families += [f for f in self.names.families if f.kind in ("row loss", "loss")]
            for family in sorted(families, key=lambda f: f.node):
                for place in family.places(ROWS_TOLD):
                    equation = self._told_of(family.text(place), Cell(family.node, place))
                    if equation is not None and family.text(place) not in told:
                        told.add(family.text(place))
                        equations.append(equation)
            yield equations

    def _told_of(self, name: str, cell: Cell) -> Equation | None:
        """Give how a number comes about; one that was only moved is another by another name."""
        if not self.cells.shown[cell.node][cell.place]:
            return None
        settled = self.cells.settled(cell)
        value = self.cells.value(cell)
        if settled is None or not self.cells.variable[settled.node]:
            return Equation(Symbol(name, value, name), Number(value), value)
        own = self.names[settled]
        if isinstance(own, Symbol) and own.name != name:
            return Equation(Symbol(name, value, name), own, value)
        return self.worked_out(settled)

    # Entries ----------------------------------------------------------------------------------

    def entry(self, cell: Cell) -> Entry:
        """Give what is told of a number that has a name."""
        settled = self.names.told_at(cell)
        name = self.text(settled)
        derivative = self.derivative(settled)
        found = Entry(name, self.kind(settled), self.cells.value(settled), derivative)
        equation = self.worked_out(settled)
        if equation is not None:
            found = replace(found, worked_out=(equation,))
        if found.kind == "parameter":
            found = self._of_parameter(found, settled)
        else:
            found = replace(found, layer=self._layer_of(settled))
        given = not self.cells.variable[settled.node] or self.cells.moves(settled.node)
        if settled == self.end or given:
            return found
        if self.rows > 1 and self.rows_apart and found.kind in ("parameter", "state"):
            return self._over_rows(found, settled)
        if not self.cells.live[settled.node][settled.place]:
            return self._past_the_output(found)
        first, others = self.chain(settled)
        return replace(found, chain=(first,), factors=tuple(others[:_EQUATIONS]))

    def _past_the_output(self, found: Entry) -> Entry:
        """Tell the derivative by an output that the loss leaves aside, by way of that output."""
        if self.unfused is None or found.kind != "output":
            return found
        other = self.unfused.entry(self.unfused.names.find(found.name))
        return replace(found, derivative=other.derivative, chain=other.chain, factors=other.factors)

    def kind(self, cell: Cell) -> str:
        if self.cells.nodes[cell.node].name in self.subject.params:
            return "parameter"
        if self.cells.nodes[cell.node].name in self.subject.state:
            return "state"
        return next((f.kind for f in self.names.families if f.node == cell.node), "value")

    def _layer_of(self, cell: Cell) -> str:
        name = self.text(cell)
        for family in self.names.families:
            if family.layer and family.node == cell.node and family.text(cell.place) == name:
                return family.layer
        return self.cells.nodes[cell.node].layer

    def _of_parameter(self, found: Entry, cell: Cell) -> Entry:
        parameter = self.cells.nodes[cell.node].name
        layer, _, part = parameter.rpartition(".")
        source, target = "", ""
        for use in self.cells.uses(cell)[:1]:
            target = self._nearest_name(use)
            if self.cells.nodes[use.node].op.name == "matmul" and part == "weights":
                for pair, _ in self.cells.pairs_of(use, cell):
                    partner = self.factors.formula(pair[0])
                    source = unmarked(partner.name) if isinstance(partner, Symbol) else ""
        before = ""
        for stage in self.subject.stages:
            if stage.name == layer and hasattr(stage.layer, "weighted_sum"):
                # Told by its place, so that one without a use in this row has its title too.
                *inputs, own = np.unravel_index(cell.place, self.cells.arrays[cell.node].shape)
                target = self.names.neurons.name(layer, int(own))
                source = self.names.neurons.name(before, int(inputs[0])) if inputs else ""
            before = stage.name
        found = replace(found, layer=layer, source=source, target=target)
        frozen = parameter in self.setting.frozen
        return replace(found, frozen=frozen, update=() if frozen else self._update(cell))

    def _nearest_name(self, cell: Cell) -> str:
        """Give the value that a number goes into first, or that it is."""
        stations = _Stations(self.names)
        if cell in stations:
            return unmarked(self.text(cell))
        steps = self.factors.steps(cell, stations)
        found = {unmarked(self.text(end)) for end in steps}
        return found.pop() if len(found) == 1 else ""

    def _update(self, cell: Cell) -> tuple[Equation, ...]:
        found = self.updated(cell)
        parameter = self.names[cell]
        equations = [Equation(s, formula, formula.value) for s, formula in found.remembered]
        return (*equations, Equation(parameter, found.new, found.new.value, "←"))

    def updated(self, cell: Cell) -> Update:
        """Give the optimizer's step of a parameter."""
        node = self.cells.nodes[cell.node]
        factors = {}
        if node.name in self.setting.decays:
            spread = np.broadcast_to(self.setting.decays[node.name], node.spec.shape)
            factors = {"weight_decay": float(spread.reshape(-1)[cell.place])}
        slots = {}
        for slot in self.setting.optimizer.slots():
            held = self.setting.moment.slots.get(f"{node.name}.{slot}")
            slots[slot] = 0.0 if held is None else float(held.reshape(-1)[cell.place])
        return self.updates.of(self.names[cell], self.by(cell), slots, factors)

    def _over_rows(self, found: Entry, cell: Cell) -> Entry:
        """Tell a parameter's derivative as the mean of those of the rows, each worked out alone.

        Of many rows the first are told, the rest in one sum.
        """
        left, losses = self.by(cell), self.cells.index(self.subject.losses)
        shares = [self.derivative(Cell(losses, row)) for row in range(self.rows)]
        told = self.rows if self.rows <= _TERMS else _TERMS - 1
        chains = [self.chain(cell, row) for row in range(told)]
        factors = [*(equation for equation, _ in chains), *chains[0][1][:_EQUATIONS]]
        terms: list[Expression] = [self.by(cell, row) for row in range(told)]
        even, count = len(set(shares)) == 1, self.rows
        if not even:
            terms = [
                Product(1.0, (Derivative("L", f"L{row_mark(row)}", shares[row]), term))
                for row, term in enumerate(terms)
            ]
        if told < count:
            whole = left.value * count if even else left.value
            terms.append(Rest(count - told, whole - plus(Number(t.value) for t in terms).value))
        right: Expression = Sum(tuple(terms))
        if even:
            right = Quotient(right, Number(float(count)))
        return replace(found, chain=(Equation(left, right, left.value),), factors=tuple(factors))

    def largest(self, count: int) -> list[str]:
        """Give the parameters with the largest derivatives, by absolute value, largest first."""
        return self._ranked({n: self.gradients.array(n) for n in self.subject.params}, count)

    def names_of_layer(self, layer: str) -> tuple[list[str], list[str]]:
        """Give the names of a layer's values on the first row, and its parameters' own names."""
        families = self.names.of_layer(layer)
        values = [f.text(f.place(0, i)) for f in families for i in range(f.count)]
        return values, [n for n in self.subject.params if n.rpartition(".")[0] == layer]

    def largest_of_layer(self, layer: str, count: int) -> list[str]:
        """Give a layer's numbers with the largest derivatives: values of the first row too."""
        values, parameters = self.names_of_layer(layer)
        ranked = self._ranked({n: self.gradients.array(n) for n in parameters}, count)
        among = {name: self.derivative(self.names.find(name)) for name in (*values, *ranked)}
        return sorted(among, key=lambda name: -abs(among[name]))[:count]

    def most_changed(self, count: int) -> list[str]:
        """Give the parameters that the step changes most, largest change first."""
        after, before = self.updated_parameters, self.parameters
        changes = {n: after.array(n) - before.array(n) for n in self.subject.params}
        return self._ranked(changes, count)

    def _ranked(self, arrays: Mapping[str, Array], count: int) -> list[str]:
        found: list[tuple[float, str]] = []
        for name, array in arrays.items():
            sizes = np.abs(array.reshape(-1))
            places = np.argsort(-sizes, kind="stable")[:count]
            for place in places.tolist():
                index = tuple(int(i) for i in np.unravel_index(place, array.shape))
                found.append((-float(sizes[place]), self.scalars.name(name, index)))
        return [name for _, name in sorted(found, key=lambda pair: pair[0])[:count]]


class _Stations(Container[Cell]):
    """Where chains stop."""

    def __init__(self, names: Names) -> None:
        self._names = names

    def __contains__(self, cell: object) -> bool:
        return isinstance(cell, Cell) and self._names.is_station(cell)


def shortened(terms: Sequence[Expression], most: int = _TERMS) -> list[Expression]:
    """Give the largest terms of a sum in their order, and the rest as one."""
    if len(terms) <= most:
        return list(terms)
    ranked = sorted(range(len(terms)), key=lambda i: -abs(terms[i].value))
    kept = sorted(ranked[: most - 1])
    rest = plus(Number(terms[i].value) for i in ranked[most - 1 :])
    return [*(terms[i] for i in kept), Rest(len(terms) - len(kept), rest.value)]
