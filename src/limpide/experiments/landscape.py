"""The loss as a landscape over two weights, and the way that training took over it.

Answers for the experiment ``loss_landscape``. Not for: training, whose way ``WeightPath`` notes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from limpide import engines
from limpide.arrays import as_matrix, as_numbers, as_targets
from limpide.callbacks import Callback, Run
from limpide.conversion import check_finite_scalar
from limpide.datasets import people
from limpide.errors import ArgumentError, ArgumentTypeError, DataError, ShapeError
from limpide.experiments import charts
from limpide.experiments.result import Experiment, Table
from limpide.ir import Array, Graph, Spec, dtype_name, spec_of
from limpide.keywords import known_keywords
from limpide.languages import Words
from limpide.layers import check_size, forward
from limpide.losses import Loss, resolve_loss, row_means
from limpide.memory import check_step
from limpide.network import Network
from limpide.ops import broadcast_to, mean, reshape, where
from limpide.optimizers import SGD
from limpide.reporting.scales import Scale
from limpide.tensor import Tensor, Tracing, tracing_into

_ROOM = 1.15  # a way ends this side of the frame
_LEAST_SPAN = 2.0
_FINE = 3  # pictures have so many cells for each of the grid's


class WeightPath(Callback):
    """Notes two weights before training and after each epoch, for ``loss_landscape``.

    Parameters
    ----------
    first, second
        Their scalar names, such as ``"w1"``.

    Examples
    --------
    >>> import limpide as lp
    >>> net = lp.Network([2, 1], output="sigmoid", dtype="float64", seed=0)
    >>> path = lp.experiments.WeightPath("w1", "w2")
    >>> history = net.fit([[0, 1], [1, 0]], [0, 1], epochs=5, callbacks=[path])
    >>> path.points.shape
    (6, 2)
    """

    def __init__(self, first: str, second: str) -> None:
        self.names = (first, second)
        self._points: list[tuple[float, ...]] = []

    @property
    def points(self) -> Array:
        """The two weights, f64[epochs + 1, 2]."""
        return np.array(self._points, np.float64).reshape(-1, 2)

    def begin(self, run: Run) -> None:
        self._points = []
        self._note(run)

    def epoch_end(self, run: Run) -> None:
        self._note(run)

    def _note(self, run: Run) -> None:
        self._points.append(tuple(run.network.get(name) for name in self.names))


@dataclass(frozen=True)
class LandscapeResult(Experiment):
    """The loss over a grid of two weights; see ``loss_landscape``.

    Attributes
    ----------
    first, second
        The names of the weights.
    first_values, second_values
        Their values on the grid, f64[points] each.
    losses
        f64[points, points]: ``losses[j, i]`` is that of ``second_values[j]``, ``first_values[i]``.
    present, loss
        The two weights as they are, and the loss there.
    path
        The way of a training run, f64[k, 2], or None.
    """

    name: ClassVar[str] = "loss_landscape"
    first: str
    second: str
    first_values: Array
    second_values: Array
    losses: Array
    present: tuple[float, float]
    loss: float
    path: Array | None
    loss_name: str
    rows: int
    parameters: int
    engine: str

    @property
    def lowest(self) -> tuple[float, float, float]:
        """The grid's lowest point: the two weights, and the loss."""
        return self._at(int(np.nanargmin(self.losses)))

    def figures(self) -> dict[str, Any]:
        return super().figures() | {"lowest": self.lowest}

    def told(self, words: Words) -> tuple[str, list[str | Table]]:
        n = len(self.first_values)
        done = words.say(
            "The loss over a grid of {n} × {n} values of {first} and {second}; the network's other "
            "parameters ({others}) stay as they are. Loss: {loss}; rows: {rows}; engine: {engine}.",
            loss=self.loss_name,
            rows=words.whole(self.rows),
            n=words.whole(n),
            first=self.first,
            second=self.second,
            others=words.whole(self.parameters - 2),
            engine=self.engine,
        )
        title = words.say(
            "The loss over {first} and {second}", first=self.first, second=self.second
        )
        return title, [done, self._table(words), *self._seen(words)]

    def _table(self, words: Words) -> Table:
        points = {
            words.say("present point"): (*self.present, self.loss),
            words.say("lowest point of the grid"): self.lowest,
            words.say("highest point of the grid"): self._at(int(np.nanargmax(self.losses))),
        }
        rows = [[name, *(words.number(v, 4) for v in point)] for name, point in points.items()]
        return Table(["", self.first, self.second, words.say("loss")], rows)

    def _at(self, place: int) -> tuple[float, float, float]:
        j, i = np.unravel_index(place, self.losses.shape)
        point = (self.first_values[i], self.second_values[j], self.losses[j, i])
        return tuple(map(float, point))  # type: ignore[return-value]

    def _seen(self, words: Words) -> list[str]:
        low = self.lowest[2]
        if self.loss <= low:
            said = [
                words.say(
                    "No point of the grid is lower than the present one: as far as the grid shows, "
                    "these two weights are at the bottom."
                )
            ]
        else:
            said = [
                words.say(
                    "With these two weights alone the loss could still fall by {gain}, from {now} "
                    "to {low}.",
                    gain=words.number(self.loss - low, 3),
                    now=words.number(self.loss, 4),
                    low=words.number(low, 4),
                )
            ]
        if self.path is not None:
            (a, b), (c, d) = self.path[0], self.path[-1]
            said.append(
                words.say(
                    "The way of training (points: {n}) leads from ({a}; {b}) to ({c}; {d}). The "
                    "landscape is that of the other weights as they are now; training moves all "
                    "weights, and so sees another one on its way.",
                    a=words.number(a, 3),
                    b=words.number(b, 3),
                    c=words.number(c, 3),
                    d=words.number(d, 3),
                    n=words.whole(len(self.path)),
                )
            )
        return said

    def drawn(self, words: Words) -> str:
        across = Scale(*_ends(self.first_values), charts.LEFT, charts.LEFT + 440)
        height = 500.0
        up = Scale(*_ends(self.second_values), height - charts.BOTTOM, charts.TOP + 20)
        plane = charts.Plane(words, across, up)
        limits = charts.levels(self.losses[np.isfinite(self.losses)])
        fine = _finer(self.losses)
        parts = [plane.heights(fine, limits), plane.axes(self.first, self.second)]
        if self.path is not None:
            parts.append(plane.line(self.path[:, 0], self.path[:, 1], "way"))
            parts.append(plane.dots(self.path[:1, 0], self.path[:1, 1], "open way", 4))
        here = (np.array([self.present[0]]), np.array([self.present[1]]))
        parts.append(plane.dots(*here, "spot", 6))
        label = words.say("loss")
        parts.append(charts.shades(words, limits, across.end + 24, 84, label))
        notes = [f"● {words.say('present point')}"]
        if self.path is not None:
            notes.append(f"○ {words.say('start of training')}")
        parts.append(charts.text(charts.LEFT, up.start + 35, "\u2003".join(notes), "k"))
        title = words.say(
            "The loss over {first} and {second}", first=self.first, second=self.second
        )
        return charts.picture(title, " ".join(self._seen(words)), parts, height)


