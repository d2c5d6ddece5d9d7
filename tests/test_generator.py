"""Random numbers advance with each use: eager, in each call, in each step of repeat."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import limpide as lp
from limpide.errors import ArgumentError, DtypeError, TraceError


def test_each_use_draws_new_numbers_and_a_seed_gives_them_again():
    first, again = lp.Generator(seed=3), lp.Generator(seed=3)
    drawn = [first.normal((4,)).numpy() for _ in range(3)]
    assert not np.array_equal(drawn[0], drawn[1])
    assert np.array_equal(drawn, [again.normal((4,)).numpy() for _ in range(3)])


def test_calls_and_steps_of_a_compiled_function_draw_what_eager_calls_draw():
    compiled, eager = lp.Generator(seed=5), lp.Generator(seed=5)

    @lp.function
    def noise():
        return compiled.normal((3,), dtype="float64") + compiled.uniform((3,), dtype="float64")

    expected = [
        (eager.normal((3,), dtype="float64") + eager.uniform((3,), dtype="float64")).numpy()
        for _ in range(6)
    ]
    called = [noise().numpy() for _ in range(2)]
    repeated = noise.repeat(4).numpy()
    assert np.array_equal([*called, *repeated], expected)


def test_initialisers_without_a_seed_advance_in_compiled_functions_too():
    @lp.function
    def draw():
        return lp.normal((4,))

    steps = draw.repeat(3).numpy()
    assert len({tuple(row) for row in [*steps, draw().numpy(), lp.normal((4,)).numpy()]}) == 5


def test_distribution():
    generator = lp.Generator(seed=0)
    drawn = generator.uniform((20_000,), low=2, high=4).numpy()
    assert 2 <= drawn.min() < 2.01
    assert 3.99 < drawn.max() < 4
    normal = generator.normal((20_000,), mean=1, std=3).numpy()
    assert abs(normal.mean() - 1) < 0.1
    assert abs(normal.std() - 3) < 0.1


def test_wrong_arguments():
    with pytest.raises(ArgumentError, match="seed must be at least 0"):
        lp.Generator(-1)
    with pytest.raises(DtypeError, match="float32 or float64"):
        lp.Generator(0).normal((2,), dtype="int32")


FIRST_USES = ["lp.normal((2,))", "lp.uniform((2,))", "lp.zeros(2) + x", "lp.he((2, 2))"]


@pytest.mark.parametrize("use", FIRST_USES)
def test_what_draws_may_first_be_used_while_a_function_is_traced(use: str) -> None:
    code = f"import limpide as lp; f = lp.function(lambda x: {use}); print(f(1.0).ndim)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout in ("1\n", "2\n")


def test_a_generator_made_in_a_trace_is_refused() -> None:
    with pytest.raises(TraceError, match="A Generator was made while a function is traced"):
        lp.function(lambda: lp.Generator(0).normal())()


FORKED = """
import os
import limpide as lp

own, seeded = lp.Generator(), lp.Generator(7)
compiled = lp.function(lambda: lp.stack([lp.uniform(()), own.uniform()]))
compiled()

def draw():
    fresh = [lp.uniform(()).item(), own.uniform().item(), *compiled().numpy().tolist()]
    return fresh, seeded.uniform().item(), own.seed

results = []
for _ in range(2):
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.write(writing, repr(draw()).encode())
        os._exit(0)
    os.wait()
    results.append(eval(os.read(reading, 9999)))
results.append(draw())
fresh = [x for one, _, _ in results for x in one]
assert len(set(fresh)) == len(fresh) == 12, results
assert len({seeded for _, seeded, _ in results}) == 1, results
assert len({seed for _, _, seed in results}) == 3, results
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system forks nothing")
def test_forked_processes_draw_numbers_of_their_own() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORKED], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""


def test_threads_never_draw_the_same_numbers() -> None:
    generator = lp.Generator(seed=0)
    found: list[int] = []

    def use() -> None:
        found.extend(int(generator.source().step) for _ in range(300))

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=use) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert sorted(found) == list(range(1200))


def test_the_seed_of_a_generator_gives_its_numbers_again() -> None:
    first = lp.Generator()
    assert np.array_equal(first.normal((3,)), lp.Generator(first.seed).normal((3,)))
