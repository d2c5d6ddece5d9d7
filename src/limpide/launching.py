"""Several processes of a command on this machine: started, watched over, and ended together.

Answers for their lives, for the signals they hear, and for what of theirs is shown. Not for: how
they find each other (``limpide.engines.xla.hosts``), nor what they do.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from limpide.stopping import Stop

_LOOK = 0.05  # seconds between looks at who has ended
_LEFT = 20.0  # seconds in which the others end by themselves when one has
_AT_ONCE = 5.0  # the same after a second Ctrl-C
_KEPT = 1 << 16  # bytes of what another process than the first has said
_SAYS = "limpide: "  # before what a command says on standard error

_START = (
    "import sys; told = sys.argv.pop(1); import json; told = json.loads(told); "
    "sys.path[:] = told['path']; from limpide import worker; worker.main(told)"
)


@dataclass
class _Worker:
    """One of the processes."""

    number: int
    process: subprocess.Popen[bytes]
    said: bytearray = field(default_factory=bytearray)
    listener: threading.Thread | None = None

    @property
    def how(self) -> str:
        """How it has ended, in words."""
        code = self.process.returncode
        if code >= 0:
            return f"it ended with status {code}"
        name = str(-code)
        with suppress(ValueError):
            name = signal.Signals(-code).name
        return f"it was ended by {name}"

    def listen(self) -> None:
        """Keep the end of what it says on standard error."""
        assert self.process.stderr is not None
        with self.process.stderr as lines:
            for line in lines:
                self.said += line
                del self.said[:-_KEPT]


class Launcher:
    """Starts processes of this command, and stays until none is left.

    Parameters
    ----------
    count
        How many.
    arguments
        Of the command, the same for each.
    stop
        Hears Ctrl-C and SIGTERM; the first lets the processes finish their step.
    """

    def __init__(self, count: int, arguments: Sequence[str], stop: Stop) -> None:
        self._count, self._arguments, self._stop = count, list(arguments), stop
        self._workers: list[_Worker] = []
        self._first: _Worker | None = None  # that ended as it should not
        self._ended_at: float | None = None
        self._told = False

    def run(self) -> tuple[int, str]:
        """Give the exit status of process 0, and what is to be said besides."""
        leash, held = os.pipe()  # read to its end where this process is no more
        self._stop.gentle = True
        try:
            port = _free_port()
            for number in range(self._count):
                self._workers.append(self._started(number, port, leash))
            os.close(leash)
            while self._look():
                time.sleep(_LOOK)
        except KeyboardInterrupt:
            self._end_at_once()
        finally:
            for worker in self._workers:
                with suppress(OSError):
                    worker.process.kill()
                worker.process.wait()
                if worker.listener is not None:
                    worker.listener.join(1.0)
            os.close(held)
        return self._status(), self._fault()

    def _started(self, number: int, port: int, leash: int) -> _Worker:
        told: dict[str, Any] = {
            "path": sys.path,
            "program": sys.argv[0],
            "python": sys.orig_argv[0],
            "place": f"127.0.0.1:{port}",
            "number": number,
            "leash": leash,
        }
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", _START, json.dumps(told), *self._arguments],
            stdin=subprocess.DEVNULL,
            stdout=None if number == 0 else subprocess.DEVNULL,
            stderr=None if number == 0 else subprocess.PIPE,
            pass_fds=(leash,),
            start_new_session=True,  # Ctrl-C comes to this process, which hands it on
        )
        worker = _Worker(number, process)
        if number:
            worker.listener = threading.Thread(target=worker.listen, daemon=True)
            worker.listener.start()
        return worker

    def _look(self) -> bool:
        """See who has ended and what is asked; False when nobody is to be waited for."""
        living = [w for w in self._workers if w.process.poll() is None]
        for worker in self._workers:
            if self._first is None and worker.process.returncode not in (None, 0):
                self._first = worker
        if self._stop.asked and not self._told:
            self._told = True
            self._signal(self._workers[:1])  # it tells the others
        if self._first is None and self._workers[0] in living:
            return True
        self._ended_at = self._ended_at or time.monotonic()
        return bool(living) and time.monotonic() - self._ended_at < _LEFT

    def _signal(self, workers: Sequence[_Worker]) -> None:
        for worker in workers:
            with suppress(OSError):
                worker.process.send_signal(signal.SIGTERM)  # SIGINT may be ignored here

    def _end_at_once(self) -> None:
        """Hand a second Ctrl-C on; a third one waits for nothing."""
        self._signal(self._workers)
        end = time.monotonic() + _AT_ONCE
        with suppress(KeyboardInterrupt):
            while time.monotonic() < end:
                if all(w.process.poll() is not None for w in self._workers):
                    return
                time.sleep(_LOOK)

    def _status(self) -> int:
        code = self._workers[0].process.returncode
        if self._stop.asked and code:
            return 130
        return code if code >= 0 else 1

    def _fault(self) -> str:
        """Give what process 0 has not said itself, since it was ended before it could."""
        first = self._first
        if first is None or self._stop.asked or self._workers[0].process.returncode >= 0:
            return ""
        text = f"process {first.number} of {self._count} was lost: {first.how}"
        said = [w.said.decode(errors="replace").strip() for w in self._workers if w.said]
        return f"{text}. {said[0].rpartition(_SAYS)[2]}" if said else text


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as made:
        return int(made.getsockname()[1])
