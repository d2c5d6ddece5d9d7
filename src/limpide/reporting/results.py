"""A report's part on how good a model is: figures, matrices, curves.

Answers for what was measured on a study's rows. Not for: the frame of the page (``page``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from limpide.ir import Array
from limpide.metrics import decisions
from limpide.metrics.classification import auc, confusion_matrix
from limpide.metrics.curves import average_precision, precision_recall_curve, roc_curve
from limpide.metrics.figures import CLASSIFICATION, REGRESSION
from limpide.metrics.probabilities import calibration_curve
from limpide.metrics.regression import error_quantiles
from limpide.reporting import words
from limpide.reporting.charts import (
    MOST_BARS,
    Axis,
    Series,
    bars,
    lines,
    points,
    range_of,
    told_apart,
    with_note,
)
from limpide.reporting.markup import Html, shortened, table, tag
from limpide.reporting.study import Study
from limpide.reporting.words import percent
from limpide.wording import counted, number

_MATRIX = 12  # classes of a confusion matrix that is shown whole
_LISTED = 20  # classes of a table
_CURVES = 6
_POINTS = 240  # of a curve
_TILES = {
    "classes": ("accuracy", "auc", "log_loss", "calibration_error"),
    "numbers": ("mae", "rmse", "r2", "median_absolute_error"),
}


def tiles(model: Any, study: Study | None) -> Html | None:
    """Give the main figures, large, each with its interval or what it says."""
    known = CLASSIFICATION if model.classes is not None else REGRESSION
    chosen = _TILES["classes" if model.classes is not None else "numbers"]
    entries = []
    for name in chosen:
        figure, more = known[name], ""
        if study is not None and study.y is not None:
            found = study.figures[name]
            estimate = found.estimate
            span = words.between(found, figure.kind)
            more = f"95 %: {span}" if span and found.low != found.high else ""
        else:
            estimate = (model.figures or {}).get(name)
        if estimate is not None:
            entries.append((figure.title, words.value(estimate, figure.kind), more))
    if not entries:
        return None
    return tag("dl", *(
        tag("div", tag("dt", title), tag("dd", tag("div", shown, class_="big"),
                                         tag("div", more, class_="more") if more else ""))
        for title, shown, more in entries
    ), class_="tiles")  # fmt: skip


def results(model: Any, study: Study | None) -> list[Html]:
    """Give the figures and the pictures of what was predicted."""
    if study is None or study.y is None:
        return _remembered(model)
    parts = [tag("p", f"Measured on {words.whose(study)}.")]
    if study.how == "trained on":
        parts.append(tag("p", "A network knows the rows it learned from: these figures flatter it. "
                         "Measure it on others with limpide evaluate.", class_="note"))  # fmt: skip
    parts.append(_figures(model, study))
    if model.classes is not None:
        return [*parts, *_classes(model, study)]
    return [*parts, *_numbers(model, study)]


def _remembered(model: Any) -> list[Html]:
    if not model.figures:
        return []
    known = CLASSIFICATION if model.classes is not None else REGRESSION
    rows = [
        [figure.title, words.value(model.figures[name], figure.kind), figure.meaning]
        for name, figure in known.items()
        if model.figures.get(name) is not None
    ]
    told = f"As measured after training, on {counted(model.facts.held_out, 'row')} held out."
    parts = [tag("p", told)]
    parts.append(table("The figures", ["Figure", "Value", "How to read it"], rows, numeric=[1],
                       class_="wide"))  # fmt: skip
    if model.figures.get("confusion") and len(model.classes) <= _MATRIX:
        parts.append(_confusion(np.array(model.figures["confusion"]), model.classes.tolist(), ""))
    return parts


def _figures(model: Any, study: Study) -> Html:
    known = CLASSIFICATION if model.classes is not None else REGRESSION
    rows = []
    for name, found in study.figures.items():
        figure = known[name]
        rows.append(
            [
                figure.title,
                words.value(found.estimate, figure.kind),
                words.between(found, figure.kind) or "–",
                words.value(study.guessing[name], figure.kind),
                figure.meaning,
            ]
        )
    guess = "the most frequent class" if model.classes is not None else "the mean"
    caption = (
        "The figures; in 95 of 100 such intervals lies what more rows of the same kind would give. "
        f"Guessing always answers {guess}."
    )
    head = ["Figure", "Value", "95 % interval", "Guessing", "How to read it"]
    return table(caption, head, rows, numeric=[1, 2, 3], class_="wide")


# Classes ------------------------------------------------------------------------------------------


def _classes(model: Any, study: Study) -> list[Html]:
    labels = model.classes.tolist()
    y, prediction = study.y, study.prediction
    assert y is not None
    assert prediction is not None
    predicted = prediction.argmax(axis=1)
    parts = [tag("h3", "Which classes are taken for which")]
    if len(labels) > _MATRIX:
        parts.append(_mistakes(y, predicted, study.weights, labels))
    else:
        counts = confusion_matrix(y, predicted, len(labels), study.weights)
        parts.append(_confusion(counts, labels, "" if study.weights is None else ", by weight"))
    parts.append(_per_class(y, predicted, study.weights, labels))
    charts = [
        chart
        for chart in (
            _roc(study, labels),
            _precision_recall(study, labels),
            _calibration(study, labels),
        )
        if chart
    ]
    if charts:
        parts += [tag("h3", "Over all thresholds"), tag("div", *charts, class_="charts")]
    return parts


def _confusion(counts: Array, labels: Sequence[Any], of: str) -> Html:
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    names = [shortened(label, 30) for label in labels]
    rows = []
    for i, name in enumerate(names):
        cells: list[object] = [name]
        for j in range(len(names)):
            style = f"background:rgba(var(--shade),{shares[i, j] * 0.45:.2f})"
            kind = "right" if i == j else "zero" if counts[i, j] == 0 else None
            cells.append(tag("td", _count(counts[i, j]), style=style, class_=kind))
        rows.append(cells)
    caption = (
        f"Confusion matrix: a row for each true class, a column for each answer{of}. Framed cells "
        "are right answers; the stronger a cell's colour, the larger its share of the row."
    )
    head = ["True class", *(f"answered {name}" if len(names) < 5 else name for name in names)]
    return table(caption, head, rows, class_="matrix", numeric=range(1, len(names) + 1))


def _count(value: Any) -> str:
    return number(float(value))


def _mistakes(y: Array, predicted: Array, weights: Array | None, labels: Sequence[Any]) -> Html:
    """List the most frequent mistakes, where the matrix would be too large."""
    wrong = np.flatnonzero(predicted != y)
    if not len(wrong):
        return tag("p", "No class is taken for another.")
    pairs, place = np.unique(y[wrong] * len(labels) + predicted[wrong], return_inverse=True)
    mass = None if weights is None else weights[wrong]
    counts, totals = np.bincount(place, mass), np.bincount(y, weights)
    rows = []
    for k in np.argsort(-counts, kind="stable")[:12]:
        i, j = divmod(int(pairs[k]), len(labels))
        share = percent(counts[k] / totals[i])
        rows.append([shortened(labels[i], 40), shortened(labels[j], 40), _count(counts[k]), share])
    caption = f"The most frequent mistakes among {len(labels):,} classes"
    return table(caption, ["True class", "Answered", "Times", "Of the class"], rows, numeric=[2, 3])


def _per_class(y: Array, predicted: Array, weights: Array | None, labels: Sequence[Any]) -> Html:
    found = decisions.per_class(y, predicted, weights, classes=np.arange(len(labels)))
    order = list(range(len(labels)))
    caption = "Each class: how often it is found, and how often its name is right"
    if len(labels) > _LISTED:
        order = sorted(order, key=lambda k: (found[k]["f1"], k))
        order = [k for k in order if found[k]["rows"]][:_LISTED]
        caption += f". The {len(order)} with the lowest F1 of {len(labels):,}"
    rows = [
        [
            shortened(labels[k], 40),
            _count(found[k]["rows"]),
            percent(found[k]["recall"]),
            percent(found[k]["precision"]),
            number(found[k]["f1"]),
        ]
        for k in order
    ]
    head = ["Class", "Rows", "Found (recall)", "Right when named (precision)", "F1"]
    return table(caption, head, rows, numeric=[1, 2, 3, 4])


def _curves(study: Study, labels: Sequence[Any], both: bool) -> list[tuple[int, str, Array, Array]]:
    """Give place, name, 0/1 truth and score of each class with a curve: of two, the second's."""
    y, prediction = study.y, study.prediction
    assert y is not None
    assert prediction is not None
    found = []
    for k in [1] if len(labels) == 2 else range(len(labels)):
        truth = (y == k).astype(np.int64)
        if study.weights is not None:
            mass = np.bincount(truth, study.weights, 2)
        else:
            mass = np.bincount(truth, minlength=2).astype(float)
        if mass[1] > 0 and (mass[0] > 0 or not both):
            look = 0 if len(labels) == 2 else k
            found.append((look, shortened(labels[k], 24), truth, prediction[:, k]))
    return found


