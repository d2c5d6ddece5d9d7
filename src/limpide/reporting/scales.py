"""From numbers to places in a picture: round ticks, linear and logarithmic scales.

Answers for axes that read well at any range. Not for: drawing them (``charts``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from limpide.languages import Words
from limpide.wording import in_language, per_cent

ENGLISH = Words("en")
FAR, _NEAR = 1e300, 1e-280  # the largest and the smallest numbers that a picture tells apart
_NARROW = 1e-6  # of the numbers' size: the narrowest range


@dataclass(frozen=True)
class Scale:
    """A range of numbers on a stretch of a picture.

    >>> Scale(0, 10, 100, 200).place(5)
    150.0
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def place(self, value: float) -> float:
        """Give where a number stands; what is outside of the range, at its end."""
        low, high, at = self.low, self.high, min(max(value, self.low), self.high)
        if self.log:
            low, high, at = math.log10(low), math.log10(high), math.log10(at)
        # halves, lest the distance of two huge numbers overflow; of the least numbers there is none
        distance = high / 2 - low / 2
        share = (at / 2 - low / 2) / distance if distance > 0 else 0.0
        return self.start + share * (self.end - self.start)


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Give at most about so many round numbers from low to high: steps of 1, 2 or 5.

    >>> ticks(0, 1), ticks(-3.2, 11)
    ([0.0, 0.2, 0.4, 0.6, 0.8, 1.0], [0.0, 5.0, 10.0])
    """
    rough = (high / 2 - low / 2) / count * 2
    if not rough > 0 or not math.isfinite(rough):
        return [low]
    power = math.floor(math.log10(rough))
    step = next(m for m in (1, 2, 5, 10) if m * 10.0**power >= rough * 0.75)
    unit = step * 10.0**power
    if not unit > 0 or not math.isfinite(unit):
        return [low, high]
    first, last = math.ceil(low / unit - 1e-9), math.floor(high / unit + 1e-9)
    # twelve digits may not tell neighbours apart where the range is a sliver
    return list(dict.fromkeys(float(f"{k * unit:.12g}") for k in range(first, last + 1)))


def log_ticks(low: float, high: float) -> list[float]:
    """Give powers of ten from low to high; with 2 and 5 between them where they are few.

    >>> log_ticks(0.05, 2)
    [0.05, 0.1, 0.2, 0.5, 1.0, 2.0]
    """
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    every = max(1, len(decades) // 6)
    parts = (1, 2, 5) if high / low < 200 else (1,)
    found = [float(f"{m}e{d}") for d in decades if d % every == 0 for m in parts]
    return [value for value in found if low * 0.999 <= value <= high * 1.001]


def tick_texts(values: Sequence[float], percent: bool = False, words: Words = ENGLISH) -> list[str]:
    """Give numbers of an axis as people write them, alike among themselves.

    >>> tick_texts([0, 0.25, 0.5]), tick_texts([0, 50000, 100000]), tick_texts([0, 2e6])
    (['0', '0.25', '0.5'], ['0', '50,000', '100,000'], ['0', '2M'])
    """
    return [word.replace("-", "−") for word in _texts(values, percent, words)]


def _texts(values: Sequence[float], percent: bool, words: Words) -> list[str]:
    language = words.language
    if percent:
        return [per_cent(f"{100 * value:.6g}", language) for value in values]
    largest = max((abs(value) for value in values), default=0)
    if 1e6 <= largest < 1e9:
        millions = [in_language(f"{value / 1e6:.6g}", language) for value in values]
        return [words.say("{n}M", n=n) if n != "0" else n for n in millions]
    form = ".6g"
    if largest >= 1e9 or 0 < largest < 1e-4:
        form = ".3g"
    elif largest >= 10_000:
        form = ",.0f"
    return [in_language(f"{value:{form}}", language) if value else "0" for value in values]


def padded(low: float, high: float, share: float = 0.05) -> tuple[float, float]:
    """Give a range a little wider; one of no width becomes one about its number.

    It is wide enough for its ticks to differ, and ends where arithmetic has room.

    >>> padded(0, 10), padded(3, 3)
    ((-0.5, 10.5), (2.5, 3.5))
    """
    low, high = (min(max(end, -FAR), FAR) for end in (low, high))
    size = max(abs(low), abs(high))
    if low == high:
        room = abs(low) * 0.1 if abs(low) > 1e6 or 0 < abs(low) < 1e-3 else 0.5
    else:
        room = (high - low) * share
    room = max(room, size * _NARROW, _NEAR)
    return low - room, high + room
