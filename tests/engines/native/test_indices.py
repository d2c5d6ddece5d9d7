"""Gather and scatter_add: an index out of range is refused by name, and nothing else is touched."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from natively import NATIVE, assert_agrees

import limpide as lp
from agreement import graph_of
from limpide import engines, ops
from limpide.ir import Loop

both_engines = pytest.mark.parametrize("engine", ["native", "reference"])


@both_engines
@pytest.mark.parametrize(
    ("indices", "dtype"), [([0, 3, 9], "int64"), ([2, -1, 7], "int32"), ([2**40], "int64")]
)
def test_a_wrong_index_is_named(indices: list[int], dtype: str, engine: str) -> None:
    x, at = np.ones((2, 3)), np.array(indices, dtype)
    wrong = next(i for i in indices if not 0 <= i < 3)
    run = engines.get(engine).compile(graph_of(lambda x, i: ops.gather(x, i, axis=1) * 2, x, at))
    with pytest.raises(
        lp.ArgumentError,
        match=rf"gather received .* out of range for axis 1 of size 3.* {wrong}\b.* from 0 to 2",
    ):
        run([x, at])
    fine = np.zeros(len(indices), dtype)
    assert run([x, fine])[0].tolist() == [[2.0] * len(indices)] * 2  # and it goes on as before
    updates = np.ones(len(indices))
    run = engines.get(engine).compile(
        graph_of(lambda i, u: ops.scatter_add(i, u, 0, 3), at, updates)
    )
    with pytest.raises(
        lp.ArgumentError,
        match=rf"scatter_add received .* out of range for axis 0 of size 3.* {wrong}\b.* 0 to 2",
    ):
        run([at, updates])


@both_engines
@pytest.mark.parametrize("shape", [(2, 0), (0, 3)])
def test_indices_by_which_nothing_is_moved_are_refused_too(
    shape: tuple[int, int], engine: str
) -> None:
    x, at = np.ones(shape), np.array([5])
    run = engines.get(engine).compile(graph_of(lambda x, i: ops.gather(x, i, axis=1), x, at))
    with pytest.raises(lp.ArgumentError, match=r"gather received .* out of range .* 5\b"):
        run([x, at])
    updates = np.ones((1, 0))
    run = engines.get(engine).compile(
        graph_of(lambda i, u: ops.scatter_add(i, u, 0, 3), at, updates)
    )
    with pytest.raises(lp.ArgumentError, match=r"scatter_add received .* out of range .* 5\b"):
        run([at, updates])


@both_engines
def test_no_indices_need_no_elements(engine: str) -> None:
    x, none = np.ones((2, 0)), np.zeros((0,), np.int64)
    run = engines.get(engine).compile(graph_of(lambda x, i: ops.gather(x, i, axis=1), x, none))
    assert run([x, none])[0].shape == (2, 0)


@both_engines
@pytest.mark.parametrize("batch", [4, 3])
def test_in_a_loop_what_is_carried_stays_as_it_was(batch: int, engine: str) -> None:
    def step(table: Any, count: Any, at: Any) -> Any:
        rows = ops.gather(table, at)
        back = ops.scatter_add(at, ops.ones_like(rows), 0, 5)
        return table + back, count + 1, ops.sum(rows)

    table, count = np.zeros((5, 2)), np.array(0.0)
    at = np.arange(10) % 5
    full, tail = (graph_of(step, table, count, at[:n]) for n in (batch, 10 % batch))
    run = engines.get(engine).compile_loop(Loop(full, tail, 2, 0))
    for place in (0, 5, 9):  # 9 is in the short last batch
        wrong = at.copy()
        wrong[place] = 5
        carry = [table.copy(), count.copy()]
        with pytest.raises(
            lp.ArgumentError, match=r"gather received .* out of range for axis 0 of size 5.* 5\b"
        ):
            run(carry, [], [wrong], np.arange(10)[None], 0)
        assert not carry[0].any()
        assert carry[1] == 0
    carry = [table.copy(), count.copy()]
    run(carry, [], [at], np.arange(10)[None], 0)
    assert carry[0].tolist() == [[2.0, 2.0]] * 5


def test_memory_beside_the_operands_is_left_alone() -> None:
    whole = np.full(64, 7.0)
    x, at = whole[16:21], np.array([-16, 48, 3, 2**60, -(2**63)])
    run = NATIVE.compile(graph_of(lambda i, x: ops.scatter_add(i, x, 0, 16), at, x))
    with pytest.raises(lp.ArgumentError, match=r"out of range .* -16\b"):
        run([at, x])
    assert (whole == 7.0).all()


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64", "bool"])
def test_gathers_of_any_shape(dtype: str) -> None:
    generator = np.random.default_rng(0)
    x = generator.integers(0, 2 if dtype == "bool" else 99, (4, 17, 3)).astype(dtype)
    at = [generator.integers(0, n, s) for n, s in ((4, (5,)), (17, (2, 20)), (3, ()), (17, (1,)))]

    def every(x: Any, *at: Any) -> Any:
        turned = ops.transpose(x, (1, 2, 0))
        return (
            ops.gather(x, at[0]),
            ops.gather(x, at[1], axis=1),
            ops.gather(x, at[2], axis=2),
            ops.gather(turned, at[3]),
            ops.gather(x[:, ::2], at[2], axis=1),
            ops.gather(ops.broadcast_to(x[:1], x.shape), at[0], axis=0),
        )

    assert_agrees(graph_of(every, x, *at), [x, *at])


def test_scattering_adds_in_the_order_of_the_indices() -> None:
    at = np.array([2, 2, 0, 2, 2], np.int32)
    updates = np.array([1e16, 1.0, 5.0, -1e16, 1.0])
    run = NATIVE.compile(graph_of(lambda i, u: ops.scatter_add(i, u, 0, 3), at, updates))
    assert run([at, updates])[0].tolist() == [5.0, 0.0, ((1e16 + 1.0) - 1e16) + 1.0]
