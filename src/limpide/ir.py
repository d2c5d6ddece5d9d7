"""The graph: Spec, Op, Node, Graph, and Trace, which records nodes in running order.

Answers for what a program is: primitive ops with known shapes and dtypes, in a flat printable
list. Not for: what an op means (``limpide.ops``), numbers (``limpide.tensor``), running.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

import limpide
from limpide.errors import DtypeError, ShapeError, choice_error

Array = npt.NDArray[Any]

NUMPY_DTYPES: dict[str, np.dtype[Any]] = {
    "f32": np.dtype(np.float32),
    "f64": np.dtype(np.float64),
    "i32": np.dtype(np.int32),
    "i64": np.dtype(np.int64),
    "u32": np.dtype(np.uint32),
    "bool": np.dtype(np.bool_),
}
_SHORT_NAMES = {dtype: name for name, dtype in NUMPY_DTYPES.items()}
_LONG_NAMES = {dtype.name: name for name, dtype in NUMPY_DTYPES.items()}

FLOATS = frozenset({"f32", "f64"})
INTEGERS = frozenset({"i32", "i64", "u32"})


def dtype_name(dtype: object) -> str:
    """Give limpide's short name of a dtype: ``"float32"``, ``np.float32`` or ``"f32"`` → ``"f32"``.

    Raises
    ------
    DtypeError
        For a dtype that graphs do not have; the message lists those they have.
    """
    if isinstance(dtype, str) and dtype in NUMPY_DTYPES:
        return dtype
    try:
        return _SHORT_NAMES[np.dtype(dtype)]  # type: ignore[call-overload]
    except (TypeError, KeyError):
        message = choice_error("dtype", getattr(dtype, "__name__", dtype), _LONG_NAMES)
        raise DtypeError(str(message)) from None


@dataclass(frozen=True, slots=True)
class Spec:
    """The shape and dtype of a value, written ``f32[32,16]``.

    >>> print(Spec((32, 16), "f32"), Spec((), "f64"))
    f32[32,16] f64[]
    """

    shape: tuple[int, ...]
    dtype: str

    def __str__(self) -> str:
        return f"{self.dtype}[{','.join(map(str, self.shape))}]"

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def numpy_dtype(self) -> np.dtype[Any]:
        return NUMPY_DTYPES[self.dtype]

    @property
    def nbytes(self) -> int:
        return self.size * self.numpy_dtype.itemsize


def spec_of(array: Array) -> Spec:
    """Give the Spec of a NumPy array whose dtype graphs have."""
    return Spec(array.shape, _SHORT_NAMES[array.dtype])


@dataclass(eq=False, slots=True)
class Op:
    """One primitive: all that is known of it, but no machine code (engines hold tables of that).

    Attributes
    ----------
    name
        What the printed graph and the tables of engines call it.
    spec
        ``spec(*input_specs, **params) -> Spec``; raises ``ShapeError`` or ``DtypeError``.
    numpy
        ``numpy(*arrays, out=None, **params) -> array``: the meaning. A ``view`` takes no ``out``.
    derivative
        One rule an input, ``rule(g, y, *inputs, **params)``, in ops: ``g`` is the gradient with
        respect to the output ``y``, the result that with respect to the input. ``None``: zero.
        An op of any number of inputs has one rule with the input's place as keyword ``index``.
    words
        How a sentence names the result; ``{0}`` and ``{1}`` are the inputs.
    symbol
        How a formula writes it, with the same placeholders.
    kind
        ``"elementwise"``: all inputs and the output have one shape, ``out`` may be an input;
        ``"view"``: the output is a view of the input's memory; ``"other"``.
    """

    name: str
    spec: Callable[..., Spec]
    numpy: Callable[..., Array]
    derivative: tuple[Callable[..., Any] | None, ...] | Callable[..., Any]
    words: str
    symbol: str
    kind: str = "other"

    def compute(self, *arrays: Array, **params: Any) -> Array:
        """Give the result in memory of its own, row by row (or a view, for a ``view``).

        The last bits of a matrix product depend on how its operands lie in memory; with results
        always row by row, eager use and planned programs agree to the bit.
        """
        return np.asarray(self.numpy(*arrays, **params), order=None if self.kind == "view" else "C")

    def rule(self, index: int) -> Callable[..., Any] | None:
        """Give the derivative rule for one input, or None where the derivative is zero."""
        if callable(self.derivative):
            variadic = self.derivative
            return lambda g, y, *inputs, **params: variadic(g, y, *inputs, index=index, **params)
        return self.derivative[index]


def _no_spec(*_: Spec, **__: Any) -> Spec:
    raise AssertionError("inputs and constants are made by Trace, not by their op")


def _no_numpy(*_: Array, **__: Any) -> Array:
    raise AssertionError("inputs and constants have no computation")


INPUT = Op("input", _no_spec, _no_numpy, (), "the input {name}", "{name}")
CONSTANT = Op("constant", _no_spec, _no_numpy, (), "the constant {value}", "{value}")


class Node:
    """One op applied to earlier nodes; knows its Spec and the layer that asked for it."""

    __slots__ = ("inputs", "layer", "name", "op", "params", "spec")

    def __init__(
        self,
        op: Op,
        inputs: tuple[Node, ...],
        params: Mapping[str, Any],
        spec: Spec,
        layer: str = "",
        name: str = "",
    ) -> None:
        self.op = op
        self.inputs = inputs
        self.params = params
        self.spec = spec
        self.layer = layer
        self.name = name

    @property
    def value(self) -> Array:
        """The array of a constant."""
        array: Array = self.params["value"]
        return array

    def __repr__(self) -> str:
        return f"<{self.name or self.op.name} {self.spec}>"


def uniform_value(node: Node) -> Array | None:
    """Give the scalar that fills a node known when traced (``2`` or ``broadcast(2)``), or None."""
    if node.op.name == "broadcast":
        node = node.inputs[0]
    if node.op is CONSTANT and node.spec.size == 1:
        return node.value.reshape(())
    return None


@dataclass(frozen=True, eq=False)
class Graph:
    """Inputs, nodes in running order, outputs: a program that engines run and people read.

    ``print(graph)`` lists it; a number, or a number broadcast, is written where it is used.
    """

    name: str
    inputs: tuple[Node, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[Node, ...]
    output_names: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join(_lines(self))

    def __repr__(self) -> str:
        return f"<Graph {self.name}: {len(self.inputs)} inputs, {len(self.nodes)} nodes>"

    @property
    def svg(self) -> str:
        """The graph as a picture; see `limpide.explain.diagrams.graph_diagram`."""
        return str(limpide.explain.diagrams.graph_diagram(self).svg)  # loaded when first drawn

    def _repr_svg_(self) -> str:
        return self.svg

    def __reduce__(self) -> Any:
        # A flat list: nodes hold nodes, and pickle would follow them deeper than Python allows.
        nodes = [*self.inputs, *self.nodes]
        place = {id(node): i for i, node in enumerate(nodes)}
        rows = [
            (n.op, [place[id(i)] for i in n.inputs], dict(n.params), n.spec, n.layer, n.name)
            for n in nodes
        ]
        outputs = [place[id(node)] for node in self.outputs]
        return _from_rows, (self.name, len(self.inputs), rows, outputs, self.output_names)


def _from_rows(
    name: str, n_inputs: int, rows: list[Any], outputs: list[int], output_names: tuple[str, ...]
) -> Graph:
    nodes: list[Node] = []
    for op, inputs, *rest in rows:
        nodes.append(Node(op, tuple(nodes[i] for i in inputs), *rest))
    results = tuple(nodes[i] for i in outputs)
    return Graph(name, tuple(nodes[:n_inputs]), tuple(nodes[n_inputs:]), results, output_names)


def _number(value: Array) -> str:
    return str(value[()])  # the fewest digits that give the number back


def node_names(graph: Graph) -> dict[int, str]:
    """Give what the printed graph calls each node: ``id(node) -> "%2"``, ``"x"`` or ``"0.5"``."""
    names = {id(node): node.name for node in graph.inputs}
    rows = 0
    for node in graph.nodes:
        scalar = uniform_value(node)
        if scalar is None:
            names[id(node)], rows = f"%{rows}", rows + 1
        else:
            names[id(node)] = _number(scalar)
    return names


def _lines(graph: Graph) -> Iterator[str]:
    names = node_names(graph)
    rows = [
        (names[id(node)], str(node.spec), formula(node, names), node.layer)
        for node in graph.nodes
        if uniform_value(node) is None
    ]
    name_width = max([len(n.name) for n in graph.inputs] + [len(r[0]) for r in rows] + [1])
    spec_width = max([len(str(n.spec)) for n in graph.inputs] + [len(r[1]) for r in rows] + [1])
    text_width = min(max([len(r[2]) for r in rows] + [1]), 48)
    yield f"graph {graph.name}"
    for node in graph.inputs:
        yield f"  {node.name:<{name_width}}  {node.spec!s:<{spec_width}}  input"
    for name, spec, text, layer in rows:
        line = f"  {name:<{name_width}}  {spec:<{spec_width}}  {text:<{text_width}}"
        yield (f"{line}  # {layer}" if layer else line).rstrip()
    results = [
        f"{name} = {names[id(node)]}"
        for name, node in zip(graph.output_names, graph.outputs, strict=True)
    ]
    yield f"  return {', '.join(results)}".rstrip()


def formula(node: Node, names: Mapping[int, str]) -> str:
    """Give what the printed graph writes for a node; ``names`` are those of ``node_names``."""
    if node.op is CONSTANT:
        return f"constant {np.array2string(node.value, threshold=6, separator=', ')}".replace(
            "\n", ""
        )
    inputs = [names[id(n)] for n in node.inputs]
    params = {k: _parameter(v) for k, v in node.params.items()}
    return node.op.symbol.format(*inputs, inputs=", ".join(inputs), spec=node.spec, **params)


def _parameter(value: Any) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(map(str, value)) + "]"
    return str(value)


def _frozen(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        # Bytes, not equality: 0.0 and -0.0 are different constants, and NaN equals itself.
        key: Any = value.tobytes() if value.nbytes <= 4096 else id(value)
        return (value.shape, value.dtype.char, key)
    return value


class Trace:
    """Records nodes in order; merges equal ones, folds constants, drops ops that do nothing."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.inputs: list[Node] = []
        self.nodes: list[Node] = []
        self._known: dict[tuple[Any, ...], Node] = {}

    def input(self, spec: Spec, name: str) -> Node:
        """Add an input; a name that is taken gets a number."""
        taken = {node.name for node in self.inputs}
        unique, count = name, 2
        while unique in taken:
            unique, count = f"{name}_{count}", count + 1
        node = Node(INPUT, (), {}, spec, name=unique)
        self.inputs.append(node)
        return node

    def constant(self, array: Array) -> Node:
        """Add an array known now; the caller gives up the right to change it."""
        array = np.asarray(array)
        array.flags.writeable = False
        return self._merge(CONSTANT, (), {"value": array}, spec_of(array))

    def record(self, op: Op, inputs: Sequence[Node], params: Mapping[str, Any]) -> Node:
        """Add one op on earlier nodes and give its node, or an equal node that exists."""
        inputs = tuple(inputs)
        spec = op.spec(*(node.spec for node in inputs), **params)
        same = _without_effect(op, inputs, params, spec)
        if same is not None:
            return same
        folded = self._fold(op, inputs, params, spec)
        if folded is not None:
            return folded
        return self._merge(op, inputs, params, spec)

    def _merge(
        self, op: Op, inputs: tuple[Node, ...], params: Mapping[str, Any], spec: Spec
    ) -> Node:
        settings = tuple((name, _frozen(value)) for name, value in sorted(params.items()))
        key = (op.name, tuple(map(id, inputs)), settings)
        node = self._known.get(key)
        if node is None:
            node = Node(op, inputs, dict(params), spec, layer=current_layer())
            self._known[key] = node
            self.nodes.append(node)
        return node

    def _fold(
        self, op: Op, inputs: tuple[Node, ...], params: Mapping[str, Any], spec: Spec
    ) -> Node | None:
        if not inputs:
            return None
        if op.kind == "elementwise":
            scalars = [uniform_value(node) for node in inputs]
            known = [scalar for scalar in scalars if scalar is not None]
            if len(known) == len(inputs):
                with np.errstate(all="ignore"):
                    filled = self.constant(op.compute(*known, **params))
                return self.broadcast(filled, spec.shape)
        known_all = all(node.op is CONSTANT for node in inputs) and op.name != "broadcast"
        # A result larger than what it is made from stays an instruction.
        if known_all and spec.size <= max(64, *(node.spec.size for node in inputs)):
            with np.errstate(all="ignore"):
                return self.constant(op.compute(*(n.value for n in inputs), **params))
        return None

    def broadcast(self, node: Node, shape: tuple[int, ...]) -> Node:
        """Record a broadcast, looked up by name so that this module knows no op's meaning."""
        return (
            node
            if node.spec.shape == shape
            else self.record(OPS["broadcast"], [node], {"shape": shape})
        )

    def finish(self, outputs: Sequence[Node], names: Sequence[str]) -> Graph:
        """Give the graph of all inputs and of those nodes that the outputs need."""
        return Graph(
            self.name,
            tuple(self.inputs),
            tuple(needed(self.nodes, outputs)),
            tuple(outputs),
            tuple(names),
        )


