"""PyTorch on an NVIDIA GPU with CUDA graphs: an epoch's steps captured once, then replayed.

Answers for captured steps, eager ones and compiled ones: nothing of Python's remains between them.
Not for: processors, where there is nothing to capture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from limpide.bench.peers import torch_model
from limpide.bench.peers.program import Form
from limpide.bench.peers.torch_step import Step
from limpide.bench.workloads import Workload

TITLE = "PyTorch, CUDA graphs"
PACKAGE = "torch"

_WARMING = 3  # steps before a capture, as PyTorch's manual asks


def lacks(work: Workload) -> str:
    if work.device != "gpu":
        return "CUDA graphs need a GPU"
    if work.rows % work.batch:
        return "its graph takes whole batches alone"
    return ""


def forms(work: Workload) -> list[Form]:
    return [
        Form("compiled steps, an epoch a graph", 2, {"step": "compiled", "steps": work.steps}),
        Form("eager steps, an epoch a graph", 2, {"step": "eager", "steps": work.steps}),
        Form("compiled steps, one a graph", 2, {"step": "compiled", "steps": 1}),
    ]


class _Program:
    def __init__(self, work: Workload, options: Mapping[str, Any]) -> None:
        import torch

        self._work, self._device = work, torch_model.begin(work)
        self._step = Step(work, self._device)
        self._each: Any = self._step
        if options["step"] == "compiled":
            self._each = torch.compile(self._step.__call__, fullgraph=True, dynamic=False)
        self._order = torch.arange(options["steps"] * work.batch, device=self._device)
        self._losses = torch.zeros(options["steps"], device=self._device)
        self._graph = self._captured()
        self.reset()

    def _captured(self) -> Any:
        """Capture the steps of ``self._order``, whose losses go to ``self._losses``."""
        import torch

        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(_WARMING):
                self._each(self._order[: self._work.batch])
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            for i, rows in enumerate(self._order.split(self._work.batch)):
                self._losses[i].copy_(self._each(rows))
        return graph

    def reset(self) -> None:
        self._step.reset()

    def run(self, epochs: int, shuffled: bool) -> Sequence[float]:
        import torch

        work, losses = self._work, []
        for order in torch_model.orders(work, self._device, epochs, shuffled):
            for rows in order.split(len(self._order)):
                self._order.copy_(rows)
                self._graph.replay()
                losses.append(self._losses.clone())
        return torch_model.means(work, torch.cat(losses).unbind())


def build(work: Workload, options: Mapping[str, Any]) -> _Program:
    return _Program(work, options)
