"""What the figures are called, and how each is read.

Answers for the words. Not for: which figures there are, and working them out
(``limpide.metrics.figures``).
"""

from __future__ import annotations

from limpide.languages import Words


def title(name: str, words: Words) -> str:
    """Give a figure's name for people.

    >>> title("log_loss", Words("en"))
    'log loss'
    """
    say = words.say
    return {
        "accuracy": say("accuracy"),
        "auc": say("AUC"),
        "log_loss": say("log loss"),
        "balanced_accuracy": say("balanced accuracy"),
        "f1_macro": say("F1, macro"),
        "average_precision": say("average precision"),
        "brier": say("Brier score"),
        "calibration_error": say("calibration error"),
        "rmse": "RMSE",
        "mae": "MAE",
        "r2": "R²",
        "median_absolute_error": say("median error"),
    }[name]


def meaning(name: str, words: Words) -> str:
    """Say how to read a figure.

    >>> meaning("mae", Words("en"))
    'mean absolute error'
    """
    say = words.say
    return {
        "accuracy": say("the share of rows answered right"),
        "auc": say("how well classes are told apart: 1 is perfect, 0.5 is guessing"),
        "log_loss": say("0 is perfect; confident mistakes cost most"),
        "balanced_accuracy": say(
            "the mean of each class's share answered right, rare ones counting as much"
        ),
        "f1_macro": say("precision and recall in one, the mean over classes: 1 is perfect"),
        "average_precision": say(
            "precision over all thresholds: 1 is perfect, the class's share is guessing"
        ),
        "brier": say("mean squared error of the probabilities: 0 is perfect"),
        "calibration_error": say(
            "how far probabilities are from what comes true, on average: 0 is perfect"
        ),
        "rmse": say("root of the mean squared error: large errors count more"),
        "mae": say("mean absolute error"),
        "r2": say("1 is perfect, 0 is as good as always answering the mean"),
        "median_absolute_error": say("half of the errors are smaller"),
    }[name]
