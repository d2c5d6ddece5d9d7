"""Layers: forward, gradients and running statistics against PyTorch and against differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import limpide as lp
from limpide.layers import forward
from tolerances import tolerance

Floats = np.ndarray[Any, Any]
ACTIVATIONS = ["elu", "gelu", "leaky_relu", "linear", "mish", "relu", "selu", "sigmoid", "silu",
               "softmax", "softplus", "tanh"]  # fmt: skip


def run(
    net: lp.Network, params: list[Any], x: Any, training: bool = False, seed: int = 0, step: int = 0
) -> tuple[lp.Tensor, dict[str, lp.Tensor]]:
    """Run a network's layers on tensors; gives the output and the new state."""
    named = dict(zip(net.params, params, strict=True))
    state = {name: lp.Tensor(array) for name, array in net.state.items()}
    context = tuple(lp.Tensor(n, dtype="uint32") for n in (seed, step)) if training else None
    z, activation, new = forward(net.placed, named, state, x, context)
    return activation(z), new


def stacks() -> dict[str, lp.Network]:
    def build(*layers: Any, **settings: Any) -> lp.Network:
        return lp.Network([*layers], **{"dtype": "float64", "seed": 1, "output": "tanh"} | settings)

    dense = {f"dense {a}": build(3, lp.Dense(4, a), 2) for a in ACTIVATIONS}
    return dense | {
        "no bias": build(3, lp.Dense(4, "tanh", bias=None), 2),
        "layer norm": build(3, lp.Dense(4, "tanh"), lp.LayerNorm(), 2),
        "batch norm": build(3, lp.BatchNorm(), lp.Dense(4, "tanh"), lp.BatchNorm(momentum=0.3), 2),
        "dropout": build(3, lp.Dense(6, "tanh"), lp.Dropout(0.4), 2),
        "embedding": build(2, lp.Embedding(5, 3), lp.Dense(4, "tanh"), 2),
        "norm last": build(3, lp.Dense(4, "tanh"), lp.LayerNorm()),
    }


STACKS = stacks()


def inputs_for(net: lp.Network, rng: np.random.Generator, rows: int = 7) -> Floats:
    if isinstance(net.layers[0], lp.Embedding):
        return rng.integers(0, 5, size=(rows, net.n_inputs)).astype(float)
    return rng.normal(size=(rows, net.n_inputs))


# Derivatives against differences ----------------------------------------------------------------


def directional(
    f: Callable[..., lp.Tensor], arrays: list[Floats], ways: list[Floats], h: float
) -> float:
    ahead = f(*[lp.Tensor(a + h * w) for a, w in zip(arrays, ways, strict=True)])
    behind = f(*[lp.Tensor(a - h * w) for a, w in zip(arrays, ways, strict=True)])
    return (float(ahead) - float(behind)) / (2 * h)


def along(slopes: Any, ways: list[Floats]) -> lp.Tensor:
    total: Any = lp.Tensor(0.0, dtype="float64")
    for slope, way in zip(slopes, ways, strict=True):
        total = total + lp.sum(slope * way)
    return total


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", STACKS)
def test_derivatives_are_central_differences(name: str, training: bool) -> None:
    net = STACKS[name]
    rng = np.random.default_rng(0)
    x = inputs_for(net, rng)
    weights = rng.normal(size=(7, net.n_outputs))
    learns_x = not isinstance(net.layers[0], lp.Embedding)
    arrays = [a.copy() for a in net.params.values()] + ([x] if learns_x else [])
    ways = [rng.normal(size=a.shape) for a in arrays]

    def f(*tensors: Any) -> lp.Tensor:
        params = list(tensors[:-1]) if learns_x else list(tensors)
        rows = tensors[-1] if learns_x else lp.Tensor(x)
        return lp.sum(run(net, params, rows, training)[0] * weights)

    def slope(*tensors: Any) -> lp.Tensor:
        return along(lp.grad(f)(*tensors), ways)

    first = float(slope(*map(lp.Tensor, arrays)))
    np.testing.assert_allclose(
        first, directional(f, arrays, ways, 1e-5), rtol=0, atol=tolerance("first_derivative")
    )
    second = float(along(lp.grad(slope)(*map(lp.Tensor, arrays)), ways))
    np.testing.assert_allclose(
        second, directional(slope, arrays, ways, 1e-5), rtol=0, atol=tolerance("second_derivative")
    )


