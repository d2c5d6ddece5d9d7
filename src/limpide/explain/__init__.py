"""Explain: every number of a network, and where it comes from, told and drawn.

Answers for derivations, the chain rule with the numbers plugged in for any network and loss, and
for diagrams from which every number can be worked out again. It takes graphs, layers and arrays.
Not for: any derivative of its own, nor networks, which hand themselves in (``limpide.explaining``).
"""

from __future__ import annotations

from limpide.explain.boundary import boundary_diagram
from limpide.explain.derivation import Derivation, Explained
from limpide.explain.diagram import Diagram
from limpide.explain.facts import Facts, Setting
from limpide.explain.graph_diagram import graph_diagram
from limpide.explain.network_diagram import network_diagram
from limpide.explain.neuron_diagram import neuron_diagram
from limpide.explain.neuron_line import line_diagram
from limpide.explain.subject import trace_subject
from limpide.explain.values import Parts, Question

__all__ = [
    "Derivation",
    "Diagram",
    "Explained",
    "Facts",
    "Parts",
    "Question",
    "Setting",
    "boundary_diagram",
    "graph_diagram",
    "line_diagram",
    "network_diagram",
    "neuron_diagram",
    "trace_subject",
]
