"""The report of a model: one HTML file that needs no network, no script and no matplotlib.

Answers for writing it. Not for: what the terminal prints (``limpide.reports``), nor for plots on
matplotlib's axes (``limpide.plots``).
"""

from __future__ import annotations

import os
from typing import Any

from limpide.languages import Words
from limpide.reporting.page import page
from limpide.reporting.study import Study
from limpide.storage import atomic_write

__all__ = ["Study", "page", "write"]


def write(
    model: Any,
    study: Study | None,
    path: str | os.PathLike[str],
    model_file: str | os.PathLike[str] | None,
    overwrite: bool,
    words: Words,
) -> None:
    """Write a model's report in words of a language.

    Raises
    ------
    FileError
        It cannot be written; an existing file is as it was.
    """
    atomic_write(path, page(model, study, words, model_file).encode(), overwrite=overwrite)
