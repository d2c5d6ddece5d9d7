"""Which kernels threads share, and where they wait for each other.

Answers for phases: runs of kernels without a barrier inside, in which each thread reads only what
it has written itself or what was complete before. Not for: the threads themselves (``threads``).
"""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass, field

from limpide.engines.native.elements import COSTLY
from limpide.engines.native.operands import matrices
from limpide.engines.native.places import Buffer, View, strides_of
from limpide.engines.native.plan import Kernel, Plan
from limpide.engines.native.reductions import reduced_axes

_SHARED_FROM = 800  # estimated cycles below which the first thread does a kernel alone
_GRAIN = 16  # rows: no vector of a row of numbers is shared by two threads
_COLUMNS_FROM = 32  # columns that are worth sharing
_ALL, _FIRST = -2, -1  # every thread reads all of it; the first thread alone touches it
_PAYS = 0.85  # share a step where two threads take no more than this of one thread's time
_BARRIER, _LINE = 600, 16  # cycles of a barrier, and of a line that comes from another core
_NARROW = 1.12  # what sharing by columns costs beside that: narrower blocks of products
_COSTS = {"divide": 8, "sqrt": 8, "power": 80, "sin": 30, "cos": 30}


# By buffer, the length by whose rows threads share it, or one of the tags: reads, writes
_Accesses = tuple[dict[int, int], dict[int, int]]


@dataclass(eq=False)
class Turn:
    """One kernel in the schedule.

    Attributes
    ----------
    length
        How long the axis of its result is that threads share: the first, or with ``columns`` the
        last. The first thread takes it all where ``shared`` is False.
    inner
        How many numbers each of its sums has.
    waits
        Whether all threads wait for each other before it.
    reads
        What its kernel reads, and along which axes of its result.
    """

    kernel: Kernel
    reads: list[tuple[View, str]]
    length: int
    inner: int
    shared: bool
    cost: float
    waits: bool = False
    phase: int = 0
    columns: bool = False
    able: bool = False  # to be shared
    accesses: dict[bool, _Accesses] = field(default_factory=dict)  # by whether it is shared


def counts(kernel: Kernel) -> tuple[int, int]:
    """Give how long the result's first axis is, and how many numbers a sum has."""
    first = kernel.shape[0] if kernel.shape else 1
    if kernel.kind == "reduce" and kernel.root is not None:
        result = [n for n in kernel.root.spec.shape if n != 1]
        return (result[0] if result else 1), first
    if kernel.kind == "product" and kernel.root is not None:
        return first, kernel.root.inputs[0].spec.shape[-1]
    return first, 0


def cost(kernel: Kernel, lanes: int) -> float:
    """Estimate the cycles of a kernel on one core: good to a factor of two."""
    size = math.prod(kernel.shape)
    per = sum(20 if n.op.name in COSTLY else _COSTS.get(n.op.name, 1) for n in kernel.nodes)
    moved = 1 + len(kernel.reads) + len(kernel.stores)
    cycles = size * (per + moved) / lanes
    if kernel.kind == "product" and kernel.root is not None:
        cycles += size * kernel.root.inputs[0].spec.shape[-1] / lanes
    elif kernel.kind == "random_bits":
        cycles += 110 * size / lanes
    elif kernel.kind not in ("map", "reduce"):
        cycles += size
    return cycles


@dataclass(frozen=True)
class Schedule:
    """Turns in running order; ``pays`` says whether it is worth while to share them.

    With ``columns``, threads share columns, and the first thread brings batches together.
    """

    turns: list[Turn]
    pays: bool
    columns: bool


def schedule_like(
    other: Schedule, plan: Plan, lanes: int, gathered: Sequence[Buffer] = ()
) -> Schedule:
    """Give the order of a plan shared as another one's: most of its kernels are the same then."""
    turns = schedule(plan, lanes, gathered, other.columns)
    return Schedule(turns, other.pays, other.columns)


