"""How many digits are shown, so that who works with them gets what is shown.

Answers for a reader with a pencil: the weights and inputs as they are written, worked through,
give each sum and output to its last digit. Not for: the language's way of writing numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from limpide.explain.diagrams.values import Parts, Question, Run, Values
from limpide.ir import Array
from limpide.languages import numeral

MOST = 5  # significant digits of a sum or an output
_LEAST = 3  # of them that a reader must get, where any digits of the weights give them
_WEIGHTS = (4, 5, 6, 7, 8, 9, 10, 12, 15, 17)
_DECIMALS = 12
_WHOLE = 1e7  # from here on a number is written with a power of ten

Written = Mapping[str, Array]
"""Layer → how each of its numbers is rounded: significant digits, or −d for d decimals."""


@dataclass(frozen=True)
class Digits:
    """How many significant digits weights and inputs have, and what sums and outputs have."""

    weights: int
    sums: Written
    outputs: Written


def plain_digits(weights: int, seen: Values | None) -> Digits:
    """Give digits for a picture in which not all weights are to be seen."""
    if seen is None:
        return Digits(weights, {}, {})
    every = [
        {n: np.array([whole_digits(float(x), MOST - 1) for x in v]) for n, v in f.items()}
        for f in (seen.sums, seen.outputs)
    ]
    return Digits(weights, *every)


def agreeing_digits(parts: Parts, seen: Values) -> Digits:
    """Give the fewest digits of weights from which a reader gets every number that is shown.

    The reader works in float64 and rounds nothing on the way.
    """
    wide = {n: a.astype(np.float64) for n, a in parts.params.items()}
    x = seen.x[None].astype(np.float64)
    state = {n: a.astype(np.float64) for n, a in parts.state.items()}
    run = Run(Parts(parts.placed, wide, state, parts.scalars), Question(x))

    def read(digits: int) -> Values:
        return run(rounded(wide, digits), state, rounded({"x": x}, digits)["x"])

    best = _flat(_agreed(seen, read(17)))
    wanted = [whole_digits(v, _LEAST) for f in (seen.sums, seen.outputs) for v in _all(f)]
    for digits in _WEIGHTS:
        found = _agreed(seen, read(digits))
        every = zip(_flat(found), wanted, best, strict=True)
        if all(got >= min(least, most) for got, least, most in every):
            break
    return Digits(digits, *(_or_decimals(seen, read(digits), found)))


def rounded(arrays: Mapping[str, Array], digits: int) -> dict[str, Array]:
    """Give arrays of the numbers that a reader sees.

    >>> float(rounded({"w": np.array([1 / 3])}, 4)["w"][0])
    0.3333
    """
    return {
        name: np.array([as_read(v, digits) for v in a.ravel().tolist()], float).reshape(a.shape)
        for name, a in arrays.items()
    }


def as_read(value: float, digits: int) -> float:
    """Give the number that a reader sees where one is written with so many digits.

    >>> as_read(1 / 3, 4), as_read(12345.678, 4)
    (0.3333, 12346.0)
    """
    shown = whole_digits(value, digits)
    return value if shown >= 17 else float(f"{value:.{shown - 1}e}")


def whole_digits(value: float, digits: int) -> int:
    """Give how many digits a number is written with: never fewer than its whole part has.

    Who has 12345, or gets it, is not to be told that it is 12340.

    >>> whole_digits(12345.678, 4), whole_digits(0.125, 4)
    (5, 4)
    """
    size = abs(value)
    return max(digits, len(str(int(size)))) if size < _WHOLE else digits


def _agreed(seen: Values, read: Values) -> tuple[Written, Written]:
    """Give for each sum and output in how many digits the reader agrees.

    At most ``MOST``, or those of the whole part where it has more.
    """

    def compare(ours: Mapping[str, Array], theirs: Mapping[str, Array]) -> Written:
        return {
            name: np.array(
                [_common(float(a), float(b)) for a, b in zip(v, theirs[name], strict=True)]
            )
            for name, v in ours.items()
        }

    return compare(seen.sums, read.sums), compare(seen.outputs, read.outputs)


def _common(a: float, b: float) -> int:
    for digits in range(whole_digits(a, MOST), 0, -1):
        if numeral(a, digits) == numeral(b, digits):
            return digits
    return 0


def _or_decimals(
    seen: Values, read: Values, found: tuple[Written, Written]
) -> tuple[Written, Written]:
    """Where no digit agrees, as of what is 0 but for rounding, give decimals that do."""
    every = zip(found, (seen.sums, seen.outputs), (read.sums, read.outputs), strict=True)
    sums, outputs = (
        {
            name: np.array(
                [
                    k or -_decimals(float(a), float(b))
                    for k, a, b in zip(ks.tolist(), ours[name], theirs[name], strict=True)
                ]
            )
            for name, ks in written.items()
        }
        for written, ours, theirs in every
    )
    return sums, outputs


def _decimals(a: float, b: float) -> int:
    return next((d for d in range(_DECIMALS, 0, -1) if round(a, d) == round(b, d)), 1)


def _all(arrays: Mapping[str, Array]) -> list[float]:
    return [float(v) for values in arrays.values() for v in values]


def _flat(found: tuple[Written, Written]) -> list[int]:
    return [int(k) for written in found for ks in written.values() for k in ks]