OPS: dict[str, Op] = {}
"""Every primitive by name; ``limpide.ops`` fills it."""


def _without_effect(
    op: Op, inputs: tuple[Node, ...], params: Mapping[str, Any], spec: Spec
) -> Node | None:
    """Give the input that equals the result bit for bit, where there is one."""
    first = inputs[0] if inputs else None
    if first is None:
        return None
    if op.name in ("reshape", "broadcast", "cast") and spec == first.spec:
        return first
    if op.name == "transpose" and params["order"] == tuple(range(spec.rank)):
        return first
    if op.name == "sum" and not params["axis"]:
        return first
    if op.name == "multiply":
        for one, other in ((inputs[0], inputs[1]), (inputs[1], inputs[0])):
            scalar = uniform_value(one)
            if scalar is not None and scalar == 1:
                return other
    if op.name == "divide":
        scalar = uniform_value(inputs[1])
        if scalar is not None and scalar == 1:
            return first
    return None


def needed(nodes: Sequence[Node], outputs: Sequence[Node]) -> list[Node]:
    """Give, in order, those nodes that the outputs depend on (no recursion: graphs are deep)."""
    wanted = {id(node) for node in outputs}
    kept = []
    for node in reversed(nodes):
        if id(node) in wanted:
            kept.append(node)
            wanted.update(map(id, node.inputs))
    return kept[::-1]


