"""The operands of a matrix product: their sizes and strides, and which has to be copied first.

Answers for what planning and code generation both ask of a product. Not for: its code
(``products``).
"""

from __future__ import annotations

from dataclasses import dataclass

from limpide.engines.native.places import View


@dataclass(frozen=True)
class Matrices:
    """The operands of a product ``[…, m, k] @ […, k, n]``, by their strides.

    ``batch`` holds (length, stride of a, stride of b) for each leading axis longer than 1.
    """

    m: int
    k: int
    n: int
    a: View
    b: View
    batch: tuple[tuple[int, int, int], ...]

    @property
    def a_strides(self) -> tuple[int, int]:
        return self.a.strides[-2], self.a.strides[-1]

    @property
    def b_strides(self) -> tuple[int, int]:
        return self.b.strides[-2], self.b.strides[-1]


def matrices(a: View, b: View) -> Matrices:
    """Give the operands of a product by their views."""
    lead = a.shape[:-2]
    batch = [(n, a.strides[i], b.strides[i]) for i, n in enumerate(lead) if n != 1]
    return Matrices(a.shape[-2], a.shape[-1], b.shape[-1], a, b, tuple(batch))


def unfit(given: Matrices) -> str:
    """Name the operand that has to be copied row by row first: ``"a"``, ``"b"`` or neither."""
    (step_m, step_k), (b_step_k, step_n) = given.a_strides, given.b_strides
    if 0 in (given.m, given.n):
        return ""
    if given.n > 1:
        return "" if step_n == 1 else "b"
    if given.m > 1 and step_m == 1:
        return ""
    if step_k != 1 and given.k > 1:
        return "a"
    return "" if b_step_k == 1 or given.k <= 1 else "b"
