"""How often XOR gets stuck, by the way its weights start: thousands of networks for each.

Answers for the experiment ``xor``. Not for: training many networks at once (``side_by_side``).
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, ClassVar

import numpy as np

from limpide import engines
from limpide.datasets import xor_table
from limpide.errors import ArgumentError, ArgumentTypeError
from limpide.experiments import charts
from limpide.experiments.result import Experiment, Table, percent
from limpide.experiments.side_by_side import SideBySide
from limpide.initializers import Initializer, glorot, lecun, normal, uniform
from limpide.ir import Array
from limpide.keywords import known_keywords
from limpide.languages import Words
from limpide.layers import Dense, Layer, check_size
from limpide.network import Network
from limpide.ops import sigmoid
from limpide.reporting.markup import Html, join, number, tag
from limpide.reporting.scales import Scale, ticks
from limpide.schedules import check_rate

STARTS: Mapping[str, Initializer] = {
    "uniform(0, 1)": uniform(0, 1),
    "uniform(-1, 1)": uniform(-1, 1),
    "normal(1)": normal(1),
    "normal(0.1)": normal(0.1),
    "glorot": glorot,
    "lecun": lecun,
}
"""The ways to start that ``xor`` compares unless it is told others."""

_NEAR = 0.05  # of a plateau's loss: what is so near to it is on it
_CONFIDENCE = 0.95
_MOST_SEEDS = 2**20
_BINS, _ROW = 54, 66


@dataclass(frozen=True)
class Plateau:
    """A loss at which training can stay: some rows get one and the same answer.

    Attributes
    ----------
    loss
        The mean squared error, where that answer is the mean of those rows' targets.
    right, shared
        How many rows are right, and how many share answers.
    """

    loss: float
    right: int
    shared: int


@dataclass(frozen=True)
class XorShare:
    """What became of the networks that started in one way.

    Attributes
    ----------
    losses
        The last loss of each network, f64[seeds].
    solved
        How many have solved XOR.
    interval
        The share of solved ones: the ends of its 95 % confidence interval.
    stuck
        How many are stuck at each plateau, in the order of ``XorResult.plateaus``.
    elsewhere
        How many have neither solved it nor are near a plateau.
    late
        How many have solved it in the second half of the epochs.
    """

    losses: Array
    solved: int
    interval: tuple[float, float]
    stuck: tuple[int, ...]
    elsewhere: int
    late: int

    @property
    def share(self) -> float:
        """The share of networks that have solved XOR."""
        return self.solved / len(self.losses)


@dataclass(frozen=True)
class XorResult(Experiment):
    """How often XOR was solved, by the way the weights started; see ``xor``.

    Attributes
    ----------
    starts
        Name of the start → ``XorShare``.
    solved_below
        The loss below which XOR counts as solved.
    plateaus
        The losses at which training can stay, the lowest first.
    """

    name: ClassVar[str] = "xor"
    starts: dict[str, XorShare]
    plateaus: tuple[Plateau, ...]
    solved_below: float
    seeds: int
    hidden: int
    epochs: int
    batch_size: int
    learning_rate: float
    engine: str
    seconds: float

    @property
    def best(self) -> str:
        """The start that solved XOR most often."""
        return max(self.starts, key=lambda name: self.starts[name].solved)

    def histogram(self, start: str) -> tuple[Array, Array]:
        """Give how many networks ended at which loss: counts i64[54], edges f64[55]."""
        every = np.concatenate([own.losses for own in self.starts.values()])
        top = np.max(every, initial=0.27, where=np.isfinite(every))
        losses = self.starts[start].losses
        return np.histogram(losses[np.isfinite(losses)], _BINS, (0.0, float(top)))

    def figures(self) -> dict[str, Any]:
        shares = {name: {"share": own.share, **vars(own)} for name, own in self.starts.items()}
        return super().figures() | {"starts": shares, "confidence": _CONFIDENCE}

    # Words ------------------------------------------------------------------------------------

    def told(self, words: Words) -> tuple[str, list[str | Table]]:
        title = words.plural(
            "How often does XOR with {n} hidden neuron get stuck?",
            "How often does XOR with {n} hidden neurons get stuck?",
            self.hidden,
        )
        parts: list[str | Table] = [self._done(words), self._counting(words)]
        parts.append(self._table(words))
        parts += [self._plateau(words, plateau) for plateau in self.plateaus]
        return title, parts + self._seen(words)

    def _done(self, words: Words) -> str:
        return words.say(
            "Networks 2-{hidden}-1, sigmoid everywhere, float64, biases at 0, learned the four "
            "rows of XOR by gradient descent on the mean squared error. Networks for each start: "
            "{seeds} (seeds 0 to {last}); epochs: {epochs}; rows a step, in their order: {rows}; "
            "rate: {rate}; engine: {engine}; seconds for all of them: {seconds}.",
            seeds=words.whole(self.seeds),
            hidden=words.whole(self.hidden),
            last=words.whole(self.seeds - 1),
            epochs=words.whole(self.epochs),
            rows=words.whole(self.batch_size),
            rate=words.number(self.learning_rate),
            engine=self.engine,
            seconds=words.number(self.seconds, 2),
        )

    def _counting(self, words: Words) -> str:
        return words.say(
            "Solved means a last loss below {limit}: then no row can be on the wrong side of 0.5, "
            "because one such row alone costs 0.5²/4. In brackets the 95 % confidence interval "
            "(Wilson 1927).",
            limit=words.number(self.solved_below),
        )

    def _table(self, words: Words) -> Table:
        head = [words.say("start"), words.say("solved"), words.say("interval")]
        head += [
            words.say("at {loss}", loss=words.number(plateau.loss, 3)) for plateau in self.plateaus
        ]
        rows = []
        for name, own in self.starts.items():
            low, high = (percent(words, end) for end in own.interval)
            stuck = [percent(words, n / self.seeds) for n in (*own.stuck, own.elsewhere)]
            rows.append([name, percent(words, own.share), f"[{low}, {high}]", *stuck])
        return Table([*head, words.say("elsewhere")], rows)

    def _plateau(self, words: Words, plateau: Plateau) -> str:
        return words.say(
            "Loss {loss}: rows that are right: {right} of {rows}; the others share answers, each "
            "the mean of its rows' targets.",
            loss=words.number(plateau.loss),
            right=words.whole(plateau.right),
            rows=words.whole(plateau.right + plateau.shared),
        )

    def _seen(self, words: Words) -> list[str | Table]:
        parts: list[str | Table] = []
        worst = min(self.starts, key=lambda name: self.starts[name].solved)
        if self.starts[self.best].solved > self.starts[worst].solved:
            parts.append(
                words.say(
                    "Most often solved: {best} ({most}); least often: {worst} ({least}).",
                    best=self.best,
                    most=percent(words, self.starts[self.best].share),
                    worst=worst,
                    least=percent(words, self.starts[worst].share),
                )
            )
        slow = max(self.starts, key=lambda name: self.starts[name].late)
        if self.starts[slow].late:
            parts.append(
                words.say(
                    "Some are only slow: of those that start with {slow}, {late} were solved in "
                    "the second half of the epochs alone.",
                    slow=slow,
                    late=percent(words, self.starts[slow].late / self.seeds),
                )
            )
            if self.starts[slow].solved < self.seeds:
                parts[-1] = f"{parts[-1]} {words.say('More epochs may solve more of them.')}"
        if self.hidden == 2 and any(sum(own.stuck) for own in self.starts.values()):
            parts.append(
                words.say(
                    "It is proven that from every finite point of these weights a way leads down "
                    "to loss 0 (Hamey 1998; Sprinkhuizen-Kuyper and Boers 1999): what looks like a "
                    "local minimum is a stretch so flat that gradient descent did not leave it in "
                    "these epochs."
                )
            )
        return parts

    # Picture ----------------------------------------------------------------------------------

    def drawn(self, words: Words) -> str:
        top = self.histogram(self.best)[1][-1]
        left = 20 + charts.LETTER * max(map(len, self.starts))
        across = Scale(0.0, float(top), left, charts.WIDTH - 24)
        plane = charts.Plane(words, across, Scale(0, 1, 1, 0))
        bottom = 78 + _ROW * len(self.starts)
        parts = [self._levels(words, plane, bottom)]
        for i, name in enumerate(self.starts):
            parts.append(self._histogram(words, plane, name, 70 + _ROW * (i + 1)))
        parts += [
            charts.text(across.place(value), bottom + 10, words.number(value), "k", "middle")
            for value in ticks(0.0, float(top))
        ]
        label = words.say("last loss; the height is the share of networks")
        parts.append(charts.text(across.end, bottom + 28, label, "k", "end"))
        title = words.say("Where the XOR networks end")
        return charts.picture(title, self._described(words), parts, bottom + 40)

    def _levels(self, words: Words, plane: charts.Plane, bottom: float) -> Html:
        parts = []
        for plateau in self.plateaus:
            x = plane.across.place(plateau.loss)
            parts.append(tag("path", d=f"M{number(x)} 62V{number(bottom - 6)}", class_="aid"))
            parts.append(charts.text(x, 56, words.number(plateau.loss, 3), "k", "middle"))
        return join(parts)

    def _histogram(self, words: Words, plane: charts.Plane, name: str, base: float) -> Html:
        counts, edges = self.histogram(name)
        own = self.starts[name]
        solved = words.say("{share} solved", share=percent(words, own.share))
        parts = [
            charts.bars(words, plane, counts, edges, base, _ROW - 16),
            charts.text(plane.across.start - 8, base - 4, name, "e", "end"),
            charts.text(plane.across.place(0.013), base - 34, solved, "k halo"),
        ]
        for plateau, stuck in zip(self.plateaus, own.stuck, strict=True):
            if stuck >= 0.005 * self.seeds:
                x, y = plane.across.place(plateau.loss), base - (_ROW - 16) * stuck / self.seeds
                share = percent(words, stuck / self.seeds)
                parts.append(charts.text(x, y - 6, share, "k halo", "middle"))
        return join(parts)

    def _described(self, words: Words) -> str:
        parts = []
        for name, own in self.starts.items():
            at = [
                words.say(
                    "{share} at loss {loss}",
                    share=percent(words, n / self.seeds),
                    loss=words.number(plateau.loss, 3),
                )
                for plateau, n in zip(self.plateaus, own.stuck, strict=True)
            ]
            solved = words.say("{share} solved", share=percent(words, own.share))
            parts.append(f"{name}: {', '.join([solved, *at])}.")
        return " ".join(parts)


@known_keywords
def xor(
    seeds: int = 10_000,
    starts: Mapping[str, Initializer] | None = None,
    hidden: int = 2,
    epochs: int = 5_000,
    batch_size: int = 4,
    learning_rate: float = 5.0,
    engine: str | None = None,
) -> XorResult:
    """Train XOR from thousands of seeds for each way to start, and count who solves it.

    Every network is what ``Network.fit`` makes of the same first weights: 2-hidden-1, sigmoid
    everywhere, biases at 0, float64, loss mse, plain gradient descent, rows in their order.

    Parameters
    ----------
    seeds
        How many networks for each start: those of seeds 0, 1, ….
    starts
        Name → initialiser of the weights; None: ``lp.experiments.xor_starts.STARTS``.
    hidden
        Hidden neurons.
    epochs, batch_size
        Times through the four rows, and rows a step: 4 is the whole batch, 1 is online.
    learning_rate
        Of the plain gradient descent.
    engine
        None is the fastest installed.

    Source
    ------
    Wilson, "Probable inference, the law of succession, and statistical inference", J. Am. Stat.
    Assoc. 22 (1927), for the interval. Hamey, "XOR has no local minima", Neural Networks 11 (1998);
    Sprinkhuizen-Kuyper and Boers, "The local minima of the error surface of the 2-2-1 XOR
    network", Ann. Math. Artif. Intell. 25 (1999): no plateau holds for ever.

    Examples
    --------
    >>> import limpide as lp
    >>> result = lp.experiments.xor(seeds=100, starts={"wide": lp.uniform(-1, 1)})
    >>> result.starts["wide"].losses.shape, 0 < result.starts["wide"].share < 1
    ((100,), True)
    """
    seeds = _seeds(seeds)
    epochs, batch_size = check_size(epochs, "epochs"), check_size(batch_size, "batch_size")
    if batch_size > 4:
        raise ArgumentError(f"XOR has four rows; batch_size is at most 4, received {batch_size}.")
    check_rate(learning_rate)
    rate = float(learning_rate)
    rules = _rules(STARTS if starts is None else starts)
    X, y = xor_table()
    plateaus = tuple(_plateaus(y))
    began = time.perf_counter()
    shares = {}
    for name, rule in rules.items():
        layers: list[int | Layer] = [
            2,
            Dense(hidden, sigmoid, weights=rule),
            Dense(1, sigmoid, weights=rule),
        ]
        many = SideBySide(Network(layers, dtype="float64", seed=0), seeds, X, y, engine)
        many.start(np.arange(seeds))
        many.train(epochs - epochs // 2, rate, batch_size)
        halfway = many.losses()
        if epochs // 2:
            many.train(epochs // 2, rate, batch_size)
        shares[name] = _judged(many.losses(), halfway, plateaus, 0.25 / len(X))
    return XorResult(
        starts=shares,
        plateaus=plateaus,
        solved_below=0.25 / len(X),
        seeds=seeds,
        hidden=hidden,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=rate,
        engine=engines.get(engine).name,
        seconds=time.perf_counter() - began,
    )


def _seeds(seeds: Any) -> int:
    number = check_size(seeds, "seeds")
    if number > _MOST_SEEDS:
        raise ArgumentError(
            f"seeds is how many networks there are for each start, at most {_MOST_SEEDS:,}; "
            f"received {number:,}."
        )
    return number


def _rules(starts: Any) -> dict[str, Initializer]:
    if not isinstance(starts, Mapping) or not starts:
        raise ArgumentTypeError(
            f"starts is a dict of names and initialisers; received {starts!r}. Give one such as "
            "{'small': lp.normal(0.1)}."
        )
    for name, rule in starts.items():
        if not isinstance(rule, Initializer):
            raise ArgumentTypeError(
                f"starts[{name!r}] must be an initialiser such as lp.normal(0.1); received "
                f"{rule!r}."
            )
    return {str(name): rule for name, rule in starts.items()}


def _judged(losses: Array, halfway: Array, plateaus: tuple[Plateau, ...], limit: float) -> XorShare:
    solved = losses < limit
    levels = np.array([plateau.loss for plateau in plateaus])
    near = np.abs(losses[:, None] - levels) < _NEAR * levels
    near &= ~solved[:, None]
    return XorShare(
        losses=losses,
        solved=int(solved.sum()),
        interval=wilson(int(solved.sum()), len(losses)),
        stuck=tuple(int(n) for n in near.sum(axis=0)),
        elsewhere=int((~solved & ~near.any(axis=1)).sum()),
        late=int((solved & (halfway >= limit)).sum()),
    )


def wilson(hits: int, n: int, confidence: float = _CONFIDENCE) -> tuple[float, float]:
    """Give the ends of Wilson's confidence interval of a share.

    >>> [round(end, 4) for end in wilson(8, 10)]
    [0.4902, 0.9433]
    """
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share, spread = hits / n, z * z / n
    middle = share + spread / 2
    half = z * (share * (1 - share) / n + spread / (4 * n)) ** 0.5
    low = (middle - half) / (1 + spread) if hits else 0.0
    return low, (middle + half) / (1 + spread) if hits < n else 1.0


def _plateaus(y: Array) -> Iterator[Plateau]:
    """Give the losses, above 0, of all ways in which rows can share answers, the lowest first."""
    found: dict[float, Plateau] = {}
    for groups in itertools.product(range(len(y)), repeat=len(y)):
        means = np.array([y[np.equal(groups, group)].mean() for group in groups])
        loss = float(np.mean((y - means) ** 2))
        right = int((means == y).sum())
        key = round(loss, 12)
        if loss > 0 and key not in found:
            found[key] = Plateau(loss, right, len(y) - right)
    yield from (found[key] for key in sorted(found))
