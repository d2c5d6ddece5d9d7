"""What each column of a table does to a model's predictions.

Answers for gathering importance and partial dependence under one name. Not for: the numbers
themselves (the modules beside), nor for why a single row is answered as it is.
"""

from __future__ import annotations

from limpide.effects.dependence import PartialDependence, partial_dependence
from limpide.effects.importance import Importance, permutation_importance

__all__ = [
    "Importance",
    "PartialDependence",
    "partial_dependence",
    "permutation_importance",
]
