"""A report as one page: its parts in order, the frame around them, and how to use the model.

Answers for the whole file. Not for: the figures' part (``results``), words or pictures.
"""

from __future__ import annotations

import os
import platform
from typing import Any

import numpy as np

import limpide
from limpide.reporting import columns, effects, network_picture, results, words
from limpide.reporting.charts import Axis, Series, figure, histogram, lines, range_of
from limpide.reporting.markup import Html, clean, escaped, join, shortened, table, tag
from limpide.reporting.scales import padded, ticks
from limpide.reporting.study import Study
from limpide.reporting.style import STYLE
from limpide.wording import command, counted, number

_WIDE = 20  # losses that fall by more are drawn on a logarithmic axis
_MOST_EPOCHS = 400  # points of a line; of more epochs every k-th


def page(model: Any, study: Study | None, model_file: str | os.PathLike[str] | None = None) -> str:
    """Give the report of a model as HTML.

    Parameters
    ----------
    model : limpide.Model
    study
        The rows to look at it with; None: what the model itself remembers.
    model_file
        Where the model is saved, if it is.
    """
    if study is not None and study.y is None:
        study = _measured(model, study)
    parts = [
        ("results", "How good it is", results.results(model, study)),
        ("effects", "What it goes by", effects.effects(model, study)),
        ("data", "The data", _data(model, study)),
        ("network-part", "The network", _network(model)),
        ("training", "How it was trained", _training(model)),
        ("use", "How to use it", _use(model, study, model_file)),
    ]
    shown = [(key, title, made) for key, title, made in parts if made]
    links = tag("ul", *(tag("li", tag("a", title, href=f"#{key}")) for key, title, _ in shown))
    title = f"What was learned about “{shortened(model.target, 60)}”"
    body = join(
        [
            tag("a", "To the content", href="#main", class_="skip"),
            tag("header", tag("h1", title), *_answer(model, study),
                tag("nav", links, aria_label="Parts of this report")),
            tag("main", *(_section(*part) for part in shown), id="main"),
            tag("footer", tag("p", f"Written by limpide {limpide.__version__}. This page stands "
                "alone: it loads nothing and sends nothing.")),
        ],
        "\n",
    )  # fmt: skip
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "style-src 'unsafe-inline'\">\n"
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escaped(title)}</title>\n<style>\n{STYLE}\n</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def _section(key: str, title: str, made: list[Html]) -> Html:
    head = tag("h2", title, id=f"{key}-title")
    return tag("section", head, *made, id=key, aria_labelledby=f"{key}-title")


def _measured(model: Any, study: Study) -> Study:
    """Work out what a study of rows that were trained on lacks."""
    y, there = model.labels.encode(study.table)
    rows = np.flatnonzero(there)
    table = study.table.take(rows)
    X, _ = model.preprocessing.matrix(table)
    return Study(table, y[rows], model.predicted(X), None, study.how)


def _answer(model: Any, study: Study | None) -> list[Html]:
    parts = [tag("p", words.what(model), " ", words.how_good(model, study), class_="lead")]
    parts += [tag("p", told, class_="note") for told in words.warnings_of(model)]
    tiles = results.tiles(model, study)
    return [*parts, tiles] if tiles else parts


# The data -----------------------------------------------------------------------------------------


def _data(model: Any, study: Study | None) -> list[Html]:
    facts = model.facts
    kinds = [c.kind for c in model.preprocessing.used]
    told = ", ".join(f"{kinds.count(kind):,} {kind}" for kind in dict.fromkeys(kinds))
    left_out = len(model.preprocessing.columns) - len(kinds)
    entries = [
        ("table", words.source(model)),
        ("rows learned from", f"{facts.rows:,}"),
        ("rows held out to measure", f"{facts.held_out:,}"),
        ("columns used", f"{len(kinds):,} ({told})" if kinds else "none"),
        ("columns left out", f"{left_out:,}"),
        ("missing cells in rows learned from",
         f"{sum(c.missing for c in model.preprocessing.columns):,}"),
        ("target", f"{shortened(model.target, 60)}: {model.task} ({model.labels.why})"),
    ]  # fmt: skip
    parts = [facts_list(entries)]
    chart = _target_chart(model, study)
    if chart:
        parts.append(tag("div", chart, class_="charts"))
    frame = None
    if study is not None:
        names = {c.name for c in model.preprocessing.columns}
        frame = study.table.frame if names <= set(study.table.columns) else None
    if frame is not None:
        assert study is not None
        part = "" if study.table.n_rows == study.rows else f"{study.table.n_rows:,} of "
        told = f"Missing cells are of the rows learned from; values of {part}{words.whose(study)}."
        parts.append(tag("p", told, class_="soft"))
    parts += columns.columns_table(model, frame)
    if model.notes:
        parts.append(tag("h3", "Notes"))
        shown = [tag("li", shortened(note, 400)) for note in model.notes[:40]]
        more = len(model.notes) - len(shown)
        if more > 0:
            shown.append(tag("li", f"and {more:,} more"))
        parts.append(tag("ul", *shown, class_="notes"))
    return parts


