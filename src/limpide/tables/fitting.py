"""What to do with each column of a table, decided on the training rows.

Answers for the rules: what is a number, a category, a constant, an identifier; and for the
statistics that scaling layers hold. Not for: applying them (``preprocessing``), nor for targets.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

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


@dataclass
class Seen:
    """What was seen of a column in the training rows: all that its treatment is decided by.

    Attributes
    ----------
    name, kind
        As in ``Column``.
    rows, missing
        How many cells there are, and how many of them are missing.
    constant
        What every cell holds, or None.
    cells
        Of a column that is no text: the cells that its statistics are taken from.
    weights : f64[cells], optional
        How often each of these counts.
    counts
        Of a column of text: each text (``cell``) and how often it stands there (``count``).
    others, lost
        How many rare texts are not among the counts, and in how many cells.
    """

    name: str
    kind: str
    rows: int
    missing: int
    constant: str | None = None
    cells: pl.Series = field(default_factory=lambda: pl.Series("cell", [], pl.Float64))
    weights: Floats | None = None
    counts: pl.DataFrame = field(default_factory=pl.DataFrame)
    others: int = 0
    lost: int = 0


def seen_in(table: Table, name: str, weights: Floats | None = None) -> Seen:
    """Look at a column of a table, the training rows."""
    cells = plain(table.frame[name])
    kind, missing = kind_of(cells.dtype), cells.null_count()
    constant = None
    if missing == 0 and cells.min() == cells.max():
        constant = str(cells[0])
    seen = Seen(name, kind, len(cells), missing, constant)
    if kind == "text":
        seen.counts = _counts(cells, weights)
    else:
        seen.cells, seen.weights = cells, weights
    return seen


def fit_columns(
    columns: Iterable[Seen], source: str, scaling: str, stretches: int = 0
) -> tuple[list[Column], Numbers]:
    """Decide what is done to each column.

    Parameters
    ----------
    columns
        What was seen of each column but the target.
    source
        What messages call the table.
    scaling
        ``"robust"``: median and quartiles; ``"standard"``: mean and standard deviation.
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
    decided, numbers = [], Numbers()
    for seen in columns:
        decide = _category if seen.kind == "text" else partial(_number, scaling, numbers, stretches)
        decided.append(_left_out(seen) or decide(seen))
    check_some_left(decided, source)
    return decided, numbers


def check_some_left(columns: Sequence[Column], source: str) -> None:
    """Refuse columns of which there is nothing to learn from."""
    if not any(column.parts for column in columns):
        reasons = "; ".join(left_out(columns)[:3]) or "there is no column but the target"
        raise DataError(
            f"{source} has no column to learn from ({reasons}). Add columns that say "
            "something about the target."
        )


def _left_out(seen: Seen) -> Column | None:
    """Give the column where there is nothing to learn from it."""
    if seen.missing == seen.rows:
        return Column(seen.name, seen.kind, seen.missing, "every cell is missing")
    if seen.constant is None:
        return None
    why = f"constant, {seen.constant[:40]!r} in every row"
    return Column(seen.name, seen.kind, seen.missing, why)


def _counts(cells: pl.Series, weights: Floats | None) -> pl.DataFrame:
    """Give each text and how often it stands there."""
    if weights is None:
        return cells.drop_nulls().value_counts(sort=False)
    pairs = pl.DataFrame([cells, pl.Series("count", weights)]).drop_nulls()
    return pairs.group_by("cell").agg(pl.col("count").sum())


def _category(seen: Seen) -> Column:
    name, missing = seen.name, seen.missing
    counts = seen.counts.sort(["count", "cell"], descending=[True, False])
    known, kinds = float(counts["count"].sum()) + seen.lost, len(counts) + seen.others
    if kinds == known or (kinds > 20 and 2 * kinds > known):
        about = "about " if seen.others else ""
        why = f"{about}{kinds} different texts in {known:.0f} rows, as identifiers or free text are"
        return Column(name, "text", missing, why)
    few = kinds + bool(missing) <= _ALL_KEPT
    kept = counts if few else counts.filter(pl.col("count") >= _FEWEST_ROWS)[:_MOST_CATEGORIES]
    if not len(kept):
        why = f"none of its {kinds} texts stands in {_FEWEST_ROWS} rows"
        return Column(name, "text", missing, why)
    categories = tuple(sorted(kept["cell"].to_list()))
    rest = sorted(counts["cell"][len(kept) : len(kept) + _MOST_CATEGORIES].to_list())
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


def _number(scaling: str, numbers: Numbers, stretches: int, seen: Seen) -> Column:
    kind, missing = seen.kind, bool(seen.missing)
    parts = []
    for of in number_parts(kind):
        known, counts = sampled(part_values(seen.cells, of), seen.weights)
        if of != "value" and (known == known[0]).all():
            continue
        found = scales_of(known[None], scaling, counts, stretches)
        parts.append(Part(of, float(found.origin[0]), float(found.unit[0])))
        numbers.add(found, 0, missing and of == "value")
    words = told(kind, parts, numbers, missing, scaling)
    return Column(seen.name, kind, seen.missing, words, tuple(parts))


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
