"""Random programs on the native engine: single graphs, gradients and repeated steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from natively import NATIVE, REFERENCE

import limpide as lp
import programs
from agreement import agrees_but_for_rounding, assert_close, graph_of, spreads
from limpide.gradient import gradient
from limpide.ir import Graph, Loop

seeds = st.integers(0, 2**32 - 1)
dtypes = st.sampled_from(["float32", "float64"])


def graph_for(seed: int, dtype: str, count: int = 12) -> tuple[Graph, list[Any]]:
    arrays = programs.inputs(seed, dtype)
    return graph_of(programs.program(seed, count), *arrays), arrays


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("block", range(6))
def test_random_graphs(block: int, dtype: str) -> None:
    seeds = range(25 * block, 25 * (block + 1))
    plainly = [agrees_but_for_rounding(NATIVE, *graph_for(seed, dtype)) for seed in seeds]
    assert sum(plainly) >= 24  # what rounding explains is rare: the rest agrees to the table


@pytest.mark.long
@settings(max_examples=20_000)
@given(seeds, dtypes)
def test_many_random_graphs(seed: int, dtype: str) -> None:
    agrees_but_for_rounding(NATIVE, *graph_for(seed, dtype))


def check_gradient(seed: int, dtype: str) -> None:
    arrays = programs.inputs(seed, dtype)
    agrees_but_for_rounding(NATIVE, gradient(graph_of(programs.loss(seed), *arrays)), arrays)


@settings(max_examples=25)
@given(seeds, dtypes)
def test_gradients_of_random_graphs(seed: int, dtype: str) -> None:
    check_gradient(seed, dtype)


@pytest.mark.long
@settings(max_examples=5_000)
@given(seeds, dtypes)
def test_gradients_of_many_random_graphs(seed: int, dtype: str) -> None:
    check_gradient(seed, dtype)


def check_repeated(seed: int, dtype: str) -> None:
    """Variables swapped, kept, assigned views and old values of each other; one step and three."""
    arrays = programs.inputs(seed, dtype)
    held = np.full(3, 0.5, dtype)

    def step(*values: Any) -> tuple[Any, ...]:
        generator = np.random.default_rng(seed + 3)
        state, pool = list(values[:-1]), list(values)
        seen = [v + 0 if v.ndim == 0 else v[...] for v in state]
        for _ in range(3):
            programs.grow(generator, pool, 3)
            for i, value in enumerate(state):
                fits = [t for t in pool if t.shape == value.shape]
                if generator.random() < 0.6:
                    state[i] = fits[int(generator.integers(len(fits)))]
        return (*state, *seen, *pool[-2:], lp.sum(state[0]))

    graph = graph_of(step, *arrays, held)
    loop = Loop(graph, None, len(arrays), 1)
    run, plain = NATIVE.compile_loop(loop), REFERENCE.compile_loop(loop)
    carry, expected = [a.copy() for a in arrays], [a.copy() for a in arrays]
    seen, wanted = run(carry, [held], [], None, 1), plain(expected, [held], [], None, 1)
    actual, values = [*carry, *(a[0] for a in seen)], [*expected, *(a[0] for a in wanted)]
    for one, other, spread in zip(
        actual, values, spreads(graph, [*arrays, held], values), strict=True
    ):
        assert_close(one, other, spread)
    # Three steps at once, and one at a time: the same bits.
    whole, single = [a.copy() for a in arrays], [a.copy() for a in arrays]
    seen = run(whole, [held], [], None, 3)
    parts = [run(single, [held], [], None, 1) for _ in range(3)]
    for a, b in zip(whole, single, strict=True):
        np.testing.assert_array_equal(a, b)
    for k, trace in enumerate(seen):
        np.testing.assert_array_equal(trace, np.concatenate([part[k] for part in parts]))


@settings(max_examples=60)
@given(seeds, dtypes)
def test_repeated_random_steps(seed: int, dtype: str) -> None:
    check_repeated(seed, dtype)


@pytest.mark.long
@settings(max_examples=5_000)
@given(seeds, dtypes)
def test_many_repeated_random_steps(seed: int, dtype: str) -> None:
    check_repeated(seed, dtype)
