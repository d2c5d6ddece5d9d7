"""Diagrams of networks: who reads one can work the network through; nothing hides anything."""

from __future__ import annotations

import itertools
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import limpide as lp
from drawings import (
    ACTIVATIONS,
    SVG,
    circles,
    number,
    parse,
    read_attributes,
    read_visible,
    texts,
    written,
)
from limpide import engines
from limpide.languages import numeral
from limpide.members import MemberDense, MemberInput, MemberOutput
from limpide.table_layers import Columns, Missing, OneHot, RobustScale, Standardize

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SHAPES = ([2, 2, 1], [2, 4, 1], [3, 5, 2], [4, 3, 3, 2])


def network(sizes: list[Any], seed: int = 0, **settings: Any) -> lp.Network:
    """A network whose weights and biases are all different."""
    settings = {"activation": "sigmoid", "output": "sigmoid", "dtype": "float64"} | settings
    net = lp.Network(sizes, seed=seed, **settings)
    random = np.random.default_rng(seed + 1)
    for array in net.params.values():
        array[:] = random.normal(0, 1.5, array.shape)
    return net


@st.composite
def networks(draw: st.DrawFn) -> tuple[lp.Network, list[float]]:
    sizes = draw(st.lists(st.integers(1, 8), min_size=2, max_size=5))
    names = sorted(ACTIVATIONS)
    layers: list[Any] = [sizes[0]]
    for i, n in enumerate(sizes[1:]):
        last = i == len(sizes) - 2
        allowed = [a for a in names if a != "softmax" or (last and n > 1)]
        bias = {} if draw(st.booleans()) else {"bias": None}
        layers.append(lp.Dense(n, activation=draw(st.sampled_from(allowed)), **bias))
    dtype = draw(st.sampled_from(["float32", "float64"]))
    seed = draw(st.integers(0, 10_000))
    net = lp.Network(layers, dtype=dtype, seed=seed)
    random = np.random.default_rng(seed)
    for array in net.params.values():
        array[:] = random.normal(0, draw(st.sampled_from([0.01, 0.5, 1, 3])), array.shape)
        if draw(st.booleans()):  # as a course has them: few digits, and zeros
            array[:] = np.round(array, draw(st.integers(0, 2)))
    x = np.round(random.normal(0, 2, sizes[0]), draw(st.integers(0, 8)))
    return net, x.tolist()


# What a reader gets -------------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(networks(), st.sampled_from(["en", "fr", "uk"]))
def test_who_reads_the_text_alone_gets_every_number_shown(
    drawn: tuple[lp.Network, list[float]], language: str
) -> None:
    net, x = drawn
    svg = net.diagram(x, language=language).svg
    seen = read_visible(parse(svg))
    assert seen.disagreements() == []
    output = np.atleast_1d(net.predict(np.array(x)))
    stated = [v for k, v in seen.shown.items() if k.startswith("ŷ")]
    assert len(stated) == net.n_outputs
    for value, text in zip(output.tolist(), stated, strict=True):
        assert number(text) == pytest.approx(
            value, rel=2e-2 if abs(value) > 1e-4 else 0.5, abs=1e-5
        )


@settings(max_examples=100, deadline=None)
@given(networks())
def test_who_reads_the_attributes_gets_the_output(drawn: tuple[lp.Network, list[float]]) -> None:
    net, x = drawn
    found, shown = read_attributes(parse(net.diagram(x).svg))
    wide = net.dtype == np.float64
    np.testing.assert_allclose(
        found, shown, rtol=1e-11 if wide else 1e-3, atol=1e-13 if wide else 1e-4
    )
    np.testing.assert_array_equal(shown, np.atleast_1d(engine_output(net, x)))


def engine_output(net: lp.Network, x: list[float]) -> Any:
    """The network's output on the reference engine."""
    run = engines.get("reference").compile(net.graph())
    (output,) = run([*net.params.values(), *net.state.values(), np.array([x], net.dtype)])
    return output[0]


def test_a_wrong_digit_would_be_noticed() -> None:
    net = network([2, 2, 1])
    svg = net.diagram([0.5, -1.5], language="en").svg
    weight = next(t for t in texts(parse(svg)) if t.startswith("w4 = "))
    assert svg.count(f">{weight}<") == 1
    for wrong in (weight + "9", weight.replace("= ", "= −").replace("−−", "")):
        broken = svg.replace(f">{weight}<", f">{wrong}<")
        if wrong.endswith("9"):
            broken = svg.replace(
                f">{weight}<", f">w4 = {number(weight[5:]) * 1.01:.5f}<".replace("-", "−")
            )
        assert read_visible(parse(broken)).disagreements()