def best_schedule(plan: Plan, lanes: int, gathered: Sequence[Buffer] = ()) -> Schedule:
    """Give the order in which a plan's kernels run, as two threads would be quickest.

    A batch's rows are shared, or where a step is short the columns of its layers: then weights
    stay with the thread that updates them, and activations travel.
    """
    rows = schedule(plan, lanes, gathered)
    columns = schedule(plan, lanes, gathered, columns=True)
    alone = sum(turn.cost for turn in rows)
    by_rows, by_columns = _time_of_two(rows), _time_of_two(columns)
    if min(by_rows, _NARROW * by_columns) > _PAYS * alone:
        return Schedule(rows, False, False)
    if _NARROW * by_columns < by_rows:
        return Schedule(columns, True, True)
    return Schedule(rows, True, False)


def _time_of_two(turns: Sequence[Turn]) -> float:
    """Estimate the cycles of a step on two threads: work, barriers, lines between the cores."""
    cycles = float(_BARRIER)
    last: dict[int, int] = {}
    for _ in range(2):  # what the step before left is read too
        cycles = float(_BARRIER)
        for turn in turns:
            cycles += turn.cost * (0.5 if turn.shared else 1.0) + (_BARRIER if turn.waits else 0)
            reads, writes = _accesses(turn)
            sizes = {id(v.buffer): v.buffer.nbytes for v, _ in turn.reads}
            for key, tag in reads.items():
                if key in last and (tag == _ALL or last[key] != tag):
                    cycles += _LINE * sizes[key] / 64 / 2
            last |= writes
    return cycles


def schedule(
    plan: Plan, lanes: int, gathered: Sequence[Buffer] = (), columns: bool = False
) -> list[Turn]:
    """Give the turns of a plan; ``gathered`` are buffers that are filled before it: by rows, or
    with ``columns`` by the first thread.

    Kernels that threads can share without a barrier come first; then what the first thread alone
    has to do for others; then a barrier. What nobody waits for comes last.
    """
    left = [_turn(kernel, lanes, columns, plan) for kernel in plan.kernels]
    needs = _needs(left)
    wanted = {id(other) for others in needs.values() for other in others}
    phase = _Phase()
    for buffer in gathered:
        phase.write(buffer, _FIRST if columns or not buffer.extents else buffer.extents[0])
    done: list[Turn] = []
    number, waits = 0, False
    queue = _Queue(left, needs)
    while queue.ready:
        turn = _next(queue.ready, phase, wanted)
        if turn is None:
            number, waits, phase = number + 1, True, _Phase()
            continue
        turn.waits, waits = waits, False
        turn.phase = number
        phase.add(turn)
        queue.take(turn)
        done.append(turn)
    return done


class _Queue:
    """Turns that wait for others; those that wait for none are ``ready``, in their order."""

    def __init__(self, turns: Sequence[Turn], needs: dict[int, list[Turn]]) -> None:
        self._place = {id(turn): i for i, turn in enumerate(turns)}
        self._missing = {id(turn): len(needs[id(turn)]) for turn in turns}
        self._users: dict[int, list[Turn]] = {}
        for turn in turns:
            for other in needs[id(turn)]:
                self._users.setdefault(id(other), []).append(turn)
        self.ready = [turn for turn in turns if not self._missing[id(turn)]]

    def take(self, turn: Turn) -> None:
        self.ready.remove(turn)
        for user in self._users.get(id(turn), ()):
            self._missing[id(user)] -= 1
            if not self._missing[id(user)]:
                insort(self.ready, user, key=lambda t: self._place[id(t)])


def _turn(kernel: Kernel, lanes: int, columns: bool, plan: Plan) -> Turn:
    length, inner = counts(kernel)
    estimate = cost(kernel, lanes)
    reads = _reads(kernel, plan)
    able = can_share(kernel)
    if columns:
        able = _has_columns(kernel, plan, reads)
        length = kernel.shape[-1] if able else length
    return Turn(kernel, reads, length, inner, able, estimate, columns=columns and able, able=able)


