"""Messages on disk: which files are read, in which order, and what is refused by name."""

from __future__ import annotations

import doctest
import os
from pathlib import Path

import numpy as np
import pytest

from limpide import errors
from limpide.spam import (
    features,
    folder,
    message_features,
    message_files,
    read_folder,
    read_message,
)

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "messages"


def test_docstring_examples(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = doctest.testmod(folder)
    assert (result.failed, result.attempted > 0) == (0, True)


@pytest.fixture
def box(tmp_path):
    """Two small classes, with files of every kind that is read and some that are not."""
    for name in ("ham", "spam", "spam/more", "spam/.hidden"):
        (tmp_path / name).mkdir()
    for name, text in {
        "ham/b.eml": "Subject: b\n\nhello", "ham/a.txt": "just a text", "ham/.notes": "not read",
        "spam/1": "no suffix", "spam/0002.0a1b2c3d4e5f60718293a4b5c6d7e8f9": "by hash",
        "spam/3.": "FREE", "spam/12.1": "numbered", "spam/9.host:2,S": "flags",
        "spam/more/X.EML": "Subject: X\n\nFREE", "spam/.hidden/y.eml": "not read",
        "README.md": "not in a class",
    }.items():  # fmt: skip
        (tmp_path / name).write_text(text)
    return tmp_path


def test_a_folder_becomes_a_table(box):
    names, matrix, labels = read_folder(box)
    assert names == (
        "ham/a.txt", "ham/b.eml", "spam/0002.0a1b2c3d4e5f60718293a4b5c6d7e8f9", "spam/1",
        "spam/12.1", "spam/3.", "spam/9.host:2,S", "spam/more/X.EML",
    )  # fmt: skip
    assert labels == ("ham",) * 2 + ("spam",) * 6
    assert (matrix.shape, matrix.dtype) == ((8, 57), np.float64)
    for name, row in zip(names, matrix, strict=True):
        assert row.tolist() == message_features((box / name).read_bytes()).tolist()
        assert row.tolist() == features(read_message(str(box / name))).tolist()
    again = read_folder(str(box))
    assert again.names == names
    assert np.array_equal(again.matrix, matrix)


def test_other_files_are_passed_over_with_a_warning(box):
    (box / "spam" / "picture.png").write_bytes(b"\x89PNG")
    (box / "ham" / "list.mp3").write_bytes(b"ID3")
    with pytest.warns(errors.LimpideWarning, match=r"2 files are no messages.*'ham/list\.mp3'"):
        found = read_folder(box)
    assert len(found.names) == 8
    (box / "ham" / "list.mp3").unlink()
    with pytest.warns(errors.LimpideWarning, match=r"1 file is no message by its name.*picture"):
        read_folder(box)
    with pytest.warns(errors.LimpideWarning, match="1 file is no message by its name"):
        assert message_files(box / "spam") == [box / n for n in found.names if n[:4] == "spam"]
    nothing = box / "nothing"
    nothing.mkdir()
    with pytest.raises(errors.DataError, match="nothing' holds no message"):
        message_files(nothing)


def test_a_folder_that_cannot_be_read_says_why(box, tmp_path):
    with pytest.raises(errors.FileError, match=r"no folder at '.*nowhere'\. Check the name"):
        read_folder(box / "nowhere")
    with pytest.raises(errors.FileError, match=r"README\.md' is no folder.*use read_message"):
        read_folder(box / "README.md")
    with pytest.raises(errors.ArgumentTypeError, match="folder must be a path; received int"):
        read_folder(3)
    empty = box / "ham" / "empty"
    empty.mkdir()
    with pytest.raises(errors.DataError, match="no sub-folder 'ham' and no 'spam'; found none"):
        read_folder(empty)
    (empty / "spam").mkdir()
    with pytest.raises(errors.DataError, match="has no sub-folder 'ham'; found 'spam'"):
        read_folder(empty)
    (empty / "ham").mkdir()
    with pytest.raises(errors.DataError, match=r"empty/ham' holds no message: expected \.eml or"):
        read_folder(empty)
    (empty / "Spam").mkdir()
    with pytest.raises(
        errors.DataError, match=r"sub-folder 'Spam'; expected only 'ham' and 'spam'.*mean 'spam'"
    ):
        read_folder(empty)


def test_what_is_missing_is_said_before_what_is_wrong(tmp_path):
    for i in range(7):
        (tmp_path / f"folder{i}").mkdir()
    with pytest.raises(
        errors.DataError,
        match=r"no sub-folder 'ham' and no 'spam'; found 'folder0',.* 'folder4', \.\.\.\. Put each",
    ):
        read_folder(tmp_path)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_mailbox_of_several_messages_is_refused(box, end):
    one = "From a@b.example Tue Feb  4 07:00:00 2025\nSubject: x\n\nFrom me to you: hello\n\n"
    two = "From a line at 9:30 in 2025\n\nwhich is no envelope\n\n"
    path = box / "ham" / "mbox"
    path.write_bytes((one + two).replace("\n", end).encode())
    assert read_message(path).startswith("x\nFrom me to you: hello\n\nFrom a line at 9:30 in 2025")
    path.write_bytes((one * 2 + two + one).replace("\n", end).encode())
    for read in (read_message, lambda path: read_folder(path.parent.parent)):
        with pytest.raises(errors.DataError, match=r"mbox' is a mailbox of 3 messages; expected"):
            read(path)
    path.write_bytes(b"From " + b"1:11" * (1 << 20))  # no time is lost on it
    assert len(read_message(path)) == (1 << 22) + 5


def test_a_message_that_cannot_be_read_says_why(box):
    with pytest.raises(errors.FileError, match=r"no message at '.*gone\.eml'\. Check"):
        read_message(box / "gone.eml")
    with pytest.raises(errors.FileError, match=r"is a folder, not a message.*use read_folder"):
        read_message(box)
    with pytest.raises(errors.FileError, match=r"cannot read the message .*embedded null"):
        read_message("a\0b")
    with pytest.raises(errors.ArgumentTypeError, match="path must be a path; received bytes"):
        read_message(b"Subject: x")
    (box / "spam" / "loop").symlink_to("loop")
    with pytest.raises(errors.FileError, match=r"cannot read the message '.*loop': "):
        read_message(box / "spam" / "loop")
    with pytest.raises(errors.FileError, match=r"cannot read the message '.*loop': "):
        read_folder(box)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_what_would_never_end_is_refused(box):
    os.mkfifo(box / "ham" / "pipe")
    with pytest.raises(errors.FileError, match=r"pipe' is no regular file"):
        read_folder(box)


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read every file"
)
def test_no_permission_names_the_file(box):
    (box / "ham" / "a.txt").chmod(0)
    with pytest.raises(errors.FileError, match=r"a\.txt': Permission denied"):
        read_folder(box)


