"""One training step of PyTorch's as a function that can be traced or captured.

Answers for gather, forward, gradient (``torch.func``) and the update in place. Not for: what makes
one program of it (``torch_compiled``, ``torch_graphs``), or the loop.
"""

from __future__ import annotations

from typing import Any

from limpide.bench.peers import torch_model
from limpide.bench.workloads import Workload


class Step:
    """The state of a training, and one step of it: ``step(rows)`` gives the loss.

    Parameters
    ----------
    device
        Where everything lies.
    """

    def __init__(self, work: Workload, device: Any) -> None:
        self._work, self._device = work, device
        self._X, self._y = torch_model.rows(work, device)
        self.reset()

    def reset(self) -> None:
        """Go back to the first weights, in the same memory: compiled code may hold on to it."""
        import torch

        first = torch_model.parameters(self._work, self._device)
        if not hasattr(self, "_params"):
            self._params = first
            slots = [[torch.zeros_like(t) for t in _leaves(first)] for _ in range(2)]
            self._means, self._squares = slots
            # Of one axis: of a tensor without axes, torch 2.13 loses what the compiled step adds.
            self._count = torch.zeros(1, dtype=torch.float64, device=self._device)
        for ours, given in zip(_leaves(self._params), _leaves(first), strict=True):
            ours.copy_(given)
        for slot in (*self._means, *self._squares, self._count):
            slot.zero_()

    def __call__(self, rows: Any) -> Any:
        """Train on some rows, by number; give their mean loss."""
        import torch

        x, y = self._X.index_select(0, rows), self._y.index_select(0, rows)

        def loss_of(params: torch_model.Parameters) -> Any:
            return torch_model.loss_of(self._work, params, x, y)

        gradients, loss = torch.func.grad_and_value(loss_of)(self._params)
        leaves, rate = _leaves(self._params), self._work.learning_rate
        if self._work.optimizer == "sgd":
            for p, g in zip(leaves, _leaves(gradients), strict=True):
                p.sub_(rate * g)
            return loss
        self._count.add_(1)
        size = (rate / (1 - 0.9**self._count)).to(x.dtype)
        correction = torch.sqrt(1 - 0.999**self._count).to(x.dtype)
        each = zip(leaves, _leaves(gradients), self._means, self._squares, strict=True)
        for p, g, m, v in each:
            m.mul_(0.9).add_(0.1 * g)
            v.mul_(0.999).add_(0.001 * g * g)
            p.sub_(size * (m / (torch.sqrt(v) / correction + 1e-8)))
        return loss


def _leaves(params: torch_model.Parameters) -> list[Any]:
    return [tensor for layer in params for tensor in layer.values()]
