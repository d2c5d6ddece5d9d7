"""What a loop carries, where the loop keeps it: in memory, or on a device.

Answers for copying it, putting it back, looking at it, and running steps on it. Not for: what is
carried (``limpide.training``), or the loop (engines).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol, Self

import numpy as np

from limpide.ir import Array


class Carry(Protocol):
    """The arrays that a loop carries from call to call."""

    def run(self, held: list[Array], rows: list[Array], order: Array) -> list[Array]:
        """Take steps, which change what is carried, and give what they let see."""

    def copy(self) -> Self:
        """Give a copy that no step changes."""

    def restore(self, other: Self) -> None:
        """Take the numbers of a copy."""

    def is_finite(self, first: int | None = None) -> bool:
        """Tell whether the first arrays, or all, hold no NaN and no infinity."""

    def read(self, first: int | None = None) -> list[Array]:
        """Give the first arrays, or all, to be looked at before the next step, not written to."""

    def write(self, arrays: Sequence[Array]) -> None:
        """Take other numbers for the first arrays."""


class InMemory:
    """Arrays of NumPy's that a loop changes in place.

    Parameters
    ----------
    run
        The loop.
    arrays
        What it carries, in the memory in which it works.
    """

    def __init__(self, run: Any, arrays: list[Array]) -> None:
        self._run, self._arrays = run, arrays

    def run(self, held: list[Array], rows: list[Array], order: Array) -> list[Array]:
        seen: list[Array] = self._run(self._arrays, held, rows, order, 0)
        return seen

    def copy(self) -> InMemory:
        return InMemory(self._run, [array.copy() for array in self._arrays])

    def restore(self, other: InMemory) -> None:
        self.write(other._arrays)

    def is_finite(self, first: int | None = None) -> bool:
        with np.errstate(over="ignore", invalid="ignore"):
            # A sum of finite numbers can overflow; only then is each number looked at.
            return all(
                math.isfinite(np.add.reduce(a, axis=None)) or bool(np.isfinite(a).all())
                for a in self._arrays[:first]
                if a.dtype.kind == "f"
            )

    def read(self, first: int | None = None) -> list[Array]:
        return self._arrays[:first]

    def write(self, arrays: Sequence[Array]) -> None:
        for own, other in zip(self._arrays, arrays, strict=False):
            np.copyto(own, other)