def test_an_embedding_gets_the_gradient_of_each_row_it_gave() -> None:
    net = lp.Network([2, lp.Embedding(4, 3)], dtype="float64", seed=0)
    (table,) = net.variables
    with lp.GradientTape() as tape:
        total = lp.sum(net(np.array([[0.0, 1.0], [1.0, 3.0]])))
    assert tape.gradient(total, table).numpy().tolist() == [[1] * 3, [2] * 3, [0] * 3, [1] * 3]


# Against PyTorch --------------------------------------------------------------------------------


def torch_twin(torch: Any, net: lp.Network) -> Any:
    """Build the same layers in PyTorch, with the same numbers."""
    nn, modules = torch.nn, []
    acts = {
        "elu": nn.ELU(), "gelu": nn.GELU(), "leaky_relu": nn.LeakyReLU(), "linear": nn.Identity(),
        "mish": nn.Mish(), "relu": nn.ReLU(), "selu": nn.SELU(), "sigmoid": nn.Sigmoid(),
        "silu": nn.SiLU(), "softmax": nn.Softmax(-1), "softplus": nn.Softplus(threshold=1e9),
        "tanh": nn.Tanh(),
    }  # fmt: skip
    for name, layer, inputs, outputs in net.placed:
        own = {n.split(".")[1]: torch.from_numpy(a.copy()) for n, a in net.params.items()
               if n.startswith(f"{name}.")}  # fmt: skip
        if isinstance(layer, lp.Dense):
            module = nn.Linear(inputs, outputs, bias="bias" in own)
            module.weight.data = own["weights"].T.contiguous()
            if "bias" in own:
                module.bias.data = own["bias"]
            modules += [module, acts[layer.config()["activation"]]]
        elif isinstance(layer, lp.LayerNorm | lp.BatchNorm):
            module = (
                nn.LayerNorm(inputs)
                if isinstance(layer, lp.LayerNorm)
                else nn.BatchNorm1d(inputs, momentum=layer.momentum)
            )
            module.weight.data, module.bias.data = own["scale"], own["shift"]
            modules.append(module)
        elif isinstance(layer, lp.Embedding):
            module = nn.Embedding(layer.categories, layer.size)
            module.weight.data = own["table"]
            modules += [module, nn.Flatten()]
        else:
            modules.append(nn.Dropout(layer.rate))
    return nn.Sequential(*modules).to(torch.float64)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", [n for n in STACKS if n != "dropout"])
def test_forward_and_gradients_are_those_of_pytorch(name: str, training: bool) -> None:
    torch = pytest.importorskip("torch")
    net = STACKS[name]
    rng = np.random.default_rng(1)
    x = inputs_for(net, rng, 11)
    target = rng.normal(size=(11, net.n_outputs))
    twin = torch_twin(torch, net).train(training)
    rows = torch.from_numpy(x)
    if isinstance(net.layers[0], lp.Embedding):
        rows = rows.long()
    theirs = twin(rows)
    loss = ((theirs - torch.from_numpy(target)) ** 2).mean()
    loss.backward()

    params = [lp.Tensor(a) for a in net.params.values()]
    ours, new = run(net, params, lp.Tensor(x), training)

    def mse(*tensors: Any) -> lp.Tensor:
        return lp.mse(target, run(net, list(tensors), lp.Tensor(x), training)[0])

    close = tolerance("peer_float64")
    np.testing.assert_allclose(ours.numpy(), theirs.detach().numpy(), rtol=0, atol=close)
    slopes = lp.grad(mse)(*params)
    grads = [p.grad.numpy() for p in twin.parameters()]
    assert len(grads) == len(params)
    for (name_, array), slope, grad in zip(net.params.items(), slopes, grads, strict=True):
        turned = grad.T if name_.endswith(".weights") else grad
        assert slope.shape == array.shape
        np.testing.assert_allclose(slope.numpy(), turned, rtol=0, atol=close)
    running = [b.numpy() for n, b in twin.named_buffers() if "num_batches" not in n]
    for key, theirs_ in zip(net.state, running, strict=True):
        np.testing.assert_allclose(new[key].numpy(), theirs_, rtol=0, atol=close)


