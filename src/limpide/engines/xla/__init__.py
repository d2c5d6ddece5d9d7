"""The xla engine: graphs and loops through JAX, on whatever device JAX has.

Answers for ``engine="xla"``. Not for: what ops mean (the reference engine), which is tested to
agree.
"""

from __future__ import annotations

from limpide.engines.xla.engine import XlaEngine

__all__ = ["XlaEngine"]
