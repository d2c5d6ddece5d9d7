"""What a table's model tells of itself: derivations, the doctor, gradient checks, diagrams.

Answers for ``TableExplaining``, the part of ``Model`` that turns rows of a table into what its
network takes, and says which column each number is. Not for: what is told (``limpide.explain``),
nor for networks (``limpide.explaining``).
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

import limpide
from limpide.errors import ArgumentError, ArgumentTypeError, DataError
from limpide.ir import Array
from limpide.keywords import known_keywords
from limpide.languages import words_in
from limpide.layers import Embedding
from limpide.losses import CrossEntropy, resolve_loss
from limpide.optimizers import Optimizer
from limpide.table_layers import Columns, Equals, Missing, OneHot, PiecewiseLinear
from limpide.tables import Table, missing_column
from limpide.tables.features import Column, Part
from limpide.views import Rows, Views
from limpide.wording import printable

if TYPE_CHECKING:  # loaded when something is explained
    from limpide.explain import Derivation, Diagnosis, Diagram, GradientCheck, Legend

_LONGEST = 40  # characters of a name or a cell


class TableExplaining(Views):
    """What a ``Model`` tells of itself; ``Model`` is one of these."""

    @known_keywords
    def explain(
        self,
        data: Any,
        row: int = 0,
        *,
        loss: Any = None,
        optimizer: str | Optimizer | None = None,
        freeze: Sequence[str] = (),
        training: bool = False,
        seed: int = 0,
    ) -> Derivation:
        """Give every number and every derivative on one row of a table, each told as on paper.

        What is told begins with what x1, x2, … and y are: which column, and what stands there.

        Parameters
        ----------
        data
            A table with the target: the loss, and so every derivative, compares with it.
        row
            Which of its rows, counted from 0.
        loss, optimizer, freeze, training, seed
            As for ``Network.explain``.

        Raises
        ------
        DataError
            There is no target, or none in this row, or a class that the model does not know.
        ArgumentError
            For a row that there is not.

        Examples
        --------
        >>> import limpide as lp
        >>> table = {"a": [0.0, 1.0] * 8, "b": [1.0, 2, 3, 4] * 4, "y": ["no", "yes"] * 8}
        >>> model = lp.train(table, "y", epochs=40)
        >>> model.explain(table, 3)["x2"].value
        4.0
        """
        rows = self._one(data, row)
        found: Derivation = self.network.explain(
            rows.X,
            self._learned(rows.y, loss),
            loss=loss,
            optimizer=optimizer,
            freeze=freeze,
            training=training,
            seed=seed,
        )
        return found.with_legend(self._legend(rows.table, rows.y))

    @known_keywords
    def doctor(
        self,
        data: Any,
        *,
        loss: Any = None,
        optimizer: str | Optimizer | None = None,
        language: str | None = None,
    ) -> Diagnosis:
        """Look for what ails the network, the table and the learning rate; nothing is changed.

        Findings name the table's columns and classes.

        Parameters
        ----------
        data
            A table with the target; rows without one are left out.
        loss, optimizer, language
            As for ``Network.doctor``.

        Raises
        ------
        DataError
            The target is missing, or holds a class that the model does not know.

        Examples
        --------
        >>> import limpide as lp
        >>> table = {"a": [0.0, 1.0] * 30, "b": [1.0, 2, 3, 4] * 15, "y": ["no", "yes"] * 30}
        >>> model = lp.train(table, "y", epochs=40)
        >>> model.doctor(table).of("leaking_columns")[0].where
        {'columns': ['a']}
        """
        rows = self._rows_of(data)
        case = self.network.case(rows.X, self._learned(rows.y, loss), loss, optimizer)
        named = replace(
            case,
            columns=tuple(printable(column.name) for column, _ in self._parts()),
            classes=self._class_names(),
            target=printable(self._target.name),
        )
        found: Diagnosis = limpide.explain.examine(named, language)
        return found

    @known_keywords
    def gradcheck(
        self,
        data: Any,
        *,
        loss: Any = None,
        tolerance: float = 1e-6,
        engine: str | None = None,
        language: str | None = None,
        seed: int = 0,
    ) -> GradientCheck:
        """Compare the gradient of the loss with central differences on rows of a table.

        Parameters
        ----------
        data
            A table with the target.
        loss, tolerance, engine, language, seed
            As for ``Network.gradcheck``.

        Raises
        ------
        DataError
            The target is missing, or holds a class that the model does not know.

        Examples
        --------
        >>> import limpide as lp
        >>> table = {"a": [0.0, 1.0] * 8, "y": ["no", "yes"] * 8}
        >>> bool(lp.train(table, "y", epochs=2).gradcheck(table))
        True
        """
        rows = self._rows_of(data)
        found: GradientCheck = self.network.gradcheck(
            rows.X,
            self._learned(rows.y, loss),
            loss=loss,
            tolerance=tolerance,
            engine=engine,
            language=language,
            seed=seed,
        )
        return found

    @known_keywords
    def diagram(
        self,
        data: Any = None,
        row: int = 0,
        *,
        gradients: bool = False,
        loss: Any = None,
        language: str | None = None,
        theme: str = "auto",
    ) -> Diagram:
        """Draw the network; with a table, one row of it with its values.

        Below the picture stands which columns the inputs are.

        Parameters
        ----------
        data
            A table; where it has the target, the loss stands beside the outputs.
        row
            Which of its rows, counted from 0.
        gradients, loss, language, theme
            As for ``Network.diagram``.

        Raises
        ------
        DataError, ArgumentError
            As for ``explain``.

        Examples
        --------
        >>> import limpide as lp
        >>> table = {"a": [0.0, 1.0] * 8, "y": ["no", "yes"] * 8}
        >>> model = lp.train(table, "y", epochs=2)
        >>> "x1: a" in model.diagram(table, 0, language="en").svg
        True
        """
        words = words_in(language)
        shown = {"gradients": gradients, "loss": loss, "language": language, "theme": theme}
        if data is None:
            return self.network.diagram(captions=self._columns(), **shown)
        table = self._row_of(data, row)
        given = [one.told(words) for one in self._given(table)]
        if self._target.name not in table.columns:
            return self.network.diagram(self.matrix(table), captions=given, **shown)
        rows = self._with_target(table)
        y = self._learned(rows.y, loss)
        return self.network.diagram(rows.X, y, captions=given, **shown)

    # Rows -------------------------------------------------------------------------------------

    def _row_of(self, data: Any, row: int) -> Table:
        """Give one row of a table, as a table."""
        self._check_one_target()
        if isinstance(row, (bool, np.bool_)) or not isinstance(row, (int, np.integer)):
            raise ArgumentTypeError(f"row is a whole number, counted from 0; received {row!r}.")
        table = self._read(data, target=True)
        if not 0 <= row < table.n_rows:
            count = "1 row" if table.n_rows == 1 else f"{table.n_rows} rows"
            raise ArgumentError(
                f"row is {row}, and {table.source} has {count}, counted from 0. "
                f"Give a row from 0 to {table.n_rows - 1}."
            )
        return table.take(np.array([row]))

    def _one(self, data: Any, row: int) -> Rows:
        return self._with_target(self._row_of(data, row))

    def _with_target(self, table: Table) -> Rows:
        """Give a row with its matrix and its target."""
        name = self._target.name
        if name not in table.columns:
            lost = missing_column(name, table.columns, "Target column")
            raise DataError(
                f"{lost} Add it: what is explained is the loss, which compares the answer with it."
            )
        y, there = self._target.encode(table)
        if not there[0]:
            raise DataError(
                f"{table.source}, target column {name!r}: the cell in {table.place(0)} is "
                "missing. Choose a row whose target is known."
            )
        return Rows(table, self.matrix(table), y)

    def _learned(self, y: Array, loss: Any) -> Array:
        network = self.network
        resolved = resolve_loss(loss or network.last_loss, network.output_activation)
        one_hot = not isinstance(resolved, CrossEntropy)
        return self._target.learned(y, network.dtype, one_hot=one_hot)

    # What the numbers are ---------------------------------------------------------------------

    def _parts(self) -> list[tuple[Column, Part]]:
        """The table's columns behind the columns of the matrix."""
        return [*self.preprocessing.numbers, *self.preprocessing.codes]

    def _columns(self) -> tuple[str, ...]:
        """The name of the column behind each input."""
        return tuple(_short(column.name) for column, _ in self._parts())

    def _class_names(self) -> tuple[str, ...]:
        classes = self._target.classes
        return () if classes is None else tuple(_short(label) for label in classes.tolist())

    def _given(self, table: Table) -> list[Any]:
        """Give what each input is on a row."""
        found = []
        for column, part in self._parts():
            cell = table.frame[column.name][0]
            plain = part.of == "value" and column.kind in ("number", "boolean")
            said = None if cell is None else "" if plain else _cell(cell)
            found.append(limpide.explain.Given(_short(column.name), said, part.of))
        return found

    def _legend(self, table: Table, y: Array) -> Legend:
        target, line = self._target, table.row_line(0)
        cell = table.frame[target.name][0]
        regression = target.classes is None
        return limpide.explain.Legend(
            source=printable(table.source),
            row=_number_of(table),
            line=line,
            inputs=tuple(self._given(table)),
            made=tuple(self._made()),
            looked=tuple(self._looked()),
            target=_short(target.name),
            cell=repr(float(y[0])) if regression else _cell(cell),
            classes=self._class_names(),
            centre=float(target.centre) if regression else 0.0,
            scale=float(target.scale) if regression else 1.0,
        )

    def _looked(self) -> list[Any]:
        """Give which column each table of an embedding stands for."""
        first, name = self.network.layers[0], self.network.placed[0].name
        parts = self._parts()
        return [
            limpide.explain.Looked(
                f"{name}.{layer.name}.table",
                _short(parts[places[0]][0].name),
                tuple(_short(label) for label in parts[places[0]][1].categories),
                layer.size,
            )
            for places, layer in (first.parts if isinstance(first, Columns) else ())
            if isinstance(layer, Embedding)
        ]

    def _made(self) -> list[Any]:
        """Give what each number of the first layer is."""
        first = self.network.layers[0]
        if not isinstance(first, Columns):
            return []
        made, parts = limpide.explain.Made, self._parts()
        state = self.network.state
        found: list[Any] = []
        for places, layer in first.parts:
            for i, place in enumerate(places):
                column, part = parts[place]
                name = _short(column.name)
                if isinstance(layer, PiecewiseLinear):
                    count = layer.stretches[i]
                    found += [made(name, "stretch", "", n + 1, count) for n in range(count)]
                elif isinstance(layer, Missing):
                    found.append(made(name, "missing"))
                elif isinstance(layer, Equals):
                    key = f"{self.network.placed[0].name}.{layer.name}.value"
                    value = float(state[key][i]) * part.unit + part.origin
                    found.append(made(name, "equal", f"{value:g}"))
                elif isinstance(layer, OneHot):
                    found += [made(name, "equal", _short(c)) for c in part.categories]
                    found += [made(name, "missing")] * part.missing
                elif isinstance(layer, Embedding):
                    found += [None] * layer.size
                else:
                    found.append(made(name, "scaled"))
        return found


def _number_of(table: Table) -> int:
    """Give the number of a row alone, counted from 1 in the table that it was taken from."""
    assert table.origin is not None
    return int(table.origin[0]) + 1


def _short(text: Any) -> str:
    clean = printable(text)
    return clean if len(clean) <= _LONGEST else f"{clean[: _LONGEST - 1]}…"


def _cell(value: Any) -> str:
    """Give a cell as people write it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, datetime.datetime):
        return value.isoformat(" ", "seconds")
    return _short(value)
