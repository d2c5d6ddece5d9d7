"""Plots of what columns do: a bar for the importance of each, a line for partial dependence.

Answers for many columns and for long names. Not for: the numbers (``limpide.effects``).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from limpide.keywords import known_keywords
from limpide.languages import Words, words_in
from limpide.plots.canvas import COLOURS, DASHES, fitting, in_words, label_ends, new_axes, tidy

_MOST_BARS = 20
_MOST_LINES = 6


@known_keywords
def importance(importance: Any, axes: Any = None, language: str | None = None) -> Any:
    """Draw a bar a column, the most important on top, with the spread over the repeats.

    Parameters
    ----------
    importance : limpide.effects.Importance
        From ``model.permutation_importance``.
    axes
        matplotlib's axes to draw on; None: a new figure's.
    language
        Of the words: "en", "fr" or "uk"; None is the system's.

    Returns
    -------
    matplotlib.axes.Axes
        At most 20 columns; the title says how many there are.

    Raises
    ------
    MissingExtraError
    """
    words, count = words_in(language), min(len(importance.columns), _MOST_BARS)
    axes = new_axes(axes, (6.4, 1.2 + 0.28 * count))
    places = np.arange(count)[::-1]
    axes.barh(
        places, importance.mean[:count], xerr=importance.std[:count], color=COLOURS[0], height=0.7,
        error_kw={"ecolor": "black", "elinewidth": 1, "capsize": 2},
    )  # fmt: skip
    axes.set_yticks(places, [fitting(name, 32) for name in importance.columns[:count]])
    axes.set_ylim(-0.6, count - 0.4)
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_ylabel(words.say("column"))
    worse = words.say("how much worse {metric} gets when the column is shuffled",
                      metric=fitting(importance.metric))  # fmt: skip
    axes.set_xlabel(worse)
    if len(importance.columns) > count:
        title = words.say("the {shown} that matter most, of {all}", shown=count,
                          all=len(importance.columns))  # fmt: skip
        axes.set_title(title, fontsize="medium")
    return tidy(in_words(axes, words), "x")


@known_keywords
def partial_dependence(dependence: Any, axes: Any = None, language: str | None = None) -> Any:
    """Draw the mean prediction for each value of a column.

    Parameters
    ----------
    dependence : limpide.effects.PartialDependence
        From ``model.partial_dependence``.
    axes, language
        As for `importance`.

    Returns
    -------
    matplotlib.axes.Axes
        A line for numbers and times, points for categories. Of more than 6 classes, those whose
        probability changes most.

    Raises
    ------
    MissingExtraError
    """
    words, means = words_in(language), np.asarray(dependence.mean, float)
    swing = means.max(axis=0) - means.min(axis=0)
    chosen = np.argsort(-swing, kind="stable")[:_MOST_LINES]
    known = [i for i, value in enumerate(dependence.grid) if value is not None]
    ordered = dependence.kind not in ("text", "boolean") and len(known) > 1
    axes = new_axes(axes, (6.4, 4.0))
    if ordered:
        _draw_lines(axes, dependence, means, chosen, known, words)
    else:
        _draw_points(axes, dependence, means, chosen, words)
    axes.set_xlabel(fitting(dependence.column, 60))
    several = words.say("probability of the class")
    what = dependence.outputs[0] if len(dependence.outputs) == 1 else several
    axes.set_ylabel(words.say("mean of {what}", what=fitting(what, 40)))
    if len(dependence.outputs) > len(chosen):
        title = words.say("the {shown} classes that change most, of {all}", shown=len(chosen),
                          all=len(dependence.outputs))  # fmt: skip
        axes.set_title(title, fontsize="medium")
    return tidy(in_words(axes, words))


def _draw_lines(
    axes: Any, dependence: Any, means: Any, chosen: Any, known: list[int], words: Words
) -> None:
    values = [dependence.grid[i] for i in known]
    kind = type(values[0]).__name__
    x = np.arange(len(values)) if kind in ("time", "timedelta") else values
    ends = []
    for i, k in enumerate(chosen):
        marker = "o" if len(values) <= 20 else None
        axes.plot(x, means[known, k], color=COLOURS[i], linestyle=DASHES[i], marker=marker,
                  markersize=4)  # fmt: skip
        ends.append((x[-1], means[known[-1], k], fitting(dependence.outputs[k]), COLOURS[i]))
    if kind in ("time", "timedelta"):
        labels = dependence.labels_in(words.language)
        axes.set_xticks(x, [labels[i] for i in known], rotation=90)
    elif kind in ("date", "datetime"):
        axes.tick_params(axis="x", rotation=45)
        axes.margins(x=0)  # beyond the years 1 and 9999 there are no dates to be drawn
    missing = [i for i, value in enumerate(dependence.grid) if value is None]
    for i, k in enumerate(chosen[: 2 * len(missing)]):
        level = float(means[missing[0], k])
        axes.axhline(level, color=COLOURS[i], linewidth=0.8, linestyle=(0, (1, 2)))
        if i == 0:
            axes.annotate(
                words.say("missing"),
                (0.01, level),
                (0, 3),
                xycoords=axes.get_yaxis_transform(),
                textcoords="offset points",
                fontsize="small",
                color=COLOURS[i],
            )
    if len(chosen) > 1:
        label_ends(axes, [(float(axes.convert_xunits(x)), y, n, c) for x, y, n, c in ends])


def _draw_points(axes: Any, dependence: Any, means: Any, chosen: Any, words: Words) -> None:
    places = np.arange(len(dependence.grid))
    for i, k in enumerate(chosen):
        axes.plot(places, means[:, k], color=COLOURS[i], marker="os^Dv<"[i], linestyle="none",
                  label=fitting(dependence.outputs[k]))  # fmt: skip
    names = [fitting(label) for label in dependence.labels_in(words.language)]
    long = sum(map(len, names)) > 50
    axes.set_xticks(places, names, rotation=90 if long else 0)
    axes.set_xlim(-0.5, len(places) - 0.5)
    if len(chosen) > 1:
        axes.legend(fontsize="small", framealpha=0.9)
