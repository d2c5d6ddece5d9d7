"""Spambase in five stratified folds: lp.train with no option but the target, beside its peers.

    python benchmarks/spambase_folds.py ../shared/data/spambase.csv

Answers for the figures of the defaults on rows that training never saw. Not for: speed.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator

import numpy as np
import polars as pl
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import limpide as lp
from limpide.metrics import classification_figures

TARGET = "spam"

Peer = Callable[[pl.DataFrame, pl.DataFrame], np.ndarray]


def limpide_model(train: pl.DataFrame, test: pl.DataFrame) -> np.ndarray:
    """Give the probabilities of a model with no option but the target."""
    return lp.train(train, TARGET).predict_proba(test.drop(TARGET))


def standardised(model: Callable[[], object]) -> Peer:
    """Give the same for a scikit-learn classifier on standardised columns."""

    def run(train: pl.DataFrame, test: pl.DataFrame) -> np.ndarray:
        pipeline = make_pipeline(StandardScaler(), model())
        pipeline.fit(train.drop(TARGET).to_numpy(), train[TARGET].to_numpy())
        return pipeline.predict_proba(test.drop(TARGET).to_numpy())

    return run


PEERS: dict[str, Peer] = {
    "limpide, lp.train": limpide_model,
    "logistic regression": standardised(lambda: LogisticRegression(max_iter=2000)),
    "MLPClassifier": standardised(lambda: MLPClassifier(max_iter=500, random_state=0)),
    "MLPClassifier, early stopping": standardised(
        lambda: MLPClassifier(early_stopping=True, random_state=0)
    ),
}


def folds(table: pl.DataFrame) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
    """Yield (training rows, the others) five times."""
    splitter = StratifiedKFold(5, shuffle=True, random_state=0)
    for train, test in splitter.split(np.zeros(table.height), table[TARGET].to_numpy()):
        yield table[train], table[test]


def figures(peer: Peer, table: pl.DataFrame) -> tuple[dict[str, float], float]:
    """Give the mean figures over the folds, and the mean seconds of a fit with its prediction."""
    found, began = [], time.perf_counter()
    for train, test in folds(table):
        found.append(classification_figures(test[TARGET].to_numpy(), peer(train, test)))
    seconds = (time.perf_counter() - began) / len(found)
    names = ("accuracy", "auc", "log_loss")
    return {name: float(np.mean([f[name] for f in found])) for name in names}, seconds


def main() -> None:
    """Print the table."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    table = pl.read_csv(sys.argv[1], infer_schema_length=None)
    print(f"{'model':<32}{'accuracy':>10}{'AUC':>10}{'log loss':>10}{'seconds':>10}")
    for name, peer in PEERS.items():
        found, seconds = figures(peer, table)
        row = "".join(f"{found[k]:>10.4f}" for k in ("accuracy", "auc", "log_loss"))
        print(f"{name:<32}{row}{seconds:>10.2f}", flush=True)


if __name__ == "__main__":
    main()
