"""Plots of a classifier: ROC, precision-recall, confusion and calibration.

Answers for two classes and for many, with long names and few rows. Not for: the curves' points
(``limpide.metrics``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from limpide.errors import DataError, ShapeError
from limpide.ir import Array
from limpide.keywords import known_keywords
from limpide.languages import Words, words_in
from limpide.metrics.classification import auc, confusion_matrix
from limpide.metrics.curves import average_precision, precision_recall_curve, roc_curve
from limpide.metrics.inputs import check_same_length, read_codes, read_probabilities
from limpide.metrics.probabilities import calibration_curve, calibration_error
from limpide.plots.canvas import COLOURS, DASHES, GREY, fitting, new_axes, share_axes
from limpide.wording import in_language, per_cent

_MOST_LINES = 6  # that a legend names; of more classes, those that do worst
_MOST_COUNTED = 12  # classes whose counts are written into the matrix
_SQUARE = (5.0, 5.0)


@known_keywords
def roc(
    y: ArrayLike,
    probabilities: ArrayLike,
    classes: Sequence[Any] | None = None,
    axes: Any = None,
    sample_weight: ArrayLike | None = None,
    language: str | None = None,
) -> Any:
    """Draw ROC curves: of class 1 for two classes, else of each class against the rest.

    Parameters
    ----------
    y : codes 0 … k−1, ``[n]``
    probabilities : f64[n] or f64[n, k]
        As for `limpide.metrics.log_loss`.
    classes
        The names of the classes, in the order of their codes.
    axes
        matplotlib's axes to draw on; None: a new figure's.
    sample_weight : f64[n], optional
    language
        Of the words: "en", "fr" or "uk"; None is the system's.

    Returns
    -------
    matplotlib.axes.Axes
        Of more than 6 classes the 6 with the smallest areas are named, the others grey.

    Raises
    ------
    MissingExtraError, DataError, ShapeError, DtypeError
        DataError also where only one class is there: a curve compares two.

    Examples
    --------
    >>> axes = roc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    >>> axes.get_xlabel()
    'false positive rate: others answered as the class'
    """

    def points(truth: Array, score: Array) -> tuple[Array, Array, float | None]:
        curve = roc_curve(truth, score, sample_weight)
        area = auc(truth, score, sample_weight)
        return curve.false_positive_rate, curve.true_positive_rate, area

    say = words_in(language).say
    found = _each_class(y, probabilities, classes, points, both=True)
    axes = new_axes(axes, _SQUARE)
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=(0, (1, 2)))
    _aside(axes, say("guessing"), (0.5, 0.5), (4, -4))
    told = say("{name}: AUC {area}")
    _draw_curves(axes, found, told, "lower right", "default", words_in(language))
    return share_axes(
        axes,
        say("false positive rate: others answered as the class"),
        say("true positive rate: share of the class found"),
        words_in(language),
    )


@known_keywords
def precision_recall(
    y: ArrayLike,
    probabilities: ArrayLike,
    classes: Sequence[Any] | None = None,
    axes: Any = None,
    sample_weight: ArrayLike | None = None,
    language: str | None = None,
) -> Any:
    """Draw precision-recall curves; arguments as for `roc`.

    The curve is drawn in steps, as the average precision adds it up; a grey line is what guessing
    gives, the share of the class (two classes).

    Raises
    ------
    MissingExtraError, DataError, ShapeError, DtypeError

    Examples
    --------
    >>> axes = precision_recall([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    >>> axes.get_ylabel()
    'precision: share of the answers that are right'
    """

    def points(truth: Array, score: Array) -> tuple[Array, Array, float | None]:
        curve = precision_recall_curve(truth, score, sample_weight)
        area = average_precision(truth, score, sample_weight)
        return curve.recall[:-1], curve.precision[:-1], area

    say = words_in(language).say
    found = _each_class(y, probabilities, classes, points, both=False)
    axes = new_axes(axes, _SQUARE)
    if read_probabilities(probabilities).shape[1] == 2:
        weights = None if sample_weight is None else np.asarray(sample_weight, float)
        share = float(np.average(np.asarray(y, float).reshape(-1), weights=weights))
        axes.axhline(share, color=GREY, linewidth=1, linestyle=(0, (1, 2)))
        _aside(axes, say("guessing"), (0.02, share), (0, 4 if share < 0.9 else -4))
    told = say("{name}: average precision {area}")
    _draw_curves(axes, found, told, "lower left", "steps-pre", words_in(language))
    return share_axes(
        axes,
        say("recall: share of the class found"),
        say("precision: share of the answers that are right"),
        words_in(language),
    )


def _aside(axes: Any, text: str, place: tuple[float, float], moved: tuple[int, int]) -> None:
    """Write beside a grey line what it is, moved by so many points."""
    axes.annotate(text, place, moved, textcoords="offset points", color=GREY, fontsize="small",
                  va="bottom" if moved[1] > 0 else "top")  # fmt: skip


Curve = tuple[str, Array, Array, float | None]


def _each_class(
    y: ArrayLike,
    probabilities: ArrayLike,
    classes: Sequence[Any] | None,
    points: Callable[[Array, Array], tuple[Array, Array, float | None]],
    both: bool,
) -> list[Curve]:
    """Give name, x, y and area of the curve of each class that has one, the smallest area first."""
    table = read_probabilities(probabilities)
    names = class_names(classes, table.shape[1])
    codes = read_codes("y", y, table.shape[1], "probabilities has one column a class")
    check_same_length("y", codes, "probabilities", table)
    asked = [1] if table.shape[1] == 2 else range(table.shape[1])
    found: list[Curve] = []
    for k in asked:
        truth = (codes == k).astype(np.int64)
        if truth.any() and not (both and truth.all()):
            x, height, area = points(truth, table[:, k])
            found.append((names[k], x, height, area))
    if not found:
        raise DataError(
            f"y holds {len(np.unique(codes))} class, {names[codes[0]]!r}; a curve compares two. "
            "Give rows of other classes too."
        )
    return sorted(found, key=lambda curve: (curve[3] is None, curve[3]))


def _draw_curves(
    axes: Any, found: list[Curve], told: str, place: str, style: str, words: Words
) -> None:
    """Draw curves; ``told`` says a curve's name and its area."""
    for _, x, height, _ in found[_MOST_LINES:]:
        axes.plot(x, height, color="#BBBBBB", linewidth=0.8, drawstyle=style)
    for i, (name, x, height, size) in enumerate(found[:_MOST_LINES]):
        area = in_language(f"{size:.3f}", words.language)
        marker = "o" if len(x) <= 3 else None
        axes.plot(x, height, color=COLOURS[i], linestyle=DASHES[i], linewidth=1.8,
                  label=told.format(name=fitting(name), area=area),
                  drawstyle=style, marker=marker, markersize=4)  # fmt: skip
    more = len(found) - _MOST_LINES
    title = None
    if more > 0:
        title = words.say("the {shown} lowest of {all} classes", shown=_MOST_LINES, all=len(found))
    axes.legend(loc=place, fontsize="small", title=title, title_fontsize="small", framealpha=0.9)


@known_keywords
def confusion(
    y: ArrayLike,
    predicted: ArrayLike,
    classes: Sequence[Any] | None = None,
    axes: Any = None,
    sample_weight: ArrayLike | None = None,
    language: str | None = None,
) -> Any:
    """Draw the confusion matrix: a row for each true class, shaded by its share of the row.

    Parameters
    ----------
    y : codes 0 … k−1, ``[n]``
    predicted : codes ``[n]``, or probabilities f64[n, k]
    classes
        The names of the classes; None: as many as are needed, by number.
    axes, sample_weight, language
        As for `roc`.

    Returns
    -------
    matplotlib.axes.Axes
        Up to 12 classes have their counts written into the cells.

    Raises
    ------
    MissingExtraError, DataError, ShapeError, DtypeError, MemoryLimitError

    Examples
    --------
    >>> axes = confusion([0, 1, 1], [0, 1, 0], classes=["ham", "spam"])
    >>> [text.get_text() for text in axes.texts]
    ['1', '0', '1', '1']
    """
    words, guess = words_in(language), np.asarray(predicted)
    if guess.ndim == 2 and guess.shape[1] > 1:
        k = guess.shape[1]
        guess = read_probabilities(guess).argmax(axis=1)
    else:
        k = len(classes) if classes is not None else int(max(np.max(y), guess.max())) + 1
    names = [fitting(name) for name in class_names(classes, k)]
    counts = confusion_matrix(y, guess, k, sample_weight)
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    side = min(max(3.2 + 0.36 * k, 3.8), 14)
    long = max(map(len, names)) > 30 / k
    room = 0.07 * max(map(len, names))
    axes = new_axes(axes, (side + 0.6 + room, side + room * long))
    picture = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    if k <= _MOST_COUNTED:
        for (i, j), count in np.ndenumerate(counts):
            written = f"{count:,}" if sample_weight is None else f"{count:.4g}"
            text = in_language(written, words.language)
            colour = "white" if shares[i, j] > 0.55 else "black"
            axes.text(j, i, text, ha="center", va="center", color=colour,
                      fontweight="bold" if i == j else "normal", fontsize="small")  # fmt: skip
    small = "medium" if k <= _MOST_COUNTED else "small" if k <= 30 else 6
    axes.set_xticks(range(k), names, fontsize=small, rotation=90 if long else 0)
    axes.set_yticks(range(k), names, fontsize=small)
    axes.set_xlabel(words.say("predicted class"))
    axes.set_ylabel(words.say("true class"))
    bar = axes.figure.colorbar(picture, ax=axes, shrink=0.8)
    bar.set_label(words.say("share of the true class's rows"))
    texts = [per_cent(written, words.language) for written in ("0", "50", "100")]
    bar.set_ticks([0, 0.5, 1], labels=texts)
    return axes


@known_keywords
def calibration(
    y: ArrayLike,
    probabilities: ArrayLike,
    axes: Any = None,
    bins: int = 10,
    sample_weight: ArrayLike | None = None,
    language: str | None = None,
) -> Any:
    """Draw how often it came true against how probable it was said to be, in bins of equal weight.

    Parameters
    ----------
    y, probabilities, sample_weight
        As for `limpide.metrics.calibration_curve`: of two classes the probability of class 1, of
        more the highest of each row.
    axes, language
        As for `roc`.
    bins
        How many, at most.

    Raises
    ------
    MissingExtraError, DataError, ShapeError, DtypeError, ArgumentError

    Examples
    --------
    >>> axes = calibration([0, 0, 0, 1], [0.25, 0.25, 0.75, 0.75], bins=2)
    >>> axes.lines[1].get_ydata().tolist()
    [0.0, 0.5]
    """
    words = words_in(language)
    curve = calibration_curve(y, probabilities, sample_weight, bins=bins)
    error = calibration_error(y, probabilities, sample_weight)
    two = read_probabilities(probabilities).shape[1] == 2
    axes = new_axes(axes, _SQUARE)
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=(0, (1, 2)))
    _aside(axes, words.say("as it should be"), (0.5, 0.5), (4, -4))
    axes.plot(curve.predicted, curve.observed, color=COLOURS[0], marker="o", linewidth=1.8)
    if two:
        x = words.say("probability of class 1, mean of the bin")
        height = words.say("share of class 1 in the bin")
    else:
        x = words.say("highest probability, mean of the bin")
        height = words.say("share answered right in the bin")
    share_axes(axes, x, height, words)
    written = in_language(f"{error:.3f}", words.language)
    axes.set_title(words.say("calibration error {error}", error=written), fontsize="medium")
    return axes


def class_names(classes: Sequence[Any] | None, k: int) -> list[str]:
    """Give k names: those given, or numbers.

    Raises
    ------
    ShapeError
        Where there are more or fewer.
    """
    if classes is None:
        return [str(i) for i in range(k)]
    names = [str(name) for name in classes]
    if len(names) != k:
        raise ShapeError(
            f"classes has {len(names)} names, the predictions {k} classes. Give one name a class."
        )
    return names
