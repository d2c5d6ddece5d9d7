"""Cures: the line of code that each remedy is, the same in every language.

Answers for what can be typed. Not for: saying what it does (``advice``).
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from limpide.explain.doctor.findings import Finding


def code(finding: Finding) -> str:
    """Give the remedy as code, or an empty text where it is none."""
    if finding.target:
        return _OF_TABLE.get(finding.kind, lambda f: "")(finding)
    return _CODE[finding.kind](finding)


def _column(name: str) -> int:
    return int(name[1:]) - 1


def _quoted(text: str) -> str:
    return json.dumps(text)


def _code_rate(f: Finding) -> str:
    g = f.figures
    given = [repr(g["better_rate"]), *(f"{name}={v!r}" for name, v in g["settings"].items())]
    return f"net.fit(X, y, optimizer=lp.{g['optimizer']}({', '.join(given)}))"


def _code_drop(f: Finding) -> str:
    columns = [_column(name) for name in f.where["columns"]]
    return f"X = np.delete(X, {columns}, axis=1)"


def _code_scale(f: Finding) -> str:
    if not f.figures["constant"]:
        return "X = (X - X.mean(axis=0)) / X.std(axis=0)"
    return "X = (X - X.mean(axis=0)) / np.where(X.std(axis=0) > 0, X.std(axis=0), 1)"


def _code_dead(f: Finding) -> str:
    return 'net = lp.Network([...], activation="leaky_relu")'


def _code_output(f: Finding) -> str:
    loss = "cross_entropy" if f.figures["activation"] == "softmax" else "bce"
    return f"net.fit(X, y, loss={_quoted(loss)})"


def _code_bad(f: Finding) -> str:
    return _code_rate(f) if "better_rate" in f.figures else ""


def _drop_from_table(f: Finding) -> str:
    # What is a column for each of several inputs, such as a date, is dropped once.
    names = list(dict.fromkeys(f.where["columns"]))
    dropped = [word for name in names for word in ("--drop", name)]
    return f"limpide train DATA {shlex.join(['--target', f.target, *dropped])}"


def _balanced_table(f: Finding) -> str:
    return f'lp.train(data, {_quoted(f.target)}, class_weight="balanced")'


_OF_TABLE: Mapping[str, Callable[[Any], str]] = {
    "class_imbalance": _balanced_table,
    "constant_columns": _drop_from_table,
    "duplicate_columns": _drop_from_table,
    "leaking_columns": _drop_from_table,
    "row_numbers": _drop_from_table,
}
_CODE: Mapping[str, Callable[[Any], str]] = {
    "dead_neurons": _code_dead,
    "saturated_neurons": lambda f: "net = lp.Network([...])  # weights=lp.glorot, the default",
    "saturated_output": _code_output,
    "large_weights": lambda f: "net = lp.Network([...])  # and a lower rate than before",
    "vanishing_gradients": lambda f: 'net = lp.Network([...], activation="relu")',
    "exploding_gradients": lambda f: "net = lp.Network([...])  # no weights=…: the default",
    "rate_too_high": _code_rate,
    "rate_too_low": _code_rate,
    "symmetric_neurons": lambda f: "net = lp.Network([...])  # no weights=lp.zeros",
    "unscaled_inputs": _code_scale,
    "class_imbalance": lambda f: 'net.fit(X, y, class_weight="balanced")',
    "constant_columns": _code_drop,
    "duplicate_columns": _code_drop,
    "leaking_columns": _code_drop,
    "row_numbers": _code_drop,
    "not_finite": _code_bad,
    "unsound_data": lambda f: (
        "sound = np.isfinite(np.c_[X, y]).all(axis=1)\nX, y = X[sound], y[sound]"
    ),
}
