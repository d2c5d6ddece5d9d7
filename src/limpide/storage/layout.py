"""The header of a model file: what stands where, and the proof that nobody changed it.

Answers for: one byte order of the header for one content, its seal, and a reader that believes
nothing: sizes, offsets and names are checked against the file. Not for: the tensors' own bytes.

A file is, as safetensors has it, eight bytes with the header's length, the header (JSON, padded
with spaces to a multiple of eight), and the tensors one after the other without a gap. The header
of a limpide file begins ``{"__metadata__":{"header_sha256":"…64 digits…"``: the SHA-256 of the
length and the header, taken with zeros in place of those digits. This beginning and the keys
``format`` and ``format_version`` stay the same in every version to come.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from limpide.errors import ModelFileError
from limpide.storage.strict_json import parse_json

FORMAT_VERSION = 1
MAX_HEADER = 1_000_000
MAX_TENSORS = 10_000
MAX_NAME = 256
LENGTH = 8  # bytes of the header's length
DIGITS = 64  # of a SHA-256

DTYPES: dict[str, np.dtype[Any]] = {
    "BOOL": np.dtype("bool"),
    "U8": np.dtype("<u1"),
    "I8": np.dtype("<i1"),
    "U16": np.dtype("<u2"),
    "I16": np.dtype("<i2"),
    "U32": np.dtype("<u4"),
    "I32": np.dtype("<i4"),
    "U64": np.dtype("<u8"),
    "I64": np.dtype("<i8"),
    "F16": np.dtype("<f2"),
    "F32": np.dtype("<f4"),
    "F64": np.dtype("<f8"),
}
DTYPE_NAMES = {(dtype.kind, dtype.itemsize): name for name, dtype in DTYPES.items()}

_BEGINNING = b'{"__metadata__":{"header_sha256":"'
_SEAL = slice(LENGTH + len(_BEGINNING), LENGTH + len(_BEGINNING) + DIGITS)
_MAX_AXES = 64  # NumPy's own limit
_KEYS = {"header_sha256", "format", "format_version", "checksums", "limpide"}
_HEX = re.compile(rf"[0-9a-f]{{{DIGITS}}}")
_VERSION = re.compile(r"[1-9][0-9]{0,8}")


@dataclass(frozen=True)
class Entry:
    """One tensor's place: bytes ``begin`` to ``end`` after the header, and their checksum."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int
    checksum: str


@dataclass(frozen=True)
class Layout:
    """A whole header: the tensors in the order of their bytes, and the metadata."""

    entries: tuple[Entry, ...]
    metadata: dict[str, Any]
    format_version: int


def spec_text(dtype: np.dtype[Any], shape: Sequence[int | None]) -> str:
    """Give dtype and shape as the rest of limpide writes them; None is a length left open.

    >>> spec_text(np.dtype("float32"), (32, 16))
    'f32[32,16]'
    """
    name = DTYPE_NAMES.get((dtype.kind, dtype.itemsize), str(dtype)).lower()
    return f"{name}[{','.join('n' if n is None else str(n) for n in shape)}]"


def bytes_text(count: int) -> str:
    """Give a number of bytes in words, for errors.

    >>> bytes_text(1), bytes_text(12_000)
    ('1 byte', '12,000 bytes')
    """
    return f"{count:,} byte{'' if count == 1 else 's'}"


def check_name(name: object) -> str | None:
    """Give what is wrong with a tensor's name, or None.

    >>> check_name("hidden1.weights")
    >>> check_name("two\\nlines")
    'has a character that cannot be printed'
    """
    if not isinstance(name, str):
        return f"is a {type(name).__name__}, not a text"
    if not name or len(name) > MAX_NAME:
        return f"has {len(name)} characters, not 1 to {MAX_NAME}"
    if not name.isprintable():
        return "has a character that cannot be printed"
    if name == "__metadata__":
        return "is the one that safetensors keeps for itself"
    return None


