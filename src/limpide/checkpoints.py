"""Checkpoints: a run on disk, so that another process can go on with it as if nothing had happened.

Answers for when one is written, what its file holds, and what may be gone on from. Not for: the
bytes on disk and the lock (``limpide.storage``), what a run is (``limpide.identity``), running.
"""

from __future__ import annotations

import errno
import os
import platform
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, Self

import numpy as np

import limpide
from limpide import storage
from limpide.conversion import check_finite_scalar
from limpide.errors import (
    ArgumentError,
    ArgumentTypeError,
    CheckpointError,
    FileError,
    LimpideError,
    LimpideWarning,
    MemoryLimitError,
    ModelFileError,
)
from limpide.identity import Words, differences
from limpide.ir import Array
from limpide.keywords import known_keywords
from limpide.languages import words_in
from limpide.rng import check_seed
from limpide.snapshots import ANEW, Snapshot, pack, unpack

KIND = "checkpoint"
SECONDS = 30.0
"""Between two writes, unless the user says something else."""

_ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG}
_SHARE = 20.0  # times what a write takes: then it is little of the whole
_RUN = "run"  # the tensor that holds all but the arrays, as packed JSON


class Checkpoint:
    """Where a run keeps all that it takes to go on with it, and how often it writes that.

    Given to ``fit`` or ``train`` as ``checkpoint=``; a path alone means ``Checkpoint(path)``. The
    run that goes on gives the same bits as one that was never broken off, within an epoch too.
    The file is replaced whole or not at all; one that cannot be written is warned of, and the run
    goes on. When the run is over, the file holds its end: ``remove`` it, once the model is saved.

    Parameters
    ----------
    path
        Of the file. Beside it lies, while a run lasts, ``<path>.lock``: a second run is refused.
    every
        Epochs from one write to the next.
    seconds
        Seconds from one write to the next, within epochs too, but never so often that writing
        takes more than about a twentieth of the time. Without ``every`` and ``seconds``: 30.
    resume
        Go on from what the file holds; without a file, begin. Data, settings and engine must be
        those of the run that was broken off; ``seed=None`` takes its seed.
    overwrite
        Begin anew though the file holds a run that was broken off, which is else refused.

    Attributes
    ----------
    resumed_at
        The step from which the last run went on, or None where it began.

    Raises
    ------
    ArgumentError, ArgumentTypeError, FileError
        For arguments that cannot be used.

    Examples
    --------
    >>> import limpide as lp, os, tempfile
    >>> X, y = [[0.0], [1.0], [2.0], [3.0]], [1.0, 3.0, 5.0, 7.0]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "line.checkpoint")
    ...     first = lp.Network([1, 1], seed=0).fit(X, y, checkpoint=path)
    ...     net = lp.Network([1, 1], seed=1)
    ...     again = net.fit(X, y, checkpoint=lp.Checkpoint(path, resume=True))
    >>> again.loss == first.loss
    True
    """

    @known_keywords
    def __init__(
        self,
        path: str | os.PathLike[str],
        every: int | None = None,
        seconds: float | None = None,
        resume: bool = False,
        overwrite: bool = False,
    ) -> None:
        self.path = storage.path_text(path, "checkpoint")
        if every is not None:
            every = _count(every, "every")
        if seconds is not None:
            seconds = check_finite_scalar(seconds, "seconds")
            if seconds < 0:
                raise ArgumentError(f"seconds must be at least 0; received {seconds:g}.")
        for name, flag in (("resume", resume), ("overwrite", overwrite)):
            if not isinstance(flag, bool):
                raise ArgumentTypeError(f"{name} must be True or False; received {flag!r}.")
        if resume and overwrite:
            raise ArgumentError(
                "resume=True goes on with a run and overwrite=True gives it up. Say one of them."
            )
        self.every = every
        self.seconds = SECONDS if every is None and seconds is None else seconds
        self.resume, self.overwrite = resume, overwrite
        self.resumed_at: int | None = None
        self._lock = storage.RunLock(os.path.realpath(self.path) + ".lock", self.path)
        self._depth = 0

    def __enter__(self) -> Self:
        """Hold the lock, over several runs and what is done between them."""
        if not self._depth:
            if os.path.isdir(self.path) or not os.path.basename(self.path):
                raise FileError(f"checkpoint {self.path!r} is a folder. Name a file in it.")
            self._lock.take()
        self._depth += 1
        return self

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if not self._depth:
            self._lock.release()

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_depth": 0}  # a copy does not hold the lock

    def is_in_use(self) -> bool:
        """Tell whether another run holds the lock now."""
        return not self._depth and self._lock.is_taken()

    def remove(self) -> None:
        """Remove the file, if there is one and it is a checkpoint.

        Raises
        ------
        FileError
            Where another run is using it, or it cannot be removed.
        CheckpointError
            Where it is something else.
        """
        with self:
            if facts(self.path) is None:
                return
            try:
                os.unlink(self.path)
            except OSError as error:
                raise FileError(
                    f"checkpoint {self.path!r} cannot be removed: {error.strerror}. Remove it by "
                    "hand."
                ) from error

    def __repr__(self) -> str:
        return f"Checkpoint({self.path!r})"


