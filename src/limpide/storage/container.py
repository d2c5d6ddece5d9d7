"""A model file: named tensors and JSON metadata, in safetensors, with a checksum over every byte.

Answers for: writing, reading and verifying one, and refusing files of another kind by name.
Not for: what the metadata mean (``vocabulary``), nor how bytes reach the disk (``atomic``).
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import itertools
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limpide.errors import (
    ArgumentError,
    ArgumentTypeError,
    DtypeError,
    FileError,
    MemoryLimitError,
    ModelFileError,
)
from limpide.languages import words_in
from limpide.storage.atomic import atomic_write, path_text
from limpide.storage.kinds import START, recognise
from limpide.storage.layout import (
    DTYPE_NAMES,
    DTYPES,
    LENGTH,
    MAX_HEADER,
    MAX_TENSORS,
    Entry,
    Layout,
    bytes_text,
    check_name,
    damaged,
    decode_header,
    encode_header,
    is_limpide,
)
from limpide.storage.strict_json import format_json, parse_json

_OPEN = (
    os.O_RDONLY
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_NONBLOCK", 0)  # a pipe must not make the reader wait for a writer
)
_WHAT_TO_GIVE = "Give a file that Network.save or limpide train wrote."


@dataclass(frozen=True, eq=False)
class Stored:
    """What a model file holds: tensors of our own, writable, and the metadata."""

    tensors: dict[str, NDArray[Any]]
    metadata: dict[str, Any]
    format_version: int


@dataclass(frozen=True)
class VerifiedTensor:
    """One tensor whose bytes match the SHA-256 in ``checksum``; ``dtype`` as in ``f32``."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    bytes: int
    checksum: str


@dataclass(frozen=True)
class Verification:
    """A model file found whole; printing it gives what ``limpide verify`` shows.

    ``total_bytes`` is the size of the file, header included.
    """

    path: str
    format_version: int
    tensors: tuple[VerifiedTensor, ...]
    total_bytes: int
    metadata: dict[str, Any]

    def __str__(self) -> str:
        return self.to_text()

    def to_text(self, language: str | None = None) -> str:
        """Give a line for each tensor; None is the system's language."""
        words = words_in(language)
        rows = [
            (tensor.name, f"{tensor.dtype}[{','.join(map(str, tensor.shape))}]", tensor.bytes)
            for tensor in self.tensors
        ]
        path = os.fsencode(self.path).decode("utf-8", "backslashreplace")
        names = max((len(name) for name, _, _ in rows), default=0)
        specs = max((len(spec) for _, spec, _ in rows), default=0)
        sizes = [words.plural("{n} byte", "{n} bytes", count) for _, _, count in rows]
        longest = max(map(len, sizes), default=0)
        version, bytes_ = self.format_version, self.total_bytes
        lines = [
            words.plural(
                "{path}: a limpide model, format version {version}, {n} byte",
                "{path}: a limpide model, format version {version}, {n} bytes",
                bytes_,
                path=path,
                version=version,
            )
        ]
        lines += [
            f"  {name:{names}}  {spec:{specs}}  {size:>{longest}}  {words.say('checksum ok')}"
            for (name, spec, _), size in zip(rows, sizes, strict=True)
        ]
        lines.append(words.say("whole: the header and every tensor match their checksums"))
        return "\n".join(lines)


def write(
    path: str | os.PathLike[str],
    tensors: Mapping[str, NDArray[Any]],
    metadata: Mapping[str, Any],
    *,
    overwrite: bool = True,
) -> None:
    """Save tensors and metadata as a model file, whole or not at all.

    Equal content gives equal bytes. Any program that reads safetensors can read the tensors.

    Parameters
    ----------
    path
        Where to write; an old file there is replaced in one step (see ``atomic_write``).
    tensors
        Name → array of bool, integers or floats of 8 to 64 bits, of any shape, strides and byte
        order; read only, and must not change meanwhile. At most 10,000.
    metadata
        What ``format_json`` takes. With the tensors' names and checksums it must fit into a header
        of 1 MB; put long lists into a tensor with ``pack_json``.
    overwrite
        Whether an old file may be replaced.

    Raises
    ------
    ArgumentError, ArgumentTypeError, DtypeError
        For what a model file cannot hold: names the tensor or the place in the metadata.
    FileError
        If the file cannot be written; an old one is then unchanged.

    Examples
    --------
    >>> import os, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "people.safetensors")
    ...     write(path, {"output.bias": np.zeros(1)}, {"layers": [2, 1]})
    ...     stored = read(path)
    >>> stored.tensors, stored.metadata
    ({'output.bias': array([0.])}, {'layers': [2, 1]})
    """
    path_text(path)
    if not isinstance(tensors, Mapping) or not isinstance(metadata, Mapping):
        raise ArgumentTypeError(
            f"tensors and metadata must be dicts; received {type(tensors).__name__} and "
            f"{type(metadata).__name__}. Write {{'name': array}}."
        )
    if len(tensors) > MAX_TENSORS:
        raise ArgumentError(
            f"a model file holds at most {MAX_TENSORS} tensors; received {len(tensors)}. "
            f"Stack some of them into one."
        )
    text = format_json(dict(metadata), "metadata")
    arrays = {name: _plain(name, array) for name, array in tensors.items()}
    # the longest numbers first, so that each tensor begins at a multiple of its own size
    names = sorted(arrays, key=lambda name: (-arrays[name].dtype.itemsize, name))
    contents = [_bytes_of(arrays[name]) for name in names]
    ends = list(itertools.accumulate(len(content) for content in contents))
    entries = [
        Entry(
            name=name,
            dtype=_dtype_name(arrays[name]),
            shape=arrays[name].shape,
            begin=end - len(content),
            end=end,
            checksum=hashlib.sha256(content).hexdigest(),
        )
        for name, content, end in zip(names, contents, ends, strict=True)
    ]
    header = encode_header(entries, text)
    if len(header) - LENGTH > MAX_HEADER:
        raise ArgumentError(
            f"the header of a model file has room for {MAX_HEADER:,} bytes; {len(entries)} tensors "
            f"and {len(text):,} characters of metadata make {len(header) - LENGTH:,}. "
            f"Put long lists into a tensor with pack_json."
        )
    atomic_write(path, itertools.chain([header], contents), overwrite=overwrite)


