"""Training: the step as one graph, the Loop around it, and the run over epochs.

Answers for tracing forward, loss, gradient and update into a ``Loop``, and for running it in
slices with validation, callbacks, Ctrl-C and divergence. Not for: networks or engines.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np

from limpide import engines, stopping
from limpide.callbacks import Callback, Run
from limpide.errors import (
    ArgumentError,
    ArgumentTypeError,
    DataError,
    DivergenceError,
    LimpideWarning,
)
from limpide.history import History
from limpide.ir import Array, Graph, Loop, Spec, spec_of
from limpide.layers import Placed, forward
from limpide.losses import Loss, weighted_mean
from limpide.ops import cast
from limpide.optimizers import Optimizer
from limpide.rng import row_order
from limpide.tape import GradientTape
from limpide.tensor import Tensor, Traced, Tracing, tracing_into
from limpide.tracing import slices

STEP = "step"


@dataclass(frozen=True)
class StepPlan:
    """What a training step is made of; equal plans share one compiled loop."""

    placed: tuple[Placed, ...]
    loss: Loss
    optimizer: Optimizer
    frozen: frozenset[str]
    weighted: bool

    def key(self) -> tuple[Any, ...]:
        """Give what the traced step depends on (rates and seeds are inputs of the graph)."""
        return (self.loss, self.optimizer.signature(), self.frozen, self.weighted)


@dataclass
class Data:
    """Rows to learn from: X f[n, k], y by row, weights f[n] or None; ``rows`` selects some."""

    X: Array
    y: Array
    weights: Array | None = None
    rows: Array | None = None

    @property
    def n_rows(self) -> int:
        return len(self.X) if self.rows is None else len(self.rows)

    def arrays(self) -> list[Array]:
        return [a for a in (self.X, self.y, self.weights) if a is not None]


def split(data: Data, share: Any, seed: int) -> tuple[Data, Data]:
    """Give the rows to train on and the share that is held out, drawn by the seed."""
    if isinstance(share, (bool, np.bool_)) or not isinstance(share, (int, float, np.number)):
        raise ArgumentTypeError(
            "validation must be a pair (Xv, yv) or a share between 0 and 1; received "
            f"{type(share).__name__}."
        )
    if not 0 < share < 1:
        raise ArgumentError(f"validation is a share between 0 and 1; received {share!r}. Try 0.2.")
    n = data.n_rows
    if n < 2:
        raise DataError("validation=share needs at least 2 rows to split; there is 1.")
    held = min(max(round(share * n), 1), n - 1)
    order = np.random.Generator(np.random.Philox(seed)).permutation(n)
    parts = [np.sort(order[held:]), np.sort(order[:held])]
    for rows, what in zip(parts, ("left to train on", "held out"), strict=True):
        if data.weights is not None and not data.weights[rows].any():
            raise DataError(
                f"sample_weight is 0 in all rows {what}; take another seed, or another validation."
            )
    first, second = (Data(data.X, data.y, data.weights, rows) for rows in parts)
    return first, second


def rows_a_step(batch_size: int | None, n_rows: int) -> int:
    """Give the batch size: 32 for None, and at most all rows."""
    if batch_size is not None and batch_size > n_rows:
        warnings.warn(
            f"batch_size is {batch_size}, and there are {n_rows} rows: each step takes them all. "
            f"Pass batch_size={n_rows} to say so.",
            LimpideWarning,
            stacklevel=4,
        )
    return min(batch_size or 32, n_rows)


def trace_step(
    plan: StepPlan, params: Mapping[str, Array], state: Mapping[str, Array], rows: Sequence[Spec]
) -> Graph:
    """Trace one training step into a graph.

    Inputs: trained parameters, state, slots, step counter (carried); frozen parameters, seed,
    total steps, the optimizer's numbers (held); one batch of X, y and weights. Outputs: what is
    carried, then the loss.
    """
    tracing = Tracing("step")
    trained = [name for name in params if name not in plan.frozen]
    inputs = _step_inputs(plan, params, state, tracing, trained)
    batch = [
        tracing.argument(s, n) for s, n in zip(rows, ("X", "y", "sample_weight"), strict=False)
    ]
    with tracing_into(tracing):
        values = inputs.params | inputs.frozen
        tape = GradientTape()
        with tape:
            for name in trained:
                tape.watch(inputs.params[name])
            z, activation, new_state = forward(
                plan.placed, values, inputs.state, batch[0], (inputs.seed, inputs.step)
            )
            elements = plan.loss.of_sum(batch[1], z, activation)
            loss = weighted_mean(elements, batch[2] if plan.weighted else None)
        gradients = tape.gradient(loss, [inputs.params[n] for n in trained])
        new_params, new_slots = _update(plan.optimizer, inputs, trained, gradients)
        outputs = {**new_params, **new_state, **new_slots, STEP: inputs.step + 1, "loss": loss}
        nodes = [tracing.lift(value).node for value in outputs.values()]
    return tracing.trace.finish(nodes, list(outputs))


@dataclass
class _Inputs:
    params: dict[str, Tensor]
    state: dict[str, Tensor]
    slots: dict[str, dict[str, Tensor]]
    step: Traced
    frozen: dict[str, Tensor]
    seed: Traced
    total: Traced
    scalars: dict[str, Tensor]


def _step_inputs(
    plan: StepPlan,
    params: Mapping[str, Array],
    state: Mapping[str, Array],
    tracing: Tracing,
    trained: list[str],
) -> _Inputs:
    scalar = Spec((), "f64")
    return _Inputs(
        params={n: tracing.argument(spec_of(params[n]), n) for n in trained},
        state={n: tracing.argument(spec_of(a), n) for n, a in state.items()},
        slots={
            n: {
                slot: tracing.argument(spec_of(params[n]), f"{n}.{slot}")
                for slot in plan.optimizer.slots()
            }
            for n in trained
        },
        step=tracing.argument(Spec((), "u32"), STEP),
        frozen={n: tracing.argument(spec_of(params[n]), n) for n in params if n in plan.frozen},
        seed=tracing.argument(Spec((), "u32"), "seed"),
        total=tracing.argument(scalar, "total_steps"),
        scalars={n: tracing.argument(scalar, n) for n in plan.optimizer.scalars()},
    )


def _update(
    optimizer: Optimizer, inputs: _Inputs, trained: list[str], gradients: Sequence[Tensor]
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    before = cast(inputs.step, "float64")
    rate = optimizer.rate(before, inputs.total, inputs.scalars)
    params: dict[str, Tensor] = {}
    slots: dict[str, Tensor] = {}
    for name, gradient in zip(trained, gradients, strict=True):
        params[name], new = optimizer.update(
            inputs.params[name], gradient, inputs.slots[name], rate, before + 1, inputs.scalars
        )
        slots |= {f"{name}.{slot}": new[slot] for slot in optimizer.slots()}
    return params, slots


def trace_loss(
    placed: Sequence[Placed],
    loss: Loss,
    params: Mapping[str, Array],
    state: Mapping[str, Array],
    rows: Sequence[Spec],
) -> Graph:
    """Trace the loss of a block of rows outside of training: inputs params, state, rows."""
    tracing = Tracing("loss")
    values: dict[str, Tensor] = {n: tracing.argument(spec_of(a), n) for n, a in params.items()}
    kept: dict[str, Tensor] = {n: tracing.argument(spec_of(a), n) for n, a in state.items()}
    batch = [
        tracing.argument(s, n) for s, n in zip(rows, ("X", "y", "sample_weight"), strict=False)
    ]
    with tracing_into(tracing):
        z, activation, _ = forward(placed, values, kept, batch[0])
        elements = loss.of_sum(batch[1], z, activation)
        result = weighted_mean(elements, batch[2] if len(batch) > 2 else None)
        node = tracing.lift(result).node
    return tracing.trace.finish([node], ["loss"])


def build_loop(
    plan: StepPlan,
    params: Mapping[str, Array],
    state: Mapping[str, Array],
    data: Data,
    batch_size: int,
) -> Loop:
    """Trace the step for whole batches and, where rows remain, for the short last one."""

    def step(size: int) -> Graph:
        specs = [Spec((size, *a.shape[1:]), spec_of(a).dtype) for a in data.arrays()]
        return trace_step(plan, params, state, specs)

    rest = data.n_rows % batch_size
    trained = sum(name not in plan.frozen for name in params)
    carried = trained * (1 + len(plan.optimizer.slots())) + len(state) + 1
    held = len(plan.frozen) + 2 + len(plan.optimizer.scalars())
    return Loop(step(batch_size), step(rest) if rest else None, carried, held)


@dataclass
class _Part:
    """A slice: what was carried before it, and the rows of its steps."""

    before: list[Array]
    order: Array


@dataclass
class Trainer:
    """One run of training: what is carried from step to step, and how far it has come."""

    plan: StepPlan
    params: dict[str, Array]
    state: dict[str, Array]
    data: Data
    batch_size: int
    epochs: int
    seed: int
    shuffle: bool
    engine: str | None
    run_loop: engines.RunLoop
    validate: Callable[[], float] | None = None
    watch: Callable[[int, float], None] | None = None
    callbacks: Sequence[Callback] = ()
    history: History = field(default_factory=History)
    _run: Run = field(init=False)
    _first: _Part = field(init=False)  # before any step
    _earlier: _Part = field(init=False)  # the slice before the last
    _part: _Part = field(init=False)  # the slice that was run last
    _slice: int = 16  # steps in the slice run last; a first guess

    def begin(self, network: Any) -> None:
        """Let the callbacks begin; they may refuse the run, and nothing has changed yet."""
        check_finite(self.params, self.state)
        watched = self.validate is not None
        self._run = Run(network, self.history, self.epochs, self.params, self.state, watched)
        for callback in self.callbacks:
            callback.begin(self._run)

    def fit(self) -> History:
        """Train; parameters and state change in place. See ``Network.fit``."""
        history, run = self.history, self._run
        history.batch_size, history.engine = self.batch_size, engines.get(self.engine).name
        carry, held = self._carry(), self._held()
        self._first = self._part = _Part([array.copy() for array in carry], np.arange(0))
        with stopping.catching() as stop:
            for epoch in range(self.epochs):
                history.interrupted = not self._epoch(epoch, carry, held, stop)
                if history.interrupted:
                    break
                if self.validate is not None:
                    history.validation_loss.append(self.validate())
                for callback in self.callbacks:
                    callback.epoch_end(run)
                if self.callbacks:
                    self._check_callbacks(carry, held)
                history.interrupted = stop.asked
                if history.stopped or history.interrupted:
                    break
            self._check_last_step(carry, held)
            for callback in self.callbacks:
                callback.end(run)
        return history

    def _epoch(
        self, epoch: int, carry: list[Array], held: list[Array], stop: stopping.Stop
    ) -> bool:
        """Run one epoch in slices; False where it was interrupted."""
        n, batch = self.data.n_rows, self.batch_size
        order = row_order(self.seed, epoch, n) if self.shuffle else np.arange(n, dtype=np.int64)
        if self.data.rows is not None:
            order = self.data.rows[order]
        steps = -(-n // batch)
        losses = np.empty(steps)
        for first, last in slices(steps, first=max(1, self._slice)):
            self._earlier = self._part
            part = _Part([array.copy() for array in carry], order[first * batch : last * batch])
            began = time.perf_counter()
            losses[first:last] = self._losses(carry, held, part.order)
            self.history.seconds += time.perf_counter() - began
            self.history.steps += last - first
            self._slice, self._part = last - first, part
            self._check(carry, held, losses[first:last])
            if self.watch is not None:
                self.watch(last, float(losses[first:last].mean()))
            if stop.asked and last < steps:
                return False
        rows = np.full(steps, batch)
        rows[-1] = n - (steps - 1) * batch
        self.history.loss.append(float(np.average(losses, weights=rows)))
        return True

    def _losses(self, carry: list[Array], held: list[Array], order: Array) -> Array:
        return self.run_loop(carry, held, self.data.arrays(), order, 0)[0]

    def _check(self, carry: list[Array], held: list[Array], losses: Array) -> None:
        """Notice divergence in the slice that was run last."""
        bad = np.flatnonzero(~np.isfinite(losses))
        if len(bad):
            self._diverged(carry, held, int(bad[0]), float(losses[bad[0]]))
        if not _finite(carry):
            self._diverged(carry, held, len(losses) - 1, np.inf)

    def _check_last_step(self, carry: list[Array], held: list[Array]) -> None:
        """See what the last update led to: its rows once more, on a copy.

        Every other update is judged by the loss of the step that follows it.
        """
        last = -(-len(self._part.order) // self.batch_size) - 1
        loss = self._judged(carry, held, self._batch(last))
        if not np.isfinite(loss):
            self._diverged(carry, held, last, loss)

    def _check_callbacks(self, carry: list[Array], held: list[Array]) -> None:
        """Refuse what a callback has set that is not finite; the epoch's weights are put back."""
        try:
            check_finite(self.params, self.state)
        except DataError as error:
            self._replay(carry, held, self._part, len(self._part.order))
            raise DataError(f"A callback changed the weights: {error}") from None

    def _batch(self, step: int) -> Array:
        return self._part.order[step * self.batch_size : (step + 1) * self.batch_size]

    def _judged(self, carry: list[Array], held: list[Array], rows: Array) -> float:
        """Give the loss on some rows, and leave the weights as they are."""
        return float(self._losses([array.copy() for array in carry], held, rows)[0])

    def _replay(self, carry: list[Array], held: list[Array], part: _Part, n_rows: int) -> None:
        """Go back to the start of a slice, and through its first rows again."""
        for array, old in zip(carry, part.before, strict=True):
            array[...] = old
        if n_rows:
            self._losses(carry, held, part.order[:n_rows])

    def _diverged(self, carry: list[Array], held: list[Array], at: int, loss: float) -> NoReturn:
        """Put back weights that are finite and have a finite loss on the rows of step ``at``."""
        rows, size = self._batch(at), self.batch_size
        parts = [(self._part, at), (self._earlier, 0), (self._first, 0)]
        step = self.history.steps - -(-len(self._part.order) // size) + at + 1
        for part, steps in parts:
            back = 1
            while True:
                self._replay(carry, held, part, steps * size)
                if _finite(carry) and np.isfinite(self._judged(carry, held, rows)):
                    raise self._divergence(loss, step)
                if steps == 0:
                    break
                # Further back each time: one step at a time would be slow in a long slice.
                steps, back = max(0, steps - back), 2 * back
        # No weights of this run make it finite: the rows do not. The last finite weights stay.
        for part, steps in parts:
            self._replay(carry, held, part, steps * size)
            if _finite(carry):
                break
        raise self._hopeless(loss, step, rows)

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
        sizes = {"X": self.data.X[rows]}
        if self.data.y.dtype.kind == "f":
            sizes["y"] = self.data.y[rows]
        reach = " and ".join(f"{n} reaches {np.nanmax(np.abs(a)):g}" for n, a in sizes.items())
        remedy = "scale them to about 1 first"
        if self.plan.loss.name == "poisson":
            remedy = "poisson takes e to the power of the output: scale X to about 1 first"
        return DivergenceError(
            f"The loss is {loss:g} at step {step} (epoch {self._epoch_of(step)}), {when}: there "
            f"{reach}; {remedy}. The last finite weights were kept.",
            step=step,
            loss=loss,
            history=self.history,
        )

    def _epoch_of(self, step: int) -> int:
        return (step - 1) // -(-self.data.n_rows // self.batch_size) + 1

    def _carry(self) -> list[Array]:
        trained = [n for n in self.params if n not in self.plan.frozen]
        slots = [
            np.zeros_like(self.params[n]) for n in trained for _ in self.plan.optimizer.slots()
        ]
        step = np.zeros((), np.uint32)
        return [*(self.params[n] for n in trained), *self.state.values(), *slots, step]

    def _held(self) -> list[Array]:
        frozen = [self.params[n] for n in self.params if n in self.plan.frozen]
        total = float(self.epochs * -(-self.data.n_rows // self.batch_size))
        numbers = [total, *self.plan.optimizer.scalars().values()]
        return [
            *frozen,
            np.array(self.seed, np.uint32),
            *(np.array(v, np.float64) for v in numbers),
        ]


def check_finite(params: Mapping[str, Array], state: Mapping[str, Array]) -> None:
    """Refuse weights or running statistics that hold NaN or an infinity, by name."""
    for name, array in (*params.items(), *state.items()):
        finite = np.isfinite(array)
        if not finite.all():
            place = np.argwhere(~finite)[0].tolist()
            number = array[tuple(place)]
            held = "NaN" if np.isnan(number) else f"{number:g}"
            raise DataError(f"{name} holds {held} at {place}; set it or build a new network.")


def _finite(arrays: Sequence[Array]) -> bool:
    return all(bool(np.isfinite(a).all()) for a in arrays if a.dtype.kind == "f")
