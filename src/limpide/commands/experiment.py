"""``limpide experiment``: what courses show with small networks, run here and told in words.

Answers for a command an experiment, with its options. Not for: the experiments
(``limpide.experiments``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

import limpide
from limpide import outputs, program
from limpide.commands.options import PATH, UNBOUNDED, json_option
from limpide.commands.spoken import command, group

F = TypeVar("F", bound=Callable[..., Any])

_epochs = click.option(
    "--epochs",
    metavar="N",
    type=program.Number(int, 1, 10**7, "--epochs 50"),
    help="How often to go through all rows.",
)
_rate = click.option(
    "--learning-rate",
    metavar="R",
    type=program.Rate("--learning-rate 0.5"),
    help="Length of a step.",
)
_batch_size = click.option(
    "--batch-size",
    metavar="N",
    type=program.Number(int, 1, UNBOUNDED, "--batch-size 4"),
    help="Rows a step.",
)
_seed = click.option(
    "--seed",
    metavar="N",
    type=program.Number(int, 0, 2**32, "--seed 1"),
    help="Of all that is drawn at random.",
)


def _hidden(least: int) -> Callable[[F], F]:
    return click.option(
        "--hidden",
        metavar="N",
        type=program.Number(int, least, 10**4, "--hidden 4"),
        help="How many hidden neurons.",
    )


def _told(function: F) -> F:
    """Add what all experiments have: the engine, and where the result goes."""
    for option in (
        click.option("--force", is_flag=True, help="Overwrite the file of --svg."),
        json_option,
        click.option("--svg", metavar="FILE", type=PATH, help="Write the picture there."),
        click.option("--engine", metavar="NAME", help="What computes; else the fastest installed."),
    ):
        function = option(function)
    return function


def _run(name: str, svg: str | None, as_json: bool, force: bool, settings: dict[str, Any]) -> None:
    """Run an experiment with the options that were given; the others are its own."""
    if svg is not None:
        outputs.check(svg, [], force, option="--svg")
    given = {key: value for key, value in settings.items() if value is not None}
    result = getattr(limpide.experiments, name)(**given)
    language = program.words().language
    program.write(result.to_json() if as_json else result.to_text(language))
    if svg is not None:
        limpide.storage.atomic_write(svg, f"{result.to_svg(language)}\n".encode())
        path = limpide.reports.printable(svg)
        program.note(program.words().say("{path} is written.", path=path))


@group(
    epilog="""\b
Examples:
  limpide experiment bias
  limpide experiment learning-rates --rates 0.1,1,10
  limpide experiment xor --seeds 1000 --svg xor.svg
"""
)
def experiment() -> None:
    """Show with small networks what courses tell of them.

    Each experiment takes seconds, needs no data, and says in words what was done, what is seen and
    why. Its options change what is done.
    """


@command(
    epilog="""\b
Example:
  limpide experiment bias --svg bias.svg
"""
)
@_epochs
@_rate
@_seed
@_told
def bias(svg: str | None, as_json: bool, force: bool, **settings: Any) -> None:
    """Why a bias: one neuron with it and without."""
    _run("bias", svg, as_json, force, settings)


@command(
    epilog="""\b
Example:
  limpide experiment initialization --hidden 8
"""
)
@_hidden(2)
@_epochs
@_batch_size
@_rate
@_seed
@_told
def initialization(svg: str | None, as_json: bool, force: bool, **settings: Any) -> None:
    """Why small random weights, and not zeros."""
    _run("initialization", svg, as_json, force, settings)


@command(
    "learning-rates",
    epilog="""\b
Example:
  limpide experiment learning-rates --rates 0.01,0.1,1 --steps 100
""",
)
@click.option("--rates", metavar="0.1,1", type=program.Rates(), help="The rates to try.")
@_hidden(0)
@click.option(
    "--steps",
    metavar="N",
    type=program.Number(int, 1, 10**6, "--steps 50"),
    help="Steps, each on all rows.",
)
@_seed
@_told
def learning_rates(svg: str | None, as_json: bool, force: bool, **settings: Any) -> None:
    """What the rate does: from too small to one that diverges."""
    _run("learning_rates", svg, as_json, force, settings)


@command(
    epilog="""\b
Example:
  limpide experiment xor --seeds 1000 --epochs 2000
"""
)
@click.option(
    "--seeds",
    metavar="N",
    type=program.Number(int, 1, 10**6, "--seeds 1000"),
    help="Networks for each start, 10,000 unless said.",
)
@_hidden(1)
@_epochs
@_batch_size
@_rate
@_told
def xor(svg: str | None, as_json: bool, force: bool, **settings: Any) -> None:
    """How often XOR gets stuck, from six starts."""
    _run("xor", svg, as_json, force, settings)


@command(
    epilog="""\b
Example:
  limpide experiment landscape --first w1 --second w2 --svg landscape.svg
"""
)
@click.option("--first", metavar="NAME", help="A weight or bias of 2-2-1, w1 unless said.")
@click.option("--second", metavar="NAME", help="Another one, w5 unless said.")
@click.option(
    "--span", metavar="R", type=program.Rate("--span 5"), help="How far to go to each side."
)
@click.option(
    "--points",
    metavar="N",
    type=program.Number(int, 2, 2001, "--points 61"),
    help="Values of each of the two.",
)
@_told
def landscape(svg: str | None, as_json: bool, force: bool, **settings: Any) -> None:
    """What training walks over: the loss by two weights."""
    _run("loss_landscape", svg, as_json, force, settings)


for _command in (bias, initialization, learning_rates, xor, landscape):
    experiment.add_command(_command)