def read(path: str | os.PathLike[str]) -> Stored:
    """Read a model file, believing nothing of it: one changed bit anywhere is an error.

    Nothing in the file is run, imported, or taken as the path of another file.

    Raises
    ------
    FileError
        If there is no such file, or it cannot be read.
    ModelFileError
        If it is damaged, of another kind, or written by a newer limpide.
    MemoryLimitError
        If a tensor does not fit into memory.
    """
    shown = path_text(path)
    with _opened(shown) as (file, size):
        layout = _layout(shown, file, size)
        tensors = {entry.name: _tensor(shown, file, entry) for entry in layout.entries}
    return Stored(tensors, layout.metadata, layout.format_version)


def read_metadata(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read the metadata of a model file alone; its header is checked, its tensors are not read.

    Raises
    ------
    FileError, ModelFileError
        As ``read``.
    """
    shown = path_text(path)
    with _opened(shown) as (file, size):
        return _layout(shown, file, size).metadata


def verify(path: str | os.PathLike[str]) -> Verification:
    """Check every byte of a model file, as ``read`` does, holding one tensor at a time.

    Raises
    ------
    FileError, ModelFileError, MemoryLimitError
        As ``read``.
    """
    shown = path_text(path)
    verified = []
    with _opened(shown) as (file, size):
        layout = _layout(shown, file, size)
        for entry in layout.entries:
            count = _tensor(shown, file, entry).nbytes
            dtype = entry.dtype.lower()
            verified.append(VerifiedTensor(entry.name, dtype, entry.shape, count, entry.checksum))
    return Verification(shown, layout.format_version, tuple(verified), size, layout.metadata)


def pack_json(value: Any, where: str = "value") -> NDArray[np.uint8]:
    """Give a value as ``u8[n]``, its JSON text: for lists too long for a file's header.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        For what ``format_json`` refuses.

    Examples
    --------
    >>> unpack_json(pack_json(["ham", "spam"]), "categories")
    ['ham', 'spam']
    """
    return np.frombuffer(format_json(value, where).encode(), np.uint8).copy()


def unpack_json(array: NDArray[Any], where: str) -> Any:
    """Give back what ``pack_json`` packed.

    Raises
    ------
    ModelFileError
        If it is no such array: names ``where``.
    """
    if array.dtype != np.uint8 or array.ndim != 1:
        raise ModelFileError(
            f"{where} must be packed as u8[n]; received {array.dtype} of shape {array.shape}. "
            f"Save the model again."
        )
    try:
        return parse_json(array.tobytes().decode())
    except ValueError as error:
        raise ModelFileError(
            f"{where} must be packed JSON, and cannot be read ({error}). Save the model again."
        ) from None


def _plain(name: Any, array: Any) -> NDArray[Any]:
    """Give the array contiguous and little-endian: itself where it is so already."""
    wrong = check_name(name)
    if wrong:
        raise ArgumentError(f"the tensor name {name!a} {wrong}. Choose another name.")
    if isinstance(array, np.ma.MaskedArray) or not isinstance(array, (np.ndarray, np.generic)):
        raise ArgumentTypeError(
            f"tensor {name!r} must be a NumPy array; received {type(array).__name__}. "
            f"Convert it with numpy.asarray."
        )
    dtype = DTYPES.get(DTYPE_NAMES.get((array.dtype.kind, array.dtype.itemsize), ""))
    if dtype is None:
        raise DtypeError(
            f"tensor {name!r} has dtype {array.dtype}; a model file holds bool, integers and "
            f"floats of 8 to 64 bits. Convert it with astype."
        )
    if dtype.kind == "b":  # any byte but 0 is true to NumPy, only 1 is in the file
        return np.asarray(array.view(np.uint8) != 0, order="C")
    return np.asarray(array, dtype, order="C")


def _dtype_name(array: NDArray[Any]) -> str:
    return DTYPE_NAMES[array.dtype.kind, array.dtype.itemsize]


def _bytes_of(array: NDArray[Any]) -> memoryview:
    return array.reshape(-1).view(np.uint8).data


@contextlib.contextmanager
def _opened(shown: str) -> Iterator[tuple[io.FileIO, int]]:
    """Open a regular file and give its size; the system's errors become ours."""
    try:
        descriptor = os.open(shown, _OPEN)
        try:
            status = os.fstat(descriptor)
            if stat.S_ISDIR(status.st_mode):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            if not stat.S_ISREG(status.st_mode):
                raise FileError(f"{shown!r} is a device or a pipe, not a file. {_WHAT_TO_GIVE}")
            with io.FileIO(descriptor, "rb", closefd=False) as file:
                yield file, status.st_size
        finally:
            os.close(descriptor)
    except FileError:
        raise
    except OSError as error:
        raise _unreadable(shown, error) from error


def _unreadable(shown: str, cause: OSError) -> FileError:
    if cause.errno == errno.EISDIR or os.path.isdir(shown):
        message = f"{shown!r} is a folder, not a file. {_WHAT_TO_GIVE}"
    elif cause.errno == errno.ENOENT:
        message = f"there is no file {shown!r}. Correct the path."
    elif cause.errno in (errno.EACCES, errno.EPERM):
        message = f"{shown!r} may not be read ({cause.strerror}). Ask its owner for the permission."
    else:
        message = f"{shown!r} cannot be read ({cause.strerror or cause}). Copy it and try again."
    error = FileError(message)
    error.errno = cause.errno
    return error


def _layout(shown: str, file: io.FileIO, size: int) -> Layout:
    """Read the header, once the first bytes say that this is one."""
    start = _read(shown, file, min(size, START))
    length = int.from_bytes(start[:LENGTH], "little")
    if not is_limpide(start):
        _refuse_other_kinds(shown, file, size, start, length)
    if length > MAX_HEADER:
        raise damaged(
            shown, f"its header claims {length:,} bytes, at most {MAX_HEADER:,} are allowed"
        )
    if LENGTH + length > size:
        raise damaged(
            shown, f"it is cut off, with {bytes_text(LENGTH + length - size)} of its header missing"
        )
    file.seek(0)
    return decode_header(shown, _read(shown, file, LENGTH + length), size - LENGTH - length)


def _refuse_other_kinds(shown: str, file: io.FileIO, size: int, start: bytes, length: int) -> None:
    """Raise for what is no safetensors file at all, by its name if it can be told."""
    if not start:
        raise ModelFileError(f"{shown!r} is empty, 0 bytes. {_WHAT_TO_GIVE}")
    if start[LENGTH : LENGTH + 1] == b"{" and length <= max(size, MAX_HEADER):
        if length <= MAX_HEADER:
            return
        raise ModelFileError(
            f"{shown!r} is a safetensors file, but not one that limpide wrote: its header has "
            f"{length:,} bytes, at most {MAX_HEADER:,} are allowed. {_WHAT_TO_GIVE}"
        )
    file.seek(max(0, size - START))
    kind = recognise(start, _read(shown, file, min(size, START)))
    if kind is None:
        raise ModelFileError(
            f"{shown!r} is no model file, or only the beginning of one: it has {bytes_text(size)} "
            f"and no safetensors header. {_WHAT_TO_GIVE}"
        )
    raise ModelFileError(f"{shown!r} is {kind[0]}, not a limpide model. {kind[1]}")


def _read(shown: str, file: io.FileIO, count: int) -> bytes:
    buffer = bytearray(count)
    _fill(shown, file, memoryview(buffer))
    return bytes(buffer)


def _fill(shown: str, file: io.FileIO, buffer: memoryview) -> None:
    while buffer:
        got = file.readinto(buffer)
        if not got:
            raise damaged(
                shown, f"it became shorter while it was read, by {bytes_text(len(buffer))}"
            )
        buffer = buffer[got:]


def _tensor(shown: str, file: io.FileIO, entry: Entry) -> NDArray[Any]:
    """Read the next tensor, whose place was checked against the size of the file."""
    dtype = DTYPES[entry.dtype]
    try:
        array = np.empty(entry.shape, dtype)
    except MemoryError as error:
        raise MemoryLimitError(
            f"tensor {entry.name!r} of {shown!r} needs {entry.end - entry.begin:,} bytes "
            f"of memory, more than there is. Load it on a larger machine."
        ) from error
    content = _bytes_of(array)
    _fill(shown, file, content)
    if hashlib.sha256(content).hexdigest() != entry.checksum:
        raise damaged(shown, f"tensor {entry.name!r} does not match its checksum")
    if entry.dtype == "BOOL" and array.size and array.view(np.uint8).max() > 1:
        raise damaged(shown, f"tensor {entry.name!r} has a truth value that is neither 0 nor 1")
    return array.astype(dtype.newbyteorder("="), copy=False)
