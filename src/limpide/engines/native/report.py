"""What was compiled, to be read: LLVM text, assembly, which ops share a kernel, where time goes.

Answers for ``print(network.compiled())`` and ``limpide bench --profile``. Not for: running
(``engine``), or writing code (``graphs``, ``loops``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

from limpide.engines.native.jit import assembly
from limpide.engines.native.module import Module, Piece
from limpide.engines.native.target import Target


@dataclass(frozen=True)
class Share:
    """A kernel and its part of a step.

    Attributes
    ----------
    piece
        What it computes.
    cycles
        Counted by the processor's clock, a step.
    share
        Of all kernels of the step, 0 to 1.
    """

    piece: Piece
    cycles: float
    share: float


class Compiled:
    """Machine code to look at; printing it lists its kernels.

    Parameters
    ----------
    title
        What is computed.
    build
        Writes the module anew.

    Attributes
    ----------
    ir
        LLVM's text, before code generation; where a step is held in registers, before its kernels
        are made one function too.
    assembly
        The processor's instructions.
    pieces
        The kernels of a step, in running order.
    """

    def __init__(self, title: str, build: Callable[[], Module], target: Target) -> None:
        self.title, self._build, self._target = title, build, target

    @cached_property
    def _module(self) -> Module:
        return self._build()

    @property
    def ir(self) -> str:
        return self._module.text

    @cached_property
    def assembly(self) -> str:
        return assembly(self._module.text, self._target, promote=self._module.tiny)

    @property
    def pieces(self) -> tuple[Piece, ...]:
        return tuple(self._module.pieces)

    def __str__(self) -> str:
        module, target = self._module, self._target
        words = f"{target.cpu}, {target.vector_bytes * 8}-bit vectors"
        head = [f"{self.title}, compiled for {words}; {_size(module.arena_bytes)} of memory"]
        if module.tiny:
            head.append("held in registers: LLVM makes these kernels one function, without calls")
        marks = ["*" if module.together and piece.shared else "" for piece in self.pieces]
        columns = [(mark, piece.function) for mark, piece in zip(marks, self.pieces, strict=True)]
        legend = "[shape] of what loops run over; k: numbers in each sum of a product"
        if any(marks):
            legend += "; *: shared by threads"
        return "\n".join([*head, *table(self.pieces, columns), legend])

    __repr__ = __str__


def _size(nbytes: int) -> str:
    for unit, size in (("MiB", 1 << 20), ("KiB", 1 << 10)):
        if nbytes >= size:
            return f"{nbytes / size:.3g} {unit}"
    return f"{nbytes} bytes"


def table(pieces: Sequence[Piece], columns: Sequence[Sequence[str]] = ()) -> list[str]:
    """Give lines that list kernels: further columns, then shape, layers, ops."""
    rows = [
        (*front, _shape(piece), piece.layers, _ops(piece))
        for piece, front in zip(pieces, columns or [()] * len(pieces), strict=True)
    ]
    if not rows:
        return []
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    numbers = len(rows[0]) - 3
    lines = []
    for i, row in enumerate(rows):
        cells = [
            cell.rjust(width) if k < numbers else cell.ljust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append(f"  {i:>2}  {'  '.join(cells)}".rstrip())
    return lines


def _ops(piece: Piece) -> str:
    """Name the ops; what follows itself is counted, and a long list is cut."""
    words = [
        name if count == 1 else f"{name} × {count}"
        for name, count in ((n, len(list(same))) for n, same in groupby(piece.ops.split(", ")))
    ]
    shown = words if len(words) <= _WORDS else [*words[: _WORDS - 2], "…", words[-1]]
    return ", ".join(shown)


def _shape(piece: Piece) -> str:
    text = "[" + ",".join(map(str, piece.shape)) + "]"
    return f"{text} k={piece.inner}" if piece.kind == "product" else text


_WORDS = 8  # ops of a kernel that are named


def shares(pieces: Sequence[Piece], cycles: Sequence[float]) -> list[Share]:
    """Give each kernel's part from counted cycles."""
    total = sum(cycles) or 1.0
    return [Share(p, c, c / total) for p, c in zip(pieces, cycles, strict=True)]


__all__ = ["Compiled", "Share", "shares", "table"]
