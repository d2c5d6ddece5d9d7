"""Neuron: inputs × weights + bias, through an activation. The network [n, 1] with a small face.

Answers for one neuron worked by hand. Not for: anything a Network does already.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

import limpide
from limpide.activations import Activation, activation_name
from limpide.arrays import as_matrix, as_numbers
from limpide.conversion import check_finite_scalar
from limpide.errors import ArgumentError, ArgumentTypeError, DataError, ShapeError, nearest
from limpide.history import History
from limpide.initializers import uniform
from limpide.ir import Array
from limpide.keywords import known_keywords
from limpide.layers import Dense, check_size
from limpide.network import Network
from limpide.optimizers import Optimizer

if TYPE_CHECKING:  # loaded when something is explained
    from limpide.explain import Derivation, Diagram, Step

_SETTINGS = tuple(inspect.signature(Network.fit).parameters)[3:]  # after self, X, y


class Neuron:
    """One neuron.

    Parameters
    ----------
    inputs
        How many inputs: weights and bias start uniform in [−1, 1). A list or array is taken as
        the weights themselves.
    bias
        With weights given: the bias (default 0).
    weights
        The weights, by keyword.
    activation
        A name or a function; default sigmoid.
    seed
        For the first weights; None takes a fresh one.

    Examples
    --------
    >>> import limpide as lp
    >>> lp.Neuron([0, 1], 4).activate([2, 3])
    0.9990889488055994
    """

    @known_keywords
    def __init__(
        self,
        inputs: int | Sequence[float] | Array | None = None,
        bias: float | None = None,
        *,
        weights: Sequence[float] | Array | None = None,
        activation: str | Activation = "sigmoid",
        seed: int | None = None,
    ) -> None:
        if hasattr(inputs, "__len__") and not isinstance(inputs, (str, bytes)):
            if weights is not None:
                raise ArgumentError("Give the weights once: as the first argument or by keyword.")
            weights, inputs = inputs, None  # type: ignore[assignment]
        if weights is None:
            if bias is not None:
                raise ArgumentError("bias goes with weights: Neuron(weights=[0, 1], bias=4).")
            if inputs is None:
                raise ArgumentError("Give the number of inputs or the weights: Neuron(2).")
            self.network = _network(check_size(inputs, "inputs"), activation, seed)
            return
        values = as_numbers(weights, "weights")
        if values.ndim != 1 or values.size == 0:
            raise ShapeError(f"weights must be a list of numbers; received {weights!r}.")
        if inputs is not None and inputs != len(values):
            raise ShapeError(f"inputs is {inputs!r}, but there are {len(values)} weights.")
        self.network = _network(len(values), activation, 0)
        self.weights = values
        self.bias = 0.0 if bias is None else bias

    @property
    def weights(self) -> Array:
        """The weights, f64[inputs]; a view: assign to its items."""
        return self.network.params["output.weights"][:, 0]

    @weights.setter
    def weights(self, values: Any) -> None:
        array = as_numbers(values, "weights")
        if array.shape not in ((), self.weights.shape):
            raise ShapeError(
                f"weights has shape {list(self.weights.shape)}; received {list(array.shape)}."
            )
        if not np.isfinite(array).all():
            raise DataError(f"weights must be finite; received {values!r}.")
        self.weights[:] = array

    @property
    def bias(self) -> float:
        """The bias."""
        return float(self.network.params["output.bias"][0])

    @bias.setter
    def bias(self, value: float) -> None:
        self.network.params["output.bias"][0] = check_finite_scalar(value, "bias")

    @known_keywords
    def activate(self, x: Any) -> Any:
        """Give activation(x · weights + bias): a float for one row, f64[n] for a batch."""
        y = self.network.predict(x)
        return y if isinstance(y, float) else y[:, 0]

    feedforward = activate

    @known_keywords
    def fit(self, X: Any, y: Any, **settings: Any) -> History:
        """Train the neuron; the arguments are those of ``Network.fit``."""
        for keyword in settings:
            if keyword not in _SETTINGS:
                raise ArgumentTypeError(
                    f"Neuron.fit has no argument {keyword!r}.{nearest(keyword, _SETTINGS)}"
                )
        return self.network.fit(X, y, **settings)

    @known_keywords
    def explain(self, x: Any, y: Any, **settings: Any) -> Derivation:
        """Give every number and derivative, told as on paper; the arguments are ``Network``'s."""
        return self.network.explain(x, y, **settings)

    @known_keywords
    def explain_step(
        self, X: Any, y: Any, optimizer: str | Optimizer | None = None, **settings: Any
    ) -> Step:
        """Tell one training step: before, gradients, after; the arguments are ``Network``'s."""
        return self.network.explain_step(X, y, optimizer, **settings)

    @known_keywords
    def diagram(
        self, x: Any = None, *, language: str | None = None, theme: str = "auto"
    ) -> Diagram:
        """Draw the neuron: inputs, weights, bias; with x the products, their sum and the output.

        >>> import limpide as lp
        >>> "0.99909" in lp.Neuron([0, 1], 4).diagram([2, 3], language="en").svg
        True
        """
        made: Diagram = limpide.explain.diagrams.neuron_diagram(
            *self.network.asked(x), language=language, theme=theme
        )
        return made

    @known_keywords
    def line(
        self, X: Any, y: Any = None, *, language: str | None = None, theme: str = "auto"
    ) -> Diagram:
        """Draw the line w1·x1 + w2·x2 + b = 0 of a neuron of two inputs among the data X.

        ``y`` are the targets: above one half is yes. The side on which the neuron says yes is
        coloured.

        Raises
        ------
        ShapeError
            For a neuron that has not two inputs; where X or y does not fit.
        """
        made: Diagram = limpide.explain.line_diagram(
            self.weights,
            self.bias,
            activation_name(self.network.output_activation),
            as_matrix(X, len(self.weights), "f64"),
            None if y is None else as_numbers(y, "y").astype(np.float64),
            language=language,
            theme=theme,
        )
        return made

    def __repr__(self) -> str:
        weights = ", ".join(f"{w:.6g}" for w in self.weights)
        return f"Neuron([{weights}], {self.bias:.6g})"


def _network(inputs: Any, activation: str | Activation, seed: int | None) -> Network:
    rule = uniform(-1, 1)
    layer = Dense(1, activation=activation, weights=rule, bias=rule)
    return Network([inputs, layer], dtype="float64", seed=seed)
