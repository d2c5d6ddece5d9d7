"""Writing a file so that a reader, a full disk or a killed process finds the old one or the new.

Answers for: one whole file, replaced in one step, whatever its bytes are.
Not for: what the bytes mean, locking out a second writer (the last one wins,
unless it asked not to overwrite), access lists.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import stat
import sys
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

from limpide.errors import ArgumentTypeError, FileError, LimpideWarning

if sys.platform != "win32":
    import fcntl

_WRITE_AT_MOST = 16 << 20  # bytes a call: Ctrl-C is heard between two of them
_NAME_AT_MOST = 200  # bytes of the target's name kept in a temporary's; 255 is the usual limit
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_CANNOT_FLUSH_FOLDERS = {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}
_NO_HARD_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}

_REMEDIES = {
    errno.ENOSPC: "Free some space there or save to another disk.",
    errno.EDQUOT: "Free some space there or save to another disk.",
    errno.EFBIG: "Save to another disk: this one allows no file of that size.",
    errno.EACCES: "Save to a folder in which you may write.",
    errno.EPERM: "Save to a folder in which you may write.",
    errno.EROFS: "Save to a folder in which you may write.",
    errno.EIO: "The disk reports a fault: save to another one.",
    errno.EEXIST: "Choose another name.",
    errno.ENOENT: "Make the folder first, or correct the path.",
    errno.ENOTDIR: "Correct the path: a part of it is a file, not a folder.",
    errno.ENAMETOOLONG: "Choose a shorter name.",
    errno.ELOOP: "Remove the symbolic link that leads to itself.",
}


def path_text(path: str | os.PathLike[str], argument: str = "path") -> str:
    """Give the path as text, or refuse what is no path (a number would be a file descriptor).

    Raises
    ------
    ArgumentTypeError
        For anything but a text or a ``pathlib`` path.
    FileError
        For a path that no system accepts: empty, or with a zero character in it.

    Examples
    --------
    >>> path_text("people.safetensors")
    'people.safetensors'
    """
    if not isinstance(path, (str, os.PathLike)):
        raise ArgumentTypeError(
            f"{argument} must be a text or a pathlib.Path; received {type(path).__name__}. "
            f"Write it like 'people.safetensors'."
        )
    text = os.fsdecode(path)
    if not text or "\0" in text or not _encodable(text):
        raise FileError(
            f"{argument} {text!r} can name no file. Write it like 'people.safetensors'."
        )
    return text


def _encodable(text: str) -> bool:
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        return False
    return True


def atomic_write(
    path: str | os.PathLike[str], content: bytes | Iterable[Any], *, overwrite: bool = True
) -> None:
    """Write a file whole or not at all.

    The bytes go to a temporary file in the same folder, named ``.NAME.limpide-….tmp``; it is
    flushed to the disk, then takes the target's name in one step, then the folder is flushed.
    Temporaries of the same target whose process is gone are removed first.

    A symbolic link stays one: the file that it leads to is replaced. A new file has the mode that
    the umask gives; a replaced one keeps its mode and, where the system allows, its owner.

    Parameters
    ----------
    path
        Where to write. Its folder must exist.
    content
        The bytes, or several pieces of them: anything with the buffer protocol, C-contiguous.
    overwrite
        False: a file that stands there at the last step is left as it is, whoever put it there
        and whenever; the FileError has the ``errno`` EEXIST.

    Raises
    ------
    FileError
        If any step fails: names the path and the reason. The old file is then as it was, byte for
        byte, or there is still none. Also for a target that is no regular file, or read-only.

    Warns
    -----
    LimpideWarning
        If the folder could not be flushed after the last step and the old file could not be
        brought back either: the new file is whole and in place, but a power cut might undo it.

    Source: the order of steps is the one that T. Pillai et al., "All file systems are not created
    equal" (OSDI 2014), found to be needed.

    Examples
    --------
    >>> import os, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "greeting.txt")
    ...     atomic_write(path, [b"hello, ", b"world"])
    ...     with open(path) as file:
    ...         print(file.read(), os.listdir(folder))
    hello, world ['greeting.txt']
    """
    shown = path_text(path)
    pieces = (content,) if isinstance(content, (bytes, bytearray, memoryview)) else content
    target = _resolve(shown)
    old = _old_file(shown, target)
    if old is not None and not overwrite:
        raise _refusal(shown, old, FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)))
    _sweep(target)
    with _saying(shown, old):
        descriptor, temporary = _create(target, old)
    try:
        for piece in pieces:
            with _saying(shown, old):
                _write_all(descriptor, piece)
        with _saying(shown, old):
            os.fsync(descriptor)
            if sys.platform == "win32":  # which renames no open file
                os.close(descriptor)
                descriptor = -1
            _put_in_place(shown, temporary, target, old, overwrite)
    except BaseException:
        _remove(temporary)
        raise
    finally:
        _close(descriptor)


def _resolve(shown: str) -> str:
    if not os.path.basename(shown):
        raise FileError(f"cannot save {shown!r}: it names a folder. Name a file in it.")
    return os.path.realpath(shown)


def _old_file(shown: str, target: str) -> os.stat_result | None:
    """Give what stands at the target now; refuse what must not be replaced."""
    try:
        old = os.stat(target)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _refusal(shown, None, error) from error
    if stat.S_ISDIR(old.st_mode):
        raise FileError(f"cannot save {shown!r}: it is a folder. Name a file in it.")
    if not stat.S_ISREG(old.st_mode):
        raise FileError(
            f"cannot save {shown!r}: it is {_kind(old.st_mode)}, not a regular file. "
            f"Give the path of a file on a disk."
        )
    if not os.access(target, os.W_OK):
        raise _refusal(shown, old, OSError(errno.EACCES, "the file is read-only"))
    return old


def _kind(mode: int) -> str:
    if stat.S_ISFIFO(mode):
        return "a pipe"
    if stat.S_ISSOCK(mode):
        return "a socket"
    return "a device"


def _refusal(shown: str, old: os.stat_result | None, cause: OSError) -> FileError:
    name = errno.errorcode.get(cause.errno or 0, type(cause).__name__)
    kept = " The old file is unchanged." if old is not None else ""
    remedy = _REMEDIES.get(cause.errno or 0, "Save to another folder.")
    error = FileError(f"cannot save {shown!r}: {cause.strerror or cause} ({name}).{kept} {remedy}")
    error.errno = cause.errno
    return error


@contextlib.contextmanager
def _saying(shown: str, old: os.stat_result | None) -> Iterator[None]:
    """Turn the system's errors into one that names the path, the reason and the remedy."""
    try:
        yield
    except FileError:
        raise
    except OSError as error:
        raise _refusal(shown, old, error) from error


