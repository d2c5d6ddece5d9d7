"""Explain: every number of a network, and where it comes from.

Answers for derivations: the chain rule with the numbers plugged in, for any network and loss, read
off the graph that trains. It takes graphs, layers and arrays. Not for: any derivative of its own,
nor networks, which hand themselves in (``limpide.explaining``).
"""

from __future__ import annotations

from limpide.explain.derivation import Derivation, Explained
from limpide.explain.facts import Facts, Setting
from limpide.explain.subject import trace_subject

__all__ = ["Derivation", "Explained", "Facts", "Setting", "trace_subject"]
