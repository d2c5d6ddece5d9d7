"""What a report says in plain words: what was learned, how good it is, what guessing would give.

Answers for sentences that a reader without training understands and that claim no more than was
measured. Not for: tables and pictures (``sections``).
"""

from __future__ import annotations

import ast
import os
from collections.abc import Mapping
from typing import Any

from limpide.metrics.resampling import Interval
from limpide.reporting.markup import Html, join, shortened, tag
from limpide.reporting.study import Study
from limpide.wording import counted, number
from limpide.wording import percent as written_percent

_NAME = 40  # letters of a class or column in a sentence


def named(label: object) -> Html:
    """Give a class or a column's name, set apart from the words around it."""
    return tag("b", shortened(label, _NAME))


def percent(share: float) -> str:
    """Give a share in per cent, the sign never on a line of its own.

    >>> percent(0.5)
    '50.0\\xa0%'
    """
    return written_percent(share).replace(" ", "\xa0")


def value(figure: float | None, kind: str) -> str:
    """Give a figure as people write it.

    >>> value(0.871, "share"), value(None, "number"), value(0.98666, "number"), value(-1234.56, "")
    ('87.1\\xa0%', '–', '0.987', '−1,235')
    """
    if figure is None:
        return "–"
    if kind == "share":
        return percent(figure)
    if kind == "number" and (abs(figure) < 1e-9 or 0.01 <= abs(figure) < 10):
        return f"{figure:.3f}".replace("-", "−")
    return number(figure).replace("-", "−")


def between(found: Interval, kind: str) -> str:
    """Give an interval as text, empty where there is none.

    >>> between(Interval(0.5, 0.4, 0.6, 0.95, 1000), "share")
    '40.0\\xa0% to 60.0\\xa0%'
    """
    if found.low is None or found.high is None:
        return ""
    return f"{value(found.low, kind)} to {value(found.high, kind)}"


def what(model: Any) -> Html:
    """Say what was learned from what."""
    columns = counted(len(model.features), "column")
    rows = counted(model.facts.rows + model.facts.held_out, "row")
    told = f" from {columns} of {source(model)}, {rows} in all."
    numbers = f"A neural network of {model.network.n_parameters:,} adjustable numbers"
    if model.classes is None:
        return join([f"{numbers} learned to foretell ", named(model.target), told])
    labels = model.classes.tolist()
    if len(labels) > 3:
        listed = join([f"{len(labels)} classes: ", named(labels[0]), ", ", named(labels[1]), ", …"])
    else:
        listed = _or(labels)
    return join([f"{numbers} learned to tell ", named(model.target), " (", listed, ")", told])


def source(model: Any) -> str:
    """Say where the table came from: a file's name without its folders, which are private."""
    path = source_path(model)
    if path is not None:
        return shortened(os.path.basename(os.path.normpath(path)), 60)
    return f"a {shortened(model.facts.source, 60)}"


def source_path(model: Any) -> str | None:
    """Give the path of the file that the table came from; None for a table in memory."""
    try:
        path = ast.literal_eval(model.facts.source)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    return path if isinstance(path, str) and path else None


def _or(labels: list[Any]) -> Html:
    parts: list[object] = [named(labels[0])]
    for label in labels[1:-1]:
        parts += [", ", named(label)]
    return join([*parts, " or ", named(labels[-1])])


def whose(study: Study) -> str:
    """Say on which rows it was measured."""
    rows = counted(study.rows, "row")
    if study.how == "held out":
        return f"{rows} that it did not see while learning"
    if study.how == "given":
        return f"the {rows} that were given to measure it"
    return f"the {rows} that it learned from"


def how_good(model: Any, study: Study | None) -> Html:
    """Say how good it is, beside always answering the same."""
    if study is None or study.y is None:
        if not model.figures:
            return Html(
                "How good it is was not measured: no rows were held out. Measure it on other rows "
                "before you rely on it."
            )
        return _remembered(model)
    good = _classes(model, study) if model.classes is not None else _numbers(model, study)
    if study.how == "trained on":
        return join([good, " These are rows it learned from, so the figures flatter it."])
    return good


def _remembered(model: Any) -> Html:
    """Say what the model's file says: figures without the rows."""
    rows = counted(model.facts.held_out, "row")
    figures = model.figures
    if model.classes is None:
        told = f"it was off by {number(figures['mae'])} on average (root mean square "
        return Html(f"On {rows} held out from training, {told}{number(figures['rmse'])}).")
    share = percent(figures["accuracy"])
    told = join([f"On {rows} held out from training, it answered {share} right."])
    if not figures.get("confusion"):
        return told
    counts = [sum(row) for row in figures["confusion"]]
    most = max(range(len(counts)), key=counts.__getitem__)
    usual = percent(counts[most] / max(sum(counts), 1))
    label = named(model.classes.tolist()[most])
    return join([told, " Always answering ", label, f", the most frequent class, gives {usual}."])


