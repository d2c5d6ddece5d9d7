"""What was measured, for people and programs: a table line by line, JSON, a picture.

Answers for words and layout. Not for: measuring.
"""

from __future__ import annotations

import math
import os
import platform
import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any

import numpy as np
from rich.console import Console
from rich.text import Text

from limpide import engines
from limpide.bench.peers import ALL
from limpide.bench.runner import Comparison, Figures, Plan
from limpide.errors import MissingExtraError
from limpide.reports import number, percent

PICTURES = (".svg", ".png", ".pdf")
"""How the name of a picture may end."""


def machine() -> str:
    """Say in a line what this is measured on."""
    model = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as info:
            model = next(line.split(":")[1].strip() for line in info if "model name" in line)
    except (OSError, StopIteration):
        pass
    python = f"Python {platform.python_version()}, NumPy {np.__version__}"
    return f"{model}, {os.cpu_count()} cores, {python}"


def times(figures: Figures) -> str:
    """Give a peer's ratio with its spread.

    >>> times(Figures("jax", micros=[8.0, 9.0, 10.0], ours=[2.0, 2.0, 2.0]))
    '4.5 (4 to 5)'
    """
    ratios = figures.ratios
    return f"{_short(figures.ratio)} ({_short(min(ratios))} to {_short(max(ratios))})"


def _short(ratio: float) -> str:
    """Give a ratio with three significant digits.

    >>> _short(1.2345), _short(123.45), _short(0.0123456)
    ('1.23', '123', '0.0123')
    """
    return f"{ratio:.3g}" if ratio < 1000 else f"{ratio:,.0f}"


@contextmanager
def saying(screen: Console, text: str) -> Iterator[Callable[[str], None]]:
    """Show on a terminal what is being done; give the function that says what is done next."""
    if not screen.is_terminal:
        yield lambda text: None
        return
    with screen.status(Text(text)) as status:
        yield lambda text: status.update(Text(text))


_COLUMNS = "{:<36} {:<18} {:>11}  {:<24} {}"


def _print(screen: Console, *cells: str) -> None:
    screen.print(_COLUMNS.format(*cells).rstrip(), soft_wrap=True)


def print_head(screen: Console, plan: Plan) -> None:
    """Print on what is measured, and the names of the columns."""
    screen.print(machine(), soft_wrap=True)
    engine = engines.get(plan.engine).name
    screen.print(f"limpide's engine: {engine}; at most {plan.threads} threads", soft_wrap=True)
    screen.print()
    _print(screen, "network, batch, optimizer", "", "µs a step", "times limpide's", "")


def print_comparison(screen: Console, found: Comparison) -> None:
    """Print limpide's line and one a peer."""
    micros = number(statistics.median(found.micros))
    share = f"{percent(found.share)} of the peak"
    _print(
        screen, found.work.label, "limpide", micros, share, f"compiled in {found.compiling:.2f} s"
    )
    for figures in found.peers:
        title = ALL[figures.name].TITLE
        if figures.skipped:
            _print(screen, "", title, "-", figures.skipped, "")
        else:
            micros = number(statistics.median(figures.micros))
            _print(screen, "", title, micros, times(figures), figures.form)


def print_worst(screen: Console, found: Sequence[Comparison]) -> None:
    """Print where limpide stands worst beside its best peer."""
    worst = worst_of(found)
    if worst is None or worst.best is None:
        return
    peer = ALL[worst.best.name].TITLE
    screen.print()
    screen.print(f"Worst: {worst.work.label}, beside {peer}: {times(worst.best)}", soft_wrap=True)


def worst_of(found: Sequence[Comparison]) -> Comparison | None:
    """Give the comparison whose best peer comes closest to limpide, or is ahead of it the most."""
    measured = [comparison for comparison in found if comparison.best is not None]
    return min(measured, key=_best_ratio, default=None)


def _best_ratio(comparison: Comparison) -> float:
    return comparison.best.ratio if comparison.best is not None else math.inf


def report(found: Sequence[Comparison], plan: Plan) -> dict[str, Any]:
    """Give what ``limpide bench --json`` prints."""
    worst = worst_of(found)
    return {
        "machine": machine(),
        "engine": engines.get(plan.engine).name,
        "threads": plan.threads,
        "comparisons": [comparison.as_dict() for comparison in found],
        "worst": worst and {"label": worst.work.label, "ratio": _best_ratio(worst)},
    }


def markdown(found: Sequence[Comparison]) -> str:
    """Give a table for a page: a line a workload, a column a peer."""
    names = list(dict.fromkeys(figures.name for each in found for figures in each.peers))
    titles = [ALL[name].TITLE for name in names]
    lines = [["network, batch, optimizer", "µs a step", "of the peak", *titles]]
    lines.append(["---"] * len(lines[0]))
    for each in found:
        micros = number(statistics.median(each.micros))
        cells = {f.name: "–" if f.skipped else times(f) for f in each.peers}
        lines.append([each.work.label, micros, percent(each.share), *map(cells.__getitem__, names)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def need_plots() -> None:
    """Raise unless pictures can be drawn.

    Raises
    ------
    MissingExtraError
        Where matplotlib is not installed.
    """
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError:
        raise MissingExtraError("A picture needs matplotlib: pip install 'limpide[plot]'") from None


def draw(found: Sequence[Comparison], file: IO[bytes], kind: str) -> None:
    """Draw the ratio of each workload's best peer over its work a step.

    Parameters
    ----------
    file
        Where to write.
    kind
        ``"svg"``, ``"png"`` or ``"pdf"``.
    """
    need_plots()
    from matplotlib.figure import Figure

    measured = [(each, each.best) for each in found if each.best is not None]
    picture = Figure(figsize=(9, 5), layout="constrained")
    axes = picture.add_subplot()
    for name in dict.fromkeys(best.name for _, best in measured):
        own = [(each, best) for each, best in measured if best.name == name]
        work = [each.work.flops / each.work.steps for each, _ in own]
        axes.scatter(work, [best.ratio for _, best in own], label=ALL[name].TITLE, s=24)
        least = [min(best.ratios) for _, best in own]
        axes.vlines(work, least, [max(best.ratios) for _, best in own], alpha=0.4)
    axes.axhline(1, color="black", linewidth=0.8)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("floating-point operations a step")
    axes.set_ylabel("time of the best peer / limpide's")
    low, high = axes.get_ylim()
    ticks = [n * 10.0**e for e in range(-2, 5) for n in (1, 2, 5)]
    axes.set_yticks([tick for tick in ticks if low <= tick <= high])
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("")
    axes.grid(alpha=0.25)
    worst = worst_of(found)
    if worst is not None:
        place = (worst.work.flops / worst.work.steps, _best_ratio(worst))
        text = f"{worst.work.label}: {_short(place[1])}"
        left, right = axes.get_xlim()
        is_right = place[0] > (left * right) ** 0.5  # the middle of a logarithmic axis
        where, side = (-8, "right") if is_right else (8, "left")
        axes.annotate(text, place, (where, -3), textcoords="offset points", ha=side, fontsize=8)
        axes.legend(title="best peer")
    picture.savefig(file, format=kind)
