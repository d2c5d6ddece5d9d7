"""What a model keeps of its table in English sentences, told in the reader's language.

Answers for recognising a sentence that stands in a model file or in a warning, and for saying it
anew. Not for: making those sentences (``limpide.tables``), which are one text whoever reads them.

A sentence that is not recognised, such as one of a later version, is told as it is.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from string import Formatter

from limpide.languages import Words

Forms = str | tuple[str, str]


def sentences_kept(*sentences: Forms) -> tuple[Forms, ...]:
    """Note sentences that are kept in English; ``translations/update.py`` finds them here.

    A pair has two forms, told apart by the number ``{n}``. ``{told}`` and ``{listed}`` are told in
    turn, ``{count}`` and ``{all}`` are whole numbers, ``{number}`` is one with a decimal sign.
    """
    return sentences


_SENTENCES = sentences_kept(
    # what was added to a column's treatment, the last first
    "{told}, extra input: is it missing?",
    "{told}, and in {count} stretches",
    "{told}, extra input: is it {number}?",
    "{told}; 1 category with fewer than {count} rows is taken as other",
    "{told}; 1 category that are rarer is taken as other",
    (
        "{told}; {n} category with fewer than {count} rows are taken as one",
        "{told}; {n} categories with fewer than {count} rows are taken as one",
    ),
    (
        "{told}; {n} category that are rarer are taken as one",
        "{told}; {n} categories that are rarer are taken as one",
    ),
    "{told}, missing as its own",
    "days, {listed}; {told}",
    "month",
    "weekday",
    "hour",
    # treatments
    "scaled by median and quartiles",
    "standardised",
    ("{n} category, one-hot", "{n} categories, one-hot"),
    ("{n} category, embedded in {count}", "{n} categories, embedded in {count}"),
    "left out: {told}",
    "every cell is missing",
    "constant, {value} in every row",
    "about {told}",
    (
        "{count} different texts in {n} row, as identifiers or free text are",
        "{count} different texts in {n} rows, as identifiers or free text are",
    ),
    "none of its {count} texts stands in {number} rows",
    # how a task was found
    "true or false",
    "text, {count} different",
    "numbers that are not whole",
    "two different numbers",
    ("{n} different whole number", "{n} different whole numbers"),
    "as asked",
    # notes
    (
        "{marks} read as missing: {n} cell in 1 column",
        "{marks} read as missing: {n} cells in 1 column",
    ),
    (
        "{marks} read as missing: {n} cell in {count} columns",
        "{marks} read as missing: {n} cells in {count} columns",
    ),
    ("missing: {n} cell in 1 column", "missing: {n} cells in 1 column"),
    ("missing: {n} cell in {count} columns", "missing: {n} cells in {count} columns"),
    "column {name} is left out: {told}",
    "column {name} read as dates ({pattern})",
    "column {name} read as times ({pattern})",
    "column {name} looks like dates ({example}) but is read as text: write dates as YYYY-MM-DD",
    (
        "column {name} is kept as text: leading zeros in {n} cell, such as {example}",
        "column {name} is kept as text: leading zeros in {n} cells, such as {example}",
    ),
    "column {name}: {told}",
    (
        "{n} column that the model does not use: {names}",
        "{n} columns that the model does not use: {names}",
    ),
    "text read as numbers",
    "read as numbers, the sign {unit} left off",
    "read as numbers, the sign {unit} left off, and 12% is 12",
    "read as numbers, spaces between thousands left off",
    "read as numbers, the sign {unit} left off and spaces between thousands left off",
    "whole numbers beyond 64 bits are rounded to floating-point numbers",
    (
        "{n} of {count} cells is missing, and none was in training; they are taken as the middle "
        "of the column",
        "{n} of {count} cells are missing, and none was in training; they are taken as the middle "
        "of the column",
    ),
    (
        "{n} row without a target ({name}) is left out",
        "{n} rows without a target ({name}) are left out",
    ),
    "target {name} is {number} in every row: it is all there is to predict",
    (
        "target {name} holds {n} different whole number: taken as classes; task='regression' "
        "(--task regression) learns them as numbers",
        "target {name} holds {n} different whole numbers: taken as classes; task='regression' "
        "(--task regression) learns them as numbers",
    ),
    (
        "target {name} holds {n} different whole number: learned as numbers; task='multiclass' "
        "(--task multiclass) takes them as classes",
        "target {name} holds {n} different whole numbers: learned as numbers; task='multiclass' "
        "(--task multiclass) takes them as classes",
    ),
    "no rows are held out, since each class has a single one",
    "whole numbers beyond 64 bits are rounded to floating-point numbers, which makes them all "
    "equal: subtract their least value, or put a letter before them if they are names",
    (
        "column {name} is text: {count} of {all} cells are numbers with {unit}, {n} is not, the "
        "first {example} in {told}",
        "column {name} is text: {count} of {all} cells are numbers with {unit}, {n} are not, the "
        "first {example} in {told}",
    ),
    (
        "column {name} is text: {count} of {all} cells are numbers, {n} is not, the first "
        "{example} in {told}",
        "column {name} is text: {count} of {all} cells are numbers, {n} are not, the first "
        "{example} in {told}",
    ),
    "row {count} (line {all})",
    "index {count}",
    "column {name} is text: it looks like numbers with several units, {marks}",
    "column {name} is text: it looks like numbers with the decimal sign {sign}",
    "column names such as {example} are taken as text",
    "the index ({kind}) is ignored: call reset_index() to use it",
    (
        "{count} of {n} cell holds a category that the model does not know ({examples}); they are "
        "taken as other",
        "{count} of {n} cells hold categories that the model does not know ({examples}); they are "
        "taken as other",
    ),
    (
        "{count} of {n} cell holds a category that were rare in training ({examples}); they are "
        "taken as other",
        "{count} of {n} cells hold categories that were rare in training ({examples}); they are "
        "taken as other",
    ),
    (
        "{n} of {count} cells is missing, and none was in training; they are taken as other",
        "{n} of {count} cells are missing, and none was in training; they are taken as other",
    ),
    "the first line {example} obeyed",
    "the first line {example} skipped",
    ("{n} blank line skipped", "{n} blank lines skipped"),
    "unnamed first column of running numbers (an index) dropped",
    "UTF-8 byte-order mark skipped",
    "delimiter {sign} and decimal comma recognised",
    "delimiter {sign} recognised",
    "decimal comma recognised",
    "text such as {example} looks like {likely} rather than {encoding}",
    "classes {names} of {name} differ only in case or blanks, and are taken as different; correct "
    "the column if they are the same",
    (
        "classes {names} of {name} differ only in case or blanks, and are taken as different, and "
        "{n} more such group; correct the column if they are the same",
        "classes {names} of {name} differ only in case or blanks, and are taken as different, and "
        "{n} more such groups; correct the column if they are the same",
    ),
    (
        "{n} row is held out, as many as memory allows: {share} were asked for",
        "{n} rows are held out, as many as memory allows: {share} were asked for",
    ),
    ("{n} label of 0 and 1", "{n} labels of 0 and 1"),
    ("{n} number a row", "{n} numbers a row"),
    # warnings of runs
    (
        "batch_size is {count}, and there are {n} row to train on: each step takes them all. Pass "
        "batch_size={all} to say so.",
        "batch_size is {count}, and there are {n} rows to train on: each step takes them all. Pass "
        "batch_size={all} to say so.",
    ),
    (
        "{n} file is no message by its name and was passed over, first {example}. Messages end in "
        ".eml or .txt, or have no suffix.",
        "{n} files are no messages by their names and were passed over, first {example}. Messages "
        "end in .eml or .txt, or have no suffix.",
    ),
    "{path} holds {told}; it will be replaced, since this run begins anew.",
    (
        "a finished run: {done} of {n} epoch, written {written}",
        "a finished run: {done} of {n} epochs, written {written}",
    ),
    "{path} was written elsewhere ({other}): last digits may differ from those of a run that was "
    "never broken off.",
    "the lock of checkpoint {path} is lost: another run may have taken it over. This one goes on "
    "without a checkpoint.",
    # where a table came from
    "dict of columns",
    "NumPy array",
    # why a run ended early
    "a callback asked for it",
    ("{figure} has not fallen for {n} epoch", "{figure} has not fallen for {n} epochs"),
    ("{figure} has not risen for {n} epoch", "{figure} has not risen for {n} epochs"),
    "no rows are held out, since there are only {count}",
    "learned from disk: the whole table would take about {size} of memory, and learning from it "
    "three times as much",
    "read in shares: each of {count} processes has its own rows, on its disk",
    "a step takes {all} rows instead of {number}: as many of each of {count} processes",
)
_WHOLE = r"\d[\d,]*"
_PATTERNS = {"n": _WHOLE, "count": _WHOLE, "all": _WHOLE, "number": r"[-+\d.e]+", "told": ".+"}
_PATTERNS["name"] = "'.*?'|\".*?\""  # as repr writes it


def retold(text: str, words: Words) -> str:
    """Tell a sentence in the reader's language.

    >>> from limpide.languages import words_in
    >>> retold("6 categories, one-hot, missing as its own", words_in("fr"))
    '6 catégories, codage one-hot, valeur manquante à part'
    >>> retold("who knows?", words_in("fr"))
    'who knows?'
    """
    if words.language == "en":
        return text
    for forms, patterns in _recognised():
        for pattern in patterns:
            found = pattern.fullmatch(text)
            if found is not None:
                return _said(forms, found.groupdict(), words)
    return text


def kind_told(kind: str, words: Words) -> str:
    """Say what kind of values a column holds.

    >>> from limpide.languages import words_in
    >>> kind_told("text", words_in("fr"))
    'texte'
    """
    say = words.say
    known = {
        "number": say("number"),
        "text": say("text"),
        "boolean": say("boolean"),
        "date": say("date"),
        "datetime": say("datetime"),
        "time": say("time"),
        "duration": say("duration"),
    }
    return known.get(kind, kind)


def task_told(task: str, words: Words) -> str:
    """Say what a model was trained for."""
    say = words.say
    known = {
        "binary": say("binary"),
        "multiclass": say("multiclass"),
        "multilabel": say("multilabel"),
        "regression": say("regression"),
    }
    return known.get(task, task)


def retold_of(text: str, words: Words) -> str:
    """Tell a sentence that has what it is about before it: ``'bakery.csv': …``."""
    about, colon, sentence = text.partition(": ")
    said = retold(text, words)
    if said != text or not colon:
        return said
    return retold(about, words) + colon + retold(sentence, words)


@functools.cache
def _recognised() -> tuple[tuple[Forms, tuple[re.Pattern[str], ...]], ...]:
    return tuple((forms, tuple(map(_pattern, _each(forms)))) for forms in _SENTENCES)


def _each(forms: Forms) -> Iterator[str]:
    yield from (forms,) if isinstance(forms, str) else forms


def _pattern(form: str) -> re.Pattern[str]:
    parts = []
    for text, name, _, _ in Formatter().parse(form):
        parts.append(re.escape(text))
        if name is not None:
            parts.append(f"(?P<{name}>{_PATTERNS.get(name, '.+?')})")
    return re.compile("".join(parts), re.DOTALL)


def _said(forms: Forms, found: dict[str, str], words: Words) -> str:
    values = {name: _value(name, text, words) for name, text in found.items() if name != "n"}
    if isinstance(forms, str):
        return words.say(forms, **values)
    return words.plural(*forms, _whole(found["n"]), **values)


def _value(name: str, text: str, words: Words) -> str:
    if name == "told":
        return retold(text, words)
    if name == "listed":
        return ", ".join(retold(each, words) for each in text.split(", "))
    if name in ("count", "all"):
        return words.whole(_whole(text))
    if name == "number":
        return words.number(float(text), 17)
    if name == "marks":  # empty (62), ? (3) and NA (1); none (2) and € (5)
        text = text.replace("empty (", f"{words.say('empty')} (").replace(" and ", ", ")
        return text.replace("none (", f"{words.say('none')} (")
    if name == "names":  # 'a' and 'A'
        return re.sub(r"(?<=['\"]) and (?=['\"])", ", ", text)
    return text


def _whole(text: str) -> int:
    return int(text.replace(",", ""))
