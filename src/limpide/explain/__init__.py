"""Explaining: what a network is ill with, and whether its derivatives are right.

Answers for gathering the room under one name, ``limpide.explain``. Not for: the network, which
hands in its layers, arrays, loss and optimizer and is never imported.
"""

from __future__ import annotations

from limpide.explain.doctor import Case, Diagnosis, Finding, examine
from limpide.explain.gradients import GradientCheck, check_gradients

__all__ = ["Case", "Diagnosis", "Finding", "GradientCheck", "check_gradients", "examine"]
