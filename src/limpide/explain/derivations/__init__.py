"""Derivations: the chain rule with the numbers plugged in, for any network and loss.

Answers for what ``net.explain`` gives, read off the graph that trains. Not for: any derivative of
its own; pictures (``limpide.explain.diagrams``).
"""

from __future__ import annotations

from limpide.explain.derivations.derivation import Derivation, Explained
from limpide.explain.derivations.facts import Facts, Setting
from limpide.explain.derivations.legend import Given, Legend, Looked, Made
from limpide.explain.derivations.subject import trace_subject

__all__ = [
    "Derivation",
    "Explained",
    "Facts",
    "Given",
    "Legend",
    "Looked",
    "Made",
    "Setting",
    "trace_subject",
]
