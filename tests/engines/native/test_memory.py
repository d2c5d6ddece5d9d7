"""Many shapes compiled in one process: what is not used any more is given back."""

from __future__ import annotations

import gc
import sys
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from natively import NATIVE

import limpide as lp
from agreement import graph_of
from limpide import ops
from limpide.engines.native import jit, store
from limpide.ir import Loop


def compile_shapes(start: int, count: int) -> list[Any]:
    """Compile and run a graph and a loop for shapes that have not been seen."""

    def step(w: Any, x: Any) -> Any:
        return w - 0.1 * (x.T @ ops.tanh(x @ w)), ops.sum(w)

    made: list[Any] = []
    for n in range(start, start + count):
        w, x = np.ones((1 + n % 40, 3)), np.ones((2 + n // 40, 1 + n % 40))
        single = NATIVE.compile(graph_of(lambda w, x: ops.tanh(x @ w), w, x))
        single([w, x])
        run = NATIVE.compile_loop(Loop(graph_of(step, w, x), None, 1, 0))
        run([w], [], [np.ones((10, x.shape[1]))], np.arange(len(x))[None] % 10, 0)
        made += [weakref.ref(single.program.code), weakref.ref(run.program.code)]
    gc.collect()
    return made


def test_code_is_freed_with_what_calls_it() -> None:
    gc.collect()
    before = len(store._living)
    codes = compile_shapes(0, 75)
    assert len(codes) == 150
    assert [code for code in codes if code() is not None] == []
    assert len(store._living) == before


def test_networks_free_their_programs() -> None:
    X = np.ones((4, 3))
    codes = []
    for width in range(2, 12):
        net = lp.Network([3, width, 1], seed=0)
        net.fit(X, X[:, 0], epochs=1, batch_size=2)
        net.predict(X)
        codes += [weakref.ref(run.program.code) for run in net._compiled.values()]
    assert any(code() is not None for code in codes)  # those of the last
    del net
    gc.collect()
    assert len(codes) >= 20
    assert [code for code in codes if code() is not None] == []


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self")
def test_memory_levels_off_over_a_thousand_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMPIDE_CACHE", "")

    def megabytes() -> float:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6

    compile_shapes(0, 500)
    halfway = megabytes()
    compile_shapes(500, 500)
    assert megabytes() - halfway < 30  # kept, the code of 500 shapes is 75


def test_tiny_loops_stay_the_same_when_nothing_more_is_promoted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LIMPIDE_CACHE", "")
    rows = np.random.default_rng(0).standard_normal((12, 2))

    def weights() -> tuple[bool, list[np.ndarray]]:
        net = lp.Network([2, 2, 1], seed=3, dtype="float64")
        net.fit(rows, rows[:, 0], epochs=5, batch_size=5)
        (run,) = net._compiled.values()
        return run.program.module.tiny, [np.asarray(p) for p in net.variables]

    monkeypatch.setattr(jit, "_promoted", 0)
    tiny, promoted = weights()
    gc.collect()
    monkeypatch.setattr(jit, "_promoted", jit._PROMOTIONS_AT_MOST)
    still_tiny, plain = weights()
    assert (tiny, still_tiny) == (True, False)
    for a, b in zip(promoted, plain, strict=True):
        np.testing.assert_array_equal(a, b)
