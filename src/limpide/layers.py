"""Layers: each knows its parameters' shapes and first values, and its forward in ops.

Answers for Dense, Dropout, LayerNorm, BatchNorm, Embedding, and for running a list of layers.
Not for: arrays, which the network keeps; nor training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import numpy as np

from limpide.activations import Activation, activation_name, linear, resolve_activation
from limpide.conversion import check_finite_scalar
from limpide.errors import ArgumentError, ArgumentTypeError
from limpide.initializers import Initializer, Normal, glorot, he, uniform, zeros
from limpide.ir import Array, layer_scope, shape_error
from limpide.keywords import known_keywords
from limpide.ops import (
    RandomSource,
    cast,
    floor,
    gather,
    less,
    maximum,
    mean,
    minimum,
    reshape,
    sqrt,
    where,
)
from limpide.tensor import Tensor

Tensors = Mapping[str, Tensor]


class ParameterSpec(NamedTuple):
    """The shape of a parameter and the rule for its first values."""

    shape: tuple[int, ...]
    initializer: Initializer


def check_size(value: object, name: str) -> int:
    """Give a whole number of at least 1, or raise naming the argument."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        raise ArgumentTypeError(f"{name} must be a whole number; received {value!r}.")
    if value < 1:
        raise ArgumentError(f"{name} must be at least 1; received {value}.")
    return int(value)


def check_flag(value: object, name: str) -> None:
    """Refuse what is neither True nor False, naming the argument."""
    if not isinstance(value, (bool, np.bool_)):
        raise ArgumentTypeError(f"{name} must be True or False; received {value!r}.")


