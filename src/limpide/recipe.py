"""How a table's network is built and trained: its layers, its split, its defaults.

Answers for the recipe of ``lp.train``. Not for: reading tables (``limpide.tables``), nor for the
model that comes out (``limpide.model``).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from limpide.conversion import check_finite_scalar
from limpide.errors import ArgumentError, ArgumentTypeError, LimpideWarning, choice_error
from limpide.ir import Array
from limpide.layers import Dense, Dropout, Embedding, Layer, check_size
from limpide.members import MemberDense, MemberInput, MemberOutput
from limpide.network import Network
from limpide.schedules import check_rate
from limpide.table_layers import (
    Columns,
    Equals,
    Missing,
    OneHot,
    PiecewiseLinear,
    RobustScale,
    Standardize,
)
from limpide.tables.fitting import ONE_HOT, Numbers, embedding_size
from limpide.tables.preprocessing import Preprocessing

SCALINGS = ("robust", "standard")
PRESETS = ("default", "strong")

COLUMNS = "columns"
"""The name of the layer in front of the network."""

# Chosen on Spambase, on scikit-learn's small tables and on made ones, so that no default is far
# from the best of a logistic regression and a well-known network.
_STEPS = 0.7  # training goes on for about so many steps a row …
_STEP_BOUNDS = (2_500, 8_000)  # … within these bounds …
_EPOCHS = (12, 300)  # … and these
_BATCH = (16, 1024)
_DECAY = 300  # over the number of rows: the fewer there are, the sooner their noise is learned …
_DECAY_BOUNDS = (0.02, 2.0)  # … within these bounds
_FEW_COLUMNS = 3  # a picture of so few dimensions may be winding: it takes depth, and less decay
_DEEP = (64, 64, 64)
_DEEP_DECAY = {"binary": 100, "multiclass": 100, "regression": 30}  # · columns / rows
_DEEP_BOUNDS = (0.001, 2.0)
_LIMIT = {"binary": 3.0, "multiclass": 3.0, "regression": 8.0}  # of scaled numbers: an answer in
# numbers may go on growing with its inputs, a class is sure long before
_FEWEST_ROWS = 20  # with fewer rows none is held out


@dataclass(frozen=True)
class Recipe:
    """The numbers of one training run."""

    hidden: tuple[int, ...]
    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    dropout: float
    input_dropout: float = 0.0
    members: int = 1
    stretches: int = 0


@dataclass(frozen=True)
class _Kind:
    """What a preset says of one kind of task: classes, or numbers."""

    epochs: int
    epochs_judged: int  # where the best of them is kept
    learning_rate: float
    dropout: float
    input_dropout: float
    weight_decay: float  # of the members that follow the rows most closely


@dataclass(frozen=True)
class _Ensemble:
    """What a preset says of an ensemble."""

    members: int
    hidden: tuple[int, ...]
    stretches: int  # of all columns together
    classes: _Kind
    numbers: _Kind


# Chosen on Spambase, tables of scikit-learn and made ones, of 250 to 24,000 rows:
# benchmarks/table_folds.py and benchmarks/table_parts.py.
_ENSEMBLES = {
    "default": _Ensemble(
        4,
        (64, 64),
        256,
        _Kind(8, 14, 6e-3, 0.05, 0.0, 0.03),
        _Kind(20, 60, 1e-2, 0.0, 0.0, 0.006),
    ),
    "strong": _Ensemble(
        8,
        (128, 64),
        640,
        _Kind(16, 20, 3e-3, 0.1, 0.05, 0.1),
        _Kind(24, 60, 1e-2, 0.0, 0.0, 0.02),
    ),
}
_SPREAD = (1.0, 3.0, 10.0, 30.0)  # times the weight decay, of members in turn

# Chosen on tables of 80 to 200 rows.
_FEW_MEMBERS, _FEW_HIDDEN, _FEW_STRETCHES = 4, (64,), 256
_FEW_EPOCHS, _FEW_RATE = {"classes": 100, "numbers": 150}, 0.02
_FEW_DECAY = {"classes": 300, "numbers": 50}  # over the number of rows, …
_FEW_MOST_DECAY = {"classes": 2.0, "numbers": 0.5}  # … up to this

_STRETCHES = (4, 32)  # of a column: with fewer it is only scaled
_SHORTEST = 1e-30  # of a stretch: one over it is a float32

FEW_TO_JUDGE = 2_000
"""Up to so many rows the best epoch is looked for: their noise is soon learned by heart."""


def choose_ensemble(
    preset: str,
    task: str,
    rows: int,
    numbers: int,
    members: Any,
    hidden: Any,
    epochs: Any,
    batch_size: Any,
    learning_rate: Any,
) -> Recipe:
    """Give a preset's recipe for so many training rows and columns of numbers.

    What is not None is taken as it is.

    Parameters
    ----------
    preset
        ``"default"`` or ``"strong"``.
    members
        How many networks answer together; each does not learn from one row in so many.
    """
    of = _ENSEMBLES[preset]
    kind = of.numbers if task == "regression" else of.classes
    usual = kind.epochs_judged if rows <= FEW_TO_JUDGE else kind.epochs
    return Recipe(
        hidden=of.hidden if hidden is None else _hidden(hidden),
        epochs=usual if epochs is None else check_size(epochs, "epochs"),
        batch_size=_batch_size(batch_size, rows),
        learning_rate=kind.learning_rate if learning_rate is None else check_rate(learning_rate),
        weight_decay=kind.weight_decay,
        dropout=kind.dropout,
        input_dropout=kind.input_dropout,
        members=of.members if members is None else check_size(members, "n_ensemble"),
        stretches=_stretches(of.stretches, numbers, rows),
    )


def choose_few(
    task: str,
    rows: int,
    count: int,
    numbers: int,
    members: Any,
    hidden: Any,
    epochs: Any,
    batch_size: Any,
    learning_rate: Any,
) -> Recipe:
    """Give the recipe of few rows, which all are taken in each step: ``count`` with repetitions.

    Nothing is drawn at random but the first weights, so there is no dropout, and no row is left
    alone by a member. What is not None is taken as it is.
    """
    kind = "numbers" if task == "regression" else "classes"
    return Recipe(
        hidden=_FEW_HIDDEN if hidden is None else _hidden(hidden),
        epochs=_FEW_EPOCHS[kind] if epochs is None else check_size(epochs, "epochs"),
        batch_size=rows if batch_size is None else _batch_size(batch_size, rows),
        learning_rate=_FEW_RATE if learning_rate is None else check_rate(learning_rate),
        weight_decay=min(_FEW_DECAY[kind] / count, _FEW_MOST_DECAY[kind]),
        dropout=0.0,
        members=_FEW_MEMBERS if members is None else check_size(members, "n_ensemble"),
        stretches=_stretches(_FEW_STRETCHES, numbers, count),
    )


def _stretches(together: int, numbers: int, rows: int) -> int:
    """Give into how many stretches a column of numbers is cut: 0 where it is only scaled."""
    low, high = _STRETCHES
    stretches = min(together // max(numbers, 1), high, math.isqrt(rows) // 2)
    return stretches if stretches >= low else 0


def choose(
    task: str,
    rows: int,
    columns: int,
    hidden: Any,
    epochs: Any,
    batch_size: Any,
    learning_rate: Any,
) -> Recipe:
    """Give the recipe for so many training rows and columns of the matrix.

    What is not None is taken as it is.

    The batch is the power of two nearest to √rows, within 16 and 1,024; epochs make about 0.7
    steps a row, within 2,500 and 8,000, and within 12 and 300 epochs.

    Up to 3 columns: hidden layers of 64, 64, 64, no dropout, and a weight decay of 100 (regression:
    30) · columns over the rows, within 0.001 and 2. More columns: one hidden layer of 128, dropout
    0.2 for classes, and a weight decay of 300 over the rows, within 0.02 and 2, and less for layers
    narrower than 128.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        For sizes and rates out of range.
    """
    batch = _batch_size(batch_size, rows)
    steps = -(-rows // batch)
    wanted = min(max(_STEPS * rows, _STEP_BOUNDS[0]), _STEP_BOUNDS[1])
    usual = min(max(math.ceil(wanted / steps), _EPOCHS[0]), _EPOCHS[1])
    few = columns <= _FEW_COLUMNS
    sizes = _hidden(hidden) if hidden is not None else _DEEP if few else (128,)
    return Recipe(
        hidden=sizes,
        epochs=usual if epochs is None else check_size(epochs, "epochs"),
        batch_size=batch,
        learning_rate=_rate(learning_rate, task),
        weight_decay=_decay(task, rows, columns, sizes),
        dropout=0.0 if few or task == "regression" else 0.2,
    )


def _rate(asked: Any, task: str) -> float:
    if asked is None:
        return 1e-2 if task == "regression" else 3e-3
    return check_rate(asked)


def _decay(task: str, rows: int, columns: int, sizes: tuple[int, ...]) -> float:
    if columns <= _FEW_COLUMNS and len(sizes) > 1:
        low, high = _DEEP_BOUNDS
        return max(min(_DEEP_DECAY[task] * columns / rows, high), low)
    low, high = _DECAY_BOUNDS
    return max(min(_DECAY / rows, high) * min(min(sizes, default=0) / 128, 1), low)


def _batch_size(asked: Any, rows: int) -> int:
    low, high = _BATCH
    if asked is None:
        power = round(math.log2(rows) / 2)
        return min(rows, max(1 << power, low), high)
    size = check_size(asked, "batch_size")
    if size > rows:
        warnings.warn(
            f"batch_size is {size}, and there are {rows} rows to train on: each step takes them "
            f"all. Pass batch_size={rows} to say so.",
            LimpideWarning,
            stacklevel=8,
        )
    return min(size, rows)


def _hidden(hidden: Any) -> tuple[int, ...]:
    if isinstance(hidden, (int, np.integer)):
        return (check_size(hidden, "hidden"),)
    if isinstance(hidden, str) or not isinstance(hidden, (Sequence, np.ndarray)):
        raise ArgumentTypeError(
            f"hidden must be a size or a list of sizes, such as [64, 64]; received {hidden!r}."
        )
    return tuple(check_size(n, f"hidden[{i}]") for i, n in enumerate(hidden))


def check_scaling(scaling: object) -> str:
    """Give the name of a scaling, or raise with the choices."""
    if scaling not in SCALINGS:
        raise choice_error("scaling", scaling, SCALINGS)
    return str(scaling)


def check_share(validation: Any) -> float:
    """Give the share of rows to hold out: 0 for None."""
    if validation is None:
        return 0.0
    if not isinstance(validation, (int, float, np.number)):
        raise ArgumentTypeError(
            "validation is the share of rows to hold out, such as 0.2; received "
            f"a {type(validation).__name__}. Measure on another table with model.evaluate."
        )
    share = check_finite_scalar(validation, "validation")
    if not 0 <= share < 1:
        raise ArgumentError(
            f"validation is the share of rows held out, from 0 to below 1; received {share:g}. "
            "Use 0.2, or 0 for none."
        )
    return share


def split_rows(
    rows: Array, codes: Array | None, share: float, seed: int
) -> tuple[Array, Array, list[str]]:
    """Hold out a share of the rows, of each class alike: (training, held out, notes).

    Parameters
    ----------
    rows
        i64[n], the rows to choose from.
    codes
        The class number of each of them, or None for regression.

    A class keeps at least one training row. With fewer than 20 rows none is held out.
    """
    none = rows[:0]
    if share == 0:
        return rows, none, []
    if len(rows) < _FEWEST_ROWS:
        return rows, none, [f"no rows are held out, since there are only {len(rows)}"]
    order = _by_class(codes, len(rows), seed)
    wanted = min(max(round(share * len(rows)), 1), len(rows) - 1)
    if codes is None:
        held = order[:wanted]
    else:
        sizes = np.bincount(codes)
        quotas = _quotas(sizes, wanted)
        starts = np.cumsum(sizes) - sizes
        parts = [order[s : s + q] for s, q in zip(starts, quotas, strict=True)]
        held = np.concatenate(parts)
    if len(held) == 0:
        return rows, none, ["no rows are held out, since each class has a single one"]
    mask = np.zeros(len(rows), bool)
    mask[held] = True
    return rows[~mask], rows[mask], []


def _by_class(codes: Array | None, n: int, seed: int) -> Array:
    """Give n rows in an order that is drawn, class after class where there are classes."""
    order = np.random.Generator(np.random.Philox(seed)).permutation(n)
    return order if codes is None else order[np.argsort(codes[order], kind="stable")]


def _quotas(sizes: Array, wanted: int) -> Array:
    """Share ``wanted`` places among classes by size (largest remainder), one row kept in each."""
    exact = sizes * (wanted / sizes.sum())
    quotas = np.minimum(np.floor(exact), np.maximum(sizes - 1, 0)).astype(np.int64)
    for place in np.argsort(quotas - exact, kind="stable"):
        if quotas.sum() >= wanted:
            break
        if quotas[place] < sizes[place] - 1:
            quotas[place] += 1
    return np.asarray(quotas)


def build(
    preprocessing: Preprocessing,
    numbers: Numbers,
    scaling: str,
    recipe: Recipe,
    task: str,
    outputs: int,
    seed: int,
    *,
    activation: Any = "relu",
    dtype: str = "float32",
) -> Network:
    """Build the network for a table's matrix, with the statistics of its columns in place."""
    limit = _LIMIT["binary" if task == "multilabel" else task]
    layers: list[Layer] = [_columns(preprocessing, numbers, scaling, limit)]
    end = {"regression": "linear", "multiclass": "softmax"}.get(task, "sigmoid")
    layers += _dense(recipe, activation, outputs, end)
    network = Network([preprocessing.width, *layers], dtype=dtype, seed=seed)
    if numbers.centre:
        network.state[f"{COLUMNS}.numbers.centre"] = numbers.centre
        network.state[f"{COLUMNS}.numbers.factor"] = numbers.factor
    edges = [e for e in numbers.edges if len(e)]
    if edges:
        starts, lengths = [e[:-1] for e in edges], np.concatenate([np.diff(e) for e in edges])
        network.state[f"{COLUMNS}.stretches.start"] = np.concatenate(starts)
        network.state[f"{COLUMNS}.stretches.factor"] = 1 / np.maximum(lengths, _SHORTEST)
    spikes = [value for value in numbers.spike if value is not None]
    if spikes:
        network.state[f"{COLUMNS}.spikes.value"] = spikes
    return network


