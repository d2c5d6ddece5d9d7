"""Where the time of a training step goes: the native engine's kernels, each with its cycles.

Answers for ``limpide bench --profile``. Not for: comparing with others (``runner``).
"""

from __future__ import annotations

import time

import numpy as np
from rich.console import Console

from limpide.bench.workloads import Workload
from limpide.engines.native import NativeEngine
from limpide.engines.native.report import Share, table
from limpide.ir import Array, Loop
from limpide.losses import resolve_loss
from limpide.network import Network
from limpide.optimizers import Optimizer
from limpide.steps import StepPlan, build_loop

_SECONDS = 0.3  # of steps that are counted …
_RUNS = 3  # … in so many runs, of which the shortest counts: another program may come between


def profile(work: Workload) -> tuple[list[Share], float]:
    """Give the kernels of a workload's step on one thread, and how many ticks a µs has.

    There are none where a step is held in registers.
    """
    network, optimizer = work.network(), work.update()
    loss = resolve_loss(work.loss, network.output_activation)
    plan = StepPlan(network.placed, loss, optimizer, frozenset(), weighted=False)
    X, y = work.data()
    rows = [X, y[:, None] if y.ndim == 1 and y.dtype.kind == "f" else y]
    batch = min(work.batch, len(X))
    loop = build_loop(plan, network.params, network.state, rows, len(X), batch)
    carry, held = _arrays(loop, network, optimizer)
    engine, epochs = NativeEngine(), 1
    if engine.compile_loop(loop).program.module.tiny:
        return [], _ticks_a_microsecond()
    best: list[Share] = []
    while True:
        order = np.stack([np.random.default_rng(i).permutation(len(X)) for i in range(epochs)])
        began = time.perf_counter()
        runs = [engine.profile(loop, carry, held, rows, order) for _ in range(_RUNS)]
        best = min(runs, key=lambda shares: sum(share.cycles for share in shares))
        if time.perf_counter() - began > _SECONDS or epochs >= 1024:
            return best, _ticks_a_microsecond()
        epochs *= 4


def _arrays(loop: Loop, network: Network, optimizer: Optimizer) -> tuple[list[Array], list[Array]]:
    known = {**network.params, **network.state}
    numbers = {**optimizer.scalars(), "total_steps": 1e6}
    arrays = []
    for node in loop.step.inputs[: loop.n_carry + loop.n_held]:
        array = np.zeros(node.spec.shape, node.spec.numpy_dtype)
        array[...] = known.get(node.name, numbers.get(node.name, 0))
        arrays.append(array)
    return arrays[: loop.n_carry], arrays[loop.n_carry :]


def _ticks_a_microsecond() -> float:
    """Measure the processor's clock against the system's."""
    return NativeEngine().ticks(0.02)


def print_profile(console: Console, work: Workload) -> None:
    """Print a workload's kernels: µs a step, part of the whole, GFLOP/s of the products."""
    shares, ticks = profile(work)
    if not shares:
        console.print(
            f"{work.label}: a step is held in registers, as one function: its parts cannot be "
            "timed. limpide bench --only times the whole.",
            highlight=False,
        )
        return
    total = sum(share.cycles for share in shares) / ticks
    console.print(f"{work.label}: {total:,.2f} µs a step on one thread")
    columns = []
    for share in shares:
        micros, piece = share.cycles / ticks, share.piece
        work_done = 2.0 * piece.inner * np.prod(piece.shape, dtype=float)
        rate = f"{work_done / micros / 1e3:.0f} GFLOP/s" if piece.kind == "product" else ""
        columns.append((f"{micros:.3f}", f"{100 * share.share:.1f} %", rate))
    for line in table([share.piece for share in shares], columns):
        console.print(line, soft_wrap=True, highlight=False)
