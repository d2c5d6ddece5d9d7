"""The command line as a process: signals, pipes, terminals, locales, paths, full disks."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
from fcntl import ioctl
from pathlib import Path
from typing import Any

import pytest

import limpide as lp
from limpide import cli, program

ROOT = Path(__file__).resolve().parents[1]
BAKERY = ROOT / "examples" / "data" / "bakery.csv"
TRAIN = ("train", "bakery.csv", "--target", "sold_out", "--epochs")


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bakery.csv").write_bytes(BAKERY.read_bytes())


def start(*words: str | bytes, env: dict[str, str] | None = None, **streams: Any) -> Any:
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
    # A size of the screen in the environment would stand above that of the terminal.
    known = ("COLUMNS", "LINES", "UV", "UV_RUN_RECURSION_DEPTH")
    usual = {k: v for k, v in os.environ.items() if k not in known}
    environment = {**usual, "PYTHONPATH": str(ROOT / "src"), **(env or {})}
    command = [sys.executable, "-m", "limpide", *words]
    return subprocess.Popen(command, env=environment, **streams)


def run(*words: str | bytes, **options: Any) -> tuple[int, bytes, bytes]:
    process = start(*words, **options)
    out, err = process.communicate()
    return process.returncode, out, err


# Ctrl-C -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_keeps_and_saves_what_was_learned(number: signal.Signals) -> None:
    process = start(*TRAIN, "100000")
    assert process.stderr.readline().startswith(b"epoch 1/100000: ")  # it learns
    process.send_signal(number)
    out, err = process.communicate()
    assert process.returncode == 130
    assert b"Traceback" not in err
    found = re.search(rb"Interrupted after ([\d,]+) of 100,000 epochs\.", out)
    assert found is not None
    assert b"Saved what was learned so far to bakery" in out
    (path,) = Path().glob("*.safetensors")
    assert lp.load(path).history.epochs == int(found[1].replace(b",", b""))


def test_json_of_an_interrupted_run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    learned = lp.table_training.train

    def interrupted(*arguments: Any, callbacks: Any, **settings: Any) -> Any:
        def press(run: Any) -> None:
            if run.epoch == 2:
                os.kill(os.getpid(), signal.SIGINT)

        return learned(*arguments, callbacks=[*callbacks, press], **settings)

    monkeypatch.setattr(lp.table_training, "train", interrupted)
    assert program.run(cli.limpide_command, [*TRAIN, "50", "--json"]) == 130
    report = json.loads(capsys.readouterr().out)
    assert (report["epochs"], report["interrupted"]) == (3, True)
    assert lp.load(report["model"]).history.epochs == 3


def test_ctrl_c_before_anything_is_learned_saves_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def pressed(*_: Any, **__: Any) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(lp.table_training, "train", pressed)
    assert program.run(cli.limpide_command, [*TRAIN, "1"]) == 130
    assert capsys.readouterr().err.strip() == "limpide: interrupted."
    assert os.listdir() == ["bakery.csv"]


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_while_saving(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    save = lp.model.Model.save

    def pressed(model: Any, path: str, **options: Any) -> None:
        for _ in range(times):
            os.kill(os.getpid(), signal.SIGINT)
        save(model, path, **options)

    monkeypatch.setattr(lp.model.Model, "save", pressed)
    assert program.run(cli.limpide_command, [*TRAIN, "1"]) == 130
    shown = capsys.readouterr()
    if times == 1:
        assert lp.load("bakery.safetensors").target == "sold_out"
        assert "Saved" in shown.out
    else:
        assert sorted(os.listdir()) == ["bakery.csv", "bakery.safetensors.checkpoint"]
        assert "limpide: interrupted." in shown.err


def test_handlers_are_as_before_afterwards(capsys: pytest.CaptureFixture[str]) -> None:
    before = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
    program.run(cli.limpide_command, [*TRAIN, "1"])
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == before


# Pipes and disks ----------------------------------------------------------------------------------


def closed_pipe() -> int:
    """Give the end of a pipe that nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    return writer


