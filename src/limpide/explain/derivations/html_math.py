"""HTML: formulas as MathML, and blocks as a page that needs nothing else.

Answers for the markup, its style in light and dark, and links between numbers. Not for: what is
said (``telling``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import ClassVar

from limpide.explain.derivations.blocks import (
    Block,
    Formulas,
    Heading,
    Listing,
    Paragraph,
    Table,
    place_of,
)
from limpide.explain.derivations.digits import digits_for
from limpide.explain.derivations.entries import Equation
from limpide.explain.derivations.expressions import Derivative, Expression, Symbol
from limpide.explain.derivations.notation import Notation
from limpide.explain.derivations.written_text import stages
from limpide.languages import Words

_SUPERSCRIPT = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
_SHORT = 90  # characters of a formula that stay on one line

STYLE = """
.limpide-explain{font:16px/1.5 system-ui,sans-serif;color:#1b1b1b;max-width:60rem;margin:0 auto;
 padding:1rem}
.limpide-explain h1{font-size:1.4rem;border-bottom:2px solid currentColor;padding-bottom:.2rem}
.limpide-explain h2{font-size:1.1rem;margin:1.6rem 0 .3rem}
.limpide-explain p{margin:.4rem 0}
.limpide-explain .formulas{display:grid;grid-template-columns:max-content 1fr;gap:.35rem .5rem;
 margin:.5rem 0 .5rem 1rem;overflow:auto hidden;align-items:baseline}
