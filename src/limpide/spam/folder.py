"""Messages on disk: one file, or a folder of labelled ones.

Answers for which files are messages and for errors that name the file.
Not for: what stands in a message (message) or what is counted in it (counts).
"""

from __future__ import annotations

import os
import re
import stat
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from limpide.errors import ArgumentTypeError, DataError, FileError, LimpideWarning, nearest
from limpide.spam.counts import features
from limpide.spam.message import message_text

CLASSES = ("ham", "spam")

_LARGEST = 64 << 20  # bytes of one message
# Mail stores number their files (1., 0001.0a2f…) or end them with flags (:2,S).
_NUMBERED = re.compile(r"\.(\d+|[0-9a-f]{16,})|.*:2,[A-Za-z]*", re.IGNORECASE)
# Where the next message of a mailbox begins (RFC 4155): an empty line, an envelope, a header.
_NEXT = re.compile(rb"\n\nFrom ([^\n]{1,300})\n[!-9;-~]{1,100}:")
_WHEN = re.compile(rb"\d:\d\d.*\d{4}")  # the time and the year of an envelope


class LabelledMessages(NamedTuple):
    """A folder's messages as a table.

    Attributes
    ----------
    names : tuple of str
        Each file's path inside the folder, such as ``spam/0001.eml``.
    matrix : f64[n, 57]
        One row a message, one column a name in ``FEATURES``.
    labels : tuple of str
        ``"spam"`` or ``"ham"``, by the sub-folder.
    """

    names: tuple[str, ...]
    matrix: NDArray[np.float64]
    labels: tuple[str, ...]


def read_message(path: str | os.PathLike[str]) -> str:
    """Give the text of the message in a file, as `message_text` does.

    Parameters
    ----------
    path : path
        A ``.eml`` or text file of at most 64 MiB.

    Returns
    -------
    str

    Raises
    ------
    FileError
        The file is missing, a folder, unreadable or too large.
    DataError
        It is a mailbox (mbox) of several messages.

    Examples
    --------
    >>> read_message("letter.eml")
    Traceback (most recent call last):
    limpide.errors.FileError: no message at 'letter.eml'. Check the name and the folder.
    """
    file = _path("path", path)
    content = _content(file)
    count = _count(content)
    if count > 1:
        raise DataError(
            f"{str(file)!r} is a mailbox of {count:,} messages; expected one. Split it into a "
            "file for each, with Python's mailbox module for example."
        )
    return message_text(content)


def read_folder(folder: str | os.PathLike[str]) -> LabelledMessages:
    """Count the features of all messages in a folder's ``spam`` and ``ham`` sub-folders.

    Parameters
    ----------
    folder : path
        Holds ``spam`` and ``ham``, each with ``.eml`` or ``.txt`` files, files without a suffix
        or numbered ones, in any number of levels. Hidden files are passed over silently, other
        files with a warning.

    Returns
    -------
    LabelledMessages
        ``(names, matrix f64[n, 57], labels)``: ham first, then spam, each by name.

    Raises
    ------
    FileError
        The folder is missing or no folder, or a message cannot be read.
    DataError
        A class is missing or empty, a sub-folder has another name, or a file is a mailbox.

    Examples
    --------
    >>> read_folder("no such folder")
    Traceback (most recent call last):
    limpide.errors.FileError: no folder at 'no such folder'. Check the name.
    """
    root = _path("folder", folder)
    _check_classes(root)
    paths: list[Path] = []
    labels: list[str] = []
    passed: list[Path] = []
    for label in CLASSES:
        found, others = _messages(root / label)
        if not found:
            raise DataError(
                f"{str(root / label)!r} holds no message: expected .eml or .txt files, or files "
                f"without a suffix. Put some {label} there; a network learns from both classes."
            )
        paths += found
        labels += [label] * len(found)
        passed += others
    _say_passed_over(passed, root)
    names = tuple(path.relative_to(root).as_posix() for path in paths)
    rows = [features(read_message(path)) for path in paths]
    return LabelledMessages(names, np.stack(rows), tuple(labels))


