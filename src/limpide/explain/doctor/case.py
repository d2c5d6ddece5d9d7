"""What is examined: a network's layers and arrays with rows, and one run through them.

Answers for the names of neurons, the sample of rows, the graph of a step with every sum and its
gradient. Not for: judging the numbers (the modules beside).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from limpide import engines
from limpide.activations import Activation, linear
from limpide.explain.neurons import NeuronNames
from limpide.gradient import gradient
from limpide.ir import Array, Graph, Node, needed, node_names, spec_of
from limpide.layers import Dense, Dropout, Placed
from limpide.losses import Loss
from limpide.members import MemberDense, MemberInput, MemberOutput
from limpide.ops import sum as sum_of
from limpide.optimizers import SGD, Optimizer
from limpide.steps import StepPlan, trace_step
from limpide.tape import grad
from limpide.tensor import Tensor

MOST_ROWS = 2048
SEED = 0
_MOST_NUMBERS = 1 << 23  # sums of one run: rows are fewer for a wide network
_WATCHED = (Dense, MemberInput, MemberDense)


@dataclass(frozen=True)
class Case:
    """A network, as the doctor sees it, and the rows to examine it on.

    Attributes
    ----------
    placed, params, state
        Layers in their places, and their arrays by name.
    X, y
        As the step takes them: of the network's dtype, y f[n, outputs] or class numbers i64[n].
    loss
        What is lowered.
    optimizer
        By what; None where nobody has said, and then no rate is judged.
    n_rows
        How many rows X was drawn from.
    columns, classes, target
        Names of the columns of X, of the classes and of the target, where they are a table's.
    """

    placed: tuple[Placed, ...]
    params: Mapping[str, Array]
    state: Mapping[str, Array]
    X: Array
    y: Array
    loss: Loss
    optimizer: Optimizer | None = None
    n_rows: int = 0
    columns: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    target: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "n_rows", self.n_rows or len(self.X))

    def sampled(self, most: int = MOST_ROWS) -> Case:
        """Give the case with a sample of its rows, drawn with ``SEED``, in their order."""
        width = sum(p.outputs for p in self.placed) or 1
        most = max(1, min(most, _MOST_NUMBERS // width))
        n = len(self.X)
        if n <= most:
            return self
        rows = np.sort(np.random.default_rng(SEED).choice(n, most, replace=False))
        return replace(self, X=self.X[rows], y=self.y[rows])

    def with_params(self, params: Mapping[str, Array], state: Mapping[str, Array]) -> Case:
        """Give the case with other arrays."""
        return replace(self, params=params, state=state)

    def column(self, place: int) -> str:
        """Give the name of a column of X: x1, x2, … where it has none of its own."""
        return self.columns[place] if self.columns else f"x{place + 1}"

    @property
    def output(self) -> Placed:
        return self.placed[-1]


@dataclass
class Seen:
    """One layer's neurons on the rows: their sums, values, slopes and gradients, f[n, neurons]."""

    name: str
    neurons: list[str]
    function: Activation
    z: Array
    gradient: Array  # of the loss with respect to z
    is_output: bool = False
    _slope: Array | None = None

    @property
    def slope(self) -> Array:
        """The derivative of each neuron's value with respect to its sum."""
        if self._slope is None:
            slope = grad(lambda z: sum_of(self.function(z)))
            with np.errstate(all="ignore"):
                self._slope = slope(Tensor(self.z)).numpy()
        return self._slope


@dataclass
class Look:
    """One run forward and back over the rows."""

    loss: float
    layers: list[Seen]
    gradients: dict[str, Array]
    output: Array
    targets: Array
    bad: bool = False  # a number on the way is not finite

    @property
    def hidden(self) -> list[Seen]:
        return [seen for seen in self.layers if not seen.is_output]


@dataclass
class Recorder:
    """Layers and a loss that note the sums they are given, while a graph is traced.

    The last layer keeps its activation, by which the loss is chosen: its sum is the loss's.
    """

    placed: tuple[Placed, ...]
    loss: Loss
    sums: dict[str, Any] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, placed: Sequence[Placed], loss: Loss) -> Recorder:
        """Give the same layers and loss, recorded."""
        made = cls((), loss)
        kept = [made._recorded(p) if p is not placed[-1] else p for p in placed]
        made.placed = tuple(kept)
        made.loss = _NotedLoss(loss, made, placed[-1].name)
        return made

    def _recorded(self, place: Placed) -> Placed:
        name, layer = place.name, place.layer
        if not isinstance(layer, _WATCHED) or isinstance(layer, MemberOutput):
            return place
        function = layer.function

        def noted(z: Any) -> Any:
            self.sums[name] = z
            self.values[name] = function(z)
            return self.values[name]

        return place._replace(layer=replace(layer, activation=noted))

    def nodes(self) -> dict[str, Node]:
        """Give the node of each recorded layer's sum."""
        return {name: z.node for name, z in self.sums.items()}


class _NotedLoss(Loss):
    """A loss that notes the last layer's sum."""

    def __init__(self, loss: Loss, recorder: Recorder, layer: str) -> None:
        self._loss, self._recorder, self._layer = loss, recorder, layer
        self.per_row = loss.per_row

    def of_sum(self, y: Tensor, z: Tensor, activation: Activation) -> Tensor:
        self._recorder.sums[self._layer] = z
        return self._loss.of_sum(y, z, activation)


