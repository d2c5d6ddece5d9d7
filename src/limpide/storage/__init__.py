"""Model files: written whole, read with suspicion.

Answers for: the one door to this room. Not for: networks and tables, which say what to store;
no code of its own.
"""

from __future__ import annotations

from limpide.storage.atomic import atomic_write, path_text
from limpide.storage.container import (
    Stored,
    Verification,
    VerifiedTensor,
    pack_json,
    read,
    read_metadata,
    unpack_json,
    verify,
    write,
)
from limpide.storage.layout import FORMAT_VERSION, spec_text
from limpide.storage.run_lock import RunLock
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
    "RunLock",
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
    "path_text",
    "read",
    "read_metadata",
    "spec_text",
    "unpack_json",
    "verify",
    "write",
]
