"""``limpide doctor``: what ails a model, its table and its training.

Answers for its options. Not for: the examinations (``limpide.explain.doctor``).
"""

from __future__ import annotations

import click

from limpide import program
from limpide.commands.options import PATH, json_option, reading_options, target_option
from limpide.commands.spoken import command
from limpide.commands.subjects import subject


@command(
    epilog="""\b
Example:
  limpide doctor people.safetensors people.csv
"""
)
@click.argument("model", type=PATH)
@click.argument("data", type=PATH)
@target_option
@reading_options
@json_option
def doctor(model: str, data: str, target: str | None, as_json: bool, **reading: str | None) -> None:
    """Look for what ails a model and its table, and what helps.

    Dead and saturated neurons, vanishing and exploding gradients, neurons that never part, columns
    that never change, repeat others or know the target, rare classes that are overlooked. DATA has
    to hold the right answers too; best is what the model was trained on.

    The exit status is 0 also where something is found.
    """
    found = subject(model, data, target, reading)
    diagnosis = found.doctor(program.words().language)
    program.write(diagnosis.to_json() if as_json else diagnosis.to_text())
