"""``limpide bench``: its words, its options, what it refuses."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from rich.console import Console

import limpide as lp
from limpide import bench, cli, program
from limpide.bench import Comparison, Workload, runner, table
from limpide.bench.peers import PEERS
from limpide.bench.runner import Figures
from limpide.commands import bench as command


class Result(NamedTuple):
    status: int
    out: str
    err: str


Run = Callable[..., Result]


@pytest.fixture
def limpide(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Run:
    """Run ``limpide bench`` in this process."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> Result:
        status = program.run(cli.limpide_command, ["bench", *words])
        return Result(status, *capsys.readouterr())

    return run


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[runner.Plan]:
    """Figures as if measured; give the plans asked for."""
    plans: list[runner.Plan] = []

    def compare(works: list[Workload], plan: runner.Plan, say: object) -> list[Comparison]:
        plans.append(plan)
        return [comparison(work) for work in works]

    monkeypatch.setattr(bench, "compare", compare)
    return plans


def comparison(work: Workload) -> Comparison:
    jax = Figures("jax", "rows in order, 1 thread", 1.5, 0, [8.0, 9.0, 10.0], [2.0, 2.0, 2.0])
    torch = Figures("torch", skipped="not installed")
    slow = Figures("numpy", "1 thread", 0.1, 0, [2000.0], [2.0])
    peak = work.flops / work.steps / 2e-6 * 2
    return Comparison(work, 0.126, 1000, [2.0, 2.0, 2.5], [peak], [jax, torch, slow])


def test_help_names_every_option(limpide: Run) -> None:
    text = limpide("--help").out
    for word in ("quick", "sweep", "only", "peer", "engine", "out", "json", "force"):
        assert re.search(rf"^  --{word} ", text, re.MULTILINE)
    assert "limpide bench --only 57-64-1 --peer jax" in text
    assert ", ".join(PEERS) in " ".join(text.split())
    assert tuple(PEERS) == command.PEERS


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--only", "57-65-1"), "--only must be one of .* Did you mean '57-64-1'?"),
        (("--peer", "jaks"), "'jaks' is none of jax, torch, .* Did you mean 'jax'?"),
        (("--engine", "nativ"), "engine must be one of"),
        (("--out", "ratios.gif"), "--out 'ratios.gif' must end in .svg, .png, .pdf. Write --out"),
        (("--out", "nowhere/ratios.svg"), "there is no folder 'nowhere'"),
        (("--outt", "x"), "No such option"),
    ],
)
def test_a_wrong_word_is_one_line(
    limpide: Run, measured: list[runner.Plan], words: tuple[str, ...], message: str
) -> None:
    pytest.importorskip("matplotlib")
    result = limpide(*words)
    assert result.status == 2
    assert re.search(message.replace("?", r"\?"), result.err)
    assert result.err.count("\n") == 1
    assert measured == []


def test_a_table_of_all_that_was_measured(limpide: Run, measured: list[runner.Plan]) -> None:
    result = limpide("--only", "57-64-1")
    assert (result.status, result.err) == (0, "")
    lines = result.out.splitlines()
    assert lines[0] == table.machine()
    assert lines[1].startswith("limpide's engine: ")
    assert [line.split() for line in lines[3:8]] == [
        ["network,", "batch,", "optimizer", "µs", "a", "step", "times", "limpide's"],
        [*"57-64-1, 32, SGD limpide 2 50.0 % of the peak compiled in 0.12 s".split()],  # noqa: SIM905
        ["JAX", "9", "4.5", "(4", "to", "5)", "rows", "in", "order,", "1", "thread"],
        ["PyTorch", "-", "not", "installed"],
        ["NumPy", "2,000", "1,000", "(1,000", "to", "1,000)", "1", "thread"],
    ]
    assert lines[-1] == "Worst: 57-64-1, 32, SGD, beside JAX: 4.5 (4 to 5)"
    (plan,) = measured
    assert (plan.peers, plan.pairs, plan.forms, plan.threads) == (tuple(PEERS), 5, None, 2)


