"""Reading CSV and its relatives: what is recognised, what a column becomes, what notes say."""

from __future__ import annotations

import datetime
import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from limpide.errors import ArgumentError, ArgumentTypeError, DataError, FileError
from limpide.tables import Table, missing_column, read_table

Read = Callable[..., Table]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def read(content: str | bytes, **options: Any) -> Table:
        path = tmp_path / "table.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_table(path, **options)

    return read


def values(table: Table) -> dict[str, list[Any]]:
    return table.frame.to_dict(as_series=False)


def refused(read: Read, content: str | bytes, *parts: str, **options: Any) -> None:
    """Check that the content is refused with a message that holds all the parts."""
    with pytest.raises(DataError) as caught:
        read(content, **options)
    message = str(caught.value)
    assert "table.csv" in message
    for part in parts:
        assert part in message, message


def test_spambase_reads_as_numbers(spambase_path: Path) -> None:
    table = read_table(spambase_path)
    assert table.frame.shape == (4601, 58)
    assert all(dtype.is_numeric() for dtype in table.frame.dtypes)
    assert table.frame.null_count().sum_horizontal().item() == 0
    assert table.frame["spam"].sum() == 1813
    assert table.frame["capital_run_length_average"][0] == 3.756
    assert table.notes == []
    assert table.row_line(4600) == 4602


# What is written how ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "note"),
    [
        ("a,b,y\n1.5,2,u\n3,4,v\n", None),
        ("a;b;y\n1,5;2;u\n3;4;v\n", "delimiter ';' and decimal comma recognised"),
        ("a;b;y\n1.5;2;u\n3;4;v\n", "delimiter ';' recognised"),
        ("a\tb\ty\n1,5\t2\tu\n3\t4\tv\n", "delimiter '\\t' (tab) and decimal comma recognised"),
        ("a|b|y\n1.5|2|u\n3|4|v\n", "delimiter '|' recognised"),
        ('a,b,y\n"1,5",2,u\n3,4,v\n', "decimal comma recognised"),
        ('"a" , "b", "y"\n "1.5", "2" ,"u"\n3, 4,v \n', None),
        ("a,b,y\r\n1.5,2,u\r\n3,4,v\r\n", None),
        ("a,b,y\r1.5,2,u\r3,4,v\r", None),
        ("a,b,y\n1.5,2,u\n3,4,v", None),
        ("\n\na,b,y\n1.5,2,u\n\n  \n3,4,v\n\n", "5 blank lines skipped"),
        ("\ufeffa,b,y\n1.5,2,u\n3,4,v\n", "UTF-8 byte-order mark skipped"),
        ('"a","b","y"\r\n"1.5","2","u"\r\n"3","4","v"\r\n', None),
        ('"a","b","y"\r"1.5","2","u"\r"3","4","v"\r', None),
    ],
)
def test_one_table_in_many_forms(read: Read, content: str, note: str | None) -> None:
    table = read(content)
    assert values(table) == {"a": [1.5, 3.0], "b": [2, 4], "y": ["u", "v"]}
    assert table.frame.schema["b"].is_integer()
    assert table.notes == ([] if note is None else [note])


@pytest.mark.parametrize(
    ("encoding", "given"),
    [
        ("latin-1", "latin-1"),
        ("cp1252", "CP1252"),
        ("utf-16", "utf-16"),
        ("utf-16-le", "utf-16-le"),
        ("utf-32", "utf-32"),
        ("utf-8-sig", "utf8"),
        ("cp1252", "windows-1252"),
    ],
)
def test_encodings_when_given(read: Read, encoding: str, given: str) -> None:
    table = read("nom,y\ncafé,1\nthé,2\n".encode(encoding), encoding=given)
    assert values(table) == {"nom": ["café", "thé"], "y": [1, 2]}


def test_cyrillic_when_given(read: Read) -> None:
    table = read("назва;x\nкава;1,5\n".encode("cp1251"), encoding="cp1251")
    assert values(table) == {"назва": ["кава"], "x": [1.5]}


def test_delimiter_and_decimal_override(read: Read) -> None:
    assert values(read("a^b^y\n1^2^3\n", delimiter="^")) == {"a": [1], "b": [2], "y": [3]}
    assert values(read("a b\n1 2\n", delimiter=" ")) == {"a": [1], "b": [2]}
    assert values(read("a\tb\n1\t2\n", delimiter="tab")) == {"a": [1], "b": [2]}
    assert values(read("a;b\n1,234;2\n", decimal=",")) == {"a": [1.234], "b": [2]}
    assert values(read("a\tb\n0,5\t2\n", decimal=",")) == {"a": [0.5], "b": [2]}
    table = read("a;b;c\nv1;1,5;.5\nv2;2,5;1\n", decimal=".")
    assert values(table) == {"a": ["v1", "v2"], "b": ["1,5", "2,5"], "c": [0.5, 1.0]}
    assert table.notes[-1] == (
        "column 'b' is text: it looks like numbers with the decimal sign ','"
    )


