"""The bytes of a text file as chunks of UTF-8, whatever encoding it was written in.

Answers for byte-order marks, for bytes that are not text, and for naming where they stand.
Not for: lines and cells (``scan``), nor for files that are no text (``files``).
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from pathlib import Path

from limpide.errors import ArgumentError, ArgumentTypeError, DataError, nearest

CHUNK = 2 << 20

_MARKS = (  # the four-byte marks first: UTF-32's begins with UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CYRILLIC = re.compile("[À-ÿ]{4,}")  # words of cp1251, read as Latin-1
_CONTROLS = re.compile("\\w*[\x80-\x84\x86-\x9f]\\w*")  # quotes and dashes of cp1252
_KNOWN = ("utf-8", "utf-16", "utf-32", "latin-1", "cp1252", "cp1250", "cp1251", "koi8-u", "cp866")


def codec_name(encoding: object) -> str:
    """Give Python's name for a text encoding.

    >>> codec_name("Latin-1"), codec_name("UTF8")
    ('iso8859-1', 'utf-8')

    Raises
    ------
    ArgumentError
        There is no such encoding of text.
    """
    if not isinstance(encoding, str):
        raise ArgumentTypeError(
            f"encoding must be a name such as 'cp1252'; received {type(encoding).__name__}."
        )
    try:
        name = codecs.lookup(encoding).name
        "a".encode(name)  # refuses codecs that are no text, such as base64
    except (LookupError, UnicodeError, ValueError):
        raise ArgumentError(
            f"encoding {encoding!r} is not known.{nearest(encoding, _KNOWN)} "
            f"Common ones: {', '.join(_KNOWN)}."
        ) from None
    return "utf-8" if name == "utf-8-sig" else name


def byte_order_mark(head: bytes) -> tuple[bytes, str]:
    """Give the byte-order mark that a file's first bytes begin with, and its encoding."""
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return mark, encoding
    return b"", ""


def _agreed(head: bytes, encoding: str | None, source: str) -> tuple[str, int]:
    """Give the codec, and how many bytes of a mark to skip."""
    mark, marked = byte_order_mark(head)
    if encoding is None:
        if marked not in ("", "utf-8"):
            shown = " ".join(f"{byte:02X}" for byte in mark)
            raise DataError(
                f"{source} is not UTF-8: it begins with the bytes {shown} (line 1, byte offset 0), "
                f"the mark of {marked.upper()}. Give encoding='{marked}' (--encoding {marked})."
            )
        return "utf-8", len(mark)
    codec = codec_name(encoding)
    if marked and not codec.startswith(marked):
        raise DataError(
            f"{source} begins with the byte-order mark of {marked.upper()}, but encoding="
            f"{encoding!r} was given. Give encoding='{marked}' (--encoding {marked})."
        )
    # "utf-16" and "utf-32" read their own mark; the others need it skipped
    return codec, 0 if codec in ("utf-16", "utf-32") else len(mark)


def utf8_chunks(path: Path, encoding: str | None, source: str) -> Iterator[bytes]:
    """Yield the file as UTF-8 in chunks that never end between CR and LF, its mark left out.

    Raises
    ------
    DataError
        A byte is not text in this encoding, or a NUL: its line and offset, and what to do.
    """
    line = 1
    held = b""
    for data in _decoded(path, encoding, source):
        data = held + data
        held = b"\r" if data.endswith(b"\r") else b""
        data = data[: len(data) - len(held)]
        at = data.find(b"\0")
        if at >= 0:
            raise _nul_error(data, at, line + count_lines(data[:at]), source)
        line += count_lines(data)
        yield data
    if held:
        yield held


def count_lines(data: bytes) -> int:
    """Count line ends: LF, CR LF, and CR alone."""
    ends = data.count(b"\n")
    if b"\r" in data:
        ends += data.count(b"\r") - data.count(b"\r\n")
    return ends


def _decoded(path: Path, encoding: str | None, source: str) -> Iterator[bytes]:
    with path.open("rb") as file:
        codec, skip = _agreed(file.read(4), encoding, source)
        file.seek(skip)
        decoder = codecs.getincrementaldecoder(codec)()
        offset, line = skip, 1
        while True:
            chunk = file.read(CHUNK)
            pending = decoder.getstate()[0]
            if codec == "utf-8" and not pending and chunk.isascii():
                data = chunk  # the common case costs one look at each byte
            else:
                try:
                    data = decoder.decode(chunk, final=not chunk).encode()
                except UnicodeError as fault:
                    start = fault.start if isinstance(fault, UnicodeDecodeError) else 0
                    before = codecs.decode((pending + chunk)[:start], codec, "ignore").encode()
                    raise _byte_error(
                        (pending + chunk)[start : start + 1],
                        offset - len(pending) + start,
                        line + count_lines(before),
                        encoding,
                        source,
                    ) from None
            if not chunk:
                if data:
                    yield data
                return
            offset += len(chunk)
            line += count_lines(data)
            yield data


def mojibake_note(data: bytes, encoding: str | None) -> list[str]:
    """Say that a text given as Latin-1 looks like another 8-bit encoding of Windows."""
    if encoding is None or codec_name(encoding) != "iso8859-1":
        return []
    text = data.decode(errors="ignore")
    for pattern, likely in ((_CYRILLIC, "cp1251"), (_CONTROLS, "cp1252")):
        if found := pattern.search(text):
            return [f"text such as {found[0]!r:.40} looks like {likely} rather than {encoding}"]
    return []


def _byte_error(
    byte: bytes, offset: int, line: int, encoding: str | None, source: str
) -> DataError:
    shown = f"0x{byte[0]:02X}" if byte else "the end of the file"
    where = f"{source}, line {line}: {shown} at byte offset {offset}"
    if encoding is None:
        return DataError(
            f"{where} is not UTF-8; the file seems to be in an 8-bit encoding. Say which: "
            "encoding='latin-1' (--encoding latin-1; cp1252 for Windows, cp1251 for Cyrillic)."
        )
    return DataError(
        f"{where} is not {encoding}. Give the encoding that the file was saved in (--encoding), "
        "such as cp1252 for Windows, cp1251 for Cyrillic, or latin-1."
    )


def _nul_error(data: bytes, at: int, line: int, source: str) -> DataError:
    window = data[at : at + 64]
    evens, odds = window[::2], window[1::2]
    if len(odds) > 2 and evens.count(0) > 0.7 * len(evens) and not odds.count(0):
        order = "le" if at % 2 else "be"
        return DataError(
            f"{source}, line {line}: every second byte is NUL, as in UTF-16 without its mark. "
            f"Give encoding='utf-16-{order}' (--encoding utf-16-{order})."
        )
    return DataError(
        f"{source}, line {line}: a NUL byte, which no text table holds. "
        "Save the table as CSV in UTF-8 again, or remove the byte."
    )