@dataclass(frozen=True)
class Layer:
    """One step from features to features: ``f[n, k] → f[n, m]``.

    ``name`` replaces the name that the network would give it. ``takes_missing`` says that NaN in
    the input means a missing number; other layers never see one.
    """

    name: str | None = field(default=None, kw_only=True)
    takes_missing: ClassVar[bool] = False

    def outputs(self, inputs: int) -> int:
        """Give the number of features that come out, for a number that goes in."""
        return inputs

    def parameters(self, inputs: int) -> dict[str, ParameterSpec]:
        """Give the trained parameters, by their names in this layer."""
        return {}

    def state(self, inputs: int) -> dict[str, Any]:
        """Give the first values of what is kept but not trained, as float64 arrays."""
        return {}

    def forward(
        self, params: Tensors, state: Tensors, x: Tensor, training: RandomSource | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Give the output and the new state; ``training`` is None outside of training."""
        raise NotImplementedError

    def last_sum(self, params: Tensors, x: Tensor, apart: bool) -> tuple[Tensor, Activation] | None:
        """Give, where the layer is a network's last, its sum and the activation that follows.

        ``apart``: the answers of an ensemble's members, several rows for one of x.
        """
        return None

    def by_member(self, values: Array) -> dict[str, Array]:
        """Give a number for each member of an ensemble in a shape that meets the parameters."""
        return {}

    def config(self) -> dict[str, Any]:
        """Give what a model file needs to build the layer again."""
        raise NotImplementedError

    def describe(self) -> str:
        """Give a short description for printed summaries."""
        return type(self).__name__


def _initializer_for(word: object) -> str:
    """Give the rule that a word names, to say how it is passed."""
    return word if isinstance(word, str) and word in ("he", "lecun", "zeros") else "glorot"


@known_keywords
@dataclass(frozen=True)
class Dense(Layer):
    """Every output is the activation of a weighted sum of all inputs plus a bias.

    Parameters
    ----------
    neurons
        How many outputs.
    activation
        A name or a function; None takes the network's.
    weights, bias
        Initialisers. Default: ``he`` for relu and its kin, else ``glorot``; zeros. ``bias=None``
        leaves the bias out.

    Its parameters are ``weights`` (inputs, neurons) and ``bias`` (neurons).
    """

    neurons: int
    activation: str | Activation | None = None
    weights: Initializer | None = None
    bias: Initializer | None = zeros

    def __post_init__(self) -> None:
        object.__setattr__(self, "neurons", check_size(self.neurons, "neurons"))
        if self.activation is not None:
            object.__setattr__(self, "activation", resolve_activation(self.activation))
        for name, rule in (("weights", self.weights), ("bias", self.bias)):
            if rule is not None and not isinstance(rule, Initializer):
                raise ArgumentTypeError(
                    f"{name} must be an initialiser such as lp.{_initializer_for(rule)} or "
                    f"lp.uniform(-1, 1){', or None for no bias' if name == 'bias' else ''}; "
                    f"received {rule!r}."
                )

    @property
    def function(self) -> Activation:
        """The activation as a function."""
        return linear if self.activation is None else resolve_activation(self.activation)

    def outputs(self, inputs: int) -> int:
        return self.neurons

    def parameters(self, inputs: int) -> dict[str, ParameterSpec]:
        kin = ("relu", "leaky_relu", "elu", "gelu", "silu", "mish")
        default = he if activation_name(self.function) in kin else glorot
        found = {"weights": ParameterSpec((inputs, self.neurons), self.weights or default)}
        if self.bias is not None:
            found["bias"] = ParameterSpec((self.neurons,), self.bias)
        return found

    def weighted_sum(self, params: Tensors, x: Tensor) -> Tensor:
        """Give the sum before the activation."""
        z = x @ params["weights"]
        return z + params["bias"] if self.bias is not None else z

    def last_sum(self, params: Tensors, x: Tensor, apart: bool) -> tuple[Tensor, Activation]:
        return self.weighted_sum(params, x), self.function

    def forward(
        self, params: Tensors, state: Tensors, x: Tensor, training: RandomSource | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        return self.function(self.weighted_sum(params, x)), {}

    def config(self) -> dict[str, Any]:
        return {
            "neurons": self.neurons,
            "activation": activation_name(self.function),
            "bias": self.bias is not None,
        }

    def describe(self) -> str:
        return f"Dense, {activation_name(self.function)}"


@known_keywords
@dataclass(frozen=True)
class Dropout(Layer):
    """In training, set each input to 0 with probability ``rate`` and scale up the others.

    The bits are a function of (seed, step, layer). Source: Srivastava et al. (2014).
    """

    rate: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= check_finite_scalar(self.rate, "rate") < 1:
            raise ArgumentError(f"rate must be at least 0 and below 1; received {self.rate}.")

    def forward(
        self, params: Tensors, state: Tensors, x: Tensor, training: RandomSource | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        if training is None or self.rate == 0:
            return x, {}
        limit = Tensor(min(round((1 - self.rate) * 2**32), 2**32 - 1), dtype="uint32")
        return where(less(training.bits(x.shape), limit), x * (1 / (1 - self.rate)), 0), {}

    def config(self) -> dict[str, Any]:
        return {"rate": float(self.rate)}

    def describe(self) -> str:
        return f"Dropout({self.rate:g})"


def _check_epsilon(epsilon: float) -> None:
    if check_finite_scalar(epsilon, "epsilon") <= 0:
        raise ArgumentError(f"epsilon must be above 0; received {epsilon}.")


@known_keywords
@dataclass(frozen=True)
class LayerNorm(Layer):
    """Scale each row to mean 0 and variance 1, then by a learned scale and shift.

    Variance divided by n, ε = 1e-5 inside the root, as in PyTorch. Source: Ba, Kiros, Hinton,
    arXiv 1607.06450.
    """

    epsilon: float = field(default=1e-5, kw_only=True)  # LayerNorm(64) would be no size

    def __post_init__(self) -> None:
        _check_epsilon(self.epsilon)

    def parameters(self, inputs: int) -> dict[str, ParameterSpec]:
        return {
            "scale": ParameterSpec((inputs,), uniform(1, 1)),
            "shift": ParameterSpec((inputs,), zeros),
        }

    def forward(
        self, params: Tensors, state: Tensors, x: Tensor, training: RandomSource | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        centred = x - mean(x, axis=-1, keepdims=True)
        spread = mean(centred * centred, axis=-1, keepdims=True)
        return centred / sqrt(spread + self.epsilon) * params["scale"] + params["shift"], {}

    def config(self) -> dict[str, Any]:
        return {"epsilon": float(self.epsilon)}


@known_keywords
@dataclass(frozen=True)
class BatchNorm(Layer):
    """Scale each feature by the batch's mean and variance, then by a learned scale and shift.

    Outside of training the running statistics are used: new = (1 − momentum) · old + momentum ·
    batch, with the variance divided by n − 1, as in PyTorch (momentum 0.1, ε 1e-5; Keras calls
    0.99 of the old value momentum). Source: Ioffe, Szegedy, arXiv 1502.03167.
    """

    momentum: float = field(default=0.1, kw_only=True)
    epsilon: float = field(default=1e-5, kw_only=True)

    def __post_init__(self) -> None:
        _check_epsilon(self.epsilon)
        if not 0 < check_finite_scalar(self.momentum, "momentum") <= 1:
            raise ArgumentError(f"momentum must be above 0, at most 1; received {self.momentum}.")

    def parameters(self, inputs: int) -> dict[str, ParameterSpec]:
        return LayerNorm().parameters(inputs)

    def state(self, inputs: int) -> dict[str, Any]:
        return {"mean": np.zeros(inputs), "variance": np.ones(inputs)}

    def forward(
        self, params: Tensors, state: Tensors, x: Tensor, training: RandomSource | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        if training is None:
            centred, spread = x - state["mean"], state["variance"]
            new: dict[str, Tensor] = {}
        else:
            middle = mean(x, axis=0)
            centred = x - middle
            spread = mean(centred * centred, axis=0)
            rows = x.shape[0]
            new = {"mean": state["mean"] * (1 - self.momentum) + middle * self.momentum}
            if rows > 1:  # one row, as a short last batch may have, tells nothing of a spread
                unbiased = spread * (rows / (rows - 1))
                new["variance"] = state["variance"] * (1 - self.momentum) + unbiased * self.momentum
        return centred / sqrt(spread + self.epsilon) * params["scale"] + params["shift"], new

    def config(self) -> dict[str, Any]:
        return {"momentum": float(self.momentum), "epsilon": float(self.epsilon)}


@known_keywords
@dataclass(frozen=True)
class Embedding(Layer):
    """Look up a learned vector for each code: ``f[n, k]`` of codes → ``f[n, k · size]``.

    All columns share one table of ``categories`` rows; a code outside 0 … categories − 1 takes
    the nearest end. The table is ``table`` (categories, size), normal with standard deviation 1
    as in PyTorch.
    """

    categories: int
    size: int

    def __post_init__(self) -> None:
        for name in ("categories", "size"):
            object.__setattr__(self, name, check_size(getattr(self, name), name))

    def outputs(self, inputs: int) -> int:
        return inputs * self.size

    def parameters(self, inputs: int) -> dict[str, ParameterSpec]:
        return {"table": ParameterSpec((self.categories, self.size), Normal(1.0))}

    def forward(
        self, params: Tensors, state: Tensors, x: Tensor, training: RandomSource | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        inside = minimum(maximum(floor(x), 0), self.categories - 1)
        rows = gather(params["table"], cast(inside, "int64"), axis=0)
        return reshape(rows, (x.shape[0], x.shape[1] * self.size)), {}

    def config(self) -> dict[str, Any]:
        return {"categories": self.categories, "size": self.size}

    def describe(self) -> str:
        return f"Embedding({self.categories}, {self.size})"


class Placed(NamedTuple):
    """A layer in its place in a network: its name and how many features go in and out."""

    name: str
    layer: Layer
    inputs: int
    outputs: int


def _check_name(name: object) -> str:
    if not isinstance(name, str):
        raise ArgumentTypeError(f"The name of a layer must be text; received {name!r}.")
    if not name.isidentifier():
        raise ArgumentError(
            f"The name of a layer is letters, digits and underscores, as in 'hidden_a'; "
            f"received {name!r}."
        )
    return name


def place(layers: Sequence[Layer], inputs: int) -> list[Placed]:
    """Name the layers and work out their sizes.

    Layers with trained parameters are hidden1, hidden2, …, and the last of them output; others
    are named by their kind and place. A name that a layer brings is kept.
    """
    placed: list[Placed] = []
    width, hidden, taken = inputs, 0, set()
    sizes = []
    for layer in layers:
        sizes.append((width, layer.outputs(width)))
        width = sizes[-1][1]
    trained = [i for i, layer in enumerate(layers) if layer.parameters(sizes[i][0])]
    for i, layer in enumerate(layers):
        if layer.name is not None:
            name = _check_name(layer.name)
        elif trained and i == trained[-1]:
            name = "output"
        elif i in trained:
            hidden += 1
            name = f"hidden{hidden}"
        else:
            name = f"{type(layer).__name__.lower()}{i + 1}"
        if name in taken:
            raise ArgumentError(f"Two layers are named {name!r}; give one of them another name.")
        taken.add(name)
        placed.append(Placed(name, layer, *sizes[i]))
    return placed


def resolve_layers(
    layers: Sequence[int | Layer] | Array, activation: str | Activation, output: str | Activation
) -> tuple[int, list[Layer]]:
    """Give the number of inputs and the layers that ``Network([2, 8, 1])`` means."""
    if isinstance(layers, np.ndarray):
        layers = layers.tolist()
    if isinstance(layers, (int, str)) or not isinstance(layers, Sequence) or len(layers) < 2:
        raise ArgumentError(
            "layers must list the number of inputs and at least one layer, such as [2, 8, 1]; "
            f"received {layers!r}."
        )
    inputs = check_size(layers[0], "layers[0], the number of inputs,")
    for i, item in enumerate(layers):
        if isinstance(item, type):
            raise ArgumentTypeError(
                f"layers[{i}] must be a whole number or a layer, such as lp.Dropout(0.1); received "
                f"the class {item.__name__}."
            )
    inner = resolve_activation(activation)
    outer = resolve_activation(output, "output")
    built: list[Layer] = []
    for i, item in enumerate(layers[1:], 1):
        layer = item if isinstance(item, Layer) else Dense(check_size(item, f"layers[{i}]"))
        if isinstance(layer, Dense) and layer.activation is None:
            function = outer if i == len(layers) - 1 else inner
            layer = Dense(
                layer.neurons, function, weights=layer.weights, bias=layer.bias, name=layer.name
            )
        built.append(layer)
    return inputs, built


def _of(layer: str, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    start = f"{layer}."
    return {name[len(start) :]: v for name, v in values.items() if name.startswith(start)}


def forward(
    placed: Sequence[Placed],
    params: Tensors,
    state: Tensors,
    x: Tensor,
    training: tuple[Tensor, Tensor] | None = None,
    apart: bool = False,
) -> tuple[Tensor, Activation, dict[str, Tensor]]:
    """Run layers; the last activation is left to the caller, so that a loss may see its sum.

    Parameters
    ----------
    params, state
        Flat: ``"hidden1.weights"`` → tensor.
    x
        f[n, inputs].
    training
        (seed, step), u32[] each, or None.
    apart
        Whether the members of an ensemble answer each for itself, f[n · members, outputs], those
        of a row one after another.

    Returns
    -------
    The last layer's sum ``f[n, outputs]``, its activation, and the new flat state.
    """
    if placed and (x.ndim != 2 or x.shape[1] != placed[0].inputs):
        raise shape_error(f"the network takes f[n,{placed[0].inputs}], got {x.spec}")
    new_state: dict[str, Tensor] = dict(state)
    last: Activation = linear
    for i, (name, layer, _, _) in enumerate(placed):
        with layer_scope(name):
            own = _of(name, params)
            summed = None
            if i == len(placed) - 1:
                summed = layer.last_sum(own, x, apart)
            if summed is not None:
                x, last = summed
                continue
            context = None if training is None else RandomSource(*training, i)
            x, changed = layer.forward(own, _of(name, state), x, context)
            new_state |= {f"{name}.{key}": value for key, value in changed.items()}
    return x, last, new_state
