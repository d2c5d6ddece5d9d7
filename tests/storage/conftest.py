"""A forger of model files: headers that limpide would never write, under a seal that is right."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest


def _seal(header: str | bytes, data: bytes = b"") -> bytes:
    """Give a whole file; the first 64 zeros of the header become its checksum."""
    text = header if isinstance(header, bytes) else header.encode("utf-8", "surrogatepass")
    raw = len(text).to_bytes(8, "little") + text
    digest = hashlib.sha256(raw).hexdigest().encode()
    return raw.replace(b"0" * 64, digest, 1) + data


def _forge(
    members: str,
    data: bytes = b"",
    *,
    checksums: Any = None,
    metadata: str = "{}",
    version: str = "1",
    more: str = "",
) -> bytes:
    """Give a file with this tensor table, written out; checksums are right unless given."""
    if checksums is None:
        checksums = {}
        for name, info in json.loads("{" + members + "}").items():
            begin, end = info["data_offsets"]
            checksums[name] = hashlib.sha256(data[begin:end]).hexdigest()
    own = {
        "header_sha256": "0" * 64,
        "format": "limpide",
        "format_version": version,
        "checksums": checksums if isinstance(checksums, str) else json.dumps(checksums),
        "limpide": metadata,
    }
    text = json.dumps(own, separators=(",", ":"), ensure_ascii=False)
    comma = "," if members else ""
    return _seal(f'{{"__metadata__":{text[:-1]}{more}}}{comma}{members}}}', data)


@pytest.fixture(scope="session")
def forge() -> Callable[..., bytes]:
    return _forge


@pytest.fixture(scope="session")
def seal() -> Callable[..., bytes]:
    return _seal
