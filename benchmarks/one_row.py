"""One row through ``Classifier.predict_proba`` beside a scaler and scikit-learn's MLP.

    python benchmarks/one_row.py

Asked: at least 5 times as fast, preprocessing included. The programs take turns, a sample is the
best of some calls. Answers for the time of a call from Python. Not for: training.
"""

from __future__ import annotations

import timeit
import warnings

import numpy as np
from measure import describe, machine
from sklearn.datasets import make_classification
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import limpide as lp

PAIRS, CALLS = 15, 300
ASKED = 5.0


def microseconds(call) -> float:
    """Give the time of a call, the best of some hundred, in µs."""
    return min(timeit.repeat(call, number=1, repeat=CALLS)) * 1e6


def main() -> None:
    print(machine())
    for columns, classes in ((4, 3), (30, 2), (57, 2)):
        X, y = make_classification(
            1000, columns, n_informative=4, n_redundant=0, n_classes=classes, random_state=0
        )
        ours = lp.Classifier(epochs=5, random_state=0).fit(X, y)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # five epochs are no convergence
            theirs = make_pipeline(StandardScaler(), MLPClassifier(max_iter=5)).fit(X, y)
        row = X[:1].copy()
        assert np.array_equal(ours.predict_proba(row), ours.predict_proba(X)[:1])
        times = [
            (
                microseconds(lambda: ours.predict_proba(row)),  # noqa: B023
                microseconds(lambda: theirs.predict_proba(row)),  # noqa: B023
            )
            for _ in range(PAIRS)
        ]
        found = [other / own for own, other in times]
        print(
            f"{columns} columns, {classes} classes: {np.median([own for own, _ in times]):.1f} µs, "
            f"scikit-learn {np.median([other for _, other in times]):.1f} µs, "
            f"ratio {describe(found)} (asked: {ASKED:g})"
        )


if __name__ == "__main__":
    main()
