"""Rows on disk: each is there once, mixed, in epochs; training on them is that in memory."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import limpide as lp
from breaking_off import breaks_off
from limpide import stored_rows
from limpide.checkpoints import Checkpoint
from limpide.errors import CheckpointError, DataError, DivergenceError, FileError
from limpide.losses import resolve_loss
from limpide.optimizers import resolve_optimizer
from limpide.stored_rows import StoredRows

ENGINES = ["native", "reference"]
N, SIZE = 1_003, 8


def rows(n: int = N) -> list[np.ndarray]:
    """Rows in order of their class, each with its number in the first column."""
    r = np.random.default_rng(0)
    X = r.standard_normal((n, 4)).astype(np.float32)
    X[:, 0] = np.arange(n) / n
    return [X, (np.arange(n) >= n // 2).astype(np.float32)[:, None]]


def stored(data: list[np.ndarray], window: int = 2_000, size: int = SIZE, part: int = 100) -> Any:
    found = StoredRows([len(data[0])], data, size, window, seed=3)
    for first in range(0, len(data[0]), part):
        found.add([array[first : first + part] for array in data])
    return found


def numbers(arrays: list[np.ndarray], n: int = N) -> list[int]:
    return np.rint(arrays[0][:, 0] * n).astype(int).tolist()


def order_of(data: StoredRows, epoch: int, seed: int = 0, steps: int = 7) -> list[int]:
    """Give the numbers of the rows in the order in which an epoch takes them."""
    found: list[int] = []
    at, total = 0, -(-data.n_rows // data.batch_size)
    with data.feed(seed) as feed:
        while at < total:
            taken = feed.take(epoch, at, min(steps, total - at))
            found += np.array(numbers(taken.rows))[taken.order[0]].tolist()
            at += taken.n_steps
    return found


def test_each_row_is_there_once() -> None:
    data = stored(rows())
    assert data.windows > 5
    windows = [data.window(i) for i in range(data.windows)]
    assert sorted(n for w in windows for n in numbers(w)) == list(range(N))
    for X, y in windows:  # what belongs together has stayed together
        np.testing.assert_array_equal(y[:, 0], np.rint(X[:, 0] * N) >= N // 2)
        assert 0.2 < y.mean() < 0.8  # and the classes are mixed
        assert len(X) % SIZE == 0 or len(X) == len(windows[-1][0])


@pytest.mark.parametrize("window", [1, 2_000, 10**9])
def test_each_epoch_takes_each_row_once_in_an_order_of_its_own(window: int) -> None:
    data = stored(rows(), window)
    orders = [order_of(data, epoch) for epoch in range(3)]
    for order in orders:
        assert sorted(order) == list(range(N))
    assert orders[0] != orders[1] != orders[2]
    assert orders == [order_of(data, epoch, steps=1) for epoch in range(3)]
    assert orders[0] != order_of(data, 0, seed=1)


def test_the_windows_and_their_order_come_by_seed() -> None:
    one, other = stored(rows()), stored(rows())
    assert one.words() == other.words()
    assert order_of(one, 5) == order_of(other, 5)
    apart = StoredRows([N], rows(), SIZE, 2_000, seed=4)
    apart.add(rows())
    assert apart.words() != one.words()
    assert f"f32[{N},4] and f32[{N},1] with " in one.words()


def test_a_feed_begins_anywhere() -> None:
    data = stored(rows())
    whole = order_of(data, 2)
    with data.feed(0) as feed:
        taken = feed.take(2, 50, 3)
    first = np.array(numbers(taken.rows))[taken.order[0]].tolist()
    assert first == whole[50 * SIZE : (50 + taken.n_steps) * SIZE]


def test_too_many_and_too_few_rows() -> None:
    data = StoredRows([N], rows(), SIZE, 2_000, seed=0)
    data.add([a[:-1] for a in rows()])
    with pytest.raises(DataError, match="fewer rows than it had"):
        data.window(0)
    with pytest.raises(DataError, match="more rows than it had"):
        data.add([a[:2] for a in rows()])


def test_a_disk_without_room(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil._ntuple_diskusage(10**9, 10**9, 10**6)  # type: ignore[attr-defined]
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(
        FileError, match=r"take 0 MiB on disk, and .* has 1 MiB free, .* Set TMPDIR"
    ):
        stored(rows())


def test_a_write_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    data = StoredRows([N], rows(), SIZE, 2_000, seed=0)

    class Full:
        def close(self) -> None:
            pass

        def seek(self, place: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    data._files[0].close()
    data._files[0] = Full()
    with pytest.raises(FileError, match=r"No space left on device\. Set TMPDIR"):
        data.add(rows())


def test_nothing_is_left_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(stored_rows.tempfile, "tempdir", None)
    data = stored(rows())
    assert data._folder == str(tmp_path)
    assert list(tmp_path.iterdir()) == []
    data.close()


# Training ----------------------------------------------------------------------------------------


def fit(net: lp.Network, data: StoredRows, **options: Any) -> lp.History:
    settings: dict[str, Any] = {"epochs": 3, "seed": 5} | options
    loss = resolve_loss(None, net.output_activation)
    return net.fit_stored(data, loss=loss, optimizer=resolve_optimizer("adam"), **settings)


def network() -> lp.Network:
    return lp.Network([4, lp.Dense(5), lp.Dropout(0.2), 1], output="sigmoid", seed=1)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("weighted", [False, True])
def test_training_is_that_of_the_same_rows_in_memory(engine: str, weighted: bool) -> None:
    whole = rows()
    if weighted:
        whole.append(np.random.default_rng(1).random(N).astype(np.float32))
    data = stored(whole)
    one, other = network(), network()
    history = fit(one, data, epochs=1, engine=engine)
    order = order_of(data, 0, seed=5)
    X, y, *weights = (array[order] for array in whole)
    expected = other.fit(
        X, y, batch_size=SIZE, shuffle=False, epochs=1, seed=5, engine=engine,
        sample_weight=weights[0] if weights else None,
    )  # fmt: skip
    assert history.loss == expected.loss
    for name, array in one.params.items():
        np.testing.assert_array_equal(array, other.params[name])


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("at", [1, 37, 126, 200])
def test_a_run_that_is_broken_off_goes_on_bit_for_bit(
    tmp_path: Path, engine: str, at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings: dict[str, Any] = {"engine": engine, "validation": tuple(rows(50))}
    whole, net, path = network(), network(), tmp_path / "run"
    expected = fit(whole, stored(rows()), **settings)
    with monkeypatch.context() as patch:
        breaks_off(patch, at)
        first = fit(net, stored(rows()), checkpoint=Checkpoint(path), **settings)
    assert first.interrupted
    assert first.steps == at
    found = fit(net, stored(rows()), checkpoint=Checkpoint(path, resume=True), **settings)
    assert (found.loss, found.validation_loss) == (expected.loss, expected.validation_loss)
    for name, array in net.params.items():
        np.testing.assert_array_equal(array, whole.params[name])


def test_a_run_on_other_rows_is_not_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, net = tmp_path / "run", network()
    with monkeypatch.context() as patch:
        breaks_off(patch, 30)
        fit(net, stored(rows()), checkpoint=Checkpoint(path))
    other = rows()
    other[0][17, 1] += 1
    for data in (stored(other), stored(rows(), window=4_000)):
        with pytest.raises(CheckpointError, match=r"the rows on disk was f32.1003,4."):
            fit(net, data, checkpoint=Checkpoint(path, resume=True))


@pytest.mark.parametrize("engine", ENGINES)
def test_divergence_is_noticed_and_undone(engine: str) -> None:
    X, y = rows()
    net = lp.Network([4, 8, 1], output="linear", seed=0)
    data = stored([X, y * 1000])
    mse, sgd = resolve_loss("mse", net.output_activation), lp.SGD(50.0)
    with pytest.raises(DivergenceError, match=r"Training diverged.*Lower the rate"):
        net.fit_stored(data, loss=mse, optimizer=sgd, epochs=5, seed=0, engine=engine)
    assert all(np.isfinite(array).all() for array in net.params.values())
    hopeless = stored([np.full_like(X, 1e30), np.full_like(y, 1e30)])
    with pytest.raises(DivergenceError, match="before any update: there X reaches"):
        lp.Network([4, 1], output="linear", seed=0).fit_stored(
            hopeless, loss=mse, optimizer=sgd, epochs=1, seed=0, engine=engine
        )
