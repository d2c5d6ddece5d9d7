"""Classifier and Regressor: a table's network as estimators of scikit-learn.

Answers for what scikit-learn asks of an estimator: parameters, tags, methods, fitted names. Not
for: how they learn (``limpide.estimating``) or what a model does (``limpide.model``).
"""

from __future__ import annotations

import warnings
from typing import Any, Self

import numpy as np

from limpide import estimator_html
from limpide.errors import ArgumentError, ArgumentTypeError, MissingExtraError, ShapeError
from limpide.estimating import Learner
from limpide.estimator_metrics import Scorers
from limpide.ir import Array
from limpide.keywords import known_keywords
from limpide.rng import check_seed
from limpide.tables.labels import (
    Labels,
    as_labels,
    class_labels,
    encoded,
    number_labels,
    numbers_of,
    several_of,
)
from limpide.tables.targets import class_weights

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
    from sklearn.exceptions import DataConversionWarning, NotFittedError
    from sklearn.metrics import get_scorer, get_scorer_names
    from sklearn.utils import check_random_state
except ImportError:
    raise MissingExtraError(
        "lp.Classifier and lp.Regressor need scikit-learn: pip install 'limpide[sklearn]'"
    ) from None


class NotFitted(ArgumentError, NotFittedError):  # type: ignore[misc]  # scikit-learn has no types
    """A method was called before ``fit``."""


class _Estimator(Learner, BaseEstimator):  # type: ignore[misc]
    """What scikit-learn asks of both."""

    def _seed(self) -> int:
        if isinstance(self.random_state, (int, np.integer)):
            return check_seed(self.random_state, "random_state")
        try:
            return int(check_random_state(self.random_state).randint(2**31))
        except ValueError:
            raise ArgumentTypeError(
                "random_state must be a whole number, None or a numpy RandomState; received "
                f"{self.random_state!r}."
            ) from None

    def _scorers(self) -> Scorers:
        return Scorers(get_scorer, tuple(get_scorer_names()))

    def _not_fitted(self) -> NotFitted:
        name = type(self).__name__
        return NotFitted(f"This {name} is not fitted yet. Call fit(X, y) first.")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        return tags

    def _html_repr(self) -> str:
        shown = str(super()._html_repr())
        if not self.__sklearn_is_fitted__():
            return shown
        return estimator_html.with_fitted(shown, self.model_, self.history_)


