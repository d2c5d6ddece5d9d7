"""``fit_many``: networks of the same layers from many seeds and at many rates, trained together.

Answers for how such a run is set up, in parts that fit in memory, and for what diverges. Not for:
training itself, which engines do, nor what is given in the end (``limpide.many.networks``).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import numpy as np

from limpide import engines, stopping
from limpide.errors import ArgumentError, ArgumentTypeError, DivergenceError
from limpide.history import History
from limpide.ir import Array, dtype_name
from limpide.keywords import known_keywords
from limpide.layers import check_flag, check_size
from limpide.many.arguments import Grid, grid_of
from limpide.many.networks import ManyNetworks
from limpide.many.watching import LastRows, Losses, Orders, Record, Splits, judging
from limpide.memory import check_fits, check_step
from limpide.network import Network, Prepared
from limpide.optimizers import Optimizer, resolve_optimizer
from limpide.progress import Bar, progress_bar
from limpide.starting import first_weights
from limpide.threads import limit_threads

_PART_BYTES = 1 << 27  # of what networks carry that are trained in one call
_MUCH = 1 << 19  # places to draw from which on it pays to load code that is fast


@known_keywords
def fit_many(
    network: Network,
    X: Any,
    y: Any,
    seeds: Any,
    learning_rates: Any = None,
    *,
    loss: Any = None,
    optimizer: str | Optimizer | None = None,
    epochs: int = 20,
    batch_size: int | None = None,
    shuffle: bool = True,
    validation: Any = None,
    sample_weight: Any = None,
    class_weight: Any = None,
    freeze: Sequence[str] = (),
    engine: str | engines.Engine | None = None,
    threads: int | None = None,
    progress: bool | None = None,
) -> ManyNetworks:
    """Train networks of the same layers from many seeds and at many rates, all at once.

    Network i begins with the weights of ``Network(…, seed=seeds[i])`` and is trained as
    ``fit(X, y, seed=seeds[i], …)`` would train it at ``learning_rates[i]``: the same rows in the
    same order, the same dropout. On the native and the reference engine it is the same to the
    bit; on xla sums are added in another order.

    Parameters
    ----------
    network
        Gives layers and dtype; it stays as it is.
    X, y, and all that is not named here
        As ``Network.fit`` takes them.
    seeds
        Whole numbers, as ``range(100)``: for the first weights, the order of rows and dropout.
    learning_rates
        Numbers; None is the optimizer's own. With a schedule they are the number that it scales.
        Seeds and rates pair up as NumPy broadcasts arrays: ``seeds=np.arange(10)[:, None],
        learning_rates=[0.1, 0.01]`` trains every pair, in a grid of shape (10, 2).
    validation
        (Xv, yv) or (Xv, yv, weights); a share holds out other rows for each seed, as ``fit`` does.
    threads
        Each trains networks of its own; no result depends on how many there are.

    Returns
    -------
    ManyNetworks

    Raises
    ------
    MemoryLimitError
        So many networks would not fit in memory; nothing was allocated.

    Notes
    -----
    A network that diverges stops none of the others: it has the weights that ``fit`` would have
    restored, and NaN for the losses from there on. After Ctrl-C the networks that were done are
    whole; ``many.epochs`` says how far each of the others had come.

    Examples
    --------
    >>> import limpide as lp
    >>> X, y = lp.datasets.people()
    >>> net = lp.Network([2, 2, 1], activation="sigmoid", output="sigmoid")
    >>> many = lp.fit_many(net, X, y, range(8), 0.5, optimizer=lp.SGD(), epochs=50)
    >>> many.shape, many.params["hidden1.weights"].shape, many.loss.shape
    ((8,), (8, 2, 2), (8, 50))
    >>> many.best.index in range(8)
    True
    """
    if not isinstance(network, Network):
        raise ArgumentTypeError(
            f"fit_many takes an lp.Network, which gives the layers; received {network!r}. "
            "Write fit_many(lp.Network([2, 16, 1]), X, y, seeds=range(100))."
        )
    check_flag(progress or False, "progress")
    if (size := engines.size_together()) > 1:
        raise ArgumentError(
            f"fit_many trains in one process, and {size} are together here. Leave lp.processes "
            "out, and let each process run fit_many on seeds of its own."
        )
    chosen = resolve_optimizer(optimizer)
    check_size(epochs, "epochs")
    grid = grid_of(seeds, learning_rates, chosen, partial(_check_memory, network, epochs))
    limit = limit_threads(threads)
    share = None if isinstance(validation, (tuple, list)) else validation
    if share is not None and class_weight is not None:
        raise ArgumentError(
            "class_weight counts the rows that are trained on, and a share as validation holds out "
            "other rows for each seed. Hold rows out yourself: validation=(Xv, yv)."
        )
    run = network.prepared(
        X,
        y,
        loss=loss,
        optimizer=chosen,
        epochs=epochs,
        batch_size=batch_size,
        shuffle=shuffle,
        validation=validation,
        sample_weight=sample_weight,
        class_weight=class_weight,
        freeze=freeze,
        engine=engine,
        seed=int(grid.seeds[0]),
    )
    widths = [n for p in network.placed for n in (p.inputs, p.outputs)]
    check_step(run.batch_size, sum(widths), network.dtype.itemsize)
    with limit, progress_bar(progress, grid.size, networks=True) as bar:
        return _Fitting(network, run, grid, share, bar).fit()


def _check_memory(network: Network, epochs: int, n: int) -> None:
    """Refuse more networks than memory holds: their arrays, a few copies, and their losses."""
    each = sum(a.nbytes for a in (*network.params.values(), *network.state.values()))
    what = f"Training {n:,} networks of {network.n_parameters:,} parameters"
    remedy = "Train fewer of them at a time, or choose smaller layers."
    check_fits(n * (2.0 * each + 16 * epochs) + 16 * each, what, remedy)


@dataclass
class _Fitting:
    """One call of ``fit_many``."""

    network: Network
    run: Prepared
    grid: Grid
    share: float | None
    bar: Bar | None

    def fit(self) -> ManyNetworks:
        network, run, grid = self.network, self.run, self.grid
        loop = network.many_loop(run)
        judge = None
        if run.held is not None:
            judge = network.many_losses(run.held, run.loss, run.engine)
        began, compiled = time.perf_counter(), _compiling(loop, judge)
        self.splits = Splits(run, self.share, _whole(run))
        self._start()
        with stopping.catching() as stop:
            self.stop, self.record = stop, Record(grid.size, run, stop, self.bar)
            self.diverged = np.zeros(grid.size, np.bool_)
            for part in self._parts():
                if not stop.asked:
                    self._train(part, loop, judge)
            for i in np.flatnonzero(self.diverged).tolist():
                self._train_alone(i)
            compiled = _compiling(loop, judge) - compiled
            interrupted = bool(stop.asked and (self.record.epochs < run.epochs).any())
        return ManyNetworks(
            network=network,
            shape=grid.shape,
            seeds=grid.seeds,
            learning_rates=grid.rates,
            params=self.params,
            state=self.state,
            loss=self.record.loss,
            validation_loss=self.record.validation_loss,
            epochs=self.record.epochs,
            diverged=self.diverged,
            steps=int(self.record.epochs.sum()) * self._an_epoch,
            seconds=time.perf_counter() - began - compiled,
            interrupted=interrupted,
            batch_size=run.batch_size,
            engine=run.engine.name,
            trained_loss=run.loss,
        )

    @property
    def _an_epoch(self) -> int:
        return -(-self.run.data.n_rows // self.run.batch_size)

    def _start(self) -> None:
        """Set all networks to their first weights and state."""
        network, seeds = self.network, self.grid.seeds
        different, which = np.unique(seeds, return_inverse=True)
        dtype = dtype_name(network.dtype)
        drawn = first_weights(network.placed, dtype, different, self.run.engine.name)
        if not np.array_equal(different, seeds):
            drawn = {name: array[which.reshape(-1)] for name, array in drawn.items()}
        self.params = drawn
        self.state = {
            name: np.repeat(array[None], len(seeds), axis=0)
            for name, array in network.first_state().items()
        }

    def _parts(self) -> list[slice]:
        """Cut the networks so that what they carry together is of a modest size."""
        n, slots = self.grid.size, 1 + len(self.run.optimizer.slots())
        each = sum(a.nbytes // n for a in self.params.values()) * slots
        each += sum(a.nbytes // n for a in self.state.values())
        at_once = max(1, _PART_BYTES // max(each, 1))
        return [slice(i, min(i + at_once, n)) for i in range(0, n, at_once)]

    def _train(self, part: slice, loop: engines.RunMany, judge: engines.RunRows | None) -> None:
        run, seeds = self.run, self.grid.seeds[part]
        data, n = run.data, part.stop - part.start
        fast = n * run.epochs * data.n_rows >= _MUCH
        kind = engines.row_order_of(loop if fast else None) if run.shuffle else None
        orders = Orders(seeds, self.splits, data.n_rows, kind)
        carries, helds = self._carries(part), self._helds(part)
        looked_at = [a[part] for a in (*self.params.values(), *self.state.values())]
        judged = None if judge is None else judging(judge, looked_at, seeds, self.splits)
        watch = self.record.part(part.start, judged)
        most = run.epochs if judge is None else 1
        loop(carries, helds, data.arrays(), orders, run.epochs, most, watch)
        wrong = self.record.bad[part] | ~_finite(carries)
        sound = np.flatnonzero(~wrong & (self.record.epochs[part] == run.epochs))
        # Every other update is judged by the loss of the step that follows it.
        if len(sound) and not self.stop.asked:
            last = LastRows(
                Orders(seeds[sound], self.splits, data.n_rows, kind),
                run.epochs,
                data.n_rows,
                run.batch_size,
            )
            seen = Losses(len(sound), self.stop)
            copies = [a[sound] for a in carries]
            loop(copies, [a[sound] for a in helds], data.arrays(), last, 1, 1, seen)
            wrong[sound] |= ~np.isfinite(seen.found)
        self.diverged[part] = wrong

    def _carries(self, part: slice) -> list[Array]:
        """Give what the networks of a part carry; parameters and state are changed in place."""
        n, run = part.stop - part.start, self.run
        trained = [a[part] for name, a in self.params.items() if name not in run.frozen]
        slots = [np.zeros_like(a) for a in trained for _ in run.optimizer.slots()]
        return [*trained, *(a[part] for a in self.state.values()), *slots, np.zeros(n, np.uint32)]

    def _helds(self, part: slice) -> list[Array]:
        """Give what stays the same for a network: frozen arrays, seed, total steps, numbers."""
        n, grid, run = part.stop - part.start, self.grid, self.run
        frozen = [a[part] for name, a in self.params.items() if name in run.frozen]
        total = np.broadcast_to(np.float64(run.epochs * self._an_epoch), (n,))
        tables = [optimizer.scalars() for optimizer in grid.optimizers]
        numbers = [np.array([t[name] for t in tables], np.float64) for name in tables[0]]
        return [
            *frozen,
            grid.seeds[part].astype(np.uint32),
            total,
            *(column[grid.which[part]] for column in numbers),
        ]

    # What diverges ----------------------------------------------------------------------------

    def _train_alone(self, i: int) -> None:
        """Train a network that diverged by itself: ``fit`` restores the last finite weights."""
        network, run, grid, record = self.network, self.run, self.grid, self.record
        seed = int(grid.seeds[i])
        first = first_weights(
            network.placed, dtype_name(network.dtype), grid.seeds[i : i + 1], run.engine.name
        )
        params = {name: array[0] for name, array in first.items()}
        alone = network.twin(seed, params, network.first_state(), run.loss)
        history = History()
        if not self.stop.asked:
            try:
                history = self._fit(alone, seed, grid.optimizer(i))
                self.diverged[i] = False  # on xla, where sums are added in another order
            except DivergenceError as error:
                history = cast(History, error.history)
        if history.interrupted:
            alone, history = network.twin(seed, params, network.first_state(), run.loss), History()
            self.diverged[i] = True
        for all_of, own in ((self.params, alone.params), (self.state, alone.state)):
            for name, array in own.items():
                all_of[name][i] = array
        record.epochs[i] = history.epochs
        for row, losses in (
            (record.loss[i], history.loss),
            (record.validation_loss[i], history.validation_loss),
        ):
            row[:] = np.nan
            row[: len(losses)] = losses[: len(row)]

    def _fit(self, alone: Network, seed: int, optimizer: Optimizer) -> History:
        run, whole = self.run, _whole(self.run)
        held = run.held
        validation: Any = self.share
        if held is not None and self.share is None:
            validation = tuple(held.arrays())
        return alone.fit(
            whole.X,
            whole.y,
            loss=run.loss,
            optimizer=optimizer,
            epochs=run.epochs,
            batch_size=run.batch_size,
            shuffle=run.shuffle,
            validation=validation,
            sample_weight=whole.weights,
            freeze=tuple(run.frozen),
            engine=run.engine,
            seed=seed,
            progress=False,
        )


def _compiling(*runs: object) -> float:
    return sum(map(engines.compile_seconds, runs))


def _whole(run: Prepared) -> Any:
    """Give all rows, those of a share that is held out among them."""
    data = run.data
    return type(data)(data.X, data.y, data.weights)


def _finite(arrays: Sequence[Array]) -> Array:
    """Say of each network whether all its numbers are finite: bool[n]."""
    sound = np.ones(len(arrays[0]), np.bool_)
    for array in arrays:
        if array.dtype.kind == "f":
            sound &= np.isfinite(array.reshape(len(array), -1)).all(axis=1)
    return sound
