"""Many networks one after another: the plain meaning of training and judging many.

Answers for ``compile_many`` and ``compile_many_rows`` over what runs one network. Not for: threads
or anything faster.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from limpide.ir import Array, Loop

if TYPE_CHECKING:  # they stand in the package's first file, which looks engines up
    from limpide.engines import RunLoop, RunRows, Turns, Watch

_STEPS = 1024  # of a call, about


class ManyInTurn:
    """Trains one network after another with the loop of one."""

    def __init__(self, loop: Loop, run: RunLoop) -> None:
        self._run = run
        self._batch = loop.step.inputs[loop.n_carry + loop.n_held].spec.shape[0]

    def __call__(
        self,
        carries: list[Array],
        helds: list[Array],
        row_arrays: list[Array],
        turns: Turns,
        epochs: int,
        at_most: int,
        watch: Watch,
    ) -> None:
        an_epoch = -(-turns.n_rows // self._batch)
        at_once = max(1, min(at_most, _STEPS // an_epoch))
        order = np.empty((at_once, turns.n_rows), np.int64)
        for i in range(len(carries[0])):
            carry, held = ([a[i, ...] for a in arrays] for arrays in (carries, helds))
            for epoch in range(0, epochs, at_once):
                if watch.over():
                    return
                part = order[: epochs - epoch]
                turns.draw(i, epoch, part)
                losses = self._run(carry, held, row_arrays, part, 0)[0]
                if not watch.note(i, i + 1, epoch, losses.reshape(1, len(part), an_epoch)):
                    break


def many_rows(run: RunRows) -> Callable[[Sequence[Array], Sequence[Array], Sequence[Array]], None]:
    """Give what judges one network's rows after another's."""

    def each(held: Sequence[Array], row_arrays: Sequence[Array], outputs: Sequence[Array]) -> None:
        for i in range(len(outputs[0])):
            run([a[i, ...] for a in held], row_arrays, [a[i] for a in outputs])

    return each
