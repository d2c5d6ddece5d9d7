"""A column of numbers whose length is known, filled block by block in the narrowest dtype.

Answers for memory: no block is kept, so that a table costs its columns and one more. Not for:
deciding what a cell means (``cells``).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

_INTEGERS = (np.int8, np.int16, np.int32, np.int64)


class Filling:
    """Numbers of one column. Integers until the first float; missing cells are null in the end.

    Within, the least integer of the dtype stands for a missing one, and NaN for a missing float.

    Parameters
    ----------
    n_rows : int
        The length of the whole column.

    Examples
    --------
    >>> column = Filling(3)
    >>> column.put(0, pl.Series([1, None]))
    >>> column.put(2, pl.Series([300]))
    >>> column.finished().to_list()
    [1, None, 300]
    """

    def __init__(self, n_rows: int) -> None:
        self.values: NDArray[Any] = np.empty(n_rows, np.int8)

    @staticmethod
    def holds(low: int | None) -> bool:
        """Say whether integers from ``low`` up fit: the least one of 64 bits is taken."""
        return low is None or low > np.iinfo(np.int64).min

    def put(self, row: int, block: pl.Series, extremes: tuple[int, int] | None = None) -> None:
        """Fill rows from ``row`` on. ``extremes``, the least and largest, may be known already."""
        rows = slice(row, row + len(block))
        if block.dtype.is_float() and self.values.dtype.kind == "i":
            self._to_floats(row)
        if self.values.dtype.kind == "f":
            self.values[rows] = block.cast(pl.Float64).to_numpy()
            return
        if extremes is None and block.null_count() < len(block):
            extremes = (int(block.min()), int(block.max()))  # type: ignore[arg-type]
        if extremes is not None:
            self._widen(*extremes, row)
        block = block.cast(pl.Int64)
        if block.null_count():
            block = block.fill_null(int(np.iinfo(self.values.dtype).min))
        self.values[rows] = block.to_numpy()

    def _widen(self, low: int, high: int, filled: int) -> None:
        for dtype in _INTEGERS:
            limits = np.iinfo(dtype)
            if limits.min < low and high <= limits.max:
                break
        if np.dtype(dtype).itemsize <= self.values.dtype.itemsize:
            return
        missing = self.values[:filled] == np.iinfo(self.values.dtype).min
        self.values = self.values.astype(dtype)
        self.values[:filled][missing] = limits.min

    def _to_floats(self, filled: int) -> None:
        missing = self.values[:filled] == np.iinfo(self.values.dtype).min
        self.values = self.values.astype(np.float64)
        self.values[:filled][missing] = np.nan

    def finished(self) -> pl.Series:
        """Give the column under a neutral name, and let go of the array."""
        values, self.values = self.values, np.empty(0, np.int8)
        if values.dtype.kind == "f":
            return pl.Series("cell", values, nan_to_null=True)
        column = pl.Series("cell", values)
        missing = int(np.iinfo(values.dtype).min)
        if (column == missing).any():
            kept = pl.when(pl.col("cell") != missing).then(pl.col("cell"))
            column = column.to_frame().select(kept).to_series()
        return column