def damaged(shown: str, reason: str) -> ModelFileError:
    """Build the error for a file that limpide may have written, but not like this."""
    return ModelFileError(
        f"{shown!r} is damaged: {reason}. "
        f"Restore it from a copy, or train and save the model again."
    )


def encode_header(entries: Sequence[Entry], metadata: str) -> bytes:
    """Give the length and the header, sealed, for tensors in the order of their bytes."""
    checksums = {entry.name: entry.checksum for entry in entries}
    header: dict[str, Any] = {
        "__metadata__": {
            "header_sha256": "0" * DIGITS,
            "format": "limpide",
            "format_version": str(FORMAT_VERSION),
            "checksums": _compact(checksums),
            "limpide": metadata,
        }
    }
    for entry in entries:
        header[entry.name] = {
            "dtype": entry.dtype,
            "shape": list(entry.shape),
            "data_offsets": [entry.begin, entry.end],
        }
    text = _compact(header).encode()
    text += b" " * (-len(text) % 8)
    raw = bytearray(len(text).to_bytes(LENGTH, "little") + text)
    raw[_SEAL] = hashlib.sha256(raw).hexdigest().encode()
    return bytes(raw)


def is_limpide(start: bytes) -> bool:
    """Tell whether a file's first bytes, the length apart, are those that limpide writes."""
    return start.startswith(_BEGINNING, LENGTH)


def decode_header(shown: str, raw: bytes, data_bytes: int) -> Layout:
    """Read and check a header.

    Parameters
    ----------
    shown
        What errors call the file.
    raw
        The length and the header.
    data_bytes
        How many bytes follow in the file.

    Raises
    ------
    ModelFileError
        If the file is damaged, was written by another program or by a newer limpide.
    """
    try:
        header = parse_json(_text(raw[LENGTH:]))
    except ValueError as error:
        if is_limpide(raw):
            raise damaged(shown, f"its header cannot be read ({error})") from None
        raise ModelFileError(
            f"{shown!r} is no model that limpide wrote: its header cannot be read ({error}). "
            f"Give a file that Network.save or limpide train wrote."
        ) from None
    ours = _own_metadata(shown, header)
    version = _version(shown, ours.get("format_version", ""))
    _check_seal(shown, raw)
    if set(ours) != _KEYS:
        raise damaged(shown, f"its header has the keys {sorted(ours)}, not {sorted(_KEYS)}")
    checksums = _inner(shown, ours, "checksums")
    metadata = _inner(shown, ours, "limpide")
    del header["__metadata__"]
    entries = _entries(shown, header, checksums)
    _check_places(shown, entries, data_bytes)
    return Layout(entries, metadata, version)


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _text(header: bytes) -> str:
    if not header.startswith(b"{"):
        raise ValueError("it does not begin with {")
    try:
        return header.decode().rstrip(" ")
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start} is not UTF-8") from None


def _own_metadata(shown: str, header: dict[str, Any]) -> dict[str, str]:
    """Give the ``__metadata__`` of a limpide file, texts throughout."""
    found = header.get("__metadata__")
    name = found.get("format") if isinstance(found, dict) else None
    if not isinstance(found, dict) or name != "limpide":
        says = f"its format is {name!r:.40}" if name is not None else "it names no format"
        raise ModelFileError(
            f"{shown!r} is a safetensors file, but not one that limpide wrote: {says}. "
            f"Read it with safetensors.numpy.load_file and copy its tensors into net.params."
        )
    for key, value in found.items():
        if not isinstance(value, str):
            raise damaged(shown, f"{key!r} in its header is {type(value).__name__}, not text")
    return found


def _version(shown: str, text: str) -> int:
    if not _VERSION.fullmatch(text):
        raise damaged(shown, f"its format version is {text[:40]!r}, not a number")
    if int(text) > FORMAT_VERSION:
        raise ModelFileError(
            f"{shown!r} has format version {text}, this limpide reads up to {FORMAT_VERSION}. "
            f"Upgrade limpide: pip install --upgrade limpide."
        )
    return int(text)


