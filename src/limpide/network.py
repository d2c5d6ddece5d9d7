"""Network: layers and their arrays, and how they learn: fit, evaluate.

Answers for what is learned from, and how a run is set up. Not for: prediction
(``limpide.predicting``), its arrays and files (``limpide.structure``), text or categories
(``limpide.model``), how a step works (``limpide.training``).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from limpide import engines
from limpide.activations import Activation
from limpide.arrays import (
    with_class_weight,
)
from limpide.callbacks import as_callbacks
from limpide.checkpoints import Checkpoint, Keeper, as_checkpoint, seed_for
from limpide.errors import (
    ArgumentError,
)
from limpide.explaining import Explaining
from limpide.history import History
from limpide.identity import Words, array_text, data_words, loop_checksum, settings_words
from limpide.ir import Array, Spec, spec_of
from limpide.jointly import SharedKeeper, check_same
from limpide.keywords import known_keywords
from limpide.layers import (
    check_flag,
    check_size,
)
from limpide.losses import Loss, resolve_loss
from limpide.members import MemberOutput
from limpide.memory import check_step, short_of_memory
from limpide.ops import sigmoid, softmax
from limpide.optimizers import Optimizer, resolve_optimizer
from limpide.progress import progress_bar
from limpide.rows import Data, mean_loss, rows_a_step, split
from limpide.snapshots import stateful
from limpide.steps import StepPlan, build_loop, trace_losses
from limpide.stored_rows import StoredRows
from limpide.threads import limit_threads
from limpide.training import Trainer

if TYPE_CHECKING:  # loaded when something is exported: limpide.exports
    pass


@dataclass
class Prepared:
    """A run that was checked, before anything of it is compiled.

    Attributes
    ----------
    data, held
        The rows to train on, and those of the validation or None.
    """

    loss: Loss
    optimizer: Optimizer
    frozen: frozenset[str]
    data: Data
    held: Data | None
    batch_size: int
    epochs: int
    shuffle: bool
    engine: engines.Engine

    def plan(self, network: Network) -> StepPlan:
        """Give what a step is made of."""
        weighted = self.data.weights is not None
        return StepPlan(network.placed, self.loss, self.optimizer, self.frozen, weighted)


class Network(Explaining):
    """A network of layers.

    Parameters
    ----------
    layers
        The number of inputs, then layers; a whole number n is ``Dense(n)``.
    activation, output
        For Dense layers that name none: ``output`` for the last layer, ``activation`` otherwise.
    dtype
        ``"float32"`` or ``"float64"``.
    seed
        For the first weights; None takes a fresh one.

    Attributes
    ----------
    params
        Name → array, such as ``"hidden1.weights"`` (inputs, neurons).
    state
        Name → array: what is kept but not trained, such as running statistics.

    Examples
    --------
    >>> import limpide as lp
    >>> net = lp.Network([2, 2, 1], activation="sigmoid", output="sigmoid", dtype="float64", seed=0)
    >>> list(net.params)
    ['hidden1.weights', 'hidden1.bias', 'output.weights', 'output.bias']
    """

    # Training ---------------------------------------------------------------------------------

    @known_keywords
    def fit(
        self,
        X: Any,
        y: Any,
        *,
        loss: Any = None,
        optimizer: str | Optimizer | None = None,
        epochs: int = 20,
        batch_size: int | None = None,
        shuffle: bool = True,
        validation: Any = None,
        sample_weight: Any = None,
        class_weight: Any = None,
        callbacks: Any = None,
        freeze: Sequence[str] = (),
        folds: Any = None,
        engine: str | engines.Engine | None = None,
        threads: int | None = None,
        devices: Any = None,
        compute_dtype: str | None = None,
        seed: int | None = 0,
        progress: bool | None = None,
        checkpoint: str | os.PathLike[str] | Checkpoint | None = None,
    ) -> History:
        """Train on rows X and targets y; a second fit goes on from the weights of the first.

        Parameters
        ----------
        X, y
            [n, inputs] and [n], [n, outputs], or class numbers for a softmax output.
        loss
            A name, a loss, or a function of (y, prediction) that gives the loss of each element
            or row, written in ops; None: sigmoid → bce, softmax → cross_entropy, else mse.
        optimizer
            None is ``lp.Adam(0.001)``.
        batch_size
            Rows a step; None: 32, or all where there are fewer.
        validation
            (Xv, yv) or (Xv, yv, weights), or the share of the rows, drawn by the seed, that is
            held out.
        sample_weight, class_weight
            A weight a row; a dict class → weight, or ``"balanced"``, for the training rows alone.
        callbacks
            Functions or ``lp.Callback`` objects, called after each epoch.
        freeze
            Names of parameters that stay as they are.
        folds
            For an ensemble (``MemberOutput`` last): the number of the member that does not learn
            from a row, i64[n], or −1; ``history.validation_loss`` is then that of those members
            on those rows.
        engine
            None is the fastest installed.
        threads
            At most so many; None: by ``lp.limit_threads``, else the processors there are. No
            result depends on it. (XLA has threads of its own.)
        devices
            For ``engine="xla"``: over how many devices each batch is spread, a list of their
            numbers, or ``"all"``; None: one.
        compute_dtype
            For ``engine="xla"``: ``"bfloat16"`` lets products of float32 matrices take their
            factors with 8 bits of precision, which accelerators do many times faster.
        seed
            For the order of rows and for dropout; None takes a fresh one.
        progress
            Show a bar; None: on a terminal, for what takes longer than a second.
        checkpoint
            A path, or ``lp.Checkpoint(path, resume=True)``: where the run is kept while it lasts,
            so that another process can go on with it.

        Raises
        ------
        DivergenceError
            When the loss is no longer finite; the last finite weights are restored.
        CheckpointError
            When the checkpoint is of another run, or would be lost.

        Notes
        -----
        After Ctrl-C fit returns, and ``history.interrupted`` is True.
        """
        kept = as_checkpoint(checkpoint)
        check_flag(progress or False, "progress")
        runs_on = engines.on_devices(engine, devices, compute_dtype)
        number = engines.team(runs_on.name).agreed("seed", seed_for(kept, seed))
        limit = limit_threads(threads)
        watched = as_callbacks(callbacks)
        run = self.prepared(
            X,
            y,
            loss=loss,
            optimizer=optimizer,
            epochs=epochs,
            batch_size=batch_size,
            shuffle=shuffle,
            validation=validation,
            sample_weight=sample_weight,
            class_weight=class_weight,
            freeze=freeze,
            engine=runs_on,
            seed=number,
        )
        data, held, resolved = run.data, run.held, run.loss
        validate = None if held is None else lambda: self._loss(held, resolved, run.engine)
        if folds is not None:
            folds = self._folds(folds, data.n_rows, validation)
            validate = self._held_out(data, folds, resolved, run.engine)
            learns = (folds[:, None] != np.arange(self.members)).astype(self.dtype)
            data.weights = learns if data.weights is None else learns * data.weights[:, None]
        trainer = self._trainer(
            run.plan(self), data, run.batch_size, run.epochs, number, run.engine
        )
        trainer.shuffle, trainer.validate, trainer.callbacks = run.shuffle, validate, watched
        with limit:
            return self._train(trainer, held, kept, progress)

    def prepared(
        self,
        X: Any,
        y: Any,
        *,
        loss: Any,
        optimizer: str | Optimizer | None,
        epochs: int,
        batch_size: int | None,
        shuffle: bool,
        validation: Any,
        sample_weight: Any,
        class_weight: Any,
        freeze: Sequence[str],
        engine: str | engines.Engine | None,
        seed: int,
    ) -> Prepared:
        """Check what a run is asked for, and give it as ``fit`` goes about it."""
        resolved = resolve_loss(loss, self.output_activation)
        chosen = resolve_optimizer(optimizer)
        epochs = check_size(epochs, "epochs")
        if batch_size is not None:
            batch_size = check_size(batch_size, "batch_size")
        check_flag(shuffle, "shuffle")
        frozen, found = self._frozen(freeze), engines.get(engine)
        data = self._data(X, y, resolved, sample_weight)
        data, held = self._validation(validation, data, resolved, seed)
        data.weights = with_class_weight(class_weight, data.y, data.weights, self._dtype, data.rows)
        batch_size = rows_a_step(batch_size, data.n_rows)
        return Prepared(
            resolved, chosen, frozen, data, held, batch_size, epochs, bool(shuffle), found
        )

    def fit_stored(
        self,
        rows: StoredRows,
        *,
        loss: Loss,
        optimizer: Optimizer,
        epochs: int,
        validation: tuple[Any, ...] | None = None,
        callbacks: Any = None,
        engine: str | engines.Engine | None = None,
        seed: int = 0,
        progress: bool | None = None,
        checkpoint: Checkpoint | None = None,
    ) -> History:
        """Train on rows that lie on disk, as ``fit`` does on rows in memory.

        X and y of the rows are as the loop takes them: of the network's dtype, y class numbers or
        [n, outputs]. ``validation`` may be anything that ``fit`` takes but a share. Where several
        processes have a share of the rows each, a step takes ``batch_size`` rows of each.
        """
        engine = engines.get(engine)
        _, held = self._validation(validation, Data(rows.X, rows.y), loss, seed)
        plan = StepPlan(self.placed, loss, optimizer, frozenset(), rows.weights is not None)
        trainer = self._trainer(plan, rows, rows.batch_size, epochs, seed, engine)
        trainer.callbacks = as_callbacks(callbacks)
        if held is not None:
            trainer.validate = lambda: self._loss(held, loss, engine)
        return self._train(trainer, held, checkpoint, progress)

    def _trainer(
        self,
        plan: StepPlan,
        data: Data | StoredRows,
        batch_size: int,
        epochs: int,
        seed: int,
        engine: engines.Engine,
    ) -> Trainer:
        widths = [n for p in self.placed for n in (p.inputs, p.outputs)]
        check_step(batch_size, sum(widths), self.dtype.itemsize)
        return Trainer(
            plan=plan,
            params=self.params,
            state=self.state,
            data=data,
            batch_size=batch_size,
            epochs=epochs,
            seed=seed,
            shuffle=True,
            engine=engine,
            run_loop=self._loop(plan, data, batch_size, engine),
            scalars=self.scalars,
            team=engines.team(engine.name),
        )

    def _train(
        self, trainer: Trainer, held: Data | None, kept: Checkpoint | None, progress: bool | None
    ) -> History:
        trainer.keeper = None if kept is None else self._keeper(kept, trainer, held)
        if trainer.team.size > 1:
            self._run_jointly(trainer, held)
            progress = progress if trainer.team.number == 0 else False
        with trainer.ready(self), progress_bar(progress, trainer.epochs) as bar:
            self._last_loss, self._fitted = trainer.plan.loss, trainer.run_loop
            self._last_optimizer = trainer.plan.optimizer
            if bar is not None:
                trainer.watch = bar.tick
            try:
                return trainer.fit()
            except MemoryError as error:
                needed = 8 * self.n_parameters * self.dtype.itemsize
                what, remedy = f"Training {self.n_parameters:,} parameters", "Use smaller layers."
                raise short_of_memory(needed, what, remedy) from error

    def _run_jointly(self, trainer: Trainer, held: Data | None) -> None:
        """Let a run be one of several processes': the same in all, its checkpoint process 0's."""
        team, own = trainer.team, trainer.keeper
        words = self._settings(trainer) | data_words(trainer.data, held)
        words |= {n: array_text(a) for n, a in (self.params | self.state).items()}
        words["callbacks"] = str(len(trainer.callbacks))
        check_same(team, words)
        if team.agreed("has a checkpoint", own is not None):
            assert not isinstance(own, SharedKeeper)
            trainer.keeper = SharedKeeper(None if team.number else own, team)

    def _loop(
        self, plan: StepPlan, data: Data | StoredRows, batch_size: int, engine: engines.Engine
    ) -> engines.RunLoop:
        n_rows, size = _of_all(data, batch_size)
        shares = n_rows > data.n_rows
        each = data.weights is not None and data.weights.ndim > 1
        key = ("fit", engine, plan.key(), size, n_rows % size, data.y.ndim, each, shares)

        def make() -> engines.RunLoop:
            loop = build_loop(plan, self.params, self.state, data.arrays(), n_rows, size)
            return engines.compile_shares(engine, loop) if shares else engine.compile_loop(loop)

        return cast(engines.RunLoop, self.cached(key, make))

    def many_loop(self, run: Prepared) -> engines.RunMany:
        """Give what trains many networks of these layers as a run is prepared."""
        data, size, plan = run.data, run.batch_size, run.plan(self)
        key = ("fit many", run.engine, plan.key(), size, data.n_rows % size, data.y.ndim)
        rows = (data.arrays(), data.n_rows, size)

        def make() -> engines.RunMany:
            loop = build_loop(plan, self.params, self.state, *rows)
            return run.engine.compile_many(loop)

        return cast(engines.RunMany, self.cached(key, make))

    def many_losses(self, data: Data, loss: Loss, engine: engines.Engine) -> engines.RunRows:
        """Give what takes the loss of each row for many networks of these layers."""
        specs = self._batch_specs(data, engine)

        def make() -> engines.RunRows:
            graph = trace_losses(self.placed, loss, self.params, self.state, specs)
            return engine.compile_many_rows(graph, len(self._arrays()))

        return cast(engines.RunRows, self.cached(("loss of many", loss, engine, specs), make))

    def _keeper(self, checkpoint: Checkpoint, trainer: Trainer, held: Data | None) -> Keeper:
        """Give what writes a run's checkpoints, with all that the run's result depends on."""
        return Keeper(
            checkpoint,
            self._settings(trainer),
            lambda: data_words(trainer.data, held),
            seed=trainer.seed,
            epochs=trainer.epochs,
            processor=engines.made_for(trainer.run_loop),
        )

    def _settings(self, trainer: Trainer) -> Words:
        """Describe what a run's result depends on besides its arrays."""
        plan, data = trainer.plan, trainer.data
        n_rows, size = _of_all(data, trainer.batch_size)
        key = ("step", plan.key(), size, n_rows % size, data.y.ndim)
        rows = (data.arrays(), n_rows, size)
        traced = self.cached(
            key, lambda: loop_checksum(build_loop(plan, self.params, self.state, *rows))
        )
        return settings_words(
            plan,
            traced,
            stateful=[type(callback).__name__ for callback in stateful(trainer.callbacks)],
            epochs=trainer.epochs,
            batch_size=size,
            shuffle=trainer.shuffle,
            seed=trainer.seed,
            engine=trainer.engine.name,
            dtype=self.dtype.name,
        )

    def _validation(
        self, validation: Any, data: Data, loss: Loss, seed: int
    ) -> tuple[Data, Data | None]:
        if validation is None:
            return data, None
        if isinstance(validation, (tuple, list)):
            if len(validation) not in (2, 3):
                raise ArgumentError(
                    "validation is a pair (Xv, yv), (Xv, yv, weights), or a share of the rows; "
                    f"received {len(validation)} members."
                )
            Xv, yv, weights = (*validation, None)[:3]
            held = self._data(Xv, yv, loss, weights, prefix="validation ")
        else:
            data, held = split(data, validation, seed)
            held = held.taken()
        return data, held

    @property
    def members(self) -> int:
        """How many members answer together: 1, but for an ensemble."""
        last = self.placed[-1].layer
        return last.members if isinstance(last, MemberOutput) else 1

    def _folds(self, folds: Any, n_rows: int, validation: Any) -> Array:
        if self.members == 1 or validation is not None:
            raise ArgumentError(
                "folds is for an ensemble, whose last layer is MemberOutput, and without "
                "validation. Leave one of them out."
            )
        numbers = np.asarray(folds)
        if numbers.shape != (n_rows,) or numbers.dtype.kind not in "iu":
            raise ArgumentError(
                f"folds must hold a whole number for each of the {n_rows} rows; received shape "
                f"{list(numbers.shape)} of {numbers.dtype}."
            )
        if numbers.min() < -1 or numbers.max() >= self.members or numbers.max() < 0:
            raise ArgumentError(
                f"folds holds members from 0 to {self.members - 1}, or -1; received numbers from "
                f"{numbers.min()} to {numbers.max()}."
            )
        return numbers

    def _held_out(
        self, data: Data, folds: Array, loss: Loss, engine: engines.Engine
    ) -> Callable[[], float]:
        """Give what takes the loss of each row by the member that does not learn from it."""
        rows = np.flatnonzero(folds >= 0)
        chosen = None if len(rows) == len(folds) else rows  # all of them need no copy
        held, members = Data(data.X, data.y, data.weights, chosen).taken(), folds[rows]

        def validate() -> float:
            losses = self._losses(held, loss, engine, apart=True)
            own = losses[np.arange(len(rows)), members].astype(np.float64)
            return float(np.average(own, weights=held.weights))

        return validate

    def _losses(
        self,
        data: Data,
        loss: Loss,
        engine: engines.Engine | None = None,
        apart: bool = False,
    ) -> Array:
        """Give the loss of each row, or with ``apart`` of each member on each row."""
        specs = self._batch_specs(data, engine)

        def make() -> engines.RunRows:
            graph = trace_losses(self.placed, loss, self.params, self.state, specs, apart)
            return engines.get(engine).compile_rows(graph, len(self._arrays()))

        batch = specs[0].shape[0]
        shape = (len(data.X), self.members) if apart else (len(data.X),)
        losses = np.empty(shape, self.dtype)
        run = self.cached(("loss", loss, engine, specs, apart), make)
        self._over_rows(run, batch, [data.X, data.y], losses)
        return losses

    def _batch_specs(self, data: Data, engine: engines.Engine | None) -> tuple[Spec, ...]:
        batch = self._batch(len(data.X), engine)
        return tuple(Spec((batch, *a.shape[1:]), spec_of(a).dtype) for a in (data.X, data.y))

    def _loss(self, data: Data, loss: Loss, engine: engines.Engine | None = None) -> float:
        return mean_loss(self._losses(data, loss, engine), data.weights)

    @known_keywords
    def evaluate(
        self, X: Any, y: Any, *, loss: Any = None, sample_weight: Any = None
    ) -> dict[str, float]:
        """Give the loss (default: the last fit's) and, for classes, the accuracy.

        There is an accuracy where the output is sigmoid and y holds 0 and 1, and where it is
        softmax and y holds class numbers or one-hot rows; the loss has no say in it.

        >>> import limpide as lp
        >>> net = lp.Network([2, 1], output="sigmoid", seed=0)
        >>> sorted(net.evaluate([[0, 1], [1, 0]], [0, 1]))
        ['accuracy', 'loss']
        """
        resolved = resolve_loss(loss or self._last_loss, self.output_activation)
        data = self._data(X, y, resolved, sample_weight)
        figures = {"loss": self._loss(data, resolved)}
        hits = _hits(self.output_activation, lambda: self._outputs(data.X), data.y)
        if hits is not None:
            figures["accuracy"] = float(np.average(hits, weights=data.weights))
        return figures


def _of_all(data: Data | StoredRows, batch_size: int) -> tuple[int, int]:
    """Give the places of an epoch and of a step; where processes have shares, of all of them."""
    shares = data.processes if isinstance(data, StoredRows) else 1
    return data.n_rows * shares, batch_size * shares


def _hits(activation: Activation, outputs: Callable[[], Array], y: Array) -> Array | None:
    """Give for each row the share of outputs on the right side, or None where y has no classes."""
    if activation is sigmoid and ((y == 0) | (y == 1)).all():
        return np.asarray(((outputs() > 0.5) == (y > 0.5)).mean(axis=1))
    if activation is softmax and y.ndim == 1:
        return np.asarray(outputs().argmax(axis=1) == y)
    if activation is softmax and ((y == 0) | (y == 1)).all() and (y.sum(axis=1) == 1).all():
        return np.asarray(outputs().argmax(axis=1) == y.argmax(axis=1))
    return None