def test_a_reader_that_goes_away_is_no_error() -> None:
    for words in (("data", "gaussians"), ("data",), (*TRAIN, "1"), (*TRAIN, "1", "--json")):
        writer = closed_pipe()
        status, _, err = run(*words, stdout=writer)
        os.close(writer)
        assert (status, [x for x in err.splitlines() if not x.startswith(b"epoch ")]) == (0, [])
    assert lp.load("bakery.safetensors").target == lp.load("bakery-2.safetensors").target


def test_a_reader_of_errors_that_goes_away_does_not_stop_the_training() -> None:
    writer = closed_pipe()
    status, out, _ = run(*TRAIN, "3", stderr=writer)
    os.close(writer)
    assert status == 0
    assert b"Saved to bakery.safetensors" in out


def test_closed_streams() -> None:
    command = f"exec {sys.executable} -m limpide {' '.join(TRAIN)} 1 >&- 2>&-"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    assert subprocess.run(["sh", "-c", command], env=environment, check=False).returncode == 0
    assert lp.load("bakery.safetensors").target == "sold_out"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("words", [("data", "circle"), ("data",), (*TRAIN, "1"), ("--help",)])
def test_a_full_disk_under_standard_output(words: tuple[str, ...]) -> None:
    with open("/dev/full", "w") as full:
        status, _, err = run(*words, stdout=full)
    lines = [line for line in err.splitlines() if not line.startswith(b"epoch ")]
    assert status == 1
    assert lines == [
        b"limpide: cannot write the output: No space left on device. Send it elsewhere."
    ]


# Locales and paths --------------------------------------------------------------------------------


@pytest.mark.parametrize("locale", [{"LANG": "C"}, {"LC_ALL": "C"}, {"PYTHONIOENCODING": "ascii"}])
def test_plain_locales(locale: dict[str, str]) -> None:
    environment = {"LANG": "", "LC_CTYPE": "", "LC_ALL": "", "TERM": "dumb", **locale}
    text = BAKERY.read_text().replace("pastry", "pâtisserie").replace("yes", "так")
    Path("bakery.csv").write_text(text, encoding="utf-8")
    status, out, err = run(*TRAIN, "1", env=environment)
    assert (status, err.count(b"\n")) == (0, 1), err
    assert b"Saved to bakery.safetensors" in out
    status, out, _ = run("predict", "bakery.safetensors", "bakery.csv", env=environment)
    assert status == 0
    assert "так" in out.decode("utf-8")


def test_a_path_that_is_not_utf_8_and_a_home_that_is_read_only() -> None:
    os.rename("bakery.csv", b"b\xff.csv")
    Path("home").mkdir(mode=0o500)
    environment = {"LANG": "C", "HOME": "home"}
    words = (b"train", b"b\xff.csv", b"--target", b"sold_out", b"--epochs", b"1")
    status, out, err = run(*words, b"--out", b"\xff.safetensors", env=environment)
    assert status == 0, err
    assert b"Saved to \\udcff.safetensors" in out
    status, out, err = run(b"predict", b"\xff.safetensors", b"b\xff.csv", env=environment)
    assert (status, out.count(b"\n")) == (0, 601), err
    status, out, err = run(b"train", b"b\xfe.csv", b"--target", b"x", env=environment)
    assert (status, out, err.count(b"\n")) == (1, b"", 1)
    assert os.listdir("home") == []


@pytest.mark.skipif(os.geteuid() == 0, reason="the administrator may write anywhere")
def test_a_read_only_folder_is_noticed_before_the_training() -> None:
    Path().chmod(0o500)
    status, out, err = run(*TRAIN, "1")
    Path().chmod(0o700)
    assert (status, out) == (1, b"")
    assert err.startswith(b"limpide: this folder may not be written to")


# A terminal ---------------------------------------------------------------------------------------


