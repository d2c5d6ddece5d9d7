"""Callbacks, early stopping, history and the progress bar."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import limpide as lp
from limpide import progress

RNG = np.random.default_rng(0)
X = RNG.normal(size=(30, 2))
Y = X[:, 0] * X[:, 1]


def network() -> lp.Network:
    return lp.Network([2, 4, lp.BatchNorm(), 1], dtype="float64", seed=0)


class Note(lp.Callback):
    def __init__(self, name: str, calls: list[str]) -> None:
        self.name, self.calls = name, calls

    def begin(self, run: lp.Run) -> None:
        self.calls.append(f"{self.name} begins at {run.history.epochs}")

    def epoch_end(self, run: lp.Run) -> None:
        self.calls.append(f"{self.name} {run.epoch}")

    def end(self, run: lp.Run) -> None:
        self.calls.append(f"{self.name} ends")


def test_callbacks_are_called_in_order() -> None:
    calls: list[str] = []
    plain = lambda run: calls.append(f"plain {run.epoch} of {run.epochs}")  # noqa: E731
    network().fit(X, Y, epochs=2, callbacks=[Note("a", calls), plain, Note("b", calls)])
    assert calls == [
        "a begins at 0", "b begins at 0",
        "a 0", "plain 0 of 2", "b 0",
        "a 1", "plain 1 of 2", "b 1",
        "a ends", "b ends",
    ]  # fmt: skip


def test_a_callback_sees_the_run() -> None:
    net, seen = network(), []

    def look(run: lp.Run) -> None:
        assert run.network is net
        assert run.params is net.params
        seen.append((run.history.loss[-1], run.history.validation_loss[-1], run.has_validation))

    history = net.fit(X, Y, epochs=3, validation=0.2, callbacks=look)
    assert seen == [
        (a, b, True) for a, b in zip(history.loss, history.validation_loss, strict=True)
    ]


def test_stop_ends_the_run_after_the_epoch() -> None:
    net, plain, calls = network(), network(), []

    def stop(run: lp.Run) -> None:
        if run.epoch == 2:
            run.stop("enough")

    history = net.fit(X, Y, epochs=50, callbacks=[stop, Note("a", calls)])
    assert (history.epochs, history.stopped, history.interrupted) == (3, "enough", False)
    assert calls[-2:] == ["a 2", "a ends"]
    plain.fit(X, Y, epochs=3)
    assert all((a == plain.params[n]).all() for n, a in net.params.items())


def test_early_stopping_restores_the_best_weights() -> None:
    net, Xv = network(), RNG.normal(size=(20, 2))
    Yv = Xv[:, 0] * Xv[:, 1]
    kept = []

    def keep(run: lp.Run) -> None:
        kept.append({n: a.copy() for n, a in (run.params | run.state).items()})
        if run.epoch == 4:  # a jump that makes everything worse from here
            run.params["output.bias"] += 100

    history = net.fit(X, Y, epochs=100, validation=(Xv, Yv), callbacks=[keep, lp.EarlyStopping(3)])
    best = int(np.argmin(history.validation_loss))
    assert best == 4
    assert history.epochs == best + 1 + 3
    assert history.best_epoch == best
    assert history.stopped == "validation_loss has not fallen for 3 epochs"
    kept[best]["output.bias"] += 100  # early stopping looked after the jump
    assert all((a == kept[best][n]).all() for n, a in (net.params | net.state).items())


def test_early_stopping_on_the_training_loss() -> None:
    history = lp.Network([2, 1], dtype="float64", seed=0).fit(
        np.zeros((8, 2)), np.zeros(8), epochs=60, callbacks=lp.EarlyStopping(5, monitor="loss")
    )
    assert (history.epochs, history.best_epoch) == (6, 0)
    assert history.stopped == "loss has not fallen for 5 epochs"


def test_what_counts_as_a_new_best() -> None:
    settings: dict[str, Any] = {"epochs": 30, "optimizer": lp.SGD(1e-6)}
    small = network().fit(
        X, Y, callbacks=lp.EarlyStopping(3, "loss", minimum_change=0.1), **settings
    )
    assert small.epochs == 4
    any_ = lp.Network([2, 1], seed=0, dtype="float64").fit(
        X, Y, callbacks=lp.EarlyStopping(3, "loss"), **settings
    )
    assert any_.epochs == 30


def test_without_restoring() -> None:
    net, plain = network(), network()
    stopping = lp.EarlyStopping(2, restore_best=False)
    history = net.fit(X, Y, epochs=40, validation=0.3, callbacks=stopping, optimizer=lp.SGD(0.5))
    plain.fit(X, Y, epochs=history.epochs, validation=0.3, optimizer=lp.SGD(0.5))
    assert history.best_epoch is None
    assert all((a == plain.params[n]).all() for n, a in net.params.items())


def test_one_object_serves_two_runs() -> None:
    stopping = lp.EarlyStopping(2, "loss")
    runs = [network().fit(X, Y, epochs=9, callbacks=stopping).loss for _ in range(2)]
    assert runs[0] == runs[1]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: lp.EarlyStopping(0), lp.ArgumentError, "patience must be at least 1; received 0"),
        (lambda: lp.EarlyStopping(2.5), lp.ArgumentTypeError, "patience must be a whole number"),
        (lambda: lp.EarlyStopping(True), lp.ArgumentTypeError, "whole number; received True"),
        (
            lambda: network().fit(X, Y, callbacks=lp.EarlyStopping(monitor="los")),
            lp.ArgumentError,
            "monitor must be one of loss, validation_loss; .*Did you mean 'loss'",
        ),
        (lambda: lp.EarlyStopping(monitor=1), lp.ArgumentTypeError, "monitor is the name of"),
        (lambda: lp.EarlyStopping(minimum_change="x"), lp.ArgumentTypeError, "must be a number"),
        (lambda: lp.EarlyStopping(patiense=3), lp.ArgumentTypeError, "Did you mean 'patience'"),
    ],
)
def test_wrong_settings(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


# History ----------------------------------------------------------------------------------------


def test_history() -> None:
    history = network().fit(X, Y, epochs=3, batch_size=8)
    assert len(history.loss) == history.epochs == 3
    assert history.validation_loss == []
    assert (history.steps, history.batch_size, history.engine) == (12, 8, "native")
    assert history.steps_per_second == history.steps / history.seconds > 0
    assert repr(history) == f"<History: 3 epochs, 12 steps, loss {history.loss[-1]:.6g}>"
    assert lp.History().steps_per_second == 0


def test_a_plot_shows_both_losses() -> None:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    history = network().fit(X, Y, epochs=3, validation=0.2)
    axes = history.plot()
    drawn = [line.get_ydata().tolist() for line in axes.get_lines()]
    assert drawn == [history.loss, history.validation_loss]
    with pytest.raises(lp.ArgumentError, match="nothing to plot"):
        lp.History().plot()


def test_a_plot_without_matplotlib_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(lp.MissingExtraError, match=r"pip install 'limpide\[plot\]'"):
        network().fit(X, Y, epochs=1).plot()


# The progress bar -------------------------------------------------------------------------------


def test_no_bar_where_there_is_no_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    network().fit(X, Y, epochs=2)
    network().fit(X, Y, epochs=2, progress=False)
    assert capfd.readouterr() == ("", "")


def test_a_bar_waits_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now[0])
    shown: list[Any] = []
    monkeypatch.setattr(progress.Bar, "_show", lambda self, *what: shown.append(what))
    bar, history = progress.Bar(10, 1.0), lp.History()
    for now[0], loss in ((0.0, 0.5), (0.99, 0.5), (1.01, 0.25), (1.10, 0.2), (1.12, 0.125)):
        bar.tick(history, loss)
        history.loss.append(loss)
    assert shown == [("loss 0.25", 2), ("loss 0.125", 4)]  # the second a tenth of a second later
    history.validation_loss.append(0.5)
    now[0] = 2.0
    bar.tick(history, 0.0625)
    assert shown[2:] == [("loss 0.0625, validation 0.5", 5)]


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
@pytest.mark.parametrize(("settings", "shown"), [("", True), ("progress=False", False)])
def test_a_bar_on_a_terminal(settings: str, shown: bool) -> None:
    import pty

    program = f"""
