"""Arrays of any layout give the bits of plain copies, and only what is carried is written to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from natively import NATIVE

from agreement import graph_of
from limpide import engines, ops
from limpide.errors import ArgumentError, ArgumentTypeError
from limpide.ir import Loop

Array = npt.NDArray[Any]


def strided(x: Array) -> Array:
    wide = np.full(tuple(2 * n for n in x.shape), 7, x.dtype)
    wide[tuple(slice(None, None, 2) for _ in x.shape)] = x
    return wide[tuple(slice(None, None, 2) for _ in x.shape)]


def backwards(x: Array) -> Array:
    turned = tuple(slice(None, None, -1) for _ in x.shape)
    return np.ascontiguousarray(x[turned])[turned]


def misaligned(x: Array) -> Array:
    raw = np.zeros(x.nbytes + 1, np.uint8)
    view = raw[1:].view(x.dtype).reshape(x.shape)
    view[...] = x
    assert not view.flags.aligned
    return view


def repeated(x: Array) -> Array:
    """Rows that are all the first one, in the memory of one."""
    return np.broadcast_to(x[:1], x.shape)


def frozen(x: Array) -> Array:
    copy = x.copy()
    copy.flags.writeable = False
    return copy


LAYOUTS: dict[str, Callable[[Array], Array]] = {
    "strided": strided,
    "backwards": backwards,
    "misaligned": misaligned,
    "Fortran": np.asfortranarray,
    "read-only": frozen,
    "repeated": repeated,
    "turned": lambda x: np.ascontiguousarray(x.T).T,
}


def results(python: Any, arrays: list[Array]) -> list[Array]:
    return list(NATIVE.compile(graph_of(python, *arrays))(arrays))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_inputs_of_any_layout(layout: str) -> None:
    def python(x: Any, y: Any) -> Any:
        return ops.exp(x) @ y.T, x.T * 2, ops.sum(x, 0), ops.where(y > 0, x, y)

    generator = np.random.default_rng(0)
    plain = [generator.normal(size=(5, 7)), generator.normal(size=(5, 7))]
    given = [LAYOUTS[layout](a) for a in plain]
    before = [a.copy() for a in given]
    for actual, expected in zip(results(python, given), results(python, before), strict=True):
        np.testing.assert_array_equal(actual, expected)
    for a, b in zip(given, before, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("layout", [name for name in LAYOUTS if name != "repeated"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_row_arrays_held_and_carried_values_of_any_layout(layout: str, dtype: str) -> None:
    def step(w: Any, rate: Any, x: Any, y: Any) -> Any:
        slope = x.T @ (x @ w - y)
        return w - rate * slope, ops.sum(ops.square(slope))

    g = np.random.default_rng(1)
    w, rate = g.normal(size=(3, 2)).astype(dtype), np.full((3, 2), 0.01, dtype)
    x, y = g.normal(size=(10, 3)).astype(dtype), g.normal(size=(10, 2)).astype(dtype)
    full, tail = (graph_of(step, w, rate, x[:n], y[:n]) for n in (4, 2))
    run = NATIVE.compile_loop(Loop(full, tail, 1, 1))
    order = g.permutation(10)
    expected = w.copy()
    seen = run([expected], [rate], [x, y], order[None], 0)
    make = LAYOUTS[layout]
    carried = make(w) if layout != "read-only" else w.copy()
    rows, held = [make(x), make(y)], make(rate)
    again = run([carried], [held], rows, np.repeat(order, 2)[None, ::2], 0)
    np.testing.assert_array_equal(carried, expected)
    np.testing.assert_array_equal(again[0], seen[0])
    for a, b in zip([*rows, held], [x, y, rate], strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_carried_view_leaves_what_lies_between_its_elements() -> None:
    whole = np.full((6, 8), 7.0)
    part = whole[::2, 1::3]
    part[...] = 1.0
    run = NATIVE.compile_loop(Loop(graph_of(lambda a: (a * 2,), part), None, 1, 0))
    run([part], [], [], None, 3)
    assert (part == 8.0).all()
    assert (whole == 8.0).sum() == part.size
    assert (whole == 7.0).sum() == whole.size - part.size


def test_memory_mapped_arrays(tmp_path: Path) -> None:
    plain = np.random.default_rng(2).normal(size=(20, 3))
    path = tmp_path / "x.bin"
    path.write_bytes(b"head" + plain.tobytes())
    mapped = np.memmap(path, np.float64, "r", offset=4, shape=(20, 3))
    np.testing.assert_array_equal(
        results(lambda x: x @ x.T, [mapped])[0], results(lambda x: x @ x.T, [plain])[0]
    )
    step = graph_of(lambda a, x: a + ops.sum(x, 0), np.zeros(3), plain[:4])
    run = NATIVE.compile_loop(Loop(step, None, 1, 0))
    found = []
    for rows in (mapped, plain):
        carry = [np.zeros(3)]
        run(carry, [], [rows], np.arange(20)[None], 0)
        found.append(carry[0])
    np.testing.assert_array_equal(found[0], found[1])


def test_operands_that_share_memory() -> None:
    x = np.random.default_rng(3).normal(size=(6, 6))
    same = results(lambda a, b: (a @ b, a + b.T), [x, x])
    apart = results(lambda a, b: (a @ b, a + b.T), [x, x.copy()])
    for a, b in zip(same, apart, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_held_values_and_rows_may_share_memory_with_what_is_carried(engine: str) -> None:
    """What is held is read before the first step, rows as they were, and then the result comes."""
    w = np.random.default_rng(4).normal(size=(4, 4))
    apart = w.copy()

    def step(w: Any, held: Any, rows: Any) -> Any:
        return w * 0.5 + held + ops.sum(rows, 0)

    run = engines.get(engine).compile_loop(Loop(graph_of(step, w, w, w[:2]), None, 1, 1))
    run([apart], [w.copy()], [w.copy()], np.arange(4)[None], 0)
    run([w], [w], [w], np.arange(4)[None], 0)
    np.testing.assert_array_equal(w, apart)


def test_results_are_new_arrays() -> None:
    x = np.arange(6.0).reshape(2, 3)
    run = NATIVE.compile(graph_of(lambda x: (x, x.T, x + 1, x, ops.iota((3,))), x))
    first = run([x])
    for output in first:
        output[...] = -1
    assert x.tolist() == [[0, 1, 2], [3, 4, 5]]
    second = run([x])
    assert second[0].tolist() == second[3].tolist() == x.tolist()
    assert second[1].tolist() == x.T.tolist()
    assert second[4].tolist() == [0, 1, 2]


def test_arrays_of_another_kind_are_refused() -> None:
    run = NATIVE.compile(graph_of(lambda x: x * 2, np.ones((2, 3))))
    for wrong in (np.ones((2, 3), np.float32), np.ones((3, 2)), np.ones(6), np.ones((2, 3), ">f8")):
        with pytest.raises(ArgumentTypeError, match=r"x is f64\[2,3\]; received an array of dtype"):
            run([wrong])
    with pytest.raises(ArgumentError, match="1 arrays are needed here; received 2"):
        run([np.ones((2, 3))] * 2)
    step = graph_of(lambda a, x: a + ops.sum(x), np.array(0.0), np.ones((2, 3)))
    loop = NATIVE.compile_loop(Loop(step, None, 1, 0))
    for rows in (np.ones((4, 2)), np.ones((4, 3), np.float32), np.ones(4)):
        with pytest.raises(ArgumentTypeError, match="received an array of dtype"):
            loop([np.array(0.0)], [], [rows], np.arange(4)[None], 0)
    for carry in (np.zeros(2), np.array(0.0, np.float32)):
        with pytest.raises((TypeError, ValueError), match=r"broadcast|Cannot cast"):
            loop([carry], [], [np.ones((4, 3))], np.arange(4)[None], 0)