def facts_list(entries: list[tuple[str, str]]) -> Html:
    """Give names and what is said of them."""
    return tag("dl", *(tag("div", tag("dt", key), tag("dd", told)) for key, told in entries),
               class_="facts")  # fmt: skip


def _target_chart(model: Any, study: Study | None) -> Html | None:
    if study is None or study.y is None:
        return None
    title = f"The target, {shortened(model.target, 30)}"
    if model.classes is not None:
        counts = np.bincount(study.y, minlength=len(model.classes))
        return results.class_bars(
            "target", f"{title}: rows of each class", model.classes.tolist(), counts
        )
    values = study.y
    if values.min() == values.max():
        return None
    low, high = float(values.min()), float(values.max())
    edges = np.linspace(low, high, min(max(int(len(values) ** 0.5), 5), 30) + 1)
    counts, _ = np.histogram(values, edges)
    told = (
        f"A histogram of {len(values):,} values from {number(low)} to {number(high)}; the mean is "
        f"{number(float(values.mean()))}, the median {number(float(np.median(values)))}."
    )
    return histogram("target", title, told, edges.tolist(),
                     counts.tolist(), shortened(model.target, 40))  # fmt: skip


# The network and its training ---------------------------------------------------------------------


def _network(model: Any) -> list[Html]:
    network = model.network
    if model.classes is None:
        gives = "the number that is foretold"
    elif len(model.classes) == 2:
        gives = f"the probability of {shortened(model.classes.tolist()[1], 30)}"
    else:
        gives = f"a probability for each of {len(model.classes)} classes"
    drawn, note = network_picture.draw(network, "inputs", gives)
    told = (
        f"From left to right: {counted(network.n_inputs, 'input')}, made of "
        f"{counted(len(model.features), 'column')}; then layer by layer, up to {gives}. Each line "
        f"is a weight, a number that was learned. {note}"
    )
    rows = []
    for name, layer, n_inputs, n_outputs in network.placed:
        count = sum(int(np.prod(s.shape)) for s in layer.parameters(n_inputs).values())
        kind = shortened(layer.describe(), 90)
        rows.append([shortened(name, 40), kind, f"{n_inputs:,}", f"{n_outputs:,}", f"{count:,}"])
    listed = rows if len(rows) <= 30 else [*rows[:20], *rows[-5:]]
    caption = f"The layers; {network.n_parameters:,} adjustable numbers"
    if len(listed) < len(rows):
        caption += f". {len(rows) - len(listed)} in the middle are not listed"
    head = ["Layer", "Kind", "In", "Out", "Numbers"]
    return [
        tag("p", told),
        tag("div", figure(drawn, "The network, layer by layer"), class_="charts"),
        table(caption, head, listed, numeric=[2, 3, 4]),
    ]


def _training(model: Any) -> list[Html]:
    history = model.history
    parts: list[Html] = []
    if history.loss:
        parts.append(tag("div", _losses(history), class_="charts"))
    versions = {
        "limpide": limpide.__version__,
        "Python, NumPy": f"{platform.python_version()}, {np.__version__}",
    }
    return [*parts, facts_list(words.recipe_of(model, versions))]