def _roc(study: Study, labels: Sequence[Any]) -> Html | None:
    made = []
    for look, name, truth, score in _curves(study, labels, both=True):
        curve = roc_curve(truth, score, study.weights)
        area = auc(truth, score, study.weights) or 0.0
        x, y = _thinned(curve.false_positive_rate, curve.true_positive_rate)
        made.append((area, Series(f"{name}: AUC {area:.3f}", x, y, len(x) <= 8, look)))
    if not made:
        return None
    chosen, told = _lowest(made, "area under the curve", labels)
    title = f"ROC of {chosen[0].name}" if len(chosen) == 1 else "ROC curves"
    x_axis = Axis("share of the others answered as the class", 0, 1, percent=True)
    y_axis = Axis("share of the class that is found", 0, 1, percent=True)
    drawn = lines("roc", title, told, chosen, x_axis, y_axis, diagonal="guessing")
    note = "The further up and left, the better."
    return with_note(drawn, note)


def _precision_recall(study: Study, labels: Sequence[Any]) -> Html | None:
    made = []
    for look, name, truth, score in _curves(study, labels, both=False):
        curve = precision_recall_curve(truth, score, study.weights)
        area = average_precision(truth, score, study.weights) or 0.0
        x, y = _thinned(curve.recall[:-1][::-1], curve.precision[:-1][::-1])
        told = f"{name}: average precision {area:.3f}"
        made.append((area, Series(told, x, y, len(x) <= 8, look)))
    if not made:
        return None
    chosen, told = _lowest(made, "average precision", labels)
    two = len(labels) == 2
    title = "Precision and recall" + (f" of {shortened(labels[1], 24)}" if two else "")
    level, note = None, "The further up and right, the better."
    if two:
        note = f"Average precision {made[0][0]:.3f}. {note}"
        level = (float(np.average(study.y, weights=study.weights)), "guessing")  # type: ignore[arg-type]
    x_axis = Axis("recall: share of the class that is found", 0, 1, percent=True)
    y_axis = Axis("precision: share of the answers that are right", 0, 1, percent=True)
    drawn = lines("pr", title, told, chosen, x_axis, y_axis, level=level)
    return with_note(drawn, note)


