"""Regions of a plane where a function is above a level, as closed lines: marching squares.

Answers for grids of values. Not for: which function, or colours. Source: Lorensen, Cline,
"Marching cubes" (1987), in two dimensions.
"""

from __future__ import annotations

import numpy as np

from limpide.ir import Array

Point = tuple[float, float]

# Corners of a cell: 0 (row, column), 1 (row, column + 1), 2 (row + 1, column + 1), 3 (row + 1,
# column); its edges, from corner to the next: 0 top, 1 right, 2 bottom, 3 left. For each set of
# corners above the level, the runs from edge to edge with what is above on one side.
_RUNS: dict[int, tuple[tuple[int, int], ...]] = {
    1: ((3, 0),), 2: ((0, 1),), 3: ((3, 1),), 4: ((1, 2),), 6: ((0, 2),), 7: ((3, 2),),
    8: ((2, 3),), 9: ((2, 0),), 11: ((2, 1),), 12: ((1, 3),), 13: ((1, 0),), 14: ((0, 3),),
    5: ((3, 0), (1, 2)), 10: ((0, 1), (2, 3)),
}  # fmt: skip
_JOINED = {5: ((1, 0), (3, 2)), 10: ((0, 3), (2, 1))}  # where the middle of the cell is above too
_CORNERS = ((0, 0), (0, 1), (1, 1), (1, 0))


def regions_above(values: Array, level: float = 0.0) -> list[list[Point]]:
    """Give the closed lines around all places where ``values`` is at least ``level``.

    Parameters
    ----------
    values
        f[rows, columns]. What is not a number counts as below.

    Returns
    -------
    Lines of points (column, row), each closed; filled by the even-odd rule they are the region.
    The edge of the grid closes what reaches it.
    """
    grid = np.pad(np.where(np.isnan(values), -np.inf, values), 1, constant_values=-np.inf)
    above = grid >= level
    code = (
        1 * above[:-1, :-1] + 2 * above[:-1, 1:] + 4 * above[1:, 1:] + 8 * above[1:, :-1]
    )  # fmt: skip
    following: dict[tuple[int, int, int], list[tuple[int, int, int]]] = {}
    for row, column in np.argwhere((code > 0) & (code < 15)).tolist():
        for start, end in _runs(int(code[row, column]), grid, row, column, level):
            following.setdefault(_edge(row, column, start), []).append(_edge(row, column, end))
    lines = []
    while following:
        first = next(iter(following))
        at, line = first, []
        while at in following:
            line.append(_crossing(grid, at, level))
            rest = following[at]
            at_next = rest.pop()
            if not rest:
                del following[at]
            at = at_next
        lines.append(line)
    return lines


def _runs(
    code: int, grid: Array, row: int, column: int, level: float
) -> tuple[tuple[int, int], ...]:
    if code in _JOINED:
        middle = grid[row : row + 2, column : column + 2].mean()
        if middle >= level:
            return _JOINED[code]
    return _RUNS[code]


def _edge(row: int, column: int, side: int) -> tuple[int, int, int]:
    """Name an edge of a cell as its neighbour does: (row, column, 0 across or 1 down)."""
    return ((row, column, 0), (row, column + 1, 1), (row + 1, column, 0), (row, column, 1))[side]


def _crossing(grid: Array, edge: tuple[int, int, int], level: float) -> Point:
    """Give where the level is met on an edge, the values between two corners taken as a line."""
    row, column, down = edge
    a = float(grid[row, column])
    b = float(grid[row + down, column + 1 - down])
    share = _share(a, b, level)
    return column - 1 + share * (1 - down), row - 1 + share * down


def _share(a: float, b: float, level: float) -> float:
    if np.isinf(a) or np.isinf(b):  # the edge of the grid: at the corner that is inside
        return 1.0 if a < level else 0.0
    # Halves, lest the distance of two huge numbers overflow.
    return (level / 2 - a / 2) / (b / 2 - a / 2)