def on_a_terminal(*words: str, env: dict[str, str], rows: int = 40, columns: int = 100) -> str:
    """Run a command on a pseudo-terminal and give all that it wrote there."""
    master, slave = pty.openpty()
    ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    environment = {"TERM": "xterm-256color", "LC_ALL": "", "LC_CTYPE": "", "NO_COLOR": "", **env}
    process = start(*words, env=environment, stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    shown = b""
    while True:
        select.select([master], [], [])
        try:
            piece = os.read(master, 65536)
        except OSError:  # Linux: the last writer has closed it
            break
        if not piece:
            break
        shown += piece
    os.close(master)
    assert process.wait() == 0, shown
    return shown.decode("utf-8")


def test_a_terminal_is_given_nothing_to_obey() -> None:
    lines = [f"{i},{'up' if i % 2 else 'do' + chr(27) + '[2Jwn'}" for i in range(40)]
    Path("t.csv").write_text("\n".join(["n,way", *lines]))
    assert run("train", "t.csv", "--target", "way", "--epochs", "1")[0] == 0
    words = ("predict", "t.safetensors", "t.csv")
    shown = on_a_terminal(*words, env={"LANG": "C.UTF-8"})
    assert shown.count("\\x1b[2J") > 1
    assert "\x1b" not in shown
    assert b"probability_do\x1b[2Jwn" in run(*words)[1]  # a pipe gets the data as they are


def test_the_live_view_ends_cleanly_with_the_curve_above_the_report() -> None:
    shown = on_a_terminal(*TRAIN, "30", env={"LANG": "C.UTF-8"})
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h") == 1  # cursor hidden, shown again
    picture, report = shown.split("\x1b[?25h")
    last = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", picture.split("\x1b[2K")[-1])
    assert re.search(r"epoch \d+/30", last)  # it may end before the thirtieth
    assert re.search("[\u2801-\u28ff]", picture)
    assert "training" in picture
    assert "validation" in picture
    assert "Measured on the 120 rows held out:" in report
    assert not re.search(r"epoch \d+/", report)


@pytest.mark.parametrize(
    ("env", "rows", "columns", "characters"),
    [
        ({"LANG": "C"}, 40, 100, "*o|+"),
        ({"LANG": "C.UTF-8", "NO_COLOR": "1"}, 40, 100, "•∘│└"),
        ({"LANG": "C"}, 40, 40, "*o|+"),
    ],
)
def test_terminals_that_can_show_less(
    env: dict[str, str], rows: int, columns: int, characters: str
) -> None:
    shown = on_a_terminal(*TRAIN, "5", env=env, rows=rows, columns=columns)
    picture, _ = shown.split("\x1b[?25h")
    assert all(character in picture for character in characters)
    assert not re.search("[\u2800-\u28ff]", picture)
    assert env["LANG"] != "C" or picture.isascii()


def test_a_dumb_terminal_gets_plain_lines() -> None:
    shown = on_a_terminal(*TRAIN, "5", env={"LANG": "C.UTF-8", "TERM": "dumb"})
    assert "\x1b" not in shown
    assert shown.startswith("epoch 1/5: loss ")


def test_a_very_small_terminal_gets_two_lines() -> None:
    shown = on_a_terminal(*TRAIN, "5", env={"LANG": "C.UTF-8"}, rows=6, columns=24)
    picture, _ = shown.split("\x1b[?25h")
    assert "└" not in picture
    assert "epoch 5/5" in picture


def test_an_error_leaves_no_picture() -> None:
    Path("bakery.csv").write_text("a,b\n1,2\n1\n")
    spawn = "import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)"
    command = [sys.executable, "-m", "limpide", "train", "bakery.csv", "--target", "a"]
    process = subprocess.run(
        [sys.executable, "-c", spawn, *command],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "TERM": "xterm", "LANG": "C.UTF-8"},
        capture_output=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    shown = process.stdout.decode()
    assert process.returncode == 1
    assert shown.split("\x1b[?25h")[1].count("limpide: ") == 1
    assert "epoch" not in shown
