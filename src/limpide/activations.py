"""Activations: functions of a layer's weighted sum, written in ops, and the table of their names.

Answers for what ``activation="relu"`` means. Not for: layers, or derivatives (ops have them).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from limpide.errors import ArgumentTypeError, choice_error
from limpide.ops import erf, expm1, relu, sigmoid, softmax, softplus, tanh, where
from limpide.ops import less as less_than
from limpide.tensor import Tensor, unify

Activation = Callable[[Any], Tensor]

# Klambauer et al. 2017, "Self-normalizing neural networks": the fixed point's two constants.
_SELU_ALPHA = 1.6732632423543772
_SELU_SCALE = 1.0507009873554805


def linear(x: Any) -> Tensor:
    """Give x itself."""
    return unify([x])[0]


def leaky_relu(x: Any, slope: float = 0.01) -> Tensor:
    """Give x where it is positive, else ``slope`` · x (PyTorch's default slope, 0.01).

    Source: Maas, Hannun, Ng, "Rectifier nonlinearities improve neural network acoustic
    models" (2013).
    """
    (x,) = unify([x])
    return where(less_than(0, x), x, x * slope)


def elu(x: Any, alpha: float = 1.0) -> Tensor:
    """Give x where it is positive, else α (eˣ − 1).

    Source: Clevert, Unterthiner, Hochreiter, arXiv 1511.07289.
    """
    (x,) = unify([x])
    positive = less_than(0, x)
    # The other branch is kept at 0, so that its derivative stays finite where it is not taken;
    # not by minimum, whose derivative at the tie x = 0 is a half.
    return where(positive, x, expm1(where(positive, 0, x)) * alpha)


def selu(x: Any) -> Tensor:
    """Give elu scaled so that mean and variance are kept from layer to layer.

    Source: Klambauer et al., "Self-normalizing neural networks", arXiv 1706.02515.
    """
    return elu(x, _SELU_ALPHA) * _SELU_SCALE


def gelu(x: Any) -> Tensor:
    """Give x · Φ(x) with the exact normal distribution function, as PyTorch does.

    Keras and TensorFlow too default to the exact form; the tanh approximation differs by up to
    5e-4. Source: Hendrycks, Gimpel, arXiv 1606.08415.
    """
    tensor = unify([x])[0]
    return tensor * 0.5 * (erf(tensor * math.sqrt(0.5)) + 1)


def silu(x: Any) -> Tensor:
    """Give x · sigmoid(x), also known as swish. Source: Elfwing et al., arXiv 1702.03118."""
    tensor = unify([x])[0]
    return tensor * sigmoid(tensor)


def mish(x: Any) -> Tensor:
    """Give x · tanh(softplus(x)). Source: Misra, arXiv 1908.08681."""
    tensor = unify([x])[0]
    return tensor * tanh(softplus(tensor))


ACTIVATIONS: dict[str, Activation] = {
    "elu": elu,
    "gelu": gelu,
    "leaky_relu": leaky_relu,
    "linear": linear,
    "mish": mish,
    "relu": relu,
    "selu": selu,
    "sigmoid": sigmoid,
    "silu": silu,
    "softmax": softmax,
    "softplus": softplus,
    "tanh": tanh,
}
_NAMES = {function: name for name, function in ACTIVATIONS.items()}


def resolve_activation(activation: str | Activation, argument: str = "activation") -> Activation:
    """Give the function for a name; a function on tensors stays as it is.

    Raises
    ------
    ArgumentError
        For a name that is not in the table; the message lists all and the nearest.
    """
    if isinstance(activation, str):
        if activation not in ACTIVATIONS:
            raise choice_error(argument, activation, ACTIVATIONS)
        return ACTIVATIONS[activation]
    if not callable(activation):
        raise ArgumentTypeError(
            f"{argument} must be a name or a function on tensors, such as lp.relu; "
            f"received {activation!r}."
        )
    return activation


def activation_name(activation: Activation) -> str:
    """Give the name of an activation; for a function of the user's own, its Python name."""
    return _NAMES.get(activation) or str(getattr(activation, "__name__", repr(activation)))


def is_known(activation: Activation) -> bool:
    """Say whether an activation is in the table, so that a model file can name it."""
    return activation in _NAMES
