"""The processor that code is made for: its name, features, vector width, registers, caches.

Answers for what LLVM knows of the host. Not for: compiling (``jit``).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import llvmlite.binding as llvm


@dataclass(frozen=True)
class Target:
    """What kernels are fitted to.

    Attributes
    ----------
    triple, cpu, features, layout
        As LLVM names them.
    vector_bytes
        How wide the widest registers are that arithmetic on floats uses.
    registers
        How many of these there are.
    has_fma
        Whether a · b + c is one instruction.
    """

    triple: str
    cpu: str
    features: str
    layout: str
    vector_bytes: int
    registers: int
    has_fma: bool

    def lanes(self, element_bytes: int) -> int:
        """Give how many elements fill a vector."""
        return max(1, self.vector_bytes // element_bytes)


@cache
def host() -> Target:
    """Give the processor that this process runs on."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    triple = llvm.get_process_triple()
    cpu = llvm.get_host_cpu_name()
    try:
        known = llvm.get_host_cpu_features()
    except RuntimeError:  # a processor whose features LLVM cannot ask for
        known = {}
    features = known.flatten() if known else ""
    machine = llvm.Target.from_triple(triple).create_target_machine(cpu, features, 2, jit=True)
    layout = str(machine.target_data)
    if known.get("avx512f") and known.get("avx512vl") and known.get("avx512dq"):
        width, registers = 64, 32
    elif known.get("avx"):
        width, registers = 32, 16
    elif triple.startswith(("aarch64", "arm64")):
        width, registers = 16, 32
    else:
        width, registers = 16, 16
    fma = bool(known.get("fma")) or triple.startswith(("aarch64", "arm64"))
    return Target(triple, cpu, features, layout, width, registers, fma)
