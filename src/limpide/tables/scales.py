"""Centre, scale and spike of columns of numbers, many columns at a time, with weights.

Answers for the statistics that scaling layers hold: a row of weight k counts as k rows. Not for:
which columns are numbers (``fitting``, ``numeric``), nor for applying anything.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from limpide.tables.features import LARGEST, Floats

#: Statistics are taken from at most this many rows, at equal distances.
SAMPLE = 200_000

_SPIKE_SHARE = 0.1
_SPIKE_ROWS = 10

Flags = NDArray[np.bool_]


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
    """

    origin: Floats
    unit: Floats
    centre: Floats
    factor: Floats
    spike: Floats


@dataclass
class _Sorted:
    """Columns in order, f64[k, n], missing ones last, and the weight up to each place."""

    values: Floats
    upto: Floats  # f64[k, n]: the weight of this place and all before it
    total: Floats  # f64[k]
    last: NDArray[np.int64]  # the place of the largest number

    def at(self, places: NDArray[np.int64]) -> Floats:
        return np.asarray(np.take_along_axis(self.values, places[:, None], axis=1)[:, 0])

    def quantile(self, q: float, upto: Floats, total: Floats) -> Floats:
        """Give the quantile of each column, interpolated in a line between neighbours.

        Of numbers that stand as often as they weigh; the definition is NumPy's "linear".
        """
        place = np.maximum(q * (total - 1), 0)
        low = np.floor(place)
        first = np.minimum((upto <= low[:, None]).sum(axis=1), self.last)
        second = np.minimum((upto <= np.ceil(place)[:, None]).sum(axis=1), self.last)
        a, b, share = self.at(first), self.at(second), place - low
        found: Floats = np.where(share < 0.5, a + (b - a) * share, b - (b - a) * (1 - share))
        return found


def scales_of(columns: Floats, scaling: str, weights: Floats | None = None) -> Scales:
    """Give the statistics of columns, each of which has a number that is not missing.

    Parameters
    ----------
    columns : f64[k, n]
        NaN is missing; there are no infinities.
    scaling
        ``"robust"``: median and quartiles; ``"standard"``: mean and standard deviation.
    weights : f64[n], optional
        How often each row counts.

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
    found = _in_order(columns, weights)
    spike = _spikes(found)
    if scaling == "standard":
        centre, scale = _mean_and_deviation(columns, weights)
    else:
        centre, scale = _middle_and_quartiles(found, spike)
    origin = np.where(np.abs(centre) > 1024 * scale, centre * pre, 0.0)
    outside = ~((scale * pre > 2.0**-60) & (scale * pre < 2.0**60))
    unit = np.where(outside, np.ldexp(1.0, np.frexp(scale)[1] - 1) * pre, 1.0)
    return Scales(
        origin,
        unit,
        _moved(centre * pre, origin, unit),
        unit / pre / scale,
        _moved(np.where(spike.there, spike.value * pre, np.nan), origin, unit),
    )


def _moved(values: Floats, origin: Floats, unit: Floats) -> Floats:
    return np.clip((values - origin) / unit, -LARGEST, LARGEST)


def _in_order(columns: Floats, weights: Floats | None) -> _Sorted:
    if weights is None:
        values = np.sort(columns, axis=1)
        upto = np.broadcast_to(np.arange(1.0, columns.shape[1] + 1), columns.shape)
    else:
        order = np.argsort(columns, axis=1, kind="stable")
        values = np.take_along_axis(columns, order, axis=1)
        upto = np.cumsum(weights[order], axis=1)
    last = np.maximum((~np.isnan(values)).sum(axis=1) - 1, 0)
    total = np.take_along_axis(upto, last[:, None], axis=1)[:, 0]
    return _Sorted(values, upto, total, last)


@dataclass
class _Spikes:
    """The run of equal numbers that weighs most in each column, and whether it stands out."""

    there: Flags
    value: Floats
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    weight: Floats


def _spikes(found: _Sorted) -> _Spikes:
    """Find the value that stands in a tenth of the rows or more, where it is not all there is."""
    values, upto = found.values, found.upto
    k, n = values.shape
    places = np.arange(n)
    known = places <= found.last[:, None]
    begins = np.ones((k, n), bool)
    begins[:, 1:] = values[:, 1:] != values[:, :-1]
    begins &= known
    ends = np.ones((k, n), bool)
    ends[:, :-1] = begins[:, 1:] | ~known[:, 1:]
    ends &= known
    began = np.maximum.accumulate(np.where(begins, places, 0), axis=1)
    before = np.where(began > 0, np.take_along_axis(upto, np.maximum(began - 1, 0), axis=1), 0.0)
    weight = np.where(ends, upto - before, -1.0)
    last = weight.argmax(axis=1)
    most = np.take_along_axis(weight, last[:, None], axis=1)[:, 0]
    there = begins.sum(axis=1) >= 3
    there &= most >= np.maximum(_SPIKE_SHARE * found.total, _SPIKE_ROWS)
    there &= found.total - most >= _SPIKE_ROWS
    first = np.take_along_axis(began, last[:, None], axis=1)[:, 0]
    return _Spikes(there, found.at(last), first, last, np.where(there, most, 0.0))


def _middle_and_quartiles(found: _Sorted, spike: _Spikes) -> tuple[Floats, Floats]:
    """Give medians and scales; where one value stands out, the scale is that of the others."""
    places = np.arange(found.values.shape[1])
    inside = (places >= spike.first[:, None]) & spike.there[:, None]
    before = np.where(
        spike.first > 0,
        np.take_along_axis(found.upto, np.maximum(spike.first - 1, 0)[:, None], axis=1)[:, 0],
        0.0,
    )
    upto = np.where(
        inside & (places <= spike.last[:, None]),
        before[:, None],
        np.where(inside, found.upto - spike.weight[:, None], found.upto),
    )
    total = found.total - spike.weight
    low, high = (found.quantile(q, upto, total) for q in (0.25, 0.75))
    scale = high - low
    least = np.where(spike.there & (spike.first == 0), spike.last + 1, 0)
    most = np.where(spike.there & (spike.last == found.last), spike.first - 1, found.last)
    # Where the quartiles are equal, half of the range, as RealMLP does.
    scale = np.where(scale > 0, scale, (found.at(most) - found.at(least)) / 2)
    whole = (found.at(found.last) - found.values[:, 0]) / 2
    scale = np.where(scale > 0, scale, whole)
    middle = found.quantile(0.5, found.upto, found.total)
    return middle, np.where(scale > 0, scale, 1.0)


def _mean_and_deviation(columns: Floats, weights: Floats | None) -> tuple[Floats, Floats]:
    known = ~np.isnan(columns)
    counts = known if weights is None else known * weights
    total = counts.sum(axis=1)
    values = np.where(known, columns, 0.0)
    mean = (values * counts).sum(axis=1) / total
    away = np.where(known, columns - mean[:, None], 0.0)
    spread = np.sqrt((away * away * counts).sum(axis=1) / total)
    return mean, np.where(spread > 0, spread, 1.0)
