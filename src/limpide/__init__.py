"""limpide: neural networks that you can see through.

Answers for the public names, loaded when first used (PEP 562); importing the package loads
NumPy and nothing heavier. Not for: any code of its own.
"""

from __future__ import annotations

import importlib
import os
from typing import Any

__version__ = "0.1.0"

# As this process was started with it: Dask sets it in the process that starts workers, for these,
# and leaves it there.
_THREADS_TOLD = os.environ.get("OMP_NUM_THREADS", "")

_ROOMS: dict[str, tuple[str, ...]] = {
    "check": ("check_engines", "gradcheck"),
    "explain.doctor.watching": ("Doctor",),
    "errors": (
        "ArgumentError",
        "ArgumentTypeError",
        "CheckpointError",
        "CompileError",
        "DataError",
        "DivergenceError",
        "DtypeError",
        "FileError",
        "LimpideError",
        "LimpideWarning",
        "MemoryLimitError",
        "MissingExtraError",
        "ModelFileError",
        "NameKeyError",
        "ShapeError",
        "TraceError",
    ),
    "activations": ("elu", "gelu", "leaky_relu", "linear", "mish", "selu", "silu"),
    "callbacks": ("Callback", "EarlyStopping", "Measuring", "Metric", "Run"),
    "checkpoints": ("Checkpoint",),
    "estimators": ("Classifier", "Regressor"),
    "generator": ("Generator",),
    "history": ("History",),
    "initializers": ("Initializer", "glorot", "he", "lecun", "normal", "uniform", "zeros"),
    "ir": ("Graph", "Spec"),
    "joining": ("processes",),
    "layers": ("BatchNorm", "Dense", "Dropout", "Embedding", "Layer", "LayerNorm"),
    "losses": ("Huber", "Loss", "bce", "cross_entropy", "huber", "mae", "mse", "poisson"),
    "many": ("ManyNetworks", "fit_many"),
    "model": ("Model", "load"),
    "network": ("Network",),
    "neuron": ("Neuron",),
    "optimizers": ("SGD", "Adagrad", "Adam", "AdamW", "Optimizer", "RMSProp"),
    "schedules": ("Cosine", "ExponentialDecay", "Linear", "Schedule", "StepDecay"),
    "tensor": ("Tensor", "Variable"),
    "table_training": ("train",),
    "tape": ("GradientTape", "grad", "value_and_grad"),
    "threads": ("limit_threads",),
    "tracing": ("function",),
    "ops": (
        "abs",
        "add",
        "argmax",
        "broadcast_to",
        "cast",
        "concatenate",
        "cos",
        "divide",
        "equal",
        "erf",
        "exp",
        "expm1",
        "floor",
        "gather",
        "iota",
        "less",
        "less_equal",
        "log",
        "log1p",
        "log_softmax",
        "logical_and",
        "logical_not",
        "logical_or",
        "logsumexp",
        "matmul",
        "max",
        "maximum",
        "mean",
        "min",
        "minimum",
        "multiply",
        "negative",
        "not_equal",
        "one_hot",
        "ones_like",
        "pad",
        "power",
        "reshape",
        "scatter_add",
        "relu",
        "sigmoid",
        "sign",
        "softmax",
        "softplus",
        "tanh",
        "sin",
        "sqrt",
        "square",
        "stack",
        "stop_gradient",
        "subtract",
        "sum",
        "transpose",
        "variance",
        "where",
        "zeros_like",
    ),
}
_HOME = {name: room for room, names in _ROOMS.items() for name in names}
_MODULES = (
    "bench",
    "checkpoints",
    "datasets",
    "effects",
    "engines",
    "experiments",
    "explain",
    "exports",
    "joining",
    "launching",
    "memory",
    "metrics",
    "model",
    "plots",
    "reporting",
    "reports",
    "spam",
    "storage",
    "table_training",
    "tables",
    "terminal",
)

__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        if _HOME[name] in ("tensor", "tracing"):
            # Operators are ops: x + y works with nothing else loaded.
            importlib.import_module("limpide.ops")
        value = getattr(importlib.import_module(f"limpide.{_HOME[name]}"), name)
    elif name in _MODULES:
        value = importlib.import_module(f"limpide.{name}")
    else:
        raise AttributeError(f"module 'limpide' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, *_MODULES])
