"""Compiled programs of XLA's: in memory while used, on disk for the next process.

Answers for the key of a program, and for loading it instead of compiling. Not for: files
(``limpide.engines.cache``), nor for what is compiled.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from weakref import WeakValueDictionary

import jax
import jaxlib.version
import llvmlite.binding as llvm
from jax.experimental import serialize_executable

from limpide.engines import cache
from limpide.engines.keys import graph_lines
from limpide.ir import Graph, Node
from limpide.locks import Lock
from limpide.threads import available

_SOURCES = cache.source_digest("limpide.engines.xla")


class Program:
    """A compiled function: call it with arrays of the shapes that it was compiled for."""

    def __init__(self, run: Any) -> None:
        self.run = run

    def __call__(self, *arguments: Any) -> Any:
        return self.run(*arguments)


_living: WeakValueDictionary[str, Program] = WeakValueDictionary()
_lock = Lock()


def obtain(
    words: Sequence[str],
    devices: Sequence[Any],
    arguments: Sequence[Any],
    results: Any,
    make: Callable[[], Any],
    options: Mapping[str, Any],
) -> Program:
    """Give a program: the one in use, the one on disk, or one compiled now.

    Parameters
    ----------
    words
        What it computes.
    devices
        Where it runs.
    arguments
        Trees of what has a shape and a dtype, one an argument.
    results
        A tree as that of what it gives, of anything.
    make
        Makes the ``jax.jit`` of the function.
    options
        For XLA, where it knows them: they change no result.
    """
    told = [*words, *(f"{name} {value}" for name, value in options.items())]
    told += [f"{x.shape} {x.dtype}" for x in jax.tree.leaves(arguments)]
    key = hashlib.sha256("\n".join([*_facts(devices), *told]).encode()).hexdigest()
    with _lock:
        known = _living.get(key)
        if known is None:
            ours = all(d.process_index == jax.process_index() for d in devices)
            known = _loaded(key, devices, arguments, results) if ours else None
            if known is None:
                compiled = _compiled(make().lower(*arguments), options)
                known = Program(compiled)
                if ours:
                    _store(key, compiled)
            _living[key] = known
    return known


def _compiled(lowered: Any, options: Mapping[str, Any]) -> Any:
    try:
        return lowered.compile(compiler_options=dict(options))
    except jax.errors.JaxRuntimeError:
        if not options:
            raise
        return lowered.compile()  # by another XLA, which has no such options


def graph_words(graph: Graph) -> list[str]:
    """Tell what a graph computes."""
    return list(graph_lines(graph, _constant))


def _constant(node: Node) -> str:
    return hashlib.sha256(node.value.tobytes()).hexdigest()


def _facts(devices: Sequence[Any]) -> list[str]:
    """Tell what besides the function decides about compiled code: versions, devices, our files."""
    kinds = [f"{d.platform} {d.device_kind} {d.id}" for d in devices]
    facts = [jax.__version__, jaxlib.version.__version__, devices[0].client.platform_version]
    if devices[0].platform == "cpu":
        features = llvm.get_host_cpu_features().flatten()
        facts += [llvm.get_host_cpu_name(), features, str(available())]
    facts.append(os.environ.get("XLA_FLAGS", ""))
    return ["xla", str(cache.FORMAT), _SOURCES, *facts, *kinds]


def _loaded(
    key: str, devices: Sequence[Any], arguments: Sequence[Any], results: Any
) -> Program | None:
    payload = cache.load(key)
    if payload is None:
        return None
    trees = jax.tree.structure((tuple(arguments), {})), jax.tree.structure(results)
    try:
        run = serialize_executable.deserialize_and_load(
            payload, *trees, devices[0].client, execution_devices=list(devices)
        )
    except Exception:  # of no use, whatever wrote it: compiled anew
        return None
    return Program(run)


def _store(key: str, compiled: Any) -> None:
    try:
        payload, _, _ = serialize_executable.serialize(compiled)
    except (NotImplementedError, ValueError, jax.errors.JaxRuntimeError):
        return  # a device or a program that cannot be written out
    cache.store(key, payload)