def test_running_statistics_after_a_fit_are_those_of_pytorch() -> None:
    torch = pytest.importorskip("torch")
    net = lp.Network([3, lp.BatchNorm(), lp.Dense(4, "tanh"), lp.BatchNorm(), 1], dtype="float64",
                     seed=0)  # fmt: skip
    rng = np.random.default_rng(2)
    X, y = rng.normal(2, 3, size=(30, 3)), rng.normal(size=(30, 1))
    twin = torch_twin(torch, net).train()
    optimizer = torch.optim.SGD(twin.parameters(), lr=0.05)
    for _ in range(5):
        for start in range(0, 30, 8):  # the short last batch of 6 too
            optimizer.zero_grad()
            rows = slice(start, start + 8)
            loss = ((twin(torch.from_numpy(X[rows])) - torch.from_numpy(y[rows])) ** 2).mean()
            loss.backward()
            optimizer.step()
    net.fit(X, y, optimizer=lp.SGD(0.05), epochs=5, batch_size=8, shuffle=False)
    close = tolerance("peer_float64")
    np.testing.assert_allclose(
        net.predict(X), twin.eval()(torch.from_numpy(X)).detach().numpy(), rtol=0, atol=close
    )
    running = [b.numpy() for n, b in twin.named_buffers() if "num_batches" not in n]
    for array, theirs in zip(net.state.values(), running, strict=True):
        np.testing.assert_allclose(array, theirs, rtol=0, atol=close)


# Meanings ---------------------------------------------------------------------------------------


def test_dropout_drops_its_share_and_scales_the_rest() -> None:
    net = lp.Network([1000, lp.Dropout(0.3)], dtype="float64")
    x = lp.Tensor(np.full((50, 1000), 2.0))
    y = run(net, [], x, training=True)[0].numpy()
    assert set(np.unique(y)) == {0.0, 2.0 * (1 / 0.7)}
    assert abs((y == 0).mean() - 0.3) < 5 * np.sqrt(0.3 * 0.7 / y.size)
    same = run(net, [], x, training=True)[0].numpy()
    other = run(net, [], x, training=True, step=1)[0].numpy()
    seeded = run(net, [], x, training=True, seed=1)[0].numpy()
    assert (y == same).all()
    assert not (y == other).all()
    assert not (y == seeded).all()
    assert (run(net, [], x)[0].numpy() == 2).all()


def test_two_dropouts_drop_different_numbers() -> None:
    x = lp.Tensor(np.ones((10, 100)))
    net = lp.Network([100, lp.Dropout(0.5), lp.Dropout(0.5)], dtype="float64")
    y = run(net, [], x, training=True)[0].numpy()
    assert set(np.unique(y)) == {0.0, 4.0}
    assert abs((y == 0).mean() - 0.75) < 5 * np.sqrt(0.75 * 0.25 / y.size)


def test_dropout_of_nothing_is_nothing() -> None:
    x = np.arange(6.0).reshape(2, 3)
    net = lp.Network([3, lp.Dropout(0)], dtype="float64")
    assert (run(net, [], lp.Tensor(x), training=True)[0].numpy() == x).all()


def test_one_row_leaves_the_running_variance_alone() -> None:
    net = lp.Network([2, lp.BatchNorm()], dtype="float64")
    params = [lp.Tensor(a) for a in net.params.values()]
    y, new = run(net, params, lp.Tensor(np.array([[3.0, 4.0]])), training=True)
    assert y.numpy().tolist() == [[0, 0]]
    assert new["output.mean"].numpy() == pytest.approx([0.3, 0.4], rel=tolerance("golden"))
    assert new["output.variance"].numpy().tolist() == [1, 1]


def test_constant_columns_stay_finite() -> None:
    X = np.c_[np.full(20, 5.0), np.arange(20.0)]
    net = lp.Network([2, lp.BatchNorm(), lp.Dense(3), lp.LayerNorm(), 1], seed=0)
    assert np.isfinite(net.fit(X, X[:, 1] / 20).loss).all()
    assert np.isfinite(net.predict(X)).all()


def test_embedding_codes_outside_take_the_nearest_end() -> None:
    net = lp.Network([1, lp.Embedding(3, 2)], dtype="float64", seed=0)
    table = net.params["output.table"]
    y = net.predict([[-5], [0], [1.9], [2], [77]])
    np.testing.assert_array_equal(y, table[[0, 0, 1, 2, 2]])


def test_initial_values_of_layers() -> None:
    net = lp.Network([3, lp.LayerNorm(), lp.BatchNorm(), lp.Embedding(400, 50), 1], seed=0)
    assert (net.params["hidden1.scale"] == 1).all()
    assert not net.params["hidden1.shift"].any()
    assert not net.state["hidden2.mean"].any()
    assert (net.state["hidden2.variance"] == 1).all()
    assert abs(net.params["hidden3.table"].std() - 1) < 0.02


