"""``limpide evaluate``: how good a model is on rows with their answers.

Answers for its options. Not for: the figures (``limpide.metrics``), nor their table
(``limpide.reports``).
"""

from __future__ import annotations

import sys

import click

import limpide
from limpide import program, sources
from limpide.commands.models import loaded_model
from limpide.commands.options import PATH, json_option, reading_options
from limpide.commands.spoken import command


@command(
    epilog="""\b
Example:
  limpide evaluate people.safetensors people-2.csv
"""
)
@click.argument("model", type=PATH)
@click.argument("data", type=PATH)
@click.option("--intervals", is_flag=True, help="Add the 95 % interval of each figure.")
@reading_options
@json_option
def evaluate(model: str, data: str, intervals: bool, as_json: bool, **reading: str | None) -> None:
    """Measure a model on a table that holds the right answers too.

    DATA is a table, or a folder of e-mails with the sub-folders spam and ham. Rows that the model
    has learned from flatter it: measure on others. An interval holds, in 95 of 100 cases, what
    more rows of the same kind would give.
    """
    loaded = loaded_model(model)
    table = sources.for_measuring(data, loaded, reading)
    figures = loaded.evaluate(table, intervals=intervals)
    rows = table.n_rows - table.frame[loaded.target].null_count()
    if as_json:
        program.write(limpide.reports.as_json({"rows": rows} | figures))
    else:
        screen = limpide.terminal.console(sys.stdout)
        limpide.reports.print_measured(screen, program.words(), rows, figures, loaded.classes)
