"""Pictures of figures, drawn with matplotlib: each takes what it shows and gives its axes.

Answers for gathering them under one name, ``limpide.plots``. Not for: the report, which draws its
own (``limpide.reporting``), nor for the figures. Needs ``pip install 'limpide[plot]'``.
"""

from __future__ import annotations

from limpide.plots.classes import calibration, confusion, precision_recall, roc
from limpide.plots.columns import importance, partial_dependence
from limpide.plots.numbers import history, residuals

__all__ = [
    "calibration",
    "confusion",
    "history",
    "importance",
    "partial_dependence",
    "precision_recall",
    "residuals",
    "roc",
]