def test_weights_have_no_more_digits_than_it_takes() -> None:
    net = network([2, 2, 1])
    weights = [
        t for t in texts(parse(net.diagram([1, 2], language="en").svg)) if re.match("[wb]", t)
    ]
    assert len(weights) == 9
    assert max(len(re.sub(r"\D", "", t.partition("= ")[2]).lstrip("0")) for t in weights) <= 6
    lone = lp.Neuron([0.1, 0.2], -0.3).network  # z is 0 but for rounding: no digits for its sake
    assert "w1 = 0.1" in texts(parse(lone.diagram([1, 1], language="en").svg))


def test_whole_numbers_of_a_row_are_never_rounded() -> None:
    net = network([2, 2, 1])
    for seen in (net.diagram([199999, 20231.75], language="en"),
                 lp.Neuron([0.001, 1], 4).diagram([199999, 20231.75], language="en")):  # fmt: skip
        lines = texts(parse(seen.svg))
        assert "x1 = 199999" in lines
        assert {"x2 = 20232", "x2 = 20231.75"} & {x.rstrip("0") for x in lines}


def test_large_sums_are_shown_to_the_unit_and_agree() -> None:
    for dtype in ("float32", "float64"):
        net = network([3, 4, 1], activation="relu", output="linear", dtype=dtype)
        net.params["output.weights"] *= 3000
        seen = read_visible(parse(net.diagram([17.25, -33.5, 20.75], language="en").svg))
        assert seen.disagreements() == []
        assert 1e4 < abs(number(seen.shown["ŷ"])) < 1e7
    wide = lp.Network([20, 1], dtype="float64", seed=0)
    wide.params["output.bias"][:] = 52341.7 - wide.predict(np.ones((1, 20)))[0]
    assert "ŷ = 52342" in texts(parse(wide.diagram(np.ones(20), language="en").svg))


def test_each_product_of_a_neuron_is_that_of_the_numbers_beside_it() -> None:
    random = np.random.default_rng(0)
    neuron = lp.Neuron(random.normal(size=40), 0.5)
    lines = texts(parse(neuron.diagram(random.normal(0, 3000, 40), language="en").svg))
    found = [t.split(" = ")[1:] for t in lines if re.match(r"w\d+·", t)]
    assert len(found) == 6
    for factors, product in found:
        a, b = (number(f.strip("()")) for f in factors.split(" · "))
        assert numeral(a * b, 5) == product


# What is shown -----------------------------------------------------------------------------


def test_every_weight_and_bias_is_shown_by_name_and_number() -> None:
    net = network([4, 3, 3, 2])
    root = parse(net.diagram(language="en").svg)
    shown = {k: v for k, _, v in (t.partition(" = ") for t in texts(root)) if v}
    assert shown == {name: numeral(net.get(name), 5) for name in net.scalars}
    edges = [e.attrib for e in root.iter(f"{SVG}path") if "data-weight" in e.attrib]
    assert len(edges) == 12 + 9 + 6
    assert {e["data-name"]: float(e["data-weight"]) for e in edges} == {
        n: net.get(n) for n in net.scalars if n.startswith("w")
    }
    by_name = {e["data-name"]: (e["data-from"], e["data-to"]) for e in edges}
    assert by_name["w2"] == ("x2", "h1")
    assert by_name["w13"] == ("h1", "h4")
    assert by_name["w27"] == ("h6", "o2")


def test_signs_are_told_without_colour() -> None:
    net = network([2, 2, 1])
    net.set("w1", -2.0)
    net.set("w2", 0.5)
    root = parse(net.diagram(language="en").svg)
    edges = {
        e.attrib["data-name"]: e.attrib for e in root.iter(f"{SVG}path") if "data-name" in e.attrib
    }
    assert "negative" in edges["w1"]["class"]
    assert "positive" in edges["w2"]["class"]
    assert ".negative{stroke-dasharray" in (root[2].text or "")
    assert float(edges["w1"]["stroke-width"]) > float(edges["w2"]["stroke-width"])
    assert "w1 = −2" in texts(root)


