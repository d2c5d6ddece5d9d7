"""How fast limpide trains beside others, on this machine: ``limpide bench``.

Answers for the workloads, the peers in their strongest forms, and fair timing. Not for: anything
that training needs; nothing else of limpide imports this room.
"""

from __future__ import annotations

from limpide.bench import table
from limpide.bench.profile import print_profile
from limpide.bench.runner import Comparison, Plan, compare
from limpide.bench.workloads import SWEEP, TABLE, Workload, chosen

__all__ = [
    "SWEEP",
    "TABLE",
    "Comparison",
    "Plan",
    "Workload",
    "chosen",
    "compare",
    "print_profile",
    "table",
]
