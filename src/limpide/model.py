"""Model: a network with the columns, labels and preprocessing of its table; and ``load``.

Answers for tables in, labels and figures out, and for the file of a model. Not for: making one
(``limpide.learning``), numerics, which are layers, or columns (``limpide.tables``).
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

import limpide
from limpide import engines, storage
from limpide.arrays import as_weights
from limpide.checkpoints import KIND as CHECKPOINT
from limpide.errors import ArgumentTypeError, DataError, LimpideWarning, ModelFileError
from limpide.history import History
from limpide.ir import Array
from limpide.keywords import known_keywords
from limpide.languages import words_in
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
from limpide.parameters import Parameters
from limpide.table_explaining import TableExplaining
from limpide.tables import Table, read_table
from limpide.tables.numeric import NumberPlan, Numeric
from limpide.tables.preprocessing import ARRAY, Preprocessing
from limpide.tables.rows import read_rows
from limpide.tables.targets import Target

TABLE = "table"
"""The tensor of a model file that holds all but the network's arrays, as packed JSON."""

_BLOCK = 512  # rows that the network predicts at a time
_FEW_NUMBERS = 1 << 14
_BELOW = 6  # frames from where it is warned of odd rows up to who called predict
_FLOATS = (np.dtype(np.float64), np.dtype(np.float32))
_SMALL = 1e70  # of a sum of squares: then each number is within what float32 holds


