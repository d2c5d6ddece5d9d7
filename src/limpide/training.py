"""Training: the run of a compiled loop over epochs.

Answers for running a ``Loop`` in slices, with validation, callbacks, Ctrl-C and divergence. Not
for: what a step is (``limpide.steps``), networks or engines.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, fields
from typing import Any, NoReturn

import numpy as np

from limpide import engines, stopping
from limpide.callbacks import BadStep, Callback, Run
from limpide.checkpoints import Keeper
from limpide.engines.carry import Carry
from limpide.engines.team import ALONE, Team
from limpide.errors import ArgumentError, DataError, DivergenceError
from limpide.feeds import Feed, Steps
from limpide.history import History
from limpide.ir import Array, spec_of
from limpide.jointly import SharedKeeper
from limpide.losses import FunctionLoss
from limpide.replaying import Recording, feed_of
from limpide.rows import Data
from limpide.scalars import Scalars
from limpide.snapshots import Snapshot, check_snapshot, stateful
from limpide.steps import StepPlan, trace_losses
from limpide.stored_rows import StoredRows
from limpide.tracing import SLICE_SECONDS, Pace, slices

_FEW_STEPS = 16
_COPIES = 50.0  # times what copying takes: then it is little of the whole
_LONG_STEP, _SOME = 0.02, 64  # steps of so many seconds are judged by so many rows
_PART_SECONDS = 0.5  # after which the carried arrays are copied anew: replays take no longer


@dataclass
class _Part:
    """Steps from one copy of what is carried to the next, and the rows of each of them."""

    before: Carry
    rows: list[Array] = field(default_factory=list)  # X, y and perhaps weights
    orders: list[Array] = field(default_factory=list)  # i64[epochs, n] for each run
    steps: int = 0
    seconds: float = 0.0


@dataclass
class Trainer:
    """One run of training: what is carried from step to step, and how far it has come."""

    plan: StepPlan
    params: dict[str, Array]
    state: dict[str, Array]
    data: Data | StoredRows
    batch_size: int
    epochs: int
    seed: int
    shuffle: bool
    engine: engines.Engine
    run_loop: engines.RunLoop
    scalars: Scalars
    validate: Callable[[], float] | None = None
    watch: Callable[[History, float], None] | None = None
    callbacks: Sequence[Callback] = ()
    keeper: Keeper | SharedKeeper | None = None
    team: Team = ALONE
    history: History = field(default_factory=History)
    _run: Run = field(init=False)
    _shown: list[Array] = field(init=False)  # parameters and state as others see them
    _carry: Carry = field(init=False)  # the same and the optimizer's, as the loop has them
    _held: list[Array] = field(init=False)
    _first: _Part = field(init=False)  # before any step
    _earlier: _Part = field(init=False)  # the part before the last
    _part: _Part = field(init=False)  # the last one, to which steps are added
    _part_seconds: float = _PART_SECONDS  # how long a part lasts
    _losses: Array = field(init=False)  # of the steps of the epoch that is under way
    _pace: Pace = field(init=False)
    _resumed: Snapshot | None = None  # until the run goes on from it

    @contextmanager
    def ready(self, network: Any) -> Iterator[None]:
        """Let the run begin, or go on from its checkpoint; where it is refused nothing changes."""
        with self.keeper or nullcontext() as before:
            if before is None:
                check_finite(self.params, self.state)
            else:
                self._check_resumed(before)
            self._check_writeable()
            self._begin(network, 0 if before is None else before.history.epochs)
            if before is not None:
                self._go_on(before)
            del before  # as large as all that is trained
            yield

    def _begin(self, network: Any, resumed: int) -> None:
        """Let the callbacks begin; they may refuse the run."""
        watched = self.validate is not None
        self._run = Run(network, self.history, self.epochs, self.params, self.state, watched)
        self._run.resumed, self._run.plan, self._run.data = resumed, self.plan, self.data
        for callback in self.callbacks:
            callback.begin(self._run)

    def _check_resumed(self, before: Snapshot) -> None:
        arrays = self._named() | self._own()
        check_snapshot(before, arrays, self._an_epoch, len(stateful(self.callbacks)))

    def _go_on(self, before: Snapshot) -> None:
        """Take what the run that was broken off had come to."""
        for callback, state in zip(stateful(self.callbacks), before.callbacks, strict=True):
            callback.restore(state)
        for each in fields(History):
            setattr(self.history, each.name, getattr(before.history, each.name))
        self.history.interrupted = False
        for name, array in self._named().items():
            if array.flags.writeable:  # else it is the same
                np.copyto(array, before.arrays[name])
        self._resumed = before

    def _check_writeable(self) -> None:
        trained = {n: a for n, a in self.params.items() if n not in self.plan.frozen}
        for name, array in (trained | self.state).items():
            if not array.flags.writeable:
                raise ArgumentError(
                    f"{name} is read-only, and training changes it. Set "
                    f"params[{name!r}].flags.writeable to True, or freeze it."
                )

    def fit(self) -> History:
        """Train; parameters and state change in place. See ``Network.fit``."""
        history = self.history
        history.batch_size = self.batch_size * self._shares
        history.engine = self.engine.name
        self._lay_out()
        try:
            return self._train(history)
        finally:
            self._show()
            # Rows and parameters on a device are not to wait for Python's garbage collector.
            for name in ("_carry", "_first", "_part", "_earlier"):
                vars(self).pop(name, None)

    def _lay_out(self) -> None:
        """Bring all that steps need to where they work."""
        own, before = self._own(), self._resumed
        self._losses = np.empty(self._an_epoch)
        if before is not None:
            own = {name: before.arrays[name] for name in own}
            self._losses[: self._begun] = before.losses
            self._resumed = None
        self._shown = [self.params[n] for n in self._trained] + [*self.state.values()]
        self._carry = engines.carried(self.run_loop, [*self._shown, *own.values()])
        self._held = self._constant()

    def _train(self, history: History) -> History:
        self._first = _Part(self._carry.copy())
        self._part = self._earlier = self._first
        history.recording = self._recording()
        lasting = engines.slice_seconds(self.run_loop, SLICE_SECONDS)
        self._pace = Pace(engines.first_steps(self.run_loop), self._measured, lasting)
        with stopping.catching() as stop, self._feed() as given:
            while history.epochs < self.epochs and not (history.interrupted or history.stopped):
                if self._advance(given, stop):
                    self._between()
                if not self._is_asked(stop):
                    self._keep()
                history.interrupted = self._is_asked(stop)
            self._check_last_step()
            self._keep(ended=True)
            self._show()
            for callback in self.callbacks:
                callback.end(self._run)
            self._take_back()
        return history

    def _measured(self, seconds: float) -> float:
        """Give a time that decides what comes next: the same in all processes of the run."""
        return float(self.team.agreed("seconds", seconds))

    def _is_asked(self, stop: stopping.Stop) -> bool:
        """Tell whether any process of the run is asked to stop."""
        return self.team.any("asked to stop", stop.asked)

    def _show(self) -> None:
        """Let others see what the loop has come to."""
        for shown, array in zip(self._shown, self._carry.read(len(self._shown)), strict=True):
            np.copyto(shown, array)

    def _take_back(self) -> None:
        """Go on with what others may have changed."""
        self._carry.write(self._shown)

    @property
    def _an_epoch(self) -> int:
        """How many steps an epoch has."""
        return -(-self.data.n_rows // self.batch_size)

    @property
    def _shares(self) -> int:
        """How many processes have rows of their own; ``batch_size`` is then what each gives."""
        return self.data.processes if isinstance(self.data, StoredRows) else 1

    @property
    def _begun(self) -> int:
        """How many steps of the epoch under way are done."""
        return self.history.steps - self.history.epochs * self._an_epoch

    @property
    def _trained(self) -> list[str]:
        return [name for name in self.params if name not in self.plan.frozen]

    @property
    def _is_watched(self) -> bool:
        """Whether something happens after each epoch."""
        # A callback that has only a begin and an end need not stop the loop.
        ends = (getattr(c.epoch_end, "__func__", None) for c in self.callbacks)
        return self.validate is not None or any(e is not Callback.epoch_end for e in ends)

    def _recording(self) -> Recording | None:
        """Give what it takes to go through the run again; rows on disk are not kept for it."""
        if isinstance(self.data, StoredRows):
            return None
        return Recording(
            plan=self.plan,
            data=self.data,
            batch_size=self.batch_size,
            epochs=self.epochs,
            seed=self.seed,
            run_loop=self.run_loop,
            params=self.params,
            state=self.state,
            before=self._first.before.read(),
            held=self._held,
            began=self.history.steps,
            shuffle=self.shuffle,
            scalars=self.scalars,
        )

    def _feed(self) -> Feed:
        if isinstance(self.data, StoredRows):
            return self.data.feed(self.seed, engines.row_order_of(self.run_loop))
        seed, first = self.seed if self.shuffle else None, self.history.epochs
        return feed_of(self.data, seed, self.epochs, self.batch_size, self.run_loop, first)

    def _between(self) -> None:
        """Do what is to be done after an epoch."""
        if not self._is_watched:
            return
        self._show()
        if self.validate is not None:
            self.history.validation_loss.append(self.team.agreed("loss", self.validate()))
        for callback in self.callbacks:
            callback.epoch_end(self._run)
        if self.callbacks:
            self.history.stopped = self.team.agreed("stopped", self.history.stopped)
            self._take_back()
            self._check_callbacks()
            self._part.seconds = np.inf  # they may have changed what is carried: copy it

    # Checkpoints --------------------------------------------------------------------------------

    def _keep(self, *, ended: bool = False) -> None:
        """Write the checkpoint, if the run has ended or it is time."""
        keeper, history = self.keeper, self.history
        finished = history.epochs == self.epochs or bool(history.stopped)
        if keeper is None or not self._part.steps or (finished and not ended):
            return
        if not (ended or keeper.is_due(history.epochs)):
            return
        if ended or (self._carry.is_finite() and math.isfinite(self._judged_last())):
            keeper.write(self._snapshot(), finished)
        else:  # a step on, it may be divergence: the file keeps what was sound
            keeper.put_off(history.epochs)

    def _snapshot(self) -> Snapshot:
        """Give the run as it is now; the arrays are those that the loop works in."""
        names = [f"params.{n}" for n in self._trained] + [f"state.{n}" for n in self.state]
        carried = dict(zip([*names, *self._own()], self._carry.read(), strict=True))
        states = [callback.state() for callback in stateful(self.callbacks)]
        losses = self._losses[: self._begun]
        return Snapshot(self._named() | carried, losses, self.history, states)

    def _named(self) -> dict[str, Array]:
        """Give parameters and state as a checkpoint names them."""
        named = {f"params.{name}": array for name, array in self.params.items()}
        return named | {f"state.{name}": array for name, array in self.state.items()}

    # Slices -------------------------------------------------------------------------------------

    def _epochs_at_once(self) -> int:
        """Give the epochs from here to where something is to be done between two."""
        if self._is_watched:
            return 1
        left, keeper = self.epochs - self.history.epochs, self.keeper
        due = None if keeper is None else keeper.epochs_to_go(self.history.epochs)
        return left if due is None else min(left, due)

    def _advance(self, given: Feed, stop: stopping.Stop) -> bool:
        """Run in slices to the end of some epochs; False where that was left off before."""
        total = self._epochs_at_once() * self._an_epoch - self._begun
        for first, last in slices(total, self._pace, self._an_epoch, self._begun):
            while first < last:
                epoch, at = divmod(self.history.steps, self._an_epoch)
                began = time.perf_counter()
                taken = given.take(epoch, at, last - first)
                self.history.seconds += time.perf_counter() - began
                self._take_steps(taken, at)
                first += taken.n_steps
                late = self.keeper is not None and self.keeper.is_due()
                if first < total and (self._is_asked(stop) or late):
                    return False
        return True

    def _take_steps(self, taken: Steps, at: int) -> None:
        """Run the loop once, from step ``at`` of an epoch on."""
        rows, order, steps = taken
        part = self._part
        others = bool(part.steps) and part.rows is not rows
        if part is self._first or others or part.seconds >= self._part_seconds:
            part = self._begin_part(rows)
        part.orders.append(order)
        part.steps += steps
        began = time.perf_counter()
        losses = self._run_steps(rows, order)
        seconds = self._measured(time.perf_counter() - began)
        part.seconds += seconds
        self.history.seconds += seconds
        self.history.steps += steps
        self._check(losses, at)
        self._record(losses, at)
        if self.watch is not None:
            self.watch(self.history, float(losses[-self._an_epoch :].mean()))

    def _begin_part(self, rows: list[Array]) -> _Part:
        """Copy what is carried, into the copies that are not needed any more."""
        self._check_the_rest()
        began = time.perf_counter()
        if self._part is self._first:
            before = self._first.before  # nothing has changed since
        elif self._earlier.before is self._first.before:
            before = self._carry.copy()
        else:
            before = self._earlier.before
            before.restore(self._carry)
        self._earlier, self._part = self._part, _Part(before, rows)
        seconds = self._measured(time.perf_counter() - began)
        self._part_seconds = max(_PART_SECONDS, _COPIES * seconds)
        return self._part

    def _run_steps(self, rows: list[Array], order: Array) -> Array:
        losses = self._carry.run(self._held, rows, order)[0]
        return losses.astype(np.float64, copy=False)

    def _record(self, losses: Array, at: int) -> None:
        """Note the losses of steps, of which the first is step ``at`` of an epoch."""
        n = self._an_epoch
        if at or len(losses) < n:
            self._losses[at : at + len(losses)] = losses
            if at + len(losses) < n:
                return
            losses = self._losses
        if self._shares == 1:
            self.history.loss += epoch_means(losses, self.batch_size, self.data.n_rows).tolist()
            return
        for steps in losses.reshape(-1, n):
            self.history.loss.append(self._mean_of_shares(steps))

    def _mean_of_shares(self, losses: Array) -> float:
        """Give the row-weighted mean of the next epoch, f64[steps]; places without a row are none.

        Where each process has its own rows, steps may have fewer than places.
        """
        assert isinstance(self.data, StoredRows)
        rows = self.data.rows_of_steps(self.seed, self.history.epochs)
        return float(losses @ rows / rows.sum())

    # Divergence ---------------------------------------------------------------------------------

    def _check(self, losses: Array, at: int) -> None:
        """Notice divergence in the steps that were run last; the epochs before it are recorded."""
        bad = n = len(losses)
        if not np.isfinite(losses).all():
            bad = int(np.flatnonzero(~np.isfinite(losses))[0])
        elif self._carry.is_finite(len(self._shown) if self._is_long else None):
            return
        loss = float(losses[bad]) if bad < n else np.inf
        start = self._part.steps - n
        update = self._first_bad_update(0 if self._is_long else start, start + bad) - start
        if update < bad:
            bad, loss = update, np.inf
        self.history.steps += bad + 1 - n
        whole = (at + bad) // self._an_epoch * self._an_epoch - at
        if whole > 0:
            self._record(losses[:whole], at)
        self._diverged(start + bad, loss)

    @property
    def _is_long(self) -> bool:
        """Whether steps are long, and what is looked at after each slice costs much of them."""
        return self._part.seconds > _LONG_STEP * self._part.steps

    def _check_the_rest(self) -> None:
        """Notice divergence in what the optimizer keeps, which long steps leave until now."""
        steps = self._part.steps
        if not steps or not self._is_long or self._carry.is_finite():
            return
        update = self._first_bad_update(0, steps)
        self.history.steps += update + 1 - steps
        del self.history.loss[(self.history.steps - 1) // self._an_epoch :]
        self._diverged(update, np.inf)

    def _first_bad_update(self, low: int, steps: int) -> int:
        """Give the first step of the last part that left weights not finite; if none, ``steps``.

        After ``low`` steps they were finite. What is once not finite stays so: halving finds it.
        """
        self._replay(self._part, steps)
        if self._carry.is_finite():
            return steps
        high = steps
        while high - low > 1:
            middle = (low + high) // 2
            self._replay(self._part, middle)
            if self._carry.is_finite():
                low = middle
            else:
                high = middle
        return high - 1

    def _check_last_step(self) -> None:
        """See what the last update led to.

        Every other update is judged by the loss of the step that follows it.
        """
        if not self._part.steps:  # all was done before the run was broken off
            return
        self._check_the_rest()
        loss = self._judged_last()
        if not np.isfinite(loss):
            self._diverged(self._part.steps - 1, loss)

    def _judged_last(self) -> float:
        """Give the loss on the rows of the last step, with the weights that it led to."""
        rows = self._batch(self._part.steps - 1)
        if not self._is_long:
            return self._judged(rows)
        losses = self.team.each("loss", self._judged_by_some(rows[0, :_SOME]))
        return float(np.mean(losses))

    def _check_callbacks(self) -> None:
        """Refuse what a callback has set that is not finite; the epoch's weights are put back."""
        if self._carry.is_finite():
            return
        try:
            check_finite(self.params, self.state)
        except DataError as error:
            self._replay(self._part, self._part.steps)
            raise DataError(f"A callback changed the weights: {error}") from None

    def _up_to(self, part: _Part, steps: int) -> Iterator[Array]:
        """Give the orders of a part's first steps, cut where they end."""
        for order in part.orders:
            an_epoch = -(-order.shape[1] // self.batch_size)
            epochs, rest = divmod(min(steps, len(order) * an_epoch), an_epoch)
            if epochs:
                yield order[:epochs]
            if rest:
                yield order[epochs : epochs + 1, : rest * self.batch_size]
            steps -= epochs * an_epoch + rest

    def _batch(self, step: int) -> Array:
        """Give the rows of a step of the last part, i64[1, n]."""
        *_, order = self._up_to(self._part, step + 1)
        start = (order.shape[1] - 1) // self.batch_size * self.batch_size
        rows: Array = order[-1:, start:]
        return rows

    def _judged(self, rows: Array) -> float:
        """Give the loss on some rows, i64[1, n], and leave the weights as they are."""
        before = self._carry.copy()
        try:
            return float(self._carry.run(self._held, self._part.rows, rows)[0][0])
        finally:
            self._carry.restore(before)

    def _judged_by_some(self, rows: Array) -> float:
        """Give the loss on a few rows, i64[n], without a step and without compiling anything."""
        plan, (X, y) = self.plan, (array[rows] for array in self._part.rows[:2])
        self._show()
        specs = [spec_of(X), spec_of(y)]
        graph = trace_losses(plan.placed, plan.loss, self.params, self.state, specs)
        arrays = [*self.params.values(), *self.state.values(), X, y]
        return float(engines.get("reference").compile(graph)(arrays)[0].mean())

    def _replay(self, part: _Part, steps: int) -> None:
        """Go back to the start of a part, and through its first steps again."""
        self._carry.restore(part.before)
        for order in self._up_to(part, steps):
            self._run_steps(part.rows, order)

    def _diverged(self, at: int, loss: float) -> NoReturn:
        """Put back weights that are finite and have a finite loss on the rows of step ``at``."""
        rows = self._batch(at)
        step = self.history.steps
        self._tell_diverged(at, loss, rows[0])
        back, candidates = 0, []  # steps before ``at``: none, 1, 3, 7, …
        while at - back >= 0:
            candidates.append((self._part, at - back))
            back = 2 * back + 1
        before = self._earlier.steps
        while 0 < before + at - back < before:
            candidates.append((self._earlier, before + at - back))
            back = 2 * back + 1
        candidates += [(self._part, 0), (self._earlier, 0), (self._first, 0)]
        for part, steps in candidates:
            self._replay(part, steps)
            if self._carry.is_finite() and np.isfinite(self._judged(rows)):
                raise self._divergence(loss, step)
        # No weights of this run make it finite: the rows do not. The last finite weights stay.
        for part, steps in candidates:
            self._replay(part, steps)
            if self._carry.is_finite():
                break
        raise self._hopeless(loss, step, rows[0])

    def _tell_diverged(self, at: int, loss: float, rows: Array) -> None:
        """Let callbacks see step ``at`` of the last part as it began."""
        told = [c for c in self.callbacks if type(c).diverged is not Callback.diverged]
        if not told:
            return
        self._replay(self._part, at)
        batch = [array[rows] for array in self._part.rows]
        inputs = [array.copy() for array in (*self._carry.read(), *self._held, *batch)]
        step = self.history.steps
        for callback in told:
            callback.diverged(self._run, BadStep(step, self._epoch_of(step), loss, rows, inputs))

    def _divergence(self, loss: float, step: int) -> DivergenceError:
        rate = self.plan.optimizer.scalars().get("learning_rate", 0.0)
        return DivergenceError(
            f"Training diverged: the loss became {loss:g} at step {step} (epoch "
            f"{self._epoch_of(step)}). The last finite weights were restored. Lower the rate: "
            f"learning_rate is {rate:g}, try {rate / 10:g}; or scale X and y first.",
            step=step,
            loss=loss,
            history=self.history,
        )

    def _hopeless(self, loss: float, step: int, rows: Array) -> DivergenceError:
        when = "before any update" if step == 1 else "and with the first weights too"
        X, y, *_ = self._part.rows
        sizes = {"X": X[rows]}
        if y.dtype.kind == "f":
            sizes["y"] = y[rows]
        reach = " and ".join(f"{n} reaches {np.nanmax(np.abs(a)):g}" for n, a in sizes.items())
        remedy = "scale them to about 1 first"
        if self.plan.loss.name == "poisson":
            remedy = "poisson takes e to the power of the output: scale X to about 1 first"
        elif isinstance(self.plan.loss, FunctionLoss):
            remedy = (
                "if that is about 1, look for log(0), 0/0 or the root of 0 in your loss function"
            )
        return DivergenceError(
            f"The loss is {loss:g} at step {step} (epoch {self._epoch_of(step)}), {when}: there "
            f"{reach}; {remedy}. The last finite weights were kept.",
            step=step,
            loss=loss,
            history=self.history,
        )

    def _epoch_of(self, step: int) -> int:
        return (step - 1) // self._an_epoch + 1

    def _own(self) -> dict[str, Array]:
        """Give what only the optimizer carries, at its start: slots, and the step's number."""
        slots = {
            f"slots.{name}.{slot}": np.zeros_like(self.params[name])
            for name in self._trained
            for slot in self.plan.optimizer.slots()
        }
        return slots | {"step": np.zeros((), np.uint32)}

    def _constant(self) -> list[Array]:
        frozen = [self.params[n] for n in self.params if n in self.plan.frozen]
        total = float(self.epochs * self._an_epoch)
        numbers = [total, *self.plan.optimizer.scalars().values()]
        return [
            *frozen,
            np.array(self.seed, np.uint32),
            *(np.array(v, np.float64) for v in numbers),
        ]


def epoch_means(losses: Array, batch_size: int, n_rows: int) -> Array:
    """Give the row-weighted mean of each epoch, f64[k], of the losses of its steps, f64[…]."""
    n = -(-n_rows // batch_size)
    rows = np.full(n, batch_size)
    rows[-1] = n_rows - (n - 1) * batch_size
    steps = losses.reshape(-1, n)
    if n <= _FEW_STEPS:  # step by step over many epochs: NumPy is slow on many short rows
        sums = steps[:, 0] * rows[0]
        for i in range(1, n):
            sums += steps[:, i] * rows[i]
    else:
        sums = (steps * rows).sum(axis=1)
    means: Array = sums / n_rows
    return means


def check_finite(params: Mapping[str, Array], state: Mapping[str, Array]) -> None:
    """Refuse weights or running statistics that hold NaN or an infinity, by name."""
    for name, array in (*params.items(), *state.items()):
        finite = np.isfinite(array)
        if not finite.all():
            place = np.argwhere(~finite)[0].tolist()
            number = array[tuple(place)]
            held = "NaN" if np.isnan(number) else f"{number:g}"
            raise DataError(f"{name} holds {held} at {place}; set it or build a new network.")
