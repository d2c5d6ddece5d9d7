"""What each part of the default network for a table gains: the same tables without it.

    python benchmarks/table_parts.py [--folder ../shared/data] [--folds 2] [--only PART] [--page]

Takes one part of the recipe away at a time, or adds one that was tried and not kept, and gives by
how many percent the loss on rows held out changes, as the mean of the logarithms of the ratios over
the folds of a table: above 0 the part pays.
Answers for the table of parts in README.md. Not for: other libraries (``table_folds.py``).
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import polars as pl
from bench_tables import TARGET, Rows, tables
from measure import machine
from sklearn.model_selection import KFold, StratifiedKFold

import limpide as lp
from limpide import learning, members, recipe
from limpide.layers import Layer, ParameterSpec
from limpide.ops import concatenate, cos, log, sin
from limpide.schedules import Schedule
from limpide.tables import scales


@dataclass(frozen=True)
class FeatureScale(Layer):
    """A factor for each input, which is learned. Source: arXiv 2407.04491 (RealMLP)."""

    def parameters(self, inputs: int) -> dict[str, ParameterSpec]:
        return {"scale": ParameterSpec((inputs,), lp.uniform(1.0, 1.0))}

    def forward(self, params: Any, state: Any, x: Any, training: Any) -> Any:
        return x * params["scale"], {}


@dataclass(frozen=True)
class Periodic(Layer):
    """Each input and sines and cosines of it, at 4 frequencies that are learned.

    Source: Gorishniy, Rubachev, Babenko, arXiv 2203.05556.
    """

    def outputs(self, inputs: int) -> int:
        return 9 * inputs

    def parameters(self, inputs: int) -> dict[str, ParameterSpec]:
        return {"frequencies": ParameterSpec((4, inputs), lp.normal(std=1.0))}

    def forward(self, params: Any, state: Any, x: Any, training: Any) -> Any:
        angles = [x * params["frequencies"][i] * (2 * math.pi) for i in range(4)]
        waves = [f(angle) for angle in angles for f in (sin, cos)]
        return concatenate([x, *waves], axis=1), {}


@dataclass(frozen=True)
class CosLog(Schedule):
    """Four waves that get longer and longer. Source: arXiv 2407.04491 (RealMLP)."""

    learning_rate: float

    def rate(self, step: Any, total: Any, scalars: Any) -> Any:
        wave = cos(log(step / total * 15 + 1) * (2 * math.pi / math.log(2)))
        return scalars["learning_rate"] * (1 - wave) * 0.5


def _drawn(spec: ParameterSpec) -> ParameterSpec:
    return ParameterSpec(spec.shape, lp.normal(std=1.0))


def neural_tangent(rate: float) -> Any:
    """Give a patch to weights drawn with deviation 1 and divided by √inputs where they are used.

    Source: Jacot, Gabriel, Hongler, arXiv 1806.07572; RealMLP takes a rate of 0.04 with it.
    """
    stack = ExitStack()
    stack.enter_context(ensemble(learning_rate=rate))
    first, others = members.MemberInput, members.MemberDense
    for kind in (first, others):
        given = kind.parameters
        drawn = lambda self, inputs, given=given: {  # noqa: E731
            name: _drawn(spec) if name == "weights" else spec
            for name, spec in given(self, inputs).items()
        }
        stack.enter_context(patch.object(kind, "parameters", drawn))

    def scaled(params: Any) -> dict[str, Any]:
        weights = params["weights"]
        return {**params, "weights": weights * (1 / math.sqrt(weights.shape[-2]))}

    forward, sums = first.forward, others.sums
    stack.enter_context(
        patch.object(first, "forward", lambda self, p, *rest: forward(self, scaled(p), *rest))
    )
    stack.enter_context(patch.object(others, "sums", lambda self, p, x: sums(self, scaled(p), x)))
    return stack


def ensemble(firmer: float = 1.0, **changed: Any) -> Any:
    """Give a patch of the default's numbers, the weight decay times ``firmer``."""
    of = recipe._ENSEMBLES["default"]
    own = {name: value for name, value in changed.items() if hasattr(of, name)}
    rest = {name: value for name, value in changed.items() if name not in own}
    kinds = {
        name: replace(kind, weight_decay=firmer * kind.weight_decay, **rest)
        for name, kind in (("classes", of.classes), ("numbers", of.numbers))
    }
    return patch.dict(recipe._ENSEMBLES, {"default": replace(of, **kinds, **own)})


