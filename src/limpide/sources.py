"""What a command is given as DATA: a table, e-mails, or a folder of them.

Answers for telling them apart and for the ``Table`` that comes of each. Not for: reading tables
(``limpide.tables``), nor for what an e-mail says (``limpide.spam``).
"""

from __future__ import annotations

import codecs
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import limpide
from limpide import program
from limpide.errors import DataError
from limpide.retelling import retold

Reading = dict[str, str | None]

_DELIMITERS = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "space": " "}
_HEADER = 1 << 16  # bytes in which the names of the columns are looked for


def for_training(
    data: str,
    target: str | None,
    reading: Reading,
    memory: str | None = None,
    *,
    in_shares: bool = False,
) -> tuple[Any, str, str]:
    """Give the table to learn from, its target, and a path to try the model with.

    A table that would take more than ``memory`` is given as its parts, and with ``in_shares``
    Parquet files of any size.
    """
    if os.path.isdir(data) and not limpide.tables.files.has_parquet(Path(data)):
        return _labelled_messages(data, target)
    most = limpide.memory.check_memory(memory)
    table = limpide.tables.reading.open_table(data, most, **_options(reading), always=in_shares)
    shared = in_shares and isinstance(table, limpide.tables.parts.ParquetParts)
    if isinstance(table, limpide.tables.parts.Parts) and not shared:
        size = limpide.memory.size_text(table.size)
        said = program.words().say(
            "{source} would take about {size} of memory: it is learned from disk, after two passes "
            "over it",
            source=table.source,
            size=size,
        )
        program.note(said)
    if target is None:
        names = ", ".join(table.columns[:12]) + (", ..." if len(table.columns) > 12 else "")
        raise program.Misuse(
            f"--target is missing: the column to learn. {table.source} has the columns {names}. "
            f"Write --target {table.columns[-1]}, for example."
        )
    return table, target, data


def without(table: Any, dropped: Sequence[str], target: str) -> Any:
    """Leave columns of a table out."""
    for name in dropped:
        if name == target:
            raise program.Misuse(f"--drop {name!r} is the target. Leave out other columns.")
        if name not in table.columns:
            raise limpide.tables.missing_column(name, table.columns)
    if isinstance(table, limpide.tables.parts.Parts):
        return table.without(dropped)
    return replace(table, frame=table.frame.drop(dropped))


def for_predicting(paths: Sequence[str], model: Any, reading: Reading) -> tuple[Any, list[str]]:
    """Give one table, and the path of the message behind each of its rows, none for a table."""
    messages = [path for path in paths if _is_mail(path, model)]
    if not messages:
        if len(paths) > 1:
            raise program.Misuse(
                f"one table at a time; received {len(paths)}. Give {paths[0]!r} alone."
            )
        return _like_the_models(paths[0], model, reading), []
    if len(messages) < len(paths):
        table = next(path for path in paths if path not in messages)
        raise program.Misuse(f"{messages[0]!r} is an e-mail, {table!r} is not. Give them apart.")
    names: list[str] = []
    for path in paths:
        names += map(str, limpide.spam.message_files(path)) if os.path.isdir(path) else [path]
    rows = [limpide.spam.features(limpide.spam.read_message(name)).tolist() for name in names]
    return _table_of_messages(rows, "the e-mails"), names


def for_measuring(data: str, model: Any, reading: Reading) -> Any:
    """Give a table that holds the right answers too."""
    if not _is_mail(data, model):
        return _like_the_models(data, model, reading)
    if not os.path.isdir(data):
        raise program.Misuse(
            f"{data!r} is an e-mail, which does not say whether it is spam. Put e-mails in a "
            "folder with the sub-folders spam and ham, and give that; to judge one, use predict."
        )
    _check_classes(data)
    messages = limpide.spam.read_folder(data)
    labels = [_as_the_models(label, data, model) for label in messages.labels]
    return _table_of_messages(messages.matrix, repr(data), {model.target: labels})


def for_network(data: str, reading: Reading) -> Any:
    """Give the table for a bare network, which knows of no e-mails and no columns of text."""
    return _read(data, reading)


def _read(source: Any, reading: Reading, text: Sequence[str] = ()) -> Any:
    return limpide.tables.read_table(source, text=text, **_options(reading))


