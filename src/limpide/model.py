"""Model: a network with the columns, labels and preprocessing of its table; ``train`` and ``load``.

Answers for tables in, labels and figures out, and for the file of a model. Not for: numerics,
which are layers, nor for what is done to a column (``limpide.tables``).
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

import limpide
from limpide import storage
from limpide.arrays import as_weights
from limpide.checkpoints import KIND as CHECKPOINT
from limpide.checkpoints import Checkpoint, as_checkpoint, seed_for
from limpide.errors import ArgumentTypeError, DataError, LimpideWarning, ModelFileError
from limpide.history import History
from limpide.ir import Array
from limpide.keywords import known_keywords
from limpide.metrics import classification_figures, regression_figures
from limpide.model_facts import (
    MOST_CONFUSED,
    Facts,
    from_json,
    summary,
    to_json,
    training_words,
)
from limpide.network import Network
from limpide.optimizers import AdamW
from limpide.parameters import Parameters
from limpide.recipe import build, check_scaling, check_share, choose, settle_unseen, split_rows
from limpide.schedules import Cosine
from limpide.tables import Table, missing_column, read_table
from limpide.tables.features import check_finite, plain
from limpide.tables.fitting import fit_columns
from limpide.tables.preprocessing import ARRAY, Preprocessing
from limpide.tables.targets import (
    Target,
    class_weights,
    find_target,
    look_alike,
    overrule,
    with_scale,
)
from limpide.threads import limit_threads
from limpide.views import Views

TABLE = "table"
"""The tensor of a model file that holds all but the network's arrays, as packed JSON."""

_BLOCK = 512  # rows that the network predicts at a time


