"""``train``: from a table and the name of its target to a trained ``Model``.

Answers for the rows that have a target, those that are held out, and the figures on them. Not for:
how a network learns (``limpide.learning``), or tables that do not fit in memory
(``limpide.large_tables``).
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from limpide import engines
from limpide.arrays import as_weights
from limpide.checkpoints import Checkpoint, as_checkpoint, seed_for
from limpide.errors import (
    ArgumentTypeError,
)
from limpide.ir import Array
from limpide.keywords import known_keywords
from limpide.large_tables import train_in_parts
from limpide.learning import Asked, Settings, learn, new_model
from limpide.memory import check_memory
from limpide.model import Model, as_table
from limpide.recipe import (
    FEW_TO_JUDGE,
    check_scaling,
    check_share,
    split_rows,
)
from limpide.tables import Table, missing_column
from limpide.tables.features import check_finite, plain
from limpide.tables.parts import Parts
from limpide.tables.reading import open_table
from limpide.tables.targets import (
    Target,
    class_weights,
    find_target,
    look_alike,
    no_target,
    overrule,
    told_constant,
    told_lost,
    with_scale,
)
from limpide.threads import limit_threads


@known_keywords
def train(
    data: Any,
    target: str | int,
    *,
    task: str = "auto",
    preset: str = "default",
    hidden: Any = None,
    n_ensemble: int | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    validation: float | None = 0.2,
    scaling: str = "robust",
    engine: str | None = None,
    threads: int | None = None,
    devices: Any = None,
    compute_dtype: str | None = None,
    seed: int | None = 0,
    class_weight: Any = None,
    sample_weight: Any = None,
    delimiter: str | None = None,
    decimal: str | None = None,
    encoding: str | None = None,
    memory: str | float | None = None,
    callbacks: Any = None,
    progress: bool | None = None,
    checkpoint: str | os.PathLike[str] | Checkpoint | None = None,
) -> Model:
    """Train a network on a table, with all that its columns need, and give it as a ``Model``.

    Parameters
    ----------
    data
        A path (CSV, TSV, Parquet, Arrow, a folder of Parquet files), any data frame, a dict of
        columns, a NumPy array (its columns are x0, x1, …), a ``limpide.tables.Table``, or
        ``Parts`` of one. Of Parquet files, processes that train together read a share each.
    target
        The name of the column to predict (for an array, its number). Rows without a target are
        left out, with a note.
    task
        ``"auto"``: text, booleans and at most 10 different whole numbers are classes, other
        numbers a regression. Or ``"binary"``, ``"multiclass"``, ``"regression"``.
    preset
        ``"default"``: 4 networks that answer together, or up to 200 rows a single one.
        ``"strong"``: 8 larger ones.
    hidden
        Sizes of the hidden layers of each; None: by the preset. ``[]``: none, a logistic or linear
        regression.
    n_ensemble
        How many networks answer together; None: by the preset.
    epochs, batch_size, learning_rate
        None: by the number of rows. The rate falls along half a cosine; AdamW.
    validation
        The share of rows held out for the figures, of each class alike, drawn by ``seed``. They
        are never trained on, and nothing is chosen by them: up to 2,000 rows the best epoch is
        chosen by others, each of which one member does not learn from. 0 or None, or fewer than
        20 rows: none.
    scaling
        ``"robust"`` (median, quartiles, smooth clipping) or ``"standard"``.
    class_weight
        ``"balanced"``, or a dict label → weight.
    sample_weight
        A weight a row, f64[n].
    delimiter, decimal, encoding
        Of a text file; found unless given.
    memory
        How much the table may take, such as ``"2 GB"`` or a number of bytes; None: half of what
        there is. A larger one is read in parts and learned from disk, in shuffled windows; text
        and Parquet files can be.
    engine, threads, devices, compute_dtype, seed, callbacks, progress, checkpoint
        As in ``Network.fit``.

    Raises
    ------
    DataError, ArgumentError
        For a table, a target or an option that cannot be used.
    DivergenceError
        When the loss is no longer finite.
    CheckpointError
        When the checkpoint is of another run, or would be lost.

    Notes
    -----
    After Ctrl-C the model trained so far is given, and ``model.history.interrupted`` is True.

    Examples
    --------
    >>> import limpide as lp
    >>> table = {"height": [1.5, 1.6, 1.8, 1.9], "sex": ["F", "F", "M", "M"]}
    >>> model = lp.train(table, "sex")
    >>> model.predict({"height": 1.95}).tolist()
    ['M']
    """
    check_scaling(scaling)
    kept = as_checkpoint(checkpoint)
    share, limit = check_share(validation), limit_threads(threads)
    runs_on = engines.on_devices(engine, devices, compute_dtype)
    team = engines.team(runs_on.name)
    number = team.agreed("seed", seed_for(kept, seed))
    settings = Settings(
        preset=preset,
        hidden=hidden,
        n_ensemble=n_ensemble,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        scaling=scaling,
    )
    asked = Asked(
        settings,
        task,
        share,
        number,
        class_weight,
        sample_weight,
        callbacks,
        runs_on,
        progress,
        kept,
    )
    most = min(team.each("memory", check_memory(memory)))
    options = {"delimiter": delimiter, "decimal": decimal, "encoding": encoding}
    table = _opened(data, most, team.size > 1, options)
    name = _target_name(target, table)
    with limit:
        if isinstance(table, Parts):
            return train_in_parts(table, name, asked, most, team)
        return _train_whole(table, name, asked)


def _train_whole(table: Table, name: str, asked: Asked) -> Model:
    """Train a model on a table in memory."""
    names = [column for column in table.columns if column != name]
    check_finite(table, names)
    rows, known, notes = _rows_with_target(table, name)
    found = find_target(known, name, asked.task)
    y, _ = found.encode(known)
    codes = None if found.classes is None else y
    trained, held, more = split_rows(np.arange(known.n_rows), codes, asked.share, asked.seed)
    seen = known if len(held) == 0 else known.take(trained)
    more += _single_rows(found, y) if len(held) else []
    more += [*overrule(found), *look_alike(found), *told_constant(found, y[trained])]
    if found.classes is None:
        found = with_scale(found, y[trained])
    model = new_model(seen, names, found, len(trained), asked.settings, asked.seed)
    model.facts.source, model.facts.held_out = table.source, len(held)
    model.facts.notes[:0] = [*table.notes, *notes, *more]
    weights = as_weights(asked.sample_weight, table.n_rows, "f64")
    weights = None if weights is None else weights[rows]
    chosen = class_weights(asked.class_weight, found, y)
    X, _ = model.preprocessing.matrix(known)
    _fit(model, X, y, trained, held, weights, chosen, asked)
    _look(model, known, X, y, trained, held, weights)
    return model


def _opened(
    data: Any, memory: float, in_shares: bool, options: dict[str, str | None]
) -> Table | Parts:
    """Give a table, or the parts of one that is too large, or of which processes have shares."""
    if isinstance(data, Parts):
        return data
    if isinstance(data, (str, bytes, os.PathLike)):
        return open_table(data, memory, **options, always=in_shares)
    return as_table(data, **options)


def _target_name(target: Any, table: Table | Parts) -> str:
    if not isinstance(target, (str, int, np.integer)):
        what = "None" if target is None else f"a {type(target).__name__}"
        raise ArgumentTypeError(
            "target is the name of a column of the table (of an array, its number); received "
            f"{what}. Put y into the table, and name its column."
        )
    name = str(target)
    if name in table.columns:
        return name
    if isinstance(target, (int, np.integer)) and f"x{name}" in table.columns:
        return f"x{name}"
    raise missing_column(name, table.columns, "Target column")


def _rows_with_target(table: Table, name: str) -> tuple[Array, Table, list[str]]:
    """Give the numbers of the rows whose target is known, a table of them, and a note."""
    there = plain(table.frame[name]).is_not_null()
    lost = int((~there).sum())
    if lost == table.n_rows:
        raise no_target(table.source, name)
    rows = np.flatnonzero(np.asarray(there))
    if not lost:
        return rows, table, []
    return rows, table.take(rows), [told_lost(lost, name)]


def _single_rows(target: Target, codes: Array) -> list[str]:
    """Say which classes have a single row, so that none of it can be held out."""
    if target.classes is None:
        return []
    single = np.flatnonzero(np.bincount(codes) == 1)
    if len(single) > 1:
        return [f"{len(single)} classes have 1 row each, which is trained on; none is held out"]
    return [
        f"class {target.classes.tolist()[code]!r} has 1 row, which is trained on; none is held out"
        for code in single
    ]


def _fit(
    model: Model,
    X: Array,
    y: Array,
    trained: Array,
    held: Array,
    weights: Array | None,
    class_weight: Any,
    asked: Asked,
) -> None:
    """Train the network of a new model."""
    Xt, Xh = (X, X[:0]) if len(held) == 0 else (X[trained], X[held])
    judged = model.network.members > 1 and len(Xt) <= FEW_TO_JUDGE
    learn(
        model,
        Xt,
        y[trained],
        None if weights is None else weights[trained],
        Settings(),
        # An ensemble of few rows is judged by its own; these are for the figures alone.
        validation=None if judged or not len(held) else (Xh, y[held]),
        class_weight=class_weight,
        engine=asked.engine,
        callbacks=asked.callbacks,
        progress=asked.progress,
        checkpoint=asked.checkpoint,
    )


def _look(
    model: Model,
    known: Table,
    X: Array,
    y: Array,
    trained: Array,
    held: Array,
    weights: Array | None,
) -> None:
    """Take the figures of a new model on the rows held out, and keep rows for its report."""
    if not len(held):
        model.keep(known, trained, None, None, None, "trained on")
        return
    found = model.predicted(X[held])
    weights = None if weights is None else weights[held]
    model.facts.figures = model.figures_on(X[held], y[held], found, weights)
    model.keep(known, held, y[held], found, weights, "held out")
