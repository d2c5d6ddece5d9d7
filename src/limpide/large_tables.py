"""Learning from a table that does not fit in memory: two passes over it, then rows from disk.

Answers for what of it is ever in memory, and for which rows are held out.
Not for: reading parts (``limpide.tables.parts``), nor for rows on disk (``limpide.stored_rows``).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from limpide.arrays import as_targets, as_weights, with_class_weight
from limpide.engines.team import ALONE, Team
from limpide.identity import Words, array_text, described
from limpide.ir import Array
from limpide.learning import Asked, new_model, way
from limpide.losses import CrossEntropy, Loss
from limpide.memory import size_text
from limpide.model import Model
from limpide.recipe import code_counts, settle_unseen
from limpide.sharing import Shares
from limpide.stored_rows import StoredRows
from limpide.tables import Table
from limpide.tables.columns import apart, plain
from limpide.tables.parts import ParquetParts, Parts
from limpide.tables.survey import HeldOut, Survey, surveyed
from limpide.tables.targets import (
    Target,
    class_weights,
    find_target,
    look_alike,
    overrule,
    told_constant,
    with_scale,
)

_FEW = 20  # rows tell nothing
_KEPT = 10_000  # rows that a report is made from
_CELL = 8  # bytes


@dataclass(frozen=True)
class _Sizes:
    """Bytes: of a part that is read, of the sample, of a window of rows, of the rows held out.

    A part is in memory several times over while it is read, and up to four windows are. More than
    these bounds serves nothing: windows are mixed at random, and samples need no more rows.
    """

    part: int
    sample: int
    window: int
    held: int

    @classmethod
    def within(cls, memory: float) -> _Sizes:
        return cls(
            part=int(min(max(memory / 16, 1e6), 1.6e7)),
            sample=int(min(max(memory / 16, 1e6), 2.56e8)),
            window=int(min(max(memory / 32, 1e5), 6.4e7)),
            held=int(min(max(memory / 16, 1e6), 2.56e8)),
        )


def train_in_parts(
    parts: Parts, name: str, asked: Asked, memory: float, team: Team = ALONE
) -> Model:
    """Train a model on a table that is read in parts.

    Several processes read a share each of Parquet files, and other files whole.

    Parameters
    ----------
    parts, name
        The table, and its target.
    asked
        As for a table in memory; fewer rows are held out where so many would not fit.
    memory
        About how many bytes the rows may take.
    team
        The processes that train together.
    """
    sizes, seed, shares = _Sizes.within(memory), asked.seed, None
    weights = as_weights(asked.sample_weight, parts.n_rows, "f64")
    if team.size > 1 and isinstance(parts, ParquetParts):
        shares = Shares(team, parts, _words(name, asked, memory, weights))
        parts = shares.parts
    share = min(asked.share, sizes.held / (_CELL * len(parts.columns) * parts.n_rows))
    look = partial(surveyed, parts) if shares is None else shares.surveyed
    held_out = partial(HeldOut, share, seed, parts.first)
    survey = look(name, held_out, sizes.sample, sizes.part, weights)
    found, notes = _target(survey, parts, name, asked.task)
    model = new_model(survey, survey.names, found, survey.n_rows, asked.settings, seed)
    loss, optimizer = way(model, asked.settings, survey.n_rows)
    recipe = model.facts.recipe
    recipe["batch_size"] = min(recipe["batch_size"], survey.n_rows)
    if shares:
        shares.check(columns=model.preprocessing, target=_decided(found))
        notes += shares.told(recipe)
    factors = _factors(asked.class_weight, found, survey)
    second = _SecondPass(model, loss, share, weights, factors, shares)
    with closing(second.stored(parts, survey.shares or [survey.n_rows], sizes, seed)) as rows:
        model.facts.history = model.network.fit_stored(
            rows,
            loss=loss,
            optimizer=optimizer,
            epochs=recipe["epochs"],
            validation=second.held.learned() if second.held.count >= _FEW else None,
            callbacks=asked.callbacks,
            engine=asked.engine,
            seed=seed,
            progress=asked.progress,
            checkpoint=asked.checkpoint,
        )
    settle_unseen(model.network, second.counts)
    model.facts.source, model.facts.held_out = parts.source, second.held.count
    model.facts.notes[:0] = [*notes, *second.notes(parts, asked.share)]
    second.look(parts.source)
    return model


def _target(survey: Survey, parts: Parts, name: str, task: str) -> tuple[Target, list[str]]:
    """Find what is to be learned, and say what was found on the way."""
    found = find_target(survey.labels, name, task, survey.n_known)
    gaps = [] if parts.tells_gaps else survey.gaps
    notes = [*parts.notes, *gaps, *survey.notes, *overrule(found), *look_alike(found)]
    if found.classes is not None:
        return found, notes
    values = found.encode(survey.targets)[0]
    return with_scale(found, values), [*notes, *told_constant(found, values)]


def _words(name: str, asked: Asked, memory: float, weights: Array | None) -> Words:
    """Describe what is asked for, which must be the same in all processes."""
    words = {"target": name, "memory": f"{memory:g}", "validation": f"{asked.share:g}"}
    words["sample_weight"] = array_text(weights)
    for each in ("settings", "task", "seed", "class_weight"):
        words[each] = described(getattr(asked, each))
    return words


def _decided(target: Target) -> Any:
    """Give what is learned for a target, plain enough to be described."""
    classes = None if target.classes is None else target.classes.tolist()
    return [target.task, classes, float(np.sum(target.centre)), float(np.sum(target.scale))]


def _factors(class_weight: Any, target: Target, survey: Survey) -> Array | None:
    """Give what the weight of a row is multiplied by, for each class: f64[classes]."""
    chosen = class_weights(class_weight, target, np.empty(0))
    if chosen is None or target.classes is None:
        return None
    values, totals = survey.label_weights
    codes, _ = target.encode(values)
    there = totals > 0
    found = np.ones(len(target.classes))
    weighed = with_class_weight(chosen, codes[there], totals[there], "f64")
    assert weighed is not None
    found[codes[there]] = weighed / totals[there]
    return found


@dataclass
class _Kept:
    """Rows of the matrix that stay in memory, y as the target and as the network has it."""

    parts: list[tuple[Array | None, ...]] = field(default_factory=list)

    def add(self, rows: tuple[Array | None, ...], chosen: Array) -> None:
        if chosen.any():
            self.parts.append(tuple(None if a is None else a[chosen] for a in rows))

    @property
    def count(self) -> int:
        return sum(len(X) for X, *_ in self.parts if X is not None)

    def arrays(self) -> tuple[Any, ...]:
        """Give X, y, what is learned for y, and weights or None."""
        columns = zip(*self.parts, strict=True)
        return tuple(None if c[0] is None else np.concatenate(c) for c in columns)

    def learned(self) -> tuple[Any, ...]:
        """Give X, y and weights for the network."""
        X, _, learned, weights = self.arrays()
        return X, learned, weights


class _SecondPass:
    """Turns parts into rows of the matrix: most go to disk, some stay in memory."""

    def __init__(
        self,
        model: Model,
        loss: Loss,
        share: float,
        weights: Array | None,
        factors: Array | None,
        shares: Shares | None,
    ) -> None:
        self._model, self._loss, self._shares = model, loss, shares
        self._share, self._weights, self._factors = share, weights, factors
        self.held = _Kept()
        self.counts: dict[str, Array] = {}  # of the codes of embedded columns
        self._tables: list[pl.DataFrame] = []  # rows as they were read, for the report
        self._n_shown = 0

    def stored(self, parts: Parts, counts: Sequence[int], sizes: _Sizes, seed: int) -> StoredRows:
        """Read all parts, and give the rows to learn from; ``counts`` as ``StoredRows`` has it."""
        batch_size = self._model.facts.recipe["batch_size"] // len(counts)
        draw, stored = HeldOut(self._share, seed, parts.first), None
        number = self._shares.number if self._shares else 0
        kept = min(_KEPT, max(sizes.held * parts.n_rows // max(parts.size, 1), _FEW))
        every = max(int(parts.n_rows * (self._share or 1) / kept), 1)
        read = parts.first
        for table in parts.tables(sizes.part):
            there = np.asarray(plain(table.frame[self._model.target]).is_not_null())
            held = draw.next(table.n_rows)[there]
            known = table if there.all() else table.take(np.flatnonzero(there))
            weights = self._part_weights(slice(read, read + table.n_rows), there)
            read += table.n_rows
            rows = self._matrix(known, weights)
            X, _, learned, weights = rows
            self.held.add(rows, held)
            self._show(known, np.flatnonzero(held if self._share else ~held), every)
            trained = [a[~held] for a in (X, learned, weights) if a is not None]
            if weights is None and self._shares:  # shorter shares have places without a row
                trained.append(np.ones(len(trained[0]), X.dtype))
            self._count(X[~held], None if weights is None else weights[~held])
            if stored is None:
                stored = StoredRows(counts, trained, batch_size, sizes.window, seed, number)
            stored.add(trained)
        assert stored is not None  # the survey has found rows
        if self._shares:
            self._take_all(self._shares, stored)
        return stored

    def _take_all(self, shares: Shares, stored: StoredRows) -> None:
        """Take up what all shares have: each process then has all but the rows to learn from."""
        self.held.parts = shares.held(self.held.arrays() if self.held.parts else ())
        self.counts = shares.added(self.counts)
        self._tables = shares.shown(self._tables)
        shares.complete(stored)

    def _matrix(self, known: Table, weights: Array | None) -> tuple[Any, ...]:
        """Give X, y, what the network learns for y, and weights or None."""
        model, network = self._model, self._model.network
        X, _ = model.preprocessing.matrix(known, network.dtype)
        y, _ = model.labels.encode(known)
        values = model.labels.learned(
            y, model.network.dtype, one_hot=not isinstance(self._loss, CrossEntropy)
        )
        dtype = network.dtype.name.replace("float", "f")
        learned = as_targets(values, len(X), network.n_outputs, self._loss, dtype)
        if self._factors is not None:
            factors = self._factors[y]
            weights = factors if weights is None else factors * weights
        return X, y, learned, None if weights is None else weights.astype(network.dtype)

    def _part_weights(self, part: slice, there: Array) -> Array | None:
        return None if self._weights is None else self._weights[part][there]

    def _count(self, X: Array, weights: Array | None) -> None:
        for name, more in code_counts(self._model.network, X, weights).items():
            self.counts[name] = self.counts.get(name, 0.0) + more

    def _show(self, table: Table, rows: Array, every: int) -> None:
        chosen = rows[-self._n_shown % every :: every]
        self._n_shown += len(rows)
        if len(chosen):
            self._tables.append(pl.DataFrame([apart(c) for c in table.frame[chosen]]))

    def look(self, source: str) -> None:
        """Take the figures of the trained model, and keep rows for its report."""
        model = self._model
        table = Table(pl.concat(self._tables, how="vertical_relaxed"), source)
        rows = np.arange(table.n_rows)
        if not self.held.count:
            model.keep(table, rows, None, None, None, "trained on")
            return
        X, y, _, weights = self.held.arrays()
        found = model.predicted(X)
        model.facts.figures = model.figures_on(X, y, found, weights)
        model.keep(table, rows, y, found, weights, "held out")

    def notes(self, parts: Parts, share: float) -> list[str]:
        """Say how it was learned."""
        told = (
            []
            if self._shares
            else [
                f"learned from disk: the whole table would take about {size_text(parts.size)} of "
                "memory, and learning from it three times as much"
            ]
        )
        if self._share >= share:
            return told
        kept = f"{self.held.count:,} rows are held out, as many as memory allows"
        return [*told, f"{kept}: {share:.0%} were asked for"]