def test_a_decimal_sign_that_no_number_has(read: Read) -> None:
    for content in ("a,b\n1.5,x\n2,y\n", "a;b\n1.5 €;x\n2 €;y\n"):
        refused(
            read,
            content,
            "column 'a': '1.5",
            "is no number with decimal=',', and no column has one. Give decimal='.' (--decimal .)",
            decimal=",",
        )
    refused(read, "a;b\n1,5;x\n2;y\n", "Give decimal=',' (--decimal ,)", decimal=".")
    assert values(read("a;b\n1;x\n2;y\n", decimal=","))["a"] == [1, 2]


@pytest.mark.parametrize("delimiter", ["", ",,", "a", "1", '"', "\n", "§", 3])
def test_delimiter_that_cannot_be(read: Read, delimiter: Any) -> None:
    with pytest.raises(ArgumentError, match="delimiter must be one ASCII character"):
        read("a,b\n1,2\n", delimiter=delimiter)


def test_other_options_that_cannot_be(read: Read) -> None:
    with pytest.raises(ArgumentError, match=r"decimal must be '\.' or ','; received 'x'"):
        read("a,b\n1,2\n", decimal="x")
    with pytest.raises(ArgumentError, match=r"'latin-l' is not known. Did you mean 'latin-1'"):
        read("a,b\n1,2\n", encoding="latin-l")
    with pytest.raises(ArgumentError, match="'base64' is not known"):
        read("a,b\n1,2\n", encoding="base64")
    with pytest.raises(ArgumentTypeError, match="encoding must be a name"):
        read("a,b\n1,2\n", encoding=8)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_the_line_that_says_the_delimiter(read: Read, end: str) -> None:
    content = end.join(["sep=;", "a;b", "1,5;2", "3;4", ""])
    for start in ("", "\ufeff"):
        table = read(start + content)
        assert values(table) == {"a": [1.5, 3.0], "b": [2, 4]}
        assert "the first line 'sep=;' obeyed" in table.notes
        assert table.row_line(0) == 3
        assert not any("blank" in note for note in table.notes)
    assert "the first line 'sep=;' skipped" in read(content, delimiter=";").notes
    assert values(read("SEP=^\na^b\n1^2\n")) == {"a": [1], "b": [2]}
    assert values(read("sep=\t\na\tb\n1\t2\n")) == {"a": [1], "b": [2]}
    assert read("sep=;,b\n1,2\n").columns == ["sep=;", "b"]


def test_latin_1_that_is_another_encoding(read: Read) -> None:
    note = "text such as 'íàçâà' looks like cp1251 rather than latin-1"
    assert note in read("назва;x\nкава;1\n".encode("cp1251"), encoding="latin-1").notes
    notes = read("a,x\n“b”,1\n".encode("cp1252"), encoding="latin-1").notes
    assert notes == ["text such as '\\x93b' looks like cp1252 rather than latin-1"]
    assert read("nom,x\ncafé,1\nœuf,2\n".encode("cp1252"), encoding="cp1252").notes == []
    refused(read, b"a,b\n1,\x81\n", "cp1251 for Cyrillic", encoding="cp1252")


def test_one_column(read: Read) -> None:
    refused(read, "a^b^y\n1^2^3\n", "one column named 'a^b^y': which delimiter?", "--delimiter")
    refused(read, "a b y\n1 2 3\n", "one column named 'a b y': which delimiter?")
    refused(
        read,
        "a;b;y\n1;2;3\n",
        "one column named 'a;b;y' with delimiter ','",
        "delimiter=';'",
        delimiter=",",
    )
    assert values(read("x\n1\n2\n")) == {"x": [1, 2]}
    assert values(read('"my x"\n1\n""\n')) == {"my x": [1, None]}
    assert values(read("my x\n1\n2\n", delimiter=",")) == {"my x": [1, 2]}


# Files that are no table --------------------------------------------------------------------


def test_nothing_to_read(read: Read) -> None:
    refused(read, "", "is empty (0 bytes)")
    refused(read, "\n \n\r\n", "holds only blank lines")
    refused(read, "a,b\n", "a header but no rows")
    refused(read, "a,b", "a header but no rows")
    refused(read, "\ufeff", "is empty")


