"""One table of which several processes read a share of the rows each, and learn as if it were one.

Answers for which rows those are, and for all that has to be known of the whole: how its columns are
read, what is found in them, the rows held out. Not for: one process's reading
(``limpide.large_tables``), nor for running steps together (``limpide.training``).
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from limpide.engines.team import Team
from limpide.errors import DataError
from limpide.identity import Words, described
from limpide.ir import Array
from limpide.jointly import check_same, pack_arrays, unpack_arrays
from limpide.stored_rows import StoredRows
from limpide.tables.parts import ParquetParts
from limpide.tables.survey import HeldOut, Survey, look_over

_KEPT = ("X", "y", "learned", "weights")  # of rows that are held out


class Shares:
    """The shares of a table, of which this process reads one.

    Parameters
    ----------
    team
        The processes.
    whole
        The table.
    words
        What each process was asked for.

    Attributes
    ----------
    parts
        The table, of which this process's rows are read.
    number
        Which of the processes this is.

    Raises
    ------
    ArgumentError
        The processes were given different tables, or something else that differs.
    DataError
        There are fewer rows than processes.
    """

    def __init__(self, team: Team, whole: ParquetParts, words: Words) -> None:
        self._team, self.number = team, team.number
        files = {"columns": ", ".join(whole.columns), "rows of each file": whole.counts}
        check_same(team, words | {name: described(value) for name, value in files.items()})
        n, size = whole.n_rows, team.size
        if n < size:
            raise DataError(
                f"{whole.source} has {n} {'row' if n == 1 else 'rows'}, too few to share out among "
                f"{size} processes. Train in one process."
            )
        self.parts = whole.within(n * team.number // size, n * (team.number + 1) // size)

    def surveyed(
        self,
        target: str,
        held_out: Callable[[], HeldOut],
        sample: int,
        part: int,
        weights: Array | None,
    ) -> Survey:
        """Look over all shares; see ``limpide.tables.survey.look_over``.

        The same is found in all processes, but for which rows at even distances make the sample:
        they are counted in each share anew.
        """
        parts, settled = self.parts, set[str]()
        room = sample // self._team.size  # for the texts of a share
        parts.judge_by(self._frames("the first cells", parts.judges()))
        while True:
            own = look_over(parts, target, held_out, sample, part, weights)
            if parts.settle(self._frames("the dtypes of columns", parts.dtypes()), settled):
                break
        survey = Survey(parts.source, parts.columns, target, parts.n_rows, sample)
        for told in self._team.gathered("what was found", _packed(*own.told(room))):
            survey.take(*_unpacked(told))
        parts.take_marks(self._team.each("missing cells", parts.marks()))
        survey.check_left()
        return survey

    def check(self, **decided: Any) -> None:
        """See that all processes have decided the same by what was found."""
        check_same(self._team, {name: described(value) for name, value in decided.items()})

    def told(self, recipe: dict[str, Any]) -> list[str]:
        """Let a step take as many rows of each process, and say so."""
        size, asked = self._team.size, recipe["batch_size"]
        recipe["batch_size"] = taken = -(-asked // size) * size
        told = [f"read in shares: each of {size} processes has its own rows, on its disk"]
        if taken != asked:
            told.append(
                f"a step takes {taken} rows instead of {asked}: as many of each of {size} processes"
            )
        return told

    def held(self, arrays: Sequence[Array | None]) -> list[tuple[Array | None, ...]]:
        """Give the rows held out of all shares that have some, in order; of ``_KEPT``, or none."""
        own = dict(zip(_KEPT, arrays, strict=True)) if arrays else {}
        told = pack_arrays(None, {name: a for name, a in own.items() if a is not None})
        found = [unpack_arrays(one)[1] for one in self._team.gathered("rows held out", told)]
        return [tuple(one.get(name) for name in _KEPT) for one in found if one]

    def added(self, counts: Mapping[str, Array]) -> dict[str, Array]:
        """Give counts by name, added up."""
        found: dict[str, Array] = {}
        for told in self._team.gathered("counts", pack_arrays(None, counts)):
            for name, more in unpack_arrays(told)[1].items():
                found[name] = found.get(name, 0.0) + more
        return found

    def shown(self, tables: Sequence[pl.DataFrame]) -> list[pl.DataFrame]:
        """Give the rows that are kept for the report, of all shares that have some."""
        own = {str(number): table for number, table in enumerate(tables)}
        found = self._team.gathered("rows to show", _packed(None, own))
        return [table for told in found for table in _unpacked(told)[1].values()]

    def complete(self, stored: StoredRows) -> None:
        """Let the rows on this process's disk know of the others'."""
        first = {str(place): array for place, array in enumerate(stored.first())}
        told = self._team.gathered("rows on disk", pack_arrays(stored.words(), first))
        found = [unpack_arrays(one) for one in told]
        spare = next(rows for _, rows in found if len(rows["0"]))
        checksum = hashlib.sha256(json.dumps([words for words, _ in found]).encode()).hexdigest()
        stored.complete(
            list(spare.values()),
            f"shares of {self._team.size} processes with checksum {checksum[:16]}, in "
            f"{stored.windows} windows (as many as memory asks for)",
        )

    def _frames(self, what: str, frame: pl.DataFrame) -> list[pl.DataFrame]:
        """Give the frame of each process."""
        return [pl.read_ipc(io.BytesIO(one)) for one in self._team.gathered(what, _bytes(frame))]


def _bytes(frame: pl.DataFrame) -> bytes:
    file = io.BytesIO()
    frame.write_ipc(file)
    return file.getvalue()


def _packed(rest: Any, frames: Mapping[str, pl.DataFrame]) -> bytes:
    """Give frames by name, and what else is to be told, as bytes: Arrow IPC and JSON."""
    there = {name: frame for name, frame in frames.items() if frame.width}
    arrays = {name: np.frombuffer(_bytes(frame), np.uint8) for name, frame in there.items()}
    return pack_arrays(rest, arrays)


def _unpacked(data: bytes) -> tuple[Any, dict[str, pl.DataFrame]]:
    rest, arrays = unpack_arrays(data)
    return rest, {n: pl.read_ipc(io.BytesIO(a.tobytes())) for n, a in arrays.items()}
