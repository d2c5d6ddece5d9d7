"""The 57 features: against the header of Spambase, its invariants, and a count done by hand."""

from __future__ import annotations

import doctest
import re
import string
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import limpide as lp
from limpide import errors, spam
from limpide.spam import FEATURES, counts, features


def counted(text: str) -> dict[str, float]:
    return dict(zip(FEATURES, features(text).tolist(), strict=True))


@pytest.mark.parametrize("module", [counts, spam])
def test_docstring_examples(module):
    result = doctest.testmod(module)
    assert (result.failed, result.attempted > 0) == (0, True)


def test_names_are_the_header_of_the_table(spambase_path):
    with spambase_path.open(encoding="ascii") as file:
        assert file.readline().rstrip("\n").split(",") == [*FEATURES, "spam"]
    assert len(FEATURES) == 57
    assert lp.spam.FEATURES is FEATURES


def test_what_the_table_says_of_its_own_features(spambase_path):
    """The facts that decided the rules: run lengths are never 0, and the last is their sum."""
    table = np.loadtxt(spambase_path, delimiter=",", skiprows=1)
    words, marks = table[:, :48], table[:, 48:54]
    average, longest, total = table[:, 54:57].T
    assert (table[:, 54:57].min(axis=0) == 1).all()
    assert (average <= longest).all()
    assert (longest <= total).all()
    assert np.array_equal(longest, np.floor(longest))
    assert np.array_equal(total, np.floor(total))
    runs = np.round(total / average)
    cut = np.floor(total / runs * 1000 + 1e-9) / 1000  # three decimals, cut off
    assert np.count_nonzero(np.abs(cut - average) > 1e-9) <= 3
    assert words.sum(axis=1).max() <= 100
    assert marks.sum(axis=1).max() <= 100
    # One word of a rare kind is 100 / words, one mark 100 / characters: characters a word.
    rare = (np.count_nonzero(words, axis=1) > 2) & (np.count_nonzero(marks, axis=1) > 1)
    steps = [np.where(t > 0, t, np.inf).min(axis=1)[rare] for t in (words, marks)]
    per_word = np.median(steps[0] / steps[1])
    assert 5 < per_word < 7  # with white space; without it, it would be about 4.5


def test_a_count_done_by_hand():
    text = "Make $$$ at home, make MONEY! (HP-650)"
    values = counted(text)
    words = ["make", "at", "home", "make", "money", "hp", "650"]
    assert values["word_freq_make"] == 100 * 2 / len(words)
    assert values["word_freq_money"] == values["word_freq_hp"] == 100 / 7
    assert values["word_freq_650"] == 100 / 7
    assert values["word_freq_hpl"] == values["word_freq_mail"] == 0
    assert values["char_freq_$"] == 100 * 3 / len(text)
    assert values["char_freq_!"] == values["char_freq_("] == 100 / len(text)
    assert values["char_freq_;"] == values["char_freq_["] == values["char_freq_#"] == 0
    # runs: M, MONEY, HP
    assert values["capital_run_length_average"] == 8 / 3
    assert values["capital_run_length_longest"] == 5
    assert values["capital_run_length_total"] == 8


@pytest.mark.parametrize("text", ["", " \n", "no capitals here", "1999", "你好", "!!!", "_"])
def test_no_capitals_is_one_one_one_as_in_the_table(text):
    assert features(text)[54:].tolist() == [1, 1, 1]


def test_words_are_runs_of_letters_and_digits():
    assert counted("re_re re-re re're")["word_freq_re"] == 100
    assert counted("3d 3D 3-d x3d")["word_freq_3d"] == 40  # 3, d, x3d are other words
    assert counted("$1,000.000")["word_freq_000"] == 100 * 2 / 3
    assert counted("rené re")["word_freq_re"] == 50
    assert counted("addresses address")["word_freq_address"] == 50
    assert counted("E-mail email")["word_freq_mail"] == 100 / 3


def test_capitals_of_every_script_count_and_other_letters_end_a_run():
    assert features("ÀÉ ЖЖЖ")[54:].tolist() == [2.5, 3, 5]
    assert features("AbC")[54:].tolist() == [1, 1, 2]
    assert features("A1B A.B A B")[54:].tolist() == [1, 1, 6]
    assert features("\U00010400\U00010401")[54:].tolist() == [2, 2, 2]  # Deseret
    assert features("ⒶⅣ")[54:].tolist() == [1, 1, 1]  # a symbol and a numeral are no letters


def plainly(text: str) -> list[float]:
    """The definition once more, character by character."""
    words, word = [], ""
    for character in text + " ":
        if character.isalnum():
            word += character
        elif word:
            words.append(word.lower())
            word = ""
    runs, run = [], 0
    for character in text + " ":
        if character.isupper() and character.isalpha():
            run += 1
        elif run:
            runs.append(run)
            run = 0
    row = [100 * words.count(w) / max(len(words), 1) for w in counts.WORDS]
    row += [100 * text.count(c) / max(len(text), 1) for c in ";([!$#"]
    return row + ([sum(runs) / len(runs), max(runs), sum(runs)] if runs else [1, 1, 1])


TEXTS = st.one_of(
    st.text(),
    st.text(alphabet="aA1_ é;$!"),
    st.lists(
        st.sampled_from([*counts.WORDS, *counts.CHARACTERS, "HP", "Free", " ", "\n", "x", "_"])
    ).map(" ".join),
    st.text(st.characters(min_codepoint=0xD800, max_codepoint=0xDFFF)),
)


@given(TEXTS)
def test_features_are_the_definition(text):
    assert features(text).tolist() == plainly(text)


@given(TEXTS, st.integers(1, 9))
def test_cutting_a_long_text_into_pieces_changes_nothing(text, size):
    whole = features(text).tolist()
    before = counts._PIECE
    counts._PIECE = size
    try:
        assert features(text).tolist() == whole
    finally:
        counts._PIECE = before


def test_ten_million_characters():
    text = ("Free money! " * 83_334 + "x" * 500_000 + "#") * 7
    values = counted(text)
    assert len(text) > 10_000_000
    assert values["word_freq_free"] == 100 * 83_334 / (2 * 83_334 + 1)
    assert values["capital_run_length_total"] == 83_334 * 7
    assert values["char_freq_#"] == 100 * 7 / len(text)


def test_every_capital_that_python_knows():
    everyone = "".join(map(chr, range(sys.maxunicode + 1)))
    total = sum(c.isupper() and c.isalpha() for c in everyone)
    assert features(everyone)[56] == total
    assert total > len(string.ascii_uppercase) * 60


@pytest.mark.parametrize("value", [b"text", None, 3, ["text"]])
def test_what_is_no_text_is_refused(value):
    words = f"features counts in a str; received {type(value).__name__}"
    with pytest.raises(errors.ArgumentTypeError, match=re.escape(words)):
        features(value)
