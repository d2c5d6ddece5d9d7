"""The network in PyTorch's functions: what its eager and its compiled peers share.

Answers for the device, parameters, forward, loss, and the means that ``run`` gives. Not for: the
loop and the update.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from limpide.bench.workloads import SEED, Workload

Parameters = list[dict[str, Any]]


def begin(work: Workload) -> Any:
    """Give the device that a workload is for, everything set as it is to be.

    Products of float32 are those of float32: TensorFloat-32, of 10 bits, is off, as PyTorch has it
    unless told otherwise, and as it is in limpide's engine and in JAX's program.
    """
    import torch

    torch.manual_seed(SEED)
    torch.set_flush_denormal(True)  # as XLA and limpide do while they train
    if work.device == "cpu":
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise RuntimeError("PyTorch sees no accelerator here")
    torch.backends.cuda.matmul.allow_tf32 = False
    return torch.device("cuda")


def orders(work: Workload, device: Any, epochs: int, shuffled: bool) -> Iterator[Any]:
    """Yield the order of the rows in each epoch, drawn on the device where they are shuffled."""
    import torch

    order = torch.arange(work.rows, device=device)
    for _ in range(epochs):
        if shuffled and work.shuffle:
            order = torch.randperm(work.rows, device=device)
        yield order


def means(work: Workload, losses: Sequence[Any]) -> list[float]:
    """Give the row-weighted mean of each epoch's losses; this waits for the device."""
    import torch

    whole = torch.stack(list(losses)).double().reshape(-1, work.steps)
    weights = torch.full((work.steps,), float(work.batch), dtype=torch.float64)
    weights[-1] = work.rows - (work.steps - 1) * work.batch
    found: list[float] = (whole @ (weights / work.rows).to(whole.device)).tolist()
    return found


def parameters(work: Workload, device: Any) -> Parameters:
    """Give the first weights a layer as tensors, weights [neurons, inputs] as Linear has them."""
    import torch

    found = []
    for layer in work.first_layers():
        tensors = {name: torch.from_numpy(a.copy()).to(device) for name, a in layer.items()}
        tensors["weights"] = tensors["weights"].t().contiguous()
        found.append(tensors)
    return found


def rows(work: Workload, device: Any) -> tuple[Any, Any]:
    """Give X and y as tensors on a device."""
    import torch

    X, y = work.data()
    return torch.from_numpy(X).to(device), torch.from_numpy(y).to(device)


def loss_of(work: Workload, params: Parameters, x: Any, y: Any) -> Any:
    """Give the mean loss of a batch in training, products by autocast where they are to be."""
    import torch

    if not work.compute_dtype:
        return _loss(work, _sums(work, params, x), y)
    with torch.autocast(x.device.type, getattr(torch, work.compute_dtype)):
        z = _sums(work, params, x)
    return _loss(work, z.to(x.dtype), y)


def _sums(work: Workload, params: Parameters, x: Any) -> Any:
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
    return F.linear(x, params[-1]["weights"], params[-1]["bias"])


def _loss(work: Workload, z: Any, y: Any) -> Any:
    import torch
    from torch.nn import functional as F

    if work.loss == "bce":
        return F.binary_cross_entropy_with_logits(z, y)
    if work.loss == "cross_entropy":
        return F.cross_entropy(z, y)
    return F.mse_loss(torch.sigmoid(z) if work.output == "sigmoid" else z, y)
