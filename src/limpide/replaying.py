"""Replaying: a training run gone through again, up to any step, from where it began.

Answers for ``history.replay`` and ``history.values``: what a run began with and the order of its
rows are all that it takes. Not for: telling a step (``limpide.explain``), or training.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

import limpide
from limpide import engines
from limpide.errors import ArgumentError, DataError
from limpide.feeds import Feed, FromMemory
from limpide.ir import Array
from limpide.row_orders import orders
from limpide.rows import Data
from limpide.scalars import Scalars
from limpide.steps import StepPlan
from limpide.threads import available

if TYPE_CHECKING:  # loaded when a step is told: limpide.explain
    from limpide.explain import Step

_SAMPLED = 4096  # numbers of an array, at even distances
_AT_ONCE = 4096  # steps that are run in one call


@dataclass
class Recording:
    """What a run began with: enough to go through it again.

    Attributes
    ----------
    plan, data, batch_size, epochs, seed, run_loop
        As the run had them; ``data`` are the arrays themselves, not copies.
    params, state
        The arrays that were trained; frozen ones are looked up there.
    before
        A copy of what was carried before the first step: parameters, state, slots, step.
    held
        What stays the same from step to step.
    began
        How many steps were done when it was copied: 0, or more where a checkpoint was resumed.
    shuffle
        Whether the rows came in orders drawn by the seed.
    scalars
        The scalar names of the parameters.
    """

    def __post_init__(self) -> None:
        self._seen = fingerprint(self.data)

    plan: StepPlan
    data: Data
    batch_size: int
    epochs: int
    seed: int
    run_loop: engines.RunLoop
    params: dict[str, Array]
    state: dict[str, Array]
    before: list[Array]
    held: list[Array]
    began: int
    shuffle: bool
    scalars: Scalars

    @property
    def an_epoch(self) -> int:
        """How many steps an epoch has."""
        return -(-self.data.n_rows // self.batch_size)

    def _feed(self, first: int) -> Feed:
        seed = self.seed if self.shuffle else None
        return feed_of(self.data, seed, self.epochs, self.batch_size, self.run_loop, first)

    @property
    def _trained(self) -> list[str]:
        return [name for name in self.params if name not in self.plan.frozen]

    def run(self, stops: Iterator[int]) -> Iterator[tuple[int, list[Array], list[Array]]]:
        """Go through the run again; give each stop with what is carried by then, and its rows.

        A stop is the number of steps done, never less than the one before. The arrays are the
        loop's own, until the next stop; the rows are X, y and perhaps weights of the step that
        comes next, or empty after the last.
        """
        if fingerprint(self.data) != self._seen:
            raise DataError(
                "X or y has changed since the run: it cannot be gone through again. Fit again, or "
                "hand fit a copy of the arrays that you change."
            )
        carry = engines.working(self.run_loop, [array.copy() for array in self.before])
        done, an_epoch = self.began, self.an_epoch
        taken: tuple[list[Array], Array, int] | None = None  # rows and order from step ``done`` on
        with self._feed(done // an_epoch) as feed:
            for stop in stops:
                while done < stop or (taken is None and done < self.epochs * an_epoch):
                    if taken is None:
                        epoch, at = divmod(done, an_epoch)
                        taken = tuple(feed.take(epoch, at, an_epoch - at))  # type: ignore[assignment]
                        continue
                    rows, order, steps = taken
                    count = min(stop - done, steps, _AT_ONCE)
                    if not count:
                        break
                    size = count * self.batch_size
                    self.run_loop(carry, self.held, rows, order[:, :size], 0)
                    done += count
                    taken = (rows, order[:, size:], steps - count) if count < steps else None
                batch: list[Array] = []
                if taken is not None:
                    rows, order, _ = taken
                    numbers = order[0, : self.batch_size]
                    batch = [numbers, *(array[numbers] for array in rows)]
                yield done, carry, batch

    def named(self, carry: list[Array]) -> dict[str, Array]:
        """Give parameters and state by name, frozen ones too, as copies."""
        names = [*self._trained, *self.state]
        carried = {n: a.copy() for n, a in zip(names, carry, strict=False)}
        return {n: carried.get(n, a) for n, a in (*self.params.items(), *self.state.items())}

    def step(self, number: int, done: int) -> Step:
        """Tell step ``number`` of a run of which so many steps were done."""
        if isinstance(number, bool) or not isinstance(number, (int, np.integer)):
            raise ArgumentError(f"step is a whole number; received {number!r}.")
        if not self.began < number <= done:
            from_here = f"{self.began + 1} to {done}"
            why = " (those before it were another process's)" if self.began else ""
            raise ArgumentError(
                f"The steps that can be replayed are {from_here}{why}; received {number}."
            )
        (_, carry, (rows, *batch)), *_ = self.run(iter([int(number) - 1]))
        arrays = self.named(carry)
        own = carry[len(self._trained) + len(self.state) : -1]
        slots = [f"{n}.{slot}" for n in self._trained for slot in self.plan.optimizer.slots()]
        explain = limpide.explain
        asked = explain.Asked(
            placed=self.plan.placed,
            scalars=self.scalars,
            params={n: arrays[n] for n in self.params},
            state={n: arrays[n] for n in self.state},
            rows=batch,
            loss=self.plan.loss,
            optimizer=self.plan.optimizer,
            frozen=self.plan.frozen,
            seed=self.seed,
            moment=explain.Moment(
                step=int(number) - 1,
                total=self.epochs * self.an_epoch,
                slots={n: a.astype(np.float64) for n, a in zip(slots, own, strict=True)},
            ),
            dtype=next(iter(self.params.values())).dtype.name,
        )
        epoch = (int(number) - 1) // self.an_epoch + 1
        step: Step = explain.Step(asked.facts(), int(number), epoch, rows.copy())
        return step

    def values(self, name: str, done: int, each_step: bool) -> Array:
        """Give a scalar before the run and after each epoch or step of it."""
        parameter, index = self.scalars.locate(name)
        stops = range(self.began, done + 1)
        if not each_step:
            ends = range((self.began // self.an_epoch + 1) * self.an_epoch, done + 1, self.an_epoch)
            stops = [self.began, *ends]  # type: ignore[assignment]
        if parameter in self.plan.frozen:
            return np.full(len(stops), self.params[parameter][index], np.float64)
        place = self._trained.index(parameter)
        found = [carry[place][index] for _, carry, _ in self.run(iter(stops))]
        return np.array(found, np.float64)


def feed_of(
    data: Data,
    seed: int | None,
    epochs: int,
    batch_size: int,
    run_loop: engines.RunLoop,
    first: int,
) -> Feed:
    """Give the rows of a run from epoch ``first`` on, in the order that the seed draws."""
    fast = engines.row_order_of(run_loop)
    ahead = engines.threads_of(run_loop) < available()
    n = data.n_rows
    given = orders(seed, epochs, n, data.rows, first=first, ahead=ahead, fast=fast)
    return FromMemory(data.arrays(), given, n, batch_size)


def fingerprint(data: Data) -> int:
    """Give a number that another X or y is unlikely to have, from a sample of their bytes."""
    found = 0
    for array in data.arrays():
        step = max(1, array.size // _SAMPLED)
        found = zlib.crc32(np.ascontiguousarray(array.reshape(-1)[::step]).tobytes(), found)
    return found
