"""Losses: values and gradients against PyTorch, at the extremes, and which outputs they take."""

from __future__ import annotations

import math
import pickle
import re
from typing import Any

import numpy as np
import pytest

import limpide as lp
from limpide.losses import LOSSES, Loss, resolve_loss, weighted_mean
from tolerances import tolerance

DTYPES = ["float32", "float64"]


def of_sum(loss: Loss, y: Any, z: Any, activation: Any) -> tuple[Any, Any]:
    """Give the loss of each element and its slope in z, as training works them out."""
    tensor = lp.Tensor(z)
    with lp.GradientTape() as tape:
        tape.watch(tensor)
        elements = loss.of_sum(lp.Tensor(y), tensor, activation)
        total = lp.sum(elements)
    return elements.numpy(), tape.gradient(total, tensor).numpy()


def theirs(loss: Any, z: Any, *rest: Any) -> tuple[Any, Any]:
    torch = pytest.importorskip("torch")
    rows = torch.from_numpy(z.copy()).requires_grad_()
    out = loss(rows, *(torch.from_numpy(np.asarray(r)) for r in rest))
    out.sum().backward()
    return out.detach().numpy(), rows.grad.numpy()


def assert_same(ours: tuple[Any, Any], others: tuple[Any, Any], dtype: str) -> None:
    close = tolerance(f"peer_{dtype}")
    for a, b in zip(ours, others, strict=True):
        assert a.dtype == dtype
        np.testing.assert_allclose(a, b, rtol=close, atol=close)


def pairs(dtype: str, rows: int = 60) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    z = np.r_[rng.normal(0, 3, rows), -1000, -90, -20, 0, 20, 90, 1000]
    return z.astype(dtype), rng.uniform(size=len(z)).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["mse", "mae", "huber"])
def test_regression_losses(name: str, dtype: str) -> None:
    torch = pytest.importorskip("torch")
    F = torch.nn.functional
    peer = {"mse": F.mse_loss, "mae": F.l1_loss, "huber": F.huber_loss}[name]
    z, y = pairs(dtype)
    ours = of_sum(LOSSES[name], y, z, lp.linear)
    assert_same(ours, theirs(lambda a, b: peer(a, b, reduction="none"), z, y), dtype)


def test_huber_with_another_delta() -> None:
    torch = pytest.importorskip("torch")
    z, y = pairs("float64")
    peer = torch.nn.HuberLoss(reduction="none", delta=0.3)
    assert_same(of_sum(lp.Huber(0.3), y, z, lp.linear), theirs(peer, z, y), "float64")