def _ends(values: Array) -> tuple[float, float]:
    return float(values[0]), float(values[-1])


def _finer(values: Array) -> Array:
    """Give a grid's heights in between too, by straight lines."""
    n = len(values)
    wanted = np.linspace(0, n - 1, (n - 1) * _FINE + 1)
    own = np.arange(n)
    across = np.stack([np.interp(wanted, own, row) for row in values])
    return np.stack([np.interp(wanted, own, column) for column in across.T]).T


@known_keywords
def loss_landscape(
    network: Any = None,
    X: Any = None,
    y: Any = None,
    first: str | None = None,
    second: str | None = None,
    *,
    path: Any = None,
    span: float | None = None,
    points: int = 61,
    loss: Any = None,
    engine: str | None = None,
) -> LandscapeResult:
    """Give the loss over a grid of two weights around the present ones.

    Parameters
    ----------
    network, X, y
        The network, which stays as it is, and the rows; None: 2-2-1 trained on
        ``lp.datasets.people()``, with the way of its weights.
    first, second
        Scalar names of two parameters, as ``net.scalars`` has them; None: w1 and w2, without a
        network w1 and w5.
    path
        A ``WeightPath`` that a fit was given as a callback, or points f64[k, 2]: drawn over it.
    span
        How far the grid reaches to each side of the present weights; None: as far as the path,
        and at least 2 or one and a half times the weight.
    points
        Values of each weight.
    loss
        None: that of the last fit, else the output's own.
    engine
        None is the fastest installed. All points are taken in one compiled call.

    Source
    ------
    Goodfellow, Vinyals, Saxe, arXiv 1412.6544, draw the loss along lines; here along two weights.

    Examples
    --------
    >>> import limpide as lp
    >>> net = lp.Network([2, 1], output="sigmoid", dtype="float64", seed=0)
    >>> result = lp.experiments.loss_landscape(net, [[0, 1], [1, 0]], [0, 1], "w1", "w2", points=5)
    >>> result.losses.shape, result.losses[2, 2] == result.loss
    ((5, 5), np.True_)
    """
    first, second = first or "w1", second or ("w5" if network is None else "w2")
    if network is None:
        if X is not None or y is not None:
            raise ArgumentError("X and y go with a network: loss_landscape(net, X, y).")
        network, X, y, path = _example(first, second, path)
    if not isinstance(network, Network):
        raise ArgumentTypeError(
            f"loss_landscape takes a Network; received {type(network).__name__}. For a neuron or "
            "a model give its .network."
        )
    if check_size(points, "points") < 2:
        raise ArgumentError("points must be at least 2; received 1.")
    if network.scalars.locate(first) == network.scalars.locate(second):
        raise ArgumentError(f"first and second are both {first!r}; name two weights.")
    resolved = resolve_loss(loss or network.last_loss, network.output_activation)
    dtype = dtype_name(network.dtype)
    rows = as_matrix(X, network.n_inputs, dtype)
    targets = as_targets(y, len(rows), network.n_outputs, resolved, dtype)
    present = (network.get(first), network.get(second))
    way = _way(path, first, second)
    grids = [_values(present[i], span, points, way, i) for i in range(2)]
    corners = np.meshgrid(*grids)
    given = [
        np.append(c.ravel(), p).astype(network.dtype) for c, p in zip(corners, present, strict=True)
    ]
    losses = _losses(network, rows, targets, resolved, (first, second), given, engine)
    if not np.isfinite(losses).any():
        raise DataError(
            "The loss is finite at no point of the grid, so there is no landscape. "
            "net.doctor(X, y) says where the first bad number is."
        )
    return LandscapeResult(
        first=first,
        second=second,
        first_values=grids[0],
        second_values=grids[1],
        losses=losses[:-1].reshape(points, points),
        present=present,
        loss=float(losses[-1]),
        path=way,
        loss_name=resolved.name,
        rows=len(rows),
        parameters=network.n_parameters,
        engine=engines.get(engine).name,
    )


