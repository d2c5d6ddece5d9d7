"""Which engine when: steps a second of native and xla on processors, over a grid of shapes.

    python benchmarks/engines_crossover.py             batches × widths × depths, 15 minutes
    python benchmarks/engines_crossover.py --quick     eight shapes, a minute
    python benchmarks/engines_crossover.py --page      as a table for a page

Each network is 64-width-…-width-1 with so many hidden layers, relu, trained with Adam in float32 by
``network.fit``. Both engines have a process of their own and take turns; what each compiles is
told apart. Let nothing else run meanwhile. Answers for the figures that a rule for ``engine=None``
is made from. Not for: the rule.
"""

from __future__ import annotations

import argparse
import itertools
import math
import statistics
from dataclasses import dataclass

from limpide.bench import Workload, table
from limpide.bench.process import Child
from limpide.reports import number

INPUTS = 64
BATCHES, WIDTHS, DEPTHS = (32, 256, 1024, 4096), (16, 64, 256, 1024, 2048), (1, 2, 4)
QUICK = (32, 1024), (16, 256), (1, 4)
ENGINES = ("native", "xla")
_EVEN = 0.05  # engines that differ by less are even: the noise is as large
_WORK = 3e8  # floating-point operations of an epoch, about
_STEPS, _LONGER = 30, 20  # steps of a sample, at least, but at most so many times its usual time


@dataclass
class Cell:
    """What was measured of a shape: µs a step and seconds of the first epoch, by engine."""

    batch: int
    width: int
    depth: int
    micros: dict[str, list[float]]
    first: dict[str, float]

    @property
    def ratios(self) -> list[float]:
        """The time of xla over that of native, pair by pair: above 1 native is ahead."""
        return [b / a for a, b in zip(*(self.micros[name] for name in ENGINES), strict=True)]

    @property
    def winner(self) -> str:
        """The faster engine, or that they are even."""
        ratio = statistics.median(self.ratios)
        if abs(math.log(ratio)) < math.log1p(_EVEN):
            return "even"
        return ENGINES[ratio < 1]

    def cells(self) -> list[str]:
        """Give the words of a line."""
        ratio = f"{statistics.median(self.ratios):.3g}"
        spread = f"{min(self.ratios):.3g} to {max(self.ratios):.3g}"
        rates = [number(1e6 / statistics.median(self.micros[name])) for name in ENGINES]
        first = [f"{self.first[name]:.2f}" for name in ENGINES]
        shape = [f"{self.batch:,}", f"{self.width:,}", str(self.depth)]
        return [*shape, *rates, f"{ratio} ({spread})", self.winner, *first]


HEAD = ["batch", "width", "depth", "native, steps/s", "xla, steps/s", "native over xla", "faster"]
HEAD += ["native, first s", "xla, first s"]


def workload(batch: int, width: int, depth: int) -> Workload:
    """Give a shape with as many rows as make an epoch worth timing, whole batches of them."""
    sizes = (INPUTS, *[width] * depth, 1)
    a_step = Workload(sizes, batch, rows=batch).flops
    steps = max(1, min(256, round(_WORK / a_step)))
    return Workload(sizes, batch, "adam", rows=steps * batch)


def measured(batch: int, width: int, depth: int, pairs: int, seconds: float) -> Cell:
    """Time a shape on both engines in turn."""
    work = workload(batch, width, depth)
    cell = Cell(batch, width, depth, {name: [] for name in ENGINES}, {})
    with (
        Child("limpide", work, {"engine": "native"}, 2) as native,
        Child("limpide", work, {"engine": "xla"}, 2) as xla,
    ):
        children = {"native": native, "xla": xla}
        epochs = {}
        for name, child in children.items():
            cell.first[name] = child.train(1)["seconds"]
            each = child.train(1)["seconds"]
            if each < seconds:  # what it takes once is a large share of so few steps
                epochs[name] = min(100_000, math.ceil(seconds / each))
                each = child.train(epochs[name])["seconds"] / epochs[name]
            lasting = max(seconds, min(_STEPS / work.steps * each, _LONGER * seconds))
            epochs[name] = min(100_000, math.ceil(lasting / each))
            child.train(epochs[name])
        for pair in range(pairs):
            for name in ENGINES[:: -1 if pair % 2 else 1]:
                micros = children[name].step_seconds(epochs[name]) * 1e6
                cell.micros[name].append(micros)
    return cell


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="eight shapes")
    parser.add_argument("--page", action="store_true", help="print a table for a page")
    parser.add_argument("--widths", type=int, nargs="+", help="of the layers: these alone")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.15, help="of a sample, about")
    options = parser.parse_args()
    shape = "| " + " | ".join(["{}"] * len(HEAD)) + " |"
    if not options.page:
        shape = "{:>6} {:>6} {:>6} {:>16} {:>16} {:>24} {:>7} {:>16} {:>13}"
    print(f"{table.machine()}; times of xla over those of native\n")
    print(shape.format(*HEAD))
    if options.page:
        print(shape.format(*["---"] * len(HEAD)))
    batches, widths, depths = QUICK if options.quick else (BATCHES, WIDTHS, DEPTHS)
    for depth, width, batch in itertools.product(depths, options.widths or widths, batches):
        cell = measured(batch, width, depth, options.pairs, options.seconds)
        print(shape.format(*cell.cells()), flush=True)


if __name__ == "__main__":
    main()
