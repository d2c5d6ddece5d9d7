"""Diagrams: networks, neurons, graphs and boundaries as SVG, every number to be worked out again.

Answers for what ``net.diagram`` and its like give. Not for: derivatives, which
``limpide.gradient`` makes from the graph; formulas (``limpide.explain.derivations``).
"""

from __future__ import annotations

from limpide.explain.diagrams.boundary import boundary_diagram
from limpide.explain.diagrams.diagram import Diagram
from limpide.explain.diagrams.graph_diagram import graph_diagram
from limpide.explain.diagrams.network_diagram import network_diagram
from limpide.explain.diagrams.neuron_diagram import neuron_diagram
from limpide.explain.diagrams.neuron_line import line_diagram
from limpide.explain.diagrams.values import Parts, Question

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
