"""explain, doctor, gradcheck and experiment on the command line, in three languages."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import numpy as np
import pytest

import limpide as lp
from limpide import cli, program
from limpide.languages import LANGUAGES, words_in
from read_formulas import check, equations

ROOT = Path(__file__).resolve().parents[1]
BAKERY = ROOT / "examples" / "data" / "bakery.csv"
EXPERIMENTS = {
    "bias": ("--epochs", "20"),
    "initialization": ("--epochs", "3", "--hidden", "3", "--batch-size", "50"),
    "learning-rates": ("--rates", "0.1,1", "--steps", "20", "--hidden", "0"),
    "xor": ("--seeds", "5", "--epochs", "20", "--hidden", "2", "--learning-rate", "2"),
    "landscape": ("--points", "5", "--first", "w2", "--second", "b1", "--span", "3"),
}


class Result(NamedTuple):
    status: int
    out: str
    err: str


Run = Callable[..., Result]


@pytest.fixture
def limpide(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command in this process."""

    def run(*words: object) -> Result:
        status = program.run(cli.limpide_command, [str(word) for word in words])
        return Result(status, *capsys.readouterr())

    return run


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "bakery.safetensors"
    lp.train(str(BAKERY), "sold_out", epochs=2, progress=False).save(path)
    return path


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, saved: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    Path("bakery.csv").write_bytes(BAKERY.read_bytes())
    Path("bakery.safetensors").write_bytes(saved.read_bytes())
    Path("people.csv").write_text("weight,height,woman\n-2,-1,1\n25,6,0\n17,4,0\n-15,-6,1\n")
    net = lp.Network([2, 2, 1], "sigmoid", "sigmoid", dtype="float64", seed=0)
    net.params |= {name: 1.0 if "weights" in name else 0.0 for name in net.params}
    net.save("net.safetensors")


BAKED = ("bakery.safetensors", "bakery.csv")
PEOPLE = ("net.safetensors", "people.csv", "--target", "woman")


# explain ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_row_of_a_table_is_told(limpide: Run, language: str) -> None:
    status, out, _ = limpide("explain", *BAKED, "--row", 1, "--language", language)
    assert status == 0
    words = words_in(language)
    assert words.say("What the network is given") in out
    assert words.say("{column}: {cell}", column="pastry", cell="rye loaf") in out
    assert re.search(r"^  ŷ = \(sigmoid\(z_m1\)", out, re.MULTILINE)
    assert max(map(len, out.splitlines())) <= 80
    plain = re.sub(r"^  [xy]\d* = \S+  .*$", "", out, flags=re.MULTILINE)
    assert sum(1 for one in equations(plain) if check(one, 6) is None) > 10


def test_it_is_what_python_tells(limpide: Run) -> None:
    model = lp.load("bakery.safetensors")
    assert isinstance(model, lp.Model)
    expected = model.explain("bakery.csv", 4)
    assert limpide("explain", *BAKED, "--row", 5).out == f"{expected}\n"
    told = expected.numbers(["x2", "z_m1"]).to_text(digits=8)
    asked = ("--number", "x2", "--number", "z_m1", "--digits", 8)
    assert limpide("explain", *BAKED, "--row", 5, *asked).out == f"{told}\n"
    layer = expected.layer("output").to_text()
    assert limpide("explain", *BAKED, "--row", 5, "--layer", "output").out == f"{layer}\n"


def test_a_bare_network_takes_columns_of_numbers(limpide: Run) -> None:
    status, out, err = limpide("explain", *PEOPLE, "--row", 1, "--number", "w1")
    assert (status, err) == (0, "")
    net = lp.load("net.safetensors")
    assert isinstance(net, lp.Network)
    (printed,) = [one for one in equations(out) if one.left == "∂L/∂w1"]
    assert check(printed, 6) is None
    expected = net.explain([-2, -1], 1)["w1"].derivative
    assert printed.value == pytest.approx(expected, rel=1e-5)
    whole = limpide("explain", *PEOPLE, "--row", 2).out
    assert re.search(r"x1 = 25 +weight ", whole)
    assert re.search(r"y = 0 +woman: 0$", whole, re.MULTILINE)


