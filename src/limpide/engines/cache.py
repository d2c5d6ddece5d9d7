"""Compiled programs kept on disk, in a folder of the user's own, so that the next process loads.

Answers for: entries that are whole and ours or not there at all, a bounded size, no error ever.
Not for: what an entry holds (opaque bytes), or keeping programs in memory.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import itertools
import os
import re
import stat
import struct
import sys
import time
import warnings
from collections.abc import Iterator
from importlib.resources import files

from limpide.errors import LimpideWarning

VARIABLE = "LIMPIDE_CACHE"
"""The environment variable that names the cache's folder; an empty one means no cache on disk."""

FORMAT = 1  # of an entry, and of what is kept in it: a new one makes all older entries misses
LIMIT = 256 << 20  # bytes of all entries together

_MAGIC = b"limpide program\0"
_HEAD = struct.Struct("<16sI32sQQ")  # magic, format, SHA-256, bytes of the key, of the payload
_ENTRY = re.compile(r"[0-9a-f]{64}")
_TEMPORARY = re.compile(r"\.[0-9a-f]{16}\.tmp")
_STALE = 3600.0  # seconds after which a temporary is nobody's: writing one takes milliseconds
_FRESH = 3600.0  # seconds for which an entry's time of use is good enough
_BLOCK = 4096  # bytes that a file takes on the disk beside its own, about
_TIDY_EVERY = 4 << 20  # bytes written, on the average, between two looks at the whole folder

# What a wrong folder answers with; anything else (a full disk, too many open files) passes by.
_UNUSABLE = {
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOTDIR,
    errno.EEXIST,
    errno.ELOOP,
    errno.ENOENT,
    errno.ENAMETOOLONG,
}
_ELSEWHERE = f"Set {VARIABLE} to a folder of your own"
_FOLDER = getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0) | os.O_RDONLY
_READ = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)

_warned = itertools.count()  # the first to draw 0 warns: one warning a process, from any thread


class _Unusable(Exception):
    """The folder must not be used: why, and what to do."""


class _Folder:
    """A folder held open, so that what was checked is what is used, whatever its path leads to.

    Where the system cannot do that (Windows), names are joined to the path.
    """

    def __init__(self, path: str, descriptor: int | None) -> None:
        self.path, self.descriptor = path, descriptor

    def name(self, name: str) -> str:
        return name if self.descriptor is not None else os.path.join(self.path, name)

    def open(self, name: str, flags: int) -> int:
        return os.open(self.name(name), flags, 0o600, dir_fd=self.descriptor)

    def rename(self, old: str, new: str) -> None:
        there = self.descriptor
        os.replace(self.name(old), self.name(new), src_dir_fd=there, dst_dir_fd=there)

    def remove(self, name: str) -> None:
        with contextlib.suppress(OSError):
            os.unlink(self.name(name), dir_fd=self.descriptor)

    def sizes_and_times(self) -> Iterator[tuple[str, int, float]]:
        """Give each file's name, its bytes, and when it was last used."""
        place = self.path if self.descriptor is None else self.descriptor
        with os.scandir(place) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):  # gone meanwhile
                    facts = entry.stat(follow_symlinks=False)
                    if stat.S_ISREG(facts.st_mode):
                        yield entry.name, facts.st_size, facts.st_mtime


def folder() -> str | None:
    """Give the path of the cache's folder; None where there is to be no cache on disk.

    It is ``compiled`` in the folder that the environment variable LIMPIDE_CACHE names, else in the
    place that the platform has for such files: ``$XDG_CACHE_HOME/limpide`` or
    ``~/.cache/limpide``, ``~/Library/Caches/limpide`` on macOS, ``%LOCALAPPDATA%\\limpide`` on
    Windows. LIMPIDE_CACHE set to nothing (``LIMPIDE_CACHE= python train.py``) switches the cache
    on disk off.

    Source: XDG Base Directory Specification 0.8 (a relative path in XDG_CACHE_HOME is ignored).

    Examples
    --------
    >>> os.path.basename(folder() or "compiled")
    'compiled'
    """
    named = os.environ.get(VARIABLE)
    if named is not None:
        return os.path.join(os.path.expanduser(named), "compiled") if named else None
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or os.path.expanduser(r"~\AppData\Local")
    elif sys.platform == "darwin":
        base = os.path.expanduser("~/Library/Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME", "")
        if not os.path.isabs(base):
            base = os.path.expanduser("~/.cache")
    if not os.path.isabs(base):  # nobody knows where this user is at home
        return None
    return os.path.join(base, "limpide", "compiled")


