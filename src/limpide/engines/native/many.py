"""Many networks side by side: each thread takes the next network and trains it by itself.

Answers for what ``NativeEngine.compile_many`` gives. A network's weights stay in its core's cache
and no thread waits for another, so that this is as fast as the loop of one thread on each core.
Not for: that loop's code (``loops``), or who hears of the epochs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from limpide.engines.native.loop_run import Alone, LoopRun
from limpide.engines.native.threads import MOST_THREADS, POOL
from limpide.ir import Array
from limpide.threads import limit_threads, most

if TYPE_CHECKING:  # they stand in the package's first file, which looks engines up
    from limpide.engines import Turns, Watch

_CYCLES = 1e8  # of a call, about: some hundredths of a second, after which Ctrl-C is heard
_PLACES = 1 << 17  # of a block of orders: 1 MiB


class ManyRun:
    """A loop compiled for many networks; calling it is what ``Engine.compile_many`` promises."""

    def __init__(self, run: LoopRun) -> None:
        self._run = run
        self.row_order = run.row_order

    def __call__(
        self,
        carries: list[Array],
        helds: list[Array],
        row_arrays: list[Array],
        turns: Turns,
        epochs: int,
        at_most: int,
        watch: Watch,
    ) -> None:
        networks = iter(range(len(carries[0])))
        lock, errors = threading.Lock(), list[BaseException]()

        def over() -> bool:
            return bool(errors) or watch.over()

        def following() -> int | None:
            with lock:
                return None if over() else next(networks, None)

        def work() -> None:
            # A worker must come back whatever happens: others wait for it.
            try:
                with limit_threads(1):
                    one = _One(self._run, carries, helds, row_arrays, turns, epochs, at_most)
                    one.work(following, watch, over)
            except BaseException as error:
                errors.append(error)

        with POOL.lend(min(most(), MOST_THREADS, len(carries[0]))) as team:
            team.run([work] * team.size)
        if errors:
            raise errors[0]


class _One:
    """One thread's share: it trains network after network."""

    def __init__(
        self,
        run: LoopRun,
        carries: list[Array],
        helds: list[Array],
        row_arrays: list[Array],
        turns: Turns,
        epochs: int,
        at_most: int,
    ) -> None:
        self._carries, self._given = carries, [*carries, *helds]
        self._turns, self._epochs = turns, epochs
        n, self._batch = turns.n_rows, run.batch
        self._an_epoch = -(-n // run.batch)
        self._at_once = max(1, int(_CYCLES / max(run.cost, 1.0)))  # steps of a call
        epochs_at_once = min(self._at_once // self._an_epoch, _PLACES // n, at_most, epochs)
        self._order = np.empty((max(1, epochs_at_once), n), np.int64)
        self._losses = np.empty((len(self._order), self._an_epoch), run.seen_dtype)
        self._alone = run.alone(row_arrays)

    def work(
        self, following: Callable[[], int | None], watch: Watch, over: Callable[[], bool]
    ) -> None:
        """Train networks until there are no more."""
        try:
            while (network := following()) is not None:
                self._train(network, watch, over)
        finally:
            self._alone.close()

    def _train(self, network: int, watch: Watch, over: Callable[[], bool]) -> None:
        homes, alone = self._alone.homes, self._alone
        for home, array in zip(homes, self._given, strict=True):
            np.copyto(home, array[network], casting="no")
        for epoch in range(0, self._epochs, len(self._order)):
            order = self._order[: self._epochs - epoch]
            losses = self._losses[: len(order)]
            self._turns.draw(network, epoch, order)
            whole = _steps(alone, order, losses, self._at_once, self._batch, over)
            for array, home in zip(self._carries, homes, strict=False):
                array[network] = home
            told = whole and watch.note(network, network + 1, epoch, losses[None])
            if not told or over():
                return


def _steps(
    alone: Alone, order: Array, losses: Array, at_once: int, batch: int, over: Callable[[], bool]
) -> bool:
    """Take the steps of an order, those of a long epoch some at a time; whether all were taken."""
    an_epoch = losses.shape[1]
    if an_epoch <= at_once:
        alone.steps(order, losses)
        return True
    for step in range(0, an_epoch, at_once):
        end = min(step + at_once, an_epoch)
        alone.steps(order[:1, step * batch : end * batch], losses[:1, step:end])
        if end < an_epoch and over():
            return False
    return True
