"""How many threads a run may use: processors, quotas, limits that nest."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import limpide as lp
from limpide import threads
from limpide.engines.native import engine, loop_run, loops
from limpide.engines.native.threads import Pool, Team, _Worker


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(threads, "_TOLD", "")
    threads._quota.cache_clear()
    yield
    threads._quota.cache_clear()


@pytest.mark.parametrize(
    ("number", "error", "words"),
    [
        (0, lp.ArgumentError, "threads must be at least 1; received 0. Give a whole number such"),
        (-2, lp.ArgumentError, "threads must be at least 1; received -2."),
        (True, lp.ArgumentTypeError, "threads must be a whole number or None; received True."),
        (1.5, lp.ArgumentTypeError, r"threads must be a whole number or None; received 1\.5\."),
        ("two", lp.ArgumentTypeError, "threads must be a whole number or None; received 'two'."),
        (float("nan"), lp.ArgumentTypeError, "received nan"),
    ],
)
def test_what_is_no_number_of_threads(number: Any, error: Any, words: str) -> None:
    with pytest.raises(error, match=words):
        lp.limit_threads(number)
    net = lp.Network([2, 1], seed=0)
    before = net.params["output.weights"].copy()
    with pytest.raises(error, match=words):
        net.fit([[0.0, 1.0]], [1.0], threads=number)
    assert (net.params["output.weights"] == before).all()
    with pytest.raises(error, match=words):
        lp.Neuron(2).fit([[0.0, 1.0]], [1.0], threads=number)
    with pytest.raises(error, match=words):
        lp.train({"x": range(30), "y": range(30)}, "y", threads=number)


def test_limits_nest_and_end() -> None:
    free = threads.most()
    with lp.limit_threads(3):
        assert threads.most() == 3
        with lp.limit_threads(np.int64(2)):  # type: ignore[arg-type]
            assert threads.most() == 2
            with lp.limit_threads(64), lp.limit_threads(None):
                assert threads.most() == 2
        assert threads.most() == 3
        with pytest.raises(ZeroDivisionError), lp.limit_threads(1):
            raise ZeroDivisionError
        assert threads.most() == 3
    assert threads.most() == free


def test_a_limit_is_of_the_thread_that_set_it() -> None:
    seen: list[int] = []
    free = threads.most()
    with lp.limit_threads(free + 5):
        other = threading.Thread(target=lambda: seen.append(threads.most()))
        other.start()
        other.join()
    assert seen == [free]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"new": "max 100000\n"}, 8),
        ({"new": "200000 100000\n"}, 2),
        ({"new": "250000 100000\n"}, 2),
        ({"new": "50000 100000\n"}, 1),
        ({"new": "1600000 100000\n"}, 8),
        ({"new": "0 0\n"}, 8),
        ({"new": "nonsense\n"}, 8),
        ({"quota": "300000\n", "period": "100000\n"}, 3),
        ({"quota": "-1\n", "period": "100000\n"}, 8),
        ({}, 8),
    ],
)
def test_the_quota_of_a_container_counts(
    files: dict[str, str], expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(threads, "_QUOTA", str(tmp_path / "new"))
    monkeypatch.setattr(threads, "_OLD_QUOTA", (str(tmp_path / "quota"), str(tmp_path / "period")))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert threads.available() == expected


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("1", 1),
        ("3", 3),
        (" 5 ", 5),
        ("4,3,2", 4),
        ("8", 6),
        ("999999999999999999999", 6),
        ("0", 6),
        ("-2", 6),
        ("", 6),
        ("two", 6),
        ("²", 6),
    ],
)
def test_what_a_scheduler_says_counts(
    told: str, expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "quota").write_text("650000 100000\n")
    monkeypatch.setattr(threads, "_QUOTA", str(tmp_path / "quota"))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(threads, "_TOLD", told)
    assert threads.available() == threads.most() == expected
    with lp.limit_threads(7):
        assert threads.most() == 7  # who asks for more gets it


def test_fit_predict_and_evaluate_keep_to_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_CYCLES_A_THREAD", 1.0)
    used: list[int] = []
    original = Team.run

    def run(team: Team, tasks: Any) -> None:
        used.append(len(tasks))
        original(team, tasks)

    monkeypatch.setattr(Team, "run", run)
    X = np.random.default_rng(0).normal(size=(5000, 3))
    results = []
    for number in (1, 2, 3):
        net = lp.Network([3, 8, 1], seed=0)
        used.clear()
        history = net.fit(X, X[:, 0], validation=(X, X[:, 0]), epochs=2, threads=number)
        assert set(used) == ({number} if number > 1 else set())
        with lp.limit_threads(number):
            y, figures = net.predict(X), net.evaluate(X, X[:, 0])
        results.append((history.loss, history.validation_loss, y.tobytes(), figures))
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize("where", ["first", "waiting"])
def test_a_pool_that_is_interrupted_waits_for_its_workers(
    where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool, done, go = Pool(), threading.Event(), threading.Event()
    original, waits = _Worker.wait, iter(["interrupted", "once"])

    def wait(self: _Worker) -> bool:
        if where == "waiting" and next(waits, "") == "interrupted":
            raise KeyboardInterrupt
        go.set()
        return original(self)

    def first() -> None:
        if where == "first":
            raise KeyboardInterrupt

    def second() -> None:
        assert go.wait(60)
        done.set()

    monkeypatch.setattr(_Worker, "wait", wait)
    with pytest.raises(KeyboardInterrupt), pool.lend(2) as team:
        team.run([first, second])
    assert done.is_set()
    again: list[int] = []
    with pool.lend(2) as team:  # the same worker is lent again
        team.run([lambda: again.append(1), lambda: again.append(2)])
    assert sorted(again) == [1, 2]
    assert len(pool._idle) == 1


def test_where_no_thread_can_be_started_one_does_it_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_CYCLES_A_THREAD", 1.0)
    monkeypatch.setattr(loops, "THREADS_FROM", 0.5)
    X = np.random.default_rng(0).normal(size=(700, 40))
    results = []
    for starts in (True, False):
        if not starts:
            monkeypatch.setattr(loop_run, "POOL", Pool())
            monkeypatch.setattr(engine, "POOL", loop_run.POOL)

            def refuse(thread: threading.Thread) -> None:
                raise RuntimeError("can't start new thread")

            monkeypatch.setattr(threading.Thread, "start", refuse)
        net = lp.Network([40, 64, 1], seed=0)
        net.fit(X, X[:, 0], epochs=1, threads=3, progress=False)
        with lp.limit_threads(3):
            results.append((net.predict(X).tobytes(), net.params["output.weights"].tobytes()))
    assert results[0] == results[1]
