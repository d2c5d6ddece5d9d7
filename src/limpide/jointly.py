"""A run in several processes: what must be the same in all, and the checkpoint that one writes.

Answers for refusing processes that were given different things, and for handing what process 0 has
read to the others. Not for: how they speak (``limpide.engines.team``), checkpoints themselves.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from limpide.checkpoints import Keeper
from limpide.engines.team import Team
from limpide.errors import ArgumentError
from limpide.identity import Words, differences
from limpide.ir import Array
from limpide.snapshots import Snapshot, pack, unpack

_REST = "rest"


def check_same(team: Team, words: Words) -> None:
    """Refuse a run whose processes were given different settings, rows or first weights.

    Raises
    ------
    ArgumentError
        In all of them; it says what differs.
    """
    first, *others = team.each("what is run", words)
    for number, other in enumerate(others, start=1):
        told = f"{{name}} is {{was}} in process 0, {{now}} in process {number}"
        if found := differences(first, other, told):
            raise ArgumentError(
                f"Process {number} was given something else than process 0: {found}. Let all "
                "processes run the same lines on the same data, with the same seeds."
            )


class SharedKeeper:
    """The checkpoint of a run in several processes: process 0 reads and writes it.

    Parameters
    ----------
    keeper
        Process 0's; None in the others.
    team
        The processes.
    """

    def __init__(self, keeper: Keeper | None, team: Team) -> None:
        self._keeper, self._team, self._path = keeper, team, ""

    def __enter__(self) -> Snapshot | None:
        """As ``Keeper``; what is refused there is refused in all processes."""
        path = "" if self._keeper is None else self._keeper.path
        found = self._team.first("the checkpoint", self._begun)
        self._path = self._team.agreed("the checkpoint's path", path)
        snapshot = _unpacked(found) if found else None
        if snapshot is not None:
            self._tell(snapshot)
        return snapshot

    def _begun(self) -> bytes:
        assert self._keeper is not None
        snapshot = self._keeper.__enter__()
        return b"" if snapshot is None else _packed(snapshot)

    def __exit__(self, *error: object) -> None:
        if self._keeper is not None:
            self._keeper.__exit__(*error)

    def epochs_to_go(self, epochs: int) -> int | None:
        own = None if self._keeper is None else self._keeper.epochs_to_go(epochs)
        found: int | None = self._team.agreed("epochs to go", own)
        return found

    def is_due(self, epochs: int | None = None) -> bool:
        own = self._keeper is not None and self._keeper.is_due(epochs)
        return bool(self._team.agreed("a checkpoint is due", own))

    def write(self, snapshot: Snapshot, finished: bool = False) -> None:
        if self._keeper is not None:
            self._keeper.write(snapshot, finished)
        self._tell(snapshot)

    def put_off(self, epochs: int) -> None:
        if self._keeper is not None:
            self._keeper.put_off(epochs)

    def _tell(self, snapshot: Snapshot) -> None:
        self._team.keeps(
            f"The checkpoint {self._path!r} keeps the run up to step {snapshot.history.steps}: "
            "begin again with --resume, or resume=True."
        )


def _packed(snapshot: Snapshot) -> bytes:
    tensors: dict[str, Array] = {}
    rest = pack(snapshot, tensors)
    return pack_arrays(rest, tensors)


def _unpacked(data: bytes) -> Snapshot:
    rest, tensors = unpack_arrays(data)
    return unpack(tensors, rest)


def pack_arrays(rest: Any, arrays: Mapping[str, Array]) -> bytes:
    """Give arrays by name, and what else is to be told, as bytes.

    >>> rest, arrays = unpack_arrays(pack_arrays({"rows": 2}, {"x": np.ones(2)}))
    >>> rest, arrays["x"]
    ({'rows': 2}, array([1., 1.]))
    """
    told = json.dumps({"names": list(arrays), _REST: rest}).encode()
    file = io.BytesIO()
    numbered: dict[str, Any] = {f"a{i}": np.asarray(a) for i, a in enumerate(arrays.values())}
    np.savez(file, rest=np.frombuffer(told, np.uint8), **numbered)
    return file.getvalue()


def unpack_arrays(data: bytes) -> tuple[Any, dict[str, Array]]:
    """Give back what ``pack_arrays`` was given."""
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        told = json.loads(file[_REST].tobytes())
        return told[_REST], {name: file[f"a{i}"] for i, name in enumerate(told["names"])}
