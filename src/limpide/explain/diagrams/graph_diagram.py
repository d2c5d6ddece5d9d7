"""A traced graph as a picture: a box for each op, with what the printed graph says of it.

Answers for ``Graph.svg``. Not for: networks as neurons (``network_diagram``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from limpide.explain.diagrams.diagram import N_CLASSES, Diagram, check_theme, framed
from limpide.explain.diagrams.layered import Item, Route, lay_out
from limpide.explain.diagrams.svg import BOLD, LINE, Svg, place, shortened, tag, text, text_width
from limpide.ir import CONSTANT, Graph, Node, formula, node_names, uniform_value
from limpide.languages import Words, words_in

MOST_BOXES = 70  # of a larger graph a box stands for the ops of a layer that follow each other
_MARGIN = 22.0
_WIDEST = 300.0
_OPS_TOLD = 3
_FIRST, _LAST = 40, 24  # boxes that are drawn of a graph with too many groups


@dataclass
class _Box:
    """One box: a node, an input, several ops of one layer, or a result."""

    kind: str  # "input", "op", "group", "output"
    lines: list[str]
    layer: str
    spec: str
    sources: list[int] = field(default_factory=list)
    name: str = ""
    ops: int = 1


def graph_diagram(graph: Graph, language: str | None = None, theme: str = "auto") -> Diagram:
    """Draw a traced graph, from its inputs at the top to its outputs.

    Each box is a line of the printed graph, below it the shape and dtype that it gives. Numbers
    are written where they are used. Of a graph with more than 70 boxes, one box stands for all ops
    of a layer that follow each other, with their count.

    Examples
    --------
    >>> import limpide as lp
    >>> net = lp.Network([2, 2, 1], seed=0)
    >>> "f32[1,2]" in lp.explain.graph_diagram(net.graph()).svg
    True
    """
    check_theme(theme)
    words = words_in(language)
    boxes = _boxes(graph)
    grouped = len(boxes) > MOST_BOXES
    if grouped:
        boxes = _groups(graph, words)
    left_out = 0
    if len(boxes) > MOST_BOXES:
        boxes, left_out = _cut(boxes, words)
    items = [_item(box) for box in boxes]
    routes, (width, height) = lay_out(items, 26.0, 46.0)
    layers = list(dict.fromkeys(box.layer for box in boxes if box.layer))
    styles = {layer: i % N_CLASSES for i, layer in enumerate(layers)}
    legend, wide, foot = _legend(layers, styles, height + 2 * _MARGIN + 8, words)
    parts = [_wires(boxes, items, routes)]
    parts += [_drawn(box, item, styles) for box, item in zip(boxes, items, strict=True)]
    parts += [_specs(boxes, items), legend]
    return framed(
        "graph",
        (max(width + 2 * _MARGIN, wide), foot),
        words.say("The graph {name}", name=graph.name),
        _told(graph, boxes, layers, grouped, left_out, words),
        parts,
        theme=theme,
        language=words.language,
        data_nodes=len(graph.nodes),
    )


def _told(
    graph: Graph, boxes: Sequence[_Box], layers: Sequence[str], grouped: bool, left_out: int,
    words: Words,
) -> str:  # fmt: skip
    said = [
        words.plural("{n} operation,", "{n} operations,", len(graph.nodes)),
        words.plural("from {n} input", "from {n} inputs", len(graph.inputs)),
        words.plural("to {n} output.", "to {n} outputs.", len(graph.outputs)),
        words.say("Arrows lead from each value to what is made of it."),
    ]
    if layers:
        said.append(words.say("Layers: {names}.", names=", ".join(layers[:12])))
    if grouped:
        said.append(words.say("A box stands for operations of one layer that follow each other."))
    if left_out:
        said.append(
            words.plural(
                "{n} box in the middle is not drawn.",
                "{n} boxes in the middle are not drawn.",
                left_out,
            )
        )
    return " ".join(said)


def _shown_nodes(graph: Graph) -> list[Node]:
    """Give inputs and ops, but not the numbers that are written where they are used."""
    results = {id(node) for node in graph.outputs}
    return [
        *graph.inputs,
        *(n for n in graph.nodes if uniform_value(n) is None or id(n) in results),
    ]


def _boxes(graph: Graph) -> list[_Box]:
    names, place_of = node_names(graph), dict[int, int]()
    boxes: list[_Box] = []
    given = {id(node) for node in graph.inputs}
    for node in _shown_nodes(graph):
        place_of[id(node)] = len(boxes)
        name, spec = names[id(node)], str(node.spec)
        if id(node) in given:
            boxes.append(_Box("input", [name], "", spec, name=name))
            continue
        sources = [place_of[id(i)] for i in node.inputs if id(i) in place_of]
        said = name if uniform_value(node) is not None else formula(node, names)
        line = said if name == said else f"{name} = {said}"
        boxes.append(_Box("op", [line], node.layer, spec, sources, name))
    for name, node in zip(graph.output_names, graph.outputs, strict=True):
        boxes.append(_Box("output", [name], "", "", [place_of[id(node)]], name))
    return boxes


def _groups(graph: Graph, words: Words) -> list[_Box]:
    """Give a box for each run of ops of one layer: runs in order make no circle."""
    boxes: list[_Box] = []
    place_of, ops = dict[int, int](), dict[int, Counter[str]]()
    for node in graph.inputs:
        place_of[id(node)] = len(boxes)
        boxes.append(_Box("input", [node.name], "", str(node.spec), name=node.name))
    for node in _shown_nodes(graph)[len(graph.inputs) :]:
        if boxes[-1].kind != "group" or boxes[-1].layer != node.layer:
            boxes.append(_Box("group", [], node.layer, "", name=node.layer, ops=0))
            ops[len(boxes) - 1] = Counter[str]()
        here = len(boxes) - 1
        place_of[id(node)] = here
        boxes[here].ops += 1
        ops[here][node.op.name if node.op is not CONSTANT else "constant"] += 1
        boxes[here].spec = str(node.spec)
        boxes[here].sources += [
            place_of[id(i)]
            for i in node.inputs
            if place_of.get(id(i), here) != here and place_of[id(i)] not in boxes[here].sources
        ]
    for here, count in ops.items():
        told = [f"{k} × {op}" for op, k in count.most_common(_OPS_TOLD)]
        rest = len(count) - _OPS_TOLD
        head = words.plural("{n} operation", "{n} operations", boxes[here].ops)
        layer = boxes[here].layer
        boxes[here].lines = [f"{layer}: {head}" if layer else head, *told]
        boxes[here].lines += ["…"] if rest > 0 else []
    for name, node in zip(graph.output_names, graph.outputs, strict=True):
        boxes.append(_Box("output", [name], "", "", [place_of[id(node)]], name))
    return boxes


def _cut(boxes: list[_Box], words: Words) -> tuple[list[_Box], int]:
    """Leave out the middle of a graph that has too many groups, a box in its place."""
    hidden = len(boxes) - _FIRST - _LAST
    said = words.plural("{n} box more", "{n} boxes more", hidden)
    end = len(boxes) - _LAST
    dots = _Box("group", ["…", said], "", "", name="…")

    def new_place(old: int) -> int:
        return old if old < _FIRST else _FIRST if old < end else old - hidden + 1

    dots.sources = sorted({s for b in boxes[_FIRST:end] for s in b.sources if s < _FIRST})
    last = boxes[end:]
    for box in last:
        box.sources = list(dict.fromkeys(new_place(s) for s in box.sources))
    return [*boxes[:_FIRST], dots, *last], hidden


def _item(box: _Box) -> Item:
    factor = BOLD if box.kind != "op" else 1.0
    wide = max(text_width(line) * factor for line in box.lines)
    wide = max(min(wide, _WIDEST) + 22, text_width(box.spec) * 0.92 + 10, 46.0)
    tall = len(box.lines) * LINE + 14
    return Item(wide, tall, tuple(box.sources), box.kind == "input")


def _drawn(box: _Box, item: Item, styles: dict[str, int]) -> Svg:
    left, top = item.x - item.width / 2 + _MARGIN, item.y - item.height / 2 + _MARGIN
    style = f"r{styles[box.layer]}" if box.layer else "node"
    round_ends = item.height / 2 if box.kind in ("input", "output") else 6.0
    shape = tag("rect", x=left, y=top, width=item.width, height=item.height, rx=round_ends,
                class_=f"{style} axis" if box.layer else style)  # fmt: skip
    lines = []
    for i, line in enumerate(box.lines):
        bold = box.kind in ("input", "output") or (box.kind == "group" and i == 0)
        lines.append(
            text(left + item.width / 2, top + 18 + LINE * i, shortened(line, _WIDEST),
                 "name" if bold else None)
        )  # fmt: skip
    told = " · ".join([*box.lines, *(t for t in (box.spec, box.layer) if t)])
    return tag("g", tag("title", told), shape, *lines, class_=box.kind, data_name=box.name,
               data_layer=box.layer or None, data_spec=box.spec or None,
               data_ops=box.ops if box.kind == "group" else None)  # fmt: skip


def _specs(boxes: Sequence[_Box], items: Sequence[Item]) -> Svg:
    """Write under each box what leaves it: its shape and dtype, once for all its arrows."""
    used = {source for box in boxes for source in box.sources}
    found = []
    for i, (box, item) in enumerate(zip(boxes, items, strict=True)):
        if not box.spec or i not in used:
            continue
        x, y = item.x + _MARGIN, item.y + item.height / 2 + _MARGIN
        half = text_width(box.spec, 11) / 2 + 3
        found.append(tag("rect", x=x - half, y=y + 2, width=2 * half, height=14.0, class_="veil"))
        found.append(text(x, y + 13, box.spec, "soft small"))
    return tag("g", *found, class_="specs")


def _wires(
    boxes: Sequence[_Box], items: Sequence[Item], routes: dict[tuple[int, int], Route]
) -> Svg:
    lines, heads = [], []
    for target, box in enumerate(boxes):
        for source in dict.fromkeys(box.sources):
            a, b = items[source], items[target]
            points = [
                (a.x, a.y + a.height / 2), *routes[source, target], (b.x, b.y - b.height / 2 - 7)
            ]  # fmt: skip
            lines.append(
                tag("path", d=_curve(points), class_="plain thin",
                    data_from=boxes[source].name, data_to=box.name)
            )  # fmt: skip
            x, y = b.x + _MARGIN, b.y - b.height / 2 + _MARGIN
            heads.append(f"M{place(x)} {place(y)}l-4.5-8h9z")
    arrows = tag("path", d="".join(dict.fromkeys(heads)), class_="arrow")
    return tag("g", *lines, arrows, class_="wires")


def _curve(points: Sequence[tuple[float, float]]) -> str:
    """Give a smooth line that leaves and comes downwards at every point."""
    moved = [(x + _MARGIN, y + _MARGIN) for x, y in points]
    (x0, y0), runs = moved[0], [f"M{place(moved[0][0])} {place(moved[0][1])}"]
    for x1, y1 in moved[1:]:
        if abs(x1 - x0) < 0.5:
            runs.append(f"L{place(x1)} {place(y1)}")
        else:
            middle = (y0 + y1) / 2
            runs.append(
                f"C{place(x0)} {place(middle)} {place(x1)} {place(middle)} {place(x1)} {place(y1)}"
            )
        x0, y0 = x1, y1
    return "".join(runs)


def _legend(
    layers: Sequence[str], styles: dict[str, int], y: float, words: Words
) -> tuple[Svg, float, float]:
    """Name the layers' colours, in lines of a readable width; gives its width and foot too."""
    x, wide, found = _MARGIN, 0.0, []
    for layer in layers[: 3 * N_CLASSES]:
        size = text_width(layer) + 46
        if x + size > 640 and x > _MARGIN:
            x, y = _MARGIN, y + 22
        found.append(tag("rect", x=x, y=y - 11, width=22.0, height=13.0, rx=3.0,
                         class_=f"r{styles[layer]} axis"))  # fmt: skip
        found.append(text(x + 28, y, layer, "soft start"))
        x += size
        wide = max(wide, x)
    note = words.say("rounded: inputs and outputs")
    if x + text_width(note) > 640 and x > _MARGIN:
        x, y = _MARGIN, y + 22
    found.append(text(x, y, note, "soft start"))
    wide = max(wide, x + text_width(note))
    return tag("g", *found, class_="legend"), wide + _MARGIN, y + 18
