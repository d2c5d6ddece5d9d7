"""The form in which every data set comes: rows, targets and the task they are for.

Answers for the pair (X, y) and its unpacking.
Not for: column names, text or missing values; those are tables.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Dataset:
    """A small data set in memory; ``X, y = dataset`` unpacks it.

    Attributes
    ----------
    X : f64[n, k]
    y : f64[n]
        Classes as 0 and 1, or the number to predict.
    task : str
        ``"binary"`` or ``"regression"``.

    Examples
    --------
    >>> X, y = Dataset(np.zeros((4, 2)), np.array([0.0, 1.0, 1.0, 0.0]), "binary")
    >>> X.shape, y.tolist()
    ((4, 2), [0.0, 1.0, 1.0, 0.0])
    """

    X: Floats
    y: Floats
    task: str

    def __iter__(self) -> Iterator[Floats]:
        yield self.X
        yield self.y

    def __len__(self) -> int:
        """Give the number of rows."""
        return len(self.X)

    def __repr__(self) -> str:
        rows, columns = self.X.shape
        return f"Dataset(X=f64[{rows},{columns}], y=f64[{rows}], task={self.task!r})"
