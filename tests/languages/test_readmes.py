"""The README in three languages: the same code, the same links, the same parts."""

from __future__ import annotations

import io
import re
import tokenize
from pathlib import Path

import pytest

import limpide as lp

ROOT = Path(__file__).parents[2]
PAGES = {"en": "README.md", "fr": "README.fr.md", "uk": "README.uk.md"}


def text(language: str) -> str:
    return (ROOT / PAGES[language]).read_text(encoding="utf-8")


def blocks(language: str) -> list[tuple[str, str]]:
    """Give each block's language and its code, that of Python without its comments."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text(language), re.DOTALL | re.MULTILINE)
    return [(kind, uncommented(code) if kind == "python" else code) for kind, code in found]


def uncommented(code: str) -> str:
    lines = code.split("\n")
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column].rstrip()
    return "\n".join(lines)


@pytest.mark.parametrize("language", ["fr", "uk"])
def test_the_code_is_the_same_but_for_comments(language: str) -> None:
    assert len(blocks("en")) == 11
    shown = [block for block in blocks("en") if "∂L" not in block[1]]
    assert [block for block in blocks(language) if "∂L" not in block[1]] == shown


@pytest.mark.parametrize("language", PAGES)
def test_the_derivation_shown_is_what_is_printed(language: str) -> None:
    net = lp.Network([2, 2, 1], activation="sigmoid", output="sigmoid", dtype="float64", seed=0)
    net.params |= {name: 1.0 if "weights" in name else 0.0 for name in net.params}
    d = net.explain([-2, -1], 1, loss="mse", optimizer=lp.SGD(0.1))
    printed = d["w1"].to_text(language=language, width=80).splitlines()
    (block,) = [code for _, code in blocks(language) if "∂L" in code]
    lines = block.splitlines()
    assert len(lines) == 8
    assert [line for line in lines if line != "…" and line not in printed] == []


@pytest.mark.parametrize("language", ["fr", "uk"])
def test_the_parts_and_the_links_are_the_same(language: str) -> None:
    def shape(page: str) -> list[int]:
        return [len(marks) for marks in re.findall(r"^(#+) ", page, re.MULTILINE)]

    def links(page: str) -> list[str]:
        return [link for link in re.findall(r"\]\((.*?)\)", page) if "README" not in link]

    assert shape(text(language)) == shape(text("en"))
    assert links(text(language)) == links(text("en"))


@pytest.mark.parametrize("language", PAGES)
def test_each_leads_to_the_others(language: str) -> None:
    top = text(language).split("\n")[2]
    others = {page for other, page in PAGES.items() if other != language}
    assert set(re.findall(r"\]\((.*?)\)", top)) == others
    for link in re.findall(r"\]\((.*?)\)", text(language)):
        assert (ROOT / link).exists()


@pytest.mark.parametrize("language", ["fr", "uk"])
def test_comments_and_prose_are_translated(language: str) -> None:
    english = set(re.findall(r"# (.{12,})$", text("en"), re.MULTILINE))
    same = {comment for comment in english if comment in text(language)}
    assert {comment for comment in same if "sigmoid(" not in comment} == set()
    assert not re.search(
        r"\b(the|with|and|which)\b", re.sub(r"```.*?```", "", text(language), flags=re.DOTALL)
    )
