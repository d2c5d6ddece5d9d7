"""Figures that say how good predictions are: classification and regression, in NumPy.

Answers for gathering them under one name, ``limpide.metrics``.
Not for: the figures themselves (classification, regression) or what they accept (inputs).
"""

from __future__ import annotations

from limpide.metrics.classification import (
    accuracy,
    auc,
    auc_ovr,
    classification_figures,
    confusion_matrix,
    log_loss,
)
from limpide.metrics.regression import mae, r2, regression_figures, rmse

__all__ = [
    "accuracy",
    "auc",
    "auc_ovr",
    "classification_figures",
    "confusion_matrix",
    "log_loss",
    "mae",
    "r2",
    "regression_figures",
    "rmse",
]
