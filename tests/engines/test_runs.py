"""What a run is, asked of every engine: loops over epochs of rows, and batches without a carry."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

import limpide as lp
from limpide import engines
from limpide.engines.native import engine
from limpide.engines.native.threads import Team
from limpide.ir import Graph, Loop
from limpide.threads import limit_threads

ON_THIS_MACHINE = ["reference", "native"]
XLA = pytest.param(
    "xla", marks=pytest.mark.skipif(find_spec("jax") is None, reason="JAX is not installed")
)
ENGINES = pytest.mark.parametrize("name", [*ON_THIS_MACHINE, XLA])
CHECKING = pytest.mark.parametrize("name", ON_THIS_MACHINE)  # XLA clamps an index out of range


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


@CHECKING
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
    graph = graph_of(lambda a: (a * 2, lp.sum(a)), start)
    run = engines.get(name).compile_loop(Loop(graph, None, 1, 0))
    for carry in (start.copy(), np.asfortranarray(start), np.zeros((6, 8))[::2, ::2]):
        carry[...] = start
        (seen,) = run([carry], [], [], None, 3)
        assert carry.tolist() == (start * 8).tolist()
        assert seen.tolist() == [66.0, 132.0, 264.0]


# Many rows without a carry ----------------------------------------------------------------------


def scoring(name: str, batch: int) -> Any:
    def score(w: Any, b: Any, x: Any, scale: Any) -> Any:
        z = lp.tanh(lp.sum(x * w, 1) + b) * scale
        return z, lp.cast(z > 0, "int64"), x * lp.reshape(z, (-1, 1))

    graph = graph_of(score, np.ones(3), np.array(0.0), np.ones((batch, 3)), np.ones(batch))
    return engines.get(name).compile_rows(graph, 2)


def outputs(n: int) -> list[Any]:
    return [np.full(n, np.nan), np.full(n, -1), np.full((n, 3), np.nan)]


@ENGINES
@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("n", [4, 5, 8, 11, 1000])
def test_rows_are_run_in_whole_batches(name: str, batch: int, n: int) -> None:
    generator = np.random.default_rng(n)
    x, scale = generator.normal(size=(n, 3)), generator.normal(size=n)
    w, b = generator.normal(size=3), np.array(0.25)
    found = outputs(n)
    run = scoring(name, batch)
    run([w, b], [x, scale], found)
    z = np.tanh(x @ w + 0.25) * scale
    np.testing.assert_allclose(found[0], z, rtol=0, atol=1e-14)
    np.testing.assert_array_equal(found[1], found[0] > 0)
    np.testing.assert_array_equal(found[2], x * found[0][:, None])
    apart = outputs(n)
    for i in range(n - batch + 1):
        run([w, b], [x[i : i + batch], scale[i : i + batch]], [a[i : i + batch] for a in apart])
    assert [a.tobytes() for a in apart] == [a.tobytes() for a in found]


@ENGINES
def test_what_is_held_may_change_in_place_and_by_identity(name: str) -> None:
    run = scoring(name, 1)
    x, scale, seen = np.array([[1.0, 0, 0]]), np.ones(1), outputs(1)
    w, b = np.zeros(3), np.array(0.0)

    def score(*held: Any) -> float:
        run(list(held), [x, scale], seen)
        return float(np.arctanh(seen[0][0]))

    assert score(w, b) == 0
    w[0] = 0.5
    assert score(w, b) == pytest.approx(0.5)
    other = np.array([0.25, 0, 0])
    assert score(other, b) == pytest.approx(0.25)
    assert score(w, b) == pytest.approx(0.5)
    pair, another = (w, b), (other, b)
    for held, value in ((pair, 0.5), (another, 0.25), (pair, 0.5), (pair, 0.5)):
        run(held, (x, scale), (seen[0], seen[1], seen[2]))  # the same tuple: the same arrays
        assert np.arctanh(seen[0][0]) == pytest.approx(value)
        pair[0][0] = 0.5
    spread = np.zeros(6)
    for value in (0.75, 0.125):  # a copy is taken each time
        spread[0] = value
        assert score(spread[::2], b) == pytest.approx(value)


@ENGINES
def test_rows_may_be_of_any_layout_and_are_not_written_to(name: str) -> None:
    n = 11
    x, scale = np.random.default_rng(0).normal(size=(n, 3)), np.ones(n)
    expected = outputs(n)
    run = scoring(name, 4)
    held = [np.ones(3), np.array(0.5)]
    run(held, [x, scale], expected)
    spread = np.zeros((2 * n, 6))
    spread[::2, ::2] = x
    fixed = x.copy()
    fixed.flags.writeable = False
    for given in (np.asfortranarray(x), spread[::2, ::2], fixed):
        found = outputs(n)
        run(held, [given, scale], found)
        assert [a.tobytes() for a in found] == [a.tobytes() for a in expected]


@CHECKING
def test_an_index_out_of_range_among_many_rows(name: str) -> None:
    table = np.arange(5.0)
    graph = graph_of(lambda t, i: lp.gather(t, i), table, np.zeros(2, np.int64))
    run = engines.get(name).compile_rows(graph, 1)
    places, found = np.arange(1000) % 5, np.empty(1000)
    run([table], [places], [found])
    assert (found == places).all()
    places[501] = 7
    with pytest.raises(lp.ArgumentError, match=r"out of range for axis 0 of size 5\b.*\b7\b"):
        run([table], [places], [found])
    places[501] = 1
    run([table], [places], [found])
    assert (found == places).all()


@pytest.mark.parametrize("threads", [1, 2, 3, 5, 64])
def test_threads_share_rows_and_change_no_bit(
    threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, scale = np.random.default_rng(0).normal(size=(999, 3)), np.ones(999)
    held = [np.ones(3), np.array(0.5)]
    results = []
    for many in (False, True):
        with limit_threads(threads if many else 1), monkeypatch.context() as patched:
            if many:
                patched.setattr(engine, "_CYCLES_A_THREAD", 1.0)
            tasks: list[int] = []
            original = Team.run
            patched.setattr(
                Team, "run", lambda s, t, to=original, all=tasks: (all.append(len(t)), to(s, t))
            )
            found = outputs(999)
            scoring("native", 4)(held, [x, scale], found)
            assert tasks == ([threads] if many and threads > 1 else [])
        results.append([a.tobytes() for a in found])
    assert results[0] == results[1]
