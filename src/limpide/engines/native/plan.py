"""From a graph to kernels: what is computed together, in which order, and where it is kept.

Answers for fusion and scheduling. Not for: the code of a kernel (``maps``, ``products``,
``moves``), or which bytes a buffer gets (``arena``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from limpide.engines.native.elements import LOWERINGS, immediate
from limpide.engines.native.operands import matrices, unfit
from limpide.engines.native.places import (
    BYTES,
    ELEMENTS,
    Buffer,
    View,
    essential,
    keeps_order,
    view_of,
    whole,
)
from limpide.ir import CONSTANT, INPUT, Graph, Node

ELEMENTWISE = frozenset(LOWERINGS) | {"iota"}
REDUCTIONS = frozenset({"sum", "max"})


_ALIAS = 256  # 32-bit elements: a kilobyte


@dataclass(eq=False)
class Kernel:
    """What one function computes: element-wise nodes around at most one other op.

    Attributes
    ----------
    kind
        ``"map"``; ``"reduce"`` and ``"product"``, whose ``root`` is the sum, the maximum or the
        product; ``"copy"``; or the name of an op that moves numbers.
    shape
        What the loops run over: for a reduction its input's shape, without axes of length 1.
    nodes
        The element-wise nodes in order: before a reduction, after a product.
    stores
        Which nodes are written, and where to.
    source
        What a copy copies.
    """

    kind: str
    shape: tuple[int, ...]
    root: Node | None = None
    nodes: list[Node] = field(default_factory=list)
    stores: list[tuple[Node, View]] = field(default_factory=list)
    reads: dict[int, Node] = field(default_factory=dict)  # nodes of other kernels, inputs
    source: View | None = None
    place: int = 0  # of its last node in the graph
    first: int = 0  # of its first node

    @property
    def members(self) -> list[Node]:
        return [*self.nodes, *([self.root] if self.root is not None else [])]


@dataclass
class Plan:
    """Kernels in running order, and all memory that they use."""

    kernels: list[Kernel]
    views: dict[int, View]  # node -> its elements, where they are in memory
    origins: dict[int, Node]
    buffers: list[Buffer]


def padded(shape: tuple[int, ...], lanes: int) -> tuple[int, ...]:
    """Give the extents in memory: the last axis filled up to whole vectors.

    Rows of a kilobyte's multiple get a vector more: the same columns of many rows would otherwise
    fall on the same few places of a cache.
    """
    extents = essential(shape)
    if not extents or 0 in extents:
        return extents
    last = extents[-1]
    full = -(-last // lanes) * lanes if last >= lanes else 1 << (last - 1).bit_length()
    if len(extents) > 1 and full % _ALIAS == 0:
        full += lanes
    return (*extents[:-1], full)


class Planner:
    """Plans one graph.

    Parameters
    ----------
    graph
        What is to run.
    lanes
        How many 32-bit elements fill a vector.
    homes
        For each input, the home of its buffer (see ``Buffer``).
    n_carry
        Output i is written back to input i, for i below this number.
    """

    def __init__(self, graph: Graph, lanes: int, homes: Sequence[str], n_carry: int = 0) -> None:
        self.graph = graph
        self.lanes = lanes
        self.n_carry = n_carry
        self.buffers: list[Buffer] = []
        self.views: dict[int, View] = {}
        self.origins: dict[int, Node] = {}
        self.copies: set[int] = set()  # views that take a copy
        self.kernels: list[Kernel] = []
        self.kernel_of: dict[int, Kernel] = {}
        self.aside: list[Kernel] = []  # copies that run before everything else
        self.placed: set[int] = set()  # nodes whose memory is a carried input's
        self.copied: set[int] = set()  # nodes that a copy reads at the end
        self.number = {id(n): i for i, n in enumerate([*graph.inputs, *graph.nodes])}
        for i, (node, home) in enumerate(zip(graph.inputs, homes, strict=True)):
            self.views[id(node)] = self._whole(node, home, i)
            self.origins[id(node)] = node
        self.outputs = [
            self._whole(node, "given", len(graph.inputs) + i)
            for i, node in enumerate(graph.outputs)
        ]

    def _whole(self, node: Node, home: str, place: int = -1) -> View:
        shape = node.spec.shape
        ours = home in ("arena", "kept")
        extents = padded(shape, self.lanes) if ours else essential(shape)
        buffer = Buffer(ELEMENTS[node.spec.dtype], extents, home, place)
        self.buffers.append(buffer)
        return whole(buffer, shape)

    def plan(self) -> Plan:
        """Give the plan."""
        self._find_views()
        self._find_uses()
        self._group()
        self._merge()
        self._find_reads()
        order = self._store()
        used = {id(b) for k in order for b in buffers_of(k, self.views)}
        kept = [b for b in self.buffers if id(b) in used or b.home != "arena"]
        return Plan(order, self.views, self.origins, kept)

    # Where each node's elements would be ------------------------------------------------------

    def _find_views(self) -> None:
        """Find all views; operands that no product can read as they lie become copies."""
        count = -1
        while count < len(self.copies):
            count = len(self.copies)
            self._find_views_once()

    def _find_views_once(self) -> None:
        for node in self.graph.nodes:
            view = None
            self.origins[id(node)] = node
            if node.op.name == "matmul":
                a, b = node.inputs
                wrong = unfit(matrices(self.views[id(a)], self.views[id(b)]))
                if wrong:
                    self.copies.add(id(a if wrong == "a" else b))
            if node.op.kind == "view":
                source = node.inputs[0]
                if id(node) not in self.copies:
                    view = view_of(node, self.views[id(source)])
                if view is None:
                    self.copies.add(id(node))
                elif keeps_order(node):
                    self.origins[id(node)] = self.origins[id(source)]
            if view is None:
                home = "kept" if node.op is CONSTANT else "arena"
                view = self._whole(node, home, self.number[id(node)])
            self.views[id(node)] = view

    def _is_computed(self, node: Node) -> bool:
        """Whether a node is of its own, not a view of another and not known ahead."""
        if node.op is CONSTANT or node.op is INPUT:
            return False
        return node.op.kind != "view" or id(node) in self.copies

    def base(self, node: Node) -> Node:
        """Give the node whose memory a node's view is of."""
        while node.op.kind == "view" and id(node) not in self.copies:
            node = node.inputs[0]
        return node

    def _find_uses(self) -> None:
        """Note for each node who uses it, and whether element by element."""
        self.uses: dict[int, list[tuple[Node, bool]]] = {id(n): [] for n in self.graph.nodes}
        for node in self.graph.nodes:
            if not self._is_computed(node):
                continue
            near = node.op.name in ELEMENTWISE or node.op.name in REDUCTIONS
            for source in node.inputs:
                origin = self.origins[id(source)]
                base = self.base(source)
                if id(base) in self.uses:
                    self.uses[id(base)].append((node, near and origin is base))
        self.shown = {id(self.origins[id(node)]) for node in self.graph.outputs}
        for node in self.graph.outputs:
            base = self.base(node)
            if self.origins[id(node)] is not base and id(base) in self.uses:
                self.uses[id(base)].append((node, False))

    # What is computed together ----------------------------------------------------------------

    def _group(self) -> None:
        """From the end: a node joins its users where they are all in one kernel."""
        for node in reversed(self.graph.nodes):
            if not self._is_computed(node):
                continue
            name = node.op.name
            kernel = self._only_user(node) if name in ELEMENTWISE or name == "matmul" else None
            if kernel is None:
                kernel = Kernel(self._kind(node), self._shape(node), place=self.number[id(node)])
                self.kernels.append(kernel)
            self._join(kernel, node)
        for kernel in self.kernels:
            kernel.nodes.reverse()

    def _kind(self, node: Node) -> str:
        name = node.op.name
        if name in ELEMENTWISE:
            return "map"
        if name in REDUCTIONS:
            return "reduce"
        return {"matmul": "product"}.get(name, "copy" if id(node) in self.copies else name)

    def _shape(self, node: Node) -> tuple[int, ...]:
        reduces = node.op.name in REDUCTIONS
        return essential((node.inputs[0] if reduces else node).spec.shape)

    def _only_user(self, node: Node) -> Kernel | None:
        uses = self.uses[id(node)]
        if not uses or not all(near for _, near in uses):
            return None
        kernels = {id(self.kernel_of[id(user)]): self.kernel_of[id(user)] for user, _ in uses}
        if len(kernels) > 1:
            return None
        (kernel,) = kernels.values()
        if kernel.shape != essential(node.spec.shape):
            return None
        if node.op.name == "matmul" and kernel.root is not None:
            return None
        if kernel.kind == "reduce" and id(node) in self.shown:
            return None  # a reduction stores its result alone
        return kernel

    def _join(self, kernel: Kernel, node: Node) -> None:
        self.kernel_of[id(node)] = kernel
        kernel.first = self.number[id(node)]
        if node.op.name in ELEMENTWISE:
            kernel.nodes.append(node)
        else:
            kernel.root = node
            if kernel.kind == "map":
                kernel.kind = "product"

    def _merge(self) -> None:
        """Let a map join the kernel that makes what it reads, where nothing stands between."""
        self.kernels.sort(key=lambda k: k.place)
        before = self._ancestors()
        scalars: Kernel | None = None
        for kernel in list(self.kernels):
            if kernel.kind != "map":
                continue
            bit = 1 << self.kernels.index(kernel)
            for earlier in self._hosts(kernel, scalars, before):
                if self._is_early(earlier, before) and not self._is_early(kernel, before):
                    continue  # rates stay what can be worked out before anything else
                mask = 1 << self.kernels.index(earlier)
                others = before[id(kernel)] & ~mask & ~bit
                on_the_way = any(
                    before[id(k)] & mask for i, k in enumerate(self.kernels) if others >> i & 1
                )
                if not on_the_way and not before[id(earlier)] & bit:
                    self._absorb(earlier, kernel)
                    before = self._ancestors()
                    break
            if scalars is None and kernel in self.kernels and self._is_early(kernel, before):
                scalars = kernel

    def _hosts(
        self, kernel: Kernel, scalars: Kernel | None, before: dict[int, int]
    ) -> Iterable[Kernel]:
        """Give the kernels that make what a map reads element by element, the latest first."""
        own = {id(n) for n in kernel.nodes}
        hosts: dict[int, Kernel] = {}
        apart: set[int] = set()
        for node in kernel.nodes:
            for source in node.inputs:
                base = self.base(source)
                if id(base) in own or id(base) not in self.kernel_of:
                    continue
                host = self.kernel_of[id(base)]
                if self.origins[id(source)] is base and host.kind in ("map", "product"):
                    hosts[id(host)] = host
                else:
                    apart.add(id(host))
        found = [
            h
            for h in hosts.values()
            if id(h) not in apart and h.shape == kernel.shape and h is not kernel
        ]
        found.sort(key=lambda k: -k.place)
        if scalars is not None and self._is_early(kernel, before) and scalars not in found:
            found.append(scalars)
        return found

    def _is_early(self, kernel: Kernel, before: dict[int, int]) -> bool:
        """Whether a kernel computes single numbers from inputs alone, such as rates."""
        needed = (k for i, k in enumerate(self.kernels) if before[id(kernel)] >> i & 1)
        return all(k.shape == () and k.kind == "map" for k in (kernel, *needed))

    def _absorb(self, host: Kernel, kernel: Kernel) -> None:
        host.nodes = sorted([*host.nodes, *kernel.nodes], key=lambda n: self.number[id(n)])
        host.place = max(host.place, kernel.place)
        for node in kernel.nodes:
            self.kernel_of[id(node)] = host
        self.kernels.remove(kernel)

    def _sources(self, kernel: Kernel) -> list[Node]:
        """Give the nodes of other kernels, inputs and constants whose memory a kernel reads."""
        own = {id(n) for n in kernel.members}
        found: dict[int, Node] = {}
        for node in kernel.members:
            for source in node.inputs:
                base = self.base(source)
                near = node.op.name in ELEMENTWISE or node.op.name in REDUCTIONS
                known = near and immediate(source) is not None
                if id(base) not in own and not known:
                    found[id(base)] = base
        return list(found.values())

    def _ancestors(self) -> dict[int, int]:
        """Give, as bits, the kernels that each kernel needs, directly or not."""
        index = {id(k): i for i, k in enumerate(self.kernels)}
        needs: dict[int, set[int]] = {}
        for kernel in self.kernels:
            near = (self.kernel_of.get(id(n)) for n in self._sources(kernel))
            needs[id(kernel)] = {index[id(k)] for k in near if k is not None and k is not kernel}
        return _closure(self.kernels, needs)

    def _find_reads(self) -> None:
        for kernel in self.kernels:
            kernel.reads = {id(n): n for n in self._sources(kernel)}

    # Where results go, and the order ----------------------------------------------------------

    def _store(self) -> list[Kernel]:
        """Place every result, in the carried input it replaces where that is possible."""
        index = {id(k): i for i, k in enumerate(self.kernels)}
        needs: dict[int, set[int]] = {}
        for kernel in self.kernels:
            near = {id(n) for n in kernel.reads.values()}
            own = {index[id(self.kernel_of[n])] for n in near if n in self.kernel_of}
            needs[id(kernel)] = own - {index[id(kernel)]}
        late = self._carry_back(index, needs)
        for i, node in enumerate(self.graph.outputs[self.n_carry :], self.n_carry):
            self._output(node, self.outputs[i], late)
        outside = self._read_outside()
        for kernel in self.kernels:
            for node in kernel.members:
                if id(node) in outside and id(node) not in self.placed:
                    kernel.stores.append((node, self.views[id(node)].essential()))
        return [*self.aside, *_ordered(self.kernels, needs), *late]

    def _read_outside(self) -> set[int]:
        found = {id(n) for kernel in self.kernels for n in kernel.reads.values()}
        for kernel in self.kernels:  # what only moves numbers always writes its own memory
            if kernel.kind not in ("map", "reduce", "product") and kernel.root is not None:
                found.add(id(kernel.root))
        return found | self.copied

    def _carry_back(self, index: dict[int, int], needs: dict[int, set[int]]) -> list[Kernel]:
        late: list[Kernel] = []
        before = _closure(self.kernels, needs)
        views: dict[int, list[int]] = {}  # buffer -> the nodes whose views are of it
        for key, view in self.views.items():
            views.setdefault(id(view.buffer), []).append(key)
        pairs = zip(self.graph.inputs[: self.n_carry], self.graph.outputs, strict=False)
        for i, (home, node) in enumerate(pairs):
            origin = self.origins[id(node)]
            if origin is home:
                continue
            kernel = self.kernel_of.get(id(origin))
            if kernel is not None and self._in_place(home, origin, kernel, index, needs, before):
                view = self.views[id(home)].essential()
                self._replace(views.get(id(self.views[id(origin)].buffer), ()), view)
                kernel.stores.append((origin, view))
                self.placed.add(id(origin))
            else:
                late.append(self._late_copy(node, self.views[id(self.graph.inputs[i])], True))
        return late

    def _replace(self, keys: Iterable[int], view: View) -> None:
        """Let a node, and all views of it, lie in other memory of the same extents."""
        for key in keys:
            known = self.views[key]
            self.views[key] = View(view.buffer, known.shape, known.strides, known.offset)

    def _in_place(
        self,
        home: Node,
        origin: Node,
        kernel: Kernel,
        index: dict[int, int],
        needs: dict[int, set[int]],
        before: dict[int, int],
    ) -> bool:
        """Say whether a result may overwrite a carried value: its readers come before, or now."""
        if kernel.kind not in ("map", "reduce", "product") or id(origin) in self.placed:
            return False
        if self.views[id(home)].buffer.extents != self.views[id(origin)].buffer.extents:
            return False
        at = index[id(kernel)]
        readers = [k for k in self.kernels if id(home) in k.reads]
        if kernel in readers and not self._reads_at_its_place(kernel, home):
            return False
        others = {index[id(k)] for k in readers if k is not kernel}
        if any(before[id(self.kernels[i])] >> at & 1 for i in others):
            return False
        needs[id(kernel)] |= others
        more = 0
        for i in others:
            more |= before[id(self.kernels[i])] | 1 << i
        for other in self.kernels:
            if other is kernel or before[id(other)] >> at & 1:
                before[id(other)] |= more
        return True

    def _reads_at_its_place(self, kernel: Kernel, home: Node) -> bool:
        if kernel.kind == "reduce":
            return False
        for node in kernel.members:
            for source in node.inputs:
                if self.base(source) is home:
                    near = node.op.name in ELEMENTWISE and self.origins[id(source)] is home
                    if not near:
                        return False
        return True

    def _output(self, node: Node, target: View, late: list[Kernel]) -> None:
        origin = self.origins[id(node)]
        kernel = self.kernel_of.get(id(origin))
        if kernel is not None and kernel.kind in ("map", "reduce", "product"):
            kernel.stores.append((origin, target.essential()))
        else:
            late.append(self._late_copy(node, target, self._is_carried(node)))

    def _is_carried(self, node: Node) -> bool:
        """Whether a node is a view of a carried input, which the step may overwrite."""
        base = self.base(node)
        return any(base is n for n in self.graph.inputs[: self.n_carry])

    def _late_copy(self, node: Node, target: View, first: bool) -> Kernel:
        """Give the copy at the end; what may be overwritten until then is copied aside first."""
        view = self.views[id(node)]
        base = self.base(node)
        self.copied.add(id(base))
        if first and self._is_carried(node):
            aside = self._whole(node, "arena")
            early = Kernel("copy", essential(node.spec.shape), source=view.essential())
            early.stores.append((node, aside.essential()))
            early.place = -1
            early.reads = {id(base): base}
            self.aside.append(early)
            view = aside
        kernel = Kernel("copy", essential(node.spec.shape), source=view.essential())
        kernel.stores.append((node, target.essential()))
        return kernel


