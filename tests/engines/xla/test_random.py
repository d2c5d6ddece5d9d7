"""Random programs on the xla engine: single graphs, gradients, training loops, whole fits.

Skips where JAX is not installed.
"""

from __future__ import annotations

import numpy as np
import pytest

import programs
from agreement import agrees_but_for_rounding, graph_of
from limpide import engines
from limpide.gradient import gradient
from random_loops import RandomLoop
from tolerances import tolerance

pytest.importorskip("jax", reason="JAX is not installed: pip install 'limpide[xla]'")

XLA = engines.get("xla")
REFERENCE = engines.get("reference")
DTYPES = ["float32", "float64"]


def check_graph(seed: int, dtype: str) -> None:
    arrays = programs.inputs(seed, dtype)
    agrees_but_for_rounding(XLA, graph_of(programs.program(seed), *arrays), arrays)


def check_gradient(seed: int, dtype: str) -> None:
    arrays = programs.inputs(seed, dtype)
    agrees_but_for_rounding(XLA, gradient(graph_of(programs.loss(seed), *arrays)), arrays)


def check_loop(seed: int) -> None:
    """Two epochs at once, and the same in parts that end wherever they do."""
    loop = RandomLoop(seed, "float64")
    traced = loop.loop()
    run, expected = XLA.compile_loop(traced), loop.run(REFERENCE.compile_loop(traced))
    cuts = sorted({0, *np.random.default_rng(seed).integers(0, len(loop.order), 2)})
    cuts = [cut // loop.batch * loop.batch for cut in cuts]
    carry, seen = [a.copy() for a in loop.carry], []
    for i in range(2):
        order = np.roll(loop.order, i)
        for first, end in zip(cuts, [*cuts[1:], len(order)], strict=True):
            if first < end:
                seen.append(run(carry, loop.held, loop.rows, order[None, first:end], 0))
    parts = [*carry, *(np.concatenate(each) for each in zip(*seen, strict=True))]
    for found in (loop.run(run), parts):
        for a, b in zip(found, expected, strict=True):
            size = max(1.0, float(np.abs(b).max(initial=0)))
            np.testing.assert_allclose(a, b, rtol=0, atol=size * tolerance("engine_float64_steps"))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("seed", range(8))
def test_random_graphs(seed: int, dtype: str) -> None:
    check_graph(seed, dtype)


@pytest.mark.long
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("seed", range(1000, 2000))
def test_many_random_graphs(seed: int, dtype: str) -> None:
    check_graph(seed, dtype)


@pytest.mark.parametrize("seed", range(6))
def test_gradients_of_random_graphs(seed: int) -> None:
    check_gradient(seed, DTYPES[seed % 2])


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1000, 2000))
def test_gradients_of_many_random_graphs(seed: int) -> None:
    check_gradient(seed, DTYPES[seed % 2])


@pytest.mark.parametrize("seed", range(6))
def test_random_loops(seed: int) -> None:
    check_loop(seed)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1000, 1300))
def test_many_random_loops(seed: int) -> None:
    check_loop(seed)