def _temporary_prefix(target: str) -> str:
    name = os.fsencode(os.path.basename(target))[:_NAME_AT_MOST].decode("utf-8", "ignore")
    return f".{name}.limpide-"


def _create(target: str, old: os.stat_result | None) -> tuple[int, str]:
    """Open a new temporary beside the target, locked for as long as this process has it open.

    Its mode is never wider than the final one, not even for a moment.
    """
    prefix = os.path.join(os.path.dirname(target), _temporary_prefix(target))
    mode = 0o666 if old is None else stat.S_IMODE(old.st_mode) & 0o777
    while True:
        temporary = f"{prefix}{secrets.token_hex(8)}.tmp"
        descriptor = os.open(temporary, _NEW_FILE, mode)
        try:
            _lock(descriptor)
            if os.fstat(descriptor).st_nlink == 0:  # swept by another process before the lock
                _close(descriptor)
                continue
            if old is not None:
                _dress(descriptor, old, mode)
        except BaseException:
            _remove(temporary)
            _close(descriptor)
            raise
        return descriptor, temporary


def _lock(descriptor: int) -> None:
    """Mark a temporary as in use: the lock goes with the process, however it ends.

    Where the file system has no locks there is no mark, and then nothing is swept there either.
    """
    if sys.platform != "win32":
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)


