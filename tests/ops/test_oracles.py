"""Forward and gradient of ops against PyTorch and JAX, where they are installed."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import limpide as lp
from limpide import ops
from tolerances import tolerance

Array = npt.NDArray[Any]


def _x(*shape: int, low: float = -2.0, high: float = 2.0) -> Array:
    return np.random.default_rng(len(shape)).uniform(low, high, shape)


_POSITIVE = _x(2, 3, low=0.2)
_TIED = np.array([[1.0, 2.0, 2.0], [3.0, 3.0, 3.0]])
_PLACES = np.array([2, 0, 2])

# name -> (ours, PyTorch's, JAX's, the points). Each of the three takes arrays of its own library;
# None: that library has no such function, or another rule at a point where a choice is free.
Row = tuple[
    Callable[..., Any],
    Callable[[Any], Callable[..., Any]] | None,
    Callable[[Any], Callable[..., Any]] | None,
    list[Array],
]
ROWS: dict[str, Row] = {
    "add": (lp.add, lambda t: t.add, lambda j: j.numpy.add, [_x(2, 3), _x(3)]),
    "subtract": (lp.subtract, lambda t: t.sub, lambda j: j.numpy.subtract, [_x(2, 1), _x(3)]),
    "multiply": (lp.multiply, lambda t: t.mul, lambda j: j.numpy.multiply, [_x(2, 3), _x(2, 1)]),
    "divide": (lp.divide, lambda t: t.div, lambda j: j.numpy.divide, [_x(3), _POSITIVE]),
    "negative": (lp.negative, lambda t: t.neg, lambda j: j.numpy.negative, [_x(3)]),
    "power": (lp.power, lambda t: t.pow, lambda j: j.numpy.power, [_POSITIVE, _x(3)]),
    "power at 0": (
        lp.power,
        lambda t: t.pow,
        None,
        [np.array([0.0, 0.0, 0.0]), np.array([1.0, 2.0, 0.0])],
    ),
    "maximum": (
        lp.maximum,
        lambda t: t.maximum,
        lambda j: j.numpy.maximum,
        [_TIED, np.array([1.0, 3.0, 2.0])],
    ),
    "minimum": (
        lp.minimum,
        lambda t: t.minimum,
        lambda j: j.numpy.minimum,
        [_TIED, np.array([1.0, 3.0, 2.0])],
    ),
    "abs": (lp.abs, lambda t: t.abs, None, [np.array([-1.0, 0.0, 2.0])]),
    "sign": (lp.sign, lambda t: t.sign, lambda j: j.numpy.sign, [np.array([-1.0, 0.0, 2.0])]),
    "floor": (lp.floor, lambda t: t.floor, lambda j: j.numpy.floor, [_x(3)]),
    "exp": (lp.exp, lambda t: t.exp, lambda j: j.numpy.exp, [_x(2, 3)]),
    "expm1": (lp.expm1, lambda t: t.expm1, lambda j: j.numpy.expm1, [_x(2, 3)]),
    "log": (lp.log, lambda t: t.log, lambda j: j.numpy.log, [_POSITIVE]),
    "log1p": (lp.log1p, lambda t: t.log1p, lambda j: j.numpy.log1p, [_POSITIVE]),
    "sqrt": (lp.sqrt, lambda t: t.sqrt, lambda j: j.numpy.sqrt, [_POSITIVE]),
    "sin": (lp.sin, lambda t: t.sin, lambda j: j.numpy.sin, [_x(2, 3)]),
    "cos": (lp.cos, lambda t: t.cos, lambda j: j.numpy.cos, [_x(2, 3)]),
    "tanh": (ops.tanh, lambda t: t.tanh, lambda j: j.numpy.tanh, [_x(2, 3)]),
    "sigmoid": (ops.sigmoid, lambda t: t.sigmoid, lambda j: j.nn.sigmoid, [_x(2, 3)]),
    "softplus": (
        ops.softplus,
        lambda t: t.nn.functional.softplus,
        lambda j: j.nn.softplus,
        [_x(2, 3)],
    ),
    "erf": (lp.erf, lambda t: t.erf, lambda j: j.scipy.special.erf, [_x(2, 3)]),
    "relu": (ops.relu, lambda t: t.relu, lambda j: j.nn.relu, [np.array([-1.0, 0.0, 2.0])]),
    "square": (lp.square, lambda t: t.square, lambda j: j.numpy.square, [_x(2, 3)]),
    "where": (
        lambda x, y: lp.where(x > y, x * 2, y),
        lambda t: lambda x, y: t.where(x > y, x * 2, y),
        lambda j: lambda x, y: j.numpy.where(x > y, x * 2, y),
        [_x(2, 3), _x(3)],
    ),
    "sum": (
        lambda x: lp.sum(x, (0, 2)),
        lambda t: lambda x: t.sum(x, (0, 2)),
        lambda j: lambda x: j.numpy.sum(x, (0, 2)),
        [_x(2, 3, 4)],
    ),
    "max": (
        lambda x: lp.max(x, 1),
        lambda t: lambda x: t.amax(x, 1),
        lambda j: lambda x: j.numpy.max(x, 1),
        [_TIED],
    ),
    "min": (
        lambda x: lp.min(x, 1),
        lambda t: lambda x: t.amin(x, 1),
        lambda j: lambda x: j.numpy.min(x, 1),
        [_TIED],
    ),
    "mean": (lp.mean, lambda t: t.mean, lambda j: j.numpy.mean, [_x(2, 3)]),
    "variance": (
        lambda x: lp.variance(x, 1),
        lambda t: lambda x: t.var(x, 1, correction=0),
        lambda j: lambda x: j.numpy.var(x, 1),
        [_x(2, 3)],
    ),
    "logsumexp": (
        lambda x: lp.logsumexp(x, 1),
        lambda t: lambda x: t.logsumexp(x, 1),
        lambda j: lambda x: j.scipy.special.logsumexp(x, 1),
        [_x(2, 3) * 100],
    ),
    "softmax": (
        lambda x: ops.softmax(x, 1),
        lambda t: lambda x: t.softmax(x, 1),
        lambda j: lambda x: j.nn.softmax(x, 1),
        [_x(2, 3) * 10],
    ),
    "log_softmax": (
        lambda x: lp.log_softmax(x, 0),
        lambda t: lambda x: t.log_softmax(x, 0),
        lambda j: lambda x: j.nn.log_softmax(x, 0),
        [_x(2, 3) * 10],
    ),
    "matmul": (lp.matmul, lambda t: t.matmul, lambda j: j.numpy.matmul, [_x(2, 3), _x(3, 4)]),
    "matmul of batches": (
        lp.matmul,
        lambda t: t.matmul,
        lambda j: j.numpy.matmul,
        [_x(5, 1, 2, 3), _x(4, 3, 2)],
    ),
    "transpose": (
        lambda x: lp.transpose(x, (2, 0, 1)),
        lambda t: lambda x: t.permute(x, (2, 0, 1)),
        lambda j: lambda x: j.numpy.transpose(x, (2, 0, 1)),
        [_x(2, 3, 4)],
    ),
    "slice": (
        lambda x: x[1:, ::2],
        lambda t: lambda x: x[1:, ::2],
        lambda j: lambda x: x[1:, ::2],
        [_x(3, 5)],
    ),
    "pad": (
        lambda x: lp.pad(x, (1, 0), (0, 2), (2, 1)),
        None,
        lambda j: lambda x: j.lax.pad(x, x.dtype.type(0), ((1, 0, 2), (0, 2, 1))),
        [_x(2, 3)],
    ),
    "concatenate": (
        lambda x, y: lp.concatenate([x, y, x], 1),
        lambda t: lambda x, y: t.cat([x, y, x], 1),
        lambda j: lambda x, y: j.numpy.concatenate([x, y, x], 1),
        [_x(2, 3), _x(2, 1)],
    ),
    "gather": (
        lambda x: lp.gather(x, _PLACES, 1),
        lambda t: lambda x: t.index_select(x, 1, t.tensor(_PLACES)),
        lambda j: lambda x: j.numpy.take(x, _PLACES, 1),
        [_x(2, 3)],
    ),
    "scatter_add": (
        lambda x: lp.scatter_add(_PLACES, x, 0, 4),
        lambda t: lambda x: t.zeros(4, 2, dtype=x.dtype).index_add(0, t.tensor(_PLACES), x),
        lambda j: lambda x: j.numpy.zeros((4, 2)).at[_PLACES].add(x),
        [_x(3, 2)],
    ),
}


def ours(name: str) -> list[Array]:
    """Give the value, then the gradients of a weighted sum of it."""
    function, _, _, points = ROWS[name]
    value = function(*map(lp.Tensor, points))
    weights = _weights(value.shape)
    slopes = lp.grad(lambda *xs: lp.sum(function(*xs) * weights))(*points)
    parts = slopes if isinstance(slopes, tuple) else (slopes,)
    return [value.numpy(), *(p.numpy() for p in parts)]


def _weights(shape: tuple[int, ...]) -> Array:
    return np.random.default_rng(9).uniform(0.5, 1.5, shape)


def compare(actual: list[Array], expected: list[Array]) -> None:
    assert len(actual) == len(expected)
    for a, b in zip(actual, expected, strict=True):
        assert a.shape == b.shape
        assert a.dtype == b.dtype == np.float64
        size = np.abs(b).max(initial=1.0)
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance("engine_float64") * size)


@pytest.fixture(scope="module")
def torch() -> Any:
    return pytest.importorskip("torch")


@pytest.fixture
def jax() -> Iterator[Any]:
    if importlib.util.find_spec("jax") is None:
        pytest.skip("jax is not installed")
    import jax
    import jax.scipy.special

    with jax.enable_x64(True):
        yield jax


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row[1]])
def test_the_same_as_pytorch(name: str, torch: Any) -> None:
    _, choose, _, points = ROWS[name]
    assert choose is not None
    tensors = [torch.tensor(p, requires_grad=True) for p in points]
    value = choose(torch)(*tensors)
    (value * torch.tensor(_weights(tuple(value.shape)))).sum().backward()
    slopes = [
        np.zeros_like(p) if t.grad is None else t.grad.numpy()
        for t, p in zip(tensors, points, strict=True)
    ]
    compare(ours(name), [value.detach().numpy(), *slopes])


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row[2]])
def test_the_same_as_jax(name: str, jax: Any) -> None:
    _, _, choose, points = ROWS[name]
    assert choose is not None
    function = choose(jax)
    arrays = [jax.numpy.asarray(p) for p in points]
    value = function(*arrays)
    weights = _weights(value.shape)
    slopes = jax.grad(
        lambda *xs: jax.numpy.sum(function(*xs) * weights), argnums=tuple(range(len(arrays)))
    )(*arrays)
    compare(ours(name), [np.asarray(value), *map(np.asarray, slopes)])


def test_the_settings_of_jax_are_left_as_they_were() -> None:
    jax = pytest.importorskip("jax")
    before = jax.config.jax_enable_x64
    lp.exp(lp.Tensor(1.0))
    assert jax.config.jax_enable_x64 == before
    assert jax.numpy.ones(1).dtype == (np.float64 if before else np.float32)