def in_front(layer: Layer) -> Any:
    """Give a patch that puts a layer between the columns and the members."""
    given = recipe._dense
    return patch.object(recipe, "_dense", lambda *a: [layer, *given(*a)])


PARTS: dict[str, Callable[[], Any]] = {
    "one network": lambda: ensemble(3.0, members=1),
    "members of one decay": lambda: patch.object(recipe, "_SPREAD", (3.0,)),
    "no stretches": lambda: ensemble(stretches=0),
    "no spikes": lambda: patch.object(scales, "_SPIKE_SHARE", 1.0),
    "standard scaling": ExitStack,
    "no best epoch": lambda: patch.object(learning, "FEW_TO_JUDGE", 0),
    "an even rate": lambda: patch.object(learning, "Cosine", float),
    "no dropout": lambda: ensemble(dropout=0.0),
    "one hidden layer": lambda: ensemble(hidden=(64,)),
    "added: twice the stretches": lambda: ensemble(stretches=512),
    "added: dropout of inputs, 0.1": lambda: ensemble(input_dropout=0.1),
    "added: a scale a feature": lambda: in_front(FeatureScale(name="scales")),
    "added: periodic features": lambda: in_front(Periodic(name="waves")),
    "added: coslog": lambda: patch.object(learning, "Cosine", CosLog),
    "added: NTK parametrisation": lambda: neural_tangent(0.04),
    "added: 16 members": lambda: ensemble(members=16),
}


def folds(rows: Rows, count: int) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
    """Yield the first of five folds: rows to train on, rows held out."""
    y = rows.frame[TARGET].to_numpy()
    kind = KFold if rows.task == "regression" else StratifiedKFold
    split = kind(5, shuffle=True, random_state=0).split(np.zeros(len(y)), y)
    for (train, test), _ in zip(split, range(count), strict=False):
        yield rows.frame[train], rows.frame[test]


def loss(rows: Rows, train: pl.DataFrame, test: pl.DataFrame, scaling: str) -> float:
    """Give the log loss on rows held out, or the RMSE over the deviation."""
    model = lp.train(train, TARGET, task=rows.task, validation=0, scaling=scaling, progress=False)
    y, X = test[TARGET].to_numpy(), test.drop(TARGET)
    if rows.task == "regression":
        return float(np.sqrt(np.mean((model.predict(X) - y) ** 2)) / y.std())
    places = {label: i for i, label in enumerate(model.classes.tolist())}
    p = model.predict_proba(X)[np.arange(len(y)), [places[label] for label in y.tolist()]]
    return float(-np.log(np.clip(p, 1e-15, 1)).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="holds Spambase")
    parser.add_argument("--folds", type=int, default=2, help="of five")
    parser.add_argument("--only", action="append", choices=list(PARTS))
    parser.add_argument("--page", action="store_true", help="print a table for a page")
    chosen = parser.parse_args()
    # Up to 200 rows another recipe is taken, and MNIST takes long.
    taken = [r for r in tables(chosen.folder) if r.frame.height > 250 and "mnist" not in r.name]
    names = [rows.name for rows in taken]
    cut = [(rows, list(folds(rows, chosen.folds))) for rows in taken]
    edge, between = ("| ", " | ") if chosen.page else ("", "  ")
    print(machine())
    print(edge + between.join(["part", "mean", "time", *names]), flush=True)
    whole: list[list[float]] = []
    seconds = 0.0
    for part in ["", *(chosen.only or PARTS)]:
        scaling = "standard" if part == "standard scaling" else "robust"
        began = time.perf_counter()
        with ExitStack() as stack:
            if part:
                stack.enter_context(PARTS[part]())
            found = [[loss(rows, *fold, scaling) for fold in some] for rows, some in cut]
        spent = time.perf_counter() - began
        if not part:
            whole, seconds = found, spent
            cells = [f"{np.mean(losses):.4f}" for losses in found]
            print(edge + between.join(["all parts: the loss", "–", "1", *cells]), flush=True)
            continue
        changes = [
            100 * float(np.mean(np.log(np.array(a) / b))) for a, b in zip(found, whole, strict=True)
        ]
        cells = [f"{change:+.1f}" for change in (float(np.mean(changes)), *changes)]
        print(
            edge + between.join([part, cells[0], f"{spent / seconds:.1f}", *cells[1:]]), flush=True
        )


if __name__ == "__main__":
    main()
