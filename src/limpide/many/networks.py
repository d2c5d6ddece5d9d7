"""What ``fit_many`` gives: the arrays and losses of many networks, and each of them as a Network.

Answers for looking at them, and for which is the best. Not for: training
(``limpide.many.fitting``).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from limpide.arrays import as_rows
from limpide.errors import ArgumentError, ArgumentTypeError
from limpide.history import History
from limpide.ir import Array, dtype_name
from limpide.keywords import known_keywords
from limpide.languages import words_in
from limpide.losses import Loss
from limpide.memory import check_fits
from limpide.network import Network


@dataclass(frozen=True)
class Best:
    """The best of many networks.

    Attributes
    ----------
    index
        Its place: a number, or one for each axis of the grid.
    network
        It, as a Network of its own.
    loss
        By which it was chosen.
    """

    index: int | tuple[int, ...]
    network: Network
    loss: float


class ManyNetworks:
    """Networks of the same layers, trained together by ``lp.fit_many``.

    ``many[3]``, or ``many[3, 1]`` in a grid of two axes, is one of them as a Network;
    ``for network in many`` goes through all.

    Attributes
    ----------
    shape
        Of the grid of seeds and rates.
    seeds, learning_rates
        i64[…shape] and f64[…shape].
    params, state
        Name → array with the grid's axes first: ``params["hidden1.weights"]`` is
        f[…shape, inputs, neurons].
    loss, validation_loss
        f64[…shape, epochs]: what each network's history holds, NaN beyond its last epoch;
        without validation the second has no epochs.
    epochs
        i64[…shape]: how many epochs each has done.
    diverged
        bool[…shape]: which lost finite numbers; they have the weights that ``fit`` restores.
    steps, seconds
        All networks' together, first weights included, compiling apart.
    interrupted
        True where Ctrl-C came: those with fewer ``epochs`` have the weights that they had come to,
        first weights where that is 0.
    batch_size, engine
        How they were trained.
    """

    def __init__(
        self,
        *,
        network: Network,
        shape: tuple[int, ...],
        seeds: Array,
        learning_rates: Array,
        params: Mapping[str, Array],
        state: Mapping[str, Array],
        loss: Array,
        validation_loss: Array,
        epochs: Array,
        diverged: Array,
        steps: int,
        seconds: float,
        interrupted: bool,
        batch_size: int,
        engine: str,
        trained_loss: Loss,
    ) -> None:
        def on_grid(array: Array) -> Array:
            return array.reshape((*shape, *array.shape[1:]))

        self.shape, self._network, self._loss = shape, network, trained_loss
        self.seeds, self.learning_rates = on_grid(seeds), on_grid(learning_rates)
        self.params = {name: on_grid(array) for name, array in params.items()}
        self.state = {name: on_grid(array) for name, array in state.items()}
        self.loss, self.validation_loss = on_grid(loss), on_grid(validation_loss)
        self.epochs, self.diverged = on_grid(epochs), on_grid(diverged)
        self.steps, self.seconds, self.interrupted = steps, seconds, interrupted
        self.batch_size, self.engine = batch_size, engine

    def __len__(self) -> int:
        """Give how many networks there are, in all axes."""
        return math.prod(self.shape)

    @property
    def steps_per_second(self) -> float:
        """Steps of all networks a second."""
        return self.steps / self.seconds if self.seconds > 0 else 0.0

    # One of them --------------------------------------------------------------------------------

    def __getitem__(self, index: Any) -> Network:
        at = self._place(index)
        params = {name: array[at] for name, array in self.params.items()}
        state = {name: array[at] for name, array in self.state.items()}
        return self._network.twin(int(self.seeds[at]), params, state, self._loss)

    def __iter__(self) -> Iterator[Network]:
        return (self[at] for at in np.ndindex(self.shape))

    @known_keywords
    def history(self, index: Any) -> History:
        """Give the losses of one network as ``fit`` would have given them; they have no time."""
        at = self._place(index)
        done = int(self.epochs[at])
        an_epoch = self.steps // max(int(self.epochs.sum()), 1)
        return History(
            loss=self.loss[at][:done].tolist(),
            validation_loss=self.validation_loss[at][:done].tolist(),
            steps=done * an_epoch,
            batch_size=self.batch_size,
            interrupted=self.interrupted and done < self.loss.shape[-1] and not self.diverged[at],
            engine=self.engine,
        )

    def _place(self, index: Any) -> tuple[int, ...]:
        numbers = index if isinstance(index, tuple) else (index,)
        for number in numbers:
            if isinstance(number, (bool, np.bool_)) or not isinstance(number, (int, np.integer)):
                raise ArgumentTypeError(
                    f"many[…] is one network, by whole numbers; received {number!r}. For several "
                    "take their arrays: many.params['output.weights'][1:3]."
                )
        if len(numbers) != len(self.shape):
            such = ", ".join("0" for _ in self.shape) or "()"
            raise ArgumentError(
                f"These networks are a grid of shape {list(self.shape)}, with an index an axis; "
                f"received {len(numbers)}. Write many[{such}]."
            )
        for number, size in zip(numbers, self.shape, strict=True):
            if not -size <= number < size:
                raise _NoSuchNetwork(
                    f"There is no network {number} on an axis of {size}; the last is {size - 1}."
                )
        return tuple(int(n) % size for n, size in zip(numbers, self.shape, strict=True))

    @property
    def best(self) -> Best:
        """The network of least loss after its last epoch: of validation, else of training.

        Networks that diverged, or had not finished, are left out.

        Raises
        ------
        ArgumentError
            None is left.
        """
        table = self.validation_loss if self.validation_loss.shape[-1] else self.loss
        last = np.where(self.diverged, np.nan, table[..., -1])
        if np.isnan(last).all():
            why = "All of them diverged: train them at lower learning_rates."
            if self.interrupted:
                why = "They were interrupted before any had finished: train them again."
            raise ArgumentError(f"There is no best of these {len(self):,} networks. {why}")
        at = tuple(int(i) for i in np.unravel_index(int(np.nanargmin(last)), self.shape))
        return Best(at[0] if len(at) == 1 else at, self[at], float(last[at]))

    # All of them --------------------------------------------------------------------------------

    @known_keywords
    def predict(self, X: Any) -> Array:
        """Give the outputs of all networks, f[…shape, n, outputs]; of one row without its axes.

        Each is what ``many[i].predict(X)`` gives.
        """
        network = self._network
        missing = network.placed[0].layer.takes_missing
        rows, single = as_rows(X, network.n_inputs, dtype_name(network.dtype), missing=missing)
        needed = len(self) * len(rows) * network.n_outputs * network.dtype.itemsize
        what = f"The outputs of {len(self):,} networks for {len(rows):,} rows"
        check_fits(needed, what, "Predict fewer rows at a time.")
        found = np.empty((*self.shape, len(rows), network.n_outputs), network.dtype)
        one: Network | None = None
        for at in np.ndindex(self.shape):
            if one is None:
                one = self[at]
            for own, all_of in ((one.params, self.params), (one.state, self.state)):
                for name, array in own.items():
                    array[...] = all_of[name][at]
            found[at] = one.outputs_of_checked(rows)
        if single:
            found = found[..., 0, 0] if network.n_outputs == 1 else found[..., 0, :]
        return found

    def __str__(self) -> str:
        words = words_in()
        sizes = "-".join(map(str, [self._network.n_inputs, *_widths(self._network)]))
        count = words.plural("{n} network {sizes}", "{n} networks {sizes}", len(self), sizes=sizes)
        if len(self.shape) > 1:
            count += f" ({' × '.join(map(words.whole, self.shape))})"
        steps = words.plural("{n} step", "{n} steps", self.steps)
        rate = words.plural("{n} step a second", "{n} steps a second", round(self.steps_per_second))
        lines = [f"{count}: {steps}, {rate}, {self.engine}"]
        diverged = int(self.diverged.sum())
        if diverged:
            lines.append(words.plural("{n} diverged", "{n} diverged", diverged))
        if self.interrupted:
            done = int((self.epochs == self.loss.shape[-1]).sum())
            lines.append(
                words.plural("Interrupted: {n} had finished", "Interrupted: {n} had finished", done)
            )
        lines += self._best_line()
        return "\n".join(lines)

    def _best_line(self) -> list[str]:
        try:
            best = self.best
        except ArgumentError:
            return []
        words, at = words_in(), self._place(best.index)
        named = {
            "index": ", ".join(map(str, at)),
            "seed": int(self.seeds[at]),
            "rate": words.number(float(self.learning_rates[at])),
            "loss": words.number(best.loss),
        }
        if self.validation_loss.shape[-1]:
            return [
                words.say(
                    "Best: many[{index}], seed {seed}, rate {rate}: validation loss {loss}", **named
                )
            ]
        return [words.say("Best: many[{index}], seed {seed}, rate {rate}: loss {loss}", **named)]

    def __repr__(self) -> str:
        sizes = "-".join(map(str, [self._network.n_inputs, *_widths(self._network)]))
        return f"<ManyNetworks: {' × '.join(map(str, self.shape)) or 1} of {sizes}>"


def _widths(network: Network) -> list[int]:
    return [p.outputs for p in network.placed]


class _NoSuchNetwork(ArgumentError, IndexError):
    """An index beyond the networks there are."""