@pytest.mark.parametrize(
    ("kind", "ending", "start"),
    [
        ("text", ".txt", "A network of 9-"),
        ("latex", ".tex", r"\documentclass"),
        ("html", ".html", "<!doctype html>"),
        ("json", ".json", "{"),
        ("svg", ".svg", "<svg"),
    ],
)
def test_every_kind_to_a_file_and_to_standard_output(
    limpide: Run, kind: str, ending: str, start: str
) -> None:
    shown = limpide("explain", *BAKED, "--row", 2, "--to", kind)
    out = f"row{ending}"
    status, printed, err = limpide("explain", *BAKED, "--row", 2, "--out", out)
    assert (status, printed) == (0, "")
    assert f"note: {out} is written." in err
    assert Path(out).read_text(encoding="utf-8") == shown.out
    assert shown.out.startswith(start)
    again = limpide("explain", *BAKED, "--row", 2, "--out", out)
    assert (again.status, again.out) == (2, "")
    assert f"{out!r} exists. Choose another name, or add --force" in again.err
    assert limpide("explain", *BAKED, "--row", 2, "--out", out, "--force").status == 0


def test_json_and_pictures_can_be_read(limpide: Run) -> None:
    record = json.loads(limpide("explain", *PEOPLE, "--row", 1, "--to", "json").out)
    assert record["network"] == "2-2-1"
    picture = limpide("explain", *PEOPLE, "--row", 1, "--to", "svg").out
    root = ElementTree.fromstring(picture)
    assert root.attrib["data-layers"] == "2-2-1"
    assert "x1: weight" in picture
    assert 'data-gradient="' in picture


def test_a_picture_needs_no_target(limpide: Run) -> None:
    Path("new.csv").write_text("\n".join(
        line.rpartition(",")[0] for line in BAKERY.read_text().splitlines()
    ))  # fmt: skip
    result = limpide("explain", "bakery.safetensors", "new.csv", "--row", 1, "--to", "svg")
    assert (result.status, "data-loss" in result.out) == (0, False)
    refused = limpide("explain", "bakery.safetensors", "new.csv", "--row", 1)
    assert (refused.status, refused.out) == (1, "")
    assert "Target column 'sold_out' is not in the table." in refused.err
    assert "Add it: what is explained is the loss" in refused.err


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        ((*BAKED,), 2, "Missing option '--row'"),
        ((*BAKED, "--row", "0"), 2, "0 must be at least 1. Write --row 1."),
        ((*BAKED, "--row", "601"), 2, "has 600 rows, counted from 1. Write --row 600"),
        ((*BAKED, "--row", "1", "--number", "q7"), 2, "No parameter is named 'q7'"),
        ((*BAKED, "--row", "1", "--layer", "out"), 2, "No layer is named 'out'; there are"),
        ((*BAKED, "--row", "1", "--to", "txt"), 2, "'txt' is none of text, latex, html, json, svg"),
        ((*BAKED, "--row", "1", "--digits", "1"), 2, "1 must be at least 2"),
        ((*BAKED, "--row", "1", "--to", "json", "--digits", "8"), 2, "Leave --digits out."),
        ((*BAKED, "--row", "1", "--to", "svg", "--layer", "output"), 2, "Leave --number and"),
        ((*BAKED, "--row", "1", "--number", "x1", "--layer", "output"), 2, "give one of them"),
        ((*BAKED, "--row", "1", "--target", "x"), 2, "knows its own, 'sold_out'. Leave --target"),
        ((*BAKED, "--row", "1", "--out", "bakery.csv"), 2, "is the same file as the input"),
        (("net.safetensors", "people.csv", "--row", "1"), 2, "--target is missing: a bare network"),
        ((*PEOPLE[:3], "man", "--row", "1"), 1, "Target column 'man' is not in the table"),
        (("net.safetensors", "bakery.csv", "--row", "1", "--target", "day"), 1, "takes 2 inputs"),
        (("no.safetensors", "bakery.csv", "--row", "1"), 1, "no.safetensors"),
    ],
)
def test_what_cannot_be_is_one_line(
    limpide: Run, words: tuple[str, ...], status: int, said: str
) -> None:
    result = limpide("explain", *words)
    assert (result.status, result.out) == (status, "")
    (line,) = [one for one in result.err.splitlines() if one.startswith("limpide: ")]
    assert said in line


