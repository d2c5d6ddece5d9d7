"""The help of every command in every language: nothing of it is left in English."""

from __future__ import annotations

import re

import pytest

from limpide import program
from limpide.cli import limpide_command
from limpide.commands.experiment import experiment
from limpide.commands.spoken import sentences
from limpide.languages import LANGUAGES, words_in

COMMANDS = [(), *((name,) for name in limpide_command.commands)]
COMMANDS += [("experiment", name) for name in experiment.commands]
OTHERS = [language for language in LANGUAGES if language != "en"]
# Words of English that neither French, nor a name or value on the command line, shares.
ENGLISH = {"the", "of", "and", "with", "that", "which", "from", "are", "is", "what", "not", "else"}


def helped(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    capsys.readouterr()
    assert program.run(limpide_command, words) == 0
    text, errors = capsys.readouterr()
    assert errors == ""
    return text


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: " ".join(words) or "limpide")
@pytest.mark.parametrize("language", OTHERS)
def test_no_english_is_left(
    capsys: pytest.CaptureFixture[str], command: tuple[str, ...], language: str
) -> None:
    text = helped(capsys, *command, "--help", "--language", language)
    found = " ".join(text.split())
    say = words_in(language).say
    for sentence in sentences(limpide_command):
        if " " in sentence and say(sentence) != sentence:
            assert sentence not in found
    prose = re.sub(r"limpide \S.*?(?=  |$)|--?[\w-]+", "", text, flags=re.MULTILINE)
    assert set(re.findall(r"\b[A-Za-z]+\b", prose)) & ENGLISH == set()
    for word in ("Usage:", "Options", "Commands"):
        assert say(word) == word or f"{word}\n" not in text


@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: " ".join(words) or "limpide")
def test_commands_to_type_are_the_same_and_lines_fit(
    capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    texts = [helped(capsys, *command, "--help", "--language", each) for each in LANGUAGES]
    typed = [re.findall(r"^    (limpide .*?)(?:  |$)", text, re.MULTILINE) for text in texts]
    assert len(typed[0]) > 0
    assert all(each == typed[0] for each in typed)
    for text in texts:
        assert [line for line in text.split("\n") if len(line) > 80] == []
        assert "\b" not in text


def test_the_language_may_stand_anywhere(capsys: pytest.CaptureFixture[str]) -> None:
    french = helped(capsys, "train", "--help", "--language", "fr")
    assert french.startswith("Usage\u00a0: limpide train [OPTIONS] DONNÉES\n")
    for words in (
        ("--language", "fr", "train", "--help"),
        ("train", "--language=fr", "-h"),
        ("--language", "uk", "train", "--language", "fr", "--help"),
    ):
        assert helped(capsys, *words) == french


def test_without_it_the_systems_language_is_spoken(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANGUAGE", "de:uk")
    assert helped(capsys, "--help").startswith("Використання: limpide [ПАРАМЕТРИ] КОМАНДА")
    monkeypatch.setenv("LANGUAGE", "de")
    assert helped(capsys, "--help").startswith("Usage: limpide [OPTIONS] COMMAND")


@pytest.mark.parametrize("words", [("--language", "frr", "data"), ("data", "--language", "frr")])
def test_a_language_that_is_not_spoken(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    assert program.run(limpide_command, words) == 2
    assert "'frr' is none of en, fr, uk. Did you mean 'fr'?" in capsys.readouterr().err


def test_no_command_is_answered_with_the_help(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANGUAGE", "fr")
    assert program.run(limpide_command, []) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "COMMANDE" in shown.err


def test_after_two_dashes_nothing_is_an_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.run(limpide_command, ["data", "--", "--language", "fr"]) == 2
    assert "fr" in capsys.readouterr().err