def _dense(recipe: Recipe, activation: Any, outputs: int, end: str) -> list[Layer]:
    """Give the layers behind the columns: of one network, or of several side by side."""
    members = recipe.members
    layers: list[Layer] = [Dropout(recipe.input_dropout)] if recipe.input_dropout else []
    for i, size in enumerate(recipe.hidden):
        if members == 1:
            layers.append(Dense(size, activation))
        else:
            layers.append((MemberDense if i else MemberInput)(members, size, activation))
        if recipe.dropout:
            layers.append(Dropout(recipe.dropout))
    last = Dense(outputs, end) if members == 1 else MemberOutput(members, outputs, end)
    return [*layers, last]


def member_decays(members: int) -> tuple[float, ...]:
    """Give what the weight decay of each member is multiplied by.

    Some tables have much to learn from, in others most is chance: some members follow the rows
    closely, others hardly, and together they are near the best kind on either.
    """
    return () if members == 1 else tuple(_SPREAD[i % len(_SPREAD)] for i in range(members))


def share_out(codes: Array | None, n: int, members: int, seed: int) -> Array:
    """Give for each of n rows the member that does not learn from it, each class alike: i64[n].

    Half of the rows are learned by all members, −1: enough are left to judge by.
    """
    folds = np.empty(n, np.int64)
    folds[_by_class(codes, n, seed)] = np.arange(n) % (2 * members)
    return np.where(folds < members, folds, -1)