def _lowest(
    made: list[tuple[float, Series]], what: str, labels: Sequence[Any]
) -> tuple[list[Series], str]:
    """Choose the curves that do worst, and say so."""
    made.sort(key=lambda one: one[0])
    chosen = told_apart([series for _, series in made[:_CURVES]], len(labels))
    told = "; ".join(series.name for series in chosen) + "."
    if len(made) > len(chosen):
        told = f"The {len(chosen)} classes of {len(labels)} with the smallest {what}: {told}"
    return chosen, told


def _thinned(x: Array, y: Array) -> tuple[list[float], list[float]]:
    """Take the corners of a curve; of too many, some evenly along it."""
    if len(x) > 2:
        bent = np.ones(len(x), bool)
        before, after = np.diff(x)[:-1] * np.diff(y)[1:], np.diff(x)[1:] * np.diff(y)[:-1]
        bent[1:-1] = np.abs(before - after) > 1e-12
        x, y = x[bent], y[bent]
    if len(x) > _POINTS:
        way = np.concatenate([[0], np.cumsum(np.hypot(np.diff(x), np.diff(y)))])
        wanted = np.linspace(0, way[-1], _POINTS)
        kept = np.unique(np.minimum(np.searchsorted(way, wanted), len(x) - 1))
        x, y = x[kept], y[kept]
    return x.tolist(), y.tolist()


