"""Random numbers advance with each use: eager, in each call, in each step of repeat."""

from __future__ import annotations

import numpy as np
import pytest

import limpide as lp
from limpide.errors import ArgumentError, DtypeError


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
