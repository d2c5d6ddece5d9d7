"""The target of a table: which task it sets, its classes, and its values as a network learns them.

Answers for telling classification from regression, and for labels in their own type. Not for:
features (``fitting``), nor for figures.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from limpide.errors import ArgumentError, DataError, MemoryLimitError, choice_error, nearest
from limpide.memory import check_fits
from limpide.tables.features import as_text, kind_of, plain
from limpide.tables.table import Table

TASKS = ("binary", "multiclass", "regression")

MOST_CLASSES = 5_000
_FEW = 10  # whole numbers with at most so many different values are classes
_NOTHING = 2.0**-20
_HEAVIEST = 1e9  # of the weights of classes: their products and sums stay within float32


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
        For regression, the network learns (value − centre) / scale; f64[outputs] of several.
    outputs
        How many numbers, or labels of 0 and 1 (task ``"multilabel"``), a row has.
    """

    name: str
    kind: str
    task: str
    why: str
    classes: NDArray[Any] | None = None
    centre: float | NDArray[np.float64] = 0.0
    scale: float | NDArray[np.float64] = 1.0
    outputs: int = 1

    def labels(self, codes: NDArray[Any]) -> NDArray[Any]:
        """Give the label of each class number."""
        assert self.classes is not None
        return np.asarray(self.classes[codes])

    def in_unit(self, outputs: NDArray[Any]) -> NDArray[np.float64]:
        """Bring a regression's outputs back to the unit of the target, f64[n] or [n, outputs]."""
        limit = np.finfo(np.float64).max
        with np.errstate(over="ignore"):
            half = outputs.astype(np.float64) * (self.scale / 2) + self.centre / 2
        return np.asarray(np.clip(half, -limit / 2, limit / 2) * 2)

    def scaled(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give what the network learns for the values of a regression's target."""
        return np.asarray((values / 2 - self.centre / 2) / (self.scale / 2))

    def learned(
        self, y: NDArray[Any], dtype: np.dtype[Any], *, one_hot: bool = False
    ) -> NDArray[Any]:
        """Give y as a network learns it: scaled, or class numbers, or a column a class."""
        if self.task == "regression":
            return self.scaled(y)
        if self.task != "multiclass" or not one_hot or self.classes is None:
            return y
        count = len(self.classes)
        needed = len(y) * count * dtype.itemsize
        check_fits(needed, f"y with a column for each of {count:,} classes", "Use another loss.")
        return np.asarray(y[:, None] == np.arange(count), dtype)

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
            self._refuse_unknown(cells, wrong, table)
        return found, there

    def _refuse_unknown(self, cells: pl.Series, wrong: NDArray[Any], table: Table) -> None:
        assert self.classes is not None
        row = int(wrong[0])
        known = [str(c) for c in self.classes.tolist()]
        rows = "1 row holds a class" if len(wrong) == 1 else f"{len(wrong)} rows hold classes"
        odd = cells.dtype.is_float() and float(cells[row]) % 1 != 0
        hint = (
            " It looks like regression, and the model was trained on classes; give the classes, "
            "or train a model with task='regression' (--task regression)."
            if odd and self.kind != "text"
            else nearest(str(cells[row]), known)
        )
        raise DataError(
            f"{table.source}, target column {self.name!r}: {rows} that the model does not know, "
            f"the first {cells[row]!r:.60} in {table.place(row)}; "
            f"it knows {', '.join(known[:10])}.{hint}"
        )


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
        if cells.dtype == pl.Boolean:
            return cells
        return cells.cast(pl.Float64).replace_strict(
            [1.0, 0.0], [True, False], default=None, return_dtype=pl.Boolean
        )
    return cells.cast(pl.Float64, strict=False) if kind == "float" else _whole(cells)


def _whole(cells: pl.Series) -> pl.Series:
    """Give whole numbers as they are, null for what is none; nothing is rounded."""
    if cells.dtype.is_integer() or cells.dtype == pl.Boolean:
        return cells.cast(pl.Int64, strict=False)
    numbers = cells.cast(pl.Float64, strict=False)
    whole = numbers.set((numbers.round() != numbers).fill_null(False), None)
    near = whole.cast(pl.Int64, strict=False)
    return cells.cast(pl.Int64, strict=False).fill_null(near) if cells.dtype == pl.String else near


def _refuse_rounding(
    cells: pl.Series, values: NDArray[np.float64], table: Table, name: str
) -> None:
    """Refuse different whole numbers that float64 makes equal: the figures would be too good."""
    if cells.drop_nulls().n_unique() > len(np.unique(values[~np.isnan(values)])):
        row = int(np.nanargmax(np.abs(values)))
        raise DataError(
            f"{table.source}, target column {name!r} holds whole numbers that differ by less than "
            f"float64 can tell, such as {cells[row]} in {table.place(row)}. Subtract a common "
            "number from them first, or give them as text if they are names."
        )


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
    if cells.dtype.is_integer():
        _refuse_rounding(cells, values, table, name)
    infinite = np.flatnonzero(np.isinf(values))
    if len(infinite):
        row = int(infinite[0])
        raise DataError(
            f"{table.source}, target column {name!r} holds {len(infinite)} infinite values, "
            f"the first {values[row]} in {table.place(row)}. Correct or remove those rows."
        )
    return values


def find_target(table: Table, name: str, task: str, n_rows: int | None = None) -> Target:
    """Find the task that a column sets, and its classes.

    Parameters
    ----------
    table
        All rows that have a target.
    task
        ``"auto"``, or what is wanted.
    n_rows
        How many rows there are, where the table holds each different target once.

    Notes
    -----
    Text and booleans are classes, and so are at most 10 different whole numbers; everything else
    is a regression. How many rows there are makes no difference.

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
    return _classes(table, name, cells, kind, found, why, n_rows or len(cells), task != "auto")


def _detect(cells: pl.Series, kind: str) -> tuple[str, str]:
    distinct = cells.n_unique()  # of this alone the task depends, never of the number of rows
    if kind in ("boolean", "text"):
        word = "true or false" if kind == "boolean" else f"text, {distinct} different"
        return ("multiclass" if distinct > 2 else "binary"), word
    if cells.dtype.is_float() and not bool((cells.round() == cells).all()):
        return "regression", "numbers that are not whole"
    if distinct == 2:
        return "binary", "two different numbers"
    task = "multiclass" if distinct <= _FEW else "regression"
    return task, f"{distinct:,} different whole numbers"


def overrule(target: Target) -> list[str]:
    """Say how whole numbers can be taken the other way, where a task was found by them."""
    if not target.why.endswith("different whole numbers"):
        return []
    taken, other, otherwise = "taken as classes", "regression", "learns them as numbers"
    if target.classes is None:
        taken, other, otherwise = "learned as numbers", "multiclass", "takes them as classes"
    return [
        f"target {target.name!r} holds {target.why}: {taken}; "
        f"task={other!r} (--task {other}) {otherwise}"
    ]


def look_alike(target: Target) -> list[str]:
    """Say which classes differ only in case or in blanks."""
    groups: dict[str, list[str]] = {}
    if target.classes is not None and target.kind == "text":
        for label in target.classes.tolist():
            groups.setdefault("".join(label.casefold().split()), []).append(label)
    alike = [group for group in groups.values() if len(group) > 1]
    if not alike:
        return []
    names = " and ".join(repr(label)[:60] for label in alike[0])
    more = f", and {len(alike) - 1} more such groups" if len(alike) > 1 else ""
    return [
        f"classes {names} of {target.name!r} differ only in case or blanks, and are taken as "
        f"different{more}; correct the column if they are the same"
    ]


def _classes(
    table: Table,
    name: str,
    cells: pl.Series,
    kind: str,
    task: str,
    why: str,
    n_rows: int,
    asked: bool,
) -> Target:
    if kind == "text" and not asked:
        _refuse_mixed(table, name, cells)
    if cells.dtype.is_float():
        _refuse_fractions(table, name, cells, task)
    labels = cells.unique().sort()
    count = len(labels)
    _check_count(table, name, cells, count, n_rows, task)
    dtype = {"boolean": np.bool_, "text": np.str_}.get(kind)
    integer = cells.dtype.is_integer()
    values: NDArray[Any] = np.array(
        labels.to_list(), dtype or (np.int64 if integer else np.float64)
    )
    label = kind if kind != "number" else ("integer" if integer else "float")
    return Target(name, label, task, why, values)


def _check_count(
    table: Table, name: str, cells: pl.Series, count: int, rows: int, task: str
) -> None:
    if count == 1:
        raise DataError(
            f"{table.source}, target column {name!r} has one class, {cells[0]!r:.60}, in all "
            f"{rows} rows; there is nothing to tell apart. Add rows of another class."
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


def with_scale(
    target: Target, values: NDArray[np.float64], weights: NDArray[np.float64] | None = None
) -> Target:
    """Give a regression's target with the mean and deviation of its training values, f64[n]."""
    largest = float(np.abs(values).max())
    # a power of two, so that nothing is rounded; 1e200 squared would not be a number
    unit = math.ldexp(1.0, math.frexp(largest)[1] - 1) if largest > 0 else 1.0
    small = values / unit
    if weights is None:
        mean, spread = float(small.mean()), float(small.std()) * unit
    else:
        mean = float(small @ weights / weights.sum())
        spread = math.sqrt(float((small - mean) ** 2 @ weights / weights.sum())) * unit
    constant = values.min() == values.max() or not spread > 0
    if constant:  # what the network says beside it is to be nothing
        centre = float(values[0])
        return replace(target, classes=None, centre=centre, scale=_NOTHING * abs(centre) or 1.0)
    return replace(target, classes=None, centre=mean * unit, scale=spread)


def no_target(source: str, name: str) -> DataError:
    """Build the error for a target whose every cell is missing."""
    return DataError(
        f"{source}, target column {name!r}: every cell is missing. Choose another target."
    )


def told_lost(lost: int, name: str) -> str:
    """Say how many rows have no target.

    >>> told_lost(2, "y")
    "2 rows without a target ('y') are left out"
    """
    words = "row {} is left out" if lost == 1 else "rows {} are left out"
    return f"{lost} {words.format(f'without a target ({name!r})')}"


def told_constant(target: Target, values: NDArray[np.float64]) -> list[str]:
    """Say that a regression has nothing to learn, where its target never changes."""
    if target.classes is not None or values.min() < values.max():
        return []
    return [f"target {target.name!r} is {values[0]:g} in every row: it is all there is to predict"]


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
    weights = {_code(label, target): weight for label, weight in class_weight.items()}
    for label, weight in class_weight.items():
        if isinstance(weight, (int, float, np.number)) and not weight <= _HEAVIEST:
            raise ArgumentError(
                f"class_weight[{label!r}] must be at most {_HEAVIEST:g}; received {weight!r}. "
                "Divide all the weights by one number: only their ratios count."
            )
    return weights


def _code(label: Any, target: Target) -> int:
    assert target.classes is not None
    known: Sequence[Any] = target.classes.tolist()
    if label in known:
        return known.index(label)
    names = ", ".join(repr(c) for c in known[:10])
    same = [c for c in known if str(c) == str(label)]
    hint = nearest(str(label), map(str, known))
    if same:
        here, there = ("text", "numbers") if isinstance(label, str) else ("a number", "text")
        there = "true and false" if target.kind == "boolean" else there
        hint = f" The name is {here}, and the classes are {there}: write {same[0]!r}."
    raise ArgumentError(
        f"class_weight names {label!r}; the classes of {target.name!r} are {names}.{hint}"
    )
