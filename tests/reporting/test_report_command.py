"""limpide train --report and limpide evaluate --intervals: what is printed, written and refused."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

import limpide as lp
from limpide import cli, program
from pages import check

BAKERY = Path(__file__).resolve().parents[2] / "examples" / "data" / "bakery.csv"
TRAIN = ("train", "bakery.csv", "--target", "sold_out", "--epochs", "2")


class Result(NamedTuple):
    status: int
    out: str
    err: str


Run = Callable[..., Result]


@pytest.fixture
def limpide(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Run:
    """Run a command in this process, in a folder with one table."""
    monkeypatch.chdir(tmp_path)
    for name in ("UV", "UV_RUN_RECURSION_DEPTH"):  # by which the program's name is found out
        monkeypatch.delenv(name, raising=False)
    Path("bakery.csv").write_bytes(BAKERY.read_bytes())

    def run(*words: object) -> Result:
        status = program.run(cli.limpide_command, [str(word) for word in words])
        return Result(status, *capsys.readouterr())

    return run


def test_training_writes_a_report_with_the_right_commands(limpide: Run) -> None:
    result = limpide(*TRAIN, "--report", "bakery.html")
    assert result.status == 0
    assert "The report is bakery.html\n" in result.out
    page = check(Path("bakery.html").read_text(encoding="utf-8"))
    assert "limpide predict bakery.safetensors bakery.csv" in page.text
    assert "lp.load('bakery.safetensors')" in page.text
    assert "from 9 columns of bakery.csv" in page.text
    assert limpide("evaluate", "bakery.safetensors", "bakery.csv").status == 0


def test_the_report_is_in_the_language_of_the_command(limpide: Run) -> None:
    result = limpide(*TRAIN, "--report", "bakery.html", "--language", "fr")
    assert "Le rapport est bakery.html\n" in result.out
    page = check(Path("bakery.html").read_text(encoding="utf-8"), "fr")
    assert page.text.startswith("Ce qui a été appris de « sold_out »")
    assert "limpide predict bakery.safetensors bakery.csv" in page.text


def test_json_names_the_report(limpide: Run) -> None:
    result = limpide(*TRAIN, "--report", "r.html", "--json")
    said = json.loads(result.out)
    assert (said["report"], said["model"]) == ("r.html", "bakery.safetensors")
    assert {"brier", "balanced_accuracy", "accuracy", "auc", "log_loss"} <= set(said["validation"])
    assert "report" not in json.loads(limpide(*TRAIN, "--json").out)


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("there.html", "'there.html' exists. Choose another name, or add --force"),
        ("/dev/full", "--report '/dev/full' is a device or a pipe, where no report can be kept"),
        ("bakery.csv", "--report 'bakery.csv' is the same file as the input 'bakery.csv'"),
        ("nowhere/r.html", "--report 'nowhere/r.html': there is no folder 'nowhere'"),
        (".", "--report '.' is a folder. Name a file in it."),
        ("", "'' is the path of nothing"),
    ],
)
def test_a_place_that_cannot_be_is_refused_before_training(
    limpide: Run, place: str, words: str
) -> None:
    Path("there.html").write_text("mine")
    result = limpide(*TRAIN, "--report", place)
    assert (result.status, result.out) == (2, "")
    assert words in result.err
    assert not list(Path().glob("*.safetensors"))
    assert Path("there.html").read_text() == "mine"


def test_the_report_and_the_model_cannot_be_one_file(limpide: Run) -> None:
    Path("one").write_text("")
    result = limpide(*TRAIN, "--out", "one", "--report", "one", "--force")
    assert result.status == 2
    assert "--report 'one' is the same file as" in result.err


def test_force_replaces_a_report(limpide: Run) -> None:
    Path("r.html").write_text("old")
    assert limpide(*TRAIN, "--report", "r.html", "--force").status == 0
    check(Path("r.html").read_text(encoding="utf-8"))


def test_a_report_that_fails_leaves_the_model(
    limpide: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise lp.FileError("'r.html': no space left. Make room.")

    monkeypatch.setattr(lp.Model, "report", fail)
    result = limpide(*TRAIN, "--report", "r.html")
    assert result.status == 1
    assert (
        "no space left. Make room. The model itself is saved in 'bakery.safetensors'" in result.err
    )
    assert "Measured on the 120 rows held out:" in result.out
    assert isinstance(lp.load("bakery.safetensors"), lp.Model)


def test_intervals_are_told_and_go_into_json(limpide: Run) -> None:
    assert limpide(*TRAIN).status == 0
    command = ("evaluate", "bakery.safetensors", "bakery.csv")
    plain, told = limpide(*command), limpide(*command, "--intervals")
    assert " to " not in plain.out.split("Measured")[1].split("always")[0]
    assert re.search(r"accuracy +\d\d\.\d % +\d\d\.\d % to \d\d\.\d %  \d+ of 600 right", told.out)
    assert re.search(r"AUC +0\.\d+ +0\.\d+ to 0\.\d+", told.out)
    figures = json.loads(limpide(*command, "--json", "--intervals").out)
    low, high = figures["intervals"]["auc"]
    assert low < figures["auc"] < high
    assert "intervals" not in json.loads(limpide(*command, "--json").out)
