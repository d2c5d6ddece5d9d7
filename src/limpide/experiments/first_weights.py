"""Why weights start small and random, and not at zero: neurons that start equal stay equal.

Answers for the experiment ``initialization``. Not for: the rules by which weights start
(``limpide.initializers``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from limpide import engines
from limpide.callbacks import Run
from limpide.experiments import charts
from limpide.experiments.examples import rows_or, small_circle
from limpide.experiments.result import Experiment, Table, percent
from limpide.initializers import Initializer, normal, uniform, zeros
from limpide.ir import Array
from limpide.keywords import known_keywords
from limpide.languages import Words
from limpide.layers import Dense, check_size
from limpide.network import Network
from limpide.ops import sigmoid, tanh
from limpide.optimizers import SGD
from limpide.rng import check_seed
from limpide.tensor import Tensor

STARTS: Mapping[str, Initializer] = {
    "zeros": zeros,
    "0.5": uniform(0.5, 0.5),
    "normal(0.5)": normal(0.5),
    "normal(20)": normal(20),
}
"""The starts that ``initialization`` compares: zeros, one constant, small and large ones."""

_SATURATED = 0.99  # a tanh beyond it: its slope is below 2 %


@dataclass(frozen=True)
class Start:
    """What a network with one kind of first weights came to.

    Attributes
    ----------
    losses
        The loss of each epoch, f64[epochs].
    loss, accuracy
        After training, on all rows.
    difference
        The largest difference between the same weight of two hidden neurons (to them, their bias,
        from them), before training and after each epoch, f64[epochs + 1].
    moved
        The largest change of a hidden neuron's weights from their start.
    saturated
        The share of hidden values beyond ±0.99 before training.
    """

    losses: Array
    loss: float
    accuracy: float
    difference: Array
    moved: float
    saturated: float

    @property
    def symmetric(self) -> bool:
        """Whether the hidden neurons were the same, to the last bit, after every epoch."""
        return bool((self.difference == 0).all())


@dataclass(frozen=True)
class InitializationResult(Experiment):
    """What networks came to by their first weights; see ``initialization``.

    Attributes
    ----------
    starts
        Name of the start → ``Start``.
    """

    name: ClassVar[str] = "initialization"
    starts: dict[str, Start]
    rows: int
    hidden: int
    epochs: int
    batch_size: int
    learning_rate: float
    seed: int
    engine: str

    def figures(self) -> dict[str, Any]:
        starts = {
            name: {"symmetric": own.symmetric, **vars(own)} for name, own in self.starts.items()
        }
        return super().figures() | {"starts": starts}

    @property
    def best(self) -> str:
        """The start with the lowest last loss."""
        return min(self.starts, key=lambda name: self.starts[name].loss)

    def told(self, words: Words) -> tuple[str, list[str | Table]]:
        done = words.say(
            "One network, hidden neurons with tanh and one output with sigmoid, learned the same "
            "rows from each start of its weights; biases start at 0. Hidden neurons: {hidden}; "
            "rows: {rows}; epochs: {epochs}; rows a step: {batch}; gradient descent on the "
            "cross-entropy, rate: {rate}; seed: {seed}; engine: {engine}. A number as a start is "
            "the value of every weight.",
            hidden=words.whole(self.hidden),
            rows=words.whole(self.rows),
            epochs=words.whole(self.epochs),
            batch=words.whole(self.batch_size),
            rate=words.number(self.learning_rate),
            seed=words.whole(self.seed),
            engine=self.engine,
        )
        title = words.say("Why weights start small and random")
        return title, [done, self._table(words), *self._seen(words)]

    def _table(self, words: Words) -> Table:
        head = [
            words.say("start"),
            words.say("loss"),
            words.say("right"),
            words.say("difference of neurons"),
            words.say("saturated at first"),
        ]
        rows = [
            [
                name,
                words.number(own.loss, 4),
                percent(words, own.accuracy),
                words.number(float(own.difference.max()), 4),
                percent(words, own.saturated),
            ]
            for name, own in self.starts.items()
        ]
        return Table(head, rows)

    def _symmetry(self, words: Words) -> list[str]:
        said = []
        equal = [name for name, own in self.starts.items() if own.symmetric]
        if equal:
            said.append(
                words.say(
                    "Symmetry is never broken from {names}: after every epoch the largest "
                    "difference between two hidden neurons is exactly 0. Equal neurons see the "
                    "same inputs, give the same value, get the same gradient, and so remain equal: "
                    "all of them together can do no more than one.",
                    names="; ".join(equal),
                )
            )
        apart = {
            name: float(own.difference.max())
            for name, own in self.starts.items()
            if own.difference[0] == 0 and not own.symmetric
        }
        if apart:
            said.append(
                words.say(
                    "From {names} the hidden neurons begin equal too, and nothing but this "
                    "engine's rounding sets them apart: their largest difference is {size}.",
                    names="; ".join(apart),
                    size=words.number(max(apart.values()), 2),
                )
            )
        return said

    def _seen(self, words: Words) -> list[str]:
        said = self._symmetry(words) if self.hidden > 1 else []
        # Saturated ones stand still for another reason, which is told below.
        still = [n for n, own in self.starts.items() if own.moved == 0 and own.saturated == 0]
        if still:
            said.append(
                words.say(
                    "From {names} the hidden neurons' weights did not move at all: a weight of 0 "
                    "behind a neuron lets no gradient through to it, and a value of 0 gives the "
                    "weight behind it none.",
                    names="; ".join(still),
                )
            )
        full = max(self.starts, key=lambda name: self.starts[name].saturated)
        if self.starts[full].saturated > 0.5:
            said.append(
                words.say(
                    "From {name} {share} of the hidden values are beyond ±0.99 before the first "
                    "step: there tanh is almost flat and lets little gradient through.",
                    name=full,
                    share=percent(words, self.starts[full].saturated),
                )
            )
        own = self.starts[self.best]
        said.append(
            words.say(
                "The lowest loss, {loss} with {right} of the rows right, came from {name}.",
                loss=words.number(own.loss, 4),
                right=percent(words, own.accuracy),
                name=self.best,
            )
        )
        return said

    def drawn(self, words: Words) -> str:
        epochs = np.arange(1, self.epochs + 1, dtype=np.float64)
        series = [
            charts.Line(name, epochs, own.losses, i)
            for i, (name, own) in enumerate(self.starts.items())
        ]
        # The first epochs of large weights would press the others flat.
        firsts = [own.losses[0] for own in self.starts.values()]
        top = 1.5 * float(np.median(firsts))
        return charts.lines(
            words, words.say("The loss by the start of the weights"), " ".join(self._seen(words)),
            series, words.say("epoch"), words.say("loss"), (0.0, top),
        )  # fmt: skip


@known_keywords
def initialization(
    X: Any = None,
    y: Any = None,
    starts: Mapping[str, Initializer] | None = None,
    hidden: int = 6,
    epochs: int = 200,
    batch_size: int = 20,
    learning_rate: float = 0.5,
    seed: int = 0,
    engine: str | None = None,
) -> InitializationResult:
    """Train one network from zeros, from a constant, from small and from large random weights.

    Parameters
    ----------
    X, y
        Rows and their classes, 0 and 1; None: 200 points of ``lp.datasets.circle``, divided by 5.
    starts
        Name → initialiser of all weights; None: ``lp.experiments.first_weights.STARTS``.
    hidden
        Hidden neurons.
    epochs, batch_size, learning_rate
        Of the gradient descent.
    seed
        For the weights and for the order of rows.
    engine
        None is the fastest installed.

    Examples
    --------
    >>> import limpide as lp
    >>> result = lp.experiments.initialization(epochs=20)
    >>> result.starts["zeros"].symmetric, result.starts["normal(0.5)"].symmetric
    (True, False)
    """
    seed, hidden = check_seed(seed), check_size(hidden, "hidden")
    X, y = rows_or(X, y, small_circle)
    batch_size = min(check_size(batch_size, "batch_size"), len(X))
    settings = {
        "optimizer": SGD(learning_rate), "epochs": epochs, "batch_size": batch_size, "seed": seed,
        "engine": engine, "loss": "bce", "progress": False,
    }  # fmt: skip
    return InitializationResult(
        starts={
            name: _started(rule, X, y, hidden, seed, settings)
            for name, rule in (STARTS if starts is None else starts).items()
        },
        rows=len(X),
        hidden=hidden,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=float(learning_rate),
        seed=seed,
        engine=engines.get(engine).name,
    )


def _started(
    rule: Initializer, X: Array, y: Array, hidden: int, seed: int, settings: dict[str, Any]
) -> Start:
    layers = [X.shape[-1], Dense(hidden, tanh, weights=rule), Dense(1, sigmoid, weights=rule)]
    network = Network(layers, dtype="float64", seed=seed)
    first = _neurons(network.params)
    values = tanh(Tensor(X) @ Tensor(network.params["hidden1.weights"])).numpy()
    differences = [_difference(first)]

    def watch(run: Run) -> None:
        differences.append(_difference(_neurons(run.params)))

    history = network.fit(X, y, callbacks=watch, **settings)
    figures = network.evaluate(X, y)
    return Start(
        losses=np.array(history.loss),
        loss=figures["loss"],
        accuracy=figures["accuracy"],
        difference=np.array(differences),
        moved=float(np.abs(_neurons(network.params) - first)[:-1].max()),
        saturated=float((np.abs(values) > _SATURATED).mean()),
    )


def _neurons(params: Mapping[str, Array]) -> Array:
    """Give a column for each hidden neuron: the weights to it, its bias, the weight from it."""
    bias, output = params["hidden1.bias"][None], params["output.weights"].T
    return np.concatenate([params["hidden1.weights"], bias, output])


def _difference(neurons: Array) -> float:
    return float(np.ptp(neurons, axis=1).max())
