"""The first network: any number of inputs, a hidden layer of 4, one output.

Weights start uniform in [0, 1); the network learns (x, y) and shows what it has learned.
Run: python examples/first_network.py
"""

import numpy as np

import limpide as lp


def build(n_inputs: int, seed: int = 0) -> lp.Network:
    """A hidden layer of 4 and one output, sigmoid everywhere, weights in [0, 1)."""
    rule = lp.uniform(0, 1)
    hidden = lp.Dense(4, activation=lp.sigmoid, weights=rule)
    output = lp.Dense(1, activation=lp.sigmoid, weights=rule)
    return lp.Network([n_inputs, hidden, output], dtype="float64", seed=seed)


def main() -> np.ndarray:
    x = np.array([[0, 0, 1], [0, 1, 1], [1, 0, 1], [1, 1, 1]], dtype=float)
    y = np.array([0, 1, 1, 0], dtype=float)
    net = build(x.shape[1])
    print(net)
    history = net.fit(x, y, loss="mse", optimizer=lp.SGD(2.0), epochs=5000, batch_size=4)
    print(f"loss {history.loss[0]:.4f} → {history.loss[-1]:.4f}")
    for row, target, output in zip(x, y, net.predict(x)[:, 0], strict=True):
        print(f"  {row} → {output:.3f}  (asked: {target:.0f})")
    return net.predict(x)[:, 0]


if __name__ == "__main__":
    main()
