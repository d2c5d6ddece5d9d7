"""Rows to learn from that lie on disk: written once at random, read window by window.

Answers for ``StoredRows``, how they are mixed and read ahead. Not for: how a table becomes such
rows (``limpide.large_tables``), or rows in memory (``limpide.rows``).
"""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

import numpy as np

from limpide.errors import DataError, FileError
from limpide.feeds import Steps
from limpide.ir import Array, spec_of
from limpide.memory import size_text
from limpide.rng import RowOrder

_OTHER = 1 << 32  # no seed of a user's: windows are not drawn as rows are
_OF_A_PROCESS = 1 << 33
_ROOM = 1 << 26  # bytes that stay free on the disk


class StoredRows:
    """Rows in a file without a name, which vanishes with the process that holds it.

    They lie in windows of whole batches. Which window a row comes to is drawn, so that each holds
    a random choice of all rows, whatever order they came in; an epoch takes the windows in an order
    of its own, and the rows of each. Only two or three windows are ever in memory.

    Where several processes have a share of the rows each, their epochs are of as many places, and
    so of as many steps: windows of a shorter share end with places for a row of weight 0.

    Parameters
    ----------
    counts
        How many rows there will be; of several processes, in each of them.
    rows
        X, y and perhaps weights of some of them, or of none: their dtypes and shapes.
    batch_size
        Of the steps; with shares, the rows that each process gives to a step.
    window
        About how many bytes a window has.
    seed
        Draws the windows.
    number
        Which of the processes this is.

    Attributes
    ----------
    n_rows
        How many places an epoch has.
    processes
        How many have a share.

    Raises
    ------
    FileError
        The disk has no room for them.
    """

    def __init__(
        self,
        counts: Sequence[int],
        rows: Sequence[Array],
        batch_size: int,
        window: int,
        seed: int,
        number: int = 0,
    ) -> None:
        self.n_rows, self.batch_size = max(counts), batch_size
        self.processes, self._number = len(counts), number
        self.X, self.y, *rest = (array[:0].copy() for array in rows)
        self.weights: Array | None = rest[0] if rest else None
        #: Bytes of a row in each array.
        self._widths = [a.itemsize * int(np.prod(a.shape[1:])) for a in self.arrays()]
        #: Places of each window, and the rows that it has of each process.
        self.places = _window_sizes(self.n_rows, batch_size, window // sum(self._widths))
        self._there = np.array([_spread(self.places, count) for count in counts])
        self._sizes: Array = self._there[number]
        self._starts = np.cumsum(self._sizes) - self._sizes
        self._filled = np.zeros(len(self._sizes), np.int64)
        self._spare: list[Array] = []  # a row for the places without one
        self._words = ""
        self._random = np.random.Generator(np.random.Philox(self.own_seed(seed)))
        self._folder = _folder()
        self._check_room()
        with self._told():
            self._files = [self._file() for _ in self._widths]
        self._end = weakref.finalize(self, _close, self._files)

    #: As ``rows.Data`` has it: which of the rows are trained on. All.
    rows: Array | None = None

    def arrays(self) -> list[Array]:
        """Give arrays without rows, of the dtypes and shapes that the rows have."""
        return [a for a in (self.X, self.y, self.weights) if a is not None]

    def _file(self) -> Any:
        return tempfile.TemporaryFile(buffering=0, dir=self._folder, prefix="limpide-")

    @property
    def windows(self) -> int:
        return len(self.places)

    def own_seed(self, seed: int) -> int:
        """Give a seed of this process: if all drew the same, the same rows would always meet."""
        return seed + self._number * _OF_A_PROCESS

    def close(self) -> None:
        """Let go of the disk's space."""
        self._end()

    def add(self, rows: Sequence[Array]) -> None:
        """Write some more rows, each to a window that is drawn."""
        count = len(rows[0])
        if count + self._filled.sum() > self._sizes.sum():
            raise DataError("The table has more rows than it had. Let nobody write to it.")
        order = self._random.permutation(count)
        mixed = [np.ascontiguousarray(array[order]) for array in rows]
        begin = 0
        for window, share in enumerate(self._shares(count).tolist()):
            if share:
                place = int(self._starts[window] + self._filled[window])
                for file, array, width in zip(self._files, mixed, self._widths, strict=True):
                    self._write(file, place * width, array[begin : begin + share])
                self._filled[window] += share
                begin += share

    def _shares(self, count: int) -> Array:
        """Draw how many of so many rows each window gets, by the room that it has left."""
        room = self._sizes - self._filled
        shares = np.zeros_like(room)
        while (lack := count - int(shares.sum())) > 0:
            left = room - shares
            shares += np.minimum(self._random.multinomial(lack, left / left.sum()), left)
        return shares

    def _write(self, file: Any, place: int, rows: Array) -> None:
        left = rows.reshape(-1).view(np.uint8).data
        with self._told():
            file.seek(place)
            while left:
                left = left[file.write(left) :]

    def _check_room(self) -> None:
        needed = int(self._sizes.sum()) * sum(self._widths)
        with self._told():
            free = shutil.disk_usage(self._folder).free
        if needed + _ROOM > free:
            raise FileError(
                f"The rows to learn from take {size_text(needed)} on disk, and {self._folder!r} "
                f"has {size_text(free)} free, of which {size_text(_ROOM)} are left to others. Set "
                "TMPDIR to a folder on a larger disk."
            )

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as fault:
            raise FileError(
                f"Rows cannot be kept in {self._folder!r} while they are learned: "
                f"{fault.strerror or fault}. Set TMPDIR to a folder on a disk with room."
            ) from fault

    # Reading ------------------------------------------------------------------------------------

    def complete(self, spare: Sequence[Array], words: str) -> None:
        """Take up what is known of all shares once they are there.

        Parameters
        ----------
        spare
            A row of one of them, for places without a row.
        words
            What ``words`` is to say.
        """
        self._spare, self._words = [array.copy() for array in spare], words
        self._spare[-1][:] = 0  # its weight

    def rows_of_steps(self, seed: int, epoch: int) -> Array:
        """Give how many rows each step of an epoch has, of all processes: i64[steps]."""
        size, found = self.batch_size, []
        for window in self.visits(RowOrder(_OTHER + seed), epoch):
            starts = np.arange(0, self.places[window], size)
            rows = np.clip(self._there[:, window, None] - starts, 0, size)
            found.append(rows.sum(axis=0))
        return np.concatenate(found)

    def window(self, number: int) -> list[Array]:
        """Read a window: X, y and perhaps weights; rows of weight 0 come last."""
        rows, lack = self._read(number), int(self.places[number] - self._sizes[number])
        if not lack:
            return rows
        pairs = zip(rows, self._spare, strict=True)
        return [np.concatenate([array, np.repeat(spare, lack, axis=0)]) for array, spare in pairs]

    def first(self) -> list[Array]:
        """Read the first row, if there is one."""
        windows = np.flatnonzero(self._sizes)
        return [array[:1] for array in self._read(int(windows[0]) if len(windows) else 0)]

    def _read(self, number: int) -> list[Array]:
        if (self._filled != self._sizes).any():
            raise DataError("The table has fewer rows than it had. Let nobody write to it.")
        start, size = int(self._starts[number]), int(self._sizes[number])
        found = []
        for file, like, width in zip(self._files, self.arrays(), self._widths, strict=True):
            array = np.empty((size, *like.shape[1:]), like.dtype)
            left = array.reshape(-1).view(np.uint8).data
            with self._told():
                file.seek(start * width)
                while left:
                    count = file.readinto(left)
                    if not count:
                        raise OSError("the file has lost its end")
                    left = left[count:]
            found.append(array)
        return found

    def words(self) -> str:
        """Give dtypes, shapes and a checksum of all rows, and how they lie.

        Of shares, before they are complete: of this process's.
        """
        if self._words:
            return self._words
        digest = sha256()
        for number in range(self.windows):
            for array in self._read(number):
                digest.update(array.reshape(-1).view(np.uint8).data)
        kinds = " and ".join(str(spec_of(array)) for array in self.arrays())
        kinds = kinds.replace("[0", f"[{self._sizes.sum()}")
        return (
            f"{kinds} with checksum {digest.hexdigest()[:16]}, in {self.windows} windows (as many "
            "as memory asks for)"
        )

    def visits(self, order: RowOrder, epoch: int) -> Array:
        """Give the windows of an epoch in order, the short one last."""
        found = np.empty((1, self.windows - 1), np.int64)
        order.draw(epoch, found)
        visits: Array = np.append(found[0], self.windows - 1)
        return visits

    def feed(self, seed: int, fast: type[RowOrder] = RowOrder) -> FromDisk:
        """Give the rows of a run in orders drawn by a seed; ``fast`` is what draws them."""
        return FromDisk(self, seed, fast)


def _close(files: Sequence[Any]) -> None:
    for file in files:
        file.close()


def _window_sizes(n_rows: int, batch_size: int, wanted: int) -> Array:
    """Cut rows into windows of whole batches, about ``wanted`` rows each; the last may be short.

    >>> _window_sizes(100, 8, 30).tolist()
    [24, 24, 24, 28]
    """
    batches = -(-n_rows // batch_size)
    count = min(max(-(-n_rows // max(wanted, 1)), 1), batches)
    ends = np.arange(1, count + 1) * batches // count * batch_size
    ends[-1] = n_rows
    return np.diff(ends, prepend=0)


def _spread(places: Array, count: int) -> Array:
    """Give how many of so many rows come to each window, as even as may be.

    >>> _spread(np.array([24, 24, 24, 28]), 90).tolist()
    [21, 22, 21, 26]
    """
    ends = np.cumsum(places)
    spread: Array = np.diff(ends * count // ends[-1], prepend=0)
    return spread


def _folder() -> str:
    """Give a folder for large files: TMPDIR, else one that is on a disk where /tmp is not."""
    large = "/var/tmp"
    if not os.environ.get("TMPDIR") and os.access(large, os.W_OK | os.X_OK):
        return large
    return str(Path(tempfile.gettempdir()))


class FromDisk:
    """Windows of stored rows, of which the next is read while steps are taken on one."""

    def __init__(self, stored: StoredRows, seed: int, fast: type[RowOrder]) -> None:
        self._stored = stored
        self._windows, self._rows = RowOrder(_OTHER + seed), fast(stored.own_seed(seed))
        self._batches = -(-stored.places // stored.batch_size)
        self._epoch, self._visits, self._starts = -1, np.empty(0, np.int64), np.empty(0, np.int64)
        self._now: tuple[int, int] | None = None  # epoch, and which of its windows
        self._steps = Steps([], np.empty((1, 0), np.int64), 0)
        self._next: tuple[tuple[int, int], Future[Steps]] | None = None
        self._helper = ThreadPoolExecutor(1, "limpide rows")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._helper.shutdown(cancel_futures=True)

    def take(self, epoch: int, at: int, steps: int) -> Steps:
        _, starts = self._visited(epoch)
        place = int(np.searchsorted(starts, at, side="right")) - 1
        if self._now != (epoch, place):
            self._steps = self._read(epoch, place)
            self._now = epoch, place
        first = at - int(starts[place])
        rows, order, count = self._steps
        count = min(steps, count - first)
        size = self._stored.batch_size
        return Steps(rows, order[:, first * size : (first + count) * size], count)

    def _visited(self, epoch: int) -> tuple[Array, Array]:
        """Give the windows of an epoch in order, the short one last, and the first step of each."""
        if self._epoch != epoch:
            self._visits = self._stored.visits(self._windows, epoch)
            batches = self._batches[self._visits]
            self._starts, self._epoch = np.cumsum(batches) - batches, epoch
        return self._visits, self._starts

    def _read(self, epoch: int, place: int) -> Steps:
        """Give a window, and let the one behind it be read."""
        wanted, windows = (epoch, place), self._stored.windows
        if self._next is not None and self._next[0] == wanted:
            found = self._next[1].result()
        else:
            found = self._window(epoch, int(self._visits[place]))
        after = (epoch, place + 1) if place + 1 < windows else (epoch + 1, 0)
        window = int(self._visits[place + 1]) if place + 1 < windows else self._first_of(epoch + 1)
        self._next = after, self._helper.submit(self._window, after[0], window)
        return found

    def _first_of(self, epoch: int) -> int:
        return int(self._visited(epoch)[0][0])

    def _window(self, epoch: int, number: int) -> Steps:
        rows = self._stored.window(number)
        order = np.arange(len(rows[0]))[None]
        there = int(self._stored._sizes[number])
        self._rows.draw(epoch * self._stored.windows + number, order[:, :there])
        return Steps(rows, order, int(self._batches[number]))
