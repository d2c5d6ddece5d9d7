"""The text of an e-mail: its subject and what its reader sees of its body.

Answers for MIME as it is found in the wild: nested, encoded, mislabelled, cut off, broken.
Not for: senders, dates, attachments; nor for files (folder) or counting (counts).

Any bytes give a text; nothing here raises for what a message holds. The standard library's parser
was not taken since its time grows with nesting depth times length, and it recurses as deep as the
message wants.
"""

from __future__ import annotations

import binascii
import codecs
import re
from urllib.parse import unquote_to_bytes

from limpide.errors import ArgumentTypeError
from limpide.spam.markup import html_text

_DEEPEST = 20  # levels of parts within parts; deeper ones are not read
_MOST_PARTS = 1_000
_LONGEST_HEADER = 10_000  # bytes of one header that are looked at

# Without one of these a text that happens to begin with "Note:" is no e-mail.
_KNOWN = frozenset(
    (b"from", b"to", b"cc", b"subject", b"date", b"sender", b"reply-to", b"received",
     b"return-path", b"delivered-to", b"message-id", b"mime-version", b"content-type",
     b"content-transfer-encoding", b"x-mailer")
)  # fmt: skip
_HEADER = re.compile(rb"([!-9;-~]+)[ \t]*:[ \t]*([^\n]*(?:\n[ \t]+[^\n]*)*)\n?")
_TYPE = re.compile(rb"\s*([\w.+-]+)/([\w.+-]+)")
_PARAMETER = re.compile(rb';\s*([^\s;="]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;\s"]*)', re.DOTALL)
_GUESSED_BOUNDARY = re.compile(rb"\n--([^\s-]\S{0,70}|-\S{0,70}[^-\s])[ \t]*+\n(?i:content-)")
_ENCODED_WORD = re.compile(r"=\?([^?\s]{1,60})\?([bq])\?([^?]*)\?=", re.IGNORECASE)
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]+")
_PAGE = re.compile(r"\s*(?:<!doctype html|<html)\b", re.IGNORECASE)

# Where Western bytes or UTF-8 are declared, the bytes say better which of the two they are.
_WESTERN = frozenset(("ascii", "utf-8", "iso8859-1", "cp1252"))
# Not charsets of mail: bound to one system, warning of escapes, or of quadratic time.
_NO_CHARSETS = frozenset(
    ("idna", "mbcs", "oem", "punycode", "raw-unicode-escape", "unicode-escape")
)

Headers = dict[bytes, bytes]


def message_text(raw: bytes | str) -> str:
    """Give the subject and the text of an e-mail.

    Parameters
    ----------
    raw : bytes or str
        A message as it was received (``.eml``: headers, an empty line, a body), or a plain text:
        what does not begin with the headers of an e-mail is taken as text throughout.

    Returns
    -------
    str
        The decoded subject, a line break, the text; lines end with ``\\n``. Of alternatives the
        plain text is taken, or the HTML where there is none; attachments and what is not text are
        left out, forwarded messages are read. Base64, quoted-printable and charsets are decoded,
        a charset that is wrong, unknown or missing is replaced by UTF-8 or Windows-1252.

    Raises
    ------
    ArgumentTypeError
        ``raw`` is neither bytes nor str.

    Source
    ------
    RFC 5322, 2045 to 2047 and 2231 (formats of messages, parts and encoded headers).

    Examples
    --------
    >>> message_text(b"Subject: =?utf-8?q?caf=C3=A9?=\\n\\nSee you at 5 pm.\\n")
    'café\\nSee you at 5 pm.'
    """
    if isinstance(raw, str):
        # Its bytes are gone, and what the message says of its charset is no longer true.
        data, charset = raw.encode("utf-8", "replace"), b"utf-8"
    elif isinstance(raw, bytes | bytearray | memoryview):
        data, charset = bytes(raw), None
    else:
        raise ArgumentTypeError(
            f"message_text reads bytes or a str; received {type(raw).__name__}. "
            "For a file use read_message(path)."
        )
    if charset is None and data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        data, charset = data.decode("utf-16", "replace").encode("utf-8", "replace"), b"utf-8"
    data = data.removeprefix(codecs.BOM_UTF8)
    data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").lstrip(b"\n")
    return _Reader(data, charset).message(0, len(data), 0)


