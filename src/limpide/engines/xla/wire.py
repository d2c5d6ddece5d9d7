"""Frames on a connection between two processes: a kind, a length, bytes.

Answers for what goes over the wire whole or not at all, and for hearing that the other has fallen
silent. Not for: what frames mean (``limpide.engines.xla.watch``).
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_HEAD = struct.Struct("!cQ")
_PIECE = 1 << 20  # bytes that are taken at once
_HELLO = 1 << 10  # bytes that a stranger may send


class Gone(Exception):
    """The other end is gone, or says nothing; the text tells which."""


class Wire:
    """One end of a connection.

    Parameters
    ----------
    made
        The socket.
    silence
        Seconds without a byte after which the other end counts as gone.
    """

    def __init__(self, made: socket.socket, silence: float) -> None:
        self._socket, self._silence, self._lock = made, silence, threading.Lock()
        made.settimeout(silence)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, kind: bytes, data: bytes = b"") -> None:
        """Send a frame.

        Raises
        ------
        Gone
            Nobody takes it.
        """
        with self._told(), self._lock:
            self._socket.sendall(_HEAD.pack(kind, len(data)) + data[:_PIECE])
            for start in range(_PIECE, len(data), _PIECE):
                self._socket.sendall(data[start : start + _PIECE])

    def receive(self, most: int | None = None) -> tuple[bytes, bytes]:
        """Wait for a frame, and give its kind and bytes, at most so many.

        Raises
        ------
        Gone
            There is none.
        """
        with self._told():
            kind, length = _HEAD.unpack(self._taken(_HEAD.size))
            if most is not None and length > most:
                raise Gone("it sent what is no frame")
            return kind, bytes(self._taken(length))

    def hello(self) -> tuple[bytes, bytes]:
        """Wait for the first frame, which anybody may have sent."""
        return self.receive(_HELLO)

    def _taken(self, length: int) -> bytearray:
        found = bytearray()
        while len(found) < length:
            piece = self._socket.recv(min(length - len(found), _PIECE))
            if not piece:
                raise Gone("its connection was closed")
            found += piece
        return found

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except TimeoutError:
            raise Gone(f"nothing was heard of it for {self._silence:g} s") from None
        except OSError:
            raise Gone("its connection was closed") from None

    def plain(self) -> socket.socket:
        """Give the socket for bytes without frames."""
        self._socket.settimeout(None)
        return self._socket

    def close(self) -> None:
        """Close the connection; who waits for a frame at either end hears of it."""
        shut(self._socket)


def shut(made: socket.socket) -> None:
    """Close a socket, also where another thread waits at it."""
    with suppress(OSError):
        made.shutdown(socket.SHUT_RDWR)
    made.close()


def piped(one: socket.socket, other: socket.socket, closing: bool) -> None:
    """Hand on what comes at one socket to the other, in a thread of its own, while it comes.

    ``closing``: close the other when nothing more comes.
    """

    def pump() -> None:
        with suppress(OSError):
            while piece := one.recv(1 << 16):
                other.sendall(piece)
        if closing:
            shut(other)

    threading.Thread(target=pump, daemon=True, name="limpide relay").start()
