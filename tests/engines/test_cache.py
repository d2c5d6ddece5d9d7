"""The cache on disk: an entry is whole and ours, or it is a miss; and nothing is ever an error."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import itertools
import multiprocessing
import os
import random
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from limpide.engines import cache
from limpide.engines.cache import load, store
from limpide.engines.native import fingerprint as native
from limpide.engines.native.fingerprint import fingerprint
from limpide.engines.native.target import host
from limpide.errors import LimpideWarning

posix = pytest.mark.skipif(sys.platform == "win32", reason="folders have no modes here")
as_root = pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() != 0, reason="only root gives files to other users"
)
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
NOBODY = 65534
PAYLOAD = bytes(range(256)) * 3


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the folder of a cache of this test's own, not made yet."""
    monkeypatch.setenv("LIMPIDE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "_warned", itertools.count())
    return tmp_path / "cache" / "compiled"


def entry(folder: Path, key: str = "key") -> Path:
    return folder / hashlib.sha256(key.encode()).hexdigest()


def open_files() -> int:
    """Count the open files, where the system shows them."""
    shown = Path("/proc/self/fd")
    return len(list(shown.iterdir())) if shown.exists() else 0


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


# Entries --------------------------------------------------------------------------------------


def test_what_is_stored_is_loaded(folder: Path) -> None:
    assert load("key") is None
    assert not folder.parent.exists()  # looking makes nothing
    for key, payload in [("key", PAYLOAD), (b"\0\xff", b""), ("ключ", os.urandom(300_000))]:
        assert store(key, payload) is None
        assert load(key) == payload
    assert load("another key") is None
    assert load(b"key") == PAYLOAD  # a text is its UTF-8
    store("key", b"new")
    assert load("key") == b"new"
    assert len(files(folder)) == 3


@posix
def test_the_folder_and_its_entries_are_for_nobody_but_us(folder: Path) -> None:
    old = os.umask(0)
    try:
        store("key", PAYLOAD)
    finally:
        os.umask(old)
    modes = [stat.S_IMODE(p.stat().st_mode) for p in (folder.parent, folder, entry(folder))]
    assert modes == [0o700, 0o700, 0o600]


def test_an_entry_with_any_byte_changed_is_a_miss(folder: Path) -> None:
    store("key", PAYLOAD[:200])
    whole = entry(folder).read_bytes()
    assert len(whole) < 300
    for place, bit in itertools.product(range(len(whole)), range(8)):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << bit
        entry(folder).write_bytes(damaged)
        assert load("key") is None, (place, bit)
    store("key", b"again")
    assert load("key") == b"again"


def test_an_entry_cut_off_anywhere_or_too_long_is_a_miss(folder: Path) -> None:
    store("key", PAYLOAD)
    whole = entry(folder).read_bytes()
    for length in range(len(whole)):
        entry(folder).write_bytes(whole[:length])
        assert load("key") is None, length
    entry(folder).write_bytes(whole + b"\0")
    assert load("key") is None
    entry(folder).write_bytes(whole)
    assert load("key") == PAYLOAD


def test_an_entry_for_another_key_is_a_miss(folder: Path) -> None:
    store("key", PAYLOAD)
    entry(folder).rename(entry(folder, "other"))
    assert load("other") is None
    # What is key and what is payload is hashed too: the same bytes cut elsewhere do not fit.
    content = bytearray(cache._packed(b"keyp", b"ayload"))
    content[:] = (
        cache._HEAD.pack(*cache._HEAD.unpack_from(content)[:3], 3, 7) + content[cache._HEAD.size :]
    )
    entry(folder).write_bytes(content)
    assert load("key") is None


def test_an_entry_of_another_format_is_a_miss(monkeypatch: pytest.MonkeyPatch) -> None:
    store("key", PAYLOAD)
    monkeypatch.setattr(cache, "FORMAT", cache.FORMAT + 1)
    assert load("key") is None
    store("key", b"new")
    assert load("key") == b"new"


@posix
def test_what_is_no_file_of_ours_is_a_miss(folder: Path, tmp_path: Path) -> None:
    store("key", PAYLOAD)
    place, aside = entry(folder), tmp_path / "aside"
    place.rename(aside)
    place.symlink_to(aside)
    assert load("key") is None
    place.unlink()
    os.mkfifo(place)
    assert load("key") is None  # and does not wait for a writer
    place.unlink()
    place.mkdir()
    assert load("key") is None
    store("key", PAYLOAD)  # cannot take the folder's place, and says nothing
    assert load("key") is None
    assert files(folder) == {place.name}
    place.rmdir()
    aside.rename(place)
    assert load("key") == PAYLOAD
    place.chmod(0o620)
    assert load("key") is None


@as_root
def test_a_file_of_another_user_is_a_miss(folder: Path) -> None:
    store("key", PAYLOAD)
    os.chown(entry(folder), NOBODY, -1)
    assert load("key") is None
    store("key", PAYLOAD)
    assert load("key") == PAYLOAD


# The folder -----------------------------------------------------------------------------------


def complaint(words: str) -> pytest.WarningsRecorder:
    return pytest.warns(LimpideWarning, match=rf"^compiled code is kept in memory only.*{words}\.$")


def test_it_warns_once_and_keeps_nothing(folder: Path) -> None:
    folder.parent.write_text("a file")
    with complaint(
        r"cache/compiled' cannot be used: .*\(ENOTDIR\). Set LIMPIDE_CACHE to a folder in "
        r"which you may write, or to nothing for no cache on disk"
    ):
        store("key", PAYLOAD)
    for _ in range(3):  # warnings are errors in tests
        store("key", PAYLOAD)
        assert load("key") is None
    assert folder.parent.read_text() == "a file"


@posix
@pytest.mark.parametrize("mode", [0o777, 0o770, 0o720, 0o702, 0o1777])
def test_a_folder_that_others_may_write_is_not_used(folder: Path, mode: int) -> None:
    store("key", PAYLOAD)
    folder.chmod(mode)
    with complaint(
        rf"compiled' can be written by other users \(mode {mode:o}\). Run chmod go-w on it"
    ):
        assert load("key") is None
    store("other", PAYLOAD)
    assert files(folder) == {entry(folder).name}
    folder.chmod(mode & ~0o022)
    assert load("key") == PAYLOAD


@as_root
def test_a_folder_of_another_user_is_not_used(folder: Path) -> None:
    store("key", PAYLOAD)
    os.chown(folder, NOBODY, -1)
    with complaint(
        r"belongs to another user \(uid 65534\). Set LIMPIDE_CACHE to a folder of your own"
    ):
        store("other", PAYLOAD)
    assert load("key") is None
    assert files(folder) == {entry(folder).name}


@posix
@pytest.mark.parametrize("dangling", [False, True])
def test_a_folder_that_is_a_link_is_not_used(folder: Path, tmp_path: Path, dangling: bool) -> None:
    folder.parent.mkdir()
    there = tmp_path / "there"
    if not dangling:
        there.mkdir(mode=0o700)
    folder.symlink_to(there)
    with complaint("is a symbolic link. Set LIMPIDE_CACHE to a folder of your own"):
        store("key", PAYLOAD)
    assert load("key") is None
    assert there.exists() != dangling
    assert dangling or not files(there)


@posix
def test_a_link_above_the_folder_is_followed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    folder.parent.symlink_to(tmp_path / "scratch")
    store("key", PAYLOAD)
    assert load("key") == PAYLOAD
    assert (tmp_path / "scratch" / "compiled").is_dir()


@posix
def test_a_link_above_the_folder_that_leads_nowhere_is_named(folder: Path, tmp_path: Path) -> None:
    folder.parent.symlink_to(tmp_path / "nowhere")
    with complaint(r"cache/compiled' cannot be used: No such file or directory \(ENOENT\).*"):
        store("key", PAYLOAD)
    assert not (tmp_path / "nowhere").exists()


@posix
def test_a_folder_that_is_exchanged_while_it_is_used_is_not_written(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store("key", PAYLOAD)
    packed = cache._packed

    def exchange(key: bytes, payload: bytes) -> bytes:
        folder.rename(tmp_path / "moved")
        folder.mkdir(mode=0o777)
        return packed(key, payload)

    monkeypatch.setattr(cache, "_packed", exchange)
    store("other", PAYLOAD)
    assert files(folder) == set()
    assert files(tmp_path / "moved") == {entry(folder).name, entry(folder, "other").name}


def test_an_empty_variable_means_no_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LIMPIDE_CACHE", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache.folder() is None
    store("key", PAYLOAD)
    assert load("key") is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {}, "{home}/.cache/limpide/compiled"),
        ("linux", {"XDG_CACHE_HOME": "/scratch/me"}, "/scratch/me/limpide/compiled"),
        ("linux", {"XDG_CACHE_HOME": ""}, "{home}/.cache/limpide/compiled"),
        ("linux", {"XDG_CACHE_HOME": "relative"}, "{home}/.cache/limpide/compiled"),
        ("darwin", {"XDG_CACHE_HOME": "/x"}, "{home}/Library/Caches/limpide/compiled"),
        ("win32", {"LOCALAPPDATA": "/data"}, "/data/limpide/compiled"),
        ("linux", {"LIMPIDE_CACHE": "/here", "XDG_CACHE_HOME": "/x"}, "/here/compiled"),
        ("linux", {"LIMPIDE_CACHE": "~/mine"}, "{home}/mine/compiled"),
    ],
)
@posix
def test_where_the_folder_is(
    monkeypatch: pytest.MonkeyPatch, platform: str, variables: dict[str, str], expected: str
) -> None:
    for name in ("LIMPIDE_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": "/home/ada", **variables}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    assert cache.folder() == expected.format(home="/home/ada")


