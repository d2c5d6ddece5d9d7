"""Ensembles trained as one network: members are what they would be alone, and answer together."""

from __future__ import annotations

import numpy as np
import pytest

import limpide as lp
from limpide.errors import ArgumentError, ShapeError
from limpide.layers import forward
from limpide.members import MemberDense, MemberInput, MemberOutput
from tolerances import tolerance

MEMBERS = 3
ENDS = {"sigmoid": 1, "softmax": 4, "linear": 2}


def ensemble(end: str, dtype: str = "float64") -> lp.Network:
    layers = [
        5,
        MemberInput(MEMBERS, 6, "tanh"),
        MemberDense(MEMBERS, 4, "relu"),
        MemberOutput(MEMBERS, ENDS[end], end),
    ]
    return lp.Network(layers, dtype=dtype, seed=0)


def alone(net: lp.Network, member: int, end: str) -> lp.Network:
    """Give one member of an ensemble as a network of its own."""
    single = lp.Network(
        [5, lp.Dense(6, "tanh"), lp.Dense(4, "relu"), lp.Dense(ENDS[end], end)],
        dtype=net.dtype,
        seed=1,
    )
    first = slice(6 * member, 6 * member + 6)
    single.params["hidden1.weights"] = net.params["hidden1.weights"][:, first]
    single.params["hidden1.bias"] = net.params["hidden1.bias"][first]
    for name in ("hidden2.weights", "hidden2.bias", "output.weights", "output.bias"):
        single.params[name] = net.params[name][member]
    return single


def apart(net: lp.Network, X: np.ndarray) -> np.ndarray:
    """Give the sums of each member, [n, members, outputs]."""
    params, state = ({n: lp.Tensor(a) for n, a in all_.items()} for all_ in (net.params, net.state))
    z, _, _ = forward(net.placed, params, state, lp.Tensor(X), apart=True)
    return z.numpy().reshape(len(X), MEMBERS, -1)


def rows(end: str, n: int = 60) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(3)
    X = random.standard_normal((n, 5))
    if end == "softmax":
        return X, random.integers(0, 4, n)
    if end == "sigmoid":
        return X, (X[:, 0] > 0) * 1.0
    return X, X[:, :2] * 2


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("engine", ["reference", "native"])
def test_the_answer_is_the_mean_of_the_members(end: str, engine: str) -> None:
    net, (X, y) = ensemble(end), rows(end)
    net.fit(X, y, epochs=2, engine=engine)
    mean = np.mean([alone(net, m, end).predict(X) for m in range(MEMBERS)], axis=0)
    np.testing.assert_allclose(net.predict(X), mean, rtol=0, atol=tolerance("golden"))
    sums = np.stack([alone(net, m, end).sums(X) for m in range(MEMBERS)], axis=1)
    np.testing.assert_allclose(apart(net, X), sums, rtol=0, atol=tolerance("golden"))


@pytest.mark.parametrize("end", ENDS)
def test_members_learn_as_they_would_alone(end: str) -> None:
    net, (X, y) = ensemble(end), rows(end)
    singles = [alone(net, m, end) for m in range(MEMBERS)]
    weights = np.random.default_rng(4).uniform(0.5, 2, len(X))
    settings = {"epochs": 4, "batch_size": 7, "sample_weight": weights}
    # The loss is the mean over members: a rate for each of them is a third of that for all.
    net.fit(X, y, optimizer=lp.SGD(0.3), **settings)
    for m, single in enumerate(singles):
        single.fit(X, y, optimizer=lp.SGD(0.1), **settings)
        for name, array in alone(net, m, end).params.items():
            found = single.params[name]
            np.testing.assert_allclose(array, found, rtol=0, atol=tolerance("golden"))


@pytest.mark.parametrize("engine", ["reference", "native"])
def test_a_member_does_not_learn_from_its_fold(engine: str) -> None:
    X, y = rows("sigmoid")
    folds = np.arange(len(X)) % (MEMBERS + 1) - 1
    nets = [ensemble("sigmoid"), ensemble("sigmoid")]
    changed = np.where(folds == 1, 1 - y, y)
    for net, targets in zip(nets, (y, changed), strict=True):
        net.fit(X, targets, epochs=3, folds=folds, engine=engine, optimizer=lp.SGD(0.1))
    first, second = ([alone(net, m, "sigmoid").params for m in range(MEMBERS)] for net in nets)
    for m in range(MEMBERS):
        same = all((first[m][name] == second[m][name]).all() for name in first[m])
        assert same == (m == 1)


def test_the_loss_of_folds_is_that_of_the_members_that_did_not_see_them() -> None:
    X, y = rows("softmax")
    folds = np.arange(len(X)) % MEMBERS
    net = ensemble("softmax")
    weights = np.random.default_rng(4).uniform(0.5, 2, len(X))
    history = net.fit(X, y, epochs=3, folds=folds, sample_weight=weights)
    expected = 0.0
    for m in range(MEMBERS):
        own = folds == m
        single = alone(net, m, "softmax")
        loss = single.evaluate(X[own], y[own], sample_weight=weights[own])["loss"]
        expected += loss * weights[own].sum() / weights.sum()
    assert history.validation_loss[-1] == pytest.approx(expected, rel=0, abs=tolerance("golden"))
    assert len(history.validation_loss) == 3


def test_an_ensemble_is_saved_and_read(tmp_path: object) -> None:
    net, (X, y) = ensemble("softmax", "float32"), rows("softmax")
    net.fit(X, y, epochs=1)
    path = f"{tmp_path}/net.safetensors"
    net.save(path)
    same = lp.load(path)
    np.testing.assert_array_equal(same.predict(X), net.predict(X))
    assert str(same) == str(net)
    assert same.members == MEMBERS


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"7 inputs cannot be shared out among 3 members"):
        lp.Network([5, lp.Dense(7), MemberOutput(3, 1)])
    X, y = rows("sigmoid")
    with pytest.raises(ArgumentError, match=r"folds is for an ensemble"):
        lp.Network([5, lp.Dense(1, "sigmoid")]).fit(X, y, folds=np.zeros(60, int))
    net = ensemble("sigmoid")
    for folds, words in (
        (np.zeros(59, int), r"a whole number for each of the 60 rows; received shape \[59\]"),
        (np.zeros(60), "received shape .60. of float64"),
        (np.full(60, 3), "members from 0 to 2, or -1; received numbers from 3 to 3"),
        (np.full(60, -1), "received numbers from -1 to -1"),
    ):
        with pytest.raises(ArgumentError, match=words):
            net.fit(X, y, folds=folds)
    with pytest.raises(ArgumentError, match="without validation"):
        net.fit(X, y, folds=np.zeros(60, int), validation=0.2)
