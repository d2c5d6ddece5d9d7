"""The lab: from the first neuron to a network that guesses a person from weight and height.

Run: python examples/lab_people.py
"""

import limpide as lp


def main() -> tuple[float, float]:
    print("1. A neuron:", lp.Neuron([0, 1], 4).activate([2, 3]))

    net = lp.Network([2, 2, 1], activation="sigmoid", output="sigmoid", dtype="float64", seed=0)
    for name in net.scalars:  # w1, w3, w5 and all biases are 0; w2, w4, w6 are 1
        net.set(name, 1.0 if name in ("w2", "w4", "w6") else 0.0)
    print("2. Three of them in a network:", net.predict([2, 3]))
    print("3. How wrong is it? mean squared error:", lp.mse([1, 0, 0, 1], [0, 0, 0, 0]))

    people = lp.datasets.people()  # weight − 135 lb, height − 66 in → 1 is F
    net = lp.Network([2, 2, 1], activation="sigmoid", output="sigmoid", dtype="float64", seed=1)
    history = net.fit(
        people.X,
        people.y,
        loss="mse",
        optimizer=lp.SGD(0.1),
        epochs=1000,
        batch_size=1,
        shuffle=False,
    )
    print("4. It learns, one person at a time:")
    for epoch in range(0, 1000, 100):
        print(f"   epoch {epoch:>3}  loss {history.loss[epoch]:.4f}")
    emily, frank = net.predict([-7, -3]), net.predict([20, 2])
    print(f"5. Emily (128 lb, 63 in): {emily:.3f};  Frank (155 lb, 68 in): {frank:.3f}")
    return emily, frank


if __name__ == "__main__":
    main()