class Looker:
    """The run forward and back over a case's rows, compiled once for any weights.

    As in training, but that Dropout lets all through: what one draw of bits hides is no illness.
    """

    def __init__(self, case: Case) -> None:
        self.case = case
        self._placed = tuple(p for p in case.placed if not isinstance(p.layer, Dropout))
        recorder = Recorder.of(self._placed, case.loss)
        plan = StepPlan(recorder.placed, recorder.loss, SGD(), frozenset(), False)
        specs = [spec_of(case.X), spec_of(case.y)]
        self._step = trace_step(plan, case.params, case.state, specs)
        sums = recorder.nodes()
        self._names = list(sums)
        outputs = (self._step.outputs[-1], *sums.values())
        nodes = tuple(needed(self._step.nodes, outputs))
        forward = Graph("examined", self._step.inputs, nodes, outputs, ("loss", *sums))
        graph, self._order = _with_gradients(forward, sums, case.params)
        self._run = engines.get("reference").compile(graph)

    def look(self, params: Mapping[str, Array], state: Mapping[str, Array]) -> Look:
        """Run forward and back with these parameters and running statistics."""
        case = self.case.with_params(params, state)
        found = self._run(step_arrays(self._step, case))
        return _seen(case, self._placed, self._names, dict(zip(self._order, found, strict=True)))


def look(case: Case) -> Look:
    """Run a case forward and back on the reference engine."""
    return Looker(case).look(case.params, case.state)


def step_arrays(step: Graph, case: Case) -> list[Array]:
    """Give the inputs of a traced step, at its first step with rate 1, by their names."""
    known = {**case.params, **case.state, "X": case.X, "y": case.y}
    return [
        known[node.name] if node.name in known else np.ones(node.spec.shape, node.spec.numpy_dtype)
        for node in step.inputs
    ]


def _with_gradients(
    forward: Graph, sums: Mapping[str, Node], params: Mapping[str, Array]
) -> tuple[Graph, list[str]]:
    """Give the graph of the loss, the sums, and the gradients of sums and parameters."""
    full = gradient(forward, all_nodes=True)
    said = node_names(forward)
    wanted = {f"d loss / d {said[id(node)]}": f"d {name}" for name, node in sums.items()}
    wanted |= {f"d loss / d {name}": f"d {name}" for name in params}
    keep: list[tuple[str, Node]] = []
    for i, (name, node) in enumerate(zip(full.output_names, full.outputs, strict=True)):
        if i < len(forward.outputs):
            keep.append((name, node))
        elif name in wanted:
            keep.append((wanted[name], node))
    outputs = tuple(node for _, node in keep)
    graph = Graph(full.name, full.inputs, tuple(needed(full.nodes, outputs)), outputs, ())
    return graph, [name for name, _ in keep]


def _seen(
    case: Case, placed: Sequence[Placed], sums: Sequence[str], found: dict[str, Array]
) -> Look:
    names = NeuronNames(case.placed).of_layers(case.placed)
    layers = []
    for place in placed:
        if place.name not in sums:
            continue
        is_output = place.name == case.output.name
        function = getattr(place.layer, "function", linear)
        z = _by_row(found[place.name], len(case.X))
        slopes = _by_row(found[f"d {place.name}"], len(case.X))
        layers.append(Seen(place.name, names[place.name], function, z, slopes, is_output))
    gradients = {name: found[f"d {name}"] for name in case.params if f"d {name}" in found}
    with np.errstate(all="ignore"):
        last = layers[-1] if layers and layers[-1].is_output else None
        output = np.empty((0, 0)) if last is None else last.function(Tensor(last.z)).numpy()
    everything = [found["loss"], *found.values(), output]
    finite = all(np.isfinite(array).all() for array in everything)
    members = len(output) // len(case.X) or 1
    targets = np.repeat(case.y, members, axis=0)
    return Look(float(found["loss"]), layers, gradients, output, targets, not finite)


def _by_row(array: Array, rows: int) -> Array:
    """Give f[n, neurons] also for members, which have f[members, n, neurons]."""
    if array.ndim == 3:
        return array.transpose(1, 0, 2).reshape(rows, -1)
    return array


def one_hot(y: Array, width: int) -> Array:
    """Give targets as f64[n, outputs], class numbers too."""
    if y.ndim == 1:
        return np.eye(width)[y]
    return y.astype(np.float64)


def class_codes(case: Case) -> Array | None:
    """Give each row's class, i64[n], or None where the target is no class."""
    y = case.y
    if y.ndim == 1:
        return y
    if not ((y == 0) | (y == 1)).all():
        return None
    if y.shape[1] == 1:
        return y[:, 0].astype(np.int64)
    return np.asarray(y.argmax(axis=1)) if (y.sum(axis=1) == 1).all() else None


def constant_loss(case: Case) -> float:
    """Give the loss of the best constant answer (or about it), or NaN where there is none.

    Where the target never changes that answer is right, and nothing can be compared with it: there
    it is the loss of an answer that is wrong by the target's own size.
    """
    width = case.output.outputs
    targets = one_hot(case.y, width)
    middle = targets.mean(axis=0)
    if case.loss.name == "mae":
        middle = np.median(targets, axis=0)
    if (targets == targets[:1]).all():
        middle = targets[0] - np.maximum(np.abs(targets[0]), 1)
    activation = getattr(case.output.layer, "function", linear)
    logarithm = case.loss.name == "poisson" and activation is linear
    with np.errstate(all="ignore"):
        answer = np.broadcast_to(np.log(middle) if logarithm else middle, targets.shape)
        found = case.loss.elements(Tensor(targets), Tensor(np.array(answer))).numpy()
    return float(found.mean())
