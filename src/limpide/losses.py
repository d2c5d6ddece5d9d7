"""Losses: how wrong an output is, element by element, written in ops.

Answers for mse, mae, huber, bce, cross_entropy, poisson, and for weighted means of them. Not
for: the step that lowers them (``limpide.training``).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from limpide.activations import Activation, activation_name, is_known
from limpide.conversion import check_finite_scalar, is_plain, plain_array
from limpide.errors import ArgumentError, ArgumentTypeError, DataError, choice_error
from limpide.ir import FLOATS, Array, shape_error
from limpide.keywords import known_keywords
from limpide.ops import (
    abs,
    cast,
    equal,
    exp,
    less,
    log,
    log_softmax,
    maximum,
    mean,
    one_hot,
    reshape,
    sigmoid,
    softmax,
    softplus,
    sum,
    where,
)
from limpide.tensor import Tensor, Traced, current_tracing, refuse_tensors_in_list, unify

# Activations whose values can leave (0, 1): a probability cannot be read off them.
_UNBOUNDED = frozenset(
    {"linear", "relu", "leaky_relu", "elu", "selu", "gelu", "silu", "mish", "softplus", "tanh"}
)


class Loss:
    """The error of each element; called with (y, ŷ), it gives the mean.

    ``per_row`` says that ``elements`` has one figure a row, not one an element.
    """

    name = ""
    per_row = False

    def elements(self, y: Tensor, prediction: Tensor) -> Tensor:
        """Give the loss of each element from the targets and the network's output."""
        raise NotImplementedError(f"{type(self).__name__} needs a method elements(y, prediction).")

    def of_sum(self, y: Tensor, z: Tensor, activation: Activation) -> Tensor:
        """Give the loss of each element from the last layer's sum ``z``, before its activation.

        Where the pair allows, it is worked out from ``z`` itself, so that no logarithm of a
        rounded 0 is taken.
        """
        return self.elements(y, activation(z))

    def check_activation(self, activation: Activation) -> None:
        """Refuse an output that this loss cannot read."""

    def __call__(self, y: Any, prediction: Any) -> Tensor:
        y, prediction = _floats(y, prediction)
        # [n] is a column; nothing else is made to fit.
        if (*y.shape, 1) == prediction.shape or y.shape == (*prediction.shape, 1):
            y = reshape(y, prediction.shape)
        if y.shape != prediction.shape:
            raise shape_error(
                f"y has shape {list(y.shape)} and the prediction {list(prediction.shape)}; y is "
                "never broadcast, reshape one of them"
            )
        return mean(self.elements(y, prediction))


class MSE(Loss):
    """Mean of (y − ŷ)².

    >>> import limpide as lp
    >>> print(lp.mse([1, 0, 0, 1], [0, 0, 0, 0]))
    0.5
    """

    name = "mse"

    def elements(self, y: Tensor, prediction: Tensor) -> Tensor:
        difference = y - prediction
        return difference * difference


class MAE(Loss):
    """Mean of |y − ŷ|."""

    name = "mae"

    def elements(self, y: Tensor, prediction: Tensor) -> Tensor:
        return abs(y - prediction)


@known_keywords
@dataclass(frozen=True)
class Huber(Loss):
    """Mean of ½ d² where |d| ≤ δ, else δ (|d| − ½ δ), with d = y − ŷ.

    PyTorch's HuberLoss and its default δ = 1. Source: Huber (1964).
    """

    delta: float = 1.0
    name = "huber"

    def __post_init__(self) -> None:
        if check_finite_scalar(self.delta, "delta") <= 0:
            raise ArgumentError(f"delta must be above 0; received {self.delta}.")

    def elements(self, y: Tensor, prediction: Tensor) -> Tensor:
        distance = abs(y - prediction)
        outside = self.delta * (distance - 0.5 * self.delta)
        return where(distance <= self.delta, 0.5 * distance * distance, outside)


class BCE(Loss):
    """Mean of −y log ŷ − (1 − y) log(1 − ŷ), for ŷ in (0, 1).

    On a sigmoid output it is softplus(z) − y z, exact at any z. Otherwise logarithms stop at
    −100, as in PyTorch.
    """

    name = "bce"

    def elements(self, y: Tensor, prediction: Tensor) -> Tensor:
        positive, negative = _log(prediction), _log(1 - prediction)
        return -(y * positive + (1 - y) * negative)

    def of_sum(self, y: Tensor, z: Tensor, activation: Activation) -> Tensor:
        if activation is sigmoid:
            return softplus(z) - y * z
        return self.elements(y, activation(z))

    def check_activation(self, activation: Activation) -> None:
        _need_probability(self.name, activation, "sigmoid")
        if activation is softmax:
            # 1 − p of a class that is certain is rounded to 0: no gradient would be left.
            raise ArgumentError(
                "loss 'bce' judges each output by itself, and those of 'softmax' are one choice. "
                "Use loss='cross_entropy', or build the network with output='sigmoid'."
            )