def test_a_file_too_large_for_one_message_is_refused(box, monkeypatch):
    monkeypatch.setattr(folder, "_LARGEST", 1 << 20)
    (box / "ham" / "b.eml").write_bytes(b"x" * (1 << 20))
    assert len(read_message(box / "ham" / "b.eml")) == 1 << 20
    (box / "ham" / "b.eml").write_bytes(b"x" * ((1 << 20) + 1))
    with pytest.raises(errors.FileError, match=r"b\.eml' is larger than 1 MiB"):
        read_folder(box)


def test_an_error_of_the_disk_names_the_file(box, monkeypatch):
    def fail(self, *args, **options):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Path, "open", fail)
    with pytest.raises(errors.FileError, match=r"a\.txt': Input/output error"):
        read_folder(box)


# --- the messages that ship with the repository ------------------------------------------------


def test_the_examples_show_every_form():
    names, matrix, labels = read_folder(EXAMPLES)
    assert labels.count("spam") == labels.count("ham") == 12
    assert len(np.unique(matrix, axis=0)) == 24
    everything = "\n".join(read_message(EXAMPLES / name) for name in names)
    for hidden in ("<", "content-transfer", "base64", "=20", "never read", "2025-03-04", "\ufffd"):
        assert hidden not in everything.lower()
    shown = [
        "Réunion de rentrée", "André Lefèvre", "Книга чекає на вас", "Félicitations",
        "💰 FREE MONEY for you!!!", "The café by the river", "große Zelt", "FREE report",
        "Saturn tonight", "sunflowers as well", "bar 12 –", "all addresses on one CD",
    ]  # fmt: skip
    assert [words for words in shown if words not in everything] == []


def test_a_model_of_1999_judges_the_examples(spambase_path):
    """Logistic regression on Spambase alone; at most two of 24 wrong (modern words mislead it)."""
    linear = pytest.importorskip("sklearn.linear_model")
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    pipeline = pytest.importorskip("sklearn.pipeline")
    table = np.loadtxt(spambase_path, delimiter=",", skiprows=1)
    model = pipeline.make_pipeline(
        preprocessing.StandardScaler(), linear.LogisticRegression(max_iter=2000)
    ).fit(table[:, :57], table[:, 57])
    found = read_folder(EXAMPLES)
    truth = np.array(found.labels) == "spam"
    assert (model.predict(found.matrix) == truth).sum() >= 22
