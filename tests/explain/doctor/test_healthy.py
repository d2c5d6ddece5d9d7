"""Healthy networks on ordinary data have no finding: no false alarms."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import limpide as lp

RNG = np.random.default_rng(3)
X = RNG.normal(size=(400, 5))
Y = (X[:, 0] * X[:, 1] > 0) * 1.0
SMOOTH = ("relu", "leaky_relu", "elu", "gelu", "selu", "sigmoid", "silu", "softplus", "tanh")
IMAGES = Path(__file__).resolve().parents[4] / "shared" / "data" / "t10k-images-idx3-ubyte.gz"


def well(net: lp.Network, rows: Any, y: Any, **settings: Any) -> None:
    found = net.doctor(rows, y, **settings)
    assert found.healthy, str(found)


@pytest.mark.parametrize("engine", ["reference", "native"])
def test_people(engine: str) -> None:
    people = lp.datasets.people()
    net = lp.Network([2, 2, 1], activation="sigmoid", output="sigmoid", dtype="float64", seed=0)
    rate = lp.SGD(0.1)
    well(net, *people, loss="mse", optimizer=rate)
    order: dict[str, Any] = {"batch_size": 1, "shuffle": False, "engine": engine}
    net.fit(*people, loss="mse", optimizer=rate, epochs=1000, **order)
    well(net, *people)


def test_xor_trained() -> None:
    table = lp.datasets.xor_table()
    learned = 0
    for seed in range(8):
        net = lp.Network([2, 4, 1], activation="tanh", output="sigmoid", seed=seed)
        well(net, *table, optimizer=lp.Adam(0.05))
        net.fit(*table, optimizer=lp.Adam(0.05), epochs=500)
        if net.evaluate(*table)["accuracy"] == 1:  # a local minimum is no illness, nor is it health
            well(net, *table)
            learned += 1
    assert learned >= 6


@pytest.mark.parametrize("standard", [True, False])
def test_spambase(spambase_path: Path, standard: bool) -> None:
    table = np.loadtxt(spambase_path, delimiter=",", skiprows=1)
    rows, y = table[:, :57], table[:, 57]
    if not standard:  # raw, it has the one illness that everybody knows
        net = lp.Network([57, 64, 1], output="sigmoid", seed=0)
        found = net.doctor(rows, y)
        assert [f.kind for f in found] == ["unscaled_inputs"]
        assert found.findings[0].where == {"columns": ["x56", "x57"]}
        return
    rows = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    for seed in range(3):
        net = lp.Network([57, 64, 1], output="sigmoid", seed=seed)
        well(net, rows, y, optimizer=lp.Adam())
        doctor = lp.Doctor()
        net.fit(rows, y, epochs=5, seed=seed, callbacks=doctor)
        well(net, rows, y)
        assert doctor.diagnosis.healthy


def test_the_network_of_a_table(spambase_path: Path) -> None:
    model = lp.train(spambase_path, target="spam", epochs=3)
    table = np.loadtxt(spambase_path, delimiter=",", skiprows=1)
    well(model.network, table[:, :57], table[:, 57])


def test_digits() -> None:
    if not IMAGES.exists():
        pytest.skip("the images of digits are not at ../shared/data")
    pixels = np.frombuffer(gzip.decompress(IMAGES.read_bytes())[16:], np.uint8)
    labels = IMAGES.with_name("t10k-labels-idx1-ubyte.gz").read_bytes()
    rows = pixels.reshape(-1, 784) / 255.0
    y = np.frombuffer(gzip.decompress(labels)[8:], np.uint8).astype(int)
    net = lp.Network([784, 128, 10], output="softmax", seed=0)
    well(net, rows, y, optimizer=lp.Adam())
    net.fit(rows, y, epochs=1)
    well(net, rows, y)


@pytest.mark.parametrize("activation", SMOOTH)
def test_default_networks_fresh_and_trained(activation: str) -> None:
    depths = (1, 3) if activation in ("sigmoid", "softplus") else (1, 4, 8)
    for depth in depths:
        for seed in range(3):
            layers = [5, *[32] * depth, 1]
            net = lp.Network(layers, activation=activation, output="sigmoid", seed=seed)
            well(net, X, Y)
        net.fit(X, Y, epochs=15)
        well(net, X, Y)


def test_norms_dropout_and_embedding() -> None:
    for inner in ([lp.BatchNorm(), lp.Dropout(0.5), 8], [lp.LayerNorm(), 16], [lp.Dropout(0.9)]):
        net = lp.Network([5, 16, *inner, 1], output="sigmoid", seed=0)
        well(net, X, Y, optimizer=lp.Adam())
        net.fit(X, Y, epochs=15)
        well(net, X, Y)
    codes = RNG.integers(0, 6, size=(400, 2))
    y = (codes[:, 0] > codes[:, 1]) * 1.0
    net = lp.Network([2, lp.Embedding(6, 4), 8, 1], output="sigmoid", seed=0)
    well(net, codes, y, optimizer=lp.Adam(0.01))


def test_an_ensemble() -> None:
    from limpide.members import MemberDense, MemberInput, MemberOutput

    layers = [
        5,
        MemberInput(3, 8, "relu"),
        MemberDense(3, 8, "relu"),
        MemberOutput(3, 1, "sigmoid"),
    ]
    net = lp.Network(layers, seed=0)
    well(net, X, Y, optimizer=lp.Adam())
    net.params["hidden2.bias"][1] = -100
    (finding,) = net.doctor(X, Y).findings
    assert finding.where["neurons"] == [f"h{i}" for i in range(33, 41)]


def test_regression() -> None:
    target = X @ [1.0, -2.0, 0.5, 0.0, 1.0]
    for loss in ("mse", "mae", "huber"):
        net = lp.Network([5, 16, 1], seed=0)
        well(net, X, target, loss=loss, optimizer=lp.Adam(0.01))
        net.fit(X, target, loss=loss, optimizer=lp.Adam(0.01), epochs=60)
        well(net, X, target)
    counts = RNG.poisson(np.exp(0.3 * X[:, 0]))
    net = lp.Network([5, 16, 1], seed=0)
    net.fit(X, counts, loss="poisson", epochs=20)
    well(net, X, counts)


def test_one_row_is_no_reason_to_complain() -> None:
    well(lp.Network([5, 4, 1], activation="tanh", seed=0), X[:1], Y[:1], optimizer=lp.SGD(0.01))


def test_nothing_is_changed() -> None:
    net = lp.Network([5, 8, lp.BatchNorm(), lp.Dropout(0.2), 1], seed=0)
    net.fit(X, Y, epochs=2, optimizer=lp.Adam(3.0))
    before = {name: a.tobytes() for name, a in (net.params | net.state).items()}
    rows = X.copy()
    net.doctor(rows, Y)
    net.gradcheck(rows, Y)
    assert {name: a.tobytes() for name, a in (net.params | net.state).items()} == before
    assert np.array_equal(rows, X)


@pytest.mark.parametrize("value", [0.0, 3.0])
def test_a_target_that_never_changes_is_learned_and_then_no_rate_is_too_high(value: float) -> None:
    y, doctor = np.full(400, value), lp.Doctor()
    net = lp.Network([5, 4, 1], activation="tanh", seed=0)
    net.fit(X, y, epochs=200, optimizer=lp.Adam(0.05), callbacks=doctor)
    well(net, X, y)
    assert doctor.diagnosis.healthy, str(doctor.diagnosis)


def test_an_autoencoder_has_no_leak() -> None:
    well(lp.Network([5, 3, 5], seed=0), X, X)


def test_where_every_column_decides_the_target_none_is_a_leak() -> None:
    rows, y = lp.datasets.gauss()
    well(lp.Network([2, 4, 1], activation="tanh", output="sigmoid", seed=0), rows, y)


def test_a_network_that_was_not_trained_overlooks_no_class() -> None:
    rare = (X[:, 0] > 1.8) * 1.0
    assert 0 < rare.sum() < 40
    for seed in range(5):
        well(lp.Network([5, 8, 1], output="sigmoid", seed=seed), X, rare)


def test_on_a_row_or_two_a_relu_that_is_off_is_not_dead() -> None:
    for rows in (1, 2):
        for seed in range(5):
            net = lp.Network([5, 4, 1], output="sigmoid", seed=seed)
            well(net, X[:rows], Y[:rows])


@pytest.mark.parametrize("size", [1e160, 1e-200])
def test_numbers_whose_squares_are_none_are_examined_all_the_same(size: float) -> None:
    net = lp.Network([5, 4, 1], activation="tanh", output="sigmoid", dtype="float64", seed=0)
    found = net.doctor(X * size, Y)
    (finding,) = found.of("unscaled_inputs") if size > 1 else (None,)
    assert finding is None or finding.figures["largest"] == pytest.approx(size, rel=0.2)
    assert found.of("duplicate_columns") == ()
