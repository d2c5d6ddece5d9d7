"""Where a result may go: checked before the work begins, and held to when it is written.

Answers for what --out may name, for free names, for the checkpoint beside a model, and for a model
that cannot be saved where it was to go. Not for: how files are written (``limpide.storage``,
``limpide.tables``, ``limpide.checkpoints``).
"""

from __future__ import annotations

import errno
import os
import re
import stat
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Self

import limpide
from limpide import program
from limpide.errors import CheckpointError, FileError

SUFFIX = ".checkpoint"


class ModelPlace:
    """Where a model goes: checked before anything is learned, taken when it is saved.

    Beside the model lies the checkpoint of its run, whose lock is held within ``with``.

    Parameters
    ----------
    data
        What the model learns from; without ``out`` it is named like that.
    out
        Where the user wants it, if anywhere.
    force
        Whether a file there may be overwritten, and a run that was broken off be given up.
    resume
        Go on with that run.
    seconds
        Between two checkpoints; 0 for none.

    Attributes
    ----------
    checkpoint
        What the run is given, or None.
    """

    def __init__(
        self, data: str, out: str | None, force: bool, *, resume: bool = False, seconds: float = 0
    ) -> None:
        self._data, self._out, self._force = data, out, force
        self._overwrite = force and out is not None
        self._name: str | None = out  # None: the next free one
        self._held = ExitStack()
        self.checkpoint: Any = None
        if resume and not seconds:
            raise program.Misuse("--resume needs a checkpoint. Leave --checkpoint 0 out.")
        kept = self._unfinished(resume)
        if out is not None and resume and not kept and not force and os.path.isfile(out):
            raise program.Misuse(
                f"{out!r} exists, and there is no {out + SUFFIX!r} to go on from: the run that "
                "made it has ended. Choose another name, or add --force to begin anew."
            )
        if out is not None:
            check(out, [data], force or bool(resume and kept), regular=True)
        elif fault := _cannot_write(os.curdir):
            raise FileError(
                f"this folder may not be written to ({fault}), and the model would go here. "
                "Name a file elsewhere with --out."
            )
        if resume and kept:
            self._name, self._overwrite = kept, True
        elif resume:
            program.note(
                program.words().say("there is no checkpoint to go on from: the run begins anew")
            )
        if seconds:
            self._take_lock(seconds, resume and bool(kept))

    def _unfinished(self, resume: bool) -> str | None:
        """Give the model whose run was broken off, or None; refuse to lose or to guess one."""
        names = _broken_off(self._data) if self._out is None else [self._out]
        names = [name for name in names if os.path.lexists(name + SUFFIX)]
        if len(names) > 1 or not resume:  # a single one is refused by its lock
            names = [n for n in names if not limpide.Checkpoint(n + SUFFIX).is_in_use()]
        found = {name: self._facts(name + SUFFIX, resume) for name in names}
        told = [f"{name + SUFFIX!r} holds {facts}" for name, facts in found.items() if facts]
        if not told:
            return None
        words = program.words()
        noted = "; ".join(
            words.say(
                "{path} holds {run}", path=repr(name + SUFFIX), run=facts.to_text(words.language)
            )
            for name, facts in found.items()
            if facts
        )
        if self._out is None and not resume:
            program.note(words.say("{found}. To go on with that, add --resume.", found=noted))
        elif not resume and not self._force:
            raise program.Misuse(
                f"{told[0]}. Add --resume to go on with it, or --force to begin anew."
            )
        elif not resume:
            program.note(words.say("{found}: it will be replaced (--force).", found=noted))
        elif len(told) > 1:
            raise program.Misuse(f"{'; '.join(told)}. Say which with --out {names[0]!r}.")
        else:
            program.note(words.say("{found}: going on with it", found=noted))
        return next(name for name, facts in found.items() if facts)

    def _facts(self, path: str, resume: bool) -> Any:
        try:
            return limpide.checkpoints.facts(path)
        except (FileError, CheckpointError) as error:
            if resume or self._out is not None:
                raise
            program.note(str(error))  # this run takes another name
            return None

    def _take_lock(self, seconds: float, resume: bool) -> None:
        """Hold the checkpoint of the model's name, or of the first one that nobody has taken."""
        for name in [self._name] if self._name is not None else _names(self._data):
            if not resume and self._out is None and os.path.lexists(name + SUFFIX):
                continue
            checkpoint = limpide.Checkpoint(
                name + SUFFIX, seconds=seconds, resume=resume, overwrite=not resume
            )
            try:
                self._held.enter_context(checkpoint)
            except FileError as error:
                if error.errno == errno.EWOULDBLOCK and self._name is None:
                    continue  # the name of a run that has not ended
                if error.errno == errno.EWOULDBLOCK or resume:
                    raise
                say = program.words().say
                program.note(say("{error} The run goes on without a checkpoint.", error=error))
                return
            self._name, self.checkpoint = name, checkpoint
            return

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()

    def save(self, model: Any) -> tuple[str, FileError | None]:
        """Save a model; give its path, and where that is not the one it was meant for, why."""
        free = self._out is None
        for name in self._places():
            try:
                model.save(name, overwrite=self._overwrite)
            except FileError as error:
                if free and error.errno == errno.EEXIST:  # another training was faster
                    continue
                return _rescue(model, name, error)
            self._settle()
            return name, None
        raise AssertionError("there is always another name")

    def _places(self) -> Iterator[str]:
        if self._name is not None:
            yield self._name
        if self._out is None:
            yield from _names(self._data)

    def _settle(self) -> None:
        """Remove the checkpoint of a run that has ended, now that its model is saved."""
        if self.checkpoint is None:
            return
        path = self.checkpoint.path
        try:
            facts = limpide.checkpoints.facts(path)
            if facts is not None and facts.finished:
                self.checkpoint.remove()
            elif facts is not None:
                say, name = program.words().say, repr(path)
                program.note(
                    say("{path} keeps the run: the same command with --resume goes on.", path=name)
                )
        except (FileError, CheckpointError) as error:
            program.note(str(error))


