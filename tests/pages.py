"""Reading a report as a browser's parser and a screen reader would; the tables that tests use."""

from __future__ import annotations

import datetime
import itertools
from html.parser import HTMLParser

import numpy as np
import polars as pl

VOID = {"meta", "br", "hr", "col"}
EVIL = "<script>alert('x')</script>"


class Page(HTMLParser):
    """Everything that is in a page: its tags in order, with attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.parents: list[tuple[str, ...]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _ in attrs}) == len(attrs), f"an attribute twice in {tag}"
        self.tags.append((tag, dict(attrs)))
        self.parents.append(tuple(self.open))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> closes another"

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    def find(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def check(text: str, language: str = "en") -> Page:
    """Hold a page to what every report promises, in its language; give it parsed."""
    page = Page(text)
    names = [name for name, _ in page.tags]
    assert text.startswith("<!DOCTYPE html>")
    assert page.find("html") == [{"lang": language}]
    assert len(page.find("title")[0]) == 0
    assert {"script", "img", "link", "iframe", "object", "foreignobject"}.isdisjoint(names)
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))
    for name, attributes in page.tags:
        for key, value in attributes.items():
            assert not key.startswith("on"), f"{name} {key}"
            assert key not in ("src", "srcset", "xlink:href"), f"{name} {key}"
            if key == "href":
                assert value.startswith("#")
                assert value[1:] in ids
            if key in ("aria-labelledby", "aria-describedby"):
                assert set(value.split()) <= set(ids), f"{name} {key}={value}"
    assert "url(" not in text
    assert "@import" not in text
    assert "http" not in text.replace('xmlns="http://www.w3.org/2000/svg"', "").replace(
        '<meta http-equiv="Content-Security-Policy"', ""
    )
    levels = [int(n[1]) for n in names if n in ("h1", "h2", "h3", "h4", "h5", "h6")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    for th in page.find("th"):
        assert th.get("scope") in ("col", "row")
    _check_pictures(page)
    assert "nan" not in page.text.lower().split()
    return page


def _check_pictures(page: Page) -> None:
    for place, (name, attributes) in enumerate(page.tags):
        if name != "svg":
            continue
        assert attributes["role"] == "img"
        (first, title), (second, desc) = page.tags[place + 1 : place + 3]
        assert (first, second) == ("title", "desc")
        assert attributes["aria-labelledby"] == f"{title['id']} {desc['id']}"
    for name, attributes in page.tags:
        for key in ("x", "y", "cx", "cy", "width", "height", "d", "points"):
            value = (attributes.get(key) or "").lower()
            assert "nan" not in value, (name, key, value)
            assert "inf" not in value, (name, key, value)


def mixed(n: int = 240) -> pl.DataFrame:
    """Numbers, text, dates and gaps, and a class that hangs on two of them."""
    random = np.random.default_rng(0)
    size, city = random.normal(170, 10, n), random.choice(["Kyiv", "Lviv", "Paris"], n)
    start = datetime.date(2024, 1, 1)
    days = [start + datetime.timedelta(days=i) for i in range(n)]
    return pl.DataFrame(
        {
            "size": [None if i % 12 == 0 else float(v) for i, v in enumerate(size)],
            "city": [None if i % 30 == 7 else str(v) for i, v in enumerate(city)],
            "day": days,
            "ready": random.random(n) > 0.5,
            "label": np.where((size > 170) ^ (city == "Paris"), "yes", "no"),
        }
    )


def evil(n: int = 60) -> pl.DataFrame:
    """Names and cells that would be markup, if anybody let them."""
    random = np.random.default_rng(0)
    return pl.DataFrame(
        {
            EVIL: random.normal(size=n),
            "a\x00\u202eb\ud7ff": random.normal(size=n),
            "&amp;\"'": random.choice(["<b onclick=1>", "</style>", "]]>"], n),
            "</title>": random.choice(["--><svg onload=1>", "javascript:1"], n),
        }
    )


def every_kind(n: int = 60) -> pl.DataFrame:
    """One column of each kind that there is, and some that are hard to draw."""
    random = np.random.default_rng(0)
    start, minutes = datetime.datetime(2024, 1, 1), random.integers(0, 9999, n).tolist()
    first, last = datetime.date(1, 1, 1), datetime.date(9999, 12, 31)
    return pl.DataFrame(
        {
            "took": [datetime.timedelta(minutes=m) for m in minutes],
            "at": [datetime.time(m % 24, m % 60) for m in minutes],
            "stamp": [start + datetime.timedelta(hours=m) for m in minutes],
            "perhaps": [None if i % 5 == 0 else bool(i % 2) for i in range(n)],
            "nothing": [None] * n,
            "huge": random.normal(size=n) * 1e300,
            "tiny": random.normal(size=n) * 1e-300,
            "words": [f"word{i % 40}" for i in range(n)],
            "日本語": ["日本語の長い名前がここに" if i % 2 else "مرحبا" for i in range(n)],
            "ages": [first if i % 2 else last for i in range(n)],
        }
    )
