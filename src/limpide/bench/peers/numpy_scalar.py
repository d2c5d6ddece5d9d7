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


def slope(x: Any) -> Any:
    """Give the derivative of the sigmoid, from its input as courses write it."""
    fx = sigmoid(x)
    return fx * (1 - fx)


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
                # One partial derivative after another, each from its own formula.
                d_out = -2 * (y - out)
                d_w5, d_w6, d_b3 = h1 * slope(s3), h2 * slope(s3), slope(s3)
                d_h1, d_h2 = w5 * slope(s3), w6 * slope(s3)
                d_w1, d_w2, d_b1 = x[0] * slope(s1), x[1] * slope(s1), slope(s1)
                d_w3, d_w4, d_b2 = x[0] * slope(s2), x[1] * slope(s2), slope(s2)
                w1 -= rate * d_out * d_h1 * d_w1
                w2 -= rate * d_out * d_h1 * d_w2
                b1 -= rate * d_out * d_h1 * d_b1
                w3 -= rate * d_out * d_h2 * d_w3
                w4 -= rate * d_out * d_h2 * d_w4
                b2 -= rate * d_out * d_h2 * d_b2
                w5 -= rate * d_out * d_w5
                w6 -= rate * d_out * d_w6
                b3 -= rate * d_out * d_b3
            losses.append(total / len(self._X))
        self._numbers = [w1, w2, w3, w4, w5, w6, b1, b2, b3]
        return losses


def build(work: Workload, options: Mapping[str, Any]) -> _Program:
    return _Program(work)
