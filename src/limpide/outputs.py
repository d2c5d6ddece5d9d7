"""Where a result may go: checked before the work begins, and held to when it is written.

Answers for what --out may name, for free names, and for a model that cannot be saved where it was
to go. Not for: how files are written (``limpide.storage``, ``limpide.tables``).
"""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from limpide import program
from limpide.errors import FileError


class ModelPlace:
    """Where a model goes: checked before anything is learned, taken when it is saved.

    Parameters
    ----------
    data
        What the model learns from; without ``out`` it is named like that.
    out
        Where the user wants it, if anywhere.
    force
        Whether a file there may be overwritten.
    """

    def __init__(self, data: str, out: str | None, force: bool) -> None:
        self._data, self._out, self._force = data, out, force
        if out is not None:
            check(out, [data], force, regular=True)
        elif fault := _cannot_write(os.curdir):
            raise FileError(
                f"this folder may not be written to ({fault}), and the model would go here. "
                "Name a file elsewhere with --out."
            )

    def save(self, model: Any) -> tuple[str, FileError | None]:
        """Save a model; give its path, and where that is not the one it was meant for, why."""
        free = self._out is None
        for name in _names(self._data) if self._out is None else [self._out]:
            try:
                model.save(name, overwrite=self._force and not free)
                return name, None
            except FileError as error:
                if free and error.errno == errno.EEXIST:  # another training was faster
                    continue
                return _rescue(model, name, error)
        raise AssertionError("there is always another name")


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


def _names(data: str) -> Iterator[str]:
    """Give ``<data>.safetensors`` in the current folder, then numbered names, those not taken."""
    place = Path(data)
    if place.name in ("", ".."):  # a folder given as . or ..
        place = place.resolve()
    stem = place.name if place.is_dir() else place.stem
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
