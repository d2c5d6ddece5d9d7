"""Every primitive in every kind of file: the same numbers as on the reference engine."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exported_files import KINDS, computed, name_of, need, predicted, traced

import limpide as lp
from limpide import ops
from limpide.exports import array_files, idioms, loop_code, opset
from limpide.exports.free_rows import TRAINING_ONLY, read_program
from limpide.exports.networks import export_network
from limpide.ir import NUMPY_DTYPES, OPS, layer_scope
from limpide.tensor import Tensor, apply
from tolerances import tolerance

X = np.random.default_rng(3).uniform(-2, 2, (5, 6))
Program = Callable[[Any], Tensor]


def _numbers(x: Any, condition: Tensor) -> Tensor:
    return ops.cast(condition, x.spec.dtype)


def _codes(x: Any) -> Tensor:
    return ops.cast(ops.floor(ops.abs(x)), "i64")


TABLE = np.arange(12.0).reshape(4, 3) / 8


def _gentle(f: Any) -> list[Program]:
    return [f, lambda x: f(x * 3 + 0.25) * 2]


def _steep(f: Any) -> list[Program]:
    return [f, lambda x: f(x * 20) * 2]


def _along(f: Any) -> list[Program]:
    return [
        lambda x: f(x * 5, axis=1),
        lambda x: ops.reshape(f(ops.reshape(x, (x.shape[0], 3, 2)), axis=2), (x.shape[0], 6)),
        lambda x: ops.reshape(f(ops.reshape(x, (x.shape[0], 3, 2)), axis=1), (x.shape[0], 6)),
    ]


def _reducing(f: Any) -> list[Program]:
    return [
        lambda x: f(x * 5, axis=1, keepdims=True) * x,
        lambda x: f(ops.reshape(x, (x.shape[0], 3, 2)), axis=1),
        lambda x: f(ops.reshape(x, (x.shape[0], 3, 2)), axis=(1, 2))[:, None],
    ]


PROGRAMS: dict[str, list[Program]] = {
    "add": [lambda x: x + 1.5, lambda x: x + x[:, :1], lambda x: x + np.arange(6.0)],
    "subtract": [lambda x: x - (x - (x - 1.0)), lambda x: 2 - x],
    "multiply": [lambda x: x * x * 3, lambda x: (x + 1) * (x - 1)],
    "divide": [lambda x: x / 3, lambda x: 1 / (x * x + 1), lambda x: x / (x / (x * x + 1))],
    "negative": [lambda x: -x, lambda x: -(x + 1) * -2],
    "power": [lambda x: ops.abs(x) ** 1.7, lambda x: 2.0**x, lambda x: (-(x * x) - 1) ** 3],
    "maximum": [lambda x: ops.maximum(x, 0.5), lambda x: ops.maximum(x, x[:, :1])],
    "minimum": [lambda x: ops.minimum(0.5, x), lambda x: ops.minimum(x, -x)],
    **{
        name: _gentle(getattr(ops, name))
        for name in ("abs", "sign", "floor", "exp", "expm1", "sin", "cos")
    },
    **{name: _steep(getattr(ops, name)) for name in ("softplus", "erf", "relu", "tanh", "sigmoid")},
    "log": [lambda x: ops.log(x * x), lambda x: ops.log(ops.exp(x * 20) + 1e-30)],
    "log1p": [lambda x: ops.log1p(x * x), lambda x: ops.log1p(x * 1e-9) * 1e9],
    "sqrt": [lambda x: ops.sqrt(x * x + 1)],
    "equal": [lambda x: _numbers(x, ops.equal(ops.floor(x), -1))],
    "less": [lambda x: _numbers(x, x < 0.5), lambda x: _numbers(x, ops.less(0.1, x))],
    "less_equal": [lambda x: _numbers(x, ops.floor(x) <= 0)],
    "logical_and": [lambda x: _numbers(x, ops.logical_and(x < 1, ops.logical_or(x > 0, x < -1)))],
    "logical_or": [lambda x: _numbers(x, ops.logical_or(ops.logical_and(x < 1, x > 0), x < -1))],
    "logical_not": [lambda x: _numbers(x, ops.logical_not(x < 1))],
    "where": [
        lambda x: ops.where(x < 0, x, 2),
        lambda x: ops.where(x < 0, Tensor(1, dtype=x.spec.dtype), 0) * x,
        lambda x: ops.where(ops.equal(x, x), x, 0),
        lambda x: ops.where(x < 0, ops.where(x < -1, -1, x), 1) + 1,
    ],
    "cast": [
        lambda x: ops.cast(_codes(x), x.spec.dtype) / 2,
        lambda x: ops.cast(ops.cast(x, "bool"), x.spec.dtype),
        lambda x: ops.cast(ops.cast(x * 4, "f32"), x.spec.dtype),
        lambda x: ops.cast(ops.cast(x * 4, "i32") + 1, x.spec.dtype),
    ],
    "stop_gradient": [lambda x: ops.stop_gradient(x) * x],
    "broadcast": [
        lambda x: ops.broadcast_to(Tensor([1.0, 2.0], dtype=x.spec.dtype), (x.shape[0], 2)),
        lambda x: ops.broadcast_to(x[:, :1], x.shape),
        lambda x: ops.sum(ops.broadcast_to(x[:, :, None], (*x.shape, 4)), axis=2),
    ],
    "reshape": [
        lambda x: ops.reshape(x, (x.shape[0], 2, 3))[:, 1],
        lambda x: ops.reshape(ops.reshape(x, (x.shape[0] * 2, 3)) * 2, (x.shape[0], 6)),
        lambda x: ops.reshape(ops.tanh(ops.reshape(x, (x.shape[0], 3, 2)))[:, 1:], (x.shape[0], 4)),
    ],
    "transpose": [
        lambda x: ops.reshape(
            ops.transpose(ops.reshape(x, (x.shape[0], 2, 3)), (0, 2, 1)), (x.shape[0], 6)
        ),
        lambda x: ops.transpose(ops.transpose(x) + 1),
    ],
    "slice": [lambda x: x[:, 1:5], lambda x: x[:, ::2] * x[:, 1::2], lambda x: x[:, -1:]],
    "pad": [
        lambda x: ops.pad(x, (0, 1), (0, 2)),
        lambda x: ops.reshape(
            ops.pad(ops.reshape(x, (x.shape[0], 2, 3)), (0, 1, 0), (0, 0, 2)), (x.shape[0], 15)
        ),
    ],
    "concatenate": [
        lambda x: ops.concatenate([x, x[:, :1], ops.tanh(x) + 1], axis=1),
        lambda x: ops.reshape(
            ops.stack([x[:, :3], x[:, 3:], ops.exp(x[:, 1:4])], axis=1), (x.shape[0], 9)
        ),
        lambda x: ops.sum(
            ops.stack([x[:, :3], x[:, 3:] * x[:, :1], ops.exp(x[:, 1:4])], axis=2), axis=2
        ),
    ],
    "gather": [
        lambda x: ops.gather(x, [5, 0, 0, 2], axis=1),
        lambda x: ops.gather(x, list(range(6)) * 4, axis=1),
        lambda x: ops.reshape(ops.gather(x, [[0, 1], [5, 2]], axis=1), (x.shape[0], 4)),
        lambda x: ops.reshape(
            ops.gather(Tensor(TABLE, dtype=x.spec.dtype), _codes(x), axis=0), (x.shape[0], 18)
        ),
    ],
    "iota": [
        lambda x: x * ops.iota((1, 6), axis=1, dtype=x.spec.dtype),
        lambda x: ops.cast(ops.iota(x.shape, axis=1), x.spec.dtype),
        lambda x: ops.reshape(
            ops.reshape(x, (x.shape[0], 3, 2)) * ops.iota((1, 3, 1), axis=1, dtype=x.spec.dtype),
            (x.shape[0], 6),
        ),
        lambda x: ops.cast(ops.argmax(x, axis=1), x.spec.dtype)[:, None],
    ],
    "sum": [
        lambda x: ops.sum(x, axis=1, keepdims=True),
        lambda x: x / (1 + ops.sum(x * x, axis=1, keepdims=True)),
        lambda x: ops.sum(ops.reshape(x, (x.shape[0], 3, 2)), axis=(1, 2))[:, None],
        lambda x: ops.cast(ops.sum(_codes(x), axis=1), x.spec.dtype)[:, None],
    ],
    "max": [
        lambda x: ops.max(x, axis=1, keepdims=True) * x,
        lambda x: ops.min(ops.reshape(x, (x.shape[0], 3, 2)), axis=2),
    ],
    "matmul": [
        lambda x: x @ (np.arange(12.0).reshape(6, 2) / 12),
        lambda x: ops.reshape(ops.reshape(x, (x.shape[0], 2, 3)) @ TABLE[:3, :2], (x.shape[0], 4)),
        # members of an ensemble: [m, n, k] @ [m, k, j], averaged
        lambda x: ops.mean(
            ops.broadcast_to(x[None], (3, *x.shape)) @ (np.arange(36.0).reshape(3, 6, 2) / 36),
            axis=0,
        ),
        lambda x: (x @ np.ones((6, 1))) @ np.full((1, 2), 0.5),
        lambda x: ops.tanh(x) @ ops.broadcast_to(Tensor([[2.0]], dtype=x.spec.dtype), (6, 2)),
    ],
}
PROGRAMS |= {
    name: _steep(getattr(lp, name))
    for name in ("elu", "gelu", "leaky_relu", "mish", "selu", "silu")
}
PROGRAMS |= {name: _along(getattr(ops, name)) for name in ("softmax", "log_softmax")}
PROGRAMS |= {name: _reducing(getattr(ops, name)) for name in ("logsumexp", "mean", "variance")}
PROGRAMS["not_equal"] = [
    lambda x: _numbers(x, ops.not_equal(ops.floor(x), 0)),
    lambda x: _numbers(x, ops.not_equal(x, x)),
]
PROGRAMS["clip"] = [lambda x: ops.maximum(ops.minimum(x, 0.5), -0.5) * 2]

CASES = [(name, i) for name, programs in PROGRAMS.items() for i in range(len(programs))]
IDS = [f"{name}-{i}" for name, i in CASES]


def every_program(x: Any) -> Tensor:
    """All results side by side, each in a layer of its name: one file holds them all."""
    results = []
    for name, i in CASES:
        with layer_scope(f"{name}_{i}"):
            results.append(PROGRAMS[name][i](x))
    return ops.concatenate(results, axis=1)


@pytest.mark.parametrize("dtype", ["f64", "f32"])
@pytest.mark.parametrize("kind", KINDS)
def test_programs_give_the_numbers_of_the_reference_engine(
    kind: str, dtype: str, tmp_path: Path
) -> None:
    need(kind)
    exported, rows = traced(every_program, 6, dtype), X.astype(NUMPY_DTYPES[dtype])
    export_network(exported, tmp_path / name_of(kind), kind, True)
    allowed = tolerance("export_float64" if dtype == "f64" else "export_float32")
    for some in (rows, rows[:1]):
        expected = computed(exported, some)
        found = predicted(tmp_path / name_of(kind), kind, some)
        assert found.dtype == expected.dtype or kind == "python"
        assert found.shape == expected.shape
        far = ~np.isclose(found, expected, rtol=allowed, atol=allowed).all(axis=0)
        assert not sorted({case for case, wrong in zip(columns(), far, strict=True) if wrong})


@functools.cache
def columns() -> list[str]:
    """Give the program that each column of the results comes from."""
    names = []
    for (name, i), case in zip(CASES, IDS, strict=True):
        graph = traced(PROGRAMS[name][i], 6, "f32").graph(2)
        names += [case] * graph.outputs[0].spec.shape[1]
    return names


def ops_of(name: str, i: int, idioms: frozenset[str] = frozenset()) -> set[str]:
    graph = traced(PROGRAMS[name][i], 6, "f32")
    program = read_program(graph.graph, {}, {}, idioms)
    return {value.op for value in program.values}


def test_the_programs_hold_every_primitive_outside_of_training() -> None:
    used = {op for name, i in CASES for op in ops_of(name, i)}
    assert used - {"constant"} == set(OPS) - TRAINING_ONLY - {"stop_gradient"}


def test_the_programs_hold_every_idiom() -> None:
    for name in idioms.IDIOMS:
        assert name in ops_of(name, 0, idioms.IDIOMS), name


@pytest.mark.parametrize(
    ("written", "own"),
    [
        (array_files.WRITTEN, idioms.IDIOMS),
        (loop_code.WRITTEN, idioms.IDIOMS),
        (opset.WRITTEN, opset.IDIOMS_WRITTEN),
    ],
    ids=["arrays", "loops", "onnx"],
)
def test_every_kind_of_file_has_words_for_every_primitive(
    written: frozenset[str], own: frozenset[str]
) -> None:
    assert written - {"constant"} == (set(OPS) - TRAINING_ONLY) | own


@pytest.mark.parametrize("op", sorted(TRAINING_ONLY - {"random_bits", "shift_right"}))
def test_what_belongs_to_training_alone_is_refused(op: str) -> None:
    def function(x: Any) -> Tensor:
        places = ops.cast(ops.floor(ops.abs(x)), "i64")
        return apply(OPS[op], places[0], x[0], axis=0, size=6)[None] + x

    with pytest.raises(lp.ArgumentError, match="uses scatter_add, which belongs to training alone"):
        read_program(traced(function, 6, "f32").graph, {}, {})
