"""What a run is, in words and checksums: the same words, the same bits.

Answers for describing settings and data so that a run that goes on can be held against the one that
was broken off, each difference by its name. Not for: files (``limpide.checkpoints``), or running.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from limpide.ir import CONSTANT, Array, Graph, Loop, spec_of
from limpide.losses import Loss
from limpide.optimizers import Optimizer
from limpide.rows import Data
from limpide.schedules import Schedule
from limpide.steps import StepPlan
from limpide.stored_rows import StoredRows

Words = dict[str, str]

_MOST = 200  # characters of one description; the rest goes into a checksum
_DIGITS = 16
_NONE = "none"
_SHOWN = 4  # differences that a message names


def settings_words(
    plan: StepPlan, traced: str, *, stateful: Sequence[str], **numbers: object
) -> Words:
    """Describe all that a run's result depends on besides its arrays.

    Parameters
    ----------
    traced
        The step's ``loop_checksum``: it catches what has no words, such as a user's function.
    stateful
        The callbacks that carry something from epoch to epoch.
    numbers
        Everything else, by name: epochs, batch_size, shuffle, seed, engine.
    """
    words = {name: str(value) for name, value in numbers.items()}
    words["loss"] = _loss_text(plan.loss)
    words |= _optimizer_words(plan.optimizer)
    words["freeze"] = ", ".join(sorted(plan.frozen)) or _NONE
    words["callbacks with a state"] = ", ".join(stateful) or _NONE
    words |= {f"layer {p.name!r}": described(p.layer) for p in plan.placed}
    words["the traced step"] = traced
    return words


def data_words(trained: Data | StoredRows, held: Data | None) -> Words:
    """Describe the rows that are trained on, and those that are held out."""
    if isinstance(trained, StoredRows):
        words = {"the rows on disk": trained.words()}
    else:
        rows = "all" if trained.rows is None else array_text(trained.rows)
        words = {
            "X": array_text(trained.X),
            "y": array_text(trained.y),
            "sample_weight with class_weight": array_text(trained.weights),
            "the rows to train on": rows,
        }
    return words | {
        "validation X": array_text(None if held is None else held.X),
        "validation y": array_text(None if held is None else held.y),
        "validation weights": array_text(None if held is None else held.weights),
    }


def differences(
    was: Mapping[str, str], now: Mapping[str, str], told: str = "{name} was {was}, is {now}"
) -> str:
    """Say what differs, or give an empty text.

    >>> differences({"epochs": "20", "seed": "0"}, {"epochs": "30", "seed": "0"})
    'epochs was 20, is 30'
    """
    names = [*now, *(name for name in was if name not in now)]
    found = [
        told.format(name=name, was=was.get(name, _NONE), now=now.get(name, _NONE))
        for name in names
        if was.get(name, _NONE) != now.get(name, _NONE)
    ]
    # The graph says nothing that is not in one of the other words, unless it is alone.
    found = [text for text in found if not text.startswith("the traced step ")] or found
    more = [f"and {len(found) - _SHOWN} more"] if len(found) > _SHOWN else []
    return "; ".join(found[:_SHOWN] + more)


def described(value: Any) -> str:
    """Give a short text for a layer or a part of one: the same for equal ones, in any process.

    >>> from limpide.layers import Dense
    >>> described(Dense(4, activation="relu"))
    'Dense(neurons=4, activation=relu, bias=Zeros())'
    """
    text = _described(value)
    if len(text) <= _MOST:
        return text
    return f"{text[:_MOST]}… {_checksum(text.encode())}"


def _described(value: Any) -> str:
    if is_dataclass(value) and not isinstance(value, type):
        parts = [(f.name, getattr(value, f.name)) for f in fields(value)]
        inner = [f"{name}={_described(part)}" for name, part in parts if part is not None]
        return f"{type(value).__name__}({', '.join(inner)})"
    if isinstance(value, np.ndarray):
        return array_text(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{k}: {_described(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_described, value)) + "]"
    if value is None or isinstance(value, (bool, int, float, str, np.generic)):
        return str(value)
    # A repr may hold an address, which is another one in each process.
    return str(getattr(value, "__qualname__", type(value).__qualname__))


def _loss_text(loss: Loss) -> str:
    return _described(loss) if is_dataclass(loss) else loss.name or type(loss).__name__


def _optimizer_words(optimizer: Optimizer) -> Words:
    rate = optimizer.learning_rate
    words = {
        "optimizer": type(optimizer).__name__,
        "schedule": type(rate).__name__ if isinstance(rate, Schedule) else _NONE,
    }
    words |= {name: f"{number!r}" for name, number in optimizer.scalars().items()}
    flags = [name for name in optimizer.structural if name != "learning_rate"]
    return words | {name: str(getattr(optimizer, name)) for name in flags}


# Checksums ----------------------------------------------------------------------------------------


def array_text(array: Array | None) -> str:
    """Give dtype, shape and checksum of an array.

    >>> array_text(np.zeros((2, 3), np.float32))
    'f32[2,3] with checksum 9d908ecfb6b256de'
    """
    if array is None:
        return _NONE
    plain = np.ascontiguousarray(array)
    return f"{spec_of(plain)} with checksum {_checksum(plain.reshape(-1).view(np.uint8).data)}"


def loop_checksum(loop: Loop) -> str:
    """Give the checksum of what a loop computes: the same in any process."""
    digest = hashlib.sha256(f"{loop.n_carry} {loop.n_held}".encode())
    for graph in (loop.step, loop.tail):
        for line in () if graph is None else _lines(graph):
            digest.update(line)
    return digest.hexdigest()[:_DIGITS]


def _lines(graph: Graph) -> Iterator[bytes]:
    number = {id(node): i for i, node in enumerate([*graph.inputs, *graph.nodes])}
    for node in graph.inputs:
        yield f"{node.name} {node.spec}\n".encode()
    for node in graph.nodes:
        inputs = " ".join(str(number[id(n)]) for n in node.inputs)
        if node.op is CONSTANT:
            yield f"constant {node.spec} ".encode() + np.ascontiguousarray(node.value).tobytes()
        else:
            yield f"{node.op.name} {node.spec} {inputs} {sorted(node.params.items())}\n".encode()
    yield f"return {[number[id(node)] for node in graph.outputs]}\n".encode()


def _checksum(content: Any) -> str:
    return hashlib.sha256(content).hexdigest()[:_DIGITS]
