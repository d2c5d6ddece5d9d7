"""A run that is broken off anywhere and gone on with is the run that never was, bit for bit."""

from __future__ import annotations

import copy
import errno
import json
import os
import pickle
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import limpide as lp
from breaking_off import breaks_off
from failing_calls import Faults
from limpide import checkpoints, storage, training

Array = np.ndarray[Any, Any]

RNG = np.random.default_rng(3)
X = RNG.normal(size=(47, 3))
Y = np.tanh(X @ [[1.0], [-2.0], [0.5]]) + 0.1 * RNG.normal(size=(47, 1))
WEIGHTS = RNG.uniform(0.5, 2, 47)

OPTIMIZERS: dict[str, lp.Optimizer] = {
    "sgd": lp.SGD(lp.StepDecay(0.05, every=7)),
    "momentum": lp.SGD(0.02, momentum=0.9),
    "nesterov": lp.SGD(lp.Linear(0.02), momentum=0.9, nesterov=True),
    "rmsprop": lp.RMSProp(0.003),
    "adagrad": lp.Adagrad(0.05),
    "adam": lp.Adam(lp.ExponentialDecay(0.01)),
    "adamw": lp.AdamW(lp.Cosine(0.01, warmup=0.2), weight_decay=0.1),
}


def network(dtype: str = "float32", seed: int = 0) -> lp.Network:
    layers = [3, lp.Dense(6), lp.BatchNorm(), lp.Dropout(0.3), lp.Dense(4), lp.LayerNorm(), 1]
    return lp.Network(layers, activation="tanh", dtype=dtype, seed=seed)


def result(net: lp.Network, history: lp.History) -> Any:
    """Give all of a run that must be the same, as bytes and numbers."""
    arrays = {name: array.tobytes() for name, array in (net.params | net.state).items()}
    figures = (history.loss, history.validation_loss, history.steps, history.batch_size)
    return arrays, figures, history.stopped, history.best_epoch, history.interrupted


def broken_off(
    monkeypatch: pytest.MonkeyPatch,
    path: Path,
    steps: list[int],
    settings: Callable[[], dict[str, Any]],
    dtype: str = "float32",
) -> Any:
    """Run in pieces that end after so many steps, each as another process would, to the end."""
    for i, step in enumerate(steps):
        with monkeypatch.context() as patch:
            breaks_off(patch, step)
            kept = lp.Checkpoint(path, resume=i > 0)
            history = network(dtype, seed=i + 5 if i else 0).fit(
                X, Y, checkpoint=kept, **settings()
            )
        assert history.interrupted
        assert history.steps == sum(steps[: i + 1])
    net = network(dtype, seed=99)
    kept = lp.Checkpoint(path, resume=True)
    history = net.fit(X, Y, checkpoint=kept, **settings())
    assert kept.resumed_at == sum(steps)
    return result(net, history)


def settings_of(optimizer: lp.Optimizer, engine: str) -> Callable[[], dict[str, Any]]:
    return lambda: {  # 37 rows are trained on, in 5 steps an epoch, of which the last is short
        "optimizer": optimizer,
        "engine": engine,
        "epochs": 8,
        "batch_size": 8,
        "validation": 0.2,
        "sample_weight": WEIGHTS,
        "callbacks": lp.EarlyStopping(patience=2),
        "freeze": ("hidden3.bias",),
        "seed": 11,
    }


@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_run_broken_off_within_an_epoch(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, engine: str
) -> None:
    place = list(OPTIMIZERS).index(name)
    dtype = ("float32", "float64")[place % 2]
    settings = settings_of(OPTIMIZERS[name], engine)
    plain = network(dtype)
    whole = result(plain, plain.fit(X, Y, **settings()))
    steps = [3 + place, 4]
    assert broken_off(monkeypatch, tmp_path / "run", steps, settings, dtype) == whole


@pytest.mark.long
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_fifty_random_steps(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, engine: str, dtype: str
) -> None:
    random = np.random.default_rng(list(OPTIMIZERS).index(name))
    settings = settings_of(OPTIMIZERS[name], engine)
    plain = network(dtype)
    history = plain.fit(X, Y, **settings())
    whole = result(plain, history)
    for trial in range(50):
        cuts = np.sort(random.choice(np.arange(1, history.steps), random.integers(1, 4), False))
        steps = np.diff(cuts, prepend=0).tolist()
        path = tmp_path / str(trial)
        assert broken_off(monkeypatch, path, steps, settings, dtype) == whole, steps


