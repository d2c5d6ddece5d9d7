"""Pictures of graphs: every line of the printed graph, every use of a value, nothing on another."""

from __future__ import annotations

import itertools
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import limpide as lp
from drawings import SVG, Rectangle, parse, texts
from limpide.explain.diagrams.layered import Item, lay_out
from limpide.ir import Graph, Spec, node_names, uniform_value
from limpide.steps import StepPlan, trace_step


def step(optimizer: Any, hidden: list[int]) -> Graph:
    net = lp.Network([2, *hidden, 1], activation="sigmoid", output="sigmoid", seed=0)
    plan = StepPlan(net.placed, lp.mse, optimizer, frozenset(), False)
    return trace_step(plan, net.params, net.state, [Spec((4, 2), "f32"), Spec((4, 1), "f32")])


def boxes(root: ElementTree.Element) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = {}
    for g in root.iter(f"{SVG}g"):
        if "data-name" in g.attrib:
            found.setdefault(g.attrib["class"], []).append(g.attrib)
    return found


def rectangles(root: ElementTree.Element) -> list[Rectangle]:
    found = []
    for g in root.iter(f"{SVG}g"):
        if "data-name" in g.attrib:
            a = next(e for e in g if e.tag == f"{SVG}rect").attrib
            x, y, w, h = (float(a[k]) for k in ("x", "y", "width", "height"))
            found.append(Rectangle(g.attrib["data-name"], x, y, x + w, y + h))
    return found


def test_every_node_and_every_use_is_drawn() -> None:
    graph = lp.Network([2, 2, 1], activation="sigmoid", seed=0).graph()
    root = parse(graph.svg)
    lines, names = texts(root), node_names(graph)
    printed = [line.split() for line in str(graph).splitlines()[1:-1]]
    for name, spec, *_ in printed:
        assert any(t == name or t.startswith(f"{name} = ") for t in lines), name
        assert spec in lines
    assert "%0 = X @ hidden1.weights" in lines
    uses = {
        (names[id(source)], names[id(node)])
        for node in graph.nodes
        if uniform_value(node) is None
        for source in node.inputs
        if uniform_value(source) is None
    }
    uses |= {(names[id(n)], o) for n, o in zip(graph.outputs, graph.output_names, strict=True)}
    drawn = {(e.attrib["data-from"], e.attrib["data-to"]) for e in root.iter(f"{SVG}path")
             if "data-from" in e.attrib}  # fmt: skip
    assert drawn == uses
    found = boxes(root)
    assert {b["data-name"] for b in found["input"]} == {node.name for node in graph.inputs}
    assert [b["data-name"] for b in found["output"]] == ["output"]
    layers = {b["data-name"]: b.get("data-layer") for b in found["op"]}
    assert layers["%0"] == "hidden1"


@pytest.mark.parametrize("hidden", [[2], [3, 3], [2] * 5, [2] * 40])
def test_no_box_lies_on_another(hidden: list[int]) -> None:
    for optimizer in (lp.SGD(0.1), lp.Adam()):
        root = parse(lp.explain.graph_diagram(step(optimizer, hidden), "en").svg)
        for a, b in itertools.combinations(rectangles(root), 2):
            assert not a.meets(b), (a, b)
        width, height = float(root.attrib["width"]), float(root.attrib["height"])
        for box in rectangles(root):
            assert 0 <= box.left < box.right <= width
            assert 0 <= box.top < box.bottom <= height


def test_a_large_graph_is_drawn_by_layers_with_counts() -> None:
    graph = step(lp.Adam(), [2])
    root = parse(lp.explain.graph_diagram(graph, "en").svg)
    groups = boxes(root)["group"]
    shown = [n for n in graph.nodes if uniform_value(n) is None]
    assert sum(int(g["data-ops"]) for g in groups) == len(shown)
    assert len(groups) < 15
    assert any(t.startswith("hidden1: 53 operations") for t in texts(root))
    assert f"{len(graph.nodes)} operations," in (root[1].text or "")


def test_a_huge_graph_says_what_is_not_drawn() -> None:
    diagram = lp.explain.graph_diagram(step(lp.SGD(0.1), [2] * 60), "en")
    root = parse(diagram.svg)
    assert len(diagram.svg) < 150_000
    hidden = next(t for t in texts(root) if t.endswith(" boxes more"))
    assert f"{hidden.split()[0]} boxes in the middle are not drawn." in (root[1].text or "")
    assert len(rectangles(root)) == 40 + 1 + 24


def test_a_graph_shows_itself() -> None:
    @lp.function
    def f(x: Any) -> Any:
        return lp.sum(lp.square(x)) + 2

    graph = f.graph(np.ones(3))
    assert graph._repr_svg_() == graph.svg == lp.explain.graph_diagram(graph).svg
    assert "%1 = sum(%0" in " ".join(texts(parse(graph.svg)))


def test_a_graph_without_ops() -> None:
    @lp.function
    def f(x: Any) -> Any:
        return x

    assert texts(parse(f.graph(np.ones(3)).svg))[0] == "x"


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_layered_drawings_keep_their_promises(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 25))
    items = [
        Item(
            data.draw(st.floats(20, 200)),
            data.draw(st.floats(10, 60)),
            tuple(data.draw(st.lists(st.integers(0, i - 1), max_size=3))) if i else (),
            data.draw(st.booleans()),
        )
        for i in range(count)
    ]
    routes, (width, height) = lay_out(items, 20.0, 30.0)
    for item in items:
        assert item.width / 2 - 1e-6 <= item.x <= width - item.width / 2 + 1e-6
        assert item.height / 2 - 1e-6 <= item.y <= height - item.height / 2 + 1e-6
        for source in item.sources:
            assert items[source].y + items[source].height / 2 < item.y - item.height / 2
    for a, b in itertools.combinations(items, 2):
        if a.rank == b.rank:
            assert abs(a.x - b.x) >= (a.width + b.width) / 2 + 20 - 1e-6
    assert set(routes) == {(s, i) for i, item in enumerate(items) for s in item.sources}
