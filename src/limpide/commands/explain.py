"""``limpide explain``: where every number of a network comes from, on one row of a table.

Answers for its options, and for how and where it is written. Not for: what is told
(``limpide.explain``).
"""

from __future__ import annotations

import os
from typing import Any

import click

import limpide
from limpide import outputs, program
from limpide.commands.options import PATH, UNBOUNDED, force_option, reading_options, target_option
from limpide.commands.spoken import command
from limpide.commands.subjects import subject

KINDS = ("text", "latex", "html", "json", "svg")
_ENDINGS = {".txt": "text", ".tex": "latex", ".html": "html", ".json": "json", ".svg": "svg"}
_PLAIN = ("json", "svg")  # have no number of digits to choose


@command(
    epilog="""\b
Examples:
  limpide explain people.safetensors people.csv --row 3
  limpide explain people.safetensors people.csv --row 3 --number x1
  limpide explain people.safetensors people.csv --row 3 --layer output
  limpide explain people.safetensors people.csv --row 3 --out row3.html
  limpide explain people.safetensors people.csv --row 3 --out row3.svg
"""
)
@click.argument("model", type=PATH)
@click.argument("data", type=PATH)
@click.option(
    "--row",
    metavar="N",
    required=True,
    type=program.Number(int, 1, UNBOUNDED, "--row 1"),
    help="Which row, from 1; the header does not count.",
)
@click.option(
    "--number",
    "numbers",
    metavar="NAME",
    multiple=True,
    help="Tell this one alone: w1, b1, h1, x1, z_o1, L; repeatable.",
)
@click.option("--layer", metavar="NAME", help="Tell the numbers of this layer.")
@click.option(
    "--to",
    metavar="KIND",
    type=program.Choice(KINDS),
    help="text, latex, html, json, or svg: a picture; else told by --out.",
)
@click.option("--out", metavar="FILE", type=PATH, help="Where to write; else standard output.")
@click.option(
    "--digits",
    metavar="D",
    type=program.Number(int, 2, 18, "--digits 8"),
    help="Significant digits of results, 6 unless said.",
)
@target_option
@reading_options
@force_option
def explain(
    model: str,
    data: str,
    row: int,
    numbers: tuple[str, ...],
    layer: str | None,
    to: str | None,
    out: str | None,
    digits: int | None,
    target: str | None,
    force: bool,
    **reading: str | None,
) -> None:
    """Tell where each number of a network comes from, on one row.

    What the row holds, the way forward, the loss, and its derivative by every parameter with each
    factor of the chain rule, symbols first, then the numbers; of a large network the largest
    derivatives. DATA has to hold the right answers too.

    A bare network, which knows no columns, takes a table of numbers: its inputs in order, and the
    column that --target names.
    """
    kind = _kind(to, out)
    _check_choice(kind, numbers, layer, digits)
    if out is not None:
        outputs.check(out, [model, data], force)
    found = subject(model, data, target, reading)
    language = program.words().language
    if kind == "svg":
        _write(found.diagram(row, language).svg, out)
        return
    told: Any = found.explain(row)
    if numbers:
        told = told.numbers(numbers)
    elif layer is not None:
        told = told.layer(layer)
    if kind == "json":
        _write(told.to_json(), out)
        return
    written = {"text": told.to_text, "latex": told.to_latex, "html": told.to_html}[kind]
    _write(written(language=language, digits=digits or 6), out)


def _kind(to: str | None, out: str | None) -> str:
    ending = "" if out is None else os.path.splitext(out)[1].lower()
    return to or _ENDINGS.get(ending, "text")


def _check_choice(
    kind: str, numbers: tuple[str, ...], layer: str | None, digits: int | None
) -> None:
    if numbers and layer is not None:
        raise program.Misuse("--number and --layer: give one of them.")
    if kind == "svg" and (numbers or layer is not None):
        raise program.Misuse("svg shows the whole network. Leave --number and --layer out.")
    if kind in _PLAIN and digits is not None:
        raise program.Misuse(f"{kind} has digits of its own. Leave --digits out.")


def _write(text: str, out: str | None) -> None:
    if out is None:
        program.write(text.rstrip("\n"))
        return
    limpide.storage.atomic_write(out, f"{text.rstrip()}\n".encode())
    path = limpide.reports.printable(out)
    program.note(program.words().say("{path} is written.", path=path))