def _dress(descriptor: int, old: os.stat_result, mode: int) -> None:
    """Give the temporary the old file's owner, where allowed, and its mode."""
    if sys.platform == "win32":
        return
    now = os.fstat(descriptor)
    if (now.st_uid, now.st_gid) != (old.st_uid, old.st_gid):
        with contextlib.suppress(OSError):
            os.fchown(descriptor, old.st_uid, old.st_gid)
    if stat.S_IMODE(now.st_mode) != mode:
        os.fchmod(descriptor, mode)


def _write_all(descriptor: int, piece: Any) -> None:
    rest = memoryview(piece)
    if not rest.nbytes:
        return
    rest = rest.cast("B")
    while rest:
        rest = rest[os.write(descriptor, rest[:_WRITE_AT_MOST]) :]


def _put_in_place(
    shown: str, temporary: str, target: str, old: os.stat_result | None, overwrite: bool
) -> None:
    """Rename and flush the folder; if the flush fails, bring the old state back and raise."""
    folder = _open_folder(os.path.dirname(target))
    backup = temporary.removesuffix(".tmp") + ".old"
    try:
        has_backup = old is not None and _link(target, backup)
        if overwrite:
            os.replace(temporary, target)
        else:
            _take_free_name(temporary, target)
        try:
            _flush_folder(folder)
        except OSError:
            if _bring_back(target, backup if has_backup else None, old):
                raise
            warnings.warn(
                f"{shown!r} is saved, but its folder could not be flushed to the disk: "
                f"a power cut might bring the old file back. Check the disk.",
                LimpideWarning,
                stacklevel=3,
            )
    finally:
        if old is not None:
            _remove(backup)
        _close(folder)


def _open_folder(folder: str) -> int:
    if sys.platform == "win32":  # where a folder cannot be opened, nor need it be
        return -1
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY)


def _flush_folder(folder: int) -> None:
    if folder < 0:
        return
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno not in _CANNOT_FLUSH_FOLDERS:
            raise


def _take_free_name(temporary: str, target: str) -> None:
    """Rename in one step, but fail where the name is taken, even since a moment ago."""
    if sys.platform == "win32":  # where a rename replaces nothing
        os.rename(temporary, target)
        return
    if _link(temporary, target):
        _remove(temporary)
        return
    os.close(os.open(target, _NEW_FILE))  # no shared names here: hold the place with an empty file
    try:
        os.replace(temporary, target)
    except BaseException:
        _remove(target)
        raise


def _link(file: str, name: str) -> bool:
    """Give a file a second name; False where names cannot be shared."""
    try:
        os.link(file, name)
    except OSError as error:
        if error.errno in _NO_HARD_LINKS:
            return False
        raise
    return True


def _bring_back(target: str, backup: str | None, old: os.stat_result | None) -> bool:
    """Undo the rename; tell whether that worked."""
    try:
        if old is None:
            os.unlink(target)
        elif backup is not None:
            os.replace(backup, target)
        else:
            return False
    except OSError:
        return False
    return True


def _sweep(target: str) -> None:
    """Remove temporaries of this target that no running process holds. Never raises.

    A lock that can be had means that the process which made the file is gone: unlike its number,
    a lock is not handed on to another process. (Windows deletes no file that is open elsewhere.)
    """
    folder, prefix = os.path.dirname(target), _temporary_prefix(target)
    ours = re.compile(re.escape(prefix) + r"[0-9a-f]{16}\.(tmp|old)")
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if ours.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                _remove_if_free(entry.path)


def _remove_if_free(path: str) -> None:
    if sys.platform == "win32":
        _remove(path)
        return
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | _NO_FOLLOW)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.unlink(path)
        finally:
            _close(descriptor)


def _remove(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)


def _close(descriptor: int) -> None:
    if descriptor >= 0:
        with contextlib.suppress(OSError):  # the bytes were flushed before, or are given up
            os.close(descriptor)
