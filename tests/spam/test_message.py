"""E-mails as they are found: against the standard library's writer, and broken on purpose."""

from __future__ import annotations

import base64
import codecs
import doctest
import email
import email.policy
import encodings.aliases
import quopri
from email.header import Header
from email.message import EmailMessage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from limpide import errors
from limpide.spam import features, markup, message, message_features, message_text
from limpide.spam.markup import html_text


@pytest.mark.parametrize("module", [markup, message])
def test_docstring_examples(module):
    result = doctest.testmod(module)
    assert (result.failed, result.attempted > 0) == (0, True)


def mail(body: bytes | str, *headers: str, subject: str = "s") -> bytes:
    body = body.encode() if isinstance(body, str) else body
    return "\n".join([f"Subject: {subject}", *headers, "", ""]).encode() + body


# --- against messages that the standard library wrote ------------------------------------------

WORDS = st.text(st.characters(categories=("L", "N", "P", "S")), min_size=1, max_size=60)
LINES = st.lists(WORDS, min_size=1, max_size=8).map(" ".join)
BODIES = st.lists(LINES, min_size=1, max_size=6).map("\n".join)


@given(LINES, BODIES, st.sampled_from(["7bit", "quoted-printable", "base64", "8bit"]))
def test_one_part_by_the_standard_library(subject, body, encoding):
    letter = EmailMessage()
    letter["From"] = "a@b.example"
    letter["Subject"] = subject
    if encoding == "7bit":
        body = body.encode("ascii", "ignore").decode() or "x"
    letter.set_content(body, cte=encoding)
    raw = letter.as_bytes()
    # Its writer loses a space between two encoded words now and then, so its reader is asked.
    read = email.message_from_bytes(raw, policy=email.policy.default)["Subject"]
    assert subject.replace(" ", "") == read.replace(" ", "")
    expected = f"{read}\n{body.strip()}"
    assert message_text(raw) == expected.strip()
    assert message_text(raw.replace(b"\n", b"\r\n")) == expected.strip()
    assert message_text(b"From a@b.example Mon\n" + raw) == expected.strip()


CHARSETS = {
    "iso-8859-1": "Où est l'été ?", "iso-8859-15": "5 € à payer", "utf-8": "naïve ☃",
    "koi8-r": "Привет, мир", "windows-1251": "Добрий день", "iso-2022-jp": "こんにちは",
    "shift_jis": "こんにちは", "gb2312": "你好，世界", "big5": "你好", "utf-16": "☃ x",
    "euc-kr": "안녕", "windows-1252": "“naïve” – 5 €", "utf-7": "naïve",
}  # fmt: skip
ENCODINGS = {
    "base64": base64.encodebytes,
    "quoted-printable": quopri.encodestring,
    "8bit": bytes,
}


@pytest.mark.parametrize(
    ("charset", "encoding"),
    [(c, e) for c in CHARSETS for e in ENCODINGS if (c, e) != ("utf-16", "8bit")],
)
def test_charsets_in_body_and_subject(charset, encoding):
    text = CHARSETS[charset]
    raw = mail(
        ENCODINGS[encoding](text.encode(charset)),
        f'Content-Type: text/plain; charset="{charset.upper()}"',
        f"Content-Transfer-Encoding: {encoding.title()}",
        subject=Header(text, charset).encode() if charset != "utf-7" else text,
    )
    assert message_text(raw) == f"{text}\n{text}"


def test_alternatives_related_and_attachments_by_the_standard_library():
    letter = EmailMessage()
    letter["Subject"] = "all at once"
    letter.set_content("The plain one – naïve.\n")
    letter.add_alternative("<p>The <b>page</b></p>", subtype="html")
    letter.get_payload()[1].add_related(b"\x00\xff" * 99, "image", "png", cid="<x>")
    letter.add_attachment(bytes(range(256)), maintype="application", subtype="octet-stream")
    letter.add_attachment("a,b\n1,2\n", subtype="csv", filename="t.csv")
    assert message_text(letter.as_bytes()) == "all at once\nThe plain one – naïve."
    del letter["Subject"]
    body = letter.get_payload()[0]
    body.get_payload()[0].set_content(" \n")  # an empty plain text: the page is what one reads
    assert message_text(b"From: x\n" + letter.as_bytes()) == "The page"


def test_the_older_writer_of_the_standard_library():
    outer = MIMEMultipart("mixed")
    outer["Subject"] = Header("Ünïcode " * 20, "iso-8859-1")
    outer.attach(MIMEText("first", "plain", "utf-8"))
    outer.attach(MIMEText("<i>second</i>", "html", "iso-8859-2"))
    lines = message_text(outer.as_bytes()).split("\n")
    assert lines == [("Ünïcode " * 20).strip(), "first", "second"]


