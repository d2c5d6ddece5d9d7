"""The 57 features of Spambase, counted in a text.

Answers for what a word, a character share and a run of capitals are.
Not for: e-mail formats; a text comes in, numbers come out.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache

import numpy as np
from numpy.typing import NDArray

from limpide.errors import ArgumentTypeError

WORDS = (
    "make", "address", "all", "3d", "our", "over", "remove", "internet", "order", "mail",
    "receive", "will", "people", "report", "addresses", "free", "business", "email", "you",
    "credit", "your", "font", "000", "money", "hp", "hpl", "george", "650", "lab", "labs",
    "telnet", "857", "data", "415", "85", "technology", "1999", "parts", "pm", "direct", "cs",
    "meeting", "original", "project", "re", "edu", "table", "conference",
)  # fmt: skip
CHARACTERS = ";([!$#"
FEATURES: tuple[str, ...] = (
    *(f"word_freq_{word}" for word in WORDS),
    *(f"char_freq_{character}" for character in CHARACTERS),
    "capital_run_length_average",
    "capital_run_length_longest",
    "capital_run_length_total",
)

_PLACE = {word: place for place, word in enumerate(WORDS)}
_WORD = re.compile(r"[^\W_]+")
_NO_WORD = re.compile(r"[\W_]")
_PIECE = 1 << 20  # characters counted at a time, so that the list of words stays small


def features(text: str) -> NDArray[np.float64]:
    """Count the 57 Spambase features of a text.

    Parameters
    ----------
    text : str
        What a reader of the message would see: subject and body (`message_text` gives it).

    Returns
    -------
    f64[57]
        In the order of ``FEATURES``: 48 word frequencies, 100 · count / words, where a word is a
        run of letters and digits and case does not matter; 6 character frequencies, 100 · count /
        characters, white space included; then the average, longest and total length of the runs
        of capital letters. A text without capitals has 1, 1, 1 there and a text without words has
        zeros before: no message of Spambase has a run length below 1, and its description gives
        the range as [1, …].

    Raises
    ------
    ArgumentTypeError
        ``text`` is not a str.

    Notes
    -----
    The published table cuts word frequencies off after two decimals and the rest after three; here
    they are exact. By the ratio of its word to its character frequencies (about six characters a
    word) it counted white space among the characters.

    Source
    ------
    Hopkins, Reeber, Forman and Suermondt, "Spambase", UCI Machine Learning Repository (1999).

    Examples
    --------
    >>> counted = dict(zip(FEATURES, features("FREE money, free MONEY!").tolist(), strict=True))
    >>> counted["word_freq_free"], counted["word_freq_money"]
    (50.0, 50.0)
    >>> counted["capital_run_length_average"], counted["capital_run_length_total"]
    (4.5, 9.0)
    """
    if not isinstance(text, str):
        raise ArgumentTypeError(
            f"features counts in a str; received {type(text).__name__}. For the bytes of an e-mail "
            "use message_features(raw), for a file features(read_message(path))."
        )
    found = np.zeros(len(WORDS))
    words = runs = longest = capitals = 0
    for piece in _pieces(text):
        for word, times in Counter(_WORD.findall(piece)).items():
            words += times
            place = _PLACE.get(word.lower())
            if place is not None:
                found[place] += times
        lengths = _capital_runs(piece)
        runs += len(lengths)
        capitals += int(lengths.sum())
        longest = max(longest, int(lengths.max(initial=0)))
    marks = np.array([text.count(character) for character in CHARACTERS], dtype=np.float64)
    tail = [capitals / runs, longest, capitals] if runs else [1, 1, 1]
    return np.concatenate([100 * found / max(words, 1), 100 * marks / max(len(text), 1), tail])


def _pieces(text: str) -> Iterator[str]:
    """Cut a long text where no word, hence no run of capitals, is cut in two."""
    start = 0
    while start < len(text):
        gap = _NO_WORD.search(text, start + _PIECE)
        end = gap.start() if gap else len(text)
        yield text[start:end]
        start = end


def _capital_runs(text: str) -> NDArray[np.int64]:
    """Give the length of each run of capitals, of any script."""
    letters = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
    capital = _is_capital()[letters].view(np.int8)
    edges = np.diff(capital, prepend=0, append=0)
    return np.flatnonzero(edges == -1) - np.flatnonzero(edges == 1)


@cache
def _is_capital() -> NDArray[np.bool_]:
    """Tell of every code point whether it is a capital letter; re has no class for them."""
    points = np.arange(sys.maxunicode + 1, dtype=np.uint32).view("U1")
    return np.char.isupper(points) & np.char.isalpha(points)