def test_a_relative_folder_is_one_below_where_we_are(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LIMPIDE_CACHE", "here")
    store("key", PAYLOAD)
    assert load("key") == PAYLOAD
    assert files(tmp_path / "here") == {"compiled"}


@posix
def test_a_home_that_cannot_be_written_is_said_once_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("LIMPIDE_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", "/proc/self")  # where nobody, not even root, may make a folder
    with complaint(r"'/proc/self/.cache/limpide/compiled' cannot be used: .*"):
        store("key", PAYLOAD)
    store("key", PAYLOAD)
    assert load("key") is None


def test_without_a_home_there_is_no_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LIMPIDE_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # what it does then
    store("key", PAYLOAD)
    assert load("key") is None
    assert cache.folder() is None
    assert list(tmp_path.iterdir()) == []


# Faults ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EMFILE])
@pytest.mark.parametrize("times", [1, 10**6])
def test_the_nth_call_failing_leaves_no_entry_or_a_whole_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch, code: int, times: int
) -> None:
    """Every call of the system fails in its turn, once or for good: never an error or a warning."""

    def failing(name: str, after: int) -> None:
        real, calls = getattr(os, name), itertools.count()

        def call(*args: object, **keywords: object) -> object:
            if after <= next(calls) < after + times:
                raise OSError(code, os.strerror(code))
            return real(*args, **keywords)

        patch.setattr(os, name, call)

    descriptors = open_files()
    for name, after in itertools.product(["open", "mkdir", "replace", "fstat"], range(4)):
        with monkeypatch.context() as patch:
            failing(name, after)
            store("key", PAYLOAD)
            assert load("key") in (None, PAYLOAD)
        store("key", PAYLOAD)
        assert load("key") == PAYLOAD
        assert files(folder) == {entry(folder).name}
        entry(folder).unlink()
        if after % 2:
            folder.rmdir()
    assert open_files() == descriptors


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_leaves_no_entry_and_says_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store("other", PAYLOAD)
    real = os.open

    def full(path: str, flags: int, *rest: int, **keywords: int) -> int:
        if str(path).endswith(".tmp"):
            os.close(real(path, flags, *rest, **keywords))
            return real("/dev/full", os.O_WRONLY)
        return real(path, flags, *rest, **keywords)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", full)
        store("key", PAYLOAD)
    assert load("key") is None
    assert files(folder) == {entry(folder, "other").name}


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS])
def test_a_folder_that_takes_no_file_is_said_once_and_still_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    store("key", PAYLOAD)
    real = os.open

    def refusing(path: str, flags: int, *rest: int, **keywords: int) -> int:
        if flags & os.O_CREAT:
            raise OSError(code, os.strerror(code))
        return real(path, flags, *rest, **keywords)

    monkeypatch.setattr(os, "open", refusing)
    with complaint(rf"cannot be used: .*\({errno.errorcode[code]}\).*"):
        store("other", PAYLOAD)
    store("other", PAYLOAD)
    assert load("key") == PAYLOAD


