"""Words: sentences in the reader's language, from gettext catalogues.

Answers for which language is spoken, and for looking sentences up. Not for: making the catalogues
(``limpide.languages.catalogues``).
"""

from __future__ import annotations

import functools
import gettext
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from limpide.errors import choice_error
from limpide.languages.numerals import MINUS, numeral

LANGUAGES = {"en": "English", "fr": "français", "uk": "українська"}
"""The languages there are, by their codes, in their own words."""

FOLDER = Path(__file__).parent
DOMAIN = "limpide"


def resolve_language(language: str | None) -> str:
    """Give a language's code; None is the system's, English where that is none of ours.

    The system's is told by LANGUAGE, LC_ALL, LC_MESSAGES and LANG, the first that is set, as
    gettext does.

    Raises
    ------
    ArgumentError
        For a language that limpide does not speak; the message lists those it does.
    """
    if language is not None:
        if language not in LANGUAGES:
            raise choice_error("language", language, LANGUAGES)
        return language
    for variable in ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        value = os.environ.get(variable)
        if value:
            asked = [name.partition(".")[0].partition("_")[0] for name in value.split(":")]
            return next((name for name in asked if name in LANGUAGES), "en")
    return "en"


@dataclass(frozen=True)
class Words:
    """What is said in one language.

    >>> from limpide.languages import words_in
    >>> words_in("en").plural("{n} row", "{n} rows", 3)
    '3 rows'
    >>> words_in("fr").number(0.5)
    '0,5'
    """

    language: str

    def say(self, sentence: str, /, **values: Any) -> str:
        """Give a sentence, with ``{name}`` replaced by the values."""
        said = _catalogue(self.language).gettext(sentence)
        return said.format(**values) if values else said

    def plural(self, one: str, several: str, n: int, /, **values: Any) -> str:
        """Give the form of a sentence that goes with a whole number ``{n}``."""
        said = _catalogue(self.language).ngettext(one, several, n)
        return said.format(n=self.whole(n), **values)

    def number(self, value: float, digits: int = 6) -> str:
        """Write a number with so many significant digits."""
        return numeral(value, digits, self.language)

    def whole(self, n: int) -> str:
        """Write a whole number, its thousands apart: in English, and elsewhere from 10,000 on."""
        if self.language == "en":
            return f"{n:,}".replace("-", MINUS)
        if abs(n) < 10_000:
            return numeral(n, 17, self.language)
        return f"{n:,}".replace(",", "\u202f").replace("-", MINUS)


def words_in(language: str | None = None) -> Words:
    """Give what is said in a language; None is the system's."""
    return Words(resolve_language(language))


@functools.cache
def _catalogue(language: str) -> gettext.NullTranslations:
    if language == "en":  # sentences stand in English in the code
        return gettext.NullTranslations()
    return gettext.translation(DOMAIN, FOLDER, [language])
