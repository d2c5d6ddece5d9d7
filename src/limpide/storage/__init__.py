"""Model files: written whole, read with suspicion.

Answers for: the one door to this room. Not for: networks and tables, which say what to store;
no code of its own.
"""

from __future__ import annotations

from limpide.storage.atomic import atomic_write
from limpide.storage.container import (
    Stored,
    Verification,
    VerifiedTensor,
    pack_json,
    read,
    unpack_json,
    verify,
    write,
)
from limpide.storage.layout import FORMAT_VERSION
from limpide.storage.vocabulary import (
    expect_bool,
    expect_choice,
    expect_float,
    expect_int,
    expect_keys,
    expect_list,
    expect_object,
    expect_tensor,
    expect_text,
)

__all__ = [
    "FORMAT_VERSION",
    "Stored",
    "Verification",
    "VerifiedTensor",
    "atomic_write",
    "expect_bool",
    "expect_choice",
    "expect_float",
    "expect_int",
    "expect_keys",
    "expect_list",
    "expect_object",
    "expect_tensor",
    "expect_text",
    "pack_json",
    "read",
    "unpack_json",
    "verify",
    "write",
]