def test_gradients_are_those_of_the_tape() -> None:
    net = network([3, 5, 2], activation="tanh")
    x, y = np.array([[0.3, -1.2, 2.0]]), np.array([[1.0, 0.0]])
    with lp.GradientTape() as tape:
        loss = lp.bce(y, net(x))
    slopes = dict(zip(net.params, tape.gradient(loss, net.variables), strict=True))
    root = parse(net.diagram(x[0], y[0], gradients=True, language="en").svg)
    found = {e.attrib["data-name"]: float(e.attrib["data-gradient"]) for e in root.iter()
             if "data-gradient" in e.attrib}  # fmt: skip
    assert sorted(found) == sorted(net.scalars)
    lines = texts(root)
    for name in net.scalars:
        key, index = net.scalars.locate(name)
        exact = float(slopes[key].numpy()[index])
        assert found[name] == pytest.approx(exact, rel=1e-9)
        assert f"∂L/∂{name} = {numeral(found[name], 4)}" in lines
    assert f"L = {numeral(float(loss), 5)}" in lines
    assert {"y1 = 1", "y2 = 0", "Loss bce"} <= set(lines)


def test_the_course_s_gradient() -> None:
    net = lp.Network([2, 2, 1], activation="sigmoid", output="sigmoid", dtype="float64", seed=0)
    for name, array in net.params.items():
        array[:] = 0.0 if name.endswith("bias") else 1.0
    svg = net.diagram([-2, -1], 1, gradients=True, loss="mse", language="fr").svg
    lines = texts(parse(svg))
    assert {"ŷ = 0,5237", "∂L/∂w1 = 0,02147", "h1 = 0,047426", "z = −3", "y = 1"} <= set(lines)


def test_class_numbers_are_named() -> None:
    net = network([2, 3], output="softmax")
    assert "y = class 2" in texts(parse(net.diagram([1, 2], 2, language="en").svg))


# What is not hidden ------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [*SHAPES, [8, 8, 8, 1], [1, 1], [2, 8, 8, 3]], ids=str)
@pytest.mark.parametrize("mode", ["plain", "values", "gradients"])
@pytest.mark.parametrize("seed", [0, 5])
def test_no_text_meets_another_or_stands_in_a_foreign_circle(
    sizes: list[int], mode: str, seed: int
) -> None:
    net = network(sizes, seed)
    x = np.random.default_rng(seed).normal(size=sizes[0])
    y = np.ones(sizes[-1])
    diagram = {
        "plain": lambda: net.diagram(language="fr"),
        "values": lambda: net.diagram(x, language="uk"),
        "gradients": lambda: net.diagram(x, y, gradients=True, language="en"),
    }[mode]()
    root = parse(diagram.svg)
    boxes, width = written(root), float(root.attrib["width"])
    for a, b in itertools.combinations(boxes, 2):
        assert not a.meets(b), (a, b)
    named = [b for b in boxes if re.match(r"[wb]\d|∂", b.what)]
    assert not [(a, c) for a in named for c in circles(root) if a.meets(c)]
    for box in boxes:
        assert 0 <= box.left < box.right <= width, box
        assert 0 <= box.top < box.bottom <= float(root.attrib["height"]), box


def test_long_words_below_columns_do_not_meet() -> None:
    def an_activation_with_a_name_that_does_not_end_soon(x: Any) -> Any:
        return lp.tanh(x)

    layers = [
        lp.Dense(1, activation="leaky_relu", bias=None),
        lp.Dense(1, activation=an_activation_with_a_name_that_does_not_end_soon),
        lp.Dropout(0.25, name="a_name_that_is_rather_long_for_so_little"),
        lp.Dense(1, activation="leaky_relu", bias=None),
    ]
    root = parse(lp.Network([1, *layers], seed=0).diagram(language="fr").svg)
    boxes = written(root)
    assert "leaky_relu, sans biais" in texts(root)
    assert not [(a, b) for a, b in itertools.combinations(boxes, 2) if a.meets(b)]
    assert all(0 <= b.left < b.right <= float(root.attrib["width"]) for b in boxes)


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_no_text_meets_another_in_a_browser(tmp_path: Path) -> None:
    drawn = [network(s).diagram(np.ones(s[0]), np.ones(s[-1]), gradients=True) for s in SHAPES]
    page = tmp_path / "page.html"
    page.write_text(
        "<!DOCTYPE html><meta charset=utf-8><body>" + "".join(d.svg for d in drawn) + _MEASURE,
        encoding="utf-8",
    )
    command = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom",
        "--disable-background-networking", f"--user-data-dir={tmp_path / 'profile'}",
        "--window-size=3000,3000", page.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"<pre>(.*?)</pre>", done.stdout, re.DOTALL)
    assert found is not None, done.stderr[-1000:]
    counted, _, meeting = found[1].partition(" texts:")
    assert int(counted) == sum(len(texts(parse(d.svg))) for d in drawn)
    assert meeting.strip() == ""


