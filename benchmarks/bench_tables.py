"""Tables to measure with: real ones that installed packages or a folder bring, and made ones.

Answers for the rows, each table made anew by one seed, and for its task. Not for: models.
"""

from __future__ import annotations

import gzip
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from sklearn import datasets

TARGET = "target"


@dataclass(frozen=True)
class Rows:
    """A table with its name, its task and whether it holds categories or skewed numbers."""

    name: str
    task: str
    frame: pl.DataFrame
    is_mixed: bool = False


def tables(folder: Path | None = None) -> Iterator[Rows]:
    """Yield all tables; ``folder`` holds Spambase and MNIST's test images, if given."""
    if folder is not None:
        yield spambase(folder)
    for name in ("breast_cancer", "wine", "digits", "iris"):
        X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
        yield Rows(name, "binary" if y.max() == 1 else "multiclass", numbers(X, y))
    X, y = datasets.load_diabetes(return_X_y=True)
    yield Rows("diabetes", "regression", numbers(X, y))
    if folder is not None:
        yield mnist(folder)
    yield from (clients(), prices(), claims(), failures(), sensors(), friedman())


def numbers(X: np.ndarray, y: np.ndarray) -> pl.DataFrame:
    """Give a frame of numbered columns and the target."""
    return pl.DataFrame({f"x{i}": column for i, column in enumerate(X.T)} | {TARGET: y})


def spambase(folder: Path) -> Rows:
    frame = pl.read_csv(folder / "spambase.csv", infer_schema_length=None)
    return Rows("spambase", "binary", frame.rename({frame.columns[-1]: TARGET}), True)


def _levels(random: np.random.Generator, n: int, levels: int, prefix: str) -> tuple:
    """Draw categories with frequencies that fall as 1/rank; give the codes and the words."""
    share = 1 / np.arange(1, levels + 1)
    codes = random.choice(levels, n, p=share / share.sum())
    words = np.array([f"{prefix}{i:03d}" for i in range(levels)], dtype=object)
    return codes, words[codes]


def _hidden(random: np.random.Generator, column: np.ndarray, share: float) -> pl.Series:
    """Give the column with some cells missing."""
    gone = random.random(len(column)) < share
    return pl.Series([None if g else v for g, v in zip(gone, column.tolist(), strict=True)])


def clients(n: int = 12_000) -> Rows:
    """Who leaves: categories of many sizes, amounts with long tails, gaps that tell something."""
    r = np.random.default_rng(11)
    town, towns = _levels(r, n, 150, "town")
    job, jobs = _levels(r, n, 20, "job")
    plan, plans = _levels(r, n, 4, "plan")
    income = np.exp(r.normal(8, 0.8, n) + r.normal(0, 0.3, 20)[job])
    months = r.integers(0, 120, n)
    calls = r.poisson(r.gamma(0.6, 3, n))
    debt = np.where(r.random(n) < 0.6, 0.0, np.exp(r.normal(6, 1.5, n)))
    age = np.clip(r.normal(45, 16, n), 18, 95)
    z = (
        r.normal(0, 0.8, 150)[town]
        + r.normal(0, 0.6, 20)[job]
        + np.array([0.8, -0.2, -0.7, 0.3])[plan] * np.where(months < 12, 1.5, 0.6)
        - 0.6 * (np.log(income) - 8)
        + 0.35 * np.sqrt(calls)
        + 0.9 * (debt > 0.3 * income)
        - 0.012 * months
        + 0.8 * ((age > 60) & (plan == 0))
    )
    told = np.where(r.random(n) < 1 / (1 + np.exp(z)), 0.05, 0.25)
    gone = r.random(n) < told
    left = (r.random(n) < 1 / (1 + np.exp(-(z - 0.6)))).astype(int)
    frame = pl.DataFrame(
        {
            "town": towns.astype(str),
            "job": _hidden(r, jobs, 0.05),
            "plan": plans.astype(str),
            "income": np.where(gone, np.nan, income),
            "months": months,
            "calls": calls,
            "debt": debt,
            "age": _hidden(r, age.round(), 0.08),
            TARGET: np.where(left == 1, "leaves", "stays").astype(str),
        },
        strict=False,
    )
    return Rows("clients", "binary", frame, True)


