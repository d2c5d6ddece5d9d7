"""Generator: random numbers that advance with each use, eager and in compiled functions.

Answers for drawing in a user's own code. Not for: dropout and first weights, which are functions
of a seed; nor for the bits themselves (``limpide.rng``).
"""

from __future__ import annotations

import math
import os
import threading
import weakref
from collections.abc import Sequence

import numpy as np

from limpide.errors import ArgumentError, ArgumentTypeError, DtypeError
from limpide.ir import FLOATS, dtype_name
from limpide.keywords import known_keywords
from limpide.memory import check_fits
from limpide.ops import RandomSource, random_normal, random_uniform
from limpide.ops.shaping import RESHAPE
from limpide.rng import check_seed, fresh_seed
from limpide.tensor import Tensor, Variable, apply, refuse_in_trace

DRAWING = 40.0
"""Bytes of memory for each number drawn: bits, two uniform numbers for a normal one, results."""


def check_shape(shape: object, bytes_each: float = DRAWING) -> tuple[int, ...]:
    """Give a shape as a tuple of whole numbers of at least 0, of an array that fits in memory."""
    items = [shape] if isinstance(shape, (int, np.integer)) else shape
    if not isinstance(items, (list, tuple)):
        raise ArgumentTypeError(f"A shape is a whole number or a tuple; received {shape!r}.")
    for n in items:
        if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 0:
            raise ArgumentError(f"A shape holds whole numbers of at least 0; received {shape!r}.")
    needed = bytes_each * math.prod(float(n) for n in items)
    check_fits(needed, f"An array of shape {list(items)}", "Choose a smaller shape.")
    return tuple(int(n) for n in items)


def fixed_source(seed: int | None, stream: int = 0) -> RandomSource:
    """Give the source for a seed; the same seed and stream give the same numbers."""
    return RandomSource(_u32(check_seed(seed)), _u32(0), stream)


def _u32(value: int) -> Tensor:
    return Tensor(value, dtype="uint32")


@known_keywords
class Generator:
    """Random numbers, new ones with each use.

    How often it was used is a variable. So in a function compiled with ``@lp.function`` each call
    and each step of ``repeat`` draws new numbers, the same as eager calls would have drawn.

    Parameters
    ----------
    seed
        0 to 2**32 - 1; None takes a fresh one, and another in each process that is forked later.

    Examples
    --------
    >>> import limpide as lp
    >>> first, again = lp.Generator(seed=0), lp.Generator(seed=0)
    >>> bool((first.normal((3,)) == again.normal((3,)))[0])
    True
    """

    def __init__(self, seed: int | None = None) -> None:
        refuse_in_trace("Generator")
        self._start(seed)

    def _start(self, seed: int | None) -> None:
        # Both are variables, so that compiled functions follow when they change.
        self._seed = _counter(check_seed(seed), "random_seed")
        self._uses = _counter(0, "random_uses")
        if seed is None:
            _unseeded.add(self)

    @classmethod
    def shared(cls) -> Generator:
        """Make one that modules hold: loading them may happen while a function is traced."""
        generator = cls.__new__(cls)
        generator._start(None)
        return generator

    @property
    def seed(self) -> int:
        """The seed, given or fresh: with it the same numbers can be drawn again."""
        return int(self._seed._array)

    def source(self) -> RandomSource:
        """Give a source of numbers that no earlier use has given, and count the use."""
        with _using:
            seed, now = (apply(RESHAPE, v, shape=()) for v in (self._seed, self._uses))
            self._uses.assign(now + 1)
        return RandomSource(seed, now)

    def uniform(
        self,
        shape: int | Sequence[int] = (),
        low: float = 0.0,
        high: float = 1.0,
        dtype: object = "float32",
    ) -> Tensor:
        """Draw numbers uniform in [low, high)."""
        drawn = random_uniform(self.source(), check_shape(shape), _float(dtype))
        return drawn * (high - low) + low

    def normal(
        self,
        shape: int | Sequence[int] = (),
        mean: float = 0.0,
        std: float = 1.0,
        dtype: object = "float32",
    ) -> Tensor:
        """Draw normal numbers."""
        return random_normal(self.source(), check_shape(shape), _float(dtype)) * std + mean


def _counter(value: int, name: str) -> Variable:
    return Variable.sharing(np.array(value, np.uint32), name)


_using = threading.RLock()
_unseeded: weakref.WeakSet[Generator] = weakref.WeakSet()


def _begin_anew() -> None:
    """Give the generators without a seed of their own another one, in a process just forked."""
    global _using  # a thread that is not in this process may hold the old one
    _using = threading.RLock()
    for generator in _unseeded:
        generator._seed._array[...] = fresh_seed()


if hasattr(os, "register_at_fork"):  # Windows forks nothing
    os.register_at_fork(after_in_child=_begin_anew)


def _float(dtype: object) -> str:
    name = dtype_name(dtype)
    if name not in FLOATS:
        raise DtypeError(f"dtype must be float32 or float64; received {dtype!r}.")
    return name
