"""The programs that limpide is compared with, each in a file that its own people should accept.

Answers for finding them. Not for: how they are timed.
"""

from __future__ import annotations

import importlib.util

from limpide.bench.peers import (
    jax_peer,
    limpide_peer,
    numpy_hand,
    numpy_scalar,
    sklearn_mlp,
    torch_compiled,
    torch_eager,
    torch_graphs,
)
from limpide.bench.peers.program import Form, Peer, Program

__all__ = ["ACCELERATED", "ALL", "OURS", "PEERS", "Form", "Peer", "Program", "installed"]

OURS: Peer = limpide_peer

ACCELERATED: dict[str, Peer] = {
    "jax": jax_peer,
    "torch": torch_eager,
    "torch-compiled": torch_compiled,
    "torch-graphs": torch_graphs,
}
"""Those that run on a GPU, too."""

PEERS: dict[str, Peer] = {
    "jax": jax_peer,
    "torch": torch_eager,
    "torch-compiled": torch_compiled,
    "sklearn": sklearn_mlp,
    "numpy": numpy_hand,
    "scalar": numpy_scalar,
}
"""Those that run on processors."""

ALL: dict[str, Peer] = PEERS | ACCELERATED


def installed(peer: Peer) -> bool:
    """Tell whether what a peer is written with is installed, without loading it."""
    return importlib.util.find_spec(peer.PACKAGE) is not None
