"""Watching: the doctor as a callback, epoch after epoch.

Answers for since when something is so, for curves that rise or stand still, and for the step at
which a run diverged. Not for: the examinations, which are those of one moment.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from limpide import engines
from limpide.arrays import as_matrix, as_targets
from limpide.callbacks import BadStep, Callback, Run
from limpide.errors import ArgumentError
from limpide.explain.doctor.case import SEED, Case, Look, Looker, Recorder, constant_loss
from limpide.explain.doctor.data import examine_data, overlooked_classes
from limpide.explain.doctor.findings import Diagnosis, Finding
from limpide.explain.doctor.origins import bad_number
from limpide.explain.doctor.rates import examine_divergence, examine_rate
from limpide.explain.doctor.thresholds import limit
from limpide.explain.doctor.values import examine_values, flat_units
from limpide.history import History
from limpide.ir import dtype_name, spec_of
from limpide.keywords import known_keywords
from limpide.layers import check_size
from limpide.steps import trace_step

ROWS = 1024  # run through the network after each epoch
_DATA_ROWS = 20_000
_STEPS_BEHIND = 2  # the one whose update leads to a bad loss may be sound itself

_OF_RATES = ("better_rate", "optimizer", "settings", "rate")

Key = tuple[str, str, str]


class Doctor(Callback):
    """Watch a run: which neurons died and when, and why the loss rises, stands still or is NaN.

    It prints nothing; ``diagnosis`` says what it saw, also after a ``DivergenceError``. The run's
    results are the same with and without it.

    Parameters
    ----------
    X, y
        Rows to look at; default: a sample of those that are learned from.
    every
        After how many epochs it looks; the last epoch is always looked at.
    language
        In which the diagnosis is printed; None is the system's.

    Examples
    --------
    >>> import limpide as lp
    >>> X, y = lp.datasets.people()
    >>> net = lp.Network([2, 2, 1], activation="sigmoid", output="sigmoid", seed=0)
    >>> doctor = lp.Doctor()
    >>> history = net.fit(X, y, optimizer=lp.Adam(0.1), epochs=5, callbacks=doctor)
    >>> doctor.diagnosis.healthy
    True
    """

    @known_keywords
    def __init__(
        self, X: Any = None, y: Any = None, every: int = 1, language: str | None = None
    ) -> None:
        if (X is None) != (y is None):
            raise ArgumentError("Doctor takes X and y together, or neither of them.")
        self._given = None if X is None else (X, y)
        self.every = check_size(every, "every")
        self.language = language
        self._diagnosis: Diagnosis | None = None

    @property
    def diagnosis(self) -> Diagnosis:
        """What was seen, as far as the run has come.

        Raises
        ------
        ArgumentError
            Before any run was watched.
        """
        if self._diagnosis is None:
            raise ArgumentError(
                "The doctor has watched no run yet: pass it to fit, callbacks=[doctor]."
            )
        return self._diagnosis

    # What a run calls ---------------------------------------------------------------------------

    def begin(self, run: Run) -> None:
        whole = self._rows(run)
        self._case = whole.sampled(ROWS)
        self._whole, self._plan = whole, run.plan
        self._looker = Looker(self._case)
        self._data = examine_data(whole)
        self._since: dict[Key, int] = {}
        self._values: list[Finding] = []
        self._first = {n: a.copy() for n, a in (run.params | run.state).items()}
        self._diagnosis = self._told(self._data)

    def epoch_end(self, run: Run) -> None:
        if (run.epoch + 1) % self.every == 0 or run.epoch + 1 == run.epochs:
            self._look(run)
            self._diagnosis = self._told([*self._data, *self._values])

    def end(self, run: Run) -> None:
        self._look(run)
        rates = self._rates(run.history)
        self._diagnosis = self._told([*self._data, *self._values, *rates])

    def diverged(self, run: Run, step: BadStep) -> None:
        bad = self._first_bad(step)
        rates = self._rates(run.history, diverged=True)
        cause = rates[0].figures if rates else {}
        better = {n: cause[n] for n in _OF_RATES if n in cause}
        when = {"step": step.step, "epoch": step.epoch, "step_loss": step.loss, **better}
        found = [replace(f, figures={**f.figures, **when}) for f in bad]
        if not found:  # it lies beyond the steps that were looked at
            where = {"rows": step.rows[:1].tolist()}
            figures = {"loss": step.loss, "value": step.loss, "op": "", "chain": [], **when}
            found = [Finding("not_finite", "serious", where, figures)]
        self._diagnosis = self._told([*self._data, *self._values, *found, *rates])

    def state(self) -> Mapping[str, Any]:
        """Give since when what was so, and the weights that the run began with."""
        return {"since": [[*key, epoch] for key, epoch in self._since.items()]} | {
            "first": self._first
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take what the run that was broken off had seen."""
        self._since = {(kind, layer, name): n for kind, layer, name, n in state["since"]}
        self._first = dict(state["first"])

    def __getstate__(self) -> dict[str, Any]:
        """Give what was seen and asked; the run that was watched, compiled, stays behind."""
        kept = ("_given", "every", "language", "_diagnosis", "_since", "_first")
        return {name: value for name, value in vars(self).items() if name in kept}

    # Rows ---------------------------------------------------------------------------------------

    def _rows(self, run: Run) -> Case:
        plan, data = run.plan, run.data
        if self._given is not None:
            dtype = dtype_name(next(iter(run.params.values())).dtype)
            first, last = plan.placed[0], plan.placed[-1]
            missing = first.layer.takes_missing
            X = as_matrix(self._given[0], first.inputs, dtype, missing=missing)
            y = as_targets(self._given[1], len(X), last.outputs, plan.loss, dtype)
        else:
            X, y = data.X, data.y
        rows = np.arange(len(X)) if self._given or data.rows is None else data.rows
        if not len(rows):
            raise ArgumentError(
                "Doctor sees no rows: those of this run lie on disk. Give it some: lp.Doctor(X, y)."
            )
        if len(rows) > _DATA_ROWS:
            rows = np.sort(np.random.default_rng(SEED).choice(rows, _DATA_ROWS, replace=False))
        n = len(X) if self._given else data.n_rows
        given = len(rows) == len(X)  # all of them need no copy
        X, y = (X, y) if given else (X[rows], y[rows])
        return Case(plan.placed, run.params, run.state, X, y, plan.loss, plan.optimizer, n)

    # Looking ------------------------------------------------------------------------------------

    def _look(self, run: Run) -> None:
        seen = self._looker.look(run.params, run.state)
        if seen.bad:
            return
        case = self._case.with_params(run.params, run.state)
        found = examine_values(case, seen)
        # A neuron is watched from its first epoch without a slope, told of or not yet.
        keys = {key for finding in found for key in _keys(finding)} | _flat_keys(seen)
        self._since = {key: self._since.get(key, run.history.epochs) for key in keys}
        self._values = [self._dated(finding) for finding in found]
        if run.epoch + 1 == run.epochs:  # before the end a class may yet be found
            self._values += overlooked_classes(self._whole, case, seen)

    def _dated(self, finding: Finding) -> Finding:
        """Give a finding with the epoch since which each of its neurons has had it."""
        since = {name: self._since[kind, layer, name] for kind, layer, name in _keys(finding)}
        where = {**finding.where, "epochs": [min(since.values())]}
        figures = {**finding.figures, "since_epoch": since}
        return replace(finding, where=where, figures=figures)

    def _rates(self, history: History, diverged: bool = False) -> list[Finding]:
        """Judge the curve, and where it is not as it should be measure what other rates do."""
        curve = history.loss
        if not diverged and not _is_odd(curve, constant_loss(self._case)):
            return []
        first = {n: self._first[n] for n in self._case.params}
        state = {n: self._first[n] for n in self._case.state}
        began = self._case.with_params(first, state)
        if diverged:
            found = examine_divergence(began)
        else:
            found = examine_rate(began) or examine_rate(self._case)
        if not curve:
            return found
        # A loss that rose did so from its lowest on; else it has been as it is all the time.
        lowest = int(np.argmin(curve)) + 1
        rose = lowest < len(curve)
        since = {"rate_too_high": lowest if rose else 1, "rate_too_low": 1}
        return [
            replace(
                finding,
                where={**finding.where, "epochs": [since[finding.kind]]},
                figures={**finding.figures, **_ends(curve)},
            )
            for finding in found
        ]

    def _first_bad(self, step: BadStep) -> list[Finding]:
        """Find the first bad number of the step, or of one behind it on the same rows."""
        plan = self._plan
        recorder = Recorder.of(plan.placed, plan.loss)
        noted = replace(plan, placed=recorder.placed, loss=recorder.loss)
        rows = step.inputs[-3:] if plan.weighted else step.inputs[-2:]
        case = self._case
        graph = trace_step(noted, case.params, case.state, [spec_of(array) for array in rows])
        arrays = dict(zip([node.name for node in graph.inputs], step.inputs, strict=True))
        for _ in range(1 + _STEPS_BEHIND):
            found = bad_number(case, graph, arrays, recorder, step.rows.tolist())
            if found:
                return found
            values = engines.get("reference").compile(graph)(list(arrays.values()))
            arrays |= dict(zip(arrays, values[:-1], strict=False))
        return []

    def _told(self, findings: list[Finding]) -> Diagnosis:
        case = self._case
        return Diagnosis(tuple(findings), len(case.X), case.n_rows, SEED, self.language)


