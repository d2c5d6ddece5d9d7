"""XOR with a gradient tape, and the training step compiled as a graph.

Run: python examples/xor_with_a_tape.py
"""

import numpy as np

import limpide as lp

W1 = lp.Variable(lp.normal((2, 2), seed=7, dtype="float64"))
b1 = lp.Variable(lp.zeros(2, dtype="float64"))
W2 = lp.Variable(lp.normal((2, 1), seed=8, dtype="float64"))
b2 = lp.Variable(lp.zeros(1, dtype="float64"))
learning_rate = 0.5


def predict(x: object) -> lp.Tensor:
    """Two sigmoid layers."""
    hidden = lp.sigmoid(lp.matmul(x, W1) + b1)
    return lp.sigmoid(hidden @ W2 + b2)


@lp.function
def train_step(x: lp.Tensor, y: lp.Tensor) -> lp.Tensor:
    """One step of gradient descent, traced once into a graph."""
    with lp.GradientTape() as tape:
        loss = lp.mean(lp.square(y - predict(x)))
    dW1, db1, dW2, db2 = tape.gradient(loss, [W1, b1, W2, b2])
    W1.assign_sub(learning_rate * dW1)
    b1.assign_sub(learning_rate * db1)
    W2.assign_sub(learning_rate * dW2)
    b2.assign_sub(learning_rate * db2)
    return loss


def main() -> np.ndarray:
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=float)
    y = np.array([[0], [1], [1], [0]], dtype=float)
    print(train_step.graph(x, y))
    losses = train_step.repeat(10_000, x, y)
    for step in range(0, 10_000, 2_000):
        print(f"step {step:>5}  loss {losses[step]:.5f}")
    print(f"step 10000  loss {float(train_step(x, y)):.5f}")
    outputs = predict(lp.Tensor(x)).numpy()[:, 0]
    for row, output in zip(x, outputs, strict=True):
        print(f"  {row} → {output:.3f}")
    return outputs


if __name__ == "__main__":
    main()
