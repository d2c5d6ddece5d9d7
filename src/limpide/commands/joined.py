"""Commands in several processes: the options, and whether this is one of them or starts them.

Answers for what may be asked for together. Not for: starting processes (``limpide.launching``), nor
how they find each other (``limpide.engines.xla.hosts``).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar

import click

import limpide
from limpide import program
from limpide.commands.options import UNBOUNDED

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Launched:
    """Where a process that a launcher has started finds the others, and its number."""

    place: str
    number: int


LAUNCHED: Launched | None = None
"""Of this process; None where no launcher has started it."""


def process_options(function: F) -> F:
    """Add the options for several processes."""
    for option in (
        click.option(
            "--process-id",
            metavar="I",
            type=program.Number(int, 0, UNBOUNDED, "--process-id 0"),
            help="With --coordinator: which of the processes this is, from 0.",
        ),
        click.option(
            "--processes",
            metavar="N",
            type=program.Number(int, 1, 2**16, "--processes 2"),
            help="With --engine xla: train in so many processes; alone, all on this machine.",
        ),
        click.option(
            "--coordinator",
            metavar="HOST:PORT",
            help="Where process 0 listens for the others, on a network that you trust.",
        ),
        click.option(
            "--distributed",
            is_flag=True,
            help="With --engine xla: be one of the processes of a cluster that JAX detects.",
        ),
    ):
        function = option(function)
    return function


@dataclass(frozen=True)
class Processes:
    """What is asked for."""

    distributed: bool
    coordinator: str | None
    processes: int | None
    process_id: int | None

    def check(self, engine: str | None) -> None:
        """Refuse what does not go together."""
        given = {
            "--coordinator": self.coordinator,
            "--processes": self.processes,
            "--process-id": self.process_id,
        }
        named = [name for name, value in given.items() if value is not None]
        if not named and not self.distributed:
            return
        first = "--distributed" if self.distributed else named[0]
        if limpide.engines.get(engine).name != "xla":
            raise program.Misuse(f"{first} is for --engine xla. Add that, or leave {first} out.")
        if self.distributed and named:
            raise program.Misuse(
                f"--distributed finds the others by itself. Leave {' and '.join(named)} out."
            )
        lacking = [name for name in given if name not in named]
        if not self.distributed and named != ["--processes"] and lacking:
            raise program.Misuse(
                f"{' and '.join(named)} {'needs' if len(named) == 1 else 'need'} "
                f"{' and '.join(lacking)} too. Or give --processes alone: all of them run here."
            )

    @property
    def starts_all(self) -> bool:
        """Whether this process only starts the others."""
        alone = self.processes is not None and self.processes > 1 and self.coordinator is None
        return alone and LAUNCHED is None

    def launch(self, session: program.Session) -> int:
        """Start the processes, and give the exit status when they have ended."""
        assert self.processes is not None
        launcher = limpide.launching.Launcher(self.processes, session.arguments, session.stop)
        status: int
        status, fault = launcher.run()
        if fault:
            program.complain(fault)
        return status

    def joined(self) -> Any:
        """Be one of the processes while ``with`` lasts, or the only one."""
        if LAUNCHED is not None:
            return limpide.processes(LAUNCHED.place, self.processes, LAUNCHED.number)
        if self.distributed or self.coordinator is not None:
            return limpide.processes(self.coordinator, self.processes, self.process_id)
        return nullcontext(limpide.joining.ALONE)
