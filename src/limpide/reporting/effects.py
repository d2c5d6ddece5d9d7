"""A report's part on what a model goes by: the importance of each column, and what it does.

Answers for the time that this may take, whatever the size of the table. Not for: the numbers
themselves (``limpide.effects``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from limpide.effects import Importance, PartialDependence
from limpide.effects import partial_dependence as dependence_of
from limpide.effects import permutation_importance as importance_of
from limpide.effects.dependence import matrix_places
from limpide.languages import Words
from limpide.reporting import figures
from limpide.reporting.charts import (
    MOST_BARS,
    Axis,
    Series,
    bars,
    lines,
    range_of,
    told_apart,
    with_note,
)
from limpide.reporting.markup import Html, shortened, shortened_inside, tag
from limpide.reporting.study import Study
from limpide.reporting.telling import percent, value
from limpide.wording import number

_EFFECTS = 6  # columns whose effect is drawn
_WORK = 2e10  # multiplications that importance may take, about: a few seconds


def effects(model: Any, study: Study | None, words: Words) -> list[Html]:
    """Give what shuffling each column costs, and the effect of those that matter most."""
    if study is None or study.y is None or not model.features:
        return []
    say, importance = words.say, _importance(model, study)
    if importance is None:
        return [tag("p", say("There are too many columns to try each of them here; see "
                             "model.permutation_importance."))]  # fmt: skip
    told = say(
        "Each column in turn is shuffled among the rows, so that it says nothing more, and the "
        "{figure} is taken again: {baseline} before. Columns that say the same can stand in for "
        "each other, so that neither seems to matter; and what matters to the model need not be a "
        "cause.",
        figure=figures.title(importance.metric, words),
        baseline=number(importance.baseline, words.language),
    )
    parts = [tag("p", told), tag("div", _importance_chart(importance, words), class_="charts")]
    drawn = _dependences(model, study, importance, words)
    if drawn:
        mean = say("The mean answer over the rows, when the column is set to one value in all of "
                   "them.")  # fmt: skip
        parts += [tag("h3", say("What each of them does")), tag("p", mean),
                  tag("div", *drawn, class_="charts")]  # fmt: skip
    return parts


def _importance_chart(importance: Importance, words: Words) -> Html:
    say, count = words.say, len(importance.columns)
    shown = count if count <= MOST_BARS + 1 else MOST_BARS
    means, stds = list(importance.mean[:shown]), list(importance.std[:shown])
    texts = [value(mean, "unit", words) for mean in means]
    listed = zip(importance.columns[:shown], texts, strict=True)
    spoken = "; ".join(f"{shortened_inside(name, 40)}: {text}" for name, text in listed)
    title = say("How much worse the {figure} gets without a column",
                figure=figures.title(importance.metric, words))  # fmt: skip
    if shown < count:
        title = say("{title} (the first {shown} of {all})", title=title, shown=shown,
                    all=words.whole(count))  # fmt: skip
    chart = bars("importance", title, say("Bars, longest first. {spoken}.", spoken=spoken),
                 importance.columns[:shown], means, texts, stds)  # fmt: skip
    again = words.plural("{n} shuffle each", "{n} shuffles each", importance.repeats)
    note = words.plural("On {n} row, {again}", "On {n} rows, {again}", importance.rows, again=again)
    if importance.repeats > 1:
        return with_note(chart, say("{note}; thin lines are ± 1 deviation.", note=note))
    return with_note(chart, f"{note}.")


def _importance(model: Any, study: Study) -> Importance | None:
    """Take the importance of each column on as many rows as a few seconds allow."""
    places = matrix_places(model.preprocessing)
    each = 2.0 * max(model.network.n_parameters, 100) * len(places)
    repeats = 5 if each * 5 * 500 <= _WORK else 1
    rows = min(study.table.n_rows, int(_WORK / (each * repeats)), 5_000)
    if rows < min(study.table.n_rows, 50):
        return None
    assert study.y is not None
    X, _ = model.preprocessing.matrix(study.table)
    chosen = np.round(np.linspace(0, len(X) - 1, rows)).astype(np.int64)
    y = model.labels.encode(study.table)[0]
    return importance_of(model.predicted, X[chosen], y[chosen], places, None, repeats)


def _dependences(model: Any, study: Study, importance: Importance, words: Words) -> list[Html]:
    used = {one.name: one for one in model.preprocessing.used}
    pairs = zip(importance.columns, importance.mean, strict=True)
    names = [name for name, mean in pairs if mean > 0][:_EFFECTS]
    step = -(-study.table.n_rows // 500)
    table = study.table.take(np.arange(0, study.table.n_rows, step))
    X, _ = model.preprocessing.matrix(table)
    outputs = model._output_names()
    if model.classes is not None and len(outputs) == 1:
        outputs = [_probability(model.classes.tolist()[1], words)]
    drawn = []
    for i, name in enumerate(names):
        found, _ = dependence_of(model._outputs, model.preprocessing, table, X, used[name], outputs)
        drawn.append(_dependence(found, i, model.classes is not None, words))
    return drawn


def _probability(label: object, words: Words) -> str:
    return words.say("probability of {label}", label=shortened(label, 30))


def _dependence(found: PartialDependence, place: int, shares: bool, words: Words) -> Html:
    """Draw what one column does: bars for texts, else lines; ``shares``: to probabilities."""
    means, labels = np.asarray(found.mean), found.labels_in(words.language)
    swing = means.max(axis=0) - means.min(axis=0)
    chosen = np.argsort(-swing, kind="stable")[:3]
    pairs = zip(labels, means[:, chosen[0]], strict=True)
    spoken = "; ".join(
        f"{shortened(label, 30)}: {number(float(mean), words.language)}" for label, mean in pairs
    )
    told = f"{shortened(found.outputs[chosen[0]], 40)}. {spoken}."
    known = [i for i, value in enumerate(found.grid) if value is not None]
    if found.kind in ("text", "boolean") or len(known) < 2:
        return _dependence_bars(found, place, told, int(chosen[0]), shares, words)
    x, texts = _across(found, known, labels)
    missing = [i for i, value in enumerate(found.grid) if value is None]
    series = [
        Series(shortened(found.outputs[k], 24), x, means[known, k].tolist(), len(x) <= 20, int(k))
        for k in sorted(chosen)
    ]
    series = told_apart(series, len(found.outputs))
    level = (float(means[missing[0], chosen[0]]), words.say("missing")) if missing else None
    low, high = range_of(*(each.y for each in series), [level[0]] if level else [], share=0.08)
    if shares:
        low, high = max(0.0, low), min(1.0, high)
        low, high = (low, high) if high - low > 0.02 else (max(0, low - 0.05), min(1, high + 0.05))
    title, what = shortened_inside(found.column, 40), words.say("probability")
    what = found.outputs[0] if len(found.outputs) == 1 else what
    mean = words.say("mean {what}", what=shortened(what, 40))
    x_axis = Axis(title, x[0], x[-1], texts=texts, words=words)
    y_axis = Axis(mean, low, high, percent=shares, words=words)
    return lines(f"effect{place}", title, told, series, x_axis, y_axis, level=level)


def _dependence_bars(
    found: PartialDependence, place: int, told: str, best: int, shares: bool, words: Words
) -> Html:
    """Draw the mean of one output at each value as a bar."""
    several = len(found.outputs) > 1
    what = _probability(found.outputs[best], words) if several else found.outputs[0]
    values = [float(row[best]) for row in found.mean][:MOST_BARS]
    written = [percent(v, words) if shares else number(v, words.language) for v in values]
    title = words.say("{column}: mean {what}", column=shortened_inside(found.column, 40),
                      what=shortened(what, 44))  # fmt: skip
    names = found.labels_in(words.language)[:MOST_BARS]
    return bars(f"effect{place}", title, told, names, values, written)


def _across(
    found: PartialDependence, known: list[int], labels: Sequence[str]
) -> tuple[list[float], list[tuple[float, str]]]:
    """Give the places of a grid's values; times are written out, numbers are left to the axis."""
    values = [found.grid[i] for i in known]
    if found.kind == "number":
        return [float(value) for value in values], []
    if hasattr(values[0], "toordinal"):
        x = [value.toordinal() + _hours(value) / 24 for value in values]
    else:
        x = [float(i) for i in range(len(values))]
    few = sorted({0, len(values) // 2, len(values) - 1})
    return x, [(x[i], labels[known[i]][:10]) for i in few]


def _hours(value: Any) -> float:
    return getattr(value, "hour", 0) + getattr(value, "minute", 0) / 60
