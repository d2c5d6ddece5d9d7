"""Derivations: the chain rule with the numbers plugged in, for any network and loss.

Answers for what ``net.explain`` gives, read off the graph that trains. Not for: any derivative of
its own; pictures (``limpide.explain.diagrams``).
"""

from __future__ import annotations

from limpide.explain.derivations.asked import Asked
from limpide.explain.derivations.derivation import Derivation, Explained
from limpide.explain.derivations.legend import Given, Legend, Looked, Made
from limpide.explain.derivations.step import Step
from limpide.explain.derivations.updates import Moment

__all__ = [
    "Asked",
    "Derivation",
    "Explained",
    "Given",
    "Legend",
    "Looked",
    "Made",
    "Moment",
    "Step",
]
