"""limpide as its users call it: ``network.fit``, all of it.

Answers for our side of each comparison. Not for: what happens inside ``fit``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from limpide.bench.peers import jax_peer
from limpide.bench.peers.program import Form
from limpide.bench.workloads import Workload

TITLE = "limpide"
PACKAGE = "limpide"


def lacks(work: Workload) -> str:
    return ""


def forms(work: Workload) -> list[Form]:
    return [Form("")]


class _Program:
    def __init__(self, work: Workload, engine: str | None) -> None:
        if work.device == "gpu":
            jax_peer.need_device(work)
        self._network = work.network()
        self._first = {name: array.copy() for name, array in self._network.params.items()}
        self._data = work.data()
        self._shuffle = work.shuffle
        self._settings: dict[str, Any] = {
            "loss": work.loss,
            "optimizer": work.update(),
            "batch_size": work.batch,
            "engine": engine,
            "progress": False,
        }
        if work.compute_dtype:
            self._settings["compute_dtype"] = work.compute_dtype

    def reset(self) -> None:
        for name, array in self._network.params.items():
            array[...] = self._first[name]

    def run(self, epochs: int, shuffled: bool) -> Sequence[float]:
        X, y = self._data
        shuffle = shuffled and self._shuffle
        return self._network.fit(X, y, epochs=epochs, shuffle=shuffle, **self._settings).loss


def build(work: Workload, options: Mapping[str, Any]) -> _Program:
    return _Program(work, options.get("engine"))