@pytest.mark.parametrize("shuffle", [True, False])
def test_every_step_of_a_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, shuffle: bool
) -> None:
    def settings() -> dict[str, Any]:
        return {"epochs": 3, "batch_size": 16, "engine": "reference", "shuffle": shuffle}

    plain = network()
    history = plain.fit(X, Y, **settings())
    assert history.steps == 9
    for step in range(1, 10):
        path = tmp_path / str(step)
        assert broken_off(monkeypatch, path, [step], settings) == result(plain, history)


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("every", [1, 2, 3])
def test_what_is_written_between_epochs(tmp_path: Path, every: int, shuffle: bool) -> None:
    """Nothing watches the epochs: the checkpoint alone lets slices end with them."""
    path, seen = tmp_path / "run", []
    store = checkpoints.Keeper._store

    def noting(self: Any, snapshot: Any, finished: bool) -> None:
        seen.append((snapshot.history.epochs, finished))
        store(self, snapshot, finished)
        (tmp_path / f"{len(seen)}").write_bytes(path.read_bytes())

    settings: dict[str, Any] = {"epochs": 7, "batch_size": 10, "shuffle": shuffle}
    plain, kept = network(), network()
    whole = result(plain, plain.fit(X, Y, **settings))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoints.Keeper, "_store", noting)
        checkpoint = lp.Checkpoint(path, every=every)
        assert result(kept, kept.fit(X, Y, checkpoint=checkpoint, **settings)) == whole
    due = [(e, False) for e in range(every, 7, every)]
    assert seen == [*due, (7, True)]
    for i in range(len(seen)):
        net = network(seed=8)
        history = net.fit(
            X, Y, checkpoint=lp.Checkpoint(tmp_path / f"{i + 1}", resume=True), **settings
        )
        assert result(net, history) == whole


def test_divergence_is_the_same_after_going_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings: dict[str, Any] = {"optimizer": lp.SGD(0.3), "batch_size": 8, "epochs": 50}
    found = []
    for step in (None, 9):
        net = lp.Network([3, 8, 1], seed=0)
        if step is not None:
            path = tmp_path / "run"
            with monkeypatch.context() as patch:
                breaks_off(patch, step)
                net.fit(X, Y, checkpoint=path, **settings)
            before = path.read_bytes()
            settings["checkpoint"] = lp.Checkpoint(path, seconds=0, resume=True)
        with pytest.raises(lp.DivergenceError) as info:
            net.fit(X, Y, **settings)
        error = info.value
        found.append((str(error), error.step, result(net, lp.History())[0]))
    assert found[0] == found[1]
    assert found[0][1] > 12
    # What was kept is sound, and gives the same again.
    assert (
        path.read_bytes() == before
        or np.isfinite(storage.read(path).tensors["arrays.params.hidden1.weights"]).all()
    )