# --- by hand: forms that writers make and forms that only bugs make ----------------------------


def test_plain_text_is_text_throughout():
    for text in ("Hello you", "Note: buy milk\n\nand eggs", "From here: to there", "http://a.b/c"):
        assert message_text(text) == message_text(text.encode()) == text
    assert message_text("Subject: x") == "x"
    assert message_text("") == message_text(b"") == message_text("\r\n") == ""


def test_a_message_of_headers_only_or_body_only():
    assert message_text(b"From: a\nTo: b\n") == ""
    assert message_text(b"From: a\n\n") == ""
    assert message_text(b"From: a\n\nbody") == "body"
    assert message_text(mail("")) == "s"
    assert message_text(b"Subject: s\nno empty line before") == "s\nno empty line before"


def test_line_ends_and_marks_of_order_make_no_difference():
    raw = mail("one\ntwo\n", "Content-Type: text/plain")
    for other in (raw.replace(b"\n", b"\r\n"), raw.replace(b"\n", b"\r"), codecs.BOM_UTF8 + raw,
                  b"\n\n" + raw, raw.decode(), raw.decode().encode("utf-16"),
                  bytearray(raw), memoryview(raw)):  # fmt: skip
        assert message_text(other) == "s\none\ntwo"


def test_text_that_was_decoded_before_keeps_its_letters():
    text = "Subject: é\nContent-Type: text/plain; charset=iso-8859-1\n\nnaïve ☃"
    assert message_text(text) == "é\nnaïve ☃"
    coded = text.replace("naïve ☃", "na=EFve").replace("iso-8859-1", "iso-8859-1\n"
        "Content-Transfer-Encoding: quoted-printable")  # fmt: skip
    assert message_text(coded) == "é\nnaïve"
    assert message_text("lone \ud800 surrogate") == "lone ? surrogate"


@pytest.mark.parametrize(
    ("charset", "data", "text"),
    [
        ("us-ascii", "naïve".encode(), "naïve"),  # wrong: it is UTF-8
        ("iso-8859-1", "naïve ☃".encode(), "naïve ☃"),  # wrong: it is UTF-8
        ("utf-8", "naïve – 5 €".encode("cp1252"), "naïve – 5 €"),  # wrong: it is Windows'
        ("iso-8859-1", "“naïve”".encode("cp1252"), "“naïve”"),  # nearly right
        ("gb2312", "naïve ☃".encode(), "naïve ☃"),  # wrong, and not possible
        ("x-unknown", "naïve".encode(), "naïve"),
        ("", "naïve".encode("latin-1"), "naïve"),
        ("'utf-8'", "naïve".encode(), "naïve"),
        ("hex", b"6869", "6869"), ("zip", b"abc", "abc"), ("rot13", b"abc", "abc"),
        ("unicode_escape", rb"\q \x41", r"\q \x41"), ("punycode", b"a-b", "a-b"),
        ("undefined", b"abc", "abc"), ("idna", b"a..b", "a..b"), ("../../x", b"abc", "abc"),
        ("utf-8\0", b"abc", "abc"), ("a" * 500, b"abc", "abc"),
    ],
)  # fmt: skip
def test_charsets_wrong_unknown_or_missing(charset, data, text):
    raw = mail(data, f"Content-Type: text/plain; charset={charset}")
    assert message_text(raw) == f"s\n{text}"


@pytest.mark.parametrize(
    "codec", sorted({*encodings.aliases.aliases.values(), "idna", "undefined"})
)
def test_no_codec_of_python_can_stop_it(codec):
    raw = mail(bytes(range(32, 256)) * 3 + b"\\u12", f"Content-Type: text/plain; charset={codec}")
    assert message_text(raw).startswith("s\n")


def test_encoded_subjects():
    cases = {
        "=?utf-8?q?caf=C3=A9?=": "café",
        "=?UTF-8?B?Y2Fmw6k=?=": "café",
        "=?utf-8*fr?q?caf=C3=A9?= now": "café now",
        "=?utf-8?q?caf=C3?= =?utf-8?q?=A9?=": "café",  # one letter in two words
        "=?utf-8?q?a_b?= =?iso-8859-1?q?=E9?=": "a bé",
        "=?utf-8?q?a?=\n =?utf-8?q?b?=\n c": "ab c",
        "x =?utf-8?q?a?= y": "x a y",
        "=?nonsense?q?a=E9?=": "aé",
        "=?utf-8?b?!!!!?= z": "z",
        "=?utf-8?x?a?=": "=?utf-8?x?a?=",
        "a =?utf-8?q?b": "a =?utf-8?q?b",
        "naïve": "naïve",
    }
    for coded, text in cases.items():
        assert message_text(f"Subject: {coded}\n\n".encode()) == text
    assert message_text("Subject: naïve\n\n".encode("latin-1")) == "naïve"