def load(key: bytes | str) -> bytes | None:
    """Give what was stored under a key; None where nothing is that is whole and ours.

    Examples
    --------
    >>> store("the key of an example", b"compiled")
    >>> load("the key of an example") in (b"compiled", None)  # None where the disk takes nothing
    True
    """
    wanted = _key_bytes(key)
    with _used(make=False) as place:
        if place is not None:
            return _unpacked(_read(place, _entry_name(wanted)), wanted)
    return None


def store(key: bytes | str, payload: bytes) -> None:
    """Keep a payload under a key, in place of what is there; or keep nothing, and say nothing.

    The entry appears in one step, however many processes write it. It is not flushed to the disk
    first: after a power cut it may be cut off, which its hash tells, and compiling again costs
    less than every process's waiting for the disk would.
    """
    wanted = _key_bytes(key)
    with _used(make=True) as place:
        if place is not None and len(payload) < LIMIT // 4:
            token = os.urandom(8)  # the generator of ``random`` belongs to the user
            content = _packed(wanted, payload)
            with contextlib.suppress(FileNotFoundError):  # somebody is emptying the folder
                _write(place, f".{token.hex()}.tmp", _entry_name(wanted), content)
            if int.from_bytes(token, "big") * _TIDY_EVERY < (len(content) + _BLOCK) << 64:
                _tidy(place)


def source_digest(room: str) -> str:
    """Hash the files that decide what code is written: an engine's room, the graph, the version.

    All their bytes: times and sizes would be cheaper, but packages are unpacked with one time for
    all files, and a wrong hit runs wrong code. Ask when the room's modules are imported, and not
    when something is compiled: a file edited in between would speak for code that its older self
    wrote.
    """
    root = files("limpide")
    read = [file for file in files(room).iterdir() if file.name.endswith((".py", ".pyc"))]
    read += [file for file in root.iterdir() if file.name in ("__init__.py", "ir.py")]
    digest = hashlib.sha256()
    for content in sorted(file.read_bytes() for file in read):
        digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()


# Entries --------------------------------------------------------------------------------------


def _key_bytes(key: bytes | str) -> bytes:
    return key.encode() if isinstance(key, str) else key


def _entry_name(key: bytes) -> str:
    return hashlib.sha256(key).hexdigest()


def _digest(key: bytes, payload: bytes) -> bytes:
    digest = hashlib.sha256(struct.pack("<QQ", len(key), len(payload)))
    digest.update(key)
    digest.update(payload)
    return digest.digest()


def _packed(key: bytes, payload: bytes) -> bytes:
    head = _HEAD.pack(_MAGIC, FORMAT, _digest(key, payload), len(key), len(payload))
    return b"".join((head, key, payload))


def _unpacked(content: bytes | None, wanted: bytes) -> bytes | None:
    """Give the payload of an entry without a flaw, and for the key that is wanted."""
    if content is None or len(content) < _HEAD.size:
        return None
    magic, version, digest, key_bytes, payload_bytes = _HEAD.unpack_from(content)
    if (magic, version) != (_MAGIC, FORMAT):
        return None
    if len(content) != _HEAD.size + key_bytes + payload_bytes:
        return None
    start = _HEAD.size + key_bytes
    key, payload = content[_HEAD.size : start], content[start:]
    return payload if key == wanted and digest == _digest(key, payload) else None


def _read(place: _Folder, name: str) -> bytes | None:
    """Give the bytes of a regular file that only we could have written."""
    try:
        descriptor = place.open(name, os.O_RDONLY | _READ)
    except OSError:  # none there, or something that is not ours
        return None
    with open(descriptor, "rb", buffering=0) as file:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode) or facts.st_size > LIMIT or _whose(facts):
            return None
        content = file.read()
        if time.time() - facts.st_mtime > _FRESH:
            with contextlib.suppress(OSError):
                os.utime(descriptor if os.utime in os.supports_fd else place.name(name))
        return content


