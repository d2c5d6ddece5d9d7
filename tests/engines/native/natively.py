"""What tests of the native engine share: the engine, graphs of one op, agreement with its meaning.

Answers for the short words of these tests. Not for: how engines are compared (``agreement``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from agreement import allowed_for
from limpide import engines
from limpide.check import check_engines
from limpide.ir import OPS, Graph, Trace, spec_of

Array = npt.NDArray[Any]
NATIVE = engines.get("native")
REFERENCE = engines.get("reference")


def graph_of_op(name: str, arrays: Sequence[Array], params: dict[str, Any]) -> Graph:
    """Give the graph of one op applied to inputs."""
    trace = Trace(name)
    inputs = [trace.input(spec_of(a), f"x{i}") for i, a in enumerate(arrays)]
    return trace.finish([trace.record(OPS[name], inputs, params)], ["y"])


def assert_agrees(graph: Graph, arrays: Sequence[Array]) -> None:
    """Fail unless the native engine gives a graph's plain meaning, to the table's tolerance."""
    narrow = any(n.spec.dtype == "f32" for n in (*graph.inputs, *graph.nodes))
    allowed = allowed_for(np.float32 if narrow else np.float64)
    report = check_engines(graph, arrays, engine="native", tolerance=allowed)
    assert report, f"{report}\n{graph}"