def _losses(history: Any) -> Html:
    series = [_loss_series("learned", history.loss)]
    told = [f"The loss on the rows learned from goes from {_ends(history.loss)}"]
    if history.validation_loss:
        # Held out from all of the network or, in an ensemble, each from one of its members.
        series.append(_loss_series("unseen", history.validation_loss, 1))
        told.append(f"on rows not learned from {_ends(history.validation_loss)}")
    every = [value for each in series for value in each.y]
    log = min(every) > 0 and max(every) > _WIDE * min(every)
    if log:
        low, high = min(every) / 1.2, max(every) * 1.2
    else:
        low, high = range_of(every)
        low = max(low, 0.0) if min(every) >= 0 else low
    count = len(history.loss)
    whole = [(t, f"{t:,.0f}") for t in ticks(1, count, 4) if t >= 1 and t == round(t)]
    first, last = (1.0, float(count)) if count > 1 else padded(1, 1)
    x = Axis("epoch", first, last, texts=whole)
    y = Axis("loss", low, high, log=log)
    mark, note = None, "Lower is better."
    losses = history.validation_loss or history.loss
    best = history.best_epoch
    if best is None and history.validation_loss:
        best = int(np.argmin(losses))
    if best is not None and best < len(losses):
        mark = (best + 1.0, losses[best])
        word = "the weights that were kept" if history.best_epoch is not None else "the lowest"
        note += f" The circle is {word}: epoch {best + 1:,}, {number(losses[best])}."
    if history.validation_loss:
        note += " Where the line of the unseen rows rises, the network learns by heart."
    title = "The loss after each epoch" + (" (logarithmic axis)" if log else "")
    told.append(f"in {counted(count, 'epoch')}")
    drawn = lines("losses", title, ", ".join(told) + ".", series, x, y, mark=mark)
    return tag("div", drawn, tag("p", note, class_="soft"))


def _loss_series(name: str, losses: list[float], look: int = 0) -> Series:
    """Give a line of losses; of very many epochs every k-th, and the last."""
    places = np.arange(len(losses))
    if len(losses) > _MOST_EPOCHS:
        places = np.unique(np.round(np.linspace(0, len(losses) - 1, _MOST_EPOCHS)).astype(int))
    return Series(name, (places + 1.0).tolist(), [losses[i] for i in places], look=look)


def _ends(losses: list[float]) -> str:
    return f"{number(losses[0])} to {number(losses[-1])}"


# How to use it ------------------------------------------------------------------------------------


def _use(model: Any, study: Study | None, model_file: str | os.PathLike[str] | None) -> list[Html]:
    path = "model.safetensors" if model_file is None else clean(os.fspath(model_file))
    data = _data_file(model)
    code = ["import limpide as lp", ""]
    if model_file is None:
        code.append(f"model.save({path!r})  # the model that this report is of, first of all")
    code.append(f"model = lp.load({path!r})")
    answers = "the number foretold" if model.classes is None else "a class"
    code.append(f"model.predict({data!r})  # {answers} for each row")
    if model.classes is not None:
        code.append(f"model.predict_proba({data!r})  # the probability of each class")
    code.append(f"model.evaluate({data!r}, intervals=True)  # the figures, on rows with the target")
    row = None if study is None else columns.example_row(model, study.table.frame)
    if row:
        code.append(f"model.predict({row})  # one row")
    shell = [
        command("limpide", "predict", path, data),
        command("limpide", "predict", path, data, "--out", "answers.csv"),
        command("limpide", "evaluate", path, data),
        command("limpide", "verify", path),
    ]
    listed = [shortened(name, 40) for name in model.features[: columns.MOST_LISTED]]
    more = len(model.features) - len(listed)
    names = ", ".join(listed) + (f", and {more:,} more" if more else "")
    return [
        tag("p", "Give it any table with these columns, in any order: ", tag("b", names), "."),
        tag("h3", "From Python"),
        tag("pre", tag("code", "\n".join(code)), tabindex="0", role="region",
            aria_label="Python code that uses the model"),
        tag("h3", "From the shell"),
        tag("pre", tag("code", "\n".join(shell)), tabindex="0", role="region",
            aria_label="Commands that use the model"),
    ]  # fmt: skip


def _data_file(model: Any) -> str:
    """Give the file that the table came from, or a name in its place."""
    return clean(words.source_path(model) or "data.csv")