def _calibration(study: Study, labels: Sequence[Any]) -> Html:
    chosen = shortened(labels[1], 24)
    curve = calibration_curve(study.y, study.prediction, study.weights)  # type: ignore[arg-type]
    two = study.prediction.shape[1] == 2  # type: ignore[union-attr]
    error = study.figures["calibration_error"].estimate or 0.0
    pairs = zip(curve.predicted, curve.observed, strict=True)
    told = (
        f"In {counted(len(curve.predicted), 'group')} of rows, what was said and what came true: "
        + "; ".join(f"{percent(float(a))}, {percent(float(b))}" for a, b in pairs)
        + f". Calibration error {error:.3f}."
    )
    series = [Series("", curve.predicted.tolist(), curve.observed.tolist(), marked=True)]
    said = f"probability of {chosen}" if two else "probability of the likeliest class"
    x = Axis(said, 0, 1, percent=True)
    y = Axis("share of class " + chosen if two else "share answered right", 0, 1, percent=True)
    title = f"Calibration: error {error:.3f}"
    drawn = lines("calibration", title, told, series, x, y, diagonal="as it should be")
    return with_note(drawn, "On the diagonal, a probability means what it says.")


def class_bars(name: str, title: str, labels: Sequence[Any], counts: Array) -> Html:
    """Draw how many rows each class has, the most frequent first."""
    order = np.argsort(-counts, kind="stable")
    shown = order[:MOST_BARS] if len(order) > MOST_BARS + 1 else order
    names: list[object] = [labels[k] for k in shown]
    values = [float(counts[k]) for k in shown]
    total = float(counts.sum())
    told = "; ".join(f"{shortened(n, 30)}: {v:,.0f}" for n, v in zip(names, values, strict=True))
    told = f"Bars, longest first. {told}."
    if len(shown) < len(order):
        rest = float(counts[order[MOST_BARS:]].sum())
        told += f" {len(order) - len(shown)} other classes have {rest:,.0f} rows together."
        title += f" ({len(shown)} of {len(order)} classes)"
    texts = [f"{value:,.0f} ({percent(value / total)})" for value in values]
    return bars(name, title, told, names, values, texts)


# Numbers ------------------------------------------------------------------------------------------


def _numbers(model: Any, study: Study) -> list[Html]:
    y, prediction = study.y, study.prediction
    assert y is not None
    assert prediction is not None
    target = shortened(model.target, 30)
    levels = error_quantiles(y, prediction, study.weights)
    row = [words.value(level, "unit") for level in levels.values()]
    head = ["Share of the rows", *(f"{100 * share:g} %" for share in levels)]
    quantiles = table(
        f"The error (answer − truth, in the unit of {target}) is at most …",
        head, [["error", *row]], numeric=range(1, len(head)),
    )  # fmt: skip
    if min(prediction.min(), y.min()) == max(prediction.max(), y.max()):
        return [quantiles]
    low, high = range_of(y.tolist(), prediction.tolist())
    told = f"{len(y):,} points: the truth across, the answer upwards. On the line they are equal."
    both = points("answers", f"Answers beside the truth: {target}", told, y.tolist(),
                  prediction.tolist(), Axis(f"truth: {target}", low, high),
                  Axis("answer", low, high), diagonal=True, below="below: too low")  # fmt: skip
    errors = prediction - y
    around = range_of(errors.tolist(), [0.0])
    across = range_of(prediction.tolist())
    told = f"{len(y):,} points: the answer across, its error upwards; the line is no error."
    rest = points("errors", "Errors beside the answers", told, prediction.tolist(),
                  errors.tolist(), Axis(f"answer: {target}", *across),
                  Axis("error: answer − truth", *around), level=0.0, above="too high",
                  below="too low")  # fmt: skip
    note = "A good model's points lie about the line, anywhere along it."
    first = "The nearer to the line, the better."
    charts = tag("div", with_note(both, first), with_note(rest, note), class_="charts")
    return [quantiles, charts]
