"""Exported files, written and run: the same question asked of every kind of file.

Answers for loading source as a module and ONNX as a session. Not for: what the answers should be.
"""

from __future__ import annotations

import importlib.util
import itertools
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from limpide import engines
from limpide.exports.networks import Exported
from limpide.ir import Graph, Spec
from limpide.tensor import Tensor, Tracing, tracing_into

Array = npt.NDArray[Any]
KINDS = ("numpy", "python", "torch", "keras", "onnx")
SOURCES = KINDS[:-1]
_NEEDS = {"torch": "torch", "keras": "keras", "onnx": "onnxruntime"}
_count = itertools.count()


def need(kind: str) -> None:
    """Skip where the runtime of a kind of file is not installed."""
    if kind in _NEEDS:
        pytest.importorskip(_NEEDS[kind])
    if kind == "onnx":
        pytest.importorskip("onnx")


def name_of(kind: str) -> str:
    return f"exported_{kind}.onnx" if kind == "onnx" else f"exported_{kind}.py"


def module(path: Path) -> ModuleType:
    """Load a source file as a module of its own."""
    spec = importlib.util.spec_from_file_location(f"{path.stem}_{next(_count)}", path)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def session(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def outputs(path: Path, feeds: dict[str, Array]) -> dict[str, Array]:
    """Run an ONNX file and give its outputs by name."""
    run = session(path)
    names = [output.name for output in run.get_outputs()]
    return dict(zip(names, run.run(None, feeds), strict=True))


@contextmanager
def quiet(kind: str) -> Iterator[None]:
    """Leave out what NumPy 2 says of the code of Keras."""
    if kind != "keras":
        yield
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def predicted(path: Path, kind: str, X: Array) -> Array:
    """Give what the file of a bare network predicts."""
    if kind == "onnx":
        found = outputs(path, {"X": X})
        return found.get("prediction", found.get("probabilities"))
    with quiet(kind):
        return np.asarray(module(path).predict(X.tolist() if kind == "python" else X))


def traced(function: Callable[[Any], Tensor], inputs: int, dtype: str) -> Exported:
    """Make what is exported of a function ``f[n, inputs] → f[n, outputs]`` in ops."""

    def graph(rows: int) -> Graph:
        tracing = Tracing("function")
        x = tracing.argument(Spec((rows, inputs), dtype), "X")
        with tracing_into(tracing):
            y = tracing.lift(function(x)).node
        return tracing.trace.finish([y], ["output"])

    return Exported(graph, {}, {}, "a function", "linear")


def computed(exported: Exported, X: Array) -> Array:
    """Give what the reference engine computes for an exported function."""
    run = engines.get("reference").compile(exported.graph(len(X)))
    return np.asarray(run([X])[0])