def test_a_folder_removed_meanwhile_is_made_again(folder: Path) -> None:
    store("key", PAYLOAD)
    entry(folder).unlink()
    folder.rmdir()
    folder.parent.rmdir()
    assert load("key") is None
    store("key", PAYLOAD)
    assert load("key") == PAYLOAD


@posix
def test_a_folder_removed_while_it_is_written_is_no_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = cache._packed

    def remove(key: bytes, payload: bytes) -> bytes:
        folder.rmdir()
        return packed(key, payload)

    with monkeypatch.context() as patch:
        patch.setattr(cache, "_packed", remove)
        store("key", PAYLOAD)
    assert load("key") is None


def test_an_interrupted_write_leaves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        store("key", PAYLOAD)
    assert files(folder) == set()


@posix
def test_no_file_stays_open(folder: Path) -> None:
    before = open_files()
    for _ in range(5):
        store("key", PAYLOAD)
        load("key")
        load("nothing")
    entry(folder).write_bytes(b"damaged")
    load("key")
    folder.chmod(0o777)
    with complaint(".*"):
        load("key")
    assert open_files() == before


# The size -------------------------------------------------------------------------------------


def test_the_entries_used_last_are_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_TIDY_EVERY", 1)  # look at the folder at each store
    monkeypatch.setattr(cache, "LIMIT", 40 * 8192)
    now = time.time()
    for i in range(39):
        store(str(i), bytes(8192 - cache._BLOCK - cache._HEAD.size - len(str(i))))
        os.utime(entry(folder, str(i)), (now - 10**6 + i, now - 10**6 + i))
    assert load("3") is not None  # marks it as used now
    for i in (39, 40):
        store(str(i), bytes(8192 - cache._BLOCK - cache._HEAD.size - 2))
    kept = {i for i in range(41) if entry(folder, str(i)).exists()}
    assert kept == {3} | set(range(12, 41))  # three quarters of the room


