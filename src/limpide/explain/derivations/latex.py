"""LaTeX: formulas and blocks as a document, or as a part of one.

Answers for mathematics in LaTeX with amsmath. Not for: what is said (``telling``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
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
from limpide.explain.derivations.expressions import Expression
from limpide.explain.derivations.notation import Notation
from limpide.explain.derivations.written_text import stages, value_of
from limpide.languages import Words, decimal_sign

_GREEK = {"η": r"\eta", "μ": r"\mu", "α": r"\alpha", "β": r"\beta", "ε": r"\epsilon"}
_GREEK |= {"λ": r"\lambda", "ŷ": r"\hat{y}"}
_SUPERSCRIPT = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
_ROW = re.compile("⁽([⁰¹²³⁴⁵⁶⁷⁸⁹]+)⁾")  # of a name in a sentence
_KNOWN = {"exp", "log", "tanh", "sin", "cos", "max", "min"}
_TERMS_A_LINE = 5
_SHORT = 70  # characters of a formula that stay on one line
_PLAIN = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "_": r"\_",
    "%": r"\%",
    "&": r"\&",
    "#": r"\#",
    "$": r"\$",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "·": r"$\cdot$",
    "−": r"$-$",
    "×": r"$\times$",
    "∂": r"$\partial$",
    "ŷ": r"$\hat{y}$",
    "η": r"$\eta$",
    "∞": r"$\infty$",
    "\u202f": "~",
    "\u00a0": "~",
}

_PLAIN |= {letter: f"${command}$" for letter, command in _GREEK.items()}

PREAMBLE = r"""\documentclass{article}
\usepackage[utf8]{inputenc}
\usepackage[%s]{fontenc}
\usepackage{amsmath}
\usepackage[margin=2cm]{geometry}
\allowdisplaybreaks
\setlength{\parindent}{0pt}
\begin{document}
"""
_ENCODING = {"uk": "T2A"}  # of Cyrillic letters; the others have T1


class Latex(Notation):
    """Formulas as LaTeX mathematics."""

    minus: ClassVar[str] = "-"
    dot: ClassVar[str] = r" \cdot "
    spaced_dot: ClassVar[str] = r" \cdot "
    less: ClassVar[str] = " - "

    def number(self, value: float) -> str:
        text = self.words.number(value, self.digits)
        text = text.replace("−", "-").replace("∞", r"\infty").replace("NaN", r"\mathrm{NaN}")
        front, has_power, power = text.partition("e")
        front = front.replace(",", "{,}")
        return rf"{front} \cdot 10^{{{power}}}" if has_power else front

    def name(self, text: str) -> str:
        base, _, row = text.partition("⁽")
        mark = f"^{{({row.rstrip('⁾').translate(_SUPERSCRIPT)})}}" if row else ""
        if base.startswith("z_"):
            return f"z{mark}_{{{self.name(base[2:])}}}"
        placed = re.fullmatch(r"(.+)\[([\d, ]+)\]", base)
        if placed:
            return rf"\mathrm{{{_escaped(placed[1])}}}_{{{placed[2]}}}"
        found = re.fullmatch(r"([^\d]+)(\d*)", base)
        if found is None:
            return rf"\mathrm{{{_escaped(base)}}}"
        letter = _GREEK.get(found[1], found[1])
        if len(found[1]) > 1:
            letter = rf"\mathrm{{{_escaped(found[1])}}}"
        return f"{letter}{mark}" + (f"_{{{found[2]}}}" if found[2] else "")

    def derivative(self, of: str, by: str) -> str:
        return rf"\frac{{\partial {self.name(of)}}}{{\partial {self.name(by)}}}"

    def rest(self, count: int) -> str:
        return rf"\langle\text{{{_escaped(super().rest(count).strip('⟨⟩'))}}}\rangle"

    def parenthesized(self, text: str) -> str:
        return rf"\left({text}\right)"

    def square(self, base: str) -> str:
        return f"{{{base}}}^{{2}}"

    quotient_binds: ClassVar[int] = 3

    def quotient(self, above: Expression, below: Expression, numbers: bool) -> str:
        return rf"\frac{{{self._write(above, numbers, 0)}}}{{{self._write(below, numbers, 0)}}}"

    def call(self, op: str, arguments: Sequence[str]) -> str:
        if op == "sqrt":
            return rf"\sqrt{{{arguments[0]}}}"
        if op == "abs":
            return rf"\left|{arguments[0]}\right|"
        if op == "power":
            return rf"\left({arguments[0]}\right)^{{{arguments[1]}}}"
        name = {"maximum": "max", "minimum": "min"}.get(op, op)
        said = rf"\{name}" if name in _KNOWN else rf"\operatorname{{{_escaped(name)}}}"
        between = ", " if decimal_sign(self.words.language) == "." else "; "
        return rf"{said}\left({between.join(arguments)}\right)"

    def slope(self, op: str, argument: str) -> str:
        return rf"\operatorname{{{_escaped(op)}}}'\left({argument}\right)"


def _escaped(text: str) -> str:
    plain = "".join(_PLAIN.get(c, c) for c in text)
    return _ROW.sub(lambda m: f"$^{{({m[1].translate(_SUPERSCRIPT)})}}$", plain)


def as_latex(blocks: Iterable[Block], words: Words, digits: int, whole: bool) -> str:
    """Write blocks as LaTeX; ``whole`` with what a document needs to compile by itself."""
    lines = list(_lines(blocks, words, digits))
    if whole:
        end = "\n\\end{document}\n"
        return PREAMBLE % _ENCODING.get(words.language, "T1") + "\n".join(lines) + end
    return "\n".join(lines) + "\n"


def _lines(blocks: Iterable[Block], words: Words, digits: int) -> Iterator[str]:
    for block in blocks:
        if isinstance(block, Heading):
            command = "section*" if block.level == 1 else "subsection*"
            yield f"\\{command}{{{_escaped(block.text)}}}"
        elif isinstance(block, Paragraph):
            yield f"{_sentence(block, words)}\n"
        elif isinstance(block, Table):
            yield rf"\begin{{tabular}}{{l{'r' * (len(block.head) - 1)}}}"
            for i, row in enumerate((block.head, *block.rows)):
                yield " & ".join(map(_escaped, row)) + r" \\" + (r" \hline" if not i else "")
            yield "\\end{tabular}\n"
        elif isinstance(block, Formulas) and block.equations:
            yield r"\begin{align*}"
            yield " \\\\\n".join(_equation(e, words, digits) for e in block.equations)
            yield r"\end{align*}"
        elif isinstance(block, Listing):
            yield from _listed(block, words, digits)


def _listed(block: Listing, words: Words, digits: int) -> Iterator[str]:
    notation = Latex(words, digits)
    yield r"\begin{tabular}{@{}lll@{}}"
    for given, told, other in block.lines:
        cells = [f"${value_of(given, notation)}$", _escaped(told)]
        if other is not None:
            cells.append(rf"$\displaystyle {value_of(other, notation)}$")
        yield " & ".join(cells) + r" \\"
    yield "\\end{tabular}\n"


def _sentence(block: Paragraph, words: Words) -> str:
    notation = Latex(words, block.digits)
    return "".join(
        f"${notation.symbols(block.formulas[place_of(c)])}$" if place_of(c) >= 0 else _escaped(c)
        for c in block.text
    )


def _equation(equation: Equation, words: Words, digits: int) -> str:
    wide = Latex(words, digits_for(equation.right, equation.value, digits))
    plain = Latex(words, digits)
    _, told = stages(equation, words, digits)
    texts = Notation(words, wide.digits)
    ways = {
        texts.symbols(equation.right): wide.symbols(equation.right),
        texts.numbers(equation.right): wide.numbers(equation.right),
    }
    found = [ways.get(one, plain.number(equation.value)) for one in told]
    relation = r"\leftarrow" if equation.relation == "←" else "="
    lead = f"{plain.symbols(equation.left)} &{relation} "
    if sum(map(len, told)) <= _SHORT:
        return lead + " = ".join(found)
    return lead + " \\\\\n&= ".join(map(_broken, found))


def _broken(text: str) -> str:
    """Break a long sum over lines, between its terms where no bracket is open."""
    parts: list[str] = []
    depth, start, terms = 0, 0, 0
    for i, c in enumerate(text):
        depth += (c in "({") - (c in ")}")
        if depth == 0 and text[i : i + 3] in (" + ", " - "):
            terms += 1
            if terms % _TERMS_A_LINE == 0:
                parts.append(text[start:i])
                start = i
    parts.append(text[start:])
    return " \\\\\n&\\quad ".join(p.strip() if i else p for i, p in enumerate(parts))
