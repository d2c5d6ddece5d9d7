"""From a network's graph, which is traced for so many rows, to a program for any number of them.

Answers for telling sizes that are numbers of rows from others, and for refusing a graph in which
rows see each other. Not for: what a program is (``values``), nor for writing it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from limpide.errors import ArgumentError
from limpide.exports.idioms import Idiom, find_idioms
from limpide.exports.values import Program, Rows, Shape, Size, Value, plain_size
from limpide.ir import Array, Graph, Node

# The graph is traced for three of these numbers of rows, which divide no other size of the
# network: what is a multiple of all three is a multiple of the number of rows.
_PRIMES = (101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167, 173, 179, 181)

TRAINING_ONLY = frozenset({"random_bits", "scatter_add", "shift_right"})
"""Primitives that occur in training alone, which exports leave out."""

_VARIES = "Its rows see each other, and an exported network takes each row by itself"


def read_program(
    graph_for: Callable[[int], Graph],
    params: Mapping[str, Array],
    state: Mapping[str, Array],
    idioms: frozenset[str] = frozenset(),
) -> Program:
    """Give the program of a network for any number of rows.

    Parameters
    ----------
    graph_for
        Gives the graph for a number of rows; its inputs are params, state, then f[rows, inputs],
        its one output f[rows, outputs].
    params, state
        The arrays by name, in the order of the graph's inputs.
    idioms
        Which idioms are to be single values, such as ``softmax``.

    Raises
    ------
    ArgumentError
        For a graph in which the result for a row depends on other rows or on their number.
    """
    graphs, counts = _traced(graph_for, [*params.values(), *state.values()])
    found = find_idioms(graphs[0], idioms)
    reader = _Reader(graphs, counts, found)
    trained = [True] * len(params) + [False] * len(state)
    arrays = {**params, **{f"state {name}": array for name, array in state.items()}}
    for place, (name, array) in enumerate(arrays.items()):
        reader.add_array(place, name.removeprefix("state "), array, trained[place])
    rows = reader.add_rows(len(arrays))
    for place in _needed(graphs[0], found):
        reader.add_node(place)
    program = reader.finish(rows)
    check_rows_apart(program)
    return program


def _traced(
    graph_for: Callable[[int], Graph], arrays: Sequence[Array]
) -> tuple[list[Graph], list[int]]:
    sizes = [size for array in arrays for size in array.shape if size]
    fit = [p for p in _PRIMES if all(size % p for size in sizes)]
    counts = (fit if len(fit) >= 3 else list(_PRIMES))[:3]
    graphs = [graph_for(count) for count in counts]
    if len({len(graph.nodes) for graph in graphs}) > 1:
        raise ArgumentError(
            f"The network does other things for {counts[0]} rows than for {counts[1]}. {_VARIES}: "
            "write its layers without the number of rows."
        )
    return graphs, counts


def _needed(graph: Graph, found: Mapping[int, Idiom]) -> list[int]:
    """Give the places of the nodes that are needed where idioms are single values."""
    wanted = {id(graph.outputs[0])}
    places = []
    for place in reversed(range(len(graph.nodes))):
        node = graph.nodes[place]
        if id(node) in wanted:
            places.append(place)
            idiom = found.get(id(node))
            wanted.update(map(id, node.inputs if idiom is None else idiom.inputs))
    return places[::-1]


class _Reader:
    """Makes values of the nodes that stand in the same place of several traces."""

    def __init__(
        self, graphs: Sequence[Graph], counts: Sequence[int], found: Mapping[int, Idiom]
    ) -> None:
        self._graphs, self._counts, self._found = graphs, counts, found
        self._values: dict[int, Value] = {}
        self._order: list[Value] = []
        self._place = [
            {id(node): i for i, node in enumerate((*graph.inputs, *graph.nodes))}
            for graph in graphs
        ]

    def add_array(self, place: int, name: str, array: Array, trained: bool) -> None:
        node = self._graphs[0].inputs[place]
        value = Value("array", (), {}, node.spec.shape, node.spec.dtype, "", name, array, trained)
        self._values[id(node)] = value

    def add_rows(self, place: int) -> Value:
        node = self._graphs[0].inputs[place]
        shape: Shape = (Rows(), *node.spec.shape[1:])
        value = Value("input", (), {}, shape, node.spec.dtype, name=node.name)
        self._values[id(node)] = value
        return value

    def add_node(self, place: int) -> None:
        nodes = [graph.nodes[place] for graph in self._graphs]
        first = nodes[0]
        self._check_alike(nodes)
        idiom = self._found.get(id(first))
        sources = first.inputs if idiom is None else idiom.inputs
        inputs = tuple(self._values[id(node)] for node in sources)
        shape = self._sizes([node.spec.shape for node in nodes], first)
        if first.op.name == "stop_gradient":
            self._values[id(first)] = inputs[0]
            return
        if idiom is not None:
            value = Value(idiom.name, inputs, idiom.params, shape, first.spec.dtype, first.layer)
        elif first.op.name == "constant":
            array = first.value
            value = Value("constant", (), {}, shape, first.spec.dtype, first.layer, array=array)
        else:
            params = {
                key: self._param([node.params[key] for node in nodes], first)
                for key in first.params
            }
            value = Value(first.op.name, inputs, params, shape, first.spec.dtype, first.layer)
        self._values[id(first)] = value
        self._order.append(value)

    def _check_alike(self, nodes: Sequence[Node]) -> None:
        first = nodes[0]
        if first.op.name in TRAINING_ONLY:
            raise ArgumentError(
                f"{_where(first.layer)}uses {first.op.name}, which belongs to training alone. "
                "Leave it out where training is None."
            )
        places = [
            [place[id(i)] for i in node.inputs]
            for place, node in zip(self._place, nodes, strict=True)
        ]
        same = all(node.op is first.op for node in nodes) and places.count(places[0]) == len(places)
        if same and first.op.name == "constant":
            same = all(_same_array(node.value, first.value) for node in nodes)
        if not same:
            raise _depends(first.layer)

    def _param(self, values: Sequence[Any], node: Node) -> Any:
        if isinstance(values[0], tuple):
            return self._sizes(values, node)
        if isinstance(values[0], int):
            return self._sizes([(value,) for value in values], node)[0]
        if any(value != values[0] for value in values):
            raise _depends(node.layer)
        return values[0]

    def _sizes(self, shapes: Sequence[Any], node: Node) -> tuple[Size, ...]:
        if len({len(shape) for shape in shapes}) > 1:
            raise _depends(node.layer)
        return tuple(self._size(sizes, node) for sizes in zip(*shapes, strict=True))

    def _size(self, sizes: Sequence[int], node: Node) -> Size:
        if len(set(sizes)) == 1:
            return int(sizes[0])
        times = sizes[0] // self._counts[0]
        if any(size != times * n for size, n in zip(sizes, self._counts, strict=True)):
            raise _depends(node.layer)
        return Rows(times)

    def finish(self, rows: Value) -> Program:
        output = self._values[id(self._graphs[0].outputs[0])]
        used = {id(item) for value in self._order for item in value.inputs} | {id(output)}
        arrays = [v for v in self._values.values() if v.op == "array" and id(v) in used]
        return Program(rows, arrays, self._order, output)


def _same_array(first: Array, second: Array) -> bool:
    return first.shape == second.shape and first.tobytes() == second.tobytes()


def _where(layer: str) -> str:
    return f"Layer {layer!r} " if layer else "The network "


def _depends(layer: str) -> ArgumentError:
    return ArgumentError(
        f"{_where(layer)}computes something from the number of rows that are predicted together. "
        f"{_VARIES}: write the layer without it."
    )


def _mixes(value: Value) -> ArgumentError:
    return ArgumentError(
        f"{_where(value.layer)}brings the rows that are predicted together into one result "
        f"({value.op}). {_VARIES}: write the layer so that it works along the columns."
    )


# Rows apart -----------------------------------------------------------------------------------


def check_rows_apart(program: Program) -> None:
    """Refuse a program in which a row's result depends on other rows.

    Raises
    ------
    ArgumentError
        Names the layer and the op.
    """
    for value in program.values:
        if sum(isinstance(size, Rows) for size in value.shape) > 1:
            raise _mixes(value)
        if any(item.row_axis is not None for item in value.inputs) or value.row_axis is not None:
            rule = _APART.get(value.op)
            if rule is not None and not rule(value):
                raise _mixes(value)
    if program.output.row_axis != 0 or program.output.shape[0] != Rows():
        raise _mixes(program.output)


def _reshaped_apart(value: Value) -> bool:
    """The rows stay the slowest of what they are joined with: f[n,m,k] and f[nm,k]."""
    old, new = value.inputs[0], value
    if old.row_axis is None or new.row_axis is None:
        return False
    before = plain_size(old.shape[: old.row_axis]), plain_size(new.shape[: new.row_axis])
    return before[0] == before[1]


def _sliced_apart(value: Value) -> bool:
    axis = value.inputs[0].row_axis
    assert axis is not None
    return value.shape[axis] == value.inputs[0].shape[axis]


def _joined_apart(value: Value) -> bool:
    return len(value.inputs) == 1 or value.params["axis"] != value.row_axis


def _gathered_apart(value: Value) -> bool:
    x, indices = value.inputs
    if x.row_axis is None:
        return True
    return indices.row_axis is None and value.params["axis"] != x.row_axis


def _reduced_apart(value: Value) -> bool:
    return value.inputs[0].row_axis not in value.params["axis"]


def _multiplied_apart(value: Value) -> bool:
    a, b = value.inputs
    if a.row_axis == a.rank - 1 or b.row_axis == b.rank - 2:
        return False
    if a.row_axis is None or b.row_axis is None:
        return True
    return a.row_axis == b.row_axis < a.rank - 2


def _along_apart(value: Value) -> bool:
    return bool(value.params["axis"] != value.inputs[0].row_axis)


_APART: dict[str, Callable[[Value], bool]] = {
    "reshape": _reshaped_apart,
    "slice": _sliced_apart,
    "concatenate": _joined_apart,
    "gather": _gathered_apart,
    "sum": _reduced_apart,
    "max": _reduced_apart,
    "mean": _reduced_apart,
    "logsumexp": _reduced_apart,
    "softmax": _along_apart,
    "log_softmax": _along_apart,
    "matmul": _multiplied_apart,
    "iota": lambda value: value.params["axis"] != value.row_axis,
}
