"""Which bytes of one block of memory each buffer gets.

Answers for the static memory plan: nothing is allocated while a program runs. Not for: which
buffers there are (``plan``).
"""

from __future__ import annotations

from collections.abc import Sequence

from limpide.engines.native.places import Buffer

ALIGNMENT = 64
SLACK = 128  # bytes behind a buffer that a vector may read


def _room(buffer: Buffer) -> int:
    return -(-(buffer.nbytes + SLACK) // ALIGNMENT) * ALIGNMENT


def place_kept(buffers: Sequence[Buffer], start: int) -> int:
    """Place buffers one after another; gives where they end."""
    for buffer in buffers:
        buffer.offset = start
        start += _room(buffer)
    return start


def place_passing(buffers: Sequence[Buffer], start: int) -> int:
    """Place buffers that live from their first to their last kernel; gives where all end.

    Bytes are given to another buffer once the last kernel that uses them is over.
    """
    end = start
    living: list[Buffer] = []
    for buffer in sorted(buffers, key=lambda b: (b.first, -b.nbytes)):
        living = [b for b in living if b.last >= buffer.first]
        living.sort(key=lambda b: b.offset)
        at, room = start, _room(buffer)
        for other in living:
            if other.offset - at >= room:
                break
            at = max(at, other.offset + _room(other))
        buffer.offset = at
        living.append(buffer)
        end = max(end, at + room)
    return end
