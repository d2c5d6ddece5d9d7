"""The one table of tolerances, in ulps by op and dtype, and the few absolute ones.

Answers for how exact is exact enough, with a reason each; no test carries a tolerance of its own.
Not for: time limits, which tests do not have.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

# (op, dtype) -> (ulps, reason). "*" stands for any op. An ulp is counted between the result and
# the true value rounded to the dtype, so that 0 is the correctly rounded result; for "native" rows
# it is counted from the true value itself, in fractions, so that 0.5 is the correctly rounded one.
ULPS: dict[tuple[str, str], tuple[float, str]] = {
    ("sigmoid", "float32"): (3, "NumPy's exp is within 2.5 ulp; the sum and the quotient add 1"),
    ("sigmoid", "float64"): (2, "NumPy's exp is within 1 ulp; the sum and the quotient add 1"),
    ("softplus", "float32"): (4, "NumPy's exp within 2.5 ulp, then its log1p within 1.5"),
    ("softplus", "float64"): (3, "NumPy's exp within 1 ulp, then its log1p within 1.5"),
    ("erf", "float32"): (1, "worked in float64 and rounded once"),
    ("erf", "float64"): (1, "a value of a table plus a short polynomial, 1.1 ulp together"),
    ("native exp", "float32"): (
        1,
        "one last sum, then a power of two; 0.3 from the rest",
    ),
    ("native exp", "float64"): (
        1,
        "one last sum, then a power of two; 0.3 from the rest",
    ),
    ("native expm1", "float32"): (1, "a last sum of parts; 0.3 from the rest of the polynomial"),
    ("native expm1", "float64"): (1, "a last sum of parts; 0.3 from the rest of the polynomial"),
    ("native log", "float32"): (1, "a last sum of parts; 0.3 from the polynomial"),
    ("native log", "float64"): (1, "a last sum of parts; 0.3 from the polynomial"),
    ("native log1p", "float32"): (1, "as log, and what 1 + x lost enters to first order"),
    ("native log1p", "float64"): (1, "as log, and what 1 + x lost enters to first order"),
    ("native tanh", "float32"): (
        1,
        "a quotient of sums in two parts, corrected once",
    ),
    ("native tanh", "float64"): (
        1,
        "a quotient of sums in two parts, corrected once",
    ),
    ("native sigmoid", "float32"): (
        1.5,
        "a quotient, then a correction: two roundings",
    ),
    ("native sigmoid", "float64"): (
        1.5,
        "a quotient, then a correction: two roundings",
    ),
    ("native softplus", "float32"): (1, "exp in two parts, then a last sum of parts"),
    ("native softplus", "float64"): (1, "exp in two parts, then a last sum of parts"),
    ("native erf", "float32"): (1, "one last sum; 0.4 from the polynomial of a part up to 0.18"),
    ("native erf", "float64"): (1, "one last sum; 0.4 from the polynomial of a part up to 0.18"),
    ("native erf without fma", "float32"): (1.25, "x + x Q is rounded twice"),
    ("native erf without fma", "float64"): (1.25, "x + x Q is rounded twice"),
    ("native sin", "float32"): (
        1,
        "worked in float64, or r and a correction",
    ),
    ("native sin", "float64"): (
        1,
        "worked in float64, or r and a correction",
    ),
    ("native cos", "float32"): (
        1,
        "worked in float64, or a sum with a correction",
    ),
    ("native cos", "float64"): (
        1,
        "worked in float64, or a sum with a correction",
    ),
    ("loss of a first step on xla", "float64"): (4, "asked: the same ops, sums in another order"),
    ("native power", "float32"): (
        1,
        "worked in float64, or with a logarithm in two parts",
    ),
    ("native power", "float64"): (
        1,
        "worked in float64, or with a logarithm in two parts",
    ),
}

# name -> (relative or absolute difference allowed, reason).
ABSOLUTE: dict[str, tuple[float, str]] = {
    "first_derivative": (1e-7, "central differences in float64: step**2 against eps / step"),
    "second_derivative": (1e-5, "differences of differences lose as many digits again"),
    "engine_float64": (1e-12, "engines may add in another order, never by another formula"),
    "engine_float32": (1e-5, "a few dozen float32 roundings of 6e-8, in another order each"),
    "engine_float64_steps": (1e-9, "up to 1,000 steps carry the engines' roundings forward"),
    "devices_float32": (1e-6, "100 steps; each device adds its own rows first"),
    "bfloat16_products": (0.01, "factors of 8 bits: 0.4 % each, in sums of some dozen"),
    "fit_float32": (2e-5, "a dozen steps carry a few hundred roundings of 6e-8 forward"),
    "order_of_sums": (8.0, "eps times the sum of absolute values: terms are added in any order"),
    "float32_beside_float64": (1e-5, "a few dozen float32 roundings of numbers below 10"),
    "explained_derivative": (1e-12, "the same formula in float64, its terms in another order"),
    "explained_difference": (1e-6, "central differences, step 1e-5, of losses of curved functions"),
    "golden": (1e-12, "GOLDEN.md gives 16 digits"),
    "training_weights": (1e-12, "a thousand epochs carry the rounding of each step forward"),
    "peer_float64": (
        1e-11,
        "PyTorch adds in another order; 50 steps of training, sums of 64 terms",
    ),
    "peer_float32": (2e-5, "PyTorch adds in another order: a few hundred roundings of 6e-8"),
    "export_float64": (1e-12, "other libraries add in another order, by the same formulas"),
    "export_float32": (1e-6, "the same weights and inputs to the bit; a few dozen roundings"),
    "figure_float64": (1e-12, "both sides add the same terms in another order"),
    "many_weightings": (1e-9, "R² from sums of squares: a few digits go with the mean"),
    "two_bootstraps": (0.1, "of an interval's width: two sets of 1,000 draws differ by 0.03"),
    "shuffled_share": (0.05, "20 shuffles of 4,000 rows leave about 0.01 to chance"),
    "learned_slope": (0.1, "a network with 60 epochs and noise of 1 on a slope of 61"),
    "bent_grid": (1e-9, "second differences over a grid lose a few digits of sums of squares"),
    "plateau_answers": (0.05, "5,000 steps bring a saturated neuron so near to 0, 1 or a mean"),
    "long_sum_float32": (1e-6, "FAULTS.md: the mean of 10**8 times 0.1"),
}


def tolerance(name: str) -> float:
    """Give the named tolerance: ``tolerance("golden")`` is 1e-12."""
    return ABSOLUTE[name][0]


def ulp_distance(actual: npt.ArrayLike, expected: npt.ArrayLike) -> npt.NDArray[Any]:
    """Give how many representable numbers lie from one to the other, element by element.

    Equal numbers, -0 and 0, and two NaN are 0 apart; a NaN and a number are 2**63 apart. Infinity
    is one step beyond the largest number.
    """
    a, b = np.asarray(actual), np.asarray(expected)
    assert a.dtype == b.dtype, f"dtypes differ: {a.dtype}, {b.dtype}"
    assert a.shape == b.shape, f"shapes differ: {a.shape}, {b.shape}"
    bits = {"float32": np.int32, "float64": np.int64}[a.dtype.name]
    lowest = int(np.iinfo(bits).min)

    def place(x: npt.NDArray[Any]) -> list[int]:
        # Sign and magnitude to a straight line of integers; Python's never overflow.
        whole = np.ascontiguousarray(x).reshape(-1).view(bits).tolist()
        return [i if i >= 0 else lowest - i for i in whole]

    distance = [abs(i - j) for i, j in zip(place(a), place(b), strict=True)]
    result = np.array(distance, np.float64).reshape(a.shape)
    either, both = np.isnan(a) | np.isnan(b), np.isnan(a) & np.isnan(b)
    return np.where(both, 0.0, np.where(either, 2.0**63, result))


def assert_ulp(actual: npt.ArrayLike, expected: npt.ArrayLike, key: tuple[str, str] | str) -> None:
    """Fail unless ``actual`` is within the table's ulps of ``expected``; says where it is worst.

    ``key`` is an op's name (the dtype is that of ``actual``) or the pair (op, dtype).
    """
    a, b = np.asarray(actual), np.asarray(expected)
    pair = (key, a.dtype.name) if isinstance(key, str) else key
    allowed = ULPS[pair][0]
    distance = ulp_distance(a, b)
    if not distance.size:
        return
    worst = np.unravel_index(int(distance.argmax()), distance.shape)
    assert distance[worst] <= allowed, (
        f"{pair}: {distance[worst]:.0f} ulp at {tuple(int(i) for i in worst)}, allowed {allowed}: "
        f"got {a[worst]!r}, expected {b[worst]!r}"
    )
