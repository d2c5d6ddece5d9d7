"""Plots of numbers: the errors of a regression, and the losses of a training run.

Answers for wide ranges, many rows and few. Not for: the figures (``limpide.metrics``).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from limpide.errors import ArgumentError, ShapeError, choice_error
from limpide.ir import Array
from limpide.keywords import known_keywords
from limpide.languages import Words, words_in
from limpide.metrics.inputs import check_same_length, read_column
from limpide.plots.canvas import (
    COLOURS,
    DASHES,
    GREY,
    fitting,
    in_words,
    label_ends,
    new_axes,
    tidy,
    whole_numbers,
)
from limpide.wording import in_language

_MOST_POINTS = 5_000  # more would be one blot
_WIDE = 20  # a loss that falls by more is drawn on a logarithmic axis


@known_keywords
def residuals(
    y: ArrayLike,
    prediction: ArrayLike,
    axes: Any = None,
    unit: str | None = None,
    language: str | None = None,
) -> Any:
    """Draw the errors of a regression, prediction − truth, against the predictions.

    A good model's points lie about the line at 0, as many above as below, anywhere along it.

    Parameters
    ----------
    y, prediction : f64[n]
    axes
        matplotlib's axes to draw on; None: a new figure's.
    unit
        What is predicted, with its unit, for the names of the axes.
    language
        Of the words: "en", "fr" or "uk"; None is the system's.

    Returns
    -------
    matplotlib.axes.Axes
        Of more than 5,000 rows every k-th is drawn, and the title says so.

    Raises
    ------
    MissingExtraError, DataError, ShapeError, DtypeError

    Examples
    --------
    >>> axes = residuals([1.0, 2.0], [1.5, 1.5], unit="price")
    >>> axes.get_xlabel(), axes.get_ylabel()
    ('prediction of price', 'error: prediction − price')
    """
    truth, guess = read_column("y", y), read_column("prediction", prediction)
    check_same_length("y", truth, "prediction", guess)
    words, step = words_in(language), -(-len(truth) // _MOST_POINTS)
    say = words.say
    axes = new_axes(axes, (6.4, 4.2))
    axes.axhline(0, color=GREY, linewidth=1)
    axes.scatter(
        guess[::step], (guess - truth)[::step], s=14, color=COLOURS[0], linewidths=0,
        alpha=max(0.15, min(0.8, 30 / len(truth[::step]) ** 0.5)),
    )  # fmt: skip
    named = fitting(unit, 40) if unit else None
    axes.set_xlabel(say("prediction of {what}", what=named) if named else say("prediction"))
    axes.set_ylabel(say("error: prediction − {truth}", truth=named or say("truth")))
    if step > 1:
        title = say("every {step}th of {rows} rows", step=step, rows=words.whole(len(truth)))
        axes.set_title(title, fontsize="medium")
    return tidy(in_words(axes, words))


@known_keywords
def history(
    history: Any, axes: Any = None, metric: str | None = None, language: str | None = None
) -> Any:
    """Draw the losses of a run, an epoch at a time; the epoch that counts is marked.

    Parameters
    ----------
    history : limpide.History
    axes, language
        As for `residuals`.
    metric
        The name of one of ``history.metrics``, to draw in the place of the losses.

    Returns
    -------
    matplotlib.axes.Axes
        The axis of the losses is logarithmic where they fall by more than a factor of 20.

    Raises
    ------
    MissingExtraError
        Where matplotlib is not installed.
    ArgumentError
        No epoch was finished, or there is no such metric.

    Examples
    --------
    >>> import limpide as lp
    >>> axes = history(lp.History(loss=[2.0, 1.0]))
    >>> axes.get_xlabel(), axes.get_ylabel()
    ('epoch', 'loss')
    """
    if not history.loss:
        raise ArgumentError("There is nothing to plot: no epoch was finished.")
    words = words_in(language)
    lines = _curves(history, metric, words)
    axes = new_axes(axes, (6.4, 4.0))
    axes.set_xlabel(words.say("epoch"))
    axes.set_ylabel(words.say("loss") if metric is None else fitting(metric, 40))
    every = np.concatenate(list(lines.values()))
    if metric is None and (every > 0).all() and every.max() > _WIDE * every.min():
        axes.set_yscale("log")
        axes.set_ylabel(words.say("loss (logarithmic axis)"))
    ends = []
    for i, (name, losses) in enumerate(lines.items()):
        epochs = np.arange(1, len(losses) + 1)
        alone = "o" if len(losses) == 1 else None
        axes.plot(epochs, losses, color=COLOURS[i], linestyle=DASHES[i], label=name, marker=alone)
        ends.append((float(epochs[-1]), float(losses[-1]), name, COLOURS[i]))
    whole_numbers(axes, history.epochs)
    tidy(in_words(axes, words))
    _mark_best(axes, history, [*lines.values()][-1], len(lines) > 1, words)
    if len(lines) > 1:
        label_ends(axes, ends)
    return axes


def _curves(history: Any, metric: str | None, words: Words) -> dict[str, Array]:
    """Give what is drawn, by the names of the lines; that of the rows held out is the last."""
    if metric is not None:
        if metric not in history.metrics:
            if not history.metrics:
                raise ArgumentError(
                    f"metric={metric!r} was not taken in this run. Pass it to the estimator: "
                    f"lp.Classifier(metric={metric!r})."
                )
            raise choice_error("metric", metric, history.metrics)
        return {metric: np.asarray(history.metrics[metric], float)}
    lines = {words.say("training"): np.asarray(history.loss, float)}
    if history.validation_loss:
        lines[words.say("validation")] = np.asarray(history.validation_loss, float)
    return lines


def _mark_best(axes: Any, history: Any, losses: Array, has_validation: bool, words: Words) -> None:
    """Mark the epoch whose weights were kept, or else where the validation loss was lowest."""
    say = words.say
    if history.best_epoch is not None:
        place, told = history.best_epoch, say("best (●): epoch {epoch}, {loss}")
    elif has_validation:
        place, told = int(losses.argmin()), say("lowest on validation (●): epoch {epoch}, {loss}")
    else:
        return
    if not 0 <= place < len(losses):
        raise ShapeError(
            f"history.best_epoch is {place}, and there are {len(losses)} epochs. Correct it."
        )
    axes.scatter([place + 1], [losses[place]], s=28, color="black", zorder=5)
    loss = in_language(f"{losses[place]:.4g}", words.language)
    title = told.format(epoch=place + 1, loss=loss)
    axes.set_title(title, fontsize="medium", loc="left")