def _has_columns(kernel: Kernel, plan: Plan, reads: Sequence[tuple[View, str]]) -> bool:
    """Whether threads can each take some columns of a kernel's result, in whole vectors."""
    rank = len(kernel.shape)
    views = [view for view, _ in reads] + [view for _, view in kernel.stores]
    wide = 0 < rank <= 2 and kernel.shape[-1] >= _COLUMNS_FROM and 0 not in kernel.shape
    if not wide or any(v.buffer.home == "given" for v in views):
        return False
    if kernel.kind == "reduce" and kernel.root is not None:
        return rank == 2 and reduced_axes(kernel.root) == (0,)
    if kernel.kind == "product" and kernel.root is not None:
        given = matrices(*(plan.views[id(n)] for n in kernel.root.inputs))
        if given.batch or not given.b.buffer.is_ours:
            return False
        return given.n > 1 or (given.m > 1 and given.a_strides[0] == 1)
    return kernel.kind == "map"


def _needs(turns: Sequence[Turn]) -> dict[int, list[Turn]]:
    """Give, for each turn, those that have to be over before it: whoever wrote what it reads or
    writes, and whoever read what it writes.
    """
    readers: dict[int, list[Turn]] = {}
    writers: dict[int, list[Turn]] = {}
    needs: dict[int, list[Turn]] = {}
    for turn in turns:
        reads = {id(view.buffer) for view, _ in turn.reads}
        writes = {id(view.buffer) for _, view in turn.kernel.stores}
        found = [t for key in reads | writes for t in writers.get(key, ())]
        found += [t for key in writes for t in readers.get(key, ())]
        needs[id(turn)] = list({id(t): t for t in found}.values())
        for key in reads:
            readers.setdefault(key, []).append(turn)
        for key in writes:
            writers.setdefault(key, []).append(turn)
    return needs


def _next(ready: Sequence[Turn], phase: _Phase, wanted: set[int]) -> Turn | None:
    """Give the turn to take now, or None where a barrier has to come first."""
    possible: set[int] = set()
    open_turns = [turn for turn in ready if id(turn) not in phase.refused]
    # Those that can be shared first: in deep graphs many others wait for the end.
    for turn in sorted(open_turns, key=lambda turn: not turn.able):
        turn.shared = turn.able and (turn.cost >= _SHARED_FROM or phase.follows(turn))
        if phase.clashes(turn) and turn.able and not turn.shared:
            turn.shared = True  # a barrier costs more than what is little to share
        if phase.clashes(turn):
            phase.refused.add(id(turn))
            continue
        if turn.shared:
            return turn
        possible.add(id(turn))
    alone = [turn for turn in ready if id(turn) in possible]
    first = [turn for turn in alone if id(turn) in wanted]
    if first:
        return first[0]
    # What nobody waits for is left to the end, when no other turn is there.
    return alone[0] if len(alone) == len(ready) and alone else None


def grain(turns: Sequence[Turn], length: int) -> int:
    """Give the multiple of rows at which threads part a first axis."""
    if any(t.columns for t in turns):
        return 2 * _GRAIN  # products take two vectors of columns at a time
    alike = [t.kernel for t in turns if t.length == length]
    lines = any(len(k.shape) <= 1 or k.kind == "reduce" for k in alike)
    return _GRAIN if lines else 1


def can_share(kernel: Kernel) -> bool:
    """Say whether threads can each do some rows of a kernel."""
    if not kernel.shape or kernel.shape[0] == 0:
        return False
    if kernel.kind == "reduce" and kernel.root is not None:
        return bool([n for n in kernel.root.spec.shape if n != 1])
    if kernel.kind == "copy":
        return len(kernel.shape) == 2
    return kernel.kind in ("map", "product")


