"""``limpide data``: small data sets as CSV.

Answers for listing and writing them. Not for: making them (``limpide.datasets``).
"""

from __future__ import annotations

import tempfile

import click

import limpide
from limpide import outputs, program
from limpide.commands.options import PATH, force_option
from limpide.commands.spoken import command
from limpide.errors import choice_error
from limpide.languages import Words

# Name: its columns, the target last
_POINTS = ("x1", "x2", "class")
_SURFACE = ("x1", "x2", "height")
_COLUMNS = {
    "people": ("weight", "height", "woman"),
    "xor_table": _POINTS,
    "circle": _POINTS,
    "xor": _POINTS,
    "gauss": _POINTS,
    "spiral": _POINTS,
    "plane": _SURFACE,
    "gaussians": _SURFACE,
    "spambase": ("spam",),
}


def _contents(words: Words) -> dict[str, str]:
    """Give what each data set is."""
    say = words.say
    return {
        "people": say("4 people: weight and height, and who is a woman"),
        "xor_table": say("4 rows: the exclusive or of two inputs"),
        "circle": say("500 points: a disc inside a ring"),
        "xor": say("500 points: four squares, two classes"),
        "gauss": say("500 points: two clouds"),
        "spiral": say("500 points: two interwoven spirals"),
        "plane": say("1,200 points: a tilted plane, a number to predict"),
        "gaussians": say("1,200 points: six bumps, a number to predict"),
        "spambase": say("4,601 e-mails in 57 numbers, and which are spam; downloaded"),
    }


@command(
    epilog="""\b
Examples:
  limpide data                        list them
  limpide data circle --out circle.csv
  limpide data spambase               download, check and write it
"""
)
@click.argument("name", required=False)
@click.option("--out", metavar="FILE", type=PATH, help="CSV file; else standard output.")
@force_option
def data(name: str | None, out: str | None, force: bool) -> None:
    """Write a small data set as CSV, or list all of them.

    spambase comes from its public home; the others are made here.
    """
    if name is None:
        told = _contents(program.words())
        program.write("\n".join(f"{each:<11}{what}" for each, what in told.items()))
        return
    if name not in _COLUMNS:
        raise choice_error("NAME", name, _COLUMNS)
    if out is not None:
        outputs.check(out, [], force)
    if name == "spambase":
        out = _download(name, out)
    else:
        _make(name, out)
    if out is not None:
        target = _COLUMNS[name][-1]
        following = program.command("train", out, "--target", target)
        said = program.words().say(
            "{path} is written. Next: {command}",
            path=limpide.reports.printable(out),
            command=following,
        )
        program.note(said)


def _make(name: str, out: str | None) -> None:
    X, y = dataset = getattr(limpide.datasets, name)()
    whole = dataset.task != "regression"
    names = _COLUMNS[name]
    columns = {names[0]: X[:, 0], names[1]: X[:, 1], names[2]: y.astype(int) if whole else y}
    if out is not None:
        limpide.tables.write_csv(out, columns)
        return
    with program.output() as file:
        limpide.tables.write_csv(file, columns)


def _download(name: str, out: str | None) -> str:
    if out is None:
        return str(limpide.datasets.download(name))
    with tempfile.TemporaryDirectory() as folder:
        content = limpide.datasets.download(name, folder).read_bytes()
    limpide.storage.atomic_write(out, content)
    return out