def as_checkpoint(value: Any) -> Checkpoint | None:
    """Give the checkpoint that an argument means: None, a path, or one already."""
    if value is None or isinstance(value, Checkpoint):
        return value
    if isinstance(value, (str, os.PathLike)):
        return Checkpoint(value)
    raise ArgumentTypeError(
        "checkpoint must be a path or lp.Checkpoint(path, seconds=60); received "
        f"{type(value).__name__}."
    )


def _count(value: Any, name: str) -> int:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        raise ArgumentTypeError(f"{name} must be a whole number of epochs; received {value!r}.")
    if value < 1:
        raise ArgumentError(f"{name} must be at least 1; received {value}.")
    return int(value)


# What a file says ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Facts:
    """What the beginning of a checkpoint tells, without its arrays."""

    finished: bool
    epochs: int
    of: int
    steps: int
    seed: int
    written: str

    def __str__(self) -> str:
        return self.to_text("en")

    def to_text(self, language: str | None = None) -> str:
        """Say it in a language; None is the system's, ``str`` that of errors, English."""
        words = words_in(language)
        told = {"done": words.whole(self.epochs), "written": self.written}
        if self.finished:
            return words.plural(
                "a finished run: {done} of {n} epoch, written {written}",
                "a finished run: {done} of {n} epochs, written {written}",
                self.of,
                **told,
            )
        return words.plural(
            "a run that was broken off: {done} of {n} epoch, written {written}",
            "a run that was broken off: {done} of {n} epochs, written {written}",
            self.of,
            **told,
        )


def facts(path: str) -> Facts | None:
    """Give what a checkpoint is about; None where there is no file.

    Raises
    ------
    CheckpointError
        Where the file is something else, or damaged.
    FileError
        Where it cannot be read.
    """
    try:
        found = storage.read_metadata(path)
    except FileError as error:
        if error.errno in _ABSENT:
            return None
        raise
    except ModelFileError as error:
        raise _no_checkpoint(path, str(error)) from None
    if found.get("kind") != KIND:
        raise _no_checkpoint(path, f"It holds a {found.get('kind', 'model')!s:.40}.")
    where = f"checkpoint {path!r}"
    try:
        storage.expect_keys(found, {f.name for f in fields(Facts)}, {"kind"}, where=where)
        return Facts(
            finished=storage.expect_bool(found, "finished", where=where),
            written=storage.expect_text(found, "written", where=where),
            **{
                name: storage.expect_int(found, name, where=where, minimum=0)
                for name in ("epochs", "of", "steps", "seed")
            },
        )
    except ModelFileError as error:
        raise _no_checkpoint(path, str(error)) from None


def _no_checkpoint(path: str, reason: str) -> CheckpointError:
    return CheckpointError(
        f"{path!r} is not a checkpoint that can be read, and is left as it is. Give the checkpoint "
        f"another path. ({reason})"
    )


def seed_for(checkpoint: Checkpoint | None, seed: Any) -> int:
    """Give the seed of a run; None takes that of the run to go on with, else a fresh one."""
    if seed is None and checkpoint is not None and checkpoint.resume:
        with suppress(CheckpointError, FileError):  # told when the run begins
            found = facts(checkpoint.path)
            if found is not None:
                return found.seed
    return check_seed(seed)


# During a run -------------------------------------------------------------------------------------


