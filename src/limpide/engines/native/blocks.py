"""The memory that compiled code works in, made once and lent to one run at a time.

Answers for arenas, tables of addresses, and the words that threads and errors use. Not for: which
bytes of an arena each value gets (``arena``).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from ctypes import addressof, c_char, c_void_p
from operator import is_
from typing import Any
from weakref import WeakKeyDictionary, ref

import numpy as np

from limpide.engines.native.module import Module, Slot
from limpide.engines.native.moves import STATUS_WORDS
from limpide.ir import Array
from limpide.locks import Lock
from limpide.memory import short_of_memory


def memory(nbytes: int) -> Array:
    """Give zeros that begin at a multiple of 64 bytes."""
    try:
        raw = np.zeros(nbytes + 64, np.uint8)
    except MemoryError:
        remedy = "Use smaller batches or smaller layers."
        raise short_of_memory(nbytes, "A compiled step", remedy) from None
    start = -address(raw) % 64
    return raw[start : start + nbytes]


def address(array: Array) -> int:
    """Give where an array's first element lies; the array is one that ``plain`` gives."""
    try:
        return addressof(c_char.from_buffer(array))  # type: ignore[arg-type]
    except (TypeError, ValueError):  # read-only, or empty; it takes three times as long
        found: int = array.__array_interface__["data"][0]
        return found


def plain(array: Array) -> Array:
    """Give an array that lies row by row, aligned, as machine code reads it."""
    flags = array.flags
    if flags.c_contiguous and flags.aligned:
        return array
    return np.require(array, requirements=["C", "A"])


def home(arena: Array, slot: Slot, shape: Sequence[int], dtype: np.dtype[Any]) -> Array:
    """Give a place of the arena as an array of the caller's shape: without the gaps of its rows."""
    size = int(np.prod(slot.extents, dtype=np.int64))
    flat = arena[slot.offset : slot.offset + size * dtype.itemsize].view(dtype)
    inside: tuple[Any, ...] = (..., *(slice(0, n) for n in shape if n != 1))
    axes: tuple[Any, ...] = (*(None if n == 1 else slice(None) for n in shape), ...)
    place: Array = flat.reshape(slot.extents)[inside][axes]
    return place


class Block:
    """What one run at a time works in.

    Attributes
    ----------
    homes
        The places of what a loop carries and holds.
    table
        u64: addresses of the caller's arrays.
    status
        i64: which node found an index out of range, and the index.
    barrier
        i64[1]: where threads meet, alone in its cache line.
    """

    def __init__(self, module: Module, n_addresses: int) -> None:
        self.arena = memory(max(module.arena_bytes, 1))
        self.is_large = self.arena.nbytes >= _LARGE_FROM
        self.homes: list[Array] = []
        self.table = np.zeros(n_addresses, np.uint64)
        # Behind the words, a loop that counts has one for each piece.
        self.status = np.zeros(STATUS_WORDS + len(module.pieces), np.int64)
        self.barrier = memory(64).view(np.int64)
        whole = (self.arena, self.table, self.status, self.barrier)
        self.at_arena, self.at_table, self.at_status, self.at_barrier = map(address, whole)
        # What every call begins with, made ready for ctypes.
        self.given = tuple(map(c_void_p, (self.at_arena, self.at_table, self.at_status)))
        self._known: Sequence[Array] = ()  # the arrays whose addresses begin the table

    def point(self, held: Sequence[Array], others: Sequence[Array]) -> list[Array]:
        """Write the addresses of arrays into the table; gives what must live as long as the run.

        The first ones are mostly those of the last run, best of all in the same tuple: then only
        the others are written.
        """
        table, place = self.table, len(held)
        alive: list[Array] = []
        if held is not self._known and not (
            place == len(self._known) and all(map(is_, held, self._known))
        ):
            alive = list(map(plain, held))
            table[:place] = list(map(address, alive))
            # Copies are made anew each time: what they are copies of may change.
            self._known = tuple(held) if all(map(is_, alive, held)) else ()
        for array in others:
            flags = array.flags
            if not (flags.c_contiguous and flags.aligned):
                array = plain(array)
            alive.append(array)
            table[place] = address(array)
            place += 1
        return alive


class Blocks:
    """Blocks that are lent to one run at a time and kept for the next."""

    def __init__(
        self,
        module: Module,
        constants: Sequence[Array],
        n_addresses: int,
        kept: Sequence[tuple[tuple[int, ...], np.dtype[Any]]] = (),
    ) -> None:
        self._module, self._constants = module, constants
        self._n_addresses, self._kept = n_addresses, kept
        self._free: list[Block] = []

    def take(self) -> Block:
        try:
            block = self._free.pop()
        except IndexError:
            return self._new()
        if block.is_large:
            _LARGE.forget(block)
        return block

    def _new(self) -> Block:
        block = Block(self._module, self._n_addresses)
        for slot, array in zip(self._module.constants, self._constants, strict=True):
            home(block.arena, slot, array.shape, array.dtype)[...] = array
        block.homes = [
            home(block.arena, slot, shape, dtype)
            for slot, (shape, dtype) in zip(self._module.kept, self._kept, strict=True)
        ]
        return block

    def give_back(self, block: Block) -> None:
        self._free.append(block)
        if block.is_large:
            _LARGE.note(self, block)

    def drop(self, block: Block) -> None:
        """Let a block that nobody uses go."""
        with suppress(ValueError):  # somebody has just taken it
            self._free.remove(block)


class _Large:
    """Large blocks that nobody uses: but for the last one, they share a small allowance.

    A network that was fitted with many batch sizes would keep an arena for each of them.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._idle: WeakKeyDictionary[Block, ref[Blocks]] = WeakKeyDictionary()  # oldest first

    def note(self, owner: Blocks, block: Block) -> None:
        with self._lock:
            others = [(b, found()) for b, found in self._idle.items() if b is not block]
            self._idle[block] = ref(owner)
            kept = sum(other.arena.nbytes for other, _ in others)
            for other, its_owner in others:
                if kept <= _ALLOWANCE:
                    break
                kept -= other.arena.nbytes
                self._idle.pop(other, None)
                if its_owner is not None:
                    its_owner.drop(other)

    def forget(self, block: Block) -> None:
        with self._lock:
            self._idle.pop(block, None)


_LARGE = _Large()
_LARGE_FROM = 1 << 20  # bytes of an arena that is made anew if need be
_ALLOWANCE = 64 << 20  # bytes of such arenas, apart from the last
