"""Orders of rows: the same bits however they are drawn, and no helper outlives its run."""

from __future__ import annotations

import os
import threading
from typing import Any

import numpy as np
import pytest

import limpide as lp
from limpide import row_orders
from limpide.rng import RowOrder, row_order
from limpide.row_orders import orders


def helpers() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name == "limpide rows"]


@pytest.fixture(params=["here", "helper"])
def drawn(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Draw in this thread, or let a helper do it, whatever pays."""
    how: str = request.param
    monkeypatch.setattr(row_orders, "_FEW_ROWS", 0 if how == "helper" else 10**9)
    monkeypatch.setattr(row_orders, "_WORTHWHILE", 0)
    return how


def all_of(given: row_orders.Orders, epochs: int, most: int) -> Any:
    parts: list[Any] = []
    while sum(map(len, parts)) < epochs:
        part = given.take(min(most, epochs - sum(map(len, parts))))
        assert part.flags.c_contiguous
        assert part.dtype == np.int64
        parts.append(part.copy())
    return np.concatenate(parts), [len(part) for part in parts]


@pytest.mark.parametrize("n_rows", [1, 2, 3, 17, 1000])
@pytest.mark.parametrize("seed", [0, 2**32 - 1])
def test_one_generator_set_back_draws_what_fresh_ones_draw(seed: int, n_rows: int) -> None:
    order, out = RowOrder(seed), np.empty((2, n_rows), np.int64)
    for epoch in (0, 3, 1, 3):
        order.draw(epoch, out)
        np.testing.assert_array_equal(out[0], row_order(seed, epoch, n_rows))
        np.testing.assert_array_equal(out[1], row_order(seed, epoch + 1, n_rows))


@pytest.mark.parametrize("most", [1, 3, 100])
def test_orders_are_functions_of_seed_and_epoch(
    drawn: str, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_orders, "BLOCK_ROWS", 50)  # five epochs
    with orders(7, 13, 10) as given:
        found, counts = all_of(given, 13, most)
        assert len(helpers()) <= (drawn == "helper")
    expected = [row_order(7, epoch, 10) for epoch in range(13)]
    np.testing.assert_array_equal(found, expected)
    assert counts == {1: [1] * 13, 3: [3, 2, 3, 2, 3], 100: [5, 5, 3]}[most]
    assert helpers() == []


def test_a_block_holds_an_epoch_at_least(drawn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_orders, "BLOCK_ROWS", 5)
    with orders(1, 4, 10) as given:
        found, counts = all_of(given, 4, 4)
    assert counts == [1, 1, 1, 1]
    np.testing.assert_array_equal(found, [row_order(1, epoch, 10) for epoch in range(4)])


def test_chosen_rows_are_put_in_order(drawn: str) -> None:
    rows = np.array([4, 8, 15, 16, 23, 42])
    with orders(3, 4, 6, rows) as given:
        found, _ = all_of(given, 4, 3)
    np.testing.assert_array_equal(found, [rows[row_order(3, epoch, 6)] for epoch in range(4)])
    with orders(None, 4, 6, rows) as given:
        np.testing.assert_array_equal(given.take(2), [rows, rows])


def test_the_helper_is_one_block_ahead_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_orders, "_FEW_ROWS", 0)
    monkeypatch.setattr(row_orders, "_WORTHWHILE", 0)
    monkeypatch.setattr(row_orders, "BLOCK_ROWS", 20)
    seen: list[int] = []
    ahead = threading.Event()
    original = RowOrder.draw

    def draw(self: RowOrder, epoch: int, out: Any) -> None:
        original(self, epoch, out)
        seen.extend(range(epoch, epoch + len(out)))
        if max(seen) == 3:
            ahead.set()

    monkeypatch.setattr(RowOrder, "draw", draw)
    with orders(1, 1000, 10) as given:
        for _ in range(2):
            given.take(1)
        assert ahead.wait(60)
        # It waits for the second block, epochs 2 and 3, to be taken; the third is not begun.
        assert max(seen) == 3
    assert max(seen) == 3


def test_much_is_drawn_by_what_is_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    class Fast(RowOrder):
        used = 0

        def draw(self, epoch: int, out: Any) -> None:
            Fast.used += len(out)
            super().draw(epoch, out)

    monkeypatch.setattr(row_orders, "_MUCH", 1000)
    for epochs, used in ((9, 0), (10, 10)):
        with orders(3, epochs, 100, fast=Fast) as given:
            found, _ = all_of(given, epochs, epochs)
        np.testing.assert_array_equal(found, [row_order(3, e, 100) for e in range(epochs)])
        assert Fast.used == used


def test_no_helper_for_what_is_short_or_always_the_same() -> None:
    for seed, epochs, rows in ((1, 1, 1000), (1, 20, 100), (1, 10**6, 4), (None, 10**6, 400)):
        with orders(seed, epochs, rows) as given:
            given.take(1)
            assert helpers() == []
    with orders(1, 1000, 1000) as given:
        given.take(1)
        assert len(helpers()) == 1


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_the_helper_ends_with_the_run_that_failed(error: type[BaseException]) -> None:
    def run() -> None:
        with orders(1, 10**6, 100) as given:
            given.take(5)
            raise error

    with pytest.raises(error):
        run()
    assert helpers() == []


def test_what_the_helper_lacks_is_raised_where_orders_are_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def draw(self: RowOrder, epoch: int, out: Any) -> None:
        raise MemoryError("none left")

    monkeypatch.setattr(row_orders, "_FEW_ROWS", 0)
    monkeypatch.setattr(row_orders, "_WORTHWHILE", 0)
    monkeypatch.setattr(RowOrder, "draw", draw)
    with pytest.raises(MemoryError, match="none left"), orders(1, 10, 10) as given:
        given.take(1)
    assert helpers() == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="POSIX")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_child_draws_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_orders, "_FEW_ROWS", 0)
    monkeypatch.setattr(row_orders, "_WORTHWHILE", 0)
    monkeypatch.setattr(row_orders, "BLOCK_ROWS", 300)
    with orders(5, 50, 100) as given:
        given.take(2)
        child = os.fork()
        if child == 0:
            rest = [given.take(1)[0].copy() for _ in range(48)]
            same = all((o == row_order(5, i, 100)).all() for i, o in enumerate(rest, 2))
            os._exit(0 if same else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        np.testing.assert_array_equal(given.take(1)[0], row_order(5, 2, 100))


@pytest.mark.parametrize("ends", ["callback", "divergence", "interrupt", "usual"])
def test_a_fit_leaves_no_thread(ends: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_orders, "_FEW_ROWS", 0)
    monkeypatch.setattr(row_orders, "_WORTHWHILE", 0)
    X = np.random.default_rng(0).normal(size=(64, 3))
    net = lp.Network([3, 1], dtype="float64", seed=0)
    seen: list[int] = []

    def callback(run: lp.Run) -> None:
        seen.append(len(helpers()))
        if ends == "callback":
            raise ZeroDivisionError
        if ends == "interrupt" and run.epoch == 3:
            raise KeyboardInterrupt

    expected = {
        "callback": ZeroDivisionError,
        "divergence": lp.DivergenceError,
        "interrupt": KeyboardInterrupt,
    }
    settings: dict[str, Any] = {"epochs": 10**5 if ends != "usual" else 8, "callbacks": callback}
    if ends == "divergence":
        settings["optimizer"] = lp.SGD(1e9)
    if ends == "usual":
        net.fit(X, X[:, 0], **settings)
    else:
        with pytest.raises(expected[ends]):
            net.fit(X, X[:, 0], **settings)
    assert helpers() == []
    if ends in ("callback", "interrupt"):
        assert seen[0] == 1


def test_the_orders_of_a_long_fit_are_those_of_a_short_one(monkeypatch: pytest.MonkeyPatch) -> None:
    X = np.random.default_rng(0).normal(size=(100, 3))
    results = []
    for few in (10**9, 0):
        monkeypatch.setattr(row_orders, "_FEW_ROWS", few)
        monkeypatch.setattr(row_orders, "_WORTHWHILE", 0)
        net = lp.Network([3, 1], dtype="float64", seed=0)
        net.fit(X, X[:, 0], epochs=30, validation=0.2, seed=4)
        net.fit(X, X[:, 0], epochs=30, batch_size=7, seed=4)
        results.append(net.params["output.weights"].tobytes())
    assert results[0] == results[1]
