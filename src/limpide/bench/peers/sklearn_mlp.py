"""scikit-learn's MLPClassifier and MLPRegressor, without what costs them time.

Answers for scikit-learn: no penalty, no early stopping, one long ``fit`` that starts from given
weights (a warm start). Not for: the parts of its interface that networks here do not need.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from limpide.bench.peers.program import Form, threads_order
from limpide.bench.workloads import SEED, Workload

TITLE = "scikit-learn"
PACKAGE = "sklearn"
_ACTIVATIONS = {"relu": "relu", "tanh": "tanh", "sigmoid": "logistic"}
_LOSSES = {("sigmoid", "bce"), ("softmax", "cross_entropy"), ("linear", "mse")}


def lacks(work: Workload) -> str:
    if work.hidden not in _ACTIVATIONS:
        return f"it has no {work.hidden}"
    if (work.output, work.loss) not in _LOSSES:
        return f"it has no {work.output} output with the loss {work.loss}"
    if work.dropout or work.layer_norm:
        return "it has neither dropout nor layer norm"
    return ""


def forms(work: Workload) -> list[Form]:
    return [Form("", threads) for threads in threads_order(work)]


class _Program:
    def __init__(self, work: Workload) -> None:
        from sklearn.neural_network import MLPClassifier, MLPRegressor

        self._work = work
        self._X, y = work.data()
        self._y = y if y.ndim == 1 or y.shape[1] > 1 else y[:, 0]
        self._scale = 1.0
        kind, rate = MLPClassifier, work.learning_rate
        if work.loss == "mse":
            # Its loss is half of the mean over all elements, its gradient that of half of the sum
            # over outputs. Adam does not feel the size of gradients.
            kind, self._scale = MLPRegressor, 2.0
            rate *= 2 / work.sizes[-1] if work.optimizer == "sgd" else 1
        self._model = kind(
            hidden_layer_sizes=work.sizes[1:-1],
            activation=_ACTIVATIONS[work.hidden],
            solver=work.optimizer,
            alpha=0.0,
            batch_size=work.batch,
            learning_rate_init=rate,
            max_iter=1,
            shuffle=work.shuffle,
            random_state=SEED,
            tol=0.0,
            momentum=0.0,
            nesterovs_momentum=False,
            epsilon=1e-10,  # added before the running means are corrected, when they are small
            n_iter_no_change=10**9,
            warm_start=True,
        )
        self._fit()
        self.reset()

    def _fit(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it has not converged
            self._model.fit(self._X, self._y)

    def reset(self) -> None:
        first = self._work.first_layers()
        self._model.coefs_ = [p["weights"].copy() for p in first]
        self._model.intercepts_ = [p["bias"].copy() for p in first]

    def run(self, epochs: int, shuffled: bool) -> Sequence[float]:
        self._model.set_params(max_iter=epochs, shuffle=shuffled and self._work.shuffle)
        self._fit()
        return [self._scale * loss for loss in self._model.loss_curve_[-epochs:]]


def build(work: Workload, options: Mapping[str, Any]) -> _Program:
    return _Program(work)
