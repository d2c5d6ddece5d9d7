"""Learning: from rows and their target to a trained ``Model``.

Answers for the one way in which models are made, whether by ``lp.train`` or by an estimator. Not
for: the recipe's numbers (``limpide.recipe``), or what a model does (``limpide.model``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from limpide.callbacks import EarlyStopping, as_callbacks
from limpide.checkpoints import Checkpoint
from limpide.conversion import check_finite_scalar
from limpide.engines import Engine
from limpide.errors import (
    ArgumentError,
    choice_error,
)
from limpide.history import History
from limpide.ir import Array
from limpide.layers import check_size
from limpide.losses import CrossEntropy, Loss, Poisson, resolve_loss
from limpide.model import Model
from limpide.model_facts import Facts
from limpide.optimizers import AdamW, Optimizer
from limpide.recipe import (
    FEW_TO_JUDGE,
    PRESETS,
    Recipe,
    build,
    choose,
    choose_ensemble,
    choose_few,
    code_counts,
    member_decays,
    settle_unseen,
    share_out,
)
from limpide.schedules import Cosine, Schedule
from limpide.tables import Table
from limpide.tables.fitting import fit_columns, seen_in
from limpide.tables.numeric import Numeric, fit_numeric
from limpide.tables.preprocessing import Preprocessing
from limpide.tables.rows import check_dense
from limpide.tables.survey import Survey
from limpide.tables.targets import (
    Target,
)

FEW_ROWS = 200
"""Up to so many rows an estimator takes all of them in each step, in float64."""

# Of one network alone, such as a logistic regression; what dropout would do is left to the decay.
_FEW_EPOCHS = 300
_FEW_RATE = 0.02
_FEW_DECAY = 1.4  # times the recipe's
_KEPT = 2**26  # bytes of a matrix that a model keeps, so that its run can be gone through again
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


@dataclass(frozen=True)
class Asked:
    """What is asked of ``lp.train`` besides the table and its target; see there.

    ``share`` is that of the rows held out, ``checkpoint`` is resolved.
    """

    settings: Settings
    task: str
    share: float
    seed: int
    class_weight: Any = None
    sample_weight: Any = None
    callbacks: Any = None
    engine: str | Engine | None = None
    progress: bool | None = None
    checkpoint: Checkpoint | None = None


def new_model(
    rows: Table | Numeric | Survey,
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
    if isinstance(rows, Numeric):
        check_dense(rows, 8 if few else 4)
    together = _together(settings, target.task, rows, names, count, few)
    cut = 0 if together is None else together.stretches
    if isinstance(rows, Numeric):
        columns, numbers = fit_numeric(rows, settings.scaling, weights, cut)
    else:
        seen = rows.seen if isinstance(rows, Survey) else (seen_in(rows, n, weights) for n in names)
        columns, numbers = fit_columns(seen, rows.source, settings.scaling, cut)
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
    rows: Table | Numeric | Survey,
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
    if isinstance(rows, Survey):
        numbers = rows.n_numbers
    elif isinstance(rows, Table):
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


def way(
    model: Model, settings: Settings, n_rows: int, *, once: bool = False
) -> tuple[Loss, Optimizer]:
    """Give the loss and the optimizer that a model learns with; ``once`` as in ``learn``.

    Raises
    ------
    ArgumentError
        The loss is not for a target that is scaled.
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
    decays = member_decays(network.members) if n_rows > FEW_ROWS else ()
    return loss, AdamW(rate, weight_decay=decay, member_decay=decays)


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
    engine: str | Engine | None = None,
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
    loss, optimizer = way(model, settings, len(X), once=once)
    one_hot = not isinstance(loss, CrossEntropy)
    if validation is not None:
        Xv, yv, *rest = validation
        validation = (Xv, model.labels.learned(yv, network.dtype, one_hot=one_hot), *rest)
    learned = model.labels.learned(y, network.dtype, one_hot=one_hot)
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
        optimizer=optimizer,
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
    if X.nbytes > _KEPT:  # a model is not to hold on to a large table
        model.facts.history.recording = None
    settle_unseen(network, code_counts(network, X, weights))
