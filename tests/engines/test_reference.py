"""The reference engine: planned memory never corrupts, and loops carry what they should."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import limpide as lp
from limpide import engines, ops
from limpide.engines.reference import Program, ReferenceEngine, evaluate
from limpide.ir import OPS, Graph, Loop, Spec, Trace
from programs import assert_same_bits

Array = npt.NDArray[Any]
REFERENCE = ReferenceEngine()


def graph_of(python: Any, *arrays: Any) -> Graph:
    return lp.function(python).graph(*(lp.Tensor(np.asarray(a)) for a in arrays))


def test_engines_are_found_by_name() -> None:
    assert engines.get("reference").name == "reference"
    assert engines.get(None).name in ("reference", "native")
    with pytest.raises(lp.ArgumentError, match=r"engine must be one of .*reference.*'refrence'"):
        engines.get("refrence")


def test_results_are_new_arrays_and_inputs_stay() -> None:
    graph = graph_of(lambda x: (x, x.T, x + 1, lp.Tensor([7.0])), np.ones((2, 3)))
    run = REFERENCE.compile(graph)
    x = np.arange(6.0).reshape(2, 3)
    first = run([x])
    for output in first:
        output[...] = -1
    assert x.tolist() == [[0, 1, 2], [3, 4, 5]]
    second = run([x])
    assert second[0].tolist() == x.tolist()
    assert second[1].tolist() == x.T.tolist()
    assert second[3].tolist() == [7.0]


def test_inputs_in_any_layout() -> None:
    graph = graph_of(lambda x: lp.exp(x) @ x.T, np.ones((5, 7)))
    run = REFERENCE.compile(graph)
    plain = np.random.default_rng(0).normal(size=(5, 7))
    wide = np.zeros((10, 14))
    wide[::2, ::2] = plain
    frozen = plain.copy()
    frozen.flags.writeable = False
    expected = run([plain])[0]
    for x in (np.asfortranarray(plain), wide[::2, ::2], frozen, plain[:, ::-1].copy()[:, ::-1]):
        assert_same_bits(run([x])[0], expected)


def test_inputs_of_another_dtype_are_refused() -> None:
    run = REFERENCE.compile(graph_of(lambda x: x * 2, np.ones(2)))
    with pytest.raises(TypeError, match="Cannot cast"):
        run([np.ones(2, np.float32)])


def memories(program: Program) -> set[int]:
    return {a.__array_interface__["data"][0] for a in program._arrays.values()}


def test_a_chain_of_elementwise_ops_uses_one_buffer() -> None:
    def chain(x: Any) -> Any:
        for _ in range(20):
            x = lp.exp(x * 0.1)
        return x

    x = np.ones(100)
    graph = graph_of(chain, x)
    program = Program(graph, [x])
    large = {a.__array_interface__["data"][0] for a in program._arrays.values() if a.size == 100}
    constants = sum(n.op.name == "broadcast" for n in graph.nodes)
    assert len(large) <= 2 + constants


def test_memory_of_a_deep_network_is_reused() -> None:
    def deep(x: Any) -> Any:
        for _ in range(30):
            x = ops.tanh(x @ x)
        return x

    x = np.eye(8)
    assert len(memories(Program(graph_of(deep, x), [x]))) <= 4


def test_an_input_is_never_written_to() -> None:
    x = np.array([1.0, 2.0])
    program = Program(graph_of(lambda x: lp.exp(x + 1) * 2, x), [x])
    for call in program.calls:
        call()
    assert x.tolist() == [1.0, 2.0]


# What once went wrong, or easily could ---------------------------------------------------------

HAZARDS: dict[str, Any] = {
    "read again later": lambda x: lp.exp(x) * (lp.exp(x) + 1) - lp.exp(x),
    "a view outlives": lambda x: ((y := lp.exp(x)).T @ lp.sin(y), y * 2),
    "both inputs alike": lambda x: (y := x + 1) * y,
    "turned onto itself": lambda x: (y := lp.exp(x[:2, :2])) + y.T,
    "parts of one": lambda x: (y := lp.exp(x))[:, 1:] * y[:, :-1],
    "reshape that copies": lambda x: lp.sin(lp.reshape((y := lp.exp(x)).T, (-1,))) + lp.sum(y),
    "view of a reshape that copies": lambda x: lp.reshape(lp.exp(x).T, (2, -1))[0] * 2.0,
    "repeats nothing": lambda x: lp.broadcast_to(lp.exp(x), (1, 2, 3)) * 2,
    "returned twice": lambda x: ((y := lp.exp(x)), y, lp.sin(y), y),
    "a view and its whole": lambda x: ((y := lp.exp(x)), y[0], lp.cos(y)),
    "where over its inputs": lambda x: lp.where((y := x * 2) > 0, y, -y),
    "compared and changed": lambda x: lp.cast((y := lp.exp(x)) > 1, "float64") * y,
    "another dtype of one size": lambda x: lp.cast(lp.cast(x, "int64") + 1, "float64") * 2,
    "empty parts": lambda x: lp.sum(lp.exp(x)[:0]) + lp.sum(lp.sin(x)[:, 3:] * 2),
    "constants": lambda x: x * lp.Tensor(np.arange(3.0)) + lp.Tensor(np.arange(3.0)),
    "gathered and joined": lambda x: lp.concatenate([(y := lp.exp(x))[[1, 0]], y, y * 2]),
}


@pytest.mark.parametrize("name", HAZARDS)
def test_planned_memory_keeps_what_is_needed(name: str) -> None:
    x = np.random.default_rng(1).normal(size=(2, 3))
    graph = graph_of(HAZARDS[name], x)
    run = REFERENCE.compile(graph)
    for array in (x, x + 1, -x):
        values = evaluate(graph, [array])
        for output, node in zip(run([array]), graph.outputs, strict=True):
            assert_same_bits(output, values[id(node)])


# Loops -----------------------------------------------------------------------------------------


def loop_of(python: Any, carry: list[Array], held: list[Array]) -> Loop:
    """Trace ``python(*carry, *held)``, which gives the carried values, then observed ones."""
    graph = graph_of(python, *carry, *held)
    return Loop(graph, None, len(carry), len(held))


CROSSED: dict[str, Any] = {
    "swapped": lambda a, b: (b, a),
    "turned in a ring with a view": lambda a, b: (b[::1] * 1, lp.stop_gradient(a)),
    "one from both": lambda a, b: (a + b, a * b),
    "the same to both": lambda a, b: ((c := a - b), c),
    "kept": lambda a, b: (a, b + a),
    "shifted": lambda a, b: (lp.concatenate([a[1:], b[:1]]), lp.concatenate([b[1:], a[:1]])),
    "seen before and after": lambda a, b: ((c := a * 2), b, a, c, b * a),
    "view of the old seen": lambda a, b: (a * 2, a + b, a[1:], b[:1], lp.reshape(a, (1, 3))),
    "view of the new seen": lambda a, b: ((c := a * 2), a + b, c[1:], lp.reshape(c, (3, 1))),
    "assigned a part of the other": lambda a, b: (lp.broadcast_to(b[:1], (3,)), b * 0.5, a),
    "assigned a constant": lambda a, b: (lp.Tensor(np.arange(3.0)), a),
    "chain ends in the other": lambda a, b: (lp.exp(lp.sin(b)), lp.exp(lp.sin(a)) + b, a),
    "used after it is replaced": lambda a, b: ((c := a + 1), b + lp.sum(a * c), a * c),
}


@pytest.mark.parametrize("name", CROSSED)
def test_carried_values_may_cross(name: str) -> None:
    python = CROSSED[name]
    start = [np.array([1.0, 2.0, 3.0]), np.array([0.5, -1.0, 4.0])]
    run = REFERENCE.compile_loop(loop_of(python, start, []))
    carry = [a.copy() for a in start]
    seen = run(carry, [], [], None, 4)
    state = [lp.Tensor(a) for a in start]
    for step in range(4):
        results = python(*state)
        state = list(results[:2])
        for whole, expected in zip(seen, results[2:], strict=True):
            assert_same_bits(whole[step], expected)
    for actual, expected in zip(carry, state, strict=True):
        assert_same_bits(actual, expected)


def test_a_loop_over_rows_with_a_shorter_last_batch() -> None:
    def step(total: Any, rate: Any, x: Any, y: Any) -> Any:
        batch = lp.sum(x * lp.reshape(y, (-1, 1)), 0)
        return total + rate * batch, lp.sum(batch)

    generator = np.random.default_rng(3)
    x, y = generator.normal(size=(10, 2)), generator.normal(size=10)
    total, rate = np.zeros(2), np.array(0.5)
    full = graph_of(step, total, rate, x[:4], y[:4])
    tail = graph_of(step, total, rate, x[:2], y[:2])
    run = REFERENCE.compile_loop(Loop(full, tail, 1, 1))
    assert Loop(full, tail, 1, 1).n_rows == 2
    order = generator.permutation(10)
    carry = [total.copy()]
    (seen,) = run(carry, [rate], [x, y], order[None], 0)
    expected, sums = np.zeros(2), []
    for start in (0, 4, 8):
        rows = order[start : start + 4]
        batch = (x[rows] * y[rows][:, None]).sum(0)
        expected, sums = expected + 0.5 * batch, [*sums, batch.sum()]
    np.testing.assert_allclose(carry[0], expected, rtol=1e-15)
    np.testing.assert_allclose(seen, sums, rtol=1e-14)
    (seen,) = run(carry, [rate], [x, y], order[None, :8], 0)
    assert seen.shape == (2,)
    (seen,) = run(carry, [rate], [x, y], order[None, :0], 0)
    assert seen.shape == (0,)


def test_held_values_are_inputs_of_each_run() -> None:
    run = REFERENCE.compile_loop(
        loop_of(lambda a, rate: (a + rate,), [np.array(0.0)], [np.array(1.0)])
    )
    carry = [np.array(0.0)]
    for rate in (1.0, 10.0):
        run(carry, [np.array(rate)], [], None, 3)
    assert float(carry[0]) == 33.0


def test_no_trips() -> None:
    run = REFERENCE.compile_loop(loop_of(lambda a: (a * 2, a), [np.ones(2)], []))
    carry = [np.ones(2)]
    (seen,) = run(carry, [], [], None, 0)
    assert (carry[0].tolist(), seen.shape) == ([1.0, 1.0], (0, 2))


def test_random_bits_run_anew_in_each_step() -> None:
    def step(count: Any) -> Any:
        bits = ops.random_bits(lp.Tensor(1, dtype="uint32"), count, stream=0, shape=(2,))
        return count + 1, bits, lp.iota((2,)) * 2

    run = REFERENCE.compile_loop(loop_of(step, [np.array(0, np.uint32)], []))
    carry = [np.array(0, np.uint32)]
    bits, ladder = run(carry, [], [], None, 3)
    assert len({tuple(row) for row in bits.tolist()}) == 3
    assert ladder.tolist() == [[0, 2]] * 3
    again = run(carry, [], [], None, 1)[0]
    assert again.tolist() not in bits.tolist()


def test_a_failing_step_leaves_the_carried_arrays() -> None:
    def step(a: Any, x: Any) -> Any:
        return a + lp.sum(lp.gather(x, lp.cast(a, "int64"))), a

    run = REFERENCE.compile_loop(Loop(graph_of(step, np.array(0.0), np.ones(3)), None, 1, 1))
    carry = [np.array(1.0)]
    with pytest.raises(lp.ArgumentError, match="out of range"):
        run(carry, [np.ones(3)], [], None, 5)
    assert float(carry[0]) == 1.0
    run(carry, [np.ones(3)], [], None, 1)
    assert float(carry[0]) == 2.0


def test_threads_share_one_program() -> None:
    x = np.random.default_rng(5).normal(size=(40, 40))
    run = REFERENCE.compile(graph_of(lambda x: lp.exp(x @ x * 0.01) @ x, x))
    inputs = [x + k for k in range(6)]
    expected = [run([a])[0] for a in inputs]
    found: dict[int, list[Array]] = {}

    def work(k: int) -> None:
        found[k] = [run([inputs[k]])[0] for _ in range(20)]

    threads = [threading.Thread(target=work, args=(k,)) for k in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    for k, results in found.items():
        for result in results:
            assert_same_bits(result, expected[k])


def test_evaluate_keeps_every_value() -> None:
    trace = Trace("t")
    x = trace.input(Spec((2,), "f64"), "x")
    two = trace.broadcast(trace.constant(np.array(2.0)), (2,))
    y = trace.record(OPS["multiply"], [x, two], {})
    z = trace.record(OPS["exp"], [y], {})
    values = evaluate(trace.finish([z], ["z"]), [np.array([1.0, 2.0])])
    assert values[id(y)].tolist() == [2.0, 4.0]
    assert values[id(two)].tolist() == [2.0, 2.0]
    assert values[id(z)].tolist() == np.exp([2.0, 4.0]).tolist()
    assert len(values) == 5
