"""What fit_many takes and gives: grids, errors, one network of many, what is printed."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

import limpide as lp
from limpide import progress

RANDOM = np.random.default_rng(1)
X = RANDOM.standard_normal((40, 3))
Y = X[:, :1] - X[:, 1:2]


def net(**settings: Any) -> lp.Network:
    return lp.Network([3, 4, 1], activation="tanh", **settings)


def fit(seeds: Any, rates: Any = 0.01, **settings: Any) -> lp.ManyNetworks:
    return lp.fit_many(net(), X, Y, seeds, rates, **{"epochs": 2, **settings})


@pytest.mark.parametrize(
    ("seeds", "rates", "shape"),
    [
        (4, 0.1, ()),
        (4, [0.1, 0.2], (2,)),
        (range(3), 0.1, (3,)),
        ([1, 2], [0.1, 0.2], (2,)),
        (np.arange(2)[:, None], [0.1, 0.2, 0.3], (2, 3)),
        (np.zeros((2, 1, 1), np.uint8), [[0.1], [0.2]], (2, 2, 1)),
        ([2**32 - 1], np.float32(0.5), (1,)),
    ],
)
def test_seeds_and_rates_pair_up_as_arrays_do(seeds: Any, rates: Any, shape: Any) -> None:
    many = fit(seeds, rates, validation=(X, Y))
    assert many.shape == shape
    assert len(many) == int(np.prod(shape, dtype=int))
    assert many.params["hidden1.weights"].shape == (*shape, 3, 4)
    assert many.loss.shape == many.validation_loss.shape == (*shape, 2)
    assert many.diverged.shape == many.epochs.shape == shape
    np.testing.assert_array_equal(many.seeds, np.broadcast_to(seeds, shape))
    np.testing.assert_array_equal(many.learning_rates, np.broadcast_to(rates, shape))
    assert many.predict(X).shape == (*shape, 40, 1)
    assert many.predict(X[0]).shape == shape
    assert [one.seed for one in many] == many.seeds.reshape(-1).tolist()
    assert many.steps == len(many) * 2 * 2
    assert many.steps_per_second == many.steps / many.seconds


@pytest.mark.parametrize(
    ("seeds", "rates", "message"),
    [
        ([1, 2, 3], [0.1, 0.2], r"seeds=np.array\(seeds\)\[:, None\]"),
        ([], 0.1, "seeds is empty"),
        (1, [], "learning_rates is empty"),
        (None, 0.1, "seeds must be whole numbers; received None"),
        (True, 0.1, "seeds must be whole numbers; received True"),
        (["a"], 0.1, "seeds must be whole numbers"),
        (0.5, 0.1, "seeds must be whole numbers"),
        ([[1, 2], [3]], 0.1, "seeds must be whole numbers"),
        ([1, -1], 0.1, "-1 in seeds is out of range. Give them from 0 to 4294967295"),
        ([2**32], 0.1, "4294967296 in seeds is out of range"),
        ([2**70], 0.1, "1180591620717411303424 in seeds is out of range"),
        (1, [0.1, -2], "-2.0 in learning_rates is no rate to train at. Give numbers above 0"),
        (1, 0, "0.0 in learning_rates is no rate"),
        (1, [np.nan], "nan in learning_rates is no rate"),
        (1, [np.inf], "inf in learning_rates is no rate"),
        (1, "fast", "learning_rates must be numbers; received 'fast'"),
        (1, True, "learning_rates must be numbers; received True"),
        (1, [[0.1], [0.1, 0.2]], "learning_rates must be numbers"),
    ],
)
def test_wrong_seeds_and_rates_are_refused(seeds: Any, rates: Any, message: str) -> None:
    with pytest.raises((lp.ArgumentError, lp.ArgumentTypeError), match=message):
        fit(seeds, rates)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": 0}, "epochs"),
        ({"epochs": 2.5}, "epochs"),
        ({"epoch": 2}, "Did you mean 'epochs'"),
        ({"batch_size": 0}, "batch_size"),
        ({"threads": 0}, "threads must be at least 1"),
        ({"engine": "nativ"}, "Did you mean 'native'"),
        ({"optimizer": "adm"}, "Did you mean 'adam'"),
        ({"loss": "mze"}, "Did you mean 'mse'"),
        ({"shuffle": 3}, "shuffle"),
        ({"progress": "yes"}, "progress"),
        ({"freeze": ["bias"]}, "bias"),
        ({"validation": 1.5}, "share between 0 and 1"),
        ({"validation": (X,)}, "pair"),
        ({"sample_weight": [1.0]}, "sample_weight"),
        ({"validation": 0.5, "class_weight": "balanced"}, r"validation=\(Xv, yv\)"),
    ],
)
def test_wrong_arguments_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(lp.LimpideError, match=message):
        fit(range(2), **settings)


def test_it_takes_a_network() -> None:
    with pytest.raises(lp.ArgumentTypeError, match="fit_many takes an lp"):
        lp.fit_many([3, 4, 1], X, Y, [1])  # type: ignore[arg-type]


def test_a_schedule_without_a_rate_of_its_own_is_refused() -> None:
    class Fixed(lp.Schedule):
        def rate(self, step: Any, total: Any, scalars: Any) -> Any:
            return step * 0 + 0.01

    assert fit(range(2), None, optimizer=lp.SGD(Fixed())).loss.shape == (2, 2)
    with pytest.raises(lp.ArgumentError, match="Fixed has none"):
        fit(range(2), 0.1, optimizer=lp.SGD(Fixed()))


@pytest.mark.parametrize(
    ("seeds", "rates"),
    [
        (range(10**12), 0.1),
        (range(10**30), 0.1),
        (np.arange(10**6)[:, None], np.linspace(0.1, 0.2, 10**6)),
    ],
)
def test_more_seeds_than_there_is_room_for_are_refused_unseen(seeds: Any, rates: Any) -> None:
    with pytest.raises(lp.MemoryLimitError, match="networks of"):
        fit(seeds, rates)


def test_more_than_memory_holds_is_refused_with_the_size() -> None:
    large = lp.Network([784, 2048, 10], seed=0)
    rows = np.zeros((4, 784), np.float32)
    with pytest.raises(lp.MemoryLimitError, match=r"1,000,000 networks of 1,628,170.*GiB"):
        lp.fit_many(large, rows, np.zeros((4, 10)), range(10**6), 0.1)
    with pytest.raises(lp.MemoryLimitError, match=r"2 networks.*GiB"):
        lp.fit_many(net(), X, Y, range(2), epochs=10**12)


def test_one_of_many_is_a_network_of_its_own() -> None:
    many = fit(range(3), 0.05)
    one, before = many[1], many.params["output.bias"][1].copy()
    assert one.seed == 1
    assert one.last_loss == lp.mse
    one.fit(X, Y, epochs=1)
    assert (one.params["output.bias"] != before).all()
    np.testing.assert_array_equal(many.params["output.bias"][1], before)
    assert many[-1].seed == 2


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (3, "no network 3 on an axis of 3; the last is 2"),
        (-4, "no network -4"),
        ((0, 0), r"Write many\[0\]"),
        (slice(2), r"many.params\['output.weights'\]\[1:3\]"),
        (True, "by whole numbers; received True"),
        ("best", "by whole numbers"),
    ],
)
def test_a_wrong_index_is_refused(index: Any, message: str) -> None:
    with pytest.raises((lp.ArgumentError, lp.ArgumentTypeError), match=message):
        fit(range(3))[index]


def test_an_index_too_large_is_an_index_error_too() -> None:
    with pytest.raises(IndexError):
        fit(range(3))[3]


def test_a_grid_needs_an_index_an_axis() -> None:
    many = fit(np.arange(2)[:, None], [0.1, 0.2])
    with pytest.raises(lp.ArgumentError, match=r"shape \[2, 2\].*received 1. Write many\[0, 0\]"):
        many[1]
    index = many.best.index
    assert isinstance(index, tuple)
    assert many.loss[..., -1].min() == many.loss[index][-1] == many.best.loss


def test_validation_says_which_is_the_best() -> None:
    many = fit(range(8), 0.2, validation=(X[:5], -Y[:5]))  # rows that say the opposite
    assert many.best.index == int(many.validation_loss[:, -1].argmin())
    assert many.best.index != int(many.loss[:, -1].argmin())
    found = many.best.network.evaluate(X[:5], -Y[:5])["loss"]
    assert found == many.best.loss


def test_it_is_printed_in_a_few_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    many = fit(np.arange(2)[:, None], [0.1, 0.2], validation=(X, Y))
    first, best = str(many).splitlines()
    assert first.startswith("4 networks 3-4-1 (2 × 2): 16 steps, ")
    assert best.startswith("Best: many[")
    assert "validation loss" in best
    assert repr(many) == "<ManyNetworks: 2 × 2 of 3-4-1>"
    monkeypatch.setenv("LANGUAGE", "fr")
    assert "réseaux" in str(many)


def test_it_survives_pickling() -> None:
    many = fit(range(3))
    copy = pickle.loads(pickle.dumps(many))
    np.testing.assert_array_equal(copy.predict(X), many.predict(X))
    np.testing.assert_array_equal(copy[2].params["output.bias"], many[2].params["output.bias"])


def test_the_arrays_given_are_not_written_to() -> None:
    before = X.copy(), Y.copy()
    X.flags.writeable = Y.flags.writeable = False
    try:
        fit(range(2), validation=0.2)
    finally:
        X.flags.writeable = Y.flags.writeable = True
    np.testing.assert_array_equal(X, before[0])
    np.testing.assert_array_equal(Y, before[1])


def test_a_bar_counts_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[int] = []
    monkeypatch.setattr(progress, "_TICK_SECONDS", 0.0)
    monkeypatch.setattr(progress.Bar, "_show", lambda bar, text, done: shown.append(done))
    fit(range(3), progress=True, threads=1)
    assert shown == [1, 2, 3]
