"""What ``print(network)`` shows: a table of layers, shapes and counts.

Answers for the text. Not for: diagrams or explanations (``limpide.explain``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from limpide.languages import Words
from limpide.layers import Placed


def layer_table(placed: Sequence[Placed], words: Words) -> str:
    """Give a line for each layer: its name, kind, inputs, outputs and parameters."""
    say = words.say
    rows = [(say("layer"), say("kind"), say("in"), say("out"), say("parameters"))]
    for p in placed:
        count = sum(math.prod(s.shape) for s in p.layer.parameters(p.inputs).values())
        rows.append((p.name, p.layer.describe(), str(p.inputs), str(p.outputs), words.whole(count)))
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    lines = [
        "  ".join(
            cell.ljust(w) if i < 2 else cell.rjust(w)
            for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    lines.insert(1, "─" * (sum(widths) + 8))
    return "\n".join(lines)
