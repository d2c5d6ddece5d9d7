"""Row orders drawn by machine code: the numbers that NumPy draws, in a third of its time.

Answers for a faster ``rng.RowOrder``. Not for: what an order is (``limpide.rng``), or when orders
are drawn (``limpide.row_orders``).
"""

from __future__ import annotations

import ctypes
from functools import cache

import numpy as np

from limpide.engines.native import store
from limpide.engines.native.blocks import address
from limpide.engines.native.module import Module
from limpide.engines.native.target import Target, host
from limpide.engines.native.writer import module_text
from limpide.ir import Array
from limpide.rng import RowOrder, row_order

_MOST = 1 << 32  # rows from which on NumPy draws 64 bits for a place
_ROUNDS = 10
_MULTIPLIERS = (0xD2E7470EE14C6C93, 0xCA5A826395121157)
_KEY_STEPS = (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)
_AT_ONCE = 2

_DRAW = """define void @draw(ptr %out, i64 %n, i64 %seed, i64 %first, i64 %epochs) {
start:
  %words = alloca [WORDS x i32], align 64
  %counter = alloca i64, align 8
  %last = sub i64 %n, 1
  br label %epoch
epoch:
  %e = phi i64 [ 0, %start ], [ %e.next, %over ]
  %more = icmp slt i64 %e, %epochs
  br i1 %more, label %fill, label %end
fill:
  %skipped = mul i64 %e, %n
  %order = getelementptr i64, ptr %out, i64 %skipped
  %number = add i64 %first, %e
  store i64 0, ptr %counter, align 8
  br label %count
count:
  %c = phi i64 [ 0, %fill ], [ %c.next, %put ]
  %c.more = icmp slt i64 %c, %n
  br i1 %c.more, label %put, label %places
put:
  %c.home = getelementptr i64, ptr %order, i64 %c
  store i64 %c, ptr %c.home, align 8
  %c.next = add i64 %c, 1
  br label %count
places:
  br label %band
band:
  %i.band = phi i64 [ %last, %places ], [ %i, %place ]
  %at.band = phi i64 [ WORDS, %places ], [ %at, %place ]
  %i.more = icmp sgt i64 %i.band, 0
  br i1 %i.more, label %mask, label %over
mask:
  %zeros = call i64 @llvm.ctlz.i64(i64 %i.band, i1 true)
  %bits = lshr i64 -1, %zeros
  %below = lshr i64 %bits, 1
  br label %place
place:
  %i = phi i64 [ %i.band, %mask ], [ %i.next, %take ]
  %at = phi i64 [ %at.band, %mask ], [ %at.next, %take ]
  %inside = icmp ugt i64 %i, %below
  br i1 %inside, label %look, label %band
look:
  %empty = icmp eq i64 %at, WORDS
  br i1 %empty, label %refill, label %take
refill:
  call void @refill(ptr %words, ptr %counter, i64 %seed, i64 %number)
  br label %take
take:
  %here = phi i64 [ %at, %look ], [ 0, %refill ]
  %home = getelementptr i32, ptr %words, i64 %here
  %word = load i32, ptr %home, align 4
  %at.next = add i64 %here, 1
  %wide = zext i32 %word to i64
  %drawn = and i64 %wide, %bits
  %fits = icmp ule i64 %drawn, %i
  %j = select i1 %fits, i64 %drawn, i64 %i
  %a = getelementptr i64, ptr %order, i64 %i
  %b = getelementptr i64, ptr %order, i64 %j
  %x = load i64, ptr %a, align 8
  %y = load i64, ptr %b, align 8
  store i64 %y, ptr %a, align 8
  store i64 %x, ptr %b, align 8
  %step = zext i1 %fits to i64
  %i.next = sub i64 %i, %step
  br label %place
over:
  %e.next = add i64 %e, 1
  br label %epoch
end:
  ret void
}"""


