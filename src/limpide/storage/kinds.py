"""Recognising files that are no limpide model, to refuse them by name.

Answers for: what a file seems to be, from its first and last bytes, and what to do with it.
Not for: reading any of them; nothing is unpickled, unzipped or opened.
"""

from __future__ import annotations

import re

START = 4096
"""How many bytes from the start (and from the end) ``recognise`` wants."""

_COPY_WEIGHTS = (
    "Open it with the program that wrote it and copy the weights by name into net.params."
)
_ASK_FOR_MODEL = "Ask whoever made it for a model that limpide saved."
_UNPACK = "Unpack it and give the model inside."
_DATA_FIRST = "Train a model on it with limpide train, and give that model."

_MAGIC: tuple[tuple[bytes, str, str], ...] = (
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file (.h5, as Keras writes)", _COPY_WEIGHTS),
    (b"\x93NUMPY", "a NumPy array (.npy)", "Load it with numpy.load and copy it into net.params."),
    (b"GGUF", "a GGUF model", _COPY_WEIGHTS),
    (b"\x1f\x8b", "a gzip archive", _UNPACK),
    (b"BZh", "a bzip2 archive", _UNPACK),
    (b"\xfd7zXZ\0", "an xz archive", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "a zstandard archive", _UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", _UNPACK),
    (b"PAR1", "a Parquet table", _DATA_FIRST),
    (b"ARROW1", "an Arrow table", _DATA_FIRST),
    (b"SQLite format 3\0", "an SQLite database", _DATA_FIRST),
    (b"%PDF-", "a PDF document", "Give the path of the model."),
    (b"\x89PNG", "a PNG picture", "Give the path of the model."),
    (b"\x7fELF", "a program", "Give the path of the model."),
    (
        b"version https://git-lfs",
        "a Git LFS pointer, not the file itself",
        "Fetch it: git lfs pull.",
    ),
)

_ZIPS: tuple[tuple[bytes, str, str], ...] = (
    (b"data.pkl", "a PyTorch file (.pt: a zip with a pickle in it)", _COPY_WEIGHTS),
    (b"model.weights.h5", "a Keras model (.keras: a zip)", _COPY_WEIGHTS),
    (b".npy", "a NumPy archive (.npz)", "Load it with numpy.load and copy it into net.params."),
    (b"xl/workbook", "an Excel workbook (.xlsx)", "Save it as CSV and train a model on it."),
    (b"", "a zip archive", _UNPACK),
)

_TORCH_MAGIC = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"  # torch.save before 1.6
PICKLE = re.compile(rb"\x80[\x02-\x05]")
_OLD_PICKLE = re.compile(rb"\(?[dl]p\d+\n|\(?c[A-Za-z_][\w.]*\n\w+\n|[}\]]q")
_ONNX = re.compile(rb"\x08[\x01-\x1f][\x12\x1a\x22\x2a\x32\x3a\x42]")  # ir_version, then a field
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")


def recognise(start: bytes, end: bytes) -> tuple[str, str] | None:
    """Give what a file seems to be and what to do with it, or None for no idea.

    Parameters
    ----------
    start, end
        Its first and last ``START`` bytes (all of them, twice, for a shorter file).

    Examples
    --------
    >>> recognise(b"PK\\x03\\x04....archive/data.pkl", b"")[0]
    'a PyTorch file (.pt: a zip with a pickle in it)'
    """
    if start[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        inside = start + end
        return next((kind, remedy) for sign, kind, remedy in _ZIPS if sign in inside)
    for magic, kind, remedy in _MAGIC:
        if start.startswith(magic):
            return kind, remedy
    if start.startswith(_TORCH_MAGIC):
        return "a PyTorch file (.pt: pickles)", _COPY_WEIGHTS
    if PICKLE.match(start) or _is_old_pickle(start, end):
        return "a pickle (to open one can run any program)", _ASK_FOR_MODEL
    if _ONNX.match(start):
        return "an ONNX model", "Run it with onnxruntime, or copy its weights into net.params."
    if not _CONTROL.search(start) or start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return _describe_text(start)
    return None


def _is_old_pickle(start: bytes, end: bytes) -> bool:
    """Tell whether this is protocol 0 or 1: no magic, but an opcode first and a full stop last."""
    return bool(_OLD_PICKLE.match(start)) and end.endswith(b".")


def _describe_text(start: bytes) -> tuple[str, str]:
    head = start.lstrip(b"\xef\xbb\xbf \t\r\n")[:64].lower()
    if head.startswith((b"<!doctype", b"<html")):
        return "a web page", "Download the model itself."
    if head.startswith((b"{", b"[")):
        return "JSON text", "Give the .safetensors file."
    return "text, such as a CSV table", _DATA_FIRST
