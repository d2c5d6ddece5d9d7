"""Factors: the derivative of one number by another that it is made of, as a formula.

Answers for local derivatives, each read off the op's own rule with an upstream gradient of 1, and
for the chain rule over the few numbers between two named ones. Not for: any derivative of its
own, or whole chains (``derivation``).
"""

from __future__ import annotations

import functools
from collections.abc import Container, Mapping, Sequence
from typing import Any

import numpy as np

from limpide.explain.derivations.cells import Cell, Cells, Named, ordered
from limpide.explain.derivations.expressions import (
    ONE,
    Expression,
    Number,
    Slope,
    call,
    plus,
    times,
)
from limpide.ir import CONSTANT, OPS, Graph, Node, Spec
from limpide.ops import cast
from limpide.tensor import Tensor, Tracing, tracing_into

_F64 = Spec((), "f64")
_KINKED = frozenset({"relu", "abs"})  # their slope is 0, 1 or −1, which says nothing by itself


@functools.lru_cache(maxsize=512)
def _rule(op_name: str, position: int, settings: tuple[tuple[str, Any], ...]) -> Graph | None:
    """Trace an op's rule on plain numbers with g = 1: inputs y, then the op's; None: zero."""
    op, params = OPS[op_name], dict(settings)
    rule = op.rule(position)
    if rule is None:
        return None
    tracing = Tracing(f"d {op_name}")
    count = len(op.derivative) if isinstance(op.derivative, tuple) else position + 1
    y = tracing.argument(_F64, "y")
    inputs = [tracing.argument(_F64, f"x{i}") for i in range(count)]
    with tracing_into(tracing):
        found = rule(Tensor(1.0, dtype="float64"), y, *inputs, **params)
        if found is None:
            return None
        node = tracing.lift(found).node
    return tracing.trace.finish([node], ["derivative"])


def _asked_for(graph: Graph) -> list[bool]:
    """Tell which inputs a rule reads: the derivative of a + b reads neither."""
    read = {id(n) for node in graph.nodes for n in node.inputs} | {id(n) for n in graph.outputs}
    return [id(n) in read for n in graph.inputs]


def interpreted(
    graph: Graph, inputs: Sequence[Expression], named: Mapping[str, Any] | None = None
) -> list[Expression]:
    """Run a graph of plain numbers on formulas; conditions are decided by their values.

    ``named`` replaces the formula of an output, by its name, for what is computed after it.
    """
    values: dict[int, Any] = {id(n): e for n, e in zip(graph.inputs, inputs, strict=True)}
    replaced = {}
    if named:
        replaced = {
            id(node): named[name]
            for name, node in zip(graph.output_names, graph.outputs, strict=True)
            if name in named
        }
    formulas: dict[int, Any] = {}
    for node in graph.nodes:
        found = _interpret(node, [values[id(n)] for n in node.inputs])
        formulas[id(node)] = found
        values[id(node)] = replaced[id(node)](found) if id(node) in replaced else found
    return [_formula(formulas.get(id(n), values[id(n)])) for n in graph.outputs]


def _formula(found: Any) -> Expression:
    return found if isinstance(found, Expression) else Number(float(found))


def _interpret(node: Node, arguments: list[Any]) -> Any:
    name = node.op.name
    if node.op is CONSTANT:
        value = node.value.reshape(-1)[0]
        return Number(float(value)) if node.spec.dtype in ("f32", "f64") else value
    if name == "where":
        return arguments[1] if bool(arguments[0]) else arguments[2]
    if name in ("broadcast", "reshape", "stop_gradient", "sum"):
        return arguments[0]
    if name == "cast":
        value = arguments[0]
        if node.params["dtype"] in ("f32", "f64"):
            return value if isinstance(value, Expression) else Number(float(value))
        return np.asarray(_plain(value)).astype(node.spec.numpy_dtype)
    if all(isinstance(a, Expression) for a in arguments) and node.spec.dtype in ("f32", "f64"):
        return call(name, arguments)
    return node.op.compute(*(np.asarray(_plain(a)) for a in arguments), **node.params)


def _plain(value: Any) -> Any:
    return np.float64(value.value) if isinstance(value, Expression) else value


