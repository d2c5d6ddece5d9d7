"""Why a neuron has a bias: the same neuron with and without it.

Answers for the experiment ``bias``. Not for: neurons themselves (``limpide.neuron``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from limpide import engines
from limpide.errors import DataError
from limpide.experiments import charts
from limpide.experiments.examples import clouds, rows_or
from limpide.experiments.result import Experiment, Table, percent
from limpide.initializers import Initializer, uniform, zeros
from limpide.ir import Array
from limpide.keywords import known_keywords
from limpide.languages import Words
from limpide.layers import Dense
from limpide.network import Network
from limpide.ops import sigmoid
from limpide.optimizers import SGD
from limpide.reporting.scales import Scale, padded
from limpide.rng import check_seed

_MATTERS = 0.01  # of the loss: a bias that saves less hardly matters
_MOST_WEIGHTS = 8  # that the table shows


@dataclass(frozen=True)
class NeuronRun:
    """What one of the two neurons has learned.

    Attributes
    ----------
    weights, bias
        After training; without a bias ``bias`` is None.
    losses
        The loss of each epoch, f64[epochs].
    loss, accuracy
        After training, on all rows.
    at_zero
        The neuron's output where all inputs are 0.
    """

    weights: Array
    bias: float | None
    losses: Array
    loss: float
    accuracy: float
    at_zero: float


@dataclass(frozen=True)
class BiasResult(Experiment):
    """What a neuron learns with and without a bias; see ``bias``."""

    name: ClassVar[str] = "bias"
    with_bias: NeuronRun
    without_bias: NeuronRun
    X: Array
    y: Array
    epochs: int
    learning_rate: float
    seed: int
    engine: str

    @property
    def _runs(self) -> tuple[NeuronRun, NeuronRun]:
        return self.with_bias, self.without_bias

    # Words ------------------------------------------------------------------------------------

    def told(self, words: Words) -> tuple[str, list[str | Table]]:
        return words.say("Why a neuron has a bias"), [
            words.say(
                "Two neurons, ŷ = sigmoid(z), learned the same rows from the same weights: one "
                "with z = w1·x1 + … + b, one without b. Gradient descent on the cross-entropy of "
                "all rows; rows: {rows}; steps: {epochs}; rate: {rate}; seed: {seed}; engine: "
                "{engine}.",
                rows=words.whole(len(self.X)),
                epochs=words.whole(self.epochs),
                rate=words.number(self.learning_rate),
                seed=words.whole(self.seed),
                engine=self.engine,
            ),
            self._table(words),
            self._at_zero(words),
            self._seen(words),
        ]

    def _table(self, words: Words) -> Table:
        runs = self._runs
        head = ["", words.say("with bias"), words.say("without")]
        rows = [
            [words.say("loss"), *(words.number(run.loss, 4) for run in runs)],
            [words.say("right"), *(percent(words, run.accuracy) for run in runs)],
            [words.say("ŷ at x = 0"), *(words.number(run.at_zero, 4) for run in runs)],
        ]
        rows += [
            [f"w{i + 1}", *(words.number(run.weights[i], 4) for run in runs)]
            for i in range(min(self.X.shape[1], _MOST_WEIGHTS))
        ]
        biases = ["–" if run.bias is None else words.number(run.bias, 4) for run in runs]
        return Table(head, [*rows, ["b", *biases]])

    def _at_zero(self, words: Words) -> str:
        stuck = self.without_bias.at_zero
        said = words.say(
            "Where all inputs are 0, every product is 0 whatever the weights are. Without b the "
            "sum is 0 there and ŷ = sigmoid(0) = {stuck}; with b it is sigmoid(b) = {free}.",
            stuck=words.number(stuck, 17),
            free=words.number(self.with_bias.at_zero, 4),
        )
        if self.X.shape[1] != 2:
            return said
        line = words.say(
            "The line on which ŷ = 0.5 is w1·x1 + w2·x2 + b = 0: without b it passes through the "
            "origin, with b it lies {distance} from it.",
            distance=words.number(self.distance, 3),
        )
        return f"{said} {line}"

    @property
    def distance(self) -> float:
        """How far from the origin the neuron with a bias is undecided: |b| / ‖w‖."""
        bias = self.with_bias.bias or 0.0
        return abs(bias) / max(float(np.linalg.norm(self.with_bias.weights)), 1e-300)

    def _seen(self, words: Words) -> str:
        given, bare = self._runs
        if given.loss < (1 - _MATTERS) * bare.loss:
            return words.say(
                "On these rows it serves: the loss is {low} with the bias and {high} without; "
                "{right} of the rows are right against {fewer}.",
                low=words.number(given.loss, 4),
                high=words.number(bare.loss, 4),
                right=percent(words, given.accuracy),
                fewer=percent(words, bare.accuracy),
            )
        return words.say(
            "On these rows it hardly matters: the loss is {bare} without the bias and {given} with "
            "it.",
            bare=words.number(bare.loss, 4),
            given=words.number(given.loss, 4),
        )

    # Picture ----------------------------------------------------------------------------------

    def drawn(self, words: Words) -> str:
        labels = [words.say("with bias"), words.say("without")]
        if self.X.shape[1] == 2:
            return self._plane(words, labels)
        epochs = np.arange(1, self.epochs + 1, dtype=np.float64)
        series = [
            charts.Line(label, epochs, run.losses, i)
            for i, (label, run) in enumerate(zip(labels, self._runs, strict=True))
        ]
        return charts.lines(
            words, words.say("Why a neuron has a bias"), self._seen(words), series,
            words.say("epoch"), words.say("loss"),
        )  # fmt: skip

    def _plane(self, words: Words, labels: list[str]) -> str:
        points = np.vstack([self.X, np.zeros((1, 2))])
        (left, low), (right, high) = points.min(axis=0), points.max(axis=0)
        across = Scale(*padded(float(left), float(right)), charts.LEFT, charts.WIDTH - 130)
        up = Scale(*padded(float(low), float(high)), charts.HEIGHT - charts.BOTTOM, charts.TOP + 20)
        plane = charts.Plane(words, across, up)
        parts: list[object] = [plane.axes("x1", "x2")]
        for of_class, look in ((0, 1), (1, 0)):
            rows = self.X[self.y == of_class]
            kind = f"e{look}" if of_class else f"open e{look} s{look}"
            parts.append(plane.dots(rows[:, 0], rows[:, 1], kind))
        parts.append(plane.dots(np.zeros(1), np.zeros(1), "spot", 3.0))
        for look, (label, run) in enumerate(zip(labels, self._runs, strict=True), start=2):
            ends = _line_ends(run.weights, run.bias or 0.0, plane)
            if ends is None:
                continue
            parts.append(plane.line(ends[:, 0], ends[:, 1], f"s s{look}"))
            x, y = ends[np.argmax(ends[:, 0])]
            place = (across.place(float(x)) + 6, up.place(float(y)) + 4)
            parts.append(charts.text(*place, label, f"e e{look} halo"))
        parts.append(charts.text(across.end + 14, 82, "● y = 1", "e e0"))
        parts.append(charts.text(across.end + 14, 102, "○ y = 0", "e e1"))
        title = words.say("Where the neuron is undecided, with and without a bias")
        return charts.picture(title, f"{self._seen(words)} {self._at_zero(words)}", parts)


def _line_ends(weights: Array, bias: float, plane: charts.Plane) -> Array | None:
    """Give the two points where w · x + b = 0 meets the picture's frame."""
    found = []
    scales = (plane.across, plane.up)
    for axis, other in ((0, 1), (1, 0)):
        if weights[other] == 0:
            continue
        for end in (scales[axis].low, scales[axis].high):
            value = -(weights[axis] * end + bias) / weights[other]
            if scales[other].low <= value <= scales[other].high:
                point = [0.0, 0.0]
                point[axis], point[other] = end, value
                found.append(point)
    return np.array([min(found), max(found)]) if len(found) > 1 else None


