"""Draw the pictures of the page on diagrams: ``python docs/pictures/draw.py``.

A test runs it and compares. Not for: what the pictures show, which the page says.
"""

from __future__ import annotations

from pathlib import Path

import limpide as lp

HERE = Path(__file__).parent


def people() -> lp.Network:
    """The course's network: all weights 1, all biases 0."""
    net = lp.Network([2, 2, 1], activation="sigmoid", output="sigmoid", dtype="float64", seed=0)
    for name, array in net.params.items():
        array[:] = 0.0 if name.endswith("bias") else 1.0
    return net


def xor() -> lp.Network:
    """A network that has found XOR: one neuron says "or", the other "and"."""
    net = lp.Network([2, 2, 1], activation="sigmoid", output="sigmoid", dtype="float64", seed=0)
    net.params["hidden1.weights"][:] = [[5.0, 6.0], [5.0, 6.0]]
    net.params["hidden1.bias"][:] = [-2.5, -9.0]
    net.params["output.weights"][:] = [[8.0], [-9.0]]
    net.params["output.bias"][:] = -3.5
    return net


def pictures() -> dict[str, lp.explain.Diagram]:
    """Give every picture by the name of its file."""
    net = people()
    return {
        "network.svg": net.diagram([-2, -1], 1, gradients=True, loss="mse", language="en"),
        "graph.svg": lp.explain.graph_diagram(net.graph(), language="en"),
        "boundary.svg": xor().boundary(
            [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0], language="en"
        ),
    }


def main() -> None:
    for name, picture in pictures().items():
        picture.save(HERE / name)


if __name__ == "__main__":
    main()
