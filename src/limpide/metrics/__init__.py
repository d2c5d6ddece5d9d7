"""Figures that say how good predictions are: classification and regression, in NumPy.

Answers for gathering them under one name, ``limpide.metrics``.
Not for: the figures themselves (the modules beside) or what they accept (inputs).
"""

from __future__ import annotations

from limpide.metrics.classification import accuracy, auc, auc_ovr, confusion_matrix, log_loss
from limpide.metrics.curves import (
    PrecisionRecallCurve,
    RocCurve,
    average_precision,
    average_precision_ovr,
    precision_recall_curve,
    roc_curve,
)
from limpide.metrics.decisions import balanced_accuracy, f1, per_class, precision, recall
from limpide.metrics.figures import classification_figures, regression_figures
from limpide.metrics.probabilities import (
    CalibrationCurve,
    brier,
    calibration_curve,
    calibration_error,
)
from limpide.metrics.regression import error_quantiles, mae, median_absolute_error, r2, rmse
from limpide.metrics.resampling import Interval, bootstrap

__all__ = [
    "CalibrationCurve",
    "Interval",
    "PrecisionRecallCurve",
    "RocCurve",
    "accuracy",
    "auc",
    "auc_ovr",
    "average_precision",
    "average_precision_ovr",
    "balanced_accuracy",
    "bootstrap",
    "brier",
    "calibration_curve",
    "calibration_error",
    "classification_figures",
    "confusion_matrix",
    "error_quantiles",
    "f1",
    "log_loss",
    "mae",
    "median_absolute_error",
    "per_class",
    "precision",
    "precision_recall_curve",
    "r2",
    "recall",
    "regression_figures",
    "rmse",
    "roc_curve",
]
