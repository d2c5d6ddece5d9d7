"""Compiled loops: what is carried may cross, rows and short last batches, random training loops."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from natively import NATIVE, REFERENCE

import limpide as lp
from agreement import assert_close, graph_of
from limpide import ops
from limpide.engines.native import loops
from limpide.ir import Loop
from random_loops import RandomLoop
from tolerances import tolerance

Array = npt.NDArray[Any]


@pytest.fixture(params=["tiny", "apart"])
def _either_way(request: pytest.FixtureRequest) -> Iterator[None]:
    """Small steps are compiled in another way than large ones; here they are in both."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "apart":
            patch.setattr(loops, "TINY_BYTES", -1)
            patch.setattr(loops, "TINY_CYCLES", -1)
        yield


def loop_of(python: Any, carry: list[Array], held: list[Array]) -> Loop:
    return Loop(graph_of(python, *carry, *held), None, len(carry), len(held))


def _product(a: Any, b: Any) -> Any:
    return lp.reshape(lp.reshape(a, (1, 3)) @ (lp.reshape(b, (3, 1)) * a), (3,)) * 0.1


CROSSED: dict[str, Any] = {
    "swapped": lambda a, b: (b, a),
    "turned in a ring with a view": lambda a, b: (b[::1] * 1, lp.stop_gradient(a)),
    "one from both": lambda a, b: (a + b, a * b),
    "the same to both": lambda a, b: ((c := a - b), c),
    "the same to both, and seen": lambda a, b: ((c := a * 0.5 - b), c, c, c[:1]),
    "kept": lambda a, b: (a, b + a),
    "both kept": lambda a, b: (a, b, a, b),
    "shifted": lambda a, b: (lp.concatenate([a[1:], b[:1]]), lp.concatenate([b[1:], a[:1]])),
    "seen before and after": lambda a, b: ((c := a * 2), b, a, c, b * a),
    "old value to the other": lambda a, b: (a * 2, a),
    "old value to the other, which is seen": lambda a, b: (b + 1, lp.stop_gradient(a), a, b),
    "view of the old seen": lambda a, b: (a * 2, a + b, a[1:], b[:1], lp.reshape(a, (1, 3))),
    "view of the new seen": lambda a, b: ((c := a * 2), a + b, c[1:], lp.reshape(c, (3, 1))),
    "assigned a part of the other": lambda a, b: (lp.broadcast_to(b[:1], (3,)), b * 0.5, a),
    "assigned a constant": lambda a, b: (lp.Tensor(np.arange(3.0)), a),
    "assigned a number": lambda a, b: (ops.zeros_like(a), a + b, a),
    "chain ends in the other": lambda a, b: (lp.exp(lp.sin(b)), lp.exp(lp.sin(a)) + b, a),
    "used after it is replaced": lambda a, b: ((c := a + 1), b + lp.sum(a * c), a * c),
    "sums of each other": lambda a, b: (a * 0 + lp.sum(b), b * 0 + lp.sum(a)),
    "a reduction of itself": lambda a, b: (a - lp.mean(a), b / (1 + lp.max(lp.abs(b)))),
    "a product with itself": lambda a, b: (_product(a, b), lp.tanh(b), a),
}


@pytest.mark.usefixtures("_either_way")
@pytest.mark.parametrize("name", CROSSED)
def test_carried_values_may_cross(name: str) -> None:
    python = CROSSED[name]
    start = [np.array([1.0, 2.0, 3.0]), np.array([0.5, -1.0, 4.0])]
    loop = loop_of(python, start, [])
    carry, expected = [a.copy() for a in start], [a.copy() for a in start]
    seen = NATIVE.compile_loop(loop)(carry, [], [], None, 4)
    wanted = REFERENCE.compile_loop(loop)(expected, [], [], None, 4)
    for a, b in zip([*carry, *seen], [*expected, *wanted], strict=True):
        assert_close(a, b)


