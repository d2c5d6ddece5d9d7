"""A process that holds one program and trains it when told: ``python -m limpide.bench.child``.

Answers for the other end of ``limpide.bench.process``: JSON lines in, JSON lines out, and an end
when the parent has gone. Not for: what is to be run.

The first argument is the JSON of {"peer", "workload", "options"}. A line {"epochs": n,
"shuffled": b} is answered by {"seconds", "epochs", "losses"}, and {"seconds": s}, which the
program of the peer "peak" understands, by {"flops"}.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from queue import SimpleQueue
from typing import Any, TextIO

from limpide.bench import peers
from limpide.bench.peak import Peak
from limpide.bench.peers import Program
from limpide.bench.workloads import Workload

_PAUSE = 0.02  # seconds, in which idle threads of the program timed before stop spinning
PEAK, LIMPIDE = "peak", "limpide"


def _private_output() -> TextIO:
    """Give standard output for answers alone: whatever else is printed goes to standard error."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers


def _read(commands: SimpleQueue[Any]) -> None:
    """Hand commands over; at their end, the parent's too, leave at once."""
    for line in sys.stdin:
        commands.put(json.loads(line))
    os._exit(0)


def _trained(program: Program, work: Workload, command: Mapping[str, Any]) -> dict[str, Any]:
    program.reset()
    time.sleep(_PAUSE)
    began = time.perf_counter()
    losses = program.run(command["epochs"], command["shuffled"])
    seconds = time.perf_counter() - began
    first = [float(loss) for loss in losses[: work.checked_epochs]]
    return {"seconds": seconds, "epochs": len(losses), "losses": first}


def _program(spec: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """Build what is asked for; give the function that answers commands."""
    work = Workload(**spec["workload"])
    if spec["peer"] == PEAK:
        peak = Peak(work.dtype, spec["options"]["threads"])
        return lambda command: {"flops": peak.measure(command["seconds"])}
    peer = peers.OURS if spec["peer"] == LIMPIDE else peers.ALL[spec["peer"]]
    program = peer.build(work, spec["options"])
    return lambda command: _trained(program, work, command)


def main() -> None:
    """Answer commands until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, which ends this one
    answers = _private_output()
    commands: SimpleQueue[Any] = SimpleQueue()
    threading.Thread(target=_read, args=(commands,), daemon=True).start()

    def answer(values: Mapping[str, Any]) -> None:
        answers.write(json.dumps(values) + "\n")
        answers.flush()

    try:
        began = time.perf_counter()
        answer_to = _program(json.loads(sys.argv[1]))
        answer({"built": time.perf_counter() - began})
        while True:
            answer(answer_to(commands.get()))
    except Exception as error:  # whatever a peer's libraries raise: the parent says it
        lines = str(error).strip().splitlines() or [""]
        answer({"error": f"{type(error).__name__}: {lines[0]}"})


if __name__ == "__main__":
    main()
