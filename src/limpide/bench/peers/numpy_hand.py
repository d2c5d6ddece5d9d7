"""The network as somebody fluent in NumPy writes it: batches, results written in place.

Answers for hand-written NumPy. Not for: generality; what it lacks it says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from limpide.bench.peers.program import Form, threads_order
from limpide.bench.workloads import SEED, Workload
from limpide.ir import Array

TITLE = "NumPy"
PACKAGE = "numpy"


def lacks(work: Workload) -> str:
    if work.hidden not in ("relu", "tanh", "sigmoid"):
        return f"{work.hidden} is not written here"
    if work.dropout or work.layer_norm:
        return "dropout and layer norm are not written here"
    return ""


def forms(work: Workload) -> list[Form]:
    return [Form("", threads) for threads in threads_order(work)]


class _Buffers:
    """Where a batch of a given size is worked out."""

    def __init__(self, work: Workload, rows: int) -> None:
        self.values = [np.empty((rows, n), work.dtype) for n in work.sizes]
        self.deltas = [np.empty((rows, n), work.dtype) for n in work.sizes]
        self.mask = [np.empty((rows, n), bool) for n in work.sizes]
        self.places = np.arange(rows)


class _Program:
    def __init__(self, work: Workload) -> None:
        self._work = work
        self._X, self._y = work.data()
        self._first = [(p["weights"], p["bias"]) for p in work.first_layers()]
        sizes = {min(work.batch, work.rows), work.rows % work.batch} - {0}
        self._buffers = {n: _Buffers(work, n) for n in sizes}
        self._rng = np.random.default_rng(SEED)
        self._scale = np.dtype(work.dtype).type
        self.reset()

    def reset(self) -> None:
        self._params = [(w.copy(), b.copy()) for w, b in self._first]
        self._gradients = [(np.empty_like(w), np.empty_like(b)) for w, b in self._first]
        self._work_space = [(np.empty_like(w), np.empty_like(b)) for w, b in self._first]
        self._means = [(np.zeros_like(w), np.zeros_like(b)) for w, b in self._first]
        self._squares = [(np.zeros_like(w), np.zeros_like(b)) for w, b in self._first]
        self._steps = 0

    def run(self, epochs: int, shuffled: bool) -> Sequence[float]:
        work, rows = self._work, np.arange(self._work.rows)
        losses = []
        for _ in range(epochs):
            if shuffled and work.shuffle:
                rows = self._rng.permutation(work.rows)
            total = 0.0
            for start in range(0, work.rows, work.batch):
                taken = rows[start : start + work.batch]
                total += self._step(taken) * len(taken)
            losses.append(total / work.rows)
        return losses

    def _step(self, rows: Array) -> float:
        buffers = self._buffers[len(rows)]
        # mode="clip" writes into out directly; "raise" would copy
        np.take(self._X, rows, axis=0, out=buffers.values[0], mode="clip")
        self._forward(buffers)
        loss = self._last_delta(buffers, self._y[rows])
        self._backward(buffers)
        self._update()
        return loss

    def _forward(self, buffers: _Buffers) -> None:
        values, last = buffers.values, len(self._params) - 1
        for i, (w, b) in enumerate(self._params):
            z = values[i + 1]
            np.matmul(values[i], w, out=z)
            z += b
            if i == last:
                return
            if self._work.hidden == "relu":
                np.maximum(z, 0, out=z)
            elif self._work.hidden == "tanh":
                np.tanh(z, out=z)
            else:
                _sigmoid(z, z)

    def _last_delta(self, buffers: _Buffers, y: Array) -> float:
        """Give the loss, and put its gradient by the last sums into the last delta."""
        z, d = buffers.values[-1], buffers.deltas[-1]
        n = len(z)
        if self._work.loss == "cross_entropy":
            z -= z.max(axis=1, keepdims=True)
            np.exp(z, out=d)
            sums = d.sum(axis=1, keepdims=True)
            loss = (np.log(sums[:, 0]) - z[buffers.places, y]).mean()
            d /= sums
            d[buffers.places, y] -= 1
            d /= self._scale(n)
        elif self._work.loss == "bce":
            e = np.exp(-np.abs(z))
            loss = (np.maximum(z, 0) - z * y + np.log1p(e)).mean()
            _sigmoid(z, d)
            d -= y
            d /= self._scale(n)
        else:
            if self._work.output == "sigmoid":
                _sigmoid(z, z)
            np.subtract(z, y, out=d)
            loss = np.vdot(d, d) / d.size
            d *= self._scale(2 / d.size)
            if self._work.output == "sigmoid":
                d *= z
                d *= 1 - z
        return float(loss)

    def _backward(self, buffers: _Buffers) -> None:
        values, deltas = buffers.values, buffers.deltas
        for i in range(len(self._params) - 1, -1, -1):
            dw, db = self._gradients[i]
            np.matmul(values[i].T, deltas[i + 1], out=dw)
            np.sum(deltas[i + 1], axis=0, out=db)
            if i == 0:
                return
            d, h = deltas[i], values[i]
            np.matmul(deltas[i + 1], self._params[i][0].T, out=d)
            if self._work.hidden == "relu":
                d *= np.greater(h, 0, out=buffers.mask[i])
            elif self._work.hidden == "tanh":
                h *= h  # the value is needed no more
                np.subtract(1, h, out=h)
                d *= h
            else:
                d *= h
                np.subtract(1, h, out=h)
                d *= h

    def _update(self) -> None:
        self._steps += 1
        rate = self._work.learning_rate
        if self._work.optimizer == "sgd":
            for params, gradients in zip(self._params, self._gradients, strict=True):
                for p, g in zip(params, gradients, strict=True):
                    g *= self._scale(rate)
                    p -= g
            return
        size = self._scale(rate / (1 - 0.9**self._steps))
        correction = self._scale((1 - 0.999**self._steps) ** -0.5)
        slots = (self._params, self._gradients, self._means, self._squares, self._work_space)
        for layer in zip(*slots, strict=True):
            for p, g, m, v, s in zip(*layer, strict=True):
                m *= self._scale(0.9)
                np.multiply(g, self._scale(0.1), out=s)
                m += s
                v *= self._scale(0.999)
                g *= g
                g *= self._scale(0.001)
                v += g
                np.sqrt(v, out=s)
                s *= correction
                s += self._scale(1e-8)
                np.divide(m, s, out=s)
                s *= size
                p -= s


def _sigmoid(z: Array, out: Array) -> None:
    with np.errstate(over="ignore"):  # e^1000 is infinite, and 1 / infinity right
        np.negative(z, out=out)
        np.exp(out, out=out)
        out += 1
        np.reciprocal(out, out=out)


def build(work: Workload, options: Mapping[str, Any]) -> _Program:
    return _Program(work)
