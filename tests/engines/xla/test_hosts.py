"""Several processes train one network: the same weights as one, and none is left when one dies."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import limpide as lp
from tolerances import tolerance

pytest.importorskip("jax", reason="JAX is not installed: pip install 'limpide[xla]'")

PROGRAM = Path(__file__).parent / "in_processes.py"
ALL = 60.0  # seconds within which all processes have ended when one is lost: the promise


def free_place() -> str:
    with socket.create_server(("127.0.0.1", 0)) as made:
        return f"127.0.0.1:{made.getsockname()[1]}"


def run(size: int, mode: str, folder: Path) -> list[tuple[int, str]]:
    return run_all(PROGRAM, size, mode, folder)


def run_all(
    program: Path,
    size: int,
    mode: str,
    folder: Path,
    cluster: Callable[[int], dict[str, str]] | None = None,
) -> list[tuple[int, str]]:
    """Run all processes to their end, and give the status of each and what it said.

    ``cluster`` gives the environment in which a process with a number finds the others.
    """
    words = [sys.executable, program, free_place() if cluster is None else "detected", str(size)]
    begun = [
        subprocess.Popen(
            [*words, str(number), mode, folder],
            env=os.environ | ({} if cluster is None else cluster(number)),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for number in range(size)
    ]
    try:
        first = begun[int(mode.removeprefix("kill"))] if mode.startswith("kill") else None
        if first is not None:
            first.wait()
        found = []
        for process in begun:
            out, said = process.communicate(timeout=None if first is None else ALL)
            assert out == b""  # gloo writes there, unless it is kept from it
            found.append((process.returncode, said.decode()))
        return found
    finally:
        for process in begun:
            process.kill()
            process.wait()


def arrays(folder: Path, mode: str, size: int, number: int = 0) -> dict[str, Any]:
    return dict(np.load(folder / f"{mode}-{size}-{number}.npz"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a run of one process and the same of two have left what they came to."""
    found = tmp_path_factory.mktemp("hosts")
    assert run(1, "whole", found)[0][0] == 0
    for status, said in run(2, "whole", found):
        assert status == 0, said
    return found


def test_two_processes_give_the_weights_of_one(folder: Path) -> None:
    expected, found = arrays(folder, "whole", 1), arrays(folder, "whole", 2)
    assert len(expected) > 8
    for name, array in expected.items():
        allowed = tolerance("devices_float32")
        np.testing.assert_allclose(found[name], array, rtol=0, atol=allowed, err_msg=name)


def test_all_processes_end_with_the_same_bits(folder: Path) -> None:
    first, second = (arrays(folder, "whole", 2, number) for number in (0, 1))
    for name, array in first.items():
        np.testing.assert_array_equal(second[name], array, err_msg=name)


@pytest.mark.parametrize("lost", [0, 1])
def test_a_lost_process_ends_the_other_which_names_it_and_the_run_goes_on(
    lost: int, folder: Path
) -> None:
    ended = run(2, f"kill{lost}", folder)
    status, said = ended[1 - lost]
    assert ended[lost][0] == -9
    assert status == 1
    assert re.fullmatch(
        rf"limpide: process {lost} of 2 was lost: its connection was closed\. The checkpoint "
        r"'.*run\.checkpoint' keeps the run up to step \d+: begin again with --resume, or "
        r"resume=True\.\n",
        said,
    )
    for status, said in run(2, "resume", folder):
        assert status == 0, said
    whole = arrays(folder, "whole", 2)
    for name, array in arrays(folder, "resume", 2).items():
        np.testing.assert_array_equal(array, whole[name], err_msg=name)


def test_an_error_of_one_process_is_told_by_all(tmp_path: Path) -> None:
    (first, said), (second, traced) = run(2, "error", tmp_path)
    assert (first, second) == (1, 1)
    assert said == "limpide: process 1 of 2 ended with an error: row 3 of this process is bad\n"
    assert traced.endswith("DataError: row 3 of this process is bad\n")


@pytest.mark.parametrize(
    ("mode", "message"),
    [
        (
            "other",
            "Process 1 was given something else than process 0: X is f32.* in process 0, f32",
        ),
        ("native", "engine is 'native', and 2 processes train together with 'xla' alone"),
        ("again", "has left the others that it trained with"),
    ],
)
def test_what_cannot_be_is_refused_in_all(mode: str, message: str, tmp_path: Path) -> None:
    for status, said in run(2, mode, tmp_path):
        assert status == 1
        assert re.search(f"ArgumentError: .*{message}", said), said


REFUSED = [
    ({"coordinator": "127.0.0.1:1"}, lp.ArgumentError, "processes and process_id are missing"),
    ({"processes": 2, "process_id": 0}, lp.ArgumentError, "; coordinator is missing"),
    ({"coordinator": "here", "processes": 2, "process_id": 0}, lp.ArgumentError, "such as 127"),
    ({"coordinator": "a:0", "processes": 2, "process_id": 0}, lp.ArgumentError, "received 'a:0'"),
    ({"coordinator": "a:1", "processes": 2, "process_id": 2}, lp.ArgumentError, "from 0 to 1"),
    ({"coordinator": "a:1", "processes": 0, "process_id": 0}, lp.ArgumentError, "at least 1"),
    ({"coordinator": "a:1", "processes": 2.0, "process_id": 0}, lp.ArgumentTypeError, "whole"),
    ({"coordinator": "a:1", "processes": 1, "process_id": 0, "timeout": 0}, lp.ArgumentError, "in"),
    ({}, lp.ArgumentError, "JAX detects no cluster here"),
]


@pytest.mark.parametrize(("given", "kind", "message"), REFUSED)
def test_wrong_arguments_are_refused(given: dict[str, Any], kind: Any, message: str) -> None:
    with pytest.raises(kind, match=message), lp.processes(**given):
        pass


def job() -> int:
    """Give the number of a job of SLURM's, of which JAX makes a port that is free."""
    for number in range(4096):
        with socket.socket() as made, suppress(OSError):
            made.bind(("127.0.0.1", 61440 + number))
            return number
    raise AssertionError("no port is free")


def test_processes_of_a_cluster_find_each_other(folder: Path, tmp_path: Path) -> None:
    number = str(job())

    def slurm(process: int) -> dict[str, str]:
        told = {"JOB_ID": number, "STEP_NODELIST": "127.0.0.1", "NTASKS": "2"}
        told |= {"PROCID": str(process), "LOCALID": str(process), "STEP_NUM_NODES": "1"}
        return {f"SLURM_{name}": value for name, value in told.items()}

    for status, said in run_all(PROGRAM, 2, "whole", tmp_path, slurm):
        assert status == 0, said
    expected = arrays(folder, "whole", 2)
    for name, array in arrays(tmp_path, "whole", 2).items():
        np.testing.assert_array_equal(array, expected[name], err_msg=name)


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        place = f"127.0.0.1:{other.getsockname()[1]}"
        line = [sys.executable, PROGRAM, place, "2", "0", "whole", tmp_path]
        done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=ALL)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert re.search(rf"Error: .*{place}.*", last), last


def test_one_process_is_alone() -> None:
    with lp.processes("127.0.0.1:1", 1, 0) as team:
        assert (team.number, team.size) == (0, 1)
