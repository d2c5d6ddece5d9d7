"""PyTorch as it is mostly used: autograd, an optimizer of torch.optim, a loop over batches.

Answers for eager PyTorch: functional layers (no module around them), fused or foreach updates,
losses kept as tensors so that nothing waits. Not for: ``torch.compile`` (``torch_compiled``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from limpide.bench.peers import torch_model
from limpide.bench.peers.program import Form, threads_order
from limpide.bench.workloads import Workload

TITLE = "PyTorch"
PACKAGE = "torch"


def lacks(work: Workload) -> str:
    return ""


def forms(work: Workload) -> list[Form]:
    epoch, step = "rows gathered an epoch", "rows gathered a step"
    first, second = threads_order(work)
    found = [
        Form(f"{epoch}, fused", first, {"gather": "epoch", "update": "fused"}),
        Form(f"{epoch}, foreach", first, {"gather": "epoch", "update": "foreach"}),
        Form(f"{epoch}, fused", second, {"gather": "epoch", "update": "fused"}),
        Form(f"{step}, fused", first, {"gather": "step", "update": "fused"}),
    ]
    return found if work.device == "cpu" else [form for form in found if form.threads == first]


class _Program:
    def __init__(self, work: Workload, options: Mapping[str, Any]) -> None:
        import torch

        self._work, self._device = work, torch_model.begin(work)
        self._X, self._y = torch_model.rows(work, self._device)
        self._by_epoch = options["gather"] == "epoch"
        self._kind = torch.optim.Adam if work.optimizer == "adam" else torch.optim.SGD
        self._update = {options["update"]: True}
        self.reset()

    def reset(self) -> None:
        self._params = torch_model.parameters(self._work, self._device)
        leaves = [p.requires_grad_() for layer in self._params for p in layer.values()]
        self._optimizer = self._kind(leaves, lr=self._work.learning_rate, **self._update)

    def run(self, epochs: int, shuffled: bool) -> Sequence[float]:
        import torch

        work, losses = self._work, []
        for _ in range(epochs):
            order = None
            if shuffled and work.shuffle:
                order = torch.randperm(work.rows, device=self._device)
            losses += [self._step(x, y) for x, y in self._batches(order)]
        return torch_model.means(work, losses)

    def _batches(self, order: Any) -> Any:
        X, y, batch = self._X, self._y, self._work.batch
        if order is None:
            return zip(X.split(batch), y.split(batch), strict=True)
        if self._by_epoch:
            X, y = X.index_select(0, order), y.index_select(0, order)
            return zip(X.split(batch), y.split(batch), strict=True)
        return ((X.index_select(0, r), y.index_select(0, r)) for r in order.split(batch))

    def _step(self, x: Any, y: Any) -> Any:
        loss = torch_model.loss_of(self._work, self._params, x, y)
        loss.backward()
        self._optimizer.step()
        self._optimizer.zero_grad()
        return loss.detach()


def build(work: Workload, options: Mapping[str, Any]) -> _Program:
    return _Program(work, options)
