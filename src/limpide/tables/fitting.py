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
    moved,
    number_parts,
    part_values,
    plain,
)
from limpide.tables.table import Table

#: Statistics are taken from at most this many rows, at equal distances.
SAMPLE = 200_000

#: Up to this many categories are one-hot, more get a learned vector each.
ONE_HOT = 12

_FEWEST_ROWS = 3  # a category with fewer rows is "other", where there are many categories
_MOST_CATEGORIES = 10_000  # those with most rows; as many rare ones are remembered
_SPIKE_SHARE = 0.1
_SPIKE_ROWS = 10


@dataclass
class Numbers:
    """The numbers of the matrix, in its order: what the layers in front of the network hold."""

    centre: list[float] = field(default_factory=list)
    factor: list[float] = field(default_factory=list)
    missing: list[bool] = field(default_factory=list)
    spike: list[float | None] = field(default_factory=list)


def fit_columns(table: Table, names: Sequence[str], scaling: str) -> tuple[list[Column], Numbers]:
    """Decide what is done to each column.

    Parameters
    ----------
    table
        The training rows.
    names
        The columns to look at, without the target.
    scaling
        ``"robust"``: median and quartiles; ``"standard"``: mean and standard deviation.

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
            _category(name, cells)
            if cells.dtype == pl.String
            else _number(name, cells, scaling, numbers)
        )
        columns.append(column)
    if not any(column.parts for column in columns):
        reasons = "; ".join(left_out(columns)[:3]) or "there is no column but the target"
        raise DataError(
            f"{table.source} has no column to learn from ({reasons}). Add columns that say "
            "something about the target."
        )
    return columns, numbers


def _left_out(name: str, cells: pl.Series) -> Column | None:
    """Give the column where there is nothing to learn from it."""
    kind, missing = kind_of(cells.dtype), cells.null_count()
    if missing == len(cells):
        return Column(name, kind, missing, "every cell is missing")
    if missing == 0 and cells.min() == cells.max():
        return Column(name, kind, missing, f"constant, {str(cells[0])[:40]!r} in every row")
    return None


def _category(name: str, cells: pl.Series) -> Column:
    counts = cells.drop_nulls().value_counts(sort=False)
    counts = counts.sort(["count", cells.name], descending=[True, False])
    missing, known, kinds = cells.null_count(), int(counts["count"].sum()), len(counts)
    if kinds == known or (kinds > 20 and 2 * kinds > known):
        why = f"{kinds} different texts in {known} rows, as identifiers or free text are"
        return Column(name, "text", missing, why)
    few = kinds + bool(missing) <= ONE_HOT
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


def _number(name: str, cells: pl.Series, scaling: str, numbers: Numbers) -> Column:
    kind, missing = kind_of(cells.dtype), cells.null_count()
    parts = []
    for of in number_parts(kind):
        values = part_values(cells, of)
        known = _sample(values[~np.isnan(values)])
        if of != "value" and (known == known[0]).all():
            continue
        part, scale = _scale(of, known, scaling)
        parts.append(part)
        numbers.centre.append(scale[0])
        numbers.factor.append(scale[1])
        numbers.missing.append(bool(missing) and of == "value")
        numbers.spike.append(scale[2])
    words = "scaled by median and quartiles" if scaling == "robust" else "standardised"
    if len(parts) > 1:
        words = f"days, {', '.join(p.of for p in parts[1:])}; {words}"
    if kind != "boolean" and numbers.spike[-len(parts)] is not None:
        first = parts[0]
        at = float(numbers.spike[-len(parts)] or 0) * first.unit + first.origin
        words += f", extra input: is it {at:g}?"
    if missing:
        words += ", extra input: is it missing?"
    return Column(name, kind, missing, words, tuple(parts))


def _sample(values: Floats) -> Floats:
    return values[:: -(-len(values) // SAMPLE)] if len(values) > SAMPLE else values


def _scale(of: str, known: Floats, scaling: str) -> tuple[Part, tuple[float, float, float | None]]:
    """Give the part, and its centre, factor and spike in the matrix's unit."""
    # Differences of numbers near 1e308 overflow: all is worked out in a unit of their own size.
    largest = float(np.abs(known).max())
    pre = math.ldexp(1.0, math.frexp(largest)[1] - 1) if largest > 1e150 else 1.0
    values = known / pre
    spike = _spike(values)
    centre, scale = _centre_and_scale(values, spike, scaling)
    origin = centre * pre if abs(centre) > 1024 * scale else 0.0
    outside = not 2.0**-60 < scale * pre < 2.0**60
    unit = math.ldexp(1.0, math.frexp(scale)[1] - 1) * pre if outside else 1.0
    part = Part(of, origin, unit)
    there = moved(np.array([centre * pre, math.nan if spike is None else spike * pre]), part)
    factor = unit / pre / scale
    return part, (float(there[0]), factor, None if spike is None else float(there[1]))


def _spike(values: Floats) -> float | None:
    """Give the value that stands in a tenth of the rows or more, where it is not all there is."""
    found, counts = np.unique(values, return_counts=True)
    most = int(counts.argmax())
    enough = max(_SPIKE_SHARE * len(values), _SPIKE_ROWS)
    if len(found) < 3 or counts[most] < enough or len(values) - counts[most] < _SPIKE_ROWS:
        return None
    return float(found[most])


def _centre_and_scale(values: Floats, spike: float | None, scaling: str) -> tuple[float, float]:
    """Give centre and scale; where one value stands out, the scale is that of the others."""
    if scaling == "standard":
        spread = float(values.std())
        return float(values.mean()), spread if spread > 0 else 1.0
    others = values if spike is None else values[values != spike]
    low, high = np.quantile(others, [0.25, 0.75])
    scale = float(high - low)
    if scale <= 0:
        scale = float(others.max() - others.min()) / 2  # as RealMLP does
    if scale <= 0:
        scale = float(values.max() - values.min()) / 2
    return float(np.median(values)), scale if scale > 0 else 1.0
