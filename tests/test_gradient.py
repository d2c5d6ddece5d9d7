"""Gradient as Graph → Graph: what it computes, what it is called, and twice."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import limpide as lp
from limpide.check import check_engines
from limpide.engines.reference import ReferenceEngine, evaluate
from limpide.gradient import gradient
from limpide.ir import FLOATS, Graph, Trace, layer_scope, node_names
from limpide.ops import sigmoid
from limpide.tensor import Tracing, tracing_into
from programs import assert_same_bits
from tolerances import tolerance


def graph_of(python: Any, *arrays: Any) -> Graph:
    return lp.function(python).graph(*(lp.Tensor(np.asarray(a)) for a in arrays))


def network(x: Any, w: Any, b: Any) -> Any:
    return lp.mean(lp.square(sigmoid(x @ w + b) - 1.0))


POINT = [np.array([[-2.0, -1.0]]), np.ones((2, 1)), np.zeros(1)]


def test_the_outputs_are_those_of_the_graph_then_the_gradients() -> None:
    graph = graph_of(network, *POINT)
    derived = gradient(graph)
    assert derived.output_names == ("result", "d result / d x", "d result / d w", "d result / d b")
    assert [n.name for n in derived.inputs] == [n.name for n in graph.inputs]
    assert derived.name == "gradient of network"
    outputs = ReferenceEngine().compile(derived)(POINT)
    value, slopes = lp.value_and_grad(network)(*POINT)
    for output, expected in zip(outputs, [value, *slopes], strict=True):
        assert_same_bits(output, expected)
    assert check_engines(derived, POINT)


def test_a_choice_of_inputs() -> None:
    graph = graph_of(network, *POINT)
    derived = gradient(graph, with_respect_to=["b", "x"])
    assert derived.output_names[1:] == ("d result / d b", "d result / d x")
    assert len(derived.nodes) < len(gradient(graph).nodes)
    with pytest.raises(lp.ArgumentError, match=r"no input of floats is named 'c': \['x', 'w', 'b'"):
        gradient(graph, with_respect_to=["c"])


def test_a_choice_of_outputs() -> None:
    graph = graph_of(lambda x: (lp.sum(x), x * 2, lp.sum(x * x)), np.array([1.0, 2.0]))
    outputs = ReferenceEngine().compile(gradient(graph, of=2))([np.array([1.0, 2.0])])
    assert [o.tolist() for o in outputs] == [3.0, [2.0, 4.0], 5.0, [2.0, 4.0]]
    with pytest.raises(lp.ShapeError, match=r"received f64\[2\]"):
        gradient(graph, of=1)


def test_inputs_of_integers_and_unconnected_ones() -> None:
    def f(x: Any, places: Any, other: Any) -> Any:
        return lp.sum(lp.gather(x, places)) + lp.cast(lp.sum(places), "float64")

    arrays = [np.array([1.0, 2.0]), np.array([1, 1]), np.ones((2, 2))]
    derived = gradient(graph_of(f, *arrays))
    assert derived.output_names[1:] == ("d result / d x", "d result / d other")
    outputs = ReferenceEngine().compile(derived)(arrays)
    assert [o.tolist() for o in outputs] == [6.0, [0.0, 2.0], [[0.0, 0.0], [0.0, 0.0]]]


def test_the_gradient_of_every_node_has_the_name_that_is_printed() -> None:
    graph = graph_of(network, *POINT)
    derived = gradient(graph, all_nodes=True)
    outputs = dict(
        zip(derived.output_names, ReferenceEngine().compile(derived)(POINT), strict=True)
    )
    values = evaluate(graph, POINT)
    said = node_names(graph)
    tried = 0
    for place, node in enumerate(graph.nodes):
        name = f"d result / d {said[id(node)]}"
        if name not in outputs:
            continue
        # Move this node's value by a little, and run what follows.
        step = 1e-5
        moved = []
        for sign in (1, -1):
            later = dict(values)
            later[id(node)] = values[id(node)] + sign * step
            for following in graph.nodes[place + 1 :]:
                if following.inputs:
                    given = [later[id(n)] for n in following.inputs]
                    later[id(following)] = following.op.numpy(*given, **following.params)
            moved.append(float(later[id(graph.outputs[0])]))
        numeric = (moved[0] - moved[1]) / (2 * step)
        np.testing.assert_allclose(
            outputs[name].sum(), numeric, rtol=0, atol=tolerance("first_derivative")
        )
        tried += 1
    assert tried == sum(said[id(n)].startswith("%") for n in graph.nodes) == 7


def test_gradient_of_gradient() -> None:
    graph = graph_of(lambda x: x**3.0 + lp.exp(2 * x), np.array(1.5))
    first = gradient(graph)
    second = gradient(first, of=1)
    outputs = ReferenceEngine().compile(second)([np.array(1.5)])
    expected = [1.5**3 + np.exp(3), 3 * 1.5**2 + 2 * np.exp(3), 6 * 1.5 + 4 * np.exp(3)]
    np.testing.assert_allclose(outputs, expected, rtol=tolerance("golden"))


def test_the_output_may_be_an_input() -> None:
    graph = graph_of(lambda x, y: x, np.array(2.0), np.array(3.0))
    outputs = ReferenceEngine().compile(gradient(graph))([np.array(2.0), np.array(3.0)])
    assert [float(o) for o in outputs] == [2.0, 1.0, 0.0]


def test_layers_are_kept() -> None:
    tracing = Tracing("net")
    with tracing_into(tracing):
        x = tracing.argument(graph_of(lambda x: x, np.ones(2)).inputs[0].spec, "x")
        with layer_scope("hidden1"):
            h = lp.exp(x)
        y = lp.sum(h)
    derived = gradient(tracing.trace.finish([y.node], ["y"]))  # type: ignore[attr-defined]
    assert [n.layer for n in derived.nodes if n.op.name == "exp"] == ["hidden1"]
    assert "# hidden1" in str(derived)


def test_a_trace_around_is_left_alone() -> None:
    graph = graph_of(lambda x: lp.sum(x * x), np.ones(2))
    outer = Tracing("outer")
    with tracing_into(outer):
        derived = gradient(graph)
    assert outer.trace.nodes == []
    assert len(derived.outputs) == 2
    assert all(n.spec.dtype in FLOATS for n in derived.outputs)
    assert Trace("t").nodes == []


def test_printed_gradient() -> None:
    graph = graph_of(lambda x, w: lp.sum(lp.square(x @ w)), np.ones((1, 2)), np.ones((2, 1)))
    assert str(gradient(graph, with_respect_to=["w"])) == PRINTED


PRINTED = """\
graph gradient of <lambda>
  x   f64[1,2]  input
  w   f64[2,1]  input
  %0  f64[1,1]  x @ w
  %1  f64[1,1]  %0 * %0
  %2  f64[]     sum(%1, axis=[0, 1])
  %3  f64[1,1]  %0 + %0
  %4  f64[2,1]  transpose(x, [1, 0])
  %5  f64[2,1]  %4 @ %3
  return result = %2, d result / d w = %5"""