def _closure(kernels: Sequence[Kernel], needs: dict[int, set[int]]) -> dict[int, int]:
    """Give all that each kernel needs, as bits; needs may point forward, but not in circles."""
    done: dict[int, int] = {}
    for start in kernels:
        stack = [start]
        while stack:
            kernel = stack[-1]
            if id(kernel) in done:
                stack.pop()
                continue
            near = [kernels[i] for i in needs[id(kernel)]]
            missing = [k for k in near if id(k) not in done]
            if missing:
                stack.extend(missing)
                continue
            bits = 0
            for i in needs[id(kernel)]:
                bits |= done[id(kernels[i])] | 1 << i
            done[id(kernel)] = bits
            stack.pop()
    return done


def _ordered(kernels: Sequence[Kernel], needs: dict[int, set[int]]) -> list[Kernel]:
    """Give the kernels so that each comes after what it needs, else in the graph's order."""
    result: list[Kernel] = []
    done: set[int] = set()
    waiting = sorted(range(len(kernels)), key=lambda i: kernels[i].place)
    while waiting:
        for i in waiting:
            if needs[id(kernels[i])] <= done:
                break
        else:
            raise AssertionError("kernels need each other in a circle")
        waiting.remove(i)
        done.add(i)
        result.append(kernels[i])
    return result


def buffers_of(kernel: Kernel, views: dict[int, View]) -> list[Buffer]:
    """Give the buffers that a kernel reads or writes."""
    found = [views[id(n)].buffer for n in kernel.reads.values()]
    found += [view.buffer for _, view in kernel.stores]
    if kernel.source is not None:
        found.append(kernel.source.buffer)
    return list({id(b): b for b in found}.values())


def widest(nodes: Iterable[Node]) -> int:
    """Give how many bytes the largest number takes that is computed with."""
    sizes = [BYTES[ELEMENTS[n.spec.dtype]] for n in nodes if n.spec.dtype != "bool"]
    return max(sizes, default=4)