def _write(place: _Folder, temporary: str, name: str, content: bytes) -> None:
    descriptor = place.open(temporary, _NEW)
    try:
        with open(descriptor, "wb", buffering=0) as file:
            rest = memoryview(content)
            while rest:
                rest = rest[file.write(rest) :]
        place.rename(temporary, name)
    except BaseException:
        place.remove(temporary)
        raise


def _tidy(place: _Folder) -> None:
    """Remove what writers that were killed left, and the entries that were not used for longest.

    A quarter of the room is made free, so that this is rarely needed.
    """
    entries: list[tuple[float, int, str]] = []
    now = time.time()
    for name, size, used in place.sizes_and_times():
        if _ENTRY.fullmatch(name):
            entries.append((used, size + _BLOCK, name))
        elif _TEMPORARY.fullmatch(name) and now - used > _STALE:
            place.remove(name)
    total = sum(size for _, size, _ in entries)
    if total <= LIMIT:
        return
    for _, size, name in sorted(entries):
        if total <= LIMIT * 3 // 4:
            break
        place.remove(name)
        total -= size


# The folder -----------------------------------------------------------------------------------


@contextlib.contextmanager
def _used(make: bool) -> Iterator[_Folder | None]:
    """Open the folder, if it can be trusted; whatever the system refuses is taken as no cache."""
    path = folder()
    if path is None:
        yield None
        return
    place = None
    try:
        place = _opened(path, make)
    except _Unusable as reason:
        _warn(path, str(reason))
    except OSError as error:
        _warn_of(path, error)
    try:
        yield place
    except OSError as error:
        _warn_of(path, error)
    finally:
        if place is not None and place.descriptor is not None:
            os.close(place.descriptor)


def _opened(path: str, make: bool) -> _Folder | None:
    """Give the folder; None where there is none and none is to be made."""
    if sys.platform == "win32":  # which opens no folders, and keeps a user's own by access lists
        if make:
            os.makedirs(path, exist_ok=True)
        return _Folder(path, None)
    try:
        descriptor = os.open(path, _FOLDER)
    except FileNotFoundError:
        if not make:
            return None
        _make(path)
        descriptor = os.open(path, _FOLDER)
    except OSError:
        if os.path.islink(path):
            raise _Unusable(f"is a symbolic link. {_ELSEWHERE}") from None
        raise
    try:
        whose = _whose(os.fstat(descriptor))
        if whose:
            raise _Unusable(whose)
    except BaseException:
        os.close(descriptor)
        raise
    return _Folder(path, descriptor)


def _make(path: str) -> None:
    """Make a folder, and those above it that are missing, for nobody but us."""
    above = os.path.dirname(path)
    if above and not os.path.isdir(above):
        _make(above)
    with contextlib.suppress(FileExistsError):  # made by another process meanwhile
        os.mkdir(path, 0o700)


def _whose(facts: os.stat_result) -> str:
    """Say who else could have written a file or folder; an empty text where nobody could."""
    if sys.platform == "win32":
        return ""
    if facts.st_uid != os.geteuid():
        return f"belongs to another user (uid {facts.st_uid}). {_ELSEWHERE}"
    if facts.st_mode & 0o022:
        mode = stat.S_IMODE(facts.st_mode)
        return f"can be written by other users (mode {mode:o}). Run chmod go-w on it"
    return ""


def _warn_of(path: str, error: OSError) -> None:
    if error.errno in _UNUSABLE:
        name = errno.errorcode[error.errno]
        _warn(
            path,
            f"cannot be used: {os.strerror(error.errno)} ({name}). Set {VARIABLE} to a folder in "
            f"which you may write, or to nothing for no cache on disk",
        )


def _warn(path: str, reason: str) -> None:
    if next(_warned) == 0:
        warnings.warn(
            f"compiled code is kept in memory only, since the cache folder {path!r} {reason}.",
            LimpideWarning,
            stacklevel=2,
        )