def test_a_bare_network_and_a_column_of_text(limpide: Run) -> None:
    Path("text.csv").write_text("a,b,y\nx,1,0\ny,2,1\n")
    result = limpide("explain", "net.safetensors", "text.csv", "--row", 1, "--target", "y")
    assert (result.status, result.out) == (1, "")
    assert "column 'a' holds String, and a bare network takes numbers" in result.err


# doctor and gradcheck -----------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_doctor_reads_its_findings(limpide: Run, language: str) -> None:
    zeros = [lp.Dense(2, "tanh", weights=lp.zeros), lp.Dense(1, "sigmoid", weights=lp.zeros)]
    lp.Network([2, *zeros]).save("ill.safetensors")
    words = ("ill.safetensors", "people.csv", "--target", "woman")
    status, out, _ = limpide("doctor", *words, "--language", language)
    assert status == 0
    assert words_in(language).say("Neurons that are all alike") in out
    found = json.loads(limpide("doctor", *words, "--language", language, "--json").out)
    assert (found["healthy"], found["findings"][0]["kind"]) == (False, "symmetric_neurons")
    healthy = limpide("doctor", *BAKED, "--json")
    assert json.loads(healthy.out)["healthy"] is True


def test_the_doctor_gives_the_command_that_drops_a_column(limpide: Run) -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 200)
    rows = [f"{a:.3f},{2 * b},{'no' if b else 'yes'}" for a, b in zip(rng.normal(size=200), y)]  # noqa: B905
    Path("leak.csv").write_text("\n".join(["x,known later,y", *rows]))
    lp.train("leak.csv", "y", epochs=1, progress=False).save("leak.safetensors")
    out = limpide("doctor", "leak.safetensors", "leak.csv").out
    assert "limpide train DATA --target y --drop 'known later'" in out


@pytest.mark.parametrize("language", LANGUAGES)
def test_gradients_are_checked(limpide: Run, language: str) -> None:
    status, out, _ = limpide("gradcheck", *PEOPLE, "--language", language)
    assert status == 0
    assert words_in(language).say("by differences") in out
    found = json.loads(limpide("gradcheck", *PEOPLE, "--json").out)
    assert (found["passed"], found["compared"], found["rows"]) == (True, 9, 4)


