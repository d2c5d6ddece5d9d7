"""What to do with each column of a table, decided on the training rows.

Answers for the rules: what is a number, a category, a constant, an identifier; and for the
statistics that scaling layers hold. Not for: applying them (``preprocessing``), nor for targets.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from limpide.errors import DataError
from limpide.tables.features import (
    Column,
    Floats,
    Part,
    kind_of,
    left_out,
    number_parts,
    part_values,
    plain,
)
from limpide.tables.scales import SAMPLE, Scales, scales_of
from limpide.tables.table import Table

#: Up to this many categories are one-hot, more get a learned vector each.
ONE_HOT = 100

_ALL_KEPT = 12  # so many categories are all kept, however rare
_FEWEST_ROWS = 3  # a category with fewer rows is "other", where there are many categories
_MOST_CATEGORIES = 10_000  # those with most rows; as many rare ones are remembered


@dataclass
class Numbers:
    """The numbers of the matrix, in its order: what the layers in front of the network hold."""

    centre: list[float] = field(default_factory=list)
    factor: list[float] = field(default_factory=list)
    missing: list[bool] = field(default_factory=list)
    spike: list[float | None] = field(default_factory=list)
    edges: list[Floats] = field(default_factory=list)

    def add(self, scales: Scales, place: int, missing: bool) -> None:
        """Take up one column of some statistics."""
        spike = float(scales.spike[place])
        self.centre.append(float(scales.centre[place]))
        self.factor.append(float(scales.factor[place]))
        self.missing.append(missing)
        self.spike.append(None if math.isnan(spike) else spike)
        self.edges.append(scales.edges[place])


def fit_columns(
    table: Table,
    names: Sequence[str],
    scaling: str,
    weights: Floats | None = None,
    stretches: int = 0,
) -> tuple[list[Column], Numbers]:
    """Decide what is done to each column.

    Parameters
    ----------
    table
        The training rows.
    names
        The columns to look at, without the target.
    scaling
        ``"robust"``: median and quartiles; ``"standard"``: mean and standard deviation.
    weights : f64[n], optional
        How often each row counts; all are above 0.
    stretches
        Into how many a column of numbers is cut, at most; 0: it is only scaled.

    Returns
    -------
    The columns, and the statistics of the numbers.

    Raises
    ------
    DataError
        Where no column is left.
    """
    columns, numbers = [], Numbers()
    for name in names:
        cells = plain(table.frame[name])
        column = _left_out(name, cells) or (
            _category(name, cells, weights)
            if cells.dtype == pl.String
            else _number(name, cells, scaling, numbers, weights, stretches)
        )
        columns.append(column)
    check_some_left(columns, table.source)
    return columns, numbers


def check_some_left(columns: Sequence[Column], source: str) -> None:
    """Refuse columns of which there is nothing to learn from."""
    if not any(column.parts for column in columns):
        reasons = "; ".join(left_out(columns)[:3]) or "there is no column but the target"
        raise DataError(
            f"{source} has no column to learn from ({reasons}). Add columns that say "
            "something about the target."
        )


def _left_out(name: str, cells: pl.Series) -> Column | None:
    """Give the column where there is nothing to learn from it."""
    kind, missing = kind_of(cells.dtype), cells.null_count()
    if missing == len(cells):
        return Column(name, kind, missing, "every cell is missing")
    if missing == 0 and cells.min() == cells.max():
        return Column(name, kind, missing, f"constant, {str(cells[0])[:40]!r} in every row")
    return None


def _counts(cells: pl.Series, weights: Floats | None) -> pl.DataFrame:
    """Give each text and how often it stands there, the most frequent first."""
    if weights is None:
        counts = cells.drop_nulls().value_counts(sort=False)
    else:
        pairs = pl.DataFrame([cells, pl.Series("count", weights)]).drop_nulls()
        counts = pairs.group_by(cells.name).agg(pl.col("count").sum())
    return counts.sort(["count", cells.name], descending=[True, False])


def _category(name: str, cells: pl.Series, weights: Floats | None) -> Column:
    counts = _counts(cells, weights)
    missing, known, kinds = cells.null_count(), float(counts["count"].sum()), len(counts)
    if kinds == known or (kinds > 20 and 2 * kinds > known):
        why = f"{kinds} different texts in {known:.0f} rows, as identifiers or free text are"
        return Column(name, "text", missing, why)
    few = kinds + bool(missing) <= _ALL_KEPT
    kept = counts if few else counts.filter(pl.col("count") >= _FEWEST_ROWS)[:_MOST_CATEGORIES]
    if not len(kept):
        why = f"none of its {kinds} texts stands in {_FEWEST_ROWS} rows"
        return Column(name, "text", missing, why)
    categories = tuple(sorted(kept[cells.name].to_list()))
    rest = sorted(counts[cells.name][len(kept) : len(kept) + _MOST_CATEGORIES].to_list())
    part = Part("code", categories=categories, rare=tuple(rest), missing=bool(missing))
    how = "one-hot" if part.codes <= ONE_HOT else f"embedded in {embedding_size(part.codes)}"
    own = ", missing as its own" if missing else ""
    words = f"{len(categories):,} categories, {how}{own}{_rare(kinds - len(kept), len(kept))}"
    return Column(name, "text", missing, words, (part,))


def _rare(count: int, kept: int) -> str:
    if not count:
        return ""
    fewer = f"with fewer than {_FEWEST_ROWS} rows" if kept < _MOST_CATEGORIES else "that are rarer"
    if count == 1:
        return f"; 1 category {fewer} is taken as other"
    return f"; {count:,} categories {fewer} are taken as one"


def embedding_size(codes: int) -> int:
    """Give the length of the vector that stands for one of so many categories.

    >>> embedding_size(20), embedding_size(1000)
    (5, 16)
    """
    return min(16, math.ceil(math.sqrt(codes)))


def _number(
    name: str,
    cells: pl.Series,
    scaling: str,
    numbers: Numbers,
    weights: Floats | None,
    stretches: int,
) -> Column:
    kind, missing = kind_of(cells.dtype), cells.null_count()
    parts = []
    for of in number_parts(kind):
        known, counts = sampled(part_values(cells, of), weights)
        if of != "value" and (known == known[0]).all():
            continue
        found = scales_of(known[None], scaling, counts, stretches)
        parts.append(Part(of, float(found.origin[0]), float(found.unit[0])))
        numbers.add(found, 0, bool(missing) and of == "value")
    return Column(
        name, kind, missing, told(kind, parts, numbers, bool(missing), scaling), tuple(parts)
    )


def told(kind: str, parts: Sequence[Part], numbers: Numbers, missing: bool, scaling: str) -> str:
    """Say what is done to the column whose parts were the last to join the numbers."""
    words = "scaled by median and quartiles" if scaling == "robust" else "standardised"
    if len(parts) > 1:
        words = f"days, {', '.join(p.of for p in parts[1:])}; {words}"
    spike = numbers.spike[-len(parts)]
    if kind != "boolean" and spike is not None:
        words += f", extra input: is it {spike * parts[0].unit + parts[0].origin:g}?"
    cut = len(numbers.edges[-len(parts)]) - 1
    if cut > 0:
        words += f", and in {cut} stretches"
    return words + ", extra input: is it missing?" * missing


def sampled(values: Floats, weights: Floats | None) -> tuple[Floats, Floats | None]:
    """Give the numbers of a column that are there, and their weights; of many, a sample."""
    known = ~np.isnan(values)
    values, weights = values[known], None if weights is None else weights[known]
    step = -(-len(values) // SAMPLE)
    return values[::step], None if weights is None else weights[::step]
