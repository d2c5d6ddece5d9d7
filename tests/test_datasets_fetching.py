"""Downloading Spambase: from a server on this machine, and every way in which it can fail."""

from __future__ import annotations

import doctest
import hashlib
import http.server
import io
import os
import threading
import zipfile

import numpy as np
import pytest

import limpide as lp
from limpide import errors
from limpide.datasets import download, fetching

ROWS = b"".join(b"0," * 57 + b"%d\n" % (i % 2) for i in range(5))


def archive(rows: bytes = ROWS, name: str = "spambase.data") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as files:
        files.writestr("spambase.names", "| text")
        files.writestr(name, rows.replace(b"\n", b"\r\n"))  # as in the original
    return out.getvalue()


@pytest.fixture
def server(monkeypatch):
    """A loopback server that answers with ``server.content``, and counts its visitors."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.visits += 1
            self.send_response(self.server.status)
            self.send_header("Content-Length", str(self.server.length or len(self.server.content)))
            self.end_headers()
            self.wfile.write(self.server.content)

        def log_message(self, *args):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as running:
        running.content, running.status, running.length, running.visits = archive(), 200, None, 0
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        monkeypatch.setenv("no_proxy", "*")
        monkeypatch.setattr(fetching, "_ADDRESS", f"http://127.0.0.1:{running.server_port}/s.zip")
        monkeypatch.setattr(fetching, "_SHA256", hashlib.sha256(ROWS).hexdigest())
        yield running
        running.shutdown()
        thread.join()


def test_docstring_examples(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = doctest.testmod(fetching)
    assert (result.failed, result.attempted > 0) == (0, True)


def test_the_real_table_comes_out_byte_for_byte(server, tmp_path, monkeypatch, spambase_path):
    monkeypatch.undo()  # the real checksum
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(fetching, "_ADDRESS", f"http://127.0.0.1:{server.server_port}/s.zip")
    table = spambase_path.read_bytes()
    server.content = archive(table.partition(b"\n")[2])
    X, y = lp.datasets.spambase(tmp_path)
    assert (tmp_path / "spambase.csv").read_bytes() == table
    assert (X.shape, y.shape, y.sum()) == ((4601, 57), (4601,), 1813)
    direct = np.loadtxt(spambase_path, delimiter=",", skiprows=1)
    assert np.array_equal(X, direct[:, :57])
    assert np.array_equal(y, direct[:, 57])


def test_it_is_written_once_and_then_only_checked(server, tmp_path):
    path = download("spambase", tmp_path)
    assert path == tmp_path / "spambase.csv"
    assert path.read_bytes() == fetching._HEADER + ROWS
    assert download("spambase", str(tmp_path)) == path
    assert lp.datasets.spambase(tmp_path).y.tolist() == [0, 1, 0, 1, 0]
    assert server.visits == 1
    assert os.listdir(tmp_path) == ["spambase.csv"]
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))  # a copy by way of Windows
    assert download("spambase", tmp_path) == path
    assert server.visits == 1


def test_a_file_of_that_name_is_never_replaced(server, tmp_path):
    path = tmp_path / "spambase.csv"
    for content in (b"mine", fetching._HEADER + ROWS[:-1], ROWS):
        path.write_bytes(content)
        with pytest.raises(errors.FileError, match=r"spambase\.csv' is there already and is not"):
            download("spambase", tmp_path)
        assert path.read_bytes() == content
    path.unlink()
    path.mkdir()
    with pytest.raises(errors.FileError, match=r"cannot read '.*spambase\.csv': Is a directory"):
        download("spambase", tmp_path)
    assert server.visits == 0


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<html>moved</html>", "gave no whole archive"),
        (b"", "gave no whole archive"),
        (archive()[:-60], "gave no whole archive"),
        (archive(name="other.data"), r"gave an archive without spambase\.data"),
        (archive(ROWS + ROWS), "gave rows with SHA-256 [0-9a-f]{64} instead of"),
        (archive().replace(b"\x08\x00", b"\x63\x00"), "gave an archive that cannot be unpacked"),
        (b"x" * (fetching._LARGEST + 1), "gave more than 4 MiB"),
        (archive(b"0" * 30_000_000), "gave rows with SHA-256"),  # a small archive of a huge file
    ],
)
def test_other_content_than_expected(server, tmp_path, content, words):
    server.content = content
    with pytest.raises(errors.FileError, match=f"{words}.*Nothing was written"):
        download("spambase", tmp_path)
    assert os.listdir(tmp_path) == []


def test_one_bit_flipped_anywhere_is_noticed(server, tmp_path, monkeypatch):
    whole = archive()
    for place in range(0, len(whole), 3):
        broken = bytearray(whole)
        broken[place] ^= 4
        monkeypatch.setattr(fetching, "_fetched", lambda: bytes(broken))  # noqa: B023
        try:
            path = download("spambase", tmp_path)
        except errors.FileError:
            assert os.listdir(tmp_path) == []
        else:  # a bit that does not matter, in a date or in the other member
            assert path.read_bytes() == fetching._HEADER + ROWS
            path.unlink()


def test_no_network_says_so(server, tmp_path, monkeypatch):
    server.status = 503
    with pytest.raises(
        errors.FileError, match=r"cannot download spambase from http.*Check the net"
    ):
        download("spambase", tmp_path)
    server.status, server.length = 200, len(server.content)
    server.content = server.content[:-30]  # cut off: fewer bytes than were promised
    with pytest.raises(errors.FileError, match="gave no whole archive"):
        download("spambase", tmp_path)
    for broken in (OSError("Network is unreachable"), TimeoutError("timed out")):

        def fail(*args, broken=broken, **options):
            raise broken

        monkeypatch.setattr("urllib.request.urlopen", fail)
        with pytest.raises(errors.FileError, match=f": {broken}. Check the network, or copy"):
            download("spambase", tmp_path)
    assert os.listdir(tmp_path) == []


def test_the_address_is_the_public_home_over_https():
    assert fetching._ADDRESS.startswith("https://archive.ics.uci.edu/")


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_disk_that_fails_leaves_nothing(server, tmp_path, monkeypatch, step):
    def fail(*args, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(errors.FileError, match=r"cannot write '.*spambase\.csv': No space left"):
        download("spambase", tmp_path)
    assert os.listdir(tmp_path) == []


def test_an_interrupt_leaves_nothing(server, tmp_path, monkeypatch):
    def stop(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", stop)
    with pytest.raises(KeyboardInterrupt):
        download("spambase", tmp_path)
    assert os.listdir(tmp_path) == []


def test_refused_arguments(tmp_path):
    with pytest.raises(
        errors.ArgumentError, match=r"name must be one of spambase.*mean 'spambase'"
    ):
        download("spambse", tmp_path)
    with pytest.raises(errors.ArgumentError, match="received 3"):
        download(3, tmp_path)
    with pytest.raises(errors.FileError, match=r"no folder at '.*nowhere'\. Create it"):
        download("spambase", tmp_path / "nowhere")
    with pytest.raises(errors.ArgumentTypeError, match="folder must be a path; received NoneType"):
        download("spambase", None)
