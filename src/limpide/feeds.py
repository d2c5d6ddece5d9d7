"""Rows for a compiled loop: where they lie and in which order they come, some steps at a time.

Answers for ``Feed`` and for rows in memory. Not for: drawing orders (``limpide.row_orders``), rows
on disk (``limpide.stored_rows``), or running the loop (``limpide.training``).
"""

from __future__ import annotations

from typing import NamedTuple, Protocol, Self

from limpide.ir import Array
from limpide.row_orders import Orders


class Steps(NamedTuple):
    """Rows for some steps.

    Attributes
    ----------
    rows
        X, y and perhaps weights, a row each; the same list as before where they are the same.
    order
        i64[k, n]: which of them come, in k times as many steps as n rows make.
    n_steps
        How many steps that is.
    """

    rows: list[Array]
    order: Array
    n_steps: int


class Feed(Protocol):
    """The rows of a run, from step to step."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def take(self, epoch: int, at: int, steps: int) -> Steps:
        """Give the next steps from step ``at`` of an epoch on: at least one, and at most so many.

        What is asked for begins where the last steps ended; only a run's first may begin anywhere.
        """


class FromMemory:
    """Rows that are all in memory."""

    def __init__(self, rows: list[Array], orders: Orders, n_rows: int, batch_size: int) -> None:
        self._rows, self._orders, self._size = rows, orders, batch_size
        self._an_epoch = -(-n_rows // batch_size)
        self._order: Array | None = None  # i64[1, n], of the epoch that is under way

    def __enter__(self) -> Self:
        self._orders.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._orders.__exit__(*error)

    def take(self, epoch: int, at: int, steps: int) -> Steps:
        if at == 0 and steps >= self._an_epoch:
            order = self._orders.take(steps // self._an_epoch)
            return Steps(self._rows, order, len(order) * self._an_epoch)
        if at == 0 or self._order is None:
            self._order = self._orders.take(1)
        count = min(steps, self._an_epoch - at)
        order = self._order[:, at * self._size : (at + count) * self._size]
        return Steps(self._rows, order, count)
