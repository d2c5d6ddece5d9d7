"""One neuron, worked by hand; then one neuron that learns to tell spam from ham.

Run: python examples/neuron_and_spam.py
"""

from pathlib import Path

import numpy as np

import limpide as lp

LONGEST = "capital_run_length_longest"
MESSAGES = Path(__file__).parent / "messages"


def by_hand() -> None:
    """Multiply, add, squash: what a neuron does to x = (2, 3)."""
    neuron = lp.Neuron(weights=[0, 1], bias=4)
    total = 0 * 2 + 1 * 3 + 4
    print(f"w · x + b = 0·2 + 1·3 + 4 = {total};  sigmoid({total}) = {neuron.activate([2, 3])}")


def spam() -> float:
    """Train a neuron on a word, a sign and the capitals of two dozen made-up messages."""
    messages = lp.spam.read_folder(MESSAGES)
    columns = [lp.spam.FEATURES.index(n) for n in ("word_freq_free", "char_freq_!", LONGEST)]
    X = np.log1p(messages.matrix[:, columns])
    y = (np.asarray(messages.labels) == "spam").astype(float)
    neuron = lp.Neuron(3, seed=0)
    history = neuron.fit(X, y, epochs=300, optimizer=lp.SGD(0.1), batch_size=4)
    right = float(((neuron.activate(X) > 0.5) == (y == 1)).mean())
    print(f"loss {history.loss[0]:.3f} → {history.loss[-1]:.3f}; {right:.0%} of {len(y)} right")
    for column, weight in zip(columns, neuron.weights, strict=True):
        print(f"  {lp.spam.FEATURES[column]:<26} weight {weight:+.3f}")
    print(f"  {'bias':<26}        {neuron.bias:+.3f}")
    return right


if __name__ == "__main__":
    by_hand()
    spam()
