"""Processes that watch over each other: one is lost, and all of them end and say which.

Answers for the connections to process 0, at which the others come together, exchange what they have
to agree on, and hear that one is gone. Not for: JAX (``limpide.engines.xla.hosts``).

Anybody who reaches the coordinator's port may take a process's place: it is for networks that are
trusted. What comes is bytes and JSON, never a pickle.
"""

from __future__ import annotations

import json
import os
import queue
import socket
import struct
import sys
import threading
import time
from abc import abstractmethod
from contextlib import suppress
from typing import Any, NamedTuple, NoReturn

from limpide.engines.team import Team
from limpide.engines.xla.wire import Gone, Wire, piped, shut
from limpide.errors import ArgumentError, DataError

SILENCE = 30.0
"""Seconds without a sign of life after which a process counts as lost."""

_BEAT = 3.0  # seconds between signs of life
_GRACE = 1.0  # seconds in which the same error may come up here too
_PAUSE = 0.2  # seconds between attempts to reach process 0
_HELLO, _RELAY, _WELCOME, _REFUSED, _ALIVE = b"H", b"J", b"W", b"X", b"."
_GIVEN, _ANSWER, _LOST, _FAILED, _DONE, _END = b"G", b"R", b"L", b"E", b"D", b"B"
_LENGTH = struct.Struct("!Q")


class Place(NamedTuple):
    """Where process 0 listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Watch(Team):
    """One of several processes, and its connections to the others."""

    def __init__(self, number: int, size: int, place: Place) -> None:
        self.number, self.size, self.place = number, size, place
        self._round = 0
        self._kept = "Nothing of the run was kept: begin again."
        self._failing = threading.Event()  # this process ends by an error of its own
        self._ended = False  # all have done what they wanted
        self._over = threading.Event()
        self._leaving = threading.Lock()

    def keeps(self, told: str) -> None:
        self._kept = told

    @abstractmethod
    def joined(self, timeout: float, about: dict[str, Any]) -> None:
        """Wait until all are there."""

    @abstractmethod
    def relay(self, service: int) -> int:
        """Give the local port at which JAX reaches process 0's local port ``service``."""

    @abstractmethod
    def _tell(self, kind: bytes, data: bytes, but: int = -1) -> None:
        """Send a frame to those this process is connected to, as far as they are there."""

    @abstractmethod
    def done(self) -> None:
        """Wait until all have done what they wanted: from then on nobody is lost."""

    @abstractmethod
    def close(self) -> None:
        """Close all connections."""

    def fail(self, text: str, status: int, broken: bool) -> None:
        """Tell the others that this process ends by an error of its own.

        ``broken``: it may be that another is lost; then this process ends here, and says so.
        """
        if broken:
            time.sleep(SILENCE + _BEAT)
        self._failing.set()
        told = {"number": self.number, "text": text, "status": status}
        self._tell(_FAILED, json.dumps(told).encode())

    def _beat(self) -> None:
        while not self._over.wait(_BEAT):
            self._tell(_ALIVE, b"")

    def _lost(self, number: int, why: str) -> None:
        if not self._ended and not self._over.is_set():
            told = {"number": number, "why": why}
            self._tell(_LOST, json.dumps(told).encode(), but=number)
            self._leave(f"process {number} of {self.size} was lost: {why}. {self._kept}", 1)

    def _failed(self, data: bytes) -> None:
        """Another process ends by an error; perhaps the same one is about to come up here."""
        told = json.loads(data)
        if self._failing.wait(_GRACE) or self._ended or self._over.is_set():
            return
        number, text = int(told["number"]), str(told["text"])
        said = f"process {number} of {self.size} ended with an error: {text}"
        self._leave(said, int(told["status"]))

    def _leave(self, text: str, status: int) -> None:
        """End the process: what it waits for, such as a sum over all devices, never comes."""
        if not self._leaving.acquire(blocking=False):
            return
        shown = b"\x1b[?25h\n" if _is_terminal() else b""  # a live view hides the cursor
        with suppress(OSError):
            os.write(2, shown + f"limpide: {text}\n".encode(errors="backslashreplace"))
        flush = threading.Thread(target=_flush, daemon=True)  # another thread may hold the lock
        flush.start()
        flush.join(1.0)
        os._exit(status)

    def _stuck(self) -> NoReturn:
        """Wait for the thread that hears who is gone, and ends the process."""
        time.sleep(SILENCE + _BEAT)
        raise DataError("A process of this run is gone. Begin again.")


def _flush() -> None:
    with suppress(OSError, ValueError):
        sys.stdout.flush()


def _is_terminal() -> bool:
    with suppress(OSError):
        return os.isatty(2)
    return False


