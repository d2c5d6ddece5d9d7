"""The command line: ``limpide train``, ``predict``, ``evaluate``, ``export``, ``verify``,
``data``, ``bench``.

Answers for the commands, their options and their help. Not for: streams, errors and exit statuses
(``limpide.program``), the live view (``limpide.terminal``), or the words of a report.

Rooms that load more than click are reached as ``limpide.model`` and so on, which loads them when
they are first used: ``limpide --help`` loads none of them.
"""

from __future__ import annotations

import io
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

import limpide
from limpide import outputs, program, sources
from limpide.errors import FileError, ModelFileError, choice_error

F = TypeVar("F", bound=Callable[..., Any])

_READING = ("delimiter", "decimal", "encoding")
_UNBOUNDED = float("inf")


class _Program(click.Group):
    """The commands in the order in which a newcomer needs them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave with its exit status."""
    sys.exit(program.run(limpide_command, arguments))


@click.group(
    "limpide",
    cls=_Program,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="""\b
Examples:
  limpide data circle --out circle.csv         a table to try things with
  limpide train circle.csv --target class      learn its column 'class'
  limpide predict circle.safetensors circle.csv
  limpide train --help                         every option of a command
\b
Exit status: 0 done, 1 data or model at fault, 2 wrong usage, 130 interrupted.
""",
)
@click.version_option(limpide.__version__, prog_name="limpide", message="%(prog)s %(version)s")
@program.with_traceback
def limpide_command() -> None:
    """Train a neural network on your own table, and predict with it."""


def _reading_options(function: F) -> F:
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


_path = program.PathName()
_threads = click.option(
    "--threads",
    metavar="N",
    type=program.Number(int, 1, _UNBOUNDED, "--threads 2"),
    help="At most so many; else the processors there are. No result depends on it.",
)
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object and no more.")
_force = click.option("--force", is_flag=True, help="Overwrite the file of --out.")


@limpide_command.command(
    epilog="""\b
Examples:
  limpide train people.csv --target sex
  limpide train houses.parquet --target price --hidden 128,64 --epochs 50
  limpide train people.csv --target sex --drop name --drop id
  limpide train prices.csv --target price --delimiter ';' --decimal ,
  limpide train people.csv --target sex --report people.html
  limpide train mail/                          a folder with spam/ and ham/ in it
  limpide train sales/ --target price          a folder of Parquet files, of any size
  limpide train people.csv --target sex --resume         after an interruption
"""
)
@click.argument("data", type=_path)
@click.option("--target", metavar="NAME", help="The column to learn.")
@click.option("--drop", metavar="NAME", multiple=True, help="A column to leave out; repeatable.")
@click.option("--out", metavar="MODEL", type=_path, help="Model file; else DATA.safetensors, here.")
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
    type=program.Number(int, 1, _UNBOUNDED, "--batch-size 64"),
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
@click.option("--engine", metavar="NAME", help="What computes: native (the default) or reference.")
@click.option(
    "--memory",
    metavar="SIZE",
    help="What the table may take, as 2GB; a larger one is learned from disk. Else half of all.",
)
@click.option("--report", metavar="FILE", type=_path, help="Write what was learned as HTML.")
@_threads
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
    type=program.Number(float, 0, _UNBOUNDED, "--checkpoint 60"),
    default=30,
    show_default=True,
    help="How often the run is kept beside the model, in MODEL.checkpoint; 0: never.",
)
@click.option("--resume", is_flag=True, help="Go on with the run that MODEL.checkpoint keeps.")
@_reading_options
@_json
@_force
@program.with_traceback
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
    **settings: Any,
) -> int:
    """Learn the column --target of a table from its other columns.

    DATA is a CSV, TSV, Parquet or Arrow file, a folder of Parquet files, or a folder of e-mails
    with the sub-folders spam and ham. A share of the rows is held out; the figures at the end are
    measured on it.

    Ctrl-C once ends the training and saves what was learned; twice leaves at once. After that,
    or after a crash, the same command with --resume goes on as if it had never stopped.
    """
    if report is not None:
        inputs = [data] if out is None else [data, out]
        again = force or resume  # the run that goes on may have written one when it ended early
        outputs.check(report, inputs, again, regular=True, option="--report")
    reading = {name: settings.pop(name) for name in _READING}
    settings["progress"] = False
    with outputs.ModelPlace(data, out, force, resume=resume, seconds=seconds) as place:
        with limpide.terminal.watching(sys.stderr, session.stop, plain=not as_json) as view:
            table, target, example = sources.for_training(data, target, reading, memory)
            table = sources.without(table, list(dict.fromkeys(drop)), target)
            settings |= {"callbacks": [view], "checkpoint": place.checkpoint, "memory": memory}
            model = limpide.table_training.train(table, target, **settings)
        path, fault = place.save(model)
    interrupted = model.history.interrupted or session.stop.asked
    if report is not None:
        fault = _write_report(model, report, path, force or resume) or fault
    if as_json:
        said = limpide.reports.training_report(model, path, interrupted)
        if report is not None:
            said["report"] = report
        program.write(limpide.reports.as_json(said))
    else:
        screen = limpide.terminal.console(sys.stdout)
        following = program.command("predict", path, example)
        limpide.reports.print_training(screen, model, path, following, interrupted, report)
    if fault is not None:
        raise fault
    return program.INTERRUPTED if interrupted else program.DONE


