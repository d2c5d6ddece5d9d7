"""Explain: every number of a network, and where it comes from: told, drawn and examined.

Answers for derivations, diagrams and the doctor. It takes graphs, layers and arrays. Not for: any
derivative of its own, nor networks, which hand themselves in (``limpide.explaining``).
"""

from __future__ import annotations

from limpide.explain.derivations import (
    Asked,
    Derivation,
    Explained,
    Given,
    Legend,
    Looked,
    Made,
    Moment,
    Step,
)
from limpide.explain.diagrams import (
    Diagram,
    Parts,
    Question,
    boundary_diagram,
    graph_diagram,
    line_diagram,
    network_diagram,
    neuron_diagram,
)
from limpide.explain.doctor import Case, Diagnosis, Finding, examine
from limpide.explain.doctor.gradients import GradientCheck, check_gradients

__all__ = [
    "Asked",
    "Case",
    "Derivation",
    "Diagnosis",
    "Diagram",
    "Explained",
    "Finding",
    "Given",
    "GradientCheck",
    "Legend",
    "Looked",
    "Made",
    "Moment",
    "Parts",
    "Question",
    "Step",
    "boundary_diagram",
    "check_gradients",
    "examine",
    "graph_diagram",
    "line_diagram",
    "network_diagram",
    "neuron_diagram",
]
