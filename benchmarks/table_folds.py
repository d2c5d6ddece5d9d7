"""limpide with no option beside its peers on tables: five folds each, figures and fit times.

    python benchmarks/table_folds.py [--folder ../shared/data] [--only NAME] [--peer NAME] [--page]

Gives the log loss on rows held out (for numbers the RMSE over the deviation), the seconds of a fit,
and the mean rank beside all others. Peers that are not installed are left out: scikit-learn's MLP,
logistic or linear regression and gradient boosting, CatBoost, LightGBM, XGBoost, each with its
defaults and with the preprocessing that its documentation asks for.
Answers for how good the defaults are. Not for: the tables (``bench_tables.py``), nor for speed.
"""

from __future__ import annotations

import argparse
import importlib.util
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
from bench_tables import TARGET, Rows, tables
from measure import machine
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import limpide as lp

FOLDS = 5
Model = Callable[[str, list[str]], Any]  # from a task and the columns of categories


def limpide(preset: str) -> Model:
    def make(task: str, categories: list[str]) -> Any:
        kind = lp.Regressor if task == "regression" else lp.Classifier
        return kind(preset=preset, random_state=0)

    return make


def dense(classifier: Any, regressor: Any) -> Model:
    """Give a model behind scaling, filling in and one-hot codes; y of a regression is scaled."""

    def make(task: str, categories: list[str]) -> Any:
        columns = make_column_transformer(
            (
                make_pipeline(SimpleImputer(), StandardScaler()),
                make_column_selector(dtype_include="number"),
            ),
            (
                make_pipeline(
                    SimpleImputer(strategy="most_frequent"),
                    OneHotEncoder(handle_unknown="ignore", sparse_output=False),
                ),
                make_column_selector(dtype_exclude="number"),
            ),
        )
        return make_pipeline(columns, regressor() if task == "regression" else classifier())

    return make


def boosting(task: str, categories: list[str]) -> Any:
    regression = task == "regression"
    kind = HistGradientBoostingRegressor if regression else HistGradientBoostingClassifier
    return kind(categorical_features="from_dtype", random_state=0)


def catboost(task: str, categories: list[str]) -> Any:
    from catboost import CatBoostClassifier, CatBoostRegressor

    kind = CatBoostRegressor if task == "regression" else CatBoostClassifier
    return kind(
        verbose=0, random_seed=0, thread_count=2, cat_features=categories, allow_writing_files=False
    )


def lightgbm(task: str, categories: list[str]) -> Any:
    from lightgbm import LGBMClassifier, LGBMRegressor

    kind = LGBMRegressor if task == "regression" else LGBMClassifier
    return kind(verbose=-1, random_state=0, n_jobs=2)


def xgboost(task: str, categories: list[str]) -> Any:
    from xgboost import XGBClassifier, XGBRegressor

    kind = XGBRegressor if task == "regression" else XGBClassifier
    return kind(enable_categorical=True, random_state=0, n_jobs=2)


MODELS: dict[str, Model] = {
    "limpide": limpide("default"),
    "limpide, strong": limpide("strong"),
    "MLP": dense(
        lambda: MLPClassifier(random_state=0, max_iter=500),
        lambda: MLPRegressor(random_state=0, max_iter=500),
    ),
    "linear": dense(lambda: LogisticRegression(max_iter=2000), LinearRegression),
    "HistGradientBoosting": boosting,
    "CatBoost": catboost,
    "LightGBM": lightgbm,
    "XGBoost": xgboost,
}
MODULES = {"CatBoost": "catboost", "LightGBM": "lightgbm", "XGBoost": "xgboost"}


def framed(rows: Rows) -> tuple[pd.DataFrame, np.ndarray, list[str]]:
    """Give X with columns of categories as pandas' own, y, and the names of those columns.

    Columns are renamed c0, c1, …: LightGBM refuses some names.
    """
    frame = rows.frame.to_pandas()
    y = frame.pop(TARGET).to_numpy()
    frame.columns = [f"c{i}" for i in range(frame.shape[1])]
    names = [name for name in frame if frame[name].dtype.kind not in "iufb"]
    for name in names:
        frame[name] = frame[name].astype("category")
    return frame, y, names


@dataclass
class Found:
    """What one program showed on one table, a number a fold."""

    losses: list[float] = field(default_factory=list)
    areas: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    @property
    def loss(self) -> float:
        return float(np.mean(self.losses))

    def cell(self) -> str:
        area = f", {np.mean(self.areas):.4f}" if self.areas else ""
        return f"{self.loss:.4f}{area} ({median(self.seconds):.2f} s)"


def figures(rows: Rows, names: list[str]) -> list[Found]:
    """Give what each program shows; they take turns, fold by fold."""
    X, y, categories = framed(rows)
    worded = X.copy()
    for column in categories:  # CatBoost's
        worded[column] = X[column].astype(object).where(X[column].notna(), "missing").astype(str)
    regression = rows.task == "regression"
    if not regression:
        y = np.unique(y, return_inverse=True)[1]
    splitter = (KFold if regression else StratifiedKFold)(FOLDS, shuffle=True, random_state=0)
    found = [Found() for _ in names]
    for train, test in splitter.split(X, y):
        for name, figure in zip(names, found, strict=True):
            own = worded if name == "CatBoost" else X
            model = MODELS[name](rows.task, categories)
            # scikit-learn's MLP minds the scale of a regression's target; the others do not.
            scaled = regression and name == "MLP"
            centre, scale = (y[train].mean(), y[train].std()) if scaled else (0.0, 1.0)
            began = time.perf_counter()
            model.fit(own.iloc[train], (y[train] - centre) / scale if scaled else y[train])
            figure.seconds.append(time.perf_counter() - began)
            if regression:
                error = model.predict(own.iloc[test]) * scale + centre - y[test]
                figure.losses.append(np.sqrt(np.mean(error**2)) / y[test].std())
                continue
            p = model.predict_proba(own.iloc[test])
            sure = np.clip(p[np.arange(len(test)), y[test]], 1e-15, 1)
            figure.losses.append(-np.log(sure).mean())
            if rows.task == "binary":
                figure.areas.append(roc_auc_score(y[test], p[:, 1]))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="holds Spambase and MNIST's test images")
    parser.add_argument("--only", action="append", help="a table, as spambase")
    parser.add_argument("--peer", action="append", choices=list(MODELS))
    parser.add_argument("--page", action="store_true", help="print a table for a page")
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    names = [
        name
        for name in chosen.peer or MODELS
        if name not in MODULES or importlib.util.find_spec(MODULES[name])
    ]
    print(machine())
    edge, between = ("| ", " | ") if chosen.page else ("", "  ")
    print(edge + between.join(["table, rows, columns", *names]), flush=True)
    ranks: dict[bool, list[list[int]]] = {True: [], False: []}
    for rows in tables(chosen.folder):
        if chosen.only and rows.name not in chosen.only:
            continue
        found = figures(rows, names)
        order = np.argsort(np.argsort([figure.loss for figure in found])) + 1
        ranks[rows.is_mixed].append(order.tolist())
        cells = [f"{rows.name}, {rows.frame.height:,}, {rows.frame.width - 1}"]
        cells += [figure.cell() for figure in found]
        print(edge + between.join(cells), flush=True)
    for title, taken in (
        ("mean rank, all", [*ranks[True], *ranks[False]]),
        ("mean rank, with categories or skew", ranks[True]),
    ):
        if taken:
            means = [f"{rank:.2f}" for rank in np.mean(taken, axis=0)]
            print(edge + between.join([title, *means]))


if __name__ == "__main__":
    main()