class Model(Views):
    """A trained network with the preprocessing and the labels of its table; ``lp.train`` makes it.

    Attributes
    ----------
    network
        The ``Network``: its first layer, ``columns``, scales and encodes the table's matrix.
    task
        ``"binary"``, ``"multiclass"`` or ``"regression"``.
    target, features
        The names of the target and of the columns that a table must have.
    classes
        The labels in their own type, in the order of ``predict_proba``; None for regression.
    history
        The losses of training, ``History``.
    figures
        On the rows held out, or None: ``loss`` (the network's own: for regression in the scaled
        unit), then those of ``metrics.classification_figures`` (``confusion`` up to 50 classes),
        or of ``metrics.regression_figures`` in the unit of the target.
    notes
        What was recognised, left out or assumed.
    facts
        How many rows there were, and the recipe.

    Notes
    -----
    The model that ``train`` gives keeps the rows that were held out, at most 10,000, with what it
    foretells for them, so that ``report`` can show them. Copies, pickles and files hold no rows.
    """

    def __init__(
        self, network: Network, preprocessing: Preprocessing, target: Target, facts: Facts
    ) -> None:
        self.network = network
        self.preprocessing = preprocessing
        self.facts = facts
        self._target = target

    @property
    def task(self) -> str:
        return self._target.task

    @property
    def target(self) -> str:
        return self._target.name

    @property
    def classes(self) -> Array | None:
        return self._target.classes

    @property
    def features(self) -> list[str]:
        return self.preprocessing.features

    @property
    def params(self) -> Parameters:
        """The parameters of the network, by name."""
        return self.network.params

    @property
    def history(self) -> History:
        return self.facts.history

    @property
    def figures(self) -> dict[str, Any] | None:
        return self.facts.figures

    @property
    def notes(self) -> list[str]:
        return [*self.facts.notes, *self.preprocessing.left_out]

    # Prediction -------------------------------------------------------------------------------

    @known_keywords
    def predict(self, data: Any) -> Array:
        """Give the label of each row in its own type, or for regression f64[n] in its own unit.

        Parameters
        ----------
        data
            Whatever ``train`` takes, or a dict of one value a column for one row. Columns are
            found by name, in any order; the target may be missing. For a model of an array: one
            with or without the target's column, or one row of it, which drops the row axis.

        Raises
        ------
        DataError
            A column is missing, or holds something else than in training.

        Warns
        -----
        LimpideWarning
            For columns that are not used, and for categories that the model does not know.
        """
        X = self._matrix(self._read(data))
        if self.classes is None:
            found = self._predicted(X)
        else:
            found = self._target.labels(self._predicted(X).argmax(axis=1))
        return found[0] if self._is_row(data) else found

    @known_keywords
    def predict_proba(self, data: Any) -> Array:
        """Give the probability of each class, f64[n, classes], in the order of ``classes``.

        Raises
        ------
        ArgumentTypeError
            For a regression.
        """
        if self.classes is None:
            raise ArgumentTypeError(
                "predict_proba is for classes, and this model's task is regression. Use predict."
            )
        found = self._probabilities(self._matrix(self._read(data)))
        return found[0] if self._is_row(data) else found

    @known_keywords
    def evaluate(
        self, data: Any, *, sample_weight: Any = None, intervals: bool | float = False
    ) -> dict[str, Any]:
        """Give the figures on a table that has the target; rows without one are left out.

        Their names are those of ``figures``.

        Parameters
        ----------
        sample_weight
            A weight for each row with a target, f64[n].
        intervals
            True, or a level such as 0.9: ``"intervals"`` then holds [low, high] for each figure
            but ``loss``, ``calibration_error`` and ``confusion``, by ``limpide.metrics.bootstrap``.

        Raises
        ------
        DataError
            The target is missing, or holds a class that the model does not know.
        """
        rows = self._rows_of(data)
        weights = as_weights(sample_weight, len(rows.y), "f64")
        figures = self._figures(rows.X, rows.y, self._predicted(rows.X), weights)
        if intervals is False:
            return figures
        return {**figures, "intervals": self._intervals(rows, weights, intervals)}

    def _read(self, data: Any, target: bool = False) -> Table:
        text = self.preprocessing.text
        if target and self._target.kind == "text":
            text = [*text, self.target]
        if self._is_row(data):
            data = data[None]
        table = _as_table(data, text=text)
        if table.source == self.facts.source == ARRAY and _are_numbered(table.columns):
            return self._numbered(table)
        return table

    def _is_row(self, data: Any) -> bool:
        """Whether this is one row of an array, for a model that was trained on one."""
        plain_row = isinstance(data, np.ndarray) and data.ndim == 1 and data.dtype.names is None
        return plain_row and self.facts.source == ARRAY

    def _numbered(self, table: Table) -> Table:
        """Name the columns of an array as in training, with or without the target among them."""
        names, given = [column.name for column in self.preprocessing.columns], len(table.columns)
        if given == len(names):
            return Table(table.frame.rename(dict(zip(table.columns, names, strict=True))), ARRAY)
        if given == len(names) + 1:
            return table
        raise DataError(
            f"the model was trained on {_count(names)} of an array; this one has {given}. Give "
            f"those, or all {len(names) + 1} with the target {self.target!r}."
        )

    def _matrix(self, table: Table) -> Array:
        X, notes = self.preprocessing.matrix(table)
        known = {self.target, *(column.name for column in self.preprocessing.columns)}
        extra = [name for name in table.columns if name not in known]
        if extra:
            some = ", ".join(repr(name) for name in extra[:5]) + ", …" * (len(extra) > 5)
            notes = [*notes, f"{_count(extra)} that the model does not use: {some}"]
        for note in notes:
            warnings.warn(f"{table.source}: {note}", LimpideWarning, stacklevel=4)
        return X

    def _sums(self, X: Array) -> Array:
        """Give the network's sums before its last activation, f64[n, outputs].

        They are taken in blocks of one size, a single one filled up: a matrix product may round a
        row differently in a product of another size, and a row's prediction must not depend on
        the rows beside it.
        """
        n = len(X)
        if n < _BLOCK:
            X = np.concatenate([X, np.resize(X[-1:], (_BLOCK - n, X.shape[1]))])
        return self.network.sums(X, block=_BLOCK)[:n].astype(np.float64)

    def _probabilities(self, X: Array) -> Array:
        """Give f64[n, classes]; worked out in float64, small ones stay apart from 0."""
        z = self._sums(X)
        if self.task == "binary":
            z = np.hstack([np.zeros_like(z), z])  # sigmoid(z) is the softmax of 0 and z
        powers = np.exp(z - z.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))

    def _figures(
        self, X: Array, y: Array, found: Array, weights: Array | None = None
    ) -> dict[str, Any]:
        """Give the figures of what was predicted, ``found``, for rows whose answers are ``y``."""
        if self.classes is None:
            learned = self._target.scaled(y)
            figures: dict[str, Any] = dict(regression_figures(y, found, weights))
        else:
            learned = y
            figures = classification_figures(y, found, weights)
            if len(self.classes) > MOST_CONFUSED:
                del figures["confusion"]
        loss = self.network.evaluate(X, learned, sample_weight=weights)["loss"]
        return {"loss": loss, **figures}

    # Files and text ---------------------------------------------------------------------------

    @known_keywords
    def save(self, path: str | os.PathLike[str], *, overwrite: bool = True) -> None:
        """Write a model file (safetensors); an existing file is replaced in one step.

        Parameters
        ----------
        path
            Where to write; its folder must exist.
        overwrite
            False: an existing file is left as it is, with a FileError.
        """
        packed = storage.pack_json(
            to_json(self.preprocessing, self._target, self.facts), "the model's table"
        )
        metadata = {"kind": "model", "network": self.network.config()}
        tensors = {**self.network.tensors(), TABLE: packed}
        storage.write(path, tensors, metadata, overwrite=overwrite)

    @known_keywords
    def export(
        self, path: str | os.PathLike[str], to: str | None = None, *, overwrite: bool = True
    ) -> None:
        """Write the model, preprocessing and trained weights included, in another format.

        The file takes the columns of the table and gives what ``predict`` and ``predict_proba``
        give; see ``Network.export`` for the parameters and errors.

        Examples
        --------
        >>> import limpide as lp, os, tempfile
        >>> table = {"height": [1.5, 1.6, 1.8, 1.9], "sex": ["F", "F", "M", "M"]}
        >>> model = lp.train(table, "sex", epochs=2)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     model.export(os.path.join(folder, "sex.py"), to="numpy")
        ...     os.listdir(folder)
        ['sex.py']
        """
        target = self._target
        limpide.exports.export_model(
            self.network.exported(activated=False),
            self.preprocessing,
            limpide.exports.Ending(
                target.task, target.name, target.classes, target.centre, target.scale
            ),
            training_words(self._target, self.facts),
            path,
            to,
            overwrite,
        )

    @classmethod
    def from_stored(cls, tensors: Mapping[str, Array], metadata: Mapping[str, Any]) -> Model:
        """Build a model from what a model file holds."""
        storage.expect_keys(metadata, {"kind", "network"}, where="model")
        config = storage.expect_object(metadata, "network", where="model")
        packed = storage.expect_tensor(tensors, TABLE, (None,), np.uint8, where="the model file")
        preprocessing, target, facts = from_json(storage.unpack_json(packed, TABLE), TABLE)
        network = Network.from_stored(tensors, config)
        outputs = (
            len(target.classes) if target.task == "multiclass" and target.classes is not None else 1
        )
        if (network.n_inputs, network.n_outputs) != (preprocessing.width, outputs):
            raise ModelFileError(
                f"The model file's table makes {preprocessing.width} inputs and {outputs} outputs, "
                f"its network has {network.n_inputs} and {network.n_outputs}. Save the model again."
            )
        return cls(network, preprocessing, target, facts)

    @known_keywords
    def summary(self, figures: bool = True) -> str:
        """Give text that says how the task was found and what was done to each column.

        Parameters
        ----------
        figures
            Whether the figures on the rows held out are in it.
        """
        parameters = self.network.n_parameters
        return summary(self.preprocessing, self._target, self.facts, parameters, figures)

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return (
            f"<Model {self.task} of {self.target!r} from {_count(self.features)}: "
            f"{self.network.n_parameters:,} parameters>"
        )


