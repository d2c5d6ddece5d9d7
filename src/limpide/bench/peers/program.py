"""What a program under test is: one that trains a workload for a number of epochs.

Answers for the words that the runner and the programs share. Not for: any program.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from limpide.bench.workloads import Workload


@dataclass(frozen=True)
class Form:
    """One way in which a program can be written and run; the fastest form of a peer counts.

    Parameters
    ----------
    words
        What tells it from the peer's other forms.
    threads
        How many threads its process may use.
    options
        What the program is built with.
    """

    words: str
    threads: int = 2
    options: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Give plain values, from which ``Form(**values)`` makes an equal one."""
        return asdict(self)

    def __str__(self) -> str:
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        return f"{self.words}, {threads}" if self.words else threads


_TINY = 2e6  # floating-point work of a step that no second thread makes shorter


def threads_order(work: Workload) -> tuple[int, int]:
    """Give the numbers of threads worth trying, the one that is mostly best first."""
    return (1, 2) if work.flops / work.steps < _TINY else (2, 1)


class Program(Protocol):
    """A workload ready to be trained."""

    def reset(self) -> None:
        """Go back to the first weights, with a fresh optimizer; never timed."""

    def run(self, epochs: int, shuffled: bool) -> Sequence[float]:
        """Train, and give the loss of each epoch: the row-weighted mean of its steps' losses.

        Programs that take many epochs at once may train more of them than asked for.
        """


class Peer(Protocol):
    """A module that builds programs; what it is written with is imported by ``build`` alone."""

    TITLE: str
    """Its name in tables."""
    PACKAGE: str
    """What has to be installed for it."""

    def lacks(self, work: Workload) -> str:
        """Give why this workload cannot be trained with it, or an empty text."""

    def forms(self, work: Workload) -> list[Form]:
        """Give the forms worth trying, the one that is mostly best first."""

    def build(self, work: Workload, options: Mapping[str, Any]) -> Program:
        """Give a program in one form."""
