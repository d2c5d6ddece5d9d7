"""Gradients: a network's derivatives against central differences, parameter by parameter.

Answers for ``check_gradients`` and what it reports. Not for: functions of one's own
(``limpide.check``), nor for any derivative.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from limpide import engines
from limpide.engines.reference import evaluate
from limpide.errors import DataError
from limpide.explain.doctor.case import Case
from limpide.explain.doctor.findings import columns_of_text
from limpide.gradient import gradient
from limpide.ir import Array, Graph, Node, Spec, needed, spec_of
from limpide.languages import Words, words_in
from limpide.layers import Dense, Dropout
from limpide.optimizers import SGD
from limpide.scalars import Scalars
from limpide.steps import StepPlan, trace_step

MOST_ROWS = 64
MOST_PARAMETERS = 512
_LEAST = 8  # parameters of each array
_STEPS = (2.0**-13, 2.0**-16, 2.0**-19, 2.0**-22)
_SURE = 0.01  # of what is allowed: two steps that agree so well need no smaller one
_SHOWN = 5
_NO_SIDE = 9.0


@dataclass(frozen=True)
class CheckedScalar:
    """One parameter's derivative, computed three times.

    Attributes
    ----------
    name
        Such as ``w17``.
    reference, engine
        By limpide's rules, on the reference engine and on the one that ``fit`` uses.
    numeric
        By a central difference in float64; NaN where all of them cross a kink.
    allowed
        The largest difference that passes.
    at_kink
        Whether the loss has a corner (relu at 0) so near that no difference avoids it.
    """

    name: str
    reference: float
    engine: float
    numeric: float
    allowed: float
    at_kink: bool = False

    @property
    def difference(self) -> float:
        """The larger of the two distances; at a kink only the engines are compared."""
        apart = abs(self.reference - self.engine)
        return apart if self.at_kink else max(apart, abs(self.reference - self.numeric))

    @property
    def passed(self) -> bool:
        return self.difference <= self.allowed  # False for NaN


@dataclass(frozen=True)
class GradientCheck:
    """What ``net.gradcheck`` found; true where every derivative passed.

    Attributes
    ----------
    scalars
        Those compared.
    of_parameters
        How many parameters there are.
    rows, engine, tolerance, seed
        With what they were compared.
    """

    scalars: tuple[CheckedScalar, ...]
    of_parameters: int
    rows: int
    engine: str
    tolerance: float
    seed: int
    language: str | None = None

    def __bool__(self) -> bool:
        return all(scalar.passed for scalar in self.scalars)

    @property
    def failures(self) -> tuple[CheckedScalar, ...]:
        """Those that do not pass, worst first."""
        wrong = [s for s in self.scalars if not s.passed]
        return tuple(sorted(wrong, key=_badness, reverse=True))

    @property
    def worst(self) -> CheckedScalar:
        """The one that comes closest to failing, or fails by most."""
        return max(self.scalars, key=_badness)

    @property
    def kinks(self) -> tuple[CheckedScalar, ...]:
        """Those that stand at a corner of the loss, of which only the engines are compared."""
        return tuple(s for s in self.scalars if s.at_kink)

    def to_text(self, language: str | None = None, width: int | None = None) -> str:
        """Give the verdict, and the worst of them as a table."""
        words, width = words_in(language or self.language), columns_of_text(width)
        shown = self.failures[:_SHOWN] or (self.worst,)
        lines = [*textwrap.wrap(self._verdict(words), width), *_table(shown, words, width)]
        if self.kinks:
            corners = words.plural(
                "{n} parameter stands at a corner of the loss (such as relu at 0), where there "
                "is no one derivative: there only the engines are compared.",
                "{n} parameters stand at a corner of the loss (such as relu at 0), where there "
                "is no one derivative: there only the engines are compared.",
                len(self.kinks),
            )
            lines += textwrap.wrap(corners, width)
        return "\n".join(lines)

    def _verdict(self, words: Words) -> str:
        total, wrong = len(self.scalars), len(self.failures)
        rows = words.plural("{n} row", "{n} rows", self.rows)
        if wrong:
            found = words.plural(
                "{n} of {all} derivatives is wrong", "{n} of {all} derivatives are wrong", wrong,
                all=words.whole(total),
            )  # fmt: skip
        else:
            found = words.plural("{n} derivative is right", "{n} derivatives are right", total)
        if total < self.of_parameters:
            drawn = words.plural(
                "(drawn from {n} parameter)", "(drawn from {n} parameters)", self.of_parameters
            )
            found = f"{found} {drawn}"
        return words.say(
            "{found}: compared in float64 on {rows} with differences and the engine {engine}. The "
            "worst:",
            found=found,
            rows=rows,
            engine=self.engine,
        )

    def to_json(self) -> str:
        """Give it as JSON: figures in full precision, English keys."""
        found = {
            "passed": bool(self),
            "compared": len(self.scalars),
            "parameters": self.of_parameters,
            "rows": self.rows,
            "engine": self.engine,
            "tolerance": self.tolerance,
            "seed": self.seed,
            "scalars": [_as_json(scalar) for scalar in self.scalars],
        }
        return json.dumps(found, indent=2, allow_nan=False)

    def __str__(self) -> str:
        return self.to_text()


def _badness(scalar: CheckedScalar) -> float:
    ratio = scalar.difference / scalar.allowed
    return np.inf if np.isnan(ratio) else ratio


def _as_json(scalar: CheckedScalar) -> dict[str, Any]:
    figures = {
        name: value if np.isfinite(value) else str(value)
        for name in ("reference", "engine", "numeric", "difference", "allowed")
        for value in [float(getattr(scalar, name))]
    }
    return {
        "name": scalar.name,
        **figures,
        "at_kink": scalar.at_kink,
        "passed": bool(scalar.passed),
    }


def _table(scalars: tuple[CheckedScalar, ...], words: Words, width: int) -> list[str]:
    """Give a table; where it is too wide, a list for each."""
    heads = ["", words.say("by the rules"), words.say("by the engine")]
    heads += [words.say("by differences"), words.say("apart by"), words.say("allowed")]
    rows = [heads]
    for s in scalars:
        numbers = [words.number(v, 10) for v in (s.reference, s.engine, s.numeric)]
        rows.append([s.name, *numbers, words.number(s.difference, 2), words.number(s.allowed, 2)])
    widths = [max(len(row[i]) for row in rows) for i in range(len(heads))]
    if sum(widths) + 2 * len(widths) > width:
        named = [(row[0], zip(heads[1:], row[1:], strict=True)) for row in rows[1:]]
        return [
            line
            for name, cells in named
            for line in (
                f"  {name}",
                *("    " + words.say("{head}: {number}", head=h, number=n) for h, n in cells),
            )
        ]
    return [
        "  " + "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])])
        for row in rows
    ]


# Checking ----------------------------------------------------------------------------------------


def check_gradients(
    case: Case,
    tolerance: float = 1e-6,
    engine: str | None = None,
    seed: int = 0,
    language: str | None = None,
) -> GradientCheck:
    """Compare the gradient of the loss of a case's first rows; see ``Network.gradcheck``.

    A difference that crosses a kink is told from a wrong derivative by the branches taken: if a
    comparison, a relu, a maximum or a sign of the graph comes out otherwise at w + h than at w − h,
    that step crosses one, and a smaller is tried; where each of the four crosses one, no numeric
    derivative is claimed.

    Raises
    ------
    DataError
        Where the loss itself is not finite.
    """
    double = _in_float64(case)
    forward, full = _graphs(double)
    arrays = {node.name: _input(double, node) for node in forward.inputs}
    inputs = list(arrays.values())
    with np.errstate(all="ignore"):
        found = [engines.get(e).compile(full)(inputs) for e in ("reference", engine)]
    names = list(double.params)
    reference, other = (dict(zip(names, outputs[1:], strict=True)) for outputs in found)
    loss = float(found[0][0])
    if not np.isfinite(loss):
        raise DataError(
            f"gradcheck compares derivatives of a finite loss; that of these rows is {loss}. "
            "net.doctor(X, y) says where it comes from."
        )
    chosen = _chosen(double.params, seed)
    probe = _Probe(forward, arrays)
    scalars = []
    for name, places in chosen.items():
        largest = max(float(np.abs(reference[name]).max(initial=0.0)), 0.01, 0.01 * abs(loss))
        for place in places:
            numeric, kink = probe.slope(name, place, _SURE * tolerance * largest)
            scalars.append(
                CheckedScalar(
                    _scalar_names(double).name(name, place),
                    float(reference[name][place]),
                    float(other[name][place]),
                    numeric,
                    tolerance * largest,
                    kink,
                )
            )
    count = sum(a.size for a in double.params.values())
    used = engines.get(engine).name
    return GradientCheck(tuple(scalars), count, len(double.X), used, tolerance, seed, language)


def _in_float64(case: Case) -> Case:
    """Give the case with its first rows, all floats in float64 and no Dropout."""

    def double(array: Array) -> Array:
        return array.astype(np.float64) if array.dtype.kind == "f" else array

    return replace(
        case,
        placed=tuple(p for p in case.placed if not isinstance(p.layer, Dropout)),
        params={n: double(a) for n, a in case.params.items()},
        state={n: double(a) for n, a in case.state.items()},
        X=double(case.X[:MOST_ROWS]),
        y=double(case.y[:MOST_ROWS]),
    )


def _graphs(case: Case) -> tuple[Graph, Graph]:
    """Give the graph of a step's loss, and the one with the gradient of each parameter."""
    plan = StepPlan(case.placed, case.loss, SGD(), frozenset(), False)
    step = trace_step(plan, case.params, case.state, [spec_of(case.X), spec_of(case.y)])
    loss = step.outputs[-1]
    nodes = tuple(needed(step.nodes, [loss]))
    forward = Graph("loss", step.inputs, nodes, (loss,), ("loss",))
    return forward, gradient(forward, with_respect_to=list(case.params))


