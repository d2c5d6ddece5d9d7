"""A lock that one run at a time holds, and that goes with its process however it ends.

Answers for: who holds it (process, machine, since when), taking over what a dead process left,
file systems without locks. Not for: what is done under it, or threads of one process (``locks``).

The system's own lock (``flock``, on Windows ``msvcrt.locking``) is let go with its process. Where
a file system has none, or one that other machines do not see (some network folders), a sign of life
stands in: the holder sets the file's time anew every few seconds while it runs.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import platform
import secrets
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from weakref import WeakSet

from limpide.errors import FileError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

SILENCE = 120.0
"""Seconds without a sign of life after which a holder that cannot be asked counts as dead."""

_BEAT = 10.0  # seconds between signs of life, at least
_OPEN = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
_TAKEN = {errno.EWOULDBLOCK, errno.EAGAIN}
if sys.platform == "win32":
    _TAKEN |= {errno.EACCES, errno.EDEADLK}
_FAR = 1 << 30  # the byte that Windows locks: what it locks cannot be read
_MOST = 4096  # bytes read of a lock file
_TRIES, _PAUSE = 50, 0.02  # while another process is just taking it or letting it go


@dataclass(frozen=True)
class Holder:
    """Who holds a lock, as its file says; ``boot`` tells machines of one name apart."""

    pid: int
    host: str
    boot: str
    since: str
    token: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since}"


class RunLock:
    """A lock, taken with ``take`` and let go with ``release``.

    Parameters
    ----------
    path
        The lock's own file, which is made and removed; its folder must exist.
    shown
        What is locked, as errors name it.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     lock = RunLock(os.path.join(folder, "run.lock"), "run")
    ...     lock.take()
    ...     print(lock.is_ours(), os.listdir(folder))
    ...     lock.release()
    ...     print(os.listdir(folder))
    True ['run.lock']
    []
    """

    def __init__(self, path: str, shown: str) -> None:
        self.path, self.shown = path, shown
        self._descriptor = -1
        self._holder: Holder | None = None
        self._beaten = 0.0

    def __reduce__(self) -> tuple[type[RunLock], tuple[str, str]]:
        return RunLock, (self.path, self.shown)  # a copy holds nothing

    def take(self) -> None:
        """Take the lock.

        Raises
        ------
        FileError
            Where another run holds it (``errno`` EWOULDBLOCK): names its process, machine and
            start. Where the lock's file cannot be made.
        """
        holder: Holder | None = None
        for _ in range(_TRIES):
            try:
                descriptor = os.open(self.path, _OPEN, 0o666)
            except OSError as error:
                raise self._cannot(error) from error
            try:
                taken, holder = self._try(descriptor)
            except OSError as error:
                _close(descriptor)
                raise self._cannot(error) from error
            except BaseException:
                _close(descriptor)
                raise
            if taken:
                self._descriptor, self._beaten = descriptor, time.monotonic()
                _held.add(self)
                return
            _close(descriptor)
            if holder is not None:
                break
            time.sleep(_PAUSE)  # somebody is taking it, or has just let it go
        raise self._in_use(holder)

    def _try(self, descriptor: int) -> tuple[bool, Holder | None]:
        """Try once: whether it is ours now, and if not, who holds it where that is known."""
        locked = _lock(descriptor)
        before = _holder(descriptor)
        if locked is False:
            return False, before
        if not _is_at(descriptor, self.path):
            return False, None  # it was removed after we opened it
        if before is not None and self._may_live(before, descriptor, bool(locked)):
            return False, before
        ours = _this_process()
        content = json.dumps(asdict(ours)).encode()
        os.ftruncate(descriptor, 0)
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.write(descriptor, content)
        if not locked:  # two may have come so far
            time.sleep(_PAUSE)
            if _holder(descriptor) != ours or not _is_at(descriptor, self.path):
                return False, None
        self._holder = ours
        return True, None

    def _may_live(self, holder: Holder, descriptor: int, locked: bool) -> bool:
        """Tell whether a holder that its file names may still run."""
        here = _this_process()
        same_host, same_boot = holder.host == here.host, holder.boot == here.boot
        # A lock that this machine gave us is one that no other process of it has: in a container
        # with another name neither. A number is a process's only under the same name.
        if locked and same_boot and (here.boot or same_host):
            return False
        if not locked and same_boot and same_host and not _lives(holder.pid):
            return False
        return self._silence(descriptor) < SILENCE

    def _silence(self, descriptor: int) -> float:
        """Give the seconds since the last sign of life, by the clock that set the file's time."""
        now = time.time()
        folder = os.path.dirname(self.path) or os.curdir
        with contextlib.suppress(OSError), tempfile.TemporaryFile(dir=folder) as probe:
            now = os.fstat(probe.fileno()).st_mtime
        return now - os.fstat(descriptor).st_mtime

    def is_taken(self) -> bool:
        """Tell whether another run holds the lock now."""
        try:
            self.take()
        except FileError as error:
            return error.errno == errno.EWOULDBLOCK
        self.release()
        return False

    def beat(self) -> None:
        """Give a sign of life, at most every few seconds. Never raises."""
        now = time.monotonic()
        if self._descriptor < 0 or now - self._beaten < _BEAT:
            return
        self._beaten = now
        with contextlib.suppress(OSError):
            os.utime(self.path if sys.platform == "win32" else self._descriptor)

    def is_ours(self) -> bool:
        """Tell whether nobody has taken the lock over, as after a sleep of this machine.

        Raises
        ------
        OSError
            Where the disk does not tell.
        """
        if self._descriptor < 0:
            return False
        try:
            there = os.stat(self.path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        is_there = os.path.samestat(os.fstat(self._descriptor), there)
        return is_there and _holder(self._descriptor) == self._holder

    def release(self) -> None:
        """Let the lock go and remove its file. Never raises."""
        descriptor, self._descriptor = self._descriptor, -1
        _held.discard(self)
        if descriptor < 0:
            return
        with contextlib.suppress(OSError):
            if _holder(descriptor) == self._holder and _is_at(descriptor, self.path):
                if sys.platform == "win32":  # which removes no open file
                    _close(descriptor)
                    descriptor = -1
                os.unlink(self.path)
        _close(descriptor)

    def forget(self) -> None:
        """Let a forked child, which did not take the lock, hold nothing of it."""
        descriptor, self._descriptor = self._descriptor, -1
        _close(descriptor)

    def _in_use(self, holder: Holder | None) -> FileError:
        who = "another process" if holder is None else str(holder)
        error = FileError(
            f"{self.shown!r} is in use by another run: {who}. Wait until that has ended, or give "
            f"this run a file of its own. (A process that is dead is noticed: on this machine at "
            f"once, on another one after {SILENCE:.0f} s.)"
        )
        error.errno = errno.EWOULDBLOCK
        return error

    def _cannot(self, cause: OSError) -> FileError:
        error = FileError(
            f"{self.shown!r} cannot be kept there: {cause.strerror or cause} "
            f"({errno.errorcode.get(cause.errno or 0, type(cause).__name__)}). "
            f"Choose a folder that exists and in which you may write."
        )
        error.errno = cause.errno
        return error


def _lock(descriptor: int) -> bool | None:
    """Give True where the lock is ours now, False where it is another's, None without locks."""
    try:
        if sys.platform == "win32":
            os.lseek(descriptor, _FAR, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return False if error.errno in _TAKEN else None
    return True


def _holder(descriptor: int) -> Holder | None:
    """Read who holds a lock; None where nobody is named, or not legibly."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    try:
        found = json.loads(os.read(descriptor, _MOST))
        fits = isinstance(found, dict) and isinstance(found.get("pid"), int)
        return Holder(**found) if fits else None
    except (ValueError, TypeError):
        return None


def _this_process() -> Holder:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        boot = ""
    since = datetime.now(UTC).isoformat(sep=" ", timespec="seconds")
    return Holder(os.getpid(), platform.node(), boot, since, secrets.token_hex(8))


def _is_at(descriptor: int, path: str) -> bool:
    """Tell whether an open file is the one that has this path now."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except OSError:
        return False


def _lives(pid: int) -> bool:
    if sys.platform == "win32":  # where asking by a signal would end the process
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # somebody else's
        return True
    return True


def _close(descriptor: int) -> None:
    if descriptor >= 0:
        with contextlib.suppress(OSError):
            os.close(descriptor)


_held: WeakSet[RunLock] = WeakSet()


def _forget_all() -> None:
    for lock in list(_held):
        lock.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
