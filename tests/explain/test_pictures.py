"""The pictures of the page on diagrams are what its script draws."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from drawings import parse

FOLDER = Path(__file__).parents[2] / "docs" / "pictures"
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")


def _script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("draw", FOLDER / "draw.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


DRAWN = _script().pictures()


def _same(a: str, b: str) -> bool:
    """Numbers may differ in their last bits, and coordinates by one step: processors round."""
    if "." in a and len(a.partition(".")[2]) == 1:
        return abs(float(a) - float(b)) < 0.11
    return float(a) == pytest.approx(float(b), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("name", DRAWN)
def test_a_picture_is_as_its_script_draws_it(name: str) -> None:
    kept = (FOLDER / name).read_text(encoding="utf-8").partition("\n")[2].rstrip("\n")
    before, after = (svg.replace(parse(svg).attrib["id"], "own") for svg in (kept, DRAWN[name].svg))
    said = "Run python docs/pictures/draw.py."
    assert NUMBER.sub("0", before) == NUMBER.sub("0", after), said
    pairs = zip(NUMBER.findall(before), NUMBER.findall(after), strict=True)
    assert [pair for pair in pairs if not _same(*pair)] == [], said


def test_no_picture_is_forgotten() -> None:
    page = (FOLDER.parent / "diagrams.md").read_text(encoding="utf-8")
    assert {p.name for p in FOLDER.glob("*.svg")} == set(DRAWN)
    assert all(f"(pictures/{name})" in page for name in DRAWN)