class Hub(Watch):
    """Process 0, to which the others are connected."""

    def __init__(self, size: int, place: Place, bound: socket.socket) -> None:
        super().__init__(0, size, place)
        self._listener = bound
        self._service = 0
        self._wires: dict[int, Wire] = {}
        self._given: dict[int, queue.SimpleQueue[bytes]] = {}
        self._done = {number: threading.Event() for number in range(1, size)}
        self._changed = threading.Condition()
        self._fault = ""
        self._about: dict[str, Any] = {}
        self._complete = False

    def joined(self, timeout: float, about: dict[str, Any]) -> None:
        self._about = about
        for work in (self._accept, self._beat):
            threading.Thread(target=work, daemon=True, name="limpide watch").start()
        end = time.monotonic() + timeout
        with self._changed:
            while len(self._wires) < self.size - 1 and not self._fault:
                left = end - time.monotonic()
                if left <= 0:
                    self._fault = self._awaited(timeout)
                    break
                self._changed.wait(left)
            self._complete = not self._fault
        if self._fault:
            self._tell(_REFUSED, self._fault.encode())
            self.close()
            raise ArgumentError(self._fault)
        self._tell(_WELCOME, b"")

    def _awaited(self, timeout: float) -> str:
        missing = [str(n) for n in range(1, self.size) if n not in self._wires]
        which = "process " if len(missing) == 1 else "processes "
        return (
            f"Process 0 has waited for {timeout:g} s at {self.place}; of {self.size} processes "
            f"{len(missing)} did not come: {which}{', '.join(missing)}. Start every one of them, "
            f"with coordinator={str(self.place)!r} and processes={self.size}."
        )

    def _accept(self) -> None:
        while True:
            try:
                made, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._greet, args=(made,), daemon=True).start()

    def _greet(self, made: socket.socket) -> None:
        """Hear who has come: one of the processes, its JAX, or a stranger."""
        wire = Wire(made, SILENCE)
        try:
            kind, data = wire.hello()
            if kind == _RELAY and self._complete:
                there = socket.create_connection(("127.0.0.1", self._service))
                here = wire.plain()
                piped(here, there, closing=True)
                piped(there, here, closing=True)
                return
            told = json.loads(data)
            if kind == _HELLO and isinstance(told, dict):
                self._welcome(wire, told)
                return
        except (Gone, OSError, ValueError):
            pass
        wire.close()

    def _welcome(self, wire: Wire, told: dict[str, Any]) -> None:
        number = told.get("number")
        with self._changed:
            fault = self._misfit(number, told)
            if fault and not self._complete:
                self._fault = fault
                self._changed.notify_all()
            if not fault:
                assert isinstance(number, int)
                self._wires[number] = wire
                self._given[number] = queue.SimpleQueue()
                self._changed.notify_all()
        if fault:
            wire.send(_REFUSED, fault.encode())
            wire.close()
            return
        self._listen(int(told["number"]), wire)

    def _misfit(self, number: Any, told: dict[str, Any]) -> str:
        """Say why a process cannot take part, or nothing."""
        if self._complete:
            return f"The {self.size} processes of the run at {self.place} are all there. Wait."
        for name, own in self._about.items():
            if told.get(name) != own:
                return (
                    f"Process {number} was started with {name} {told.get(name)}, and process 0 "
                    f"with {own}. Start all of them alike."
                )
        if not isinstance(number, int) or not 0 < number < self.size or number in self._wires:
            return (
                f"Two processes of the run at {self.place} were started as number {number}. Give "
                f"each another process_id, 0 to {self.size - 1}."
            )
        return ""

    def _listen(self, number: int, wire: Wire) -> None:
        try:
            while True:
                kind, data = wire.receive()
                if kind == _GIVEN:
                    self._given[number].put(data)
                elif kind == _FAILED:
                    self._tell(_FAILED, data, but=number)
                    self._failed(data)
                    return
                elif kind == _LOST:
                    told = json.loads(data)
                    self._lost(int(told["number"]), str(told["why"]))
                elif kind == _DONE:
                    self._done[number].set()
        except Gone as gone:
            with self._changed:
                if not self._complete:  # it may come again
                    self._wires.pop(number, None)
                    wire.close()
                    return
            if self._failing.is_set():
                return
            self._lost(number, str(gone))

    def relay(self, service: int) -> int:
        self._service = service
        return service

    def gathered(self, what: str, data: bytes) -> list[bytes]:
        label = f"{self._round} {what}".encode()
        self._round += 1
        found = [data]
        for number in range(1, self.size):
            said, _, given = self._given[number].get().partition(b"\n")
            if said != label:
                raise DataError(
                    f"Process {number} is at another place of the run than process 0: "
                    f"{said.decode()!r}, not {label.decode()!r}. Let all of them do the same."
                )
            found.append(given)
        packed = b"".join(_LENGTH.pack(len(one)) + one for one in found)
        try:
            for wire in self._wires.values():
                wire.send(_ANSWER, packed)
        except Gone:
            self._stuck()
        return found

    def done(self) -> None:
        for event in self._done.values():
            event.wait()
        self._ended = True
        self._tell(_END, b"")

    def _tell(self, kind: bytes, data: bytes, but: int = -1) -> None:
        for number, wire in list(self._wires.items()):
            if number != but:
                with suppress(Gone):
                    wire.send(kind, data)

    def close(self) -> None:
        self._over.set()
        shut(self._listener)
        with self._changed:
            wires = list(self._wires.values())
        for wire in wires:
            wire.close()