def test_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "people.csv").write_text("a,b\n1,2\n")
    with pytest.raises(FileError, match=r"peple.csv' does not exist. Did you mean 'people.csv'"):
        read_table(tmp_path / "peple.csv")
    with pytest.raises(FileError, match=r"qqqqqq.csv' does not exist. Check the path"):
        read_table(tmp_path / "qqqqqq.csv")
    with pytest.raises(FileError, match=r"Did you mean 'people.csv'"):
        read_table(tmp_path / "people.parquet")
    with pytest.raises(FileError, match=r"Its folder '.*nowhere' does not exist either"):
        read_table(tmp_path / "nowhere" / "people.csv")
    with pytest.raises(FileError, match="is a folder, not a table"):
        read_table(tmp_path)
    with pytest.raises(FileError, match="not a regular file but a device or pipe"):
        read_table("/dev/null")
    with pytest.raises(FileError, match="cannot be read: embedded null byte"):
        read_table("a\0b")
    with pytest.raises(FileError, match="cannot be read: File name too long"):
        read_table("a" * 5000)
    with pytest.raises(ArgumentTypeError, match="path of a table must be text"):
        read_table(b"people.csv")


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (PermissionError(errno.EACCES, "Permission denied"), "may not be read: permission denied"),
        (OSError(errno.EIO, "Input/output error"), "cannot be read: Input/output error"),
    ],
)
def test_open_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: OSError, message: str
) -> None:
    path = tmp_path / "people.csv"
    path.write_text("a,b\n1,2\n")

    def fail(*_: Any, **__: Any) -> None:
        raise fault

    monkeypatch.setattr(Path, "open", fail)
    with pytest.raises(FileError, match=message):
        read_table(path)


def test_read_fails_midway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "people.csv"
    path.write_text("a,b\n1,2\n")

    def fail(*_: Any) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("limpide.tables.text_file.utf8_chunks", fail)
    with pytest.raises(FileError, match="cannot be read: Input/output error"):
        read_table(path)


@pytest.mark.parametrize(
    ("head", "what"),
    [
        (b"PK\x03\x04....", "a ZIP archive or an Excel workbook"),
        (b"\x1f\x8b\x08....", "compressed with gzip"),
        (b"SQLite format 3\x00", "an SQLite database"),
        (b"%PDF-1.4", "a PDF document"),
        (b"\x93NUMPY....", "a NumPy array"),
        (b"  <!DOCTYPE html><p>", "a web page"),
        (b'{"a": 1}\n{"a": 2}\n', "JSON"),
        (b' [\n {"a": 1}]', "JSON"),
        (b"[[1, 2], [3, 4]]", "JSON"),
        (b"\x80\x05\x95\x00", "a Python pickle"),
        (b"\x80\x04\x95\x00", "a Python pickle"),
        (b"\x80\x02cpandas", "a Python pickle"),
    ],
)
def test_files_of_other_kinds(read: Read, head: bytes, what: str) -> None:
    refused(read, head, f"is {what}")


# Bytes ---------------------------------------------------------------------------------------


def test_bytes_that_are_not_utf8(read: Read) -> None:
    latin = "a,b\n1,x\n2,café\n".encode("latin-1")
    refused(read, latin, "line 3: 0xE9 at byte offset 13 is not UTF-8", "--encoding latin-1")
    refused(read, b"a,b\n1,\xe2\x82", "line 2: 0xE2 at byte offset 6 is not UTF-8")
    refused(
        read, b"a,b\n1,\x81\n", "line 2: 0x81 at byte offset 6 is not cp1252", encoding="cp1252"
    )


def test_byte_offset_far_into_a_file(read: Read) -> None:
    start = "é,b\n".encode() + b"1,2\n" * 700_000
    refused(
        read, start + b"1,\xff\n", f"line 700002: 0xFF at byte offset {len(start) + 2} is not UTF-8"
    )


def test_utf16(read: Read) -> None:
    text = "a,b\n1,2\n3,4\n"
    for encoding, mark in (("utf-16-le", b"\xff\xfe"), ("utf-16-be", b"\xfe\xff")):
        shown = mark.hex(" ").upper()
        refused(
            read,
            mark + text.encode(encoding),
            f"begins with the bytes {shown} (line 1, byte offset 0)",
            "--encoding utf-16",
        )
        refused(read, text.encode(encoding), "every second byte is NUL", f"--encoding {encoding}")
        given = read(mark + text.encode(encoding), encoding=encoding)
        assert values(given) == {"a": [1, 3], "b": [2, 4]}
    refused(read, text.encode("utf-16"), "mark of UTF-16, but encoding='cp1252'", encoding="cp1252")


def test_nul(read: Read) -> None:
    refused(read, b"a,b\n1,2\n3,\x004\n", "line 3: a NUL byte")


