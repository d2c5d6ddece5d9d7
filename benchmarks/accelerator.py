"""limpide's xla engine on a GPU, beside JAX and PyTorch written by hand, in one run.

    python benchmarks/accelerator.py                          two networks, float32 and bfloat16
    python benchmarks/accelerator.py --only 784-2048-2048-10 --precision bfloat16
    python benchmarks/accelerator.py --many                   1,000 small networks by lp.fit_many
    python benchmarks/accelerator.py --quick                  on processors and small, in a minute

All data and weights lie on the device. TensorFloat-32 is off in all programs: products of float32
are those of float32. In bfloat16 the products are, and parameters, updates and losses stay
float32: PyTorch by autocast, JAX by casts. JAX scans over whole epochs in one call, its buffers
donated; PyTorch runs eager, compiled, and with an epoch's steps in one CUDA graph.

Needs JAX with a GPU's plugin (such as ``jax[cuda12]``) and PyTorch for CUDA, and nothing else on
that GPU. Answers for the figures that were asked for. Not for: how they are taken
(``limpide.bench``).
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from collections.abc import Sequence
from typing import Any

import measure
import numpy as np

import limpide as lp
from limpide.bench import Comparison, Plan, Workload, compare, table
from limpide.bench.peers import ACCELERATED, installed
from limpide.bench.process import environment
from limpide.terminal import console

ASKED = 1.0  # limpide's samples a second over those of the best peer, at least
ASKED_OF_MANY = 20.0  # networks trained together over as many one by one, at least
PRECISIONS = ("float32", "bfloat16")
_TEN: dict[str, Any] = {"output": "softmax", "loss": "cross_entropy"}


def works(is_quick: bool, precisions: Sequence[str]) -> list[Workload]:
    """Give what is trained: whole batches, and epochs that are long enough to be captured."""
    found = []
    for precision in precisions:
        how: dict[str, Any] = {"compute_dtype": "" if precision == "float32" else precision}
        if is_quick:
            found.append(Workload((20, 48, 48, 10), 64, rows=256, **_TEN, **how))
            found.append(Workload((28, 30, 30, 1), 128, rows=512, **how))
            continue
        how["device"] = "gpu"
        found.append(Workload((784, 2048, 2048, 10), 4096, rows=16 * 4096, **_TEN, **how))
        found.append(Workload((28, 300, 300, 300, 300, 1), 8192, rows=32 * 8192, **how))
    return found


def lines(found: Comparison) -> list[str]:
    """Say how fast each program was, and whether what was asked for was reached."""
    work = found.work
    told = [f"{work.label}: samples a second, and limpide's over the peer's"]
    told.append(f"    {'limpide, xla':<22} {rate(work, found.micros):>14,.0f}")
    for figures in found.peers:
        title = ACCELERATED[figures.name].TITLE
        if figures.skipped:
            told.append(f"    {title:<22} {'–':>14}  {figures.skipped}")
        else:
            speed = rate(work, figures.micros)
            told.append(f"    {title:<22} {speed:>14,.0f}  {table.times(figures)}  {figures.form}")
    best = found.best
    if best is None:
        return [*told, "    no peer was measured"]
    word = "met" if best.ratio >= ASKED else "MISSED"
    name = ACCELERATED[best.name].TITLE
    return [*told, f"    at least {ASKED:g} × the best ({name}): {best.ratio:.3g}, {word}"]


def rate(work: Workload, micros: Sequence[float]) -> float:
    """Give samples a second from µs a step."""
    return work.rows / (work.steps * statistics.median(micros) * 1e-6)


def many(is_quick: bool, pairs: int) -> str:
    """Time ``lp.fit_many`` on rows like Spambase's beside the same networks one by one."""
    count, rows, epochs = (20, 256, 2) if is_quick else (1000, 4601, 20)
    X, y = Workload((57, 16, 1), 32, rows=rows).data()
    network = lp.Network([57, 16, lp.Dense(1, "sigmoid")], seed=0)
    how: dict[str, Any] = {"epochs": epochs, "batch_size": 32, "engine": "xla"}
    how |= {"optimizer": lp.SGD(0.01), "progress": False}

    def together() -> None:
        lp.fit_many(network, X, y, seeds=range(count), **how)

    def alone() -> None:
        lp.Network([57, 16, lp.Dense(1, "sigmoid")], seed=0).fit(X, y, seed=0, **how)

    together()  # compiles
    alone()
    times = [count / ratio for ratio in measure.ratios(together, alone, pairs)]
    seconds = measure.seconds(together)
    median = statistics.median(times)
    word = "met" if median >= ASKED_OF_MANY else "MISSED"
    return (
        f"fit_many, {count:,} networks 57-16-1, batch 32: {count * rows * epochs / seconds:,.0f} "
        f"samples a second\n    over one by one, at least {ASKED_OF_MANY:g}: "
        f"{measure.describe(times)}, {word}"
    )


def obstacle(device: str) -> str:
    """Say what is missing for this benchmark, or nothing."""
    if not installed(ACCELERATED["jax"]):
        return "JAX is not installed: pip install 'limpide[xla]' (on a GPU 'jax[cuda12]', too)"
    if not installed(ACCELERATED["torch"]):
        return "PyTorch is not installed: pip install torch"
    if device == "cpu":
        return ""
    import jax
    import torch

    if jax.default_backend() == "cpu":
        return "JAX sees no GPU here: install its plugin, or look with --quick, on processors"
    if not torch.cuda.is_available():
        return "PyTorch sees no GPU here: install its build for CUDA"
    return ""


def main(words: Sequence[str] | None = None) -> int:
    """Measure, and give the exit status: 1 where something is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small, on this machine's processors")
    parser.add_argument("--many", action="store_true", help="time lp.fit_many instead")
    parser.add_argument("--only", action="append", help="a network, as 784-2048-2048-10")
    parser.add_argument("--precision", action="append", choices=PRECISIONS)
    parser.add_argument("--peer", action="append", choices=list(ACCELERATED))
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="of a sample, at least")
    parser.add_argument("--forms", type=int, help="of a peer, at most; else all, with --quick 1")
    options = parser.parse_args(words)
    device = "cpu" if options.quick else "gpu"
    os.environ |= environment(2, device)
    missing = obstacle(device)
    if missing:
        print(missing, file=sys.stderr)
        return 1
    print(machine(device), flush=True)
    pairs = min(options.pairs, 2) if options.quick else options.pairs
    if options.many:
        print(many(options.quick, pairs))
        return 0
    seconds = 0.05 if options.quick else options.seconds
    forms = options.forms or (1 if options.quick else None)
    plan = Plan(options.peer or list(ACCELERATED), "xla", pairs, seconds, forms)
    status = console(sys.stderr)
    for work in works(options.quick, options.precision or PRECISIONS):
        if options.only and work.name not in options.only:
            continue
        with table.saying(status, work.label) as say:
            (found,) = compare([work], plan, say)
        print("\n".join(lines(found)), flush=True)
    return 0


def machine(device: str) -> str:
    """Say on what this is measured, and with which versions."""
    import jax
    import torch

    what = jax.devices()[0].device_kind if device == "gpu" else table.machine()
    versions = f"JAX {jax.__version__}, PyTorch {torch.__version__}, NumPy {np.__version__}"
    return f"{what}; {versions}; TensorFloat-32 off"


if __name__ == "__main__":
    sys.exit(main())
