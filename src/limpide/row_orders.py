"""Row orders: which row comes when in each epoch, drawn ahead of need by a helper thread.

Answers for orders as blocks that a compiled loop takes, and for the helper's life. Not for: what
an order is (``limpide.rng``), or how long slices are (``limpide.training``).
"""

from __future__ import annotations

import threading
from typing import Protocol, Self

import numpy as np

from limpide.ir import Array
from limpide.rng import RowOrder

BLOCK_ROWS = 1 << 19  # places in a block of orders: 4 MiB
_A_TURN = 1 << 12  # places drawn between looks at what is wanted
_MUCH = 1 << 19  # places to draw from which on it pays to load code that is fast
_FEW_ROWS = 100  # of which an epoch is drawn in Python for the most part: no help beside Python
_WORTHWHILE = 1 << 15  # places to draw from which on a helper pays: about half a millisecond


class Orders(Protocol):
    """The orders of a run's epochs, given out one epoch after the other."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def take(self, epochs: int) -> Array:
        """Give the orders of the next epochs, i64[k, n]: at least one, and at most so many."""


def orders(
    seed: int | None,
    epochs: int,
    n_rows: int,
    rows: Array | None = None,
    *,
    first: int = 0,
    ahead: bool = True,
    fast: type[RowOrder] = RowOrder,
) -> Orders:
    """Give the orders of a run: drawn by ``seed``, or with None the same in each epoch.

    Parameters
    ----------
    n_rows
        How many rows an epoch has.
    rows
        i64[n_rows]: which rows those are; None is all.
    first
        The first epoch that is given out.
    ahead
        Whether a thread may draw while others train; it would be in the way where training itself
        takes every processor.
    fast
        What draws where there is much to draw.

    Examples
    --------
    >>> with orders(None, 3, 4) as given:
    ...     print(given.take(2))
    [[0 1 2 3]
     [0 1 2 3]]
    """
    a_block = min(epochs, max(1, BLOCK_ROWS // n_rows))
    if seed is None:
        return _Fixed(a_block, np.arange(n_rows, dtype=np.int64) if rows is None else rows)
    kind = fast if epochs * n_rows >= _MUCH else RowOrder
    return _Drawn(kind(seed), range(first, epochs), n_rows, rows, a_block, ahead)


class _Fixed:
    """One order for all epochs."""

    def __init__(self, a_block: int, rows: Array) -> None:
        self._block = np.tile(rows, (a_block, 1))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def take(self, epochs: int) -> Array:
        return self._block[:epochs]


class _Block:
    """The orders of some epochs, i64[epochs, n], of which the first ``drawn`` are there."""

    def __init__(self, first: int, epochs: int, n_rows: int) -> None:
        self.first, self.orders = first, np.empty((epochs, n_rows), np.int64)
        self.drawn = self.used = 0
        self.wanted = 1  # how many somebody waits for

    @property
    def is_whole(self) -> bool:
        return self.drawn == len(self.orders)


class _Drawn:
    """Orders drawn by a seed, block by block: by a helper, or, where that does not pay, here.

    The helper keeps one block ahead of the one that is given out.
    """

    def __init__(
        self,
        order: RowOrder,
        epochs: range,
        n_rows: int,
        rows: Array | None,
        a_block: int,
        ahead: bool,
    ) -> None:
        self._order, self._n_rows, self._rows = order, n_rows, rows
        self._first, self._epochs = epochs.start, epochs.stop
        self._a_block = a_block
        self._given = self._first  # the next epoch to give out
        self._block: _Block | None = None  # given out now
        self._next: _Block | None = None
        pays = n_rows >= _FEW_ROWS and len(epochs) * n_rows >= _WORTHWHILE
        self._has_helper = ahead and pays
        self._helper: threading.Thread | None = None
        self._changed = threading.Condition()
        self._over = False  # the helper has nothing left to do
        self._error: BaseException | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True  # first: whatever interrupts the rest, the helper ends
        if self._helper is not None and self._helper.is_alive():
            with self._changed:
                self._changed.notify_all()
            self._helper.join()

    def take(self, epochs: int) -> Array:
        block = self._block
        if block is None or block.used == len(block.orders):
            block = self._block = self._new_block()
        end = min(block.used + epochs, len(block.orders))
        if block.drawn < end:
            self._provide(block, end)
        part = block.orders[block.used : end]
        self._given += end - block.used
        block.used = end
        return part

    def _new_block(self) -> _Block:
        if not self._is_helped():
            return self._empty(self._given)
        with self._changed:
            while self._next is None:
                self._wait()
            block, self._next = self._next, None
            self._changed.notify_all()
        return block

    def _provide(self, block: _Block, end: int) -> None:
        if not self._is_helped():
            self._draw(block, end)
            return
        with self._changed:
            block.wanted = end
            while block.drawn < end:
                self._wait()

    def _wait(self) -> None:
        if self._error is not None:
            raise self._error
        self._changed.wait()

    def _is_helped(self) -> bool:
        if self._has_helper and self._helper is None:
            self._helper = threading.Thread(target=self._help, daemon=True, name="limpide rows")
            try:
                self._helper.start()
            except RuntimeError:  # the system starts no more threads
                self._has_helper, self._helper = False, None
        elif self._helper is not None and not (self._helper.is_alive() or self._over):
            # A forked child has none of its parent's threads, and locks as they were just then.
            self._has_helper, self._helper, self._next = False, None, None
            self._order = type(self._order)(self._order.seed)
        return self._has_helper

    def _empty(self, first: int) -> _Block:
        return _Block(first, min(self._a_block, self._epochs - first), self._n_rows)

    def _draw(self, block: _Block, end: int) -> None:
        part = block.orders[block.drawn : end]
        self._order.draw(block.first + block.drawn, part)
        if self._rows is not None:
            for order in part:
                order[:] = self._rows[order]
        block.drawn = end

    # In the helper --------------------------------------------------------------------------

    def _help(self) -> None:
        try:
            self._draw_all()
        except BaseException as error:  # short of memory: raised where orders are taken
            self._error = error
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def _draw_all(self) -> None:
        a_turn = min(64, max(1, _A_TURN // self._n_rows))
        first = self._first
        while first < self._epochs:
            block = self._empty(first)
            with self._changed:
                while self._next is not None and not self._over:
                    self._changed.wait(1.0)
                self._next = block
                self._changed.notify_all()
            while not block.is_whole:
                if self._over:
                    return
                self._draw(block, min(block.drawn + a_turn, len(block.orders)))
                if block.drawn >= block.wanted:
                    with self._changed:
                        self._changed.notify_all()
            first += len(block.orders)
