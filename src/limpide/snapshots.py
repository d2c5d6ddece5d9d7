"""A run between two steps: all that it takes to go on with it, as arrays and JSON.

Answers for what that is, its packed form, and refusing one that does not fit. Not for: when it is
written and where (``limpide.checkpoints``), or running (``limpide.training``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from limpide import storage
from limpide.callbacks import Callback
from limpide.errors import CheckpointError, ModelFileError
from limpide.history import History
from limpide.ir import Array

ANEW = "overwrite=True, or limpide train --force without --resume"
"""How a user gives a run up that was broken off, as errors say it."""

_LOSSES = "losses"
_ARRAYS, _HISTORY, _CALLBACKS = "arrays.", "history.", "callbacks."


@dataclass
class Snapshot:
    """A run between two steps.

    Attributes
    ----------
    arrays
        Parameters, state, what the optimizer keeps, the number of the step, by name.
    losses
        f64[n]: of the steps of the epoch under way.
    history
        The figures so far.
    callbacks
        What each of the callbacks that carry something gave.
    """

    arrays: dict[str, Array]
    losses: Array
    history: History
    callbacks: list[Mapping[str, Any]] = field(default_factory=list)


def stateful(callbacks: Sequence[Callback]) -> list[Callback]:
    """Give those callbacks that carry something from epoch to epoch."""
    return [c for c in callbacks if type(c).state is not Callback.state]


def check_snapshot(
    snapshot: Snapshot, arrays: Mapping[str, Array], an_epoch: int, n_callbacks: int
) -> None:
    """Refuse a snapshot that does not fit a run with these arrays; a file may say anything.

    Raises
    ------
    CheckpointError
        Names the array, or what else is wrong.
    """
    remedy = f"Begin anew: {ANEW}."
    for name, array in arrays.items():
        try:
            found = storage.expect_tensor(
                snapshot.arrays, name, array.shape, array.dtype, where="the checkpoint"
            )
        except ModelFileError as error:
            raise CheckpointError(f"{error} {remedy}") from None
        if found.dtype.kind == "f" and not np.isfinite(found).all():
            raise CheckpointError(f"The checkpoint's {name} is not finite. {remedy}")
        if not array.flags.writeable and found.tobytes() != array.tobytes():
            raise CheckpointError(
                f"{name} is read-only, and was another one in the checkpoint. Set its "
                "flags.writeable to True."
            )
    history, losses = snapshot.history, snapshot.losses
    begun = history.steps - history.epochs * an_epoch
    if not 0 <= begun < an_epoch or losses.shape != (begun,) or losses.dtype != np.float64:
        raise CheckpointError(f"The checkpoint's steps and epochs do not fit together. {remedy}")
    if len(snapshot.callbacks) != n_callbacks:
        raise CheckpointError(f"The checkpoint's callbacks do not fit this run's. {remedy}")


def pack(snapshot: Snapshot, tensors: dict[str, Array]) -> dict[str, Any]:
    """Put the arrays of a snapshot into ``tensors``, and give the rest as JSON."""
    tensors |= {_ARRAYS + name: array for name, array in snapshot.arrays.items()}
    tensors[_LOSSES] = snapshot.losses
    history = snapshot.history
    return {
        "history": {
            f.name: _packed(getattr(history, f.name), _HISTORY, tensors) for f in fields(history)
        },
        "callbacks": [_packed(dict(state), _CALLBACKS, tensors) for state in snapshot.callbacks],
    }


def _packed(value: Any, prefix: str, tensors: dict[str, Array]) -> Any:
    """Give a value as JSON, its arrays and lists of floats as tensors that are referred to."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, list) and value and all(type(v) is float for v in value):
        return {"floats": _packed(np.array(value), prefix, tensors)["array"]}
    if isinstance(value, np.ndarray):
        name = f"{prefix}{len(tensors)}"
        tensors[name] = value
        return {"array": name}
    if isinstance(value, Mapping):
        return {"items": {k: _packed(v, prefix, tensors) for k, v in value.items()}}
    if isinstance(value, (list, tuple)):
        return [_packed(v, prefix, tensors) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(value)}
    return value


def _unpacked(value: Any, tensors: Mapping[str, Array]) -> Any:
    if isinstance(value, list):
        return [_unpacked(v, tensors) for v in value]
    if not isinstance(value, dict):
        return value
    ((kind, inner),) = value.items()
    if kind == "items":
        return {k: _unpacked(v, tensors) for k, v in inner.items()}
    if kind == "float":
        return float(inner)
    return tensors[inner].tolist() if kind == "floats" else tensors[inner]


def unpack(tensors: Mapping[str, Array], rest: Mapping[str, Any]) -> Snapshot:
    history = {k: _unpacked(v, tensors) for k, v in rest["history"].items()}
    known = {f.name for f in fields(History)}
    return Snapshot(
        arrays={n[len(_ARRAYS) :]: a for n, a in tensors.items() if n.startswith(_ARRAYS)},
        losses=tensors[_LOSSES],
        history=History(**{k: v for k, v in history.items() if k in known}),
        callbacks=[_unpacked(state, tensors) for state in rest["callbacks"]],
    )
