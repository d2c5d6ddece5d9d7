"""The target of a table: which task it sets, its classes, and its values as a network learns them.

Answers for telling classification from regression, and for labels in their own type. Not for:
features (``fitting``), nor for figures.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from limpide.errors import ArgumentError, DataError, MemoryLimitError, choice_error, nearest
from limpide.tables.features import as_text, kind_of, plain
from limpide.tables.table import Table, plural

TASKS = ("binary", "multiclass", "regression")

MOST_CLASSES = 5_000
_FEW = 20  # whole numbers with at most so many different values are classes …
_ROWS_EACH = 5  # … where each stands in this many rows on average


@dataclass(frozen=True)
class Target:
    """The column to predict.

    Attributes
    ----------
    name, kind
        ``kind`` is the type of its labels: text, boolean, integer or float.
    task
        ``"binary"``, ``"multiclass"`` or ``"regression"``.
    why
        How the task was found, for the summary.
    classes
        The labels in order, in their own type; None for regression.
    centre, scale
        For regression, the network learns (value − centre) / scale.
    """

    name: str
    kind: str
    task: str
    why: str
    classes: NDArray[Any] | None = None
    centre: float = 0.0
    scale: float = 1.0

    def labels(self, codes: NDArray[Any]) -> NDArray[Any]:
        """Give the label of each class number."""
        assert self.classes is not None
        return np.asarray(self.classes[codes])

    def in_unit(self, outputs: NDArray[Any]) -> NDArray[np.float64]:
        """Bring a regression's outputs back to the unit of the target, f64[n]."""
        limit = np.finfo(np.float64).max
        with np.errstate(over="ignore"):
            half = outputs.astype(np.float64) * (self.scale / 2) + self.centre / 2
        return np.asarray(np.clip(half, -limit / 2, limit / 2) * 2)

    def scaled(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give what the network learns for the values of a regression's target."""
        return np.asarray((values / 2 - self.centre / 2) / (self.scale / 2))

    def encode(self, table: Table) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Give class numbers or values (f64[n]), and which rows have one.

        Raises
        ------
        DataError
            For a label that is not among the classes, or a value that is no number.
        """
        cells = plain(table.frame[self.name])
        there = np.asarray(cells.is_not_null())
        if self.classes is None:
            return _numbers(cells, table, self.name), there
        same = _like(cells, self.kind)
        codes = same.replace_strict(
            pl.Series(self.classes.tolist(), dtype=same.dtype),
            range(len(self.classes)),
            default=-1,
            return_dtype=pl.Int64,
        )
        found = np.asarray(codes)
        wrong = np.flatnonzero((found < 0) & there)
        if len(wrong):
            row = int(wrong[0])
            known = [str(c) for c in self.classes.tolist()]
            raise DataError(
                f"{table.source}, target column {self.name!r}: {plural(len(wrong), 'row')} "
                f"{'holds a class' if len(wrong) == 1 else 'hold classes'} that the model does "
                f"not know, the first {cells[row]!r:.60} in {table.place(row)}; "
                f"it knows {', '.join(known[:10])}.{nearest(str(cells[row]), known)}"
            )
        return found, there


def _like(cells: pl.Series, kind: str) -> pl.Series:
    """Give labels in the type of the classes, where that can be."""
    if kind == "text":
        return as_text(cells)
    if kind == "boolean":
        if cells.dtype == pl.String:
            words = cells.str.to_lowercase()
            return words.replace_strict(
                ["true", "false"], [True, False], default=None, return_dtype=pl.Boolean
            )
        return cells.cast(pl.Boolean, strict=False)
    return cells.cast(pl.Float64 if kind == "float" else pl.Int64, strict=False)


def _numbers(cells: pl.Series, table: Table, name: str) -> NDArray[np.float64]:
    kind = kind_of(cells.dtype)
    if kind not in ("number", "boolean") and cells.null_count() < len(cells):
        row = int(cells.is_not_null().arg_true()[0])
        raise DataError(
            f"{table.source}, target column {name!r} holds {kind}, such as "
            f"{str(cells[row])[:60]!r} in {table.place(row)}; regression needs numbers. "
            "Choose another target, or leave out task='regression' (--task)."
        )
    values = np.asarray(cells.cast(pl.Float64).fill_null(float("nan")).to_numpy())
    infinite = np.flatnonzero(np.isinf(values))
    if len(infinite):
        row = int(infinite[0])
        raise DataError(
            f"{table.source}, target column {name!r} holds "
            f"{plural(len(infinite), 'infinite value')}, the first {values[row]} in "
            f"{table.place(row)}. Correct or remove those rows."
        )
    return values


def find_target(table: Table, name: str, task: str) -> Target:
    """Find the task that a column sets, and its classes.

    Parameters
    ----------
    table
        All rows that have a target.
    task
        ``"auto"``, or what is wanted.

    Notes
    -----
    Text and booleans are classes. Whole numbers are where there are two different ones, or at
    most 20 that stand in 5 rows each on average. Everything else is a regression.

    Raises
    ------
    ArgumentError, DataError, MemoryLimitError
        For a column that does not fit the task; the message says which one would.
    """
    if task not in ("auto", *TASKS):
        raise choice_error("task", task, ("auto", *TASKS))
    cells = plain(table.frame[name])
    kind = kind_of(cells.dtype)
    if kind not in ("number", "boolean", "text"):
        raise DataError(
            f"{table.source}, target column {name!r} holds {kind}s; limpide predicts classes or "
            "numbers. Convert it to a number first, such as days since a start."
        )
    if kind == "number":
        _numbers(cells, table, name)
    found, why = _detect(cells, kind) if task == "auto" else (task, "as asked")
    if found == "regression":
        _numbers(cells, table, name)
        label = "float" if cells.dtype.is_float() else "integer"
        return Target(name, label, found, why)
    return _classes(table, name, cells, kind, found, why, asked=task != "auto")


def _detect(cells: pl.Series, kind: str) -> tuple[str, str]:
    distinct = cells.n_unique()
    if kind in ("boolean", "text"):
        word = "true or false" if kind == "boolean" else f"text, {distinct} different"
        return ("multiclass" if distinct > 2 else "binary"), word
    if cells.dtype.is_float() and not bool((cells.round() == cells).all()):
        return "regression", "numbers that are not whole"
    if distinct == 2:
        return "binary", "two different numbers"
    if distinct <= _FEW and len(cells) >= _ROWS_EACH * distinct:
        return "multiclass", f"{distinct} different whole numbers"
    return "regression", f"{distinct} different numbers"


def _classes(
    table: Table, name: str, cells: pl.Series, kind: str, task: str, why: str, asked: bool
) -> Target:
    if kind == "text" and not asked:
        _refuse_mixed(table, name, cells)
    if cells.dtype.is_float():
        _refuse_fractions(table, name, cells, task)
    labels = cells.unique().sort()
    count = len(labels)
    _check_count(table, name, cells, count, task)
    dtype = {"boolean": np.bool_, "text": np.str_}.get(kind)
    integer = cells.dtype.is_integer()
    values: NDArray[Any] = np.array(
        labels.to_list(), dtype or (np.int64 if integer else np.float64)
    )
    label = kind if kind != "number" else ("integer" if integer else "float")
    return Target(name, label, task, why, values)


def _check_count(table: Table, name: str, cells: pl.Series, count: int, task: str) -> None:
    rows = len(cells)
    if count == 1:
        raise DataError(
            f"{table.source}, target column {name!r} has one class, {cells[0]!r:.60}, in "
            f"{'its only row' if rows == 1 else f'all {rows} rows'}; there is nothing to "
            "tell apart. Add rows of another class."
        )
    if task == "binary" and count > 2:
        some = ", ".join(f"{c!r:.40}" for c in cells.unique().sort().head(4).to_list())
        raise DataError(
            f"{table.source}, target column {name!r} has {count} classes ({some}…), and "
            "task='binary' takes two. Use task='multiclass'."
        )
    if count > MOST_CLASSES:
        needed = (16 * 128 * count + 8 * count**2) / 2**30
        raise MemoryLimitError(
            f"{table.source}, target column {name!r} has {count:,} classes in {rows:,} rows: a "
            f"network that tells them apart and its table of confusions need about {needed:,.1f} "
            f"GiB; limpide takes at most {MOST_CLASSES:,} classes. Choose another target, or "
            "task='regression' for numbers."
        )
    if count > 100 and 2 * count > rows:
        raise DataError(
            f"{table.source}, target column {name!r} has {count:,} classes in {rows:,} rows, as "
            "identifiers have; nothing can be learned of a class seen once. Choose another target."
        )


def _refuse_fractions(table: Table, name: str, cells: pl.Series, task: str) -> None:
    odd = (cells.round() != cells).fill_null(False).arg_true()
    if len(odd):
        row = int(odd[0])
        raise DataError(
            f"{table.source}, target column {name!r} holds {cells[row]!r} in "
            f"{table.place(row)}, which is no class: it looks like regression. "
            f"Use task='regression' (--task regression) instead of {task!r}."
        )


def _refuse_mixed(table: Table, name: str, cells: pl.Series) -> None:
    numbers = cells.cast(pl.Float64, strict=False).is_not_null()
    if numbers.any() and not numbers.all():
        number, text = int(numbers.arg_true()[0]), int((~numbers).arg_true()[0])
        raise DataError(
            f"{table.source}, target column {name!r} mixes numbers ({cells[number]!r:.40} "
            f"in {table.place(number)}) and text ({cells[text]!r:.40} in {table.place(text)}). "
            "Correct the cells, or use task='multiclass' (--task multiclass) to take all as text."
        )


def with_scale(target: Target, values: NDArray[np.float64]) -> Target:
    """Give a regression's target with the mean and deviation of its training values."""
    largest = float(np.abs(values).max())
    # a power of two, so that nothing is rounded; 1e200 squared would not be a number
    unit = math.ldexp(1.0, math.frexp(largest)[1] - 1) if largest > 0 else 1.0
    small = values / unit
    spread = float(small.std()) * unit
    constant = values.min() == values.max() or not spread > 0
    centre = float(values[0]) if constant else float(small.mean()) * unit
    return Target(
        target.name,
        target.kind,
        target.task,
        target.why,
        None,
        centre,
        1.0 if constant else spread,
    )


def class_weights(class_weight: Any, target: Target, codes: NDArray[Any]) -> Any:
    """Give ``"balanced"``, None, or a dict of class numbers for a dict of labels.

    Raises
    ------
    ArgumentError
        For regression, and for a label that is no class.
    """
    if class_weight is None:
        return None
    if target.classes is None:
        raise ArgumentError(
            "class_weight is for classes, and the task is regression. Leave it out."
        )
    if isinstance(class_weight, str):
        return class_weight
    if not hasattr(class_weight, "items"):
        raise ArgumentError(
            f"class_weight must be 'balanced' or a dict label → weight; received {class_weight!r}."
        )
    return {_code(label, target): weight for label, weight in class_weight.items()}


def _code(label: Any, target: Target) -> int:
    assert target.classes is not None
    known: Sequence[Any] = target.classes.tolist()
    if label not in known:
        names = ", ".join(repr(c) for c in known[:10])
        raise ArgumentError(
            f"class_weight names {label!r}; the classes of {target.name!r} are {names}."
            f"{nearest(str(label), map(str, known))}"
        )
    return known.index(label)
