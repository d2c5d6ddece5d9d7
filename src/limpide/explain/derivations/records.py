"""Records: a derivation as JSON would have it, every number in full precision.

Answers for the keys, which are English in every language. Not for: choosing what is told
(``derivation``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from limpide.explain.derivations.entries import Entry, Equation
from limpide.explain.derivations.facts import Facts
from limpide.explain.derivations.notation import Notation
from limpide.languages import words_in

_FULL = 17


def number(value: float) -> float | str:
    """Give a number as JSON has it: what is not finite as text."""
    return value if math.isfinite(value) else str(value)


def equation_record(equation: Equation) -> dict[str, Any]:
    """Give an equation: its sides as text, the right one with names and with numbers."""
    notation = Notation(words_in("en"), _FULL)
    return {
        "of": notation.symbols(equation.left),
        "symbols": notation.symbols(equation.right),
        "numbers": notation.numbers(equation.right),
        "value": number(equation.value),
    }


def entry_record(entry: Entry) -> dict[str, Any]:
    """Give what is told of one number."""
    found: dict[str, Any] = {
        "name": entry.name,
        "kind": entry.kind,
        "layer": entry.layer,
        "value": number(entry.value),
        "derivative": number(entry.derivative),
    }
    for key in ("source", "target"):
        if getattr(entry, key):
            found[key] = getattr(entry, key)
    for key in ("worked_out", "chain", "factors", "update"):
        equations = getattr(entry, key)
        if equations:
            found[key] = [equation_record(e) for e in equations]
    if entry.update:
        found["updated"] = number(entry.update[-1].value)
    return found


def whole_record(facts: Facts, names: Sequence[str], everything: bool) -> dict[str, Any]:
    """Give a whole derivation, or of a large network its outline and the named parameters."""
    setting = facts.setting
    output = facts.cells.arrays[facts.cells.index(facts.subject.prediction)]
    layers = list(facts.forward()) if everything else []
    titles = [*(stage.name for stage in facts.subject.stages), "loss"]
    return {
        "network": facts.sizes,
        "rows": facts.rows,
        "loss": {"name": setting.loss, "value": number(facts.cells.value(facts.end))},
        "output": [[number(v) for v in row] for row in output.tolist()],
        "optimizer": {
            "name": type(setting.optimizer).__name__,
            "learning_rate": facts.updates.rate,
            **{n: v for n, v in setting.optimizer.scalars().items() if n != "learning_rate"},
        },
        "training": setting.training,
        "forward": {
            title: [equation_record(e) for e in equations]
            for title, equations in zip(titles, layers, strict=False)
        },
        "parameters": len(facts.gradients),
        "entries": [entry_record(facts.entry(facts.names.find(name))) for name in names],
    }
