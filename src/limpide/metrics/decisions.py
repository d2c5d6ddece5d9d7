"""Figures of the classes that were answered: precision, recall, F1, balanced accuracy.

Answers for the number of each class and for its averages, with scikit-learn's conventions.
Not for: probabilities (``probabilities``) or scores (``curves``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from limpide.errors import ArgumentError, choice_error
from limpide.metrics.inputs import (
    Codes,
    Floats,
    read_label_pair,
    read_labels,
    relative_weights,
)

AVERAGES = ("macro", "weighted", "binary")


class Counts(NamedTuple):
    """Weight of the rows of each class: right, answered, and truly there; ``f64[..., k]``."""

    right: Floats
    answered: Floats
    there: Floats


def precision(
    y: ArrayLike,
    predicted: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    average: str | None = "macro",
    positive: Any = None,
    classes: ArrayLike | None = None,
) -> Any:
    """Give the share of the rows answered as a class that are of this class.

    Parameters
    ----------
    y, predicted : labels of any one kind, ``[n]``
        Numbers or text, but both of the same.
    sample_weight : f64[n], optional
        Rows count by their weight.
    average
        ``"macro"``: the mean over classes, each counting the same. ``"weighted"``: by the weight
        of each class in ``y``. ``"binary"``: the figure of ``positive`` alone. None: f64[k], the
        figure of each class in the order of ``classes``.
    positive
        The label that ``"binary"`` asks for; None: the last of two classes (1 of 0 and 1).
    classes
        All labels, in the order wanted; None: those of ``y`` and ``predicted``, sorted.

    Returns
    -------
    float or f64[k]
        A class that is never answered has precision 0, one that is not in ``y`` recall 0
        (scikit-learn's ``zero_division``, without its warning).

    Raises
    ------
    ShapeError, DataError, DtypeError, ArgumentError

    Examples
    --------
    >>> precision([0, 0, 1, 1], [0, 1, 1, 1], average=None).round(3).tolist()
    [1.0, 0.667]
    """
    return _figure(_PRECISION, y, predicted, sample_weight, average, positive, classes)


def recall(
    y: ArrayLike,
    predicted: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    average: str | None = "macro",
    positive: Any = None,
    classes: ArrayLike | None = None,
) -> Any:
    """Give the share of the rows of a class that are answered as such; as `precision`.

    Raises
    ------
    ShapeError, DataError, DtypeError, ArgumentError

    Examples
    --------
    >>> recall(["ham", "spam", "spam"], ["ham", "ham", "spam"], average="binary", positive="spam")
    0.5
    """
    return _figure(_RECALL, y, predicted, sample_weight, average, positive, classes)


def f1(
    y: ArrayLike,
    predicted: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    average: str | None = "macro",
    positive: Any = None,
    classes: ArrayLike | None = None,
) -> Any:
    """Give the harmonic mean of precision and recall, 2·right / (answered + there); as `precision`.

    Raises
    ------
    ShapeError, DataError, DtypeError, ArgumentError

    Examples
    --------
    >>> f1([0, 1, 1, 1], [0, 1, 1, 0], average="binary")
    0.8
    """
    return _figure(_F1, y, predicted, sample_weight, average, positive, classes)


def balanced_accuracy(
    y: ArrayLike, predicted: ArrayLike, sample_weight: ArrayLike | None = None
) -> float:
    """Give the mean of the recalls of the classes that have weight in ``y``.

    Always answering one of k classes gives 1/k, however frequent it is. Arguments as for
    `accuracy`.

    Raises
    ------
    ShapeError, DataError, DtypeError

    Examples
    --------
    >>> balanced_accuracy([0, 0, 0, 1], [0, 0, 0, 0])
    0.5
    """
    counts, _ = _counts(y, predicted, sample_weight, None)
    return float(balanced(counts))


def per_class(
    y: ArrayLike,
    predicted: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    classes: ArrayLike | None = None,
) -> list[dict[str, Any]]:
    """Give ``class``, ``precision``, ``recall``, ``f1`` and ``rows`` of each class, for JSON.

    ``rows`` is how many rows of ``y`` are of the class (their weight, where there are weights).
    Arguments as for `precision`.

    Raises
    ------
    ShapeError, DataError, DtypeError

    Examples
    --------
    >>> per_class(["a", "b"], ["a", "a"])[1]
    {'class': 'b', 'precision': 0.0, 'recall': 0.0, 'f1': 0.0, 'rows': 1.0}
    """
    counts, names = _counts(y, predicted, sample_weight, classes, relative=False)
    columns = [_each(kind, counts).tolist() for kind in (_PRECISION, _RECALL, _F1)]
    keys = ("class", "precision", "recall", "f1", "rows")
    rows = zip(names.tolist(), *columns, counts.there.tolist(), strict=True)
    return [dict(zip(keys, row, strict=True)) for row in rows]


# What other modules share -------------------------------------------------------------------------

_PRECISION, _RECALL, _F1 = "precision", "recall", "f1"


def coded(
    y: ArrayLike, predicted: ArrayLike, classes: ArrayLike | None
) -> tuple[Codes, Codes, NDArray[Any]]:
    """Give both as class numbers, and the classes in their order."""
    truth, guess = read_label_pair(y, predicted)
    if classes is None:
        names, codes = np.unique(np.concatenate([truth, guess]), return_inverse=True)
        return codes[: len(truth)], codes[len(truth) :], names
    names = read_labels("classes", classes)
    order = np.argsort(names, kind="stable")
    ranked = names[order]
    if (ranked[1:] == ranked[:-1]).any():
        twice = ranked[1:][ranked[1:] == ranked[:-1]][0]
        raise ArgumentError(f"classes names {twice!r} twice. Give each label once.")
    found = []
    for name, labels in (("y", truth), ("predicted", guess)):
        place = np.minimum(np.searchsorted(ranked, labels), len(ranked) - 1)
        wrong = np.flatnonzero(ranked[place] != labels)
        if len(wrong):
            raise ArgumentError(
                f"{name}[{wrong[0]}] is {labels[wrong[0]]!r}, which is none of classes "
                f"({len(names)} labels). Name all labels, or leave classes out."
            )
        found.append(order[place])
    return found[0], found[1], names


def zero_and_one(y: ArrayLike, predicted: ArrayLike) -> list[int] | None:
    """Give both classes where there is nothing but 0 and 1: one of them may not occur."""
    _, _, names = coded(y, predicted, None)
    return [0, 1] if set(names.tolist()) <= {0, 1} else None


def averaged(kind: str, counts: Counts, average: str | None, positive: int) -> Any:
    """Give the figure of a kind from counts, over their last axis as ``average`` says."""
    each = _each(kind, counts)
    if average is None:
        return each
    if average == "binary":
        return each[..., positive]
    if average == "macro":
        return each.mean(axis=-1)
    return _ratio((each * counts.there).sum(axis=-1), counts.there.sum(axis=-1))


def balanced(counts: Counts) -> Any:
    """Give the mean recall of the classes that are there."""
    there = counts.there > 0
    return _each(_RECALL, counts).sum(axis=-1, where=there) / there.sum(axis=-1)


def read_average(average: str | None, positive: Any, names: NDArray[Any]) -> int:
    """Check how to average; give the place of the class that ``"binary"`` asks for."""
    if average is not None and average not in AVERAGES:
        raise choice_error("average", average, (*AVERAGES, "None"))
    if average != "binary":
        return 0
    if positive is None:
        if len(names) > 2:
            raise ArgumentError(
                f"average='binary' is for two classes, and there are {len(names)}. Name one with "
                "positive=, or use average='macro'."
            )
        return len(names) - 1
    places = np.flatnonzero(names == positive)
    if not len(places):
        shown = ", ".join(repr(name) for name in names[:10].tolist())
        raise ArgumentError(f"positive={positive!r} is none of the classes: {shown}. Name one.")
    return int(places[0])


def _figure(
    kind: str,
    y: ArrayLike,
    predicted: ArrayLike,
    sample_weight: ArrayLike | None,
    average: str | None,
    positive: Any,
    classes: ArrayLike | None,
) -> Any:
    if average == "binary" and positive is None and classes is None:
        classes = zero_and_one(y, predicted)
    counts, names = _counts(y, predicted, sample_weight, classes)
    found = averaged(kind, counts, average, read_average(average, positive, names))
    return found if average is None else float(found)


def _counts(
    y: ArrayLike,
    predicted: ArrayLike,
    sample_weight: ArrayLike | None,
    classes: ArrayLike | None,
    relative: bool = True,
) -> tuple[Counts, NDArray[Any]]:
    truth, guess, names = coded(y, predicted, classes)
    weights = relative_weights(sample_weight, len(truth))
    if weights is not None and not relative:
        weights = np.asarray(sample_weight, np.float64).reshape(-1)
    hit = truth == guess
    parts: Sequence[Codes] = (truth[hit], guess, truth)
    chosen = [None] * 3 if weights is None else [weights[hit], weights, weights]
    sums = [
        np.bincount(part, weights=w, minlength=len(names)).astype(np.float64)
        for part, w in zip(parts, chosen, strict=True)
    ]
    return Counts(*sums), names


def _each(kind: str, counts: Counts) -> Floats:
    if kind == _PRECISION:
        return np.asarray(_ratio(counts.right, counts.answered))
    if kind == _RECALL:
        return np.asarray(_ratio(counts.right, counts.there))
    return np.asarray(_ratio(2 * counts.right, counts.answered + counts.there))


def _ratio(above: Any, below: Any) -> Any:
    return np.divide(above, below, out=np.zeros_like(below), where=below > 0)