def _write_report(model: Any, report: str, path: str, force: bool) -> FileError | None:
    """Write the report of a model that is saved; what goes wrong is said after the figures."""
    try:
        model.report(report, model_file=path, overwrite=force)
    except FileError as error:
        return FileError(f"{error} The model itself is saved in {path!r}.")
    return None


@limpide_command.command(
    epilog="""\b
Examples:
  limpide predict people.safetensors new.csv
  limpide predict people.safetensors new.csv --out answers.csv
  limpide predict spam.safetensors inbox/*.eml
"""
)
@click.argument("model", type=_path)
@click.argument("data", type=_path, nargs=-1, required=True, metavar="DATA...")
@click.option("--out", metavar="FILE", type=_path, help="CSV file; else standard output.")
@_threads
@_reading_options
@_force
@program.with_traceback
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
    loaded = _load(model)
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


def _load(path: str) -> Any:
    """Load the model of a table; a bare network knows no columns."""
    model = limpide.model.load(path)
    if not isinstance(model, limpide.model.Model):
        raise ModelFileError(
            f"{path!r} holds a bare network, without the columns of a table. Use it in Python "
            "(limpide.load), or train a model with limpide train."
        )
    return model


def _predictions(model: Any, table: Any) -> dict[str, Any]:
    """Give the columns that are written: prediction, then a probability for each class."""
    if model.target in table.columns:
        program.note(f"{table.source}: the target column {model.target!r} is not looked at")
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


@limpide_command.command(
    epilog="""\b
Example:
  limpide evaluate people.safetensors people-2.csv
"""
)
@click.argument("model", type=_path)
@click.argument("data", type=_path)
@click.option("--intervals", is_flag=True, help="Add the 95 % interval of each figure.")
@_reading_options
@_json
@program.with_traceback
def evaluate(model: str, data: str, intervals: bool, as_json: bool, **reading: str | None) -> None:
    """Measure a model on a table that holds the right answers too.

    DATA is a table, or a folder of e-mails with the sub-folders spam and ham. Rows that the model
    has learned from flatter it: measure on others. An interval holds, in 95 of 100 cases, what
    more rows of the same kind would give.
    """
    loaded = _load(model)
    table = sources.for_measuring(data, loaded, reading)
    figures = loaded.evaluate(table, intervals=intervals)
    rows = table.n_rows - table.frame[loaded.target].null_count()
    if as_json:
        program.write(limpide.reports.as_json({"rows": rows} | figures))
    else:
        screen = limpide.terminal.console(sys.stdout)
        limpide.reports.print_measured(screen, rows, figures, loaded.classes)


_EXPORTS = ("keras", "numpy", "onnx", "python", "torch")  # as in limpide.exports


@limpide_command.command(
    epilog="""\b
Examples:
  limpide export people.safetensors --to onnx --out people.onnx
  limpide export people.safetensors --to python --out people.py
"""
)
@click.argument("model", type=_path)
@click.option(
    "--to",
    metavar="KIND",
    type=program.Choice(_EXPORTS),
    help="onnx, or source: numpy, python, torch, keras; else told by .onnx.",
)
@click.option("--out", metavar="FILE", type=_path, required=True, help="The file to write.")
@_force
@program.with_traceback
def export(model: str, to: str | None, out: str, force: bool) -> None:
    """Write a model in another format, its trained weights included.

    onnx is read by many programs. The others are source code that a person can read: numpy needs
    NumPy alone, python needs nothing, torch and keras go on with training. The model of a table
    takes the table's columns there too, and gives the same labels and probabilities.
    """
    outputs.check(out, [model], force, regular=True)
    loaded = limpide.model.load(model)
    loaded.export(out, to=to, overwrite=force)
    program.note(f"{limpide.reports.printable(out)} is written.")