@pytest.mark.parametrize("dtype", DTYPES)
def test_bce_from_logits(dtype: str) -> None:
    torch = pytest.importorskip("torch")
    z, soft = pairs(dtype)
    peer = torch.nn.BCEWithLogitsLoss(reduction="none")
    for y in (soft, np.zeros_like(soft), np.ones_like(soft)):
        assert_same(of_sum(lp.bce, y, z, lp.sigmoid), theirs(peer, z, y), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_bce_at_a_thousand(dtype: str) -> None:
    y = np.array([1, 0, 1, 0], dtype)
    z = np.array([1000, -1000, -1000, 1000], dtype)
    elements, slopes = of_sum(lp.bce, y, z, lp.sigmoid)
    assert elements.tolist() == [0, 0, 1000, 1000]
    assert slopes.tolist() == [0, 0, -1, 1]


@pytest.mark.parametrize("dtype", DTYPES)
def test_bce_of_probabilities(dtype: str) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    p, y = (rng.uniform(0.01, 0.99, 50).astype(dtype) for _ in range(2))
    peer = torch.nn.BCELoss(reduction="none")
    assert_same(of_sum(lp.bce, y, p, lp.linear), theirs(peer, p, y), dtype)
    # At 0 and 1 the value is PyTorch's; the slope is finite.
    p, y = np.array([0, 0, 1, 1], dtype), np.array([0, 1, 0, 1], dtype)
    elements, slopes = of_sum(lp.bce, y, p, lp.linear)
    assert elements.tolist() == theirs(peer, p, y)[0].tolist() == [0, 100, 100, 0]
    assert np.isfinite(slopes).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_cross_entropy_from_scores(dtype: str) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    z = rng.normal(0, 5, (30, 4)).astype(dtype)
    z[0] = [1000, -1000, 0, 0]
    z[1] = [1e38, 0, 0, 0]
    codes = rng.integers(0, 4, 30)
    codes[:2] = 0
    peer = torch.nn.CrossEntropyLoss(reduction="none")
    ours = of_sum(lp.cross_entropy, codes, z, lp.softmax)
    assert_same(ours, theirs(peer, z, codes), dtype)
    assert ours[0][:2].tolist() == [0, 0]
    largest = np.finfo(dtype).max
    apart = np.array([[largest, -largest]], dtype)  # the second logarithm is −inf
    for y in (np.array([0]), np.array([[1, 0]], dtype)):
        elements, slopes = of_sum(lp.cross_entropy, y, apart, lp.softmax)
        assert elements.tolist() == [0]
        assert slopes.tolist() == [[0, 0]]
    shares = rng.dirichlet(np.ones(4), 30).astype(dtype)
    shares[:2] = [1, 0, 0, 0]
    assert_same(of_sum(lp.cross_entropy, shares, z, lp.softmax), theirs(peer, z, shares), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_cross_entropy_of_probabilities_stays_finite(dtype: str) -> None:
    p = np.array([[1, 0, 0], [0, 1, 0], [0.2, 0.3, 0.5]], dtype)
    elements, slopes = of_sum(lp.cross_entropy, np.array([0, 0, 2]), p, lp.linear)
    assert elements[:2].tolist() == [0, 100]
    assert elements[2] == pytest.approx(-np.log(0.5), rel=tolerance(f"peer_{dtype}"))
    assert np.isfinite(slopes).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_poisson(dtype: str) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    z, y = rng.normal(size=40).astype(dtype), rng.poisson(2, 40).astype(dtype)
    peer = torch.nn.PoissonNLLLoss(reduction="none")
    assert_same(of_sum(lp.poisson, y, z, lp.linear), theirs(peer, z, y), dtype)
    plain = torch.nn.PoissonNLLLoss(log_input=False, eps=0, reduction="none")
    soft = torch.nn.functional.softplus
    ours = of_sum(lp.poisson, y, z, lp.softplus)
    assert_same(ours, theirs(lambda a, b: plain(soft(a), b), z, y), dtype)
    elements, slopes = of_sum(
        lp.poisson, np.array([3, 2, 1], dtype), np.array([-1000, -200, -50], dtype), lp.softplus
    )
    assert elements.tolist() == [3000, 400, 50]  # log(softplus(z)) tends to z
    assert slopes.tolist() == [-3, -2, -1]


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_a_loss_is_called_with_y_and_prediction(name: str) -> None:
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(3), 5)
    y = np.eye(3)[[0, 1, 2, 0, 1]]
    value = LOSSES[name](y, p)
    elements = LOSSES[name].elements(lp.Tensor(y), lp.Tensor(p)).numpy()
    assert elements.shape == ((5,) if name == "cross_entropy" else (5, 3))
    assert float(value) == pytest.approx(elements.mean(), rel=tolerance("golden"))


def test_weighted_means() -> None:
    elements = lp.Tensor(np.arange(6.0).reshape(3, 2))
    assert float(weighted_mean(elements, None)) == 2.5
    assert float(weighted_mean(elements, lp.Tensor(np.array([1.0, 0, 3])))) == (0.5 + 3 * 4.5) / 4
    assert float(weighted_mean(elements, lp.Tensor(np.zeros(3)))) == 0


def test_which_output_a_loss_takes() -> None:
    assert resolve_loss(None, lp.sigmoid) is lp.bce
    assert resolve_loss(None, lp.softmax) is lp.cross_entropy
    assert resolve_loss(None, lp.tanh) is lp.mse
    assert resolve_loss("huber", lp.linear) is lp.huber
    with pytest.raises(
        lp.ArgumentError, match=r"loss 'bce' needs an output between 0 and 1.*'tanh'"
    ):
        resolve_loss("bce", lp.tanh)
    with pytest.raises(lp.ArgumentError, match="Build the network with output='softmax'"):
        resolve_loss(lp.cross_entropy, lp.linear)
    with pytest.raises(lp.ArgumentError, match=r"loss must be one of bce, .*Did you mean 'mse'"):
        resolve_loss("mes", lp.linear)
    with pytest.raises(lp.ArgumentTypeError, match="loss must be a name, a loss such as"):
        resolve_loss(3, lp.linear)
    for wrong in (0, -1, float("inf"), float("nan")):
        with pytest.raises(lp.ArgumentError, match="delta must be"):
            lp.Huber(wrong)


def test_a_loss_of_ones_own() -> None:
    class Quantile(Loss):
        def __init__(self, q: float) -> None:
            self.q = q

        def elements(self, y: Any, prediction: Any) -> Any:
            d = y - prediction
            return lp.maximum(d * self.q, d * (self.q - 1))

    rng = np.random.default_rng(0)
    X, y = np.zeros((400, 1)), rng.uniform(size=400)
    net = lp.Network([1, 1], dtype="float64", seed=0)
    # Two of one class are two losses: each is traced for itself.
    for q in (0.9, 0.1):
        net.fit(X, y, loss=Quantile(q), optimizer=lp.SGD(0.05), epochs=60, batch_size=40)
        assert abs(net.get("b1") - q) < 0.05


def test_losses_are_copied_and_compared() -> None:
    assert lp.Huber(2.0) == lp.Huber(2.0)
    assert lp.Huber(2.0) != lp.Huber(1.0)
    net = lp.Network([1, 1], seed=0)
    net.fit([[1.0], [2.0]], [1, 2], loss="mae")
    same = pickle.loads(pickle.dumps(net))
    assert same.evaluate([[1.0]], [5]) == net.evaluate([[1.0]], [5])
    assert same.evaluate([[1.0]], [5]) == net.evaluate([[1.0]], [5], loss="mae")


# Called directly ------------------------------------------------------------------------------

ELEMENTWISE = (lp.mse, lp.mae, lp.huber, lp.bce, lp.poisson)


@pytest.mark.parametrize("loss", ELEMENTWISE, ids=lambda loss: loss.name)
def test_a_flat_y_meets_a_column_row_by_row(loss: Any) -> None:
    y, p = np.array([0.0, 1, 1]), np.array([[0.25], [0.5], [0.75]])
    expected = float(loss(y[:, None], p))
    assert float(loss(y, p)) == float(loss(y[:, None], p[:, 0])) == expected
    assert float(lp.function(lambda a, b: loss(a, b))(y, p)) == expected


@pytest.mark.parametrize("loss", ELEMENTWISE, ids=lambda loss: loss.name)
@pytest.mark.parametrize("shapes", [((3,), (3, 2)), ((1,), (3,)), ((), (3,)), ((2, 1), (2, 3))])
def test_y_is_never_broadcast(loss: Any, shapes: Any) -> None:
    y, p = (np.full(shape, 0.5) for shape in shapes)
    first, second = (re.escape(str(list(shape))) for shape in shapes)
    message = f"y has shape {first} and the prediction {second}; y is never broadcast"
    with pytest.raises(lp.ShapeError, match=message):
        loss(y, p)


def test_whole_numbers_and_bools_are_taken_as_floats() -> None:
    truth, zeros = np.array([1, 0, 0, 1]), np.array([0, 0, 0, 0])
    assert float(lp.mse(truth, zeros)) == 0.5
    assert float(lp.mse([True, False], [False, False])) == 0.5
    assert float(lp.mse(lp.Tensor(truth), lp.Tensor(zeros, dtype="float64"))) == 0.5
    assert float(lp.mse(lp.Tensor(truth), zeros.astype(np.float32))) == 0.5
    assert float(lp.function(lambda y, p: lp.mse(y, p))(truth, zeros)) == 0.5
    assert float(lp.cross_entropy(np.array([0]), np.array([[1, 0]]))) == 0


SHARES = np.array([[0.5, 0.25, 0.25], [0.125, 0.125, 0.75]])


@pytest.mark.parametrize(
    "y",
    [
        [0, 2],
        [0.0, 2.0],
        [[0], [2]],
        np.array([0, 2], np.int8),
        np.array([0, 2], np.float32),
        [[1, 0, 0], [0, 0, 1]],
        np.array([[1, 0, 0], [0, 0, 1]]),
        np.array([[True, False, False], [False, False, True]]),
        np.array([[1.0, 0, 0], [0, 0, 1]]),
    ],
    ids=str,
)
def test_cross_entropy_takes_classes_in_any_form(y: Any) -> None:
    expected = -(np.log(0.5) + np.log(0.75)) / 2
    for loss in (lp.cross_entropy, lp.function(lambda y, p: lp.cross_entropy(y, p))):
        assert float(loss(y, SHARES)) == pytest.approx(expected, rel=1e-12)
        assert float(loss(lp.Tensor(y), lp.Tensor(SHARES))) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("y", "error", "message"),
    [
        ([0, 3], lp.DataError, "y holds 3 in row 1; class numbers go from 0 to 2"),
        (np.array([-1, 0]), lp.DataError, "y holds -1 in row 0"),
        ([0.5, 0], lp.DataError, r"y holds 0\.5 in row 0"),
        ([math.nan, 0], lp.DataError, "y holds nan in row 0"),
        ([[1, 1, 0], [0, 0, 1]], lp.DataError, "Row 0 of y must hold probabilities"),
        ([[1, 0, 0], [math.nan, 0, 1]], lp.DataError, "Row 1 of y must hold probabilities"),
        ([0, 1, 2], lp.ShapeError, r"y has shape \[3\] and the prediction \[2, 3\]"),
        ([[1, 0], [0, 1]], lp.ShapeError, r"y has shape \[2, 2\] and the prediction \[2, 3\]"),
    ],
    ids=str,
)
def test_cross_entropy_refuses_what_is_no_class(y: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        lp.cross_entropy(y, SHARES)


# Pairs of loss and output ---------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_cross_entropy_on_a_sigmoid_keeps_its_gradient_far_off(dtype: str) -> None:
    z = lp.Variable(np.array([[-1000.0, 3.0], [1000.0, -2.0]], dtype))
    with lp.GradientTape() as tape:
        loss = lp.sum(lp.cross_entropy.of_sum(lp.Tensor([0, 1], dtype="int64"), z, lp.sigmoid))
    assert float(loss) == pytest.approx(1000 + np.log1p(np.exp(2.0)), rel=1e-6)
    expected = [[-1, 0], [0, -1 / (1 + np.exp(-2.0))]]
    np.testing.assert_allclose(tape.gradient(loss, z).numpy(), expected, rtol=1e-6)


def test_bce_on_a_softmax_is_refused_by_name() -> None:
    net = lp.Network([2, 2], output="softmax", seed=0)
    with pytest.raises(lp.ArgumentError, match=r"'bce' .*'softmax' .*loss='cross_entropy'"):
        net.fit([[0, 1]], [[0, 1]], loss="bce")


def test_poisson_needs_a_logarithm_or_a_rate() -> None:
    for output in ("relu", "sigmoid", "softmax", "tanh"):
        with pytest.raises(lp.ArgumentError, match=r"poisson' needs an output 'linear' .*softplus"):
            lp.Network([2, 2], output=output).fit([[1.0, 2.0]], [[1.0, 2.0]], loss="poisson")