# Structure -----------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_short_and_long_rows(read: Read, end: str) -> None:
    short = end.join(["a,b,c", "1,2,3", "", "4,5", "6,7,8", ""])
    refused(read, short, "line 4: expected 3 fields like the header, found 2. Add the missing")
    long = end.join(["a,b,c", "1,2,3", '4,"5', '5",6,7', "6,7,8", ""])
    refused(
        read,
        long,
        "lines 3 to 4 (a quoted cell runs over them): expected 3 fields like the header, found 4",
        "Quote cells that contain ','",
    )
    refused(read, end.join(["a,b", "1,2", "3", ""]), "line 3: expected 2 fields", "found 1")
    refused(read, end.join(["a", "1", "2,3", ""]), "expected 1 field like", delimiter=",")
    refused(read, end.join(["a;b", "1;2", "3;4;", ""]), "line 3: expected 2 fields", "found 3")


def test_short_row_late_in_a_long_file(read: Read) -> None:
    content = "a,b\n" + "12345,67890\n" * 500_000 + "1\n" + "1,2\n" * 10
    refused(read, content, "line 500002: expected 2 fields like the header, found 1")


def test_unclosed_quote(read: Read) -> None:
    refused(
        read, 'a,b\n1,x\n2,"y\n3,z\n', "line 3, column 2 'b': the quote that opens here is never"
    )
    refused(
        read,
        'a,b\n1,x\n2,"y\n3,"z"\n',
        "line 3, column 2 'b': the quote that opens here is followed, after it closes, by the "
        "text 'z\"' in line 4",
    )
    refused(read, 'a,b\n1,5" x\n2,"y\n3,z\n', "line 3, column 2 'b'", "is never closed")
    refused(read, 'a,"b\n1,x\n', "line 1, column 2: the quote that opens here, in the header")
    refused(read, 'a,b\n"1"' + " " * 30 + "x,2\n", "by the text 'x,2' in line 2")
    refused(read, 'a,b\n"1"x,2\n', "line 2, column 1 'a'", "by the text 'x,2' in line 2")


def test_unclosed_quote_early_in_a_huge_file(read: Read) -> None:
    content = b'a,b\n1,"2\n' + b"1,2\n" * 3_000_000
    refused(read, content, "line 2, column 2 'b': the quote that opens here is not closed within 1")


def test_quotes_inside_cells_are_text(read: Read) -> None:
    table = read('a,b,c\n1,5" pipe,x\n2, 6" pipe ,"y, ""z"""\n3,"4\n5",""\n4,7",v\n')
    assert values(table) == {
        "a": [1, 2, 3, 4],
        "b": ['5" pipe', '6" pipe', "4\n5", '7"'],
        "c": ["x", 'y, "z"', None, "v"],
    }
    assert [table.row_line(row) for row in range(4)] == [2, 3, 4, 6]


@pytest.mark.parametrize(
    ("cell", "what"),
    [
        (b"x" * (2 << 20), "a cell is longer than 1 MiB"),
        (b'5"' * (1 << 20), "a cell is longer than 1 MiB"),
        (b'"' + b"x" * (1 << 20) + b'"', "a cell is longer than 1 MiB"),
        (b'"' + b"x" * (3 << 20) + b'"', "the quote that opens here is not closed within 1 MiB"),
    ],
)
def test_cell_over_one_mebibyte(read: Read, cell: bytes, what: str) -> None:
    refused(read, b"a,b\n1,2\n3," + cell + b"\n4,5\n", f"line 3, column 2 'b': {what}")
    fits = b"x" * (1 << 20)
    assert values(read(b"a,b\n1,2\n3," + fits + b"\n", text=["b"]))["b"] == ["2", fits.decode()]


def test_endless_lines(read: Read) -> None:
    refused(read, b"a,b\n" + b"1," * (9 << 20), "line 2: a row is longer than 16 MiB")
    refused(read, b"a" * (3 << 20), "line 1, column 1: a cell is longer than 1 MiB")
    refused(read, b"a," * (1 << 20), "the header has more than 1,000,000 fields")


def test_lines_of_rows(read: Read) -> None:
    table = read('a,b\n\n1,"x\ny"\n2,z\n\n\n3,"\n\n"\n4,w')
    assert [table.row_line(row) for row in range(4)] == [3, 5, 8, 11]
    with pytest.raises(ArgumentError, match="row must be from 0 to 3"):
        table.row_line(4)


# The header ----------------------------------------------------------------------------------