def _input(case: Case, node: Node) -> Array:
    known: Mapping[str, Array] = {**case.params, **case.state, "X": case.X, "y": case.y}
    spec: Spec = node.spec
    return known.get(node.name, np.ones(spec.shape, spec.numpy_dtype))


def _scalar_names(case: Case) -> Scalars:
    dense = {p.name for p in case.placed if isinstance(p.layer, Dense)}
    return Scalars({name: array.shape for name, array in case.params.items()}, dense)


def _chosen(params: Mapping[str, Array], seed: int) -> dict[str, list[tuple[int, ...]]]:
    """Give the places to compare: all, or of many some of each array, in proportion."""
    total = sum(array.size for array in params.values())
    generator = np.random.default_rng(seed)
    chosen = {}
    for name, array in params.items():
        flat = np.arange(array.size)
        if total > MOST_PARAMETERS:
            count = max(min(_LEAST, array.size), MOST_PARAMETERS * array.size // total)
            flat = np.sort(generator.choice(flat, count, replace=False))
        # From the last axis to the first: neuron by neuron, as the scalars are numbered.
        back = array.shape[::-1]
        chosen[name] = [tuple(int(i) for i in np.unravel_index(f, back))[::-1] for f in flat]
    return chosen


class _Probe:
    """The loss as one parameter moves, and the branches that are taken on the way.

    Only what depends on the parameter is worked out again: of a wide first layer, little.
    """

    def __init__(self, graph: Graph, arrays: Mapping[str, Array]) -> None:
        self._graph = graph
        self._arrays = {name: array.copy() for name, array in arrays.items()}
        self._values = evaluate(graph, list(self._arrays.values()))
        self._moving: dict[str, list[Node]] = {}

    def slope(self, name: str, place: tuple[int, ...], sure: float) -> tuple[float, bool]:
        """Give the central difference that crosses no kink, or NaN and True.

        Of several steps it is that of the one whose halves agree best: where the loss bends sharply
        (large inputs, units near their plateau) a wide step sees no slope of one point.
        """
        array = self._arrays[name]
        before = float(array[place])
        best, apart = np.nan, np.inf
        try:
            for step in _STEPS:
                found = self._difference(name, place, step * max(1.0, abs(before)))
                if found is not None and found[1] < apart:
                    best, apart = found
                if apart <= sure:
                    break
        finally:
            array[place] = before
        return best, bool(np.isinf(apart))

    def _difference(
        self, name: str, place: tuple[int, ...], h: float
    ) -> tuple[float, float] | None:
        """Give the difference about a value, and how far two widths are apart; None at a kink."""
        array = self._arrays[name]
        before = array[place].copy()
        values, sides = [], []
        for moved in (h, -h, h / 2, -h / 2):
            array[place] = before + moved
            loss, side = self._loss(name)
            values.append(loss)
            sides.append(side)
        array[place] = before
        if not all(np.array_equal(sides[0], side) for side in sides[1:]):
            return None
        wide, near = (values[0] - values[1]) / (2 * h), (values[2] - values[3]) / h
        return (4 * near - wide) / 3, abs(near - wide)

    def _depending(self, name: str) -> list[Node]:
        """Give the nodes that depend on a parameter, in running order."""
        if name not in self._moving:
            reached = {id(n) for n in self._graph.inputs if n.name == name}
            found = []
            for node in self._graph.nodes:
                if any(id(source) in reached for source in node.inputs):
                    reached.add(id(node))
                    found.append(node)
            self._moving[name] = found
        return self._moving[name]

    def _loss(self, name: str) -> tuple[float, Array]:
        values, moving = dict(self._values), self._depending(name)
        with np.errstate(all="ignore"):
            for node in moving:
                arguments = [values[id(n)] for n in node.inputs]
                values[id(node)] = node.op.compute(*arguments, **node.params)
            forks = [n for n in moving if n.op.name in _FORKS]
            sides = [_FORKS[n.op.name](values, n).reshape(-1) for n in forks]
        loss = float(values[id(self._graph.outputs[0])])
        # A missing number takes the same branch each time, though NaN is not equal to NaN.
        branches = np.concatenate(sides).astype(np.float64) if sides else np.empty(0)
        return loss, np.nan_to_num(branches, nan=_NO_SIDE)


def _first_wins(values: Mapping[int, Array], node: Node) -> Array:
    a, b = (values[id(n)] for n in node.inputs)
    return np.asarray(np.sign(a - b))


_FORKS: dict[str, Callable[[Mapping[int, Array], Node], Array]] = {
    "relu": lambda values, node: np.asarray(np.sign(values[id(node.inputs[0])])),
    "abs": lambda values, node: np.asarray(np.sign(values[id(node.inputs[0])])),
    "sign": lambda values, node: values[id(node)],
    "floor": lambda values, node: values[id(node)],
    "maximum": _first_wins,
    "minimum": _first_wins,
    "less": lambda values, node: values[id(node)],
    "less_equal": lambda values, node: values[id(node)],
    "equal": lambda values, node: values[id(node)],
}
