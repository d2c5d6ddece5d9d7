"""Seeds and the numbers drawn from them, the same on every engine.

Answers for the counter-based bits of random ops, the order of rows in an epoch, and what may be a
seed. Not for: distributions, which are ops on these bits.
"""

from __future__ import annotations

import math
import operator
import os
from typing import Any

import numpy as np
import numpy.typing as npt

from limpide.errors import ArgumentError, ArgumentTypeError

Words = npt.NDArray[np.uint32]

# Each constant is an array without axes: those cost a ufunc half as much as Python's numbers.
THREEFRY_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
THREEFRY_PARITY = 0x1BD11BDA
_ROTATIONS = tuple(
    tuple((np.array(r, np.uint32), np.array(32 - r, np.uint32)) for r in four)
    for four in THREEFRY_ROTATIONS
)
_PARITY = np.array(THREEFRY_PARITY, np.uint32)
_GROUPS = tuple(np.array(i, np.uint32) for i in range(1, 6))  # of four rounds each


def threefry2x32(
    key0: npt.ArrayLike, key1: npt.ArrayLike, counter0: npt.ArrayLike, counter1: npt.ArrayLike
) -> tuple[Words, Words]:
    """Give two u32 words of random bits for each key and counter: Threefry-2x32, 20 rounds.

    Parameters
    ----------
    key0, key1, counter0, counter1
        u32, scalars or arrays; they broadcast together.

    Source
    ------
    Salmon, Moraes, Dror & Shaw (2011), "Parallel random numbers: as easy as 1, 2, 3"; tested
    against the known answers of their Random123 distribution. JAX's default generator is the same.

    Examples
    --------
    >>> [hex(word) for word in threefry2x32(0, 0, 0, 0)]
    ['0x6b200159', '0x99ba4efe']
    """
    k0, k1, c0, c1 = (np.asarray(a, np.uint32) for a in (key0, key1, counter0, counter1))
    shape = np.broadcast_shapes(k0.shape, k1.shape, c0.shape, c1.shape)
    x0, x1 = np.empty(shape, np.uint32), np.empty(shape, np.uint32)
    np.copyto(x0, c0)
    np.copyto(x1, c1)
    _threefry(k0, k1, x0, x1)
    return x0, x1


def _threefry(k0: Words, k1: Words, x0: Words, x1: Words) -> None:
    """Replace the counters in ``x0`` and ``x1`` by their words."""
    keys = (k0, k1, np.asarray(k0 ^ k1 ^ _PARITY))
    work = np.empty_like(x1)
    np.add(x0, keys[0], x0)
    np.add(x1, keys[1], x1)
    for i, number in enumerate(_GROUPS):
        for left, right in _ROTATIONS[i % 2]:
            np.add(x0, x1, x0)
            np.left_shift(x1, left, work)
            np.right_shift(x1, right, x1)
            np.bitwise_or(x1, work, x1)
            np.bitwise_xor(x1, x0, x1)
        np.add(x0, keys[(i + 1) % 3], x0)
        np.add(x1, keys[(i + 2) % 3], x1)
        np.add(x1, number, x1)


def random_bits(
    seed: npt.ArrayLike,
    step: npt.ArrayLike,
    *,
    stream: int,
    shape: tuple[int, ...],
    out: Words | None = None,
) -> Words:
    """Give u32[shape] of random bits, a function of (seed, step, stream, shape) alone.

    The key is (seed, stream) and the counters are (step, j), j = 0 .. ceil(n / 2) - 1 for n
    words; the result is all first words, then all second ones, cut to n and put in row order.

    Parameters
    ----------
    seed, step
        u32[], scalars.
    stream
        Which random op asks, 0 to 2**32 - 1; different streams give unrelated bits.
    shape
        At most 2**33 elements.
    out
        Where to write, u32 of the shape.

    Examples
    --------
    >>> random_bits(7, 0, stream=1, shape=(2, 2)).dtype
    dtype('uint32')
    """
    n = math.prod(shape)
    pairs = (n + 1) // 2
    direct = out is not None and n == 2 * pairs and out.flags.c_contiguous
    words = out.reshape(-1) if out is not None and direct else np.empty(2 * pairs, np.uint32)
    first, second = words[:pairs], words[pairs:]
    first.fill(step)
    second[:] = np.arange(pairs, dtype=np.uint32)
    _threefry(np.asarray(seed, np.uint32), np.asarray(stream, np.uint32), first, second)
    if out is not None and direct:
        return out
    result = words[:n].reshape(shape)
    if out is None:
        return result
    np.copyto(out, result)
    return out


def row_order(seed: int, epoch: int, n_rows: int) -> npt.NDArray[np.int64]:
    """Give the order of the rows in an epoch: i64[n_rows], a permutation of 0 .. n_rows - 1.

    A function of (seed, epoch, n_rows) alone, the same on every engine and machine: NumPy's
    ``Generator.permutation`` over Philox keyed by (seed, epoch). NumPy keeps the right to change
    ``Generator``'s methods between its versions (NEP 19), so tests hold two orders fixed.

    Source
    ------
    Philox: Salmon, Moraes, Dror & Shaw (2011).

    Examples
    --------
    >>> sorted(row_order(0, 3, 5).tolist())
    [0, 1, 2, 3, 4]
    """
    generator = np.random.Generator(np.random.Philox(key=np.array([seed, epoch], np.uint64)))
    return generator.permutation(np.arange(n_rows, dtype=np.int64))


class RowOrder:
    """Draws what ``row_order`` gives, for one seed and many epochs.

    A bit generator takes longer to make than a small table to shuffle: here one is set back to
    the start of another epoch's key.

    Examples
    --------
    >>> orders = np.empty((2, 5), np.int64)
    >>> RowOrder(0).draw(3, orders)
    >>> (orders == [row_order(0, 3, 5), row_order(0, 4, 5)]).all()
    np.True_
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._bits = np.random.Philox(key=np.array([seed, 0], np.uint64))
        self._start: Any = self._bits.state
        self._key = self._start["state"]["key"]
        self._generator = np.random.Generator(self._bits)

    def draw(self, epoch: int, out: npt.NDArray[np.int64]) -> None:
        """Write the orders of epochs, from ``epoch`` on, to ``out``, i64[k, n] without gaps."""
        for i, order in enumerate(out):
            self._key[1] = epoch + i
            self._bits.state = self._start
            order[:] = np.arange(len(order))
            self._generator.shuffle(order)


def fresh_seed() -> int:
    """Give a seed from the operating system's entropy, 0 to 2**32 - 1."""
    return int.from_bytes(os.urandom(4), "little")


def check_seed(seed: Any, name: str = "seed") -> int:
    """Give ``seed`` as an int, or a fresh one for None.

    Raises
    ------
    ArgumentTypeError
        If ``seed`` is neither None nor an integer (a bool is not).
    ArgumentError
        If it is below 0 or at least 2**32.

    Examples
    --------
    >>> check_seed(7)
    7
    """
    if seed is None:
        return fresh_seed()
    remedy = "Give an integer from 0 to 4294967295, or None for a fresh one."
    try:
        if isinstance(seed, bool | np.bool_):
            raise TypeError
        number = operator.index(seed)
    except TypeError:
        raise ArgumentTypeError(
            f"{name} must be an integer or None, received {seed!r} of type {type(seed).__name__}. "
            + remedy
        ) from None
    if not 0 <= number < 2**32:
        raise ArgumentError(
            f"{name} must be at least 0 and below 2**32, received {number}. {remedy}"
        )
    return number
