"""MODEL: the file that a command reads.

Answers for telling a model from a bare network. Not for: what a file may hold
(``limpide.storage``).
"""

from __future__ import annotations

from typing import Any

import limpide
from limpide.errors import ModelFileError


def loaded_model(path: str) -> Any:
    """Load the model of a table; a bare network knows no columns."""
    model = limpide.model.load(path)
    if not isinstance(model, limpide.model.Model):
        raise ModelFileError(
            f"{path!r} holds a bare network, without the columns of a table. Use it in Python "
            "(limpide.load), or train a model with limpide train."
        )
    return model
