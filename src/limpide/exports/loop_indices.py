"""Indices of lists as text: sums and multiples of loop variables, worked out where they are known.

Answers for what stands between brackets. Not for: which value is indexed (``loop_code``).
"""

from __future__ import annotations

from collections.abc import Sequence


def regrouped(indices: Sequence[str], new: Sequence[int], old: Sequence[int]) -> list[str]:
    """Give the indices in an array of one shape for those in its reshaped form.

    >>> regrouped(["i", "j"], (2, 3), (6,)), regrouped(["i"], (6,), (2, 3))
    (['3 * i + j'], ['i // 3', 'i % 3'])
    """
    flat, stride = "0", 1
    for n, index in zip(reversed(new), reversed(indices), strict=True):
        flat = plus(times(index, stride), flat)
        stride *= n
    found, stride = [], 1
    for place, n in reversed(list(enumerate(old))):
        first = all(m == 1 for m in old[:place])
        found.append("0" if n == 1 else _digit(flat, stride, None if first else n))
        stride *= n
    return found[::-1]


def times(index: str, factor: int) -> str:
    """Give an index times a number.

    >>> times("i", 3), times("2", 3), times("i + 1", 3)
    ('3 * i', '6', '3 * (i + 1)')
    """
    if factor == 1 or index == "0":
        return index
    return str(int(index) * factor) if index.isdigit() else f"{factor} * {_bound(index)}"


def plus(index: str, more: str) -> str:
    """Give the sum of two indices.

    >>> plus("i", "-2"), plus("3", "4"), plus("0", "j")
    ('i - 2', '7', 'j')
    """
    if more == "0":
        return index
    if index == "0":
        return more
    if index.isdigit() and more.lstrip("-").isdigit():
        return str(int(index) + int(more))
    return f"{index} - {more[1:]}" if more.startswith("-") else f"{index} + {more}"


def _bound(index: str) -> str:
    return index if index.isalnum() else f"({index})"


def _digit(flat: str, stride: int, size: int | None) -> str:
    """Give one index of a place in row-major order."""
    if flat.isdigit():
        place = int(flat) // stride
        return str(place if size is None else place % size)
    text = flat if stride == 1 else f"{_bound(flat)} // {stride}"
    return text if size is None else f"{_bound(text) if stride == 1 else text} % {size}"
