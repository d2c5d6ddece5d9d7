"""Files that hold a table: whether one can be read at all, of which kind it is, and binary ones.

Answers for paths, magic bytes, Parquet and Arrow. Not for: text tables (``scan`` and the rest).
"""

from __future__ import annotations

import difflib
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from limpide.errors import ArgumentTypeError, DataError, FileError
from limpide.storage.kinds import PICKLE

_PARQUET, _ARROW, _STREAM = b"PAR1", b"ARROW1", b"\xff\xff\xff\xff"

_BINARY_SUFFIXES = {
    ".parquet": ("parquet", _PARQUET),
    ".pq": ("parquet", _PARQUET),
    ".arrow": ("arrow", _ARROW),
    ".feather": ("arrow", _ARROW),
    ".ipc": ("arrow", _ARROW),
}

_NAMES = {"parquet": "a Parquet file", "arrow": "an Arrow file", "stream": "an Arrow stream"}

# What newcomers hand over instead of a table, and what to do about it.
_OTHER_KINDS = (
    (b"PK\x03\x04", "a ZIP archive or an Excel workbook", "Save the sheet as CSV"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook", "Save the sheet as CSV"),
    (b"\x1f\x8b", "compressed with gzip", "Decompress it first (gunzip)"),
    (b"BZh", "compressed with bzip2", "Decompress it first (bunzip2)"),
    (b"\xfd7zXZ\x00", "compressed with xz", "Decompress it first (unxz)"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", "Decompress it first (unzstd)"),
    (b"FEA1", "a Feather file of version 1", "Write it again as Arrow, Parquet or CSV"),
    (b"ORC", "an ORC file", "Write it again as Parquet or CSV"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file", "Write the table as Parquet or CSV"),
    (b"SQLite format 3\x00", "an SQLite database", "Export the table as CSV"),
    (b"%PDF-", "a PDF document", "Save the table as CSV"),
    (b"\x93NUMPY", "a NumPy array", "Load it with numpy.load and pass the array"),
)

_JSON = re.compile(rb"(\xef\xbb\xbf)?\s*(\{\s*[\"}]|\[\s*[\[{\]])")


def readable_path(path: str | os.PathLike[str]) -> tuple[Path, str]:
    """Check that a path leads to a regular file that can be opened; give it and its name in quotes.

    Raises
    ------
    FileError
        There is no such file, it is a folder or a device, or it may not be read.
    """
    place = os.fspath(path)
    if not isinstance(place, str):
        raise ArgumentTypeError(f"the path of a table must be text; received {place!r}.")
    file, source = Path(place), repr(place)
    try:
        mode = file.stat().st_mode
    except FileNotFoundError:
        raise FileError(f"{source} does not exist.{_nearest_file(file)}") from None
    except (OSError, ValueError) as fault:
        raise FileError(f"{source} cannot be read: {_words(fault)}. Check the path.") from None
    if stat.S_ISDIR(mode):
        raise FileError(f"{source} is a folder, not a file. Give the path of a file in it.")
    if not stat.S_ISREG(mode):
        raise FileError(
            f"{source} is not a regular file but a device or pipe. Give the path of a file."
        )
    try:
        with file.open("rb"):
            pass
    except PermissionError:
        raise FileError(
            f"{source} may not be read: permission denied. Change its permissions."
        ) from None
    except OSError as fault:
        raise FileError(f"{source} cannot be read: {_words(fault)}. Check the path.") from None
    return file, source


def _words(fault: OSError | ValueError) -> str:
    return getattr(fault, "strerror", None) or str(fault)


def _nearest_file(file: Path) -> str:
    try:
        if not file.parent.is_dir():
            return f" Its folder {str(file.parent)!r} does not exist either; check the path."
        names = [entry.name for entry in os.scandir(file.parent) if entry.is_file()]
    except OSError:
        return " Check the path."
    # by the stem: a suffix in common is no likeness, and decides only between equal stems
    names.sort(key=lambda name: Path(name).suffix == file.suffix)
    stems = {Path(name).stem: name for name in names}
    found = difflib.get_close_matches(file.stem, stems, n=1, cutoff=0.5)
    return f" Did you mean {stems[found[0]]!r}?" if found else " Check the path."


def kind_of(file: Path, source: str) -> str:
    """Tell ``"parquet"``, ``"arrow"``, ``"stream"`` or ``"text"`` by content first, then suffix.

    Raises
    ------
    DataError
        The file is empty, of a kind that limpide does not read, or not what its suffix says.
    """
    size = file.stat().st_size
    with file.open("rb") as opened:
        head = opened.read(512)
    if size == 0:
        raise DataError(f"{source} is empty (0 bytes). Give a table with a header and rows.")
    if head.startswith(_PARQUET):
        return "parquet"
    if head.startswith(_ARROW):
        return "arrow"
    if head.startswith(_STREAM):
        return "stream"
    for magic, what, do in _OTHER_KINDS:
        if head.startswith(magic):
            raise DataError(f"{source} is {what}, which limpide does not read. {do}.")
    if PICKLE.match(head):
        raise DataError(
            f"{source} is a Python pickle (to open one can run any program), which limpide does "
            "not read. Write the table as Parquet or CSV."
        )
    if _JSON.match(head):
        raise DataError(
            f"{source} is JSON, which limpide does not read. Write the table as CSV or Parquet, "
            "for example with pandas.read_json."
        )
    if head.lstrip().lower().startswith((b"<!doctype html", b"<html")):
        raise DataError(
            f"{source} is a web page, not a table. Download the file that the page is about."
        )
    if file.suffix.lower() in _BINARY_SUFFIXES:
        kind, magic = _BINARY_SUFFIXES[file.suffix.lower()]
        raise DataError(
            f"{source} is named like {_NAMES[kind]} but begins with {head[:8]!r} "
            f"instead of {magic!r}. Give the right file, or rename it to .csv if it is text."
        )
    return "text"


def parquet_folder(path: Path, source: str) -> list[Path]:
    """Give the Parquet files of a folder, by name; names that begin with . or _ do not count.

    Raises
    ------
    FileError
        There is none, or some lie in folders within it.
    """
    try:
        entries = sorted(path.iterdir())
    except OSError as fault:
        raise FileError(
            f"{source} cannot be read: {_words(fault)}. Check its permissions."
        ) from None
    entries = [entry for entry in entries if not entry.name.startswith((".", "_"))]
    deeper = [
        entry for entry in entries if entry.is_dir() and any(map(_is_parquet, entry.rglob("*")))
    ]
    if deeper:
        raise FileError(
            f"{source} has Parquet files in folders within it, such as {deeper[0].name!r}, and "
            "only those that lie in the folder itself are read. Move them there."
        )
    files = [entry for entry in entries if _is_parquet(entry)]
    if not files:
        raise FileError(
            f"{source} is a folder, not a table, and there is no Parquet file in it. Give the path "
            "of a file, or a folder of Parquet files (.parquet)."
        )
    for file in files:
        readable_path(file)
    return files


def has_parquet(folder: Path) -> bool:
    """Tell whether a folder holds a Parquet file."""
    try:
        return any(map(_is_parquet, folder.iterdir()))
    except OSError:
        return False


def _is_parquet(path: Path) -> bool:
    return path.suffix.lower() in (".parquet", ".pq") and not path.is_dir()


@contextmanager
def _whole(kind: str, source: str) -> Iterator[None]:
    """Say that a file is damaged, whatever polars says."""
    try:
        yield
    except pl.exceptions.DuplicateError as fault:
        raise DataError(
            f"{source} has two columns of one name ({_first_line(fault)}). Rename one of them."
        ) from None
    # polars reports damage in many ways, a panic of its Rust code among them
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError) as fault:
        raise DataError(
            f"{source} is damaged or cut off: {_NAMES[kind]} that is not whole "
            f"({_first_line(fault)}). Write or copy it again."
        ) from None


def read_binary(file: Path, kind: str, source: str) -> pl.DataFrame:
    """Read a Parquet or Arrow file as polars gives it.

    Raises
    ------
    DataError
        The file is cut off or damaged.
    """
    if kind == "parquet":
        _check_end(file, source)
    with _whole(kind, source):
        if kind == "parquet":
            return pl.read_parquet(file, glob=False, hive_partitioning=False)
        if kind == "arrow":
            with file.open("rb") as opened:  # a path could be mapped, and change under us
                return pl.read_ipc(opened)
        return pl.read_ipc_stream(file)


def parquet_count(file: Path, source: str) -> int:
    """Give the number of rows of a Parquet file, from its end.

    Raises
    ------
    DataError
        The file is no Parquet file, is cut off or damaged.
    """
    found = kind_of(file, source)
    if found != "parquet":
        raise DataError(f"{source} is named like a Parquet file and is none. Leave it out.")
    _check_end(file, source)
    with _whole("parquet", source):
        return int(_scan(file).select(pl.len()).collect().item())


def parquet_columns(file: Path, source: str) -> list[str]:
    """Give the names of the columns of a Parquet file."""
    with _whole("parquet", source):
        return _scan(file).collect_schema().names()


def parquet_rows(file: Path, source: str, start: int, count: int) -> pl.DataFrame:
    """Give some rows of a Parquet file; no others are kept in memory."""
    with _whole("parquet", source):
        return _scan(file).slice(start, count).collect()


def _scan(file: Path) -> pl.LazyFrame:
    return pl.scan_parquet(file, glob=False, hive_partitioning=False)


def _first_line(fault: BaseException) -> str:
    return (str(fault).strip() or type(fault).__name__).splitlines()[0][:200]


def _check_end(file: Path, source: str) -> None:
    """Refuse a Parquet file without the magic bytes that also end it."""
    size = file.stat().st_size
    with file.open("rb") as opened:
        opened.seek(max(0, size - 4))
        tail = opened.read()
    if size < 12 or tail != _PARQUET:
        raise DataError(
            f"{source} is cut off: a Parquet file ends with {_PARQUET!r}, this one with {tail!r}. "
            "Write or copy it again."
        )
