"""The floating-point control word is as before after every call, in every thread."""

from __future__ import annotations

import ctypes
import threading
from typing import Any

import numpy as np
import pytest
from natively import NATIVE

import limpide as lp
from agreement import graph_of
from limpide import ops
from limpide.engines.native import loops, schedule, threads
from limpide.engines.native.jit import Code, make_object
from limpide.engines.native.target import host
from limpide.engines.native.threads import POOL
from limpide.ir import Loop
from limpide.threads import limit_threads
from random_loops import RandomLoop

pytestmark = pytest.mark.skipif(
    not host().triple.startswith("x86_64"), reason="reads the control word of x86-64"
)
TEXT = """
declare void @llvm.x86.sse.stmxcsr(ptr)
declare void @llvm.x86.sse.ldmxcsr(ptr)
define i32 @get() {
  %p = alloca i32
  call void @llvm.x86.sse.stmxcsr(ptr %p)
  %word = load i32, ptr %p
  ret i32 %word
}
define void @set(i32 %word) {
  %p = alloca i32
  store i32 %word, ptr %p
  call void @llvm.x86.sse.ldmxcsr(ptr %p)
  ret void
}
"""
FLAGS = 0x3F  # what has happened since they were cleared: of no matter
FLUSH = 0x8040
CODE = Code(make_object(TEXT, host()), host(), ["get", "set"])
GET = ctypes.CFUNCTYPE(ctypes.c_uint32)(CODE.address("get"))
SET = ctypes.CFUNCTYPE(None, ctypes.c_uint32)(CODE.address("set"))


def word() -> int:
    return int(GET()) & ~FLAGS


def tiny_is_a_number() -> bool:
    return bool(5e-324 != 0.0 and np.array([5e-324])[0] * 1.0 == 5e-324)


def loop(python: Any, *arrays: Any) -> Any:
    return NATIVE.compile_loop(Loop(graph_of(python, *arrays), None, 1, len(arrays) - 1))


def test_a_word_that_is_changed_would_be_noticed() -> None:
    before = word()
    try:
        SET(before | FLUSH)
        assert word() != before
        assert not tiny_is_a_number()
    finally:
        SET(before)
    assert tiny_is_a_number()


def test_after_graphs_loops_and_fits() -> None:
    before = word()
    x = np.full(50, 1e-300)
    NATIVE.compile(graph_of(lambda x: ops.exp(x * x) / x, x))([x])
    assert word() == before
    loop(lambda x: (x * 1e-10, ops.sum(x)), x)([x.copy()], [], [], None, 10)
    assert word() == before
    net = lp.Network([3, 8, 1], seed=0)
    X = np.random.default_rng(0).normal(size=(40, 3))
    net.fit(X, X[:, 0], epochs=3)
    net.predict(X)
    assert word() == before
    assert tiny_is_a_number()


def test_after_what_raises() -> None:
    before = word()
    x, at = np.ones(3), np.array(5)
    with pytest.raises(lp.ArgumentError, match="out of range"):
        NATIVE.compile(graph_of(lambda x, i: ops.gather(x, i), x, at))([x, at])
    run = loop(lambda a, x, i: a + ops.sum(ops.gather(x, i)), np.array(0.0), x, at)
    with pytest.raises(lp.ArgumentError, match="out of range"):
        run([np.array(0.0)], [x, at], [], None, 4)
    assert word() == before
    net = lp.Network([3, 8, 1], seed=0)
    X = np.random.default_rng(0).normal(size=(40, 3))
    with pytest.raises(lp.DivergenceError):
        net.fit(X, X[:, 0] * 1e6, optimizer=lp.SGD(1e9), epochs=30)
    assert word() == before
    assert tiny_is_a_number()


def test_a_word_of_the_callers_own_is_kept() -> None:
    before = word()
    upward = (before & ~0x6000) | 0x4000  # rounding towards infinity
    run = loop(lambda x: (x * 0.5, x), np.ones(20))
    carry = [np.ones(20)]
    try:
        SET(upward)
        run(carry, [], [], None, 3)
        after = word()
    finally:
        SET(before)
    assert after == upward


def test_in_the_threads_of_the_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "THREADS_FROM", 0.5)
    monkeypatch.setattr(loops, "TINY_BYTES", -1)
    monkeypatch.setattr(schedule, "_SHARED_FROM", 0)
    monkeypatch.setattr(schedule, "_PAYS", 1e9)
    monkeypatch.setattr(threads.Pace, "choose", lambda pace, most, left: (most, left))
    expected = word()
    shared = RandomLoop(8, "float64")
    run = NATIVE.compile_loop(shared.loop())
    found: list[tuple[int, int]] = []
    with limit_threads(4):
        shared.run(run)
        meet = threading.Barrier(4)

        def look() -> None:
            meet.wait()  # so that each task has a thread of its own
            found.append((threading.get_ident(), word()))

        with POOL.lend(4) as team:
            team.run([look] * 4)
    assert len({ident for ident, _ in found}) == 4
    assert {each for _, each in found} == {expected}