def test_headers_that_cannot_be(read: Read) -> None:
    refused(read, "a,b,a\n1,2,3\n", "line 1: column name 'a' stands twice", "fields 1 and 3")
    refused(read, "a, a\n1,2\n", "column name 'a' stands twice", "Rename one of them")
    refused(read, "a,,c\n1,2,3\n", "field 2 of the header is empty. Give that column a name")
    refused(read, "a,b,\n1,2,\n", "field 3 of the header is empty")
    refused(read, "1,2,3\n4,5,6\n", "line 1: the first row looks like data", "Add a header line")
    refused(read, "1;2,5\n4;5,5\n", "the first row looks like data")
    refused(read, "5.1,3.5,1.4,0.2,setosa\n4.9,3.0,1.4,0.2,setosa\n", "looks like data")
    assert read("country,2019,2020\nF,1,2\n").columns == ["country", "2019", "2020"]


def test_index_column(read: Read) -> None:
    table = read(",a,b\n7,1,x\n3,2,y\n")
    assert values(table) == {"a": [1, 2], "b": ["x", "y"]}
    assert table.notes == ["unnamed first column of running numbers (an index) dropped"]
    assert read("\ta\tb\n0\t1\t2\n").columns == ["a", "b"]
    refused(read, ",a,b\nx,1,2\ny,3,4\n", "line 1: field 1 of the header is empty")
    refused(read, ",a,b\n1,1,2\n1,3,4\n", "line 1: field 1 of the header is empty")


def test_header_names_are_kept_as_they_are(read: Read) -> None:
    names = ["^x$", "*", "prix €", 'a"b', "c,d", "0", "^.*$"]
    quoted = ",".join('"' + name.replace('"', '""') + '"' for name in names)
    table = read(quoted + "\n1,2.5,x,4,NA,6,7\n8,9,y,NA,12,13,14\n")
    assert table.columns == names
    assert table.frame.row(0) == (1, 2.5, "x", 4, None, 6, 7)
    assert table.frame.row(1) == (8, 9.0, "y", None, 12, 13, 14)


def test_a_line_that_begins_with_a_hash_is_a_row(read: Read) -> None:
    assert values(read("a,b\n#x,1\ny,2\n")) == {"a": ["#x", "y"], "b": [1, 2]}


# What a column becomes -----------------------------------------------------------------------


def column(read: Read, cells: list[str], **options: Any) -> pl.Series:
    return read("x,i\n" + "".join(f"{cell},w\n" for cell in cells), **options).frame["x"]


@pytest.mark.parametrize(
    ("cells", "dtype", "expected"),
    [
        (["1", "-127", "+3"], pl.Int8, [1, -127, 3]),
        (["1", "-128"], pl.Int16, [1, -128]),
        (["1", "32767", ""], pl.Int16, [1, 32767, None]),
        (["1", "40000"], pl.Int32, [1, 40000]),
        (["NA", "9223372036854775807"], pl.Int64, [None, 2**63 - 1]),
        (["1", "2.0"], pl.Float64, [1.0, 2.0]),
        (["1e3", ".5", "5.", "-1E-2"], pl.Float64, [1000.0, 0.5, 5.0, -0.01]),
        (["1e-400", "0.30000000000000004"], pl.Float64, [0.0, 0.30000000000000004]),
        ([" 1 ", "\t2"], pl.Int8, [1, 2]),
        ([" 1.5 ", "2"], pl.Float64, [1.5, 2.0]),
        (['"1"', '" 2"'], pl.Int8, [1, 2]),
        (["true", "false"], pl.String, ["true", "false"]),
        (["a", "1", "2", "b"], pl.String, ["a", "1", "2", "b"]),
        (["0x10", "1_000"], pl.String, ["0x10", "1_000"]),
        (["12%", "3%", "-"], pl.Int8, [12, 3, None]),
        (["12 %", "3$", "4"], pl.String, ["12 %", "3$", "4"]),
        (["105 €", "7 €"], pl.Int8, [105, 7]),
        (["$12.50", "-$3", "$0"], pl.Float64, [12.5, -3.0, 0.0]),
        (["1 234", "5"], pl.Int16, [1234, 5]),
        (["1\u00a0234 567", "5.5"], pl.Float64, [1234567.0, 5.5]),
        (["1 23", "5"], pl.String, ["1 23", "5"]),
        (["007 €", "008 €"], pl.String, ["007 €", "008 €"]),
        (["12A", "13A"], pl.String, ["12A", "13A"]),
        (["20 грн.", "5 грн."], pl.Int8, [20, 5]),
        (["-", "-"], pl.String, ["-", "-"]),
        (["1", "–", "#DIV/0!", "н/д", "#n/a", "2"], pl.Int8, [1, None, None, None, None, 2]),
        (["a", "-", "b", "."], pl.String, ["a", "-", "b", "."]),
        ([" red", "red "], pl.String, ["red", "red"]),
        (["NA", "", "?"], pl.Float64, [None, None, None]),
        (["2020-01-31", "NA"], pl.Date, [datetime.date(2020, 1, 31), None]),
        (
            ["2020-01-31T10:20", "1999-12-31T00:00"],
            pl.Datetime("us"),
            [datetime.datetime(2020, 1, 31, 10, 20), datetime.datetime(1999, 12, 31)],
        ),
        (
            ["2020-01-31 10:20:30", "2020-01-31 10:20:30.25"],
            pl.Datetime("us"),
            [
                datetime.datetime(2020, 1, 31, 10, 20, 30),
                datetime.datetime(2020, 1, 31, 10, 20, 30, 250_000),
            ],
        ),
    ],
)
def test_column_types(
    read: Read, cells: list[str], dtype: pl.DataType, expected: list[Any]
) -> None:
    found = column(read, cells)
    assert found.dtype == dtype
    assert found.to_list() == expected


