"""The same bits on any number of threads, run after run, forked, spawned, copied, side by side."""

from __future__ import annotations

import copy
import hashlib
import multiprocessing
import os
import pickle
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from natively import NATIVE

import limpide as lp
from agreement import graph_of
from limpide.engines.native import loops, schedule
from limpide.engines.native.threads import Pace
from limpide.threads import limit_threads
from random_loops import RandomLoop

Array = npt.NDArray[Any]
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


@pytest.fixture(autouse=True)
def _all_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use as many threads as there may be: the engine takes one where that is faster."""
    monkeypatch.setattr(Pace, "choose", lambda pace, most, left: (most, left))


@pytest.fixture(params=["rows", "columns"])
def _shared_always(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let threads share steps and kernels of any size: only barriers keep them in order then."""
    columns = request.param == "columns"
    monkeypatch.setattr(loops, "THREADS_FROM", 0.25 if columns else 0.5)  # a key of its own
    monkeypatch.setattr(loops, "TINY_BYTES", -1)
    monkeypatch.setattr(schedule, "_SHARED_FROM", 0)
    monkeypatch.setattr(schedule, "_COLUMNS_FROM", 17)

    def always(plan: Any, lanes: int, gathered: Any = ()) -> schedule.Schedule:
        turns = schedule.schedule(plan, lanes, gathered, columns=columns)
        return schedule.Schedule(turns, True, columns)

    monkeypatch.setattr(loops, "best_schedule", always)


@pytest.fixture
def _quick_switches() -> Iterator[None]:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def check_threads(seed: int, dtype: str, repeats: int) -> None:
    loop = RandomLoop(seed, dtype)
    run = NATIVE.compile_loop(loop.loop())
    with limit_threads(1):
        expected = loop.run(run, 1)
    for threads in (2, 3, 4):
        for _ in range(repeats):
            with limit_threads(threads):
                actual = loop.run(run, 1)
            for a, b in zip(actual, expected, strict=True):
                np.testing.assert_array_equal(a, b)


@pytest.mark.usefixtures("_shared_always")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("seed", [*range(100, 110), 121, 129, 2041])  # the last once went wrong
def test_threads_give_the_same_bits_on_random_loops(seed: int, dtype: str) -> None:
    check_threads(seed, dtype, 3)


@pytest.mark.long
@pytest.mark.usefixtures("_shared_always")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("seed", range(2000, 2500))
def test_threads_give_the_same_bits_on_many_random_loops(seed: int, dtype: str) -> None:
    check_threads(seed, dtype, 10)


# Networks ---------------------------------------------------------------------------------------


def table(n: int = 300, features: int = 20) -> tuple[Array, Array]:
    generator = np.random.default_rng(8)
    X = generator.normal(size=(n, features))
    return X, (X[:, 0] * X[:, 1] > 0).astype(float)


def fitted(optimizer: Any = None, epochs: int = 3, dtype: str = "float32") -> lp.Network:
    X, y = table()
    layers = [20, 130, lp.LayerNorm(), lp.Dropout(0.2), 97, 1]
    net = lp.Network(layers, output="sigmoid", dtype=dtype, seed=0)
    net.fit(X, y, optimizer=optimizer or lp.Adam(0.01), epochs=epochs, batch_size=64)
    return net


def digest(net: lp.Network) -> str:
    arrays = [*net.params.values(), *net.state.values(), net.predict(table()[0][:7])]
    return hashlib.sha256(b"".join(a.tobytes() for a in arrays)).hexdigest()


def fitted_digest(_: int = 0) -> str:
    return digest(fitted())


def fitted_digest_to(queue: Any) -> None:
    queue.put(fitted_digest())


def test_this_network_is_large_enough_for_threads_to_share(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shared = []
    build = loops.build_loop

    def watching(*arguments: Any) -> Any:
        module = build(*arguments)
        shared.append(module.together)
        return module

    monkeypatch.setattr(loops, "build_loop", watching)
    monkeypatch.setenv("LIMPIDE_CACHE", "")
    monkeypatch.setattr(loops, "THREADS_FROM", loops.THREADS_FROM + 1)  # another key
    fitted(epochs=1)
    assert shared == [True]


def test_ten_runs_on_one_to_four_threads() -> None:
    found = set()
    for threads in (1, 2, 3, 4, 2, 1, 4, 3, 2, 4):
        with limit_threads(threads):
            found.add(fitted_digest())
    assert len(found) == 1


@pytest.mark.usefixtures("_shared_always")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "optimizer", [lp.SGD(0.1, momentum=0.9, nesterov=True), lp.AdamW(lp.Cosine(0.01))]
)
def test_forced_sharing_of_a_networks_steps(optimizer: Any, dtype: str) -> None:
    found = set()
    for threads in (1, 2, 3, 4, 4):
        with limit_threads(threads):
            found.add(digest(fitted(optimizer, 2, dtype)))
    assert len(found) == 1


