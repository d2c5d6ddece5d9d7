"""Engines run graphs. ``get(name)`` looks one up; None is the best that is installed.

Answers for what an engine is, and for finding it. Not for: layers or training, which no engine
knows.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, cast

from limpide.engines import reference
from limpide.engines.carry import Carry, InMemory
from limpide.engines.team import ALONE, Team
from limpide.errors import ArgumentError, MissingExtraError, choice_error
from limpide.ir import Array, Graph, Loop
from limpide.rng import RowOrder

Run = Callable[[list[Array]], list[Array]]
"""``run(inputs) -> outputs``: arrays in the order of the graph's inputs and outputs."""

RunLoop = Callable[[list[Array], list[Array], list[Array], Array | None, int], list[Array]]
"""``run(carry, held, row_arrays, order, trips) -> observed``: see ``Engine.compile_loop``."""


RunRows = Callable[[Sequence[Array], Sequence[Array], Sequence[Array]], None]
"""``run(held, row_arrays, outputs)``: see ``Engine.compile_rows``."""

RunMany = Callable[[list[Array], list[Array], list[Array], "Turns", int, int, "Watch"], None]
"""``run(carries, helds, row_arrays, turns, epochs, at_most, watch)``: see
``Engine.compile_many``."""


class Turns(Protocol):
    """Which rows come when in the runs of many networks.

    Attributes
    ----------
    n_rows
        How many places an epoch has.
    """

    n_rows: int

    def key(self, network: int) -> int:
        """Give a number; the orders of networks that have the same one are the same."""

    def draw(self, network: int, epoch: int, out: Array) -> None:
        """Write the orders of epochs, from ``epoch`` on, to ``out``, i64[k, n_rows] without gaps.

        Several threads may ask at once.
        """


class Watch(Protocol):
    """What sees the runs of many networks as they go."""

    def note(self, first: int, last: int, epoch: int, losses: Array) -> bool:
        """Hear of epochs of the networks from ``first`` on, to before ``last``; whether to go on.

        ``losses`` is f[networks, k, steps of an epoch], of k epochs from ``epoch`` on. What these
        networks carry is up to date meanwhile. Several threads may tell at once, of other networks.
        """

    def over(self) -> bool:
        """Whether to leave off as soon as may be, with whatever the networks have come to."""


class Engine(Protocol):
    """What runs graphs: a way to compile a graph, one over many rows, and a loop with a carry."""

    name: str

    #: How many independent rows a graph over rows takes at a time, at most: a power of 4.
    block: int

    def compile(self, graph: Graph) -> Run:
        """Make a graph ready to run; the results are new arrays, the inputs stay as they are."""

    def compile_rows(self, graph: Graph, n_held: int) -> RunRows:
        """Make a graph over a batch of rows ready to run over many.

        The graph's inputs are ``n_held`` arrays, then a batch of each row array; each output has
        a row for each of the batch's, which depends on no other row. ``run(held, row_arrays,
        outputs)`` fills the rows of ``outputs``, whose arrays lie row by row. There are at least
        as many rows as in a batch; the last batch begins where it ends with the last row.
        """

    def compile_loop(self, loop: Loop) -> RunLoop:
        """Make a loop ready to run.

        ``run(carry, held, row_arrays, order, trips)`` updates the arrays of ``carry`` in place.
        With row arrays, ``order`` is i64[epochs, n], the row of each place, and ``trips`` is not
        used: in each epoch each step takes the next batch of it, and what remains goes to
        ``loop.tail``. An epoch that ends early is one row of fewer places. Without row arrays,
        ``order`` is None and ``trips`` counts the steps. Gives, for each observed output, an array
        with one entry a step, over all epochs, in order.
        """

    def compile_many(self, loop: Loop) -> RunMany:
        """Make a loop over rows that observes its loss alone ready to run for many networks.

        Each array of ``carries`` (changed in place) and of ``helds`` has a leading axis of
        networks; each network goes through ``epochs`` epochs, in its own order of the rows, and is
        trained as ``compile_loop`` would train it alone: to the bit but on xla, where sums may
        be added otherwise. ``watch`` hears of each epoch once, of ``at_most`` at a time.
        """

    def compile_many_rows(self, graph: Graph, n_held: int) -> RunRows:
        """Make what ``compile_rows`` does ready for many networks.

        The held arrays and the outputs have a leading axis of networks; the rows are shared.
        """


def compiled(run: object) -> Any:
    """Give what was compiled behind a ``run``, to be read: its ``ir``, ``assembly``, kernels.

    Raises
    ------
    ArgumentError
        Where the engine makes no machine code.
    """
    made = getattr(run, "compiled", None)
    if made is None:
        raise ArgumentError(
            "The reference engine calls NumPy op by op: there is no machine code to show. Use "
            "engine='native'."
        )
    return made()


def threads_of(run: object) -> int:
    """Give how many threads a compiled loop would use now."""
    count = getattr(run, "threads", None)
    return 1 if count is None else int(count())


def working(run: object, carry: list[Array]) -> list[Array]:
    """Give arrays of the same numbers that a compiled loop changes without copying them.

    They are the loop's own memory, for as long as the list lives, or ``carry`` itself.
    """
    make = getattr(run, "working", None)
    return carry if make is None else cast("list[Array]", make(carry))


