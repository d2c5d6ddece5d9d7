"""The command line: what each command prints and writes, and how it ends."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import limpide as lp
from limpide import cli, network, program, spam, threads

ROOT = Path(__file__).resolve().parents[1]
BAKERY = ROOT / "examples" / "data" / "bakery.csv"
MESSAGES = sorted((ROOT / "examples").glob("**/*.eml"))


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


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("UV", "UV_RUN_RECURSION_DEPTH"):  # by which the program's name is found out
        monkeypatch.delenv(name, raising=False)
    Path("bakery.csv").write_bytes(BAKERY.read_bytes())


@pytest.fixture(scope="session")
def model_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "bakery.safetensors"
    lp.train(str(BAKERY), "sold_out", epochs=2, progress=False).save(path)
    return path


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


# Help ---------------------------------------------------------------------------------------------


def test_help_names_every_command_and_each_help_has_an_example(limpide: Run) -> None:
    top = limpide("--help")
    assert top.status == 0
    for name in ("train", "predict", "evaluate", "export", "verify", "data", "bench"):
        assert re.search(rf"^  {name}  ", top.out, re.MULTILINE)
        assert f"  limpide {name}" in limpide(name, "--help").out


def test_help_has_a_short_name_everywhere(limpide: Run) -> None:
    assert limpide("-h") == limpide("--help")
    assert limpide("train", "-h") == limpide("train", "--help")
    for name in ("cp1251", "cp1252"):
        assert name in limpide("train", "-h").out


@pytest.mark.parametrize(
    "words", [("train", ""), ("predict", "", "x"), ("predict", "x", ""), ("verify", "")]
)
def test_an_empty_path_is_said(limpide: Run, words: tuple[str, ...]) -> None:
    result = limpide(*words)
    assert (result.status, result.out) == (2, "")
    assert "'' is the path of nothing. Write the path of a file." in result.err


def test_version(limpide: Run) -> None:
    assert limpide("--version") == (0, f"limpide {lp.__version__}\n", "")


def test_no_command_shows_the_help_as_wrong_usage(limpide: Run) -> None:
    result = limpide()
    assert (result.status, result.out) == (2, "")
    assert "limpide data circle" in result.err


def test_help_loads_nothing_heavy() -> None:
    heavy = ("numpy", "polars", "rich", "narwhals", "limpide.model", "limpide.reports")
    code = (
        "import sys\nfrom limpide import cli, program\n"
        "status = program.run(cli.limpide_command, ['train', '--help'])\n"
        f"sys.exit(status or ' '.join(n for n in {heavy!r} if n in sys.modules) or 0)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, env=environment, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")


# train --------------------------------------------------------------------------------------------


def test_train_says_what_was_done_measures_saves_and_names_the_next_command(limpide: Run) -> None:
    result = limpide("train", "bakery.csv", "--target", "sold_out", "--epochs", "20")
    assert result.status == 0
    assert "binary of 'sold_out'" in result.out
    for column in ("pastry", "temperature_c", "market_day"):
        assert re.search(rf"^{column} .*(one-hot|scaled)", result.out, re.MULTILINE)
    assert "Measured on the 120 rows held out:" in result.out
    for name in ("accuracy", "AUC", "log loss"):
        assert re.search(rf"^  {name} +[\d.]+", result.out, re.MULTILINE)
    assert "actual  predicted no  predicted yes" in result.out
    assert result.out.endswith(
        "Saved to bakery.safetensors\nNext: limpide predict bakery.safetensors bakery.csv\n"
    )
    assert not re.search(r"[ \t]$", result.out, re.MULTILINE)
    assert "\x1b" not in result.out + result.err
    # Where there is no terminal, the run is a few plain lines; it may end before its last epoch.
    lines = result.err.splitlines()
    assert 5 < len(lines) <= 11
    assert re.fullmatch(r"epoch 1/20: loss [\d.]+, validation [\d.]+", lines[0])
    assert re.match(r"epoch \d+/20: ", lines[-1])
    assert limpide(*result.out.splitlines()[-1].removeprefix("Next: limpide ").split()).status == 0


def test_lines_of_a_log_are_not_wrapped(limpide: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    result = limpide("train", "bakery.csv", "--target", "sold_out", "--epochs", "2")
    assert [line.split(":")[0] for line in result.err.splitlines()] == ["epoch 1/2", "epoch 2/2"]
    assert "Measured on the 120 rows held out:\n" in result.out


@pytest.mark.parametrize("name", ["UV", "UV_RUN_RECURSION_DEPTH"])
def test_the_next_command_is_what_this_user_types(
    limpide: Run, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "1")
    result = limpide("train", "bakery.csv", "--target", "sold_out", "--epochs", "1")
    assert result.out.endswith("Next: uv run limpide predict bakery.safetensors bakery.csv\n")
    result = limpide("data", "circle", "--out", "c.csv")
    assert "Next: uv run limpide train c.csv --target class\n" in result.err
    monkeypatch.setattr(sys, "argv", [str(ROOT / "src" / "limpide" / "__main__.py")])
    monkeypatch.setattr(sys, "orig_argv", ["python3", "-m", "limpide"])
    assert program.command("data") == "uv run python3 -m limpide data"
    monkeypatch.delenv(name)
    assert program.command("data") == "python3 -m limpide data"


def test_a_program_that_the_shell_does_not_find_is_named_by_its_path(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path("my bin").mkdir()
    script = Path("my bin/limpide")
    script.touch(mode=0o755)
    monkeypatch.setattr(sys, "argv", [str(script)])
    monkeypatch.setenv("PATH", "/nowhere")
    assert program.command("verify", "m") == "'my bin/limpide' verify m"
    monkeypatch.setenv("PATH", "my bin")
    assert program.command("verify", "m") == "limpide verify m"


def test_train_json_is_one_object_and_nothing_else(limpide: Run) -> None:
    result = limpide("train", "bakery.csv", "--target", "sold_out", "--epochs", "3", "--json")
    assert (result.status, result.err) == (0, "")
    report = json.loads(result.out)
    assert result.out.count("\n") == 1
    assert {k: report[k] for k in ("task", "rows", "features", "epochs", "engine", "model")} == {
        "task": "binary",
        "rows": 600,
        "features": 9,
        "epochs": 3,
        "engine": "native",
        "model": "bakery.safetensors",
    }
    model = lp.load("bakery.safetensors")
    assert report["parameters"] == model.network.n_parameters
    assert report["samples_per_second"] == pytest.approx(3 * 480 / report["seconds"])
    assert report["validation"] == model.figures
    assert {"loss", "accuracy", "auc", "log_loss"} <= set(report["validation"])


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_train_on_an_engine_by_name(limpide: Run, engine: str) -> None:
    words = ("train", "bakery.csv", "--target", "sold_out", "--epochs", "1", "--json")
    result = limpide(*words, "--engine", engine)
    assert (result.status, result.err) == (0, "")
    assert json.loads(result.out)["engine"] == engine


def test_train_json_of_a_regression_without_held_out_rows(limpide: Run) -> None:
    words = ("train", "bakery.csv", "--target", "price_eur", "--epochs", "1", "--json")
    report = json.loads(limpide(*words).out)
    assert report["task"] == "regression"
    assert {"loss", "rmse", "mae", "r2"} <= set(report["validation"])
    assert json.loads(limpide(*words, "--validation", "0").out)["validation"] is None
    text = limpide(*words[:-1], "--validation", "0").out
    assert "Not measured: no rows were held out." in text


def test_json_has_no_nan() -> None:
    text = lp.reports.as_json({"a": np.float64("nan"), "b": [np.inf, 1.5], "c": np.int64(2)})
    assert text == '{"a": null, "b": [null, 1.5], "c": 2}'


def test_options_reach_the_training(limpide: Run) -> None:
    result = limpide(
        *("train", "bakery.csv", "--target", "baked", "--task", "regression", "--seed", "7"),
        *("--hidden", "8, 4", "--epochs", "2", "--batch-size", "50", "--learning-rate", "0.01"),
        *("--validation", "0.5", "--engine", "reference", "--out", "m.safetensors", "--json"),
    )
    assert result.status == 0, result.err
    facts = lp.load("m.safetensors").facts
    assert (facts.rows, facts.held_out) == (300, 300)
    wanted = {"hidden": [8, 4], "epochs": 2, "batch_size": 50, "learning_rate": 0.01, "seed": 7}
    assert facts.recipe.items() >= wanted.items()


def test_threads_are_limited_and_change_nothing(
    limpide: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    original = network.Network._over_rows

    def noting(*what: Any) -> None:
        seen.append(threads.most())
        original(*what)

    monkeypatch.setattr(network.Network, "_over_rows", noting)
    answers = []
    for number in ("1", "3"):
        words = ("--target", "sold_out", "--epochs", "2", "--threads", number, "--force")
        assert limpide("train", "bakery.csv", "--out", "m.safetensors", *words).status == 0
        result = limpide("predict", "m.safetensors", "bakery.csv", "--threads", number)
        assert result.status == 0, result.err
        answers.append(result.out)
        assert set(seen) == {int(number)}
        seen.clear()
    assert answers[0] == answers[1]


def test_columns_are_left_out(limpide: Run) -> None:
    words = ("train", "bakery.csv", "--target", "sold_out", "--epochs", "1", "--drop")
    result = limpide(*words, "weather", "--drop", "day", "--drop", "day")
    assert result.status == 0, result.err
    names = BAKERY.read_text().splitlines()[0].split(",")
    kept = [name for name in names if name not in ("weather", "day", "sold_out")]
    assert lp.load("bakery.safetensors").features == kept
    assert limpide("predict", "bakery.safetensors", "bakery.csv").status == 0
    result = limpide(*words, "wether")
    assert result.status == 1
    assert "Column 'wether' is not in the table. Did you mean 'weather'?" in result.err
    result = limpide(*words, "sold_out")
    assert result.status == 2
    assert "--drop 'sold_out' is the target." in result.err


def test_a_spreadsheet_of_the_continent(limpide: Run) -> None:
    lines = ["größe;gewicht;art"] + [
        f"{i % 7},5;{i % 3},25;{'ja' if i % 2 else 'nein'}" for i in range(40)
    ]
    Path("tabelle.csv").write_bytes("\n".join(lines).encode("latin-1"))
    result = limpide("train", "tabelle.csv", "--target", "art", "--epochs", "1")
    assert result.status == 1
    assert "--encoding" in result.err or "encoding=" in result.err
    reading = ("--encoding", "latin-1", "--delimiter", ";", "--decimal", ",")
    result = limpide("train", "tabelle.csv", "--target", "art", "--epochs", "1", *reading)
    assert result.status == 0, result.err
    assert re.search("^größe +number", result.out, re.MULTILINE)
    result = limpide("predict", "tabelle.safetensors", "tabelle.csv", *reading)
    assert result.status == 0, result.err
    assert len(rows_of(result.out)) == 40


def test_the_model_is_here_named_like_the_table_and_numbered_if_taken(limpide: Run) -> None:
    Path("kept").mkdir()
    Path("bakery.csv").rename("kept/bakery.csv")
    for name in ("bakery", "bakery-2", "bakery-3"):
        result = limpide("train", "kept/bakery.csv", "--target", "sold_out", "--epochs", "1")
        assert f"Saved to {name}.safetensors\n" in result.out
        assert Path(f"{name}.safetensors").is_file()


def test_out_that_exists_needs_force(limpide: Run) -> None:
    Path("old.safetensors").write_bytes(b"precious")
    words = ("train", "bakery.csv", "--target", "sold_out", "--epochs", "1", "--out")
    result = limpide(*words, "old.safetensors")
    assert result == (
        2,
        "",
        "limpide: 'old.safetensors' exists. Choose another name, or add --force to overwrite it.\n",
    )
    assert Path("old.safetensors").read_bytes() == b"precious"
    assert limpide(*words, "old.safetensors", "--force").status == 0
    assert lp.load("old.safetensors").target == "sold_out"


def during_the_training(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], object]) -> None:
    """Let something happen in the folder while a network learns."""
    learned = lp.table_training.train

    def trained(*arguments: object, **settings: object) -> lp.Model:
        happens()
        return learned(*arguments, **settings)

    monkeypatch.setattr(lp.table_training, "train", trained)


def test_of_two_trainings_at_once_both_models_are_kept(
    limpide: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("train", "bakery.csv", "--target", "sold_out", "--epochs", "1")
    learned, saved = lp.table_training.train, lp.model.Model.save

    def other_first(model: lp.Model, path: str, **options: bool) -> None:
        # The other one takes the name at the last moment.
        monkeypatch.setattr(lp.model.Model, "save", saved)
        learned("bakery.csv", "baked", epochs=1, progress=False).save(path)
        model.save(path, **options)

    monkeypatch.setattr(lp.model.Model, "save", other_first)
    result = limpide(*words)
    assert result.status == 0, result.err
    assert "Saved to bakery-2.safetensors\n" in result.out
    assert lp.load("bakery.safetensors").target == "baked"
    assert lp.load("bakery-2.safetensors").target == "sold_out"


@pytest.mark.parametrize("force", [False, True])
def test_out_that_appears_while_it_learns(
    limpide: Run,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
    force: bool,
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path_factory.mktemp("temporary")))
    during_the_training(monkeypatch, lambda: Path("m").write_bytes(b"precious"))
    words = ["train", "bakery.csv", "--target", "sold_out", "--epochs", "1", "--out", "m"]
    result = limpide(*words, *["--force"] * force)
    if force:
        assert (result.status, lp.load("m").target) == (0, "sold_out")
        return
    assert Path("m").read_bytes() == b"precious"
    found = re.search(
        r"^limpide: cannot save 'm': File exists \(EEXIST\)\. .*What was learned is kept in "
        r"'(.*)': move it from there\.$",
        result.err,
        re.MULTILINE,
    )
    assert result.status == 1
    assert found is not None
    assert lp.load(found[1]).target == "sold_out"
    assert f"Saved to {found[1]}\n" in result.out


def test_a_folder_that_goes_away_while_it_learns(
    limpide: Run, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    temporary = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    words = ("train", "bakery.csv", "--target", "sold_out", "--epochs", "1", "--out", "new/m")
    for report in ([], ["--json"]):
        Path("new").mkdir()
        with monkeypatch.context() as patch:
            during_the_training(patch, lambda: shutil.rmtree("new"))
            result = limpide(*words, *report)
        assert result.status == 1
        assert "note: the lock of checkpoint 'new/m.checkpoint' is lost" in result.err
        assert "What was learned is kept in " in result.err
    assert lp.load(json.loads(result.out)["model"]).target == "sold_out"

    # Where nothing can be written at all, the first reason is said, and no empty folder is left.
    def full(model: lp.Model, path: str, **options: bool) -> None:
        raise lp.FileError(f"cannot save {path!r}: No space left on device (ENOSPC).")

    monkeypatch.setattr(lp.model.Model, "save", full)
    before = os.listdir(temporary)
    result = limpide(*words[:-1], "m")
    assert (result.status, result.out) == (1, "")
    assert "limpide: cannot save 'm': No space left on device (ENOSPC).\n" in result.err
    assert os.listdir(temporary) == before


@pytest.mark.parametrize(
    ("out", "status", "text"),
    [
        ("/dev/full", 2, "--out '/dev/full' is a device or a pipe, where no model can be kept."),
        ("pipe", 2, "--out 'pipe' is a device or a pipe"),
        ("/proc/m", 1, "--out '/proc/m': its folder may not be written to ("),
        ("m" * 300, 1, "File name too long. Correct the path."),
        ("bakery.csv/m", 2, "there is no folder 'bakery.csv'. Make it first."),
    ],
)
def test_out_where_no_model_can_be_is_refused_before_the_training(
    limpide: Run, monkeypatch: pytest.MonkeyPatch, out: str, status: int, text: str
) -> None:
    os.mkfifo("pipe")
    monkeypatch.setattr(lp.table_training, "train", None)
    result = limpide("train", "bakery.csv", "--target", "sold_out", "--force", "--out", out)
    assert (result.status, result.out) == (status, "")
    assert text in result.err


def test_out_is_checked_alike_by_every_command_before_its_work(
    limpide: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lp.table_training, "train", None)
    monkeypatch.setattr(lp.model, "load", None)
    monkeypatch.setattr(lp.datasets, "circle", None)
    for words in (
        ("train", "bakery.csv", "--target", "sold_out"),
        ("predict", "m.safetensors", "bakery.csv"),
        ("data", "circle"),
        ("data", "spambase"),
    ):
        assert limpide(*words, "--out", "nowhere/m") == (
            2,
            "",
            "limpide: --out 'nowhere/m': there is no folder 'nowhere'. Make it first.\n",
        )
        assert limpide(*words, "--out", ".") == (
            2,
            "",
            "limpide: --out '.' is a folder. Name a file in it.\n",
        )


@pytest.mark.parametrize("name", ["bakery.csv", "./bakery.csv", "link.csv"])
def test_out_that_is_the_input_is_refused_even_with_force(limpide: Run, name: str) -> None:
    os.link("bakery.csv", "link.csv")
    for words in (("train", "bakery.csv", "--target", "sold_out"),):
        result = limpide(*words, "--out", name, "--force")
        assert result.status == 2
        assert "is the same file as the input 'bakery.csv'. Choose another name." in result.err
    assert Path("bakery.csv").read_bytes() == BAKERY.read_bytes()


def test_predict_refuses_to_write_on_its_inputs(limpide: Run, model_path: Path) -> None:
    for name in (str(model_path), "bakery.csv"):
        result = limpide("predict", model_path, "bakery.csv", "--out", name, "--force")
        assert result.status == 2
        assert "is the same file as the input" in result.err
    assert Path("bakery.csv").read_bytes() == BAKERY.read_bytes()


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--out", "nowhere/m.safetensors"], "there is no folder 'nowhere'. Make it first."),
        (["--out", "."], "--out '.' is a folder. Name a file in it."),
        (["--hidden", "64,,64"], "'64,,64' is not a list of layer sizes. Write --hidden 64 "),
        (["--hidden", "0"], "'0' is not a list of layer sizes."),
        (
            ["--epochs", "0"],
            "'--epochs': 0 must be at least 1 and less than 10,000,000. Write --epochs 50.",
        ),
        (["--epochs", "1.5"], "'1.5' is not a whole number. Write --epochs 50."),
        (["--epochs", "99999999999999999999"], "must be at least 1 and less than 10,000,000."),
        (["--validation", "nan"], "nan must be at least 0 and less than 1."),
        (["--validation", "1"], "1 must be at least 0 and less than 1. Write --validation 0.2."),
        (["--learning-rate", "-1"], "'-1' is not a number above 0. Write --learning-rate 0.001."),
        (["--learning-rate", "0"], "'0' is not a number above 0. Write --learning-rate 0.001."),
        (["--learning-rate", "fast"], "'fast' is not a number above 0."),
        (["--learning-rate", "nan"], "'nan' is not a number above 0."),
        (["--learning-rate", "inf"], "'inf' is not finite. Write --learning-rate 0.001."),
        (["--threads", "0"], "0 must be at least 1. Write --threads 2."),
        (["--threads", "two"], "'two' is not a whole number. Write --threads 2."),
        (["--out", ""], "'--out': '' is the path of nothing. Write the path of a file."),
        (["--seed", "-1"], "-1 must be at least 0"),
        (["--task", "binery"], "'binery' is none of auto, binary, multiclass, regression. Did you"),
        (
            ["--engine", "refrence"],
            "engine must be one of native, reference, xla; received 'refrence'. Did you",
        ),
        (["--targt", "x"], "No such option '--targt'."),
        (["--delimiter", "ab"], "delimiter"),
        (["--decimal", ";"], "decimal"),
    ],
)
def test_wrong_usage_is_one_line_that_says_what_to_do(
    limpide: Run, words: list[str], text: str
) -> None:
    result = limpide("train", "bakery.csv", "--target", "sold_out", *words)
    assert (result.status, result.out) == (2, "")
    assert text in result.err
    assert result.err.startswith("limpide: ")
    assert result.err.count("\n") == 1
    assert os.listdir() == ["bakery.csv"]


def test_a_wrong_command_is_answered_with_the_nearest(limpide: Run) -> None:
    result = limpide("trian")
    assert result.status == 2
    assert "No such command 'trian'. Did you mean 'train'?" in result.err


def test_a_missing_target_option_lists_the_columns(limpide: Run) -> None:
    result = limpide("train", "bakery.csv")
    assert result.status == 2
    assert result.err == (
        "limpide: --target is missing: the column to learn. 'bakery.csv' has the columns pastry, "
        "day, weather, temperature_c, price_eur, baked, minutes_since_oven, in_window, market_day, "
        "sold_out. Write --target sold_out, for example.\n"
    )


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("train", "bakry.csv", "--target", "x"), "'bakry.csv' does not exist. Did you mean 'bak"),
        (("train", "bakery.csv", "--target", "sold"), "'sold' is not in the table. Did you mean"),
        (("train", "empty.csv", "--target", "x"), "'empty.csv' is empty (0 bytes)."),
        (("verify", "bakery.csv"), "bakery.csv"),
        (("verify", "gone.safetensors"), "there is no file 'gone.safetensors'."),
        (("predict", "bakery.csv", "bakery.csv"), "bakery.csv"),
    ],
)
def test_data_and_models_at_fault_are_one_line_and_status_1(
    limpide: Run, words: tuple[str, ...], text: str
) -> None:
    Path("empty.csv").touch()
    result = limpide(*words)
    assert (result.status, result.out) == (1, "")
    assert text in result.err
    assert result.err.count("\n") == 1


def test_traceback_is_shown_on_request_only(limpide: Run) -> None:
    assert "Traceback" not in limpide("verify", "gone").err
    assert "Traceback" in limpide("verify", "gone", "--traceback").err
    shown = limpide("--traceback", "verify", "gone").err
    assert "Traceback" in shown
    assert shown.splitlines()[-1].startswith("limpide: there is no file 'gone'.")


def test_a_fault_of_limpide_is_one_line_too(limpide: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(path: str) -> object:
        raise ZeroDivisionError("of\nall things")

    monkeypatch.setattr(lp.storage, "verify", broken)
    assert limpide("verify", "any") == (
        1,
        "",
        "limpide: a fault of limpide itself: ZeroDivisionError: of all things. Run it again with "
        "--traceback and report what that shows.\n",
    )


def test_what_a_terminal_might_obey_is_escaped(limpide: Run) -> None:
    assert limpide("verify", "a\x1b[2Jb").err == (
        "limpide: there is no file 'a\\x1b[2Jb'. Correct the path.\n"
    )
    lines = [f"{i},{'up' if i % 2 else 'do' + chr(27) + '[2Jwn'}" for i in range(40)]
    Path("t.csv").write_text("\n".join(["n,way", *lines]))
    result = limpide("train", "t.csv", "--target", "way", "--epochs", "1")
    assert result.status == 0, result.err
    assert "\x1b" not in result.out + result.err
    assert "\\x1b" in result.out


def test_no_line_is_endless(limpide: Run) -> None:
    lines = [f"{i},{'up' if i % 2 else 'x' * 30000}" for i in range(40)]
    Path("t.csv").write_text("\n".join(["n,way", *lines]))
    result = limpide("train", "t.csv", "--target", "way", "--epochs", "1")
    assert result.status == 0, result.err
    assert max(map(len, (result.out + result.err).splitlines())) <= 1500
    result = limpide("train", "t.csv", "--target", "y" * 5000)
    assert result.status == 1
    assert len(result.err) <= 1520
    assert result.err.endswith("Its 2 columns: 'n', 'way'.\n")
    assert len(limpide("predict", "t.safetensors", "t.csv").out) > 30000  # data, whole


# predict ------------------------------------------------------------------------------------------


def test_predict_writes_a_row_for_a_row_in_order_and_full_precision(
    limpide: Run, model_path: Path
) -> None:
    result = limpide("predict", model_path, "bakery.csv")
    assert result.status == 0
    rows = rows_of(result.out)
    model = lp.load(model_path)
    assert list(rows[0]) == ["prediction", "probability_no", "probability_yes"]
    assert [row["prediction"] for row in rows] == model.predict("bakery.csv").tolist()
    written = np.array(
        [[float(row["probability_no"]), float(row["probability_yes"])] for row in rows]
    )
    np.testing.assert_array_equal(written, model.predict_proba("bakery.csv"))
    assert "note: 'bakery.csv': the target column 'sold_out' is not looked at\n" in result.err
    assert limpide("predict", model_path, "bakery.csv", "--out", "p.csv").out == ""
    assert Path("p.csv").read_text() == result.out
    again = limpide("predict", model_path, "bakery.csv", "--out", "p.csv")
    assert again.status == 2
    assert "'p.csv' exists. Choose another name, or add --force" in again.err


def test_predict_without_the_target_with_columns_moved_added_and_missing(
    limpide: Run, model_path: Path
) -> None:
    with BAKERY.open(newline="") as file:
        rows = list(csv.DictReader(file))[:5]
    names = [name for name in reversed(rows[0]) if name != "sold_out"]

    def write(path: str, columns: list[str]) -> None:
        text = [",".join(columns)] + [",".join(r.get(c, "1") for c in columns) for r in rows]
        Path(path).write_text("\n".join(text) + "\n")

    write("new.csv", [*names, "moon"])
    result = limpide("predict", model_path, "new.csv")
    whole = limpide("predict", model_path, "bakery.csv")
    assert result.out == "".join(whole.out.splitlines(keepends=True)[:6])
    assert "1 column that the model does not use: 'moon'" in result.err
    assert result.err.count("'moon'") == 1
    write("less.csv", [name for name in names if name != "weather"])
    result = limpide("predict", model_path, "less.csv")
    assert (result.status, result.out) == (1, "")
    assert "'weather'" in result.err


def test_predict_of_a_regression_is_one_column(limpide: Run) -> None:
    limpide("train", "bakery.csv", "--target", "price_eur", "--epochs", "1")
    result = limpide("predict", "bakery.safetensors", "bakery.csv")
    numbers = [float(row["prediction"]) for row in rows_of(result.out)]
    assert result.out.startswith("prediction\n")
    np.testing.assert_array_equal(numbers, lp.load("bakery.safetensors").predict("bakery.csv"))


def test_cells_that_a_spreadsheet_would_run_are_neutralised(limpide: Run) -> None:
    lines = [f"{i},{'=1+1' if i % 2 else '@x'}" for i in range(40)]
    Path("t.csv").write_text("\n".join(["n,way", *lines]))
    assert limpide("train", "t.csv", "--target", "way", "--epochs", "1").status == 0
    rows = rows_of(limpide("predict", "t.safetensors", "t.csv").out)
    assert {row["prediction"] for row in rows} <= {"'=1+1", "'@x"}


def test_predict_takes_one_table(limpide: Run, model_path: Path) -> None:
    result = limpide("predict", model_path, "bakery.csv", "bakery.csv")
    assert result.status == 2
    assert "one table at a time; received 2." in result.err


def test_a_bare_network_is_refused(limpide: Run) -> None:
    lp.Network([2, 1], seed=0).save("net.safetensors")
    result = limpide("predict", "net.safetensors", "bakery.csv")
    assert result.status == 1
    assert "'net.safetensors' holds a bare network" in result.err


# Messages -----------------------------------------------------------------------------------------


@pytest.fixture
def mail() -> Path:
    folder = Path("mail")
    for label in ("spam", "ham"):
        (folder / label).mkdir(parents=True)
    for i in range(12):
        (folder / "spam" / f"{i}.eml").write_text(
            f"Subject: FREE money {i}\n\nBUY NOW! Free credit, our offer, $$$ {'!' * i}\n"
        )
        (folder / "ham" / f"{i}.eml").write_text(
            f"Subject: meeting {i}\n\nSee you at the lab, {'the project ' * i}George\n"
        )
    return folder


def test_a_folder_of_messages_trains_a_model_that_judges_messages(limpide: Run, mail: Path) -> None:
    result = limpide("train", mail, "--epochs", "30", "--batch-size", "8")
    assert result.status == 0, result.err
    assert "Saved to mail.safetensors" in result.out
    names = ("mail/spam/3.eml", "mail/ham/4.eml", "mail/spam/1.eml")
    result = limpide("predict", "mail.safetensors", *names)
    assert result.status == 0, result.err
    rows = rows_of(result.out)
    assert list(rows[0]) == ["prediction", "probability_ham", "probability_spam", "message"]
    assert [row["message"] for row in rows] == list(names)
    assert [row["prediction"] for row in rows] == ["spam", "ham", "spam"]
    Path("m.txt").write_bytes(Path(names[0]).read_bytes())
    same = rows_of(limpide("predict", "mail.safetensors", "m.txt").out)
    assert same[0]["probability_spam"] == rows[0]["probability_spam"]


def test_the_next_command_after_a_folder_can_be_typed(limpide: Run, mail: Path) -> None:
    result = limpide("train", mail, "--epochs", "1")
    following = result.out.splitlines()[-1].removeprefix("Next: limpide ").split()
    assert limpide(*following).status == 0


def test_messages_and_tables_are_told_apart(limpide: Run, mail: Path, model_path: Path) -> None:
    limpide("train", mail, "--epochs", "1")
    result = limpide("predict", "mail.safetensors", "mail/ham/1.eml", "bakery.csv")
    assert result.status == 2
    assert "'mail/ham/1.eml' is an e-mail, 'bakery.csv' is not. Give them apart." in result.err
    result = limpide("predict", model_path, "mail/ham/1.eml")
    assert result.status == 1
    assert "'mail/ham/1.eml' is an e-mail, but the model was trained on the columns pastry" in (
        result.err
    )
    result = limpide("predict", "mail.safetensors", "gone.eml")
    assert (result.status, result.err) == (
        1,
        "limpide: no message at 'gone.eml'. Check the name and the folder.\n",
    )
    result = limpide("train", mail, "--target", "ham")
    assert result.status == 2
    assert "the target of a folder of messages is 'spam'" in result.err


@pytest.fixture
def judge(mail: Path, limpide: Run) -> Path:
    """A model of e-mails that has learned hardly anything."""
    assert limpide("train", mail, "--epochs", "1", "--out", "judge.safetensors").status == 0
    return Path("judge.safetensors")


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_table_is_a_table_whatever_its_name(
    limpide: Run, mail: Path, judge: Path, delimiter: str, encoding: str
) -> None:
    found = spam.read_folder(mail)
    lines = [delimiter.join(f'"{name}"' for name in spam.FEATURES)]
    lines += [delimiter.join(map(repr, row.tolist())) for row in found.matrix]
    for name in ("t.csv", "t.txt", "t"):
        Path(name).write_text("\n".join(lines), encoding=encoding)
    reading = ("--encoding", "utf-16") if encoding == "utf-16" else ()
    whole = limpide("predict", judge, "t.csv", *reading)
    assert whole.status == 0, whole.err
    assert len(rows_of(whole.out)) == len(found.names)
    for name in ("t.txt", "t"):
        assert limpide("predict", judge, name, *reading).out == whole.out


def test_a_parquet_table_without_a_suffix_is_no_message(
    limpide: Run, mail: Path, judge: Path
) -> None:
    found = spam.read_folder(mail)
    columns = {name: found.matrix[:, i] for i, name in enumerate(spam.FEATURES)}
    lp.tables.read_table(columns).frame.write_parquet("t")
    assert len(rows_of(limpide("predict", judge, "t").out)) == len(found.names)


def test_predict_takes_for_messages_what_training_does(limpide: Run, judge: Path) -> None:
    folder = ROOT / "examples" / "messages"
    names = [str(folder / name) for name in spam.read_folder(folder).names]
    result = limpide("predict", judge, *names)
    assert result.status == 0, result.err
    assert [row["message"] for row in rows_of(result.out)] == names
    assert limpide("predict", judge, folder).out == result.out


def test_one_row_is_no_rows(limpide: Run, model_path: Path) -> None:
    Path("one.csv").write_text("".join(BAKERY.read_text().splitlines(keepends=True)[:2]))
    assert limpide("evaluate", model_path, "one.csv").out.startswith("Measured on 1 row:\n")


def test_evaluate_on_a_folder_of_messages(limpide: Run, mail: Path, judge: Path) -> None:
    result = limpide("evaluate", judge, mail, "--json")
    assert result.status == 0, result.err
    found = spam.read_folder(mail)
    columns = {name: found.matrix[:, i] for i, name in enumerate(spam.FEATURES)}
    figures = lp.load(judge).evaluate(columns | {"spam": list(found.labels)})
    assert json.loads(result.out) == {"rows": 24} | figures
    # A model of Spambase says 1 and 0, and its target may have any name.
    numbers = [int(label == "spam") for label in found.labels]
    model = lp.train(columns | {"junk": numbers}, "junk", epochs=1, progress=False)
    model.save("numbers.safetensors")
    assert json.loads(limpide("evaluate", "numbers.safetensors", mail, "--json").out) == (
        {"rows": 24} | model.evaluate(columns | {"junk": numbers})
    )
    lp.train(columns | {"n": np.arange(24) / 7}, "n", epochs=1, progress=False).save("n")
    result = limpide("evaluate", "n", mail)
    assert result.status == 1
    assert "the model's classes are none: it predicts numbers." in result.err


def test_evaluate_on_what_has_no_answers(limpide: Run, judge: Path, model_path: Path) -> None:
    result = limpide("evaluate", judge, "mail/ham/1.eml")
    assert result.status == 2
    assert "'mail/ham/1.eml' is an e-mail, which does not say whether it is spam." in result.err
    result = limpide("evaluate", judge, "mail/ham")
    assert result.status == 1
    assert "'mail/ham' is a folder without the sub-folders spam and ham" in result.err
    for command in ("evaluate", "predict"):
        result = limpide(command, model_path, "mail")
        assert result.status == 1
        assert "'mail' is a folder, but the model was trained on the columns pastry" in result.err


def test_a_folder_that_is_none_of_messages(limpide: Run, judge: Path) -> None:
    Path("empty/deep").mkdir(parents=True)
    for words in (("train", "empty"), ("train", ".", "--target", "x"), ("evaluate", judge, ".")):
        result = limpide(*words)
        assert result.status == 1
        assert "is a folder without the sub-folders spam and ham" in result.err
    result = limpide("predict", judge, "empty")
    assert result.status == 1
    assert "'empty' holds no message" in result.err


def test_the_summary_of_a_folder_names_it(limpide: Run, mail: Path) -> None:
    assert limpide("train", mail, "--epochs", "1").out.startswith("'mail': binary of 'spam'")


def test_predict_goes_through_the_table_once(
    limpide: Run, model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = lp.tables.preprocessing.Preprocessing
    usual, rows = kind.matrix, []

    def counted(columns: object, table: lp.tables.Table, *dtype: object) -> object:
        rows.append(table.n_rows)
        return usual(columns, table, *dtype)

    monkeypatch.setattr(kind, "matrix", counted)
    assert limpide("predict", model_path, "bakery.csv").status == 0
    assert rows == [600]


@pytest.mark.skipif(not MESSAGES, reason="the example messages are not there")
def test_spambase_judges_messages(limpide: Run, spambase_path: Path) -> None:
    result = limpide(
        *("train", spambase_path, "--target", "spam", "--epochs", "2"), "--out", "spam.safetensors"
    )
    assert result.status == 0, result.err
    rows = rows_of(limpide("predict", "spam.safetensors", *MESSAGES).out)
    assert list(rows[0]) == ["prediction", "probability_0", "probability_1", "message"]
    model = lp.load("spam.safetensors")
    counted = np.array([spam.message_features(path.read_bytes()) for path in MESSAGES])
    frame = {name: counted[:, i] for i, name in enumerate(spam.FEATURES)}
    written = [float(row["probability_1"]) for row in rows]
    np.testing.assert_array_equal(written, model.predict_proba(frame)[:, 1])


# evaluate, verify, data ---------------------------------------------------------------------------


def test_evaluate(limpide: Run, model_path: Path) -> None:
    result = limpide("evaluate", model_path, "bakery.csv", "--json")
    assert result.status == 0
    assert json.loads(result.out) == {"rows": 600} | lp.load(model_path).evaluate("bakery.csv")
    text = limpide("evaluate", model_path, "bakery.csv").out
    assert text.startswith("Measured on 600 rows:\n  accuracy  ")
    assert "actual  predicted no  predicted yes" in text


def test_verify(limpide: Run, model_path: Path) -> None:
    assert limpide("verify", model_path) == (0, f"{lp.storage.verify(model_path)}\n", "")
    damaged = bytearray(model_path.read_bytes())
    damaged[-1] ^= 1
    Path("damaged.safetensors").write_bytes(damaged)
    result = limpide("verify", "damaged.safetensors")
    assert (result.status, result.out) == (1, "")
    assert result.err.startswith("limpide: 'damaged.safetensors'")


def test_data_lists_and_writes(limpide: Run) -> None:
    listed = [line.split()[0] for line in limpide("data").out.splitlines()]
    assert listed[0] == "people"
    for name in listed:
        if name == "spambase":  # which needs a network
            continue
        X, y = getattr(lp.datasets, name)()
        rows = rows_of(limpide("data", name).out)
        columns = list(rows[0])
        written = np.array([[float(cell) for cell in row.values()] for row in rows])
        np.testing.assert_array_equal(written, np.column_stack([X, y]))
        assert len(columns) == 3
    assert limpide("data", "people").out.splitlines()[:2] == ["weight,height,woman", "-2.0,-1.0,1"]


def test_data_to_a_file_names_the_next_command(limpide: Run) -> None:
    result = limpide("data", "circle", "--out", "my circle.csv")
    assert (result.status, result.out) == (0, "")
    assert result.err == (
        "note: my circle.csv is written. Next: limpide train 'my circle.csv' --target class\n"
    )
    assert "'my circle.csv' exists." in limpide("data", "circle", "--out", "my circle.csv").err


def test_data_of_a_wrong_name(limpide: Run) -> None:
    result = limpide("data", "spirals")
    assert result.status == 2
    assert "received 'spirals'. Did you mean 'spiral'?" in result.err


def test_data_spambase_is_downloaded_by_its_room(
    limpide: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def download(name: str, folder: str = ".") -> Path:
        path = Path(folder) / f"{name}.csv"
        path.write_text("a,spam\n")
        return path

    monkeypatch.setattr(lp.datasets, "download", download)
    result = limpide("data", "spambase")
    assert result.err.endswith("Next: limpide train spambase.csv --target spam\n")
    assert Path("spambase.csv").read_text() == "a,spam\n"
    assert limpide("data", "spambase", "--out", "s.csv").status == 0
    assert Path("s.csv").read_text() == "a,spam\n"
