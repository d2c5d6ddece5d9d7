"""A file is replaced whole or not at all, whatever fails and whenever the process dies."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from failing_calls import Faults
from limpide import storage
from limpide.errors import ArgumentTypeError, FileError, LimpideWarning
from limpide.storage import atomic_write

OLD, NEW = b"the old file", [b"the new ", b"file, longer"]
CALLS = ["open", "write", "fsync", "link", "replace", "unlink", "fchmod", "fstat", "close"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EACCES])
@pytest.mark.parametrize("for_good", [False, True], ids=["once", "for good"])
@pytest.mark.parametrize("existed", [False, True], ids=["new", "replaced"])
@pytest.mark.parametrize("calls", [CALLS[:5], CALLS], ids=["main", "all"])
def test_the_nth_call_failing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    calls: list[str],
    existed: bool,
    for_good: bool,
    number: int,
) -> None:
    path = tmp_path / "model"
    descriptors = os.listdir("/proc/self/fd")
    faults = Faults(monkeypatch, calls)
    seen: set[str] = set()
    for n in range(1, 100):
        faults.plan(0, False, 0)
        path.unlink(missing_ok=True)
        if existed:
            path.write_bytes(OLD)
            path.chmod(0o640)
        faults.plan(n, for_good, number)
        outcome = save_under_faults(path)
        failed, faults.at = faults.failed, 0
        seen.update(failed)
        if not failed:
            assert outcome is None
            break
        if isinstance(outcome, FileError):
            assert f"cannot save {str(path)!r}: {os.strerror(number)}" in str(outcome)
            assert ("The old file is unchanged." in str(outcome)) == existed
            assert outcome.errno == number
            assert path.exists() == existed
            assert not existed or path.read_bytes() == OLD
        else:  # a call whose failure costs nothing, or the folder's flush with no way back
            assert path.read_bytes() == b"".join(NEW)
            assert isinstance(outcome, LimpideWarning) <= (for_good and "fsync" in failed)
        if not for_good and "unlink" not in failed:
            assert os.listdir(tmp_path) in ([], ["model"])
        atomic_write(path, NEW)  # the fault is gone: this cleans up as well
        assert os.listdir(tmp_path) == ["model"]
        assert path.read_bytes() == b"".join(NEW)
    assert seen >= {"open", "write", "fsync", "replace"}
    assert os.listdir("/proc/self/fd") == descriptors


def save_under_faults(path: Path) -> Exception | None:
    try:
        atomic_write(path, NEW)
    except (FileError, LimpideWarning) as outcome:  # warnings are errors in these tests
        return outcome
    return None


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.ENOSPC, r"No space left on device \(ENOSPC\)\. .* Free some space"),
        (errno.EACCES, r"Permission denied \(EACCES\)\. .* in which you may write"),
        (errno.EIO, r"Input/output error \(EIO\)\. .* reports a fault: save to another"),
        (errno.EROFS, r"\(EROFS\)\. .* in which you may write"),
        (errno.EBUSY, r"\(EBUSY\)\. The old file is unchanged\. Save to another folder\."),
    ],
)
def test_a_failed_save_names_the_reason_and_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, message: str
) -> None:
    (tmp_path / "m").write_bytes(OLD)
    Faults(monkeypatch, ["fsync"]).plan(1, True, number)
    with pytest.raises(FileError, match=message) as info:
        atomic_write(tmp_path / "m", b"new")
    assert isinstance(info.value, OSError)
    assert isinstance(info.value.__cause__, OSError)


def test_a_model_that_cannot_be_saved_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "people.safetensors"
    storage.write(path, {"w": np.ones(3)}, {})
    before = path.read_bytes()
    faults = Faults(monkeypatch, ["write"])
    faults.plan(2, False, errno.ENOSPC)
    with pytest.raises(FileError, match=r"No space left.*The old file is unchanged"):
        storage.write(path, {"w": np.zeros(3)}, {})
    assert path.read_bytes() == before
    assert storage.read(path).tensors["w"].tolist() == [1, 1, 1]


def test_a_folder_that_cannot_be_flushed_brings_the_old_file_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "m").write_bytes(OLD)
    faults = Faults(monkeypatch, ["fsync"])
    faults.plan(2, False, errno.EIO)
    with pytest.raises(FileError, match=r"Input/output error .*The old file is unchanged"):
        atomic_write(tmp_path / "m", b"new")
    assert (tmp_path / "m").read_bytes() == OLD
    faults.plan(2, False, errno.EIO)
    with pytest.raises(FileError, match="Input/output error"):
        atomic_write(tmp_path / "other", b"new")
    assert os.listdir(tmp_path) == ["m"]


def test_no_way_back_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "m").write_bytes(OLD)
    faults = Faults(monkeypatch, ["fsync", "replace"])
    faults.plan(3, True, errno.EIO)  # the file's flush, the rename, the folder's flush
    with pytest.warns(LimpideWarning, match="m' is saved, but its folder could not be flushed"):
        atomic_write(tmp_path / "m", b"new")
    assert (tmp_path / "m").read_bytes() == b"new"


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP])
def test_file_systems_without_links_or_folder_flushes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    (tmp_path / "m").write_bytes(OLD)
    Faults(monkeypatch, ["link"]).plan(1, True, errno.EPERM)
    Faults(monkeypatch, ["fsync"]).plan(2, True, number)
    atomic_write(tmp_path / "m", b"new")
    assert (tmp_path / "m").read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["m"]


def test_short_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, bytes(data[:7])))
    pieces = [b"", bytes(range(100)), np.arange(9.0).data, np.zeros((0, 3)).data, bytearray(3)]
    atomic_write(tmp_path / "m", pieces)
    expected = bytes(range(100)) + np.arange(9.0).tobytes() + bytes(3)
    assert (tmp_path / "m").read_bytes() == expected


@pytest.mark.parametrize("failure", [KeyboardInterrupt, RuntimeError, OSError("theirs")])
def test_pieces_that_break_off(tmp_path: Path, failure: Any) -> None:
    (tmp_path / "m").write_bytes(OLD)

    def pieces() -> Iterator[bytes]:
        yield b"half"
        raise failure

    with pytest.raises(type(failure) if isinstance(failure, Exception) else failure) as info:
        atomic_write(tmp_path / "m", pieces())
    assert not isinstance(info.value, FileError)
    assert (tmp_path / "m").read_bytes() == OLD
    assert os.listdir(tmp_path) == ["m"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/dev/full", "'/dev/full': it is a device, not a regular file. Give the path of a file"),
        ("/dev/null", "'/dev/null': it is a device"),
        ("{}/pipe", "it is a pipe, not a regular file"),
        ("{}/to-full", "it is a device, not a regular file"),
        ("{}", "it is a folder. Name a file in it"),
        ("{}/.", "it is a folder. Name a file in it"),
        ("{}/new/", "it names a folder. Name a file in it"),
        ("{}/absent/m", r"No such file or directory \(ENOENT\). Make the folder first"),
        ("{}/file/m", r"Not a directory \(ENOTDIR\). Correct the path"),
        ("{}/loop", r"\(ELOOP\). Remove the symbolic link"),
        ("{}/" + "x" * 256, r"\(ENAMETOOLONG\). Choose a shorter name"),
        ("", "path '' can name no file"),
        ("a\0b", r"path 'a\\x00b' can name no file"),
        ("\ud800", r"path '\\ud800' can name no file"),
    ],
)
def test_targets_that_are_no_files(tmp_path: Path, path: str, message: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_bytes(OLD)
    (tmp_path / "to-full").symlink_to("/dev/full")
    (tmp_path / "loop").symlink_to("loop")
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(FileError, match=message):
        atomic_write(path.format(tmp_path), b"new")
    with pytest.raises(FileError, match=message):
        storage.write(path.format(tmp_path), {}, {})
    assert sorted(os.listdir(tmp_path)) == before
    assert (tmp_path / "file").read_bytes() == OLD


def test_what_is_no_path() -> None:
    with pytest.raises(ArgumentTypeError, match=r"path must be a text .* received int"):
        atomic_write(1, b"")  # type: ignore[arg-type]


def test_a_read_only_file_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "m").write_bytes(OLD)
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)  # root may always write
    with pytest.raises(FileError, match=r"the file is read-only \(EACCES\).*unchanged"):
        atomic_write(tmp_path / "m", b"new")
    assert (tmp_path / "m").read_bytes() == OLD


def test_symbolic_links_stay(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "m").write_bytes(OLD)
    (tmp_path / "link").symlink_to("real/m")
    (tmp_path / "link-to-link").symlink_to(tmp_path / "link")
    (tmp_path / "dangling").symlink_to("real/new")
    atomic_write(tmp_path / "link-to-link", b"new")
    atomic_write(tmp_path / "dangling", b"fresh")
    assert (tmp_path / "link-to-link").is_symlink()
    assert os.readlink(tmp_path / "link") == "real/m"
    assert (tmp_path / "real" / "m").read_bytes() == b"new"
    assert (tmp_path / "real" / "new").read_bytes() == b"fresh"
    assert sorted(os.listdir(tmp_path / "real")) == ["m", "new"]


def test_relative_paths_and_strange_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = ["m", "-m", ".m", "a b\nc", "[x](y)*", "é" * 127, "модель", os.fsdecode(b"caf\xe9")]
    for name in names:
        atomic_write(name, b"old")
        atomic_write(name, b"new")
        assert Path(name).read_bytes() == b"new"
    assert sorted(os.listdir(tmp_path)) == sorted(names)


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002, 0])
def test_a_new_file_honours_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        atomic_write(tmp_path / "m", b"new")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "m").stat().st_mode) == 0o666 & ~umask


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o664, 0o777])
def test_a_replaced_file_keeps_its_mode_and_its_owner(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "m"
    path.write_bytes(OLD)
    path.chmod(mode)
    if os.getuid() == 0:
        os.chown(path, 1234, 4321)
    old = path.stat()

    def pieces() -> Iterator[bytes]:
        (temporary,) = (entry for entry in tmp_path.iterdir() if entry.name != "m")
        assert not stat.S_IMODE(temporary.stat().st_mode) & ~mode  # never wider, not even now
        yield b"new"

    atomic_write(path, pieces())
    new = path.stat()
    assert stat.S_IMODE(new.st_mode) == mode
    assert (new.st_uid, new.st_gid) == (old.st_uid, old.st_gid)
    assert new.st_ino != old.st_ino


def test_stale_temporaries_are_swept_and_only_those(tmp_path: Path) -> None:
    stale = [".m.limpide-0123456789abcdef.tmp", ".m.limpide-0123456789abcdef.old"]
    kept = [
        ".m.limpide-0123456789abcdef.tmp.txt",
        ".m.limpide-0123456789ABCDEF.tmp",
        ".m.limpide-0123.tmp",
        ".n.limpide-0123456789abcdef.tmp",
        "m.limpide-0123456789abcdef.tmp",
        ".m.tmp",
    ]
    for name in [*stale, *kept]:
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / ".m.limpide-1111111111111111.tmp").mkdir()
    (tmp_path / ".m.limpide-2222222222222222.tmp").symlink_to("elsewhere")
    kept += [".m.limpide-1111111111111111.tmp", ".m.limpide-2222222222222222.tmp"]
    with open(tmp_path / ".m.limpide-3333333333333333.tmp", "w") as living:
        fcntl.flock(living, fcntl.LOCK_EX)  # as the process that writes it would
        atomic_write(tmp_path / "m", b"new")
        assert sorted(os.listdir(tmp_path)) == sorted([*kept, os.path.basename(living.name), "m"])
    atomic_write(tmp_path / "m", b"newer")
    assert sorted(os.listdir(tmp_path)) == sorted([*kept, "m"])


def test_two_saves_at_once_leave_one_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "m"

    def pieces() -> Iterator[bytes]:
        yield b"outer"
        atomic_write(path, b"inner")
        assert path.read_bytes() == b"inner"
        assert len(os.listdir(tmp_path)) == 2  # the outer one's temporary was not swept
        yield b"!"

    atomic_write(path, pieces())
    assert path.read_bytes() == b"outer!"
    assert os.listdir(tmp_path) == ["m"]


KILLER = r"""
import json, os, random, signal, sys, time
import numpy as np
from limpide import storage

