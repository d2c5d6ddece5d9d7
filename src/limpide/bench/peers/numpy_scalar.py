"""The program that courses begin with: 2-2-1 in scalars, one weight a variable.

Answers for the plain scalar NumPy program of the smallest network. Not for: any other network,
nor for speed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from limpide.bench.peers.program import Form
from limpide.bench.workloads import Workload

TITLE = "scalar NumPy"
PACKAGE = "numpy"


def lacks(work: Workload) -> str:
    plain = (work.sizes, work.batch, work.hidden, work.output, work.loss, work.optimizer)
    if plain != ((2, 2, 1), 1, "sigmoid", "sigmoid", "mse", "sgd") or work.shuffle:
        return "it is the network 2-2-1 alone"
    return ""


def forms(work: Workload) -> list[Form]:
    return [Form("", threads=1)]


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


class _Program:
    def __init__(self, work: Workload) -> None:
        hidden, output = work.first_layers()
        self._first = [
            *hidden["weights"].T.ravel().tolist(),
            *output["weights"].ravel().tolist(),
            *hidden["bias"].tolist(),
            *output["bias"].tolist(),
        ]
        self._rate = work.learning_rate
        self._X, y = work.data()
        self._y = y[:, 0]
        self.reset()

    def reset(self) -> None:
        self._numbers = self._first

    def run(self, epochs: int, shuffled: bool) -> Sequence[float]:
        w1, w2, w3, w4, w5, w6, b1, b2, b3 = self._numbers
        rate = self._rate
        losses = []
        for _ in range(epochs):
            total = 0.0
            for x, y in zip(self._X, self._y, strict=True):
                s1 = w1 * x[0] + w2 * x[1] + b1
                h1 = sigmoid(s1)
                s2 = w3 * x[0] + w4 * x[1] + b2
                h2 = sigmoid(s2)
                s3 = w5 * h1 + w6 * h2 + b3
                out = sigmoid(s3)
                total += (y - out) ** 2
                d3 = -2 * (y - out) * out * (1 - out)
                d1 = d3 * w5 * h1 * (1 - h1)
                d2 = d3 * w6 * h2 * (1 - h2)
                w5 -= rate * d3 * h1
                w6 -= rate * d3 * h2
                b3 -= rate * d3
                w1 -= rate * d1 * x[0]
                w2 -= rate * d1 * x[1]
                b1 -= rate * d1
                w3 -= rate * d2 * x[0]
                w4 -= rate * d2 * x[1]
                b2 -= rate * d2
            losses.append(total / len(self._X))
        self._numbers = [w1, w2, w3, w4, w5, w6, b1, b2, b3]
        return losses


def build(work: Workload, options: Mapping[str, Any]) -> _Program:
    return _Program(work)
