"""How often XOR gets stuck: each of many networks is what it would be if it were trained alone."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import limpide as lp
from limpide.errors import ArgumentError, ArgumentTypeError
from limpide.experiments.side_by_side import SideBySide
from limpide.experiments.xor_starts import STARTS, wilson
from tolerances import tolerance

X, Y = lp.datasets.xor_table()


def network(rule: lp.Initializer, seed: int, hidden: int = 2) -> lp.Network:
    layers = [2, lp.Dense(hidden, "sigmoid", weights=rule), lp.Dense(1, "sigmoid", weights=rule)]
    return lp.Network(layers, dtype="float64", seed=seed)


def trained(rule: lp.Initializer, seed: int, epochs: int, batch_size: int, rate: float):
    net = network(rule, seed)
    net.fit(
        X, Y, loss="mse", optimizer=lp.SGD(rate), epochs=epochs, batch_size=batch_size,
        shuffle=False, progress=False,
    )  # fmt: skip
    return net


@pytest.mark.parametrize(("batch_size", "rate"), [(4, 5.0), (3, 2.0), (1, 1.0)])
@pytest.mark.parametrize("start", ["uniform(0, 1)", "normal(1)", "glorot"])
def test_networks_side_by_side_are_those_trained_alone(start, batch_size, rate):
    many = SideBySide(network(STARTS[start], 0), 12, X, Y, None)
    many.start(np.arange(12))
    many.train(700, rate, batch_size)
    many.train(300, rate, batch_size)
    losses = many.losses()
    for seed in range(12):
        alone = trained(STARTS[start], seed, 1_000, batch_size, rate)
        for name in alone.scalars:
            difference = abs(alone.get(name) - many.weights[name][seed])
            assert difference <= tolerance("training_weights"), (seed, name)
        assert losses[seed] == pytest.approx(
            alone.evaluate(X, Y)["loss"], abs=tolerance("training_weights")
        )


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_they_start_from_the_weights_of_their_seeds(engine):
    many = SideBySide(network(lp.uniform(-1, 1), 0, hidden=3), 4, X, Y, engine)
    many.start(np.array([0, 7, 4_000_000_000, 1]))
    for i, seed in enumerate([0, 7, 4_000_000_000, 1]):
        own = network(lp.uniform(-1, 1), seed, hidden=3)
        assert {n: own.get(n) for n in own.scalars} == {n: a[i] for n, a in many.weights.items()}


def test_more_outputs_rows_and_layers_train_alike():
    layers = [3, lp.Dense(2, "tanh"), lp.Dense(2, "relu", bias=None), lp.Dense(2, "linear")]
    random = np.random.default_rng(0)
    rows, targets = random.normal(size=(5, 3)), random.normal(size=(5, 2))
    many = SideBySide(lp.Network(layers, dtype="float64", seed=0), 3, rows, targets, None)
    many.start(np.arange(3))
    many.train(50, 0.05, 2)
    for seed in range(3):
        net = lp.Network(layers, dtype="float64", seed=seed)
        net.fit(rows, targets, loss="mse", optimizer=lp.SGD(0.05), epochs=50, batch_size=2,
                shuffle=False, progress=False)  # fmt: skip
        for name in net.scalars:
            assert many.weights[name][seed] == pytest.approx(
                net.get(name), abs=tolerance("training_weights")
            )


def test_the_share_solved_is_that_of_networks_trained_one_by_one():
    result = lp.experiments.xor(seeds=25, starts={"s": lp.uniform(-1, 1)}, epochs=1_500)
    right = 0
    for seed in range(25):
        outputs = trained(lp.uniform(-1, 1), seed, 1_500, 4, 5.0).predict(X)[:, 0]
        right += bool(((outputs - Y) ** 2).mean() < 0.0625)
    assert result.starts["s"].solved == right
    assert 0 < right < 25
    assert result.starts["s"].share == right / 25


def test_the_plateaus_are_the_known_ones():
    result = lp.experiments.xor(seeds=5, epochs=2, starts={"s": lp.normal(1)})
    found = [(p.loss, p.right, p.shared) for p in result.plateaus]
    assert found == [(0.125, 2, 2), (pytest.approx(1 / 6), 1, 3), (0.25, 0, 4)]


def test_on_a_plateau_rows_share_the_mean_of_their_targets():
    result = lp.experiments.xor(seeds=120, starts={"n": lp.normal(1)})
    losses = result.starts["n"].losses
    assert result.starts["n"].stuck[0] > 10
    for loss, answers in ((0.125, [0.0, 0.5, 0.5, 1.0]), (1 / 6, None)):
        seed = int(np.argmin(np.abs(losses - loss)))
        outputs = np.sort(trained(lp.normal(1), seed, 5_000, 4, 5.0).predict(X)[:, 0])
        wanted = [[0, *[2 / 3] * 3], [*[1 / 3] * 3, 1]] if answers is None else [answers]
        assert min(np.abs(outputs - w).max() for w in wanted) < tolerance("plateau_answers")


def test_from_zeros_no_network_leaves_the_loss_of_one_quarter():
    # ŷ = 0.5 for every row, and the errors ±0.5 of the rows cancel in every gradient.
    result = lp.experiments.xor(seeds=3, starts={"zeros": lp.zeros}, epochs=100)
    own = result.starts["zeros"]
    assert own.losses.tolist() == [0.25] * 3
    assert (own.solved, own.stuck, own.elsewhere) == (0, (0, 0, 3), 0)


def test_every_network_is_counted_once():
    result = lp.experiments.xor(seeds=150, epochs=600)
    assert list(result.starts) == list(STARTS)
    for own in result.starts.values():
        assert own.solved + sum(own.stuck) + own.elsewhere == 150
        assert own.solved == (own.losses < result.solved_below).sum()
        assert own.interval[0] < own.share < own.interval[1]
        assert own.late <= own.solved
        counts, edges = result.histogram("glorot")
        assert counts.sum() == 150
        assert len(edges) == len(counts) + 1


def test_engines_agree():
    given = {"seeds": 8, "epochs": 200, "starts": {"g": lp.glorot}}
    one, two = (lp.experiments.xor(engine=e, **given) for e in ("native", "reference"))
    assert (one.engine, two.engine) == ("native", "reference")
    assert one.starts["g"].losses == pytest.approx(
        two.starts["g"].losses, abs=tolerance("training_weights")
    )


@pytest.mark.parametrize(("hits", "n"), [(0, 10), (7, 10), (10, 10), (9_890, 10_000)])
def test_the_interval_holds_the_shares_whose_score_test_does_not_refuse(hits, n):
    low, high = wilson(hits, n)
    for share in (low, high):
        if 0 < share < 1:  # Wilson's ends solve |p̂ − p| = z √(p (1 − p) / n)
            score = abs(hits / n - share) / (share * (1 - share) / n) ** 0.5
            assert score == pytest.approx(1.959963984540054, rel=tolerance("engine_float64_steps"))
    assert 0 <= low <= hits / n <= high <= 1


def test_the_text_tells_the_counts():
    result = lp.experiments.xor(seeds=200, starts={"a": lp.uniform(0, 1), "b": lp.normal(1)})
    text = result.to_text("en", 2_000)
    shares = [result.starts[name].share for name in "ab"]
    assert f"Most often solved: a ({100 * shares[0]:.1f}" in text
    assert f"least often: b ({100 * shares[1]:.1f}" in text
    assert "Networks for each start: 200 (seeds 0 to 199); epochs: 5,000" in text
    three = lp.experiments.xor(seeds=5, hidden=3, epochs=10, starts={"a": lp.glorot})
    assert "proven" not in three.to_text("en", 2_000)  # for 2 hidden neurons alone
    assert "2-3-1" in three.to_text("en", 2_000)


def test_wrong_arguments_are_named():
    with pytest.raises(ArgumentError, match=r"at most 1,048,576; received 2,000,000"):
        lp.experiments.xor(seeds=2_000_000)
    with pytest.raises(ArgumentTypeError, match="starts is a dict of names and initialisers"):
        lp.experiments.xor(starts=[lp.glorot])
    with pytest.raises(ArgumentError, match="batch_size is at most 4, received 5"):
        lp.experiments.xor(batch_size=5)
    with pytest.raises(ArgumentError, match="learning_rate"):
        lp.experiments.xor(learning_rate=-1)
    with pytest.raises(ArgumentTypeError, match=r"starts\['a'\] must be an initialiser"):
        lp.experiments.xor(starts={"a": "glorot"})


def test_plateaus_come_from_all_ways_to_share_answers():
    losses = set()
    for groups in itertools.product(range(4), repeat=4):
        squares = 0.0
        for group in set(groups):
            members = Y[np.array(groups) == group]
            squares += float(((members - members.mean()) ** 2).sum())
        losses.add(round(squares / 4, 9))
    result = lp.experiments.xor(seeds=1, epochs=1, starts={"s": lp.normal(1)})
    assert losses - {0.0} == {round(p.loss, 9) for p in result.plateaus}


def test_where_all_are_solved_no_more_epochs_are_asked_for():
    wide = {"wide": lp.uniform(0, 1)}
    result = lp.experiments.xor(seeds=20, starts=wide, epochs=400)
    assert result.starts["wide"].solved == 20
    assert result.starts["wide"].late > 0
    assert "More epochs" not in result.to_text("en")
    assert "More epochs may" in lp.experiments.xor(seeds=20, starts=wide, epochs=200).to_text("en")


def test_of_starts_that_are_equally_good_none_is_called_the_best():
    equal = {"zeros": lp.zeros, "alike": lp.uniform(0.3, 0.3)}
    text = lp.experiments.xor(seeds=5, starts=equal, epochs=50).to_text("en")
    assert "Most often" not in text