def _is_odd(curve: list[float], constant: float) -> bool:
    """Say whether a curve ends above where it was, or high, or has never left its beginning."""
    if len(curve) < limit("epochs to judge"):
        return False
    lowest, last = min(curve), curve[-1]
    scale = max(lowest, constant) if math.isfinite(constant) else lowest
    if math.isfinite(constant) and last > (1 + limit("loss rises")) * abs(constant):
        return True  # one number for all rows would do better
    rose = last > lowest + limit("loss rises") * abs(scale)
    learned = math.isfinite(constant) and last < limit("still wrong") * constant
    stands = curve[0] - last <= 10 * limit("loss stands") * abs(curve[0])
    return rose or (stands and not learned)


def _ends(curve: list[float]) -> dict[str, float]:
    return {"first_loss": curve[0], "last_loss": curve[-1], "lowest_loss": min(curve)}


def _flat_keys(seen: Look) -> set[Key]:
    """Give a key for each neuron that is dead or saturated, however few they are."""
    keys: set[Key] = set()
    for layer in seen.hidden:
        for kind, flat in zip(
            ("dead_neurons", "saturated_neurons"), flat_units(layer), strict=True
        ):
            keys |= {(kind, layer.name, layer.neurons[i]) for i in np.flatnonzero(flat).tolist()}
    return keys


def _keys(finding: Finding) -> list[Key]:
    layer = finding.where.get("layer", "")
    names = finding.where.get("neurons") or [""]
    return [(finding.kind, layer, name) for name in names]
