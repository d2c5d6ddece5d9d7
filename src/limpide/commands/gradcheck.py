"""``limpide gradcheck``: whether a model's derivatives are right.

Answers for its options and its exit status. Not for: the comparison (``limpide.explain.doctor``).
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
  limpide gradcheck people.safetensors people.csv
"""
)
@click.argument("model", type=PATH)
@click.argument("data", type=PATH)
@target_option
@reading_options
@json_option
def gradcheck(
    model: str, data: str, target: str | None, as_json: bool, **reading: str | None
) -> int:
    """Compare a model's derivatives with finite differences.

    On the first 64 rows, in float64: by limpide's rules, by the engine that trains, and by moving
    each parameter a little to both sides; of more than 512 parameters a sample. The worst are
    named. DATA has to hold the right answers too.

    The exit status is 1 where a derivative is wrong.
    """
    found = subject(model, data, target, reading).gradcheck(program.words().language)
    program.write(found.to_json() if as_json else found.to_text())
    return program.DONE if found else program.FAULT
