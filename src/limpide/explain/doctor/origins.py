"""Origins: the first number of a step that is not finite, and what it was made from.

Answers for walking back through the graph of a step, value by value. Not for: when a run diverged
(``limpide.training``), nor for the sentences (``wording``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from limpide.engines.reference import evaluate
from limpide.explain.doctor.case import Case, Recorder, step_arrays
from limpide.explain.doctor.findings import Finding
from limpide.explain.neurons import NeuronNames
from limpide.ir import CONSTANT, FLOATS, INPUT, Array, Graph, Node, spec_of, uniform_value
from limpide.layers import Dense
from limpide.optimizers import SGD
from limpide.scalars import Scalars
from limpide.steps import StepPlan, trace_step

Place = tuple[Node, tuple[int, ...]]
_MOVES = frozenset(
    {"broadcast", "reshape", "transpose", "slice", "concatenate", "gather", "stop_gradient"}
)
_LONGEST = 12  # links of a chain


@dataclass(frozen=True)
class Link:
    """One number of a chain: what it is called, by which op it came, and from what."""

    name: str
    op: str
    symbol: str
    value: float
    terms: tuple[tuple[str, float], ...]
    layer: str = ""

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "op": self.op,
            "symbol": self.symbol,
            "value": self.value,
            "layer": self.layer,
            "terms": [{"name": name, "value": value} for name, value in self.terms],
        }


def find_first_bad(case: Case, row_numbers: Sequence[int] | None = None) -> list[Finding]:
    """Find the first number that is not finite in one step over all rows of a case."""
    recorder = Recorder.of(case.placed, case.loss)
    optimizer = case.optimizer or SGD()
    plan = StepPlan(recorder.placed, recorder.loss, optimizer, frozenset(), False)
    graph = trace_step(plan, case.params, case.state, [spec_of(case.X), spec_of(case.y)])
    arrays = dict(zip([n.name for n in graph.inputs], step_arrays(graph, case), strict=True))
    scalars = {name: np.array(v, np.float64) for name, v in optimizer.scalars().items()}
    slots = {n: np.zeros_like(arrays[n]) for n in arrays if n.rpartition(".")[0] in case.params}
    zeros = {"step": np.zeros((), np.uint32), "seed": np.zeros((), np.uint32)}
    arrays |= {n: a for n, a in {**scalars, **slots, **zeros}.items() if n in arrays}
    return bad_number(case, graph, arrays, recorder, row_numbers)


def bad_number(
    case: Case,
    graph: Graph,
    arrays: Mapping[str, Array],
    recorder: Recorder,
    row_numbers: Sequence[int] | None = None,
) -> list[Finding]:
    """Find the first number that is not finite in a traced step with these inputs."""
    values = evaluate(graph, [arrays[node.name] for node in graph.inputs])
    walk = _Walk(values, _Names(case, graph, recorder))
    start = _first_bad_output(graph, values)
    if start is None:
        return []
    origin = walk.back(start)
    links = walk.chain(origin)
    row = walk.row(origin, len(arrays["X"]))
    figures: dict[str, Any] = {
        "loss": float(values[id(graph.outputs[-1])]),
        "value": walk.value(origin),
        "op": origin[0].op.name,
        "chain": [link.as_dict() for link in links],
    }
    where: dict[str, Any] = {}
    if layer := origin[0].layer or next((link.layer for link in links if link.layer), ""):
        where["layer"] = layer
    if named := walk.neuron(origin):
        where["neurons"] = [named]
    parameters = walk.names.parameters(walk.path)
    if parameters:
        where["parameters"] = parameters
    if row is not None:
        where["rows"] = [int(row if row_numbers is None else row_numbers[row])]
    return [Finding("not_finite", "serious", where, figures)]


def _first_bad_output(graph: Graph, values: Mapping[int, Array]) -> Place | None:
    """Give the loss, if it is not finite, else the first weight that a step leaves so."""
    for node in (graph.outputs[-1], *graph.outputs[:-1]):
        if node.spec.dtype not in FLOATS:
            continue
        bad = np.argwhere(~np.isfinite(values[id(node)]))
        if len(bad):
            return node, tuple(bad[0].tolist())
    return None


class _Names:
    """What a reader calls the numbers of a step."""

    def __init__(self, case: Case, graph: Graph, recorder: Recorder) -> None:
        shapes = {name: array.shape for name, array in case.params.items()}
        dense = {p.name for p in case.placed if isinstance(p.layer, Dense)}
        self._scalars = Scalars(shapes, dense)
        self._shapes = shapes
        self._width = case.output.outputs
        neurons = NeuronNames(case.placed).of_layers(case.placed)
        self._sums = {id(t.node): neurons[name] for name, t in recorder.sums.items()}
        self._values = {id(t.node): neurons[name] for name, t in recorder.values.items()}
        self._loss = id(graph.outputs[-1])

    def of(self, place: Place) -> str:
        """Give a number's name, or an empty text."""
        node, index = place
        if id(node) == self._loss:
            return "L"
        for names, prefix in ((self._values, ""), (self._sums, "z_")):
            neuron = self._neuron_in(names, place)
            if neuron:
                return prefix + neuron
        if node.op is not INPUT:
            return ""
        if node.name in self._shapes:
            return self._scalars.name(node.name, index)
        if node.name in ("X", "y"):
            letter = node.name.lower()
            many = len(index) > 1 and not (letter == "y" and self._width == 1)
            return f"{letter}{index[-1] + 1}" if many else letter
        return node.name

    def neuron(self, place: Place) -> str:
        """Give the neuron whose value or sum a number is, or an empty text."""
        return self._neuron_in(self._values, place) or self._neuron_in(self._sums, place)

    def parameters(self, path: Sequence[Place]) -> list[str]:
        """Give the names of the parameters on a path."""
        found = [self.of(p) for p in path if p[0].op is INPUT and p[0].name in self._shapes]
        return list(dict.fromkeys(found))

    def _neuron_in(self, names: Mapping[int, list[str]], place: Place) -> str:
        found = names.get(id(place[0]))
        if found is None:
            return ""
        index = place[1]
        flat = index[-1] if len(index) == 2 else index[0] * place[0].spec.shape[-1] + index[-1]
        return found[flat] if flat < len(found) else ""


