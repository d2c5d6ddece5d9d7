"""Members: several networks side by side, trained as one, that answer together.

Answers for the layers of an ensemble. Not for: how many members a table's network has
(``limpide.recipe``), nor for the targets, which ``limpide.steps`` repeats for each member.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from limpide.activations import Activation, activation_name, linear, resolve_activation
from limpide.ir import Array, shape_error
from limpide.layers import Dense, Layer, ParameterSpec, Tensors, check_size
from limpide.ops import (
    RandomSource,
    exp,
    log,
    log_softmax,
    max,
    reshape,
    sigmoid,
    softmax,
    softplus,
    transpose,
)
from limpide.tensor import Tensor


@dataclass(frozen=True)
class _Members(Layer):
    """A Dense layer for each member of an ensemble; see the layers below.

    Parameters
    ----------
    members, neurons
        How many members there are, and how many outputs each has.
    activation
        A name or a function.
    """

    members: int
    neurons: int
    activation: str | Activation = linear

    def __post_init__(self) -> None:
        for name in ("members", "neurons"):
            object.__setattr__(self, name, check_size(getattr(self, name), name))
        object.__setattr__(self, "activation", resolve_activation(self.activation))

    @property
    def function(self) -> Activation:
        """The activation as a function."""
        return resolve_activation(self.activation)

    def outputs(self, inputs: int) -> int:
        return self.members * self.neurons

    def config(self) -> dict[str, Any]:
        return {
            "members": self.members,
            "neurons": self.neurons,
            "activation": activation_name(self.function),
        }

    def describe(self) -> str:
        return f"{self.members} × Dense, {activation_name(self.function)}"


@dataclass(frozen=True)
class MemberInput(_Members):
    """An ensemble's first layer, whose members all see the same: f[n, k] → f[n, members · neurons].

    Its parameters are ``weights`` (inputs, members · neurons) and ``bias``, member by member.
    """

    def parameters(self, inputs: int) -> dict[str, ParameterSpec]:
        return Dense(self.members * self.neurons, self.activation).parameters(inputs)

    def sums(self, params: Tensors, x: Tensor) -> Tensor:
        """Give the sums before the activation, f[n, members · neurons]."""
        return x @ params["weights"] + params["bias"]

    def forward(
        self, params: Tensors, state: Tensors, x: Tensor, training: RandomSource | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        return self.function(self.sums(params, x)), {}

    def by_member(self, values: Array) -> dict[str, Array]:
        each = np.repeat(values, self.neurons)
        return {"weights": each, "bias": each}


@dataclass(frozen=True)
class MemberDense(_Members):
    """A Dense layer for each member: f[n, members · inputs] → f[n, members · neurons].

    Each member sees its own inputs, which lie side by side. Its parameters are ``weights``
    (members, inputs, neurons) and ``bias`` (members, neurons).
    """

    def parameters(self, inputs: int) -> dict[str, ParameterSpec]:
        if inputs % self.members:
            raise shape_error(
                f"{inputs} inputs cannot be shared out among {self.members} members; the layer "
                f"before needs a multiple of {self.members} neurons"
            )
        own = Dense(self.neurons, self.activation).parameters(inputs // self.members)
        return {n: ParameterSpec((self.members, *p.shape), p.initializer) for n, p in own.items()}

    def sums(self, params: Tensors, x: Tensor) -> Tensor:
        """Give each member's sums before the activation, f[members, n, neurons]."""
        apart = reshape(x, (x.shape[0], self.members, x.shape[1] // self.members))
        bias = reshape(params["bias"], (self.members, 1, self.neurons))
        return transpose(apart, (1, 0, 2)) @ params["weights"] + bias

    def forward(
        self, params: Tensors, state: Tensors, x: Tensor, training: RandomSource | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        y = transpose(self.function(self.sums(params, x)), (1, 0, 2))
        return reshape(y, (x.shape[0], self.members * self.neurons)), {}

    def by_member(self, values: Array) -> dict[str, Array]:
        return {"weights": values.reshape(-1, 1, 1), "bias": values.reshape(-1, 1)}


def _over_members(z: Tensor) -> Tensor:
    """Add along the first axis, one after another: in the same order for any number of rows."""
    total = z[0]
    for member in range(1, z.shape[0]):
        total = total + z[member]
    return total


def _log_of_sum(z: Tensor) -> Tensor:
    """Give log Σ exp along the first axis."""
    most = max(z, axis=0)
    return log(_over_members(exp(z - most))) + most


@dataclass(frozen=True)
class MemberOutput(MemberDense):
    """The last layer of an ensemble: f[n, members · inputs] → f[n, neurons].

    In training each member answers for itself, f[n · members, neurons], those of a row one after
    another, and the loss is the mean of their losses. Else they answer together: the mean of their
    outputs, given as the sum whose activation it is. Source: Lakshminarayanan, Pritzel,
    Blundell, arXiv 1612.01474.
    """

    def outputs(self, inputs: int) -> int:
        return self.neurons

    def last_sum(self, params: Tensors, x: Tensor, apart: bool) -> tuple[Tensor, Activation]:
        z = self.sums(params, x)
        if apart:
            rows = x.shape[0] * self.members
            return reshape(transpose(z, (1, 0, 2)), (rows, self.neurons)), self.function
        if self.function is sigmoid:
            return _log_of_sum(-softplus(-z)) - _log_of_sum(-softplus(z)), sigmoid
        if self.function is softmax:
            return _log_of_sum(log_softmax(z)), softmax
        return _over_members(self.function(z)) * (1 / self.members), linear

    def forward(
        self, params: Tensors, state: Tensors, x: Tensor, training: RandomSource | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        z, activation = self.last_sum(params, x, False)
        return activation(z), {}