path, rounds = sys.argv[1], int(sys.argv[2])
contents = [({"w": np.full(n, n, np.float32)}, {"n": n}) for n in (5, 60_000)]
calls = ["open", "write", "fsync", "link", "replace", "unlink", "close"]
found = {}

def check(kind):
    stored = storage.read(path)
    n = stored.metadata["n"]
    assert stored.tensors["w"].tolist() == [n] * n
    found[f"{kind} {n}"] = found.get(f"{kind} {n}", 0) + 1

def die_at(n, before):
    count = 0
    def wrap(call):
        def watched(*args, **kwargs):
            nonlocal count
            count += 1
            if before and count == n:
                os.kill(os.getpid(), signal.SIGKILL)
            result = call(*args, **kwargs)
            if count == n:
                os.kill(os.getpid(), signal.SIGKILL)
            return result
        return watched
    for name in calls:
        setattr(os, name, wrap(getattr(os, name)))

def child(work):
    pid = os.fork()
    if not pid:
        try:
            work()
        finally:
            os._exit(0)
    return pid

def save_once(n, before):
    die_at(n, before)
    storage.write(path, *contents[1])

def save_forever():
    while True:
        for content in contents:
            storage.write(path, *content)

for before in (True, False):
    for n in range(1, 100):
        storage.write(path, *contents[0])
        status = os.waitpid(child(lambda: save_once(n, before)), 0)[1]
        check("step")
        if not os.WIFSIGNALED(status):
            break
    else:
        raise SystemExit("the saves never ended")