def _check_seal(shown: str, raw: bytes) -> None:
    blank = bytearray(raw)
    blank[_SEAL] = b"0" * DIGITS
    if not is_limpide(raw) or raw[_SEAL] != hashlib.sha256(blank).hexdigest().encode():
        raise damaged(shown, "its header does not match its checksum")


def _inner(shown: str, ours: dict[str, str], key: str) -> dict[str, Any]:
    try:
        value = parse_json(ours[key])
    except ValueError as error:
        raise damaged(shown, f"{key!r} in its header cannot be read ({error})") from None
    if not isinstance(value, dict):
        raise damaged(shown, f"{key!r} in its header is {type(value).__name__}, not an object")
    return value


def _entries(shown: str, header: dict[str, Any], checksums: dict[str, Any]) -> tuple[Entry, ...]:
    if len(header) > MAX_TENSORS:
        raise damaged(shown, f"it has {len(header)} tensors, more than {MAX_TENSORS}")
    if header.keys() != checksums.keys():
        differ = min(header.keys() ^ checksums.keys())
        raise damaged(shown, f"tensor {differ!r} is not both in its table and in its checksums")
    entries = [_entry(shown, name, header[name], checksums[name]) for name in header]
    return tuple(sorted(entries, key=lambda entry: (entry.begin, entry.end)))


def _entry(shown: str, name: str, info: Any, checksum: Any) -> Entry:
    wrong = check_name(name)
    if wrong:
        raise damaged(shown, f"the tensor name {name[:80]!a} {wrong}")
    if not isinstance(info, dict) or info.keys() != {"dtype", "shape", "data_offsets"}:
        raise damaged(shown, f"tensor {name!r} is not described by dtype, shape and data_offsets")
    dtype, shape, offsets = info["dtype"], info["shape"], info["data_offsets"]
    if not isinstance(dtype, str) or dtype not in DTYPES:
        known = ", ".join(DTYPES)
        raise damaged(shown, f"tensor {name!r} has dtype {dtype!r:.40}, not one of {known}")
    if not _are_counts(shape) or len(shape) > _MAX_AXES:
        raise damaged(shown, f"tensor {name!r} has the impossible shape {shape!r:.80}")
    if not _are_counts(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise damaged(shown, f"tensor {name!r} has the impossible offsets {offsets!r:.80}")
    begin, end = offsets
    itemsize = DTYPES[dtype].itemsize
    wanted = itemsize * math.prod(shape)
    # an empty tensor may still have an axis so long that no array can be made
    if wanted != end - begin or itemsize * math.prod(n for n in shape if n) >= 2**63:
        raise damaged(
            shown, f"tensor {name!r} of shape {shape!r:.80} does not fit {bytes_text(end - begin)}"
        )
    if not isinstance(checksum, str) or not _HEX.fullmatch(checksum):
        raise damaged(shown, f"the checksum of tensor {name!r} is not {DIGITS} digits")
    return Entry(name, dtype, tuple(shape), begin, end, checksum)


def _are_counts(values: Any) -> bool:
    return isinstance(values, list) and all(type(n) is int and n >= 0 for n in values)


def _check_places(shown: str, entries: Sequence[Entry], data_bytes: int) -> None:
    """Check that the tensors fill the rest of the file: no hole, no overlap, nothing after."""
    at = 0
    for entry in entries:
        if entry.begin != at:
            what = "overlaps the one before" if entry.begin < at else "leaves a hole before it"
            raise damaged(shown, f"tensor {entry.name!r} {what}")
        at = entry.end
    if at > data_bytes:
        raise damaged(
            shown, f"it is cut off, with {bytes_text(at - data_bytes)} missing at its end"
        )
    if at < data_bytes:
        raise damaged(shown, f"it has {bytes_text(data_bytes - at)} after its last tensor")
