"""The doctor: what a network, its data or its run is ill with, where, and what helps.

Answers for ``examine``, which asks every examination once. Not for: the examinations themselves
(the modules beside), nor for prescribing anything that was not measured.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from limpide.explain.doctor.case import MOST_ROWS, SEED, Case, Look, look
from limpide.explain.doctor.data import examine_data, overlooked_classes, unsound
from limpide.explain.doctor.findings import Diagnosis, Finding
from limpide.explain.doctor.origins import find_first_bad
from limpide.explain.doctor.rates import examine_rate
from limpide.explain.doctor.values import examine_values

__all__ = ["Case", "Diagnosis", "Finding", "Look", "examine", "look"]


def examine(case: Case, language: str | None = None, most_rows: int = MOST_ROWS) -> Diagnosis:
    """Examine a network and its data.

    Parameters
    ----------
    case
        Layers, arrays, rows, loss, and perhaps an optimizer, whose rate is then judged.
    language
        In which the diagnosis is printed; None is the system's.
    most_rows
        How many rows are run through the network: a sample of this many where there are more.
        Columns are judged by all rows.
    """
    findings = unsound(case)
    if findings:
        case = _sound_rows(case)
        if not len(case.X):
            return Diagnosis(tuple(findings), 0, case.n_rows, SEED, language)
    findings += examine_data(case)
    sampled = case.sampled(most_rows)
    seen = look(sampled)
    if seen.bad:
        findings += find_first_bad(sampled)
    else:
        findings += examine_values(sampled, seen) + examine_rate(sampled)
        findings += overlooked_classes(case, sampled, seen)
    told = tuple(replace(finding, target=case.target) for finding in findings)
    return Diagnosis(told, len(sampled.X), case.n_rows, SEED, language)


def _sound_rows(case: Case) -> Case:
    """Give the case with the rows that hold nothing but finite numbers."""
    y = case.y.reshape(len(case.y), -1)
    takes_missing = case.placed[0].layer.takes_missing
    bad = np.isinf(case.X) if takes_missing else ~np.isfinite(case.X)
    rows = np.flatnonzero(~bad.any(axis=1) & np.isfinite(y).all(axis=1))
    targets = case.y[rows]
    if targets.ndim == 1:  # class numbers, which were floats to hold a NaN
        targets = targets.astype(np.int64)
    return replace(case, X=case.X[rows], y=targets)