draw = random.Random(0)
for _ in range(rounds):
    pid = child(save_forever)
    time.sleep(draw.uniform(0, 0.02))
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    check("time")
storage.write(path, *contents[0])
print(json.dumps(found))
"""


@pytest.mark.parametrize("rounds", [40, pytest.param(600, marks=pytest.mark.long)])
def test_killed_at_any_moment(tmp_path: Path, rounds: int) -> None:
    """Killed before and after each system call, then at random times: always old or new."""
    (tmp_path / "models").mkdir()
    command = [sys.executable, "-c", KILLER, str(tmp_path / "models" / "m"), str(rounds)]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    run = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    assert found["step 5"] > 10  # killed before the rename
    assert found["step 60000"] > 6  # killed after it
    assert found["time 5"] + found["time 60000"] == rounds
    assert os.listdir(tmp_path / "models") == ["m"]


@pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])
def test_a_name_taken_meanwhile_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    target = tmp_path / "model"
    if not links:

        def refused(*_: Any) -> None:
            raise OSError(errno.EPERM, "Operation not permitted")

        monkeypatch.setattr(os, "link", refused)

    def slow() -> Iterator[bytes]:
        yield b"the second"
        target.write_bytes(OLD)

    for content in (slow(), b"the third"):  # put there while writing; before
        with pytest.raises(FileError, match=r"model': File exists \(EEXIST\).*another name") as got:
            atomic_write(target, content, overwrite=False)
        assert got.value.errno == errno.EEXIST
        assert target.read_bytes() == OLD
        assert os.listdir(tmp_path) == ["model"]
    atomic_write(tmp_path / "free", NEW, overwrite=False)
    assert (tmp_path / "free").read_bytes() == b"".join(NEW)
    assert sorted(os.listdir(tmp_path)) == ["free", "model"]
    assert os.stat(tmp_path / "free").st_nlink == 1
