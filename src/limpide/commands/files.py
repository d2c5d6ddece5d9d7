"""``limpide export`` and ``limpide verify``: what a model file becomes, and whether it is whole.

Answers for their options. Not for: the formats (``limpide.exports``, ``limpide.storage``).
"""

from __future__ import annotations

import click

import limpide
from limpide import outputs, program
from limpide.commands.options import PATH, force_option
from limpide.commands.spoken import command

KINDS = ("keras", "numpy", "onnx", "python", "torch")  # as in limpide.exports


@command(
    epilog="""\b
Examples:
  limpide export people.safetensors --to onnx --out people.onnx
  limpide export people.safetensors --to python --out people.py
"""
)
@click.argument("model", type=PATH)
@click.option(
    "--to",
    metavar="KIND",
    type=program.Choice(KINDS),
    help="onnx, or source: numpy, python, torch, keras; else told by .onnx.",
)
@click.option("--out", metavar="FILE", type=PATH, required=True, help="The file to write.")
@force_option
def export(model: str, to: str | None, out: str, force: bool) -> None:
    """Write a model in another format, its trained weights included.

    onnx is read by many programs. The others are source code that a person can read: numpy needs
    NumPy alone, python needs nothing, torch and keras go on with training. The model of a table
    takes the table's columns there too, and gives the same labels and probabilities.
    """
    outputs.check(out, [model], force, regular=True)
    loaded = limpide.model.load(model)
    loaded.export(out, to=to, overwrite=force)
    path = limpide.reports.printable(out)
    program.note(program.words().say("{path} is written.", path=path))


@command(
    epilog="""\b
Example:
  limpide verify people.safetensors
"""
)
@click.argument("model", type=PATH)
def verify(model: str) -> None:
    """Check that a model file is whole, and list what it holds."""
    program.write(limpide.storage.verify(model).to_text(program.words().language))
