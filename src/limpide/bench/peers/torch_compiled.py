"""PyTorch with ``torch.compile``: gather, forward, gradient and update as one compiled graph.

Answers for compiled PyTorch; it needs a C++ compiler. Not for: the eager form (``torch_eager``),
nor CUDA graphs (``torch_graphs``).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from typing import Any

from limpide.bench.peers import torch_model
from limpide.bench.peers.program import Form, threads_order
from limpide.bench.peers.torch_step import Step
from limpide.bench.workloads import Workload

TITLE = "PyTorch, compiled"
PACKAGE = "torch"


def lacks(work: Workload) -> str:
    compilers = (os.environ.get("CXX", "c++"), "g++", "clang++", "cl")
    if not any(map(shutil.which, compilers)):
        return "torch.compile needs a C++ compiler, and there is none on the path"
    return ""


def forms(work: Workload) -> list[Form]:
    if work.device == "gpu":
        return [Form("", 2, {}), Form("autotuned", 2, {"max_autotune": True})]
    first, second = threads_order(work)
    return [
        Form("called from C++", first, {"cpp_wrapper": True}),
        Form("called from C++", second, {"cpp_wrapper": True}),
        Form("called from Python", first, {"cpp_wrapper": False}),
    ]


class _Program:
    def __init__(self, work: Workload, options: Mapping[str, Any]) -> None:
        import torch

        self._work, self._device = work, torch_model.begin(work)
        self._step = Step(work, self._device)
        self._compiled = torch.compile(
            self._step.__call__, fullgraph=True, dynamic=False, options=dict(options)
        )

    def reset(self) -> None:
        self._step.reset()

    def run(self, epochs: int, shuffled: bool) -> Sequence[float]:
        work, losses = self._work, []
        for order in torch_model.orders(work, self._device, epochs, shuffled):
            losses += [self._compiled(rows) for rows in order.split(work.batch)]
        return torch_model.means(work, losses)


def build(work: Workload, options: Mapping[str, Any]) -> _Program:
    return _Program(work, options)
