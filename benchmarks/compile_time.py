"""Milliseconds from a network to machine code: asked under 120 for three layers, 250 for six.

    python benchmarks/compile_time.py

Planning, LLVM and loading, with an empty cache of compiled code and with a filled one (asked: under
5); and before it tracing the step, and that for the short last batch. Median of some runs with
their range, on one thread.
Answers for what a first fit waits for. Not for: whole processes (``cold_start.py``).
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable

from measure import machine

from limpide import engines
from limpide.bench.workloads import Workload
from limpide.ir import Loop
from limpide.losses import resolve_loss
from limpide.steps import StepPlan, build_loop

RUNS = 7
ASKED = {3: 120, 6: 250}
WORKS = (
    Workload((57, 64, 1), 32),
    Workload((57, 64, 64, 1), 256),
    Workload((57, 64, 64, 1), 256, "adam"),
    Workload((784, 128, 10), 128, output="softmax", loss="cross_entropy"),
    Workload((28, 300, 300, 300, 300, 1), 256, "adam"),
    Workload((20, 48, 48, 48, 48, 48, 1), 100, "adam"),
    Workload((57, 128, 64, 32, 16, 8, 1), 32, "adam"),
)


def tracer(work: Workload) -> Callable[[], Loop]:
    """Give what traces a workload's loop."""
    network, (X, y) = work.network(), work.data()
    loss = resolve_loss(work.loss, network.output_activation)
    plan = StepPlan(network.placed, loss, work.update(), frozenset(), weighted=False)
    rows = [X, y[:, None] if y.ndim == 1 and y.dtype.kind == "f" else y]
    params, state = network.params, network.state
    return lambda: build_loop(plan, params, state, rows, len(X), work.batch)


def milliseconds(trace: Callable[[], Loop]) -> tuple[float, float]:
    """Trace and compile, as a process does that has not compiled it before; gives both times."""
    began = time.perf_counter()
    loop = trace()
    traced = time.perf_counter()
    run = engines.get("native").compile_loop(loop)
    done = time.perf_counter()
    del run  # else the next one would find it in memory
    return (traced - began) * 1e3, (done - traced) * 1e3


def described(times: list[float]) -> str:
    """Give the median and the range."""
    return f"{statistics.median(times):.1f} ({min(times):.1f} to {max(times):.1f})"


def main() -> None:
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        for work in WORKS:
            trace, layers = tracer(work), len(work.sizes) - 1
            os.environ["LIMPIDE_CACHE"] = ""
            anew = [milliseconds(trace) for _ in range(RUNS + 1)][1:]
            os.environ["LIMPIDE_CACHE"] = folder
            cached = [milliseconds(trace) for _ in range(RUNS + 1)][1:]
            asked = f", asked: under {ASKED[layers]}" if layers in ASKED else ""
            print(
                f"{work.label}, {layers} layers: {described([b for _, b in anew])} ms{asked}; "
                f"from the cache {described([b for _, b in cached])}; "
                f"tracing {described([a for a, _ in [*anew, *cached]])}"
            )


if __name__ == "__main__":
    main()
