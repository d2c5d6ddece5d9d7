"""What is explained or examined: a model on its table, or a bare network on columns of numbers.

Answers for one face of both, with rows counted from 1 as the command line counts them. Not for:
explaining (``limpide.explain``), nor for reading tables (``limpide.sources``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import limpide
from limpide import program, sources
from limpide.errors import DataError


def subject(path: str, data: str, target: str | None, reading: Mapping[str, str | None]) -> Any:
    """Load a model and the rows that it is asked about."""
    loaded = limpide.model.load(path)
    if not isinstance(loaded, limpide.model.Model):
        table = sources.for_network(data, dict(reading))
        return OfNetwork(loaded, table, target)
    if target is not None:
        raise program.Misuse(
            f"--target is for a bare network, and this model knows its own, {loaded.target!r}. "
            "Leave --target out."
        )
    return OfTable(loaded, sources.for_measuring(data, loaded, dict(reading)))


def _check_row(row: int, table: Any) -> None:
    if row > table.n_rows:
        rows = "1 row" if table.n_rows == 1 else f"{table.n_rows:,} rows"
        raise program.Misuse(
            f"--row {row}: {table.source} has {rows}, counted from 1. Write --row {table.n_rows}, "
            "for example."
        )


class OfTable:
    """A table's model with rows of a table."""

    def __init__(self, model: Any, table: Any) -> None:
        self._model, self._table = model, table

    def explain(self, row: int) -> Any:
        _check_row(row, self._table)
        return self._model.explain(self._table, row - 1)

    def diagram(self, row: int, language: str) -> Any:
        _check_row(row, self._table)
        told = self._model.target in self._table.columns
        return self._model.diagram(self._table, row - 1, gradients=told, language=language)

    def doctor(self, language: str) -> Any:
        return self._model.doctor(self._table, language=language)

    def gradcheck(self, language: str) -> Any:
        return self._model.gradcheck(self._table, language=language)


class OfNetwork:
    """A bare network with a table of numbers: its columns in their order, but for the target's."""

    def __init__(self, network: Any, table: Any, target: str | None) -> None:
        self._network, self._table = network, table
        if target is not None and target not in table.columns:
            raise limpide.tables.missing_column(target, table.columns, "Target column")
        if target is None and len(table.columns) == network.n_inputs + 1:
            raise self._no_target()
        self._target = target
        self._names = [name for name in table.columns if name != target]
        if len(self._names) != network.n_inputs:
            raise DataError(
                f"{table.source} has {len(self._names)} columns besides the target, and the "
                f"network takes {network.n_inputs} inputs. A bare network knows no names: give a "
                "table of its inputs in order, and name the target with --target."
            )
        frame = table.frame
        odd = [n for n in table.columns if not (frame[n].dtype.is_numeric() or _is_flag(frame[n]))]
        if odd:
            raise DataError(
                f"{table.source}: column {odd[0]!r} holds {frame[odd[0]].dtype}, and a bare "
                "network takes numbers. Drop it, or train a model with limpide train."
            )
        self._X = frame.select(self._names).cast(float).to_numpy()

    def _no_target(self) -> program.Misuse:
        last = limpide.reports.printable(self._table.columns[-1])
        return program.Misuse(
            "--target is missing: a bare network does not know which column it learned. Write "
            f"--target {last}, for example."
        )

    @property
    def _y(self) -> Any:
        if self._target is None:
            raise self._no_target()
        return self._table.frame[self._target].cast(float).to_numpy()

    def _captions(self) -> list[str]:
        return [limpide.reports.printable(name) for name in self._names]

    def explain(self, row: int) -> Any:
        _check_row(row, self._table)
        y = float(self._y[row - 1])
        found = self._network.explain(self._X[row - 1 : row], [y])
        explain = limpide.explain
        legend = explain.Legend(
            source=limpide.reports.printable(self._table.source),
            row=row,
            line=self._table.row_line(row - 1),
            inputs=tuple(explain.Given(name) for name in self._captions()),
            target=limpide.reports.printable(self._target),
            cell=f"{y:.6g}",
        )
        return found.with_legend(legend)

    def diagram(self, row: int, language: str) -> Any:
        _check_row(row, self._table)
        y = None if self._target is None else float(self._y[row - 1])
        return self._network.diagram(
            self._X[row - 1],
            y,
            gradients=y is not None,
            captions=self._captions(),
            language=language,
        )

    def doctor(self, language: str) -> Any:
        case = self._network.case(self._X, self._y)
        named = replace(case, columns=tuple(self._captions()))
        return limpide.explain.examine(named, language)

    def gradcheck(self, language: str) -> Any:
        return self._network.gradcheck(self._X, self._y, language=language)


def _is_flag(column: Any) -> bool:
    return str(column.dtype) == "Boolean"
