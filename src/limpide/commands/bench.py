"""``limpide bench``: how fast limpide trains beside others.

Answers for its options, and for keeping what was measured. Not for: measuring (``limpide.bench``).
"""

from __future__ import annotations

import io
import os
import sys
from typing import Any

import click

import limpide
from limpide import outputs, program
from limpide.commands.options import PATH, force_option, json_option
from limpide.commands.spoken import command

PEERS = ("jax", "torch", "torch-compiled", "sklearn", "numpy", "scalar")  # as in limpide.bench


@command(
    epilog="""\b
Examples:
  limpide bench --quick                   a look, in minutes
  limpide bench                           the whole table, on a quiet machine
  limpide bench --only 57-64-1 --peer jax
  limpide bench --only 57-64-1 --profile  our kernels, and their time
  limpide bench --sweep --out ratios.svg  many shapes, and a picture of them
"""
)
@click.option("--quick", is_flag=True, help="Fewer and shorter samples, one form a peer.")
@click.option("--sweep", is_flag=True, help="Take the shapes between those of the table.")
@click.option("--profile", is_flag=True, help="List our kernels instead, and where time goes.")
@click.option("--only", metavar="SIZES", multiple=True, help="A network, as 57-64-1; repeatable.")
@click.option(
    "--peer",
    "peers",
    metavar="NAME",
    type=program.Choice(PEERS),
    multiple=True,
    help=f"{', '.join(PEERS)}; repeatable. Else all.",
)
@click.option("--engine", metavar="NAME", help="What computes; else the fastest installed.")
@click.option("--out", metavar="FILE", type=PATH, help="Picture of the ratios: .svg, .png, .pdf.")
@json_option
@force_option
def bench(
    quick: bool,
    sweep: bool,
    profile: bool,
    only: tuple[str, ...],
    peers: tuple[str, ...],
    engine: str | None,
    out: str | None,
    as_json: bool,
    force: bool,
) -> None:
    """Measure how fast limpide trains beside others on this machine.

    Each program runs in a process of its own and trains the same network: before it is timed, its
    losses are compared with limpide's. limpide and a peer are timed in turn; a ratio is the peer's
    time over limpide's, the median of the pairs with their range. A peer has several forms, and
    the fastest counts; what is not installed is left out. The peak is what the processor's cores
    reach at best, measured meanwhile.
    """
    if profile and (quick or peers or engine or out is not None or as_json):
        raise program.Misuse(
            "--profile times the native engine's kernels alone. Leave --quick, --peer, --engine, "
            "--out and --json out."
        )
    kind = _picture_kind(out, force) if out is not None else ""
    room = limpide.bench
    plan = room.Plan(peers=peers or PEERS, engine=engine)
    if quick:
        plan = room.Plan(plan.peers, engine, pairs=3, seconds=0.1, forms=1)
    works = room.chosen(room.SWEEP if sweep else room.TABLE, only)
    screen = limpide.terminal.console(sys.stdout)
    if profile:
        for work in works:
            room.print_profile(screen, work)
        return
    status = limpide.terminal.console(sys.stderr)
    limpide.engines.get(engine)  # a wrong name is said before anything is shown
    found: list[Any] = []
    if not as_json:
        room.table.print_head(screen, plan)
    try:
        for work in works:
            with room.table.saying(status, work.label) as say:
                (comparison,) = room.compare([work], plan, say)
            found.append(comparison)
            if not as_json:
                room.table.print_comparison(screen, comparison)
    finally:  # what was measured until Ctrl-C or a failure is kept
        if as_json:
            program.write(limpide.reports.as_json(room.table.report(found, plan)))
        elif found:
            room.table.print_worst(screen, found)
        if out is not None and found:
            picture = io.BytesIO()
            room.table.draw(found, picture, kind)
            limpide.storage.atomic_write(out, picture.getvalue())


def _picture_kind(out: str, force: bool) -> str:
    """Give the kind of picture that a path names; refuse what cannot be drawn or written."""
    ending = os.path.splitext(out)[1].lower()
    if ending not in limpide.bench.table.PICTURES:
        raise program.Misuse(
            f"--out {out!r} must end in {', '.join(limpide.bench.table.PICTURES)}. "
            "Write --out ratios.svg."
        )
    outputs.check(out, [], force)
    limpide.bench.table.need_plots()
    return ending[1:]
