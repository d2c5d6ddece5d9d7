"""Structure: a network's layers in their places, its arrays by name, and its saved form.

Answers for building, first weights, names, copies, files and printing. Not for: running or
training (``limpide.network``).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from limpide import storage
from limpide.activations import Activation, activation_name, is_known, resolve_activation
from limpide.conversion import check_finite_scalar, convert
from limpide.errors import (
    ArgumentError,
    ArgumentTypeError,
    LimpideError,
    ModelFileError,
)
from limpide.generator import Generator, fixed_source
from limpide.ir import NUMPY_DTYPES, Array, dtype_name
from limpide.keywords import known_keywords
from limpide.languages import words_in
from limpide.layers import (
    Dense,
    Layer,
    ParameterSpec,
    Placed,
    place,
    resolve_layers,
)
from limpide.locks import Lock
from limpide.losses import Loss
from limpide.members import MemberOutput
from limpide.memory import check_parameters
from limpide.ops import softmax
from limpide.optimizers import Optimizer
from limpide.parameters import Parameters
from limpide.rng import check_seed
from limpide.scalars import Scalars
from limpide.storage import expect_tensor
from limpide.storage.layers import (
    layers_from_config,
    layers_to_config,
    loss_from_config,
    loss_to_config,
)
from limpide.summary import layer_table
from limpide.tensor import Variable


class Structure:
    """Layers in their places, and the arrays of their parameters and state by name.

    What ``Network`` is, apart from what it does; see there for the parameters.
    """

    @known_keywords
    def __init__(
        self,
        layers: Sequence[int | Layer] | Array,
        activation: str | Activation = "relu",
        output: str | Activation = "linear",
        dtype: object = "float32",
        seed: int | None = None,
    ) -> None:
        name, number = _float_name(dtype), check_seed(seed)
        inputs, built = resolve_layers(layers, activation, output)
        self._lay_out(inputs, built, name, number)
        self._initialize()

    def _lay_out(self, inputs: int, layers: Sequence[Layer], dtype: str, seed: int) -> None:
        """Set everything but the arrays."""
        self._dtype, self.seed = dtype, seed
        self.placed: tuple[Placed, ...] = tuple(place(layers, inputs))
        self.n_inputs, self.n_outputs = inputs, self.placed[-1].outputs
        if self.n_outputs == 1 and self.output_activation is softmax:
            raise ArgumentError(
                "softmax of 1 output is always 1. Use 2 outputs, or output='sigmoid'."
            )
        shapes = [spec.shape for spec in self._parameters().values()]
        check_parameters(shapes, self.dtype.itemsize)
        self._last_loss: Loss | None = None
        self._last_optimizer: Optimizer | None = None
        self._generator = Generator(seed)  # for calls with training=True
        self._forget()

    def _forget(self) -> None:
        self._lock = Lock()
        self._compiled: dict[Any, Any] = {}
        self._fitted: Any = None  # the compiled loop of the last fit
        self._variables: dict[int, Variable] = {}
        self._all_arrays: tuple[Array, ...] = ()

    def _arrays(self) -> tuple[Array, ...]:
        """Give the arrays of params, then of state: always the same tuple, since they stay."""
        if not self._all_arrays:
            self._all_arrays = (*self.params.values(), *self.state.values())
        return self._all_arrays

    def _parameters(self) -> dict[str, ParameterSpec]:
        return {
            f"{name}.{key}": spec
            for name, layer, inputs, _ in self.placed
            for key, spec in layer.parameters(inputs).items()
        }

    def first_state(self) -> dict[str, Array]:
        """Give the state that training begins with, in new arrays."""
        return {
            f"{name}.{key}": np.array(value, self.dtype, order="C")
            for name, layer, inputs, _ in self.placed
            for key, value in layer.state(inputs).items()
        }

    def _initialize(self) -> None:
        arrays = {}
        for stream, (name, spec) in enumerate(self._parameters().items()):
            drawn = spec.initializer.draw(fixed_source(self.seed, stream), spec.shape, self._dtype)
            arrays[name] = np.ascontiguousarray(drawn.numpy())
        self._params, self._state = Parameters(arrays), Parameters(self.first_state())

    def twin(
        self, seed: int, params: Mapping[str, Array], state: Mapping[str, Array], loss: Loss | None
    ) -> Self:
        """Give a network of the same layers, last trained on ``loss``, with copies of arrays.

        What is compiled for one of the two serves both.
        """
        network = type(self).__new__(type(self))
        network.__dict__ |= self.__dict__
        network._forget()
        network._lock, network._compiled = self._lock, self._compiled
        network.seed, network._generator = seed, Generator(seed)
        network._params = Parameters({n: np.array(a, order="C") for n, a in params.items()})
        network._state = Parameters({n: np.array(a, order="C") for n, a in state.items()})
        network._last_loss, network._last_optimizer = loss, None
        return network

    # Parameters -------------------------------------------------------------------------------

    @property
    def params(self) -> Parameters:
        """Name → array; set an item to write into its array."""
        return self._params

    @params.setter
    def params(self, value: object) -> None:
        if value is not self._params:  # net.params |= {...} sets the same ones again
            raise ArgumentTypeError(
                "The arrays of a network stay; write into them: net.params |= {...}, or "
                "net.params['output.bias'] = 0."
            )

    @property
    def state(self) -> Parameters:
        """Name → array of what is kept but not trained."""
        return self._state

    @property
    def dtype(self) -> np.dtype[Any]:
        return NUMPY_DTYPES[self._dtype]

    @property
    def layers(self) -> list[Layer]:
        return [p.layer for p in self.placed]

    @property
    def n_parameters(self) -> int:
        """How many trained numbers there are."""
        return sum(a.size for a in self.params.values())

    @property
    def variables(self) -> list[Variable]:
        """The parameters as Variables that share their memory, for tapes."""
        return list(self._shared(self.params).values())

    def _shared(self, arrays: Parameters) -> dict[str, Variable]:
        """Give a Variable for each array, always the same one, that shares its memory."""
        for name, array in arrays.items():
            # The arrays live as long as the network: their ids name them.
            self._variables.setdefault(id(array), Variable.sharing(array, name))
        return {name: self._variables[id(array)] for name, array in arrays.items()}

    @property
    def scalars(self) -> Scalars:
        """The scalar names of all parameters: w1, …, b1, …, ``hidden2.scale[3]``."""
        dense = {p.name for p in self.placed if isinstance(p.layer, Dense)}
        return Scalars({name: array.shape for name, array in self.params.items()}, dense)

    @known_keywords
    def get(self, name: str) -> float:
        """Give one parameter by its scalar name, such as ``"w1"``."""
        key, index = self.scalars.locate(name)
        return float(self.params[key][index])

    @known_keywords
    def set(self, name: str, value: float) -> None:
        """Set one parameter by its scalar name."""
        key, index = self.scalars.locate(name)
        number = np.array(check_finite_scalar(value, name))
        self.params[key][index] = convert(number, self._dtype, name)

    @property
    def output_activation(self) -> Activation:
        """The activation of the last layer."""
        last = self.placed[-1].layer
        if isinstance(last, (Dense, MemberOutput)):
            return last.function
        return resolve_activation("linear")

    @property
    def last_loss(self) -> Loss | None:
        """The loss of the last fit, also of one before the network was saved; None before any."""
        return self._last_loss

    # Files, copies, text ----------------------------------------------------------------------

    @known_keywords
    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a model file (safetensors); an existing file is replaced in one step."""
        storage.write(path, self.tensors(), self.config())

    def tensors(self) -> dict[str, Array]:
        """Give all arrays as a model file names them."""
        named = {f"params.{n}": a for n, a in self.params.items()}
        return named | {f"state.{n}": a for n, a in self.state.items()}

    def config(self) -> dict[str, Any]:
        """Give what a model file says of the network besides its arrays."""
        for p in self.placed:
            if isinstance(p.layer, Dense) and not is_known(p.layer.function):
                raise ArgumentError(
                    f"Layer {p.name!r} has the activation "
                    f"{activation_name(p.layer.function)!r}, a function of your own; a model "
                    "file can only name limpide's activations. Use one of those to save it."
                )
        described: dict[str, Any] = {
            "kind": "network",
            "dtype": self._dtype,
            "inputs": self.n_inputs,
            "seed": self.seed,
            "layers": layers_to_config(self.placed),
        }
        if self._last_loss is not None:
            described |= loss_to_config(self._last_loss)
        return described

    @classmethod
    def from_stored(cls, tensors: Mapping[str, Array], config: Mapping[str, Any]) -> Self:
        """Build a network from what a model file holds."""
        inputs, dtype, seed, layers = layers_from_config(config)
        network = cls.__new__(cls)
        try:
            network._lay_out(inputs, layers, dtype, seed)
            network._last_loss = loss_from_config(config)
            if network._last_loss is not None:
                network._last_loss.check_activation(network.output_activation)
        except (ArgumentError, ArgumentTypeError) as error:
            raise ModelFileError(f"The model file describes a wrong network: {error}") from None
        shapes = {n: spec.shape for n, spec in network._parameters().items()}
        state = {n: array.shape for n, array in network.first_state().items()}
        network._params = _stored(tensors, shapes, "params.", network.dtype)
        network._state = _stored(tensors, state, "state.", network.dtype)
        return network

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        for name in ("_lock", "_compiled", "_fitted", "_variables", "_all_arrays"):
            del state[name]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ |= state
        self._forget()

    def __str__(self) -> str:
        words = words_in()
        counted = words.plural("{n} parameter", "{n} parameters", self.n_parameters)
        return f"{layer_table(self.placed, words)}\n{counted}, {self.dtype.name}"

    def __repr__(self) -> str:
        sizes = [self.n_inputs, *(p.outputs for p in self.placed)]
        return f"<Network {'-'.join(map(str, sizes))}: {self.n_parameters:,} parameters>"


def _float_name(dtype: object) -> str:
    try:
        name = dtype_name(dtype)
    except LimpideError:
        name = ""
    if name not in ("f32", "f64"):
        raise ArgumentError(f"dtype must be 'float32' or 'float64'; received {dtype!r}.")
    return name


def _stored(
    tensors: Mapping[str, Array], shapes: Mapping[str, tuple[int, ...]], prefix: str, dtype: Any
) -> Parameters:
    """Take the named tensors of a model file, each of the right shape and dtype."""
    unknown = {n for n in tensors if n.startswith(prefix)} - {prefix + n for n in shapes}
    if unknown:
        raise ModelFileError(
            f"The model file has the tensor {min(unknown)!r}, which its network has no place for. "
            "Save the model again."
        )
    where = "the model file"
    return Parameters(
        {
            name: np.array(expect_tensor(tensors, prefix + name, shape, dtype, where=where))
            for name, shape in shapes.items()
        }
    )
