"""How long a derivation takes: ``net.explain``, then the text of it.

``python benchmarks/explain.py`` prints medians of 30 calls. Not for: training, or diagrams.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import limpide as lp


def timed(work: Callable[[], Any]) -> tuple[float, float, float]:
    """Give the least, the median and the longest of 30 calls, in milliseconds."""
    work()
    found = []
    for _ in range(30):
        began = time.perf_counter()
        work()
        found.append(1e3 * (time.perf_counter() - began))
    return min(found), statistics.median(found), max(found)


def main() -> None:
    rng = np.random.default_rng(0)
    for sizes, hidden in (([2, 2, 1], "sigmoid"), ([57, 64, 1], "relu"), ([784, 128, 10], "relu")):
        last = "softmax" if sizes[-1] > 1 else "sigmoid"
        net = lp.Network(sizes, activation=hidden, output=last, seed=0)
        x, name = rng.normal(size=sizes[0]), "-".join(map(str, sizes))
        works: dict[str, Callable[[], Any]] = {
            "explain": lambda net=net, x=x: net.explain(x, 1),  # type: ignore[misc]
            "explain, one entry": lambda net=net, x=x: str(net.explain(x, 1)["w1"]),  # type: ignore[misc]
            "explain, the whole text": lambda net=net, x=x: str(net.explain(x, 1)),  # type: ignore[misc]
        }
        for what, work in works.items():
            least, median, most = timed(work)
            print(f"{name:>10}  {what:<24}{median:8.1f} ms  ({least:.1f} to {most:.1f})")


if __name__ == "__main__":
    main()