class _Reader:
    """One message on its way to text; parts are ranges of its bytes, never copies."""

    def __init__(self, data: bytes, charset: bytes | None) -> None:
        self.data = data
        self.charset = charset  # of all that is not encoded, where that is known
        self.parts_left = _MOST_PARTS

    def message(self, start: int, end: int, depth: int) -> str:
        """Give subject and text of the message in ``data[start:end]``."""
        after_envelope = start
        if self.data.startswith((b"From ", b">From "), start):  # as mbox files separate messages
            after_envelope = self.data.find(b"\n", start, end) + 1 or end
        headers, body = self.headers(after_envelope, end)
        if _KNOWN.isdisjoint(headers):
            return self.plain(start, end)
        subject = _header_text(headers.get(b"subject", b""))
        texts = [subject, *self.texts(headers, body, end, depth, b"text/plain")]
        return "\n".join(text for text in map(str.strip, texts) if text)

    def plain(self, start: int, end: int) -> str:
        text = _decoded(self.data[start:end], self.charset)
        return html_text(text) if _PAGE.match(text) else text.strip()

    def headers(self, start: int, end: int) -> tuple[Headers, int]:
        """Give the headers from ``start`` on, the first of each name, and where the body begins."""
        headers: Headers = {}
        while found := _HEADER.match(self.data, start, end):
            headers.setdefault(found[1].lower(), found[2][:_LONGEST_HEADER])
            start = found.end()
        return headers, start + 1 if self.data.startswith(b"\n", start) else start

    def texts(self, headers: Headers, start: int, end: int, depth: int, usual: bytes) -> list[str]:
        """Give the texts of a part, none where it is not text."""
        kind, parameters = _content_type(headers.get(b"content-type", b""), usual)
        main, _, sub = kind.partition(b"/")
        encoding = headers.get(b"content-transfer-encoding", b"").strip().lower()
        if main == b"multipart":
            parts = self.parts(parameters.get(b"boundary", b""), start, end)
            if parts:
                return self.chosen(parts, sub, depth + 1) if depth < _DEEPEST else []
        elif kind == b"message/rfc822":
            deep = depth >= _DEEPEST or encoding.startswith((b"base64", b"quoted"))
            return [] if deep else [self.message(start, end, depth + 1)]
        elif main != b"text":
            return []
        charset = parameters.get(b"charset")
        body = self.data[start:end]
        if encoding.startswith(b"quoted-printable"):
            body = binascii.a2b_qp(body)
        elif encoding.startswith(b"base64"):
            body = _base64(body)
        else:
            charset = self.charset or charset
        text = _decoded(body, charset)
        page = sub == b"html" or (b"content-type" not in headers and _PAGE.match(text))
        return [html_text(text) if page else text]

    def chosen(self, parts: list[tuple[int, int]], sub: bytes, depth: int) -> list[str]:
        """Give the texts of those parts that a reader sees: one alternative, or all in order."""
        usual = b"message/rfc822" if sub == b"digest" else b"text/plain"
        read = []
        for start, end in parts:
            headers, body = self.headers(start, end)
            if not headers.get(b"content-disposition", b"").lower().startswith(b"attachment"):
                kind, _ = _content_type(headers.get(b"content-type", b""), usual)
                read.append((kind, headers, body, end))
        if sub == b"alternative":
            read.sort(key=lambda part: _preference(part[0]))
        texts: list[str] = []
        for _, headers, body, end in read:
            texts += self.texts(headers, body, end, depth, usual)
            if sub == b"alternative" and any(map(str.strip, texts)):
                break
        return texts

    def parts(self, boundary: bytes, start: int, end: int) -> list[tuple[int, int]]:
        """Give the ranges between boundary lines; none where no such line is found."""
        line = _boundary_line(boundary.rstrip())
        start -= 1  # the line end before the body opens the first boundary line
        if not boundary or line.search(self.data, start, end) is None:
            guess = _GUESSED_BOUNDARY.search(self.data, start, end)
            if guess is None:
                return []
            line = _boundary_line(guess[1])
        ranges: list[tuple[int, int]] = []
        opened: int | None = None
        for mark in line.finditer(self.data, start, end):
            if opened is not None:
                ranges.append((min(opened, mark.start()), mark.start()))
            opened = None if mark[1] else mark.end() + 1
            self.parts_left -= 1
            if opened is None or self.parts_left <= 0:
                return ranges
        if opened is not None:  # cut off before the closing line
            ranges.append((min(opened, end), end))
        return ranges


