"""What is printed about a model: its figures as a table, numbers as people read them, JSON.

Answers for the words and the layout. Not for: the figures (``limpide.metrics``), nor the view of a
run that goes on (``limpide.terminal``).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from limpide.languages import Words
from limpide.wording import command as command
from limpide.wording import counted as counted
from limpide.wording import number as number
from limpide.wording import percent as percent
from limpide.wording import printable as printable

_MOST_CLASSES = 10  # of a confusion matrix that is shown whole
_MOST_MISTAKES = 5  # that are named where it is not
_LONGEST_LINE, _LONGEST_END = 1500, 400  # characters of a line, and of what is kept of its end
_LONGEST_NAME = 20  # of a class, in columns of the terminal


def shown(text: object) -> str:
    """Give a text of any number of lines that is safe to show: `printable`, and no line endless.

    What stands at the end of a long line (often what to do) is kept.

    >>> shown("two\\nlines\\x1b[2J")
    'two\\nlines\\\\x1b[2J'
    >>> len(shown("x" * 5000))
    1500
    """
    lines = map(printable, str(text).split("\n"))
    return "\n".join(
        line
        if len(line) <= _LONGEST_LINE
        else line[: _LONGEST_LINE - _LONGEST_END - 5] + " ... " + line[-_LONGEST_END:]
        for line in lines
    )


def as_json(value: Any) -> str:
    """Give one JSON object on one line; NaN and infinity, which JSON lacks, become null."""
    return json.dumps(_plain(value), allow_nan=False)


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return str(value)


def training_report(model: Any, path: str, interrupted: bool) -> dict[str, Any]:
    """Give what ``limpide train --json`` prints: plain values, no NaN."""
    facts, history = model.facts, model.history
    # The last batch of an epoch is short, and an interrupted epoch has fewer steps.
    epochs = history.steps / math.ceil(facts.rows / max(history.batch_size, 1))
    return {
        "task": model.task,
        "target": model.target,
        "classes": model.classes,
        "rows": facts.rows + facts.held_out,
        "held_out": facts.held_out,
        "features": len(model.features),
        "parameters": model.network.n_parameters,
        "epochs": history.epochs,
        "interrupted": interrupted,
        "seconds": history.seconds,
        "samples_per_second": facts.rows * epochs / history.seconds if history.seconds else None,
        "engine": history.engine,
        "model": path,
        "validation": model.figures,
        "notes": model.notes,
    }


def print_training(
    screen: Console,
    words: Words,
    model: Any,
    path: str,
    following: str,
    interrupted: bool,
    page: str | None = None,
) -> None:
    """Print what was done to each column, the figures, and the command to type next."""
    facts, history, say = model.facts, model.history, words.say
    _print(screen, shown(model.summary(figures=False, language=words.language)))
    screen.print()
    if interrupted:
        said = words.plural(
            "Interrupted after {done} of {n} epoch.",
            "Interrupted after {done} of {n} epochs.",
            facts.recipe["epochs"],
            done=words.whole(history.epochs),
        )
        _print(screen, said, "bold")
    if model.figures:
        said = words.plural(
            "Measured on the {n} row held out:",
            "Measured on the {n} rows held out:",
            facts.held_out,
        )
        _print(screen, said, "bold")
        print_figures(screen, words, model.figures, model.classes)
    else:
        _print(screen, say("Not measured: no rows were held out."), "bold")
    screen.print()
    saved = printable(path)
    if interrupted:
        _print(screen, say("Saved what was learned so far to {path}", path=saved))
    else:
        _print(screen, say("Saved to {path}", path=saved))
    if page is not None:
        _print(screen, say("The report is {path}", path=printable(page)))
    _print(screen, say("Next: {command}", command=following))


def print_figures(screen: Console, words: Words, figures: Mapping[str, Any], classes: Any) -> None:
    """Print the figures as a table, and below it the confusion matrix of a classifier.

    Where there are ``intervals`` among the figures, every figure is shown with its own.
    """
    names = None if classes is None else list(classes)
    lines = figures_table(words, figures, names)
    if names is not None and figures.get("confusion") is not None:
        lines += [Text(""), *confusion_table(words, figures["confusion"], names)]
    for line in lines:
        screen.print(line, soft_wrap=True)


def print_measured(
    screen: Console, words: Words, rows: int, figures: Mapping[str, Any], classes: Any
) -> None:
    """Print on how many rows a model was measured, and its figures."""
    said = words.plural("Measured on {n} row:", "Measured on {n} rows:", rows)
    _print(screen, said, "bold")
    print_figures(screen, words, figures, classes)


def _print(screen: Console, text: str, style: str = "") -> None:
    """Print text as it is: lines that are to be copied, searched or aligned are not wrapped."""
    screen.print(text, style=style, soft_wrap=True)


def figures_table(
    words: Words, figures: Mapping[str, Any], classes: Sequence[Any] | None
) -> list[Text]:
    """Give the figures of a model, one a line, each with what it says.

    Parameters
    ----------
    figures
        ``accuracy``, ``auc``, ``log_loss`` and ``confusion``, or ``rmse``, ``mae`` and ``r2``; a
        figure that is missing or None is left out.
    classes
        The names of the classes, in the order of the confusion matrix; None for a regression.
    """
    if classes is None:
        rows = _regression_rows(words, figures)
    else:
        rows = _classification_rows(words, figures, classes)
    if "intervals" in figures:
        spans = [_span(words, figures["intervals"].get(key), key) for key, *_ in rows]
        return _aligned(
            [
                (name, Text(value, "bold"), span, Text(told, "dim"))
                for (_, name, value, told), span in zip(rows, spans, strict=True)
            ],
            "<>><",
        )
    return _aligned(
        [(name, Text(value, "bold"), Text(told, "dim")) for _, name, value, told in rows], "<><"
    )


def _span(words: Words, ends: Sequence[float] | None, key: str) -> str:
    """Give an interval in words."""
    if ends is None:
        return ""
    write = percent if key == "accuracy" else number
    low, high = (write(end, words.language) for end in ends)
    return words.say("{low} to {high}", low=low, high=high)


def _aligned(rows: Sequence[Sequence[str | Text]], sides: str) -> list[Text]:
    """Put cells below each other, at the left (<) or right (>) of their column."""
    cells = [[Text(cell) if isinstance(cell, str) else cell for cell in row] for row in rows]
    widths = [max(cell.cell_len for cell in column) for column in zip(*cells, strict=True)]
    lines = []
    for row in cells:
        line = Text(" ")
        for cell, width, side in zip(row, widths, sides, strict=True):
            blanks = " " * (width - cell.cell_len)
            line.append(" ").append(blanks if side == ">" else "").append_text(cell)
            line.append(blanks if side == "<" else "").append(" ")
        line.rstrip()
        lines.append(line)
    return lines


def _regression_rows(words: Words, figures: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    meanings = {
        "mae": ("MAE", words.say("the mean error, in the unit of the target")),
        "rmse": ("RMSE", words.say("the same, where large errors count more")),
        "r2": ("R²", words.say("1 is perfect, 0 is as good as always answering the mean")),
    }
    return [
        (key, name, number(figures[key], words.language), meaning)
        for key, (name, meaning) in meanings.items()
        if figures.get(key) is not None
    ]


def _classification_rows(
    words: Words, figures: Mapping[str, Any], classes: Sequence[Any]
) -> list[tuple[str, str, str, str]]:
    say, confusion = words.say, figures.get("confusion")
    rows = []
    if figures.get("accuracy") is not None:
        told = "" if confusion is None else _right(words, confusion, classes)
        share = percent(figures["accuracy"], words.language)
        rows.append(("accuracy", say("accuracy"), share, told))
    if figures.get("auc") is not None:
        value = number(figures["auc"], words.language)
        rows.append(("auc", say("AUC"), value, say("1 is perfect, 0.5 is guessing")))
    if figures.get("log_loss") is not None:
        value = number(figures["log_loss"], words.language)
        meaning = say("0 is perfect; confident mistakes cost most")
        rows.append(("log_loss", say("log loss"), value, meaning))
    return rows


def _right(words: Words, confusion: Sequence[Sequence[int]], classes: Sequence[Any]) -> str:
    """Say how many answers are right, and what the most frequent class alone would reach."""
    counts = [sum(row) for row in confusion]
    most = max(range(len(counts)), key=counts.__getitem__)
    return words.say(
        "{right} of {all} right; always answering {label} gives {share}",
        right=words.whole(sum(row[i] for i, row in enumerate(confusion))),
        all=words.whole(sum(counts)),
        label=_name(classes[most]),
        share=percent(counts[most] / max(sum(counts), 1), words.language),
    )


def confusion_table(
    words: Words, confusion: Sequence[Sequence[int]], classes: Sequence[Any]
) -> list[Text]:
    """Give the confusion matrix with the names of the classes, or its most frequent mistakes."""
    say = words.say
    if len(classes) > _MOST_CLASSES:
        return _mistakes_table(words, confusion, classes)
    names = [_name(label) for label in classes]
    heads = [say("predicted {label}", label=name) for name in names]
    rows: list[list[str | Text]] = [[say("actual"), *heads]]
    if len(names) > 2:
        rows = [["", say("predicted"), *[""] * (len(names) - 1)], [say("actual"), *names]]
    for i, row in enumerate(confusion):
        counts = [Text(words.whole(n), "bold" if i == j else "") for j, n in enumerate(row)]
        rows.append([names[i], *counts])
    return _aligned(rows, "<" + ">" * len(names))


def _mistakes_table(
    words: Words, confusion: Sequence[Sequence[int]], classes: Sequence[Any]
) -> list[Text]:
    mistakes = [
        (count, i, j)
        for i, row in enumerate(confusion)
        for j, count in enumerate(row)
        if i != j and count
    ]
    mistakes.sort(key=lambda mistake: (-mistake[0], mistake[1:]))
    rows = [
        (_name(classes[i]), _name(classes[j]), words.whole(count))
        for count, i, j in mistakes[:_MOST_MISTAKES]
    ]
    head = (words.say("most often actual"), words.say("predicted"), words.say("times"))
    return _aligned([head, *rows], "<<>")


def _name(label: Any) -> str:
    text = printable(label) or "''"
    if cell_len(text) <= _LONGEST_NAME:
        return text
    while cell_len(text) > _LONGEST_NAME - 3:
        text = text[:-1]
    return text + "..."