class Model(TableExplaining):
    """A trained network with the preprocessing and the labels of its table; ``lp.train`` makes it.

    Attributes
    ----------
    network
        The ``Network``: its first layer, ``columns``, scales and encodes the table's matrix.
    task
        ``"binary"``, ``"multiclass"`` or ``"regression"``; an estimator's may be ``"multilabel"``.
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
        self._plan = NumberPlan.of(preprocessing.columns)
        self._is_native: bool | None = None  # the engine, once it is asked for

    @property
    def labels(self) -> Target:
        """The target: its classes, or the unit of a regression."""
        return self._target

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

    def __getstate__(self) -> dict[str, Any]:
        return super().__getstate__() | {"_is_native": None}

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
        found = self.decided(self._sums(data))
        return found[0] if self._is_row(data) else found

    @known_keywords
    def predict_proba(self, data: Any) -> Array:
        """Give the probability of each class, f64[n, classes], in the order of ``classes``.

        Raises
        ------
        ArgumentTypeError
            For a regression.
        """
        if self.task == "regression":
            raise ArgumentTypeError(
                "predict_proba is for classes, and this model's task is regression. Use predict."
            )
        found = self.probabilities(self._sums(data))
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
        figures = self.figures_on(rows.X, rows.y, self.predicted(rows.X), weights)
        if intervals is False:
            return figures
        return {**figures, "intervals": self._intervals(rows, weights, intervals)}

    def _read(self, data: Any, target: bool = False) -> Table:
        text = self.preprocessing.text
        if target and self._target.kind == "text":
            text = [*text, self.target]
        if self._is_row(data):
            data = data[None]
        table = as_table(data, text=text)
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

    def _sums(self, data: Any) -> Array:
        """Give the network's sums for whatever ``predict`` takes."""
        if self.facts.source == ARRAY and isinstance(data, np.ndarray) and self._plan is not None:
            X = data[None] if self._is_row(data) else data
            found = self.sums_of_few(X)
            if found is not None:
                return found
            if X.ndim == 2 and len(X) and X.shape[1] == self._plan.n_columns:
                rows, _ = read_rows(X, name=ARRAY)
                if isinstance(rows, Numeric):
                    names = [column.name for column in self.preprocessing.columns]
                    return self.sums(replace(rows, names=names))
        return self.sums(self._read(data))

    def matrix(self, rows: Table | Numeric, stacklevel: int = 4) -> Array:
        """Give the network's matrix of some rows; what is odd about them is warned of."""
        dtype = self.network.dtype
        if isinstance(rows, Numeric) and self._plan is not None:
            X, notes = self._plan.matrix(rows, dtype)
        else:
            table = rows.table() if isinstance(rows, Numeric) else rows
            X, notes = self.preprocessing.matrix(table, dtype)
            known = {self.target, *(column.name for column in self.preprocessing.columns)}
            extra = [name for name in table.columns if name not in known]
            if extra:
                some = ", ".join(repr(name) for name in extra[:5]) + ", …" * (len(extra) > 5)
                notes = [*notes, f"{_count(extra)} that the model does not use: {some}"]
        for note in notes:
            warnings.warn(f"{rows.source}: {note}", LimpideWarning, stacklevel=stacklevel)
        return X

    def sums(self, rows: Table | Numeric) -> Array:
        """Give the network's sums before its last activation, f64[n, outputs].

        What is sparse is made dense some rows at a time.
        """
        if not isinstance(rows, Numeric) or not rows.is_sparse or self._plan is None:
            return self.sums_of_matrix(self.matrix(rows, _BELOW))
        parts = []
        for _, block in rows.rows():
            X = self.matrix(Numeric(block, rows.names, rows.source), _BELOW)
            parts.append(self.sums_of_matrix(X))
        return np.concatenate(parts)

    def sums_of_few(self, X: Any) -> Array | None:
        """Give ``sums`` of a few rows that are plain floats, without a detour; else None.

        The numbers are those of ``sums``, to the bit.
        """
        plan = self._plan
        if (
            plan is None
            or type(X) is not np.ndarray
            or X.ndim != 2
            or X.shape[1] != plan.n_columns
            or X.dtype not in _FLOATS
            or not X.flags.aligned
            or not 0 < X.size <= _FEW_NUMBERS
            # NaN and infinities are not small
            or not (float(np.vdot(X, X)) < _SMALL or self._may_miss(X, plan))
        ):
            return None
        dtype = self.network.dtype
        chosen = X if plan.places is None else X[:, plan.places]
        if not plan.is_plain:
            chosen = (chosen.astype(np.float64) - plan.origin) / plan.unit
        return self.sums_of_matrix(np.ascontiguousarray(chosen, dtype))

    @staticmethod
    def _may_miss(X: Array, plan: NumberPlan) -> bool:
        """Whether cells are missing only where some were in training; the others are small."""
        gone = np.isnan(X)
        known = np.where(gone, 0, X)
        if not float(np.vdot(known, known)) < _SMALL:
            return False
        chosen = gone if plan.places is None else gone[:, plan.places]
        return not bool((chosen & ~plan.may_miss).any())

    def sums_of_matrix(self, X: Array) -> Array:
        """Give the sums of rows of the matrix; a row's do not depend on the rows beside it."""
        n, network = len(X), self.network
        if self._is_native is None:
            self._is_native = engines.get(None).name == "native"
        if self._is_native:
            # It works each number out in an order that depends on the layer's shape alone.
            block = 1 if n < 16 else 16 if n < 256 else 256
            return np.asarray(network.sums_of_checked(X, block).astype(np.float64))
        # NumPy may round a row differently in a product of another size: one size, filled up.
        if n < _BLOCK:
            X = np.concatenate([X, np.resize(X[-1:], (_BLOCK - n, X.shape[1]))])
        return network.sums(X, block=_BLOCK)[:n].astype(np.float64)

    def probabilities(self, z: Array) -> Array:
        """Give f64[n, classes] from sums; worked out in float64, small ones stay apart from 0.

        Of several labels, f64[n, labels], each by itself.
        """
        if self.task == "multiclass":
            powers = np.exp(z - z.max(axis=1, keepdims=True))
            return np.asarray(powers / powers.sum(axis=1, keepdims=True))
        if self.task == "multilabel":
            powers = -z
        else:
            powers = np.empty((len(z), 2))
            powers[:, :1] = z
            np.negative(z, out=powers[:, 1:])
        # 1 / (1 + exp(−z)), as exact near 0 as near 1; exp(700) is no infinity
        np.minimum(powers, 700.0, out=powers)
        np.exp(powers, out=powers)
        powers += 1.0
        return np.asarray(np.reciprocal(powers, out=powers))

    def decided(self, z: Array) -> Array:
        """Give labels in their own type, or a regression's numbers in its own unit, from sums."""
        if self.task == "regression":
            found = self._target.in_unit(z)
            return found if self._target.outputs > 1 else found[:, 0]
        if self.task == "multilabel":
            return (z > 0).astype(np.int64)
        return self._target.labels(self.codes(z))

    def codes(self, z: Array) -> Array:
        """Give the class number of each row from sums: the most probable, the first of equals."""
        if self.task == "binary":
            return np.asarray(z[:, 0] > 0, np.int64)
        return np.asarray(z.argmax(axis=1))

    def figures_on(
        self, X: Array, y: Array, found: Array, weights: Array | None = None
    ) -> dict[str, Any]:
        """Give the figures of what was ``predicted`` for rows, y their class numbers or values."""
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
        outputs = target.outputs
        if target.task == "multiclass" and target.classes is not None:
            outputs = len(target.classes)
        if (network.n_inputs, network.n_outputs) != (preprocessing.width, outputs):
            raise ModelFileError(
                f"The model file's table makes {preprocessing.width} inputs and {outputs} outputs, "
                f"its network has {network.n_inputs} and {network.n_outputs}. Save the model again."
            )
        return cls(network, preprocessing, target, facts)

    @known_keywords
    def summary(self, figures: bool = True, language: str | None = None) -> str:
        """Give text that says how the task was found and what was done to each column.

        Parameters
        ----------
        figures
            Whether the figures on the rows held out are in it.
        language
            ``"en"``, ``"fr"`` or ``"uk"``; None is the system's.
        """
        parameters, words = self.network.n_parameters, words_in(language)
        return summary(self.preprocessing, self._target, self.facts, parameters, figures, words)

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return (
            f"<Model {self.task} of {self.target!r} from {_count(self.features)}: "
            f"{self.network.n_parameters:,} parameters>"
        )


def _count(names: list[str]) -> str:
    return "1 column" if len(names) == 1 else f"{len(names)} columns"


def as_table(data: Any, **options: Any) -> Table:
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