def test_the_folder_is_looked_at_rarely_and_in_proportion(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = itertools.count()
    monkeypatch.setattr(cache, "_tidy", lambda place: next(looks))
    draws = itertools.count()
    steps = 1000
    monkeypatch.setattr(
        os, "urandom", lambda n: (next(draws) * (2**64 // steps)).to_bytes(n, "big")
    )
    payload = bytes(100_000 - cache._BLOCK - cache._HEAD.size - 3)
    for _ in range(steps):
        store("key", payload)
    # 100 MB were written, in entries of 100 kB: a look for every 4 MiB.
    assert next(looks) == steps * 100_000 // cache._TIDY_EVERY + 1


def test_an_entry_that_would_fill_the_cache_is_not_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "LIMIT", 1000)
    monkeypatch.setattr(cache, "_BLOCK", 0)  # else the folder may be found full, and tidied
    store("key", bytes(250))
    assert load("key") is None
    store("key", bytes(249))
    assert load("key") == bytes(249)


def test_temporaries_that_were_left_behind_are_swept(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store("key", PAYLOAD)
    old, new = folder / ".0123456789abcdef.tmp", folder / ".fedcba9876543210.tmp"
    foreign = folder / "thesis.tmp"
    for path in (old, new, foreign):
        path.write_bytes(b"some")
    for path in (old, foreign):
        os.utime(path, (time.time() - 7200,) * 2)
    monkeypatch.setattr(cache, "_TIDY_EVERY", 1)
    store("key", PAYLOAD)
    assert files(folder) == {entry(folder).name, new.name, foreign.name}


def test_an_entry_in_use_is_marked_at_most_once_an_hour(folder: Path) -> None:
    store("key", PAYLOAD)
    for age, marked in [(1800, False), (7200, True)]:
        used = time.time() - age
        os.utime(entry(folder), (used, used))
        load("key")
        assert (entry(folder).stat().st_mtime > used + 1) == marked


# Many at once ---------------------------------------------------------------------------------


def beat(number: int) -> int:
    """Write and read one entry many times; count what was read, which is whole or a failure."""
    random.seed(number)
    read = 0
    for _ in range(100):
        store("key", bytes([number]) * random.randrange(1, 50_000))
        found = load("key")
        read += found is not None and len(set(found)) == 1
    return read


def test_threads_write_one_entry() -> None:
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(beat, range(8))) == [100] * 8


@pytest.mark.parametrize("how", [pytest.param("fork", marks=forks), "spawn"])
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_processes_write_one_entry(how: str, folder: Path) -> None:
    with multiprocessing.get_context(how).Pool(4) as pool:
        assert pool.map(beat, range(4), chunksize=1) == [100] * 4
    assert files(folder) == {entry(folder).name}


def test_the_users_random_numbers_are_left_alone() -> None:
    random.seed(7)
    before = random.getstate()
    store("key", PAYLOAD)
    load("key")
    assert random.getstate() == before


# The key --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["triple", "cpu", "features", "layout"])
def test_another_processor_has_another_fingerprint(name: str) -> None:
    other = dataclasses.replace(host(), **{name: getattr(host(), name) + "x"})
    assert fingerprint(other) != fingerprint(host())


def test_a_fingerprint_is_the_same_in_another_process() -> None:
    program = (
        "from limpide.engines.native.fingerprint import fingerprint\n"
        "from limpide.engines.native.target import host\nprint(fingerprint(host()))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == fingerprint(host())


@pytest.mark.parametrize("name", ["jit.py", "writer.py", "store.py", "../../ir.py"])
def test_an_edited_file_is_another_fingerprint(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = "limpide.engines.native"
    before = cache.source_digest(room)
    assert before == native._SOURCES
    real = Path.read_bytes
    edited = (Path(native.__file__).parent / name).resolve()

    def read(path: Path) -> bytes:
        return real(path) + (b"#" if path.resolve() == edited else b"")

    monkeypatch.setattr(Path, "read_bytes", read)
    assert cache.source_digest(room) != before


def test_other_versions_have_other_fingerprints(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {fingerprint(host())}
    for place, name in [(native.llvmlite, "__version__"), (native.llvm, "llvm_version_info")]:
        with monkeypatch.context() as patch:
            patch.setattr(place, name, "99.0")
            seen.add(fingerprint(host()))
    monkeypatch.setattr(cache, "FORMAT", 99)
    seen.add(fingerprint(host()))
    assert len(seen) == 4