def _options(reading: Reading) -> Reading:
    word = reading["delimiter"]
    return {**reading, "delimiter": None if word is None else _DELIMITERS.get(word.lower(), word)}


def _like_the_models(path: str, model: Any, reading: Reading) -> Any:
    """Read a table as the model's own was read: what was text there is text here."""
    text = list(model.preprocessing.text)
    if model.classes is not None and model.classes.dtype.kind == "U":
        text.append(model.target)
    table = _read(path, reading, text)
    for found in table.notes:
        program.note(f"{table.source}: {retold(found, program.words())}")
    return table


# E-mails ------------------------------------------------------------------------------------------


def _is_mail(path: str, model: Any) -> bool:
    """Tell whether a path leads to e-mails for this model; refuse those that cannot be."""
    folder = os.path.isdir(path) and not limpide.tables.files.has_parquet(Path(path))
    # A feature that was the same in every message has been left out of the model.
    if set(model.features) <= set(limpide.spam.FEATURES):
        return folder or (
            limpide.spam.named_like_message(path) and not _is_table(path, model.features)
        )
    if folder or os.path.splitext(path)[1].lower() == ".eml":
        names = ", ".join(model.features[:5]) + (", ..." if len(model.features) > 5 else "")
        raise DataError(
            f"{path!r} is {'a folder' if folder else 'an e-mail'}, but the model was trained on "
            f"the columns {names}. Give a table with them, or a model trained on Spambase or on a "
            "folder of messages."
        )
    return False


def _is_table(path: str, columns: Sequence[str]) -> bool:
    """Tell whether a file's first line names most of the columns, or its first bytes a table."""
    if not os.path.isfile(path):
        return False
    with suppress(OSError, DataError):  # such as a web page: a message may be one
        if limpide.tables.files.kind_of(Path(path), repr(path)) != "text":
            return True
    try:
        with open(path, "rb") as file:
            head = file.read(_HEADER)
    except OSError:
        return False
    # Without its zeros UTF-16 is read well enough: the names are ASCII.
    head = head.replace(b"\0", b"").removeprefix(codecs.BOM_UTF8).lstrip()
    line = head.splitlines()[0] if head else b""
    return 2 * sum(name.encode() in line for name in columns) > len(columns)


def _table_of_messages(rows: Any, source: str, more: dict[str, Any] | None = None) -> Any:
    columns = zip(*[list(row) for row in rows], strict=True)
    features = dict(zip(limpide.spam.FEATURES, map(list, columns), strict=True))
    return replace(limpide.tables.read_table(features | (more or {})), source=source)


def _labelled_messages(folder: str, target: str | None) -> tuple[Any, str, str]:
    """Give a table of the messages in a folder, its target, and one message to try."""
    _check_classes(folder)
    if target not in (None, "spam"):
        raise program.Misuse(
            f"the target of a folder of messages is 'spam'; received --target {target!r}. "
            "Leave --target out."
        )
    messages = limpide.spam.read_folder(folder)
    labels = {"spam": list(messages.labels)}
    table = _table_of_messages(messages.matrix, repr(folder), labels)
    return table, "spam", os.path.join(folder, messages.names[-1])


def _check_classes(folder: str) -> None:
    """Refuse a folder that is not one of labelled messages at all, before its content is named."""
    classes = limpide.spam.folder.CLASSES
    if not any(os.path.isdir(os.path.join(folder, name)) for name in classes):
        raise DataError(
            f"{folder!r} is a folder without the sub-folders spam and ham, in which e-mails are "
            "expected. Give the path of a table, or of a folder with these two."
        )


def _as_the_models(label: str, folder: str, model: Any) -> Any:
    """Give spam or ham in the model's own labels: Spambase says 1 and 0."""
    known = [] if model.classes is None else model.classes.tolist()
    if label in known:
        return label
    number = int(label == "spam")
    if number in known:  # True and False are 1 and 0
        return known[known.index(number)]
    raise DataError(
        f"{folder!r} has spam and ham, but the model's classes are "
        f"{', '.join(map(repr, known[:5])) or 'none: it predicts numbers'}. Give a model trained "
        "on Spambase or on a folder of messages."
    )