class CrossEntropy(Loss):
    """Mean over rows of −Σ y log ŷ; y holds class numbers (i64), or a probability a class.

    On a softmax or sigmoid output it is worked out from the scores, so that a score far off has
    its gradient. Called directly, y may hold class numbers in any dtype.
    """

    name = "cross_entropy"
    per_row = True

    def elements(self, y: Tensor, prediction: Tensor) -> Tensor:
        logs = _log(prediction)
        return -sum(_shares(y, logs) * logs, axis=-1)

    def of_sum(self, y: Tensor, z: Tensor, activation: Activation) -> Tensor:
        if activation is not softmax and activation is not sigmoid:
            return self.elements(y, activation(z))
        logs, shares = log_softmax(z) if activation is softmax else -softplus(-z), _shares(y, z)
        # A class of probability 0 costs nothing, even where its logarithm is −inf.
        return -sum(where(equal(shares, 0), 0, shares * logs), axis=-1)

    def check_activation(self, activation: Activation) -> None:
        _need_probability(self.name, activation, "softmax")

    def __call__(self, y: Any, prediction: Any) -> Tensor:
        _, prediction = _floats(0, prediction)
        refuse_tensors_in_list(y)
        y = y if isinstance(y, Tensor) else Tensor(plain_array(y, "y") if is_plain(y) else y)
        known = type(y) is Tensor or (not isinstance(y, Traced) and current_tracing() is None)
        *rows, classes = prediction.shape or [0]
        if y.shape == (*rows, 1) != prediction.shape:
            y = reshape(y, tuple(rows))
        if y.shape == tuple(rows):
            codes = Tensor(class_numbers(y.numpy(), classes)) if known else cast(y, "i64")
            return mean(self.elements(codes, prediction))
        if y.shape != prediction.shape:
            raise shape_error(
                f"y has shape {list(y.shape)} and the prediction {list(prediction.shape)}: y is "
                f"class numbers {rows} or one column a class {list(prediction.shape)}"
            )
        if known:
            check_shares(y.numpy())
        return mean(self.elements(cast(y, prediction.spec.dtype), prediction))


class Poisson(Loss):
    """Mean of e^z − y z for counts y, where the output z is the logarithm of the rate.

    PyTorch's PoissonNLLLoss with its default ``log_input=True`` (Keras takes the rate itself).
    On a softplus output, the rate itself: ŷ − y log ŷ.
    """

    name = "poisson"

    def check_activation(self, activation: Activation) -> None:
        name = activation_name(activation)
        if is_known(activation) and activation is not softplus and name != "linear":
            raise ArgumentError(
                "loss 'poisson' needs an output 'linear' (the logarithm of the rate) or "
                f"'softplus' (the rate), and the output is {name!r}. Build the network with "
                "output='linear'."
            )

    def elements(self, y: Tensor, prediction: Tensor) -> Tensor:
        return exp(prediction) - y * prediction

    def of_sum(self, y: Tensor, z: Tensor, activation: Activation) -> Tensor:
        if activation is not softplus:
            return self.elements(y, activation(z))
        rate = softplus(z)
        # log(softplus(z)) tends to z where softplus underflows.
        return rate - y * where(less(z, -15), z, log(where(less(z, -15), 1, rate)))


def class_numbers(numbers: Array, classes: int, name: str = "y") -> Array:
    """Give class numbers as i64, or refuse one that is not whole or not below ``classes``."""
    inside = (numbers >= 0) & (numbers < classes)
    whole = np.where(inside, numbers, 0).astype(np.int64)
    wrong = np.argwhere(~inside | (whole != numbers))
    if len(wrong):
        place = tuple(wrong[0].tolist())
        raise DataError(
            f"{name} holds {float(numbers[place]):g} in row {', '.join(map(str, place))}; class "
            f"numbers go from 0 to {classes - 1}, one for each output of the network."
        )
    return whole


def check_shares(shares: Array, name: str = "y") -> None:
    """Refuse rows that are no probabilities of classes."""
    right = (np.abs(shares.sum(axis=-1) - 1) <= 1e-3) & (shares.min(axis=-1) >= 0)
    if not right.all():
        place = tuple(np.argwhere(~right)[0].tolist())
        raise DataError(
            f"Row {', '.join(map(str, place))} of {name} must hold probabilities of at least 0 "
            f"that sum to 1; it holds {shares[place].tolist()}. Pass class numbers [n] instead."
        )


def _floats(y: Any, prediction: Any) -> list[Tensor]:
    """Make floats of one dtype of both: whole numbers and bools are taken as floats too."""
    pair = [y, prediction]
    floats = [v.spec.dtype for v in pair if isinstance(v, Tensor) and v.spec.dtype in FLOATS]
    wanted = floats[0] if floats else "f64"  # f64 holds every i32
    whole = [isinstance(v, Tensor) and v.spec.dtype not in FLOATS for v in pair]
    given = unify([cast(v, wanted) if w else v for v, w in zip(pair, whole, strict=True)])
    if given[0].spec.dtype in FLOATS:
        return given
    return [cast(tensor, wanted) for tensor in given]


