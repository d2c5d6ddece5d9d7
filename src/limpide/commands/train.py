"""``limpide train``: a model from a table.

Answers for its options, and for what is written when it has learned. Not for: the learning
(``limpide.table_training``), nor the view of it (``limpide.terminal``).
"""

from __future__ import annotations

import math
import sys
import warnings
from dataclasses import dataclass
from typing import Any

import click

import limpide
from limpide import outputs, program, sources
from limpide.commands.joined import Processes, process_options
from limpide.commands.options import (
    PATH,
    READING,
    UNBOUNDED,
    force_option,
    json_option,
    reading_options,
    threads_option,
)
from limpide.commands.spoken import command
from limpide.errors import FileError, LimpideWarning


@command(
    epilog="""\b
Examples:
  limpide train people.csv --target sex
  limpide train houses.parquet --target price --hidden 128,64 --epochs 50
  limpide train people.csv --target sex --drop name --drop id
  limpide train prices.csv --target price --delimiter ';' --decimal ,
  limpide train people.csv --target sex --report people.html
  limpide train mail/                   a folder with spam/ and ham/ in it
  limpide train sales/ --target price   a folder of Parquet files, of any size
  limpide train people.csv --target sex --resume   after an interruption
"""
)
@click.argument("data", type=PATH)
@click.option("--target", metavar="NAME", help="The column to learn.")
@click.option("--drop", metavar="NAME", multiple=True, help="A column to leave out; repeatable.")
@click.option("--out", metavar="MODEL", type=PATH, help="Model file; else DATA.safetensors, here.")
@click.option(
    "--task",
    metavar="KIND",
    type=program.Choice(["auto", "binary", "multiclass", "regression"]),
    default="auto",
    help="binary, multiclass or regression; else told by the target.",
)
@click.option(
    "--preset",
    metavar="NAME",
    type=program.Choice(["default", "strong"]),
    default="default",
    help="default: 4 networks that answer together; strong: 8 larger ones.",
)
@click.option(
    "--hidden",
    metavar="64,64",
    type=program.Sizes(),
    help="Neurons of each hidden layer.",
)
@click.option(
    "--epochs",
    metavar="N",
    type=program.Number(int, 1, 10**7, "--epochs 50"),
    help="How often to go through all rows, at most.",
)
@click.option(
    "--batch-size",
    metavar="N",
    type=program.Number(int, 1, UNBOUNDED, "--batch-size 64"),
    help="Rows a step.",
)
@click.option(
    "--learning-rate",
    metavar="R",
    type=program.Rate("--learning-rate 0.001"),
    help="Length of a step.",
)
@click.option(
    "--validation",
    metavar="SHARE",
    type=program.Number(float, 0, 1, "--validation 0.2"),
    default=0.2,
    show_default=True,
    help="Share of the rows held out to measure the model.",
)
@click.option(
    "--engine", metavar="NAME", help="What computes: native (the default), reference or xla."
)
@click.option(
    "--devices",
    metavar="N",
    type=program.Number(int, 1, UNBOUNDED, "--devices 2"),
    help="With --engine xla: over how many devices each batch is spread.",
)
@click.option(
    "--compute-dtype",
    metavar="NAME",
    type=program.Choice(["bfloat16"]),
    help="With --engine xla: bfloat16 for products of matrices, faster on accelerators.",
)
@process_options
@click.option(
    "--memory",
    metavar="SIZE",
    help="What the table may take, as 2GB; a larger one is learned from disk. Else half of all.",
)
@click.option("--report", metavar="FILE", type=PATH, help="Write what was learned as HTML.")
@threads_option
@click.option(
    "--seed",
    metavar="N",
    type=program.Number(int, 0, 2**32, "--seed 1"),
    default=0,
    show_default=True,
    help="Of all that is drawn at random.",
)
@click.option(
    "--checkpoint",
    "seconds",
    metavar="SECONDS",
    type=program.Number(float, 0, UNBOUNDED, "--checkpoint 60"),
    default=30,
    show_default=True,
    help="How often the run is kept beside the model, in MODEL.checkpoint; 0: never.",
)
@click.option("--resume", is_flag=True, help="Go on with the run that MODEL.checkpoint keeps.")
@reading_options
@json_option
@force_option
@click.pass_obj
def train(
    session: program.Session,
    /,
    data: str,
    target: str | None,
    drop: tuple[str, ...],
    out: str | None,
    report: str | None,
    as_json: bool,
    force: bool,
    seconds: float,
    resume: bool,
    memory: str | None,
    distributed: bool,
    coordinator: str | None,
    processes: int | None,
    process_id: int | None,
    **settings: Any,
) -> int:
    """Learn the column --target of a table from its other columns.

    DATA is a CSV, TSV, Parquet or Arrow file, a folder of Parquet files, or a folder of e-mails
    with the sub-folders spam and ham. A share of the rows is held out; the figures at the end are
    measured on it.

    Ctrl-C once ends the training and saves what was learned; twice leaves at once. After that,
    or after a crash, the same command with --resume goes on as if it had never stopped.
    """
    asked = Processes(distributed, coordinator, processes, process_id)
    asked.check(settings["engine"])
    if asked.starts_all:
        return asked.launch(session)
    reading = {name: settings.pop(name) for name in READING}
    with asked.joined() as team:
        if team.size > 1:  # a table is read alike on machines of different sizes
            most = min(team.each("memory", limpide.memory.check_memory(memory)))
            memory = f"{most:.0f}" if math.isfinite(most) else None
        settings |= {"progress": False, "memory": memory}
        source = _Source(data, target, drop, reading, memory, team.size > 1)
        if team.number:
            return _follow(session, source, settings)
        if report is not None:
            inputs = [data] if out is None else [data, out]
            # The run that goes on may have written one when it ended early.
            outputs.check(report, inputs, force or resume, regular=True, option="--report")
        place = outputs.ModelPlace(data, out, force, resume=resume, seconds=seconds)
        return _lead(session, source, place, report, as_json, force or resume, settings)


