"""What decides about machine code besides the graph that it is written for.

Answers for the part of a cached program's key that all programs of a process share. Not for: the
graph's part (``store``), or the files (``limpide.engines.cache``).
"""

from __future__ import annotations

import hashlib

import llvmlite
import llvmlite.binding as llvm

from limpide.engines import cache
from limpide.engines.native.target import Target

_SOURCES = cache.source_digest("limpide.engines.native")


def fingerprint(target: Target) -> str:
    """Give what besides the graph decides about the code: processor, versions, this room's files.

    Examples
    --------
    >>> from limpide.engines.native.target import host
    >>> len(fingerprint(host()))
    64
    """
    parts = [target.triple, target.cpu, target.features, target.layout, llvmlite.__version__]
    parts += [str(target.vector_bytes), str(target.registers), str(target.has_fma)]
    parts += [str(llvm.llvm_version_info), str(cache.FORMAT), _SOURCES]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