def _count(names: list[str]) -> str:
    return "1 column" if len(names) == 1 else f"{len(names)} columns"


def _as_table(data: Any, **options: Any) -> Table:
    """Read a table; a dict of single values is one row."""
    if isinstance(data, Table):
        return data
    if isinstance(data, Mapping) and data and all(_is_single(v) for v in data.values()):
        data = {name: [value] for name, value in data.items()}
    return read_table(data, **options)


def _are_numbered(names: list[str]) -> bool:
    return names == [f"x{i}" for i in range(len(names))]


def _is_single(value: Any) -> bool:
    return value is None or isinstance(value, (str, bytes)) or not hasattr(value, "__len__")


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


@known_keywords
def train(
    data: Any,
    target: str | int,
    *,
    task: str = "auto",
    hidden: Any = None,
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
    hidden
        Sizes of the hidden layers; None: one of 128, or with up to 3 columns 64, 64, 64. ``[]``:
        none, a logistic or linear regression.
    epochs, batch_size, learning_rate
        None: by the number of rows. The rate falls along half a cosine; AdamW.
    validation
        The share of rows held out for the figures, of each class alike, drawn by ``seed``. They
        are never trained on, and nothing is chosen by them: the number of epochs is fixed
        beforehand. 0 or None, or fewer than 20 rows: none.
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
    table = _as_table(data, delimiter=delimiter, decimal=decimal, encoding=encoding)
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
    columns, numbers = fit_columns(seen, names, scaling)
    preprocessing = Preprocessing(tuple(columns))
    recipe = choose(
        found.task,
        len(trained),
        preprocessing.width,
        hidden,
        epochs,
        batch_size,
        learning_rate,
    )
    if found.classes is None:
        found = with_scale(found, y[trained])
    outputs = len(found.classes) if found.classes is not None and found.task == "multiclass" else 1
    network = build(preprocessing, numbers, scaling, recipe, found.task, outputs, number)
    facts = Facts(
        table.source,
        len(trained),
        len(held),
        None,
        [*table.notes, *notes, *more],
        History(),
        {**asdict(recipe), "hidden": list(recipe.hidden), "scaling": scaling, "seed": number},
    )
    model = Model(network, preprocessing, found, facts)
    weights = as_weights(sample_weight, table.n_rows, "f64")
    weights = None if weights is None else weights[rows]
    chosen = class_weights(class_weight, found, y)
    X, _ = preprocessing.matrix(known)
    with limit:
        _fit(model, X, y, trained, held, weights, chosen, engine, callbacks, progress, kept)
        _look(model, known, X, y, trained, held, weights)
    return model


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
    recipe, target = model.facts.recipe, model._target
    learned = target.scaled(y) if target.classes is None else y
    Xt, Xh = (X, X[:0]) if len(held) == 0 else (X[trained], X[held])
    model.facts.history = model.network.fit(
        Xt,
        learned[trained],
        optimizer=AdamW(Cosine(recipe["learning_rate"]), weight_decay=recipe["weight_decay"]),
        epochs=recipe["epochs"],
        batch_size=recipe["batch_size"],
        validation=(Xh, learned[held]) if len(held) else None,
        sample_weight=None if weights is None else weights[trained],
        class_weight=class_weight,
        callbacks=callbacks,
        engine=engine,
        seed=recipe["seed"],
        progress=progress,
        checkpoint=checkpoint,
    )
    settle_unseen(model.network, Xt)


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
        model._keep(known, trained, None, None, None, "trained on")
        return
    found = model._predicted(X[held])
    weights = None if weights is None else weights[held]
    model.facts.figures = model._figures(X[held], y[held], found, weights)
    model._keep(known, held, y[held], found, weights, "held out")


@known_keywords
def load(path: str | os.PathLike[str]) -> Network | Model:
    """Read a model file that ``Network.save`` or ``Model.save`` wrote; it gives that kind.

    Raises
    ------
    FileError
        If there is no such file, or it cannot be read.
    ModelFileError
        If it is damaged, of another kind, or written by a newer limpide.

    Examples
    --------
    >>> import limpide as lp, os, tempfile
    >>> net = lp.Network([2, 1], seed=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "net.safetensors")
    ...     net.save(path)
    ...     same = lp.load(path)
    >>> bool((same.params["output.weights"] == net.params["output.weights"]).all())
    True
    """
    stored = storage.read(path)
    if stored.metadata.get("kind") == CHECKPOINT:
        raise ModelFileError(
            f"{os.fspath(path)!r} is the checkpoint of a run, not a model. Go on with the run: "
            "limpide train --resume, or checkpoint=lp.Checkpoint(path, resume=True)."
        )
    try:
        kind = storage.expect_choice(
            stored.metadata, "kind", ("model", "network"), where="metadata"
        )
        if kind == "network":
            return Network.from_stored(stored.tensors, stored.metadata)
        return Model.from_stored(stored.tensors, stored.metadata)
    except ModelFileError as error:
        raise ModelFileError(f"{os.fspath(path)!r}: {error}") from None