class _Phase:
    """What has been read and written since the last barrier, and by which share of rows."""

    def __init__(self) -> None:
        self.written: dict[int, set[int]] = {}  # buffer -> lengths by which threads shared it
        self.read: dict[int, set[int]] = {}
        self.refused: set[int] = set()  # turns that have to wait for a barrier

    def write(self, buffer: Buffer, length: int) -> None:
        self.written.setdefault(id(buffer), set()).add(length)

    def follows(self, turn: Turn) -> bool:
        """Whether a turn, shared, goes on with rows that the same threads have just written."""
        reads, _ = _accesses(turn)
        before = {key: self.written[key] for key in reads if key in self.written}
        return bool(before) and all(
            lengths == {turn.length} and reads[key] == turn.length
            for key, lengths in before.items()
        )

    def clashes(self, turn: Turn) -> bool:
        """Whether a turn touches what another thread may still be working on."""
        reads, writes = _accesses(turn)
        after_write = ((tag, self.written.get(key, set())) for key, tag in reads.items())
        after_both = (
            (tag, self.written.get(key, set()) | self.read.get(key, set()))
            for key, tag in writes.items()
        )
        return any(
            others and (tag == _ALL or others != {tag})
            for tag, others in (*after_write, *after_both)
        )

    def add(self, turn: Turn) -> None:
        reads, writes = _accesses(turn)
        for key, tag in reads.items():
            self.read.setdefault(key, set()).add(tag)
        for key, tag in writes.items():
            self.written.setdefault(key, set()).add(tag)


def _accesses(turn: Turn) -> _Accesses:
    """Give what a turn reads and writes."""
    known = turn.accesses.get(turn.shared)
    if known is not None:
        return known
    reads: dict[int, int] = {}
    for view, along in turn.reads:
        key = id(view.buffer)
        if turn.columns:
            apart = "columns" in along and _by_columns(view, turn.length)
        else:
            apart = "rows" in along and _by_rows(view)
        tag = turn.length if apart else _ALL
        tag = tag if turn.shared else _FIRST
        reads[key] = tag if reads.get(key, tag) == tag else _ALL
    tag = turn.length if turn.shared else _FIRST
    writes = {id(view.buffer): tag for _, view in turn.kernel.stores}
    turn.accesses[turn.shared] = reads, writes
    return reads, writes


def _by_rows(view: View) -> bool:
    """Whether row i of the loops reads row i of the buffer and no other."""
    extents = view.buffer.extents
    if not extents or not view.shape:
        return False
    return view.offset == 0 and view.strides[0] == strides_of(extents)[0]


def _by_columns(view: View, length: int) -> bool:
    """Whether column j of the loops reads column j of the buffer and no other."""
    extents = view.buffer.extents
    if not extents or not view.shape:
        return False
    return view.offset == 0 and view.strides[-1] == 1 and view.shape[-1] == length


def _reads(kernel: Kernel, plan: Plan) -> list[tuple[View, str]]:
    """Give what a kernel reads, and along which axes of its result: of rows, columns, both."""
    found: list[tuple[View, str]] = []
    own = {id(n) for n in kernel.members}
    along = "rows columns"
    if kernel.kind == "reduce" and kernel.root is not None:
        along = "columns" if 0 in reduced_axes(kernel.root) else "rows"
    for node in kernel.nodes:
        outside = (n for n in node.inputs if id(plan.origins[id(n)]) not in own)
        found += [(plan.views[id(source)].essential(), along) for source in outside]
    root = kernel.root
    if root is None:
        if kernel.source is not None:
            found.append((kernel.source, ""))
        return found
    if kernel.kind == "reduce":
        source = root.inputs[0]
        if id(plan.origins[id(source)]) not in own:
            found.append((plan.views[id(source)].essential(), along))
    elif kernel.kind == "product":
        found += _read_by_product(*(plan.views[id(n)] for n in root.inputs))
    else:
        found += [(plan.views[id(n)], "") for n in root.inputs]
    return found


def _read_by_product(a: View, b: View) -> list[tuple[View, str]]:
    given = matrices(a, b)
    if given.batch:
        return [(a, ""), (b, "")]
    rows = View(a.buffer, (given.m,), (given.a_strides[0],), a.offset)
    columns = View(b.buffer, (given.n,), (given.b_strides[1],), b.offset)
    if given.n == 1:  # the one axis of the result is that of the rows of a
        return [(rows, "rows columns"), (b, "")]
    if given.m == 1:
        return [(a, ""), (columns, "columns")]
    return [(rows, "rows"), (columns, "columns")]