def _classes(model: Any, study: Study) -> Html:
    found, base = study.figures["accuracy"], study.guessing["accuracy"] or 0.0
    usual = model.classes.tolist()[int(study.usual)]
    share = value(found.estimate, "share")
    span = between(found, "share")
    told = join(
        [
            f"On {whose(study)}, it answers ",
            tag("b", f"{share} right"),
            f" ({span})" if span and found.low != found.high else "",
            "; always answering ",
            named(usual),
            f", the most frequent class, would be right for {percent(base)}. ",
        ]
    )
    return join([told, _verdict(found, base, study)])


def _verdict(found: Interval, base: float, study: Study) -> str:
    right = found.estimate or 0.0
    if base == 1:
        return "All of these rows are of one class: they cannot say how good it is."
    if found.low is not None and found.low > base:
        if right == 1:
            return "It makes no mistake on these rows."
        fewer = (1 - base) / (1 - right)
        if fewer >= 1.5:
            times = f"{fewer:.1f}" if fewer < 9.95 else f"{fewer:,.0f}"
            return f"It makes {times} times fewer mistakes than that."
        return f"It makes {percent(1 - (1 - right) / (1 - base))} fewer mistakes than that."
    auc = study.figures["auc"]
    ranks = auc.low is not None and auc.low > 0.5
    more = " It does put the classes in order better than chance, though." if ranks else ""
    if right > base:
        return f"With so few rows, that may be chance: it is not surely better.{more}"
    return f"That is no better than guessing.{more or ' The columns may not tell the target.'}"


def _numbers(model: Any, study: Study) -> Html:
    found, base = study.figures, study.guessing["mae"] or 0.0
    mae, r2 = found["mae"], found["r2"].estimate
    span = between(mae, "unit")
    told = join(
        [
            f"On {whose(study)}, its answers are ",
            tag("b", f"off by {value(mae.estimate, 'unit')}"),
            " on average",
            f" ({span})" if span and mae.low != mae.high else "",
            f", in the unit of {shortened(model.target, _NAME)}; always answering the mean, "
            f"{number(study.usual)}, would be off by {number(base)}. ",
        ]
    )
    if r2 is None:
        return told
    if base == 0:
        return join([told, "All of these rows have one value: they cannot say how good it is."])
    if r2 <= 0:
        return join([told, "That is no better than guessing."])
    if r2 > 0.9995:
        return join([told, "It explains nearly all of what makes the values differ."])
    return join([told, f"It explains {percent(r2)} of what makes the values differ (R²)."])


def warnings_of(model: Any) -> list[str]:
    """Give what a reader has to know before the rest."""
    history, found = model.history, []
    planned = model.facts.recipe.get("epochs")
    if history.interrupted:
        of = f" of {counted(planned, 'epoch')}" if planned else ""
        found.append(f"Training was interrupted after {history.epochs:,}{of}.")
    return found


def recipe_of(model: Any, versions: Mapping[str, str]) -> list[tuple[str, str]]:
    """Give how it was trained, as names and words."""
    history, recipe = model.history, dict(model.facts.recipe)
    hidden = recipe.pop("hidden", None)
    rows: list[tuple[str, str]] = []
    if hidden is not None:
        rows.append(("hidden layers", ", ".join(map(str, hidden)) or "none"))
    planned = recipe.pop("epochs", None)
    epochs = counted(history.epochs, "epoch").removesuffix("epochs").removesuffix("epoch").strip()
    of = f" of {planned:,}" if planned not in (None, history.epochs) else ""
    rows.append(("epochs (times through the rows)", f"{epochs}{of}"))
    rows.append(("rows a step", f"{history.batch_size or recipe.get('batch_size', 0):,}"))
    recipe.pop("batch_size", None)
    known = {"learning_rate": "first learning rate", "scaling": "scaling of numbers"}
    for key, setting in recipe.items():
        shown = f"{setting:g}" if isinstance(setting, float) else str(setting)
        rows.append((known.get(key, key.replace("_", " ")), shown))
    if history.best_epoch is not None:
        rows.append(("weights kept from epoch", f"{history.best_epoch + 1:,}"))
    if history.stopped:
        rows.append(("ended", str(history.stopped)))
    rows.append(("steps", f"{history.steps:,}"))
    rows.append(("time", _seconds(history.seconds)))
    rows.append(("engine", history.engine or "–"))
    return [*rows, *versions.items()]


def _seconds(seconds: float) -> str:
    if seconds >= 90:
        minutes, rest = divmod(round(seconds), 60)
        return f"{minutes:,} min {rest} s"
    return f"{seconds:.1f} s" if seconds >= 0.1 else "less than 0.1 s"
