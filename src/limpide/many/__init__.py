"""Many networks of the same layers, trained together, each as if it were trained alone.

Answers for ``fit_many`` and what it gives. Not for: how an engine trains many
(``limpide.engines``), nor for networks that answer together (``limpide.members``).
"""

from __future__ import annotations

from limpide.many.fitting import fit_many
from limpide.many.networks import Best, ManyNetworks

__all__ = ["Best", "ManyNetworks", "fit_many"]
