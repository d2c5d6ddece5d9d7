"""A step told, and runs gone through again: the numbers are those of the run itself."""

from __future__ import annotations

import copy
import itertools
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import limpide as lp
from read_formulas import check, equations
from tolerances import tolerance

EXACT = {"abs": tolerance("explained_derivative"), "rel": 0}


def data(rows: int = 23) -> tuple[Any, Any]:
    rng = np.random.default_rng(7)
    X = rng.normal(size=(rows, 3))
    return X, (X[:, 0] * X[:, 1] > 0).astype(float)


def network(*layers: Any, **settings: Any) -> lp.Network:
    return lp.Network([3, *layers, 1], output="sigmoid", dtype="float64", seed=2, **settings)


@pytest.mark.parametrize(
    "optimizer",
    [
        lp.SGD(0.3),
        lp.SGD(0.3, momentum=0.9, nesterov=True),
        lp.Adam(0.05),
        lp.AdamW(lp.Cosine(0.05), weight_decay=0.1),
        lp.RMSProp(0.02),
        lp.Adagrad(0.1),
    ],
    ids=str,
)
@pytest.mark.parametrize("engine", ["native", "reference"])
def test_the_last_step_ends_where_the_run_ended(optimizer: Any, engine: str) -> None:
    X, y = data()
    net = network(4, lp.Dropout(0.3), lp.BatchNorm(), lp.Dense(3, "tanh"))
    history = net.fit(X, y, optimizer=optimizer, epochs=5, batch_size=5, engine=engine)
    step = history.replay(history.steps)
    assert (step.number, step.epoch, len(step.rows)) == (25, 5, 3)  # the short last batch
    for name, value in step.after.items():
        assert value == pytest.approx(net.get(name), abs=tolerance("training_weights"), rel=0)
        assert step[name].updated == pytest.approx(value, **EXACT)
    for printed in equations(step["w1"].to_text(language="en", width=100)):
        check(printed, 6)


def test_steps_follow_each_other() -> None:
    X, y = data()
    net = network(4)
    history = net.fit(X, y, optimizer=lp.Adam(0.1), epochs=2, batch_size=8, engine="reference")
    steps = [history.replay(number) for number in range(1, 7)]
    for step, following in itertools.pairwise(steps):
        assert dict(step.after) == pytest.approx(dict(following.before), **EXACT)
    losses = [step.loss_before * len(step.rows) for step in steps]
    assert sum(losses[:3]) / len(X) == pytest.approx(history.loss[0], **EXACT)
    assert sum(losses[3:]) / len(X) == pytest.approx(history.loss[1], **EXACT)
    seen = np.concatenate([step.rows for step in steps[:3]])
    assert sorted(seen.tolist()) == list(range(len(X)))


def test_the_values_of_a_scalar_over_a_run() -> None:
    X, y = data()
    net = network(4)
    first = net.get("w1")
    history = net.fit(X, y, optimizer=lp.SGD(0.5), epochs=3, batch_size=8, freeze="output.bias")
    by_epoch, by_step = history.values("w1"), history.values("w1", each="step")
    assert by_epoch.shape == (4,)
    assert by_step.shape == (10,)
    assert by_epoch[0] == by_step[0] == first
    assert by_epoch[-1] == by_step[-1] == net.get("w1")
    assert by_epoch.tolist() == by_step[::3].tolist()
    assert by_step[4] == pytest.approx(history.replay(4).after["w1"], **EXACT)
    assert set(history.values("b5").tolist()) == {net.get("b5")}
    assert net.get("w1") == by_epoch[-1]  # nothing was moved by looking