def test_times_with_zones_become_utc(read: Read) -> None:
    found = column(read, ["2020-01-01T10:00:00Z", "2020-01-01T10:00:00+02:00"])
    assert found.dtype == pl.Datetime("us", "UTC")
    assert [moment.hour for moment in found] == [10, 8]


def test_missing_cells_are_counted(read: Read) -> None:
    table = read("a,b,c\nNA,,x\n1,null,?\nNaN,2,N/A\n4, ,None\n5,6,y\n")
    assert values(table) == {
        "a": [None, 1, None, 4, 5],
        "b": [None, None, 2, None, 6],
        "c": ["x", None, None, None, "y"],
    }
    assert table.frame.dtypes == [pl.Int8, pl.Int8, pl.String]
    assert table.notes == [
        "empty (2), ? (1), N/A (1), NA (1), NaN (1), None (1) and null (1) read as missing: "
        "8 cells in 3 columns"
    ]
    assert read("a,b\n,1\n,2\n").notes == [
        "empty (2) read as missing: 2 cells in 1 column",
        "column 'a': every cell is missing",
    ]


def test_leading_zeros_make_text(read: Read) -> None:
    note = "column 'zip' is kept as text: leading zeros in 1 cell, such as '007'"
    for content in ("zip,b\n007,1\n123,2\n", "zip,b\n" + "1,1\n" * 5000 + "007,2\n"):
        table = read(content)
        assert table.frame["zip"].dtype == pl.String
        assert "007" in table.frame["zip"]
        assert table.notes == [note]
    assert column(read, ["0.5", "00.5", "0"]).to_list() == [0.5, 0.5, 0.0]
    assert column(read, ["0", "10"]).to_list() == [0, 10]


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("a,b\n1,2\ninf,3\n", ["row 2 (line 3): 'inf' is not a finite number"]),
        ("a,b\n1,2\n-Infinity,3\n", ["'-Infinity' is not a finite number"]),
        ("a,b\n1e400,2\n1,3\n", ["row 1 (line 2): '1e400' is too large for a 64-bit"]),
        ("a;b\n1,5e400;2\n1,5;3\n", ["'1,5e400' is too large"]),
        ("a;b\n1,234.5;2\n2;3\n", ["'1,234.5' is written with thousands separators"]),
        ('a,b\n"1,234",2\n"2,000",3\n', ["'1,234' is written with thousands separators"]),
        ("a;b\n1.234,5;2\n2;3\n", ["'1.234,5' is written with thousands separators"]),
        ('a,b\n"1,234 €",2\n"2 €",3\n', ["'1,234 €' is written with thousands"]),
        ("a,b\n" + "1,2\n" * 99 + "5 €,2\n", ["row 100 (line 101): '5 €' is not written with"]),
        ("a,b\n" + "1 €,2\n" * 99 + "5,2\n", ["'5' is not written with the unit"]),
        ("a,b\n" + "1 €,2\n" * 99 + "x,2\n", ["'x' is not a number; the other 99 cells"]),
        ("a\tb\n1,234\t2\n2\t3\n", ["'1,234' is written with thousands separators"]),
    ],
)
def test_numbers_that_are_refused(read: Read, content: str, parts: list[str]) -> None:
    refused(read, content, "column 'a'", *parts)


def test_numbers_of_spreadsheets(read: Read) -> None:
    table = read("prix;taux;y\n1\u202f234,50 €;3,5 %;1\n12,50 €;12%;0\n—;4%;н/д\n")
    assert values(table) == {
        "prix": [1234.5, 12.5, None],
        "taux": [3.5, 12.0, 4.0],
        "y": [1, 0, None],
    }
    assert table.notes == [
        "delimiter ';' and decimal comma recognised",
        "н/д (1) and — (1) read as missing: 2 cells in 2 columns",
        "column 'prix': read as numbers, the sign '€' left off and spaces between thousands "
        "left off",
        "column 'taux': read as numbers, the sign '%' left off, and 12% is 12",
    ]


