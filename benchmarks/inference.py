"""Prediction beside onnxruntime, the same network in the same run: one row, and 100,000 rows.

    python benchmarks/inference.py

Asked: one row through ``net.predict`` no slower than ``session.run``, and at least its throughput
for many rows. onnxruntime gets its usual options, and one thread or two, whichever is faster.
Answers for the time of a call from Python. Not for: training.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime
from measure import describe, machine, ratios, seconds
from onnx import TensorProto, helper, numpy_helper

import limpide as lp

NETWORKS = ([57, 64, 1], [57, 64, 64, 1], [784, 128, 10], [28, 300, 300, 300, 300, 1])
ONE, MANY = 1, 100_000
AGREEMENT = 1e-5  # absolute, of probabilities


def as_onnx(net: lp.Network, output: str) -> bytes:
    """Give the network as ONNX: a Gemm and an activation each layer."""
    nodes, weights, value = [], [], "X"
    layers = len(net.params) // 2
    for i, (name, array) in enumerate(net.params.items()):
        weights.append(numpy_helper.from_array(array, name))
        if not name.endswith(".bias"):
            continue
        layer = name.removesuffix(".bias")
        nodes.append(helper.make_node("Gemm", [value, f"{layer}.weights", name], [f"{layer}.z"]))
        last = i // 2 == layers - 1
        value = "y" if last else f"{layer}.h"
        kind = {"sigmoid": "Sigmoid", "softmax": "Softmax"}[output] if last else "Relu"
        nodes.append(helper.make_node(kind, [f"{layer}.z"], [value]))
    shape = [None, net.n_inputs]
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, net.n_outputs])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def session(model: bytes, threads: int) -> onnxruntime.InferenceSession:
    """Open a session with a number of threads."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def repeated(run: Callable[[], object], count: int) -> Callable[[], object]:
    """Give a function that makes a number of calls."""

    def several() -> None:
        for _ in range(count):
            run()

    return several


def calls(run: Callable[[], object], least: float) -> int:
    """Give how many calls last about so many seconds."""
    count = 1
    while (taken := seconds(repeated(run, count))) < least / 2:
        count *= 2
    return max(1, round(count * least / taken))


def compare(sizes: list[int], rows: int, pairs: int, least: float) -> None:
    """Print onnxruntime's time over limpide's, for some rows a call."""
    output = "softmax" if sizes[-1] > 1 else "sigmoid"
    net = lp.Network(sizes, output=output, seed=0)
    X = np.random.default_rng(0).standard_normal((rows, sizes[0]), dtype=np.float32)
    row = X[0] if rows == 1 else X
    model = as_onnx(net, output)
    sessions = [session(model, threads) for threads in (1, 2)]
    theirs = [lambda s=s: s.run(["y"], {"X": X})[0] for s in sessions]
    gap = float(np.abs(np.reshape(net.predict(row), (rows, -1)) - theirs[0]()).max())
    if gap > AGREEMENT:
        raise SystemExit(f"the two predictions differ by {gap:g}")
    count = calls(lambda: net.predict(row), least)
    fast = min(theirs, key=lambda run: min(seconds(repeated(run, count)) for _ in range(3)))
    ours = repeated(lambda: net.predict(row), count)
    micros = min(seconds(ours) for _ in range(3)) / count * 1e6
    found = ratios(repeated(fast, count), ours, pairs)
    name = "-".join(map(str, sizes))
    print(f"{name}, {rows:,} rows: {micros:.1f} µs a call; onnxruntime's / limpide's time", end=" ")
    print(f"{describe(found)}, {pairs} pairs (asked: at least 1)", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.3, help="of a sample, at least")
    options = parser.parse_args()
    print(machine(), f"onnxruntime {onnxruntime.__version__}")
    for rows in (ONE, MANY):
        for sizes in NETWORKS:
            compare(sizes, rows, options.pairs, options.seconds)


if __name__ == "__main__":
    main()