def test_matrices_may_cross_too() -> None:
    def step(a: Any, b: Any, c: Any) -> Any:
        return b, ops.transpose(a) * 0.5, a @ b * 0.1 + c, ops.transpose(c), ops.reshape(a, (-1,))

    start = [np.random.default_rng(i).normal(size=(18, 18)) for i in range(3)]
    loop = loop_of(step, start, [])
    carry, expected = [a.copy() for a in start], [a.copy() for a in start]
    seen = NATIVE.compile_loop(loop)(carry, [], [], None, 5)
    wanted = REFERENCE.compile_loop(loop)(expected, [], [], None, 5)
    for a, b in zip([*carry, *seen], [*expected, *wanted], strict=True):
        assert_close(a, b)


# Rows ------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_either_way")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("batch", "n"), [(1, 7), (4, 10), (4, 8), (5, 6), (32, 33), (32, 95), (7, 3), (16, 0)]
)
def test_rows_and_a_short_last_batch(batch: int, n: int, dtype: str) -> None:
    def step(total: Any, count: Any, rate: Any, x: Any, y: Any, kind: Any, flag: Any) -> Any:
        rows = x * ops.reshape(y, (-1, 1)) + ops.cast(ops.reshape(kind, (-1, 1)), dtype)
        picked = ops.where(flag, y, y * 0.5)
        return total + rate * ops.sum(rows, 0), count + 1, ops.sum(picked), ops.max(kind), total

    g = np.random.default_rng(batch)
    x, y = g.normal(size=(50, 3)).astype(dtype), g.normal(size=50).astype(dtype)
    arrays = [x, y, g.integers(-9, 9, 50), g.random(50) < 0.5]
    order = g.integers(0, 50, n)
    total, count, rate = np.zeros(3, dtype), np.array(0, np.int64), np.array(0.5, dtype)

    def traced(size: int) -> Any:
        return graph_of(step, total, count, rate, *(a[:size] for a in arrays))

    loop = Loop(traced(batch), traced(n % batch) if n % batch else None, 2, 1)
    carry, expected = [total.copy(), count.copy()], [total.copy(), count.copy()]
    seen = NATIVE.compile_loop(loop)(carry, [rate], arrays, order[None], 0)
    wanted = REFERENCE.compile_loop(loop)(expected, [rate], arrays, order[None], 0)
    for a, b in zip([*carry, *seen], [*expected, *wanted], strict=True):
        assert_close(a, b)
    steps = -(-n // batch)
    assert [len(a) for a in seen] == [steps] * 3


def test_no_rows_no_trips() -> None:
    step = graph_of(lambda a, x: (a + ops.sum(x), a), np.array(1.0), np.ones((2, 3)))
    run = NATIVE.compile_loop(Loop(step, None, 1, 0))
    carry = [np.array(1.0)]
    (seen,) = run(carry, [], [np.ones((4, 3))], np.zeros((1, 0), np.int64), 0)
    assert (carry[0], seen.shape) == (1.0, (0,))
    run = NATIVE.compile_loop(loop_of(lambda a: (a * 2, a), [np.ones(2)], []))
    carry = [np.ones(2)]
    (seen,) = run(carry, [], [], None, 0)
    assert (carry[0].tolist(), seen.shape) == ([1.0, 1.0], (0, 2))


@pytest.mark.parametrize("dtype", ["i32", "i64", "u32", "bool", "f32", "f64"])
@pytest.mark.parametrize("shape", [(), (1,), (3,), (17,), (2, 1, 5), (0,), (1, 1), (33, 2)])
def test_what_is_observed_has_any_shape(shape: tuple[int, ...], dtype: str) -> None:
    start = np.zeros(shape)

    def step(a: Any) -> Any:
        return a + 1, ops.cast(a, dtype), ops.cast(ops.transpose(a + 1), dtype), ops.sum(a)

    carry = [start.copy()]
    first, second, total = NATIVE.compile_loop(loop_of(step, [start], []))(carry, [], [], None, 3)
    known = np.array([0, 1, 2]).reshape(3, *[1] * len(shape)) + np.zeros(shape, np.int64)
    np.testing.assert_array_equal(first, known.astype(first.dtype))
    turned = known.transpose(0, *range(len(shape), 0, -1)) + 1
    np.testing.assert_array_equal(second, turned.astype(second.dtype))
    assert total.tolist() == [0, start.size, 2 * start.size]
    assert (carry[0] == 3).all()


def test_held_values_are_inputs_of_each_run() -> None:
    run = NATIVE.compile_loop(
        loop_of(lambda a, rate: (a + rate,), [np.array(0.0)], [np.array(1.0)])
    )
    carry = [np.array(0.0)]
    for rate in (1.0, 10.0):
        run(carry, [np.array(rate)], [], None, 3)
    assert float(carry[0]) == 33.0


def test_random_bits_run_anew_in_each_step_and_are_those_of_the_reference() -> None:
    def step(count: Any) -> Any:
        seed = lp.Tensor(7, dtype="uint32")
        shapes = [(2,), (5,), (3, 7), (2, 16), (40,), (33, 3), (1, 1)]
        bits = [ops.random_bits(seed, count, stream=i, shape=s) for i, s in enumerate(shapes)]
        return count + 1, *bits

    loop = loop_of(step, [np.array(0, np.uint32)], [])
    seen = NATIVE.compile_loop(loop)([np.array(0, np.uint32)], [], [], None, 3)
    wanted = REFERENCE.compile_loop(loop)([np.array(0, np.uint32)], [], [], None, 3)
    for a, b in zip(seen, wanted, strict=True):
        np.testing.assert_array_equal(a, b, strict=True)
        assert len({one.tobytes() for one in a}) == 3


# Random training loops --------------------------------------------------------------------------


def check_loop(seed: int, dtype: str) -> None:
    """One epoch beside the reference engine, and slices of it: the same bits wherever they end."""
    loop = RandomLoop(seed, dtype)
    traced = loop.loop()
    run, plain = NATIVE.compile_loop(traced), REFERENCE.compile_loop(traced)
    if dtype == "float64":
        for a, b in zip(loop.run(run, 1), loop.run(plain, 1), strict=True):
            size = max(1.0, float(np.abs(b).max(initial=0)))
            np.testing.assert_allclose(a, b, rtol=0, atol=size * tolerance("engine_float64_steps"))
    whole, parts = [a.copy() for a in loop.carry], [a.copy() for a in loop.carry]
    seen = run(whole, loop.held, loop.rows, loop.order[None], 0)
    half = len(loop.order) // loop.batch // 2 * loop.batch
    first = run(parts, loop.held, loop.rows, loop.order[None, :half], 0)
    second = run(parts, loop.held, loop.rows, loop.order[None, half:], 0)
    for a, b in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b, c in zip(seen, first, second, strict=True):
        np.testing.assert_array_equal(a, np.concatenate([b, c]))
    # Several epochs at once, and one after the other.
    orders = np.stack([np.roll(loop.order, i) for i in range(3)])
    together, apart = [a.copy() for a in loop.carry], [a.copy() for a in loop.carry]
    seen = run(together, loop.held, loop.rows, orders, 0)
    each = [run(apart, loop.held, loop.rows, order[None], 0) for order in orders]
    for a, b in zip(together, apart, strict=True):
        np.testing.assert_array_equal(a, b)
    for k, trace in enumerate(seen):
        np.testing.assert_array_equal(trace, np.concatenate([one[k] for one in each]))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("seed", range(12))
def test_random_loops(seed: int, dtype: str) -> None:
    check_loop(seed, dtype)


@pytest.mark.long
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("seed", range(1000, 1500))
def test_many_random_loops(seed: int, dtype: str) -> None:
    check_loop(seed, dtype)
