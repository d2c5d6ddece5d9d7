"""Boundaries, levels and a neuron's line: what is coloured is what the network says there."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import limpide as lp
from drawings import SVG, Numbers, number, parse, texts
from limpide.explain.diagrams.levels import regions_above

XOR = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
LEFT, TOP, SIDE = 66.0, 20.0, 384.0


def outlines(path: ElementTree.Element) -> list[Numbers]:
    parts = path.attrib["d"].strip("M").split("M")
    return [np.array(re.findall(r"-?\d+(?:\.\d+)?", p), float).reshape(-1, 2) for p in parts if p]


def is_inside(lines: list[Numbers], x: float, y: float) -> bool:
    """The even-odd rule."""
    crossings = 0
    for line in lines:
        a, b = line, np.roll(line, -1, axis=0)
        crosses = (a[:, 1] > y) != (b[:, 1] > y)
        with np.errstate(all="ignore"):
            at = a[:, 0] + (y - a[:, 1]) / (b[:, 1] - a[:, 1]) * (b[:, 0] - a[:, 0])
        crossings += int((crosses & (at > x)).sum())
    return crossings % 2 == 1


class Plane:
    """The picture as a reader with a ruler sees it."""

    def __init__(self, svg: str) -> None:
        self.root = parse(svg)
        self.low = np.array(self.root.attrib["data-low"].split(), float)
        self.high = np.array(self.root.attrib["data-high"].split(), float)
        self.regions = [e for e in self.root.iter(f"{SVG}path")
                        if e.attrib.get("class", "").startswith("region")]  # fmt: skip

    def places(self, count: int = 23) -> Numbers:
        """Places spread over the plane, none of them on the grid of the picture."""
        share = (np.arange(count) + 0.37) / count
        return np.stack([s.ravel() for s in np.meshgrid(share, share)], axis=1)

    def inputs(self, share: Numbers) -> Numbers:
        return self.low + share * (self.high - self.low)

    def inside(self, region: ElementTree.Element, share: Numbers) -> Any:
        lines = outlines(region)
        return np.array([is_inside(lines, LEFT + SIDE * a, TOP + SIDE * (1 - b)) for a, b in share])


def trained(
    sizes: list[Any], output: str, f: Callable[[Numbers], Any]
) -> tuple[lp.Network, Any, Any]:
    X = np.random.default_rng(0).uniform(-2, 2, (200, 2))
    net = lp.Network(sizes, activation="tanh", output=output, dtype="float64", seed=1)
    net.fit(X, f(X), epochs=30, optimizer=lp.Adam(0.03), progress=False)
    return net, X, f(X)


def test_two_classes() -> None:
    net, X, y = trained([2, 8, 1], "sigmoid", lambda X: (np.hypot(*X.T) < 1.2).astype(float))
    diagram = net.boundary(X, y, language="en")
    assert len(diagram.svg) < 100_000
    plane = Plane(diagram.svg)
    share = plane.places()
    answers = net.predict(plane.inputs(share))[:, 0]
    for region in plane.regions:
        level = float(region.attrib["data-level"])
        clear = np.abs(answers - level) > 0.03  # between the grid's corners a line is drawn
        assert clear.sum() > 300
        np.testing.assert_array_equal(plane.inside(region, share)[clear], (answers > level)[clear])
    edge = next(e for e in plane.root.iter(f"{SVG}path") if "boundary" in e.attrib.get("class", ""))
    for line in outlines(edge):
        x1, x2 = (line[:, 0] - LEFT) / SIDE, 1 - (line[:, 1] - TOP) / SIDE
        on_it = net.predict(plane.inputs(np.stack([x1, x2], axis=1)))
        np.testing.assert_allclose(on_it, 0.5, atol=0.02)
    assert {"ŷ = 0.5", "y = 1", "y = 0", "200 rows", "x1", "x2"} <= set(texts(plane.root))


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([0, 5], r"y holds 5 in row 1; class numbers go from 0 to 2"),
        ([-1, 1], "y holds -1 in row 0"),
        ([0.5, 1], "y holds 0.5 in row 0"),
        ([[0, 1], [1, 0]], "2 columns and the network 3 classes"),
    ],
)
def test_targets_that_are_no_class_of_the_network_are_refused(y: Any, message: str) -> None:
    net = lp.Network([2, 3], output="softmax", seed=0)
    with pytest.raises((lp.DataError, lp.ShapeError), match=message):
        net.boundary([[0, 1], [2, 3]], y)


def test_ten_classes_have_ten_looks() -> None:
    net = lp.Network([2, 10], output="softmax", seed=0)
    svg = net.boundary(np.random.default_rng(0).normal(size=(10, 2)), np.arange(10)).svg
    looks = {(f"r{i}", f"c{i}") for i in range(10)}
    fills = re.findall(r"\.([rc]\d)\{fill:(#\w+)", svg.partition("@media")[0])
    assert {name for name, _ in fills} == {name for pair in looks for name in pair}
    assert len({colour for _, colour in fills}) == 20


def test_many_classes() -> None:
    net, X, y = trained([2, 8, 3], "softmax", lambda X: np.digitize(X[:, 0] + X[:, 1], [-1, 1]))
    for targets in (y, np.eye(3)[y]):
        plane = Plane(net.boundary(X, targets, language="fr").svg)
        share = plane.places()
        answers = net.predict(plane.inputs(share))
        ordered = np.sort(answers, axis=1)
        clear = ordered[:, -1] - ordered[:, -2] > 0.05
        for region in plane.regions:
            mine = answers.argmax(axis=1) == int(region.attrib["data-class"])
            np.testing.assert_array_equal(plane.inside(region, share)[clear], mine[clear])
        assert len(plane.regions) == 3
        assert {"classe 0", "classe 1", "classe 2", "200 lignes"} <= set(texts(plane.root))


def test_levels_of_a_number() -> None:
    net, X, y = trained([2, 8, 1], "linear", lambda X: 3 * X[:, 0])
    plane = Plane(net.boundary(X, y, language="en").svg)
    share = plane.places()
    answers = net.predict(plane.inputs(share))[:, 0]
    assert len(plane.regions) == 8
    for region in plane.regions:
        level = float(region.attrib["data-level"])
        clear = np.abs(answers - level) > 0.1
        np.testing.assert_array_equal(plane.inside(region, share)[clear], (answers > level)[clear])
    levels = [float(r.attrib["data-level"]) for r in plane.regions]
    assert levels == sorted(levels)
    np.testing.assert_allclose(levels, -np.array(levels[::-1]), atol=1e-9)  # no colour at 0


def test_ticks_stand_where_their_numbers_are() -> None:
    plane = Plane(lp.Network([2, 1], seed=0).boundary(XOR * 7 - 2, language="uk").svg)
    axes = next(g for g in plane.root.iter(f"{SVG}g") if g.attrib.get("class") == "axes")
    ticks = [e for e in axes if e.tag == f"{SVG}text" and "small" in e.attrib["class"]]
    assert len(ticks) >= 8
    for e in ticks:
        across = "end" not in e.attrib["class"]
        x, y = float(e.attrib["x"]), float(e.attrib["y"]) - 4
        i = 0 if across else 1
        share = (x - LEFT) / SIDE if across else 1 - (y - TOP) / SIDE
        value = plane.low[i] + share * (plane.high[i] - plane.low[i])
        assert number(e.text or "") == pytest.approx(value, abs=0.02)


def test_points_stand_where_their_numbers_are() -> None:
    net = lp.Network([2, 1], output="sigmoid", seed=0)
    plane = Plane(net.boundary(XOR, [0, 1, 1, 0], language="en").svg)
    group = next(g for g in plane.root.iter(f"{SVG}g") if g.attrib.get("class") == "points")
    assert (group.attrib["data-count"], group.attrib["data-drawn"]) == ("4", "4")
    dots = {e.attrib["class"]: e.attrib["d"] for e in group}
    assert set(dots) == {"c0", "c1"}  # yes as circles, no as squares
    at = LEFT + SIDE * (0 - plane.low[0]) / (plane.high[0] - plane.low[0])
    assert f"M{at - 4:.1f}".removesuffix(".0") in dots["c1"]
    many = np.random.default_rng(0).normal(size=(3000, 2))
    svg = net.boundary(many, (many[:, 0] > 0).astype(int), language="en").svg
    assert "3,000 rows, 500 drawn" in texts(parse(svg))
    assert len(svg) < 150_000


def test_without_data_and_with_nan() -> None:
    net = lp.Network([2, 3, 1], output="sigmoid", seed=0)
    plane = Plane(net.boundary(language="en").svg)
    assert plane.low.tolist() == [-6, -6]
    net.params["output.bias"][0] = np.nan
    assert "In places the output is NaN." in texts(parse(net.boundary(language="en").svg))


@pytest.mark.parametrize("X", [[[1, 1], [1, 1]], [[1e-200, 5], [2e-200, 5]], [[1e100, 0], [0, 1]]])
def test_data_of_odd_ranges_are_drawn(X: list[list[float]]) -> None:
    net = lp.Network([2, 3, 1], output="sigmoid", dtype="float64", seed=0)
    plane = Plane(net.boundary(X, [0, 1]).svg)
    assert (plane.high > plane.low).all()
    assert len(texts(plane.root)) > 10


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 9), st.integers(2, 9), st.integers(0, 10_000))
def test_regions_hold_what_is_above_and_nothing_else(rows: int, columns: int, seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=(rows, columns))
    lines = [np.array(line) for line in regions_above(values)]
    for (row, column), value in np.ndenumerate(values):
        # A hair inside of the grid, where a corner is not on an outline.
        x = min(max(column, 1e-6), columns - 1 - 1e-6)
        y = min(max(row, 1e-6), rows - 1 - 1e-6)
        if abs(value) > 1e-4:
            assert is_inside(lines, x, y) == (value > 0), (row, column)
    assert regions_above(np.full((3, 3), -1.0)) == []
    assert regions_above(np.full((3, 3), np.nan)) == []


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: lp.Network([3, 1]).boundary(), lp.ShapeError, "2 inputs; the network takes 3"),
        (lambda: lp.Network([2, 3]).boundary(), lp.ArgumentError, "3 numbers that are no classes"),
        (lambda: lp.Network([2, 1]).boundary(XOR[:, :1]), lp.ShapeError, "X has 1"),
        (lambda: lp.Network([2, 1]).boundary(XOR, [1, 2]), lp.ShapeError, "X has 4 rows and y 2"),
        (lambda: lp.Network([2, 1]).boundary(y=[1, 2]), lp.ArgumentError, "there is no X"),
        (lambda: lp.Network([2, 1]).boundary(XOR, [1, 2, 3, np.nan]), lp.DataError, "row 3"),
        (lambda: lp.Network([2, 1]).boundary(XOR * np.inf), lp.DataError, "not finite"),
        (lambda: lp.Network([2, 1]).boundary(XOR * 1e300), lp.DataError, "too large to be drawn"),
        (lambda: lp.Neuron(3).line([[1, 2, 3]]), lp.ShapeError, "2 inputs; the network takes 3"),
        (lambda: lp.Neuron(2).line(XOR, [1]), lp.ShapeError, "X has 4 rows and y 1"),
        (lambda: lp.Neuron(2).diagram([1, 2, 3]), lp.ShapeError, "takes 2"),
        (lambda: lp.Neuron(2).diagram(language="xx"), lp.ArgumentError, "language"),
    ],
)
def test_mistakes_are_named(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with np.errstate(invalid="ignore"), pytest.raises(error, match=message):
        call()


# A neuron ------------------------------------------------------------------------------------


def test_a_neuron_s_line() -> None:
    neuron = lp.Neuron([2.0, -1.0], 0.5)
    plane_root = parse(neuron.line(XOR, [0, 1, 1, 0], language="fr").svg)
    lines = texts(plane_root)
    assert "2·x1 − 1·x2 + 0,5 = 0" in lines
    assert "Oui (ŷ > 0,5) du côté coloré." in lines
    edge = next(e for e in plane_root.iter(f"{SVG}path") if "boundary" in e.attrib.get("class", ""))
    ((a, b),) = outlines(edge)
    low, high = -0.08, 1.08
    for x, y in (a, b):
        x1 = low + (x - LEFT) / SIDE * (high - low)
        x2 = low + (1 - (y - TOP) / SIDE) * (high - low)
        assert 2 * x1 - x2 + 0.5 == pytest.approx(0, abs=0.01)
    region = next(e for e in plane_root.iter(f"{SVG}path") if "region" in e.attrib.get("class", ""))
    side = outlines(region)
    for x1, x2 in XOR:
        x = LEFT + SIDE * (x1 - low) / (high - low)
        y = TOP + SIDE * (1 - (x2 - low) / (high - low))
        assert is_inside(side, x, y) == (2 * x1 - x2 + 0.5 > 0)


def test_neurons_without_a_line_say_so() -> None:
    flat = texts(parse(lp.Neuron([0.0, 0.0], 1).line(XOR, language="en").svg))
    assert "Both weights are 0: there is no line." in flat
    far = texts(parse(lp.Neuron([1.0, 1.0], 100).line(XOR, language="en").svg))
    assert "The line does not pass through these data." in far
    neuron = lp.Neuron([1.0, 1.0], 1)
    neuron.network.params["output.weights"][0] = np.nan
    broken = texts(parse(neuron.line(XOR, language="en").svg))
    assert "A weight or the bias is not finite: there is no line." in broken
    assert "NaN·x1 + 1·x2 + 1 = 0" in broken


def test_a_neuron_with_its_products() -> None:
    lines = texts(parse(lp.Neuron([0.5, 1.5], -4).diagram([2, -3], language="fr").svg))
    assert {
        "x1 = 2", "w1 = 0,5", "w1·x1 = 0,5 · 2 = 1", "w2·x2 = 1,5 · (−3) = −4,5",
        "b1 = −4", "z = −7,5", "sigmoid", "ŷ = 0,00055278",
    } <= set(lines)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 8), st.integers(0, 10_000))
def test_products_and_sums_agree_to_the_digits_shown(inputs: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    neuron = lp.Neuron(random.normal(0, 2, inputs).tolist(), float(random.normal()))
    lines = texts(parse(neuron.diagram(random.normal(0, 2, inputs), language="en").svg))
    total = 0.0
    for line in lines:
        if "·x" in line:
            _, factors, product = line.split(" = ")
            w, x = (number(f.strip("()")) for f in factors.split(" · "))
            total += w * x
            assert number(product) == pytest.approx(w * x, rel=2e-3)
        if line.startswith("b1"):
            total += number(line[5:])
    z = next(line[4:] for line in lines if line.startswith("z = "))
    digits = len(z.partition("e")[0].partition(".")[2])
    if "e" not in z:
        assert abs(number(z) - total) <= 0.5 * 10.0**-digits * (1 + 1e-6)
