"""Spambase from its public home: fetched once, checked, written as a table with a header.

Answers for the network, the checksum and a file that is whole or not there.
Not for: reading tables in general, or any other address.
"""

from __future__ import annotations

import hashlib
import http.client
import io
import os
import tempfile
import urllib.request
import zipfile
import zlib
from pathlib import Path

import numpy as np

from limpide.datasets.dataset import Dataset
from limpide.errors import ArgumentTypeError, FileError, choice_error
from limpide.spam.counts import FEATURES

_NAMES = ("spambase",)
_ADDRESS = "https://archive.ics.uci.edu/static/public/94/spambase.zip"
_MEMBER = "spambase.data"
# Of the 4,601 rows with Unix line ends (698,341 bytes). In the archive each line ends with CR LF
# (702,942 bytes, SHA-256 b1ef93de71f97714d3d7d4f58fc9f718da7bbc8ac8a150eff2778616a8097b12); copies
# elsewhere have lost the CR, and the numbers are what the sum is to vouch for.
_SHA256 = "ebec58cfca94ea61c77df632314acae15bad410f4769d38b1a66cb41050e3431"
_HEADER = ",".join([*FEATURES, "spam"]).encode() + b"\n"
_LARGEST = 4 << 20  # bytes, of the archive and of what it unpacks to
_PATIENCE = 30.0  # seconds without a byte


def download(name: str, folder: str | os.PathLike[str] = ".") -> Path:
    """Fetch a data set and write it as CSV with a header; a file already there is only checked.

    Parameters
    ----------
    name : str
        ``"spambase"``: 4,601 e-mails, the 57 features of `limpide.spam` and the column ``spam``
        (1 or 0). It is fetched from the UCI Machine Learning Repository, CC BY 4.0.
    folder : path
        Where ``<name>.csv`` goes; it must exist.

    Returns
    -------
    Path
        The file, whose rows have the known SHA-256 checksum.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        The name is not known, or the folder is no path.
    FileError
        No network, other content than expected, a file of that name with other content, or a
        folder that cannot be written to. No file is left or changed then.

    Source
    ------
    Hopkins, Reeber, Forman and Suermondt, "Spambase", UCI Machine Learning Repository (1999),
    data set 94.

    Examples
    --------
    >>> download("spam-base")
    Traceback (most recent call last):
    limpide.errors.ArgumentError: name must be one of spambase; received 'spam-base'. Did you mean \
'spambase'?
    """
    if name not in _NAMES:
        raise choice_error("name", name, _NAMES)
    if not isinstance(folder, str | os.PathLike):
        raise ArgumentTypeError(f"folder must be a path; received {type(folder).__name__}.")
    place = Path(folder)
    if not place.is_dir():
        raise FileError(f"no folder at {str(place)!r}. Create it, or name another.")
    path = place / f"{name}.csv"
    if path.exists():
        _check_existing(path)
    else:
        _write(path, _HEADER + _rows(_fetched()))
    return path


def spambase(folder: str | os.PathLike[str] = ".") -> Dataset:
    """Give Spambase, from ``spambase.csv`` in a folder, fetched first where it is not there.

    Parameters
    ----------
    folder : path

    Returns
    -------
    Dataset
        X f64[4601, 57], y f64[4601] with 1 for spam, binary.

    Raises
    ------
    ArgumentTypeError, FileError
        As for `download`.

    Examples
    --------
    >>> spambase("no such folder")
    Traceback (most recent call last):
    limpide.errors.FileError: no folder at 'no such folder'. Create it, or name another.
    """
    table = np.loadtxt(download("spambase", folder), delimiter=",", skiprows=1, encoding="ascii")
    return Dataset(np.ascontiguousarray(table[:, :-1]), table[:, -1].copy(), "binary")


def _fetched() -> bytes:
    request = urllib.request.Request(_ADDRESS, headers={"User-Agent": "limpide"})
    try:
        with urllib.request.urlopen(request, timeout=_PATIENCE) as answer:
            content: bytes = answer.read(_LARGEST + 1)
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or str(error) or type(error).__name__
        raise FileError(
            f"cannot download spambase from {_ADDRESS}: {reason}. Check the network, "
            "or copy a spambase.csv from another computer."
        ) from error
    if len(content) > _LARGEST:
        raise _unexpected(f"more than {_LARGEST >> 20} MiB")
    return content


def _rows(archive: bytes) -> bytes:
    """Unpack the rows, with Unix line ends, and vouch for them."""
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as files, files.open(_MEMBER) as member:
            rows = member.read(_LARGEST)
    except KeyError as error:
        raise _unexpected(f"an archive without {_MEMBER}") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        raise _unexpected("no whole archive") from error
    except (NotImplementedError, RuntimeError, ValueError) as error:
        raise _unexpected(f"an archive that cannot be unpacked ({error})") from error
    rows = rows.replace(b"\r\n", b"\n")
    found = hashlib.sha256(rows).hexdigest()
    if found != _SHA256:
        raise _unexpected(f"rows with SHA-256 {found} instead of {_SHA256}")
    return rows


def _unexpected(what: str) -> FileError:
    return FileError(f"{_ADDRESS} gave {what}. Nothing was written; try again later.")


def _check_existing(path: Path) -> None:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST)
    except OSError as error:
        raise FileError(f"cannot read {str(path)!r}: {error.strerror}.") from error
    content = content.replace(b"\r\n", b"\n")
    rows = content.removeprefix(_HEADER)
    if rows == content or hashlib.sha256(rows).hexdigest() != _SHA256:
        raise FileError(
            f"{str(path)!r} is there already and is not the Spambase that download writes. "
            "Move it away, or name another folder."
        )


def _write(path: Path, content: bytes) -> None:
    """Write the file whole or not at all."""
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise FileError(f"cannot write {str(path)!r}: {error.strerror}.") from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)  # mkstemp makes it private; a data set is not
        os.replace(temporary, path)
    except BaseException as error:
        Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise FileError(f"cannot write {str(path)!r}: {error.strerror}.") from error
        raise