def test_base64_and_quoted_printable_with_faults():
    body = base64.encodebytes("Hello, dear World – naïve".encode())
    kind = "Content-Transfer-Encoding: base64"
    for coded in (body, body.rstrip(b"=\n"), body.replace(b"\n", b"\n \n"), body + b"--\nthe list",
                  b"  " + body, body + b"A"):  # fmt: skip
        assert message_text(mail(coded, kind)) == "s\nHello, dear World – naïve"
    assert message_text(mail(b"A", kind)) == "s"
    assert message_text(mail(b"=", kind)) == "s"
    kind = "Content-Transfer-Encoding: quoted-printable"
    assert message_text(mail("soft =\nbreak =3D =zz =", kind)) == "s\nsoft break = =zz"
    assert message_text(mail("a=3Db", "Content-Transfer-Encoding: 9bit")) == "s\na=3Db"


def parts(*bodies: str, kind: str = "mixed", boundary: str = "b", close: bool = True) -> bytes:
    text = "".join(f"--{boundary}\n{body}\n" for body in bodies)
    return mail(
        f"preamble\n{text}" + (f"--{boundary}--\nepilogue\n" if close else ""),
        f'Content-Type: multipart/{kind}; boundary="{boundary}"',
    )


def test_parts_and_their_faults():
    assert message_text(parts("\none", "Content-Type: text/html\n\n<b>two</b>")) == "s\none\ntwo"
    assert message_text(parts("\none", "\ntwo", close=False)) == "s\none\ntwo"
    assert message_text(parts("\none", boundary="a b'(c)+_,-./:=?")) == "s\none"
    assert message_text(parts("\n--bx\n--b-\nb--", boundary="b")) == "s\n--bx\n--b-\nb--"
    assert message_text(
        parts("Content-Type: text/html\n\n<p>page", "\ntext", kind="alternative")
    ) == ("s\ntext")
    assert message_text(parts("Content-Type: image/png\n\n\x89PNG")) == "s"
    assert message_text(parts("Content-Type: nonsense\n\none")) == "s\none"
    attached = "Content-Type: text/plain\nContent-Disposition: Attachment; filename=a.txt\n\nno"
    assert message_text(parts("\none", attached)) == "s\none"
    inline = "Content-Type: text/plain\nContent-Disposition: inline\n\nyes"
    assert message_text(parts("\none", inline)) == "s\none\nyes"


def test_a_boundary_missing_wrong_or_in_segments():
    body = "\n--xyz\nContent-Type: text/html\n\n<b>one</b>\n--xyz--\n"
    for parameter in ("", "; boundary=other", '; boundary=""', "; boundary", "; boundary='xyz'",
                      '; boundary*0="x"; boundary*1="yz"', "; boundary*=us-ascii'en'%78yz",
                      "; boundary*0*=utf-8''x; boundary*1*=%79z", '; BOUNDARY = "x\\yz"',
                      '; x="; boundary=no"; boundary=xyz', '; boundary="xyz "'):  # fmt: skip
        assert message_text(mail(body, f"Content-Type: multipart/mixed{parameter}")) == "s\none"
    plain = "no part\nis here"
    assert message_text(mail(plain, "Content-Type: multipart/mixed; boundary=x")) == f"s\n{plain}"


def test_forwarded_messages_and_digests():
    inner = "Content-Type: message/rfc822\n\nFrom: x\nSubject: inner\n\nbody"
    assert message_text(parts("\nouter", inner)) == "s\nouter\ninner\nbody"
    assert message_text(parts("\nSubject: one\n\n1", "\nSubject: two\n\n2", kind="digest")) == (
        "s\none\n1\ntwo\n2"
    )
    coded = "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nU3ViamVjdDogeA=="
    assert message_text(parts("\nouter", coded)) == "s\nouter"


def test_nesting_is_bounded_and_the_number_of_parts_too():
    def nested(levels: int) -> bytes:
        heads = b"".join(
            b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (i, i)
            for i in range(levels)
        )
        return b"Subject: s\n" + heads + b"\ndeep"

    assert message_text(nested(20)) == "s\ndeep"
    assert message_text(nested(21)) == "s"
    assert message_text(nested(5_000)) == "s"
    assert message_text(b"Content-Type: message/rfc822\n\n" * 5_000 + b"\ndeep") == ""
    many = message_text(parts(*["\nx"] * 5_000))
    assert 900 < many.count("x") < 1_000