def _need_probability(name: str, activation: Activation, wanted: str) -> None:
    if activation_name(activation) in _UNBOUNDED:
        raise ArgumentError(
            f"loss {name!r} needs an output between 0 and 1, and the output is "
            f"{activation_name(activation)!r}. Build the network with output={wanted!r}."
        )


def _log(p: Tensor) -> Tensor:
    """Give log p, at least −100; the derivative at p = 0 is 0, not 0 · ∞."""
    nothing = equal(p, 0)
    return where(nothing, -100, maximum(log(where(nothing, 1, p)), -100))


def _shares(y: Tensor, like: Tensor) -> Tensor:
    """Give a probability a class: class numbers become one-hot rows."""
    if y.spec.dtype in ("i32", "i64"):
        return one_hot(y, like.shape[-1], like.spec.dtype)
    return cast(y, like.spec.dtype)


@dataclass(frozen=True)
class FunctionLoss(Loss):
    """A loss that is a function of (y, prediction), tensors of one shape, written in ops.

    It gives the loss of each element, or one figure a row; the mean is taken afterwards, so that
    weights of rows can be heard.

    >>> import limpide as lp
    >>> net = lp.Network([1, 1], seed=0)
    >>> def pinball(y, prediction):
    ...     return lp.maximum(0.9 * (y - prediction), -0.1 * (y - prediction))
    >>> history = net.fit([[0.0], [1.0]], [0.0, 1.0], loss=pinball, epochs=2)
    """

    function: Callable[[Tensor, Tensor], Tensor]

    def __post_init__(self) -> None:
        try:
            inspect.signature(self.function).bind(None, None)
        except TypeError:
            name = getattr(self.function, "__name__", "loss")
            raise ArgumentTypeError(
                f"loss function {name!r} must take (y, prediction), two arguments. Change its "
                "first line."
            ) from None
        except ValueError:  # one written in C may not say what it takes
            pass

    def elements(self, y: Tensor, prediction: Tensor) -> Tensor:
        found = self.function(y, prediction)
        name = getattr(self.function, "__name__", "loss")
        if not isinstance(found, Tensor):
            raise ArgumentTypeError(
                f"loss function {name!r} must give a tensor; it gave {type(found).__name__}. Write "
                "it in limpide's ops, such as lp.square(y - prediction)."
            )
        if found.shape not in (prediction.shape, prediction.shape[:1]):
            raise shape_error(
                f"loss function {name!r} must give the loss of each element, "
                f"{list(prediction.shape)}, or of each row, {list(prediction.shape[:1])}; it gave "
                f"{list(found.shape)}. The mean is taken afterwards: leave out lp.mean and lp.sum"
            )
        return found


mse = MSE()
mae = MAE()
huber = Huber()
bce = BCE()
cross_entropy = CrossEntropy()
poisson = Poisson()
LOSSES: dict[str, Loss] = {
    loss.name: loss for loss in (mse, mae, huber, bce, cross_entropy, poisson)
}


def default_loss(activation: Activation) -> Loss:
    """Give the loss for an output: sigmoid → bce, softmax → cross_entropy, else mse."""
    defaults: dict[Activation, Loss] = {sigmoid: bce, softmax: cross_entropy}
    return defaults.get(activation, mse)


def resolve_loss(loss: Any, activation: Activation) -> Loss:
    """Give the loss for a name, an object, a function, or None (by the output's activation).

    Raises
    ------
    ArgumentError
        For an unknown name, or a loss that cannot read this output.
    """
    if loss is None:
        return default_loss(activation)
    if isinstance(loss, str):
        if loss not in LOSSES:
            raise choice_error("loss", loss, LOSSES)
        loss = LOSSES[loss]
    if not isinstance(loss, Loss) and callable(loss) and not isinstance(loss, type):
        loss = FunctionLoss(loss)
    if not isinstance(loss, Loss):
        raise ArgumentTypeError(
            "loss must be a name, a loss such as lp.mse, or a function of (y, prediction); "
            f"received {loss!r}."
        )
    loss.check_activation(activation)
    return loss


def row_means(elements: Tensor) -> Tensor:
    """Give the mean over the elements of each row."""
    return mean(elements, axis=tuple(range(1, elements.ndim))) if elements.ndim > 1 else elements


def weighted_mean(elements: Tensor, weights: Tensor | None) -> Tensor:
    """Give the mean over all elements, or Σ wℓ / Σ w with one weight a row; 0 if all w are 0."""
    if weights is None:
        return mean(elements)
    total = sum(weights)
    return sum(row_means(elements) * weights) / where(equal(total, 0), 1, total)