@known_keywords
def bias(
    X: Any = None,
    y: Any = None,
    epochs: int = 1_000,
    learning_rate: float = 0.5,
    seed: int = 0,
    engine: str | None = None,
) -> BiasResult:
    """Train the same neuron with and without a bias, from the same weights on the same rows.

    Parameters
    ----------
    X, y
        Rows and their classes, 0 and 1; None: two clouds around (1, 1) and (3, 3), which no line
        through the origin parts.
    epochs, learning_rate
        Steps of gradient descent, each on all rows, and their rate.
    seed
        For the first weights and the clouds.
    engine
        None is the fastest installed.

    Raises
    ------
    DataError
        Where y holds anything but 0 and 1.

    Examples
    --------
    >>> import limpide as lp
    >>> result = lp.experiments.bias()
    >>> result.without_bias.at_zero, result.with_bias.accuracy
    (0.5, 1.0)
    """
    seed = check_seed(seed)
    X, y = rows_or(X, y, lambda: clouds(seed))
    y = y.reshape(-1)
    odd = y[(y != 0) & (y != 1)]
    if len(odd):
        raise DataError(f"y holds the classes 0 and 1 of each row; received {odd[0]:g} in y.")
    given, bare = (
        _learned(rule, X, y, epochs, learning_rate, seed, engine) for rule in (zeros, None)
    )
    return BiasResult(
        with_bias=given,
        without_bias=bare,
        X=X,
        y=y,
        epochs=epochs,
        learning_rate=float(learning_rate),
        seed=seed,
        engine=engines.get(engine).name,
    )


def _learned(
    rule: Initializer | None, X: Array, y: Array, epochs: int, rate: float, seed: int,
    engine: str | None,
) -> NeuronRun:  # fmt: skip
    layer = Dense(1, sigmoid, weights=uniform(-1, 1), bias=rule)
    network = Network([X.shape[-1], layer], dtype="float64", seed=seed)
    history = network.fit(
        X, y, loss="bce", optimizer=SGD(rate), epochs=epochs, batch_size=len(X), shuffle=False,
        seed=seed, engine=engine, progress=False,
    )  # fmt: skip
    figures = network.evaluate(X, y)
    trained = network.params.get("output.bias")
    return NeuronRun(
        weights=network.params["output.weights"][:, 0].copy(),
        bias=None if trained is None else float(trained[0]),
        losses=np.array(history.loss),
        loss=figures["loss"],
        accuracy=figures["accuracy"],
        at_zero=float(network.predict(np.zeros(X.shape[-1]))),
    )
