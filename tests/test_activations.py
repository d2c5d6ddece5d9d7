"""Activations: against PyTorch, at the extremes, and what their names give."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import limpide as lp
from limpide.activations import ACTIVATIONS, activation_name, is_known, resolve_activation
from tolerances import tolerance

NAMES = sorted(ACTIVATIONS)
DTYPES = ["float32", "float64"]


def slope(f: Any, x: Any) -> Any:
    """Give f and its element-wise derivative at x."""
    tensor = lp.Tensor(x)
    with lp.GradientTape() as tape:
        tape.watch(tensor)
        y = f(tensor)
        total = lp.sum(y * np.arange(1, y.shape[-1] + 1, dtype=x.dtype))
    return y.numpy(), tape.gradient(total, tensor).numpy()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_values_and_slopes_are_those_of_pytorch(name: str, dtype: str) -> None:
    torch = pytest.importorskip("torch")
    F = torch.nn.functional
    theirs = {
        "linear": lambda x: x * 1,
        "sigmoid": torch.sigmoid,
        "tanh": torch.tanh,
        "softmax": lambda x: F.softmax(x, -1),
        "softplus": lambda x: F.softplus(x, threshold=80),
    }.get(name) or getattr(F, name)
    edges = [-80, -20, -1, -1e-30, 0, 1e-30, 1, 20, 80]
    x = np.r_[np.linspace(-9, 9, 181), edges].astype(dtype)
    y, ours = slope(ACTIVATIONS[name], x)
    rows = torch.from_numpy(x).requires_grad_()
    out = theirs(rows)
    (out * torch.arange(1, len(x) + 1, dtype=out.dtype)).sum().backward()
    close = tolerance(f"peer_{dtype}")
    np.testing.assert_allclose(y, out.detach().numpy(), rtol=close, atol=close)
    np.testing.assert_allclose(ours, rows.grad.numpy(), rtol=close, atol=close * len(x))


def f(name: str, values: Any, dtype: str) -> Any:
    return ACTIVATIONS[name](np.array(values, dtype)).numpy().tolist()


@pytest.mark.parametrize("dtype", DTYPES)
def test_extremes(dtype: str) -> None:
    assert f("sigmoid", [1000, -1000], dtype) == [1, 0]
    assert f("softplus", [1000, -1000], dtype) == [1000, 0]
    assert f("tanh", [1000, -1000], dtype) == [1, -1]
    assert f("softmax", [1e38, 1e38], dtype) == [0.5, 0.5]
    assert f("softmax", [1e38, 0, -1e38], dtype) == [1, 0, 0]
    assert f("softmax", [-1000, -1000, -1000, -1000], dtype) == [0.25] * 4
    for name in ("relu", "gelu", "silu", "mish", "linear", "leaky_relu", "elu"):
        assert f(name, [1000.0], dtype) == [1000]
    for name in ("relu", "gelu", "silu", "mish"):
        assert f(name, [-1000.0], dtype) == [0]
    assert f("elu", [-1000.0], dtype) == [-1]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_slopes_stay_finite_far_out(name: str, dtype: str) -> None:
    far = [1e4, 1e3, 100, 1e-40, 0, -1e-40, -100, -1e3, -1e4]
    y, ours = slope(ACTIVATIONS[name], np.array(far, dtype))
    assert np.isfinite(y).all()
    assert np.isfinite(ours).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_nan_stays_nan(name: str, dtype: str) -> None:
    assert np.isnan(f(name, [np.nan], dtype)).all()


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("softmax", "sigmoid", "softplus")])
def test_denormals_are_kept(name: str) -> None:
    y = ACTIVATIONS[name](np.array([1e-40], np.float32)).numpy()
    assert 0 < y[0] < 1.1e-40


@pytest.mark.parametrize("name", NAMES)
def test_a_network_takes_the_name_and_the_function(name: str) -> None:
    x = [[0.3, -0.7]]
    nets = [
        lp.Network([2, 3, 2], activation=a, output=a, seed=0) for a in (name, ACTIVATIONS[name])
    ]
    np.testing.assert_array_equal(nets[0].predict(x), nets[1].predict(x))
    assert activation_name(ACTIVATIONS[name]) == name
    assert is_known(ACTIVATIONS[name])
    assert ACTIVATIONS[name] is getattr(lp, name)


def test_a_function_of_ones_own_is_an_activation() -> None:
    def cube(x: Any) -> Any:
        return x * x * x

    net = lp.Network([1, 1], output=cube, dtype="float64", seed=0)
    w = net.get("w1")
    assert net.predict([2.0]) == (2 * w) * (2 * w) * (2 * w)
    assert activation_name(cube) == "cube"
    assert not is_known(cube)


def test_wrong_names() -> None:
    with pytest.raises(lp.ArgumentError, match=r"activation must be one of elu, gelu, .*'sigmiod'"):
        resolve_activation("sigmiod")
    with pytest.raises(lp.ArgumentError, match=r"output must be one of .*Did you mean 'softmax'"):
        lp.Network([2, 1], output="sotfmax")
    with pytest.raises(lp.ArgumentTypeError, match="activation must be a name or a function"):
        lp.Network([2, 2, 1], activation=None)  # type: ignore[arg-type]
