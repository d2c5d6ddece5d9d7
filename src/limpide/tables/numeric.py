"""Rows of plain numbers: arrays and sparse matrices, without a data frame on the way.

Answers for the same columns, statistics and matrix that a frame of these numbers would give, many
columns at a time. Not for: text, dates, booleans and mixed columns, which are frames (``frames``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from limpide.errors import DataError
from limpide.tables.columns import from_array
from limpide.tables.features import LARGEST, Column, Floats, Part, new_gaps
from limpide.tables.fitting import Numbers, check_some_left, sampled, told
from limpide.tables.scales import SAMPLE, scales_of
from limpide.tables.table import Table

_BLOCK = 1 << 21  # numbers that are looked at together: 16 MiB of float64

#: The kinds of NumPy's dtypes that are plain numbers.
KINDS = "fiu"


@dataclass(frozen=True)
class Numeric:
    """Rows of numbers: an array, or a sparse matrix of SciPy, with names for its columns.

    Attributes
    ----------
    values : array or sparse matrix of numbers, [n, d]
        Sparse ones in rows (CSR).
    names : sequence of str
        The name of each column.
    source : str
        What messages call it.
    """

    values: Any
    names: Sequence[str]
    source: str

    @property
    def n_rows(self) -> int:
        return int(self.values.shape[0])

    @property
    def columns(self) -> list[str]:
        return list(self.names)

    @property
    def is_sparse(self) -> bool:
        return not isinstance(self.values, np.ndarray)

    def take(self, rows: NDArray[np.int64]) -> Numeric:
        """Give some of the rows, by number."""
        return replace(self, values=self.values[rows])

    def table(self) -> Table:
        """Give the same numbers as a table."""
        dense = self.values.toarray() if self.is_sparse else self.values
        columns = [from_array(name, dense[:, i], self.source) for i, name in enumerate(self.names)]
        return Table(pl.DataFrame(columns), self.source)

    def rows(self) -> Iterator[tuple[slice, NDArray[Any]]]:
        """Give all rows, some at a time, as arrays: what is sparse is dense only here."""
        if not self.is_sparse:
            yield slice(0, self.n_rows), self.values
            return
        step = max(1, _BLOCK // max(1, len(self.names)))
        for first in range(0, self.n_rows, step):
            part = slice(first, min(first + step, self.n_rows))
            yield part, self.values[part].toarray()

    def check_finite(self) -> None:
        """Refuse infinities: how many there are, and the row and column of the first."""
        data = self.values.data if self.is_sparse else self.values
        if data.dtype.kind != "f" or np.isfinite(_sum(data)) or not np.isinf(data).any():
            return
        count, first = 0, ""
        for part, block in self.rows():
            bad = np.isinf(block)
            if bad.any() and not first:
                row, place = np.argwhere(bad)[0].tolist()
                at = f"index {part.start + row}, column {self.names[place]!r}"
                first = f"the first {block[row, place]} in {at}"
            count += int(bad.sum())
        raise DataError(
            f"{self.source} holds {count} infinite {'value' if count == 1 else 'values'}, "
            f"{first}. Replace them by numbers, or leave the cells empty."
        )


def _sum(data: NDArray[Any]) -> Any:
    with np.errstate(over="ignore", invalid="ignore"):
        return np.add.reduce(data, axis=None)


def fit_numeric(
    rows: Numeric, scaling: str, weights: Floats | None = None, stretches: int = 0
) -> tuple[list[Column], Numbers]:
    """Decide what is done to each column, as ``fit_columns`` does for a frame.

    Raises
    ------
    DataError
        Where no column is left, or one holds infinities.
    """
    rows.check_finite()
    columns: list[Column] = []
    numbers = Numbers()
    by_column = rows.values.tocsc() if rows.is_sparse else rows.values
    step = max(1, _BLOCK // max(1, rows.n_rows))
    for first in range(0, len(rows.names), step):
        names = rows.names[first : first + step]
        block = by_column[:, first : first + len(names)]
        dense = block.toarray() if rows.is_sparse else block
        by_name = np.ascontiguousarray(dense.T)
        _fit_block(names, by_name, scaling, weights, stretches, columns, numbers)
    check_some_left(columns, rows.source)
    return columns, numbers


def _fit_block(
    names: Sequence[str],
    block: NDArray[Any],
    scaling: str,
    weights: Floats | None,
    stretches: int,
    columns: list[Column],
    numbers: Numbers,
) -> None:
    """Take up some columns, [k, n]."""
    values = block.astype(np.float64)
    missing = np.isnan(values).sum(axis=1)
    n = values.shape[1]
    constant = (missing == 0) & (block == block[:, :1]).all(axis=1)
    kept = np.flatnonzero((missing < n) & ~constant)
    scales = []
    if n <= SAMPLE and len(kept):
        found = scales_of(values[kept], scaling, weights, stretches)
        scales = [(found, place) for place in range(len(kept))]
    elif len(kept):
        for i in kept.tolist():
            known, counts = sampled(values[i], weights)
            scales.append((scales_of(known[None], scaling, counts, stretches), 0))
    at = dict(zip(kept.tolist(), scales, strict=True))
    for i, name in enumerate(names):
        gone = int(missing[i])
        if i not in at:
            why = "every cell is missing"
            if gone < n:
                why = f"constant, {str(block[i, 0])[:40]!r} in every row"
            columns.append(Column(name, "number", gone, why))
            continue
        scale, place = at[i]
        part = Part("value", float(scale.origin[place]), float(scale.unit[place]))
        numbers.add(scale, place, bool(gone))
        words = told("number", [part], numbers, bool(gone), scaling)
        columns.append(Column(name, "number", gone, words, (part,)))


class NumberPlan:
    """How rows of numbers become the network's matrix, worked out once for a model.

    Parameters
    ----------
    columns
        What was decided for each column, in the order of the rows; all are numbers.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        used = [i for i, column in enumerate(columns) if column.parts]
        parts = [columns[i].parts[0] for i in used]
        self.n_columns, self.width = len(columns), len(used)
        #: Places of the columns that are used; None: all.
        self.places = None if len(used) == len(columns) else np.array(used, np.int64)
        self.origin = np.array([part.origin for part in parts])
        self.unit = np.array([part.unit for part in parts])
        self.is_plain = not self.origin.any() and bool((self.unit == 1).all())
        self.may_miss = np.array([columns[i].missing > 0 for i in used], bool)
        self.names = [columns[i].name for i in used]

    @classmethod
    def of(cls, columns: Sequence[Column]) -> NumberPlan | None:
        """Give the plan, or None where some column is no plain number."""
        plain = all(
            column.kind == "number" and [part.of for part in column.parts] in ([], ["value"])
            for column in columns
        )
        return cls(columns) if plain else None

    def matrix(self, rows: Numeric, dtype: Any) -> tuple[NDArray[Any], list[str]]:
        """Give the matrix, dtype[n, width], and notes on cells that are missing unexpectedly."""
        rows.check_finite()
        result = np.empty((rows.n_rows, self.width), dtype)
        for part, block in rows.rows():
            self.fill(block, result[part])
        return result, self._notes(result)

    def fill(self, block: NDArray[Any], result: NDArray[Any]) -> None:
        """Write the matrix's rows of some rows of finite or missing numbers."""
        chosen = block if self.places is None else block[:, self.places]
        with np.errstate(over="ignore", invalid="ignore"):
            if self.is_plain:
                np.clip(chosen, -LARGEST, LARGEST, out=result, casting="unsafe")
                return
            moved = (chosen.astype(np.float64) - self.origin) / self.unit
            np.clip(moved, -LARGEST, LARGEST, out=result, casting="unsafe")

    def _notes(self, result: NDArray[Any]) -> list[str]:
        if np.isfinite(_sum(result)):
            return []
        gone = np.isnan(result).sum(axis=0)
        return [
            new_gaps(self.names[i], int(gone[i]), len(result))
            for i in np.flatnonzero((gone > 0) & ~self.may_miss)
        ]