def test_the_order_of_rows_goes_on_with_a_helper(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """So many rows are drawn ahead by a thread, on both engines, from the epoch under way on."""
    X = np.random.default_rng(0).normal(size=(9000, 2))
    for engine in ("native", "reference"):
        results = []
        for step in (None, 13):
            net = lp.Network([2, 1], seed=0)
            settings: dict[str, Any] = {"epochs": 9, "batch_size": 1000, "engine": engine}
            path = tmp_path / engine
            if step is not None:
                with monkeypatch.context() as patch:
                    breaks_off(patch, step)
                    assert net.fit(X, X[:, 0], checkpoint=path, **settings).interrupted
                settings["checkpoint"] = lp.Checkpoint(path, resume=True)
            results.append(result(net, net.fit(X, X[:, 0], **settings)))
        assert results[0] == results[1]


def test_a_network_and_a_split_without_a_seed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The seed of the run that was broken off is taken, for the split too."""
    path = tmp_path / "run"
    settings: dict[str, Any] = {"epochs": 4, "batch_size": 8, "validation": 0.3, "seed": None}
    with monkeypatch.context() as patch:
        breaks_off(patch, 7)
        network().fit(X, Y, checkpoint=path, **settings)
    seed = checkpoints.facts(str(path)).seed  # type: ignore[union-attr]
    plain, net = network(), network(seed=6)
    whole = result(plain, plain.fit(X, Y, **settings | {"seed": seed}))
    kept = lp.Checkpoint(path, resume=True)
    assert result(net, net.fit(X, Y, checkpoint=kept, **settings)) == whole


def test_an_embedding_and_classes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    codes = np.random.default_rng(0).integers(0, 5, (40, 2))

    def fit(**more: Any) -> Any:
        net = lp.Network([2, lp.Embedding(5, 3), 4], output="softmax", seed=more.pop("first", 0))
        return result(
            net, net.fit(codes, codes[:, 0] % 4, class_weight="balanced", epochs=5, **more)
        )

    whole = fit()
    with monkeypatch.context() as patch:
        breaks_off(patch, 5)
        fit(checkpoint=tmp_path / "run")
    assert fit(first=1, checkpoint=lp.Checkpoint(tmp_path / "run", resume=True)) == whole


def test_a_finished_run_is_gone_on_with_at_its_end(tmp_path: Path) -> None:
    path, calls = tmp_path / "run", []
    settings: dict[str, Any] = {"epochs": 40, "validation": 0.3, "optimizer": lp.SGD(0.1)}
    stops = [lp.EarlyStopping(patience=2), lambda run: calls.append(run.epoch)]
    net, again = network(), network(seed=4)
    whole = result(net, net.fit(X, Y, checkpoint=path, callbacks=stops, **settings))
    assert 0 < len(calls) < 40
    calls.clear()
    kept = lp.Checkpoint(path, resume=True)
    assert result(again, again.fit(X, Y, checkpoint=kept, callbacks=stops, **settings)) == whole
    assert calls == []
    assert checkpoints.facts(str(path)).finished  # type: ignore[union-attr]


def test_a_table(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    table = {"size": X[:, 0], "kind": [["a", "b", None][i % 3] for i in range(47)], "y": Y[:, 0]}
    settings: dict[str, Any] = {"epochs": 6, "progress": False}
    whole = lp.train(table, "y", **settings)
    path = tmp_path / "run"
    with monkeypatch.context() as patch:
        breaks_off(patch, 8)
        assert lp.train(table, "y", checkpoint=path, **settings).history.interrupted
    model = lp.train(table, "y", checkpoint=lp.Checkpoint(path, resume=True), **settings)
    assert result(model.network, model.history) == result(whole.network, whole.history)
    assert model.figures == whole.figures
    table["size"] = table["size"] + 1
    with pytest.raises(lp.CheckpointError, match=r"is of another run: X was f32\[38,2\] with"):
        lp.train(table, "y", checkpoint=lp.Checkpoint(path, resume=True), **settings)


class Counts(lp.Callback):
    """Carries a bit of everything from epoch to epoch."""

    def begin(self, run: lp.Run) -> None:
        self.seen: list[Any] = []
        self.resumed = (run.resumed, run.history.epochs)
        run.history.loss.clear()  # what a callback makes ready has no say in what was

    def epoch_end(self, run: lp.Run) -> None:
        self.seen.append({"loss": run.history.loss[-1], "first": run.params["hidden1.bias"].copy()})

    def state(self) -> dict[str, Any]:
        return {"seen": self.seen, "odd": [None, True, 3, "text", np.inf, np.float32(2)]}

    def restore(self, state: Any) -> None:
        assert state["odd"] == [None, True, 3, "text", np.inf, 2]
        self.seen = state["seen"]


def test_callbacks_carry_what_they_have(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    whole, broken, on = Counts(), Counts(), Counts()
    settings: dict[str, Any] = {"epochs": 4, "batch_size": 8}
    network().fit(X, Y, callbacks=whole, **settings)
    path = tmp_path / "run"
    with monkeypatch.context() as patch:
        breaks_off(patch, 14)
        network().fit(X, Y, callbacks=broken, checkpoint=path, **settings)
    assert len(broken.seen) == 2
    assert (whole.resumed, broken.resumed) == ((0, 0), (0, 0))
    network().fit(X, Y, callbacks=on, checkpoint=lp.Checkpoint(path, resume=True), **settings)
    assert on.resumed == (2, 0)
    assert [entry["loss"] for entry in on.seen] == [entry["loss"] for entry in whole.seen]
    for one, other in zip(on.seen, whole.seen, strict=True):
        assert one["first"].tobytes() == other["first"].tobytes()


# Another run --------------------------------------------------------------------------------------


USUAL: dict[str, Any] = {
    "epochs": 4,
    "batch_size": 8,
    "optimizer": lp.Adam(lp.Cosine(0.01)),
    "validation": (X[:9], Y[:9]),
    "callbacks": lp.EarlyStopping(patience=3),
    "engine": "reference",
}


@pytest.fixture
def half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkpoint of a run that was broken off at step 7."""
    path = tmp_path / "run.checkpoint"
    with monkeypatch.context() as patch:
        breaks_off(patch, 7)
        network().fit(X, Y, checkpoint=path, **USUAL)
    return path


CHANGES: list[tuple[dict[str, Any], str]] = [
    ({"epochs": 5}, "epochs was 4, is 5"),
    ({"batch_size": 9}, "batch_size was 8, is 9"),
    ({"shuffle": False}, "shuffle was True, is False"),
    ({"seed": 1}, "seed was 0, is 1"),
    ({"loss": "mae"}, "loss was mse, is mae"),
    ({"loss": lp.Huber(2)}, r"loss was mse, is Huber\(delta=2\)"),
    ({"optimizer": lp.AdamW(lp.Cosine(0.01))}, "optimizer was Adam, is AdamW; weight_decay was no"),
    ({"optimizer": lp.Adam(lp.Cosine(0.02))}, "learning_rate was 0.01, is 0.02"),
    ({"optimizer": lp.Adam(lp.Linear(0.01))}, "schedule was Cosine, is Linear"),
    ({"optimizer": lp.Adam(0.01)}, "schedule was Cosine, is none"),
    ({"optimizer": lp.Adam(lp.Cosine(0.01), beta1=0.8)}, "beta1 was 0.9, is 0.8"),
    ({"freeze": ["output.bias"]}, "freeze was none, is output.bias"),
    ({"engine": "native"}, "engine was reference, is native"),
    ({"callbacks": None}, "callbacks with a state was EarlyStopping, is none"),
    ({"callbacks": lp.EarlyStopping(patience=4)}, "EarlyStopping: patience was 3, is 4"),
    ({"X": X * 2}, r"X was f32\[47,3\] with checksum \w+, is f32\[47,3\] with checksum \w+"),
    ({"X": X[:40], "y": Y[:40]}, r"X was f32\[47,3\] .*, is f32\[40,3\] .*; y was"),
    ({"y": Y + 1}, r"y was f32\[47,1\] with checksum"),
    ({"sample_weight": WEIGHTS}, "sample_weight with class_weight was none, is f32"),
    ({"validation": (X[:8], Y[:8])}, r"validation X was f32\[9,3\] .*; validation y was"),
    ({"validation": 0.2}, "the rows to train on was all, is i64"),
    ({"net": network("float64")}, "dtype was float32, is float64"),
    (
        {"net": lp.Network([3, lp.Dense(6), 1], activation="tanh")},
        r"layer 'dropout3' was Dropout\(rate=0.3\), is none; layer 'hidden2' was BatchNorm",
    ),
]


@pytest.mark.parametrize(("change", "message"), CHANGES, ids=[m[:30] for _, m in CHANGES])
def test_another_run_is_refused_by_name(half: Path, change: dict[str, Any], message: str) -> None:
    before = half.read_bytes()
    given: dict[str, Any] = {"net": network(seed=2), "X": X, "y": Y, **USUAL, **change}
    net = given.pop("net")
    arrays = result(net, lp.History())[0]
    with pytest.raises(lp.CheckpointError, match=message):
        net.fit(
            given.pop("X"), given.pop("y"), checkpoint=lp.Checkpoint(half, resume=True), **given
        )
    assert result(net, lp.History())[0] == arrays
    assert half.read_bytes() == before
    assert os.listdir(half.parent) == ["run.checkpoint"]


def test_a_function_of_the_users_is_told_apart(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def net(slope: float) -> lp.Network:
        return lp.Network([3, lp.Dense(4, activation=lambda x: lp.relu(x) * slope), 1], seed=0)

    path = tmp_path / "run"
    with monkeypatch.context() as patch:
        breaks_off(patch, 1)
        net(2.0).fit(X, Y, checkpoint=path)
    with pytest.raises(lp.CheckpointError, match=r"the traced step was \w{16}, is \w{16}"):
        net(3.0).fit(X, Y, checkpoint=lp.Checkpoint(path, resume=True))
    assert net(2.0).fit(X, Y, checkpoint=lp.Checkpoint(path, resume=True)).epochs == 20


def test_what_may_change(half: Path) -> None:
    """Threads, what is shown, and callbacks that carry nothing."""
    seen: list[int] = []
    stop = USUAL["callbacks"]
    settings = USUAL | {"callbacks": [stop, lambda run: seen.append(run.epoch)], "threads": 1}
    history = network().fit(
        X, Y, checkpoint=lp.Checkpoint(half, resume=True), progress=True, **settings
    )
    assert seen == [1, 2, 3]
    assert history.epochs == 4


def test_another_version_or_machine_is_told(half: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lp, "__version__", "0.0.9")
    kept = lp.Checkpoint(half, resume=True)
    with pytest.warns(lp.LimpideWarning, match=r"elsewhere \(limpide was 0.1.0, is 0.0.9\): last"):
        network().fit(X, Y, checkpoint=kept, **USUAL)
    monkeypatch.setattr(lp, "__version__", "1")
    with pytest.raises(lp.CheckpointError, match=r"epochs was 4, is 5 \(limpide was 0.0.9, is 1\)"):
        network().fit(X, Y, checkpoint=kept, **USUAL | {"epochs": 5})


# An old file, another file ------------------------------------------------------------------------


def test_a_run_that_was_broken_off_is_not_lost(half: Path) -> None:
    before = half.read_bytes()
    with pytest.raises(
        lp.CheckpointError,
        match=r"holds a run that was broken off: 1 of 4 epochs, written .*resume=True.*overwrite",
    ):
        network().fit(X, Y, checkpoint=half, **USUAL)
    assert half.read_bytes() == before
    net = network()
    net.fit(X, Y, checkpoint=lp.Checkpoint(half, overwrite=True), **USUAL)
    with pytest.warns(lp.LimpideWarning, match=r"a finished run: 4 of 4 epochs.*it will be repl"):
        network().fit(X, Y, checkpoint=half, **USUAL)


def test_resume_without_a_file_begins(tmp_path: Path) -> None:
    kept = lp.Checkpoint(tmp_path / "run", resume=True)
    assert network().fit(X, Y, epochs=1, checkpoint=kept).epochs == 1
    assert kept.resumed_at is None
    assert network().fit(X, Y, epochs=1, checkpoint=kept).epochs == 1
    assert kept.resumed_at == 2
    assert os.listdir(tmp_path) == ["run"]
    kept.remove()
    kept.remove()
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("resume", [True, False])
def test_a_file_that_is_no_checkpoint_is_left_alone(tmp_path: Path, resume: bool) -> None:
    data, model, folder = (tmp_path / name for name in ("people.csv", "net", "folder"))
    data.write_text("a,b\n1,2\n")
    folder.mkdir()
    network().save(model)
    expected = {
        data: (lp.CheckpointError, r"people.csv' is not a checkpoint .*text, such as a CSV table"),
        model: (lp.CheckpointError, r"net' is not a checkpoint .*It holds a network"),
        folder: (lp.FileError, r"folder' is a folder. Name a file in it"),
        tmp_path / "absent" / "run": (
            lp.FileError,
            r"No such file or directory \(ENOENT\). Choose",
        ),
        Path("/proc/run"): (lp.FileError, r"'/proc/run' cannot be kept there: .* Choose a folder"),
    }
    before = [path.read_bytes() for path in (data, model)]
    for path, (error, message) in expected.items():
        kept = lp.Checkpoint(path, resume=resume)
        with pytest.raises(error, match=message):
            network().fit(X, Y, checkpoint=kept)
    for path in (data, model):
        with pytest.raises(lp.CheckpointError, match="is not a checkpoint"):
            lp.Checkpoint(path).remove()
    assert [path.read_bytes() for path in (data, model)] == before
    assert sorted(os.listdir(tmp_path)) == ["folder", "net", "people.csv"]


def test_a_checkpoint_is_no_model(half: Path) -> None:
    with pytest.raises(lp.ModelFileError, match=r"is the checkpoint of a run, not a model. Go on"):
        lp.load(half)


def test_a_damaged_checkpoint_is_an_error_wherever_it_is_damaged(half: Path) -> None:
    whole = half.read_bytes()
    net = network()
    arrays = result(net, lp.History())[0]
    for place in range(0, len(whole), len(whole) // 60):
        for damaged in (
            whole[:place],
            whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :],
        ):
            half.write_bytes(damaged)
            with pytest.raises(lp.CheckpointError, match=r"run.checkpoint"):
                net.fit(X, Y, checkpoint=lp.Checkpoint(half, resume=True), **USUAL)
    assert result(net, lp.History())[0] == arrays


def changed(path: Path, **parts: Any) -> None:
    """Write a checkpoint anew with other tensors, all checksums right."""
    stored = storage.read(path)
    storage.write(path, stored.tensors | parts, stored.metadata)


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("arrays.params.hidden1.bias", np.zeros(5, np.float32), r"hidden1.bias',.*f32\[6\]; rec"),
        ("arrays.step", np.zeros((), np.int64), r"'step', must have u32\[\]; received i64\[\]"),
        ("arrays.state.hidden1.bias", np.zeros(1), ""),
        ("arrays.slots.output.bias.mean", np.full(1, np.nan, np.float32), "mean is not finite"),
        ("losses", np.zeros(3), "steps and epochs do not fit together"),
        ("run", np.zeros(3, np.uint8), "cannot be gone on with: .*packed JSON"),
        ("run", storage.pack_json({"a": 1}), "cannot be gone on with: .* the key"),
    ],
)
def test_a_file_made_up_is_refused(half: Path, name: str, array: Array, message: str) -> None:
    changed(half, **{name: array})
    net = network()
    arrays = result(net, lp.History())[0]
    kept = lp.Checkpoint(half, resume=True)
    if not message:  # more than is asked for does no harm
        net.fit(X, Y, checkpoint=kept, **USUAL)
        return
    with pytest.raises(lp.CheckpointError, match=message):
        net.fit(X, Y, checkpoint=kept, **USUAL)
    assert result(net, lp.History())[0] == arrays


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            {"path": 3},
            lp.ArgumentTypeError,
            "checkpoint must be a text or a pathlib.Path; received",
        ),
        ({"path": ""}, lp.FileError, "checkpoint '' can name no file"),
        ({"every": 0}, lp.ArgumentError, "every must be at least 1; received 0"),
        ({"every": True}, lp.ArgumentTypeError, "every must be a whole number of epochs; received"),
        ({"every": 1.5}, lp.ArgumentTypeError, "every must be a whole number of epochs"),
        ({"seconds": -1}, lp.ArgumentError, "seconds must be at least 0; received -1"),
        ({"seconds": float("nan")}, lp.ArgumentError, "seconds"),
        ({"seconds": "soon"}, lp.ArgumentTypeError, "seconds"),
        ({"resume": 1}, lp.ArgumentTypeError, "resume must be True or False; received 1"),
        ({"resume": True, "overwrite": True}, lp.ArgumentError, "Say one of them"),
        ({"resum": True}, lp.ArgumentTypeError, "Did you mean 'resume'"),
    ],
)
def test_arguments(arguments: dict[str, Any], error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        lp.Checkpoint(**{"path": "run"} | arguments)


def test_what_is_no_checkpoint_argument() -> None:
    with pytest.raises(lp.ArgumentTypeError, match=r"a path or lp.Checkpoint\(.*received bool"):
        network().fit(X, Y, checkpoint=True)  # type: ignore[arg-type]


def test_the_lock_is_held_over_several_runs(half: Path) -> None:
    kept = lp.Checkpoint(half, resume=True)
    net, other = network(), lp.Checkpoint(half, resume=True)
    with kept:
        assert other.is_in_use()
        for _ in range(2):
            net.fit(X, Y, checkpoint=kept, **USUAL)
            copy.deepcopy(kept)
            pickle.loads(pickle.dumps(kept))
        with pytest.raises(lp.FileError, match=rf"in use by another run: process {os.getpid()} on"):
            network().fit(X, Y, checkpoint=other, **USUAL)
        with pytest.raises(lp.FileError, match="in use by another run"):
            copy.copy(kept).remove()
        kept.remove()
        assert not kept.is_in_use()
    assert not other.is_in_use()
    assert os.listdir(half.parent) == []


def test_a_lock_that_is_lost_ends_the_writing(half: Path) -> None:
    """As when this machine slept so long that another one took the run over."""
    lock = Path(f"{half}.lock")
    kept = lp.Checkpoint(half, every=1, overwrite=True)
    before = half.read_bytes()
    net = network()
    settings = USUAL | {"callbacks": [USUAL["callbacks"], lambda run: lock.write_text("another's")]}
    with pytest.warns(lp.LimpideWarning, match=r"is lost: another run may .* without a checkpoint"):
        history = net.fit(X, Y, checkpoint=kept, **settings)
    assert history.epochs == 4
    assert half.read_bytes() == before
    assert lock.read_text() == "another's"


# Disks that fail ----------------------------------------------------------------------------------


CALLS = ["open", "write", "fsync", "link", "replace", "unlink", "fstat", "close", "ftruncate"]


LONG = pytest.mark.long


@pytest.mark.parametrize(
    ("for_good", "number"),
    [
        pytest.param(False, errno.EIO, id="once, EIO"),
        pytest.param(True, errno.ENOSPC, id="for good, ENOSPC"),
        pytest.param(False, errno.ENOSPC, id="once, ENOSPC", marks=LONG),
        pytest.param(False, errno.EACCES, id="once, EACCES", marks=LONG),
        pytest.param(True, errno.EIO, id="for good, EIO", marks=LONG),
        pytest.param(True, errno.EACCES, id="for good, EACCES", marks=LONG),
    ],
)
def test_the_nth_call_failing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, for_good: bool, number: int
) -> None:
    path = tmp_path / "run"
    settings: dict[str, Any] = {"epochs": 2, "batch_size": 24, "engine": "reference"}
    plain = lp.Network([3, 2, 1], seed=0)
    whole = result(plain, plain.fit(X, Y, **settings))
    with monkeypatch.context() as patch:
        breaks_off(patch, 1)
        lp.Network([3, 2, 1], seed=0).fit(X, Y, checkpoint=path, **settings)
    old, faults = path.read_bytes(), Faults(monkeypatch, CALLS)
    net = lp.Network([3, 2, 1], seed=9)
    for n in range(1, 1000):
        net.params["output.bias"] = n
        first = result(net, lp.History())[0]
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            faults.plan(n, for_good, number)
            refused, history = "", None
            try:
                kept = lp.Checkpoint(path, every=1, resume=True)
                history = net.fit(X, Y, checkpoint=kept, **settings)
            except lp.FileError as error:
                refused = str(error)
            failed, faults.at = faults.failed, 0
        if history is not None:
            assert result(net, history) == whole
        else:  # before the run: nothing was learned or changed
            assert os.strerror(number) in refused
            assert result(net, lp.History())[0] == first
            assert path.read_bytes() == old
        if not failed:
            break
        # What lies there can be gone on with, and nothing stands in its way.
        net.params["output.bias"] = n
        kept = lp.Checkpoint(path, resume=True)
        assert result(net, net.fit(X, Y, checkpoint=kept, **settings)) == whole
        stale = [name for name in os.listdir(tmp_path) if name.startswith(".run.limpide-")]
        assert sorted(os.listdir(tmp_path)) == sorted([*stale, "run"])
        if {"write", "fsync"} & set(failed) and path.read_bytes() == old:
            assert any("no checkpoint now" in str(w.message) for w in told)
        path.write_bytes(old)
    assert n > 30
    assert os.listdir(tmp_path) == ["run"]  # the last run, without a fault, has swept