def test_spaces_between_thousands_that_come_late(read: Read) -> None:
    for n in (900, 600_000):
        table = read("a,b\n" + "1,2\n" * n + "1 234,2\n-,2\n")
        assert table.frame["a"].to_list()[-3:] == [1, 1234, None]
        assert table.notes[-1] == "column 'a': read as numbers, spaces between thousands left off"


def test_text_that_is_mostly_numbers_is_said(read: Read) -> None:
    content = "x,y\n" + "7,a\n" * 107 + "abc,b\n" * 13
    assert read(content).notes == [
        "column 'x' is text: 107 of 120 cells are numbers, 13 are not, the first 'abc' in row 108 "
        "(line 109)"
    ]
    content = "x,y\n" + "7 €,a\n8 $,a\n9,b\n" * 10
    assert read(content).notes == [
        "column 'x' is text: it looks like numbers with several units, none (10), $ (10) and € (10)"
    ]


def test_a_comma_that_could_be_either_sign(read: Read) -> None:
    assert values(read("a;b\n1,234;2\n2;3\n"))["a"] == [1.234, 2.0]


def test_two_decimal_signs(read: Read) -> None:
    refused(
        read,
        "a;b\n1,5;2.5\n2;3\n",
        "column 'a' has '1,5' but column 'b' has '2.5': which is the decimal sign?",
        "--decimal",
    )
    late = "a;b\n" + "1;2\n" * 600_000 + "1,5;2\n"
    refused(
        read, late, "column 'a', row 600001 (line 600002): '1,5' is a number with another decimal"
    )


def test_a_type_that_changes_late(read: Read) -> None:
    for after in (1, 10, 20_000):
        content = "a,b\n" + "1,2\n" * 20_000 + "x,2\n" * after
        refused(read, content, "column 'a', row 20001 (line 20002): 'x' is not a number")
    content = "a,b\n" + "1,2\n" * 600_000 + "word,2\n" * 9 + "1,2\n" * 9
    refused(read, content, "row 600001 (line 600002): 'word' is not a number; 600009 of 600018")
    dates = "d,b\n" + "2020-01-31,2\n" * 20_000 + "soon,2\n"
    refused(read, dates, "column 'd', row 20001 (line 20002): 'soon' is not a date")


def test_a_few_faulty_cells_early(read: Read) -> None:
    refused(
        read,
        "a,b\n" + "1,2\n" * 9 + "x,2\n",
        "row 10 (line 11): 'x' is not a number; the other 9 cells are. Correct it",
        "text=[name]",
    )
    refused(read, "a,b\nx,2\ny,2\n" + "1,2\n" * 98, "row 1 (line 2): 'x'", "98 of 100 cells are")
    long = "x" * 1000
    refused(read, f"a,b\n{long},2\n" + "1,2\n" * 98, f"'{'x' * 57}...' is not a number")


def test_mixed_columns_are_text(read: Read) -> None:
    cells = ["A 5", "17463", "PC 17", "113803"] * 9
    assert column(read, cells).to_list() == cells
    # the first block holds text only in its later rows, within the first thousand
    cells = ["1"] * 500 + ["x"] * 400_000
    assert column(read, cells).to_list() == cells


def test_text_as_asked(read: Read) -> None:
    table = read("a,b\n1,2\n007,NA\nx,3\n", text=["a", "b", "elsewhere"])
    assert values(table) == {"a": ["1", "007", "x"], "b": ["2", None, "3"]}


def test_text_that_spans_many_blocks_after_missing_ones(read: Read) -> None:
    cells = ["NA"] * 900_000 + ["x", "y"]
    found = column(read, cells)
    assert found.dtype == pl.String
    assert found.drop_nulls().to_list() == ["x", "y"]


def test_whole_numbers_beyond_64_bits(read: Read) -> None:
    table = read("a,b\n12345678901234567890,1\n1,2\n")
    assert values(table)["a"] == [12345678901234567890.0, 1.0]
    assert table.notes == [
        "column 'a': whole numbers beyond 64 bits are rounded to floating-point numbers"
    ]
    assert column(read, ["-9223372036854775808", "1"]).to_list() == [-(2.0**63), 1.0]


def test_whole_numbers_that_rounding_makes_equal(read: Read) -> None:
    table = read("a,b\n" + "".join(f"{10**20 + i},1\n" for i in range(9)))
    assert table.notes[0].endswith(
        "are rounded to floating-point numbers, which makes them all equal: subtract their least "
        "value, or put a letter before them if they are names"
    )


