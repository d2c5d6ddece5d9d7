"""Optimizers: 50 steps beside torch.optim, first steps by hand, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import limpide as lp
from limpide.optimizers import OPTIMIZERS, resolve_optimizer
from tolerances import tolerance

PAIRS: list[tuple[lp.Optimizer, str, dict[str, Any]]] = [
    (lp.SGD(0.1), "SGD", {"lr": 0.1}),
    (lp.SGD(), "SGD", {}),
    (lp.SGD(0.05, momentum=0.9), "SGD", {"lr": 0.05, "momentum": 0.9}),
    (
        lp.SGD(0.05, momentum=0.8, nesterov=True),
        "SGD",
        {"lr": 0.05, "momentum": 0.8, "nesterov": True},
    ),
    (lp.RMSProp(), "RMSprop", {}),
    (lp.RMSProp(0.02, alpha=0.9, epsilon=1e-3), "RMSprop", {"lr": 0.02, "alpha": 0.9, "eps": 1e-3}),
    (lp.Adagrad(), "Adagrad", {}),
    (lp.Adagrad(0.3, epsilon=1e-2), "Adagrad", {"lr": 0.3, "eps": 1e-2}),
    (lp.Adam(), "Adam", {}),
    (
        lp.Adam(0.1, beta1=0.7, beta2=0.9, epsilon=1e-4),
        "Adam",
        {"lr": 0.1, "betas": (0.7, 0.9), "eps": 1e-4},
    ),
    (lp.AdamW(), "AdamW", {}),
    (lp.AdamW(0.02, weight_decay=0.3), "AdamW", {"lr": 0.02, "weight_decay": 0.3}),
]


def problem() -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20, 3))
    return X, np.tanh(X @ rng.normal(size=(3, 1)))


@pytest.mark.parametrize(("ours", "name", "settings"), PAIRS, ids=lambda v: str(v)[:60])
def test_fifty_steps_beside_pytorch(ours: Any, name: str, settings: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    X, y = problem()
    net = lp.Network([3, 4, 1], activation="tanh", dtype="float64", seed=0)
    first, second = torch.nn.Linear(3, 4), torch.nn.Linear(4, 1)
    for linear, layer in ((first, "hidden1"), (second, "output")):
        linear.weight.data = torch.from_numpy(net.params[f"{layer}.weights"].T.copy())
        linear.bias.data = torch.from_numpy(net.params[f"{layer}.bias"].copy())
    twin = torch.nn.Sequential(first, torch.nn.Tanh(), second)
    optimizer = getattr(torch.optim, name)(twin.parameters(), **settings)
    losses = []
    for _ in range(10):
        epoch = []
        for rows in (slice(i, i + 4) for i in range(0, 20, 4)):
            optimizer.zero_grad()
            loss = ((twin(torch.from_numpy(X[rows])) - torch.from_numpy(y[rows])) ** 2).mean()
            loss.backward()
            optimizer.step()
            epoch.append(float(loss.detach()))
        losses.append(np.mean(epoch))
    history = net.fit(X, y, optimizer=ours, epochs=10, batch_size=4, shuffle=False)
    assert history.steps == 50
    close = tolerance("peer_float64")
    np.testing.assert_allclose(history.loss, losses, rtol=0, atol=close)
    for linear, layer in ((first, "hidden1"), (second, "output")):
        weights, bias = linear.weight.detach().numpy().T, linear.bias.detach().numpy()
        np.testing.assert_allclose(net.params[f"{layer}.weights"], weights, rtol=0, atol=close)
        np.testing.assert_allclose(net.params[f"{layer}.bias"], bias, rtol=0, atol=close)


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_optimizer_learns_by_name(name: str, dtype: str) -> None:
    X, y = problem()
    named, built = (lp.Network([3, 4, 1], dtype=dtype, seed=0) for _ in range(2))
    first = named.fit(X, y, optimizer=name, epochs=30)
    second = built.fit(X, y, optimizer=OPTIMIZERS[name](), epochs=30)
    assert first.loss == second.loss
    assert first.loss[-1] < first.loss[0]
    assert all(array.dtype == dtype for array in named.params.values())


def test_the_first_step_of_adam_is_the_rate() -> None:
    # m̂ / √v̂ = g / |g| in the first step, whatever the size of the slope.
    net = lp.Network([1, lp.Dense(1, bias=None)], dtype="float64", seed=0)
    net.set("w1", 3.0)
    net.fit([[1.0]], [0.0], optimizer=lp.Adam(0.25, epsilon=0), epochs=1)
    assert net.get("w1") == pytest.approx(2.75, rel=tolerance("golden"))


def test_decay_is_apart_from_the_gradient() -> None:
    # The slope is 0 at w = 0 and X = 0: only the decay moves a weight.
    net = lp.Network([1, 1], dtype="float64", seed=0)
    net.set("w1", 2.0)
    net.set("b1", 0.0)
    net.fit([[0.0]], [0.0], optimizer=lp.AdamW(0.5, weight_decay=0.1), epochs=2)
    assert net.get("w1") == pytest.approx(2 * 0.95**2, rel=tolerance("golden"))


@pytest.mark.parametrize("kind", [lp.SGD, lp.RMSProp, lp.Adagrad, lp.Adam, lp.AdamW])
@pytest.mark.parametrize(
    ("rate", "error", "message"),
    [
        (-1, lp.ArgumentError, r"learning_rate must be above 0; received -1\. Try 0\.001"),
        (0, lp.ArgumentError, "learning_rate must be above 0; received 0"),
        (float("nan"), lp.ArgumentError, "learning_rate must be finite; received nan"),
        (float("inf"), lp.ArgumentError, "learning_rate must be finite; received inf"),
        (True, lp.ArgumentTypeError, "learning_rate must be a number; received True"),
        (np.ones(2), lp.ArgumentTypeError, "learning_rate must be one number; received array"),
        (10**400, lp.ArgumentError, "learning_rate must be finite; received inf"),
        ("fast", lp.ArgumentTypeError, "learning_rate must be a number; received 'fast'"),
        (None, lp.ArgumentTypeError, "learning_rate must be a number; received None"),
    ],
)
def test_wrong_rates(kind: Any, rate: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        kind(rate)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: lp.SGD(momentum=1), lp.ArgumentError, "momentum must be at least 0 and below 1"),
        (lambda: lp.SGD(momentum=-0.1), lp.ArgumentError, r"momentum must be .* received -0\.1"),
        (lambda: lp.SGD(momentum="x"), lp.ArgumentTypeError, "momentum must be a number"),
        (lambda: lp.SGD(nesterov=True), lp.ArgumentError, "nesterov needs a momentum above 0"),
        (lambda: lp.SGD(nesterov=1), lp.ArgumentTypeError, "nesterov must be True or False"),
        (lambda: lp.Adam(beta1=1.0), lp.ArgumentError, "beta1 must be at least 0 and below 1"),
        (lambda: lp.Adam(beta2=-1), lp.ArgumentError, "beta2 must be at least 0 and below 1"),
        (lambda: lp.Adam(epsilon=-1e-8), lp.ArgumentError, "epsilon must be at least 0"),
        (lambda: lp.AdamW(weight_decay=-1), lp.ArgumentError, "weight_decay must be at least 0"),
        (lambda: lp.RMSProp(alpha=2), lp.ArgumentError, "alpha must be at least 0 and below 1"),
        (lambda: lp.Adam(lr=0.1), lp.ArgumentTypeError, "Adam has no argument 'lr'. It takes lear"),
        (lambda: lp.SGD(learning_rat=1), lp.ArgumentTypeError, "mean 'learning_rate'"),
        (lambda: resolve_optimizer("adm"), lp.ArgumentError, "Did you mean 'adam'"),
        (lambda: resolve_optimizer("zzz"), lp.ArgumentError, "one of adagrad, adam, adamw, rms"),
        (lambda: resolve_optimizer(0.1), lp.ArgumentTypeError, r"such as lp\.SGD\(0\.1\)"),
        (lambda: resolve_optimizer(lp.SGD), lp.ArgumentTypeError, "optimizer must be an optimizer"),
    ],
)
def test_wrong_settings(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()