def _columns(preprocessing: Preprocessing, numbers: Numbers, scaling: str, limit: float) -> Layer:
    parts: list[tuple[tuple[int, ...], Layer]] = []
    count = len(numbers.centre)
    if count:
        robust = scaling == "robust"
        scale = RobustScale(limit, name="numbers") if robust else Standardize(name="numbers")
        parts.append((tuple(range(count)), scale))
    cut = tuple(i for i, edges in enumerate(numbers.edges) if len(edges))
    if cut:
        stretches = tuple(len(numbers.edges[i]) - 1 for i in cut)
        parts.append((cut, PiecewiseLinear(stretches, name="stretches")))
    missing = tuple(i for i, there in enumerate(numbers.missing) if there)
    if missing:
        parts.append((missing, Missing(name="missing")))
    spikes = tuple(i for i, value in enumerate(numbers.spike) if value is not None)
    if spikes:
        parts.append((spikes, Equals(name="spikes")))
    sizes = [part.codes for _, part in preprocessing.codes]
    few = tuple(i for i, size in enumerate(sizes, count) if size <= ONE_HOT)
    if few:
        one_hot = OneHot(tuple(sizes[i - count] for i in few), name="one_hot")
        parts.append((few, one_hot))
    for i, size in enumerate(sizes, count):
        if size > ONE_HOT:
            name = f"embedding{i - count + 1}"
            parts.append(((i,), Embedding(size + 1, embedding_size(size), name=name)))
    return Columns(tuple(parts), name=COLUMNS)


def code_counts(network: Network, X: Array, weights: Array | None = None) -> dict[str, Array]:
    """Give for each embedded column how often each code stands in rows of the matrix, by weight."""
    return {
        f"{COLUMNS}.{layer.name}.table": np.bincount(
            X[:, places[0]].astype(np.int64), weights, minlength=layer.categories
        ).astype(np.float64)
        for places, layer in network.layers[0].parts  # type: ignore[attr-defined]
        if isinstance(layer, Embedding)
    }


def settle_unseen(network: Network, counts: Mapping[str, Array]) -> None:
    """Give a category that training never saw the mean of those it saw; of ``code_counts``."""
    for name, seen in counts.items():
        if seen[0] == 0 and seen.any():
            table = network.params[name]
            table[0] = np.average(table, axis=0, weights=seen)