def draw_text(target: Target) -> str:
    """Give a module whose ``draw(out, n, seed, first, epochs)`` writes orders, i64[epochs, n].

    Source
    ------
    Philox4x64-10: Salmon, Moraes, Dror & Shaw (2011). The shuffle is Fisher's and Yates', from the
    end; a place is drawn as NumPy does, by as many bits as it may take, again while they are too
    many: what is refused swaps a place with itself, which is faster than a branch.
    """
    words = str(8 * _AT_ONCE)
    zeros = "declare i64 @llvm.ctlz.i64(i64, i1)"
    functions = [_refill(), _DRAW.replace("WORDS", words), zeros]
    return module_text(target, functions, [])


def _refill() -> str:
    """Give the function that writes the words of the next counters, each eight."""
    lines = ["%before = load i64, ptr %counter, align 8"]
    states: list[list[str]] = []
    for c in range(_AT_ONCE):
        lines.append(f"%v{c} = add i64 %before, {c + 1}")
        states.append([f"%v{c}", "0", "0", "0"])
    lines.append(f"store i64 %v{_AT_ONCE - 1}, ptr %counter, align 8")
    keys = ["%seed", "%number"]
    for r in range(_ROUNDS):
        if r:
            for k, step in enumerate(_KEY_STEPS):
                lines.append(f"%k{k}.{r} = add i64 {keys[k]}, {step}")
            keys = [f"%k0.{r}", f"%k1.{r}"]
        for c, state in enumerate(states):
            states[c] = _round(lines, f"{c}.{r}", state, keys)
    for c, state in enumerate(states):
        for k, value in enumerate(state):
            lines.append(f"%h{c}.{k} = getelementptr i64, ptr %words, i64 {4 * c + k}")
            lines.append(f"store i64 {value}, ptr %h{c}.{k}, align 8")
    body = "\n".join(f"  {line}" for line in [*lines, "ret void"])
    names = "ptr %words, ptr %counter, i64 %seed, i64 %number"
    return f"define internal void @refill({names}) noinline {{\n{body}\n}}"


def _round(lines: list[str], name: str, state: list[str], keys: list[str]) -> list[str]:
    halves = []
    for k, factor in enumerate(_MULTIPLIERS):
        at = f"{name}.{k}"
        lines += [
            f"%w{at} = zext i64 {state[2 * k]} to i128",
            f"%p{at} = mul i128 %w{at}, {factor}",
            f"%l{at} = trunc i128 %p{at} to i64",
            f"%s{at} = lshr i128 %p{at}, 64",
            f"%u{at} = trunc i128 %s{at} to i64",
        ]
        halves.append((f"%u{at}", f"%l{at}"))
    (high0, low0), (high1, low1) = halves
    for k, (high, other) in enumerate(((high1, state[1]), (high0, state[3]))):
        lines.append(f"%x{name}.{k} = xor i64 {high}, {other}")
        lines.append(f"%y{name}.{k} = xor i64 %x{name}.{k}, {keys[k]}")
    return [f"%y{name}.0", low1, f"%y{name}.1", low0]


class FastRowOrder(RowOrder):
    """A ``RowOrder`` in machine code; NumPy's own where a NumPy draws otherwise than this does."""

    def __init__(self, seed: int) -> None:
        self.seed = seed  # NumPy's generator takes longer to make than an order: only where needed

    def draw(self, epoch: int, out: Array) -> None:
        if out.flags.c_contiguous and out.shape[1] < _MOST and _agrees():
            _draw(self.seed, epoch, out)
        else:
            RowOrder(self.seed).draw(epoch, out)


_FUNCTION = ctypes.CFUNCTYPE(None, ctypes.c_void_p, *([ctypes.c_int64] * 4))


@cache
def _program() -> tuple[store.Program, ctypes._FuncPointer]:
    target = host()
    text = draw_text(target)
    found = store.obtain(store.text_key(text, target), target, "draw", lambda: Module(text, 0))
    return found, _FUNCTION(found.code.address("draw"))


def _draw(seed: int, epoch: int, rows: Array) -> None:
    _, call = _program()
    call(address(rows), rows.shape[1], seed, epoch, len(rows))


@cache
def _agrees() -> bool:
    """Whether this NumPy draws the orders that are drawn here."""
    rows = np.empty((1, 40), np.int64)
    _draw(3, 1, rows)
    return bool((rows[0] == row_order(3, 1, 40)).all())