def _example(first: str, second: str, path: Any) -> tuple[Network, Array, Array, Any]:
    X, y = people()
    network = Network([2, 2, 1], "sigmoid", "sigmoid", dtype="float64", seed=2)
    noted = WeightPath(first, second)
    network.fit(
        X, y, loss="mse", optimizer=SGD(0.1), epochs=1_000, batch_size=1, shuffle=False,
        callbacks=[noted], progress=False,
    )  # fmt: skip
    return network, X, y, noted if path is None else path


def _way(path: Any, first: str, second: str) -> Array | None:
    if path is None:
        return None
    if isinstance(path, WeightPath):
        if path.names != (first, second):
            raise ArgumentError(
                f"The path is one of {' and '.join(path.names)}, the landscape one of {first} and "
                f"{second}. Make it with WeightPath({first!r}, {second!r})."
            )
        points = path.points
        if not len(points):
            raise ArgumentError("The path is empty. Give it to a fit: callbacks=[path].")
        return points
    points = as_numbers(path, "path").astype(np.float64)
    if points.ndim != 2 or points.shape[1] != 2 or not len(points):
        raise ShapeError(f"path holds two weights a point, [k, 2]; received {list(points.shape)}.")
    return points


def _values(present: float, span: float | None, points: int, way: Array | None, axis: int) -> Array:
    if span is None:
        span = max(_LEAST_SPAN, 1.5 * abs(present))
        if way is not None:
            span = max(span, _ROOM * float(np.abs(way[:, axis] - present).max()))
    elif not check_finite_scalar(span, "span") > 0:
        raise ArgumentError(f"span must be above 0; received {span:g}.")
    steps = np.linspace(-1, 1, points)
    if points % 2:
        steps[points // 2] = 0.0  # the present weights are on the grid, to the bit
    return np.asarray(present + span * steps)


def _losses(
    network: Network, X: Array, y: Array, loss: Loss, names: Sequence[str],
    values: Sequence[Array], engine: str | None,
) -> Array:  # fmt: skip
    """Give the mean loss for each pair of values: the pairs are the rows of one compiled graph."""
    widths = sum(n for p in network.placed for n in (p.inputs, p.outputs))
    check_step(len(X), widths, network.dtype.itemsize)
    graph = _trace(network, X, y, loss, names)
    held = [*network.params.values(), *network.state.values(), X, y]
    found = np.empty(len(values[0]), network.dtype)
    engines.get(engine).compile_rows(graph, len(held))(held, values, [found])
    return found.astype(np.float64)


def _trace(network: Network, X: Array, y: Array, loss: Loss, names: Sequence[str]) -> Graph:
    """Trace the loss with two scalars replaced: inputs params, state, X, y, two values f[1]."""
    tracing = Tracing("landscape")
    params: dict[str, Tensor] = {
        n: tracing.argument(spec_of(a), n) for n, a in network.params.items()
    }
    state: dict[str, Tensor] = {
        n: tracing.argument(spec_of(a), n) for n, a in network.state.items()
    }
    x, target = tracing.argument(spec_of(X), "X"), tracing.argument(spec_of(y), "y")
    given = [tracing.argument(Spec((1,), dtype_name(network.dtype)), name) for name in names]
    with tracing_into(tracing):
        for name, value in zip(names, given, strict=True):
            key, index = network.scalars.locate(name)
            here = np.zeros(params[key].shape, np.bool_)
            here[index] = True
            every = broadcast_to(reshape(value, ()), here.shape)
            params[key] = where(Tensor(here), every, params[key])
        z, activation, _ = forward(network.placed, params, state, x)
        average = mean(row_means(loss.of_sum(target, z, activation)))
        node = tracing.lift(reshape(average, (1,))).node
    return tracing.trace.finish([node], ["loss"])
