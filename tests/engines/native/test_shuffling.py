"""Row orders in machine code are NumPy's."""

from __future__ import annotations

import numpy as np
import pytest

from limpide.engines.native import shuffling
from limpide.engines.native.shuffling import FastRowOrder
from limpide.rng import row_order


@pytest.mark.parametrize("n_rows", [1, 2, 3, 4, 5, 17, 63, 64, 65, 1000, 4601, 70_000])
@pytest.mark.parametrize(("seed", "epoch"), [(0, 0), (7, 3), (2**32 - 1, 10**9)])
def test_orders_are_numpys(n_rows: int, seed: int, epoch: int) -> None:
    found = np.empty((3, n_rows), np.int64)
    FastRowOrder(seed).draw(epoch, found)
    expected = [row_order(seed, epoch + i, n_rows) for i in range(3)]
    np.testing.assert_array_equal(found, expected)


def test_it_knows_this_numpy() -> None:
    assert shuffling._agrees()


def test_a_numpy_that_draws_otherwise_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shuffling, "row_order", lambda seed, epoch, n: np.arange(n))
    assert not shuffling._agrees.__wrapped__()


def test_a_numpy_that_draws_otherwise_draws_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shuffling, "_agrees", lambda: False)
    monkeypatch.setattr(shuffling, "_draw", None)
    found = np.empty((2, 30), np.int64)
    FastRowOrder(1).draw(5, found)
    np.testing.assert_array_equal(found, [row_order(1, 5, 30), row_order(1, 6, 30)])


def test_gaps_between_orders_stay_as_they_are() -> None:
    wide = np.full((3, 20), -1, np.int64)
    FastRowOrder(1).draw(0, wide[:, :12])
    np.testing.assert_array_equal(wide[:, :12], [row_order(1, e, 12) for e in range(3)])
    assert (wide[:, 12:] == -1).all()
