"""The native engine: graphs and loops as machine code for this processor, through LLVM.

Answers for the engine's name. Not for: anything of its inside.
"""

from limpide.engines.native.engine import NativeEngine

__all__ = ["NativeEngine"]
