"""Examining the data: what is wrong with columns and classes, whatever the network.

Answers for numbers that are not finite, scales, constant, repeated and leaking columns, and for
classes that a network overlooks. Not for: text or categories (``limpide.tables``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from limpide.explain.doctor.case import SEED, Case, Look, class_codes
from limpide.explain.doctor.findings import Finding
from limpide.explain.doctor.thresholds import limit
from limpide.ir import Array
from limpide.layers import Dense, Dropout
from limpide.members import MemberInput

_ROWS = 10_000  # by which columns are compared; a share of 1 in 1,000 shows in them
_SCREENED = 2048  # by which most columns are seen not to leak
_AFFINE_ROWS = 10  # from here on two columns lie on one line by chance no more


def unsound(case: Case) -> list[Finding]:
    """Find numbers in X and y that are not finite; NaN may pass where the network takes it."""
    findings = []
    missing = case.placed[0].layer.takes_missing
    for name, array in (("X", case.X), ("y", case.y.reshape(len(case.y), -1))):
        bad = np.isinf(array) if name == "X" and missing else ~np.isfinite(array)
        if not bad.any():
            continue
        row, column = np.argwhere(bad)[0].tolist()
        columns = np.flatnonzero(bad.any(axis=0)).tolist()
        named = case.column if name == "X" else "y{}".format
        figures = {
            "array": name,
            "count": int(bad.sum()),
            "rows": int(bad.any(axis=1).sum()),
            "first_row": row,
            "first_value": float(array[row, column]),
            "first_column": named(column),
        }
        where = {"columns": list(map(named, columns))}
        findings.append(Finding("unsound_data", "serious", where, figures))
    return findings


def examine_data(case: Case) -> list[Finding]:
    """Find columns that are too large, constant, repeated, or know the target."""
    constant = (case.X[:1] == case.X).all(axis=0)
    X, y = _compared(case)
    return [
        *_unscaled(case, X),
        *_constant(case, constant, X),
        *_repeated(case, constant, X),
        *_leaking(case, constant, X, y),
    ]


def _compared(case: Case) -> tuple[Array, Array]:
    """Give some rows of X as f64, without missing numbers, and their targets."""
    rows = np.arange(len(case.X))
    if len(rows) > _ROWS:
        rows = np.sort(np.random.default_rng(SEED).choice(rows, _ROWS, replace=False))
    X = case.X[rows].astype(np.float64)
    missing = np.isnan(X)
    if missing.any():  # a number of its own: that one is missing tells as much as a value
        known = np.where(missing, np.inf, X).min(axis=0)
        X = np.where(missing, np.where(np.isfinite(known), known, 0) - 1, X)
    return X, case.y[rows]


def _names(case: Case, places: Array) -> list[str]:
    return [case.column(i) for i in places.tolist()]


# Scales ------------------------------------------------------------------------------------------


def _unscaled(case: Case, X: Array) -> list[Finding]:
    """Find columns that reach the first weights with very different or very large sizes."""
    layers = [p.layer for p in case.placed if not isinstance(p.layer, Dropout)]
    if not layers or not isinstance(layers[0], (Dense, MemberInput)):
        return []  # they are scaled, or looked up, inside of the network
    used = X != 0
    share = used.mean(axis=0)
    most = np.abs(X).max(axis=0, initial=0.0)
    parts = X / np.where(most > 0, most, 1)  # whose squares neither overflow nor vanish
    sizes = most * np.sqrt(np.square(parts).sum(axis=0) / np.maximum(used.sum(axis=0), 1))
    compared = np.flatnonzero(share >= limit("rare column"))
    if not len(compared):
        return []
    own = sizes[compared]
    large = compared[own >= limit("large column")]
    ratio = float(own.max() / own.min())
    if not len(large) and ratio < limit("column ratio"):
        return []
    places = large if len(large) else compared[own * limit("column ratio") >= own.max()]
    least, most = compared[own.argmin()], compared[own.argmax()]
    figures = {
        "largest": float(own.max()),
        "largest_column": case.column(int(most)),
        "smallest": float(own.min()),
        "smallest_column": case.column(int(least)),
        "ratio": ratio,
        "constant": bool((X[:1] == X).all(axis=0).any()),
        "sizes": {case.column(i): float(sizes[i]) for i in compared.tolist()},
    }
    return [Finding("unscaled_inputs", "warning", {"columns": _names(case, places)}, figures)]


def _constant(case: Case, constant: Array, X: Array) -> list[Finding]:
    """Find columns that never change; in a sparse table those of zeros are ordinary."""
    if len(case.X) < 2:
        return []
    sparse = float((X == 0).mean()) > limit("sparse table")
    told = constant & ~((X[0] == 0) & sparse)
    places = np.flatnonzero(told)
    if not len(places):
        return []
    values = {case.column(i): float(X[0, i]) for i in places.tolist()}
    return [
        Finding("constant_columns", "note", {"columns": _names(case, places)}, {"values": values})
    ]


# Repeated columns --------------------------------------------------------------------------------


def _repeated(case: Case, constant: Array, X: Array) -> list[Finding]:
    """Find columns that are the same, or the same in another unit."""
    n = len(X)
    if n < 3:
        return []
    places = np.flatnonzero(~constant & (_changing(X) >= limit("rare column")))
    if len(places) < 2:
        return []
    own = X[:, places]
    exact = n < _AFFINE_ROWS
    if not exact:
        own = own / np.abs(own).max(axis=0)
        own = own - own.mean(axis=0)
        own = own / np.sqrt(np.square(own).mean(axis=0))
    allowed = 0.0 if exact else max(limit("same column"), 16 * float(np.finfo(case.X.dtype).eps))
    groups = _same(own, allowed)
    if not groups:
        return []
    named = [[case.column(int(places[i])) for i in group] for group in groups]
    figures = {"groups": named, "exact": bool(exact or _equal_bits(X[:, places], groups))}
    where = {"columns": [name for group in named for name in group[1:]]}
    return [Finding("duplicate_columns", "note", where, figures)]


def _changing(X: Array) -> Array:
    """Give the share of rows of each column that differ from its median, 0 of its 0s at least."""
    middle = np.median(X, axis=0)
    return np.asarray((middle != X).mean(axis=0))


def _same(columns: Array, allowed: float) -> list[list[int]]:
    way = np.random.default_rng(SEED).normal(size=len(columns))
    line = way @ columns
    order = np.argsort(line, kind="stable").tolist()
    groups = [[order[0]]]
    for place in order[1:]:
        first = columns[:, groups[-1][0]]
        gap = np.abs(columns[:, place] - first).max()
        if gap <= allowed * max(1.0, float(np.abs(first).max())):
            groups[-1].append(place)
        else:
            groups.append([place])
    return sorted(sorted(group) for group in groups if len(group) > 1)


def _equal_bits(X: Array, groups: list[list[int]]) -> bool:
    return all(np.array_equal(X[:, g[0]], X[:, i]) for g in groups for i in g[1:])


# Columns that know the target --------------------------------------------------------------------


def _leaking(case: Case, constant: Array, X: Array, y: Array) -> list[Finding]:
    """Find columns that decide the target alone, or count the rows."""
    if X.shape[1] < 2:  # the only column is meant to decide
        return []
    found = []
    codes = class_codes(case)
    suspects = np.flatnonzero(~constant)
    figures: dict[str, float]
    if codes is None:
        figures, measure = _by_line(case, X, y, suspects), "r2"
    else:
        figures, measure = _by_classes(case, X, codes_of(y), suspects)
    if 0 < len(figures) < len(suspects):  # where every column decides, the rows are easy ones
        where = {"columns": list(figures)}
        found.append(Finding("leaking_columns", "warning", where, {measure: figures}))
    counting = _counting_rows(case, suspects)
    if counting:
        found.append(Finding("row_numbers", "warning", {"columns": counting}, {}))
    return found


def codes_of(y: Array) -> Array:
    """Give the class of each target that is one."""
    if y.ndim == 1:
        return y
    return y[:, 0].astype(np.int64) if y.shape[1] == 1 else np.asarray(y.argmax(axis=1))


def _by_line(case: Case, X: Array, y: Array, suspects: Array) -> dict[str, float]:
    if len(X) < limit("rows to judge") or not len(suspects):
        return {}
    own, target = _unit(X[:, suspects]), _unit(y)
    target = target[:, (target != 0).any(axis=0)]
    if not target.shape[1]:
        return {}
    # Of several targets a column decides all or none: an autoencoder's are its inputs.
    r2 = np.square(own.T @ target).min(axis=1)
    leaks = np.flatnonzero(r2 >= limit("leaking R²")).tolist()
    return {case.column(int(suspects[i])): float(r2[i]) for i in leaks}


def _unit(columns: Array) -> Array:
    """Give columns as f64 about their means, each of length 1; one that never changes is 0."""
    with np.errstate(invalid="ignore"):
        parts = columns / np.abs(columns.astype(np.float64)).max(axis=0)
        parts = np.nan_to_num(parts)
    parts = parts - parts.mean(axis=0)
    sizes = np.sqrt(np.square(parts).sum(axis=0))
    parts = parts / np.where(sizes > 0, sizes, 1)
    return np.where((columns == columns[:1]).all(axis=0), 0.0, parts)


def _by_classes(
    case: Case, X: Array, codes: Array, suspects: Array
) -> tuple[dict[str, float], str]:
    classes, counts = np.unique(codes, return_counts=True)
    measure = "auc" if len(classes) == 2 else "order"
    if len(classes) < 2 or counts.min() < limit("rows to judge"):
        return {}, measure
    # Shuffled, so that rows of one value are not sorted by class because the table is.
    rows = np.random.default_rng(SEED).permutation(len(X))
    judge = _area if len(classes) == 2 else _order
    codes = np.searchsorted(classes, codes)
    found: dict[str, float] = {}
    for column in suspects.tolist():
        first = rows[:_SCREENED]
        if len(rows) > len(first) and judge(X[first, column], codes[first]) < 0.99:
            continue
        figure = judge(X[rows, column], codes[rows])
        if figure >= limit("leaking area"):
            found[case.column(column)] = figure
    return found, measure


def _area(x: Array, codes: Array) -> float:
    """Give the area under the ROC curve of a column, in whichever direction is larger."""
    ones = int(codes.sum())
    zeros = len(codes) - ones
    if not ones or not zeros:
        return 0.0
    _, places, counts = np.unique(x, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks = (ends - (counts - 1) / 2)[places.reshape(-1)]  # ties share the middle of their ranks
    area = (ranks[codes == 1].sum() - ones * (ones + 1) / 2) / (ones * zeros)
    return float(max(area, 1 - area))


def _order(x: Array, codes: Array) -> float:
    """Give the share of rows that lie beside their own class, when sorted by the column."""
    own = codes[np.argsort(x, kind="stable")]
    changes = int((own[1:] != own[:-1]).sum()) - (int(codes.max()) if len(codes) else 0)
    return 1 - max(changes, 0) / len(codes)


def _counting_rows(case: Case, suspects: Array) -> list[str]:
    """Find columns of whole numbers that each occur once and leave none out."""
    n = len(case.X)
    if n < limit("rows to judge"):
        return []
    found = []
    for column in suspects.tolist():
        own = case.X[:, column]
        if own.max() - own.min() == n - 1 and (own[0] == np.floor(own[0])):
            step = np.diff(np.sort(own))
            if (step == 1).all():
                found.append(case.column(column))
    return found


# Classes -----------------------------------------------------------------------------------------


def overlooked_classes(case: Case, sampled: Case, seen: Look) -> list[Finding]:
    """Find rare classes, by all rows, that the network does not find in those it was run on."""
    codes = class_codes(case)
    if codes is None or not seen.output.size:
        return []
    classes, counts = np.unique(codes, return_counts=True)
    rare = classes[counts * limit("class ratio") <= counts.max()]
    if len(classes) < 2 or not len(rare):
        return []
    members = len(seen.output) // len(sampled.X)
    output = seen.output.reshape(len(sampled.X), members, -1).mean(axis=1)
    said = (output[:, 0] > 0.5) if output.shape[1] == 1 else output.argmax(axis=1)
    own = codes_of(sampled.y)
    if (said == own).mean() < limit("looks good") * counts.max() / counts.sum():
        return []  # it finds none of them yet: that is not for its being rare
    found = {int(c): float((said[own == c] == c).mean()) for c in rare.tolist() if (own == c).any()}
    overlooked = {c: share for c, share in found.items() if share < limit("rare class found")}
    if not overlooked:
        return []
    table = dict(zip(classes.tolist(), counts.tolist(), strict=True))
    worst = min(overlooked, key=lambda c: table[c])
    label: Callable[[int], Any] = case.classes.__getitem__ if case.classes else int
    figures = {
        "counts": {label(c): count for c, count in table.items()},
        "ratio": float(counts.max() / table[worst]),
        "rare_class": label(worst),
        "share_of_rows": table[worst] / len(codes),
        "found": {label(c): share for c, share in overlooked.items()},
    }
    where = {"classes": [label(c) for c in overlooked]}
    return [Finding("class_imbalance", "warning", where, figures)]