class Member(Watch):
    """A process that is connected to process 0."""

    def __init__(self, number: int, size: int, place: Place) -> None:
        super().__init__(number, size, place)
        self._answers: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._all_done = threading.Event()
        self._sockets: list[socket.socket] = []
        self._wire: Wire

    def joined(self, timeout: float, about: dict[str, Any]) -> None:
        end = time.monotonic() + timeout
        self._wire = Wire(self._reached(timeout, end), SILENCE)
        refused = self._refused({**about, "number": self.number})
        if refused:
            self.close()
            raise ArgumentError(refused)
        for work in (self._listen, self._beat):
            threading.Thread(target=work, daemon=True, name="limpide watch").start()

    def _refused(self, told: dict[str, Any]) -> str:
        """Say hello and wait for all to be there; give why that is not to be, or nothing."""
        try:
            self._wire.send(_HELLO, json.dumps(told).encode())
            kind, data = self._wire.receive()
            while kind == _ALIVE:
                kind, data = self._wire.receive()
        except Gone as gone:
            return (
                f"Process 0 at {self.place} has left while process {self.number} waited for the "
                f"others: {gone}. See what it says, and start all of them again."
            )
        return "" if kind == _WELCOME else data.decode(errors="replace")

    def _reached(self, timeout: float, end: float) -> socket.socket:
        while True:
            try:
                return socket.create_connection(self.place, timeout=SILENCE)
            except OSError as error:
                if time.monotonic() + _PAUSE > end:
                    raise ArgumentError(
                        f"Process {self.number} of {self.size} has not reached process 0 at "
                        f"{self.place} within {timeout:g} s: {error.strerror or error}. Start "
                        "process 0 on the machine that has this address, or correct it."
                    ) from None
            time.sleep(_PAUSE)

    def _listen(self) -> None:
        try:
            while True:
                kind, data = self._wire.receive()
                if kind == _ANSWER:
                    self._answers.put(data)
                elif kind == _FAILED:
                    self._failed(data)
                    return
                elif kind == _LOST:
                    told = json.loads(data)
                    self._lost(int(told["number"]), str(told["why"]))
                elif kind == _END:
                    self._ended = True
                    self._all_done.set()
        except Gone as gone:
            if not self._failing.is_set():
                self._lost(0, str(gone))

    def relay(self, service: int) -> int:
        """Listen on the loopback, and hand on what JAX sends.

        When process 0 is gone, JAX is not to hear of it: it would end this process with a stack
        trace of its own before anything can be said.
        """
        listener = socket.create_server(("127.0.0.1", 0))
        self._sockets.append(listener)
        threading.Thread(
            target=self._hand_on, args=(listener,), daemon=True, name="limpide relay"
        ).start()
        return int(listener.getsockname()[1])

    def _hand_on(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                here, _ = listener.accept()
                there = socket.create_connection(self.place)
                self._sockets += here, there
                wire = Wire(there, SILENCE)
                with suppress(Gone):
                    wire.send(_RELAY)
                piped(here, wire.plain(), closing=True)
                piped(there, here, closing=False)

    def gathered(self, what: str, data: bytes) -> list[bytes]:
        label = f"{self._round} {what}".encode()
        self._round += 1
        try:
            self._wire.send(_GIVEN, label + b"\n" + data)
        except Gone:
            self._stuck()
        packed, found, at = memoryview(self._answers.get()), [], 0
        while at < len(packed):
            (length,) = _LENGTH.unpack_from(packed, at)
            at += _LENGTH.size + length
            found.append(bytes(packed[at - length : at]))
        return found

    def done(self) -> None:
        self._tell(_DONE, b"")
        self._all_done.wait()

    def _tell(self, kind: bytes, data: bytes, but: int = -1) -> None:
        if but != 0:
            with suppress(Gone):
                self._wire.send(kind, data)

    def close(self) -> None:
        self._over.set()
        self._wire.close()
        if self._ended:  # else JAX is not to hear of it
            for made in self._sockets:
                shut(made)
