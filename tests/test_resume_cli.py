"""``limpide train --resume``: what is kept beside a model, gone on with, refused."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from rich.console import Console

import limpide as lp
from limpide import cli, program, storage, terminal
from limpide.languages import words_in
from limpide.stopping import Stop

ROOT = Path(__file__).resolve().parents[1]
BAKERY = ROOT / "examples" / "data" / "bakery.csv"
TRAIN = ("train", "bakery.csv", "--target", "sold_out", "--epochs", "6")
MODEL, KEPT = "bakery.safetensors", "bakery.safetensors.checkpoint"


class Result(NamedTuple):
    status: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bakery.csv").write_bytes(BAKERY.read_bytes())


@pytest.fixture
def limpide(capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*words: str) -> Result:
        status = program.run(cli.limpide_command, list(words))
        return Result(status, *capsys.readouterr())

    return run


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The arrays of a run that was never broken off."""
    path = tmp_path_factory.mktemp("whole") / "model"
    words = ["train", str(BAKERY), *TRAIN[2:], "--out", str(path), "--checkpoint", "0"]
    assert program.run(cli.limpide_command, words) == 0
    return arrays(path)


def arrays(path: str | Path) -> dict[str, bytes]:
    tensors = storage.read(path).tensors
    return {name: array.tobytes() for name, array in tensors.items() if name != "table"}


def press(monkeypatch: pytest.MonkeyPatch, epoch: int, times: int = 1) -> None:
    """Let Ctrl-C be pressed after an epoch."""
    learned = lp.table_training.train

    def train(*arguments: Any, callbacks: Any, **settings: Any) -> Any:
        def pressed(run: lp.Run) -> None:
            for _ in range(times * (run.epoch == epoch)):
                os.kill(os.getpid(), signal.SIGINT)

        return learned(*arguments, callbacks=[*callbacks, pressed], **settings)

    monkeypatch.setattr(lp.table_training, "train", train)


@pytest.fixture
def stopped(limpide: Any, monkeypatch: pytest.MonkeyPatch) -> Result:
    """A run that Ctrl-C has ended after its third epoch."""
    with monkeypatch.context() as patch:
        press(patch, 2)
        result: Result = limpide(*TRAIN)
    return result


def listed() -> list[str]:
    return sorted(name for name in os.listdir() if name != "bakery.csv")


def test_ctrl_c_and_on(limpide: Any, stopped: Result, whole: dict[str, bytes]) -> None:
    assert stopped.status == 130
    assert "Interrupted after 3 of 6 epochs." in stopped.out
    assert f"note: '{KEPT}' keeps the run: the same command with --resume goes on.\n" in stopped.err
    assert listed() == [MODEL, KEPT]
    assert lp.load(MODEL).history.epochs == 3
    result = limpide(*TRAIN, "--resume")
    assert result.status == 0, result.err
    assert f"note: '{KEPT}' holds a run that was broken off: 3 of 6 epochs" in result.err
    assert ": going on with it\nepoch 4/6: loss " in result.err
    assert f"Saved to {MODEL}\n" in result.out
    assert listed() == [MODEL]
    assert arrays(MODEL) == whole
    assert lp.load(MODEL).history.epochs == 6


