"""Languages: what limpide says in English, French and Ukrainian, and how each writes numbers.

Answers for looking up sentences in gettext catalogues, plural forms, the decimal sign. Not for:
what is said, which stands in English where it is said.

In code a sentence is a literal in ``words.say("…")``, or in ``words.plural("…", "…", n)`` where a
number decides its form; ``translations/update.py`` finds them there. See docs/languages.md.
"""

from __future__ import annotations

from limpide.languages.numerals import decimal_sign, numeral
from limpide.languages.words import LANGUAGES, Words, resolve_language, words_in

__all__ = ["LANGUAGES", "Words", "decimal_sign", "numeral", "resolve_language", "words_in"]
