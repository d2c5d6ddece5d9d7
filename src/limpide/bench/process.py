"""Child processes that train when told, each with its own number of threads.

Answers for starting them, for their environment, for asking them and for their end. Not for:
what is compared (``limpide.bench.runner``).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any

import limpide
from limpide.bench.workloads import Workload

_POOLS = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB_MAXIMUM")
_PATIENCE = 900.0  # seconds for one answer; compiling takes PyTorch a minute


class ChildError(Exception):
    """A child could not do what it was asked; the text says why."""


def environment(threads: int, device: str = "cpu") -> dict[str, str]:
    """Give the environment of a process that may use some threads, and an accelerator or none."""
    own = {f"{name}_NUM_THREADS": str(threads) for name in _POOLS}
    own["NPROC"] = str(threads)  # what XLA makes its pool of
    own["XLA_FLAGS"] = "" if threads > 1 else "--xla_cpu_multi_thread_eigen=false"
    if device == "cpu":
        own["JAX_PLATFORMS"] = "cpu"
        own["CUDA_VISIBLE_DEVICES"] = ""
    else:  # several processes share its memory, of which JAX would take three quarters
        own["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
    here = str(Path(limpide.__file__).parents[1])
    paths = [here, os.environ.get("PYTHONPATH", "")]
    own["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    return {**os.environ, **own}


class Child:
    """A process that holds one program of a workload.

    Parameters
    ----------
    peer
        A name in ``peers.ALL``, ``"limpide"``, or ``"peak"``.
    work
        What it trains.
    options
        What the program is built with.
    threads
        How many it may use.

    Attributes
    ----------
    built
        Seconds that the program took to be built in its process, imports included.

    Raises
    ------
    ChildError
        Where the program cannot be built.
    """

    def __init__(self, peer: str, work: Workload, options: Mapping[str, Any], threads: int) -> None:
        self.name = peer
        self._work = work
        spec = {"peer": peer, "workload": work.as_dict(), "options": dict(options)}
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the child
        self._process = subprocess.Popen(
            [sys.executable, "-m", "limpide.bench.child", json.dumps(spec)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            env=environment(threads, work.device),
            text=True,
        )
        self._answers: SimpleQueue[str] = SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            self.built: float = self._answer()["built"]
        except BaseException:
            self.close()
            raise

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._answers.put(line)
        self._answers.put("")  # it has ended

    def _answer(self) -> dict[str, Any]:
        try:
            line = self._answers.get(timeout=_PATIENCE)
        except Empty:
            raise ChildError(f"no answer in {_PATIENCE:g} seconds") from None
        if not line:
            raise ChildError(f"its process ended with status {self._process.wait()}{self._said()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise ChildError(answer["error"])
        return answer

    def _said(self) -> str:
        """Give the last line that the process wrote on standard error."""
        self._complaints.seek(0)
        lines = self._complaints.read().decode(errors="replace").strip().splitlines()
        return f": {lines[-1]}" if lines else ""

    def _ask(self, **command: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(command) + "\n")
            self._process.stdin.flush()
        except OSError:
            pass  # it has ended: the answer says so
        return self._answer()

    def train(self, epochs: int, shuffled: bool = True) -> dict[str, Any]:
        """Train from the first weights; give seconds, epochs, and the losses of the first ones."""
        return self._ask(epochs=epochs, shuffled=shuffled)

    def step_seconds(self, epochs: int) -> float:
        """Train from the first weights, and give the seconds a step."""
        answer = self.train(epochs)
        return float(answer["seconds"] / (answer["epochs"] * self._work.steps))

    def peak(self, seconds: float) -> float:
        """Give the floating-point peak, operations a second; of the child "peak" alone."""
        return float(self._ask(seconds=seconds)["flops"])

    def close(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()
        self._process.wait()
        self._reader.join()
        for stream in (self._process.stdin, self._process.stdout, self._complaints):
            if stream is not None:
                with suppress(OSError):  # what was not flushed has no reader
                    stream.close()

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