import time, numpy as np, limpide as lp
net = lp.Network([2, 1], seed=0)
X = np.ones((8, 2))
net.fit(X, X[:, 0], epochs=3)  # too short for a bar
print("quick", flush=True)
net.fit(X, X[:, 0], epochs=8, callbacks=lambda run: time.sleep(0.2), {settings})
"""
    master, terminal = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=terminal, stdout=subprocess.PIPE, stderr=terminal,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
    )  # fmt: skip
    os.close(terminal)
    assert child.stdout is not None
    assert child.stdout.readline() == b"quick\n"
    seen = io.BytesIO()
    while True:
        try:
            piece = os.read(master, 4096)
        except OSError:  # Linux says so when the other end is closed
            break
        if not piece:
            break
        seen.write(piece)
    os.close(master)
    child.stdout.close()
    assert child.wait() == 0
    text = seen.getvalue().decode()
    assert ("loss" in text and "/8" in text) == shown
    assert "/3" not in text


def test_a_bar_changes_no_number(capfd: pytest.CaptureFixture[str]) -> None:
    loud, quiet = network(), network()
    history = loud.fit(X, Y, epochs=3, progress=True)
    assert history.loss == quiet.fit(X, Y, epochs=3, progress=False).loss
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: lp.EarlyStopping(minimum_change=-1), "minimum_change must be at least 0"),
        (lambda: lp.EarlyStopping(restore_best=1), "restore_best must be True or False"),
        (lambda: lp.Run(None, lp.History(), 1, {}, {}).stop(""), "stop says why"),
    ],
)
def test_settings_that_a_callback_cannot_use(call: Any, message: str) -> None:
    with pytest.raises(lp.LimpideError, match=message):
        call()
