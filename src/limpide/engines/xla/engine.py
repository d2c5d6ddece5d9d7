"""The engine: graphs, graphs over rows and loops as compiled programs of XLA's.

Answers for ``engine="xla"`` on the devices and in the precision that it was asked for. Not for:
single ops (``lowering``), nor for loops (``loop_run``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import jax
import numpy as np
from jax import lax

from limpide.engines.xla.devices import Grid, chosen
from limpide.engines.xla.loop_run import LoopRun, exact, replay
from limpide.engines.xla.lowering import COMPUTE_DTYPES, LOWERINGS, lowerings
from limpide.engines.xla.many import ManyRows, ManyRun
from limpide.errors import choice_error
from limpide.ir import Array, Graph, Loop


class XlaEngine:
    """Runs graphs and loops through XLA.

    Parameters
    ----------
    devices
        For loops; see ``limpide.engines.xla.devices.chosen``.
    compute_dtype
        ``"bfloat16"``: in loops, products of float32 matrices take their factors in bfloat16
        (sums, parameters and all else stay float32). None: float32 all through.
    """

    name = "xla"
    block = 4096  # of a few hundred rows, an accelerator would see none

    def __init__(self, devices: Any = None, compute_dtype: str | None = None) -> None:
        if not (compute_dtype is None or isinstance(compute_dtype, str)) or (
            compute_dtype not in COMPUTE_DTYPES
        ):
            raise choice_error("compute_dtype", compute_dtype, filter(None, COMPUTE_DTYPES))
        self._devices, self._compute_dtype = devices, compute_dtype
        self._others: dict[Any, XlaEngine] = {}

    def on_devices(self, devices: Any, compute_dtype: str | None) -> XlaEngine:
        """Give the engine for loops on these devices, the same one for the same."""
        grid, found = chosen(devices), XlaEngine(devices, compute_dtype)
        return self._others.setdefault((grid.devices, compute_dtype), found)

    @cached_property
    def _grid(self) -> Grid:
        return chosen(self._devices)

    def compile(self, graph: Graph) -> Callable[[list[Array]], list[Array]]:
        """Compile a graph, when it is first run."""
        compiled = jax.jit(lambda arrays: replay(graph, arrays, LOWERINGS))

        def run(arrays: list[Array]) -> list[Array]:
            with exact():
                _check(graph, arrays)
                return [np.array(output) for output in compiled(list(arrays))]

        return run

    def compile_rows(
        self, graph: Graph, n_held: int
    ) -> Callable[[Sequence[Array], Sequence[Array], Sequence[Array]], None]:
        """Compile a graph over a batch of rows; rows of any number go through in one call."""
        batch = graph.inputs[n_held].spec.shape[0]

        def over(held: list[Any], starts: Any, rows: list[Any]) -> list[Any]:
            def one(start: Any) -> list[Any]:
                parts = [lax.dynamic_slice_in_dim(a, start, batch) for a in rows]
                return replay(graph, [*held, *parts], LOWERINGS)

            found: list[Any] = lax.map(one, starts)
            return found

        compiled = jax.jit(over)
        single = jax.jit(lambda arrays: replay(graph, arrays, LOWERINGS))

        def run(
            held: Sequence[Array], row_arrays: Sequence[Array], outputs: Sequence[Array]
        ) -> None:
            n = len(row_arrays[0])
            with exact():
                if n == batch:
                    found = single([*held, *row_arrays])
                    for array, output in zip(outputs, found, strict=True):
                        array[...] = output
                    return
                starts = np.array([*range(0, n - batch, batch), n - batch])
                found = compiled(list(held), starts, list(row_arrays))
                for array, output in zip(outputs, found, strict=True):
                    whole = np.asarray(output)
                    flat = whole[:-1].reshape(-1, *whole.shape[2:])
                    array[: len(flat)] = flat
                    array[n - batch :] = whole[-1]

        return run

    def compile_loop(self, loop: Loop, shares: bool = False) -> LoopRun:
        """Compile a loop, when it is first run; ``shares`` as in ``LoopRun``."""
        table = lowerings(self._compute_dtype)
        return LoopRun(loop, self._grid, table, str(self._compute_dtype), shares)

    def compile_many(self, loop: Loop) -> ManyRun:
        """Compile a loop for many networks, when it is first run."""
        return ManyRun(loop, lowerings(self._compute_dtype), str(self._compute_dtype))

    def compile_many_rows(self, graph: Graph, n_held: int) -> ManyRows:
        """Compile a graph over a batch of rows for many networks, when it is first run."""
        return ManyRows(graph, n_held)


def _check(graph: Graph, arrays: Sequence[Array]) -> None:
    """Refuse arrays of another dtype or shape, which JAX would compile anew for."""
    for node, array in zip(graph.inputs, arrays, strict=True):
        if array.dtype != node.spec.numpy_dtype or array.shape != node.spec.shape:
            raise TypeError(
                f"{node.name} is {node.spec} in this graph; received {array.dtype} "
                f"{list(array.shape)}."
            )
