"""Derivation: what ``net.explain`` gives: every number, every derivative, and how it comes about.

Answers for looking numbers up and for choosing what of a large network is told. Not for: formulas
(``facts``), or writing them.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from typing import Any

import numpy as np

from limpide.errors import ArgumentError, choice_error
from limpide.explain.derivations.blocks import Block
from limpide.explain.derivations.entries import ByName, Entry
from limpide.explain.derivations.facts import Facts
from limpide.explain.derivations.html_math import as_html, as_page
from limpide.explain.derivations.latex import as_latex
from limpide.explain.derivations.legend import Legend
from limpide.explain.derivations.records import entry_record, whole_record
from limpide.explain.derivations.telling import Telling
from limpide.explain.derivations.written_text import as_text
from limpide.ir import Array
from limpide.keywords import known_keywords
from limpide.languages import words_in

_ALL_TOLD = 60  # parameters; of larger networks the largest derivatives are told
_LARGEST = 5


class Told:
    """What can be written: as text, LaTeX, HTML and JSON."""

    facts: Facts

    def blocks(self, telling: Telling) -> Sequence[Block]:
        raise NotImplementedError

    @known_keywords
    def to_text(
        self, *, language: str | None = None, width: int | None = None, digits: int = 6
    ) -> str:
        """Give it as plain text.

        Parameters
        ----------
        language
            ``"en"``, ``"fr"`` or ``"uk"``; None is the system's.
        width
            Columns of a line; None is the terminal's.
        digits
            Significant digits of results, at least 2; factors have as many as it takes for whoever
            multiplies what is printed to get what is printed.
        """
        words = words_in(language)
        telling = Telling(self.facts, words, _digits(digits))
        return as_text(self.blocks(telling), words, digits, _width(width))

    @known_keywords
    def to_latex(
        self, *, language: str | None = None, digits: int = 6, document: bool = True
    ) -> str:
        """Give it as LaTeX with amsmath: a document that compiles, or its body alone."""
        words = words_in(language)
        telling = Telling(self.facts, words, _digits(digits))
        return as_latex(self.blocks(telling), words, digits, document)

    @known_keywords
    def to_html(
        self, *, language: str | None = None, digits: int = 6, document: bool = True
    ) -> str:
        """Give it as HTML with MathML, which asks for nothing else: a page, or a ``<div>``."""
        words = words_in(language)
        telling = Telling(self.facts, words, _digits(digits))
        blocks = self.blocks(telling)
        if not document:
            return as_html(blocks, words, digits)
        return as_page(blocks, words, digits)

    @known_keywords
    def to_json(self) -> str:
        """Give it as JSON: every number in full precision, every formula as text."""
        return json.dumps(self.record(), ensure_ascii=False, indent=1, allow_nan=False)

    def record(self) -> dict[str, Any]:
        """Give what ``to_json`` writes."""
        raise NotImplementedError

    def _repr_html_(self) -> str:
        return self.to_html(document=False)

    def __str__(self) -> str:
        return self.to_text()


class Explained(Told):
    """One number: how it comes about, the derivative of the loss by it, and the update.

    Attributes
    ----------
    name, value, derivative
        ``derivative`` is that of the loss by this number.
    """

    def __init__(self, facts: Facts, entry: Entry) -> None:
        self.facts, self.entry = facts, entry
        self.name, self.value, self.derivative = entry.name, entry.value, entry.derivative

    def blocks(self, telling: Telling) -> Sequence[Block]:
        return list(telling.entry(self.entry))

    def record(self) -> dict[str, Any]:
        return entry_record(self.entry)

    @property
    def updated(self) -> float | None:
        """The parameter after one step of the optimizer; None for what is not trained."""
        return self.entry.update[-1].value if self.entry.update else None

    def __repr__(self) -> str:
        return f"<{self.name} = {self.value:.6g}, ∂L/∂{self.name} = {self.derivative:.6g}>"


class Derivation(Told):
    """A network's output, loss and derivatives on a few rows, each told as on paper.

    ``d["w1"]`` tells one number, ``print(d)`` all of a small network; ``d.gradients`` are the
    derivatives by scalar name. Everything is worked out in float64 by the reference engine, from
    the graph that trains.

    Attributes
    ----------
    loss, output
        The loss, and the network's output: as ``predict`` gives it.
    gradients
        Scalar name → ∂L/∂(that number).

    Examples
    --------
    >>> import limpide as lp
    >>> net = lp.Network([2, 2, 1], activation="sigmoid", output="sigmoid", dtype="float64", seed=0)
    >>> net.params |= {name: 1.0 if "weights" in name else 0.0 for name in net.params}
    >>> d = net.explain([-2, -1], 1, loss="mse", optimizer=lp.SGD(0.1))
    >>> print(d["z_h1"].to_text(language="en", width=88))
    z_h1, the weighted sum of a neuron
    ──────────────────────────────────
      z_h1 = w1·x1 + w2·x2 + b1 = 1·(−2) + 1·(−1) + 0 = −3
      ∂L/∂z_h1 = ∂L/∂ŷ · ∂ŷ/∂h1 · ∂h1/∂z_h1 = −0.95261 · 0.249439 · 0.0451767 = −0.0107348
    By hand, with factors cut off after 3 digits, −0.952·0.249·0.0451 = −0.0106; with all
    digits it is −0.0107. Round once, at the end.
    Its factors:
      ∂L/∂ŷ = −2·(y − ŷ) = −2·(1 − 0.523695) = −0.95261
      ∂ŷ/∂h1 = w5·ŷ·(1 − ŷ) = 1·0.523695·(1 − 0.523695) = 0.249439
      ∂h1/∂z_h1 = h1·(1 − h1) = 0.0474259·(1 − 0.0474259) = 0.0451767
    """

    def __init__(self, facts: Facts, single: bool) -> None:
        self.facts, self._single = facts, single

    @property
    def loss(self) -> float:
        return self.facts.cells.value(self.facts.end)

    @property
    def output(self) -> Any:
        """A float for one output of one row, f64[outputs] for one row, else f64[n, outputs]."""
        found = self.facts.cells.arrays[self.facts.cells.index(self.facts.subject.prediction)]
        if not self._single:
            return found.copy()
        return float(found[0, 0]) if found.shape[1] == 1 else found[0].copy()

    @property
    def gradients(self) -> ByName:
        return self.facts.gradients

    @property
    def rows(self) -> int:
        return self.facts.rows

    def __getitem__(self, name: str) -> Explained:
        """Tell one number: a parameter (``w1``, ``b1``, ``hidden2.scale[3]``), an input ``x1``, a
        weighted sum ``z_h1``, a value ``h1``, the output ``ŷ`` or ``o1``, the loss ``L``.

        Raises
        ------
        ArgumentError
            For a name that there is not.
        """
        return Explained(self.facts, self.facts.entry(self.facts.names.find(name)))

    @known_keywords
    def layer(self, name: str) -> Layer:
        """Give the numbers of one layer: its sums, its values and its parameters."""
        names = [stage.name for stage in self.facts.subject.stages]
        if name not in names:
            raise ArgumentError(f"No layer is named {name!r}; there are {', '.join(names)}.")
        return Layer(self.facts, name)

    @known_keywords
    def row(self, index: int) -> Derivation:
        """Give the derivation of one of several rows, counted from 0, alone.

        Raises
        ------
        ArgumentError
            For a row that there is not, or rows that cannot be told apart, as where batch norm
            takes the statistics of all.
        """
        if not _is_whole(index) or not 0 <= index < self.rows:
            raise ArgumentError(
                f"row is a whole number from 0 to {self.rows - 1}; received row {index!r}."
            )
        if self.rows == 1:
            return self
        if self.facts.draws_together:
            raise ArgumentError(
                "The dropout of all rows was drawn in one, and a row alone would be given another. "
                "Ask with training=False, or look at all rows together."
            )
        if not self.facts.rows_apart:
            raise ArgumentError(
                "The rows are not apart: a layer takes the statistics of all of them. Ask with "
                "training=False, or look at all rows together."
            )
        return Derivation(self.facts.alone(index), True)

    @known_keywords
    def largest(self, k: int = _LARGEST) -> list[Explained]:
        """Give the k parameters by which the loss changes most, largest first."""
        if not _is_whole(k) or k < 1:
            raise ArgumentError(f"k is a whole number of at least 1; received {k!r}.")
        return [self[name] for name in self.facts.largest(k)]

    @known_keywords
    def numbers(self, names: Sequence[str]) -> Chosen:
        """Give several numbers, to be told one after the other.

        Raises
        ------
        ArgumentError
            For a name that there is not.
        """
        return Chosen(self.facts, [self[name] for name in names])

    def with_legend(self, legend: Legend) -> Derivation:
        """Give the same derivation with what its inputs and its target stand for."""
        return Derivation(self.facts.with_legend(legend), self._single)

    def blocks(self, telling: Telling) -> Sequence[Block]:
        everything = len(self.gradients) <= _ALL_TOLD
        names = list(self.gradients) if everything else self.facts.largest(_LARGEST)
        return list(telling.whole(names, everything))

    def record(self) -> dict[str, Any]:
        everything = len(self.gradients) <= _ALL_TOLD
        names = list(self.gradients) if everything else self.facts.largest(_LARGEST)
        return whole_record(self.facts, names, everything)

    def __repr__(self) -> str:
        return f"<Derivation {self.facts.sizes}: loss {self.loss:.6g}>"


class Chosen(Told):
    """Several numbers of a derivation."""

    def __init__(self, facts: Facts, chosen: Sequence[Explained]) -> None:
        self.facts, self.chosen = facts, tuple(chosen)

    def blocks(self, telling: Telling) -> Sequence[Block]:
        return [block for one in self.chosen for block in telling.entry(one.entry, once=True)]

    def record(self) -> dict[str, Any]:
        return {"entries": [one.record() for one in self.chosen]}


class Layer(Told):
    """The numbers of one layer, by name."""

    def __init__(self, facts: Facts, name: str) -> None:
        self.facts, self.name = facts, name

    @property
    def names(self) -> list[str]:
        """Sums and values of the first row, then parameters."""
        values, _ = self.facts.names_of_layer(self.name)
        return [*values, *self.facts.scalars.of_layer(self.name)]

    def __len__(self) -> int:
        values, parameters = self.facts.names_of_layer(self.name)
        return len(values) + sum(self.facts.gradients.array(n).size for n in parameters)

    def __getitem__(self, name: str) -> Explained:
        cell, (values, parameters) = (
            self.facts.names.find(name),
            self.facts.names_of_layer(self.name),
        )
        parameter = self.facts.cells.nodes[cell.node].name
        if parameter not in parameters and not {name, self.facts.text(cell)} & set(values):
            raise ArgumentError(f"{self.name} has no {name!r}; it has {self._said()}.")
        return Explained(self.facts, self.facts.entry(cell))

    def _said(self) -> str:
        names = self.names
        return ", ".join(names) if len(names) < 9 else f"{', '.join(names[:4])} … {names[-1]}"

    def derivatives(self, part: str) -> Array:
        """Give the derivatives by one of its parameters, such as ``"weights"``."""
        _, parameters = self.facts.names_of_layer(self.name)
        if f"{self.name}.{part}" not in parameters:
            parts = [n.rpartition(".")[2] for n in parameters]
            raise (
                choice_error("part", part, parts)
                if parts
                else ArgumentError(
                    f"{self.name} has no parameters, so the loss has no derivative by them."
                )
            )
        return self.facts.gradients.array(f"{self.name}.{part}")

    def blocks(self, telling: Telling) -> Sequence[Block]:
        return list(telling.layer(self.name, len(self)))

    def record(self) -> dict[str, Any]:
        many = len(self) > _ALL_TOLD
        names = self.facts.largest_of_layer(self.name, _ALL_TOLD) if many else self.names
        return {"layer": self.name, "entries": [entry_record(self[n].entry) for n in names]}


def _is_whole(value: object) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _digits(digits: int) -> int:
    if not _is_whole(digits) or not 2 <= digits <= 17:
        raise ArgumentError(f"digits is a whole number from 2 to 17; received {digits!r}.")
    return digits


def _width(width: int | None) -> int:
    if width is None:
        return min(max(shutil.get_terminal_size().columns, 40), 120)
    if not _is_whole(width) or width < 20:
        raise ArgumentError(f"width is a whole number of at least 20; received {width!r}.")
    return width