@limpide_command.command(
    epilog="""\b
Example:
  limpide verify people.safetensors
"""
)
@click.argument("model", type=_path)
@program.with_traceback
def verify(model: str) -> None:
    """Check that a model file is whole, and list what it holds."""
    program.write(str(limpide.storage.verify(model)))


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


@limpide_command.command(
    epilog="""\b
Examples:
  limpide data                            list them
  limpide data circle --out circle.csv
  limpide data spambase                   download it, check it, write spambase.csv
"""
)
@click.argument("name", required=False)
@click.option("--out", metavar="FILE", type=_path, help="CSV file; else standard output.")
@_force
@program.with_traceback
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


_PEERS = ("jax", "torch", "torch-compiled", "sklearn", "numpy", "scalar")  # as in limpide.bench


@limpide_command.command(
    epilog="""\b
Examples:
  limpide bench --quick                       a look, in minutes
  limpide bench                               the whole table; let nothing else run meanwhile
  limpide bench --only 57-64-1 --peer jax
  limpide bench --only 57-64-1 --profile      our kernels, and where their time goes
  limpide bench --sweep --out ratios.svg      many shapes, and a picture of them
"""
)
@click.option("--quick", is_flag=True, help="Fewer and shorter samples, one form a peer.")
@click.option("--sweep", is_flag=True, help="Take the shapes between those of the table.")
@click.option("--profile", is_flag=True, help="List our kernels instead, and where time goes.")
@click.option("--only", metavar="SIZES", multiple=True, help="A network, as 57-64-1; repeatable.")
@click.option(
    "--peer",
    "peers",
    metavar="NAME",
    type=program.Choice(_PEERS),
    multiple=True,
    help=f"{', '.join(_PEERS)}; repeatable. Else all.",
)
@click.option("--engine", metavar="NAME", help="What computes; else the fastest installed.")
@click.option("--out", metavar="FILE", type=_path, help="Picture of the ratios: .svg, .png, .pdf.")
@_json
@_force
@program.with_traceback
def bench(
    quick: bool,
    sweep: bool,
    profile: bool,
    only: tuple[str, ...],
    peers: tuple[str, ...],
    engine: str | None,
    out: str | None,
    as_json: bool,
    force: bool,
) -> None:
    """Measure how fast limpide trains beside others, on this machine.

    Each program runs in a process of its own and trains the same network: before it is timed, its
    losses are compared with limpide's. limpide and a peer are timed in turn; a ratio is the peer's
    time over limpide's, the median of the pairs with their range. A peer has several forms, and
    the fastest counts; what is not installed is left out. The peak is what the processor's cores
    reach at best, measured meanwhile.
    """
    if profile and (quick or peers or engine or out is not None or as_json):
        raise program.Misuse(
            "--profile times the native engine's kernels alone. Leave --quick, --peer, --engine, "
            "--out and --json out."
        )
    kind = _picture_kind(out, force) if out is not None else ""
    room = limpide.bench
    plan = room.Plan(peers=peers or _PEERS, engine=engine)
    if quick:
        plan = room.Plan(plan.peers, engine, pairs=3, seconds=0.1, forms=1)
    works = room.chosen(room.SWEEP if sweep else room.TABLE, only)
    screen = limpide.terminal.console(sys.stdout)
    if profile:
        for work in works:
            room.print_profile(screen, work)
        return
    status = limpide.terminal.console(sys.stderr)
    limpide.engines.get(engine)  # a wrong name is said before anything is shown
    found: list[Any] = []
    if not as_json:
        room.table.print_head(screen, plan)
    try:
        for work in works:
            with room.table.saying(status, work.label) as say:
                (comparison,) = room.compare([work], plan, say)
            found.append(comparison)
            if not as_json:
                room.table.print_comparison(screen, comparison)
    finally:  # what was measured until Ctrl-C or a failure is kept
        if as_json:
            program.write(limpide.reports.as_json(room.table.report(found, plan)))
        elif found:
            room.table.print_worst(screen, found)
        if out is not None and found:
            picture = io.BytesIO()
            room.table.draw(found, picture, kind)
            limpide.storage.atomic_write(out, picture.getvalue())


def _picture_kind(out: str, force: bool) -> str:
    """Give the kind of picture that a path names; refuse what cannot be drawn or written."""
    ending = os.path.splitext(out)[1].lower()
    if ending not in limpide.bench.table.PICTURES:
        raise program.Misuse(
            f"--out {out!r} must end in {', '.join(limpide.bench.table.PICTURES)}. "
            "Write --out ratios.svg."
        )
    outputs.check(out, [], force)
    limpide.bench.table.need_plots()
    return ending[1:]