class Factors:
    """Derivatives between the numbers of a graph, in terms of those that have names.

    Parameters
    ----------
    cells
        The graph, number by number.
    names
        Cell → its symbol.
    """

    def __init__(self, cells: Cells, names: Named) -> None:
        self.cells, self.names = cells, names
        self._zero: dict[tuple[int, int], Any] = {}

    def local(self, result: Cell, by: Cell) -> Expression:
        """Give the derivative of a computed number by one of those that it is made of."""
        cells, op = self.cells, self.cells.nodes[result.node].op
        if op.name == "matmul":
            return plus(
                self._by_rule("multiply", position, (), result, pair)
                for pair, position in cells.pairs_of(result, by)
            )
        arguments = cells.arguments(result)
        places = [i for i, a in enumerate(arguments) if cells.settled(a, stops=True) == by]
        if op.name in ("sum", "scatter_add"):
            return plus(self._by_rule("add", 0, (), result, (by, by)) for _ in places)
        if op.kind != "elementwise":
            return plus(self._measured(result, arguments[i]) for i in places)
        settings = tuple(sorted(cells.nodes[result.node].params.items()))
        return plus(self._by_rule(op.name, i, settings, result, arguments) for i in places)

    def formula(self, cell: Cell) -> Expression:
        """Give a number's symbol, or its formula where it has no name."""
        settled = self.cells.settled(cell)
        if settled is None:
            return Number(0.0)
        return self.names.get(settled) or self.cells.written(settled, self.names)

    def _by_rule(
        self,
        op: str,
        position: int,
        settings: tuple[tuple[str, Any], ...],
        result: Cell,
        arguments: Sequence[Cell],
    ) -> Expression:
        """Give the derivative by one argument; formulas that the rule does not read stay unmade."""
        graph = _rule(op, position, settings)
        if graph is None:
            return Number(0.0)
        y_read, *read = _asked_for(graph)
        y: Expression = ONE
        if y_read:
            y = self.names.get(result) or self.cells.written(result, self.names)
        formulas = [
            self.formula(a) if wanted else ONE for a, wanted in zip(arguments, read, strict=True)
        ]
        found = interpreted(graph, [y, *formulas])[0]
        return Slope(op, self.formula(arguments[0]), found.value) if op in _KINKED else found

    def _measured(self, result: Cell, argument: Cell) -> Expression:
        """Give the derivative of an op that is no plain formula: its rule, run on arrays."""
        cells, node = self.cells, self.cells.nodes[result.node]
        position = next(i for i, n in enumerate(node.inputs) if cells.index(n) == argument.node)
        rule = node.op.rule(position)
        if rule is None:
            return Number(0.0)
        g = np.zeros(node.spec.shape)
        g.reshape(-1)[result.place] = 1.0
        inputs = [Tensor(cells.arrays[cells.index(n)]) for n in node.inputs]
        found = rule(Tensor(g), Tensor(cells.arrays[result.node]), *inputs, **node.params)
        return Number(float(cast(found, "float64").numpy().reshape(-1)[argument.place]))

    # Between two names ------------------------------------------------------------------------

    def steps(self, start: Cell, stations: Container[Cell]) -> dict[Cell, Expression]:
        """Give the next stations that depend on a number, and the derivative of each by it.

        What lies between is summed over all ways, from the station back to the start.
        """
        between: list[Cell] = [start]
        waiting, seen = [start], {start}
        while waiting:
            for use in self.cells.uses(waiting.pop()):
                if use not in seen and use not in stations:
                    seen.add(use)
                    between.append(use)
                    waiting.append(use)
        ways: dict[Cell, dict[Cell, Expression]] = {}
        for cell in sorted(between, reverse=True):  # what comes later first
            parts: dict[Cell, list[Expression]] = {}
            for use in self.cells.uses(cell):
                local = self.local(use, cell)
                onward = {use: ONE} if use in stations else ways[use]
                for end, outer in onward.items():
                    parts.setdefault(end, []).append(times(ordered([outer, local])))
            ways[cell] = {end: plus(terms) for end, terms in sorted(parts.items())}
        return ways[start]
