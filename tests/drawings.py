"""Reading diagrams as programs and people do: an XML parser, the visible text, the attributes."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt

from limpide.explain.diagrams.svg import text_width

SVG = "{http://www.w3.org/2000/svg}"
Numbers = npt.NDArray[np.float64]

NUMBER = r"−?(?:\d+(?:[.,]\d+)?(?:e−?\d+)?|∞)|NaN"

# Definitions of the test's own, from the papers that limpide's docstrings name.
_SELU = 1.0507009873554805
_erf = np.vectorize(math.erf, otypes=[float])
ACTIVATIONS = {
    "linear": lambda z: z,
    "relu": lambda z: np.maximum(z, 0),
    "leaky_relu": lambda z: np.where(z > 0, z, 0.01 * z),
    "elu": lambda z: np.where(z > 0, z, np.exp(np.minimum(z, 0)) - 1),
    "selu": lambda z: (
        _SELU * np.where(z > 0, z, 1.6732632423543772 * (np.exp(np.minimum(z, 0)) - 1))
    ),
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "tanh": np.tanh,
    "softplus": lambda z: np.logaddexp(0, z),
    "silu": lambda z: z / (1 + np.exp(-z)),
    "mish": lambda z: z * np.tanh(np.logaddexp(0, z)),
    "gelu": lambda z: z * 0.5 * (1 + _erf(z / math.sqrt(2))),
    "softmax": lambda z: np.exp(z - z.max()) / np.exp(z - z.max()).sum(),
}


def number(text: str) -> float:
    """Read a number as it is written in any of the three languages."""
    return float(text.replace("−", "-").replace(",", ".").replace("∞", "inf"))


def half_unit(text: str) -> float:
    """Give half of the place of the last digit that is written."""
    digits, _, power = text.replace("−", "-").replace(",", ".").partition("e")
    decimals = len(digits.partition(".")[2])
    return 0.5 * 10.0 ** (int(power or 0) - decimals)


def parse(svg: str) -> ElementTree.Element:
    """Parse a diagram and hold it to what every diagram promises."""
    root = ElementTree.fromstring(svg)
    assert root.tag == f"{SVG}svg"
    own = root.attrib["id"]
    title, desc, style = list(root)[:3]
    assert [e.tag for e in (title, desc, style)] == [
        f"{SVG}{t}" for t in ("title", "desc", "style")
    ]
    assert title.text
    assert desc.text
    assert root.attrib["role"] == "graphics-document document"  # its parts are read out
    assert root.attrib["aria-labelledby"] == f"{title.attrib['id']} {desc.attrib['id']}"
    ids = [e.attrib["id"] for e in root.iter() if "id" in e.attrib]
    assert len(ids) == len(set(ids)) == 3
    assert all(name.startswith(own) for name in ids)
    assert svg.count("http") == 1  # the name space: nothing is fetched
    for rule in re.findall(r"([^{}]+)\{", style.text or ""):
        if "@media" not in rule:
            assert all(f"#{own}" in one for one in rule.split(",")), rule
    for element in root.iter():
        assert element.tag.removeprefix(SVG) in {
            "svg", "title", "desc", "style", "g", "rect", "circle", "path", "text",
        }  # fmt: skip
        for key in ("x", "y", "cx", "cy", "r", "rx", "width", "height", "d", "stroke-width"):
            value = element.attrib.get(key, "").lower()
            assert "nan" not in value, (key, value)
            assert "inf" not in value, (key, value)
    return root


def texts(root: ElementTree.Element) -> list[str]:
    """Give the visible text, line by line."""
    return [e.text or "" for e in root.iter(f"{SVG}text")]


@dataclass
class Seen:
    """What a reader makes of a diagram: names to numbers, and what stood there."""

    read: dict[str, float]
    shown: dict[str, str]

    def disagreements(self) -> list[tuple[str, float, str]]:
        """Give what does not agree to the digits shown."""
        return [
            (name, value, self.shown[name])
            for name, value in self.read.items()
            if not _agrees(value, self.shown[name])
        ]


def _agrees(value: float, shown: str) -> bool:
    stated = number(shown)
    if math.isnan(value) or math.isnan(stated) or math.isinf(stated):
        return str(value) == str(stated)
    return abs(value - stated) <= half_unit(shown) * (1 + 1e-6)


def read_visible(root: ElementTree.Element) -> Seen:
    """Work a network of Dense layers through from the visible text alone.

    The reader knows what the page on diagrams says: weights and biases are numbered neuron by
    neuron through the layers, and the captions stand in the layers' order.
    """
    lines = texts(root)
    given: dict[str, str] = {}
    sums: list[str] = []
    for line in lines:
        found = re.fullmatch(rf"(\S+) = ({NUMBER})", line)
        if found and found[1] == "z":
            sums.append(found[2])
        elif found:
            assert given.setdefault(found[1], found[2]) == found[2]
    sizes, functions, biased = [], [], []
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        counted = re.fullmatch(r"(\d+) (neurons?|neurones?|нейрон\w*)", line)
        if counted:
            sizes.append(int(counted[1]))
            functions.append(following.partition(",")[0])
            biased.append("," not in following)
    x = [number(v) for k, v in sorted(_indexed(given, "x").items()) for v in [given[f"x{k}"]]]
    seen = Seen({}, {})
    weight = bias = neuron = 1
    values: Numbers = np.array(x)
    for layer, (size, name) in enumerate(zip(sizes, functions, strict=True)):
        z = np.zeros(size)
        for j in range(size):
            for value in values:
                z[j] += value * number(given.pop(f"w{weight}"))
                weight += 1
            if biased[layer]:
                z[j] += number(given.pop(f"b{bias}"))
                bias += 1
            seen.read[f"z{neuron}"], seen.shown[f"z{neuron}"] = z[j], sums[neuron - 1]
            neuron += 1
        values = ACTIVATIONS[name](z)
        first = neuron - size
        for j in range(size):
            called = f"h{first + j}"
            if layer == len(sizes) - 1:
                called = "ŷ" if size == 1 else f"ŷ{j + 1}"
            seen.read[called], seen.shown[called] = float(values[j]), given.pop(called)
    assert len(sums) == neuron - 1
    assert not _indexed(given, "w"), "weights that lead nowhere"
    assert not _indexed(given, "b")
    return seen


def _indexed(given: dict[str, str], letter: str) -> dict[int, str]:
    return {int(k[1:]): v for k, v in given.items() if re.fullmatch(rf"{letter}\d+", k)}


def read_attributes(root: ElementTree.Element) -> tuple[Numbers, Numbers]:
    """Work a network of Dense layers through from the attributes; gives it, and the value shown."""
    values: dict[str, float] = {}
    shown: dict[str, float] = {}
    leading: dict[str, list[tuple[str, float]]] = {}
    for edge in root.iter(f"{SVG}path"):
        if "data-weight" in edge.attrib:
            a = edge.attrib
            leading.setdefault(a["data-to"], []).append((a["data-from"], float(a["data-weight"])))
    outputs: list[str] = []
    for layer in root.iter(f"{SVG}g"):
        if layer.attrib.get("class") != "layer":
            continue
        nodes = [g for g in layer if "data-name" in g.attrib]
        outputs = [g.attrib["data-name"] for g in nodes]
        if layer.attrib["data-kind"] == "inputs":
            values = {g.attrib["data-name"]: float(g.attrib["data-value"]) for g in nodes}
            continue
        z = [
            sum(values[source] * w for source, w in leading[name])
            + float(g.attrib.get("data-bias", "0"))
            for name, g in zip(outputs, nodes, strict=True)
        ]
        found = ACTIVATIONS[nodes[0].attrib["data-activation"]](np.array(z))
        values |= dict(zip(outputs, found.tolist(), strict=True))
        shown = {g.attrib["data-name"]: float(g.attrib["data-value"]) for g in nodes}
    return np.array([values[o] for o in outputs]), np.array([shown[o] for o in outputs])


@dataclass
class Rectangle:
    """Where something stands, and what it is."""

    what: str
    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: Rectangle) -> bool:
        across = min(self.right, other.right) - max(self.left, other.left)
        down = min(self.bottom, other.bottom) - max(self.top, other.top)
        return across > 0.5 and down > 0.5


def written(root: ElementTree.Element) -> list[Rectangle]:
    """Give where each text stands, by the widths that the layout reckons with."""
    found = []
    for e in root.iter(f"{SVG}text"):
        words = e.text or ""
        x, y, wide = float(e.attrib["x"]), float(e.attrib["y"]), text_width(words)
        left = x if "start" in e.attrib.get("class", "") else x - wide / 2
        found.append(Rectangle(words, left, y - 9, left + wide, y + 2.5))
    return found


def circles(root: ElementTree.Element) -> list[Rectangle]:
    """Give a square inside each circle: nothing else may stand in it."""
    found = []
    for e in root.iter(f"{SVG}circle"):
        x, y, r = (float(e.attrib[k]) for k in ("cx", "cy", "r"))
        found.append(
            Rectangle(f"circle {x} {y}", x - r * 0.7, y - r * 0.7, x + r * 0.7, y + r * 0.7)
        )
    return found
