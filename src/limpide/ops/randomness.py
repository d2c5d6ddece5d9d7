"""Random numbers as ops: bits that are a function of (seed, step, stream), and numbers from them.

Answers for reproducible randomness inside graphs. Not for: the order of rows, which NumPy
draws ahead of need (``limpide.rng``).
"""

from __future__ import annotations

import math
from typing import Any

from limpide import rng
from limpide.errors import DtypeError
from limpide.ir import Spec, where_raised
from limpide.ops.build import primitive
from limpide.ops.elementwise import cast, cos, log, shift_right, sqrt
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


def random_uniform(
    seed: Tensor, step: Tensor, *, stream: int, shape: tuple[int, ...], dtype: str
) -> Tensor:
    """Give numbers in [0, 1): 24 random bits each in f32, 53 in f64."""
    if dtype == "f32":
        bits = random_bits(seed, step, stream=stream, shape=shape)
        return cast(shift_right(bits, 8), "f32") * 2.0**-24
    bits = random_bits(seed, step, stream=stream, shape=(2, *shape))
    high = cast(shift_right(bits[0], 5), "f64")
    low = cast(shift_right(bits[1], 6), "f64")
    return (high * 2.0**26 + low) * 2.0**-53


def random_normal(
    seed: Tensor, step: Tensor, *, stream: int, shape: tuple[int, ...], dtype: str
) -> Tensor:
    """Give standard normal numbers.

    Source: Box and Muller, "A note on the generation of random normal deviates", Ann. Math.
    Statist. 29 (1958).
    """
    size = math.prod(shape)
    u: Any = random_uniform(seed, step, stream=stream, shape=(2, size), dtype=dtype)
    radius = sqrt(log(1 - u[0]) * -2)  # 1 − u is in (0, 1]: its logarithm is finite
    return reshape(radius * cos(u[1] * (2 * math.pi)), shape)
