"""Spec, Trace, Graph: what is merged, folded and dropped, and how a graph prints."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import limpide as lp
from limpide import ops
from limpide.engines.reference import ReferenceEngine
from limpide.errors import DtypeError
from limpide.gradient import gradient
from limpide.ir import (
    CONSTANT,
    INPUT,
    OPS,
    Graph,
    Spec,
    Trace,
    dtype_name,
    layer_scope,
    needed,
    node_names,
    spec_of,
    uniform_value,
)
from programs import assert_same_bits
from tolerances import tolerance


def graph_of(python: Any, *arrays: Any) -> Graph:
    return lp.function(python).graph(*(lp.Tensor(np.asarray(a)) for a in arrays))


def names(graph: Graph) -> list[str]:
    return [node.op.name for node in graph.nodes]


# Spec ------------------------------------------------------------------------------------------


def test_spec() -> None:
    spec = Spec((32, 16), "f32")
    assert (str(spec), str(Spec((), "f64")), str(Spec((0,), "bool"))) == (
        "f32[32,16]",
        "f64[]",
        "bool[0]",
    )
    assert (spec.rank, spec.size, spec.nbytes, spec.numpy_dtype) == (2, 512, 2048, np.float32)
    assert (Spec((), "i64").size, Spec((0, 3), "i64").nbytes) == (1, 0)
    assert spec == Spec((32, 16), "f32") != Spec((32, 16), "f64")
    assert spec_of(np.zeros((2, 1), np.uint32)) == Spec((2, 1), "u32")


def test_dtype_names() -> None:
    assert [dtype_name(d) for d in ("f32", "float32", np.float64, np.dtype("i4"), bool)] == [
        "f32",
        "f32",
        "f64",
        "i32",
        "bool",
    ]
    with pytest.raises(DtypeError, match=r"must be one of bool, float32.*received 'float16'"):
        dtype_name("float16")


# Recording -------------------------------------------------------------------------------------


def test_equal_nodes_merge() -> None:
    graph = graph_of(lambda x: ops.exp(x) + ops.exp(x) * ops.exp(x + 0.0), [1.0, 2.0])
    assert names(graph).count("exp") == 2  # x + 0 is another value: -0 + 0 is 0
    merged = graph_of(lambda x: (x * 2, x * 2, x + x), [1.0])
    assert merged.outputs[0] is merged.outputs[1]
    assert merged.outputs[0] is not merged.outputs[2]


def test_nodes_with_other_parameters_do_not_merge() -> None:
    x = np.ones((2, 2))
    graph = graph_of(lambda x: (lp.sum(x, 0), lp.sum(x, 1), lp.cast(x, "f4"), x.T), x)
    assert len(set(map(id, graph.outputs))) == 4


def test_zeros_of_either_sign_are_two_constants() -> None:
    trace = Trace("t")
    plus, minus = trace.constant(np.array(0.0)), trace.constant(np.array(-0.0))
    nan, again = trace.constant(np.array(np.nan)), trace.constant(np.array(np.nan))
    assert plus is not minus
    assert nan is again
    assert trace.constant(np.array(0.0, np.float32)) is not plus
    assert trace.constant(np.array([0.0])) is not plus


def test_constants_fold() -> None:
    graph = graph_of(lambda x: x * ((lp.Tensor(2.0) + 3.0) * lp.cos(lp.Tensor(0.0))), np.float32(1))
    assert names(graph) == ["constant", "multiply"]
    assert float(graph.nodes[0].value) == 5.0
    table = graph_of(lambda x: x + lp.sum(lp.Tensor([[1.0, 2.0]]), 0), np.float32([1, 1]))
    assert names(table) == ["constant", "add"]


def test_large_results_stay_instructions() -> None:
    small = lp.Tensor(np.ones(3))
    graph = graph_of(
        lambda x: x + lp.reshape(lp.broadcast_to(small, (100, 3)), (300,)), np.ones(300)
    )
    assert max(n.value.size for n in graph.nodes if n.op is CONSTANT) == 3
    uniform = graph_of(lambda x: x + (lp.ones_like(x) * 2 + 1), np.ones(300))
    assert names(uniform) == ["constant", "broadcast", "add"]


def test_ops_that_do_nothing_are_dropped() -> None:
    def nothing(x: Any) -> Any:
        y = lp.reshape(lp.transpose(lp.broadcast_to(x, (2, 3)), (0, 1)), (2, 3))
        return lp.sum(lp.cast(y, "float64") * 1 / 1, axis=())

    graph = graph_of(nothing, np.ones((2, 3)))
    assert graph.nodes == ()
    assert graph.outputs == graph.inputs


@pytest.mark.parametrize(
    "python", [lambda x: x + 0.0, lambda x: x - 0.0, lambda x: x * 0.0, lambda x: 0.0 - x]
)
def test_what_would_change_a_bit_is_kept(python: Any) -> None:
    array = np.array([-0.0, 0.0, 1e-320, np.inf, -1.5])
    assert len(graph_of(python, array).nodes) > 0
    assert_same_bits(lp.function(python)(lp.Tensor(array)), python(lp.Tensor(array)))


def test_uniform_value() -> None:
    trace = Trace("t")
    two = trace.constant(np.array(2.0))
    wide = trace.broadcast(two, (3, 4))
    known = uniform_value(wide)
    assert known is not None
    assert float(known) == 2.0
    assert trace.broadcast(two, ()) is two
    assert uniform_value(trace.input(Spec((), "f64"), "x")) is None
    assert uniform_value(trace.constant(np.array([1.0, 2.0]))) is None


def test_inputs_get_names_of_their_own() -> None:
    trace = Trace("t")
    found = [trace.input(Spec((), "f32"), name).name for name in ("x", "x", "y", "x")]
    assert found == ["x", "x_2", "y", "x_3"]
    assert all(node.op is INPUT for node in trace.inputs)


def test_only_what_the_outputs_need_is_kept() -> None:
    trace = Trace("t")
    x = trace.input(Spec((2,), "f64"), "x")
    unused = trace.input(Spec((2,), "f64"), "unused")
    a = trace.record(OPS["exp"], [x], {})
    trace.record(OPS["sin"], [a], {})
    b = trace.record(OPS["cos"], [a], {})
    graph = trace.finish([b], ["y"])
    assert graph.nodes == (a, b)
    assert graph.inputs == (x, unused)
    assert needed(trace.nodes, [x]) == []


def test_constants_cannot_be_written_to() -> None:
    captured = lp.Tensor([1.0, 2.0])
    graph = graph_of(lambda x: x * captured, np.float32([1, 1]))
    with pytest.raises(ValueError, match="read-only"):
        graph.nodes[0].value[0] = 5.0
    assert captured.numpy().tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("op", "specs", "message"),
    [
        ("add", ("f32[2]", "f32[3]"), r"add needs equal shapes, got f32\[2\] and f32\[3\]"),
        ("add", ("f32[2]", "f64[2]"), r"add needs one dtype, got f32\[2\] and f64\[2\].*lp\.cast"),
        ("add", ("bool[2]", "bool[2]"), r"add needs numbers, got bool\[2\].*lp\.cast"),
        ("exp", ("i32[]",), r"exp needs floats, got i32\[\].*lp\.cast\(x, 'float32'\)"),
        ("less", ("i32[]", "i64[]"), r"less needs one dtype"),
        ("where", ("f32[]", "f32[]", "f32[]"), r"where needs a bool condition, got f32\[\]"),
        ("where", ("bool[]", "f32[]", "f64[]"), r"where needs one dtype"),
        ("logical_and", ("bool[]", "i32[]"), r"logical_and needs bool, got i32\[\]"),
        ("matmul", ("f32[2,3]", "f32[2,3]"), r"needs \(n, k\) @ \(k, m\), got f32\[2,3\] @ f32"),
        ("matmul", ("f32[2,3]", "f64[3,2]"), r"matmul needs floats of one dtype"),
        ("matmul", ("i32[2,3]", "i32[3,2]"), r"matmul needs floats of one dtype"),
        ("sum", ("bool[2]",), r"sum needs numbers, got bool\[2\]"),
        ("max", ("f32[0]",), r"max of no elements: f32\[0\] over axis \[0\]"),
        ("shift_right", ("i32[]",), r"shift_right needs u32"),
        ("gather", ("f32[3]", "u32[2]"), r"gather needs i32 or i64 indices, got u32\[2\]"),
    ],
)
def test_specs_that_do_not_fit_are_named(op: str, specs: tuple[str, ...], message: str) -> None:
    params = {"sum": {"axis": (0,)}, "max": {"axis": (0,)}, "gather": {"axis": 0}}
    params["shift_right"] = {"places": 1}
    trace = Trace("t")
    inputs = []
    for text in specs:
        dtype, _, shape = text[:-1].partition("[")
        sizes = tuple(int(n) for n in shape.split(",") if n)
        inputs.append(trace.input(Spec(sizes, dtype), "x"))
    with pytest.raises(lp.LimpideError, match=message) as raised:
        trace.record(OPS[op], inputs, params.get(op, {}))
    assert isinstance(raised.value, (lp.ShapeError, lp.DtypeError))
    with layer_scope("hidden1"), pytest.raises(lp.LimpideError, match="in layer 'hidden1'"):
        trace.record(OPS[op], inputs, params.get(op, {}))


# Printing --------------------------------------------------------------------------------------


def test_printed_graph() -> None:
    trace = Trace("example")
    x = trace.input(Spec((2, 3), "f32"), "x")
    with layer_scope("hidden1"):
        w = trace.constant(np.array([[1.0], [2.0], [3.0]], np.float32))
        h = trace.record(OPS["matmul"], [x, w], {})
        b = trace.broadcast(trace.constant(np.array(0.1, np.float32)), (2, 1))
        z = trace.record(OPS["add"], [h, b], {})
    y = trace.record(OPS["sigmoid"], [z], {})
    below = trace.record(OPS["less"], [y, b], {})
    part = {"start": (0, 0), "stop": (1, 1), "step": (1, 1)}
    cut = trace.record(OPS["slice"], [y], part)
    graph = trace.finish([y, below, cut, b], ["y", "below", "cut", "b"])
    assert str(graph) == PRINTED
    assert repr(graph) == "<Graph example: 1 inputs, 8 nodes>"
    assert node_names(graph)[id(z)] == "%2"
    assert (repr(x), repr(y)) == ("<x f32[2,3]>", "<sigmoid f32[2,1]>")


PRINTED = """\
graph example
  x   f32[2,3]   input
  %0  f32[3,1]   constant [[1.], [2.], [3.]]        # hidden1
  %1  f32[2,1]   x @ %0                             # hidden1
  %2  f32[2,1]   %1 + 0.1                           # hidden1
  %3  f32[2,1]   sigmoid(%2)
  %4  bool[2,1]  %3 < 0.1
  %5  f32[1,1]   slice(%3, [0, 0], [1, 1], [1, 1])
  return y = %3, below = %4, cut = %5, b = 0.1"""


def test_printed_numbers_are_the_shortest_that_give_the_number_back() -> None:
    def f(x: Any) -> Any:
        return x * 0.1, x + 1e-30, x / 3, x - float("inf"), lp.cast(x, "int32") + 7

    for dtype in ("float32", "float64"):
        text = str(graph_of(f, np.ones(2, dtype)))
        for number in ("* 0.1\n", "+ 1e-30\n", "/ 3.0\n", "- inf\n", "+ 7\n"):
            assert number in text


def test_large_constants_are_abbreviated() -> None:
    table = lp.Tensor(np.arange(1000.0))
    text = str(graph_of(lambda x: x + table, np.ones(1000)))
    assert "constant [  0.,   1.,   2., ..., 997., 998., 999.]" in text


def test_a_graph_of_nothing() -> None:
    assert str(Trace("empty").finish([], [])) == "graph empty\n  return"


# Depth -----------------------------------------------------------------------------------------


def test_ten_thousand_nodes_in_a_chain() -> None:
    def chain(x: Any) -> Any:
        for _ in range(5_000):
            x = lp.sin(x) + x * 0.001
        return lp.sum(x)

    array = np.array([0.5, 1.0])
    eager = chain(lp.Tensor(array))
    graph = graph_of(chain, array)
    assert len(graph.nodes) > 10_000
    outputs = ReferenceEngine().compile(graph)([array])
    assert_same_bits(outputs[0], eager)
    slope = ReferenceEngine().compile(gradient(graph))([array])[1]
    np.testing.assert_allclose(
        slope, lp.grad(chain)(array).numpy(), rtol=tolerance("engine_float64")
    )
    assert str(graph).count("sin") == 5_000
    del graph, outputs


def test_a_graph_is_pickled_and_copied_however_deep() -> None:
    @lp.function
    def deep(x: Any) -> Any:
        for _ in range(2000):
            x = lp.tanh(x) + np.array([1.0, 2.0])
        return x

    graph = deep.graph(np.ones(2))
    assert isinstance(graph, lp.Graph)
    for again in (pickle.loads(pickle.dumps(graph)), copy.deepcopy(graph)):
        assert str(again) == str(graph)
        assert lp.check_engines(again, [np.ones(2)])
