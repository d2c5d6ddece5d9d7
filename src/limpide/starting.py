"""First weights of many networks of the same layers, each from its seed.

Answers for the arrays that ``Network(layers, seed=s)`` would begin with, to the bit, for thousands
of seeds. Not for: what is drawn (``limpide.initializers``).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from limpide import engines
from limpide.ir import NUMPY_DTYPES, Array, Graph, Node, Spec
from limpide.layers import Placed
from limpide.ops import RandomSource, reshape
from limpide.tensor import Tensor, Tracing, tracing_into

# Ops that give the same bits on every engine: each is rounded once, or not at all.
_EXACT = {"random_bits", "shift_right", "cast", "add", "subtract", "multiply", "divide", "negative"}
_EXACT |= {"sqrt", "constant", "iota", "broadcast", "reshape", "slice", "transpose", "concatenate"}
_DRAWS = "random_bits"


def first_weights(
    placed: Sequence[Placed], dtype: str, seeds: Array, engine: str | None = None
) -> dict[str, Array]:
    """Give the first parameters for each seed: name → dtype[n, …].

    Random bits are drawn in compiled code. What is made of them is too where that cannot change a
    bit; logarithms and cosines are NumPy's, as in ``Network``.

    Parameters
    ----------
    seeds
        n whole numbers below 2**32.

    Examples
    --------
    >>> import limpide as lp
    >>> net = lp.Network([2, 1], seed=7)
    >>> drawn = first_weights(net.placed, "f32", np.array([6, 7]))
    >>> bool((drawn["output.weights"][1] == net.params["output.weights"]).all())
    True
    """
    graph = _trace(placed, dtype)
    shapes = [node.spec.shape[1:] for node in graph.outputs]
    drawn = [np.empty((len(seeds), *shape), NUMPY_DTYPES[dtype]) for shape in shapes]
    rows = np.ascontiguousarray(seeds, np.uint32)
    chosen = engines.get("reference" if engine == "reference" else "native")
    if all(node.op.name in _EXACT for node in graph.nodes):
        if len(rows):
            chosen.compile_rows(graph, 0)([], [rows], drawn)
        return dict(zip(graph.output_names, drawn, strict=True))
    bits, rest = _cut(graph)
    draw, make = chosen.compile(bits), engines.get("reference").compile(rest)
    for i in range(len(rows)):
        seed = rows[i : i + 1]
        for whole, one in zip(drawn, make([seed, *draw([seed])]), strict=True):
            whole[i] = one[0]
    return dict(zip(graph.output_names, drawn, strict=True))


def _trace(placed: Sequence[Placed], dtype: str) -> Graph:
    """Trace drawing the first weights of one network from its seed, u32[1]."""
    tracing = Tracing("first weights")
    given = tracing.argument(Spec((1,), "u32"), "seed")
    nodes, names = [], []
    with tracing_into(tracing):
        seed, step = reshape(given, ()), Tensor(0, dtype="uint32")
        specs = {
            f"{p.name}.{k}": s for p in placed for k, s in p.layer.parameters(p.inputs).items()
        }
        for stream, (name, spec) in enumerate(specs.items()):  # the streams that networks draw from
            drawn = spec.initializer.draw(RandomSource(seed, step, stream), spec.shape, dtype)
            nodes.append(tracing.lift(reshape(drawn, (1, *spec.shape))).node)
            names.append(name)
    return tracing.trace.finish(nodes, names)


def _cut(graph: Graph) -> tuple[Graph, Graph]:
    """Give what draws random bits from the seed, and what makes weights of the seed and those."""
    bits = tuple(node for node in graph.nodes if node.op.name == _DRAWS)
    before = _up_to(graph, bits, set())
    after = _up_to(graph, graph.outputs, {id(node) for node in bits})
    names = tuple(f"bits{i}" for i in range(len(bits)))
    first = Graph("random bits", graph.inputs, before, bits, names)
    inputs = (*graph.inputs, *bits)
    return first, Graph(graph.name, inputs, after, graph.outputs, graph.output_names)


def _up_to(graph: Graph, outputs: Sequence[Node], given: set[int]) -> tuple[Node, ...]:
    """Give the nodes that outputs need, where some nodes are given."""
    wanted = {id(node) for node in outputs} - given
    found = []
    for node in reversed(graph.nodes):
        if id(node) in wanted:
            found.append(node)
            wanted |= {id(n) for n in node.inputs} - given
    return tuple(reversed(found))