def test_a_disk_that_is_full_for_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old checkpoint stays, the run goes on, says so once, and the next write is tried."""
    path, seen = tmp_path / "run", []
    write = storage.write

    def full(target: str, *parts: Any) -> None:
        if len(seen) in (2, 3):
            seen.append(None)
            raise lp.FileError(f"cannot save {target!r}: No space left on device (ENOSPC).")
        write(target, *parts)
        seen.append(checkpoints.facts(target).epochs)  # type: ignore[union-attr]

    monkeypatch.setattr(storage, "write", full)
    with pytest.warns(lp.LimpideWarning) as told:
        network().fit(X, Y, epochs=5, checkpoint=lp.Checkpoint(path, every=1))
    assert seen == [1, 2, None, None, 5]
    assert [str(w.message) for w in told] == [
        f"no checkpoint now, and the run goes on: cannot save {str(path)!r}: No space left on "
        "device (ENOSPC)."
    ]


def test_a_lock_that_cannot_be_looked_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stat, seen = os.stat, []

    def failing(path: Any, *rest: Any, **more: Any) -> Any:
        if str(path).endswith(".lock"):
            seen.append(path)
            if len(seen) == 3:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
        return stat(path, *rest, **more)

    monkeypatch.setattr(os, "stat", failing)
    kept = lp.Checkpoint(tmp_path / "run", every=1)
    with pytest.warns(lp.LimpideWarning, match=r"no checkpoint now, .* Input/output error"):
        network().fit(X, Y, epochs=4, checkpoint=kept)
    assert checkpoints.facts(kept.path).finished  # type: ignore[union-attr]


def test_memory_that_is_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def short(*_: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(storage, "write", short)
    with pytest.warns(lp.LimpideWarning, match=r"no checkpoint now.*: out of memory"):
        history = network().fit(X, Y, epochs=3, checkpoint=tmp_path / "run")
    assert history.epochs == 3


def test_too_large_a_checkpoint_to_read(half: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = np.empty

    def short(shape: Any, *rest: Any) -> Array:
        if shape == (3, 6):
            raise MemoryError
        return empty(shape, *rest)

    net = network()
    numpy = SimpleNamespace(**{**vars(np), "empty": short})
    monkeypatch.setattr(storage.container, "np", numpy)
    with pytest.raises(lp.MemoryLimitError, match=r"arrays.*hidden1.weights.* needs 72 bytes"):
        net.fit(X, Y, checkpoint=lp.Checkpoint(half, resume=True), **USUAL)


# When ---------------------------------------------------------------------------------------------


def test_writes_by_time_and_never_too_often(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock of our own: a step takes a second, a write three."""
    now, written = 0.0, []
    store = checkpoints.Keeper._store

    def slow(self: Any, snapshot: Any, finished: bool) -> None:
        nonlocal now
        written.append((snapshot.history.steps, now))
        store(self, snapshot, finished)
        now += 3

    def one_by_one(total: int, *_: object) -> Any:
        nonlocal now
        for i in range(total):
            now += 1
            yield i, i + 1

    monkeypatch.setattr(checkpoints.time, "monotonic", lambda: now)
    monkeypatch.setattr(checkpoints.Keeper, "_store", slow)
    monkeypatch.setattr(training, "slices", one_by_one)
    kept = lp.Checkpoint(tmp_path / "run", seconds=10)
    history = network().fit(X, Y, epochs=25, batch_size=8, checkpoint=kept)
    assert history.steps == 150
    # The first after ten seconds, within an epoch; then 20 · 3 seconds lie between two.
    assert written == [(10, 10), (70, 73), (130, 136), (150, 159)]


