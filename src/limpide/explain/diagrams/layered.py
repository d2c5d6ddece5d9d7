"""A layered drawing of a graph: what depends on what stands below it, with few crossings.

Answers for ranks, the order in each rank, and places. Not for: what is drawn there. Source:
Sugiyama, Tagawa, Toda, "Methods for visual understanding of hierarchical system structures" (1981).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_SWEEPS = 12
_ALIGNING = 24


@dataclass
class Item:
    """Something to place: its size, and the places in the list of what it is made from.

    ``rank`` and the place of its middle are filled in. ``free`` items, such as inputs, stand as
    low as what they lead to allows.
    """

    width: float
    height: float
    sources: tuple[int, ...]
    free: bool = False
    rank: int = 0
    x: float = 0.0
    y: float = 0.0


Route = list[tuple[float, float]]


def lay_out(
    items: Sequence[Item], across: float, down: float
) -> tuple[dict[tuple[int, int], Route], tuple[float, float]]:
    """Place items, whose sources come before them, in ranks from the top.

    Parameters
    ----------
    across, down
        The distance between neighbours of a rank, and between ranks.

    Returns
    -------
    For each (source, item) the points on the way between their ranks, and the size of it all.
    """
    _rank(items)
    every = [Item(i.width, i.height, (), rank=i.rank) for i in items]
    links, chains = _with_bends(items, every)
    rows = _ordered(every, links)
    _align(every, rows, links, across)
    y, size = 0.0, 0.0
    for row in rows:
        tall = max((every[i].height for i in row), default=0.0)
        for i in row:
            every[i].y = y + tall / 2
        y += tall + down
    left = min(e.x - e.width / 2 for e in every)
    for e in every:
        e.x -= left
        size = max(size, e.x + e.width / 2)
    for item, e in zip(items, every, strict=False):
        item.x, item.y = e.x, e.y
    routes = {ends: [(every[i].x, every[i].y) for i in bends] for ends, bends in chains.items()}
    return routes, (size, y - down)


def _rank(items: Sequence[Item]) -> None:
    """Put each item below its sources; what hangs on free items alone, just above its use."""
    uses: dict[int, int] = {}
    for item in items:
        item.rank = max((items[i].rank + 1 for i in item.sources), default=0)
        for i in set(item.sources):
            uses[i] = uses.get(i, 0) + 1
    loose = [item.free and not item.sources for item in items]
    for i, item in enumerate(items):
        if item.sources:
            loose[i] = all(loose[j] and uses[j] == 1 for j in item.sources)
    first: dict[int, int] = {}  # the uppermost rank that takes an item
    for i in reversed(range(len(items))):
        if loose[i]:
            items[i].rank = max(first.get(i, 1) - 1, items[i].rank)
        for j in items[i].sources:
            first[j] = min(first.get(j, items[i].rank), items[i].rank)


def _with_bends(
    items: Sequence[Item], every: list[Item]
) -> tuple[list[tuple[int, int]], dict[tuple[int, int], list[int]]]:
    """Cut each link that passes several ranks into links from rank to rank."""
    links, chains = [], {}
    for target, item in enumerate(items):
        for source in dict.fromkeys(item.sources):
            bends, before = [], source
            for rank in range(items[source].rank + 1, item.rank):
                every.append(Item(8.0, 0.0, (), rank=rank))
                bends.append(len(every) - 1)
                links.append((before, bends[-1]))
                before = bends[-1]
            links.append((before, target))
            chains[source, target] = bends
    return links, chains


def _ordered(every: Sequence[Item], links: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Order each rank by the mean place of what its items are linked to, to and fro."""
    rows: list[list[int]] = [[] for _ in range(max(e.rank for e in every) + 1)]
    for i, e in enumerate(every):
        rows[e.rank].append(i)
    above, below = _neighbours(len(every), links)
    best, least = [list(row) for row in rows], _crossings(rows, links)
    for sweep in range(_SWEEPS):
        downward = sweep % 2 == 0
        near = above if downward else below
        for row in rows if downward else reversed(rows):
            place = {i: k for r in rows for k, i in enumerate(r)}
            old = {i: k for k, i in enumerate(row)}
            row.sort(
                key=lambda i: (
                    float(np.mean([place[j] for j in near[i]])) if near[i] else old[i],
                    old[i],
                )
            )
        count = _crossings(rows, links)
        if count < least:
            best, least = [list(row) for row in rows], count
    return best


def _neighbours(
    count: int, links: Sequence[tuple[int, int]]
) -> tuple[list[list[int]], list[list[int]]]:
    above: list[list[int]] = [[] for _ in range(count)]
    below: list[list[int]] = [[] for _ in range(count)]
    for source, target in links:
        above[target].append(source)
        below[source].append(target)
    return above, below


def _crossings(rows: Sequence[Sequence[int]], links: Sequence[tuple[int, int]]) -> int:
    place = {i: (r, k) for r, row in enumerate(rows) for k, i in enumerate(row)}
    by_rank: dict[int, list[tuple[int, int]]] = {}
    for source, target in links:
        by_rank.setdefault(place[source][0], []).append((place[source][1], place[target][1]))
    count = 0
    for pairs in by_rank.values():
        ends = np.array(pairs)
        apart = ends[:, None] - ends[None]
        count += int((apart[..., 0] * apart[..., 1] < 0).sum()) // 2
    return count


def _align(
    every: Sequence[Item], rows: Sequence[Sequence[int]], links: Sequence[tuple[int, int]],
    across: float,
) -> None:  # fmt: skip
    """Move items to the middle of what they are linked to, as far as their neighbours allow."""
    above, below = _neighbours(len(every), links)
    for row in rows:
        x = 0.0
        for i in row:
            every[i].x = x + every[i].width / 2
            x += every[i].width + across
        for i in row:
            every[i].x -= (x - across) / 2
    for turn in range(_ALIGNING):
        for row in rows if turn % 2 == 0 else reversed(rows):
            wished = []
            for i in row:
                near = [every[j].x for j in (above if turn % 2 == 0 else below)[i]]
                near = near or [every[i].x]
                wished.append(float(np.mean(near)))
            _spread(every, row, wished, across)


def _spread(
    every: Sequence[Item], row: Sequence[int], wished: Sequence[float], across: float
) -> None:
    """Put a row as near to where it wishes as its order and the distances allow.

    Neighbours that meet move as one block, to the mean of what they wish.
    """
    blocks: list[tuple[float, list[int]]] = []  # where the first of a block stands, and its items
    for i, wish in zip(row, wished, strict=True):
        blocks.append((wish, [i]))
        while len(blocks) > 1:
            (x0, first), (x1, second) = blocks[-2:]
            reach = _length(every, first, across) + across
            if x0 - every[first[0]].width / 2 + reach <= x1 - every[second[0]].width / 2:
                break
            shift = x1 - every[second[0]].width / 2 - reach + every[first[0]].width / 2
            joined = (x0 * len(first) + shift * len(second)) / (len(first) + len(second))
            blocks[-2:] = [(joined, first + second)]
    for x, block in blocks:
        left = x - every[block[0]].width / 2
        for i in block:
            every[i].x = left + every[i].width / 2
            left += every[i].width + across


def _length(every: Sequence[Item], block: Sequence[int], across: float) -> float:
    return sum(every[i].width for i in block) + across * (len(block) - 1)