class Classifier(ClassifierMixin, _Estimator):  # type: ignore[misc]
    """A network that tells classes apart, as an estimator of scikit-learn.

    X is an array, a sparse matrix or a data frame of any library, with categories (text), missing
    values, booleans and dates; y one label a row, or a column of 0 and 1 for each of several
    labels. Nothing needs to be scaled or encoded before.

    Parameters
    ----------
    hidden
        Sizes of the hidden layers of each network, such as ``[64, 64]``; None: by the preset.
    activation
        Of the hidden layers, a name or a function.
    preset
        ``"default"``: 4 networks that answer together. ``"strong"``: 8 larger ones. Up to 200
        rows both are 4 small ones.
    epochs, batch_size
        None: by the number of rows. Up to 200 rows each step takes all of them, in float64; then
        whole weights are the same as repeated rows.
    learning_rate
        A number, which falls along half a cosine, or a schedule such as ``lp.Linear(0.01)``.
    weight_decay, dropout
        None: by the preset, or for a single network by the number of rows.
    loss
        None: cross-entropy; ``"bce"`` is the same. A name such as ``"mse"``, an ``lp.Loss``, or a
        function of (y, prediction) in limpide's ops: y is a column of 0 and 1 for each output, the
        prediction its probability.
    metric
        What is taken after each epoch, on X_val (else on the rows held out, else on those of
        training), into ``history_.metrics``: a name (accuracy, auc, log_loss, brier and others, or
        any scorer of scikit-learn), a scorer, a function of (y, prediction), or a list or dict of
        these. A function gets labels, or probabilities where it is scikit-learn's or limpide's
        and takes them; less is better where its name, or that in the dict, ends in loss, error or
        deviance, or is mae, mape, mse, rmse, rmsle or brier.
    early_stopping
        True, a number of epochs, ``"best"`` (run all, keep the best) or an ``lp.EarlyStopping``:
        it watches the first metric, else the loss, on X_val; without one on
        ``validation_fraction`` of the rows, which are then not trained on. The best weights stay.
    validation_fraction
        Held out for early stopping where there is no X_val, of more than 200 rows.
    class_weight
        ``"balanced"``, or a dict label → weight. Of several labels ``"balanced"``, which is the
        product over them.
    n_ensemble
        How many networks answer together; None: by the preset. With more than one, and without
        X_val or early stopping, from 201 to 2,000 rows each leaves a share of the rows to be
        judged by, and the epoch that is best on these is kept.
    callbacks
        As in ``Network.fit``.
    random_state
        A whole number, None or a ``RandomState``: for the first weights, the order of rows,
        dropout and what is held out.
    engine
        None is the fastest installed.
    checkpoint
        A path, or ``lp.Checkpoint(path, resume=True)``: where ``fit`` is kept while it lasts, so
        that another process can go on with it. Not for a search, whose fits would share the file.
    verbose
        Show a bar.

    Attributes
    ----------
    classes_ : array
        The labels, in the order of ``predict_proba``; of several labels, their numbers.
    n_features_in_, feature_names_in_
        How many columns X had, and their names where it had some.
    history_ : History
        The figures of each epoch: ``loss``, ``validation_loss``, ``metrics``, ``best_epoch``.
    network_ : Network
        The network; its first layer scales and encodes.
    model_ : Model
        The network with its preprocessing: ``model_.save``, ``print(model_)``.
    n_iter_ : int
        How many epochs were run.

    Examples
    --------
    >>> import limpide as lp
    >>> X = [["red", 1.0], ["red", None], ["blue", 3.0], ["blue", 4.0]]
    >>> classifier = lp.Classifier(random_state=0).fit(X, ["stop", "stop", "go", "go"])
    >>> classifier.predict([["blue", 2.0]]).tolist()
    ['go']
    """

    classes_: Array
    _dtype_: Any

    @known_keywords
    def __init__(
        self,
        *,
        hidden: Any = None,
        activation: Any = "relu",
        preset: str = "default",
        epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: Any = None,
        weight_decay: float | None = None,
        dropout: float | None = None,
        loss: Any = None,
        metric: Any = None,
        early_stopping: Any = False,
        validation_fraction: float = 0.1,
        class_weight: Any = None,
        n_ensemble: int | None = None,
        callbacks: Any = None,
        random_state: Any = None,
        engine: str | None = None,
        checkpoint: Any = None,
        verbose: bool = False,
    ) -> None:
        self.hidden = hidden
        self.activation = activation
        self.preset = preset
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.dropout = dropout
        self.loss = loss
        self.metric = metric
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.class_weight = class_weight
        self.n_ensemble = n_ensemble
        self.callbacks = callbacks
        self.random_state = random_state
        self.engine = engine
        self.checkpoint = checkpoint
        self.verbose = verbose

    @known_keywords
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> Self:
        """Learn the classes y of the rows X; a second fit starts anew.

        Parameters
        ----------
        sample_weight
            A weight a row, f64[n]; one of weight 0 is not looked at.
        X_val, y_val, sample_weight_val
            Other rows, on which the loss and the metrics are taken after each epoch.

        Raises
        ------
        DataError, ShapeError, DtypeError, ArgumentError
            For what cannot be used; a fitted estimator then stays as it was.
        DivergenceError
            When the loss is no longer finite.
        """
        return self._fit(X, y, sample_weight, (X_val, y_val, sample_weight_val))

    @known_keywords
    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Go once over some rows; the first ones decide what is done to each column.

        Parameters
        ----------
        classes
            All labels there will be; the first call needs them.
        """
        known: Labels | None = None
        given = None if classes is None else as_labels(classes, "classes")
        if self.__sklearn_is_fitted__():
            if given is not None and not np.array_equal(np.unique(given), self.classes_):
                raise ArgumentError(
                    f"classes is not what it was in the first call: {self.classes_.tolist()}. "
                    "Leave it out."
                )
        elif given is not None and given.ndim == 1:
            if self._as_y(y, "y").ndim == 1:
                known = class_labels(given, "classes")
        elif given is None and self._as_y(y, "y").ndim == 1:
            raise ArgumentError(
                "partial_fit needs classes in the first call, since later rows may hold others "
                "than y. Pass classes=numpy.unique(all labels)."
            )
        return self._partial_fit(X, y, sample_weight, known)

    @known_keywords
    def predict(self, X: Any) -> Array:
        """Give the most probable class of each row, or 0 and 1 for each of several labels."""
        z = self._sums(X)
        if self.model_.task == "multilabel":
            return (z > 0).astype(self._dtype_)
        return np.asarray(self.classes_[self.model_.codes(z)])

    @known_keywords
    def predict_proba(self, X: Any) -> Array:
        """Give the probability of each class, f64[n, classes], or of each of several labels."""
        z = self._sums(X)
        return self.model_.probabilities(z)

    @known_keywords
    def predict_log_proba(self, X: Any) -> Array:
        """Give the logarithms of ``predict_proba``, also of what would be rounded to 0."""
        z = self._sums(X)
        if self.model_.task == "multilabel":
            return -np.logaddexp(0, -z)
        if self.model_.task == "binary":
            return -np.hstack([np.logaddexp(0, z), np.logaddexp(0, -z)])
        z = z - z.max(axis=1, keepdims=True)
        return np.asarray(z - np.log(np.exp(z).sum(axis=1, keepdims=True)))

    @known_keywords
    def decision_function(self, X: Any) -> Array:
        """Give the network's sums: f64[n] for two classes (above 0 is the second), else a column
        a class or label.
        """
        z = self._sums(X)
        return z[:, 0] if self.model_.task == "binary" else z

    def _as_y(self, y: Any, name: str) -> Array:
        given = as_labels(y, name)
        if given.ndim == 2 and given.shape[1] == 1:
            warnings.warn(
                f"A column-vector {name} was passed when a 1d array was expected. Pass "
                f"{name}.ravel().",
                DataConversionWarning,
                stacklevel=6,
            )
            return given[:, 0]
        return given

    def _labels_of(self, given: Array, counts: Array | None) -> Labels:
        return class_labels(given)

    def _take_labels(self, labels: Labels, given: Array) -> None:
        assert labels.classes is not None
        self.classes_, self._dtype_ = labels.classes, given.dtype

    def _encoded(self, given: Array, name: str) -> Array:
        target = self.model_.labels if self.__sklearn_is_fitted__() else None
        if target is not None and target.task == "multilabel":
            return several_of(given, target.outputs, name)
        if given.ndim != 1:
            raise ShapeError(
                f"{name} has shape {list(given.shape)}; the classes are one label a row. Pass one "
                "column."
            )
        return encoded(given, self.classes_, name)

    def _class_factors(self, labels: Labels) -> Any:
        if labels.target.task == "multilabel":
            if self.class_weight not in (None, "balanced"):
                raise ArgumentError(
                    "class_weight of several labels a row is 'balanced' or None; received "
                    f"{self.class_weight!r:.80}. Use sample_weight."
                )
            return None
        return class_weights(self.class_weight, labels.target, labels.values)

    def _balanced(self, labels: Labels, weights: Array | None) -> Array | None:
        if labels.target.task != "multilabel" or self.class_weight != "balanced":
            return weights
        # The product over the labels, as scikit-learn does.
        rows = np.ones(len(labels.values)) if weights is None else weights
        total, product = rows.sum(), rows
        for column in labels.values.T:
            there = rows @ column
            # A label that no row has, or every one, has nothing to be balanced with.
            with_it, without = (total / 2 / n if n > 0 else 1.0 for n in (there, total - there))
            product = product * np.where(column, with_it, without)
        return product

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class Regressor(RegressorMixin, _Estimator):  # type: ignore[misc]
    """A network that predicts numbers, as an estimator of scikit-learn.

    X is as for ``Classifier``; y holds one number a row, or several, of any size.

    Parameters
    ----------
    loss
        None: the mean squared error. ``"mae"``, ``"huber"``, an ``lp.Loss``, or a function of (y,
        prediction) in limpide's ops; both are scaled: minus the mean, over the deviation.
    metric
        As for ``Classifier``; names are mae, median_absolute_error, r2, rmse, and scikit-learn's
        scorers.
    hidden, activation, preset, epochs, batch_size, learning_rate, weight_decay, dropout, \