@pytest.mark.parametrize(
    ("activation", "spread"),
    [("relu", np.sqrt(2 / 300)), ("gelu", np.sqrt(2 / 300)), ("tanh", np.sqrt(2 / 500)),
     ("sigmoid", np.sqrt(2 / 500))],
)  # fmt: skip
def test_the_default_rule_goes_by_the_activation(activation: str, spread: float) -> None:
    net = lp.Network([300, lp.Dense(200, activation), 1], seed=0)
    assert net.params["hidden1.weights"].std() == pytest.approx(spread, rel=0.02)
    assert not net.params["hidden1.bias"].any()


def test_names_of_layers() -> None:
    net = lp.Network([3, lp.Dense(4), lp.Dropout(0.1), lp.BatchNorm(), lp.Dense(2), lp.Dropout()])
    assert [p.name for p in net.placed] == ["hidden1", "dropout2", "hidden2", "output", "dropout5"]
    net = lp.Network([3, lp.Dense(4, name="first"), 1])
    assert list(net.params) == ["first.weights", "first.bias", "output.weights", "output.bias"]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: lp.Dense(0), lp.ArgumentError, "neurons must be at least 1; received 0"),
        (lambda: lp.Dense(True), lp.ArgumentTypeError, "neurons must be a whole number; .*True"),
        (lambda: lp.Dense(2.5), lp.ArgumentTypeError, "neurons must be a whole number; .*2.5"),
        (lambda: lp.Dense("8"), lp.ArgumentTypeError, "neurons must be a whole number; .*'8'"),
        (lambda: lp.Dense(8, "rleu"), lp.ArgumentError, "one of elu, .*Did you mean 'relu'"),
        (lambda: lp.Dense(8, 3), lp.ArgumentTypeError, "activation must be a name or a function"),
        (lambda: lp.Dense(8, weights=3), lp.ArgumentTypeError, "weights must be an initialiser"),
        (lambda: lp.Dense(8, bias=0), lp.ArgumentTypeError, "bias must be an initialiser"),
        (lambda: lp.Dense(8, activaton="relu"), lp.ArgumentTypeError, "mean 'activation'"),
        (lambda: lp.Dense(), lp.ArgumentTypeError, "Dense: missing a required argument: 'neurons'"),
        (lambda: lp.Dropout(1), lp.ArgumentError, "rate must be at least 0 and below 1; received"),
        (lambda: lp.Dropout(-0.1), lp.ArgumentError, "rate must be at least 0 and below 1"),
        (lambda: lp.Dropout(float("nan")), lp.ArgumentError, "rate must be finite; received nan"),
        (lambda: lp.Dropout("half"), lp.ArgumentTypeError, "rate must be a number; .*'half'"),
        (lambda: lp.LayerNorm(64), lp.ArgumentTypeError, "LayerNorm: .*It takes .*epsilon"),
        (
            lambda: lp.Dense(2, bias=False),
            lp.ArgumentTypeError,
            "or None for no bias; received False",
        ),
        (
            lambda: lp.Dense(2, weights="he"),
            lp.ArgumentTypeError,
            r"such as lp\.he or .* received 'he'",
        ),
        (lambda: lp.Network([3, lp.Dropout, 1]), lp.ArgumentTypeError, r"such as lp.Dropout\(0.1"),
        (lambda: lp.LayerNorm(epsilon=0), lp.ArgumentError, "epsilon must be above 0; received 0"),
        (lambda: lp.BatchNorm(momentum=0), lp.ArgumentError, "momentum must be above 0, at most 1"),
        (lambda: lp.BatchNorm(epsilon=-1), lp.ArgumentError, "epsilon must be above 0"),
        (lambda: lp.Embedding(0, 3), lp.ArgumentError, "categories must be at least 1"),
        (lambda: lp.Embedding(3, -1), lp.ArgumentError, "size must be at least 1; received -1"),
        (lambda: lp.Network([2, lp.Dense(1, name=5)]), lp.ArgumentTypeError, "must be text; .*5"),
        (lambda: lp.Network([2, lp.Dense(1, name="a.b")]), lp.ArgumentError, "received 'a.b'"),
        (
            lambda: lp.Network([2, lp.Dense(3, name="output"), 1]),
            lp.ArgumentError,
            "Two layers are named 'output'",
        ),
    ],
)
def test_wrong_layers_are_refused(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


def test_a_layer_of_ones_own() -> None:
    class Double(lp.Layer):
        def forward(self, params: Any, state: Any, x: Any, training: Any) -> Any:
            return x * 2, {}

    net = lp.Network([2, Double(), lp.Dense(1)], dtype="float64", seed=0)
    plain = lp.Network([2, lp.Dense(1)], dtype="float64", seed=0)
    np.testing.assert_array_equal(net.predict([[1, 2]]), plain.predict([[2, 4]]))