def carried(run: Any, arrays: list[Array]) -> Carry:
    """Give what a loop carries, where it works best: a copy of the arrays, or they themselves."""
    make = getattr(run, "carried", None)
    return InMemory(run, working(run, arrays)) if make is None else cast(Carry, make(arrays))


def first_steps(run: object) -> int:
    """Give how many steps a loop's first slice may have, before it is known how long they take."""
    return int(getattr(run, "first_steps", 1))


def slice_seconds(run: object, usual: float) -> float:
    """Give how long a loop's slices should last: longer than usual where each costs much itself."""
    return max(usual, float(getattr(run, "least_slice_seconds", 0.0)))


def made_for(run: object) -> str:
    """Give the processor that a compiled loop is made for, or an empty text for any.

    Another one may round differently: it sums in vectors of another width.
    """
    return str(getattr(run, "made_for", ""))


def compile_seconds(run: object) -> float:
    """Give how long what is compiled when first run has taken to compile, over all its runs."""
    return float(getattr(run, "compile_seconds", 0.0))


def row_order_of(run: object) -> type[RowOrder]:
    """Give what draws row orders for a compiled loop: the same on every engine, some faster."""
    return getattr(run, "row_order", RowOrder)


def compile_shares(engine: Engine, loop: Loop) -> RunLoop:
    """Make a loop ready to run over rows of which each process has its own.

    Each gives row arrays and orders of the same lengths, and to each batch as many of its rows.
    """
    return cast(RunLoop, cast(Any, engine).compile_loop(loop, shares=True))


def size_together() -> int:
    """Give how many processes train together now."""
    return _team_of("").size


def _team_of(engine: str) -> Team:
    hosts = sys.modules.get("limpide.engines.xla.hosts")  # else nobody has joined anybody
    found: Team = ALONE if hosts is None else hosts.current(engine)
    return found


def together(
    coordinator: Any, processes: Any, process_id: Any, timeout: float
) -> AbstractContextManager[Team]:
    """Let this process be one of several that run programs together: see ``lp.processes``.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        For what cannot be.
    MissingExtraError
        Without JAX.
    """
    get("xla")  # the error that names the extra
    from limpide.engines.xla import hosts

    return hosts.together(hosts.asked(coordinator, processes, process_id), timeout)


def team(engine: str) -> Team:
    """Give the processes that run this engine's programs together: this one alone, or several.

    Raises
    ------
    ArgumentError
        Several processes are together, and the engine knows of one.
    """
    found = _team_of(engine)
    if found.size > 1 and engine != "xla":
        raise ArgumentError(
            f"engine is {engine!r}, and {found.size} processes train together with 'xla' alone. "
            "Say engine='xla', or leave lp.processes out."
        )
    return found


_NAMES = ("native", "reference", "xla")
_ENGINES: dict[str, Engine] = {"reference": reference.ReferenceEngine()}


def get(name: str | Engine | None) -> Engine:
    """Give an engine by name; None is the one named by ``LIMPIDE_ENGINE``, else ``"native"``.

    An engine is given back.

    Raises
    ------
    ArgumentError
        For a name that no engine has.
    """
    if hasattr(name, "compile_loop"):
        return cast(Engine, name)
    name = _checked(name)
    if name not in _ENGINES:
        _ENGINES[name] = _looked_up(name)
    return _ENGINES[name]


def on_devices(
    name: str | Engine | None, devices: Any = None, compute_dtype: str | None = None
) -> Engine:
    """Give an engine for loops on some devices, in some precision.

    Parameters
    ----------
    name
        As in ``get``.
    devices
        How many, the numbers of some, or ``"all"``; None: one.
    compute_dtype
        ``"bfloat16"``: the factors of products of matrices; None: all float32.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        There are no such devices, or the engine knows of none.
    """
    if devices is None and compute_dtype is None:
        return get(name)
    argument = "compute_dtype" if devices is None else "devices"
    found = get(name)
    among = getattr(found, "on_devices", None)
    if among is None:
        raise ArgumentError(
            f"{argument} is for engine='xla'; this is engine={found.name!r}, which computes on the "
            f"processor, in the network's dtype. Leave {argument} out, or say engine='xla'."
        )
    return cast(Engine, among(devices, compute_dtype))


def _checked(name: Any) -> str:
    argument = "engine"
    if name is None:
        argument = "LIMPIDE_ENGINE"
        name = os.environ.get(argument) or _NAMES[0]
    if name not in _NAMES:
        raise choice_error(argument, name, _NAMES)
    return str(name)


def _looked_up(name: str) -> Engine:
    """Load an engine when it is first wanted: LLVM takes 50 ms, JAX a second."""
    if name == "native":
        from limpide.engines.native import NativeEngine

        return NativeEngine()
    try:
        from limpide.engines.xla import XlaEngine
    except ImportError:
        raise MissingExtraError(
            "engine='xla' needs JAX. Install it with: pip install 'limpide[xla]'."
        ) from None
    return XlaEngine()