.limpide-explain .stage{grid-column:2}
.limpide-explain .left{grid-column:1;justify-self:end}
.limpide-explain table{border-collapse:collapse;font-variant-numeric:tabular-nums}
.limpide-explain td,.limpide-explain th{padding:.15rem .7rem;text-align:right}
.limpide-explain th:first-child{text-align:left;font-weight:normal}
.limpide-explain thead th{border-bottom:1px solid currentColor}
.limpide-explain a{color:#0b5cad;text-decoration:none}
.limpide-explain a:hover,.limpide-explain a:focus{text-decoration:underline}
.limpide-explain :target{background:#fff3c4}
.limpide-explain .listing{margin:.5rem 0 .5rem 1rem;border-spacing:0}
.limpide-explain .listing td{padding:.15rem 1.5rem .15rem 0;text-align:left}
.limpide-explain math{font-size:1.05em}
@media (prefers-color-scheme:dark){
 .limpide-explain{color:#e8e8e8}
 .limpide-explain a{color:#8cc4ff}
 .limpide-explain :target{background:#4a4000}
}
"""


class MathMl(Notation):
    """Formulas as MathML; ``anchors`` are the names that links may lead to."""

    minus: ClassVar[str] = '<mo form="prefix">−</mo>'
    dot: ClassVar[str] = "<mo>·</mo>"
    spaced_dot: ClassVar[str] = "<mo>·</mo>"
    plus: ClassVar[str] = "<mo>+</mo>"
    less: ClassVar[str] = "<mo>−</mo>"
    quotient_binds: ClassVar[int] = 3

    def __init__(self, words: Words, digits: int, anchors: frozenset[str] = frozenset()) -> None:
        super().__init__(words, digits)
        self._anchors = anchors

    def number(self, value: float) -> str:
        text = self.words.number(value, self.digits)
        sign = self.minus if text.startswith("−") else ""
        front, has_power, power = text.removeprefix("−").partition("e")
        shown = f"<mn>{escape(front)}</mn>"
        if has_power:
            ten = f"<msup><mn>10</mn><mn>{escape(power)}</mn></msup>"
            shown = f"{shown}<mo>·</mo>{ten}"
        return sign + shown

    def name(self, text: str) -> str:
        base, _, row = text.partition("⁽")
        found = _named(base)
        if row:
            number = row.rstrip("⁾").translate(_SUPERSCRIPT)
            mark = f"<mrow><mo>(</mo><mn>{number}</mn><mo>)</mo></mrow>"
            tall = found.startswith("<msub>")
            inner = found.removeprefix("<msub>").removesuffix("</msub>")
            found = f"<msubsup>{inner}{mark}</msubsup>" if tall else f"<msup>{found}{mark}</msup>"
        return self._linked(found, anchor(text))

    def _linked(self, markup: str, target: str) -> str:
        if target not in self._anchors:
            return markup
        # HTML may stand in the text of a formula; MathML itself has no links in browsers.
        link = f'<a href="#{escape(target)}">{_math(markup)}</a>'
        return f"<mtext>{link}</mtext>"

    def derivative(self, of: str, by: str) -> str:
        above, below = (MathMl(self.words, self.digits).name(n) for n in (of, by))
        found = f"<mfrac><mrow><mo>∂</mo>{above}</mrow><mrow><mo>∂</mo>{below}</mrow></mfrac>"
        return self._linked(found, anchor(of, by))

    def rest(self, count: int) -> str:
        return f"<mtext>{escape(super().rest(count))}</mtext>"

    def parenthesized(self, text: str) -> str:
        return f"<mrow><mo>(</mo>{text}<mo>)</mo></mrow>"

    def square(self, base: str) -> str:
        return f"<msup><mrow>{base}</mrow><mn>2</mn></msup>"

    def quotient(self, above: Expression, below: Expression, numbers: bool) -> str:
        over, under = (self._write(e, numbers, 0) for e in (above, below))
        return f"<mfrac><mrow>{over}</mrow><mrow>{under}</mrow></mfrac>"

    def call(self, op: str, arguments: Sequence[str]) -> str:
        if op == "sqrt":
            return f"<msqrt>{arguments[0]}</msqrt>"
        if op == "abs":
            return f"<mrow><mo>|</mo>{arguments[0]}<mo>|</mo></mrow>"
        if op == "power":
            base = self.parenthesized(arguments[0])
            return f"<msup>{base}<mrow>{arguments[1]}</mrow></msup>"
        name = {"maximum": "max", "minimum": "min"}.get(op, op)
        between = "<mo>,</mo>" if self.words.language == "en" else "<mo>;</mo>"
        inner = between.join(arguments)
        return f"<mi>{escape(name)}</mi><mrow><mo>(</mo>{inner}<mo>)</mo></mrow>"

    def slope(self, op: str, argument: str) -> str:
        return f"<mi>{escape(op)}′</mi><mrow><mo>(</mo>{argument}<mo>)</mo></mrow>"


def _named(base: str) -> str:
    if base.startswith("z_"):
        return f"<msub><mi>z</mi><mrow>{_named(base[2:])}</mrow></msub>"
    placed = re.fullmatch(r"(.+)\[([\d, ]+)\]", base)
    if placed:
        return f"<msub><mi>{escape(placed[1])}</mi><mn>{placed[2]}</mn></msub>"
    found = re.fullmatch(r"([^\d]+)(\d*)", base)
    if found is None or not found[2]:
        return f"<mi>{escape(base)}</mi>"
    return f"<msub><mi>{escape(found[1])}</mi><mn>{found[2]}</mn></msub>"


def anchor(name: str, by: str = "") -> str:
    """Give the id that a number has on a page, or the derivative of a number by another.

    >>> anchor("ŷ1"), anchor("hidden2.scale[3]"), anchor("L", "w1")
    ('n-ŷ1', 'n-hidden2.scale-3', 'd-L-w1')
    """
    found = f"d-{name}-{by}" if by else f"n-{name}"
    return re.sub(r"[\[\], ⁽⁾]+", "-", found).strip("-")


def _anchor_of(equation: Equation) -> str:
    left = equation.left
    if equation.relation != "=":
        return ""
    if isinstance(left, Derivative):
        return anchor(left.of, left.by)
    return anchor(left.name) if isinstance(left, Symbol) else ""


def _anchors(blocks: Iterable[Block]) -> frozenset[str]:
    found = set()
    for block in blocks:
        if isinstance(block, Heading) and block.anchor:
            found.add(anchor(block.anchor))
        elif isinstance(block, Formulas):
            found.update(map(_anchor_of, block.equations))
    return frozenset(found - {""})


def as_html(blocks: Iterable[Block], words: Words, digits: int) -> str:
    """Write blocks as one ``<div>`` with its own style, for a notebook or a page."""
    known = list(blocks)
    body = "\n".join(_markup(known, words, digits, _anchors(known)))
    return (
        f'<div class="limpide-explain" lang="{words.language}">\n<style>{STYLE}</style>\n'
        f"{body}\n</div>"
    )


def as_page(blocks: Iterable[Block], words: Words, digits: int) -> str:
    """Write blocks as a whole page that asks for nothing else."""
    known = list(blocks)
    title = next((b.text for b in known if isinstance(b, Heading)), "limpide")
    return (
        f'<!doctype html>\n<html lang="{words.language}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(title)}</title>\n</head>\n<body>\n{as_html(known, words, digits)}\n"
        "</body>\n</html>\n"
    )


def _markup(
    blocks: Iterable[Block], words: Words, digits: int, anchors: frozenset[str]
) -> Iterator[str]:
    used: set[str] = set()  # the first place with an id has it

    def identified(target: str) -> str:
        if not target or target in used:
            return ""
        used.add(target)
        return f' id="{escape(target)}"'

    for block in blocks:
        if isinstance(block, Heading):
            own = identified(anchor(block.anchor) if block.anchor else "")
            yield f"<h{block.level}{own}>{escape(block.text)}</h{block.level}>"
        elif isinstance(block, Paragraph):
            yield f"<p>{_sentence(block, words)}</p>"
        elif isinstance(block, Table):
            yield '<div class="formulas"><table>'
            head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in block.head)
            yield f"<thead><tr>{head}</tr></thead><tbody>"
            for first, *others in block.rows:
                cells = "".join(f"<td>{escape(cell)}</td>" for cell in others)
                yield f'<tr><th scope="row">{escape(first)}</th>{cells}</tr>'
            yield "</tbody></table></div>"
        elif isinstance(block, Formulas) and block.equations:
            yield '<div class="formulas">'
            for equation in block.equations:
                own = _anchor_of(equation)
                yield from _equation(equation, words, digits, anchors - {own}, identified(own))
            yield "</div>"
        elif isinstance(block, Listing):
            yield from _listed(block, words, digits)


def _listed(block: Listing, words: Words, digits: int) -> Iterator[str]:
    notation = MathMl(words, digits)

    def value(equation: Equation | None) -> str:
        if equation is None:
            return ""
        number = notation.number(equation.value)
        return _math(notation.symbols(equation.left), "<mo>=</mo>", number)

    yield '<table class="listing">'
    for given, told, other in block.lines:
        cells = (value(given), escape(told), value(other))
        yield f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
    yield "</table>"


def _sentence(block: Paragraph, words: Words) -> str:
    notation = MathMl(words, block.digits)
    return "".join(
        _math(notation.symbols(block.formulas[place_of(c)])) if place_of(c) >= 0 else escape(c)
        for c in block.text
    )


def _math(*parts: str) -> str:
    return f"<math><mrow>{''.join(parts)}</mrow></math>"


def _equation(
    equation: Equation, words: Words, digits: int, anchors: frozenset[str], own: str
) -> Iterator[str]:
    needed = digits_for(equation.right, equation.value, digits)
    linked = MathMl(words, needed, anchors)
    plain, text = MathMl(words, digits), Notation(words, needed)
    _, told = stages(equation, words, digits)
    ways = (
        linked.symbols(equation.right),
        linked.numbers(equation.right),
        plain.number(equation.value),
    )
    texts = (
        text.symbols(equation.right),
        text.numbers(equation.right),
        words.number(equation.value, digits),
    )
    found = [markup for markup, one in zip(ways, texts, strict=True) if one in told]
    found = list(dict.fromkeys(found))
    short = sum(map(len, told)) <= _SHORT
    relation = f"<mo>{equation.relation}</mo>"
    yield f'<div class="left"{own}>{_math(plain.symbols(equation.left))}</div>'
    if short:
        joined = "<mo>=</mo>".join(found)
        yield f'<div class="stage">{_math(relation, joined)}</div>'
        return
    for i, markup in enumerate(found):
        sign = relation if i == 0 else "<mo>=</mo>"
        yield f'<div class="stage">{_math(sign, markup)}</div>'
