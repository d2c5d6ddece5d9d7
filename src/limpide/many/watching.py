"""What is seen of many runs as they go: losses, validation, Ctrl-C; and which rows come when.

Answers for an engine's ``Turns`` and ``Watch``. Not for: starting the runs, or what is made of
those that diverge (``limpide.many.fitting``).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

import numpy as np

from limpide.ir import Array
from limpide.locks import Lock
from limpide.network import Prepared
from limpide.progress import Bar
from limpide.rng import RowOrder
from limpide.rows import Data, mean_loss, split
from limpide.stopping import Stop
from limpide.training import epoch_means

_KEPT_BYTES = 1 << 28  # of rows held out, by seed


class Splits:
    """The rows of each seed: the same for all, or a share that the seed holds out."""

    def __init__(self, run: Prepared, share: float | None, whole: Data) -> None:
        self._run, self._share, self._whole = run, share, whole
        self._lock = Lock()
        self._found: OrderedDict[int, tuple[Data, Data]] = OrderedDict()

    def rows(self, seed: int) -> Array | None:
        """Give which rows a seed trains on; None is all, in their order."""
        return self._run.data.rows if self._share is None else self._of(seed)[0].rows

    def held(self, seed: int) -> Data | None:
        """Give the rows on which a seed's networks are judged."""
        return self._run.held if self._share is None else self._of(seed)[1]

    @property
    def is_shared(self) -> bool:
        """Whether all networks are judged on the same rows."""
        return self._share is None

    def _of(self, seed: int) -> tuple[Data, Data]:
        with self._lock:
            found = self._found.get(seed)
            if found is None:
                first, second = split(self._whole, self._share, seed)
                found = self._found[seed] = first, second.taken()
                each = sum(a.nbytes for a in found[1].arrays()) + 8 * first.n_rows
                while len(self._found) > max(2, _KEPT_BYTES // each):
                    self._found.popitem(last=False)
            return found


class Orders:
    """The orders of rows of some networks, each drawn by its seed."""

    def __init__(
        self, seeds: Array, splits: Splits, n_rows: int, kind: type[RowOrder] | None
    ) -> None:
        self.n_rows = n_rows
        self._seeds, self._splits, self._kind = seeds.tolist(), splits, kind

    def key(self, network: int) -> int:
        return -1 if self._kind is None and self._splits.is_shared else int(self._seeds[network])

    def draw(self, network: int, epoch: int, out: Array) -> None:
        seed = self._seeds[network]
        rows = self._splits.rows(seed)
        if self._kind is None:
            out[:] = np.arange(self.n_rows) if rows is None else rows
            return
        self._kind(seed).draw(epoch, out)
        if rows is not None:
            for order in out:
                order[:] = rows[order]


class LastRows:
    """Only the rows of each network's last step."""

    def __init__(self, orders: Orders, epochs: int, n_rows: int, batch_size: int) -> None:
        self.n_rows = n_rows - (n_rows - 1) // batch_size * batch_size
        self._orders, self._epochs = orders, epochs

    def key(self, network: int) -> int:
        return self._orders.key(network)

    def draw(self, network: int, epoch: int, out: Array) -> None:
        whole = np.empty((1, self._orders.n_rows), np.int64)
        self._orders.draw(network, self._epochs - 1, whole)
        out[0] = whole[0, -self.n_rows :]


class Losses:
    """Takes the losses of one step each."""

    def __init__(self, n: int, stop: Stop) -> None:
        self.found, self._stop = np.zeros(n), stop

    def note(self, first: int, last: int, epoch: int, losses: Array) -> bool:
        self.found[first:last] = losses[:, 0, 0]
        return True

    def over(self) -> bool:
        return self._stop.asked


class Record:
    """The losses of all networks, epoch by epoch.

    Attributes
    ----------
    loss, validation_loss
        f64[n, epochs], NaN where there is none (yet).
    epochs
        i64[n]: how many are done.
    bad
        bool[n]: a loss was not finite.
    """

    def __init__(self, n: int, run: Prepared, stop: Stop, bar: Bar | None) -> None:
        self._run, self._stop, self._bar = run, stop, bar
        self.loss = np.full((n, run.epochs), np.nan)
        self.validation_loss = np.full((n, run.epochs if run.held is not None else 0), np.nan)
        self.epochs, self.bad = np.zeros(n, np.int64), np.zeros(n, np.bool_)
        self._ended, self._lock = 0, Lock()

    def part(self, start: int, judge: Callable[[int, int], Array] | None) -> Part:
        """Give what sees the networks from ``start`` on."""
        return Part(self, start, judge)

    def take(
        self,
        start: int,
        first: int,
        last: int,
        epoch: int,
        losses: Array,
        judge: Callable[[int, int], Array] | None,
    ) -> bool:
        """Note epochs of networks; whether they are to go on."""
        run, here, k = self._run, slice(start + first, start + last), losses.shape[1]
        wide = losses.astype(np.float64, copy=False)
        means = epoch_means(wide, run.batch_size, run.data.n_rows).reshape(-1, k)
        self.loss[here, epoch : epoch + k] = means
        wrong = ~np.isfinite(means).all(axis=1)
        self.epochs[here], self.bad[here] = epoch + k, self.bad[here] | wrong
        if judge is not None and not wrong.all():
            self.validation_loss[here, epoch] = judge(first, last)
        if self._bar is not None and epoch + k == run.epochs:
            with self._lock:
                self._ended += last - first
                self._bar.count(self._ended)
        return not (wrong.all() or self.over())

    def over(self) -> bool:
        return self._stop.asked


class Part:
    """A record as an engine tells it of some of the networks."""

    def __init__(
        self, record: Record, start: int, judge: Callable[[int, int], Array] | None
    ) -> None:
        self._record, self._start, self._judge = record, start, judge
        self.over = record.over

    def note(self, first: int, last: int, epoch: int, losses: Array) -> bool:
        return self._record.take(self._start, first, last, epoch, losses, self._judge)


def judging(
    run: Callable[[Sequence[Array], Sequence[Array], Sequence[Array]], None],
    arrays: Sequence[Array],
    seeds: Array,
    splits: Splits,
) -> Callable[[int, int], Array]:
    """Give what takes the validation losses of networks, f64[last - first].

    ``arrays`` are their parameters and state, with a leading axis.
    """

    def of(places: slice, held: Data) -> list[float]:
        chosen = [a[places] for a in arrays]
        losses = np.empty((len(chosen[0]), len(held.X)), arrays[0].dtype)
        run(chosen, [held.X, held.y], [losses])
        return [mean_loss(each, held.weights) for each in losses]

    def judge(first: int, last: int) -> Array:
        found = np.empty(last - first)
        start = first
        while start < last:
            end = start + 1
            while end < last and (splits.is_shared or seeds[end] == seeds[start]):
                end += 1
            held = splits.held(int(seeds[start]))
            assert held is not None
            found[start - first : end - first] = of(slice(start, end), held)
            start = end
        return found

    return judge
