"""How NumPy, PyTorch and Keras call what a program does: a row an op, a column a library.

Answers for the words. Not for: operators, indices and shapes, which all three write alike
(``array_code``), nor for files (``array_files``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from limpide.exports.values import Value

_DTYPES = {
    "f32": "float32",
    "f64": "float64",
    "i32": "int32",
    "i64": "int64",
    "u32": "uint32",
    "bool": "bool",
}

# op: (NumPy, PyTorch, Keras). A bare name is a helper that the file defines.
CALLS: dict[str, tuple[str, str, str]] = {
    "abs": ("np.abs", "torch.abs", "ops.abs"),
    "clip": ("np.clip", "torch.clamp", "ops.clip"),
    "cos": ("np.cos", "torch.cos", "ops.cos"),
    "elu": ("elu", "F.elu", "ops.elu"),
    "erf": ("erf", "torch.erf", "ops.erf"),
    "exp": ("np.exp", "torch.exp", "ops.exp"),
    "expm1": ("np.expm1", "torch.expm1", "ops.expm1"),
    "floor": ("np.floor", "torch.floor", "ops.floor"),
    "gelu": ("gelu", "F.gelu", "gelu"),
    "leaky_relu": ("leaky_relu", "F.leaky_relu", "leaky_relu"),
    "log": ("np.log", "torch.log", "ops.log"),
    "log1p": ("np.log1p", "torch.log1p", "ops.log1p"),
    "log_softmax": ("log_softmax", "torch.log_softmax", "ops.log_softmax"),
    "logical_and": ("np.logical_and", "torch.logical_and", "ops.logical_and"),
    "logical_not": ("np.logical_not", "torch.logical_not", "ops.logical_not"),
    "logical_or": ("np.logical_or", "torch.logical_or", "ops.logical_or"),
    "logsumexp": ("logsumexp", "torch.logsumexp", "ops.logsumexp"),
    "max": ("np.max", "torch.amax", "ops.max"),
    "maximum": ("np.maximum", "torch.maximum", "ops.maximum"),
    "mean": ("np.mean", "torch.mean", "ops.mean"),
    "minimum": ("np.minimum", "torch.minimum", "ops.minimum"),
    "mish": ("mish", "F.mish", "mish"),
    "relu": ("relu", "torch.relu", "ops.relu"),
    "selu": ("selu", "F.selu", "ops.selu"),
    "sigmoid": ("sigmoid", "torch.sigmoid", "ops.sigmoid"),
    "sign": ("np.sign", "torch.sign", "ops.sign"),
    "silu": ("silu", "F.silu", "ops.silu"),
    "sin": ("np.sin", "torch.sin", "ops.sin"),
    "softmax": ("softmax", "torch.softmax", "ops.softmax"),
    "softplus": ("softplus", "softplus", "softplus"),
    "sqrt": ("np.sqrt", "torch.sqrt", "ops.sqrt"),
    "sum": ("np.sum", "torch.sum", "ops.sum"),
    "tanh": ("np.tanh", "torch.tanh", "ops.tanh"),
}

_NUMPY_HELPERS = {
    "relu": '''def relu(x):
    """Keep what is positive, else 0."""
    return np.maximum(x, 0)
''',
    "sigmoid": '''def sigmoid(x):
    """Give 1 / (1 + exp(-x)), without overflow."""
    power = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, power) / (1 + power)
''',
    "softplus": '''def softplus(x):
    """Give log(1 + exp(x)), without overflow."""
    return np.logaddexp(x, 0).astype(x.dtype)
''',
    "erf": '''def erf(x):
    """Give the error function, 2 / sqrt(pi) times the integral of exp(-t * t) from 0 to x."""
    return np.vectorize(math.erf, otypes=[float])(x).astype(x.dtype)
''',
    "softmax": '''def softmax(x, axis):
    """Give positive numbers that sum to 1 along an axis."""
    powers = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return powers / np.sum(powers, axis=axis, keepdims=True)
''',
    "log_softmax": '''def log_softmax(x, axis):
    """Give the logarithm of softmax."""
    return x - logsumexp(x, axis=axis, keepdims=True)
''',
    "logsumexp": '''def logsumexp(x, axis, keepdims=False):
    """Give log(sum(exp(x))), without overflow."""
    top = np.max(x, axis=axis, keepdims=True)
    shift = np.where(np.isfinite(top), top, 0)
    with np.errstate(divide="ignore"):
        y = np.log(np.sum(np.exp(x - shift), axis=axis, keepdims=True)) + shift
    return y if keepdims else np.squeeze(y, axis=axis)
''',
    "gelu": '''def gelu(x):
    """Give x times the share of a normal distribution below x."""
    return x * 0.5 * (erf(x * 0.7071067811865476) + 1)
''',
    "silu": '''def silu(x):
    """Give x * sigmoid(x)."""
    return x * sigmoid(x)
''',
    "mish": '''def mish(x):
    """Give x * tanh(softplus(x))."""
    return x * np.tanh(softplus(x))
''',
    "leaky_relu": '''def leaky_relu(x):
    """Keep what is positive, else a hundredth of it."""
    return np.where(x > 0, x, x * 0.01)
''',
    "elu": '''def elu(x):
    """Keep what is positive, else exp(x) - 1."""
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))
''',
    "selu": '''def selu(x):
    """Give elu so scaled that mean and variance stay from layer to layer."""
    negative = 1.6732632423543772 * np.expm1(np.minimum(x, 0))
    return 1.0507009873554805 * np.where(x > 0, x, negative)
''',
}
_TORCH_HELPERS = {
    "softplus": '''def softplus(x):
    """Give log(1 + exp(x)), without overflow."""
    return F.softplus(x, threshold=50)
''',
}
_KERAS_HELPERS = {
    "gelu": '''def gelu(x):
    """Give x times the share of a normal distribution below x."""
    return ops.gelu(x, approximate=False)
''',
    "leaky_relu": '''def leaky_relu(x):
    """Keep what is positive, else a hundredth of it."""
    return ops.where(x > 0, x, x * 0.01)
''',
    "mish": '''def mish(x):
    """Give x * tanh(softplus(x))."""
    return x * ops.tanh(softplus(x))
''',
    "softplus": '''def softplus(x):
    """Give log(1 + exp(x)), without overflow."""
    return ops.relu(x) + ops.log1p(ops.exp(-ops.abs(x)))
''',
    "maximum": '''def maximum(a, b):
    """Give the larger one; ops.maximum may round float64 to float32."""
    return ops.where(a > b, a, b)
''',
    "minimum": '''def minimum(a, b):
    """Give the smaller one; ops.minimum may round float64 to float32."""
    return ops.where(a < b, a, b)
''',
    "floor": '''def floor(x):
    """Round down; ops.floor may round float64 to float32."""
    return x // 1
''',
}
# A helper that calls others.
_CALLED = {
    "gelu": ("erf",),
    "log_softmax": ("logsumexp",),
    "mish": ("softplus",),
    "silu": ("sigmoid",),
}


@dataclass(frozen=True)
class Words:
    """The words of one library.

    Attributes
    ----------
    place
        Its column in ``CALLS``.
    helpers
        The source of functions that it lacks, by their names.
    before
        What stands before the name of one of the network's own arrays.
    """

    place: int
    module: str
    helpers: Mapping[str, str]
    before: str

    def own(self, name: str) -> str:
        return self.before + name

    def constant(self, name: str) -> str:
        """Give an array that a layer brings along, no parameter."""
        return self.own(name)

    def needs(self, op: str) -> list[str]:
        """Give the helpers that an op calls."""
        name = CALLS[op][self.place] if op in CALLS else ""
        if name not in self.helpers:
            return []
        called = [other for other in _CALLED.get(name, ()) if other in self.helpers]
        return [*called, name]

    def call(self, value: Value, texts: Sequence[str], helpers: set[str]) -> str:
        """Give the call of a function of the operands."""
        helpers.update(self.needs(value.op))
        name = CALLS[value.op][self.place]
        if value.op in ("softmax", "log_softmax"):
            axis = value.params["axis"]
            place = -1 if axis == value.rank - 1 else axis
            return f"{name}({texts[0]}, {self._axis(name)}={place})"
        return f"{name}({', '.join(texts)})"

    def _axis(self, name: str) -> str:
        return "dim" if name.startswith("torch.") else "axis"

    def reduce(self, value: Value, text: str, axis: str, keepdims: bool) -> str:
        name = CALLS[value.op][self.place]
        word = self._axis(name)
        kept = f", keep{word.replace('axis', 'dims')}=True" if keepdims else ""
        found = f"{name}({text}, {word}={axis}{kept})"
        # NumPy and PyTorch add 32-bit whole numbers up in 64 bits.
        whole = value.op == "sum" and value.dtype in ("i32", "u32")
        return self.cast(found, value.dtype) if whole else found

    def scalar(self, text: str, dtype: str) -> str:
        """Give a number that has a dtype."""
        raise NotImplementedError

    def cast(self, text: str, dtype: str) -> str:
        raise NotImplementedError

    def count(self, rows: str) -> str:
        """Give the number of rows."""
        return f"len({rows})"

    def broadcast(self, text: str, shape: str) -> str:
        return f"{self.module}.broadcast_to({text}, {shape})"

    def reshape(self, text: str, shape: str) -> str:
        return f"{self.module}.reshape({text}, {shape})"

    def transpose(self, text: str, order: str) -> str:
        return f"{self.module}.transpose({text}, {order})"

    def isnan(self, text: str) -> str:
        return f"{self.module}.isnan({text})"

    def where(self, texts: Sequence[str]) -> str:
        return f"{self.module}.where({', '.join(texts)})"

    def concatenate(
        self, parts: Sequence[str], axis: str, between: str = ", ", end: str = ""
    ) -> str:
        return f"{self.module}.concatenate([{between.join(parts)}{end}], axis={axis})"

    def take(self, text: str, indices: str, axis: int, rank: int) -> str:
        return f"{text}[{':, ' * axis}{indices}]"

    def arange(self, size: int, dtype: str) -> str:
        raise NotImplementedError

    def pad(self, text: str, pairs: Sequence[tuple[int, int]]) -> str:
        return f"{self.module}.pad({text}, {list(pairs)})"


class _NumpyWords(Words):
    def scalar(self, text: str, dtype: str) -> str:
        return f"np.{_DTYPES[dtype]}({text})"

    def cast(self, text: str, dtype: str) -> str:
        return f"{text}.astype({'bool' if dtype == 'bool' else f'np.{_DTYPES[dtype]}'})"

    def arange(self, size: int, dtype: str) -> str:
        return f"np.arange({size}, dtype=np.{_DTYPES[dtype]})"


class _TorchWords(Words):
    def call(self, value: Value, texts: Sequence[str], helpers: set[str]) -> str:
        known = [item.scalar() is not None for item in value.inputs]
        if value.op in ("maximum", "minimum") and any(known) and not all(known):
            tensor, bound = texts if known[1] else texts[::-1]
            word = "min" if value.op == "maximum" else "max"
            return f"torch.clamp({tensor}, {word}={bound})"
        return super().call(value, texts, helpers)

    def scalar(self, text: str, dtype: str) -> str:
        return f"torch.tensor({text}, dtype=torch.{_DTYPES[dtype]}, device=x.device)"

    def cast(self, text: str, dtype: str) -> str:
        return f"{text}.to(torch.{_DTYPES[dtype]})"

    def transpose(self, text: str, order: str) -> str:
        return f"torch.permute({text}, {order})"

    def concatenate(
        self, parts: Sequence[str], axis: str, between: str = ", ", end: str = ""
    ) -> str:
        return f"torch.cat([{between.join(parts)}{end}], dim={axis})"

    def arange(self, size: int, dtype: str) -> str:
        return f"torch.arange({size}, dtype=torch.{_DTYPES[dtype]}, device=x.device)"

    def pad(self, text: str, pairs: Sequence[tuple[int, int]]) -> str:
        # The last axis first.
        flat = [n for pair in reversed(pairs) for n in pair]
        return f"F.pad({text}, {flat})"


# JAX below Keras has no 64-bit whole numbers, and indices need none.
_KERAS_DTYPES = {**_DTYPES, "i64": "int32"}


class _KerasWords(Words):
    def call(self, value: Value, texts: Sequence[str], helpers: set[str]) -> str:
        # Below some backends Keras gives the results of these three in float32.
        if value.op in ("floor", "maximum", "minimum") and value.dtype == "f64":
            helpers.add(value.op)
            return f"{value.op}({', '.join(texts)})"
        return super().call(value, texts, helpers)

    def constant(self, name: str) -> str:
        return f"ops.convert_to_tensor({name})"

    def scalar(self, text: str, dtype: str) -> str:
        return f'ops.cast({text}, "{_KERAS_DTYPES[dtype]}")'

    def cast(self, text: str, dtype: str) -> str:
        return f'ops.cast({text}, "{_KERAS_DTYPES[dtype]}")'

    def count(self, rows: str) -> str:
        return f"ops.shape({rows})[0]"

    def take(self, text: str, indices: str, axis: int, rank: int) -> str:
        return f"ops.take({text}, {indices}, axis={axis})"

    def arange(self, size: int, dtype: str) -> str:
        return f'ops.arange({size}, dtype="{_KERAS_DTYPES[dtype]}")'


NUMPY: Words = _NumpyWords(0, "np", _NUMPY_HELPERS, "")
TORCH: Words = _TorchWords(1, "torch", _TORCH_HELPERS, "self.")
KERAS: Words = _KerasWords(2, "ops", _KERAS_HELPERS, "")