def message_files(folder: str | os.PathLike[str]) -> list[Path]:
    """Give the files in a folder, in any number of levels, that are messages by their names.

    Raises
    ------
    FileError
        The folder cannot be listed.
    DataError
        It holds no message.

    Examples
    --------
    >>> message_files("no such folder")
    Traceback (most recent call last):
    limpide.errors.FileError: cannot list 'no such folder': No such file or directory.
    """
    root = _path("folder", folder)
    found, others = _messages(root)
    if not found:
        raise DataError(
            f"{str(root)!r} holds no message: expected .eml or .txt files, or files without a "
            "suffix. Give the folder that they lie in."
        )
    _say_passed_over(others, root)
    return found


def named_like_message(path: str | os.PathLike[str]) -> bool:
    """Tell whether a file's name is one that messages have; what it holds is not looked at.

    >>> [named_like_message(name) for name in ("1.eml", "0012", "9.host:2,S", "table.csv")]
    [True, True, True, False]
    """
    suffix = _path("path", path).suffix.lower()
    return suffix in ("", ".eml", ".txt") or bool(_NUMBERED.fullmatch(suffix))


def _path(argument: str, value: object) -> Path:
    if not isinstance(value, str | os.PathLike):
        raise ArgumentTypeError(
            f"{argument} must be a path; received {type(value).__name__}. "
            "For the bytes of a message use message_text."
        )
    return Path(value)


def _check_classes(root: Path) -> None:
    if not root.exists():
        raise FileError(f"no folder at {str(root)!r}. Check the name.")
    if not root.is_dir():
        raise FileError(f"{str(root)!r} is no folder. For a single message use read_message.")
    try:
        found = sorted(p.name for p in root.iterdir() if p.is_dir() and p.name[:1] != ".")
    except OSError as error:
        raise FileError(f"cannot list {str(root)!r}: {error.strerror}.") from error
    missing = [name for name in CLASSES if name not in found]
    if missing:
        names = ", ".join(map(repr, found[:5])) + (", ..." if len(found) > 5 else "")
        raise DataError(
            f"{str(root)!r} has no sub-folder {' and no '.join(map(repr, missing))}; found "
            f"{names or 'none'}. Put each class's messages in its own."
        )
    for name in found:
        if name not in CLASSES:
            raise DataError(
                f"{str(root)!r} holds a sub-folder {name!r}; expected only 'ham' and 'spam'."
                + (nearest(name, CLASSES) or " Move it elsewhere.")
            )


def _files(folder: Path) -> list[Path]:
    """Give the files below a folder by name, hidden ones left out."""

    def fail(error: OSError) -> None:
        raise FileError(f"cannot list {error.filename!r}: {error.strerror}.") from error

    paths = []
    for place, folders, names in os.walk(folder, onerror=fail):
        folders[:] = [name for name in folders if not name.startswith(".")]
        paths += [Path(place, name) for name in names if not name.startswith(".")]
    return sorted(paths, key=lambda path: path.relative_to(folder).parts)


def _messages(folder: Path) -> tuple[list[Path], list[Path]]:
    """Give the messages below a folder, and the other files."""
    files = _files(folder)
    return (
        [path for path in files if named_like_message(path)],
        [path for path in files if not named_like_message(path)],
    )


def _say_passed_over(passed: list[Path], root: Path) -> None:
    if passed:
        what = "1 file is no message by its name and was"
        if len(passed) > 1:
            what = f"{len(passed):,} files are no messages by their names and were"
        warnings.warn(
            f"{what} passed over, first {passed[0].relative_to(root).as_posix()!r}. "
            "Messages end in .eml or .txt, or have no suffix.",
            LimpideWarning,
            stacklevel=3,
        )


def _count(content: bytes) -> int:
    """Count the messages of a file; more than one where it is a mailbox."""
    if not content.startswith(b"From "):
        return 1
    ends = content.replace(b"\r\n", b"\n")
    return 1 + sum(_WHEN.search(found[1]) is not None for found in _NEXT.finditer(ends))


def _content(path: Path) -> bytes:
    name = repr(str(path))
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise FileError(f"{name} is a folder, not a message. For a folder use read_folder.")
        if not stat.S_ISREG(mode):
            raise FileError(f"{name} is no regular file. Give the path of a message.")
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
    except FileError:
        raise
    except FileNotFoundError as error:
        raise FileError(f"no message at {name}. Check the name and the folder.") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or error
        raise FileError(f"cannot read the message {name}: {reason}.") from error
    if len(content) > _LARGEST:
        raise FileError(f"{name} is larger than {_LARGEST >> 20} MiB. It is hardly one message.")
    return content
