"""``limpide train --processes 2``: started here, broken off, gone on with, and none left behind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import limpide as lp
from limpide import cli, program

pytest.importorskip("jax", reason="JAX is not installed: pip install 'limpide[xla]'")

CHILDREN = "/proc/{0}/task/{0}/children"
ALL = 60.0  # seconds within which all have ended when one is lost: the promise
LONG = ["--epochs", "100000", "--checkpoint", "0.2"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 3))
    rows = [f"{a:.4f},{b:.4f},{c:.4f},{'yes' if a * b > 0 else 'no'}" for a, b, c in X]
    (tmp_path / "table.csv").write_text("\n".join(["a,b,c,answer", *rows]) + "\n")
    return tmp_path


class Started:
    """A command, and the processes that it has started."""

    def __init__(self, folder: Path, *words: str) -> None:
        line = [sys.executable, "-m", "limpide", "train", "table.csv", "--target", "answer"]
        line += ["--engine", "xla", "--processes", "2", "--batch-size", "256", "--hidden", "4"]
        self.process = subprocess.Popen(
            [*line, "--out", "made.safetensors", *words],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(Path(lp.__file__).parents[1])},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.folder = folder

    def workers(self) -> list[int]:
        with open(CHILDREN.format(self.process.pid)) as file:
            return [int(word) for word in file.read().split()]

    def wait_for_a_checkpoint(self) -> list[int]:
        """Wait until the run is kept, and give its processes."""
        while not (self.folder / "made.safetensors.checkpoint").exists():
            assert self.process.poll() is None, self.process.communicate()
            time.sleep(0.05)
        return self.workers()

    def ended(self, timeout: float | None = None) -> tuple[int, str, str]:
        out, said = self.process.communicate(timeout=timeout)
        return self.process.returncode, out, said


@pytest.fixture
def start(folder: Path) -> Iterator[type[Started]]:
    begun: list[Started] = []

    class Here(Started):
        def __init__(self, *words: str) -> None:
            super().__init__(folder, *words)
            begun.append(self)

    yield Here
    for one in begun:
        one.process.kill()  # its processes end with it
        one.process.communicate()


def is_gone(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def wait_until_gone(pids: list[int]) -> None:
    end = time.monotonic() + ALL
    while not all(map(is_gone, pids)):
        assert time.monotonic() < end, "a process was left behind"
        time.sleep(0.05)


needs_proc = pytest.mark.skipif(
    not os.path.exists(CHILDREN.format(os.getpid())), reason="needs Linux's /proc"
)


def test_one_process_speaks_for_both(start: type[Started], folder: Path) -> None:
    status, out, said = start("--epochs", "2", "--json").ended()
    assert (status, said) == (0, "")
    found = json.loads(out)
    assert (found["epochs"], found["engine"], found["rows"]) == (2, "xla", 600)
    assert lp.load(folder / "made.safetensors").predict({"a": 1.0, "b": 1.0, "c": 0.0}) is not None


def test_what_the_first_refuses_is_said_once(start: type[Started], folder: Path) -> None:
    (folder / "made.safetensors").write_text("something")
    status, out, said = start().ended()
    assert (status, out) == (2, "")
    assert said.startswith("limpide: 'made.safetensors' exists.")
    assert said.count("\n") == 1


def test_an_error_of_all_is_said_once(start: type[Started], folder: Path) -> None:
    (folder / "table.csv").write_text("a,answer\n1,yes\nx,y,z\n")
    status, out, said = start().ended()
    assert (status, out) == (1, "")
    assert said.startswith("limpide: ")
    assert said.count("\n") == 1


@needs_proc
@pytest.mark.parametrize("lost", [0, 1])
def test_a_lost_process_is_named_and_none_is_left(start: type[Started], lost: int) -> None:
    run = start(*LONG)
    workers = run.wait_for_a_checkpoint()
    os.kill(workers[lost], signal.SIGKILL)
    status, out, said = run.ended(ALL)
    assert (status, out) == (1, "")
    last = said.splitlines()[-1]
    assert re.match(rf"limpide: process {lost} of 2 was lost: ", last)
    assert "keeps the run up to step" in last
    assert "--resume" in last
    wait_until_gone(workers)


@needs_proc
def test_ctrl_c_saves_and_resume_goes_on(start: type[Started], folder: Path) -> None:
    run = start(*LONG)
    workers = run.wait_for_a_checkpoint()
    run.process.send_signal(signal.SIGINT)
    status, out, said = run.ended()
    assert status == 130
    assert "what was learned so far to made.safetensors" in out
    assert "with --resume goes on" in said
    wait_until_gone(workers)
    done = lp.checkpoints.facts(str(folder / "made.safetensors.checkpoint"))
    assert done is not None
    again = start(*LONG, "--resume")
    again.wait_for_a_checkpoint()
    kept = done.steps
    while kept == done.steps:
        found = lp.checkpoints.facts(str(folder / "made.safetensors.checkpoint"))
        assert found is not None
        kept = found.steps
        time.sleep(0.05)
    again.process.send_signal(signal.SIGTERM)
    assert again.ended()[0] == 130


@needs_proc
def test_a_killed_launcher_leaves_nobody(start: type[Started]) -> None:
    run = start(*LONG)
    workers = run.wait_for_a_checkpoint()
    run.process.kill()
    run.process.wait()
    wait_until_gone(workers)


@needs_proc
def test_sigterm_is_heard_where_ctrl_c_is_not(start: type[Started]) -> None:
    """As for what a shell has started with ``&``."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        run = start(*LONG)
    finally:
        signal.signal(signal.SIGINT, before)
    workers = run.wait_for_a_checkpoint()
    run.process.send_signal(signal.SIGTERM)
    status, out, _ = run.ended()
    assert status == 130
    assert "what was learned so far to made.safetensors" in out
    wait_until_gone(workers)


REFUSED = [
    (["--processes", "2"], "--processes is for --engine xla"),
    (["--distributed"], "--distributed is for --engine xla"),
    (["--engine", "xla", "--distributed", "--processes", "2"], "Leave --processes out"),
    (["--engine", "xla", "--process-id", "0"], "--process-id needs --coordinator and --processes"),
    (["--engine", "xla", "--coordinator", "a:1", "--processes", "2"], "need --process-id too"),
    (["--engine", "xla", "--processes", "0"], "at least 1"),
]


@pytest.mark.parametrize(("words", "message"), REFUSED)
def test_what_does_not_go_together_is_refused(
    words: list[str], message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["train", str(folder / "table.csv"), "--target", "answer", *words]
    assert program.run(cli.limpide_command, line) == 2
    assert message in capsys.readouterr().err