def test_quick_some_peers_another_engine_the_sweep(
    limpide: Run, measured: list[runner.Plan]
) -> None:
    words = ("--quick", "--sweep", "--peer", "jax", "--peer", "numpy", "--engine", "reference")
    result = limpide(*words, "--only", "57-64-1", "--json")
    report = json.loads(result.out)
    assert result.err == ""
    assert {each["network"] for each in report["comparisons"]} == {"57-64-1"}
    works = [work for work in bench.SWEEP if work.name == "57-64-1"]
    assert len(report["comparisons"]) == len(works) == len(measured)
    assert report["engine"] == "reference"
    assert report["worst"] == {"label": works[0].label, "ratio": 4.5}
    first = report["comparisons"][0]
    assert first["compile_seconds"] == pytest.approx(0.126 - 1000 * 2e-6)
    assert first["share_of_peak"] == pytest.approx(0.5)
    assert first["peers"]["jax"]["ratio_range"] == [4, 5]
    assert first["peers"]["torch"] == {"skipped": "not installed"}
    plan = measured[0]
    assert (plan.peers, plan.engine) == (("jax", "numpy"), "reference")
    assert (plan.pairs, plan.seconds, plan.forms) == (3, 0.1, 1)


def test_a_picture_is_drawn(limpide: Run, measured: list[runner.Plan]) -> None:
    pytest.importorskip("matplotlib")
    assert limpide("--out", "ratios.svg").status == 0
    text = Path("ratios.svg").read_text()
    assert text.startswith("<?xml")
    result = limpide("--out", "ratios.svg")
    assert result.status == 2
    assert "'ratios.svg' exists." in result.err
    assert limpide("--out", "ratios.svg", "--force").status == 0
    assert limpide("--out", "ratios.PNG").status == 0
    assert Path("ratios.PNG").read_bytes().startswith(b"\x89PNG")


def test_a_picture_needs_matplotlib(
    limpide: Run, measured: list[runner.Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    result = limpide("--out", "ratios.svg")
    assert result.status == 1
    assert "A picture needs matplotlib: pip install 'limpide[plot]'" in result.err
    assert measured == []


def test_nothing_measured_has_no_worst_and_an_empty_picture() -> None:
    pytest.importorskip("matplotlib")
    work = Workload((3, 1), 4)
    found = Comparison(work, 0.1, 0, [1.0], [1e9], [Figures("jax", skipped="not installed")])
    screen = lp.terminal.console(io.StringIO())
    table.print_worst(screen, [found])
    assert screen.file.getvalue() == ""
    assert table.report([found], runner.Plan())["worst"] is None
    file = io.BytesIO()
    table.draw([found], file, "png")
    assert file.getvalue().startswith(b"\x89PNG")


def test_a_page_has_a_line_a_workload() -> None:
    lines = table.markdown([comparison(Workload((3, 1), 4))]).splitlines()
    assert lines == [
        "| network, batch, optimizer | µs a step | of the peak | JAX | PyTorch | NumPy |",
        "| --- | --- | --- | --- | --- | --- |",
        "| 3-1, 4, SGD | 2 | 50.0 % | 4.5 (4 to 5) | – | 1,000 (1,000 to 1,000) |",
    ]


def test_the_whole_command_measures(limpide: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "TABLE", (Workload((6, 5, 1), 8, rows=35),))
    result = limpide("--quick", "--peer", "numpy", "--engine", "reference", "--json")
    assert (result.status, result.err) == (0, "")
    (found,) = json.loads(result.out)["comparisons"]
    assert found["peers"]["numpy"]["pairs"] == 3
    assert found["microseconds"] > 0


def test_what_is_being_done_is_shown_on_a_terminal_alone() -> None:
    log = lp.terminal.console(io.StringIO())
    with table.saying(log, "57-64-1") as say:
        say("57-64-1: JAX")
    assert log.file.getvalue() == ""
    screen = Console(file=io.StringIO(), force_terminal=True, markup=False)
    with table.saying(screen, "57-64-1") as say:
        say("57-64-1: JAX [fast]")
    assert "57-64-1: JAX [fast]" in screen.file.getvalue()
