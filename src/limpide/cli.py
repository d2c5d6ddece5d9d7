"""The command line: the group ``limpide``, and the list of its commands.

Answers for the group's help and for which commands there are. Not for: a command
(``limpide.commands``), nor streams, errors and exit statuses (``limpide.program``).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

import limpide
from limpide import program
from limpide.commands.bench import bench
from limpide.commands.data import data
from limpide.commands.doctor import doctor
from limpide.commands.evaluate import evaluate
from limpide.commands.experiment import experiment
from limpide.commands.explain import explain
from limpide.commands.files import export, verify
from limpide.commands.gradcheck import gradcheck
from limpide.commands.predict import predict
from limpide.commands.spoken import group
from limpide.commands.train import train


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave with its exit status."""
    sys.exit(program.run(limpide_command, arguments))


@group(
    "limpide",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="""\b
Examples:
  limpide data circle --out circle.csv         a table to try things with
  limpide train circle.csv --target class      learn its column 'class'
  limpide predict circle.safetensors circle.csv
  limpide explain circle.safetensors circle.csv --row 1
  limpide train --help                         every option of a command

\b
Exit status: 0 done, 1 data or model at fault, 2 wrong usage, 130 interrupted.
""",
)
@click.version_option(limpide.__version__, prog_name="limpide", message="%(prog)s %(version)s")
def limpide_command() -> None:
    """Train a neural network on your own table, and predict with it."""


for _command in (
    *(train, predict, evaluate, explain, doctor, gradcheck),
    *(export, verify, data, experiment, bench),
):
    limpide_command.add_command(_command)