def test_a_run_that_went_on_from_a_checkpoint(tmp_path: Path) -> None:
    X, y = data()

    path = tmp_path / "run.checkpoint"
    settings = {"optimizer": lp.Adam(0.1), "batch_size": 8, "epochs": 4}
    whole = network(4)
    uninterrupted = whole.fit(X, y, **settings)
    first = network(4)
    with pytest.raises(KeyboardInterrupt):
        first.fit(X, y, **settings, checkpoint=path, callbacks=[_breaking_off(2)])
    net = network(4)
    history = net.fit(X, y, **settings, checkpoint=lp.Checkpoint(path, resume=True))
    step = history.replay(history.steps)
    assert dict(step.after) == pytest.approx(
        {name: whole.get(name) for name in step.after}, abs=tolerance("training_weights"), rel=0
    )
    assert dict(step.before) == dict(uninterrupted.replay(12).before)


def _breaking_off(epoch: int) -> Any:
    def callback(run: Any) -> None:
        if run.epoch == epoch:
            raise KeyboardInterrupt

    return callback


def test_a_step_of_its_own() -> None:
    X, y = data(6)
    net = network(2)
    before = {name: net.get(name) for name in net.scalars}
    step = net.explain_step(X, y, lp.SGD(0.5))
    assert dict(step.before) == before == {name: net.get(name) for name in net.scalars}
    for name, gradient in step.gradients.items():
        assert step.after[name] == pytest.approx(before[name] - 0.5 * gradient, **EXACT)
    assert step.loss_before == pytest.approx(net.evaluate(X, y)["loss"], **EXACT)
    net.params |= {k: v - 0.5 * step.gradients.array(k) for k, v in net.params.items()}
    assert step.loss_after == pytest.approx(net.evaluate(X, y)["loss"], **EXACT)
    record = json.loads(step.to_json())
    assert record["parameters"]["w1"]["after"] == step.after["w1"]
    assert list(record["parameters"]) == list(before)


def test_a_step_of_an_ensemble_is_that_of_its_members(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = {"a": rng.normal(size=300), "b": rng.normal(size=300)}
    frame["y"] = np.where(frame["a"] > 0, "yes", "no")
    model = lp.train(frame, "y", epochs=1, seed=0)
    net = model.network
    assert net.members > 1
    step = model.history.replay(model.history.steps)
    for name in step.facts.most_changed(5):
        allowed = tolerance("fit_float32")
        assert step.after[name] == pytest.approx(net.get(name), abs=allowed, rel=0)


def test_it_says_so_in_three_languages() -> None:
    X, y = data()
    net = network(4)
    step = net.fit(X, y, epochs=1, batch_size=8).replay(2)
    english = step.to_text(language="en", width=80)
    assert english.startswith("Step 2, in epoch 1\n")
    assert "The loss on its rows goes from 0." in english
    assert step.to_text(language="fr", width=80).startswith("Pas 2, époque 1\n")
    assert "Крок 2" in step.to_text(language="uk", width=80)
    assert "\\begin{tabular}{lrrr}" in step.to_latex(language="en")
    assert '<th scope="row">w1</th>' in step.to_html(language="en")


@pytest.mark.parametrize("number", [0, -1, 4, 1.5, True, "2"])
def test_a_step_that_there_was_not(number: Any) -> None:
    X, y = data()
    history = network().fit(X, y, epochs=1, batch_size=8)
    with pytest.raises(lp.ArgumentError, match=r"received|whole number"):
        history.replay(number)


def test_a_history_that_was_copied_or_loaded_has_no_rows() -> None:
    X, y = data()
    history = network().fit(X, y, epochs=1)
    for other in (pickle.loads(pickle.dumps(history)), copy.deepcopy(history)):
        assert other.loss == history.loss
        with pytest.raises(lp.ArgumentError, match="Fit again, with the same seed"):
            other.replay(1)
    with pytest.raises(lp.ArgumentError, match="each"):
        history.values("w1", each="row")
    with pytest.raises(lp.ArgumentError, match="No parameter is named 'w99'"):
        history.values("w99")


def test_rows_that_have_changed_are_noticed() -> None:
    X, y = data()
    history = network().fit(X, y, epochs=1, batch_size=8)
    assert history.replay(1).number == 1
    X[3] = 0
    with pytest.raises(lp.DataError, match="X or y has changed since the run"):
        history.replay(1)