_MEASURE = """<script>
const all = [...document.querySelectorAll('text')], found = [];
const boxes = all.map(t => t.getBoundingClientRect());
for (let i = 0; i < all.length; i++) for (let j = 0; j < i; j++) {
  const a = boxes[i], b = boxes[j];
  const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
  const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
  if (across > 1 && down > 3) found.push(all[i].textContent + ' | ' + all[j].textContent);
}
const pre = document.createElement('pre');
pre.textContent = all.length + ' texts: ' + found.join('; ');
document.body.append(pre);
</script>"""


# Large networks and other layers ---------------------------------------------------------------


def test_a_large_network_is_summed_up_with_counts() -> None:
    net = lp.Network([784, 128, 10], output="softmax", seed=0)
    x = np.random.default_rng(0).normal(size=784)
    svg = net.diagram(x, 3, gradients=True, language="en").svg
    assert len(svg) < 60_000
    root = parse(svg)
    lines = texts(root)
    assert {"778 more", "122 more", "4 more", "784", "128 neurons", "10 neurons"} <= set(lines)
    edges = [e for e in root.iter(f"{SVG}path") if "data-weight" in e.attrib]
    total = 784 * 128 + 128 * 10
    assert len(edges) == 36 + 36
    assert f"Weights drawn: {len(edges)}; not drawn: {total - len(edges):,}." in lines
    named = {t.partition(" = ")[0] for t in lines if re.match(r"w\d", t)}
    sizes = {e.attrib["data-name"]: abs(float(e.attrib["data-weight"])) for e in edges}
    for layer in (edges[:36], edges[36:]):
        own = {e.attrib["data-name"] for e in layer}
        strongest = sorted(own, key=lambda n: -sizes[n])[:6]
        assert named & own == set(strongest)


def test_a_deep_network_leaves_out_its_middle() -> None:
    net = network([2, *[3] * 14, 1])
    lines = texts(parse(net.diagram(language="en").svg))
    assert "7 layers in the middle are not drawn." in lines
    assert "⋯" in lines
    weights = sum(a.size for n, a in net.params.items() if n.endswith("weights"))
    shown = [t for t in lines if re.match(r"w\d", t)]
    assert f"Weights drawn: {len(shown)}; not drawn: {weights - len(shown)}." in lines


def every_layer() -> dict[str, tuple[lp.Network, list[float], set[str]]]:
    table = Columns(
        (
            ((0, 1), Standardize(name="numbers")),
            ((2,), Missing(name="gaps")),
            ((3,), OneHot((3,), name="kinds")),
        )
    )
    three = MemberInput(3, 4, "relu"), MemberDense(3, 4, "relu"), MemberOutput(3, 1, "sigmoid")
    return {
        "norms": (
            lp.Network(
                [3, lp.Dense(4), lp.BatchNorm(), lp.Dropout(0.2), 3, lp.LayerNorm(), 2], seed=0
            ),
            [1, 2, 3],
            {"variance = 1", "Dropout(0.2)", "LayerNorm", "BatchNorm"},
        ),
        "embedding": (
            lp.Network([2, lp.Embedding(10, 3), 1], seed=0),
            [1, 4],
            {"Embedding(10, 3)", "table: 10 × 3", "30 parameters"},
        ),
        "table": (
            lp.Network([4, table, 3, 1], seed=0),
            [1, 2, float("nan"), 2],
            {"Columns", "numbers: Standardize", "of 2 columns", "x3 = NaN"},
        ),
        "scaled": (
            lp.Network([2, RobustScale(name="scale"), 1], seed=0),
            [1, 2],
            {"centre = 0", "factor = 1", "scale"},
        ),
        "members": (
            lp.Network([3, *three], seed=0),
            [1, 2, 3],
            {"3 × Dense, relu", "weights: 3 × 4 × 4", "60 parameters"},
        ),
    }


@pytest.mark.parametrize("name", every_layer())
def test_layers_of_every_kind_are_drawn(name: str) -> None:
    net, x, expected = every_layer()[name]
    assert expected - {"x3 = NaN"} <= set(texts(parse(net.diagram(language="en").svg)))
    root = parse(net.diagram(x, [1.0] * net.n_outputs, language="en", gradients=True).svg)
    lines = texts(root)
    assert expected <= set(lines)
    output = np.atleast_1d(engine_output(net, x))
    shown = [float(e.attrib["data-value"]) for e in root.iter(f"{SVG}g")
             if e.attrib.get("data-name", "").startswith("o")]  # fmt: skip
    np.testing.assert_array_equal(shown, output)
    assert any(t.endswith(f"= {numeral(float(output[0]), 4)}") for t in lines if t.startswith("ŷ"))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_weights_that_are_no_numbers_are_drawn_as_such(value: float) -> None:
    net = network([2, 3, 1])
    net.params["hidden1.weights"][0, 0] = value
    root = parse(net.diagram([1, 2], 1, gradients=True, language="en").svg)
    assert f"w1 = {numeral(value, 4)}" in texts(root)
    edge = next(e for e in root.iter(f"{SVG}path") if e.attrib.get("data-name") == "w1")
    assert np.array_equal(float(edge.attrib["data-weight"]), value, equal_nan=True)


