"""Which kind of file an export is, how large it may be, and writing it.

Answers for ``to`` and ``overwrite``. Not for: what stands in a file.
"""

from __future__ import annotations

import os

from limpide.errors import ArgumentError, choice_error
from limpide.exports.array_ends import Source
from limpide.exports.array_files import (
    KERAS_IDIOMS,
    file_names,
    keras_file,
    numpy_file,
    torch_file,
)
from limpide.exports.idioms import IDIOMS
from limpide.exports.loop_file import NUMBERS_AT_MOST, python_file
from limpide.exports.opset import IDIOMS_WRITTEN as OPSET_IDIOMS
from limpide.exports.text import Names
from limpide.storage.atomic import atomic_write, path_text

KINDS = ("keras", "numpy", "onnx", "python", "torch")
"""What a network can be exported to."""

TEXT_AT_MOST = 20_000_000
"""A source file with more numbers would be beyond 100 MB."""

_WRITERS = {
    "keras": keras_file,
    "numpy": numpy_file,
    "python": python_file,
    "torch": torch_file,
}


def kind_of_file(path: str | os.PathLike[str], to: str | None) -> str:
    """Give the kind of file that ``to`` asks for, or else the path.

    >>> kind_of_file("people.onnx", None), kind_of_file("people.py", "torch")
    ('onnx', 'torch')

    Raises
    ------
    ArgumentError
        For a kind that there is not, and for a path that tells none.
    """
    text = path_text(path)
    if to is None:
        if text.lower().endswith(".onnx"):
            return "onnx"
        raise ArgumentError(
            f"to must be one of {', '.join(KINDS)}, for the path {text!r} does not tell: only "
            "'.onnx' does. Write to='numpy' (--to numpy), for example."
        )
    if to not in KINDS:
        raise choice_error("to", to, KINDS)
    return to


def idioms_for(kind: str) -> frozenset[str]:
    """Give the idioms that a kind of file has words for."""
    return {"onnx": OPSET_IDIOMS, "keras": KERAS_IDIOMS}.get(kind, IDIOMS)


def source_text(kind: str, source: Source, names: Names | None = None) -> str:
    """Give the text of a source file.

    Raises
    ------
    ArgumentError
        For a network with too many numbers for text.
    """
    most = NUMBERS_AT_MOST if kind == "python" else TEXT_AT_MOST
    count = source.program.count()
    if count > most:
        other = "to='numpy'" if most < count <= TEXT_AT_MOST else "to='onnx'"
        raise ArgumentError(
            f"to={kind!r} writes every weight into the text of a file, {most:,} of them at most, "
            f"and this network has {count:,}. Use {other}."
        )
    return _WRITERS[kind](source, names or file_names())


def write_file(path: str | os.PathLike[str], content: str | bytes, overwrite: bool) -> None:
    """Write an exported file whole or not at all.

    Raises
    ------
    FileError
        Where it cannot be written, and without ``overwrite`` where there is a file.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    atomic_write(path, data, overwrite=overwrite)