class _Walk:
    """A way back through the values of a step."""

    def __init__(self, values: Mapping[int, Array], names: _Names) -> None:
        self._values, self.names = values, names
        self.path: list[Place] = []
        self._trail: list[Place] = []  # from the bad output back to the first bad number

    def value(self, place: Place) -> float:
        return float(self._values[id(place[0])][place[1]])

    def back(self, start: Place) -> Place:
        """Go back as long as a number that is not finite is made from one that is not."""
        place = start
        while True:
            self._trail.append(place)
            bad = [p for p in self.parts(place) if not math.isfinite(self.value(p))]
            if not bad:
                return place
            place = bad[0]

    def chain(self, origin: Place) -> list[Link]:
        """Give the numbers from the first bad one down to weights and inputs, largest first."""
        links: list[Link] = []
        place: Place | None = origin
        while place is not None and len(links) < _LONGEST:
            self.path.append(place)
            terms = self._terms(place)
            moving = place[0].op.name in _MOVES or place[0].op.name == "cast"
            if not links or not moving:
                links.append(self._link(place, terms))
            self.path += [term for term in terms if term[0].op is INPUT]
            place = self._next(place, terms)
        return links

    def neuron(self, origin: Place) -> str:
        """Give the neuron in whose sum or value a number stands, or an empty text."""
        own = [place for place in self._trail[::-1] if place[0].layer == origin[0].layer]
        return next(filter(None, map(self.names.neuron, (*own, *self.path))), "")

    def row(self, origin: Place, rows: int) -> int | None:
        """Give the row of the rows that a number belongs to, where it belongs to one."""
        own = [place for place in self._trail[::-1] if place[0].layer == origin[0].layer]
        for place in (*own, *self.path):
            node, index = place
            if self.names.neuron(place) or (node.op is INPUT and node.name == "X"):
                row = index[-2]
                answers = node.spec.shape[-2] // rows  # members each answer for themselves
                return row // answers if answers else row
        return None

    def parts(self, place: Place) -> list[Place]:
        """Give the numbers that one was made from; of many, those that matter."""
        node, index = place
        if node.op in (INPUT, CONSTANT) or not node.inputs:
            return []
        if node.op.name == "where":
            chosen = bool(self._values[id(node.inputs[0])][index])
            return [(node.inputs[1 if chosen else 2], index)]
        if node.op.kind == "elementwise" or node.op.name == "cast":
            return [(n, index) for n in node.inputs]
        if node.op.name in _MOVES:
            return [self._moved(node, index)]
        if node.op.name == "matmul":
            return self._product(node, index)
        return self._gathered(node, index)

    def _moved(self, node: Node, index: tuple[int, ...]) -> Place:
        """Find where a moved number stood: the op moves the numbers of places in its stead."""
        count, numbers = 0, []
        for n in node.inputs:
            if n.spec.dtype in FLOATS or node.op.name != "gather":
                numbers.append(np.arange(count, count + n.spec.size).reshape(n.spec.shape))
                count += n.spec.size
            else:
                numbers.append(self._values[id(n)])
        flat = int(node.op.compute(*numbers, **node.params)[index])
        for n in node.inputs:
            if flat < n.spec.size:
                return n, tuple(int(i) for i in np.unravel_index(flat, n.spec.shape))
            flat -= n.spec.size
        raise AssertionError("a moved number stands in one of the inputs")

    def _product(self, node: Node, index: tuple[int, ...]) -> list[Place]:
        """Give the two factors of the largest term of a sum of products."""
        left, right = node.inputs
        *outer, i, j = index
        a = self._values[id(left)][(*outer, i)]
        b = self._values[id(right)].swapaxes(-1, -2)[(*outer, j)]
        with np.errstate(all="ignore"):
            k = _largest(a.astype(np.float64) * b)
        return [(left, (*outer, i, k)), (right, (*outer, k, j))]

    def _gathered(self, node: Node, index: tuple[int, ...]) -> list[Place]:
        """Give the largest of the numbers that a sum, a maximum or the like was taken of."""
        source = node.inputs[-1] if node.op.name == "scatter_add" else node.inputs[0]
        array = self._values[id(source)]
        axes = node.params.get("axis")
        if node.op.name not in ("sum", "max") or not isinstance(axes, tuple):
            flat = _largest(array.reshape(-1)) if array.size else 0
            return [(source, _unravelled(flat, array.shape))] if array.size else []
        rest = iter(index)
        chosen = tuple(slice(None) if i in axes else next(rest) for i in range(array.ndim))
        part = array[chosen]
        inner = iter(_unravelled(_largest(part.reshape(-1)), part.shape))
        full = tuple(next(inner) if isinstance(c, slice) else c for c in chosen)
        return [(source, full)]

    def _terms(self, place: Place) -> list[Place]:
        """Give the numbers to name beside one, seen through what only moves them."""
        return [self._through(part) for part in self.parts(place)]

    def _through(self, place: Place) -> Place:
        while place[0].op.name in _MOVES and not self.names.of(place):
            place = self._moved(*place)
        return place

    def _next(self, place: Place, terms: list[Place]) -> Place | None:
        """Give the number to go on with: the one that made this one large."""
        going = [term for term in terms if term[0].op not in (INPUT, CONSTANT)]
        if not going:
            return None
        if place[0].op.name == "divide" and len(terms) == 2 and self.value(terms[1]) == 0:
            return terms[1] if terms[1] in going else None
        biggest = max(terms, key=lambda t: abs(self.value(t)))
        return biggest if biggest in going else None

    def _link(self, place: Place, terms: list[Place]) -> Link:
        node = place[0]
        symbol = "{0} · {1}" if node.op.name == "matmul" else node.op.symbol
        shown = tuple((self._term_name(t), self.value(t)) for t in terms)
        symbol = symbol if "{0}" in symbol and len(shown) > symbol.count("{") - 1 else ""
        name = self.names.of(place)
        return Link(name, node.op.name, symbol, self.value(place), shown, node.layer)

    def _term_name(self, place: Place) -> str:
        return "" if uniform_value(place[0]) is not None else self.names.of(place)


def _largest(array: Array) -> int:
    """Give the place of the first number that is not finite, else of the largest."""
    bad = np.flatnonzero(~np.isfinite(array))
    return int(bad[0]) if len(bad) else int(np.abs(array).argmax())


def _unravelled(flat: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(flat, shape)) if shape else ()