def test_writing_does_not_change_the_rhythm_of_slices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a write takes is not taken for the time of steps."""
    now, sizes = 0.0, []
    run_steps, store = training.Trainer._run_steps, checkpoints.Keeper._store

    def timed(self: Any, rows: Any, order: Any) -> Any:
        nonlocal now
        sizes.append(-(-order.size // 8))
        now += 0.01 * sizes[-1]
        return run_steps(self, rows, order)

    def slow(self: Any, *given: Any) -> None:
        nonlocal now
        store(self, *given)
        now += 5

    for module in (checkpoints.time, training.time):
        monkeypatch.setattr(module, "monotonic", lambda: now)
        monkeypatch.setattr(module, "perf_counter", lambda: now)
    monkeypatch.setattr(training.Trainer, "_run_steps", timed)
    monkeypatch.setattr(training.Trainer, "_judged_last", lambda self: 0.0)
    monkeypatch.setattr(checkpoints.Keeper, "_store", slow)
    settings: dict[str, Any] = {"epochs": 1, "batch_size": 8, "engine": "reference"}
    many = np.tile(X, (200, 1))
    results = []
    for checkpoint in (None, lp.Checkpoint(tmp_path / "run", seconds=0.5)):
        sizes.clear()
        network().fit(many, many[:, :1], checkpoint=checkpoint, **settings)
        results.append(list(sizes))
    plain, kept = results
    assert max(kept) == max(plain) == 20  # steps in a slice of 0.2 s
    assert len(kept) <= len(plain) + 2


# Killed -------------------------------------------------------------------------------------------


KILLER = r"""
import json, os, random, signal, sys, time
import numpy as np
import limpide as lp

