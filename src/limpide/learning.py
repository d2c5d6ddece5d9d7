"""Learning: from rows and their target to a trained ``Model``; ``train``.

Answers for the one way in which models are made, whether by ``lp.train`` or by an estimator. Not
for: the recipe's numbers (``limpide.recipe``), or what a model does (``limpide.model``).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from limpide.arrays import as_weights
from limpide.callbacks import EarlyStopping, as_callbacks
from limpide.checkpoints import Checkpoint, as_checkpoint, seed_for
from limpide.conversion import check_finite_scalar
from limpide.errors import (
    ArgumentError,
    ArgumentTypeError,
    DataError,
    choice_error,
)
from limpide.history import History
from limpide.ir import Array
from limpide.keywords import known_keywords
from limpide.layers import check_size
from limpide.losses import CrossEntropy, Poisson, resolve_loss
from limpide.memory import check_fits
from limpide.model import Model, as_table
from limpide.model_facts import Facts
from limpide.optimizers import AdamW
from limpide.recipe import (
    FEW_TO_JUDGE,
    PRESETS,
    Recipe,
    build,
    check_scaling,
    check_share,
    choose,
    choose_ensemble,
    choose_few,
    member_decays,
    settle_unseen,
    share_out,
    split_rows,
)
from limpide.schedules import Cosine, Schedule
from limpide.tables import Table, missing_column
from limpide.tables.features import check_finite, plain
from limpide.tables.fitting import fit_columns
from limpide.tables.numeric import Numeric, fit_numeric
from limpide.tables.preprocessing import Preprocessing
from limpide.tables.rows import check_dense
from limpide.tables.targets import (
    Target,
    class_weights,
    find_target,
    look_alike,
    overrule,
    with_scale,
)
from limpide.threads import limit_threads

FEW_ROWS = 200
"""Up to so many rows an estimator takes all of them in each step, in float64."""

# Of one network alone, such as a logistic regression; what dropout would do is left to the decay.
_FEW_EPOCHS = 300
_FEW_RATE = 0.02
_FEW_DECAY = 1.4  # times the recipe's
_PATIENCE, _LEAST_PATIENCE = 4, 6  # of the epochs, so many parts without a new best, or so many
_A_PART_RATE, _A_PART_DECAY = 1e-3, 0.02  # of rows that come part by part; nobody knows how many


@dataclass(frozen=True)
class Settings:
    """What may be chosen of a training run; None is what the recipe says.

    ``learning_rate`` may be a schedule, ``loss`` whatever ``Network.fit`` takes.
    """

    preset: Any = "default"
    hidden: Any = None
    activation: Any = "relu"
    epochs: Any = None
    batch_size: Any = None
    learning_rate: Any = None
    weight_decay: Any = None
    dropout: Any = None
    n_ensemble: Any = None
    loss: Any = None
    scaling: str = "robust"


def new_model(
    rows: Table | Numeric,
    names: Sequence[str],
    target: Target,
    count: int,
    settings: Settings,
    seed: int,
    *,
    weights: Array | None = None,
    few: bool = False,
) -> Model:
    """Give a model that has not learned: its columns decided on the rows, its network built.

    Parameters
    ----------
    rows, names
        The training rows, and which of their columns to learn from.
    target
        With the scale of a regression in it.
    count
        How many rows they stand for: the sum of their weights, where those count repetitions.
    weights : f64[n], optional
        How often each row counts in the statistics of its columns.
    few
        Build for steps of all rows in float64, in which nothing is drawn at random but the first
        weights: a row of weight 2 is then two rows.
    """
    check_dense(rows, 8 if few else 4)
    together = _together(settings, target.task, rows, names, count, few)
    cut = 0 if together is None else together.stretches
    if isinstance(rows, Numeric):
        columns, numbers = fit_numeric(rows, settings.scaling, weights, cut)
    else:
        columns, numbers = fit_columns(rows, names, settings.scaling, weights, cut)
    preprocessing = Preprocessing(tuple(columns))
    recipe = together
    if recipe is None:
        recipe = _alone(settings, target, rows.n_rows, count, preprocessing.width, few)
    recipe = _with_settings(recipe, settings)
    network = build(
        preprocessing,
        numbers,
        settings.scaling,
        recipe,
        target.task,
        _outputs(target),
        seed,
        activation=settings.activation,
        dtype="float64" if few else "float32",
    )
    kept = {**asdict(recipe), "hidden": list(recipe.hidden)}
    facts = Facts(
        rows.source,
        rows.n_rows,
        0,
        None,
        [],
        History(),
        {**kept, "scaling": settings.scaling, "seed": seed},
    )
    return Model(network, preprocessing, target, facts)


def _outputs(target: Target) -> int:
    if target.classes is not None and target.task == "multiclass":
        return len(target.classes)
    return target.outputs


def _together(
    settings: Settings,
    task: str,
    rows: Table | Numeric,
    names: Sequence[str],
    count: int,
    few: bool,
) -> Recipe | None:
    """Give the recipe of an ensemble, or None where one network is to learn alone."""
    if settings.preset not in PRESETS:
        raise choice_error("preset", settings.preset, PRESETS)
    members = settings.n_ensemble
    if members is not None:
        members = check_size(members, "n_ensemble")
    linear = settings.hidden is not None and np.size(settings.hidden) == 0
    if members == 1 or linear or (members is None and count <= FEW_ROWS and not few):
        return None
    numbers = len(names)
    if isinstance(rows, Table):
        numbers = sum(rows.frame[name].dtype != pl.String for name in names)
    rate = settings.learning_rate
    given = (
        members,
        settings.hidden,
        settings.epochs,
        settings.batch_size,
        None if isinstance(rate, Schedule) else rate,
    )
    if few:
        return choose_few(task, rows.n_rows, count, numbers, *given)
    taken = rows.n_rows if settings.batch_size else count
    return choose_ensemble(settings.preset, task, taken, numbers, *given)


def _alone(
    settings: Settings, target: Target, n_rows: int, count: int, width: int, few: bool
) -> Recipe:
    """Give the recipe of one network."""
    rate = settings.learning_rate
    scheduled = isinstance(rate, Schedule)
    given = [settings.epochs, settings.batch_size, None if scheduled else rate]
    task = "binary" if target.task == "multilabel" else target.task
    recipe = choose(task, n_rows if settings.batch_size else count, width, settings.hidden, *given)
    if few:
        recipe = replace(
            recipe,
            batch_size=recipe.batch_size if settings.batch_size is not None else n_rows,
            epochs=recipe.epochs if settings.epochs is not None else _FEW_EPOCHS,
            learning_rate=_FEW_RATE if rate is None else recipe.learning_rate,
            weight_decay=_FEW_DECAY * recipe.weight_decay,
            dropout=0.0,
        )
    return recipe


def _with_settings(recipe: Recipe, settings: Settings) -> Recipe:
    """Take what is given besides what the recipes take."""
    rate = settings.learning_rate
    if isinstance(rate, Schedule):
        recipe = replace(recipe, learning_rate=rate.scalars().get("learning_rate", 0.0))
    if settings.weight_decay is not None:
        decay = check_finite_scalar(settings.weight_decay, "weight_decay")
        if decay < 0:
            raise ArgumentError(f"weight_decay must be at least 0; received {decay:g}. Try 0.01.")
        recipe = replace(recipe, weight_decay=decay)
    if settings.dropout is not None:
        rate = check_finite_scalar(settings.dropout, "dropout")
        if not 0 <= rate < 1:
            raise ArgumentError(f"dropout is a share from 0 to below 1; received {rate:g}.")
        at_inputs = min(recipe.input_dropout, rate)
        recipe = replace(recipe, dropout=rate, input_dropout=at_inputs)
    return recipe


def learn(
    model: Model,
    X: Array,
    y: Array,
    weights: Array | None,
    settings: Settings,
    *,
    validation: tuple[Any, ...] | None = None,
    class_weight: Any = None,
    callbacks: Any = None,
    engine: str | None = None,
    progress: bool | None = None,
    once: bool = False,
    checkpoint: Checkpoint | None = None,
) -> None:
    """Train the network of a model on rows of its matrix.

    Parameters
    ----------
    X, y
        The matrix, and class numbers or values in the target's own unit.
    validation
        (X, y) or (X, y, weights) of other rows.
    once
        One pass at an even rate, for rows that come part by part.
    """
    recipe, network = model.facts.recipe, model.network
    loss = resolve_loss(settings.loss, network.output_activation)
    if isinstance(loss, Poisson):
        raise ArgumentError(
            "loss='poisson' needs counts, and a regression's target is scaled to mean 0 here. Use "
            "loss='mse', or Network.fit(..., loss='poisson')."
        )
    rate: Any = Cosine(recipe["learning_rate"])
    if isinstance(settings.learning_rate, Schedule):
        rate = settings.learning_rate
    elif once:
        rate = _A_PART_RATE if settings.learning_rate is None else recipe["learning_rate"]
    decay = recipe["weight_decay"]
    if once and settings.weight_decay is None:
        decay = _A_PART_DECAY
    one_hot = not isinstance(loss, CrossEntropy)
    if validation is not None:
        Xv, yv, *rest = validation
        validation = (Xv, _learned(model, yv, one_hot), *rest)
    learned = _learned(model, y, one_hot)
    decays = member_decays(network.members) if len(X) > FEW_ROWS else ()
    folds, watching = None, as_callbacks(callbacks)
    if network.members > 1 and validation is None and FEW_ROWS < len(X) <= FEW_TO_JUDGE:
        codes = y if model.labels.task in ("binary", "multiclass") else None
        folds = share_out(codes, len(X), network.members, recipe["seed"])
        patience = max(recipe["epochs"] // _PATIENCE, _LEAST_PATIENCE)
        watching = [*watching, EarlyStopping(patience)]
    model.facts.history = network.fit(
        X,
        learned,
        loss=loss,
        optimizer=AdamW(rate, weight_decay=decay, member_decay=decays),
        epochs=1 if once else recipe["epochs"],
        batch_size=min(recipe["batch_size"], len(X)),
        shuffle=recipe["batch_size"] < len(X),
        validation=validation,
        sample_weight=weights,
        class_weight=class_weight,
        folds=folds,
        callbacks=watching,
        engine=engine,
        seed=recipe["seed"],
        progress=progress,
        checkpoint=checkpoint,
    )
    settle_unseen(network, X, weights)


def _learned(model: Model, y: Array, one_hot: bool) -> Array:
    """Give y as the network learns it: scaled, or class numbers, or a column a class."""
    target = model.labels
    if target.task == "regression":
        return target.scaled(y)
    if target.task != "multiclass" or not one_hot or target.classes is None:
        return y
    count = len(target.classes)
    needed = len(y) * count * model.network.dtype.itemsize
    check_fits(needed, f"y with a column for each of {count:,} classes", "Use another loss.")
    return np.asarray(y[:, None] == np.arange(count), model.network.dtype)


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
    seed: int | None = 0,
    class_weight: Any = None,
    sample_weight: Any = None,
    delimiter: str | None = None,
    decimal: str | None = None,
    encoding: str | None = None,
    callbacks: Any = None,
    progress: bool | None = None,
    checkpoint: str | os.PathLike[str] | Checkpoint | None = None,
) -> Model:
    """Train a network on a table, with all that its columns need, and give it as a ``Model``.

    Parameters
    ----------
    data
        A path (CSV, TSV, Parquet, Arrow), any data frame, a dict of columns, a NumPy array (its
        columns are x0, x1, …), or a ``limpide.tables.Table``.
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
    engine, threads, seed, callbacks, progress, checkpoint
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
    share, number, limit = check_share(validation), seed_for(kept, seed), limit_threads(threads)
    table = as_table(data, delimiter=delimiter, decimal=decimal, encoding=encoding)
    name = _target_name(target, table)
    names = [column for column in table.columns if column != name]
    check_finite(table, names)
    rows, known, notes = _rows_with_target(table, name)
    found = find_target(known, name, task)
    y, _ = found.encode(known)
    trained, held, more = split_rows(
        np.arange(known.n_rows), None if found.classes is None else y, share, number
    )
    seen = known if len(held) == 0 else known.take(trained)
    more += _single_rows(found, y) if len(held) else []
    more += [*overrule(found), *look_alike(found), *_constant(found, y[trained])]
    if found.classes is None:
        found = with_scale(found, y[trained])
    settings = Settings(
        preset=preset,
        hidden=hidden,
        n_ensemble=n_ensemble,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        scaling=scaling,
    )
    model = new_model(seen, names, found, len(trained), settings, number)
    model.facts.source, model.facts.held_out = table.source, len(held)
    model.facts.notes[:0] = [*table.notes, *notes, *more]
    weights = as_weights(sample_weight, table.n_rows, "f64")
    weights = None if weights is None else weights[rows]
    chosen = class_weights(class_weight, found, y)
    X, _ = model.preprocessing.matrix(known)
    with limit:
        _fit(model, X, y, trained, held, weights, chosen, engine, callbacks, progress, kept)
        _look(model, known, X, y, trained, held, weights)
    return model


def _target_name(target: Any, table: Table) -> str:
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
        raise DataError(
            f"{table.source}, target column {name!r}: every cell is missing. Choose another target."
        )
    rows = np.flatnonzero(np.asarray(there))
    if not lost:
        return rows, table, []
    words = "row {} is left out" if lost == 1 else "rows {} are left out"
    note = f"{lost} {words.format(f'without a target ({name!r})')}"
    return rows, table.take(rows), [note]


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


def _constant(target: Target, values: Array) -> list[str]:
    """Say that a regression has nothing to learn, where its target never changes."""
    if target.classes is not None or values.min() < values.max():
        return []
    return [f"target {target.name!r} is {values[0]:g} in every row: it is all there is to predict"]


def _fit(
    model: Model,
    X: Array,
    y: Array,
    trained: Array,
    held: Array,
    weights: Array | None,
    class_weight: Any,
    engine: str | None,
    callbacks: Any,
    progress: bool | None,
    checkpoint: Checkpoint | None,
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
        engine=engine,
        callbacks=callbacks,
        progress=progress,
        checkpoint=checkpoint,
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
