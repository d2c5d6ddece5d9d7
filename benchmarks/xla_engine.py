"""The xla engine on processors beside a ``lax.scan`` of JAX written by hand: the table's networks.

    python benchmarks/xla_engine.py                     seven networks, beside what was asked
    python benchmarks/xla_engine.py --only 57-64-1 --pairs 9
    python benchmarks/xla_engine.py --sweep             the shapes in between, two forms of the scan

Let nothing else run meanwhile. Answers for the ratio that was asked for, and whether it was
reached. Not for: how it is taken (``limpide.bench``), nor GPUs (``accelerator.py``).
"""

from __future__ import annotations

import argparse
import statistics
import sys

from limpide.bench import SWEEP, TABLE, Comparison, Plan, compare, table
from limpide.reports import number
from limpide.terminal import console

ASKED = 0.95  # the scan's time over limpide's, at least
HEAD = ["network, batch, optimizer", "limpide, µs a step", "JAX", "JAX over limpide", "", "form"]


def row(found: Comparison) -> list[str]:
    """Give the cells of a network: times, the ratio with its range, the verdict, JAX's form."""
    (jax,) = found.peers
    ours = number(statistics.median(found.micros))
    if jax.skipped:
        return [found.work.label, ours, "–", "–", "not measured", jax.skipped]
    theirs = number(statistics.median(jax.micros))
    word = "met" if jax.ratio >= ASKED else "MISSED"
    return [found.work.label, ours, theirs, table.times(jax), word, jax.form]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sweep", action="store_true", help="the shapes in between")
    parser.add_argument("--only", action="append", help="a network, as 57-64-1")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5, help="of a sample, at least")
    parser.add_argument("--forms", type=int, help="of the scan, at most; of the sweep 2, else all")
    parser.add_argument("--page", action="store_true", help="print a table for a page at the end")
    options = parser.parse_args()
    forms = options.forms or (2 if options.sweep else None)
    plan = Plan(["jax"], "xla", options.pairs, options.seconds, forms)
    status, rows = console(sys.stderr), []
    print(f"{table.machine()}\nasked: at least {ASKED:g}\n")
    print(_line(HEAD))
    for work in SWEEP if options.sweep else TABLE:
        if options.only and work.name not in options.only:
            continue
        with table.saying(status, work.label) as say:
            (found,) = compare([work], plan, say)
        rows.append(row(found))
        print(_line(rows[-1]), flush=True)
    if options.page:
        print()
        for cells in (HEAD, ["---"] * len(HEAD), *rows):
            print(f"| {' | '.join(cells)} |")


def _line(cells: list[str]) -> str:
    return "{:<38} {:>18} {:>10} {:>22} {:<7} {}".format(*cells).rstrip()


if __name__ == "__main__":
    main()
