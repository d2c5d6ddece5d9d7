"""What is found in a table that is read part by part: all that its columns are decided by.

Answers for one pass over the parts of a table: a sample of its numbers, how often each text stands
there, the values of the target. Not for: reading parts (``parts``), nor for deciding (``fitting``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from limpide.errors import DataError
from limpide.tables.cells import ALL_MISSING
from limpide.tables.columns import apart, plain
from limpide.tables.features import check_finite, kind_of
from limpide.tables.fitting import Seen
from limpide.tables.parts import Parts, ReadAgain
from limpide.tables.scales import SAMPLE
from limpide.tables.table import ListedLines, Table, missing_column, plural
from limpide.tables.targets import MOST_CLASSES, no_target, told_lost

_FEWEST = 2_000  # rows of the sample, however wide they are
_SPARE = 1_000  # numbers of a column that are kept for the case that the sample holds none
_FEWEST_TEXTS = 500  # of a column that are counted, however long they are
_LEAST_HASHES = 4096  # tell how many different texts there are to 2 in 100
_A_TEXT = 40  # bytes beside its letters, while texts are added up
_MOST_LABELS = 100_000  # different values of the target that are kept
_A_NUMBER = 8  # bytes
_COUNTS = ("n_rows", "n_known", "lost")  # of a survey
_DRAWN = 1 << 16  # numbers at once


class HeldOut:
    """Draws which rows are held out, the same whenever a table is read anew.

    Examples
    --------
    >>> HeldOut(0.2, seed=0).next(5).tolist() == HeldOut(0.2, seed=0).next(5).tolist()
    True
    >>> HeldOut(0.2, seed=0, first=3).next(2).tolist() == HeldOut(0.2, seed=0).next(5)[3:].tolist()
    True
    """

    def __init__(self, share: float, seed: int, first: int = 0) -> None:
        self._share = share
        self._random = np.random.Generator(np.random.Philox(seed))
        for start in range(0, first, _DRAWN):
            self._random.random(min(_DRAWN, first - start))

    def next(self, count: int) -> NDArray[np.bool_]:
        """Say of each of the next rows whether it is."""
        return self._random.random(count) < self._share


class Texts:
    """How often each text stands in a column, as exactly as memory allows.

    Where there are too many, the rarest are given up, and how many different ones there were is
    estimated by the least of their hashes (Bar-Yossef et al. 2002).
    """

    def __init__(self) -> None:
        self._counts = pl.DataFrame(schema={"cell": pl.String, "count": pl.Int64})
        self._more: list[pl.DataFrame] = []  # of the parts since these were added up
        self._size = 0  # bytes of both
        self._cells = 0
        self._least = np.empty(0, np.uint64)  # hashes
        self._is_whole = True

    def add(self, cells: pl.Series, room: int) -> None:
        """Count the texts of a part; about ``room`` bytes may be kept."""
        known = cells.drop_nulls()
        found = known.value_counts(sort=False).with_columns(pl.col("count").cast(pl.Int64))
        hashes = np.asarray(found["cell"].hash(0))
        self._least = np.unique(np.concatenate([self._least, hashes]))[:_LEAST_HASHES]
        self._cells += len(known)
        self._more.append(found)
        self._size += _bytes(found)
        if self._size > room:
            self._shorten(room)

    def _shorten(self, room: int) -> None:
        """Add up, and give up the rarest until half of the room is free again."""
        counts = self.counts
        size = _bytes(counts)
        if 2 * size > room:
            number = max(counts.height * room // (2 * size), _FEWEST_TEXTS)
            # What stands in few rows is taken as one in the end, too.
            counts = counts.sort(["count", "cell"], descending=[True, False])[:number]
            counts = counts.with_columns(apart(counts["cell"]))
            self._is_whole = False
        self._counts, self._size = counts, _bytes(counts)

    def take(self, counts: pl.DataFrame, hashes: pl.Series, rest: Any, room: int) -> None:
        """Add the texts of a share, as ``told`` by it."""
        both = np.concatenate([self._least, np.asarray(hashes)])
        self._least = np.unique(both)[:_LEAST_HASHES]
        self._cells += rest["cells"]
        self._is_whole &= rest["is whole"]
        self._more.append(counts)
        self._size += _bytes(counts)
        if self._size > room:
            self._shorten(room)

    def told(self, room: int) -> tuple[pl.DataFrame, pl.Series, Any]:
        """Give what was found, for ``take``, in about so many bytes."""
        if _bytes(self.counts) > room:
            self._shorten(room)
        rest = {"cells": self._cells, "is whole": self._is_whole}
        return self.counts, pl.Series("hash", self._least), rest

    @property
    def counts(self) -> pl.DataFrame:
        """Each text (``cell``) and how often it stands there (``count``)."""
        if self._more:
            both = pl.concat([self._counts, *self._more])
            self._counts, self._more = both.group_by("cell").agg(pl.col("count").sum()), []
        return self._counts

    def given_up(self) -> tuple[int, int]:
        """Give how many texts were given up, and how many cells were not counted for it."""
        if self._is_whole:
            return 0, 0
        kinds = len(self._least)
        if kinds == _LEAST_HASHES:
            kinds = round((kinds - 1) / (float(self._least[-1]) / 2**64))
        kinds = min(max(kinds, self.counts.height), self._cells)
        return kinds - self.counts.height, self._cells - int(self.counts["count"].sum())


def _bytes(counts: pl.DataFrame) -> int:
    return int(counts.estimated_size()) + _A_TEXT * counts.height


@dataclass
class _Column:
    """One column as far as it has been seen."""

    name: str
    dtype: pl.DataType | None = None  # of a part that has a cell
    rows: int = 0
    missing: int = 0
    least: Any = None
    largest: Any = None
    texts: Texts | None = None  # of a column of text
    spare: list[pl.Series] = field(default_factory=list)
    n_spare: int = 0

    def add(self, cells: pl.Series, missing: int, least: Any, largest: Any, room: int) -> None:
        """Take up the cells of a part; texts may take so many bytes."""
        self.rows += len(cells)
        self.missing += missing
        if missing == len(cells):
            return
        self.dtype = cells.dtype
        self.least = least if self.least is None else min(self.least, least)
        self.largest = largest if self.largest is None else max(self.largest, largest)
        if cells.dtype == pl.String:
            self.texts = self.texts or Texts()
            self.texts.add(plain(cells), room)
        elif self.n_spare < _SPARE:
            self.spare.append(plain(cells).drop_nulls().head(_SPARE - self.n_spare))
            self.n_spare += len(self.spare[-1])

    def told(self, room: int) -> tuple[Any, dict[str, pl.DataFrame]]:
        """Give what was found, for ``take``; of texts, so many bytes."""
        rest: dict[str, Any] = {"rows": self.rows, "missing": self.missing}
        frames = {}
        if self.dtype is not None:
            ends = [self.least, self.largest]
            dtype = pl.Float64 if any(isinstance(end, float) for end in ends) else self.dtype
            frames["ends"] = pl.Series("cell", ends, dtype=dtype, strict=False).to_frame()
        if self.texts is not None:
            frames["counts"], hashes, rest["texts"] = self.texts.told(room)
            frames["hashes"] = hashes.to_frame()
        elif self.spare:
            frames["spare"] = _joined(self.spare).to_frame()
        return rest, frames

    def take(self, rest: Any, frames: Mapping[str, pl.DataFrame], room: int) -> None:
        """Add what a share has ``told``."""
        self.rows += rest["rows"]
        self.missing += rest["missing"]
        if "ends" not in frames:
            return
        ends = frames["ends"].to_series()
        self.dtype = ends.dtype
        least, largest = ends[0], ends[1]
        self.least = least if self.least is None else min(self.least, least)
        self.largest = largest if self.largest is None else max(self.largest, largest)
        if "counts" in frames:
            self.texts = self.texts or Texts()
            hashes = frames["hashes"].to_series()
            self.texts.take(frames["counts"], hashes, rest["texts"], room)
        elif "spare" in frames and self.n_spare < _SPARE:
            self.spare.append(frames["spare"].to_series().head(_SPARE - self.n_spare))
            self.n_spare += len(self.spare[-1])

    def seen(self, sample: list[pl.Series]) -> Seen:
        """Give what its treatment is decided by."""
        kind = "number" if self.dtype is None else kind_of(self.dtype)
        seen = Seen(self.name, kind, self.rows, self.missing)
        if self.dtype is not None and not self.missing and self.least == self.largest:
            seen.constant = str(self.least)
        if self.texts is not None:
            seen.counts, seen.others, seen.lost = self.texts.counts, *self.texts.given_up()
        elif self.dtype is not None:
            some = any(cells.null_count() < len(cells) for cells in sample)
            seen.cells = _joined(sample if some else self.spare)
        return seen


def _with_cells(sample: pl.DataFrame) -> pl.DataFrame:
    """Leave out columns without a cell: other shares may have some, of another dtype."""
    return pl.DataFrame([c for c in sample if c.null_count() < len(c)])


def _joined(pieces: list[pl.Series]) -> pl.Series:
    return pl.concat([p.to_frame() for p in pieces], how="vertical_relaxed").to_series()


class Survey:
    """What one pass over a table has found; parts are added one after the other.

    Parameters
    ----------
    source
        What messages call the table.
    columns, target
        Its columns, and which is the target.
    n_rows
        How many rows there are in all.
    size
        About how many bytes the sample may take.

    Attributes
    ----------
    n_rows
        How many rows there are to learn from.
    n_known, lost
        How many rows have a target, and how many have none.
    shares
        Of each share that was taken: how many rows there are to learn from.
    """

    def __init__(
        self, source: str, columns: Sequence[str], target: str, n_rows: int, size: int
    ) -> None:
        if target not in columns:
            raise missing_column(target, columns, "Target column")
        self.source, self._target = source, target
        self.names = [name for name in columns if name != target]
        least = max(size // (_A_NUMBER * len(columns)), _FEWEST)
        self._room = size  # for texts
        self._step = -(-n_rows // min(least, SAMPLE))
        self.n_rows = self.n_known = self.lost = 0
        self.shares: list[int] = []
        self._first_notes: list[str] | None = None
        self._missing = dict.fromkeys(self.names, 0)
        self._columns = {name: _Column(name) for name in self.names}
        self._sample: list[pl.DataFrame] = []
        self._targets: list[pl.Series] = []
        self._labels: list[pl.Series] = []
        self._places: list[NDArray[np.int64]] = []  # rows of the labels
        self._lines: ListedLines | None = None
        self._weights = pl.DataFrame(schema={"cell": pl.Null, "weight": pl.Float64})

    def add(
        self, table: Table, held: NDArray[np.bool_], weights: NDArray[np.float64] | None = None
    ) -> None:
        """Take up a part, which of its rows are held out, and how often each counts."""
        check_finite(table, self.names)
        if self._first_notes is None:
            self._first_notes = table.notes
        cells = plain(table.frame[self._target])
        there = np.asarray(cells.is_not_null())
        self.lost += int((~there).sum())
        self.n_known += int(there.sum())
        self._take_labels(table, cells, there)
        trained = np.flatnonzero(there & ~held)
        places = np.arange(-self.n_rows % self._step, len(trained), self._step)
        frame = pl.DataFrame([c for c in table.frame if c.name != self._target])
        for name, missing in zip(self.names, frame.null_count().row(0), strict=True):
            self._missing[name] += missing
        if len(trained) < table.n_rows:
            frame = frame[trained]
        frame.columns = [str(i) for i in range(frame.width)]  # polars takes ^x$ for a pattern
        facts = [f.row(0) for f in (frame.null_count(), frame.min(), frame.max())]
        # Text is counted, and a sample of it would hold all of the part.
        numbers = [dtype != pl.String for dtype in frame.dtypes]
        room = self._room // max(numbers.count(False), 1)
        for name, column, gone, least, largest in zip(self.names, frame, *facts, strict=True):
            self._columns[name].add(column, gone, least, largest, room)
        self._sample.append(frame[places, numbers])
        self._targets.append(apart(cells.gather(trained[places])))
        self._weigh_labels(cells.gather(trained), None if weights is None else weights[trained])
        self.n_rows += len(trained)

    def _take_labels(self, table: Table, cells: pl.Series, there: NDArray[np.bool_]) -> None:
        """Keep the first row of each value of the target that is new."""
        known = sum(map(len, self._labels))
        if known >= _MOST_LABELS:
            return
        first = _joined([*self._labels, cells]).is_first_distinct()
        rows = np.flatnonzero(there & np.asarray(first)[known:])
        if len(rows):
            self._labels.append(apart(cells.gather(rows)))
            self._places.append(rows if table.origin is None else table.origin[rows])
            if isinstance(table.lines, ListedLines):
                more = ListedLines(lines=table.lines.lines[rows], numbers=table.lines.numbers[rows])
                self._lines = more if self._lines is None else more.behind(self._lines)

    def _weigh_labels(self, cells: pl.Series, weights: NDArray[np.float64] | None) -> None:
        """Add up the weights of each value of the target; of classes, of which there are few."""
        if self._weights.height > MOST_CLASSES:
            return
        more = pl.Series("weight", np.ones(len(cells)) if weights is None else weights)
        self._add_weights(pl.DataFrame([cells, more]))

    def _add_weights(self, more: pl.DataFrame) -> None:
        pairs = pl.concat([self._weights, more], how="vertical_relaxed")
        self._weights = pairs.group_by("cell", maintain_order=True).agg(pl.col("weight").sum())

    # Shares of one table, each looked at by another process --------------------------------------

    def told(self, room: int) -> tuple[Any, dict[str, pl.DataFrame]]:
        """Give what was found, for ``take``: what is plain enough for JSON, and frames by name.

        ``room``: how many bytes the texts may have.
        """
        room //= max(sum(column.texts is not None for column in self._columns.values()), 1)
        numbers = {name: getattr(self, name) for name in _COUNTS}
        rest = {**numbers, "notes": self._first_notes, "missing": list(self._missing.values())}
        rest["columns"] = columns = []
        frames = {f"sample {i}": _with_cells(part) for i, part in enumerate(self._sample)}
        for place, column in enumerate(self._columns.values()):
            found, more = column.told(room)
            columns.append(found)
            frames |= {f"column {place} {name}": frame for name, frame in more.items()}
        if self._targets:
            frames["targets"] = _joined(self._targets).to_frame()
        if self._labels:
            places = pl.Series("place", np.concatenate(self._places))
            frames["labels"] = pl.DataFrame([_joined(self._labels), places])
        if self._weights.height:
            frames["weights"] = self._weights
        return rest, frames

    def take(self, rest: Any, frames: Mapping[str, pl.DataFrame]) -> None:
        """Add what a share has ``told``; shares come in the order of their rows."""
        for name in _COUNTS:
            setattr(self, name, getattr(self, name) + rest[name])
        self.shares.append(rest["n_rows"])
        if self._first_notes is None:
            self._first_notes = rest["notes"]
        self._sample += [frame for name, frame in frames.items() if name.startswith("sample ")]
        texts = sum("texts" in column for column in rest["columns"])
        room = self._room // max(texts, 1)
        for place, (name, missing) in enumerate(zip(self.names, rest["missing"], strict=True)):
            self._missing[name] += missing
            start = f"column {place} "
            own = {n.removeprefix(start): f for n, f in frames.items() if n.startswith(start)}
            self._columns[name].take(rest["columns"][place], own, room)
        if "targets" in frames:
            self._targets.append(frames["targets"].to_series())
        if "labels" in frames:
            self._take_labels_of(frames["labels"])
        if "weights" in frames:
            self._add_weights(frames["weights"])

    def _take_labels_of(self, found: pl.DataFrame) -> None:
        cells, places = found.to_series(0), np.asarray(found.to_series(1))
        known = sum(map(len, self._labels))
        rows = np.flatnonzero(_joined([*self._labels, cells]).is_first_distinct())
        rows = rows[rows >= known] - known
        self._labels.append(cells.gather(rows))
        self._places.append(places[rows])

    def check_left(self) -> None:
        """Refuse a table in which rows have a target, and none of them is to learn from."""
        if self.n_known and not self.n_rows:
            raise DataError(f"{self.source} has no row left to learn from. Lower validation.")

    @property
    def label_weights(self) -> tuple[Table, NDArray[np.float64]]:
        """A table of the classes that there are to learn from, and the weight of each."""
        values = self._weights["cell"].alias(self._target).to_frame()
        return Table(values, self.source), np.asarray(self._weights["weight"])

    @property
    def seen(self) -> Iterator[Seen]:
        """What was seen of each column but the target."""
        sample = [dict(zip(part.columns, part, strict=True)) for part in self._sample]
        for place, name in enumerate(self.names):
            found = [part[str(place)] for part in sample if str(place) in part]
            yield self._columns[name].seen([plain(cells) for cells in found])

    @property
    def n_numbers(self) -> int:
        """How many of the columns but the target are no text."""
        return sum(column.texts is None for column in self._columns.values())

    @property
    def labels(self) -> Table:
        """A table of the target alone: the first row of each value that it has.

        Raises
        ------
        DataError
            Every cell of the target is missing.
        """
        if not self._labels:
            raise no_target(self.source, self._target)
        values = _joined(self._labels).alias(self._target).to_frame()
        if self._lines is not None:
            return Table(values, self.source, lines=self._lines)
        return Table(values, self.source, origin=np.concatenate(self._places))

    @property
    def targets(self) -> Table:
        """A table of the target alone: its values in the sample of rows to learn from."""
        return Table(_joined(self._targets).alias(self._target).to_frame(), self.source)

    @property
    def gaps(self) -> list[str]:
        """How many cells are missing."""
        counts = [n for n in self._missing.values() if n]
        if not counts:
            return []
        cells, columns = plural(sum(counts), "cell"), plural(len(counts), "column")
        return [f"missing: {cells} in {columns}"]

    @property
    def notes(self) -> list[str]:
        """How columns were read, by the first part, and which rows are left out."""
        found = [note for note in self._first_notes or [] if not note.endswith(ALL_MISSING)]
        whole = [name for name, n in self._missing.items() if n == self.n_known + self.lost]
        found += [f"column {name!r}: {ALL_MISSING}" for name in whole]
        if self.lost:
            found.append(told_lost(self.lost, self._target))
        return found


def surveyed(
    parts: Parts,
    target: str,
    held_out: Callable[[], HeldOut],
    sample: int,
    part: int,
    weights: NDArray[np.float64] | None = None,
) -> Survey:
    """Go over a table, and refuse one that cannot be learned from; see ``look_over``.

    Raises
    ------
    DataError
        The table has no rows to learn from, or no such target.
    """
    survey = look_over(parts, target, held_out, sample, part, weights)
    survey.check_left()
    return survey


def look_over(
    parts: Parts,
    target: str,
    held_out: Callable[[], HeldOut],
    sample: int,
    part: int,
    weights: NDArray[np.float64] | None = None,
) -> Survey:
    """Go over a table, or the share of it that is read, and anew where a column proves to be text.

    Parameters
    ----------
    held_out
        Makes what draws what each row is for.
    sample, part
        Bytes of the sample, and of a part.
    weights
        How often each row counts, in all of the table.

    Raises
    ------
    DataError
        There is no such target.
    """
    while True:
        draw, read = held_out(), parts.first
        survey = Survey(parts.source, parts.columns, target, parts.n_rows, sample)
        try:
            for table in parts.tables(part):
                rows = slice(read, read + table.n_rows)
                held = draw.next(table.n_rows)
                survey.add(table, held, None if weights is None else weights[rows])
                read += table.n_rows
        except ReadAgain:
            continue
        return survey
