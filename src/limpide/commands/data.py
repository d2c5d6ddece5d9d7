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

# Name: what it is, and its columns, the target last
_POINTS = ("x1", "x2", "class")
_SURFACE = ("x1", "x2", "height")
_DATA = {
    "people": ("4 people: weight and height, and who is a woman", ("weight", "height", "woman")),
    "xor_table": ("4 rows: the exclusive or of two inputs", _POINTS),
    "circle": ("500 points: a disc inside a ring", _POINTS),
    "xor": ("500 points: four squares, two classes", _POINTS),
    "gauss": ("500 points: two clouds", _POINTS),
    "spiral": ("500 points: two interwoven spirals", _POINTS),
    "plane": ("1,200 points: a tilted plane, a number to predict", _SURFACE),
    "gaussians": ("1,200 points: six bumps, a number to predict", _SURFACE),
    "spambase": ("4,601 e-mails in 57 numbers, and which are spam; downloaded", ("spam",)),
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
        program.write("\n".join(f"{each:<11}{words}" for each, (words, _) in _DATA.items()))
        return
    if name not in _DATA:
        raise choice_error("NAME", name, _DATA)
    if out is not None:
        outputs.check(out, [], force)
    if name == "spambase":
        out = _download(name, out)
    else:
        _make(name, out)
    if out is not None:
        target = _DATA[name][1][-1]
        following = program.command("train", out, "--target", target)
        program.note(f"{limpide.reports.printable(out)} is written. Next: {following}")


def _make(name: str, out: str | None) -> None:
    X, y = dataset = getattr(limpide.datasets, name)()
    whole = dataset.task != "regression"
    names = _DATA[name][1]
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
