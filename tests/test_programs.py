"""Random programs: eager, traced, planned and repeated, they give the same bits.

That is what the reference engine promises; ``engines/native`` asks the native one the same, to the
table's tolerance.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import limpide as lp
import programs
from limpide.engines.reference import ReferenceEngine, evaluate
from limpide.gradient import gradient
from limpide.ir import Graph
from programs import assert_same_bits
from tolerances import tolerance

seeds = st.integers(0, 2**32 - 1)
dtypes = st.sampled_from(["float32", "float64"])


@pytest.fixture(scope="module", autouse=True)
def _on_the_reference_engine() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIMPIDE_ENGINE", "reference")
        yield


def check_traced_equals_eager(seed: int, dtype: str) -> None:
    arrays = programs.inputs(seed, dtype)
    python = programs.program(seed)
    eager = python(*map(lp.Tensor, arrays))
    traced = lp.function(python)(*map(lp.Tensor, arrays))
    for a, b in zip(traced, eager, strict=True):
        assert_same_bits(a, b)


@settings(max_examples=150)
@given(seeds, dtypes)
def test_traced_equals_eager(seed: int, dtype: str) -> None:
    check_traced_equals_eager(seed, dtype)


@pytest.mark.long
@settings(max_examples=20_000)
@given(seeds, dtypes)
def test_traced_equals_eager_on_many_programs(seed: int, dtype: str) -> None:
    check_traced_equals_eager(seed, dtype)


def check_planned_equals_plain(graph: Graph, arrays: list[list[Any]]) -> None:
    run = ReferenceEngine().compile(graph)
    for values in arrays:
        before = [a.copy() for a in values]
        plain = evaluate(graph, values)
        outputs = run(values)
        for output, node in zip(outputs, graph.outputs, strict=True):
            assert_same_bits(output, plain[id(node)])
        for value, copy in zip(values, before, strict=True):
            assert_same_bits(value, copy)


@settings(max_examples=100)
@given(seeds, dtypes)
def test_planned_equals_plain_run_after_run(seed: int, dtype: str) -> None:
    arrays = programs.inputs(seed, dtype)
    generator = np.random.default_rng(seed)
    again = [programs.numbers(generator, a.shape, dtype) for a in arrays]
    graph = lp.function(programs.program(seed, 20)).graph(*map(lp.Tensor, arrays))
    check_planned_equals_plain(graph, [arrays, again, arrays])


@settings(max_examples=100)
@given(seeds, dtypes)
def test_gradient_graph_equals_the_tape(seed: int, dtype: str) -> None:
    arrays = programs.inputs(seed, dtype)
    python = programs.loss(seed)
    value, slopes = lp.value_and_grad(python)(*map(lp.Tensor, arrays))
    eager = [value, *(slopes if isinstance(slopes, tuple) else (slopes,))]
    graph = lp.function(python).graph(*map(lp.Tensor, arrays))
    derived = gradient(graph)
    check_planned_equals_plain(derived, [arrays, arrays])
    traced = lp.function(lambda *xs: lp.value_and_grad(python)(*xs))(*map(lp.Tensor, arrays))
    parts = [traced[0], *(traced[1] if isinstance(traced[1], tuple) else (traced[1],))]
    for a, b in zip(parts, eager, strict=True):
        assert_same_bits(a, b)
    if dtype == "float64":  # a graph merges equal nodes, so gradients add up in another order
        for a, b in zip(ReferenceEngine().compile(derived)(arrays), eager, strict=True):
            expected = b.numpy()
            size = np.abs(expected[np.isfinite(expected)]).max(initial=1.0)
            np.testing.assert_allclose(a, expected, rtol=0, atol=tolerance("engine_float64") * size)


def check_repeat_equals_eager(seed: int, dtype: str, times: int = 3) -> None:
    arrays = programs.inputs(seed, dtype)

    def make() -> tuple[list[lp.Variable], Any]:
        variables = [lp.Variable(a, name=f"v{i}") for i, a in enumerate(arrays)]
        held = lp.Variable(np.ones(3, dtype))

        def step(x: lp.Tensor) -> tuple[lp.Tensor, ...]:
            generator = np.random.default_rng(seed + 3)
            pool = [*variables, held, x]
            seen = [v[...] if v.ndim else v + 0 for v in variables]
            for _ in range(3):
                programs.grow(generator, pool, 3)
                # Assign what fits: values computed, other variables, views of them.
                for variable in variables:
                    fits = [t for t in pool if t.shape == variable.shape]
                    if generator.random() < 0.6:
                        variable.assign(fits[int(generator.integers(len(fits)))])
            return (*seen, *pool[-2:], lp.sum(variables[0]))

        return variables, step

    x = lp.Tensor(np.full(3, 0.5, dtype))
    eager_variables, step = make()
    eager = [[np.asarray(t) for t in step(x)] for _ in range(times)]
    for runner in ("call", "repeat"):
        variables, step = make()
        compiled = lp.function(step)
        if runner == "call":
            results = [[np.asarray(t) for t in compiled(x)] for _ in range(times)]
        else:
            stacked = [np.asarray(t) for t in compiled.repeat(times, x)]
            results = [[whole[i] for whole in stacked] for i in range(times)]
        for one, other in zip(results, eager, strict=True):
            for a, b in zip(one, other, strict=True):
                assert_same_bits(a, b)
        for a, b in zip(variables, eager_variables, strict=True):
            assert_same_bits(a.numpy(), b.numpy())


@settings(max_examples=150)
@given(seeds, dtypes)
def test_repeat_equals_calls_and_eager_steps(seed: int, dtype: str) -> None:
    check_repeat_equals_eager(seed, dtype)


@pytest.mark.long
@settings(max_examples=5_000)
@given(seeds, dtypes)
def test_repeat_equals_calls_and_eager_steps_on_many_programs(seed: int, dtype: str) -> None:
    check_repeat_equals_eager(seed, dtype)
