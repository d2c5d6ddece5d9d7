"""Options that several commands share.

Answers for one name and one help for one thing. Not for: what one command alone takes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from limpide import program

F = TypeVar("F", bound=Callable[..., Any])

READING = ("delimiter", "decimal", "encoding")  # what `reading_options` adds
UNBOUNDED = float("inf")
PATH = program.PathName()


def reading_options(function: F) -> F:
    """Add the options that say how a text table is to be read."""
    for option in (
        click.option(
            "--encoding", metavar="NAME", help="Of a text table: utf-8, cp1252, cp1251, latin-1."
        ),
        click.option("--decimal", metavar="C", help="Decimal sign of a text table: . or ,"),
        click.option(
            "--delimiter", metavar="C", help="Between cells: , ; | tab (else recognised)."
        ),
    ):
        function = option(function)
    return function


threads_option = click.option(
    "--threads",
    metavar="N",
    type=program.Number(int, 1, UNBOUNDED, "--threads 2"),
    help="At most so many; else the processors there are. No result depends on it.",
)
target_option = click.option(
    "--target", metavar="NAME", help="Of a bare network: the column with the answers."
)
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object and no more."
)
force_option = click.option("--force", is_flag=True, help="Overwrite the file of --out.")
