"""Every example in a docstring of limpide runs and gives what it shows."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import limpide

# Command lines that would run when imported.
NAMES = sorted(
    module.name
    for module in pkgutil.walk_packages(limpide.__path__, "limpide.")
    if not module.name.endswith("__main__")
)


@pytest.mark.parametrize("name", ["limpide", *NAMES])
def test_examples_of(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0, f"{result.failed} of {result.attempted} examples in {name} fail"


def test_there_are_examples() -> None:
    finder = doctest.DocTestFinder(exclude_empty=True)
    modules = [importlib.import_module(name) for name in NAMES]
    assert sum(bool(test.examples) for m in modules for test in finder.find(m)) > 30
