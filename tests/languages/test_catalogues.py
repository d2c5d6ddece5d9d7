"""Every sentence of the code is translated, no other is, and placeholders and forms are kept."""

from __future__ import annotations

import importlib.util
import string
from pathlib import Path
from types import ModuleType

import pytest

pytest.importorskip("babel", reason="Babel reads the catalogues; it is a tool of development")

from babel.messages.mofile import read_mo

ROOT = Path(__file__).parents[2]


def _tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("update", ROOT / "translations" / "update.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


UPDATE = _tool()


def forms(message: str | tuple[str, ...] | list[str]) -> tuple[str, ...]:
    return (message,) if isinstance(message, str) else tuple(message)


def fields(sentence: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name is not None}


@pytest.mark.parametrize("language", UPDATE.TRANSLATED)
def test_the_catalogue_has_the_sentences_of_the_code_and_no_others(language: str) -> None:
    wanted = {forms(m.id) for m in UPDATE.sentences() if m.id}
    found = {forms(m.id) for m in UPDATE.catalogue(language) if m.id}
    assert wanted - found == set(), "run python translations/update.py, then translate them"
    assert found - wanted == set(), "run python translations/update.py"


@pytest.mark.parametrize("language", UPDATE.TRANSLATED)
def test_every_sentence_is_translated_with_its_placeholders(language: str) -> None:
    catalogue = UPDATE.catalogue(language)
    for message in catalogue:
        if not message.id:
            continue
        said = forms(message.string)
        expected = catalogue.num_plurals if len(forms(message.id)) > 1 else 1
        assert len(said) == expected, message.id
        assert all(said), f"not translated: {message.id!r}"
        assert not message.fuzzy, message.id
        # A form for one thing may say it in words: "the largest", not "the 1 largest".
        wanted = fields(forms(message.id)[-1])
        assert fields(said[-1]) == wanted, message.id
        assert all(fields(one) <= wanted for one in said), message.id


@pytest.mark.parametrize("language", UPDATE.TRANSLATED)
def test_what_is_compiled_is_what_is_written(language: str) -> None:
    with UPDATE.mo_path(language).open("rb") as file:
        compiled = {forms(m.id): forms(m.string) for m in read_mo(file) if m.id}
    written = {forms(m.id): forms(m.string) for m in UPDATE.catalogue(language) if m.id}
    assert compiled == written, "run python translations/update.py"