def _rescue(model: Any, path: str, error: FileError) -> tuple[str, FileError]:
    """Keep a model that has taken time to learn in the folder for temporary files."""
    kept = None
    try:
        folder = tempfile.mkdtemp(prefix="limpide-")
        kept = os.path.join(folder, os.path.basename(path)[-80:])
        model.save(kept)
    except OSError:  # such as the same full disk
        if kept is not None:
            with suppress(OSError):
                os.rmdir(os.path.dirname(kept))
        raise error from None
    return kept, FileError(f"{error} What was learned is kept in {kept!r}: move it from there.")


def _stem(data: str) -> str:
    place = Path(data)
    if place.name in ("", ".."):  # a folder given as . or ..
        place = place.resolve()
    return place.name if place.is_dir() else place.stem


def _broken_off(data: str) -> list[str]:
    """Give the models named like the data whose checkpoints lie in the current folder."""
    name = re.compile(re.escape(_stem(data)) + r"(-\d+)?\.safetensors" + re.escape(SUFFIX))
    with suppress(OSError):
        found = sorted(path for path in os.listdir() if name.fullmatch(path))
        return [path.removesuffix(SUFFIX) for path in found]
    return []


def _names(data: str) -> Iterator[str]:
    """Give ``<data>.safetensors`` in the current folder, then numbered names, those not taken."""
    stem = _stem(data)
    name, count = f"{stem}.safetensors", 1
    while True:
        if not os.path.lexists(name):
            yield name
        count += 1
        name = f"{stem}-{count}.safetensors"


def check(
    out: str,
    inputs: Sequence[str],
    force: bool,
    regular: bool = False,
    option: str = "--out",
) -> None:
    """Refuse an output that cannot be written, that is an input, or that is not to be overwritten.

    Parameters
    ----------
    regular
        Whether only a file on a disk will do, no device or pipe.
    option
        How the user named it.
    """
    for path in inputs:
        if _same_file(out, path):
            raise program.Misuse(
                f"{option} {out!r} is the same file as the input {path!r}. Choose another name."
            )
    mode = _mode(out, option)
    if mode is not None and stat.S_ISDIR(mode):
        raise program.Misuse(f"{option} {out!r} is a folder. Name a file in it.")
    if mode is not None and not stat.S_ISREG(mode):
        if regular:
            kept = "model" if option == "--out" else "report"
            raise program.Misuse(
                f"{option} {out!r} is a device or a pipe, where no {kept} can be kept. "
                "Name a file on a disk."
            )
        return
    if mode is not None and not force:
        raise program.Misuse(
            f"{out!r} exists. Choose another name, or add --force to overwrite it."
        )
    if mode is not None and not os.access(out, os.W_OK):
        raise FileError(f"{option} {out!r} may not be written to. Choose another name.")
    folder = os.path.dirname(out) or os.curdir
    if not os.path.isdir(folder):
        raise program.Misuse(f"{option} {out!r}: there is no folder {folder!r}. Make it first.")
    if fault := _cannot_write(os.path.dirname(os.path.realpath(out))):
        raise FileError(
            f"{option} {out!r}: its folder may not be written to ({fault}). Choose another one."
        )


def _mode(out: str, option: str) -> int | None:
    """Give what stands at a path, None for nothing; refuse a path that can never be written."""
    try:
        return os.stat(out).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise FileError(
            f"{option} {out!r} cannot be written: {error.strerror}. Correct the path."
        ) from None


def _cannot_write(folder: str) -> str | None:
    """Try a folder with a file that has no name; give what is wrong with it, or None.

    The mode of a folder does not tell: a disk may be read-only, and the administrator may
    write anywhere, but not into /proc.
    """
    try:
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as error:
        return error.strerror or str(error)


def _same_file(first: str, second: str) -> bool:
    try:
        return os.path.samefile(first, second)
    except (OSError, ValueError):
        return False
