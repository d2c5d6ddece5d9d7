"""The text of every kind of program: no flag that lets LLVM change a result, and it verifies."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import programs
from agreement import graph_of
from limpide.engines.native import graphs, loops
from limpide.engines.native.jit import make_object
from limpide.engines.native.target import host
from limpide.ir import Loop
from random_loops import RandomLoop

LOOSE = re.compile(r"\b(fast|nnan|ninf|nsz|arcp|contract|afn|reassoc)\b|unsafe-fp|-math\"")


def texts() -> dict[str, Any]:
    """Give the modules of random graphs, and of random loops on one thread and on many."""
    found: dict[str, Any] = {}
    for seed in range(30):
        dtype = ("float32", "float64")[seed % 2]
        arrays = programs.inputs(seed, dtype)
        graph = graph_of(programs.program(seed, 20), *arrays)
        found[f"graph {seed}"] = graphs.build_graph(graph, host())
    for seed in range(8):
        dtype = ("float32", "float64")[seed % 2]
        found[f"loop {seed}"] = loops.build_loop(RandomLoop(seed, dtype).loop(), host())
    return found


@pytest.mark.parametrize("threads_from", [loops.THREADS_FROM, 0.5])
def test_no_flag_lets_results_change(threads_from: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "THREADS_FROM", threads_from)
    monkeypatch.setattr(loops, "TINY_BYTES", -1 if threads_from == 0.5 else loops.TINY_BYTES)
    for name, module in texts().items():
        assert LOOSE.search(module.text) is None, name
        assert "define" in module.text


def test_a_flag_would_be_found() -> None:
    for flags in ("fast", "nnan ninf", "reassoc", "contract", "arcp afn"):
        assert LOOSE.search(f"%y = fadd {flags} double %x, %x")
    assert LOOSE.search('attributes #0 = { "unsafe-fp-math"="true" }')
    assert LOOSE.search("%y = fadd double %x, %x") is None


def test_texts_depend_on_what_is_computed_alone() -> None:
    x = np.ones((5, 7))
    one, two = (graphs.build_graph(graph_of(lambda x: x @ x.T + 1, x), host()) for _ in range(2))
    assert one.text == two.text
    loop = RandomLoop(1, "float32")
    first, second = (loops.build_loop(loop.loop(), host()) for _ in range(2))
    assert first.text == second.text
    assert make_object(first.text, host()) == make_object(second.text, host())


def test_equal_kernels_are_written_once() -> None:
    def chain(x: Any, *weights: Any) -> Any:
        for w in weights:
            x = _layer(x, w)
        return x

    w = [np.ones((20, 20)) for _ in range(6)]
    few = graphs.build_graph(graph_of(chain, np.ones((8, 20)), *w[:3]), host()).text
    many = graphs.build_graph(graph_of(chain, np.ones((8, 20)), *w), host()).text
    assert many.count("define internal") == few.count("define internal")


def _layer(x: Any, w: Any) -> Any:
    return (x @ w) * 0.5


def test_a_loop_verifies_with_a_tail_and_without() -> None:
    step = graph_of(lambda a, x: a + x[0, 0], np.array(0.0), np.ones((3, 2)))
    tail = graph_of(lambda a, x: a + x[0, 0], np.array(0.0), np.ones((1, 2)))
    for loop in (Loop(step, None, 1, 0), Loop(step, tail, 1, 0)):
        text = loops.build_loop(loop, host()).text
        assert make_object(text, host())
