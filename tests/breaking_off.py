"""Ctrl-C at a step of one's choice, for runs that are to be gone on with."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from limpide import training


def breaks_off(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Let Ctrl-C be pressed so that a step, counted from 1 in this process, is the last one."""
    done = 0

    def one_by_one(total: int, *_: object) -> Any:
        nonlocal done
        for i in range(total):
            done += 1
            if done == step:
                signal.raise_signal(signal.SIGINT)
            yield i, i + 1

    monkeypatch.setattr(training, "slices", one_by_one)
