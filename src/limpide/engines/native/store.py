"""Programs by what they compute: built once, kept in memory while used and on disk for next time.

Answers for the key of a graph or a loop, and for what is stored beside its machine code. Not for:
files (``cache``), or building (``graphs``, ``loops``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from weakref import WeakValueDictionary

from limpide.engines import cache
from limpide.engines.keys import graph_lines
from limpide.engines.native import jit, loops
from limpide.engines.native.fingerprint import fingerprint
from limpide.engines.native.jit import Code, make_object
from limpide.engines.native.module import Module, Slot
from limpide.engines.native.target import Target
from limpide.errors import CompileError
from limpide.ir import Graph, Loop, Node
from limpide.locks import Lock


@dataclass(eq=False)
class Program:
    """Machine code and what is needed to call it; ``module`` has no text and no pieces."""

    code: Code
    module: Module


_living: WeakValueDictionary[str, Program] = WeakValueDictionary()
_lock = Lock()


def graph_key(graph: Graph, target: Target) -> str:
    """Give a text that is the same for graphs that compute the same, whatever they are called."""
    return _digest(["graph", fingerprint(target), *_lines(graph)])


def rows_key(graph: Graph, n_held: int, target: Target) -> str:
    """Give the same for a graph over a batch of rows."""
    return _digest([f"rows {n_held}", fingerprint(target), *_lines(graph)])


def loop_key(loop: Loop, target: Target) -> str:
    """Give the same for a loop."""
    parts = ["loop", fingerprint(target), f"{loop.n_carry} {loop.n_held}"]
    parts.append(f"promotes {jit.promotes()}")
    for graph in (loop.step, loop.tail):
        parts += ["step", *(_lines(graph) if graph is not None else [])]
    return _digest(parts)


def text_key(text: str, target: Target) -> str:
    """Give the same for a module written out."""
    return _digest(["text", fingerprint(target), text])


def _digest(parts: Sequence[str]) -> str:
    limits = f"{loops.THREADS_FROM} {loops.TINY_BYTES} {loops.TINY_CYCLES}"
    return hashlib.sha256("\n".join([limits, *parts]).encode()).hexdigest()


def _lines(graph: Graph) -> Iterator[str]:
    return graph_lines(graph, _constant)


def _constant(node: Node) -> str:
    """Tell single numbers, which stand in the code; arrays lie in memory."""
    return node.value.tobytes().hex() if node.spec.size == 1 else ""


def obtain(key: str, target: Target, name: str, build: Callable[[], Module]) -> Program:
    """Give the program for a key: the one in use, the one on disk, or one built now."""
    with _lock:
        known = _living.get(key)
    if known is not None:
        return known
    found = _stored(key, target, name)
    if found is None:
        module = build()
        data = make_object(module.text, target, promote=module.tiny)
        found = Program(Code(data, target, [name]), _without_text(module))
        cache.store(key, _packed(module, data))
    with _lock:
        return _living.setdefault(key, found)


def _stored(key: str, target: Target, name: str) -> Program | None:
    payload = cache.load(key)
    if payload is None:
        return None
    try:
        module, data = _unpacked(payload)
        return Program(Code(data, target, [name]), module)
    except (KeyError, TypeError, ValueError, CompileError):
        return None  # of no use, whatever wrote it: compiled anew


def _unpacked(payload: bytes) -> tuple[Module, bytes]:
    length = int.from_bytes(payload[:4], "little")
    facts = json.loads(payload[4 : 4 + length])
    kept = [Slot(*slot) for slot in facts.pop("kept")]
    constants = [Slot(*slot) for slot in facts.pop("constants")]
    data = payload[4 + length :]
    if not any(data[:4]):  # no object file begins so; LLVM may end the process over one that does
        raise ValueError("no object file")
    return Module(text="", kept=kept, constants=constants, **facts), data


def _without_text(module: Module) -> Module:
    return Module(**{**vars(module), "text": "", "pieces": []})


def _packed(module: Module, data: bytes) -> bytes:
    facts = asdict(_without_text(module))
    del facts["text"], facts["pieces"]
    for name in ("kept", "constants"):
        facts[name] = [list(slot.values()) for slot in facts[name]]
    head = json.dumps(facts).encode()
    return len(head).to_bytes(4, "little") + head + data
