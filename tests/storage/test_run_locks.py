"""One run at a time: who holds a lock is told, and what a dead process left is taken over."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import limpide
from limpide.errors import FileError
from limpide.storage import RunLock, run_lock

HOLDER = """
import os, sys, time
from limpide.storage import RunLock
lock = RunLock(sys.argv[1], "run")
lock.take()
if sys.argv[2] == "fork" and not (child := os.fork()):
    time.sleep(600)
print(os.getpid(), locals().get("child", 0), flush=True)
time.sleep(600)
"""


def holder(path: Path, *, fork: bool = False) -> tuple[subprocess.Popen[bytes], list[int]]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path), "fork" if fork else ""],
        env={**os.environ, "PYTHONPATH": str(Path(limpide.__file__).parents[1])},
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    return process, [int(word) for word in process.stdout.readline().split()]


def left(path: Path, age: float = 0, **who: Any) -> None:
    """Leave a lock's file that nobody holds."""
    ours = run_lock._this_process()
    path.write_text(json.dumps({**vars(ours), **who}))
    os.utime(path, (time.time() - age,) * 2)


def test_a_second_run_is_refused_naming_the_first_until_that_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    process, (pid, _) = holder(path)
    host = run_lock._this_process().host
    with pytest.raises(
        FileError, match=rf"'run' is in use .*process {pid} on {host}, since 20"
    ) as e:
        RunLock(str(path), "run").take()
    assert e.value.errno == errno.EWOULDBLOCK
    assert path.exists()
    process.kill()
    process.communicate()
    lock = RunLock(str(path), "run")
    lock.take()
    assert lock.is_ours()
    lock.release()
    assert not lock.is_ours()
    assert os.listdir(tmp_path) == []


def test_a_child_of_the_holder_holds_nothing(tmp_path: Path) -> None:
    process, (_, child) = holder(tmp_path / "lock", fork=True)
    process.kill()
    process.wait()
    try:
        lock = RunLock(str(tmp_path / "lock"), "run")
        for _ in range(1000):  # until the child has begun
            if not lock.is_taken():
                break
        os.kill(child, 0)
        lock.take()
        lock.release()
    finally:
        os.kill(child, signal.SIGKILL)
        process.communicate()


def test_within_one_process_too(tmp_path: Path) -> None:
    first, second = (RunLock(str(tmp_path / "lock"), "run") for _ in range(2))
    first.take()
    with pytest.raises(FileError, match=f"process {os.getpid()} on"):
        second.take()
    first.release()
    first.release()
    second.take()
    second.release()


def test_a_holder_that_has_not_written_its_name_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_lock, "_TRIES", 3)
    path = tmp_path / "lock"
    with open(path, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(FileError, match="in use by another run: another process"):
            RunLock(str(path), "run").take()
    lock = RunLock(str(path), "run")
    lock.take()
    lock.release()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}', '{"pid": "x"}', "\xff", "9" * 5000])
def test_what_is_left_illegible_is_taken_over(tmp_path: Path, text: str) -> None:
    path = tmp_path / "lock"
    path.write_bytes(text.encode("latin-1"))
    lock = RunLock(str(path), "run")
    lock.take()
    assert lock.is_ours()
    lock.release()


def test_another_machine_is_believed_while_it_gives_signs_of_life(tmp_path: Path) -> None:
    """The system's lock may not be seen from there: some network folders are so."""
    path = tmp_path / "lock"
    for who in ({"host": "elsewhere", "boot": "another"}, {"boot": "another"}):
        left(path, age=run_lock.SILENCE - 10, **who)
        with pytest.raises(FileError, match=rf"process {os.getpid()} on .*another one after 120 s"):
            RunLock(str(path), "run").take()
        left(path, age=run_lock.SILENCE + 10, **who)
        lock = RunLock(str(path), "run")
        lock.take()
        lock.release()


def test_a_dead_container_of_this_machine_is_known_to_be_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "lock"
    left(path, host="the-one-before")
    lock = RunLock(str(path), "run")
    if run_lock._this_process().boot:
        lock.take()
        lock.release()
    # Its process number says nothing here, where there are no locks.
    left(path, host="the-one-before", pid=dead())
    monkeypatch.setattr(run_lock, "_lock", lambda descriptor: None)
    with pytest.raises(FileError, match="in use"):
        lock.take()


RACE = """
import os, sys, time
from limpide.errors import FileError
from limpide.storage import RunLock
folder = sys.argv[1]
inside = os.path.join(folder, "inside")
for child in range(6):
    if not os.fork():
        won = 0
        while won < 25:
            lock = RunLock(os.path.join(folder, "lock"), "run")
            try:
                lock.take()
            except FileError:
                continue
            os.close(os.open(inside, os.O_CREAT | os.O_EXCL))
            time.sleep(0.0005)
            os.unlink(inside)
            lock.release()
            won += 1
        os._exit(0)
for child in range(6):
    assert os.wait()[1] == 0
"""


def test_never_two_at_once(tmp_path: Path) -> None:
    """Six processes take the lock, whose file comes and goes with each of them."""
    subprocess.run(
        [sys.executable, "-c", RACE, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(Path(limpide.__file__).parents[1])},
        check=True,
    )
    assert os.listdir(tmp_path) == []


def dead() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_file_systems_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_lock, "_lock", lambda descriptor: None)
    path = tmp_path / "lock"
    lock, other = RunLock(str(path), "run"), RunLock(str(path), "run")
    lock.take()
    with pytest.raises(FileError, match="is in use by another run"):
        other.take()
    left(path, age=run_lock.SILENCE + 10)  # such as a number that another process has now
    other.take()
    assert other.is_ours()
    assert not lock.is_ours()
    lock.release()  # which is not ours any more
    assert other.is_ours()
    other.release()
    left(path, pid=dead())
    lock.take()
    lock.release()
    assert os.listdir(tmp_path) == []


def test_of_two_that_come_at_once_without_locks_one_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_lock, "_lock", lambda descriptor: None)
    path = tmp_path / "lock"
    first, second = RunLock(str(path), "run"), RunLock(str(path), "run")
    sleep = time.sleep

    def meanwhile(seconds: float) -> None:
        monkeypatch.setattr(run_lock.time, "sleep", sleep)
        os.truncate(path, 0)  # the other one had looked before we wrote
        second.take()

    monkeypatch.setattr(run_lock.time, "sleep", meanwhile)
    with pytest.raises(FileError, match="is in use"):
        first.take()
    assert second.is_ours()
    second.release()


def test_signs_of_life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "lock"
    lock = RunLock(str(path), "run")
    lock.beat()  # without the lock nothing
    lock.take()
    os.utime(path, (0, 0))
    lock.beat()
    assert path.stat().st_mtime == 0  # one was given just now
    monkeypatch.setattr(run_lock, "_BEAT", 0.0)
    lock.beat()
    assert time.time() - path.stat().st_mtime < 1000
    path.unlink()
    lock.beat()
    assert not lock.is_ours()
    lock.release()
    assert not path.exists()


def test_where_no_lock_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("elsewhere")
    for place, reason in (
        ("absent/lock", "ENOENT"),
        ("link", "ELOOP"),
        ("x" * 300, "ENAMETOOLONG"),
    ):
        with pytest.raises(
            FileError, match=rf"'run' cannot be kept there: .*\({reason}\)\. Choose"
        ):
            RunLock(str(tmp_path / place), "run").take()
