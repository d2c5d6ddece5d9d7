"""PyTorch with ``torch.compile``: gather, forward, gradient and update as one compiled graph.

Answers for compiled PyTorch; it needs a C++ compiler. Not for: the eager form (``torch_eager``).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from typing import Any

from limpide.bench.peers import torch_model
from limpide.bench.peers.program import Form, threads_order
from limpide.bench.workloads import SEED, Workload

TITLE = "PyTorch, compiled"
PACKAGE = "torch"


def lacks(work: Workload) -> str:
    compilers = (os.environ.get("CXX", "c++"), "g++", "clang++", "cl")
    if not any(map(shutil.which, compilers)):
        return "torch.compile needs a C++ compiler, and there is none on the path"
    return ""


def forms(work: Workload) -> list[Form]:
    first, second = threads_order(work)
    return [
        Form("called from C++", first, {"cpp_wrapper": True}),
        Form("called from C++", second, {"cpp_wrapper": True}),
        Form("called from Python", first, {"cpp_wrapper": False}),
    ]


class _Program:
    def __init__(self, work: Workload, options: Mapping[str, Any]) -> None:
        import torch

        torch.manual_seed(SEED)
        torch.set_flush_denormal(True)  # as XLA and limpide do while they train
        self._work = work
        self._X, self._y = torch_model.rows(work)
        self.reset()
        self._step = torch.compile(
            self._traced,
            fullgraph=True,
            dynamic=False,
            options={"cpp_wrapper": options["cpp_wrapper"]},
        )

    def reset(self) -> None:
        import torch

        first = torch_model.parameters(self._work)
        if not hasattr(self, "_params"):  # compiled code may hold on to these tensors
            self._params = first
            slots = [[torch.zeros_like(t) for t in self._leaves(first)] for _ in range(2)]
            self._means, self._squares = slots
            # Of one axis: of a tensor without axes, torch 2.13 loses what the compiled step adds.
            self._count = torch.zeros(1, dtype=torch.float64)
        for ours, given in zip(self._leaves(self._params), self._leaves(first), strict=True):
            ours.copy_(given)
        for slot in (*self._means, *self._squares, self._count):
            slot.zero_()

    @staticmethod
    def _leaves(params: torch_model.Parameters) -> list[Any]:
        return [tensor for layer in params for tensor in layer.values()]

    def _traced(self, rows: Any) -> Any:
        import torch

        x, y = self._X.index_select(0, rows), self._y.index_select(0, rows)

        def loss_of(params: torch_model.Parameters) -> Any:
            return torch_model.loss_of(self._work, params, x, y)

        gradients, loss = torch.func.grad_and_value(loss_of)(self._params)
        leaves, rate = self._leaves(self._params), self._work.learning_rate
        if self._work.optimizer == "sgd":
            for p, g in zip(leaves, self._leaves(gradients), strict=True):
                p.sub_(rate * g)
            return loss
        self._count.add_(1)
        size = (rate / (1 - 0.9**self._count)).to(x.dtype)
        correction = torch.sqrt(1 - 0.999**self._count).to(x.dtype)
        each = zip(leaves, self._leaves(gradients), self._means, self._squares, strict=True)
        for p, g, m, v in each:
            m.mul_(0.9).add_(0.1 * g)
            v.mul_(0.999).add_(0.001 * g * g)
            p.sub_(size * (m / (torch.sqrt(v) / correction + 1e-8)))
        return loss

    def run(self, epochs: int, shuffled: bool) -> Sequence[float]:
        import torch

        work, losses = self._work, []
        order = torch.arange(work.rows)
        for _ in range(epochs):
            if shuffled and work.shuffle:
                order = torch.randperm(work.rows)
            losses += [self._step(rows) for rows in order.split(work.batch)]
        whole = torch.stack(losses).double().reshape(epochs, work.steps)
        weights = torch.full((work.steps,), float(work.batch), dtype=torch.float64)
        weights[-1] = work.rows - (work.steps - 1) * work.batch
        means: list[float] = (whole @ (weights / work.rows)).tolist()
        return means


def build(work: Workload, options: Mapping[str, Any]) -> _Program:
    return _Program(work, options)
