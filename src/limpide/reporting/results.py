"""A report's part on how good a model is: figures, matrices, curves.

Answers for what was measured on a study's rows. Not for: the frame of the page (``page``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from limpide.ir import Array
from limpide.languages import Words
from limpide.metrics import decisions
from limpide.metrics.classification import auc, confusion_matrix
from limpide.metrics.curves import average_precision, precision_recall_curve, roc_curve
from limpide.metrics.figures import CLASSIFICATION, REGRESSION
from limpide.metrics.probabilities import calibration_curve
from limpide.metrics.regression import error_quantiles
from limpide.reporting import figures
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
from limpide.reporting.telling import between, percent, value, where
from limpide.wording import in_language, number, per_cent

_MATRIX = 12  # classes of a confusion matrix that is shown whole
_LISTED = 20  # classes of a table
_CURVES = 6
_POINTS = 240  # of a curve
_TILES = {
    "classes": ("accuracy", "auc", "log_loss", "calibration_error"),
    "numbers": ("mae", "rmse", "r2", "median_absolute_error"),
}


def tiles(model: Any, study: Study | None, words: Words) -> Html | None:
    """Give the main figures, large, each with its interval or what it says."""
    known = CLASSIFICATION if model.classes is not None else REGRESSION
    chosen = _TILES["classes" if model.classes is not None else "numbers"]
    entries = []
    for name in chosen:
        kind, more = known[name].kind, ""
        if study is not None and study.y is not None:
            found = study.figures[name]
            estimate = found.estimate
            span = between(found, kind, words)
            if span and found.low != found.high:
                more = words.say("95 %: {span}", span=span)
        else:
            estimate = (model.figures or {}).get(name)
        if estimate is not None:
            entries.append((figures.title(name, words), value(estimate, kind, words), more))
    if not entries:
        return None
    return tag("dl", *(
        tag("div", tag("dt", title), tag("dd", tag("div", shown, class_="big"),
                                         tag("div", more, class_="more") if more else ""))
        for title, shown, more in entries
    ), class_="tiles")  # fmt: skip


def results(model: Any, study: Study | None, words: Words) -> list[Html]:
    """Give the figures and the pictures of what was predicted."""
    if study is None or study.y is None:
        return _remembered(model, words)
    parts = [tag("p", words.say("Measured {where}.", where=where(study, words)))]
    if study.how == "trained on":
        told = words.say("A network knows the rows it learned from: these figures flatter it. "
                         "Measure it on others with limpide evaluate.")  # fmt: skip
        parts.append(tag("p", told, class_="note"))
    parts.append(_figures(model, study, words))
    if model.classes is not None:
        return [*parts, *_classes(model, study, words)]
    return [*parts, *_numbers(model, study, words)]


def _remembered(model: Any, words: Words) -> list[Html]:
    if not model.figures:
        return []
    known = CLASSIFICATION if model.classes is not None else REGRESSION
    rows = [
        [
            figures.title(name, words),
            value(model.figures[name], figure.kind, words),
            figures.meaning(name, words),
        ]
        for name, figure in known.items()
        if model.figures.get(name) is not None
    ]
    say = words.say
    told = words.plural(
        "As measured after training, on {n} row held out.",
        "As measured after training, on {n} rows held out.",
        model.facts.held_out,
    )
    head = [say("Figure"), say("Value"), say("How to read it")]
    parts = [tag("p", told), table(say("The figures"), head, rows, numeric=[1], class_="wide")]
    if model.figures.get("confusion") and len(model.classes) <= _MATRIX:
        counts = np.array(model.figures["confusion"])
        parts.append(_confusion(counts, model.classes.tolist(), False, words))
    return parts


def _figures(model: Any, study: Study, words: Words) -> Html:
    known = CLASSIFICATION if model.classes is not None else REGRESSION
    rows = []
    for name, found in study.figures.items():
        kind = known[name].kind
        rows.append(
            [
                figures.title(name, words),
                value(found.estimate, kind, words),
                between(found, kind, words) or "–",
                value(study.guessing[name], kind, words),
                figures.meaning(name, words),
            ]
        )
    say = words.say
    always = (
        say("Guessing always answers the most frequent class.")
        if model.classes is not None
        else say("Guessing always answers the mean.")
    )
    caption = say(
        "The figures; in 95 of 100 such intervals lies what more rows of the same kind would give."
    )
    head = [say("Figure"), say("Value"), say("95 % interval"), say("Guessing"),
            say("How to read it")]  # fmt: skip
    return table(f"{caption} {always}", head, rows, numeric=[1, 2, 3], class_="wide")


# Classes ------------------------------------------------------------------------------------------


def _classes(model: Any, study: Study, words: Words) -> list[Html]:
    labels = model.classes.tolist()
    y, prediction, weights = study.y, study.prediction, study.weights
    assert y is not None
    assert prediction is not None
    predicted = prediction.argmax(axis=1)
    parts = [tag("h3", words.say("Which classes are taken for which"))]
    if len(labels) > _MATRIX:
        parts.append(_mistakes(y, predicted, weights, labels, words))
    else:
        counts = confusion_matrix(y, predicted, len(labels), weights)
        parts.append(_confusion(counts, labels, weights is not None, words))
    parts.append(_per_class(y, predicted, weights, labels, words))
    charts = [
        chart
        for chart in (
            _roc(study, labels, words),
            _precision_recall(study, labels, words),
            _calibration(study, labels, words),
        )
        if chart
    ]
    if charts:
        over = tag("h3", words.say("Over all thresholds"))
        parts += [over, tag("div", *charts, class_="charts")]
    return parts


def _confusion(counts: Array, labels: Sequence[Any], weighed: bool, words: Words) -> Html:
    totals, say = counts.sum(axis=1, keepdims=True), words.say
    shares = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    names = [shortened(label, 30) for label in labels]
    rows = []
    for i, name in enumerate(names):
        cells: list[object] = [name]
        for j in range(len(names)):
            style = f"background:rgba(var(--shade),{shares[i, j] * 0.45:.2f})"
            kind = "right" if i == j else "zero" if counts[i, j] == 0 else None
            cells.append(tag("td", _count(counts[i, j], words), style=style, class_=kind))
        rows.append(cells)
    what = (
        say("Confusion matrix: a row for each true class, a column for each answer, by weight.")
        if weighed
        else say("Confusion matrix: a row for each true class, a column for each answer.")
    )
    how = say(
        "Framed cells are right answers; the stronger a cell's colour, the larger its share of the "
        "row."
    )
    answers = [say("answered {name}", name=name) for name in names] if len(names) < 5 else names
    head = [say("True class"), *answers]
    numeric = range(1, len(names) + 1)
    return table(f"{what} {how}", head, rows, class_="matrix", numeric=numeric)


def _count(count: Any, words: Words) -> str:
    return number(float(count), words.language)


def _mistakes(
    y: Array, predicted: Array, weights: Array | None, labels: Sequence[Any], words: Words
) -> Html:
    """List the most frequent mistakes, where the matrix would be too large."""
    wrong, say = np.flatnonzero(predicted != y), words.say
    if not len(wrong):
        return tag("p", say("No class is taken for another."))
    pairs, place = np.unique(y[wrong] * len(labels) + predicted[wrong], return_inverse=True)
    mass = None if weights is None else weights[wrong]
    counts, totals = np.bincount(place, mass), np.bincount(y, weights)
    rows = []
    for k in np.argsort(-counts, kind="stable")[:12]:
        i, j = divmod(int(pairs[k]), len(labels))
        names = [shortened(labels[i], 40), shortened(labels[j], 40)]
        rows.append([*names, _count(counts[k], words), percent(counts[k] / totals[i], words)])
    caption = words.plural(
        "The most frequent mistakes among {n} class",
        "The most frequent mistakes among {n} classes",
        len(labels),
    )
    head = [say("True class"), say("Answered"), say("Times"), say("Of the class")]
    return table(caption, head, rows, numeric=[2, 3])


def _per_class(
    y: Array, predicted: Array, weights: Array | None, labels: Sequence[Any], words: Words
) -> Html:
    found = decisions.per_class(y, predicted, weights, classes=np.arange(len(labels)))
    order, say = list(range(len(labels))), words.say
    caption = say("Each class: how often it is found, and how often its name is right")
    if len(labels) > _LISTED:
        order = sorted(order, key=lambda k: (found[k]["f1"], k))
        order = [k for k in order if found[k]["rows"]][:_LISTED]
        caption = say("{caption}. The {shown} with the lowest F1 of {all}", caption=caption,
                      shown=len(order), all=words.whole(len(labels)))  # fmt: skip
    rows = [
        [
            shortened(labels[k], 40),
            _count(found[k]["rows"], words),
            percent(found[k]["recall"], words),
            percent(found[k]["precision"], words),
            number(found[k]["f1"], words.language),
        ]
        for k in order
    ]
    head = [say("Class"), say("Rows"), say("Found (recall)"), say("Right when named (precision)"),
            say("F1")]  # fmt: skip
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


def _roc(study: Study, labels: Sequence[Any], words: Words) -> Html | None:
    made, say = [], words.say
    for look, name, truth, score in _curves(study, labels, both=True):
        curve = roc_curve(truth, score, study.weights)
        area = auc(truth, score, study.weights) or 0.0
        x, y = _thinned(curve.false_positive_rate, curve.true_positive_rate)
        told = say("{name}: AUC {area}", name=name, area=_area(area, words))
        made.append((area, Series(told, x, y, len(x) <= 8, look)))
    if not made:
        return None
    sentence = say("The {shown} classes of {all} with the smallest area under the curve: {listed}")
    chosen, told = _lowest(made, sentence, labels)
    one = len(chosen) == 1
    title = say("ROC of {name}", name=chosen[0].name) if one else say("ROC curves")
    x_axis = Axis(say("share of the others answered as the class"), 0, 1, True, words=words)
    y_axis = Axis(say("share of the class that is found"), 0, 1, True, words=words)
    drawn = lines("roc", title, told, chosen, x_axis, y_axis, diagonal=say("guessing"))
    return with_note(drawn, say("The further up and left, the better."))


def _area(area: float, words: Words) -> str:
    return in_language(f"{area:.3f}", words.language)


def _precision_recall(study: Study, labels: Sequence[Any], words: Words) -> Html | None:
    made, say = [], words.say
    for look, name, truth, score in _curves(study, labels, both=False):
        curve = precision_recall_curve(truth, score, study.weights)
        area = average_precision(truth, score, study.weights) or 0.0
        x, y = _thinned(curve.recall[:-1][::-1], curve.precision[:-1][::-1])
        told = say("{name}: average precision {area}", name=name, area=_area(area, words))
        made.append((area, Series(told, x, y, len(x) <= 8, look)))
    if not made:
        return None
    sentence = say("The {shown} classes of {all} with the smallest average precision: {listed}")
    chosen, told = _lowest(made, sentence, labels)
    title, level = say("Precision and recall"), None
    note = say("The further up and right, the better.")
    if len(labels) == 2:
        title = say("Precision and recall of {name}", name=shortened(labels[1], 24))
        mean = say("Average precision {area}.", area=_area(made[0][0], words))
        note = f"{mean} {note}"
        share = float(np.average(study.y, weights=study.weights))  # type: ignore[arg-type]
        level = (share, say("guessing"))
    x_axis = Axis(say("recall: share of the class that is found"), 0, 1, True, words=words)
    y_axis = Axis(say("precision: share of the answers that are right"), 0, 1, True, words=words)
    drawn = lines("pr", title, told, chosen, x_axis, y_axis, level=level)
    return with_note(drawn, note)


def _lowest(
    made: list[tuple[float, Series]], sentence: str, labels: Sequence[Any]
) -> tuple[list[Series], str]:
    """Choose the curves that do worst, and say so where there are others."""
    made.sort(key=lambda one: one[0])
    chosen = told_apart([series for _, series in made[:_CURVES]], len(labels))
    listed = "; ".join(series.name for series in chosen) + "."
    if len(made) > len(chosen):
        return chosen, sentence.format(shown=len(chosen), all=len(labels), listed=listed)
    return chosen, listed


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


def _calibration(study: Study, labels: Sequence[Any], words: Words) -> Html:
    chosen, say = shortened(labels[1], 24), words.say
    curve = calibration_curve(study.y, study.prediction, study.weights)  # type: ignore[arg-type]
    two = study.prediction.shape[1] == 2  # type: ignore[union-attr]
    error = _area(study.figures["calibration_error"].estimate or 0.0, words)
    pairs = zip(curve.predicted, curve.observed, strict=True)
    told = words.plural(
        "In {n} group of rows, what was said and what came true: {pairs}. Calibration error "
        "{error}.",
        "In {n} groups of rows, what was said and what came true: {pairs}. Calibration error "
        "{error}.",
        len(curve.predicted),
        pairs="; ".join(f"{percent(float(a), words)}, {percent(float(b), words)}"
                        for a, b in pairs),
        error=error,
    )  # fmt: skip
    series = [Series("", curve.predicted.tolist(), curve.observed.tolist(), marked=True)]
    if two:
        said = say("probability of {label}", label=chosen)
        share = say("share of class {label}", label=chosen)
    else:
        said = say("probability of the likeliest class")
        share = say("share answered right")
    x, y = Axis(said, 0, 1, True, words=words), Axis(share, 0, 1, True, words=words)
    title = say("Calibration: error {error}", error=error)
    drawn = lines("calibration", title, told, series, x, y, diagonal=say("as it should be"))
    return with_note(drawn, say("On the diagonal, a probability means what it says."))


def class_bars(name: str, of: object, labels: Sequence[Any], counts: Array, words: Words) -> Html:
    """Draw how many rows each class of a target has, the most frequent first."""
    say, order = words.say, np.argsort(-counts, kind="stable")
    shown = order[:MOST_BARS] if len(order) > MOST_BARS + 1 else order
    names: list[object] = [labels[k] for k in shown]
    rows = [int(counts[k]) for k in shown]
    listed = zip(names, rows, strict=True)
    spoken = "; ".join(f"{shortened(n, 30)}: {words.whole(v)}" for n, v in listed)
    told = say("Bars, longest first. {spoken}.", spoken=spoken)
    target = shortened(of, 30)
    title = say("The target, {target}: rows of each class", target=target)
    if len(shown) < len(order):
        others = words.plural(
            "{n} other class has {rows} rows together.",
            "{n} other classes have {rows} rows together.",
            len(order) - len(shown),
            rows=words.whole(int(counts[order[MOST_BARS:]].sum())),
        )
        told = f"{told} {others}"
        title = say("The target, {target}: rows of each class ({shown} of {all} classes)",
                    target=target, shown=len(shown), all=len(order))  # fmt: skip
    texts = [f"{words.whole(n)} ({percent(n / counts.sum(), words)})" for n in rows]
    return bars(name, title, told, names, [float(n) for n in rows], texts)


# Numbers ------------------------------------------------------------------------------------------


def _numbers(model: Any, study: Study, words: Words) -> list[Html]:
    y, prediction, say = study.y, study.prediction, words.say
    assert y is not None
    assert prediction is not None
    target = shortened(model.target, 30)
    levels = error_quantiles(y, prediction, study.weights)
    row = [value(level, "unit", words) for level in levels.values()]
    shares = [per_cent(f"{100 * share:g}", words.language) for share in levels]
    caption = say("The error (answer − truth, in the unit of {target}) is at most …", target=target)
    head = [say("Share of the rows"), *shares]
    quantiles = table(caption, head, [[say("error"), *row]], numeric=range(1, len(head)))
    if min(prediction.min(), y.min()) == max(prediction.max(), y.max()):
        return [quantiles]
    both = _answers(y, prediction, target, words)
    rest = _errors(y, prediction, target, words)
    return [quantiles, tag("div", both, rest, class_="charts")]


def _answers(y: Array, prediction: Array, target: str, words: Words) -> Html:
    say = words.say
    low, high = range_of(y.tolist(), prediction.tolist())
    told = words.plural(
        "{n} point: the truth across, the answer upwards. On the line they are equal.",
        "{n} points: the truth across, the answer upwards. On the line they are equal.",
        len(y),
    )
    x = Axis(say("truth: {target}", target=target), low, high, words=words)
    drawn = points("answers", say("Answers beside the truth: {target}", target=target), told,
                   y.tolist(), prediction.tolist(), x, Axis(say("answer"), low, high, words=words),
                   diagonal=True, below=say("below: too low"))  # fmt: skip
    return with_note(drawn, say("The nearer to the line, the better."))


def _errors(y: Array, prediction: Array, target: str, words: Words) -> Html:
    say, errors = words.say, prediction - y
    told = words.plural(
        "{n} point: the answer across, its error upwards; the line is no error.",
        "{n} points: the answer across, its error upwards; the line is no error.",
        len(y),
    )
    across = say("answer: {target}", target=target)
    drawn = points("errors", say("Errors beside the answers"), told, prediction.tolist(),
                   errors.tolist(), Axis(across, *range_of(prediction.tolist()), words=words),
                   Axis(say("error: answer − truth"), *range_of(errors.tolist(), [0.0]),
                        words=words),
                   level=0.0, above=say("too high"), below=say("too low"))  # fmt: skip
    return with_note(drawn, say("A good model's points lie about the line, anywhere along it."))