def test_a_wrong_derivative_is_named_and_is_status_1(
    limpide: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from limpide.explain.doctor import gradients

    slope = gradients._Probe.slope

    def bent(probe: Any, name: str, *rest: Any) -> tuple[float, bool]:
        found, kink = slope(probe, name, *rest)
        return (found + 1.0 if name == "output.bias" else found), kink

    monkeypatch.setattr(gradients._Probe, "slope", bent)
    status, out, err = limpide("gradcheck", *PEOPLE)
    assert (status, err) == (1, "")
    assert out.startswith("1 of 9 derivatives is wrong")
    assert re.search(r"^  b3 ", out, re.MULTILINE)


# experiment ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_experiments_are_told_and_drawn(limpide: Run, name: str) -> None:
    texts = {}
    for language in LANGUAGES:
        words = ("experiment", name, *EXPERIMENTS[name], "--language", language)
        status, texts[language], err = limpide(*words, "--svg", f"{language}.svg")
        assert status == 0
        assert f"{language}.svg" in err
        assert max(map(len, texts[language].splitlines())) <= 80
        assert ElementTree.parse(f"{language}.svg").getroot().tag.endswith("svg")
    assert len(set(texts.values())) == 3
    result = limpide("experiment", name, *EXPERIMENTS[name], "--json")
    assert json.loads(result.out)["experiment"]


def test_options_of_experiments_are_taken(limpide: Run) -> None:
    rates = json.loads(limpide("experiment", "learning-rates", "--rates", "0.2,3", "--json").out)
    assert [run["rate"] for run in rates["runs"]] == [0.2, 3]
    land = json.loads(limpide("experiment", "landscape", "--points", 5, "--json").out)
    assert (land["first"], len(land["losses"])) == ("w1", 5)
    bias = [
        limpide("experiment", "bias", "--epochs", 5, "--seed", seed, "--engine", "reference").out
        for seed in (0, 1)
    ]
    assert bias[0] != bias[1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("landscap",), "No such command 'landscap'. Did you mean 'landscape'?"),
        (("landscape", "--first", "w9"), "No parameter is named 'w9'"),
        (("learning-rates", "--rates", "0.1,x"), "'x' is not a number above 0"),
        (("xor", "--seeds", "0"), "0 must be at least 1"),
        (("bias", "--engine", "nativ"), "Did you mean 'native'?"),
        (("bias", "--svg", "people.csv"), "'people.csv' exists."),
    ],
)
def test_experiments_that_cannot_be(limpide: Run, words: tuple[str, ...], said: str) -> None:
    result = limpide("experiment", *words)
    assert (result.status, result.out) == (2, "")
    assert said in result.err
    assert result.err.count("\n") == 1


# As a process -------------------------------------------------------------------------------------


def started(*words: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    known = {**os.environ, "PYTHONPATH": str(ROOT / "src"), **environment}
    return subprocess.run(
        [sys.executable, "-m", "limpide", *words], capture_output=True, env=known, check=False
    )


def test_the_output_is_utf_8_in_any_locale() -> None:
    found = started("explain", *PEOPLE, "--row", "1", LC_ALL="C", TERM="dumb", PYTHONUTF8="0")
    assert (found.returncode, found.stderr) == (0, b"")
    assert "∂L/∂w1 = ∂L/∂z_o1 · ∂z_o1/∂h1 · ∂h1/∂w1" in found.stdout.decode("utf-8")


def test_narrow_terminals_get_short_lines() -> None:
    for words in (("explain", *PEOPLE, "--row", "1"), ("experiment", "bias", "--epochs", "5")):
        out = started(*words, COLUMNS="40").stdout.decode()
        assert max(map(len, out.splitlines())) <= 44  # a name and its sign stay together


def test_a_reader_that_goes_away_is_no_error() -> None:
    command = f"{sys.executable} -m limpide explain {' '.join(BAKED)} --row 1 --to html | head -1"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, env=environment, check=False
    )
    assert done.returncode == 0
    assert done.stdout == b"<!doctype html>\n"
    assert b"Traceback" not in done.stderr
    assert b"limpide:" not in done.stderr


def test_the_first_use_of_a_command_loads_what_it_needs_and_help_loads_nothing() -> None:
    heavy = ("numpy", "polars", "limpide.explain", "limpide.experiments")
    for words in (["explain", "-h"], ["experiment", "xor", "-h"], ["doctor", "-h"]):
        code = (
            "import sys\nfrom limpide import cli, program\n"
            f"status = program.run(cli.limpide_command, {words!r})\n"
            f"sys.exit(status or ' '.join(n for n in {heavy!r} if n in sys.modules) or 0)"
        )
        known = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, env=known, check=False
        )
        assert (done.returncode, done.stderr) == (0, b"")
