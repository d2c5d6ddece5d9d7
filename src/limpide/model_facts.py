"""What a model knows of its training, as text to read and as JSON to keep.

Answers for ``Facts`` and the printed summary. Not for: arrays, which are tensors of the file, nor
for predicting.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from limpide.errors import ModelFileError
from limpide.history import History
from limpide.languages import Words
from limpide.retelling import kind_told, retold, task_told
from limpide.storage.vocabulary import (
    expect_bool,
    expect_choice,
    expect_float,
    expect_int,
    expect_keys,
    expect_list,
    expect_object,
    expect_text,
)
from limpide.tables.features import Column
from limpide.tables.preprocessing import Preprocessing
from limpide.tables.targets import TASKS, Target
from limpide.wording import NO_BREAK, in_language

_LABELS: dict[str, tuple[type, type]] = {
    "text": (str, np.str_),
    "boolean": (bool, np.bool_),
    "integer": (int, np.int64),
    "float": (float, np.float64),
}
_MOST_SHOWN = 40  # lines for the columns in the summary
_MOST_LETTERS = 100  # of a cell in the summary; of a class, 40

#: With more classes, the confusion matrix is neither kept nor told: 5,000 make 25 million numbers.
MOST_CONFUSED = 50


@dataclass
class Facts:
    """What was found and done in training.

    Attributes
    ----------
    source
        What the table was called.
    rows, held_out
        How many rows were trained on, and how many were kept for the figures.
    figures
        The figures on the rows held out, or None.
    recipe
        hidden, epochs, batch_size, learning_rate, weight_decay, dropout, members, stretches,
        scaling, seed.
    """

    source: str
    rows: int
    held_out: int
    figures: dict[str, Any] | None
    notes: list[str]
    history: History
    recipe: dict[str, Any] = field(default_factory=dict)


def summary(
    preprocessing: Preprocessing,
    target: Target,
    facts: Facts,
    parameters: int,
    figures: bool,
    words: Words,
) -> str:
    """Give aligned text: the task, the columns and what was done to each, the figures, notes."""
    lines = [
        *_task_lines(target, facts, words),
        "",
        *_columns_table(preprocessing.columns, words),
        "",
        _network_line(facts, parameters, words),
    ]
    if figures and facts.figures:
        lines += _figure_lines(target, facts.figures, words)
    if facts.notes:
        lines.append(words.say("notes:"))
        lines += [f"  {_printable(retold(note, words))}" for note in facts.notes]
    return "\n".join(lines)


def _figure_names(target: Target) -> tuple[str, ...]:
    if target.classes is None:
        return ("loss", "rmse", "mae", "r2")
    told = ("loss", "accuracy", "auc", "log_loss")
    return (*told, "confusion") if len(target.classes) <= MOST_CONFUSED else told


def _more_figures(target: Target) -> tuple[str, ...]:
    """Give the figures that a model file of another version may lack."""
    if target.classes is None:
        return ("median_absolute_error",)
    return ("balanced_accuracy", "f1_macro", "average_precision", "brier", "calibration_error")


def _task_lines(target: Target, facts: Facts, words: Words) -> Iterator[str]:
    say, why = words.say, retold(target.why, words)
    task = task_told(target.task, words)
    source, name = _cut(retold(facts.source, words)), _cut(target.name)
    yield say(
        "{source}: {task} of '{target}' ({why})", source=source, task=task, target=name, why=why
    )
    if target.classes is not None:
        names = [_cut(str(label), 40) for label in target.classes.tolist()]
        more = f", … ({words.whole(len(names))})" if len(names) > 10 else ""
        yield say("classes: {names}", names=", ".join(names[:10]) + more)
    elif target.outputs > 1:
        yield say("target: {what}", what=why)
    else:
        yield say(
            "target: mean {mean}, standard deviation {deviation}",
            mean=in_language(f"{target.centre:g}", words.language),
            deviation=in_language(f"{target.scale:g}", words.language),
        )
    rows = words.whole(facts.rows)
    if facts.held_out:
        held = words.whole(facts.held_out)
        yield say("rows: {rows} trained on, {held} held out", rows=rows, held=held)
    else:
        yield say("rows: {rows} trained on, none held out", rows=rows)


def _network_line(facts: Facts, parameters: int, words: Words) -> str:
    recipe, say, plural = facts.recipe, words.say, words.plural
    members = recipe.get("members", 1)
    hidden = ", ".join(map(str, recipe["hidden"])) or say("none")
    several = plural("{n} member, ", "{n} members, ", members) if members > 1 else ""
    return say(
        "network: {members}hidden {hidden}; {parameters}; {epochs}, batches of {rows}, "
        "rate {rate}, seed {seed}",
        members=several,
        hidden=hidden,
        parameters=plural("{n} parameter", "{n} parameters", parameters),
        epochs=plural("{n} epoch", "{n} epochs", facts.history.epochs),
        rows=plural("{n} row", "{n} rows", recipe["batch_size"]),
        rate=in_language(f"{recipe['learning_rate']:g}", words.language),
        seed=recipe["seed"],
    )


def _figure_lines(target: Target, figures: Mapping[str, Any], words: Words) -> Iterator[str]:
    yield words.say("figures on the rows held out:")
    for name in _figure_names(target):
        # the network's own loss is the log loss, or one in a unit that nobody asked for
        if name not in ("loss", "confusion"):
            value = figures[name]
            shown = "–" if value is None else in_language(format(value, ".4g"), words.language)
            yield f"  {name:<9} {shown}"


def training_words(target: Target, facts: Facts) -> list[str]:
    """Say what a model was trained on and how it did, a sentence each."""
    said = [f"Trained on {facts.source}: {_many(facts.rows, 'row')}."]
    if facts.figures:
        told = [
            f"{name} {facts.figures[name]:.4g}"
            for name in _figure_names(target)
            if name not in ("loss", "confusion") and facts.figures[name] is not None
        ]
        said.append(f"On {_many(facts.held_out, 'row')} held out: {', '.join(told)}.")
    return said


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    shown = [(*row[:-1], _cut(row[-1])) for row in rows]
    widths = [max(len(row[i]) for row in (head, *shown)) for i in range(len(head) - 1)]
    for row in (head, *shown):
        cells = [
            cell.rjust(w) if i == 2 else cell.ljust(w)
            for i, (cell, w) in enumerate(zip(row[:-1], widths, strict=True))
        ]
        yield "  ".join([*cells, row[-1]]).rstrip()


def _columns_table(columns: Sequence[Column], words: Words) -> Iterator[str]:
    """Give a line a column; neighbours that are treated alike share one."""
    groups = [
        list(group)
        for _, group in itertools.groupby(
            columns, lambda c: (c.kind, c.treatment, bool(c.parts), bool(c.missing), c.is_text)
        )
    ]
    # two lines for two columns are as short, and say both names
    parts = [part for g in groups for part in ([g] if len(g) > 2 else [[c] for c in g])]
    shown, rest = parts[:_MOST_SHOWN], [c for part in parts[_MOST_SHOWN:] for c in part]
    say = words.say
    head = (say("column"), say("kind"), say("missing"), say("treatment"))
    yield from _table(head, [_line(part, words) for part in shown])
    if rest:
        more = words.plural("… and {n} more column", "… and {n} more columns", len(rest))
        lost = sum(not c.parts for c in rest)
        left = words.plural(", {n} left out", ", {n} left out", lost) if lost else ""
        yield more + left


def _line(columns: Sequence[Column], words: Words) -> tuple[str, ...]:
    first, last = columns[0], columns[-1]
    name = _cut(first.name)
    if len(columns) > 1:
        name = f"{_cut(first.name, 40)} … {_cut(last.name, 40)} ({words.whole(len(columns))})"
    low, high = (words.whole(f(c.missing for c in columns)) for f in (min, max))
    missing = low if low == high else f"{low}–{high}"
    treatment = retold(first.treatment, words)
    told = treatment if first.parts else words.say("left out: {why}", why=treatment)
    return name, kind_told(first.kind, words), missing, told


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _printable(text: str) -> str:
    """Give text without what a terminal might obey: controls, marks of direction."""
    return "".join(c if c.isprintable() or c in NO_BREAK else "�" for c in text)


def _cut(text: str, most: int = _MOST_LETTERS) -> str:
    clean = _printable(text)
    return clean if len(clean) <= most else clean[: most - 1] + "…"


def to_json(preprocessing: Preprocessing, target: Target, facts: Facts) -> dict[str, Any]:
    """Give all of it for a model file."""
    history = facts.history
    several = {"outputs": target.outputs} if target.outputs > 1 else {}
    return {
        "columns": preprocessing.config(),
        "target": {
            "name": target.name,
            "kind": target.kind,
            "task": target.task,
            "why": target.why,
            "classes": [] if target.classes is None else target.classes.tolist(),
            "centre": np.asarray(target.centre).tolist(),
            "scale": np.asarray(target.scale).tolist(),
            **several,
        },
        "facts": {
            "source": facts.source,
            "rows": facts.rows,
            "held_out": facts.held_out,
            "figures": facts.figures or {},
            "notes": facts.notes,
            "recipe": facts.recipe,
        },
        "history": {
            "loss": history.loss,
            "validation_loss": history.validation_loss,
            "steps": history.steps,
            "seconds": history.seconds,
            "batch_size": history.batch_size,
            "engine": history.engine,
            "interrupted": history.interrupted,
            "stopped": history.stopped,
            "best_epoch": [] if history.best_epoch is None else [history.best_epoch],
            **_metrics(history),
        },
    }


def _metrics(history: History) -> dict[str, Any]:
    """Give the curves that JSON can hold: of numbers that are all finite."""
    kept = {name: v for name, v in history.metrics.items() if np.isfinite(v).all()}
    return {"metrics": kept} if kept else {}


def from_json(value: Any, where: str) -> tuple[Preprocessing, Target, Facts]:
    """Build it from what a model file holds.

    Raises
    ------
    ModelFileError
        For what is not in the vocabulary; the message names its place.
    """
    found = expect_keys(value, {"columns", "target", "facts", "history"}, where=where)
    preprocessing = Preprocessing.from_config(found["columns"])
    target = _target(expect_object(found, "target", where=where), f"{where}.target")
    history = _history(expect_object(found, "history", where=where), f"{where}.history")
    facts = _facts(expect_object(found, "facts", where=where), target, history, f"{where}.facts")
    return preprocessing, target, facts


def _target(entry: Mapping[str, Any], where: str) -> Target:
    keys = {"name", "kind", "task", "why", "classes", "centre", "scale"}
    expect_keys(entry, keys, {"outputs"}, where=where)
    kind = expect_choice(entry, "kind", tuple(_LABELS), where=where)
    task = expect_choice(entry, "task", (*TASKS, "multilabel"), where=where)
    labels: list[Any] = expect_list(entry, "classes", _LABELS[kind][0], where=where)
    fits = {"binary": len(labels) == 2, "multiclass": len(labels) > 1}
    if not fits.get(task, not labels) or len(set(labels)) < len(labels):
        raise ModelFileError(
            f"{where}.classes must be {'distinct' if task in fits else 'none'} for task "
            f"{task!r}; received {len(labels)}. Save the model again."
        )
    outputs = expect_int(entry, "outputs", where=where, minimum=1) if "outputs" in entry else 1
    return Target(
        expect_text(entry, "name", where=where),
        kind,
        task,
        expect_text(entry, "why", where=where),
        np.array(labels, _LABELS[kind][1]) if labels else None,
        _unit(entry, "centre", outputs, task, where),
        _unit(entry, "scale", outputs, task, where, minimum=5e-324),
        outputs,
    )


def _unit(
    entry: Mapping[str, Any],
    name: str,
    outputs: int,
    task: str,
    where: str,
    minimum: float | None = None,
) -> Any:
    """Give a number, or for a regression of several one for each."""
    if outputs == 1 or task != "regression":
        return expect_float(entry, name, where=where, minimum=minimum)
    listed = expect_list(entry, name, float, where=where, length=outputs)
    keyed = {f"{name}[{i}]": value for i, value in enumerate(listed)}
    return np.array([expect_float(keyed, key, where=where, minimum=minimum) for key in keyed])


def _history(entry: Mapping[str, Any], where: str) -> History:
    numbers = {"loss", "validation_loss", "steps", "seconds", "batch_size"}
    others = {"engine", "interrupted", "stopped", "best_epoch"}
    expect_keys(entry, {*numbers, *others}, {"metrics"}, where=where)
    metrics = expect_object(entry, "metrics", where=where) if "metrics" in entry else {}
    best: list[int] = expect_list(entry, "best_epoch", int, where=where)
    return History(
        loss=expect_list(entry, "loss", float, where=where),
        validation_loss=expect_list(entry, "validation_loss", float, where=where),
        metrics={
            name: expect_list(metrics, name, float, where=f"{where}.metrics") for name in metrics
        },
        steps=expect_int(entry, "steps", where=where, minimum=0),
        seconds=expect_float(entry, "seconds", where=where, minimum=0),
        batch_size=expect_int(entry, "batch_size", where=where, minimum=0),
        engine=expect_text(entry, "engine", where=where),
        interrupted=expect_bool(entry, "interrupted", where=where),
        stopped=expect_text(entry, "stopped", where=where),
        best_epoch=best[0] if best else None,
    )


def _facts(entry: Mapping[str, Any], target: Target, history: History, where: str) -> Facts:
    keys = {"source", "rows", "held_out", "figures", "notes", "recipe"}
    expect_keys(entry, keys, where=where)
    figures = expect_object(entry, "figures", where=where)
    if figures:
        more = [name for name in _more_figures(target) if name in figures]
        names = (*_figure_names(target), *more)
        expect_keys(figures, names, where=f"{where}.figures")
        for name in names:
            if name == "confusion":
                expect_list(figures, name, list, where=f"{where}.figures")
            elif figures[name] is not None:
                figures[name] = expect_float(figures, name, where=f"{where}.figures")
    return Facts(
        source=expect_text(entry, "source", where=where),
        rows=expect_int(entry, "rows", where=where, minimum=1),
        held_out=expect_int(entry, "held_out", where=where, minimum=0),
        figures=figures or None,
        notes=expect_list(entry, "notes", str, where=where),
        history=history,
        recipe=_recipe(expect_object(entry, "recipe", where=where), f"{where}.recipe"),
    )


def _recipe(entry: Mapping[str, Any], where: str) -> dict[str, Any]:
    numbers = ("learning_rate", "weight_decay", "dropout")
    sizes = ("epochs", "batch_size", "seed")
    later = {"members": 1, "stretches": 0}  # files of earlier versions have none
    known = {*later, "input_dropout"}
    expect_keys(entry, {"hidden", "scaling", *numbers, *sizes}, known, where=where)
    at_inputs = expect_float(
        {"input_dropout": 0.0, **entry}, "input_dropout", where=where, minimum=0
    )
    return {
        "hidden": expect_list(entry, "hidden", int, where=where),
        "scaling": expect_choice(entry, "scaling", ("robust", "standard"), where=where),
        **{name: expect_int(entry, name, where=where, minimum=0) for name in sizes},
        **{name: expect_float(entry, name, where=where, minimum=0) for name in numbers},
        **{name: expect_int({**later, **entry}, name, where=where, minimum=0) for name in later},
        "input_dropout": at_inputs,
    }
