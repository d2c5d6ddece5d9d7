"""The reference engine beside NumPy written by hand: 57-64-1, batch 32, float32.

Run: python benchmarks/reference_engine.py
Prints limpide's time over the hand-written program's, with SGD and with Adam, rows reshuffled each
epoch by the same orders, the loss of each step kept; both compute the same weights.
"""

from __future__ import annotations

import argparse

import numpy as np
from measure import describe, machine, ratios, seconds

import limpide as lp
from limpide.rng import row_order

N, K, H, BATCH = 4601, 57, 64, 32


class ByHand:
    """The same network as somebody fluent in NumPy writes it, results written in place."""

    def __init__(self, net: lp.Network, adam: bool) -> None:
        self.params = [a.copy() for a in net.params.values()]
        self.adam = adam
        self.means = [np.zeros_like(p) for p in self.params]
        self.squares = [np.zeros_like(p) for p in self.params]
        self.step = 0

    def train(self, X: np.ndarray, y: np.ndarray, epochs: int) -> np.ndarray:
        losses = []
        for epoch in range(epochs):
            order = row_order(0, epoch, len(X))
            for start in range(0, len(X), BATCH):
                rows = order[start : start + BATCH]
                losses.append(self._step(X[rows], y[rows]))
        return np.array(losses)

    def _step(self, x: np.ndarray, y: np.ndarray) -> np.float32:
        w1, b1, w2, b2 = self.params
        h = x @ w1
        h += b1
        np.maximum(h, 0, out=h)
        z = h @ w2
        z += b2
        e = np.exp(-np.abs(z))
        loss = np.mean(np.maximum(z, 0) - z * y + np.log1p(e))
        with np.errstate(over="ignore"):  # e^1000 is infinite, and 1 / infinity right
            dz = 1 / (1 + np.exp(-z))
        dz -= y
        dz /= len(x)
        dh = dz @ w2.T
        dh *= h > 0
        self._update([x.T @ dh, dh.sum(axis=0), h.T @ dz, dz.sum(axis=0)])
        return loss

    def _update(self, gradients: list[np.ndarray]) -> None:
        self.step += 1
        if not self.adam:
            for p, g in zip(self.params, gradients, strict=True):
                g *= np.float32(0.01)
                p -= g
            return
        size = np.float32(0.001 / (1 - 0.9**self.step))
        correction = np.float32((1 - 0.999**self.step) ** 0.5)
        for p, g, m, v in zip(self.params, gradients, self.means, self.squares, strict=True):
            m *= np.float32(0.9)
            m += np.float32(0.1) * g
            v *= np.float32(0.999)
            g *= g
            g *= np.float32(0.001)
            v += g
            scale = np.sqrt(v)
            scale /= correction
            scale += np.float32(1e-8)
            np.divide(m, scale, out=scale)
            scale *= size
            p -= scale


def compare(adam: bool, epochs: int, pairs: int) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, K)).astype(np.float32)
    y = (X[:, :1] * X[:, 1:2] > 0).astype(np.float32)
    optimizer = lp.Adam(0.001) if adam else lp.SGD(0.01)
    net = lp.Network([K, H, 1], output="sigmoid", seed=0)
    hand = ByHand(net, adam)

    def ours() -> None:
        net.fit(X, y, optimizer=optimizer, epochs=epochs, batch_size=BATCH, engine="reference")

    ours_once, theirs_once = seconds(ours), seconds(lambda: hand.train(X, y, epochs))
    gap = max(
        float(np.abs(a - b).max()) for a, b in zip(net.params.values(), hand.params, strict=True)
    )
    steps = epochs * -(-N // BATCH)
    name = "Adam" if adam else "SGD"
    print(f"{name}: weights after {steps} steps differ by at most {gap:.1e}")
    print(
        f"{name}: first fit (tracing included) {ours_once / steps * 1e6:.0f} µs a step, by hand "
        f"{theirs_once / steps * 1e6:.0f}"
    )
    found = ratios(ours, lambda: hand.train(X, y, epochs), pairs)
    print(f"{name}: limpide / by hand {describe(found)}, {pairs} pairs (asked: at most 1.5)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--pairs", type=int, default=9)
    options = parser.parse_args()
    print(machine())
    for adam in (False, True):
        compare(adam, options.epochs, options.pairs)


if __name__ == "__main__":
    main()
