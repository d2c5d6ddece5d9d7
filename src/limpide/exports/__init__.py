"""Exports: trained networks as ONNX and as source code for NumPy, Python, PyTorch and Keras.

Answers for the one door to this room, and for loading it when something is exported (PEP 562).
Not for: model files (``limpide.storage``), nor for any code of its own.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOME = {
    "Ending": "about",
    "Exported": "networks",
    "export_model": "models",
    "export_network": "networks",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'limpide.exports' has no attribute {name!r}")
    return getattr(importlib.import_module(f"limpide.exports.{_HOME[name]}"), name)
