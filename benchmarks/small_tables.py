"""lp.train with no option but the target on small tables, beside its peers from scikit-learn.

    python benchmarks/small_tables.py [part of a name …]

Answers for the figures of the defaults on rows that training never saw: accuracy, or R² for
numbers; a third of the rows of each table, drawn by seed. Not for: speed, nor for Spambase
(``table_folds.py``).
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable, Iterator

import numpy as np
from sklearn import datasets
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import limpide as lp
from limpide.metrics import regression_figures

Rows = tuple[np.ndarray, np.ndarray]
Table = tuple[str, bool, np.ndarray, np.ndarray]  # name, whether classes, X, y

KNOWN = ("iris", "wine", "breast_cancer", "digits", "diabetes")


def tables() -> Iterator[Table]:
    """Yield the tables, each made anew by one seed."""
    for name, kind in (("spiral", 1), ("circle", 1), ("xor", 1), ("gaussians", 0), ("plane", 0)):
        made = getattr(lp.datasets, name)(500, seed=1)
        yield name, bool(kind), np.asarray(made.X), np.asarray(made.y)
    random = np.random.default_rng(0)
    x = random.uniform(-6, 6, (1200, 1))
    yield "sin 2t", False, x, np.sin(2 * x[:, 0]) + random.normal(0, 0.1, 1200)
    X, y = datasets.make_moons(1500, noise=0.2, random_state=0)
    yield "moons", True, X, y
    X = random.normal(size=(12_000, 10))
    yield "interactions", True, X, (X[:, 0] * X[:, 1] + X[:, 2] * X[:, 3] > 0) * 1
    X = random.normal(size=(150, 5))
    yield "1000 x0, 100 rows", False, X, 1000 * X[:, 0] + random.normal(0, 30, 150)
    X = random.exponential(size=(600, 3))
    yield "1000 x0, exponential", False, X, 1000 * X[:, 0] + random.normal(0, 30, 600)
    for rows, columns in ((90, 10), (300, 30), (1500, 20), (6000, 20), (750, 3), (20_000, 12)):
        X = random.normal(size=(rows, columns))
        noisy = X[:, 0] + X[:, 1] + random.normal(0, 1, rows)
        yield f"noisy {rows} x {columns}", True, X, (noisy > 0) * 1
        yield f"noisy {rows} x {columns}", False, X, noisy
    X = random.normal(size=(12_000, 8))
    strength = X[:, 0] * X[:, 1] * X[:, 2] + X[:, 3] * X[:, 4] + random.normal(0, 0.3, 12_000)
    yield "interactions of three", True, X, (strength > 0) * 1
    X, y = datasets.make_friedman1(1500, noise=1, random_state=0)
    yield "friedman 1", False, X, y
    for name in KNOWN:
        X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
        yield name, name != "diabetes", X, y


def limpide_model(classes: bool, train: Rows, X: np.ndarray) -> np.ndarray:
    """Give the predictions of a model with no option but the target and its kind."""
    X_train, y = train
    data = {f"f{i}": column for i, column in enumerate(X_train.T)}
    labels = [str(int(label)) for label in y] if classes else y
    model = lp.train(data | {"target": labels}, "target", task="auto" if classes else "regression")
    found = model.predict({f"f{i}": column for i, column in enumerate(X.T)})
    return found.astype(float)


def standardised(classifier: Callable[[], object], regressor: Callable[[], object]) -> Callable:
    """Give the same for a pair of scikit-learn models on standardised columns."""

    def run(classes: bool, train: Rows, X: np.ndarray) -> np.ndarray:
        X_train, y = train
        pipeline = make_pipeline(StandardScaler(), classifier() if classes else regressor())
        if classes:
            return pipeline.fit(X_train, y).predict(X)
        centre, scale = y.mean(), y.std()
        return pipeline.fit(X_train, (y - centre) / scale).predict(X) * scale + centre

    return run


PEERS = {
    "linear": standardised(lambda: LogisticRegression(max_iter=2000), LinearRegression),
    "MLP": standardised(
        lambda: MLPClassifier(max_iter=500, random_state=0),
        lambda: MLPRegressor(max_iter=500, random_state=0),
    ),
    "boosting": standardised(
        lambda: HistGradientBoostingClassifier(random_state=0),
        lambda: HistGradientBoostingRegressor(random_state=0),
    ),
}


def figure(peer: Callable, table: Table) -> tuple[float, float]:
    """Give the accuracy or R² on a third of the rows, and the seconds."""
    _, classes, X, y = table
    order = np.random.default_rng(7).permutation(len(y))
    held, kept = order[: len(y) // 3], order[len(y) // 3 :]
    began = time.perf_counter()
    found = peer(classes, (X[kept], y[kept]), X[held])
    seconds = time.perf_counter() - began
    right = float(np.mean(found == y[held])) if classes else 0.0
    return right if classes else float(regression_figures(y[held], found)["r2"] or 0), seconds


def main() -> None:
    """Print the table."""
    warnings.simplefilter("ignore")
    names = ["limpide", *PEERS]
    print(f"{'table':<24}{'':<6}" + "".join(f"{n:>10}" for n in names) + f"{'seconds':>10}")
    for table in tables():
        if sys.argv[1:] and not any(part in table[0] for part in sys.argv[1:]):
            continue
        found, seconds = figure(limpide_model, table)
        row = [found, *(figure(peer, table)[0] for peer in PEERS.values())]
        kind = "class" if table[1] else "R²"
        print(f"{table[0]:<24}{kind:<6}" + "".join(f"{f:>10.3f}" for f in row), end="")
        print(f"{seconds:>10.2f}", flush=True)


if __name__ == "__main__":
    main()
