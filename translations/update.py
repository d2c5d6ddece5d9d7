"""Bring the catalogues up to date with the code: run it after a sentence was added or changed.

``python translations/update.py`` writes new sentences into fr.po and uk.po, to be translated
there, takes out those that nothing says any more, and compiles the rest; ``tests/languages`` fails
until every sentence is translated. Needs Babel. Not for: looking sentences up
(``limpide.languages``).
"""

from __future__ import annotations

import ast
import io
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from limpide.cli import limpide_command
from limpide.commands.spoken import sentences as help_sentences
from limpide.languages import LANGUAGES
from limpide.languages.words import DOMAIN, FOLDER

# French stands apart from these with a space that does not break: 00A0, or the narrow 202F.
_SPACES = (("« ", "«\u00a0"), (" »", "\u00a0»"), (" :", "\u00a0:"),
           *((f" {mark}", f"\u202f{mark}") for mark in ";!?%"))  # fmt: skip

HERE = Path(__file__).parent
SOURCE = HERE.parent / "src" / "limpide"
TRANSLATED = tuple(code for code in LANGUAGES if code != "en")
_DATE = datetime(2026, 1, 1, tzinfo=UTC)  # today's would make another file of the same sentences
_SENTENCES = {"say": 1, "plural": 2}  # method → how many of its arguments are sentences


def sentences() -> Catalog:
    """Give every sentence: of ``say``, ``plural`` and ``sentences_kept``, and of the help."""
    found = Catalog(project="limpide", charset="utf-8")
    for sentence in help_sentences(limpide_command):
        found.add(sentence, locations=[("commands", None)])
    for path in sorted(SOURCE.rglob("*.py")):
        for forms in _said_in(path):
            place = path.relative_to(SOURCE).as_posix()
            found.add(forms if len(forms) > 1 else forms[0], locations=[(place, None)])
    found.creation_date = _DATE
    return found


def _said_in(path: Path) -> Iterator[tuple[str, ...]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        name = _called(node)
        if not isinstance(node, ast.Call) or name is None:
            continue
        if name == "sentences_kept":
            for part in map(ast.literal_eval, node.args):
                yield (part,) if isinstance(part, str) else part
        count = _SENTENCES.get(name)
        if count is None:
            continue
        forms = [part.value for part in node.args[:count] if isinstance(part, ast.Constant)]
        if len(forms) == count and all(isinstance(form, str) for form in forms):
            yield tuple(forms)


def _called(node: ast.AST) -> str | None:
    """Give the name of what is called: ``say`` for ``words.say(…)``, and for ``say(…)``."""
    function = node.func if isinstance(node, ast.Call) else None
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else None


def catalogue(language: str) -> Catalog:
    """Read a language's catalogue as it stands."""
    found = Catalog(locale=language)
    path = HERE / f"{language}.po"
    if path.exists():
        with path.open("rb") as file:
            found = read_po(file, locale=language)
    found.project, found.version = "limpide", "1"
    found.header_comment, found.fuzzy = f"# limpide: {LANGUAGES[language]}", False
    found.creation_date = found.revision_date = _DATE
    found.last_translator = found.language_team = found.msgid_bugs_address = "limpide"
    return found


def with_french_spaces(text: str) -> str:
    """Let no line begin with a colon or a closing quotation mark.

    >>> with_french_spaces("« oui » : 5 %")
    '«\\xa0oui\\xa0»\\xa0: 5\\u202f%'
    """
    for typed, meant in _SPACES:
        text = text.replace(typed, meant)
    return text


def compiled(found: Catalog) -> bytes:
    """Give the catalogue as gettext reads it."""
    buffer = io.BytesIO()
    write_mo(buffer, found)
    return buffer.getvalue()


def mo_path(language: str) -> Path:
    """Say where the compiled catalogue of a language stands."""
    return FOLDER / language / "LC_MESSAGES" / f"{DOMAIN}.mo"


def main() -> None:
    wanted = sentences()
    for language in TRANSLATED:
        found = catalogue(language)
        found.update(wanted, no_fuzzy_matching=True)
        found.obsolete.clear()
        if language == "fr":
            for message in found:
                if message.id and message.string:
                    message.string = _each(message.string, with_french_spaces)
        with (HERE / f"{language}.po").open("wb") as file:
            write_po(file, found, width=100, sort_output=True, include_lineno=False)
        place = mo_path(language)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(compiled(found))
        missing = sum(not _is_translated(m.string) for m in found if m.id)
        print(f"{language}: {len(found)} sentences, {missing} to translate")


def _each(string: Any, change: Callable[[str], str]) -> Any:
    """Change a sentence, or each of its forms."""
    return change(string) if isinstance(string, str) else tuple(map(change, string))


def _is_translated(string: object) -> bool:
    return all(string) if isinstance(string, (tuple, list)) else bool(string)


if __name__ == "__main__":
    main()
