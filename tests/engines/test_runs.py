"""What a run is, asked of every engine: loops over epochs of rows, and batches without a carry."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import limpide as lp
from limpide import engines
from limpide.ir import Graph, Loop

ENGINES = pytest.mark.parametrize("name", ["reference", "native"])


def graph_of(python: Any, *arrays: Any) -> Graph:
    return lp.function(python).graph(*(lp.Tensor(np.asarray(a)) for a in arrays))


def summing(name: str, tail: int = 2) -> tuple[Any, Any, Any]:
    """Give a loop that adds up rows four at a time, and its row arrays."""

    def step(total: Any, rate: Any, x: Any, y: Any) -> Any:
        batch = lp.sum(x * lp.reshape(y, (-1, 1)), 0)
        return total + rate * batch, lp.sum(batch)

    generator = np.random.default_rng(3)
    x, y = generator.normal(size=(10, 2)), generator.normal(size=10)
    start = (np.zeros(2), np.array(0.5))
    graphs = [graph_of(step, *start, x[:n], y[:n]) for n in (4, tail)]
    return engines.get(name).compile_loop(Loop(graphs[0], graphs[1], 1, 1)), x, y


@ENGINES
@pytest.mark.parametrize("n", [0, 4, 8, 10])
def test_epochs_in_one_run_are_epochs_in_several(name: str, n: int) -> None:
    run, x, y = summing(name)
    order = np.array([np.random.default_rng(i).permutation(10)[:n] for i in range(5)])
    order = order.reshape(5, n)
    together, apart = [np.zeros(2)], [np.zeros(2)]
    (seen,) = run(together, [np.array(0.5)], [x, y], order, 0)
    parts = [run(apart, [np.array(0.5)], [x, y], order[i : i + 1], 0)[0] for i in range(5)]
    assert seen.shape == (5 * -(-n // 4),)
    assert seen.tobytes() == np.concatenate(parts).tobytes()
    assert together[0].tobytes() == apart[0].tobytes()
    used = (x * y[:, None])[order.ravel()]
    np.testing.assert_allclose(together[0], 0.5 * used.sum(axis=0), rtol=0, atol=1e-12)


@ENGINES
def test_an_order_may_lie_anywhere_in_memory(name: str) -> None:
    run, x, y = summing(name)
    order = np.array([np.random.default_rng(i).permutation(10) for i in range(5)])
    spread = np.zeros((10, 20), np.int64)
    spread[::2, ::2] = order
    misaligned = np.zeros(401, np.uint8)[1:].view(np.int64).reshape(5, 10)
    misaligned[...] = order
    results = []
    for given in (order, np.asfortranarray(order), spread[::2, ::2], misaligned):
        carry = [np.zeros(2)]
        (seen,) = run(carry, [np.array(0.5)], [x, y], given, 0)
        results.append((carry[0].tobytes(), seen.tobytes()))
    assert len(set(results)) == 1


@ENGINES
def test_a_failing_step_leaves_the_carried_arrays(name: str) -> None:
    def step(a: Any, x: Any) -> Any:
        return a + lp.sum(lp.gather(x, lp.cast(a, "int64"))), a

    run = engines.get(name).compile_loop(
        Loop(graph_of(step, np.array(0.0), np.ones(3)), None, 1, 1)
    )
    carry = [np.array(1.0)]
    with pytest.raises(lp.ArgumentError, match="out of range"):
        run(carry, [np.ones(3)], [], None, 5)
    assert float(carry[0]) == 1.0
    (seen,) = run(carry, [np.ones(3)], [], None, 2)  # and what ran is ready to run again
    assert (float(carry[0]), seen.tolist()) == (3.0, [1.0, 2.0])


@ENGINES
def test_carried_arrays_may_be_of_any_layout(name: str) -> None:
    start = np.arange(12.0).reshape(3, 4)
    run = engines.get(name).compile_loop(
        Loop(graph_of(lambda a: (a * 2, lp.sum(a)), start), None, 1, 0)
    )
    wide = np.zeros((6, 8))
    for carry in (
        start.copy(),
        np.asfortranarray(start),
        wide[::2, ::2],
        start[:, :, None][:, :, 0],
    ):
        carry[...] = start
        (seen,) = run([carry], [], [], None, 3)
        assert carry.tolist() == (start * 8).tolist()
        assert seen.tolist() == [66.0, 132.0, 264.0]
