"""Explain: what a network is and does, drawn so that every number can be worked out again.

Answers for diagrams. Not for: networks, which hand in their layers and arrays; derivatives, which
``limpide.gradient`` makes from the graph.
"""

from __future__ import annotations

from limpide.explain.boundary import boundary_diagram
from limpide.explain.diagram import Diagram
from limpide.explain.graph_diagram import graph_diagram
from limpide.explain.network_diagram import network_diagram
from limpide.explain.neuron_diagram import neuron_diagram
from limpide.explain.neuron_line import line_diagram
from limpide.explain.values import Parts, Question

__all__ = [
    "Diagram",
    "Parts",
    "Question",
    "boundary_diagram",
    "graph_diagram",
    "line_diagram",
    "network_diagram",
    "neuron_diagram",
]
