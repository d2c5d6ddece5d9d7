"""Predicting: a network's graphs, traced, compiled, kept and run over rows; what exports see.

Answers for what a network does that learns nothing. Not for: learning (``limpide.network``), its
arrays and files (``limpide.structure``).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import numpy as np

import limpide
from limpide import engines
from limpide.activations import activation_name
from limpide.arrays import (
    as_rows,
    is_one_row,
)
from limpide.ir import Array, Graph, Spec, layer_scope, spec_of
from limpide.keywords import known_keywords
from limpide.layers import (
    check_flag,
    check_size,
    forward,
)
from limpide.structure import Structure
from limpide.tensor import Tensor, Tracing, tracing_into, unify
from limpide.tracing import Pace, slices

if TYPE_CHECKING:  # loaded when something is exported: limpide.exports
    from limpide.exports.networks import Exported

_BLOCK = 256  # rows that any engine takes at a time
_SLICE_WORK = 1 << 26  # multiplications that take a few hundredths of a second at most
_KEPT = 16  # compiled graphs kept a network


class Predicting(Structure):
    """What a ``Network`` does besides learning."""

    @known_keywords
    def __call__(self, x: Any, *, training: bool = False) -> Tensor:
        """Give the output as a Tensor, through ops: tapes and traces see it.

        With ``training``, Dropout draws new bits at each call, by the network's seed, and
        BatchNorm takes the batch's statistics and moves its running ones.
        """
        check_flag(training, "training")
        (tensor,) = unify([x], dtype=self._dtype)
        single = is_one_row(tensor.shape, self.n_inputs)
        rows = tensor[None] if single else tensor
        params, state = self._shared(self.params), self._shared(self.state)
        context = self._generator.source()[:2] if training else None
        z, activation, new = forward(self.placed, params, state, rows, context)
        y = activation(z)
        for name, value in new.items():
            if value is not state[name]:
                state[name].assign(value)
        if single:
            return y[0, 0] if self.n_outputs == 1 else y[0]
        return y

    @known_keywords
    def predict(self, X: Any, *, engine: str | None = None) -> Any:
        """Give the outputs, ``dtype[n, outputs]``.

        One row (an array of one axis) drops the row axis; one output of one row is a float.

        Parameters
        ----------
        X
            [n, inputs], or one row.
        engine
            What computes; None is the fastest installed.

        Raises
        ------
        ShapeError, DtypeError, DataError
            Where X does not fit; see ``fit``.
        ArgumentError
            There is no such engine.
        """
        missing = self._takes_missing
        rows, single = as_rows(X, self.n_inputs, self._dtype, missing=missing)
        return self._shaped(self._outputs(rows, engine), single)

    feedforward = predict

    def _shaped(self, y: Array, single: bool) -> Any:
        if not single:
            return y
        return float(y[0, 0]) if self.n_outputs == 1 else y[0]

    @known_keywords
    def sums(self, X: Any, *, block: int | None = None) -> Array:
        """Give the sums of the last layer before its activation, ``dtype[n, outputs]``.

        ``block`` is how many rows are taken at a time, at most n.
        """
        rows, _ = as_rows(X, self.n_inputs, self._dtype, missing=self._takes_missing)
        if block is not None:
            block = check_size(block, "block")
        return self._outputs(rows, activated=False, block=block)

    def outputs_of_checked(self, X: Array) -> Array:
        """Give the outputs of rows that are known to be right; see ``sums_of_checked``."""
        return self._outputs(X)

    def sums_of_checked(self, X: Array, block: int) -> Array:
        """Give ``sums`` of rows that are known to be right: C-contiguous, in the network's dtype.

        A check costs a single row as much as the network does.
        """
        return self._outputs(X, None, False, block)

    def _outputs(
        self,
        X: Array,
        engine: str | None = None,
        activated: bool = True,
        block: int | None = None,
    ) -> Array:
        n = len(X)
        result = np.empty((n, self.n_outputs), self.dtype)
        batch = 1 if n == 1 else min(block or self._batch(n, engine), n)
        run = self._program(batch, engine, activated)
        if n == batch:
            run(self._arrays(), (X,), (result,))
        else:
            self._over_rows(run, batch, [X], result)
        return result

    def _program(self, batch: int, engine: str | None, activated: bool) -> engines.RunRows:
        key = ("predict", batch, engine, activated)
        kept = self._compiled.get(key)
        if kept is None:
            n_held = len(self._arrays())
            kept = self.cached(
                key,
                lambda: engines.get(engine).compile_rows(self.graph(batch, activated), n_held),
            )
        return cast(engines.RunRows, kept)

    def _batch(self, n: int, engine: str | engines.Engine | None = None) -> int:
        """Give how many of n rows are taken at a time: 1, 4, 16, … as far as they pay."""
        batch = 1
        most = _BLOCK if n <= _BLOCK else engines.get(engine).block
        while 4 * batch <= min(n, most):
            batch *= 4
        return batch

    def _over_rows(
        self, run: engines.RunRows, batch: int, row_arrays: list[Array], result: Array
    ) -> None:
        """Run a program over rows, in slices between which Ctrl-C is heard."""
        held = self._arrays()
        n, trips = len(result), len(result) // batch
        # How many batches the first slice has: a row takes a multiplication a parameter, roughly.
        at_once = 1 if trips == 1 else _SLICE_WORK // (batch * (self.n_parameters or 1)) + 1
        if trips <= at_once:
            run(held, row_arrays, [result])
            return
        for first, last in slices(trips, Pace(at_once)):
            rows = slice(first * batch, n if last == trips else last * batch)
            run(held, [array[rows] for array in row_arrays], [result[rows]])

    def cached(self, key: Any, make: Callable[[], Any]) -> Any:
        """Give what was made for a key, or make it now; only the last few are kept."""
        with self._lock:
            if key not in self._compiled:
                made = make()
                while len(self._compiled) >= _KEPT:
                    del self._compiled[next(iter(self._compiled))]
                self._compiled[key] = made
            return self._compiled[key]

    @known_keywords
    def graph(self, rows: int = 1, activated: bool = True) -> Graph:
        """Give the traced graph of the network outside of training, for a number of rows.

        Without ``activated`` its output is the last layer's sum.
        """
        rows = check_size(rows, "rows")
        tracing = Tracing("network")
        params = {n: tracing.argument(spec_of(a), n) for n, a in self.params.items()}
        state = {n: tracing.argument(spec_of(a), n) for n, a in self.state.items()}
        x = tracing.argument(Spec((rows, self.n_inputs), self._dtype), "X")
        with tracing_into(tracing):
            z, activation, _ = forward(
                self.placed, cast("dict[str, Tensor]", params), cast("dict[str, Tensor]", state), x
            )
            with layer_scope(self.placed[-1].name):
                y = tracing.lift(activation(z) if activated else z).node
        return tracing.trace.finish([y], ["output"])

    @known_keywords
    def compiled(self, rows: int | None = None) -> Any:
        """Give the machine code of the last fit, or of predicting ``rows`` rows, to be read.

        Printing it lists the kernels: what is computed together, over which shapes, for which
        layers. Its ``ir`` is LLVM's text, its ``assembly`` the processor's instructions. Many rows
        are predicted some at a time. Before any fit it is that of one row's prediction.

        Raises
        ------
        ArgumentError
            Where the last fit ran on an engine that makes no machine code.

        Examples
        --------
        >>> import limpide as lp
        >>> net = lp.Network([2, 2, 1], seed=0)
        >>> "define" in net.compiled().ir
        True
        """
        if rows is None and self._fitted is not None:
            return engines.compiled(self._fitted)
        rows = 1 if rows is None else check_size(rows, "rows")
        return engines.compiled(self._program(self._batch(rows), "native", True))

    @known_keywords
    def export(
        self, path: str | os.PathLike[str], to: str | None = None, *, overwrite: bool = True
    ) -> None:
        """Write the network, trained weights included, in another format.

        Parameters
        ----------
        path
            Where to write; its folder must exist.
        to
            ``"onnx"``, or source code: ``"numpy"``, ``"python"`` (no import at all), ``"torch"``,
            ``"keras"``. None: by the path, which tells ``.onnx`` alone.
        overwrite
            False: an existing file is left as it is, with a FileError.

        Raises
        ------
        ArgumentError
            For a kind that there is not, a network in which rows see each other, or one too large
            for the kind of file.
        MissingExtraError
            For ONNX where onnx is not installed.

        Examples
        --------
        >>> import limpide as lp, os, tempfile
        >>> net = lp.Network([2, 3, 1], output="sigmoid", seed=0)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     net.export(os.path.join(folder, "net.py"), to="python")
        ...     os.listdir(folder)
        ['net.py']
        """
        limpide.exports.export_network(self.exported(), path, to, overwrite)

    def exported(self, activated: bool = True) -> Exported:
        """Give what the exports see; without ``activated`` up to the last layer's sum."""
        exported: Exported = limpide.exports.Exported(
            lambda rows: self.graph(rows, activated),
            self.params,
            self.state,
            str(self),
            activation_name(self.output_activation) if activated else "linear",
        )
        return exported

    @property
    def _takes_missing(self) -> bool:
        return self.placed[0].layer.takes_missing
