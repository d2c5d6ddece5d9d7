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
    model: Any,
    path: str,
    following: str,
    interrupted: bool,
    page: str | None = None,
) -> None:
    """Print what was done to each column, the figures, and the command to type next."""
    facts, history = model.facts, model.history
    _print(screen, shown(model.summary(figures=False)))
    screen.print()
    planned = facts.recipe["epochs"]
    if interrupted:
        epochs = f"{history.epochs:,} of {counted(planned, 'epoch')}"
        _print(screen, f"Interrupted after {epochs}.", "bold")
    if model.figures:
        _print(screen, f"Measured on the {counted(facts.held_out, 'row')} held out:", "bold")
        print_figures(screen, model.figures, model.classes)
    else:
        _print(screen, "Not measured: no rows were held out.", "bold")
    screen.print()
    kept = " what was learned so far" if interrupted else ""
    _print(screen, f"Saved{kept} to {printable(path)}")
    if page is not None:
        _print(screen, f"The report is {printable(page)}")
    _print(screen, f"Next: {following}")


def print_figures(screen: Console, figures: Mapping[str, Any], classes: Any) -> None:
    """Print the figures as a table, and below it the confusion matrix of a classifier.

    Where there are ``intervals`` among the figures, every figure is shown with its own.
    """
    names = None if classes is None else list(classes)
    lines = figures_table(figures, names)
    if names is not None and figures.get("confusion") is not None:
        lines += [Text(""), *confusion_table(figures["confusion"], names)]
    for line in lines:
        screen.print(line, soft_wrap=True)


def print_measured(screen: Console, rows: int, figures: Mapping[str, Any], classes: Any) -> None:
    """Print on how many rows a model was measured, and its figures."""
    _print(screen, f"Measured on {counted(rows, 'row')}:", "bold")
    print_figures(screen, figures, classes)


def _print(screen: Console, text: str, style: str = "") -> None:
    """Print text as it is: lines that are to be copied, searched or aligned are not wrapped."""
    screen.print(text, style=style, soft_wrap=True)


def figures_table(figures: Mapping[str, Any], classes: Sequence[Any] | None) -> list[Text]:
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
        rows = _regression_rows(figures)
    else:
        rows = _classification_rows(figures, classes)
    if "intervals" in figures:
        spans = [_span(figures["intervals"].get(key), key) for key, *_ in rows]
        return _aligned(
            [
                (name, Text(value, "bold"), span, Text(words, "dim"))
                for (_, name, value, words), span in zip(rows, spans, strict=True)
            ],
            "<>><",
        )
    return _aligned(
        [(name, Text(value, "bold"), Text(words, "dim")) for _, name, value, words in rows], "<><"
    )


def _span(ends: Sequence[float] | None, key: str) -> str:
    """Give an interval in words."""
    if ends is None:
        return ""
    low, high = (percent(end) if key == "accuracy" else number(end) for end in ends)
    return f"{low} to {high}"


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


def _regression_rows(figures: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    words = {
        "mae": ("MAE", "the mean error, in the unit of the target"),
        "rmse": ("RMSE", "the same, where large errors count more"),
        "r2": ("R²", "1 is perfect, 0 is as good as always answering the mean"),
    }
    return [
        (key, name, number(figures[key]), meaning)
        for key, (name, meaning) in words.items()
        if figures.get(key) is not None
    ]


def _classification_rows(
    figures: Mapping[str, Any], classes: Sequence[Any]
) -> list[tuple[str, str, str, str]]:
    confusion = figures.get("confusion")
    rows = []
    if figures.get("accuracy") is not None:
        words = ""
        if confusion is not None:
            total = sum(map(sum, confusion))
            right = sum(row[i] for i, row in enumerate(confusion))
            words = f"{right:,} of {total:,} right; {_always(confusion, classes)}"
        rows.append(("accuracy", "accuracy", percent(figures["accuracy"]), words))
    if figures.get("auc") is not None:
        rows.append(("auc", "AUC", number(figures["auc"]), "1 is perfect, 0.5 is guessing"))
    if figures.get("log_loss") is not None:
        meaning = "0 is perfect; confident mistakes cost most"
        rows.append(("log_loss", "log loss", number(figures["log_loss"]), meaning))
    return rows


def _always(confusion: Sequence[Sequence[int]], classes: Sequence[Any]) -> str:
    """Say what the most frequent class alone would have reached."""
    counts = [sum(row) for row in confusion]
    most = max(range(len(counts)), key=counts.__getitem__)
    share = percent(counts[most] / max(sum(counts), 1))
    return f"always answering {_name(classes[most])} gives {share}"


def confusion_table(confusion: Sequence[Sequence[int]], classes: Sequence[Any]) -> list[Text]:
    """Give the confusion matrix with the names of the classes, or its most frequent mistakes."""
    if len(classes) > _MOST_CLASSES:
        return _mistakes_table(confusion, classes)
    names = [_name(label) for label in classes]
    rows: list[list[str | Text]] = [["actual", *(f"predicted {name}" for name in names)]]
    if len(names) > 2:
        rows = [["", "predicted", *[""] * (len(names) - 1)], ["actual", *names]]
    for i, row in enumerate(confusion):
        counts = [Text(f"{n:,}", "bold" if i == j else "") for j, n in enumerate(row)]
        rows.append([names[i], *counts])
    return _aligned(rows, "<" + ">" * len(names))


def _mistakes_table(confusion: Sequence[Sequence[int]], classes: Sequence[Any]) -> list[Text]:
    mistakes = [
        (count, i, j)
        for i, row in enumerate(confusion)
        for j, count in enumerate(row)
        if i != j and count
    ]
    mistakes.sort(key=lambda mistake: (-mistake[0], mistake[1:]))
    rows = [
        (_name(classes[i]), _name(classes[j]), f"{count:,}")
        for count, i, j in mistakes[:_MOST_MISTAKES]
    ]
    return _aligned([("most often actual", "predicted", "times"), *rows], "<<>")


def _name(label: Any) -> str:
    text = printable(label) or "''"
    if cell_len(text) <= _LONGEST_NAME:
        return text
    while cell_len(text) > _LONGEST_NAME - 3:
        text = text[:-1]
    return text + "..."
