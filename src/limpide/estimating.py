"""What estimators do beneath: from X and y of any kind to a model, and back to predictions.

Answers for rows, weights, validation, metrics and parts, in the order in which they are needed.
Not for: scikit-learn's classes and tags (``limpide.estimators``), or learning itself.
"""

from __future__ import annotations

import copy
import warnings
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from limpide.arrays import as_weights
from limpide.callbacks import Callback, EarlyStopping, Measuring, as_callbacks
from limpide.checkpoints import Checkpoint, as_checkpoint, seed_for
from limpide.errors import (
    ArgumentError,
    ArgumentTypeError,
    DataError,
    LimpideWarning,
    ShapeError,
    choice_error,
)
from limpide.estimator_metrics import Held, Prepared, Scorers, as_metrics
from limpide.history import History
from limpide.ir import Array
from limpide.layers import check_flag
from limpide.learning import FEW_ROWS, Settings, learn, new_model
from limpide.losses import BCE, CrossEntropy
from limpide.model import Model
from limpide.network import Network
from limpide.recipe import check_share, split_rows
from limpide.tables.labels import Labels
from limpide.tables.preprocessing import ARRAY
from limpide.tables.rows import Rows, matched, read_rows


@dataclass
class _Lesson:
    """Rows to learn from, those of weight 0 left out."""

    rows: Rows
    given: Array  # y in the dtype that the user has
    values: Array  # y encoded
    weights: Array | None  # of the loss
    counts: Array | None  # of the statistics: how many rows each stands for
    total: int  # how many rows all of them stand for

    def take(self, rows: Array) -> _Lesson:
        weights, counts = (None if w is None else w[rows] for w in (self.weights, self.counts))
        given, values = self.given[rows], self.values[rows]
        return _Lesson(self.rows.take(rows), given, values, weights, counts, len(rows))


