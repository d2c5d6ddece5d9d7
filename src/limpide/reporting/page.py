"""A report as one page: its parts in order, and the frame around them.

Answers for the whole file. Not for: the figures' part (``results``), words or pictures.
"""

from __future__ import annotations

import os
import platform
from typing import Any

import numpy as np

import limpide
from limpide.languages import Words
from limpide.reporting import columns, effects, network_picture, results, telling, using
from limpide.reporting.charts import Axis, Series, figure, histogram, lines, range_of
from limpide.reporting.markup import Html, escaped, join, shortened, table, tag
from limpide.reporting.scales import padded, ticks
from limpide.reporting.study import Study
from limpide.reporting.style import STYLE
from limpide.retelling import kind_told, retold, task_told
from limpide.wording import number

_WIDE = 20  # losses that fall by more are drawn on a logarithmic axis
_MOST_EPOCHS = 400  # points of a line; of more epochs every k-th


def page(
    model: Any,
    study: Study | None,
    words: Words,
    model_file: str | os.PathLike[str] | None = None,
) -> str:
    """Give the report of a model as HTML.

    Parameters
    ----------
    model : limpide.Model
    study
        The rows to look at it with; None: what the model itself remembers.
    words
        In whose language it is.
    model_file
        Where the model is saved, if it is.
    """
    say = words.say
    if study is not None and study.y is None:
        study = _measured(model, study)
    parts = [
        ("results", say("How good it is"), results.results(model, study, words)),
        ("effects", say("What it goes by"), effects.effects(model, study, words)),
        ("data", say("The data"), _data(model, study, words)),
        ("network-part", say("The network"), _network(model, words)),
        ("training", say("How it was trained"), _training(model, words)),
        ("use", say("How to use it"), using.how_to_use(model, study, model_file, words)),
    ]
    title = say("What was learned about “{target}”", target=shortened(model.target, 60))
    body = _body(title, _answer(model, study, words), [part for part in parts if part[2]], words)
    return (
        f'<!DOCTYPE html>\n<html lang="{words.language}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "style-src 'unsafe-inline'\">\n"
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escaped(title)}</title>\n<style>\n{STYLE}\n</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def _body(
    title: str, answer: list[Html], shown: list[tuple[str, str, list[Html]]], words: Words
) -> Html:
    say = words.say
    links = tag("ul", *(tag("li", tag("a", title, href=f"#{key}")) for key, title, _ in shown))
    written = say(
        "Written by limpide {version}. This page stands alone: it loads nothing and sends nothing.",
        version=limpide.__version__,
    )
    nav = tag("nav", links, aria_label=say("Parts of this report"))
    return join(
        [
            tag("a", say("To the content"), href="#main", class_="skip"),
            tag("header", tag("h1", title), *answer, nav),
            tag("main", *(_section(*part) for part in shown), id="main"),
            tag("footer", tag("p", written)),
        ],
        "\n",
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


def _answer(model: Any, study: Study | None, words: Words) -> list[Html]:
    told = telling.what(model, words), " ", telling.how_good(model, study, words)
    parts = [tag("p", *told, class_="lead")]
    parts += [tag("p", warning, class_="note") for warning in telling.warnings_of(model, words)]
    tiles = results.tiles(model, study, words)
    return [*parts, tiles] if tiles else parts


# The data -----------------------------------------------------------------------------------------


def _data(model: Any, study: Study | None, words: Words) -> list[Html]:
    parts = [facts_list(_table_facts(model, words))]
    chart = _target_chart(model, study, words)
    if chart:
        parts.append(tag("div", chart, class_="charts"))
    frame = None
    if study is not None:
        names = {c.name for c in model.preprocessing.columns}
        frame = study.table.frame if names <= set(study.table.columns) else None
    if frame is not None:
        assert study is not None
        told = words.say("Missing cells are of the rows learned from; {values}.",
                         values=_whose_values(study, words))  # fmt: skip
        parts.append(tag("p", told, class_="soft"))
    return [*parts, *columns.columns_table(model, frame, words), *_notes(model, words)]


def _table_facts(model: Any, words: Words) -> list[tuple[str, str]]:
    facts, say, whole = model.facts, words.say, words.whole
    kinds = [c.kind for c in model.preprocessing.used]
    listed = ", ".join(
        say("{count} {kind}", count=whole(kinds.count(kind)), kind=kind_told(kind, words))
        for kind in dict.fromkeys(kinds)
    )
    missing = sum(c.missing for c in model.preprocessing.columns)
    target = say(
        "{target}: {task} ({why})",
        target=shortened(model.target, 60),
        task=task_told(model.task, words),
        why=retold(model.labels.why, words),
    )
    return [
        (say("table"), telling.source(model, words)),
        (say("rows learned from"), whole(facts.rows)),
        (say("rows held out to measure"), whole(facts.held_out)),
        (say("columns used"), f"{whole(len(kinds))} ({listed})" if kinds else say("none")),
        (say("columns left out"), whole(len(model.preprocessing.columns) - len(kinds))),
        (say("missing cells in rows learned from"), whole(missing)),
        (say("target"), target),
    ]  # fmt: skip


def _whose_values(study: Study, words: Words) -> str:
    """Say of which rows the table of columns shows the values, as a part of a sentence."""
    part = ""
    if study.table.n_rows != study.rows:
        part = words.say("{some} of ", some=words.whole(study.table.n_rows))
    if study.how == "held out":
        return words.plural(
            "values of {part}{n} row that it did not see while learning",
            "values of {part}{n} rows that it did not see while learning",
            study.rows,
            part=part,
        )
    if study.how == "given":
        return words.plural(
            "values of {part}the {n} row that was given to measure it",
            "values of {part}the {n} rows that were given to measure it",
            study.rows,
            part=part,
        )
    return words.plural(
        "values of {part}the {n} row that it learned from",
        "values of {part}the {n} rows that it learned from",
        study.rows,
        part=part,
    )


def _notes(model: Any, words: Words) -> list[Html]:
    if not model.notes:
        return []
    shown = [tag("li", shortened(retold(note, words), 400)) for note in model.notes[:40]]
    more = len(model.notes) - len(shown)
    if more > 0:
        shown.append(tag("li", words.plural("and {n} more", "and {n} more", more)))
    return [tag("h3", words.say("Notes")), tag("ul", *shown, class_="notes")]


def facts_list(entries: list[tuple[str, str]]) -> Html:
    """Give names and what is said of them."""
    return tag("dl", *(tag("div", tag("dt", key), tag("dd", told)) for key, told in entries),
               class_="facts")  # fmt: skip


def _target_chart(model: Any, study: Study | None, words: Words) -> Html | None:
    if study is None or study.y is None:
        return None
    if model.classes is not None:
        counts = np.bincount(study.y, minlength=len(model.classes))
        return results.class_bars("target", model.target, model.classes.tolist(), counts, words)
    values = study.y
    if values.min() == values.max():
        return None
    low, high = float(values.min()), float(values.max())
    edges = np.linspace(low, high, min(max(int(len(values) ** 0.5), 5), 30) + 1)
    counts, _ = np.histogram(values, edges)
    told = words.plural(
        "A histogram of {n} value from {low} to {high}; the mean is {mean}, the median {median}.",
        "A histogram of {n} values from {low} to {high}; the mean is {mean}, the median {median}.",
        len(values),
        low=number(low, words.language),
        high=number(high, words.language),
        mean=number(float(values.mean()), words.language),
        median=number(float(np.median(values)), words.language),
    )
    title = words.say("The target, {target}", target=shortened(model.target, 30))
    return histogram("target", title, told, edges.tolist(),
                     counts.tolist(), shortened(model.target, 40), words)  # fmt: skip


# The network and its training ---------------------------------------------------------------------


def _network(model: Any, words: Words) -> list[Html]:
    network, say, plural = model.network, words.say, words.plural
    if model.classes is None:
        gives = say("the number that is foretold")
    elif len(model.classes) == 2:
        gives = say("the probability of {label}", label=shortened(model.classes.tolist()[1], 30))
    else:
        gives = plural(
            "a probability for each of {n} class",
            "a probability for each of {n} classes",
            len(model.classes),
        )
    drawn, note = network_picture.draw(network, gives, words)
    told = say(
        "From left to right: {inputs}, {columns}; then layer by layer, up to {gives}. Each "
        "line is a weight, a number that was learned.",
        inputs=plural("{n} input", "{n} inputs", network.n_inputs),
        columns=plural("made of {n} column", "made of {n} columns", len(model.features)),
        gives=gives,
    )
    return [
        tag("p", f"{told} {note}"),
        tag("div", figure(drawn, say("The network, layer by layer")), class_="charts"),
        _layers(network, words),
    ]


def _layers(network: Any, words: Words) -> Html:
    say, rows = words.say, []
    for name, layer, n_inputs, n_outputs in network.placed:
        count = sum(int(np.prod(s.shape)) for s in layer.parameters(n_inputs).values())
        numbers = map(words.whole, (n_inputs, n_outputs, count))
        rows.append([shortened(name, 40), shortened(layer.describe(), 90), *numbers])
    listed = rows if len(rows) <= 30 else [*rows[:20], *rows[-5:]]
    caption = words.plural(
        "The layers; {n} adjustable number",
        "The layers; {n} adjustable numbers",
        network.n_parameters,
    )
    if len(listed) < len(rows):
        caption = words.plural(
            "{caption}. {n} in the middle is not listed",
            "{caption}. {n} in the middle are not listed",
            len(rows) - len(listed),
            caption=caption,
        )
    head = [say("Layer"), say("Kind"), say("In"), say("Out"), say("Numbers")]
    return table(caption, head, listed, numeric=[2, 3, 4])


def _training(model: Any, words: Words) -> list[Html]:
    history = model.history
    parts: list[Html] = []
    if history.loss:
        parts.append(tag("div", _losses(history, words), class_="charts"))
    versions = {
        "limpide": limpide.__version__,
        "Python, NumPy": f"{platform.python_version()}, {np.__version__}",
    }
    return [*parts, facts_list(telling.recipe_of(model, versions, words))]


def _losses(history: Any, words: Words) -> Html:
    say = words.say
    series = [_loss_series(say("learned"), history.loss)]
    if history.validation_loss:
        # Held out from all of the network or, in an ensemble, each from one of its members.
        series.append(_loss_series(say("unseen"), history.validation_loss, 1))
    every = [value for each in series for value in each.y]
    log = min(every) > 0 and max(every) > _WIDE * min(every)
    if log:
        low, high = min(every) / 1.2, max(every) * 1.2
    else:
        low, high = range_of(every)
        low = max(low, 0.0) if min(every) >= 0 else low
    count = len(history.loss)
    whole = [(t, words.whole(int(t))) for t in ticks(1, count, 4) if t >= 1 and t == round(t)]
    first, last = (1.0, float(count)) if count > 1 else padded(1, 1)
    x = Axis(say("epoch"), first, last, texts=whole, words=words)
    y = Axis(say("loss"), low, high, log=log, words=words)
    best = history.best_epoch
    if best is None and history.validation_loss:
        best = int(np.argmin(history.validation_loss))
    losses = history.validation_loss or history.loss
    mark = None if best is None or best >= len(losses) else (best + 1.0, losses[best])
    title = say("The loss after each epoch")
    if log:
        title = say("The loss after each epoch (logarithmic axis)")
    drawn = lines("losses", title, _losses_told(history, words), series, x, y, mark=mark)
    return tag("div", drawn, tag("p", _losses_note(history, mark, words), class_="soft"))


def _losses_told(history: Any, words: Words) -> str:
    first, last = _ends(history.loss, words)
    told = [words.say("The loss on the rows learned from goes from {first} to {last}",
                      first=first, last=last)]  # fmt: skip
    if history.validation_loss:
        first, last = _ends(history.validation_loss, words)
        told.append(words.say("on rows not learned from {first} to {last}", first=first, last=last))
    told.append(words.plural("in {n} epoch", "in {n} epochs", len(history.loss)))
    return ", ".join(told) + "."


def _losses_note(history: Any, mark: tuple[float, float] | None, words: Words) -> str:
    say = words.say
    note = [say("Lower is better.")]
    if mark is not None:
        place = {"epoch": words.whole(int(mark[0])), "loss": number(mark[1], words.language)}
        if history.best_epoch is not None:
            note.append(
                say("The circle is the weights that were kept: epoch {epoch}, {loss}.", **place)
            )
        else:
            note.append(say("The circle is the lowest: epoch {epoch}, {loss}.", **place))
    if history.validation_loss:
        note.append(say("Where the line of the unseen rows rises, the network learns by heart."))
    return " ".join(note)


def _loss_series(name: str, losses: list[float], look: int = 0) -> Series:
    """Give a line of losses; of very many epochs every k-th, and the last."""
    places = np.arange(len(losses))
    if len(losses) > _MOST_EPOCHS:
        places = np.unique(np.round(np.linspace(0, len(losses) - 1, _MOST_EPOCHS)).astype(int))
    return Series(name, (places + 1.0).tolist(), [losses[i] for i in places], look=look)


def _ends(losses: list[float], words: Words) -> tuple[str, str]:
    return number(losses[0], words.language), number(losses[-1], words.language)
