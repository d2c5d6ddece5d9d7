"""Many small networks together beside the same ones trained one by one.

    python benchmarks/fit_many.py [TABLE] [--engine native] [--engine xla] [--networks 1000]

57-16-1, batches of 32, on TABLE (Spambase: a line of names, 57 columns and a label) or on made rows
of that shape. native: beside two processes that share the networks, and as a share of the
processors' peak of multiply-adds. xla: beside one network after another, on whatever device JAX
has. One by one is in its strongest form: one Network whose weights are set from the seed (drawn
ahead), fitted again, nothing compiled anew. Programs take turns; compiling is left out. Answers for
what was asked of `fit_many`. Not for: whether the weights are the same, which tests say.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from measure import describe, machine

import limpide as lp
from limpide.bench.peak import Peak
from limpide.bench.workloads import Workload
from limpide.starting import first_weights
from limpide.threads import available

PROCESSES = 2
BATCH, EPOCHS = 32, 20
LAYERS = [57, lp.Dense(16, lp.relu), lp.Dense(1, lp.sigmoid)]
OPTIMIZERS = {"SGD": lp.SGD(0.05), "Adam": lp.Adam(0.001)}


def rows_of(table: str | None) -> tuple[Any, Any]:
    """Give X, scaled, and y."""
    if table is None:
        return Workload((57, 16, 1), BATCH).data()
    whole = np.loadtxt(table, delimiter=",", dtype=np.float32, skiprows=1)
    X = whole[:, :57]
    return (X - X.mean(axis=0)) / X.std(axis=0), whole[:, 57:]


def steps_of(n_rows: int) -> int:
    return EPOCHS * -(-n_rows // BATCH)


class OneByOne:
    """One network after another: a Network that gets each seed's first weights."""

    def __init__(self, X: Any, y: Any, name: str, engine: str, seeds: range) -> None:
        self.X, self.y, self.engine, self.optimizer = X, y, engine, OPTIMIZERS[name]
        self.net = lp.Network(LAYERS, seed=0)
        self.first = first_weights(self.net.placed, "f32", np.array(seeds))
        self.seeds = seeds
        self.fit(0)  # compiled now

    def fit(self, i: int) -> None:
        for name, array in self.net.params.items():
            array[...] = self.first[name][i]
        self.net.fit(
            self.X,
            self.y,
            seed=self.seeds[i],
            optimizer=self.optimizer,
            batch_size=BATCH,
            epochs=EPOCHS,
            engine=self.engine,
            threads=1 if self.engine == "native" else None,
            progress=False,
        )

    def run(self) -> float:
        """Give the seconds of a step."""
        began = time.perf_counter()
        for i in range(len(self.seeds)):
            self.fit(i)
        return (time.perf_counter() - began) / (len(self.seeds) * steps_of(len(self.X)))


def serve(table: str | None, name: str, seeds: range, here: Connection) -> None:
    """Train one by one in a process of its own, whenever it is told to."""
    work = OneByOne(*rows_of(table), name, "native", seeds)
    here.send(0.0)
    while here.recv():
        here.send(work.run())


def processes(table: str | None, name: str, n: int) -> tuple[Callable[[], float], list[Any]]:
    """Give what lets processes share n networks, and what ends them."""
    context, ends, workers = multiprocessing.get_context("spawn"), [], []
    for i in range(PROCESSES):
        here, there = context.Pipe()
        seeds = range(n * i // PROCESSES, n * (i + 1) // PROCESSES)
        worker = context.Process(target=serve, args=(table, name, seeds, there), daemon=True)
        worker.start()
        ends.append(here)
        workers.append(worker)
    for end in ends:
        end.recv()

    def run() -> float:
        for end in ends:
            end.send(True)
        return statistics.fmean(end.recv() for end in ends) / PROCESSES

    def close(end: Connection) -> None:
        end.send(False)

    return run, [lambda end=end: close(end) for end in ends] + [w.join for w in workers]


def together(X: Any, y: Any, name: str, engine: str, n: int) -> Callable[[], float]:
    """Give what trains n networks at once, compiled; it gives the seconds of a step."""
    net = lp.Network(LAYERS, seed=0)
    settings = {"optimizer": OPTIMIZERS[name], "batch_size": BATCH, "engine": engine}

    def run() -> float:
        many = lp.fit_many(net, X, y, range(n), epochs=EPOCHS, progress=False, **settings)
        return many.seconds / many.steps

    run()
    return run


def pairs_of(
    ours: Callable[[], float], theirs: Callable[[], float], pairs: int
) -> tuple[list[float], list[float]]:
    """Let both take turns, the order swapped each time; gives the seconds of a step of each."""
    a, b = [], []
    for pair in range(pairs):
        for mine in (pair % 2 == 0, pair % 2 == 1):
            (a if mine else b).append((ours if mine else theirs)())
    return a, b


def native(options: argparse.Namespace, X: Any, y: Any, name: str) -> None:
    """Print the share of the peak, and the ratio to processes that train one by one."""
    ours = together(X, y, name, "native", options.networks)
    theirs, closing = processes(options.table, name, options.beside)
    peak = Peak("float32", available())
    a, b = pairs_of(ours, theirs, options.pairs)
    for each in closing:
        each()
    work = Workload((57, 16, 1), BATCH, rows=len(X))
    flops = work.flops / work.steps
    shares = []
    for _ in range(options.pairs):
        before = peak.measure(0.2)
        shares.append(flops / ours() / ((before + peak.measure(0.2)) / 2))
    print(f"native, {name}: {1e6 * statistics.median(a):.2f} µs a step over all threads")
    print(f"    share of the peak: at least 0.33 asked, {describe(shares)}")
    ratios = [theirs / ours for ours, theirs in zip(a, b, strict=True)]
    print(f"    rate beside {PROCESSES} processes one by one: at least 1, {describe(ratios)}")


def xla(options: argparse.Namespace, X: Any, y: Any, name: str) -> None:
    """Print the ratio to one network after another on the same device."""
    import jax

    ours = together(X, y, name, "xla", options.networks)
    alone = OneByOne(X, y, name, "xla", range(options.few))
    a, b = pairs_of(ours, alone.run, options.pairs)
    print(
        f"xla on {jax.devices()[0]}, {name}: {1e6 * statistics.median(a):.2f} µs a step, one by "
        f"one {1e6 * statistics.median(b):.2f}"
    )
    ratios = [theirs / ours for ours, theirs in zip(a, b, strict=True)]
    print(f"    rate beside one by one: at least 20 asked, {describe(ratios)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table", nargs="?")
    parser.add_argument("--engine", action="append", choices=["native", "xla"])
    parser.add_argument("--networks", type=int, default=1000)
    parser.add_argument("--beside", type=int, default=200, help="networks of all processes")
    parser.add_argument("--few", type=int, default=5, help="networks one by one on xla")
    parser.add_argument("--pairs", type=int, default=5)
    options = parser.parse_args()
    X, y = rows_of(options.table)
    print(machine())
    print(f"{options.networks:,} networks 57-16-1, {len(X):,} rows, batch {BATCH}, {EPOCHS} epochs")
    for engine in options.engine or ["native", "xla"]:
        for name in OPTIMIZERS:
            {"native": native, "xla": xla}[engine](options, X, y, name)


if __name__ == "__main__":
    main()
