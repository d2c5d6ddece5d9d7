"""``processes``: several processes, on one machine or more, that train one network together.

Answers for what a user writes in Python. Not for: how they find each other
(``limpide.engines.xla.hosts``), nor for starting them (``limpide.launching``).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from limpide import engines
from limpide.conversion import check_finite_scalar
from limpide.engines.team import ALONE, Team
from limpide.errors import ArgumentError
from limpide.keywords import known_keywords

__all__ = ["ALONE", "processes"]

TIMEOUT = 300.0
"""Seconds that a process waits for the others, unless a user says something else."""


@known_keywords
@contextmanager
def processes(
    coordinator: str | None = None,
    processes: int | None = None,
    process_id: int | None = None,
    timeout: float = TIMEOUT,
) -> Iterator[Team]:
    """Let this process train with others, on the devices of all of them, while ``with`` lasts.

    Every process runs the same lines on the same data; ``fit`` and ``train`` with ``engine="xla"``
    then share each batch out to all devices. It must come before any other use of JAX in the
    process, and it can be done once in a process.

    Parameters
    ----------
    coordinator
        ``"HOST:PORT"``, where process 0 listens, and at no other address. With ``127.0.0.1`` the
        others are on the same machine. Anybody who can reach it can take part: use networks that
        you trust.
    processes
        How many processes there are.
    process_id
        Which of them this is, from 0. Number 0 writes files and shows what happens.
    timeout
        How many seconds to wait for the others to come.

    Without the first three, JAX's own detection of the cluster finds them, as under SLURM.

    Yields
    ------
    Team
        With ``number`` and ``size``.

    Raises
    ------
    ArgumentError
        For arguments that cannot be used, where JAX was used before, and where another process
        does not come.
    MissingExtraError
        Without JAX.

    Notes
    -----
    Where a process is lost, all others say which, and end with status 1 within a minute: a sum
    that one of them never adds to cannot be left in another way. See ``docs/processes.md``.

    Examples
    --------
    >>> import limpide as lp
    >>> with lp.processes(coordinator="127.0.0.1:1234", processes=1, process_id=0) as team:
    ...     print(team.number, team.size)
    0 1
    """
    timeout = check_finite_scalar(timeout, "timeout")
    if timeout <= 0:
        raise ArgumentError(f"timeout is in seconds, above 0; received {timeout:g}.")
    with engines.together(coordinator, processes, process_id, timeout) as team:
        yield team
