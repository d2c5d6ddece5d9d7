"""The network in PyTorch's functions: what its eager and its compiled peer share.

Answers for parameters, forward and loss. Not for: the loop and the update.
"""

from __future__ import annotations

from typing import Any

from limpide.bench.workloads import Workload

Parameters = list[dict[str, Any]]


def parameters(work: Workload) -> Parameters:
    """Give the first weights a layer as tensors, weights [neurons, inputs] as Linear has them."""
    import torch

    found = []
    for layer in work.first_layers():
        tensors = {name: torch.from_numpy(array.copy()) for name, array in layer.items()}
        tensors["weights"] = tensors["weights"].t().contiguous()
        found.append(tensors)
    return found


def rows(work: Workload) -> tuple[Any, Any]:
    """Give X and y as tensors."""
    import torch

    X, y = work.data()
    return torch.from_numpy(X), torch.from_numpy(y)


def loss_of(work: Workload, params: Parameters, x: Any, y: Any) -> Any:
    """Give the mean loss of a batch in training."""
    import torch
    from torch.nn import functional as F

    activation = {
        "relu": torch.relu,
        "tanh": torch.tanh,
        "sigmoid": torch.sigmoid,
        "gelu": F.gelu,
    }[work.hidden]
    for layer in params[:-1]:
        x = activation(F.linear(x, layer["weights"], layer["bias"]))
        if work.layer_norm:
            x = F.layer_norm(x, x.shape[1:], layer["scale"], layer["shift"])
        if work.dropout:
            x = F.dropout(x, work.dropout)
    z = F.linear(x, params[-1]["weights"], params[-1]["bias"])
    if work.loss == "bce":
        return F.binary_cross_entropy_with_logits(z, y)
    if work.loss == "cross_entropy":
        return F.cross_entropy(z, y)
    return F.mse_loss(torch.sigmoid(z) if work.output == "sigmoid" else z, y)
