"""Which ops share a kernel, and what is told of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from natively import NATIVE

import limpide as lp
from agreement import graph_of
from limpide import ops
from limpide.bench.profile import profile
from limpide.bench.workloads import Workload


def kernels(net: lp.Network, **settings: Any) -> list[str]:
    X = np.random.default_rng(0).normal(size=(96, net.n_inputs))
    net.fit(X, np.ones((96, net.n_outputs)), epochs=1, **settings)
    return [f"{piece.ops} {list(piece.shape)}" for piece in net.compiled().pieces]


def test_a_step_is_a_kernel_for_each_product() -> None:
    net = lp.Network([9, 20, 1], output="sigmoid", seed=0)
    found = kernels(net, optimizer=lp.SGD(0.1), loss="bce")
    expected = [
        "rows [32]",
        "matmul, add, relu [32, 20]",
        "matmul, add, multiply, sigmoid, multiply, add [32]",
        "matmul, less, where [32, 20]",
        "cast, add []",
        "sum [32, 20]",
        "matmul, multiply, subtract [9, 20]",
        "multiply, subtract [20]",
        "matmul, multiply, subtract [20]",
        "softplus, multiply, subtract, sum [32]",
        "sum [32]",
        "divide []",
        "multiply, subtract []",
    ]
    assert sorted(found) == sorted(expected)


def test_an_optimizer_is_done_with_the_product_that_makes_its_gradient() -> None:
    found = kernels(lp.Network([9, 20, 20, 1], seed=0), optimizer=lp.Adam(0.1))
    updates = [kernel for kernel in found if kernel.startswith("matmul") and "sqrt" in kernel]
    shapes = {kernel[kernel.index("[") :] for kernel in updates}
    assert shapes == {"[20, 20]", "[20]", "[9, 20]"}
    assert sum("sqrt" in kernel for kernel in found) == 7  # the biases', and the rate of the step


def test_broadcasts_and_reshapes_cost_nothing() -> None:
    def python(x: Any, y: Any) -> Any:
        return ops.tanh(ops.reshape(x, (4, 3)) * ops.broadcast_to(y, (4, 3)) + 1)

    run = NATIVE.compile(graph_of(python, np.ones((2, 6)), np.ones(3)))
    assert [piece.ops for piece in run.compiled().pieces] == ["multiply, add, tanh"]


def test_what_is_shown_is_what_was_asked_for() -> None:
    net = lp.Network([9, 20, 1], seed=0)
    one = net.compiled()
    assert str(one).startswith("one row, compiled for")
    assert [piece.layers for piece in one.pieces] == ["hidden1", "output"]
    assert [(piece.shape, piece.inner) for piece in one.pieces] == [((20,), 9), ((), 20)]
    assert str(net.compiled(rows=1000)).startswith("rows, 256 at a time, compiled for")
    net.fit(np.ones((40, 9)), np.ones(40), epochs=1)
    step = net.compiled()
    assert str(step).startswith("a step of 32 rows (the last of an epoch has 8), compiled for")
    assert {piece.layers for piece in step.pieces} >= {"hidden1", "output"}
    for piece in step.pieces:
        assert piece.function in step.ir
        assert f"{piece.function}:" in step.assembly
    with pytest.raises(lp.ArgumentError, match="rows"):
        net.compiled(rows=0)


def test_the_text_is_that_of_the_program() -> None:
    net = lp.Network([9, 20, 1], seed=0)
    text = net.compiled().ir
    assert "@llvm.fma.v16f32" in text or "@llvm.fma" in text
    assert "; matmul, add, relu" in text
    assert "define dso_local void @rows(" in text


def test_a_profile_counts_every_kernel() -> None:
    shares, ticks = profile(Workload((57, 64, 1), 32))
    assert ticks > 1
    assert sum(share.share for share in shares) == pytest.approx(1)
    assert all(share.cycles >= 0 for share in shares)
    heaviest = sorted(shares, key=lambda share: -share.cycles)[:2]
    assert {share.piece.shape for share in heaviest} == {(32, 64), (57, 64)}
