"""What the text of a program comes with: where its memory is, and what its kernels compute.

Answers for what is stored beside machine code and told of it. Not for: writing text (``graphs``,
``loops``), or which bytes a buffer gets (``arena``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from limpide.engines.native.places import Buffer
from limpide.engines.native.plan import Plan, buffers_of
from limpide.engines.native.schedule import Turn
from limpide.ir import CONSTANT, Graph


@dataclass
class Slot:
    """Where a kept value lies in the arena."""

    offset: int
    element: str
    extents: tuple[int, ...]


@dataclass(frozen=True)
class Piece:
    """A kernel as it is told of.

    Attributes
    ----------
    kind
        As in ``Kernel``, or ``"rows"`` for bringing a batch together.
    ops, layers
        The names of its ops in running order, and of the layers that asked for them.
    shape, inner
        What its loops run over, and how many numbers each of its sums has.
    shared
        Whether threads share it.
    function
        Its name in the text; kernels that are alike have one.
    """

    kind: str
    ops: str
    layers: str
    shape: tuple[int, ...]
    inner: int
    shared: bool
    function: str = ""


def piece_of(turn: Turn, function: str = "") -> Piece:
    """Give what is told of a kernel."""
    kernel = turn.kernel
    first = [kernel.root] if kernel.kind == "product" and kernel.root is not None else []
    last = [] if first or kernel.root is None else [kernel.root]
    nodes = [*first, *kernel.nodes, *last]
    ops = ", ".join(n.op.name for n in nodes) or kernel.kind
    layers = ", ".join(dict.fromkeys(n.layer for n in nodes if n.layer))
    return Piece(kernel.kind, ops, layers, kernel.shape, turn.inner, turn.shared, function)


@dataclass
class Module:
    """Text to compile, and what is needed to run it.

    ``kept`` holds the place of each carried and held input; ``constants`` the places of arrays
    that the graphs know, and ``places`` which nodes of each graph these are; ``together``, whether
    threads can share a step; ``tiny``, whether everything is to be held in registers; ``cost``, the
    cycles of a graph on one core, roughly; ``pieces`` tells of the kernels.
    """

    text: str
    arena_bytes: int
    kept: list[Slot] = field(default_factory=list)
    constants: list[Slot] = field(default_factory=list)
    places: list[list[int]] = field(default_factory=list)
    together: bool = False
    tiny: bool = False
    cost: float = 0.0
    pieces: list[Piece] = field(default_factory=list)


def lifetimes(plan: Plan, turns: Sequence[Turn], together: bool) -> list[Buffer]:
    """Note when each passing buffer is used, by turns or by phases; gives those that are."""
    for place, turn in enumerate(turns):
        when = turn.phase if together else place
        for buffer in buffers_of(turn.kernel, plan.views):
            buffer.first = min(buffer.first, when)
            buffer.last = max(buffer.last, when)
    return [b for b in plan.buffers if b.home == "arena" and b.last >= 0]


def slots_of(buffers: Sequence[Buffer]) -> list[Slot]:
    return [Slot(b.offset, b.element, b.extents) for b in buffers]


def constants_of(graph: Graph, plan: Plan) -> list[Buffer]:
    """Give the buffers of the constants whose memory is read; others get none."""
    return [plan.views[id(graph.nodes[i])].buffer for i in constants_read(graph, plan)]


def constants_read(graph: Graph, plan: Plan) -> list[int]:
    """Give the places among the graph's nodes of the constants that have memory."""
    used = {id(b) for k in plan.kernels for b in buffers_of(k, plan.views)}
    return [
        i
        for i, n in enumerate(graph.nodes)
        if n.op is CONSTANT and id(plan.views[id(n)].buffer) in used
    ]
