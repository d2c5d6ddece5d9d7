"""What the learning rate does: one network, from rates that are too small to those that diverge.

Answers for the experiment ``learning_rates``. Not for: finding a good rate for a network of one's
own on large data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import numpy as np

from limpide import engines
from limpide.errors import ArgumentError, ArgumentTypeError, DataError, DivergenceError
from limpide.experiments import charts
from limpide.experiments.examples import plane, rows_or
from limpide.experiments.result import Experiment, Table
from limpide.history import History
from limpide.ir import Array
from limpide.keywords import known_keywords
from limpide.languages import Words
from limpide.layers import Dense, Layer, check_size
from limpide.network import Network
from limpide.ops import tanh
from limpide.optimizers import SGD
from limpide.rng import check_seed

RATES = (0.001, 0.01, 0.1, 0.3, 0.7, 0.8, 1.0)
_LOST = 100.0  # times its first value: a loss above it has diverged
_SLOW = 0.5  # of what the best rate gained: a rate that gained less is too small


@dataclass(frozen=True)
class RateRun:
    """What one rate led to.

    Attributes
    ----------
    losses
        The loss before each step, f64[steps]; NaN from where it is no finite number.
    loss
        After the last step; NaN where it diverged.
    diverged_at
        The step before which the loss was above 100 times its first value, or was not finite;
        None where that never was.
    """

    rate: float
    losses: Array
    loss: float
    diverged_at: int | None


@dataclass(frozen=True)
class LearningRatesResult(Experiment):
    """What each rate led to; see ``learning_rates``.

    Attributes
    ----------
    runs
        One for each rate, the smallest first.
    limit
        Of a linear neuron: the rate above which gradient descent diverges, 2 / λ, where λ is the
        largest eigenvalue of the loss's second derivative. None with hidden neurons.
    """

    name: ClassVar[str] = "learning_rates"
    runs: tuple[RateRun, ...]
    limit: float | None
    rows: int
    hidden: int
    steps: int
    seed: int
    engine: str

    @property
    def best(self) -> RateRun | None:
        """The run with the lowest last loss, or None where all diverged."""
        good = [run for run in self.runs if run.diverged_at is None]
        return min(good, key=lambda run: run.loss) if good else None

    def figures(self) -> dict[str, Any]:
        best = None if self.best is None else self.best.rate
        return super().figures() | {"best": best}

    @property
    def _too_small(self) -> list[RateRun]:
        best = self.best
        if best is None:
            return []
        gain = best.losses[0] - best.loss
        return [
            run
            for run in self.runs
            if run.rate < best.rate
            and run.diverged_at is None
            and run.losses[0] - run.loss < _SLOW * gain
        ]

    def told(self, words: Words) -> tuple[str, list[str | Table]]:
        if self.hidden:
            kind = words.plural(
                "A network with {n} hidden neuron (tanh) and a linear output",
                "A network with {n} hidden neurons (tanh) and a linear output",
                self.hidden,
            )
        else:
            kind = words.say("A linear neuron")
        done = words.say(
            "{kind} learned the same rows from the same weights with each rate: gradient descent "
            "on the mean squared error of all rows, float64; rows: {rows}; steps: {steps}; seed: "
            "{seed}; engine: {engine}.",
            kind=kind,
            rows=words.whole(self.rows),
            steps=words.whole(self.steps),
            seed=words.whole(self.seed),
            engine=self.engine,
        )
        title = words.say("What the learning rate does")
        return title, [done, self._table(words), *self._seen(words)]

    def _table(self, words: Words) -> Table:
        head = [words.say("rate"), words.say("first loss"), words.say("last loss"), ""]
        small = self._too_small
        rows = []
        for run in self.runs:
            what = ""
            if run.diverged_at is not None:
                what = words.say("diverged at step {step}", step=words.whole(run.diverged_at))
            elif run is self.best:
                what = words.say("the best")
            elif run in small:
                what = words.say("too small")
            last = "–" if np.isnan(run.loss) else words.number(run.loss, 4)
            first = words.number(float(run.losses[0]), 4)
            rows.append([words.number(run.rate), first, last, what])
        return Table(head, rows)

    def _seen(self, words: Words) -> list[str]:
        said = []
        if self._too_small:
            said.append(
                words.say(
                    "Too small: in these steps {rates} gained less than half of what the best rate "
                    "did. They go the same way, in steps that are too short.",
                    rates=self._list(words, self._too_small),
                )
            )
        lost = [run for run in self.runs if run.diverged_at is not None]
        if lost:
            said.append(
                words.say(
                    "Too large: with {rates} each step goes beyond the valley's floor and up the "
                    "other side, further each time. Diverged means a loss of more than 100 times "
                    "the first one.",
                    rates=self._list(words, lost),
                )
            )
        if self.limit is not None:
            said.append(self._limit(words))
        if self.best is not None:
            said.append(
                words.say(
                    "The best of them is {rate}: loss {loss}.",
                    rate=words.number(self.best.rate),
                    loss=words.number(self.best.loss, 4),
                )
            )
        return said

    def _list(self, words: Words, runs: Sequence[RateRun]) -> str:
        return "; ".join(words.number(run.rate) for run in runs)

    def _limit(self, words: Words) -> str:
        assert self.limit is not None
        said = words.say(
            "For a linear neuron the limit can be worked out from the rows: 2 / λ = {limit}, where "
            "λ is the largest eigenvalue of the loss's second derivative.",
            limit=words.number(self.limit, 6),
        )
        below = [run.rate < self.limit for run in self.runs]
        if len(set(below)) == 2 and below == [run.diverged_at is None for run in self.runs]:
            agrees = words.say("Here every rate above it diverged, and none below it.")
            return f"{said} {agrees}"
        return said

    def drawn(self, words: Words) -> str:
        steps = np.arange(1, self.steps + 1, dtype=np.float64)
        series = []
        for i, run in enumerate(self.runs):
            losses = np.where(run.losses > 0, run.losses, np.nan)
            series.append(charts.Line(words.number(run.rate), steps, losses, i))
        firsts = [run.losses[0] for run in self.runs]
        lowest = min(float(np.nanmin(line.y)) for line in series)
        top = 10 * max(firsts)
        series = [
            charts.Line(s.label, s.x, np.where(_before(s.y > top), s.y, np.nan), s.look)
            for s in series
        ]
        return charts.lines(
            words, words.say("The loss at each learning rate"), " ".join(self._seen(words)),
            series, words.say("step"), words.say("loss, on a logarithmic scale"),
            (lowest / 1.3, top), log=True,
        )  # fmt: skip


def _before(beyond: Array) -> Array:
    """Say which steps come up to and with the first that is beyond."""
    later = np.concatenate([[False], np.cumsum(beyond)[:-1] > 0])
    return ~later


@known_keywords
def learning_rates(
    X: Any = None,
    y: Any = None,
    rates: Sequence[float] = RATES,
    hidden: int = 0,
    steps: int = 50,
    seed: int = 0,
    engine: str | None = None,
) -> LearningRatesResult:
    """Train one network with each of several rates, from the same weights.

    Parameters
    ----------
    X, y
        Rows and numbers to be learned; None: 100 rows of y = 2·x1 − x2 + 1 and a little noise.
    rates
        The rates, in any order.
    hidden
        Hidden neurons; 0: a linear neuron, whose limit can be worked out.
    steps
        Steps of gradient descent, each on all rows.
    seed
        For the weights and the rows.
    engine
        None is the fastest installed.

    Source
    ------
    LeCun, Bottou, Orr, Müller, "Efficient backprop" (1998), section 5: the limit 2 / λ.

    Examples
    --------
    >>> import limpide as lp
    >>> result = lp.experiments.learning_rates(rates=[0.1, 10])
    >>> [run.diverged_at is None for run in result.runs]
    [True, False]
    """
    seed = check_seed(seed)
    steps = check_size(steps, "steps")
    if isinstance(hidden, bool) or hidden != 0:
        hidden = check_size(hidden, "hidden")
    if not isinstance(rates, (list, tuple, np.ndarray)):
        raise ArgumentTypeError(
            f"rates is a list of numbers; received {rates!r}. Give one such as [0.01, 0.1]."
        )
    if not len(rates):
        raise ArgumentError("rates is empty; give at least one rate, such as [0.01, 0.1].")
    X, y = rows_or(X, y, lambda: plane(seed))
    runs = [_run(float(rate), X, y, hidden, steps, seed, engine) for rate in sorted(rates)]
    if runs[0].losses[0] == 0:
        raise DataError(
            "The loss is 0 before the first step: there is nothing to be learned from these rows, "
            "whatever the rate. Give others."
        )
    return LearningRatesResult(
        runs=tuple(runs),
        limit=None if hidden else _limit(X),
        rows=len(X),
        hidden=hidden,
        steps=steps,
        seed=seed,
        engine=engines.get(engine).name,
    )


def _limit(X: Array) -> float:
    """Give 2 / λ for the mean squared error of a linear neuron."""
    columns = np.column_stack([X, np.ones(len(X))])
    return float(2 / np.linalg.eigvalsh(2 / len(X) * columns.T @ columns)[-1])


def _run(
    rate: float, X: Array, y: Array, hidden: int, steps: int, seed: int, engine: str | None
) -> RateRun:
    layers: list[int | Layer] = [X.shape[-1]]
    if hidden:
        layers.append(Dense(hidden, tanh))
    network = Network([*layers, 1], dtype="float64", seed=seed)
    losses, last = np.full(steps, np.nan), np.nan
    try:
        history = network.fit(
            X, y, loss="mse", optimizer=SGD(rate), epochs=steps, batch_size=len(X), shuffle=False,
            seed=seed, engine=engine, progress=False,
        )  # fmt: skip
        last, seen = network.evaluate(X, y)["loss"], history.loss
    except DivergenceError as error:
        seen = cast(History, error.history).loss
        if not seen:  # not the rate but the rows are at fault
            raise
    losses[: len(seen)] = seen
    lost = ~(losses <= _LOST * losses[0])
    at = int(np.argmax(lost)) + 1 if lost.any() else None
    return RateRun(rate, losses, last if at is None else np.nan, at)