def test_the_report_of_a_run_that_goes_on_takes_the_place_of_the_first(
    limpide: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = (*TRAIN, "--report", "r.html")
    with monkeypatch.context() as patch:
        press(patch, 2)
        assert limpide(*words).status == 130
    assert "Training was interrupted after 3 of 6 epochs." in Path("r.html").read_text("utf-8")
    assert limpide(*words, "--resume").status == 0
    assert "interrupted" not in Path("r.html").read_text("utf-8")
    assert listed() == [MODEL, "r.html"]


def test_a_finished_run_leaves_its_model_alone(limpide: Any, whole: dict[str, bytes]) -> None:
    assert limpide(*TRAIN).status == 0
    assert listed() == [MODEL]
    assert arrays(MODEL) == whole


def test_resume_without_a_checkpoint_begins_and_says_so(limpide: Any) -> None:
    result = limpide(*TRAIN, "--resume")
    assert result.status == 0
    assert "note: there is no checkpoint to go on from: the run begins anew\n" in result.err
    assert listed() == [MODEL]
    result = limpide(*TRAIN, "--resume", "--out", MODEL)
    assert (result.status, result.err.splitlines()[-1]) == (
        2,
        f"limpide: {MODEL!r} exists, and there is no {KEPT!r} to go on from: the run that "
        "made it has ended. Choose another name, or add --force to begin anew.",
    )
    result = limpide(*TRAIN, "--resume", "--checkpoint", "0")
    assert (result.status, result.err) == (
        2,
        "limpide: --resume needs a checkpoint. Leave --checkpoint 0 out.\n",
    )


def test_a_run_without_resume_leaves_the_other_alone(
    limpide: Any, stopped: Result, whole: dict[str, bytes]
) -> None:
    before = Path(KEPT).read_bytes(), Path(MODEL).read_bytes()
    result = limpide(*TRAIN)
    assert result.status == 0
    assert f"note: '{KEPT}' holds a run that was broken off: 3 of 6 epochs, written" in result.err
    assert "To go on with that, add --resume." in result.err
    assert "Saved to bakery-2.safetensors\n" in result.out
    assert before == (Path(KEPT).read_bytes(), Path(MODEL).read_bytes())
    assert limpide(*TRAIN, "--resume").status == 0
    assert arrays(MODEL) == arrays("bakery-2.safetensors") == whole


def test_out_is_refused_where_a_run_would_be_lost(limpide: Any, stopped: Result) -> None:
    before = Path(KEPT).read_bytes()
    words = (*TRAIN, "--out", MODEL)
    Path(MODEL).unlink()
    result = limpide(*words)
    assert (result.status, result.out) == (2, "")
    assert f"limpide: '{KEPT}' holds a run that was broken off: 3 of 6 epochs" in result.err
    assert "Add --resume to go on with it, or --force to begin anew." in result.err
    # A command that cannot be carried out loses nothing either.
    result = limpide(*words, "--force", "--drop", "nothing")
    assert "it will be replaced (--force)" in result.err
    assert (result.status, Path(KEPT).read_bytes()) == (1, before)
    assert limpide(*words, "--force").status == 0
    assert listed() == [MODEL]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--epochs", "7"), "epochs was 6, is 7"),
        (("--seed", "1"), "seed was 0, is 1"),
        (("--hidden", "9,9"), "layer 'hidden1' was MemberInput(members=4, neurons=64"),
        (("--learning-rate", "0.5"), "learning_rate was 0.006, is 0.5"),
        (("--engine", "reference"), "engine was native, is reference"),
        (("--drop", "weather"), "layer 'columns' was Columns("),
        (("--validation", "0.1"), "X was f32["),
    ],
)
def test_other_settings_are_refused_by_name(
    limpide: Any, stopped: Result, words: tuple[str, ...], message: str
) -> None:
    before = Path(KEPT).read_bytes(), Path(MODEL).read_bytes()
    result = limpide(*TRAIN, "--resume", *words)
    assert result.status == 1
    assert message in result.err
    assert before == (Path(KEPT).read_bytes(), Path(MODEL).read_bytes())
    assert listed() == [MODEL, KEPT]


def test_other_data_are_refused(limpide: Any, stopped: Result) -> None:
    lines = Path("bakery.csv").read_text().splitlines(keepends=True)
    Path("bakery.csv").write_text("".join([*lines[:5], *lines[6:]]))
    result = limpide(*TRAIN, "--resume")
    assert result.status == 1
    assert f"limpide: '{KEPT}' is of another run: " in result.err
    assert ": X was f32[480," in result.err


def test_of_several_runs_one_has_to_be_named(
    limpide: Any, stopped: Result, monkeypatch: pytest.MonkeyPatch, whole: dict[str, bytes]
) -> None:
    with monkeypatch.context() as patch:
        press(patch, 1)
        assert limpide(*TRAIN).status == 130
    assert "bakery-2.safetensors.checkpoint" in listed()
    result = limpide(*TRAIN, "--resume")
    assert result.status == 2
    assert "2 of 6 epochs" in result.err
    assert "3 of 6 epochs" in result.err
    assert "Say which with --out 'bakery-2.safetensors'." in result.err
    assert limpide(*TRAIN, "--resume", "--out", "bakery-2.safetensors").status == 0
    assert arrays("bakery-2.safetensors") == whole
    assert limpide(*TRAIN, "--resume").status == 0
    assert listed() == ["bakery-2.safetensors", MODEL]


def test_a_second_ctrl_c_leaves_at_once_and_a_whole_checkpoint(
    limpide: Any, monkeypatch: pytest.MonkeyPatch, whole: dict[str, bytes]
) -> None:
    with monkeypatch.context() as patch:
        press(patch, 3, times=2)
        result = limpide(*TRAIN, "--checkpoint", "0.000001")
    assert result.status == 130
    assert "limpide: interrupted." in result.err
    assert listed() == [KEPT]
    assert limpide(*TRAIN, "--resume").status == 0
    assert arrays(MODEL) == whole


