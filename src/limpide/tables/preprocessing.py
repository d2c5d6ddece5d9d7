"""A table's preprocessing: columns by name, text and missing cells to one matrix of numbers.

Answers for what a model remembers of its table and for applying it to another. Not for: deciding
(``fitting``), scaling and encoding (layers), nor for the target (``targets``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import DTypeLike, NDArray

from limpide.errors import DataError, nearest
from limpide.storage.vocabulary import (
    expect_bool,
    expect_choice,
    expect_float,
    expect_int,
    expect_keys,
    expect_list,
    expect_text,
)
from limpide.tables.features import (
    Column,
    Part,
    as_kind,
    check_finite,
    gaps,
    left_out,
    moved,
    new_gaps,
    part_codes,
    part_values,
)
from limpide.tables.table import Table

ARRAY = "NumPy array"
"""The source of a table whose columns have numbers for names: x0, x1, …"""

_KINDS = ("number", "boolean", "text", "date", "datetime", "time", "duration")
_PARTS = ("value", "month", "weekday", "hour", "code")


@dataclass(frozen=True)
class Preprocessing:
    """What is done to each column of a table; ``columns`` in the table's order."""

    columns: tuple[Column, ...]

    @property
    def used(self) -> list[Column]:
        """The columns that the matrix is made of."""
        return [column for column in self.columns if column.parts]

    @property
    def left_out(self) -> list[str]:
        """Which columns are left out, and why, in words."""
        return left_out(self.columns)

    @property
    def features(self) -> list[str]:
        """The names of the columns that a table must have."""
        return [column.name for column in self.used]

    @property
    def text(self) -> list[str]:
        """The names of the columns to be read as text."""
        return [column.name for column in self.used if column.is_text]

    @property
    def numbers(self) -> list[tuple[Column, Part]]:
        """The parts that are numbers: the first columns of the matrix."""
        return [(c, p) for c in self.columns for p in c.parts if p.of != "code"]

    @property
    def codes(self) -> list[tuple[Column, Part]]:
        """The parts that are codes of categories: the last columns of the matrix."""
        return [(c, p) for c in self.columns for p in c.parts if p.of == "code"]

    @property
    def width(self) -> int:
        """The number of columns of the matrix."""
        return len(self.numbers) + len(self.codes)

    def matrix(self, table: Table, dtype: DTypeLike = np.float32) -> tuple[NDArray[Any], list[str]]:
        """Give dtype[n, width], numbers first, with NaN for a missing number; and notes.

        Raises
        ------
        DataError
            A column is not there or of another kind, or holds infinities.
        """
        self._check_names(table)
        check_finite(table, self.features)
        cells = {c.name: as_kind(table.frame[c.name], c, table) for c in self.used}
        result = np.empty((table.n_rows, self.width), dtype)
        notes: list[str] = []
        for place, (column, part) in enumerate(self.numbers):
            result[:, place] = moved(part_values(cells[column.name], part.of), part)
            self._note_missing(column, part, cells[column.name], notes)
        for place, (column, part) in enumerate(self.codes, len(self.numbers)):
            result[:, place] = part_codes(cells[column.name], part)
            _note_unseen(column, part, cells[column.name], notes)
        return result, notes

    def _check_names(self, table: Table) -> None:
        there = set(table.columns)
        lost = [name for name in self.features if name not in there]
        if not lost:
            return
        extra = [name for name in table.columns if name not in self.features]
        if table.source == ARRAY:
            raise DataError(
                f"the model was trained on named columns ({_listed(self.features, 3)}), and a "
                "NumPy array has no names. Pass a data frame or a dict with these columns."
            )
        told = [f"{name!r}{_perhaps(nearest(name, extra))}" for name in lost[:5]]
        more = f", and {len(lost) - 5} more" if len(lost) > 5 else ""
        raise DataError(
            f"{table.source} lacks {len(lost)} of the {len(self.features)} columns that the "
            f"model was trained on: {', '.join(told)}{more}. "
            f"{'Rename it' if len(lost) == 1 else 'Rename them'}, or add what is missing."
        )

    def _note_missing(self, column: Column, part: Part, cells: pl.Series, notes: list[str]) -> None:
        if part.of == "value" and not column.missing and cells.null_count():
            notes.append(new_gaps(column.name, cells.null_count(), len(cells)))

    def config(self) -> list[dict[str, Any]]:
        """Give what a model file says of the columns."""
        return [asdict(column) for column in self.columns]

    @classmethod
    def from_config(cls, entries: Any) -> Preprocessing:
        """Build it from what a model file says.

        Raises
        ------
        ModelFileError
            For what is not in the vocabulary; the message names its place.
        """
        where = "table"
        listed = expect_list({"columns": entries}, "columns", dict, where=where)
        columns = [_column(entry, f"{where}.columns[{i}]") for i, entry in enumerate(listed)]
        return cls(tuple(columns))


def _note_unseen(column: Column, part: Part, cells: pl.Series, notes: list[str]) -> None:
    known = pl.Series(part.categories, dtype=pl.String)
    others = cells.filter(cells.is_not_null() & ~cells.is_in(known.implode()))
    was_rare = others.is_in(pl.Series(part.rare, dtype=pl.String).implode())
    for found, words in (
        (others.filter(~was_rare), "that the model does not know"),
        (others.filter(was_rare), "that were rare in training"),
    ):
        if len(found):
            some = _listed(found.unique(maintain_order=True).to_list(), 3)
            cells_hold = "cell holds a category" if len(cells) == 1 else "cells hold categories"
            notes.append(
                f"column {column.name!r}: {len(found)} of {len(cells)} {cells_hold} "
                f"{words} ({some}); they are taken as other"
            )
    if cells.null_count() and not part.missing:
        notes.append(
            f"column {column.name!r}: {gaps(cells.null_count(), len(cells))}, and none was in "
            "training; they are taken as other"
        )


def _perhaps(hint: str) -> str:
    """Put a hint into the middle of a sentence.

    >>> _perhaps(" Did you mean 'x'?"), _perhaps("")
    (" (did you mean 'x'?)", '')
    """
    return f" (d{hint.strip()[1:]})" if hint else ""


def _listed(names: list[str], most: int) -> str:
    shown = ", ".join(f"{name!r:.60}" for name in names[:most])
    return f"{shown}, …" if len(names) > most else shown


def _column(entry: Mapping[str, Any], where: str) -> Column:
    expect_keys(entry, {"name", "kind", "missing", "treatment", "parts"}, where=where)
    parts = expect_list(entry, "parts", dict, where=where)
    return Column(
        expect_text(entry, "name", where=where),
        expect_choice(entry, "kind", _KINDS, where=where),
        expect_int(entry, "missing", where=where, minimum=0),
        expect_text(entry, "treatment", where=where),
        tuple(_part(part, f"{where}.parts[{i}]") for i, part in enumerate(parts)),
    )


def _part(entry: Mapping[str, Any], where: str) -> Part:
    expect_keys(entry, {"of", "origin", "unit", "categories", "rare", "missing"}, where=where)
    return Part(
        expect_choice(entry, "of", _PARTS, where=where),
        expect_float(entry, "origin", where=where),
        expect_float(entry, "unit", where=where, minimum=5e-324),
        tuple(expect_list(entry, "categories", str, where=where)),
        tuple(expect_list(entry, "rare", str, where=where)),
        expect_bool(entry, "missing", where=where),
    )
