"""What an exported file says of itself: what it predicts, how to call it, what it was trained on.

Answers for sentences, of which each kind of file takes those it needs. Not for: quoting them
(``text``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePath

from limpide.ir import Array


@dataclass(frozen=True)
class About:
    """What is exported, in words.

    Attributes
    ----------
    title
        One sentence.
    layers
        The printed network.
    training
        What it was trained on, a sentence each; empty for a bare network.
    columns
        Name and what to give, a pair for each column of the table.
    """

    title: str
    layers: str
    training: Sequence[str] = ()
    columns: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True)
class Ending:
    """What a model makes of the network's sums.

    Attributes
    ----------
    task
        ``"binary"``, ``"multiclass"``, ``"regression"`` or ``"multilabel"``.
    target
        The name of the column that is predicted.
    classes
        The labels, or None.
    centre, scale
        A regression's prediction is sum · scale + centre; f64[outputs] where there are several.
    """

    task: str
    target: str
    classes: Array | None
    centre: float | Array = 0.0
    scale: float | Array = 1.0
    labels: list[object] = field(init=False)

    def __post_init__(self) -> None:
        labels = [] if self.classes is None else self.classes.tolist()
        object.__setattr__(self, "labels", labels)


def module_name(path: str) -> str:
    """Give what a file is imported as.

    >>> module_name("models/bakery.py")
    'bakery'
    """
    stem = PurePath(path).stem
    return stem if stem.isidentifier() else "the_file"


def paragraphs(about: About, needs: str, usage: Sequence[str]) -> list[str]:
    """Give the paragraphs of a file's docstring."""
    found = [
        about.title,
        f"A neural network with its trained weights, exported from limpide. It needs {needs}.",
        "\n".join(f"    {line}" for line in usage),
    ]
    if about.columns:
        found.append(
            "The columns of a row, in any order; a missing cell is None, nan or empty text:"
        )
        found.append("\n".join(f"    {name}: {what}" for name, what in about.columns))
    found.append("The network:")
    found.append("\n".join(f"    {line}" for line in about.layers.splitlines()))
    if about.training:
        found.append(" ".join(about.training))
    return found