class Learner:
    """What both estimators do; they say what y is, and add what is scikit-learn's."""

    early_stopping: Any
    validation_fraction: Any
    metric: Any
    callbacks: Any
    random_state: Any
    loss: Any
    engine: Any
    checkpoint: Any
    verbose: Any
    feature_names_in_: Array

    model_: Model
    history_: History
    n_features_in_: int

    # Fitting ----------------------------------------------------------------------------------

    def _fit(self, X: Any, y: Any, sample_weight: Any, validation: tuple[Any, Any, Any]) -> Self:
        probe, lesson, labels = self._begun(X, y, sample_weight)
        settings = self._settings(labels.target.task)
        kept, few = as_checkpoint(self.checkpoint), lesson.rows.n_rows <= FEW_ROWS
        seed = seed_for(kept, None) if kept and self.random_state is None else self._seed()
        held: _Lesson | None = None
        has_others = any(part is not None for part in validation)
        if self._stops() and not has_others:
            lesson, held = self._held_out(lesson, labels, few, seed)
        is_named = hasattr(probe, "feature_names_in_")
        probe.model_ = _model(lesson, labels, settings, seed, few, is_named)
        if has_others:
            held = probe._others(*validation)
        probe._learn(lesson, labels, settings, held, kept)
        self._become(probe)
        return self

    def _begun(
        self, X: Any, y: Any, sample_weight: Any, known: Labels | None = None
    ) -> tuple[Any, _Lesson, Labels]:
        """Check X, y and the weights; give what will be the fitted estimator, and a lesson.

        ``known`` tells of the classes, where y need not hold all of them.
        """
        rows, is_named = read_rows(X)
        given = self._as_y(y, "y")
        _check_lengths(rows, given, "X", "y")
        weights = as_weights(sample_weight, rows.n_rows, "f64")
        if weights is not None and not weights.all():
            kept = np.flatnonzero(weights)
            rows, given, weights = rows.take(kept), given[kept], weights[kept]
        if rows.n_rows == 1:
            raise DataError(
                "X has 1 sample, or one whose weight is above 0: there is nothing to compare it "
                "with. Give at least 2 rows."
            )
        counts, total = _counted(weights, rows.n_rows)
        labels = known or self._labels_of(given, counts)
        probe = copy.copy(self)
        for name in [n for n in vars(probe) if n.endswith("_")]:
            delattr(probe, name)
        probe.n_features_in_ = len(rows.columns)
        if is_named:
            probe.feature_names_in_ = np.array(rows.columns, object)
        probe._take_labels(labels, given)
        if known is not None:
            labels = replace(known, values=probe._encoded(given, "y"))
        return probe, _Lesson(rows, given, labels.values, weights, counts, total), labels

    def _learn(
        self,
        lesson: _Lesson,
        labels: Labels,
        settings: Settings,
        held: _Lesson | None,
        checkpoint: Checkpoint | None,
    ) -> None:
        model = self.model_
        X = model.matrix(lesson.rows)
        other = None if held is None else model.matrix(held.rows)
        seen = lesson if held is None else held
        rows = Prepared(X if other is None else other)
        watched = Held(rows, seen.given, seen.values, seen.weights)
        learn(
            model,
            X,
            lesson.values,
            self._balanced(labels, lesson.weights),
            settings,
            validation=None if held is None else (other, held.values, held.weights),
            class_weight=self._class_factors(labels),
            callbacks=self._watchers(watched, held is not None),
            engine=self.engine,
            progress=self._is_verbose(),
            checkpoint=checkpoint,
        )
        self.history_ = model.history

    def _become(self, probe: Any) -> None:
        """Take over what was fitted; until here nothing has changed."""
        for name in [n for n in vars(self) if n.endswith("_")]:
            delattr(self, name)
        self.__dict__ |= {name: v for name, v in vars(probe).items() if name.endswith("_")}

    def _held_out(
        self, lesson: _Lesson, labels: Labels, few: bool, seed: int
    ) -> tuple[_Lesson, _Lesson | None]:
        """Hold out some rows for early stopping, of many rows."""
        share = check_share(self.validation_fraction)
        if few or share == 0:
            rows = lesson.rows.n_rows
            why = f"of {rows} rows (up to {FEW_ROWS})" if few else "with validation_fraction=0"
            warnings.warn(
                f"early_stopping watches the training loss: {why} none is held out. Pass X_val and "
                "y_val to fit.",
                LimpideWarning,
                stacklevel=5,
            )
            return lesson, None
        codes = lesson.values if labels.target.classes is not None else None
        trained, held, _ = split_rows(np.arange(lesson.rows.n_rows), codes, share, seed)
        return lesson.take(trained), lesson.take(held) if len(held) else None

    def _others(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        x_name: str = "X_val",
        y_name: str = "y_val",
        weight_name: str = "sample_weight_val",
    ) -> _Lesson:
        """Give other rows than those of the first fit, with their y."""
        if X is None or (y is None and y_name == "y_val"):
            lost = x_name if X is None else y_name
            raise ArgumentError(
                f"{lost} is missing: X_val and y_val are passed together. Pass both, or neither."
            )
        rows = self._rows(X, x_name)
        given = self._as_y(y, y_name)
        _check_lengths(rows, given, x_name, y_name)
        weights = as_weights(sample_weight, rows.n_rows, "f64", name=weight_name, rows_of=x_name)
        values = self._encoded(given, y_name)
        return _Lesson(rows, given, values, weights, None, rows.n_rows)

    def _watchers(self, held: Held, has_validation: bool) -> list[Callback]:
        """Give the callbacks of a run: metrics first, since the others look at them."""
        metrics = as_metrics(self.metric, self.model_.task, self._scorers(), self, held)
        before: list[Callback] = [Measuring(*metrics)] if metrics else []
        stop = self.early_stopping
        if isinstance(stop, EarlyStopping):
            return [*before, *as_callbacks(self.callbacks), copy.copy(stop)]
        if not self._stops():
            return [*before, *as_callbacks(self.callbacks)]
        epochs = self.model_.facts.recipe["epochs"]
        patience = max(10, epochs // 5) if stop is True else None if stop == "best" else int(stop)
        monitor = "validation_loss" if has_validation else "loss"
        monitor = metrics[0].name if metrics else monitor
        return [*before, *as_callbacks(self.callbacks), EarlyStopping(patience, monitor)]

    def _stops(self) -> bool:
        stop = self.early_stopping
        if isinstance(stop, str) and stop != "best":
            raise ArgumentError(
                "early_stopping must be True, False, 'best', a number of epochs or an "
                f"lp.EarlyStopping; received {stop!r}."
            )
        if isinstance(stop, bool) or stop is None:
            return bool(stop)
        if not isinstance(stop, (str, int, np.integer, EarlyStopping)):
            raise ArgumentTypeError(
                "early_stopping must be True, False, 'best', a number of epochs or an "
                f"lp.EarlyStopping; received {stop!r}."
            )
        if isinstance(stop, (int, np.integer)) and stop < 1:
            raise ArgumentError(
                f"early_stopping waits for at least 1 epoch; received {stop}. Use False for none."
            )
        return True

    def _is_verbose(self) -> bool:
        check_flag(self.verbose, "verbose")
        return bool(self.verbose)

    def _settings(self, task: str) -> Settings:
        names = (
            "preset hidden activation epochs batch_size learning_rate weight_decay dropout "
            "n_ensemble"
        )
        chosen = {name: getattr(self, name) for name in names.split()}
        return Settings(**chosen, loss=_loss_for(self.loss, task))

    # Parts ------------------------------------------------------------------------------------

    def _partial_fit(self, X: Any, y: Any, sample_weight: Any, known: Labels | None) -> Self:
        """Go once over some rows; the first ones decide what is done to each column."""
        if not self.__sklearn_is_fitted__():
            probe, lesson, labels = self._begun(X, y, sample_weight, known)
            settings = replace(self._settings(labels.target.task), n_ensemble=1)
            is_named = hasattr(probe, "feature_names_in_")
            probe.model_ = _model(lesson, labels, settings, self._seed(), False, is_named)
            past = History()
        else:
            settings = replace(self._settings(self.model_.task), n_ensemble=1)
            probe = copy.copy(self)
            probe.model_ = copy.copy(self.model_)
            probe.model_.facts = copy.copy(self.model_.facts)
            if not all(array.flags.writeable for array in self.network_.tensors().values()):
                # joblib has mapped it from a file
                probe.model_.network = copy.deepcopy(self.network_)
            lesson = self._others(X, y, sample_weight, "X", "y", "sample_weight")
            past = self.history_
        seen = Labels(probe.model_.labels, lesson.values, None)
        learn(
            probe.model_,
            probe.model_.matrix(lesson.rows),
            lesson.values,
            probe._balanced(seen, lesson.weights),
            settings,
            class_weight=probe._class_factors(seen),
            callbacks=self.callbacks,
            engine=self.engine,
            progress=self._is_verbose(),
            once=True,
        )
        history = probe.model_.history
        history.loss[:0] = past.loss
        history.steps += past.steps
        history.seconds += past.seconds
        probe.history_ = history
        self._become(probe)
        return self

    # Predicting -------------------------------------------------------------------------------

    def _sums(self, X: Any) -> Array:
        """Give the network's sums for rows of X, f64[n, outputs]."""
        model = self._fitted()
        if "feature_names_in_" not in self.__dict__:
            found = model.sums_of_few(X)
            if found is not None:
                return np.asarray(found)
        if isinstance(X, Prepared):
            return np.asarray(model.sums_of_matrix(X.matrix))
        return np.asarray(model.sums(self._rows(X, "X")))

    def _fitted(self) -> Model:
        model: Model | None = self.__dict__.get("model_")
        if model is None:
            raise self._not_fitted()
        return model

    def _rows(self, X: Any, name: str) -> Rows:
        columns = [column.name for column in self.model_.preprocessing.columns]
        rows, is_named = read_rows(X, name=name, text=self.model_.preprocessing.text)
        was_named = "feature_names_in_" in self.__dict__
        return matched(rows, is_named, columns, was_named, type(self).__name__)

    @property
    def network_(self) -> Network:
        """The trained network."""
        return self._fitted().network

    @property
    def n_iter_(self) -> int:
        """How many epochs were run."""
        return self._fitted().history.epochs

    def __sklearn_is_fitted__(self) -> bool:
        return "model_" in self.__dict__

    # What the estimators add ------------------------------------------------------------------

    def _as_y(self, y: Any, name: str) -> Array:
        """Give y as an array of labels or numbers."""
        raise NotImplementedError

    def _labels_of(self, given: Array, counts: Array | None) -> Labels:
        """Find what y holds."""
        raise NotImplementedError

    def _take_labels(self, labels: Labels, given: Array) -> None:
        """Remember what predictions are made of."""
        raise NotImplementedError

    def _encoded(self, given: Array, name: str) -> Array:
        """Give y as the model learns it, for what is known already."""
        raise NotImplementedError

    def _class_factors(self, labels: Labels) -> Any:
        """Give the weights of classes, by their numbers."""
        raise NotImplementedError

    def _balanced(self, labels: Labels, weights: Array | None) -> Array | None:
        """Give the weights of rows, with those of several labels in them."""
        return weights

    def _seed(self) -> int:
        """Give the seed of a run."""
        raise NotImplementedError

    def _scorers(self) -> Scorers:
        """Give what is known of scorers by name."""
        raise NotImplementedError

    def _not_fitted(self) -> Exception:
        """Give the error for a method that was called before fit."""
        raise NotImplementedError


def _check_lengths(rows: Rows, y: Array, name: str, y_name: str) -> None:
    if len(y) != rows.n_rows:
        raise ShapeError(
            f"{name} has {rows.n_rows} rows and {y_name} has {len(y)}; both need one entry a row."
        )


_LOG_LOSSES = ("bce", "cross_entropy")


def _loss_for(loss: Any, task: str) -> Any:
    """Give the loss for a task; what the two names of cross-entropy mean hangs on the classes."""
    numbers = ("huber", "mae", "mse")
    if task == "regression":
        if isinstance(loss, str) and loss not in (*numbers, "poisson"):  # learn says why not that
            raise choice_error("loss", loss, numbers)
        return loss
    if isinstance(loss, str) and loss not in (*_LOG_LOSSES, *numbers):
        raise choice_error("loss", loss, (*_LOG_LOSSES, *numbers))
    is_default = isinstance(loss, (BCE, CrossEntropy, str)) and loss not in numbers
    return None if is_default else loss


def _counted(weights: Array | None, n_rows: int) -> tuple[Array | None, int]:
    """Give how many rows each one stands for, and how many all do.

    Few whole weights are repetitions. Any others say how much a row matters: only their ratios
    count, and together they stand for the rows there are.
    """
    if weights is None:
        return None, n_rows
    total = float(weights.sum())
    if total <= FEW_ROWS and (weights == np.round(weights)).all():
        return weights, int(total)
    return weights * (n_rows / total), n_rows


def _model(
    lesson: _Lesson, labels: Labels, settings: Settings, seed: int, few: bool, is_named: bool
) -> Model:
    rows = lesson.rows
    model = new_model(
        rows,
        rows.columns,
        labels.target,
        lesson.total,
        settings,
        seed,
        weights=lesson.counts,
        few=few,
    )
    model.facts.source = "X" if is_named else ARRAY
    return model
