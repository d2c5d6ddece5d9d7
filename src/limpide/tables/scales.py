"""Centre, scale, spike and stretches of columns of numbers, many at a time, with weights.

Answers for the statistics that scaling layers hold: a row of weight k counts as k rows. Not for:
which columns are numbers (``fitting``, ``numeric``), nor for applying anything.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from limpide.tables.features import LARGEST, Floats

#: Statistics are taken from at most this many rows, at equal distances.
SAMPLE = 200_000

_FEWEST_STRETCHES = 3
_SPIKE_SHARE = 0.1
_SPIKE_ROWS = 10


@dataclass
class Scales:
    """The statistics of k columns; ``centre`` and ``spike`` are in the matrix's unit.

    Attributes
    ----------
    origin, unit : f64[k]
        As in ``Part``: the matrix holds (value − origin) / unit.
    centre, factor : f64[k]
        A scaled number is (x − centre) · factor.
    spike : f64[k]
        The value that stands in a tenth of the rows or more; NaN where there is none.
    edges : k × f64[m + 1]
        Where stretches of about equally many rows begin and end, the spike's apart; empty where
        there are fewer than three. In the matrix's unit.
    """

    origin: Floats
    unit: Floats
    centre: Floats
    factor: Floats
    spike: Floats
    edges: list[Floats]


def scales_of(
    columns: Floats, scaling: str, weights: Floats | None = None, stretches: int = 0
) -> Scales:
    """Give the statistics of columns, each of which has a number that is not missing.

    Parameters
    ----------
    columns : f64[k, n]
        NaN is missing; there are no infinities.
    scaling
        ``"robust"``: median and quartiles; ``"standard"``: mean and standard deviation.
    weights : f64[n], optional
        How often each row counts.
    stretches
        Into how many a column is cut, at most and its spike apart; 0: none.

    Examples
    --------
    >>> found = scales_of(np.array([[1.0, 2, 3, 4, 5]]), "robust")
    >>> found.centre.tolist(), found.factor.tolist()
    ([3.0], [0.5])
    """
    # Differences of numbers near 1e308 overflow: all is worked out in a unit of their own size.
    largest = np.nanmax(np.abs(columns), axis=1)
    pre = np.where(largest > 1e150, np.ldexp(1.0, np.frexp(largest)[1] - 1), 1.0)
    if (pre != 1).any():
        columns = columns / pre[:, None]
    each = [_of_column(*column, scaling, stretches) for column in _in_order(columns, weights)]
    centre, scale, spike = (np.array(part) for part in list(zip(*each, strict=True))[:3])
    origin = np.where(np.abs(centre) > 1024 * scale, centre * pre, 0.0)
    outside = ~((scale * pre > 2.0**-60) & (scale * pre < 2.0**60))
    unit = np.where(outside, np.ldexp(1.0, np.frexp(scale)[1] - 1) * pre, 1.0)
    return Scales(
        origin,
        unit,
        _moved(centre * pre, origin, unit),
        unit / pre / scale,
        _moved(spike * pre, origin, unit),
        [_edges(e[3] * pre[i], origin[i], unit[i]) for i, e in enumerate(each)],
    )


def _edges(bounds: Floats, origin: float, unit: float) -> Floats:
    """Give the bounds that float32 tells apart, or none where they are few."""
    there = np.unique(_moved(bounds, origin, unit).astype(np.float32)).astype(np.float64)
    return there if len(there) > _FEWEST_STRETCHES else there[:0]


def _moved(values: Floats, origin: Any, unit: Any) -> Floats:
    return np.asarray(np.clip((values - origin) / unit, -LARGEST, LARGEST))


def _in_order(
    columns: Floats, weights: Floats | None
) -> Iterator[tuple[Floats, Floats | None, Floats | None]]:
    """Give the numbers of each column that are there, in order; the weight of each and up to it."""
    known = columns.shape[1] - np.isnan(columns).sum(axis=1)
    if weights is None:
        for column, count in zip(np.sort(columns, axis=1), known.tolist(), strict=True):
            yield column[:count], None, None
        return
    for column, count in zip(columns, known.tolist(), strict=True):
        order = np.argsort(column, kind="stable")[:count]
        yield column[order], weights[order], np.cumsum(weights[order])


def _of_column(
    values: Floats, weights: Floats | None, upto: Floats | None, scaling: str, stretches: int
) -> tuple[float, float, float, Floats]:
    """Give centre, scale, spike and edges of sorted numbers; where there is no spike, NaN."""
    total = float(len(values)) if upto is None else float(upto[-1])
    first, last, weight = _spike(values, upto, total)
    spike = float(values[first]) if last > first else math.nan
    before = 0.0 if first == 0 else float(first if upto is None else upto[first - 1])

    def quantile(q: float, whole: float, left_out: float) -> float:
        """Interpolate between neighbours in a line, as NumPy does, of what is not left out."""
        place = max(q * (whole - 1), 0.0)
        low, share = math.floor(place), place - math.floor(place)
        a, b = (at(n if n < before else n + left_out) for n in (low, math.ceil(place)))
        return a + (b - a) * share if share < 0.5 else b - (b - a) * (1 - share)

    def at(n: float) -> float:
        """Give the number that comes after n others."""
        i = int(n) if upto is None else int(np.searchsorted(upto, n, side="right"))
        return float(values[min(i, len(values) - 1)])

    shares = np.linspace(0, 1, stretches + 1).tolist() if stretches else []
    bounds = np.array([quantile(q, total - weight, weight) for q in shares])
    if len(bounds) and last > first:
        bounds = np.append(bounds, spike)
    if scaling == "standard":
        mean = np.average(values, weights=weights)
        spread = math.sqrt(float(np.average((values - mean) ** 2, weights=weights)))
        return float(mean), spread if spread > 0 else 1.0, spike, bounds
    scale = quantile(0.75, total - weight, weight) - quantile(0.25, total - weight, weight)
    if scale <= 0:
        # Where the quartiles are equal, half of the range, as RealMLP does.
        least = values[last] if last > first == 0 else values[0]
        most = values[first - 1] if last == len(values) > first else values[-1]
        scale = float(most - least) / 2
    if scale <= 0:
        scale = float(values[-1] - values[0]) / 2
    return quantile(0.5, total, 0.0), scale if scale > 0 else 1.0, spike, bounds


def _spike(values: Floats, upto: Floats | None, total: float) -> tuple[int, int, float]:
    """Find the value that stands in a tenth of the rows or more, where it is not all there is.

    Gives the places where it begins and ends, and its weight; (0, 0, 0) where there is none.
    """
    none = (0, 0, 0.0)
    need = max(_SPIKE_SHARE * total, _SPIKE_ROWS)
    if total - need < _SPIKE_ROWS:
        return none
    # Whatever weighs so much is met at one of these places.
    marks = need * np.arange(1, math.floor(total / need) + 1)
    places = np.ceil(marks).astype(np.int64) - 1
    if upto is not None:
        places = np.searchsorted(upto, marks, side="left")
    met = np.unique(values[np.minimum(places, len(values) - 1)])
    first = np.searchsorted(values, met, side="left")
    last = np.searchsorted(values, met, side="right")
    weights = (last - first).astype(np.float64)
    if upto is not None:
        weights = upto[last - 1] - np.where(first > 0, upto[first - 1], 0.0)
    i = int(weights.argmax())
    begin, end, weight = int(first[i]), int(last[i]), float(weights[i])
    if weight < need or total - weight < _SPIKE_ROWS:
        return none
    least = values[end] if begin == 0 else values[0]
    most = values[begin - 1] if end == len(values) else values[-1]
    return none if least == most else (begin, end, weight)
