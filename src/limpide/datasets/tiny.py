"""Data sets of four rows, for a network that is worked by hand.

Answers for the two tables of the courses, digit by digit.
Not for: anything drawn at random.
"""

from __future__ import annotations

import numpy as np

from limpide.datasets.dataset import Dataset


def people() -> Dataset:
    """Give four people: (weight − 135 lb, height − 66 in) and whether each is a woman (1).

    The shifts are the course's own round numbers, not the means.

    Returns
    -------
    Dataset
        X f64[4, 2], y f64[4], binary.

    Source
    ------
    Zhou, "Machine learning for beginners: an introduction to neural networks" (2019).

    Examples
    --------
    >>> X, y = people()
    >>> X[0].tolist(), y[0].item()
    ([-2.0, -1.0], 1.0)
    """
    rows = [[-2.0, -1.0], [25.0, 6.0], [17.0, 4.0], [-15.0, -6.0]]
    return Dataset(np.array(rows), np.array([1.0, 0.0, 0.0, 1.0]), "binary")


def xor_table() -> Dataset:
    """Give the four rows of the exclusive or: 1 where exactly one of the two inputs is 1.

    Not to be confused with `xor`, the cloud of points of the playground, whose class is 1 where
    both coordinates have the *same* sign.

    Returns
    -------
    Dataset
        X f64[4, 2], y f64[4], binary.

    Source
    ------
    Minsky and Papert, Perceptrons (1969): no single neuron can learn it.

    Examples
    --------
    >>> X, y = xor_table()
    >>> [(int(a), int(b), int(c)) for (a, b), c in zip(X, y, strict=True)]
    [(0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 0)]
    """
    rows = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]
    return Dataset(np.array(rows), np.array([0.0, 1.0, 1.0, 0.0]), "binary")
