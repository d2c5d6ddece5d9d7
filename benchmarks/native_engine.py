"""limpide beside its peers: the table, and a sweep of shapes in between with its picture.

    python benchmarks/native_engine.py                        the table, beside what was asked
    python benchmarks/native_engine.py --sweep ratios.svg     the shapes in between
    python benchmarks/native_engine.py --page                 either as a table for a page

Let nothing else run meanwhile. Answers for the figures that were asked for, and whether they were
reached. Not for: how they are taken (``limpide.bench``).
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

from limpide.bench import SWEEP, TABLE, Comparison, Plan, compare, table
from limpide.bench.peers import PEERS
from limpide.terminal import console

# Asked of each network of the table: the least ratio beside a peer, the least share of the peak.
ASKED: dict[str, dict[str, float]] = {
    "2-2-1": {"jax": 1.6, "torch": 5000, "scalar": 200},
    "57-4-1": {"jax": 4, "torch": 200, "sklearn": 100},
    "57-64-1": {"jax": 3, "torch": 100, "sklearn": 60, "peak": 0.40},
    "57-64-64-1": {"jax": 2.5, "torch": 15, "sklearn": 10, "peak": 0.55},
    "784-128-10": {"jax": 2, "torch": 4, "sklearn": 4, "peak": 0.55},
    "28-300-300-300-300-1": {"jax": 1.4, "torch": 2, "sklearn": 4, "peak": 0.60},
    "784-2048-2048-10": {"jax": 1.2, "torch": 0.95, "sklearn": 2, "peak": 0.75},
}


def judge(found: Comparison) -> list[str]:
    """Say of each figure that was asked for what was measured; PyTorch counts in both kinds."""
    asked = ASKED.get(found.work.name, {})
    lines = []
    for figures in found.peers:
        least = asked.get(figures.name.removesuffix("-compiled"))
        if least is not None:
            lines.append(_verdict(PEERS[figures.name].TITLE, least, figures.ratio))
    if "peak" in asked:
        lines.append(_verdict("share of the peak", asked["peak"], found.share))
    return lines


def _verdict(title: str, least: float, measured: float) -> str:
    if math.isnan(measured):
        return f"    {title}: at least {least:g} asked, not measured"
    word = "met" if measured >= least else "MISSED"
    return f"    {title}: at least {least:g} asked, {measured:.3g} measured: {word}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sweep", metavar="FILE", help="measure the sweep; draw it (.svg, .png)")
    parser.add_argument("--only", action="append", help="a network, as 57-64-1")
    parser.add_argument("--peer", action="append", choices=list(PEERS))
    parser.add_argument("--engine")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.3, help="of a sample, at least")
    parser.add_argument("--forms", type=int, help="of a peer, at most; of the sweep 4, else all")
    parser.add_argument("--page", action="store_true", help="print a table for a page at the end")
    options = parser.parse_args()
    forms = options.forms or (4 if options.sweep else None)
    peers = options.peer or [name for name in PEERS if not options.sweep or name != "scalar"]
    plan = Plan(peers, options.engine, options.pairs, options.seconds, forms)
    works = SWEEP if options.sweep else TABLE
    works = [work for work in works if not options.only or work.name in options.only]
    screen, status, found = console(sys.stdout), console(sys.stderr), []
    table.print_head(screen, plan)
    for work in works:
        with table.saying(status, work.label) as say:
            (comparison,) = compare([work], plan, say)
        found.append(comparison)
        table.print_comparison(screen, comparison)
        if not options.sweep:
            print("\n".join(judge(comparison)), flush=True)
    table.print_worst(screen, found)
    if options.sweep:
        with Path(options.sweep).open("wb") as file:
            table.draw(found, file, Path(options.sweep).suffix[1:])
    if options.page:
        print(f"\n{table.markdown(found)}")


if __name__ == "__main__":
    main()
