"""What programs are known by: whatever changes the code changes the key, names do not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from natively import NATIVE

from agreement import graph_of
from limpide import ops
from limpide.engines import cache
from limpide.engines.native import store
from limpide.engines.native.target import host
from limpide.ir import Graph, Loop

X = np.arange(6.0).reshape(2, 3)


def key(python: Callable[..., Any], *arrays: Any) -> str:
    return store.graph_key(graph_of(python, *arrays), host())


PAIRS: dict[str, tuple[str, str]] = {
    "op": (key(lambda x: ops.sin(x), X), key(lambda x: ops.cos(x), X)),
    "shape": (key(lambda x: ops.sin(x), X), key(lambda x: ops.sin(x), X[:1])),
    "dtype": (key(lambda x: ops.sin(x), X), key(lambda x: ops.sin(x), X.astype("f4"))),
    "number": (key(lambda x: x * 2 + 1, X), key(lambda x: x * 3 + 1, X)),
    "sign of a zero": (key(lambda x: x + 0.0, X), key(lambda x: x + -0.0, X)),
    "inputs": (key(lambda x, y: x - y, X, X), key(lambda x, y: y - x, X, X)),
    "parameter": (key(lambda x: ops.sum(x, 0), X), key(lambda x: ops.sum(x, 1), X)),
    "outputs": (
        key(lambda x: (ops.sin(x), ops.cos(x)), X),
        key(lambda x: (ops.cos(x), ops.sin(x)), X),
    ),
    "an output more": (key(lambda x: ops.sin(x), X), key(lambda x: (ops.sin(x), x), X)),
}


@pytest.mark.parametrize("what", PAIRS)
def test_what_changes_a_graph_changes_its_key(what: str) -> None:
    one, other = PAIRS[what]
    assert one != other


def _step(size: int = 2) -> Graph:
    return graph_of(lambda a, b, x: (a + ops.sum(x), a * b), 1.0, 2.0, X[:size])


def test_what_changes_a_loop_changes_its_key() -> None:
    step = _step()
    loops = [
        Loop(step, None, 1, 1),
        Loop(step, None, 1, 0),
        Loop(step, None, 2, 0),
        Loop(step, _step(1), 1, 1),
        Loop(_step(1), step, 1, 1),
        Loop(_step(1), None, 1, 1),
    ]
    keys = [store.loop_key(loop, host()) for loop in loops]
    keys += [store.graph_key(step, host()), *(store.rows_key(step, n, host()) for n in (1, 2))]
    assert len(set(keys)) == len(keys)


def test_another_processor_has_other_keys() -> None:
    graph = graph_of(lambda x: ops.sin(x), X)
    targets = [host(), *(replace(host(), **{name: 4}) for name in ("vector_bytes", "registers"))]
    targets += [replace(host(), features="+none"), replace(host(), has_fma=not host().has_fma)]
    assert len({store.graph_key(graph, target) for target in targets}) == len(targets)
    assert len({store.text_key("text", target) for target in targets}) == len(targets)
    assert store.text_key("text", host()) != store.text_key("other", host())


def test_names_and_arrays_in_memory_change_no_key() -> None:
    assert key(lambda x: ops.sin(x), X) == key(lambda other: ops.sin(other), X + 1)
    one, two = np.arange(3.0), np.arange(3.0) + 1
    first, second = graph_of(lambda x: x * one, X), graph_of(lambda x: x * two, X)
    assert store.graph_key(first, host()) == store.graph_key(second, host())
    for graph, factor in ((first, one), (second, two)):
        assert (NATIVE.compile(graph)([X])[0] == X * factor).all()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda payload: b"",
        lambda payload: payload[:2],
        lambda payload: b"\x02\x00\x00\x00{}",
        lambda payload: payload[:-100],
        lambda payload: payload[:4] + b"[]" + payload[6:],
        lambda payload: payload[: 4 + int.from_bytes(payload[:4], "little")] + bytes(900),
    ],
    ids=["empty", "two bytes", "no facts", "cut", "another kind", "zeros"],
)
def test_an_entry_that_is_of_no_use_is_compiled_anew(
    spoil: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    stored: dict[str, bytes] = {}
    monkeypatch.setattr(cache, "store", stored.__setitem__)
    monkeypatch.setattr(cache, "load", lambda name: stored.get(name))
    store._living.clear()
    graph = graph_of(lambda x: ops.sin(x) * 0.7, X)
    expected = NATIVE.compile(graph)([X])[0]
    (name,) = stored
    stored[name] = spoil(stored[name])
    spoilt = stored[name]
    store._living.clear()
    assert (NATIVE.compile(graph)([X])[0] == expected).all()
    assert stored[name] != spoilt