def _boundary_line(boundary: bytes) -> re.Pattern[bytes]:
    return re.compile(rb"\n--" + re.escape(boundary) + rb"(--)?[ \t]*+(?=\n|\Z)")


def _preference(kind: bytes) -> int:
    if kind == b"text/plain":
        return 0
    return 1 if kind.startswith(b"multipart/") else 2 if kind == b"text/html" else 3


def _content_type(value: bytes, usual: bytes) -> tuple[bytes, dict[bytes, bytes]]:
    """Give ``type/subtype`` and the parameters; what cannot be read is plain text (RFC 2045)."""
    kind = _TYPE.match(value)
    if kind is None:
        return (usual if not value.strip() else b"text/plain"), {}
    parameters: dict[bytes, bytes] = {}
    for found in _PARAMETER.finditer(value):
        name, text = found[1].lower(), found[2]
        if text.startswith(b'"'):
            text = re.sub(rb"\\(.)", rb"\1", text[1:-1], flags=re.DOTALL)
        name, star, segment = name.partition(b"*")
        if star:  # RFC 2231: cut in segments, perhaps percent-encoded after charset'language'
            if segment in (b"", b"0*"):
                text = text.split(b"'", 2)[-1]
            if not segment or segment.endswith(b"*"):
                text = unquote_to_bytes(text)
            parameters[name] = parameters.get(name, b"") + text
        else:
            parameters.setdefault(name, text)
    return (kind[1] + b"/" + kind[2]).lower(), parameters


def _base64(body: bytes) -> bytes:
    """Decode up to the padding, whatever stands between the letters."""
    letters = _NOT_BASE64.sub(b"", body.partition(b"=")[0])
    letters = letters[: len(letters) - (len(letters) % 4 == 1)]  # one letter alone is no byte
    return binascii.a2b_base64(letters + b"=" * (-len(letters) % 4))


def _decoded(body: bytes, declared: bytes | None) -> str:
    """Decode by the declared charset where that can be, else by what the bytes look like."""
    codec = _codec(declared)
    for attempt in ("utf-8",) if codec in _WESTERN else (codec, "utf-8"):
        try:
            text = body.decode(attempt)
            break
        except UnicodeError:
            continue
    else:
        text = body.decode("cp1252" if codec in _WESTERN else codec, "replace")
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def _codec(declared: bytes | None) -> str:
    """Give Python's name of a charset; UTF-8 where it is missing, unknown or none of mail's."""
    name = (declared or b"").decode("ascii", "replace").strip(" '\"")
    if not re.fullmatch(r"[\w.:()-]{1,40}", name, re.ASCII):
        return "utf-8"
    try:
        codec = codecs.lookup(name).name
        b"a".decode(codec, "replace")  # refuses what is no charset at all, such as hex and zip
    except (LookupError, ValueError):
        return "utf-8"
    return "utf-8" if codec.replace("_", "-") in _NO_CHARSETS else codec


def _header_text(value: bytes) -> str:
    """Decode a header's encoded words; neighbours of one charset may share a character."""
    text = re.sub(r"\s*\n\s*", " ", _decoded(value, None))
    pieces: list[str] = []
    pending, charset, place = b"", "", 0
    for word in _ENCODED_WORD.finditer(text):
        name = word[1].partition("*")[0].lower()  # RFC 2231 allows *language behind it
        between = text[place : word.start()]
        apart = place == 0 or bool(between.strip())
        if apart or name != charset:
            pieces.append(_decoded(pending, charset.encode()))
            pending, charset = b"", name
        if apart:
            pieces.append(between)
        body = word[3].encode("utf-8", "replace")
        pending += _base64(body) if word[2] in "bB" else binascii.a2b_qp(body, header=True)
        place = word.end()
    return "".join([*pieces, _decoded(pending, charset.encode()), text[place:]])
