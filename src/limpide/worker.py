"""One of the processes that a launcher starts: the same command, and an end with its launcher.

Answers for how such a process begins. Not for: starting it (``limpide.launching``).
"""

from __future__ import annotations

import os
import sys
import threading
from typing import Any

from limpide import cli
from limpide.commands import joined


def main(told: dict[str, Any]) -> None:
    """Run the command in ``sys.argv`` as process ``told["number"]`` at ``told["place"]``."""
    threading.Thread(target=_end_with, args=(told["leash"],), daemon=True).start()
    sys.argv[0], sys.orig_argv[0] = told["program"], told["python"]
    joined.LAUNCHED = joined.Launched(told["place"], told["number"])
    cli.main(sys.argv[1:])


def _end_with(leash: int) -> None:
    """End at once when the launcher is no more, in whatever way that came about."""
    os.read(leash, 1)
    os._exit(1)
