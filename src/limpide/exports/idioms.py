"""Idioms: parts of a graph that have a name, such as softmax, found by tracing their definition.

Answers for finding them: what an idiom is made of is asked of limpide's own function, so that a
new definition is recognised by itself. Not for: how an idiom is written in any language.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from limpide import activations, ops
from limpide.ir import FLOATS, Graph, Node, Spec, uniform_value
from limpide.tensor import Tensor, Tracing, tracing_into

_ACTIVATIONS: dict[str, Callable[..., Tensor]] = {
    "elu": activations.elu,
    "gelu": activations.gelu,
    "leaky_relu": activations.leaky_relu,
    "mish": activations.mish,
    "selu": activations.selu,
    "silu": activations.silu,
}
_ALONG: dict[str, Callable[..., Tensor]] = {
    "log_softmax": ops.log_softmax,
    "softmax": ops.softmax,
}
_REDUCING: dict[str, Callable[..., Tensor]] = {"logsumexp": ops.logsumexp, "mean": ops.mean}

IDIOMS = frozenset({*_ACTIVATIONS, *_ALONG, *_REDUCING, "clip", "not_equal", "sum"})
"""Every name that a part of a graph can have."""

_DEEP = 12  # how many steps lie between an idiom's result and its first reduction, at most


class Idiom(NamedTuple):
    """A part of a graph: its name, what goes in, and along which axes."""

    name: str
    inputs: tuple[Node, ...]
    params: Mapping[str, Any]


class _Trial(NamedTuple):
    name: str
    spec: Spec
    params: tuple[tuple[str, Any], ...]


def find_idioms(graph: Graph, names: frozenset[str] = IDIOMS) -> dict[int, Idiom]:
    """Give the idioms of a graph, ``id(node) -> Idiom`` for the node that is the result.

    >>> import limpide as lp
    >>> graph = lp.Network([3, 4, 2], activation="gelu", output="softmax", seed=0).graph()
    >>> sorted(idiom.name for idiom in find_idioms(graph).values())
    ['gelu', 'softmax']
    """
    found: dict[int, Idiom] = {}
    for node in graph.nodes:
        idiom = _idiom(node, names)
        if idiom is not None:
            found[id(node)] = idiom
    return found


def _idiom(node: Node, names: frozenset[str]) -> Idiom | None:
    if node.op.name == "logical_not" and node.inputs[0].op.name == "equal":
        return Idiom("not_equal", node.inputs[0].inputs, {}) if "not_equal" in names else None
    if node.op.name == "maximum" and "clip" in names:
        return _clip(node)
    if node.op.name == "add" and "sum" in names and (added := _all_added(node)) is not None:
        return Idiom("sum", (added,), {"axis": (0,)})
    for trial in _trials(node):
        if trial.name not in names:
            continue
        pattern = _pattern(trial)
        if pattern.outputs[0].op is not node.op:
            continue
        bound = _matched(pattern, node)
        if bound is not None:
            return Idiom(trial.name, (bound,), dict(trial.params))
    return None


def _clip(node: Node) -> Idiom | None:
    """Give x, the least and the most of max(min(x, most), least)."""
    inner, least = node.inputs
    if inner.op.name != "minimum" or uniform_value(least) is None:
        return None
    x, most = inner.inputs
    if uniform_value(most) is None or uniform_value(x) is not None:
        return None
    return Idiom("clip", (x, least, most), {})


def _all_added(node: Node) -> Node | None:
    """Give x where a node is x[0] + x[1] + … to the last: members are added in their order."""
    terms = []
    while node.op.name == "add":
        node, term = node.inputs
        terms.append(term)
    terms = [node, *reversed(terms)]
    x = _place(terms[0], 0)
    if x is None or len(terms) < 2 or x.spec.shape[0] != len(terms):
        return None
    return x if all(_place(term, i) is x for i, term in enumerate(terms)) else None


def _place(node: Node, i: int) -> Node | None:
    """Give x where a node is x[i]."""
    if node.op.name != "reshape" or node.inputs[0].op.name != "slice":
        return None
    cut = node.inputs[0]
    (x,) = cut.inputs
    others = x.spec.shape[1:]
    bounds = (i, *(0 for _ in others)), (i + 1, *others), (1,) * x.spec.rank
    found = tuple(cut.params[name] for name in ("start", "stop", "step"))
    return x if node.spec.shape == others and found == bounds else None


def _trials(node: Node) -> Iterator[_Trial]:
    """Give what a node may be the result of."""
    if node.spec.dtype not in FLOATS:
        return
    if node.op.name in ("multiply", "where"):
        for name in _ACTIVATIONS:
            yield _Trial(name, node.spec, ())
    if node.op.name in ("divide", "subtract"):
        for axis in reversed(range(node.spec.rank)):
            for name in _ALONG:
                yield _Trial(name, node.spec, (("axis", axis),))
    if node.op.name in ("divide", "add", "reshape"):
        for reduction in _reductions(node):
            for name in _REDUCING:
                params = (("axis", reduction.params["axis"]),)
                spec = reduction.inputs[0].spec
                for keepdims in (True, False) if spec.dtype in FLOATS else ():
                    yield _Trial(name, spec, (*params, ("keepdims", keepdims)))


def _reductions(node: Node) -> list[Node]:
    """Give the first reductions below a node."""
    found: list[Node] = []
    level: Sequence[Node] = [node]
    for _ in range(_DEEP):
        found += [item for item in level if item.op.name in ("sum", "max") and item not in found]
        level = list({id(i): i for item in level for i in item.inputs}.values())[:_DEEP]
    return found[:4]


@lru_cache(256)
def _pattern(trial: _Trial) -> Graph:
    """Trace the definition of an idiom on an input of some shape."""
    definition = {**_ACTIVATIONS, **_ALONG, **_REDUCING}[trial.name]
    tracing = Tracing(trial.name)
    x = tracing.argument(trial.spec, "x")
    with tracing_into(tracing):
        node = tracing.lift(definition(x, **dict(trial.params))).node
    return tracing.trace.finish([node], ["y"])


def _matched(pattern: Graph, node: Node) -> Node | None:
    """Give the node that stands for the pattern's input where a part of the graph is like it."""
    (x,) = pattern.inputs
    bound: dict[int, Node] = {}
    open_pairs = [(pattern.outputs[0], node)]
    while open_pairs:
        wanted, there = open_pairs.pop()
        if id(wanted) in bound:
            if bound[id(wanted)] is not there:
                return None
            continue
        bound[id(wanted)] = there
        if wanted is x:
            if wanted.spec != there.spec:
                return None
            continue
        if not _alike(wanted, there):
            return None
        open_pairs += zip(wanted.inputs, there.inputs, strict=True)
    return bound.get(id(x))


def _alike(wanted: Node, there: Node) -> bool:
    """Say whether two nodes do the same to their inputs."""
    if wanted.op is not there.op or wanted.spec != there.spec:
        return False
    if len(wanted.inputs) != len(there.inputs):
        return False
    if "value" in wanted.params:
        return bool(wanted.value.tobytes() == there.value.tobytes())
    return dict(wanted.params) == dict(there.params)