def test_dates_in_other_forms_are_said(read: Read) -> None:
    table = read("d,b\n03/04/2020,1\n05/06/2020,2\n")
    assert table.frame["d"].dtype == pl.String
    assert table.notes == [
        "column 'd' looks like dates ('03/04/2020') but is read as text: write dates as YYYY-MM-DD"
    ]
    assert read("d,b\n2020-01-02,1\n").notes == ["column 'd' read as dates (YYYY-MM-DD)"]


@pytest.mark.parametrize(
    ("cells", "pattern", "expected"),
    [
        (["31/12/2020", "1/2/2021", "NA"], "DD/MM/YYYY", [(2020, 12, 31), (2021, 2, 1), None]),
        (["03-04-2020", "31-01-2020"], "DD-MM-YYYY", [(2020, 4, 3), (2020, 1, 31)]),
        (["03.04.2020", "05.04.2020"], "DD.MM.YYYY", [(2020, 4, 3), (2020, 4, 5)]),
        (
            ["03.04.2020 9:05", "05.04.2020 12:30"],
            "DD.MM.YYYY HH:MM",
            [(2020, 4, 3, 9, 5), (2020, 4, 5, 12, 30)],
        ),
        (
            ["03/04/2020 12:30:01", "15/04/2020 00:00:00"],
            "DD/MM/YYYY HH:MM:SS",
            [(2020, 4, 3, 12, 30, 1), (2020, 4, 15)],
        ),
    ],
)
def test_dates_with_the_day_first(
    read: Read, cells: list[str], pattern: str, expected: list[Any]
) -> None:
    table = read("d,i\n" + "".join(f"{cell},w\n" for cell in cells))
    kind = datetime.datetime if " " in pattern else datetime.date
    assert table.frame["d"].to_list() == [None if e is None else kind(*e) for e in expected]
    assert table.notes[-1] == f"column 'd' read as dates ({pattern}, the day first)"


@pytest.mark.parametrize(
    "cells",
    [
        ["03/04/2020", "04/31/2020"],
        ["03/04/2020 12:30", "04/05/2020 13:00"],
        ["31/12/2020", "12/31/2020"],
        ["31.12.20", "30.12.20"],
    ],
)
def test_dates_that_could_be_mistaken_are_said(read: Read, cells: list[str]) -> None:
    table = read("d,i\n" + "".join(f"{cell},w\n" for cell in cells))
    assert table.frame["d"].to_list() == cells
    assert table.notes == [
        f"column 'd' looks like dates ({cells[0]!r}) but is read as text: write dates as YYYY-MM-DD"
    ]


def test_times_of_day(read: Read) -> None:
    table = read("t,u\n08:30,12:30:15\n9:05,0:00:00.5\n,1:00:00\n")
    assert values(table) == {
        "t": [datetime.time(8, 30), datetime.time(9, 5), None],
        "u": [datetime.time(12, 30, 15), datetime.time(0, 0, 0, 500_000), datetime.time(1)],
    }
    assert table.notes[1:] == [
        "column 't' read as times (HH:MM)",
        "column 'u' read as times (HH:MM:SS)",
    ]
    assert column(read, ["12:30", "25:10"]).to_list() == ["12:30", "25:10"]


def test_a_very_wide_table(read: Read) -> None:
    n = 3000
    rows = [[row * n + column for column in range(n)] for row in range(300)]
    header = ",".join(f"c{column}" for column in range(n))
    body = "\n".join(",".join(map(str, row)) for row in rows)
    table = read(f"{header}\n{body}\n")
    assert table.frame.rows() == [tuple(row) for row in rows]
    assert table.row_line(299) == 301


# Small things --------------------------------------------------------------------------------


def test_missing_column_names_the_nearest() -> None:
    error = missing_column("spma", ["make", "spam"], "Target column")
    assert isinstance(error, DataError)
    assert str(error) == (
        "Target column 'spma' is not in the table. Did you mean 'spam'? "
        "Its 2 columns: 'make', 'spam'."
    )
    many = str(missing_column("q", [f"column{i}" for i in range(58)]))
    assert "Its 58 columns: 'column0'" in many
    assert many.endswith("'column19', … and 38 more.")


def test_files_are_only_read(read: Read, tmp_path: Path) -> None:
    content = b"a,b\n1,x\n2,\xff\n"
    with pytest.raises(DataError):
        read(content)
    assert (tmp_path / "table.csv").read_bytes() == content
    assert [path.name for path in tmp_path.iterdir()] == ["table.csv"]
