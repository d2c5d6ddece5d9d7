"""Partial dependence: the mean prediction when one column is set to each of some values.

Answers for the values that are tried and the mean at each. Not for: causes; where columns go
together, some of the rows that are made up never occur.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from limpide import plots
from limpide.errors import ArgumentError, ArgumentTypeError
from limpide.ir import Array
from limpide.languages import Words, decimal_sign, words_in
from limpide.tables import Table
from limpide.tables.columns import from_objects
from limpide.tables.features import Column, plain
from limpide.tables.preprocessing import Preprocessing
from limpide.wording import duration

POINTS = 20
"""How many values are tried, at most, unless they are given."""

_INNER = (0.02, 0.98)  # quantiles between which numbers are tried: beyond, too few rows say much


@dataclass(frozen=True)
class PartialDependence:
    """The mean prediction for each value of a column.

    Attributes
    ----------
    column, kind
        The column of the table; number, boolean, text, date, datetime, time or duration.
    grid
        The values tried: numbers, text, dates; None is a missing one.
    mean
        For each of them, the mean of each output over the rows.
    outputs
        What each output is: a class of more than two, ``P(class)`` of two, or the target.
    rows
        Over how many rows.
    """

    column: str
    kind: str
    grid: tuple[Any, ...]
    mean: tuple[tuple[float, ...], ...]
    outputs: tuple[str, ...]
    rows: int

    def plot(self, axes: Any = None, language: str | None = None) -> Any:
        """Draw it with matplotlib and give its axes; see `limpide.plots.partial_dependence`."""
        return plots.partial_dependence(self, axes, language)

    def to_json(self) -> dict[str, Any]:
        """Give it as plain values; dates as ISO text."""
        return {**asdict(self), "grid": [_plain(value) for value in self.grid]}

    @property
    def labels(self) -> tuple[str, ...]:
        """The values of the grid as people write them."""
        return self.labels_in("en")

    def labels_in(self, language: str | None = None) -> tuple[str, ...]:
        """Give the values of the grid as people write them; None is the system's language."""
        words = words_in(language)
        return tuple(shown(value, words) for value in self.grid)

    def __str__(self) -> str:
        head = [self.column, *self.outputs[:6]]
        rows = [
            [label, *(f"{value:.4g}" for value in means[:6])]
            for label, means in zip(self.labels, self.mean, strict=True)
        ]
        cells = [[_cut(cell) for cell in row] for row in (head, *rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = ["  ".join(map(str.rjust, row, widths)) for row in cells]
        if len(self.outputs) > 6:
            lines.append(f"… and {len(self.outputs) - 6} more classes")
        return "\n".join([*lines, f"mean over {self.rows:,} rows"])


def shown(value: Any, words: Words) -> str:
    """Give a value of a grid as text.

    >>> [shown(value, words_in("en")) for value in (None, 0.30000000000000004, "a")]
    ['missing', '0.3', 'a']
    """
    if value is None:
        return words.say("missing")
    if isinstance(value, bool):
        return words.say("true") if value else words.say("false")
    if isinstance(value, float):
        return f"{value:.6g}".replace(".", decimal_sign(words.language))
    if isinstance(value, datetime.datetime):
        return value.isoformat(" ", "minutes")
    return duration(value, words) if isinstance(value, datetime.timedelta) else str(value)


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _cut(text: str) -> str:
    clean = "".join(c if c.isprintable() else "�" for c in text)
    return clean if len(clean) <= 24 else clean[:23] + "…"


def partial_dependence(
    predict: Callable[[Array], Array],
    preprocessing: Preprocessing,
    table: Table,
    X: Array,
    column: Column,
    outputs: Sequence[str],
    grid: Any = None,
) -> tuple[PartialDependence, list[str]]:
    """Give the mean prediction at each value of a grid, and notes on values of the grid.

    Parameters
    ----------
    predict
        From the matrix to f64[n, outputs].
    preprocessing, table, X
        What is done to columns, the rows to take the mean over, and the matrix of them.
    column
        Which one.
    outputs
        What each output is.
    grid
        The values to try; None: at most 20 quantiles of numbers and times, the most frequent
        categories.

    Source
    ------
    Friedman, "Greedy function approximation: a gradient boosting machine", Annals of Statistics
    29 (2001).
    """
    cells = plain(table.frame[column.name])
    values = default_grid(cells, column) if grid is None else _given(grid)
    made, notes = _of_values(values, column)
    places = matrix_places(preprocessing)[column.name]
    work, means = X.copy(), []
    for row in made:
        work[:, places] = row
        means.append(tuple(predict(work).mean(axis=0).tolist()))
    found = PartialDependence(
        column.name,
        column.kind,
        tuple(values.to_list()),
        tuple(means),
        tuple(outputs),
        table.n_rows,
    )
    return found, [note for note in notes if note.startswith(f"column {column.name!r}:")]


def matrix_places(preprocessing: Preprocessing) -> dict[str, list[int]]:
    """Give for each column that is used its columns of the matrix."""
    places: dict[str, list[int]] = {name: [] for name in preprocessing.features}
    for place, (column, _) in enumerate([*preprocessing.numbers, *preprocessing.codes]):
        places[column.name].append(place)
    return places


def default_grid(cells: pl.Series, column: Column) -> pl.Series:
    """Give the values to try for a column: quantiles, or the most frequent categories."""
    known = cells.drop_nulls()
    if known.dtype in (pl.Boolean, pl.String):
        counts = known.value_counts(sort=True, name="rows")
        # equally frequent ones by name, so that the order of the rows has no say
        counts = counts.sort("rows", counts.columns[0], descending=[True, False])
        values = counts.to_series(0).head(POINTS)
    elif known.n_unique() <= POINTS:
        values = known.unique().sort()
    else:
        ranked = known.sort()
        steps = np.linspace(*_INNER, POINTS) * (len(ranked) - 1)
        values = ranked[np.round(steps).astype(np.int64)].unique().sort()
    learned_missing = bool(column.missing)
    if learned_missing and cells.null_count():
        values = values.extend(values.clear(1))
    return values if len(values) else cells.clear(1)


def _given(grid: Any) -> pl.Series:
    if isinstance(grid, (str, bytes)) or not hasattr(grid, "__len__"):
        raise ArgumentTypeError(
            f"grid must be a list of values of the column; received {grid!r}. Write grid=[1, 2]."
        )
    if len(grid) == 0:
        raise ArgumentError("grid is empty. Give the values to try, or leave grid out.")
    return from_objects("cell", list(grid), "grid")


def _of_values(values: pl.Series, column: Column) -> tuple[Array, list[str]]:
    """Give the column's own part of the matrix for each value, a row each."""
    table = Table(pl.DataFrame([values.alias(column.name)]), "grid")
    return Preprocessing((column,)).matrix(table)
