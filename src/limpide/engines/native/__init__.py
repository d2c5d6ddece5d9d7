"""The native engine: graphs and loops as machine code for this processor, through LLVM."""

from limpide.engines.native.engine import NativeEngine

__all__ = ["NativeEngine"]