folder, trials, engine = sys.argv[1], int(sys.argv[2]), sys.argv[3]
X = np.random.default_rng(0).normal(size=(400, 6))

def learn(name, kept):
    net = lp.Network([6, 16, lp.BatchNorm(), lp.Dropout(0.2), 1], seed=0)
    stop = lp.EarlyStopping(patience=1000, monitor="loss")
    net.fit(X, X[:, 0] * X[:, 1], epochs=EPOCHS, batch_size=32, callbacks=stop, engine=engine,
            checkpoint=kept, progress=False)
    net.save(os.path.join(folder, name))

EPOCHS = 40 if engine == "reference" else 250

def in_a_child(name, kept):
    child = os.fork()
    if not child:
        try:
            learn(name, kept)
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(3)
        os._exit(0)
    return child

began = time.monotonic()
assert os.waitpid(in_a_child("whole", None), 0)[1] == 0
lasts = time.monotonic() - began
whole = open(os.path.join(folder, "whole"), "rb").read()
random.seed(engine)
killed = resumed = runs = 0
while killed < trials:
    path = os.path.join(folder, "run.checkpoint")
    status = None
    while status != 0:
        if os.path.exists(path):
            lp.storage.verify(path)
            resumed += 1
        kept = lp.Checkpoint(path, seconds=0, resume=True)
        child = in_a_child("model", kept)
        ended, late = 0, not killed or random.random() < 0.5
        while late and not ended and not os.path.exists(path):
            ended, status = os.waitpid(child, os.WNOHANG)
            time.sleep(0.001)
        if not ended:
            time.sleep(random.uniform(0, lasts))
            if killed < trials:
                os.kill(child, signal.SIGKILL)
            status = os.waitpid(child, 0)[1]
        assert status in (0, signal.SIGKILL), status
        killed += status != 0
    runs += 1
    assert open(os.path.join(folder, "model"), "rb").read() == whole
    kept.remove()
    os.unlink(os.path.join(folder, "model"))
    assert sorted(os.listdir(folder)) == ["whole"], os.listdir(folder)