early_stopping, validation_fraction, n_ensemble, callbacks, random_state, engine, \
checkpoint, verbose
        As for ``Classifier``.

    Attributes
    ----------
    n_features_in_, feature_names_in_, history_, network_, model_, n_iter_
        As for ``Classifier``.

    Examples
    --------
    >>> import numpy as np, limpide as lp
    >>> X = np.linspace(0, 1, 50)[:, None]
    >>> regressor = lp.Regressor(random_state=0).fit(X, 1000 * X[:, 0])
    >>> round(regressor.score(X, 1000 * X[:, 0]), 2)
    1.0
    """

    @known_keywords
    def __init__(
        self,
        *,
        hidden: Any = None,
        activation: Any = "relu",
        preset: str = "default",
        epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: Any = None,
        weight_decay: float | None = None,
        dropout: float | None = None,
        loss: Any = None,
        metric: Any = None,
        early_stopping: Any = False,
        validation_fraction: float = 0.1,
        n_ensemble: int | None = None,
        callbacks: Any = None,
        random_state: Any = None,
        engine: str | None = None,
        checkpoint: Any = None,
        verbose: bool = False,
    ) -> None:
        self.hidden = hidden
        self.activation = activation
        self.preset = preset
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.dropout = dropout
        self.loss = loss
        self.metric = metric
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_ensemble = n_ensemble
        self.callbacks = callbacks
        self.random_state = random_state
        self.engine = engine
        self.checkpoint = checkpoint
        self.verbose = verbose

    @known_keywords
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> Self:
        """Learn the numbers y of the rows X; a second fit starts anew. See ``Classifier.fit``."""
        return self._fit(X, y, sample_weight, (X_val, y_val, sample_weight_val))

    @known_keywords
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Go once over some rows; the first ones decide columns and the scale of y."""
        return self._partial_fit(X, y, sample_weight, None)

    @known_keywords
    def predict(self, X: Any) -> Array:
        """Give the number of each row, f64[n], or several, f64[n, outputs]."""
        z = self._sums(X)
        found = self.model_.decided(z)
        return found[:, None] if found.ndim < self._axes_ else found

    def _as_y(self, y: Any, name: str) -> Array:
        return numbers_of(as_labels(y, name), name)

    def _labels_of(self, given: Array, counts: Array | None) -> Labels:
        one = given[:, 0] if given.ndim == 2 and given.shape[1] == 1 else given
        return number_labels(one, counts)

    def _take_labels(self, labels: Labels, given: Array) -> None:
        self._axes_ = given.ndim

    def _encoded(self, given: Array, name: str) -> Array:
        outputs = self.model_.labels.outputs
        count = 1 if given.ndim == 1 else given.shape[1]
        if count != outputs:
            raise ShapeError(
                f"{name} has {count} numbers a row, and the model was trained on {outputs}. Pass "
                "as many columns."
            )
        return given.reshape(len(given), outputs) if outputs > 1 else given.reshape(-1)

    def _class_factors(self, labels: Labels) -> Any:
        return None

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