@dataclass(frozen=True, eq=False)
class Loop:
    """The one schema of training: ``for rows in order: carry, seen = step(carry, held, *a[rows])``.

    Attributes
    ----------
    step
        Inputs: ``n_carry`` carried values, ``n_held`` values that stay the same for every step
        (rates, seeds: real inputs, so that a new one compiles nothing), then one batch of each
        row array. Outputs: the carried values in the same order, then what is observed.
    tail
        The same step for the shorter last batch, or None where no batch is shorter.
    n_carry, n_held
        How many inputs of each sort there are; the other inputs are batches of rows.
    """

    step: Graph
    tail: Graph | None
    n_carry: int
    n_held: int

    @property
    def n_rows(self) -> int:
        """How many row arrays each step takes a batch from."""
        return len(self.step.inputs) - self.n_carry - self.n_held


_local = threading.local()


def current_layer() -> str:
    """Give the name of the layer that is being traced, or an empty string."""
    return getattr(_local, "layer", "")


@contextmanager
def layer_scope(name: str) -> Iterator[None]:
    """Mark all nodes recorded inside as asked for by one layer; errors name it."""
    before = current_layer()
    _local.layer = name
    try:
        yield
    finally:
        _local.layer = before


def where_raised() -> str:
    """Give ``" in layer 'hidden1'"`` for error messages, or an empty string."""
    return f" in layer {current_layer()!r}" if current_layer() else ""


def shape_error(text: str) -> ShapeError:
    """Build a ShapeError that says in which layer it was raised."""
    return ShapeError(text + where_raised() + ".")
