"""Network: layers, and the arrays of their parameters by name.

Answers for building, fitting, predicting, evaluating, saving and printing. Not for: engines,
text or categories (``limpide.model``), or how a step works (``limpide.training``).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import numpy as np

from limpide import engines, storage
from limpide.activations import Activation, activation_name, is_known, resolve_activation
from limpide.arrays import as_matrix, as_targets, as_weights, one_row, with_class_weight
from limpide.callbacks import as_callbacks
from limpide.errors import (
    ArgumentError,
    ArgumentTypeError,
    MemoryLimitError,
    ModelFileError,
    ShapeError,
    nearest,
)
from limpide.history import History
from limpide.ir import NUMPY_DTYPES, Array, Graph, Spec, dtype_name, spec_of
from limpide.layers import Dense, Layer, Placed, check_size, forward, place
from limpide.losses import BCE, CrossEntropy, Loss, resolve_loss
from limpide.optimizers import Optimizer, resolve_optimizer
from limpide.progress import progress_bar
from limpide.rng import check_seed
from limpide.scalars import Scalars
from limpide.storage.layers import layers_from_config, layers_to_config
from limpide.tensor import Tensor, Tracing, Variable, tracing_into, unify
from limpide.training import Data, Recipe, Trainer, build_loop, trace_loss

_BLOCK = 1024  # rows that predict and evaluate take at a time
_KEPT = 16  # compiled graphs kept a network


class Parameters(dict[str, Array]):
    """A dict of arrays that keep their identity: setting an item writes into its array."""

    def __setitem__(self, name: str, value: Any) -> None:
        if name not in self:
            raise ArgumentError(f"No parameter is named {name!r}.{nearest(name, self)}")
        array = np.asarray(value)
        if array.shape not in ((), self[name].shape):
            raise ShapeError(
                f"{name} has shape {list(self[name].shape)}; received {list(array.shape)}."
            )
        self[name][...] = array

    def __reduce__(self) -> tuple[Any, ...]:
        # A copy starts from all arrays at once: there is none yet to write into.
        return Parameters, (dict(self),)


class Network:
    """A network of layers.

    Parameters
    ----------
    layers
        The number of inputs, then layers; a whole number n is ``Dense(n)``.
    activation, output
        For Dense layers that name none: ``output`` for the last layer, ``activation`` otherwise.
    dtype
        ``"float32"`` or ``"float64"``.
    seed
        For the first weights; None takes a fresh one.

    Attributes
    ----------
    params
        Name → array, such as ``"hidden1.weights"`` (inputs, neurons).
    state
        Name → array: what is kept but not trained, such as running statistics.

    Examples
    --------
    >>> import limpide as lp
    >>> net = lp.Network([2, 2, 1], activation="sigmoid", output="sigmoid", dtype="float64", seed=0)
    >>> list(net.params)
    ['hidden1.weights', 'hidden1.bias', 'output.weights', 'output.bias']
    """

    def __init__(
        self,
        layers: Sequence[int | Layer],
        activation: str | Activation = "relu",
        output: str | Activation = "linear",
        dtype: object = "float32",
        seed: int | None = None,
    ) -> None:
        self._dtype = _float_name(dtype)
        self.seed = check_seed(seed)
        inputs, built = _resolve(layers, activation, output)
        self.placed: tuple[Placed, ...] = tuple(place(built, inputs))
        self.n_inputs = inputs
        self.n_outputs = self.placed[-1].outputs
        self.params = Parameters()
        self.state = Parameters()
        self._check_memory()
        self._initialize()
        self._setup()

    def _setup(self) -> None:
        self._compiled: dict[Any, Any] = {}
        self._variables: dict[str, Variable] = {}
        self._last: tuple[Loss, Optimizer] | None = getattr(self, "_last", None)

    def _check_memory(self) -> None:
        count = sum(
            int(np.prod([float(n) for n in spec.shape]))
            for p in self.placed
            for spec in p.layer.parameters(p.inputs).values()
        )
        needed = 4 * count * NUMPY_DTYPES[self._dtype].itemsize  # weights, gradient, two slots
        present = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        if needed > present:
            raise MemoryLimitError(
                f"A network with {count:,} parameters needs about {needed / 2**30:,.0f} GiB to "
                f"train, and this machine has {present / 2**30:,.0f} GiB. Choose smaller layers."
            )

    def _initialize(self) -> None:
        numpy_dtype, stream = NUMPY_DTYPES[self._dtype], 0
        for name, layer, inputs, _ in self.placed:
            for key, spec in layer.parameters(inputs).items():
                drawn = spec.initializer.draw(self.seed, stream, spec.shape, self._dtype)
                dict.__setitem__(self.params, f"{name}.{key}", np.ascontiguousarray(drawn.numpy()))
                stream += 1
            for key, value in layer.state(inputs).items():
                array = np.array(value, numpy_dtype, order="C")
                dict.__setitem__(self.state, f"{name}.{key}", array)

    # Parameters -------------------------------------------------------------------------------

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
        for name, array in self.params.items():
            if name not in self._variables:
                self._variables[name] = Variable.sharing(array, name)
        return [self._variables[name] for name in self.params]

    @property
    def scalars(self) -> Scalars:
        """The scalar names of all parameters: w1, …, b1, …, ``hidden2.scale[3]``."""
        dense = {p.name for p in self.placed if isinstance(p.layer, Dense)}
        return Scalars({name: array.shape for name, array in self.params.items()}, dense)

    def get(self, name: str) -> float:
        """Give one parameter by its scalar name, such as ``"w1"``."""
        key, index = self.scalars.locate(name)
        return float(self.params[key][index])

    def set(self, name: str, value: float) -> None:
        """Set one parameter by its scalar name."""
        key, index = self.scalars.locate(name)
        self.params[key][index] = value

    # Prediction -------------------------------------------------------------------------------

    @property
    def output_activation(self) -> Activation:
        """The activation of the last layer."""
        last = self.placed[-1].layer
        return last.function if isinstance(last, Dense) else resolve_activation("linear")

    def __call__(self, x: Any) -> Tensor:
        """Give the output as a Tensor, through ops: tapes and traces see it."""
        (tensor,) = unify([x], dtype=self._dtype)
        single = tensor.ndim == 1 and tensor.shape[0] == self.n_inputs
        rows = tensor[None] if single else tensor
        params = dict(zip(self.params, self.variables, strict=True))
        state = {name: Tensor(array) for name, array in self.state.items()}
        z, activation, _ = forward(self.placed, cast("dict[str, Tensor]", params), state, rows)
        y = activation(z)
        if single:
            return y[0, 0] if self.n_outputs == 1 else y[0]
        return y

    def predict(self, X: Any) -> Any:
        """Give the outputs, ``dtype[n, outputs]``.

        One row (an array of one axis) drops the row axis; one output of one row is a float.

        Raises
        ------
        ShapeError, DtypeError, DataError
            Where X does not fit; see ``fit``.
        """
        single = one_row(X, self.n_inputs)
        rows = np.asarray(X)[None] if single else X
        return self._shaped(self._outputs(self._matrix(rows)), single)

    feedforward = predict

    def _shaped(self, y: Array, single: bool) -> Any:
        if not single:
            return y
        return float(y[0, 0]) if self.n_outputs == 1 else y[0]

    def _outputs(self, X: Array, engine: str | None = None) -> Array:
        result = np.empty((len(X), self.n_outputs), self.dtype)
        values = [*self.params.values(), *self.state.values()]
        for start, stop in _blocks(len(X)):
            run = self._compile(("predict", stop - start, engine), engine, stop - start)
            result[start:stop] = run([*values, X[start:stop]])[0]
        return result

    def _compile(self, key: Any, engine: str | None, rows: int) -> engines.Run:
        return cast(
            engines.Run,
            self._cached(key, lambda: engines.get(engine).compile(self.graph(rows))),
        )

    def _cached(self, key: Any, make: Any) -> Any:
        if key not in self._compiled:
            while len(self._compiled) >= _KEPT:
                del self._compiled[next(iter(self._compiled))]
            self._compiled[key] = make()
        return self._compiled[key]

    def graph(self, rows: int = 1) -> Graph:
        """Give the traced graph of the network outside of training, for a number of rows."""
        tracing = Tracing("network")
        params = {n: tracing.argument(spec_of(a), n) for n, a in self.params.items()}
        state = {n: tracing.argument(spec_of(a), n) for n, a in self.state.items()}
        x = tracing.argument(Spec((rows, self.n_inputs), self._dtype), "X")
        with tracing_into(tracing):
            z, activation, _ = forward(
                self.placed, cast("dict[str, Tensor]", params), cast("dict[str, Tensor]", state), x
            )
            y = tracing.lift(activation(z)).node
        return tracing.trace.finish([y], ["output"])

    # Training ---------------------------------------------------------------------------------

    def fit(
        self,
        X: Any,
        y: Any,
        *,
        loss: str | Loss | None = None,
        optimizer: str | Optimizer | None = None,
        epochs: int = 20,
        batch_size: int = 32,
        shuffle: bool = True,
        validation: Any = None,
        sample_weight: Any = None,
        class_weight: Any = None,
        callbacks: Any = None,
        freeze: Sequence[str] = (),
        engine: str | None = None,
        seed: int | None = 0,
        progress: bool | None = None,
    ) -> History:
        """Train on rows X and targets y; a second fit goes on from the weights of the first.

        Parameters
        ----------
        X, y
            [n, inputs] and [n], [n, outputs], or class numbers for a softmax output.
        loss
            A name or a loss; None: sigmoid → bce, softmax → cross_entropy, else mse.
        optimizer
            None is ``lp.Adam(0.001)``.
        validation
            (Xv, yv), or the share of the rows, drawn by the seed, that is held out.
        sample_weight, class_weight
            A weight a row; a dict class → weight, or ``"balanced"``.
        callbacks
            Functions or ``lp.Callback`` objects, called after each epoch.
        freeze
            Names of parameters that stay as they are.
        engine
            None is the fastest installed.
        seed
            For the order of rows and for dropout; None takes a fresh one.
        progress
            Show a bar; None: on a terminal, for what takes longer than a second.

        Raises
        ------
        DivergenceError
            When the loss is no longer finite; the last finite weights are restored.

        Notes
        -----
        After Ctrl-C fit returns, and ``history.interrupted`` is True.
        """
        resolved = resolve_loss(loss, self.output_activation)
        chosen = resolve_optimizer(optimizer)
        epochs, batch_size = check_size(epochs, "epochs"), check_size(batch_size, "batch_size")
        frozen = self._frozen(freeze)
        number = check_seed(seed)
        data = self._data(X, y, resolved, sample_weight, class_weight)
        data, validate = self._validation(validation, data, resolved, number, engine)
        batch_size = _clamped(batch_size, data.n_rows)
        recipe = Recipe(self.placed, resolved, chosen, frozen, data.weights is not None)
        rest = data.n_rows % batch_size
        key = ("fit", engine, recipe.key(), batch_size, rest, data.y.ndim)
        run_loop = self._cached(
            key,
            lambda: engines.get(engine).compile_loop(
                build_loop(recipe, self.params, self.state, data, batch_size)
            ),
        )
        trainer = Trainer(
            recipe=recipe,
            params=self.params,
            state=self.state,
            data=data,
            batch_size=batch_size,
            epochs=epochs,
            seed=number,
            shuffle=bool(shuffle),
            engine=engine,
            run_loop=run_loop,
            validate=validate,
            callbacks=as_callbacks(callbacks),
        )
        self._last = (resolved, chosen)
        with progress_bar(progress, epochs) as bar:
            if bar is not None:
                trainer.callbacks = [*trainer.callbacks, bar]
                trainer.watch = bar.tick
            return trainer.fit(self)

    def _frozen(self, freeze: Sequence[str]) -> frozenset[str]:
        names = [freeze] if isinstance(freeze, str) else list(freeze)
        for name in names:
            if name not in self.params:
                raise ArgumentError(
                    f"freeze names {name!r}, which is no parameter; there are "
                    f"{', '.join(self.params)}.{nearest(name, self.params)}"
                )
        if len(set(names)) == len(self.params):
            raise ArgumentError("freeze names all parameters; leave at least one to train.")
        return frozenset(names)

    def _matrix(self, X: Any) -> Array:
        missing = self.placed[0].layer.takes_missing
        return as_matrix(X, self.n_inputs, self._dtype, missing=missing)

    def _data(
        self, X: Any, y: Any, loss: Loss, sample_weight: Any = None, class_weight: Any = None
    ) -> Data:
        matrix = self._matrix(X)
        targets = as_targets(y, len(matrix), self.n_outputs, loss, self._dtype)
        weights = as_weights(sample_weight, len(matrix), self._dtype)
        weights = with_class_weight(class_weight, targets, weights, self._dtype)
        return Data(matrix, targets, weights)

    def _validation(
        self, validation: Any, data: Data, loss: Loss, seed: int, engine: str | None
    ) -> tuple[Data, Any]:
        if validation is None:
            return data, None
        if isinstance(validation, (tuple, list)) and len(validation) == 2:
            held = self._data(validation[0], validation[1], loss)
        else:
            data, held = _split(data, validation, seed)
        return data, lambda: self._loss(held, loss, engine)

    def _loss(self, data: Data, loss: Loss, engine: str | None = None) -> float:
        values = [*self.params.values(), *self.state.values()]
        total, weight = 0.0, 0.0
        for start, stop in _blocks(data.n_rows):
            at = slice(start, stop) if data.rows is None else data.rows[start:stop]
            rows = [a[at] for a in data.arrays()]
            specs = [spec_of(a) for a in rows]
            run = self._cached(
                ("loss", loss, engine, tuple(specs)),
                lambda specs=specs: engines.get(engine).compile(
                    trace_loss(self.placed, loss, self.params, self.state, specs)
                ),
            )
            share = float(rows[2].sum(dtype=np.float64)) if len(rows) > 2 else stop - start
            total += float(run([*values, *rows])[0]) * share
            weight += share
        return total / weight if weight else 0.0

    def evaluate(
        self, X: Any, y: Any, *, loss: str | Loss | None = None, sample_weight: Any = None
    ) -> dict[str, float]:
        """Give the loss (default: the last fit's) and, for classes, the accuracy.

        >>> import limpide as lp
        >>> net = lp.Network([2, 1], output="sigmoid", seed=0)
        >>> sorted(net.evaluate([[0, 1], [1, 0]], [0, 1]))
        ['accuracy', 'loss']
        """
        if loss is None and self._last is not None:
            loss = self._last[0]
        resolved = resolve_loss(loss, self.output_activation)
        data = self._data(X, y, resolved, sample_weight)
        figures = {"loss": self._loss(data, resolved)}
        if isinstance(resolved, (BCE, CrossEntropy)):
            outputs = self._outputs(data.X)
            if isinstance(resolved, BCE):
                hits = ((outputs > 0.5) == (data.y > 0.5)).mean(axis=1)
            else:
                classes = data.y if data.y.ndim == 1 else data.y.argmax(axis=1)
                hits = outputs.argmax(axis=1) == classes
            figures["accuracy"] = float(np.average(hits, weights=data.weights))
        return figures

    # Files, copies, text ----------------------------------------------------------------------

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
                    "file can only name limpide's activations."
                )
        return {
            "kind": "network",
            "dtype": self._dtype,
            "inputs": self.n_inputs,
            "seed": self.seed,
            "layers": layers_to_config(self.placed),
        }

    @classmethod
    def from_stored(cls, tensors: Mapping[str, Array], config: Mapping[str, Any]) -> Network:
        """Build a network from what a model file holds."""
        inputs, dtype, seed, layers = layers_from_config(config)
        try:
            network = cls([inputs, *layers], dtype=NUMPY_DTYPES[dtype], seed=seed)
        except (ArgumentError, ArgumentTypeError) as error:
            raise ModelFileError(f"The model file describes a wrong network: {error}") from None
        for own, prefix in ((network.params, "params."), (network.state, "state.")):
            for name, array in own.items():
                stored = tensors.get(prefix + name)
                if stored is None or stored.shape != array.shape or stored.dtype != array.dtype:
                    raise ModelFileError(f"The model file lacks a right tensor {prefix + name!r}.")
                array[...] = stored
        return network

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        del state["_compiled"], state["_variables"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ |= state
        self._setup()

    def __str__(self) -> str:
        rows = [("layer", "kind", "in", "out", "parameters")]
        for p in self.placed:
            count = sum(int(np.prod(s.shape)) for s in p.layer.parameters(p.inputs).values())
            rows.append((p.name, p.layer.describe(), str(p.inputs), str(p.outputs), f"{count:,}"))
        widths = [max(len(row[i]) for row in rows) for i in range(5)]
        lines = [
            "  ".join(
                cell.ljust(w) if i < 2 else cell.rjust(w)
                for i, (cell, w) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        ]
        lines.insert(1, "─" * (sum(widths) + 8))
        return "\n".join([*lines, f"{self.n_parameters:,} parameters, {self.dtype.name}"])

    def __repr__(self) -> str:
        sizes = [self.n_inputs, *(p.outputs for p in self.placed)]
        return f"<Network {'-'.join(map(str, sizes))}: {self.n_parameters:,} parameters>"


def _float_name(dtype: object) -> str:
    name = dtype_name(dtype)
    if name not in ("f32", "f64"):
        raise ArgumentError(f"dtype must be 'float32' or 'float64'; received {dtype!r}.")
    return name


def _resolve(
    layers: Sequence[int | Layer], activation: str | Activation, output: str | Activation
) -> tuple[int, list[Layer]]:
    if isinstance(layers, (int, str)) or not isinstance(layers, Sequence) or len(layers) < 2:
        raise ArgumentError(
            "layers must list the number of inputs and at least one layer, such as [2, 8, 1]; "
            f"received {layers!r}."
        )
    inputs = check_size(layers[0], "layers[0], the number of inputs,")
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


def _blocks(n: int) -> Iterator[tuple[int, int]]:
    return ((start, min(start + _BLOCK, n)) for start in range(0, n, _BLOCK))


def _clamped(batch_size: int, n_rows: int) -> int:
    return min(batch_size, n_rows)


def _split(data: Data, share: Any, seed: int) -> tuple[Data, Data]:
    if isinstance(share, bool) or not isinstance(share, (int, float)):
        raise ArgumentTypeError(
            f"validation must be (Xv, yv) or a share between 0 and 1; received {share!r}."
        )
    if not 0 < share < 1:
        raise ArgumentError(f"validation is a share between 0 and 1; received {share!r}.")
    n = data.n_rows
    held = min(max(round(share * n), 1), n - 1)
    if n < 2:
        raise ArgumentError("validation needs at least 2 rows to split.")
    order = np.random.Generator(np.random.Philox(seed)).permutation(n)
    first, second = np.sort(order[held:]), np.sort(order[:held])
    return Data(data.X, data.y, data.weights, first), Data(data.X, data.y, data.weights, second)