@dataclass(frozen=True)
class _Source:
    """What is learned from."""

    data: str
    target: str | None
    drop: tuple[str, ...]
    reading: dict[str, Any]
    memory: str | None
    in_shares: bool

    def read(self) -> tuple[Any, str, str]:
        """Give the table, its target, and a path to try the model with."""
        table, target, example = sources.for_training(
            self.data, self.target, self.reading, self.memory, in_shares=self.in_shares
        )
        return sources.without(table, list(dict.fromkeys(self.drop)), target), target, example


def _follow(session: program.Session, source: _Source, settings: dict[str, Any]) -> int:
    """Learn together with process 0, which says and writes all that there is."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LimpideWarning)
        table, target, _ = source.read()
        view = limpide.terminal.silent(session.stop, session.words)
        model = limpide.table_training.train(table, target, callbacks=[view], **settings)
    return program.INTERRUPTED if model.history.interrupted else program.DONE


def _lead(
    session: program.Session,
    source: _Source,
    taken: outputs.ModelPlace,
    report: str | None,
    as_json: bool,
    again: bool,
    settings: dict[str, Any],
) -> int:
    """Learn, and say and write what was learned."""
    with taken as place:
        with limpide.terminal.watching(
            sys.stderr, session.stop, session.words, not as_json
        ) as view:
            table, target, example = source.read()
            settings |= {"callbacks": [view], "checkpoint": place.checkpoint}
            model = limpide.table_training.train(table, target, **settings)
        path, fault = place.save(model)
    interrupted = model.history.interrupted or session.stop.asked
    if report is not None:
        written = _write_report(model, report, path, again, session.words.language)
        fault = written or fault
    if as_json:
        said = limpide.reports.training_report(model, path, interrupted)
        if report is not None:
            said["report"] = report
        program.write(limpide.reports.as_json(said))
    else:
        screen = limpide.terminal.console(sys.stdout)
        following = program.command("predict", path, example)
        limpide.reports.print_training(
            screen, session.words, model, path, following, interrupted, report
        )
    if fault is not None:
        raise fault
    return program.INTERRUPTED if interrupted else program.DONE


def _write_report(
    model: Any, report: str, path: str, force: bool, language: str
) -> FileError | None:
    """Write the report of a model that is saved; what goes wrong is said after the figures."""
    try:
        model.report(report, model_file=path, overwrite=force, language=language)
    except FileError as error:
        return FileError(f"{error} The model itself is saved in {path!r}.")
    return None