def prices(n: int = 8_000) -> Rows:
    """What houses cost: a skewed target, districts, areas, years, gaps."""
    r = np.random.default_rng(12)
    district, districts = _levels(r, n, 60, "d")
    kind, kinds = _levels(r, n, 5, "kind")
    area = np.exp(r.normal(4.5, 0.45, n))
    year = r.integers(1900, 2024, n)
    rooms = np.clip(np.round(area / 28 + r.normal(0, 0.8, n)), 1, 12)
    far = np.exp(r.normal(1.5, 0.9, n))
    log = (
        r.normal(0, 0.35, 60)[district]
        + r.normal(0, 0.2, 5)[kind]
        + 0.85 * np.log(area)
        + 0.15 * np.abs(year - 1960) / 60
        - 0.12 * np.log1p(far) * np.where(kind == 0, 1.6, 0.7)
        + 0.1 * (rooms > 5)
        + 0.15 * r.standard_t(4, n)
    )
    frame = pl.DataFrame(
        {
            "district": districts.astype(str),
            "kind": kinds.astype(str),
            "area": _hidden(r, area, 0.03),
            "year": _hidden(r, year, 0.1),
            "rooms": rooms,
            "far": far,
            "noise": r.normal(0, 1, n),
            TARGET: np.exp(log + 7),
        },
        strict=False,
    )
    return Rows("prices", "regression", frame, True)


def claims(n: int = 9_000) -> Rows:
    """Which of four kinds: crossed categories, counts, heavy tails."""
    r = np.random.default_rng(13)
    make, makes = _levels(r, n, 40, "make")
    use, uses = _levels(r, n, 6, "use")
    power = np.exp(r.normal(4.6, 0.4, n))
    age = r.integers(0, 25, n)
    cost = np.exp(r.normal(7, 1.6, n))
    crossed = r.normal(0, 0.9, (40, 6, 4))[make, use]
    z = crossed + r.normal(0, 0.7, (40, 4))[make]
    z[:, 0] += 0.8 * (np.log(power) - 4.6) * 2
    z[:, 1] += 0.1 * (age - 10) + 0.5 * (cost > 3000)
    z[:, 2] += np.where(age < 3, 1.2, -0.2)
    z[:, 3] += 0.5 * np.log(cost / 1100)
    z += r.gumbel(0, 1, (n, 4))
    frame = pl.DataFrame(
        {
            "make": makes.astype(str),
            "use": uses.astype(str),
            "power": power,
            "age": age,
            "cost": _hidden(r, cost, 0.15),
            TARGET: np.array(["glass", "theft", "fire", "crash"])[z.argmax(1)],
        },
        strict=False,
    )
    return Rows("claims", "multiclass", frame, True)


def failures(n: int = 20_000) -> Rows:
    """A rare event (about one in twenty) behind thresholds, among long tails."""
    r = np.random.default_rng(14)
    X = np.exp(r.normal(0, 1.2, (n, 12))) * np.exp(r.normal(0, 3, 12))
    Q = X.argsort(0).argsort(0) / n
    z = 3.0 * (Q[:, 0] > 0.9) + 2.5 * ((Q[:, 1] > 0.7) & (Q[:, 2] < 0.3)) + 2.0 * Q[:, 3] ** 4
    z += 1.5 * (np.abs(Q[:, 4] - 0.5) > 0.4)
    y = (r.random(n) < 1 / (1 + np.exp(-(z - 4.6)))).astype(int)
    X[r.random(X.shape) < 0.04] = np.nan
    return Rows("failures", "binary", numbers(X, y), True)


def sensors(n: int = 6_000) -> Rows:
    """A place on a map and a time: what is there is patchy."""
    r = np.random.default_rng(15)
    east, north = r.uniform(0, 10, n), r.uniform(0, 10, n)
    hour = r.integers(0, 24, n)
    centres, strengths = r.uniform(0, 10, (25, 2)), r.normal(0, 3, 25)
    near = np.exp(-((east[:, None] - centres[:, 0]) ** 2 + (north[:, None] - centres[:, 1]) ** 2))
    y = near @ strengths + np.where((hour > 7) & (hour < 20), 1.0, -1.0) * (east > 5)
    y += r.normal(0, 0.3, n)
    X = np.stack([east, north, hour, r.normal(size=n)], 1)
    return Rows("sensors", "regression", numbers(X, y))


def friedman() -> Rows:
    X, y = datasets.make_friedman1(3_000, noise=1, random_state=0)
    return Rows("friedman 1", "regression", numbers(X, y))


def mnist(folder: Path) -> Rows:
    """MNIST's test images, 28 × 28 numbers from 0 to 255 each."""
    with gzip.open(folder / "t10k-images-idx3-ubyte.gz") as file:
        _, n, high, wide = struct.unpack(">IIII", file.read(16))
        X = np.frombuffer(file.read(), np.uint8).reshape(n, high * wide)
    with gzip.open(folder / "t10k-labels-idx1-ubyte.gz") as file:
        y = np.frombuffer(file.read()[8:], np.uint8)
    return Rows("mnist, 10,000", "multiclass", numbers(X, y.astype(np.int64)))
