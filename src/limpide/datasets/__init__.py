"""Small data sets: made by formula, typed in, or fetched once from their public home.

Answers for gathering them under one name, ``limpide.datasets``.
Not for: reading a user's own table (limpide.tables).
"""

from __future__ import annotations

from limpide.datasets.classic import circle, gauss, gaussians, plane, spiral, xor
from limpide.datasets.dataset import Dataset
from limpide.datasets.fetching import download, spambase
from limpide.datasets.tiny import people, xor_table

__all__ = [
    "Dataset",
    "circle",
    "download",
    "gauss",
    "gaussians",
    "people",
    "plane",
    "spambase",
    "spiral",
    "xor",
    "xor_table",
]
