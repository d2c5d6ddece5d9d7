"""What all plots share: axes to draw on, colours, names that fit.

Answers for a look that a colour-blind reader can use, set on these axes alone. Not for: any
global setting of matplotlib, which is the user's.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from limpide.errors import ArgumentTypeError, MissingExtraError
from limpide.languages import Words
from limpide.wording import per_cent

# Okabe and Ito, "Color universal design" (2008), in the order of their contrast with white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
DASHES = ("solid", (0, (5, 1.5)), (0, (1, 1)), (0, (5, 1, 1, 1)), (0, (8, 2)), (0, (3, 3)), "solid")
GREY = "#767676"
# The same colours for text, dark enough to be read on white (4.5 to 1).
_INKS = ("#0072B2", "#B04A00", "#00734F", "#9C3F78", "#1B6FA5", "#8A5F00", "#000000")


def new_axes(axes: Any, size: tuple[float, float]) -> Any:
    """Give axes to draw on: the user's, or those of a new figure.

    Where pyplot is loaded, as in a notebook, the new figure is one of pyplot's, so that it is
    shown; else it belongs to nobody but the caller. ``axes.figure.savefig(path)`` writes it.

    Raises
    ------
    MissingExtraError
        Where matplotlib is not installed.
    ArgumentTypeError
        Where ``axes`` is something else.
    """
    if axes is not None:
        if not hasattr(axes, "set_xlabel"):
            raise ArgumentTypeError(
                f"axes must be matplotlib's, such as pyplot.subplots()[1]; received {axes!r:.80}."
            )
        return axes
    try:
        import matplotlib  # noqa: F401
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError("A plot needs matplotlib: pip install 'limpide[plot]'") from None
    pyplot = sys.modules.get("matplotlib.pyplot")
    make = Figure if pyplot is None else pyplot.figure
    return make(figsize=size, layout="constrained").add_subplot()


def tidy(axes: Any, grid: str = "both") -> Any:
    """Take away what says nothing, and put a light grid behind the rest."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.grid(visible=True, axis=grid, color="#DDDDDD", linewidth=0.8)
    axes.set_axisbelow(True)
    return axes


def whole_numbers(axes: Any, count: int) -> None:
    """Put ticks at whole numbers from 1 to ``count`` alone."""
    if count == 1:
        axes.set_xticks([1])
        return
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def in_words(axes: Any, words: Words) -> Any:
    """Write the numbers of both axes as a language does; in English they are matplotlib's own."""
    if words.language == "en":
        return axes
    from matplotlib.ticker import FuncFormatter, ScalarFormatter

    for axis in (axes.xaxis, axes.yaxis):
        if isinstance(axis.get_major_formatter(), ScalarFormatter):
            axis.set_major_formatter(FuncFormatter(functools.partial(_tick, words)))
    return axes


def _tick(words: Words, value: float, _: object) -> str:
    return words.number(value)


def share_axes(axes: Any, x: str, y: str, words: Words) -> Any:
    """Set both axes from 0 to 1, in per cent, each with its name."""
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    steps = np.linspace(0, 1, 6)
    texts = [per_cent(f"{100 * step:.0f}", words.language) for step in steps]
    axes.set_xticks(steps, texts)
    axes.set_yticks(steps, texts)
    return tidy(axes)


def fitting(name: object, most: int = 24) -> str:
    """Give a name as text to draw: no longer than fits, nothing that matplotlib would obey.

    >>> fitting("a" * 30, 10), fitting("$x$")
    ('aaaaaaaaa…', '\\\\$x\\\\$')
    """
    text = "".join(c if c.isprintable() else "�" for c in str(name)) or "''"
    if len(text) > most:
        text = text[: most - 1] + "…"
    return text.replace("\\", "\\\\").replace("$", r"\$")


def label_ends(axes: Any, ends: Sequence[tuple[float, float, str, str]]) -> None:
    """Write names beside the ends of lines, (x, y, name, colour), apart from each other."""
    axes.figure.draw_without_rendering()  # so that the axes know their scale
    points = axes.transData.transform([(x, y) for x, y, _, _ in ends])
    height = 14 * axes.figure.dpi / 72
    order = np.argsort(points[:, 1])
    places = points[order, 1].copy()
    for i in range(1, len(places)):
        places[i] = max(places[i], places[i - 1] + height)
    places -= (places - points[order, 1]).mean()
    for place, i in zip(places, order, strict=True):
        x, y, name, colour = ends[i]
        moved = (place - points[i, 1]) * 72 / axes.figure.dpi
        axes.annotate(
            name, (x, y), (6, moved), textcoords="offset points", va="center",
            color=_INKS[COLOURS.index(colour)], annotation_clip=False,
        )  # fmt: skip