print(json.dumps({"killed": killed, "resumed": resumed, "runs": runs}))
"""


def kill(folder: Path, trials: int, engine: str) -> dict[str, int]:
    source = Path(lp.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", KILLER, str(folder), str(trials), engine],
        env={**os.environ, "PYTHONPATH": str(source)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, int] = json.loads(done.stdout)
    return found


def test_kill_9_at_random_moments(tmp_path: Path) -> None:
    found = kill(tmp_path, 5, "native")
    assert found["killed"] == 5
    assert found["resumed"] > 0  # the first was killed when there was something to go on from


@pytest.mark.long
@pytest.mark.parametrize("engine", ["native", "reference"])
def test_kill_9_two_hundred_times(tmp_path: Path, engine: str) -> None:
    found = kill(tmp_path, 200, engine)
    assert found["killed"] == 200
    assert found["resumed"] > 100


def test_metrics_and_what_is_chosen_by_them_go_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen: dict[str, list[float]] = {}

    def curves(run: lp.Run) -> None:
        seen["size"] = list(run.history.metrics["size"])

    def settings() -> dict[str, Any]:
        size = lp.Metric("size", lambda run: float(abs(run.params["output.weights"]).max()))
        watch = [lp.Measuring(size), lp.EarlyStopping(None, "size"), curves]
        return {"epochs": 8, "callbacks": watch, "validation": (X[:9], Y[:9], WEIGHTS[:9])}

    whole = network()
    expected = whole.fit(X, Y, **settings())
    assert len(expected.metrics["size"]) == 8
    found = broken_off(monkeypatch, tmp_path / "run", [5, 4], settings)
    assert found == result(whole, expected)
    assert seen == expected.metrics


def test_other_weights_of_validation_rows_or_another_loss_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def cube(y: Any, prediction: Any) -> Any:
        return lp.abs(y - prediction) ** 3

    def fourth(y: Any, prediction: Any) -> Any:
        return (y - prediction) ** 4

    held = (X[:9], Y[:9], WEIGHTS[:9])
    with monkeypatch.context() as patch:
        breaks_off(patch, 3)
        network().fit(X, Y, loss=cube, validation=held, checkpoint=lp.Checkpoint(tmp_path / "run"))
    for change, message in (
        ({"validation": (*held[:2], WEIGHTS[9:18])}, "validation"),
        ({"loss": fourth}, "loss"),
    ):
        given = {"loss": cube, "validation": held} | change
        with pytest.raises(lp.CheckpointError, match=message):
            network().fit(X, Y, checkpoint=lp.Checkpoint(tmp_path / "run", resume=True), **given)