def test_fresh_and_from_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    cached = fitted_digest()
    assert fitted_digest() == cached
    monkeypatch.setenv("LIMPIDE_CACHE", "")
    assert fitted_digest() == cached


@forks
def test_a_fork_and_a_spawned_process() -> None:
    expected = fitted_digest()
    for method in ("fork", "spawn"):
        context = multiprocessing.get_context(method)
        queue = context.Queue()
        child = context.Process(target=fitted_digest_to, args=(queue,))
        child.start()
        assert queue.get() == expected
        child.join()
        assert child.exitcode == 0


@pytest.mark.usefixtures("_quick_switches")
def test_in_many_threads_at_once() -> None:
    expected = fitted_digest()
    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(fitted_digest, range(16))) == {expected}


def test_copies_and_pickles_of_a_fitted_network_go_on_alike() -> None:
    X, y = table()
    net = fitted()
    twins = [copy.deepcopy(net), pickle.loads(pickle.dumps(net))]
    for each in (net, *twins):
        each.fit(X, y, optimizer=lp.SGD(0.1), epochs=2, seed=5)
    assert len({digest(each) for each in (net, *twins)}) == 1


# Programs used from many threads ----------------------------------------------------------------


@pytest.mark.usefixtures("_quick_switches")
def test_one_compiled_graph_in_32_threads() -> None:
    x = np.random.default_rng(5).normal(size=(40, 40))
    run = NATIVE.compile(graph_of(lambda x: (lp.exp(x @ x * 0.01) @ x, lp.sum(x, 0)), x))
    inputs = [x + k for k in range(32)]
    expected = [run([a]) for a in inputs]

    def work(k: int) -> bool:
        results = [run([inputs[k]]) for _ in range(30)]
        pairs = [zip(r, expected[k], strict=True) for r in results]
        return all(np.array_equal(a, b) for pair in pairs for a, b in pair)

    with ThreadPoolExecutor(32) as pool:
        assert all(pool.map(work, range(32)))


@pytest.mark.usefixtures("_shared_always", "_quick_switches")
def test_loops_at_once_each_on_threads_of_its_own() -> None:
    loops = [RandomLoop(seed, "float64") for seed in (3, 5, 8)]
    runs = [NATIVE.compile_loop(loop.loop()) for loop in loops]
    expected = [loop.run(run, 2) for loop, run in zip(loops, runs, strict=True)]
    wrong: list[int] = []

    def work(k: int) -> None:
        with limit_threads(1 + k % 4):
            for _ in range(5):
                results = loops[k % 3].run(runs[k % 3], 2)
                pairs = zip(results, expected[k % 3], strict=True)
                if not all(np.array_equal(a, b) for a, b in pairs):
                    wrong.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


# A row alone and among others -------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("output", [("sigmoid", 1), ("softmax", 3), ("linear", 5)])
def test_a_rows_prediction_does_not_depend_on_the_rows_beside_it(
    output: tuple[str, int], dtype: str
) -> None:
    activation, width = output
    layers = [9, lp.Dense(40, activation="tanh"), lp.LayerNorm(), 17, width]
    net = lp.Network(layers, output=activation, dtype=dtype, seed=0)
    X = np.random.default_rng(3).normal(size=(130, 9))
    whole = net.predict(X)
    for start, stop in ((0, 1), (5, 7), (0, 16), (3, 20), (64, 129), (129, 130), (50, 53)):
        np.testing.assert_array_equal(net.predict(X[start:stop]), whole[start:stop])
    assert np.array_equal(np.ravel(net.predict(X[4])), whole[4])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_many_rows_are_predicted_alike_on_any_number_of_threads(dtype: str) -> None:
    net = lp.Network([9, lp.Dense(40, activation="tanh"), 17, 3], output="softmax", dtype=dtype)
    X = np.random.default_rng(3).normal(size=(20_001, 9))
    with limit_threads(1):
        expected = net.predict(X)
    for threads in (2, 3, 4):
        with limit_threads(threads):
            np.testing.assert_array_equal(net.predict(X), expected)
    for at in (0, 7_777, 20_000):
        np.testing.assert_array_equal(net.predict(X[at]), expected[at])
