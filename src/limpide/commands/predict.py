"""``limpide predict``: an answer for each row of a table.

Answers for its options and for the columns that it writes. Not for: predicting (``limpide.model``).
"""

from __future__ import annotations

from typing import Any

import click

import limpide
from limpide import outputs, program, sources
from limpide.commands.models import loaded_model
from limpide.commands.options import PATH, force_option, reading_options, threads_option
from limpide.commands.spoken import command


@command(
    epilog="""\b
Examples:
  limpide predict people.safetensors new.csv
  limpide predict people.safetensors new.csv --out answers.csv
  limpide predict spam.safetensors inbox/*.eml
"""
)
@click.argument("model", type=PATH)
@click.argument("data", type=PATH, nargs=-1, required=True, metavar="DATA...")
@click.option("--out", metavar="FILE", type=PATH, help="CSV file; else standard output.")
@threads_option
@reading_options
@force_option
def predict(
    model: str,
    data: tuple[str, ...],
    out: str | None,
    threads: int | None,
    force: bool,
    **reading: str | None,
) -> None:
    """Predict each row of a table, or each of several e-mails.

    Prints CSV: a header and one line a row, in order. First the column prediction, then, for
    classes, a column probability_<class> each.

    DATA is a table with the columns that the model was trained on; others are left out of account.
    Where those are the columns of Spambase, DATA can also be e-mails (.eml, .txt, or as mail stores
    name them) or folders of them, and the name of each is given in a last column, message.
    """
    if out is not None:
        outputs.check(out, [model, *data], force)
    loaded = loaded_model(model)
    table, messages = sources.for_predicting(data, loaded, reading)
    with limpide.limit_threads(threads):
        columns = _predictions(loaded, table)
    if messages:
        columns["message"] = [limpide.reports.printable(path) for path in messages]
    if out is not None:
        limpide.tables.write_csv(out, columns)
        return
    with program.output() as file:
        limpide.tables.write_csv(file, columns)


def _predictions(model: Any, table: Any) -> dict[str, Any]:
    """Give the columns that are written: prediction, then a probability for each class."""
    if model.target in table.columns:
        said = program.words().say(
            "{source}: the target column {target} is not looked at",
            source=table.source,
            target=repr(model.target),
        )
        program.note(said)
    if model.labels.outputs > 1:
        several = {"prediction": model.predict(table)}
        if model.task == "multilabel":
            several["probability"] = model.predict_proba(table)
        return {f"{n}_{i}": v for n, a in several.items() for i, v in enumerate(a.T, 1)}
    if model.classes is None:
        return {"prediction": model.predict(table)}
    chances = model.predict_proba(table)
    columns = {"prediction": model.classes[chances.argmax(axis=1)]}
    for i, label in enumerate(model.classes.tolist()):
        columns[f"probability_{label}"] = chances[:, i]
    return columns