def test_a_model_that_cannot_be_saved_is_saved_by_resume(
    limpide: Any, monkeypatch: pytest.MonkeyPatch, whole: dict[str, bytes], tmp_path: Path
) -> None:
    def full(model: lp.Model, path: str, **options: bool) -> None:
        raise lp.FileError(f"cannot save {path!r}: No space left on device (ENOSPC).")

    with monkeypatch.context() as patch:
        patch.setattr(lp.model.Model, "save", full)
        assert limpide(*TRAIN, "--out", "m").status == 1
    assert listed() == ["m.checkpoint"]
    assert limpide(*TRAIN, "--out", "m").status == 2  # it would be lost
    assert limpide(*TRAIN, "--out", "m", "--resume").status == 0
    assert listed() == ["m"]
    assert arrays("m") == whole


def test_what_lies_at_the_checkpoints_place_is_no_checkpoint(limpide: Any) -> None:
    Path("m.checkpoint").write_text("mine")
    for more in ([], ["--resume"], ["--force"]):
        result = limpide(*TRAIN, "--out", "m", *more)
        assert result.status == 1
        assert "limpide: 'm.checkpoint' is not a checkpoint that can be read" in result.err
    assert Path("m.checkpoint").read_text() == "mine"
    Path(KEPT).write_text("mine")
    result = limpide(*TRAIN)
    assert result.status == 0
    assert f"note: {KEPT!r} is not a checkpoint that can be read" in result.err
    assert "Saved to bakery-2.safetensors" in result.out
    result = limpide(*TRAIN, "--out", "n", "--checkpoint", "0")
    assert result.status == 0


def test_a_name_too_long_for_a_checkpoint(limpide: Any) -> None:
    name = "m" * 250
    result = limpide(*TRAIN, "--out", name)
    assert result.status == 0
    assert "File name too long (ENAMETOOLONG)" in result.err
    assert "The run goes on without a checkpoint." in result.err
    assert listed() == [name]


def test_the_time_left_is_told_by_the_epochs_of_this_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 100.0
    monkeypatch.setattr(terminal.time, "monotonic", lambda: now)
    screen = Console(file=io.StringIO(), force_terminal=True, width=80)
    picture = terminal.Picture(screen, Stop(), words_in("en"), unicode=False)
    history = lp.History()
    run = lp.Run(None, history, 10, {}, {}, resumed=6)
    picture.begin(run)
    history.loss = [1.0] * 6
    now += 8
    assert str(picture._status(6)).endswith("   0:08")
    history.loss.append(1.0)
    assert str(picture._status(7)).endswith("   0:24 left")
    picture.close()


# Processes ----------------------------------------------------------------------------------------


def start(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "limpide", *words],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


LONG = ("train", "bakery.csv", "--target", "sold_out", "--epochs", "300", "--checkpoint", "0.01")


def test_kill_9_and_on(limpide: Any) -> None:
    assert limpide(*LONG, "--out", "whole").status == 0
    process = start(*LONG)
    while not Path(KEPT).exists():
        assert process.poll() is None
        time.sleep(0.001)
    process.kill()
    process.communicate()
    assert listed()[:2] == [KEPT, f"{KEPT}.lock"]  # and perhaps a temporary file
    result = limpide(*LONG, "--resume")
    assert result.status == 0, result.err
    assert listed() == [MODEL, "whole"]
    assert arrays(MODEL) == arrays("whole")


def test_two_at_once(limpide: Any) -> None:
    """Of one name the second is refused; without a name it takes another one."""
    process = start(*LONG[:-4], "--epochs", "100000", "--out", "m")
    assert process.stderr is not None
    assert process.stderr.readline().startswith("epoch 1/")
    result = limpide(*TRAIN, "--out", "m")
    assert result.status == 1
    assert (
        f"limpide: 'm.checkpoint' is in use by another run: process {process.pid} on" in result.err
    )
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode == 130
    assert listed() == ["m", "m.checkpoint"]

    process = start(*LONG[:-4], "--epochs", "100000")
    assert process.stderr is not None
    assert process.stderr.readline().startswith("epoch 1/")
    result = limpide(*TRAIN)
    assert result.status == 0
    assert "Saved to bakery-2.safetensors" in result.out
    process.kill()
    process.communicate()
    assert limpide(*TRAIN).status == 0
    assert Path(MODEL).exists()  # the name of the dead one, whose run had not been kept yet
