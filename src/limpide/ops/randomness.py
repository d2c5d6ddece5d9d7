"""Random numbers as ops: bits that are a function of (seed, step, stream), and numbers from them.

Answers for reproducible randomness inside graphs. Not for: the order of rows, which NumPy
draws ahead of need (``limpide.rng``).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from limpide import rng
from limpide.errors import DtypeError
from limpide.ir import Spec, where_raised
from limpide.ops.build import primitive
from limpide.ops.choices import cast, shift_right
from limpide.ops.elementwise import cos, log, sqrt
from limpide.ops.shaping import reshape
from limpide.tensor import Tensor, apply


def _bits_spec(seed: Spec, step: Spec, stream: int, shape: tuple[int, ...]) -> Spec:
    if seed != Spec((), "u32") or step != Spec((), "u32"):
        raise DtypeError(
            f"random_bits needs a seed and a step u32[], got {seed} and {step}{where_raised()}."
        )
    return Spec(shape, "u32")


RANDOM_BITS = primitive(
    "random_bits",
    _bits_spec,
    rng.random_bits,
    (None, None),
    "random bits for seed {0}, step {1}",
    "random_bits({0}, {1}, stream={stream}, shape={shape})",
)


def random_bits(seed: Tensor, step: Tensor, *, stream: int, shape: tuple[int, ...]) -> Tensor:
    """Give 32 random bits an element, a function of seed, step and stream alone.

    Source: Threefry-2x32, 20 rounds: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as
    easy as 1, 2, 3", SC11 (2011).
    """
    return apply(RANDOM_BITS, seed, step, stream=int(stream), shape=tuple(shape))


class RandomSource(NamedTuple):
    """Where random numbers come from: a seed and a step u32[], and which of many streams."""

    seed: Tensor
    step: Tensor
    stream: int = 0

    def bits(self, shape: tuple[int, ...]) -> Tensor:
        """Give u32[shape] of random bits."""
        return random_bits(self.seed, self.step, stream=self.stream, shape=shape)


def random_uniform(source: RandomSource, shape: tuple[int, ...], dtype: str) -> Tensor:
    """Give numbers in [0, 1): 24 random bits each in f32, 53 in f64."""
    if dtype == "f32":
        return cast(shift_right(source.bits(shape), 8), "f32") * 2.0**-24
    bits = source.bits((2, *shape))
    high = cast(shift_right(bits[0], 5), "f64")
    low = cast(shift_right(bits[1], 6), "f64")
    return (high * 2.0**26 + low) * 2.0**-53


def random_normal(source: RandomSource, shape: tuple[int, ...], dtype: str) -> Tensor:
    """Give standard normal numbers.

    Source: Box and Muller, "A note on the generation of random normal deviates", Ann. Math.
    Statist. 29 (1958).
    """
    size = math.prod(shape)
    u: Any = random_uniform(source, (2, size), dtype)
    radius = sqrt(log(1 - u[0]) * -2)  # 1 − u is in (0, 1]: its logarithm is finite
    return reshape(radius * cos(u[1] * (2 * math.pi)), shape)