class Keeper:
    """A checkpoint while its run lasts: holds the lock, finds what to go on from, writes.

    Parameters
    ----------
    checkpoint
        What the user wants.
    settings, data
        What the run is; ``data`` is asked once, when the run begins.
    seed, epochs
        Of the run.
    processor
        What the engine's code is made for, where that may change last digits.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        settings: Words,
        data: Callable[[], Words],
        *,
        seed: int,
        epochs: int,
        processor: str,
    ) -> None:
        self._checkpoint, self._settings, self._find_data = checkpoint, settings, data
        self._seed, self._epochs = seed, epochs
        self._made_by = {
            "limpide": limpide.__version__,
            "NumPy": np.__version__,
            "processor": f"{platform.machine()} {processor}".strip(),
        }
        self._data: Words = {}
        self._warned = ""
        self._off = False  # another run has taken the file
        self._took = 0.0  # seconds, the last write

    @property
    def path(self) -> str:
        return self._checkpoint.path

    def __enter__(self) -> Snapshot | None:
        """Take the lock; give what to go on from, or None.

        Raises
        ------
        FileError
            Where another run holds the lock, or the folder cannot be written to.
        CheckpointError
            Where the file is no checkpoint, is of another run, or may not be replaced.
        """
        checkpoint = self._checkpoint
        checkpoint.__enter__()
        try:
            self._data = self._find_data()
            found = self._found()
        except BaseException:
            checkpoint.__exit__()
            raise
        checkpoint.resumed_at = None if found is None else found.history.steps
        self._written_at = time.monotonic()
        self._written_epochs = 0 if found is None else found.history.epochs
        return found

    def __exit__(self, *_: object) -> None:
        self._checkpoint.__exit__()

    def _found(self) -> Snapshot | None:
        path, told = self._checkpoint.path, facts(self._checkpoint.path)
        if told is None:
            return None
        if self._checkpoint.resume:
            return self._read(path)
        if not told.finished and not self._checkpoint.overwrite:
            raise CheckpointError(
                f"{path!r} holds {told}. Go on with it by lp.Checkpoint({path!r}, resume=True), or "
                "give it up by overwrite=True."
            )
        if told.finished and not self._checkpoint.overwrite:
            self._warn(f"{path!r} holds {told}; it will be replaced, since this run begins anew.")
        return None

    def _read(self, path: str) -> Snapshot:
        try:
            stored = storage.read(path)
            packed = storage.expect_tensor(stored.tensors, _RUN, (None,), np.uint8, where=path)
            rest = storage.unpack_json(packed, path)
            keys = {"settings", "data", "made_by", "history", "callbacks"}
            storage.expect_keys(rest, keys, where=path)
            self._compare(rest)
            return unpack(stored.tensors, rest)
        except (CheckpointError, MemoryLimitError):
            raise
        except (KeyError, TypeError, ValueError) as error:  # a ModelFileError is one
            raise CheckpointError(
                f"{path!r} cannot be gone on with: {error} Begin anew: {ANEW}."
            ) from None

    def _compare(self, rest: Mapping[str, Any]) -> None:
        """Refuse another run; say where the machine is another one."""
        made_by: dict[str, str] = rest["made_by"]
        other = differences(made_by, self._made_by)
        found = differences(rest["settings"] | rest["data"], self._settings | self._data)
        path = self._checkpoint.path
        if found:
            because = f" ({other})" if other else ""
            raise CheckpointError(
                f"{path!r} is of another run: {found}{because}. Give this run the same, or begin "
                f"anew: {ANEW}."
            )
        if other:
            self._warn(
                f"{path!r} was written elsewhere ({other}): last digits may differ from those of a "
                "run that was never broken off."
            )

    # Writing --------------------------------------------------------------------------------------

    def epochs_to_go(self, epochs: int) -> int | None:
        """Give after how many more epochs a write is due by their number; None: never."""
        every = self._checkpoint.every
        return None if every is None else every - epochs % every

    def is_due(self, epochs: int | None = None) -> bool:
        """Tell whether to write now: by time, and with ``epochs``, those done, by their number."""
        self._checkpoint._lock.beat()
        if self._off:
            return False
        every, seconds = self._checkpoint.every, self._checkpoint.seconds
        if (
            every is not None
            and epochs is not None
            and epochs // every > self._written_epochs // every
        ):
            return True
        past = time.monotonic() - self._written_at
        return seconds is not None and past >= max(seconds, _SHARE * self._took)

    def write(self, snapshot: Snapshot, finished: bool = False) -> None:
        """Write the run as it is now; what fails is warned of, and the file stays as it was."""
        if self._off:
            return
        began = time.monotonic()
        try:
            if self._checkpoint._lock.is_ours():
                self._store(snapshot, finished)
            else:
                self._off = True
                self._warn(
                    f"the lock of checkpoint {self._checkpoint.path!r} is lost: another run may "
                    "have taken it over. This one goes on without a checkpoint."
                )
        except (OSError, MemoryError, LimpideError) as error:
            self._warn(f"no checkpoint now, and the run goes on: {str(error) or 'out of memory.'}")
        self.put_off(snapshot.history.epochs)
        self._took = self._written_at - began

    def put_off(self, epochs: int) -> None:
        """Let the time until the next write begin anew."""
        self._written_at, self._written_epochs = time.monotonic(), epochs

    def _store(self, snapshot: Snapshot, finished: bool) -> None:
        history = snapshot.history
        tensors: dict[str, Array] = {}
        rest = pack(snapshot, tensors)
        rest |= {"settings": self._settings, "data": self._data, "made_by": self._made_by}
        tensors[_RUN] = storage.pack_json(rest, "the run")
        metadata = {
            "kind": KIND,
            "finished": finished,
            "epochs": history.epochs,
            "of": self._epochs,
            "steps": history.steps,
            "seed": self._seed,
            "written": datetime.now(UTC).isoformat(sep=" ", timespec="seconds"),
        }
        storage.write(self._checkpoint.path, tensors, metadata)

    def _warn(self, text: str) -> None:
        if text != self._warned:
            self._warned = text
            warnings.warn(text, LimpideWarning, stacklevel=5)
