"""Network: layers, and the arrays of their parameters by name.

Answers for building, fitting, predicting, evaluating, saving and printing. Not for: engines,
text or categories (``limpide.model``), or how a step works (``limpide.training``).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

import numpy as np

from limpide import engines, storage
from limpide.activations import Activation, activation_name, is_known, resolve_activation
from limpide.arrays import (
    as_matrix,
    as_rows,
    as_targets,
    as_weights,
    is_one_row,
    with_class_weight,
)
from limpide.callbacks import as_callbacks
from limpide.conversion import check_finite_scalar, convert
from limpide.errors import (
    ArgumentError,
    ArgumentTypeError,
    LimpideError,
    ModelFileError,
    nearest,
)
from limpide.generator import Generator, fixed_source
from limpide.history import History
from limpide.ir import NUMPY_DTYPES, Array, Graph, Spec, dtype_name, layer_scope, spec_of
from limpide.keywords import known_keywords
from limpide.layers import (
    Dense,
    Layer,
    ParameterSpec,
    Placed,
    check_flag,
    check_size,
    forward,
    place,
    resolve_layers,
)
from limpide.losses import Loss, resolve_loss
from limpide.memory import check_parameters, check_step
from limpide.ops import sigmoid, softmax
from limpide.optimizers import Optimizer, resolve_optimizer
from limpide.parameters import Parameters
from limpide.progress import progress_bar
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
from limpide.tensor import Tensor, Tracing, Variable, tracing_into, unify
from limpide.training import Data, StepPlan, Trainer, build_loop, rows_a_step, split, trace_loss

_BLOCK = 1024  # rows that predict and evaluate take at a time
_KEPT = 16  # compiled graphs kept a network


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
        self._generator = Generator(seed)  # for calls with training=True
        self._forget()

    def _forget(self) -> None:
        self._lock = threading.RLock()
        self._compiled: dict[Any, Any] = {}
        self._variables: dict[int, Variable] = {}

    def _parameters(self) -> dict[str, ParameterSpec]:
        return {
            f"{name}.{key}": spec
            for name, layer, inputs, _ in self.placed
            for key, spec in layer.parameters(inputs).items()
        }

    def _first_state(self) -> dict[str, Array]:
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
        self._params, self._state = Parameters(arrays), Parameters(self._first_state())

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

    # Prediction -------------------------------------------------------------------------------

    @property
    def output_activation(self) -> Activation:
        """The activation of the last layer."""
        last = self.placed[-1].layer
        return last.function if isinstance(last, Dense) else resolve_activation("linear")

    @known_keywords
    def __call__(self, x: Any, *, training: bool = False) -> Tensor:
        """Give the output as a Tensor, through ops: tapes and traces see it.

        With ``training``, Dropout draws new bits at each call, by the network's seed, and
        BatchNorm takes the batch's statistics and moves its running ones.
        """
        check_flag(training, "training")
        (tensor,) = unify([x], dtype=self._dtype)
        single = is_one_row(tensor.shape, self.n_inputs)
        rows = tensor[None] if single else tensor
        params, state = self._shared(self.params), self._shared(self.state)
        context = self._generator.source()[:2] if training else None
        z, activation, new = forward(self.placed, params, state, rows, context)
        y = activation(z)
        for name, value in new.items():
            if value is not state[name]:
                state[name].assign(value)
        if single:
            return y[0, 0] if self.n_outputs == 1 else y[0]
        return y

    @known_keywords
    def predict(self, X: Any) -> Any:
        """Give the outputs, ``dtype[n, outputs]``.

        One row (an array of one axis) drops the row axis; one output of one row is a float.

        Raises
        ------
        ShapeError, DtypeError, DataError
            Where X does not fit; see ``fit``.
        """
        missing = self._takes_missing
        rows, single = as_rows(X, self.n_inputs, self._dtype, missing=missing)
        return self._shaped(self._outputs(rows), single)

    feedforward = predict

    def _shaped(self, y: Array, single: bool) -> Any:
        if not single:
            return y
        return float(y[0, 0]) if self.n_outputs == 1 else y[0]

    def sums(self, X: Any) -> Array:
        """Give the sums of the last layer before its activation, ``dtype[n, outputs]``."""
        rows, _ = as_rows(X, self.n_inputs, self._dtype, missing=self._takes_missing)
        return self._outputs(rows, activated=False)

    def _outputs(self, X: Array, engine: str | None = None, activated: bool = True) -> Array:
        result = np.empty((len(X), self.n_outputs), self.dtype)
        values = [*self.params.values(), *self.state.values()]
        for start, stop in _blocks(len(X)):
            key = ("predict", stop - start, engine, activated)
            run = self._compile(key, engine, stop - start, activated)
            result[start:stop] = run([*values, X[start:stop]])[0]
        return result

    def _compile(
        self, key: Any, engine: str | None, rows: int, activated: bool = True
    ) -> engines.Run:
        return cast(
            engines.Run,
            self._cached(key, lambda: engines.get(engine).compile(self.graph(rows, activated))),
        )

    def _cached(self, key: Any, make: Any) -> Any:
        with self._lock:
            if key not in self._compiled:
                made = make()
                while len(self._compiled) >= _KEPT:
                    del self._compiled[next(iter(self._compiled))]
                self._compiled[key] = made
            return self._compiled[key]

    @known_keywords
    def graph(self, rows: int = 1, activated: bool = True) -> Graph:
        """Give the traced graph of the network outside of training, for a number of rows.

        Without ``activated`` its output is the last layer's sum.
        """
        rows = check_size(rows, "rows")
        tracing = Tracing("network")
        params = {n: tracing.argument(spec_of(a), n) for n, a in self.params.items()}
        state = {n: tracing.argument(spec_of(a), n) for n, a in self.state.items()}
        x = tracing.argument(Spec((rows, self.n_inputs), self._dtype), "X")
        with tracing_into(tracing):
            z, activation, _ = forward(
                self.placed, cast("dict[str, Tensor]", params), cast("dict[str, Tensor]", state), x
            )
            with layer_scope(self.placed[-1].name):
                y = tracing.lift(activation(z) if activated else z).node
        return tracing.trace.finish([y], ["output"])

    # Training ---------------------------------------------------------------------------------

    @known_keywords
    def fit(
        self,
        X: Any,
        y: Any,
        *,
        loss: str | Loss | None = None,
        optimizer: str | Optimizer | None = None,
        epochs: int = 20,
        batch_size: int | None = None,
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
        batch_size
            Rows a step; None: 32, or all where there are fewer.
        validation
            (Xv, yv), or the share of the rows, drawn by the seed, that is held out.
        sample_weight, class_weight
            A weight a row; a dict class → weight, or ``"balanced"``, for the training rows alone.
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
        epochs = check_size(epochs, "epochs")
        if batch_size is not None:
            batch_size = check_size(batch_size, "batch_size")
        check_flag(shuffle, "shuffle")
        check_flag(progress or False, "progress")
        frozen = self._frozen(freeze)
        number = check_seed(seed)
        watched = as_callbacks(callbacks)
        data = self._data(X, y, resolved, sample_weight)
        data, validate = self._validation(validation, data, resolved, number, engine)
        data.weights = with_class_weight(class_weight, data.y, data.weights, self._dtype, data.rows)
        batch_size = rows_a_step(batch_size, data.n_rows)
        widths = [n for p in self.placed for n in (p.inputs, p.outputs)]
        check_step(batch_size, sum(widths), self.dtype.itemsize)
        plan = StepPlan(self.placed, resolved, chosen, frozen, data.weights is not None)
        trainer = Trainer(
            plan=plan,
            params=self.params,
            state=self.state,
            data=data,
            batch_size=batch_size,
            epochs=epochs,
            seed=number,
            shuffle=bool(shuffle),
            engine=engine,
            run_loop=self._loop(plan, data, batch_size, engine),
            validate=validate,
            callbacks=watched,
        )
        trainer.begin(self)
        self._last_loss = resolved
        with progress_bar(progress, epochs) as bar:
            if bar is not None:
                trainer.callbacks = [*trainer.callbacks, bar]
                trainer.watch = bar.tick
            return trainer.fit()

    def _loop(
        self, plan: StepPlan, data: Data, batch_size: int, engine: str | None
    ) -> engines.RunLoop:
        rest = data.n_rows % batch_size
        key = ("fit", engine, plan.key(), batch_size, rest, data.y.ndim)
        return cast(
            engines.RunLoop,
            self._cached(
                key,
                lambda: engines.get(engine).compile_loop(
                    build_loop(plan, self.params, self.state, data, batch_size)
                ),
            ),
        )

    def _frozen(self, freeze: Sequence[str]) -> frozenset[str]:
        names = [freeze] if isinstance(freeze, str) else freeze
        if not isinstance(names, (list, tuple, set, frozenset)):
            raise ArgumentTypeError(f"freeze must be a list of names; received {freeze!r}.")
        if not self.params:
            raise ArgumentError(
                "The network has no parameters, so there is nothing to train. Add a layer that "
                "learns, such as lp.Dense(1)."
            )
        for name in names:
            if not isinstance(name, str) or name not in self.params:
                raise ArgumentError(
                    f"freeze names {name!r}, which is no parameter; there are "
                    f"{', '.join(self.params)}.{nearest(name, self.params)}"
                )
        if len(set(names)) == len(self.params):
            raise ArgumentError("freeze names all parameters; leave at least one to train.")
        return frozenset(names)

    @property
    def _takes_missing(self) -> bool:
        return self.placed[0].layer.takes_missing

    def _data(
        self, X: Any, y: Any, loss: Loss, sample_weight: Any = None, prefix: str = ""
    ) -> Data:
        matrix = as_matrix(
            X, self.n_inputs, self._dtype, name=f"{prefix}X", missing=self._takes_missing
        )
        targets = as_targets(
            y,
            len(matrix),
            self.n_outputs,
            loss,
            self._dtype,
            rows_of=f"{prefix}X",
            name=f"{prefix}y",
        )
        return Data(matrix, targets, as_weights(sample_weight, len(matrix), self._dtype))

    def _validation(
        self, validation: Any, data: Data, loss: Loss, seed: int, engine: str | None
    ) -> tuple[Data, Any]:
        if validation is None:
            return data, None
        if isinstance(validation, (tuple, list)):
            if len(validation) != 2:
                raise ArgumentError(
                    f"validation is a pair (Xv, yv) or a share of the rows; received "
                    f"{len(validation)} members."
                )
            held = self._data(validation[0], validation[1], loss, prefix="validation ")
        else:
            data, held = split(data, validation, seed)
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

    @known_keywords
    def evaluate(
        self, X: Any, y: Any, *, loss: str | Loss | None = None, sample_weight: Any = None
    ) -> dict[str, float]:
        """Give the loss (default: the last fit's) and, for classes, the accuracy.

        There is an accuracy where the output is sigmoid and y holds 0 and 1, and where it is
        softmax and y holds class numbers or one-hot rows; the loss has no say in it.

        >>> import limpide as lp
        >>> net = lp.Network([2, 1], output="sigmoid", seed=0)
        >>> sorted(net.evaluate([[0, 1], [1, 0]], [0, 1]))
        ['accuracy', 'loss']
        """
        resolved = resolve_loss(loss or self._last_loss, self.output_activation)
        data = self._data(X, y, resolved, sample_weight)
        figures = {"loss": self._loss(data, resolved)}
        hits = _hits(self.output_activation, lambda: self._outputs(data.X), data.y)
        if hits is not None:
            figures["accuracy"] = float(np.average(hits, weights=data.weights))
        return figures

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
    def from_stored(cls, tensors: Mapping[str, Array], config: Mapping[str, Any]) -> Network:
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
        state = {n: array.shape for n, array in network._first_state().items()}
        network._params = _stored(tensors, shapes, "params.", network.dtype)
        network._state = _stored(tensors, state, "state.", network.dtype)
        return network

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        del state["_lock"], state["_compiled"], state["_variables"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ |= state
        self._forget()

    def __str__(self) -> str:
        counted = f"{self.n_parameters:,} parameters, {self.dtype.name}"
        return f"{layer_table(self.placed)}\n{counted}"

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


def _blocks(n: int) -> Iterator[tuple[int, int]]:
    return ((start, min(start + _BLOCK, n)) for start in range(0, n, _BLOCK))


def _hits(activation: Activation, outputs: Callable[[], Array], y: Array) -> Array | None:
    """Give for each row the share of outputs on the right side, or None where y has no classes."""
    if activation is sigmoid and ((y == 0) | (y == 1)).all():
        return np.asarray(((outputs() > 0.5) == (y > 0.5)).mean(axis=1))
    if activation is softmax and y.ndim == 1:
        return np.asarray(outputs().argmax(axis=1) == y)
    if activation is softmax and ((y == 0) | (y == 1)).all() and (y.sum(axis=1) == 1).all():
        return np.asarray(outputs().argmax(axis=1) == y.argmax(axis=1))
    return None


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