def test_megabytes_of_hostile_mail_are_read():
    """Each of these takes a reader that goes back over what it read hours: this would not end."""
    size = 3_000_000
    page = "Content-Type: text/html"
    for piece in (b"<a ", b"<!--", b'<a ="', b"<![", b"<script>", b"</", b'<a =\'" ="'):
        assert message_text(mail(piece * (size // len(piece)), page)) == "s"
    many = "Content-Type: multipart/mixed; boundary=b"
    assert len(message_text(mail(b"--bX\n" * (size // 5), many))) > size - 9
    assert message_text(b"Subject: s\n" + b" x\n" * (size // 3)).startswith("s x x")
    assert len(message_text(b"a" * size)) == size


# --- pages -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("a<br>b<BR/>c", "a\nb\nc"),
        ("<p>one</p>\n\n<p>two   three\nfour</p>", "one\ntwo three four"),
        ("V<b>ia</b>g<!-- x -->ra F<span style='x'>R</span>EE", "Viagra FREE"),
        ("<td>1</td><td>2</td>", "1 2"),
        ("a<script>if (1 < 2) { '</b>' }</script>b", "ab"),
        ("a<STYLE type=x>p > q {}</Style >b", "ab"),
        ("a<style>never closed", "a"),
        ("<title>no</title>yes", "yes"),
        ("<scripted>shown</scripted>", "shown"),
        ("&lt;b&gt; &amp;amp; &eacute;&#233;&#xE9; &nope; &", "<b> &amp; ééé &nope; &"),
        ("a&nbsp;b", "a b"),
        ("<a href='x>y' title=\"a>b\">link</a>", "link"),
        ("<a title=it's>link</a> it's", "link it's"),
        ('<a b="never closed>rest</a>', "rest"),
        ("1 < 2 and 2 > 1", "1 < 2 and 2 > 1"),
        ("<3 you", "<3 you"),
        ("x<!doctype html><?php echo ?>y<![if !mso]>z<![endif]>", "xyz"),
        ("<!--> shown <!---> too <!-- no --!> yes", "shown too yes"),
        ("<!--[if mso]><p>no</p><![endif]-->yes", "yes"),
        ("cut <a href='x", "cut"),
        ("</ >a</>b", "ab"),
        ("&#0000065;&#x000041;", "AA"),
        ("&#" + "9" * 5000 + ";x", "\ufffdx"),
        ("&#x" + "f" * 5000 + ";x", "\ufffdx"),
        ("", ""),
    ],
)
def test_pages(page, text):
    assert html_text(page) == text
    if text:
        assert message_text(mail(page, "Content-Type: text/html")) == f"s\n{text}"


def test_a_page_without_a_type_is_known_by_its_beginning():
    page = "<!DOCTYPE HTML><html><body><p>one</p></body></html>"
    assert message_text(mail(page)) == "s\none"
    assert message_text(page) == "one"
    assert message_text(mail(page, "Content-Type: text/plain")) == f"s\n{page}"


# --- anything at all ---------------------------------------------------------------------------

FRAGMENTS = st.sampled_from(
    [
        b"Subject: ", b"Content-Type: multipart/mixed; boundary=b", b"Content-Type: text/html",
        b"Content-Type: text/plain; charset=", b"Content-Transfer-Encoding: base64", b"\n", b"\n\n",
        b"\r\n", b"--b", b"--b--", b"=?utf-8?q?", b"?=", b"=?x?b?", b"<a href=", b"<!--", b"-->",
        b"<script>", b"</script>", b"&#", b"=3D", b"=\n", b"utf-16", b"iso-2022-jp", b"\xff\xfe",
        b"boundary*0*=", b"\"", b"'", b"\\", b"message/rfc822", b"Content-Type: message/rfc822",
        b"From ", b"A", b"\x00", b"\xe9",
    ]
)  # fmt: skip
BYTES = st.one_of(st.binary(max_size=300), st.lists(FRAGMENTS, max_size=40).map(b"".join))


@settings(max_examples=600)
@given(BYTES)
@example(b"Content-Type: text/plain; charset=\x00\n\n")
@example(b"\xff\xfe")
@example(b"\xff\xfeA")
@example(b"From ")
@example(b">From x")
@example(b"Content-Type: multipart/mixed; boundary=b\n--b")
def test_any_bytes_give_text_and_features(raw):
    text = message_text(raw)
    row = message_features(raw)
    assert "\r" not in text
    assert text == text.strip()
    assert row.tolist() == features(text).tolist()
    assert np.isfinite(row).all()
    assert (row[:54] >= 0).all()
    assert (row[:54] <= 100).all()
    assert 1 <= row[54] <= row[55] <= row[56]


@given(st.text(max_size=200))
def test_any_text_gives_text(text):
    assert message_text(text) == message_text(text.encode("utf-8", "replace"))


@pytest.mark.parametrize("value", [None, 3, ["a"], np.zeros(2)])
def test_what_is_no_message_is_refused(value):
    words = f"reads bytes or a str; received {type(value).__name__}.*use read_message"
    with pytest.raises(errors.ArgumentTypeError, match=words):
        message_text(value)