# Frames, languages, mistakes ---------------------------------------------------------------------


def test_themes() -> None:
    net = network([2, 2, 1])
    auto, light, dark = (net.diagram(theme=t).svg for t in ("auto", "light", "dark"))
    assert "@media(prefers-color-scheme:dark)" in auto
    assert "@media" not in light + dark
    assert "fill:#ffffff" in light
    assert "fill:#ffffff" not in dark


def test_a_network_that_is_not_drawn_loads_no_pictures() -> None:
    code = (
        "import sys, limpide as lp; net = lp.Network([2, 1], seed=0); print(net.graph());"
        "net.fit([[0, 1]], [1], epochs=1); lp.Neuron(2).activate([1, 2]);"
        "assert 'limpide.explain' not in sys.modules; net.diagram(); net.graph().svg;"
        "assert 'limpide.explain' in sys.modules; assert 'matplotlib' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_pictures_on_one_page_have_ids_of_their_own() -> None:
    net, other = network([2, 2, 1]), network([2, 2, 1], seed=3)
    assert net.diagram().svg == net.diagram().svg
    assert parse(net.diagram().svg).attrib["id"] != parse(other.diagram().svg).attrib["id"]


def test_a_diagram_shows_itself_and_is_saved(tmp_path: Path) -> None:
    diagram = network([2, 2, 1]).diagram(language="uk")
    assert diagram._repr_svg_() == diagram.svg
    assert diagram.svg in diagram._repr_html_()
    diagram.save(tmp_path / "net.svg")
    assert (tmp_path / "net.svg").read_text(encoding="utf-8").endswith(diagram.svg + "\n")
    with pytest.raises(lp.FileError, match="missing"):
        diagram.save(tmp_path / "missing" / "net.svg")


def test_names_cannot_break_the_picture() -> None:
    def odd(x: Any) -> Any:
        return lp.tanh(x)

    odd.__name__ = "<b>&\x00"
    net = lp.Network([2, lp.Dense(2, activation=odd), 1], seed=0)
    assert "<b>&�" in texts(parse(net.diagram([1, 2]).svg))


def test_titles_are_in_the_reader_s_language() -> None:
    net = network([2, 2, 1])
    said = {code: parse(net.diagram([1, 2], 1, language=code).svg) for code in ("en", "fr", "uk")}
    assert {said[c][0].text for c in said} == {
        "The network 2-2-1", "Le réseau 2-2-1", "Мережа 2-2-1",
    }  # fmt: skip
    assert [r.attrib["lang"] for r in said.values()] == ["en", "fr", "uk"]
    edge = next(e for e in said["fr"].iter(f"{SVG}path") if e.attrib.get("data-name") == "w1")
    assert (edge[0].text or "").startswith("Le poids w1 de x1 vers h1")


@pytest.mark.parametrize(
    ("arguments", "settings", "error", "message"),
    [
        (([1, 2, 3],), {}, lp.ShapeError, "one row of 3 numbers; the network takes 2"),
        (([[1, 2], [3, 4]],), {}, lp.ShapeError, r"of one row; x has 2.*x\[0\]"),
        (([1, float("nan")],), {}, lp.DataError, "not finite"),
        ((["a", "b"],), {}, lp.DtypeError, "text"),
        ((None, 1), {}, lp.ArgumentError, "there is no x"),
        (
            ([1, 2],),
            {"gradients": True},
            lp.ArgumentError,
            "give x and its target|Give x and its target",
        ),
        (([1, 2], [1, 0]), {}, lp.ShapeError, "2 rows"),
        ((), {"theme": "drak"}, lp.ArgumentError, "dark"),
        ((), {"language": "de"}, lp.ArgumentError, "language"),
        ((), {"gradients": "yes"}, lp.ArgumentTypeError, "True or False"),
        (([1, 2], 1), {"loss": "msee"}, lp.ArgumentError, "mse"),
        ((), {"lang": "fr"}, lp.ArgumentTypeError, "language"),
    ],
)
def test_mistakes_are_named(
    arguments: tuple[Any, ...], settings: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        network([2, 2, 1]).diagram(*arguments, **settings)
